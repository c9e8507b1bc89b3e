package engine

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
)

// nowMS is PostgreSQL's clock: the nodes' own clocks decide nothing.
const nowMS = `(extract(epoch from clock_timestamp()) * 1000)::bigint`

// node is this process among the nodes on one PostgreSQL database.
//
// It beats in engine_node each third of the lease. Whoever holds the lock (the
// node elected for that moment) declares those dead that have not beaten for a
// lease: their instance is emptied and their jobs go back to the queue. A node
// that has had no answer to a beat for two thirds of a lease cannot know that
// this has not happened to it: it ends what it runs and starts no step until it
// has joined again, as a new instance. So of a node that was only paused, or cut
// off, at most the step in flight is repeated.
type node struct {
	e     *Engine
	lease time.Duration
	now   func() time.Time
	kick  chan struct{} // asks for a beat at once

	mu       sync.Mutex
	instance string
	heard    time.Time // when the last beat that was answered was sent
	lapsed   bool      // trust was lost and not yet regained
	dead     bool      // another process runs under this node's id: for good
}

func newNode(e *Engine) *node {
	return &node{e: e, lease: e.cfg.Lease, now: e.cfg.Now, kick: make(chan struct{}, 1)}
}

func (n *node) beatEvery() time.Duration { return n.lease / 3 }
func (n *node) trustFor() time.Duration  { return n.lease * 2 / 3 }

// errSuperseded says that another process has started under this node's id.
var errSuperseded = errors.New("another process runs under the id of this node")

// join enters the node as a new instance and runs launch, which takes up what
// the node left behind, while no other node takes it over.
func (n *node) join(ctx context.Context, launch func() error) error {
	instance := rand.Text()
	sent := n.now()
	err := n.e.db.locked(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO engine_node (id, instance, started_ms, beat_ms)
			VALUES ($1, $2, `+nowMS+`, `+nowMS+`)
			ON CONFLICT (id) DO UPDATE SET instance = EXCLUDED.instance, started_ms = EXCLUDED.started_ms, beat_ms = EXCLUDED.beat_ms`,
			n.e.cfg.Node, instance)
		if err != nil {
			return fmt.Errorf("join as node %s: %w", n.e.cfg.Node, err)
		}
		n.trust(instance, sent)
		return launch()
	})
	return err
}

// rejoin enters the node again after it lost trust: as a new instance, with all
// it had claimed back in the queue.
func (n *node) rejoin(ctx context.Context) error {
	n.lapse()
	instance := rand.Text()
	sent := n.now()
	err := n.e.db.locked(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE engine_node SET instance = $1, beat_ms = `+nowMS+`
			WHERE id = $2 AND instance IN ($3, '')`, instance, n.e.cfg.Node, n.name())
		if err != nil {
			return fmt.Errorf("rejoin: %w", err)
		}
		if count, err := res.RowsAffected(); err != nil || count != 1 {
			return errors.Join(errSuperseded, err)
		}
		rows, err := n.e.mine(ctx)
		if err != nil {
			return fmt.Errorf("rejoin: %w", err)
		}
		return n.e.release(ctx, rows, alive)
	})
	if err != nil {
		return err
	}
	ended := n.trust(instance, sent)
	n.e.log.WarnContext(ctx, "this node was out of touch with the database and takes its jobs up anew", "node", n.e.cfg.Node, "jobs", ended)
	return nil
}

// leave tells the others that nothing of this node runs any more.
func (n *node) leave(ctx context.Context) error {
	_, err := n.e.db.own.ExecContext(ctx, `UPDATE engine_node SET instance = '', beat_ms = 0 WHERE id = $1 AND instance = $2`,
		n.e.cfg.Node, n.name())
	if err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	return nil
}

func (n *node) name() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.instance
}

// trust records an answered beat. It lets go the runs that a lapse has ended,
// and returns how many: no run starts while trust is lost, so all that have been
// ended were claimed before the jobs of this node went back to the queue.
func (n *node) trust(instance string, sent time.Time) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.instance, n.heard, n.lapsed = instance, sent, false
	ended := n.e.runs.list(func(r *Run) bool { return errors.Is(context.Cause(r.ctx), ErrLost) })
	for _, r := range ended {
		r.closeFence()
	}
	return len(ended)
}

// heardNow records an answered beat of a node that is trusted.
func (n *node) heardNow(sent time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.heard = sent
}

// trusted reports whether this node can know that it has not been declared dead.
// It asks both clocks: the monotonic one stands still while the machine sleeps,
// the other may be set back.
func (n *node) trusted() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	return !n.lapsed && !n.dead && max(now.Sub(n.heard), now.Round(0).Sub(n.heard.Round(0))) < n.trustFor()
}

// mustBeTrusted ends the runs of this node when it cannot be trusted.
func (n *node) mustBeTrusted() {
	if n == nil || n.trusted() {
		return
	}
	n.lapse()
}

// waitTrusted waits until the node can be trusted, or ctx ends.
func (n *node) waitTrusted(ctx context.Context) {
	for n != nil && !n.trusted() {
		n.lapse()
		if pause(ctx, trustLook) != nil {
			return
		}
	}
}

// trustLook is how often a job that waits for trust looks again.
const trustLook = 100 * time.Millisecond

// lapse ends the runs that have started and asks for a beat. Runs that have not
// started wait for trust instead.
func (n *node) lapse() {
	n.mu.Lock()
	n.lapsed = true
	for _, r := range n.e.runs.list(func(r *Run) bool { return r.started.Load() }) {
		r.end(ErrLost)
	}
	n.mu.Unlock()
	select {
	case n.kick <- struct{}{}:
	default:
	}
}

// live beats until ctx ends.
func (n *node) live(ctx context.Context) {
	beat := time.NewTimer(n.beatEvery()) //nolint:forbidigo // it wakes; what it is for asks n.now
	defer beat.Stop()
	lapse := time.NewTimer(n.trustFor()) //nolint:forbidigo // it wakes; what it is for asks n.now
	defer lapse.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-lapse.C:
		case <-beat.C:
		case <-n.kick:
			if n.trusted() {
				continue // answered meanwhile
			}
		}
		n.step(ctx)
		next := n.beatEvery()
		if !n.trusted() {
			next = min(next, retryAfter)
		}
		beat.Reset(next)
		lapse.Reset(n.trustFor())
	}
}

// step is one turn of live.
func (n *node) step(ctx context.Context) {
	if n.isDead() {
		return
	}
	sent := n.now()
	turn, cancel := context.WithTimeout(ctx, n.beatEvery())
	defer cancel()
	alive, err := n.beat(turn)
	switch {
	case err != nil && ctx.Err() == nil:
		n.e.log.WarnContext(ctx, "a heartbeat was not recorded", "node", n.e.cfg.Node, "error", err)
		n.mustBeTrusted()
		return
	case err != nil:
		return
	case alive && n.trusted():
		n.heardNow(sent)
	default:
		if err := n.rejoin(turn); err != nil && ctx.Err() == nil {
			n.outOfTouch(ctx, err)
			return
		}
	}
	if err := n.takeOver(turn); err != nil && ctx.Err() == nil {
		n.e.log.WarnContext(ctx, "the jobs of dead nodes were not taken over", "error", err)
	}
}

func (n *node) isDead() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dead
}

// outOfTouch handles a rejoin that failed.
func (n *node) outOfTouch(ctx context.Context, err error) {
	if !errors.Is(err, errSuperseded) {
		n.e.log.WarnContext(ctx, "this node has not joined again yet", "node", n.e.cfg.Node, "error", err)
		return
	}
	n.mu.Lock()
	n.dead = true
	n.mu.Unlock()
	dbos.ListenQueues(n.e.dbos, idleQueue)
	n.e.log.ErrorContext(ctx, "another process runs under the id of this node: this one takes no more work", "node", n.e.cfg.Node)
	// What still runs here waits for the stop, without an outcome: the other
	// process took up what was claimed when it started, and finds the rest.
	n.lapse()
}

// beat reports whether the node is still the instance it was.
func (n *node) beat(ctx context.Context) (bool, error) {
	res, err := n.e.db.own.ExecContext(ctx, `UPDATE engine_node SET beat_ms = `+nowMS+` WHERE id = $1 AND instance = $2`,
		n.e.cfg.Node, n.name())
	if err != nil {
		return false, fmt.Errorf("beat: %w", err)
	}
	count, err := res.RowsAffected()
	return count == 1, err
}

// takeOver declares nodes dead that have not beaten for a lease and puts their
// jobs back into the queue. One node at a time does it.
func (n *node) takeOver(ctx context.Context) error {
	_, err := n.e.db.tryLocked(ctx, func(tx *sql.Tx) error {
		stale, err := n.stale(ctx, tx)
		if err != nil || len(stale) == 0 {
			return err
		}
		rows, err := n.e.rows(ctx, dbos.WithFilterStatus(dbos.WorkflowStatusPending), dbos.WithFilterExecutorIDs(stale...),
			dbos.WithFilterLoadInput(false), dbos.WithFilterLoadOutput(false))
		if err != nil || len(rows) == 0 {
			return err
		}
		n.e.log.WarnContext(ctx, "jobs of nodes that are gone are taken over", "nodes", stale, "jobs", len(rows))
		return n.e.release(ctx, rows, gone)
	})
	return err
}

// stale empties the instance of each node that is late, in tx, and returns all
// that have none. A beat of such a node waits for tx and then finds itself gone.
func (n *node) stale(ctx context.Context, tx *sql.Tx) ([]string, error) {
	_, err := tx.ExecContext(ctx, `UPDATE engine_node SET instance = '' WHERE instance <> '' AND beat_ms < `+nowMS+` - $1`,
		n.lease.Milliseconds())
	if err != nil {
		return nil, fmt.Errorf("declare nodes dead: %w", err)
	}
	rows, err := tx.QueryContext(ctx, `SELECT id FROM engine_node WHERE instance = ''`)
	if err != nil {
		return nil, fmt.Errorf("list dead nodes: %w", err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("list dead nodes: %w", err)
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

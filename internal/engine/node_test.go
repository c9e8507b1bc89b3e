package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/engine"
)

const shortLease = 1500 * time.Millisecond

// stepsHere is the handler of a child, without its waits.
func stepsHere(did *sync.Map) engine.Handler {
	return func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
		var names []string
		if err := json.Unmarshal(run.Input(), &names); err != nil {
			return nil, err
		}
		for i, name := range names {
			_, err := run.Step(ctx, name, func(ctx context.Context) (json.RawMessage, error) {
				did.Store(fmt.Sprintf("%s does %s, again %v", run.ID(), name, engine.MayHaveHappened(ctx)), true)
				return text(i), nil
			})
			if err != nil {
				return nil, err
			}
		}
		return text(run.Attempt()), nil
	}
}

func sorted(m *sync.Map) []string {
	var out []string
	m.Range(func(k, _ any) bool { out = append(out, k.(string)); return true })
	slices.Sort(out)
	return out
}

// second opens and starts a second node in this process.
func second(t *testing.T, p place) (*bench, *sync.Map) {
	t.Helper()
	cfg := p.config(t, "n2")
	cfg.Lease, cfg.Poll = shortLease, 10*time.Millisecond
	b := opened(t, cfg, p)
	did := new(sync.Map)
	b.Handle("steps", stepsHere(did))
	b.start()
	return b, did
}

// TestDeadNodeIsTakenOver kills a node of two.
func TestDeadNodeIsTakenOver(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	b := opened(t, p.config(t, "parent"), p)
	n1 := spawn(t, orders{Place: p, Node: "n1", Lease: shortLease})
	n1.hears("started")
	b.enqueue(engine.Job{ID: "j", Kind: "steps", Key: "a", Input: text([]string{"a", "hold b", "c"})},
		engine.Job{ID: "next", Kind: "steps", Key: "a", Input: text([]string{"d"})})
	n1.hears("j does hold b, again false")
	n2, did := second(t, p)

	n1.signal(syscall.SIGKILL)
	killed := time.Now()

	s := n2.ended("j")
	if s.State != engine.Done || s.Node != "n2" || string(s.Output) != "2" || s.Attempts != 2 {
		t.Errorf("%+v", s)
	}
	if took := time.Since(killed); took > 20*shortLease {
		t.Errorf("taken over after %v with a lease of %v", took, shortLease)
	}
	n2.ended("next")
	want := []string{"j does c, again false", "j does hold b, again true", "next does d, again false"}
	if got := sorted(did); !slices.Equal(got, want) {
		t.Errorf("n2 did %q, want %q", got, want)
	}
}

// TestPausedNodeIsFenced is O14: a node is stopped with SIGSTOP, its job is taken
// over, and it goes on. It does no further step of that job, whether it was paused
// in a step or between two; and it works again afterwards.
func TestPausedNodeIsFenced(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"hold", "gate"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			p := newPostgres(t)
			b := opened(t, p.config(t, "parent"), p)
			n1 := spawn(t, orders{Place: p, Node: "n1", Lease: shortLease})
			n1.hears("started")
			b.enqueue(engine.Job{ID: "j", Kind: "steps", Key: "a", Input: text([]string{"a", where + " b", "c"})})
			if where == "hold" {
				n1.hears("j does hold b, again false")
			} else {
				n1.hears("j at gate b")
			}
			n2, _ := second(t, p)

			n1.signal(syscall.SIGSTOP)
			s := n2.ended("j")
			if s.State != engine.Done || s.Node != "n2" {
				t.Errorf("while n1 is paused: %+v", s)
			}
			n2.stop(10 * time.Second)
			n1.tell("go on")
			n1.signal(syscall.SIGCONT)
			n1.hears("j is over")
			b.enqueue(engine.Job{ID: "probe", Kind: "steps", Key: "a", Input: text([]string{"e"})})
			if s := b.ended("probe"); s.Node != "n1" {
				t.Errorf("after n1 went on: %+v", s)
			}

			for _, line := range n1.does() {
				if strings.HasPrefix(line, "j does c") || strings.HasPrefix(line, "j does gate b") {
					t.Errorf("the paused node went on: %s", line)
				}
			}
			after, err := b.Job(t.Context(), "j")
			if err != nil || after.State != engine.Done || string(after.Output) != string(s.Output) || after.Attempts != s.Attempts {
				t.Errorf("before %+v, after %+v, %v", s, after, err)
			}
		})
	}
}

// TestPausedNodeStartsNoStep pauses a node between two steps and lets it go on
// while the node that has its job is still at the next one: no record tells the
// paused node that it is late, only its own clock.
func TestPausedNodeStartsNoStep(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	n1 := spawn(t, orders{Place: p, Node: "n1", Lease: shortLease})
	n1.hears("started")
	cfg := p.config(t, "n2")
	cfg.Lease = shortLease
	n2 := opened(t, cfg, p)
	inStep, release := make(chan struct{}), make(chan struct{})
	n2.Handle("steps", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
		if _, err := run.Step(ctx, "a", nothing); err != nil {
			return nil, err
		}
		return run.Step(ctx, "gate b", func(context.Context) (json.RawMessage, error) { close(inStep); <-release; return nil, nil })
	})
	n2.enqueue(engine.Job{ID: "j", Kind: "steps", Key: "a", Input: text([]string{"a", "gate b"})})
	n1.hears("j at gate b")
	n1.signal(syscall.SIGSTOP)
	n2.start()
	until(t, "step on n2", inStep)

	// Nor does the database tell it: its heartbeats have no answer yet.
	tx, err := n2.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`LOCK TABLE engine_node IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	n1.tell("go on")
	n1.signal(syscall.SIGCONT)
	<-time.After(shortLease / 4)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}

	n1.hears("j is over")
	close(release)
	if s := n2.ended("j"); s.State != engine.Done || s.Node != "n2" {
		t.Errorf("%+v", s)
	}
	if got := n1.does(); !slices.Equal(got, []string{"j does a, again false"}) {
		t.Errorf("n1 did %q", got)
	}
}

// TestNodeOutOfTouch is O15: a node's heartbeats have no answer for longer than it
// trusts itself, and nobody takes it over. It ends the step in flight, records
// nothing of that, and starts the job anew when it is in touch again.
func TestNodeOutOfTouch(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	cfg := p.config(t, "n1")
	cfg.Lease = shortLease
	b := opened(t, cfg, p)
	inStep, told := make(chan struct{}, 2), make(chan error, 2)
	b.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
		return run.Step(ctx, "s", func(ctx context.Context) (json.RawMessage, error) {
			inStep <- struct{}{}
			if engine.MayHaveHappened(ctx) {
				return text("second time"), nil
			}
			<-ctx.Done()
			told <- context.Cause(ctx)
			return nil, ctx.Err()
		})
	})
	b.start()
	b.enqueue(engine.Job{ID: "j", Kind: "k", Key: "a"})
	until(t, "step", inStep)

	tx, err := b.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`LOCK TABLE engine_node IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	select {
	case cause := <-told:
		if !errors.Is(cause, engine.ErrLost) {
			t.Errorf("told %v", cause)
		}
	case <-time.After(4 * shortLease):
		t.Fatal("the step was not ended")
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}

	if s := b.ended("j"); s.State != engine.Done || string(s.Output) != `"second time"` {
		t.Errorf("%+v %v", s, s.Err)
	}
}

// TestLateClaimGivesWay makes DBOS claim two jobs of one key, as two nodes may do
// in the same instant: the later one waits, however often it is claimed.
func TestLateClaimGivesWay(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	cfg := p.config(t, "n1")
	cfg.Poll = 5 * time.Millisecond
	b := opened(t, cfg, p)
	running, release := make(chan struct{}), make(chan struct{})
	var active atomic.Int32
	b.Handle("k", func(_ context.Context, run *engine.Run) (json.RawMessage, error) {
		if active.Add(1) != 1 {
			t.Error("two jobs of one key side by side")
		}
		defer active.Add(-1)
		if run.ID() == "first" {
			close(running)
			<-release
		}
		return nil, nil
	})
	b.start()
	b.enqueue(engine.Job{ID: "first", Kind: "k", Key: "a"})
	until(t, "first job", running)
	b.enqueue(engine.Job{ID: "second", Kind: "k", Key: "a"})
	// As if it had crashed almost as often as a job may: giving way is no crash.
	if _, err := b.db.Exec(`UPDATE dbos.workflow_status SET queue_partition_key = 'elsewhere', recovery_attempts = 98 WHERE workflow_uuid = 'second'`); err != nil {
		t.Fatal(err)
	}
	for look := time.NewTicker(10 * time.Millisecond); ; <-look.C {
		if s, err := b.Job(t.Context(), "second"); err != nil || s.Attempts > 103 || s.State.Ended() {
			break
		}
	}
	close(release)
	if s := b.ended("second"); s.State != engine.Done {
		t.Errorf("%+v", s)
	}
}

// TestKeyFollowsTheCommits enqueues, in a transaction that began earlier, after
// one that began later. PostgreSQL's now() is when a transaction began, and DBOS
// orders by it.
func TestKeyFollowsTheCommits(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	b := opened(t, p.config(t, "n1"), p)
	var mu sync.Mutex
	var order []string
	b.Handle("k", func(_ context.Context, run *engine.Run) (json.RawMessage, error) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, run.ID())
		return nil, nil
	})
	early, err := b.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := early.Exec(`SELECT 1`); err != nil {
		t.Fatal(err)
	}
	<-time.After(20 * time.Millisecond)
	b.enqueue(engine.Job{ID: "first", Kind: "k", Key: "a"})
	if err := b.Enqueue(t.Context(), early, engine.Job{ID: "second", Kind: "k", Key: "a"}); err != nil {
		t.Fatal(err)
	}
	if err := early.Commit(); err != nil {
		t.Fatal(err)
	}
	b.start()
	b.ended("first")
	b.ended("second")
	if want := []string{"first", "second"}; !slices.Equal(order, want) {
		t.Errorf("order %q, want %q", order, want)
	}
}

// TestStoppedNodeHandsOver is O03 on two nodes: what does not end in time goes on
// elsewhere at once, and not only when the lease has run out.
func TestStoppedNodeHandsOver(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	cfg := p.config(t, "n1")
	n1 := opened(t, cfg, p)
	inStep := make(chan struct{})
	n1.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
		return run.Step(ctx, "s", func(ctx context.Context) (json.RawMessage, error) { close(inStep); <-ctx.Done(); return nil, ctx.Err() })
	})
	n1.start()
	n2 := opened(t, p.config(t, "n2"), p)
	n2.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
		return run.Step(ctx, "s", nothing)
	})
	n1.enqueue(engine.Job{ID: "j", Kind: "k"})
	until(t, "step", inStep)
	n2.start()
	n1.stop(10 * time.Millisecond)
	stopped := time.Now()
	if s := n2.ended("j"); s.State != engine.Done || s.Node != "n2" || time.Since(stopped) > 30*time.Second {
		t.Errorf("%v after the stop: %+v", time.Since(stopped), s)
	}
}

// TestTwoNodesShareKeys is O13: two nodes start at the same instant on an empty
// database and work off 300 jobs of few keys, some of them held back. No key runs
// twice side by side, and no job runs twice.
func TestTwoNodesShareKeys(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	const keys, jobs = 5, 300
	var active [keys]atomic.Int32
	var ran sync.Map
	handler := func(node string) engine.Handler {
		return func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
			var key int
			if err := json.Unmarshal(run.Input(), &key); err != nil {
				return nil, err
			}
			if n := active[key].Add(1); n != 1 {
				t.Errorf("%d jobs of key %d side by side", n, key)
			}
			defer active[key].Add(-1)
			if other, twice := ran.LoadOrStore(run.ID(), node); twice {
				t.Errorf("%s ran on %v and %s", run.ID(), other, node)
			}
			return run.Step(ctx, "s", nothing)
		}
	}
	var nodes [2]*bench
	var wg sync.WaitGroup
	for i := range nodes {
		wg.Go(func() {
			node := fmt.Sprint("n", i)
			cfg := p.config(t, node)
			cfg.Poll = 5 * time.Millisecond
			nodes[i] = opened(t, cfg, p)
			nodes[i].Handle("k", handler(node))
			nodes[i].start()
		})
	}
	wg.Wait()
	for i := range jobs {
		j := engine.Job{ID: fmt.Sprint("j", i), Kind: "k", Key: fmt.Sprint("key", i%keys), Input: text(i % keys)}
		if i%7 == 0 {
			j.Delay = time.Second
		}
		nodes[0].enqueue(j)
	}
	by := make(map[string]int)
	for i := range jobs {
		s := nodes[1].ended(fmt.Sprint("j", i))
		if s.State != engine.Done {
			t.Errorf("%+v", s)
		}
		by[s.Node]++
	}
	if len(by) != 2 {
		t.Errorf("done by %v, want both nodes", by)
	}
}

// TestTwoProcessesOfOneID starts a process under the id of one that still runs:
// the newer one wins, the older takes no more work.
func TestTwoProcessesOfOneID(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	cfg := p.config(t, "n1")
	cfg.Lease, cfg.Log = shortLease, nil
	older := opened(t, cfg, p)
	inStep, lost := make(chan struct{}, 9), make(chan error, 9)
	older.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
		return run.Step(ctx, "s", func(ctx context.Context) (json.RawMessage, error) {
			inStep <- struct{}{}
			<-ctx.Done()
			lost <- context.Cause(ctx)
			return nil, ctx.Err()
		})
	})
	older.start()
	older.enqueue(engine.Job{ID: "j", Kind: "k"})
	until(t, "step", inStep)

	newer := opened(t, cfg, p)
	newer.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
		return run.Step(ctx, "s", nothing)
	})
	newer.start()

	if s := newer.ended("j"); s.State != engine.Done {
		t.Errorf("%+v", s)
	}
	if err := <-lost; !errors.Is(err, engine.ErrLost) {
		t.Errorf("the older process was told %v", err)
	}
}

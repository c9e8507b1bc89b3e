package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	appName   = "margay"
	queueName = "jobs"
	// appVersion is stored with each job; only a program of the same version
	// goes on with it. Change it only when recorded runs cannot go on.
	appVersion = "1"
	// idleQueue is listened to by a node that is stopping: nothing is ever in it.
	idleQueue = "none"
	// maxAttempts is how often a job is taken up, before a process that dies of
	// it is taken for its doing.
	maxAttempts = 100
	// stopGrace is how long a part of DBOS may take to stop after the drain.
	stopGrace = 5 * time.Second
)

// Keys of the attributes that are stored with a job.
const (
	attrKey      = "key"      // its partition, by which PostgreSQL can look for it
	attrCancel   = "cancel"   // somebody cancelled it while it ran
	attrBefore   = "before"   // attempts that DBOS forgot when the job was handed on
	attrReturned = "returned" // attempts that ended with the job being given back by a process that lived
)

// Config is what an engine needs. Exactly one of SQLite and Postgres is given.
type Config struct {
	// SQLite is the path of the database file. The engine opens connections of
	// its own to it (WAL, synchronous=FULL, BEGIN IMMEDIATE); the transactions
	// given to Enqueue come from the store's. One process at a time.
	SQLite string
	// Postgres is how to connect: of the store's pool, pool.Config(). The engine
	// opens pools of its own (15 connections at most) from a copy.
	Postgres *pgxpool.Config
	// Node is the id of this node: stable over restarts of one data folder, and
	// no other node's.
	Node string

	Workers int              // jobs at a time on this node; default 64
	Poll    time.Duration    // how often waiting jobs are looked for; default 10 ms
	Lease   time.Duration    // on PostgreSQL, a node not heard of for so long is dead (it beats three times as often); default 15 s
	Keep    time.Duration    // how long a job is kept after its end; default 7 days
	Log     *slog.Logger     // default: discard
	Now     func() time.Time // default: time.Now
}

// Handler does a job. What it returns is recorded: the output, or the error
// ([StepError]) with which the job failed. It must do everything that has an
// effect, or may differ from one time to the next, in steps of run, and ask for
// the same steps in the same order when it is run again. ctx ends when the job
// is cancelled, when the engine stops, or when the job has been taken over; the
// handler then returns soon, and what it returns does not count.
type Handler func(ctx context.Context, run *Run) (output json.RawMessage, err error)

// Engine records jobs and does them.
type Engine struct {
	cfg  Config
	log  *slog.Logger
	db   *database
	dbos dbos.Context
	node *node // nil on SQLite
	runs runs

	started  bool
	stopped  sync.Once
	stopErr  error
	draining chan struct{}
	halt     context.CancelFunc // ends the loops of the engine
	loops    sync.WaitGroup
}

// Open connects, and makes or migrates the engine's tables. It takes no work:
// Handle and Start do that. A program that only enqueues and reads does not
// start. An opened engine must be stopped.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	inner := dbos.Config{
		AppName: appName, ApplicationVersion: appVersion, ExecutorID: cfg.Node,
		Serializer: verbatim{}, Logger: slog.New(quiet{next: cfg.Log.Handler()}),
	}
	db, err := open(ctx, cfg, &inner)
	if err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg, log: cfg.Log, db: db, draining: make(chan struct{})}
	if err := e.prepare(ctx, inner); err != nil {
		db.close()
		return nil, err
	}
	if db.postgres {
		e.node = newNode(e)
	}
	return e, nil
}

func (c *Config) fill() error {
	if (c.SQLite == "") == (c.Postgres == nil) {
		return errors.New("open engine: give either SQLite or Postgres")
	}
	if c.Node == "" {
		return errors.New("open engine: a node needs an id")
	}
	if c.Workers <= 0 {
		c.Workers = 64
	}
	if c.Poll <= 0 {
		c.Poll = 10 * time.Millisecond
	}
	if c.Lease <= 0 {
		c.Lease = 15 * time.Second
	}
	if c.Keep <= 0 {
		c.Keep = 7 * 24 * time.Hour
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now //nolint:forbidigo // the default of what a test replaces
	}
	return nil
}

// prepare makes the tables and connects DBOS.
func (e *Engine) prepare(ctx context.Context, inner dbos.Config) error {
	if err := e.db.migrate(ctx); err != nil {
		return err
	}
	connect := func() (err error) {
		// DBOS marks its jobs cancelled when its context is, so the caller's must
		// not reach it: only Stop ends it, in the way that leaves jobs as they are.
		e.dbos, err = dbos.NewContext(context.WithoutCancel(ctx), inner)
		if err != nil {
			return fmt.Errorf("open engine: %w", err)
		}
		return e.db.indexJobs(ctx)
	}
	if err := e.db.exclusive(ctx, connect); err != nil {
		return err
	}
	// DBOS lets its environment variables win over its configuration.
	if got := e.dbos.GetExecutorID(); got != e.cfg.Node {
		return fmt.Errorf("open engine: DBOS__VMID in the environment says %q, this node is %q: remove the variable", got, e.cfg.Node)
	}
	if got := e.dbos.GetApplicationVersion(); got != appVersion {
		return fmt.Errorf("open engine: DBOS__APPVERSION in the environment says %q, must be %q: remove the variable", got, appVersion)
	}
	return nil
}

// kindName tells DBOS the handlers of one Go function apart.
type kindName string

// ConfigName implements dbos.ConfiguredInstance.
func (k kindName) ConfigName() string { return string(k) }

// Handle says who does jobs of a kind. Call it before Start, once a kind; it
// panics otherwise.
func (e *Engine) Handle(kind string, fn Handler) {
	if kind == "" || fn == nil {
		panic("engine: Handle needs a kind and a handler")
	}
	work := func(ctx dbos.Context, input json.RawMessage) (json.RawMessage, error) {
		return e.run(ctx, kind, fn, input)
	}
	dbos.RegisterWorkflow(e.dbos, work,
		dbos.WithWorkflowName(kind), dbos.WithInstance(kindName(kind)), dbos.WithMaxRecoveryAttempts(0))
}

// Start takes up what this node left behind and then takes work, until Stop.
func (e *Engine) Start(ctx context.Context) error {
	_, err := dbos.RegisterQueue(e.client(ctx), queueName,
		dbos.WithPartitionConcurrency(1), dbos.WithWorkerConcurrency(e.cfg.Workers),
		dbos.WithQueueBasePollingInterval(e.cfg.Poll), dbos.WithQueueOnConflict(dbos.QueueConflictAlwaysUpdate))
	if err != nil {
		return fmt.Errorf("start engine: %w", err)
	}
	dbos.ListenQueues(e.dbos, queueName)
	e.started = true
	if e.node == nil {
		err = dbos.Launch(e.dbos)
	} else {
		err = e.node.join(ctx, func() error { return dbos.Launch(e.dbos) })
	}
	if err != nil {
		return fmt.Errorf("start engine: %w", err)
	}
	if err := e.unpark(ctx, e.kinds()); err != nil {
		e.log.WarnContext(ctx, "parked jobs were not taken up; trying again", "error", err)
	}
	loop, halt := context.WithCancel(context.WithoutCancel(ctx))
	e.halt = halt
	e.loops.Go(func() { e.sweep(loop) })
	e.loops.Go(func() { e.park(loop) })
	e.loops.Go(func() { e.tidy(loop) })
	if e.node != nil {
		e.loops.Go(func() { e.node.live(loop) })
		e.loops.Go(func() { e.watchCancels(loop) })
	}
	return nil
}

// Stop takes no more work, waits for the jobs that run until ctx ends, and then
// ends their contexts. Those that have not ended are taken up again: by the next
// start of this node, or on PostgreSQL by another node at once. It returns an
// error when something did not stop in the seconds it was then given; the
// process should end.
func (e *Engine) Stop(ctx context.Context) error {
	e.stopped.Do(func() { e.stopErr = e.stop(ctx) })
	return e.stopErr
}

func (e *Engine) stop(ctx context.Context) error {
	defer e.db.close()
	close(e.draining)
	if e.started {
		dbos.ListenQueues(e.dbos, idleQueue)
		e.runs.drained(ctx)
		e.settled(ctx)
	}
	if e.halt != nil {
		e.halt()
	}
	err := dbos.Shutdown(e.dbos, stopGrace)
	e.loops.Wait()
	if err != nil {
		return fmt.Errorf("stop engine: %w", err)
	}
	if e.node != nil && e.started {
		// Only now does nothing of this node run any more.
		leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		defer cancel()
		return e.node.leave(leave)
	}
	return nil
}

// settled waits until the outcome of each job that has ended is recorded, or ctx
// ends: DBOS records it after the handler has returned, and drops it when it is
// shut down before. It gives up after stopGrace: what a database did not take by
// then is taken up again by the next start.
func (e *Engine) settled(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	known := e.kinds()
	for {
		rows, err := e.mine(ctx)
		open := slices.ContainsFunc(rows, func(row dbos.WorkflowStatus) bool {
			return slices.Contains(known, row.Name) && !e.runs.isLeft(row.ID)
		})
		if err == nil && !open || pause(ctx, e.cfg.Poll) != nil {
			return
		}
	}
}

// client is DBOS with the caller's deadline. The values of ctx are hidden from
// it: inside a handler they would make it take a call for a step.
func (e *Engine) client(ctx context.Context) dbos.Context {
	return dbos.From(e.dbos, valueless{ctx}) //nolint:contextcheck // ctx is passed, without its values
}

type valueless struct{ context.Context } //nolint:containedctx // it is a context

// Value implements [context.Context]: there is none.
func (valueless) Value(any) any { return nil }

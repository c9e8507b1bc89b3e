package workflow_test

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/engine"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/internal/workflow"
)

// keepRun keeps the row of a run.
func keepRun(t *testing.T, db *store.DB, id string, person identity.PersonID) {
	t.Helper()
	err := db.Change(t.Context(), func(tx access.Tx) error {
		return tx.Enqueue(t.Context(), access.Job{Run: id, Kind: access.JobProvision, Person: person})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// bench is a runner behind an engine, both on one database.
type bench struct {
	t       *testing.T
	db      *store.DB
	cfg     store.Config
	store   workflow.Store
	systems *fakeSystems
	version workflow.Version
	guard   func(context.Context) error

	jobID string       // of the next job, when it is not the run's
	ahead atomic.Int64 // the clock, in nanoseconds from now

	mu   sync.Mutex
	out  map[string]json.RawMessage
	err  map[string]error
	said map[string][]workflow.LogLine
}

func newBench(t *testing.T, cfg store.Config) *bench {
	t.Helper()
	b := &bench{t: t, db: storetest.Open(t, cfg), cfg: cfg, systems: &fakeSystems{}, out: map[string]json.RawMessage{}, err: map[string]error{}, said: map[string][]workflow.LogLine{}}
	b.store = b.db
	svc := newService(b.db, b.systems)
	ws, err := svc.Install(t.Context(), identity.System(), bundle(1, "p"))
	if err != nil {
		t.Fatal(err)
	}
	if b.version, err = svc.Published(t.Context(), ws[0].ID); err != nil {
		t.Fatal(err)
	}
	return b
}

// start starts an engine that runs the version; it is stopped with the test.
func (b *bench) start() *engine.Engine {
	b.t.Helper()
	e, err := engine.Open(b.t.Context(), engine.Config{SQLite: b.db.Path(), Postgres: b.db.PoolConfig(), Node: "node-1", Poll: 5 * time.Millisecond})
	if err != nil {
		b.t.Fatal(err)
	}
	now := func() time.Time { return time.Now().Add(time.Duration(b.ahead.Load())) }
	runner := workflow.NewRunner(b.store, b.systems, now, slog.New(slog.DiscardHandler))
	e.Handle("provision", func(ctx context.Context, job *engine.Run) (json.RawMessage, error) {
		id, _, _ := strings.Cut(job.ID(), "-again")
		j, err := runner.Begin(ctx, workflow.Beginning{Run: id, Workflow: b.version.Workflow, Version: b.version.Hash, Connection: "con_1"})
		if err != nil {
			return nil, err
		}
		out, err := runner.Execute(ctx, job, workflow.Task{
			Run: id, Workflow: b.version.Workflow, Version: b.version.Hash, Connection: "con_1", Argument: job.Input(), Guard: b.guard, Journal: j,
		})
		if ctx.Err() == nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.out[id], b.err[id], b.said[id] = out, err, j.Log
		}
		return out, err
	})
	b.db.Use(storetest.AuditKey, func(ctx context.Context, tx *sql.Tx, j access.Job) error {
		return e.Enqueue(ctx, tx, engine.Job{ID: cmp.Or(b.jobID, j.Run), Kind: string(j.Kind), Input: json.RawMessage(`{"n":7}`)})
	})
	if err := e.Start(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { b.stop(e) })
	return e
}

// again has another job go on with the run.
func (b *bench) again(id string) {
	b.t.Helper()
	b.jobID = id + "-again"
	keepRun(b.t, b.db, id+"-carrier", "usr_1")
	b.jobID = ""
}

// stop stops the engine at once: what runs is taken up again by the next.
func (b *bench) stop(e *engine.Engine) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Stop(ctx); err != nil {
		b.t.Error(err)
	}
}

// run does one run to its end.
func (b *bench) run(e *engine.Engine, id string) ([]workflow.Step, error) {
	b.t.Helper()
	keepRun(b.t, b.db, id, "usr_1")
	return b.wait(e, id)
}

func (b *bench) wait(e *engine.Engine, id string) ([]workflow.Step, error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	job, err := e.Wait(ctx, id)
	if err != nil {
		b.t.Fatal(err)
	}
	steps, err := b.db.Steps(ctx, id)
	if err != nil {
		b.t.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if job.State != engine.Done && b.err[id] == nil {
		b.t.Errorf("%s is %s without an error of its execution: %+v, %v", id, job.State, job.Err, job)
	}
	return steps, b.err[id]
}

// The row of a step is there before anything of it is sent that changes
// something, and says afterwards what came of it.
func TestStepRowBeforeItsCall(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		b := newBench(t, cfg)
		var calls atomic.Int64
		b.systems.act = func(ctx context.Context, args []byte, guard workflow.Guard, trace func(workflow.Call)) ([]byte, error) {
			n := int(calls.Add(1))
			if err := guard.Intend(ctx, workflow.Change{What: "it"}); err != nil {
				t.Error(err)
			}
			steps, err := b.db.Steps(ctx, "run_1")
			if err != nil || len(steps) != n || steps[n-1].State != workflow.StepRunning || steps[n-1].Input != string(args) || steps[n-1].Change.What != "it" {
				t.Errorf("at call %d the steps are %+v, %v", n, steps, err)
			}
			if b.systems.held.Load() != 1 {
				t.Error("the run does not hold its exchange")
			}
			trace(workflow.Call{Kind: "call", Status: 200 + n})
			return fmt.Appendf(nil, "%d", n*10), nil
		}

		steps, err := b.run(b.start(), "run_1")

		if err != nil || len(steps) != 2 || b.systems.held.Load() != 0 {
			t.Fatalf("%+v, %v, held %d", steps, err, b.systems.held.Load())
		}
		for i, s := range steps {
			if s.State != workflow.StepDone || s.Attempt != 1 || s.Output != strconv.Itoa((i+1)*10) || len(s.Calls) != 1 || s.EndedAt.IsZero() {
				t.Errorf("step %+v", s)
			}
		}
		if want := `"first":10,"second":20`; !strings.Contains(string(b.out["run_1"]), want) || !strings.Contains(string(b.out["run_1"]), `"n":7`) {
			t.Errorf("returned %s", b.out["run_1"])
		}
	})
}

// A step that was cut off may have happened: it is begun again, that is counted
// each time, and what was recorded before it is not done again.
func TestStepBegunAgainIsCounted(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		b := newBench(t, cfg)
		var firsts, seconds atomic.Int64
		reached := make(chan struct{}, 1)
		b.systems.act = func(ctx context.Context, args []byte, _ workflow.Guard, _ func(workflow.Call)) ([]byte, error) {
			if strings.Contains(string(args), "1") {
				firsts.Add(1)
				return []byte("1"), nil
			}
			if seconds.Add(1) < 4 {
				reached <- struct{}{}
				<-ctx.Done() // the node is stopped in the middle of it
				return nil, ctx.Err()
			}
			return []byte("2"), nil
		}
		e := b.start()
		keepRun(t, b.db, "run_1", "usr_1")
		for range 3 {
			<-reached
			b.stop(e)
			e = b.start()
		}

		steps, err := b.wait(e, "run_1")

		if err != nil || len(steps) != 2 || firsts.Load() != 1 {
			t.Fatalf("%d steps, %v; the first was done %d times", len(steps), err, firsts.Load())
		}
		if steps[0].Attempt != 1 || steps[1].Attempt != 4 || steps[1].State != workflow.StepDone {
			t.Errorf("attempts %d and %d", steps[0].Attempt, steps[1].Attempt)
		}
	})
}

// What a call refuses reaches the run's end with its words; what is a fault of
// ours does not reach a page.
func TestStepFails(t *testing.T) {
	t.Parallel()
	b := newBench(t, store.Config{SQLite: filepath.Join(t.TempDir(), "margay.db"), Now: time.Now})
	overtaken := fault.New(fault.Conflict, "Overtaken.").WithCode("superseded")
	b.guard = func(context.Context) error { return overtaken }
	tests := map[string]struct {
		err  error
		code string
		text string
	}{
		"refused":   {fault.New(fault.Upstream, "No seat.").WithCode("no_seat").WithHint("Buy one.").WithDetail("409014"), "no_seat", "No seat."},
		"ours":      {errors.New("dial tcp 10.0.0.1: secret"), "internal", "Something went wrong on our side."},
		"overtaken": {nil, "superseded", "Overtaken."},
	}
	e := b.start()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b.systems.act = func(ctx context.Context, _ []byte, guard workflow.Guard, trace func(workflow.Call)) ([]byte, error) {
				if tt.err == nil {
					return nil, guard.Ask(ctx)
				}
				trace(workflow.Call{Kind: "call"})
				return nil, tt.err
			}
			id := "run_" + name

			steps, err := b.run(e, id)

			f := fault.Public(err)
			if f.Code != tt.code || f.Message != tt.text || len(steps) != 1 || steps[0].State != workflow.StepFailed || steps[0].Problem.Message != tt.text {
				t.Errorf("%+v; steps %+v", f, steps)
			}
			if !strings.HasPrefix(workflow.Where(err), "p.ts:3:") {
				t.Errorf("it is said to have failed at %q", workflow.Where(err))
			}
			if strings.Contains(fmt.Sprintf("%+v %+v", steps, f), "secret") {
				t.Error("the inner error is shown")
			}
		})
	}
}

// lossy is a store that loses each connection once: the n-th call of ours, for
// each n.
type lossy struct {
	*store.DB
	left atomic.Int64
	hits atomic.Int64
}

var errConnection = errors.New("connection reset by peer")

func (l *lossy) lose() error {
	if l.left.Add(-1) != 0 {
		return nil
	}
	l.hits.Add(1)
	return errConnection
}

func (l *lossy) Version(ctx context.Context, id, hash string) (workflow.Version, error) {
	if err := l.lose(); err != nil {
		return workflow.Version{}, err
	}
	return l.DB.Version(ctx, id, hash)
}

func (l *lossy) BeginRun(ctx context.Context, b workflow.Beginning) (workflow.Journal, error) {
	if err := l.lose(); err != nil {
		return workflow.Journal{}, err
	}
	return l.DB.BeginRun(ctx, b)
}

func (l *lossy) SaveStep(ctx context.Context, epoch int64, s workflow.Step) error {
	if err := l.lose(); err != nil {
		return err
	}
	return l.DB.SaveStep(ctx, epoch, s)
}

// §5.3, fail the n-th: whichever call to our own database fails once, also the
// one after the effect or the one that opens a connection, the run is done and
// each effect made once.
func TestFailTheNth(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		b := newBench(t, cfg)
		l := &lossy{DB: b.db}
		b.store = l
		var effects atomic.Int64
		b.systems.act = func(ctx context.Context, _ []byte, guard workflow.Guard, trace func(workflow.Call)) ([]byte, error) {
			if err := l.lose(); err != nil { // the row of the connection
				return nil, err
			}
			if err := guard.Intend(ctx, workflow.Change{}); err != nil {
				return nil, err
			}
			trace(workflow.Call{Kind: "call"})
			effects.Add(1)
			return []byte("1"), nil
		}
		e := b.start()
		for n := int64(1); ; n++ {
			l.hits.Store(0)
			l.left.Store(n)
			effects.Store(0)

			steps, err := b.run(e, fmt.Sprintf("run_%d", n))

			if err != nil || len(steps) != 2 || steps[1].State != workflow.StepDone || effects.Load() != 2 {
				t.Fatalf("with call %d lost: %v, %d effects, steps %+v", n, err, effects.Load(), steps)
			}
			if l.hits.Load() == 0 {
				if n < 7 {
					t.Errorf("only %d calls were lost", n-1)
				}
				return
			}
		}
	})
}

// A version is what its hash names: one that was changed in the database is not
// run.
func TestVersionAltered(t *testing.T) {
	t.Parallel()
	b := newBench(t, store.Config{SQLite: filepath.Join(t.TempDir(), "margay.db"), Now: time.Now})
	b.systems.act = func(context.Context, []byte, workflow.Guard, func(workflow.Call)) ([]byte, error) {
		t.Error("an altered version was run")
		return []byte("1"), nil
	}
	conn, err := sql.Open("sqlite", b.db.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "UPDATE workflow_versions SET source = source || ' // altered'"); err != nil {
		t.Fatal(err)
	}

	_, err = b.run(b.start(), "run_1")

	if fault.Public(err).Code != "version_altered" {
		t.Errorf("%v", err)
	}
}

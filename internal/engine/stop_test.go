package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/engine"
)

// TestStopWaitsForJobs is O03 where the job ends in time.
func TestStopWaitsForJobs(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		b := opened(t, p.config(t, "n1"), p)
		running, stopping := make(chan struct{}), make(chan struct{})
		b.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
			close(running)
			<-stopping
			return run.Step(ctx, "s", nothing)
		})
		b.start()
		b.enqueue(engine.Job{ID: "j", Kind: "k"})
		until(t, "run", running)
		time.AfterFunc(200*time.Millisecond, func() { close(stopping) })
		b.stop(time.Minute)

		again := opened(t, p.config(t, "n1"), p)
		if s, err := again.Job(t.Context(), "j"); err != nil || s.State != engine.Done {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

// TestStopHandsBack is O03 where the job does not end in time: nothing is marked
// as failed, and the next start goes on, repeating only the step in flight.
func TestStopHandsBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		var one, two atomic.Int32
		inTwo := make(chan struct{}, 2)
		handler := func(hold bool) engine.Handler {
			return func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
				_, err := run.Step(ctx, "one", func(ctx context.Context) (json.RawMessage, error) {
					one.Add(1)
					if engine.MayHaveHappened(ctx) {
						t.Error("step one may not have happened")
					}
					return nil, nil
				})
				if err != nil {
					return nil, err
				}
				_, err = run.Step(ctx, "two", func(ctx context.Context) (json.RawMessage, error) {
					two.Add(1)
					if engine.MayHaveHappened(ctx) == hold {
						t.Errorf("step two in attempt %d: may have happened = %v", run.Attempt(), !hold)
					}
					inTwo <- struct{}{}
					if hold {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					return nil, nil
				})
				if hold && !errors.Is(err, engine.ErrStopped) {
					t.Errorf("the stopped step returned %v", err)
				}
				if err != nil {
					return nil, err
				}
				return run.Step(ctx, "three", func(ctx context.Context) (json.RawMessage, error) {
					return text(map[string]any{"again": engine.MayHaveHappened(ctx), "attempt": run.Attempt()}), nil
				})
			}
		}
		b := opened(t, p.config(t, "n1"), p)
		b.Handle("k", handler(true))
		b.start()
		b.enqueue(engine.Job{ID: "j", Kind: "k", Key: "a"})
		until(t, "step two", inTwo)
		b.stop(10 * time.Millisecond)

		again := opened(t, p.config(t, "n1"), p)
		s, err := again.Job(t.Context(), "j")
		if err != nil || s.State.Ended() {
			t.Fatalf("after the stop: %+v, %v", s, err)
		}
		again.Handle("k", handler(false))
		again.start()
		s = again.ended("j")
		if s.State != engine.Done || string(s.Output) != `{"again":false,"attempt":2}` || s.Attempts != 2 {
			t.Errorf("%+v", s)
		}
		if one.Load() != 1 || two.Load() != 2 {
			t.Errorf("step one ran %d times, step two %d; want 1 and 2", one.Load(), two.Load())
		}
	})
}

// TestStopMarksNothingAsFailed is O03 for many jobs at once: DBOS tells them one
// after another that it stops, and notices later that a job was told. What a job
// returns in between is not its outcome.
func TestStopMarksNothingAsFailed(t *testing.T) {
	t.Parallel()
	const jobs = 64
	each(t, func(t *testing.T, p place) {
		b := opened(t, p.config(t, "n1"), p)
		running := make(chan struct{}, jobs)
		b.Handle("k", func(ctx context.Context, _ *engine.Run) (json.RawMessage, error) {
			running <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		})
		b.start()
		for i := range jobs {
			b.enqueue(engine.Job{ID: fmt.Sprintf("j%d", i), Kind: "k"})
		}
		for range jobs {
			until(t, "run", running)
		}
		b.stop(0)

		again := opened(t, p.config(t, "n1"), p)
		ended, err := again.List(t.Context(), engine.Filter{States: []engine.State{engine.Done, engine.Failed, engine.Cancelled}})
		if err != nil || len(ended) != 0 {
			t.Errorf("%d of %d jobs ended with the stop: %v, %v", len(ended), jobs, ended, err)
		}
	})
}

// TestEndOfTheCallersContext ends the context that Open and Start were given, as
// a server does when it is told to stop: DBOS would mark what runs as cancelled.
func TestEndOfTheCallersContext(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		ctx, cancel := context.WithCancel(t.Context())
		e, err := engine.Open(ctx, p.config(t, "n1"))
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{Engine: e, tb: t, db: p.db(t)}
		running, release := make(chan struct{}), make(chan struct{})
		b.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
			close(running)
			<-release
			return run.Step(ctx, "s", nothing)
		})
		if err := b.Start(ctx); err != nil {
			t.Fatal(err)
		}
		b.enqueue(engine.Job{ID: "j", Kind: "k"})
		until(t, "run", running)

		cancel()
		close(release)

		if s := b.ended("j"); s.State != engine.Done {
			t.Errorf("%+v", s)
		}
		b.stop(time.Second)
	})
}

// TestSleepOutlivesAStop starts again when the sleep is over: one that began anew
// would take its whole time once more.
func TestSleepOutlivesAStop(t *testing.T) {
	t.Parallel()
	const sleep = time.Hour
	each(t, func(t *testing.T, p place) {
		handler := func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
			return nil, run.Sleep(ctx, sleep)
		}
		b := opened(t, p.config(t, "n1"), p)
		b.Handle("k", handler)
		b.start()
		b.enqueue(engine.Job{ID: "j", Kind: "k"})
		table := "operation_outputs"
		if p.Postgres != "" {
			table = "dbos.operation_outputs"
		}
		deadline := time.After(time.Minute)
		for recorded := 0; recorded == 0; { // when it is to end
			if err := b.db.QueryRow("SELECT count(*) FROM " + table + " WHERE function_name = 'sleep'").Scan(&recorded); err != nil {
				t.Fatal(err)
			}
			select {
			case <-deadline:
				t.Fatal("when the sleep is to end was not recorded")
			case <-time.After(5 * time.Millisecond):
			}
		}
		b.stop(0)
		cfg := p.config(t, "n1")
		cfg.Now = func() time.Time { return time.Now().Add(sleep) }
		again := opened(t, cfg, p)
		if s, err := again.Job(t.Context(), "j"); err != nil || s.State.Ended() {
			t.Errorf("it did not sleep: %+v, %v", s, err)
		}
		again.Handle("k", handler)
		again.start()
		if s := again.ended("j"); s.State != engine.Done {
			t.Errorf("%+v", s)
		}
	})
}

// TestStopLeavesNoGoroutine must not run beside others, so it is not parallel.
func TestStopLeavesNoGoroutine(t *testing.T) {
	for name, fresh := range map[string]func(testing.TB) place{"sqlite": newSQLite, "postgres": newPostgres} {
		t.Run(name, func(t *testing.T) {
			p := fresh(t)
			before := runtime.NumGoroutine()
			for range 3 {
				e, err := engine.Open(t.Context(), p.config(t, "n1"))
				if err != nil {
					t.Fatal(err)
				}
				running := make(chan struct{}, 2)
				e.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
					running <- struct{}{}
					wait := run.Go(ctx, "s", func(ctx context.Context) (json.RawMessage, error) { <-ctx.Done(); return nil, ctx.Err() })
					return wait()
				})
				if err := e.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				func() {
					db := p.db(t)
					defer db.Close()
					b := &bench{Engine: e, tb: t, db: db}
					b.enqueue(engine.Job{ID: "j", Kind: "k"})
				}()
				until(t, "run", running)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
				if err := e.Stop(ctx); err != nil {
					t.Error(err)
				}
				cancel()
			}
			deadline := time.After(10 * time.Second)
			for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
				if engineGoroutines() == 0 {
					break
				}
				select {
				case <-deadline:
					buf := make([]byte, 1<<20)
					t.Fatalf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
				default:
				}
			}
		})
	}
}

// engineGoroutines counts the goroutines that the engine or DBOS began.
func engineGoroutines() int {
	buf := make([]byte, 4<<20)
	n := 0
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "testing.tRunner(") {
			continue // a test of this package that waits for its turn
		}
		if strings.Contains(g, "internal/engine.") || strings.Contains(g, "dbos-transact-golang") || strings.Contains(g, "robfig/cron") {
			n++
		}
	}
	return n
}

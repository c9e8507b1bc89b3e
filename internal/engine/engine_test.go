package engine_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/internal/engine"
	"github.com/margay-access/margay/internal/fault"
)

func TestJobRunsAndIsRecorded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		b := opened(t, p.config(t, "n1"), p)
		b.Handle("greet", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
			out, err := run.Step(ctx, "one", func(context.Context) (json.RawMessage, error) {
				return text("hello " + string(run.Input())), nil
			})
			if err != nil {
				return nil, err
			}
			_, err = run.Step(ctx, "two", func(context.Context) (json.RawMessage, error) {
				return nil, fault.New(fault.Upstream, "Tableau said no.").WithCode("denied").WithDetail("403")
			})
			if !errors.Is(err, fault.Upstream) {
				return nil, fmt.Errorf("step two: %w", err)
			}
			return text(map[string]any{"out": out, "err": err, "attempt": run.Attempt(), "key": run.Key()}), nil
		})
		b.start()

		b.enqueue(engine.Job{ID: "j1", Kind: "greet", Key: "k", Input: text(7)})
		got := b.ended("j1")

		want := `{"attempt":1,"err":{"code":"denied","message":"Tableau said no.","detail":"403","kind":"upstream"},"key":"k","out":"hello 7"}`
		if diff := cmp.Diff(want, string(got.Output)); diff != "" || got.State != engine.Done {
			t.Errorf("%+v: %s", got, diff)
		}
		if got.Key != "k" || string(got.Input) != "7" || got.Kind != "greet" || got.Node != "n1" {
			t.Errorf("status %+v", got)
		}
	})
}

func TestEnqueueIsPartOfTheTransaction(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		b := opened(t, p.config(t, "n1"), p)
		gone := errors.New("rolled back")
		err := inTx(b.db, func(tx *sql.Tx) error {
			if err := b.Enqueue(t.Context(), tx, engine.Job{ID: "j1", Kind: "k", Key: "a"}); err != nil {
				return err
			}
			return gone
		})
		if !errors.Is(err, gone) {
			t.Fatal(err)
		}
		if _, err := b.Job(t.Context(), "j1"); !errors.Is(err, fault.NotFound) {
			t.Errorf("after a rollback: %v, want not found", err)
		}
		all, err := b.List(t.Context(), engine.Filter{})
		if err != nil || len(all) != 0 {
			t.Errorf("after a rollback: %v, %v", all, err)
		}

		b.enqueue(engine.Job{ID: "j1", Kind: "k", Key: "a", Input: text(1)})

		if got, err := b.Job(t.Context(), "j1"); err != nil || got.State != engine.Waiting {
			t.Errorf("after a commit: %+v, %v", got, err)
		}
	})
}

func TestSameIDTwiceIsOneJob(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		b := opened(t, p.config(t, "n1"), p)
		var ran atomic.Int32
		count := func(context.Context, *engine.Run) (json.RawMessage, error) { ran.Add(1); return nil, nil }
		b.Handle("a", count)
		b.Handle("b", count)
		b.enqueue(engine.Job{ID: "j1", Kind: "a", Key: "k", Input: text(1)})
		b.enqueue(engine.Job{ID: "j1", Kind: "a", Key: "k", Input: text(2)}, engine.Job{ID: "j2", Kind: "b", Key: "k"})
		err := inTx(b.db, func(tx *sql.Tx) error {
			return b.Enqueue(t.Context(), tx, engine.Job{ID: "j1", Kind: "b"})
		})
		if !errors.Is(err, fault.Conflict) {
			t.Errorf("same ID, other kind: %v, want conflict", err)
		}

		b.start()

		b.ended("j2")
		if got := b.ended("j1"); string(got.Input) != "1" || ran.Load() != 2 {
			t.Errorf("%+v after %d runs, want the first input and 2 runs", got, ran.Load())
		}
		b.enqueue(engine.Job{ID: "j1", Kind: "a", Key: "k"})
		if got, err := b.Job(t.Context(), "j1"); err != nil || got.State != engine.Done {
			t.Errorf("enqueued again after its end: %+v, %v", got, err)
		}
	})
}

func TestBadJobsAreRefused(t *testing.T) {
	t.Parallel()
	p := newSQLite(t)
	b := opened(t, p.config(t, "n1"), p)
	for name, job := range map[string]engine.Job{
		"no ID":      {Kind: "k"},
		"no kind":    {ID: "j"},
		"two delays": {ID: "j", Kind: "k", Delay: time.Second, NotBefore: time.Now()},
		"not JSON":   {ID: "j", Kind: "k", Input: json.RawMessage(`{`)},
		"not UTF-8":  {ID: "j", Kind: "k", Input: json.RawMessage("\"\xff\"")},
	} {
		if err := inTx(b.db, func(tx *sql.Tx) error { return b.Enqueue(t.Context(), tx, job) }); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestKeyIsFirstInFirstOut enqueues 500 jobs of random keys, many of them in one
// transaction and so within one millisecond.
func TestKeyIsFirstInFirstOut(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		b := opened(t, p.config(t, "n1"), p)
		var (
			mu      sync.Mutex
			order   = make(map[string][]string)
			active  = make(map[string]int)
			most    = make(map[string]int)
			sidemax int
		)
		b.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
			mu.Lock()
			order[run.Key()] = append(order[run.Key()], run.ID())
			active[run.Key()]++
			most[run.Key()] = max(most[run.Key()], active[run.Key()])
			side := 0
			for _, n := range active {
				side += n
			}
			sidemax = max(sidemax, side)
			mu.Unlock()
			defer func() { mu.Lock(); active[run.Key()]--; mu.Unlock() }()
			return run.Step(ctx, "s", nothing)
		})
		rnd := rand.New(rand.NewPCG(1, 2))
		want := make(map[string][]string)
		var last []string
		for batch := range 10 {
			var jobs []engine.Job
			for i := range 50 {
				j := engine.Job{ID: fmt.Sprintf("j%02d-%02d", batch, i), Kind: "k", Key: fmt.Sprintf("key%d", rnd.IntN(20))}
				want[j.Key] = append(want[j.Key], j.ID)
				jobs = append(jobs, j)
				last = append(last, j.ID)
			}
			b.enqueue(jobs...)
			if batch == 4 {
				b.start() // half waits already, half comes while it works
			}
		}

		for _, id := range last {
			if s := b.ended(id); s.State != engine.Done {
				t.Fatalf("%+v", s)
			}
		}

		if diff := cmp.Diff(want, order); diff != "" {
			t.Errorf("order of the keys (-want +got):\n%s", diff)
		}
		for key, n := range most {
			if n != 1 {
				t.Errorf("%d jobs of %s ran side by side", n, key)
			}
		}
		if sidemax < 2 {
			t.Errorf("at most %d keys ran side by side", sidemax)
		}
	})
}

func TestWorkersAreLimited(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		cfg := p.config(t, "n1")
		cfg.Workers = 3
		b := opened(t, cfg, p)
		var mu sync.Mutex
		active, most := 0, 0
		b.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
			mu.Lock()
			active++
			most = max(most, active)
			mu.Unlock()
			defer func() { mu.Lock(); active--; mu.Unlock() }()
			return nil, run.Sleep(ctx, 20*time.Millisecond)
		})
		var jobs []engine.Job
		for i := range 30 {
			jobs = append(jobs, engine.Job{ID: fmt.Sprint("j", i), Kind: "k"})
		}
		b.enqueue(jobs...)
		b.start()
		for _, j := range jobs {
			b.ended(j.ID)
		}
		if most != 3 {
			t.Errorf("%d jobs ran side by side, want 3", most)
		}
	})
}

func TestDelay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		b := opened(t, p.config(t, "n1"), p)
		b.Handle("k", func(context.Context, *engine.Run) (json.RawMessage, error) { return nil, nil })
		b.start()
		begun := time.Now()
		b.enqueue(
			engine.Job{ID: "later", Kind: "k", Key: "a", Delay: 2 * time.Second},
			engine.Job{ID: "at", Kind: "k", Key: "a", NotBefore: begun.Add(1500 * time.Millisecond)},
			engine.Job{ID: "past", Kind: "k", Key: "a", NotBefore: begun.Add(-time.Hour)},
		)
		if s, err := b.Job(t.Context(), "later"); err != nil || s.State != engine.Delayed || s.NotBefore.IsZero() {
			t.Errorf("%+v, %v, want delayed", s, err)
		}
		for id, least := range map[string]time.Duration{"later": 2 * time.Second, "at": 1500 * time.Millisecond, "past": 0} {
			s := b.ended(id)
			if took := s.StartedAt.Sub(begun); took < least-10*time.Millisecond || took > least+30*time.Second {
				t.Errorf("%s started after %v, want %v", id, took, least)
			}
		}
	})
}

func TestErrorsAndPanics(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		cfg := p.config(t, "n1")
		cfg.Log = nil // the stack of the panic is meant to be logged
		b := opened(t, cfg, p)
		b.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
			switch run.ID() {
			case "error":
				return nil, &engine.StepError{Code: "no_seat", Message: "No seat.", Detail: "d", Data: text(1)}
			case "panic":
				panic("secret-in-panic")
			case "step panic":
				return run.Step(ctx, "s", func(context.Context) (json.RawMessage, error) { panic("secret-in-panic") })
			case "go panic":
				return run.Go(ctx, "s", func(context.Context) (json.RawMessage, error) { panic("secret-in-panic") })()
			case "output":
				return json.RawMessage("{"), nil
			}
			_, err := run.Step(ctx, "s", func(ctx context.Context) (json.RawMessage, error) {
				return run.Step(ctx, "nested", nothing)
			})
			return nil, err
		})
		b.start()
		want := map[string]*engine.StepError{
			"error":      {Code: "no_seat", Message: "No seat.", Detail: "d", Data: text(1)},
			"panic":      {Code: engine.CodeCrashed, Message: "The job crashed.", Detail: "string"},
			"step panic": {Code: engine.CodeCrashed, Message: "The job crashed.", Detail: "string"},
			"go panic":   {Code: engine.CodeCrashed, Message: "The job crashed.", Detail: "string"},
			"output":     {Code: engine.CodeBadOutput, Message: "The value is not JSON in UTF-8."},
			"nested":     {Code: engine.CodeFailed, Message: "a step was asked for inside a step"},
		}
		for id, want := range want {
			b.enqueue(engine.Job{ID: id, Kind: "k"})
			got := b.ended(id)
			if diff := cmp.Diff(want, got.Err); got.State != engine.Failed || diff != "" {
				t.Errorf("%s: %s %s", id, got.State, diff)
			}
		}
		failed, err := b.List(t.Context(), engine.Filter{Kinds: []string{"k"}, States: []engine.State{engine.Failed}, Newest: true, Limit: 4})
		if err != nil || len(failed) != 4 {
			t.Errorf("list of the failed: %d, %v", len(failed), err)
		}
	})
}

func TestGoTakesItsPlaceAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		b := opened(t, p.config(t, "n1"), p)
		b.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
			both := make(chan struct{})
			a := run.Go(ctx, "a", func(context.Context) (json.RawMessage, error) { <-both; return text("a"), nil })
			b := run.Go(ctx, "b", func(context.Context) (json.RawMessage, error) { close(both); return text("b"), nil })
			first, err := a()
			if err != nil {
				return nil, err
			}
			second, err := b()
			return text([]json.RawMessage{first, second}), err
		})
		b.start()
		b.enqueue(engine.Job{ID: "j", Kind: "k"})
		if got := b.ended("j"); string(got.Output) != `["a","b"]` {
			t.Errorf("%+v", got)
		}
	})
}

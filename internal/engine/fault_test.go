package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/internal/engine"
)

// TestConnectionsAreCut is O09: every connection to PostgreSQL is ended, again
// and again, while jobs run. None is lost or fails, and no key runs twice side by
// side.
func TestConnectionsAreCut(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	cfg := p.config(t, "n1")
	cfg.Log, cfg.Lease = nil, 6*time.Second
	b := opened(t, cfg, p)
	var active sync.Map
	b.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
		one, _ := active.LoadOrStore(run.Key(), new(atomic.Int32))
		if n := one.(*atomic.Int32).Add(1); n != 1 {
			t.Errorf("%d jobs of %s side by side", n, run.Key())
		}
		defer one.(*atomic.Int32).Add(-1)
		for i := range 5 {
			if _, err := run.Step(ctx, fmt.Sprint("s", i), nothing); err != nil {
				return nil, err
			}
		}
		return text("done"), nil
	})
	var jobs []engine.Job
	for i := range 200 {
		jobs = append(jobs, engine.Job{ID: fmt.Sprint("j", i), Kind: "k", Key: fmt.Sprint("key", i%40)})
	}
	b.enqueue(jobs...)
	reader := opened(t, p.config(t, "reader"), p)
	b.start()

	cut := time.NewTicker(200 * time.Millisecond)
	defer cut.Stop()
	for range 25 {
		<-cut.C
		if _, err := b.db.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
			t.Log(err)
		}
	}

	for _, j := range jobs {
		if s := reader.ended(j.ID); s.State != engine.Done {
			t.Errorf("%+v: %v", s, s.Err)
		}
	}
}

// TestWriterLockIsHeld is O04: another connection holds SQLite's writer lock for
// longer than anybody waits for it. The job goes on afterwards.
func TestWriterLockIsHeld(t *testing.T) {
	t.Parallel()
	p := newSQLite(t)
	b := opened(t, p.config(t, "n1"), p)
	inStep, locked := make(chan struct{}), make(chan struct{})
	var effects atomic.Int32
	b.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
		for i := range 3 {
			_, err := run.Step(ctx, fmt.Sprint("s", i), func(context.Context) (json.RawMessage, error) {
				effects.Add(1)
				if i == 0 {
					close(inStep)
					<-locked
				}
				return nil, nil
			})
			if err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	b.start()
	b.enqueue(engine.Job{ID: "j", Kind: "k"})
	until(t, "step", inStep)
	tx, err := b.db.Begin() // BEGIN IMMEDIATE
	if err != nil {
		t.Fatal(err)
	}
	close(locked)
	<-time.After(12 * time.Second)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if s := b.ended("j"); s.State != engine.Done || s.Attempts != 1 || effects.Load() != 3 {
		t.Errorf("%d effects: %+v", effects.Load(), s)
	}
}

// TestKilledInRecovery is O02: the process is killed in the step that it takes up
// first, three times.
func TestKilledInRecovery(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		b := opened(t, p.config(t, "parent"), p)
		b.enqueue(engine.Job{ID: "j", Kind: "steps", Input: text([]string{"a", "b"})})
		for range 3 {
			spawn(t, orders{Place: p, Node: "n1", Kill: "in:b"}).dies()
		}
		c := spawn(t, orders{Place: p, Node: "n1"})
		if s := b.ended("j"); s.State != engine.Done || s.Attempts != 4 {
			t.Errorf("%+v", s)
		}
		if diff := cmp.Diff([]string{"j does b, again true"}, c.does()); diff != "" {
			t.Error(diff)
		}
	})
}

// TestJobThatKillsIsGivenUp has a job that was taken up a hundred times: the
// process must not be made to die of it for ever.
func TestJobThatKillsIsGivenUp(t *testing.T) {
	t.Parallel()
	p := newSQLite(t)
	b := opened(t, p.config(t, "n1"), p)
	b.Handle("k", func(context.Context, *engine.Run) (json.RawMessage, error) { t.Error("it ran"); return nil, nil })
	b.enqueue(engine.Job{ID: "j", Kind: "k"})
	if _, err := b.db.Exec(`UPDATE workflow_status SET recovery_attempts = 100 WHERE workflow_uuid = 'j'`); err != nil {
		t.Fatal(err)
	}
	b.start()
	if s := b.ended("j"); s.State != engine.Failed || s.Err.Code != engine.CodeCrashed {
		t.Errorf("%+v", s)
	}
}

// TestOtherStepsThanRecorded changes the handler between two attempts.
func TestOtherStepsThanRecorded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		b := opened(t, p.config(t, "n1"), p)
		second := make(chan struct{})
		b.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
			if _, err := run.Step(ctx, "old name", nothing); err != nil {
				return nil, err
			}
			return run.Step(ctx, "second", func(ctx context.Context) (json.RawMessage, error) {
				close(second)
				<-ctx.Done()
				return nil, ctx.Err()
			})
		})
		b.start()
		b.enqueue(engine.Job{ID: "j", Kind: "k"})
		until(t, "second step", second)
		b.stop(time.Millisecond)
		again := opened(t, p.config(t, "n1"), p)
		again.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
			return run.Step(ctx, "new name", func(context.Context) (json.RawMessage, error) { t.Error("it ran"); return nil, nil })
		})
		again.start()
		if s := again.ended("j"); s.State != engine.Failed || s.Err.Code != engine.CodeNondeterministic {
			t.Errorf("%+v %v", s, s.Err)
		}
	})
}

// TestQuietLog looks at all that is logged in the life of an engine: nothing an
// operator need see, and no password.
func TestQuietLog(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		var out bytes.Buffer
		cfg := p.config(t, "n1")
		cfg.Log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		b := opened(t, cfg, p)
		b.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
			return run.Step(ctx, "s", func(context.Context) (json.RawMessage, error) {
				return text("canary-output"), errors.New("canary-error")
			})
		})
		b.start()
		b.enqueue(engine.Job{ID: "j", Kind: "k", Input: text("canary-input")})
		b.ended("j")
		b.stop(time.Second)
		for line := range strings.Lines(out.String()) {
			if !strings.Contains(line, "level=DEBUG") || strings.Contains(line, "canary") || strings.Contains(line, "127.0.0.1") {
				t.Errorf("logged: %s", line)
			}
		}
		if out.Len() == 0 {
			t.Error("nothing was logged, so nothing was tested")
		}
	})
}

// TestEnvironmentDoesNotWin sets the variables by which DBOS lets itself be
// overruled.
func TestEnvironmentDoesNotWin(t *testing.T) {
	for _, name := range []string{"DBOS__VMID", "DBOS__APPVERSION"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "other")
			if _, err := engine.Open(t.Context(), newSQLite(t).config(t, "n1")); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("error %v, want one that names %s", err, name)
			}
		})
	}
}

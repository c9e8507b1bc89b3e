package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/engine"
	"github.com/margay-access/margay/internal/fault"
)

func TestCancelBeforeTheStart(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		b := opened(t, p.config(t, "n1"), p)
		b.Handle("k", func(_ context.Context, run *engine.Run) (json.RawMessage, error) {
			if run.ID() != "after" {
				t.Errorf("%s ran", run.ID())
			}
			return nil, nil
		})
		b.enqueue(engine.Job{ID: "waiting", Kind: "k", Key: "a"}, engine.Job{ID: "delayed", Kind: "k", Key: "a", Delay: time.Second},
			engine.Job{ID: "after", Kind: "k", Key: "a"})
		for _, id := range []string{"waiting", "delayed"} {
			if err := b.Cancel(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			if err := b.Cancel(t.Context(), id); err != nil {
				t.Errorf("a second time: %v", err)
			}
			s, err := b.Job(t.Context(), id)
			if err != nil || s.State != engine.Cancelled || s.Err == nil || s.Err.Code != engine.CodeCancelled || s.Key != "a" {
				t.Errorf("%+v, %v", s, err)
			}
		}
		if err := b.Cancel(t.Context(), "none"); !errors.Is(err, fault.NotFound) {
			t.Errorf("no such job: %v", err)
		}
		b.start()
		b.ended("after")
	})
}

// TestCancelKeepsTheKey holds a step over its cancel: the next job of the key
// must not start before the step has really ended.
func TestCancelKeepsTheKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		b := opened(t, p.config(t, "n1"), p)
		inStep, told, release := make(chan struct{}), make(chan struct{}), make(chan struct{})
		next := make(chan struct{})
		b.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
			if run.ID() == "next" {
				close(next)
				return nil, nil
			}
			_, err := run.Step(ctx, "s", func(ctx context.Context) (json.RawMessage, error) {
				close(inStep)
				<-ctx.Done()
				close(told)
				<-release
				return nil, ctx.Err()
			})
			if _, again := run.Step(ctx, "t", func(context.Context) (json.RawMessage, error) {
				t.Error("a step began after the cancel")
				return nil, nil
			}); !errors.Is(again, engine.ErrCancelled) {
				t.Errorf("step after the cancel: %v", again)
			}
			return nil, err
		})
		b.start()
		b.enqueue(engine.Job{ID: "j", Kind: "k", Key: "a"}, engine.Job{ID: "next", Kind: "k", Key: "a"})
		until(t, "step", inStep)

		if err := b.Cancel(t.Context(), "j"); err != nil {
			t.Fatal(err)
		}

		until(t, "cancelled context", told)
		if s, err := b.Job(t.Context(), "j"); err != nil || s.State != engine.Running || !s.Cancelling {
			t.Errorf("while its step ends: %+v, %v", s, err)
		}
		select {
		case <-next:
			t.Error("the next job of the key ran beside the step of the cancelled one")
		case <-time.After(500 * time.Millisecond): // ten polls of the queue
		}
		close(release)
		if s := b.ended("j"); s.State != engine.Cancelled {
			t.Errorf("%+v", s)
		}
		if s := b.ended("next"); s.State != engine.Done {
			t.Errorf("%+v", s)
		}
	})
}

func TestCancelThatComesTooLate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		b := opened(t, p.config(t, "n1"), p)
		running := make(chan struct{})
		b.Handle("k", func(ctx context.Context, _ *engine.Run) (json.RawMessage, error) {
			close(running)
			<-ctx.Done()
			return text("done all the same"), nil
		})
		b.start()
		b.enqueue(engine.Job{ID: "j", Kind: "k"})
		until(t, "run", running)
		if err := b.Cancel(t.Context(), "j"); err != nil {
			t.Fatal(err)
		}
		if s := b.ended("j"); s.State != engine.Done || string(s.Output) != `"done all the same"` {
			t.Errorf("%+v", s)
		}
		if err := b.Cancel(t.Context(), "j"); err != nil {
			t.Errorf("after its end: %v", err)
		}
	})
}

// TestCancelFromAnotherNode cancels through a node that does not run the job.
func TestCancelFromAnotherNode(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	worker := opened(t, p.config(t, "n1"), p)
	running := make(chan struct{})
	worker.Handle("k", func(ctx context.Context, _ *engine.Run) (json.RawMessage, error) {
		close(running)
		<-ctx.Done()
		return nil, context.Cause(ctx)
	})
	worker.start()
	other := opened(t, p.config(t, "n2"), p)
	other.enqueue(engine.Job{ID: "j", Kind: "k", Key: "a"})
	until(t, "run", running)
	if err := other.Cancel(t.Context(), "j"); err != nil {
		t.Fatal(err)
	}
	if s := other.ended("j"); s.State != engine.Cancelled || s.Node != "n1" {
		t.Errorf("%+v", s)
	}
}

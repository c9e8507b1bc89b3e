package engine_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

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

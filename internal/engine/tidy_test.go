package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/engine"
	"github.com/margay-access/margay/internal/fault"
)

// TestTidy removes what ended long ago, in more than one batch, and nothing else.
func TestTidy(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		b := opened(t, p.config(t, "n1"), p)
		reached, release := make(chan struct{}), make(chan struct{})
		b.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
			switch run.ID() {
			case "fails":
				return nil, errors.New("no")
			case "runs":
				close(reached)
				<-release
			}
			return run.Step(ctx, "s", nothing)
		})
		jobs := []engine.Job{{ID: "fails", Kind: "k"}, {ID: "runs", Kind: "k"}, {ID: "later", Kind: "k", Delay: 30 * 24 * time.Hour}}
		for i := range 250 {
			jobs = append(jobs, engine.Job{ID: fmt.Sprint("done-", i), Kind: "k", Key: "all"})
		}
		b.enqueue(append(jobs, engine.Job{ID: "cancelled", Kind: "k", Delay: time.Hour})...)
		if err := b.Cancel(t.Context(), "cancelled"); err != nil {
			t.Fatal(err)
		}
		b.start()
		until(t, "start of the job", reached)
		b.ended("fails")
		b.ended("done-249")

		if n, err := b.Tidy(t.Context()); err != nil || n != 0 {
			t.Fatalf("at once %d are removed, %v", n, err)
		}
		table := "workflow_status"
		if p.Postgres != "" {
			table = "dbos.workflow_status"
		}
		if _, err := b.db.Exec("UPDATE "+table+" SET completed_at = completed_at - $1", (8 * 24 * time.Hour).Milliseconds()); err != nil {
			t.Fatal(err)
		}
		n, err := b.Tidy(t.Context())

		left, listed := b.List(t.Context(), engine.Filter{})
		if err != nil || listed != nil || n != 252 || len(left) != 2 {
			t.Fatalf("%d are removed, %v; %d are left, %v", n, err, len(left), listed)
		}
		if _, err := b.Job(t.Context(), "done-0"); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a removed job: %v", err)
		}
		close(release)
		if s := b.ended("runs"); s.State != engine.Done {
			t.Errorf("the one that ran is %+v", s)
		}
	})
}

// TestUnknownKindIsParked has a job of a kind that this program does not know: it
// does not keep its key from the others, and a program that knows it does it.
func TestUnknownKindIsParked(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		does := func(context.Context, *engine.Run) (json.RawMessage, error) { return json.RawMessage(`1`), nil }
		old := opened(t, p.config(t, "n1"), p)
		old.Handle("k", does)
		old.enqueue(engine.Job{ID: "new", Kind: "of tomorrow", Key: "a"}, engine.Job{ID: "beside", Kind: "k", Key: "a"},
			engine.Job{ID: "unwanted", Kind: "of tomorrow", Key: "a"})
		old.start()

		if s := old.ended("beside"); s.State != engine.Done {
			t.Errorf("the next of its key: %+v", s)
		}
		if s, err := old.Job(t.Context(), "new"); err != nil || s.State != engine.Parked || s.State.Ended() {
			t.Errorf("the job that is not known: %+v, %v", s, err)
		}
		if parked, err := old.List(t.Context(), engine.Filter{States: []engine.State{engine.Parked}}); err != nil || len(parked) == 0 ||
			slices.ContainsFunc(parked, func(s engine.Status) bool { return s.State != engine.Parked }) {
			t.Errorf("parked are %+v, %v", parked, err)
		}
		if all, err := old.List(t.Context(), engine.Filter{States: []engine.State{engine.Parked, engine.Done}}); err != nil || len(all) < 2 {
			t.Errorf("parked or done are %+v, %v", all, err)
		}
		if err := old.Cancel(t.Context(), "unwanted"); err != nil || old.ended("unwanted").State != engine.Cancelled {
			t.Errorf("a parked job is not cancelled: %v", err)
		}
		old.stop(time.Second)
		young := opened(t, p.config(t, "n1"), p)
		young.Handle("k", does)
		young.Handle("of tomorrow", does)
		young.start()
		if s := young.ended("new"); s.State != engine.Done || s.Key != "a" {
			t.Errorf("with a program that knows it: %+v", s)
		}
	})
}

package connection_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/integration"
)

// All who look see which checks run, until each has a result, or the word why it
// has none.
func TestRunsOfChecks(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.create(t)
		look := func() connection.Overview {
			t.Helper()
			o, err := f.Overview(t.Context(), ana, c.ID)
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		begin := func() connection.Checking {
			t.Helper()
			run, err := f.BeginChecks(t.Context(), ana, c.ID)
			if err != nil {
				t.Fatal(err)
			}
			return run
		}

		run := begin()
		if o := look(); o.Running() != 1 || len(o.Checks) != 0 {
			t.Errorf("begun: %+v", o.Runs)
		}
		if _, err := run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if o := look(); len(o.Runs) != 0 || len(o.Checks) != 1 {
			t.Errorf("ended: %+v", o.Runs)
		}

		// Who gives up learns nothing, and leaves nothing behind.
		run = begin()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := run(gone); err != nil || len(look().Runs) != 0 {
			t.Errorf("given up: %+v, %v", look().Runs, err)
		}
		// A run whose time is over says so at once, and the next one forgets it.
		run = begin()
		late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		if _, err := run(late); err != nil {
			t.Fatal(err)
		}
		if o := look(); o.Running() != 0 || len(o.Runs) != 1 || o.Runs[0].Trouble != "It did not come to an end in time." || len(o.Checks) != 1 {
			t.Errorf("late: %+v", o.Runs)
		}
		if _, err := f.Check(t.Context(), ana, c.ID); err != nil || len(look().Runs) != 0 {
			t.Errorf("again: %+v, %v", look().Runs, err)
		}

		// A secret that cannot be opened keeps the checks from beginning: the page
		// tells of it. An edit makes that old.
		broken, err := f.db.Connection(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		broken.Version, broken.Sealed = 2, map[string]string{"pat_secret": "nonsense"}
		if err := f.db.SaveConnection(t.Context(), broken); err != nil {
			t.Fatal(err)
		}
		if _, err := f.BeginChecks(t.Context(), ana, c.ID); err == nil {
			t.Error("checks begin without a secret")
		}
		if o := look(); o.Running() != 0 || len(o.Runs) != 1 || o.Runs[0].Trouble == "" {
			t.Errorf("broken: %+v", o.Runs)
		}
		if _, err := f.Update(t.Context(), ana, c.ID, connection.Edit{Settings: integration.Settings{"site_content_url": "acme-analytics", "pat_secret": secret}}); err != nil {
			t.Fatal(err)
		}
		if o := look(); len(o.Runs) != 0 {
			t.Errorf("after an edit: %+v", o.Runs)
		}
	})
}

// How long a check took is told without how long it waited.
func TestWaitedChecks(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.create(t)
		f.system.call = func(integration.Call) (integration.Answer, error) {
			f.skip(7 * time.Second)
			return integration.Answer{Status: http.StatusOK}, nil
		}
		reports, err := f.Check(t.Context(), ana, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		o, err := f.Overview(t.Context(), ana, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []connection.CheckReport{reports[0], o.Checks[0]} {
			if r.Waited < 7*time.Second || r.Waited > 8*time.Second || r.Duration > time.Second {
				t.Errorf("took %s, waited %s", r.Duration, r.Waited)
			}
		}
	})
}

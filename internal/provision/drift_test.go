package provision_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/provision"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// compared waits until the comparison is over.
func (r *rig) compared(app access.AppID, id access.ComparisonID) access.Comparison {
	r.t.Helper()
	late := time.After(time.Minute)
	for {
		c, err := r.access.Comparison(r.t.Context(), ana, app, id)
		r.must(err)
		if c.State != access.ComparisonRunning {
			return c
		}
		select {
		case <-late:
			r.t.Fatalf("it goes on: %+v", c)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// A comparison outlives the node that made it: its list is read from the start.
// What nobody makes any more is said to have failed.
func TestComparisonIsDurable(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		var calls atomic.Int64
		reading := make(chan struct{})
		var failing atomic.Pointer[fault.Error]
		var overtaken atomic.Bool
		stopped := make(chan struct{})
		var r *rig
		r = newRig(t, cfg, func(p *provision.Provisioner) {
			p.Accounts = func(ctx context.Context, _ string, known []string, told func(read, of int)) ([]access.Account, error) {
				if f := failing.Load(); f != nil {
					return nil, f
				}
				if overtaken.Load() {
					running, err := r.access.RunningComparisons(ctx)
					r.must(err)
					r.must(r.access.FailComparison(ctx, running[0], access.Problem{Code: "crashed"}))
					told(1, 2)
					<-ctx.Done() // it is over: the rest of the list is not read
					close(stopped)
					return nil, ctx.Err()
				}
				if !slices.Equal(known, []string{"luid-1"}) {
					t.Errorf("the users known are %q", known)
				}
				told(1, 2)
				if calls.Add(1) == 1 {
					close(reading)
					<-ctx.Done() // the node is stopped in the middle of the list
					return nil, errors.New("cut off")
				}
				return []access.Account{{ID: "luid-1", Name: "usr_rita@acme.example", Role: "Viewer"}, {ID: "own", Own: true, Role: "Creator"}}, nil
			}
		})
		r.p.Drift = r.access
		kept := true
		r.db.UseComparisons(func(ctx context.Context, tx *sql.Tx, c access.Comparison) error {
			if !kept {
				return nil
			}
			return provision.EnqueueComparison(ctx, r.engine, tx, c)
		})
		g := r.ask()
		c, _, err := r.access.StartComparison(t.Context(), ana, g.App)
		r.must(err)
		<-reading
		under, err := r.access.Comparison(t.Context(), ana, g.App, c.ID)
		if err != nil || under.Read != 1 || under.Of != 2 || under.State != access.ComparisonRunning {
			t.Errorf("under way: %+v, %v", under, err)
		}
		r.restart(func() {})
		c = r.compared(g.App, c.ID)
		if c.State != access.ComparisonDone || c.Counts.Differ != 1 || calls.Load() != 2 {
			t.Errorf("after the restart: %+v, the list was read %d times", c, calls.Load())
		}
		if g := r.grant(g.ID); g.State != access.GrantChanged || g.Outside.Found != "Viewer" {
			t.Errorf("the grant is %s, %+v", g.State, g.Outside)
		}

		failing.Store(fault.New(fault.Upstream, "Another program signed in with the same token and ended our session.").WithCode("session_lost"))
		c, _, err = r.access.StartComparison(t.Context(), ana, g.App)
		r.must(err)
		if c = r.compared(g.App, c.ID); c.State != access.ComparisonFailed || c.Problem.Code != "session_lost" || c.Counts != (access.DriftCounts{}) {
			t.Errorf("it could not be read: %+v", c)
		}

		failing.Store(nil)
		overtaken.Store(true)
		c, _, err = r.access.StartComparison(t.Context(), ana, g.App)
		r.must(err)
		<-stopped
		if c = r.compared(g.App, c.ID); c.State != access.ComparisonFailed {
			t.Errorf("it was over: %+v", c)
		}

		kept = false
		c, _, err = r.access.StartComparison(t.Context(), ana, g.App)
		r.must(err)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { r.p.Expire(ctx) }) // looks at once
		c = r.compared(g.App, c.ID)
		stop()
		wg.Wait()
		if c.State != access.ComparisonFailed || c.Problem.Code != "crashed" {
			t.Errorf("nobody makes it: %+v", c)
		}
	})
}

package access_test

import (
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// begun begins a comparison whose list says what is there now.
func (d *drifting) begun() access.Comparison {
	d.t.Helper()
	d.pass(time.Second)
	c, _, err := d.svc.StartComparison(d.t.Context(), as(olga), d.app.ID)
	d.must(err)
	c, err = d.svc.BeginComparison(d.t.Context(), c.ID)
	d.must(err)
	d.pass(time.Second)
	return c
}

// failed has the run of a grant fail.
func (d *drifting) failed(g access.Grant, code string) access.Grant {
	d.t.Helper()
	g, err := d.svc.Report(d.t.Context(), access.Outcome{Run: g.Awaited(), Kind: access.JobProvision, Grant: g.ID, Problem: &access.Problem{Code: code, Message: "It failed."}})
	d.must(err)
	return g
}

// G8: a role that our own run may just have set is told as nobody's change.
func TestComparisonLeavesOutARetryUnderWay(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		viewer := d.active(rita, d.roles["Viewer"], "luid-rita")
		creator := d.failed(d.grant(d.file(rita, access.Ask{Role: d.roles["Creator"]}).Grant), "unavailable")
		if creator.State != access.GrantNotSetUp || creator.Next == "" {
			t.Fatalf("nobody tries it again: %+v", creator)
		}
		// Before its time the run has changed nothing: what is there was somebody else.
		d.pass(time.Second)
		if c, _ := d.compare(account("rita", "Creator")); !creator.NextTry.After(d.clock()) || c.Counts.Busy != 0 || d.grant(viewer.ID).State != access.GrantChanged {
			t.Errorf("before its time: %+v, Viewer is %s", c.Counts, d.grant(viewer.ID).State)
		}
		d.compare(account("rita", "Viewer"))
		d.pass(creator.NextTry.Sub(d.clock()))
		if c, _ := d.compare(account("rita", "Creator")); c.Counts.Busy != 1 || d.grant(viewer.ID).State != access.GrantActive {
			t.Errorf("at its time: %+v, Viewer is %s", c.Counts, d.grant(viewer.ID).State)
		}
	})
}

// G8: likewise one that was taken back before it was known to have been set.
func TestComparisonLeavesOutWhatEndedUnconfirmed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		viewer := d.active(rita, d.roles["Viewer"], "luid-rita")
		creator := d.failed(d.grant(d.file(rita, access.Ask{Role: d.roles["Creator"]}).Grant), access.ProblemUnknown) // it was set
		c := d.begun()
		ending, err := d.svc.Revoke(t.Context(), as(olga), creator.ID, "no")
		d.must(err)
		ended, err := d.svc.Report(t.Context(), access.Outcome{
			Run: ending.Run, Kind: access.JobDeprovision, Grant: creator.ID, Before: new("Creator"), Proof: access.Proof{Role: "Viewer", User: "luid-rita", Note: "n", At: d.clock()},
		})
		if err != nil || ended.State != access.GrantEnded || !ended.StartsAt.IsZero() {
			t.Fatalf("ended: %+v, %v", ended, err)
		}
		d.pass(time.Second)
		c, err = d.svc.Compare(t.Context(), c, []access.Account{account("rita", "Creator")})
		if got := d.grant(viewer.ID); err != nil || c.Counts.Busy != 1 || got.State != access.GrantActive {
			t.Errorf("%+v, %v; Viewer is %s, %+v", c.Counts, err, got.State, got.Outside)
		}
	})
}

// A comparison takes no list that was begun before the one it waits for, nor the
// word that such a one failed.
func TestComparisonTakesOnlyItsOwnList(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		first := d.begun()
		old := []access.Account{account("rita", "Unlicensed")} // a node has read it, and stalls
		g := d.active(rita, d.roles["Creator"], "luid-rita")
		d.pass(time.Second)
		second, err := d.svc.BeginComparison(t.Context(), first.ID) // another one takes it up
		d.must(err)
		d.pass(time.Second)
		_, compared := d.svc.Compare(t.Context(), first, old)
		for what, err := range map[string]error{
			"compared": compared, "progress": d.svc.ComparisonRead(t.Context(), first, 1, 1), "failed": d.svc.FailComparison(t.Context(), first, access.Problem{Code: "list_moved"}),
		} {
			if fault.Public(err).Code != "comparison_over" {
				t.Errorf("%s of the earlier list: %v", what, err)
			}
		}
		if got := d.grant(g.ID); got.State != access.GrantActive {
			t.Errorf("nobody changed it: %s, %+v", got.State, got.Outside)
		}
		c, err := d.svc.Compare(t.Context(), second, []access.Account{account("rita", "Creator")})
		if err != nil || c.State != access.ComparisonDone || c.Counts.Same != 1 {
			t.Errorf("its own list: %+v, %v", c, err)
		}
	})
}

// What runs report while a list is read is left out, also when the clock of their
// node is behind that of the node that reads it.
func TestComparisonTrustsNoOtherClock(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		g := d.grant(d.file(rita, access.Ask{Role: d.roles["Creator"]}).Grant)
		sams := d.active(sam, d.roles["Creator"], "luid-sam")
		c := d.begun()
		d.pass(-10 * time.Second)
		d.done(g)
		ending, err := d.svc.Revoke(t.Context(), as(olga), sams.ID, "")
		d.must(err)
		_, err = d.svc.Report(t.Context(), access.Outcome{Run: ending.Run, Kind: access.JobDeprovision, Grant: sams.ID, Proof: access.Proof{Role: "Unlicensed", Note: "n", At: d.clock()}})
		d.must(err)
		d.pass(10 * time.Second)
		c, err = d.svc.Compare(t.Context(), c, []access.Account{account("rita", "Unlicensed"), account("sam", "Creator")})
		if err != nil || c.Counts.Busy != 1 || c.Counts.Unmanaged != 0 || d.grant(g.ID).State != access.GrantActive {
			t.Errorf("%+v, %v; the grant is %s", c.Counts, err, d.grant(g.ID).State)
		}
	})
}

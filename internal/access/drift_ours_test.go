package access_test

import (
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// These orders of events were found by the model test. Each is told in words:
// what people, strangers and runs did, one after the other.

// overdue ends a grant whose run then fails.
func (d *drifting) overdue(g access.Grant) access.Grant {
	d.t.Helper()
	ending, err := d.svc.Revoke(d.t.Context(), as(olga), g.ID, "")
	d.must(err)
	g, err = d.svc.Report(d.t.Context(), access.Outcome{Run: ending.Run, Kind: access.JobDeprovision, Grant: g.ID, Problem: &access.Problem{Code: "denied", Message: "It failed."}})
	d.must(err)
	return g
}

// Somebody lowers Rita from Creator to Viewer. The end of her Viewer grant fails,
// so Viewer may be there for that; a new grant of Viewer is set up and reads
// Viewer. That is less than Creator gives, which no run of ours does: it is told.
// Else the end of the first would put Creator back, which nobody decided.
func TestLessThanGrantedIsToldWhoeverGivesIt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		creator, viewer := d.active(rita, d.roles["Creator"], "luid-rita"), d.active(rita, d.roles["Viewer"], "luid-rita")
		d.overdue(viewer)
		again := d.grant(d.file(rita, access.Ask{Role: d.roles["Viewer"]}).Grant)
		if again = d.ran(again, access.JobProvision, "Viewer", "Viewer"); again.State != access.GrantActive {
			t.Fatalf("Viewer is %s", again.State)
		}
		if got := d.grant(creator.ID); got.State != access.GrantChanged || got.Outside.Found != "Viewer" {
			t.Errorf("Creator is %s, %+v", got.State, got.Outside)
		}
		if again = d.grant(again.ID); again.State != access.GrantActive {
			t.Errorf("Viewer is %s, %+v", again.State, again.Outside)
		}
	})
}

// Creator was lowered to Explorer and is to be restored. What our own runs put
// there meanwhile, or find there as what they were to set, is no further change
// of a stranger's: the run of Creator is told of it, also when it had failed and
// is retried.
func TestWhatOurRunsPutThereIsToldToARestore(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fails  bool   // the restore fails first, and nothing tries it again by itself
		before string // what the run of Viewer reads, which then leaves Viewer
		want   string // what the run of Creator is told to have been seen
	}{
		"put there":                          {false, "Explorer", "Viewer"},
		"put there in place of another":      {false, "Creator", "Viewer"},
		"found there, as an earlier run did": {false, "Viewer", "Viewer"},
		"put there, after a failed restore":  {true, "Explorer", "Viewer"},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		for name, tt := range tests {
			creator := d.active(rita, d.roles["Creator"], "luid-rita")
			d.compare(account("rita", "Explorer"))
			creator, err := d.svc.Restore(t.Context(), as(olga), creator.ID, "", nil)
			d.must(err)
			if tt.fails {
				d.failed(creator, "workflow_failed")
			}
			viewer := d.ran(d.grant(d.file(rita, access.Ask{Role: d.roles["Viewer"]}).Grant), access.JobProvision, tt.before, "Viewer")
			if tt.fails {
				creator, err = d.svc.Retry(t.Context(), as(olga), creator.ID)
				d.must(err)
			}
			f, err := d.svc.Facts(t.Context(), creator.Run, access.JobProvision, creator.ID)
			if err != nil || f.Grant.Outside.Found != tt.want {
				t.Errorf("%s: the run of Creator is told of %+v, %v", name, f.Grant.Outside, err)
			}
			if creator = d.ran(creator, access.JobProvision, "Viewer", "Creator"); creator.State != access.GrantActive {
				t.Errorf("%s: Creator is %s, %+v", name, creator.State, creator.Outside)
			}
			for _, g := range []access.Grant{creator, viewer} {
				ending, err := d.svc.Revoke(t.Context(), as(ana), g.ID, "")
				d.must(err)
				d.ran(ending, access.JobDeprovision, "Unlicensed", "Unlicensed")
			}
		}
	})
}

// G4: whether a run set Explorer is not known, and the run that was to find out
// cannot read it either. Explorer may be there until somebody knows: it is tried
// again without end, and is told to nobody as a stranger's change, neither when
// Viewer ends beside it nor in a comparison.
func TestWhatMayHaveBeenSetStaysUnsure(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		viewer, old := d.active(rita, d.roles["Viewer"], "luid-rita"), d.active(rita, d.there["Viewer"], "luid-rita")
		explorer := d.failed(d.grant(d.file(rita, access.Ask{Role: d.roles["Explorer"]}).Grant), access.ProblemUnknown)
		for _, code := range []string{"denied", "workflow_failed", "workflow_failed"} { // not one that passes by itself
			if explorer = d.failed(explorer, code); explorer.State != access.GrantNotSetUp || explorer.Next == "" || !explorer.Problem.Unsure {
				t.Fatalf("after %s: %s, then %q, %+v", code, explorer.State, explorer.Next, explorer.Problem)
			}
		}
		ending, err := d.svc.Revoke(t.Context(), as(olga), old.ID, "")
		d.must(err)
		if ended := d.ran(ending, access.JobDeprovision, "Explorer", "Explorer"); ended.State != access.GrantEnded || ended.Outside != (access.Outside{}) {
			t.Errorf("the ended Viewer is %s, %+v", ended.State, ended.Outside)
		}
		if c, _ := d.compare(account("rita", "Explorer")); c.Counts.Busy != 1 || d.grant(viewer.ID).State != access.GrantActive {
			t.Errorf("listed as Explorer: %+v, Viewer is %s", c.Counts, d.grant(viewer.ID).State)
		}
		if c, _ := d.compare(account("rita", "Creator")); c.Counts.Differ != 1 {
			t.Errorf("listed as Creator, which nobody may have set: %+v", c.Counts)
		}
		// Nobody is there who could have it: now that is known.
		if explorer = d.failed(explorer, "user_missing"); explorer.Problem.Unsure {
			t.Errorf("%+v", explorer.Problem)
		}
	})
}

// Creator and Viewer were changed to Unlicensed, then a stranger put Creator
// back, and Creator is revoked: its run is to leave Viewer there, which was
// agreed. Whoever takes the change of Viewer as its end meanwhile would leave
// Rita with a role that nothing gives: they are asked to wait.
func TestNothingIsAcceptedWhileAnotherEnds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		creator, viewer := d.bothChanged()
		ending, err := d.svc.Revoke(t.Context(), as(olga), creator.ID, "")
		d.must(err)
		if _, err := d.svc.AcceptChange(t.Context(), as(olga), viewer.ID, "", nil); fault.Public(err).Code != "being_changed" {
			t.Errorf("while it ends: %v", err)
		}
		d.ran(ending, access.JobDeprovision, "Creator", "Viewer")
		if got := d.grant(viewer.ID); got.State != access.GrantActive {
			t.Errorf("Viewer is %s", got.State)
		}
		d.pass(time.Second)
		d.compare(account("rita", "Unlicensed"))
		if got, err := d.svc.AcceptChange(t.Context(), as(olga), viewer.ID, "", nil); err != nil || got.State != access.GrantEnded {
			t.Errorf("when that is over: %s, %v", got.State, err)
		}
	})
}

// Creator was lowered to Explorer, and somebody put it back by hand, which nobody
// has read yet. A run for Viewer takes it for nobody's and sets Viewer: that is
// what is known of Creator from then on, so that to restore it is a decision on
// what is there.
func TestWhatIsKnownOfAChangeIsWhatIsThere(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		creator := d.active(rita, d.roles["Creator"], "luid-rita")
		d.compare(account("rita", "Explorer"))
		d.ran(d.grant(d.file(rita, access.Ask{Role: d.roles["Viewer"]}).Grant), access.JobProvision, "Creator", "Viewer")
		if got := d.grant(creator.ID); got.State != access.GrantChanged || got.Outside.Found != "Viewer" {
			t.Errorf("Creator is %s, %+v", got.State, got.Outside)
		}
	})
}

// A stranger made Rita a Creator, and that is told of Explorer, the stronger of her
// grants; Viewer is covered by it. When Explorer has ended, Creator is still what
// nobody gave: now it is told of Viewer.
func TestAChangeIsToldOfWhatRemains(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		explorer, viewer := d.active(rita, d.roles["Explorer"], "luid-rita"), d.active(rita, d.roles["Viewer"], "luid-rita")
		d.compare(account("rita", "Creator"))
		if e, v := d.grant(explorer.ID), d.grant(viewer.ID); e.State != access.GrantChanged || v.State != access.GrantActive {
			t.Fatalf("Explorer is %s, Viewer %s", e.State, v.State)
		}
		ending, err := d.svc.Revoke(t.Context(), as(olga), explorer.ID, "")
		d.must(err)
		d.ran(ending, access.JobDeprovision, "Creator", "Creator")
		if got := d.grant(viewer.ID); got.State != access.GrantChanged || got.Outside.Found != "Creator" {
			t.Errorf("Viewer is %s, %+v", got.State, got.Outside)
		}
	})
}

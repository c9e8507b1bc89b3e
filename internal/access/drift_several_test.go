package access_test

import (
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// ran reports a run of a grant that found before and left after.
func (d *drifting) ran(g access.Grant, kind access.JobKind, before, after string) access.Grant {
	d.t.Helper()
	g, err := d.svc.Report(d.t.Context(), access.Outcome{
		Run: g.Awaited(), Kind: kind, Grant: g.ID, Before: &before, Found: before == after, Proof: access.Proof{Role: after, User: "luid-rita", Note: "n", At: d.clock()},
	})
	d.must(err)
	return g
}

// bothChanged returns Rita's grants of Creator and Viewer, found Unlicensed.
func (d *drifting) bothChanged() (creator, viewer access.Grant) {
	d.t.Helper()
	creator, viewer = d.active(rita, d.roles["Creator"], "luid-rita"), d.active(rita, d.roles["Viewer"], "luid-rita")
	d.compare(account("rita", "Unlicensed"))
	creator, viewer = d.grant(creator.ID), d.grant(viewer.ID)
	if creator.State != access.GrantChanged || viewer.State != access.GrantChanged {
		d.t.Fatalf("Creator is %s, Viewer %s", creator.State, viewer.State)
	}
	return creator, viewer
}

// G8: what our run for one grant puts there is no change of a stranger's to
// another grant that is being restored. What a stranger puts there is.
func TestRestoreOfSeveralGrants(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		before string // what the run of Viewer finds
		viewer access.GrantState
		found  string // what Creator's run is told that was seen
		reads  string // what Creator's run then reads, and leaves when it is another
		after  string
		want   access.GrantState
	}{
		"ours over what was seen":   {"Unlicensed", access.GrantActive, "Viewer", "Viewer", "Creator", access.GrantActive},
		"a stranger after ours":     {"Unlicensed", access.GrantActive, "Viewer", "Explorer", "Explorer", access.GrantChanged},
		"a stranger before ours":    {"Explorer", access.GrantChanged, "Unlicensed", "Explorer", "Explorer", access.GrantChanged},
		"ours, and nothing is done": {"Unlicensed", access.GrantActive, "Viewer", "Viewer", "Viewer", access.GrantChanged},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		for name, tt := range tests {
			creator, viewer := d.bothChanged()
			viewer, err := d.svc.Restore(t.Context(), as(olga), viewer.ID, "", nil)
			d.must(err)
			creator, err = d.svc.Restore(t.Context(), as(olga), creator.ID, "", nil)
			d.must(err)
			left := tt.before
			if tt.viewer == access.GrantActive {
				left = "Viewer"
			}
			if viewer = d.ran(viewer, access.JobProvision, tt.before, left); viewer.State != tt.viewer {
				t.Errorf("%s: Viewer is %s", name, viewer.State)
			}
			f, err := d.svc.Facts(t.Context(), creator.Run, access.JobProvision, creator.ID)
			if err != nil || f.Grant.Outside.Found != tt.found {
				t.Errorf("%s: the run of Creator is told of %+v, %v", name, f.Grant.Outside, err)
			}
			if creator = d.ran(creator, access.JobProvision, tt.reads, tt.after); creator.State != tt.want || tt.want == access.GrantChanged && creator.Outside.Found != tt.after {
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

// G8: no grant is active with less than it gives, whatever the run says.
func TestNothingIsActiveWithLess(t *testing.T) {
	t.Parallel()
	tests := map[string]access.GrantState{
		"Viewer": access.GrantNotSetUp, "Unlicensed": access.GrantNotSetUp, "": access.GrantNotSetUp, "Explorer": access.GrantActive, "Creator": access.GrantActive,
		"SiteAdministratorCreator": access.GrantActive,
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		for found, want := range tests {
			g := d.ran(d.grant(d.file(rita, access.Ask{Role: d.roles["Explorer"]}).Grant), access.JobProvision, found, found)
			if g.State != want || (g.Problem.Code == "role_too_weak") != (want == access.GrantNotSetUp) {
				t.Errorf("Explorer with %q is %s: %+v", found, g.State, g.Problem)
			}
			ending, err := d.svc.Revoke(t.Context(), as(ana), g.ID, "")
			d.must(err)
			d.ran(ending, access.JobDeprovision, found, "Unlicensed")
		}
	})
}

// S8, G8: a weaker grant that somebody changed outside was agreed and has not
// ended, so the end of a stronger one leaves it its role. One that is no weaker
// is not put back in place of what somebody changed.
func TestEndLeavesWhatAChangedGrantGives(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		creator, viewer := d.bothChanged()
		told := func(g access.Grant) (ids []access.GrantID) {
			f, err := d.svc.Facts(t.Context(), g.Run, access.JobDeprovision, g.ID)
			d.must(err)
			for _, other := range f.Remaining {
				ids = append(ids, other.ID)
			}
			return ids
		}
		ending, err := d.svc.Revoke(t.Context(), as(olga), creator.ID, "over")
		d.must(err)
		if ids := told(ending); len(ids) != 1 || ids[0] != viewer.ID {
			t.Fatalf("beside Creator remain %v", ids)
		}
		d.ran(ending, access.JobDeprovision, "Creator", "Viewer") // somebody had undone it by hand
		if got := d.grant(viewer.ID); got.State != access.GrantActive {
			t.Errorf("Viewer is %s, %+v", got.State, got.Outside)
		}
		creator = d.active(rita, d.roles["Creator"], "luid-rita")
		d.compare(account("rita", "Viewer"))
		if d.grant(creator.ID).State != access.GrantChanged {
			t.Fatal("Creator was lowered")
		}
		ending, err = d.svc.Revoke(t.Context(), as(olga), viewer.ID, "over")
		d.must(err)
		if ids := told(ending); len(ids) != 0 {
			t.Errorf("beside Viewer remain %v", ids)
		}
		d.pass(time.Second)
	})
}

// G8: a role that is there because its end failed is told as nobody's change,
// neither to the others nor to the one that ends meanwhile.
func TestWhatIsOverdueToEndIsNobodysChange(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		viewer, explorer, creator := d.active(rita, d.roles["Viewer"], "luid-rita"), d.active(rita, d.roles["Explorer"], "luid-rita"), d.active(rita, d.roles["Creator"], "luid-rita")
		ending, err := d.svc.Revoke(t.Context(), as(olga), creator.ID, "")
		d.must(err)
		_, err = d.svc.Report(t.Context(), access.Outcome{Run: ending.Run, Kind: access.JobDeprovision, Grant: creator.ID, Problem: &access.Problem{Code: "denied"}})
		d.must(err)
		ending, err = d.svc.Revoke(t.Context(), as(olga), explorer.ID, "")
		d.must(err)
		ended := d.ran(ending, access.JobDeprovision, "Creator", "Creator")
		if got := d.grant(viewer.ID); got.State != access.GrantActive || ended.State != access.GrantEnded || ended.Outside != (access.Outside{}) {
			t.Errorf("Viewer is %s, %+v; Explorer is %s, %+v", got.State, got.Outside, ended.State, ended.Outside)
		}
	})
}

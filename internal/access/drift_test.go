package access_test

import (
	cmpvalue "cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// ux §4: every state and kind has its code, word, sentence and next acts.
func TestEveryComparisonHasItsWords(t *testing.T) {
	t.Parallel()
	saysAll(t, "drift.go", "ComparisonState", access.ComparisonStates())
	saysAll(t, "drift.go", "DifferenceKind", access.DifferenceKinds())
}

// drifting is a world in which roles have the names of the scale.
type drifting struct {
	*world
	roles map[string]access.RoleID // by name, of the app
	other access.App               // bound to the same connection
	there map[string]access.RoleID // of the other app
}

func newDrifting(t *testing.T, db *store.DB) *drifting {
	w := newWorld(t, db)
	d := &drifting{world: w, roles: map[string]access.RoleID{}, there: map[string]access.RoleID{}, other: w.newApp("Beside", "con_1")}
	db.UseComparisons(func(context.Context, *sql.Tx, access.Comparison) error { return nil })
	p, err := w.svc.SavePolicy(t.Context(), as(ana), access.Policy{Name: "Free", Longest: time.Hour})
	w.must(err)
	for _, name := range []string{"Viewer", "Explorer", "Creator"} {
		for app, roles := range map[access.AppID]map[string]access.RoleID{w.app.ID: d.roles, d.other.ID: d.there} {
			r, err := w.svc.SaveRole(t.Context(), as(ana), access.Role{App: app, Name: name, Policy: p.ID})
			w.must(err)
			roles[name] = r.ID
		}
	}
	return d
}

// active gives the role, set up for the user luid-PERSON; "by hand" for none.
func (d *drifting) active(who identity.PersonID, role access.RoleID, user string) access.Grant {
	d.t.Helper()
	g := d.grant(d.file(who, access.Ask{Role: role}).Grant)
	g, err := d.svc.Report(d.t.Context(), access.Outcome{
		Run: g.Run, Kind: access.JobProvision, Grant: g.ID, Proof: access.Proof{Role: g.RoleName, User: user, Note: "done", At: d.clock()},
	})
	d.must(err)
	return g
}

// compare makes a whole comparison with the accounts.
func (d *drifting) compare(accounts ...access.Account) (access.Comparison, []access.ShownDifference) {
	d.t.Helper()
	c := d.compared(accounts...)
	return c, d.differences(c.ID)
}

// compared is compare without what it found.
func (d *drifting) compared(accounts ...access.Account) access.Comparison {
	d.t.Helper()
	d.pass(time.Second)
	c, joined, err := d.svc.StartComparison(d.t.Context(), as(olga), d.app.ID)
	d.must(err)
	if joined {
		d.t.Fatal("another comparison was under way")
	}
	c, err = d.svc.BeginComparison(d.t.Context(), c.ID)
	d.must(err)
	d.pass(time.Second)
	c, err = d.svc.Compare(d.t.Context(), c, accounts)
	d.must(err)
	return c
}

func (d *drifting) differences(id access.ComparisonID) []access.ShownDifference {
	d.t.Helper()
	list, err := d.svc.Differences(d.t.Context(), as(ana), d.app.ID, access.DifferenceFilter{Comparison: id})
	d.must(err)
	return list
}

func account(name, role string) access.Account {
	return access.Account{ID: "luid-" + name, Name: "usr_" + name + "@acme.example", Role: role}
}

// S8, G8, decision 16: what was granted is compared with one list; of a person
// with several grants, the strongest says what should be there.
func TestCompare(t *testing.T) {
	t.Parallel()
	type grant struct {
		role  string
		there bool   // of the other app
		user  string // whose account it was set up for; "": not known
	}
	tests := map[string]struct {
		grants []grant // Rita's
		found  []access.Account
		want   access.DriftCounts
		rows   []string
		states []access.GrantState
	}{
		"as it should be": {
			grants: []grant{{role: "Creator", user: "luid-rita"}}, found: []access.Account{account("rita", "Creator")},
			want: access.DriftCounts{Accounts: 1, Same: 1}, states: []access.GrantState{access.GrantActive},
		},
		"by name, in other letters": {
			grants: []grant{{role: "Creator"}}, found: []access.Account{{ID: "x", Name: "USR_Rita@acme.example", Role: "Creator"}},
			want: access.DriftCounts{Accounts: 1, Same: 1}, states: []access.GrantState{access.GrantActive},
		},
		"by address, and changed": {
			grants: []grant{{role: "Creator"}}, found: []access.Account{{ID: "x", Name: "rita", Email: "usr_rita@acme.example", Role: "Viewer"}},
			want: access.DriftCounts{Accounts: 1, Differ: 1}, rows: []string{"role_differs Creator Viewer"}, states: []access.GrantState{access.GrantChanged},
		},
		"lowered": {
			grants: []grant{{role: "Creator", user: "luid-rita"}}, found: []access.Account{account("rita", "Viewer")},
			want: access.DriftCounts{Accounts: 1, Differ: 1}, rows: []string{"role_differs Creator Viewer"}, states: []access.GrantState{access.GrantChanged},
		},
		"raised": {
			grants: []grant{{role: "Viewer", user: "luid-rita"}}, found: []access.Account{account("rita", "Creator")},
			want: access.DriftCounts{Accounts: 1, Differ: 1}, rows: []string{"role_differs Viewer Creator"}, states: []access.GrantState{access.GrantChanged},
		},
		"taken away from both": {
			grants: []grant{{role: "Creator", user: "luid-rita"}, {role: "Viewer", user: "luid-rita"}}, found: []access.Account{account("rita", "Unlicensed")},
			want: access.DriftCounts{Accounts: 1, Differ: 2}, rows: []string{"role_differs Creator Unlicensed", "role_differs Viewer Unlicensed"},
			states: []access.GrantState{access.GrantChanged, access.GrantChanged},
		},
		"the stronger one holds": {
			grants: []grant{{role: "Creator", user: "luid-rita"}, {role: "Viewer", user: "luid-rita"}}, found: []access.Account{account("rita", "Creator")},
			want: access.DriftCounts{Accounts: 1, Same: 2}, states: []access.GrantState{access.GrantActive, access.GrantActive},
		},
		"the weaker one is left": {
			grants: []grant{{role: "Creator", user: "luid-rita"}, {role: "Viewer", user: "luid-rita"}}, found: []access.Account{account("rita", "Explorer")},
			want: access.DriftCounts{Accounts: 1, Differ: 1, Same: 1}, rows: []string{"role_differs Creator Explorer"},
			states: []access.GrantState{access.GrantChanged, access.GrantActive},
		},
		"what another app gives counts": {
			grants: []grant{{role: "Viewer", user: "luid-rita"}, {role: "Creator", there: true, user: "luid-rita"}}, found: []access.Account{account("rita", "Creator")},
			want: access.DriftCounts{Accounts: 1, Same: 1}, states: []access.GrantState{access.GrantActive, access.GrantActive},
		},
		"another app's own is told there": {
			grants: []grant{{role: "Viewer", user: "luid-rita"}, {role: "Creator", there: true, user: "luid-rita"}}, found: []access.Account{account("rita", "Explorer")},
			want: access.DriftCounts{Accounts: 1, Same: 1}, states: []access.GrantState{access.GrantActive, access.GrantActive},
		},
		"a role that is on no scale": {
			grants: []grant{{role: "Creator", user: "luid-rita"}, {role: "Viewer", user: "luid-rita"}}, found: []access.Account{account("rita", "SiteAdministratorCreator")},
			want: access.DriftCounts{Accounts: 1, Differ: 1, Same: 1}, rows: []string{"role_differs Creator SiteAdministratorCreator"},
			states: []access.GrantState{access.GrantChanged, access.GrantActive},
		},
		// G7: the one it was set up for, not another of the same name.
		"user gone": {
			grants: []grant{{role: "Creator", user: "luid-old"}}, found: []access.Account{account("rita", "Creator")},
			want: access.DriftCounts{Accounts: 1, Gone: 1, Unmanaged: 1}, rows: []string{"user_gone Creator ", "unmanaged  Creator"},
			states: []access.GrantState{access.GrantChanged},
		},
		"nobody of the name": {
			grants: []grant{{role: "Creator"}}, found: []access.Account{account("sam", "Unlicensed")},
			want: access.DriftCounts{Accounts: 1, NotFound: 1}, rows: []string{"user_not_found Creator "}, states: []access.GrantState{access.GrantActive},
		},
		"two of the name": {
			grants: []grant{{role: "Creator"}}, found: []access.Account{{ID: "a", Name: "usr_rita@acme.example"}, {ID: "b", Name: "usr_rita@acme.example"}},
			want: access.DriftCounts{Accounts: 2, NotFound: 1}, rows: []string{"user_not_found Creator "}, states: []access.GrantState{access.GrantActive},
		},
		"a letter of another script": {
			grants: []grant{{role: "Creator"}}, found: []access.Account{{ID: "a", Name: "uſr_rita@acme.example"}},
			want: access.DriftCounts{Accounts: 1, NotFound: 1}, rows: []string{"user_not_found Creator "}, states: []access.GrantState{access.GrantActive},
		},
		"roles without a grant": {
			found: []access.Account{account("sam", "Viewer"), account("bo", "Unlicensed"), {ID: "own", Name: "svc", Role: "SiteAdministratorCreator", Own: true}},
			want:  access.DriftCounts{Accounts: 3, Unmanaged: 1}, rows: []string{"unmanaged  Viewer"},
		},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		for name, tt := range tests {
			var grants []access.Grant
			for _, g := range tt.grants {
				roles := d.roles
				if g.there {
					roles = d.there
				}
				grants = append(grants, d.active(rita, roles[g.role], g.user))
			}
			c, rows := d.compare(tt.found...)
			var got []string
			for _, r := range rows {
				got = append(got, fmt.Sprintf("%s %s %s", r.Kind, r.Granted, r.Found))
			}
			slices.Sort(got)
			slices.Sort(tt.rows)
			if diff := cmp.Diff(tt.rows, got); diff != "" || c.Counts != tt.want || c.State != access.ComparisonDone {
				t.Errorf("%s: %s %+v %s", name, c.State, c.Counts, diff)
			}
			for i, g := range grants {
				if got := d.grant(g.ID); got.State != tt.states[i] || (got.State == access.GrantChanged) != (got.Outside.Expected == g.RoleName) {
					t.Errorf("%s: %s is %s, %+v", name, g.RoleName, got.State, got.Outside)
				}
				ending, err := d.svc.Revoke(t.Context(), as(ana), g.ID, "")
				d.must(err)
				d.done(ending)
			}
		}
		d.verify()
	})
}

// The life of a difference: found, told once, since when, settled in each way.
func TestSettle(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		g := d.active(rita, d.roles["Creator"], "luid-rita")
		first, _ := d.compare(account("rita", "Viewer"), account("sam", "Explorer"))
		found := d.grant(g.ID)
		if found.Outside.Expected != "Creator" || found.Outside.Found != "Viewer" || found.Outside.At.IsZero() {
			t.Fatalf("told with %+v", found.Outside)
		}
		d.pass(time.Hour / 2)
		c, rows := d.compare(account("rita", "Viewer"), account("sam", "Explorer"))
		if len(rows) != 2 || !rows[0].Since.Equal(found.Outside.At) || !rows[1].Since.Equal(first.EndedAt) || rows[0].Settled || rows[1].Kind != access.DifferenceUnmanaged {
			t.Errorf("the second comparison found %+v", rows)
		}
		drifted := func() (n int) {
			for _, k := range d.kinds("grant:" + string(g.ID)) {
				if k == access.GrantDrifted {
					n++
				}
			}
			return n
		}
		if drifted() != 1 {
			t.Errorf("the same change was told %d times", drifted())
		}
		// Somebody put it back: it is active again, as it was.
		if _, rows := d.compare(account("rita", "Creator")); len(rows) != 0 || d.grant(g.ID).State != access.GrantActive || !d.grant(g.ID).EndsAt.Equal(g.EndsAt) {
			t.Errorf("put back: %+v, %+v", rows, d.grant(g.ID))
		}
		if settled := d.differences(c.ID); !settled[0].Settled || settled[0].State != access.GrantActive {
			t.Errorf("an old difference is shown as %+v", settled[0])
		}

		// Restored: the run reads first and finds what the person had seen.
		_, rows = d.compare(account("rita", "Viewer"))
		restoring, err := d.svc.Resolve(t.Context(), as(olga), d.app.ID, rows[0].ID, access.ActRestore, "She needs it")
		d.must(err)
		if restoring.State != access.GrantSettingUp || d.job(restoring.Run).Kind != access.JobProvision {
			t.Fatalf("restoring: %+v", restoring)
		}
		// It changed again since: it is left alone and told with the new value.
		again, err := d.svc.Report(t.Context(), access.Outcome{
			Run: restoring.Run, Kind: access.JobProvision, Grant: g.ID, Before: new("Explorer"), Found: true, Proof: access.Proof{Role: "Explorer", User: "luid-rita", Note: "n", At: d.clock()},
		})
		if err != nil || again.State != access.GrantChanged || again.Outside.Found != "Explorer" || drifted() != 3 {
			t.Fatalf("changed again: %+v, %v", again, err)
		}
		restoring, err = d.svc.Restore(t.Context(), as(ana), g.ID, "", new("Explorer"))
		d.must(err)
		back, err := d.svc.Report(t.Context(), access.Outcome{
			Run: restoring.Run, Kind: access.JobProvision, Grant: g.ID, Before: new("Explorer"), Proof: access.Proof{Role: "Creator", User: "luid-rita", Note: "n", At: d.clock()},
		})
		if err != nil || back.State != access.GrantActive || back.Outside != (access.Outside{}) || !back.EndsAt.Equal(g.EndsAt) {
			t.Fatalf("restored: %+v, %v", back, err)
		}

		// Accepted: what is there is recorded, and nothing is written.
		_, rows = d.compare(account("rita", "Explorer"))
		ended, err := d.svc.Resolve(t.Context(), as(olga), d.app.ID, rows[0].ID, access.ActAccept, "As agreed by phone")
		d.must(err)
		if ended.State != access.GrantEnded || ended.EndReason != access.ReasonChanged || ended.EndNote != "As agreed by phone" || ended.EndedBy != olga ||
			ended.Proof.Role != "Explorer" || ended.Run != "" {
			t.Errorf("accepted: %+v", ended)
		}
		if _, err := d.svc.AcceptChange(t.Context(), as(olga), g.ID, "", nil); fault.Public(err).Code != "not_changed" {
			t.Errorf("accepted twice: %v", err)
		}
		// From then on it is a role without a grant.
		c, rows = d.compare(account("rita", "Explorer"))
		if len(rows) != 1 || rows[0].Kind != access.DifferenceUnmanaged || c.Counts.Unmanaged != 1 {
			t.Errorf("after it: %+v", rows)
		}
		if _, err := d.svc.Resolve(t.Context(), as(ana), d.app.ID, rows[0].ID, access.ActRestore, ""); fault.Public(err).Code != "no_grant" {
			t.Errorf("a role without a grant was settled: %v", err)
		}

		// Ended: by its ordinary road.
		g = d.active(rita, d.roles["Creator"], "luid-rita")
		_, rows = d.compare(account("rita", "Viewer"))
		ending, err := d.svc.Resolve(t.Context(), as(olga), d.app.ID, rows[0].ID, access.ActRevoke, "Gone")
		if err != nil || ending.State != access.GrantEnding || d.job(ending.Run).Kind != access.JobDeprovision {
			t.Errorf("ended: %+v, %v", ending, err)
		}
		d.verify()
	})
}

// A list may tell of before or after what a run did meanwhile.
func TestCompareLeavesOutWhatMoves(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		settled := d.active(rita, d.roles["Creator"], "luid-rita")
		bos := d.active(bo, d.roles["Creator"], "luid-bo")
		d.pass(time.Second)
		c, _, err := d.svc.StartComparison(t.Context(), as(ana), d.app.ID)
		d.must(err)
		second, joined, err := d.svc.StartComparison(t.Context(), as(olga), d.app.ID)
		if err != nil || !joined || second.ID != c.ID {
			t.Errorf("a second comparison: %+v, joined %v, %v", second, joined, err)
		}
		if _, joined, err := d.svc.StartComparison(t.Context(), as(olga), d.other.ID); err != nil || joined {
			t.Errorf("another app's: joined %v, %v", joined, err)
		}
		c, err = d.svc.BeginComparison(t.Context(), c.ID)
		d.must(err)
		d.must(d.svc.ComparisonRead(t.Context(), c, 2, 3))
		if c, err := d.svc.Comparison(t.Context(), as(olga), d.app.ID, c.ID); err != nil || c.Read != 2 || c.Of != 3 || c.State != access.ComparisonRunning {
			t.Errorf("under way: %+v, %v", c, err)
		}
		d.active(sam, d.roles["Viewer"], "luid-sam") // while the list is read
		ending, err := d.svc.Revoke(t.Context(), as(ana), bos.ID, "")
		d.must(err)
		_, err = d.svc.Report(t.Context(), access.Outcome{Run: ending.Run, Kind: access.JobDeprovision, Grant: bos.ID, Proof: access.Proof{Role: "Unlicensed", Note: "n", At: d.clock()}})
		d.must(err)
		c, err = d.svc.Compare(t.Context(), c, []access.Account{account("sam", "Unlicensed"), account("bo", "Creator"), account("rita", "Creator")})
		if want := (access.DriftCounts{Accounts: 3, Same: 1, Busy: 1}); err != nil || c.Counts != want || d.grant(settled.ID).State != access.GrantActive {
			t.Errorf("%+v, %v", c.Counts, err)
		}
		if _, err := d.svc.Compare(t.Context(), c, nil); fault.Public(err).Code != "comparison_over" {
			t.Errorf("a comparison ended twice: %v", err)
		}

		// One that fails shows nothing.
		c, _, err = d.svc.StartComparison(t.Context(), as(ana), d.app.ID)
		d.must(err)
		d.must(d.svc.FailComparison(t.Context(), c, access.Problem{Code: "session_lost", Message: "Another program signed in."}))
		c, err = d.svc.Comparison(t.Context(), as(ana), d.app.ID, c.ID)
		if err != nil || c.State != access.ComparisonFailed || c.Problem.Message != "Another program signed in." || len(d.differences(c.ID)) != 0 {
			t.Errorf("failed: %+v, %v", c, err)
		}
		last, err := d.svc.LastCompared(t.Context(), as(ana), d.app.ID)
		if err != nil || last == nil || last.Counts.Accounts != 3 {
			t.Errorf("last compared %+v, %v", last, err)
		}
		if kind := d.last().Kind; kind != access.DriftFailed {
			t.Errorf("the last event is %s", kind)
		}
	})
}

// G8: what a run reads of a person counts for their other grants too.
func TestRunsNoticeWhatOthersChanged(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		before, after string
		state         access.GrantState
		found         string
		user          string // whom the run looked at; "": Rita's
	}{
		"covered by it":            {before: "Creator", after: "Creator", state: access.GrantActive},
		"lowered, and left":        {before: "Explorer", after: "Explorer", state: access.GrantChanged, found: "Explorer"},
		"taken away, and given":    {before: "Unlicensed", after: "Explorer", state: access.GrantChanged, found: "Explorer"},
		"it does not say":          {before: "-", after: "Explorer", state: access.GrantActive},
		"nobody, and nobody still": {before: "", after: "", state: access.GrantChanged},
		"of another user":          {before: "Unlicensed", after: "Explorer", state: access.GrantActive, user: "luid-other"}, // G7
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		for name, tt := range tests {
			strong := d.active(rita, d.roles["Creator"], "luid-rita")
			weak := d.grant(d.file(rita, access.Ask{Role: d.roles["Explorer"]}).Grant)
			o := access.Outcome{Run: weak.Run, Kind: access.JobProvision, Grant: weak.ID, Before: &tt.before, Proof: access.Proof{Role: tt.after, User: cmpvalue.Or(tt.user, "luid-rita"), Note: "n", At: d.clock()}}
			if tt.before == "-" {
				o.Before = nil
			}
			weak, err := d.svc.Report(t.Context(), o)
			d.must(err)
			strong = d.grant(strong.ID)
			held := access.GrantActive
			if tt.after == "" {
				held = access.GrantNotSetUp
			}
			if weak.State != held || strong.State != tt.state || strong.Outside.Found != tt.found {
				t.Errorf("%s: the weaker is %s, the stronger %s, %+v", name, weak.State, strong.State, strong.Outside)
			}
			for _, g := range []access.Grant{strong, weak} {
				ending, err := d.svc.Revoke(t.Context(), as(ana), g.ID, "")
				d.must(err)
				_, err = d.svc.Report(t.Context(), access.Outcome{
					Run: ending.Run, Kind: access.JobDeprovision, Grant: g.ID, Before: &g.RoleName, Proof: access.Proof{Role: "Unlicensed", Note: "n", At: d.clock()},
				})
				d.must(err)
			}
			if weak := d.grant(weak.ID); weak.State != access.GrantEnded {
				t.Errorf("%s: the weaker is %s", name, weak.State)
			}
		}
	})
}

// reliability §6.4: owners of the app and administrators see and settle drift.
func TestWhoSettles(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		g := d.active(rita, d.roles["Creator"], "luid-rita")
		c, rows := d.compare(account("rita", "Viewer"))
		for _, who := range []identity.Actor{as(rita), as(bo), with(olga, identity.ScopeAccessRead)} {
			acts := map[string]error{}
			_, _, acts["start"] = d.svc.StartComparison(t.Context(), who, d.app.ID)
			_, acts["accept"] = d.svc.AcceptChange(t.Context(), who, g.ID, "", nil)
			_, acts["restore"] = d.svc.Restore(t.Context(), who, g.ID, "", nil)
			if who.Person != olga {
				_, acts["see"] = d.svc.Comparison(t.Context(), who, d.app.ID, c.ID)
				_, acts["list"] = d.svc.Comparisons(t.Context(), who, d.app.ID, 1, "")
				_, acts["differences"] = d.svc.Differences(t.Context(), who, d.app.ID, access.DifferenceFilter{Comparison: c.ID})
				_, acts["resolve"] = d.svc.Resolve(t.Context(), who, d.app.ID, rows[0].ID, access.ActAccept, "")
			}
			for act, err := range acts {
				// Who may not see the access is not told that it is there.
				unseen := who.Person == bo && (act == "accept" || act == "restore") && errors.Is(err, fault.NotFound)
				if fault.KindOf(err) != fault.Forbidden && !unseen {
					t.Errorf("%s by %s: %v", act, who.Person, err)
				}
			}
		}
		if d.grant(g.ID).State != access.GrantChanged {
			t.Errorf("it is %s", d.grant(g.ID).State)
		}
		// Who has a role without a grant is shown to administrators, and counted for owners.
		c, all := d.compare(account("rita", "Viewer"), account("stranger", "Creator"))
		owners, err := d.svc.Differences(t.Context(), as(olga), d.app.ID, access.DifferenceFilter{Comparison: c.ID})
		if err != nil || len(all) != 2 || len(owners) != 1 || owners[0].Kind != access.DifferenceRole || c.Counts.Unmanaged != 1 {
			t.Errorf("an owner sees %+v of %d, %v", owners, len(all), err)
		}
		for _, row := range all {
			if _, err := d.svc.Difference(t.Context(), as(olga), d.app.ID, row.ID); (row.Kind == access.DifferenceUnmanaged) != (fault.KindOf(err) == fault.NotFound) {
				t.Errorf("%s for an owner: %v", row.Kind, err)
			}
		}
		events, err := d.db.Events(t.Context(), audit.Filter{Kinds: []string{string(identity.ActRefused)}})
		if err != nil || len(events) < 10 {
			t.Errorf("%d refusals were recorded, %v", len(events), err)
		}
		if _, err := d.svc.Comparison(t.Context(), as(ana), d.other.ID, c.ID); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a comparison of another app: %v", err)
		}
		if _, err := d.svc.Difference(t.Context(), as(ana), d.other.ID, rows[0].ID); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a difference of another app: %v", err)
		}
	})
}

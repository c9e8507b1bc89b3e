package server_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/tableau/tableautest"
)

// G8: a weaker grant neither takes away what a stronger one gives nor puts that
// back in place of what somebody else set.
func TestWeakerGrantAndAChangeOutside(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		rita := u.site.AddUser("rita@acme.example", "Unlicensed")
		creator := u.request(u.rita.ID, "Creator", true).GrantID
		u.grantIn(creator, "active")

		rita.SetRole("ExplorerCanPublish") // an administrator of the site
		puts := u.site.puts()
		weak := u.grantIn(u.request(u.rita.ID, "Explorer", true).GrantID, "active")
		strong := u.grantIn(creator, "changed_outside")

		const left = "No change: the site role is ExplorerCanPublish, which holds Explorer. Another grant gives Creator: somebody changed that in Tableau, and it is left alone."
		if rita.Role() != "ExplorerCanPublish" || u.site.puts() != puts || weak.Proof.Note != left {
			t.Errorf("Rita is %s after %d writes: %s", rita.Role(), u.site.puts()-puts, weak.Proof.Note)
		}
		if o := strong.ChangedOutside; o == nil || o.Expected != "Creator" || o.Found != "ExplorerCanPublish" {
			t.Errorf("the stronger grant tells %+v", o)
		}

		rita.SetRole("Unlicensed")
		third := u.grantIn(u.request(u.rita.ID, "Viewer", true).GrantID, "active")
		if rita.Role() != "Viewer" || third.Proof.Note != "Unlicensed → Viewer. Another grant gives Explorer: somebody changed that in Tableau, and it is left alone." {
			t.Errorf("Rita is %s: %s", rita.Role(), third.Proof.Note)
		}
		if g := call[wire.Grant](u.node, "GET", "/grants/"+weak.ID, nil); g.State != "changed_outside" || g.ChangedOutside.Found != "Viewer" {
			t.Errorf("Explorer is %s, %+v", g.State, g.ChangedOutside)
		}
	})
}

// compared has the app compared and waits for the end.
func (u *setup) compared() wire.Comparison {
	u.t.Helper()
	c := call[wire.Comparison](u.node, "POST", "/apps/"+u.app.ID+"/drift", nil)
	deadline := time.Now().Add(30 * time.Second)
	for c.State == "running" {
		if time.Now().After(deadline) {
			u.t.Fatalf("the comparison goes on: %+v", c)
		}
		<-time.After(10 * time.Millisecond)
		c = call[wire.Comparison](u.node, "GET", "/apps/"+u.app.ID+"/drift/"+c.ID, nil)
	}
	return c
}

// S8: an app is compared when somebody asks, with one listing on one session. A
// list that is not whole compares nothing and says why.
func TestComparison(t *testing.T) {
	t.Parallel()
	users := "/api/3.24/sites/*/users"
	tests := map[string]struct {
		fault tableautest.Fault
		code  string // "": compared
		says  string
	}{
		"as it is":              {},
		"session lost once":     {fault: tableautest.Fault{Method: "GET", Path: users, EndSession: true}},
		"session lost for ever": {fault: tableautest.Fault{Method: "GET", Path: users, EndSession: true, Times: -1}, code: "session_lost"},
		"refused":               {fault: tableautest.Fault{Method: "GET", Path: users, Code: "403004", Times: -1}, code: "denied", says: "does not have permission to manage site users"},
		"less than it says":     {fault: tableautest.Fault{Method: "GET", Path: users, Body: `{"pagination":{"totalAvailable":"3"},"users":{"user":[{"id":"a","name":"a","siteRole":"Viewer"}]}}`, Times: -1}, code: "list_moved", says: "listed 1"},
		"nobody at all":         {fault: tableautest.Fault{Method: "GET", Path: users, Body: `{"pagination":{"totalAvailable":"0"},"users":{}}`, Times: -1}, code: "list_moved"},
		"not one of Tableau's":  {fault: tableautest.Fault{Method: "GET", Path: users, HTML: true, Status: 200, Times: -1}, code: "not_tableau"},
		"the connection paused": {code: "paused", says: "is paused"},
	}
	each(t, func(t *testing.T, u *setup) {
		rita := u.site.AddUser("rita@acme.example", "Unlicensed")
		grant := u.request(u.rita.ID, "Creator", true).GrantID
		u.grantIn(grant, "active")
		puts := u.site.puts()
		rita.SetRole("Viewer")
		for name, tt := range tests {
			if tt.code == "" {
				continue
			}
			if tt.code == "paused" {
				call[wire.Connection](u.node, "POST", "/connections/"+u.connection.ID+"/pause", nil)
			} else {
				u.site.Fail(tt.fault)
			}
			c := u.compared()
			if c.State != "failed" || c.Problem == nil || c.Problem.Code != tt.code || !strings.Contains(c.Problem.Message, tt.says) || c.Counts != (wire.DriftCounts{}) {
				t.Errorf("%s: %s, %+v, %+v", name, c.State, c.Problem, c.Counts)
			}
			u.site.ClearFaults()
			if tt.code == "paused" {
				call[wire.Connection](u.node, "POST", "/connections/"+u.connection.ID+"/resume", nil)
			}
			found := call[wire.List[wire.Difference]](u.node, "GET", "/apps/"+u.app.ID+"/drift/"+c.ID+"/differences", nil)
			if g := call[wire.Grant](u.node, "GET", "/grants/"+grant, nil); g.State != "active" || len(found.Items) != 0 {
				t.Errorf("%s: the grant is %s, %d differences", name, g.State, len(found.Items))
			}
		}
		for name, tt := range tests {
			if tt.code != "" {
				continue
			}
			if tt.fault.Path != "" {
				u.site.Fail(tt.fault)
			}
			c := u.compared()
			if c.State != "done" || c.Counts.Differ != 1 || c.Read != c.Counts.Accounts || c.Of != c.Read {
				t.Errorf("%s: %s, %+v, %d of %d, %+v", name, c.State, c.Problem, c.Read, c.Of, c.Counts)
			}
		}
		g := call[wire.Grant](u.node, "GET", "/grants/"+grant, nil)
		if g.State != "changed_outside" || g.ChangedOutside.Expected != "Creator" || g.ChangedOutside.Found != "Viewer" || u.site.puts() != puts {
			t.Errorf("it is %s, %+v, after %d writes", g.State, g.ChangedOutside, u.site.puts()-puts)
		}

		// Restored after it changed once more: it is left alone, and told.
		rita.SetRole("Explorer")
		call[wire.Grant](u.node, "POST", "/grants/"+grant+"/restore", nil)
		g = u.grantIn(grant, "changed_outside")
		run := u.runDone(g.RunID)
		if g.ChangedOutside.Found != "Explorer" || rita.Role() != "Explorer" || !strings.Contains(string(run.Output), "it changed again since it was to be restored. The site role was Viewer then and is Explorer now.") {
			t.Errorf("restored over another change: %+v, %s: %s", g.ChangedOutside, rita.Role(), run.Output)
		}
		call[wire.Grant](u.node, "POST", "/grants/"+grant+"/restore", nil)
		if g = u.grantIn(grant, "active"); rita.Role() != "Creator" || g.Proof.Note != "Explorer → Creator." || g.ChangedOutside != nil {
			t.Errorf("restored: %s, %s, %+v", rita.Role(), g.Proof.Note, g.ChangedOutside)
		}
		kinds := u.kinds("grant:" + grant)
		if n := len(slices.DeleteFunc(kinds, func(k string) bool { return k != "grant.drifted" })); n != 2 {
			t.Errorf("it was told %d times", n)
		}

		// The history tells who agreed and what was answered, both times.
		call[wire.Grant](u.node, "POST", "/grants/"+grant+"/revoke", wire.Revocation{Reason: "Left"})
		u.runDone(u.grantIn(grant, "ended").RunID)
		rows := call[wire.List[wire.HistoryRow]](u.node, "GET", "/apps/"+u.app.ID+"/history?role=Creator&person_id="+u.rita.ID, nil).Items
		if len(rows) != 1 {
			t.Fatalf("%d rows", len(rows))
		}
		h := rows[0]
		if h.Email != "rita@acme.example" || len(h.Approvals) != 1 || h.Approvals[0].By != "Bo" || h.Approvals[0].Step != 1 || h.EndReason != "revoked" || h.EndNote != "Left" ||
			h.Started == nil || h.Ended == nil || h.SetUp.Method != http.MethodPut || h.SetUp.Status != 200 || h.SetUp.SiteRole != "Creator" || h.SetUp.UserID == "" {
			t.Errorf("the history: %+v, set up %+v", h, h.SetUp)
		}
		if h.End == nil || h.End.Method != http.MethodPut || h.End.Status != 200 || h.End.SiteRole != "Unlicensed" || h.End.Note != "Creator → Unlicensed." || h.End.At == nil {
			t.Errorf("the end: %+v", h.End)
		}
		status, csv := u.do("GET", "/apps/"+u.app.ID+"/history?format=csv&from=2020-01-01T00:00:00Z", nil)
		if status != 200 || !strings.HasPrefix(string(csv), "grant,request,person,") || strings.Count(string(csv), "\n") != 2 {
			t.Errorf("as CSV: %d %s", status, csv)
		}
		if p := u.refused("GET", "/apps/"+u.app.ID+"/history?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", nil, 422); len(p.Errors) != 1 {
			t.Errorf("a time that ends before it begins: %+v", p)
		}
	})
}

// G8: grants of one person that somebody changed outside are restored, and ended,
// without one's run being taken for a stranger's change to another, and without
// the end of one taking what another gives.
func TestSeveralGrantsChangedOutside(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		rita := u.site.AddUser("rita@acme.example", "Unlicensed")
		creator := u.request(u.rita.ID, "Creator", true).GrantID
		u.grantIn(creator, "active")
		viewer := u.request(u.rita.ID, "Viewer", true).GrantID
		u.grantIn(viewer, "active")
		changed := func() {
			rita.SetRole("Unlicensed")
			u.compared()
			u.grantIn(creator, "changed_outside")
			u.grantIn(viewer, "changed_outside")
		}
		changed()
		held := make(chan struct{})
		u.site.Fail(tableautest.Fault{Method: "PUT", Before: func() { <-held }})
		call[wire.Grant](u.node, "POST", "/grants/"+viewer+"/restore", nil)
		call[wire.Grant](u.node, "POST", "/grants/"+creator+"/restore", nil)
		close(held)
		g := u.grantIn(creator, "active", "changed_outside", "not_set_up")
		if v := u.grantIn(viewer, "active", "changed_outside", "not_set_up"); g.State != "active" || v.State != "active" || rita.Role() != "Creator" || g.Proof.Note != "Viewer → Creator." {
			t.Errorf("Creator is %s (%s), Viewer %s, Rita is %s", g.State, g.Proof.Note, v.State, rita.Role())
		}

		changed()
		rita.SetRole("Creator") // undone by hand
		call[wire.Grant](u.node, "POST", "/grants/"+creator+"/revoke", wire.Revocation{Reason: "over"})
		u.grantIn(creator, "ended")
		if v := u.grantIn(viewer, "active", "changed_outside"); v.State != "active" || rita.Role() != "Viewer" {
			t.Errorf("Viewer is %s, Rita is %s", v.State, rita.Role())
		}
	})
}

// kinds lists the kinds of the events of a subject.
func (u *setup) kinds(subject string) []string {
	var kinds []string
	for _, e := range call[wire.List[wire.Event]](u.node, "GET", "/audit?limit=200&subject="+subject, nil).Items {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// G8: who settles a difference decides on what they saw. When another role was
// found since, nothing is done, and they are told.
func TestDifferenceIsSettledAsItWasSeen(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		rita := u.site.AddUser("rita@acme.example", "Unlicensed")
		creator := u.request(u.rita.ID, "Creator", true).GrantID
		u.grantIn(creator, "active")
		found := func(role string) wire.Difference {
			rita.SetRole(role)
			c := u.compared()
			d := call[wire.List[wire.Difference]](u.node, "GET", "/apps/"+u.app.ID+"/drift/"+c.ID+"/differences", nil).Items[0]
			if d.Found != role {
				t.Fatalf("found %+v, want %s", d, role)
			}
			return d
		}
		stale := found("Viewer")
		fresh := found("Explorer")
		puts := u.site.puts()
		resolve := "/apps/" + u.app.ID + "/drift/differences/"
		for path, in := range map[string]any{
			resolve + stale.ID + "/resolve":    wire.Resolution{How: "restore"},
			resolve + stale.ID + "/resolve?":   wire.Resolution{How: "accept"},
			"/grants/" + creator + "/restore":  wire.Settlement{Found: new("Viewer")},
			"/grants/" + creator + "/accept":   wire.Settlement{Found: new("Viewer")},
			"/grants/" + creator + "/restore?": wire.Settlement{Found: new("")},
		} {
			problem := u.refused("POST", path, in, http.StatusConflict)
			if problem.Code != "changed_again" || !strings.Contains(problem.Title+problem.Detail, "Explorer was found since") {
				t.Errorf("%s: %+v", path, problem)
			}
		}
		if g := call[wire.Grant](u.node, "GET", "/grants/"+creator, nil); g.State != "changed_outside" || rita.Role() != "Explorer" || u.site.puts() != puts {
			t.Fatalf("the grant is %s, Rita is %s after %d writes", g.State, rita.Role(), u.site.puts()-puts)
		}
		call[wire.Grant](u.node, "POST", resolve+fresh.ID+"/resolve", wire.Resolution{How: "restore"})
		if u.grantIn(creator, "active"); rita.Role() != "Creator" {
			t.Errorf("Rita is %s", rita.Role())
		}
	})
}

// A user who leaves and one who joins between two pages shift the rest, and the
// totals agree: whoever is passed over by that was not taken off the site.
func TestComparisonOfAListThatShifts(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{})
	u := setUp(startNode(t, store.Config{SQLite: filepath.Join(t.TempDir(), "margay.db"), Now: time.Now}, t.TempDir(), s.CertPool()), s)
	leaves := s.AddUser("a0000@acme.example", "Viewer")
	for i := range 1000 { // with the account of the token they fill the first page
		s.AddUser(fmt.Sprintf("b%04d@acme.example", i), "Viewer")
	}
	rita := s.AddUser("rita@acme.example", "Unlicensed")
	creator := u.request(u.rita.ID, "Creator", true).GrantID
	u.grantIn(creator, "active")
	u.site.Fail(tableautest.Fault{Method: "GET", Path: "/api/*/sites/*/users", Query: "pageNumber=2", Before: func() {
		leaves.Remove()
		s.AddUser("zz@acme.example", "Viewer")
	}})
	c := u.compared()
	if g := call[wire.Grant](u.node, "GET", "/grants/"+creator, nil); g.State != "active" || c.State != "done" || c.Counts.Same != 1 {
		t.Errorf("nobody touched Rita: the grant is %s, %+v, %+v", g.State, c.Counts, c.Problem)
	}

	rita.Remove()
	c = u.compared()
	if g := call[wire.Grant](u.node, "GET", "/grants/"+creator, nil); g.State != "changed_outside" || g.ChangedOutside.Found != "" || c.Counts.Gone != 1 {
		t.Errorf("Rita was removed: the grant is %s, %+v, %+v", g.State, c.Counts, c.Problem)
	}
}

package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/server"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/tableau/tableautest"
)

// Decision 1, T04: 20 grants approved at once on one connection share one
// exchange and all end right.
func TestTwentyAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		const n = 20
		bo := u.as("bo@acme.example")
		users := make([]*tableautest.User, n)
		requests := make([]string, n)
		for i := range n {
			email := fmt.Sprintf("user%02d@acme.example", i)
			users[i] = u.site.AddUser(email, "Viewer")
			p := call[wire.Person](u.node, "POST", "/people", wire.NewPerson{Email: email})
			requests[i] = u.request(p.ID, "Creator", false).ID
		}

		grants := make([]string, n)
		var wg sync.WaitGroup
		for i, id := range requests {
			wg.Go(func() {
				grants[i] = call[wire.Request](bo, "POST", "/requests/"+id+"/approve", wire.Decision{}).GrantID
			})
		}
		wg.Wait()
		for _, g := range grants {
			u.grantIn(g, "active")
		}

		for i, user := range users {
			if user.Role() != "Creator" {
				t.Errorf("user %d is %s", i, user.Role())
			}
		}
		if n := u.site.lost(); n != 0 {
			t.Errorf("%d calls met 401002", n)
		}
		if n := u.site.Evictions(); n != 0 {
			t.Errorf("%d sessions were ended by another sign-in", n)
		}
		// How many runs overlap is the scheduler's choice; with 20 at once they
		// are not 20 exchanges.
		if n := u.site.SignIns(); n > 5 {
			t.Errorf("%d sign-ins for 20 runs at once", n)
		}
		t.Logf("%d sign-ins", u.site.SignIns())
	})
}

// S4, S5: calls one after another are an exchange each, and no session stays.
func TestOneCallOneExchange(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{})
	u := setUp(startNode(t, store.Config{}, t.TempDir(), s.CertPool()), s)

	for i := 1; i <= 3; i++ {
		a := call[wire.CallAnswer](u.node, "POST", "/connections/"+u.connection.ID+"/call", wire.Call{Method: "GET", Path: "/sites/{siteId}/users/{userId}"})
		if a.Status != http.StatusOK || !strings.Contains(string(a.Body), "svc-margay@acme.example") {
			t.Fatalf("answer %d %s", a.Status, a.Body)
		}
		u.quiet()
		if n := s.SignIns(); n != i {
			t.Errorf("%d sign-ins after %d calls", n, i)
		}
	}
	// An answer of Tableau's is data, whatever its status.
	a := call[wire.CallAnswer](u.node, "POST", "/connections/"+u.connection.ID+"/call", wire.Call{Method: "GET", Path: "/sites/{siteId}/users/00000000-0000-4000-8000-000000000000"})
	if a.Status != http.StatusNotFound || !strings.Contains(string(a.Body), "404002") {
		t.Errorf("answer %d %s", a.Status, a.Body)
	}
}

// quiet waits until the site has no live session.
func (u *setup) quiet() {
	u.t.Helper()
	deadline := time.After(time.Minute)
	for u.site.LiveSessions() > 0 {
		changed := u.site.Changed()
		if u.site.LiveSessions() == 0 {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			u.t.Fatal("a session stays open")
		}
	}
}

// S73, S75, S76, S78, errors_carry_reason: what goes wrong on the way to Tableau
// is said in the same sentence by the call, the run and the grant, with a code and
// what to do next.
func TestSentences(t *testing.T) {
	t.Parallel()
	signIn := tableautest.Fault{Method: http.MethodPost, Path: "/api/*/auth/signin", Times: -1}
	tests := map[string]struct {
		spoil func(s *site)
		want  func(s *site) string
		code  string
	}{
		"the PAT is wrong": {
			func(s *site) { s.pat.Revoke() },
			func(*site) string {
				return "Tableau sign-in failed (HTTP 401, Signin Error): The personal access token you provided is invalid."
			},
			"auth_rejected",
		},
		"the host is down": {
			func(s *site) { s.RefuseConnections(true) },
			func(s *site) string { return "could not reach Tableau at " + s.Host },
			"unavailable",
		},
		"no token comes": {
			func(s *site) { f := signIn; f.Body = "{\"credentials\":{}}"; s.Fail(f) },
			func(*site) string { return "Tableau sign-in succeeded but returned no session token" },
			"not_tableau",
		},
		"something else answers": {
			func(s *site) {
				f := signIn
				f.Body, f.ContentType = "<html><body>Please log in</body></html>", "text/html"
				s.Fail(f)
			},
			func(*site) string {
				return "Tableau sign-in failed (HTTP 200): <html><body>Please log in</body></html>"
			},
			"not_tableau",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, tableautest.Config{})
			u := setUp(startNode(t, store.Config{}, t.TempDir(), s.CertPool()), s)
			s.AddUser("rita@acme.example", "Viewer")
			tt.spoil(s)
			want := tt.want(s)

			p := u.refused("POST", "/connections/"+u.connection.ID+"/call", wire.Call{Method: "GET", Path: "/sessions/current"}, 502)
			grant := u.grantIn(u.request(u.rita.ID, "Creator", true).GrantID, "not_set_up")
			run := u.runDone(grant.RunID)

			for where, got := range map[string]string{"the call": p.Detail, "the grant": grant.Problem.Message, "the run": run.Problem.Message} {
				if got != want {
					t.Errorf("%s says\n%q, want\n%q", where, got, want)
				}
			}
			if p.Code != tt.code || grant.Problem.Code != tt.code {
				t.Errorf("codes %s and %s, want %s", p.Code, grant.Problem.Code, tt.code)
			}
			if len(p.NextSteps) == 0 || run.Problem.Hint == "" {
				t.Error("nobody says what to do next")
			}
		})
	}
}

// S109: a PAT of somebody who is no administrator fails with the permission
// reason.
func TestNoAdministrator(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{})
	plain := s.AddUser("plain@acme.example", "Creator")
	s.AddPAT(plain, "plain", patSecret)
	s.AddUser("rita@acme.example", "Viewer")
	u := setUp(startNode(t, store.Config{}, t.TempDir(), s.CertPool()), s)
	call[wire.Connection](u.node, "PATCH", "/connections/"+u.connection.ID, wire.ChangedConnection{Settings: map[string]string{
		"pat_name": "plain", "site_content_url": s.ContentURL(),
	}})

	grant := u.grantIn(u.request(u.rita.ID, "Creator", true).GrantID, "not_set_up")

	const want = "The configured PAT does not have permission to manage site users. " +
		"Recreate the PAT under a site or server administrator account if user-management workflows are needed."
	if grant.Problem.Message != want || !strings.Contains(grant.Problem.Detail, "403") {
		t.Errorf("problem %+v", grant.Problem)
	}
}

// rerun_uses_current: what failed with one token is retried with the one that is
// there by then.
func TestRetryUsesTheNewToken(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{})
	rita := s.AddUser("rita@acme.example", "Viewer")
	old := s.AddUser("old@acme.example", "SiteAdministratorCreator")
	pat := s.AddPAT(old, "old", patSecret)
	u := setUp(startNode(t, store.Config{}, t.TempDir(), s.CertPool()), s)
	edit := func(name string) {
		call[wire.Connection](u.node, "PATCH", "/connections/"+u.connection.ID, wire.ChangedConnection{Settings: map[string]string{
			"pat_name": name, "pat_secret": patSecret, "site_content_url": s.ContentURL(),
		}})
	}
	now := s.settings()["pat_name"]
	edit("old")
	pat.Revoke()
	failed := u.grantIn(u.request(u.rita.ID, "Creator", true).GrantID, "not_set_up")
	if failed.Problem.Code != "auth_rejected" {
		t.Fatalf("problem %+v", failed.Problem)
	}

	edit(now)
	retried := call[wire.Run](u.node, "POST", "/runs/"+failed.RunID+"/retry", nil)

	if g := u.grantIn(failed.ID, "active"); g.RunID != retried.ID || rita.Role() != "Creator" {
		t.Errorf("grant %+v, in Tableau %s", g, rita.Role())
	}
}

// check_means_use, T44: that users can be listed is all that a green check says.
// It changes nothing to find out more; where a role cannot be changed, the access
// says so and is not called active.
func TestChecksPassWhereNoRoleCanBeChanged(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{})
	rita := s.AddUser("rita@acme.example", "Viewer")
	u := setUp(startNode(t, store.Config{}, t.TempDir(), s.CertPool()), s)
	s.Fail(tableautest.Fault{Method: http.MethodPut, Path: "/api/*/sites/*/users/*", Code: "403004", Times: -1})

	checks := call[wire.List[wire.Check]](u.node, "POST", "/connections/"+u.connection.ID+"/checks", nil).Items

	if last := checks[3]; last.Status != "pass" || last.Message != "PAT can list site users (2 total)." {
		t.Errorf("check %+v", last)
	}
	if n := s.puts(); n != 0 {
		t.Errorf("checks made %d changes", n)
	}
	grant := u.grantIn(u.request(u.rita.ID, "Creator", true).GrantID, "not_set_up")
	if grant.Problem.Code != "denied" || grant.Problem.Hint == "" || rita.Role() != "Viewer" {
		t.Errorf("problem %+v, in Tableau %s", grant.Problem, rita.Role())
	}
}

// S114: a missing seat is shown, not hidden, in both ways that Tableau runs out.
func TestNoSeat(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]tableautest.Mode{"conflict": tableautest.SeatConflict, "silent": tableautest.SilentUnlicensed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, tableautest.Config{NoSeat: mode})
			u := setUp(startNode(t, store.Config{}, t.TempDir(), s.CertPool()), s)
			s.AddUser("rita@acme.example", "Unlicensed")
			s.SetSeats(tableautest.Seats{Creator: 1, Explorer: 1, Viewer: 1})

			grant := u.grantIn(u.request(u.rita.ID, "Creator", true).GrantID, "not_set_up")

			if grant.Problem.Code != "no_seat" || grant.Problem.Hint == "" {
				t.Errorf("problem %+v", grant.Problem)
			}
		})
	}
}

// T10, decision 18: a lost answer is not a failure; the effect is read back.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		rita := u.site.AddUser("rita@acme.example", "Viewer")
		u.site.Fail(tableautest.Fault{Method: http.MethodPut, Path: "/api/*/sites/*/users/*", Apply: true, Drop: tableautest.DropAfter})

		grant := u.grantIn(u.request(u.rita.ID, "Creator", true).GrantID, "active")

		if rita.Role() != "Creator" || grant.Proof.SiteRole != "Creator" {
			t.Errorf("%s in Tableau, proof %+v", rita.Role(), grant.Proof)
		}
		if n := u.site.puts(); n != 1 {
			t.Errorf("%d changes", n)
		}
	})
}

// T01: another program that signs in with the PAT ends our session; the run
// goes on.
func TestSessionLost(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		rita := u.site.AddUser("rita@acme.example", "Viewer")
		u.site.Fail(tableautest.Fault{Method: http.MethodGet, Path: "/api/*/sites/*/users/*", EndSession: true})
		u.site.Fail(tableautest.Fault{Method: http.MethodPut, Path: "/api/*/sites/*/users/*", EndSession: true})

		u.grantIn(u.request(u.rita.ID, "Creator", true).GrantID, "active")

		if rita.Role() != "Creator" || u.site.puts() != 1 || u.site.lost() == 0 {
			t.Errorf("%s, %d changes, %d calls lost", rita.Role(), u.site.puts(), u.site.lost())
		}
	})
}

// G5: once a revoke is acknowledged, a provision under way writes nothing that
// gives the access back.
func TestRevokeWhileSettingUp(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		rita := u.site.AddUser("rita@acme.example", "Viewer")
		reached, goOn := make(chan struct{}), make(chan struct{})
		u.site.Fail(tableautest.Fault{
			Method: http.MethodGet, Path: "/api/*/sites/*/users/*",
			Before: func() { close(reached); <-goOn },
		})
		req := u.request(u.rita.ID, "Creator", true)
		<-reached
		g := call[wire.Grant](u.node, "GET", "/grants/"+req.GrantID, nil)

		call[wire.Grant](u.node, "POST", "/grants/"+req.GrantID+"/revoke", nil)
		close(goOn)
		u.grantIn(req.GrantID, "ended")

		if run := u.runDone(g.RunID); run.State != "superseded" {
			t.Errorf("the overtaken run is %s", run.State)
		}
		if rita.Role() != "Viewer" || u.site.puts() != 0 {
			t.Errorf("%s after %d changes: what was not given was taken", rita.Role(), u.site.puts())
		}
	})
}

// G6, S100: access ends by itself; the clock moves, no one sleeps.
func TestExpiry(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		s := newSite(t, tableautest.Config{})
		var ahead atomic.Int64
		u := setUp(startNode(t, cfg, t.TempDir(), s.CertPool(), func(c *server.Config) {
			c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		}), s)
		rita := s.AddUser("rita@acme.example", "Viewer")
		grant := u.grantIn(u.request(u.rita.ID, "Creator", true).GrantID, "active")

		ahead.Store(int64(8*time.Hour - time.Minute))
		call[wire.Grant](u.node, "GET", "/grants/"+grant.ID, nil)
		if rita.Role() != "Creator" {
			t.Fatal("the access ended before its time")
		}
		ahead.Store(int64(8*time.Hour + time.Second))
		g := u.grantIn(grant.ID, "ended")

		if rita.Role() != "Unlicensed" || g.EndReason != "expired" {
			t.Errorf("%s, ended as %s", rita.Role(), g.EndReason)
		}
		if run := u.runDone(g.RunID); run.Trigger != "expiry" {
			t.Errorf("trigger %s", run.Trigger)
		}
	})
}

// §0.5: an end that fails stays loud, and is tried again when it may help.
func TestOverdue(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		rita := u.site.AddUser("rita@acme.example", "Viewer")
		grant := u.grantIn(u.request(u.rita.ID, "Creator", true).GrantID, "active")
		u.site.Fail(tableautest.Fault{Method: http.MethodPut, Path: "/api/*/sites/*/users/*", Code: "403004", Times: -1})

		call[wire.Grant](u.node, "POST", "/grants/"+grant.ID+"/revoke", nil)
		g := u.grantIn(grant.ID, "overdue_to_end")

		if g.Problem == nil || g.Attempts != 2 || rita.Role() != "Creator" {
			t.Errorf("problem %+v, attempt %d, %s", g.Problem, g.Attempts, rita.Role())
		}
		next := call[wire.Run](u.node, "GET", "/runs/"+g.RunID, nil)
		if next.State != "retrying" || next.NotBefore == nil {
			t.Errorf("the next attempt is %+v", next)
		}

		u.site.ClearFaults()
		call[wire.Grant](u.node, "POST", "/grants/"+grant.ID+"/retry", nil) // a person need not wait for it
		u.grantIn(grant.ID, "ended")
		if rita.Role() != "Unlicensed" {
			t.Errorf("Rita is %s", rita.Role())
		}
	})
}

// S8: an idle product sends Tableau nothing.
func TestIdle(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{})
	var ahead atomic.Int64
	u := setUp(startNode(t, store.Config{}, t.TempDir(), s.CertPool(), func(c *server.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	}), s)
	s.AddUser("rita@acme.example", "Viewer")
	u.grantIn(u.request(u.rita.ID, "Creator", true).GrantID, "active")
	u.quiet()
	before := len(s.Journal())

	for hour := range 7 { // less than the grant's 8 h
		ahead.Store(int64(time.Duration(hour+1) * time.Hour))
		u.do("GET", "/grants", nil)
		u.do("GET", "/connections", nil)
	}

	if n := len(s.Journal()) - before; n != 0 {
		t.Errorf("%d calls while nothing was asked for", n)
	}
}

// S19, S47–S72: the four checks, in their order, each with its own result.
func TestChecks(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{Collections: tableautest.On})
	u := setUp(startNode(t, store.Config{}, t.TempDir(), s.CertPool()), s)

	checks := call[wire.List[wire.Check]](u.node, "POST", "/connections/"+u.connection.ID+"/checks", nil)

	want := [][2]string{
		{"Validate Tableau API Connection", "Successfully connected to Tableau API"},
		{"Check Tableau Session & Site", `Successfully accessed Tableau site "acme-analytics"`},
		{"Check Tableau Content Access", "Successfully accessed Tableau content"},
		{"Check Tableau User Management Scope", "PAT can list site users (1 total)."},
	}
	if len(checks.Items) != len(want) {
		t.Fatalf("%d checks", len(checks.Items))
	}
	for i, c := range checks.Items {
		if c.Name != want[i][0] || c.Message != want[i][1] || c.Status != "pass" {
			t.Errorf("check %d: %+v", i+1, c)
		}
	}
	if n := s.SignIns(); n != 1 {
		t.Errorf("%d sign-ins for one round of checks", n)
	}
	for _, e := range s.Journal() { // S56
		if e.Method != http.MethodGet && !strings.Contains(e.Path, "/auth/sign") {
			t.Errorf("a check sent %s %s", e.Method, e.Path)
		}
	}
}

// S1, S118: Tableau Cloud and Tableau Server, whose Default site has no content
// URL.
func TestProducts(t *testing.T) {
	t.Parallel()
	for _, product := range []tableautest.Product{tableautest.ProductCloud, tableautest.ProductServer} {
		t.Run(string(product), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, tableautest.Config{Product: product})
			u := setUp(startNode(t, store.Config{}, t.TempDir(), s.CertPool()), s)
			rita := s.AddUser("rita@acme.example", "Viewer")

			u.grantIn(u.request(u.rita.ID, "Creator", true).GrantID, "active")

			want := map[tableautest.Product]string{
				tableautest.ProductCloud:  "Tableau – acme-analytics",
				tableautest.ProductServer: "Tableau – Default site (" + s.Host + ")",
			}
			if rita.Role() != "Creator" || u.connection.DisplayName != want[product] {
				t.Errorf("Rita is %s by %s", rita.Role(), u.connection.DisplayName)
			}
		})
	}
}

// S9, S10, S16: a grant starts exactly one run, which calls Tableau when it
// runs: it looks the user up and changes the role.
func TestOneRunForOneGrant(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{})
	u := setUp(startNode(t, store.Config{}, t.TempDir(), s.CertPool()), s)
	s.AddUser("rita@acme.example", "Viewer")
	before := time.Now()

	grant := u.grantIn(u.request(u.rita.ID, "Creator", true).GrantID, "active")
	u.quiet()

	runs := call[wire.List[wire.Run]](u.node, "GET", "/runs?grant_id="+grant.ID, nil).Items
	if len(runs) != 1 || runs[0].Trigger != "request:"+grant.RequestID {
		t.Errorf("runs %+v", runs)
	}
	for _, e := range s.Journal() {
		if e.Time.Before(before) {
			t.Errorf("%s %s was sent before anything was granted", e.Method, e.Path)
		}
	}
}

// Decision 16 across apps: a person has one role on a site, whichever app gave
// it.
func TestTwoAppsOnOneSite(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{})
	u := setUp(startNode(t, store.Config{}, t.TempDir(), s.CertPool()), s)
	rita := s.AddUser("rita@acme.example", "Viewer")
	other := call[wire.App](u.node, "POST", "/apps", wire.NewApp{Name: "Other", ConnectionID: u.connection.ID, PolicyID: u.app.PolicyID})
	u.roles["other"] = call[wire.Role](u.node, "POST", "/apps/"+other.ID+"/roles", wire.NewRole{Name: "Creator"}).ID
	first := u.request(u.rita.ID, "Creator", true).GrantID
	u.grantIn(first, "active")
	second := u.request(u.rita.ID, "other", true).GrantID
	u.grantIn(second, "active")

	call[wire.Grant](u.node, "POST", "/grants/"+first+"/revoke", nil)
	u.grantIn(first, "ended")

	if rita.Role() != "Creator" {
		t.Errorf("Rita is %s: the end of one app's grant took what the other gives", rita.Role())
	}
	call[wire.Grant](u.node, "POST", "/grants/"+second+"/revoke", nil)
	u.grantIn(second, "ended")
	if rita.Role() != "Unlicensed" {
		t.Errorf("Rita is %s after the last end", rita.Role())
	}
}

// G4: a change that Tableau made and nobody could read back is not called
// undone; it is read again, and ends at its time.
func TestOutcomeUnknown(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{})
	var ahead atomic.Int64
	u := setUp(startNode(t, store.Config{}, t.TempDir(), s.CertPool(), func(c *server.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	}), s)
	rita := s.AddUser("rita@acme.example", "Viewer")
	s.Fail(tableautest.Fault{Method: http.MethodPut, Path: "/api/*/sites/*/users/*", Apply: true, Drop: tableautest.DropAfter})
	s.Fail(tableautest.Fault{Method: http.MethodGet, Path: "/api/*/sites/*/users/*", Skip: 1, Times: -1, Code: "403004"})
	id := u.request(u.rita.ID, "Creator", true).GrantID

	deadline := time.Now().Add(time.Minute)
	grant := call[wire.Grant](u.node, "GET", "/grants/"+id, nil)
	for grant.Problem == nil && time.Now().Before(deadline) {
		<-time.After(20 * time.Millisecond)
		grant = call[wire.Grant](u.node, "GET", "/grants/"+id, nil)
	}
	if grant.State != "setting_up" || grant.Problem == nil || grant.Problem.Code != "outcome_unknown" || grant.Attempts != 2 {
		t.Fatalf("grant %s, attempt %d, problem %+v", grant.State, grant.Attempts, grant.Problem)
	}
	if next := call[wire.Run](u.node, "GET", "/runs/"+grant.RunID, nil); next.State != "retrying" || next.NotBefore == nil {
		t.Errorf("the next attempt is %+v", next)
	}

	s.ClearFaults()
	call[wire.Grant](u.node, "POST", "/grants/"+id+"/revoke", nil) // a person need not wait for it
	u.grantIn(id, "ended")
	if rita.Role() != "Unlicensed" || s.puts() != 2 {
		t.Errorf("Rita is %s after %d changes", rita.Role(), s.puts())
	}
}

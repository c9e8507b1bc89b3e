package server_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/tableau/tableautest"
)

// each runs test with a set-up on a database of each kind.
func each(t *testing.T, test func(t *testing.T, u *setup)) {
	t.Helper()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		s := newSite(t, tableautest.Config{})
		test(t, setUp(startNode(t, cfg, t.TempDir(), s.CertPool()), s))
	})
}

// S14, S15, S100: a grant sets the site role, a revocation takes it back.
func TestRoad(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		rita := u.site.AddUser("rita@acme.example", "Viewer")

		req := u.request(u.rita.ID, "Creator", true)
		grant := u.grantIn(req.GrantID, "active")

		if rita.Role() != "Creator" {
			t.Errorf("Rita is %s in Tableau, want Creator", rita.Role())
		}
		if grant.Proof == nil || grant.Proof.SiteRole != "Creator" || grant.Proof.Note != "Viewer → Creator." {
			t.Errorf("proof %+v", grant.Proof)
		}
		if grant.EndsAt == nil || grant.EndsAt.Sub(*grant.StartsAt).Hours() != 8 {
			t.Errorf("from %v to %v, want 8 h", grant.StartsAt, grant.EndsAt)
		}

		call[wire.Grant](u.node, "POST", "/grants/"+grant.ID+"/revoke", wire.Revocation{Reason: "project over"})
		ended := u.grantIn(grant.ID, "ended")

		if rita.Role() != "Unlicensed" { // S105
			t.Errorf("Rita is %s after the end, want Unlicensed", rita.Role())
		}
		if ended.EndReason != "revoked" || ended.Proof.SiteRole != "Unlicensed" {
			t.Errorf("ended %+v, %+v", ended, ended.Proof)
		}
		if n := u.site.puts(); n != 2 {
			t.Errorf("%d changes in Tableau, want 2", n)
		}
		for _, e := range u.site.Journal() {
			// S102, S107: no account is made or deleted.
			if (e.Method == http.MethodPost && strings.HasSuffix(e.Path, "/users")) || e.Method == http.MethodDelete {
				t.Errorf("%s %s was sent", e.Method, e.Path)
			}
			// S20, S83
			if !strings.HasPrefix(e.Path, "/api/3.24/") {
				t.Errorf("path %s is not of version 3.24", e.Path)
			}
		}

		run := u.runDone(grant.RunID)
		if run.State != "done" || len(run.Steps) != 2 {
			t.Fatalf("run %s with %d steps", run.State, len(run.Steps))
		}
		names := []string{run.Steps[0].Name, run.Steps[1].Name}
		if !slices.Equal(names, []string{"tableau.users.find", "tableau.users.setSiteRole"}) {
			t.Errorf("steps %v", names)
		}
		var calls []string
		for _, s := range run.Steps {
			for _, c := range s.Calls {
				if c.Status == 0 || c.DurationMS <= 0 || c.StartedAt.IsZero() {
					t.Errorf("call %+v lacks its outcome", c)
				}
				calls = append(calls, c.Kind)
			}
		}
		if !slices.Contains(calls, "sign-in") || !slices.Contains(calls, "call") {
			t.Errorf("calls %v", calls)
		}

		v := call[wire.Verification](u.node, "GET", "/audit/verify", nil)
		if !v.OK {
			t.Errorf("audit log: %+v", v)
		}
		events := call[wire.List[wire.Event]](u.node, "GET", "/audit?limit=200", nil)
		var kinds []string
		for _, e := range slices.Backward(events.Items) {
			if strings.HasPrefix(e.Subject, "grant:") || strings.HasPrefix(e.Subject, "request:") {
				kinds = append(kinds, e.Kind)
			}
		}
		want := []string{"request.created", "request.approved", "grant.provisioning", "grant.activated", "grant.revoked", "grant.ended"}
		if !slices.Equal(kinds, want) {
			t.Errorf("events %v, want %v", kinds, want)
		}
	})
}

// S103, S104: somebody who never signed in is asked to, and the requester
// reads it.
func TestNeverSignedIn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		const sentence = "rita@acme.example has not signed in to Tableau yet. " +
			"Ask them to sign in to the site once (for example via SSO), then retry."

		req := u.request(u.rita.ID, "Creator", true)
		grant := u.grantIn(req.GrantID, "not_set_up")

		if grant.Problem == nil || grant.Problem.Message != sentence || grant.Problem.Code != "user_missing" || !strings.Contains(grant.Problem.Hint, "the address is mistyped here") {
			t.Errorf("problem %+v", grant.Problem)
		}
		run := u.runDone(grant.RunID)
		if run.State != "failed" || run.Problem.Message != sentence || !strings.HasPrefix(run.Problem.Where, "") {
			t.Errorf("run %s, %+v", run.State, run.Problem)
		}
		seen := call[wire.Request](u.as("rita@acme.example"), "GET", "/requests/"+req.ID, nil)
		if seen.Grant == nil || seen.Grant.Problem == nil || seen.Grant.Problem.Message != sentence {
			t.Errorf("the requester reads %+v", seen.Grant)
		}

		rita := u.site.AddUser("rita@acme.example", "Unlicensed") // the first sign-in
		call[wire.Run](u.node, "POST", "/runs/"+grant.RunID+"/retry", nil)
		again := u.grantIn(grant.ID, "active")

		if rita.Role() != "Creator" || again.Attempts != 2 {
			t.Errorf("after the retry: %s, attempt %d", rita.Role(), again.Attempts)
		}
	})
}

// S105, S106 with decision 16: what another grant gives stays.
func TestOverlap(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		rita := u.site.AddUser("rita@acme.example", "Unlicensed")
		viewer := u.request(u.rita.ID, "Viewer", true).GrantID
		u.grantIn(viewer, "active")
		creator := u.request(u.rita.ID, "Creator", true).GrantID
		u.grantIn(creator, "active")
		explorer := u.request(u.rita.ID, "Explorer", true).GrantID

		covered := u.grantIn(explorer, "active")

		if rita.Role() != "Creator" {
			t.Fatalf("a weaker grant made Rita %s", rita.Role())
		}
		if want := "No change: the site role is Creator already. Another grant gives Creator, which holds Explorer too."; covered.Proof.Note != want {
			t.Errorf("note %q, want %q", covered.Proof.Note, want)
		}

		call[wire.Grant](u.node, "POST", "/grants/"+viewer+"/revoke", nil)
		g := u.grantIn(viewer, "ended")
		if rita.Role() != "Creator" || g.Proof.Note != "No change: the current site role is Creator, not Viewer." {
			t.Errorf("after the end of Viewer: %s, %q", rita.Role(), g.Proof.Note)
		}

		call[wire.Grant](u.node, "POST", "/grants/"+creator+"/revoke", nil)
		g = u.grantIn(creator, "ended")
		if rita.Role() != "Explorer" || g.Proof.Note != "Creator → Explorer. Another grant still gives Explorer." {
			t.Errorf("after the end of Creator: %s, %q", rita.Role(), g.Proof.Note)
		}

		call[wire.Grant](u.node, "POST", "/grants/"+explorer+"/revoke", nil)
		u.grantIn(explorer, "ended")
		if rita.Role() != "Unlicensed" {
			t.Errorf("after the last end: %s", rita.Role())
		}
	})
}

// The setting on_revoke = unlicensed gives the page's letter.
func TestOnRevokeUnlicensed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		rita := u.site.AddUser("rita@acme.example", "Unlicensed")
		call[wire.App](u.node, "PATCH", "/apps/"+u.app.ID, wire.ChangedApp{OnRevoke: new("unlicensed")})
		u.grantIn(u.request(u.rita.ID, "Viewer", true).GrantID, "active")
		creator := u.request(u.rita.ID, "Creator", true).GrantID
		u.grantIn(creator, "active")

		call[wire.Grant](u.node, "POST", "/grants/"+creator+"/revoke", nil)
		u.grantIn(creator, "ended")

		if rita.Role() != "Unlicensed" {
			t.Errorf("Rita is %s, want Unlicensed", rita.Role())
		}
	})
}

// S110, S112: what is so already is not sent again.
func TestNothingToChange(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		rita := u.site.AddUser("rita@acme.example", "Creator")
		grant := u.request(u.rita.ID, "Creator", true).GrantID
		u.grantIn(grant, "active")
		rita.SetRole("Unlicensed") // somebody in Tableau

		call[wire.Grant](u.node, "POST", "/grants/"+grant+"/revoke", nil)
		g := u.grantIn(grant, "ended")

		if n := u.site.puts(); n != 0 {
			t.Errorf("%d needless changes", n)
		}
		if want := "No change: the current site role is Unlicensed, not Creator."; g.Proof.Note != want {
			t.Errorf("note %q", g.Proof.Note)
		}
	})
}

// S111: revoking from somebody who is not on the site succeeds with a note.
func TestRevokeFromAbsent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		rita := u.site.AddUser("rita@acme.example", "Viewer")
		grant := u.request(u.rita.ID, "Creator", true).GrantID
		u.grantIn(grant, "active")
		rita.Remove()

		call[wire.Grant](u.node, "POST", "/grants/"+grant+"/revoke", nil)
		g := u.grantIn(grant, "ended")

		if want := "rita@acme.example is not on the site: there is nothing to take back."; g.Proof.Note != want {
			t.Errorf("note %q", g.Proof.Note)
		}
	})
}

// S98, decision 12: a name outside the five is refused when the role is saved,
// before any call.
func TestRoleNames(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{})
	u := setUp(startNode(t, store.Config{}, t.TempDir(), s.CertPool()), s)

	for _, name := range []string{"viewer", "SiteAdministratorCreator", "", " Viewer", "Creator\n", "Unlicensed", "Crеator"} {
		p := u.refused("POST", "/apps/"+u.app.ID+"/roles", wire.NewRole{Name: name}, 422)
		if p.Code != "role_name" || len(p.Errors) != 1 || p.Errors[0].Pointer != "name" ||
			!strings.Contains(p.Detail, "exactly one of Viewer, Explorer, ExplorerCanPublish, Creator or SiteAdministratorExplorer") {
			t.Errorf("role %q: %+v", name, p)
		}
	}

	if n := len(u.site.Journal()); n != 0 {
		t.Errorf("%d calls were sent", n)
	}
}

// S97: a grant keeps the name that it was made with.
func TestRenamedRole(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{})
	u := setUp(startNode(t, store.Config{}, t.TempDir(), s.CertPool()), s)
	rita := s.AddUser("rita@acme.example", "Viewer")
	other := call[wire.App](u.node, "POST", "/apps", wire.NewApp{Name: "Other", ConnectionID: u.connection.ID, PolicyID: u.app.PolicyID})
	role := call[wire.Role](u.node, "POST", "/apps/"+other.ID+"/roles", wire.NewRole{Name: "Creator"})
	u.roles["other"] = role.ID
	grant := u.request(u.rita.ID, "other", true).GrantID
	u.grantIn(grant, "active")

	call[wire.Role](u.node, "PATCH", "/apps/"+other.ID+"/roles/"+role.ID, wire.ChangedRole{Name: new("Explorer")})
	call[wire.Grant](u.node, "POST", "/grants/"+grant+"/revoke", nil)
	u.grantIn(grant, "ended")

	if rita.Role() != "Unlicensed" {
		t.Errorf("Rita is %s: the rename broke the revocation", rita.Role())
	}
}

// Decision 19: the PAT's own account and administrators are never touched.
func TestProtectedAccounts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		svc := call[wire.Person](u.node, "POST", "/people", wire.NewPerson{Email: "svc-margay@acme.example"})
		boss := call[wire.Person](u.node, "POST", "/people", wire.NewPerson{Email: "boss@acme.example"})
		u.site.AddUser("boss@acme.example", "SiteAdministratorCreator")

		for person, code := range map[string]string{svc.ID: "own_account", boss.ID: "protected_account"} {
			g := u.grantIn(u.request(person, "Viewer", true).GrantID, "not_set_up")
			if g.Problem.Code != code {
				t.Errorf("problem %+v, want %s", g.Problem, code)
			}
		}

		if n := u.site.puts(); n != 0 {
			t.Errorf("%d changes were made", n)
		}
	})
}

// S6, S43, S95: the secret is found nowhere that it must not be.
func TestSecretNowhere(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		u.site.AddUser("rita@acme.example", "Viewer")
		u.grantIn(u.request(u.rita.ID, "Creator", true).GrantID, "active")
		u.do("GET", "/connections", nil)
		u.do("GET", "/audit?limit=200", nil)
		u.do("POST", "/connections/"+u.connection.ID+"/call", wire.Call{Method: "GET", Path: "/sessions/current"})
		u.do("POST", "/connections", map[string]any{"integration": "tableau", "settings": map[string]any{"pat_secret": []string{patSecret}}})
		u.do("POST", "/connections", map[string]any{"integration": "tableau", "settings": map[string]string{"server_url": "x y", "pat_secret": patSecret}})
		u.do("POST", "/connections", map[string]any{"integration": "tableau", "pat_secret": patSecret})

		if got := u.connection.Settings["pat_secret"]; got != "••••••••7b60" {
			t.Errorf("masked secret %q", got)
		}
		for name, text := range map[string]string{"API": u.seen.String(), "logs": u.logs.String()} {
			for what, secret := range map[string]string{"PAT secret": patSecret, "half of it": patSecret[18:], "token": u.token} {
				if strings.Contains(text, secret) {
					t.Errorf("the %s stands in the %s", what, name)
				}
			}
		}
		var p wire.Problem
		_, text := u.do("POST", "/connections", map[string]any{"settings": 5})
		if err := json.Unmarshal(text, &p); err != nil || p.RequestID == "" || p.Status != 422 {
			t.Errorf("problem %s", text)
		}
	})
}

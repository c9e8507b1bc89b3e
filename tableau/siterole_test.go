package tableau_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/tableau"
	"github.com/margay-access/margay/tableau/tableautest"
)

func TestSetSiteRole(t *testing.T) {
	// decision 18: compared with the answer; on any doubt read again by LUID.
	t.Parallel()
	put := func(f tableautest.Fault) tableautest.Fault { f.Operation = "update-user"; return f }
	tests := map[string]struct {
		fault tableautest.Fault
		set   bool          // the role ends as asked for
		class tableau.Class // of the error, "" for none
		puts  int
		reads int
	}{
		"no fault":                         {put(tableautest.Fault{}), true, "", 1, 0},
		"T02 session lost on the PUT":      {put(tableautest.Fault{EndSession: true}), true, "", 2, 1},
		"T10 reset before":                 {put(tableautest.Fault{Drop: tableautest.DropBefore}), true, "", 2, 1},
		"T10 reset after the PUT applied":  {put(tableautest.Fault{Drop: tableautest.DropAfter}), true, "", 1, 1},
		"T10 reset in mid-body":            {put(tableautest.Fault{Drop: tableautest.DropMidBody}), true, "", 1, 1},
		"T09 503 once":                     {put(tableautest.Fault{Status: 503, HTML: true}), true, "", 2, 1},
		"T09 500 although applied":         {put(tableautest.Fault{Status: 500, Code: "500000", Apply: true}), true, "", 1, 1},
		"T42 the same although applied":    {put(tableautest.Fault{Body: `{"error":{"summary":"Bad","detail":"no","code":"400000"}}`, Apply: true}), true, "", 1, 1},
		"T28 no seat by code":              {put(tableautest.Fault{Code: "409014"}), false, tableau.ClassNoSeat, 1, 0},
		"T28 no seat by text":              {put(tableautest.Fault{Status: 400, Code: "400000", Summary: "Bad Request", Detail: "Exceeds limit for Creator role"}), false, tableau.ClassNoSeat, 1, 0},
		"T35 user deleted":                 {put(tableautest.Fault{Code: "404002"}), false, tableau.ClassUserMissing, 1, 0},
		"T36 own role":                     {put(tableautest.Fault{Code: "403009"}), false, tableau.ClassDenied, 1, 0},
		"T14 login page although applied":  {put(tableautest.Fault{Body: "<html>Log in</html>", ContentType: "text/html", Apply: true}), true, "", 1, 1},
		"answer without a role":            {put(tableautest.Fault{Body: `{"user":{"name":"ann@acme.example"}}`, Apply: true}), true, "", 1, 1},
		"another role, then as asked":      {put(tableautest.Fault{Body: `{"user":{"siteRole":"Viewer"}}`, Apply: true}), true, "", 1, 1},
		"another role, and so it is":       {put(tableautest.Fault{Body: `{"user":{"siteRole":"Viewer"}}`}), false, tableau.ClassDrift, 1, 1},
		"silently unlicensed for no seat":  {put(tableautest.Fault{}), false, tableau.ClassNoSeat, 1, 1},
		"429 is refused before it is done": {put(tableautest.Fault{Status: 429, RetryAfter: "0"}), true, "", 2, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := tableautest.Config{}
			if name == "silently unlicensed for no seat" {
				cfg.NoSeat = tableautest.SilentUnlicensed
			}
			b := newBench(t, cfg)
			u := b.AddUser("ann@acme.example", tableautest.RoleViewer)
			if cfg.NoSeat != "" {
				b.SetSeats(tableautest.Seats{Creator: 1, Explorer: 1, Viewer: 1})
			}
			b.Fail(tt.fault)

			got, err := b.c.SetSiteRole(t.Context(), u.ID(), tableau.Creator)

			if tableau.ClassOf(err) != tt.class {
				t.Errorf("error %v of class %s, want %s", err, tableau.ClassOf(err), tt.class)
			}
			if err == nil && (got.SiteRole != tableau.Creator || got.ID != u.ID()) {
				t.Errorf("got %+v", got)
			}
			if set := u.Role() == tableau.Creator; set != tt.set {
				t.Errorf("the role is %s", u.Role())
			}
			calls := [2]int{b.count("update-user", 0), b.count("query-user-on-site", 0)}
			if diff := cmp.Diff([2]int{tt.puts, tt.reads}, calls); diff != "" {
				t.Errorf("PUTs and reads (-want +got):\n%s", diff)
			}
		})
	}
}

func TestT11DriftIsNotOverwritten(t *testing.T) {
	// T11: PUT applied, answer lost, and someone changes the role: drift, no second PUT.
	t.Parallel()
	b := newBench(t, tableautest.Config{})
	u := b.AddUser("ann@acme.example", tableautest.RoleViewer)
	b.Fail(tableautest.Fault{Operation: "update-user", Drop: tableautest.DropAfter, After: func() { u.SetRole(tableautest.RoleUnlicensed) }})

	_, err := b.c.ChangeSiteRole(t.Context(), u.ID(), tableau.Viewer, tableau.Creator)

	drift, ok := errors.AsType[*tableau.RoleDriftError](err)
	if !ok || drift.Got != tableau.Unlicensed || !errors.Is(err, tableau.ClassDrift) {
		t.Errorf("got %v, want a RoleDriftError", err)
	}
	if got := b.count("update-user", 0); got != 1 {
		t.Errorf("%d PUTs, want 1", got)
	}
}

func TestRoleNotSetNamesBoth(t *testing.T) {
	t.Parallel()
	b := newBench(t, tableautest.Config{NoSeat: tableautest.SilentUnlicensed})
	u := b.AddUser("ann@acme.example", tableautest.RoleViewer)
	b.SetSeats(tableautest.Seats{Creator: 1, Explorer: 1, Viewer: 1})

	_, err := b.c.SetSiteRole(t.Context(), u.ID(), tableau.Creator)

	e, ok := errors.AsType[*tableau.RoleNotSetError](err)
	if !ok || e.Asked != tableau.Creator || e.Got != tableau.Unlicensed || e.UserID != u.ID() {
		t.Errorf("got %v, want a RoleNotSetError", err)
	}
}

func TestSetSiteRoleRefusesBadIDs(t *testing.T) {
	t.Parallel()
	b := newBench(t, tableautest.Config{})
	for _, id := range []string{"", "..", "a/b", "{userId}", "{siteId}", "a\\b", "%2e%2e"} {
		if _, err := b.c.SetSiteRole(t.Context(), id, tableau.Viewer); !errors.Is(err, tableau.ClassBadRequest) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if n := len(b.Journal()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestT43WritesAreSentOnce(t *testing.T) {
	// T43: Go may retry only what was never sent.
	t.Parallel()
	for _, h2 := range []bool{true, false} {
		b := newBench(t, tableautest.Config{DisableHTTP2: !h2})
		u := b.AddUser("ann@acme.example", tableautest.RoleViewer)
		release := b.c.Hold(t.Context())
		if _, err := b.c.User(t.Context(), u.ID()); err != nil { // a connection to reuse
			t.Fatal(err)
		}
		b.Fail(tableautest.Fault{Operation: "update-user", Drop: tableautest.DropBefore, Times: -1})

		_, err := b.c.Do(t.Context(), tableau.Request{
			Method: http.MethodPut, Path: "/sites/{siteId}/users/" + u.ID(), Body: []byte(`{"user":{"siteRole":"Explorer"}}`),
		})
		release()

		if _, ok := errors.AsType[*tableau.NoAnswerError](err); !ok {
			t.Errorf("h2 %t: got %v, want a NoAnswerError", h2, err)
		}
		if got := b.count("update-user", 0); got != 1 {
			t.Errorf("h2 %t: %d PUTs, want 1", h2, got)
		}
	}
}

func TestT42ErrorElementWith200(t *testing.T) {
	// T42: 200 OK on PUT but body is an error element: refused, read-back decides.
	var site *tableautest.Site
	inBubble(t, simulated(&site, tableautest.Config{}), func(t *testing.T, c *tableau.Client) {
		u := site.AddUser("ann@acme.example", tableautest.RoleViewer)
		site.Fail(tableautest.Fault{Operation: "update-user", Body: `{"error":{"summary":"Bad","detail":"no","code":"400000"}}`})

		_, err := c.SetSiteRole(t.Context(), u.ID(), tableau.Creator)

		e, ok := errors.AsType[*tableau.RoleNotSetError](err)
		if !ok || e.Got != tableau.Viewer || !errors.Is(err, tableau.ClassBadRequest) {
			t.Errorf("got %v", err)
		}
	})
}

// T05: the lease may be lost while a change is under way. Whether Tableau has
// performed it shows by reading, under a lease of our own again.
func TestLostLeaseIsADoubt(t *testing.T) {
	t.Parallel()
	for name, applied := range map[string]bool{"not performed": false, "performed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fence{}
			b := newBench(t, tableautest.Config{}, func(c *tableau.Config) { c.Lease = f })
			u := b.AddUser("ann@acme.example", tableautest.RoleViewer)
			b.Fail(tableautest.Fault{Operation: "update-user", Apply: applied, Before: f.lose, Hang: true})

			got, err := b.c.SetSiteRole(t.Context(), u.ID(), tableau.Creator)

			want := map[bool]int{false: 2, true: 1}[applied]
			if err != nil || got.SiteRole != tableau.Creator || u.Role() != tableau.Creator || b.count("update-user", 0) != want {
				t.Errorf("%+v, %v; %s in Tableau after %d changes, want %d", got, err, u.Role(), b.count("update-user", 0), want)
			}
		})
	}
}

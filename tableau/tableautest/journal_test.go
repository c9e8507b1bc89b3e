package tableautest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/margay-access/margay/tableau/tableautest"
)

func TestJournal(t *testing.T) {
	t.Parallel()
	s, boss := newSite(t, server)
	ann := s.AddUser("ann", tableautest.RoleViewer)
	c := signedIn(t, s)
	c.get("users?pageSize=1")
	c.do(http.MethodPut, c.path("users/"+ann.ID()), `{"user":{"siteRole":"Boss","password":"hidden-password"}}`)
	c.do(http.MethodGet, "/nowhere", "")

	type row struct {
		Seq                      int
		Method, Operation, Query string
		Status                   int
		Code, PAT                string
		Session                  int
		Site, User, Body         string
		Applied, Done            bool
	}
	var got []row
	for _, e := range s.Journal() {
		got = append(got, row{e.Seq, e.Method, e.Operation, e.Query, e.Status, e.Code, e.PAT, e.Session, e.Site, e.User, e.Body, e.Applied, e.Done})
	}

	want := []row{
		{
			1, "POST", "sign-in", "", 200, "", "pat", 1, "", boss.ID(),
			`{"credentials":{"personalAccessTokenName":"pat","personalAccessTokenSecret":"[redacted]","site":{"contentUrl":""}}}`, true, true,
		},
		{2, "GET", "get-users-on-site", "pageSize=1", 200, "", "pat", 1, "", boss.ID(), "", true, true},
		{3, "PUT", "update-user", "", 400, "400013", "pat", 1, "", boss.ID(), `{"user":{"siteRole":"Boss","password":"[redacted]"}}`, false, true},
		{4, "GET", "", "", 404, "", "", 0, "", "", "", false, true},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
}

func TestNoSecretShows(t *testing.T) {
	t.Parallel()
	s, boss := newSite(t, tableautest.Config{Control: true})
	pat := s.AddPAT(boss, "second", "second-secret")
	c := signedIn(t, s)
	c.get("users").want(http.StatusOK, "")
	c.trySignIn("pat", "wrong-secret", s.ContentURL()).want(http.StatusUnauthorized, "401001")
	d := tableautest.UserDetails{Password: "hidden-password"}

	journal, _ := json.Marshal(s.Journal())
	state, _ := json.Marshal(s.State())
	shown := fmt.Sprintf("%v %+v %#v %v %#v %v %#v %v %+v %s %s", s, s, s, boss, boss, pat, pat, d, d, journal, state) +
		c.do(http.MethodGet, "/_sim/journal", "").Body.String() + c.do(http.MethodGet, "/_sim/state", "").Body.String()

	for _, hidden := range []string{secret, "second-secret", "wrong-secret", "hidden-password", c.token} {
		if strings.Contains(shown, hidden) {
			t.Errorf("%q shows", hidden)
		}
	}
}

func TestJournalIsComplete(t *testing.T) {
	t.Parallel()
	s, _ := newSite(t, tableautest.Config{})
	c := signedIn(t, s)
	ann := s.AddUser("ann@acme.example", tableautest.RoleViewer)
	roles := []string{"Viewer", "Creator", "Explorer"}

	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			for j := range 10 {
				c.do(http.MethodPut, c.path("users/"+ann.ID()), `{"user":{"siteRole":"`+roles[(i+j)%3]+`"}}`)
				c.get("users")
				ann.SetRole(roles[j%3])
				for range s.Users() {
					_ = s.LiveSessions()
				}
			}
		})
	}
	wg.Wait()

	entries := s.Journal()
	if len(entries) != 601 {
		t.Fatalf("%d entries, want 601", len(entries))
	}
	for i, e := range entries {
		if e.Seq != i+1 || !e.Done || e.Status != http.StatusOK {
			t.Fatalf("entry %d: %+v", i, e)
		}
	}
}

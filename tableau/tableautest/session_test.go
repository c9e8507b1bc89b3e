package tableautest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/tableau/tableautest"
)

func TestSecondSignInEndsTheFirst(t *testing.T) {
	// ref: "1.5 one live session per PAT; the loser's next call gets 401002"
	t.Parallel()
	s, _ := newSite(t, tableautest.Config{})
	first, second := signedIn(t, s), signedIn(t, s)

	first.get("users").want(http.StatusUnauthorized, "401002")
	second.get("users").want(http.StatusOK, "")
	if got := s.LiveSessions(); got != 1 {
		t.Errorf("%d live sessions, want 1", got)
	}
	if got := s.Evictions(); got != 1 {
		t.Errorf("%d evictions, want 1", got)
	}
}

func TestSignInXMLWithoutType(t *testing.T) {
	// ref: "1.1 a simulator must accept a body without a type as XML"
	t.Parallel()
	s, boss := newSite(t, tableautest.Config{})
	c := &client{t: t, h: s, api: "/api/3.24"}

	r := c.do(http.MethodPost, "/api/3.24/auth/signin",
		`<tsRequest><credentials personalAccessTokenName="pat" personalAccessTokenSecret="`+secret+`"><site contentUrl="acme-analytics"/></credentials></tsRequest>`,
		"Content-Type", "", "Accept", "*/*")

	body := r.want(http.StatusOK, "").Body.String()
	for _, part := range []string{
		`xmlns="http://tableau.com/api"`, `ts-api_3_24.xsd"`, `<credentials token="`, `contentUrl="acme-analytics"`, `<user id="` + boss.ID() + `"/>`,
	} {
		if !strings.Contains(body, part) {
			t.Errorf("%s is missing in %s", part, body)
		}
	}
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		ref  string
		cfg  tableautest.Config
		then func(*tableautest.Site, *client)
		code string // of the next call
	}{
		"Cloud, 119 minutes":       {ref: "1.4 Cloud 120 minutes", then: func(s *tableautest.Site, _ *client) { s.Advance(119 * time.Minute) }},
		"Cloud, 120 minutes":       {ref: "1.4 Cloud 120 minutes", then: func(s *tableautest.Site, _ *client) { s.Advance(120 * time.Minute) }, code: "401002"},
		"Server, 239 minutes":      {ref: "1.4 Server 240 minutes", cfg: server, then: func(s *tableautest.Site, _ *client) { s.Advance(239 * time.Minute) }},
		"Server, 240 minutes":      {ref: "1.4 Server 240 minutes", cfg: server, then: func(s *tableautest.Site, _ *client) { s.Advance(240 * time.Minute) }, code: "401002"},
		"calls prolong it":         {ref: "1.4 idle", then: busy},
		"calls do not (switch)":    {ref: "1.4 idle [inferred]", cfg: tableautest.Config{SessionFixed: true}, then: busy, code: "401002"},
		"hard cap":                 {ref: "1.4 hard cap off by default", cfg: tableautest.Config{SessionLifetime: time.Hour}, then: busy, code: "401002"},
		"signed out":               {ref: "1.3 sign-out", then: func(_ *tableautest.Site, c *client) { c.do("POST", "/api/3.24/auth/signout", "").want(204, "") }, code: "401002"},
		"owner removed":            {ref: "1.6 owner removed", then: func(s *tableautest.Site, _ *client) { s.User("boss@acme.example").Remove() }, code: "401002"},
		"same PAT on another site": {ref: "1.5 to the same site or to another site", then: signInAtLab, code: "401002"},
		"another PAT of the user":  {ref: "1.5 different PATs are independent", then: signInOther},
		"concurrency allowed":      {ref: "9 pat_concurrency", cfg: tableautest.Config{PATConcurrency: tableautest.AllowConcurrent}, then: signInAtLab},
		"refused when fresh":       {ref: "1.5 3 % of fresh sessions", cfg: tableautest.Config{RefuseFreshSession: 1}, code: "401002"},
		"lost after exports":       {ref: "1.5 401002 after exports", cfg: tableautest.Config{LoseSessionAfterExports: 2}, then: exportTwice, code: "401002"},
		"revoked": {ref: "1.6 revoked", then: func(s *tableautest.Site, _ *client) {
			s.Control().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodDelete, "/_sim/pats/pat", nil))
		}, code: "401002"},
	}
	for name, tt := range tests {
		t.Run(name+" ref "+tt.ref, func(t *testing.T) {
			t.Parallel()
			s, _ := newSite(t, tt.cfg)
			c := signedIn(t, s)
			if tt.then != nil {
				tt.then(s, c)
			}

			status := http.StatusOK
			if tt.code != "" {
				status = http.StatusUnauthorized
			}
			c.get("groups").want(status, tt.code)
		})
	}
}

func busy(s *tableautest.Site, c *client) {
	for range 3 {
		s.Advance(50 * time.Minute)
		c.get("groups")
	}
}

func signInAtLab(s *tableautest.Site, c *client) {
	lab := s.AddSite("lab", "lab")
	lab.AddUser("boss@acme.example", tableautest.RoleViewer)
	(&client{t: c.t, h: s, api: c.api}).signIn("pat", secret, "lab")
}

func signInOther(s *tableautest.Site, c *client) {
	s.AddPAT(s.User("boss@acme.example"), "other", "other-secret")
	(&client{t: c.t, h: s, api: c.api}).signIn("other", "other-secret", s.ContentURL())
}

func exportTwice(s *tableautest.Site, c *client) {
	boss := s.User("boss@acme.example")
	book := s.AddContent("workbook", "Book", boss)
	sheet := s.AddContent("view", "Sheet", boss, tableautest.ContentDetails{Workbook: book})
	for range 2 {
		c.get("views/"+sheet.ID()+"/data").want(http.StatusOK, "")
	}
}

func TestSwitchSiteEndsTheOldToken(t *testing.T) {
	// ref: "1.3 switchSite ... a new token"
	t.Parallel()
	s, _ := newSite(t, tableautest.Config{})
	s.AddSite("lab", "lab").AddUser("boss@acme.example", tableautest.RoleViewer)
	c := signedIn(t, s)
	old := *c

	r := c.do(http.MethodPost, "/api/3.24/auth/switchSite", `{"site":{"contentUrl":"lab"}}`).want(http.StatusOK, "")
	var a struct {
		Credentials struct {
			Token string
			Site  struct{ ID string }
		}
	}
	r.decode(&a)
	c.token = a.Credentials.Token

	old.get("groups").want(http.StatusUnauthorized, "401002")
	c.get("groups").want(http.StatusNotFound, "404000") // the old site's id
	c.site = a.Credentials.Site.ID
	c.get("users").want(http.StatusForbidden, "403004") // a viewer there
	c.do(http.MethodPost, "/api/3.24/auth/signout", "").want(http.StatusNoContent, "")
	// ref: "1.3 sign-out of a dead session is 401002"
	c.do(http.MethodPost, "/api/3.24/auth/signout", "").want(http.StatusUnauthorized, "401002")
}

func TestImpersonation(t *testing.T) {
	// ref: "1.2 user impersonation: Server only, server admin; with a PAT from 3.11"
	t.Parallel()
	s, _ := newSite(t, server)
	ann := s.AddUser("ann", tableautest.RoleViewer)
	body := `{"credentials":{"personalAccessTokenName":"pat","personalAccessTokenSecret":"` + secret + `","site":{"contentUrl":""},"user":{"id":"` + ann.ID() + `"}}}`
	c := &client{t: t, h: s, api: "/api/3.24"}

	r := c.do(http.MethodPost, "/api/3.24/auth/signin", body).want(http.StatusOK, "")
	if !strings.Contains(r.Body.String(), ann.ID()) {
		t.Errorf("not signed in as ann: %s", r.Body)
	}
	c.do(http.MethodPost, "/api/3.10/auth/signin", body).want(http.StatusForbidden, "403004")
	c.do(http.MethodPost, "/api/3.24/auth/signin", strings.Replace(body, ann.ID(), "x", 1)).want(http.StatusNotFound, "404002")
}

func TestGroupGrantsRoleOnLogin(t *testing.T) { // T37
	// ref: "3.8 minimumSiteRole with onLogin raises a user's role at the next login"
	t.Parallel()
	s, _ := newSite(t, tableautest.Config{})
	ann := s.AddUser("ann@acme.example", tableautest.RoleUnlicensed)
	s.AddGroup("Explorers", tableautest.GroupDetails{MinimumRole: tableautest.RoleExplorer}).Add(ann)
	wantRole(t, ann, "Unlicensed")

	ann.SignIn()

	wantRole(t, ann, "Explorer")
}

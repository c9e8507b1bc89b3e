package api_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/server"
	"github.com/margay-access/margay/tableau/tableautest"
)

// TestConnections runs its parts one after another on one node.
func TestConnections(t *testing.T) {
	t.Parallel()
	var later atomic.Int64
	n := start(t, func(c *server.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	}).ready()
	for _, part := range []struct {
		name string
		run  func(t *testing.T, n *node)
	}{
		{"checks", connectionChecks},
		{"each reason of each check", checkReasons},
		{"conflict", connectionConflict},
		{"preview", connectionPreview},
		{"rotate", connectionRotate},
		{"bad input", connectionBadInput},
		{"catalogue", connectionCatalogue},
		{"the same twice", connectionSame},
		{"delete", connectionDelete},
		{"conflicts of what is set up", editConflicts},
		{"idle", func(t *testing.T, n *node) { connectionIdle(t, n, &later) }},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, n.in(t)) })
	}
}

// S48–S72: the sentences at the API, one check alone, and what is kept of them.
func connectionChecks(t *testing.T, n *node) {
	path := "/connections/" + n.spare // nothing but checks goes over it
	messages := func(checks []wire.Check) []string {
		var out []string
		for _, c := range checks {
			out = append(out, c.Status+" "+c.Message)
		}
		return out
	}
	passed := []string{
		"pass Successfully connected to Tableau API",                            // S57
		`pass Successfully accessed Tableau site "` + n.site.ContentURL() + `"`, // S58
		"pass Successfully accessed Tableau content",                            // S60
		"pass PAT can list site users (2 total).",                               // S61
	}
	if d := cmp.Diff(passed, messages(get[wire.List[wire.Check]](n, "POST", path+"/checks", nil).Items)); d != "" {
		t.Error(d)
	}
	c := get[wire.Connection](n, "GET", path, nil)
	if d := cmp.Diff(passed, messages(c.Checks)); d != "" || c.State != "healthy" || c.CheckedAt == nil {
		t.Errorf("%s %s", c.State, d)
	}
	facts := map[string]string{}
	for _, f := range c.Facts {
		facts[f.Key] = f.Value
	}
	if facts["user"] != "svc@acme.example" || facts["site"] == "" || facts["rest_version"] == "" || facts["users"] != "2" {
		t.Errorf("facts %v", facts)
	}

	n.site.Fail(tableautest.Fault{Method: http.MethodGet, Path: "/api/3.24/sites/*/users", Status: 403, Code: "403004", Summary: "Forbidden", Detail: "<b>no</b>", Times: -1})
	defer n.site.ClearFaults()
	got := get[wire.List[wire.Check]](n, "POST", path+"/checks?only=users", nil).Items
	if len(got) != 1 || got[0].Key != "users" || got[0].Message != // S66
		"The configured PAT does not have permission to manage site users. Recreate the PAT under a site or server administrator account if user-management workflows are needed." {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(got[0].Detail, "<b>no</b>") || got[0].Hint == "" || got[0].NotProven == "" {
		t.Errorf("%+v", got[0])
	}
	if c := get[wire.Connection](n, "GET", path, nil); c.State != "degraded" || c.StateWord != "Degraded (1 check fails)" || len(c.NextSteps) == 0 || len(c.Checks) != 4 {
		t.Errorf("%s, %q, %v", c.State, c.StateWord, c.NextSteps)
	}
	if a := n.do(n.admin, "POST", path+"/checks?only=nothing", nil); a.status != notFound {
		t.Errorf("%d %s", a.status, a.body)
	}
	// The body says it as the query does; one that is not understood is refused.
	if got := get[wire.List[wire.Check]](n, "POST", path+"/checks", wire.ChosenChecks{Only: []string{"api"}}).Items; len(got) != 1 || got[0].Key != "api" {
		t.Errorf("%+v", got)
	}
	if a := n.do(n.admin, "POST", path+"/checks", map[string][]string{"keys": {"api"}}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("%d %s", a.status, a.body)
	}
	calls := get[wire.ConnectionCalls](n, "GET", path+"/calls", nil)
	if len(calls.Items) == 0 || calls.Items[0].At.IsZero() || strings.Contains(string(n.do(n.admin, "GET", path+"/calls", nil).body), patSecret) {
		t.Errorf("calls %+v", calls.Items)
	}
	for _, e := range calls.Items { // S56
		if e.Kind == "call" && e.Method != http.MethodGet {
			t.Errorf("a check sent %s %s", e.Method, e.Path)
		}
	}
}

// S54–S72: each reason of each check at POST …/checks, alone; the others pass.
func checkReasons(t *testing.T, n *node) {
	fault := func(method, path string, status int, code string) tableautest.Fault {
		return tableautest.Fault{Method: method, Path: path, Status: status, Code: code, Summary: "Sum", Detail: "It is so", Times: -1}
	}
	const (
		users       = "/api/3.24/sites/*/users"
		apiFail     = "Unable to connect to Tableau API. Please verify your credentials are valid and the server URL is correct."
		siteFail    = "Failed to access the configured Tableau site. Please verify your site content URL and that the PAT has access to it."
		contentFail = "Failed to access Tableau content. Please verify your token has read permissions."
		denied      = "The configured PAT does not have permission to manage site users. Recreate the PAT under a site or server administrator account if user-management workflows are needed."
		usersFail   = "Failed to list Tableau site users while checking user-management scope."
		noSite      = "Could not look up the current Tableau site before checking user-management scope. Verify the Session & Site check passes first."
	)
	var (
		api, session, content, list = "pass Successfully connected to Tableau API", `pass Successfully accessed Tableau site "` + n.site.ContentURL() + `"`, "pass Successfully accessed Tableau content", "pass PAT can list site users (2 total)."
		path                        = "/connections/" + n.spare
	)
	for name, tt := range map[string]struct {
		fault tableautest.Fault
		want  [4]string
		mends string // of the check that failed last
	}{
		"S63 server info":      {fault("GET", "/api/3.24/serverinfo", 500, "500000"), [4]string{"fail " + apiFail, session, content, list}, ""},
		"S64 and S70 session":  {fault("GET", "/api/3.24/sessions/current", 404, "404000"), [4]string{api, "fail " + siteFail, content, "fail " + noSite}, ""},
		"S65 collections":      {fault("GET", "/api/-/collections", 403, "403004"), [4]string{api, session, "fail " + contentFail, list}, "rotate"},
		"S65 no collections":   {fault("GET", "/api/-/collections", 404, ""), [4]string{api, session, "fail " + contentFail, list}, ""},
		"S66 denied":           {fault("GET", users, 403, "403004"), [4]string{api, session, content, "fail " + denied}, "rotate"},
		"S66 by a 401":         {fault("GET", users, 401, "401003"), [4]string{api, session, content, "fail " + denied}, "rotate"},
		"S67 trouble":          {fault("GET", users, 500, "500000"), [4]string{api, session, content, "fail " + usersFail}, ""},
		"S67 a bad body":       {tableautest.Fault{Method: "GET", Path: users, Body: "<html>", ContentType: "text/html", Times: -1}, [4]string{api, session, content, "fail " + usersFail}, "edit"},
		"S62 nobody counted":   {tableautest.Fault{Method: "GET", Path: users, Body: `{"users":{"user":[]}}`, Times: -1}, [4]string{api, session, content, "pass PAT can list site users."}, ""},
		"S73 token is refused": {tableautest.Fault{Operation: "sign-in", Status: 401, Code: "401001", Summary: "Signin Error", Detail: "No.", Times: -1}, [4]string{"fail " + apiFail, "fail " + siteFail, "fail " + contentFail, "fail " + noSite}, ""},
	} {
		n.site.ClearFaults()
		n.site.Fail(tt.fault)
		var got [4]string
		mends := ""
		for i, c := range get[wire.List[wire.Check]](n, "POST", path+"/checks", nil).Items {
			got[i] = c.Status + " " + c.Message
			if c.Status == "fail" {
				mends = strings.Join(c.Mends, " ")
				if c.Detail == "" || c.Hint == "" {
					t.Errorf("%s: %+v", name, c)
				}
			}
		}
		if got != tt.want || mends != tt.mends {
			t.Errorf("%s: %s; mended by %q", name, strings.Join(got[:], "\n  "), mends)
		}
	}
	n.site.ClearFaults()
}

// Two people edit at once: 409 that says who and when and shows both, by the
// version in the body or by If-Match.
func connectionConflict(t *testing.T, n *node) {
	path := "/api/v1/connections/" + n.spare
	first := n.send(n.admin, "GET", path, "")
	tag := first.header.Get("ETag")
	site := n.site.ContentURL()
	saved := n.send(n.admin, "PATCH", path, `{"settings":{"site_content_url":"bos-site"}}`, "If-Match", tag)
	if saved.status != ok || saved.header.Get("ETag") == tag || tag == "" {
		t.Fatalf("%d %s, ETag %s then %s", saved.status, saved.body, tag, saved.header.Get("ETag"))
	}
	for what, a := range map[string]answer{
		"If-Match": n.send(n.admin, "PATCH", path, `{"settings":{"site_content_url":"mine"}}`, "If-Match", tag),
		"version":  n.send(n.admin, "PATCH", path, `{"settings":{"site_content_url":"mine"},"version":`+strings.Trim(tag, `"`)+`}`),
	} {
		p := a.problem(t)
		if a.status != conflict || p.Code != "conflict" || !strings.HasPrefix(p.Detail, "ana@acme.example saved this connection at ") && !strings.Contains(p.Detail, "saved this connection at ") ||
			len(p.Errors) != 1 || p.Errors[0].Detail != "Site Content URL: “bos-site” is stored now; you have “mine”." {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	if a := n.send(n.admin, "PATCH", path, `{"settings":{}}`, "If-Match", "abc"); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a tag that is none: %d", a.status)
	}
	if a := n.send(n.admin, "PATCH", path, `{"settings":{"site_content_url":"`+site+`"}}`, "If-Match", "*"); a.status != ok {
		t.Errorf("whatever is stored: %d %s", a.status, a.body)
	}
}

// S46, S92: what an edit will do, with the live grants that it meets.
func connectionPreview(t *testing.T, n *node) {
	p := get[wire.EditPlan](n, "POST", "/connections/"+n.connection+"/preview", wire.ChangedConnection{Settings: map[string]string{}})
	if !p.Moves || p.LiveGrants != 1 || len(p.Apps) != 1 || p.Apps[0] != "Tableau" || p.Target.Place != "Default site" || !strings.HasPrefix(p.NameAfter, "Tableau – Default site (") {
		t.Errorf("%+v", p)
	}
	if len(p.Warnings) != 3 || !strings.HasPrefix(p.Warnings[1], "1 grant is live through this connection: from now on it is set up and ended on https://") {
		t.Errorf("warnings %q", p.Warnings)
	}
	// Live grants go nowhere without a word of agreement.
	path := "/connections/" + n.connection
	a := n.do(n.admin, "PATCH", path, wire.ChangedConnection{Settings: map[string]string{}})
	if p := a.problem(t); a.status != conflict || p.Code != "moves_grants" || !strings.HasPrefix(p.Detail, "1 grant is live through this connection: ") {
		t.Errorf("%d %s", a.status, a.body)
	}
	site := n.site.ContentURL()
	for _, there := range []string{"", site} {
		if c := get[wire.Connection](n, "PATCH", path, wire.ChangedConnection{Settings: map[string]string{"site_content_url": there}, Agree: true}); c.Settings["site_content_url"] != there {
			t.Errorf("%+v", c.Settings)
		}
	}
	p = get[wire.EditPlan](n, "POST", path+"/preview", wire.ChangedConnection{Settings: map[string]string{}})
	if c := get[wire.Connection](n, "GET", "/connections/"+n.connection, nil); c.Settings["site_content_url"] == "" || c.Version != p.Version {
		t.Errorf("the preview changed something: %+v", c.Settings)
	}
}

// S91: a token that Tableau refuses replaces nothing; one that it takes is used
// by the next call.
func connectionRotate(t *testing.T, n *node) {
	const next = "cm90YXRlLWFwaQ==:1234567890abcdef1234567890abcdef"
	path := "/connections/" + n.spare + "/rotate"
	change := wire.ChangedConnection{Settings: map[string]string{"pat_name": "next", "pat_secret": next}}
	a := n.do(n.admin, "POST", path, change)
	if p := a.problem(t); a.status != http.StatusBadGateway || !strings.HasPrefix(p.Detail, "Tableau sign-in failed (HTTP 401, Signin Error): ") || // S73
		len(p.NextSteps) != 1 || !strings.HasPrefix(p.NextSteps[0], "Nothing was changed: the old credentials stay in use. ") || strings.Contains(string(a.body), next) {
		t.Errorf("%d %s", a.status, a.body)
	}
	if got := get[wire.List[wire.Check]](n, "POST", "/connections/"+n.spare+"/checks", nil).Items; got[0].Status != "pass" {
		t.Errorf("%+v", got[0])
	}
	n.site.AddPAT(n.site.User("svc@acme.example"), "next", next)
	if c := get[wire.Connection](n, "POST", path, change); c.Settings["pat_name"] != "next" || c.Settings["pat_secret"] != "••••••••cdef" || c.State != "never_checked" || c.Credential.SetAt == nil {
		t.Errorf("%+v", c)
	}
	if got := get[wire.List[wire.Check]](n, "POST", "/connections/"+n.spare+"/checks", nil).Items; got[0].Status != "pass" {
		t.Errorf("%+v", got[0])
	}
	if strings.Contains(n.logs.String(), next) {
		t.Error("the log holds the secret")
	}
}

// Decision 7, reliability §6.2 S02: what cannot be used is said at its field and
// never repeated; the same before anything is stored.
func connectionBadInput(t *testing.T, n *node) {
	good := map[string]string{"server_url": "h.example", "site_content_url": "acme", "pat_name": "margay", "pat_secret": patSecret}
	for name, tt := range map[string]struct{ key, value, says string }{
		"user info":           {"server_url", "ana:pw@h.example", "Server URL must be a host alone: leave out what stands before the @."},
		"a long label":        {"server_url", strings.Repeat("a", 300) + ".example", ""},
		"a line break":        {"server_url", "h.example\r\nHost: evil", "Server URL holds a control character, such as a line break."},
		"a page elsewhere":    {"server_url", "https://h.example/wiki/Page", "Server URL must be a host alone, such as 10ax.online.tableau.com: leave out what stands behind it."},
		"another site's page": {"server_url", "https://h.example/#/site/other/home", "The address that was pasted into Server URL is of the site other, and this says acme: which of them is it?"},
		"an IPv6 address":     {"server_url", "[::1]", "Server URL must be the server's name, not an IPv6 address."},
		"a NUL in the name":   {"pat_name", "a\x00b", "Personal Access Token Name holds a control character, such as a line break."},
		"the mask":            {"pat_secret", "••••••••9c31", "That is the masked secret, not a secret. Give the new one."},
		"a path as a site":    {"site_content_url", "../acme", "This is not a site's content URL: it is the part of the site's address between /site/ and the next slash."},
	} {
		settings := maps.Clone(good)
		settings[tt.key] = tt.value
		for _, path := range []string{"/connections", "/connections/test"} {
			a := n.do(n.admin, "POST", path, map[string]any{"integration": "tableau", "settings": settings})
			p := a.problem(t)
			if a.status != http.StatusUnprocessableEntity || len(p.Errors) != 1 || tt.says != "" && p.Errors[0].Detail != tt.says || !strings.HasPrefix(p.Errors[0].Pointer, "settings.") {
				t.Errorf("%s at %s: %d %s", name, path, a.status, a.body)
			}
			if strings.Contains(string(a.body), patSecret) || strings.Contains(string(a.body), "pw@") {
				t.Errorf("%s at %s: the refusal repeats what was typed", name, path)
			}
		}
	}
}

// S11, S116: by the name of its method, with parameters.
func connectionCatalogue(t *testing.T, n *node) {
	methods := get[wire.List[wire.Method]](n, "GET", "/integrations/tableau/methods?q=users+site", nil).Items
	if len(methods) == 0 || len(get[wire.List[wire.Method]](n, "GET", "/integrations/tableau/methods", nil).Items) < 100 {
		t.Errorf("%d methods", len(methods))
	}
	a := n.call(json.RawMessage(`{"name":"get-users-on-site","parameters":{"pageSize":1}}`))
	if a.status != ok || n.lastQuery().Get("pageSize") != "1" {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, bad := range []string{
		`{"name":"no-such-method"}`, `{"name":"get-users-on-site","parameters":{"colour":"red"}}`, `{"name":"get-users-on-site","method":"GET","path":"/x"}`, `{}`,
		`{"name":"query-workbook"}`, `{"name":"sign-in"}`,
	} {
		if got := n.call(json.RawMessage(bad)); got.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", bad, got.status, got.body)
		}
	}
	history := get[wire.ConnectionCalls](n, "GET", "/connections/"+n.connection+"/calls", nil).History
	if len(history) == 0 || !strings.HasPrefix(history[0].Command, "margay tableau call") {
		t.Errorf("%+v", history)
	}
	// The connection's own account stays.
	if got := n.call(json.RawMessage(`{"method":"DELETE","path":"/sites/{siteId}/users/{userId}"}`)); got.status != http.StatusUnprocessableEntity || got.problem(t).Code != "own_account" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// Another connection with the same settings is warned of, and not forbidden.
func connectionSame(t *testing.T, n *node) {
	settings := map[string]string{"server_url": "twice.example", "site_content_url": "acme", "pat_name": "margay", "pat_secret": patSecret}
	first := get[wire.Connection](n, "POST", "/connections", wire.NewConnection{Integration: "tableau", Settings: settings})
	second := get[wire.Connection](n, "POST", "/connections", wire.NewConnection{Integration: "tableau", Settings: settings})
	want := "There is a connection with the same settings already: Tableau – acme (" + first.ID + ")."
	if len(first.Warnings) != 0 || len(second.Warnings) != 1 || second.Warnings[0] != want {
		t.Errorf("%q, then %q", first.Warnings, second.Warnings)
	}
	settings["pat_name"] = "another"
	third := get[wire.Connection](n, "POST", "/connections", wire.NewConnection{Integration: "tableau", Settings: settings})
	if len(third.Warnings) != 0 {
		t.Errorf("of another token: %q", third.Warnings)
	}
	p := get[wire.EditPlan](n, "POST", "/connections/"+third.ID+"/preview", wire.ChangedConnection{Settings: map[string]string{"site_content_url": "acme", "pat_name": "margay"}})
	if len(p.Warnings) != 1 || !strings.HasPrefix(p.Warnings[0], "There are 2 connections with the same settings already") {
		t.Errorf("before an edit: %q", p.Warnings)
	}
	for _, c := range []wire.Connection{first, second, third} {
		if a := n.do(n.admin, "DELETE", "/connections/"+c.ID, nil); a.status != noContent {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
}

// A removal that is refused says what stands in its way.
func connectionDelete(t *testing.T, n *node) {
	a := n.do(n.admin, "DELETE", "/connections/"+n.connection, nil)
	if p := a.problem(t); a.status != conflict || p.Detail != "1 grant that was given through this connection is live." {
		t.Errorf("%d %s", a.status, a.body)
	}
	a = n.do(n.admin, "POST", "/connections/"+n.connection+"/retire", nil)
	if p := a.problem(t); a.status != conflict || p.Code != "in_use" || p.Detail != "1 grant that was given through this connection is live." {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := n.do(n.admin, "DELETE", "/connections/"+n.spare+"?confirm=wrong", nil); a.status != http.StatusUnprocessableEntity {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// S8, decision 20: what is looked at costs Tableau nothing, for hours.
func connectionIdle(t *testing.T, n *node, later *atomic.Int64) {
	before := len(n.site.Journal())
	for range 3 {
		later.Add(int64(time.Hour))
		for _, path := range []string{"/connections", "/connections/" + n.connection, "/connections/" + n.connection + "/calls", "/integrations", "/grants", "/runs", "/integrations/tableau/methods"} {
			if a := n.do(n.admin, "GET", path, nil); a.status != ok {
				t.Errorf("%s: %d", path, a.status)
			}
		}
	}
	for _, e := range n.site.Journal()[before:] {
		if e.Operation != "sign-out" { // of the call before
			t.Errorf("an idle server sent %s %s", e.Method, e.Path)
		}
	}
}

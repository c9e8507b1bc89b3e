package web_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/server"
	"github.com/margay-access/margay/internal/web/webtest"
	"github.com/margay-access/margay/tableau/tableautest"
)

// connecting is somebody who connects sites on pages, without script.
type connecting struct {
	t *testing.T
	w *webtest.World
	v *webtest.Visitor
}

var tags = regexp.MustCompile(`<[^>]*>`)

// words is what a page says: without tags, blanks squeezed.
func words(body string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(body, " "))), " ")
}

// in is c in a part of the test.
func (c connecting) in(t *testing.T) connecting { c.t = t; return c }

func (c connecting) form(host, site, name, secret string) url.Values {
	return url.Values{"server_url": {host}, "site_content_url": {site}, "pat_name": {name}, "pat_secret": {secret}}
}

// connect sends the form, and returns where the connection's page is.
func (c connecting) connect(form url.Values) string {
	c.t.Helper()
	p := c.v.Post("/integrations/tableau/connect", form)
	if p.Status != http.StatusSeeOther {
		c.t.Fatalf("connect: %d %s", p.Status, words(p.Body))
	}
	return p.Header.Get("Location")
}

// says fails unless the page says all of it.
func (c connecting) says(path string, all ...string) {
	c.t.Helper()
	said := words(c.v.Get(path).Body)
	for _, text := range all {
		if !strings.Contains(said, text) {
			c.t.Errorf("%s does not say %q: %s", path, text, said)
		}
	}
}

// checked runs checks by their button, and fails unless the page says all of it.
func (c connecting) checked(page, only string, all ...string) {
	c.t.Helper()
	if p := c.v.Post(page+"/checks", url.Values{"only": {only}}); p.Status != http.StatusSeeOther {
		c.t.Fatalf("checks: %d %s", p.Status, words(p.Body))
	}
	c.says(page, all...)
}

// signedInTo returns the content URLs that sign-ins named, the last first.
func signedInTo(t *testing.T, site *tableautest.Server) []string {
	t.Helper()
	var out []string
	for _, e := range site.Journal() {
		if e.Operation != "sign-in" {
			continue
		}
		var body struct {
			Credentials struct {
				Site struct {
					ContentURL string `json:"contentUrl"`
				} `json:"site"`
			} `json:"credentials"`
		}
		if err := json.Unmarshal([]byte(e.Body), &body); err != nil {
			t.Fatal(err)
		}
		out = append([]string{body.Credentials.Site.ContentURL}, out...)
	}
	return out
}

// What is promised of connections, at the pages that people see, without script.
func TestConnectionPromises(t *testing.T) {
	t.Parallel()
	onPremises, err := tableautest.Start(tableautest.Config{Product: tableautest.ProductServer, Collections: tableautest.On})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(onPremises.Close)
	onPremises.AddPAT(onPremises.AddUser("svc@acme.example", tableautest.RoleSiteAdministratorCreator), "margay", webtest.PATSecret)
	w := webtest.StartNode(t, func(c *server.Config) { c.RootCAs.AppendCertsFromPEM(onPremises.CAPEM()) })
	c := connecting{t: t, w: w, v: w.VisitorAs(webtest.Admin)}
	for _, part := range []struct {
		name string
		run  func(c connecting, cloud, server *tableautest.Server)
	}{
		{"form", promisedForm},
		{"two sites", promisedSites},
		{"what is typed", promisedInput},
		{"checks", promisedChecks},
		{"any call", promisedCalls},
		{"edit", promisedEdit},
		{"conventions", promisedConventions},
		{"at the moment", promisedTraffic},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(c.in(t), w.Site, onPremises) })
	}
	if strings.Contains(w.Log(), webtest.PATSecret) { // S6
		t.Error("the log holds the secret")
	}
}

func promisedForm(c connecting, _, _ *tableautest.Server) {
	page := c.v.Get("/integrations/tableau/connect").Body
	inputs := regexp.MustCompile(`<input id="[a-z_]+"[^>]*>`).FindAllString(page, -1)
	if len(inputs) != 4 || !strings.Contains(inputs[3], `type="password"`) { // S2, S24, S37
		c.t.Errorf("the form has the inputs %q", inputs)
	}
	for _, said := range []string{
		"prod-uk-a.online.tableau.com",          // S26
		"revoke the token and create a new one", // S119
		"you will need this exact name",         // S119
		"Need help? For assistance with your Tableau integration, open an issue at github.com/margay-access/margay/issues", // S115
		"The Tableau integration is marked Beta. Behavior and available capabilities may evolve.",                          // S117
		"inherits the permissions of the account that creates it",                                                          // S21
		"A token of somebody else still works for content.",                                                                // S22
		"the default is 180 days on sites activated June 2023 or later",                                                    // S89
		"use keeps it alive", // S90
	} {
		if !strings.Contains(words(page), said) {
			c.t.Errorf("the form does not say %q", said)
		}
	}
	c.says("/integrations", "Beta", "Connect Tableau") // S7, S24
}

// S1, S2: a site of Tableau Cloud and one of Tableau Server, a connection each.
func promisedSites(c connecting, cloud, onPremises *tableautest.Server) {
	acme := c.connect(c.form("https://"+cloud.Host+"/", "acme-analytics", "margay", webtest.PATSecret)) // S30, S40
	c.checked(acme, "", `Successfully accessed Tableau site "acme-analytics"`)                          // S53, S58
	standard := c.connect(c.form(onPremises.Host, "", "margay", webtest.PATSecret))                     // S29, S118
	c.checked(standard, "session", "Successfully accessed the default Tableau site")                    // S59
	if acme == standard {
		c.t.Error("two sites are one connection")
	}
	for _, s := range []struct {
		site *tableautest.Server
		want string
	}{{cloud, "acme-analytics"}, {onPremises, ""}} {
		if got := signedInTo(c.t, s.site); len(got) == 0 || got[0] != s.want { // S82, S118
			c.t.Errorf("sign-ins went to the sites %q, want %q", got, s.want)
		}
		for _, e := range s.site.Journal() {
			if e.Operation == "sign-in" && e.Path != "/api/3.24/auth/signin" { // S83
				c.t.Errorf("a sign-in at %s", e.Path)
			}
			if e.Operation != "sign-in" && strings.Contains(e.Body+e.Query, webtest.PATSecret[:8]) { // S3
				c.t.Errorf("the secret went to %s", e.Path)
			}
		}
	}
	c.says("/integrations", "Tableau – acme-analytics", "Tableau – Default site ("+onPremises.Host+")") // S92
	c.says(acme, "margay", "••••••••4711")                                                              // S43, S94
	if page := c.v.Get(acme).Body; strings.Contains(page, webtest.PATSecret) {                          // S95
		c.t.Error("the page holds the secret")
	}
}

// S26, S27, S36 and decision 7: what is taken as it was meant, and what is
// refused at its field, with all else kept.
func promisedInput(c connecting, _, _ *tableautest.Server) {
	const secret = "typed-secret-canary-000000001111"
	for _, tt := range [][2]string{
		{"10ax.online.tableau.com", "10ax.online.tableau.com"}, {"prod-uk-a.online.tableau.com", "prod-uk-a.online.tableau.com"}, {"tableau.company.example", "tableau.company.example"}, // S26
		{"https://one.example/", "one.example"}, {"http://two.example///", "two.example"}, {"  HTTPS://Three.example/ ", "three.example"}, {"four.example:8443", "four.example:8443"}, // S27
		{"https://five.example/#/site/fifth/home", "five.example · site fifth"},
	} {
		page := c.connect(c.form(tt[0], "", " My Token,  of 2026 ", " "+secret+" "))
		c.says(page, "https://"+tt[1], "My Token, of 2026")                                              // S27
		if body := c.v.Get(page + "/edit").Body; !strings.Contains(body, `value="My Token,  of 2026"`) { // S36, S45
			c.t.Errorf("%q: the name of the token is another: %s", tt[0], body)
		}
	}
	alone := "Server URL must be a host alone, such as 10ax.online.tableau.com: leave out what stands behind it."
	for name, tt := range map[string]struct {
		field, value, says string
		shown              string // "": as it was typed
	}{
		"nothing":              {"server_url", "  ", "Server URL is required", ""},                  // S28
		"a scheme alone":       {"server_url", "https://", "Server URL is required", ""},            // S28
		"no name":              {"pat_name", "", "Personal Access Token name is required", ""},      // S35
		"no secret":            {"pat_secret", " ", "Personal Access Token secret is required", ""}, // S39
		"user info":            {"server_url", "ana:pw@h.example", "Server URL must be a host alone: leave out what stands before the @.", ""},
		"a query":              {"server_url", "h.example?x=1", alone, ""},
		"a page elsewhere":     {"server_url", "https://h.example/wiki/Page", alone, ""},
		"another site's page":  {"server_url", "https://h.example/#/site/other/home", "The address that was pasted into Server URL is of the site other, and this says acme: which of them is it?", ""},
		"a long label":         {"server_url", strings.Repeat("a", 300) + ".example", "Server URL", ""},
		"look-alike digits":    {"server_url", "①②⑦.0.0.1", "Server URL is not a host name.", ""},
		"a control character":  {"server_url", "h.example\vx", "Server URL holds a control character, such as a line break.", ""},
		"a NUL in the name":    {"pat_name", "a\x00b", "Personal Access Token Name holds a control character, such as a line break.", "\x00"},
		"a long name":          {"pat_name", strings.Repeat("n", 1001), "Personal Access Token Name has at most 1000 characters.", ""},
		"a path as a site":     {"site_content_url", "../acme", "This is not a site's content URL: it is the part of the site's address between /site/ and the next slash.", ""},
		"the mask as a secret": {"pat_secret", "••••••••1111", "That is the masked secret, not a secret.", ""}, // S44
	} {
		form := c.form("h.example", "acme", "kept-name", secret)
		form.Set(tt.field, tt.value)
		p := c.v.Post("/integrations/tableau/connect", form)
		said := words(p.Body)
		if p.Status != http.StatusUnprocessableEntity || !strings.Contains(said, tt.says) || !strings.Contains(p.Body, `-error"`) {
			c.t.Errorf("%s: %d %s", name, p.Status, said)
		}
		for field := range form { // what was typed stays, but the secret, which is asked for again
			kept := `value="` + html.EscapeString(strings.TrimSpace(form.Get(field))) + `"`
			switch {
			case field == "pat_secret" && strings.Contains(p.Body, secret):
				c.t.Errorf("%s: the page gives the secret back", name)
			case field == "pat_secret" && tt.field != field && !strings.Contains(said, "Type the secret again: it is never sent back to the browser."):
				c.t.Errorf("%s: the secret is not asked for again", name)
			case field != "pat_secret" && tt.shown == "" && strings.TrimSpace(form.Get(field)) != "" && !strings.Contains(p.Body, kept):
				c.t.Errorf("%s: what was typed into %s is lost: %s", name, field, p.Body)
			}
		}
	}
}

// Each check fails alone for each of its reasons, with its sentence, Tableau's
// words and what to do; the others stay as they are, and all of them only read.
func promisedChecks(c connecting, cloud, _ *tableautest.Server) {
	page := c.connect(c.form(cloud.Host, "acme-analytics", "margay", webtest.PATSecret))
	users := tableautest.Fault{Method: http.MethodGet, Path: "/api/3.24/sites/*/users", Times: -1}
	signIn := tableautest.Fault{Operation: "sign-in", Times: -1}
	with := func(f tableautest.Fault, change func(*tableautest.Fault)) tableautest.Fault { change(&f); return f }
	refused := func(f tableautest.Fault, status int, code string) tableautest.Fault {
		f.Status, f.Code, f.Summary, f.Detail = status, code, "Summary", "<i>in Tableau's words</i>"
		return f
	}
	const site = `Successfully accessed Tableau site "acme-analytics"`
	others := []string{apiPass, site, contentPass}
	all := []string{apiFail, siteFail, contentFail, usersNoSite}
	names := regexp.MustCompile(`<strong class="font-medium">(Validate|Check)[^<]*</strong>`).FindAllString(html.UnescapeString(c.v.Get(page).Body), -1)
	if len(names) != 4 || !strings.Contains(names[0], "API Connection") || !strings.Contains(names[1], "Session & Site") || // S51, S52
		!strings.Contains(names[2], "Content Access") || !strings.Contains(names[3], "User Management Scope") {
		c.t.Errorf("the checks are %q", names)
	}
	before := len(cloud.Journal())
	for name, tt := range map[string]struct {
		fault tableautest.Fault
		only  string
		says  []string
	}{
		"all well":              {says: append(others, "Validate Tableau API Connection", "Check Tableau Session & Site", "Check Tableau Content Access", "Check Tableau User Management Scope")},   // S47, S48, S49, S50
		"no total":              {fault: with(users, func(f *tableautest.Fault) { f.Body = `{"users":{"user":[]}}` }), says: append(others, "PAT can list site users.")},                            // S62
		"403":                   {fault: refused(users, 403, "403004"), says: append(others, usersDenied, "<i>in Tableau's words</i>")},                                                             // S54, S66, S72
		"401 of another code":   {fault: refused(users, 401, "401003"), says: append(others, usersDenied)},                                                                                          // S68
		"400":                   {fault: refused(users, 400, "400006"), says: append(others, usersFail)},                                                                                            // S67, S69
		"no JSON":               {fault: with(users, func(f *tableautest.Fault) { f.Body = "[" }), says: append(others, usersFail)},                                                                 // S69
		"content 401":           {fault: refused(tableautest.Fault{Path: "/api/-/collections", Times: -1}, 401, "401003"), says: []string{apiPass, site, contentFail, "PAT can list site users ("}}, // S49, S65
		"session of another":    {fault: tableautest.Fault{Path: "/api/3.24/sessions/current", Times: -1, Body: `{"session":{"site":{"id":"other"},"user":{"id":"u"}}}`}, says: []string{apiPass, siteFail, contentPass, usersNoSite, "Fix Check Tableau Session & Site first."}},
		"info is no Tableau":    {fault: tableautest.Fault{Path: "/api/3.24/serverinfo", Times: -1, Body: `{"hello":1}`}, says: []string{apiFail, site, contentPass}},
		"sign-in 400":           {fault: refused(signIn, 400, "400003"), says: append(all, "Tableau sign-in failed (HTTP 400, Summary): <i>in Tableau's words</i>")},                                                                                         // S74
		"an older server":       {fault: with(signIn, func(f *tableautest.Fault) { f.Code = "404001" }), says: append(all, "Tableau sign-in failed (HTTP 404, ", "2025.1")},                                                                                  // S80
		"another host":          {fault: with(signIn, func(f *tableautest.Fault) { f.Body, f.ContentType = "<html><p>Log in</p></html>", "text/html" }), says: append(all, "Tableau sign-in failed (HTTP 200): <html><p>Log in</p></html>")},                 // S78
		"no token":              {fault: with(signIn, func(f *tableautest.Fault) { f.Body = `{"credentials":{}}` }), says: append(all, "Tableau sign-in succeeded but returned no session token", "Try again; when it stays, verify the token in Tableau.")}, // S76, S77
		"the wrong name or PAT": {fault: refused(signIn, 401, "401001"), says: append(all, "Tableau sign-in failed (HTTP 401, Summary): <i>in Tableau's words</i>", "the token’s name does not match Tableau exactly")},                                      // S73, S79, S81
	} {
		cloud.ClearFaults()
		if tt.fault.Path != "" || tt.fault.Operation != "" {
			cloud.Fail(tt.fault)
		}
		c.in(c.t).checked(page, tt.only, tt.says...)
		if c.t.Failed() {
			c.t.Fatalf("in the case %q", name)
		}
		if failed := strings.Contains(words(c.v.Get(page).Body), "open an issue at"); failed == (name == "all well" || name == "no total") { // S115
			c.t.Errorf("%s: support is named: %v", name, failed)
		}
	}
	cloud.ClearFaults()
	c.checked(c.connect(c.form("127.0.0.1:1", "", "margay", webtest.PATSecret)), "", append(all, "could not reach Tableau at 127.0.0.1:1")...) // S75
	for _, e := range cloud.Journal()[before:] {                                                                                               // S56
		if e.Method != http.MethodGet && e.Operation != "sign-in" && e.Operation != "sign-out" {
			c.t.Errorf("a check sent %s %s", e.Method, e.Path)
		}
	}
	// S8, S53: nothing is sent for pages that are looked at.
	sent := len(cloud.Journal())
	for _, path := range []string{page, "/integrations", page + "/edit", page + "/console", page + "/rotate", page + "/usage"} {
		c.says(path)
	}
	for _, e := range cloud.Journal()[sent:] {
		if e.Operation != "sign-out" { // of the checks, in the background
			c.t.Errorf("looking sent %s %s", e.Method, e.Path)
		}
	}
}

// The conventions of ux.md §2 that hold on each page of a connection.
func promisedConventions(c connecting, cloud, _ *tableautest.Server) {
	form := c.form(" "+cloud.Host, "acme-analytics ", "margay", webtest.PATSecret)
	page := c.connect(form)
	c.says("/integrations", "Blanks around it were removed: Server URL, Site Content URL.") // U13
	cloud.Fail(tableautest.Fault{Method: http.MethodGet, Path: "/api/3.24/sites/*/users", Status: 403, Code: "403004", Summary: "Refused", Detail: "<i>no</i>"})
	c.checked(page, "users", usersDenied)
	body := c.v.Get(page).Body
	for _, want := range []string{
		"<bdi>Tableau refused Users (HTTP 403, 403004, Refused): &lt;i&gt;no&lt;/i&gt;</bdi>", // U22
		`data-copy="check-users"`, // U5
		`class="beta"`,            // U26
		`<span class="muted">by <bdi>Ana Ruiz</bdi></span>`, // U3
	} {
		if !strings.Contains(body, want) {
			c.t.Errorf("the page lacks %s: %s", want, body)
		}
	}
	copied := regexp.MustCompile(`(?s)<pre id="check-users"[^>]*>(.*?)</pre>`).FindStringSubmatch(body)
	if len(copied) != 2 || !strings.Contains(copied[1], "https://"+cloud.Host) || !strings.Contains(copied[1], strings.TrimPrefix(page, "/connections/")) || strings.Contains(copied[1], "4711") { // U5
		c.t.Errorf("the details to copy are %q", copied)
	}
	c.says("/integrations?q=nothing-is-called-so", "Nothing matches your search") // U7
	for _, path := range []string{"/integrations", "/integrations/tableau/connect", page, page + "/edit", page + "/rotate", page + "/users", page + "/session"} {
		c.says(path, "As a command", "margay ") // U25
	}
	if p := c.v.Post(page+"/pause", nil); p.Status != http.StatusSeeOther {
		c.t.Fatalf("pause: %d", p.Status)
	}
	c.says(page, "Paused", "Ana Ruiz paused it: nothing is sent over it, and runs wait. Resume it.") // U1, U12
	if body := c.v.Get(page).Body; strings.Count(body, `data-size="sm" disabled`) != 4 {
		c.t.Error("the checks of a paused connection can be pressed")
	}
	if p := c.v.Post(page+"/checks", url.Values{"only": {""}}); p.Status != http.StatusConflict {
		c.t.Errorf("checks of a paused connection: %d", p.Status)
	}
}

// S4, S11, S12, S18, S116: any call, with all methods, versioned or not.
func promisedCalls(c connecting, cloud, _ *tableautest.Server) {
	page := c.connect(c.form(cloud.Host, "acme-analytics", "margay", webtest.PATSecret))
	before := cloud.SignIns()
	for _, tt := range []struct{ method, path, query, body, says string }{
		{"GET", "/sites/{siteId}/users", "pageSize=1", "", "200"},
		{"GET", "/api/-/collections", "", "", "200"}, // S12
		{"GET", "/api/-/search", "terms=sales", "", "200"},
		{"GET", "/api/3.24/serverinfo", "", "", "200"},
		{"POST", "/sites/{siteId}/users", "", `{"user":{"name":"zoe@acme.example","siteRole":"Unlicensed"}}`, "201"},
		{"PUT", "/sites/{siteId}/users/nobody", "", `{"user":{"siteRole":"Viewer"}}`, "40"},
		{"PATCH", "/api/-/collections/nothing", "", `{}`, "40"},
	} {
		p := c.v.Post(page+"/console", url.Values{"method": {tt.method}, "path": {tt.path}, "query": {tt.query}, "body": {tt.body}, "confirmed": {"true"}})
		if said := words(p.Body); p.Status != http.StatusOK || !strings.Contains(said, "Answer "+tt.says) || !strings.Contains(said, "margay tableau call "+tt.method) {
			c.t.Errorf("%s %s: %d %s", tt.method, tt.path, p.Status, said)
		}
	}
	// By the name of a method, with a field for each of its parameters.
	c.says(page+"/console?q=users+site", "get-users-on-site")
	c.says(page+"/console?name=get-users-on-site", "filter", "pageSize", "field:operator:value, such as name:eq:rita@acme.example", "Any other call")
	named := url.Values{"name": {"get-users-on-site"}, "param-filter": {"name:eq:rita+x@acme.example"}, "param-pageSize": {"1"}}
	if said := words(c.v.Post(page+"/console", named).Body); !strings.Contains(said, "Answer 200") || !strings.Contains(said, "--query filter=name:eq:rita+x@acme.example --query pageSize=1") {
		c.t.Errorf("a method by its name: %s", said)
	}
	if p := c.v.Post(page+"/console", url.Values{"name": {"query-user-on-site"}}); p.Status != http.StatusUnprocessableEntity || !strings.Contains(p.Body, `id="param-userId-error"`) {
		c.t.Errorf("without the id: %d %s", p.Status, words(p.Body))
	}
	if said := words(c.v.Post(page+"/console", url.Values{"name": {"query-user-on-site"}, "param-userId": {"{userId}"}}).Body); !strings.Contains(said, "svc-margay@acme.example") {
		c.t.Errorf("the account of the token: %s", said)
	}
	removal := url.Values{"name": {"remove-user-from-site"}, "param-userId": {"nobody"}}
	if p := c.v.Post(page+"/console", removal); p.Status != http.StatusUnprocessableEntity || !strings.Contains(words(p.Body), "This removes something") || !strings.Contains(p.Body, `value="nobody"`) {
		c.t.Errorf("a removal: %d %s", p.Status, words(p.Body))
	}
	change := url.Values{"method": {"POST"}, "path": {"/sites/{siteId}/users"}, "body": {`{"user":{}}`}}
	if p := c.v.Post(page+"/console", change); p.Status != http.StatusUnprocessableEntity || !strings.Contains(words(p.Body), "This changes something there") || !strings.Contains(p.Body, `action="`+page+`/console#answer"`) {
		c.t.Errorf("a change: %d %s", p.Status, words(p.Body))
	}
	away := url.Values{"method": {"GET"}, "path": {"//evil.example/x"}}
	if p := c.v.Post(page+"/console", away); p.Status != http.StatusUnprocessableEntity || !strings.Contains(p.Body, `id="path-error"`) {
		c.t.Errorf("another host: %d %s", p.Status, words(p.Body))
	}
	c.v.Post(page+"/console", url.Values{"method": {"GET"}, "path": {"/serverinfo"}, "query": {"password=hunter2"}})
	if body := c.v.Get(page + "/console").Body; strings.Contains(body, "hunter2") || strings.Contains(body, "evil.example") || !strings.Contains(body, "password%3D") {
		c.t.Error("the history keeps a secret, or what was never sent")
	}
	if p := c.v.Get(page + "/console?name=no-such-method"); p.Status != http.StatusNotFound {
		c.t.Errorf("no method: %d", p.Status)
	}
	if n := cloud.SignIns() - before; n != 10 { // S4: made alone, each has a session of its own
		c.t.Errorf("%d sign-ins for ten calls one after another", n)
	}
	for path, says := range map[string]string{ // S16, S18
		"/users": "svc-margay@acme.example", "/collections": "margay tableau collections", "/search?q=sales": "margay tableau search", "/usage": "Of which content?",
		"/server-info": "restApiVersion", "/session": "acme-analytics",
	} {
		c.says(page+path, says)
	}
}

// S41–S46, S91–S95: an edit keeps what is left blank, but the site.
func promisedEdit(c connecting, cloud, onPremises *tableautest.Server) {
	const next = "bmV4dA==:the-next-token-of-the-page-2222"
	page := c.connect(c.form(cloud.Host, "acme-analytics", "margay", webtest.PATSecret))
	save := func(form url.Values, says ...string) {
		c.t.Helper()
		// A move to another site is shown first, and saved as it was shown.
		if p := c.v.Post(page+"/edit", form); p.Status == http.StatusUnprocessableEntity && strings.Contains(p.Body, "What will change") {
			form.Set("agree", "true")
			form.Set("seen_target", seenTarget(p.Body))
		} else if p.Status == http.StatusSeeOther {
			c.says(page, says...)
			return
		}
		if p := c.v.Post(page+"/edit", form); p.Status != http.StatusSeeOther {
			c.t.Errorf("edit: %d %s", p.Status, words(p.Body))
		}
		c.says(page, says...)
	}
	edit := c.v.Get(page + "/edit").Body
	if !strings.Contains(edit, `value="margay"`) || !strings.Contains(edit, "••••••••4711") || strings.Contains(edit, webtest.PATSecret) || !strings.Contains(edit, `data-reveal="pat_secret-new"`) { // S43–S45, S95
		c.t.Errorf("the form of an edit: %s", edit)
	}
	save(url.Values{"site_choice": {"named"}, "site_content_url": {"acme-analytics"}}, cloud.Host, "margay", "••••••••4711") // S41, S42, S44
	if p := c.v.Post(page+"/edit", url.Values{"site_content_url": {"acme-analytics"}, "pat_secret": {"••••••••4711"}}); p.Status != http.StatusUnprocessableEntity {
		c.t.Errorf("the mask as a secret: %d", p.Status)
	}
	c.checked(page, "", "Healthy")
	save(url.Values{"site_choice": {"default"}}, "Tableau – Default site ("+cloud.Host+")", "Never checked") // S46, S92, S93
	before := len(signedInTo(c.t, cloud))
	c.checked(page, "session")
	if got := signedInTo(c.t, cloud); len(got) == before || got[0] != "" { // S46
		c.t.Errorf("sign-ins after an edit without a site: %q", got)
	}
	// S91: secret and name anew; the next call uses them.
	onPremises.AddPAT(onPremises.User("svc@acme.example"), "margay-2026", next)
	save(url.Values{"server_url": {onPremises.Host}, "site_choice": {"default"}, "pat_name": {"margay-2026"}, "pat_secret": {next}}, "margay-2026", "••••••••2222")
	c.checked(page, "", "Healthy", "Successfully accessed the default Tableau site")
	c.says("/audit", "connection.changed") // S94: it may be said, the secret may not
	if strings.Contains(c.v.Get("/audit").Body, next) || strings.Contains(c.w.Log(), next) {
		c.t.Error("the record holds the secret")
	}
}

// Screen 14: who holds the session, how many calls are under way, whether the
// system slows us down, which runs wait.
func promisedTraffic(c connecting, cloud, _ *tableautest.Server) {
	page := c.connect(c.form(cloud.Host, "acme-analytics", "margay", webtest.PATSecret))
	c.says(page, "Session None. One is made when something is sent", "Calls under way 0", "Not slowed down by Tableau", "Runs that wait None")
	begun, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	cloud.Fail(tableautest.Fault{Path: "/api/-/collections", Before: func() { close(begun); <-release }})
	go func() {
		defer close(done)
		c.v.Post(page+"/console", url.Values{"method": {"GET"}, "path": {"/api/-/collections"}})
	}()
	<-begun
	c.says(page, "Open since", "on this node", "Calls under way 1")
	known, err := c.w.Client(webtest.Admin).Connection(c.t.Context(), strings.TrimPrefix(page, "/connections/"))
	if err != nil || known.Traffic == nil || !strings.HasPrefix(known.Traffic.HeldBy, "node_") || known.Traffic.Calls != 1 || known.Traffic.OpenedAt == nil {
		c.t.Errorf("%+v, %v", known.Traffic, err)
	}
	close(release)
	<-done
	cloud.Fail(tableautest.Fault{Path: "/api/-/collections", Status: http.StatusTooManyRequests, RetryAfter: "1800"})
	c.v.Post(page+"/console", url.Values{"method": {"GET"}, "path": {"/api/-/collections"}})
	c.says(page, "Tableau asked to send nothing until")

	c.w.Story()
	page = "/connections/" + c.w.Connection.ID
	if p := c.v.Post(page+"/pause", nil); p.Status != http.StatusSeeOther {
		c.t.Fatalf("pause: %d", p.Status)
	}
	if _, err := c.w.Client(webtest.Approver).Approve(c.t.Context(), c.w.Ask(webtest.Requester, "Explorer", "Needed").ID, wire.Decision{}); err != nil {
		c.t.Fatal(err)
	}
	c.w.Until("the run to wait", func() bool {
		return strings.Contains(words(c.v.Get(page).Body), "Runs that wait Retrying Give access next try")
	})
}

// seenTarget is the target that the form of an edit has told of.
func seenTarget(body string) string {
	_, rest, _ := strings.Cut(body, `name="seen_target" value="`)
	target, _, _ := strings.Cut(rest, `"`)
	return html.UnescapeString(target)
}

package api_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/tableau/tableautest"
)

// TestCall runs its parts one after another on one node, whose journal they read.
func TestCall(t *testing.T) {
	t.Parallel()
	n := start(t).ready()
	for _, part := range []struct {
		name string
		run  func(t *testing.T, n *node)
	}{
		{"query", callQuery},
		{"refuses", callRefuses},
		{"answers", callAnswers},
		{"body", callBody},
		{"scopes", callScopes},
		{"failed exchange", callFailedExchange},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, n.in(t)) })
	}
}

func (n *node) call(in any) answer {
	n.t.Helper()
	return n.do(n.admin, "POST", "/connections/"+n.connection+"/call", in)
}

// sent counts the calls that are no sign-in or sign-out.
func (n *node) sent() int {
	count := 0
	for _, e := range n.site.Journal() {
		if !strings.Contains(e.Path, "/auth/") {
			count++
		}
	}
	return count
}

// lastQuery returns the query of the newest call that is no sign-in or sign-out.
func (n *node) lastQuery() url.Values {
	n.t.Helper()
	for _, e := range slices.Backward(n.site.Journal()) {
		if !strings.Contains(e.Path, "/auth/") {
			q, err := url.ParseQuery(e.Query)
			if err != nil {
				n.t.Fatal(err)
			}
			return q
		}
	}
	return nil
}

// S11, S116: a query takes texts, numbers, truth values and lists of them, and
// sends them as Tableau reads them.
func callQuery(t *testing.T, n *node) {
	a := n.call(json.RawMessage(`{"method":"GET","path":"/sites/{siteId}/users","query":{
		"a":"x y&z=1+2","b":100000000,"c":-1.5,"d":true,"e":["1",2,false],"f":"","g":[],"h":0.000001,"i":1234567890123,"pageSize":100}}`))

	if a.status != ok {
		t.Fatalf("%d %s", a.status, a.body)
	}
	want := url.Values{
		"a": {"x y&z=1+2"}, "b": {"100000000"}, "c": {"-1.5"}, "d": {"true"}, "e": {"1", "2", "false"}, "f": {""}, "h": {"0.000001"}, "i": {"1234567890123"}, "pageSize": {"100"},
	}
	if d := cmp.Diff(want, n.lastQuery()); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{`{"x":null}`, `{"x":{"y":1}}`, `{"x":[[1]]}`, `{"x":[null]}`} {
		got := n.call(json.RawMessage(`{"method":"GET","path":"/sites/{siteId}/users","query":` + bad + `}`))
		if p := got.problem(t); got.status != http.StatusUnprocessableEntity || len(p.Errors) != 1 || p.Errors[0].Pointer != "query.x" {
			t.Errorf("%s: %d %s", bad, got.status, got.body)
		}
	}
}

// Paths and methods that are not Tableau's to answer are refused with a
// sentence, before anything is sent.
func callRefuses(t *testing.T, n *node) {
	before := n.sent()
	calls := []wire.Call{}
	for _, path := range []string{
		"/auth/signin", "/auth/signout", "/auth/switchSite", "/api/3.24/auth/signin", "/api/3.4/auth/signin", "/AUTH/signin", "/api/3.24/auth/switchSite", "/api/{version}/auth/signin",
		"", "sites", "//evil.example/x", "https://evil.example/", "/../x", "/%2e%2e/x", "/a%2fb", `/a\b`, "/a?b=c", "/a#b", "/a@evil", "/a\r\nHost: evil", "/a\x00b", "/a//b", "/a/;/b",
		"/" + strings.Repeat("a", 9000), "/vizql/x/../../y", "/api/", "/api/9.9x/sites",
	} {
		calls = append(calls, wire.Call{Method: "GET", Path: path}, wire.Call{Method: "POST", Path: path})
	}
	for _, method := range []string{"TRACE", "CONNECT", "get", "Post", "HEAD", "OPTIONS", "", "BREW", "GET /x HTTP/1.1\r\nX: y", "POST "} {
		calls = append(calls, wire.Call{Method: method, Path: "/sites/{siteId}/users"})
	}
	for _, c := range calls {
		a := n.call(c)
		p := a.problem(t)
		if a.status != http.StatusUnprocessableEntity || p.Code != "bad_request" || !strings.HasPrefix(p.Detail, "This call is not sent: ") || len(p.NextSteps) == 0 {
			t.Errorf("%q %.60q: %d %s", c.Method, c.Path, a.status, a.body)
		}
	}
	if n := n.sent() - before; n != 0 {
		t.Errorf("%d calls were sent", n)
	}
	// Another site's path is found out only under a session.
	other := n.site.AddSite("Other", "other")
	if a := n.call(wire.Call{Method: "GET", Path: "/sites/" + other.ID() + "/users"}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("another site: %d %s", a.status, a.body)
	}
	for _, header := range []string{`{"method":"GET","path":"/x","headers":{"Cookie":"a"}}`, `{"method":"GET","path":"/x","url":"https://evil.example"}`} {
		if a := n.call(json.RawMessage(header)); a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", header, a.status)
		}
	}
}

// What Tableau answers is data: JSON as it came, text as text, the rest as
// base64, and of the headers the few that concern the caller.
func callAnswers(t *testing.T, n *node) {
	png := "\x89PNG\r\n\x1a\n\x00\xff"
	tests := map[string]struct {
		status     int
		kind, body string
		want       string // of body
		binary     bool
	}{
		"JSON":          {200, "application/json", `{"a": [1, 2]}`, `{"a":[1,2]}`, false},
		"XML":           {200, "application/xml", `<a b="1"/>`, `"\u003ca b=\"1\"/\u003e"`, false},
		"CSV":           {200, "text/csv", "a,b\n1,2\n", `"a,b\n1,2\n"`, false},
		"an image":      {200, "image/png", png, "", true},
		"broken UTF-8":  {200, "application/json", "{\"a\":\"\xff\"}", "", true},
		"a refusal":     {404, "application/json", `{"error":{"code":"404002","summary":"Not Found","detail":"x"}}`, `{"error":{"code":"404002","summary":"Not Found","detail":"x"}}`, false},
		"a server's":    {409, "application/json", `{"error":{"code":"409014"}}`, `{"error":{"code":"409014"}}`, false},
		"nothing":       {204, "application/json", "", "", false},
		"forbidden XML": {403, "application/xml", "<tsResponse/>", `"\u003ctsResponse/\u003e"`, false},
	}
	for name, tt := range tests {
		f := tableautest.Fault{
			Path: "/api/3.24/sites/*/views/**", Status: tt.status, Body: tt.body, ContentType: tt.kind,
			Header: http.Header{"Set-Cookie": {"workgroup_session_id=" + canary}, "X-Tableau-Auth": {canary}, "Etag": {`"1"`}, "Server": {"Tableau"}},
		}
		if tt.body == "" {
			f.Body = " "
		}
		h := n.site.Fail(f)
		a := n.call(wire.Call{Method: "GET", Path: "/sites/{siteId}/views/1/data"})
		h.Cancel()
		var got wire.CallAnswer
		if err := json.Unmarshal(a.body, &got); err != nil || a.status != ok || got.Status != tt.status {
			t.Errorf("%s: %d %s, %v", name, a.status, a.body, err)
			continue
		}
		if tt.status != http.StatusNoContent {
			var want, body bytes.Buffer
			if tt.want != "" && (json.Compact(&want, []byte(tt.want)) != nil || json.Compact(&body, got.Body) != nil || want.String() != body.String()) {
				t.Errorf("%s: body %s, want %s", name, got.Body, tt.want)
			}
		}
		raw, err := base64.StdEncoding.DecodeString(got.BodyBase64)
		if tt.binary && (err != nil || string(raw) != tt.body || len(got.Body) != 0) || !tt.binary && got.BodyBase64 != "" {
			t.Errorf("%s: body %s, base64 %q", name, got.Body, got.BodyBase64)
		}
		if got.Headers["Etag"] != `"1"` || len(got.Headers["Set-Cookie"]+got.Headers["X-Tableau-Auth"]+got.Headers["Server"]) != 0 || strings.Contains(string(a.body), canary) {
			t.Errorf("%s: headers %v", name, got.Headers)
		}
		if a.header.Get("Set-Cookie") != "" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: our headers %v", name, a.header)
		}
	}
}

// JSON is sent as it stands, a JSON text as the text that it holds, for XML.
func callBody(t *testing.T, n *node) {
	rita := n.site.User("rita@acme.example")
	for role, body := range map[string]string{
		"Explorer": `{"user":{"siteRole":"Explorer"}}`,
		"Viewer":   `"<tsRequest><user siteRole=\"Viewer\"/></tsRequest>"`,
	} {
		got := get[wire.CallAnswer](n, "POST", "/connections/"+n.connection+"/call", json.RawMessage(`{"method":"PUT","path":"/sites/{siteId}/users/`+rita.ID()+`","body":`+body+`}`))
		if got.Status != ok || rita.Role() != role {
			t.Errorf("%s: %d %s, Rita is %s", body, got.Status, got.Body, rita.Role())
		}
	}
	events := get[wire.List[wire.Event]](n, "GET", "/audit?subject=connection:"+n.connection, nil)
	var kinds []string
	for _, e := range events.Items[:4] {
		kinds = append(kinds, e.Kind+" "+e.Data["method"]+" "+e.Data["status"])
	}
	if want := []string{"connection.called PUT 200", "connection.calling PUT ", "connection.called PUT 200", "connection.calling PUT "}; !slices.Equal(kinds, want) {
		t.Errorf("recorded %q", kinds)
	}
}

// S9: reads and writes are scopes of their own.
func callScopes(t *testing.T, n *node) {
	for scope, may := range map[identity.Scope]map[string]bool{
		identity.ScopeTableauRead:  {"GET": true, "POST": false, "PUT": false, "PATCH": false, "DELETE": false},
		identity.ScopeTableauWrite: {"GET": false, "POST": true, "DELETE": true},
	} {
		token := n.token("ana@acme.example", scope)
		for method, want := range may {
			a := n.do(token, "POST", "/connections/"+n.connection+"/call", wire.Call{Method: method, Path: "/sites/{siteId}/nothing"})
			if (a.status == ok) != want || !want && a.status != http.StatusForbidden {
				t.Errorf("%s with %s: %d %s", method, scope, a.status, a.body)
			}
		}
	}
}

// S74, S75, S78: an exchange that fails is a problem 502, whatever status
// Tableau gave.
func callFailedExchange(t *testing.T, n *node) {
	for name, tt := range map[string]struct {
		fault  tableautest.Fault
		detail string
		code   string
	}{
		"400":  {tableautest.Fault{Status: 400, Code: "400003", Summary: "Bad Request", Detail: "d"}, "Tableau sign-in failed (HTTP 400, Bad Request): d", "bad_request"},
		"404":  {tableautest.Fault{Status: 404, Code: "404000", Summary: "Not Found", Detail: "d"}, "Tableau sign-in failed (HTTP 404, Not Found): d", "bad_request"},
		"405":  {tableautest.Fault{Status: 405, Code: "405000", Summary: "Not Allowed", Detail: "d"}, "Tableau sign-in failed (HTTP 405, Not Allowed): d", "bad_request"},
		"401":  {tableautest.Fault{Code: "401001", Summary: "Signin Error", Detail: "d’s “x”"}, "Tableau sign-in failed (HTTP 401, Signin Error): d’s “x”", "auth_rejected"},
		"HTML": {tableautest.Fault{Body: "<html>\n" + strings.Repeat("é", 300), ContentType: "text/html"}, "Tableau sign-in failed (HTTP 200): <html> " + strings.Repeat("é", 193) + "…", "not_tableau"},
	} {
		tt.fault.Operation, tt.fault.Times = "sign-in", -1
		h := n.site.Fail(tt.fault)
		a := n.call(wire.Call{Method: "GET", Path: "/sessions/current"})
		h.Cancel()
		if p := a.problem(t); a.status != http.StatusBadGateway || p.Detail != tt.detail || p.Code != tt.code || len(p.NextSteps) == 0 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

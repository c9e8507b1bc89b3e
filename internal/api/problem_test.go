package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/identity"
)

const canary = "Q0FOQVJZ-canary-of-what-was-submitted-9d2f"

// TestAPI runs its parts one after another on one node.
func TestAPI(t *testing.T) {
	t.Parallel()
	n := start(t).ready()
	for _, part := range []struct {
		name string
		run  func(t *testing.T, n *node)
	}{
		{"problems", testProblems}, {"headers", testHeaders}, {"pages", testPages}, {"policies", testPolicyKeepsWhatIsLeftOut}, {"durations", testDurations},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, n.in(t)) })
	}
	if strings.Contains(n.logs.String(), canary) {
		t.Error("what was submitted stands in the log")
	}
}

// Every error is a problem with the request's id, and repeats nothing of what
// was submitted, whatever the key that it stands under.
func testProblems(t *testing.T, n *node) {
	q, _ := json.Marshal(canary)
	secret := string(q)
	tests := map[string]struct {
		method, path, body string
		header             []string
		status             int
		code, pointer      string
	}{
		"no JSON":                  {"POST", "/api/v1/people", `{"email":` + canary, nil, 400, "bad_request", ""},
		"a cut JSON":               {"POST", "/api/v1/people", `{"email":` + secret, nil, 400, "bad_request", ""},
		"JSON and more":            {"POST", "/api/v1/people", `{"email":"x@acme.example"} ` + canary, nil, 400, "bad_request", ""},
		"no body":                  {"POST", "/api/v1/people", "", nil, 400, "bad_request", ""},
		"a text for an object":     {"POST", "/api/v1/people", secret, nil, 422, "bad_request", "body"},
		"a list for an object":     {"POST", "/api/v1/people", `[` + secret + `]`, nil, 422, "bad_request", "body"},
		"a field is missing":       {"POST", "/api/v1/people", `{"name":` + secret + `}`, nil, 422, "bad_request", "body"},
		"an unknown field":         {"POST", "/api/v1/people", `{"email":"x@acme.example","password":` + secret + `}`, nil, 422, "bad_request", "password"},
		"an unknown inner field":   {"POST", "/api/v1/policies", `{"name":"p","steps":[{"token":` + secret + `}]}`, nil, 422, "bad_request", "steps[0].token"},
		"the wrong type":           {"POST", "/api/v1/people", `{"email":"x@acme.example","admin":` + secret + `}`, nil, 422, "bad_request", "admin"},
		"a secret of wrong type":   {"POST", "/api/v1/connections", `{"integration":"tableau","settings":{"pat_secret":[` + secret + `]}}`, nil, 422, "bad_request", "settings.pat_secret"},
		"a secret beside settings": {"POST", "/api/v1/connections", `{"integration":"tableau","settings":{},"pat_secret":` + secret + `}`, nil, 422, "bad_request", "pat_secret"},
		"a secret under any key":   {"POST", "/api/v1/connections", `{"integration":"tableau","settings":{"pat_sercet":` + secret + `}}`, nil, 422, "field_invalid", "settings.pat_sercet"},
		"a secret as the server":   {"POST", "/api/v1/connections", `{"integration":"tableau","settings":{"server_url":"` + canary + `@h/` + canary + `","pat_name":"a","pat_secret":"b"}}`, nil, 422, "field_invalid", "settings.server_url"},
		"a secret behind it":       {"POST", "/api/v1/connections", `{"integration":"tableau","settings":{"server_url":"h.example/?t=` + canary + `","pat_name":"a","pat_secret":"b"}}`, nil, 422, "field_invalid", "settings.server_url"},
		"a secret as the site":     {"POST", "/api/v1/connections", `{"integration":"tableau","settings":{"server_url":"h","site_content_url":"` + canary + `==:","pat_name":"a","pat_secret":"b"}}`, nil, 422, "field_invalid", "settings.site_content_url"},
		"a bad length of time":     {"POST", "/api/v1/requests", `{"role_id":"x","duration":"` + strings.Repeat("z", 5000) + canary + `"}`, nil, 422, "bad_request", ""},
		"an unknown filter":        {"GET", "/api/v1/grants?stat=" + canary, "", nil, 422, "bad_request", "query.stat"},
		"an unknown state":         {"GET", "/api/v1/grants?state=" + canary, "", nil, 422, "field_invalid", "state"},
		"a limit too large":        {"GET", "/api/v1/grants?limit=201", "", nil, 422, "bad_request", "query.limit"},
		"a limit of nothing":       {"GET", "/api/v1/grants?limit=0", "", nil, 422, "bad_request", "query.limit"},
		"a limit that is none":     {"GET", "/api/v1/grants?limit=" + canary, "", nil, 422, "bad_request", "query.limit"},
		"a foreign cursor":         {"GET", "/api/v1/grants?cursor=" + canary, "", nil, 422, "field_invalid", "cursor"},
		"a cursor of other things": {"GET", "/api/v1/grants?cursor=" + n.request, "", nil, 422, "field_invalid", "cursor"},
		"an audit cursor, 0":       {"GET", "/api/v1/audit?cursor=0", "", nil, 422, "field_invalid", "cursor"},
		"an audit cursor, text":    {"GET", "/api/v1/audit?cursor=" + canary, "", nil, 422, "field_invalid", "cursor"},
		"no such path":             {"GET", "/api/v1/nothing", "", nil, 404, "no_route", ""},
		"no such root":             {"GET", "/api/", "", nil, 404, "no_route", ""},
		"a last slash":             {"GET", "/api/v1/apps/", "", nil, 404, "no_route", ""},
		"another method":           {"PUT", "/api/v1/apps", `{}`, nil, 405, "no_route", ""},
		"a method of nobody's":     {"BREW", "/api/v1/apps", "", nil, 405, "no_route", ""},
		"no such thing":            {"GET", "/api/v1/apps/" + n.app + "x", "", nil, 404, "", ""},
		"a role of another app":    {"GET", "/api/v1/apps/app_other/roles/" + n.role, "", nil, 404, "role_missing", ""},
		"an odd id":                {"GET", "/api/v1/apps/%27%20OR%201=1%20--", "", nil, 404, "", ""},
		"a NUL in an id":           {"GET", "/api/v1/grants/%00", "", nil, 404, "", ""},
		"a body too large":         {"POST", "/api/v1/people", `{"email":"x@acme.example","name":"` + strings.Repeat("x", 1<<20) + canary + `"}`, nil, 413, "bad_request", ""},
		"a body of another type":   {"POST", "/api/v1/people", `email=` + canary, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "bad_request", ""},
		"no such bundle":           {"POST", "/api/v1/bundles/tableau/nothing/install", "", nil, 404, "bundle_missing", ""},
		"a pair of nobody's":       {"POST", "/api/v1/bundles/okta/access-management/install", "", nil, 404, "integration_missing", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := n.in(t).send(n.admin, tt.method, tt.path, tt.body, tt.header...)
			if got.status != tt.status {
				t.Fatalf("status %d, want %d: %s", got.status, tt.status, got.body)
			}
			p := got.problem(t)
			if tt.code != "" && p.Code != tt.code {
				t.Errorf("code %q, want %q: %s", p.Code, tt.code, got.body)
			}
			if tt.pointer != "" && (len(p.Errors) == 0 || p.Errors[0].Pointer != tt.pointer || p.Errors[0].Detail == "") {
				t.Errorf("errors %+v, want one at %q", p.Errors, tt.pointer)
			}
			if strings.Contains(string(got.body), canary) || strings.Contains(got.header.Get("Location"), canary) || len(got.body) > 4000 {
				t.Errorf("the answer repeats what was submitted: %.300s", got.body)
			}
			if tt.status == http.StatusMethodNotAllowed && !strings.Contains(got.header.Get("Allow"), "GET") {
				t.Errorf("Allow: %q", got.header.Get("Allow"))
			}
		})
	}
}

func testHeaders(t *testing.T, n *node) {
	for given, kept := range map[string]bool{"req-1_A": true, "": false, "a b": false, "x\"y": false, strings.Repeat("a", 65): false, strings.Repeat("a", 64): true} {
		var header []string
		if given != "" {
			header = []string{"X-Request-Id", given}
		}
		a := n.send(n.admin, "GET", "/api/v1/apps", "", header...)
		if got := a.header.Get("X-Request-Id"); got == "" || (got == given) != kept {
			t.Errorf("request id %q became %q", given, got)
		}
		if a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("headers %v", a.header)
		}
	}
	for _, header := range []string{"Bearer " + n.admin, "bearer " + n.admin, "BEARER  " + n.admin + " "} {
		if a := n.send("", "GET", "/api/v1/me", "", "Authorization", header); a.status != http.StatusOK {
			t.Errorf("Authorization in another case: %d %s", a.status, a.body)
		}
	}
	for _, header := range []string{"Basic " + n.admin, n.admin, "Bearer", "Bearer ", "Token " + n.admin} {
		a := n.send("", "GET", "/api/v1/me", "", "Authorization", header)
		if a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") == "" || strings.Contains(string(a.body), n.admin) {
			t.Errorf("%.10s…: %d %s", header, a.status, a.body)
		}
		if p := a.problem(t); len(p.NextSteps) == 0 {
			t.Error("nobody says what to do next")
		}
	}
	if a := n.send("", "HEAD", "/api/v1/me", ""); a.status != http.StatusUnauthorized {
		t.Errorf("HEAD without a token: %d", a.status)
	}
}

// A policy keeps what a change does not say: above all, its approvers.
func testPolicyKeepsWhatIsLeftOut(t *testing.T, n *node) {
	made := get[wire.Policy](n, "POST", "/policies", json.RawMessage(
		`{"name":"Strict","longest":"PT8H","usual":"PT1H","reason_needed":true,"on_behalf":true,"steps":[{"approver_ids":["`+n.ritaID+`"]}]}`))

	renamed := get[wire.Policy](n, "PATCH", "/policies/"+made.ID, json.RawMessage(`{"name":"Stricter"}`))
	if renamed.Name != "Stricter" || len(renamed.Steps) != 1 || renamed.Steps[0].ApproverIDs[0] != n.ritaID || renamed.Longest != made.Longest || renamed.Usual != made.Usual ||
		!renamed.ReasonNeeded || renamed.OnBehalf != "anybody" || renamed.Version != 2 {
		t.Errorf("a change of the name made it %+v", renamed)
	}
	open := get[wire.Policy](n, "PATCH", "/policies/"+made.ID, json.RawMessage(`{"longest":null,"usual":null,"reason_needed":false,"steps":[]}`))
	if open.Longest != 0 || open.Usual != 0 || open.ReasonNeeded || len(open.Steps) != 0 || open.OnBehalf != "anybody" || open.Name != "Stricter" {
		t.Errorf("null and [] made it %+v", open)
	}
}

// A length of time that is left out is the policy's usual one, null is one
// without an end, a text is that long.
func testDurations(t *testing.T, n *node) {
	get[wire.Policy](n, "PATCH", "/policies/"+n.policy, json.RawMessage(`{"longest":null,"usual":"PT2H","steps":[{"approver_ids":["`+n.ritaID+`"]}]}`))
	for given, want := range map[string]string{``: `"PT2H"`, `,"duration":null`: `null`, `,"duration":"PT30M"`: `"PT30M"`, `,"duration":"30d"`: `"P30D"`} {
		r := get[struct {
			Duration json.RawMessage `json:"duration"`
			ID       string          `json:"id"`
		}](n, "POST", "/requests", json.RawMessage(`{"role_id":"`+n.role+`"`+given+`}`))
		if string(r.Duration) != want {
			t.Errorf("%s: %s, want %s", given, r.Duration, want)
		}
		if a := n.do(n.admin, "POST", "/requests/"+r.ID+"/withdraw", nil); a.status != ok {
			t.Fatalf("withdraw: %d %s", a.status, a.body)
		}
	}
}

// Pages follow one another without a gap and without a thing twice, also when
// things are added in between.
func testPages(t *testing.T, n *node) {
	get[wire.Policy](n, "PATCH", "/policies/"+n.policy, json.RawMessage(`{"steps":[{"approver_ids":["`+n.ritaID+`"]}]}`))
	ask := func() {
		id := get[wire.Request](n, "POST", "/requests", wire.NewRequest{RoleID: n.role}).ID
		get[wire.Request](n, "POST", "/requests/"+id+"/withdraw", nil)
	}
	for range 6 {
		ask()
	}
	for path, least := range map[string]int{"/requests": 7, "/grants": 1, "/runs": 1, "/audit": 20} {
		first := get[wire.List[struct{ ID string }]](n, "GET", path+"?limit=200", nil)
		if len(first.Items) < least || first.NextCursor != "" {
			t.Errorf("%s: %d on one page, next %q", path, len(first.Items), first.NextCursor)
		}
		var ids []string
		cursor := ""
		for range len(first.Items) + 2 {
			page := get[wire.List[struct{ ID string }]](n, "GET", path+"?limit=2&cursor="+cursor, nil)
			if len(page.Items) > 2 || len(page.Items) == 0 {
				t.Errorf("%s: a page of %d", path, len(page.Items))
			}
			for _, i := range page.Items {
				ids = append(ids, i.ID)
			}
			if cursor = page.NextCursor; cursor == "" {
				break
			}
			ask() // stays ahead of the first page
		}
		want := make([]string, 0, len(first.Items))
		for _, i := range first.Items {
			want = append(want, i.ID)
		}
		// What was asked in between may stand at the head of the first page only.
		if got := strings.Join(ids, " "); !strings.HasSuffix(strings.Join(want, " "), got) && got != strings.Join(want, " ") {
			t.Errorf("%s: pages of 2 give\n%s, one page\n%s", path, got, strings.Join(want, " "))
		}
		if len(ids) != len(want) {
			t.Errorf("%s: %d things in pages, %d at once", path, len(ids), len(want))
		}
	}
	empty := n.do(n.token("rita@acme.example", identity.ScopeAccessRead), "GET", "/grants?app_id=app_none", nil)
	if strings.TrimSpace(string(empty.body)) != `{"items":[]}` {
		t.Errorf("an empty list: %s", empty.body)
	}
}

package api_test

import (
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/api"
	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/identity"
)

// document is what the tests read of the OpenAPI description.
type document struct {
	OpenAPI    string                          `json:"openapi"`
	Info       struct{ Title, Version string } `json:"info"`
	Security   []map[string][]string           `json:"security"`
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas         map[string]map[string]any `json:"schemas"`
		SecuritySchemes map[string]map[string]any `json:"securitySchemes"`
	} `json:"components"`
}

type operation struct {
	OperationID string                 `json:"operationId"`
	Summary     string                 `json:"summary"`
	Security    *[]map[string][]string `json:"security"`
	RequestBody *struct {
		Content map[string]struct {
			Schema map[string]any `json:"schema"`
		} `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Content map[string]struct {
			Schema map[string]any `json:"schema"`
		} `json:"content"`
	} `json:"responses"`
}

// describe reads the description without a token; no service is asked for it.
func describe(t *testing.T) document {
	t.Helper()
	w := httptest.NewRecorder()
	api.New(api.Config{Version: "1.2.3", Log: slog.New(slog.DiscardHandler)}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/openapi.json", nil))
	var d document
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil || w.Code != http.StatusOK {
		t.Fatalf("the description: %d, %v", w.Code, err)
	}
	return d
}

// act is one operation as three callers meet it.
type act struct {
	path      func(n *node) string // "": as it is
	body      any
	requester int // status for somebody who may see, ask and decide
	wrong     int // for an administrator's token that is for something else
	admin     int
}

const (
	ok        = http.StatusOK
	created   = http.StatusCreated
	accepted  = http.StatusAccepted
	noContent = http.StatusNoContent
	forbidden = http.StatusForbidden
	notFound  = http.StatusNotFound
	conflict  = http.StatusConflict
)

// acts lists every operation of the API, by method and path.
func acts() map[string]act {
	id := func(path string, of func(n *node) string) func(n *node) string {
		return func(n *node) string { return strings.Replace(path, "{id}", of(n), 1) }
	}
	connection, app := func(n *node) string { return n.connection }, func(n *node) string { return n.app }
	policy, request := func(n *node) string { return n.policy }, func(n *node) string { return n.request }
	grant, run := func(n *node) string { return n.grant }, func(n *node) string { return n.run }
	group, profile := func(n *node) string { return n.group }, func(n *node) string { return n.profile }
	person, spare := func(n *node) string { return n.ritaID }, func(n *node) string { return n.spare }
	flow := func(act string) func(n *node) string {
		return func(n *node) string { return "/workflows/" + n.provisionWorkflow + act }
	}
	role := func(n *node) string { return "/apps/" + n.app + "/roles/" + n.role }
	of := func(rest string) func(*node) string { return func(*node) string { return "/webhooks/whk_none" + rest } }
	none := of("")
	batch := func(rest string) func(*node) string { return func(*node) string { return "/batches/bat_none" + rest } }
	settings := map[string]string{"server_url": "h.example", "pat_name": "margay", "pat_secret": "a-secret-of-some-length"}
	return map[string]act{
		"GET /me":                {requester: ok, wrong: ok, admin: ok},
		"GET /integrations":      {requester: ok, wrong: ok, admin: ok},
		"GET /integrations/{id}": {path: id("/integrations/{id}", func(*node) string { return "tableau" }), requester: ok, wrong: ok, admin: ok},
		"GET /integrations/{id}/declarations": {
			path: id("/integrations/{id}/declarations", func(*node) string { return "tableau" }), requester: ok, wrong: forbidden, admin: ok,
		},
		"GET /people":             {requester: ok, wrong: forbidden, admin: ok},
		"POST /people":            {body: wire.NewPerson{Email: "new@acme.example"}, requester: forbidden, wrong: forbidden, admin: created},
		"GET /people/{id}":        {path: id("/people/{id}", person), requester: ok, wrong: forbidden, admin: ok},
		"PATCH /people/{id}":      {path: id("/people/{id}", person), body: wire.ChangedPerson{Name: new("R")}, requester: forbidden, wrong: forbidden, admin: ok},
		"GET /connections":        {requester: forbidden, wrong: forbidden, admin: ok},
		"POST /connections":       {body: wire.NewConnection{Integration: "tableau", Settings: settings}, requester: forbidden, wrong: forbidden, admin: created},
		"GET /connections/{id}":   {path: id("/connections/{id}", connection), requester: forbidden, wrong: forbidden, admin: ok},
		"PATCH /connections/{id}": {path: id("/connections/{id}", spare), body: wire.ChangedConnection{Settings: map[string]string{}}, requester: forbidden, wrong: forbidden, admin: ok},
		"DELETE /connections/{id}": {
			path: id("/connections/{id}", spare), requester: forbidden, wrong: forbidden, admin: noContent,
		},
		"POST /connections/{id}/checks":  {path: id("/connections/{id}/checks", connection), requester: forbidden, wrong: forbidden, admin: ok},
		"GET /integrations/{id}/methods": {path: id("/integrations/{id}/methods", func(*node) string { return "tableau" }), requester: ok, wrong: ok, admin: ok},
		"POST /connections/test": {
			body: wire.TestConnection{Settings: map[string]string{"server_url": "h.example"}}, requester: forbidden, wrong: forbidden, admin: http.StatusUnprocessableEntity,
		},
		"GET /connections/{id}/calls":    {path: id("/connections/{id}/calls", connection), requester: forbidden, wrong: forbidden, admin: ok},
		"POST /connections/{id}/preview": {path: id("/connections/{id}/preview", connection), body: wire.ChangedConnection{Settings: map[string]string{}}, requester: forbidden, wrong: forbidden, admin: ok},
		"POST /connections/{id}/rotate": {
			path: id("/connections/{id}/rotate", spare), body: wire.ChangedConnection{Settings: map[string]string{}}, requester: forbidden, wrong: forbidden, admin: http.StatusUnprocessableEntity,
		},
		"POST /connections/{id}/pause":  {path: id("/connections/{id}/pause", spare), requester: forbidden, wrong: forbidden, admin: ok},
		"POST /connections/{id}/resume": {path: id("/connections/{id}/resume", spare), requester: forbidden, wrong: forbidden, admin: ok},
		"POST /connections/{id}/retire": {path: id("/connections/{id}/retire", connection), requester: forbidden, wrong: forbidden, admin: conflict},
		"POST /connections/{id}/call": {
			path: id("/connections/{id}/call", connection), body: wire.Call{Method: "GET", Path: "/sessions/current"}, requester: forbidden, wrong: forbidden, admin: ok,
		},
		"POST /connections/{id}/pages": {
			path: id("/connections/{id}/pages", connection), body: wire.Call{Method: "GET", Path: "/sites/{siteId}/users"}, requester: forbidden, wrong: forbidden, admin: ok,
		},
		"GET /bundles": {requester: ok, wrong: forbidden, admin: ok},
		"POST /bundles/{integration}/{slug}/install": {
			path: func(*node) string { return "/bundles/tableau/access-management/install" }, requester: forbidden, wrong: forbidden, admin: ok,
		},
		"GET /workflows":      {requester: ok, wrong: forbidden, admin: ok},
		"GET /workflows/{id}": {path: flow(""), requester: ok, wrong: forbidden, admin: ok},
		"POST /workflows": {
			body: wire.NewWorkflow{Name: "New", Type: "manual", Integration: "tableau"}, requester: forbidden, wrong: forbidden, admin: created,
		},
		"POST /workflows/check":          {body: wire.CheckedContent{Integration: "tableau", Source: "x"}, requester: forbidden, wrong: forbidden, admin: ok},
		"PATCH /workflows/{id}":          {path: flow(""), body: wire.ChangedWorkflow{Description: new("d")}, requester: forbidden, wrong: forbidden, admin: ok},
		"PUT /workflows/{id}/draft":      {path: flow("/draft"), body: wire.SavedDraft{Revision: 99, WorkflowContent: wire.WorkflowContent{Source: "x"}}, requester: forbidden, wrong: forbidden, admin: conflict},
		"DELETE /workflows/{id}/draft":   {path: flow("/draft?revision=99"), requester: forbidden, wrong: forbidden, admin: conflict},
		"POST /workflows/{id}/publish":   {path: flow("/publish"), body: wire.Publication{Revision: 99}, requester: forbidden, wrong: forbidden, admin: conflict},
		"GET /workflows/{id}/versions":   {path: flow("/versions"), requester: forbidden, wrong: forbidden, admin: ok},
		"GET /workflows/{id}/diff":       {path: flow("/diff?from=1&to=shipped"), requester: forbidden, wrong: forbidden, admin: ok},
		"POST /workflows/{id}/restore":   {path: flow("/restore"), body: wire.Restoration{Version: "9"}, requester: forbidden, wrong: forbidden, admin: notFound},
		"POST /workflows/{id}/update":    {path: flow("/update"), requester: forbidden, wrong: forbidden, admin: conflict},
		"POST /workflows/{id}/duplicate": {path: flow("/duplicate"), requester: forbidden, wrong: forbidden, admin: created},
		"POST /workflows/{id}/archive":   {path: flow("/archive"), requester: forbidden, wrong: forbidden, admin: conflict},
		"POST /workflows/{id}/unarchive": {path: flow("/unarchive"), requester: forbidden, wrong: forbidden, admin: conflict},
		"POST /workflows/{id}/run":       {path: flow("/run"), requester: conflict, wrong: forbidden, admin: conflict},
		"POST /requests/{id}/retry":      {path: id("/requests/{id}/retry", request), requester: forbidden, wrong: forbidden, admin: conflict},
		"GET /workflows/{id}/versions/{version}": {
			path: flow("/versions/1"), requester: forbidden, wrong: forbidden, admin: ok,
		},
		"POST /apps/{id}/workflows": {
			path: id("/apps/{id}/workflows", app), body: wire.AssignedWorkflows{ProvisionWorkflowID: "wfl_none"}, requester: forbidden, wrong: forbidden, admin: notFound,
		},
		"GET /apps":        {requester: ok, wrong: forbidden, admin: ok},
		"POST /apps":       {body: wire.NewApp{Name: "Other"}, requester: forbidden, wrong: forbidden, admin: http.StatusUnprocessableEntity},
		"GET /apps/{id}":   {path: id("/apps/{id}", app), requester: ok, wrong: forbidden, admin: ok},
		"PATCH /apps/{id}": {path: id("/apps/{id}", app), body: wire.ChangedApp{Name: new("T")}, requester: forbidden, wrong: forbidden, admin: ok},
		"GET /apps/{id}/roles": {
			path: id("/apps/{id}/roles", app), requester: ok, wrong: forbidden, admin: ok,
		},
		"POST /apps/{id}/roles":         {path: id("/apps/{id}/roles", app), body: wire.NewRole{Name: "Viewer"}, requester: forbidden, wrong: forbidden, admin: created},
		"GET /apps/{id}/roles/{role}":   {path: role, requester: ok, wrong: forbidden, admin: ok},
		"PATCH /apps/{id}/roles/{role}": {path: role, body: wire.ChangedRole{Description: new("d")}, requester: forbidden, wrong: forbidden, admin: ok},
		"POST /people/import":           {body: wire.Import{CSV: "email\nnew2@acme.example\n"}, requester: forbidden, wrong: forbidden, admin: ok},
		"POST /people/{id}/disable": {
			path: id("/people/{id}/disable?dry_run=true", person), requester: forbidden, wrong: forbidden, admin: ok,
		},
		"GET /groups":         {requester: ok, wrong: forbidden, admin: ok},
		"POST /groups":        {body: wire.NewGroup{Name: "New"}, requester: forbidden, wrong: forbidden, admin: created},
		"GET /groups/{id}":    {path: id("/groups/{id}", group), requester: ok, wrong: forbidden, admin: ok},
		"PATCH /groups/{id}":  {path: id("/groups/{id}", group), body: wire.ChangedGroup{Name: new("G")}, requester: forbidden, wrong: forbidden, admin: ok},
		"POST /groups/import": {body: wire.Import{CSV: "group,member\nOther,rita@acme.example\n"}, requester: forbidden, wrong: forbidden, admin: ok},
		"GET /profiles":       {requester: ok, wrong: forbidden, admin: ok},
		"POST /profiles":      {body: wire.NewProfile{Name: "P", GroupIDs: []string{}}, requester: forbidden, wrong: forbidden, admin: http.StatusUnprocessableEntity},
		"GET /profiles/{id}":  {path: id("/profiles/{id}", profile), requester: ok, wrong: forbidden, admin: ok},
		"PATCH /profiles/{id}": {
			path: id("/profiles/{id}", profile), body: wire.ChangedProfile{Name: new("Q")}, requester: forbidden, wrong: forbidden, admin: ok,
		},
		"GET /policies/{id}/versions": {path: id("/policies/{id}/versions", policy), requester: ok, wrong: forbidden, admin: ok},
		"GET /policies/{id}/diff":     {path: id("/policies/{id}/diff", policy), requester: ok, wrong: forbidden, admin: ok},
		"POST /apps/{id}/roles/offer": {path: id("/apps/{id}/roles/offer", app), requester: forbidden, wrong: forbidden, admin: ok},
		"GET /catalogue":              {requester: ok, wrong: forbidden, admin: ok},
		"GET /requests/{id}/review":   {path: id("/requests/{id}/review", request), requester: ok, wrong: forbidden, admin: ok},
		"GET /requests/{id}/comments": {path: id("/requests/{id}/comments", request), requester: ok, wrong: forbidden, admin: ok},
		"POST /requests/{id}/comments": {
			path: id("/requests/{id}/comments", request), body: wire.NewComment{Text: "Hm."}, requester: created, wrong: forbidden, admin: created,
		},
		"GET /policies":                 {requester: ok, wrong: forbidden, admin: ok},
		"POST /policies":                {body: wire.NewPolicy{Name: "P"}, requester: forbidden, wrong: forbidden, admin: created},
		"GET /policies/{id}":            {path: id("/policies/{id}", policy), requester: ok, wrong: forbidden, admin: ok},
		"PATCH /policies/{id}":          {path: id("/policies/{id}", policy), body: wire.ChangedPolicy{Name: new("Q")}, requester: forbidden, wrong: forbidden, admin: ok},
		"GET /requests":                 {requester: ok, wrong: forbidden, admin: ok},
		"POST /requests":                {body: wire.NewRequest{RoleID: "rol_none"}, requester: notFound, wrong: forbidden, admin: notFound},
		"GET /requests/{id}":            {path: id("/requests/{id}", request), requester: ok, wrong: forbidden, admin: ok},
		"POST /requests/{id}/approve":   {path: id("/requests/{id}/approve", request), requester: conflict, wrong: forbidden, admin: conflict},
		"POST /requests/{id}/deny":      {path: id("/requests/{id}/deny", request), body: wire.Decision{Reason: "no"}, requester: conflict, wrong: forbidden, admin: conflict},
		"POST /requests/{id}/withdraw":  {path: id("/requests/{id}/withdraw", request), requester: conflict, wrong: forbidden, admin: conflict},
		"GET /grants":                   {requester: ok, wrong: forbidden, admin: ok},
		"GET /grants/{id}":              {path: id("/grants/{id}", grant), requester: ok, wrong: forbidden, admin: ok},
		"POST /grants/{id}/retry":       {path: id("/grants/{id}/retry", grant), requester: forbidden, wrong: forbidden, admin: conflict},
		"GET /runs":                     {requester: ok, wrong: forbidden, admin: ok},
		"GET /runs/{id}":                {path: id("/runs/{id}", run), requester: ok, wrong: forbidden, admin: ok},
		"GET /runs/{id}/watch":          {path: id("/runs/{id}/watch?seconds=0", run), requester: ok, wrong: forbidden, admin: ok},
		"POST /runs/{id}/cancel":        {path: id("/runs/{id}/cancel", run), requester: forbidden, wrong: forbidden, admin: conflict},
		"POST /workflows/{id}/test":     {path: func(*node) string { return "/workflows/none/test" }, body: wire.TestRun{}, requester: forbidden, wrong: forbidden, admin: notFound},
		"POST /runs/{id}/retry":         {path: id("/runs/{id}/retry", run), requester: forbidden, wrong: forbidden, admin: conflict},
		"POST /batches":                 {body: wire.NewBatch{Act: "retry_run", IDs: []string{"run_none"}}, requester: notFound, wrong: forbidden, admin: notFound},
		"GET /batches":                  {requester: ok, wrong: forbidden, admin: ok},
		"GET /batches/{id}":             {path: batch(""), requester: notFound, wrong: forbidden, admin: notFound},
		"GET /batches/{id}/rows":        {path: batch("/rows"), requester: notFound, wrong: forbidden, admin: notFound},
		"POST /batches/{id}/start":      {path: batch("/start"), requester: notFound, wrong: forbidden, admin: notFound},
		"POST /batches/{id}/stop":       {path: batch("/stop"), requester: notFound, wrong: forbidden, admin: notFound},
		"GET /audit":                    {requester: forbidden, wrong: ok, admin: ok}, // "wrong" is a token for the audit log
		"GET /audit/verify":             {requester: forbidden, wrong: ok, admin: ok},
		"GET /webhooks":                 {requester: forbidden, wrong: forbidden, admin: ok},
		"POST /webhooks":                {body: wire.NewWebhook{URL: "https://hooks.acme.example/"}, requester: forbidden, wrong: forbidden, admin: created},
		"GET /webhooks/{id}":            {path: none, requester: forbidden, wrong: forbidden, admin: notFound},
		"PATCH /webhooks/{id}":          {path: none, body: wire.ChangedWebhook{Name: new("n")}, requester: forbidden, wrong: forbidden, admin: notFound},
		"DELETE /webhooks/{id}":         {path: none, requester: forbidden, wrong: forbidden, admin: notFound},
		"POST /webhooks/{id}/test":      {path: of("/test"), requester: forbidden, wrong: forbidden, admin: notFound},
		"POST /webhooks/{id}/rotate":    {path: of("/rotate"), requester: forbidden, wrong: forbidden, admin: notFound},
		"GET /webhooks/{id}/deliveries": {path: of("/deliveries"), requester: forbidden, wrong: forbidden, admin: notFound},
		"POST /webhooks/{id}/deliveries/{delivery}/replay": {
			path: of("/deliveries/dlv_none/replay"), requester: forbidden, wrong: forbidden, admin: notFound,
		},
		"GET /notices/mail":          {requester: ok, wrong: forbidden, admin: ok},
		"PATCH /notices/mail":        {body: wire.ChangedMail{Mine: true}, requester: ok, wrong: forbidden, admin: ok},
		"POST /notices/mail/test":    {requester: forbidden, wrong: forbidden, admin: conflict}, // no mail server is set up
		"POST /grants/{id}/extend":   {path: id("/grants/{id}/extend", grant), body: wire.Extension{Duration: wire.For(1e5 * time.Hour)}, requester: http.StatusUnprocessableEntity, wrong: forbidden, admin: http.StatusUnprocessableEntity},
		"POST /requests/{id}/extend": {path: id("/requests/{id}/extend", request), body: wire.Extension{Duration: wire.For(1e5 * time.Hour)}, requester: http.StatusUnprocessableEntity, wrong: forbidden, admin: http.StatusUnprocessableEntity},
		"POST /grants/{id}/reduce":   {path: id("/grants/{id}/reduce", grant), body: wire.Reduction{}, requester: http.StatusUnprocessableEntity, wrong: forbidden, admin: http.StatusUnprocessableEntity},
		"POST /people/{id}/revoke-all": {
			path: func(n *node) string { return "/people/" + n.ritaID + "/revoke-all?dry_run=true" }, requester: forbidden, wrong: forbidden, admin: accepted,
		},
		"GET /apps/{id}/provisioning": {path: id("/apps/{id}/provisioning", app), requester: ok, wrong: forbidden, admin: ok},
		"PUT /apps/{id}/provisioning": {
			path: id("/apps/{id}/provisioning", app), body: wire.ChangedProvisioning{Method: "workflows"}, requester: forbidden, wrong: forbidden, admin: ok,
		},
		"GET /apps/{id}/roles/{role}/provisioning": {path: func(n *node) string { return role(n) + "/provisioning" }, requester: ok, wrong: forbidden, admin: ok},
		"PUT /apps/{id}/roles/{role}/provisioning": {
			path: func(n *node) string { return role(n) + "/provisioning" }, body: wire.ChangedProvisioning{}, requester: forbidden, wrong: forbidden, admin: ok,
		},
		"POST /apps/{id}/drift": {path: id("/apps/{id}/drift", app), requester: forbidden, wrong: forbidden, admin: accepted},
		"GET /apps/{id}/drift":  {path: id("/apps/{id}/drift", app), requester: forbidden, wrong: forbidden, admin: ok},
		"GET /apps/{id}/drift/{comparison}": {
			path: id("/apps/{id}/drift/cmp_none", app), requester: forbidden, wrong: forbidden, admin: notFound,
		},
		"GET /apps/{id}/drift/{comparison}/differences": {
			path: id("/apps/{id}/drift/cmp_none/differences", app), requester: forbidden, wrong: forbidden, admin: notFound,
		},
		"POST /apps/{id}/drift/differences/{difference}/resolve": {
			path: id("/apps/{id}/drift/differences/dif_none/resolve", app), body: wire.Resolution{How: "accept"}, requester: forbidden, wrong: forbidden, admin: notFound,
		},
		"POST /grants/{id}/accept":         {path: id("/grants/{id}/accept", grant), requester: forbidden, wrong: forbidden, admin: conflict},
		"POST /grants/{id}/restore":        {path: id("/grants/{id}/restore", grant), requester: forbidden, wrong: forbidden, admin: conflict},
		"GET /apps/{id}/history":           {path: id("/apps/{id}/history", app), requester: ok, wrong: forbidden, admin: ok},
		"GET /tasks":                       {requester: ok, wrong: forbidden, admin: ok},
		"GET /tasks/{id}":                  {path: id("/tasks/{id}", func(*node) string { return "tsk_none" }), requester: notFound, wrong: forbidden, admin: notFound},
		"POST /tasks/{id}/done":            {path: id("/tasks/{id}/done", func(*node) string { return "tsk_none" }), body: wire.TaskOutcome{}, requester: notFound, wrong: forbidden, admin: notFound},
		"POST /tasks/{id}/fail":            {path: id("/tasks/{id}/fail", func(*node) string { return "tsk_none" }), body: wire.TaskOutcome{}, requester: notFound, wrong: forbidden, admin: notFound},
		"GET /people/{id}/sign-in":         {path: id("/people/{id}/sign-in", person), requester: forbidden, wrong: forbidden, admin: ok},
		"POST /people/{id}/sign-in-link":   {path: id("/people/{id}/sign-in-link", person), requester: forbidden, wrong: forbidden, admin: http.StatusUnprocessableEntity},
		"DELETE /people/{id}/sign-in-link": {path: id("/people/usr_none/sign-in-link", person), requester: forbidden, wrong: forbidden, admin: notFound},
		"POST /me/password": {
			body: wire.NewPassword{Present: "not it, surely not", Password: "a long enough password"}, requester: http.StatusUnprocessableEntity,
			wrong: http.StatusUnprocessableEntity, admin: http.StatusUnprocessableEntity,
		},
		"GET /tokens":              {requester: ok, wrong: forbidden, admin: ok},
		"POST /tokens":             {body: wire.NewToken{Name: "n", Scopes: []string{"access:read"}}, requester: created, wrong: forbidden, admin: created},
		"POST /tokens/{id}/revoke": {path: func(*node) string { return "/tokens/tok_none/revoke" }, requester: notFound, wrong: forbidden, admin: notFound},
		"POST /grants/{id}/revoke": {path: id("/grants/{id}/revoke", grant), requester: accepted, wrong: forbidden, admin: accepted},
	}
}

func (a act) target(name string, n *node) (method, path string) {
	method, path, _ = strings.Cut(name, " ")
	if a.path != nil {
		path = a.path(n)
	}
	return method, path
}

// mistyped returns the token with another last letter than it has.
func mistyped(token string) string {
	last := "0"
	if strings.HasSuffix(token, last) {
		last = "1"
	}
	return token[:len(token)-1] + last
}

// Reliability §6.4: each operation for each caller. One that the API has and
// this table has not fails it.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	n := start(t).ready()
	auditor := n.token("ana@acme.example", identity.ScopeAuditRead)
	get[wire.Person](n, "POST", "/people", wire.NewPerson{Email: "gone@acme.example"})
	gone := n.token("gone@acme.example", identity.ScopeAccessRead)
	table := acts()
	var have []string
	for path, operations := range describe(t).Paths {
		for method := range operations {
			have = append(have, strings.ToUpper(method)+" "+strings.TrimPrefix(path, "/api/v1"))
		}
	}
	slices.Sort(have)
	if want := slices.Sorted(maps.Keys(table)); !slices.Equal(have, want) {
		t.Fatalf("the API has\n%s\nand the table\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}

	for _, name := range have {
		a := table[name]
		method, path := a.target(name, n)
		for what, token := range map[string]string{"none": "", "not ours": "abc", "mistyped": mistyped(n.admin), "not known": "margay_pat_" + strings.Repeat("A", 43)} {
			got := n.do(token, method, path, a.body)
			if got.status != http.StatusUnauthorized || !strings.HasPrefix(got.header.Get("WWW-Authenticate"), `Bearer realm="margay"`) {
				t.Errorf("%s with a token that is %s: %d %s", name, what, got.status, got.body)
			}
			got.problem(t)
		}
		callers := []struct {
			who, token string
			want       int
		}{{"requester", n.rita, a.requester}, {"auditor", auditor, a.wrong}}
		if strings.HasPrefix(name, "POST /grants/{id}/revoke") {
			callers = callers[1:] // below, by its owner, last
		}
		for _, c := range callers {
			got := n.do(c.token, method, path, a.body)
			if got.status != c.want {
				t.Errorf("%s by the %s: %d, want %d: %s", name, c.who, got.status, c.want, got.body)
			}
			if got.status >= 400 {
				got.problem(t)
			}
		}
	}
	for _, name := range have {
		a := table[name]
		if name == "DELETE /connections/{id}" || name == "POST /grants/{id}/revoke" {
			continue
		}
		method, path := a.target(name, n)
		if got := n.do(n.admin, method, path, a.body); got.status != a.admin {
			t.Errorf("%s by the administrator: %d, want %d: %s", name, got.status, a.admin, got.body)
		}
	}
	if got := n.do(n.admin, "DELETE", "/connections/"+n.spare, nil); got.status != noContent || len(got.body) != 0 {
		t.Errorf("DELETE: %d %s", got.status, got.body)
	}
	if got := n.do(n.admin, "DELETE", "/connections/"+n.connection, nil); got.status != conflict {
		t.Errorf("DELETE of one in use: %d %s", got.status, got.body)
	}

	// A person who is disabled is nobody at once.
	if got := n.do(gone, "GET", "/apps", nil); got.status != ok {
		t.Fatalf("before: %d", got.status)
	}
	people := get[wire.List[wire.Person]](n, "GET", "/people", nil)
	at := slices.IndexFunc(people.Items, func(p wire.Person) bool { return p.Email == "gone@acme.example" })
	get[wire.Person](n, "PATCH", "/people/"+people.Items[at].ID, wire.ChangedPerson{Disabled: new(true)})
	if got := n.do(gone, "GET", "/apps", nil); got.status != http.StatusUnauthorized {
		t.Errorf("a disabled person: %d %s", got.status, got.body)
	}

	// A person may end their own access, and nobody else's of whom they know nothing.
	get[wire.Person](n, "POST", "/people", wire.NewPerson{Email: "eve@acme.example"})
	eve := n.token("eve@acme.example", identity.PersonalScopes()...)
	for _, path := range []string{"/grants/" + n.grant, "/requests/" + n.request, "/runs/" + n.run} {
		if got := n.do(eve, "GET", path, nil); got.status != notFound {
			t.Errorf("somebody else at %s: %d %s", path, got.status, got.body)
		}
	}
	if got := n.do(eve, "POST", "/grants/"+n.grant+"/revoke", nil); got.status != notFound && got.status != forbidden {
		t.Errorf("somebody else revokes: %d", got.status)
	}
	if got := n.do(n.rita, "POST", "/grants/"+n.grant+"/revoke", nil); got.status != accepted {
		t.Errorf("the owner revokes: %d %s", got.status, got.body)
	}
}

// The description: OpenAPI 3.1, every operation with schemas and a summary, none
// without a token.
func TestDescription(t *testing.T) {
	t.Parallel()
	d := describe(t)

	if !strings.HasPrefix(d.OpenAPI, "3.1.") || d.Info.Title != "Margay" || d.Info.Version != "1.2.3" {
		t.Errorf("openapi %q, %+v", d.OpenAPI, d.Info)
	}
	if len(d.Security) != 1 || d.Security[0]["token"] == nil || d.Components.SecuritySchemes["token"]["scheme"] != "bearer" {
		t.Errorf("security %v", d.Security)
	}
	ids := map[string]bool{}
	for path, operations := range d.Paths {
		for method, op := range operations {
			name := method + " " + path
			if op.Security != nil {
				t.Errorf("%s has a security of its own: %v", name, *op.Security)
			}
			if op.OperationID == "" || ids[op.OperationID] || op.Summary == "" {
				t.Errorf("%s: id %q, summary %q", name, op.OperationID, op.Summary)
			}
			ids[op.OperationID] = true
			if op.RequestBody != nil && op.RequestBody.Content["application/json"].Schema == nil {
				t.Errorf("%s: its body has no schema", name)
			}
			for status, r := range op.Responses {
				kind := "application/json"
				if status[0] != '2' {
					kind = "application/problem+json"
				}
				if status != "204" && op.OperationID != "read-pages" && r.Content[kind].Schema == nil {
					t.Errorf("%s: the answer %s has no schema of %s", name, status, kind)
				}
			}
			for _, status := range []string{"400", "401", "403", "404", "422", "500"} {
				if _, ok := op.Responses[status]; !ok {
					t.Errorf("%s does not say that it may answer %s", name, status)
				}
			}
		}
	}
	refs(t, d)
}

// refs fails when the description points at a schema that it has not.
func refs(t *testing.T, d document) {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	for part := range strings.SplitSeq(string(text), `"$ref":"#/components/schemas/`) {
		name, _, ok := strings.Cut(part, `"`)
		if ok && !strings.HasPrefix(part, "{") && d.Components.Schemas[name] == nil {
			t.Errorf("there is no schema %q", name)
		}
	}
	for _, name := range []string{"Connection", "Grant", "Problem", "NewRequest"} {
		if d.Components.Schemas[name]["type"] != "object" {
			t.Errorf("schema %s: %v", name, d.Components.Schemas[name]["type"])
		}
	}
	// null and being left out are told apart.
	duration, ok := d.Components.Schemas["NewRequest"]["properties"].(map[string]any)["duration"].(map[string]any)
	if !ok || !slices.Equal(anyTexts(duration["type"]), []string{"string", "null"}) || slices.Contains(anyTexts(d.Components.Schemas["NewRequest"]["required"]), "duration") {
		t.Errorf("duration is described as %v", duration)
	}
}

func anyTexts(v any) []string {
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, e := range list {
		text, _ := e.(string)
		out = append(out, text)
	}
	return out
}

package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/server"
	"github.com/margay-access/margay/tableau/tableautest"
)

const patSecret = "YXBpLXRlc3RzLXBhdA==:4e1f2c9ab81e4c55b0c6d9e3f1a29c31"

// node is a running Margay with a connected site, an app with a role that is
// granted at once, and somebody to ask for it.
type node struct {
	t    *testing.T
	url  string
	srv  *server.Server
	site *tableautest.Server
	logs *logs

	admin, rita       string // tokens
	ritaID            string
	connection, app   string
	role, policy      string
	request, grant    string
	run               string
	spare             string // a connection that no app is bound to
	group, profile    string
	provisionWorkflow string
}

type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, change ...func(*server.Config)) *node {
	t.Helper()
	site, err := tableautest.Start(tableautest.Config{Collections: tableautest.On})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(site.Close)
	site.AddPAT(site.AddUser("svc@acme.example", tableautest.RoleSiteAdministratorCreator), "margay", patSecret)
	site.AddUser("rita@acme.example", "Viewer")
	n := &node{t: t, site: site, logs: &logs{}}
	cfg := server.Config{
		Listen: "127.0.0.1:0", Data: t.TempDir(), RootCAs: site.CertPool(), AllowCIDR: "127.0.0.0/8", Version: "1.2.3",
		Log: slog.New(slog.NewTextHandler(n.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&cfg)
	}
	n.srv, err = server.Open(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- n.srv.Run(ctx, func(url string) { ready <- url }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server ended badly: %v", err)
		}
	})
	select {
	case n.url = <-ready:
	case err := <-ended:
		ended <- err
		t.Fatalf("the server did not start: %v", err)
	}
	n.admin = n.token("ana@acme.example", identity.ScopeAdmin)
	return n
}

// in returns the node for a part of the test.
func (n *node) in(t *testing.T) *node {
	part := *n
	part.t = t
	return &part
}

// ready makes the node's things.
func (n *node) ready() *node {
	n.t.Helper()
	settings := map[string]string{"server_url": n.site.Host, "site_content_url": n.site.ContentURL(), "pat_name": "margay", "pat_secret": patSecret}
	n.ritaID = get[wire.Person](n, "POST", "/people", wire.NewPerson{Email: "rita@acme.example", Name: "Rita"}).ID
	n.rita = n.token("rita@acme.example", identity.PersonalScopes()...)
	n.connection = get[wire.Connection](n, "POST", "/connections", wire.NewConnection{Integration: "tableau", Settings: settings}).ID
	n.group = get[wire.Group](n, "POST", "/groups", wire.NewGroup{Name: "Finance", MemberIDs: []string{n.ritaID}}).ID
	n.profile = get[wire.Profile](n, "POST", "/profiles", wire.NewProfile{Name: "Finance", GroupIDs: []string{n.group}}).ID
	n.spare = get[wire.Connection](n, "POST", "/connections", wire.NewConnection{Integration: "tableau", Settings: settings}).ID
	n.policy = get[wire.Policy](n, "POST", "/policies", wire.NewPolicy{Name: "At once", Longest: wire.Duration(8 * time.Hour)}).ID
	app := get[wire.App](n, "POST", "/apps", wire.NewApp{Name: "Tableau", ConnectionID: n.connection, PolicyID: n.policy})
	n.app, n.provisionWorkflow = app.ID, app.ProvisionWorkflowID
	n.role = get[wire.Role](n, "POST", "/apps/"+n.app+"/roles", wire.NewRole{Name: "Creator"}).ID
	req := get[wire.Request](n, "POST", "/requests", wire.NewRequest{RoleID: n.role, PersonID: n.ritaID})
	n.request, n.grant = req.ID, req.GrantID
	deadline := time.Now().Add(30 * time.Second)
	for {
		g := get[wire.Grant](n, "GET", "/grants/"+n.grant, nil)
		if n.run = g.RunID; g.State == "active" {
			return n
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("the grant is %s", g.State)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func (n *node) token(email string, scopes ...identity.Scope) string {
	n.t.Helper()
	value, err := n.srv.IssueToken(n.t.Context(), email, scopes)
	if err != nil {
		n.t.Fatal(err)
	}
	return value
}

// answer is what the API said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// problem returns the answer as a problem, and complains when it is none.
func (a answer) problem(t *testing.T) wire.Problem {
	t.Helper()
	var p wire.Problem
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Errorf("status %d with %s: %v", a.status, a.body, err)
		return p
	}
	if kind := a.header.Get("Content-Type"); kind != "application/problem+json" {
		t.Errorf("status %d of type %s", a.status, kind)
	}
	if p.Status != a.status || p.Title != http.StatusText(a.status) || p.Detail == "" || p.Code == "" || p.Type == "" {
		t.Errorf("status %d: %s", a.status, a.body)
	}
	if p.RequestID == "" || p.RequestID != a.header.Get("X-Request-Id") {
		t.Errorf("status %d: request id %q, header %q", a.status, p.RequestID, a.header.Get("X-Request-Id"))
	}
	return p
}

// send sends text as it is to a path below the root, with a token or none.
func (n *node) send(token, method, path, text string, header ...string) answer {
	n.t.Helper()
	req, err := http.NewRequestWithContext(n.t.Context(), method, n.url+path, strings.NewReader(text))
	if err != nil {
		n.t.Fatal(err)
	}
	if text != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	if odd := finer.Find(body); odd != nil && !strings.HasSuffix(path, "/call") {
		n.t.Errorf("%s %s tells a time finer than it is kept, or not in UTC: %s", method, path, odd)
	}
	return answer{resp.StatusCode, resp.Header, body}
}

// finer is a time that no answer gives: all are in UTC and have milliseconds at
// most, whether they are read or were just made.
var finer = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{4,}Z|(\.\d+)?[+-]\d\d:\d\d)"`)

// do sends a value to a path of the API.
func (n *node) do(token, method, path string, in any) answer {
	n.t.Helper()
	text := ""
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			n.t.Fatal(err)
		}
		text = string(b)
	}
	return n.send(token, method, "/api/v1"+path, text)
}

// get makes a call of the administrator's that must succeed.
func get[T any](n *node, method, path string, in any) T {
	n.t.Helper()
	a := n.do(n.admin, method, path, in)
	var out T
	if a.status > 299 {
		n.t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	if err := json.Unmarshal(a.body, &out); err != nil && len(a.body) > 0 {
		n.t.Fatalf("%s %s: %v in %s", method, path, err, a.body)
	}
	return out
}

package server_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/server"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/tableau/tableautest"
)

// patSecret is the PAT's secret in these tests: a canary that is looked for
// wherever it must not be.
const patSecret = "Y2FuYXJ5LXBhdA==:4f7d2c9ab81e4c55b0c6d9e3f1a27b60"

// site is a simulated Tableau site with an administrator whose PAT Margay uses.
type site struct {
	*tableautest.Server
	pat *tableautest.PAT
}

func newSite(t testing.TB, cfg tableautest.Config) *site {
	t.Helper()
	srv, err := tableautest.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	admin := srv.AddUser("svc-margay@acme.example", tableautest.RoleSiteAdministratorCreator)
	return &site{Server: srv, pat: srv.AddPAT(admin, "margay", patSecret)}
}

// settings are those of a connection to the site.
func (s *site) settings() map[string]string {
	return map[string]string{"server_url": s.Host, "site_content_url": s.ContentURL(), "pat_name": "margay", "pat_secret": patSecret}
}

// puts counts the updates of users that Tableau carried out.
func (s *site) puts() int {
	n := 0
	for _, e := range s.Journal() {
		if e.Method == http.MethodPut && strings.Contains(e.Path, "/users/") && e.Applied {
			n++
		}
	}
	return n
}

// lost counts the calls that were refused because another sign-in had ended
// their session.
func (s *site) lost() int {
	n := 0
	for _, e := range s.Journal() {
		if e.Code == "401002" {
			n++
		}
	}
	return n
}

// node is one running Margay.
type node struct {
	t     testing.TB
	url   string
	token string // of an administrator
	logs  *safeBuffer
	srv   *server.Server
	stop  func()

	mu   sync.Mutex
	seen bytes.Buffer // every body that the API answered
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// startNode starts Margay on a database; it stops with the test or by stop.
func startNode(t testing.TB, db store.Config, data string, cas *x509.CertPool, change ...func(*server.Config)) *node {
	t.Helper()
	n := &node{t: t, logs: &safeBuffer{}}
	cfg := server.Config{
		Listen: "127.0.0.1:0", Data: data, Database: db.Postgres, RootCAs: cas, AllowCIDR: "127.0.0.0/8", Version: "test",
		Log: slog.New(slog.NewTextHandler(n.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&cfg)
	}
	srv, err := server.Open(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	n.srv = srv
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- srv.Run(ctx, func(url string) { ready <- url }) }()
	select {
	case n.url = <-ready:
	case err := <-ended:
		t.Fatalf("the server did not start: %v", err)
	}
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server ended badly: %v", err)
		}
	})
	t.Cleanup(n.stop)
	if n.token, err = srv.IssueToken(t.Context(), "ana@acme.example", []identity.Scope{identity.ScopeAdmin}); err != nil {
		t.Fatal(err)
	}
	return n
}

// as returns the node as seen by the person of the e-mail address.
func (n *node) as(email string) *node {
	n.t.Helper()
	token, err := n.srv.IssueToken(n.t.Context(), email, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	return &node{t: n.t, url: n.url, token: token, logs: n.logs, srv: n.srv}
}

// do makes an API call and returns its status and body.
func (n *node) do(method, path string, in any) (int, []byte) {
	n.t.Helper()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			n.t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(n.t.Context(), method, n.url+"/api/v1"+path, body)
	if err != nil {
		n.t.Fatal(err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+n.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	n.mu.Lock()
	n.seen.Write(text)
	n.mu.Unlock()
	return resp.StatusCode, text
}

// call makes an API call that must succeed, and decodes its answer.
func call[T any](n *node, method, path string, in any) T {
	n.t.Helper()
	status, text := n.do(method, path, in)
	var out T
	if status >= 300 {
		n.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	if len(text) == 0 {
		return out
	}
	if err := json.Unmarshal(text, &out); err != nil {
		n.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
	return out
}

// refused makes an API call that must fail, and decodes its problem.
func (n *node) refused(method, path string, in any, status int) wire.Problem {
	n.t.Helper()
	got, text := n.do(method, path, in)
	var p wire.Problem
	if err := json.Unmarshal(text, &p); err != nil || got != status {
		n.t.Fatalf("%s %s: %d %s, want a problem %d", method, path, got, text, status)
	}
	return p
}

// setup is a connected site with an app, its five roles and a policy with one
// step that Bo decides.
type setup struct {
	*node
	site       *site
	connection wire.Connection
	app        wire.App
	roles      map[string]string // name → id
	rita, bo   wire.Person
}

func setUp(n *node, s *site) *setup {
	n.t.Helper()
	u := &setup{node: n, site: s, roles: map[string]string{}}
	u.rita = call[wire.Person](n, "POST", "/people", wire.NewPerson{Email: "rita@acme.example", Name: "Rita"})
	u.bo = call[wire.Person](n, "POST", "/people", wire.NewPerson{Email: "bo@acme.example", Name: "Bo"})
	u.connect()
	return u
}

// connect connects the site and makes the app, its roles and the policy.
func (u *setup) connect() {
	u.t.Helper()
	n, s := u.node, u.site
	u.connection = call[wire.Connection](n, "POST", "/connections", wire.NewConnection{Integration: "tableau", Settings: s.settings()})
	policy := call[wire.Policy](n, "POST", "/policies", wire.NewPolicy{
		Name: "One agrees", Longest: wire.Duration(30 * 24 * time.Hour), Usual: wire.Duration(8 * time.Hour), OnBehalf: "anybody",
		Steps: []wire.PolicyStep{{ApproverIDs: []string{u.bo.ID}}},
	})
	u.app = call[wire.App](n, "POST", "/apps", wire.NewApp{Name: "Tableau", ConnectionID: u.connection.ID, PolicyID: policy.ID})
	for _, name := range []string{"Viewer", "Explorer", "ExplorerCanPublish", "Creator", "SiteAdministratorExplorer"} {
		u.roles[name] = call[wire.Role](n, "POST", "/apps/"+u.app.ID+"/roles", wire.NewRole{Name: name}).ID
	}
}

// request files a request for a person; with approve, Bo agrees to it.
func (u *setup) request(personID, role string, approve bool) wire.Request {
	u.t.Helper()
	r := call[wire.Request](u.node, "POST", "/requests", wire.NewRequest{RoleID: u.roles[role], PersonID: personID, Reason: "Q4 pack"})
	if !approve {
		return r
	}
	return call[wire.Request](u.as("bo@acme.example"), "POST", "/requests/"+r.ID+"/approve", wire.Decision{})
}

// grantIn waits until the grant is in one of the states.
func (u *setup) grantIn(id string, states ...string) wire.Grant {
	u.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		g := call[wire.Grant](u.node, "GET", "/grants/"+id, nil)
		if slices.Contains(states, g.State) {
			return g
		}
		if time.Now().After(deadline) {
			run := call[wire.Run](u.node, "GET", "/runs/"+g.RunID, nil)
			u.t.Fatalf("grant is %s after 30 s, want %v; problem %+v; run %+v", g.State, states, g.Problem, run)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// runDone waits until the run has ended.
func (u *setup) runDone(id string) wire.Run {
	u.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		r := call[wire.Run](u.node, "GET", "/runs/"+id, nil)
		if r.EndedAt != nil {
			return r
		}
		if time.Now().After(deadline) {
			u.t.Fatalf("run is %s after 30 s", r.State)
		}
		<-time.After(20 * time.Millisecond)
	}
}

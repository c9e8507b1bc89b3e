// Package webtest drives the web UI in a real browser: a whole node of Margay on
// SQLite, a simulated Tableau site beside it, people who can sign in, and
// headless Chromium, which one test binary starts once.
//
//	w := webtest.Start(t)
//	w.Story()
//	b := w.SignIn("ana@acme.example")
//	b.Open("/")
//	b.See("Your access")
//	b.Audit("home")
//
// Nothing sleeps: every act waits for what it needs. What the page writes to its
// console, an exception or a breach of the Content-Security-Policy fails the
// test. Without Chromium a test is skipped, but never in CI.
package webtest

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/server"
	"github.com/margay-access/margay/tableau/tableautest"
)

// The people of each node.
const (
	Admin     = "ana@acme.example"  // administers
	Approver  = "bo@acme.example"   // decides
	Requester = "rita@acme.example" // asks
)

// Password is everybody's.
const Password = "correct horse battery"

// PATSecret is the secret of the PAT that the simulated site gives Margay: a
// canary that must show nowhere.
const PATSecret = "Y2FuYXJ5LXBhdA==:webtest-canary-of-the-pat-4711"

// World is a running node, its Tableau site and its people.
type World struct {
	T      testing.TB
	URL    string
	Site   *tableautest.Server
	Server *server.Server
	People map[string]wire.Person // by e-mail address

	// What Story made.
	Connection wire.Connection
	Policy     wire.Policy
	App        wire.App
	Roles      map[string]wire.Role // by name

	logs    *safeBuffer
	clients map[string]*client.Client
	signed  map[string]bool
}

type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
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

// Start starts a node with Ana, Bo and Rita; it ends with the test. change may
// change its configuration. The test is skipped where there is no Chromium.
func Start(t testing.TB, change ...func(*server.Config)) *World {
	t.Helper()
	chromium(t)
	return StartNode(t, change...)
}

// StartNode is [Start] for tests that need pages, but no browser.
func StartNode(t testing.TB, change ...func(*server.Config)) *World {
	t.Helper()
	site, err := tableautest.Start(tableautest.Config{Collections: tableautest.On})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(site.Close)
	account := site.AddUser("svc-margay@acme.example", tableautest.RoleSiteAdministratorCreator)
	site.AddPAT(account, "margay", PATSecret)
	site.AddUser(Requester, tableautest.RoleViewer)

	w := &World{
		T: t, Site: site, People: map[string]wire.Person{}, Roles: map[string]wire.Role{}, logs: &safeBuffer{},
		clients: map[string]*client.Client{}, signed: map[string]bool{},
	}
	cfg := server.Config{
		Listen: "127.0.0.1:0", Data: t.TempDir(), RootCAs: site.CertPool(), AllowCIDR: "127.0.0.0/8", Version: "test",
		Log: slog.New(slog.NewTextHandler(w.logs, nil)),
	}
	for _, c := range change {
		c(&cfg)
	}
	w.serve(cfg)
	w.Client(Admin) // the first token makes the administrator
	me, err := w.Client(Admin).ChangePerson(t.Context(), w.personID(Admin), wire.ChangedPerson{Name: new("Ana Ruiz")})
	w.must(err)
	w.People[Admin] = me
	w.Person(Approver, "Bo Lindqvist")
	w.Person(Requester, "Rita Okafor")
	return w
}

func (w *World) serve(cfg server.Config) {
	w.T.Helper()
	srv, err := server.Open(context.WithoutCancel(w.T.Context()), cfg)
	w.must(err)
	w.Server = srv
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.T.Context()))
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- srv.Run(ctx, func(url string) { ready <- url }) }()
	select {
	case w.URL = <-ready:
	case err := <-ended:
		w.T.Fatalf("the server did not start: %v", err)
	}
	w.T.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.T.Errorf("the server ended badly: %v", err)
		}
		if strings.Contains(w.logs.String(), PATSecret) || strings.Contains(w.logs.String(), Password) {
			w.T.Error("a secret is in the log")
		}
	})
}

func (w *World) must(err error) {
	w.T.Helper()
	if err != nil {
		w.T.Fatalf("%v\nlog:\n%s", err, w.logs.String())
	}
}

// Log is what the server logged.
func (w *World) Log() string { return w.logs.String() }

// Client returns a client of the API for the person.
func (w *World) Client(email string) *client.Client {
	w.T.Helper()
	if c := w.clients[email]; c != nil {
		return c
	}
	var scopes []identity.Scope
	if email == Admin {
		scopes = []identity.Scope{identity.ScopeAdmin}
	}
	token, err := w.Server.IssueToken(w.T.Context(), email, scopes)
	w.must(err)
	c, err := client.New(w.URL, token)
	w.must(err)
	w.clients[email] = c
	return c
}

func (w *World) personID(email string) string {
	w.T.Helper()
	me, err := w.Client(email).Me(w.T.Context())
	w.must(err)
	return me.ID
}

// Person adds somebody.
func (w *World) Person(email, name string) wire.Person {
	w.T.Helper()
	p, err := w.Client(Admin).AddPerson(w.T.Context(), wire.NewPerson{Email: email, Name: name})
	w.must(err)
	w.People[email] = p
	return p
}

// Connect connects the simulated site.
func (w *World) Connect() wire.Connection {
	w.T.Helper()
	c, err := w.Client(Admin).CreateConnection(w.T.Context(), wire.NewConnection{Integration: "tableau", Settings: map[string]string{
		"server_url": w.Site.URL, "site_content_url": w.Site.ContentURL(), "pat_name": "margay", "pat_secret": PATSecret,
	}})
	w.must(err)
	w.Connection = c
	return c
}

// Story makes what most pages need: a connection, a policy whose one step Bo
// decides, an app with its roles, an active grant of Rita's (Viewer) and a
// request of hers that waits (Creator).
func (w *World) Story() {
	w.T.Helper()
	ctx, admin := w.T.Context(), w.Client(Admin)
	w.Connect()
	var err error
	w.Policy, err = admin.CreatePolicy(ctx, wire.NewPolicy{
		Name: "Bo agrees", Longest: wire.Duration(30 * 24 * time.Hour), Usual: wire.Duration(8 * time.Hour), ReasonNeeded: true,
		Steps: []wire.PolicyStep{{ApproverIDs: []string{w.People[Approver].ID}}},
	})
	w.must(err)
	w.App, err = admin.CreateApp(ctx, wire.NewApp{Name: "Tableau", ConnectionID: w.Connection.ID, PolicyID: w.Policy.ID})
	w.must(err)
	for _, name := range []string{"Viewer", "Explorer", "Creator"} {
		w.Roles[name], err = admin.CreateRole(ctx, w.App.ID, wire.NewRole{Name: name})
		w.must(err)
	}
	w.Grant(Requester, "Viewer")
	w.Ask(Requester, "Creator", "Quarter-end pack")
}

// Ask files a request of the person for themselves.
func (w *World) Ask(email, role, reason string) wire.Request {
	w.T.Helper()
	r, err := w.Client(email).FileRequest(w.T.Context(), wire.NewRequest{RoleID: w.Roles[role].ID, Reason: reason})
	w.must(err)
	return r
}

// Grant asks for a role, lets Bo agree, and waits until it is active.
func (w *World) Grant(email, role string) wire.Grant {
	w.T.Helper()
	r, err := w.Client(Approver).Approve(w.T.Context(), w.Ask(email, role, "It is needed").ID, wire.Decision{})
	w.must(err)
	return w.GrantIn(r.GrantID, "active")
}

// GrantIn waits until the grant is in the state.
func (w *World) GrantIn(id, state string) wire.Grant {
	w.T.Helper()
	var g wire.Grant
	until(w.T, "the grant to be "+state, func() bool {
		var err error
		g, err = w.Client(Admin).Grant(w.T.Context(), id)
		w.must(err)
		return g.State == state
	})
	return g
}

// Until waits until done says so.
func (w *World) Until(what string, done func() bool) {
	w.T.Helper()
	until(w.T, what, done)
}

// patience is how long anything may take; lookAgain how often it is looked at.
const (
	patience  = 30 * time.Second
	lookAgain = 25 * time.Millisecond
)

// until waits until done says so.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	enough := time.Now().Add(patience)
	for !done() {
		if time.Now().After(enough) {
			t.Fatalf("waited %s in vain for %s", patience, what)
		}
		<-time.After(lookAgain)
	}
}

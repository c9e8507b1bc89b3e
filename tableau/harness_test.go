package tableau_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/margay-access/margay/tableau"
	"github.com/margay-access/margay/tableau/tableautest"
)

const (
	patName   = "ci"
	patSecret = "Y2FuYXJ5LWlk==:canary-0123456789-abcdefghijklmnop"
)

// bench is a simulated site and a client of it.
type bench struct {
	*tableautest.Server

	c     *tableau.Client
	owner *tableautest.User // of the PAT

	mu    sync.Mutex
	calls []tableau.Call
}

// newBench starts a site and a client. The options change either's
// configuration.
func newBench(t testing.TB, site tableautest.Config, options ...func(*tableau.Config)) *bench {
	t.Helper()
	srv, err := tableautest.Start(site)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{Server: srv}
	role := tableautest.RoleSiteAdministratorCreator
	if site.Product == tableautest.ProductServer {
		role = tableautest.RoleServerAdministrator
	}
	b.owner = srv.AddUser("boss@acme.example", role)
	srv.AddPAT(b.owner, patName, patSecret)
	b.c = b.client(t, options...)
	t.Cleanup(srv.Close)
	return b
}

// client returns one more client of the bench's PAT.
func (b *bench) client(t testing.TB, options ...func(*tableau.Config)) *tableau.Client {
	t.Helper()
	cfg := tableau.Config{
		Server: b.Host, Site: b.ContentURL(), RootCAs: b.CertPool(),
		TokenName: patName, TokenSecret: tableau.NewSecret(patSecret),
		OnCall: func(c tableau.Call) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.calls = append(b.calls, c)
		},
	}
	for _, o := range options {
		o(&cfg)
	}
	c, err := tableau.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// once makes the client try everything once only.
func once(c *tableau.Config) { c.Tries = 1 }

// requests returns the journal as "METHOD operation status" lines.
func (b *bench) requests() []string {
	var lines []string
	for _, e := range b.Journal() {
		lines = append(lines, strings.TrimSpace(e.Operation))
	}
	return lines
}

// count returns how many requests of an operation came, with that status; 0
// counts all.
func (b *bench) count(operation string, status int) int {
	n := 0
	for _, e := range b.Journal() {
		if e.Operation == operation && (status == 0 || e.Status == status) {
			n++
		}
	}
	return n
}

// lost returns how many requests were refused with 401002.
func (b *bench) lost() int {
	n := 0
	for _, e := range b.Journal() {
		if e.Code == "401002" {
			n++
		}
	}
	return n
}

// quiet waits until no session is live any more.
func (b *bench) quiet(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		changed := b.Changed()
		done := b.LiveSessions() == 0
		for _, e := range b.Journal() {
			done = done && e.Done
		}
		if done {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("%d sessions are still live", b.LiveSessions())
		}
	}
}

func get(path string) tableau.Request {
	return tableau.Request{Method: http.MethodGet, Path: path}
}

// waitUsers waits until n callers share the client's session.
func waitUsers(t testing.TB, c *tableau.Client, n int) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for c.Sharing() < n {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the callers never came")
		}
	}
}

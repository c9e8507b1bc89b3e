package server_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/tableau/tableautest"
)

// shareKey gives a second node's data folder the first one's key.
func shareKey(t *testing.T, from, to string) {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(from, "margay.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(to, "margay.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Decision 3, G15: two nodes take turns with one PAT; no call fails because the
// other node made one.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	cfg := store.Config{Postgres: storetest.Postgres(t)}
	s := newSite(t, tableautest.Config{})
	dataA, dataB := t.TempDir(), t.TempDir()
	u := setUp(startNode(t, cfg, dataA, s.CertPool()), s)
	shareKey(t, dataA, dataB)
	other := startNode(t, cfg, dataB, s.CertPool())
	nodes := []*node{u.node, other}

	const n = 20
	bo := []*node{u.as("bo@acme.example"), {t: t, url: other.url, token: u.as("bo@acme.example").token}}
	users, grants := make([]*tableautest.User, n), make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		email := fmt.Sprintf("user%02d@acme.example", i)
		users[i] = s.AddUser(email, "Viewer")
		p := call[wire.Person](u.node, "POST", "/people", wire.NewPerson{Email: email})
		id := u.request(p.ID, "Creator", false).ID
		wg.Go(func() {
			grants[i] = call[wire.Request](bo[i%2], "POST", "/requests/"+id+"/approve", wire.Decision{}).GrantID
			a := call[wire.CallAnswer](nodes[(i+1)%2], "POST", "/connections/"+u.connection.ID+"/call", wire.Call{Method: "GET", Path: "/sessions/current"})
			if a.Status != http.StatusOK {
				t.Errorf("a call was answered %d %s", a.Status, a.Body)
			}
		})
	}
	wg.Wait()
	for _, g := range grants {
		u.grantIn(g, "active")
	}

	for i, user := range users {
		if user.Role() != "Creator" {
			t.Errorf("user %d is %s", i, user.Role())
		}
	}
	if s.lost() != 0 || s.Evictions() != 0 {
		t.Errorf("%d calls met 401002, %d sessions were evicted", s.lost(), s.Evictions())
	}
	if s.puts() != n {
		t.Errorf("%d changes for %d grants", s.puts(), n)
	}
}

// T05: the node that holds the PAT dies in the middle of a run; the other takes
// the run and the PAT over.
func TestNodeDies(t *testing.T) {
	t.Parallel()
	cfg := store.Config{Postgres: storetest.Postgres(t)}
	s := newSite(t, tableautest.Config{})
	dataA, dataB := t.TempDir(), t.TempDir()
	p := startProcess(t, s, cfg, dataA)
	u := setUpKilled(p, s)
	rita := s.AddUser("rita@acme.example", "Viewer")
	req := call[wire.Request](p.node, "POST", "/requests", wire.NewRequest{RoleID: u.roles["Creator"], PersonID: u.rita.ID})
	reached := make(chan struct{})
	s.Fail(tableautest.Fault{Method: http.MethodPut, Path: "/api/*/sites/*/users/*", Hang: true, Apply: true, After: func() { close(reached) }})
	grant := call[wire.Request](p.bo, "POST", "/requests/"+req.ID+"/approve", wire.Decision{}).GrantID
	<-reached

	p.kill()
	s.ClearFaults()
	shareKey(t, dataA, dataB)
	died := time.Now()
	u.node = startNode(t, cfg, dataB, s.CertPool())
	for call[wire.Grant](u.node, "GET", "/grants/"+grant, nil).State != "active" {
		if time.Since(died) > 90*time.Second {
			t.Fatal("the run was not taken over")
		}
		<-time.After(100 * time.Millisecond)
	}

	if rita.Role() != "Creator" || s.puts() != 1 {
		t.Errorf("%s after %d changes", rita.Role(), s.puts())
	}
	t.Logf("taken over after %s", time.Since(died))
}

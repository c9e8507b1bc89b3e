package server_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/server"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/tableau/tableautest"
)

// A test that kills a node needs it in a process of its own: this binary runs
// as one when nodeEnv names its data folder.
const (
	nodeEnv     = "MARGAY_TEST_NODE"
	databaseEnv = "MARGAY_TEST_DATABASE"
	caEnv       = "MARGAY_TEST_CA"
)

func TestMain(m *testing.M) {
	if data := os.Getenv(nodeEnv); data != "" {
		if err := runNode(data); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func runNode(data string) error {
	srv, err := server.Open(context.Background(), server.Config{
		Listen: "127.0.0.1:0", Data: data, Database: os.Getenv(databaseEnv), CAFile: os.Getenv(caEnv), AllowCIDR: "127.0.0.0/8", Version: "test",
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	return srv.Run(context.Background(), func(url string) {
		token, err := srv.IssueToken(context.Background(), "ana@acme.example", []identity.Scope{identity.ScopeAdmin})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		bo, err := srv.IssueToken(context.Background(), "bo@acme.example", []identity.Scope{identity.ScopeAdmin})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		fmt.Println(url, token, bo) // what the parent waits for
	})
}

// process is a node in a process of its own.
type process struct {
	*node
	bo   *node
	cmd  *exec.Cmd
	logs *safeBuffer
	kill func()
}

func startProcess(t *testing.T, s *site, db store.Config, data string) *process {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, s.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), nodeEnv+"="+data, databaseEnv+"="+db.Postgres, caEnv+"="+ca)
	p := &process{cmd: cmd, logs: &safeBuffer{}}
	cmd.Stderr = p.logs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill() // SIGKILL: no handler runs, nothing is flushed
		_ = cmd.Wait()
	})
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the node did not start: %v\n%s", err, p.logs)
	}
	parts := strings.Fields(line)
	p.node = &node{t: t, url: parts[0], token: parts[1], logs: p.logs}
	p.bo = &node{t: t, url: parts[0], token: parts[2], logs: p.logs}
	return p
}

// G1–G3, O01: a node killed between approval and run, and on either side of
// Tableau's change, loses nothing and repeats at most one change.
func TestKill(t *testing.T) {
	t.Parallel()
	put := func(f tableautest.Fault) *tableautest.Fault {
		f.Method, f.Path = http.MethodPut, "/api/*/sites/*/users/*"
		return &f
	}
	moments := map[string]*tableautest.Fault{
		"after the decision":                         nil, // at once, before a run is taken
		"at the sign-in":                             {Method: http.MethodPost, Path: "/api/*/auth/signin", Hang: true},
		"after the sign-in":                          {Method: http.MethodPost, Path: "/api/*/auth/signin", Hang: true, Apply: true},
		"at the look-up":                             {Method: http.MethodGet, Path: "/api/*/sites/**", Hang: true},
		"before Tableau's change":                    put(tableautest.Fault{Hang: true}),
		"between Tableau's change and our recording": put(tableautest.Fault{Hang: true, Apply: true}),
	}
	for name, fault := range moments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.EachConfig(t, func(t *testing.T, cfg store.Config) { killOnce(t, cfg, fault) })
		})
	}
}

func killOnce(t *testing.T, cfg store.Config, fault *tableautest.Fault) {
	s := newSite(t, tableautest.Config{})
	data := t.TempDir()
	p := startProcess(t, s, cfg, data)
	u := setUpKilled(p, s)
	rita := s.AddUser("rita@acme.example", "Viewer")

	// Provision, killed at the moment.
	req := call[wire.Request](p.node, "POST", "/requests", wire.NewRequest{RoleID: u.roles["Creator"], PersonID: u.rita.ID, Reason: "Q4 pack"})
	p, grant := killAt(t, p, s, cfg, data, fault, func(p *process) string {
		return call[wire.Request](p.bo, "POST", "/requests/"+req.ID+"/approve", wire.Decision{}).GrantID
	})
	u.node = p.node
	u.grantIn(grant, "active")
	if rita.Role() != "Creator" {
		t.Errorf("Rita is %s, want Creator", rita.Role())
	}

	// And back, killed at the same moment.
	p, _ = killAt(t, p, s, cfg, data, fault, func(p *process) string {
		return call[wire.Grant](p.node, "POST", "/grants/"+grant+"/revoke", nil).ID
	})
	u.node = p.node
	u.grantIn(grant, "ended")
	if rita.Role() != "Unlicensed" {
		t.Errorf("Rita is %s, want Unlicensed", rita.Role())
	}

	if n := s.puts(); n > 3 {
		t.Errorf("%d changes in Tableau for 2, at most one is needless", n)
	}
	var kinds []string
	for _, e := range slices.Backward(call[wire.List[wire.Event]](p.node, "GET", "/audit?limit=200", nil).Items) {
		if strings.HasPrefix(e.Subject, "grant:") || strings.HasPrefix(e.Subject, "request:") {
			kinds = append(kinds, e.Kind)
		}
	}
	want := []string{"request.created", "request.approved", "grant.provisioning", "grant.activated", "grant.revoked", "grant.ended"}
	if !slices.Equal(kinds, want) {
		t.Errorf("events %v, want %v", kinds, want)
	}
	if v := call[wire.Verification](p.node, "GET", "/audit/verify", nil); !v.OK {
		t.Errorf("audit log: %+v", v)
	}
	searchData(t, data, cfg, p.logs)
}

// killAt does act, kills the node at the moment that fault marks (nil: at
// once), and starts it anew.
func killAt(t *testing.T, p *process, s *site, cfg store.Config, data string, fault *tableautest.Fault, act func(p *process) string) (*process, string) {
	t.Helper()
	if fault == nil {
		id := act(p)
		p.kill()
		return startProcess(t, s, cfg, data), id
	}
	reached := make(chan struct{})
	f, met := *fault, sync.OnceFunc(func() { close(reached) })
	if f.Apply {
		f.After = met
	} else {
		f.Before = met
	}
	s.Fail(f)
	id := act(p)
	select {
	case <-reached:
	case <-time.After(30 * time.Second):
		t.Fatalf("the run did not come to the moment\n%s", p.logs)
	}
	p.kill()
	s.ClearFaults()
	return startProcess(t, s, cfg, data), id
}

// setUpKilled is setUp on a node in another process, which has Bo already.
func setUpKilled(p *process, s *site) *setup {
	p.t.Helper()
	u := &setup{node: p.node, site: s, roles: map[string]string{}}
	u.rita = call[wire.Person](p.node, "POST", "/people", wire.NewPerson{Email: "rita@acme.example", Name: "Rita"})
	u.bo = call[wire.Person](p.bo, "GET", "/me", nil)
	u.connect()
	return u
}

// searchData looks for the PAT's secret in all that a node wrote.
func searchData(t *testing.T, data string, cfg store.Config, logs *safeBuffer) {
	t.Helper()
	if strings.Contains(logs.String(), patSecret) {
		t.Error("the PAT secret stands in the logs")
	}
	err := filepath.WalkDir(data, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(patSecret)) || bytes.Contains(text, []byte(patSecret[18:])) {
			t.Errorf("the PAT secret stands in %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if cfg.Postgres == "" {
		return
	}
	dump, err := exec.Command("pg_dump", cfg.Postgres).Output()
	if err != nil {
		t.Logf("no pg_dump: %v", err) // a server without its client's programs
		return
	}
	if len(dump) < 1000 || bytes.Contains(dump, []byte(patSecret)) {
		t.Errorf("the PAT secret stands in the dump of %d bytes", len(dump))
	}
}

package server_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/server"
)

// serving runs a server on a data folder until stop is called.
func serving(t *testing.T, cfg server.Config) (n *node, stop func()) {
	t.Helper()
	cfg.Listen, cfg.Log = "127.0.0.1:0", slog.New(slog.DiscardHandler)
	srv, err := server.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- srv.Run(ctx, func(url string) { ready <- url }) }()
	n = &node{t: t, url: <-ready}
	if n.token, err = srv.IssueToken(t.Context(), "ana@acme.example", []identity.Scope{identity.ScopeAdmin}); err != nil {
		t.Fatal(err)
	}
	return n, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// Reliability §6.6: an old database in place of the present one is found by the
// head that is kept outside, and the head is not overwritten.
func TestRolledBackDatabase(t *testing.T) {
	t.Parallel()
	data, file := t.TempDir(), filepath.Join(t.TempDir(), "head.json")
	cfg := server.Config{Data: data, AuditHead: file}
	add := func(n *node, email string) { call[wire.Person](n, "POST", "/people", wire.NewPerson{Email: email}) }
	n, stop := serving(t, cfg)
	add(n, "a@acme.example")
	if v := call[wire.Verification](n, "GET", "/audit/verify", nil); !v.OK {
		t.Fatalf("a whole log: %+v", v)
	}
	stop()
	old, err := os.ReadFile(filepath.Join(data, "margay.db"))
	if err != nil {
		t.Fatal(err)
	}
	n, stop = serving(t, cfg)
	add(n, "b@acme.example")
	add(n, "c@acme.example")
	stop()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var head audit.SignedHead
	if err := json.Unmarshal(text, &head); err != nil || head.Seq < 5 {
		t.Fatalf("the kept head is %s, %v", text, err)
	}

	for _, name := range []string{"margay.db-wal", "margay.db-shm"} {
		_ = os.Remove(filepath.Join(data, name))
	}
	if err := os.WriteFile(filepath.Join(data, "margay.db"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	n, stop = serving(t, cfg)
	v := call[wire.Verification](n, "GET", "/audit/verify", nil)
	if v.OK || !strings.Contains(v.Reason, "rolled back") {
		t.Errorf("rolled back: %+v", v)
	}
	for name := range strings.FieldsSeq("d e f g h i") { // it goes on, beyond the number that is kept
		add(n, name+"@acme.example")
	}
	if v := call[wire.Verification](n, "GET", "/audit/verify", nil); v.OK || !strings.Contains(v.Reason, "was another") {
		t.Errorf("rolled back and gone on: %+v", v)
	}
	stop()
	if after, err := os.ReadFile(file); err != nil || string(after) != string(text) {
		t.Errorf("the proof was overwritten: %s, %v", after, err)
	}

	// A head that somebody else wrote.
	head.Seq = 1
	forged, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string][]byte{"forged": forged, "torn": text[:20]} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		n, stop = serving(t, cfg)
		if v := call[wire.Verification](n, "GET", "/audit/verify", nil); v.OK {
			t.Errorf("a %s head: %+v", what, v)
		}
		stop()
	}
}

package server_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/server"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/tableau/tableautest"
)

// A token is made before the first start, beside a running server, and by
// somebody who has only the database's address; each is in the audit log.
func TestAdminToken(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		// A folder whose name is too long for a socket.
		data := filepath.Join(t.TempDir(), strings.Repeat("long-name-", 12))
		of := func(data string) server.Config {
			return server.Config{Data: data, Database: cfg.Postgres, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
		}
		token := func(data, email string) string {
			t.Helper()
			value, err := server.Token(t.Context(), of(data), email, []identity.Scope{identity.ScopeAdmin})
			if err != nil {
				t.Fatal(err)
			}
			return value
		}
		tokens := []string{token(data, "first@acme.example")}
		if cfg.Postgres != "" {
			tokens = append(tokens, token(t.TempDir(), "second@acme.example")) // no data folder of the server's yet
		}
		n := startNode(t, cfg, data, newSite(t, tableautest.Config{}).CertPool())
		tokens = append(tokens, token(data, "beside@acme.example"))
		if cfg.Postgres != "" {
			other := t.TempDir()
			tokens = append(tokens, token(other, "far@acme.example"))
			if _, err := os.Stat(filepath.Join(other, "margay.key")); err == nil {
				t.Error("a second key was made for one database")
			}
		}

		for i, value := range tokens {
			as := &node{t: t, url: n.url, token: value}
			if me := call[wire.Person](as, "GET", "/me", nil); !me.Admin {
				t.Errorf("token %d is %s's, no administrator", i, me.Email)
			}
		}
		call[wire.Person](n, "POST", "/people", wire.NewPerson{Email: "x@acme.example"}) // seals what waited
		created := 0
		for _, e := range call[wire.List[wire.Event]](n, "GET", "/audit?limit=200", nil).Items {
			if e.Kind == "token.created" {
				created++
			}
		}
		if created != len(tokens)+1 { // and the node's own
			t.Errorf("%d tokens are in the audit log, %d were made", created, len(tokens)+1)
		}
		if v := call[wire.Verification](n, "GET", "/audit/verify", nil); !v.OK {
			t.Errorf("audit log: %+v", v)
		}
	})
}

// "margay serve &" and then "margay admin token": whichever has the database
// first, the other waits for it.
func TestAdminTokenWhileTheServerStarts(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		data := t.TempDir()
		type answer struct {
			token string
			err   error
		}
		made := make(chan answer, 1)
		go func() {
			token, err := server.Token(t.Context(), server.Config{Data: data, Database: cfg.Postgres}, "you@acme.example", []identity.Scope{identity.ScopeAdmin})
			made <- answer{token, err}
		}()

		n := startNode(t, cfg, data, newSite(t, tableautest.Config{}).CertPool())

		got := <-made
		if got.err != nil {
			t.Fatal(got.err)
		}
		as := &node{t: t, url: n.url, token: got.token}
		if me := call[wire.Person](as, "GET", "/me", nil); me.Email != "you@acme.example" {
			t.Errorf("the token is %s's", me.Email)
		}
	})
}

// A folder that a server holds is not waited for without end.
func TestOneServerPerFolder(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	startNode(t, store.Config{}, data, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err := server.Open(ctx, server.Config{Data: data})

	if !errors.Is(err, fault.Conflict) {
		t.Errorf("a second server got %v", err)
	}
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	srv, err := server.Open(t.Context(), server.Config{Data: t.TempDir(), Listen: listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}

	err = srv.Run(t.Context(), nil)

	if f := fault.Public(err); f.Kind != fault.Conflict || f.Hint == "" {
		t.Errorf("got %v", err)
	}
}

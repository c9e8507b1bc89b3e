// Package storetest gives tests a fresh, migrated database of each kind.
//
// SQLite is a real file in the test's folder; PostgreSQL is a database of its
// own on the server that TEST_POSTGRES names. Without that variable the
// PostgreSQL half is skipped, but never in CI: half of the matrix must not go
// quiet.
package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/workflow"
)

// AuditKey is the key of the audit chain in tests.
var AuditKey = []byte("storetest-storetest-storetest-32")

// Each runs test on a fresh database of each kind.
func Each(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	EachConfig(t, func(t *testing.T, cfg store.Config) {
		test(t, Open(t, cfg))
	})
}

// EachConfig runs test with where to find an empty database of each kind.
func EachConfig(t *testing.T, test func(t *testing.T, cfg store.Config)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, store.Config{SQLite: filepath.Join(t.TempDir(), "margay.db"), Now: time.Now})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, store.Config{Postgres: Postgres(t), Now: time.Now})
	})
}

// Open opens the database and closes it with the test. Jobs are dropped.
func Open(t testing.TB, cfg store.Config) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	db.Use(AuditKey, func(context.Context, *sql.Tx, access.Job) error { return nil })
	db.UseRuns(func(context.Context, *sql.Tx, workflow.Run) error { return nil })
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// Postgres returns the address of a fresh database, dropped with the test.
func Postgres(t testing.TB) string {
	t.Helper()
	server := os.Getenv("TEST_POSTGRES")
	if server == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("TEST_POSTGRES is not set: in CI the PostgreSQL half of the tests must run")
		}
		t.Skip("TEST_POSTGRES is not set: run by scripts/with-postgres")
	}
	name := "margay_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	run(t, server, "CREATE DATABASE "+name)
	t.Cleanup(func() { run(t, server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("TEST_POSTGRES: %v", err)
	}
	u.Path = "/" + name
	return u.String()
}

func run(t testing.TB, server, statement string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // also in a cleanup
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(fmt.Errorf("reach TEST_POSTGRES: %w", err))
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatal(err)
	}
}

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
	"sync"
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
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "margay.db")
		text, err := sqliteTemplate()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		test(t, Open(t, store.Config{SQLite: file, Now: time.Now}))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		template, err := postgresTemplate()
		if err != nil {
			t.Fatal(err)
		}
		test(t, Open(t, store.Config{Postgres: postgres(t, " TEMPLATE "+template), Now: time.Now}))
	})
}

// To migrate a database costs more than most tests: it is done once, and copied.
var (
	sqliteTemplate   = sync.OnceValues(makeSQLite)
	postgresTemplate = sync.OnceValues(makePostgres)
)

func makeSQLite() ([]byte, error) {
	dir, err := os.MkdirTemp("", "storetest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cfg := store.Config{SQLite: filepath.Join(dir, "margay.db"), Now: time.Now}
	if err := migrate(cfg); err != nil {
		return nil, err
	}
	return os.ReadFile(cfg.SQLite)
}

// makePostgres returns the name of a migrated database on the server of the
// tests. Other processes find it there, by what its tables are.
func makePostgres() (string, error) {
	server := os.Getenv("TEST_POSTGRES")
	if server == "" {
		return "", nil // the test says so
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return "", fmt.Errorf("reach TEST_POSTGRES: %w", err)
	}
	defer conn.Close(ctx)
	const lock = 0x6d617267_74657374 // one process makes it
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(lock)); err != nil {
		return "", err
	}
	name, there := "margay_template_"+store.Schema()[:16], false
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", name).Scan(&there); err != nil || there {
		return name, err
	}
	if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+name+"_new"); err != nil {
		return "", err
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name+"_new"); err != nil {
		return "", err
	}
	address, err := addressOf(server, name+"_new")
	if err != nil {
		return "", err
	}
	if err := migrate(store.Config{Postgres: address, Now: time.Now}); err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, "ALTER DATABASE "+name+"_new RENAME TO "+name)
	return name, err
}

func migrate(cfg store.Config) error {
	db, err := store.Open(context.Background(), cfg)
	if err != nil {
		return err
	}
	return db.Close()
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

// Postgres returns the address of an empty database, dropped with the test.
func Postgres(t testing.TB) string {
	t.Helper()
	return postgres(t, "")
}

// postgres is Postgres with more words for CREATE DATABASE.
func postgres(t testing.TB, how string) string {
	t.Helper()
	server := os.Getenv("TEST_POSTGRES")
	if server == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("TEST_POSTGRES is not set: in CI the PostgreSQL half of the tests must run")
		}
		t.Skip("TEST_POSTGRES is not set: run by scripts/with-postgres")
	}
	name := "margay_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	run(t, server, "CREATE DATABASE "+name+how)
	t.Cleanup(func() { run(t, server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	address, err := addressOf(server, name)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func addressOf(server, name string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", fmt.Errorf("TEST_POSTGRES: %w", err)
	}
	u.Path = "/" + name
	return u.String(), nil
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

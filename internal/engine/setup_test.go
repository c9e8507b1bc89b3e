package engine_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/margay-access/margay/internal/engine"
)

// place is a database that an engine can be opened on, by this process or by
// another. It is given to a child process as JSON.
type place struct {
	SQLite   string
	Postgres string
}

func (p place) config(tb testing.TB, node string) engine.Config {
	tb.Helper()
	cfg := engine.Config{SQLite: p.SQLite, Node: node, Log: logTo(tb)}
	if p.Postgres != "" {
		pool, err := pgxpool.ParseConfig(p.Postgres)
		if err != nil {
			tb.Fatal(err)
		}
		cfg.Postgres = pool
	}
	return cfg
}

// logTo shows warnings with the test that caused them.
func logTo(tb testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// db opens the database as the application's store does.
func (p place) db(tb testing.TB) *sql.DB {
	tb.Helper()
	if p.Postgres != "" {
		pool, err := pgxpool.New(context.Background(), p.Postgres)
		if err != nil {
			tb.Fatal(err)
		}
		db := stdlib.OpenDBFromPool(pool)
		tb.Cleanup(func() { db.Close(); pool.Close() })
		return db
	}
	u := url.URL{Scheme: "file", Path: p.SQLite, RawQuery: "_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		tb.Fatal(err)
	}
	db.SetMaxOpenConns(4)
	tb.Cleanup(func() { db.Close() })
	return db
}

func newSQLite(tb testing.TB) place {
	return place{SQLite: filepath.Join(tb.TempDir(), "margay.db")}
}

// newPostgres makes a database of its own on the server that TEST_POSTGRES names.
func newPostgres(tb testing.TB) place {
	tb.Helper()
	dsn := os.Getenv("TEST_POSTGRES")
	if dsn == "" {
		if os.Getenv("CI") == "true" {
			tb.Fatal("TEST_POSTGRES is not set")
		}
		tb.Skip("TEST_POSTGRES is not set")
	}
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	admin := func(query string) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		conn, err := pgx.ConnectConfig(ctx, cfg)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, query)
		return err
	}
	name := "engine_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if err := admin("CREATE DATABASE " + name); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := admin("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			tb.Error(err)
		}
	})
	return place{Postgres: withDatabase(tb, dsn, name)}
}

// withDatabase returns dsn for another database, in either of its two forms.
func withDatabase(tb testing.TB, dsn, name string) string {
	tb.Helper()
	if !strings.Contains(dsn, "://") {
		return dsn + " dbname=" + name
	}
	u, err := url.Parse(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// each runs the test on both databases.
func each(t *testing.T, test func(t *testing.T, p place)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, newSQLite(t)) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, newPostgres(t)) })
}

// bench is an engine and the application's handle on the same database.
type bench struct {
	*engine.Engine
	tb testing.TB
	db *sql.DB
}

// opened opens an engine that the test's end stops.
func opened(tb testing.TB, cfg engine.Config, p place) *bench {
	tb.Helper()
	e, err := engine.Open(context.Background(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	b := &bench{Engine: e, tb: tb, db: p.db(tb)}
	tb.Cleanup(func() { b.stop(10 * time.Second) })
	return b
}

func (b *bench) start() {
	b.tb.Helper()
	if err := b.Start(context.Background()); err != nil {
		b.tb.Fatal(err)
	}
}

// stop stops the engine, giving jobs so long to end.
func (b *bench) stop(drain time.Duration) {
	b.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	if err := b.Stop(ctx); err != nil {
		b.tb.Error(err)
	}
}

// enqueue enqueues jobs in one transaction.
func (b *bench) enqueue(jobs ...engine.Job) {
	b.tb.Helper()
	if err := inTx(b.db, func(tx *sql.Tx) error {
		for _, j := range jobs {
			if err := b.Enqueue(context.Background(), tx, j); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.tb.Fatal(err)
	}
}

func inTx(db *sql.DB, fn func(tx *sql.Tx) error) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// ended waits for a job.
func (b *bench) ended(id string) engine.Status {
	b.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := b.Wait(ctx, id)
	if err != nil {
		b.tb.Fatalf("wait for %s: %v (%+v)", id, err, s)
	}
	return s
}

// until waits for a signal.
func until(tb testing.TB, what string, c <-chan struct{}) {
	tb.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		tb.Fatalf("no %s after a minute", what)
	}
}

func text(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// nothing is a handler, and a step, that does nothing.
func nothing(context.Context) (json.RawMessage, error) { return nil, nil }

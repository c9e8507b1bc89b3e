// Package store keeps all rows: it owns all SQL, one text for SQLite and
// PostgreSQL.
//
// It implements the store interfaces that the packages with the rules declare,
// and holds no rule itself. Writers run one at a time on both databases (SQLite
// by BEGIN IMMEDIATE, PostgreSQL by one advisory lock), so what a rule read is
// still true when its result is kept, and the audit chain has one end.
package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"modernc.org/sqlite" // its error codes
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/batch"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/sqlitefile"
	"github.com/margay-access/margay/internal/workflow"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema names the tables that this program wants: a hash of all migrations.
func Schema() string {
	sum := sha256.New()
	names, _ := fs.Glob(migrations, "migrations/*.sql") // the pattern is right
	for _, name := range names {
		text, _ := migrations.ReadFile(name) // it is embedded
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// writerLock is the PostgreSQL advisory lock that writers take, "mrgy" in ASCII.
const writerLock = 0x6d726779

// Config says which database. Exactly one of the two is given.
type Config struct {
	SQLite   string // path of the database file; its folder is made
	Postgres string // DSN
	Now      func() time.Time
}

// DB is the database. Safe for concurrent use.
type DB struct {
	write *bun.DB // SQLite: one connection, transactions begin IMMEDIATE
	read  *bun.DB
	now   func() time.Time

	pool *pgxpool.Pool // nil on SQLite
	lock *os.File      // nil on PostgreSQL
	path string

	commits atomic.Uint64 // changes that this process made
	group   group

	auditKey   []byte
	enqueue    func(ctx context.Context, tx *sql.Tx, job access.Job) error
	enqueueRun func(ctx context.Context, tx *sql.Tx, run workflow.Run) error

	enqueueComparison func(ctx context.Context, tx *sql.Tx, c access.Comparison) error
	enqueueBatch      func(ctx context.Context, tx *sql.Tx, b batch.Batch) error
}

// Open opens and migrates the database. On SQLite a second process on the same
// file is refused.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if (cfg.SQLite == "") == (cfg.Postgres == "") {
		return nil, errors.New("open database: give either SQLite or Postgres")
	}
	open := openSQLite
	if cfg.Postgres != "" {
		open = openPostgres
	}
	db, err := open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	db.now = cfg.Now
	if err := db.migrate(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := db.addKeys(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func openSQLite(_ context.Context, cfg Config) (*DB, error) {
	path, err := filepath.Abs(cfg.SQLite)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, err
	}
	if err := private(path); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	handle := func(mode sqlitefile.Mode, conns int) (*bun.DB, error) {
		db, err := sqlitefile.Open(path, mode, conns)
		if err != nil {
			return nil, fmt.Errorf("open database: %w", err)
		}
		return bun.NewDB(db, sqlitedialect.New()), nil
	}
	write, err := handle(sqlitefile.Write, 1)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	read, err := handle(sqlitefile.Read, 4)
	if err != nil {
		return nil, errors.Join(err, write.Close(), lock.Close())
	}
	return &DB{write: write, read: read, lock: lock, path: path}, nil
}

func openPostgres(ctx context.Context, cfg Config) (*DB, error) {
	pc, err := pgxpool.ParseConfig(cfg.Postgres)
	if err != nil {
		return nil, errors.New("open database: the PostgreSQL address cannot be read: write it as postgres://user@host/name") // err may hold the password
	}
	// While one connection holds the lock of the migrations, another migrates.
	pc.MaxConns = max(pc.MaxConns, 4)
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL at %s: %w", pc.ConnConfig.Host, err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("reach PostgreSQL at %s: %w", pc.ConnConfig.Host, err)
	}
	db := bun.NewDB(stdlib.OpenDBFromPool(pool), pgdialect.New())
	return &DB{write: db, read: db, pool: pool}, nil
}

func (db *DB) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	dialect := goose.DialectSQLite3
	if db.pool != nil {
		dialect = goose.DialectPostgres
	}
	provider, err := goose.NewProvider(dialect, db.write.DB, files, goose.WithTableName("schema_version"))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if db.pool == nil {
		_, err := provider.Up(ctx)
		return wrap("migrate the database", err)
	}
	// Two nodes that start at once must not migrate side by side.
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return wrap("migrate the database", err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", writerLock); err != nil {
		return wrap("migrate the database", err)
	}
	_, err = provider.Up(ctx)
	_, unlockErr := conn.Exec(ctx, "SELECT pg_advisory_unlock($1)", writerLock)
	return wrap("migrate the database", errors.Join(err, unlockErr))
}

// Use gives the database the key of the audit chain's hashes and the way to
// enqueue a job in a transaction. It is called once, before changes are made.
func (db *DB) Use(auditKey []byte, enqueue func(ctx context.Context, tx *sql.Tx, job access.Job) error) {
	db.auditKey, db.enqueue = auditKey, enqueue
}

// UseRuns gives the database the way to enqueue a run that is for no grant and
// no request. It is called once, before changes are made.
func (db *DB) UseRuns(enqueue func(ctx context.Context, tx *sql.Tx, run workflow.Run) error) {
	db.enqueueRun = enqueue
}

// UseComparisons gives the database the way to enqueue a comparison. It is
// called once, before changes are made.
func (db *DB) UseComparisons(enqueue func(ctx context.Context, tx *sql.Tx, c access.Comparison) error) {
	db.enqueueComparison = enqueue
}

// UseBatches gives the database the way to enqueue a batch. It is called once,
// before changes are made.
func (db *DB) UseBatches(enqueue func(ctx context.Context, tx *sql.Tx, b batch.Batch) error) {
	db.enqueueBatch = enqueue
}

// PoolConfig returns how to connect to PostgreSQL, or nil on SQLite.
func (db *DB) PoolConfig() *pgxpool.Config {
	if db.pool == nil {
		return nil
	}
	return db.pool.Config()
}

// Path returns the database file, or "" on PostgreSQL.
func (db *DB) Path() string { return db.path }

// Ping says whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	return wrap("reach the database", db.read.PingContext(ctx))
}

// Close closes the database.
func (db *DB) Close() error {
	errs := []error{db.write.Close()}
	if db.pool != nil {
		db.pool.Close()
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, db.read.Close(), db.lock.Close())...)
}

// maxTries bounds how often a transaction that the database broke off is run.
const maxTries = 6

// change runs fn in one write transaction. Writers run one at a time.
func (db *DB) change(ctx context.Context, fn func(tx *tx) error) error {
	for try := 1; ; try++ {
		err := db.changeOnce(ctx, fn)
		if err == nil || !runAgain(err) || try == maxTries {
			return err
		}
	}
}

func (db *DB) changeOnce(ctx context.Context, fn func(tx *tx) error) error {
	t, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return wrap("begin", err)
	}
	defer t.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	if db.pool != nil {
		if _, err := t.ExecContext(ctx, "SELECT pg_advisory_xact_lock(?)", writerLock); err != nil {
			return wrap("take the writers' turn", err)
		}
	}
	if err := fn(&tx{reader: reader{t}, db: db, sql: t}); err != nil {
		return err
	}
	if err := t.Commit(); err != nil {
		return wrap("commit", err)
	}
	db.commits.Add(1)
	return nil
}

// Pulse returns a text that is another one when something was changed: by this
// process at all, by others when it left an event, or when a run began or ended.
func (db *DB) Pulse(ctx context.Context) (string, error) {
	mine := db.commits.Load()
	var last, queued, running int64
	err := db.read.NewRaw("SELECT coalesce((SELECT max(seq) FROM events_head), 0)").Scan(ctx, &last)
	if err == nil && db.pool != nil { // other nodes: a run is queued with an event, and leaves these counts
		err = db.read.NewRaw("SELECT count(CASE WHEN state = 'queued' THEN 1 END), count(CASE WHEN state = 'running' THEN 1 END) FROM runs WHERE state IN ('queued', 'running')").
			Scan(ctx, &queued, &running)
	}
	var checks, changed int64
	if err == nil && db.pool != nil { // and the checks that it runs
		err = db.read.NewRaw("SELECT count(*), coalesce(max(began_ms + waits_ms), 0) FROM connection_check_runs").Scan(ctx, &checks, &changed)
	}
	return fmt.Sprintf("%d.%d.%d.%d.%d.%d", mine, last, queued, running, checks, changed), wrap("look for changes", err)
}

// view runs fn on one snapshot of the database.
func (db *DB) view(ctx context.Context, fn func(r reader) error) error {
	opts := &sql.TxOptions{ReadOnly: true}
	if db.pool != nil {
		opts.Isolation = sql.LevelRepeatableRead
	}
	t, err := db.read.BeginTx(ctx, opts)
	if err != nil {
		return wrap("begin", err)
	}
	defer t.Rollback() //nolint:errcheck // it only read
	return fn(reader{t})
}

// runAgain says whether the database broke the transaction off for a reason
// that a second try may not meet.
func runAgain(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "40001" || e.Code == "40P01"
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == sqlite3.SQLITE_BUSY_SNAPSHOT
	}
	return false
}

// duplicate says whether err is the refusal of a second row of the same key.
func duplicate(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "23505"
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	return false
}

// inUse says whether err is the refusal to remove a row that others point to.
func inUse(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "23503"
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
	}
	return false
}

func wrap(act string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "22021" {
		return fault.New(fault.Invalid, "A text that was given holds a character that cannot be kept.").WithCode("bad_text").Because(err)
	}
	return fmt.Errorf("%s: %w", act, err)
}

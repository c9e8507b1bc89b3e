package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	_ "github.com/dbos-inc/dbos-transact-golang/dbos/driver/sqlite" // tells DBOS how to read SQLite's errors, and registers the driver
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/margay-access/margay/internal/sqlitefile"
)

const (
	postgresConns = 12 // connections of DBOS; one of them listens
	sqliteConns   = 4  // few, since they take turns: those that wait here are served in order, those that wait inside SQLite are not
	ownConns      = 3  // connections of the engine's own: a lock, a heartbeat and one to spare
)

// database is the engine's handles: one that DBOS closes when it shuts down
// (it closes whatever handle it is given, so the caller's is not given to it)
// and one of the engine's own, which outlives it.
type database struct {
	own      *sql.DB
	close    func()
	postgres bool
}

// open opens both handles and fills in the one for DBOS.
func open(ctx context.Context, cfg Config, into *dbos.Config) (*database, error) {
	if cfg.Postgres != nil {
		return openPostgres(ctx, cfg.Postgres, cfg.Lease, into)
	}
	return openSQLite(cfg.SQLite, into)
}

func openSQLite(path string, into *dbos.Config) (*database, error) {
	handle := func(conns int) (*sql.DB, error) { return sqlitefile.Open(path, sqlitefile.Write, conns) }
	own, err := handle(ownConns)
	if err != nil {
		return nil, err
	}
	theirs, err := handle(sqliteConns)
	if err != nil {
		own.Close() //nolint:gosec // nothing was done with it
		return nil, err
	}
	into.SQLiteSystemDB = theirs
	return &database{own: own, close: func() {
		theirs.Close() //nolint:gosec // DBOS may have closed it already
		own.Close()    //nolint:gosec // nothing is pending on it
	}}, nil
}

func openPostgres(ctx context.Context, cfg *pgxpool.Config, lease time.Duration, into *dbos.Config) (*database, error) {
	pool := func(conns int32) (*pgxpool.Pool, error) {
		c := cfg.Copy()
		// The locks of a node that is paused in a transaction must not be in the
		// way of those that take its jobs over.
		c.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = strconv.FormatInt(lease.Milliseconds(), 10)
		c.MaxConns, c.MinConns, c.MinIdleConns = conns, 0, 0
		// The pool must not end with the context of its making.
		p, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), c)
		if err != nil {
			return nil, fmt.Errorf("open PostgreSQL: %w", err)
		}
		return p, nil
	}
	theirs, err := pool(postgresConns)
	if err != nil {
		return nil, err
	}
	ours, err := pool(ownConns)
	if err != nil {
		theirs.Close()
		return nil, err
	}
	into.SystemDBPool = theirs
	own := stdlib.OpenDBFromPool(ours)
	return &database{own: own, postgres: true, close: func() {
		own.Close() //nolint:gosec // nothing is pending on it
		ours.Close()
		theirs.Close()
	}}, nil
}

// migrations are the engine's own tables, in a text that both databases take.
// Add to the end, never change: each runs once, in order.
//
// engine_key numbers the jobs of a key. engine_node has a row for each node
// that ever served: instance is drawn anew at each start and emptied when the
// node leaves or is declared dead; beat_ms is the database's clock.
var migrations = []string{
	`CREATE TABLE engine_key (key TEXT PRIMARY KEY, seq BIGINT NOT NULL)`,
	`CREATE TABLE engine_node (id TEXT PRIMARY KEY, instance TEXT NOT NULL, started_ms BIGINT NOT NULL, beat_ms BIGINT NOT NULL)`,
}

// lockKey is the PostgreSQL advisory lock under which nodes are started,
// declared dead and taken over, and tables made: "margay" in ASCII.
const lockKey = 0x6d6172676179

// lockRetry is how often a lock that another node holds is asked for.
const lockRetry = 50 * time.Millisecond

// locked runs fn in a transaction that no other node's locked overlaps. SQLite
// has one process, and its transactions exclude each other anyway.
func (d *database) locked(ctx context.Context, fn func(tx *sql.Tx) error) error {
	for {
		done, err := d.tryLocked(ctx, fn)
		if done || err != nil {
			return err
		}
		// Ask again instead of waiting inside the database: a statement that
		// waits holds a snapshot, and the node that has the lock may be building
		// an index for which such snapshots must end.
		if err := pause(ctx, lockRetry); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
	}
}

// tryLocked is locked, except that it does nothing and returns false when
// another node has the lock.
func (d *database) tryLocked(ctx context.Context, fn func(tx *sql.Tx) error) (bool, error) {
	tx, err := d.own.BeginTx(ctx, nil)
	if err != nil {
		return false, fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback()
	if d.postgres {
		var got bool
		if err := tx.QueryRowContext(ctx, `SELECT pg_try_advisory_xact_lock($1)`, lockKey).Scan(&got); err != nil {
			return false, fmt.Errorf("lock: %w", err)
		}
		if !got {
			return false, nil
		}
	}
	if err := fn(tx); err != nil {
		return false, err
	}
	if err := tx.Commit(); err != nil {
		return false, fmt.Errorf("commit: %w", err)
	}
	return true, nil
}

// pause waits, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d) //nolint:forbidigo // it waits; it decides nothing
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// migrate brings the engine's own tables up to date.
func (d *database) migrate(ctx context.Context) error {
	return d.locked(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS engine_migration (version BIGINT PRIMARY KEY)`); err != nil {
			return fmt.Errorf("migrate engine: %w", err)
		}
		var done int
		if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM engine_migration`).Scan(&done); err != nil {
			return fmt.Errorf("migrate engine: %w", err)
		}
		if done > len(migrations) {
			return fmt.Errorf("migrate engine: the database is at version %d, this program knows %d: it is older than the one that wrote the database", done, len(migrations))
		}
		for i, text := range slices.All(migrations[done:]) {
			version := done + i + 1
			if _, err := tx.ExecContext(ctx, text); err != nil {
				return fmt.Errorf("migrate engine to %d: %w", version, err)
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO engine_migration (version) VALUES ($1)`, version); err != nil {
				return fmt.Errorf("migrate engine to %d: %w", version, err)
			}
		}
		return nil
	})
}

// exclusive runs fn while no other node runs anything exclusive or locked. It
// keeps no transaction open meanwhile: DBOS builds indexes concurrently, which
// waits for the transactions that are open.
func (d *database) exclusive(ctx context.Context, fn func() error) error {
	if !d.postgres {
		return fn() // one process, and its transactions exclude each other
	}
	conn, err := d.own.Conn(ctx)
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	defer conn.Close() // it goes back to the pool
	for got := false; !got; {
		if err := conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, lockKey).Scan(&got); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
		if !got {
			if err := pause(ctx, lockRetry); err != nil {
				return fmt.Errorf("lock: %w", err)
			}
		}
	}
	err = fn()
	// Unlocked also when ctx has ended, or the connection would take the lock
	// back to the pool with it.
	_, unlockErr := conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, lockKey)
	return errors.Join(err, unlockErr)
}

// indexJobs makes the index by which the next job of a key is found. Those that
// DBOS makes are for the jobs in flight alone, and a statement whose state is a
// parameter cannot use them: it would look at every job that was ever done, once
// a key.
func (d *database) indexJobs(ctx context.Context) error {
	const columns = `workflow_status (queue_partition_key, status, priority, created_at)`
	if !d.postgres {
		_, err := d.own.ExecContext(ctx, `CREATE INDEX IF NOT EXISTS engine_next_of_key ON `+columns)
		return wrapIndex(err)
	}
	var there bool
	err := d.own.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pg_indexes WHERE schemaname = 'dbos' AND indexname = 'engine_next_of_key')`).Scan(&there)
	if err != nil || there {
		return wrapIndex(err)
	}
	_, err = d.own.ExecContext(ctx, `CREATE INDEX IF NOT EXISTS engine_next_of_key ON dbos.`+columns)
	return wrapIndex(err)
}

func wrapIndex(err error) error {
	if err != nil {
		return fmt.Errorf("index the jobs: %w", err)
	}
	return nil
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/margay-access/margay/internal/connection"
)

var _ connection.LeaseStore = (*DB)(nil)

// clock is the database's own time in milliseconds: the nodes' clocks may
// differ, a lease may not.
func (db *DB) clock() string {
	if db.pool != nil {
		return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
	}
	return "CAST(unixepoch('subsec') * 1000 AS BIGINT)"
}

// TakeLease implements [connection.LeaseStore].
func (db *DB) TakeLease(ctx context.Context, name, holder string, ttl time.Duration) (fence int64, taken bool, err error) {
	now := db.clock()
	// One statement: it takes the lease when nobody has it, and returns nothing
	// when somebody does.
	rows, err := db.write.QueryContext(ctx, `INSERT INTO leases (name, holder, fence, expires_ms, wanted_ms)
		VALUES (?, ?, 1, `+now+` + ?, 0)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, fence = leases.fence + 1, expires_ms = excluded.expires_ms, wanted_ms = 0
		WHERE leases.expires_ms <= `+now+`
		RETURNING fence`, name, holder, ttl.Milliseconds())
	if err != nil {
		return 0, false, wrap("take lease", err)
	}
	defer rows.Close()
	if rows.Next() {
		err := rows.Scan(&fence)
		return fence, err == nil, wrap("take lease", err)
	}
	if err := rows.Err(); err != nil {
		return 0, false, wrap("take lease", err)
	}
	_ = rows.Close() // the connection is needed for the next statement
	_, err = db.write.ExecContext(ctx, `UPDATE leases SET wanted_ms = `+now+` + ? WHERE name = ? AND holder <> ?`,
		connection.LeaseWaits.Milliseconds(), name, holder)
	return 0, false, wrap("ask for lease", err)
}

// RenewLease implements [connection.LeaseStore].
func (db *DB) RenewLease(ctx context.Context, name, holder string, fence int64, ttl time.Duration) (held bool, err error) {
	now := db.clock()
	res, err := db.write.ExecContext(ctx, `UPDATE leases SET expires_ms = `+now+` + ?
		WHERE name = ? AND holder = ? AND fence = ? AND expires_ms > `+now, ttl.Milliseconds(), name, holder, fence)
	if err != nil {
		return false, wrap("renew lease", err)
	}
	n, err := res.RowsAffected()
	return n == 1, wrap("renew lease", err)
}

// LeaseWanted implements [connection.LeaseStore].
func (db *DB) LeaseWanted(ctx context.Context, name string) (bool, error) {
	var n int
	err := db.read.NewRaw(`SELECT COUNT(*) FROM leases WHERE name = ? AND wanted_ms > `+db.clock(), name).Scan(ctx, &n)
	return n > 0, wrap("look at lease", err)
}

// LeaseHolder implements [connection.Store].
func (db *DB) LeaseHolder(ctx context.Context, name string) (holder string, wanted bool, err error) {
	err = db.read.NewRaw(`SELECT holder, wanted_ms > `+db.clock()+` FROM leases WHERE name = ? AND expires_ms > `+db.clock(), name).Scan(ctx, &holder, &wanted)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return holder, wanted, wrap("look at lease", err)
}

// DropLease implements [connection.LeaseStore].
func (db *DB) DropLease(ctx context.Context, name, holder string, fence int64) error {
	_, err := db.write.ExecContext(ctx, `UPDATE leases SET expires_ms = 0 WHERE name = ? AND holder = ? AND fence = ?`, name, holder, fence)
	return wrap("drop lease", err)
}

// FreeLeases implements [connection.LeaseStore].
func (db *DB) FreeLeases(ctx context.Context, holders string) error {
	_, err := db.write.ExecContext(ctx, `UPDATE leases SET expires_ms = 0 WHERE holder LIKE ?`, holders+"%")
	return wrap("free leases", err)
}

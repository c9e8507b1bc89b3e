// Package sqlitefile opens the handles of one SQLite file, whose writers take
// turns.
//
// A process has several handles of its file: the rows have one for writing and
// one for reading, and the engine has its own. SQLite lets one of them write at
// a time and makes the others sleep and look again, for up to a tenth of a
// second, which is many times what a transaction takes. Here they wait in a
// queue of this process instead, and are served in order. It is the only way in
// which store and engine open a file, so that both mean the same by it: WAL,
// synchronous=FULL, foreign keys.
package sqlitefile

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"

	"modernc.org/sqlite"
)

// Mode says how the transactions of a handle begin.
type Mode string

// The modes.
const (
	// Write begins each transaction as a writer: one that turns to writing later
	// fails at once with SQLITE_BUSY_SNAPSHOT.
	Write Mode = "immediate"
	// Read is for transactions that only read. They wait for nobody.
	Read Mode = "deferred"
)

// Open returns a handle of at most conns connections to the file at path.
func Open(path string, mode Mode, conns int) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	// Another process, such as a back-up, is waited for as SQLite does it.
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: "_txlock=" + string(mode) + "&_pragma=busy_timeout(10000)" +
		"&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)"}
	c := connector{name: u.String(), turn: turnOf(abs)}
	if mode == Read {
		c.turn = nil
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// turn is the right to write to one file: who sends has it, who receives gives
// it back. A channel serves those who wait in order.
type turn chan struct{}

func (t turn) take(ctx context.Context) error {
	if t == nil {
		return nil
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) leave() {
	if t != nil {
		<-t
	}
}

var (
	turnsMu sync.Mutex
	turns   = map[string]turn{} // by path; as many as a process opens files
)

func turnOf(path string) turn {
	turnsMu.Lock()
	defer turnsMu.Unlock()
	if turns[path] == nil {
		turns[path] = make(turn, 1)
	}
	return turns[path]
}

type connector struct {
	name string
	turn turn
}

// theDriver is modernc's, which keeps nothing of our own.
var theDriver = &sqlite.Driver{}

// Driver implements [driver.Connector].
func (connector) Driver() driver.Driver { return theDriver }

// Connect implements [driver.Connector]. Making the file a WAL writes to it.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := c.turn.take(ctx); err != nil {
		return nil, err
	}
	defer c.turn.leave()
	inner, err := theDriver.Open(c.name)
	if err != nil {
		return nil, err
	}
	full, ok := inner.(fullConn)
	if !ok {
		return nil, errors.Join(errors.New("the SQLite driver lacks what it had"), inner.Close())
	}
	return &conn{fullConn: full, turn: c.turn}, nil
}

// fullConn is what a connection of modernc's can do.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// conn is a connection that takes its turn before it writes. database/sql uses
// it from one goroutine at a time.
type conn struct {
	fullConn
	turn turn
	open bool // in a transaction, which has the turn

	statements statements
}

// BeginTx implements [driver.ConnBeginTx].
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if err := c.turn.take(ctx); err != nil {
		return nil, err
	}
	inner, err := c.fullConn.BeginTx(ctx, opts)
	if err != nil {
		c.turn.leave()
		return nil, err
	}
	c.open = true
	return &tx{Tx: inner, conn: c}, nil
}

// ExecContext implements [driver.ExecerContext].
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if !c.open {
		if err := c.turn.take(ctx); err != nil {
			return nil, err
		}
		defer c.turn.leave()
	}
	return c.statements.exec(ctx, c.fullConn, query, args)
}

// QueryContext implements [driver.QueryerContext].
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.statements.query(ctx, c.fullConn, query, args)
}

// Close implements [driver.Conn].
func (c *conn) Close() error {
	return errors.Join(c.statements.drop(), c.fullConn.Close())
}

type tx struct {
	driver.Tx
	conn *conn
}

func (t *tx) end() {
	if t.conn.open {
		t.conn.open = false
		t.conn.turn.leave()
	}
}

// Commit implements [driver.Tx].
func (t *tx) Commit() error {
	defer t.end()
	return t.Tx.Commit()
}

// Rollback implements [driver.Tx].
func (t *tx) Rollback() error {
	defer t.end()
	return t.Tx.Rollback()
}

package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/idempotency"
)

var _ idempotency.Store = (*DB)(nil)

type callRow struct {
	bun.BaseModel `bun:"table:idempotency_keys"`
	Caller        string `bun:",pk"`
	Route         string `bun:",pk"`
	Key           string `bun:",pk"`
	BodyHash      string
	State         string
	Status        int
	Header        string
	Body          string
	Forgotten     bool
	CreatedMs     int64
}

func callTo(c idempotency.Call) *callRow {
	return &callRow{
		Caller: c.Caller, Route: c.Route, Key: c.Key, BodyHash: c.Body, State: string(c.State), Status: c.Status, Header: text(c.Header),
		Body: c.Answer, Forgotten: c.Forgotten, CreatedMs: ms(c.At),
	}
}

func callFrom(r callRow) (idempotency.Call, error) {
	header, err := parse[map[string]string]("header", r.Header)
	return idempotency.Call{
		Caller: r.Caller, Route: r.Route, Key: r.Key, Body: r.BodyHash, State: idempotency.State(r.State), Status: r.Status, Header: header,
		Answer: r.Body, Forgotten: r.Forgotten, At: at(r.CreatedMs),
	}, err
}

// BeginCall implements [idempotency.Store].
func (db *DB) BeginCall(ctx context.Context, c idempotency.Call, forget time.Time) (kept idempotency.Call, begun bool, err error) {
	err = db.change(ctx, func(tx *tx) error {
		if _, err := tx.sql.NewRaw("DELETE FROM idempotency_keys WHERE created_ms < ?", ms(forget)).Exec(ctx); err != nil {
			return wrap("forget old calls", err)
		}
		res, err := tx.sql.NewInsert().Model(callTo(c)).On("CONFLICT (caller, route, key) DO NOTHING").Exec(ctx)
		if err != nil {
			return wrap("begin call", err)
		}
		n, err := res.RowsAffected()
		if kept, begun = c, n == 1; err != nil || begun {
			return wrap("begin call", err)
		}
		row := *callTo(c)
		if err := tx.sql.NewSelect().Model(&row).WherePK().Scan(ctx); err != nil {
			return wrap("read call", err)
		}
		kept, err = callFrom(row)
		return err
	})
	return kept, begun, err
}

// EndCall implements [idempotency.Store].
func (db *DB) EndCall(ctx context.Context, c idempotency.Call) error {
	return db.change(ctx, func(tx *tx) error {
		_, err := tx.sql.NewUpdate().Model(callTo(c)).WherePK().Exec(ctx)
		return wrap("end call", err)
	})
}

// DropCall implements [idempotency.Store].
func (db *DB) DropCall(ctx context.Context, c idempotency.Call) error {
	return db.change(ctx, func(tx *tx) error {
		_, err := tx.sql.NewDelete().Model(callTo(c)).WherePK().Exec(ctx)
		return wrap("drop call", err)
	})
}

package store

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
)

type connectionRow struct {
	bun.BaseModel `bun:"table:connections"`
	ID            string `bun:",pk"`
	Integration   string
	DisplayName   string
	Settings      string
	Sealed        string
	Hints         string
	Version       int
	CreatedMs     int64
	UpdatedMs     int64
}

func connectionFrom(r connectionRow) (connection.Connection, error) {
	c := connection.Connection{
		ID: r.ID, Integration: r.Integration, DisplayName: r.DisplayName, Version: r.Version,
		CreatedAt: at(r.CreatedMs), UpdatedAt: at(r.UpdatedMs),
	}
	var err error
	if c.Settings, err = parse[integration.Settings]("settings", r.Settings); err != nil {
		return c, err
	}
	if c.Sealed, err = parse[map[string]string]("sealed", r.Sealed); err != nil {
		return c, err
	}
	c.Hints, err = parse[map[string]string]("hints", r.Hints)
	return c, err
}

// Connection implements [connection.Store].
func (db *DB) Connection(ctx context.Context, id string) (connection.Connection, error) {
	var row connectionRow
	if err := db.read.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return connection.Connection{}, missing(err, "connection", id)
	}
	return connectionFrom(row)
}

// Connections implements [connection.Store].
func (db *DB) Connections(ctx context.Context) ([]connection.Connection, error) {
	var rows []connectionRow
	if err := db.read.NewSelect().Model(&rows).Order("display_name", "id").Scan(ctx); err != nil {
		return nil, wrap("list connections", err)
	}
	return each(rows, connectionFrom)
}

// SaveConnection implements [connection.Store].
func (db *DB) SaveConnection(ctx context.Context, c connection.Connection, events ...audit.Event) error {
	row := connectionRow{
		ID: c.ID, Integration: c.Integration, DisplayName: c.DisplayName, Settings: text(c.Settings), Sealed: text(c.Sealed),
		Hints: text(c.Hints), Version: c.Version, CreatedMs: ms(c.CreatedAt), UpdatedMs: ms(c.UpdatedAt),
	}
	return db.change(ctx, func(tx *tx) error {
		if c.Version == 1 {
			if _, err := tx.sql.NewInsert().Model(&row).Exec(ctx); err != nil {
				return wrap("save connection", err)
			}
			return tx.Record(ctx, events...)
		}
		res, err := tx.sql.NewUpdate().Model(&row).WherePK().Where("version = ?", c.Version-1).Exec(ctx)
		if err != nil {
			return wrap("save connection", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return fault.New(fault.Conflict, "This connection was changed meanwhile.").WithCode("conflict").WithHint("Reload it and try again.").Because(err)
		}
		return tx.Record(ctx, events...)
	})
}

// DeleteConnection implements [connection.Store].
func (db *DB) DeleteConnection(ctx context.Context, id string, events ...audit.Event) error {
	return db.change(ctx, func(tx *tx) error {
		if _, err := tx.sql.NewDelete().Model((*connectionRow)(nil)).Where("id = ?", id).Exec(ctx); err != nil {
			if inUse(err) {
				return fault.New(fault.Conflict, "Apps are bound to this connection, or access was given through it, of which the record is kept.").WithCode("in_use").
					WithHint("Bind the apps to another connection first. A connection through which access was given stays.").Because(err)
			}
			return wrap("delete connection", err)
		}
		return tx.Record(ctx, events...)
	})
}

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
	UpdatedBy     string
	SecretMs      int64
	SecretBy      string
	PausedMs      int64
	PausedBy      string
}

func connectionFrom(r connectionRow) (connection.Connection, error) {
	c := connection.Connection{
		ID: r.ID, Integration: r.Integration, DisplayName: r.DisplayName, Version: r.Version,
		CreatedAt: at(r.CreatedMs), UpdatedAt: at(r.UpdatedMs), SecretAt: at(r.SecretMs), PausedAt: at(r.PausedMs),
	}
	var err error
	for _, by := range []struct {
		text string
		to   *connection.Author
	}{{r.UpdatedBy, &c.UpdatedBy}, {r.SecretBy, &c.SecretBy}, {r.PausedBy, &c.PausedBy}} {
		if by.text == "{}" { // nobody
			continue
		}
		if *by.to, err = parse[connection.Author]("author", by.text); err != nil {
			return c, err
		}
	}
	if c.Settings, err = parse[integration.Settings]("settings", r.Settings); err != nil {
		return c, err
	}
	if r.Sealed != "{}" {
		if c.Sealed, err = parse[map[string]string]("sealed", r.Sealed); err != nil {
			return c, err
		}
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
	// Nothing that lists connections opens a secret.
	if err := db.read.NewSelect().Model(&rows).ExcludeColumn("sealed").Order("display_name", "id").Scan(ctx); err != nil {
		return nil, wrap("list connections", err)
	}
	for i := range rows {
		rows[i].Sealed = "{}"
	}
	return each(rows, connectionFrom)
}

// SaveConnection implements [connection.Store].
func (db *DB) SaveConnection(ctx context.Context, c connection.Connection, events ...audit.Event) error {
	row := connectionRow{
		ID: c.ID, Integration: c.Integration, DisplayName: c.DisplayName, Settings: text(c.Settings), Sealed: text(c.Sealed),
		Hints: text(c.Hints), Version: c.Version, CreatedMs: ms(c.CreatedAt), UpdatedMs: ms(c.UpdatedAt), UpdatedBy: text(c.UpdatedBy),
		SecretMs: ms(c.SecretAt), SecretBy: text(c.SecretBy), PausedMs: ms(c.PausedAt), PausedBy: text(c.PausedBy),
	}
	return db.change(ctx, func(tx *tx) error {
		if c.Version == 1 {
			if _, err := tx.sql.NewInsert().Model(&row).Exec(ctx); err != nil {
				return wrap("save connection", err)
			}
			return tx.Record(ctx, events...)
		}
		res, err := tx.sql.NewUpdate().Model(&row).ExcludeColumn("paused_ms", "paused_by").WherePK().Where("version = ?", c.Version-1).Exec(ctx)
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
		use, err := connectionUse(ctx, tx.sql, id)
		if err != nil {
			return err
		}
		if err := stillUsed(use); err != nil {
			return err
		}
		for _, model := range []any{(*checkRow)(nil), (*checkRunRow)(nil), (*usageRow)(nil)} {
			if _, err := tx.sql.NewDelete().Model(model).Where("connection_id = ?", id).Exec(ctx); err != nil {
				return wrap("delete connection", err)
			}
		}
		if _, err := tx.sql.NewDelete().Model((*connectionRow)(nil)).Where("id = ?", id).Exec(ctx); err != nil {
			if inUse(err) {
				return fault.New(fault.Conflict, "This connection is in use.").WithCode("in_use").WithHint("To stop all use of it, pause it.").Because(err)
			}
			return wrap("delete connection", err)
		}
		return tx.Record(ctx, events...)
	})
}

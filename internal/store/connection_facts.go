package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
)

type checkRow struct {
	bun.BaseModel `bun:"table:connection_checks"`
	ConnectionID  string `bun:",pk"`
	CheckKey      string `bun:",pk"`
	Version       int
	Pass          bool
	Message       string
	Detail        string
	Hint          string
	Facts         string
	AtMs          int64
	TookMs        int64
	WaitedMs      int64
	Mends         string
}

type checkRunRow struct {
	bun.BaseModel `bun:"table:connection_check_runs"`
	ConnectionID  string `bun:",pk"`
	CheckKey      string `bun:",pk"`
	Version       int
	BeganMs       int64
	UntilMs       int64
	WaitsMs       int64
	Trouble       string
	Hint          string
}

type usageRow struct {
	bun.BaseModel `bun:"table:connection_usage"`
	ConnectionID  string `bun:",pk"`
	UsedMs        int64
	Day           string
	Calls         int
	LastCalls     string
	History       string
}

func usageFrom(r usageRow) (connection.Usage, error) {
	u := connection.Usage{UsedAt: at(r.UsedMs), Day: r.Day, Calls: r.Calls}
	var err error
	if u.Last, err = parse[[]connection.Exchange]("last calls", r.LastCalls); err != nil {
		return u, err
	}
	u.History, err = parse[[]connection.Sent]("history", r.History)
	return u, err
}

// RetireConnection implements [connection.Store].
func (db *DB) RetireConnection(ctx context.Context, c connection.Connection, events ...audit.Event) error {
	return db.change(ctx, func(tx *tx) error {
		use, err := connectionUse(ctx, tx.sql, c.ID)
		if err != nil {
			return err
		}
		if use.Needed() {
			return stillUsed(use)
		}
		res, err := tx.sql.NewRaw("UPDATE connections SET sealed = '{}', hints = '{}', secret_ms = 0, secret_by = '{}', version = ?, updated_ms = ?, updated_by = ?, paused_ms = ?, paused_by = ? "+
			"WHERE id = ? AND version = ?", c.Version, ms(c.UpdatedAt), text(c.UpdatedBy), ms(c.PausedAt), text(c.PausedBy), c.ID, c.Version-1).Exec(ctx)
		if err != nil {
			return wrap("retire connection", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return fault.New(fault.Conflict, "This connection was changed meanwhile.").WithCode("conflict").WithHint("Reload it and try again.").Because(err)
		}
		return tx.Record(ctx, events...)
	})
}

// PauseConnection implements [connection.Store].
func (db *DB) PauseConnection(ctx context.Context, c connection.Connection, events ...audit.Event) error {
	return db.change(ctx, func(tx *tx) error {
		res, err := tx.sql.NewRaw("UPDATE connections SET paused_ms = ?, paused_by = ? WHERE id = ? AND version = ?", ms(c.PausedAt), text(c.PausedBy), c.ID, c.Version).Exec(ctx)
		if err != nil {
			return wrap("pause connection", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return wrap("pause connection", err)
		}
		if n == 0 {
			return fault.New(fault.Conflict, "Somebody changed the connection %s meanwhile.", c.DisplayName).WithCode("conflict").WithHint("Look at it as it is now.")
		}
		return tx.Record(ctx, events...)
	})
}

// KeepChecks implements [connection.Store].
func (db *DB) KeepChecks(ctx context.Context, id string, reports []connection.CheckReport) error {
	rows := make([]checkRow, len(reports))
	for i, r := range reports {
		rows[i] = checkRow{
			ConnectionID: id, CheckKey: r.Key, Version: r.Version, Pass: r.Pass, Message: r.Message, Detail: r.Detail, Hint: r.Hint,
			Facts: text(r.Facts), AtMs: ms(r.At), TookMs: r.Duration.Milliseconds(),
			WaitedMs: r.Waited.Milliseconds(), Mends: joined(r.Mends),
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return db.change(ctx, func(tx *tx) error {
		if there, err := tx.connectionIsThere(ctx, id); err != nil || !there {
			return err // it was removed meanwhile
		}
		// A run that began later and ended sooner has the last word.
		_, err := tx.sql.NewInsert().Model(&rows).On("CONFLICT (connection_id, check_key) DO UPDATE").
			Set("version = EXCLUDED.version, pass = EXCLUDED.pass, message = EXCLUDED.message, detail = EXCLUDED.detail, hint = EXCLUDED.hint").
			Set("facts = EXCLUDED.facts, at_ms = EXCLUDED.at_ms, took_ms = EXCLUDED.took_ms, waited_ms = EXCLUDED.waited_ms, mends = EXCLUDED.mends").
			Where("check_row.at_ms <= EXCLUDED.at_ms").Exec(ctx)
		if err != nil {
			return wrap("keep checks", err)
		}
		for _, r := range rows {
			_, err := tx.sql.NewDelete().Model((*checkRunRow)(nil)).Where("connection_id = ? AND check_key = ? AND began_ms <= ?", id, r.CheckKey, r.AtMs).Exec(ctx)
			if err != nil {
				return wrap("end the run of a check", err)
			}
		}
		return nil
	})
}

// BeginChecks implements [connection.Store].
func (db *DB) BeginChecks(ctx context.Context, id string, runs []connection.CheckRun) error {
	rows := make([]checkRunRow, len(runs))
	for i, r := range runs {
		rows[i] = checkRunRow{
			ConnectionID: id, CheckKey: r.Key, Version: r.Version, BeganMs: ms(r.Began), UntilMs: ms(r.Until), WaitsMs: ms(r.Waits), Trouble: r.Trouble, Hint: r.Hint,
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return db.change(ctx, func(tx *tx) error {
		if there, err := tx.connectionIsThere(ctx, id); err != nil || !there {
			return err
		}
		_, err := tx.sql.NewInsert().Model(&rows).On("CONFLICT (connection_id, check_key) DO UPDATE").
			Set("version = EXCLUDED.version, began_ms = EXCLUDED.began_ms, until_ms = EXCLUDED.until_ms").
			Set("waits_ms = EXCLUDED.waits_ms, trouble = EXCLUDED.trouble, hint = EXCLUDED.hint").
			Where("check_run_row.began_ms <= EXCLUDED.began_ms").Exec(ctx)
		return wrap("begin checks", err)
	})
}

// WaitChecks implements [connection.Store].
func (db *DB) WaitChecks(ctx context.Context, id string, began, until time.Time) error {
	return db.change(ctx, func(tx *tx) error {
		_, err := tx.sql.NewRaw("UPDATE connection_check_runs SET waits_ms = ? WHERE connection_id = ? AND began_ms = ? AND until_ms > 0", ms(until), id, ms(began)).Exec(ctx)
		return wrap("note that checks wait", err)
	})
}

// EndChecks implements [connection.Store].
func (db *DB) EndChecks(ctx context.Context, id string, began time.Time, trouble, hint string) error {
	return db.change(ctx, func(tx *tx) error {
		const these = "connection_id = ? AND began_ms = ? AND until_ms > 0"
		if trouble == "" {
			_, err := tx.sql.NewDelete().Model((*checkRunRow)(nil)).Where(these, id, ms(began)).Exec(ctx)
			return wrap("end checks", err)
		}
		_, err := tx.sql.NewRaw("UPDATE connection_check_runs SET until_ms = 0, waits_ms = 0, trouble = ?, hint = ? WHERE "+these, trouble, hint, id, ms(began)).Exec(ctx)
		return wrap("end checks", err)
	})
}

// CheckRuns implements [connection.Store].
func (db *DB) CheckRuns(ctx context.Context, id string) ([]connection.CheckRun, error) {
	var rows []checkRunRow
	if err := db.read.NewSelect().Model(&rows).Where("connection_id = ?", id).Order("check_key").Scan(ctx); err != nil {
		return nil, wrap("read the runs of checks", err)
	}
	out := make([]connection.CheckRun, len(rows))
	for i, r := range rows {
		out[i] = connection.CheckRun{
			Key: r.CheckKey, Version: r.Version, Began: at(r.BeganMs), Until: at(r.UntilMs), Waits: at(r.WaitsMs), Trouble: r.Trouble, Hint: r.Hint,
		}
	}
	return out, nil
}

// joined and parted write what may mend a failure as words.
func joined(mends []integration.Mend) string {
	words := make([]string, len(mends))
	for i, m := range mends {
		words[i] = string(m)
	}
	return strings.Join(words, " ")
}

func parted(words string) []integration.Mend {
	var mends []integration.Mend
	for w := range strings.FieldsSeq(words) {
		mends = append(mends, integration.Mend(w))
	}
	return mends
}

func (t *tx) connectionIsThere(ctx context.Context, id string) (bool, error) {
	n, err := t.q.NewSelect().Model((*connectionRow)(nil)).Where("id = ?", id).Count(ctx)
	return n > 0, wrap("look for connection", err)
}

// LastChecks implements [connection.Store].
func (db *DB) LastChecks(ctx context.Context, id string) (map[string][]connection.CheckReport, error) {
	var rows []checkRow
	q := db.read.NewSelect().Model(&rows).Order("connection_id", "check_key")
	if id != "" {
		q = q.Where("connection_id = ?", id)
	} else {
		q = q.ExcludeColumn("message", "detail", "hint", "facts") // what a list does not show
	}
	if err := q.Scan(ctx); err != nil {
		return nil, wrap("read checks", err)
	}
	out := map[string][]connection.CheckReport{}
	for _, r := range rows {
		var facts []integration.Fact
		if r.Facts != "" {
			var err error
			if facts, err = parse[[]integration.Fact]("facts", r.Facts); err != nil {
				return nil, err
			}
		}
		out[r.ConnectionID] = append(out[r.ConnectionID], connection.CheckReport{
			Key: r.CheckKey, Version: r.Version, Pass: r.Pass, Message: r.Message, Detail: r.Detail, Hint: r.Hint, Facts: facts,
			At: at(r.AtMs), Duration: time.Duration(r.TookMs) * time.Millisecond,
			Waited: time.Duration(r.WaitedMs) * time.Millisecond, Mends: parted(r.Mends),
		})
	}
	return out, nil
}

// AddUsage implements [connection.Store].
func (db *DB) AddUsage(ctx context.Context, id string, more connection.Usage) error {
	return db.change(ctx, func(tx *tx) error {
		if there, err := tx.connectionIsThere(ctx, id); err != nil || !there {
			return err
		}
		var row usageRow
		var u connection.Usage
		err := tx.sql.NewSelect().Model(&row).Where("connection_id = ?", id).Scan(ctx)
		if err == nil {
			u, err = usageFrom(row)
		} else if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		if err != nil {
			return wrap("read usage", err)
		}
		u = u.Add(more)
		row = usageRow{ConnectionID: id, UsedMs: ms(u.UsedAt), Day: u.Day, Calls: u.Calls, LastCalls: text(u.Last), History: text(u.History)}
		_, err = tx.sql.NewInsert().Model(&row).On("CONFLICT (connection_id) DO UPDATE").
			Set("used_ms = EXCLUDED.used_ms, day = EXCLUDED.day, calls = EXCLUDED.calls, last_calls = EXCLUDED.last_calls, history = EXCLUDED.history").Exec(ctx)
		return wrap("keep usage", err)
	})
}

// Usages implements [connection.Store].
func (db *DB) Usages(ctx context.Context, id string) (map[string]connection.Usage, error) {
	var rows []usageRow
	q := db.read.NewSelect().Model(&rows)
	if id != "" {
		q = q.Where("connection_id = ?", id)
	} else {
		q = q.ExcludeColumn("last_calls", "history") // what a list does not show
	}
	if err := q.Scan(ctx); err != nil {
		return nil, wrap("read usage", err)
	}
	out := map[string]connection.Usage{}
	for _, r := range rows {
		if id == "" {
			r.LastCalls, r.History = "[]", "[]"
		}
		u, err := usageFrom(r)
		if err != nil {
			return nil, err
		}
		out[r.ConnectionID] = u
	}
	return out, nil
}

// ConnectionUse implements [connection.Store].
func (db *DB) ConnectionUse(ctx context.Context, id string) (connection.Use, error) {
	var u connection.Use
	err := db.view(ctx, func(r reader) error {
		var err error
		u, err = connectionUse(ctx, r.q, id)
		return err
	})
	return u, err
}

func connectionUse(ctx context.Context, db bun.IDB, id string) (connection.Use, error) {
	var u connection.Use
	if err := db.NewSelect().Table("apps").Column("name", "id").Where("connection_id = ?", id).Order("name", "id").Scan(ctx, &u.Apps, &u.AppIDs); err != nil {
		return u, wrap("read the apps of a connection", err)
	}
	// Of access that was not set up something may be there, or it is tried again.
	err := db.NewSelect().Table("grants").ColumnExpr("COUNT(*), COUNT(CASE WHEN state NOT IN (?, ?) OR state = ? AND (starts_ms > 0 OR next_run_id <> '') THEN 1 END)",
		access.GrantEnded, access.GrantNotSetUp, access.GrantNotSetUp).
		Where("connection_id = ?", id).Scan(ctx, &u.Grants, &u.LiveGrants)
	return u, wrap("count the grants of a connection", err)
}

// stillUsed says why a connection cannot be removed; nil: it can.
func stillUsed(u connection.Use) error {
	f := fault.New(fault.Conflict, "").WithCode("in_use")
	switch {
	case u.LiveGrants == 1:
		f.Message = "1 grant that was given through this connection is live."
	case u.LiveGrants > 1:
		f.Message = fmt.Sprintf("%d grants that were given through this connection are live.", u.LiveGrants)
	}
	if f.Message != "" {
		return f.WithHint("End them first: margay access list. To stop all use of the connection, pause it.")
	}
	switch {
	case len(u.Apps) == 1:
		return fault.New(fault.Conflict, "The app %s is bound to this connection.", u.Apps[0]).WithCode("in_use").
			WithHint("Bind the app to another connection first.")
	case len(u.Apps) > 1:
		return fault.New(fault.Conflict, "The apps %s are bound to this connection.", strings.Join(u.Apps, ", ")).WithCode("in_use").
			WithHint("Bind the apps to another connection first.")
	case u.Grants > 0:
		return fault.New(fault.Conflict, "Access was given through this connection, and the record of it is kept.").WithCode("in_use").
			WithHint("It stays. To put it out of use for good and remove its secret, retire it.")
	}
	return nil
}

// TellCredential implements [connection.Store].
func (db *DB) TellCredential(ctx context.Context, id string, ends time.Time, e audit.Event) error {
	return db.change(ctx, func(tx *tx) error {
		res, err := tx.sql.NewRaw("INSERT INTO credentials_told (connection_id, ends_ms) VALUES (?, ?) ON CONFLICT (connection_id, ends_ms) DO NOTHING", id, ms(ends)).Exec(ctx)
		if err != nil {
			return wrap("note a told end of credentials", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return wrap("note a told end of credentials", err)
		}
		return tx.Record(ctx, e)
	})
}

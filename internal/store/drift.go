package store

import (
	"context"
	"slices"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/identity"
)

type comparisonRow struct {
	bun.BaseModel `bun:"table:comparisons"`
	ID            string `bun:",pk"`
	AppID         string
	ConnectionID  string
	State         string
	StartedBy     string
	StartedMs     int64
	ListedMs      int64
	EndedMs       int64
	UsersRead     int
	UsersTotal    int
	Counts        string
	Problem       string
}

func comparisonFrom(r comparisonRow) (access.Comparison, error) {
	c := access.Comparison{
		ID: access.ComparisonID(r.ID), App: access.AppID(r.AppID), Connection: r.ConnectionID, State: access.ComparisonState(r.State),
		By: identity.PersonID(r.StartedBy), StartedAt: at(r.StartedMs), ListedAt: at(r.ListedMs), EndedAt: at(r.EndedMs), Read: r.UsersRead, Of: r.UsersTotal,
	}
	var err error
	if c.Counts, err = parse[access.DriftCounts]("counts", r.Counts); err != nil {
		return c, err
	}
	c.Problem, err = parse[access.Problem]("problem", r.Problem)
	return c, err
}

// Comparison implements [access.Reader].
func (r reader) Comparison(ctx context.Context, id access.ComparisonID) (access.Comparison, error) {
	var row comparisonRow
	if err := r.q.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return access.Comparison{}, missing(err, "comparison", string(id))
	}
	return comparisonFrom(row)
}

// Comparisons implements [access.Reader].
func (r reader) Comparisons(ctx context.Context, f access.ComparisonFilter) ([]access.Comparison, error) {
	if !keepable(string(f.App), string(f.State), string(f.Before)) {
		return nil, nil
	}
	var rows []comparisonRow
	q := r.q.NewSelect().Model(&rows).Order("id DESC")
	if f.App != "" {
		q.Where("app_id = ?", f.App)
	}
	if f.State != "" {
		q.Where("state = ?", f.State)
	}
	if f.Newest {
		q.Where("id = (SELECT max(id) FROM comparisons WHERE app_id = ?TableAlias.app_id)")
	}
	if f.Before != "" {
		q.Where("id < ?", f.Before)
	}
	if f.Limit > 0 {
		q.Limit(int64(f.Limit))
	}
	if err := q.Scan(ctx); err != nil {
		return nil, wrap("list comparisons", err)
	}
	return each(rows, comparisonFrom)
}

// SaveComparison implements [access.Tx].
func (t *tx) SaveComparison(ctx context.Context, c access.Comparison) error {
	row := comparisonRow{
		ID: string(c.ID), AppID: string(c.App), ConnectionID: c.Connection, State: string(c.State), StartedBy: string(c.By), StartedMs: ms(c.StartedAt),
		ListedMs: ms(c.ListedAt), EndedMs: ms(c.EndedAt), UsersRead: c.Read, UsersTotal: c.Of, Counts: text(c.Counts), Problem: text(c.Problem),
	}
	_, err := t.sql.NewInsert().Model(&row).On("CONFLICT (id) DO UPDATE").Exec(ctx)
	return wrap("save comparison", err)
}

// EnqueueComparison implements [access.Tx].
func (t *tx) EnqueueComparison(ctx context.Context, c access.Comparison) error {
	return wrap("enqueue comparison", t.db.enqueueComparison(ctx, t.sql.Tx, c))
}

type differenceRow struct {
	bun.BaseModel `bun:"table:differences"`
	ID            string `bun:",pk"`
	ComparisonID  string
	AppID         string
	Kind          string
	GrantID       string
	PersonID      string
	UserID        string
	UserName      string
	Granted       string
	Found         string
	SinceMs       int64
}

func differenceFrom(r differenceRow) (access.Difference, error) {
	return access.Difference{
		ID: access.DifferenceID(r.ID), Comparison: access.ComparisonID(r.ComparisonID), App: access.AppID(r.AppID), Kind: access.DifferenceKind(r.Kind),
		Grant: access.GrantID(r.GrantID), Person: identity.PersonID(r.PersonID), User: r.UserID, UserName: r.UserName, Granted: r.Granted, Found: r.Found,
		Since: at(r.SinceMs),
	}, nil
}

// Difference implements [access.Reader].
func (r reader) Difference(ctx context.Context, id access.DifferenceID) (access.Difference, error) {
	var row differenceRow
	if err := r.q.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return access.Difference{}, missing(err, "difference", string(id))
	}
	return differenceFrom(row)
}

// Differences implements [access.Reader]. A comparison makes the ids of those
// that ask for a decision first.
func (r reader) Differences(ctx context.Context, f access.DifferenceFilter) ([]access.Difference, error) {
	if !keepable(append(texts(f.Kinds), string(f.Comparison), string(f.After))...) {
		return nil, nil
	}
	var rows []differenceRow
	q := r.q.NewSelect().Model(&rows).Where("comparison_id = ?", f.Comparison).Order("id")
	if len(f.Kinds) > 0 {
		q.Where("kind IN ?", bun.Tuple(f.Kinds))
	}
	if f.After != "" {
		q.Where("id > ?", f.After)
	}
	if f.Limit > 0 {
		q.Limit(int64(f.Limit))
	}
	if err := q.Scan(ctx); err != nil {
		return nil, wrap("list differences", err)
	}
	return each(rows, differenceFrom)
}

// AddDifferences implements [access.Tx].
func (t *tx) AddDifferences(ctx context.Context, ds []access.Difference) error {
	for some := range slices.Chunk(ds, rowsAtOnce) {
		rows := make([]differenceRow, len(some))
		for i, d := range some {
			rows[i] = differenceRow{
				ID: string(d.ID), ComparisonID: string(d.Comparison), AppID: string(d.App), Kind: string(d.Kind), GrantID: string(d.Grant),
				PersonID: string(d.Person), UserID: d.User, UserName: d.UserName, Granted: d.Granted, Found: d.Found, SinceMs: ms(d.Since),
			}
		}
		if _, err := t.sql.NewInsert().Model(&rows).Exec(ctx); err != nil {
			return wrap("keep differences", err)
		}
	}
	return nil
}

// DropUnmanaged implements [access.Tx].
func (t *tx) DropUnmanaged(ctx context.Context, app access.AppID, but access.ComparisonID) error {
	_, err := t.sql.NewDelete().Model((*differenceRow)(nil)).Where("kind = ? AND comparison_id <> ?", access.DifferenceUnmanaged, but).
		Where("comparison_id IN (SELECT id FROM comparisons WHERE app_id = ?)", app).Exec(ctx)
	return wrap("drop differences", err)
}

// DropComparisons implements [access.Tx]. Later comparisons have greater ids.
func (t *tx) DropComparisons(ctx context.Context, app access.AppID, keep int) error {
	var old []string
	err := t.sql.NewSelect().Table("comparisons").Column("id").Where("app_id = ? AND state <> ?", app, access.ComparisonRunning).
		Order("id DESC").Limit(rowsAtOnce).Offset(int64(keep)).Scan(ctx, &old)
	if err != nil || len(old) == 0 {
		return wrap("look for old comparisons", err)
	}
	if _, err := t.sql.NewDelete().Model((*differenceRow)(nil)).Where("comparison_id IN ?", bun.Tuple(old)).Exec(ctx); err != nil {
		return wrap("drop differences", err)
	}
	_, err = t.sql.NewDelete().Model((*comparisonRow)(nil)).Where("id IN ?", bun.Tuple(old)).Exec(ctx)
	return wrap("drop comparisons", err)
}

// Addresses implements [access.Reader].
func (r reader) Addresses(ctx context.Context, people []identity.PersonID) (map[identity.PersonID]string, error) {
	all := make(map[identity.PersonID]string, len(people))
	for some := range slices.Chunk(people, rowsAtOnce) {
		var rows []struct{ ID, Email string }
		if err := r.q.NewSelect().Table("people").Column("id", "email").Where("id IN ?", bun.Tuple(some)).Scan(ctx, &rows); err != nil {
			return nil, wrap("read addresses", err)
		}
		for _, p := range rows {
			all[identity.PersonID(p.ID)] = p.Email
		}
	}
	return all, nil
}

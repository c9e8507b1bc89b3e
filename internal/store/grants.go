package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/access"
)

// Grants implements [access.Reader].
func (r reader) Grants(ctx context.Context, f access.GrantFilter) ([]access.Grant, error) {
	if !keepable(texts(f.IDs)...) || !keepable(append(texts(f.States), string(f.Person), string(f.App), string(f.Role), f.RoleName, f.Connection, string(f.Request), f.Text, string(f.Before))...) {
		return nil, nil
	}
	if len(f.States) > 1 && f.Limit > 0 && f.DueBy.IsZero() && f.BeginBy.IsZero() && f.Person == "" {
		return r.newestOf(ctx, f)
	}
	var rows []grantRow
	q := r.q.NewSelect().Model(&rows)
	chooseGrants(q, f)
	if f.Limit > 0 {
		q.Limit(int64(f.Limit))
	}
	if err := q.Scan(ctx); err != nil {
		return nil, wrap("list grants", err)
	}
	return each(rows, grantFrom)
}

// newestOf reads the newest of each state and puts them in order: one index
// gives each in its order, where all states at once would be read whole and
// sorted for a page of them.
func (r reader) newestOf(ctx context.Context, f access.GrantFilter) ([]access.Grant, error) {
	var all []access.Grant
	states := f.States
	for _, state := range slices.Compact(slices.Sorted(slices.Values(states))) {
		f.States = []access.GrantState{state}
		some, err := r.Grants(ctx, f)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b access.Grant) int { return strings.Compare(string(b.ID), string(a.ID)) })
	return all[:min(len(all), f.Limit)], nil
}

// The states by which one index each finds what the clock must do, and what
// waits for a run.
var (
	statesThatHold  = []access.GrantState{access.GrantActive, access.GrantChanged, access.GrantSettingUp, access.GrantNotSetUp}
	statesUnderway  = []access.GrantState{access.GrantSettingUp, access.GrantEnding, access.GrantOverdue}
	equalColumns    = []string{"person_id", "app_id", "role_id", "role_name", "connection_id", "request_id"}
	likeWildcards   = strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`)
	caseBlindFields = `(lower(role_name) LIKE ? ESCAPE '\' OR person_id IN (SELECT id FROM people WHERE lower(name) LIKE ? ESCAPE '\' OR email_key LIKE ? ESCAPE '\'))`
)

func chooseGrants(q *bun.SelectQuery, f access.GrantFilter) {
	for i, value := range []string{string(f.Person), string(f.App), string(f.Role), f.RoleName, f.Connection, string(f.Request)} {
		if value != "" {
			q.Where("? = ?", bun.Ident(equalColumns[i]), value)
		}
	}
	if len(f.IDs) > 0 {
		q.Where("id IN ?", bun.Tuple(f.IDs))
	}
	if len(f.States) > 0 {
		q.Where("state IN ?", bun.Tuple(f.States))
	}
	if f.Text != "" {
		like := "%" + likeWildcards.Replace(strings.ToLower(f.Text)) + "%"
		q.Where(caseBlindFields, like, like, like)
	}
	if !f.EndsBefore.IsZero() {
		// The signs keep the index of the clock out of it: by that all that ends in
		// time would be read and sorted for a page of the newest.
		q.Where("+ends_ms > 0 AND +ends_ms < ?", ms(f.EndsBefore))
	}
	if !f.HeldUntil.IsZero() {
		q.Where("starts_ms > 0 AND starts_ms < ? AND (ended_ms = 0 OR ended_ms >= ?)", ms(f.HeldUntil), ms(f.HeldFrom))
	}
	if !f.EndedFrom.IsZero() {
		// The first says that the index fits of what has ended.
		q.Where("ended_ms > 0 AND ended_ms >= ?", ms(f.EndedFrom))
	}
	if f.Seen != nil && len(f.Seen.Apps) == 0 {
		q.Where("person_id = ?", f.Seen.Person)
	} else if f.Seen != nil {
		q.Where("(person_id = ? OR app_id IN ?)", f.Seen.Person, bun.Tuple(f.Seen.Apps))
	}
	if f.Before != "" {
		q.Where("id < ?", f.Before)
	}
	if len(f.NotOn) > 0 {
		q.Where("connection_id NOT IN ?", bun.Tuple(f.NotOn))
	}
	if f.Underway {
		q.Where("(state IN ? OR state = ? AND next_run_id <> '') AND task_id = ''", bun.Tuple(statesUnderway), access.GrantNotSetUp)
	}
	switch {
	case !f.DueBy.IsZero():
		q.Where("state IN ? AND starts_ms > 0", bun.Tuple(statesThatHold)).Where("ends_ms > 0 AND ends_ms <= ?", ms(f.DueBy)).
			Where(notPostponed, "grant:", ms(f.DueBy)).Order("ends_ms", "id")
	case !f.BeginBy.IsZero():
		q.Where("state = ? AND begins_ms <= ?", access.GrantScheduled, ms(f.BeginBy)).Where(notPostponed, "grant:", ms(f.BeginBy)).Order("begins_ms", "id")
	default:
		q.Order("id DESC")
	}
}

// CountGrants implements [access.Reader].
func (r reader) CountGrants(ctx context.Context, f access.GrantFilter) (int, error) {
	if !keepable(append(texts(f.States), string(f.Person), string(f.App), string(f.Role), f.RoleName, f.Connection, string(f.Request), f.Text)...) {
		return 0, nil
	}
	q := r.q.NewSelect().Model((*grantRow)(nil)).Column("id")
	chooseGrants(q, f)
	n, err := r.q.NewSelect().TableExpr("(?) AS picked", q.Limit(int64(f.Limit))).Count(ctx)
	return int(n), wrap("count grants", err)
}

// Ending implements [access.Reader].
func (r reader) Ending(ctx context.Context, since time.Time) (map[string]int, error) {
	var rows []struct {
		ConnectionID string
		N            int
	}
	err := r.q.NewSelect().Model((*grantRow)(nil)).Column("connection_id").ColumnExpr("count(*) AS n").
		Where("state = ? AND task_id = '' AND change_ms > ?", access.GrantEnding, ms(since)).Group("connection_id").Scan(ctx, &rows)
	ending := make(map[string]int, len(rows))
	for _, row := range rows {
		ending[row.ConnectionID] = row.N
	}
	return ending, wrap("count what is ending", err)
}

// Skew returns how far the database's clock is ahead of this node's, and how far
// that may be from the truth: half of what asking took. Without a database server
// there is one clock.
func (db *DB) Skew(ctx context.Context) (skew, within time.Duration, err error) {
	if db.pool == nil {
		return 0, 0, nil
	}
	conn, err := db.pool.Acquire(ctx) // waiting for one is no part of asking
	if err != nil {
		return 0, 0, wrap("ask the database for the time", err)
	}
	defer conn.Release()
	var theirs time.Time
	before := db.now()
	err = conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&theirs)
	within = db.now().Sub(before) / 2
	return theirs.Sub(before.Add(within)), within, wrap("ask the database for the time", err)
}

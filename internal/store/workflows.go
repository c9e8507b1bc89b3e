package store

import (
	"context"
	"slices"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/workflow"
)

var _ workflow.Store = (*DB)(nil)

type runRow struct {
	bun.BaseModel `bun:"table:runs"`
	ID            string `bun:",pk"`
	Kind          string
	WorkflowID    string
	Version       string
	ConnectionID  string
	GrantID       string
	RequestID     string
	PersonID      string
	TriggerText   string
	Input         string
	Attempt       int
	State         string
	Output        string
	Problem       string
	QueuedMs      int64
	NotBeforeMs   int64
	StartedMs     int64
	EndedMs       int64
	SettledMs     int64
	Epoch         int64
	Begun         string
	Plan          string
	Job           string
	WaitsFor      string
	RetryOf       string
	CancelledBy   string
	Log           string
}

func runFrom(r runRow) (workflow.Run, error) {
	problem, err := parse[workflow.Problem]("problem", r.Problem)
	if err != nil {
		return workflow.Run{}, err
	}
	said, err := lines(r.Log)
	return workflow.Run{
		ID: r.ID, Kind: r.Kind, Workflow: r.WorkflowID, Version: r.Version, Connection: r.ConnectionID, Grant: r.GrantID, Request: r.RequestID,
		Person: r.PersonID, Trigger: r.TriggerText, Input: r.Input, Attempt: r.Attempt, State: workflow.RunState(r.State), Output: r.Output, Problem: problem, QueuedAt: at(r.QueuedMs),
		JobID: r.Job, WaitsFor: r.WaitsFor, RetryOf: r.RetryOf, CancelledBy: r.CancelledBy, NotBefore: at(r.NotBeforeMs), StartedAt: at(r.StartedMs), EndedAt: at(r.EndedMs), Log: said,
	}, err
}

// Run implements [workflow.Store].
func (db *DB) Run(ctx context.Context, id string) (workflow.Run, error) {
	var row runRow
	if err := db.read.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return workflow.Run{}, missing(err, "run", id)
	}
	return runFrom(row)
}

// What is not read for many runs at once: what only an execution needs, and what
// may be long and only the page of one run shows.
var (
	unlisted = []string{"settled_ms", "epoch", "begun", "plan", "log"}
	long     = []string{"input", "output"}
)

// listedRow is the row of a run with what it is for.
type listedRow struct {
	runRow   `bun:",extend"`
	AppID    string `bun:",scanonly"`
	RoleName string `bun:",scanonly"`
}

// Runs implements [workflow.Store]: one statement, however many there are.
func (db *DB) Runs(ctx context.Context, f workflow.RunFilter) ([]workflow.Listed, error) {
	if !keepable(f.ID, string(f.State), f.Kind, f.Grant, f.Person, f.App, f.Connection, f.Workflow, f.RetryOf, f.Trigger, f.Before) || !keepable(f.IDs...) {
		return nil, nil
	}
	var rows []listedRow
	left := unlisted
	if !f.Whole {
		left = slices.Concat(unlisted, long)
	}
	q := db.read.NewSelect().Model(&rows).ExcludeColumn(left...).
		ColumnExpr(`coalesce((SELECT app_id FROM grants WHERE id = ?TableAlias.grant_id), (SELECT app_id FROM requests WHERE id = ?TableAlias.request_id), '') AS app_id`).
		ColumnExpr(`coalesce((SELECT role_name FROM grants WHERE id = ?TableAlias.grant_id), '') AS role_name`)
	for _, state := range f.States {
		q.OrderExpr("CASE WHEN state = ? THEN 0 ELSE 1 END", state)
	}
	q.Order("id DESC")
	narrow(q, f)
	if f.Before != "" {
		q.Where("id < ?", f.Before)
	}
	if f.Limit > 0 {
		q.Limit(int64(f.Limit))
	}
	if err := q.Scan(ctx); err != nil {
		return nil, wrap("list runs", err)
	}
	return each(rows, func(r listedRow) (workflow.Listed, error) {
		run, err := runFrom(r.runRow)
		return workflow.Listed{Run: run, App: r.AppID, Role: r.RoleName}, err
	})
}

// CountRuns implements [workflow.Store]: one statement, of which each part ends
// when it has counted enough.
func (db *DB) CountRuns(ctx context.Context, f workflow.RunFilter, most int) ([]int, error) {
	counts := make([]int, len(f.States))
	if !keepable(f.ID, f.Kind, f.Grant, f.Person, f.App, f.Connection, f.Workflow, f.Trigger) || len(counts) == 0 {
		return counts, nil
	}
	q, into := db.read.NewSelect(), make([]any, len(counts))
	for i, state := range f.States {
		one := f
		one.State, one.States = state, nil
		some := db.read.NewSelect().Model((*runRow)(nil)).ColumnExpr("1").Limit(int64(most))
		narrow(some, one)
		q.ColumnExpr("(SELECT count(*) FROM (?) AS capped)", some)
		into[i] = &counts[i]
	}
	return counts, wrap("count runs", q.Scan(ctx, into...))
}

// Tallies implements [workflow.Store].
func (db *DB) Tallies(ctx context.Context, f workflow.RunFilter) ([]workflow.Tally, error) {
	if !keepable(string(f.State), f.Kind, f.Grant, f.Person, f.App, f.Connection, f.Workflow, f.Trigger) {
		return nil, nil
	}
	var rows []struct {
		WorkflowID string
		State      string
		N          int
	}
	q := db.read.NewSelect().Model((*runRow)(nil)).Column("workflow_id", "state").ColumnExpr("count(*) AS n").Group("workflow_id", "state")
	narrow(q, f)
	if err := q.Scan(ctx, &rows); err != nil {
		return nil, wrap("count runs", err)
	}
	tallies := make([]workflow.Tally, len(rows))
	for i, r := range rows {
		tallies[i] = workflow.Tally{Workflow: r.WorkflowID, State: workflow.RunState(r.State), Runs: r.N}
	}
	return tallies, nil
}

// RunsUnderway implements [workflow.Store].
func (db *DB) RunsUnderway(ctx context.Context, kinds []string, after string, limit int) ([]workflow.Run, error) {
	var rows []runRow
	err := db.read.NewSelect().Model(&rows).Where("kind IN ? AND ended_ms = 0 AND state IN ? AND id > ?", bun.Tuple(kinds),
		bun.Tuple([]workflow.RunState{workflow.RunQueued, workflow.RunRunning, workflow.RunWaiting}), after).Order("id").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, wrap("list runs under way", err)
	}
	return each(rows, runFrom)
}

// within keeps the runs that may be seen.
func within(q *bun.SelectQuery, seen workflow.Seen) {
	apps := bun.Tuple(seen.Apps)
	switch {
	case len(seen.Apps) == 0:
		q.Where("person_id = ? AND person_id <> ''", seen.Person)
	default:
		q.Where(`(person_id = ? AND person_id <> '' OR grant_id IN (SELECT id FROM grants WHERE app_id IN ?)
			OR request_id IN (SELECT id FROM requests WHERE app_id IN ?))`, seen.Person, apps, apps)
	}
}

// narrow keeps the runs that a filter picks.
func narrow(q *bun.SelectQuery, f workflow.RunFilter) {
	if f.ID != "" {
		q.Where("id = ?", f.ID)
	}
	if len(f.IDs) > 0 {
		q.Where("id IN ?", bun.Tuple(f.IDs))
	}
	if f.Seen != nil {
		within(q, *f.Seen)
	}
	if f.State != "" {
		q.Where("state = ?", f.State)
	}
	for column, value := range map[string]string{
		"kind": f.Kind, "grant_id": f.Grant, "person_id": f.Person, "workflow_id": f.Workflow, "retry_of": f.RetryOf,
	} {
		if value != "" {
			q.Where("? = ?", bun.Ident(column), value)
		}
	}
	if len(f.States) > 0 {
		q.Where("state IN ?", bun.Tuple(f.States))
	}
	if f.App != "" {
		q.Where("(grant_id IN (SELECT id FROM grants WHERE app_id = ?) OR request_id IN (SELECT id FROM requests WHERE app_id = ?))", f.App, f.App)
	}
	if f.Connection != "" { // one that has not begun knows what it is for, and no connection yet
		q.Where("connection_id IN (?, '')", f.Connection) // as it is indexed
		q.Where(`(connection_id = ? OR (EXISTS (SELECT 1 FROM grants WHERE id = ?TableAlias.grant_id AND connection_id = ?)
			OR EXISTS (SELECT 1 FROM requests JOIN apps ON apps.id = requests.app_id WHERE requests.id = ?TableAlias.request_id AND apps.connection_id = ?)))`,
			f.Connection, f.Connection, f.Connection)
	}
	if f.Trigger != "" {
		n := utf8.RuneCountInString(f.Trigger)
		if n >= 3 { // as it is indexed
			q.Where("substr(trigger_text, 1, 3) = ?", string([]rune(f.Trigger)[:3]))
		}
		q.Where("substr(trigger_text, 1, ?) = ?", n, f.Trigger)
	}
	if !f.Since.IsZero() {
		q.Where("queued_ms >= ?", ms(f.Since))
	}
}

// SaveRun implements [workflow.Store]. What caused the run and what it is for
// never change, and a run that has ended stays as it ended: a node that was
// paused meanwhile may come late. What it would tell was told then.
func (db *DB) SaveRun(ctx context.Context, r workflow.Run, events ...audit.Event) error {
	row := runRow{
		ID: r.ID, WorkflowID: r.Workflow, Version: r.Version, ConnectionID: r.Connection, State: string(r.State), Output: r.Output,
		Problem: text(r.Problem), StartedMs: ms(r.StartedAt), EndedMs: ms(r.EndedAt), WaitsFor: r.WaitsFor, CancelledBy: r.CancelledBy, Log: linesText(r.Log),
	}
	save := func(ctx context.Context, tx bun.IDB) (int64, error) {
		res, err := tx.NewUpdate().Model(&row).WherePK().Where("ended_ms = 0").
			Column("workflow_id", "version", "connection_id", "state", "output", "problem", "started_ms", "ended_ms", "waits_for", "cancelled_by", "log").Exec(ctx)
		if err != nil {
			return 0, wrap("save run", err)
		}
		n, err := res.RowsAffected()
		return n, wrap("save run", err)
	}
	if len(events) == 0 {
		return db.grouped(ctx, func(ctx context.Context, tx bun.IDB) error {
			_, err := save(ctx, tx)
			return err
		})
	}
	return db.change(ctx, func(tx *tx) error {
		if n, err := save(ctx, tx.sql); err != nil || n == 0 {
			return err
		}
		return tx.Record(ctx, events...)
	})
}

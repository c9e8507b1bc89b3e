package store

import (
	"context"

	"github.com/uptrace/bun"

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
}

func runFrom(r runRow) (workflow.Run, error) {
	problem, err := parse[workflow.Problem]("problem", r.Problem)
	return workflow.Run{
		ID: r.ID, Kind: r.Kind, Workflow: r.WorkflowID, Version: r.Version, Connection: r.ConnectionID, Grant: r.GrantID, Request: r.RequestID,
		Person: r.PersonID, Trigger: r.TriggerText, Input: r.Input, Attempt: r.Attempt, State: workflow.RunState(r.State), Output: r.Output, Problem: problem, QueuedAt: at(r.QueuedMs),
		NotBefore: at(r.NotBeforeMs), StartedAt: at(r.StartedMs), EndedAt: at(r.EndedMs),
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

// Runs implements [workflow.Store].
func (db *DB) Runs(ctx context.Context, f workflow.RunFilter) ([]workflow.Run, error) {
	if !keepable(string(f.State), f.Grant, f.Person, f.Before) {
		return nil, nil
	}
	var rows []runRow
	q := db.read.NewSelect().Model(&rows).Order("id DESC")
	if f.State != "" {
		q.Where("state = ?", f.State)
	}
	if f.Grant != "" {
		q.Where("grant_id = ?", f.Grant)
	}
	if f.Person != "" {
		q.Where("person_id = ?", f.Person)
	}
	if f.Before != "" {
		q.Where("id < ?", f.Before)
	}
	if f.Limit > 0 {
		q.Limit(int64(f.Limit))
	}
	if err := q.Scan(ctx); err != nil {
		return nil, wrap("list runs", err)
	}
	return each(rows, runFrom)
}

// SaveRun implements [workflow.Store]. What caused the run and what it is for
// never change, and a run that has ended stays as it ended: a node that was
// paused meanwhile may come late.
func (db *DB) SaveRun(ctx context.Context, r workflow.Run) error {
	row := runRow{
		ID: r.ID, WorkflowID: r.Workflow, Version: r.Version, ConnectionID: r.Connection, State: string(r.State), Output: r.Output,
		Problem: text(r.Problem), StartedMs: ms(r.StartedAt), EndedMs: ms(r.EndedAt),
	}
	_, err := db.write.NewUpdate().Model(&row).WherePK().Where("ended_ms = 0").
		Column("workflow_id", "version", "connection_id", "state", "output", "problem", "started_ms", "ended_ms").Exec(ctx)
	return wrap("save run", err)
}

type stepRow struct {
	bun.BaseModel `bun:"table:run_steps"`
	RunID         string `bun:",pk"`
	Seq           int    `bun:",pk"`
	Name          string
	State         string
	Attempt       int
	Input         string
	Output        string
	Problem       string
	Calls         string
	StartedMs     int64
	EndedMs       int64
}

func stepFrom(r stepRow) (workflow.Step, error) {
	s := workflow.Step{
		Run: r.RunID, Seq: r.Seq, Name: r.Name, State: workflow.StepState(r.State), Attempt: r.Attempt, Input: r.Input, Output: r.Output,
		StartedAt: at(r.StartedMs), EndedAt: at(r.EndedMs),
	}
	var err error
	if s.Problem, err = parse[workflow.Problem]("problem", r.Problem); err != nil {
		return s, err
	}
	s.Calls, err = parse[[]workflow.Call]("calls", r.Calls)
	return s, err
}

// Steps implements [workflow.Store].
func (db *DB) Steps(ctx context.Context, run string) ([]workflow.Step, error) {
	var rows []stepRow
	if err := db.read.NewSelect().Model(&rows).Where("run_id = ?", run).Order("seq").Scan(ctx); err != nil {
		return nil, wrap("list steps", err)
	}
	return each(rows, stepFrom)
}

// SaveStep implements [workflow.Store].
func (db *DB) SaveStep(ctx context.Context, s workflow.Step) error {
	row := stepRow{
		RunID: s.Run, Seq: s.Seq, Name: s.Name, State: string(s.State), Attempt: s.Attempt, Input: s.Input, Output: s.Output,
		Problem: text(s.Problem), Calls: text(s.Calls), StartedMs: ms(s.StartedAt), EndedMs: ms(s.EndedAt),
	}
	_, err := db.write.NewInsert().Model(&row).On("CONFLICT (run_id, seq) DO UPDATE").Exec(ctx)
	return wrap("save step", err)
}

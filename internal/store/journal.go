package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/workflow"
)

// BeginRun implements [workflow.Store].
func (db *DB) BeginRun(ctx context.Context, b workflow.Beginning) (workflow.Journal, error) {
	var j workflow.Journal
	err := db.grouped(ctx, func(ctx context.Context, tx bun.IDB) error {
		var begun, plan string
		err := tx.NewRaw(`UPDATE runs SET epoch = epoch + 1, state = ?, waits_for = '',
			started_ms = CASE WHEN started_ms = 0 THEN ? ELSE started_ms END,
			begun = CASE WHEN begun = '' THEN ? ELSE begun END, plan = CASE WHEN begun = '' THEN ? ELSE plan END,
			workflow_id = CASE WHEN begun = '' THEN ? ELSE workflow_id END, version = CASE WHEN begun = '' THEN ? ELSE version END,
			connection_id = CASE WHEN begun = '' THEN ? ELSE connection_id END
			WHERE id = ? AND ended_ms = 0 RETURNING epoch, begun, plan`,
			workflow.RunRunning, ms(b.At), text(b.Start), string(b.Plan), b.Workflow, b.Version, b.Connection, b.Run).
			Scan(ctx, &j.Epoch, &begun, &plan)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.New(fault.Conflict, "The run %s is over or is not there.", b.Run).WithCode("run_over")
		}
		if err != nil {
			return wrap("begin run", err)
		}
		if j.Plan = nil; plan != "" {
			j.Plan = json.RawMessage(plan)
		}
		if j.Start, err = parse[workflow.Start]("start", begun); err != nil || j.Epoch == 1 {
			return err
		}
		j.Steps, err = steps(ctx, tx, b.Run)
		return err
	})
	return j, err
}

// SleepRun keeps that the run waits until the time, and hands its other job to
// enqueue in the same transaction.
func (db *DB) SleepRun(ctx context.Context, run string, epoch int64, until time.Time, job string, enqueue func(ctx context.Context, tx *sql.Tx) error) error {
	return db.change(ctx, func(tx *tx) error {
		res, err := tx.sql.NewRaw("UPDATE runs SET state = ?, waits_for = ?, not_before_ms = ?, job = ? WHERE id = ? AND epoch = ? AND ended_ms = 0",
			string(workflow.RunWaiting), workflow.WaitsForTime, ms(until), job, run, epoch).Exec(ctx)
		if err != nil {
			return wrap("let run sleep", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return cmp.Or(wrap("let run sleep", err), workflow.ErrLost)
		}
		return wrap("let run sleep", enqueue(ctx, tx.sql.Tx))
	})
}

// WaitFor has a run that has not begun wait for something besides its turn. Its
// state is the one of its row, wherever runs are listed, counted or shown.
func (db *DB) WaitFor(ctx context.Context, run, what string) error {
	return db.grouped(ctx, func(ctx context.Context, tx bun.IDB) error {
		_, err := tx.NewRaw("UPDATE runs SET state = ?, waits_for = ? WHERE id = ? AND state IN (?, ?) AND ended_ms = 0",
			string(workflow.RunWaiting), what, run, string(workflow.RunQueued), string(workflow.RunRetrying)).Exec(ctx)
		return wrap("note what a run waits for", err)
	})
}

// LinkRetry implements [workflow.Store].
func (db *DB) LinkRetry(ctx context.Context, run, of string) error {
	return db.grouped(ctx, func(ctx context.Context, tx bun.IDB) error {
		_, err := tx.NewRaw("UPDATE runs SET retry_of = ? WHERE id = ?", of, run).Exec(ctx)
		return wrap("link retry", err)
	})
}

// Plan implements [workflow.Store].
func (db *DB) Plan(ctx context.Context, run string) (json.RawMessage, error) {
	var plan string
	err := db.read.NewRaw("SELECT plan FROM runs WHERE id = ?", run).Scan(ctx, &plan)
	if err != nil {
		return nil, missing(err, "run", run)
	}
	if plan == "" {
		return nil, nil
	}
	return json.RawMessage(plan), nil
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
	Change        string
	Log           string
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
	if r.Change != "" {
		if s.Change, err = parse[*workflow.Change]("change", r.Change); err != nil {
			return s, err
		}
	}
	if s.Log, err = lines(r.Log); err != nil {
		return s, err
	}
	s.Calls, err = parse[[]workflow.Call]("calls", r.Calls)
	return s, err
}

// lines returns the kept lines of a log; "" for none.
func lines(kept string) ([]workflow.LogLine, error) {
	if kept == "" {
		return nil, nil
	}
	return parse[[]workflow.LogLine]("log", kept)
}

// linesText is what is kept of the lines of a log.
func linesText(l []workflow.LogLine) string {
	if len(l) == 0 {
		return ""
	}
	return text(l)
}

// Steps implements [workflow.Store].
func (db *DB) Steps(ctx context.Context, run string) ([]workflow.Step, error) {
	return steps(ctx, db.read, run)
}

func steps(ctx context.Context, q bun.IDB, run string) ([]workflow.Step, error) {
	var rows []stepRow
	if err := q.NewSelect().Model(&rows).Where("run_id = ?", run).Order("seq").Scan(ctx); err != nil {
		return nil, wrap("list steps", err)
	}
	return each(rows, stepFrom)
}

// SaveStep implements [workflow.Store].
func (db *DB) SaveStep(ctx context.Context, epoch int64, s workflow.Step) error {
	change := ""
	if s.Change != nil {
		change = text(s.Change)
	}
	return db.grouped(ctx, func(ctx context.Context, tx bun.IDB) error {
		res, err := tx.NewRaw(`INSERT INTO run_steps (run_id, seq, name, state, attempt, input, output, problem, calls, change, log, started_ms, ended_ms)
			SELECT id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM runs WHERE id = ? AND epoch = ?
			ON CONFLICT (run_id, seq) DO UPDATE SET state = excluded.state, attempt = excluded.attempt, output = excluded.output,
			problem = excluded.problem, calls = excluded.calls, change = excluded.change, log = excluded.log, started_ms = excluded.started_ms,
			ended_ms = excluded.ended_ms WHERE run_steps.state = ?`,
			s.Seq, s.Name, string(s.State), s.Attempt, s.Input, s.Output, text(s.Problem), text(s.Calls), change, linesText(s.Log), ms(s.StartedAt), ms(s.EndedAt),
			s.Run, epoch, string(workflow.StepRunning)).Exec(ctx)
		if err != nil {
			return wrap("save step", err)
		}
		n, err := res.RowsAffected()
		if err == nil && n == 0 {
			return workflow.ErrLost
		}
		return wrap("save step", err)
	})
}

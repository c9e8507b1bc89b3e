package provision

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/workflow"
)

// errSentUnknown is the problem of a run that was ended while a change was on
// its way.
var errSentUnknown = fault.New(fault.Unavailable, "The run was ended while a change was on its way: whether it was made is not known.").WithCode("outcome_unknown").
	WithHint("Try again: it is read first, and nothing is done twice.")

// settle reports a run that nobody carries out any more as what is recorded of
// it says: with what its script returned, when all its steps were made; with
// otherwise, when not.
func (p *Provisioner) settle(ctx context.Context, t task, otherwise error) error {
	e, err := p.recorded(ctx, t)
	if err != nil {
		return err
	}
	if !e.finished {
		if e.failed, err = p.unfinished(ctx, t, otherwise); err != nil {
			return err
		}
	}
	return p.report(ctx, t, e.log, e.output, e.failed)
}

// ended is what a run came to.
type ended struct {
	finished bool
	output   json.RawMessage
	failed   error
	log      []workflow.LogLine
}

// recorded tells what a run came to from what is recorded of it. From then on
// whoever else carries it out is refused.
func (p *Provisioner) recorded(ctx context.Context, t task) (ended, error) {
	kept, err := p.Runs.Plan(ctx, t.Run)
	if err != nil || kept == nil { // it never began
		return ended{}, err
	}
	var pl plan
	if err := json.Unmarshal(kept, &pl); err != nil { //nolint:musttag // a fault is kept by the names of its fields
		return ended{}, err
	}
	j, err := p.Executor.Begin(ctx, workflow.Beginning{Run: t.Run, Plan: kept, At: p.Now()})
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Code == "run_over" {
		return ended{}, nil
	}
	if err != nil || pl.Superseded || pl.Problem != nil {
		return ended{}, err
	}
	var e ended
	e.output, e.finished, e.failed = p.Executor.Settle(ctx, workflow.Task{
		Run: t.Run, Workflow: pl.Workflow, Version: pl.Version, Connection: pl.Connection, Argument: pl.Argument, Journal: j,
	})
	e.log = j.Log
	if !e.finished && ctx.Err() != nil {
		return ended{}, ctx.Err()
	}
	return e, nil
}

// unfinished is the problem of a run that was ended before its last step: why, or
// that a change may have been made of which nobody can tell.
func (p *Provisioner) unfinished(ctx context.Context, t task, because error) (problem, err error) {
	steps, err := p.Runs.Steps(ctx, t.Run)
	if err != nil {
		return nil, err
	}
	for _, s := range steps {
		if s.State == workflow.StepRunning && s.Change != nil {
			return errSentUnknown, nil
		}
	}
	return because, nil
}

// mendStarted reports runs that a person or the clock started and for which
// nobody else will any more: their job was given up after it had killed its
// process too often, was cancelled, or is not there.
func (p *Provisioner) mendStarted(ctx context.Context) error {
	after := ""
	for {
		runs, err := p.Runs.RunsUnderway(ctx, []string{workflow.KindManual, workflow.KindScheduled}, after, batch)
		if err != nil || len(runs) == 0 {
			return err
		}
		for _, r := range runs {
			after = r.ID
			alive, err := p.alive(ctx, r)
			if err != nil {
				return err
			}
			if alive {
				continue
			}
			// It may have slept or ended since it was read.
			if r, err = p.Runs.Run(ctx, r.ID); err != nil {
				return err
			}
			if alive, err = p.alive(ctx, r); err != nil {
				return err
			}
			if alive || r.State.Ended() {
				continue
			}
			p.Log.WarnContext(ctx, "a run ended without a word", "run", r.ID, "kind", r.Kind)
			if err := p.settle(ctx, task{Run: r.ID, Kind: access.JobKind(r.Kind)}, errNoWord); err != nil {
				return err
			}
		}
	}
}

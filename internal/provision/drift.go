package provision

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/engine"
	"github.com/margay-access/margay/internal/fault"
)

// jobCompare is the kind of the engine's job that makes a comparison. It is no
// run: no workflow does it.
const jobCompare = "compare"

// Drift is what a comparison needs of the rules.
type Drift interface {
	BeginComparison(ctx context.Context, id access.ComparisonID) (access.Comparison, error)
	// KnownUsers returns the users of the other system for whom access was set up.
	KnownUsers(ctx context.Context, connection string) ([]string, error)
	ComparisonRead(ctx context.Context, begun access.Comparison, read, of int) error
	Compare(ctx context.Context, begun access.Comparison, accounts []access.Account) (access.Comparison, error)
	FailComparison(ctx context.Context, begun access.Comparison, p access.Problem) error
	RunningComparisons(ctx context.Context) ([]access.Comparison, error)
}

// Accounts reads everybody who is in the system behind a connection, whole or
// not at all, and says on the way how far it is. Whoever of the known users is
// not among them is not there.
type Accounts func(ctx context.Context, connection string, known []string, told func(read, of int)) ([]access.Account, error)

// EnqueueComparison records the engine's job for c in tx, the transaction that
// keeps it.
func EnqueueComparison(ctx context.Context, e *engine.Engine, tx *sql.Tx, c access.Comparison) error {
	input, err := json.Marshal(comparing{Comparison: c.ID})
	if err != nil {
		return err
	}
	return e.Enqueue(ctx, tx, engine.Job{ID: string(c.ID), Kind: jobCompare, Key: "compare/" + string(c.App), Input: input})
}

// comparing is the input of the job. Fields are added, never changed.
type comparing struct {
	Comparison access.ComparisonID `json:"comparison"`
}

// progressEvery is how often it is kept how far a list has been read.
const progressEvery = 300 * time.Millisecond

// compare makes one comparison. After a crash the list is read from the start:
// nothing of a part of it was kept.
func (p *Provisioner) compare(ctx context.Context, job *engine.Run) (json.RawMessage, error) {
	var in comparing
	if err := json.Unmarshal(job.Input(), &in); err != nil {
		return nil, err
	}
	t := task{Run: string(in.Comparison)}
	var c access.Comparison
	err := p.insist(ctx, t, "begin", func() (err error) { c, err = p.Drift.BeginComparison(ctx, in.Comparison); return err })
	if over(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var known []string
	err = p.insist(ctx, t, "known users", func() (err error) { known, err = p.Drift.KnownUsers(ctx, c.Connection); return err })
	if err != nil {
		return nil, err
	}
	reading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	accounts, err := p.Accounts(reading, c.Connection, known, p.progress(ctx, c, stop))
	if over(context.Cause(reading)) {
		return nil, nil
	}
	if alive := job.Alive(); ctx.Err() != nil || alive != nil {
		return nil, errors.Join(ctx.Err(), alive) // the job is taken up again
	}
	if err == nil {
		err = p.insist(ctx, t, "compare", func() error { _, err := p.Drift.Compare(ctx, c, accounts); return err })
	}
	if err == nil || over(err) || ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if fault.KindOf(err) == fault.Internal {
		p.Log.ErrorContext(ctx, "comparison failed", "comparison", string(c.ID), "error", err)
	}
	err = p.insist(ctx, t, "end", func() error { return p.Drift.FailComparison(ctx, c, *problemOf(err)) })
	if over(err) {
		return nil, nil
	}
	return nil, err
}

// over says whether a comparison had come to its end already, or is made by
// another node.
func over(err error) bool {
	f, ok := errors.AsType[*fault.Error](err)
	return ok && f.Code == "comparison_over"
}

// progress keeps how far a list has been read, for people to see. It stops the
// reading when the comparison is over, or is made by another node; nothing else
// hangs on it.
func (p *Provisioner) progress(ctx context.Context, c access.Comparison, stop context.CancelCauseFunc) func(read, of int) {
	var last time.Time
	return func(read, of int) {
		now := p.Now()
		if !last.IsZero() && now.Sub(last) < progressEvery {
			return
		}
		last = now
		err := p.Drift.ComparisonRead(ctx, c, read, of)
		if over(err) {
			stop(err)
		} else if err != nil && ctx.Err() == nil {
			p.Log.DebugContext(ctx, "progress of a comparison not kept", "comparison", string(c.ID), "error", err)
		}
	}
}

// mendComparisons ends comparisons that nobody makes any more.
func (p *Provisioner) mendComparisons(ctx context.Context) error {
	if p.Drift == nil {
		return nil
	}
	running, err := p.Drift.RunningComparisons(ctx)
	if err != nil {
		return err
	}
	for _, c := range running {
		job, err := p.jobs.Job(ctx, string(c.ID))
		if err != nil && !errors.Is(err, fault.NotFound) {
			return err
		}
		if err == nil && !job.State.Ended() {
			continue
		}
		p.Log.WarnContext(ctx, "a comparison ended without a word", "comparison", string(c.ID))
		problem := access.Problem{Code: "crashed", Message: "The comparison ended without saying what came of it.", Hint: "Nothing was changed. Compare again."}
		if err := p.Drift.FailComparison(ctx, c, problem); err != nil && !over(err) {
			return err
		}
	}
	return nil
}

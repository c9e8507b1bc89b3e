package provision

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/workflow"
)

const (
	// MostRuns is how many runs are retried or cancelled in one act.
	MostRuns = 200
	// atOnce is how many runs are cancelled at a time: each waits for its step.
	atOnce = 16
	// beginFor is how long runs of one act are begun. Each takes cancelPatience at
	// most: browsers and clients wait for longer than both.
	beginFor = time.Minute
)

// RetryMany retries runs, each by its own rule: one that is refused does not keep
// the others.
func (p *Provisioner) RetryMany(ctx context.Context, who identity.Actor, ids []string) ([]workflow.Handled, error) {
	if err := p.refused(ctx, who, "", "retry", who.Need(identity.ScopeRequestsWrite)); err != nil {
		return nil, err
	}
	return p.many(ctx, ids, 1, func(id string) (workflow.Run, error) { return p.Retry(ctx, who, id) })
}

// CancelMany cancels runs, some at a time.
func (p *Provisioner) CancelMany(ctx context.Context, who identity.Actor, ids []string) ([]workflow.Handled, error) {
	if err := p.refused(ctx, who, "", "cancel", who.Need(identity.ScopeRequestsWrite)); err != nil {
		return nil, err
	}
	return p.many(ctx, ids, atOnce, func(id string) (workflow.Run, error) { return p.Cancel(ctx, who, id) })
}

// errNotBegun is of a run for which there was no time.
var errNotBegun = fault.New(fault.Unavailable, "There was no time left for this run: nothing was done with it.").WithCode("not_begun").
	WithHint("Do it again with the runs that are left.")

// many does act for each run, at most limit at a time, and tells of each what came
// of it: also of one at which we failed, so that what was done is known. Of the
// ids it begins none any more when its time is over.
func (p *Provisioner) many(ctx context.Context, ids []string, limit int, act func(id string) (workflow.Run, error)) ([]workflow.Handled, error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	switch {
	case len(ids) == 0:
		return nil, fault.Field("run_ids", "Say which runs.")
	case len(ids) > MostRuns:
		return nil, fault.Field("run_ids", "At most %d runs are handled at a time.", MostRuns).WithCode("too_many_rows")
	}
	begin, stop := context.WithTimeout(ctx, beginFor)
	defer stop()
	done := make([]workflow.Handled, len(ids))
	free := make(chan struct{}, limit)
	var wg sync.WaitGroup
	for i, id := range ids {
		select {
		case free <- struct{}{}:
		case <-begin.Done():
		}
		if begin.Err() != nil {
			done[i] = workflow.Handled{Run: id, Refuse: errNotBegun}
			continue
		}
		wg.Go(func() {
			defer func() { <-free }()
			now, err := act(id)
			if fault.KindOf(err) == fault.Internal {
				p.Log.ErrorContext(ctx, "a run of several could not be handled", "run", id, "error", err)
			}
			if done[i] = (workflow.Handled{Run: id, Refuse: err}); err == nil {
				done[i].Now = now
			}
		})
	}
	wg.Wait()
	return done, nil
}

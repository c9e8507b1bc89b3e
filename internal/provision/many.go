package provision

import (
	"context"
	"slices"
	"sync"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/workflow"
)

const (
	// MostRuns is how many runs are retried or cancelled in one act.
	MostRuns = 200
	// atOnce is how many runs are cancelled at a time: each waits for its step.
	atOnce = 16
)

// RetryMany retries runs, each by its own rule: one that is refused does not keep
// the others.
func (p *Provisioner) RetryMany(ctx context.Context, who identity.Actor, ids []string) ([]workflow.Handled, error) {
	return many(ids, 1, func(id string) (workflow.Run, error) { return p.Retry(ctx, who, id) })
}

// CancelMany cancels runs, some at a time.
func (p *Provisioner) CancelMany(ctx context.Context, who identity.Actor, ids []string) ([]workflow.Handled, error) {
	return many(ids, atOnce, func(id string) (workflow.Run, error) { return p.Cancel(ctx, who, id) })
}

// many does act for each run, at most limit at a time. A failure of ours ends it.
func many(ids []string, limit int, act func(id string) (workflow.Run, error)) ([]workflow.Handled, error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	switch {
	case len(ids) == 0:
		return nil, fault.Field("run_ids", "Say which runs.")
	case len(ids) > MostRuns:
		return nil, fault.Field("run_ids", "At most %d runs are handled at a time.", MostRuns).WithCode("too_many_rows")
	}
	done := make([]workflow.Handled, len(ids))
	free := make(chan struct{}, limit)
	var wg sync.WaitGroup
	for i, id := range ids {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			now, err := act(id)
			done[i] = workflow.Handled{Run: id, Now: now, Refuse: err}
		})
	}
	wg.Wait()
	for _, d := range done {
		if d.Refuse != nil && fault.KindOf(d.Refuse) == fault.Internal {
			return done, d.Refuse
		}
	}
	return done, nil
}

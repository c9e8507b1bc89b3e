package api

import (
	"context"
	"net/http"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/workflow"
)

func (s *server) manyRuns() {
	register(s, http.MethodPost, "/runs/retry", "retry-runs", "Retry several runs, each by its own rule", http.StatusOK, s.retryRuns)
	register(s, http.MethodPost, "/runs/cancel", "cancel-runs", "Cancel several runs", http.StatusOK, s.cancelRuns)
}

type manyIn struct{ Body wire.ManyRuns }

func (s *server) retryRuns(ctx context.Context, who identity.Actor, in *manyIn) (*body[wire.List[wire.HandledRun]], error) {
	done, err := s.Runs.RetryMany(ctx, who, in.Body.RunIDs)
	if err != nil {
		return nil, err
	}
	return handledOf(done), nil
}

func (s *server) cancelRuns(ctx context.Context, who identity.Actor, in *manyIn) (*body[wire.List[wire.HandledRun]], error) {
	done, err := s.Runs.CancelMany(ctx, who, in.Body.RunIDs)
	if err != nil {
		return nil, err
	}
	return handledOf(done), nil
}

func handledOf(done []workflow.Handled) *body[wire.List[wire.HandledRun]] {
	return listOf(done, func(d workflow.Handled) wire.HandledRun {
		out := wire.HandledRun{RunID: d.Run, State: string(d.Now.State)}
		if d.Now.ID != d.Run {
			out.NewRunID = d.Now.ID
		}
		if d.Refuse != nil {
			f := fault.Public(d.Refuse)
			out.Problem = &wire.Fault{Code: f.Code, Message: f.Message, Hint: f.Hint, Detail: f.Detail}
		}
		return out
	})
}

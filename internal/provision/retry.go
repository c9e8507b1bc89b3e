package provision

import (
	"context"
	"errors"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/workflow"
)

// MayRetry says why who may not retry the run now, or nil: what Retry would say.
func (p *Provisioner) MayRetry(ctx context.Context, who identity.Actor, run workflow.Run) error {
	switch {
	case started(run):
		return p.Workflows.MayStartAgain(ctx, who, run)
	case run.Request != "":
		return p.Access.MayAskAgain(ctx, who, access.RequestID(run.Request), run.ID)
	}
	if err := p.Access.MayRetry(ctx, who, access.GrantID(run.Grant), run.ID); err != nil {
		return err
	}
	if err := run.Retryable(); err != nil {
		return err
	}
	return p.oneAtATime(ctx, run.Grant)
}

// Retry makes a new run for what a run did not carry out: of the same grant, the
// same question, or the same workflow with the same inputs. Who may is asked of
// the rule that the run comes from.
func (p *Provisioner) Retry(ctx context.Context, who identity.Actor, id string) (workflow.Run, error) {
	if err := p.refused(ctx, who, id, "retry", who.Need(identity.ScopeRequestsWrite)); err != nil {
		return workflow.Run{}, err
	}
	old, _, err := p.Workflows.Run(ctx, who, id)
	if err != nil {
		return workflow.Run{}, err
	}
	next, err := p.again(ctx, who, old)
	if err != nil {
		return workflow.Run{}, err
	}
	if !started(old) { // those are linked as they are made
		if err := p.Runs.LinkRetry(ctx, next, old.ID); err != nil {
			return workflow.Run{}, err
		}
	}
	return p.Runs.Run(ctx, next)
}

// again returns the id of the run that is made in the place of another. A refusal
// is recorded by the rule, so that the rule is asked last.
func (p *Provisioner) again(ctx context.Context, who identity.Actor, old workflow.Run) (string, error) {
	err := p.MayRetry(ctx, who, old)
	if err != nil && !errors.Is(err, fault.Forbidden) {
		return "", err
	}
	switch {
	case started(old):
		r, err := p.Workflows.StartAgain(ctx, who, old.ID)
		return r.ID, err
	case old.Request != "":
		r, err := p.Access.AskAgainAfter(ctx, who, access.RequestID(old.Request), old.ID)
		return r.WaitingRun(), err
	}
	g, err := p.Access.RetryRun(ctx, who, access.GrantID(old.Grant), old.ID)
	return g.Run, err
}

// started says whether a person or the clock started the run.
func started(run workflow.Run) bool {
	return run.Kind == workflow.KindManual || run.Kind == workflow.KindScheduled
}

// oneAtATime refuses a retry while another run for the same grant is under way.
func (p *Provisioner) oneAtATime(ctx context.Context, grant string) error {
	later, err := p.Workflows.Runs(ctx, identity.System(), workflow.RunFilter{Grant: grant, Limit: 1})
	// One that waits for its time gives way to a person.
	if err != nil || len(later) == 0 || later[0].State.Ended() || later[0].State == workflow.RunRetrying {
		return err
	}
	return fault.New(fault.Conflict, "The run %s for the same access is under way already.", later[0].ID).WithCode("run_active").
		WithHint("Watch it: margay run watch %s", later[0].ID)
}

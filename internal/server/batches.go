package server

import (
	"context"
	"slices"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/batch"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/provision"
	"github.com/margay-access/margay/internal/workflow"
)

// doers are what batches are done by: the services, one thing at a time.
func doers(a *access.Service, flows *workflow.Service, p *provision.Provisioner) map[string]batch.Doer {
	return map[string]batch.Doer{
		batch.RevokeAccess.Code:   grantDoer{a, access.ActRevoke},
		batch.AcceptChange.Code:   grantDoer{a, access.ActAccept},
		batch.RestoreAccess.Code:  grantDoer{a, access.ActRestore},
		batch.ApproveRequest.Code: requestDoer{a, access.ActApprove},
		batch.DenyRequest.Code:    requestDoer{a, access.ActDeny},
		batch.RetryRun.Code:       runDoer{flows, p, workflow.ActRetry},
		batch.CancelRun.Code:      runDoer{flows, p, workflow.ActCancel},
	}
}

// ids are the things as ids of one kind.
func ids[T ~string](things []string) []T {
	list := make([]T, len(things))
	for i, t := range things {
		list[i] = T(t)
	}
	return list
}

func foreseen(list []access.Foreseen) []batch.Foreseen {
	out := make([]batch.Foreseen, len(list))
	for i, f := range list {
		out[i] = batch.Foreseen{Thing: f.ID, Refuse: f.Refuse, Seen: batch.Seen{
			Person: f.Person, App: string(f.App), Name: f.Role, Before: f.Before, After: f.After, Because: f.Because, Mark: f.Mark,
		}}
	}
	return out
}

// grantDoer does an act with grants.
type grantDoer struct {
	access *access.Service
	act    access.Act
}

// Foresee implements [batch.Doer].
func (d grantDoer) Foresee(ctx context.Context, who identity.Actor, things []string) ([]batch.Foreseen, error) {
	list, err := d.access.ForeseeGrants(ctx, who, d.act, ids[access.GrantID](things))
	return foreseen(list), err
}

// Do implements [batch.Doer].
func (d grantDoer) Do(ctx context.Context, who identity.Actor, thing string, seen batch.Seen, note string) (string, error) {
	id := access.GrantID(thing)
	var g access.Grant
	var err error
	switch d.act {
	case access.ActAccept:
		g, err = d.access.AcceptChange(ctx, who, id, note, &seen.Mark)
	case access.ActRestore:
		g, err = d.access.Restore(ctx, who, id, note, &seen.Mark)
	default:
		g, err = d.access.RevokeForeseen(ctx, who, id, note, seen.Mark)
	}
	if err != nil || g.State == access.GrantEnded {
		return "", err
	}
	return g.Run, nil
}

// Did implements [batch.Doer].
func (d grantDoer) Did(ctx context.Context, who identity.Actor, thing string, _ batch.Seen) (string, bool, error) {
	g, err := d.access.Grant(ctx, who, access.GrantID(thing))
	if err != nil || !g.StandsAfter(d.act) {
		return "", false, err
	}
	return g.Run, true, nil
}

// requestDoer decides requests.
type requestDoer struct {
	access *access.Service
	act    access.Act
}

// Foresee implements [batch.Doer].
func (d requestDoer) Foresee(ctx context.Context, who identity.Actor, things []string) ([]batch.Foreseen, error) {
	list, err := d.access.ForeseeRequests(ctx, who, d.act, ids[access.RequestID](things))
	return foreseen(list), err
}

// Do implements [batch.Doer].
func (d requestDoer) Do(ctx context.Context, who identity.Actor, thing string, seen batch.Seen, note string) (string, error) {
	_, err := d.access.DecideForeseen(ctx, who, access.RequestID(thing), d.act, note, seen.Mark)
	return "", err
}

// Did implements [batch.Doer].
func (d requestDoer) Did(ctx context.Context, who identity.Actor, thing string, seen batch.Seen) (string, bool, error) {
	r, err := d.access.Request(ctx, who, access.RequestID(thing))
	return "", err == nil && r.DecidedBy(who.Person, seen.Mark), err
}

// runDoer does an act with runs.
type runDoer struct {
	flows *workflow.Service
	runs  *provision.Provisioner
	act   workflow.Act
}

// Foresee implements [batch.Doer]. The oldest is first: runs of one person are
// done in that order.
func (d runDoer) Foresee(ctx context.Context, who identity.Actor, things []string) ([]batch.Foreseen, error) {
	runs, err := d.flows.List(ctx, who, workflow.RunFilter{IDs: things})
	if err != nil {
		return nil, err
	}
	for _, id := range things {
		if !slices.ContainsFunc(runs, func(r workflow.Listed) bool { return r.ID == id }) {
			return nil, workflow.NoRun(id)
		}
	}
	all, err := d.flows.Workflows(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, w := range all {
		names[w.ID] = w.Name
	}
	list := make([]batch.Foreseen, 0, len(runs))
	for _, r := range slices.Backward(runs) {
		refuse := d.may(ctx, who, r.Run)
		if fault.KindOf(refuse) == fault.Internal {
			return nil, refuse
		}
		because := r.State.Text().Word
		if r.Problem.Message != "" {
			because += ": " + r.Problem.Message
		}
		list = append(list, batch.Foreseen{Thing: r.ID, Refuse: refuse, Seen: batch.Seen{
			Person: identity.PersonID(r.Person), Name: names[r.Workflow], Because: because,
		}})
	}
	return list, nil
}

func (d runDoer) may(ctx context.Context, who identity.Actor, r workflow.Run) error {
	if d.act == workflow.ActCancel {
		return d.runs.MayCancel(ctx, who, r)
	}
	return d.runs.MayRetry(ctx, who, r)
}

// Do implements [batch.Doer].
func (d runDoer) Do(ctx context.Context, who identity.Actor, thing string, _ batch.Seen, _ string) (string, error) {
	if d.act == workflow.ActCancel {
		_, err := d.runs.Cancel(ctx, who, thing)
		return "", err
	}
	next, err := d.runs.Retry(ctx, who, thing)
	return next.ID, err
}

// Did implements [batch.Doer].
func (d runDoer) Did(ctx context.Context, who identity.Actor, thing string, _ batch.Seen) (string, bool, error) {
	if d.act == workflow.ActCancel {
		r, _, err := d.flows.Run(ctx, who, thing)
		return "", err == nil && r.State.Ended(), err
	}
	next, err := d.flows.Runs(ctx, who, workflow.RunFilter{RetryOf: thing, Limit: 1})
	if err != nil || len(next) == 0 {
		return "", false, err
	}
	return next[0].ID, true, nil
}

package provision

import (
	"context"
	"encoding/json"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/workflow"
)

// WorkflowTested is recorded before a test run.
const WorkflowTested audit.Kind = "workflow.tested"

// Trials finds what a test run runs, and runs it.
type Trials struct {
	Workflow func(ctx context.Context, id string) (workflow.Workflow, error)
	// Try runs the version of the hash, else the draft, else the published one.
	Try func(ctx context.Context, w workflow.Workflow, t workflow.Trial) (workflow.TrialReport, error)
	// Sample returns the facts of a grant that is not there.
	Sample func(ctx context.Context, person identity.PersonID, role access.RoleID) (access.Facts, error)
}

// Try runs a draft or a version for a chosen person with every change held
// back.
func (p *Provisioner) Try(ctx context.Context, who identity.Actor, t workflow.Trial) (workflow.TrialReport, error) {
	if err := who.NeedAdmin(identity.ScopeAdmin); err != nil {
		return workflow.TrialReport{}, err
	}
	w, err := p.Trials.Workflow(ctx, t.Workflow)
	if err != nil {
		return workflow.TrialReport{}, err
	}
	if t.Connection == "" {
		t.Connection = w.Connection
	}
	if forGrant := w.Type == workflow.AccessProvisioning || w.Type == workflow.AccessDeprovisioning; forGrant && len(t.Argument) == 0 {
		if t, err = p.sample(ctx, w, t); err != nil {
			return workflow.TrialReport{}, err
		}
	}
	err = p.Record(ctx, audit.Event{
		At: p.Now(), Kind: WorkflowTested, Actor: who.String(), Subject: "workflow:" + w.ID,
		Data: map[string]string{"name": w.Name, "connection": t.Connection, "person": t.Person, "role": t.Role},
	})
	if err != nil {
		return workflow.TrialReport{}, err
	}
	return p.Trials.Try(ctx, w, t)
}

// sample fills in what a workflow of the access types is told.
func (p *Provisioner) sample(ctx context.Context, w workflow.Workflow, t workflow.Trial) (workflow.Trial, error) {
	var missing []*fault.Error
	if t.Person == "" {
		missing = append(missing, fault.Field("person_id", "Choose the person to test with."))
	}
	if t.Role == "" {
		missing = append(missing, fault.Field("role_id", "Choose the role to test with."))
	}
	if len(missing) > 0 {
		return t, fault.Join(missing...)
	}
	facts, err := p.Trials.Sample(ctx, identity.PersonID(t.Person), access.RoleID(t.Role))
	if err != nil {
		return t, err
	}
	kind := access.JobProvision
	if w.Type == workflow.AccessDeprovisioning {
		kind, facts.Grant.EndReason = access.JobDeprovision, "revoked"
	}
	if t.Connection == "" {
		t.Connection = facts.App.Connection
	}
	order, err := p.Systems.RoleNames(ctx, t.Connection)
	if err != nil {
		return t, err
	}
	t.Argument, err = json.Marshal(argumentOf(task{Kind: kind}, workflow.Run{ID: "test", Attempt: 1}, facts, order))
	return t, err
}

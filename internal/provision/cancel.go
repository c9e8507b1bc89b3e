package provision

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/workflow"
)

// RunCancelled is recorded before a run is ended.
const RunCancelled audit.Kind = "run.cancelled"

// cancelPatience is how long a cancelled run is waited for, so that what its
// last step came to is known.
const cancelPatience = 35 * time.Second

// MayCancel says why who may not cancel the run now, or nil: what Cancel would
// say. An owner of the app may cancel runs for its access, but not one that takes away
// their own; administrators any.
func (p *Provisioner) MayCancel(ctx context.Context, who identity.Actor, run workflow.Run) error {
	if err := who.Need(identity.ScopeRequestsWrite); err != nil {
		return err
	}
	switch {
	case run.Kind == string(access.JobApprove):
		return fault.New(fault.Conflict, "This run decides on a request and cannot be cancelled.").WithCode("not_cancellable").WithHint("Withdraw the request, or let a person decide it.")
	case run.Grant != "":
		if err := p.Access.MayCancelRun(ctx, who, access.GrantID(run.Grant), access.JobKind(run.Kind)); err != nil {
			return err
		}
	default:
		if err := who.NeedAdmin(identity.ScopeRequestsWrite); err != nil {
			return err
		}
	}
	if run.State.Ended() {
		return fault.New(fault.Conflict, "The run %s is over already: %s.", run.ID, run.State.Text().Word).WithCode("run_over").WithHint("Look at it: margay run show %s", run.ID)
	}
	return nil
}

// Cancel ends a run between two of its steps, and tells its grant so: access
// that was to be given is not set up, access that was to be taken back is
// overdue. Both can be tried again.
func (p *Provisioner) Cancel(ctx context.Context, who identity.Actor, id string) (workflow.Run, error) {
	if err := p.refused(ctx, who, id, "cancel", who.Need(identity.ScopeRequestsWrite)); err != nil {
		return workflow.Run{}, err
	}
	if _, _, err := p.Workflows.Run(ctx, who, id); err != nil { // who may not see it is told that there is none
		return workflow.Run{}, err
	}
	run, err := p.Runs.Run(ctx, id)
	if err != nil {
		return run, err
	}
	if err := p.refused(ctx, who, id, "cancel", p.MayCancel(ctx, who, run)); err != nil {
		return run, err
	}
	err = p.Record(ctx, audit.Event{
		At: p.Now(), Kind: RunCancelled, Actor: who.String(), Subject: "run:" + id, Data: map[string]string{"kind": run.Kind, "grant": run.Grant},
	})
	if err != nil {
		return run, err
	}
	job := cmp.Or(run.JobID, run.ID)
	if err := p.jobs.Cancel(ctx, job); err != nil && !errors.Is(err, fault.NotFound) {
		return run, err
	}
	wait, stop := context.WithTimeout(ctx, cancelPatience)
	defer stop()
	if _, err := p.jobs.Wait(wait, job); err != nil && !errors.Is(err, fault.NotFound) && wait.Err() == nil {
		return run, err
	}
	if err := p.cancelled(context.WithoutCancel(ctx), run, who); err != nil {
		return run, err
	}
	return p.Runs.Run(ctx, id)
}

// cancelled reports the run as cancelled, unless all its steps were made before
// it noticed.
func (p *Provisioner) cancelled(ctx context.Context, run workflow.Run, who identity.Actor) error {
	run, err := p.Runs.Run(ctx, run.ID)
	if err != nil || run.State.Ended() {
		return err
	}
	run.CancelledBy, run.WaitsFor = who.String(), ""
	if err := p.Runs.SaveRun(ctx, run); err != nil { // who it was stays with it
		return err
	}
	because := fault.New(fault.Conflict, "The run was cancelled.").WithCode("cancelled").
		WithHint("Try again when it shall be carried out after all: what is so already is read first.")
	return p.settle(ctx, task{Run: run.ID, Kind: access.JobKind(run.Kind), Grant: access.GrantID(run.Grant)}, because)
}

// refused records an attempt that was forbidden and returns its error.
func (p *Provisioner) refused(ctx context.Context, who identity.Actor, run, act string, err error) error {
	if !errors.Is(err, fault.Forbidden) {
		return err
	}
	subject := "run"
	if nameable.MatchString(run) { // what a caller without rights names need not be an id of ours
		subject += ":" + run
	}
	return errors.Join(err, p.Record(ctx, audit.Event{
		At: p.Now(), Kind: identity.ActRefused, Actor: who.String(), Subject: subject, Data: map[string]string{"act": act, "code": fault.Public(err).Code},
	}))
}

var nameable = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

package provision

import (
	"cmp"
	"context"
	"errors"
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

// Cancel ends a run between two of its steps, and tells its grant so: access
// that was to be given is not set up, access that was to be taken back is
// overdue. Both can be tried again.
func (p *Provisioner) Cancel(ctx context.Context, who identity.Actor, id string) (workflow.Run, error) {
	if err := who.NeedAdmin(identity.ScopeRequestsWrite); err != nil {
		return workflow.Run{}, err
	}
	run, err := p.Runs.Run(ctx, id)
	switch {
	case err != nil:
		return run, err
	case run.State.Ended():
		return run, fault.New(fault.Conflict, "The run %s is over already: %s.", id, run.State.Text().Word).WithCode("run_over").WithHint("Look at it: margay run show %s", id)
	case run.Kind == string(access.JobApprove):
		return run, fault.New(fault.Conflict, "This run decides on a request and cannot be cancelled.").WithCode("not_cancellable").WithHint("Withdraw the request, or let a person decide it.")
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

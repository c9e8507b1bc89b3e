package provision

import (
	"context"
	"errors"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/workflow"
)

// assignment is a workflow that something names to be run for it.
type assignment struct {
	id   string
	must workflow.Type
	does string // what it is for: "sets up access of the app Finance"
	fix  string // what helps when it can be run no more, as a hint
}

// assignmentOf is the workflow that carries out the job of a grant.
func assignmentOf(kind access.JobKind, f access.Facts) assignment {
	all := access.WorkflowsOf(f.App, f.Role)
	a := assignment{id: all.Provision, must: workflow.AccessProvisioning, does: "sets up access"}
	own, flag := f.Role.Workflows.Provision, "--provision-workflow"
	if kind == access.JobDeprovision {
		a = assignment{id: all.Deprovision, must: workflow.AccessDeprovisioning, does: "takes back access"}
		own, flag = f.Role.Workflows.Deprovision, "--deprovision-workflow"
	}
	if own != "" {
		a.does += " of the role " + f.Role.Name + " in " + f.App.Name
		a.fix = chooseAnother("margay role edit " + string(f.Role.ID) + " " + flag + " WORKFLOW")
	} else {
		a.does += " of the app " + f.App.Name
		a.fix = chooseAnother("margay app edit " + string(f.App.ID) + " " + flag + " WORKFLOW")
	}
	return a
}

func chooseAnother(command string) string {
	return "Choose another one: " + command + ". Then try again."
}

// deciding is the workflow that is asked for a request. Another one is nothing
// that the request would ever know of: it keeps the policy that it was filed under.
func deciding(q access.Question) assignment {
	policy := q.Request.Policy
	return assignment{
		id: q.Asked.Workflow, must: workflow.CustomApproval, does: "decides by the policy " + policy.Name,
		fix: "This request keeps the policy as it was when it was filed, so trying again does not help. Choose another one for requests to come: margay policy edit " +
			string(policy.ID) + " --approver workflow:NAME. Then withdraw this request and ask anew.",
	}
}

// published returns the version of the workflow that is run, or what is wrong with
// the assignment: which workflow, for what, and what to do.
func (p *Provisioner) published(ctx context.Context, a assignment) (workflow.Version, error) {
	w, err := p.Workflows.Workflow(ctx, a.id)
	switch {
	case errors.Is(err, fault.NotFound):
		return workflow.Version{}, fault.New(fault.Conflict, "The workflow that %s is not there any more: %s.", a.does, a.id).WithCode("workflow_missing").
			WithHint("%s", a.fix)
	case err != nil:
		return workflow.Version{}, err
	case w.Type != a.must:
		return workflow.Version{}, fault.New(fault.Conflict, "The workflow %s, which %s, is of the type %s and not %s.", w.Name, a.does, w.Type, a.must).
			WithCode("workflow_type").WithHint("%s", a.fix)
	}
	v, err := p.Workflows.Published(ctx, a.id)
	publish := "Publish it: margay workflow publish " + a.id + ". Then try again."
	switch f, _ := errors.AsType[*fault.Error](err); {
	case errors.Is(err, fault.NotFound):
		return v, fault.New(fault.Conflict, "The published version of the workflow %s, which %s, is not there any more.", w.Name, a.does).
			WithCode("version_missing").WithHint("%s", publish)
	case f != nil && f.Code == "not_published":
		return v, fault.New(fault.Conflict, "The workflow %s, which %s, is not published.", w.Name, a.does).WithCode(f.Code).WithHint("%s", publish)
	}
	return v, err
}

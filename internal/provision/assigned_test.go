package provision_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/provision"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/workflow"
)

// assigned is the workflows with what is wrong with them.
type assigned struct {
	provision.Workflows
	wrong atomic.Value // what: string
}

func gone(id string) error { return fault.New(fault.NotFound, "There is nothing called %s.", id) }

func (a *assigned) Workflow(ctx context.Context, id string) (workflow.Workflow, error) {
	w := workflow.Workflow{ID: id, Name: "Ours", Type: workflow.AccessProvisioning}
	switch a.wrong.Load() {
	case "workflow":
		return workflow.Workflow{}, gone(id)
	case "type":
		w.Type = workflow.Manual
	case "":
		return a.Workflows.Workflow(ctx, id)
	}
	return w, nil
}

func (a *assigned) Published(ctx context.Context, id string) (workflow.Version, error) {
	switch a.wrong.Load() {
	case "version":
		return workflow.Version{}, gone("hash")
	case "published":
		return workflow.Version{}, fault.New(fault.Conflict, "No.").WithCode("not_published")
	}
	return a.Workflows.Published(ctx, id)
}

// What is assigned to an app and cannot be run is said as what it is: which
// workflow, what it is for, and what to do.
func TestAssignedWorkflowThatCannotBeRun(t *testing.T) {
	t.Parallel()
	flows := &assigned{}
	flows.wrong.Store("workflow")
	r := newRig(t, store.Config{SQLite: filepath.Join(t.TempDir(), "margay.db")}, func(p *provision.Provisioner) { flows.Workflows, p.Workflows = p.Workflows, flows })
	g := r.ask()
	choose := "Choose another one: margay app edit " + string(g.App) + " --provision-workflow WORKFLOW. Then try again."
	publish := "Publish it: margay workflow publish wfl_p. Then try again."
	for _, tt := range []struct{ wrong, code, message, hint string }{
		{"workflow", "workflow_missing", "The workflow that sets up access of the app App is not there any more: wfl_p.", choose},
		{"type", "workflow_type", "The workflow Ours, which sets up access of the app App, is of the type manual and not access_provisioning.", choose},
		{"version", "version_missing", "The published version of the workflow Ours, which sets up access of the app App, is not there any more.", publish},
		{"published", "not_published", "The workflow Ours, which sets up access of the app App, is not published.", publish},
	} {
		if tt.wrong != "workflow" {
			flows.wrong.Store(tt.wrong)
			next, err := r.access.Retry(t.Context(), ana, g.ID)
			r.must(err)
			g = r.ended(next.Run, g.ID)
		}
		p, run := g.Problem, r.run(g.Run)
		if g.State != access.GrantNotSetUp || p.Code != tt.code || p.Message != tt.message || p.Hint != tt.hint || run.Problem.Message != tt.message || run.State != workflow.RunFailed {
			t.Errorf("%s: the grant is %s: %+v; the run %+v", tt.wrong, g.State, p, run)
		}
	}
	flows.wrong.Store("")
	next, err := r.access.Retry(t.Context(), ana, g.ID)
	r.must(err)
	if g = r.ended(next.Run, g.ID); g.State != access.GrantActive {
		t.Fatalf("with its workflow it is %s: %+v", g.State, g.Problem)
	}
	flows.wrong.Store("workflow")
	if g = r.revoke(g); !strings.HasPrefix(g.Problem.Message, "The workflow that takes back access of the app App is not there any more") || !strings.Contains(g.Problem.Hint, "--deprovision-workflow") {
		t.Errorf("at its end: %+v", g.Problem)
	}
}

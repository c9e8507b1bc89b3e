package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
)

// published makes a workflow of the type with the text and publishes it.
func (n *node) published(w wire.NewWorkflow) wire.WorkflowDetail {
	n.t.Helper()
	w.Integration = "tableau"
	made := get[wire.WorkflowDetail](n, "POST", "/workflows", w)
	return get[wire.WorkflowDetail](n, "POST", "/workflows/"+made.ID+"/publish", wire.Publication{Revision: made.Revision})
}

// rewrite publishes another text.
func (n *node) rewrite(w wire.WorkflowDetail, text string) wire.WorkflowDetail {
	n.t.Helper()
	saved := get[wire.WorkflowDetail](n, "PUT", "/workflows/"+w.ID+"/draft", wire.SavedDraft{Revision: w.Revision, WorkflowContent: wire.WorkflowContent{Source: text}})
	return get[wire.WorkflowDetail](n, "POST", "/workflows/"+w.ID+"/publish", wire.Publication{Revision: saved.Revision})
}

// until reads path until ok says that it is as it should be.
func until[T any](n *node, path string, ok func(T) bool) T {
	n.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		v := get[T](n, "GET", path, nil)
		if ok(v) {
			return v
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("%s stays %+v", path, v)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// A manual workflow that somebody runs, with inputs, against the site.
func TestManualWorkflowRuns(t *testing.T) {
	t.Parallel()
	n := start(t).ready()
	w := n.published(wire.NewWorkflow{
		Name: "Look somebody up", Type: "manual", ConnectionID: n.connection, Starters: wire.Starters{Anybody: true},
		Inputs: json.RawMessage(`{"type":"object","properties":{"who":{"type":"string","format":"email"}},"required":["who"]}`),
		Source: `import type { ManualContext } from "margay";
import { tableau } from "margay/tableau";
export default async function run(ctx: ManualContext<{ who: string }>) {
  const user = await tableau.users.find(ctx.inputs.who);
  return { note: ctx.person.email + " found " + user?.siteRole, version: ctx.workflow.version };
}`,
	})
	if got := n.do(n.rita, "POST", "/workflows/"+w.ID+"/run", wire.StartedRun{Inputs: json.RawMessage(`{"who":"nobody"}`)}); got.status != 422 || got.problem(t).Errors[0].Pointer != "inputs.who" {
		t.Errorf("%d %s", got.status, got.body)
	}
	answer := n.do(n.rita, "POST", "/workflows/"+w.ID+"/run", wire.StartedRun{Inputs: json.RawMessage(`{"who":"rita@acme.example"}`)})
	var r wire.Run
	if err := json.Unmarshal(answer.body, &r); err != nil || answer.status != accepted || r.Kind != "manual" {
		t.Fatalf("%d %s", answer.status, answer.body)
	}
	r = until(n, "/runs/"+r.ID, func(r wire.Run) bool { return r.EndedAt != nil })
	if r.State != "done" || !strings.Contains(string(r.Output), "rita@acme.example found Creator") || len(r.Steps) != 1 {
		t.Errorf("%s, %s, %+v", r.State, r.Output, r.Problem)
	}
}

const decides = `import type { ApprovalContext, ApprovalResult } from "margay";
import { tableau } from "margay/tableau";
export default async function decide(ctx: ApprovalContext): Promise<ApprovalResult> {
  const user = await tableau.users.find(ctx.person.email);
  BODY
}`

// A custom approval from the request to the site: it decides by what the site
// says, names approvers, fails loudly, is asked again, and changes nothing.
func TestCustomApproval(t *testing.T) {
	t.Parallel()
	n := start(t).ready()
	text := func(body string) string { return strings.Replace(decides, "BODY", body, 1) }
	w := n.published(wire.NewWorkflow{Name: "By seats", Type: "custom_approval", Source: text(`throw new Error("out of order");`)})
	policy := get[wire.Policy](n, "POST", "/policies", wire.NewPolicy{
		Name: "By workflow", Longest: wire.Duration(8 * time.Hour), Steps: []wire.PolicyStep{{WorkflowID: w.ID}},
	})
	role := get[wire.Role](n, "POST", "/apps/"+n.app+"/roles", wire.NewRole{Name: "Explorer", PolicyID: policy.ID})
	if got := n.do(n.admin, "POST", "/workflows/"+w.ID+"/archive", nil); got.status != conflict || got.problem(t).Code != "in_use" {
		t.Errorf("archived while in use: %d %s", got.status, got.body)
	}
	req := get[wire.Request](n, "POST", "/requests", wire.NewRequest{RoleID: role.ID, PersonID: n.ritaID, Reason: "Pack"})
	answered := func(attempt int) func(wire.Request) bool {
		return func(r wire.Request) bool {
			return len(r.Asked) == 1 && r.Asked[0].Attempt == attempt && r.Asked[0].AnsweredAt != nil
		}
	}
	req = until(n, "/requests/"+req.ID, answered(1))
	if p := req.Asked[0].Problem; req.State != "waiting_for_approval" || p == nil || !strings.Contains(p.Message, "out of order") {
		t.Fatalf("%s, %+v", req.State, p)
	}

	// It may not change anything on the site.
	w = n.rewrite(w, text(`await tableau.users.setSiteRole(user!.id, "Viewer"); return { decision: "approve", reason: "I took it." };`))
	get[wire.Request](n, "POST", "/requests/"+req.ID+"/retry", nil)
	req = until(n, "/requests/"+req.ID, answered(2))
	if p := req.Asked[0].Problem; req.State != "waiting_for_approval" || p == nil || p.Code != "read_only" {
		t.Fatalf("%s, %+v", req.State, p)
	}

	w = n.rewrite(w, text(`return { decision: "approve", reason: "Is " + user!.siteRole + " already; step " + ctx.request.step + " of " + ctx.policy.name + "." };`))
	get[wire.Request](n, "POST", "/requests/"+req.ID+"/retry", nil)
	req = until(n, "/requests/"+req.ID, answered(3))
	if req.State != "approved" || req.Approvals[0].WorkflowID != w.ID || req.Approvals[0].Reason != "Is Creator already; step 1 of By workflow." {
		t.Fatalf("%s, %+v, %+v", req.State, req.Approvals, req.Asked)
	}
	until(n, "/grants/"+req.GrantID, func(g wire.Grant) bool { return g.State == "active" })

	run := get[wire.Run](n, "GET", "/runs/"+req.Asked[0].RunID, nil)
	if run.Kind != "approve" || run.State != "done" || run.RequestID != req.ID || len(run.Steps) != 1 {
		t.Errorf("%+v", run)
	}
	if got := n.do(n.rita, "GET", "/runs/"+run.ID, nil); got.status != notFound {
		t.Errorf("what the workflow read of the site is shown to who asked: %d", got.status)
	}
}

// S99: installed and assigned in the same step.
func TestInstallAssigns(t *testing.T) {
	t.Parallel()
	n := start(t).ready()
	own := n.published(wire.NewWorkflow{Name: "Ours", Type: "access_provisioning"})
	app := get[wire.App](n, "POST", "/apps/"+n.app+"/workflows", wire.AssignedWorkflows{ProvisionWorkflowID: own.ID})
	if app.ProvisionWorkflowID != own.ID {
		t.Errorf("%+v", app)
	}
	if got := n.do(n.admin, "POST", "/apps/"+n.app+"/workflows", wire.AssignedWorkflows{DeprovisionWorkflowID: own.ID}); got.status != 422 {
		t.Errorf("of another type: %d %s", got.status, got.body)
	}
	get[wire.List[wire.Workflow]](n, "POST", "/bundles/tableau/access-management/install", wire.InstalledBundle{AppID: n.app})
	if app = get[wire.App](n, "GET", "/apps/"+n.app, nil); app.ProvisionWorkflowID != n.provisionWorkflow {
		t.Errorf("%+v", app)
	}
}

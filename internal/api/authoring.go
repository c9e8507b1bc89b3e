package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/workflow"
)

func (s *server) authoring() {
	register(s, http.MethodPost, "/bundles/{integration}/{slug}/install", "install-bundle",
		"Install a bundle's workflows as editable copies, and assign them to an app", http.StatusOK, s.installBundle)
	register(s, http.MethodGet, "/integrations/{id}/declarations", "get-declarations",
		"Show what an editor checks workflows against: margay.d.ts", http.StatusOK, s.declarations)
	register(s, http.MethodPost, "/apps/{id}/workflows", "assign-workflows", "Choose the workflows that carry out an app's roles", http.StatusOK, s.assignWorkflows)
	register(s, http.MethodGet, "/workflows", "list-workflows", "List the workflows", http.StatusOK, s.listWorkflows)
	register(s, http.MethodPost, "/workflows", "create-workflow", "Make a workflow with a draft", http.StatusCreated, s.createWorkflow)
	register(s, http.MethodPost, "/workflows/check", "check-workflow", "Say what the compiler has to say of a text", http.StatusOK, s.checkWorkflow)
	register(s, http.MethodGet, "/workflows/{id}", "get-workflow", "Show one workflow with its draft and published version", http.StatusOK, s.getWorkflow)
	register(s, http.MethodPatch, "/workflows/{id}", "change-workflow", "Rename, describe, tag, connect or pause a workflow", http.StatusOK, s.changeWorkflow)
	register(s, http.MethodPut, "/workflows/{id}/draft", "save-draft", "Save the draft", http.StatusOK, s.saveDraft)
	register(s, http.MethodDelete, "/workflows/{id}/draft", "discard-draft", "Throw the draft away", http.StatusOK, s.discardDraft)
	register(s, http.MethodPost, "/workflows/{id}/publish", "publish-workflow", "Make the draft the published version", http.StatusOK, s.publishWorkflow)
	register(s, http.MethodGet, "/workflows/{id}/versions", "list-versions", "List the versions, newest first", http.StatusOK, s.listVersions)
	register(s, http.MethodGet, "/workflows/{id}/versions/{version}", "get-version", "Show one version", http.StatusOK, s.getVersion)
	register(s, http.MethodGet, "/workflows/{id}/diff", "diff-workflow", "Compare two contents of a workflow", http.StatusOK, s.diffWorkflow)
	register(s, http.MethodPost, "/workflows/{id}/restore", "restore-version", "Make a draft of an old version", http.StatusOK, s.restoreVersion)
	register(s, http.MethodPost, "/workflows/{id}/update", "update-workflow", "Make a draft of what the bundle ships now", http.StatusOK, s.updateWorkflow)
	register(s, http.MethodPost, "/workflows/{id}/duplicate", "duplicate-workflow", "Make a workflow of the same text", http.StatusCreated, s.duplicateWorkflow)
	register(s, http.MethodPost, "/workflows/{id}/archive", "archive-workflow", "Put a workflow away that nothing uses", http.StatusOK, s.archiveWorkflow)
	register(s, http.MethodPost, "/workflows/{id}/unarchive", "unarchive-workflow", "Bring an archived workflow back", http.StatusOK, s.unarchiveWorkflow)
	register(s, http.MethodPost, "/requests/{id}/retry", "ask-workflow-again", "Ask the workflow of the waiting step again, after it failed", http.StatusAccepted, s.askAgain)
	register(s, http.MethodPost, "/workflows/{id}/run", "run-workflow", "Run a manual workflow", http.StatusAccepted, s.runWorkflow)
}

func (s *server) workflowOf(w workflow.Workflow) wire.Workflow {
	tags := w.Tags
	if tags == nil {
		tags = []string{}
	}
	return wire.Workflow{
		ID: w.ID, Name: w.Name, Type: string(w.Type), Integration: w.Integration, ConnectionID: w.Connection, Description: w.Description, Tags: tags,
		Starters: wire.Starters{Anybody: w.Starters.Anybody, GroupIDs: w.Starters.Groups}, Paused: w.Paused, NextRunAt: timeOrNil(w.NextAt),
		Bundle: w.Origin.Bundle, BundleWorkflow: w.Origin.Workflow, BundleVersion: w.Origin.Version, Edited: w.Edited(),
		UpdateAvailable: s.Workflows.Available(w), Version: w.Published, Revision: w.Revision, ArchivedAt: timeOrNil(w.ArchivedAt), CreatedAt: w.CreatedAt,
	}
}

func contentOf(c wire.WorkflowContent) workflow.Content {
	out := workflow.Content{File: c.File, Source: c.Source, Inputs: c.Inputs}
	if c.Schedule != nil {
		out.Schedule = workflow.Schedule{Cron: c.Schedule.Cron, Zone: c.Schedule.Zone}
	}
	return out
}

func contentTo(c workflow.Content) wire.WorkflowContent {
	return wire.WorkflowContent{File: c.File, Source: c.Source, Inputs: c.Inputs, Schedule: scheduleTo(c.Schedule)}
}

func scheduleTo(sch workflow.Schedule) *wire.Schedule {
	if sch == (workflow.Schedule{}) {
		return nil
	}
	return &wire.Schedule{Cron: sch.Cron, Zone: sch.Zone}
}

func versionTo(w workflow.Workflow, v workflow.Version) wire.WorkflowVersion {
	return wire.WorkflowVersion{
		Number: v.Number, Hash: v.Hash, Published: v.Hash == w.Published, Note: v.Note, AuthorID: string(v.Author), CreatedAt: v.CreatedAt,
		WorkflowContent: contentTo(v.Content()),
	}
}

func problemsOf(faults []workflow.Fault) []wire.CompileProblem {
	out := make([]wire.CompileProblem, 0, len(faults))
	for _, f := range faults {
		out = append(out, wire.CompileProblem{File: f.File, Line: f.Line, Column: f.Column, Length: f.Length, Message: f.Text})
	}
	return out
}

type bundleInstall struct {
	Integration string                `path:"integration"`
	Slug        string                `path:"slug"`
	Body        *wire.InstalledBundle `required:"false"`
}

func (s *server) installBundle(ctx context.Context, who identity.Actor, in *bundleInstall) (*body[wire.List[wire.Workflow]], error) {
	var assign wire.InstalledBundle
	if in.Body != nil {
		assign = *in.Body
	}
	if assign.AppID != "" { // before anything is installed
		if err := who.NeedAdmin(identity.ScopeAdmin); err != nil {
			return nil, err
		}
		if _, err := s.Access.App(ctx, access.AppID(assign.AppID)); err != nil {
			return nil, err
		}
	}
	ws, err := s.Install(ctx, who, in.Integration, in.Slug)
	if err != nil {
		return nil, err
	}
	if assign.AppID != "" {
		var pair access.Workflows
		for _, w := range ws {
			switch w.Type {
			case workflow.AccessProvisioning:
				pair.Provision = w.ID
			case workflow.AccessDeprovisioning:
				pair.Deprovision = w.ID
			case workflow.Manual, workflow.Scheduled, workflow.CustomApproval:
			}
		}
		if _, err := s.Access.AssignWorkflows(ctx, who, access.AppID(assign.AppID), roleIDs(assign.RoleIDs), pair); err != nil {
			return nil, err
		}
	}
	return listOf(ws, s.workflowOf), nil
}

func roleIDs(ids []string) []access.RoleID {
	out := make([]access.RoleID, len(ids))
	for i, id := range ids {
		out[i] = access.RoleID(id)
	}
	return out
}

func (s *server) assignWorkflows(ctx context.Context, who identity.Actor, in *oneWith[wire.AssignedWorkflows]) (*body[wire.App], error) {
	a, err := s.Access.AssignWorkflows(ctx, who, access.AppID(in.ID), roleIDs(in.Body.RoleIDs), access.Workflows{
		Provision: in.Body.ProvisionWorkflowID, Deprovision: in.Body.DeprovisionWorkflowID,
	})
	return answer(appOf(a)), err
}

type workflowFilter struct {
	Type        string `query:"type" enum:",manual,scheduled,access_provisioning,access_deprovisioning,custom_approval"`
	Integration string `query:"integration"`
	Tag         string `query:"tag"`
	Archived    bool   `query:"archived" doc:"The archived ones instead"`
	MayRun      bool   `query:"may_run" doc:"Those alone that you may run now"`
}

func (s *server) listWorkflows(ctx context.Context, who identity.Actor, in *workflowFilter) (*body[wire.List[wire.Workflow]], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	list := s.Workflows.Workflows
	if in.MayRun {
		list = func(ctx context.Context) ([]workflow.Workflow, error) { return s.Workflows.Startable(ctx, who) }
	}
	ws, err := list(ctx)
	ws = slices.DeleteFunc(ws, func(w workflow.Workflow) bool {
		return in.Type != "" && string(w.Type) != in.Type || in.Integration != "" && w.Integration != in.Integration ||
			in.Tag != "" && !slices.Contains(w.Tags, strings.ToLower(in.Tag)) || w.Archived() != in.Archived
	})
	return listOf(ws, s.workflowOf), err
}

func (s *server) getWorkflow(ctx context.Context, who identity.Actor, in *one) (*body[wire.WorkflowDetail], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	w, err := s.Workflows.Workflow(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return s.detail(ctx, who, w)
}

// detail shows a workflow: its texts to administrators, its inputs to those who
// may run it.
func (s *server) detail(ctx context.Context, who identity.Actor, w workflow.Workflow) (*body[wire.WorkflowDetail], error) {
	out := wire.WorkflowDetail{Workflow: s.workflowOf(w)}
	out.MayRun = who.Can(identity.ScopeRequestsWrite) && s.Workflows.MayStart(ctx, who, w) == nil
	admin := who.NeedAdmin(identity.ScopeAccessRead) == nil
	if w.Published != "" && (out.MayRun || admin) {
		v, err := s.Workflows.Published(ctx, w.ID)
		if err != nil {
			return nil, err
		}
		out.Inputs = v.Inputs
		if admin {
			out.Published = new(versionTo(w, v))
		}
	}
	if !admin {
		return answer(out), nil
	}
	d, err := s.Workflows.Draft(ctx, who, w.ID)
	if err != nil {
		return nil, err
	}
	if d != nil {
		faults, err := s.Workflows.Check(ctx, who, w.Integration, d.Content)
		if err != nil {
			return nil, err
		}
		out.Draft = &wire.WorkflowDraft{
			WorkflowContent: contentTo(d.Content), BundleVersion: d.Bundle, AuthorID: string(d.Author), SavedAt: d.At, Problems: problemsOf(faults),
		}
	}
	uses, err := s.Workflows.Uses(ctx, who, w.ID)
	for _, u := range uses {
		out.Uses = append(out.Uses, wire.WorkflowUse{Kind: u.Kind, ID: u.ID, Name: u.Name})
	}
	return answer(out), err
}

// shown answers an act with the workflow as it is then.
func (s *server) shown(ctx context.Context, who identity.Actor, w workflow.Workflow, err error) (*body[wire.WorkflowDetail], error) {
	if err != nil {
		return nil, err
	}
	return s.detail(ctx, who, w)
}

func (s *server) createWorkflow(ctx context.Context, who identity.Actor, in *with[wire.NewWorkflow]) (*body[wire.WorkflowDetail], error) {
	b := in.Body
	w, err := s.Workflows.Create(ctx, who, workflow.Workflow{
		Name: b.Name, Type: workflow.Type(b.Type), Integration: b.Integration, Connection: b.ConnectionID, Description: b.Description, Tags: b.Tags,
		Starters: startersOf(b.Starters),
	}, contentOf(wire.WorkflowContent{File: b.File, Source: b.Source, Inputs: b.Inputs, Schedule: b.Schedule}))
	return s.shown(ctx, who, w, err)
}

func startersOf(st wire.Starters) workflow.Starters {
	return workflow.Starters{Anybody: st.Anybody, Groups: st.GroupIDs}
}

func (s *server) checkWorkflow(ctx context.Context, who identity.Actor, in *with[wire.CheckedContent]) (*body[wire.List[wire.CompileProblem]], error) {
	faults, err := s.Workflows.Check(ctx, who, in.Body.Integration, workflow.Content{File: in.Body.File, Source: in.Body.Source})
	return answer(wire.List[wire.CompileProblem]{Items: problemsOf(faults)}), err
}

func (s *server) changeWorkflow(ctx context.Context, who identity.Actor, in *oneWith[wire.ChangedWorkflow]) (*body[wire.WorkflowDetail], error) {
	b := in.Body
	c := workflow.Settings{Name: b.Name, Description: b.Description, Tags: b.Tags, Connection: b.ConnectionID, Paused: b.Paused}
	if b.Starters != nil {
		c.Starters = new(startersOf(*b.Starters))
	}
	w, err := s.Workflows.Configure(ctx, who, in.ID, c)
	return s.shown(ctx, who, w, err)
}

func (s *server) saveDraft(ctx context.Context, who identity.Actor, in *oneWith[wire.SavedDraft]) (*body[wire.WorkflowDetail], error) {
	w, err := s.Workflows.SaveDraft(ctx, who, in.ID, in.Body.Revision, contentOf(in.Body.WorkflowContent))
	return s.shown(ctx, who, w, err)
}

type discarded struct {
	ID       string `path:"id"`
	Revision int    `query:"revision" required:"true" doc:"The workflow's that you saw; another one is a conflict"`
}

func (s *server) discardDraft(ctx context.Context, who identity.Actor, in *discarded) (*body[wire.WorkflowDetail], error) {
	w, err := s.Workflows.Discard(ctx, who, in.ID, in.Revision)
	return s.shown(ctx, who, w, err)
}

func (s *server) publishWorkflow(ctx context.Context, who identity.Actor, in *oneWith[wire.Publication]) (*body[wire.WorkflowDetail], error) {
	w, err := s.Workflows.Publish(ctx, who, in.ID, in.Body.Revision, in.Body.Note)
	return s.shown(ctx, who, w, err)
}

func (s *server) listVersions(ctx context.Context, who identity.Actor, in *one) (*body[wire.List[wire.VersionShort]], error) {
	vs, err := s.Workflows.Versions(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	w, err := s.Workflows.Workflow(ctx, in.ID)
	return listOf(vs, func(v workflow.Version) wire.VersionShort {
		return wire.VersionShort{
			Number: v.Number, Hash: v.Hash, Published: v.Hash == w.Published, Note: v.Note, AuthorID: string(v.Author), CreatedAt: v.CreatedAt,
			Schedule: scheduleTo(v.Schedule),
		}
	}), err
}

type oneVersion struct {
	ID      string `path:"id"`
	Version string `path:"version" doc:"Number, the beginning of the hash, or published"`
}

func (s *server) getVersion(ctx context.Context, who identity.Actor, in *oneVersion) (*body[wire.WorkflowVersion], error) {
	v, err := s.Workflows.Version(ctx, who, in.ID, in.Version)
	if err != nil {
		return nil, err
	}
	w, err := s.Workflows.Workflow(ctx, in.ID)
	return answer(versionTo(w, v)), err
}

type compared struct {
	ID   string `path:"id"`
	From string `query:"from" doc:"draft, published, installed, shipped, or a version; default: published"`
	To   string `query:"to" doc:"likewise; default: the draft, else published"`
}

func (s *server) diffWorkflow(ctx context.Context, who identity.Actor, in *compared) (*body[wire.WorkflowDiff], error) {
	d, err := s.Workflows.Diff(ctx, who, in.ID, in.From, in.To)
	out := wire.WorkflowDiff{From: d.From, To: d.To, Same: d.Same(), Files: []wire.WorkflowFile{}, Modules: append([]string{}, d.Modules...)}
	for _, f := range d.Files {
		file := wire.WorkflowFile{File: f.File, Unified: f.Unified, Rows: make([]wire.DiffRow, 0, len(f.Rows))}
		for _, r := range f.Rows {
			file.Rows = append(file.Rows, wire.DiffRow{
				Change: string(r.Change), LeftNumber: r.LeftNumber, Left: r.Left, RightNumber: r.RightNumber, Right: r.Right,
			})
		}
		out.Files = append(out.Files, file)
	}
	return answer(out), err
}

func (s *server) restoreVersion(ctx context.Context, who identity.Actor, in *oneWith[wire.Restoration]) (*body[wire.WorkflowDetail], error) {
	w, err := s.Workflows.Restore(ctx, who, in.ID, in.Body.Version)
	return s.shown(ctx, who, w, err)
}

func (s *server) updateWorkflow(ctx context.Context, who identity.Actor, in *one) (*body[wire.WorkflowDetail], error) {
	w, err := s.Workflows.TakeUpdate(ctx, who, in.ID)
	return s.shown(ctx, who, w, err)
}

type duplicated struct {
	ID   string            `path:"id"`
	Body *wire.Duplication `required:"false"`
}

func (s *server) duplicateWorkflow(ctx context.Context, who identity.Actor, in *duplicated) (*body[wire.WorkflowDetail], error) {
	name := ""
	if in.Body != nil {
		name = in.Body.Name
	}
	w, err := s.Workflows.Duplicate(ctx, who, in.ID, name)
	return s.shown(ctx, who, w, err)
}

func (s *server) archiveWorkflow(ctx context.Context, who identity.Actor, in *one) (*body[wire.WorkflowDetail], error) {
	w, err := s.Workflows.Archive(ctx, who, in.ID)
	return s.shown(ctx, who, w, err)
}

func (s *server) unarchiveWorkflow(ctx context.Context, who identity.Actor, in *one) (*body[wire.WorkflowDetail], error) {
	w, err := s.Workflows.Unarchive(ctx, who, in.ID)
	return s.shown(ctx, who, w, err)
}

type startedRun struct {
	ID   string           `path:"id"`
	Body *wire.StartedRun `required:"false"`
}

func (s *server) runWorkflow(ctx context.Context, who identity.Actor, in *startedRun) (*body[wire.Run], error) {
	var inputs []byte
	if in.Body != nil {
		inputs = in.Body.Inputs
	}
	r, err := s.Workflows.Start(ctx, who, in.ID, inputs)
	return answer(runOf(r)), err
}

func askedOf(a access.Asked) wire.Asked {
	out := wire.Asked{
		Step: a.Step + 1, WorkflowID: a.Workflow, RunID: a.Run, Attempt: a.Attempt, AskedAt: a.At, AnsweredAt: timeOrNil(a.Answered), Reason: a.Reason,
		Problem: faultOf(workflow.Problem{Code: a.Problem.Code, Message: a.Problem.Message, Hint: a.Problem.Hint, Detail: a.Problem.Detail}),
	}
	for _, id := range a.Approvers {
		out.ApproverIDs = append(out.ApproverIDs, string(id))
	}
	return out
}

func (s *server) askAgain(ctx context.Context, who identity.Actor, in *one) (*body[wire.Request], error) {
	r, err := s.Access.AskAgain(ctx, who, access.RequestID(in.ID))
	return answer(requestOf(r)), err
}

func (s *server) declarations(_ context.Context, who identity.Actor, in *one) (*body[wire.Declarations], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	i, err := s.Registry.Get(in.ID)
	return answer(wire.Declarations{File: "margay.d.ts", Text: i.Declarations}), err
}

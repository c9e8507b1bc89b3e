package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/workflow"
)

func (s *server) workflows() {
	register(s, http.MethodGet, "/bundles", "list-bundles", "List the bundles that can be installed", http.StatusOK, s.listBundles)
	register(s, http.MethodGet, "/runs", "list-runs", "List the runs that you may see, newest first", http.StatusOK, s.listRuns)
	register(s, http.MethodGet, "/runs/{id}", "get-run", "Show one run with its steps", http.StatusOK, s.getRun)
	register(s, http.MethodPost, "/runs/{id}/retry", "retry-run", "Make a new run for what this one did not carry out", http.StatusAccepted, s.retryRun)
}

func (s *server) auditRoutes() {
	register(s, http.MethodGet, "/audit", "list-events", "List what happened, newest first", http.StatusOK, s.listEvents)
	register(s, http.MethodGet, "/audit/verify", "verify-audit", "Check that the audit log was not changed", http.StatusOK, s.verifyAudit)
}

func (s *server) listBundles(ctx context.Context, who identity.Actor, _ *nothing) (*body[wire.List[wire.Bundle]], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	installed, err := s.Workflows.Workflows(ctx)
	if err != nil {
		return nil, err
	}
	list := wire.List[wire.Bundle]{Items: []wire.Bundle{}}
	for _, in := range s.Registry.All() {
		for _, b := range in.Bundles {
			out := wire.Bundle{Integration: in.Kind, Slug: b.Slug, Name: b.Name, Version: b.Version, Workflows: []wire.BundleWorkflow{}}
			for _, bw := range b.Workflows {
				w := wire.BundleWorkflow{Slug: bw.Slug, Name: bw.Name, Type: bw.Type}
				for _, i := range installed {
					if i.Origin.Bundle == in.Kind+"/"+b.Slug && i.Origin.Workflow == bw.Slug {
						w.ID, w.UpdateAvailable = i.ID, s.Workflows.Available(i) > 0
					}
				}
				out.Workflows = append(out.Workflows, w)
			}
			list.Items = append(list.Items, out)
		}
	}
	return answer(list), nil
}

type runPage struct {
	Page
	State      string    `query:"state" enum:",queued,retrying,running,waiting,outcome_unknown,done,failed,cancelled,crashed,superseded"`
	Kind       string    `query:"kind" doc:"provision, deprovision, approve, manual or scheduled"`
	Grant      string    `query:"grant_id"`
	Person     string    `query:"person_id"`
	App        string    `query:"app_id"`
	Connection string    `query:"connection_id"`
	Workflow   string    `query:"workflow_id"`
	Trigger    string    `query:"trigger" doc:"How it begins: schedule, person:"`
	Since      time.Time `query:"since" doc:"Queued at that time or later"`
}

func (s *server) listRuns(ctx context.Context, who identity.Actor, in *runPage) (*body[wire.List[wire.Run]], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	if err := in.check("run"); err != nil {
		return nil, err
	}
	rs, err := s.Workflows.Runs(ctx, who, workflow.RunFilter{
		State: workflow.RunState(in.State), Kind: in.Kind, Grant: in.Grant, Person: in.Person, App: in.App, Connection: in.Connection,
		Workflow: in.Workflow, Trigger: in.Trigger, Since: in.Since, Limit: in.Limit + 1, Before: in.Cursor,
	})
	return pageOf(rs, in.Limit, func(r workflow.Run) string { return r.ID }, runOf), err
}

func (s *server) getRun(ctx context.Context, who identity.Actor, in *one) (*body[wire.Run], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	r, steps, err := s.Workflows.Run(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	return answer(runWithSteps(r, steps)), nil
}

func faultOf(p workflow.Problem) *wire.Fault {
	if p.Message == "" {
		return nil
	}
	return &wire.Fault{Code: p.Code, Message: p.Message, Hint: p.Hint, Detail: p.Detail, Where: p.Where}
}

func runOf(r workflow.Run) wire.Run {
	return wire.Run{
		RunFacts: runFacts(r),
		ID:       r.ID, Kind: r.Kind, WorkflowID: r.Workflow, Version: r.Version, ConnectionID: r.Connection, GrantID: r.Grant,
		RequestID: r.Request, Input: rawOf(r.Input), PersonID: r.Person, Trigger: r.Trigger, Attempt: r.Attempt, State: string(r.State), Output: rawOf(r.Output), Problem: faultOf(r.Problem), QueuedAt: r.QueuedAt,
		NotBefore: timeOrNil(r.NotBefore), StartedAt: timeOrNil(r.StartedAt), EndedAt: timeOrNil(r.EndedAt),
	}
}

func stepOf(s workflow.Step) wire.Step {
	out := wire.Step{
		StepFacts: stepFacts(s),
		Seq:       s.Seq, Name: s.Name, State: string(s.State), Attempt: s.Attempt, Input: rawOf(s.Input), Output: rawOf(s.Output), Problem: faultOf(s.Problem),
		Calls: []wire.StepCall{}, StartedAt: s.StartedAt, EndedAt: timeOrNil(s.EndedAt),
	}
	for _, c := range s.Calls {
		out.Calls = append(out.Calls, wire.StepCall{
			Kind: c.Kind, Method: c.Method, Path: c.Path, Status: c.Status, Code: c.Code, StartedAt: c.Started,
			DurationMS: float64(c.Duration.Round(time.Microsecond)) / float64(time.Millisecond), Error: c.Err,
		})
	}
	return out
}

func rawOf(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

func (s *server) verifyAudit(ctx context.Context, who identity.Actor, _ *nothing) (*body[wire.Verification], error) {
	if err := who.NeedAdmin(identity.ScopeAuditRead); err != nil {
		return nil, err
	}
	head, err := s.Audit.VerifyEvents(ctx)
	v := wire.Verification{OK: err == nil, Events: head.Seq, Hash: head.Hash}
	if broken, ok := brokenAudit(err); ok {
		v.Reason = broken.Error()
		return answer(v), nil
	}
	return answer(v), err
}

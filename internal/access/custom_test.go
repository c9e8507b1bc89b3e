package access_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// A step that a workflow decides: what each answer comes to. Nothing but the
// word "approve" with a reason approves.
func TestWorkflowDecides(t *testing.T) {
	t.Parallel()
	asks := access.Step{Workflow: "wfl_a"}
	tests := map[string]struct {
		steps   []access.Step
		answer  access.Answer
		state   access.RequestState
		problem string // code
		event   audit.Kind
		decide  []identity.PersonID // who can then
	}{
		"approves":              {answer: access.Answer{Verdict: access.VerdictApprove, Reason: "12 seats are left."}, state: access.RequestApproved, event: access.RequestWasApproved},
		"denies":                {answer: access.Answer{Verdict: access.VerdictDeny, Reason: "No seat is left."}, state: access.RequestDenied, event: access.RequestWasDenied},
		"approves the first":    {steps: []access.Step{asks, by(bo)}, answer: access.Answer{Verdict: access.VerdictApprove, Reason: "Yes."}, state: access.RequestWaiting, event: access.RequestStepApproved, decide: []identity.PersonID{bo}},
		"names approvers":       {answer: access.Answer{Approvers: []identity.PersonID{bo, cy}}, state: access.RequestWaiting, event: access.RequestAnswered, decide: []identity.PersonID{bo, cy}},
		"names the asker too":   {answer: access.Answer{Approvers: []identity.PersonID{rita, bo, bo}}, state: access.RequestWaiting, event: access.RequestAnswered, decide: []identity.PersonID{bo}},
		"names the asker alone": {answer: access.Answer{Approvers: []identity.PersonID{rita}}, state: access.RequestWaiting, event: access.RequestAskFailed, problem: "nobody_decides"},
		"names a disabled one":  {answer: access.Answer{Approvers: []identity.PersonID{dan}}, state: access.RequestWaiting, event: access.RequestAskFailed, problem: "nobody_decides"},
		"fails":                 {answer: access.Answer{Problem: &access.Problem{Code: "thrown", Message: "It threw."}}, state: access.RequestWaiting, event: access.RequestAskFailed, problem: "thrown"},
		"fails and approves":    {answer: access.Answer{Verdict: access.VerdictApprove, Reason: "Yes.", Problem: &access.Problem{Code: "thrown", Message: "It threw."}}, state: access.RequestWaiting, event: access.RequestAskFailed, problem: "thrown"},
		"says nothing":          {answer: access.Answer{}, state: access.RequestWaiting, event: access.RequestAskFailed, problem: "no_decision"},
		"says something else":   {answer: access.Answer{Verdict: "approved", Reason: "Yes."}, state: access.RequestWaiting, event: access.RequestAskFailed, problem: "no_decision"},
		"gives no reason":       {answer: access.Answer{Verdict: access.VerdictApprove}, state: access.RequestWaiting, event: access.RequestAskFailed, problem: "no_reason"},
		"a reason of blanks":    {answer: access.Answer{Verdict: access.VerdictApprove, Reason: " \n"}, state: access.RequestWaiting, event: access.RequestAskFailed, problem: "no_reason"},
		"says both":             {answer: access.Answer{Verdict: access.VerdictApprove, Reason: "Yes.", Approvers: []identity.PersonID{bo}}, state: access.RequestWaiting, event: access.RequestAskFailed, problem: "no_decision"},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				w.t = t
				steps := tt.steps
				if steps == nil {
					steps = []access.Step{asks}
				}
				req := w.file(rita, access.Ask{Role: w.role(access.Policy{Longest: 8 * time.Hour, Steps: steps})})
				run := req.WaitingRun()
				if job := w.job(run); run == "" || job.Kind != access.JobApprove || job.Request != req.ID || job.Connection != w.app.Connection {
					t.Fatalf("asked by %q, %+v", run, job)
				}
				_, err := w.svc.Approve(t.Context(), as(bo), req.ID, nil, "")
				if k := fault.KindOf(err); k != fault.NotFound && k != fault.Forbidden { // where Bo decides a later step, he sees it
					t.Fatalf("while the workflow is asked, nobody decides: %v", err)
				}
				q, err := w.svc.Question(t.Context(), run, req.ID)
				if err != nil || q.Asked.Workflow != "wfl_a" || q.Person.ID != rita || q.App.ID != w.app.ID {
					t.Errorf("%+v, %v", q, err)
				}

				tt.answer.Run, tt.answer.Request = run, req.ID
				got, err := w.svc.ReportAnswer(t.Context(), tt.answer)
				w.must(err)

				if got.State != tt.state || got.Asked[0].Problem.Code != tt.problem || got.Asked[0].Answered.IsZero() {
					t.Errorf("%s, %+v", got.State, got.Asked)
				}
				if (got.Grant != "") != (tt.state == access.RequestApproved) {
					t.Errorf("%s with the grant %q", got.State, got.Grant)
				}
				if events := w.kinds("request:" + string(req.ID)); !slices.Contains(events, tt.event) {
					t.Errorf("events %v", events)
				}
				if tt.state != access.RequestWaiting {
					if a := got.Approvals[0]; a.Workflow != "wfl_a" || a.By != "" || a.Reason != tt.answer.Reason {
						t.Errorf("%+v", a)
					}
				}
				for _, p := range []identity.PersonID{bo, cy, rita} {
					people, err := w.svc.Deciders(t.Context(), as(ana), req.ID)
					w.must(err)
					can := slices.ContainsFunc(people, func(o identity.Person) bool { return o.ID == p })
					if want := slices.Contains(tt.decide, p); can != want {
						t.Errorf("%s can decide: %v", p, can)
					}
				}
				// Said twice, as after a crash, it counts once.
				again, err := w.svc.ReportAnswer(t.Context(), access.Answer{Run: run, Request: req.ID, Verdict: access.VerdictDeny, Reason: "No."})
				if err != nil || again.State != got.State {
					t.Errorf("%s, %v", again.State, err)
				}
			})
		}
		w.t = t
		w.verify()
	})
}

// A workflow that failed is asked again by an administrator or an owner; what
// the first run says late counts for nothing.
func TestAskAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		req := w.file(rita, access.Ask{Role: w.role(access.Policy{Longest: time.Hour, Steps: []access.Step{{Workflow: "wfl_a"}}})})
		first := req.WaitingRun()
		_, err := w.svc.AskAgain(t.Context(), as(ana), req.ID)
		wantFault(t, err, fault.Conflict, "nothing_to_retry")
		if rs, err := w.svc.Unanswered(t.Context(), "", 10); err != nil || len(rs) != 1 || rs[0].ID != req.ID {
			t.Errorf("%v, %v", rs, err)
		}
		_, err = w.svc.ReportAnswer(t.Context(), access.Answer{Run: first, Request: req.ID, Problem: &access.Problem{Code: "x", Message: "No.", Detail: "404 of /users/luid"}})
		w.must(err)
		for who, detail := range map[identity.PersonID]string{ana: "404 of /users/luid", olga: "404 of /users/luid", rita: ""} {
			one, err := w.svc.Request(t.Context(), as(who), req.ID)
			w.must(err)
			list, err := w.svc.Requests(t.Context(), as(who), access.RequestFilter{}, false)
			w.must(err)
			review, err := w.svc.Review(t.Context(), as(who), req.ID)
			w.must(err)
			for _, r := range append(list, one, review.Request) {
				if p := r.Asked[0].Problem; p.Message != "No." || p.Detail != detail {
					t.Errorf("%s is told %+v", who, p)
				}
			}
		}
		if rs, err := w.svc.Unanswered(t.Context(), "", 10); err != nil || len(rs) != 0 {
			t.Errorf("%v, %v", rs, err)
		}

		_, err = w.svc.AskAgain(t.Context(), as(rita), req.ID)
		wantFault(t, err, fault.Forbidden, "not_yours")
		_, err = w.svc.AskAgain(t.Context(), as(sam), req.ID)
		wantFault(t, err, fault.NotFound, "request_missing")
		req, err = w.svc.AskAgain(t.Context(), as(olga), req.ID)
		w.must(err)
		second := req.WaitingRun()
		if second == "" || second == first || req.Asked[0].Attempt != 2 || len(req.Asked) != 1 || w.job(second).Attempt != 2 {
			t.Errorf("%+v", req.Asked)
		}

		_, err = w.svc.Question(t.Context(), first, req.ID)
		if !errors.Is(err, access.ErrSuperseded) {
			t.Errorf("the first run may go on: %v", err)
		}
		got, err := w.svc.ReportAnswer(t.Context(), access.Answer{Run: first, Request: req.ID, Verdict: access.VerdictApprove, Reason: "Late."})
		if err != nil || got.State != access.RequestWaiting {
			t.Errorf("%s, %v", got.State, err)
		}

		_, err = w.svc.Withdraw(t.Context(), as(rita), req.ID)
		w.must(err)
		got, err = w.svc.ReportAnswer(t.Context(), access.Answer{Run: second, Request: req.ID, Verdict: access.VerdictApprove, Reason: "Late."})
		if err != nil || got.State != access.RequestWithdrawn || w.last().Kind != access.RequestAskedInVain {
			t.Errorf("%s, %v, %+v", got.State, err, w.last())
		}
	})
}

// Two steps, two workflows: the second is asked once the first has approved, and
// somebody who is disabled meanwhile is given nothing.
func TestWorkflowsInARow(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour, Steps: []access.Step{by(bo), {Workflow: "wfl_a"}}})
		req := w.file(rita, access.Ask{Role: role})
		if req.WaitingRun() != "" {
			t.Error("the second step is asked before the first is decided")
		}
		req, err := w.svc.Approve(t.Context(), as(bo), req.ID, nil, "")
		w.must(err)
		w.disable(rita)

		got, err := w.svc.ReportAnswer(t.Context(), access.Answer{Run: req.WaitingRun(), Request: req.ID, Verdict: access.VerdictApprove, Reason: "Yes."})

		if err != nil || got.State != access.RequestWaiting || got.Grant != "" || got.Asked[0].Problem.Code != "person_disabled" {
			t.Errorf("%s, %+v, %v", got.State, got.Asked, err)
		}
	})
}

func TestWorkflowStepRefuses(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Config{SQLite: t.TempDir() + "/margay.db", Now: time.Now})
	w := newWorld(t, db)
	step := by(bo)
	step.Workflow = "wfl_a"
	_, err := w.svc.SavePolicy(t.Context(), as(ana), access.Policy{Name: "P", Steps: []access.Step{step}})
	wantFault(t, err, fault.Invalid, "field_invalid")
}

// The workflows of an app are chosen for all its roles, or for some.
func TestAssignWorkflows(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Config{SQLite: t.TempDir() + "/margay.db", Now: time.Now})
	w := newWorld(t, db)
	one, two := w.role(access.Policy{}), w.role(access.Policy{})
	of := func(id access.RoleID) access.Workflows {
		r, err := w.svc.Role(t.Context(), id)
		w.must(err)
		return r.Workflows
	}
	_, err := w.svc.AssignWorkflows(t.Context(), as(ana), w.app.ID, []access.RoleID{one}, access.Workflows{Provision: "wfl_p"})
	w.must(err)
	if of(one) != (access.Workflows{Provision: "wfl_p"}) || of(two) != (access.Workflows{}) || w.last().Kind != access.WorkflowsAssigned {
		t.Errorf("%+v, %+v, %+v", of(one), of(two), w.last())
	}
	_, err = w.svc.AssignWorkflows(t.Context(), as(ana), w.app.ID, nil, access.Workflows{Provision: "wfl_p"})
	w.must(err)
	if of(one) != (access.Workflows{}) {
		t.Errorf("%+v", of(one))
	}
	for name, tt := range map[string]struct {
		who   identity.Actor
		roles []access.RoleID
		w     access.Workflows
		kind  fault.Kind
	}{
		"nothing":             {as(ana), nil, access.Workflows{}, fault.Invalid},
		"a role of elsewhere": {as(ana), []access.RoleID{"rol_x"}, access.Workflows{Provision: "wfl_p"}, fault.Invalid},
		"an owner":            {as(olga), nil, access.Workflows{Provision: "wfl_p"}, fault.Forbidden},
	} {
		if _, err := w.svc.AssignWorkflows(t.Context(), tt.who, w.app.ID, tt.roles, tt.w); !errors.Is(err, tt.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package access

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// JobApprove is the kind of a job that asks a custom approval workflow.
const JobApprove JobKind = "approve"

// Asked is what the workflow of a step was asked, and what came of it.
type Asked struct {
	Step      int    // 0 is the first
	Workflow  string // its id
	Run       string // the run that was asked last
	Attempt   int    // 1 for the first
	At        time.Time
	Answered  time.Time           // zero: not yet
	Approvers []identity.PersonID // whom it named; they decide then
	Reason    string              // what it said to that
	Problem   Problem             // why it gave no answer that counts
}

// Events of custom approvals.
const (
	RequestAsked       audit.Kind = "request.workflow_asked"
	RequestAnswered    audit.Kind = "request.workflow_named_approvers"
	RequestAskFailed   audit.Kind = "request.workflow_failed"
	RequestAskedInVain audit.Kind = "request.workflow_superseded"
)

// asked returns what the workflow of the waiting step was asked, or nil.
func (r Request) asked() *Asked {
	if r.State != RequestWaiting {
		return nil
	}
	at := slices.IndexFunc(r.Asked, func(a Asked) bool { return a.Step == r.step() })
	if at < 0 {
		return nil
	}
	return &r.Asked[at]
}

// awaits returns what was asked when it is run's to answer, or nil.
func (r Request) awaits(run string) *Asked {
	if a := r.asked(); a != nil && a.Run == run && a.Answered.IsZero() {
		return a
	}
	return nil
}

// ask returns r with its waiting step's workflow asked by run, which is for the
// job, or r as it is when there is nothing to ask.
func (r Request) ask(app App, run string, now time.Time) (Request, *Job, []audit.Event) {
	if r.State != RequestWaiting || r.Policy.Steps[r.step()].Workflow == "" || r.asked() != nil {
		return r, nil, nil
	}
	a := Asked{Step: r.step(), Workflow: r.Policy.Steps[r.step()].Workflow, Run: run, Attempt: 1, At: now}
	r.Asked = append(slices.Clone(r.Asked), a)
	return r, r.askingJob(a, app, triggerRequest+string(r.ID)), []audit.Event{r.askedEvent(a, identity.System(), now)}
}

func (r Request) askingJob(a Asked, app App, trigger string) *Job {
	return &Job{Run: a.Run, Kind: JobApprove, Request: r.ID, App: r.App, Connection: app.Connection, Trigger: trigger, Attempt: a.Attempt}
}

func (r Request) askedEvent(a Asked, who identity.Actor, now time.Time) audit.Event {
	return r.event(RequestAsked, who, now, "step", strconv.Itoa(a.Step+1), "workflow", a.Workflow, "run", a.Run, "attempt", strconv.Itoa(a.Attempt))
}

// askAgain returns r with its waiting step's workflow asked anew by run, after it
// had failed. old, if not empty, is the run that failed.
func (r Request) askAgain(who identity.Actor, app App, old, run string, now time.Time) (Request, *Job, []audit.Event, error) {
	a := r.asked()
	switch {
	case !who.Administers() && !app.ownedBy(who):
		return r, nil, nil, fault.New(fault.Forbidden, "Only an owner of %s or an administrator may ask the workflow again.", app.Name).WithCode("not_yours")
	case r.State != RequestWaiting:
		return r, nil, nil, ErrDecided
	case a != nil && old != "" && a.Run != old:
		return r, nil, nil, laterRun(a.Run)
	case a == nil || a.Answered.IsZero() || a.Problem == (Problem{}):
		return r, nil, nil, fault.New(fault.Conflict, "There is nothing to retry: the workflow of this step has not failed.").WithCode("nothing_to_retry")
	}
	again := Asked{Step: a.Step, Workflow: a.Workflow, Run: run, Attempt: a.Attempt + 1, At: now}
	r = r.with(again)
	return r, r.askingJob(again, app, triggerRetry), []audit.Event{r.askedEvent(again, who, now)}, nil
}

// with returns r with a in the place of what its step was asked before.
func (r Request) with(a Asked) Request {
	r.Asked = slices.Clone(r.Asked)
	r.Asked[slices.IndexFunc(r.Asked, func(o Asked) bool { return o.Step == a.Step })] = a
	return r
}

// Verdict is what a custom approval workflow decided.
type Verdict string

// The verdicts.
const (
	VerdictNone    Verdict = "" // it named approvers, or failed
	VerdictApprove Verdict = "approve"
	VerdictDeny    Verdict = "deny"
)

// Answer is what came of a run that asked a custom approval workflow: a verdict,
// approvers, or a problem. Nothing but VerdictApprove approves.
type Answer struct {
	Run       string
	Request   RequestID
	Verdict   Verdict
	Reason    string
	Approvers []identity.PersonID
	Problem   *Problem
}

// unclear says why the answer cannot be taken, or nil.
func (a Answer) unclear() *Problem {
	switch {
	case a.Problem != nil:
		return a.Problem
	case a.Verdict == VerdictApprove || a.Verdict == VerdictDeny:
		if a.Reason == "" {
			return &Problem{Code: "no_reason", Message: "The workflow decided without a reason.", Hint: "It returns { decision, reason }: the reason is what people read."}
		}
		if len(a.Approvers) > 0 {
			return &Problem{Code: "no_decision", Message: "The workflow both decided and named approvers.", Hint: "It returns either of the two: see ApprovalResult in margay.d.ts."}
		}
		return nil
	case a.Verdict == VerdictNone && len(a.Approvers) > 0:
		return nil
	}
	return &Problem{Code: "no_decision", Message: "The workflow neither decided nor named approvers.", Hint: "It returns { decision, reason } or { approvers }: see ApprovalResult in margay.d.ts."}
}

// answer returns r with what its workflow answered.
func (r Request) answer(a Answer, now time.Time) (Request, []audit.Event) {
	asked := r.awaits(a.Run)
	if asked == nil {
		return r, []audit.Event{r.event(RequestAskedInVain, identity.System(), now, "run", a.Run, "state", string(r.State))}
	}
	step, system := *asked, identity.System()
	step.Answered = now
	data := []string{"step", strconv.Itoa(step.Step + 1), "workflow", step.Workflow, "run", step.Run}
	if p := a.unclear(); p != nil {
		step.Problem = *p
		return r.with(step), []audit.Event{r.event(RequestAskFailed, system, now, append(data, "code", p.Code, "message", p.Message)...)}
	}
	step.Reason, step.Approvers = a.Reason, a.Approvers
	r = r.with(step)
	if a.Verdict == VerdictNone {
		// From here on they are the step's approvers, as if the policy had named
		// them.
		r.Policy.Steps = slices.Clone(r.Policy.Steps)
		for _, id := range a.Approvers {
			r.Policy.Steps[step.Step].Approvers = append(r.Policy.Steps[step.Step].Approvers, Approver{Person: id})
		}
		return r, []audit.Event{r.event(RequestAnswered, system, now, append(data, "approvers", joined(a.Approvers), "reason", a.Reason)...)}
	}
	approved := a.Verdict == VerdictApprove
	r.Approvals = append(slices.Clone(r.Approvals), Approval{Step: step.Step, Workflow: step.Workflow, Approved: approved, Reason: a.Reason, At: now})
	kind := RequestStepApproved
	switch {
	case !approved:
		r.State, r.DecidedAt, kind = RequestDenied, now, RequestWasDenied
	case step.Step+1 == len(r.Policy.Steps):
		r.State, r.DecidedAt, kind = RequestApproved, now, RequestWasApproved
	}
	return r, []audit.Event{r.event(kind, system, now, append(data, "length", lengthText(r.Length), "reason", a.Reason)...)}
}

func joined[T ~string](ids []T) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	return strings.Join(texts, ",")
}

// answerable returns a with the approvers who can decide on r, or a problem when
// there is none, and when what it decides cannot be.
func (a Answer) answerable(ctx context.Context, tx Reader, r Request) (Answer, error) {
	asked := r.awaits(a.Run)
	if asked == nil || a.unclear() != nil {
		return a, nil
	}
	if a.Verdict == VerdictApprove {
		err := enabled(ctx, tx, r.Person)
		if f, ok := errors.AsType[*fault.Error](err); ok {
			a.Problem = &Problem{Code: f.Code, Message: f.Message}
			return a, nil
		}
		return a, err
	}
	var can []identity.PersonID
	for _, id := range a.Approvers {
		p, err := tx.Person(ctx, id)
		if err != nil {
			return a, err
		}
		gains := p.ID == r.Person || p.ID == r.Requester
		decided := slices.ContainsFunc(r.Approvals, func(d Approval) bool { return d.By == p.ID })
		if !p.Disabled && !decided && (!gains || r.Policy.Steps[asked.Step].SelfApproval) && !slices.Contains(can, p.ID) {
			can = append(can, p.ID)
		}
	}
	if a.Verdict == VerdictNone && len(can) == 0 {
		a.Problem = &Problem{
			Code: "nobody_decides", Message: "None of those whom the workflow named can decide on this request.",
			Hint: "Nobody decides on their own request or in two steps, and whoever is disabled decides nothing.",
		}
	}
	a.Approvers = can
	return a, nil
}

// ReportAnswer takes the answer of a custom approval workflow into its request,
// once: after a crash it may be asked again. One that the request no longer
// waits for changes nothing; that is recorded too.
func (s *Service) ReportAnswer(ctx context.Context, a Answer) (Request, error) {
	r, err := s.reportAnswer(ctx, a)
	if f, ok := errors.AsType[*fault.Error](err); ok && a.Problem == nil && f.Kind != fault.NotFound {
		// What it approved cannot be granted now: that is told, not swallowed.
		a.Problem = &Problem{Code: f.Code, Message: f.Message, Hint: f.Hint}
		r, err = s.reportAnswer(ctx, a)
	}
	return r, wrap("report answer", err)
}

func (s *Service) reportAnswer(ctx context.Context, a Answer) (Request, error) {
	var reported Request
	err := s.store.Change(ctx, func(tx Tx) error {
		req, err := tx.Request(ctx, a.Request)
		if err != nil {
			return err
		}
		reported = req
		if first, err := tx.Settle(ctx, a.Run); err != nil || !first {
			return err
		}
		app, err := tx.App(ctx, req.App)
		if err != nil {
			return err
		}
		a := a
		reason, err := cleanReason(a.Reason)
		if f, ok := errors.AsType[*fault.Error](err); ok && a.Problem == nil {
			a.Problem = &Problem{Code: "bad_reason", Message: "The reason that the workflow gave cannot be kept.", Detail: f.Message}
		}
		a.Reason = reason
		if a, err = a.answerable(ctx, tx, req); err != nil {
			return err
		}
		now, before := s.now(), req.step()
		req, events := req.answer(a, now)
		if req.step() > before {
			nobody, err := undecidable(ctx, tx, req, app, now)
			if err != nil {
				return err
			}
			events = append(events, nobody...)
		}
		if err := tx.Record(ctx, events...); err != nil {
			return err
		}
		reported, err = s.keep(ctx, tx, req, app, now)
		return err
	})
	return reported, err
}

// AskAgainAfter is AskAgain after a certain run, which must be the last of its
// step.
func (s *Service) AskAgainAfter(ctx context.Context, who identity.Actor, id RequestID, run string) (Request, error) {
	subject := "request:" + string(id)
	if err := s.need(ctx, who, identity.ScopeRequestsWrite, subject, "retry"); err != nil {
		return Request{}, err
	}
	var asked Request
	err := s.store.Change(ctx, func(tx Tx) error {
		who, err := present(ctx, tx, who)
		if err != nil {
			return err
		}
		req, err := tx.Request(ctx, id)
		if err != nil {
			return err
		}
		app, err := tx.App(ctx, req.App)
		if err != nil {
			return err
		}
		if !req.visibleTo(who, app) {
			return NoRequest(id)
		}
		req, job, events, err := req.askAgain(who, app, run, s.newID("run"), s.now())
		if err != nil {
			return err
		}
		asked = req
		return s.keepAsked(ctx, tx, req, job, events)
	})
	return asked, s.refused(ctx, who, subject, "retry", wrap("ask workflow again", err))
}

func (s *Service) keepAsked(ctx context.Context, tx Tx, req Request, job *Job, events []audit.Event) error {
	if err := tx.SaveRequest(ctx, req); err != nil {
		return err
	}
	if err := tx.Record(ctx, events...); err != nil || job == nil {
		return err
	}
	return tx.Enqueue(ctx, *job)
}

// Question is all that a custom approval workflow is told.
type Question struct {
	Asked     Asked
	Request   Request
	App       App
	Role      Role
	Person    identity.Person
	Requester identity.Person
	Grants    []Grant // the person's active grants on the app's connection
}

// Question reads what a run that asks a workflow must know. It returns
// ErrSuperseded when the request does not wait for that run any more.
func (s *Service) Question(ctx context.Context, run string, id RequestID) (Question, error) {
	var q Question
	err := s.store.View(ctx, func(tx Reader) error {
		var err error
		if q.Request, err = tx.Request(ctx, id); err != nil {
			return err
		}
		asked := q.Request.awaits(run)
		if asked == nil {
			return ErrSuperseded
		}
		q.Asked = *asked
		if q.App, err = tx.App(ctx, q.Request.App); err != nil {
			return err
		}
		if q.Role, err = tx.Role(ctx, q.Request.Role); err != nil {
			return err
		}
		if q.Person, err = tx.Person(ctx, q.Request.Person); err != nil {
			return err
		}
		if q.Requester, err = tx.Person(ctx, q.Request.Requester); err != nil {
			return err
		}
		live, err := tx.Grants(ctx, GrantFilter{Person: q.Request.Person, States: []GrantState{GrantActive}})
		for _, g := range live {
			if g.Connection == q.App.Connection {
				q.Grants = append(q.Grants, g)
			}
		}
		return err
	})
	return q, wrap("read what a workflow is asked", err)
}

// Unanswered returns requests that wait for the answer of a workflow, at most
// limit of them behind the request after, the newest first.
func (s *Service) Unanswered(ctx context.Context, after RequestID, limit int) (rs []Request, err error) {
	err = s.store.View(ctx, func(tx Reader) error {
		f := RequestFilter{State: RequestWaiting, Asked: true, Before: after}
		rs, err = pick(limit, func(last *Request, n int) ([]Request, error) {
			if last != nil {
				f.Before = last.ID
			}
			f.Limit = n
			return tx.Requests(ctx, f)
		}, func(r Request) bool { a := r.asked(); return a != nil && a.Answered.IsZero() })
		return err
	})
	return rs, wrap("list requests that wait for a workflow", err)
}

// WaitingRun returns the run of the workflow that the request waits for, or "".
func (r Request) WaitingRun() string {
	if a := r.asked(); a != nil && a.Answered.IsZero() {
		return a.Run
	}
	return ""
}

// WorkflowsAssigned is recorded when workflows were chosen for an app or its
// roles.
const WorkflowsAssigned audit.Kind = "app.workflows_assigned"

// AssignWorkflows chooses the workflows that carry out an app's roles: for the
// roles that are named, or else for the app and all its roles. What w leaves
// empty stays.
func (s *Service) AssignWorkflows(ctx context.Context, who identity.Actor, id AppID, roles []RoleID, w Workflows) (App, error) {
	subject := "app:" + string(id)
	if err := s.needAdmin(ctx, who, subject, "assign_workflows"); err != nil {
		return App{}, err
	}
	app, err := merged(0, func() (App, error) { return s.assign(ctx, who, id, roles, w) })
	return app, wrap("assign workflows", err)
}

func (s *Service) assign(ctx context.Context, who identity.Actor, id AppID, roles []RoleID, w Workflows) (App, error) {
	app, changed, err := s.assigned(ctx, id, roles, w)
	if err != nil {
		return App{}, err
	}
	if app, err = s.rules.Complete(ctx, who, app); err != nil {
		return App{}, err
	}
	for _, r := range changed {
		if err := s.rules.CheckRole(ctx, app, r); err != nil {
			return App{}, err
		}
	}
	saw, now := app.Version, s.now()
	err = s.store.Change(ctx, func(tx Tx) error {
		before, err := tx.App(ctx, id)
		if err != nil {
			return err
		}
		if !before.edits(saw) {
			return appMeanwhile(ctx, tx, who, before, app, nil)
		}
		app.Saved = before.next(who, now)
		if err := tx.SaveApp(ctx, app); err != nil {
			return err
		}
		for _, r := range changed {
			before, err := tx.Role(ctx, r.ID)
			if err != nil {
				return err
			}
			if !before.edits(r.Version) {
				return roleMeanwhile(ctx, tx, who, before, r, nil)
			}
			r.Saved = before.next(who, now)
			if err := tx.SaveRole(ctx, r); err != nil {
				return err
			}
		}
		return tx.Record(ctx, event(WorkflowsAssigned, who, "app:"+string(id), now, "name", app.Name, "provision", w.Provision, "deprovision", w.Deprovision,
			"roles", joined(roles)))
	})
	return app, err
}

// assigned returns the app and the roles as they are with the workflows.
func (s *Service) assigned(ctx context.Context, id AppID, roles []RoleID, w Workflows) (App, []Role, error) {
	if w == (Workflows{}) {
		return App{}, nil, fault.Field("provision_workflow_id", "Choose a workflow.")
	}
	app, err := s.App(ctx, id)
	if err != nil {
		return app, nil, err
	}
	all, err := s.Roles(ctx, id)
	if err != nil {
		return app, nil, err
	}
	for _, r := range roles {
		if !slices.ContainsFunc(all, func(o Role) bool { return o.ID == r }) {
			return app, nil, fault.Field("role_ids", "%s has no role %s.", app.Name, r)
		}
	}
	set := func(to *string, from string, empty bool) {
		if from == "" {
			return
		}
		if *to = from; empty {
			*to = ""
		}
	}
	if len(roles) == 0 {
		set(&app.Workflows.Provision, w.Provision, false)
		set(&app.Workflows.Deprovision, w.Deprovision, false)
		for i := range all { // they follow the app again
			set(&all[i].Workflows.Provision, w.Provision, true)
			set(&all[i].Workflows.Deprovision, w.Deprovision, true)
		}
		return app, all, nil
	}
	all = slices.DeleteFunc(all, func(r Role) bool { return !slices.Contains(roles, r.ID) })
	for i := range all {
		set(&all[i].Workflows.Provision, w.Provision, false)
		set(&all[i].Workflows.Deprovision, w.Deprovision, false)
	}
	return app, all, nil
}

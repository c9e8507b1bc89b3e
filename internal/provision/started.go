package provision

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/engine"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/workflow"
)

// The kinds of run that people or the clock start, for no grant and no request.
const (
	jobManual    = access.JobKind(workflow.KindManual)
	jobScheduled = access.JobKind(workflow.KindScheduled)
)

// EnqueueRun records the engine's job for a run that somebody or the clock
// started, in tx, the transaction that keeps the run. Those of one schedule run
// one at a time.
func EnqueueRun(ctx context.Context, e *engine.Engine, tx *sql.Tx, r workflow.Run) error {
	input, err := json.Marshal(task{Run: r.ID, Kind: access.JobKind(r.Kind)})
	if err != nil {
		return err
	}
	job := engine.Job{ID: r.ID, Kind: r.Kind, Input: input}
	if r.Kind == workflow.KindScheduled {
		job.Key = "workflow/" + r.Workflow
	}
	return e.Enqueue(ctx, tx, job)
}

// planStarted tells what a run does that was started with its version.
func (p *Provisioner) planStarted(ctx context.Context, run workflow.Run) (plan, error) {
	pl := plan{Workflow: run.Workflow, Version: run.Version, Connection: run.Connection}
	argument, err := p.Workflows.Argument(ctx, run)
	if err != nil && fault.KindOf(err) == fault.Internal {
		return plan{}, err
	}
	if err != nil {
		pl.Problem = fault.Public(err)
	}
	pl.Argument = argument
	return pl, nil
}

// question is what a custom approval workflow is told: ApprovalContext of the
// module "margay".
type question struct {
	Run       runArg          `json:"run"`
	Person    personArg       `json:"person"`
	Requester personArg       `json:"requester"`
	App       questionApp     `json:"app"`
	Role      roleArg         `json:"role"`
	Request   questionRequest `json:"request"`
	Policy    questionPolicy  `json:"policy"`
	Grants    []grantArg      `json:"grants"`
}

type questionApp struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type questionRequest struct {
	ID        string             `json:"id"`
	Reason    string             `json:"reason"`
	Seconds   *float64           `json:"seconds"`
	CreatedAt time.Time          `json:"createdAt"`
	Step      int                `json:"step"`
	Approvals []questionApproval `json:"approvals"`
}

type questionApproval struct {
	Step   int     `json:"step"`
	By     *string `json:"by"`
	Reason string  `json:"reason"`
}

type questionPolicy struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version int    `json:"version"`
}

// planAnswer reads what a workflow is asked, and chooses its version.
func (p *Provisioner) planAnswer(ctx context.Context, t task, run workflow.Run) (plan, error) {
	q, err := p.Access.Question(ctx, t.Run, t.Request)
	if errors.Is(err, access.ErrSuperseded) {
		return plan{Superseded: true}, nil
	}
	pl := plan{Connection: q.App.Connection}
	var version workflow.Version
	var order []string
	if err == nil {
		version, err = p.published(ctx, deciding(q))
	}
	if err == nil {
		order, err = p.Systems.RoleNames(ctx, q.App.Connection)
	}
	if err != nil && fault.KindOf(err) == fault.Internal {
		return plan{}, err
	}
	if err != nil {
		pl.Problem = fault.Public(err)
		return pl, nil
	}
	pl.Workflow, pl.Version = version.Workflow, version.Hash
	pl.Argument, err = json.Marshal(questionOf(run, q, order))
	return pl, err
}

func questionOf(run workflow.Run, q access.Question, order []string) question {
	r := q.Request
	out := question{
		Run: runArg{ID: run.ID, Kind: string(access.JobApprove), Attempt: run.Attempt}, Person: personOf(q.Person), Requester: personOf(q.Requester),
		App: questionApp{ID: string(q.App.ID), Name: q.App.Name}, Role: grantOf(access.Grant{Role: r.Role, RoleName: r.RoleName}, order).Role,
		Request: questionRequest{
			ID: string(r.ID), Reason: r.Reason, CreatedAt: r.CreatedAt.UTC(), Step: q.Asked.Step + 1, Approvals: []questionApproval{},
		},
		Policy: questionPolicy{ID: string(r.Policy.ID), Name: r.Policy.Name, Version: r.Policy.Version},
		Grants: []grantArg{},
	}
	if r.Length != access.Indefinite {
		out.Request.Seconds = new(r.Length.Seconds())
	}
	for _, a := range r.Approvals {
		out.Request.Approvals = append(out.Request.Approvals, questionApproval{Step: a.Step + 1, By: textOrNil(string(a.By)), Reason: a.Reason})
	}
	for _, g := range q.Grants {
		out.Grants = append(out.Grants, grantOf(g, order))
	}
	return out
}

// errReadOnly is the guard of a workflow that is asked: what it decides on may
// never come to be.
var errReadOnly = fault.New(fault.Forbidden, "A custom approval workflow only reads: it changes nothing in the other system.").WithCode("read_only").
	WithHint("Change things in the provisioning workflow, which runs once the request is approved.")

// guard refuses a write that is not wanted any more, or never was; also one that
// was decided on what is not so any more, because the run slept or waited since it
// was told of the person's other grants.
func (p *Provisioner) guard(ctx context.Context, t task, pl plan) error {
	switch t.Kind {
	case access.JobApprove:
		return errReadOnly
	case jobManual, jobScheduled:
		return nil
	case access.JobProvision, access.JobDeprovision:
	}
	return p.insist(ctx, t, "guard", func() error {
		facts, err := p.Access.Facts(ctx, t.Run, t.Kind, t.Grant)
		if err == nil && pl.Remaining != nil && !slices.Equal(pl.Remaining, rolesOf(facts.Remaining)) {
			err = access.ErrSuperseded
		}
		return err
	})
}

// answerOf reads what a custom approval workflow returned. What is not one of
// the two forms is a problem, never a decision.
func (p *Provisioner) answerOf(ctx context.Context, t task, output json.RawMessage) (access.Answer, error) {
	var r struct {
		Decision  *string  `json:"decision"`
		Reason    string   `json:"reason"`
		Approvers []string `json:"approvers"`
	}
	a := access.Answer{Run: t.Run, Request: t.Request}
	d := json.NewDecoder(bytes.NewReader(output))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return a, fault.New(fault.Upstream, "The workflow returned something that is no decision.").WithCode("no_decision").
			WithHint("It returns { decision, reason } or { approvers }: see ApprovalResult in margay.d.ts.")
	}
	a.Reason = r.Reason
	if r.Decision != nil {
		a.Verdict = access.Verdict(*r.Decision)
	}
	for _, name := range r.Approvers {
		person, err := p.approver(ctx, name)
		if errors.Is(err, fault.NotFound) {
			return a, fault.New(fault.Upstream, "The workflow named %q as an approver, who is nobody in Margay's directory.", name).WithCode("approver_missing").
				WithHint("It names people by e-mail address or id.")
		}
		if err != nil {
			return a, err
		}
		a.Approvers = append(a.Approvers, person.ID)
	}
	return a, nil
}

func (p *Provisioner) approver(ctx context.Context, name string) (identity.Person, error) {
	if strings.Contains(name, "@") {
		return p.People.PersonByEmail(ctx, name)
	}
	return p.People.Person(ctx, identity.PersonID(name))
}

// tell takes what came of a run into what it was for. What it returns first is
// why the run did not do what it should after all.
func (p *Provisioner) tell(ctx context.Context, t task, connection string, output json.RawMessage, problem *access.Problem) (failed, err error) {
	switch t.Kind {
	case jobManual, jobScheduled:
		return nil, nil
	case access.JobApprove:
		a := access.Answer{Run: t.Run, Request: t.Request, Problem: problem}
		if problem == nil {
			a, failed = p.answerOf(ctx, t, output)
			if failed != nil && fault.KindOf(failed) == fault.Internal {
				return nil, failed
			}
			if failed != nil {
				a.Problem = problemOf(failed)
			}
		}
		r, err := p.Access.ReportAnswer(ctx, a)
		if err != nil || failed != nil {
			return failed, err
		}
		return refusedAnswer(r, t.Run), nil
	case access.JobProvision, access.JobDeprovision:
	}
	o := access.Outcome{Run: t.Run, Kind: t.Kind, Grant: t.Grant, Problem: problem}
	if problem == nil {
		if o.Proof, o.Found, o.Before, failed = proofOf(output, p.Now()); failed != nil {
			o.Problem = problemOf(failed)
		}
	}
	if problem != nil {
		if o.Wrote, o.Stale, err = p.before(ctx, t); err != nil {
			return failed, err
		}
	} else {
		o.Wrote = !o.Found
	}
	if o.Found {
		// Who may do nothing there has lost what the grant gave, whoever took it:
		// most often this run did, before it was cut off.
		none, err := p.Systems.NoRole(ctx, connection)
		if err != nil {
			return failed, err
		}
		o.Found = o.Proof.Role != none
	}
	g, err := p.Access.Report(ctx, o)
	if failed == nil && problem == nil && g.Problem.Run == t.Run {
		failed = notTaken(g.Problem)
	}
	return failed, err
}

// before says what a run had done when it came to an end that is none of its
// script's: whether it changed something, or may have, and whether it was stopped
// because what it had been told was not so any more.
func (p *Provisioner) before(ctx context.Context, t task) (wrote, stale bool, err error) {
	steps, err := p.Runs.Steps(ctx, t.Run)
	for _, s := range steps {
		failed := s.State == workflow.StepFailed
		wrote = wrote || s.Change != nil && (!failed || s.Problem.Code == access.ProblemUnknown)
		stale = stale || failed && s.Problem.Code == access.ErrSuperseded.Code
	}
	return wrote, stale, err
}

// notTaken is the problem with which a grant or a request took what a run came
// to, as one of the run.
func notTaken(problem access.Problem) error {
	return fault.New(fault.Upstream, "%s", problem.Message).WithCode(problem.Code).WithHint("%s", problem.Hint).WithDetail(problem.Detail)
}

// refusedAnswer says why the request did not take the run's answer, or nil.
func refusedAnswer(r access.Request, run string) error {
	for _, a := range r.Asked {
		if a.Run == run && a.Problem != (access.Problem{}) {
			return notTaken(a.Problem)
		}
	}
	return nil
}

func problemOf(err error) *access.Problem {
	f := fault.Public(err)
	if workflow.IsMistake(err) { // the engine's words are for the authors, who find them on the run
		return &access.Problem{Code: f.Code, Message: workflow.Mistaken}
	}
	return &access.Problem{Code: f.Code, Message: f.Message, Hint: f.Hint, Detail: f.Detail}
}

// mendAnswers reports runs that were asked something and for which nobody will
// answer any more.
func (p *Provisioner) mendAnswers(ctx context.Context) error {
	after := access.RequestID("")
	for {
		requests, err := p.Access.Unanswered(ctx, after, batch)
		if err != nil || len(requests) == 0 {
			return err
		}
		for _, r := range requests {
			after = r.ID
			run := r.WaitingRun()
			job, err := p.jobs.Job(ctx, run)
			if err != nil && !errors.Is(err, fault.NotFound) {
				return err
			}
			if err == nil && !job.State.Ended() {
				continue
			}
			if alive, err := p.goesOn(ctx, run); err != nil || alive {
				if err != nil {
					return err
				}
				continue
			}
			p.Log.WarnContext(ctx, "a run ended without a word", "run", run, "request", string(r.ID))
			if err := p.settle(ctx, task{Run: run, Kind: access.JobApprove, Request: r.ID}, errNoWord); err != nil {
				return err
			}
		}
	}
}

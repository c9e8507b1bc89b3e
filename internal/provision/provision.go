// Package provision carries grants out and back.
//
// It is the only package that knows both access and workflow: it turns a job of
// access into a job of the engine, tells the app's workflow the facts of the
// grant, and reports what came of the run. It holds no rule of its own about
// who may have what, and knows no system: which names a role may have is asked
// of the connection's integration.
package provision

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/engine"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/workflow"
)

// Access is what provision needs of the rules.
type Access interface {
	Facts(ctx context.Context, run string, kind access.JobKind, grant access.GrantID) (access.Facts, error)
	StillWanted(ctx context.Context, run string, kind access.JobKind, grant access.GrantID) error
	Report(ctx context.Context, o access.Outcome) (access.Grant, error)
	ExpirePaced(ctx context.Context, limit int, pace access.Pace) (int, error)
	// LapseDue ends the requests that nobody decided in time.
	LapseDue(ctx context.Context, limit int) (int, error)
	BeginDue(ctx context.Context, limit int) (int, error)
	Due(ctx context.Context) (bool, error)
	Underway(ctx context.Context, after access.GrantID, limit int) ([]access.Grant, error)

	// RetryRun makes a new run for a grant in the place of one that was not
	// carried out; MayRetry says why not.
	RetryRun(ctx context.Context, who identity.Actor, id access.GrantID, run string) (access.Grant, error)
	MayRetry(ctx context.Context, who identity.Actor, id access.GrantID, run string) error
	// MayCancelRun says why who may not cancel a run of the kind for a grant, or nil.
	MayCancelRun(ctx context.Context, who identity.Actor, id access.GrantID, kind access.JobKind) error
	// AskAgainAfter asks a workflow again that failed to decide on a request;
	// MayAskAgain says why not.
	AskAgainAfter(ctx context.Context, who identity.Actor, id access.RequestID, run string) (access.Request, error)
	MayAskAgain(ctx context.Context, who identity.Actor, id access.RequestID, run string) error

	Question(ctx context.Context, run string, request access.RequestID) (access.Question, error)
	ReportAnswer(ctx context.Context, a access.Answer) (access.Request, error)
	Unanswered(ctx context.Context, after access.RequestID, limit int) ([]access.Request, error)
}

// Runs keeps what runs have become.
type Runs interface {
	Run(ctx context.Context, id string) (workflow.Run, error)
	Steps(ctx context.Context, run string) ([]workflow.Step, error)
	RunsUnderway(ctx context.Context, kinds []string, after string, limit int) ([]workflow.Run, error)
	LinkRetry(ctx context.Context, run, of string) error
	SaveRun(ctx context.Context, r workflow.Run, events ...audit.Event) error
	// WaitFor has a run that has not begun wait for something besides its turn.
	WaitFor(ctx context.Context, run, what string) error
	// Plan returns the plan with which the run began, nil before that.
	Plan(ctx context.Context, run string) (json.RawMessage, error)
	// SleepRun keeps that the run waits, and hands its next job to enqueue, in
	// one transaction.
	SleepRun(ctx context.Context, run string, epoch int64, until time.Time, job string, enqueue func(ctx context.Context, tx *sql.Tx) error) error
}

// Executor carries out a workflow version.
type Executor interface {
	// Begin begins an execution of a run; the first plan of a run stays.
	Begin(ctx context.Context, b workflow.Beginning) (*workflow.Journal, error)
	Execute(ctx context.Context, job *engine.Run, t workflow.Task) (json.RawMessage, error)
	// Settle tells what a run came to from what is recorded of it alone.
	Settle(ctx context.Context, t workflow.Task) (output json.RawMessage, finished bool, failed error)
}

// Systems knows the systems behind connections.
type Systems interface {
	// RoleNames lists the roles that the system behind a connection knows, the
	// weakest first.
	RoleNames(ctx context.Context, connection string) ([]string, error)
	// NoRole is the role there of somebody who may do nothing.
	NoRole(ctx context.Context, connection string) (string, error)
}

// Workflows finds the published version of a workflow, and starts again those
// that people run.
type Workflows interface {
	Run(ctx context.Context, who identity.Actor, id string) (workflow.Run, []workflow.Step, error)
	Runs(ctx context.Context, who identity.Actor, f workflow.RunFilter) ([]workflow.Run, error)
	// StartAgain makes a new run in the place of one that a person or the clock had
	// started, once; MayStartAgain says why not.
	StartAgain(ctx context.Context, who identity.Actor, id string) (workflow.Run, error)
	MayStartAgain(ctx context.Context, who identity.Actor, old workflow.Run) error
	Workflow(ctx context.Context, id string) (workflow.Workflow, error)
	Published(ctx context.Context, id string) (workflow.Version, error)
	// Argument returns what a manual or scheduled run's script is told.
	Argument(ctx context.Context, r workflow.Run) (json.RawMessage, error)
}

// People finds whom a custom approval workflow names.
type People interface {
	Person(ctx context.Context, id identity.PersonID) (identity.Person, error)
	PersonByEmail(ctx context.Context, email string) (identity.Person, error)
}

// Provisioner carries grants out and back.
type Provisioner struct {
	Access    Access
	Runs      Runs
	Trials    Trials
	Record    func(ctx context.Context, events ...audit.Event) error
	Executor  Executor
	Systems   Systems
	Workflows Workflows
	People    People
	Drift     Drift
	Accounts  Accounts
	Now       func() time.Time
	SetClock  func(context.Context) error // makes Now right; called before anything is done by the clock
	Log       *slog.Logger

	jobs *engine.Engine // set by Handle
}

// Enqueue records the engine's job for job in tx, the transaction that caused
// it.
func Enqueue(ctx context.Context, e *engine.Engine, tx *sql.Tx, job access.Job) error {
	input, err := json.Marshal(task{Run: job.Run, Kind: job.Kind, Grant: job.Grant, Request: job.Request})
	if err != nil {
		return err
	}
	return e.Enqueue(ctx, tx, engine.Job{ID: job.Run, Kind: string(job.Kind), Key: job.Key(), Input: input, Delay: job.Delay})
}

// task is the input of an engine's job. Jobs outlive an upgrade: fields are
// added, never changed.
type task struct {
	Run   string         `json:"run"`
	Kind  access.JobKind `json:"kind"`
	Grant access.GrantID `json:"grant"`

	Request access.RequestID `json:"request,omitempty"`
}

// Handle makes e hand all kinds of job to p.
func (p *Provisioner) Handle(e *engine.Engine) {
	p.jobs = e
	e.Handle(string(access.JobProvision), p.carryOut)
	e.Handle(string(access.JobDeprovision), p.carryOut)
	e.Handle(string(access.JobApprove), p.carryOut)
	e.Handle(string(jobManual), p.carryOut)
	e.Handle(string(jobScheduled), p.carryOut)
	e.Handle(jobCompare, p.compare)
}

// plan is what a run will do, kept when it begins, so that a replay does the
// same.
type plan struct {
	Superseded bool            `json:"superseded,omitempty"`
	Workflow   string          `json:"workflow,omitempty"`
	Version    string          `json:"version,omitempty"`
	Connection string          `json:"connection,omitempty"`
	Argument   json.RawMessage `json:"argument,omitempty"`
	Problem    *fault.Error    `json:"problem,omitempty"` // why it cannot even begin
	// Remaining are the roles of the person's other grants of which the argument
	// tells; nil in a plan that was made before this was kept.
	Remaining []string `json:"remaining,omitzero"`
}

// carryOut does one job: plan, script, report. Each is kept in the rows of the
// run and done once, however often the job is taken up.
func (p *Provisioner) carryOut(ctx context.Context, job *engine.Run) (json.RawMessage, error) {
	var t task
	if err := json.Unmarshal(job.Input(), &t); err != nil {
		return nil, err
	}
	pl, journal, err := p.begin(ctx, t)
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Code == "run_over" {
		return nil, nil // it was cancelled, or has reported already
	}
	if err != nil {
		return nil, err
	}
	output, err := p.execute(ctx, job, t, pl, journal)
	if ctx.Err() != nil || errors.Is(err, engine.ErrLost) {
		return nil, cmp.Or(ctx.Err(), err) // this execution does not count: the job is taken up again
	}
	if asleep, ok := errors.AsType[*workflow.AsleepError](err); ok {
		return nil, p.insist(ctx, t, "sleep", func() error { return p.sleep(ctx, job, t, journal.Epoch, asleep.Until) })
	}
	if failed := p.insist(ctx, t, "report", func() error { return p.report(ctx, t, journal.Log, output, err) }); failed != nil {
		return nil, failed
	}
	return output, err
}

// insist does fn until our own database does its part: else one lost connection
// would leave the grant under way for ever.
func (p *Provisioner) insist(ctx context.Context, t task, name string, fn func() error) error {
	return engine.Insist(ctx, p.Log, t.Run, name, fn)
}

// begin begins an execution of the run, with the plan that it began with first.
func (p *Provisioner) begin(ctx context.Context, t task) (pl plan, j *workflow.Journal, err error) {
	var kept json.RawMessage
	err = p.insist(ctx, t, "plan", func() (err error) {
		if kept, err = p.Runs.Plan(ctx, t.Run); err == nil && kept == nil {
			pl, err = p.plan(ctx, t)
		}
		return err
	})
	if err != nil {
		return pl, nil, err
	}
	if kept == nil {
		if kept, err = json.Marshal(pl); err != nil { //nolint:musttag // a fault is kept by the names of its fields
			return pl, nil, err
		}
	}
	j, err = p.Executor.Begin(ctx, workflow.Beginning{
		Run: t.Run, Plan: kept, Workflow: pl.Workflow, Version: pl.Version, Connection: pl.Connection, At: p.Now(),
	})
	if err != nil {
		return pl, nil, err
	}
	pl = plan{}
	return pl, j, json.Unmarshal(j.Plan, &pl) //nolint:musttag // a fault is kept by the names of its fields
}

func (p *Provisioner) execute(ctx context.Context, job *engine.Run, t task, pl plan, journal *workflow.Journal) (json.RawMessage, error) {
	switch {
	case pl.Superseded:
		return nil, access.ErrSuperseded
	case pl.Problem != nil:
		return nil, pl.Problem
	}
	return p.Executor.Execute(ctx, job, workflow.Task{
		Run: t.Run, Workflow: pl.Workflow, Version: pl.Version, Connection: pl.Connection, Argument: pl.Argument, Journal: journal,
		Guard: func(ctx context.Context) error { return p.guard(ctx, t, pl) },
	})
}

// sleep ends this job and has another go on with the run at its time. The runs
// of the same person that come meanwhile do not wait for it.
func (p *Provisioner) sleep(ctx context.Context, job *engine.Run, t task, epoch int64, until time.Time) error {
	id := t.Run + "~" + strconv.FormatInt(epoch, 10)
	return p.Runs.SleepRun(ctx, t.Run, epoch, until, id, func(ctx context.Context, tx *sql.Tx) error {
		return p.jobs.Enqueue(ctx, tx, engine.Job{ID: id, Kind: job.Kind(), Key: job.Key(), Input: job.Input(), NotBefore: until})
	})
}

// plan reads the facts and chooses the workflow version.
func (p *Provisioner) plan(ctx context.Context, t task) (plan, error) {
	run, err := p.Runs.Run(ctx, t.Run)
	if err != nil {
		return plan{}, err
	}
	switch t.Kind {
	case access.JobApprove:
		return p.planAnswer(ctx, t, run)
	case jobManual, jobScheduled:
		return p.planStarted(ctx, run)
	case access.JobProvision, access.JobDeprovision:
	}
	facts, err := p.Access.Facts(ctx, t.Run, t.Kind, t.Grant)
	if errors.Is(err, access.ErrSuperseded) {
		return plan{Superseded: true}, nil
	}
	pl := plan{Connection: facts.Grant.Connection}
	var version workflow.Version
	var argument json.RawMessage
	if err == nil {
		version, argument, err = p.choose(ctx, t, run, facts)
	}
	if err != nil && fault.KindOf(err) == fault.Internal {
		return plan{}, err
	}
	if err != nil {
		pl.Problem = fault.Public(err)
	} else {
		pl.Workflow, pl.Version, pl.Argument, pl.Remaining = version.Workflow, version.Hash, argument, rolesOf(facts.Remaining)
	}
	return pl, nil
}

// rolesOf returns the roles that grants give, each once, never nil.
func rolesOf(grants []access.Grant) []string {
	roles := make([]string, len(grants))
	for i, g := range grants {
		roles[i] = g.RoleName
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

func (p *Provisioner) choose(ctx context.Context, t task, run workflow.Run, f access.Facts) (workflow.Version, json.RawMessage, error) {
	version, err := p.published(ctx, assignmentOf(t.Kind, f))
	if err != nil {
		return version, nil, err
	}
	order, err := p.Systems.RoleNames(ctx, f.Grant.Connection)
	if err != nil {
		return version, nil, err
	}
	argument, err := json.Marshal(argumentOf(t, run, f, order))
	return version, argument, err
}

// report takes what came of the run into the run and its grant. It may be run
// again after a crash: the second time changes nothing.
func (p *Provisioner) report(ctx context.Context, t task, log []workflow.LogLine, output json.RawMessage, failed error) error {
	run, err := p.Runs.Run(ctx, t.Run)
	if err != nil {
		return err
	}
	run.Output, run.EndedAt, run.Log = string(output), p.Now(), log
	var problem *access.Problem
	if failed != nil {
		problem = problemOf(failed)
	}
	refused, err := p.tell(ctx, t, run.Connection, output, problem)
	if err != nil {
		return err
	}
	if failed == nil {
		failed = refused
	}
	run.State = workflow.Ending(failed)
	if run.State == workflow.RunDone {
		run.CancelledBy = "" // somebody wanted to, and was late
	}
	if failed != nil {
		f := fault.Public(failed)
		if f.Kind == fault.Internal {
			p.Log.ErrorContext(ctx, "run failed", "run", t.Run, "grant", string(t.Grant), "error", failed)
		}
		run.Problem = workflow.Problem{Code: f.Code, Message: f.Message, Hint: f.Hint, Detail: f.Detail, Where: workflow.Where(failed)}
	}
	return p.Runs.SaveRun(ctx, run, p.failedEvents(t, run)...)
}

// Recorded of a run that somebody or the clock had started; what became of a
// grant or a request is told as that of theirs.
const (
	RunFailed  audit.Kind = "run.failed"  // also: it crashed
	RunUnknown audit.Kind = "run.unknown" // whether its change was made is not known
)

// badEnds are the ends of a run that somebody must be told of.
var badEnds = map[workflow.RunState]audit.Kind{workflow.RunFailed: RunFailed, workflow.RunCrashed: RunFailed, workflow.RunUnknown: RunUnknown}

func (p *Provisioner) failedEvents(t task, run workflow.Run) []audit.Event {
	kind, bad := badEnds[run.State]
	if !bad || t.Kind != jobManual && t.Kind != jobScheduled {
		return nil
	}
	return []audit.Event{{
		At: p.Now(), Kind: kind, Actor: identity.System().String(), Subject: "run:" + run.ID,
		Data: map[string]string{"run": run.ID, "workflow": run.Workflow, "code": run.Problem.Code, "message": run.Problem.Message},
	}}
}

// result is what a workflow of these types returns.
type result struct {
	Role           *string `json:"role"`
	Changed        *bool   `json:"changed"`
	Note           string  `json:"note"`
	ExternalUserID string  `json:"externalUserId"`
	// Before is the role that was there before: null for nobody, absent when the
	// workflow does not say.
	Before json.RawMessage `json:"before"`
}

// before is the role that a workflow says it found, "" for nobody; nil when it
// does not say.
func (r result) before() *string {
	if len(r.Before) == 0 {
		return nil
	}
	var role *string
	if json.Unmarshal(r.Before, &role) != nil {
		return nil
	}
	if role == nil {
		role = new("")
	}
	return role
}

// proofOf reads the proof in what a workflow returned. A run without it did not
// show what it did, and is not done. found: it says that it changed nothing.
// before is the role that it says was there before.
func proofOf(output json.RawMessage, now time.Time) (_ access.Proof, found bool, before *string, _ error) {
	var r result
	if err := json.Unmarshal(output, &r); err != nil || r.Note == "" {
		return access.Proof{}, false, nil, fault.New(fault.Upstream, "The workflow ended without saying what it did.").WithCode("no_proof").
			WithHint("It must return { role, note, changed }: see AccessResult in margay.d.ts.")
	}
	proof := access.Proof{Note: r.Note, At: now, User: r.ExternalUserID}
	if r.Role != nil {
		proof.Role = *r.Role
	}
	return proof, r.Changed != nil && !*r.Changed, r.before(), nil
}

// Roles checks roles against the workflows that will carry them out. It
// implements access.RoleRules.
type Roles struct {
	Workflows interface {
		Workflow(ctx context.Context, id string) (workflow.Workflow, error)
	}
	Systems Systems
	// Installed returns the ids of the workflow pair that the integration behind
	// a connection ships, installing it when it is not yet.
	Installed func(ctx context.Context, who identity.Actor, connection string) (access.Workflows, error)
}

// Complete implements [access.RoleRules].
func (r Roles) Complete(ctx context.Context, who identity.Actor, app access.App) (access.App, error) {
	if app.Workflows == (access.Workflows{}) {
		pair, err := r.Installed(ctx, who, app.Connection)
		if err != nil {
			return app, err
		}
		app.Workflows = pair
	}
	err := errors.Join(
		r.fits(ctx, "provision_workflow_id", app.Workflows.Provision, workflow.AccessProvisioning),
		r.fits(ctx, "deprovision_workflow_id", app.Workflows.Deprovision, workflow.AccessDeprovisioning))
	return app, err
}

// fits refuses a workflow of another type: only one of the fitting type can be
// chosen.
func (r Roles) fits(ctx context.Context, field, id string, want workflow.Type) error {
	if id == "" {
		return fault.Field(field, "Choose a workflow: access must be carried out and taken back by one each.")
	}
	w, err := r.Workflows.Workflow(ctx, id)
	if err != nil {
		return err
	}
	switch {
	case w.Type != want:
		return fault.Field(field, "The workflow %s is of the type %s; here belongs one of the type %s.", w.Name, w.Type, want)
	case w.Archived():
		return fault.Field(field, "The workflow %s is archived.", w.Name)
	case w.Published == "":
		return fault.Field(field, "The workflow %s is not published.", w.Name).WithCode("not_published")
	}
	return nil
}

// Offered implements [access.RoleRules].
func (r Roles) Offered(ctx context.Context, app access.App) ([]string, error) {
	return r.Systems.RoleNames(ctx, app.Connection)
}

// CheckApproval implements [access.RoleRules].
func (r Roles) CheckApproval(ctx context.Context, id string) error {
	return r.fits(ctx, "workflow_id", id, workflow.CustomApproval)
}

// CheckRole implements [access.RoleRules]: a role whose workflows come from a
// bundle has one of the names that the bundle carries out, byte for byte.
func (r Roles) CheckRole(ctx context.Context, app access.App, role access.Role) error {
	w := access.WorkflowsOf(app, role)
	bound := false
	for field, id := range map[string]string{"provision_workflow_id": w.Provision, "deprovision_workflow_id": w.Deprovision} {
		want := workflow.AccessProvisioning
		if field == "deprovision_workflow_id" {
			want = workflow.AccessDeprovisioning
		}
		if err := r.fits(ctx, field, id, want); err != nil {
			return err
		}
		got, err := r.Workflows.Workflow(ctx, id)
		if err != nil {
			return err
		}
		bound = bound || got.Origin.Bundle != ""
	}
	if !bound {
		if role.Name == "" {
			return fault.Field("name", "A name is required.")
		}
		return nil
	}
	names, err := r.Systems.RoleNames(ctx, app.Connection)
	if err != nil {
		return err
	}
	if !slices.Contains(names, role.Name) {
		return fault.Field("name", "%q is no role that the workflows of %s carry out. The name is exactly one of %s.",
			role.Name, app.Name, list(names)).WithCode("role_name")
	}
	return nil
}

// Scale implements [access.RoleRules].
func (r Roles) Scale(ctx context.Context, connection string) (access.Scale, error) {
	names, err := r.Systems.RoleNames(ctx, connection)
	if err != nil {
		return access.Scale{}, err
	}
	none, err := r.Systems.NoRole(ctx, connection)
	return access.Scale{Roles: names, None: none}, err
}

// list writes names as "a, b or c".
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

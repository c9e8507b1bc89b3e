package access_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/internal/workflow"
)

// The people of these tests.
const (
	ana  identity.PersonID = "usr_ana"  // an administrator
	bo   identity.PersonID = "usr_bo"   // an approver
	cy   identity.PersonID = "usr_cy"   // another
	olga identity.PersonID = "usr_olga" // an owner of the app
	rita identity.PersonID = "usr_rita" // asks
	sam  identity.PersonID = "usr_sam"  // has nothing to do with it
	dan  identity.PersonID = "usr_dan"  // is disabled
)

// world is a service on a database, with people, a connection and an app.
type world struct {
	t    testing.TB
	db   *store.DB
	svc  *access.Service
	ids  *identity.Service
	app  access.App
	next atomic.Int64 // the number of the next id
	now  atomic.Int64 // the clock, in milliseconds

	mu   sync.Mutex
	jobs map[string]access.Job // enqueued, kept or not
	// refuse makes the engine refuse a job.
	refuse func(access.Job) error
}

var errEngine = errors.New("the engine is not there")

// anyRole lets every app and role pass.
type anyRole struct{}

func (anyRole) Complete(_ context.Context, _ identity.Actor, a access.App) (access.App, error) {
	a.Workflows = access.Workflows{Provision: "wfl_p", Deprovision: "wfl_d"}
	return a, nil
}

func (anyRole) CheckRole(context.Context, access.App, access.Role) error { return nil }

func (anyRole) Offered(context.Context, access.App) ([]string, error) {
	return []string{"Viewer", "Explorer", "Creator"}, nil
}

func (anyRole) CheckApproval(context.Context, string) error { return nil }

func (anyRole) Scale(context.Context, string) (access.Scale, error) {
	return access.Scale{Roles: []string{"Viewer", "Explorer", "Creator"}, None: "Unlicensed"}, nil
}

func newWorld(t testing.TB, db *store.DB) *world {
	t.Helper()
	w := &world{t: t, db: db, jobs: map[string]access.Job{}}
	w.now.Store(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).UnixMilli())
	db.Use(storetest.AuditKey, w.enqueue)
	newID := func(prefix string) string { return fmt.Sprintf("%s_%012d", prefix, w.next.Add(1)) }
	w.svc = access.NewService(db, anyRole{}, w.clock, newID)
	w.ids = identity.NewService(db, w.clock, newID)
	for i, p := range []identity.PersonID{ana, bo, cy, olga, rita, sam, dan} {
		w.must(db.SavePerson(t.Context(), identity.Person{
			ID: p, Email: string(p) + "@acme.example", Name: string(p), Admin: p == ana, Disabled: p == dan,
			CreatedAt: w.clock().Add(time.Duration(i) * time.Second),
		}))
	}
	for _, id := range []string{"con_1", "con_2"} {
		w.must(db.SaveConnection(t.Context(), connection.Connection{ID: id, Integration: "tableau", DisplayName: id, Version: 1}))
	}
	w.must(db.AddWorkflows(t.Context(), []workflow.Workflow{{ID: "wfl_p", Name: "p"}, {ID: "wfl_d", Name: "d"}}, nil))
	w.app = w.newApp("Tableau", "con_1")
	return w
}

func (w *world) clock() time.Time { return time.UnixMilli(w.now.Load()).UTC() }

func (w *world) pass(d time.Duration) { w.now.Add(d.Milliseconds()) }

func (w *world) enqueue(_ context.Context, _ *sql.Tx, job access.Job) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		if err := w.refuse(job); err != nil {
			return err
		}
	}
	w.jobs[job.Run] = job
	return nil
}

func (w *world) job(run string) access.Job {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.jobs[run]
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// as is somebody who uses a token for everything that they may do.
func as(p identity.PersonID) identity.Actor {
	return identity.Actor{Person: p, Name: string(p), Admin: p == ana, Scopes: []identity.Scope{identity.ScopeAdmin}, Via: "token:tok_" + string(p)}
}

// with is somebody who uses a token for these scopes only.
func with(p identity.PersonID, scopes ...identity.Scope) identity.Actor {
	who := as(p)
	who.Scopes = scopes
	return who
}

func (w *world) newApp(name, connection string) access.App {
	w.t.Helper()
	a, err := w.svc.SaveApp(w.t.Context(), as(ana), access.App{Name: name, Connection: connection, Owners: []identity.PersonID{olga}})
	w.must(err)
	return a
}

// role makes a role of the app under the policy.
func (w *world) role(p access.Policy) access.RoleID {
	w.t.Helper()
	return w.roleOf(w.app, p)
}

func (w *world) roleOf(app access.App, p access.Policy) access.RoleID {
	w.t.Helper()
	n := w.next.Add(1)
	p.Name = fmt.Sprintf("policy %d", n)
	p, err := w.svc.SavePolicy(w.t.Context(), as(ana), p)
	w.must(err)
	r, err := w.svc.SaveRole(w.t.Context(), as(ana), access.Role{App: app.ID, Name: fmt.Sprintf("Role %d", n), Policy: p.ID})
	w.must(err)
	return r.ID
}

// by is a step that these people decide.
func by(people ...identity.PersonID) access.Step {
	var s access.Step
	for _, p := range people {
		s.Approvers = append(s.Approvers, access.Approver{Person: p})
	}
	return s
}

// file files a request that must be taken.
func (w *world) file(who identity.PersonID, ask access.Ask) access.Request {
	w.t.Helper()
	r, err := w.svc.File(w.t.Context(), as(who), ask)
	w.must(err)
	return r
}

// granted returns a new grant of the role that is being set up: of another role
// like it when the person has that one, which would be extended.
func (w *world) granted(who identity.PersonID, role access.RoleID) access.Grant {
	w.t.Helper()
	live, err := w.svc.Grants(w.t.Context(), as(ana), access.GrantFilter{Person: who, Role: role, Limit: 1})
	w.must(err)
	if len(live) > 0 {
		role = w.twin(role)
	}
	return w.grant(w.file(who, access.Ask{Role: role}).Grant)
}

// twin makes a role like another.
func (w *world) twin(id access.RoleID) access.RoleID {
	w.t.Helper()
	r, err := w.svc.Role(w.t.Context(), id)
	w.must(err)
	r.ID, r.Name = "", fmt.Sprintf("Role %d", w.next.Add(1))
	r, err = w.svc.SaveRole(w.t.Context(), as(ana), r)
	w.must(err)
	return r.ID
}

func (w *world) grant(id access.GrantID) access.Grant {
	w.t.Helper()
	g, err := w.svc.Grant(w.t.Context(), as(ana), id)
	w.must(err)
	return g
}

func (w *world) request(id access.RequestID) access.Request {
	w.t.Helper()
	r, err := w.svc.Request(w.t.Context(), as(ana), id)
	w.must(err)
	return r
}

// done reports g's present run as done, failed reports it as failed.
func (w *world) done(g access.Grant) access.Grant {
	w.t.Helper()
	return w.report(g, nil)
}

func (w *world) failed(g access.Grant) access.Grant {
	w.t.Helper()
	return w.report(g, &access.Problem{Code: "role_name", Message: "No such role."})
}

func (w *world) report(g access.Grant, p *access.Problem) access.Grant {
	w.t.Helper()
	o := access.Outcome{Run: g.Run, Kind: w.job(g.Run).Kind, Grant: g.ID, Problem: p}
	if p == nil {
		o.Proof = access.Proof{Role: g.RoleName, User: "luid", Note: "done", At: w.clock()}
		if o.Kind == access.JobDeprovision {
			o.Proof.Role = "Unlicensed"
		}
	}
	g, err := w.svc.Report(w.t.Context(), o)
	w.must(err)
	return g
}

// states is a recipe for a grant in each state.
func (w *world) inState(who identity.PersonID, role access.RoleID, state access.GrantState) access.Grant {
	w.t.Helper()
	g := w.granted(who, role)
	switch state {
	case access.GrantSettingUp:
		return g
	case access.GrantNotSetUp:
		return w.failed(g)
	case access.GrantActive:
		return w.done(g)
	case access.GrantEnding, access.GrantOverdue, access.GrantEnded, access.GrantScheduled, access.GrantChanged:
	}
	g = w.done(g)
	g, err := w.svc.Revoke(w.t.Context(), as(ana), g.ID, "")
	w.must(err)
	switch state {
	case access.GrantOverdue:
		return w.failed(g)
	case access.GrantEnded:
		return w.done(g)
	case access.GrantEnding, access.GrantActive, access.GrantNotSetUp, access.GrantSettingUp, access.GrantScheduled, access.GrantChanged:
	}
	return g
}

// kinds lists the kinds of the events of a subject, the oldest first.
func (w *world) kinds(subject string) []audit.Kind {
	w.t.Helper()
	events, err := w.db.Events(w.t.Context(), audit.Filter{Subject: subject})
	w.must(err)
	var kinds []audit.Kind
	for _, e := range slices.Backward(events) {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// last returns the newest event.
func (w *world) last() audit.Event {
	w.t.Helper()
	events, err := w.db.Events(w.t.Context(), audit.Filter{Limit: 1})
	w.must(err)
	if len(events) == 0 {
		return audit.Event{}
	}
	return events[0]
}

// runs lists the runs of a grant, the oldest first.
func (w *world) runs(g access.GrantID) []workflow.Run {
	w.t.Helper()
	listed, err := w.db.Runs(w.t.Context(), workflow.RunFilter{Grant: string(g)})
	w.must(err)
	var runs []workflow.Run
	for _, l := range slices.Backward(listed) {
		runs = append(runs, l.Run)
	}
	return runs
}

// verify walks the audit chain.
func (w *world) verify() {
	w.t.Helper()
	if _, err := w.db.VerifyEvents(w.t.Context()); err != nil {
		w.t.Error(err)
	}
}

package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/internal/workflow"
)

// openEnv names a database that this binary opens, as a second process.
const openEnv = "MARGAY_TEST_OPEN"

func TestMain(m *testing.M) {
	if path := os.Getenv(openEnv); path != "" {
		db, err := store.Open(context.Background(), store.Config{SQLite: path})
		if err != nil {
			fmt.Println(err)
			os.Exit(3)
		}
		_ = db.Close()
		return
	}
	os.Exit(m.Run())
}

// rows are one of each thing that is kept, with every field set and text that
// is hard to keep.
type rows struct {
	person      identity.Person
	token       identity.Token
	connection  connection.Connection
	policy      access.Policy
	flows       []workflow.Workflow
	version     workflow.Version
	app         access.App
	role        access.Role
	request     access.Request
	grant       access.Grant
	run         workflow.Run
	step        workflow.Step
	sealed      []byte
	job         access.Job
	jobReceived access.Job
}

const hard = "ž 🐆 \"'`\\ <b> \r\n\t\u202e %s ; --"

func at(minute int) time.Time { return time.Date(2026, 3, 2, 9, minute, 1, 234_000_000, time.UTC) }

func sample() rows {
	r := rows{
		person: identity.Person{ID: "usr_1", Email: "Rita+x@Acme.example", Name: hard, Admin: true, CreatedAt: at(1)},
		token: identity.Token{
			ID: "tok_1", Person: "usr_1", Name: hard, Scopes: []identity.Scope{identity.ScopeAdmin, identity.ScopeAccessRead}, Hash: "abc",
			CreatedAt: at(2), ExpiresAt: at(3), RevokedAt: at(4),
		},
		connection: connection.Connection{
			ID: "con_1", Integration: "tableau", DisplayName: hard, Settings: integration.Settings{"server_url": hard},
			Sealed: map[string]string{"pat_secret": "AAAA"}, Hints: map[string]string{"pat_secret": "abcd"}, Version: 1, CreatedAt: at(1), UpdatedAt: at(2),
		},
		policy: access.Policy{
			ID: "pol_1", Name: hard, Longest: 8 * time.Hour, Usual: time.Hour + time.Millisecond, ReasonNeeded: true, OnBehalf: access.OnBehalfAnybody, Version: 7, CreatedAt: at(5),
			Steps: []access.Step{{Approvers: []access.Approver{{Person: "usr_1"}, {AppOwner: true}}, SelfApproval: true}},
		},
		flows: []workflow.Workflow{
			{
				ID: "wfl_1", Name: hard, Type: workflow.AccessProvisioning, Integration: "tableau", Published: "hash", CreatedAt: at(6),
				Origin: workflow.Origin{Bundle: "tableau/access-management", Workflow: "provision", Version: 3},
			},
			{ID: "wfl_2", Name: "written here", Type: workflow.AccessDeprovisioning, CreatedAt: at(6)},
		},
		version: workflow.Version{
			Hash: "hash", Workflow: "wfl_1", Number: 4, File: "provision.ts", Source: hard, Modules: map[string]string{"margay": hard}, CreatedAt: at(7),
		},
		app: access.App{
			ID: "app_1", Name: hard, Connection: "con_1", Policy: "pol_1", Workflows: access.Workflows{Provision: "wfl_1", Deprovision: "wfl_2"},
			OnRevoke: access.OnRevokeUnlicensed, Owners: []identity.PersonID{"usr_1"}, CreatedAt: at(8),
		},
		role: access.Role{
			ID: "rol_1", App: "app_1", Name: " " + hard + " ", Description: hard, Policy: "pol_1",
			Workflows: access.Workflows{Provision: "wfl_1", Deprovision: "wfl_2"}, Closed: true, CreatedAt: at(9),
		},
		sealed: []byte{0, 1, 2, 255},
	}
	r.request = access.Request{
		ID: "req_1", App: "app_1", Role: "rol_1", RoleName: hard, Person: "usr_1", Requester: "usr_1", Length: 90 * 365 * 24 * time.Hour, Reason: hard,
		State: access.RequestApproved, Policy: r.policy, Grant: "grt_1", CreatedAt: at(10), DecidedAt: at(11),
		Approvals: []access.Approval{{Step: 1, By: "usr_1", Approved: true, Reason: hard, At: at(11)}},
	}
	r.grant = access.Grant{
		ID: "grt_1", Request: "req_1", App: "app_1", Connection: "con_1", Role: "rol_1", RoleName: hard, Person: "usr_1", Length: time.Hour,
		State: access.GrantOverdue, Run: "run_1", Attempts: 5, CreatedAt: at(12), StartsAt: at(13), EndsAt: at(14), EndedAt: at(15),
		EndReason: access.ReasonRevoked, EndedBy: "usr_1", EndNote: hard,
		Problem: access.Problem{Code: "c", Message: hard, Hint: "h", Detail: "a\x00b"},
		Proof:   access.Proof{Role: "Creator", User: "luid", Note: hard, At: at(13)},
	}
	r.job = access.Job{Run: "run_1", Kind: access.JobDeprovision, Grant: "grt_1", App: "app_1", Person: "usr_1", Trigger: hard, Attempt: 5, Delay: time.Hour}
	r.run = workflow.Run{
		ID: "run_1", Kind: "deprovision", Workflow: "wfl_2", Version: "hash", Connection: "con_1", Grant: "grt_1", Person: "usr_1", Trigger: hard, Attempt: 5,
		State: workflow.RunFailed, Output: `{"note":"` + "🐆" + `"}`, Problem: workflow.Problem{Code: "c", Message: hard, Hint: "h", Detail: "a\x00b", Where: "p.ts:1:2"},
		StartedAt: at(16), EndedAt: at(17),
	}
	r.step = workflow.Step{
		Run: "run_1", Seq: 2, Name: "tableau.users.find", State: workflow.StepFailed, Attempt: 3, Input: `{}`, Output: `null`,
		Problem: workflow.Problem{Message: hard}, StartedAt: at(16), EndedAt: at(17),
		Calls: []workflow.Call{{Kind: "call", Method: "GET", Path: "/x", Status: 500, Code: "500000", Started: at(16), Duration: 1234567, Err: hard}},
	}
	return r
}

// save keeps all of r, and again: saving twice is saving once.
func (r *rows) save(t *testing.T, db *store.DB) {
	t.Helper()
	ctx := t.Context()
	db.Use(storetest.AuditKey, func(_ context.Context, _ *sql.Tx, job access.Job) error { r.jobReceived = job; return nil })
	kept, err := db.AddSealedKey(ctx, "k", r.sealed)
	if again, errAgain := db.AddSealedKey(ctx, "k", []byte("another")); string(again) != string(kept) || errAgain != nil {
		t.Errorf("the second key of a name: %q, %v", again, errAgain)
	}
	err = errors.Join(err,
		db.SavePerson(ctx, r.person), db.SavePerson(ctx, r.person), db.AddToken(ctx, r.token),
		db.SaveConnection(ctx, r.connection), db.AddWorkflows(ctx, r.flows, []workflow.Version{r.version}),
		db.Change(ctx, func(tx access.Tx) error {
			var errs []error
			for range 2 {
				errs = append(errs, tx.SavePolicy(ctx, r.policy), tx.SaveApp(ctx, r.app), tx.SaveRole(ctx, r.role),
					tx.SaveRequest(ctx, r.request), tx.SaveGrant(ctx, r.grant))
			}
			return errors.Join(append(errs, tx.Enqueue(ctx, r.job))...)
		}),
		db.SaveRun(ctx, r.run), db.SaveStep(ctx, 0, r.step))
	if err != nil {
		t.Fatal(err)
	}
}

// Everything that is saved reads back equal.
func TestReadsBackEqual(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		want := sample()
		want.save(t, db)

		got, errs := rows{job: want.job, jobReceived: want.job}, make([]error, 12)
		got.person, errs[0] = db.PersonByEmail(ctx, "RITA+X@acme.EXAMPLE")
		got.token, errs[1] = db.TokenByHash(ctx, "abc")
		got.connection, errs[2] = db.Connection(ctx, "con_1")
		got.flows, errs[3] = db.Workflows(ctx)
		slices.SortFunc(got.flows, func(a, b workflow.Workflow) int { return strings.Compare(a.ID, b.ID) })
		got.version, errs[4] = db.Version(ctx, "wfl_1", "hash")
		got.run, errs[5] = db.Run(ctx, "run_1")
		steps, err := db.Steps(ctx, "run_1")
		errs[6] = err
		got.step = steps[0]
		got.sealed, errs[7] = db.SealedKey(ctx, "k")
		errs[8] = db.View(ctx, func(tx access.Reader) error {
			var errs [5]error
			got.policy, errs[0] = tx.Policy(ctx, "pol_1")
			got.app, errs[1] = tx.App(ctx, "app_1")
			got.role, errs[2] = tx.Role(ctx, "rol_1")
			got.request, errs[3] = tx.Request(ctx, "req_1")
			got.grant, errs[4] = tx.Grant(ctx, "grt_1")
			return errors.Join(errs[:]...)
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}

		if held := got.run.NotBefore.Sub(got.run.QueuedAt); held != time.Hour {
			t.Errorf("the run is held back by %v", held)
		}
		ignored := cmpopts.IgnoreFields(workflow.Run{}, "QueuedAt", "NotBefore") // the store's own marks
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(rows{}), ignored); diff != "" {
			t.Error(diff)
		}
		if len(steps) != 1 {
			t.Errorf("%d steps", len(steps))
		}
	})
}

// Zero values, too: no time is not 1970, no list is not a fault.
func TestZeroReadsBackEqual(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		r := sample()
		r.save(t, db)
		want := access.Grant{ID: "grt_0", Request: "req_1", App: "app_1", Connection: "con_1", Role: "rol_1", Person: "usr_1"}
		var got access.Grant
		err := db.Change(ctx, func(tx access.Tx) error {
			if err := tx.SaveGrant(ctx, want); err != nil {
				return err
			}
			var err error
			got, err = tx.Grant(ctx, "grt_0") // what was written is read in the same transaction
			return err
		})
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}

// What is not there, and what is there already, is told as such on both.
func TestFaults(t *testing.T) {
	t.Parallel()
	change := func(fn func(ctx context.Context, tx access.Tx, r rows) error) func(context.Context, *store.DB, rows) error {
		return func(ctx context.Context, db *store.DB, r rows) error {
			return db.Change(ctx, func(tx access.Tx) error { return fn(ctx, tx, r) })
		}
	}
	tests := map[string]struct {
		act  func(ctx context.Context, db *store.DB, r rows) error
		kind fault.Kind
		code string
	}{
		"no person": {func(ctx context.Context, db *store.DB, _ rows) error { _, err := db.Person(ctx, "x"); return err }, fault.NotFound, "person_missing"},
		"no run":    {func(ctx context.Context, db *store.DB, _ rows) error { _, err := db.Run(ctx, "x"); return err }, fault.NotFound, "run_missing"},
		"no version": {func(ctx context.Context, db *store.DB, _ rows) error {
			_, err := db.Version(ctx, "wfl_1", "x")
			return err
		}, fault.NotFound, "workflow version_missing"},
		"no grant":      {change(func(ctx context.Context, tx access.Tx, _ rows) error { _, err := tx.Grant(ctx, "x"); return err }), fault.NotFound, "grant_missing"},
		"id with a NUL": {func(ctx context.Context, db *store.DB, _ rows) error { _, err := db.Person(ctx, "a\x00"); return err }, fault.NotFound, "person_missing"},
		"id not UTF-8":  {func(ctx context.Context, db *store.DB, _ rows) error { _, err := db.Run(ctx, "a\xff"); return err }, fault.NotFound, "run_missing"},
		"e-mail taken, in another case": {func(ctx context.Context, db *store.DB, r rows) error {
			r.person.ID, r.person.Email = "usr_2", "rita+X@ACME.example"
			return db.SavePerson(ctx, r.person)
		}, fault.Conflict, "exists"},
		"app of the name": {change(func(ctx context.Context, tx access.Tx, r rows) error {
			r.app.ID = "app_2"
			return tx.SaveApp(ctx, r.app)
		}), fault.Conflict, "exists"},
		"role of the name": {change(func(ctx context.Context, tx access.Tx, r rows) error {
			r.role.ID = "rol_2"
			return tx.SaveRole(ctx, r.role)
		}), fault.Conflict, "exists"},
		"policy of the name": {change(func(ctx context.Context, tx access.Tx, r rows) error {
			r.policy.ID = "pol_2"
			return tx.SavePolicy(ctx, r.policy)
		}), fault.Conflict, "exists"},
		"connection in use": {func(ctx context.Context, db *store.DB, _ rows) error { return db.DeleteConnection(ctx, "con_1") }, fault.Conflict, "in_use"},
		"connection changed by two": {func(ctx context.Context, db *store.DB, r rows) error {
			r.connection.Version = 3
			return db.SaveConnection(ctx, r.connection)
		}, fault.Conflict, "conflict"},
		"a job twice": {change(func(ctx context.Context, tx access.Tx, r rows) error { return tx.Enqueue(ctx, r.job) }), fault.Internal, "internal"},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := sample()
		r.save(t, db)
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				err := tt.act(t.Context(), db, r)

				if fault.KindOf(err) != tt.kind || fault.Public(err).Code != tt.code {
					t.Fatalf("%v of the kind %q, code %q", err, fault.KindOf(err), fault.Public(err).Code)
				}
				for _, inner := range []string{"SQL", "constraint", "people", "UNIQUE", "pq:", "SQLSTATE"} {
					if strings.Contains(fault.Public(err).Message, inner) {
						t.Errorf("the sentence shows our insides: %s", fault.Public(err).Message)
					}
				}
			})
		}
	})
}

// A transaction that fails leaves nothing, neither rows nor events.
func TestRollback(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		r := sample()
		r.save(t, db)
		boom := errors.New("boom")

		err := db.Change(ctx, func(tx access.Tx) error {
			r.role.ID, r.role.Name, r.job.Run = "rol_2", "another", "run_2"
			return errors.Join(tx.SaveRole(ctx, r.role), tx.Enqueue(ctx, r.job), tx.Record(ctx, audit.Event{Kind: "x"}), boom)
		})

		roles := 0
		errRead := db.View(ctx, func(tx access.Reader) error { rs, err := tx.Roles(ctx, "app_1"); roles = len(rs); return err })
		events, errEvents := db.Events(ctx, audit.Filter{})
		_, errRun := db.Run(ctx, "run_2")
		if !errors.Is(err, boom) || errors.Join(errRead, errEvents) != nil || roles != 1 || len(events) != 0 || !errors.Is(errRun, fault.NotFound) {
			t.Errorf("%v; %d roles, %d events, run: %v", err, roles, len(events), errRun)
		}
	})
}

// A run that has ended stays as it ended, and its outcome is taken in once.
func TestRunEndsOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		r := sample()
		r.save(t, db)
		late := r.run
		late.State, late.EndedAt, late.Problem = workflow.RunRunning, time.Time{}, workflow.Problem{}

		if err := db.SaveRun(ctx, late); err != nil {
			t.Fatal(err)
		}
		if got, err := db.Run(ctx, r.run.ID); err != nil || got.State != workflow.RunFailed {
			t.Errorf("a late word took it to %s, %v", got.State, err)
		}
		var mu sync.Mutex
		first := 0
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				err := db.Change(ctx, func(tx access.Tx) error {
					won, err := tx.Settle(ctx, r.run.ID)
					if won {
						mu.Lock()
						first++
						mu.Unlock()
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if first != 1 {
			t.Errorf("%d were first", first)
		}
	})
}

// Filters and pages of what is listed.
func TestPaging(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		r := sample()
		r.save(t, db)
		err := db.Change(ctx, func(tx access.Tx) error {
			var errs []error
			for i := range 9 {
				g, job := r.grant, r.job
				g.ID, job.Run = access.GrantID(fmt.Sprintf("grt_a%d", i)), fmt.Sprintf("run_a%d", i)
				g.State, g.EndsAt = access.GrantActive, at(40-i)
				if i%2 == 0 {
					g.State = access.GrantEnding
				}
				if i == 3 {
					g.EndsAt = time.Time{} // does not end by itself
				}
				job.Grant = g.ID
				errs = append(errs, tx.SaveGrant(ctx, g), tx.Enqueue(ctx, job), tx.Record(ctx, audit.Event{Kind: "k", Subject: "grant:" + string(g.ID)}))
			}
			return errors.Join(errs...)
		})
		if err != nil {
			t.Fatal(err)
		}
		grants := func(f access.GrantFilter) string {
			t.Helper()
			var ids []string
			err := db.View(ctx, func(tx access.Reader) error {
				gs, err := tx.Grants(ctx, f)
				for _, g := range gs {
					ids = append(ids, strings.TrimPrefix(string(g.ID), "grt_"))
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return strings.Join(ids, " ")
		}
		active := []access.GrantState{access.GrantActive}
		tests := map[string]struct{ got, want string }{
			"all":            {grants(access.GrantFilter{}), "a8 a7 a6 a5 a4 a3 a2 a1 a0 1"},
			"limit":          {grants(access.GrantFilter{Limit: 2}), "a8 a7"},
			"before":         {grants(access.GrantFilter{Before: "grt_a2"}), "a1 a0 1"},
			"state":          {grants(access.GrantFilter{States: active}), "a7 a5 a3 a1"},
			"two states":     {grants(access.GrantFilter{States: []access.GrantState{access.GrantActive, access.GrantOverdue}}), "a7 a5 a3 a1 1"},
			"two, limited":   {grants(access.GrantFilter{States: []access.GrantState{access.GrantActive, access.GrantOverdue}, Limit: 3}), "a7 a5 a3"},
			"two, before":    {grants(access.GrantFilter{States: []access.GrantState{access.GrantActive, access.GrantOverdue}, Limit: 3, Before: "grt_a3"}), "a1 1"},
			"empty states":   {grants(access.GrantFilter{States: []access.GrantState{}, Limit: 1}), "a8"},
			"nobody's":       {grants(access.GrantFilter{Person: "usr_x"}), ""},
			"person and app": {grants(access.GrantFilter{Person: "usr_1", App: "app_1", Limit: 1}), "a8"},
			"another app":    {grants(access.GrantFilter{App: "app_x"}), ""},
			"due":            {grants(access.GrantFilter{States: active, DueBy: at(35)}), "a7 a5"},
			"due, to the ms": {grants(access.GrantFilter{States: active, DueBy: at(35).Add(-time.Millisecond)}), "a7"},
			"due, limited":   {grants(access.GrantFilter{States: active, DueBy: at(59), Limit: 2}), "a7 a5"},
			"NUL":            {grants(access.GrantFilter{Person: "\x00"}), ""},
		}
		for name, tt := range tests {
			if tt.got != tt.want {
				t.Errorf("%s: %q, want %q", name, tt.got, tt.want)
			}
		}
		tallies, err := db.Tallies(ctx, workflow.RunFilter{State: workflow.RunRetrying, Person: "usr_1"})
		if err != nil || len(tallies) != 1 || tallies[0].State != workflow.RunRetrying || tallies[0].Runs < 3 {
			t.Errorf("tallies %+v, %v", tallies, err)
		}
		states := []workflow.RunState{workflow.RunDone, workflow.RunRetrying}
		for most, want := range map[int][]int{2: {0, 2}, 1000: {0, tallies[0].Runs}} {
			if counts, err := db.CountRuns(ctx, workflow.RunFilter{States: states, Person: "usr_1", Since: at(0).Add(-time.Hour)}, most); err != nil || !slices.Equal(counts, want) {
				t.Errorf("counted up to %d: %v, want %v, %v", most, counts, want, err)
			}
		}
		runs, err := db.Runs(ctx, workflow.RunFilter{State: workflow.RunRetrying, Person: "usr_1", Before: "run_a8", Limit: 3})
		if err != nil || len(runs) != 3 || runs[0].ID != "run_a7" {
			t.Errorf("%d runs, %v", len(runs), err)
		}
		if err := db.WaitFor(ctx, "run_a2", workflow.WaitsForProgram); err != nil {
			t.Fatal(err)
		}
		asked := store.Watch(db)
		// Those that have not begun know their connection by what they are for.
		waiting, err := db.Runs(ctx, workflow.RunFilter{Connection: r.grant.Connection, States: []workflow.RunState{workflow.RunWaiting, workflow.RunRetrying}, Limit: 3})
		if err != nil || len(waiting) != 3 || waiting[0].ID != "run_a2" || waiting[1].ID != "run_a8" || len(asked.Take()) != 1 {
			t.Errorf("that wait for the connection: %+v, %v", waiting, err)
		}
		if others, err := db.Runs(ctx, workflow.RunFilter{Connection: "con_x"}); err != nil || len(others) != 0 {
			t.Errorf("of another connection: %+v, %v", others, err)
		}
		asked.Take()
		for _, n := range []int{3, 9} {
			listed, err := db.Runs(ctx, workflow.RunFilter{Person: "usr_1", Limit: n})
			if err != nil || len(listed) != n || listed[0].ID != "run_a8" || listed[0].Role != r.grant.RoleName || listed[0].App != "app_1" {
				t.Errorf("%d runs listed: %+v, %v", n, listed, err)
			}
			statements := asked.Take()
			if len(statements) != 1 {
				t.Errorf("a list of %d runs asks %q", n, statements)
			}
			for _, long := range []string{`"input"`, `"output"`, `"log"`, `"plan"`} {
				if strings.Contains(statements[0], long) {
					t.Errorf("a list reads %s: %s", long, statements[0])
				}
			}
		}
		if listed, err := db.Runs(ctx, workflow.RunFilter{IDs: []string{"run_a2", "run_a4", "run_x"}}); err != nil || len(listed) != 2 || listed[0].ID != "run_a4" {
			t.Errorf("runs by their ids: %+v, %v", listed, err)
		}
		events, err := db.Events(ctx, audit.Filter{Before: 9, Limit: 3})
		if err != nil || len(events) != 3 || events[0].Seq != 8 {
			t.Errorf("events %+v, %v", events, err)
		}
		if events, err = db.Events(ctx, audit.Filter{Subject: "grant:grt_a4"}); err != nil || len(events) != 1 {
			t.Errorf("%d events of one, %v", len(events), err)
		}
	})
}

// O08: an empty database is made, and one that is made is left as it is, by two
// nodes that start at once.
func TestMigrations(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		if cfg.Postgres != "" {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					db, err := store.Open(t.Context(), cfg)
					if err != nil {
						t.Error(err)
						return
					}
					if err := errors.Join(db.Ping(t.Context()), db.Close()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			cfg.Postgres += "&pool_max_conns=1" // the lock takes a connection too: once this waited for ever
		}
		r := sample()
		first, err := store.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		r.save(t, first)
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}

		db := storetest.Open(t, cfg)

		if p, err := db.Person(t.Context(), "usr_1"); err != nil || p.Name != hard {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

// O05: a second process on one SQLite file is refused, and names the first.
func TestSecondProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "margay.db")
	db, err := store.Open(t.Context(), store.Config{SQLite: path})
	if err != nil {
		t.Fatal(err)
	}
	second := func() (string, error) {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), openEnv+"="+path)
		out, err := cmd.Output()
		return string(out), err
	}

	out, err := second()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 3 || !strings.Contains(out, fmt.Sprintf("pid %d", os.Getpid())) || !strings.Contains(out, path) {
		t.Errorf("the second process: %v, %q", err, out)
	}
	if _, err := store.Open(t.Context(), store.Config{SQLite: path}); !errors.Is(err, fault.Conflict) {
		t.Errorf("a second time in one process: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := second(); err != nil {
		t.Errorf("after the first had closed it: %v, %q", err, out)
	}
}

// The address of a database may hold a password: no error shows it.
func TestAddressIsNotShown(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"postgres://margay:hunter2secret@127.0.0.1:1/x?connect_timeout=1", "postgres://margay:hunter2secret@[bad/x", "hunter2secret",
		"postgres://margay:hunter2secret@127.0.0.1:1/x?sslmode=hunter2secret",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		_, err := store.Open(ctx, store.Config{Postgres: address})
		cancel()
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "hunter2secret") {
			t.Errorf("%v", err)
		}
	}
	for _, cfg := range []store.Config{{}, {SQLite: "a", Postgres: "b"}} {
		if _, err := store.Open(t.Context(), cfg); err == nil {
			t.Errorf("%+v was opened", cfg)
		}
	}
}

// raw runs a statement behind the store's back, as somebody with the database
// in hand can.
func raw(t *testing.T, db *store.DB, cfg store.Config, statement string) {
	t.Helper()
	if cfg.Postgres == "" {
		conn, err := sql.Open("sqlite", db.Path())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		return
	}
	conn, err := pgx.Connect(t.Context(), cfg.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// §6.6: 2,000 events by writers side by side make one chain, and each way to
// tamper with it is found.
func TestAuditChain(t *testing.T) {
	t.Parallel()
	const writers, each = 8, 250
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		db := storetest.Open(t, cfg)
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := 0; i < each; i += 5 {
					var events []audit.Event
					for j := range 5 {
						events = append(events, audit.Event{
							At: at(i % 60).Add(123456), Kind: "grant.activated", Actor: fmt.Sprintf("usr_%d", w), Subject: fmt.Sprintf("grant:%d", i+j),
							Data: map[string]string{"note": hard, "empty": ""},
						})
					}
					if err := db.RecordEvents(t.Context(), events...); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		head, err := db.VerifyEvents(t.Context())
		if err != nil || head.Seq != writers*each {
			t.Fatalf("%d events, %v", head.Seq, err)
		}

		before := "CREATE TABLE events_kept AS SELECT * FROM events; CREATE TABLE head_kept AS SELECT * FROM events_head"
		restore := "DELETE FROM events; DELETE FROM events_head; INSERT INTO events SELECT * FROM events_kept; INSERT INTO events_head SELECT * FROM head_kept"
		raw(t, db, cfg, before)
		last := "SELECT hash FROM events_kept WHERE seq = 1990"
		tampers := map[string]struct {
			sql string
			at  int64
		}{
			"at":           {"UPDATE events SET at_ms = at_ms + 1 WHERE seq = 1000", 1000},
			"kind":         {"UPDATE events SET kind = 'grant.ended' WHERE seq = 1000", 1000},
			"actor":        {"UPDATE events SET actor = 'usr_x' WHERE seq = 1000", 1000},
			"subject":      {"UPDATE events SET subject = 'x' WHERE seq = 1000", 1000},
			"id":           {"UPDATE events SET id = 'x' WHERE seq = 1000", 1000},
			"data":         {`UPDATE events SET data = '{"note":"other"}' WHERE seq = 1000`, 1000},
			"prev":         {"UPDATE events SET prev = hash WHERE seq = 1000", 1000},
			"hash":         {"UPDATE events SET hash = prev WHERE seq = 1000", 1000},
			"delete first": {"DELETE FROM events WHERE seq = 1", 1},
			"delete one":   {"DELETE FROM events WHERE seq = 1001", 1001},
			"delete and renumber": {
				"DELETE FROM events WHERE seq = 1001; UPDATE events SET seq = seq + 1000000 WHERE seq > 1001; UPDATE events SET seq = seq - 1000001 WHERE seq > 1001", 1001,
			},
			"swap":         {"UPDATE events SET seq = 0 WHERE seq = 5; UPDATE events SET seq = 5 WHERE seq = 6; UPDATE events SET seq = 6 WHERE seq = 0", 5},
			"forge":        {"INSERT INTO events SELECT 2001, id, at_ms, kind, actor, subject, data, hash, hash FROM events WHERE seq = 2000", 2001},
			"cut the tail": {"DELETE FROM events WHERE seq > 1990", 1991},
			"cut the tail and move the head": {
				"DELETE FROM events WHERE seq > 1990; UPDATE events_head SET seq = 1990, hash = (" + last + ")", 1990,
			},
			"and take the mark away": {"DELETE FROM events WHERE seq > 1990; UPDATE events_head SET seq = 1990, mark = '', hash = (" + last + ")", 1990},
			"cut all":                {"DELETE FROM events", 1},
		}
		for name, tt := range tampers {
			t.Run(name, func(t *testing.T) {
				raw(t, db, cfg, tt.sql)
				defer raw(t, db, cfg, restore)

				_, err := db.VerifyEvents(t.Context())

				if broken, ok := errors.AsType[*audit.BrokenError](err); !ok || broken.Seq != tt.at {
					t.Errorf("found %v, want a break at %d", err, tt.at)
				}
			})
		}
		t.Run("what was cut off is not healed by what is written next", func(t *testing.T) {
			raw(t, db, cfg, tampers["cut the tail and move the head"].sql)
			if err := db.RecordEvents(t.Context(), audit.Event{Kind: "x", At: at(1)}, audit.Event{Kind: "y", At: at(1)}); err != nil {
				t.Fatal(err)
			}
			if _, err := db.VerifyEvents(t.Context()); err == nil {
				t.Error("the chain is whole again")
			}
			raw(t, db, cfg, restore)
			if _, err := db.VerifyEvents(t.Context()); err != nil {
				t.Errorf("restored: %v", err)
			}
		})
	})
}

// Another key does not verify: the hashes are keyed.
func TestAuditKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if err := db.RecordEvents(t.Context(), audit.Event{Kind: "x", At: at(1)}); err != nil {
			t.Fatal(err)
		}
		db.Use([]byte("another key of the chain"), nil)
		if _, err := db.VerifyEvents(t.Context()); err == nil {
			t.Error("verified by another key")
		}
	})
}

// What another node does shows here too: a page learns of a run that begins or
// ends there, also when no event is left of it.
func TestPulseOfAnotherNode(t *testing.T) {
	t.Parallel()
	cfg := store.Config{Postgres: storetest.Postgres(t), Now: time.Now}
	here, there := storetest.Open(t, cfg), storetest.Open(t, cfg)
	ctx := t.Context()
	r := sample()
	r.save(t, there)
	run := workflow.Run{ID: "run_new", Kind: workflow.KindManual, Workflow: "wfl_2", State: workflow.RunQueued, Attempt: 1, QueuedAt: time.Now()}
	last := ""
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"a run is queued", func() error {
			return there.ChangeWorkflows(ctx, func(tx workflow.Tx) error {
				return errors.Join(tx.AddRun(ctx, run), tx.Record(ctx, audit.Event{Kind: workflow.Started, Subject: "run:" + run.ID}))
			})
		}},
		{"it begins", func() error {
			_, err := there.BeginRun(ctx, workflow.Beginning{Run: run.ID, At: time.Now()})
			return err
		}},
		{"it ends", func() error {
			run.State, run.EndedAt = workflow.RunDone, time.Now()
			return there.SaveRun(ctx, run)
		}},
	} {
		before, err := here.Pulse(ctx)
		if err != nil || before != last && last != "" {
			t.Errorf("before %s: %q, %q, %v", step.name, last, before, err)
		}
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if last, err = here.Pulse(ctx); err != nil || last == before {
			t.Errorf("%s: %q, %v", step.name, last, err)
		}
	}
}

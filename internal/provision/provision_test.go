package provision_test

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	diff "github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/engine"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/provision"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/internal/workflow"
)

var ana = identity.Actor{Person: "usr_ana", Admin: true, Scopes: []identity.Scope{identity.ScopeAdmin}}

// rig is the road from a request to its run, with a script that is a Go
// function.
type rig struct {
	*workflow.Service // starts runs by its own rule

	t      *testing.T
	db     *store.DB
	access *access.Service
	engine *engine.Engine
	p      *provision.Provisioner
	ahead  atomic.Int64  // the clock, in nanoseconds from now
	role   access.RoleID // Creator
	viewer access.RoleID
	beside access.RoleID // Creator too, of another app

	mu     sync.Mutex
	script func(ctx context.Context, t workflow.Task) (string, error)
	settle func(ctx context.Context, t workflow.Task) (string, error) // nil: the run is not finished
	tasks  []workflow.Task
}

// Begin implements [provision.Executor].
func (r *rig) Begin(ctx context.Context, b workflow.Beginning) (*workflow.Journal, error) {
	if b.Start.At.IsZero() {
		b.Start = workflow.NewStart(b.At)
	}
	j, err := r.db.BeginRun(ctx, b)
	return &j, err
}

// Execute implements [provision.Executor].
func (r *rig) Execute(ctx context.Context, _ *engine.Run, t workflow.Task) (json.RawMessage, error) {
	r.mu.Lock()
	r.tasks = append(r.tasks, t)
	script := r.script
	r.mu.Unlock()
	out, err := script(ctx, t)
	return json.RawMessage(out), err
}

// Settle implements [provision.Executor]: as if nothing but what was recorded
// came to an end.
func (r *rig) Settle(ctx context.Context, t workflow.Task) (json.RawMessage, bool, error) {
	r.mu.Lock()
	settle := r.settle
	r.mu.Unlock()
	if settle == nil {
		return nil, false, errors.New("the script asks for more")
	}
	out, err := settle(ctx, t)
	return json.RawMessage(out), true, err
}

func (r *rig) does(script func(ctx context.Context, t workflow.Task) (string, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.script = script
}

func succeed(_ context.Context, t workflow.Task) (string, error) {
	if strings.Contains(string(t.Argument), `"kind":"deprovision"`) {
		return `{"role":"Unlicensed","note":"Creator → Unlicensed.","changed":true,"externalUserId":"luid-1"}`, nil
	}
	return `{"role":"Creator","note":"Viewer → Creator.","changed":true,"externalUserId":"luid-1"}`, nil
}

// RoleNames implements [provision.Systems].
func (r *rig) RoleNames(context.Context, string) ([]string, error) {
	return []string{"Viewer", "Explorer", "Creator"}, nil
}

// NoRole implements [provision.Systems].
func (r *rig) NoRole(context.Context, string) (string, error) { return "Unlicensed", nil }

// Published implements [provision.Workflows].
func (r *rig) Published(_ context.Context, id string) (workflow.Version, error) {
	return workflow.Version{Workflow: id, Hash: "hash of " + id}, nil
}

// Run implements [provision.Workflows].
func (r *rig) Run(ctx context.Context, _ identity.Actor, id string) (workflow.Run, []workflow.Step, error) {
	run, err := r.db.Run(ctx, id)
	return run, nil, err
}

// Runs implements [provision.Workflows].
func (r *rig) Runs(ctx context.Context, _ identity.Actor, f workflow.RunFilter) ([]workflow.Run, error) {
	listed, err := r.db.Runs(ctx, f)
	var runs []workflow.Run
	for _, l := range listed {
		runs = append(runs, l.Run)
	}
	return runs, err
}

// Argument implements [provision.Workflows].
func (r *rig) Argument(context.Context, workflow.Run) (json.RawMessage, error) {
	return json.RawMessage(`{}`), nil
}

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

func newRig(t *testing.T, cfg store.Config, change ...func(*provision.Provisioner)) *rig {
	t.Helper()
	r := &rig{t: t, script: succeed}
	now := func() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) }
	cfg.Now = now
	r.db = storetest.Open(t, cfg)
	var ids atomic.Int64
	newID := func(prefix string) string { return fmt.Sprintf("%s_%09d", prefix, ids.Add(1)) }
	r.access = access.NewService(r.db, anyRole{}, now, newID)
	r.Service = workflow.NewService(r.db, nil, now, newID)
	r.p = &provision.Provisioner{
		SetClock: func(context.Context) error { return nil },
		Access:   r.access, Runs: r.db, Executor: r, Record: r.db.RecordEvents, Systems: r, Workflows: r, Now: now, Log: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(r.p)
	}
	r.db.Use(storetest.AuditKey, func(ctx context.Context, tx *sql.Tx, job access.Job) error {
		return provision.Enqueue(ctx, r.engine, tx, job)
	})
	r.db.UseRuns(func(ctx context.Context, tx *sql.Tx, run workflow.Run) error {
		return provision.EnqueueRun(ctx, r.engine, tx, run)
	})
	r.open()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.engine.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	r.seed()
	return r
}

// open begins an engine that does the jobs.
func (r *rig) open() {
	r.t.Helper()
	var err error
	r.engine, err = engine.Open(r.t.Context(), engine.Config{SQLite: r.db.Path(), Postgres: r.db.PoolConfig(), Node: "node-1", Poll: 5 * time.Millisecond})
	r.must(err)
	r.p.Handle(r.engine)
	r.must(r.engine.Start(r.t.Context()))
}

func (r *rig) seed() {
	ctx := r.t.Context()
	for _, id := range []identity.PersonID{"usr_ana", "usr_rita"} {
		r.must(r.db.SavePerson(ctx, identity.Person{ID: id, Email: string(id) + "@acme.example", Name: "Name of " + string(id), Admin: id == "usr_ana"}))
	}
	r.must(r.db.SaveConnection(ctx, connection.Connection{ID: "con_1", Integration: "sys", Version: 1}))
	r.must(r.db.AddWorkflows(ctx, []workflow.Workflow{
		{ID: "wfl_p", Type: workflow.AccessProvisioning}, {ID: "wfl_d", Type: workflow.AccessDeprovisioning}, {ID: "wfl_hand", Type: workflow.Manual, Published: "h"},
	},
		[]workflow.Version{{Workflow: "wfl_hand", Hash: "h", Inputs: []byte(`{"type":"object","properties":{"n":{"type":"number"},"password":{"type":"string"}},"additionalProperties":false}`)}}))
	p, err := r.access.SavePolicy(ctx, ana, access.Policy{Name: "p", Longest: time.Hour, OnBehalf: access.OnBehalfAnybody})
	r.must(err)
	app, err := r.access.SaveApp(ctx, ana, access.App{Name: "App", Connection: "con_1", Policy: p.ID})
	r.must(err)
	for _, name := range []string{"Viewer", "Creator"} {
		role, err := r.access.SaveRole(ctx, ana, access.Role{App: app.ID, Name: name})
		r.must(err)
		r.viewer, r.role = cmp.Or(r.viewer, role.ID), role.ID
	}
	other, err := r.access.SaveApp(ctx, ana, access.App{Name: "Other app", Connection: "con_1", Policy: p.ID})
	r.must(err)
	role, err := r.access.SaveRole(ctx, ana, access.Role{App: other.ID, Name: "Creator"})
	r.must(err)
	r.beside = role.ID
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// ask asks for the role and waits until the run of its grant has ended.
func (r *rig) ask() access.Grant {
	r.t.Helper()
	return r.askFor(r.role)
}

func (r *rig) askFor(role access.RoleID) access.Grant {
	r.t.Helper()
	req, err := r.access.File(r.t.Context(), ana, access.Ask{Role: role, Person: "usr_rita", Reason: "Q4"})
	r.must(err)
	return r.ended(r.grant(req.Grant).Run, req.Grant)
}

func (r *rig) revoke(g access.Grant) access.Grant {
	r.t.Helper()
	g, err := r.access.Revoke(r.t.Context(), ana, g.ID, "over")
	r.must(err)
	return r.ended(g.Run, g.ID)
}

func (r *rig) ended(run string, id access.GrantID) access.Grant {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	if _, err := r.engine.Wait(ctx, run); err != nil {
		r.t.Fatal(err)
	}
	return r.grant(id)
}

func (r *rig) grant(id access.GrantID) access.Grant {
	r.t.Helper()
	g, err := r.access.Grant(r.t.Context(), ana, id)
	r.must(err)
	return g
}

func (r *rig) run(id string) workflow.Run {
	r.t.Helper()
	run, err := r.db.Run(r.t.Context(), id)
	r.must(err)
	return run
}

// events counts a grant's events by kind.
func (r *rig) events(id access.GrantID) map[audit.Kind]int {
	r.t.Helper()
	events, err := r.db.Events(r.t.Context(), audit.Filter{Subject: "grant:" + string(id)})
	r.must(err)
	count := map[audit.Kind]int{}
	for _, e := range events {
		count[e.Kind]++
	}
	return count
}

// What a workflow is told: names as they were granted, ranks as the system
// orders them, nulls where there is nothing yet.
func TestArgument(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		r := newRig(t, cfg)
		other := r.askFor(r.beside)
		g := r.ask()
		weaker := r.askFor(r.viewer) // told of last, though it is the newest
		g = r.revoke(g)

		var told [4]map[string]any
		for i := range told {
			r.must(json.Unmarshal(r.tasks[i].Argument, &told[i]))
		}
		role := map[string]any{"id": string(r.role), "name": "Creator", "rank": 2.0}
		grantOf := func(g access.Grant, role any) map[string]any {
			return map[string]any{"id": string(g.ID), "role": role, "startsAt": g.StartsAt.Format(time.RFC3339Nano), "endsAt": g.EndsAt.Format(time.RFC3339Nano)}
		}
		viewer := map[string]any{"id": string(r.viewer), "name": "Viewer", "rank": 0.0}
		want := map[string]any{
			"run":       map[string]any{"id": g.Run, "kind": "deprovision", "attempt": 1.0},
			"person":    map[string]any{"id": "usr_rita", "email": "usr_rita@acme.example", "name": "Name of usr_rita"},
			"requester": map[string]any{"id": "usr_ana", "email": "usr_ana@acme.example", "name": "Name of usr_ana"},
			"app":       map[string]any{"id": string(g.App), "name": "App", "onRevoke": "strongest"},
			"role":      role,
			"grant": map[string]any{
				"id": string(g.ID), "role": role, "startsAt": g.StartsAt.Format(time.RFC3339Nano), "endsAt": g.EndsAt.Format(time.RFC3339Nano),
				"externalUserId": "luid-1", "changedOutside": nil,
			},
			"remaining": []any{grantOf(other, map[string]any{"id": string(r.beside), "name": "Creator", "rank": 2.0}), grantOf(weaker, viewer)},
			"request":   map[string]any{"id": string(g.Request), "reason": "Q4"},
			"reason":    "revoked",
		}
		if text := diff.Diff(want, told[3]); text != "" {
			t.Error(text)
		}
		first, ok := told[0]["grant"].(map[string]any)
		if !ok || first["startsAt"] != nil || first["externalUserId"] != nil || told[0]["reason"] != nil || len(told[0]["remaining"].([]any)) != 0 {
			t.Errorf("a first grant is told %v", told[0])
		}
		if r.tasks[0].Workflow != "wfl_p" || r.tasks[3].Workflow != "wfl_d" || r.tasks[3].Version != "hash of wfl_d" || r.tasks[3].Connection != "con_1" {
			t.Errorf("tasks %+v", r.tasks)
		}
	})
}

// A grant is active, and ended, only on the word of a workflow that says what it
// did.
func TestProof(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		out  string
		err  error
		code string // "": done
		user string
		role string
	}{
		"all":            {out: `{"role":"Creator","note":"n","externalUserId":"u"}`, user: "u", role: "Creator"},
		"not there":      {out: `{"role":null,"note":"n","externalUserId":null}`},
		"more than that": {out: `{"note":"n","x":[1]}`},
		"nothing":        {out: ``, code: "no_proof"},
		"null":           {out: `null`, code: "no_proof"},
		"a text":         {out: `"done"`, code: "no_proof"},
		"a list":         {out: `[]`, code: "no_proof"},
		"no note":        {out: `{"role":"Creator"}`, code: "no_proof"},
		"empty note":     {out: `{"role":"Creator","note":""}`, code: "no_proof"},
		"note of a type": {out: `{"note":1}`, code: "no_proof"},
		"role of a type": {out: `{"note":"n","role":{}}`, code: "no_proof"},
		"refused":        {err: fault.New(fault.Upstream, "No seat.").WithCode("no_seat"), code: "no_seat"},
		"fault of ours":  {err: errors.New("dial tcp 10.0.0.1"), code: "internal"},
	}
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		r := newRig(t, cfg)
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				r.t = t
				script := func(_ context.Context, t workflow.Task) (string, error) {
					if t.Workflow == "wfl_d" { // what was there is gone
						return strings.Replace(tt.out, "Creator", "Unlicensed", 1), tt.err
					}
					return tt.out, tt.err
				}

				r.does(script)
				g := r.ask()
				first := r.run(g.Run)
				r.does(succeed)
				active := g
				if tt.code != "" {
					active = r.ask()
				}
				r.does(script)
				started := r.p.Now()
				end := r.revoke(active)

				wantState, wantEnd, wantRun := access.GrantActive, access.GrantEnded, workflow.RunDone
				if tt.code != "" {
					wantState, wantEnd, wantRun = access.GrantNotSetUp, access.GrantOverdue, workflow.RunFailed
				}
				if g.State != wantState || g.Problem.Code != tt.code || first.State != wantRun || first.Problem.Code != tt.code || first.EndedAt.IsZero() {
					t.Errorf("grant %s %+v, run %+v", g.State, g.Problem, first)
				}
				if tt.code == "" && (g.Proof.User != tt.user || g.Proof.Role != tt.role || g.Proof.At.IsZero()) {
					t.Errorf("proof %+v", g.Proof)
				}
				if end.State != wantEnd || end.State == access.GrantOverdue && end.Attempts != 2 {
					t.Errorf("the end: %s, attempts %d, since %v", end.State, end.Attempts, started)
				}
				if strings.Contains(fmt.Sprintf("%+v %+v", g.Problem, first.Problem), "10.0.0.1") {
					t.Error("an inner error is shown")
				}
			})
		}
	})
}

// faulty makes the n-th call of ours to the database fail, as a lost connection
// does.
type faulty struct {
	provision.Runs
	provision.Access
	left atomic.Int64
	hits atomic.Int64
}

var errLost = errors.New("connection reset by peer")

func (f *faulty) hit() error {
	if f.left.Add(-1) == 0 {
		f.hits.Add(1)
		return errLost
	}
	return nil
}

func (f *faulty) Run(ctx context.Context, id string) (workflow.Run, error) {
	if err := f.hit(); err != nil {
		return workflow.Run{}, err
	}
	return f.Runs.Run(ctx, id)
}

func (f *faulty) SaveRun(ctx context.Context, run workflow.Run, events ...audit.Event) error {
	if err := f.hit(); err != nil {
		return err
	}
	return f.Runs.SaveRun(ctx, run, events...)
}

func (f *faulty) Facts(ctx context.Context, run string, kind access.JobKind, g access.GrantID) (access.Facts, error) {
	if err := f.hit(); err != nil {
		return access.Facts{}, err
	}
	return f.Access.Facts(ctx, run, kind, g)
}

// Report fails before it is done and, the next time, after.
func (f *faulty) Report(ctx context.Context, o access.Outcome) (access.Grant, error) {
	if err := f.hit(); err != nil {
		return access.Grant{}, err
	}
	g, err := f.Access.Report(ctx, o)
	return g, errors.Join(err, f.hit())
}

// §5.3, fail the n-th: whichever call to our own database fails once, the grant
// gets where it belongs, once, and its run says so.
func TestFailTheNth(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		var f *faulty
		r := newRig(t, cfg, func(p *provision.Provisioner) {
			f = &faulty{Runs: p.Runs, Access: p.Access}
			p.Runs, p.Access = f, f
		})
		for n := int64(1); ; n++ {
			f.hits.Store(0)

			f.left.Store(n)
			g := r.ask()
			provisionRun := r.run(g.Run)
			f.left.Store(n)
			g = r.revoke(g)

			if provisionRun.State != workflow.RunDone || g.State != access.GrantEnded || r.run(g.Run).State != workflow.RunDone {
				t.Fatalf("with call %d lost: run %s, then grant %s, run %s", n, provisionRun.State, g.State, r.run(g.Run).State)
			}
			want := map[audit.Kind]int{access.GrantProvisioning: 1, access.GrantActivated: 1, access.GrantRevoked: 1, access.GrantHasEnded: 1}
			if text := diff.Diff(want, r.events(g.ID)); text != "" {
				t.Fatalf("with call %d lost:\n%s", n, text)
			}
			if f.hits.Load() == 0 {
				if n < 6 {
					t.Errorf("only %d calls were lost", n-1)
				}
				return
			}
		}
	})
}

// oom_keeps_record: a run whose process dies of it, or that panics, or that is
// cancelled, does not leave its grant waiting: the set-up fails and can be tried
// again, the end is tried again by itself.
func TestRunThatEndsWithoutAWord(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		r := newRig(t, cfg)
		dies := func(context.Context, workflow.Task) (string, error) { panic("out of memory") }
		ok := r.ask()
		r.does(func(ctx context.Context, t workflow.Task) (string, error) { // with a change on its way
			r.must(r.db.SaveStep(ctx, t.Journal.Epoch, workflow.Step{
				Run: t.Run, Seq: 1, Name: "tableau.update", State: workflow.StepRunning, Attempt: 1, StartedAt: time.Now(), Change: &workflow.Change{What: "the role"},
			}))
			return dies(ctx, t)
		})
		sent := r.askFor(r.viewer)
		r.does(dies)
		setUp := r.askFor(r.beside)
		end := r.revoke(ok)
		if setUp.State != access.GrantSettingUp || end.State != access.GrantEnding {
			t.Fatalf("before anybody looks: %s, %s", setUp.State, end.State)
		}
		r.does(succeed)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { r.p.Expire(ctx) }) // looks at once

		late, again := time.After(time.Minute), time.NewTicker(10*time.Millisecond)
		defer again.Stop()
		for r.grant(sent.ID).Run == sent.Run || r.grant(setUp.ID).State == access.GrantSettingUp || r.grant(end.ID).State == access.GrantEnding {
			select {
			case <-late:
				t.Fatal("nobody looked")
			case <-again.C:
			}
		}
		stop()
		wg.Wait()

		// What may have been given is not told as not set up: it is read and set up again.
		if g, run := r.grant(sent.ID), r.run(sent.Run); g.State != access.GrantSettingUp || g.Problem.Code != access.ProblemUnknown || g.Run == sent.Run || run.State != workflow.RunUnknown {
			t.Errorf("with a change on its way: %s, %+v, run %s", g.State, g.Problem, run.State)
		}
		g := r.grant(setUp.ID)
		if run := r.run(setUp.Run); g.State != access.GrantNotSetUp || g.Problem.Code != "crashed" || run.State != workflow.RunCrashed || run.Problem.Message == "" {
			t.Errorf("the set-up: %s, %+v, run %+v", g.State, g.Problem, run)
		}
		e := r.grant(end.ID)
		if e.State != access.GrantOverdue || e.Run == end.Run || r.run(end.Run).State != workflow.RunCrashed {
			t.Errorf("the end: %s, run %s", e.State, r.run(end.Run).State)
		}
		retried, err := r.access.Retry(t.Context(), ana, g.ID)
		r.must(err)
		if g = r.ended(retried.Run, g.ID); g.State != access.GrantActive {
			t.Errorf("tried again: %s", g.State)
		}
	})
}

// G5: a run that is overtaken while it waits for its turn calls nothing.
func TestSupersededRunCallsNothing(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		r := newRig(t, cfg)
		reached, goOn := make(chan struct{}), make(chan struct{})
		r.does(func(ctx context.Context, t workflow.Task) (string, error) {
			close(reached)
			<-goOn
			if err := t.Guard(ctx); err != nil {
				return "", err
			}
			return succeed(ctx, t)
		})
		blocker, err := r.access.File(t.Context(), ana, access.Ask{Role: r.role, Person: "usr_rita"})
		r.must(err)
		<-reached
		r.does(succeed)
		waits, err := r.access.File(t.Context(), ana, access.Ask{Role: r.viewer, Person: "usr_rita"})
		r.must(err)
		first, second := r.grant(blocker.Grant), r.grant(waits.Grant)
		for _, g := range []access.Grant{first, second} {
			_, err := r.access.Revoke(t.Context(), ana, g.ID, "")
			r.must(err)
		}
		close(goOn)
		for _, g := range []access.Grant{first, second} {
			r.ended(g.Run, g.ID)
			if last := r.ended(r.grant(g.ID).Run, g.ID); last.State != access.GrantEnded {
				t.Errorf("%s", last.State)
			}
			if run := r.run(g.Run); run.State != workflow.RunSuperseded {
				t.Errorf("the overtaken run is %s", run.State)
			}
		}

		ran := map[string]bool{}
		for _, task := range r.tasks {
			ran[task.Run] = true
		}
		if !ran[first.Run] || ran[second.Run] || len(ran) != 3 {
			t.Errorf("ran %v", ran)
		}
	})
}

// upgrade_mid_grant: the input of a job, as it has been since the first version,
// is still understood.
func TestOldJobInput(t *testing.T) {
	t.Parallel()
	r := newRig(t, store.Config{SQLite: t.TempDir() + "/margay.db"})
	r.db.Use(storetest.AuditKey, func(ctx context.Context, tx *sql.Tx, job access.Job) error {
		input := fmt.Sprintf(`{"run":%q,"kind":%q,"grant":%q}`, job.Run, job.Kind, job.Grant)
		return r.engine.Enqueue(ctx, tx, engine.Job{ID: job.Run, Kind: string(job.Kind), Key: job.Key(), Input: json.RawMessage(input)})
	})

	if g := r.ask(); g.State != access.GrantActive {
		t.Errorf("%s: %+v", g.State, g.Problem)
	}
}

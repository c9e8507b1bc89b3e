package provision_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/engine"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/provision"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/internal/workflow"
)

// counting is a system whose one action counts.
type counting struct {
	held, acts atomic.Int64
}

func (*counting) Modules(string) (map[string]string, error) {
	return map[string]string{"margay/sys": `import { call } from "margay:host";
export const sys = { count: (): Promise<number> => call("sys.count", {}) };`}, nil
}

func (c *counting) Hold(context.Context, string) (func(), error) {
	c.held.Add(1)
	return func() { c.held.Add(-1) }, nil
}

func (c *counting) Act(context.Context, string, string, []byte, workflow.Guard, func(workflow.Call)) ([]byte, error) {
	return json.Marshal(c.acts.Add(1))
}

// install keeps a published workflow of the rig's own text.
func (r *rig) install(s *counting, kind workflow.Type, source string) workflow.Version {
	r.t.Helper()
	var n atomic.Int64
	svc := workflow.NewService(r.db, s, r.p.Now, func(prefix string) string { return prefix + "_" + string(kind) + string(rune('a'+n.Add(1))) })
	ws, err := svc.Install(r.t.Context(), identity.System(), workflow.Bundle{
		Integration: "sys", Slug: string(kind), Name: "Bundle", Version: 1,
		Workflows: []workflow.BundledWorkflow{{Slug: "w", Name: "Sleeper of " + string(kind), Type: kind, File: "w.ts", Source: source}},
	})
	r.must(err)
	v, err := svc.Published(r.t.Context(), ws[0].ID)
	r.must(err)
	return v
}

const naps = `import { sleep } from "margay";
import { sys } from "margay/sys";
export default async function run() {
  const before = await sys.count();
  await sleep({ hours: 3 });
  return { role: "Creator", note: "slept", changed: true, externalUserId: "luid-1", before, after: await sys.count() };
}`

// A run of a grant or of a person that sleeps is in nobody's memory: its job has
// ended, and so has the machine of its script; another job goes on with it at its
// time, also when the process was ended meanwhile, and repeats nothing.
func TestSleepOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		s := &counting{}
		r := newRig(t, cfg)
		of := map[string]workflow.Version{"wfl_p": r.install(s, workflow.AccessProvisioning, naps), "wfl_m": r.install(s, workflow.Manual, naps)}
		flows := published{Workflows: r, of: of}
		open := func() {
			r.p.Executor, r.p.Workflows = workflow.NewRunner(r.db, s, r.p.Now, r.p.Log), flows
		}
		r.restart(open)
		req, err := r.access.File(t.Context(), ana, access.Ask{Role: r.role, Person: "usr_rita", Reason: "Q4"})
		r.must(err)
		manual := workflow.Run{
			ID: "run_manual", Kind: workflow.KindManual, Workflow: of["wfl_m"].Workflow, Version: of["wfl_m"].Hash, Connection: "con_1", Person: "usr_ana",
			Attempt: 1, QueuedAt: time.Now(),
		}
		r.must(r.db.ChangeWorkflows(t.Context(), func(tx workflow.Tx) error { return tx.AddRun(t.Context(), manual) }))
		runs := []string{r.grant(req.Grant).Run, manual.ID}
		for _, id := range runs {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if job, err := r.engine.Wait(ctx, id); err != nil || job.State != engine.Done {
				t.Fatalf("the job of %s: %+v, %v", id, job, err)
			}
			cancel()
			run := r.run(id)
			next, err := r.engine.Job(t.Context(), run.JobID)
			if err != nil || run.State != workflow.RunWaiting || run.WaitsFor == "" || next.State == engine.Running {
				t.Fatalf("asleep: %+v, its next job %+v, %v", run, next, err)
			}
		}
		if n := s.held.Load(); n != 0 {
			t.Errorf("asleep, the runs hold %d exchanges", n)
		}

		// P05: what is published meanwhile is for the runs that begin later.
		other := r.install(s, workflow.AccessDeprovisioning, `export default () => { throw new Error("not the version that it began with") }`)
		of["wfl_p"], of["wfl_m"] = other, other
		r.ahead.Store(int64(4 * time.Hour))
		r.due()
		r.restart(open)

		for _, id := range runs {
			run := r.over(r.run(id).JobID, id)
			steps, err := r.db.Steps(t.Context(), id)
			if err != nil || run.State != workflow.RunDone || run.Version == other.Hash || len(steps) != 3 || steps[0].Attempt != 1 || steps[2].StartedAt.Sub(steps[0].EndedAt) < 3*time.Hour {
				t.Errorf("awake: %+v, %+v, %v", run, steps, err)
			}
		}
		if n := s.acts.Load(); n != 4 {
			t.Errorf("%d calls were made, want 4", n)
		}
	})
}

const napsAtSecond = `import { sleep, WorkflowError } from "margay";
export default async (ctx: { run: { attempt: number } }) => {
  if (ctx.run.attempt === 1) throw new WorkflowError("unavailable", "Not now.");
  await sleep({ hours: 3 });
  return { role: "Creator", note: "slept", changed: true, externalUserId: "luid-1" };
}`

// A run that tries a set-up again and sleeps is one that goes on, also for who
// looks for runs that ended without a word.
func TestSleepOfASecondAttempt(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		s := &counting{}
		r := newRig(t, cfg)
		flows := published{Workflows: r, of: map[string]workflow.Version{"wfl_p": r.install(s, workflow.AccessProvisioning, napsAtSecond)}}
		r.restart(func() {
			r.p.Executor, r.p.Workflows = workflow.NewRunner(r.db, s, r.p.Now, r.p.Log), flows
		})
		first := r.ask()
		if first.State != access.GrantNotSetUp || first.Next == "" {
			t.Fatalf("the first attempt: %+v", first)
		}
		r.ahead.Store(int64(time.Hour))
		r.due()
		g := r.ended(first.Next, first.ID)
		asleep := r.run(first.Next)
		if g.Awaited() != first.Next || asleep.State != workflow.RunWaiting || asleep.JobID == "" {
			t.Fatalf("the second attempt: %+v, %+v", g, asleep)
		}

		ctx, stop := context.WithCancel(t.Context())
		r.p.SetClock = func(context.Context) error { // what ended without a word was looked for before the clock
			stop()
			return ctx.Err()
		}
		r.p.Expire(ctx)

		if now := r.run(first.Next); now.State != workflow.RunWaiting || r.grant(g.ID).Next != g.Next {
			t.Fatalf("after a look for runs that ended: %+v, %+v", now, r.grant(g.ID))
		}
		r.ahead.Store(int64(5 * time.Hour))
		r.due()
		if run, g := r.over(asleep.JobID, asleep.ID), r.grant(g.ID); run.State != workflow.RunDone || g.State != access.GrantActive || g.Run != run.ID || g.Attempts != 2 {
			t.Errorf("awake: %+v, %+v", run, g)
		}
	})
}

// asking is a system whose action asks whether the change is still wanted.
type asking struct{ counting }

func (a *asking) Act(ctx context.Context, _, _ string, _ []byte, guard workflow.Guard, _ func(workflow.Call)) ([]byte, error) {
	if err := guard.Ask(ctx); err != nil {
		return nil, err
	}
	return json.Marshal(a.acts.Add(1))
}

// A run that slept decides on what it was told when it began. When the person has
// other grants by the time it comes to write, it writes nothing and another run
// takes its place, which is told what is so then.
func TestSleeperWithStaleFactsWritesNothing(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		s := &asking{}
		r := newRig(t, cfg)
		of := map[string]workflow.Version{"wfl_p": r.install(&s.counting, workflow.AccessProvisioning, naps)}
		r.restart(func() {
			r.p.Executor, r.p.Workflows = workflow.NewRunner(r.db, s, r.p.Now, r.p.Log), published{Workflows: r, of: of}
		})
		req, err := r.access.File(t.Context(), ana, access.Ask{Role: r.role, Person: "usr_rita", Reason: "Q4"})
		r.must(err)
		first := r.grant(req.Grant)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if job, err := r.engine.Wait(ctx, first.Run); err != nil || job.State != engine.Done || s.acts.Load() != 1 {
			t.Fatalf("%+v, %v, %d calls", job, err, s.acts.Load())
		}
		beside := first
		beside.ID, beside.Role, beside.RoleName, beside.State, beside.Run = "grt_beside", r.viewer, "Viewer", access.GrantActive, ""
		r.must(r.db.Change(t.Context(), func(tx access.Tx) error { return tx.SaveGrant(t.Context(), beside) }))
		r.ahead.Store(int64(4 * time.Hour))
		r.due()

		run := r.over(r.run(first.Run).JobID, first.Run)

		g := r.grant(first.ID)
		if run.State != workflow.RunSuperseded || g.State != access.GrantSettingUp || g.Run == first.Run {
			t.Fatalf("the run is %s, its grant %+v", run.State, g)
		}
		if job, err := r.engine.Wait(ctx, g.Run); err != nil || job.State != engine.Done || s.acts.Load() != 2 {
			t.Errorf("the run in its place: %+v, %v, %d calls", job, err, s.acts.Load())
		}
		if plan, err := r.db.Plan(t.Context(), g.Run); err != nil || !strings.Contains(string(plan), "grt_beside") {
			t.Errorf("it was told %s, %v", plan, err)
		}
	})
}

// published finds versions by the id that the rig's apps name.
type published struct {
	provision.Workflows
	of map[string]workflow.Version
}

func (p published) Published(_ context.Context, id string) (workflow.Version, error) {
	return p.of[id], nil
}

// restart ends the engine at once and begins another on the same database.
func (r *rig) restart(change func()) {
	r.t.Helper()
	now, cancel := context.WithCancel(context.Background())
	cancel()
	r.must(r.engine.Stop(now))
	change()
	r.open()
}

// due makes the engine's jobs due that wait for their time: its clock is the
// database's.
func (r *rig) due() {
	r.t.Helper()
	table := "workflow_status"
	var db *sql.DB
	if pool := r.db.PoolConfig(); pool != nil {
		table, db = "dbos.workflow_status", stdlib.OpenDB(*pool.ConnConfig)
	} else {
		var err error
		db, err = sql.Open("sqlite", r.db.Path())
		r.must(err)
	}
	defer db.Close()
	_, err := db.ExecContext(r.t.Context(), "UPDATE "+table+" SET delay_until_epoch_ms = 1 WHERE status = 'DELAYED'")
	r.must(err)
}

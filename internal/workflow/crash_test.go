package workflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/internal/workflow"
)

// install publishes source as the version that the bench runs.
func (b *bench) install(source string) {
	b.t.Helper()
	bu := bundle(1, "p")
	bu.Slug, bu.Workflows[0].Source = "other", source
	svc := workflow.NewService(b.db, b.systems, time.Now, func(prefix string) string { return prefix + "_other" })
	ws, err := svc.Install(b.t.Context(), identity.System(), bu)
	if err != nil {
		b.t.Fatal(err)
	}
	if b.version, err = svc.Published(b.t.Context(), ws[0].ID); err != nil {
		b.t.Fatal(err)
	}
}

// G2: a workflow of ten steps that is cut off at every boundary of a step —
// before the step, after its intent, after its effect — goes on from its last
// recorded step: each effect is there once, because a step that is begun again
// reads before it repeats.
func TestCrashAtEveryBoundary(t *testing.T) {
	t.Parallel()
	const steps = 10
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		b := newBench(t, cfg)
		b.install(`import { sys } from "margay/sys";
export default async function run() {
  const out = [];
  for (let i = 1; i <= 10; i++) out.push(await sys.do(i));
  return { note: "done", role: null, out };
}`)
		var effects [steps + 1]atomic.Int64
		var cut atomic.Int64 // 3*step + the place in it; 0 is nowhere
		reached := make(chan struct{}, 1)
		crash := func(ctx context.Context, at int) error {
			if !cut.CompareAndSwap(int64(at), 0) {
				return nil
			}
			reached <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		}
		b.systems.act = func(ctx context.Context, args []byte, guard workflow.Guard, trace func(workflow.Call)) ([]byte, error) {
			var in struct{ N int }
			if err := json.Unmarshal(args, &in); err != nil {
				return nil, err
			}
			if err := crash(ctx, 3*in.N); err != nil {
				return nil, err
			}
			if effects[in.N].Load() > 0 { // it reads before it writes
				return args, nil
			}
			if err := guard.Intend(ctx, workflow.Change{What: "it"}); err != nil {
				return nil, err
			}
			if err := crash(ctx, 3*in.N+1); err != nil {
				return nil, err
			}
			trace(workflow.Call{Kind: "call", Method: "PUT"})
			effects[in.N].Add(1)
			if err := crash(ctx, 3*in.N+2); err != nil {
				return nil, err
			}
			return args, nil
		}
		e := b.start()
		for at := 3; at < 3*(steps+1); at++ {
			for i := range effects {
				effects[i].Store(0)
			}
			cut.Store(int64(at))
			id := fmt.Sprintf("run_%d", at)
			keepRun(t, b.db, id, "usr_1")
			<-reached
			b.stop(e)
			e = b.start()

			kept, err := b.wait(e, id)

			if err != nil || len(kept) != steps {
				t.Fatalf("cut off at %d: %v, %d steps", at, err, len(kept))
			}
			for i, s := range kept {
				if n := effects[i+1].Load(); s.State != workflow.StepDone || n != 1 {
					t.Errorf("cut off at %d: step %d is %s, its effect was made %d times", at, i+1, s.State, n)
				}
			}
		}
	})
}

// G4: a step that was cut off after its change was perhaps sent, and that cannot
// read afterwards what became of it, has an unknown outcome, whatever it is that
// keeps it from reading. What it set out to change stays recorded.
func TestCutOffAndNotReadAgain(t *testing.T) {
	t.Parallel()
	change := workflow.Change{What: "it", Before: "Viewer", After: "Creator"}
	refused := fault.New(fault.Upstream, "Tableau refuses the token.").WithCode("denied")
	tests := map[string]struct {
		again func(guard workflow.Guard) ([]byte, error) // what the step comes to when it is begun again
		state workflow.StepState
		code  string
	}{
		"not read":         {func(workflow.Guard) ([]byte, error) { return nil, refused }, workflow.StepFailed, "outcome_unknown"},
		"read, it is done": {func(workflow.Guard) ([]byte, error) { return []byte("2"), nil }, workflow.StepDone, ""},
		"read and refused": {func(g workflow.Guard) ([]byte, error) {
			return nil, errors.Join(g.Intend(t.Context(), change), refused)
		}, workflow.StepFailed, "denied"},
	}
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		b := newBench(t, cfg)
		b.install(`import { sys } from "margay/sys";
export default async function run() { await sys.do(1); return { note: "done", role: null }; }`)
		e := b.start()
		for name, tt := range tests {
			reached := make(chan struct{}, 1)
			var begun atomic.Bool
			b.systems.act = func(ctx context.Context, _ []byte, guard workflow.Guard, _ func(workflow.Call)) ([]byte, error) {
				if !begun.CompareAndSwap(false, true) {
					return tt.again(guard)
				}
				if err := guard.Intend(ctx, change); err != nil {
					return nil, err
				}
				if err := guard.Ask(ctx); err != nil {
					return nil, err
				}
				reached <- struct{}{}
				<-ctx.Done()
				return nil, ctx.Err()
			}
			id := "run_" + strings.ReplaceAll(name, " ", "_")
			keepRun(t, b.db, id, "usr_1")
			<-reached
			b.stop(e)
			e = b.start()

			steps, err := b.wait(e, id)

			if len(steps) != 1 || steps[0].State != tt.state || steps[0].Problem.Code != tt.code || steps[0].Change == nil || *steps[0].Change != change {
				t.Errorf("%s: %+v", name, steps)
			}
			if tt.code != "" && fault.Public(err).Code != tt.code || tt.code == "" && err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// What an execution writes after another has begun is refused: a node that was
// paused changes nothing.
func TestOnlyTheLastExecutionWrites(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		b := newBench(t, cfg)
		keepRun(t, b.db, "run_1", "usr_1") // no engine takes it up
		first, err := b.db.BeginRun(t.Context(), workflow.Beginning{Run: "run_1", Plan: json.RawMessage(`1`), Start: workflow.NewStart(time.Now())})
		if err != nil {
			t.Fatal(err)
		}
		second, err := b.db.BeginRun(t.Context(), workflow.Beginning{Run: "run_1", Plan: json.RawMessage(`2`), Start: workflow.NewStart(time.Now())})
		if err != nil || string(second.Plan) != "1" || second.Start != first.Start || second.Epoch <= first.Epoch {
			t.Fatalf("%+v then %+v, %v", first, second, err)
		}
		s := workflow.Step{Run: "run_1", Seq: 1, Name: "sys.do", State: workflow.StepRunning, Attempt: 1, StartedAt: time.Now()}

		if err := b.db.SaveStep(t.Context(), first.Epoch, s); !strings.Contains(fmt.Sprint(err), workflow.ErrLost.Error()) {
			t.Errorf("the first execution writes: %v", err)
		}
		s.State = workflow.StepDone
		if err := b.db.SaveStep(t.Context(), second.Epoch, s); err != nil {
			t.Error(err)
		}
		s.State = workflow.StepRunning
		if err := b.db.SaveStep(t.Context(), second.Epoch, s); err == nil {
			t.Error("a step that has ended is under way again")
		}
	})
}

const sleeper = `import { sleep } from "margay";
import { sys } from "margay/sys";
export default async function run() {
  const first = await sys.do(1), before = Date.now();
  await sleep({ hours: 3 });
  const slept = Date.now() - before;
  const second = await sys.do(2);
  return { note: "done", role: null, first, second, slept };
}`

// A script that sleeps long ends its execution: no virtual machine and no
// exchange are held. It goes on at the time that was recorded first, and its
// clock says how long it slept.
func TestSleepHoldsNothing(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		b := newBench(t, cfg)
		b.install(sleeper)
		b.systems.act = func(_ context.Context, args []byte, _ workflow.Guard, _ func(workflow.Call)) ([]byte, error) {
			return args, nil
		}
		b.ahead.Store(0)
		e := b.start()

		steps, err := b.run(e, "run_1")

		asleep, ok := errors.AsType[*workflow.AsleepError](err)
		if !ok || len(steps) != 2 || steps[1].State != workflow.StepRunning || b.systems.held.Load() != 0 {
			t.Fatalf("%v, %+v", err, steps)
		}
		b.ahead.Store(int64(4 * time.Hour))
		b.again("run_1")
		steps, err = b.wait(e, "run_1-again")
		if err != nil || len(steps) != 0 {
			t.Fatal(err)
		}
		kept, err := b.db.Steps(t.Context(), "run_1")
		if err != nil || len(kept) != 3 || kept[1].State != workflow.StepDone || !kept[1].EndedAt.Equal(asleep.Until) || kept[1].Attempt != 1 {
			t.Errorf("%v, %+v", err, kept)
		}
		var out struct{ Slept int64 }
		if err := json.Unmarshal(b.out["run_1"], &out); err != nil || out.Slept < 3*time.Hour.Milliseconds() || out.Slept > 3*time.Hour.Milliseconds()+60_000 {
			t.Errorf("it returned %s", b.out["run_1"])
		}
	})
}

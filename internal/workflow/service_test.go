package workflow_test

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/internal/workflow"
)

// fakeSystems has one action, "sys.do", which act does.
type fakeSystems struct {
	act  func(ctx context.Context, args []byte, guard workflow.Guard, trace func(workflow.Call)) ([]byte, error)
	held atomic.Int64
}

func (s *fakeSystems) Modules(string) (map[string]string, error) {
	return map[string]string{"margay/sys": `import { call } from "margay:host";
export const sys = { do: (n: number): Promise<any> => call("sys.do", { n }) };`}, nil
}

func (s *fakeSystems) Hold(context.Context, string) (func(), error) {
	s.held.Add(1)
	return func() { s.held.Add(-1) }, nil
}

func (s *fakeSystems) Act(ctx context.Context, _, _ string, args []byte, guard workflow.Guard, trace func(workflow.Call)) ([]byte, error) {
	return s.act(ctx, args, guard, trace)
}

const source = `import { sys } from "margay/sys";
export default async function run(ctx: any) {
  const first = await sys.do(1);
  const second = await sys.do(2);
  return { note: "done", role: null, first, second, told: ctx };
}`

func bundle(version int, slugs ...string) workflow.Bundle {
	b := workflow.Bundle{Integration: "sys", Slug: "b", Name: "Bundle", Version: version}
	for _, s := range slugs {
		b.Workflows = append(b.Workflows, workflow.BundledWorkflow{Slug: s, Name: "Name of " + s, Type: workflow.AccessProvisioning, File: s + ".ts", Source: source})
	}
	return b
}

func newService(db *store.DB, s *fakeSystems) *workflow.Service {
	var n atomic.Int64
	return workflow.NewService(db, s, time.Now, func(prefix string) string { return prefix + "_" + string(rune('a'+n.Add(1))) })
}

// S99: installed twice, also by many at once, a bundle is there once.
func TestInstallTwiceIsOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		svc := newService(db, &fakeSystems{})
		var wg sync.WaitGroup
		ids := make([]string, 6)
		for i := range ids {
			wg.Go(func() {
				ws, err := svc.Install(t.Context(), identity.System(), bundle(1, "p", "d"))
				if err != nil || len(ws) != 2 {
					t.Errorf("%d workflows, %v", len(ws), err)
					return
				}
				ids[i] = ws[0].ID + " " + ws[1].ID
			})
		}
		wg.Wait()

		for _, id := range ids {
			if id != ids[0] {
				t.Errorf("one was given %s, another %s", ids[0], id)
			}
		}
		all, err := svc.Workflows(t.Context())
		events, errEvents := db.Events(t.Context(), audit.Filter{})
		if errors.Join(err, errEvents) != nil || len(all) != 2 || len(events) != 1 || events[0].Kind != workflow.Installed {
			t.Errorf("%d workflows, events %+v, %v", len(all), events, err)
		}
	})
}

// A later version of a bundle adds what is new and leaves the copies that are
// there: they are the customer's.
func TestInstallLaterVersion(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		svc := newService(db, &fakeSystems{})
		before, err := svc.Install(t.Context(), identity.System(), bundle(1, "p"))
		if err != nil {
			t.Fatal(err)
		}
		later := bundle(2, "p", "d")
		later.Workflows[0].Source = "export default async function run() { return { note: 'new' }; }"

		after, err := svc.Install(t.Context(), identity.System(), later)

		if err != nil || len(after) != 2 || !reflect.DeepEqual(after[0], before[0]) || after[1].Origin.Version != 2 {
			t.Fatalf("%+v, %v", after, err)
		}
		if v, err := svc.Published(t.Context(), before[0].ID); err != nil || v.Source != source || v.Hash != before[0].Published {
			t.Errorf("the copy became %+v, %v", v, err)
		}
	})
}

func TestInstallRefuses(t *testing.T) {
	t.Parallel()
	broken := bundle(1, "p")
	broken.Workflows[0].Source = "export default async function run( {"
	badType := bundle(1, "p")
	badType.Workflows[0].Type = "tea"
	tests := map[string]struct {
		who    identity.Actor
		bundle workflow.Bundle
		kind   fault.Kind
	}{
		"no administrator":      {identity.Actor{Person: "usr_1", Scopes: []identity.Scope{identity.ScopeAdmin}}, bundle(1, "p"), fault.Forbidden},
		"does not compile":      {identity.System(), broken, fault.Invalid},
		"no such type":          {identity.System(), badType, fault.Invalid},
		"a workflow of no name": {identity.System(), workflow.Bundle{Workflows: []workflow.BundledWorkflow{{Type: workflow.AccessProvisioning}}}, fault.Invalid},
	}
	db := storetest.Open(t, store.Config{SQLite: t.TempDir() + "/margay.db", Now: time.Now})
	svc := newService(db, &fakeSystems{})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := svc.Install(t.Context(), tt.who, tt.bundle)

			if all, errList := svc.Workflows(t.Context()); !errors.Is(err, tt.kind) || errList != nil || len(all) != 0 {
				t.Errorf("%v, %d workflows", err, len(all))
			}
		})
	}
}

// Runs are seen by administrators and by whom they are for.
func TestRunVisibility(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Config{SQLite: t.TempDir() + "/margay.db", Now: time.Now})
	keepRun(t, db, "run_1", "usr_rita")
	svc := newService(db, &fakeSystems{})
	for who, sees := range map[identity.PersonID]bool{"usr_rita": true, "usr_ana": true, "usr_sam": false, "": false} {
		actor := identity.Actor{Person: who, Admin: who == "usr_ana"}

		_, _, err := svc.Run(t.Context(), actor, "run_1")
		runs, errList := svc.Runs(t.Context(), actor, workflow.RunFilter{Person: "usr_rita"})

		if (err == nil) != sees || err != nil && !errors.Is(err, fault.NotFound) || errList != nil {
			t.Errorf("%s: %v, %v", who, err, errList)
		}
		if (len(runs) > 0) != sees && who != "" { // a system actor lists nothing of its own
			t.Errorf("%s lists %d", who, len(runs))
		}
	}
}

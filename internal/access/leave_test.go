package access_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// Whoever is disabled loses what waits for them, and what they hold when that is
// asked for, in the change that disables them: all of it or none.
func TestDisable(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		steps := []access.Step{by(bo)}
		waiting := w.file(rita, access.Ask{Role: w.role(access.Policy{Longest: time.Hour, Steps: steps})})
		other := w.file(sam, access.Ask{Role: w.role(access.Policy{Longest: time.Hour, Steps: steps})})
		named := func(name string) access.Grant {
			p, err := w.svc.SavePolicy(ctx, as(ana), access.Policy{Name: name, Longest: time.Hour})
			w.must(err)
			r, err := w.svc.SaveRole(ctx, as(ana), access.Role{App: w.app.ID, Name: name, Policy: p.ID})
			w.must(err)
			return w.inState(rita, r.ID, access.GrantActive) //nolint:contextcheck // the test's own
		}
		viewer, creator := named("Viewer"), named("Creator")
		failed := w.inState(rita, w.role(access.Policy{Longest: time.Hour}), access.GrantNotSetUp)

		would, err := w.svc.Holds(ctx, as(ana), rita, true)
		if err != nil || len(would.Withdrawn) != 1 || len(would.Ended) != 3 || w.request(waiting.ID).State != access.RequestWaiting {
			t.Errorf("%+v, %v", would, err)
		}
		if _, err := w.svc.Disable(ctx, as(olga), rita, identity.Change{}, true); !errors.Is(err, fault.Forbidden) {
			t.Errorf("by somebody who is no administrator: %v", err)
		}

		// The engine refuses the second job: nothing at all is kept.
		w.refuse = func(j access.Job) error {
			if j.Grant == viewer.ID {
				return errEngine
			}
			return nil
		}
		if _, err := w.svc.Disable(ctx, as(ana), rita, identity.Change{}, true); !errors.Is(err, errEngine) {
			t.Errorf("without the engine: %v", err)
		}
		w.refuse = nil
		if p, _ := w.ids.Person(ctx, rita); p.Disabled || w.request(waiting.ID).State != access.RequestWaiting || w.grant(creator.ID).State != access.GrantActive {
			t.Error("half of it was kept")
		}

		left, err := w.svc.Disable(ctx, as(ana), rita, identity.Change{}, true)
		if err != nil || len(left.Grants) != 0 || len(left.Ended) != 3 || left.Ended[0].ID != creator.ID || !left.Person.Disabled {
			t.Errorf("%+v, %v", left, err)
		}
		for _, g := range []access.GrantID{viewer.ID, creator.ID, failed.ID} {
			if got := w.grant(g); got.State != access.GrantEnding || got.EndNote != "usr_rita was disabled." || got.EndedBy != ana {
				t.Errorf("%+v", got)
			}
		}
		kinds := w.kinds("request:" + string(waiting.ID))
		if w.request(waiting.ID).State != access.RequestWithdrawn || fmt.Sprint(kinds[1:]) != "["+string(access.RequestWasWithdrawn)+"]" {
			t.Errorf("%s, %v", w.request(waiting.ID).State, kinds)
		}
		if w.request(other.ID).State != access.RequestWaiting {
			t.Error("somebody else's was taken back too")
		}
		if again, err := w.svc.Disable(ctx, as(ana), rita, identity.Change{}, true); err != nil || len(again.Ended)+len(again.Withdrawn) != 0 {
			t.Errorf("once more: %+v, %v", again, err)
		}

		// Without the end, what they hold stays, and is named.
		held := w.inState(sam, w.role(access.Policy{Longest: time.Hour}), access.GrantActive)
		left, err = w.svc.Disable(ctx, as(ana), sam, identity.Change{Name: new("Sam")}, false)
		if err != nil || len(left.Ended) != 0 || len(left.Grants) != 1 || left.Grants[0].ID != held.ID || left.Person.Name != "Sam" || len(left.Withdrawn) != 1 {
			t.Errorf("%+v, %v", left, err)
		}
		_, err = w.svc.Disable(ctx, as(ana), ana, identity.Change{}, true)
		wantFault(t, err, fault.Conflict, "last_admin")
		w.verify()
	})
}

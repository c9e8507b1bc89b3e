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

// Access that was to begin later is withdrawn when its person is disabled, and
// of somebody who was disabled by another road nothing begins: not a set-up, and
// not a later end of what they hold.
func TestDisabledScheduled(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		role := w.role(access.Policy{Longest: 600 * hour, OnBehalf: access.OnBehalfAnybody})
		for name, tt := range map[string]struct {
			person  identity.PersonID
			held    bool // they have the role already when it is to begin
			service bool // disabled by the service, not in the directory alone
			note    string
			by      identity.PersonID
		}{
			"by the service":         {person: rita, service: true, note: "usr_rita was disabled.", by: ana},
			"by the service, held":   {person: sam, held: true, service: true, note: "usr_sam was disabled.", by: ana},
			"in the directory":       {person: bo, note: "usr_bo was disabled before it began."},
			"in the directory, held": {person: cy, held: true, note: "usr_cy was disabled before it began."},
		} {
			later := w.grant(w.file(tt.person, access.Ask{Role: role, Length: new(400 * hour), Starts: w.clock().Add(2 * hour)}).Grant)
			var live access.Grant
			if tt.held {
				live = w.done(w.grant(w.file(tt.person, access.Ask{Role: role, Length: new(3 * hour)}).Grant))
			}
			if tt.service {
				would, err := w.svc.Holds(ctx, as(ana), tt.person, false)
				if err != nil || len(would.Ended) != 1 || would.Ended[0].ID != later.ID || (len(would.Grants) == 1) != tt.held {
					t.Errorf("%s: would %+v, %v", name, would, err)
				}
				left, err := w.svc.Disable(ctx, as(ana), tt.person, identity.Change{}, false)
				if err != nil || len(left.Ended) != 1 || left.Ended[0].State != access.GrantEnded || (len(left.Grants) == 1) != tt.held {
					t.Errorf("%s: %+v, %v", name, left, err)
				}
			} else {
				p, err := w.ids.Person(ctx, tt.person)
				w.must(err)
				p.Disabled = true
				w.must(db.SavePerson(ctx, p))
			}
			w.pass(2 * hour)
			_, err := w.svc.BeginDue(ctx, 10)
			w.must(err)
			if got := w.grant(later.ID); got.State != access.GrantEnded || got.EndNote != tt.note || got.EndedBy != tt.by || len(w.runs(later.ID)) != 0 {
				t.Errorf("%s: %+v", name, got)
			}
			if !tt.held {
				continue
			}
			if got := w.grant(live.ID); got.State != access.GrantActive || !got.EndsAt.Equal(live.EndsAt) || len(w.runs(live.ID)) != 1 {
				t.Errorf("%s: ends %v, was to end %v, %s", name, got.EndsAt, live.EndsAt, got.State)
			}
		}
		w.verify()
	})
}

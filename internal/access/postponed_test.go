package access_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// What the clock cannot do for some is tried ever later, and keeps no other from
// its turn however many those are; it is said once, recorded once, shown to
// administrators while it lasts, and forgotten when it is done.
func TestPostponed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		role := w.role(access.Policy{Longest: time.Hour})
		bad := map[access.GrantID]bool{}
		for range 3 {
			bad[w.inState(rita, role, access.GrantActive).ID] = true
		}
		w.pass(time.Second)
		good := w.inState(sam, role, access.GrantActive)
		w.pass(time.Hour)
		w.refuse = func(j access.Job) error {
			if bad[j.Grant] {
				return errEngine
			}
			return nil
		}
		failed := func() (n int) {
			t.Helper()
			for g := range bad {
				n += len(slices.DeleteFunc(w.kinds("grant:"+string(g)), func(k audit.Kind) bool { return k != access.ClockFailed }))
			}
			return n
		}
		listed := func() []access.Postponed {
			t.Helper()
			list, err := w.svc.Postponed(ctx, as(ana))
			w.must(err)
			return list
		}

		// A batch of two is full of what fails, and then of what does not.
		for _, want := range []int{0, 1} {
			if n, err := w.svc.ExpireDue(ctx, 2); n != want || !errors.Is(err, errEngine) {
				t.Errorf("%d ended, %v; want %d", n, err, want)
			}
		}
		if g := w.grant(good.ID); g.State != access.GrantEnding {
			t.Errorf("the good one is %s", g.State)
		}
		if due, err := w.svc.Due(ctx); due || err != nil || len(listed()) != 0 || failed() != 0 {
			t.Errorf("due %v, %v; %d listed, %d recorded after one try", due, err, len(listed()), failed())
		}
		for _, wait := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second} {
			w.pass(wait)
			if n, err := w.svc.ExpireDue(ctx, 100); n != 0 || err != nil {
				t.Errorf("%d ended, said again: %v", n, err)
			}
		}
		list := listed()
		if len(list) != 3 || failed() != 3 || list[0].Tries != 4 || list[0].Chore != access.ChoreExpire || !list[0].NextAt.Equal(w.clock().Add(40*time.Second)) {
			t.Errorf("%d recorded, listed %+v", failed(), list)
		}
		_, err := w.svc.Postponed(ctx, as(rita))
		wantFault(t, err, fault.Forbidden, "admin_needed")

		// What somebody ended is not listed, what is done is forgotten, and a day later
		// nothing is left.
		w.refuse = nil
		for g := range bad {
			_, err := w.svc.Revoke(ctx, as(ana), g, "")
			w.must(err)
			break
		}
		if list := listed(); len(list) != 2 {
			t.Errorf("%d listed", len(list))
		}
		w.pass(40 * time.Second)
		if n, err := w.svc.ExpireDue(ctx, 100); n != 2 || err != nil || len(listed()) != 0 {
			t.Errorf("%d ended once they could be, %v; %d listed", n, err, len(listed()))
		}
		w.pass(24 * time.Hour)
		w.inState(sam, role, access.GrantActive)
		w.pass(2 * time.Hour)
		if n, err := w.svc.ExpireDue(ctx, 100); n != 1 || err != nil || len(w.postponed()) != 0 {
			t.Errorf("%d ended, %v; %+v is left", n, err, w.postponed())
		}
	})
}

func (w *world) postponed() (list []access.Postponed) {
	w.t.Helper()
	w.must(w.db.View(w.t.Context(), func(tx access.Reader) (err error) {
		list, err = tx.Postponed(w.t.Context())
		return err
	}))
	return list
}

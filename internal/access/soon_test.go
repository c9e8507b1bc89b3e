package access_test

import (
	"slices"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// A page of the grants of a role that end soon holds the newest of them, and no
// others.
func TestGrantsThatEndSoon(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		policy := access.Policy{Longest: access.Indefinite, OnBehalf: access.OnBehalfAnybody}
		role, other := w.role(policy), w.role(policy)
		name := w.roleName(role)
		var want []access.GrantID
		for i, who := range []identity.PersonID{rita, sam, bo, cy, olga} {
			length := []time.Duration{time.Hour, 5 * time.Hour, access.Indefinite, 2 * time.Hour, 3 * time.Hour}[i]
			w.done(w.grant(w.file(who, access.Ask{Role: other, Length: &length}).Grant))
			g := w.done(w.grant(w.file(who, access.Ask{Role: role, Length: &length}).Grant))
			if !g.EndsAt.IsZero() && g.EndsAt.Before(w.clock().Add(4*time.Hour)) {
				want = append(want, g.ID)
			}
		}
		ended, err := w.svc.Revoke(t.Context(), as(ana), want[1], "")
		w.must(err)
		w.done(ended)
		want = []access.GrantID{want[2], want[0]}
		for _, limit := range []int{0, 5, 1} {
			gs, err := w.svc.Grants(t.Context(), as(ana), access.GrantFilter{
				RoleName: name, EndsBefore: w.clock().Add(4 * time.Hour), States: []access.GrantState{access.GrantNotSetUp, access.GrantActive}, Limit: limit,
			})
			var got []access.GrantID
			for _, g := range gs {
				got = append(got, g.ID)
			}
			if err != nil || limit != 1 && !slices.Equal(got, want) || limit == 1 && !slices.Equal(got, want[:1]) {
				t.Errorf("limit %d: %v, %v; want %v", limit, got, err, want)
			}
		}
	})
}

func (w *world) roleName(id access.RoleID) string {
	w.t.Helper()
	r, err := w.svc.Role(w.t.Context(), id)
	w.must(err)
	return r.Name
}

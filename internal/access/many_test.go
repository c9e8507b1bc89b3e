package access_test

import (
	"errors"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// What the end of several grants would do is foreseen as if they all end, and each
// is ended as it was seen: not when something became of it since.
func TestManyGrantsForeseen(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour})
		one := w.done(w.granted(rita, role))
		two := w.done(w.granted(rita, w.twin(role)))
		gone := w.done(w.granted(sam, role))
		_, err := w.svc.Revoke(t.Context(), as(sam), gone.ID, "")
		w.must(err)
		list, err := w.svc.ForeseeGrants(t.Context(), as(ana), access.ActRevoke, []access.GrantID{one.ID, two.ID, gone.ID})
		w.must(err)
		of := map[access.GrantID]access.Foreseen{}
		for _, f := range list {
			of[access.GrantID(f.ID)] = f
		}
		if f := of[gone.ID]; fault.Public(f.Refuse).Code != "ending" {
			t.Errorf("what is ending: %+v", f)
		}
		for _, g := range []access.Grant{one, two} {
			if f := of[g.ID]; f.Refuse != nil || f.Mark == "" || f.Person != rita || f.Role != g.RoleName {
				t.Errorf("%+v", f)
			}
		}
		if _, err := w.svc.ForeseeGrants(t.Context(), as(sam), access.ActRevoke, []access.GrantID{one.ID}); !errors.Is(err, fault.NotFound) {
			t.Errorf("a stranger sees it: %v", err)
		}
		if _, err := w.svc.ForeseeGrants(t.Context(), as(ana), access.ActRevoke, []access.GrantID{"grt_none"}); !errors.Is(err, fault.NotFound) {
			t.Errorf("there is none: %v", err)
		}

		// The end of the one is no change of the other.
		first, err := w.svc.RevokeForeseen(t.Context(), as(ana), one.ID, "", of[one.ID].Mark)
		w.must(err)
		w.done(first)
		_, err = w.svc.RevokeForeseen(t.Context(), as(ana), two.ID, "", of[one.ID].Mark+"x")
		if fault.Public(err).Code != "changed_again" {
			t.Errorf("something became of it: %v", err)
		}
		second, err := w.svc.RevokeForeseen(t.Context(), as(ana), two.ID, "", of[two.ID].Mark)
		if err != nil || second.State != access.GrantEnding {
			t.Errorf("as it was seen: %s, %v", second.State, err)
		}
		if !second.StandsAfter(access.ActRevoke) || second.StandsAfter(access.ActAccept) || two.StandsAfter(access.ActRevoke) || !two.StandsAfter(access.ActRestore) {
			t.Error("how a grant stands after an act is told wrong")
		}
	})
}

// Who was shown a request decides on that one: not on the next step, and not on
// what would leave it with nobody.
func TestManyRequestsForeseen(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour, Steps: []access.Step{
			{Approvers: []access.Approver{{Person: ana}, {Person: sam}}}, {Approvers: []access.Approver{{Person: ana}}},
		}})
		r := w.file(rita, access.Ask{Role: role, Reason: "Audit"})
		list, err := w.svc.ForeseeRequests(t.Context(), as(sam), access.ActApprove, []access.RequestID{r.ID})
		w.must(err)
		if f := list[0]; f.Refuse != nil || f.Because != "For 1 h. “Audit”" {
			t.Errorf("Sam: %+v", f)
		}
		locking, err := w.svc.ForeseeRequests(t.Context(), as(ana), access.ActApprove, []access.RequestID{r.ID})
		w.must(err)
		if fault.Public(locking[0].Refuse).Code != "nobody_next" {
			t.Errorf("Ana would leave it with nobody: %+v", locking[0])
		}
		denying, err := w.svc.ForeseeRequests(t.Context(), as(ana), access.ActDeny, []access.RequestID{r.ID})
		if err != nil || denying[0].Refuse != nil {
			t.Errorf("Ana may deny it: %+v, %v", denying, err)
		}
		if _, err := w.svc.DecideForeseen(t.Context(), as(sam), r.ID, access.ActApprove, "", "1/PT1H"); fault.Public(err).Code != "changed_again" {
			t.Errorf("another step: %v", err)
		}
		got, err := w.svc.DecideForeseen(t.Context(), as(sam), r.ID, access.ActApprove, "", list[0].Mark)
		if err != nil || got.State != access.RequestWaiting || !got.DecidedBy(sam, list[0].Mark) || got.DecidedBy(ana, list[0].Mark) {
			t.Errorf("as it was seen: %+v, %v", got, err)
		}
		got, err = w.svc.DecideForeseen(t.Context(), as(ana), r.ID, access.ActDeny, "No", "1/"+list[0].Mark[2:])
		if err != nil || got.State != access.RequestDenied {
			t.Errorf("denied: %+v, %v", got, err)
		}
	})
}

package access_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// §6.4: who sees and may do what. A request by Rita for Sam, with Bo in the
// first step and Cy in the second; Olga owns the app, Ana is an administrator.
func TestVisibility(t *testing.T) {
	t.Parallel()
	tests := map[identity.PersonID]struct{ request, decidable, grant, revoke, retry bool }{
		ana:  {request: true, grant: true, revoke: true, retry: true},
		bo:   {request: true, decidable: true},
		cy:   {request: true},
		olga: {request: true, grant: true, revoke: true, retry: true},
		rita: {request: true},
		sam:  {request: true, grant: true, revoke: true},
		dan:  {}, // a stranger; that he is disabled is told when he acts
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		p := access.Policy{Longest: time.Hour, OnBehalf: access.OnBehalfAnybody}
		atOnce := w.role(p)
		p.Steps = []access.Step{by(bo), by(cy)}
		waiting := w.file(rita, access.Ask{Role: w.role(p), Person: sam})
		for who, want := range tests {
			t.Run(string(who), func(t *testing.T) {
				made := w.file(rita, access.Ask{Role: w.twin(atOnce), Person: sam}).Grant
				g := w.done(w.grant(made))
				failed := w.failed(w.grant(w.file(rita, access.Ask{Role: w.twin(atOnce), Person: sam}).Grant))

				_, err := w.svc.Request(t.Context(), as(who), waiting.ID)
				may(t, "see the request", want.request, err, fault.NotFound)
				_, err = w.svc.Grant(t.Context(), as(who), g.ID)
				may(t, "see the grant", want.grant, err, fault.NotFound)
				refusal := fault.Forbidden
				if !want.grant { // who may not see it is not told that it is there
					refusal = fault.NotFound
				}
				for act, try := range map[string]func() error{
					"reduce":  func() error { _, err := w.svc.Reduce(t.Context(), as(who), g.ID, time.Minute, ""); return err },
					"restore": func() error { _, err := w.svc.Restore(t.Context(), as(who), g.ID, "", nil); return err },
				} {
					if want.grant {
						continue
					}
					may(t, act, false, try(), refusal)
					if last := w.last(); last.Kind != identity.ActRefused || last.Data["act"] != act {
						t.Errorf("the audit log is told of a stranger's %s: %+v", act, last)
					}
				}
				_, err = w.svc.Revoke(t.Context(), as(who), g.ID, "")
				may(t, "revoke", want.revoke, err, refusal)
				_, err = w.svc.Retry(t.Context(), as(who), failed.ID)
				may(t, "retry", want.retry, err, refusal)

				all, err := w.svc.Requests(t.Context(), as(who), access.RequestFilter{}, false)
				w.must(err)
				decidable, err := w.svc.Requests(t.Context(), as(who), access.RequestFilter{State: access.RequestWaiting}, true)
				w.must(err)
				grants, err := w.svc.Grants(t.Context(), as(who), access.GrantFilter{})
				w.must(err)
				has := func(r access.Request) bool { return r.ID == waiting.ID }
				if slices.ContainsFunc(all, has) != want.request || slices.ContainsFunc(decidable, has) != want.decidable || (len(grants) > 0) != want.grant {
					t.Errorf("lists: seen %v, decidable %v, %d grants", slices.ContainsFunc(all, has), slices.ContainsFunc(decidable, has), len(grants))
				}
			})
		}
		t.Run("an administrator's lesser token", func(t *testing.T) {
			g := w.inState(rita, atOnce, access.GrantActive)
			_, err := w.svc.Revoke(t.Context(), with(ana, identity.ScopeRequestsWrite), g.ID, "")
			may(t, "revoke others' access", false, err, fault.Forbidden)
			_, err = w.svc.Revoke(t.Context(), with(rita, identity.ScopeRequestsWrite), g.ID, "")
			may(t, "revoke their own", true, err, "")
		})
		t.Run("ids that are none", func(t *testing.T) {
			for _, id := range []string{"", "req_x", "'; DROP TABLE requests", "req_\x00", "req_\xff"} {
				_, byRequest := w.svc.Request(t.Context(), as(ana), access.RequestID(id))
				_, byGrant := w.svc.Grant(t.Context(), as(ana), access.GrantID(id))
				_, byAct := w.svc.Approve(t.Context(), with(ana), access.RequestID(id), nil, "")
				for _, err := range []error{byRequest, byGrant} {
					if k := fault.KindOf(err); k != fault.NotFound && k != fault.Invalid {
						t.Errorf("%q: %v", id, err)
					}
				}
				if !errors.Is(byAct, fault.Forbidden) || w.last().Kind != identity.ActRefused {
					t.Errorf("%q without a scope: %v, event %s", id, byAct, w.last().Kind)
				}
			}
		})
	})
}

// Who sees a request is told how the access stands that came of it, also who may
// not see the access itself: neither its runs nor what they read there.
func TestOutlineOfAccess(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour, OnBehalf: access.OnBehalfAnybody, Steps: []access.Step{by(bo)}})
		asked := w.file(rita, access.Ask{Role: role, Person: sam})
		if v, err := w.svc.Review(t.Context(), as(bo), asked.ID); err != nil || v.Grant != nil {
			t.Errorf("before anything came of it: %+v, %v", v.Grant, err)
		}
		approved, err := w.svc.Approve(t.Context(), as(bo), asked.ID, nil, "")
		w.must(err)
		reports := []struct {
			problem *access.Problem
			state   access.GrantState
		}{
			{&access.Problem{Code: "no_seat", Message: "No seat is free.", Detail: "409 of /users/luid", Run: "run_1"}, access.GrantNotSetUp},
			{nil, access.GrantActive},
		}
		for _, report := range reports {
			g := w.report(w.grant(approved.Grant), report.problem)
			for _, who := range []identity.PersonID{ana, bo, olga, rita, sam} {
				v, err := w.svc.Review(t.Context(), as(who), asked.ID)
				w.must(err)
				if v.Grant == nil || v.Grant.State != report.state || !v.Grant.EndsAt.Equal(g.EndsAt) || v.Grant.Problem.Message != g.Problem.Message {
					t.Errorf("%s is told %+v", who, v.Grant)
				} else if v.Grant.Proof != (access.Proof{}) || v.Grant.SetUp != (access.Proof{}) || v.Grant.Run+v.Grant.Problem.Detail+v.Grant.Problem.Run != "" {
					t.Errorf("%s is told more than how it stands: %+v", who, v.Grant)
				}
			}
			for who, whole := range map[identity.PersonID]bool{ana: true, olga: true, sam: false} {
				one, err := w.svc.Grant(t.Context(), as(who), g.ID)
				w.must(err)
				list, err := w.svc.Grants(t.Context(), as(who), access.GrantFilter{Request: asked.ID})
				w.must(err)
				rows, err := w.svc.HistoryOf(t.Context(), as(who), access.GrantFilter{Request: asked.ID})
				w.must(err)
				want := access.Problem{Code: g.Problem.Code, Message: g.Problem.Message, Hint: g.Problem.Hint, Run: g.Problem.Run}
				if whole {
					want.Detail = g.Problem.Detail
				}
				if len(list) != 1 || len(rows) != 1 || one.Problem != want || list[0].Problem != want || rows[0].Grant.Problem != want {
					t.Errorf("%s is told of the trouble %+v, in lists %+v %+v", who, one.Problem, list, rows)
				}
			}
			if report.problem != nil {
				_, err = w.svc.Retry(t.Context(), as(ana), g.ID)
				w.must(err)
			}
		}
		if _, err := w.svc.Review(t.Context(), as(cy), asked.ID); !errors.Is(err, fault.NotFound) {
			t.Errorf("a stranger: %v", err)
		}
	})
}

func may(t *testing.T, act string, want bool, err error, kind fault.Kind) {
	t.Helper()
	switch {
	case want && err != nil:
		t.Errorf("may not %s: %v", act, err)
	case !want && fault.KindOf(err) != kind && fault.Public(err).Code != "disabled":
		t.Errorf("may %s, or is told %v", act, err)
	}
}

// Pages hold what may be seen, all of it once, in any size.
func TestPages(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour})
		var ritas []access.GrantID
		for i := range 23 {
			if i%3 == 0 {
				ritas = append(ritas, w.granted(rita, role).ID)
			} else {
				w.granted(sam, role)
			}
		}
		slices.Reverse(ritas)
		for _, size := range []int{1, 2, 7, 8, 9, 100} {
			for who, want := range map[identity.PersonID]int{rita: len(ritas), ana: 23, cy: 0} {
				var got []access.GrantID
				f := access.GrantFilter{Limit: size}
				for {
					page, err := w.svc.Grants(t.Context(), as(who), f)
					w.must(err)
					for _, g := range page {
						got = append(got, g.ID)
					}
					if len(page) < size {
						break
					}
					f.Before = page[len(page)-1].ID
				}
				if len(got) != want || who == rita && !slices.Equal(got, ritas) {
					t.Errorf("%s in pages of %d: %d of %d", who, size, len(got), want)
				}
			}
		}
	})
}

// Names of 255 characters of four bytes are kept and given back as they are.
func TestLongNames(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		name := strings.Repeat("🐆", 255)
		role, err := w.svc.SaveRole(t.Context(), as(ana), access.Role{App: w.app.ID, Name: name, Policy: w.request(w.file(rita, access.Ask{Role: w.role(access.Policy{})}).ID).Policy.ID})
		w.must(err)

		g := w.granted(rita, role.ID)

		if diff := cmp.Diff(name, g.RoleName); diff != "" {
			t.Error(diff)
		}
		role.Name += "🐆"
		if _, err := w.svc.SaveRole(t.Context(), as(ana), role); !errors.Is(err, fault.Invalid) {
			t.Errorf("256 characters: %v", err)
		}
	})
}

// multiply makes n rows more from the first of a table, with values of their own
// in some columns and its values in the others.
func (w *world) multiply(n int, table, own, values, others string) {
	w.t.Helper()
	statement := fmt.Sprintf(`INSERT INTO %[2]s (%[3]s, %[5]s)
		WITH RECURSIVE n (i) AS (SELECT 100000 UNION ALL SELECT i + 1 FROM n WHERE i < 100000 + %[1]d - 1)
		SELECT %[4]s, %[5]s FROM n, (SELECT * FROM %[2]s ORDER BY id LIMIT 1) AS first`, n, table, own, values, others)
	w.exec(statement)
}

// exec runs a statement that no rule makes, by the one door to the database's
// own transaction.
func (w *world) exec(statement string) {
	w.t.Helper()
	ctx := w.t.Context()
	w.db.Use(storetest.AuditKey, func(ctx context.Context, tx *sql.Tx, _ access.Job) error {
		_, err := tx.ExecContext(ctx, statement)
		return err
	})
	w.must(w.db.Change(ctx, func(tx access.Tx) error {
		return tx.Enqueue(ctx, access.Job{Run: fmt.Sprintf("run_x%d", w.next.Add(1))})
	}))
	w.db.Use(storetest.AuditKey, w.enqueue)
}

package provision_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/internal/workflow"
)

// Reliability §6.4: a run is cancelled by an owner of the app whose access it is
// for, or by an administrator. Everybody else is refused, in the audit log too,
// and MayCancel says what Cancel says.
func TestWhoMayCancel(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		r := newRig(t, cfg)
		reached := make(chan struct{}, 2)
		r.does(func(ctx context.Context, _ workflow.Task) (string, error) {
			reached <- struct{}{}
			<-ctx.Done()
			return "", ctx.Err()
		})
		write := []identity.Scope{identity.ScopeRequestsWrite}
		owner, other := identity.Actor{Person: "usr_owner", Scopes: write}, identity.Actor{Person: "usr_other", Scopes: write}
		for _, who := range []identity.Actor{owner, other} {
			r.must(r.db.SavePerson(t.Context(), identity.Person{ID: who.Person, Email: string(who.Person) + "@acme.example"}))
		}
		own := func(role access.RoleID, who identity.PersonID) {
			of, err := r.access.Role(t.Context(), role)
			r.must(err)
			app, err := r.access.App(t.Context(), of.App)
			r.must(err)
			app.Owners = []identity.PersonID{who}
			_, err = r.access.SaveApp(t.Context(), ana, app)
			r.must(err)
		}
		own(r.role, owner.Person)
		own(r.beside, other.Person)
		req, err := r.access.File(t.Context(), ana, access.Ask{Role: r.role, Person: "usr_rita", Reason: "Q4"})
		r.must(err)
		granted := r.grant(req.Grant).Run
		manual, err := r.Start(t.Context(), ana, "wfl_hand", []byte(`{}`))
		r.must(err)
		<-reached
		<-reached

		for name, c := range map[string]struct {
			who  identity.Actor
			run  string
			want string
		}{
			"whom it is for":              {identity.Actor{Person: "usr_rita", Scopes: write}, granted, "not_yours"},
			"an owner of another app":     {other, granted, "not_yours"},
			"an owner who may only see":   {identity.Actor{Person: owner.Person}, granted, "scope_missing"},
			"an owner, of one for no app": {owner, manual.ID, "admin_needed"},
		} {
			before := r.refusals("run:" + c.run)
			_, err := r.p.Cancel(t.Context(), c.who, c.run)
			may := r.p.MayCancel(t.Context(), c.who, r.run(c.run))
			if code(err) != c.want || code(may) != c.want || fault.KindOf(err) != fault.Forbidden {
				t.Errorf("%s: %v, may: %v", name, err, may)
			}
			after := r.refusals("run:" + c.run)
			if len(after) != len(before)+1 || after[0].Actor != c.who.String() || after[0].Data["act"] != "cancel" || after[0].Data["code"] != c.want {
				t.Errorf("%s: recorded are %+v", name, after)
			}
		}
		if run, err := r.p.Cancel(t.Context(), owner, granted); err != nil || run.State != workflow.RunCancelled || run.CancelledBy != "usr_owner" {
			t.Errorf("the owner: %+v, %v", run, err)
		}
		if g := r.grant(req.Grant); g.State != access.GrantNotSetUp {
			t.Errorf("its grant is %s", g.State)
		}
		if run, err := r.p.Cancel(t.Context(), ana, manual.ID); err != nil || run.State != workflow.RunCancelled {
			t.Errorf("an administrator: %+v, %v", run, err)
		}
		if _, err := r.p.Cancel(t.Context(), owner, granted); code(err) != "run_over" {
			t.Errorf("one that is over: %v", err)
		}
	})
}

// refusals are the acts on a subject that were refused, the last first.
func (r *rig) refusals(subject string) []audit.Event {
	r.t.Helper()
	events, err := r.db.Events(r.t.Context(), audit.Filter{Subject: subject, Kinds: []string{string(identity.ActRefused)}})
	r.must(err)
	return events
}

// An owner of the app who holds its access keeps it by no cancelled run: one that
// takes it away is left to the others, also among several.
func TestOwnerDoesNotCancelTheEndOfOwnAccess(t *testing.T) {
	t.Parallel()
	r := newRig(t, store.Config{SQLite: filepath.Join(t.TempDir(), "margay.db")})
	write := []identity.Scope{identity.ScopeRequestsWrite}
	rita, olga := identity.Actor{Person: "usr_rita", Scopes: write}, identity.Actor{Person: "usr_olga", Scopes: write}
	r.must(r.db.SavePerson(t.Context(), identity.Person{ID: olga.Person, Email: "olga@acme.example"}))
	g := r.ask()
	app, err := r.access.App(t.Context(), g.App)
	r.must(err)
	app.Owners = []identity.PersonID{rita.Person, olga.Person}
	_, err = r.access.SaveApp(t.Context(), ana, app)
	r.must(err)
	reached := make(chan struct{}, 1)
	r.does(func(ctx context.Context, _ workflow.Task) (string, error) {
		reached <- struct{}{}
		<-ctx.Done()
		return "", ctx.Err()
	})
	g, err = r.access.Revoke(t.Context(), ana, g.ID, "over")
	r.must(err)
	<-reached

	for name, refusal := range map[string]error{
		"may": r.p.MayCancel(t.Context(), rita, r.run(g.Run)),
		"does": func() error {
			_, err := r.p.Cancel(t.Context(), rita, g.Run)
			return err
		}(),
	} {
		f := fault.Public(refusal)
		if f.Kind != fault.Forbidden || f.Code != "own_access" || f.Message != "You cannot cancel this run: it takes away your own access." || f.Hint != "Another owner of App or an administrator can." {
			t.Errorf("%s: %v", name, refusal)
		}
	}
	if run := r.run(g.Run); run.State.Ended() || len(r.refusals("run:"+g.Run)) != 1 {
		t.Errorf("it is %s, recorded are %+v", run.State, r.refusals("run:"+g.Run))
	}
	if run, err := r.p.Cancel(t.Context(), olga, g.Run); err != nil || run.State != workflow.RunCancelled {
		t.Errorf("another owner: %+v, %v", run, err)
	}
}

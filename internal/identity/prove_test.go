package identity_test

import (
	"testing"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// Reliability §4.9: what a browser that was left alone must not do asks for a
// proof of at most ten minutes ago. A token is made for what it does.
func TestProof(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(db)
		if _, err := d.SetPassword(t.Context(), rita, password); err != nil {
			t.Fatal(err)
		}
		_, value, err := d.SignIn(t.Context(), rita, password, identity.From{})
		if err != nil {
			t.Fatal(err)
		}
		actor := func() identity.Actor {
			who, _, err := d.AuthenticateSession(t.Context(), value)
			if err != nil {
				t.Fatal(err)
			}
			return who
		}
		d.now = d.now.Add(identity.ProofLasts)
		if err := actor().NeedProof(d.now); err != nil {
			t.Errorf("after ten minutes: %v", err)
		}
		d.now = d.now.Add(time.Second)
		f := fault.Public(actor().NeedProof(d.now))
		if f.Field != identity.OwnPassword || f.Message != "You signed in more than 10 minutes ago: type your own password, to show that it is you." {
			t.Errorf("a second later: %q at %q", f.Message, f.Field)
		}
		who, err := d.Prove(t.Context(), actor(), wrong, identity.From{})
		if f := fault.Public(err); f.Field != identity.OwnPassword || who.Proven(d.now) {
			t.Errorf("another password: %v", err)
		}
		admin := true
		if _, err := d.ChangePerson(t.Context(), actor(), who.Person, identity.Change{Admin: &admin}); err != nil {
			t.Errorf("what stays as it is: %v", err)
		}
		other, err := d.AddPerson(t.Context(), actor(), "bo@acme.example", "Bo", false)
		if err != nil {
			t.Fatal(err)
		}
		for what, act := range map[string]func(identity.Actor) error{
			"another administrator": func(who identity.Actor) error {
				_, err := d.ChangePerson(t.Context(), who, other.ID, identity.Change{Admin: &admin})
				return err
			},
			"an administrator more": func(who identity.Actor) error {
				_, err := d.AddPerson(t.Context(), who, "cy@acme.example", "Cy", true)
				return err
			},
			"a token": func(who identity.Actor) error {
				_, _, err := d.CreateToken(t.Context(), who, identity.NewTokenAsk{Name: "ci", Scopes: identity.PersonalScopes()})
				return err
			},
		} {
			if err := act(actor()); fault.Public(err).Code != "proof_needed" {
				t.Errorf("%s without a proof: %v", what, err)
			}
		}
		if who, err = d.Prove(t.Context(), actor(), password, identity.From{}); err != nil || !who.Proven(d.now) || !actor().Proven(d.now) {
			t.Fatalf("the password: %v, kept: %v", err, actor().Proven(d.now))
		}
		if _, _, err := d.CreateToken(t.Context(), actor(), identity.NewTokenAsk{Name: "ci", Scopes: identity.PersonalScopes()}); err != nil {
			t.Errorf("a token with a proof: %v", err)
		}
		token := identity.Actor{Person: who.Person, Admin: true, Via: "token:tok_1"}
		if err := token.NeedProof(d.now); err != nil {
			t.Errorf("a token: %v", err)
		}
	})
}

package identity_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

const ben = "ben@acme.example"

// linked is a desk with an administrator and somebody to let in.
func linked(t *testing.T, db *store.DB) (d *desk, admin identity.Actor, person identity.Person) {
	t.Helper()
	d = newDesk(db)
	if _, err := d.SetPassword(t.Context(), rita, password); err != nil {
		t.Fatal(err)
	}
	_, value, err := d.SignIn(t.Context(), rita, password, identity.From{})
	if err != nil {
		t.Fatal(err)
	}
	if admin, _, err = d.AuthenticateSession(t.Context(), value); err != nil {
		t.Fatal(err)
	}
	if person, err = d.AddPerson(t.Context(), admin, ben, "Ben", false); err != nil {
		t.Fatal(err)
	}
	return d, admin, person
}

// A link lets its person set a password once; nothing that is kept opens
// anything.
func TestSignInLink(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d, admin, person := linked(t, db)
		link, value, err := d.MakeSignInLink(t.Context(), admin, person.ID)
		if err != nil {
			t.Fatal(err)
		}
		if link.Hash == value || strings.Contains(link.Hash, value) || len(value) < 43 || link.ExpiresAt.Sub(d.now) != 24*time.Hour {
			t.Errorf("link %+v of value %q", link, value)
		}
		how, err := d.SignInOf(t.Context(), admin, person.ID)
		if err != nil || !how.PasswordAt.IsZero() || how.Link.ID != link.ID || how.Link.MadeBy != string(admin.Person) {
			t.Errorf("how they sign in: %+v, %v", how, err)
		}
		if p, l, err := d.OpenSignInLink(t.Context(), " "+value+"\n"); err != nil || p.ID != person.ID || l.ID != link.ID {
			t.Errorf("opened: %+v %+v, %v", p, l, err)
		}
		if _, err := d.UseSignInLink(t.Context(), value, "short", identity.From{}); !errors.Is(err, fault.Invalid) {
			t.Errorf("a short password: %v", err)
		}
		const own = "a password of my own"
		if p, err := d.UseSignInLink(t.Context(), value, own, identity.From{Address: "10.0.0.9"}); err != nil || p.ID != person.ID {
			t.Fatalf("%+v, %v", p, err) // to look, and to fail, did not use it up
		}
		if _, _, err := d.SignIn(t.Context(), ben, own, identity.From{}); err != nil {
			t.Errorf("sign in with it: %v", err)
		}
		if _, err := d.UseSignInLink(t.Context(), value, "another one altogether", identity.From{}); fault.Public(err).Code != "link_void" {
			t.Errorf("used twice: %v", err)
		}
		if how, err := d.SignInOf(t.Context(), admin, person.ID); err != nil || !how.PasswordAt.Equal(d.now) || how.Link.ID != "" {
			t.Errorf("how they sign in afterwards: %+v, %v", how, err)
		}
		mine, err := d.LettingIn(t.Context(), identity.Actor{Person: person.ID})
		if err != nil || len(mine) != 2 || mine[0].Kind != identity.PasswordSet || mine[0].Data["address"] != "10.0.0.9" || mine[1].Data["by"] != admin.Name {
			t.Errorf("what its owner sees of it: %+v, %v", mine, err)
		}
		if theirs, err := d.LettingIn(t.Context(), identity.Actor{Person: "usr_other"}); err != nil || len(theirs) != 0 {
			t.Errorf("what others see of it: %+v, %v", theirs, err)
		}
		events, err := db.Events(t.Context(), audit.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[audit.Kind]string{}
		for _, e := range events {
			if seen[e.Kind] == "" { // the newest comes first
				seen[e.Kind] = e.Actor + " " + e.Subject + " " + e.Data["link"]
			}
			for _, secret := range []string{value, link.Hash, own, "argon2"} {
				if strings.Contains(fmt.Sprint(e), secret) {
					t.Errorf("a secret is in the event %+v", e)
				}
			}
		}
		about := " person:" + string(person.ID) + " " + link.ID
		if seen[identity.SignInLinkMade] != string(admin.Person)+about || seen[identity.PasswordSet] != string(person.ID)+about {
			t.Errorf("recorded: %q and %q", seen[identity.SignInLinkMade], seen[identity.PasswordSet])
		}
	})
}

// What ends a link before it is used. Whoever holds it reads the same sentence.
func TestSignInLinkEnds(t *testing.T) {
	t.Parallel()
	ends := map[string]func(t *testing.T, d *desk, admin identity.Actor, p identity.Person) error{
		"its time": func(_ *testing.T, d *desk, _ identity.Actor, _ identity.Person) error {
			d.now = d.now.Add(identity.LinkLasts)
			return nil
		},
		"a newer one": func(t *testing.T, d *desk, admin identity.Actor, p identity.Person) error {
			t.Helper()
			_, _, err := d.MakeSignInLink(t.Context(), admin, p.ID)
			return err
		},
		"an administrator": func(t *testing.T, d *desk, admin identity.Actor, p identity.Person) error {
			t.Helper()
			return d.VoidSignInLink(t.Context(), admin, p.ID)
		},
		"a password that was set meanwhile": func(t *testing.T, d *desk, _ identity.Actor, p identity.Person) error {
			t.Helper()
			_, err := d.SetPassword(t.Context(), p.Email, password)
			return err
		},
		"its maker is no administrator any more": func(t *testing.T, d *desk, admin identity.Actor, _ identity.Person) error {
			t.Helper()
			maker, err := d.db.Person(t.Context(), admin.Person)
			for _, may := range []bool{false, true} {
				maker.Admin = may
				err = errors.Join(err, d.db.SavePerson(t.Context(), maker))
			}
			return err
		},
		"the person is disabled, and enabled again": func(t *testing.T, d *desk, admin identity.Actor, p identity.Person) error {
			t.Helper()
			if _, err := d.db.ChangePerson(t.Context(), p.ID, identity.Change{Disabled: new(true)}.By(admin, d.now)); err != nil {
				return err
			}
			if _, _, err := d.MakeSignInLink(t.Context(), admin, p.ID); fault.Public(err).Code != "person_disabled" {
				t.Errorf("a link for somebody disabled: %v", err)
			}
			_, err := d.ChangePerson(t.Context(), admin, p.ID, identity.Change{Disabled: new(false)})
			return err
		},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d, admin, _ := linked(t, db)
		n := 0
		for name, end := range ends {
			n++
			p, err := d.AddPerson(t.Context(), admin, fmt.Sprintf("p%d@acme.example", n), "", false)
			if err != nil {
				t.Fatal(err)
			}
			_, value, err := d.MakeSignInLink(t.Context(), admin, p.ID)
			if err != nil {
				t.Fatal(err)
			}
			before := d.now
			if err := end(t, d, admin, p); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if _, _, err := d.OpenSignInLink(t.Context(), value); fault.Public(err).Code != "link_void" {
				t.Errorf("%s: opened: %v", name, err)
			}
			if _, err := d.UseSignInLink(t.Context(), value, "a password of my own", identity.From{}); fault.Public(err).Code != "link_void" {
				t.Errorf("%s: used: %v", name, err)
			}
			d.now = before
		}
		for _, bad := range []string{"", "x", strings.Repeat("A", 43)} {
			if _, _, err := d.OpenSignInLink(t.Context(), bad); fault.Public(err).Code != "link_void" {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})
}

// Who may make one, and for whom. To use one ends what the person had.
func TestSignInLinkIsGuarded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d, admin, person := linked(t, db)
		if _, err := d.SetPassword(t.Context(), ben, password); err != nil {
			t.Fatal(err)
		}
		_, session, err := d.SignIn(t.Context(), ben, password, identity.From{})
		if err != nil {
			t.Fatal(err)
		}
		member, _, err := d.AuthenticateSession(t.Context(), session)
		if err != nil {
			t.Fatal(err)
		}
		stale := admin
		stale.ProvenAt = d.now.Add(-identity.ProofLasts - time.Second)
		narrow := admin
		narrow.Scopes, narrow.Via = identity.PersonalScopes(), "token:tok_x"
		byToken := admin
		byToken.Via, byToken.ProvenAt = "token:tok_y", time.Time{}
		// Who mistypes now and then is not shut out by it.
		for range 4 {
			for range 3 {
				if _, _, err := d.MakeSignInLinkWith(t.Context(), byToken, person.ID, wrong, identity.From{}); fault.Public(err).Field != identity.OwnPassword {
					t.Errorf("a token with another password: %v", err)
				}
			}
			if _, _, err := d.MakeSignInLinkWith(t.Context(), byToken, person.ID, password, identity.From{}); err != nil {
				t.Errorf("a token with its owner's password: %v", err)
			}
		}
		// A token that may make no link does not find out what the password is.
		for _, given := range []string{password, wrong} {
			for who, code := range map[*identity.Actor]string{&narrow: "scope_missing", &member: "admin_needed"} {
				if _, _, err := d.MakeSignInLinkWith(t.Context(), *who, person.ID, given, identity.From{}); fault.Public(err).Code != code {
					t.Errorf("%s with a password: %v", code, err)
				}
			}
		}
		if err := d.VoidSignInLink(t.Context(), byToken, person.ID); err != nil {
			t.Errorf("to void needs no proof: %v", err)
		}
		tests := map[string]struct {
			who  identity.Actor
			id   identity.PersonID
			code string
		}{
			"a member":                        {member, admin.Person, "admin_needed"},
			"a narrow token":                  {narrow, person.ID, "scope_missing"},
			"a token, whatever it may do":     {byToken, person.ID, "proof_needed"},
			"a sign-in of long ago":           {stale, person.ID, "proof_needed"},
			"an administrator for themselves": {admin, admin.Person, "own_password"},
			"nobody":                          {admin, "usr_none", "person_missing"},
		}
		for name, tt := range tests {
			if _, _, err := d.MakeSignInLink(t.Context(), tt.who, tt.id); fault.Public(err).Code != tt.code {
				t.Errorf("%s: %q, %v", name, fault.Public(err).Code, err)
			}
		}
		for _, err := range []error{d.VoidSignInLink(t.Context(), member, person.ID), d.VoidSignInLink(t.Context(), admin, person.ID)} {
			if err == nil {
				t.Error("voided by a member, or what is not there")
			}
		}
		if _, err := d.SignInOf(t.Context(), member, admin.Person); !errors.Is(err, fault.Forbidden) {
			t.Errorf("how others sign in is a member's business: %v", err)
		}
		_, value, err := d.MakeSignInLink(t.Context(), admin, person.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.AuthenticateSession(t.Context(), session); err != nil {
			t.Errorf("a link that is not used ended a session: %v", err)
		}
		if _, err := d.UseSignInLink(t.Context(), value, "a password of my own", identity.From{}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.AuthenticateSession(t.Context(), session); !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("a session from before the new password: %v", err)
		}
	})
}

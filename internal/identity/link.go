package identity

import (
	"context"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
)

// LinkLasts is how long a sign-in link can be used.
const LinkLasts = 24 * time.Hour

// LinkPath is where a link leads on the server; its value follows.
const LinkPath = "/sign-in/link/"

// SignInLink lets somebody who has no password, or lost it, set one of their
// own: once, and until it ends. Only the hash of its value is kept.
type SignInLink struct {
	ID        string // "lnk_…"; "": there is none
	Person    PersonID
	Hash      string // SHA-256 of the value, hex
	MadeBy    string // the administrator, as [Actor.String] names them
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Valid says whether the link can be used at the time now.
func (l SignInLink) Valid(now time.Time) bool { return l.ID != "" && now.Before(l.ExpiresAt) }

// SignIn is how somebody can sign in to the web UI.
type SignIn struct {
	Person     Person
	PasswordAt time.Time  // when their password was set; zero: they have none
	Link       SignInLink // the zero value when none can be used
}

// LinkStore keeps sign-in links; see [SignInStore] too.
type LinkStore interface {
	// PasswordSetAt says when the person's password was set; zero: they have none.
	PasswordSetAt(ctx context.Context, id PersonID) (time.Time, error)
	// SignInLink returns the person's link, or its zero value.
	SignInLink(ctx context.Context, id PersonID) (SignInLink, error)
	// Events lists what was recorded, newest first.
	Events(ctx context.Context, f audit.Filter) ([]audit.Event, error)
	// SignInLinkByHash returns the link whose value has the hash, and its person, or
	// a fault.NotFound.
	SignInLinkByHash(ctx context.Context, hash string) (SignInLink, Person, error)
	// ChangeSignInLink runs change on the person and their link and keeps the link
	// that it returns, none for the zero value, with its events, in one transaction
	// in the writers' turn. It may run change more than once.
	ChangeSignInLink(ctx context.Context, id PersonID, change LinkChange) error
	// UseSignInLink runs use on the link whose value has the hash (zero: there is
	// none) and its person, and sets the password as SetPassword does, which
	// removes the link, in one transaction in the writers' turn. It may run use more
	// than once.
	UseSignInLink(ctx context.Context, hash string, use LinkUse, password, account string, now time.Time) error
}

// LinkChange makes of a person's link, as it is now, another one, or says why
// not.
type LinkChange func(p Person, l SignInLink) (SignInLink, []audit.Event, error)

// LinkUse says what is recorded when a link is used, or why it cannot be.
type LinkUse func(p Person, l SignInLink) ([]audit.Event, error)

// Events of sign-in links. That one was used is an event PasswordSet.
const (
	SignInLinkMade   audit.Kind = "sign_in_link.made"
	SignInLinkVoided audit.Kind = "sign_in_link.voided"
)

// SignInOf says how somebody can sign in; for administrators.
func (s *Service) SignInOf(ctx context.Context, who Actor, id PersonID) (SignIn, error) {
	if err := s.needAdmin(ctx, who, "person", "see how they sign in"); err != nil {
		return SignIn{}, err
	}
	p, err := s.store.Person(ctx, id)
	if err != nil {
		return SignIn{}, err
	}
	set, err := s.store.PasswordSetAt(ctx, id)
	if err != nil {
		return SignIn{}, err
	}
	l, err := s.store.SignInLink(ctx, id)
	if !l.Valid(s.now()) {
		l = SignInLink{}
	}
	return SignIn{Person: p, PasswordAt: set, Link: l}, err
}

// lettingInShown is how many of their own links people see.
const lettingInShown = 10

// LettingIn lists what lately let the actor, or somebody in their name, into the
// web UI: links that were made and passwords that were set, newest first.
func (s *Service) LettingIn(ctx context.Context, who Actor) ([]audit.Event, error) {
	return s.store.Events(ctx, audit.Filter{
		Subject: "person:" + string(who.Person), Limit: lettingInShown,
		Kinds: []string{string(SignInLinkMade), string(SignInLinkVoided), string(PasswordSet)},
	})
}

// MakeSignInLink makes a link with which the person sets a password of their
// own, and returns its value, which is shown this once. A link from before does
// not work any more; what they can sign in with now does, until the new link is
// used.
func (s *Service) MakeSignInLink(ctx context.Context, who Actor, id PersonID) (SignInLink, string, error) {
	if err := s.mayMakeLink(ctx, who, id); err != nil {
		return SignInLink{}, "", err
	}
	now := s.now()
	if err := who.NeedOwnPassword(now); err != nil {
		return SignInLink{}, "", err
	}
	value := newSessionValue()
	link := SignInLink{ID: s.newID("lnk"), Person: id, Hash: sum(value), MadeBy: who.String(), CreatedAt: now, ExpiresAt: now.Add(LinkLasts)}
	err := s.store.ChangeSignInLink(ctx, id, func(p Person, before SignInLink) (SignInLink, []audit.Event, error) {
		if p.Disabled {
			return before, nil, fault.New(fault.Conflict, "%s is disabled: they cannot sign in.", p.Name).WithCode("person_disabled").
				WithHint("Enable them first.")
		}
		return link, []audit.Event{s.linkEvent(SignInLinkMade, who, p, link)}, nil
	})
	if err != nil {
		return SignInLink{}, "", err
	}
	return link, value, nil
}

// MakeSignInLinkWith is MakeSignInLink by somebody who gives their own password in
// the same call. It is tried only for who may make a link: no token finds out by
// it what the password is.
func (s *Service) MakeSignInLinkWith(ctx context.Context, who Actor, id PersonID, ownPassword string, from From) (SignInLink, string, error) {
	err := s.mayMakeLink(ctx, who, id)
	if err == nil {
		who, err = s.Prove(ctx, who, ownPassword, from)
	}
	if err != nil {
		return SignInLink{}, "", err
	}
	return s.MakeSignInLink(ctx, who, id)
}

// mayMakeLink says why who may not make a link for the person, or nil.
func (s *Service) mayMakeLink(ctx context.Context, who Actor, id PersonID) error {
	if err := s.needAdmin(ctx, who, "person", "make a sign-in link"); err != nil {
		return err
	}
	if who.Person == id { // a link would change it without the present one
		return fault.New(fault.Conflict, "You change your own password with the present one.").WithCode("own_password").
			WithHint("Do it on your profile. If you lost it: margay admin password --email ADDRESS")
	}
	return nil
}

// VoidSignInLink ends a person's link before it is used.
func (s *Service) VoidSignInLink(ctx context.Context, who Actor, id PersonID) error {
	if err := s.needAdmin(ctx, who, "person", "void a sign-in link"); err != nil {
		return err
	}
	return s.store.ChangeSignInLink(ctx, id, func(p Person, before SignInLink) (SignInLink, []audit.Event, error) {
		if !before.Valid(s.now()) {
			return before, nil, fault.New(fault.Conflict, "%s has no sign-in link that works.", p.Name).WithCode("no_link")
		}
		return SignInLink{}, []audit.Event{s.linkEvent(SignInLinkVoided, who, p, before)}, nil
	})
}

func (s *Service) linkEvent(kind audit.Kind, who Actor, p Person, l SignInLink) audit.Event {
	return audit.Event{At: s.now(), Kind: kind, Actor: who.String(), Subject: "person:" + string(p.ID), Data: map[string]string{
		"link": l.ID, "email": p.Email, "by": who.Name, "expires": l.ExpiresAt.UTC().Format(time.RFC3339),
	}}
}

// errLink is the same for all links that do not work: a stranger learns nothing.
func errLink() error {
	return fault.New(fault.NotFound, "This link does not work, or not any more.").WithCode("link_void").
		WithHint("It works once and for %d hours, and a newer one takes its place. Ask your administrator for another.", int(LinkLasts/time.Hour))
}

// usable says why a link cannot be used.
func (s *Service) usable(p Person, l SignInLink) error {
	if !l.Valid(s.now()) || p.Disabled {
		return errLink()
	}
	return nil
}

// OpenSignInLink says whose link has the value. To look at a link is not to use
// it: programs that read mail open what they find.
func (s *Service) OpenSignInLink(ctx context.Context, value string) (Person, SignInLink, error) {
	l, p, err := s.store.SignInLinkByHash(ctx, sum(strings.TrimSpace(value)))
	if fault.KindOf(err) == fault.NotFound {
		err = errLink()
	}
	if err == nil {
		err = s.usable(p, l)
	}
	if err != nil {
		return Person{}, SignInLink{}, err
	}
	return p, l, nil
}

// UseSignInLink sets the password of whose link has the value. The link is used
// up, and sessions from before end.
func (s *Service) UseSignInLink(ctx context.Context, value, password string, from From) (Person, error) {
	p, _, err := s.OpenSignInLink(ctx, value)
	if err != nil {
		return Person{}, err
	}
	if err := checkPassword("password", password, p); err != nil {
		return Person{}, err
	}
	hash, err := s.passwords.hash(ctx, password)
	if err != nil {
		return Person{}, err
	}
	return p, s.store.UseSignInLink(ctx, sum(strings.TrimSpace(value)), func(p Person, l SignInLink) ([]audit.Event, error) {
		e := s.event(PasswordSet, p.inBrowser(Session{}), p)
		e.Data["link"], e.Data["address"] = l.ID, cut(from.Address, 64)
		return []audit.Event{e}, s.usable(p, l)
	}, hash, accountOf(p.Email), s.now())
}

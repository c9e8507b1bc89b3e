package identity

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
)

// Store keeps people and tokens.
type Store interface {
	SignInStore
	Person(ctx context.Context, id PersonID) (Person, error)
	// PersonByEmail finds somebody without regard to case, or returns a
	// fault.NotFound.
	PersonByEmail(ctx context.Context, email string) (Person, error)
	// People returns everybody by name.
	People(ctx context.Context) ([]Person, error)
	// SavePerson keeps p, new or changed. An e-mail address that somebody else
	// has is a fault.Conflict.
	SavePerson(ctx context.Context, p Person, events ...audit.Event) error
	// ChangePerson runs change on the person and on everybody, and keeps its
	// result and events, in one transaction in the writers' turn: what change saw
	// is still true when its result is kept. It may run change more than once.
	ChangePerson(ctx context.Context, id PersonID, change ChangeFunc) (Person, error)
	// Directory returns everybody and every group.
	Directory(ctx context.Context) (Directory, error)
	// ChangeDirectory runs change on the whole directory and keeps the people and
	// groups that it returns, and its events, in one transaction in the writers'
	// turn. It may run change more than once.
	ChangeDirectory(ctx context.Context, change func(all Directory) (changed Directory, events []audit.Event, err error)) error
	Group(ctx context.Context, id GroupID) (Group, error)
	Groups(ctx context.Context) ([]Group, error)
	// CountTokens says how many tokens of a person can be used at the time.
	CountTokens(ctx context.Context, person PersonID, at time.Time) (int, error)
	// RecordEvents appends events to the audit chain.
	RecordEvents(ctx context.Context, events ...audit.Event) error
	AddToken(ctx context.Context, t Token, events ...audit.Event) error
	// TokenByHash returns the token whose value has the hash, or a fault.NotFound.
	TokenByHash(ctx context.Context, hash string) (Token, error)
	TokenStore
}

// Service keeps the directory and says who is asking.
type Service struct {
	store     Store
	passwords *passwords
	now       func() time.Time
	newID     func(prefix string) string
}

// NewService returns the service.
func NewService(store Store, now func() time.Time, newID func(prefix string) string) *Service {
	return &Service{store: store, passwords: newPasswords(), now: now, newID: newID}
}

// Events of the directory.
const (
	PersonAdded   audit.Kind = "person.added"
	PersonChanged audit.Kind = "person.changed"
	TokenCreated  audit.Kind = "token.created"
	ActRefused    audit.Kind = "act.refused" // somebody tried what they may not do
)

// AddPerson adds somebody to the directory.
func (s *Service) AddPerson(ctx context.Context, who Actor, email, name string, admin bool) (Person, error) {
	return s.AddReport(ctx, who, email, name, admin, "")
}

// AddReport adds somebody who reports to manager; "" is nobody.
func (s *Service) AddReport(ctx context.Context, who Actor, email, name string, admin bool, manager PersonID) (Person, error) {
	if err := s.needAdmin(ctx, who, "person", "add"); err != nil {
		return Person{}, err
	}
	p, err := NewPerson(PersonID(s.newID("usr")), email, name, admin, s.now())
	if err == nil && admin {
		err = who.NeedProof(s.now())
	}
	if err != nil {
		return Person{}, err
	}
	if p.Manager = manager; manager != "" {
		if _, err := s.store.Person(ctx, manager); err != nil {
			return Person{}, err
		}
	}
	return p, s.store.SavePerson(ctx, p, s.event(PersonAdded, who, p))
}

// Change is what may be changed of a person; nil leaves it as it is.
type Change struct {
	Name     *string
	Admin    *bool
	Disabled *bool
	Manager  *PersonID // "": nobody
}

// ChangePerson changes somebody. The last administrator stays one.
func (s *Service) ChangePerson(ctx context.Context, who Actor, id PersonID, c Change) (Person, error) {
	if err := s.needAdmin(ctx, who, "person", "change"); err != nil {
		return Person{}, err
	}
	if c.Disabled != nil && *c.Disabled {
		return Person{}, errDisables
	}
	return s.store.ChangePerson(ctx, id, c.By(who, s.now()))
}

// errDisables: what somebody has is settled in the change that disables them,
// and only access knows what that is.
var errDisables = errors.New("change person: who is disabled is disabled with what they have, see access.Service.Disable")

// ChangeFunc makes of a person, as everybody is now, another one, or says why
// not.
type ChangeFunc func(p Person, all []Person) (Person, []audit.Event, error)

// By is c made by an administrator.
func (c Change) By(who Actor, now time.Time) ChangeFunc {
	return func(p Person, all []Person) (Person, []audit.Event, error) {
		if !who.IsSystem() && !slices.ContainsFunc(all, func(o Person) bool { return o.ID == who.Person && o.isAdmin() }) {
			return p, nil, errAdminNoMore
		}
		was := p.isAdmin()
		p, err := c.of(p, all)
		if err == nil && p.isAdmin() != was {
			err = who.NeedProof(now)
		}
		return p, []audit.Event{eventOf(PersonChanged, who, p, now)}, err
	}
}

// CheckChange says why ChangePerson would refuse a change, and changes nothing.
func (s *Service) CheckChange(ctx context.Context, who Actor, id PersonID, c Change) (Person, error) {
	if err := s.needAdmin(ctx, who, "person", "change"); err != nil {
		return Person{}, err
	}
	p, err := s.store.Person(ctx, id)
	if err != nil {
		return p, err
	}
	all, err := s.store.People(ctx)
	if err != nil {
		return p, err
	}
	return c.of(p, all)
}

// CountTokens says how many API tokens of a person work now.
func (s *Service) CountTokens(ctx context.Context, person PersonID) (int, error) {
	return s.store.CountTokens(ctx, person, s.now())
}

var errAdminNoMore = fault.New(fault.Forbidden, "You are no administrator any more.").WithCode("admin_needed")

// of returns p changed, or why it cannot be.
func (c Change) of(p Person, all []Person) (Person, error) {
	if c.Name != nil {
		name, err := cleanName(*c.Name)
		if err != nil {
			return p, err
		}
		if name == "" {
			return p, fault.Field("name", "A name is required.")
		}
		p.Name = name
	}
	if c.Manager != nil {
		p.Manager = *c.Manager
		if err := (Directory{People: all}).checkManager(p); err != nil {
			return p, err
		}
	}
	was := p.isAdmin()
	if c.Admin != nil {
		p.Admin = *c.Admin
	}
	if c.Disabled != nil {
		p.Disabled = *c.Disabled
	}
	if was && !p.isAdmin() && !slices.ContainsFunc(all, func(o Person) bool { return o.ID != p.ID && o.isAdmin() }) {
		return p, fault.New(fault.Conflict, "This is the last administrator.").WithCode("last_admin").WithHint("Make somebody else one first.")
	}
	return p, nil
}

func (s *Service) needAdmin(ctx context.Context, who Actor, subject, act string) error {
	err := who.NeedAdmin(ScopeAdmin)
	if err == nil {
		return nil
	}
	return errors.Join(err, s.store.RecordEvents(ctx, audit.Event{
		At: s.now(), Kind: ActRefused, Actor: who.String(), Subject: subject, Data: map[string]string{"act": act, "code": fault.Public(err).Code},
	}))
}

// Person returns one person.
func (s *Service) Person(ctx context.Context, id PersonID) (Person, error) {
	return s.store.Person(ctx, id)
}

// PersonByEmail finds somebody without regard to case.
func (s *Service) PersonByEmail(ctx context.Context, email string) (Person, error) {
	return s.store.PersonByEmail(ctx, email)
}

// People returns everybody by name.
func (s *Service) People(ctx context.Context) ([]Person, error) { return s.store.People(ctx) }

// Authenticate returns who the bearer of a token's value is.
func (s *Service) Authenticate(ctx context.Context, value string) (Actor, error) {
	bad := fault.New(fault.Unauthenticated, "The token is not valid.").WithCode("bad_token").
		WithHint("Make one with: margay admin token")
	if !WellFormed(value) {
		return Actor{}, bad
	}
	t, err := s.store.TokenByHash(ctx, HashToken(value))
	if fault.KindOf(err) == fault.NotFound {
		return Actor{}, bad
	}
	if err != nil {
		return Actor{}, err
	}
	p, err := s.store.Person(ctx, t.Person)
	if err != nil {
		return Actor{}, err
	}
	if !t.Valid(s.now()) || p.Disabled {
		return Actor{}, bad
	}
	return Actor{Person: p.ID, Name: p.Name, Admin: p.Admin, Scopes: t.Scopes, Via: "token:" + t.ID}, nil
}

// IssueToken makes a token for the person of the e-mail address, on the word of
// somebody who has the data folder in hand. Without an address it is for the
// first administrator. An administrator that is not there is made when the
// scopes hold ScopeAdmin or there is none at all.
func (s *Service) IssueToken(ctx context.Context, email string, scopes []Scope) (string, error) {
	p, err := s.ownerOfToken(ctx, email, scopes)
	if err != nil {
		return "", err
	}
	if len(scopes) == 0 {
		scopes = PersonalScopes()
		if p.Admin {
			scopes = []Scope{ScopeAdmin}
		}
	}
	t, value, err := NewToken(s.newID("tok"), p.ID, "margay admin token", scopes, s.now())
	if err != nil {
		return "", err
	}
	e := audit.Event{At: s.now(), Kind: TokenCreated, Actor: System().String(), Subject: "person:" + string(p.ID), Data: map[string]string{
		"token": t.ID, "scopes": scopeText(scopes), "email": p.Email,
	}}
	if err := s.store.AddToken(ctx, t, e); err != nil {
		return "", err
	}
	return value, nil
}

// firstAdmin is the e-mail address of an administrator that is made without one.
const firstAdmin = "admin@localhost.localdomain"

func (s *Service) ownerOfToken(ctx context.Context, email string, scopes []Scope) (Person, error) {
	email = strings.TrimSpace(email)
	people, err := s.store.People(ctx)
	if err != nil {
		return Person{}, err
	}
	var admin *Person
	for _, p := range people {
		if p.isAdmin() && (admin == nil || p.CreatedAt.Before(admin.CreatedAt)) {
			admin = &p
		}
	}
	if email == "" && admin != nil {
		return *admin, nil
	}
	if email != "" {
		p, err := s.store.PersonByEmail(ctx, email)
		switch {
		case err == nil && p.Disabled:
			return p, fault.New(fault.Conflict, "%s is disabled: a token of theirs would not work.", p.Email).WithCode("person_disabled")
		case fault.KindOf(err) != fault.NotFound: // found, or not to be found out
			return p, err
		}
	}
	if admin != nil && !slices.Contains(scopes, ScopeAdmin) {
		return Person{}, fault.New(fault.NotFound, "There is nobody with the e-mail address %s.", email).WithCode("person_missing").
			WithHint("Add them with: margay person add EMAIL; or make an administrator with --scope admin.")
	}
	if email == "" {
		email = firstAdmin
	}
	return s.makeAdmin(ctx, email)
}

// makeAdmin adds an administrator, unless somebody else just did.
func (s *Service) makeAdmin(ctx context.Context, email string) (Person, error) {
	p, err := s.AddPerson(ctx, System(), email, "", true)
	if fault.KindOf(err) == fault.Conflict {
		return s.store.PersonByEmail(ctx, email)
	}
	return p, err
}

func scopeText(scopes []Scope) string {
	texts := make([]string, len(scopes))
	for i, s := range scopes {
		texts[i] = string(s)
	}
	return strings.Join(texts, " ")
}

func (s *Service) event(kind audit.Kind, who Actor, p Person) audit.Event {
	return eventOf(kind, who, p, s.now())
}

func eventOf(kind audit.Kind, who Actor, p Person, now time.Time) audit.Event {
	data := map[string]string{"email": p.Email, "name": p.Name}
	if p.Admin {
		data["admin"] = "true"
	}
	if p.Disabled {
		data["disabled"] = "true"
	}
	if p.Manager != "" {
		data["manager"] = string(p.Manager)
	}
	return audit.Event{At: now, Kind: kind, Actor: who.String(), Subject: "person:" + string(p.ID), Data: data}
}

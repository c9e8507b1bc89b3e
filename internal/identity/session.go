package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
)

// How long a session in a browser lasts.
const (
	SessionIdle    = time.Hour      // without a page asked for
	SessionLongest = 12 * time.Hour // in any case
	seenEvery      = time.Minute    // how exactly the last page is kept
)

// Session lets a browser act as a person, with all that the person may do. Only
// the hash of its value is kept.
type Session struct {
	ID        string
	Person    PersonID
	Hash      string // SHA-256 of the value, hex
	Agent     string // the browser, in its own words
	Address   string // where the sign-in came from
	CreatedAt time.Time
	SeenAt    time.Time // the last page, to about a minute
	ProvenAt  time.Time // when the person last gave their password: at the sign-in or later
}

// EndsAt is when the session ends if no page is asked for.
func (s Session) EndsAt() time.Time {
	idle, longest := s.SeenAt.Add(SessionIdle), s.CreatedAt.Add(SessionLongest)
	if idle.Before(longest) {
		return idle
	}
	return longest
}

// valid says whether the session may be used at the time now.
func (s Session) valid(now time.Time) bool { return now.Before(s.EndsAt()) }

// SignInStore keeps passwords, sessions and failed sign-ins.
type SignInStore interface {
	LinkStore
	// Password returns the hash of the person's password; "" is none.
	Password(ctx context.Context, id PersonID) (string, error)
	// SetPassword keeps the hash, ends the person's sessions but keep, removes their
	// sign-in link, and forgets the account's failures.
	SetPassword(ctx context.Context, id PersonID, hash, account, keep string, now time.Time, events ...audit.Event) error
	// AddSession keeps a session, forgets the account's failures and removes what
	// ended before old.
	AddSession(ctx context.Context, s Session, account string, old time.Time, events ...audit.Event) error
	// SessionByHash returns the session whose value has the hash, and its person,
	// or a fault.NotFound.
	SessionByHash(ctx context.Context, hash string) (Session, Person, error)
	// SessionSeen notes that a page was asked for.
	SessionSeen(ctx context.Context, id string, at time.Time) error
	// ProveSession notes that the person of a session gave their password again,
	// and forgets the account's failures.
	ProveSession(ctx context.Context, id, account string, at time.Time, events ...audit.Event) error
	// Sessions returns a person's sessions, newest first.
	Sessions(ctx context.Context, id PersonID) ([]Session, error)
	// EndSessions removes those sessions of the person that drop picks.
	EndSessions(ctx context.Context, id PersonID, drop func(Session) bool, event func(Session) audit.Event) error
	// Failures returns how often signing in to the account failed since it last
	// worked, and when last.
	Failures(ctx context.Context, account string) (n int, last time.Time, err error)
	// AddFailure counts one more, and forgets those of accounts that were left
	// alone since old.
	AddFailure(ctx context.Context, account string, at, old time.Time, events ...audit.Event) error
	// ClaimForm notes that the form of the key was sent, unless it was before: then
	// it returns where the browser was sent, "" while that is not known.
	ClaimForm(ctx context.Context, key string, at, old time.Time) (claimed bool, answer string, err error)
	// AnswerForm keeps where the browser was sent; "" lets the form be sent again.
	AnswerForm(ctx context.Context, key, answer string) error
}

// Events of signing in.
const (
	PasswordSet    audit.Kind = "password.set"
	SessionStarted audit.Kind = "session.started"
	SessionEnded   audit.Kind = "session.ended"
	SessionProven  audit.Kind = "session.proven"
	SignInFailed   audit.Kind = "sign_in.failed"
)

// How failed sign-ins slow the next one down.
const (
	freeFailures = 5
	longestWait  = 5 * time.Minute
	mostFailures = 100            // then an administrator sets a new password
	failuresKept = 24 * time.Hour // after that long without another
)

// From is where somebody signs in from.
type From struct{ Agent, Address string }

// errSignIn says the same whoever it is, so that nobody learns who has an
// account.
func errSignIn() *fault.Error {
	return fault.New(fault.Unauthenticated, "The e-mail address or the password is not right.").WithCode("sign_in_failed").
		WithHint("Check both. If you have no password, or lost it, an administrator can give you a link to set one: under People, or with: margay person sign-in link ADDRESS")
}

// SignIn returns a new session of the person and its value, which goes into a
// cookie and is kept nowhere.
func (s *Service) SignIn(ctx context.Context, email, password string, from From) (Session, string, error) {
	email = strings.TrimSpace(email)
	account := accountOf(email)
	now := s.now()
	if err := s.throttled(ctx, account, now); err != nil {
		return Session{}, "", err
	}
	p, hash, err := s.passwordOf(ctx, email)
	if err != nil {
		return Session{}, "", err
	}
	ok, err := s.passwords.matches(ctx, hash, password)
	if err != nil {
		return Session{}, "", err
	}
	if !ok || p.Disabled {
		return Session{}, "", errors.Join(errSignIn(), s.failed(ctx, account, p, from, now))
	}
	value := newSessionValue()
	session := Session{
		ID: s.newID("ses"), Person: p.ID, Hash: hashSession(value), Agent: cut(from.Agent, 255), Address: cut(from.Address, 64),
		CreatedAt: now, SeenAt: now, ProvenAt: now,
	}
	e := s.sessionEvent(SessionStarted, string(p.ID), session)
	if err := s.store.AddSession(ctx, session, account, now.Add(-SessionLongest), e); err != nil {
		return Session{}, "", err
	}
	return session, value, nil
}

// passwordOf returns the person and the hash of their password; neither when
// there is nobody.
func (s *Service) passwordOf(ctx context.Context, email string) (Person, string, error) {
	p, err := s.store.PersonByEmail(ctx, email)
	if fault.KindOf(err) == fault.NotFound {
		return Person{}, "", nil
	}
	if err != nil {
		return Person{}, "", err
	}
	hash, err := s.store.Password(ctx, p.ID)
	return p, hash, err
}

func (s *Service) throttled(ctx context.Context, account string, now time.Time) error {
	n, last, err := s.store.Failures(ctx, account)
	if err != nil || n < freeFailures {
		return err
	}
	if n >= mostFailures {
		return fault.New(fault.Forbidden, "Signing in to this account failed too often: it is closed.").WithCode("sign_in_closed").
			WithHint("An administrator opens it with a link to set a new password: under People, or with: margay person sign-in link ADDRESS")
	}
	wait := min(time.Second<<min(n-freeFailures, 20), longestWait)
	left := last.Add(wait).Sub(now)
	if left <= 0 {
		return nil
	}
	return &ThrottledError{Again: now.Add(left), Err: fault.New(fault.Forbidden, "Signing in failed several times. Try again in %s.", roughly(left)).
		WithCode("sign_in_throttled").WithHint("The wait grows with each failure, up to %s.", roughly(longestWait))}
}

// ThrottledError is a refusal that ends by itself.
type ThrottledError struct {
	Again time.Time
	Err   *fault.Error
}

// Error implements error.
func (t *ThrottledError) Error() string { return t.Err.Message }

// Unwrap gives the fault.
func (t *ThrottledError) Unwrap() error { return t.Err }

// roughly is a length of time in words, rounded up.
func roughly(d time.Duration) string {
	n, unit := int((d+time.Second-1)/time.Second), "second"
	if d > 90*time.Second {
		n, unit = int((d+time.Minute-1)/time.Minute), "minute"
	}
	if n != 1 {
		unit += "s"
	}
	return strconv.Itoa(n) + " " + unit
}

func (s *Service) failed(ctx context.Context, account string, p Person, from From, now time.Time) error {
	e := audit.Event{At: now, Kind: SignInFailed, Actor: "nobody", Subject: "sign-in", Data: map[string]string{"address": cut(from.Address, 64)}}
	if p.ID != "" { // what was typed for nobody's address may be a password
		e.Subject = "person:" + string(p.ID)
		e.Data["email"] = p.Email
	}
	return s.store.AddFailure(ctx, account, now, now.Add(-failuresKept), e)
}

// AuthenticateSession returns who uses the browser that has the value, and
// notes that they are there.
func (s *Service) AuthenticateSession(ctx context.Context, value string) (Actor, Session, error) {
	who, session, err := s.PeekSession(ctx, value)
	if now := s.now(); err == nil && now.Sub(session.SeenAt) >= seenEvery {
		session.SeenAt = now
		err = s.store.SessionSeen(ctx, session.ID, now)
	}
	return who, session, err
}

// PeekSession is [Service.AuthenticateSession] without counting as use: what a
// page does by itself must not keep somebody signed in.
func (s *Service) PeekSession(ctx context.Context, value string) (Actor, Session, error) {
	over := fault.New(fault.Unauthenticated, "You are not signed in any more.").WithCode("session_over").WithHint("Sign in again.")
	session, p, err := s.store.SessionByHash(ctx, hashSession(value))
	if fault.KindOf(err) == fault.NotFound {
		return Actor{}, Session{}, over
	}
	if err != nil {
		return Actor{}, Session{}, err
	}
	if !session.valid(s.now()) || p.Disabled {
		return Actor{}, Session{}, over
	}
	return p.inBrowser(session), session, nil
}

// inBrowser is the person as an actor: in a browser they may do all that they
// may do at all.
func (p Person) inBrowser(session Session) Actor {
	scopes := PersonalScopes()
	if p.Admin {
		scopes = []Scope{ScopeAdmin}
	}
	return Actor{Person: p.ID, Name: p.Name, Admin: p.Admin, Scopes: scopes, Via: "session:" + session.ID, ProvenAt: session.ProvenAt}
}

// SignOut ends the actor's own session.
func (s *Service) SignOut(ctx context.Context, who Actor) error {
	id, _ := strings.CutPrefix(who.Via, "session:")
	return s.endSessions(ctx, who, func(o Session) bool { return o.ID == id })
}

// EndSession ends one of the actor's sessions.
func (s *Service) EndSession(ctx context.Context, who Actor, id string) error {
	return s.endSessions(ctx, who, func(o Session) bool { return o.ID == id })
}

// EndOtherSessions ends all sessions of the actor but the one in use.
func (s *Service) EndOtherSessions(ctx context.Context, who Actor) error {
	id, _ := strings.CutPrefix(who.Via, "session:")
	return s.endSessions(ctx, who, func(o Session) bool { return o.ID != id })
}

func (s *Service) endSessions(ctx context.Context, who Actor, drop func(Session) bool) error {
	return s.store.EndSessions(ctx, who.Person, drop, func(o Session) audit.Event { return s.sessionEvent(SessionEnded, who.String(), o) })
}

// Sessions returns the actor's sessions that can be used, newest first.
func (s *Service) Sessions(ctx context.Context, who Actor) ([]Session, error) {
	all, err := s.store.Sessions(ctx, who.Person)
	now := s.now()
	live := all[:0]
	for _, o := range all {
		if o.valid(now) {
			live = append(live, o)
		}
	}
	return live, err
}

// ChangePassword gives the actor a new password when they know the present one.
// Their other sessions end.
func (s *Service) ChangePassword(ctx context.Context, who Actor, present, password string) error {
	p, err := s.store.Person(ctx, who.Person)
	if err != nil {
		return err
	}
	account, now := accountOf(p.Email), s.now()
	if err := s.throttled(ctx, account, now); err != nil {
		return err
	}
	hash, err := s.store.Password(ctx, p.ID)
	if err != nil {
		return err
	}
	ok, err := s.passwords.matches(ctx, hash, present)
	if err != nil {
		return err
	}
	if !ok {
		return errors.Join(fault.Field("present", "That is not your present password."), s.failed(ctx, account, p, From{}, now))
	}
	keep, _ := strings.CutPrefix(who.Via, "session:")
	return s.setPassword(ctx, who, p, "password", password, keep)
}

// SetPassword sets the password of the person of the e-mail address, on the
// word of somebody who has the data folder in hand. Their sessions end. Without
// an address it is the first administrator's; one is made when there is none.
func (s *Service) SetPassword(ctx context.Context, email, password string) (Person, error) {
	p, err := s.ownerOfToken(ctx, email, nil)
	if err != nil {
		return Person{}, err
	}
	return p, s.setPassword(ctx, System(), p, "password", password, "")
}

func (s *Service) setPassword(ctx context.Context, who Actor, p Person, field, password, keep string) error {
	if err := checkPassword(field, password, p); err != nil {
		return err
	}
	hash, err := s.passwords.hash(ctx, password)
	if err != nil {
		return err
	}
	e := s.event(PasswordSet, who, p)
	return s.store.SetPassword(ctx, p.ID, hash, accountOf(p.Email), keep, s.now(), e)
}

// formKept is how long a form that was sent is remembered.
const formKept = 48 * time.Hour

// ClaimForm notes that the actor sends the form of the key. When it was sent
// before, it returns where the browser was sent then: "" while that is under
// way.
func (s *Service) ClaimForm(ctx context.Context, who Actor, key string) (claimed bool, answer string, err error) {
	now := s.now()
	return s.store.ClaimForm(ctx, formKey(who, key), now, now.Add(-formKept))
}

// AnswerForm keeps where the browser was sent; "" lets the form be sent again.
func (s *Service) AnswerForm(ctx context.Context, who Actor, key, answer string) error {
	return s.store.AnswerForm(ctx, formKey(who, key), answer)
}

func formKey(who Actor, key string) string { return sum(who.Via + " " + key) }

func (s *Service) sessionEvent(kind audit.Kind, actor string, o Session) audit.Event {
	return audit.Event{At: s.now(), Kind: kind, Actor: actor, Subject: "person:" + string(o.Person), Data: map[string]string{
		"session": o.ID, "address": o.Address,
	}}
}

// accountOf is how failures of an account are kept: what was typed may be a
// password.
func accountOf(email string) string { return sum(strings.ToLower(email)) }

// newSessionValue returns 256 random bits.
func newSessionValue() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func hashSession(value string) string { return sum(value) }

func sum(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}

// cut keeps what fits of a text that others wrote.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}

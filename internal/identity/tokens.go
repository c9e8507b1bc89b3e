package identity

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
)

// TokenRevoked is the event of a token's end before its time.
const TokenRevoked audit.Kind = "token.revoked"

// How long a token that a person makes may live.
const (
	LongestToken = 366 * 24 * time.Hour
	UsualToken   = 90 * 24 * time.Hour
)

// TokenStore keeps tokens; see [Store] too.
type TokenStore interface {
	// Tokens returns those of a person, or of everybody for "", newest first.
	Tokens(ctx context.Context, owner PersonID) ([]Token, error)
	TokenByID(ctx context.Context, id string) (Token, error)
	// RevokeToken marks a token that is not revoked yet, with its events, and
	// returns whether it was one.
	RevokeToken(ctx context.Context, id string, at time.Time, events ...audit.Event) (bool, error)
}

// NewTokenAsk is what a person asks a token for.
type NewTokenAsk struct {
	Name   string
	Scopes []Scope
	Life   time.Duration // 0: UsualToken
}

// Tokens lists who's tokens; all there are, for an administrator who asks for
// them.
func (s *Service) Tokens(ctx context.Context, who Actor, all bool) ([]Token, error) {
	if err := who.Need(ScopeAccessRead); err != nil {
		return nil, err
	}
	if !all {
		return s.store.Tokens(ctx, who.Person)
	}
	if err := s.needAdmin(ctx, who, "token", "list"); err != nil {
		return nil, err
	}
	return s.store.Tokens(ctx, "")
}

// CreateToken makes a token for who, and returns its value, which is shown this
// once. It may do no more than the token that it is made with, and does not live
// longer: a token that leaked must not leave another behind that outlives it.
func (s *Service) CreateToken(ctx context.Context, who Actor, ask NewTokenAsk) (Token, string, error) {
	if who.IsSystem() {
		return Token{}, "", fault.New(fault.Forbidden, "A token is a person's.").WithCode("not_yours")
	}
	if err := who.Need(ScopeAccessRead); err != nil {
		return Token{}, "", err
	}
	now := s.now()
	if err := who.NeedProof(now); err != nil {
		return Token{}, "", err
	}
	usual := ask.Life == 0
	ask, err := ask.check(who)
	if err != nil {
		return Token{}, "", err
	}
	expires := now.Add(ask.Life)
	if id, byToken := strings.CutPrefix(who.Via, "token:"); byToken {
		parent, err := s.store.TokenByID(ctx, id)
		if err != nil {
			return Token{}, "", err
		}
		if usual && !parent.ExpiresAt.IsZero() && expires.After(parent.ExpiresAt) {
			expires = parent.ExpiresAt
		}
		if !parent.ExpiresAt.IsZero() && expires.After(parent.ExpiresAt) {
			return Token{}, "", fault.Field("expires_in", "The token that you use ends before that: one that it makes cannot outlive it.")
		}
	}
	t, value, err := NewToken(s.newID("tok"), who.Person, ask.Name, ask.Scopes, now)
	if err != nil {
		return Token{}, "", err
	}
	t.ExpiresAt = expires
	e := audit.Event{At: now, Kind: TokenCreated, Actor: who.String(), Subject: "person:" + string(who.Person), Data: map[string]string{
		"token": t.ID, "name": t.Name, "scopes": scopeText(t.Scopes), "expires": expires.UTC().Format(time.RFC3339),
	}}
	if err := s.store.AddToken(ctx, t, e); err != nil {
		return Token{}, "", err
	}
	return t, value, nil
}

// check returns what is asked with its defaults, or what is wrong with it.
func (a NewTokenAsk) check(who Actor) (NewTokenAsk, error) {
	var faults []*fault.Error
	a.Name = strings.TrimSpace(a.Name)
	if a.Name == "" || !utf8.ValidString(a.Name) || strings.ContainsRune(a.Name, 0) || utf8.RuneCountInString(a.Name) > 100 {
		faults = append(faults, fault.Field("name", "A name is required, of at most 100 characters: what the token is for."))
	}
	if len(a.Scopes) == 0 {
		faults = append(faults, fault.Field("scopes", "Say what the token may be used for."))
	}
	for _, scope := range a.Scopes {
		switch {
		case !slices.Contains(Scopes(), scope):
			faults = append(faults, fault.Field("scopes", "There is no scope %q.", scope))
		case !who.Can(scope):
			faults = append(faults, fault.Field("scopes", "You may not give %s away: the token that you use lacks it.", scope))
		case scope == ScopeAdmin && !who.Admin:
			faults = append(faults, fault.Field("scopes", "The scope admin is for administrators."))
		}
	}
	if a.Life == 0 {
		a.Life = UsualToken
	}
	if a.Life < time.Minute || a.Life > LongestToken {
		faults = append(faults, fault.Field("expires_in", "A token lives for a minute at least and a year at most."))
	}
	return a, fault.Join(faults...)
}

// RevokeToken ends a token at once: one's own, or anybody's for an
// administrator.
func (s *Service) RevokeToken(ctx context.Context, who Actor, id string) (Token, error) {
	if err := who.Need(ScopeAccessRead); err != nil {
		return Token{}, err
	}
	t, err := s.store.TokenByID(ctx, id)
	if err != nil {
		return Token{}, err
	}
	if t.Person != who.Person && !who.Administers() {
		return Token{}, fault.New(fault.NotFound, "There is no token %s.", id).WithCode("token_missing") // whose it is, is not theirs to know
	}
	now := s.now()
	first, err := s.store.RevokeToken(ctx, id, now, audit.Event{At: now, Kind: TokenRevoked, Actor: who.String(), Subject: "person:" + string(t.Person), Data: map[string]string{
		"token": t.ID, "name": t.Name,
	}})
	if err != nil {
		return Token{}, err
	}
	if !first {
		return Token{}, fault.New(fault.Conflict, "This token has been revoked already.").WithCode("revoked")
	}
	t.RevokedAt = now
	return t, nil
}

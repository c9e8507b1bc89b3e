package identity

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
)

// ProofLasts is how old somebody's proof of who they are may be for what a
// browser that was left alone must not do: credentials, who administers.
const ProofLasts = 10 * time.Minute

// OwnPassword is the field in which people prove again who they are.
const OwnPassword = "own_password"

// byBrowser says whether the actor acts in a session of the web UI.
func (a Actor) byBrowser() bool { return strings.HasPrefix(a.Via, "session:") }

// provedLately says whether the actor gave their password lately.
func (a Actor) provedLately(now time.Time) bool { return now.Sub(a.ProvenAt) <= ProofLasts }

// Proven says whether the actor proved lately who they are. A token is made for
// what it does: it needs no more.
func (a Actor) Proven(now time.Time) bool {
	return !a.byBrowser() || a.provedLately(now)
}

// NeedProof returns a fault of the field [OwnPassword] unless the actor proved
// lately who they are.
func (a Actor) NeedProof(now time.Time) error {
	if a.Proven(now) {
		return nil
	}
	return fault.Field(OwnPassword, "You signed in more than %d minutes ago: type your own password, to show that it is you.", ProofLasts/time.Minute).
		WithCode("proof_needed")
}

// NeedOwnPassword is [Actor.NeedProof] for what lets somebody into the web UI. A
// token alone must not become a session there, which may do more than the token,
// so with a token the password is given in the same call.
func (a Actor) NeedOwnPassword(now time.Time) error {
	if a.byBrowser() || a.provedLately(now) {
		return a.NeedProof(now)
	}
	return fault.Field(OwnPassword, "A token alone lets nobody into the web UI: give your own password too, to show that it is you.").WithCode("proof_needed").
		WithHint("If you have none, do it in the web UI, under People; an operator sets one on the server with: margay admin password")
}

// Prove takes the actor's own password as a new proof of who they are: for the
// browser that they use, or, with a token, for what is done with the actor that
// it returns.
func (s *Service) Prove(ctx context.Context, who Actor, password string, from From) (Actor, error) {
	p, err := s.store.Person(ctx, who.Person)
	if err != nil {
		return who, err
	}
	account, now := accountOf(p.Email), s.now()
	if err := s.throttled(ctx, account, now); err != nil {
		if f := fault.Public(err); f.Kind == fault.Forbidden { // said at the field: what else was typed stays
			return who, fault.Field(OwnPassword, "%s", f.Message).WithCode(f.Code)
		}
		return who, err
	}
	hash, err := s.store.Password(ctx, p.ID)
	if err != nil {
		return who, err
	}
	ok, err := s.passwords.matches(ctx, hash, password)
	if err != nil {
		return who, err
	}
	if !ok {
		return who, errors.Join(fault.Field(OwnPassword, "That is not your password."), s.failed(ctx, account, p, from, now))
	}
	who.ProvenAt = now
	e := audit.Event{At: now, Kind: SessionProven, Actor: who.String(), Subject: "person:" + string(p.ID), Data: map[string]string{}}
	id, browser := strings.CutPrefix(who.Via, "session:")
	if !browser { // there is no session to keep it; what failed before is forgotten all the same
		e.Data["address"] = from.Address
		return who, s.store.ProveSession(ctx, "", account, now, e)
	}
	e.Data["session"] = id
	return who, s.store.ProveSession(ctx, id, account, now, e)
}

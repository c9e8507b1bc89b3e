package access

import (
	"context"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// subject is what a request is about, as one transaction sees it.
type subject struct {
	role    Role
	app     App
	policy  Policy
	profile Profile
	person  identity.Person
	groups  []identity.GroupID // of the person
}

// subjectOf reads what a request for the role by the person is about.
func subjectOf(ctx context.Context, tx Reader, id RoleID, person identity.PersonID) (subject, error) {
	var s subject
	var err error
	if s.role, err = tx.Role(ctx, id); err != nil {
		return s, err
	}
	if s.app, err = tx.App(ctx, s.role.App); err != nil {
		return s, err
	}
	if s.person, err = tx.Person(ctx, person); err != nil {
		return s, err
	}
	if s.groups, _, err = tx.Standing(ctx, person); err != nil {
		return s, err
	}
	policy, err := policyOf(s.app, s.role)
	if err != nil {
		return s, err
	}
	if s.policy, err = tx.Policy(ctx, policy); err != nil {
		return s, err
	}
	if p := profileOf(s.app, s.role); p != "" {
		s.profile, err = tx.Profile(ctx, p)
	}
	return s, err
}

// eligible refuses somebody who may not be given the role.
func (s subject) eligible(ctx context.Context, tx Reader) error {
	if s.profile.admits(s.groups, s.person, s.role, s.app, nil, "") == nil {
		return nil
	}
	names, err := groupNames(ctx, tx, s.profile.Groups)
	if err != nil {
		return err
	}
	owners, err := ownersText(ctx, tx, s.app)
	if err != nil {
		return err
	}
	return s.profile.admits(s.groups, s.person, s.role, s.app, names, owners)
}

// File files a request. When its policy wants nobody's decision, it is approved
// and granted in the same transaction. A role that the person holds already is
// asked for longer; one that is waiting already is refused.
func (s *Service) File(ctx context.Context, who identity.Actor, ask Ask) (Request, error) {
	if err := s.need(ctx, who, identity.ScopeRequestsWrite, "role:"+string(ask.Role), "request"); err != nil {
		return Request{}, err
	}
	if ask.Person == "" {
		ask.Person = who.Person
	}
	var filed Request
	err := s.store.Change(ctx, func(tx Tx) error {
		who, err := present(ctx, tx, who)
		if err != nil {
			return err
		}
		about, err := subjectOf(ctx, tx, ask.Role, ask.Person)
		if err != nil {
			return err
		}
		if err := enabled(ctx, tx, ask.Person); err != nil {
			return err
		}
		filed, err = s.fileIn(ctx, tx, who, ask, about)
		return err
	})
	return filed, s.refused(ctx, who, "role:"+string(ask.Role), "request", wrap("file request", err))
}

// fileIn files the request in tx.
func (s *Service) fileIn(ctx context.Context, tx Tx, who identity.Actor, ask Ask, about subject) (Request, error) {
	req := Request{ID: RequestID(s.newID("req")), Person: ask.Person, Reason: ask.Reason, StartsAt: ask.Starts, Policy: about.policy, Length: about.policy.usual()}
	if ask.Length != nil {
		req.Length = *ask.Length
	}
	held, err := heldBy(ctx, tx, ask.Person, about.role.ID)
	if err != nil {
		return req, err
	}
	now := s.now()
	req, extends := req.extending(held, now)
	req, events, err := req.file(who, about.app, about.role, now)
	if err != nil {
		return req, err
	}
	// Only now: whoever may not ask is not told what waits for somebody else.
	if err := about.eligible(ctx, tx); err != nil {
		return req, err
	}
	if err := extends.mayBeMore(); err != nil {
		return req, err
	}
	if err := alreadyWaiting(ctx, tx, req); err != nil {
		return req, err
	}
	if err := tx.Record(ctx, events...); err != nil {
		return req, err
	}
	if req, events, err = s.settleFiled(ctx, tx, who, req, about, now); err != nil {
		return req, err
	}
	if err := tx.Record(ctx, events...); err != nil {
		return req, err
	}
	return s.keep(ctx, tx, req, about.app, now)
}

// settleFiled approves a request that nobody needs to decide, and records when
// nobody could.
func (s *Service) settleFiled(ctx context.Context, tx Tx, who identity.Actor, req Request, about subject, now time.Time) (Request, []audit.Event, error) {
	if len(req.Policy.Steps) == 0 || req.Policy.Auto != nil && req.Policy.Auto.fits(req, who.Groups, about.groups) {
		req, events := req.approveByPolicy(now)
		return req, events, nil
	}
	events, err := undecidable(ctx, tx, req, about.app, now)
	return req, events, err
}

// extending returns r as a request for more time of a grant that the person
// holds, and that grant, if there is one and r does not begin after its end.
func (r Request) extending(held []Grant, now time.Time) (Request, Grant) {
	for _, g := range held {
		if r.StartsAt.After(now) && !g.EndsAt.IsZero() && r.StartsAt.After(g.EndsAt) {
			continue
		}
		r.Extends, r.StartsAt = g.ID, time.Time{}
		return r, g
	}
	return r, Grant{}
}

// heldBy returns the grants of a role that give it to a person now, or are about
// to, the newest first.
func heldBy(ctx context.Context, tx Reader, person identity.PersonID, role RoleID) ([]Grant, error) {
	return tx.Grants(ctx, GrantFilter{Person: person, Role: role, States: []GrantState{GrantSettingUp, GrantActive, GrantChanged}})
}

// liveStates are the states in which a grant gives its role, or will.
func liveStates() []GrantState {
	return []GrantState{GrantScheduled, GrantSettingUp, GrantActive, GrantChanged}
}

// alreadyWaiting refuses a second request for what is asked for already.
func alreadyWaiting(ctx context.Context, tx Reader, r Request) error {
	waiting, err := tx.Requests(ctx, RequestFilter{State: RequestWaiting, For: r.Person, Role: r.Role, Limit: 1})
	if err != nil || len(waiting) == 0 {
		return err
	}
	return fault.New(fault.Conflict, "%s has been asked for already and waits for a decision: request %s.", r.RoleName, waiting[0].ID).
		WithCode("already_waiting").WithHint("Follow that request, or withdraw it and ask again.")
}

func groupNames(ctx context.Context, tx Reader, ids []identity.GroupID) ([]string, error) {
	names := make([]string, 0, len(ids))
	for _, id := range ids {
		g, err := tx.Group(ctx, id)
		if err != nil {
			return nil, err
		}
		names = append(names, g.Name)
	}
	return names, nil
}

// ownersText names who owns an app, for people.
func ownersText(ctx context.Context, tx Reader, a App) (string, error) {
	var names []string
	for _, id := range a.Owners {
		p, err := tx.Person(ctx, id)
		if err != nil {
			return "", err
		}
		if !p.Disabled {
			names = append(names, p.Name)
		}
	}
	groups, err := groupNames(ctx, tx, a.OwnerGroups)
	if err != nil {
		return "", err
	}
	for _, g := range groups {
		names = append(names, "the group "+g)
	}
	if len(names) == 0 {
		return "an administrator of Margay", nil
	}
	return strings.Join(names, " or ") + ", who own " + a.Name, nil
}

// known refuses groups and a profile that are not there.
func known(ctx context.Context, tx Reader, groups []identity.GroupID, profile ProfileID) error {
	for _, g := range groups {
		if _, err := tx.Group(ctx, g); err != nil {
			return err
		}
	}
	if profile == "" || profile == Everybody {
		return nil
	}
	_, err := tx.Profile(ctx, profile)
	return err
}

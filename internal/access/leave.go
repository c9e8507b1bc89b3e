package access

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/identity"
)

// Leaving is what becomes of what somebody has when they are disabled.
type Leaving struct {
	Person    identity.Person
	Withdrawn []RequestID // waiting requests that were taken back
	Ended     []Grant     // access that is being ended, or that was to begin later
	Grants    []Grant     // access that they hold still
}

// Holds says what disabling a person would do, and does nothing. With end, it
// would end what they hold too.
func (s *Service) Holds(ctx context.Context, who identity.Actor, person identity.PersonID, end bool) (l Leaving, err error) {
	if err := s.needAdmin(ctx, who, "person:"+string(person), "disable"); err != nil {
		return l, err
	}
	err = s.store.View(ctx, func(tx Reader) (err error) {
		l, err = leaving(ctx, tx, person, end)
		return err
	})
	return l, wrap("read what a person has", err)
}

// leaving reads what a person has, as disabling them finds it.
func leaving(ctx context.Context, tx Reader, person identity.PersonID, end bool) (l Leaving, err error) {
	if l.Person, err = tx.Person(ctx, person); err != nil {
		return l, err
	}
	waiting, err := tx.Requests(ctx, RequestFilter{State: RequestWaiting, For: person})
	if err != nil {
		return l, err
	}
	for _, r := range waiting {
		l.Withdrawn = append(l.Withdrawn, r.ID)
	}
	ended := []GrantState{GrantScheduled} // nothing of it is there, and it would begin for somebody who may not have it
	if end {
		ended = endableStates()
	}
	if l.Ended, err = tx.Grants(ctx, GrantFilter{Person: person, States: ended}); err != nil || end {
		return l, err
	}
	l.Grants, err = tx.Grants(ctx, GrantFilter{Person: person, States: []GrantState{GrantSettingUp, GrantActive, GrantChanged}})
	return l, err
}

// Disable changes somebody so that they are disabled, takes back what waits for
// them and what was to begin later, as nobody may be given access who cannot sign
// in, and with end ends what they hold, the strongest first: all of it or none.
// Without end, what they hold stays until it is ended. It may be asked again.
func (s *Service) Disable(ctx context.Context, who identity.Actor, person identity.PersonID, c identity.Change, end bool) (Leaving, error) {
	var l Leaving
	subject := "person:" + string(person)
	if err := s.needAdmin(ctx, who, subject, "disable"); err != nil {
		return l, err
	}
	c.Disabled = new(true)
	scales, err := s.scalesOf(ctx, person)
	if err != nil {
		return l, err
	}
	err = s.store.Change(ctx, func(tx Tx) error {
		who, err := present(ctx, tx, who)
		if err != nil {
			return err
		}
		now := s.now()
		changed, err := tx.ChangePerson(ctx, person, c.By(who, now))
		if err != nil {
			return err
		}
		if l, err = leaving(ctx, tx, person, end); err != nil {
			return err
		}
		l.Person = changed
		for _, id := range l.Withdrawn {
			if err := takeBack(ctx, tx, id, who, now); err != nil {
				return err
			}
		}
		strongestFirst(l.Ended, scales)
		for i, g := range l.Ended {
			if l.Ended[i], err = s.revokeIn(ctx, tx, who, g, changed.Name+" was disabled."); err != nil {
				return err
			}
		}
		return nil
	})
	return l, s.refused(ctx, who, subject, "disable", wrap("disable person", err))
}

// takeBack withdraws the waiting request of somebody who was disabled.
func takeBack(ctx context.Context, tx Tx, id RequestID, who identity.Actor, now time.Time) error {
	r, err := tx.Request(ctx, id)
	if err != nil {
		return err
	}
	r.State, r.DecidedAt = RequestWithdrawn, now
	return errors.Join(tx.Record(ctx, r.event(RequestWasWithdrawn, who, now, "why", "disabled", "person", string(r.Person))), tx.SaveRequest(ctx, r))
}

// endableStates are the states in which a grant can be ended before its time.
func endableStates() []GrantState { return append(liveStates(), GrantNotSetUp) }

// scalesOf returns the scales of the connections that a person holds something
// on. They must not be asked for inside a transaction.
func (s *Service) scalesOf(ctx context.Context, person identity.PersonID) (map[string]Scale, error) {
	var live []Grant
	err := s.store.View(ctx, func(tx Reader) (err error) {
		live, err = tx.Grants(ctx, GrantFilter{Person: person, States: endableStates()})
		return err
	})
	if err != nil {
		return nil, wrap("list grants", err)
	}
	return s.scales(ctx, live)
}

// scales returns the scale of each connection of the grants.
func (s *Service) scales(ctx context.Context, grants []Grant) (map[string]Scale, error) {
	scales := map[string]Scale{}
	for _, g := range grants {
		if _, ok := scales[g.Connection]; ok {
			continue
		}
		scale, err := s.rules.Scale(ctx, g.Connection)
		if err != nil {
			return nil, err
		}
		scales[g.Connection] = scale
	}
	return scales, nil
}

// strongestFirst sorts grants by how strong their role is.
func strongestFirst(grants []Grant, scales map[string]Scale) {
	slices.SortStableFunc(grants, func(a, b Grant) int {
		return cmp.Compare(scales[b.Connection].Rank(b.RoleName), scales[a.Connection].Rank(a.RoleName))
	})
}

// revokeIn ends g in tx before its time.
func (s *Service) revokeIn(ctx context.Context, tx Tx, who identity.Actor, g Grant, note string) (Grant, error) {
	app, err := tx.App(ctx, g.App)
	if err != nil {
		return g, err
	}
	g, events, job, err := s.revocation(ctx, tx, g, who, app, note)
	if err != nil {
		return g, err
	}
	return s.putTo(ctx, tx, g, events, job)
}

// revocation is g ending before its time, and the job that carries that out; nil
// when there is nothing to carry out. What waits for more time of it is withdrawn
// in tx.
func (s *Service) revocation(ctx context.Context, tx Tx, g Grant, who identity.Actor, app App, note string) (Grant, []audit.Event, *Job, error) {
	now := s.now()
	g, events, err := g.revoke(who, app, note, s.newID("run"), now)
	if err == nil {
		err = endedByHand(ctx, tx, who, g, now)
	}
	if err != nil || g.State == GrantEnded {
		return g, events, nil, err
	}
	return g, events, new(g.job(JobDeprovision, triggerRevoked, 0)), nil
}

// Revoked is what became of one grant of somebody whose access all ends.
type Revoked struct {
	Preview Preview
	Err     error // nil: it is ending, or would be
}

// RevokeAll ends everything that a person holds or is about to, in one change:
// one run for each grant, the strongest first, and those too that came after the
// previews were made. With dry, it only says what would happen.
func (s *Service) RevokeAll(ctx context.Context, who identity.Actor, person identity.PersonID, note string, dry bool) ([]Revoked, error) {
	subject := "person:" + string(person)
	if err := s.needAdmin(ctx, who, subject, "revoke_all"); err != nil {
		return nil, err
	}
	if _, err := cleanReason(note); err != nil {
		return nil, err
	}
	live, scales, err := s.endable(ctx, person)
	if err != nil {
		return nil, err
	}
	previews, err := s.previews(ctx, who, live)
	rows := make([]Revoked, len(previews))
	for i, p := range previews {
		rows[i].Preview = p
	}
	if err != nil || dry {
		return rows, err
	}
	err = s.store.Change(ctx, func(tx Tx) (err error) {
		who, err := present(ctx, tx, who)
		if err != nil {
			return err
		}
		rows, err = s.revokeAllIn(ctx, tx, who, person, note, previews, scales)
		return err
	})
	return rows, s.refused(ctx, who, subject, "revoke_all", wrap("revoke all access", err))
}

// revokeAllIn ends in tx everything that a person holds now. What was previewed
// and has ended meanwhile is told, and keeps none of the others.
func (s *Service) revokeAllIn(ctx context.Context, tx Tx, who identity.Actor, person identity.PersonID, note string, previews []Preview, scales map[string]Scale) ([]Revoked, error) {
	live, err := tx.Grants(ctx, GrantFilter{Person: person, States: endableStates()})
	if err != nil {
		return nil, err
	}
	strongestFirst(live, scales)
	previewed := make(map[GrantID]Preview, len(previews))
	for _, p := range previews {
		previewed[p.Grant.ID] = p
	}
	var rows []Revoked
	for _, g := range live {
		p, ok := previewed[g.ID]
		if !ok {
			p.Because = "It came after what was shown."
		}
		delete(previewed, g.ID)
		if p.Grant, err = s.revokeIn(ctx, tx, who, g, note); err != nil {
			return nil, err
		}
		rows = append(rows, Revoked{Preview: p})
	}
	for _, p := range previews {
		if _, left := previewed[p.Grant.ID]; !left {
			continue
		}
		if p.Grant, err = tx.Grant(ctx, p.Grant.ID); err != nil {
			return nil, err
		}
		rows = append(rows, Revoked{Preview: p, Err: p.Grant.endedAlready()})
	}
	return rows, nil
}

// endable returns what a person holds that can be ended, the strongest first, and
// the scales of the connections that it is on.
func (s *Service) endable(ctx context.Context, person identity.PersonID) ([]Grant, map[string]Scale, error) {
	var live []Grant
	err := s.store.View(ctx, func(tx Reader) (err error) {
		if _, err := tx.Person(ctx, person); err != nil {
			return err
		}
		live, err = tx.Grants(ctx, GrantFilter{Person: person, States: endableStates()})
		return err
	})
	if err != nil {
		return nil, nil, wrap("list grants", err)
	}
	scales, err := s.scales(ctx, live)
	strongestFirst(live, scales)
	return live, scales, err
}

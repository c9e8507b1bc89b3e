package access

import (
	"context"
	"slices"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// Possible is an act that the state of a thing allows. Refusal says why the one
// who looks may not do it; nil: they may.
type Possible struct {
	Act     Act
	Refusal *fault.Error
}

// May says whether one of these acts may be done.
func May(acts []Possible, act Act) bool {
	return slices.ContainsFunc(acts, func(p Possible) bool { return p.Act == act && p.Refusal == nil })
}

// RequestActs returns what the state of a request lets who do with it, by the
// rules that the acts themselves ask.
func (s *Service) RequestActs(ctx context.Context, who identity.Actor, id RequestID) (acts []Possible, err error) {
	err = s.store.View(ctx, func(tx Reader) error {
		r, err := tx.Request(ctx, id)
		if err != nil {
			return err
		}
		app, err := seen(ctx, tx, who, r)
		if err != nil {
			return err
		}
		who, err := present(ctx, tx, who)
		if err != nil {
			return err
		}
		acts = nil
		for _, act := range r.State.Text().Next {
			acts = append(acts, Possible{act, refusalOf(r.refuses(act, who, app, s.now()))})
		}
		return nil
	})
	return acts, wrap("list what may be done with a request", err)
}

// refuses says why who may not do the act on r, or nil.
func (r Request) refuses(act Act, who identity.Actor, app App, now time.Time) error {
	switch act {
	case ActApprove, ActDeny:
		return r.mayDecide(who, app)
	case ActWithdraw:
		_, _, err := r.withdraw(who, now)
		return err
	}
	return nil
}

// GrantActs returns what the state of a grant lets who do with it, by the rules
// that the acts themselves ask.
func (s *Service) GrantActs(ctx context.Context, who identity.Actor, id GrantID) (acts []Possible, err error) {
	err = s.store.View(ctx, func(tx Reader) error {
		g, app, err := grantAndApp(ctx, tx, id)
		if err != nil {
			return err
		}
		who, err := present(ctx, tx, who)
		if err != nil {
			return err
		}
		if !g.visibleTo(who, app) {
			return NoGrant(id)
		}
		acts = nil
		for _, act := range g.State.Text().Next {
			refusal, err := g.refuses(ctx, tx, act, who, app)
			if err != nil {
				return err
			}
			acts = append(acts, Possible{act, refusal})
		}
		return nil
	})
	return acts, wrap("list what may be done with access", err)
}

// refuses says why who may not do the act on g, or nil; err is a failed read.
func (g Grant) refuses(ctx context.Context, tx Reader, act Act, who identity.Actor, app App) (refusal *fault.Error, err error) {
	switch act {
	case ActReduce, ActRevoke:
		return refusalOf(g.mayEnd(who, app)), nil
	case ActExtend:
		return g.refusesMore(ctx, tx, who)
	case ActRetry, ActAccept, ActRestore:
		if !who.Administers() && !app.ownedBy(who) {
			return fault.New(fault.Forbidden, "An owner of %s or an administrator can do this.", app.Name).WithCode("not_yours"), nil
		}
	}
	return nil, nil //nolint:nilnil // neither refused nor failed
}

// refusesMore says why who may not ask for more time of g, or nil.
func (g Grant) refusesMore(ctx context.Context, tx Reader, who identity.Actor) (*fault.Error, error) {
	if g.Length == Indefinite {
		return fault.New(fault.Conflict, "This access does not end by itself.").WithCode("not_extendable"), nil
	}
	about, err := subjectOf(ctx, tx, g.Role, g.Person)
	if err != nil {
		return refusalOf(err), nil // no policy: that is why
	}
	if about.role.Closed {
		return fault.New(fault.Conflict, "%s cannot be asked for at present.", about.role.Name).WithCode("role_closed"), nil
	}
	if !about.policy.letsAsk(who, g.Person, about.app) {
		return fault.New(fault.Forbidden, "The policy %s does not let you ask for somebody else.", about.policy.Name).WithCode("on_behalf"), nil
	}
	if err := about.eligible(ctx, tx); err != nil {
		if fault.KindOf(err) == fault.Forbidden {
			return fault.Public(err), nil
		}
		return nil, err
	}
	return nil, nil //nolint:nilnil // neither refused nor failed
}

func refusalOf(err error) *fault.Error {
	if err == nil {
		return nil
	}
	return fault.Public(err)
}

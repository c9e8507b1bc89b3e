package access

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// Foreseen is what an act would come to with one of several grants or requests.
type Foreseen struct {
	ID      string
	Person  identity.PersonID
	App     AppID
	Role    string
	Before  string // the role that is there; "" is not known, or it changes no role
	After   string // the role that is there after it
	Because string // why that, for people
	Mark    string // tells it from anything else that could be foreseen; "": nothing is
	Refuse  error  // why it cannot be done; nil: it can
}

// ForeseeGrants says what ending, accepting or restoring each of the grants would
// do, in the order in which it is to be done: the strongest roles first. One that
// who may not see is an error.
func (s *Service) ForeseeGrants(ctx context.Context, who identity.Actor, act Act, ids []GrantID) (list []Foreseen, err error) {
	var grants []Grant
	err = s.store.View(ctx, func(tx Reader) error {
		grants, err = tx.Grants(ctx, GrantFilter{IDs: ids})
		return err
	})
	if err != nil {
		return nil, wrap("read grants", err)
	}
	for _, id := range ids {
		if !slices.ContainsFunc(grants, func(g Grant) bool { return g.ID == id }) {
			return nil, NoGrant(id)
		}
	}
	scales, err := s.scales(ctx, grants)
	if err != nil {
		return nil, wrap("read roles", err)
	}
	strongestFirst(grants, scales)
	err = s.store.View(ctx, func(tx Reader) error {
		who, err := standing(ctx, tx, who)
		if err != nil {
			return err
		}
		apps, err := appsByID(ctx, tx)
		list = make([]Foreseen, len(grants))
		for i, g := range grants {
			if err != nil {
				return err
			}
			if !g.visibleTo(who, apps[g.App]) {
				return hidden("grant", string(g.ID))
			}
			list[i], err = s.foresee(ctx, tx, who, act, g, apps[g.App], grants, scales[g.Connection])
		}
		return err
	})
	return list, wrap("preview grants", err)
}

// foresee says what the act would do with g; err is a failed read.
func (s *Service) foresee(ctx context.Context, tx Reader, who identity.Actor, act Act, g Grant, app App, together []Grant, scale Scale) (Foreseen, error) {
	f := Foreseen{ID: string(g.ID), Person: g.Person, App: g.App, Role: g.RoleName}
	switch act {
	case ActRevoke:
		mates := slices.DeleteFunc(slices.Clone(together), func(o Grant) bool { return o.Person != g.Person || o.Connection != g.Connection })
		p, err := s.previewIn(ctx, tx, who, g, app, mates, scale)
		if fault.KindOf(err) == fault.Internal {
			return f, err
		}
		f.Before, f.After, f.Because, f.Refuse = p.Now, p.Then, p.Because, err
		if f.Mark = p.Mark(); len(mates) > 1 { // the end of the one changes what is there for the next
			f.Mark = g.ownMark()
		}
	case ActAccept, ActRestore:
		f.Before, f.After, f.Mark = g.Outside.Found, g.Outside.Found, g.Outside.Found
		f.Because = "What is there stays, and " + g.RoleName + " ends here."
		if act == ActRestore {
			f.After, f.Because = g.RoleName, "It was given here, and its end stays where it is."
		}
		if f.Refuse = maySettle(who, app); f.Refuse == nil && g.State != GrantChanged {
			f.Refuse = errNotChanged
		}
	}
	return f, nil
}

// own is what the mark of a grant by itself begins with.
const own = "own/"

// ownMark tells a grant as it is by itself from anything that it becomes.
func (g Grant) ownMark() string {
	return own + string(g.State) + "/" + g.Outside.Found + "/" + g.Proof.Role
}

// StandsAfter says whether a grant stands as the act on it leaves it.
func (g Grant) StandsAfter(act Act) bool {
	switch act {
	case ActRevoke:
		return g.endedAlready() != nil
	case ActAccept:
		return g.State == GrantEnded
	case ActRestore:
		return g.State == GrantSettingUp || g.State == GrantActive
	}
	return false
}

// ForeseeRequests says of each request what approving or denying it would come to,
// the oldest first. One that who may not see is an error; one that would be left
// with nobody who can decide it is for a decision of its own.
func (s *Service) ForeseeRequests(ctx context.Context, who identity.Actor, act Act, ids []RequestID) (list []Foreseen, err error) {
	ids = slices.Sorted(slices.Values(ids)) // ids sort by time
	err = s.store.View(ctx, func(tx Reader) error {
		tx = remember(tx)
		list = make([]Foreseen, len(ids))
		for i, id := range ids {
			r, err := tx.Request(ctx, id)
			if errors.Is(err, fault.NotFound) {
				return NoRequest(id)
			}
			if err != nil {
				return err
			}
			app, err := seen(ctx, tx, who, r)
			if err != nil {
				return err
			}
			if list[i], err = r.foresee(ctx, tx, who, act, app); err != nil {
				return err
			}
		}
		return nil
	})
	return list, wrap("preview requests", err)
}

// foresee says what the decision would come to with r, of which who sees the app;
// err is a failed read.
func (r Request) foresee(ctx context.Context, tx Reader, who identity.Actor, act Act, app App) (Foreseen, error) {
	f := Foreseen{ID: string(r.ID), Person: r.Person, App: r.App, Role: r.RoleName, Because: "For " + plainLength(r.Length) + ".", Mark: r.mark()}
	if r.Length == Indefinite {
		f.Because = "Without an end."
	}
	if r.Reason != "" {
		f.Because += " “" + r.Reason + "”"
	}
	who, err := standing(ctx, tx, who)
	if err != nil {
		return f, err
	}
	if f.Refuse = r.mayDecide(who, app); f.Refuse != nil || act != ActApprove {
		return f, nil //nolint:nilerr // why they may not is told with it
	}
	deciders, err := decidersOf(ctx, tx, r, app, mostDeciders)
	if err != nil {
		return f, err
	}
	next, err := nextOf(ctx, tx, r, app, who, deciders)
	if err == nil && next != nil && next.Warning != "" {
		f.Refuse = fault.New(fault.Conflict, "%s", next.Warning).WithCode("nobody_next").WithHint("Decide it by itself.")
	}
	return f, err
}

// mark tells the step that waits, and what it is asked about, from any other.
func (r Request) mark() string { return strconv.Itoa(r.WaitingStep()) + "/" + lengthText(r.Length) }

// DecideForeseen approves or denies a request by somebody who was shown it with
// the mark: when another step waits meanwhile, or something else is asked for, they
// are asked anew.
func (s *Service) DecideForeseen(ctx context.Context, who identity.Actor, id RequestID, act Act, reason, mark string) (Request, error) {
	subject := "request:" + string(id)
	if err := s.need(ctx, who, identity.ScopeApprovalsWrite, subject, act.Code); err != nil {
		return Request{}, err
	}
	r, err := s.decide(ctx, who, id, func(r Request, who identity.Actor, app App, now time.Time) (Request, []audit.Event, error) {
		if err := r.mayDecide(who, app); err != nil {
			return r, nil, err
		}
		if r.mark() != mark {
			return r, nil, fault.New(fault.Conflict, "The request has changed since you looked.").WithCode("changed_again").
				WithHint("Look at it as it is now, and decide on that.")
		}
		if act == ActDeny {
			return r.deny(who, app, reason, now)
		}
		return r.approve(who, app, nil, reason, now)
	})
	return r, s.refused(ctx, who, subject, act.Code, wrap(act.Code+" request", err))
}

// DecidedBy says whether somebody decided a step of the request that had the mark.
func (r Request) DecidedBy(who identity.PersonID, mark string) bool {
	return slices.ContainsFunc(r.Approvals, func(a Approval) bool { return a.By == who && strconv.Itoa(a.Step)+"/"+lengthText(r.Length) == mark })
}

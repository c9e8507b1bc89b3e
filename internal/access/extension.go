package access

import (
	"context"
	"errors"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// Extension is what the approval of a waiting request for more time would do
// now to the grant that it names.
type Extension struct {
	Begun  bool          // its time runs; else it gets its ends once it is set up
	Ends   time.Time     // when it ends now; zero: not known yet
	Then   time.Time     // when it would end; zero: not known yet, or not by itself
	Length time.Duration // how long it would last in all; Indefinite: it would not end by itself
	Capped bool          // the policy lets less be added than was asked for
}

// mayBeMore says why no more time may be asked for of g, which is held, or nil:
// somebody changed it in the other system, and whether it is set up once more is
// not decided by who asks, nor by a policy that lets everything pass.
func (g Grant) mayBeMore() error {
	if g.State != GrantChanged {
		return nil
	}
	return fault.New(fault.Conflict, "Somebody changed this access in the other system: it cannot be extended before that is settled.").
		WithCode("changed_outside").WithHint("An owner of the app or an administrator restores it or accepts its end; then ask again.")
}

// extension is what the approval of r would do to g now; nil: it would not move
// the end of g.
func (r Request) extension(g Grant, now time.Time) *Extension {
	if r.State != RequestWaiting || r.Extends != g.ID || !g.extendable() || g.Length == Indefinite {
		return nil
	}
	then, _ := g.extend(r, now)
	return &Extension{
		Begun: !g.StartsAt.IsZero(), Ends: g.EndsAt, Then: then.EndsAt, Length: then.Length,
		Capped: r.Length != Indefinite && then.Length < g.Length+r.Length || r.Length == Indefinite && then.Length != Indefinite,
	}
}

// Extensions returns what the approval of each of these requests, which who may
// see, would do to the end of the grant that it asks more time for. Requests
// that ask for something else are left out.
func (s *Service) Extensions(ctx context.Context, rs []Request) (map[RequestID]Extension, error) {
	all := map[RequestID]Extension{}
	err := s.store.View(ctx, func(tx Reader) error {
		clear(all)
		for _, r := range rs {
			e, err := s.extensionIn(ctx, tx, r)
			if err != nil {
				return err
			}
			if e != nil {
				all[r.ID] = *e
			}
		}
		return nil
	})
	return all, wrap("read what requests would extend", err)
}

func (s *Service) extensionIn(ctx context.Context, tx Reader, r Request) (*Extension, error) {
	if r.Extends == "" || r.State != RequestWaiting {
		return nil, nil //nolint:nilnil // it extends nothing
	}
	g, err := tx.Grant(ctx, r.Extends)
	if err != nil {
		return nil, err
	}
	return r.extension(g, s.now()), nil
}

// endedByHand withdraws the waiting requests for more time of a grant that
// somebody ends: approved later, they would give the access anew.
func endedByHand(ctx context.Context, tx Tx, who identity.Actor, g Grant, now time.Time) error {
	waiting, err := tx.Requests(ctx, RequestFilter{State: RequestWaiting, For: g.Person, Role: g.Role})
	for _, r := range waiting {
		if r.Extends != g.ID {
			continue
		}
		r.State, r.DecidedAt = RequestWithdrawn, now
		err = errors.Join(err, tx.Record(ctx, r.event(RequestWasWithdrawn, who, now, "why", "the access that it asked more time for was ended by hand", "grant", string(g.ID), "person", string(r.Person))), tx.SaveRequest(ctx, r))
	}
	return err
}

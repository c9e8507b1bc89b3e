package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// Postponed is a grant or request for which the clock could not do what was due,
// and when it tries again: later each time, so that what cannot be done is in
// nobody's way.
type Postponed struct {
	Subject string // "grant:…" or "request:…"
	Chore   Chore
	Problem string // in a sentence
	Tries   int
	Since   time.Time
	NextAt  time.Time
}

// Chore is what the clock brings about.
type Chore string

// The chores.
const (
	ChoreExpire Chore = "expire grant"
	ChoreBegin  Chore = "begin grant"
	ChoreLapse  Chore = "lapse request"
)

// ClockFailed is recorded once of each thing that the clock could not do several
// times.
const ClockFailed audit.Kind = "clock.failed"

const (
	firstDelay   = 5 * time.Second
	longestDelay = 10 * time.Minute
	// toldAfter is how many tries fail before people are told: the first may be
	// chance.
	toldAfter = 3
	// forgottenAfter is how long something is kept that was not tried again: it is
	// not due any more.
	forgottenAfter = time.Hour
)

// delay is how long the clock waits after so many tries.
func delay(tries int) time.Duration {
	d := firstDelay
	for ; tries > 1 && d < longestDelay; tries-- {
		d *= 2
	}
	return min(d, longestDelay)
}

// Postponed returns what the clock cannot do at present, the longest first. Only
// administrators see it.
func (s *Service) Postponed(ctx context.Context, who identity.Actor) (list []Postponed, err error) {
	if err := who.NeedAdmin(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	err = s.store.View(ctx, func(tx Reader) error {
		all, err := tx.Postponed(ctx)
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(all, func(p Postponed) bool { return p.Tries < toldAfter || !s.stillDue(ctx, tx, p) })
		return nil
	})
	return list, wrap("read what the clock cannot do", err)
}

// stillDue says whether something is still to be done; what cannot be read is.
func (s *Service) stillDue(ctx context.Context, tx Reader, p Postponed) bool {
	_, id, _ := strings.Cut(p.Subject, ":")
	now := s.now()
	if p.Chore == ChoreLapse {
		r, err := tx.Request(ctx, RequestID(id))
		return err != nil || r.State == RequestWaiting && !r.LapsesAt.IsZero() && !r.LapsesAt.After(now)
	}
	g, err := tx.Grant(ctx, GrantID(id))
	if err != nil {
		return true
	}
	if p.Chore == ChoreBegin {
		return g.State == GrantScheduled
	}
	return g.holds() && !g.EndsAt.IsZero() && !g.EndsAt.After(now)
}

// sweep does what the clock brings about for all, in one transaction, and where
// that fails for each in one of its own: what cannot be done for one holds up no
// other. It is tried again later, and told with its id, the first time and when
// the problem is another one. do returns for how many it was done; so does sweep.
func sweep[T any](ctx context.Context, s *Service, all []T, chore Chore, subject func(T) string, do func(tx Tx, one T) (int, error)) (int, error) {
	var waited []Postponed
	if err := s.store.View(ctx, func(tx Reader) (err error) {
		waited, err = tx.Postponed(ctx)
		return err
	}); err != nil {
		return 0, err
	}
	some := func(some []T) (n int, err error) {
		err = s.store.Change(ctx, func(tx Tx) error {
			n = 0
			for _, one := range some {
				done, err := do(tx, one)
				if err != nil {
					return fmt.Errorf("%s %s: %w", chore, subject(one), err)
				}
				n += done
			}
			return s.doneWith(ctx, tx, waited, func(p Postponed) bool {
				return p.Chore == chore && slices.ContainsFunc(some, func(one T) bool { return subject(one) == p.Subject })
			})
		})
		if err != nil {
			n = 0
		}
		return n, err
	}
	n, err := some(all)
	if err == nil || ctx.Err() != nil {
		return n, err
	}
	var errs []error
	for _, one := range all {
		done, err := some([]T{one})
		if n += done; err != nil && ctx.Err() == nil {
			err = s.postpone(ctx, chore, subject(one), err)
		}
		errs = append(errs, err)
	}
	return n, errors.Join(errs...)
}

// doneWith forgets what was postponed and is done now, or is long not due.
func (s *Service) doneWith(ctx context.Context, tx Tx, waited []Postponed, done func(Postponed) bool) error {
	for _, p := range waited {
		if done(p) || s.now().Sub(p.NextAt) > forgottenAfter {
			if err := tx.DropPostponed(ctx, p.Subject); err != nil {
				return err
			}
		}
	}
	return nil
}

// postpone notes that something could not be done. It returns why, the first time
// and when that is another reason than before.
func (s *Service) postpone(ctx context.Context, chore Chore, subject string, cause error) error {
	news := false
	err := s.store.Change(ctx, func(tx Tx) error {
		all, err := tx.Postponed(ctx)
		if err != nil {
			return err
		}
		now := s.now()
		p := Postponed{Subject: subject, Since: now}
		if i := slices.IndexFunc(all, func(p Postponed) bool { return p.Subject == subject && p.Chore == chore }); i >= 0 {
			p = all[i]
		}
		problem := fault.Public(cause).Message
		news = p.Problem != problem
		p.Chore, p.Problem, p.Tries = chore, problem, p.Tries+1
		p.NextAt = now.Add(delay(p.Tries))
		if p.Tries == toldAfter {
			if err := tx.Record(ctx, event(ClockFailed, identity.System(), subject, now, "chore", string(chore), "message", problem)); err != nil {
				return err
			}
		}
		return tx.SavePostponed(ctx, p)
	})
	switch {
	case err != nil:
		return errors.Join(cause, err)
	case news:
		return cause
	}
	return nil
}

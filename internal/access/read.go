package access

import (
	"context"
	"time"

	"github.com/margay-access/margay/internal/identity"
)

// App returns one app.
func (s *Service) App(ctx context.Context, id AppID) (a App, err error) {
	err = s.store.View(ctx, func(tx Reader) error { a, err = tx.App(ctx, id); return err })
	return a, wrap("read app", err)
}

// Apps returns all apps by name.
func (s *Service) Apps(ctx context.Context) (apps []App, err error) {
	err = s.store.View(ctx, func(tx Reader) error { apps, err = tx.Apps(ctx); return err })
	return apps, wrap("list apps", err)
}

// Role returns one role.
func (s *Service) Role(ctx context.Context, id RoleID) (r Role, err error) {
	err = s.store.View(ctx, func(tx Reader) error { r, err = tx.Role(ctx, id); return err })
	return r, wrap("read role", err)
}

// Roles returns the roles of an app.
func (s *Service) Roles(ctx context.Context, app AppID) (roles []Role, err error) {
	err = s.store.View(ctx, func(tx Reader) error {
		if _, err := tx.App(ctx, app); err != nil {
			return err
		}
		roles, err = tx.Roles(ctx, app)
		return err
	})
	return roles, wrap("list roles", err)
}

// AllRoles returns the roles of all apps.
func (s *Service) AllRoles(ctx context.Context) (roles []Role, err error) {
	err = s.store.View(ctx, func(tx Reader) error { roles, err = tx.AllRoles(ctx); return err })
	return roles, wrap("list roles", err)
}

// Policy returns one policy.
func (s *Service) Policy(ctx context.Context, id PolicyID) (p Policy, err error) {
	err = s.store.View(ctx, func(tx Reader) error { p, err = tx.Policy(ctx, id); return err })
	return p, wrap("read policy", err)
}

// Policies returns all policies by name.
func (s *Service) Policies(ctx context.Context) (ps []Policy, err error) {
	err = s.store.View(ctx, func(tx Reader) error { ps, err = tx.Policies(ctx); return err })
	return ps, wrap("list policies", err)
}

// Request returns one request that who may see.
func (s *Service) Request(ctx context.Context, who identity.Actor, id RequestID) (Request, error) {
	var r Request
	err := s.store.View(ctx, func(tx Reader) error {
		var err error
		if r, err = tx.Request(ctx, id); err != nil {
			return err
		}
		app, err := seen(ctx, tx, who, r)
		if err != nil {
			return err
		}
		who, err := standing(ctx, tx, who)
		r = r.shownTo(who, app)
		return err
	})
	return r, wrap("read request", err)
}

// mostRead is how many rows are read at a time to find those that may be seen.
const mostRead = 1000

// pick returns the first limit rows that keep takes; 0 is all. What may not be
// seen is left out after reading, so rows are read until the page is full: no
// more of them than it has, when all may be seen.
func pick[T any](limit int, read func(last *T, n int) ([]T, error), keep func(T) bool) ([]T, error) {
	var seen []T
	var last *T
	n := limit
	if limit == 0 {
		n = mostRead
	}
	for {
		rows, err := read(last, n)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if !keep(r) {
				continue
			}
			if seen = append(seen, r); len(seen) == limit {
				return seen, nil
			}
		}
		if len(rows) < n {
			return seen, nil
		}
		last, n = &rows[len(rows)-1], min(2*n, mostRead)
	}
}

// Grant returns one grant that who may see.
func (s *Service) Grant(ctx context.Context, who identity.Actor, id GrantID) (Grant, error) {
	var g Grant
	err := s.store.View(ctx, func(tx Reader) error {
		var app App
		var err error
		if g, app, err = grantAndApp(ctx, tx, id); err != nil {
			return err
		}
		if who, err = standing(ctx, tx, who); err != nil {
			return err
		}
		if !g.visibleTo(who, app) {
			return NoGrant(id)
		}
		g = g.shownTo(who, app)
		return nil
	})
	return g, wrap("read grant", err)
}

// Grants returns the grants that who may see, newest first.
func (s *Service) Grants(ctx context.Context, who identity.Actor, f GrantFilter) (gs []Grant, err error) {
	f.DueBy, f.BeginBy = time.Time{}, time.Time{} // in those orders there is no page behind the first
	err = s.store.View(ctx, func(tx Reader) error {
		if f.Seen, err = seenBy(ctx, tx, who); err != nil {
			return err
		}
		gs, err = tx.Grants(ctx, f)
		gs = f.Seen.shown(gs)
		return err
	})
	return gs, wrap("list grants", err)
}

// CountGrants counts the grants that who may see and the filter picks, at most its
// limit.
func (s *Service) CountGrants(ctx context.Context, who identity.Actor, f GrantFilter) (n int, err error) {
	err = s.store.View(ctx, func(tx Reader) error {
		if f.Seen, err = seenBy(ctx, tx, who); err != nil {
			return err
		}
		n, err = tx.CountGrants(ctx, f)
		return err
	})
	return n, wrap("count grants", err)
}

// seenBy returns what who may see of grants; nil is all.
func seenBy(ctx context.Context, tx Reader, who identity.Actor) (*Seen, error) {
	if who.Admin || who.IsSystem() {
		return nil, nil
	}
	who, err := standing(ctx, tx, who)
	if err != nil {
		return nil, err
	}
	apps, err := tx.Apps(ctx)
	seen := &Seen{Person: who.Person}
	for _, a := range apps {
		if a.ownedBy(who) {
			seen.Apps = append(seen.Apps, a.ID)
		}
	}
	return seen, err
}

func appsByID(ctx context.Context, tx Reader) (map[AppID]App, error) {
	all, err := tx.Apps(ctx)
	apps := make(map[AppID]App, len(all))
	for _, a := range all {
		apps[a.ID] = a
	}
	return apps, err
}

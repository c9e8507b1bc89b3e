package access

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// seen returns who, as the directory has them, and the app of r, or says that
// there is no such request when who may not see it.
func seen(ctx context.Context, tx Reader, who identity.Actor, r Request) (App, error) {
	app, err := tx.App(ctx, r.App)
	if err != nil {
		return app, err
	}
	if who, err = standing(ctx, tx, who); err != nil {
		return app, err
	}
	if !r.visibleTo(who, app) {
		return app, NoRequest(r.ID)
	}
	return app, nil
}

// Requests returns the requests that who may see, newest first. With decidable,
// only those that who may decide on now.
func (s *Service) Requests(ctx context.Context, who identity.Actor, f RequestFilter, decidable bool) ([]Request, error) {
	var found []Request
	f.LapsedBy = f.LapsedBy.UTC()
	if f.Stuck {
		f.State = RequestWaiting
	}
	err := s.store.View(ctx, func(tx Reader) error {
		memory := remember(tx)
		var failed error
		isStuck := func(r Request, app App) bool {
			is, err := stuck(ctx, memory, r, app)
			failed = errors.Join(failed, err)
			return is
		}
		apps, err := appsByID(ctx, tx)
		if err != nil {
			return err
		}
		if who, err = standing(ctx, tx, who); err != nil {
			return err
		}
		if decidable || !who.Admin && !who.IsSystem() {
			f.Keys, f.Decidable = keysOf(who, valuesOf(apps)), decidable
		}
		found, err = pick(f.Limit, func(last *Request, n int) ([]Request, error) {
			if last != nil {
				f.Before = last.ID
			}
			f.Limit = n
			return tx.Requests(ctx, f)
		}, func(r Request) bool {
			app := apps[r.App]
			return r.visibleTo(who, app) && (!decidable || r.mayDecide(who, app) == nil) && (!f.Stuck || app.caredForBy(who) && isStuck(r, app))
		})
		err = errors.Join(err, failed)
		for i, r := range found {
			found[i] = r.shownTo(who, apps[r.App])
		}
		return err
	})
	return found, wrap("list requests", err)
}

func valuesOf(apps map[AppID]App) []App {
	all := make([]App, 0, len(apps))
	for _, a := range apps {
		all = append(all, a)
	}
	return all
}

// Deciders returns who could decide the step of a request that waits: enabled
// people whom the policy lets, by name. It is empty when nobody could, and when
// nothing waits.
func (s *Service) Deciders(ctx context.Context, who identity.Actor, id RequestID) (people []identity.Person, err error) {
	err = s.store.View(ctx, func(tx Reader) error {
		r, err := tx.Request(ctx, id)
		if err != nil {
			return err
		}
		app, err := seen(ctx, tx, who, r)
		if err != nil {
			return err
		}
		people, err = decidersOf(ctx, tx, r, app, mostDeciders)
		return err
	})
	return people, wrap("list who could decide", err)
}

// mostDeciders is how many of those who could decide are named.
const mostDeciders = 50

// decidersOf lists who could decide the waiting step of r, at most limit of
// them.
func decidersOf(ctx context.Context, tx Reader, r Request, app App, limit int) ([]identity.Person, error) {
	if r.State != RequestWaiting {
		return nil, nil
	}
	candidates, err := candidatesOf(ctx, tx, r.Policy.Steps[r.step()], r, app)
	if err != nil {
		return nil, err
	}
	var people []identity.Person
	for _, id := range candidates {
		p, err := tx.Person(ctx, id)
		if err != nil {
			return nil, err
		}
		who, err := standing(ctx, tx, identity.Actor{Person: p.ID})
		if err != nil {
			return nil, err
		}
		if !p.Disabled && r.mayDecide(who, app) == nil {
			people = append(people, p)
		}
		if len(people) == limit {
			break
		}
	}
	slices.SortFunc(people, func(a, b identity.Person) int {
		return strings.Compare(strings.ToLower(a.Name)+string(a.ID), strings.ToLower(b.Name)+string(b.ID))
	})
	return people, nil
}

// candidatesOf lists whom a step names, once each.
func candidatesOf(ctx context.Context, tx Reader, step Step, r Request, app App) ([]identity.PersonID, error) {
	var ids []identity.PersonID
	groups := []identity.GroupID{}
	for _, a := range step.Approvers {
		switch {
		case a.Person != "":
			ids = append(ids, a.Person)
		case a.Group != "":
			groups = append(groups, a.Group)
		case a.AppOwner:
			ids = append(ids, app.Owners...)
			groups = append(groups, app.OwnerGroups...)
		case a.Manager:
			managers, err := managersOf(ctx, tx, r.Person, r.Requester)
			if err != nil {
				return nil, err
			}
			ids = append(ids, managers...)
		}
	}
	for _, id := range groups {
		g, err := tx.Group(ctx, id)
		if err != nil {
			return nil, err
		}
		ids = append(ids, g.Members...)
	}
	return slices.Compact(slices.Sorted(slices.Values(ids))), nil
}

// managersOf lists who answers for people: their managers, and the manager of
// one who is disabled.
func managersOf(ctx context.Context, tx Reader, people ...identity.PersonID) ([]identity.PersonID, error) {
	var managers []identity.PersonID
	for _, id := range people {
		seen := map[identity.PersonID]bool{}
		for id != "" && !seen[id] {
			seen[id] = true
			p, err := tx.Person(ctx, id)
			if err != nil {
				return nil, err
			}
			if p.Manager == "" {
				break
			}
			m, err := tx.Person(ctx, p.Manager)
			if err != nil {
				return nil, err
			}
			if !m.Disabled {
				managers = append(managers, m.ID)
				break
			}
			id = m.ID
		}
	}
	return managers, nil
}

// maxComments bounds what is said on one request.
const maxComments = 500

// Comment writes on a request that who may see.
func (s *Service) Comment(ctx context.Context, who identity.Actor, id RequestID, text string) (Comment, error) {
	subject := "request:" + string(id)
	if err := who.Need(identity.ScopeRequestsWrite); err != nil && !who.Can(identity.ScopeApprovalsWrite) {
		return Comment{}, s.refused(ctx, who, subject, "comment", err)
	}
	var faults []*fault.Error
	if text = clean(&faults, "text", text, maxReason); text == "" {
		faults = append(faults, fault.Field("text", "Say something."))
	}
	if err := fault.Join(faults...); err != nil {
		return Comment{}, err
	}
	c := Comment{ID: s.newID("com"), Request: id, By: who.Person, Text: text, At: s.now()}
	err := s.store.Change(ctx, func(tx Tx) error {
		who, err := present(ctx, tx, who)
		if err != nil {
			return err
		}
		r, err := tx.Request(ctx, id)
		if err != nil {
			return err
		}
		if _, err := seen(ctx, tx, who, r); err != nil {
			return err
		}
		before, err := tx.Comments(ctx, id)
		if err != nil {
			return err
		}
		if len(before) >= maxComments {
			return fault.New(fault.Conflict, "A request takes at most %d comments.", maxComments).WithCode("too_many_comments")
		}
		if err := tx.AddComment(ctx, c); err != nil {
			return err
		}
		return tx.Record(ctx, r.event(RequestCommented, who, c.At, "comment", c.ID, "text", c.Text))
	})
	return c, s.refused(ctx, who, subject, "comment", wrap("comment on request", err))
}

// Comments returns what was written on a request that who may see, the oldest
// first.
func (s *Service) Comments(ctx context.Context, who identity.Actor, id RequestID) (cs []Comment, err error) {
	err = s.store.View(ctx, func(tx Reader) error {
		r, err := tx.Request(ctx, id)
		if err != nil {
			return err
		}
		if _, err := seen(ctx, tx, who, r); err != nil {
			return err
		}
		cs, err = tx.Comments(ctx, id)
		return err
	})
	return cs, wrap("list comments", err)
}

// LapseDue lapses the requests that nobody decided in time, at most limit of
// them, and returns how many those are. It takes the writers' turn only when
// there is one.
func (s *Service) LapseDue(ctx context.Context, limit int) (int, error) {
	var due []Request
	err := s.store.View(ctx, func(tx Reader) (err error) {
		due, err = tx.Requests(ctx, RequestFilter{State: RequestWaiting, LapsedBy: s.now(), Limit: limit})
		return err
	})
	if err != nil || len(due) == 0 {
		return 0, wrap("look for requests that lapse", err)
	}
	n, err := sweep(ctx, s, due, ChoreLapse, Request.subject, func(tx Tx, r Request) (int, error) {
		r, err := tx.Request(ctx, r.ID)
		if err != nil {
			return 0, err
		}
		r, events, ok := r.lapse(s.now())
		if !ok {
			return 0, nil
		}
		return 1, errors.Join(tx.Record(ctx, events...), tx.SaveRequest(ctx, r))
	})
	return n, wrap("lapse requests", err)
}

package access

import (
	"context"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// Retry makes a new run for a grant whose last run did not carry it out.
func (s *Service) Retry(ctx context.Context, who identity.Actor, id GrantID) (Grant, error) {
	return s.RetryRun(ctx, who, id, "")
}

// RetryRun is Retry of a certain run, which must be the last that counts.
func (s *Service) RetryRun(ctx context.Context, who identity.Actor, id GrantID, run string) (Grant, error) {
	return s.change(ctx, who, id, "retry", func(ctx context.Context, tx Tx, who identity.Actor, g Grant, app App) (Grant, []audit.Event, *Job, error) {
		return s.retry(ctx, tx, who, g, app, run)
	})
}

// MayRetry says why who may not make a run of a grant again now, or nil: what
// RetryRun would say.
func (s *Service) MayRetry(ctx context.Context, who identity.Actor, id GrantID, run string) error {
	if err := who.Need(identity.ScopeRequestsWrite); err != nil {
		return err
	}
	return s.store.View(ctx, func(tx Reader) error {
		who, err := present(ctx, tx, who)
		if err != nil {
			return err
		}
		g, app, err := grantAndApp(ctx, tx, id)
		if err != nil {
			return err
		}
		if !g.visibleTo(who, app) {
			return hidden("grant", string(id))
		}
		_, _, _, err = s.retry(ctx, tx, who, g, app, run)
		return err
	})
}

func (s *Service) retry(ctx context.Context, tx Reader, who identity.Actor, g Grant, app App, run string) (Grant, []audit.Event, *Job, error) {
	if err := app.mayHandleRuns(who, "retry"); err != nil {
		return g, nil, nil, err
	}
	if run != "" && g.Run != run && g.State != GrantOverdue {
		return g, nil, nil, laterRun(g.Run)
	}
	g, kind, events, err := g.retry(who, s.newID("run"), s.now())
	if err == nil && kind == JobProvision {
		if err = enabled(ctx, tx, g.Person); err == nil {
			err = s.alone(ctx, tx, g)
		}
	}
	return g, events, new(g.job(kind, triggerRetry, 0)), err
}

// MayCancelRun says why who may not cancel a run of the kind for a grant, or nil.
func (s *Service) MayCancelRun(ctx context.Context, who identity.Actor, id GrantID, kind JobKind) error {
	return s.store.View(ctx, func(tx Reader) error {
		who, err := present(ctx, tx, who)
		if err != nil {
			return err
		}
		g, app, err := grantAndApp(ctx, tx, id)
		if err != nil {
			return err
		}
		return g.mayCancel(who, app, kind)
	})
}

// mayCancel refuses who may not cancel a run of the kind for g: an owner of the
// app keeps no access of their own so. An administrator may, who could give it
// anew; it is recorded.
func (g Grant) mayCancel(who identity.Actor, app App, kind JobKind) error {
	if err := app.mayHandleRuns(who, "cancel"); err != nil {
		return err
	}
	if kind == JobDeprovision && who.Person == g.Person && !who.Administers() {
		return fault.New(fault.Forbidden, "You cannot cancel this run: it takes away your own access.").WithCode("own_access").
			WithHint("Another owner of %s or an administrator can.", app.Name)
	}
	return nil
}

// mayHandleRuns refuses who may not retry or cancel runs of the app's access: act
// says which.
func (a App) mayHandleRuns(who identity.Actor, act string) error {
	if who.Administers() || a.ownedBy(who) {
		return nil
	}
	return fault.New(fault.Forbidden, "Only an owner of %s or an administrator may %s a run.", a.Name, act).WithCode("not_yours")
}

// laterRun refuses to make a run again after which there was another.
func laterRun(run string) error {
	return fault.New(fault.Conflict, "The run %s came after this one.", run).WithCode("not_the_last_run").WithHint("Look at that one: margay run show %s", run)
}

// AskAgain asks the workflow of the waiting step again, after it had failed.
func (s *Service) AskAgain(ctx context.Context, who identity.Actor, id RequestID) (Request, error) {
	return s.AskAgainAfter(ctx, who, id, "")
}

// MayAskAgain says why who may not have the run that decides on a request made
// again now, or nil.
func (s *Service) MayAskAgain(ctx context.Context, who identity.Actor, id RequestID, run string) error {
	if err := who.Need(identity.ScopeRequestsWrite); err != nil {
		return err
	}
	return s.store.View(ctx, func(tx Reader) error {
		who, err := present(ctx, tx, who)
		if err != nil {
			return err
		}
		req, err := tx.Request(ctx, id)
		if err != nil {
			return err
		}
		app, err := tx.App(ctx, req.App)
		if err != nil {
			return err
		}
		_, _, _, err = req.askAgain(who, app, run, "", s.now())
		return err
	})
}

// OwnedApps lists the apps that who owns.
func (s *Service) OwnedApps(ctx context.Context, who identity.Actor) ([]AppID, error) {
	var owned []AppID
	err := s.store.View(ctx, func(tx Reader) error {
		who, err := standing(ctx, tx, who)
		if err != nil {
			return err
		}
		apps, err := tx.Apps(ctx)
		for _, a := range apps {
			if a.ownedBy(who) {
				owned = append(owned, a.ID)
			}
		}
		return err
	})
	return owned, wrap("list owned apps", err)
}

package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// keep saves the request and, once it is approved, what becomes of its access
// and the job that carries it out.
func (s *Service) keep(ctx context.Context, tx Tx, req Request, app App, now time.Time) (Request, error) {
	if req.State != RequestApproved {
		req, job, events := req.ask(app, s.newID("run"), now)
		return req, s.keepAsked(ctx, tx, req, job, events)
	}
	live, err := s.extended(ctx, tx, req, app, now)
	if err != nil {
		return req, err
	}
	if live == nil {
		req.Grant = GrantID(s.newID("grt"))
		grant, events, begins := grantOf(req, app, req.Grant, s.newID("run"), now)
		return s.keepWith(ctx, tx, req, grant, events, begins)
	}
	req.Grant = live.ID
	grant, events := live.extend(req, now)
	if grant.State != GrantChanged {
		return s.keepWith(ctx, tx, req, grant, events, false)
	}
	// It was agreed once more that it should be as it was.
	grant, more, err := grant.restore(identity.System(), "", s.newID("run"), now)
	if err != nil {
		return req, err
	}
	return s.keepWith(ctx, tx, req, grant, append(events, more...), true)
}

// keepWith saves an approved request with its grant, and the job that sets it
// up when it begins.
func (s *Service) keepWith(ctx context.Context, tx Tx, req Request, g Grant, events []audit.Event, begins bool) (Request, error) {
	var job *Job
	if begins {
		job = new(g.job(JobProvision, "request:"+string(req.ID), 0))
	}
	if err := tx.SaveRequest(ctx, req); err != nil {
		return req, err
	}
	return req, s.put(ctx, tx, g, events, job)
}

// extended returns the grant whose end the approved request moves: the one that
// it names while that lives, else one of the same role that would give it
// anyhow. nil: it is access anew.
func (s *Service) extended(ctx context.Context, tx Reader, req Request, app App, now time.Time) (*Grant, error) {
	if req.Extends != "" {
		g, err := tx.Grant(ctx, req.Extends)
		if err != nil {
			return nil, err
		}
		if g.Person == req.Person && g.Role == req.Role && g.Connection == app.Connection && g.extendable() {
			return &g, nil
		}
	}
	begins := now
	if req.StartsAt.After(now) {
		begins = req.StartsAt
	}
	live, err := tx.Grants(ctx, GrantFilter{Person: req.Person, Role: req.Role, Connection: app.Connection, States: []GrantState{GrantSettingUp, GrantActive, GrantChanged}})
	for _, g := range live {
		if g.overlaps(begins) {
			return &g, err
		}
	}
	return nil, err
}

// put saves the grant with its events and its job, if it has one.
func (s *Service) put(ctx context.Context, tx Tx, g Grant, events []audit.Event, job *Job) error {
	if err := tx.SaveGrant(ctx, g); err != nil {
		return err
	}
	if err := tx.Record(ctx, events...); err != nil {
		return err
	}
	if job == nil {
		return nil
	}
	return tx.Enqueue(ctx, *job)
}

// Revoke ends a grant before its time.
func (s *Service) Revoke(ctx context.Context, who identity.Actor, id GrantID, note string) (Grant, error) {
	if err := s.need(ctx, who, identity.ScopeRequestsWrite, "grant:"+string(id), "revoke"); err != nil {
		return Grant{}, err
	}
	var revoked Grant
	err := s.store.Change(ctx, func(tx Tx) error {
		who, err := present(ctx, tx, who)
		if err != nil {
			return err
		}
		g, app, err := grantAndApp(ctx, tx, id)
		if err != nil {
			return err
		}
		g, events, err := g.revoke(who, app, note, s.newID("run"), s.now())
		if err != nil {
			return err
		}
		revoked = g
		if g.State == GrantEnded {
			return s.put(ctx, tx, g, events, nil)
		}
		return s.put(ctx, tx, g, events, new(g.job(JobDeprovision, ReasonRevoked, 0)))
	})
	return revoked, s.refused(ctx, who, "grant:"+string(id), "revoke", wrap("revoke grant", err))
}

// Retry makes a new run for a grant whose last run did not carry it out.
func (s *Service) Retry(ctx context.Context, who identity.Actor, id GrantID) (Grant, error) {
	if err := s.need(ctx, who, identity.ScopeRequestsWrite, "grant:"+string(id), "retry"); err != nil {
		return Grant{}, err
	}
	var retried Grant
	err := s.store.Change(ctx, func(tx Tx) error {
		who, err := present(ctx, tx, who)
		if err != nil {
			return err
		}
		g, app, err := grantAndApp(ctx, tx, id)
		if err != nil {
			return err
		}
		if !who.Administers() && !app.ownedBy(who) {
			return fault.New(fault.Forbidden, "Only an owner of %s or an administrator may retry a run.", app.Name).WithCode("not_yours")
		}
		g, kind, events, err := g.retry(who, s.newID("run"), s.now())
		if err != nil {
			return err
		}
		if kind == JobProvision {
			if err := enabled(ctx, tx, g.Person); err != nil {
				return err
			}
		}
		retried = g
		return s.put(ctx, tx, g, events, new(g.job(kind, "retry", 0)))
	})
	return retried, s.refused(ctx, who, "grant:"+string(id), "retry", wrap("retry grant", err))
}

// ExpireDue ends the grants whose time is over, at most limit of them, and
// returns how many it ended. One that cannot be ended does not keep the others:
// it is told of in the error.
func (s *Service) ExpireDue(ctx context.Context, limit int) (int, error) {
	n := 0
	err := s.store.Change(ctx, func(tx Tx) error {
		n = 0
		due, err := s.due(ctx, tx, limit)
		for _, g := range due {
			ended, err := s.expire(ctx, tx, g)
			if err != nil {
				return err
			}
			n += ended
		}
		return err
	})
	if err == nil || ctx.Err() != nil {
		return n, wrap("expire grants", err)
	}
	return s.expireEach(ctx, limit)
}

// expireEach ends due grants in a transaction each.
func (s *Service) expireEach(ctx context.Context, limit int) (int, error) {
	var due []Grant
	err := s.store.View(ctx, func(tx Reader) (err error) {
		due, err = s.due(ctx, tx, limit)
		return err
	})
	errs := []error{wrap("expire grants", err)}
	n := 0
	for _, g := range due {
		ended := 0
		err := s.store.Change(ctx, func(tx Tx) error {
			g, err := tx.Grant(ctx, g.ID)
			if err != nil {
				return err
			}
			ended, err = s.expire(ctx, tx, g)
			return err
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("expire grant %s: %w", g.ID, err))
			continue
		}
		n += ended
	}
	return n, errors.Join(errs...)
}

// expire ends g in tx if its time is over, and returns how many that are.
func (s *Service) expire(ctx context.Context, tx Tx, g Grant) (int, error) {
	g, events, ok := g.expire(s.newID("run"), s.now())
	if !ok {
		return 0, nil
	}
	return 1, s.put(ctx, tx, g, events, new(g.job(JobDeprovision, "expiry", 0)))
}

func (s *Service) due(ctx context.Context, tx Reader, limit int) ([]Grant, error) {
	return tx.Grants(ctx, GrantFilter{DueBy: s.now(), Limit: limit})
}

// Due says whether a grant's time is over, without taking the writer's turn.
func (s *Service) Due(ctx context.Context) (bool, error) {
	var due []Grant
	err := s.store.View(ctx, func(tx Reader) (err error) {
		due, err = s.due(ctx, tx, 1)
		return err
	})
	return len(due) > 0, wrap("look for due grants", err)
}

// Underway returns the grants that wait for a run, at most limit of them behind
// the grant after, the newest first.
func (s *Service) Underway(ctx context.Context, after GrantID, limit int) (gs []Grant, err error) {
	err = s.store.View(ctx, func(tx Reader) error {
		gs, err = tx.Grants(ctx, GrantFilter{Underway: true, Before: after, Limit: limit})
		return err
	})
	return gs, wrap("list grants under way", err)
}

// Outcome is what came of a run.
type Outcome struct {
	Run     string
	Kind    JobKind
	Grant   GrantID
	Proof   Proof
	Problem *Problem // nil: the run did what it should
}

// Report takes the outcome of a run into its grant, once: after a crash it may
// be asked again. A run that the grant no longer waits for changes nothing; that
// is recorded too. A failed end is tried again, without end.
func (s *Service) Report(ctx context.Context, o Outcome) (Grant, error) {
	var reported Grant
	err := s.store.Change(ctx, func(tx Tx) error {
		g, err := tx.Grant(ctx, o.Grant)
		if err != nil {
			return err
		}
		reported = g
		if first, err := tx.Settle(ctx, o.Run); err != nil || !first {
			return err
		}
		now := s.now()
		var events []audit.Event
		var job *Job
		switch {
		case g.Awaited() != o.Run:
			events = []audit.Event{g.event(GrantSuperseded, identity.System(), now, "run", o.Run, "state", string(g.State))}
		case o.Problem != nil:
			g = g.took(o.Run)
			wanted := g.wants(o.Kind)
			g, events = g.fail(o.Kind, *o.Problem, now)
			if wanted {
				g, job = g.again(o.Kind, s.newID("run"), now)
			}
		case o.Kind == JobProvision:
			g, events = g.took(o.Run).confirm(o.Proof, now)
		default:
			g, events = g.finish(o.Proof, now)
		}
		reported = g
		return s.put(ctx, tx, g, events, job)
	})
	return reported, wrap("report run", err)
}

// Facts is all that a workflow is told about the grant it carries out.
type Facts struct {
	Grant     Grant
	App       App
	Role      Role
	Person    identity.Person
	Requester identity.Person
	Request   Request
	Remaining []Grant // the person's other active grants on the same connection
}

// Facts reads what a run of the kind must know. It returns ErrSuperseded when
// the grant does not wait for that run any more.
func (s *Service) Facts(ctx context.Context, run string, kind JobKind, id GrantID) (Facts, error) {
	var f Facts
	err := s.store.View(ctx, func(tx Reader) error {
		var err error
		if f.Grant, f.App, err = grantAndApp(ctx, tx, id); err != nil {
			return err
		}
		if f.Grant.Awaited() != run || !f.Grant.wants(kind) {
			return ErrSuperseded
		}
		if f.Role, err = tx.Role(ctx, f.Grant.Role); err != nil {
			return err
		}
		if f.Person, err = tx.Person(ctx, f.Grant.Person); err != nil {
			return err
		}
		if f.Request, err = tx.Request(ctx, f.Grant.Request); err != nil {
			return err
		}
		if f.Requester, err = tx.Person(ctx, f.Request.Requester); err != nil {
			return err
		}
		if kind == JobProvision && f.Person.Disabled {
			return enabled(ctx, tx, f.Person.ID)
		}
		live, err := tx.Grants(ctx, GrantFilter{Person: f.Grant.Person, Connection: f.Grant.Connection, States: []GrantState{GrantActive}})
		for _, g := range live {
			// A person has one role on a site: what another app gives there counts,
			// and what a grant gives on another site does not.
			if g.ID != id {
				f.Remaining = append(f.Remaining, g)
			}
		}
		return err
	})
	return f, wrap("read the facts of a run", err)
}

// ErrSuperseded says that a later decision has overtaken a run: it must write
// nothing any more.
var ErrSuperseded = fault.New(fault.Conflict, "A later decision has overtaken this run.").WithCode("superseded")

// StillWanted returns ErrSuperseded when the grant does not wait for the run any
// more. A run asks before each write.
func (s *Service) StillWanted(ctx context.Context, run string, kind JobKind, id GrantID) error {
	return s.store.View(ctx, func(tx Reader) error {
		g, err := tx.Grant(ctx, id)
		if err != nil {
			return err
		}
		if g.Awaited() != run || !g.wants(kind) {
			return ErrSuperseded
		}
		return nil
	})
}

func grantAndApp(ctx context.Context, tx Reader, id GrantID) (Grant, App, error) {
	g, err := tx.Grant(ctx, id)
	if err != nil {
		return Grant{}, App{}, err
	}
	app, err := tx.App(ctx, g.App)
	return g, app, err
}

package access

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// Service is the one way to change access: UI, API, CLI, the clock and the runs
// all come through it, so no rule can be bypassed.
type Service struct {
	store Store
	rules RoleRules
	now   func() time.Time
	newID func(prefix string) string
}

// RoleRules knows what a role must look like for the workflows that will carry
// it out.
type RoleRules interface {
	// Complete returns app with the workflows that are meant when it names none,
	// or refuses workflows that do not exist or do not fit.
	Complete(ctx context.Context, who identity.Actor, app App) (App, error)
	// CheckRole refuses a role that the workflows of app cannot carry out.
	CheckRole(ctx context.Context, app App, role Role) error
}

// NewService returns the service on a store. newID makes a new sortable id
// behind a prefix ("req" → "req_…").
func NewService(store Store, rules RoleRules, now func() time.Time, newID func(prefix string) string) *Service {
	return &Service{store: store, rules: rules, now: now, newID: newID}
}

// Events of the set-up.
const (
	AppSaved    audit.Kind = "app.saved"
	RoleSaved   audit.Kind = "role.saved"
	PolicySaved audit.Kind = "policy.saved"
)

// SaveApp creates or changes an app.
func (s *Service) SaveApp(ctx context.Context, who identity.Actor, app App) (App, error) {
	if err := s.needAdmin(ctx, who, "app:"+string(app.ID), "save"); err != nil {
		return App{}, err
	}
	app, err := app.check()
	if err != nil {
		return App{}, err
	}
	if app, err = s.rules.Complete(ctx, who, app); err != nil {
		return App{}, err
	}
	if app.ID == "" {
		app.ID, app.CreatedAt = AppID(s.newID("app")), s.now()
	}
	err = s.store.Change(ctx, func(tx Tx) error {
		if app.Policy != "" {
			if _, err := tx.Policy(ctx, app.Policy); err != nil {
				return err
			}
		}
		for _, owner := range app.Owners {
			if _, err := tx.Person(ctx, owner); err != nil {
				return err
			}
		}
		if err := known(ctx, tx, app.OwnerGroups, app.Profile); err != nil {
			return err
		}
		if err := tx.SaveApp(ctx, app); err != nil {
			return err
		}
		return tx.Record(ctx, event(AppSaved, who, "app:"+string(app.ID), s.now(), "name", app.Name, "connection", app.Connection,
			"policy", string(app.Policy), "provision", app.Workflows.Provision, "deprovision", app.Workflows.Deprovision))
	})
	return app, wrap("save app", err)
}

// SaveRole creates or changes a role of an app. A name that the app's workflows
// cannot carry out is refused here, not at the first grant.
func (s *Service) SaveRole(ctx context.Context, who identity.Actor, role Role) (Role, error) {
	if err := s.needAdmin(ctx, who, "role:"+string(role.ID), "save"); err != nil {
		return Role{}, err
	}
	role, err := role.check()
	if err != nil {
		return Role{}, err
	}
	app, err := s.App(ctx, role.App)
	if err != nil {
		return Role{}, err
	}
	if err := s.rules.CheckRole(ctx, app, role); err != nil {
		return Role{}, err
	}
	if _, err := policyOf(app, role); err != nil {
		return Role{}, err
	}
	if role.ID == "" {
		role.ID, role.CreatedAt = RoleID(s.newID("rol")), s.now()
	}
	err = s.store.Change(ctx, func(tx Tx) error {
		if role.Policy != "" {
			if _, err := tx.Policy(ctx, role.Policy); err != nil {
				return err
			}
		}
		if err := known(ctx, tx, nil, role.Profile); err != nil {
			return err
		}
		if err := tx.SaveRole(ctx, role); err != nil {
			return err
		}
		return tx.Record(ctx, event(RoleSaved, who, "role:"+string(role.ID), s.now(), "name", role.Name, "app", string(role.App),
			"policy", string(role.Policy)))
	})
	return role, wrap("save role", err)
}

// Ask is what a person asks for.
type Ask struct {
	Role   RoleID
	Person identity.PersonID // whom it is for; "": who asks
	Length *time.Duration    // nil: the policy's usual length; Indefinite: without an end
	Reason string
	Starts time.Time // when the access is to start; zero: as soon as it is approved
}

// present returns who as the directory has them now: between the check of a
// token and the writers' turn, somebody may have been disabled, or be an
// administrator no more.
func present(ctx context.Context, tx Reader, who identity.Actor) (identity.Actor, error) {
	if who.IsSystem() {
		return who, nil
	}
	p, err := tx.Person(ctx, who.Person)
	if err != nil {
		return who, err
	}
	if p.Disabled {
		return who, fault.New(fault.Forbidden, "You may not do that any more: you have been disabled.").WithCode("disabled")
	}
	who.Admin = who.Admin && p.Admin
	return standing(ctx, tx, who)
}

// standing returns who with what the directory says of them now.
func standing(ctx context.Context, tx Reader, who identity.Actor) (identity.Actor, error) {
	var err error
	who.Groups, who.Reports, err = tx.Standing(ctx, who.Person)
	return who, err
}

// enabled refuses to give access to somebody who is disabled.
func enabled(ctx context.Context, tx Reader, id identity.PersonID) error {
	p, err := tx.Person(ctx, id)
	if err != nil {
		return err
	}
	if p.Disabled {
		return fault.New(fault.Conflict, "%s is disabled and cannot be given access.", p.Name).WithCode("person_disabled")
	}
	return nil
}

// keep saves the request and, once it is approved, its grant and the job that
// carries it out.
func (s *Service) keep(ctx context.Context, tx Tx, req Request, app App, now time.Time) (Request, error) {
	if req.State != RequestApproved {
		return req, tx.SaveRequest(ctx, req)
	}
	req.Grant = GrantID(s.newID("grt"))
	grant, events := grantOf(req, app, req.Grant, s.newID("run"), now)
	if err := tx.SaveRequest(ctx, req); err != nil {
		return req, err
	}
	return req, s.put(ctx, tx, grant, events, new(grant.job(JobProvision, "request:"+string(req.ID), 0)))
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

// decision is a rule that takes a request to its next state.
type decision func(r Request, who identity.Actor, app App, now time.Time) (Request, []audit.Event, error)

// decide runs one decision on a request.
func (s *Service) decide(ctx context.Context, who identity.Actor, id RequestID, rule decision) (Request, error) {
	var decided Request
	err := s.store.Change(ctx, func(tx Tx) error {
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
		now := s.now()
		req, events, err := rule(req, who, app, now)
		if err != nil {
			return err
		}
		if req.State == RequestApproved {
			if err := enabled(ctx, tx, req.Person); err != nil {
				return err
			}
		}
		if err := tx.Record(ctx, events...); err != nil {
			return err
		}
		decided, err = s.keep(ctx, tx, req, app, now)
		return err
	})
	return decided, err
}

// Approve decides the waiting step of a request. length, if given, shortens
// what was asked for.
func (s *Service) Approve(ctx context.Context, who identity.Actor, id RequestID, length *time.Duration, reason string) (Request, error) {
	if err := s.need(ctx, who, identity.ScopeApprovalsWrite, "request:"+string(id), "approve"); err != nil {
		return Request{}, err
	}
	r, err := s.decide(ctx, who, id, func(r Request, who identity.Actor, app App, now time.Time) (Request, []audit.Event, error) {
		return r.approve(who, app, length, reason, now)
	})
	return r, s.refused(ctx, who, "request:"+string(id), "approve", wrap("approve request", err))
}

// Deny turns a request down.
func (s *Service) Deny(ctx context.Context, who identity.Actor, id RequestID, reason string) (Request, error) {
	if err := s.need(ctx, who, identity.ScopeApprovalsWrite, "request:"+string(id), "deny"); err != nil {
		return Request{}, err
	}
	r, err := s.decide(ctx, who, id, func(r Request, who identity.Actor, app App, now time.Time) (Request, []audit.Event, error) {
		return r.deny(who, app, reason, now)
	})
	return r, s.refused(ctx, who, "request:"+string(id), "deny", wrap("deny request", err))
}

// Withdraw takes a request back.
func (s *Service) Withdraw(ctx context.Context, who identity.Actor, id RequestID) (Request, error) {
	if err := s.need(ctx, who, identity.ScopeRequestsWrite, "request:"+string(id), "withdraw"); err != nil {
		return Request{}, err
	}
	r, err := s.decide(ctx, who, id, func(r Request, who identity.Actor, _ App, now time.Time) (Request, []audit.Event, error) {
		return r.withdraw(who, now)
	})
	return r, s.refused(ctx, who, "request:"+string(id), "withdraw", wrap("withdraw request", err))
}

// nameable are subjects that can be kept as they are: what a caller without
// rights names need not be an id of ours.
var nameable = regexp.MustCompile(`^[a-z]+:[A-Za-z0-9_-]{1,64}$`)

// need refuses an actor without the scope, and records that.
func (s *Service) need(ctx context.Context, who identity.Actor, scope identity.Scope, subject, act string) error {
	return s.refused(ctx, who, subject, act, who.Need(scope))
}

// needAdmin refuses whoever is no administrator, and records that.
func (s *Service) needAdmin(ctx context.Context, who identity.Actor, subject, act string) error {
	return s.refused(ctx, who, subject, act, who.NeedAdmin(identity.ScopeAdmin))
}

// refused records an attempt that was forbidden and returns its error.
func (s *Service) refused(ctx context.Context, who identity.Actor, subject, act string, err error) error {
	if !errors.Is(err, fault.Forbidden) {
		return err
	}
	if !nameable.MatchString(subject) {
		subject, _, _ = strings.Cut(subject, ":")
	}
	recorded := s.store.Change(ctx, func(tx Tx) error {
		return tx.Record(ctx, event(identity.ActRefused, who, subject, s.now(), "act", act, "code", fault.Public(err).Code))
	})
	return errors.Join(err, recorded)
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
	return tx.Grants(ctx, GrantFilter{States: []GrantState{GrantActive}, DueBy: s.now(), Limit: limit})
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
		gs, err = tx.Grants(ctx, GrantFilter{States: []GrantState{GrantSettingUp, GrantEnding, GrantOverdue}, Before: after, Limit: limit})
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
		case g.Run != o.Run:
			events = []audit.Event{g.event(GrantSuperseded, identity.System(), now, "run", o.Run, "state", string(g.State))}
		case o.Problem != nil:
			g, events = g.fail(o.Kind, *o.Problem, now)
			if g.State == GrantOverdue || g.State == GrantSettingUp {
				kind, delay := o.Kind, retryDelay(g.Attempts)
				g.Run, g.Attempts = s.newID("run"), g.Attempts+1
				job = new(g.job(kind, "retry", delay))
			}
		case o.Kind == JobProvision:
			g, events = g.confirm(o.Proof, now)
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
		if f.Grant.Run != run || !f.Grant.wants(kind) {
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
		live, err := tx.Grants(ctx, GrantFilter{Person: f.Grant.Person, States: []GrantState{GrantActive}})
		for _, g := range live {
			// A person has one role on a site: what another app gives there counts,
			// and what a grant gives on another site does not.
			if g.ID != id && g.Connection == f.Grant.Connection {
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
		if g.Run != run || !g.wants(kind) {
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

func wrap(act string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", act, err)
}

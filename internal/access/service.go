package access

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
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
	// Offered lists the names of the roles that the system behind app knows.
	Offered(ctx context.Context, app App) ([]string, error)
	// CheckApproval refuses a workflow that cannot decide a step.
	CheckApproval(ctx context.Context, workflow string) error
	// Scale returns how strong the system behind a connection holds its roles to
	// be. It must not be asked inside a transaction.
	Scale(ctx context.Context, connection string) (Scale, error)
}

// Scale is a system's order of roles.
type Scale struct {
	Roles []string // the weakest first
	None  string   // the role of somebody who may do nothing: "Unlicensed"
}

// Rank returns how strong a role is: more is stronger, -1 is unknown.
func (s Scale) Rank(role string) int { return slices.Index(s.Roles, role) }

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

// SaveApp creates an app, or changes the version of one that app says.
func (s *Service) SaveApp(ctx context.Context, who identity.Actor, app App) (App, error) {
	return s.saveApp(ctx, who, app, nil)
}

// SaveAppWith is SaveApp, and says how access of the app is carried out: both or
// neither.
func (s *Service) SaveAppWith(ctx context.Context, who identity.Actor, app App, how Provisioning) (App, error) {
	return s.saveApp(ctx, who, app, &how)
}

func (s *Service) saveApp(ctx context.Context, who identity.Actor, app App, how *Provisioning) (App, error) {
	if err := s.needAdmin(ctx, who, "app:"+string(app.ID), "save"); err != nil {
		return App{}, err
	}
	app, err := app.check()
	if how, err = checked(how, false, err); err != nil {
		return App{}, err
	}
	if app, err = s.rules.Complete(ctx, who, app); err != nil {
		return App{}, err
	}
	saw, fresh, now := app.Version, app.ID == "", s.now()
	if fresh {
		app.ID, app.CreatedAt = AppID(s.newID("app")), now
	}
	err = s.store.Change(ctx, func(tx Tx) error {
		var before App
		if !fresh {
			var err error
			if before, err = tx.App(ctx, app.ID); err != nil {
				return err
			}
			if !before.edits(saw) {
				return appMeanwhile(ctx, tx, who, before, app, how)
			}
			app.CreatedAt = before.CreatedAt
		}
		app.Saved = before.next(who, now)
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
		if err := mayMove(ctx, tx, before, app); err != nil {
			return err
		}
		if err := tx.SaveApp(ctx, app); err != nil {
			return err
		}
		if err := tx.Record(ctx, event(AppSaved, who, "app:"+string(app.ID), now, "name", app.Name, "connection", app.Connection,
			"policy", string(app.Policy), "provision", app.Workflows.Provision, "deprovision", app.Workflows.Deprovision)); err != nil || how == nil {
			return err
		}
		return keepProvisioning(ctx, tx, who, app.ID, "", *how, now)
	})
	return app, wrap("save app", err)
}

// mayMove refuses to bind an app to another connection while access of it has not
// ended on another: nobody would look there any more for what was changed, and
// more time of it would be given elsewhere.
func mayMove(ctx context.Context, tx Reader, kept, app App) error {
	if kept.ID == "" || kept.Connection == app.Connection {
		return nil
	}
	left, err := tx.Grants(ctx, GrantFilter{App: app.ID, NotOn: []string{app.Connection}, States: append(liveStates(), GrantNotSetUp, GrantEnding, GrantOverdue)})
	left = slices.DeleteFunc(left, func(g Grant) bool { return g.State == GrantNotSetUp && g.Next == "" && !g.holds() }) // nothing of it is there, nor will be
	switch {
	case err != nil:
		return err
	case len(left) == 1:
		return fault.New(fault.Conflict, "1 grant of %s is live on the connection that it is bound to.", app.Name).WithCode("in_use").WithHint(hintMove)
	case len(left) > 1:
		return fault.New(fault.Conflict, "%d grants of %s are live on the connection that it is bound to.", len(left), app.Name).WithCode("in_use").WithHint(hintMove)
	}
	return nil
}

const hintMove = "End them first: margay access list. Or make another app for the other connection, and let these come to their end."

// SaveRole creates a role of an app, or changes the version of one that role
// says. A name that the app's workflows cannot carry out is refused here, not at
// the first grant.
func (s *Service) SaveRole(ctx context.Context, who identity.Actor, role Role) (Role, error) {
	return s.saveRole(ctx, who, role, nil)
}

// SaveRoleWith is SaveRole, and says how access by the role is carried out: both
// or neither.
func (s *Service) SaveRoleWith(ctx context.Context, who identity.Actor, role Role, how Provisioning) (Role, error) {
	return s.saveRole(ctx, who, role, &how)
}

func (s *Service) saveRole(ctx context.Context, who identity.Actor, role Role, how *Provisioning) (Role, error) {
	if err := s.needAdmin(ctx, who, "role:"+string(role.ID), "save"); err != nil {
		return Role{}, err
	}
	role, err := role.check()
	if how, err = checked(how, true, err); err != nil {
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
	saw, fresh, now := role.Version, role.ID == "", s.now()
	if fresh {
		role.ID, role.CreatedAt = RoleID(s.newID("rol")), now
	}
	err = s.store.Change(ctx, func(tx Tx) error {
		var before Role
		if !fresh {
			var err error
			if before, err = tx.Role(ctx, role.ID); err != nil {
				return err
			}
			if !before.edits(saw) {
				return roleMeanwhile(ctx, tx, who, before, role, how)
			}
			role.CreatedAt = before.CreatedAt
		}
		role.Saved = before.next(who, now)
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
		if err := tx.Record(ctx, event(RoleSaved, who, "role:"+string(role.ID), now, "name", role.Name, "app", string(role.App),
			"policy", string(role.Policy))); err != nil || how == nil {
			return err
		}
		return keepProvisioning(ctx, tx, who, role.App, role.ID, *how, now)
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
		if !req.visibleTo(who, app) {
			return hidden("request", string(id))
		}
		now, before := s.now(), req.step()
		req, events, err := rule(req, who, app, now)
		if err != nil {
			return err
		}
		if req.step() > before {
			nobody, err := undecidable(ctx, tx, req, app, now)
			if err != nil {
				return err
			}
			events = append(events, nobody...)
		}
		if req.State == RequestApproved {
			if err := enabled(ctx, tx, req.Person); err != nil {
				return err
			}
		}
		if err := tx.Record(ctx, events...); err != nil {
			return err
		}
		req, err = s.keep(ctx, tx, req, app, now)
		decided = req.shownTo(who, app)
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

func wrap(act string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", act, err)
}

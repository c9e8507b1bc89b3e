package access

import (
	"context"
	"slices"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// Extend asks for more time of a grant, under the policy as it is now.
func (s *Service) Extend(ctx context.Context, who identity.Actor, id GrantID, length *time.Duration, reason string) (Request, error) {
	g, err := s.Grant(ctx, who, id)
	if err != nil {
		return Request{}, err
	}
	if err := g.mayBeMore(); err != nil {
		return Request{}, err
	}
	switch {
	case g.State != GrantActive && g.State != GrantSettingUp:
		return Request{}, fault.New(fault.Conflict, "This access is %s: there is nothing to extend.", g.State.plain()).
			WithCode("not_extendable").WithHint("Ask for the role anew.")
	case g.Length == Indefinite:
		return Request{}, fault.New(fault.Conflict, "This access does not end by itself: there is nothing to extend.").WithCode("not_extendable")
	}
	return s.File(ctx, who, Ask{Role: g.Role, Person: g.Person, Length: length, Reason: reason})
}

// ExtendRequest is Extend of the grant that became of a request.
func (s *Service) ExtendRequest(ctx context.Context, who identity.Actor, id RequestID, length *time.Duration, reason string) (Request, error) {
	r, err := s.Request(ctx, who, id)
	if err != nil {
		return Request{}, err
	}
	if r.Grant == "" {
		return Request{}, fault.New(fault.Conflict, "No access came of this request: there is nothing to extend.").WithCode("not_extendable")
	}
	return s.Extend(ctx, who, r.Grant, length, reason)
}

// change runs a rule on a grant in one transaction, for somebody with the scope
// of requests.
func (s *Service) change(ctx context.Context, who identity.Actor, id GrantID, act string,
	rule func(ctx context.Context, tx Tx, who identity.Actor, g Grant, app App) (Grant, []audit.Event, *Job, error),
) (Grant, error) {
	subject := "grant:" + string(id)
	if err := s.need(ctx, who, identity.ScopeRequestsWrite, subject, act); err != nil {
		return Grant{}, err
	}
	var changed Grant
	err := s.store.Change(ctx, func(tx Tx) error {
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
		g, events, job, err := rule(ctx, tx, who, g, app)
		if err != nil {
			return err
		}
		g, err = s.putTo(ctx, tx, g, events, job)
		changed = g.shownTo(who, app)
		return err
	})
	return changed, s.refused(ctx, who, subject, act, wrap(act+" grant", err))
}

// Reduce shortens a grant at once: left is the time that it has from now, or
// when it has not begun, the time that it will have.
func (s *Service) Reduce(ctx context.Context, who identity.Actor, id GrantID, left time.Duration, note string) (Grant, error) {
	return s.change(ctx, who, id, "reduce", func(_ context.Context, _ Tx, who identity.Actor, g Grant, app App) (Grant, []audit.Event, *Job, error) {
		g, events, err := g.reduce(who, app, left, note, s.now())
		return g, events, nil, err
	})
}

// Preview is what the end of a grant would do in the other system.
type Preview struct {
	Grant     Grant
	Now       string // the role that was reported there last; "": none was
	ReadAt    time.Time
	Then      string // the role after it
	Because   string // why that one, for people
	Remaining *Grant // the grant that keeps the person's role
	ByHand    string // who takes it back by hand; "": a run does
}

// Mark tells one preview from another that says something else; "" where nothing
// can be foreseen, because what is there was not reported yet.
func (p Preview) Mark() string {
	switch {
	case p.Grant.State == GrantScheduled, p.Grant.State == GrantChanged && p.Now == "":
		return string(p.Grant.State)
	case p.Now == "":
		return ""
	}
	return p.Now + "/" + p.Then
}

// Preview says what revoking a grant would do, and does nothing.
func (s *Service) Preview(ctx context.Context, who identity.Actor, id GrantID) (Preview, error) {
	g, err := s.Grant(ctx, who, id)
	if err != nil {
		return Preview{}, err
	}
	all, err := s.previews(ctx, who, []Grant{g})
	if err != nil {
		return Preview{}, err
	}
	return all[0], nil
}

// previews says what revoking all these grants would do.
func (s *Service) previews(ctx context.Context, who identity.Actor, grants []Grant) ([]Preview, error) {
	scales, err := s.scales(ctx, grants)
	if err != nil {
		return nil, err
	}
	list := make([]Preview, len(grants))
	err = s.store.View(ctx, func(tx Reader) error {
		who, err := standing(ctx, tx, who)
		if err != nil {
			return err
		}
		for i, g := range grants {
			app, err := tx.App(ctx, g.App)
			if err != nil {
				return err
			}
			if list[i], err = s.previewIn(ctx, tx, who, g, app, grants, scales[g.Connection]); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// previewIn says what revoking g would do, or why it cannot be revoked. The others
// of together end with it.
func (s *Service) previewIn(ctx context.Context, tx Reader, who identity.Actor, g Grant, app App, together []Grant, scale Scale) (Preview, error) {
	if err := g.mayEnd(who, app); err != nil {
		return Preview{}, err
	}
	if err := g.endedAlready(); err != nil {
		return Preview{}, err
	}
	byHand := ""
	task, _, err := s.taskFor(ctx, tx, g, g.job(JobDeprovision, "", 0))
	if err == nil && task != nil {
		byHand, err = waitingFor(ctx, tx, *task)
	}
	if err != nil {
		return Preview{}, err
	}
	live, err := tx.Grants(ctx, GrantFilter{Person: g.Person, Connection: g.Connection, States: []GrantState{GrantActive, GrantChanged}})
	if err != nil {
		return Preview{}, err
	}
	live = slices.DeleteFunc(live, func(l Grant) bool {
		return slices.ContainsFunc(together, func(other Grant) bool { return other.ID == l.ID && other.ID != g.ID })
	})
	p := previewOf(g, app, remaining(g, live, scale), scale)
	p.ByHand = byHand
	return p, nil
}

// previewOf says what the end of g does: what the workflows of the bundle do
// with what was reported last. live are the person's other grants that remain on
// the site.
func previewOf(g Grant, app App, live []Grant, scale Scale) Preview {
	p := Preview{Grant: g, Now: g.Proof.Role, ReadAt: g.Proof.At}
	var strongest *Grant
	for _, other := range live {
		if other.Proof.At.After(p.ReadAt) {
			p.Now, p.ReadAt = other.Proof.Role, other.Proof.At
		}
		if other.ID != g.ID && (strongest == nil || scale.Rank(other.RoleName) > scale.Rank(strongest.RoleName)) {
			strongest = &other
		}
	}
	if g.State == GrantChanged {
		p.Now, p.ReadAt = g.Outside.Found, g.Outside.At
	}
	p.Then = p.Now
	switch {
	case g.State == GrantScheduled:
		p.Because = "It has not begun: nothing is changed in the other system."
	case g.State == GrantChanged && p.Now == "":
		p.Because = "The person is not on the site any more: there is nothing to take back."
	case p.Now == "":
		p.Because = "It has not been set up: what is there is read when it ends."
	case p.Now != g.RoleName:
		p.Because = "The role there is " + p.Now + ", not " + g.RoleName + ": it is left alone."
	case app.OnRevoke == OnRevokeUnlicensed || strongest == nil || scale.Rank(strongest.RoleName) < 0:
		p.Then, p.Because = scale.None, "No other grant gives a role there."
		if app.OnRevoke == OnRevokeUnlicensed {
			p.Because = "The app takes everything away when access is revoked."
		}
	default:
		p.Then, p.Remaining = strongest.RoleName, strongest
		p.Because = "Another grant still gives " + strongest.RoleName + "."
	}
	return p
}

// BeginDue begins the scheduled grants whose time has come, at most limit of
// them, and returns how many it began.
func (s *Service) BeginDue(ctx context.Context, limit int) (int, error) {
	var due []Grant
	err := s.store.View(ctx, func(tx Reader) (err error) {
		due, err = tx.Grants(ctx, GrantFilter{BeginBy: s.now(), Limit: limit})
		return err
	})
	if err != nil || len(due) == 0 {
		return 0, wrap("look for grants to begin", err)
	}
	n, err := sweep(ctx, s, due, ChoreBegin, Grant.subject, func(tx Tx, g Grant) (int, error) {
		g, err := tx.Grant(ctx, g.ID)
		if err != nil {
			return 0, err
		}
		now := s.now()
		if g.State != GrantScheduled || g.BeginsAt.After(now) {
			return 0, nil
		}
		return 1, s.begin(ctx, tx, g, now)
	})
	return n, wrap("begin grants", err)
}

// begin begins a scheduled grant in tx. Where the person has that role already,
// the grant that gives it goes on instead: two of one role beside each other
// would each take away at its end what the other still gives. Of somebody who is
// disabled nothing begins, and nothing goes on for longer.
func (s *Service) begin(ctx context.Context, tx Tx, g Grant, now time.Time) error {
	p, err := tx.Person(ctx, g.Person)
	if err != nil {
		return err
	}
	if p.Disabled {
		_, err := s.revokeIn(ctx, tx, identity.System(), g, p.Name+" was disabled before it began.")
		return err
	}
	r, err := tx.Request(ctx, g.Request)
	if err != nil {
		return err
	}
	r.Length, r.StartsAt, r.Extends = g.Length, time.Time{}, "" // what was agreed may have been shortened since
	live, err := s.overlapping(ctx, tx, r, g, now)
	if err != nil {
		return err
	}
	if live == nil {
		g, events := g.begin(s.newID("run"), now)
		return s.put(ctx, tx, g, events, new(g.job(JobProvision, triggerScheduled, 0)))
	}
	g, events := g.mergeInto(live.ID, now)
	if err := s.put(ctx, tx, g, events, nil); err != nil {
		return err
	}
	more, job, events, err := s.moreOf(*live, r, now)
	if err != nil {
		return err
	}
	return s.put(ctx, tx, more, events, job)
}

// moreOf returns a live grant with the time of the approved request r, and the
// job that sets it up where that failed. Where somebody has changed it outside,
// its end moves and nothing else: whether it is set up once more, a person decides
// who sees what is there.
func (s *Service) moreOf(live Grant, r Request, now time.Time) (Grant, *Job, []audit.Event, error) {
	live, events := live.extend(r, now)
	if live.State != GrantNotSetUp {
		return live, nil, events, nil
	}
	live, _, more, err := live.retry(identity.System(), s.newID("run"), now)
	if err != nil {
		return live, nil, nil, err
	}
	return live, new(live.job(JobProvision, triggerRequest+string(r.ID), 0)), append(events, more...), nil
}

// overlapping returns a grant but for g, on the connection of g, that gives the
// person of r its role already when r would begin at that time; nil when none
// does.
func (s *Service) overlapping(ctx context.Context, tx Reader, r Request, g Grant, begins time.Time) (*Grant, error) {
	live, err := tx.Grants(ctx, GrantFilter{Person: r.Person, Role: r.Role, Connection: g.Connection, States: []GrantState{GrantSettingUp, GrantActive, GrantChanged, GrantNotSetUp}})
	for _, other := range live {
		// What failed is not tried at once for the sake of a later day.
		if other.ID != g.ID && other.overlaps(begins) && (other.State != GrantNotSetUp || !begins.After(s.now())) {
			return &other, err
		}
	}
	return nil, err
}

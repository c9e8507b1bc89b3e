package access

import (
	"context"
	"slices"
	"strings"
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
		var job *Job
		if begins {
			job = new(grant.job(JobProvision, triggerRequest+string(req.ID), 0))
		}
		return s.keepWith(ctx, tx, req, grant, events, job)
	}
	req.Grant = live.ID
	grant, job, events, err := s.moreOf(*live, req, now)
	if err != nil {
		return req, err
	}
	return s.keepWith(ctx, tx, req, grant, events, job)
}

// keepWith saves an approved request with its grant, and the job that sets it
// up, if there is one.
func (s *Service) keepWith(ctx context.Context, tx Tx, req Request, g Grant, events []audit.Event, job *Job) (Request, error) {
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
	return s.overlapping(ctx, tx, req, Grant{Connection: app.Connection}, begins)
}

// put saves the grant with its events and its job, if it has one.
func (s *Service) put(ctx context.Context, tx Tx, g Grant, events []audit.Event, job *Job) error {
	_, err := s.putTo(ctx, tx, g, events, job)
	return err
}

// putTo is put, and returns the grant as it is kept: a job that is done by hand
// is a task of its own.
func (s *Service) putTo(ctx context.Context, tx Tx, g Grant, events []audit.Event, job *Job) (Grant, error) {
	var task *Task
	if job != nil {
		var more []audit.Event
		var err error
		if task, more, err = s.taskFor(ctx, tx, g, *job); err != nil {
			return g, err
		}
		if task != nil {
			g.Task, job, events = task.ID, nil, append(events, more...)
			if g.WaitsFor, err = waitingFor(ctx, tx, *task); err != nil {
				return g, err
			}
		}
	}
	if err := tx.SaveGrant(ctx, g); err != nil {
		return g, err
	}
	if task != nil {
		if err := tx.SaveTask(ctx, *task); err != nil {
			return g, err
		}
	}
	if err := tx.DropTasks(ctx, g.ID, g.Task, s.now()); err != nil {
		return g, err
	}
	if err := tx.Record(ctx, events...); err != nil {
		return g, err
	}
	if job == nil {
		return g, nil
	}
	return g, tx.Enqueue(ctx, *job)
}

// Revoke ends a grant before its time, and withdraws what waits for more of it.
func (s *Service) Revoke(ctx context.Context, who identity.Actor, id GrantID, note string) (Grant, error) {
	return s.change(ctx, who, id, "revoke", func(ctx context.Context, tx Tx, who identity.Actor, g Grant, app App) (Grant, []audit.Event, *Job, error) {
		return s.revocation(ctx, tx, g, who, app, note)
	})
}

// RevokeForeseen is [Service.Revoke] by somebody who was shown a preview with the
// mark: when something else is to be expected meanwhile, they are asked anew. With
// the mark "" nothing was foreseen.
func (s *Service) RevokeForeseen(ctx context.Context, who identity.Actor, id GrantID, note, mark string) (Grant, error) {
	if mark == "" {
		return s.Revoke(ctx, who, id, note)
	}
	if strings.HasPrefix(mark, own) {
		return s.change(ctx, who, id, "revoke", func(ctx context.Context, tx Tx, who identity.Actor, g Grant, app App) (Grant, []audit.Event, *Job, error) {
			if g.ownMark() != mark && g.endedAlready() == nil {
				return g, nil, nil, fault.New(fault.Conflict, "This access has changed since you looked: it is %s now.", strings.ToLower(g.State.Text().Word)).
					WithCode("changed_again").WithHint("Look at the access as it is now, and decide on that.")
			}
			return s.revocation(ctx, tx, g, who, app, note)
		})
	}
	p, unseen := s.Preview(ctx, who, id)
	otherwise := fault.New(fault.Conflict, "What becomes of the role has changed since you looked: %s → %s now.", foundText(p.Now), foundText(p.Then)).
		WithCode("changed_again").WithHint("Look at the access as it is now, and decide on that.")
	// Also who may not look is refused, and that recorded, as by any other act.
	return s.change(ctx, who, id, "revoke", func(ctx context.Context, tx Tx, who identity.Actor, g Grant, app App) (Grant, []audit.Event, *Job, error) {
		was := p.Grant
		switch {
		case unseen != nil:
			return g, nil, nil, unseen
		case p.Mark() != mark, g.State != was.State, g.Outside != was.Outside, g.Proof != was.Proof:
			return g, nil, nil, otherwise
		}
		return s.revocation(ctx, tx, g, who, app, note)
	})
}

// alone refuses to set up g beside another grant of the same role: it was asked
// for again meanwhile.
func (s *Service) alone(ctx context.Context, tx Reader, g Grant) error {
	other, err := s.overlapping(ctx, tx, Request{Person: g.Person, Role: g.Role}, g, s.now())
	if err != nil || other == nil || g.holds() && other.State == GrantNotSetUp && other.Next == "" {
		return err // of two that failed half-way, each may be gone on with
	}
	hint := "End this one: nothing of it is there."
	if g.holds() {
		hint = "End this one, and go on with that."
	}
	return fault.New(fault.Conflict, "%s is given by another grant already: %s.", g.RoleName, other.ID).WithCode("held_already").WithHint("%s", hint)
}

// dueAtOnce is how many due grants are put in order at a time.
const dueAtOnce = 5000

// Pace bounds how much of the ends is ordered before the earlier ones are done;
// its zero value does not.
type Pace struct {
	Each  int       // at most so many at a time on one connection; 0: no bound
	Since time.Time // what was ordered before that counts no more
}

// ExpireDue ends the grants whose time is over, at most limit of them, the
// strongest first, and returns how many it ended. One that cannot be ended does
// not keep the others: it is told of in the error.
func (s *Service) ExpireDue(ctx context.Context, limit int) (int, error) {
	return s.ExpirePaced(ctx, limit, Pace{})
}

// ExpirePaced is ExpireDue, with no more under way on a connection than its pace
// lets: what does not get on there holds up no other's ends, nor does what people
// do by hand.
func (s *Service) ExpirePaced(ctx context.Context, limit int, pace Pace) (int, error) {
	var due []Grant
	var ending map[string]int
	err := s.store.View(ctx, func(tx Reader) (err error) {
		var full []string
		if pace.Each > 0 {
			if ending, err = tx.Ending(ctx, pace.Since); err != nil {
				return err
			}
		}
		for connection, n := range ending {
			if n >= pace.Each {
				full = append(full, connection)
			}
		}
		due, err = tx.Grants(ctx, GrantFilter{DueBy: s.now(), NotOn: full, Limit: max(limit, dueAtOnce)})
		return err
	})
	if err != nil || len(due) == 0 {
		return 0, wrap("expire grants", err)
	}
	if scales, err := s.scales(ctx, due); err == nil { // without the order they end all the same
		strongestFirst(due, scales)
	}
	due = pace.take(due, ending, limit)
	n, err := sweep(ctx, s, due, ChoreExpire, Grant.subject, func(tx Tx, g Grant) (int, error) {
		return s.expireOne(ctx, tx, g.ID)
	})
	return n, wrap("expire grants", err)
}

// take returns the first of the due grants that the pace lets end now, at most
// limit, where so many are ending on each connection already.
func (p Pace) take(due []Grant, ending map[string]int, limit int) []Grant {
	taken := map[string]int{}
	var some []Grant
	for _, g := range due {
		if len(some) == limit {
			break
		}
		if p.Each > 0 && ending[g.Connection]+taken[g.Connection] >= p.Each {
			continue
		}
		taken[g.Connection]++
		some = append(some, g)
	}
	return some
}

// expireOne ends a grant in tx if its time is over, and returns how many that
// are.
func (s *Service) expireOne(ctx context.Context, tx Tx, id GrantID) (int, error) {
	g, err := tx.Grant(ctx, id)
	if err != nil {
		return 0, err
	}
	return s.expire(ctx, tx, g)
}

// expire ends g in tx if its time is over, and returns how many that are.
func (s *Service) expire(ctx context.Context, tx Tx, g Grant) (int, error) {
	g, events, ok := g.expire(s.newID("run"), s.now())
	if !ok {
		return 0, nil
	}
	return 1, s.put(ctx, tx, g, events, new(g.job(JobDeprovision, triggerExpiry, 0)))
}

// Due says whether a grant's time is over, without taking the writer's turn.
func (s *Service) Due(ctx context.Context) (bool, error) {
	var due []Grant
	err := s.store.View(ctx, func(tx Reader) (err error) {
		due, err = tx.Grants(ctx, GrantFilter{DueBy: s.now(), Limit: 1})
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
	Found   bool     // the role of the proof is as it was found: nothing was changed
	Before  *string  // the role that was there before the run did anything, "" for nobody; nil: it does not say
	Problem *Problem // nil: the run did what it should
	// Wrote says that the run changed something in the system, or may have.
	Wrote bool
	// Stale says that the run, which its grant still waits for, stopped before it
	// wrote: what it had been told was not so any more.
	Stale bool
}

// says reports whether the run tells which role is there: a proof without one is
// that of a system that has none, unless the run says that it looked.
func (o Outcome) says() bool { return o.Proof.Role != "" || o.Before != nil }

// Report takes the outcome of a run into its grant, once: after a crash it may
// be asked again. A run that the grant no longer waits for changes nothing; that
// is recorded too. A failed end is tried again, without end.
func (s *Service) Report(ctx context.Context, o Outcome) (Grant, error) {
	var scale Scale
	var err error
	if o.Problem == nil && (o.Before != nil || o.Kind == JobProvision) {
		// By it is told whether a role that was set up holds less than the granted
		// one, and what became of the person's other grants.
		if scale, err = s.scaleOf(ctx, o.Grant); err != nil {
			return Grant{}, wrap("report run", err)
		}
	}
	var reported Grant
	err = s.store.Change(ctx, func(tx Tx) error {
		g, err := tx.Grant(ctx, o.Grant)
		if err != nil {
			return err
		}
		before := g
		reported = g
		if first, err := tx.Settle(ctx, o.Run); err != nil || !first {
			return err
		}
		listed, err := listedFrom(ctx, tx, g.Connection)
		if err != nil {
			return err
		}
		now := latest(s.now(), listed)
		o.Proof.At = latest(o.Proof.At, listed)
		var events []audit.Event
		var job *Job
		beside, err := others(ctx, tx, g, o)
		if err != nil {
			return err
		}
		read := g.Awaited() == o.Run && o.Problem == nil && o.Before != nil
		switch {
		case g.Awaited() != o.Run:
			events = []audit.Event{g.event(GrantSuperseded, identity.System(), now, "run", o.Run, "state", string(g.State))}
		case o.Stale && o.Problem != nil && g.wants(o.Kind) && g.Attempts < staleRuns:
			g = g.took(o.Run)
			if o.Kind == JobProvision && o.Wrote {
				g = g.started(now)
			}
			g, events, job = g.anew(o.Kind, s.newID("run"), now)
		case o.Problem != nil:
			g = g.took(o.Run)
			wanted := g.wants(o.Kind)
			problem := *o.Problem
			if o.Stale {
				problem = factsChanged
			}
			g, events = g.fail(o.Kind, problem, now)
			if wanted {
				g, job = g.partly(o, now).again(o.Kind, s.newID("run"), now)
				g = g.leftover(now)
			}
		case o.Kind == JobProvision:
			g = g.took(o.Run)
			switch {
			case g.wants(o.Kind) && g.changedAgain(o, beside, scale):
				g, events = g.driftAgain(o.Proof.Role, now)
			case g.wants(o.Kind) && o.says() && scale.less(o.Proof.Role, g.RoleName):
				g, events = g.fail(o.Kind, g.tooLittle(o.Proof.Role), now)
				g = g.partly(o, now).leftover(now)
			default:
				g, events = g.confirm(o.Proof, now)
			}
		default:
			if g.wants(o.Kind) && o.Proof.Role == g.RoleName && !given(beside, o.Proof.Role, GrantActive, GrantSettingUp, GrantEnding, GrantOverdue) {
				g, events = g.fail(o.Kind, g.stillThere(), now)
				g, job = g.again(o.Kind, s.newID("run"), now)
				break
			}
			changed := g.changedOutside(o) && !given(beside, o.Proof.Role, counted...)
			g, events = g.finish(o.Proof, now)
			if changed {
				g, events = g.leftAlone(o.Proof.Role, now, events)
			}
		}
		if before.overwrote(o, beside) {
			events = append(events, g.event(GrantOverwrote, identity.System(), now, "run", o.Run, "found", foundText(*o.Before), "now", foundText(o.Proof.Role)))
		}
		if reported, err = s.putTo(ctx, tx, g, events, job); err != nil || !read {
			return err
		}
		changed, told := othersAfter(g, beside, o, scale, now)
		for _, other := range changed {
			if err := tx.SaveGrant(ctx, other); err != nil {
				return err
			}
		}
		return tx.Record(ctx, told...)
	})
	return reported, wrap("report run", err)
}

// staleRuns is how many runs for one change are made at once, one after the other,
// because the person's other grants had changed meanwhile. Then it is told as a
// failure, and tried again as one.
const staleRuns = 3

// factsChanged is the problem of a grant none of whose runs came to write.
var factsChanged = Problem{
	Code: "facts_changed", Message: "What else the person holds changed each time before the workflow came to change something.",
	Hint: "Try again. A workflow that waits for long before it changes something is overtaken easily.",
}

// listedFrom returns when the list was begun that a comparison of the connection
// reads now; zero: none does. What a run reports meanwhile is not of an earlier
// time, whatever the clock of its node says: by that the comparison leaves it out.
func listedFrom(ctx context.Context, tx Reader, connection string) (at time.Time, err error) {
	running, err := tx.Comparisons(ctx, ComparisonFilter{State: ComparisonRunning})
	for _, c := range running {
		if c.Connection == connection {
			at = latest(at, c.ListedAt)
		}
	}
	return at, err
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// scaleOf returns the scale of the system that a grant is on.
func (s *Service) scaleOf(ctx context.Context, id GrantID) (Scale, error) {
	var g Grant
	err := s.store.View(ctx, func(tx Reader) (err error) { g, err = tx.Grant(ctx, id); return err })
	if err != nil {
		return Scale{}, err
	}
	return s.rules.Scale(ctx, g.Connection)
}

// others returns the person's other grants on the site that a run of g which did
// what it should may have read something of.
func others(ctx context.Context, tx Reader, g Grant, o Outcome) ([]Grant, error) {
	if o.Problem != nil {
		return nil, nil
	}
	all, err := tx.Grants(ctx, GrantFilter{Person: g.Person, Connection: g.Connection, States: counted})
	return slices.DeleteFunc(all, func(other Grant) bool { return other.ID == g.ID }), err
}

// given says whether one of the grants, in one of the states, is for a role.
func given(grants []Grant, role string, states ...GrantState) bool {
	return slices.ContainsFunc(grants, func(g Grant) bool { return g.RoleName == role && slices.Contains(states, g.State) })
}

// changedOutside says whether a run that took nothing back found what g does not
// give. If no other grant gives it, or may have, somebody else set it, and it is
// theirs.
func (g Grant) changedOutside(o Outcome) bool {
	return o.Found && !g.SetUp.At.IsZero() && o.Proof.Role != g.RoleName && g.wants(JobDeprovision)
}

// overwrote says whether the run that g waited for changed a role which none of
// the grants gives, nor was known of g: somebody else had set it. The workflows
// that Margay comes with leave such a role alone; an older copy may not.
func (g Grant) overwrote(o Outcome, others []Grant) bool {
	if g.Awaited() != o.Run || o.Problem != nil || o.Before == nil || *o.Before == o.Proof.Role {
		return false
	}
	known := *o.Before == g.RoleName || given(others, *o.Before, counted...)
	if o.Kind == JobDeprovision {
		return !known && g.wants(o.Kind) && !g.SetUp.At.IsZero()
	}
	return !known && g.restoring() && *o.Before != g.Outside.Found
}

// Facts is all that a workflow is told about the grant it carries out.
type Facts struct {
	Grant     Grant
	App       App
	Role      Role
	Person    identity.Person
	Requester identity.Person
	Request   Request
	Remaining []Grant // the person's other grants that give their role on the same connection
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
		// A person has one role on a site: what another app gives there counts, and
		// what a grant gives on another site does not.
		states := []GrantState{GrantActive}
		if kind == JobDeprovision {
			states = append(states, GrantChanged)
		}
		f.Remaining, err = tx.Grants(ctx, GrantFilter{Person: f.Grant.Person, Connection: f.Grant.Connection, States: states})
		return err
	})
	if err != nil {
		return f, wrap("read the facts of a run", err)
	}
	var scale Scale
	if slices.ContainsFunc(f.Remaining, func(g Grant) bool { return g.State == GrantChanged }) {
		if scale, err = s.rules.Scale(ctx, f.Grant.Connection); err != nil {
			return f, wrap("read the facts of a run", err)
		}
	}
	f.Remaining = remaining(f.Grant, f.Remaining, scale)
	return f, nil
}

// ErrSuperseded says that a later decision has overtaken a run: it must write
// nothing any more.
var ErrSuperseded = fault.New(fault.Conflict, "A later decision has overtaken this run.").WithCode("superseded")

// StillWanted returns ErrSuperseded when the grant does not wait for the run any
// more: whether anybody still waits for what came of it.
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

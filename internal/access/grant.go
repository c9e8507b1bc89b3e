package access

import (
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// GrantState says what is true of the access itself.
type GrantState string

// The states of a grant. It is active only once the other system said so.
const (
	GrantSettingUp GrantState = "setting_up"
	GrantActive    GrantState = "active"
	GrantNotSetUp  GrantState = "not_set_up"
	GrantEnding    GrantState = "ending"
	GrantOverdue   GrantState = "overdue_to_end" // its end failed: the access may still be there
	GrantEnded     GrantState = "ended"
)

// Why a grant ends.
const (
	ReasonRevoked = "revoked"
	ReasonExpired = "expired"
)

// ProblemUnknown is the code of a problem that leaves open whether the other
// system did what was asked: the run is repeated, and reads first.
const ProblemUnknown = "outcome_unknown"

// Problem is why a run did not do what it should, for people.
type Problem struct {
	Code    string
	Message string
	Hint    string
	Detail  string
}

// Proof is what the other system reported when a run was done.
type Proof struct {
	Role string    // the role that the person has there now
	User string    // the id that the other system gives the person
	Note string    // what was done, or why nothing was
	At   time.Time // when it was read
}

// Grant is access that was agreed, with its start and end.
type Grant struct {
	ID         GrantID
	Request    RequestID
	App        AppID
	Connection string
	Role       RoleID
	RoleName   string // as it was when it was granted; a later rename does not change it
	Person     identity.PersonID
	Length     time.Duration // Indefinite: does not end by itself
	State      GrantState
	Run        string // the run that carries out its present change
	Attempts   int    // runs made for the present change
	CreatedAt  time.Time
	StartsAt   time.Time // when the access was confirmed; zero: not yet
	EndsAt     time.Time // when it is to end; zero: not by itself
	EndedAt    time.Time
	EndReason  string // revoked or expired
	EndedBy    identity.PersonID
	EndNote    string // what the person wrote who revoked it
	Problem    Problem
	Proof      Proof
}

// Events of grants.
const (
	GrantProvisioning audit.Kind = "grant.provisioning"
	GrantActivated    audit.Kind = "grant.activated"
	GrantFailed       audit.Kind = "grant.failed"
	GrantUnknown      audit.Kind = "grant.unknown"
	GrantRevoked      audit.Kind = "grant.revoked"
	GrantExpired      audit.Kind = "grant.expired"
	GrantHasEnded     audit.Kind = "grant.ended"
	GrantIsOverdue    audit.Kind = "grant.overdue"
	GrantRetried      audit.Kind = "grant.retried"
	GrantSuperseded   audit.Kind = "grant.run_superseded"
)

// Live says whether the grant gives its role now, or is about to.
func (g Grant) Live() bool { return g.State == GrantActive || g.State == GrantSettingUp }

// wants says whether a run of the kind is still what the grant asks for.
func (g Grant) wants(kind JobKind) bool {
	if kind == JobProvision {
		return g.State == GrantSettingUp
	}
	return g.State == GrantEnding || g.State == GrantOverdue
}

// grantOf returns the grant of an approved request.
func grantOf(r Request, app App, id GrantID, run string, now time.Time) (Grant, []audit.Event) {
	g := Grant{
		ID: id, Request: r.ID, App: r.App, Connection: app.Connection, Role: r.Role, RoleName: r.RoleName, Person: r.Person,
		Length: r.Length, State: GrantSettingUp, Run: run, Attempts: 1, CreatedAt: now,
	}
	return g, []audit.Event{g.event(GrantProvisioning, identity.System(), now, "run", run, "role", g.RoleName,
		"app", string(g.App), "person", string(g.Person), "request", string(r.ID))}
}

// confirm returns g active: the other system reports the role. Its time starts
// now, not when it was asked for.
func (g Grant) confirm(p Proof, now time.Time) (Grant, []audit.Event) {
	if !g.wants(JobProvision) {
		return g, []audit.Event{g.event(GrantSuperseded, identity.System(), now, "run", g.Run, "state", string(g.State))}
	}
	g.State, g.StartsAt, g.Proof, g.Problem = GrantActive, now, p, Problem{}
	if g.Length != Indefinite {
		g.EndsAt = now.Add(g.Length)
	}
	return g, []audit.Event{g.event(GrantActivated, identity.System(), now, "run", g.Run, "role", g.RoleName,
		"site_role", p.Role, "note", p.Note, "ends", timeText(g.EndsAt))}
}

// fail returns g with the problem of a run that did not carry it out.
func (g Grant) fail(kind JobKind, p Problem, now time.Time) (Grant, []audit.Event) {
	if !g.wants(kind) {
		return g, []audit.Event{g.event(GrantSuperseded, identity.System(), now, "run", g.Run, "state", string(g.State))}
	}
	g.Problem = p
	state, what := GrantNotSetUp, GrantFailed
	switch {
	case kind == JobDeprovision:
		state, what = GrantOverdue, GrantIsOverdue
	case p.Code == ProblemUnknown:
		// The access may be there already: to call it not set up would leave it
		// without an end.
		state, what = GrantSettingUp, GrantUnknown
	}
	g.State = state
	return g, []audit.Event{g.event(what, identity.System(), now, "run", g.Run, "code", p.Code, "message", p.Message)}
}

// revoke returns g ending before its time.
func (g Grant) revoke(who identity.Actor, app App, note, run string, now time.Time) (Grant, []audit.Event, error) {
	note, err := cleanReason(note)
	switch {
	case who.Person != g.Person && !who.Administers() && !app.ownedBy(who):
		return g, nil, fault.New(fault.Forbidden, "Only who holds the access, an owner of %s or an administrator may end it.", app.Name).WithCode("not_yours")
	case err != nil:
		return g, nil, err
	case g.State == GrantEnded:
		return g, nil, fault.New(fault.Conflict, "This access has ended already.").WithCode("ended")
	case g.State == GrantEnding || g.State == GrantOverdue:
		return g, nil, fault.New(fault.Conflict, "This access is being ended already.").WithCode("ending")
	}
	g = g.end(ReasonRevoked, run)
	g.EndedBy, g.EndNote = who.Person, note
	return g, []audit.Event{g.event(GrantRevoked, who, now, "run", run, "role", g.RoleName, "person", string(g.Person), "note", note)}, nil
}

// expire returns g ending because its time is over.
func (g Grant) expire(run string, now time.Time) (Grant, []audit.Event, bool) {
	if g.State != GrantActive || g.EndsAt.IsZero() || now.Before(g.EndsAt) {
		return g, nil, false
	}
	g = g.end(ReasonExpired, run)
	return g, []audit.Event{g.event(GrantExpired, identity.System(), now, "run", run, "role", g.RoleName,
		"person", string(g.Person), "ends", timeText(g.EndsAt))}, true
}

func (g Grant) end(reason, run string) Grant {
	g.State, g.EndReason, g.Run, g.Attempts, g.Problem = GrantEnding, reason, run, 1, Problem{}
	return g
}

// finish returns g ended: the other system reports that the role is gone, or
// that there was nothing to take away.
func (g Grant) finish(p Proof, now time.Time) (Grant, []audit.Event) {
	if !g.wants(JobDeprovision) {
		return g, []audit.Event{g.event(GrantSuperseded, identity.System(), now, "run", g.Run, "state", string(g.State))}
	}
	if p.User == "" {
		p.User = g.Proof.User
	}
	g.State, g.EndedAt, g.Proof, g.Problem = GrantEnded, now, p, Problem{}
	return g, []audit.Event{g.event(GrantHasEnded, identity.System(), now, "run", g.Run, "role", g.RoleName,
		"site_role", p.Role, "note", p.Note, "reason", g.EndReason)}
}

// retry returns g with a new run for the change that its last run did not
// carry out, and the kind of that change.
func (g Grant) retry(who identity.Actor, run string, now time.Time) (Grant, JobKind, []audit.Event, error) {
	kind := JobProvision
	switch g.State {
	case GrantNotSetUp:
		g.State, g.Attempts = GrantSettingUp, g.Attempts+1
	case GrantOverdue:
		kind, g.Attempts = JobDeprovision, g.Attempts+1
	case GrantSettingUp, GrantActive, GrantEnding, GrantEnded:
		return g, "", nil, fault.New(fault.Conflict, "There is nothing to retry: this access is %s.", g.State).WithCode("nothing_to_retry")
	}
	before := g.Run
	g.Run = run
	return g, kind, []audit.Event{g.event(GrantRetried, who, now, "run", run, "before", before)}, nil
}

// visibleTo says whether who may see g.
func (g Grant) visibleTo(who identity.Actor, app App) bool {
	return who.Admin || who.IsSystem() || who.Person == g.Person || app.ownedBy(who)
}

func (g Grant) event(kind audit.Kind, who identity.Actor, now time.Time, data ...string) audit.Event {
	return event(kind, who, "grant:"+string(g.ID), now, data...)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

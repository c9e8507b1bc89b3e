package access

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// GrantState says what is true of the access itself.
type GrantState string

// The states of a grant. It is active only once the other system said so.
const (
	GrantScheduled GrantState = "scheduled" // agreed, to begin later
	GrantSettingUp GrantState = "setting_up"
	GrantActive    GrantState = "active"
	GrantNotSetUp  GrantState = "not_set_up" // failed; tried again by itself while NextTry is set
	GrantChanged   GrantState = "changed_outside"
	GrantEnding    GrantState = "ending"
	GrantOverdue   GrantState = "overdue_to_end" // its end failed: the access may still be there
	GrantEnded     GrantState = "ended"
)

// Why a grant ends.
const (
	ReasonRevoked = "revoked"
	ReasonExpired = "expired"
	// ReasonChanged: somebody changed or removed it in the other system, and a
	// person took that as its end.
	ReasonChanged = "changed_outside"
	// ReasonMerged: when it was to begin, another grant gave its role already and
	// goes on for its time.
	ReasonMerged = "merged"
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
	Run     string `json:",omitempty"` // the run that had it
	// Unsure says that an earlier run may have done it all the same: what became
	// of what that sent was not read since.
	Unsure bool `json:",omitempty"`
	// Wrote says that its run changed something before it had the problem.
	Wrote bool `json:",omitempty"`
}

// settled lists the problems of runs that know that the access is not there.
var settled = []string{"user_missing", roleTooWeak}

// Proof is what the other system reported when a run was done.
type Proof struct {
	Role string    // the role that the person has there now
	User string    // the id that the other system gives the person
	Note string    // what was done, or why nothing was
	At   time.Time // when it was read
}

// Outside is a change that somebody made in the other system: what a grant of
// ours gives, and what was found in its place.
type Outside struct {
	Expected string
	Found    string // "": the person is not there any more
	At       time.Time
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
	Next       string // the run that tries it again by itself, while it is not set up; "": none
	Attempts   int    // runs made for the present change
	Task       TaskID // the task of a person who carries it out by hand; "": a run does
	WaitsFor   string // who that is, for people
	CreatedAt  time.Time
	BeginsAt   time.Time // when it is to begin; zero: at once
	ChangeAt   time.Time // when its present change was ordered
	NextTry    time.Time // when what failed is tried again by itself; zero: it is not
	StartsAt   time.Time // when the access was confirmed, or a part of it was made; zero: not yet
	EndsAt     time.Time // when it is to end; zero: not by itself
	EndedAt    time.Time
	EndReason  string // revoked or expired
	EndedBy    identity.PersonID
	EndNote    string // what the person wrote who revoked it, or what else there is to say
	Problem    Problem
	Proof      Proof
	SetUp      Proof   // what the other system reported when the access began
	Outside    Outside // zero: nobody is known to have changed it
}

// outline is what everybody is told of g who sees its request, as the request's
// timeline tells it: how it stands, and why it is not as it should be. Not the
// runs, nor what they read of the person in the other system.
func (g Grant) outline() Grant {
	g = g.forItsPerson()
	g.Run, g.Next, g.Task, g.EndNote, g.Problem.Run, g.Proof, g.SetUp = "", "", "", "", "", Proof{}, Proof{}
	return g
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
	GrantIsScheduled  audit.Kind = "grant.scheduled"
	GrantExtended     audit.Kind = "grant.extended"
	GrantReduced      audit.Kind = "grant.reduced"
	GrantMerged       audit.Kind = "grant.merged"
	GrantDrifted      audit.Kind = "grant.drifted"
	GrantAccepted     audit.Kind = "grant.drift_accepted"
	GrantRestored     audit.Kind = "grant.drift_restored"
	GrantFound        audit.Kind = "grant.drift_gone"
	GrantOverwrote    audit.Kind = "grant.overwrote"
)

// holds says whether the grant has begun and has not ended: its time runs.
func (g Grant) holds() bool {
	return g.State == GrantActive || g.State == GrantChanged || !g.StartsAt.IsZero() && (g.State == GrantSettingUp || g.State == GrantNotSetUp)
}

// Live says whether the grant gives its role now, or is about to.
func (g Grant) Live() bool { return g.State == GrantActive || g.State == GrantSettingUp }

// wants says whether a run of the kind is still what the grant asks for.
func (g Grant) wants(kind JobKind) bool {
	if kind == JobProvision {
		return g.State == GrantSettingUp || g.State == GrantNotSetUp && g.Next != ""
	}
	return g.State == GrantEnding || g.State == GrantOverdue
}

// Awaited returns the run that the grant waits for, if it waits for one.
func (g Grant) Awaited() string {
	if g.State == GrantNotSetUp {
		return g.Next
	}
	return g.Run
}

// took returns g with run as the one that has just been made for it.
func (g Grant) took(run string) Grant {
	if g.State == GrantNotSetUp && run == g.Next {
		g.Run, g.Next, g.Attempts, g.State = run, "", g.Attempts+1, GrantSettingUp
	}
	return g
}

// grantOf returns the grant of an approved request, and whether a run is to
// begin it now.
func grantOf(r Request, app App, id GrantID, run string, now time.Time) (Grant, []audit.Event, bool) {
	g := Grant{
		ID: id, Request: r.ID, App: r.App, Connection: app.Connection, Role: r.Role, RoleName: r.RoleName, Person: r.Person,
		Length: r.Length, State: GrantScheduled, CreatedAt: now, BeginsAt: r.StartsAt, ChangeAt: now,
	}
	if r.StartsAt.After(now) {
		return g, []audit.Event{g.event(GrantIsScheduled, identity.System(), now, "begins", timeText(g.BeginsAt), "role", g.RoleName,
			"app", string(g.App), "person", string(g.Person), "request", string(r.ID))}, false
	}
	g, events := g.begin(run, now)
	return g, events, true
}

// begin returns g being set up.
func (g Grant) begin(run string, now time.Time) (Grant, []audit.Event) {
	g.State, g.Run, g.Attempts, g.ChangeAt = GrantSettingUp, run, 1, now
	return g, []audit.Event{g.event(GrantProvisioning, identity.System(), now, "run", run, "role", g.RoleName,
		"app", string(g.App), "person", string(g.Person), "request", string(g.Request))}
}

// confirm returns g active: the other system reports the role. Its time starts
// now, not when it was asked for; one that is restored goes on as it was.
func (g Grant) confirm(p Proof, now time.Time) (Grant, []audit.Event) {
	if !g.wants(JobProvision) {
		return g, []audit.Event{g.event(GrantSuperseded, identity.System(), now, "run", g.Run, "state", string(g.State))}
	}
	g = g.started(now)
	if g.Length == Indefinite {
		g.EndsAt = time.Time{}
	}
	g.State, g.Proof, g.SetUp, g.Problem, g.NextTry, g.Outside = GrantActive, p, p, Problem{}, time.Time{}, Outside{}
	g.Task, g.WaitsFor = "", ""
	return g, []audit.Event{g.event(GrantActivated, identity.System(), now, "run", g.Run, "role", g.RoleName,
		"site_role", p.Role, "note", p.Note, "ends", timeText(g.EndsAt))}
}

// started returns g with its time running.
func (g Grant) started(now time.Time) Grant {
	if g.StartsAt.IsZero() {
		g.StartsAt = now
		if g.Length != Indefinite {
			g.EndsAt = now.Add(g.Length)
		}
	}
	return g
}

// partly returns g, which could not be set up, with its time running if the run
// changed something all the same, or one before it may have: what is there of it
// must end too.
func (g Grant) partly(o Outcome, now time.Time) Grant {
	if g.State != GrantNotSetUp || !o.Wrote && !g.Problem.Unsure {
		return g
	}
	g.Problem.Wrote = o.Wrote
	return g.started(now)
}

// mostLeft is how long what was made of access without an end stays there, when it
// could not be set up and is not tried again by itself: a week for somebody to mend
// it. Access that has an end takes it along then.
const mostLeft = 7 * 24 * time.Hour

// leftover returns g, if it could never be set up and something of it is or may be
// there, with what is said of that; without an end of its own it gets one, so that
// nothing stays for ever that nobody holds. It loses it when it is tried again.
func (g Grant) leftover(now time.Time) Grant {
	if g.State != GrantNotSetUp || g.StartsAt.IsZero() || !g.SetUp.At.IsZero() {
		return g
	}
	what, until := "Something of it may be there: it is taken back ", "when the access ends, or when you end it."
	if g.Problem.Wrote {
		what = "Something was changed before that: it is taken back "
	}
	if g.Length == Indefinite {
		g.EndsAt = time.Time{}
		until = "when it cannot be set up in the end, or when you end it."
		if g.Next == "" {
			g.EndsAt = now.Add(mostLeft)
			until = "on " + Moment(g.EndsAt) + " unless it is tried again before, or when you end the access."
		}
	}
	g.Problem.Hint = strings.TrimSpace(g.Problem.Hint + " " + what + until)
	return g
}

// anew returns g with another run for its present change, and that run's job:
// what the one before was told had changed when it came to write.
func (g Grant) anew(kind JobKind, run string, now time.Time) (Grant, []audit.Event, *Job) {
	events := []audit.Event{g.event(GrantSuperseded, identity.System(), now, "run", g.Run, "state", string(g.State), "next", run)}
	g.Run, g.Attempts, g.NextTry = run, g.Attempts+1, time.Time{}
	return g, events, new(g.job(kind, triggerRetry, 0))
}

// stillThere is the problem of a run that was to take g back and left it.
func (g Grant) stillThere() Problem {
	return Problem{
		Code: "still_there", Message: "The workflow ended, and " + g.RoleName + " is still there.",
		Hint: "Look at what the workflow did, and mend it. It is tried again without end.",
	}
}

// fail returns g with the problem of a run that did not carry it out.
func (g Grant) fail(kind JobKind, p Problem, now time.Time) (Grant, []audit.Event) {
	if !g.wants(kind) {
		return g, []audit.Event{g.event(GrantSuperseded, identity.System(), now, "run", g.Run, "state", string(g.State))}
	}
	p.Run = g.Run
	before := g.Problem
	p.Unsure = kind == JobProvision && p.Code != ProblemUnknown && (before.Code == ProblemUnknown || before.Unsure) && !slices.Contains(settled, p.Code)
	g.Problem, g.NextTry, g.Task, g.WaitsFor = p, time.Time{}, "", ""
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

// again returns g with the run that tries its present change once more after
// its problem, and that run's job; nil when nothing is tried by itself any more.
func (g Grant) again(kind JobKind, run string, now time.Time) (Grant, *Job) {
	delay, ok := retryDelay(g.Attempts), kind == JobDeprovision || g.Problem.Code == ProblemUnknown || g.Problem.Unsure
	if !ok || g.Problem.Code == pausedCode {
		delay, ok = healDelay(g.Problem.Code, g.Attempts, now.Sub(g.ChangeAt))
	}
	if !ok {
		return g, nil
	}
	g.NextTry = now.Add(delay)
	next := g
	next.Run, next.Attempts = run, g.Attempts+1
	if g.State == GrantNotSetUp { // what failed stays in sight until that one has begun
		g.Next = run
	} else {
		g = next
	}
	return g, new(next.job(kind, triggerRetry, delay))
}

// mayEnd says why who may not end g or shorten it, or nil.
func (g Grant) mayEnd(who identity.Actor, app App) error {
	if who.Person != g.Person && !who.Administers() && !app.ownedBy(who) {
		return fault.New(fault.Forbidden, "Only who holds the access, an owner of %s or an administrator may end it.", app.Name).WithCode("not_yours")
	}
	return nil
}

// endedAlready says why g cannot be ended any more, or nil.
func (g Grant) endedAlready() error {
	switch g.State {
	case GrantEnded:
		return fault.New(fault.Conflict, "This access has ended already.").WithCode("ended")
	case GrantEnding, GrantOverdue:
		return fault.New(fault.Conflict, "This access is being ended already.").WithCode("ending")
	case GrantScheduled, GrantSettingUp, GrantActive, GrantNotSetUp, GrantChanged:
	}
	return nil
}

// revoke returns g ending before its time. One that has not begun ends at once:
// the other system was never asked for it.
func (g Grant) revoke(who identity.Actor, app App, note, run string, now time.Time) (Grant, []audit.Event, error) {
	note, err := cleanReason(note)
	if forbidden := g.mayEnd(who, app); forbidden != nil {
		return g, nil, forbidden
	}
	if err != nil {
		return g, nil, err
	}
	if err := g.endedAlready(); err != nil {
		return g, nil, err
	}
	begun := g.State != GrantScheduled
	g = g.end(ReasonRevoked, run, now)
	g.EndedBy, g.EndNote = who.Person, note
	if !begun {
		g.State, g.EndedAt, g.Run, g.Attempts = GrantEnded, now, "", 0
	}
	return g, []audit.Event{g.event(GrantRevoked, who, now, "run", g.Run, "role", g.RoleName, "person", string(g.Person), "note", note)}, nil
}

// expire returns g ending because its time is over.
func (g Grant) expire(run string, now time.Time) (Grant, []audit.Event, bool) {
	if !g.holds() || g.EndsAt.IsZero() || now.Before(g.EndsAt) {
		return g, nil, false
	}
	note := ""
	if g.State == GrantNotSetUp {
		note = "It could not be set up: what was made of it is taken back."
	}
	g = g.end(ReasonExpired, run, now)
	g.EndNote = cmp.Or(note, g.EndNote)
	return g, []audit.Event{g.event(GrantExpired, identity.System(), now, "run", run, "role", g.RoleName,
		"person", string(g.Person), "ends", timeText(g.EndsAt), "note", note)}, true
}

func (g Grant) end(reason, run string, now time.Time) Grant {
	g.State, g.EndReason, g.Run, g.Attempts, g.Problem, g.ChangeAt, g.NextTry, g.Next = GrantEnding, reason, run, 1, Problem{}, now, time.Time{}, ""
	g.Task, g.WaitsFor = "", ""
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
	g.State, g.EndedAt, g.Proof, g.Problem, g.NextTry = GrantEnded, now, p, Problem{}, time.Time{}
	g.Task, g.WaitsFor = "", ""
	return g, []audit.Event{g.event(GrantHasEnded, identity.System(), now, "run", g.Run, "role", g.RoleName,
		"site_role", p.Role, "note", p.Note, "reason", g.EndReason)}
}

// retry returns g with a new run for the change that its last run did not
// carry out, and the kind of that change.
func (g Grant) retry(who identity.Actor, run string, now time.Time) (Grant, JobKind, []audit.Event, error) {
	kind := JobProvision
	switch g.State {
	case GrantNotSetUp:
		g.State, g.Next, g.Attempts, g.ChangeAt = GrantSettingUp, "", g.Attempts+1, now
		if g.Length == Indefinite {
			g.EndsAt = time.Time{}
		}
	case GrantOverdue:
		kind, g.Attempts = JobDeprovision, g.Attempts+1
	case GrantScheduled, GrantSettingUp, GrantActive, GrantChanged, GrantEnding, GrantEnded:
		f := fault.New(fault.Conflict, "There is nothing to retry: this access is %s.", g.State.plain()).WithCode("nothing_to_retry")
		if g.wants(JobProvision) || g.wants(JobDeprovision) {
			f = f.WithHint("It is being carried out by %s.", g.Run)
		}
		return g, "", nil, f
	}
	before := g.Run
	g.Run, g.NextTry, g.Task, g.WaitsFor = run, time.Time{}, "", ""
	return g, kind, []audit.Event{g.event(GrantRetried, who, now, "run", run, "before", before)}, nil
}

// visibleTo says whether who may see g.
func (g Grant) visibleTo(who identity.Actor, app App) bool {
	return app.caredForBy(who) || who.Person == g.Person
}

func (g Grant) subject() string { return "grant:" + string(g.ID) }

func (g Grant) event(kind audit.Kind, who identity.Actor, now time.Time, data ...string) audit.Event {
	return event(kind, who, g.subject(), now, data...)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Moment writes a time as sentences for people have it, in pages as in letters.
func Moment(t time.Time) string { return t.UTC().Format("2 January 2006 at 15:04 UTC") }

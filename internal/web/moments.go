package web

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
	"github.com/margay-access/margay/internal/workflow"
)

// trail is what happened to a request and to the access that came of it: events
// of the audit log and runs, in the order of time.
type trail struct {
	dir    directory
	policy access.Policy
	events []audit.Event // the oldest first
	runs   []ranRun      // that who looks may see
}

// ranRun is a run with its steps.
type ranRun struct {
	workflow.Run
	name  string // of its workflow
	steps []workflow.Step
}

// mostEvents is how much of a trail is shown.
const mostEvents = 500

// trailOf reads the trail of a request that who may see.
func (s *site) trailOf(ctx context.Context, who identity.Actor, dir directory, r access.Request) (trail, error) {
	t := trail{dir: dir, policy: r.Policy}
	subjects := []string{"request:" + string(r.ID)}
	if r.Grant != "" {
		subjects = append(subjects, "grant:"+string(r.Grant))
	}
	for _, subject := range subjects {
		events, err := s.Audit.Events(ctx, audit.Filter{Subject: subject, Limit: mostEvents})
		if err != nil {
			return t, err
		}
		t.events = append(t.events, events...)
	}
	t.events = slices.DeleteFunc(t.events, func(e audit.Event) bool { return e.Kind == identity.ActRefused })
	slices.SortFunc(t.events, func(a, b audit.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	if r.Grant == "" {
		return t, nil
	}
	runs, err := s.Workflows.Runs(ctx, who, workflow.RunFilter{Grant: string(r.Grant), Limit: 50})
	if err != nil {
		return t, err
	}
	names := map[string]string{}
	for _, run := range runs {
		full, steps, err := s.Workflows.Run(ctx, who, run.ID)
		if fault.KindOf(err) == fault.NotFound {
			continue
		}
		if err != nil {
			return t, err
		}
		if names[run.Workflow] == "" {
			names[run.Workflow] = run.Workflow
			if w, err := s.Workflows.Workflow(ctx, run.Workflow); err == nil {
				names[run.Workflow] = w.Name
			}
		}
		t.runs = append(t.runs, ranRun{full, names[run.Workflow], steps})
	}
	return t, nil
}

// moments are the entries of the timeline.
func (t trail) moments() []ui.Moment {
	var list []ui.Moment
	for _, e := range t.events {
		if m, ok := t.moment(e); ok {
			list = append(list, m)
		}
	}
	for _, run := range t.runs {
		list = append(list, t.runMoment(run))
	}
	slices.SortStableFunc(list, func(a, b ui.Moment) int { return a.At.Compare(b.At) })
	return list
}

var (
	asked      = look{"send", ui.Wait}
	agreed     = look{"check", ui.Good}
	good       = look{"circle-check", ui.Good}
	said       = look{"info", ui.Quiet}
	moved      = look{"calendar-clock", ui.Wait}
	started    = look{"play", ui.Wait}
	problem    = look{"circle-x", ui.Bad}
	alarm      = look{"triangle-alert", ui.Alarm}
	outside    = look{"git-compare", ui.Warn}
	over       = look{"circle-minus", ui.Quiet}
	turnedDown = look{"x", ui.Bad}
	backed     = look{"undo-2", ui.Quiet}
)

// telling says what an event means on a timeline.
type telling struct {
	look  look
	title func(t trail, e audit.Event) string
	text  func(t trail, e audit.Event) string
	dated bool // says when it ends or begins
}

func by(words string) func(trail, audit.Event) string {
	return func(t trail, e audit.Event) string {
		return strings.ReplaceAll(words, "%s", short(t.dir.actor(e.Actor)))
	}
}

func datum(key, before string) func(trail, audit.Event) string {
	return func(_ trail, e audit.Event) string {
		if e.Data[key] == "" {
			return ""
		}
		return before + e.Data[key]
	}
}

// tellings has every event of a request or of a grant.
var tellings = map[audit.Kind]telling{
	access.RequestFiled:        {asked, t0(trail.askedTitle), datum("reason", ""), false},
	access.RequestStepApproved: {agreed, by("%s approved step"), t0(trail.approvedText), false},
	access.RequestWasApproved:  {agreed, t0(trail.approvedTitle), t0(trail.approvedText), false},
	access.RequestWasDenied:    {turnedDown, by("%s denied the request"), datum("reason", ""), false},
	access.RequestWasWithdrawn: {backed, t0(trail.withdrawnTitle), t0(trail.withdrawnText), false},
	access.RequestHasLapsed:    {look{"hourglass", ui.Quiet}, by("The request lapsed"), always("Nobody decided in time."), false},
	access.RequestCommented:    {said, by("%s wrote"), datum("text", ""), false},
	access.RequestUndecidable:  {alarm, by("At present nobody can decide this"), always("Nobody who is named may. An administrator can name another owner of the app, or add somebody to the group that decides; a change of the policy is for later requests."), false},
	access.GrantIsScheduled:    {moved, by("Scheduled"), always(""), true},
	access.GrantProvisioning:   {started, by("Set up begins"), always(""), false},
	access.GrantActivated:      {good, t0(trail.activeTitle), datum("note", ""), true},
	access.GrantFailed:         {problem, by("Not set up"), datum("message", ""), false},
	access.GrantUnknown:        {alarm, by("It is not known whether it is there"), datum("message", ""), false},
	access.GrantRevoked:        {over, by("%s ended the access"), datum("note", ""), false},
	access.GrantExpired:        {over, by("The time was over"), always(""), false},
	access.GrantHasEnded:       {over, t0(trail.endedTitle), datum("note", ""), false},
	access.GrantIsOverdue:      {alarm, by("Could not be ended"), datum("message", ""), false},
	access.GrantRetried:        {started, by("%s tried it again"), always(""), false},
	access.GrantSuperseded:     {said, by("A later decision overtook a run"), always("That run wrote nothing any more."), false},
	access.GrantExtended:       {moved, by("Extended"), always(""), true},
	access.GrantReduced:        {moved, by("%s shortened it"), datum("note", ""), true},
	access.GrantDrifted:        {outside, by("Changed outside"), t0(trail.driftText), false},
	access.GrantAccepted:       {over, by("%s accepted what was changed outside"), datum("note", ""), false},
	access.GrantRestored:       {started, by("%s wants it restored"), datum("note", ""), false},
	access.GrantOverwrote:      {outside, by("What somebody had set was overwritten"), t0(trail.overwroteText), false},
	access.ClockFailed:         {alarm, by("What was due could not be done"), datum("message", ""), false},
	access.GrantFound:          {good, by("Found as it should be again"), always(""), false},
}

func t0(f func(trail, audit.Event) string) func(trail, audit.Event) string { return f }

func always(text string) func(trail, audit.Event) string {
	return func(trail, audit.Event) string { return text }
}

// tellingOf is for what a later version records.
func tellingOf(k audit.Kind) telling {
	return telling{look: said, title: always(string(k)), text: datum("message", "")}
}

func (t trail) moment(e audit.Event) (ui.Moment, bool) {
	telling, ok := tellings[e.Kind]
	if !ok {
		// What a later version records is shown as it is, not left out.
		telling = tellingOf(e.Kind)
	}
	title := telling.title(t, e)
	if e.Kind == access.GrantProvisioning && len(t.runs) > 0 {
		return ui.Moment{}, false // its run says the same, and more
	}
	var more templ.Component
	for _, key := range []string{"ends", "begins"} {
		if at, err := time.Parse(time.RFC3339, e.Data[key]); err == nil && telling.dated {
			more = momentTime(key, at)
		}
	}
	return ui.Moment{
		More:  more,
		State: ui.State{Word: "", Icon: telling.look.icon, Tone: telling.look.tone}, At: e.At, Title: title, Text: telling.text(t, e),
	}, true
}

func (t trail) askedTitle(e audit.Event) string {
	person, asker := identity.PersonID(e.Data["person"]), e.Actor
	text := short(t.dir.actor(asker)) + " asked"
	if string(person) != asker {
		text += " for " + short(t.dir.person(person))
	}
	if e.Data["extends"] != "" {
		text += " for more time"
	}
	return text
}

func (t trail) approvedTitle(e audit.Event) string {
	if e.Actor == "system" {
		return "Approved by the policy"
	}
	return short(t.dir.actor(e.Actor)) + " approved"
}

func (t trail) approvedText(e audit.Event) string {
	var parts []string
	if n := e.Data["step"]; n != "" && len(t.policy.Steps) > 1 {
		parts = append(parts, "Step "+n+" of "+plural(len(t.policy.Steps), "step", "steps")+".")
	}
	if l, err := time.ParseDuration(e.Data["length"]); err == nil {
		parts = append(parts, "For "+lengthText(l)+".")
	} else if e.Data["length"] == "indefinite" {
		parts = append(parts, "Without an end.")
	}
	if e.Data["reason"] != "" {
		parts = append(parts, e.Data["reason"])
	}
	return strings.Join(parts, " ")
}

func (t trail) withdrawnTitle(e audit.Event) string {
	if e.Data["grant"] != "" { // nobody took it back: it went with the access
		return "The request was withdrawn"
	}
	return by("%s withdrew the request")(t, e)
}

func (t trail) withdrawnText(e audit.Event) string {
	if e.Data["grant"] != "" {
		return short(t.dir.actor(e.Actor)) + " ended the access that it asked more time for: nobody needs to decide on this any more."
	}
	return datum("why", "Why: ")(t, e)
}

func (t trail) activeTitle(e audit.Event) string {
	if role := e.Data["site_role"]; role != "" {
		return "Active: the other system reports " + role
	}
	return "Active"
}

func (t trail) endedTitle(e audit.Event) string {
	if role := e.Data["site_role"]; role != "" {
		return "Ended: the other system reports " + role
	}
	return "Ended"
}

func (t trail) driftText(e audit.Event) string {
	return "Expected " + e.Data["expected"] + ", found " + e.Data["found"] + "."
}

func (t trail) overwroteText(e audit.Event) string {
	return "It was " + e.Data["found"] + ", which nobody had granted here, and is " + e.Data["now"] + " now."
}

func (t trail) runMoment(r ranRun) ui.Moment {
	at := r.StartedAt
	if at.IsZero() {
		at = r.QueuedAt
	}
	if r.name == "" { // it has not begun: which workflow it is, is decided then
		r.name = "Set it up"
		if r.Kind == string(access.JobDeprovision) {
			r.name = "Take it back"
		}
	}
	return ui.Moment{State: runState(r.State), At: at, Title: r.name, More: runDetails(r)}
}

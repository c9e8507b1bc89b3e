package notice

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/identity"
)

// letter is one mail before it is addressed.
type letter struct {
	Subject string   `json:"subject"`
	Lines   []string `json:"lines"`
	Act     string   `json:"act,omitempty"` // what the link is for
	Link    string   `json:"link,omitempty"`
	Why     string   `json:"why"` // why the reader gets it
	// Always is sent to who wants no mail too: somebody else may be signing in as
	// them.
	Always bool `json:"always,omitempty"`
}

// scene is all that letters about one event are written from.
type scene struct {
	event     audit.Event
	request   *access.Request
	grant     *access.Grant
	app       access.App
	person    identity.Person // whom the access is for
	requester identity.Person
	approvers []identity.Person // of the step that waits now
	owners    []identity.Person
	admins    []identity.Person
	link      string
}

// addressed is a letter and who gets it.
type addressed struct {
	to []identity.Person
	letter
	// daily lets a reader have no second one about the same thing on the same
	// day: an end that fails is tried again all day.
	daily bool
}

// letters returns what is to be mailed about an event.
func (s scene) letters() []addressed {
	switch s.event.Kind {
	case access.RequestFiled, access.RequestStepApproved:
		return s.waiting()
	case access.RequestWasApproved, access.RequestWasDenied, access.RequestHasLapsed:
		return s.decided()
	case access.GrantActivated, Expiring, access.GrantRevoked, access.GrantHasEnded, access.GrantAccepted, access.GrantExtended, access.GrantReduced:
		return s.course()
	case access.GrantFailed, access.GrantUnknown, access.GrantIsOverdue, access.GrantDrifted, access.GrantOverwrote, access.RequestUndecidable, WebhookDisabled:
		return s.trouble()
	case access.DriftCompared:
		return s.compared()
	case connectionDegraded, connectionShut, patExpiring:
		return s.ofConnection()
	case access.ClockFailed:
		return s.ofClock()
	case identity.SignInLinkMade, identity.PasswordSet:
		return s.ofSignIn()
	}
	return nil
}

// ofSignIn tells somebody that they, or somebody in their name, can sign in by
// what was not so before.
func (s scene) ofSignIn() []addressed {
	l := letter{Act: "See where you are signed in", Why: "it is about your own sign-in; this mail cannot be switched off", Always: true}
	switch {
	case s.event.Kind == identity.SignInLinkMade:
		by := cmp.Or(s.event.Data["by"], "An administrator")
		l.Subject = by + " made a link that signs you in to Margay"
		l.Lines = []string{
			by + " made a link with which your password is set and you are signed in. It works once, until " + moment(s.event.Data["expires"]) + ".",
			"If you did not expect it, ask an administrator of Margay to void it: whoever opens it first signs in as you. You are told when it is used.",
		}
	case s.event.Data["link"] != "":
		l.Subject = "A link was used to sign you in to Margay"
		l.Lines = []string{"Your password was set with a sign-in link" + from(s.event.Data["address"]) + ". You were signed out everywhere else.", strangers}
	case s.event.Actor == string(s.person.ID):
		l.Subject = "Your password for Margay was changed"
		l.Lines = []string{"Your password was changed by the one that you had. You were signed out everywhere else.", strangers}
	default:
		l.Subject = "Your password for Margay was set by its operator"
		l.Lines = []string{"Your password was set on the server, by somebody who has its data in hand. You were signed out everywhere.", strangers}
	}
	return []addressed{{to: []identity.Person{s.person}, letter: l}}
}

const strangers = "If that was not you, tell an administrator of Margay at once: somebody else may be signed in as you."

func from(address string) string {
	if address == "" {
		return ""
	}
	return ", from " + address
}

// moment writes a time of an event's data for people.
func moment(rfc3339 string) string {
	at, err := time.Parse(time.RFC3339, rfc3339)
	if err != nil {
		return rfc3339
	}
	return access.Moment(at)
}

// compared tells in one letter how many changes a comparison found that were not
// known before, except to who made it.
func (s scene) compared() []addressed {
	n := s.event.Data["changed"]
	if n == "" {
		return nil
	}
	subject := n + " accesses in " + s.app.Name + " were changed outside Margay"
	if n == "1" {
		subject = "1 access in " + s.app.Name + " was changed outside Margay"
	}
	care := slices.DeleteFunc(append(slices.Clone(s.owners), s.admins...), func(p identity.Person) bool { return string(p.ID) == s.event.Data["by"] })
	return []addressed{{to: care, letter: letter{
		Subject: subject, Lines: []string{"A comparison found it: what is there is not what was granted. It is left alone until somebody decides."},
		Act: "See what differs", Why: "you own this app or administer Margay",
	}}}
}

func (s scene) waiting() []addressed {
	r := s.request
	if r == nil || len(s.approvers) == 0 {
		return nil
	}
	subject := fmt.Sprintf("%s asks for %s", s.person.Name, s.what())
	if s.requester.ID != s.person.ID {
		subject = fmt.Sprintf("%s asks for %s for %s", s.requester.Name, s.what(), s.person.Name)
	}
	return []addressed{{to: s.approvers, letter: letter{
		Subject: subject, Lines: []string{subject + ", " + plainLength(r.Length) + ".", "It waits for your decision."},
		Act: "See the request and decide", Why: "you may decide on this request",
	}}}
}

func (s scene) decided() []addressed {
	r := s.request
	if r == nil {
		return nil
	}
	end := map[audit.Kind]string{access.RequestWasApproved: "was approved", access.RequestWasDenied: "was denied", access.RequestHasLapsed: "lapsed: nobody decided in time"}[s.event.Kind]
	lines := []string{fmt.Sprintf("The request for %s for %s %s.", s.what(), s.person.Name, end)}
	if s.event.Kind == access.RequestWasApproved {
		lines = append(lines, "The access is being set up: "+plainLength(r.Length)+" from when it is confirmed.")
	}
	return []addressed{{to: s.holders(), letter: letter{
		Subject: fmt.Sprintf("%s: the request %s", s.what(), end), Lines: lines, Act: "See the request", Why: "you asked for this access, or it is for you",
	}}}
}

func (s scene) course() []addressed {
	g := s.grant
	if g == nil {
		return nil
	}
	l := letter{Act: "See the access", Why: "you hold this access, or asked for it"}
	switch s.event.Kind {
	case access.GrantActivated:
		l.Subject = s.what() + " is active"
		l.Lines = []string{fmt.Sprintf("%s has %s.", s.person.Name, s.what()), ends(g.EndsAt)}
	case access.GrantExtended:
		l.Subject = s.what() + " was extended"
		l.Lines = []string{fmt.Sprintf("%s keeps %s for longer.", s.person.Name, s.what()), ends(g.EndsAt)}
	case access.GrantReduced:
		l.Subject = s.what() + " ends earlier"
		l.Lines = []string{fmt.Sprintf("The access %s of %s was made shorter.", s.what(), s.person.Name), ends(g.EndsAt)}
	case Expiring:
		l.Subject = s.what() + " ends soon"
		l.Lines = []string{fmt.Sprintf("%s of %s ends by itself.", s.what(), s.person.Name), ends(g.EndsAt), "Ask for more time before then if it is needed."}
	case access.GrantRevoked:
		l.Subject = s.what() + " is being taken back"
		l.Lines = []string{fmt.Sprintf("The access %s of %s is being ended before its time.", s.what(), s.person.Name)}
	default:
		if g.EndReason == access.ReasonRevoked {
			l.Subject = s.what() + " was taken back"
		} else {
			l.Subject = s.what() + " has ended"
		}
		l.Lines = []string{fmt.Sprintf("The access %s of %s has ended.", s.what(), s.person.Name)}
	}
	return []addressed{{to: s.holders(), letter: l}}
}

func (s scene) trouble() []addressed {
	care := append(slices.Clone(s.owners), s.admins...)
	why := "you own this app or administer Margay"
	if s.event.Kind == WebhookDisabled {
		return []addressed{{to: s.admins, letter: letter{
			Subject: "A webhook was disabled", Lines: []string{fmt.Sprintf("The webhook %s (%s) was disabled: it is told of nothing any more.", s.event.Data["name"], s.event.Data["host"])},
			Act: "See its deliveries", Why: "you administer Margay",
		}}}
	}
	if s.event.Kind == access.RequestUndecidable && s.request != nil {
		return []addressed{{to: care, daily: true, letter: letter{
			Subject: "Nobody can decide on " + s.what() + " for " + s.person.Name, Act: "See the request", Why: why,
			Lines: []string{"A request waits, and at present nobody may decide on it."},
		}}}
	}
	if s.grant == nil || s.event.Data["comparison"] != "" { // of what a comparison found, its own letter tells
		return nil
	}
	who := s.person.Name
	switch s.event.Kind {
	case access.GrantFailed:
		l := letter{
			Subject: s.what() + " could not be set up", Act: "See why, and what to do",
			Lines: []string{fmt.Sprintf("The access %s for %s was agreed but could not be set up.", s.what(), who)},
		}
		mine, theirs := l, l
		mine.Why, theirs.Why = "you asked for this access, or it is for you", why
		return []addressed{{to: s.holders(), letter: mine}, {to: care, letter: theirs}}
	case access.GrantIsOverdue:
		return []addressed{{to: care, daily: true, letter: letter{
			Subject: s.what() + " of " + who + " is overdue to end", Act: "See why, and what to do", Why: why,
			Lines: []string{fmt.Sprintf("The access %s of %s is over, but could not be ended: it may still be there.", s.what(), who), "Margay keeps trying."},
		}}}
	case access.GrantUnknown:
		return []addressed{{to: care, daily: true, letter: letter{
			Subject: s.what() + " for " + who + ": it is not known whether it was set up", Act: "See the access", Why: why,
			Lines: []string{fmt.Sprintf("The access %s for %s may have been set up: the answer was lost.", s.what(), who), "Margay reads it again."},
		}}}
	case access.GrantOverwrote:
		return []addressed{{to: care, letter: letter{
			Subject: "A workflow overwrote the role of " + who, Act: "See both values", Why: why,
			Lines: []string{fmt.Sprintf("%s had %s, which nobody had granted here. A run for %s made it %s.", who, s.event.Data["found"], s.what(), s.event.Data["now"])},
		}}}
	}
	return []addressed{{to: care, daily: true, letter: letter{
		Subject: s.what() + " of " + who + " was changed outside Margay", Act: "See both values", Why: why,
		Lines: []string{fmt.Sprintf("What %s has is not what was granted.", who)},
	}}}
}

// ofConnection tells administrators that a connection needs them.
func (s scene) ofConnection() []addressed {
	name := s.event.Data["name"]
	l := letter{Act: "See the connection", Why: "you administer Margay"}
	switch s.event.Kind {
	case connectionShut:
		l.Subject = "The connection " + name + " needs attention"
		l.Lines = []string{"No check of the connection " + name + " passes: nothing that uses it works."}
	case patExpiring:
		l.Subject = "The token of the connection " + name + " ends soon"
		l.Lines = []string{
			fmt.Sprintf("The token of the connection %s was not used for some time. Unused, it ends on %s.", name, s.event.Data["ends"]), "Running the checks uses it.",
		}
	default:
		l.Subject = "The connection " + name + " is degraded"
		l.Lines = []string{"Some checks of the connection " + name + " fail: what needs them does not work."}
	}
	return []addressed{{to: s.admins, daily: true, letter: l}}
}

// ofClock tells administrators of what the clock cannot do.
func (s scene) ofClock() []addressed {
	what := map[access.Chore]string{
		access.ChoreExpire: "Access whose time is over cannot be ended", access.ChoreBegin: "Access whose time has come cannot be begun",
		access.ChoreLapse: "A request that nobody decided in time cannot be closed",
	}[access.Chore(s.event.Data["chore"])]
	return []addressed{{to: s.admins, letter: letter{
		Subject: what, Lines: []string{what + ": " + s.event.Data["message"], "Margay keeps trying. The log of the server says more, at " + s.event.Subject + "."},
		Act: "See what it is", Why: "you administer Margay",
	}}}
}

// holders are whom the access is for and who asked, without who did it.
func (s scene) holders() []identity.Person {
	people := []identity.Person{s.person}
	if s.requester.ID != s.person.ID {
		people = append(people, s.requester)
	}
	return slices.DeleteFunc(people, func(p identity.Person) bool { return p.ID == "" || string(p.ID) == s.event.Actor })
}

// what names the access: "Creator in Tableau".
func (s scene) what() string {
	role := ""
	switch {
	case s.grant != nil:
		role = s.grant.RoleName
	case s.request != nil:
		role = s.request.RoleName
	}
	return role + " in " + s.app.Name
}

func ends(at time.Time) string {
	if at.IsZero() {
		return "It has no end."
	}
	return "It ends on " + access.Moment(at) + "."
}

func plainLength(d time.Duration) string {
	if d == access.Indefinite {
		return "without an end"
	}
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}} {
		if d >= unit.of && d%unit.of == 0 {
			return "for " + strconv.FormatInt(int64(d/unit.of), 10) + " " + unit.name
		}
	}
	return "for " + d.String()
}

// refusedBy says whether somebody wants no such mail.
func (l letter) refusedBy(ctx context.Context, r Reader, p identity.PersonID) (bool, error) {
	if l.Always {
		return false, nil
	}
	return r.RefusesMail(ctx, p)
}

func (l letter) encoded() string {
	b, err := json.Marshal(l)
	if err != nil {
		panic(fmt.Sprintf("notice: texts do not marshal: %v", err)) // cannot happen
	}
	return string(b)
}

// maxSubject bounds the subject of a mail: names in it may be long.
const maxSubject = 180

// Message is one mail, ready to be sent.
type Message struct {
	ID      string // the same for each attempt
	To      string
	Subject string
	Text    string
	HTML    string
}

// to returns the letter as mail to a person. Names are other people's texts: no
// line break of theirs gets into a header.
func (l letter) to(p identity.Person, id string) (Message, error) {
	for i := range l.Lines {
		l.Lines[i] = printable(l.Lines[i])
	}
	var html bytes.Buffer
	if err := page.Execute(&html, l); err != nil {
		return Message{}, fmt.Errorf("write mail: %w", err)
	}
	return Message{ID: id, To: p.Email, Subject: cut(printable(l.Subject), maxSubject), Text: l.text(), HTML: html.String()}, nil
}

// OptOut says how to get no more such mail.
func (l letter) OptOut() string {
	if l.Always {
		return "Opening the link decides nothing."
	}
	return "Opening the link decides nothing. To get no more mail: margay notice mail off"
}

func (l letter) text() string {
	var b strings.Builder
	for _, line := range l.Lines {
		b.WriteString(line + "\n")
	}
	if l.Link != "" {
		b.WriteString("\n" + l.Act + ":\n" + l.Link + "\n")
	}
	b.WriteString("\n-- \nYou get this because " + l.Why + ". " + l.OptOut() + "\n")
	return b.String()
}

var page = template.Must(template.New("mail").Parse(`<!doctype html>
<html lang="en"><body style="font-family:sans-serif;line-height:1.5;max-width:36rem">
{{range .Lines}}<p>{{.}}</p>
{{end}}{{if .Link}}<p><a href="{{.Link}}">{{.Act}}</a></p>
{{end}}<p style="color:#666;font-size:.85rem">You get this because {{.Why}}. {{.OptOut}}</p>
</body></html>
`))

// sceneOf reads what letters about an event need.
func sceneOf(ctx context.Context, r Reader, e audit.Event, link string, people func() ([]identity.Person, error)) (scene, error) {
	s := scene{event: e, link: link}
	switch e.Kind {
	case WebhookDisabled, connectionDegraded, connectionShut, patExpiring, access.ClockFailed: // what a record holds may be the trouble
		all, err := people()
		s.admins = admins(all)
		return s, err
	case access.DriftCompared:
		return sceneOfApp(ctx, r, s, people)
	case identity.SignInLinkMade, identity.PasswordSet:
		_, id, _ := strings.Cut(e.Subject, ":")
		var err error
		s.person, err = r.Person(ctx, identity.PersonID(id))
		return s, err
	}
	var err error
	if s.request, s.grant, err = subjectOf(ctx, r, e); err != nil || s.request == nil {
		return s, err
	}
	if s.app, err = r.App(ctx, s.request.App); err != nil {
		return s, err
	}
	if s.person, err = r.Person(ctx, s.request.Person); err != nil {
		return s, err
	}
	if s.requester, err = r.Person(ctx, s.request.Requester); err != nil {
		return s, err
	}
	if s.approvers, err = access.Approvers(ctx, r, *s.request); err != nil {
		return s, err
	}
	return withCare(ctx, r, s, people)
}

// sceneOfApp adds to s the app that its event is about, and who cares for it.
func sceneOfApp(ctx context.Context, r Reader, s scene, people func() ([]identity.Person, error)) (scene, error) {
	_, id, _ := strings.Cut(s.event.Subject, ":")
	var err error
	if s.app, err = r.App(ctx, access.AppID(id)); err != nil {
		return s, err
	}
	return withCare(ctx, r, s, people)
}

// withCare adds to s who cares for its app: the owners and the administrators.
func withCare(ctx context.Context, r Reader, s scene, people func() ([]identity.Person, error)) (_ scene, err error) {
	if s.owners, err = access.OwnersOf(ctx, r, s.app); err != nil {
		return s, err
	}
	all, err := people()
	s.admins = admins(all)
	return s, err
}

// subjectOf returns the request, and the grant if there is one, that an event is
// about.
func subjectOf(ctx context.Context, r Reader, e audit.Event) (*access.Request, *access.Grant, error) {
	object, id, _ := strings.Cut(e.Subject, ":")
	switch object {
	case "request":
		req, err := r.Request(ctx, access.RequestID(id))
		return &req, nil, err
	case "grant":
		g, err := r.Grant(ctx, access.GrantID(id))
		if err != nil {
			return nil, nil, err
		}
		req, err := r.Request(ctx, g.Request)
		return &req, &g, err
	}
	return nil, nil, nil
}

func admins(all []identity.Person) []identity.Person {
	return slices.DeleteFunc(slices.Clone(all), func(p identity.Person) bool { return !p.Admin || p.Disabled })
}

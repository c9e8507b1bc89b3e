package access

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/identity"
)

// Answered is the call with which the other system was changed, or with which
// was read that nothing needed to be. Zero: no call was made.
type Answered struct {
	Method string
	Path   string
	Status int
}

// Answers is what the other system answered about one grant.
type Answers struct {
	SetUp Answered
	End   Answered
}

// History is one grant as an auditor reads it: who had what and when, who
// agreed, what the other system answered.
type History struct {
	Grant   Grant
	Request Request // of which it came; who may see the grant may see it
	Answers Answers
}

// HistoryFilter picks rows of the history of roles. Newest first.
type HistoryFilter struct {
	App      AppID
	Person   identity.PersonID
	RoleName string
	From     time.Time // only access that was there at some time from From ...
	Until    time.Time // ... to Until; zero: until now
	Limit    int
	Before   GrantID
}

// grants returns the filter of the grants.
func (f HistoryFilter) grants(now time.Time) GrantFilter {
	g := GrantFilter{App: f.App, Person: f.Person, RoleName: f.RoleName, Limit: f.Limit, Before: f.Before}
	if f.From.IsZero() && f.Until.IsZero() {
		return g
	}
	if g.HeldFrom, g.HeldUntil = f.From, f.Until; g.HeldUntil.IsZero() {
		g.HeldUntil = now.Add(time.Millisecond)
	}
	return g
}

// History returns the history of the roles that who may see, newest first.
func (s *Service) History(ctx context.Context, who identity.Actor, f HistoryFilter) (rows []History, err error) {
	return s.history(ctx, who, f.App, f.grants(s.now()))
}

// HistoryOf returns the history of the grants that f picks.
func (s *Service) HistoryOf(ctx context.Context, who identity.Actor, f GrantFilter) ([]History, error) {
	return s.history(ctx, who, "", f)
}

func (s *Service) history(ctx context.Context, who identity.Actor, app AppID, f GrantFilter) (rows []History, err error) {
	f.DueBy, f.BeginBy = time.Time{}, time.Time{}
	err = s.store.View(ctx, func(tx Reader) error {
		if app != "" {
			if _, err := tx.App(ctx, app); err != nil {
				return err
			}
		}
		if f.Seen, err = seenBy(ctx, tx, who); err != nil {
			return err
		}
		grants, err := tx.Grants(ctx, f)
		if err != nil {
			return err
		}
		ids := make([]GrantID, len(grants))
		for i, g := range grants {
			ids[i] = g.ID
		}
		answers, err := tx.Answers(ctx, grants)
		if err != nil {
			return err
		}
		requests, err := tx.RequestsOf(ctx, ids)
		if err != nil {
			return err
		}
		rows = make([]History, len(grants))
		for i, g := range grants {
			rows[i] = History{Grant: g, Request: requests[g.Request], Answers: answers[g.ID]}
			if !f.Seen.whole(g.App) {
				rows[i].Grant, rows[i].Request = g.forItsPerson(), rows[i].Request.forItsPerson()
			}
		}
		return nil
	})
	return rows, wrap("read the history of roles", err)
}

// Agreed returns who agreed, in the order in which they did.
func (h History) Agreed() []Approval {
	var list []Approval
	for _, a := range h.Request.Approvals {
		if a.Approved {
			list = append(list, a)
		}
	}
	return list
}

// EndProof is what the other system reported when the access ended; zero: it has
// not, or had never begun.
func (h History) EndProof() Proof {
	if h.Grant.State != GrantEnded || h.Grant.Proof.At.Equal(h.Grant.SetUp.At) {
		return Proof{}
	}
	return h.Grant.Proof
}

// HistoryNames tells people by their names where a history is shown.
type HistoryNames struct {
	Person func(identity.PersonID) identity.Person
	App    func(AppID) string
}

// Cell is one value of a row that is written for a spreadsheet.
type Cell struct{ Name, Text string }

// Cells returns the row as flat text, every row with the same columns. Times are
// in UTC.
func (h History) Cells(names HistoryNames) []Cell {
	g, q := h.Grant, h.Request
	name := func(id identity.PersonID) string {
		if id == "" {
			return ""
		}
		return names.Person(id).Name
	}
	var agreed []string
	for _, a := range h.Agreed() {
		by := name(a.By)
		if a.By == "" {
			by = "the workflow " + a.Workflow
		}
		agreed = append(agreed, fmt.Sprintf("%d: %s %s", a.Step+1, by, timeText(a.At)))
	}
	if len(agreed) == 0 && q.State == RequestApproved {
		agreed = []string{"by the policy"}
	}
	changed := ""
	if !g.Outside.At.IsZero() {
		changed = "expected " + g.Outside.Expected + ", found " + foundText(g.Outside.Found) + " " + timeText(g.Outside.At)
	}
	person, end := names.Person(g.Person), h.EndProof()
	return []Cell{
		{"grant", string(g.ID)},
		{"request", string(g.Request)},
		{"person", person.Name},
		{"email", person.Email},
		{"app", names.App(g.App)},
		{"role", g.RoleName},
		{"state", g.State.Text().Word},
		{"asked", timeText(q.CreatedAt)},
		{"asked_by", name(q.Requester)},
		{"reason", q.Reason},
		{"policy", q.Policy.Name},
		{"agreed_by", strings.Join(agreed, "; ")},
		{"began", timeText(g.StartsAt)},
		{"ends", timeText(g.EndsAt)},
		{"ended", timeText(g.EndedAt)},
		{"end_reason", g.EndReason},
		{"ended_by", name(g.EndedBy)},
		{"end_note", g.EndNote},
		{"set_up_call", h.Answers.SetUp.String()},
		{"set_up_status", h.Answers.SetUp.status()},
		{"role_read_back", g.SetUp.Role},
		{"read_back_at", timeText(g.SetUp.At)},
		{"user_there", g.SetUp.User},
		{"set_up_note", g.SetUp.Note},
		{"end_call", h.Answers.End.String()},
		{"end_status", h.Answers.End.status()},
		{"end_role_read_back", end.Role},
		{"end_read_back_at", timeText(end.At)},
		{"end_done", end.Note},
		{"changed_outside", changed},
	}
}

// String returns the call as it was sent: "PUT /api/3.24/sites/…".
func (a Answered) String() string { return strings.TrimSpace(a.Method + " " + a.Path) }

func (a Answered) status() string {
	if a.Status == 0 {
		return ""
	}
	return strconv.Itoa(a.Status)
}

// HistoryColumns names the columns of [History.Cells].
func HistoryColumns() []string {
	nobody := HistoryNames{Person: func(identity.PersonID) identity.Person { return identity.Person{} }, App: func(AppID) string { return "" }}
	var list []string
	for _, c := range (History{}).Cells(nobody) {
		list = append(list, c.Name)
	}
	return list
}

// Texts returns the texts of [History.Cells].
func (h History) Texts(names HistoryNames) []string {
	var list []string
	for _, c := range h.Cells(names) {
		list = append(list, c.Text)
	}
	return list
}

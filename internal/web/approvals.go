package web

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/batch"
	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/web/ui"
)

func (s *site) approvalPages() {
	s.get("/approvals", anyone, s.approvals)
	s.post("/approvals/many", anyone, s.manyApprovals)
	s.get("/approvals/{id}", anyone, s.reviewPage)
	s.post("/approvals/{id}/approve", anyone, s.approve)
	s.post("/approvals/{id}/deny", anyone, s.deny)
}

// inbox is what waits for somebody's decision.
type inbox struct {
	dir      directory
	requests []access.Request // the oldest first
	more     bool
	waiting  int // how many there are, when there are more
	extends  map[access.RequestID]access.Extension
}

// manyApprovals prepares a decision on the marked requests.
func (s *site) manyApprovals(r *Request) error {
	act, err := r.manyActOf(batch.ApproveRequest, batch.DenyRequest)
	if err != nil {
		return err
	}
	return s.prepare(r, act, filterWords(), func() ([]string, error) { return s.decidable(r) })
}

// decidable reads the ids of the requests that wait for somebody's decision, at
// most one more than a batch has.
func (s *site) decidable(r *Request) ([]string, error) {
	f := access.RequestFilter{State: access.RequestWaiting, Limit: batch.Most + 1}
	requests, err := s.Access.Requests(r.Context(), r.Actor, f, true)
	ids := make([]string, len(requests))
	for i, q := range requests {
		ids[i] = string(q.ID)
	}
	return ids, err
}

// many is what may be done with many of the inbox.
func (b inbox) many() many {
	return many{
		address: "/approvals/many", more: b.more, acts: []manyAct{{act: batch.ApproveRequest, all: b.waiting}, {act: batch.DenyRequest, all: b.waiting}},
	}
}

// mostWaiting is how many requests an inbox shows.
const mostWaiting = 200

func (s *site) approvals(r *Request) error {
	box, err := s.inbox(r)
	if err != nil {
		return err
	}
	if box.more { // Home, which shows a few of them, needs no number
		all, err := s.decidable(r)
		if err != nil {
			return err
		}
		box.waiting = len(all)
	}
	lead := "What waits for your decision, the longest waiting first."
	return r.Page(ui.Head{Title: "Approvals", Lead: lead}, nil, approvalsView(box))
}

func (s *site) inbox(r *Request) (inbox, error) {
	var box inbox
	var err error
	if box.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return box, err
	}
	f := access.RequestFilter{State: access.RequestWaiting, Limit: mostWaiting + 1}
	if box.requests, err = s.Access.Requests(r.Context(), r.Actor, f, true); err != nil {
		return box, err
	}
	if box.more = len(box.requests) > mostWaiting; box.more {
		box.requests = box.requests[:mostWaiting]
	}
	slices.Reverse(box.requests)
	box.extends, err = s.Access.Extensions(r.Context(), box.requests)
	return box, err
}

// reviewSheet is a request as one who decides sees it.
type reviewSheet struct {
	requestSheet
	present access.Proof
	byHand  bool                  // a person carries it out, no run
	seats   *connection.KnownFact // of the role that is asked for; nil: not known
	length  string
	custom  string
	reason  string
}

func (s *site) reviewPage(r *Request) error { return s.showReview(r, http.StatusOK, nil) }

func (s *site) showReview(r *Request, status int, errs ui.Errors) error {
	base, err := s.requestSheet(r)
	if err != nil {
		return err
	}
	base.errs = errs
	v := reviewSheet{requestSheet: base, length: r.Value("length"), custom: r.Value("length_custom"), reason: r.Value("reason")}
	if v.length == "" {
		v.length = lengthValue(v.review.Request.Length)
	}
	if v.present, err = s.presentRole(r.Context(), r.Actor, v.review.Request.Person, v.review.App.Connection); err != nil {
		return err
	}
	for _, g := range v.review.Live { // who decides need not see all of the person's access
		if g.Connection == v.review.App.Connection && g.Proof.At.After(v.present.At) {
			v.present = g.Proof
		}
	}
	q := v.review.Request
	if v.byHand, err = s.byHand(r.Context(), q.App, q.Role); err != nil {
		return err
	}
	if v.seats, err = s.Connections.RoleFact(r.Context(), v.review.App.Connection, q.RoleName); err != nil {
		s.Log.WarnContext(r.Context(), "the seats of a role are not known", "role", q.RoleName, "error", err) // people decide without
	}
	head := ui.Head{
		Title: ui.Middle(v.review.Person.Name, longName) + " asks for " + ui.Middle(q.RoleName, longName),
		Back:  []ui.Link{{Name: "Approvals", Href: "/approvals"}},
	}
	return r.PageAs(status, head, nil, reviewView(v))
}

// shorter offers the lengths that an approver may give instead: what was asked
// for, and less.
func (v reviewSheet) shorter() []lengthOption {
	asked := v.review.Request.Length
	list := []lengthOption{{length: asked, note: "asked for"}}
	for i := len(commonLengths) - 1; i >= 0 && len(list) < mostChips; i-- {
		if l := commonLengths[i]; asked == access.Indefinite && l <= 90*day || l < asked {
			list = append(list, lengthOption{length: l})
		}
	}
	return list
}

func (s *site) approve(r *Request) error {
	length, err := r.lengthOf()
	if err == nil {
		var q access.Request
		if q, err = s.Access.Approve(r.Context(), r.Actor, access.RequestID(r.Thing("id")), length, r.Value("reason")); err == nil {
			return s.decided(r, q)
		}
	}
	return s.undecided(r, err)
}

func (s *site) deny(r *Request) error {
	q, err := s.Access.Deny(r.Context(), r.Actor, access.RequestID(r.Thing("id")), r.Value("reason"))
	if err != nil {
		return s.undecided(r, err)
	}
	return s.decided(r, q)
}

func (s *site) undecided(r *Request, err error) error {
	if errs, ok := ui.ErrorsOf(err); ok {
		return s.showReview(r, http.StatusUnprocessableEntity, askFields(errs))
	}
	return err
}

func (s *site) decided(r *Request, q access.Request) error {
	text := "You denied the request."
	switch q.State {
	case access.RequestApproved:
		text = "You approved the request. This page follows how the access is set up."
	case access.RequestWaiting:
		text = "You approved your step. The next one waits for somebody else."
	case access.RequestDenied, access.RequestWithdrawn, access.RequestLapsed:
	}
	return r.Done("/requests/"+string(q.ID), "%s", text)
}

// marks are what somebody who decides should not overlook.
func marks(q access.Request) []string {
	var list []string
	if q.Requester != q.Person {
		list = append(list, "asked by somebody else")
	}
	if q.Length == access.Indefinite {
		list = append(list, "without an end")
	} else if usual := q.Policy.Usual; usual != access.Indefinite && q.Length > usual {
		list = append(list, "longer than usual")
	}
	if q.Extends != "" {
		list = append(list, "more time")
	}
	return list
}

// thenText says who decides after the one who looks.
func thenText(n access.Next) string {
	if n.Workflow != "" {
		return fmt.Sprintf("Then a workflow is asked for step %d.", n.Step)
	}
	var names []string
	for _, p := range n.Deciders {
		names = append(names, short(p.Name))
	}
	return fmt.Sprintf("Then step %d waits for %s.", n.Step, either(names))
}

// stepMoments are the steps of the policy and how they stand.
func (v reviewSheet) stepMoments() []ui.Moment {
	q := v.review.Request
	about := subject{app: v.review.App, person: q.Person, requester: q.Requester}
	if len(q.Policy.Steps) == 0 {
		return []ui.Moment{{State: ui.State{Word: "Done", Icon: "check", Tone: ui.Good}, Title: "Nobody needs to decide"}}
	}
	list := make([]ui.Moment, len(q.Policy.Steps))
	for i, step := range q.Policy.Steps {
		m := ui.Moment{State: ui.State{Word: "Not started", Icon: "circle-dashed", Tone: ui.Quiet}, Title: v.dir.stepText(step, about)}
		for _, a := range q.Approvals {
			if a.Step != i {
				continue
			}
			m.Title, m.Text, m.At = short(v.dir.person(a.By))+" approved", a.Reason, a.At
			m.State = ui.State{Word: "Done", Icon: "check", Tone: ui.Good}
			if !a.Approved {
				m.Title, m.State = short(v.dir.person(a.By))+" denied", ui.State{Word: "Denied", Icon: "x", Tone: ui.Bad}
			}
		}
		if q.State == access.RequestWaiting && i == q.WaitingStep() {
			m.State, m.Text = ui.State{Word: "Waits", Icon: "clock", Tone: ui.Wait}, "It waits for this step."
		}
		list[i] = m
	}
	return list
}

// first is the box with its first n requests.
func (b inbox) first(n int) inbox {
	b.requests = b.requests[:min(n, len(b.requests))]
	return b
}

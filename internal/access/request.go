package access

import (
	"slices"
	"strconv"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// RequestState says where a request stands. What becomes of the access itself
// is said by the grant.
type RequestState string

// The states of a request.
const (
	RequestWaiting   RequestState = "waiting_for_approval"
	RequestApproved  RequestState = "approved"
	RequestDenied    RequestState = "denied"
	RequestWithdrawn RequestState = "withdrawn"
	RequestLapsed    RequestState = "lapsed" // nobody decided in time
)

// Request is a person asking for a role for a time.
type Request struct {
	ID        RequestID
	App       AppID
	Role      RoleID
	RoleName  string // as it was when the request was filed
	Person    identity.PersonID
	Requester identity.PersonID
	Length    time.Duration // Indefinite: does not end by itself
	Reason    string
	State     RequestState
	Policy    Policy // as it was when the request was filed
	Approvals []Approval
	Asked     []Asked   // what workflows of its steps were asked, the newest of each step
	Extends   GrantID   // the live grant that this asks more time for; "": none
	StartsAt  time.Time // when the access is to start; zero: as soon as it is approved
	LapsesAt  time.Time // when it lapses, should nobody decide
	Grant     GrantID   // set once approved
	CreatedAt time.Time
	DecidedAt time.Time
}

// Approval is one decision in one step of a request.
type Approval struct {
	Step     int // 0 is the first
	By       identity.PersonID
	Workflow string // id of the workflow that decided instead of a person
	Approved bool
	Reason   string
	At       time.Time
}

// Events of requests.
const (
	RequestFiled        audit.Kind = "request.created"
	RequestStepApproved audit.Kind = "request.step_approved"
	RequestWasApproved  audit.Kind = "request.approved"
	RequestWasDenied    audit.Kind = "request.denied"
	RequestWasWithdrawn audit.Kind = "request.withdrawn"
	RequestHasLapsed    audit.Kind = "request.lapsed"
	RequestCommented    audit.Kind = "request.commented"
	RequestUndecidable  audit.Kind = "request.nobody_decides" // at present nobody could decide the step that waits
)

// ErrDecided is returned for a decision on a request that has one already.
var ErrDecided = fault.New(fault.Conflict, "This request has been decided already.").WithCode("decided")

// file returns the request r as its policy takes it, or why it does not.
func (r Request) file(who identity.Actor, app App, role Role, now time.Time) (Request, []audit.Event, error) {
	reason, err := cleanReason(r.Reason)
	if err != nil {
		return r, nil, err
	}
	r.Reason = reason
	may := r.Policy.mayAsk(who, r.Person, app)
	switch {
	case role.Closed:
		return r, nil, fault.New(fault.Conflict, "%s of %s cannot be asked for at present.", role.Name, app.Name).WithCode("role_closed")
	case may != nil:
		return r, nil, may
	case r.Policy.ReasonNeeded && r.Reason == "":
		return r, nil, fault.Field("reason", "The policy %s wants a reason.", r.Policy.Name)
	}
	if err := r.Policy.checkLength(r.Length); err != nil {
		return r, nil, err
	}
	r.App, r.Role, r.RoleName = app.ID, role.ID, role.Name
	if r.StartsAt, err = startOf(r.StartsAt, now); err != nil {
		return r, nil, err
	}
	r.Requester, r.State, r.CreatedAt, r.LapsesAt = who.Person, RequestWaiting, now, now.Add(r.Policy.WaitsFor())
	return r, []audit.Event{r.event(RequestFiled, who, now,
		"role", role.Name, "app", string(app.ID), "person", string(r.Person), "length", lengthText(r.Length), "reason", r.Reason,
		"starts", timeText(r.StartsAt), "extends", string(r.Extends))}, nil
}

// step returns the number of the step that is waiting for a decision.
func (r Request) step() int {
	n := 0
	for _, a := range r.Approvals {
		if a.Approved {
			n++
		}
	}
	return n
}

var errNotApprover = fault.New(fault.Forbidden, "You cannot decide this: you are not an approver of this step.").WithCode("not_approver").
	WithHint("The policy that it was asked for under says who decides.")

// mayDecide says why who may not decide on r now, or nil.
func (r Request) mayDecide(who identity.Actor, app App) error {
	if r.State != RequestWaiting {
		if !r.visibleTo(who, app) { // how it was decided is not theirs to know
			return errNotApprover
		}
		return ErrDecided
	}
	step := r.Policy.Steps[r.step()]
	gains := who.Person == r.Person || who.Person == r.Requester
	switch {
	case gains && !step.SelfApproval:
		return fault.New(fault.Forbidden, "You cannot decide this: it is your own request.").WithCode("self_approval").
			WithHint("The policy %s wants somebody else to decide.", r.Policy.Name)
	case !step.admits(who, app, r):
		return errNotApprover
	case slices.ContainsFunc(r.Approvals, func(a Approval) bool { return a.By == who.Person }):
		return fault.New(fault.Forbidden, "You have decided an earlier step of this request.").WithCode("decided_before").
			WithHint("Each step wants another person.")
	}
	return nil
}

// approve returns r with the waiting step approved by who, for at most length
// when that is shorter than what was asked for.
func (r Request) approve(who identity.Actor, app App, length *time.Duration, reason string, now time.Time) (Request, []audit.Event, error) {
	if err := r.mayDecide(who, app); err != nil {
		return r, nil, err
	}
	reason, err := cleanReason(reason)
	if err != nil {
		return r, nil, err
	}
	if length != nil {
		if *length == Indefinite && r.Length != Indefinite || tooShort(*length) || r.Length != Indefinite && *length > r.Length {
			return r, nil, fault.Field("duration", "An approver may shorten what was asked for (%s) to no less than %s, not lengthen it.", plainLength(r.Length), plainLength(shortest))
		}
		r.Length = *length
	}
	step := r.step()
	r.Approvals = append(slices.Clone(r.Approvals), Approval{Step: step, By: who.Person, Approved: true, Reason: reason, At: now})
	kind := RequestStepApproved
	if step+1 == len(r.Policy.Steps) {
		r.State, r.DecidedAt, kind = RequestApproved, now, RequestWasApproved
	}
	return r, []audit.Event{r.event(kind, who, now, "step", strconv.Itoa(step+1), "length", lengthText(r.Length), "reason", reason)}, nil
}

// approveByPolicy returns r approved because its policy has no step.
func (r Request) approveByPolicy(now time.Time) (Request, []audit.Event) {
	r.State, r.DecidedAt = RequestApproved, now
	return r, []audit.Event{r.event(RequestWasApproved, identity.System(), now, "policy", string(r.Policy.ID), "length", lengthText(r.Length))}
}

// deny returns r denied by who.
func (r Request) deny(who identity.Actor, app App, reason string, now time.Time) (Request, []audit.Event, error) {
	if err := r.mayDecide(who, app); err != nil {
		return r, nil, err
	}
	reason, err := cleanReason(reason)
	if err != nil {
		return r, nil, err
	}
	if reason == "" {
		return r, nil, fault.Field("reason", "Say why: the requester reads it.")
	}
	r.Approvals = append(slices.Clone(r.Approvals), Approval{Step: r.step(), By: who.Person, Reason: reason, At: now})
	r.State, r.DecidedAt = RequestDenied, now
	return r, []audit.Event{r.event(RequestWasDenied, who, now, "reason", reason)}, nil
}

// withdraw returns r taken back by who filed it or whom it is for.
func (r Request) withdraw(who identity.Actor, now time.Time) (Request, []audit.Event, error) {
	switch {
	case who.Person != r.Person && who.Person != r.Requester && !who.Administers():
		return r, nil, fault.New(fault.Forbidden, "Only who asked may withdraw a request.").WithCode("not_yours")
	case r.State != RequestWaiting:
		return r, nil, ErrDecided
	}
	r.State, r.DecidedAt = RequestWithdrawn, now
	return r, []audit.Event{r.event(RequestWasWithdrawn, who, now)}, nil
}

// visibleTo says whether who may see r in app: their own, those they may decide
// on, all of an app they own.
func (r Request) visibleTo(who identity.Actor, app App) bool {
	return app.caredForBy(who) || who.Person == r.Person || who.Person == r.Requester ||
		slices.ContainsFunc(r.Policy.Steps, func(s Step) bool { return s.admits(who, app, r) })
}

func (r Request) subject() string { return "request:" + string(r.ID) }

func (r Request) event(kind audit.Kind, who identity.Actor, now time.Time, data ...string) audit.Event {
	return event(kind, who, r.subject(), now, data...)
}

// event builds an event with data given as key, value, key, value, …; empty
// values are left out.
func event(kind audit.Kind, who identity.Actor, subject string, now time.Time, data ...string) audit.Event {
	e := audit.Event{At: now, Kind: kind, Actor: who.String(), Subject: subject, Data: map[string]string{}}
	for i := 0; i+1 < len(data); i += 2 {
		if data[i+1] != "" {
			e.Data[data[i]] = data[i+1]
		}
	}
	return e
}

func lengthText(d time.Duration) string {
	if d == Indefinite {
		return "indefinite"
	}
	return d.String()
}

// plainLength is a length for people: 30 d, 8 h, 90 min.
func plainLength(d time.Duration) string {
	const day = 24 * time.Hour
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		if d >= unit.of && d%unit.of == 0 {
			return strconv.FormatInt(int64(d/unit.of), 10) + " " + unit.name
		}
	}
	return lengthText(d)
}

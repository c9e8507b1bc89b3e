// Package batch does one act with many things, as one job that is recorded and
// cannot be lost.
//
// A batch is prepared first: of each thing it is kept what the act would come to,
// or why nothing can be done with it. It is then started as it was shown: what
// has changed since is not done but told. What came of each is kept with it, and
// a page or a client that goes away does not end it.
//
// The package knows neither what the things are nor SQL: a [Doer] does one act,
// by the rules that hold for one thing.
package batch

import (
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// ID names a batch: "bat_…".
type ID string

// Most is how many things are in one batch at most.
const Most = 1000

// Act is what a batch does with each of its things.
type Act struct {
	Code      string // for machines, stable: "revoke_access"
	Label     string // a verb and a noun: "End access"
	One, Many string // what it is done with, counted: "access", "accesses"
	Effect    string // what it comes to, for people
	Note      bool   // it takes a reason that stays in the record of each
	NoteNeed  bool   // and needs one
	AtOnce    int    // with how many at a time
	Scope     identity.Scope
}

// The acts.
var (
	RevokeAccess = Act{
		Code: "revoke_access", Label: "End access", One: "access", Many: "accesses", Note: true, AtOnce: 1, Scope: identity.ScopeRequestsWrite,
		Effect: "Each ends now, by a run of its own. It cannot be undone: it would be asked for anew.",
	}
	AcceptChange = Act{
		Code: "accept_change", Label: "Keep what was changed", One: "access", Many: "accesses", Note: true, AtOnce: 1, Scope: identity.ScopeRequestsWrite,
		Effect: "Each ends here, and what somebody set in the other system stays. Nothing is written there.",
	}
	RestoreAccess = Act{
		Code: "restore_access", Label: "Restore access", One: "access", Many: "accesses", Note: true, AtOnce: 1, Scope: identity.ScopeRequestsWrite,
		Effect: "Each is set up once more, by a run of its own that reads first. Their ends stay where they are.",
	}
	ApproveRequest = Act{
		Code: "approve_request", Label: "Approve requests", One: "request", Many: "requests", Note: true, AtOnce: 1, Scope: identity.ScopeApprovalsWrite,
		Effect: "Your step of each is approved, for the time that was asked for.",
	}
	DenyRequest = Act{
		Code: "deny_request", Label: "Deny requests", One: "request", Many: "requests", Note: true, NoteNeed: true, AtOnce: 1, Scope: identity.ScopeApprovalsWrite,
		Effect: "Each is turned down, with the same reason.",
	}
	RetryRun = Act{
		Code: "retry_run", Label: "Retry runs", One: "run", Many: "runs", AtOnce: 1, Scope: identity.ScopeRequestsWrite,
		Effect: "Each gets a new run of its workflow as it is published now. What is so already is read first and not sent again.",
	}
	CancelRun = Act{ // each waits for the step that is under way
		Code: "cancel_run", Label: "Cancel runs", One: "run", Many: "runs", AtOnce: 16, Scope: identity.ScopeRequestsWrite,
		Effect: "Each ends between two of its steps. What was made before stays made, and each can be retried.",
	}
)

// Acts lists all acts.
func Acts() []Act {
	return []Act{RevokeAccess, AcceptChange, RestoreAccess, ApproveRequest, DenyRequest, RetryRun, CancelRun}
}

// ActOf returns the act of the code; a field error when there is none.
func ActOf(code string) (Act, error) {
	for _, a := range Acts() {
		if a.Code == code {
			return a, nil
		}
	}
	return Act{}, fault.Field("act", "%q is nothing that is done with many.", code)
}

// State is how far a batch is.
type State string

// The states of a batch.
const (
	Prepared State = "prepared"
	Running  State = "running"
	Stopping State = "stopping" // somebody stopped it; what is under way is waited for
	Done     State = "done"
	Stopped  State = "stopped"
)

// Ended says whether nothing more is done.
func (s State) Ended() bool { return s == Done || s == Stopped }

// RowState is what became of one thing of a batch.
type RowState string

// The states of a row.
const (
	RowReady   RowState = "ready"    // it will be done
	RowLeftOut RowState = "left_out" // it could not be done when the batch was prepared
	RowDone    RowState = "done"
	RowRefused RowState = "refused"   // it could not be done when its turn came
	RowSkipped RowState = "not_begun" // the batch was stopped before its turn
)

// StateText is what people and machines are told of a state.
type StateText struct {
	Code     string
	Word     string
	Sentence string
}

// States is the table of the states of a batch, in the order of its life.
func States() []StateText {
	return []StateText{
		{string(Prepared), "Prepared", "Nothing has been done yet. It is done as shown when it is started."},
		{string(Running), "Running", "It is being done. It goes on when you leave."},
		{string(Stopping), "Stopping", "What is under way is finished; nothing more is begun."},
		{string(Done), "Done", "It has come to its end. Each row says what came of it."},
		{string(Stopped), "Stopped", "It was ended before all was done. What was not begun was left as it is."},
	}
}

// RowStates is the table of the states of a row.
func RowStates() []StateText {
	return []StateText{
		{string(RowReady), "To be done", "It is done when its turn comes."},
		{string(RowLeftOut), "Left out", "Nothing could be done with it when this was prepared."},
		{string(RowDone), "Done", "It was done."},
		{string(RowRefused), "Not done", "It could not be done when its turn came."},
		{string(RowSkipped), "Not begun", "It was stopped before its turn came."},
	}
}

// Text returns what is told of the state.
func (s State) Text() StateText { return textOf(States(), string(s)) }

// Text returns what is told of the state.
func (s RowState) Text() StateText { return textOf(RowStates(), string(s)) }

func textOf(table []StateText, code string) StateText {
	for _, t := range table {
		if t.Code == code {
			return t
		}
	}
	return StateText{Code: code, Word: code}
}

// Batch is one act on many things.
type Batch struct {
	ID         ID
	Act        string
	By         identity.PersonID
	Scopes     []identity.Scope // of the token or the session it was started with
	Admin      bool             // who started it did so as an administrator
	Via        string           // with what: "token:tok_…", "session:ses_…"
	Chosen     string           // by what all that match were chosen, for people; "": one by one
	Note       string
	State      State
	Counts     Counts
	Begun      int // how often a node has begun it: after a crash it is begun anew
	PreparedAt time.Time
	StartedAt  time.Time
	EndedAt    time.Time
	StoppedBy  string // who stopped it; "system": it ended without a word
}

// Counts says how many rows of a batch are in which state.
type Counts struct {
	Ready   int `json:"ready"`
	LeftOut int `json:"left_out"`
	Done    int `json:"done"`
	Refused int `json:"refused"`
	Skipped int `json:"not_begun"`
}

// Total is how many rows there are.
func (c Counts) Total() int { return c.Ready + c.LeftOut + c.Done + c.Refused + c.Skipped }

// Of is how many rows were to be done.
func (c Counts) Of() int { return c.Total() - c.LeftOut }

// add counts n more rows of the state.
func (c *Counts) add(s RowState, n int) {
	switch s {
	case RowReady:
		c.Ready += n
	case RowLeftOut:
		c.LeftOut += n
	case RowDone:
		c.Done += n
	case RowRefused:
		c.Refused += n
	case RowSkipped:
		c.Skipped += n
	}
}

// Problem is why nothing was done with a thing, for people.
type Problem struct {
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// problemOf is what people are told of err.
func problemOf(err error) Problem {
	f := fault.Public(err)
	return Problem{Code: f.Code, Message: f.Message, Hint: f.Hint}
}

// Row is one thing of a batch.
type Row struct {
	Batch   ID
	N       int    // its place in the order, from 1
	Thing   string // its id: "grt_…", "run_…", "req_…"
	Seen    Seen
	State   RowState
	Result  string // id of what was made: the run of a retry
	Problem Problem
	At      time.Time // when it was done, or not
}

// Seen is what whoever prepared the batch was shown of a thing. It is kept as it
// was.
type Seen struct {
	Person  identity.PersonID `json:"person,omitempty"`
	App     string            `json:"app,omitempty"`
	Name    string            `json:"name"` // of the role or the workflow
	Before  string            `json:"before,omitempty"`
	After   string            `json:"after,omitempty"` // with Before: what becomes of it
	Because string            `json:"because,omitempty"`
	Mark    string            `json:"mark,omitempty"` // tells what was foreseen from anything else
}

// The kinds of events.
const (
	EventStarted audit.Kind = "batch.started"
	EventStopped audit.Kind = "batch.stopped"
	EventEnded   audit.Kind = "batch.ended"
)

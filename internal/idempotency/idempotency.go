// Package idempotency says what becomes of a call of the API that is sent again
// under the same key: it is one act however often it is sent.
//
// It knows no HTTP and no SQL: api asks it, store keeps its rows.
package idempotency

import (
	"context"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/fault"
)

// State says how far a kept call got.
type State string

// The states of a kept call.
const (
	Running State = "running"
	Done    State = "done"
)

// Call is a call that was sent with a key. Caller, Route and Key name it.
type Call struct {
	Caller    string // the token it was made with
	Route     string // "POST /api/v1/requests"
	Key       string
	Body      string // keyed hash of what was sent
	State     State
	Status    int
	Header    map[string]string
	Answer    string
	Forgotten bool // it was done, but its answer was not kept
	At        time.Time
}

// Store keeps calls.
type Store interface {
	// BeginCall keeps c unless there is one of the same name, and returns the one
	// that is kept. It removes those that began before a time.
	BeginCall(ctx context.Context, c Call, forget time.Time) (kept Call, begun bool, err error)
	// EndCall keeps what came of c.
	EndCall(ctx context.Context, c Call) error
	// DropCall forgets c: nothing was done.
	DropCall(ctx context.Context, c Call) error
}

const (
	// KeepFor is how long a call is kept.
	KeepFor = 48 * time.Hour
	// Term is longer than any call takes: the server breaks them off before. One
	// that runs longer has died with its process.
	Term = 5 * time.Minute

	maxKey = 255
)

// CheckKey refuses a key that cannot be kept.
func CheckKey(key string) error {
	if len(key) <= maxKey && !strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil
	}
	return fault.New(fault.Invalid, "An Idempotency-Key has at most %d characters, all of them visible ASCII.", maxKey).WithCode("bad_idempotency_key")
}

// The codes of what Again refuses.
const (
	CodeReused  = "idempotency_key_reused"
	CodeRunning = "idempotency_running"
	CodeUnknown = "idempotency_unknown"
	CodeNotKept = "answer_not_kept"
)

// Again says why the call c, which is sent while kept is there, cannot be
// answered with what came of kept; nil when it can.
func Again(kept, c Call) error {
	switch {
	case kept.Body != c.Body:
		return fault.New(fault.Invalid, "This Idempotency-Key was used for another request.").WithCode(CodeReused).WithHint("Make a new key for each act.")
	case kept.State == Running && c.At.Sub(kept.At) < Term:
		return fault.New(fault.Conflict, "The first call with this Idempotency-Key is still running.").WithCode(CodeRunning).WithHint("Ask again in a moment.")
	case kept.State == Running:
		return fault.New(fault.Conflict, "The first call with this Idempotency-Key was broken off: whether it was carried out is not known.").WithCode(CodeUnknown).
			WithHint("Look whether it was, and use a new key if it was not.")
	case kept.Forgotten:
		return fault.New(fault.Conflict, "This was done already, and answered %d; the answer was not kept.", kept.Status).WithCode(CodeNotKept).
			WithHint("Look at what it did; use a new key to do it again.")
	}
	return nil
}

package script

import (
	"context"
	"encoding/json"
	"time"
)

// Input is what one run is given.
type Input struct {
	// Argument is the one argument of the default export, JSON; none is null.
	Argument json.RawMessage
	// Host makes the calls of the script, one after another in the order in
	// which they were issued. Its context is that of the run. Without it every
	// call fails.
	Host func(ctx context.Context, call Call) Answer
	// Clock is what Date starts from and Seed what Math.random starts from. The
	// caller records them, so that a replay repeats them.
	Clock time.Time
	Seed  uint64
	// Limits bound the run.
	Limits Limits
	// Log takes what the script writes to the console and the log of our
	// modules, at the level debug, info, warn or error. It may be nil. A replay
	// writes again what the first run wrote.
	Log func(level, text string)
}

// Call is something that a script asks of the host.
type Call struct {
	Seq  int             // from 1, in the order of the calls: the same in every replay
	Name string          // e.g. "tableau.users.setSiteRole"
	Args json.RawMessage // a JSON array
}

// Answer is what came of a call.
type Answer struct {
	Value json.RawMessage // JSON; none is null
	Err   *HostError      // not nil: the call failed, and Value does not count
	At    time.Time       // when: the clock of the script moves on to it, never back; zero leaves it
}

// HostError is a call that failed. In the script it is an Error with the
// properties message, code, detail and hint, which the script may catch.
type HostError struct {
	Code    string // e.g. "user_missing"
	Message string // a sentence for people
	Detail  string // the other system's own words
	Hint    string // what to do about it
}

// Error returns the message.
func (e *HostError) Error() string { return e.Message }

package workflow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// The states that a run has besides those of the road straight on.
const (
	RunRetrying  RunState = "retrying"        // a further attempt, whose time has not come yet
	RunUnknown   RunState = "outcome_unknown" // a change was sent, and nobody can tell yet what became of it
	RunCancelled RunState = "cancelled"       // somebody ended it
	RunCrashed   RunState = "crashed"         // it ended without saying what came of it
)

// Act is something that may be done with a run.
type Act struct {
	Code string // as it is sent
	Word string // on a button
}

// What may be done with a run.
var (
	ActWatch  = Act{"watch", "Watch"}
	ActCancel = Act{"cancel", "Cancel run"}
	ActRetry  = Act{"retry", "Retry"}
	ActSee    = Act{"see_steps", "See its steps"}
)

// StateText is what people and machines are told of a state: one code, one word,
// one sentence, and what may be done next.
type StateText struct {
	Code     string
	Word     string
	Sentence string
	Next     []Act
}

// RunStates is the table of the states of a run, in the order of its life.
func RunStates() []StateText {
	return []StateText{
		{string(RunQueued), "Queued", "It waits for its turn: runs of one person on one site run one at a time.", []Act{ActWatch, ActCancel}},
		{string(RunRetrying), "Retrying", "The attempt before failed; this one begins at its time.", []Act{ActWatch, ActCancel}},
		{string(RunRunning), "Running", "Its steps are being made now.", []Act{ActWatch, ActCancel}},
		{string(RunWaiting), "Waiting", "It waits, and goes on by itself. Nothing of it is lost by a restart.", []Act{ActWatch, ActCancel}},
		{string(RunUnknown), "Outcome unknown", "A change was sent and no answer came. It is read before anything is sent again.", []Act{ActRetry, ActSee}},
		{string(RunDone), "Done", "All its steps were made, and what they changed was read back.", []Act{ActSee}},
		{string(RunFailed), "Failed", "A step was refused or the workflow gave up. What was made before it stays made.", []Act{ActRetry, ActSee}},
		{string(RunCancelled), "Cancelled", "Somebody ended it between two steps. What was made before stays made.", []Act{ActRetry, ActSee}},
		{string(RunCrashed), "Crashed", "It ended without saying what came of it. It may have been carried out all the same.", []Act{ActRetry, ActSee}},
		{string(RunSuperseded), "Superseded", "A later decision, or what else the person holds by now, has overtaken it: it changed nothing any more.", []Act{ActSee}},
	}
}

// Text returns what is told of the state. Of one that is not in the table it
// knows the code alone.
func (s RunState) Text() StateText {
	for _, t := range RunStates() {
		if t.Code == string(s) {
			return t
		}
	}
	return StateText{Code: string(s), Word: string(s)}
}

// Ended says whether nothing more will happen in the run.
func (s RunState) Ended() bool {
	switch s { //nolint:exhaustive // the others go on
	case RunQueued, RunRetrying, RunRunning, RunWaiting:
		return false
	}
	return true
}

// StatesFor returns the states of runs in which the act is possible.
func StatesFor(act Act) []RunState {
	var states []RunState
	for _, t := range RunStates() {
		if slices.Contains(t.Next, act) {
			states = append(states, RunState(t.Code))
		}
	}
	return states
}

// endStates are the states of runs that ended with these codes; of others it is
// RunFailed.
var endStates = map[string]RunState{
	"superseded": RunSuperseded, "outcome_unknown": RunUnknown, "cancelled": RunCancelled, "crashed": RunCrashed,
}

// Ending returns the state of a run that ended with err.
func Ending(err error) RunState {
	if err == nil {
		return RunDone
	}
	if s, ok := endStates[fault.Public(err).Code]; ok {
		return s
	}
	return RunFailed
}

// RetryNote says what a retry of the run will do first; "" when there is
// nothing to retry.
func (r Run) RetryNote() string {
	switch r.State { //nolint:exhaustive // the others are not retried
	case RunUnknown, RunCrashed:
		return "The change may already be made: it will be read first. A retry is a new run of the workflow as it is published then, with the connection as it is then."
	case RunFailed, RunCancelled:
		return "What is so already is read and not sent again. A retry is a new run of the workflow as it is published then, with the connection as it is then."
	}
	return ""
}

// Timing is how long the parts of a step took.
type Timing struct {
	Exchange time.Duration // signing in
	Call     time.Duration // calls up to and with the last change, or all when it only read
	ReadBack time.Duration // reads after the last change
	Waited   time.Duration // the rest: for a turn, a throttle, or our own database
}

// Timing returns how long the parts of the step took.
func (s Step) Timing() Timing {
	var t Timing
	last := -1
	for i, c := range s.Calls {
		if c.Kind == "call" && c.Method != "GET" && c.Method != "HEAD" { //nolint:usestdlibvars // runs know no HTTP
			last = i
		}
	}
	for i, c := range s.Calls {
		switch {
		case c.Kind != "call":
			t.Exchange += c.Duration
		case last >= 0 && i > last:
			t.ReadBack += c.Duration
		default:
			t.Call += c.Duration
		}
	}
	if !s.EndedAt.IsZero() {
		t.Waited = max(s.EndedAt.Sub(s.StartedAt)-t.Exchange-t.Call-t.ReadBack, 0)
	}
	return t
}

// Revision names what is to be seen of a run with its steps: another one when
// something has changed.
func Revision(r Run, steps []Step) string {
	h := sha256.New()
	fmt.Fprintln(h, r.State, r.WaitsFor, r.NotBefore.UnixMilli(), r.EndedAt.UnixMilli())
	for _, s := range steps {
		fmt.Fprintln(h, s.Seq, s.State, s.Attempt, len(s.Calls))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// LongestWatch bounds how long Watch waits, and lookAgain is how often it looks.
const (
	LongestWatch = 30 * time.Second
	lookAgain    = 100 * time.Millisecond
)

// Watch returns the run with its steps as soon as it is another one than at the
// revision, has ended, or the wait is over. Who may see it is asked when it is
// begun and of what is answered, not at each look.
func (s *Service) Watch(ctx context.Context, who identity.Actor, id, revision string, wait time.Duration) (Run, []Step, error) {
	enough := time.NewTimer(min(wait, LongestWatch)) //nolint:forbidigo // people wait in real time
	defer enough.Stop()
	r, steps, err := s.Run(ctx, who, id)
	if err != nil {
		return r, steps, err
	}
	seen := r.State.Ended() || Revision(r, steps) != revision
	for waiting := !seen; waiting; {
		select {
		case <-ctx.Done():
			return r, steps, ctx.Err()
		case <-enough.C:
			waiting = false
		case <-time.After(lookAgain): //nolint:forbidigo // people wait in real time
			now, err := s.store.Run(ctx, id)
			if err != nil {
				return r, steps, err
			}
			made, err := s.store.Steps(ctx, id)
			if err != nil {
				return r, steps, err
			}
			waiting = !now.State.Ended() && Revision(now, made) == revision
		}
	}
	if seen {
		return r, steps, nil
	}
	return s.Run(ctx, who, id)
}

// LinkRetry notes of which run another is a retry.
func (s *Service) LinkRetry(ctx context.Context, id, of string) error {
	return s.store.LinkRetry(ctx, id, of)
}

package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/margay-access/margay/internal/engine"
)

// ErrLost says that another execution of the run has begun since: this one may
// write no more, and what it found does not count.
var ErrLost = fmt.Errorf("another execution of this run has begun since: %w", engine.ErrLost)

// Start is what a run's script takes for time and chance: recorded, so that a
// replay repeats it.
type Start struct {
	At   time.Time `json:"at"`
	Seed uint64    `json:"seed"`
}

// NewStart returns the start of a run that begins now.
func NewStart(now time.Time) Start {
	return Start{At: now.UTC().Truncate(time.Millisecond), Seed: rand.Uint64()} //nolint:gosec // no secret hangs on it
}

// Beginning is what is kept when an execution of a run begins.
type Beginning struct {
	Run        string
	Start      Start
	Plan       json.RawMessage // of who has the run done; the runner does not read it
	Workflow   string
	Version    string
	Connection string
	At         time.Time
}

// Journal is what is recorded of a run when an execution of it begins: what was
// kept first, whichever execution did it, and the steps since.
type Journal struct {
	Epoch int64 // of this execution; what an earlier one writes is refused
	Start Start
	Plan  json.RawMessage
	Steps []Step
	Log   []LogLine // what the execution wrote to its log after the last step
}

// step returns the recorded step of the number.
func (j *Journal) step(seq int) (Step, bool) {
	for _, s := range j.Steps {
		if s.Seq == seq {
			return s, true
		}
	}
	return Step{}, false
}

// Begin begins an execution of the run: the same start and plan as the first
// time, if there was one.
func (r *Runner) Begin(ctx context.Context, b Beginning) (*Journal, error) {
	if b.Start.At.IsZero() {
		b.Start = NewStart(r.now())
	}
	if b.At.IsZero() {
		b.At = r.now()
	}
	var j Journal
	err := engine.Insist(ctx, r.log, b.Run, "begin", func() (err error) {
		j, err = r.store.BeginRun(ctx, b)
		return err
	})
	return &j, err
}

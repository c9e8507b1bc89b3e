package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/workflow/script"
)

const (
	// sleepCall is what the function sleep of the module "margay" calls.
	sleepCall = "margay.sleep"
	// shortSleep is how long a sleep may be to be waited for in place. A longer
	// one ends the virtual machine: nothing of the run is then in memory.
	shortSleep = 2 * time.Second
	// LongestSleep bounds one sleep.
	LongestSleep = 31 * 24 * time.Hour
)

// What a run waits for, as the end of "It waits for".
const (
	WaitsForTime    = "its time, as the workflow asked"
	WaitsForProgram = "a newer version of Margay: this one does not know how to carry it out"
)

// AsleepError ends an execution whose script sleeps: the run goes on at Until, by
// another execution.
type AsleepError struct{ Until time.Time }

// Error implements error.
func (a *AsleepError) Error() string {
	return "the run sleeps until " + a.Until.UTC().Format(time.RFC3339)
}

type sleepIn struct {
	MS float64 `json:"ms"`
}

// sleepOut is kept with the step while it sleeps.
type sleepOut struct {
	Until time.Time `json:"until"`
}

// sleep is the step of a sleep. When it ends is recorded before it begins, so
// that it is as long after a crash as without one.
func (x *execution) sleep(ctx context.Context, s, kept Step) script.Answer {
	r := x.runner
	until, err := wakeTime(s, kept, r.now())
	if err != nil {
		f := fault.Public(err)
		s.State, s.EndedAt, s.Problem = StepFailed, r.now().UTC().Truncate(time.Millisecond), Problem{Code: f.Code, Message: f.Message, Hint: f.Hint}
		return x.slept(ctx, s)
	}
	out, err := json.Marshal(sleepOut{Until: until})
	if err != nil {
		x.stop(err)
		return stopped
	}
	s.Output = string(out)
	if kept.Attempt == 0 {
		if err := x.save(ctx, s); err != nil {
			x.stop(err)
			return stopped
		}
	} else {
		s.Attempt, s.StartedAt = kept.Attempt, kept.StartedAt // to wake is not to begin again
	}
	if left := until.Sub(r.now()); left > shortSleep {
		x.stop(&AsleepError{Until: until})
		return stopped
	} else if left > 0 {
		select {
		case <-ctx.Done():
			return stopped
		case <-time.After(left): //nolint:forbidigo // shorter than it takes to begin anew
		}
	}
	// The script's clock moves on to the time that was asked for, whenever that
	// was noticed.
	s.State, s.Output, s.EndedAt = StepDone, "null", until
	return x.slept(ctx, s)
}

func (x *execution) slept(ctx context.Context, s Step) script.Answer {
	if err := x.save(ctx, s); err != nil {
		x.stop(err)
		return stopped
	}
	return answerOf(s)
}

// wakeTime returns when the sleep ends: as recorded, if it began before.
func wakeTime(s, kept Step, now time.Time) (time.Time, error) {
	var before sleepOut
	if kept.Output != "" && json.Unmarshal([]byte(kept.Output), &before) == nil && !before.Until.IsZero() {
		return before.Until, nil
	}
	var in sleepIn
	if err := json.Unmarshal([]byte(s.Input), &in); err != nil || in.MS < 0 {
		return time.Time{}, fault.New(fault.Invalid, "sleep takes a duration that is not negative.").WithCode("bad_request")
	}
	if in.MS > float64(LongestSleep.Milliseconds()) {
		return time.Time{}, fault.New(fault.Invalid, "A workflow cannot sleep longer than %s at once.", days(LongestSleep)).WithCode("bad_request")
	}
	return now.Add(time.Duration(in.MS * float64(time.Millisecond))).UTC().Truncate(time.Millisecond), nil
}

func days(d time.Duration) string { return fmt.Sprintf("%d days", int(d.Hours()/24)) }

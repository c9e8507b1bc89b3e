package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/workflow/script"
)

// trialTime bounds a test run.
const trialTime = 2 * time.Minute

// Trial is a test run: what a workflow would do, with every change held back.
type Trial struct {
	Workflow   string
	Version    string // hash; "": the draft, else the published version
	Person     string // for whom; of the access types
	Role       string
	Connection string          // "": as the workflow or the role says
	Argument   json.RawMessage // nil: made of person and role
}

// TrialReport is what came of a test run.
type TrialReport struct {
	Output  json.RawMessage
	Problem Problem // zero: it ended well
	Steps   []Step
	Changes []Change // what it would change
	Log     []string
}

// TrialText returns what a test run of the workflow runs: the version of the
// hash, else the draft, else the published version.
func (s *Service) TrialText(ctx context.Context, w Workflow, hash string) (script.Source, error) {
	if hash == "" {
		d, err := s.store.Draft(ctx, w.ID)
		if err != nil {
			return script.Source{}, err
		}
		if d != nil {
			mods, err := modules(s.systems, w.Integration)
			return script.Source{Name: d.File, Text: d.Source, Modules: mods}, err
		}
		if hash = w.Published; hash == "" {
			return script.Source{}, fault.New(fault.Conflict, "The workflow %s has neither a draft nor a published version.", w.Name).WithCode("not_published")
		}
	}
	v, err := s.store.Version(ctx, w.ID, hash)
	return script.Source{Name: v.File, Text: v.Source, Modules: v.Modules}, err
}

// Try runs a text with every change held back: reads go to the system, a change
// is answered as if it had been made, and nothing of the run is kept.
func (r *Runner) Try(ctx context.Context, text script.Source, connection string, argument json.RawMessage) (TrialReport, error) {
	program, err := script.Compile(text)
	if err != nil {
		return TrialReport{}, fault.Field("source", "%v", err).WithCode("does_not_compile").Because(err)
	}
	ctx, stop := context.WithTimeout(ctx, trialTime)
	defer stop()
	release := func() {}
	if connection != "" {
		if release, err = r.systems.Hold(ctx, connection); err != nil {
			return TrialReport{}, err
		}
	}
	defer release()
	start := NewStart(r.now())
	t := trial{runner: r, connection: connection, clock: start.At}
	out, err := program.Run(ctx, script.Input{
		Argument: argument, Clock: start.At, Seed: start.Seed, Host: t.host,
		Log: func(level, line string) { t.report.Log = append(t.report.Log, level+": "+cleaned(line)) },
	})
	t.report.Output = out
	if ctx.Err() != nil {
		return t.report, fault.New(fault.Unavailable, "The test run took longer than %v and was ended. Nothing was changed.", trialTime).WithCode("test_too_long")
	}
	if err = problemOf(err); err != nil {
		f := fault.Public(err)
		if f.Kind == fault.Internal {
			r.log.ErrorContext(ctx, "test run failed", "error", err)
		}
		t.report.Problem = problem(f)
		t.report.Problem.Where = Where(err)
	}
	return t.report, nil
}

// trial is a test run under way.
type trial struct {
	runner     *Runner
	connection string
	clock      time.Time // of the script: a sleep moves it on and takes no time
	report     TrialReport
}

func (t *trial) host(ctx context.Context, c script.Call) script.Answer {
	r := t.runner
	args := onlyArgument(c.Args)
	s := Step{Seq: c.Seq, Name: c.Name, State: StepRunning, Attempt: 1, Input: string(args), StartedAt: r.now()}
	var value []byte
	var err error
	switch {
	case c.Name == sleepCall:
		var until time.Time
		if until, err = wakeTime(s, Step{}, t.clock); err == nil {
			t.clock, value = until, []byte("null")
		}
	case t.connection == "":
		err = fault.New(fault.Invalid, "The test run has no connection to call.").WithCode("no_connection").WithHint("Choose one.")
	default:
		g := &heldGuard{step: &s}
		value, err = r.systems.Act(ctx, t.connection, c.Name, args, g, g.trace)
		g.mu.Lock()
		if s.Change != nil {
			t.report.Changes = append(t.report.Changes, *s.Change)
		}
		g.mu.Unlock()
	}
	s.State, s.Output, s.EndedAt = StepDone, string(value), r.now().UTC().Truncate(time.Millisecond)
	if err != nil {
		f := fault.Public(err)
		if f.Kind == fault.Internal {
			r.log.ErrorContext(ctx, "step of a test run failed", "step", c.Name, "error", err)
		}
		s.State, s.Output, s.Problem = StepFailed, "", problem(f)
	}
	t.report.Steps = append(t.report.Steps, s)
	a := answerOf(s)
	if t.clock.Before(s.EndedAt) {
		t.clock = s.EndedAt
	}
	a.At = t.clock
	return a
}

// heldGuard holds every change back.
type heldGuard struct {
	mu   sync.Mutex
	step *Step
}

// Intend implements [Guard].
func (g *heldGuard) Intend(_ context.Context, c Change) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.Held = true
	g.step.Change = &c
	return ErrHeld
}

// Ask implements [Guard]: an action that sends all the same is stopped here.
func (*heldGuard) Ask(context.Context) error {
	return fmt.Errorf("a change of a test run was about to be sent: %w", ErrHeld)
}

func (g *heldGuard) trace(c Call) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.step.Calls = append(g.step.Calls, c)
}

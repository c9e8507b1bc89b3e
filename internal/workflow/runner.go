package workflow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/margay-access/margay/internal/engine"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/workflow/script"
)

// Runner carries out workflow versions as steps of engine jobs.
type Runner struct {
	store   Store
	systems Systems
	now     func() time.Time
	log     *slog.Logger

	mu       sync.Mutex
	programs map[string]*script.Program // by hash; a version never changes
}

// NewRunner returns the runner.
func NewRunner(store Store, systems Systems, now func() time.Time, log *slog.Logger) *Runner {
	return &Runner{store: store, systems: systems, now: now, log: log, programs: map[string]*script.Program{}}
}

// Task is one version to be carried out once.
type Task struct {
	Run        string
	Workflow   string
	Version    string // hash: a replay loads the version that the run began with
	Connection string
	Argument   json.RawMessage // what the script is told
	// Journal is what Begin returned; without it, Execute begins the run.
	Journal *Journal
	// Guard is asked right before each write is sent: an error of it stops the
	// step.
	Guard func(ctx context.Context) error
}

// Execute carries out the task and returns what the script returned, or why it
// did not: for people when it is a *fault.Error, else a fault of ours. When ctx
// has ended, or the error is ErrLost, this execution does not count: the engine
// will take the job up again, or has. A script that sleeps long ends it with a
// *AsleepError.
func (r *Runner) Execute(ctx context.Context, job *engine.Run, t Task) (json.RawMessage, error) {
	var program *script.Program
	err := engine.Insist(ctx, r.log, t.Run, "version", func() (err error) {
		program, err = r.program(ctx, t.Workflow, t.Version)
		return err
	})
	if err != nil {
		return nil, err
	}
	if t.Journal == nil {
		t.Journal, err = r.Begin(ctx, Beginning{Run: t.Run, Workflow: t.Workflow, Version: t.Version, Connection: t.Connection})
		if err != nil {
			return nil, err
		}
	}
	var release func()
	err = engine.InsistAWhile(ctx, r.log, t.Run, "hold", func() (err error) {
		release, err = r.systems.Hold(ctx, t.Connection)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer release()
	x := &execution{runner: r, job: job, task: t}
	out, err := x.run(ctx, program)
	if cause := x.cause(); cause != nil {
		return nil, cause
	}
	return out, problemOf(err)
}

// Settle tells what a run came to that nobody carries out any more, from what is
// recorded of it: what its script returned, or why it failed. It is not finished
// when the script asks for a step that is not recorded; nothing is sent.
func (r *Runner) Settle(ctx context.Context, t Task) (out json.RawMessage, finished bool, failed error) {
	program, err := r.program(ctx, t.Workflow, t.Version)
	if err != nil {
		return nil, false, err
	}
	x := &execution{runner: r, task: t}
	out, err = x.run(ctx, program)
	if cause := x.cause(); cause != nil {
		return nil, false, cause
	}
	return out, true, problemOf(err)
}

// errUnrecorded ends a replay of what is recorded.
var errUnrecorded = errors.New("the script asks for a step that is not recorded")

// cancelGrace is how long a change that was sent is waited for when the run is
// cancelled: as long as a call takes at most, so that what came of it is known.
const cancelGrace = 32 * time.Second

// execution is one execution of a run.
type execution struct {
	runner *Runner
	job    *engine.Run // nil: nothing but what is recorded is told
	task   Task
	said   said

	ctx  context.Context //nolint:containedctx // the life of the execution itself
	stop context.CancelCauseFunc

	mu        sync.Mutex
	sending   bool  // a change was sent in the step that is under way
	cancelled error // not nil: the run goes no further than that step
}

// run runs the script. When a step could not be recorded, the script must not go
// on as if it had failed: x stops, and the run is taken up again.
func (x *execution) run(ctx context.Context, program *script.Program) (json.RawMessage, error) {
	x.ctx, x.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, func() { x.ended(context.Cause(ctx)) })()
	start := x.task.Journal.Start
	out, err := program.Run(x.ctx, script.Input{ //nolint:contextcheck // the execution outlives a job that was cancelled
		Argument: x.task.Argument, Clock: start.At, Seed: start.Seed, Host: x.host,
		Log: func(level, text string) { x.say(ctx, level, text) },
	})
	x.task.Journal.Log = x.said.take()
	return out, err
}

// cause returns why the execution was stopped, or nil, and ends it.
func (x *execution) cause() error {
	defer x.stop(nil)
	return context.Cause(x.ctx)
}

// ended is told that the job's context has ended. A job that was cancelled ends
// at once, but for a change that was sent: what came of that is waited for.
func (x *execution) ended(cause error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !errors.Is(cause, engine.ErrCancelled) || !x.sending {
		x.stop(cause)
		return
	}
	x.cancelled = cause
	time.AfterFunc(cancelGrace, func() { x.stop(cause) })
}

// maySend says why a change may not be sent any more, or nil: then it counts
// as sent.
func (x *execution) maySend() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cancelled != nil {
		return x.cancelled
	}
	if x.ctx.Err() != nil {
		return context.Cause(x.ctx)
	}
	x.sending = true
	return nil
}

// stepOver says why the script goes no further after a step, or nil.
func (x *execution) stepOver() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sending = false
	return x.cancelled
}

// stopped is what a script is told of a call after which it goes no further.
var stopped = script.Answer{Err: &script.HostError{Code: "stopped", Message: "The run was stopped."}}

// host makes one call of the script's a recorded step.
func (x *execution) host(ctx context.Context, c script.Call) script.Answer {
	args := onlyArgument(c.Args)
	kept, begun := x.task.Journal.step(c.Seq)
	lines := x.said.take()
	if begun && (kept.Name != c.Name || kept.Input != string(args)) {
		x.stop(fault.New(fault.Conflict, "Step %d is recorded as %s, and the workflow now asks for %s.", c.Seq, kept.Name, c.Name).
			WithCode("nondeterministic").WithHint("Try again: a new run begins anew."))
		return stopped
	}
	if begun && kept.State != StepRunning {
		return answerOf(kept)
	}
	if x.job == nil {
		x.stop(errUnrecorded)
		return stopped
	}
	if err := x.job.Alive(); err != nil {
		x.stop(err)
		return stopped
	}
	s := Step{Run: x.task.Run, Seq: c.Seq, Name: c.Name, State: StepRunning, Attempt: kept.Attempt + 1, Input: string(args), StartedAt: x.runner.now(), Log: lines}
	if c.Name == sleepCall {
		return x.sleep(ctx, s, kept)
	}
	s, err := x.step(ctx, s, args, kept.Change)
	if err = cmp.Or(err, x.stepOver()); err != nil {
		x.stop(err)
		return stopped
	}
	return answerOf(s)
}

// answerOf is what the script is told of a step that has ended.
func answerOf(s Step) script.Answer {
	if s.State == StepFailed {
		p := s.Problem
		return script.Answer{At: s.EndedAt, Err: &script.HostError{Code: p.Code, Message: p.Message, Detail: p.Detail, Hint: p.Hint}}
	}
	return script.Answer{At: s.EndedAt, Value: json.RawMessage(s.Output)}
}

// showAfter is how long a step that only reads may take before its row is kept:
// then people see that it is under way. A step that writes is kept before
// anything is sent.
const showAfter = 500 * time.Millisecond

// step does one call and keeps its row. The error is why the run cannot go on:
// what the call itself came to is in the step. before is the change that an
// execution before this one may have sent.
func (x *execution) step(ctx context.Context, s Step, args json.RawMessage, before *Change) (Step, error) {
	s.Change = before // until it is known better
	g := &stepGuard{x: x, step: s}
	show := time.AfterFunc(showAfter, func() { g.show(ctx) }) // for people to see: nothing hangs on it
	value, err := x.act(ctx, s.Name, args, g)
	show.Stop()
	if err != nil && before != nil && !g.intended && g.failed == nil && ctx.Err() == nil {
		err = errNotReadAgain(err)
	}
	s = g.end(value, err)
	if g.failed != nil {
		return s, g.failed // what became of the step could not be told apart from what we do not know
	}
	if ctx.Err() != nil { // one try: this execution ends
		if err != nil {
			// It was cut off, and that is no outcome: the next execution begins it
			// again.
			s.State, s.Problem, s.EndedAt = StepRunning, Problem{}, time.Time{}
			if !g.sent {
				s.Change = before
			}
		}
		return s, errors.Join(context.Cause(ctx), x.runner.store.SaveStep(context.WithoutCancel(ctx), x.task.Journal.Epoch, s))
	}
	return s, x.save(ctx, s)
}

// errNotReadAgain is the problem of a step that had perhaps sent its change when
// it was cut off, and then could not read what became of it.
func errNotReadAgain(err error) error {
	f := fault.Public(err)
	return fault.New(fault.Unavailable, "The step was cut off after its change was perhaps sent, and what became of it could not be read: %s", f.Message).
		WithCode("outcome_unknown").WithHint("%s", f.Hint).WithDetail(f.Detail).Because(err)
}

// save keeps a step, however long our own database takes.
func (x *execution) save(ctx context.Context, s Step) error {
	return engine.Insist(ctx, x.runner.log, s.Run, "step", func() error { return x.runner.store.SaveStep(ctx, x.task.Journal.Epoch, s) })
}

// act does one call. What fails on our side before anything was sent is begun
// again.
func (x *execution) act(ctx context.Context, name string, args json.RawMessage, g *stepGuard) (value []byte, err error) {
	var sent atomic.Bool
	var failed error
	err = engine.InsistAWhile(ctx, x.runner.log, x.task.Run, name, func() error {
		value, failed = x.runner.systems.Act(ctx, x.task.Connection, name, args, g, func(c Call) { sent.Store(true); g.trace(c) })
		if sent.Load() || g.failed != nil {
			return nil //nolint:nilerr // it is not to be tried again: failed keeps why
		}
		return failed
	})
	return value, cmp.Or(failed, err)
}

// stepGuard keeps the row of a step while its call is made, and is the guard of
// its writes.
type stepGuard struct {
	x *execution

	mu    sync.Mutex
	step  Step
	ended bool
	// intended: a change is to be sent, after what is there was read.
	intended bool
	sent     bool  // a change was sent, or was about to be
	failed   error // why the row could not be kept: the run cannot go on
}

// Intend implements [Guard]: a step without an outcome is then known to have
// perhaps happened.
func (g *stepGuard) Intend(ctx context.Context, c Change) error {
	g.mu.Lock()
	g.step.Change, g.intended = &c, true
	s := g.step
	g.mu.Unlock()
	if err := g.x.save(ctx, s); err != nil {
		err = fmt.Errorf("record step %d before it is sent: %w", s.Seq, err)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.failed = err
		return err
	}
	return nil
}

// Ask implements [Guard].
func (g *stepGuard) Ask(ctx context.Context) error {
	if err := g.x.job.Alive(); err != nil {
		return err
	}
	if g.x.task.Guard != nil {
		if err := g.x.task.Guard(ctx); err != nil {
			return err
		}
	}
	if err := g.x.maySend(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sent = true
	return nil
}

func (g *stepGuard) trace(c Call) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.step.Calls = append(g.step.Calls, c)
}

// show keeps the row of a step that takes its time.
func (g *stepGuard) show(ctx context.Context) {
	g.mu.Lock()
	s, ended := g.step, g.ended
	s.Calls = slices.Clone(s.Calls)
	g.mu.Unlock()
	if ended {
		return
	}
	if err := g.x.runner.store.SaveStep(ctx, g.x.task.Journal.Epoch, s); err != nil && ctx.Err() == nil && !errors.Is(err, ErrLost) {
		g.x.runner.log.DebugContext(ctx, "a step under way is not shown", "run", s.Run, "step", s.Name, "error", err)
	}
}

// end returns the step with what came of it.
func (g *stepGuard) end(value []byte, err error) Step {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.x.runner
	g.ended = true
	s := g.step
	s.State, s.Output, s.EndedAt = StepDone, string(value), r.now().UTC().Truncate(time.Millisecond)
	if err != nil {
		f := fault.Public(err)
		if f.Kind == fault.Internal {
			r.log.Error("step failed", "run", s.Run, "step", s.Name, "error", err)
		}
		s.State, s.Output, s.Problem = StepFailed, "", problem(f)
	}
	return s
}

// onlyArgument returns the one argument of a call: our modules give each action
// one object.
func onlyArgument(args json.RawMessage) json.RawMessage {
	var list []json.RawMessage
	if err := json.Unmarshal(args, &list); err != nil || len(list) == 0 {
		return json.RawMessage("{}")
	}
	return list[0]
}

// program returns the compiled version.
func (r *Runner) program(ctx context.Context, workflow, hash string) (*script.Program, error) {
	r.mu.Lock()
	p, ok := r.programs[hash]
	r.mu.Unlock()
	if ok {
		return p, nil
	}
	v, err := r.store.Version(ctx, workflow, hash)
	if errors.Is(err, fault.NotFound) {
		return nil, fault.New(fault.Conflict, "The version of the workflow with which this run began is not there any more: %s of %s.", hash, workflow).
			WithCode("version_missing").WithHint("Retry it: a new run takes the version that is published then.")
	}
	if err != nil {
		return nil, err
	}
	if v.Sum() != hash {
		return nil, fault.New(fault.Conflict, "The workflow of this run was changed in the database: it is not the version that was published.").
			WithCode("version_altered")
	}
	if p, err = script.Compile(script.Source{Name: v.File, Text: v.Source, Modules: v.Modules}); err != nil {
		return nil, fault.New(fault.Conflict, "The workflow of this run does not compile any more: %v", err).WithCode("does_not_compile").Because(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.programs[hash] = p
	return p, nil
}

// problemOf returns what went wrong in a script as a sentence for people.
func problemOf(err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*script.RunError](err)
	if !ok {
		return err
	}
	f := fault.New(fault.Upstream, "%s", cleaned(e.Message)).WithCode(e.Code).WithDetail(cleaned(e.Detail)).WithHint("%s", cleaned(e.Hint)).Because(e)
	switch {
	case IsMistake(err):
		f.Code = codeMistake
	case f.Code == "":
		f.Code = "script_" + string(e.Kind)
	}
	return f
}

// problem is why a step failed, as it is kept.
func problem(f *fault.Error) Problem {
	return Problem{Code: f.Code, Message: cleaned(f.Message), Hint: f.Hint, Detail: cleaned(f.Detail)}
}

// codeMistake is of a run that the engine ended for a mistake in the workflow's
// text, Mistaken what people are told of it who are not its authors.
const (
	codeMistake = "script_mistake"
	Mistaken    = "The workflow has a fault; its authors see where."
)

// IsMistake says whether the engine ended a run for a mistake in the workflow's
// text, such as a call of a function that there is not.
func IsMistake(err error) bool {
	e, ok := errors.AsType[*script.RunError](err)
	return ok && e.Kind == script.Thrown && e.Code == "" && slices.Contains([]string{"TypeError", "ReferenceError", "SyntaxError", "RangeError", "URIError", "EvalError", "InternalError"}, e.Name)
}

// Where returns the place in the workflow's text at which err arose:
// "provision.ts:12:9", or "". An error inside one of our modules arose where
// the workflow called it.
func Where(err error) string {
	e, ok := errors.AsType[*script.RunError](err)
	if !ok || len(e.Frames) == 0 {
		return ""
	}
	f := e.Frames[max(0, slices.IndexFunc(e.Frames, func(f script.Frame) bool { return !ourModule(f.File) }))]
	return fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)
}

// ourModule says whether a file is a module that workflows import, not a text
// of theirs.
func ourModule(file string) bool { return file == "margay" || strings.HasPrefix(file, "margay/") }

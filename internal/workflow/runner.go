package workflow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
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
	// Guard is asked before each write: an error of it stops the run.
	Guard func(ctx context.Context) error
}

// clock is what a run's script takes for time and chance: recorded, so that a
// replay repeats it.
type clock struct {
	At   time.Time `json:"at"`
	Seed uint64    `json:"seed"`
}

// answer is what a step recorded: the value and when it was there.
type answer struct {
	Value json.RawMessage `json:"value,omitempty"`
	At    time.Time       `json:"at"`
}

// Execute carries out the task and returns what the script returned, or why it
// did not: for people when it is a *fault.Error, else a fault of ours. When ctx
// has ended, this execution does not count: the engine will take the job up
// again.
func (r *Runner) Execute(ctx context.Context, job *engine.Run, t Task) (json.RawMessage, error) {
	var program *script.Program
	err := Insist(ctx, r.log, t.Run, "version", func() (err error) {
		program, err = r.program(ctx, t.Workflow, t.Version)
		return err
	})
	if err != nil {
		return nil, err
	}
	start, err := recorded[clock](ctx, job, "clock", func(context.Context) (clock, error) {
		return clock{At: r.now().UTC().Truncate(time.Millisecond), Seed: rand.Uint64()}, nil //nolint:gosec // no secret hangs on it
	})
	if err != nil {
		return nil, err
	}
	var release func()
	err = insist(ctx, r.log, t.Run, "hold", patience, func() (err error) {
		release, err = r.systems.Hold(ctx, t.Connection)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer release()
	// When a step could not be recorded, the script must not go on as if it had
	// failed: the run stops and is taken up again.
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out, err := program.Run(ctx, script.Input{
		Argument: t.Argument,
		Clock:    start.At,
		Seed:     start.Seed,
		Host:     func(ctx context.Context, c script.Call) script.Answer { return r.host(ctx, job, t, c, stop) },
		Log: func(level, text string) {
			r.log.DebugContext(ctx, "workflow says", "run", t.Run, "level", level, "text", text)
		},
	})
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	return out, problemOf(err)
}

// host makes one call of the script's a recorded step.
func (r *Runner) host(ctx context.Context, job *engine.Run, t Task, c script.Call, stop context.CancelCauseFunc) script.Answer {
	a, err := recorded[answer](ctx, job, c.Name, func(ctx context.Context) (answer, error) {
		value, err := r.step(ctx, t, c)
		return answer{Value: value, At: r.now().UTC().Truncate(time.Millisecond)}, err
	})
	if err == nil {
		return script.Answer{Value: a.Value, At: a.At}
	}
	e, ok := errors.AsType[*engine.StepError](err)
	if !ok {
		stop(err)
		return script.Answer{Err: &script.HostError{Code: "stopped", Message: "The run was stopped."}}
	}
	f := fromStepError(e)
	return script.Answer{Err: &script.HostError{Code: f.Code, Message: f.Message, Detail: f.Detail, Hint: f.Hint}}
}

// step does one call and keeps its row: begun before anything is sent, so that
// after a crash a step without an outcome is known to have perhaps happened.
func (r *Runner) step(ctx context.Context, t Task, c script.Call) (json.RawMessage, error) {
	args := onlyArgument(c.Args)
	s := Step{Run: t.Run, Seq: c.Seq, Name: c.Name, State: StepRunning, Attempt: 1, Input: string(args), StartedAt: r.now()}
	if engine.MayHaveHappened(ctx) {
		var before int
		err := Insist(ctx, r.log, t.Run, "attempts", func() (err error) {
			before, err = r.attempts(ctx, t.Run, c.Seq)
			return err
		})
		if err != nil {
			return nil, err
		}
		s.Attempt += before
	}
	save := func(ctx context.Context) error {
		return Insist(ctx, r.log, t.Run, "step", func() error { return r.store.SaveStep(ctx, s) })
	}
	if err := save(ctx); err != nil {
		return nil, fmt.Errorf("record step %d before it begins: %w", c.Seq, err)
	}
	var mu sync.Mutex
	value, err := r.act(ctx, t, c.Name, args, func(call Call) {
		mu.Lock()
		defer mu.Unlock()
		s.Calls = append(s.Calls, call)
	})
	mu.Lock()
	defer mu.Unlock()
	s.State, s.Output, s.EndedAt = StepDone, string(value), r.now()
	if err != nil {
		f := fault.Public(err)
		if f.Kind == fault.Internal {
			r.log.ErrorContext(ctx, "step failed", "run", t.Run, "step", c.Name, "error", err)
		}
		s.State, s.Problem = StepFailed, Problem{Code: f.Code, Message: f.Message, Hint: f.Hint, Detail: f.Detail}
		err = f
	}
	if ctx.Err() != nil { // one try: this execution ends
		return value, errors.Join(err, r.store.SaveStep(context.WithoutCancel(ctx), s))
	}
	return value, errors.Join(err, save(ctx))
}

// act does one call. What fails on our side before anything was sent is begun
// again.
func (r *Runner) act(ctx context.Context, t Task, name string, args json.RawMessage, trace func(Call)) (value []byte, err error) {
	var sent atomic.Bool
	var failed error
	err = insist(ctx, r.log, t.Run, name, patience, func() error {
		value, failed = r.systems.Act(ctx, t.Connection, name, args, t.Guard, func(c Call) { sent.Store(true); trace(c) })
		if sent.Load() {
			return nil
		}
		return failed
	})
	return value, cmp.Or(failed, err)
}

// attempts returns how often the step was begun before.
func (r *Runner) attempts(ctx context.Context, run string, seq int) (int, error) {
	steps, err := r.store.Steps(ctx, run)
	for _, s := range steps {
		if s.Seq == seq {
			return s.Attempt, err
		}
	}
	return 0, err
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

// recorded makes fn a step whose result is recorded as JSON.
func recorded[T any](ctx context.Context, job *engine.Run, name string, fn func(ctx context.Context) (T, error)) (T, error) {
	var out T
	text, err := job.Step(ctx, name, func(ctx context.Context) (json.RawMessage, error) {
		v, err := fn(ctx)
		if err != nil {
			return nil, toStepError(err)
		}
		return json.Marshal(v)
	})
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(text, &out)
}

// toStepError keeps what a person reads of err through the record of a step.
func toStepError(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	data, jsonErr := json.Marshal(stepData{Hint: f.Hint})
	return errors.Join(&engine.StepError{Code: f.Code, Message: f.Message, Detail: f.Detail, Kind: f.Kind, Data: data}, jsonErr)
}

type stepData struct {
	Hint string `json:"hint,omitempty"`
}

func fromStepError(e *engine.StepError) *fault.Error {
	var d stepData
	if len(e.Data) > 0 && json.Unmarshal(e.Data, &d) != nil {
		d = stepData{}
	}
	kind := e.Kind
	if kind == "" {
		kind = fault.Internal
	}
	return &fault.Error{Kind: kind, Code: e.Code, Message: e.Message, Detail: e.Detail, Hint: d.Hint}
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
	f := fault.New(fault.Upstream, "%s", e.Message).WithCode(e.Code).WithDetail(e.Detail).WithHint("%s", e.Hint).Because(e)
	if f.Code == "" {
		f.Code = "script_" + string(e.Kind)
	}
	return f
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

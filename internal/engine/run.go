package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
)

// Why a run ends before its time.
var (
	// ErrCancelled is the cause of the context of a job that was cancelled.
	ErrCancelled = errors.New("the job was cancelled")
	// ErrStopped is the cause when the engine stops; the job will be taken up again.
	ErrStopped = errors.New("the engine stops")
	// ErrLost is the cause when this execution of the job no longer counts: it
	// has been, or will be, taken up anew. A handler that finds so by itself
	// returns it.
	ErrLost = errors.New("the job has been handed on")
)

var (
	errNested    = errors.New("a step was asked for inside a step")
	errBadRecord = errors.New("the database did not take the record of a step")
)

// Run is one execution of a job.
type Run struct {
	engine  *Engine
	id      string
	kind    string
	key     string
	attempt int
	input   json.RawMessage

	dbos    dbos.Context
	ctx     context.Context //nolint:containedctx // the life of the run itself
	end     context.CancelCauseFunc
	started atomic.Bool    // its handler runs, or is about to
	fresh   atomic.Bool    // a step of this attempt has been done, not replayed
	steps   sync.WaitGroup // those begun by Go
	fenced  chan struct{}  // closed when the database no longer takes what this execution writes
	fence   sync.Once
}

// ID returns the job's id.
func (r *Run) ID() string { return r.id }

// Kind returns the job's kind.
func (r *Run) Kind() string { return r.kind }

// Key returns the job's key.
func (r *Run) Key() string { return r.key }

// Input returns the job's input as it was enqueued.
func (r *Run) Input() json.RawMessage { return r.input }

// Attempt returns how often the job has been taken up: 1 the first time.
func (r *Run) Attempt() int { return r.attempt }

// Step runs fn at most once to a recorded result. After a crash a recorded step
// is not run again: its recorded result is returned, and its error as the same
// [StepError]. A step that was started and not recorded is run again; within fn,
// [MayHaveHappened] tells. Steps are known by their order, and name must be the
// same in a replay. When ctx has ended because the run has, the cause is returned
// and nothing is recorded.
func (r *Run) Step(ctx context.Context, name string, fn func(ctx context.Context) (json.RawMessage, error)) (json.RawMessage, error) {
	s, err := r.begin(ctx, name, fn)
	if err != nil {
		return nil, err
	}
	out, err := dbos.RunAsStep(r.dbos, s.do, dbos.WithStepName(name))
	return s.finish(out, err)
}

// Go is Step beside the caller: the step takes its place in the order now, runs
// at once, and the returned function waits for its result. Call that function
// once, in the order of the calls of Go; the run does not end before fn has.
func (r *Run) Go(ctx context.Context, name string, fn func(ctx context.Context) (json.RawMessage, error)) (wait func() (json.RawMessage, error)) {
	s, err := r.begin(ctx, name, fn)
	if err != nil {
		return func() (json.RawMessage, error) { return nil, err }
	}
	r.steps.Add(1)
	done, err := dbos.Go(r.dbos, s.do, dbos.WithStepName(name))
	if err != nil {
		r.steps.Done()
		return func() (json.RawMessage, error) { return s.finish(nil, err) }
	}
	result := make(chan dbos.StepOutcome[json.RawMessage], 1)
	go func() {
		defer r.steps.Done()
		result <- <-done
	}()
	return func() (json.RawMessage, error) {
		got := <-result
		return s.finish(got.Result, got.Err)
	}
}

// sleepName is the name of the step that records when a sleep ends.
const sleepName = "sleep"

// sleepLook is how often a sleep looks at the clock, so that it ends in time
// after the clock was set or the machine slept.
const sleepLook = 30 * time.Second

// Sleep waits until d after the moment it was first called, also over a crash.
// It holds a worker and keeps the key: for hours, end the job and enqueue another
// with a delay.
func (r *Run) Sleep(ctx context.Context, d time.Duration) error {
	text, err := r.Step(ctx, sleepName, func(context.Context) (json.RawMessage, error) {
		return json.RawMessage(strconv.FormatInt(r.engine.cfg.Now().Add(d).UnixMilli(), 10)), nil
	})
	if err != nil {
		return err
	}
	ms, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return fmt.Errorf("sleep: %w", err)
	}
	until := time.UnixMilli(ms)
	for {
		left := until.Sub(r.engine.cfg.Now())
		if left <= 0 {
			return nil
		}
		if err := pause(ctx, min(left, sleepLook)); err != nil {
			if r.ctx.Err() != nil {
				return r.cause()
			}
			return err
		}
	}
}

// stepKey finds the step that a context belongs to.
type stepKey struct{}

// MayHaveHappened reports whether the step that ctx was given to may have been
// started before, by an execution that ended before its result was recorded. Its
// effect may then be there already: look before doing it again.
func MayHaveHappened(ctx context.Context) bool {
	s, _ := ctx.Value(stepKey{}).(*step)
	return s != nil && s.repeated
}

// step is one call of Step or Go.
type step struct {
	run      *Run
	ctx      context.Context //nolint:containedctx // the caller's, for fn
	name     string
	fn       func(ctx context.Context) (json.RawMessage, error)
	repeated bool
	ran      bool
	panicked *crash
}

type crash struct {
	value any
	stack []byte
}

func (r *Run) begin(ctx context.Context, name string, fn func(ctx context.Context) (json.RawMessage, error)) (*step, error) {
	if ctx.Value(stepKey{}) != nil {
		return nil, errNested
	}
	if r.ctx.Err() != nil {
		return nil, r.cause()
	}
	// In code that asks for its steps in one order, a step can have been started
	// before only if all that the code had been told by then was recorded. So the
	// first results that are new rule it out for every step after them.
	s := &step{run: r, name: name, fn: fn, repeated: r.attempt > 1 && !r.fresh.Load()}
	s.ctx = context.WithValue(ctx, stepKey{}, s)
	return s, nil
}

// do is what DBOS runs when there is no record of the step.
func (s *step) do(context.Context) (json.RawMessage, error) {
	r := s.run
	r.engine.node.mustBeTrusted()
	if r.ctx.Err() != nil {
		r.settle()
		return nil, mark(r.cause()) // the database does not take it
	}
	s.ran = true
	value, err := s.call()
	if r.ctx.Err() != nil {
		r.settle()
	}
	return encodeOutcome(value, err), nil
}

func (s *step) call() (value json.RawMessage, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.panicked = &crash{value: p, stack: debug.Stack()}
			panic(p)
		}
	}()
	return s.fn(s.ctx)
}

// finish returns what do did, or what was recorded instead.
func (s *step) finish(out json.RawMessage, err error) (json.RawMessage, error) {
	r := s.run
	if s.panicked != nil {
		panic(s.panicked)
	}
	if err == nil {
		if s.ran {
			r.fresh.Store(true)
		}
		return decodeOutcome(out)
	}
	if nondeterministic(err) {
		return nil, &StepError{Code: CodeNondeterministic, Message: "The job asked for other steps than those that are recorded.", Detail: err.Error()}
	}
	if r.ctx.Err() == nil {
		// The step could not be read or recorded. Whatever the handler makes of
		// that must not become the outcome of the job.
		if errors.Is(err, dbos.ErrConflictingWorkflowID) {
			r.end(ErrLost)
			r.closeFence()
		} else {
			r.engine.log.WarnContext(r.ctx, "a step was not recorded, its job will be taken up again", "job", r.id, "step", s.name, "error", err)
			r.end(fmt.Errorf("%w: %w", errBadRecord, err))
		}
	}
	return nil, r.cause()
}

func nondeterministic(err error) bool {
	e, ok := errors.AsType[*dbos.Error](err)
	for ok {
		if e.Code == dbos.ErrorCodeUnexpectedStep || e.Code == dbos.ErrorCodeStepNondeterminism {
			return true
		}
		e, ok = errors.AsType[*dbos.Error](errors.Unwrap(e))
	}
	return false
}

// cause says why the run's context has ended.
func (r *Run) cause() error {
	cause := context.Cause(r.ctx)
	switch {
	case errors.Is(cause, ErrCancelled), errors.Is(cause, ErrLost):
		return cause
	case errors.Is(cause, errBadRecord):
		return fmt.Errorf("%w: %w", ErrLost, cause)
	}
	return fmt.Errorf("%w: %w", ErrStopped, cause)
}

// settle waits, in an execution that no longer counts, until the database knows
// it too: else what is returned now would be recorded.
func (r *Run) settle() {
	if !errors.Is(context.Cause(r.ctx), ErrLost) {
		return
	}
	select {
	case <-r.fenced:
	case <-r.dbos.Done():
	}
}

// closeFence says that the database no longer takes what this execution writes.
func (r *Run) closeFence() { r.fence.Do(func() { close(r.fenced) }) }

// Alive returns nil while what this execution does counts, else why it does not
// any more. Who keeps steps of its own asks before each.
func (r *Run) Alive() error {
	r.engine.node.mustBeTrusted()
	if r.ctx.Err() != nil {
		return r.cause()
	}
	return nil
}

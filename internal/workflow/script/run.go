package script

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"

	"modernc.org/quickjs"
)

// Run runs the default export of the program with in.Argument, in a virtual
// machine of its own, and returns what it returned as JSON (undefined is null).
//
// Whatever the script did wrong, a limit it ran into, a call that failed and
// the end of ctx come back as a *RunError. Any other error is a fault of the
// caller (an Argument that is not JSON) or of the engine.
func (p *Program) Run(ctx context.Context, in Input) (json.RawMessage, error) {
	if in.Argument == nil {
		in.Argument = json.RawMessage("null")
	}
	if !json.Valid(in.Argument) {
		return nil, errors.New("the argument of the run is not JSON")
	}
	if ctx.Err() != nil {
		return nil, cancelled(ctx)
	}
	r, err := begin(p, in)
	if err != nil {
		return nil, err
	}
	defer r.close()
	// Before close: the guard must not touch a machine that is gone.
	defer context.AfterFunc(ctx, func() { r.guard.stop(cancelled(ctx)) })()
	return r.run(ctx)
}

// begin makes the machine of a run, which must be closed.
func begin(p *Program, in Input) (*run, error) {
	vm, err := quickjs.NewVM()
	if err != nil {
		return nil, fmt.Errorf("start the JavaScript engine: %w", err)
	}
	r := &run{
		program: p, in: in, limits: in.Limits.withDefaults(), vm: vm,
		guard: &guard{vm: vm, hurry: hurry(vm), lost: make(chan struct{})}, hostErrors: map[int]*HostError{},
		work: make(chan func() error), done: make(chan error, 1), over: make(chan struct{}),
	}
	go r.serve()
	return r, nil
}

// run is one run of a program.
type run struct {
	program *Program
	in      Input
	limits  Limits
	vm      *quickjs.VM
	guard   *guard
	control quickjs.Value // the function of the prelude
	broken  bool          // the engine failed: its memory cannot be trusted

	// The machine runs on a goroutine of its own, so that the run can end even
	// if the machine does not. It does what comes from work, says on done what
	// came of it, frees the machine when work is closed, and closes over.
	work chan func() error
	done chan error
	over chan struct{}
	lost bool // the machine did not stop: the fields above belong to it now

	queue      []Call // calls that were issued and not yet made
	issued     int
	data       int // bytes of arguments and answers
	output     int // bytes of the log
	lines      []line
	hostErrors map[int]*HostError // by Seq

	result json.RawMessage // not nil: the workflow has returned
	failed *RunError       // not nil: the workflow has thrown
}

// line is one line of the log that was not yet handed on.
type line struct{ level, text string }

// lineCost is what a line of the log counts beside its text, so that empty
// lines have an end too.
const lineCost = 16

func (r *run) run(ctx context.Context) (json.RawMessage, error) {
	if err := r.start(); err != nil {
		return nil, err
	}
	for {
		switch {
		case r.failed != nil:
			return nil, r.failed
		case len(r.queue) > 0:
			call := r.queue[0]
			r.queue = r.queue[1:]
			a := r.ask(ctx, call)
			if ctx.Err() != nil {
				return nil, cancelled(ctx)
			}
			if err := r.answer(call, a); err != nil {
				return nil, err
			}
		case r.result != nil:
			return r.result, nil
		default:
			return nil, r.stalled()
		}
	}
}

// start loads the program and calls its default export.
func (r *run) start() error {
	r.vm.SetMaxStackSize(uintptr(r.limits.Stack))
	if err := r.lendHost(); err != nil {
		return err
	}
	boot, err := preludeCode()
	if err != nil {
		return err
	}
	config, err := json.Marshal(r.config())
	if err != nil {
		return err
	}
	argument, err := r.carry(string(r.in.Argument))
	if err != nil {
		return err
	}
	defer func() { r.free(&argument) }()
	return r.enter(func() error {
		if err := r.load(boot); err != nil {
			return err
		}
		return r.tell("start", string(config), argument)
	})
}

// load runs the prelude and gives it the program.
func (r *run) load(boot []byte) error {
	prelude, err := r.vm.EvalBytecodeValue(boot)
	if err != nil {
		return err
	}
	defer prelude.Free()
	program, err := r.vm.EvalBytecodeValue(r.program.bytecode)
	if err != nil {
		return err
	}
	defer program.Free()
	r.control, err = prelude.CallValue(quickjs.UndefinedValue, program)
	return err
}

// config is what the prelude is told.
func (r *run) config() any {
	seeds := rand.New(rand.NewPCG(r.in.Seed, 0)) //nolint:gosec // repeatable on purpose: the program's chance, no secret
	return struct {
		Clock  int64     `json:"clock"`
		Seed   [3]uint32 `json:"seed"`
		Data   int       `json:"data"`
		Output int       `json:"output"`
	}{
		Clock:  r.in.Clock.UnixMilli(),
		Seed:   [3]uint32{seeds.Uint32(), seeds.Uint32(), seeds.Uint32()},
		Data:   r.limits.Data,
		Output: r.limits.Output,
	}
}

// lendHost gives the prelude the functions through which it reaches r.
func (r *run) lendHost() error {
	text := func(args []any, i int) string {
		s, _ := args[i].(string) // the prelude gives strings
		return s
	}
	return errors.Join(
		r.vm.RegisterHostFunc("__margay_call", func(args []any) (any, error) {
			return r.issue(text(args, 0), text(args, 1)), nil
		}),
		r.vm.RegisterHostFunc("__margay_log", func(args []any) (any, error) {
			r.write(text(args, 0), text(args, 1))
			return nil, nil
		}),
		r.vm.RegisterHostFunc("__margay_end", func(args []any) (any, error) {
			r.end(args[0] == true, text(args, 1))
			return nil, nil
		}),
		r.vm.RegisterHostFunc("__margay_stop", func(args []any) (any, error) {
			r.guard.stop(r.limits.exceeded(Limit(text(args, 0))))
			return nil, nil
		}),
	)
}

// issue puts a call in the queue and returns its number.
func (r *run) issue(name, args string) int {
	if r.issued == r.limits.Calls {
		r.guard.stop(r.limits.exceeded(LimitCalls))
		return 0
	}
	if r.data += len(name) + len(args); r.data > r.limits.Data {
		r.guard.stop(r.limits.exceeded(LimitData))
		return 0
	}
	r.issued++
	r.queue = append(r.queue, Call{Seq: r.issued, Name: name, Args: json.RawMessage(args)})
	return r.issued
}

// write keeps a line of the log until the machine rests: what the log does with
// it must not happen inside the engine.
func (r *run) write(level, text string) {
	if r.output += len(level) + len(text) + lineCost; r.output > r.limits.Output {
		r.guard.stop(r.limits.exceeded(LimitOutput))
		return
	}
	r.lines = append(r.lines, line{level, text})
}

// end takes what became of the workflow.
func (r *run) end(returned bool, text string) {
	switch {
	case !returned:
		r.failed = r.thrown(text)
	case r.output+len(text) > r.limits.Output:
		r.guard.stop(r.limits.exceeded(LimitOutput))
	default:
		r.result = json.RawMessage(text)
	}
}

// ask makes a call.
func (r *run) ask(ctx context.Context, call Call) Answer {
	if r.in.Host == nil {
		return Answer{Err: &HostError{Code: "no_host", Message: "This workflow can make no calls here."}}
	}
	return r.in.Host(ctx, call)
}

// answer gives the script what came of a call and lets it go on.
func (r *run) answer(call Call, a Answer) error {
	value := string(a.Value)
	switch {
	case a.Err != nil:
		text, err := json.Marshal(map[string]string{"code": a.Err.Code, "message": a.Err.Message, "detail": a.Err.Detail, "hint": a.Err.Hint})
		if err != nil {
			return err
		}
		value = string(text)
		r.hostErrors[call.Seq] = a.Err
		if r.result != nil {
			// Nobody waits for this call any more: its failure would be lost.
			return r.hostError(call.Seq, nil)
		}
	case value == "":
		value = "null"
	case !json.Valid(a.Value):
		return fmt.Errorf("the answer to call %d, %s, is not JSON", call.Seq, call.Name)
	}
	if r.data += len(value); r.data > r.limits.Data {
		return r.limits.exceeded(LimitData)
	}
	text, err := r.carry(value)
	if err != nil {
		return err
	}
	defer func() { r.free(&text) }()
	at := int64(0)
	if !a.At.IsZero() {
		at = a.At.UnixMilli()
	}
	return r.enter(func() error { return r.tell("answer", call.Seq, a.Err != nil, text, at) })
}

// carry brings text into the machine. What the host says does not fail for want
// of memory; what the script makes of it may.
func (r *run) carry(text string) (quickjs.Value, error) {
	r.vm.SetMemoryLimit(uintptr(r.limits.Memory + 4*len(text) + 1<<16))
	defer r.vm.SetMemoryLimit(uintptr(r.limits.Memory))
	return r.vm.NewString(text)
}

// free gives a value back, unless the engine failed.
func (r *run) free(v *quickjs.Value) {
	if !r.lost && !r.broken && v.VM() != nil {
		v.Free()
	}
}

// tell calls the prelude and runs what follows from it until the script can go
// no further.
func (r *run) tell(args ...any) error {
	if _, err := r.control.Call(quickjs.UndefinedValue, args...); err != nil {
		return err
	}
	if r.guard.must() {
		return nil
	}
	// The engine stops after as many jobs as this, to see whether to go on.
	const batch = 1 << 20
	for {
		n, err := r.vm.ExecutePendingJobs()
		if n < batch {
			return err
		}
		if r.guard.must() {
			return nil
		}
	}
}

// enter lets the machine run within the limits and hands its log on.
func (r *run) enter(work func() error) error {
	if reason := r.guard.enter(); reason != nil {
		return reason
	}
	alarm := time.AfterFunc(r.limits.CPU, func() { r.guard.stop(r.limits.exceeded(LimitCPU)) })
	r.work <- work
	var err error
	select {
	case err = <-r.done:
	case <-r.guard.lost:
		r.lost = true
	}
	alarm.Stop()
	r.guard.leave()
	if r.lost {
		return r.guard.stopped()
	}
	for _, l := range r.lines {
		if r.in.Log != nil {
			r.in.Log(l.level, l.text)
		}
	}
	r.lines = nil
	reason := r.guard.stopped()
	e, ok := errors.AsType[*quickjs.Error](err)
	switch {
	case reason != nil:
		if ok {
			reason.Frames = r.program.places.frames(e.Stack)
		}
		return reason
	case ok:
		return r.fromEngine(e)
	default:
		return err
	}
}

// serve is the goroutine of the machine.
func (r *run) serve() {
	defer close(r.over)
	debug.SetPanicOnFault(true) // for this goroutine
	for work := range r.work {
		r.done <- r.protect(work)
	}
	if r.broken {
		return // whatever is left of the machine is not safe to free
	}
	r.free(&r.control)
	if err := r.vm.Close(); err != nil {
		r.broken = true
	}
}

// protect runs work and turns a failure of the engine itself into an error: the
// engine is C that was translated to Go, where a wild pointer is a fault.
func (r *run) protect(work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.broken = true
			err = fmt.Errorf("the JavaScript engine failed: %v", p)
		}
	}()
	return work()
}

// close frees the machine, or leaves that to it when it does not stop.
func (r *run) close() {
	close(r.work)
	if !r.lost {
		<-r.over
	}
}

// stalled says why the script can go no further although nobody ended it.
func (r *run) stalled() error {
	// A script that filled its memory may have lacked the room to say so.
	const room = 1 << 16
	if err := r.enter(func() error { return r.tell("room", room) }); err != nil {
		return err
	}
	return &RunError{Kind: Thrown, Message: "The workflow stopped without finishing: it waits for something that never comes."}
}

// said is how the prelude describes an exception.
type said struct {
	Name      string `json:"name"`
	Message   string `json:"message"`
	Stack     string `json:"stack"`
	Code      string `json:"code"`
	Hint      string `json:"hint"`
	Detail    string `json:"detail"`
	Engine    bool   `json:"engine"`    // an error of the engine, such as out of memory
	Call      int    `json:"call"`      // the error of this call
	Unchanged bool   `json:"unchanged"` // with the message that it came with
}

// thrown returns the error that an exception of the script is.
func (r *run) thrown(text string) *RunError {
	var s said
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return &RunError{Kind: Thrown, Message: "The workflow threw something that cannot be read."}
	}
	frames := r.program.places.frames(s.Stack)
	if s.Call > 0 && s.Unchanged {
		return r.hostError(s.Call, frames)
	}
	if limit, ok := limitOf(s); ok {
		e := r.limits.exceeded(limit)
		e.Frames = frames
		return e
	}
	if s.Name == "TypeError" && s.Message == "not a function" {
		s.Message = r.program.called(frames) + s.Message
	}
	e := &RunError{Kind: Thrown, Message: s.Message, Name: s.Name, Code: s.Code, Hint: s.Hint, Detail: s.Detail, Call: s.Call, Frames: frames}
	if s.Call > 0 {
		e.Kind = Host
	}
	return e
}

// hostError returns the error of a call in the words that it came with.
func (r *run) hostError(call int, frames []Frame) *RunError {
	h := r.hostErrors[call]
	return &RunError{Kind: Host, Message: h.Message, Code: h.Code, Hint: h.Hint, Detail: h.Detail, Call: call, Frames: frames}
}

// fromEngine returns the error of an exception that the prelude did not see.
func (r *run) fromEngine(e *quickjs.Error) *RunError {
	s := said{Name: e.Name, Message: e.Message, Engine: e.Name == "InternalError"}
	if s.Message == "" {
		s.Message = e.Error()
	}
	out := &RunError{Kind: Thrown, Message: s.Message, Name: s.Name}
	if limit, ok := limitOf(s); ok {
		out = r.limits.exceeded(limit)
	}
	out.Frames = r.program.places.frames(e.Stack)
	return out
}

// limitOf tells whether an exception is how the engine reports a limit. With no
// room left even for an error, the engine throws null.
func limitOf(s said) (Limit, bool) {
	switch {
	case s.Engine && strings.Contains(s.Message, "out of memory"), s.Name == "" && s.Message == "null":
		return LimitMemory, true
	case strings.Contains(s.Message, "stack overflow") && (s.Engine || s.Name == "SyntaxError"):
		return LimitStack, true
	default:
		return "", false
	}
}

// cancelled returns the error of a context that has ended.
func cancelled(ctx context.Context) *RunError {
	return &RunError{Kind: Cancelled, Message: "The run was stopped before it was done.", cause: context.Cause(ctx)}
}

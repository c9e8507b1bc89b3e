package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
	"github.com/margay-access/margay/internal/fault"
)

// Exit codes. Scripts rely on them: they are added to, never changed.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitNoSignIn    = 4
	exitNotAllowed  = 5
	exitConflict    = 6
	exitWaitOver    = 7
	exitTableau     = 8
	exitPart        = 9
	exitPlan        = 10
	exitInterrupted = 130
)

// errNoToken is returned where a token is needed and none was given.
var errNoToken = fault.New(fault.Unauthenticated, "There is no token: Margay does not know who you are.").WithCode("token_needed").
	WithHint("Set MARGAY_TOKEN, or token in the configuration file; make one with: margay admin token")

// usageError is a command line that cannot be understood.
type usageError struct {
	message, hint string
}

func (e *usageError) Error() string { return e.message }

func usage(hint, format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...), hint: hint}
}

// outcomeError ends the program with a code that no kind of error has.
type outcomeError struct {
	code    int
	message string // "" when what was shown says it all
	hint    string
	detail  string // the other system's own words
	shown   bool   // standard output has the data that says it: no problem follows it there
}

func (o *outcomeError) Error() string { return o.message }

// finish tells of err, if any, and returns the exit code.
func (s *session) finish(ctx context.Context, err error) int {
	if err == nil {
		for _, hint := range s.later {
			s.note("%s", hint)
		}
		return exitDone
	}
	if s.format == "" { // it went wrong before the flags were read
		s.format = formatIn(s.args)
	}
	code := exitCode(ctx, err)
	p := problemOf(err, code)
	if len(p.NextSteps) == 0 {
		p.NextSteps = nextSteps(s.args, p, code)
	}
	if code == exitPlan {
		fmt.Fprintln(s.err, visible(p.Detail)) // a finding, not an error
	} else {
		s.complain(p)
	}
	o, ok := errors.AsType[*outcomeError](err)
	if ok && o.shown {
		return code
	}
	s.showProblem(p)
	return code
}

// exitCode returns the code that err ends the program with.
func exitCode(ctx context.Context, err error) int {
	if o, ok := errors.AsType[*outcomeError](err); ok {
		return o.code
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return exitInterrupted
	}
	switch kindOf(err) {
	case fault.Invalid:
		return exitUsage
	case fault.Unauthenticated:
		return exitNoSignIn
	case fault.Forbidden:
		return exitNotAllowed
	case fault.NotFound:
		return exitNotFound
	case fault.Conflict:
		return exitConflict
	case fault.Upstream, fault.Unavailable:
		return exitTableau
	case fault.Internal:
		return exitFailed
	}
	return exitFailed
}

// nextSteps are what to do after an error of the server's that does not say it:
// the server does not know that it speaks to a command line.
func nextSteps(args []string, p wire.Problem, code int) []string {
	at := slices.IndexFunc(args, func(a string) bool { return !strings.HasPrefix(a, "-") })
	switch {
	case slices.ContainsFunc(p.Errors, func(f wire.ProblemField) bool { return strings.HasSuffix(f.Pointer, "reason") }):
		return []string{"Say why: --reason TEXT"}
	case code == exitNotFound && at >= 0 && slices.Contains([]string{"access", "run", "task", "request", "token"}, args[at]):
		return []string{"List them with: margay " + args[at] + " list"}
	}
	return nil
}

func kindOf(err error) fault.Kind {
	if e, ok := errors.AsType[*client.Error](err); ok {
		return e.Kind()
	}
	return fault.KindOf(err)
}

// problemOf returns err in the one shape that errors have under -o json.
func problemOf(err error, code int) wire.Problem {
	p := wire.Problem{Type: "about:blank", Title: "Failed", Detail: err.Error(), Code: "failed"}
	hint := ""
	if e, ok := errors.AsType[*client.Error](err); ok {
		return e.Problem
	}
	if e, ok := errors.AsType[*client.UnreachableError](err); ok {
		p.Detail, p.Code, hint = e.Error(), "unreachable", "Is it running, and is the address right? Set it with --url or MARGAY_URL; start a server with: margay serve"
	} else if e, ok := errors.AsType[*fault.Error](err); ok {
		p.Detail, p.Code, p.Upstream, hint = e.Message, e.Code, e.Detail, e.Hint
		for _, f := range e.Fields() {
			p.Errors = append(p.Errors, wire.ProblemField{Pointer: f.Field, Code: f.Code, Detail: f.Message})
		}
	} else if e, ok := errors.AsType[*usageError](err); ok {
		p.Detail, p.Code, p.Title, hint = e.message, "usage", "Wrong usage", e.hint
	} else if e, ok := errors.AsType[*outcomeError](err); ok {
		p.Detail, p.Upstream, hint = e.message, e.detail, e.hint
	}
	if code == exitInterrupted && p.Code == "failed" {
		p.Code, p.Title = "interrupted", "Interrupted"
		if _, ok := errors.AsType[*outcomeError](err); !ok {
			p.Detail = "Interrupted."
		}
	}
	if hint != "" {
		p.NextSteps = []string{hint}
	}
	return p
}

// complain tells people of a problem: the sentence, what else is known, what to
// do, the id.
func (s *session) complain(p wire.Problem) {
	if p.Detail == "" {
		return
	}
	fmt.Fprintln(s.err, "error: "+visible(p.Detail))
	if len(p.Errors) > 1 {
		for _, f := range p.Errors {
			fmt.Fprintf(s.err, "  %s: %s\n", visible(f.Pointer), visible(f.Detail))
		}
	}
	if p.Upstream != "" {
		fmt.Fprintln(s.err, "detail: "+visible(p.Upstream))
	}
	for _, step := range p.NextSteps {
		fmt.Fprintln(s.err, "hint: "+visible(step))
	}
	if p.RequestID != "" {
		fmt.Fprintln(s.err, "id: "+visible(p.RequestID))
	}
}

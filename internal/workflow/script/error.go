package script

import (
	"fmt"
	"strings"
)

// Fault is one thing wrong with a source, placed so that an editor can mark it.
type Fault struct {
	File   string `json:"file"`
	Line   int    `json:"line"`             // from 1; 0 when the fault has no place
	Column int    `json:"column"`           // from 1, in characters
	Length int    `json:"length,omitempty"` // characters to mark; 0 when not known
	Text   string `json:"text"`             // a sentence
}

// String returns the fault as "file:line:column: text".
func (f Fault) String() string {
	if f.Line == 0 {
		return f.File + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Text)
}

// CompileError says why a source is not a program. It has at least one fault.
type CompileError struct {
	Faults []Fault
}

// Error returns the faults, one a line.
func (e *CompileError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Kind says what ended a run that did not succeed.
type Kind string

const (
	// Thrown is an exception that the workflow did not catch, or a workflow
	// that waits for something that never comes.
	Thrown Kind = "thrown"
	// Limited is a limit of the run, named in RunError.Limit.
	Limited Kind = "limit"
	// Host is a HostError that the workflow did not catch.
	Host Kind = "host"
	// Cancelled is the end of the context of the run.
	Cancelled Kind = "cancelled"
)

// Limit names one of the [Limits].
type Limit string

// The limits, as they are named in [RunError.Limit].
const (
	LimitMemory Limit = "memory"
	LimitStack  Limit = "stack"
	LimitCPU    Limit = "CPU"
	LimitCalls  Limit = "calls"
	LimitData   Limit = "data"
	LimitOutput Limit = "output"
)

// RunError says why a run did not succeed.
type RunError struct {
	Kind    Kind
	Message string  // a sentence; of a HostError, its message byte for byte
	Code    string  // the code of the HostError, or the code that the thrown object has
	Hint    string  // likewise
	Detail  string  // likewise
	Name    string  // of Thrown, the name of the exception, e.g. "TypeError"
	Limit   Limit   // of Limited, which one
	Call    int     // of Host, the Seq of the call that failed
	Frames  []Frame // where, innermost first; empty when not known
	cause   error   // of Cancelled, the cause of the context
}

// Frame is one place in the TypeScript.
type Frame struct {
	File     string `json:"file"`
	Line     int    `json:"line"`               // from 1
	Column   int    `json:"column"`             // from 1, in characters
	Function string `json:"function,omitempty"` // empty at the top of a file
}

// String returns the frame as "function (file:line:column)".
func (f Frame) String() string {
	place := fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)
	if f.Function == "" {
		return place
	}
	return f.Function + " (" + place + ")"
}

// Error returns the message alone: it goes to people.
func (e *RunError) Error() string { return e.Message }

// Unwrap returns the cause of a cancelled run, so that errors.Is finds
// context.Canceled and context.DeadlineExceeded.
func (e *RunError) Unwrap() error { return e.cause }

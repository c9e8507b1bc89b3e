// Package fault holds the kinds of error that Margay tells apart.
//
// An error that a person may read is an *Error: a kind, a code for machines, a
// sentence, and what to do next. Everything else is a fault of ours: it is
// logged whole and shown as "Something went wrong on our side.", so no table
// name, host or secret reaches a page. The package knows no HTTP status and no
// exit code; api and cli map the kinds once.
package fault

import (
	"errors"
	"fmt"
)

// Kind is a class of error that callers treat alike. It is itself an error, so
// that errors.Is(err, fault.NotFound) asks for the kind.
type Kind string

// Error implements error with the kind's name.
func (k Kind) Error() string { return string(k) }

// The kinds.
const (
	Invalid         Kind = "invalid"         // what was given cannot be used: fix it and try again
	Unauthenticated Kind = "unauthenticated" // nobody is signed in, or the token is not valid
	Forbidden       Kind = "forbidden"       // the caller may not do this
	NotFound        Kind = "not found"       // there is no such thing, or the caller may not see it
	Conflict        Kind = "conflict"        // the thing is not in a state that allows this
	Upstream        Kind = "upstream"        // the other system refused, or its answer cannot be used
	Unavailable     Kind = "unavailable"     // the other system cannot be reached now: a later try may succeed
	Internal        Kind = "internal"        // a fault of ours
)

// Error is an error that a person may read.
type Error struct {
	Kind    Kind
	Code    string // for machines, stable: "user_missing"
	Message string // one sentence or two: what happened, to which thing
	Hint    string // what to do next
	Detail  string // the other system's own words, shown below the sentence
	Field   string // the field that is at fault, for Invalid
	Place   Place  // where in the text of that field, when it is known
	More    []*Error
	cause   error
}

// Place is where in a text something is wrong, so that an editor can mark it.
type Place struct {
	File   string
	Line   int    // from 1; 0: not known
	Column int    // from 1, in characters
	Text   string // what is wrong, without the place
}

// New returns an error of the kind with a sentence for people.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Field returns an Invalid error for one field of a form.
func Field(field, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Code: "field_invalid", Field: field, Message: fmt.Sprintf(format, args...)}
}

// Join returns one Invalid error for several fields, or nil when there is none.
func Join(fields ...*Error) error {
	switch len(fields) {
	case 0:
		return nil
	case 1:
		return fields[0]
	}
	return &Error{Kind: Invalid, Code: "field_invalid", Message: fields[0].Message, Field: fields[0].Field, More: fields}
}

// Fields returns the field errors that err consists of.
func (e *Error) Fields() []*Error {
	switch {
	case len(e.More) > 0:
		return e.More
	case e.Field != "":
		return []*Error{e}
	}
	return nil
}

// WithCode returns e with a code for machines.
func (e *Error) WithCode(code string) *Error { e.Code = code; return e }

// WithHint returns e with what to do next.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// At returns e with where in a text it arose.
func (e *Error) At(file string, line, column int, text string) *Error {
	e.Place = Place{File: file, Line: line, Column: column, Text: text}
	return e
}

// WithDetail returns e with the other system's own words.
func (e *Error) WithDetail(detail string) *Error { e.Detail = detail; return e }

// Because returns e with the error that caused it, for errors.Is and logs.
func (e *Error) Because(cause error) *Error { e.cause = cause; return e }

// Error implements error with the sentence alone.
func (e *Error) Error() string { return e.Message }

// Unwrap gives errors.Is the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.cause}
}

// KindOf returns the kind of err: of the first *Error in its chain, else
// Internal. A nil error has none.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Public returns the *Error in err's chain, or a sentence that tells nothing of
// our insides.
func Public(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{
		Kind: Internal, Code: "internal", Message: "Something went wrong on our side.",
		Hint: "Try again; when it stays, give the administrator the request id.", cause: err,
	}
}

package client

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/fault"
)

// Error is a problem that the server answered with. errors.Is asks it for its
// fault.Kind.
type Error struct {
	Problem wire.Problem
	kind    fault.Kind
	cause   error
}

// Error implements error with the problem's sentence.
func (e *Error) Error() string { return e.Problem.Detail }

// Unwrap gives errors.Is the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.cause}
}

// Kind returns the kind of the problem.
func (e *Error) Kind() fault.Kind { return e.kind }

// UnreachableError is returned when no answer came from the server.
type UnreachableError struct {
	URL string
	Err error
}

// Error implements error.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("Margay cannot be reached at %s: %v.", e.URL, e.Err)
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// kindOf is the way back from api's statuses to kinds.
func kindOf(status int) fault.Kind {
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		return fault.Invalid
	case http.StatusUnauthorized:
		return fault.Unauthenticated
	case http.StatusForbidden:
		return fault.Forbidden
	case http.StatusNotFound:
		return fault.NotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return fault.Conflict
	case http.StatusBadGateway:
		return fault.Upstream
	}
	return fault.Internal
}

// problem returns the error that an answer means. One that is no problem of
// ours came from something in between, and its status says nothing of Tableau.
func (c *Client) problem(resp *http.Response, body []byte) error {
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil && kind == "application/problem+json" {
		e := &Error{kind: kindOf(resp.StatusCode)}
		if json.Unmarshal(body, &e.Problem) == nil && e.Problem.Detail != "" {
			if e.Problem.RequestID == "" {
				e.Problem.RequestID = resp.Header.Get("X-Request-Id")
			}
			return e
		}
	}
	why := "its answer is no problem description"
	if resp.StatusCode >= 300 && resp.StatusCode <= 399 {
		why = "it sends elsewhere, and the token is not sent there"
	}
	return &Error{Problem: foreign(c.base.Host, resp.StatusCode, why), kind: fault.Internal}
}

// foreign describes an answer that Margay does not give.
func foreign(host string, status int, why string) wire.Problem {
	return wire.Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Code: "not_margay",
		Detail:    fmt.Sprintf("%s answered, but not like Margay (HTTP %d): %s.", host, status, why),
		NextSteps: []string{"Is this the right address? A proxy or another program may answer there."},
	}
}

package workflow

import (
	"context"
	"errors"
)

// Change is what a step sets out to change in a system, before anything is
// sent.
type Change struct {
	What   string `json:"what"`             // "the site role of rita@example.com"
	Before string `json:"before,omitempty"` // "" when it was not read or is not there yet
	After  string `json:"after,omitempty"`  // "" when it will not be there any more
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	Body   string `json:"body,omitempty"` // what would be sent, when it is shown
	Held   bool   `json:"held,omitempty"` // held back: nothing was sent
}

// ErrHeld is what a Guard that holds writes back says to each. The action then
// answers as if it had been done.
var ErrHeld = errors.New("the change was held back")

// Guard is asked by an action around what it writes.
type Guard interface {
	// Intend is told what will be changed, before anything is sent, and keeps it.
	// An error, ErrHeld among them, forbids to send it.
	Intend(ctx context.Context, c Change) error
	// Ask is asked right before each sending, also before one that is repeated:
	// whether the change is still wanted.
	Ask(ctx context.Context) error
}

package tableau

import (
	"context"
	"time"
)

// Kind is the part that an HTTP exchange plays.
type Kind string

// The kinds of HTTP exchange.
const (
	KindSignIn  Kind = "sign-in"
	KindCall    Kind = "call"
	KindSignOut Kind = "sign-out"
)

// Call is the record of one HTTP exchange with Tableau. It holds no secret, no
// token, no query and no body.
type Call struct {
	Op           string // SignIn, SignOut, SetSiteRole, …; "GET /…" for a bare [Client.Do]
	Kind         Kind
	Method       string
	Path         string
	PathTemplate string // Path with ids replaced, fit for a metric's label
	Status       int    // 0: no answer
	Code         string // Tableau's error code
	Started      time.Time
	Duration     time.Duration
	BytesOut     int64 // body sent, as far as its length was known
	BytesIn      int64 // body read, after decompression
	Err          error
}

type traceKey struct{}

// WithTrace returns a context under which f is told of every HTTP exchange.
// A shared sign-in is told to the caller that caused it, and so is the
// sign-out that follows, possibly after that caller's call has returned: f
// must be safe for use by several goroutines. Functions of an outer WithTrace
// are told too.
func WithTrace(ctx context.Context, f func(Call)) context.Context {
	if outer, ok := ctx.Value(traceKey{}).(func(Call)); ok {
		inner := f
		f = func(c Call) { inner(c); outer(c) }
	}
	return context.WithValue(ctx, traceKey{}, f)
}

func (c *Client) trace(ctx context.Context, call Call) {
	if f, ok := ctx.Value(traceKey{}).(func(Call)); ok {
		f(call)
	}
	if c.cfg.OnCall != nil {
		c.cfg.OnCall(call)
	}
}

package tableau

import (
	"context"
	"net/http"
)

type guardKey struct{}

// WithGuard returns a context under which f is asked right before each sending
// of a call that may change something, also before one that is repeated: after
// a wait, a sign-in, a refusal that passes, or a read that showed that it is
// still needed. When f returns an error nothing is sent, and the call fails with
// that error.
func WithGuard(ctx context.Context, f func(ctx context.Context) error) context.Context {
	return context.WithValue(ctx, guardKey{}, f)
}

// guard asks the context's guard whether the call may be sent.
func guard(ctx context.Context, p prepared) error {
	f, ok := ctx.Value(guardKey{}).(func(context.Context) error)
	if !ok || p.kind == retryRead || p.kind == retrySignIn || p.Method == http.MethodGet {
		return nil
	}
	return f(ctx)
}

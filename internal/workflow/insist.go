package workflow

import (
	"context"
	"log/slog"
	"time"

	"github.com/margay-access/margay/internal/fault"
)

const (
	firstPause   = 100 * time.Millisecond
	longestPause = 10 * time.Second
	// patience is how often a call is begun again that failed on our side before
	// anything was sent: about a minute, in which a database comes back.
	patience = 12
)

// Insist does fn until our own database does its part, or ctx ends. The error of
// a recorded step is never asked for again, so one lost connection would fail the
// run for good, perhaps after its effect. What fn refuses by a *fault.Error is
// refused. part names fn in the log.
func Insist(ctx context.Context, log *slog.Logger, run, part string, fn func() error) error {
	return insist(ctx, log, run, part, 0, fn)
}

// insist is Insist for at most so many tries; 0 is without end.
func insist(ctx context.Context, log *slog.Logger, run, part string, tries int, fn func() error) error {
	for try, pause := 1, firstPause; ; try, pause = try+1, min(2*pause, longestPause) {
		err := fn()
		if err == nil || ctx.Err() != nil || fault.KindOf(err) != fault.Internal || try == tries {
			return err
		}
		log.WarnContext(ctx, "a part of a run failed on our side; trying again", "run", run, "part", part, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause): //nolint:forbidigo // nothing depends on how long it is
		}
	}
}

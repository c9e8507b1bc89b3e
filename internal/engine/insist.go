package engine

import (
	"context"
	"log/slog"
	"time"

	"github.com/margay-access/margay/internal/fault"
)

const (
	firstPause   = 100 * time.Millisecond
	longestPause = 10 * time.Second
	// patience is how often a thing is begun again by [InsistAWhile]: about a
	// minute, in which a database comes back.
	patience = 12
)

// Insist does fn until our own database does its part, or ctx ends. The error of
// a recorded step is never asked for again, so one lost connection would fail the
// job for good, perhaps after its effect. What fn refuses by a *fault.Error is
// refused. part names fn in the log.
func Insist(ctx context.Context, log *slog.Logger, job, part string, fn func() error) error {
	return insist(ctx, log, job, part, 0, fn)
}

// InsistAWhile is Insist for about a minute.
func InsistAWhile(ctx context.Context, log *slog.Logger, job, part string, fn func() error) error {
	return insist(ctx, log, job, part, patience, fn)
}

// insist does fn at most so often; 0 is without end.
func insist(ctx context.Context, log *slog.Logger, job, part string, tries int, fn func() error) error {
	for try, pause := 1, firstPause; ; try, pause = try+1, min(2*pause, longestPause) {
		err := fn()
		if err == nil || ctx.Err() != nil || fault.KindOf(err) != fault.Internal || try == tries {
			return err
		}
		log.WarnContext(ctx, "a part of a job failed on our side; trying again", "job", job, "part", part, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause): //nolint:forbidigo // nothing depends on how long it is
		}
	}
}

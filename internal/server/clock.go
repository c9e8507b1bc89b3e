package server

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// clockSlack is how far a node's clock may be from the database's and still be
	// taken for right: about what asking costs.
	clockSlack = 250 * time.Millisecond
	// clockWorth is how far it must be off, or change, to be told to the operator.
	clockWorth = 2 * time.Second
)

// clock tells the time that access begins and ends by: the database's, which all
// nodes share. A database without a server of its own has the node's clock.
type clock struct {
	// skew is how far the database's clock is ahead of the node's, and how far
	// that may be from the truth.
	skew  func(context.Context) (skew, within time.Duration, err error)
	local func() time.Time
	log   *slog.Logger

	ahead atomic.Int64 // what is added to the node's clock
	told  atomic.Int64 // what was told to the operator last
}

// Now is the time in UTC, in whole milliseconds: that is what is kept of a time, so
// what an act answers is what is read of it ever after.
func (c *clock) Now() time.Time {
	return c.local().Add(time.Duration(c.ahead.Load())).UTC().Truncate(time.Millisecond)
}

// set asks the database for the time. It is called before anything is begun or
// ended by the clock: when it fails, nothing is.
func (c *clock) set(ctx context.Context) error {
	skew, within, err := c.skew(ctx)
	if err != nil {
		return err
	}
	// What a slow answer cannot tell from what is known changes nothing.
	switch known := time.Duration(c.ahead.Load()); {
	case (skew - known).Abs() <= within:
		skew = known
	case skew.Abs() <= clockSlack:
		skew = 0
	}
	c.ahead.Store(int64(skew))
	if told := time.Duration(c.told.Load()); (skew - told).Abs() >= clockWorth {
		c.told.Store(int64(skew))
		if skew == 0 {
			c.log.InfoContext(ctx, "the clock of this node is right again")
		} else {
			c.log.WarnContext(ctx, "the clock of this node is not the database's: access begins and ends by the database's", "behind", skew.Round(time.Millisecond).String())
		}
	}
	return nil
}

package server //nolint:testpackage // the clock is nobody else's

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// O18, T21: a node whose clock is off begins and ends access by the database's
// time, and says so. A database in the node has the node's clock.
func TestClockIsTheDatabases(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		for _, off := range []time.Duration{5 * time.Minute, -time.Hour, 10 * 365 * 24 * time.Hour, 0} {
			cfg.Now = func() time.Time { return time.Now().Add(off) }
			db, err := store.Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			var told bytes.Buffer
			c := &clock{skew: db.Skew, local: cfg.Now, log: slog.New(slog.NewTextHandler(&told, nil))}
			for range 3 {
				if err := c.set(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			want := off // one clock
			if cfg.Postgres != "" {
				want = 0
			}
			if got := time.Until(c.Now()); (got - want).Abs() > time.Second {
				t.Errorf("off by %v: it is %v from the time, want %v", off, got, want)
			}
			if n := strings.Count(told.String(), "not the database's"); (n == 1) != (cfg.Postgres != "" && off != 0) {
				t.Errorf("off by %v: told %q", off, told.String())
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A jump of the node's clock counts for nothing once the database is asked, and
// a database that does not answer is no reason to believe the node.
func TestClockAfterAJump(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	jump, down := time.Duration(0), error(nil)
	var told bytes.Buffer
	c := &clock{
		skew:  func(context.Context) (_, _ time.Duration, _ error) { return -jump, 0, down },
		local: func() time.Time { return now.Add(jump) }, log: slog.New(slog.NewTextHandler(&told, nil)),
	}
	for _, jump = range []time.Duration{0, clockSlack, time.Hour, -time.Hour, 0} {
		if err := c.set(t.Context()); err != nil {
			t.Fatal(err)
		}
		if off := c.Now().Sub(now); off.Abs() > clockSlack {
			t.Errorf("after a jump of %v it is off by %v", jump, off)
		}
	}
	if got := strings.Count(told.String(), "level=WARN"); got != 2 || !strings.Contains(told.String(), "right again") {
		t.Errorf("told: %s", told.String())
	}
	down = errors.New("down")
	if err := c.set(t.Context()); !errors.Is(err, down) {
		t.Errorf("without the database: %v", err)
	}
}

// An answer that took long says little: it moves the clock only where it cannot
// be what is known already.
func TestClockByASlowAnswer(t *testing.T) {
	t.Parallel()
	var skew, within time.Duration
	c := &clock{
		skew:  func(context.Context) (_, _ time.Duration, _ error) { return skew, within, nil },
		local: time.Now, log: slog.New(slog.DiscardHandler),
	}
	for _, step := range []struct{ skew, within, want time.Duration }{
		{2 * time.Second, 2 * time.Second, 0},
		{time.Hour, 2 * time.Second, time.Hour},
		{time.Hour - time.Second, 2 * time.Second, time.Hour},
		{time.Hour - time.Second, time.Millisecond, time.Hour - time.Second},
		{100 * time.Millisecond, time.Millisecond, 0},
	} {
		skew, within = step.skew, step.within
		if err := c.set(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := time.Duration(c.ahead.Load()); got != step.want {
			t.Errorf("the database is %v ahead, give or take %v: the clock is moved by %v, want %v", step.skew, step.within, got, step.want)
		}
	}
}

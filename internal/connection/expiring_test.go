package connection_test

import (
	"slices"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/integration"
)

// S88, T23: that a token ends because nobody uses it is recorded before it does,
// once for each end, so that it can be told.
func TestTellExpiring(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.create(t)
		paused := f.create(t)
		if _, err := f.Pause(t.Context(), ana, paused.ID); err != nil {
			t.Fatal(err)
		}
		const day = 24 * time.Hour
		for _, step := range []struct {
			after time.Duration
			told  int
		}{{9 * day, 0}, {10*day + time.Hour, 1}, {11 * day, 1}, {16 * day, 1}} {
			later := connection.NewService(connection.Config{
				Store: f.db, Registry: integration.NewRegistry(f.system.integration()), Sealer: f.sealer, Now: func() time.Time { return time.Now().Add(step.after) },
			})
			if err := later.TellExpiring(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := count(f.kinds(t, c.ID), "pat.expiring"); n != step.told {
				t.Errorf("after %v it was told %d times", step.after, n)
			}
			if n := count(f.kinds(t, paused.ID), "pat.expiring"); n != 0 {
				t.Errorf("after %v a paused one was told of", step.after)
			}
		}
		// Used, it has another end.
		if err := f.db.AddUsage(t.Context(), c.ID, connection.Usage{UsedAt: time.Now().Add(3 * day)}); err != nil {
			t.Fatal(err)
		}
		later := connection.NewService(connection.Config{
			Store: f.db, Registry: integration.NewRegistry(f.system.integration()), Sealer: f.sealer, Now: func() time.Time { return time.Now().Add(14 * day) },
		})
		if err := later.TellExpiring(t.Context()); err != nil || count(f.kinds(t, c.ID), "pat.expiring") != 2 {
			t.Errorf("after another use: %v, %v", f.kinds(t, c.ID), err)
		}
	})
}

func count(kinds []string, kind string) int {
	return len(slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return k != kind }))
}

package access_test

import (
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// Access without an end that could not be set up, and of which something is there,
// ends by itself a week after it was given up: nothing stays that nobody holds. It
// loses that end when it is tried again, and never had one when it was once there.
func TestLeftoverWithoutAnEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		role := w.role(access.Policy{})
		fails := func(g access.Grant, code string, wrote bool) access.Grant {
			t.Helper()
			g, err := w.svc.Report(ctx, access.Outcome{
				Run: g.Awaited(), Kind: access.JobProvision, Grant: g.ID, Wrote: wrote,
				Problem: &access.Problem{Code: code, Message: "No.", Hint: "Mend it."},
			})
			w.must(err)
			return g
		}
		const week = 7 * 24 * time.Hour

		untouched := fails(w.granted(sam, role), "script_threw", false)
		if !untouched.EndsAt.IsZero() || untouched.Problem.Hint != "Mend it." {
			t.Errorf("nothing of it is there, and it ends %v: %q", untouched.EndsAt, untouched.Problem.Hint)
		}

		g := fails(w.granted(rita, role), "script_threw", true)
		if until := w.clock().Add(week); g.State != access.GrantNotSetUp || !g.EndsAt.Equal(until) ||
			g.Problem.Hint != "Mend it. Something was changed before that: it is taken back on 9 March 2026 at 09:00 UTC unless it is tried again before, or when you end the access." {
			t.Fatalf("given up: %s until %v: %q", g.State, g.EndsAt, g.Problem.Hint)
		}
		w.pass(24 * time.Hour)
		g, err := w.svc.Retry(ctx, as(ana), g.ID)
		w.must(err)
		if !g.EndsAt.IsZero() {
			t.Errorf("tried again, it ends at %v", g.EndsAt)
		}
		g = fails(g, "unavailable", false)
		if g.Next == "" || !g.EndsAt.IsZero() || !strings.HasSuffix(g.Problem.Hint, "Something of it may be there: it is taken back when it cannot be set up in the end, or when you end it.") {
			t.Errorf("while it is tried by itself it ends at %v: %q", g.EndsAt, g.Problem.Hint)
		}
		g = fails(g, "script_threw", false)
		if until := w.clock().Add(week); !g.EndsAt.Equal(until) || !strings.Contains(g.Problem.Hint, "Something of it may be there: it is taken back on 10 March 2026 at 09:00 UTC") {
			t.Errorf("given up again, it ends at %v: %q", g.EndsAt, g.Problem.Hint)
		}
		w.pass(week)
		if n, err := w.svc.ExpireDue(ctx, 10); n != 1 || err != nil {
			t.Fatalf("%d ended, %v", n, err)
		}
		g = w.grant(g.ID)
		if g.State != access.GrantEnding || g.EndReason != access.ReasonExpired || g.EndNote != "It could not be set up: what was made of it is taken back." ||
			w.job(g.Run).Kind != access.JobDeprovision {
			t.Errorf("after the week: %s, %s, %q", g.State, g.EndReason, g.EndNote)
		}

		// Mended in time, it is without an end as it was agreed.
		mended := fails(w.granted(rita, w.twin(role)), "script_threw", true)
		mended, err = w.svc.Retry(ctx, as(ana), mended.ID)
		w.must(err)
		if mended = w.done(mended); mended.State != access.GrantActive || !mended.EndsAt.IsZero() || mended.Length != access.Indefinite {
			t.Errorf("mended: %s until %v", mended.State, mended.EndsAt)
		}
		w.verify()
	})
}

// Access with an end takes what was made of it along then.
func TestLeftoverWithAnEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		g := w.granted(rita, w.role(access.Policy{Longest: time.Hour}))
		g, err := w.svc.Report(t.Context(), access.Outcome{
			Run: g.Run, Kind: access.JobProvision, Grant: g.ID, Wrote: true, Problem: &access.Problem{Code: "script_threw", Message: "No."},
		})
		if err != nil || !g.EndsAt.Equal(w.clock().Add(time.Hour)) || g.Problem.Hint != "Something was changed before that: it is taken back when the access ends, or when you end it." {
			t.Errorf("it ends at %v: %q, %v", g.EndsAt, g.Problem.Hint, err)
		}
	})
}

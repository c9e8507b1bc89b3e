package notice_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// What other packages record of connections and runs is told to webhooks by its
// promised name, and to administrators where they must do something.
func TestTroubleOfConnectionsAndRunsIsTold(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.webhook()
		n := 0
		for _, e := range []struct {
			kind    audit.Kind
			subject string
			before  string
			told    string
			mailed  string
		}{
			{"connection.healthy", "connection:con_1", "never_checked", "", ""},
			{"connection.degraded", "connection:con_1", "healthy", "connection.degraded", "ana: The connection Acme is degraded"},
			{"connection.needs_attention", "connection:con_1", "degraded", "connection.needs_attention", "ana: The connection Acme needs attention"},
			{"connection.healthy", "connection:con_1", "needs_attention", "connection.recovered", ""},
			{"pat.expiring", "connection:con_1", "", "pat.expiring", "ana: The token of the connection Acme ends soon"},
			{"run.failed", "run:run_1", "", "run.failed", ""},
		} {
			n++
			w.must(db.RecordEvents(context.WithoutCancel(t.Context()), audit.Event{
				ID: fmt.Sprintf("evt_%d", n), At: w.clock(), Kind: e.kind, Actor: "system", Subject: e.subject,
				Data: map[string]string{"name": "Acme", "before": e.before, "ends": "2026-03-09"},
			}))
			w.turn()
			var told, want, mail []string
			for _, p := range w.hook.take() {
				told = append(told, typeOf(t, p))
			}
			if e.told != "" {
				want = []string{e.told}
			}
			if e.mailed != "" {
				mail = []string{e.mailed}
			}
			if got := w.mail.take(); !slices.Equal(told, want) || !slices.Equal(got, mail) {
				t.Errorf("%s after %q: told %v, mailed %q", e.kind, e.before, told, got)
			}
		}
	})
}

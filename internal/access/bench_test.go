package access_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// The lists of requests among 10,000, for who sees all, who decides some and who
// filed one: p95-ms is what a page takes at the 95th percentile (O19: under 100).
func BenchmarkRequestLists(b *testing.B) {
	db := storetest.Open(b, store.Config{SQLite: b.TempDir() + "/margay.db", Now: time.Now})
	w := newWorld(b, db)
	role := w.role(access.Policy{Longest: time.Hour, Steps: []access.Step{by(bo)}})
	mine := w.file(rita, access.Ask{Role: w.role(access.Policy{Longest: time.Hour, Steps: []access.Step{by(cy)}})})
	w.file(sam, access.Ask{Role: role})
	w.multiply(10_000, "requests", "id", "'req_9' || n.i",
		"app_id, role_id, role_name, person_id, requester_id, length_ms, reason, state, policy, approvals, extends_id, starts_ms, lapses_ms, step, grant_id, created_ms, decided_ms")
	w.multiplyKeys(mine.ID)
	for name, of := range map[string]struct {
		who       identity.PersonID
		decidable bool
	}{
		"administrator": {who: ana}, "waiting for me": {who: cy, decidable: true}, "nothing waits for me": {who: bo, decidable: true}, "owner": {who: olga}, "nobody": {who: dan},
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				if _, err := w.svc.Requests(b.Context(), as(of.who), access.RequestFilter{Limit: 51}, of.decidable); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		})
	}
}

// multiplyKeys gives the requests that multiply made the keys of one.
func (w *world) multiplyKeys(like access.RequestID) {
	w.t.Helper()
	w.exec(fmt.Sprintf(`INSERT INTO request_keys (key_text, request_id, step)
		SELECT k.key_text, r.id, k.step FROM requests r, request_keys k WHERE r.id LIKE 'req_9%%' AND k.request_id = '%s'`, like))
}

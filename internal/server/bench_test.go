package server_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/tableau/tableautest"
)

// benchEach runs a benchmark on a database of each kind.
func benchEach(b *testing.B, bench func(b *testing.B, u *setup)) {
	for name, cfg := range map[string]func(b *testing.B) store.Config{
		"sqlite":   func(b *testing.B) store.Config { return store.Config{SQLite: filepath.Join(b.TempDir(), "margay.db")} },
		"postgres": func(b *testing.B) store.Config { return store.Config{Postgres: storetest.Postgres(b)} },
	} {
		b.Run(name, func(b *testing.B) {
			s := newSite(b, tableautest.Config{})
			bench(b, setUp(startNode(b, cfg(b), b.TempDir(), s.CertPool()), s))
		})
	}
}

// waiting files a request for a new person who is on the site.
func (u *setup) waiting(i int) (request string, user *tableautest.User) {
	email := fmt.Sprintf("user%05d@acme.example", i)
	user = u.site.AddUser(email, "Viewer")
	p := call[wire.Person](u.node, "POST", "/people", wire.NewPerson{Email: email})
	return u.request(p.ID, "Creator", false).ID, user
}

// BenchmarkApproveToConfirmed is the time from an approval to the grant that
// Tableau confirmed, one after another.
func BenchmarkApproveToConfirmed(b *testing.B) {
	benchEach(b, func(b *testing.B, u *setup) {
		bo := u.as("bo@acme.example")
		var took []time.Duration
		i := 0
		for b.Loop() {
			id, _ := u.waiting(i)
			i++
			started := time.Now()
			grant := call[wire.Request](bo, "POST", "/requests/"+id+"/approve", wire.Decision{}).GrantID
			for call[wire.Grant](u.node, "GET", "/grants/"+grant, nil).State != "active" {
				if time.Since(started) > 30*time.Second {
					b.Fatal("not active after 30 s")
				}
			}
			took = append(took, time.Since(started))
		}
		slices.Sort(took)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	})
}

// BenchmarkRuns is how many approved grants a second are carried out, 200 at
// once, three calls of Tableau each.
func BenchmarkRuns(b *testing.B) {
	benchEach(b, func(b *testing.B, u *setup) {
		const n = 200
		bo := u.as("bo@acme.example")
		total, next := time.Duration(0), 0
		for b.Loop() {
			b.StopTimer()
			var ids []string
			var users []*tableautest.User
			for range n {
				id, user := u.waiting(next)
				ids, users = append(ids, id), append(users, user)
				next++
			}
			b.StartTimer()
			started := time.Now()
			var grants []string
			for _, id := range ids {
				grants = append(grants, call[wire.Request](bo, "POST", "/requests/"+id+"/approve", wire.Decision{}).GrantID)
			}
			for _, g := range grants {
				u.grantIn(g, "active")
			}
			total += time.Since(started)
			for _, user := range users {
				if user.Role() != "Creator" {
					b.Fatalf("%s is %s", user.Name(), user.Role())
				}
			}
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(next)/total.Seconds(), "runs/s")
		b.ReportMetric(float64(u.site.SignIns()), "sign-ins")
	})
}

package connection_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/seal"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// BenchmarkOverviews is what the list of integrations asks for, with 1,000
// connections that were all checked. The goal is a p95 below 50 ms.
func BenchmarkOverviews(b *testing.B) {
	db := storetest.Open(b, store.Config{SQLite: b.TempDir() + "/margay.db", Now: time.Now})
	sealer, err := seal.Open(b.Context(), "file://"+b.TempDir()+"/key", db)
	if err != nil {
		b.Fatal(err)
	}
	s := &system{}
	next := 0
	service := connection.NewService(connection.Config{
		Store: db, Registry: integration.NewRegistry(s.integration()), Sealer: sealer, Now: time.Now,
		NewID: func(prefix string) string { next++; return fmt.Sprintf("%s_%032d", prefix, next) },
	})
	for i := range 1000 {
		settings := good()
		settings["site_content_url"] = fmt.Sprintf("site-%d", i)
		c, err := service.Create(b.Context(), ana, "tableau", settings)
		if err != nil {
			b.Fatal(err)
		}
		if err := db.KeepChecks(b.Context(), c.ID, []connection.CheckReport{{Key: "one", Pass: i%2 == 0, Message: "m", Version: 1, At: time.Now()}}); err != nil {
			b.Fatal(err)
		}
	}
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		all, err := service.Overviews(b.Context(), ana)
		if err != nil || len(all) != 1000 {
			b.Fatal(len(all), err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "ms-p95")
}

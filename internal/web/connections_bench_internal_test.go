package web

import (
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/web/ui"
)

// BenchmarkIntegrations renders the list of integrations with 1,000
// connections; what the services take for it is BenchmarkOverviews of package
// connection. Both together have a goal of 50 ms at p95.
func BenchmarkIntegrations(b *testing.B) {
	all := make([]connection.Overview, 1000)
	for i := range all {
		all[i].ID, all[i].DisplayName = fmt.Sprintf("con_%d", i), fmt.Sprintf("Tableau – site-%d", i)
		all[i].Target = integration.Target{Host: "10ax.online.tableau.com", Place: fmt.Sprintf("site site-%d", i)}
		all[i].Condition = connection.Condition{State: connection.StateHealthy, Word: "Healthy"}
	}
	ctx := ui.With(context.Background(), ui.Env{Now: time.Now()})
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		if err := integrationsView(nil, listed(all, "")).Render(ctx, io.Discard); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "ms-p95")
}

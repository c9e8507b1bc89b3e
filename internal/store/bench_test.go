package store_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/internal/workflow"
)

// manyRuns is how many runs are counted: a year of 270 a day.
const manyRuns = 100_000

// What the numbers on the pages of runs and workflows take with 100,000 runs.
func BenchmarkTallies(b *testing.B) {
	databases := map[string]store.Config{"sqlite": {SQLite: filepath.Join(b.TempDir(), "margay.db"), Now: time.Now}}
	if os.Getenv("TEST_POSTGRES") != "" {
		databases["postgres"] = store.Config{Postgres: storetest.Postgres(b), Now: time.Now}
	}
	now := time.Now()
	month := now.Add(-30 * 24 * time.Hour)
	var states []workflow.RunState
	for _, t := range workflow.RunStates() {
		states = append(states, workflow.RunState(t.Code))
	}
	for name, cfg := range databases {
		db := storetest.Open(b, cfg)
		fillRuns(b, cfg, now)
		for what, f := range map[string]workflow.RunFilter{
			"all": {}, "month": {Since: month}, "kind": {Kind: "approve"}, "trigger": {Trigger: "retry"}, "common trigger": {Trigger: "expiry"}, "workflow": {Workflow: "wfl_3"}, "person": {Person: "usr_7"}, "connection": {Connection: "con_1"}, "no connection": {Connection: "con_x"},
			"kind, day": {Kind: "provision", Since: now.Add(-24 * time.Hour)}, "app": {App: "app_x"},
			"rita": {Seen: &workflow.Seen{Person: "usr_7"}}, "an owner": {Seen: &workflow.Seen{Person: "usr_7", Apps: []string{"app_x"}}},
		} {
			f.States = states
			bench(b, name+"/counts/"+what, func() error {
				_, err := db.CountRuns(b.Context(), f, 1001)
				return err
			})
			f.States, f.Limit = nil, 51
			bench(b, name+"/list/"+what, func() error {
				_, err := db.Runs(b.Context(), f)
				return err
			})
		}
		f := workflow.RunFilter{Since: month, States: []workflow.RunState{workflow.RunDone, workflow.RunFailed, workflow.RunUnknown, workflow.RunCrashed}}
		bench(b, name+"/workflows", func() error {
			_, err := db.Tallies(b.Context(), f)
			return err
		})
	}
}

func bench(b *testing.B, name string, read func() error) {
	b.Helper()
	b.Run(name, func(b *testing.B) {
		var took []time.Duration
		for b.Loop() {
			began := time.Now()
			if err := read(); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
	})
}

// fillRuns writes runs of a year, which no rule makes: most are done.
func fillRuns(b *testing.B, cfg store.Config, now time.Time) {
	b.Helper()
	driver, address, series := "sqlite", "file:"+cfg.SQLite, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
	if cfg.Postgres != "" {
		driver, address, series = "pgx", cfg.Postgres, "WITH n (i) AS (SELECT generate_series(1, %d))"
	}
	sqldb, err := sql.Open(driver, address)
	if err != nil {
		b.Fatal(err)
	}
	defer sqldb.Close()
	year := int64(365 * 24 * time.Hour / time.Millisecond)
	began := now.UnixMilli() - year
	statements := []string{fmt.Sprintf("INSERT INTO runs (id, kind, workflow_id, version, connection_id, grant_id, person_id, trigger_text, attempt, state, input, output, problem, queued_ms, not_before_ms, started_ms, ended_ms, settled_ms) "+series+`
		SELECT 'run_' || (1000000 + i), CASE WHEN i %% 2 = 0 THEN 'provision' ELSE 'deprovision' END, 'wfl_' || (i %% 10), 'v', 'con_1', 'grt_' || i, 'usr_' || (i %% 1000),
			CASE WHEN i %% 2 = 0 THEN 'request:req_1' ELSE 'expiry' END, 1, CASE WHEN i %% 50 = 0 THEN 'failed' WHEN i > %d THEN 'running' ELSE 'done' END,
			'', '{"role":"Creator","changed":true,"note":"set, and read back","before":"Viewer","externalUserId":"6e2d3b4c-7f1a-4d7e-9a3b-0c1d2e3f4a5b"}', '{}',
			%d + CAST(i AS BIGINT) * %d, 0, 0, 0, 0 FROM n`, manyRuns, manyRuns-20, began, year/manyRuns)}
	if cfg.Postgres != "" {
		statements = append(statements, "VACUUM ANALYZE runs")
	}
	for _, s := range statements {
		if _, err := sqldb.ExecContext(b.Context(), s); err != nil {
			b.Fatal(err)
		}
	}
}

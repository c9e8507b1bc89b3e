package workflow_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/engine"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/internal/workflow"
)

// benchEach runs a benchmark of a workflow on a database of each kind. done is
// told each run that ended, with when its first call was made.
func benchEach(b *testing.B, source string, bench func(b *testing.B, enqueue func(ids ...string), done <-chan time.Time)) {
	for name, cfg := range map[string]func(b *testing.B) store.Config{
		"sqlite": func(b *testing.B) store.Config {
			return store.Config{SQLite: filepath.Join(b.TempDir(), "margay.db"), Now: time.Now}
		},
		"postgres": func(b *testing.B) store.Config { return store.Config{Postgres: storetest.Postgres(b), Now: time.Now} },
	} {
		b.Run(name, func(b *testing.B) {
			db := storetest.Open(b, cfg(b))
			s := &fakeSystems{act: func(_ context.Context, args []byte, _ workflow.Guard, trace func(workflow.Call)) ([]byte, error) {
				trace(workflow.Call{Kind: "call", Method: "GET", Status: 200})
				return args, nil
			}}
			bu := bundle(1, "p")
			bu.Workflows[0].Source = source
			ws, err := newService(db, s).Install(b.Context(), identity.System(), bu)
			if err != nil {
				b.Fatal(err)
			}
			e, err := engine.Open(b.Context(), engine.Config{SQLite: db.Path(), Postgres: db.PoolConfig(), Node: "node-1"})
			if err != nil {
				b.Fatal(err)
			}
			done := make(chan time.Time, 10000)
			r := workflow.NewRunner(db, s, time.Now, slog.New(slog.DiscardHandler))
			e.Handle("provision", func(ctx context.Context, job *engine.Run) (json.RawMessage, error) {
				began := time.Now()
				out, err := r.Execute(ctx, job, workflow.Task{Run: job.ID(), Workflow: ws[0].ID, Version: ws[0].Published, Connection: "con_1"})
				if asleep := (*workflow.AsleepError)(nil); err != nil && !errors.As(err, &asleep) {
					b.Error(err)
				}
				done <- began
				return out, err
			})
			db.Use(storetest.AuditKey, func(ctx context.Context, tx *sql.Tx, j access.Job) error {
				return e.Enqueue(ctx, tx, engine.Job{ID: j.Run, Kind: string(j.Kind), Key: j.Run})
			})
			if err := e.Start(b.Context()); err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := e.Stop(context.Background()); err != nil {
					b.Error(err)
				}
			}()
			bench(b, func(ids ...string) {
				err := db.Change(b.Context(), func(tx access.Tx) error {
					for _, id := range ids {
						if err := tx.Enqueue(b.Context(), access.Job{Run: id, Kind: access.JobProvision, Person: "usr_1"}); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}, done)
		})
	}
}

const threeCalls = `import { sys } from "margay/sys";
export default async function run() {
  return { note: "done", role: null, all: [await sys.do(1), await sys.do(2), await sys.do(3)] };
}`

// BenchmarkRuns is how many runs a second are carried out, 500 that wait, three
// calls each that take no time.
func BenchmarkRuns(b *testing.B) {
	benchEach(b, threeCalls, func(b *testing.B, enqueue func(...string), done <-chan time.Time) {
		const n = 500
		total, rounds := time.Duration(0), 0
		for b.Loop() {
			var ids []string
			for i := range n {
				ids = append(ids, fmt.Sprintf("run_%d_%d", rounds, i))
			}
			started := time.Now()
			enqueue(ids...)
			for range n {
				<-done
			}
			total += time.Since(started)
			rounds++
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(n*rounds)/total.Seconds(), "runs/s")
	})
}

// BenchmarkRunStart is from the commit that causes a run to the first line of
// what carries it out, one at a time.
func BenchmarkRunStart(b *testing.B) {
	benchEach(b, threeCalls, func(b *testing.B, enqueue func(...string), done <-chan time.Time) {
		var took []time.Duration
		for i := 0; b.Loop(); i++ {
			<-time.After(time.Duration(i*7%50) * time.Millisecond) // at no fixed distance from the last look at the queue
			enqueue(fmt.Sprintf("run_%d", i))
			committed := time.Now()
			took = append(took, (<-done).Sub(committed))
		}
		slices.Sort(took)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	})
}

// BenchmarkSleepingRun is the memory that a run which sleeps holds.
func BenchmarkSleepingRun(b *testing.B) {
	benchEach(b, sleeper, func(b *testing.B, enqueue func(...string), done <-chan time.Time) {
		round := func(name string, n int) {
			for i := range n {
				enqueue(fmt.Sprintf("run_%s_%d", name, i))
				<-done
			}
		}
		round("warm", 50)
		before, n := heap(), 0
		for b.Loop() {
			round(strconv.Itoa(n), 100)
			n += 100
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(max(heap()-before, 0))/float64(n), "B/run")
	})
}

func heap() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

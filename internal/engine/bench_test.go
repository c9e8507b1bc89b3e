package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/engine"
)

// BenchmarkStart measures from the commit of an enqueue to the first line of the
// handler, one job at a time.
func BenchmarkStart(b *testing.B) {
	eachBench(b, func(b *testing.B, p place) {
		e := opened(b, p.config(b, "n1"), p)
		started := make(chan time.Time, 1)
		e.Handle("k", func(context.Context, *engine.Run) (json.RawMessage, error) {
			started <- time.Now()
			return nil, nil
		})
		e.start()
		var took []time.Duration
		i := 0
		for b.Loop() {
			// At no fixed distance from the last look at the queue.
			<-time.After(rand.N(50 * time.Millisecond))
			e.enqueue(engine.Job{ID: fmt.Sprint("j", i), Kind: "k", Key: fmt.Sprint("key", i)})
			committed := time.Now()
			took = append(took, (<-started).Sub(committed))
			i++
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	})
}

// BenchmarkFiveSteps measures jobs of five empty steps, enqueued beforehand.
func BenchmarkFiveSteps(b *testing.B) {
	for _, keys := range []int{0, 20} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			eachBench(b, func(b *testing.B, p place) {
				const jobs = 1000
				for b.Loop() {
					fiveSteps(b, p, jobs, keys)
				}
			})
		})
	}
}

func fiveSteps(b *testing.B, p place, jobs, keys int) {
	e := opened(b, p.config(b, "n1"), p)
	var left sync.WaitGroup
	left.Add(jobs)
	e.Handle("k", func(ctx context.Context, run *engine.Run) (json.RawMessage, error) {
		defer left.Done()
		for range 5 {
			if _, err := run.Step(ctx, "s", nothing); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	all := make([]engine.Job, jobs)
	for i := range all {
		all[i] = engine.Job{ID: fmt.Sprintf("%p-%d", e, i), Kind: "k"}
		if keys > 0 {
			all[i].Key = fmt.Sprint("key", i%keys)
		}
	}
	begun := time.Now()
	e.enqueue(all...)
	b.ReportMetric(float64(jobs)/time.Since(begun).Seconds(), "enqueued/s")
	begun = time.Now()
	e.start()
	left.Wait()
	b.ReportMetric(float64(jobs)/time.Since(begun).Seconds(), "jobs/s")
	e.stop(time.Minute)
}

func eachBench(b *testing.B, fn func(b *testing.B, p place)) {
	b.Run("sqlite", func(b *testing.B) { fn(b, newSQLite(b)) })
	b.Run("postgres", func(b *testing.B) { fn(b, newPostgres(b)) })
}

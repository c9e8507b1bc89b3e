package script_test

import (
	"context"
	"encoding/json"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/workflow/script"
)

// workflow is of the size of those that people write: 55 lines, 11 calls.
const workflow = `import { tableau, type User } from "margay/tableau";
import { log } from "margay";

enum Outcome {
  Done = "done",
  Same = "same",
}

interface Step {
  readonly user: string;
  readonly role: string;
}

class Journal<T> {
  readonly #lines: T[] = [];

  add(line: T): this {
    this.#lines.push(line);
    return this;
  }

  get lines(): readonly T[] {
    return this.#lines;
  }
}

async function set(step: Step, journal: Journal<string>): Promise<Outcome> {
  const before: User = await tableau.users.get(step.user);
  if (before.siteRole === step.role) {
    journal.add(step.user + " has it");
    return Outcome.Same;
  }
  try {
    const after = await tableau.users.setSiteRole(before.id, step.role);
    journal.add(step.user + ": " + before.siteRole + " to " + after.siteRole);
    return Outcome.Done;
  } catch (error) {
    log.warn(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

export default async function provision(n: number) {
  const journal = new Journal<string>();
  const me = await tableau.users.get("me");
  const steps: Step[] = ["ann", "bo", "cy"].map((user) => ({ user, role: "Creator" }));
  const outcomes = await Promise.all(steps.map((step) => set(step, journal)));
  for (const step of steps.slice(0, 2)) {
    outcomes.push(await set(step, journal));
  }
  const counts = outcomes.reduce<Record<string, number>>((all, one) => ({ ...all, [one]: (all[one] ?? 0) + 1 }), {});
  log.info(me.id + " did " + JSON.stringify(counts));
  return { n, counts, lines: journal.lines, at: new Date().toISOString(), chance: Math.random() < 1 };
}
`

func workflowHost(_ context.Context, c script.Call) script.Answer {
	if c.Name == "tableau.users.get" {
		return script.Answer{Value: json.RawMessage(`{"id":"7","siteRole":"Viewer"}`), At: epoch.Add(time.Duration(c.Seq) * time.Second)}
	}
	return script.Answer{Value: json.RawMessage(`{"id":"7","siteRole":"Creator"}`), At: epoch.Add(time.Duration(c.Seq) * time.Second)}
}

// median reports the median of what was taken by work, in milliseconds.
func median(b *testing.B, unit string, work func()) {
	b.Helper()
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		work()
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, unit)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, unit+"-p99")
}

func BenchmarkCompile(b *testing.B) {
	median(b, "compile-p50-ms", func() { compile(b, workflow) })
}

func BenchmarkStart(b *testing.B) {
	p := compile(b, `export default () => 1`)
	median(b, "sandbox-start-p50-ms", func() {
		if _, err := p.Run(b.Context(), script.Input{}); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkRun(b *testing.B) {
	p := compile(b, workflow)
	median(b, "run-p50-ms", func() {
		if _, err := p.Run(b.Context(), script.Input{Argument: json.RawMessage("1"), Host: workflowHost}); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkMemory holds 200 runs in their first call and measures the process.
func BenchmarkMemory(b *testing.B) {
	const runs = 200
	p := compile(b, workflow)
	for b.Loop() {
		runtime.GC()
		t := &testing.T{}
		before := resident(t)
		inside, leave, left := make(chan struct{}), make(chan struct{}), make(chan error)
		for range runs {
			go func() {
				_, err := p.Run(context.Background(), script.Input{Argument: json.RawMessage("1"), Host: func(ctx context.Context, c script.Call) script.Answer {
					if c.Seq == 1 {
						inside <- struct{}{}
						<-leave
					}
					return workflowHost(ctx, c)
				}})
				left <- err
			}()
		}
		for range runs {
			<-inside
		}
		b.ReportMetric(float64(resident(t)-before)/runs/1024, "memory-per-run-kB")
		close(leave)
		for range runs {
			if err := <-left; err != nil {
				b.Fatal(err)
			}
		}
	}
}

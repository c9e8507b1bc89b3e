package workflow_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/internal/workflow"
)

// What a workflow writes to its log is kept with the step before which it was
// written, or with the run after the last; once, also when the run was taken up
// again; bounded, and without what is called like a secret.
func TestLogIsKept(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		b := newBench(t, cfg)
		b.install(`import { log } from "margay";
import { sys } from "margay/sys";
export default async function run() {
  log.info("before");
  console.log("answered", { path: "/x", connection: { userName: "svc", password: "hunter2" } }, JSON.stringify({ "X-Tableau-Auth": "hunter2" }));
  console.log({ value: "hunter2", about: "x".repeat(5000), key: "password" });
  await sys.do(1);
  log.warn("between");
  await sys.do(2);
  console.error("after\u0000");
  for (let i = 0; i < 2000; i++) log.info("line " + i);
  return { note: "done", role: null };
}`)
		cut := true
		reached := make(chan struct{}, 1)
		b.systems.act = func(ctx context.Context, args []byte, _ workflow.Guard, _ func(workflow.Call)) ([]byte, error) {
			if strings.Contains(string(args), "2") && cut {
				cut = false
				reached <- struct{}{}
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return args, nil
		}
		e := b.start()
		keepRun(t, b.db, "run_1", "usr_1")
		<-reached
		b.stop(e)

		steps, err := b.wait(b.start(), "run_1")

		if err != nil || len(steps) != 2 || len(steps[0].Log) != 3 || len(steps[1].Log) != 1 {
			t.Fatalf("%v, %+v", err, steps)
		}
		if l := steps[0].Log[0]; l.Level != "info" || l.Text != "before" || time.Since(l.At) > time.Hour {
			t.Errorf("the first line is %+v", l)
		}
		if l := steps[0].Log[1]; l.Text != `answered {"path":"/x","connection":{"userName":"svc","password":"[redacted]"}} {"X-Tableau-Auth":"[redacted]"}` {
			t.Errorf("what is called like a secret: %s", l.Text)
		}
		if l := steps[0].Log[2]; !strings.HasPrefix(l.Text, `{"value":"[redacted]","about":"xxx`) || len(l.Text) > 5000 {
			t.Errorf("what is named behind the cut: %s", l.Text)
		}
		if l := steps[1].Log[0]; l.Level != "warn" || l.Text != "between" {
			t.Errorf("the second line is %+v", l)
		}
		said := b.said["run_1"]
		if len(said) != 1000-4+1 || said[0].Level != "error" || strings.Contains(said[0].Text, "\x00") || !strings.Contains(said[len(said)-1].Text, "not kept") {
			t.Errorf("after the last step %d lines are kept, from %+v to %+v", len(said), said[0], said[len(said)-1])
		}
	})
}

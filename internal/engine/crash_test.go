package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/internal/engine"
)

var tenSteps = strings.Fields("s0 s1 s2 s3 s4 s5 s6 s7 s8 s9")

// TestKilledAtEachStep is O01: a job of ten steps is killed with SIGKILL in each
// step, after its effect and before its record, and again when the step has been
// recorded; twenty times in all. A recorded step is never done again, and only
// the step in flight is repeated.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		b := opened(t, p.config(t, "parent"), p) // enqueues and reads only
		b.enqueue(engine.Job{ID: "j", Kind: "steps", Key: "a", Input: text(tenSteps)})
		var did, want []string
		for i, step := range tenSteps {
			for _, at := range []string{"in:", "after:"} {
				c := spawn(t, orders{Place: p, Node: "n1", Kill: at + step})
				c.dies()
				if code := c.cmd.ProcessState.String(); code != "signal: killed" {
					t.Fatalf("at %s%s: %s", at, step, code)
				}
				did = append(did, c.does()...)
				// What was started and not recorded may have happened; so may, as
				// far as anybody can tell, the step after the last that is recorded.
				want = append(want, fmt.Sprintf("j does %s, again %v", step, at == "after:" || i > 0))
			}
		}
		c := spawn(t, orders{Place: p, Node: "n1"})
		s := b.ended("j")
		did = append(did, c.does()...)

		if diff := cmp.Diff(want, did); diff != "" {
			t.Errorf("steps that were done (-want +got):\n%s", diff)
		}
		if s.State != engine.Done || string(s.Output) != "10" || s.Attempts != 21 {
			t.Errorf("%+v", s)
		}
	})
}

// TestKilledOnce kills one process in the middle: what follows the repeated step
// cannot have happened, and is told so.
func TestKilledOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		b := opened(t, p.config(t, "parent"), p)
		b.enqueue(engine.Job{ID: "j", Kind: "steps", Input: text([]string{"a", "b", "c"})})
		spawn(t, orders{Place: p, Node: "n1", Kill: "in:b"}).dies()
		c := spawn(t, orders{Place: p, Node: "n1"})
		b.ended("j")
		if diff := cmp.Diff([]string{"j does b, again true", "j does c, again false"}, c.does()); diff != "" {
			t.Error(diff)
		}
	})
}

// TestKilledWithManyKeys kills a process that has jobs of many keys in work: no
// job is lost, none is done twice, and each key keeps its order.
func TestKilledWithManyKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		b := opened(t, p.config(t, "parent"), p)
		var ids []string
		for i := range 30 {
			id := fmt.Sprintf("j%02d", i)
			steps := []string{"x" + id, "y" + id}
			b.enqueue(engine.Job{ID: id, Kind: "steps", Key: fmt.Sprint("key", i%5), Input: text(steps)})
			ids = append(ids, id)
		}
		first := spawn(t, orders{Place: p, Node: "n1", Kill: "in:xj12"})
		first.dies()
		second := spawn(t, orders{Place: p, Node: "n1", Kill: "after:xj17"})
		second.dies()
		third := spawn(t, orders{Place: p, Node: "n1"})
		for _, id := range ids {
			if s := b.ended(id); s.State != engine.Done {
				t.Errorf("%+v", s)
			}
		}
		last := make(map[int]string)
		for _, c := range []*process{first, second, third} {
			for _, line := range c.does() {
				id, _, _ := strings.Cut(line, " does ")
				var n int
				fmt.Sscanf(id, "j%d", &n)
				if id < last[n%5] {
					t.Errorf("%s was worked on after %s of the same key", id, last[n%5])
				}
				last[n%5] = id
			}
		}
	})
}

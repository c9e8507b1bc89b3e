package workflow_test

import (
	"errors"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/workflow"
)

// Every state has a word, a sentence and what may be done next, and is in the
// table once.
func TestRunStatesAreWhole(t *testing.T) {
	t.Parallel()
	all := []workflow.RunState{
		workflow.RunQueued, workflow.RunRetrying, workflow.RunRunning, workflow.RunWaiting, workflow.RunUnknown, workflow.RunDone,
		workflow.RunFailed, workflow.RunCancelled, workflow.RunCrashed, workflow.RunSuperseded,
	}
	if len(workflow.RunStates()) != len(all) {
		t.Errorf("the table has %d states, want %d", len(workflow.RunStates()), len(all))
	}
	words := map[string]bool{}
	for _, s := range all {
		x := s.Text()
		if x.Code != string(s) || x.Word == "" || x.Word == x.Code || x.Sentence == "" || len(x.Next) == 0 || words[x.Word] {
			t.Errorf("%s: %+v", s, x)
		}
		words[x.Word] = true
		retry := false
		for _, a := range x.Next {
			retry = retry || a == workflow.ActRetry
		}
		if retry != (workflow.Run{State: s}.RetryNote() != "") {
			t.Errorf("%s: a retry is offered %t, and it says %q", s, retry, workflow.Run{State: s}.RetryNote())
		}
	}
}

func TestEnding(t *testing.T) {
	t.Parallel()
	code := func(c string) error { return fault.New(fault.Conflict, "x").WithCode(c) }
	for want, err := range map[workflow.RunState]error{
		workflow.RunDone: nil, workflow.RunFailed: errors.New("x"), workflow.RunSuperseded: code("superseded"),
		workflow.RunUnknown: code("outcome_unknown"), workflow.RunCancelled: code("cancelled"), workflow.RunCrashed: code("crashed"),
	} {
		if got := workflow.Ending(err); got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
}

func TestTiming(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	call := func(kind, method string, ms int) workflow.Call {
		return workflow.Call{Kind: kind, Method: method, Duration: time.Duration(ms) * time.Millisecond}
	}
	s := workflow.Step{
		StartedAt: start, EndedAt: start.Add(100 * time.Millisecond),
		Calls: []workflow.Call{call("sign-in", "POST", 10), call("call", "GET", 20), call("call", "PUT", 30), call("call", "GET", 5)},
	}
	want := workflow.Timing{Exchange: 10 * time.Millisecond, Call: 50 * time.Millisecond, ReadBack: 5 * time.Millisecond, Waited: 35 * time.Millisecond}
	if got := s.Timing(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

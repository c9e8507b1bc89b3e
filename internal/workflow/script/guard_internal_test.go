package script

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Should a script find a way to keep the engine busy for ever, its run ends all
// the same, and the machine is freed when it does stop.
func TestARunEndsWithoutAMachineThatDoesNotStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, err := begin(&Program{}, Input{Limits: Limits{CPU: time.Second}})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		release := make(chan struct{})

		err = r.enter(func() error { <-release; return nil })

		e, ok := errors.AsType[*RunError](err)
		if !ok || e.Limit != LimitCPU {
			t.Errorf("error %v, want the limit CPU", err)
		}
		if took := time.Since(began); took != time.Second+despair {
			t.Errorf("took %v, want %v", took, time.Second+despair)
		}
		r.close()
		select {
		case <-r.over:
			t.Fatal("the machine was freed while it was busy")
		default:
		}
		close(release)
		<-r.over
	})
}

// A failure of the engine ends the run, not the process.
func TestAFailureOfTheEngineIsAnError(t *testing.T) {
	t.Parallel()
	r, err := begin(&Program{}, Input{})
	if err != nil {
		t.Fatal(err)
	}

	err = r.enter(func() error { panic("wild pointer") })

	if err == nil || err.Error() != "the JavaScript engine failed: wild pointer" {
		t.Errorf("error %v", err)
	}
	r.close()
	<-r.over
}

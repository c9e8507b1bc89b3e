package provision_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/engine"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/provision"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/internal/workflow"
)

// start runs a manual workflow and waits for its end.
func (r *rig) start() workflow.Run {
	r.t.Helper()
	run, err := r.Start(r.t.Context(), ana, "wfl_hand", []byte(`{"n":7}`))
	r.must(err)
	return r.over(run.ID, run.ID)
}

// over waits for the end of a job and returns its run.
func (r *rig) over(job, run string) workflow.Run {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	_, err := r.engine.Wait(ctx, job)
	r.must(err)
	return r.run(run)
}

func code(err error) string {
	if err == nil {
		return ""
	}
	return fault.Public(err).Code
}

// A run is retried by the rule of what it is for, whoever asks: a manual one with
// the inputs it had, one for a grant by the grant's rule. What is not to be retried
// says why, and MayRetry says the same.
func TestRetry(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		r := newRig(t, cfg)
		fails := func(context.Context, workflow.Task) (string, error) {
			return "", fault.New(fault.Upstream, "No.").WithCode("no")
		}
		done := r.start()
		r.does(fails)
		failed, grant := r.start(), r.ask()
		r.does(succeed)
		if got, err := r.db.Events(t.Context(), audit.Filter{Kinds: []string{string(provision.RunFailed)}}); err != nil || len(got) != 1 || got[0].Subject != "run:"+failed.ID {
			t.Errorf("told of what failed: %+v, %v", got, err)
		}
		late := failed // as another node that reports it, too late
		late.State = workflow.RunDone
		r.must(r.db.SaveRun(t.Context(), late, audit.Event{At: time.Now(), Kind: provision.RunFailed, Actor: "system", Subject: "run:" + failed.ID}))
		if got, err := r.db.Events(t.Context(), audit.Filter{Kinds: []string{string(provision.RunFailed)}}); err != nil || len(got) != 1 || r.run(failed.ID).State != workflow.RunFailed {
			t.Errorf("told twice: %+v, %v", got, err)
		}
		rita := identity.Actor{Person: "usr_rita", Scopes: []identity.Scope{identity.ScopeRequestsWrite}}

		for name, c := range map[string]struct {
			who  identity.Actor
			run  string
			want string
		}{
			"one that is done":                   {ana, done.ID, "not_retryable"},
			"a manual one by somebody else":      {rita, failed.ID, "forbidden"},
			"one for a grant by somebody else":   {rita, grant.Run, "not_yours"},
			"one with a token that may only see": {identity.Actor{Person: "usr_ana", Admin: true}, grant.Run, "scope_missing"},
		} {
			_, err := r.p.Retry(t.Context(), c.who, c.run)
			may := r.p.MayRetry(t.Context(), c.who, r.run(c.run))
			if c.want == "forbidden" {
				if !errors.Is(err, fault.Forbidden) || !errors.Is(may, fault.Forbidden) {
					t.Errorf("%s: %v, %v", name, err, may)
				}
			} else if code(err) != c.want || code(may) != c.want {
				t.Errorf("%s: %v, may: %v", name, err, may)
			}
		}
		again, err := r.p.Retry(t.Context(), ana, failed.ID)
		r.must(err)
		if _, err := r.p.Retry(t.Context(), ana, failed.ID); code(err) != "already_retried" {
			t.Errorf("the manual one twice: %v", err)
		}
		if got := r.over(again.ID, again.ID); got.State != workflow.RunDone || got.RetryOf != failed.ID || got.Input != failed.Input {
			t.Errorf("the manual one again: %+v", got)
		}
		next, err := r.p.Retry(t.Context(), ana, grant.Run)
		r.must(err)
		if got := r.over(next.ID, next.ID); got.State != workflow.RunDone || got.RetryOf != grant.Run || r.grant(grant.ID).State != access.GrantActive {
			t.Errorf("the one for a grant again: %+v, %s", got, r.grant(grant.ID).State)
		}
		_, err = r.p.Retry(t.Context(), ana, grant.Run)
		if may := r.p.MayRetry(t.Context(), ana, r.run(grant.Run)); code(err) != "not_the_last_run" || code(may) != "not_the_last_run" {
			t.Errorf("one after which there was another: %v, %v", err, may)
		}
	})
}

// A run that is cancelled after its last step was recorded is done: it says what
// is true, and its grant is active.
func TestCancelAfterTheLastStep(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		r := newRig(t, cfg)
		reached := make(chan struct{})
		late := func(ctx context.Context, _ workflow.Task) (string, error) { // all was done; it only could not say so
			reached <- struct{}{}
			<-ctx.Done()
			return "", ctx.Err()
		}
		cancel := func(id string) workflow.Run {
			<-reached
			run, err := r.p.Cancel(t.Context(), ana, id)
			r.must(err)
			return run
		}

		r.does(late)
		r.settle = succeed
		req, err := r.access.File(t.Context(), ana, access.Ask{Role: r.role, Person: "usr_rita", Reason: "Q4"})
		r.must(err)
		granted := cancel(r.grant(req.Grant).Run)
		manual, err := r.Start(t.Context(), ana, "wfl_hand", []byte(`{}`))
		r.must(err)
		started := cancel(manual.ID)

		for _, run := range []workflow.Run{granted, started} {
			if run.State != workflow.RunDone || run.CancelledBy != "" || run.EndedAt.IsZero() || run.Output == "" {
				t.Errorf("a run of which all was recorded: %+v", run)
			}
		}
		if g := r.grant(req.Grant); g.State != access.GrantActive {
			t.Errorf("its grant is %s", g.State)
		}
		r.mu.Lock()
		r.settle = nil
		r.mu.Unlock()
		manual, err = r.Start(t.Context(), ana, "wfl_hand", []byte(`{}`))
		r.must(err)
		if run := cancel(manual.ID); run.State != workflow.RunCancelled || run.CancelledBy != "usr_ana" || run.Problem.Code != "cancelled" {
			t.Errorf("a run that had more to do: %+v", run)
		}
	})
}

// oom_keeps_record: a manual run whose process dies of it does not stay under way
// for ever. What its recorded steps came to is what it says.
func TestStartedRunThatEndsWithoutAWord(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		r := newRig(t, cfg)
		r.does(func(context.Context, workflow.Task) (string, error) { panic("out of memory") })
		lost, wordless := r.start(), r.start()
		if lost.State != workflow.RunRunning {
			t.Fatalf("before anybody looks: %s", lost.State)
		}
		r.settle = func(_ context.Context, t workflow.Task) (string, error) {
			if t.Run == lost.ID {
				return "", fault.New(fault.Upstream, "No such project.").WithCode("no")
			}
			return `{"n":7}`, nil
		}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { r.p.Expire(ctx) }) // looks at once
		late, again := time.After(time.Minute), time.NewTicker(10*time.Millisecond)
		defer again.Stop()
		for !r.run(lost.ID).State.Ended() || !r.run(wordless.ID).State.Ended() {
			select {
			case <-late:
				t.Fatal("nobody looked")
			case <-again.C:
			}
		}
		stop()
		wg.Wait()

		if got := r.run(lost.ID); got.State != workflow.RunFailed || got.Problem.Code != "no" {
			t.Errorf("one whose failure was recorded: %+v", got)
		}
		if got := r.run(wordless.ID); got.State != workflow.RunDone || got.Output != `{"n":7}` {
			t.Errorf("one of which all was recorded: %+v", got)
		}
	})
}

// A run of a person or the clock is retried once, also by many at a time: what it
// did not do is not done twice. Only the last of its retries can be retried.
func TestStartedRunIsRetriedOnce(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		r := newRig(t, cfg)
		r.does(func(context.Context, workflow.Task) (string, error) {
			return "", fault.New(fault.Upstream, "No.").WithCode("no")
		})
		failed := r.start()
		made := make(chan workflow.Run, 4)
		var wg sync.WaitGroup
		for range cap(made) {
			wg.Go(func() {
				run, err := r.p.Retry(t.Context(), ana, failed.ID)
				if err == nil {
					made <- run
				} else if code(err) != "already_retried" {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		close(made)
		var second workflow.Run
		for run := range made {
			if second.ID != "" {
				t.Errorf("%s and %s were made in its place", second.ID, run.ID)
			}
			second = run
		}
		second = r.over(second.ID, second.ID)
		if second.RetryOf != failed.ID || second.State != workflow.RunFailed {
			t.Fatalf("%+v", second)
		}

		r.does(succeed)
		_, again := r.p.Retry(t.Context(), ana, failed.ID)
		next, err := r.p.Retry(t.Context(), ana, second.ID)
		if err != nil || code(again) != "already_retried" || next.RetryOf != second.ID {
			t.Fatalf("all that failed: %v, %+v, %v", again, next, err)
		}
		if f := fault.Public(again); !strings.Contains(f.Message, second.ID) || !strings.Contains(f.Hint, "margay run retry "+second.ID) {
			t.Errorf("does not name the one to retry: %+v", f)
		}
		third := r.over(next.ID, next.ID)
		for _, id := range []string{failed.ID, second.ID} {
			_, err := r.p.Retry(t.Context(), ana, id)
			if f := fault.Public(err); f.Code != "already_retried" || !strings.Contains(f.Message, third.ID+" is the last in its place: done") {
				t.Errorf("%s again: %v", id, err)
			}
		}
		if runs, err := r.db.Runs(t.Context(), workflow.RunFilter{Kind: workflow.KindManual}); err != nil || len(runs) != 3 {
			t.Errorf("%d runs, %v", len(runs), err)
		}
	})
}

// ux.md §4: a run of a kind that this program does not know says for what it
// waits, and that it waits. A program that knows it carries it out.
func TestParkedRunSaysForWhatItWaits(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		r := newRig(t, cfg)
		grant := r.ask()
		r.must(r.db.Change(t.Context(), func(tx access.Tx) error {
			job := access.Job{Run: "run_new", Kind: "of tomorrow", Grant: grant.ID, App: grant.App, Person: grant.Person}
			return errors.Join(tx.Enqueue(t.Context(), job), tx.Record(t.Context(), audit.Event{Kind: "k", Subject: "grant:" + string(grant.ID)}))
		}))
		until := func(what string, done func() bool) {
			t.Helper()
			late, again := time.After(time.Minute), time.NewTicker(10*time.Millisecond)
			defer again.Stop()
			for !done() {
				select {
				case <-late:
					t.Fatal("never: ", what)
				case <-again.C:
				}
			}
		}
		until("parked", func() bool {
			j, err := r.engine.Job(t.Context(), "run_new")
			return err == nil && j.State == engine.Parked
		})
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { r.p.Expire(ctx) }) // looks at once
		until("told", func() bool { return r.run("run_new").WaitsFor != "" })
		stop()
		wg.Wait()

		svc := workflow.NewService(r.db, nil, time.Now, nil)
		run, _, err := svc.Run(t.Context(), ana, "run_new")
		listed, errList := svc.List(t.Context(), ana, workflow.RunFilter{ID: "run_new"})
		if err != nil || errList != nil || len(listed) != 1 || run.State != workflow.RunWaiting || listed[0].State != workflow.RunWaiting || run.WaitsFor != workflow.WaitsForProgram {
			t.Errorf("%+v, %+v, %v, %v", run, listed, err, errList)
		}
		waiting := workflow.RunFilter{State: workflow.RunWaiting}
		found, err := svc.List(t.Context(), ana, waiting)
		tallies, errTallies := svc.Tallies(t.Context(), ana, waiting)
		if err != nil || errTallies != nil || len(found) != 1 || found[0].ID != "run_new" || len(tallies) != 1 || tallies[0].State != workflow.RunWaiting || tallies[0].Runs != 1 {
			t.Errorf("those that wait are %+v, counted as %+v, %v, %v", found, tallies, err, errTallies)
		}
		_, err = r.db.BeginRun(t.Context(), workflow.Beginning{Run: "run_new", At: time.Now()})
		r.must(err)
		r.must(r.db.WaitFor(t.Context(), "run_new", workflow.WaitsForProgram)) // by a node that comes late
		if run := r.run("run_new"); run.State != workflow.RunRunning || run.WaitsFor != "" {
			t.Errorf("one that has begun: %+v", run)
		}
	})
}

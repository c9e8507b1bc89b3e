package access_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

func grantStates() []access.GrantState {
	return []access.GrantState{
		access.GrantSettingUp, access.GrantActive, access.GrantNotSetUp, access.GrantEnding, access.GrantOverdue, access.GrantEnded,
	}
}

// Every state of a grant by every act: what comes of it, or the code of the
// refusal. A state without a way out would show here.
func TestGrantStates(t *testing.T) {
	t.Parallel()
	type outcome = string // the next state, or "!" and a code
	acts := map[string]func(w *world, g access.Grant) (access.Grant, error){
		"revoke": func(w *world, g access.Grant) (access.Grant, error) {
			return w.svc.Revoke(w.t.Context(), as(rita), g.ID, "done early")
		},
		"retry": func(w *world, g access.Grant) (access.Grant, error) {
			return w.svc.Retry(w.t.Context(), as(olga), g.ID)
		},
		"expire": func(w *world, g access.Grant) (access.Grant, error) {
			w.pass(2 * time.Hour)
			_, err := w.svc.ExpireDue(w.t.Context(), 1000)
			return w.grant(g.ID), err
		},
		"report ok": func(w *world, g access.Grant) (access.Grant, error) { return w.done(g), nil },
		"report failure": func(w *world, g access.Grant) (access.Grant, error) {
			return w.failed(g), nil
		},
	}
	const (
		settingUp = string(access.GrantSettingUp)
		active    = string(access.GrantActive)
		notSetUp  = string(access.GrantNotSetUp)
		ending    = string(access.GrantEnding)
		overdue   = string(access.GrantOverdue)
		ended     = string(access.GrantEnded)
	)
	want := map[access.GrantState]map[string]outcome{
		access.GrantSettingUp: {"revoke": ending, "retry": "!nothing_to_retry", "expire": settingUp, "report ok": active, "report failure": notSetUp},
		access.GrantActive:    {"revoke": ending, "retry": "!nothing_to_retry", "expire": ending, "report ok": active, "report failure": active},
		access.GrantNotSetUp:  {"revoke": ending, "retry": settingUp, "expire": notSetUp, "report ok": notSetUp, "report failure": notSetUp},
		access.GrantEnding:    {"revoke": "!ending", "retry": "!nothing_to_retry", "expire": ending, "report ok": ended, "report failure": overdue},
		access.GrantOverdue:   {"revoke": "!ending", "retry": overdue, "expire": overdue, "report ok": ended, "report failure": overdue},
		access.GrantEnded:     {"revoke": "!ended", "retry": "!nothing_to_retry", "expire": ended, "report ok": ended, "report failure": ended},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour})
		for _, state := range grantStates() {
			for name, act := range acts {
				t.Run(fmt.Sprintf("%s/%s", state, name), func(t *testing.T) {
					before := w.inState(rita, role, state)
					if before.State != state {
						t.Fatalf("made %s", before.State)
					}
					events := len(w.kinds("grant:" + string(before.ID)))

					got, err := act(w, before)

					result := string(got.State)
					if err != nil {
						result = "!" + fault.Public(err).Code
						got = w.grant(before.ID)
					}
					if result != want[state][name] {
						t.Fatalf("%s (%v), want %s", result, err, want[state][name])
					}
					if diff := cmp.Diff(got, w.grant(before.ID)); diff != "" {
						t.Errorf("what was returned is not what was kept:\n%s", diff)
					}
					// A change has its event; where the run is another, it has its job.
					if changed := got.State != before.State || got.Run != before.Run; changed != (len(w.kinds("grant:"+string(before.ID))) > events) {
						t.Errorf("changed: %v, events %v", changed, w.kinds("grant:"+string(before.ID)))
					}
					if job := w.job(got.Run); job.Grant != got.ID || got.Attempts != job.Attempt {
						t.Errorf("the job of its run is %+v, attempts %d", job, got.Attempts)
					}
				})
			}
		}
		w.verify()
	})
}

// §0.5, 4.4: an end that fails is tried again after 1, 5, 15 and 60 minutes and
// then each hour, without end.
func TestAFailedEndIsRetriedForEver(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		g := w.inState(rita, w.role(access.Policy{Longest: time.Hour}), access.GrantEnding)
		want := []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute}
		for len(want) < 30 {
			want = append(want, time.Hour)
		}

		for i, delay := range want {
			before := g
			g = w.failed(g)

			job := w.job(g.Run)
			if g.State != access.GrantOverdue || g.Run == before.Run || job.Delay != delay || job.Attempt != i+2 || job.Kind != access.JobDeprovision {
				t.Fatalf("after failure %d: %s, job %+v, want a delay of %v", i+1, g.State, job, delay)
			}
			run, err := db.Run(t.Context(), g.Run)
			w.must(err)
			if got := run.NotBefore.Sub(run.QueuedAt); got != delay {
				t.Fatalf("the row says %v", got)
			}
			w.must(w.svc.StillWanted(t.Context(), g.Run, access.JobDeprovision, g.ID))
		}
		// One that waits for an administrator to resume the connection looks more often.
		if g = w.report(g, &access.Problem{Code: "paused", Message: "m"}); w.job(g.Run).Delay != 15*time.Minute {
			t.Errorf("paused: tried again after %v", w.job(g.Run).Delay)
		}
		if g = w.done(g); g.State != access.GrantEnded || g.Problem != (access.Problem{}) {
			t.Errorf("at last: %s, %+v", g.State, g.Problem)
		}
	})
}

// retry_uniqueness: two who retry in one moment make one run, and the earlier
// run that was held back writes nothing any more.
func TestRetryUniqueness(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour})
		for range 20 {
			g := w.inState(rita, role, access.GrantNotSetUp)
			retry := func() error { _, err := w.svc.Retry(t.Context(), as(olga), g.ID); return err }

			errs := together(retry, retry, retry)

			won := slices.IndexFunc(errs, func(err error) bool { return err == nil })
			for i, err := range errs {
				if i != won && (!errors.Is(err, fault.Conflict) || fault.Public(err).Code != "nothing_to_retry") {
					t.Errorf("a loser was told %v", err)
				}
			}
			if n := len(w.runs(g.ID)); n != 2 || won < 0 {
				t.Fatalf("%d runs, winner %d", n, won)
			}
		}
		if again := w.failed(w.inState(rita, role, access.GrantSettingUp)); again.Attempts != 1 {
			t.Errorf("the first attempt is number %d", again.Attempts)
		} else if again, err := w.svc.Retry(t.Context(), as(olga), again.ID); err != nil || again.Attempts != 2 || w.job(again.Run).Attempt != 2 {
			t.Errorf("the second is number %d, %v", again.Attempts, err)
		}
		overdue := w.inState(rita, role, access.GrantOverdue)
		again, err := w.svc.Retry(t.Context(), as(olga), overdue.ID)
		w.must(err)
		if err := w.svc.StillWanted(t.Context(), overdue.Run, access.JobDeprovision, overdue.ID); !errors.Is(err, access.ErrSuperseded) {
			t.Errorf("the run that was held back may still write: %v", err)
		}
		if got := w.failed(overdue); got.State != access.GrantOverdue || got.Run != again.Run {
			t.Errorf("a late word of it took the grant to %s, run %s", got.State, got.Run)
		}
	})
}

// duration_from_approval: three hours that were asked for are three hours from
// when the access was confirmed, however long approval and set-up took.
func TestDurationFromApproval(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		req := w.file(rita, access.Ask{Role: w.role(access.Policy{Longest: 3 * time.Hour, Steps: []access.Step{by(bo)}})})
		w.pass(30 * time.Minute)
		req, err := w.svc.Approve(t.Context(), as(bo), req.ID, nil, "")
		w.must(err)
		w.pass(10 * time.Minute)
		g := w.done(w.grant(req.Grant))

		if left := g.EndsAt.Sub(w.clock()); left != 3*time.Hour {
			t.Errorf("%v left", left)
		}
		w.pass(3*time.Hour - time.Millisecond)
		if n, err := w.svc.ExpireDue(t.Context(), 10); n != 0 || err != nil {
			t.Errorf("%d ended before their time, %v", n, err)
		}
		w.pass(time.Millisecond)
		if n, err := w.svc.ExpireDue(t.Context(), 10); n != 1 || err != nil {
			t.Errorf("%d ended at their time, %v", n, err)
		}
	})
}

// O18: a clock that goes back ends nothing early and forgets nothing.
func TestClockGoesBack(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		g := w.inState(rita, w.role(access.Policy{Longest: time.Hour}), access.GrantActive)
		w.pass(-24 * time.Hour)
		if n, err := w.svc.ExpireDue(t.Context(), 10); n != 0 || err != nil {
			t.Errorf("%d ended, %v", n, err)
		}
		w.pass(25 * time.Hour)
		if n, err := w.svc.ExpireDue(t.Context(), 10); n != 1 || err != nil {
			t.Errorf("%d ended, %v", n, err)
		}
		if got := w.grant(g.ID); got.State != access.GrantEnding || got.EndReason != access.ReasonExpired {
			t.Errorf("%s, %s", got.State, got.EndReason)
		}
		w.verify()
	})
}

// all_records: 50 grants whose time is over in one tick become 50 runs, also
// when the tick takes them in parts and two nodes look at once.
func TestAllRecords(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour})
		for range 50 {
			w.inState(rita, role, access.GrantActive)
		}
		w.pass(time.Hour)

		tick := func() error {
			for {
				if n, err := w.svc.ExpireDue(t.Context(), 7); n == 0 || err != nil {
					return err
				}
			}
		}
		for _, err := range together(tick, tick) {
			w.must(err)
		}

		ends := map[access.GrantID]int{}
		for _, job := range w.jobs {
			if job.Kind == access.JobDeprovision && job.Trigger == "expiry" {
				ends[job.Grant]++
			}
		}
		for g, n := range ends {
			if runs := w.runs(g); n != 1 || len(runs) != 2 {
				t.Errorf("grant %s has %d jobs to end it, %d runs", g, n, len(runs))
			}
		}
		if len(ends) != 50 {
			t.Errorf("%d of 50 end", len(ends))
		}
	})
}

// One record that cannot be handled does not keep the others (all_records).
func TestOneBadRecordKeepsNoOther(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour})
		bad := w.inState(rita, role, access.GrantActive)
		for range 4 {
			w.inState(sam, role, access.GrantActive)
		}
		w.pass(time.Hour)
		w.refuse = func(j access.Job) error {
			if j.Grant == bad.ID {
				return errEngine
			}
			return nil
		}

		n, err := w.svc.ExpireDue(t.Context(), 100)

		if n != 4 || !errors.Is(err, errEngine) {
			t.Errorf("%d ended, %v", n, err)
		}
		if got := w.grant(bad.ID); got.State != access.GrantActive {
			t.Errorf("the bad one is %s without a run", got.State)
		}
		w.refuse = nil
		w.pass(5 * time.Second)
		if n, err := w.svc.ExpireDue(t.Context(), 100); n != 1 || err != nil {
			t.Errorf("%d ended once it could be, %v", n, err)
		}

		// Nor where access begins.
		starts := w.clock().Add(time.Hour)
		bad = w.grant(w.file(rita, access.Ask{Role: role, Starts: starts}).Grant)
		w.file(sam, access.Ask{Role: role, Starts: starts.Add(time.Second)})
		w.file(cy, access.Ask{Role: role, Starts: starts.Add(time.Second)})
		w.pass(2 * time.Hour)
		w.refuse = func(j access.Job) error {
			if j.Grant == bad.ID {
				return errEngine
			}
			return nil
		}
		n, err = w.svc.BeginDue(t.Context(), 100)
		if n != 2 || !errors.Is(err, errEngine) || !strings.Contains(err.Error(), string(bad.ID)) {
			t.Errorf("%d began, %v", n, err)
		}
		w.refuse = nil
		w.pass(5 * time.Second)
		if n, err := w.svc.BeginDue(t.Context(), 100); n != 1 || err != nil {
			t.Errorf("%d began once it could, %v", n, err)
		}
	})
}

// overlap_expiry: what still holds when the first of two grants ends is told to
// the run that ends it, and nothing else is.
func TestOverlapExpiry(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour})
		longer := w.role(access.Policy{Longest: 2 * time.Hour})
		beside := w.roleOf(w.newApp("Another app", "con_1"), access.Policy{Longest: 2 * time.Hour})
		elsewhere := w.roleOf(w.newApp("Another site", "con_2"), access.Policy{Longest: 2 * time.Hour})
		first := w.inState(rita, role, access.GrantActive)
		second := w.inState(rita, longer, access.GrantActive)
		w.inState(rita, longer, access.GrantNotSetUp)
		w.inState(rita, longer, access.GrantEnding)
		w.inState(rita, longer, access.GrantEnded)
		w.inState(sam, longer, access.GrantActive)
		third := w.inState(rita, beside, access.GrantActive)
		w.inState(rita, elsewhere, access.GrantActive)
		w.pass(time.Hour)
		n, err := w.svc.ExpireDue(t.Context(), 10)
		w.must(err)
		first = w.grant(first.ID)

		facts, err := w.svc.Facts(t.Context(), first.Run, access.JobDeprovision, first.ID)

		w.must(err)
		if n != 1 || len(facts.Remaining) != 2 || facts.Remaining[0].ID != third.ID || facts.Remaining[1].ID != second.ID {
			t.Errorf("%d ended; remaining %+v", n, facts.Remaining)
		}
		if facts.Person.ID != rita || facts.Requester.ID != rita || facts.App.ID != w.app.ID || facts.Role.ID != role || facts.Request.ID != first.Request {
			t.Errorf("facts %+v", facts)
		}
	})
}

// An app is not bound to another connection while access of it has not ended.
// Of one that was, by an older version: its grants end where they began, and what
// is granted on the new site is none of their facts.
func TestAppBoundToAnotherConnection(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour})
		w.app.Version = 0 // whatever is stored
		moved := w.app
		moved.Connection = "con_2"
		for state, live := range map[access.GrantState]bool{
			access.GrantSettingUp: true, access.GrantActive: true, access.GrantEnding: true, access.GrantOverdue: true, access.GrantEnded: false, access.GrantNotSetUp: false,
		} {
			g := w.inState(sam, role, state)
			_, err := w.svc.SaveApp(t.Context(), as(ana), moved)
			if live {
				wantFault(t, err, fault.Conflict, "in_use")
				if got := fault.Public(err).Message; got != "1 grant of Tableau is live on the connection that it is bound to." {
					t.Errorf("%s: %s", state, got)
				}
				g.State = access.GrantEnded
				w.must(db.Change(t.Context(), func(tx access.Tx) error { return tx.SaveGrant(t.Context(), g) }))
				continue
			}
			w.must(err)
			_, err = w.svc.SaveApp(t.Context(), as(ana), w.app)
			w.must(err)
		}
		before := w.inState(rita, role, access.GrantActive)
		w.inState(sam, role, access.GrantActive)
		_, err := w.svc.SaveApp(t.Context(), as(ana), moved)
		if got := fault.Public(err).Message; got != "2 grants of Tableau are live on the connection that it is bound to." {
			t.Error(got)
		}
		w.must(db.Change(t.Context(), func(tx access.Tx) error { return tx.SaveApp(t.Context(), moved) }))
		moved.Name = "Moved" // what is bound already is not held up
		_, err = w.svc.SaveApp(t.Context(), as(ana), moved)
		w.must(err)
		after := w.inState(rita, role, access.GrantActive)
		g, err := w.svc.Revoke(t.Context(), as(rita), before.ID, "")
		w.must(err)

		facts, err := w.svc.Facts(t.Context(), g.Run, access.JobDeprovision, g.ID)

		w.must(err)
		if facts.Grant.Connection != "con_1" || after.Connection != "con_2" || len(facts.Remaining) != 0 {
			t.Errorf("on %s, the new one on %s; remaining %+v", facts.Grant.Connection, after.Connection, facts.Remaining)
		}
	})
}

// S97: a role that is renamed or closed meanwhile: what was granted keeps the
// name it was granted with.
func TestRenamedAndClosedRole(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		id := w.role(access.Policy{Longest: time.Hour, Steps: []access.Step{by(bo)}})
		role, err := w.svc.Role(t.Context(), id)
		w.must(err)
		old := role.Name
		req := w.file(rita, access.Ask{Role: id})
		role.Name, role.Closed = "Another name", true
		_, err = w.svc.SaveRole(t.Context(), as(ana), role)
		w.must(err)

		req, err = w.svc.Approve(t.Context(), as(bo), req.ID, nil, "")

		w.must(err)
		if g := w.grant(req.Grant); g.RoleName != old {
			t.Errorf("granted as %q, asked for as %q", g.RoleName, old)
		}
	})
}

// grant_revoke_conflict: of confirm and revoke in one moment, whichever comes
// first, the grant ends up ending with one run that is wanted.
func TestGrantRevokeConflict(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour})
		for range 30 {
			g := w.granted(rita, role)
			errs := together(
				func() error {
					_, err := w.svc.Report(t.Context(), access.Outcome{
						Run: g.Run, Kind: access.JobProvision, Grant: g.ID, Proof: access.Proof{Role: "x", Note: "done", At: w.clock()},
					})
					return err
				},
				func() error { _, err := w.svc.Revoke(t.Context(), as(rita), g.ID, ""); return err },
			)

			got := w.grant(g.ID)
			if errors.Join(errs...) != nil || got.State != access.GrantEnding || got.Run == g.Run {
				t.Fatalf("%v, %s", errs, got.State)
			}
			// The job of the first run may come late: it must write nothing (G5).
			if err := w.svc.StillWanted(t.Context(), g.Run, access.JobProvision, g.ID); !errors.Is(err, access.ErrSuperseded) {
				t.Fatalf("the overtaken run may write: %v", err)
			}
			if w.done(got).State != access.GrantEnded {
				t.Fatal("it does not end")
			}
		}
		w.verify()
	})
}

// A report is taken in once, however often and by however many it is made.
func TestReportOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		g := w.inState(rita, w.role(access.Policy{Longest: time.Hour}), access.GrantEnding)
		o := access.Outcome{Run: g.Run, Kind: access.JobDeprovision, Grant: g.ID, Problem: &access.Problem{Code: "x", Message: "no"}}
		report := func() error { _, err := w.svc.Report(t.Context(), o); return err }

		w.must(errors.Join(together(report, report, report)...))
		w.must(report())

		kinds := w.kinds("grant:" + string(g.ID))
		if got := w.grant(g.ID); got.Attempts != 2 || len(w.runs(g.ID)) != 3 || kinds[len(kinds)-1] != access.GrantIsOverdue {
			t.Errorf("attempts %d, %d runs, events %v", got.Attempts, len(w.runs(g.ID)), kinds)
		}
		if n := len(slices.DeleteFunc(kinds, func(k audit.Kind) bool { return k != access.GrantIsOverdue })); n != 1 {
			t.Errorf("%d events tell of one failure", n)
		}
	})
}

// Facts are for the one run that the grant waits for, and for what it is to do.
func TestFactsOfARunThatIsNotWanted(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour})
		for _, state := range grantStates() {
			g := w.inState(rita, role, state)
			for _, kind := range []access.JobKind{access.JobProvision, access.JobDeprovision} {
				want := kind == access.JobProvision && state == access.GrantSettingUp ||
					kind == access.JobDeprovision && (state == access.GrantEnding || state == access.GrantOverdue)

				_, err := w.svc.Facts(t.Context(), g.Run, kind, g.ID)

				if (err == nil) != want || err != nil && !errors.Is(err, access.ErrSuperseded) {
					t.Errorf("%s of a grant that is %s: %v", kind, state, err)
				}
				if still := w.svc.StillWanted(t.Context(), g.Run, kind, g.ID); (still == nil) != want {
					t.Errorf("%s of a grant that is %s, still wanted: %v", kind, state, still)
				}
			}
			if err := w.svc.StillWanted(t.Context(), "run_other", access.JobProvision, g.ID); !errors.Is(err, access.ErrSuperseded) {
				t.Errorf("another run: %v", err)
			}
		}
	})
}

// Somebody who is disabled while their access is set up, or before it is tried
// again, is given none; what they have is still taken back.
func TestDisabledWhileUnderway(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour})
		underway, failed := w.inState(rita, role, access.GrantSettingUp), w.inState(rita, role, access.GrantNotSetUp)
		active := w.inState(rita, role, access.GrantActive)
		w.disable(rita)

		_, err := w.svc.Facts(t.Context(), underway.Run, access.JobProvision, underway.ID)
		wantFault(t, err, fault.Conflict, "person_disabled")
		_, err = w.svc.Retry(t.Context(), as(ana), failed.ID)
		wantFault(t, err, fault.Conflict, "person_disabled")

		w.pass(time.Hour)
		if n, err := w.svc.ExpireDue(t.Context(), 10); n != 1 || err != nil {
			t.Errorf("%d ended, %v", n, err)
		}
		active = w.grant(active.ID)
		if _, err := w.svc.Facts(t.Context(), active.Run, access.JobDeprovision, active.ID); err != nil {
			t.Errorf("the end of their access: %v", err)
		}
	})
}

// history_survives_expiry: a request and its grant can be read 13 months later,
// with all that was decided and done.
func TestHistorySurvivesExpiry(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		g := w.inState(rita, w.role(access.Policy{Longest: time.Hour}), access.GrantEnded)
		w.pass(13 * 30 * 24 * time.Hour)
		if _, err := w.svc.ExpireDue(t.Context(), 10); err != nil {
			t.Error(err)
		}

		r, err := w.svc.Request(t.Context(), as(rita), g.Request)

		want := []audit.Kind{access.GrantProvisioning, access.GrantActivated, access.GrantRevoked, access.GrantHasEnded}
		if err != nil || r.Grant != g.ID || !slices.Equal(w.kinds("grant:"+string(g.ID)), want) || len(w.runs(g.ID)) != 2 {
			t.Errorf("%v: %+v, events %v", err, r, w.kinds("grant:"+string(g.ID)))
		}
	})
}

// G6: what does not get on, on one connection, holds up the ends of no other, and
// what people do by hand holds up none.
func TestExpirePaced(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		slow := w.role(access.Policy{Longest: time.Hour})
		healthy := w.roleOf(w.newApp("Healthy", "con_2"), access.Policy{Longest: time.Hour})
		pace := func() access.Pace { return access.Pace{Each: 2, Since: w.clock().Add(-20 * time.Second)} }
		expire := func(limit, want int) {
			t.Helper()
			if n, err := w.svc.ExpirePaced(t.Context(), limit, pace()); n != want || err != nil {
				t.Errorf("%d ended, %v; want %d", n, err, want)
			}
		}
		ending := func(role access.RoleID) (list []access.Grant) {
			t.Helper()
			list, err := w.svc.Grants(t.Context(), as(ana), access.GrantFilter{Role: role, States: []access.GrantState{access.GrantEnding}})
			w.must(err)
			return list
		}
		live := w.done(w.grant(w.file(rita, access.Ask{Role: slow}).Grant))
		w.done(w.grant(w.file(rita, access.Ask{Role: healthy}).Grant))
		w.must(db.Change(t.Context(), func(tx access.Tx) error {
			for i := range 4 { // they end before the one on the other connection
				g := live
				g.ID, g.EndsAt = access.GrantID(fmt.Sprintf("grt_z%d", i)), live.EndsAt.Add(-time.Minute)
				if err := tx.SaveGrant(t.Context(), g); err != nil {
					return err
				}
			}
			return nil
		}))
		w.pass(time.Hour)

		expire(1, 1)
		expire(100, 2) // one more there, and the one of the other connection
		if len(ending(slow)) != 2 || len(ending(healthy)) != 1 {
			t.Errorf("%d and %d are ending", len(ending(slow)), len(ending(healthy)))
		}
		expire(100, 0)
		// What is done by hand takes no place.
		byHand := ending(slow)[0]
		byHand.Task = "tsk_1"
		w.must(db.Change(t.Context(), func(tx access.Tx) error { return tx.SaveGrant(t.Context(), byHand) }))
		expire(100, 1)
		expire(100, 0)
		// Nor what has not got on for a while.
		w.pass(20 * time.Second)
		expire(100, 2)
	})
}

package access_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// Access that is asked for later begins by the clock, and its time when it is
// there.
func TestScheduled(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		starts := w.clock().Add(3 * time.Hour)
		role := w.role(access.Policy{Longest: time.Hour})
		g := w.grant(w.file(rita, access.Ask{Role: role, Starts: starts}).Grant)
		if g.State != access.GrantScheduled || !g.BeginsAt.Equal(starts) || g.Run != "" || len(w.runs(g.ID)) != 0 {
			t.Fatalf("agreed: %+v", g)
		}
		w.pass(3*time.Hour - time.Millisecond)
		if n, err := w.svc.BeginDue(t.Context(), 10); n != 0 || err != nil {
			t.Errorf("%d began before their time, %v", n, err)
		}
		w.pass(time.Millisecond)
		for _, want := range []int{1, 0} {
			if n, err := w.svc.BeginDue(t.Context(), 10); n != want || err != nil {
				t.Errorf("%d began, %v; want %d", n, err, want)
			}
		}
		g = w.grant(g.ID)
		if job := w.job(g.Run); g.State != access.GrantSettingUp || job.Kind != access.JobProvision || job.Trigger != "scheduled" {
			t.Fatalf("at its time: %+v, job %+v", g, job)
		}
		w.pass(time.Minute)
		if g = w.done(g); !g.EndsAt.Equal(w.clock().Add(time.Hour)) {
			t.Errorf("it ends %v", g.EndsAt)
		}

		// Ended before it began: the other system hears nothing of it.
		later := w.grant(w.file(sam, access.Ask{Role: role, Starts: w.clock().Add(time.Hour)}).Grant)
		later, err := w.svc.Revoke(t.Context(), as(sam), later.ID, "not needed")
		w.must(err)
		if later.State != access.GrantEnded || len(w.runs(later.ID)) != 0 || later.EndNote != "not needed" {
			t.Errorf("revoked before it began: %+v", later)
		}
		w.pass(2 * time.Hour)
		if n, err := w.svc.BeginDue(t.Context(), 10); n != 0 || err != nil {
			t.Errorf("%d began that were revoked, %v", n, err)
		}
		w.verify()
	})
}

// More time is asked for under the policy, and moves the end, not past the
// longest from now. Approved too late, it is access anew.
func TestExtend(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: 4 * time.Hour, Usual: time.Hour, Steps: []access.Step{by(bo)}})
		approve := func(r access.Request) access.Request {
			r, err := w.svc.Approve(t.Context(), as(bo), r.ID, nil, "")
			w.must(err)
			return r
		}
		extend := func(g access.Grant, length time.Duration) access.Request {
			r, err := w.svc.Extend(t.Context(), as(rita), g.ID, &length, "more")
			w.must(err)
			return r
		}
		first := approve(w.file(rita, access.Ask{Role: role}))
		g := w.done(w.grant(first.Grant))
		ends := g.EndsAt

		r := extend(g, 2*time.Hour)
		if r.Extends != g.ID || r.State != access.RequestWaiting || !w.grant(g.ID).EndsAt.Equal(ends) {
			t.Fatalf("asked for: %+v", r)
		}
		r = approve(r)
		if got := w.grant(g.ID); r.Grant != g.ID || !got.EndsAt.Equal(ends.Add(2*time.Hour)) || got.State != access.GrantActive || got.Run != g.Run {
			t.Errorf("extended: %s, grant %+v", r.Grant, got)
		}
		approve(extend(g, 4*time.Hour))
		if got := w.grant(g.ID); !got.EndsAt.Equal(w.clock().Add(4 * time.Hour)) {
			t.Errorf("past the longest: it ends %v, now is %v", got.EndsAt, w.clock())
		}
		if kinds := w.kinds("grant:" + string(g.ID)); !slices.Contains(kinds, access.GrantExtended) {
			t.Errorf("events %v", kinds)
		}

		// Who decides is told where the end is and where it would be; it may come
		// to less than what was asked for.
		w.pass(time.Hour)
		ends = w.grant(g.ID).EndsAt
		for more, want := range map[time.Duration]access.Extension{
			30 * time.Minute: {Begun: true, Ends: ends, Then: ends.Add(30 * time.Minute), Length: ends.Add(30 * time.Minute).Sub(g.StartsAt)},
			4 * time.Hour:    {Begun: true, Ends: ends, Then: w.clock().Add(4 * time.Hour), Length: w.clock().Add(4 * time.Hour).Sub(g.StartsAt), Capped: true},
		} {
			r := extend(g, more)
			v, err := w.svc.Review(t.Context(), as(bo), r.ID)
			all, listErr := w.svc.Extensions(t.Context(), []access.Request{r, first})
			if err != nil || listErr != nil || v.Extends == nil || len(all) != 1 || *v.Extends != all[r.ID] || !sameEnds(all[r.ID], want) {
				t.Errorf("%v more: %+v, %+v, %v, %v; want %+v", more, v.Extends, all, err, listErr, want)
			}
			_, err = w.svc.Withdraw(t.Context(), as(rita), r.ID)
			w.must(err)
		}

		// An extension that is approved after the end is access anew.
		late := extend(g, time.Hour)
		w.pass(4 * time.Hour)
		_, err := w.svc.ExpireDue(t.Context(), 10)
		w.must(err)
		w.done(w.grant(g.ID))
		late = approve(late)
		if late.Grant == g.ID || w.grant(late.Grant).State != access.GrantSettingUp || w.grant(g.ID).State != access.GrantEnded {
			t.Errorf("approved late: %s, the old one is %s", late.Grant, w.grant(g.ID).State)
		}
		if _, err := w.svc.Extend(t.Context(), as(rita), g.ID, nil, ""); fault.Public(err).Code != "not_extendable" {
			t.Errorf("extend what has ended: %v", err)
		}
		if _, err := w.svc.Extend(t.Context(), as(sam), late.Grant, nil, ""); !errors.Is(err, fault.NotFound) {
			t.Errorf("extend somebody else's: %v", err)
		}
	})
}

func sameEnds(a, b access.Extension) bool {
	return a.Begun == b.Begun && a.Ends.Equal(b.Ends) && a.Then.Equal(b.Then) && a.Length == b.Length && a.Capped == b.Capped
}

// Who ends access by hand does not leave a request behind whose approval would
// give it anew; the clock does.
func TestEndWithdrawsExtension(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		for name, end := range map[string]func(access.Grant) error{
			"its holder":   func(g access.Grant) error { _, err := w.svc.Revoke(ctx, as(rita), g.ID, ""); return err },
			"an owner":     func(g access.Grant) error { _, err := w.svc.Revoke(ctx, as(olga), g.ID, "no"); return err },
			"all of it":    func(access.Grant) error { _, err := w.svc.RevokeAll(ctx, as(ana), rita, "", false); return err },
			"by the clock": func(access.Grant) error { w.pass(time.Hour); _, err := w.svc.ExpireDue(ctx, 10); return err },
			"not at all":   func(access.Grant) error { return nil },
			"taken as over": func(g access.Grant) error {
				g.State, g.Outside = access.GrantChanged, access.Outside{Expected: g.RoleName, At: w.clock()}
				w.must(db.Change(ctx, func(tx access.Tx) error { return tx.SaveGrant(ctx, g) }))
				_, err := w.svc.AcceptChange(ctx, as(ana), g.ID, "", nil)
				return err
			},
		} {
			role := w.role(access.Policy{Longest: 4 * time.Hour, Usual: time.Hour, Steps: []access.Step{by(bo)}})
			first := w.file(rita, access.Ask{Role: role})
			first, err := w.svc.Approve(ctx, as(bo), first.ID, nil, "")
			w.must(err)
			g := w.done(w.grant(first.Grant))
			more, err := w.svc.Extend(ctx, as(rita), g.ID, nil, "")
			w.must(err)
			w.must(end(g))
			want := access.RequestWithdrawn
			if name == "by the clock" || name == "not at all" {
				want = access.RequestWaiting
			}
			kinds := w.kinds("request:" + string(more.ID))
			if got := w.request(more.ID).State; got != want || slices.Contains(kinds, access.RequestWasWithdrawn) != (want == access.RequestWithdrawn) {
				t.Errorf("ended %s: the extension is %s, %v", name, got, kinds)
			}
			if _, err := w.svc.Approve(ctx, as(bo), more.ID, nil, ""); (err == nil) != (want == access.RequestWaiting) {
				t.Errorf("ended %s, and then approved: %v", name, err)
			}
		}
		w.verify()
	})
}

// A request for what is live makes no second grant, also when it was filed before.
func TestOverlapExtends(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: 4 * time.Hour, Usual: time.Hour})
		g := w.granted(rita, role)

		again := w.file(rita, access.Ask{Role: role})
		if got := w.grant(g.ID); again.Grant != g.ID || got.Length != 2*time.Hour || len(w.runs(g.ID)) != 1 {
			t.Errorf("while it is set up: %s, %v, %d runs", again.Grant, got.Length, len(w.runs(g.ID)))
		}
		g = w.done(w.grant(g.ID))
		if got := g.EndsAt.Sub(g.StartsAt); got != 2*time.Hour {
			t.Errorf("it lasts %v", got)
		}
		if all, err := w.svc.Grants(t.Context(), as(ana), access.GrantFilter{Person: rita}); len(all) != 1 || err != nil {
			t.Errorf("%d grants, %v", len(all), err)
		}
		// On another site it is another access.
		w.app.Connection = "con_2"
		w.must(db.Change(t.Context(), func(tx access.Tx) error { return tx.SaveApp(t.Context(), w.app) }))
		if other := w.file(rita, access.Ask{Role: role}); other.Grant == g.ID {
			t.Error("a grant on another site was extended")
		}
	})
}

func TestReduce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: 8 * time.Hour})
		tests := map[string]struct {
			who  identity.PersonID
			left time.Duration
			want error
		}{
			"one's own":    {rita, time.Hour, nil},
			"an owner":     {olga, time.Hour, nil},
			"an admin":     {ana, time.Hour, nil},
			"a stranger":   {sam, time.Hour, fault.Forbidden},
			"longer":       {rita, 9 * time.Hour, fault.Invalid},
			"to nothing":   {rita, 0, fault.Invalid},
			"for an eye's": {rita, time.Millisecond, fault.Invalid},
		}
		for name, tt := range tests {
			g := w.inState(rita, role, access.GrantActive)
			got, err := w.svc.Reduce(t.Context(), as(tt.who), g.ID, tt.left, "enough")
			switch {
			case !errors.Is(err, tt.want) || tt.want == nil && err != nil:
				t.Errorf("%s: %v", name, err)
			case err == nil && !got.EndsAt.Equal(w.clock().Add(tt.left)):
				t.Errorf("%s: it ends %v", name, got.EndsAt)
			case err != nil && !w.grant(g.ID).EndsAt.Equal(g.EndsAt):
				t.Errorf("%s: the end was moved all the same", name)
			}
		}
		waiting := w.granted(rita, role)
		if got, err := w.svc.Reduce(t.Context(), as(rita), waiting.ID, time.Hour, ""); err != nil || got.Length != time.Hour {
			t.Errorf("before it is there: %v, %v", got.Length, err)
		}
		if _, err := w.svc.Reduce(t.Context(), as(rita), w.inState(rita, role, access.GrantEnding).ID, time.Hour, ""); fault.Public(err).Code != "ending" {
			t.Errorf("while it ends: %v", err)
		}
	})
}

// §4.4: what may pass is tried again after 1, 5, 15 and 60 minutes and each 4
// hours for a day; what failed stays in sight.
func TestSetUpIsTriedAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		g := w.granted(rita, w.role(access.Policy{Longest: time.Hour}))
		problem := &access.Problem{Code: "user_missing", Message: "has not signed in"}
		want := []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}
		for range 5 {
			want = append(want, 4*time.Hour)
		}
		for i, delay := range want {
			failedRun := g.Awaited()
			g = w.reportOn(g, failedRun, problem)
			job := w.job(g.Next)
			if g.State != access.GrantNotSetUp || g.Run != failedRun || g.Problem.Run != failedRun || job.Delay != delay || job.Attempt != i+2 ||
				!g.NextTry.Equal(w.clock().Add(delay)) {
				t.Fatalf("after failure %d: %+v, job %+v, want a delay of %v", i+1, g, job, delay)
			}
			w.must(w.svc.StillWanted(t.Context(), g.Next, access.JobProvision, g.ID))
			if err := w.svc.StillWanted(t.Context(), failedRun, access.JobProvision, g.ID); !errors.Is(err, access.ErrSuperseded) {
				t.Fatalf("the run that failed may still write: %v", err)
			}
			w.pass(delay)
		}
		if g = w.reportOn(g, g.Next, problem); g.Next != "" || !g.NextTry.IsZero() || g.State != access.GrantNotSetUp {
			t.Errorf("after a day: %+v", g)
		}

		again := w.granted(sam, g.Role)
		again = w.reportOn(again, again.Run, problem)
		last := again.Next
		again = w.reportOn(again, last, nil)
		if again.State != access.GrantActive || again.Run != last || again.Problem != (access.Problem{}) || again.Attempts != 2 {
			t.Errorf("healed: %+v", again)
		}
		for code, next := range map[string]time.Duration{"role_name": 0, "own_account": 0, "drift": 0, "auth_rejected": 5 * time.Minute, "no_seat": time.Minute, "paused": time.Minute} {
			g := w.inState(sam, g.Role, access.GrantSettingUp)
			g = w.reportOn(g, g.Run, &access.Problem{Code: code, Message: "x"})
			if (g.Next != "") != (next > 0) || w.job(g.Next).Delay != next {
				t.Errorf("%s: next %q after %v", code, g.Next, w.job(g.Next).Delay)
			}
		}
		// Revoked while a try waits: that try does nothing.
		waits := w.inState(rita, g.Role, access.GrantSettingUp)
		waits = w.reportOn(waits, waits.Run, problem)
		_, err := w.svc.Revoke(t.Context(), as(rita), waits.ID, "")
		w.must(err)
		if err := w.svc.StillWanted(t.Context(), waits.Next, access.JobProvision, waits.ID); !errors.Is(err, access.ErrSuperseded) {
			t.Errorf("after a revocation: %v", err)
		}
	})
}

// reportOn reports a run of g.
func (w *world) reportOn(g access.Grant, run string, p *access.Problem) access.Grant {
	w.t.Helper()
	g.Run, g.State = run, access.GrantSettingUp
	return w.report(g, p)
}

// A leaver: everything ends, the strongest first, one run each, once.
func TestRevokeAll(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		policy := access.Policy{Longest: time.Hour, Name: "p"}
		policy, err := w.svc.SavePolicy(t.Context(), as(ana), policy)
		w.must(err)
		var want []access.GrantID
		for _, name := range []string{"Viewer", "Creator", "Explorer"} {
			role, err := w.svc.SaveRole(t.Context(), as(ana), access.Role{App: w.app.ID, Name: name, Policy: policy.ID})
			w.must(err)
			want = append(want, w.inState(rita, role.ID, access.GrantActive).ID)
		}
		want[0], want[1], want[2] = want[1], want[2], want[0]
		if _, err := w.svc.RevokeAll(t.Context(), as(olga), rita, "", false); !errors.Is(err, fault.Forbidden) {
			t.Errorf("by an owner: %v", err)
		}

		dry, err := w.svc.RevokeAll(t.Context(), as(ana), rita, "", true)
		w.must(err)
		for i, row := range dry {
			if row.Preview.Grant.ID != want[i] || w.grant(want[i]).State != access.GrantActive {
				t.Errorf("row %d is %+v", i, row)
			}
		}
		rows, err := w.svc.RevokeAll(t.Context(), as(ana), rita, "left", false)
		w.must(err)
		var runs []string
		for i, row := range rows {
			g := w.grant(want[i])
			if row.Err != nil || row.Preview.Grant.ID != want[i] || g.State != access.GrantEnding || g.EndNote != "left" {
				t.Errorf("row %d: %+v", i, row)
			}
			runs = append(runs, g.Run)
		}
		if len(rows) != 3 || !slices.IsSorted(runs) {
			t.Errorf("%d rows, runs in the order %v", len(rows), runs)
		}
		if again, err := w.svc.RevokeAll(t.Context(), as(ana), rita, "left", false); len(again) != 0 || err != nil {
			t.Errorf("once more: %d, %v", len(again), err)
		}
	})
}

// betweenStore does something once before the first change.
type betweenStore struct {
	*store.DB
	first func()
}

func (b *betweenStore) Change(ctx context.Context, do func(access.Tx) error) error {
	if first := b.first; first != nil {
		b.first = nil
		first()
	}
	return b.DB.Change(ctx, do)
}

// What is granted, or ends, between the previews and the change: all that the
// person holds then is ended, and what was over already is told.
func TestRevokeAllTakesWhatCameMeanwhile(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		first := w.inState(rita, w.role(access.Policy{Longest: time.Hour}), access.GrantActive)
		over := w.inState(rita, w.role(access.Policy{Longest: time.Hour}), access.GrantActive)
		var late access.Grant
		between := &betweenStore{DB: db, first: func() {
			late = w.inState(rita, w.role(access.Policy{Longest: time.Hour}), access.GrantActive)
			_, err := w.svc.Revoke(t.Context(), as(ana), over.ID, "before")
			w.must(err)
		}}
		svc := access.NewService(between, anyRole{}, w.clock, func(prefix string) string { return fmt.Sprintf("%s_%012d", prefix, w.next.Add(1)) })
		rows, err := svc.RevokeAll(t.Context(), as(ana), rita, "left", false)
		if err != nil || len(rows) != 3 {
			t.Fatalf("%+v, %v", rows, err)
		}
		for _, id := range []access.GrantID{first.ID, late.ID} {
			i := slices.IndexFunc(rows, func(r access.Revoked) bool { return r.Preview.Grant.ID == id })
			if g := w.grant(id); i < 0 || rows[i].Err != nil || rows[i].Preview.Grant.State != access.GrantEnding || g.State != access.GrantEnding || g.EndNote != "left" {
				t.Errorf("%s: row %d, %s, %q", id, i, g.State, g.EndNote)
			}
		}
		if last := rows[2]; last.Preview.Grant.ID != over.ID || w.grant(over.ID).EndNote != "before" {
			t.Errorf("what had ended meanwhile is %+v", last)
		} else {
			wantFault(t, last.Err, fault.Conflict, "ending")
		}
	})
}

// §0.7: what a revocation would do is said before, and it is what happens.
func TestPreview(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := func(name string) access.RoleID {
			p, err := w.svc.SavePolicy(t.Context(), as(ana), access.Policy{Longest: time.Hour, Name: name})
			w.must(err)
			r, err := w.svc.SaveRole(t.Context(), as(ana), access.Role{App: w.app.ID, Name: name, Policy: p.ID})
			w.must(err)
			return r.ID
		}
		viewer := w.done(w.granted(rita, role("Viewer")))
		w.pass(time.Minute)
		creator := w.done(w.granted(rita, role("Creator")))
		see := func(g access.Grant) access.Preview {
			p, err := w.svc.Preview(t.Context(), as(rita), g.ID)
			w.must(err)
			return p
		}
		if p := see(creator); p.Now != "Creator" || p.Then != "Viewer" || p.Remaining == nil || p.Remaining.ID != viewer.ID {
			t.Errorf("the stronger of two: %+v", p)
		}
		if p := see(viewer); p.Now != "Creator" || p.Then != "Creator" || p.Remaining != nil {
			t.Errorf("the weaker of two: %+v", p)
		}
		_, err := w.svc.Revoke(t.Context(), as(rita), viewer.ID, "")
		w.must(err)
		if p := see(creator); p.Then != "Unlicensed" {
			t.Errorf("the last: %+v", p)
		}
		if _, err := w.svc.Preview(t.Context(), as(rita), viewer.ID); fault.Public(err).Code != "ending" {
			t.Errorf("of one that ends: %v", err)
		}
		if _, err := w.svc.Preview(t.Context(), as(sam), creator.ID); !errors.Is(err, fault.NotFound) {
			t.Errorf("somebody else's: %v", err)
		}
	})
}

// Nobody says of their own access that it was taken away: not one of those who do
// it by hand, nor an administrator, unless there is nobody else at all.
func TestOwnAccessByHand(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour})
		by := func(people ...identity.PersonID) {
			t.Helper()
			_, err := w.svc.SaveProvisioning(t.Context(), as(ana), w.app.ID, "", access.Provisioning{Method: access.MethodManual, People: people})
			w.must(err)
		}
		ending := func(person identity.PersonID) access.Grant {
			t.Helper()
			g := w.granted(person, role)
			_, err := w.svc.FinishTask(t.Context(), as(ana), g.Task, true, "")
			w.must(err)
			g, err = w.svc.Revoke(t.Context(), as(ana), g.ID, "")
			w.must(err)
			return g
		}
		refused := func(who identity.PersonID, g access.Grant) {
			t.Helper()
			for _, ok := range []bool{true, false} {
				_, err := w.svc.FinishTask(t.Context(), as(who), g.Task, ok, "It is gone.")
				if f := fault.Public(err); !errors.Is(err, fault.Forbidden) || f.Code != "own_access" || f.Message != "You cannot say what became of this task: it takes away your own access." {
					t.Errorf("%s: %v", who, err)
				}
			}
			acts, err := w.svc.TaskActs(t.Context(), as(who), g.Task)
			if err != nil || len(acts) != 2 || acts[0].Refusal == nil || acts[0].Refusal.Code != "own_access" {
				t.Errorf("what %s may do: %+v, %v", who, acts, err)
			}
			if mine, err := w.svc.Tasks(t.Context(), as(who), access.TaskFilter{State: access.TaskOpen}, true); len(mine) != 0 || err != nil {
				t.Errorf("%s is told to do %+v, %v", who, mine, err)
			}
			if seen, err := w.svc.Task(t.Context(), as(who), g.Task); err != nil || seen.ID != g.Task {
				t.Errorf("%s does not see it: %v", who, err)
			}
		}

		by(bo)
		g := ending(bo)
		if g.WaitsFor != "an administrator to do it by hand" {
			t.Errorf("it waits for %s", g.WaitsFor)
		}
		refused(bo, g)
		_, err := w.svc.FinishTask(t.Context(), as(ana), g.Task, true, "")
		w.must(err)
		if g = w.grant(g.ID); g.State != access.GrantEnded {
			t.Errorf("an administrator says it: %s", g.State)
		}

		by(bo, ana)
		g = ending(ana)
		if g.WaitsFor != "usr_bo to do it by hand" {
			t.Errorf("it waits for %s", g.WaitsFor)
		}
		refused(ana, g)
		_, err = w.svc.FinishTask(t.Context(), as(bo), g.Task, true, "")
		w.must(err)

		by(ana)
		g = ending(ana)
		acts, err := w.svc.TaskActs(t.Context(), as(ana), g.Task)
		if err != nil || !access.May(acts, access.ActTaskDone) {
			t.Errorf("the only one there is may not: %+v, %v", acts, err)
		}
		if acts, err := w.svc.TaskActs(t.Context(), as(olga), g.Task); err != nil || access.May(acts, access.ActTaskDone) || acts[0].Refusal.Code != "not_yours" {
			t.Errorf("an owner who is none of its people: %+v, %v", acts, err)
		}
		_, err = w.svc.FinishTask(t.Context(), as(ana), g.Task, true, "")
		w.must(err)
		events, err := db.Events(t.Context(), audit.Filter{Subject: "task:" + string(g.Task), Limit: 1})
		if err != nil || len(events) != 1 || events[0].Data["own_access"] != "nobody else could say it" {
			t.Errorf("recorded as %+v, %v", events, err)
		}
		w.verify()
	})
}

// Where access is carried out by hand, a task takes the place of each run.
func TestByHand(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour})
		_, err := w.svc.SaveProvisioning(t.Context(), as(ana), w.app.ID, "", access.Provisioning{Method: access.MethodManual, People: []identity.PersonID{bo}})
		w.must(err)
		g := w.granted(rita, role)
		if g.State != access.GrantSettingUp || g.Task == "" || g.WaitsFor != "usr_bo to do it by hand" || len(w.runs(g.ID)) != 0 {
			t.Fatalf("granted: %+v", g)
		}
		if under, err := w.svc.Underway(t.Context(), "", 10); len(under) != 0 || err != nil {
			t.Errorf("%d wait for a run, %v", len(under), err)
		}
		finish := func(who identity.PersonID, id access.TaskID, ok bool, note string) error {
			_, err := w.svc.FinishTask(t.Context(), as(who), id, ok, note)
			return err
		}
		for who, want := range map[identity.PersonID]error{sam: fault.Forbidden, rita: fault.Forbidden, olga: fault.Forbidden} {
			if err := finish(who, g.Task, true, ""); !errors.Is(err, want) {
				t.Errorf("%s: %v", who, err)
			}
		}
		if err := finish(bo, g.Task, false, ""); !errors.Is(err, fault.Invalid) {
			t.Errorf("failed without a word: %v", err)
		}
		w.must(finish(bo, g.Task, true, "in the console"))
		got := w.grant(g.ID)
		if got.State != access.GrantActive || got.Proof.Note != "Done by hand by usr_bo: in the console" || got.Task != "" || got.EndsAt.Sub(w.clock()) != time.Hour {
			t.Errorf("done: %+v", got)
		}
		if err := finish(bo, g.Task, true, ""); fault.Public(err).Code != "task_over" {
			t.Errorf("twice: %v", err)
		}

		// Its end is a task too; one that fails is asked for again, loudly.
		w.pass(time.Hour)
		if n, err := w.svc.ExpireDue(t.Context(), 10); n != 1 || err != nil {
			t.Fatalf("%d ended, %v", n, err)
		}
		end := w.grant(g.ID)
		w.must(finish(bo, end.Task, false, "no network"))
		overdue := w.grant(g.ID)
		if overdue.State != access.GrantOverdue || overdue.Task == "" || overdue.Task == end.Task || overdue.Problem.Message != "It could not be done by hand by usr_bo: no network" {
			t.Errorf("failed: %+v", overdue)
		}
		w.must(finish(ana, overdue.Task, true, ""))
		if got := w.grant(g.ID); got.State != access.GrantEnded {
			t.Errorf("taken back: %+v", got)
		}

		// A role may be carried out another way, and a revocation overtakes a task.
		_, err = w.svc.SaveProvisioning(t.Context(), as(ana), w.app.ID, role, access.Provisioning{Method: access.MethodWorkflows})
		w.must(err)
		if byRun := w.granted(sam, role); byRun.Task != "" || len(w.runs(byRun.ID)) != 1 {
			t.Errorf("the role's own way: %+v", byRun)
		}
		other := w.granted(rita, w.twin(role))
		first := other.Task
		other, err = w.svc.Revoke(t.Context(), as(rita), other.ID, "")
		w.must(err)
		dropped, err := w.svc.Task(t.Context(), as(bo), first)
		if err != nil || dropped.State != access.TaskDropped || other.Task == first || finish(bo, first, true, "") == nil {
			t.Errorf("overtaken: %+v, %v; the next is %s", dropped, err, other.Task)
		}
		mine, err := w.svc.Tasks(t.Context(), as(bo), access.TaskFilter{State: access.TaskOpen}, true)
		if len(mine) != 1 || mine[0].ID != other.Task || err != nil {
			t.Errorf("Bo's list: %+v, %v", mine, err)
		}
		if none, err := w.svc.Tasks(t.Context(), as(sam), access.TaskFilter{}, false); len(none) != 0 || err != nil {
			t.Errorf("a stranger's list: %d, %v", len(none), err)
		}
		w.verify()
	})
}

func TestEveryTaskStateHasItsWords(t *testing.T) {
	t.Parallel()
	saysAll(t, "task.go", "TaskState", access.TaskStates())
}

// history_survives_expiry: what was granted is found as it was, long after.
func TestHeldOnADay(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour})
		day := w.clock().Truncate(24 * time.Hour)
		req := w.file(rita, access.Ask{Role: role, Reason: "Q4"})
		g := w.done(w.grant(req.Grant))
		w.pass(time.Hour)
		_, err := w.svc.ExpireDue(t.Context(), 10)
		w.must(err)
		w.done(w.grant(g.ID))
		w.pass(13 * 30 * 24 * time.Hour)

		got := w.grant(g.ID)
		if got.State != access.GrantEnded || got.SetUp.Role != g.RoleName || w.request(req.ID).Reason != "Q4" || len(w.kinds("grant:"+string(g.ID))) != 4 {
			t.Errorf("13 months later: %+v, events %v", got, w.kinds("grant:"+string(g.ID)))
		}
		for offset, want := range map[int]int{-1: 0, 0: 1, 1: 0} {
			from := day.AddDate(0, 0, offset)
			held, err := w.svc.Grants(t.Context(), as(ana), access.GrantFilter{Role: role, HeldFrom: from, HeldUntil: from.AddDate(0, 0, 1)})
			if len(held) != want || err != nil {
				t.Errorf("%s: %d held it, %v", from.Format(time.DateOnly), len(held), err)
			}
		}
	})
}

// Lists are chosen by the database.
func TestGrantFilter(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: 2 * time.Hour})
		ritas, sams := w.inState(rita, role, access.GrantActive), w.inState(sam, role, access.GrantEnding)
		tests := map[string]struct {
			f    access.GrantFilter
			want []access.GrantID
		}{
			"all":          {access.GrantFilter{}, []access.GrantID{sams.ID, ritas.ID}},
			"by name":      {access.GrantFilter{Text: "USR_RI"}, []access.GrantID{ritas.ID}},
			"by address":   {access.GrantFilter{Text: "sam@acme"}, []access.GrantID{sams.ID}},
			"no wildcard":  {access.GrantFilter{Text: "usr%rita"}, nil},
			"underscore":   {access.GrantFilter{Text: "usrxrita"}, nil},
			"backslash":    {access.GrantFilter{Text: `\`}, nil},
			"ends before":  {access.GrantFilter{EndsBefore: w.clock().Add(3 * time.Hour), States: []access.GrantState{access.GrantActive}}, []access.GrantID{ritas.ID}},
			"ends not yet": {access.GrantFilter{EndsBefore: w.clock().Add(time.Hour)}, nil},
			"role name":    {access.GrantFilter{RoleName: ritas.RoleName}, []access.GrantID{sams.ID, ritas.ID}},
			"request":      {access.GrantFilter{Request: sams.Request}, []access.GrantID{sams.ID}},
			"connection":   {access.GrantFilter{Connection: "con_2"}, nil},
		}
		for name, tt := range tests {
			got, err := w.svc.Grants(t.Context(), as(ana), tt.f)
			var ids []access.GrantID
			for _, g := range got {
				ids = append(ids, g.ID)
			}
			if !slices.Equal(ids, tt.want) || err != nil {
				t.Errorf("%s: %v, %v; want %v", name, ids, err, tt.want)
			}
		}
		if got, err := w.svc.Grants(t.Context(), as(olga), access.GrantFilter{}); len(got) != 2 || err != nil {
			t.Errorf("an owner sees %d, %v", len(got), err)
		}
		if got, err := w.svc.Grants(t.Context(), as(sam), access.GrantFilter{}); len(got) != 1 || err != nil {
			t.Errorf("Sam sees %d, %v", len(got), err)
		}
	})
}

package access_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// G8, S105, S106: a role that somebody else set is left alone when a grant ends,
// and told with both values; one that another grant gives is none of theirs.
func TestChangedOutsideIsTold(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		found   string // what the run read and left; "" is nobody there
		wrote   bool
		outside bool
	}{
		"another role":           {found: "Explorer", outside: true},
		"nobody there":           {found: "", outside: true},
		"what another one gives": {found: "Other", outside: false},
		"taken back":             {found: "Unlicensed", wrote: true, outside: false},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour})
		for name, tt := range tests {
			g := w.inState(rita, role, access.GrantActive)
			other := w.done(w.granted(rita, w.twin(role)))
			if tt.found == "Other" {
				tt.found = other.RoleName
			}
			ending, err := w.svc.Revoke(t.Context(), as(ana), g.ID, "")
			w.must(err)
			got, err := w.svc.Report(t.Context(), access.Outcome{
				Run: ending.Run, Kind: access.JobDeprovision, Grant: g.ID, Found: !tt.wrote, Proof: access.Proof{Role: tt.found, Note: "n", At: w.clock()},
			})
			w.must(err)
			want := access.Outside{}
			if tt.outside {
				want = access.Outside{Expected: g.RoleName, Found: tt.found, At: w.clock()}
			}
			told := slices.Contains(w.kinds("grant:"+string(g.ID)), access.GrantDrifted)
			if got.State != access.GrantEnded || got.Outside != want || told != tt.outside {
				t.Errorf("%s: %s, %+v, told %v", name, got.State, got.Outside, told)
			}
		}
		// A grant that was never set up says nothing about what is there.
		never := w.inState(sam, role, access.GrantNotSetUp)
		ending, err := w.svc.Revoke(t.Context(), as(ana), never.ID, "")
		w.must(err)
		got, err := w.svc.Report(t.Context(), access.Outcome{Run: ending.Run, Kind: access.JobDeprovision, Grant: never.ID, Found: true, Proof: access.Proof{Role: "Creator", Note: "n", At: w.clock()}})
		if err != nil || got.Outside != (access.Outside{}) {
			t.Errorf("never set up: %+v, %v", got.Outside, err)
		}
	})
}

// G8: whether what somebody changed is set up once more is decided by those who
// may, never by who asks for more of it: not by another request for the same
// role, not by a policy that lets it pass, and not by one that was filed before.
func TestMoreOfChanged(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		changed := func(g access.Grant) access.Grant {
			g.State, g.Outside = access.GrantChanged, access.Outside{Expected: g.RoleName, Found: "Explorer", At: w.clock()}
			w.must(db.Change(ctx, func(tx access.Tx) error { return tx.SaveGrant(ctx, g) }))
			return g
		}
		for name, policy := range map[string]access.Policy{
			"decided by itself": {Longest: 600 * hour},
			"by somebody":       {Longest: 600 * hour, Steps: []access.Step{by(bo)}},
		} {
			approve := func(r access.Request) access.Request {
				if r.State == access.RequestWaiting {
					var err error
					r, err = w.svc.Approve(ctx, as(bo), r.ID, nil, "")
					w.must(err)
				}
				return r
			}
			role := w.role(policy)
			later := approve(w.file(rita, access.Ask{Role: role, Length: new(4 * hour), Starts: w.clock().Add(2 * hour)})).Grant
			g := w.done(w.grant(approve(w.file(rita, access.Ask{Role: role, Length: new(3 * hour)})).Grant))
			var before access.Request
			if len(policy.Steps) > 0 {
				before = w.file(rita, access.Ask{Role: role, Length: new(hour)})
			}
			g = changed(g)

			for how, more := range map[string]func() error{
				"by its id": func() error { _, err := w.svc.Extend(ctx, as(rita), g.ID, new(hour), ""); return err },
				"by its role": func() error {
					_, err := w.svc.File(ctx, as(rita), access.Ask{Role: role, Length: new(hour)})
					return err
				},
				"for later": func() error {
					_, err := w.svc.File(ctx, as(rita), access.Ask{Role: role, Length: new(hour), Starts: w.clock().Add(hour)})
					return err
				},
				"by its request": func() error { _, err := w.svc.ExtendRequest(ctx, as(rita), g.Request, new(hour), ""); return err },
			} {
				wantFault(t, more(), fault.Conflict, "changed_outside")
				if got := w.grant(g.ID); got.State != access.GrantChanged || !got.EndsAt.Equal(g.EndsAt) {
					t.Errorf("%s, more %s: %s, ends %v", name, how, got.State, got.EndsAt)
				}
			}
			if before.ID != "" {
				before = approve(before)
				got := w.grant(g.ID)
				if before.Grant != g.ID || got.State != access.GrantChanged || got.Outside != g.Outside || !got.EndsAt.Equal(g.EndsAt.Add(hour)) || got.Run != g.Run {
					t.Errorf("%s, approved since: %+v", name, got)
				}
			}
			// What was agreed to begin then goes on as what was changed, which stays so.
			w.pass(2 * hour)
			_, err := w.svc.BeginDue(ctx, 10)
			w.must(err)
			got := w.grant(g.ID)
			if w.grant(later).EndReason != access.ReasonMerged || got.State != access.GrantChanged || !got.EndsAt.Equal(w.clock().Add(4*hour)) || len(w.runs(g.ID)) != 1 {
				t.Errorf("%s, begun since: %s, %+v", name, w.grant(later).State, got)
			}
			if kinds := w.kinds("grant:" + string(g.ID)); slices.Contains(kinds, access.GrantRestored) {
				t.Errorf("%s: restored, %v", name, kinds)
			}
			_, err = w.svc.AcceptChange(ctx, as(ana), g.ID, "", nil)
			w.must(err)
		}
		w.verify()
	})
}

// A run is believed as far as its proof goes: an end after which the role is still
// there is none, unless another grant gives it, and what holds less than the
// granted role was not set up, whether the workflow says what it found or not.
func TestProofIsHeldAgainstTheGrant(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		kind  access.JobKind
		role  string
		twin  bool // another grant gives the role too
		wrote bool
		want  access.GrantState
		code  string
		begun bool // its time runs
	}{
		"gone":                           {kind: access.JobDeprovision, role: "Unlicensed", want: access.GrantEnded, begun: true},
		"nobody there":                   {kind: access.JobDeprovision, role: "", want: access.GrantEnded, begun: true},
		"still there":                    {kind: access.JobDeprovision, role: "Creator", want: access.GrantOverdue, code: "still_there", begun: true},
		"still there, for another grant": {kind: access.JobDeprovision, role: "Creator", twin: true, want: access.GrantEnded, begun: true},
		"set up":                         {kind: access.JobProvision, role: "Creator", wrote: true, want: access.GrantActive, begun: true},
		"set up with less":               {kind: access.JobProvision, role: "Unlicensed", want: access.GrantNotSetUp, code: "role_too_weak"},
		"set up with less, and changed":  {kind: access.JobProvision, role: "Viewer", wrote: true, want: access.GrantNotSetUp, code: "role_too_weak", begun: true},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		p, err := w.svc.SavePolicy(t.Context(), as(ana), access.Policy{Name: "p", Longest: 6 * time.Hour, OnBehalf: access.OnBehalfAnybody})
		w.must(err)
		role, err := w.svc.SaveRole(t.Context(), as(ana), access.Role{App: w.app.ID, Name: "Creator", Policy: p.ID})
		w.must(err)
		other, err := w.svc.SaveApp(t.Context(), as(ana), access.App{Name: "Beside", Connection: w.app.Connection, Policy: p.ID})
		w.must(err)
		twin, err := w.svc.SaveRole(t.Context(), as(ana), access.Role{App: other.ID, Name: "Creator"})
		w.must(err)
		for name, tt := range tests {
			g := w.grant(w.file(rita, access.Ask{Role: role.ID, Length: new(time.Hour)}).Grant)
			if tt.kind == access.JobDeprovision {
				if g = w.done(g); tt.twin {
					w.done(w.granted(rita, twin.ID))
				}
				g, err = w.svc.Revoke(t.Context(), as(ana), g.ID, "")
				w.must(err)
			}
			got, err := w.svc.Report(t.Context(), access.Outcome{
				Run: g.Run, Kind: tt.kind, Grant: g.ID, Found: !tt.wrote, Wrote: tt.wrote, Proof: access.Proof{Role: tt.role, User: "u1", Note: "n", At: w.clock()},
			})
			if err != nil || got.State != tt.want || got.Problem.Code != tt.code || got.StartsAt.IsZero() == tt.begun || got.EndsAt.IsZero() == tt.begun {
				t.Errorf("%s: %s, %+v, %v to %v, %v", name, got.State, got.Problem, got.StartsAt, got.EndsAt, err)
			}
			if overdue := got.State == access.GrantOverdue; overdue && (got.Run == g.Run || w.job(got.Run).Delay == 0) {
				t.Errorf("%s: it is not tried again: %+v", name, got)
			}
			if tt.want == access.GrantNotSetUp && tt.begun { // what is there of it ends at its time
				w.pass(time.Hour)
				if n, err := w.svc.ExpireDue(t.Context(), 10); err != nil || n != 1 || w.grant(g.ID).State != access.GrantEnding {
					t.Errorf("%s: %d ended, %v", name, n, err)
				}
			}
			w.must(db.Change(t.Context(), func(tx access.Tx) error { // the next case begins with nothing
				all, err := tx.Grants(t.Context(), access.GrantFilter{Person: rita})
				for _, g := range all {
					g.State = access.GrantEnded
					err = errors.Join(err, tx.SaveGrant(t.Context(), g))
				}
				return err
			}))
		}
	})
}

// A run that failed after it had changed something leaves something behind: its
// time runs, so that it ends.
func TestWhatFailedHalfwayEnds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour})
		for _, wrote := range []bool{false, true} {
			g := w.granted(rita, role)
			got, err := w.svc.Report(t.Context(), access.Outcome{
				Run: g.Run, Kind: access.JobProvision, Grant: g.ID, Wrote: wrote, Problem: &access.Problem{Code: "group_missing", Message: "m", Hint: "Make it."},
			})
			if err != nil || got.State != access.GrantNotSetUp || got.EndsAt.IsZero() == wrote || strings.Contains(got.Problem.Hint, "taken back") != wrote {
				t.Errorf("wrote %v: %+v, %v", wrote, got, err)
			}
			// Who asks again gets this one set up, not another beside what is there of it.
			again := w.grant(w.file(rita, access.Ask{Role: g.Role, Length: new(30 * time.Minute)}).Grant)
			if (again.ID == g.ID) != wrote || again.State != access.GrantSettingUp || again.Run == got.Run {
				t.Errorf("wrote %v, and asked for again: %+v", wrote, again)
			}
			if _, err := w.svc.Retry(t.Context(), as(ana), g.ID); !wrote && fault.Public(err).Code != "held_already" {
				t.Errorf("set up beside another: %v", err)
			}
			for _, id := range []access.GrantID{g.ID, again.ID} {
				if w.grant(id).State != access.GrantEnded {
					_, err = w.svc.Revoke(t.Context(), as(ana), id, "")
					w.must(err)
					w.done(w.grant(id))
				}
			}
		}
	})
}

// Who was shown that an end leaves alone what somebody set is asked anew when it
// would take something away by now.
func TestAnEndIsNotAnother(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		p, err := w.svc.SavePolicy(t.Context(), as(ana), access.Policy{Name: "p", OnBehalf: access.OnBehalfAnybody})
		w.must(err)
		role, err := w.svc.SaveRole(t.Context(), as(ana), access.Role{App: w.app.ID, Name: "Creator", Policy: p.ID})
		w.must(err)
		g := w.done(w.grant(w.file(rita, access.Ask{Role: role.ID}).Grant))

		_, err = w.svc.RevokeForeseen(t.Context(), as(ana), g.ID, "", "Viewer/Viewer")
		if f := fault.Public(err); f.Code != "changed_again" || !strings.Contains(f.Message, "Creator → ") {
			t.Errorf("%v", err)
		}
		if got := w.grant(g.ID); got.State != access.GrantActive {
			t.Errorf("it is %s", got.State)
		}
		// Who may not end it is refused, and that is recorded, whatever they were shown.
		if _, err := w.svc.RevokeForeseen(t.Context(), as(sam), g.ID, "", "Creator/Unlicensed"); err == nil || w.last().Kind != identity.ActRefused {
			t.Errorf("a stranger: %v, %+v", err, w.last())
		}
		preview, err := w.svc.Preview(t.Context(), as(ana), g.ID)
		w.must(err)
		got, err := w.svc.RevokeForeseen(t.Context(), as(ana), g.ID, "", preview.Mark())
		if err != nil || got.State != access.GrantEnding {
			t.Errorf("as foreseen: %s, %v", got.State, err)
		}
		// Before anything was reported, nothing was foreseen.
		early := w.grant(w.file(sam, access.Ask{Role: role.ID}).Grant)
		w.done(early)
		if got, err := w.svc.RevokeForeseen(t.Context(), as(ana), early.ID, "", ""); err != nil || got.State != access.GrantEnding {
			t.Errorf("not foreseen: %s, %v", got.State, err)
		}
	})
}

// A workflow that overwrites what somebody else had set is told of: those that
// Margay comes with leave it alone, older copies and others may not.
func TestOverwrittenIsTold(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		before, after string
		twin          string // what another grant gives
		told          bool
	}{
		"taken back":             {"Creator", "Unlicensed", "", false},
		"nothing was there":      {"", "", "", false},
		"left alone":             {"Explorer", "Explorer", "", false},
		"a stranger's":           {"Explorer", "Unlicensed", "", true},
		"given by another grant": {"Explorer", "Viewer", "Explorer", false},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		p, err := w.svc.SavePolicy(t.Context(), as(ana), access.Policy{Name: "p", OnBehalf: access.OnBehalfAnybody})
		w.must(err)
		roles := map[string]access.RoleID{}
		for _, name := range []string{"Creator", "Explorer"} {
			r, err := w.svc.SaveRole(t.Context(), as(ana), access.Role{App: w.app.ID, Name: name, Policy: p.ID})
			w.must(err)
			roles[name] = r.ID
		}
		who := []identity.PersonID{rita, sam, olga, bo, cy}
		for name, tt := range tests {
			person := who[0]
			who = who[1:]
			if tt.twin != "" {
				w.done(w.grant(w.file(person, access.Ask{Role: roles[tt.twin]}).Grant))
			}
			g := w.done(w.grant(w.file(person, access.Ask{Role: roles["Creator"]}).Grant))
			g, err = w.svc.Revoke(t.Context(), as(ana), g.ID, "")
			w.must(err)
			_, err := w.svc.Report(t.Context(), access.Outcome{
				Run: g.Run, Kind: access.JobDeprovision, Grant: g.ID, Found: tt.before == tt.after, Wrote: tt.before != tt.after, Before: &tt.before,
				Proof: access.Proof{Role: tt.after, User: "luid", Note: "n", At: w.clock()},
			})
			w.must(err)
			told, err := w.db.Events(t.Context(), audit.Filter{Subject: "grant:" + string(g.ID), Kinds: []string{string(access.GrantOverwrote)}})
			w.must(err)
			if (len(told) == 1) != tt.told || tt.told && (told[0].Data["found"] != tt.before || told[0].Data["now"] != tt.after) {
				t.Errorf("%s: %+v", name, told)
			}
		}
	})
}

// A run that was told of grants which are not so any more when it comes to write
// is made anew at once: nothing has failed.
func TestStaleFactsMakeANewRun(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour})
		stale := &access.Problem{Code: access.ErrSuperseded.Code, Message: access.ErrSuperseded.Message}
		for kind, state := range map[access.JobKind]access.GrantState{access.JobProvision: access.GrantSettingUp, access.JobDeprovision: access.GrantEnding} {
			g := w.granted(rita, role)
			if kind == access.JobDeprovision {
				w.done(g)
				var err error
				g, err = w.svc.Revoke(t.Context(), as(ana), g.ID, "")
				w.must(err)
			}
			o := access.Outcome{Run: g.Run, Kind: kind, Grant: g.ID, Problem: stale, Stale: true, Wrote: true}
			got, err := w.svc.Report(t.Context(), o)
			w.must(err)
			if got.State != state || got.Run == g.Run || got.Problem != (access.Problem{}) || got.Attempts != 2 || w.job(got.Run).Kind != kind || w.job(got.Run).Delay != 0 {
				t.Errorf("%s: %+v, its job %+v", kind, got, w.job(got.Run))
			}
			// Of a run that nobody waits for, that says nothing.
			again, err := w.svc.Report(t.Context(), o)
			if err != nil || again.Run != got.Run {
				t.Errorf("%s again: %+v, %v", kind, again, err)
			}
			if kind == access.JobProvision && got.EndsAt.IsZero() {
				t.Errorf("something was written, and it has no end: %+v", got)
			}
			// Not without end: in the end it has failed, and is told.
			for range 2 {
				o.Run = got.Run
				got, err = w.svc.Report(t.Context(), o)
				w.must(err)
			}
			failed := map[access.JobKind]access.GrantState{access.JobProvision: access.GrantNotSetUp, access.JobDeprovision: access.GrantOverdue}[kind]
			if got.State != failed || got.Problem.Code != "facts_changed" {
				t.Errorf("%s for the third time: %+v", kind, got)
			}
			if kind == access.JobProvision {
				_, err := w.svc.Revoke(t.Context(), as(ana), got.ID, "")
				w.must(err)
				w.done(w.grant(got.ID))
			}
		}
	})
}

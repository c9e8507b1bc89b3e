package access_test

import (
	"slices"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
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

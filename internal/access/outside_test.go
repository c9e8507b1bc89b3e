package access_test

import (
	"slices"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
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

package access_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// Access that comes to begin while another grant gives its role already goes on
// as that one: its own end would take away what the other still gives.
func TestScheduledBesideLive(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	tests := map[string]struct {
		state   access.GrantState // of the grant that is there when it begins
		shorten time.Duration     // what is left of the scheduled one before that; 0: all
		merged  bool
		ends    time.Duration // of the one that was there, from the begin on
	}{
		"active":           {state: access.GrantActive, merged: true, ends: 4 * hour},
		"shortened before": {state: access.GrantActive, shorten: 3 * hour, merged: true, ends: 3 * hour},
		"gives more":       {state: access.GrantActive, shorten: hour / 2, merged: true, ends: hour},
		"ended":            {state: access.GrantEnded},
		"ending":           {state: access.GrantEnding},
		"never set up":     {state: access.GrantNotSetUp},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for name, tt := range tests {
			role := w.role(access.Policy{Longest: 6 * hour, OnBehalf: access.OnBehalfAnybody})
			later := w.grant(w.file(rita, access.Ask{Role: role, Length: new(4 * hour), Starts: w.clock().Add(2 * hour)}).Grant)
			if tt.shorten > 0 {
				_, err := w.svc.Reduce(t.Context(), as(rita), later.ID, tt.shorten, "")
				w.must(err)
			}
			live := w.grant(w.file(rita, access.Ask{Role: role, Length: new(3 * hour)}).Grant)
			if live.ID == later.ID || later.State != access.GrantScheduled {
				t.Fatalf("%s: %+v", name, live)
			}
			switch tt.state {
			case access.GrantNotSetUp:
				live = w.failed(live)
			default:
				live = w.done(live)
			}
			if tt.state == access.GrantEnded || tt.state == access.GrantEnding {
				var err error
				live, err = w.svc.Revoke(t.Context(), as(rita), live.ID, "")
				w.must(err)
			}
			if tt.state == access.GrantEnded {
				live = w.done(live)
			}
			w.pass(2 * hour)
			if n, err := w.svc.BeginDue(t.Context(), 10); n != 1 || err != nil {
				t.Fatalf("%s: %d began, %v", name, n, err)
			}
			later, after := w.grant(later.ID), w.grant(live.ID)
			if !tt.merged {
				if later.State != access.GrantSettingUp || after.State != tt.state {
					t.Errorf("%s: %s beside %s", name, later.State, after.State)
				}
				continue
			}
			if later.State != access.GrantEnded || later.EndReason != access.ReasonMerged || len(w.runs(later.ID)) != 0 || !later.StartsAt.IsZero() {
				t.Errorf("%s: %+v", name, later)
			}
			if after.State != access.GrantActive || !after.EndsAt.Equal(w.clock().Add(tt.ends)) || len(w.runs(live.ID)) != 1 {
				t.Errorf("%s: ends %v after %v, %+v", name, after.EndsAt, w.clock(), after)
			}
			if kinds := fmt.Sprint(w.kinds("grant:" + string(later.ID))); tt.shorten == 0 && kinds != "[grant.scheduled grant.merged]" {
				t.Errorf("%s: %s", name, kinds)
			}
		}
		w.verify()
	})
}

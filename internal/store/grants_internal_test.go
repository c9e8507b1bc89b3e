package store

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
)

// What a comparison asks of the grants of years is found by an index, as it is asked
// in the turn of the writers, and so is what the clock brings about.
func TestPlans(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), Config{SQLite: filepath.Join(t.TempDir(), "margay.db"), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tests := map[string]struct {
		filter access.GrantFilter
		want   string
	}{
		"ended since":   {access.GrantFilter{Connection: "con_1", States: []access.GrantState{access.GrantEnded}, EndedFrom: time.UnixMilli(5)}, "USING INDEX grants_ended (connection_id=? AND ended_ms>?)"},
		"one page":      {access.GrantFilter{States: []access.GrantState{access.GrantEnded}, Limit: 50}, "USING INDEX grants_state (state=?)"},
		"of one person": {access.GrantFilter{Connection: "con_1", Person: "usr_1", States: []access.GrantState{access.GrantActive, access.GrantChanged}}, "USING INDEX grants_holder (person_id=? AND state=?)"},
		// O19: looked for each second.
		"due":      {access.GrantFilter{DueBy: time.UnixMilli(5), Limit: 1}, "USING INDEX grants_"},
		"to begin": {access.GrantFilter{BeginBy: time.UnixMilli(5), Limit: 100}, "USING INDEX grants_"},
	}
	for name, tt := range tests {
		var rows []grantRow
		q := db.read.NewSelect().Model(&rows)
		chooseGrants(q, tt.filter)
		if tt.filter.Limit > 0 {
			q.Limit(int64(tt.filter.Limit))
		}
		var plan []struct {
			ID, Parent, Notused int64
			Detail              string
		}
		if err := db.read.NewRaw("EXPLAIN QUERY PLAN "+q.String()).Scan(t.Context(), &plan); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		found := false
		for _, p := range plan {
			found = found || strings.Contains(p.Detail, tt.want)
		}
		if !found {
			t.Errorf("%s: %+v, want %s", name, plan, tt.want)
		}
	}
}

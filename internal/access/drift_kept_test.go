package access_test

import (
	"testing"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// Users without a grant may be thousands, and each comparison finds them anew:
// they are kept of the latest alone, with the time since when they are known.
// What asked for a decision stays.
func TestUsersWithoutAGrantAreKeptOfTheLatest(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		g := d.active(rita, d.roles["Creator"], "luid-rita")
		first, rows := d.compare(account("rita", "Viewer"), account("zoe", "Explorer"), account("yan", "Viewer"))
		if len(rows) != 3 || first.Counts.Unmanaged != 2 {
			t.Fatalf("the first found %+v", rows)
		}
		since := rows[1].Since

		_, rows = d.compare(account("rita", "Viewer"), account("zoe", "Explorer"))
		if len(rows) != 2 || rows[1].User != "luid-zoe" || !rows[1].Since.Equal(since) {
			t.Errorf("the second found %+v, want Zoe since %s", rows, since)
		}
		left := d.differences(first.ID)
		if len(left) != 1 || left[0].Grant != g.ID || left[0].Kind != access.DifferenceRole {
			t.Errorf("of the first are left %+v", left)
		}
		kept, err := d.svc.Comparison(t.Context(), as(olga), d.app.ID, first.ID)
		if err != nil || kept.Counts != first.Counts {
			t.Errorf("its counts are %+v, %v", kept.Counts, err)
		}
	})
}

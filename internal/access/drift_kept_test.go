package access_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
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

// What a comparison found is kept whole, also when it is more than one statement
// takes, and tells how much of it is new.
func TestMassDrift(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		live := d.active(rita, d.roles["Creator"], "luid-rita")
		const many = 1100
		d.must(db.Change(t.Context(), func(tx access.Tx) error {
			gs := make([]access.Grant, many)
			for i := range gs {
				gs[i] = live
				gs[i].ID = access.GrantID(fmt.Sprintf("grt_z%06d", i))
			}
			return tx.SaveGrants(t.Context(), gs)
		}))
		c := d.compared(account("rita", "Viewer"))
		if c.Counts.Differ != many+1 || d.grant("grt_z000000").State != access.GrantChanged || d.grant(access.GrantID(fmt.Sprintf("grt_z%06d", many-1))).Outside.Found != "Viewer" {
			t.Errorf("%+v", c.Counts)
		}
		e := d.last()
		if e.Kind != access.DriftCompared || e.Data["changed"] != strconv.Itoa(many+1) || e.Data["by"] != string(olga) {
			t.Errorf("%+v", e)
		}
		drifted, err := db.Events(t.Context(), audit.Filter{Subject: "grant:" + string(live.ID), Limit: 1})
		if err != nil || drifted[0].Kind != access.GrantDrifted || drifted[0].Data["comparison"] != string(c.ID) {
			t.Errorf("%+v, %v", drifted, err)
		}
		// Nothing of it is new the next time.
		if c = d.compared(account("rita", "Viewer")); c.Counts.Differ != many+1 || d.last().Data["changed"] != "" {
			t.Errorf("once more: %+v, %+v", c.Counts, d.last())
		}
		d.verify()
	})
}

// Comparisons do not pile up: the newest of an app are kept with what they found,
// and those of another app are its own.
func TestOldComparisonsAreForgotten(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDrifting(t, db)
		d.active(rita, d.roles["Creator"], "luid-rita")
		first, rows := d.compare(account("rita", "Viewer"))
		if len(rows) != 1 {
			t.Fatalf("found %+v", rows)
		}
		var last access.Comparison
		for range 50 {
			last = d.compared(account("rita", "Viewer"))
		}

		list, err := d.svc.Comparisons(t.Context(), as(ana), d.app.ID, 100, "")
		if err != nil || len(list) != 50 || list[0].ID != last.ID {
			t.Errorf("%d comparisons are kept, %v", len(list), err)
		}
		if _, err := d.svc.Comparison(t.Context(), as(ana), d.app.ID, first.ID); fault.KindOf(err) != fault.NotFound {
			t.Errorf("the first: %v", err)
		}
		if _, err := d.svc.Difference(t.Context(), as(ana), d.app.ID, rows[0].ID); fault.KindOf(err) != fault.NotFound {
			t.Errorf("what it found: %v", err)
		}
		if now := d.differences(last.ID); len(now) != 1 || !now[0].Since.Equal(rows[0].Since) {
			t.Errorf("the last found %+v, the first %+v", now, rows)
		}
	})
}

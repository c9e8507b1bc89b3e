package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/internal/workflow"
)

// What a page of differences and the overview of all apps read is as many
// statements for one row as for many.
func TestDriftIsReadAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		r := sample()
		r.save(t, db)
		const found = 12
		err := db.Change(ctx, func(tx access.Tx) error {
			var errs []error
			var ds []access.Difference
			for i := range found {
				g := r.grant
				g.ID, g.State = access.GrantID(fmt.Sprintf("grt_b%02d", i)), access.GrantChanged
				if i%3 == 0 {
					g.State = access.GrantEnded
				}
				errs = append(errs, tx.SaveGrant(ctx, g), tx.Record(ctx, audit.Event{Kind: "grant.accepted", Subject: "grant:" + string(g.ID)}))
				ds = append(ds, access.Difference{ID: access.DifferenceID(fmt.Sprintf("dif_%02d", i)), Comparison: "cmp_2", App: "app_1", Kind: access.DifferenceRole, Grant: g.ID})
			}
			ds = append(ds, access.Difference{ID: "dif_99", Comparison: "cmp_2", App: "app_1", Kind: access.DifferenceUnmanaged})
			for i, id := range []access.ComparisonID{"cmp_1", "cmp_2"} {
				errs = append(errs, tx.SaveComparison(ctx, access.Comparison{ID: id, App: "app_1", Connection: "con_1", State: access.ComparisonDone, StartedAt: at(i)}))
			}
			return errors.Join(append(errs, tx.AddDifferences(ctx, ds))...)
		})
		if err != nil {
			t.Fatal(err)
		}
		svc := access.NewService(db, nil, time.Now, nil)
		ana := identity.Actor{Person: "usr_1", Admin: true}
		asked := store.Watch(db)
		counts := map[int]int{}
		for _, n := range []int{1, found + 1} {
			rows, err := svc.Differences(ctx, ana, "app_1", access.DifferenceFilter{Comparison: "cmp_2", Limit: n})
			if err != nil || len(rows) != n {
				t.Fatalf("%d rows, %v", len(rows), err)
			}
			for i, row := range rows {
				if i < found && (row.Settled != (i%3 == 0) || row.State == "") || i == found && (row.Settled || row.State != "") {
					t.Errorf("%d: %+v", i, row)
				}
			}
			counts[n] = len(asked.Take())
		}
		if counts[1] == 0 || counts[1] != counts[found+1] {
			t.Errorf("a page of so many rows takes so many statements: %v", counts)
		}
		latest, err := svc.LatestComparisons(ctx, ana)
		if err != nil || len(latest) != 1 || latest["app_1"].ID != "cmp_2" {
			t.Errorf("the latest are %+v, %v", latest, err)
		}
		if n := of(asked.Take(), `FROM "comparisons"`); n != 1 {
			t.Errorf("the latest of all apps take %d statements", n)
		}
		nobodys, err := svc.LatestComparisons(ctx, identity.Actor{Person: "usr_2"})
		if err == nil && len(nobodys) != 0 {
			t.Errorf("who owns no app sees %+v", nobodys)
		}
		asked.Take()
		events, err := db.Events(ctx, audit.Filter{Subjects: []string{"grant:grt_b00", "grant:grt_b03", "grant:grt_none"}})
		if err != nil || len(events) != 2 || events[0].Subject != "grant:grt_b03" || of(asked.Take(), `FROM "events"`) != 1 {
			t.Errorf("events of several: %+v, %v", events, err)
		}
	})
}

// Who watches a run is asked for their apps when they begin and when they are
// answered, not at each look; what is sent is another revision.
func TestWatchAsksForAppsOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		r := sample()
		r.save(t, db)
		job := r.job
		job.Run = "run_watched"
		err := db.Change(ctx, func(tx access.Tx) error {
			return errors.Join(tx.Enqueue(ctx, job), tx.Record(ctx, audit.Event{Kind: "k", Subject: "grant:grt_1"}))
		})
		if err != nil {
			t.Fatal(err)
		}
		svc := workflow.NewService(db, nil, time.Now, nil)
		asked := 0
		svc.Use(workflow.Surroundings{Apps: func(context.Context, identity.Actor) ([]string, error) {
			asked++
			return []string{"app_1"}, nil
		}})
		who := identity.Actor{Person: "usr_2"}
		first, steps, err := svc.Run(ctx, who, job.Run)
		if err != nil {
			t.Fatal(err)
		}
		asked = 0
		seen, _, err := svc.Watch(ctx, who, job.Run, workflow.Revision(first, steps), 350*time.Millisecond)
		if err != nil || seen.ID != job.Run || asked != 2 {
			t.Errorf("%+v, %v: asked %d times", seen, err, asked)
		}
		asked = 0
		if _, err := db.BeginRun(ctx, workflow.Beginning{Run: job.Run, At: at(1)}); err != nil {
			t.Fatal(err)
		}
		seen, _, err = svc.Watch(ctx, who, job.Run, workflow.Revision(first, steps), time.Minute)
		if err != nil || seen.State != workflow.RunRunning || asked != 1 {
			t.Errorf("once it has changed: %s, %v, asked %d times", seen.State, err, asked)
		}
	})
}

// of counts the statements that read what is named.
func of(statements []string, named string) (n int) {
	for _, s := range statements {
		if strings.Contains(s, named) {
			n++
		}
	}
	return n
}

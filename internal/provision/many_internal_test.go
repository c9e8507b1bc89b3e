package provision

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/workflow"
)

// Of many runs each is told of, also when we fail at one, and also of those for
// which the time is too short: the answer comes while somebody waits for it.
func TestManyTellsOfEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &Provisioner{Log: slog.New(slog.DiscardHandler)}
		ids := make([]string, MostRuns)
		for i := range ids {
			ids[i] = fmt.Sprintf("run_%03d", i)
		}
		began := time.Now()
		done, err := p.many(t.Context(), ids, atOnce, func(id string) (workflow.Run, error) {
			if id == "run_001" {
				return workflow.Run{}, errors.New("the database is away")
			}
			time.Sleep(cancelPatience) // each hangs
			return workflow.Run{ID: id}, nil
		})
		if took := time.Since(began); err != nil || took > 2*time.Minute { // as long as a browser's act may take
			t.Fatalf("%s, %v", took, err)
		}
		handled := 0
		for i, d := range done {
			switch {
			case d.Run != ids[i]:
				t.Errorf("row %d is of %s", i, d.Run)
			case d.Run == "run_001":
				if fault.KindOf(d.Refuse) != fault.Internal {
					t.Errorf("where we failed: %v", d.Refuse)
				}
			case d.Refuse == nil && d.Now.ID == d.Run:
				handled++
			case fault.Public(d.Refuse).Code != "not_begun":
				t.Errorf("%+v", d)
			}
		}
		if handled < atOnce || handled == len(ids) {
			t.Errorf("%d were handled", handled)
		}
	})
}

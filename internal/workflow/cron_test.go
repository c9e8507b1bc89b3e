package workflow_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/margay-access/margay/internal/workflow"
)

// When a schedule comes next, in the time of its zone.
func TestScheduleNext(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		cron, zone, after string
		want              []string // in the zone; "": never
	}{
		"each minute":            {"* * * * *", "UTC", "2026-03-02T09:00:30Z", []string{"2026-03-02T09:01:00Z", "2026-03-02T09:02:00Z"}},
		"not now again":          {"0 9 * * *", "UTC", "2026-03-02T09:00:00Z", []string{"2026-03-03T09:00:00Z"}},
		"Mondays at 7":           {"0 7 * * MON", "Europe/Berlin", "2026-03-02T09:00:00Z", []string{"2026-03-09T07:00:00+01:00"}},
		"Sunday is 0 and 7":      {"0 7 * * 7", "UTC", "2026-03-02T09:00:00Z", []string{"2026-03-08T07:00:00Z"}},
		"lists, ranges, steps":   {"0,30 8-10/2 * * 1-5", "UTC", "2026-03-06T10:00:00Z", []string{"2026-03-06T10:30:00Z", "2026-03-09T08:00:00Z"}},
		"from on, in steps":      {"50/5 * * * *", "UTC", "2026-03-06T10:00:00Z", []string{"2026-03-06T10:50:00Z", "2026-03-06T10:55:00Z", "2026-03-06T11:50:00Z"}},
		"month by name":          {"0 0 1 jan *", "UTC", "2026-03-06T10:00:00Z", []string{"2027-01-01T00:00:00Z"}},
		"either day":             {"0 0 13 * FRI", "UTC", "2026-03-01T00:00:00Z", []string{"2026-03-06T00:00:00Z", "2026-03-13T00:00:00Z"}},
		"29 February":            {"0 0 29 2 *", "UTC", "2026-03-01T00:00:00Z", []string{"2028-02-29T00:00:00Z"}},
		"short":                  {"@weekly", "UTC", "2026-03-02T00:00:00Z", []string{"2026-03-08T00:00:00Z"}},
		"a year on":              {"@yearly", "Asia/Tokyo", "2026-01-01T00:00:00Z", []string{"2027-01-01T00:00:00+09:00"}},
		"clocks go forward":      {"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"}},
		"each hour, forward":     {"30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", []string{"2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"}},
		"clocks go back":         {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		"each hour, back":        {"30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", []string{"2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00"}},
		"midnight is skipped":    {"0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z", []string{"2026-04-24T01:00:00+03:00", "2026-04-25T00:00:00+03:00"}},
		"half an hour goes back": {"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", []string{"2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, err := time.Parse(time.RFC3339, tt.after)
			if err != nil {
				t.Fatal(err)
			}
			zone, err := time.LoadLocation(tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				at = workflow.Schedule{Cron: tt.cron, Zone: tt.zone}.Next(at)
				if got := at.In(zone).Format(time.RFC3339); got != want {
					t.Fatalf("next is %s, want %s", got, want)
				}
			}
		})
	}
}

// Whatever the schedule and wherever the clock stands, the next time is later,
// on a full minute, and what comes next does not depend on how often one asks.
func TestScheduleMovesOn(t *testing.T) {
	t.Parallel()
	crons := []string{"* * * * *", "*/7 3 * * *", "0 0 * * *", "30 2 * * *", "15 1,2,3 * * SUN", "59 23 31 12 *", "0 */6 1-7 * MON"}
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe", "Asia/Kathmandu"}
	rapid.Check(t, func(t *rapid.T) {
		s := workflow.Schedule{Cron: rapid.SampledFrom(crons).Draw(t, "cron"), Zone: rapid.SampledFrom(zones).Draw(t, "zone")}
		after := time.Unix(rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(t, "after"), 0)
		next := s.Next(after)
		if !next.After(after) || next.Second() != 0 {
			t.Fatalf("after %s comes %s", after, next)
		}
		between := after.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(after))-1).Draw(t, "later")))
		if again := s.Next(between); !again.Equal(next) {
			t.Fatalf("after %s comes %s, after %s comes %s", after, next, between, again)
		}
	})
}

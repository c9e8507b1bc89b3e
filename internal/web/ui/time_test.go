package ui_test

import (
	"testing"
	"time"

	"github.com/margay-access/margay/internal/web/ui"
)

// U2: relative in lists, never more than there is.
func TestRelative(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "in under 1 min", 59 * time.Second: "in under 1 min", time.Minute: "in 1 min", 119 * time.Minute: "in 1 h 59 min", 8*time.Hour - time.Second: "in 7 h 59 min",
		8 * time.Hour: "in 8 h", 25 * time.Hour: "in 1 d 1 h", 30*24*time.Hour - time.Second: "in 29 d 23 h",
		-time.Second: "just now", -90 * time.Second: "1 min ago", -3*time.Hour - 59*time.Minute: "3 h ago", -400 * 24 * time.Hour: "400 d ago",
	} {
		if got := ui.Relative(now.Add(d), now); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

func TestLength(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{0: "0 s", 8 * time.Hour: "8 h", 28 * time.Hour: "1 d 4 h", 90 * time.Minute: "1 h 30 min", time.Second: "1 s"} {
		if got := ui.Length(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

// U22: shortened in the middle, both ends kept.
func TestMiddle(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{"": "", "short": "short", "abcdefghij": "abc…hij", "äöüßäöüßäö": "äöü…ßäö"} {
		if got := ui.Middle(s, 7); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

// U9: how fast, and how long the rest takes; nothing where that cannot be told.
func TestPace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		done, all int
		took      time.Duration
		want      string
	}{
		{1400, 2000, 14 * time.Second, " · 100 a second · about 6 s left"},
		{100, 10_000, 100 * time.Second, " · 1 a second · about 2 h 45 min left"},
		{10, 40, 100 * time.Second, " · 6 a minute · about 5 min left"},
		{1999, 2000, time.Minute, " · 33 a second · about 1 s left"},
		{0, 2000, time.Minute, ""},
		{2000, 2000, time.Minute, ""},
		{5, 10, time.Millisecond, ""},
		{5, 10, galleryNow.Sub(time.Time{}), ""},
	} {
		if got := ui.Pace(tt.done, tt.all, tt.took); got != tt.want {
			t.Errorf("%d of %d in %s: %q, want %q", tt.done, tt.all, tt.took, got, tt.want)
		}
	}
}

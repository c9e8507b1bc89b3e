package ui_test

import (
	"testing"
	"time"

	"github.com/margay-access/margay/internal/web/ui"
)

// U2: relative in lists, in the largest unit, never more than there is.
func TestRelative(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "in under 1 min", 59 * time.Second: "in under 1 min", time.Minute: "in 1 min", 119 * time.Minute: "in 1 h", 25 * time.Hour: "in 1 d",
		-time.Second: "just now", -90 * time.Second: "1 min ago", -3 * time.Hour: "3 h ago", -400 * 24 * time.Hour: "400 d ago",
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

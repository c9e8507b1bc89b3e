package access

import (
	"testing"
	"time"
)

func TestLengthsForPeople(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"30 d": 30 * 24 * time.Hour, "36 h": 36 * time.Hour, "8 h": 8 * time.Hour, "90 min": 90 * time.Minute, "1 s": time.Second,
		"1.5s": 1500 * time.Millisecond, "indefinite": Indefinite,
	} {
		if got := plainLength(d); got != want {
			t.Errorf("plainLength(%s) is %q, want %q", d, got, want)
		}
	}
}

package engine

import (
	"testing"
	"time"
)

// TestTrust is O18: a node trusts itself for two thirds of a lease after the last
// beat that was answered, whichever clock says that it is over.
func TestTrust(t *testing.T) {
	t.Parallel()
	heard := time.Now()
	for name, tt := range map[string]struct {
		now  time.Time
		want bool
	}{
		"just heard":               {heard, true},
		"within":                   {heard.Add(9 * time.Second), true},
		"over":                     {heard.Add(10 * time.Second), false},
		"wall clock set forward":   {heard.Round(0).Add(time.Hour), false},
		"wall clock set back":      {heard.Round(0).Add(-time.Hour), true},
		"machine slept, wall only": {heard.Round(0).Add(11 * time.Second), false},
	} {
		n := &node{e: &Engine{}, lease: 15 * time.Second, now: func() time.Time { return tt.now }, heard: heard}
		if got := n.trusted(); got != tt.want {
			t.Errorf("%s: trusted = %v, want %v", name, got, tt.want)
		}
	}
	var alone *node
	alone.mustBeTrusted() // on SQLite there is nobody to take over
}

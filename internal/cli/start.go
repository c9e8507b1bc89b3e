package cli

import (
	"fmt"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
)

// start is the flag --start: when access is to begin.
type start struct {
	in   time.Duration // so long from now
	at   time.Time
	here string // a day or a minute of the zone here, not yet read
	form string
}

// startForms are the ways to write a time of the zone here.
var startForms = []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02 15:04"}

// String implements pflag.Value.
func (s *start) String() string {
	switch {
	case s.in != 0:
		return spell(s.in)
	case !s.at.IsZero():
		return stamp(s.at)
	}
	return s.here
}

// Set implements pflag.Value.
func (s *start) Set(text string) error {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		*s = start{at: at}
		return nil
	}
	for _, form := range startForms {
		if _, err := time.Parse(form, text); err == nil {
			*s = start{here: text, form: form}
			return nil
		}
	}
	d, err := wire.ParseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is no time: write 2026-03-01, 2026-03-01T09:00, 2026-03-01T09:00:00Z, or 24h for so long from now", text)
	}
	*s = start{in: d}
	return nil
}

// Type implements pflag.Value.
func (*start) Type() string { return "TIME" }

// time returns the moment that was meant, or nil when none was.
func (s *start) time(now time.Time, zone *time.Location) *time.Time {
	switch {
	case s.in != 0:
		return new(now.Add(s.in))
	case !s.at.IsZero():
		return &s.at
	case s.here != "":
		at, _ := time.ParseInLocation(s.form, s.here, zone) // Set has read it
		return &at
	}
	return nil
}

package cli

import (
	"fmt"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
)

// spell writes a length of time for people: "8 h", "1 h 30 min", "30 d".
func spell(d time.Duration) string {
	if d == 0 {
		return "no end"
	}
	text := ""
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		if n := d / u.unit; n > 0 {
			if text != "" {
				text += " "
			}
			text += fmt.Sprintf("%d %s", n, u.name)
			d %= u.unit
		}
	}
	if text == "" {
		return "less than 1 s"
	}
	return text
}

// rough writes a distance in time by its largest unit: "2 h".
func rough(d time.Duration) string {
	if d >= time.Hour {
		d = d.Round(time.Minute) // what just began lasts 8 h, not 7
	}
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d d", d/(24*time.Hour))
	case d >= time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", max(d, 0)/time.Second)
}

// relative says how far t is: "5 min ago", "in 2 h".
func (s *session) relative(t time.Time) string {
	d := t.Sub(s.now())
	if d > 0 {
		return "in " + rough(d)
	}
	return rough(-d) + " ago"
}

// stamp writes a moment for machines.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// moment is a cell with a moment: relative in a list on a screen, else exact.
func (s *session) moment(t time.Time) cell {
	if t.IsZero() {
		return cell{}
	}
	return cell{text: stamp(t), tty: s.relative(t)}
}

// exact is a cell with a moment and its zone, for details.
func (s *session) exact(t time.Time) cell {
	if t.IsZero() {
		return cell{}
	}
	return cell{text: stamp(t), tty: t.In(s.zone).Format("2006-01-02 15:04:05 MST") + " (" + s.relative(t) + ")"}
}

// at returns the moment t points to, or the zero moment.
func at(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// length is a cell with a length of time.
func length(d wire.Duration) cell {
	text := ""
	if d != 0 {
		text = wire.FormatDuration(time.Duration(d))
	}
	return cell{text: text, tty: spell(time.Duration(d))}
}

// clock writes a moment of today as 14:03, another with its date.
func (s *session) clock(t time.Time) string {
	t, today := t.In(s.zone), s.now().In(s.zone)
	if t.YearDay() == today.YearDay() && t.Year() == today.Year() {
		return "today " + t.Format("15:04")
	}
	return t.Format("2 Jan 2006 15:04")
}

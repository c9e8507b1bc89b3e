package ui

import (
	"fmt"
	"strconv"
	"time"
)

// Relative says how far t is from now: "in 7 h 59 min", "5 min ago". It never
// says more than there is left.
func Relative(t, now time.Time) string {
	d := t.Sub(now)
	ahead := d >= 0
	if !ahead {
		d = -d
	}
	if d < time.Minute {
		if ahead {
			return "in under 1 min"
		}
		return "just now"
	}
	const day = 24 * time.Hour
	unit := time.Minute // of the last number that is told
	switch {
	case d >= day && !ahead:
		unit = day
	case d >= day, d >= time.Hour && !ahead:
		unit = time.Hour
	}
	text := Length(d.Truncate(unit))
	if ahead {
		return "in " + text
	}
	return text + " ago"
}

// Length is a length of time that somebody chose, in full: "1 d 4 h".
func Length(d time.Duration) string {
	text := ""
	for _, u := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		if n := d / u.size; n > 0 {
			if text != "" {
				text += " "
			}
			text += strconv.FormatInt(int64(n), 10) + " " + u.name
			d %= u.size
		}
	}
	if text == "" {
		return "0 s"
	}
	return text
}

// Absolute is t in full, in UTC: a page knows the reader's zone only by script.
func Absolute(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04 UTC") }

// Middle cuts a text in its middle to n characters: both ends of a name tell
// things apart.
func Middle(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	head := (n - 1) / 2
	return string(r[:head]) + "…" + string(r[len(r)-(n-1-head):])
}

// Pace says how fast a counted thing goes, done of all in the time that it took,
// and about how long the rest takes; "" when that cannot be told.
func Pace(done, all int, took time.Duration) string {
	if done <= 0 || done >= all || took < time.Second || took > 30*24*time.Hour {
		return ""
	}
	rate, per := float64(done)/took.Seconds(), "second"
	if rate < 1 {
		rate, per = rate*60, "minute"
	}
	left := time.Duration(float64(took) / float64(done) * float64(all-done))
	switch {
	case left >= time.Hour:
		left = left.Round(time.Minute)
	case left >= time.Minute:
		left = left.Round(10 * time.Second)
	default:
		left = max(left.Round(time.Second), time.Second)
	}
	return fmt.Sprintf(" · %.0f a %s · about %s left", max(rate, 1), per, Length(left))
}

package workflow

import (
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // time zones where the machine has none

	"github.com/margay-access/margay/internal/fault"
)

// Schedule says when a scheduled workflow runs: a cron expression of five fields
// in a time zone.
type Schedule struct {
	Cron string // minute, hour, day of the month, month, day of the week
	Zone string // of the IANA database: "Europe/Berlin"
}

// cronFields are the five fields, in their order.
var cronFields = []struct {
	name     string
	min, max int
	words    []string // for the values from min on
}{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day of the month", 1, 31, nil},
	{"month", 1, 12, []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}},
	{"day of the week", 0, 7, []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}},
}

// cronShort are the names that stand for an expression.
var cronShort = map[string]string{
	"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *",
}

// timetable is a schedule that was read: a bit for each value of a field.
type timetable struct {
	minutes, hours, days, months, weekdays uint64
	anyHour, anyDay, anyWeekday            bool
	zone                                   *time.Location
}

// horizon is how far ahead a next time is looked for: each 29 February comes
// within 8 years, also around a century.
const horizon = 8*366 + 1

// clean returns the schedule as it is kept, or why it cannot be.
func (s Schedule) clean() (Schedule, error) {
	s.Cron, s.Zone = strings.Join(strings.Fields(s.Cron), " "), strings.TrimSpace(s.Zone)
	if s.Zone == "" {
		s.Zone = "UTC"
	}
	t, err := s.read()
	if err != nil {
		return s, err
	}
	if t.next(time.Unix(0, 0)).IsZero() {
		return s, fault.Field("schedule.cron", "The schedule %q never comes: there is no such day.", s.Cron)
	}
	return s, nil
}

// Next returns the first time after that the schedule names, to the minute; zero
// when there is none. A time that the clocks skip in spring runs when they have
// skipped it; one that comes twice in autumn runs the first time alone, unless
// it is to run in each hour.
func (s Schedule) Next(after time.Time) time.Time {
	t, err := s.read()
	if err != nil {
		return time.Time{} // it was read when it was kept
	}
	return t.next(after)
}

func (s Schedule) read() (timetable, error) {
	zone, err := time.LoadLocation(s.Zone)
	if err != nil || s.Zone == "Local" {
		return timetable{}, fault.Field("schedule.zone", "There is no time zone %q.", s.Zone).WithHint("Name one as in Europe/Berlin, or UTC.")
	}
	expression := s.Cron
	if strings.HasPrefix(expression, "@") {
		if expression = cronShort[s.Cron]; expression == "" {
			return timetable{}, fault.Field("schedule.cron", "There is no schedule %q.", s.Cron).WithHint("There are @hourly, @daily, @weekly, @monthly and @yearly.")
		}
	}
	fields := strings.Fields(expression)
	if len(fields) != len(cronFields) {
		return timetable{}, fault.Field("schedule.cron", "A schedule has five fields, and %q has %d.", s.Cron, len(fields)).
			WithHint("Minute, hour, day of the month, month, day of the week: 0 7 * * MON is each Monday at 7.")
	}
	var bits [5]uint64
	for i, f := range fields {
		if bits[i], err = readField(i, f); err != nil {
			return timetable{}, err
		}
	}
	if bits[4]&(1<<7) != 0 { // 7 is Sunday too
		bits[4] = bits[4]&^(1<<7) | 1
	}
	return timetable{
		minutes: bits[0], hours: bits[1], days: bits[2], months: bits[3], weekdays: bits[4],
		anyHour: bits[1] == 1<<24-1, anyDay: strings.HasPrefix(fields[2], "*"), anyWeekday: strings.HasPrefix(fields[4], "*"), zone: zone,
	}, nil
}

// readField reads a list of values, ranges and steps.
func readField(i int, field string) (uint64, error) {
	f := cronFields[i]
	wrong := func() error {
		return fault.Field("schedule.cron", "%q is no %s: from %d to %d, as in 1,2-5 or */2.", field, f.name, f.min, f.max)
	}
	var bits uint64
	for part := range strings.SplitSeq(field, ",") {
		span, step, stepped := strings.Cut(part, "/")
		every := 1
		if stepped {
			n, err := strconv.Atoi(step)
			if err != nil || n < 1 || n > f.max {
				return 0, wrong()
			}
			every = n
		}
		from, to := f.min, f.max
		if span != "*" {
			first, last, ranged := strings.Cut(span, "-")
			var ok bool
			if from, ok = readValue(i, first); !ok {
				return 0, wrong()
			}
			to = from
			if ranged {
				if to, ok = readValue(i, last); !ok || to < from {
					return 0, wrong()
				}
			} else if stepped {
				to = f.max
			}
		}
		for v := from; v <= to; v += every {
			bits |= 1 << v
		}
	}
	return bits, nil
}

func readValue(i int, text string) (int, bool) {
	f := cronFields[i]
	for n, word := range f.words {
		if strings.EqualFold(text, word) {
			return f.min + n, true
		}
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= f.min && n <= f.max && !strings.HasPrefix(text, "+")
}

// next walks the minutes of the days that match.
func (t timetable) next(after time.Time) time.Time {
	at := after.In(t.zone).Truncate(time.Minute).Add(time.Minute)
	for day := 0; day < horizon; {
		if !t.onDay(at) {
			at = nextDay(at)
			day++
			continue
		}
		today := at.Day()
		for ; at.Day() == today; at = at.Add(time.Minute) {
			if t.due(at) {
				return at.UTC()
			}
		}
		day++
	}
	return time.Time{}
}

// nextDay returns the first minute of the day after at's.
func nextDay(at time.Time) time.Time {
	y, m, d := at.Date()
	next := time.Date(y, m, d+1, 0, 0, 0, 0, at.Location())
	for next.Day() == d { // midnight is skipped there, and Date went back
		next = next.Add(time.Minute)
	}
	return next
}

// due says whether the schedule runs at the minute.
func (t timetable) due(at time.Time) bool {
	if skipped := wall(at).Sub(wall(at.Add(-time.Minute))) - time.Minute; skipped > 0 {
		for w := wall(at).Add(-skipped); w.Before(wall(at)); w = w.Add(time.Minute) {
			if t.matches(w) && !t.anyHour {
				return true
			}
		}
	}
	return t.matches(at) && (t.anyHour || !secondTime(at))
}

func (t timetable) matches(at time.Time) bool {
	return t.minutes&(1<<at.Minute()) != 0 && t.hours&(1<<at.Hour()) != 0 && t.onDay(at)
}

// onDay says whether the day matches. Where both the day of the month and the
// day of the week are given, either will do, as cron has it.
func (t timetable) onDay(at time.Time) bool {
	if t.months&(1<<int(at.Month())) == 0 {
		return false
	}
	day, weekday := t.days&(1<<at.Day()) != 0, t.weekdays&(1<<int(at.Weekday())) != 0
	if t.anyDay || t.anyWeekday {
		return day && weekday
	}
	return day || weekday
}

// wall is what a clock on the wall shows at, as if in UTC.
func wall(at time.Time) time.Time {
	_, offset := at.Zone()
	return at.Add(time.Duration(offset) * time.Second).UTC()
}

// secondTime says whether the clocks were set back and show at's time again.
func secondTime(at time.Time) bool {
	_, now := at.Zone()
	for _, before := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour} {
		if _, then := at.Add(-before).Zone(); then-now == int(before/time.Second) {
			return true
		}
	}
	return false
}

package web

import (
	"context"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/web/ui"
)

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// lengthOption is a length that can be chosen at a press.
type lengthOption struct {
	length time.Duration
	note   string // "usual"
}

const day = 24 * time.Hour

var commonLengths = []time.Duration{time.Hour, 4 * time.Hour, 8 * time.Hour, day, 3 * day, 7 * day, 14 * day, 30 * day, 90 * day, 180 * day, 365 * day}

// mostChips is how many lengths are offered at a press.
const mostChips = 6

// lengthsOf offers the usual length, the longest one and some between.
func lengthsOf(p access.Policy) []lengthOption {
	usual := p.Usual
	if usual == access.Indefinite {
		usual = p.Longest
	}
	var list []time.Duration
	for _, l := range commonLengths {
		if p.Longest == access.Indefinite || l < p.Longest {
			list = append(list, l)
		}
	}
	for _, l := range []time.Duration{usual, p.Longest} {
		if l != access.Indefinite && !slices.Contains(list, l) {
			list = append(list, l)
		}
	}
	slices.Sort(list)
	for len(list) > mostChips { // those far from the usual one go first
		at := max(slices.Index(list, usual), 0)
		drop := 0
		if at < len(list)/2 {
			drop = len(list) - 2
		}
		if list[drop] == usual {
			drop++
		}
		list = slices.Delete(list, drop, drop+1)
	}
	options := make([]lengthOption, 0, len(list)+1)
	for _, l := range list {
		o := lengthOption{length: l}
		switch l {
		case usual:
			o.note = "usual"
		case p.Longest:
			o.note = "longest"
		default:
		}
		options = append(options, o)
	}
	if p.Longest == access.Indefinite {
		o := lengthOption{length: access.Indefinite}
		if usual == access.Indefinite {
			o.note = "usual"
		}
		options = append(options, o)
	}
	return options
}

// lengthValue is a length as a form sends it.
func lengthValue(d time.Duration) string {
	if d == access.Indefinite {
		return "none"
	}
	return d.String()
}

// customLength is the choice of a length of one's own.
const customLength = "custom"

// lengthOf reads what [lengthFields] sent: nil when nothing was chosen.
func (r *Request) lengthOf() (*time.Duration, error) {
	switch v := r.Value("length"); v {
	case "":
		return nil, nil //nolint:nilnil // nothing chosen is no error
	case "none":
		return new(access.Indefinite), nil
	case customLength:
		return parseLength("length_custom", r.Value("length_custom"))
	default:
		d, err := time.ParseDuration(v)
		if err != nil || d <= 0 {
			return nil, fault.Field("length", "Choose for how long.")
		}
		return &d, nil
	}
}

// parseLength reads a length as people write it: "8h", "3 days", "90 min", "1d 12h".
func parseLength(field, text string) (*time.Duration, error) {
	wrong := fault.Field(field, "Write a length of time such as 8 h, 3 d or 90 min.")
	total := time.Duration(0)
	rest := strings.ToLower(strings.Join(strings.Fields(text), ""))
	for rest != "" {
		digits := 0
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			digits++
		}
		letters := digits
		for letters < len(rest) && (rest[letters] < '0' || rest[letters] > '9') {
			letters++
		}
		n, err := strconv.Atoi(rest[:digits])
		unit, ok := lengthUnits[rest[digits:letters]]
		if err != nil || !ok || n > 100_000 {
			return nil, wrong
		}
		total += time.Duration(n) * unit
		rest = rest[letters:]
	}
	if total <= 0 {
		return nil, wrong
	}
	return &total, nil
}

var lengthUnits = map[string]time.Duration{
	"s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": day, "day": day, "days": day, "w": 7 * day, "week": 7 * day, "weeks": 7 * day,
}

// endText is when access that begins at from ends.
func endText(from time.Time, length time.Duration) string {
	if length == access.Indefinite {
		return "It does not end by itself."
	}
	return ui.Absolute(from.Add(length))
}

// formTime reads a moment of a datetime-local field, which browsers send without
// a zone: the page says that it is in UTC.
func formTime(field, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse("2006-01-02T15:04", text)
	if err != nil {
		return t, fault.Field(field, "Write a date and a time.")
	}
	return t, nil
}

// firstPage leads from a later page of a list to its first; "" on the first.
func firstPage(ctx context.Context, _ string) string {
	u, err := url.Parse(ui.From(ctx).Address)
	if err != nil || u.Query().Get("before") == "" {
		return ""
	}
	return withQuery(u, "before", "")
}

// readAll reads what was sent as a file; the server bounds its size.
func readAll(from io.Reader) (string, error) {
	b, err := io.ReadAll(from)
	return string(b), err
}

// atItsEnd says what the end of access to a role does in the other system.
func atItsEnd(app access.App, role string, byHand bool) string {
	text := "When it ends, " + short(role) + " is taken away, also where somebody had given it directly there. "
	switch {
	case byHand:
		return "When it ends, somebody takes " + short(role) + " away by hand, also where it had been given directly there."
	case app.OnRevoke == access.OnRevokeUnlicensed:
		text += "The role becomes Unlicensed: "
	default:
		text += "What other access here still gives remains, else Unlicensed: "
	}
	return text + "a role that was given directly there before does not come back."
}

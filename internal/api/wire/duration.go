package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Duration is a length of time, in JSON as ISO 8601 ("PT8H"), null for none.
type Duration time.Duration

// MarshalJSON implements json.Marshaler.
func (d Duration) MarshalJSON() ([]byte, error) {
	if d == 0 {
		return []byte("null"), nil
	}
	return json.Marshal(FormatDuration(time.Duration(d)))
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*d = 0
		return nil
	}
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	parsed, err := ParseDuration(text)
	*d = Duration(parsed)
	return err
}

// Schema implements huma.SchemaProvider.
func (Duration) Schema(huma.Registry) *huma.Schema { return durationSchema() }

// MaybeForever is a length of time in which null means "without an end", which
// is not the same as being left out.
type MaybeForever struct {
	Set    bool
	Length time.Duration // 0: without an end
}

// For returns d as something that was said.
func For(d time.Duration) MaybeForever { return MaybeForever{Set: true, Length: d} }

// Given returns the length that was said, or nil when none was.
func (d MaybeForever) Given() *time.Duration {
	if !d.Set {
		return nil
	}
	return &d.Length
}

// MarshalJSON implements json.Marshaler.
func (d MaybeForever) MarshalJSON() ([]byte, error) { return Duration(d.Length).MarshalJSON() }

// UnmarshalJSON implements json.Unmarshaler.
func (d *MaybeForever) UnmarshalJSON(b []byte) error {
	d.Set = true
	return (*Duration)(&d.Length).UnmarshalJSON(b)
}

// Schema implements huma.SchemaProvider.
func (MaybeForever) Schema(huma.Registry) *huma.Schema { return durationSchema() }

func durationSchema() *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Nullable: true, Description: "ISO 8601 length of time", Examples: []any{"PT8H", "P30D"}}
}

// isoDuration takes weeks, or days, hours, minutes and seconds: lengths that are
// the same whenever they begin. Months and years are not.
var isoDuration = regexp.MustCompile(`^P(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9})S)?)?$`)

// ParseDuration reads a length of time: ISO 8601 ("PT8H", "P30D"), or the short
// form of the command line ("8h", "30d", "2w", "1h30m").
func ParseDuration(text string) (time.Duration, error) {
	if len(text) > maxText {
		return 0, fmt.Errorf("a length of time has at most %d characters", maxText)
	}
	if strings.HasPrefix(text, "P") {
		return parseISO(text)
	}
	return parseShort(text)
}

// maxText bounds what is read, and repeated in an error.
const maxText = 60

var units = []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, time.Minute, time.Second}

func parseISO(text string) (time.Duration, error) {
	m := isoDuration.FindStringSubmatch(text)
	if m == nil || strings.HasSuffix(text, "T") {
		return 0, fmt.Errorf("%q is not a length of time: write PT8H, P30D or P2W", text)
	}
	var d time.Duration
	for i, unit := range units {
		n, _ := strconv.Atoi("0" + m[i+1]) // digits only
		if time.Duration(n) > longest/unit {
			return 0, tooLong(text)
		}
		d += time.Duration(n) * unit
	}
	return positive(d, text)
}

func parseShort(text string) (time.Duration, error) {
	for suffix, unit := range map[string]time.Duration{"d": units[1], "w": units[0]} {
		if number, ok := strings.CutSuffix(text, suffix); ok {
			n, err := strconv.ParseUint(number, 10, 20)
			if err != nil {
				break
			}
			return positive(time.Duration(n)*unit, text)
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a length of time: write 8h, 30d or 2w", text)
	}
	return positive(d, text)
}

func tooLong(text string) error { return fmt.Errorf("%q is longer than a hundred years", text) }

// longest is far beyond any sensible length, and far from overflow.
const longest = 100 * 365 * 24 * time.Hour

func positive(d time.Duration, text string) (time.Duration, error) {
	if d <= 0 {
		return 0, errors.New("a length of time must be longer than nothing")
	}
	if d > longest {
		return 0, tooLong(text)
	}
	if d%time.Second != 0 {
		return 0, fmt.Errorf("%q is not a whole number of seconds", text)
	}
	return d, nil
}

// FormatDuration writes d as ISO 8601, in days, hours, minutes and seconds.
func FormatDuration(d time.Duration) string {
	days := d / units[1]
	rest := d % units[1]
	var b strings.Builder
	b.WriteString("P")
	if days > 0 {
		fmt.Fprintf(&b, "%dD", days)
	}
	if rest > 0 || days == 0 {
		b.WriteString("T")
		for i, letter := range []string{"H", "M", "S"} {
			if n := rest / units[i+2]; n > 0 || letter == "S" && d < time.Second {
				fmt.Fprintf(&b, "%d%s", n, letter)
			}
			rest %= units[i+2]
		}
	}
	return b.String()
}

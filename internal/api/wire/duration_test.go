package wire_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/internal/api/wire"
)

const day = 24 * time.Hour

func TestParseDuration(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		want   time.Duration
		format string // how it is written; "": as it was read
	}{
		"PT8H": {want: 8 * time.Hour}, "P30D": {want: 30 * day}, "P2W": {want: 14 * day, format: "P14D"}, "PT90M": {want: 90 * time.Minute, format: "PT1H30M"},
		"P1DT12H": {want: 36 * time.Hour}, "PT36H": {want: 36 * time.Hour, format: "P1DT12H"}, "PT1S": {want: time.Second}, "PT45M": {want: 45 * time.Minute},
		"P1W2DT3H4M5S": {want: 9*day + 3*time.Hour + 4*time.Minute + 5*time.Second, format: "P9DT3H4M5S"}, "P36500D": {want: 36500 * day},
		"PT08H": {want: 8 * time.Hour, format: "PT8H"}, "P0DT8H": {want: 8 * time.Hour, format: "PT8H"},
		"8h": {want: 8 * time.Hour, format: "PT8H"}, "30d": {want: 30 * day, format: "P30D"}, "2w": {want: 14 * day, format: "P14D"},
		"1h30m": {want: 90 * time.Minute, format: "PT1H30M"}, "90s": {want: 90 * time.Second, format: "PT1M30S"},
	}
	for text, tt := range tests {
		got, err := wire.ParseDuration(text)
		if err != nil || got != tt.want {
			t.Errorf("ParseDuration(%q) = %s, %v; want %s", text, got, err, tt.want)
		}
		if tt.format == "" {
			tt.format = text
		}
		if s := wire.FormatDuration(got); s != tt.format {
			t.Errorf("FormatDuration(%s) = %q, want %q", got, s, tt.format)
		}
	}
	for _, text := range []string{
		"", " ", "P", "PT", "P1DT", "PT0S", "P0D", "0h", "-8h", "-PT8H", "P-1D", "P1Y", "P1M", "PT1.5H", "P1.5D", "1.5d", "8", "8H", "d", "w", "-3d", "pt8h", "PT8h", " PT8H",
		"PT8H ", "PT8H\n", "P1H", "PT1D", "1d12h", "500ms", "1.5s", "1ns", "P36501D", "P999999W", "PT999999999S9S", "P999999D", "PT999999H999999M", "876001h", "9999999d",
		"99999999999999999999h", "for ever", "null", strings.Repeat("9", 1<<20) + "h", "PT" + strings.Repeat("0", 100) + "8H",
	} {
		d, err := wire.ParseDuration(text)
		if err == nil || d != 0 {
			t.Errorf("ParseDuration(%.30q) = %s, %v", text, d, err)
		}
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("ParseDuration(%.30q): an error of %d bytes", text, len(err.Error()))
		}
	}
}

// A length that was left out, null, and a text are three things.
func TestMaybeForever(t *testing.T) {
	t.Parallel()
	type asked struct {
		Duration wire.MaybeForever `json:"duration,omitzero"`
	}
	for text, want := range map[string]wire.MaybeForever{
		`{}`: {}, `{"duration":null}`: wire.For(0), `{"duration":"PT8H"}`: wire.For(8 * time.Hour), `{"duration":"30d"}`: wire.For(30 * day),
	} {
		var got asked
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.Duration != want {
			t.Errorf("%s: %+v, %v", text, got.Duration, err)
		}
		if given := got.Duration.Given(); (given != nil) != want.Set || given != nil && *given != want.Length {
			t.Errorf("%s: given %v", text, given)
		}
		back, err := json.Marshal(got)
		if err != nil || strings.Contains(string(back), "null") != strings.Contains(text, "null") || strings.Contains(string(back), "duration") != strings.Contains(text, "duration") {
			t.Errorf("%s is written as %s, %v", text, back, err)
		}
	}
	for _, text := range []string{`{"duration":""}`, `{"duration":8}`, `{"duration":"soon"}`, `{"duration":{}}`, `{"duration":true}`, `{"duration":[]}`} {
		var got asked
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s is %+v", text, got)
		}
	}
}

// What a client that replaces a policy sends says every part.
func TestReplacing(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(wire.Replacing(wire.NewPolicy{Name: "Open"}))
	want := `{"name":"Open","longest":null,"usual":null,"reason_needed":false,"on_behalf":"nobody","steps":[],"auto":{},"waits":null}`
	if err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
	if text, err = json.Marshal(wire.ChangedPolicy{}); err != nil || string(text) != "{}" {
		t.Errorf("no change: %s, %v", text, err)
	}
}

// What holds a secret on its way in does not print it.
func TestSettingsAreNotPrinted(t *testing.T) {
	t.Parallel()
	settings := map[string]string{"pat_name": "margay", "pat_secret": "the-secret-of-the-PAT"}
	for _, v := range []any{wire.NewConnection{Integration: "tableau", Settings: settings}, &wire.NewConnection{Settings: settings}, wire.ChangedConnection{Settings: settings}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "the-secret") || !strings.Contains(text, "pat_secret") {
				t.Errorf("%s of %T: %s", verb, v, text)
			}
		}
	}
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"PT8H", "P30D", "8h", "2w", "P1W2DT3H4M5S", "PT999999999S", "1h30m", "P999999W", "+8h", "1e3h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := wire.ParseDuration(text)
		if err != nil {
			return
		}
		if d <= 0 || d > 100*365*day {
			t.Fatalf("%q is %s", text, d)
		}
		again, err := wire.ParseDuration(wire.FormatDuration(d))
		if err != nil || again != d {
			t.Fatalf("%q: %s, written %q, read %s, %v", text, d, wire.FormatDuration(d), again, err)
		}
		var back wire.Duration
		b, err := json.Marshal(wire.Duration(d))
		if err == nil {
			err = json.Unmarshal(b, &back)
		}
		if diff := cmp.Diff(wire.Duration(d), back); err != nil || diff != "" {
			t.Fatalf("%q: %v %s", text, err, diff)
		}
	})
}

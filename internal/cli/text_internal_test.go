package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/margay-access/margay/internal/api/wire"
)

func TestVisible(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"plain":                {"Ana Ruiz", "Ana Ruiz"},
		"other scripts":        {"営業部 é 👩‍💻", "営業部 é 👩‍💻"},
		"colour":               {"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		"line breaks and tabs": {"a\nb\tc\r", `a\nb\tc\r`},
		"C1 and delete":        {"a\u009b31mb\x7f", `a\x9b31mb\x7f`},
		"writing turned round": {"user\u202Etxt.exe\u2066", `user\u202etxt.exe\u2066`},
		"line separators":      {"a\u2028b\u2029c\uFEFF", `a\u2028b\u2029c\ufeff`},
		"no UTF-8":             {"a\xff\xfeb", `a\xff\xfeb`},
		"replacement sign":     {"a\uFFFDb", "a\uFFFDb"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := visible(tc.in); got != tc.want {
				t.Errorf("visible(%q) = %q, want %q", tc.in, got, tc.want)
			}
		})
	}
}

// Whatever the text, nothing in what is shown acts on a terminal.
func TestVisibleIsHarmless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		got := visible(text)
		if strings.ContainsFunc(got, unicode.IsControl) || strings.ToValidUTF8(got, "") != got {
			t.Fatalf("visible(%q) = %q", text, got)
		}
	})
}

func TestCut(t *testing.T) {
	tests := []struct {
		in   string
		n    int
		want string
	}{
		{"short", 10, "short"},
		{"abcdefghij", 5, "ab…ij"},
		{"abcdefghij", 6, "abc…ij"},
		{"abcdefghij", 2, "…"},
		{"営業部営業部", 5, "営…部"},
	}
	for _, tc := range tests {
		if got := cut(tc.in, tc.n); got != tc.want || cells(got) > tc.n {
			t.Errorf("cut(%q, %d) = %q (%d columns), want %q", tc.in, tc.n, got, cells(got), tc.want)
		}
	}
}

func TestCutFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, n := rapid.String().Draw(t, "text"), rapid.IntRange(1, 40).Draw(t, "n")
		if got := cut(visible(text), n); cells(got) > n {
			t.Fatalf("cut(%q, %d) = %q takes %d columns", text, n, got, cells(got))
		}
	})
}

func TestSpell(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "no end", 8 * time.Hour: "8 h", 30 * 24 * time.Hour: "30 d", 90 * time.Minute: "1 h 30 min", 25*time.Hour + time.Second: "1 d 1 h 1 s",
		time.Millisecond: "less than 1 s",
	} {
		if got := spell(d); got != want {
			t.Errorf("spell(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestMoments(t *testing.T) {
	now := time.Date(2026, 3, 3, 14, 3, 0, 0, time.UTC)
	s := &session{now: func() time.Time { return now }, zone: time.FixedZone("CET", 3600)}
	tests := map[string]struct{ got, want string }{
		"past":        {s.moment(now.Add(-5 * time.Minute)).tty, "5 min ago"},
		"future":      {s.moment(now.Add(3 * time.Hour)).tty, "in 3 h"},
		"just begun":  {s.moment(now.Add(8*time.Hour - time.Second)).tty, "in 8 h"},
		"far":         {s.moment(now.Add(-72 * time.Hour)).tty, "3 d ago"},
		"for a pipe":  {s.moment(now).text, "2026-03-03T14:03:00.000Z"},
		"details":     {s.exact(now.Add(2 * time.Hour)).tty, "2026-03-03 17:03:00 CET (in 2 h)"},
		"none":        {s.moment(time.Time{}).shown(), ""},
		"left":        {s.ends(wire.Grant{Duration: 1, EndsAt: new(now.Add(2 * time.Hour))}).tty, "2 h left"},
		"without end": {s.ends(wire.Grant{}).tty, "no end"},
		"today":       {s.clock(now), "today 15:03"},
		"another day": {s.clock(now.Add(24 * time.Hour)), "4 Mar 2026 15:03"},
	}
	for name, tc := range tests {
		if tc.got != tc.want {
			t.Errorf("%s: %q, want %q", name, tc.got, tc.want)
		}
	}
}

// A table on a screen: ids whole, the widest other columns cut, names aligned
// whatever their script, nothing that acts on the terminal.
func TestAligned(t *testing.T) {
	tab := table{
		head: []string{"ID", "NAME", "STATE"}, keep: []bool{true, false, true},
		rows: [][]cell{
			{text("con_0123456789"), text("A name that is much too long to fit"), stateCell("active")},
			{text("con_1"), text("営業部"), {text: "x\x1b[0m"}},
		},
	}

	got := tab.aligned(terminal{width: 44})

	want := strings.Join([]string{
		"ID              NAME                STATE",
		"con_0123456789  A name th…g to fit  ✓ Active",
		"con_1           営業部              x\\x1b[0m",
		"",
	}, "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestYAML(t *testing.T) {
	in := `{"z":"text","a":[1,2.5,-3e2],"empty":[],"none":null,"yes":true,"like":"true","number":"12","o":{"k":"line\nbreak"},"odd":"a\u009bb: c"}`

	node, err := yamlOf(json.NewDecoder(strings.NewReader(in)))
	if err != nil {
		t.Fatal(err)
	}
	out, err := yaml.Marshal(node)
	if err != nil {
		t.Fatal(err)
	}

	var got, want map[string]any
	if err := yaml.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	if err := json.Unmarshal([]byte(in), &want); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	got = nil
	if err := json.Unmarshal(again, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-JSON +YAML:\n%s\n%s", diff, out)
	}
	if !bytes.HasPrefix(out, []byte("z: text\n")) || bytes.ContainsRune(out, '\u009b') {
		t.Errorf("the YAML is not as it should be:\n%s", out)
	}
}

// JSON that a terminal would act upon is escaped, and means the same.
func TestHarmlessJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		doc, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		out := harmless(doc)
		var back string
		if err := json.Unmarshal(out, &back); err != nil || back != text {
			t.Fatalf("%q became %q (%v)", text, back, err)
		}
		if bytes.ContainsFunc(out, unsafe) {
			t.Fatalf("%q is not harmless", out)
		}
	})
}

func TestFormatIn(t *testing.T) {
	for line, want := range map[string]format{
		"app list": formatTable, "app list -o json": formatJSON, "-ojson x": formatJSON, "x --output=yaml": formatYAML,
		"x --output csv": formatCSV, "x -o": formatTable, "x -o nonsense": formatTable, "x -o=id": formatID,
	} {
		if got := formatIn(strings.Fields(line)); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

func TestColor(t *testing.T) {
	tests := map[string]struct {
		shows, never bool
		env          map[string]string
		want         bool
	}{
		"screen":            {shows: true, want: true},
		"pipe":              {},
		"flag":              {shows: true, never: true},
		"NO_COLOR":          {shows: true, env: map[string]string{"NO_COLOR": "1"}},
		"dumb":              {shows: true, env: map[string]string{"TERM": "dumb"}},
		"CLICOLOR=0":        {shows: true, env: map[string]string{"CLICOLOR": "0"}},
		"forced on a pipe":  {env: map[string]string{"CLICOLOR_FORCE": "1"}, want: true},
		"forced 0":          {env: map[string]string{"CLICOLOR_FORCE": "0"}},
		"a no beats a must": {shows: true, env: map[string]string{"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}},
	}
	for name, tc := range tests {
		term := terminal{shows: tc.shows}
		term.decideColor(tc.never, func(key string) string { return tc.env[key] })
		if term.color != tc.want {
			t.Errorf("%s: colours %v, want %v", name, term.color, tc.want)
		}
	}
}

func TestReadSecret(t *testing.T) {
	for in, want := range map[string]string{
		"secret\r": "secret", "secret\nrest": "secret", "sex\x7fcred\bt\n": "secret", "old\x15new\r": "new", "é\x7fe\r": "e", "\x7f\r": "",
	} {
		got, err := readSecret(strings.NewReader(in))
		if err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
	if _, err := readSecret(strings.NewReader("sec\x03")); !errors.Is(err, errInterrupted) {
		t.Errorf("Ctrl-C: %v", err)
	}
	if _, err := readSecret(strings.NewReader("")); !errors.Is(err, io.EOF) {
		t.Errorf("no input: %v", err)
	}
}

package connection

import (
	"strings"
	"testing"
)

// S43, S95, decision 8.
func TestMask(t *testing.T) {
	t.Parallel()
	for secret, want := range map[string]string{
		"":                               "",
		"a":                              "••••••••",
		"fifteen-letters":                "••••••••",
		"sixteen-letters!":               "••••••••ers!",
		"Y2FuYXJ5LXBhdA==:4f7d2c9ab81e4": "••••••••81e4",
		"fünfzehn-Zeiche":                "••••••••",
		"sechzehn-Zeichén":               "••••••••chén",
	} {
		got := mask(secret)
		if got != want {
			t.Errorf("mask(%q) = %q, want %q", secret, got, want)
		}
		if got != "" && !looksMasked(got) {
			t.Errorf("%q is not known as a mask", got)
		}
	}
	for _, part := range []string{"•", "••••7b60", " ••••••••7b60", "********", "********1111", "\t••••", "x••••", "••••••••"} {
		if !looksMasked(part) {
			t.Errorf("%q would be stored as a secret", part)
		}
	}
	if looksMasked("Y2FuYXJ5LXBhdA==:4f7d2c9ab81e4") || looksMasked("***a-secret-with-stars-before-it") || looksMasked("****0123456789") || strings.Contains(mask("0123456789abcdef"), "b") {
		t.Error("a secret is taken for a mask, or a mask shows more than four characters")
	}
}

package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// visible returns text as it can be shown without harm: what people or Tableau
// wrote may hold line breaks, escape sequences and marks that turn the writing
// round, and they are shown as escapes.
func visible(text string) string {
	if !strings.ContainsFunc(text, unsafe) && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case unsafe(r) && r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case unsafe(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// unsafe says whether a terminal may act on r instead of showing it.
func unsafe(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' || r == '\uFEFF'
}

// cells returns how many columns of a terminal text takes.
func cells(text string) int {
	n := 0
	for _, r := range text {
		n += runeCells(r)
	}
	return n
}

func runeCells(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() { //nolint:exhaustive // the rest takes one column
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// cut shortens text to at most n columns, in its middle: both ends of a name
// tell more than its first half.
func cut(text string, n int) string {
	if cells(text) <= n {
		return text
	}
	if n < 3 {
		return "…"
	}
	runes := []rune(text)
	left, right := n/2, (n-1)/2
	var head, tail []rune
	for _, r := range runes {
		if left -= runeCells(r); left < 0 {
			break
		}
		head = append(head, r)
	}
	for _, r := range slices.Backward(runes) {
		if right -= runeCells(r); right < 0 {
			break
		}
		tail = append(tail, r)
	}
	slices.Reverse(tail)
	return string(head) + "…" + string(tail)
}

// counted is a number with its word.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

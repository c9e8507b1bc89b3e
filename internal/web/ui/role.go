package ui

import (
	"context"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/a-h/templ"
)

// longestPart is how long a part of a name of a role may be that is never broken.
const longestPart = 16

// Role is the name of a role, shortened. Names that are several words in one,
// as SiteAdministratorExplorer, break between those in narrow places.
func Role(name string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		var b strings.Builder
		parts := partsOf(Middle(name, 80))
		b.WriteString("<bdi")
		if keeps(parts) {
			b.WriteString(` class="role"`)
		}
		b.WriteString(">")
		for i, part := range parts {
			if i > 0 {
				b.WriteString("<wbr>")
			}
			b.WriteString(templ.EscapeString(part))
		}
		b.WriteString("</bdi>")
		_, err := io.WriteString(w, b.String())
		return err
	})
}

// partsOf splits a name where a small letter stands before a capital.
func partsOf(name string) []string {
	var parts []string
	small, from := false, 0
	for i, r := range name {
		if unicode.IsUpper(r) && small {
			parts, from = append(parts, name[from:i]), i
		}
		small = unicode.IsLower(r) || unicode.IsDigit(r)
	}
	return append(parts, name[from:])
}

// keeps says whether all parts are short enough to be kept whole.
func keeps(parts []string) bool {
	for _, part := range parts {
		if utf8.RuneCountInString(part) > longestPart && !strings.Contains(part, " ") {
			return false
		}
	}
	return true
}

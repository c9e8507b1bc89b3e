package script

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// MaxText is how many bytes the text of a workflow may have.
const MaxText = 64 << 10

// bounds keep the bundler's work small. It is recursive descent without a
// limit of its own on the depth, backtracks where TypeScript is ambiguous, and
// rewrites some things by copying them: a text of 20 kB can be made that takes
// it minutes and gigabytes. Each bound is far above what people write in MaxText
// and keeps the worst text we found near one second and 250 MB.
//
// They count plain text, inside comments and strings too, because finding out
// what is code would take the very parser that they protect.
var bounds = []struct {
	what    *regexp.Regexp
	atMost  int
	instead string // what to say
}{
	{regexp.MustCompile(`\{`), 3000, "blocks and objects"},
	{regexp.MustCompile(`=>`), 500, "arrow functions"},
	{regexp.MustCompile(`<`), 2000, `signs "<"`},
	{regexp.MustCompile(`,`), 8000, "commas"},
	{regexp.MustCompile(`!`), 8000, `signs "!"`},
	{regexp.MustCompile(`=`), 8000, `signs "="`},
	{regexp.MustCompile(`\bif\b`), 2000, `words "if"`},
	{regexp.MustCompile(`\bdo\b`), 2000, `words "do"`},
	{regexp.MustCompile(`\bswitch\b`), 500, `words "switch"`},
	{regexp.MustCompile(`\busing\b`), 200, `words "using"`},
	// A namespace a.b.c becomes nested functions, one a dot.
	{regexp.MustCompile(`\b(?:namespace|module)\b`), 50, `words "namespace" and "module"`},
}

// check refuses what must not reach the bundler. The modules are ours, so they
// are trusted to be sane.
func check(src Source) []Fault {
	if len(src.Text) > MaxText {
		return []Fault{{File: src.Name, Text: "The workflow is longer than " + bytes(MaxText) + "."}}
	}
	for _, b := range bounds {
		if n := len(b.what.FindAllStringIndex(src.Text, b.atMost+1)); n > b.atMost {
			return []Fault{{File: src.Name, Text: fmt.Sprintf("The workflow has more than %d %s: make it simpler.", b.atMost, b.instead)}}
		}
	}
	faults := checkNamespaces(src)
	faults = append(faults, checkEnums(src)...)
	faults = append(faults, checkSourceMaps(src.Name, src.Text)...)
	for _, path := range slices.Sorted(maps.Keys(src.Modules)) {
		faults = append(faults, checkSourceMaps(path, src.Modules[path])...)
	}
	return faults
}

// checkSourceMaps refuses references to source maps: the bundler would read the
// file that they name.
func checkSourceMaps(file, text string) []Fault {
	var faults []Fault
	for at := range occurrences(text, "sourceMappingURL=") {
		faults = append(faults, faultAt(file, text, at, "A workflow cannot name a source map."))
	}
	return faults
}

var namespaceWord = regexp.MustCompile(`\b(?:namespace|module)\b`)

// checkNamespaces bounds the names of namespaces: the bundler's output for
// a.b.c.d grows with the square of the dots and the time with the cube.
func checkNamespaces(src Source) []Fault {
	const dots = 100
	var faults []Fault
	for _, at := range namespaceWord.FindAllStringIndex(src.Text, -1) {
		name, _, _ := strings.Cut(src.Text[at[1]:], "{")
		if strings.Count(name, ".") > dots {
			faults = append(faults, faultAt(src.Name, src.Text, at[0], "The name of this namespace has too many parts."))
		}
	}
	return faults
}

// occurrences yields where part begins in text.
func occurrences(text, part string) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for from := 0; ; {
			at := strings.Index(text[from:], part)
			if at < 0 || !yield(from+at) {
				return
			}
			from += at + len(part)
		}
	}
}

// faultAt returns a fault at a byte of text.
func faultAt(file, text string, at int, sentence string) Fault {
	before := text[:at]
	line := before[strings.LastIndexByte(before, '\n')+1:]
	return Fault{File: file, Line: 1 + strings.Count(before, "\n"), Column: 1 + characters(line, len(line)), Text: sentence}
}

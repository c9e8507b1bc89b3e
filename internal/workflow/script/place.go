package script

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-sourcemap/sourcemap"
)

// placer finds the place in the TypeScript that a place in the running
// JavaScript came from.
type placer struct {
	places *sourcemap.Consumer
	name   string // of the workflow's own file
	skip   int    // lines before the bundle
}

// find returns the place of a line and column, each from 1, or false when they
// are not in the TypeScript: in the prelude, or in what the bundler added.
func (p placer) find(line, column int) (Frame, bool) {
	if line <= p.skip || column < 1 {
		return Frame{}, false
	}
	path, _, l, c, ok := p.places.Source(line-p.skip, column-1)
	if !ok || path == "" {
		return Frame{}, false
	}
	path = fileOf(path, p.name)
	if path == entry || path == hostModule {
		return Frame{}, false
	}
	return Frame{File: path, Line: l, Column: c + 1}, true
}

// callee is what is called by its name: "tableau.users.find(".
var callee = regexp.MustCompile(`([\pL_$][\pL\pN_$]*(?:\??\.[\pL_$][\pL\pN_$]*)*)\s*\(`)

// called names what the text calls at the innermost place, as "tableau.users.findd
// is ", or returns "" when it cannot be told.
func (p *Program) called(frames []Frame) string {
	if len(frames) == 0 || frames[0].File != p.places.name {
		return ""
	}
	lines := strings.Split(p.text, "\n")
	if frames[0].Line < 1 || frames[0].Line > len(lines) {
		return ""
	}
	line := lines[frames[0].Line-1]
	calls := callee.FindAllStringSubmatchIndex(line, -1)
	for _, at := range calls {
		from, to := utf8.RuneCountInString(line[:at[0]])+1, utf8.RuneCountInString(line[:at[1]])+1
		if from <= frames[0].Column && frames[0].Column <= to {
			return line[at[2]:at[3]] + " is "
		}
	}
	return ""
}

// stackLine is "    at name (<eval>:3:16)", as the engine writes it.
var stackLine = regexp.MustCompile(`^\s*at (.*?) ?\(?<eval>:(\d+):(\d+)\)?$`)

// nameless are the names of functions that have none in the TypeScript; the
// last is what the bundler calls a default export without a name.
var nameless = map[string]bool{"<anonymous>": true, "<eval>": true, "margay_main_default": true}

// frames returns the places of a stack of the engine's, innermost first.
func (p placer) frames(stack string) []Frame {
	var frames []Frame
	for line := range strings.Lines(stack) {
		m := stackLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		l, errLine := strconv.Atoi(m[2])
		c, errColumn := strconv.Atoi(m[3])
		if errLine != nil || errColumn != nil {
			continue
		}
		if f, ok := p.find(l, c); ok {
			if !nameless[m[1]] {
				f.Function = m[1]
			}
			frames = append(frames, f)
		}
	}
	return frames
}

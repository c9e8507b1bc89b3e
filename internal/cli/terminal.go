package cli

import (
	"os"

	"golang.org/x/term"
)

// terminal says what the program talks to.
type terminal struct {
	asks  bool // somebody can answer a question
	shows bool // the data goes to a screen, not to a pipe
	width int  // of that screen; 0: not known
	color bool
}

// descriptor is what may be a terminal.
type descriptor interface{ Fd() uintptr }

func isTerminal(f descriptor) bool { return term.IsTerminal(int(f.Fd())) }

func openTerminal(in, out *os.File) terminal {
	t := terminal{asks: in != nil && isTerminal(in)}
	if out != nil && isTerminal(out) {
		t.shows = true
		if width, _, err := term.GetSize(int(out.Fd())); err == nil {
			t.width = width
		}
	}
	return t
}

// decideColor follows no-color.org and bixense.com/clicolors: a no is stronger
// than a force, and a force than what the terminal looks like.
func (t *terminal) decideColor(never bool, getenv func(string) string) {
	force := getenv("CLICOLOR_FORCE")
	switch {
	case never || getenv("NO_COLOR") != "":
		t.color = false
	case force != "" && force != "0":
		t.color = true
	default:
		t.color = t.shows && getenv("TERM") != "dumb" && getenv("CLICOLOR") != "0"
	}
}

// tint is a meaning that has a colour. The word beside it says the same.
type tint int

const (
	plain tint = iota
	good
	warned
	bad
	dim
)

// paint returns text in the colour of t, where there are colours.
func (t terminal) paint(c tint, text string) string {
	codes := map[tint]string{good: "32", warned: "33", bad: "31", dim: "2"}
	if !t.color || codes[c] == "" || text == "" {
		return text
	}
	return "\x1b[" + codes[c] + "m" + text + "\x1b[0m"
}

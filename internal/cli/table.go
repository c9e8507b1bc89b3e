package cli

import (
	"fmt"
	"io"
	"strings"
)

// table is rows under a head.
type table struct {
	head []string
	keep []bool
	rows [][]cell
}

// gap is what stands between two columns on a screen.
const gap = "  "

// table writes t: aligned and cut to the width of a screen, or whole and
// separated by tabs to a pipe.
func (s *session) table(t table) error {
	switch {
	case s.format == formatCSV:
		return t.csv(s.out)
	case !s.term.shows:
		return t.tabs(s.out)
	}
	_, err := io.WriteString(s.out, t.aligned(s.term))
	return err
}

func (t table) tabs(w io.Writer) error {
	var b strings.Builder
	b.WriteString(strings.Join(t.head, "\t") + "\n")
	for _, row := range t.rows {
		texts := make([]string, len(row))
		for i, c := range row {
			texts[i] = visible(c.text)
		}
		b.WriteString(strings.Join(texts, "\t") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t table) aligned(term terminal) string {
	texts := t.texts()
	widths := t.widths(texts, term.width)
	var b strings.Builder
	for i, row := range texts {
		line := make([]string, len(row))
		for j, text := range row {
			text = cut(text, widths[j])
			pad := strings.Repeat(" ", widths[j]-cells(text))
			if i == 0 {
				line[j] = term.paint(dim, text) + pad
			} else {
				line[j] = term.paint(t.rows[i-1][j].tint, text) + pad
			}
		}
		b.WriteString(strings.TrimRight(strings.Join(line, gap), " ") + "\n")
	}
	return b.String()
}

// texts returns head and rows as a screen shows them.
func (t table) texts() [][]string {
	all := [][]string{t.head}
	for _, row := range t.rows {
		line := make([]string, len(row))
		for i, c := range row {
			line[i] = c.shown()
		}
		all = append(all, line)
	}
	return all
}

func (c cell) shown() string {
	if c.tty != "" {
		return visible(c.tty)
	}
	return visible(c.text)
}

// narrowest is how far a column is cut at most.
const narrowest = 8

// widths returns how wide each column is, so that all fit into room where that
// can be; 0 is endless room.
func (t table) widths(texts [][]string, room int) []int {
	widths := make([]int, len(t.head))
	for _, row := range texts {
		for i, text := range row {
			widths[i] = max(widths[i], cells(text))
		}
	}
	for room > 0 && sum(widths)+len(gap)*(len(widths)-1) > room {
		widest := -1
		for i, w := range widths {
			if !t.keep[i] && w > narrowest && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

func sum(numbers []int) int {
	n := 0
	for _, v := range numbers {
		n += v
	}
	return n
}

// describe writes the lines that describe one thing.
func (s *session) describe(lines []detail) error {
	if !s.term.shows {
		t := table{head: []string{"FIELD", "VALUE"}}
		for _, l := range lines {
			t.rows = append(t.rows, []cell{text(l.name), l.cell})
		}
		return t.tabs(s.out)
	}
	widest := 0
	for _, l := range lines {
		widest = max(widest, cells(l.name))
	}
	var b strings.Builder
	for _, l := range lines {
		value := l.cell.shown()
		if value == "" {
			value = "–"
		}
		fmt.Fprintf(&b, "%s%s%s%s\n", s.term.paint(dim, l.name), strings.Repeat(" ", widest-cells(l.name)), gap, s.term.paint(l.cell.tint, value))
	}
	_, err := io.WriteString(s.out, b.String())
	return err
}

// mark is the sign before a line of a story.
type mark struct {
	sign string
	tint tint
}

var (
	markDone    = mark{"✓", good}
	markFailed  = mark{"✗", bad}
	markWaiting = mark{"…", warned}
)

// tell writes one line of a story: a sign, what happened, and the facts. Beside
// data for programs it goes to standard error.
func (s *session) tell(m mark, what string, facts ...string) {
	for i, f := range facts {
		facts[i] = visible(f)
	}
	w, sep := s.out, "\t"
	if s.format != formatTable {
		w = s.err
	}
	head := m.sign + " " + what
	if s.term.shows && s.format == formatTable {
		sep = gap
		head = s.term.paint(m.tint, m.sign) + " " + what + strings.Repeat(" ", max(0, 14-cells(what)))
	}
	fmt.Fprintln(w, strings.TrimRight(head+sep+strings.Join(facts, sep), " \t"))
}

// told tells what was done to a thing, and shows the thing to programs.
func told[T any](s *session, item T, v view[T], what string, facts ...string) error {
	s.tell(markDone, what, append([]string{v.id(item)}, facts...)...)
	if s.format == formatTable {
		return nil
	}
	return show(s, item, v)
}

package workflow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// LineChange says what became of a line.
type LineChange string

// What becomes of a line.
const (
	LineSame     LineChange = "same"
	LineAdded    LineChange = "added"
	LineRemoved  LineChange = "removed"
	LineReplaced LineChange = "changed" // the one on the left became the one on the right
)

// Row is one row of two texts side by side. A number of 0 is no line.
type Row struct {
	Change      LineChange
	LeftNumber  int
	Left        string
	RightNumber int
	Right       string
}

// FileDiff is how one text became another.
type FileDiff struct {
	File    string
	Unified string // as `diff -u` writes it; "" when nothing differs
	Rows    []Row
}

// Diff is how one content became another.
type Diff struct {
	From, To string // what was compared: "draft", "version 2"
	Files    []FileDiff
	// Modules are the modules that workflows import and that differ.
	Modules []string
}

// Same says whether nothing differs.
func (d Diff) Same() bool {
	return len(d.Modules) == 0 && !slices.ContainsFunc(d.Files, func(f FileDiff) bool { return f.Unified != "" })
}

// side is one content with its name and modules.
type side struct {
	name    string
	content Content
	modules map[string]string
}

// diff compares two sides: the text, and what is declared besides.
func diff(from, to side) Diff {
	d := Diff{From: from.name, To: to.name}
	d.Files = append(d.Files, diffFile(to.content.File, from.content.Source, to.content.Source))
	if len(from.content.Inputs) > 0 || len(to.content.Inputs) > 0 {
		d.Files = append(d.Files, diffFile("inputs.json", pretty(from.content.Inputs), pretty(to.content.Inputs)))
	}
	if from.content.Schedule != (Schedule{}) || to.content.Schedule != (Schedule{}) {
		d.Files = append(d.Files, diffFile("schedule", from.content.Schedule.String(), to.content.Schedule.String()))
	}
	if from.modules == nil || to.modules == nil {
		return d
	}
	for _, path := range slices.Sorted(maps.Keys(to.modules)) {
		if from.modules[path] != to.modules[path] {
			d.Modules = append(d.Modules, path)
		}
	}
	return d
}

// String is the schedule for people and for a diff.
func (s Schedule) String() string {
	if s == (Schedule{}) {
		return ""
	}
	return s.Cron + " in " + s.Zone
}

func pretty(text json.RawMessage) string {
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return string(text)
	}
	return out.String()
}

func diffFile(file, from, to string) FileDiff {
	rows := rowsOf(split(from), split(to))
	return FileDiff{File: file, Rows: rows, Unified: unified(file, rows)}
}

// split returns the lines of text.
func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// rowsOf puts the lines of two texts side by side. What was removed and what was
// added at one place are a change, line by line.
func rowsOf(a, b []string) []Row {
	var rows []Row
	i, j := 0, 0
	for _, pair := range append(common(a, b), [2]int{len(a), len(b)}) {
		for i < pair[0] && j < pair[1] {
			rows = append(rows, Row{LineReplaced, i + 1, a[i], j + 1, b[j]})
			i, j = i+1, j+1
		}
		for ; i < pair[0]; i++ {
			rows = append(rows, Row{Change: LineRemoved, LeftNumber: i + 1, Left: a[i]})
		}
		for ; j < pair[1]; j++ {
			rows = append(rows, Row{Change: LineAdded, RightNumber: j + 1, Right: b[j]})
		}
		if i < len(a) && j < len(b) {
			rows = append(rows, Row{LineSame, i + 1, a[i], j + 1, b[j]})
			i, j = i+1, j+1
		}
	}
	return rows
}

// mostEdits bounds the search for what two texts have in common: its time and
// memory grow with the square of the edits. Texts that differ in more are
// nothing alike.
const mostEdits = 1500

// common returns the lines that two texts share, as pairs of places, in order:
// Myers' "An O(ND) Difference Algorithm", 1986.
func common(a, b []string) [][2]int {
	var pairs [][2]int
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		pairs = append(pairs, [2]int{start, start})
		start++
	}
	end := 0
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	for _, p := range middle(a[start:len(a)-end], b[start:len(b)-end]) {
		pairs = append(pairs, [2]int{p[0] + start, p[1] + start})
	}
	for ; end > 0; end-- {
		pairs = append(pairs, [2]int{len(a) - end, len(b) - end})
	}
	return pairs
}

func middle(a, b []string) [][2]int {
	if len(a) == 0 || len(b) == 0 {
		return nil
	}
	most := min(len(a)+len(b), mostEdits)
	// furthest[k+most] is how far down a the path on diagonal k came.
	furthest := make([]int, 2*most+2)
	var trace [][]int
	for d := 0; d <= most; d++ {
		trace = append(trace, slices.Clone(furthest[most-d:most+d+1]))
		for k := -d; k <= d; k += 2 {
			x := 0
			switch {
			case d == 0:
			case k == -d || k != d && furthest[most+k-1] < furthest[most+k+1]:
				x = furthest[most+k+1]
			default:
				x = furthest[most+k-1] + 1
			}
			for x < len(a) && x-k < len(b) && x-k >= 0 && a[x] == b[x-k] {
				x++
			}
			furthest[most+k] = x
			if x >= len(a) && x-k >= len(b) {
				return walkBack(len(a), trace, d, k)
			}
		}
	}
	return nil
}

// walkBack follows the path that reached the end on diagonal k after d edits.
func walkBack(x int, trace [][]int, d, k int) [][2]int {
	var pairs [][2]int
	for ; d >= 0; d-- {
		before := func(k int) int { return trace[d][k+d] } // as it was after d-1 edits
		from, down := 0, k
		switch {
		case d == 0:
		case k == -d || k != d && before(k-1) < before(k+1):
			down, from = k+1, before(k+1)
		default:
			down, from = k-1, before(k-1)+1
		}
		for x > from {
			x--
			pairs = append(pairs, [2]int{x, x - k})
		}
		if down == k-1 {
			x--
		}
		k = down
	}
	slices.Reverse(pairs)
	return pairs
}

// around is how many equal lines a hunk shows before and after what differs.
const around = 3

// unified writes rows as `diff -u` does.
func unified(file string, rows []Row) string {
	var out strings.Builder
	for from := 0; from < len(rows); {
		first := from + slices.IndexFunc(rows[from:], func(r Row) bool { return r.Change != LineSame })
		if first < from {
			break
		}
		last := first
		for i := first; i < len(rows) && i-last <= 2*around; i++ {
			if rows[i].Change != LineSame {
				last = i
			}
		}
		hunk := rows[max(from, first-around):min(len(rows), last+around+1)]
		if out.Len() == 0 {
			fmt.Fprintf(&out, "--- %s\n+++ %s\n", file, file)
		}
		writeHunk(&out, hunk)
		from = last + 1
	}
	return out.String()
}

func writeHunk(out *strings.Builder, hunk []Row) {
	left, right, lefts, rights := 0, 0, 0, 0
	for _, r := range hunk {
		if r.LeftNumber > 0 {
			left, lefts = firstOf(left, r.LeftNumber), lefts+1
		}
		if r.RightNumber > 0 {
			right, rights = firstOf(right, r.RightNumber), rights+1
		}
	}
	fmt.Fprintf(out, "@@ -%d,%d +%d,%d @@\n", left, lefts, right, rights)
	var added []string
	flush := func() {
		for _, line := range added {
			out.WriteString("+" + line + "\n")
		}
		added = nil
	}
	for _, r := range hunk {
		switch r.Change {
		case LineSame:
			flush()
			out.WriteString(" " + r.Left + "\n")
		case LineRemoved:
			out.WriteString("-" + r.Left + "\n")
		case LineAdded:
			added = append(added, r.Right)
		case LineReplaced:
			out.WriteString("-" + r.Left + "\n")
			added = append(added, r.Right)
		}
	}
	flush()
}

func firstOf(known, number int) int {
	if known > 0 {
		return known
	}
	return number
}

package workflow

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// LogLine is one line that a workflow wrote to its log.
type LogLine struct {
	At    time.Time `json:"at"`
	Level string    `json:"level"` // "debug", "info", "warn", "error"
	Text  string    `json:"text"`
}

// What is kept of the log of a run.
const (
	mostLines = 1000
	mostLog   = 64 << 10 // bytes
	longLine  = 4 << 10  // bytes
)

// unkept is said once, in the place of the lines that were too much.
const unkept = "The rest of the log is not kept: a run keeps 1,000 lines and 64 KiB."

// said takes what a script writes to its log, until the next step takes it over.
// A replay writes it again, and what is kept of it is counted anew: the same
// lines are left out.
type said struct {
	lines []LogLine // since the last step
	n     int
	bytes int
}

// add keeps a line, without secrets; false: it is too much.
func (s *said) add(l LogLine) (kept LogLine, ok bool) {
	if s.n > mostLines || s.bytes > mostLog {
		return l, false
	}
	l.Text = cleaned(l.Text) // whole: what is cut off may name what is kept
	if len(l.Text) > longLine {
		l.Text = strings.ToValidUTF8(l.Text[:longLine], "") + "…"
	}
	l.Text = strings.ReplaceAll(l.Text, "\x00", "�") // PostgreSQL keeps none
	if !utf8.ValidString(l.Text) {
		l.Text = strings.ToValidUTF8(l.Text, "�")
	}
	s.n, s.bytes = s.n+1, s.bytes+len(l.Text)
	if s.n > mostLines || s.bytes > mostLog {
		l.Level, l.Text = "warn", unkept
	}
	s.lines = append(s.lines, l)
	return l, true
}

// take returns the lines since it was last called.
func (s *said) take() []LogLine {
	lines := s.lines
	s.lines = nil
	return lines
}

// say takes a line of the script's log.
func (x *execution) say(ctx context.Context, level, text string) {
	if l, ok := x.said.add(LogLine{At: x.runner.now().UTC().Truncate(time.Millisecond), Level: level, Text: text}); ok {
		x.runner.log.DebugContext(ctx, "workflow says", "run", x.task.Run, "level", l.Level, "text", l.Text)
	}
}

// Said is one line of the log of a run and the number of the step before which
// it was written; 0: after the last.
type Said struct {
	LogLine

	Step int
}

// Log returns what a run wrote to its log, in order.
func Log(r Run, steps []Step) []Said {
	var all []Said
	for _, s := range slices.SortedFunc(slices.Values(steps), func(a, b Step) int { return a.Seq - b.Seq }) {
		for _, l := range s.Log {
			all = append(all, Said{l, s.Seq})
		}
	}
	for _, l := range r.Log {
		all = append(all, Said{l, 0})
	}
	return all
}

package engine

import (
	"context"
	"log/slog"
	"strings"
)

// quiet passes the log of DBOS on: its warnings and errors as warnings, the
// rest for debugging. What it writes as progress is no news to an operator, and
// where it says where the database is, it is not repeated at all.
type quiet struct{ next slog.Handler }

// notOwned is what DBOS warns of when a run that was cancelled or taken over
// ends. Both are the engine's own doing.
const notOwned = "Workflow outcome was not recorded: the workflow is no longer owned by this execution. Waiting for the recorded outcome"

func level(l slog.Level) slog.Level {
	if l >= slog.LevelWarn {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// Enabled implements [slog.Handler].
func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return q.next.Enabled(ctx, level(l))
}

// Handle implements [slog.Handler].
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	l := level(r.Level)
	if r.Message == notOwned || interrupted(r) {
		l = slog.LevelDebug
	}
	if !q.next.Enabled(ctx, l) {
		return nil
	}
	out := slog.NewRecord(r.Time, l, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if !unwanted(a.Key) {
			out.AddAttrs(a)
		}
		return true
	})
	return q.next.Handle(ctx, out)
}

// WithAttrs implements [slog.Handler].
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler {
	kept := make([]slog.Attr, 0, len(attrs))
	for _, a := range attrs {
		if !unwanted(a.Key) {
			kept = append(kept, a)
		}
	}
	return quiet{next: q.next.WithAttrs(kept)}
}

// WithGroup implements [slog.Handler].
func (q quiet) WithGroup(name string) slog.Handler { return quiet{next: q.next.WithGroup(name)} }

// interrupted reports whether r tells of what a stop, or a caller that gave up,
// interrupted.
func interrupted(r slog.Record) (yes bool) {
	r.Attrs(func(a slog.Attr) bool {
		yes = a.Key == "error" && strings.Contains(a.Value.String(), context.Canceled.Error())
		return !yes
	})
	return yes
}

func unwanted(key string) bool {
	switch key {
	case "database_url", "panic", "stack", "input", "output":
		return true
	}
	return false
}

package web

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/web/ui"
	"github.com/margay-access/margay/internal/workflow"
)

// version is that of what a form edits, as whoever sent it saw it; otherwise the
// one that is stored, when the form names none.
func (r *Request) version(otherwise int) int {
	n, _ := strconv.Atoi(r.Value("version"))
	return cmp.Or(n, otherwise)
}

// clashOf returns what is told when somebody else saved what a form edits; nil:
// err is something else.
func clashOf(err error) *fault.Error {
	if f := fault.Public(err); err != nil && f.Code == "conflict" {
		return f
	}
	return nil
}

// named returns f with the names of connections and workflows in the place of
// their ids.
func named(f *fault.Error, connections []connection.Connection, workflows []workflow.Workflow) *fault.Error {
	if f == nil {
		return nil
	}
	var pairs []string
	for _, c := range connections {
		pairs = append(pairs, c.ID, ui.Middle(c.DisplayName, longName))
	}
	for _, w := range workflows {
		pairs = append(pairs, w.ID, ui.Middle(w.Name, longName))
	}
	names := strings.NewReplacer(pairs...)
	out := *f
	out.More = nil
	for _, m := range f.More {
		told := *m
		told.Message = names.Replace(m.Message)
		out.More = append(out.More, &told)
	}
	return &out
}

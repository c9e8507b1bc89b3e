package web

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/web/ui"
)

// What the clock cannot do is on Home in words, with where to look.
func TestHomeShowsWhatIsPostponed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	h := home{admin: true}
	if !h.quiet() {
		t.Error("nothing is to be done, and it is not quiet")
	}
	for _, c := range []access.Chore{access.ChoreExpire, access.ChoreBegin, access.ChoreLapse} {
		if choreText(c) == string(c) {
			t.Errorf("%s has no words", c)
		}
		h.postponed = append(h.postponed, access.Postponed{Subject: "grant:grt_" + string(c[0]), Chore: c, Problem: "The engine is away.", Since: now, NextAt: now})
	}
	var b strings.Builder
	if err := homeView(h).Render(ui.With(context.Background(), ui.Env{Now: now}), &b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"What the clock cannot do", "End access whose time is over", "The engine is away.", `href="/access/grt_e"`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not there", want)
		}
	}
	if h.quiet() {
		t.Error("it is quiet")
	}
}

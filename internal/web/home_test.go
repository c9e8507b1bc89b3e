package web_test

import (
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/web/webtest"
)

// Screen 3: who has connected a site reads what to do next, not that all is
// quiet; others do not, nor anybody once there is an app.
func TestHomeSaysTheNextStep(t *testing.T) {
	t.Parallel()
	w := webtest.StartNode(t)
	ana, rita := w.VisitorAs(webtest.Admin), w.VisitorAs(webtest.Requester)
	const next, quiet = "Next: add an app", "All quiet"
	w.Connect()
	if body := ana.Get("/").Body; !strings.Contains(body, next) || !strings.Contains(body, `href="/apps/new"`) || strings.Contains(body, quiet) {
		t.Error("an administrator is not told the next step")
	}
	if strings.Contains(rita.Get("/").Body, next) {
		t.Error("who cannot take the step is told it")
	}
	w.Story()
	if strings.Contains(ana.Get("/").Body, next) {
		t.Error("there is an app already")
	}
}

package web_test

import (
	"html"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/web/webtest"
	"github.com/margay-access/margay/tableau/tableautest"
)

// A run that failed says why, in the other system's words and at which line of
// the workflow; it is retried from its page, and the list finds both.
func TestRunPages(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	b := w.SignIn(webtest.Admin)
	b.Open("/runs")
	b.See("Nothing has run yet")
	b.Audit("runs-empty")

	w.Story() // an active grant of Rita's
	w.Site.Fail(tableautest.Fault{Method: "PUT", Path: "/api/3.24/sites/*/users/*", Status: 403, Code: "403004", Summary: "Forbidden", Detail: "<i>in Tableau's words</i>", Times: 1})
	asked := w.Ask(webtest.Requester, "Explorer", "A report")
	decided, err := w.Client(webtest.Approver).Approve(t.Context(), asked.ID, wire.Decision{})
	if err != nil {
		t.Fatal(err)
	}
	g := w.GrantIn(decided.GrantID, "not_set_up")
	// Who asks reads the sentence and what to do next; the other system's words are
	// for those who can do something about it.
	words := "in Tableau's words"
	for email, told := range map[string]bool{webtest.Requester: false, webtest.Admin: true} {
		seen, err := w.Client(email).Grant(t.Context(), g.ID)
		if err != nil || seen.Problem == nil || seen.Problem.Message == "" || strings.Contains(seen.Problem.Detail, words) != told {
			t.Errorf("%s is told %+v, %v", email, seen.Problem, err)
		}
	}
	for _, path := range []string{"/requests/" + asked.ID, "/runs/" + g.RunID} {
		page := w.VisitorAs(webtest.Requester).Get(path)
		if page.Status != 200 || !strings.Contains(page.Body, html.EscapeString(g.Problem.Message)) || strings.Contains(html.UnescapeString(page.Body), words) {
			t.Errorf("%s: %d %s", path, page.Status, page.Body)
		}
	}
	b.Open("/requests/" + asked.ID)
	b.Click("Details")
	b.See(words)
	b.Open("/runs")
	b.See("Provision User to Tableau")
	b.See("to Explorer")
	b.Audit("runs")
	b.Choose("State", "Failed")
	b.At("/runs?person=&state=failed&kind=&workflow=&trigger=&since=")
	b.Gone("to Viewer")
	b.Open("/runs?person=nobody-of-this-name")
	b.See("Nobody is called nobody-of-this-name")
	b.Open("/runs?kind=scheduled")
	b.See("No run matches")

	b.Open("/runs/" + g.RunID)
	b.See("A step was refused or the workflow gave up.")
	b.See("Where it ended: provision.ts:")
	b.Until(`document.querySelectorAll(".code > li[data-here]").length === 1`)
	b.Click("Details")
	b.See("in Tableau's words")
	b.Audit("run-failed")
	b.Click("Retry")
	b.See("What is so already is read and not sent again.")
	b.Until(`document.querySelector("dialog[open] button[type=submit]")`)
	b.Click("Retry")
	b.See("This is the new run. What is so already is read first.")
	b.See("All its steps were made, and what they changed was read back.") // by itself
	b.See("The run before")
	b.Until(`document.querySelectorAll(".bars rect").length > 0`)
	b.Audit("run-done")
	w.GrantIn(decided.GrantID, "active")

	b.NoScript()
	b.Open("/runs/" + g.RunID)
	b.See("It cannot be retried here: The run")

	theirs := w.SignIn(webtest.Requester)
	theirs.Open("/runs/" + g.RunID)
	theirs.See("A step was refused or the workflow gave up.")
	theirs.Until(`!document.querySelector(".code") && !document.querySelector("a[href^='/workflows/']")`)
	theirs.Until(`[...document.querySelectorAll("details")].some(d => d.textContent.includes("administrators and the owners of the app see it"))`)
	theirs.Until(`!document.querySelector(".run-steps pre[aria-label^=Input], .run-steps pre[aria-label^=Answer]")`)
	theirs.Open("/workflows")
	theirs.See("There is no workflow for you to run")
	theirs.Audit("workflows-to-run-none")

	// Several at once, and the list as a file.
	w.Person("new@acme.example", "New Man") // who is not on the site
	asked = w.Ask("new@acme.example", "Viewer", "Starts today")
	if decided, err = w.Client(webtest.Approver).Approve(t.Context(), asked.ID, wire.Decision{}); err != nil {
		t.Fatal(err)
	}
	w.GrantIn(decided.GrantID, "not_set_up")
	b = w.SignIn(webtest.Admin)
	b.Open("/runs?state=failed")
	b.Until(`document.querySelectorAll("input[name=thing]").length === 2`)
	b.Click("Mark all on this page")
	b.See("2 marked")
	b.Click("Retry runs: the marked…")
	b.See("Nothing has been done yet.")
	b.See("Left out")
	b.See("came after this one")
	b.Audit("batch-prepared")
	b.Click("Retry 1 run")
	b.See("It has come to its end.") // by itself
	b.Audit("batch-done")
	b.Reload()
	b.Click("Open its run")
	b.See("Retry of")
	b.Until(`fetch("/runs/export?state=failed&format=csv").then(a => a.text()).then(t => { window.exported = t }) && true`)
	b.Until(`(window.exported || "").startsWith("run,state,kind,workflow") && window.exported.includes("new@acme.example")`)
}

package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/web/webtest"
	"github.com/margay-access/margay/tableau/tableautest"
)

// Item 6 of the drift board: never compared, under way with n of m, nothing
// differs, differences and each way to settle one, a list that could not be read.
func TestDriftPages(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	w.Story() // an active grant of Rita's
	rita := w.Site.User(webtest.Requester)
	granted := rita.Role()
	b := w.SignIn(webtest.Admin)
	b.Open("/apps/" + w.App.ID)
	b.Until(`document.querySelector("main a[href^='/drift/']").click() === undefined`)
	b.See("Never compared")
	b.At("/drift/" + w.App.ID)
	b.Audit("drift-never")

	// Under way: the second page of the list is held back.
	tableautest.Populate(w.Site.Site, 1200)
	hold := make(chan struct{})
	w.Site.Fail(tableautest.Fault{Method: "GET", Path: "/api/3.24/sites/*/users", Skip: 1, Before: func() { <-hold }, Times: -1})
	b.Click("Compare now")
	b.See("This page follows it")
	b.See("1000 of 12")
	b.Audit("drift-running")
	b.Click("Compare now")
	b.See("A comparison is under way already")
	close(hold)
	w.Site.ClearFaults()
	b.See("Nothing differs") // by itself
	b.See("1 grant is as it should be.")
	b.Click("7 users have a role without a grant")
	b.See("That is no fault: they are left alone.")
	b.Until(`document.querySelectorAll("tbody tr").length === 7`)
	b.Audit("drift-unmanaged")

	// Somebody changes it in Tableau.
	rita.SetRole("Unlicensed")
	b.Open("/drift/" + w.App.ID)
	b.Click("Compare now")
	b.See("Role differs")
	b.See("Unlicensed")
	b.See("End takes the granted role away, should it be there; another one is left alone.")
	b.See("Ana Ruiz asked for it just now.") // a sentence begins with a word that can
	b.Audit("drift-differs")
	b.Click("Restore")
	b.See("what is there is read again and the role is set")
	b.Fill("Why", "She needs it")
	b.Click("Restore access")
	b.See("The access is being restored")
	b.See("Settled") // by itself, once Tableau confirmed it
	b.See("restored by Ana Ruiz")
	if rita.Role() != granted {
		t.Errorf("Rita is %s, want %s", rita.Role(), granted)
	}

	rita.SetRole("Unlicensed")
	b.Click("Compare now")
	b.See("Role differs")
	b.Click("Accept")
	b.See("nothing is written there")
	b.Click("Keep what was changed")
	b.See("The access has ended. What is there stays.")
	b.See("Settled")
	b.See("accepted by Ana Ruiz")
	b.Audit("drift-settled")

	// The list cannot be read: nothing is compared.
	w.Site.Fail(tableautest.Fault{Method: "GET", Path: "/api/3.24/sites/*/users", Status: http.StatusForbidden, Code: "403004", Summary: "Forbidden", Detail: "No.", Times: -1})
	b.Click("Compare now")
	b.See("does not have permission to manage site users")
	b.See("Nothing was compared, and nothing was changed.")
	b.Audit("drift-failed")
	b.Open("/drift")
	b.See("Failed")
	b.Audit("drift-apps")

	theirs := w.SignIn(webtest.Requester)
	theirs.Open("/drift")
	theirs.See("There is no app that you may compare")
	theirs.Open("/drift/" + w.App.ID)
	theirs.See("Only an owner of")
}

// Issue: CSV and JSON of the history of roles: who, when, who agreed, what
// Tableau answered; no cell is run by a spreadsheet.
func TestExportOfHistory(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	w.Story()
	asked := w.Ask(webtest.Requester, "Explorer", "=HYPERLINK(\"http://x\")")
	decided, err := w.Client(webtest.Approver).Approve(t.Context(), asked.ID, wire.Decision{})
	if err != nil {
		t.Fatal(err)
	}
	w.GrantIn(decided.GrantID, "active")
	v := w.VisitorAs(webtest.Admin)
	csv := v.Get("/access/export?state=any&app=" + w.App.ID).Body
	for _, want := range []string{"grant,request,person,email,app,role,state,asked,asked_by,reason", `"'=HYPERLINK(""http://x"")"`, "PUT /api/3.24/sites/", ",200,Explorer,", "1: Bo"} {
		if !strings.Contains(csv, want) {
			t.Errorf("the export lacks %q:\n%s", want, csv)
		}
	}
	if strings.Contains(csv, webtest.PATSecret) {
		t.Error("the export tells the secret")
	}
	json := v.Get("/access/export?format=json&state=any&person=" + w.People[webtest.Requester].ID).Body
	if !strings.Contains(json, `"role_read_back": "Explorer"`) || strings.Count(json, `"grant":`) != 2 {
		t.Errorf("as JSON: %s", json)
	}
}

// Screen 9: who decides reads how many seats the role would take from, as they
// were when the connection was checked last, and decides without where nobody
// knows.
func TestReviewTellsSeats(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	w.Story()
	asked := w.Ask(webtest.Requester, "Explorer", "A report")
	v := w.VisitorAs(webtest.Approver)
	if page := v.Get("/approvals/" + asked.ID); page.Status != http.StatusOK || strings.Contains(page.Body, "Explorer seats") {
		t.Errorf("before anybody looked: %d", page.Status)
	}
	w.Site.SetSeats(tableautest.Seats{Creator: 50, Explorer: 20, Viewer: 100})
	if _, err := w.Client(webtest.Admin).CheckConnection(t.Context(), w.Connection.ID); err != nil {
		t.Fatal(err)
	}
	page := v.Get("/approvals/" + asked.ID).Body
	if !strings.Contains(page, "<dt>Explorer seats</dt>") || !strings.Contains(page, "of 20 used") || strings.Contains(page, "Creator seats") {
		t.Errorf("the review lacks the seats:\n%s", page)
	}
}

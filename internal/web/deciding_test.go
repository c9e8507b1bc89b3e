package web_test

import (
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/web/webtest"
)

// Screens 5, 6 and 9: who asks and who decides read what the end of the access
// takes away; who decided reads as the header what came of it, not that it was
// agreed.
func TestWhatAskersAndDecidersAreTold(t *testing.T) {
	t.Parallel()
	w := webtest.StartNode(t)
	w.Story()
	rita, bo := w.VisitorAs(webtest.Requester), w.VisitorAs(webtest.Approver)
	has := func(what, body string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %q", what, want)
			}
		}
	}
	const taken = "Explorer is taken away, also where somebody had given it directly there."
	const comesBack = "a role that was given directly there before does not come back."
	has("the form", rita.Get("/roles/"+w.Roles["Explorer"].ID+"/ask").Body, taken, "else Unlicensed: "+comesBack, " was read there ")

	const newman = "newman@acme.example" // is not on the site
	w.Person(newman, "Newman")
	asked := w.Ask(newman, "Explorer", "It is needed")
	has("the review", bo.Get("/approvals/"+asked.ID).Body, taken, comesBack)
	decided, err := w.Client(webtest.Approver).Approve(t.Context(), asked.ID, wire.Decision{})
	if err != nil {
		t.Fatal(err)
	}
	w.GrantIn(decided.GrantID, "not_set_up")
	page := bo.Get("/requests/" + asked.ID).Body
	_, story, _ := strings.Cut(page, "row story")
	story, _, _ = strings.Cut(story, "</p>")
	has("the header", story, "Not set up")
	if strings.Contains(story, "Approved") || strings.Contains(page, "/access/"+decided.GrantID) {
		t.Errorf("who decided reads, or may do, what is not theirs: %s", story)
	}
	has("the page", page, "has not signed in to Tableau yet")
	_, acts, _ := strings.Cut(w.VisitorAs(webtest.Admin).Get("/requests/"+asked.ID).Body, "row story")
	mend, end := strings.Index(acts, `data-variant="" href="/access/`+decided.GrantID+`/retry"`), strings.Index(acts, `href="/access/`+decided.GrantID+`/revoke"`)
	if mend < 0 || end < mend {
		t.Errorf("what mends it does not come first: at %d, and the end of it at %d", mend, end)
	}
	has("My access", rita.Get("/my-access").Body, "/extend", "/reduce", "/revoke")
	review, err := w.Client(webtest.Approver).Review(t.Context(), asked.ID)
	if err != nil || review.Request.Grant == nil || review.Request.Grant.State != "not_set_up" {
		t.Errorf("by the API: %+v, %v", review.Request.Grant, err)
	}

	// Screen 22: who has a role from here, and until when.
	viewer := w.Grant(webtest.Requester, "Viewer")
	users := w.VisitorAs(webtest.Admin).Get("/connections/" + viewer.ConnectionID + "/users").Body
	has("the site's users", users, "Given here", `href="/access/`+viewer.ID+`"`, " · ends ", "not from here")

	by := []string{w.People[webtest.Approver].ID}
	if _, err := w.Client(webtest.Admin).SetProvisioning(t.Context(), w.App.ID, "", wire.ChangedProvisioning{Method: "manual", PersonIDs: by}); err != nil {
		t.Fatal(err)
	}
	has("the form, where people carry it out", rita.Get("/roles/"+w.Roles["Explorer"].ID+"/ask").Body, "by hand. The time begins then.", "somebody takes Explorer away by hand")

	// Screen 11: who does it by hand does not say that their own access is gone.
	admin := w.Client(webtest.Admin)
	if _, err := admin.SetProvisioning(t.Context(), w.App.ID, "", wire.ChangedProvisioning{Method: "manual", PersonIDs: []string{w.People[webtest.Requester].ID}}); err != nil {
		t.Fatal(err)
	}
	agreed, err := w.Client(webtest.Approver).Approve(t.Context(), w.Ask(webtest.Requester, "Explorer", "To build").ID, wire.Decision{})
	if err != nil {
		t.Fatal(err)
	}
	given := w.GrantIn(agreed.GrantID, "setting_up")
	if _, err := admin.FinishTask(t.Context(), given.TaskID, true, wire.TaskOutcome{}); err != nil {
		t.Fatal(err)
	}
	ended, err := admin.Revoke(t.Context(), given.ID, wire.Revocation{})
	if err != nil {
		t.Fatal(err)
	}
	task := rita.Get("/tasks/" + ended.TaskID).Body
	has("the task", task, "You cannot say what became of this task: it takes away your own access.", "Another one of those who do it by hand can, or an administrator.", `disabled aria-describedby="why-not"`)
	if strings.Contains(task, `value="done"`) {
		t.Error("it is offered all the same")
	}
	has("for others", w.VisitorAs(webtest.Admin).Get("/tasks/"+ended.TaskID).Body, `value="done"`)

	// Screens 3 and 9: who is about to lock a request is told so before they do, and
	// a locked one is on the first page of those who can help.
	step := wire.PolicyStep{ApproverIDs: by}
	twice, err := admin.CreatePolicy(t.Context(), wire.NewPolicy{Name: "Twice", Longest: wire.Duration(8 * time.Hour), Steps: []wire.PolicyStep{step, step}})
	if err != nil {
		t.Fatal(err)
	}
	role, err := admin.CreateRole(t.Context(), w.App.ID, wire.NewRole{Name: "ExplorerCanPublish", PolicyID: twice.ID})
	if err != nil {
		t.Fatal(err)
	}
	locked, err := w.Client(webtest.Requester).FileRequest(t.Context(), wire.NewRequest{RoleID: role.ID})
	if err != nil {
		t.Fatal(err)
	}
	const warning = "After your approval nobody could decide step 2"
	has("the review", bo.Get("/approvals/"+locked.ID).Body, warning)
	ana := w.VisitorAs(webtest.Admin)
	const list = "Requests that nobody may decide"
	if strings.Contains(ana.Get("/").Body, list) {
		t.Error("it is told before it is so")
	}
	told, err := w.Client(webtest.Approver).Review(t.Context(), locked.ID)
	if err != nil || told.NextStep == nil || told.NextStep.Step != 2 || !strings.HasPrefix(told.NextStep.Warning, warning) || len(told.NextStep.Deciders) != 0 {
		t.Errorf("by the API: %+v, %v", told.NextStep, err)
	}
	if _, err := w.Client(webtest.Approver).Approve(t.Context(), locked.ID, wire.Decision{}); err != nil {
		t.Fatal(err)
	}
	has("Home", ana.Get("/").Body, list, `href="/requests/`+locked.ID+`"`, "2 of 2")
	has("the list", ana.Get("/requests?state=nobody_decides").Body, `href="/requests/`+locked.ID+`"`, "margay request list --nobody-decides")
	if strings.Contains(rita.Get("/").Body, list) {
		t.Error("who cannot help is told it")
	}
}

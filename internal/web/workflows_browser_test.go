package web_test

import (
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/web/webtest"
	"github.com/margay-access/margay/internal/workflow"
)

// S13, S99: one button installs the bundle and assigns it to an app.
func TestInstallBundle(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	b := w.SignIn(webtest.Admin)
	b.Open("/workflows")
	b.See("There is no workflow yet")
	b.See("Provision User to Tableau")
	b.Audit("workflows-empty")
	b.Click("Install both")
	b.See("Both workflows are installed and published.")
	b.See("Installed")
	w.Story()
	b.Open("/workflows")
	b.Click("Assign both")
	b.See("are installed, published and assigned to Tableau.")
	b.Audit("workflows")
	b.Click("Deprovision User from Tableau")
	b.See("Access deprovisioning")
	b.See("The app")
	b.See("It cannot be archived while something uses it")
	b.Audit("workflow")
	b.Click("Version 1")
	b.See("export default async function")
	b.Audit("workflow-version")
}

// An author who knows TypeScript writes, tests, publishes and runs a workflow in
// the browser, and sees each mistake at its line.
func TestAuthorWorkflow(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	w.Story()
	b := w.SignIn(webtest.Admin)
	b.Open("/workflows")
	b.Click("New workflow")
	b.See("It begins as a draft with an example that does no harm.")
	b.Audit("workflow-new")
	b.Fill("Name", "Greet somebody")
	b.Choose("Connection", w.Connection.ID)
	b.Click("Make workflow")
	b.See("The workflow is there, as a draft.")
	b.See("The syntax is fine. Types are not checked here")
	b.Until(`document.querySelector(".cm-editor").shadowRoot.querySelector(".cm-content")`)
	b.Audit("workflow-edit")

	// A mistake is said at its line while it is typed.
	b.Until(`(() => { const c = document.querySelector(".cm-editor").shadowRoot.querySelector(".cm-content"); c.focus(); return document.activeElement.className === "cm-editor"; })()`)
	b.Press("const = ;\n")
	b.See("It does not compile: 1 problem")
	b.See("Line 1, column 7")
	b.Until(`document.querySelector(".cm-editor").shadowRoot.querySelector(".cm-lintRange-error")`)
	b.Audit("workflow-edit-problem")
	b.Click("Save draft")
	b.See("The draft is saved.")
	b.See("Line 1, column 7") // a draft may be saved as it is
	b.Click("Save and publish")
	b.See("It cannot be published: it does not compile.")
	b.Audit("workflow-publish-refused")

	// Put right, without script: the page is the same one.
	id := strings.Split(b.Path(), "/")[2]
	b.NoScript()
	b.Open("/workflows/" + id + "/edit")
	b.See("Line 1, column 7")
	b.Until(`document.querySelector(".code li[data-here]").id === "L1"`)
	b.Fill("TypeScript of", `import { log, WorkflowError, type ManualContext } from "margay";
import { tableau } from "margay/tableau";

export default async function run(ctx: ManualContext<{ name: string }>) {
  const user = await tableau.users.find(ctx.inputs.name);
  if (user === null) throw new WorkflowError("nobody", "There is no Tableau user " + ctx.inputs.name + ".");
  log.info("found " + user.siteRole);
  const after = await tableau.users.setSiteRole(user.id, "Creator");
  return { note: "Now " + after.siteRole };
}
`)
	b.Click("Check")
	b.See("The syntax is fine. Types are not checked here")
	b.Click("Save draft")
	b.See("The draft is saved.")

	b.Open("/workflows/" + id + "/types")
	b.See("setSiteRole: (id")

	// The test holds every change back.
	c := w.SignIn(webtest.Admin)
	c.Open("/workflows/" + id + "/test")
	c.See(workflow.TypesUnchecked)
	c.Fill("Name", webtest.Requester)
	c.Click("Run test")
	c.See("It ended well. Nothing was changed.")
	c.See("Viewer")
	c.See("Creator")
	c.Audit("workflow-tested")
	if role := w.Site.User(webtest.Requester).Role(); role != "Viewer" {
		t.Errorf("the test run made Rita %s", role)
	}

	c.Open("/workflows/" + id + "/publish")
	c.See("What changes")
	c.Fill("What you changed", "It finds people.")
	c.See(workflow.TypesUnchecked)
	c.Audit("workflow-publish")
	c.Click("Publish draft")
	c.See("Version 1 is published.")
	c.See("It finds people.")
	c.Audit("workflow-manual")

	c.Click("Run")
	c.Fill("Name", "nobody@acme.example")
	c.Audit("workflow-run")
	c.Click("Run workflow")
	c.See("It runs. This page follows it.")
	c.See("A step was refused or the workflow gave up.")
	c.See("Where it ended: index.ts:6:")
	c.Audit("workflow-run-failed")
}

// Somebody else saved meanwhile: both texts are shown, and nothing is lost.
func TestDraftConflict(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	b := w.SignIn(webtest.Admin)
	b.NoScript()
	b.Open("/workflows/new")
	b.Fill("Name", "Two authors")
	b.Click("Make workflow")
	b.See("The workflow is there, as a draft.")
	other := w.SignIn(webtest.Admin)
	other.NoScript()
	other.Open(b.Path())
	other.Fill("TypeScript of", "export default async function theirs() { return 1; }\n")
	other.Click("Save draft")
	other.See("The draft is saved.")
	b.Fill("TypeScript of", "export default async function mine() { return 2; }\n")
	b.Click("Save draft")
	b.See("Ana Ruiz saved another text")
	b.See("function theirs()")
	if mine := b.Value("TypeScript of"); !strings.Contains(mine, "function mine()") {
		t.Errorf("what was typed is lost: %q", mine)
	}
	b.Click("Save draft") // on top of theirs
	b.See("The draft is saved.")
}

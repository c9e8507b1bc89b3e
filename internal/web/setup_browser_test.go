package web_test

import (
	"testing"

	"github.com/margay-access/margay/internal/web/webtest"
)

// Ana sets everything up from nothing but a connection: people from a file, a
// policy whose effect she sees before she saves it, an app with its roles.
func TestSetUpByAdministrator(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	w.Connect()
	ana := w.SignIn(webtest.Admin)
	ana.Open("/catalogue")
	ana.See("Nothing can be asked for yet")

	ana.Open("/people/import")
	ana.Fill("Or its text", "email,name,manager,groups\nzoe@acme.example,Zoë,bo@acme.example,Finance\n")
	ana.Click("Show what it would do")
	ana.See("1 added")
	ana.See("zoe@acme.example")
	ana.Audit("people-import")
	ana.Click("Import")
	ana.See("Imported:")
	ana.Audit("people")

	// Zoë is let in, and sets a password that Ana does not know.
	ana.Click("Zoë")
	ana.See("none: they cannot sign in to these pages")
	ana.Click("Let them sign in")
	ana.See("It works once, and for 24 hours.")
	ana.Click("Make link")
	ana.See("It is shown this once.")
	ana.Audit("sign-in-link-made")
	link, err := webtest.Eval[string](ana, `new URL(document.querySelector("#sign-in-link").textContent).pathname`)
	if err != nil {
		t.Fatal(err)
	}
	zoe := w.Browser()
	zoe.Open(link)
	zoe.See("Set your password")
	zoe.Audit("set-password")
	zoe.Fill("New password", "a password of Zoë's own")
	zoe.Fill("New password again", "a password of Zoë's own")
	zoe.Click("Set password and sign in")
	zoe.See("Your password is set, and you are signed in.")

	ana.Open("/policies/new")
	ana.Fill("Name", "Bo or an owner")
	ana.Fill("People", "nobody@acme.example")
	ana.Click("Show what it changes")
	ana.See("There is nobody with the e-mail address nobody@acme.example.")
	ana.Fill("People", webtest.Approver)
	ana.Click("Show what it changes")
	ana.See("What saving changes")
	ana.Click("Save policy")
	ana.See("Saved as version 1.")

	ana.Open("/apps/new")
	ana.Fill("Name", "Reports")
	ana.Choose("Policy", "Bo or an owner")
	ana.Fill("Owners", webtest.Approver)
	ana.Audit("app-new")
	ana.Click("Add app")
	ana.See("5 roles added.")
	ana.See("SiteAdministratorExplorer")
	ana.Audit("app")
	app := ana.Path()
	ana.Click("Creator")
	ana.Fill("What it gives, in plain words", "Make and publish dashboards")
	ana.Click("Save role")
	ana.At(app)
	ana.See("Make and publish dashboards")

	ana.Open("/policies")
	ana.Click("Bo or an owner")
	ana.Click("People may decide on what they ask for themselves")
	ana.See("Self-approval is on")
	ana.Click("Show what it changes")
	ana.See("5 roles of 1 app follow this policy.")
	ana.See("In step 1 people may decide on what they ask for themselves.")
	ana.Audit("policy-impact")
	ana.Click("Save as a new version")
	ana.See("Saved as version 2.")
	ana.Click("Versions")
	ana.See("From version 1 to 2")
	ana.Audit("policy-versions")

	ana.Open("/groups")
	ana.Click("Finance")
	ana.See("1 member")
	ana.Open("/profiles/new")
	ana.Fill("Name", "Finance people")
	ana.Click("Finance")
	ana.Click("Save profile")
	ana.See("The profile Finance people is saved.")
	ana.Open("/audit")
	ana.See("policy.saved")
	ana.Click("Verify the chain")
	ana.See("Verified:")
	ana.Audit("audit")
}

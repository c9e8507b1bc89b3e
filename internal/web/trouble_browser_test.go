package web_test

import (
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/web/webtest"
	"github.com/margay-access/margay/tableau/tableautest"
)

const hostileName = `<img src=x onerror=alert(1)> ` + "\u202Eשלום" // a tag, and text that runs from right to left

// Somebody who has never signed in to Tableau reads why their access did not
// arrive, and has it once they did. Names that are made to do harm do none.
func TestWhyAccessDidNotArrive(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	w.Story()
	const newman = "newman@acme.example"
	w.Person(newman, hostileName+strings.Repeat("W", 255-len([]rune(hostileName))))
	r, err := w.Client(webtest.Approver).Approve(t.Context(), w.Ask(newman, "Explorer", strings.Repeat("long", 60)).ID, wire.Decision{})
	if err != nil {
		t.Fatal(err)
	}
	w.GrantIn(r.GrantID, "not_set_up")

	b := w.SignIn(newman)
	b.Open("/requests/" + r.ID)
	b.See("has not signed in to Tableau yet")
	b.Audit("request-failed")

	ana := w.SignIn(webtest.Admin)
	ana.See("Access that needs a hand")
	ana.Audit("home-trouble")
	ana.Open("/access?state=needs_a_hand")
	ana.See("Not set up")
	ana.Audit("access-trouble")
	ana.Open("/people?q=newman")
	ana.Audit("people-hostile")
	ana.Open("/requests/" + r.ID)
	w.Site.AddUser(newman, tableautest.RoleUnlicensed)
	ana.Click("Try again")
	ana.See("what is there is read first")
	ana.Click("Try again")
	b.See("Active: the other system reports Explorer") // live, on the page that was open all the while
}

// revoke_button_lies: the page says that access has ended when Tableau has said
// so, and not when the button was pressed.
func TestRevokeButtonDoesNotLie(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	w.Story()
	w.Grant(webtest.Requester, "Explorer")
	ana := w.SignIn(webtest.Admin)
	ana.Open("/access?role=Explorer")
	ana.See("Rita Okafor")
	ana.Audit("access")
	ana.Click("Mark Explorer of Rita Okafor")
	ana.See("1 marked")
	ana.Click("End access: the marked…")
	ana.See("Nothing has been done yet.")
	ana.See("Another grant still gives Viewer.")
	ana.Audit("access-revoke")

	refusal := w.Site.Fail(tableautest.Fault{Operation: "update-user", Code: "403004", Times: -1})
	ana.Click("End 1 access")
	ana.See("It has come to its end.")
	ana.Click("Rita Okafor")
	ana.See("Overdue to end")
	if strings.Contains(ana.Text(), "The access has ended.") {
		t.Error("the page says that access has ended while Tableau refused to end it")
	}
	ana.Audit("request-overdue")
	refusal.Cancel()
	ana.Click("Try again")
	ana.See("It is tried again from the start.")
	ana.Click("Try again")
	ana.See("Ended: the other system reports Viewer")
	ana.See("The access has ended.")

	ana.Open("/people?q=rita")
	ana.Click("Rita Okafor")
	ana.Audit("person")
	ana.Click("End all access")
	ana.See("This is what would be done, in this order.")
	ana.Audit("person-revoke-all")
	ana.Fill("Type Rita Okafor to go on", "Rita Okafor")
	ana.Click("End all access")
	ana.See("Each access is ended by a run of its own")
}

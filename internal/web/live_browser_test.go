package web_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
	"github.com/margay-access/margay/internal/web/webtest"
)

// U19: what others do shows on an open page by itself, and an open page keeps
// nobody signed in.
func TestLive(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	w.Story()
	b := w.SignIn(webtest.Approver)
	b.See("Waiting for your decision")
	b.See("Quarter-end pack")
	b.Until(`document.documentElement.dataset.stream === "open" && document.documentElement.dataset.since !== ""`)
	list, err := w.Client(webtest.Approver).Requests(t.Context(), client.RequestFilter{Decidable: true}, client.Page{})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("%d requests, %v", len(list.Items), err)
	}
	if _, err := w.Client(webtest.Approver).Deny(t.Context(), list.Items[0].ID, wire.Decision{Reason: "Not this quarter"}); err != nil {
		t.Fatal(err)
	}
	b.Gone("Quarter-end pack")
	b.See("You have no access at the moment")
	b.Audit("home-empty")
	// Another browser of his ends all others: this page says so.
	v := w.VisitorAs(webtest.Approver)
	if p := v.Post("/profile/sessions/end-others", url.Values{}); p.Status != http.StatusSeeOther {
		t.Fatalf("end the others: %d", p.Status)
	}
	b.See("You are signed out.")
}

// Home shows an administrator the connections.
func TestHomeOfAnAdministrator(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	b := w.SignIn(webtest.Admin)
	b.See("No site is connected")
	w.Story()
	b.Gone("No site is connected")
	b.See(w.Connection.DisplayName)
	b.Audit("home-admin")
}

// U18: keys go to places, show their list, and can be switched off.
func TestKeys(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	b := w.SignIn(webtest.Requester)
	b.Press("g")
	b.Press("p")
	b.At("/profile")
	b.Press("?")
	b.See("Next and previous row")
	b.Audit("keys")
	b.Click("Close")
	b.Click("Single keys do something")
	b.Click("Save look")
	b.See("Saved for this browser.")
	b.Press("g")
	b.Press("h")
	b.Press("?")
	b.Until(`!document.querySelector("#key-list").open && location.pathname === "/profile"`)
}

// Guides §8: signing in, looking and signing out work without script.
func TestWithoutScript(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	w.Story()
	w.SetPassword(webtest.Requester)
	b := w.Browser()
	b.NoScript()
	b.Open("/")
	b.At("/sign-in")
	b.Fill("E-mail address", webtest.Requester)
	b.Fill("Password", webtest.Password)
	b.Click("Sign in")
	b.At("/")
	b.See("Active")
	b.Size(360)
	b.Click("More")
	b.Click("Rita Okafor")
	b.At("/profile")
	b.Click("Light")
	b.Click("Save look")
	b.See("Saved for this browser.")
	b.Click("More")
	b.Click("Sign out")
	b.See("You are signed out.")
}

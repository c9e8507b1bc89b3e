package web_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/server"
	"github.com/margay-access/margay/internal/web/webtest"
)

var linkOnPage = regexp.MustCompile(`https?://[^/ ]+(/sign-in/link/[\w-]{43})`)

// madeLink makes a link on the person's page and returns its path.
func madeLink(t *testing.T, admin *webtest.Visitor, person string) string {
	t.Helper()
	p := admin.Post("/people/"+person+"/sign-in-link", url.Values{})
	m := linkOnPage.FindStringSubmatch(p.Body)
	if p.Status != http.StatusOK || m == nil || !strings.Contains(p.Body, "It is shown this once.") {
		t.Fatalf("no link on the page: %d %s", p.Status, p.Body)
	}
	return m[1]
}

// An administrator lets somebody sign in, in the browser alone; the person sets a
// password that nobody else knows, and the link is used up.
func TestLetSomebodySignIn(t *testing.T) {
	t.Parallel()
	w := webtest.StartNode(t)
	admin := w.VisitorAs(webtest.Admin)
	p := admin.Post("/people/new", url.Values{"email": {"ben@acme.example"}, "name": {"Ben <b>"}})
	page := p.Header.Get("Location")
	id := strings.TrimPrefix(page, "/people/")
	if p = admin.Get(page); !strings.Contains(p.Body, "Let them sign in") || !strings.Contains(p.Body, "none: they cannot sign in to these pages") {
		t.Fatalf("a person without a password: %s", p.Body)
	}
	first := madeLink(t, admin, id)
	second := madeLink(t, admin, id)
	if p = admin.Get(page); !strings.Contains(p.Body, "not used yet") || strings.Contains(p.Body, strings.TrimPrefix(second, "/sign-in/link/")) {
		t.Errorf("the person's page: %s", p.Body)
	}

	ben := w.Visitor()
	void := ben.Get(first)
	if void.Status != http.StatusNotFound || !strings.Contains(void.Body, "This link does not work, or not any more.") || !strings.Contains(void.Body, "Ask your administrator for another.") {
		t.Errorf("a link that was replaced: %d %s", void.Status, void.Body)
	}
	if guessed := ben.Get("/sign-in/link/" + strings.Repeat("x", 43)); guessed.Status != http.StatusNotFound || !strings.Contains(guessed.Body, "This link does not work, or not any more.") {
		t.Errorf("a guessed link: %d", guessed.Status)
	}
	if p = ben.Get(second); p.Status != http.StatusOK || !strings.Contains(p.Body, "ben@acme.example") || p.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("the link: %d %s", p.Status, p.Body)
	}
	value := strings.TrimPrefix(second, "/sign-in/link/")
	const own = "a password of Ben's own"
	tries := []struct {
		password, again, want string
	}{
		{"short", "short", "A password has at least 15 characters; four words do well."},
		{own, own + "?", "The two passwords differ."},
		{"ben@acme.example", "ben@acme.example", "Your name or e-mail address is no password."},
	}
	for _, try := range tries {
		p = ben.Post("/sign-in/link", url.Values{"link": {value}, "password": {try.password}, "again": {try.again}})
		if p.Status != http.StatusUnprocessableEntity || !strings.Contains(html.UnescapeString(p.Body), try.want) {
			t.Errorf("%q: %d %s", try.password, p.Status, p.Body)
		}
		if strings.Contains(p.Body, try.password) && try.password != "ben@acme.example" && try.password != "short" {
			t.Error("the page gives a password back")
		}
	}
	p = ben.Post("/sign-in/link", url.Values{"link": {value}, "password": {own}, "again": {own}})
	if p.Status != http.StatusSeeOther || p.Header.Get("Location") != "/" {
		t.Fatalf("setting the password: %d %s", p.Status, p.Body)
	}
	if p = ben.Get("/"); p.Status != http.StatusOK || !strings.Contains(p.Body, "Your password is set, and you are signed in.") {
		t.Errorf("home: %d", p.Status)
	}
	if p = ben.Get("/people"); p.Status != http.StatusForbidden {
		t.Errorf("a member sees the people: %d", p.Status)
	}
	if p = w.Visitor().Post("/sign-in/link", url.Values{"link": {value}, "password": {own}, "again": {own}}); p.Status != http.StatusNotFound {
		t.Errorf("a link that was used: %d", p.Status)
	}
	if p = w.Visitor().Post("/sign-in", signInAs("ben@acme.example", own)); p.Status != http.StatusSeeOther {
		t.Errorf("sign in with the password: %d", p.Status)
	}
	if p = admin.Get(page); !strings.Contains(p.Body, "Let them set a new password") || strings.Contains(p.Body, "not used yet") {
		t.Errorf("afterwards: %s", p.Body)
	}
	for _, secret := range []string{value, strings.TrimPrefix(first, "/sign-in/link/"), own} {
		if strings.Contains(w.Log(), secret) {
			t.Error("the log holds a link or a password")
		}
	}
}

// Why there is no link, each in words; and what ends one.
func TestWhoGetsNoSignInLink(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	w := webtest.StartNode(t, func(c *server.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		c.Notices.ExternalURL = "https://margay.acme.example/"
	})
	admin := w.VisitorAs(webtest.Admin)
	rita := w.People[webtest.Requester].ID
	p := admin.Post("/people/"+rita+"/sign-in-link", url.Values{})
	if !strings.Contains(p.Body, "https://margay.acme.example/sign-in/link/") {
		t.Errorf("the link does not lead where people reach the server: %s", p.Body)
	}
	link := linkOnPage.FindStringSubmatch(p.Body)[1]
	if p = admin.Post("/people/"+rita+"/sign-in-link/void", url.Values{}); p.Status != http.StatusSeeOther {
		t.Errorf("void: %d", p.Status)
	}
	if p = w.Visitor().Get(link); p.Status != http.StatusNotFound {
		t.Errorf("a void link: %d", p.Status)
	}
	self := "/people/" + w.People[webtest.Admin].ID
	for _, path := range []string{self, self + "/sign-in-link"} {
		if p = admin.Get(path); !strings.Contains(p.Body, "It is you: change your own password on your profile.") {
			t.Errorf("%s: %s", path, p.Body)
		}
	}
	if p = admin.Post(self+"/sign-in-link", url.Values{}); p.Status != http.StatusConflict {
		t.Errorf("a link for oneself: %d", p.Status)
	}
	if _, err := w.Client(webtest.Admin).ChangePerson(t.Context(), rita, wire.ChangedPerson{Disabled: new(true)}); err != nil {
		t.Fatal(err)
	}
	if p = admin.Get("/people/" + rita + "/sign-in-link"); !strings.Contains(p.Body, "They are disabled: enable them first.") {
		t.Errorf("somebody disabled: %s", p.Body)
	}
	ahead.Store(int64(11 * time.Minute))
	bo := "/people/" + w.People[webtest.Approver].ID + "/sign-in-link"
	if p = admin.Get(bo); !strings.Contains(p.Body, "Your own password") {
		t.Error("after ten minutes the page does not ask who it is")
	}
	if p = admin.Post(bo, url.Values{}); p.Status != http.StatusUnprocessableEntity || linkOnPage.MatchString(p.Body) {
		t.Errorf("without a proof: %d", p.Status)
	}
	if p = admin.Post(bo, url.Values{"own_password": {webtest.Password}}); p.Status != http.StatusOK || !linkOnPage.MatchString(p.Body) {
		t.Errorf("with it: %d", p.Status)
	}
}

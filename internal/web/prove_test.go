package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/server"
	"github.com/margay-access/margay/internal/web/webtest"
)

// Reliability §4.9: to change a connection, or to send its secret to another
// host, a sign-in of more than ten minutes ago is not enough. What was typed
// stays, but the secrets.
func TestConnectionNeedsProof(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	w := webtest.StartNode(t, func(c *server.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	w.Connect()
	v := w.VisitorAs(webtest.Admin)
	base := "/connections/" + w.Connection.ID
	if p := v.Get(base + "/edit"); strings.Contains(p.Body, "Your own password") {
		t.Error("who has just signed in is asked for the password")
	}
	ahead.Store(int64(11 * time.Minute))
	const asked = "You signed in more than 10 minutes ago: type your own password, to show that it is you."
	form := url.Values{"server_url": {w.Site.Host}, "site_choice": {"named"}, "site_content_url": {w.Site.ContentURL()}, "pat_name": {"typed-by-me"}, "pat_secret": {"typed-secret-canary-0815"}}
	for _, path := range []string{"/edit", "/rotate", "/edit/test"} {
		if path != "/edit/test" {
			if p := v.Get(base + path); !strings.Contains(p.Body, "Your own password") {
				t.Errorf("%s does not ask for the password", path)
			}
		}
		p := v.Post(base+path, form)
		if !strings.Contains(p.Body, asked) {
			t.Errorf("%s: %d without the password: %s", path, p.Status, p.Body)
		}
		if strings.Contains(p.Body, "typed-secret-canary") {
			t.Errorf("%s gives the secret back", path)
		}
		if path == "/edit" && (p.Status != http.StatusUnprocessableEntity || !strings.Contains(p.Body, "typed-by-me") ||
			!strings.Contains(p.Body, "Type the secret again: it is never sent back to the browser.")) {
			t.Errorf("what was typed is lost: %s", p.Body)
		}
	}
	form.Set("own_password", "wrong wrong wrong")
	if p := v.Post(base+"/edit", form); p.Status != http.StatusUnprocessableEntity || !strings.Contains(p.Body, "That is not your password.") {
		t.Errorf("another password: %d", p.Status)
	}
	c, err := w.Client(webtest.Admin).Connection(t.Context(), w.Connection.ID)
	if err != nil || c.Version != w.Connection.Version {
		t.Errorf("version %d of %d, %v", c.Version, w.Connection.Version, err)
	}
	form.Set("own_password", webtest.Password)
	if p := v.Post(base+"/edit", form); p.Status != http.StatusSeeOther {
		t.Errorf("with the password: %d %s", p.Status, p.Body)
	}
	form.Del("own_password")
	form.Set("pat_name", "margay")
	if p := v.Post(base+"/edit", form); p.Status != http.StatusSeeOther {
		t.Errorf("right after it: %d", p.Status)
	}
	if strings.Contains(w.Log(), "typed-secret-canary") {
		t.Error("the log holds the secret")
	}
	// Who administers Margay, likewise.
	ahead.Add(int64(11 * time.Minute))
	person := "/people/" + w.People[webtest.Approver].ID + "/edit"
	if p := v.Post(person, url.Values{"name": {"Bo Lindqvist"}, "admin": {"true"}}); !strings.Contains(p.Body, asked) || !strings.Contains(p.Body, "Your own password") {
		t.Errorf("an administrator without a proof: %d", p.Status)
	}
	if p := v.Post(person, url.Values{"name": {"Bo Lindqvist"}, "admin": {"true"}, "own_password": {webtest.Password}}); p.Status != http.StatusSeeOther {
		t.Errorf("with it: %d", p.Status)
	}
	// So does taking that away, and a connection's end.
	ahead.Add(int64(11 * time.Minute))
	disable := "/people/" + w.People[webtest.Approver].ID + "/disable"
	name := url.Values{"confirm": {w.Connection.DisplayName}}
	for path, form := range map[string]url.Values{disable: {}, base + "/delete": name} {
		if p := v.Post(path, form); p.Status != http.StatusUnprocessableEntity || !strings.Contains(p.Body, asked) {
			t.Errorf("%s without a proof: %d %s", path, p.Status, p.Body)
		}
	}
	if p := v.Post(disable, url.Values{"own_password": {webtest.Password}}); p.Status != http.StatusSeeOther {
		t.Errorf("disabled with a proof: %d %s", p.Status, p.Body)
	}
	if p := v.Post(base+"/delete", name); p.Status != http.StatusSeeOther {
		t.Errorf("deleted right after it: %d %s", p.Status, p.Body)
	}
}

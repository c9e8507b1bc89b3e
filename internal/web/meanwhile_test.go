package web_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/web/webtest"
)

// Of a form that was opened before somebody else saved, nothing is saved: it is
// shown as it was typed, with what is stored now, and saved when it is sent again.
func TestFormOfWhatWasSavedMeanwhile(t *testing.T) {
	t.Parallel()
	w := webtest.StartNode(t)
	w.Story()
	admin := w.VisitorAs(webtest.Admin)
	app, role, policy := "/apps/"+w.App.ID+"/edit", "/roles/"+w.Roles["Creator"].ID+"/edit", "/policies/"+w.Policy.ID
	for path, tt := range map[string]struct {
		first, second url.Values
		told          string
	}{
		app: {
			first:  url.Values{"name": {"First"}, "method": {"workflows"}, "on_revoke": {"strongest"}, "policy": {w.Policy.ID}},
			second: url.Values{"name": {"Second"}, "method": {"workflows"}, "on_revoke": {"unlicensed"}, "policy": {w.Policy.ID}},
			told:   "Name: “First” is stored now; you have “Second”.",
		},
		role: {
			first: url.Values{"description": {"First"}}, second: url.Values{"description": {"Second"}, "open": {"true"}},
			told: "What it gives: “First” is stored now; you have “Second”.",
		},
		policy: {
			first:  url.Values{"name": {"First"}, "longest": {"8 h"}, "on_behalf": {"nobody"}, "act": {"save"}},
			second: url.Values{"name": {"Second"}, "longest": {"8 h"}, "on_behalf": {"nobody"}, "act": {"save"}},
			told:   "“First” is stored now.",
		},
	} {
		opened := versionOn(t, admin.Get(path))
		tt.first.Set("version", opened)
		if p := admin.Post(path, tt.first); p.Status != http.StatusSeeOther {
			t.Fatalf("%s: the first: %d %s", path, p.Status, p.Body)
		}
		tt.second.Set("version", opened)
		p := admin.Post(path, tt.second)
		text := html.UnescapeString(p.Body)
		if p.Status != http.StatusConflict || !strings.Contains(text, "You saved this ") || !strings.Contains(text, tt.told) || !strings.Contains(text, "What you typed is still below.") ||
			!strings.Contains(text, `Second"`) && !strings.Contains(text, "Second</textarea>") {
			t.Fatalf("%s: the second: %d %s", path, p.Status, text)
		}
		tt.second.Set("version", versionOn(t, p))
		if p := admin.Post(path, tt.second); p.Status != http.StatusSeeOther {
			t.Errorf("%s: once more: %d %s", path, p.Status, p.Body)
		}
	}
}

// versionOn is the version that a form was opened with.
func versionOn(t *testing.T, p webtest.Page) string {
	t.Helper()
	_, rest, found := strings.Cut(p.Body, `name="version" value="`)
	version, _, _ := strings.Cut(rest, `"`)
	if !found || version == "" || version == "0" {
		t.Fatalf("no version: %d %s", p.Status, p.Body)
	}
	return version
}

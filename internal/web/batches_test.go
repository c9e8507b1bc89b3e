package web_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
	"github.com/margay-access/margay/internal/web/webtest"
)

// Acts on many rows: the marked ones, or all that match with their number shown;
// looked at before, done as one job, each with what came of it.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	w.Story()         // an app with its roles; Rita has Viewer, and asks for more
	const people = 53 // more than a page of them
	starts := time.Now().Add(48 * time.Hour)
	for i := range people {
		email := fmt.Sprintf("p%02d@acme.example", i)
		w.Person(email, fmt.Sprintf("Person %02d", i))
		if _, err := w.Client(email).FileRequest(t.Context(), wire.NewRequest{RoleID: w.Roles["Creator"].ID, Reason: "Audit", StartsAt: &starts}); err != nil {
			t.Fatal(err)
		}
	}

	// Who decides marks them in the inbox.
	bo := w.VisitorAs(webtest.Approver)
	inbox := bo.Get("/approvals").Body
	things := regexp.MustCompile(`name="thing" value="(req_\w+)"`).FindAllStringSubmatch(inbox, -1)
	if len(things) != people+1 || !strings.Contains(inbox, "Approve requests: the marked…") {
		t.Fatalf("%d can be marked", len(things))
	}
	form := url.Values{"act": {"approve_request"}}
	for _, m := range things {
		form.Add("thing", m[1])
	}
	at := sent(t, bo, "/approvals/many", form)
	page := bo.Get(at)
	for _, want := range []string{"Approve 54 requests", "Nothing has been done yet.", "Your step of each is approved", "“Audit”", "Person 00", "margay batch start bat_"} {
		if !strings.Contains(html.UnescapeString(page.Body), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	w.Person("nora@acme.example", "Nora")
	nora := w.VisitorAs("nora@acme.example")
	if p := nora.Get(at); p.Status != http.StatusNotFound {
		t.Errorf("another sees it: %d", p.Status)
	}
	if p := bo.Post("/access/many", url.Values{"act": {"approve_request"}}); p.Status != http.StatusUnprocessableEntity && p.Status != http.StatusBadRequest {
		t.Errorf("an act of another list: %d", p.Status)
	}
	ended(t, w, bo, at)
	grants, err := w.Client(webtest.Admin).Grants(t.Context(), client.GrantFilter{States: []string{"scheduled"}}, client.Page{Limit: 100})
	if err != nil || len(grants.Items) != people {
		t.Fatalf("%d are scheduled, %v", len(grants.Items), err)
	}

	// All that match, on more than this page.
	ana := w.VisitorAs(webtest.Admin)
	list := html.UnescapeString(ana.Get("/access?state=scheduled").Body)
	if !strings.Contains(list, "End access: all 53 that match…") || !strings.Contains(list, `action="/access/many?state=scheduled"`) {
		t.Error("all that match are not offered with their number")
	}
	if other := html.UnescapeString(ana.Get("/access?state=active").Body); strings.Contains(other, "that match…") {
		t.Error("all that match are offered where none does")
	}
	at = sent(t, ana, "/access/many?state=scheduled", url.Values{"act": {"revoke_access"}, "all": {"1"}})
	page = ana.Get(at)
	for _, want := range []string{"End 53 accesses", "all that match: <bdi>state Scheduled</bdi>", "It has not begun: nothing is changed in the other system."} {
		if !strings.Contains(html.UnescapeString(page.Body), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if _, err := w.Client(webtest.Admin).Revoke(t.Context(), grants.Items[0].ID, wire.Revocation{}); err != nil { // somebody is faster
		t.Fatal(err)
	}
	ended(t, w, ana, at)
	page = ana.Get(at + "?state=refused")
	if body := html.UnescapeString(page.Body); strings.Count(body, "<tr>") != 2 || !strings.Contains(body, "This access has ended already.") {
		t.Error("what could not be done is not told alone")
	}
	if body := ana.Get("/batches").Body; !strings.Contains(body, "52 of 53 done, 1 not") || !strings.Contains(body, at) || !strings.Contains(body, "54 of 54 done") {
		t.Error("the list of batches does not tell how they ended")
	}
	if body := bo.Get("/batches").Body; strings.Contains(body, "52 of 53") || !strings.Contains(body, "54 of 54 done") {
		t.Error("Bo sees the batches of others, or not his own")
	}
	left, err := w.Client(webtest.Admin).Grants(t.Context(), client.GrantFilter{States: []string{"scheduled"}}, client.Page{})
	if err != nil || len(left.Items) != 0 {
		t.Errorf("%d are left, %v", len(left.Items), err)
	}
	if p := ana.Post(at+"/start", url.Values{}); p.Status != http.StatusConflict {
		t.Errorf("started again: %d", p.Status)
	}
}

// sent sends the form and returns the page that it leads to.
func sent(t *testing.T, v *webtest.Visitor, path string, form url.Values) string {
	t.Helper()
	p := v.Post(path, form)
	to := p.Header.Get("Location")
	if p.Status != http.StatusSeeOther || !strings.HasPrefix(to, "/batches/bat_") {
		t.Fatalf("%s: %d, %s", path, p.Status, to)
	}
	return to
}

// ended starts the batch at the address and waits for its end.
func ended(t *testing.T, w *webtest.World, v *webtest.Visitor, at string) {
	t.Helper()
	if to := sent(t, v, at+"/start", url.Values{"note": {"The audit is over"}}); to != at {
		t.Errorf("it leads to %s", to)
	}
	w.Until("the batch to end", func() bool { return strings.Contains(v.Get(at).Body, "It has come to its end.") })
}

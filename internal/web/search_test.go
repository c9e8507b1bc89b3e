package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/client"
	"github.com/margay-access/margay/internal/web/webtest"
)

// U6: the search takes each id, and names; what somebody may not see is not
// there for them.
func TestSearch(t *testing.T) {
	t.Parallel()
	w := webtest.StartNode(t)
	w.Story()
	ana, rita, bo := w.VisitorAs(webtest.Admin), w.VisitorAs(webtest.Requester), w.VisitorAs(webtest.Approver)
	api := w.Client(webtest.Admin)
	grants, err := api.Grants(t.Context(), client.GrantFilter{}, client.Page{})
	if err != nil || len(grants.Items) == 0 {
		t.Fatalf("%+v, %v", grants, err)
	}
	g := grants.Items[0]
	events, err := api.Events(t.Context(), client.EventFilter{}, client.Page{})
	if err != nil || len(events.Items) == 0 {
		t.Fatalf("%+v, %v", events, err)
	}
	workflows, err := api.Workflows(t.Context())
	if err != nil || len(workflows.Items) == 0 {
		t.Fatalf("%+v, %v", workflows, err)
	}
	connections, err := api.Connections(t.Context())
	if err != nil || len(connections.Items) == 0 {
		t.Fatal(err)
	}
	const opens, nothing = "", "Nothing found"
	answer := "req_0193a5b0c1d27e3f8a4b5c6d7e8f9a0b"
	for _, tt := range []struct {
		name string
		who  *webtest.Visitor
		text string
		to   string // the page that opens
		says string
	}{
		{"ana", ana, g.RequestID, "/requests/" + g.RequestID, opens},
		{"ana", ana, " " + g.ID + " ", "/access/" + g.ID, opens},
		{"ana", ana, g.RunID, "/runs/" + g.RunID, opens},
		{"ana", ana, connections.Items[0].ID, "/connections/" + connections.Items[0].ID, opens},
		{"ana", ana, workflows.Items[0].ID, "/workflows/" + workflows.Items[0].ID, opens},
		{"ana", ana, w.People[webtest.Requester].ID, "/people/" + w.People[webtest.Requester].ID, opens},
		{"ana", ana, events.Items[0].ID, "/audit?before=", opens},
		{"ana", ana, "1", "/audit?before=2", opens},
		{"ana", ana, "999999999", "", nothing},
		{"ana", ana, "grt_none", "", nothing},
		{"ana", ana, answer, "", "No request for access has this id"},
		{"ana", ana, answer, "", "/audit?since=2024-12-08"},
		{"ana", ana, "RITA", "", "/people/" + w.People[webtest.Requester].ID},
		{"ana", ana, "tableau", "", "/apps/"},
		{"ana", ana, "%_'", "", nothing},
		{"ana", ana, "", "", "Paste the id"},
		{"rita", rita, g.RequestID, "/requests/" + g.RequestID, opens},
		{"rita", rita, answer, "", nothing},
		{"rita", rita, connections.Items[0].ID, "", nothing},
		{"rita", rita, workflows.Items[0].ID, "", nothing},
		{"rita", rita, w.People[webtest.Admin].ID, "", nothing},
		{"rita", rita, events.Items[0].ID, "", nothing},
		{"rita", rita, "1", "", nothing},
		{"rita", rita, "ana", "", nothing},
		{"rita", rita, "tableau", "", "/catalogue?q="},
		{"bo", bo, g.RunID, "", nothing},
	} {
		p := tt.who.Get("/search?q=" + url.QueryEscape(tt.text))
		switch {
		case tt.to != "" && (p.Status != http.StatusSeeOther || !strings.HasPrefix(p.Header.Get("Location"), tt.to)):
			t.Errorf("%s searches %q: %d to %q, want %q", tt.name, tt.text, p.Status, p.Header.Get("Location"), tt.to)
		case tt.to == "" && (p.Status != http.StatusOK || !strings.Contains(p.Body, tt.says)):
			t.Errorf("%s searches %q: %d without %q", tt.name, tt.text, p.Status, tt.says)
		}
	}
	if p := rita.Get("/"); !strings.Contains(p.Body, `action="/search"`) || !strings.Contains(p.Body, `href="/search"`) {
		t.Error("no way to the search on a page")
	}
}

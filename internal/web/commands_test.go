package web_test

import (
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/web/webtest"
)

var commandOnPage = regexp.MustCompile(`<code id="cli-[0-9a-f]+" tabindex="0">([^<]*)</code>`)

// U25: pages of connections and people say the command that does the same.
func TestPagesSayTheirCommand(t *testing.T) {
	t.Parallel()
	w := webtest.StartNode(t)
	w.Connect()
	v := w.VisitorAs(webtest.Admin)
	connection, rita := "/connections/"+w.Connection.ID, "/people/"+w.People[webtest.Requester].ID
	site := w.Site.User(webtest.Requester).ID()
	for path, want := range map[string]string{
		"/integrations":                 "margay connection list",
		"/integrations/tableau/connect": "margay connection add tableau",
		connection:                      "margay connection check " + w.Connection.ID,
		connection + "/edit":            "margay connection edit " + w.Connection.ID + " --dry-run",
		connection + "/rotate":          "margay connection rotate " + w.Connection.ID,
		connection + "/delete":          "margay connection delete " + w.Connection.ID,
		connection + "/users":           "margay tableau users --connection " + w.Connection.ID,
		connection + "/users/" + site:   "margay tableau call GET '/sites/{siteId}/users/" + site + "' --connection " + w.Connection.ID,
		"/people":                       "margay person list",
		"/people/new":                   "margay person add EMAIL --name NAME",
		"/people/import":                "margay person import FILE.csv --dry-run",
		rita:                            "margay person show " + webtest.Requester,
		rita + "/edit":                  "margay person edit " + webtest.Requester + " --name 'Rita Okafor'",
		rita + "/disable":               "margay person disable " + webtest.Requester,
		rita + "/sign-in-link":          "margay person sign-in link " + webtest.Requester,
		"/profile":                      "margay person password",
		"/groups":                       "margay group list",
		"/profiles/new":                 "margay profile add NAME --group GROUP",
		"/apps/new":                     "margay app add NAME --policy POLICY",
	} {
		m := commandOnPage.FindStringSubmatch(v.Get(path).Body)
		if m == nil || html.UnescapeString(m[1]) != want {
			t.Errorf("%s: %q, want %q", path, strings.Join(m, " "), want)
		}
	}
}

// The forms of workflows say theirs.
func TestFormsSayTheirCommand(t *testing.T) {
	t.Parallel()
	w := webtest.StartNode(t)
	w.Story()
	v := w.VisitorAs(webtest.Admin)
	ctx, admin := t.Context(), w.Client(webtest.Admin)
	says := func(p webtest.Page, want string) {
		t.Helper()
		if m := commandOnPage.FindStringSubmatch(p.Body); m == nil || html.UnescapeString(m[1]) != want {
			t.Errorf("%d: %q, want %q", p.Status, strings.Join(m, " "), want)
		}
	}
	flow, err := admin.CreateWorkflow(ctx, wire.NewWorkflow{Name: "Weekly seats", Type: "manual", Integration: "tableau", ConnectionID: w.Connection.ID})
	if err != nil {
		t.Fatal(err)
	}
	says(v.Get("/workflows/new"), "margay workflow new NAME --type manual --connection "+w.Connection.ID)
	page := "/workflows/" + flow.ID
	says(v.Get(page+"/edit"), "margay workflow edit "+flow.ID)
	says(v.Get(page+"/publish"), "margay workflow publish "+flow.ID)
	says(v.Get(page+"/settings"), "margay workflow set "+flow.ID+" --name 'Weekly seats'")
	says(v.Get(page+"/test"), "margay workflow test "+flow.ID+" --connection "+w.Connection.ID)
	says(v.Get(page+"/archive"), "margay workflow archive "+flow.ID)
	if _, err := admin.PublishWorkflow(ctx, flow.ID, wire.Publication{Revision: flow.Revision}); err != nil {
		t.Fatal(err)
	}
	says(v.Get(page+"/versions/1"), "margay workflow restore "+flow.ID+" 1")
	flows, err := admin.Workflows(ctx)
	if err != nil {
		t.Fatal(err)
	}
	pair := map[string]string{}
	for _, f := range flows.Items {
		pair[f.Type] = f.ID
	}
	says(v.Get("/workflows"), "margay workflow assign "+w.App.ID+" --provision "+pair["access_provisioning"]+" --deprovision "+pair["access_deprovisioning"])
	says(v.Get("/workflows/"+pair["access_provisioning"]+"/test"), "margay workflow test "+pair["access_provisioning"]+" --person me --role "+w.Roles["Viewer"].ID)
}

package tableautest_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/margay-access/margay/tableau/tableautest"
)

// foreignRules are what public clients send and read, where the reference is
// silent or says only that clients differ: the Python client (TSC), Tableau's
// MCP server (MCP) and the two Terraform providers (TF).
var foreignRules = []rule{
	{
		ref: "TF: all credentials are sent, the unused ones null or empty", as: "none", do: "POST /api/3.24/auth/signin", only: "json", status: 200,
		body: `{"credentials":{"name":"","password":null,"personalAccessTokenName":"pat","personalAccessTokenSecret":"` + secret + `","site":{"id":null,"contentUrl":"{url}"}}}`,
		has:  []string{`"token":"`},
	},
	{
		ref: "TF: a name and a password beside an empty PAT", cfg: server, as: "none", do: "POST /api/3.24/auth/signin", status: 200, given: func(w *world) {
			w.site.AddUser("pw", tableautest.RoleViewer, tableautest.UserDetails{Password: "p"})
		}, body: `{"credentials":{"name":"pw","password":"p","personalAccessTokenName":"","personalAccessTokenSecret":"","site":{"contentUrl":""}}}`,
		has: []string{`"token":"`},
	},
	{
		ref: "TF: an empty owner changes nothing", do: "PUT {S}/workbooks/{book}", status: 200, body: `{"workbook":{"name":"Pack","project":{},"owner":{},"location":{}}}`,
		has: []string{`"owner":{"id":"{bo}"`, `"project":{"id":"{project}"`},
	},
	{ref: "TF: a project with an empty owner", do: "POST {S}/projects", status: 201, body: `{"project":{"name":"New","owner":{}}}`, has: []string{`"owner":{"id":"{boss}"}`}},
	{ref: "TF: a user with a slash behind", do: "GET {S}/users/{ann}/", status: 200, has: []string{`"email":"ann@acme.example"`}},
	{
		ref: "TF: a group without a minimum site role", do: "POST {S}/groups", body: `{"group":{"name":"New","minimumSiteRole":""}}`, status: 201,
		lacks: []string{"import", "grantLicenseMode"},
	},
	{
		ref: "TF, TSC: on-demand access is externalUserEnabled", do: "POST {S}/groups", body: `{"group":{"name":"New","externalUserEnabled":true}}`, status: 201,
		has: []string{`"externalUserEnabled":true`}, hasXML: []string{`externalUserEnabled="true"`},
	},
	{
		ref: "TF: default permissions of a kind that is not simulated itself", do: "PUT {S}/projects/{project}/default-permissions/databases", body: grantBody("Read", "Allow"),
		status: 200, has: []string{`"granteeCapabilities":[{"user":{"id":"{ann}"},"capabilities":{"capability":[{"name":"Read","mode":"Allow"}]}}]`},
	},
	{
		ref: "TSC: one <workbook> in an answer about one workbook", do: "GET {S}/workbooks/{book}", status: 200,
		has: []string{`"views":{"view":[{"id":"{sheet}","name":"Sheet"`}, lacks: []string{`"workbook":{"id":"{book}"}`, `<workbook id="{book}"/>`},
	},
	{ref: "TSC: the workbook of a listed view", do: "GET {S}/workbooks/{book}/views", status: 200, has: []string{`"workbook":{"id":"{book}"}`}, hasXML: []string{`<workbook id="{book}"/>`}},
	{
		ref: "TSC: a refresh names what it refreshes", do: "POST {S}/workbooks/{book}/refresh", body: `{}`, status: 202,
		has: []string{`"extractRefreshJob":{"workbook":{"id":"{book}","name":"Pack"}}`}, hasXML: []string{`<extractRefreshJob><workbook id="{book}"`},
	},
	{
		ref: "MCP, TSC: a flow run names the flow", given: func(w *world) { w.ids["flow"] = w.site.AddContent("flow", "Nightly", w.bo).ID() },
		do: "POST {S}/flows/{flow}/run", body: `{}`, status: 202,
		has: []string{`"type":"RunFlow"`, `"runFlowJobType":{"flowRunId":"`, `"flow":{"id":"{flow}","name":"Nightly"}`}, hasXML: []string{`<runFlowJobType flowRunId="`},
	},
	{ref: "TSC: jobs by when they were over and by priority", do: "GET {S}/jobs?filter=completedAt:gte:2020-01-01T00:00:00Z,priority:eq:50,notes:has:x&sort=completedAt:desc", status: 200},
	{ref: "TSC: booleans are True and False", do: "PUT {S}/workbooks/{tabbed}", given: func(w *world) { w.ids["tabbed"] = w.tabs.ID() }, body: `{"workbook":{"showTabs":"True"}}`, status: 200, has: []string{`"showTabs":"true"`}},
	{ref: "TSC: includeUsageStatistics=True", do: "GET {S}/views?includeUsageStatistics=True", status: 200, has: []string{`"totalViewCount":"3"`}},
	{ref: "TSC: resultlevel in lower case", given: func(w *world) {
		w.ids["set"] = newGroupSet(w)
	}, do: "GET {S}/groupsets?resultlevel=local", status: 200, has: []string{`"groupSet":[{`, `"groupCount":"1"}]`}},
	{
		ref: "TSC: a site's settings come back as they were sent", do: "PUT /api/3.24/sites/{site}", body: `{"site":{"disableSubscriptions":"true","revisionLimit":"10","askDataMode":"DisabledByDefault"}}`, status: 200,
		has: []string{`"disableSubscriptions":true`, `"revisionLimit":"10"`, `"askDataMode":"DisabledByDefault"`}, hasXML: []string{`disableSubscriptions="true"`, `revisionLimit="10"`},
	},
	{ref: "TF: members of a group by their e-mail", do: "GET {S}/groups/{group}/users?pageSize=1000", status: 200, has: []string{`"email":"ann@acme.example"`}},
	{ref: "MCP: projects that the caller may publish to", do: "GET {S}/projects?capability=Write", status: 200, has: []string{`"name":"Quarter"`}},
	{ref: "MCP: projects that a viewer may publish to", as: "viewer", do: "GET {S}/projects?capability=Write", status: 200, has: []string{`"projects":{}`}, hasXML: []string{`<projects/>`}},
	{ref: "MCP: no other capability", do: "GET {S}/projects?capability=Fly", status: 400, code: "400008"},
	{ref: "errors: query-default-permissions 403035", as: "viewer", do: "GET {S}/projects/{project}/default-permissions/workbooks", status: 403, code: "403035"},
	{ref: "errors: initiate-file-upload 403015", as: "viewer", do: "POST {S}/fileUploads", status: 403, code: "403015"},
	{
		ref: "TSC: all fields of a workbook", do: "GET {S}/workbooks?fields=_all_&filter=name:eq:Pack", status: 200,
		has:    []string{`"sheetCount":"1"`, `"location":{"id":"{project}","type":"Project","name":"Quarter"}`, `"fullName":"bo","email":"bo@acme.example","siteRole":"Creator"`, `"showTabs":"false"`},
		hasXML: []string{`sheetCount="1"`, `<location id="{project}" type="Project" name="Quarter"/>`},
	},
	{
		ref: "TSC: some fields of a workbook", do: "GET {S}/workbooks?fields=id,name,owner.email&filter=name:eq:Pack", status: 200,
		has: []string{`"workbook":[{"id":"{book}","name":"Pack","owner":{"email":"bo@acme.example"}}]`}, hasXML: []string{`<workbook id="{book}" name="Pack"><owner email="bo@acme.example"/></workbook>`},
	},
	{
		ref: "TSC: the default fields and one more", do: "GET {S}/workbooks?fields=_default_,sheetCount&filter=name:eq:Pack", status: 200,
		has: []string{`"contentUrl":"Pack"`, `"sheetCount":"1"`, `"owner":{"id":"{bo}","name":"bo@acme.example"}`}, lacks: []string{"location", "hasExtracts"},
	},
	{ref: "TSC: all fields of a view", do: "GET {S}/views?fields=_all_&filter=name:eq:Sheet", status: 200, has: []string{`"sheetType":"worksheet"`, `"usage":{"totalViewCount":"3"}`, `"workbook":{"id":"{book}","name":"Pack"`}},
	{
		ref: "TSC: all fields of a project", do: "GET {S}/projects?fields=_all_&filter=name:eq:Quarter", status: 200,
		has: []string{`"topLevelProject":true`, `"writeable":true`, `"contentsCounts":{"projectCount":"0","workbookCount":"1","viewCount":"1","datasourceCount":"0"}`}, hasXML: []string{`topLevelProject="true"`},
	},
	{ref: "TSC: a project without the asking", do: "GET {S}/projects?filter=name:eq:Quarter", status: 200, lacks: []string{"topLevelProject", "contentsCounts"}},
	{ref: "MCP: an empty filter filters nothing", do: "GET {S}/workbooks?filter=&pageSize=10", status: 200, has: []string{`"totalAvailable":"2"`}},
	{ref: "MCP: nor does it in a search", only: "json", do: "GET /api/-/search?terms=pack&filter=", status: 200, has: []string{`"total":1`}},
	{ref: "TSC: a site's settings are checked", do: "PUT /api/3.24/sites/{site}", body: `{"site":{"revisionLimit":"many"}}`, status: 400, code: "400000"},
}

func newGroupSet(w *world) string {
	w.site.AddPAT(w.boss, "sets", "sets-secret")
	c := &client{t: w.t, h: w.site, api: "/api/3.24"}
	c.signIn("sets", "sets-secret", w.site.ContentURL())
	var made struct{ GroupSet struct{ ID string } }
	c.do(http.MethodPost, c.path("groupsets"), `{"groupSet":{"name":"Set"}}`).want(http.StatusCreated, "").decode(&made)
	c.do(http.MethodPut, c.path("groupsets/"+made.GroupSet.ID+"/groups/"+w.group.ID()), "").want(http.StatusNoContent, "")
	return made.GroupSet.ID
}

func TestForeignClients(t *testing.T) {
	t.Parallel()
	for i, r := range foreignRules {
		for _, form := range []string{"json", "xml"} {
			if r.only != "" && r.only != form {
				continue
			}
			t.Run(fmt.Sprintf("%03d %s %s", i, form, r.ref), func(t *testing.T) {
				t.Parallel()
				tryRule(t, r, form == "xml")
			})
		}
	}
}

// TestStrictDecoding decodes the JSON of content into the types that the
// Terraform providers declare for it: one field of a type that is not theirs
// fails a plan.
func TestStrictDecoding(t *testing.T) {
	// ref: "JSON numbers: ... clients coerce everything because the types are mixed"
	t.Parallel()
	w := newWorld(t, tableautest.Config{})
	w.site.AddContent("datasource", "Ledger", w.bo)
	c := signedIn(t, w.site)
	type page struct{ PageNumber, PageSize, TotalAvailable string }
	for rest, into := range map[string]any{
		"users": &struct {
			Pagination page
			Users      struct {
				User []struct{ ID, Name, SiteRole string }
			}
		}{},
		"workbooks": &struct {
			Pagination page
			Workbooks  struct {
				Workbook []struct{ ID, Name, Description, EncryptExtracts, ShowTabs, Size, ContentURL, WebpageURL, CreatedAt, UpdatedAt string }
			}
		}{},
		"datasources": &struct {
			Pagination  page
			Datasources struct {
				Datasource []struct {
					ID, Name, Type, ContentURL, EncryptExtracts   string
					HasExtracts, IsCertified, UseRemoteQueryAgent bool
					Tags                                          struct{ Tag []struct{ Label string } }
				}
			}
		}{},
		"workbooks/" + w.book.ID() + "/revisions": &struct {
			Pagination page
			Revisions  struct {
				Revision []struct {
					Current, Deleted            bool
					PublishedAt, RevisionNumber string
					Publisher                   struct{ ID, Name string }
				}
			}
		}{},
	} {
		d := json.NewDecoder(c.get(rest).want(http.StatusOK, "").Body)
		if err := d.Decode(into); err != nil {
			t.Errorf("%s: %v", rest, err)
		}
	}
}

// TestPublishTwice is how Tableau's MCP server tells that content is there.
func TestPublishTwice(t *testing.T) {
	// ref: "2.3 workbooks / views: ... 403007 ... publishing"
	t.Parallel()
	s, _ := newSite(t, tableautest.Config{})
	c := signedIn(t, s)
	payload := `<tsRequest><datasource name="Ledger" isCertified="True"/></tsRequest>`
	publish := func(rest string) reply {
		return c.sendParts(http.MethodPost, rest, "request_payload", payload, "tableau_datasource/Ledger.tdsx", "data")
	}

	first := publish("datasources?datasourceType=tdsx").want(http.StatusCreated, "")
	if !strings.Contains(first.Body.String(), `"isCertified":true`) {
		t.Errorf("published %s", first.Body)
	}
	again := publish("datasources?datasourceType=tdsx").want(http.StatusForbidden, "403007")
	const says = "The datasource 'Ledger' already exists and may not be overwritten without the 'overwrite' flag set to 'true'."
	if !strings.Contains(again.Body.String(), says) {
		t.Errorf("it says %s, want %q", again.Body, says)
	}
	publish("datasources?datasourceType=tdsx&overwrite=True").want(http.StatusCreated, "")
}

// TestProjectOwnerIsLast holds an order that TSC relies on: it takes the id of
// a project's last child element for the owner's.
func TestProjectOwnerIsLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t, tableautest.Config{})
	c := signedIn(t, w.site)
	c.xml = true
	var a struct {
		Projects []struct {
			Name string `xml:"name,attr"`
			Kids []struct {
				XMLName xml.Name
				ID      string `xml:"id,attr"`
			} `xml:",any"`
		} `xml:"projects>project"`
	}
	for _, fields := range []string{"", "&fields=_all_"} {
		a.Projects = nil
		if err := xml.Unmarshal(c.get("projects?filter=name:eq:Quarter"+fields).Body.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		kids := a.Projects[0].Kids
		if last := kids[len(kids)-1]; last.XMLName.Local != "owner" || last.ID != w.bo.ID() {
			t.Errorf("%s: the last child is %v", fields, last)
		}
	}
}

// TestBodyOfCurl is the sign-in of Tableau's own examples: curl -d @signin.xml
// gives the type of an HTML form.
func TestBodyOfCurl(t *testing.T) {
	// ref: "1.1 ... accept a body without a type as XML", "1.1 unsupported request type: 406000"
	t.Parallel()
	s, _ := newSite(t, tableautest.Config{})
	c := &client{t: t, h: s, api: "/api/3.24"}
	body := `<tsRequest><credentials personalAccessTokenName="pat" personalAccessTokenSecret="` + secret +
		`"><site contentUrl="` + s.ContentURL() + `" /></credentials></tsRequest>`
	for contentType, status := range map[string]int{
		"": 200, "text/xml": 200, "application/xml; charset=UTF-8": 200, "application/x-www-form-urlencoded": 200,
		"text/plain": http.StatusNotAcceptable, "application/octet-stream": http.StatusNotAcceptable,
	} {
		r := c.do(http.MethodPost, "/api/3.24/auth/signin", body, "Content-Type", contentType, "Accept", "*/*")
		if r.Code != status {
			t.Errorf("%q: %d %s", contentType, r.Code, r.Body)
		}
	}
}

// TestSimulatedPassword is how a Terraform provider or an old script signs in to
// a server.
func TestSimulatedPassword(t *testing.T) {
	// ref: "1.2 name/password ... on Cloud ... refused"
	t.Parallel()
	body := `{"credentials":{"name":"carl.creator@acme.example","password":"` + tableautest.SimulatedPassword + `","site":{"contentUrl":"%s"}}}`
	for product, status := range map[tableautest.Product]int{tableautest.ProductServer: http.StatusOK, tableautest.ProductCloud: http.StatusUnauthorized} {
		s := tableautest.New(tableautest.Config{Product: product})
		tableautest.Populate(s, 0)
		c := &client{t: t, h: s, api: "/api/3.24"}
		if r := c.do(http.MethodPost, "/api/3.24/auth/signin", fmt.Sprintf(body, s.ContentURL())); r.Code != status {
			t.Errorf("%s: %d %s", product, r.Code, r.Body)
		}
	}
}

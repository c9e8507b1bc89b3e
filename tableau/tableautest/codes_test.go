package tableautest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/margay-access/margay/tableau/tableautest"
)

// codeRules are the codes of section 2.3 that no other rule names: code by
// code, how each is met.
var codeRules = []rule{
	{ref: "2.3 tags 400049", do: "PUT {S}/workbooks/{book}/tags", body: `{"tags":{"tag":[{"label":" "}]}}`, status: 400, code: "400049"},
	{ref: "2.3 tags 400076", do: "PUT {S}/views/{sheet}/tags", body: `{"tags":{"tag":[{"label":""}]}}`, status: 400, code: "400076"},
	{ref: "2.3 tags 400075", given: addLedger, do: "PUT {S}/datasources/{ledger}/tags", body: `{"tags":{"tag":[{"label":""}]}}`, status: 400, code: "400075"},
	{ref: "2.3 sites 403002: the only or the Default site", cfg: server, do: "DELETE /api/3.24/sites/{site}", status: 403, code: "403002"},
	{ref: "2.3 sites 409001: the name is taken", cfg: server, do: "POST /api/3.24/sites", body: `{"site":{"name":"lab","contentUrl":"new"}}`, status: 409, code: "409001"},
	{ref: "2.3 sites 409002: the content URL is taken", cfg: server, do: "POST /api/3.24/sites", body: `{"site":{"name":"New","contentUrl":"lab"}}`, status: 409, code: "409002"},
	{ref: "6.3 creating a site is Server only", do: "POST /api/3.24/sites", body: `{"site":{"name":"New","contentUrl":"new"}}`, status: 403, code: "403004"},
	{
		ref: "4.3 create-site quota faults 409004", cfg: server, given: func(w *world) {
			w.site.AddPAT(w.boss, "quota", "quota-secret")
			c := &client{t: w.t, h: w.site, api: "/api/3.24"}
			c.signIn("quota", "quota-secret", w.site.ContentURL())
			c.do(http.MethodPut, "/api/3.24/sites/"+c.site, `{"site":{"userQuota":"5"}}`).want(http.StatusOK, "")
		}, do: "POST {S}/users", body: `{"user":{"name":"jane","siteRole":"Viewer"}}`, status: 409, code: "409004",
	},
	{ref: "2.3 projects 403005: into itself", do: "PUT {S}/projects/{project}", body: `{"project":{"parentProjectId":"{project}"}}`, status: 403, code: "403005"},
	{ref: "2.3 projects 403005: the default project stays", given: func(w *world) { w.ids["default"] = defaultProjectID(w) }, do: "PUT {S}/projects/{default}", body: `{"project":{"name":"other"}}`, status: 403, code: "403005"},
	{ref: "2.3 projects 404005: no such parent", do: "POST {S}/projects", body: `{"project":{"name":"New","parentProjectId":"{none}"}}`, status: 404, code: "404005"},
	{ref: "2.3 400008: unknown content permissions", do: "POST {S}/projects", body: `{"project":{"name":"New","contentPermissions":"Open"}}`, status: 400, code: "400008"},
	{
		ref: "2.3 workbooks 403025: the project holds one of that name", given: func(w *world) { w.ids["tabbed"] = w.tabs.ID() },
		do: "PUT {S}/workbooks/{tabbed}", body: `{"workbook":{"name":"pack","project":{"id":"{project}"}}}`, status: 403, code: "403025",
	},
	{ref: "2.3 data sources 404004", do: "GET {S}/datasources/{none}", status: 404, code: "404004"},
	{
		ref: "2.3 data sources 409015: the name is taken", given: func(w *world) {
			addLedger(w)
			w.site.AddContent("datasource", "Journal", w.bo)
		}, do: "PUT {S}/datasources/{ledger}", body: `{"datasource":{"name":"JOURNAL"}}`, status: 409, code: "409015",
	},
	{ref: "2.3 flows 404027", do: "GET {S}/flows/{none}", status: 404, code: "404027"},
	{
		ref: "2.3 flows 409041: the name is taken", given: func(w *world) {
			w.ids["flow"] = w.site.AddContent("flow", "Nightly", w.bo).ID()
			w.site.AddContent("flow", "Daily", w.bo)
		}, do: "PUT {S}/flows/{flow}", body: `{"flow":{"name":"daily"}}`, status: 409, code: "409041",
	},
	{ref: "2.3 revisions 404024", do: "GET {S}/workbooks/{book}/revisions/9/content", status: 404, code: "404024"},
	{ref: "8.26 the current revision cannot be removed: 403055", do: "DELETE {S}/workbooks/{book}/revisions/1", status: 403, code: "403055"},
	{ref: "2.3 schedules 404023", cfg: server, do: "GET /api/3.24/schedules/{none}", status: 404, code: "404023"},
	{ref: "2.3 tasks 404026", do: "GET {S}/tasks/extractRefreshes/{none}", status: 404, code: "404026"},
	{ref: "2.2 group-set name exists: 409120", given: func(w *world) { newGroupSet(w) }, do: "POST {S}/groupsets", body: `{"groupSet":{"name":"SET"}}`, status: 409, code: "409120"},
	{ref: "2.3 favourites 409007: it is one already", given: func(w *world) {
		w.site.AddPAT(w.boss, "fav", "fav-secret")
		c := &client{t: w.t, h: w.site, api: "/api/3.24"}
		c.signIn("fav", "fav-secret", w.site.ContentURL())
		c.do(http.MethodPut, c.path("favorites/"+w.ann.ID()), `{"favorite":{"label":"a","workbook":{"id":"`+w.book.ID()+`"}}}`).want(http.StatusOK, "")
	}, do: "PUT {S}/favorites/{ann}", body: `{"favorite":{"label":"a","workbook":{"id":"{book}"}}}`, status: 409, code: "409007"},
	{ref: "2.2 403004: favourites of somebody else", as: "viewer", do: "GET {S}/favorites/{bo}", status: 403, code: "403004"},
	{ref: "2.2 400032: not in the group", do: "DELETE {S}/groups/{group}/users/{bo}", status: 400, code: "400032"},
	{ref: "2.2 404002: a member that there is not", do: "POST {S}/groups/{group}/users", body: `{"user":{"id":"{none}"}}`, status: 404, code: "404002"},
	{
		ref: "2.2 404012: permissions for a group that there is not", do: "PUT {S}/workbooks/{book}/permissions", status: 404, code: "404012",
		body: `{"permissions":{"granteeCapabilities":[{"group":{"id":"{none}"},"capabilities":{"capability":[{"name":"Read","mode":"Allow"}]}}]}}`,
	},
	{ref: "7.4 400065: jobs by a field that there is not", do: "GET {S}/jobs?filter=colour:eq:red", status: 400, code: "400065"},
	{ref: "1.3 404: a user's PATs are listed on Cloud only", cfg: server, do: "GET {S}/users/{ann}/personal-access-tokens", status: 404, code: "404003"},
	{ref: "1.3 list a user's PATs: tokenName, tokenGuid, lastUsedAt, expiresAt", do: "GET {S}/users/{ann}/personal-access-tokens", status: 200, has: []string{`"tokenName":"viewer","tokenGuid":"`, `"lastUsedAt":"`, `"expiresAt":"`}},
	{ref: "1.3 a PAT cannot be created by the API: 405", do: "POST {S}/users/{ann}/personal-access-tokens", body: `{}`, status: 405, code: "405000"},
}

func addLedger(w *world) { w.ids["ledger"] = w.site.AddContent("datasource", "Ledger", w.bo).ID() }

func TestCodes(t *testing.T) {
	t.Parallel()
	for i, r := range codeRules {
		for _, form := range []string{"json", "xml"} {
			t.Run(fmt.Sprintf("%03d %s %s", i, form, r.ref), func(t *testing.T) {
				t.Parallel()
				tryRule(t, r, form == "xml")
			})
		}
	}
}

// TestTooLarge sends more than a request may hold, once.
func TestTooLarge(t *testing.T) {
	// ref: "2.2 413000 payload too large: > 64 MB single request"
	t.Parallel()
	s, _ := newSite(t, tableautest.Config{})
	c := signedIn(t, s)
	c.do(http.MethodPost, c.path("users"), strings.Repeat(" ", 65<<20+1)).want(http.StatusRequestEntityTooLarge, "413000")
}

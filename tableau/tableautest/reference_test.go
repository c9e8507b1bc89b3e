package tableautest_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/tableau/tableautest"
)

// world is what each rule of the reference is tried in.
type world struct {
	t                    *testing.T
	site                 *tableautest.Site
	lab                  *tableautest.Site
	boss, ann, bo, plus  *tableautest.User
	group                *tableautest.Group
	book, tabs, sheet    *tableautest.Content
	tabSheet, proj, coll *tableautest.Content
	ids                  map[string]string
}

const viewerSecret = "dmlld2Vy==:fedcba9876543210"

// newWorld makes a site with a few users and some content. Names in braces in
// a rule's path or body are replaced by the ids here.
func newWorld(t *testing.T, cfg tableautest.Config) *world {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }
	}
	s, boss := newSite(t, cfg)
	w := &world{t: t, site: s, boss: boss}
	w.ann = s.AddUser("ann@acme.example", tableautest.RoleViewer, tableautest.UserDetails{
		FullName: "Ann Ant", LastLogin: time.Date(2024, 1, 31, 12, 0, 0, 0, time.UTC),
	})
	w.bo = s.AddUser("bo@acme.example", tableautest.RoleCreator)
	w.plus = s.AddUser("a+b@acme.example", tableautest.RoleUnlicensed)
	s.AddUser("guest", tableautest.RoleGuest)
	s.AddPAT(w.ann, "viewer", viewerSecret)
	w.group = s.AddGroup("Finance")
	w.group.Add(w.ann)
	w.proj = s.AddContent("project", "Quarter", w.bo)
	w.book = s.AddContent("workbook", "Pack", w.bo, tableautest.ContentDetails{Project: w.proj, File: []byte("file"), Tags: []string{"old"}, Hits: 7})
	w.sheet = s.AddContent("view", "Sheet", w.bo, tableautest.ContentDetails{Workbook: w.book, Hits: 3})
	w.tabs = s.AddContent("workbook", "Tabbed", w.bo, tableautest.ContentDetails{ShowTabs: true})
	w.tabSheet = s.AddContent("view", "Tab", w.bo, tableautest.ContentDetails{Workbook: w.tabs})
	w.coll = s.AddCollection("Month End", w.bo, "public", w.book)
	w.lab = s.AddSite("lab", "lab")
	w.lab.AddUser("boss@acme.example", boss.Role())
	w.ids = map[string]string{
		"boss": boss.ID(), "ann": w.ann.ID(), "bo": w.bo.ID(), "plus": w.plus.ID(), "guest": s.User("guest").ID(), "group": w.group.ID(),
		"project": w.proj.ID(), "book": w.book.ID(), "sheet": w.sheet.ID(), "tabSheet": w.tabSheet.ID(), "coll": w.coll.ID(),
		"site": s.ID(), "lab": w.lab.ID(), "S": "/api/3.24/sites/" + s.ID(), "none": "00000000-0000-4000-8000-000000000000",
		"url": s.ContentURL(),
	}
	return w
}

func (w *world) fill(s string) string {
	for name, id := range w.ids {
		s = strings.ReplaceAll(s, "{"+name+"}", id)
	}
	return s
}

// rule is one sentence of the reference and how it shows.
type rule struct {
	ref    string // section and words of the reference
	cfg    tableautest.Config
	given  func(*world)
	as     string // PAT: "pat" (an administrator, default), "viewer", "none"
	do     string // method and path
	body   string // as JSON; the XML is made from it
	status int
	code   string
	has    []string // in JSON
	hasXML []string // in XML
	lacks  []string // in both
	only   string   // "json" or "xml"
	then   func(*testing.T, *world)
}

var rules = []rule{
	// Sign in, tokens, sessions.
	{
		ref: "1.2 JSON response of sign-in", as: "none", do: "POST /api/3.24/auth/signin", body: signInBody("{url}", secret), status: 200,
		has:    []string{`"credentials":{"token":"`, `"estimatedTimeToExpiration":"4320:00:00"`, `"site":{"id":"{site}","contentUrl":"{url}"}`, `"user":{"id":"{boss}"}`},
		hasXML: []string{`<credentials token="`, `<site id="{site}" contentUrl="{url}"/><user id="{boss}"/>`},
	},
	{
		ref: "1.6 wrong secret is 401001", as: "none", do: "POST /api/3.24/auth/signin", body: signInBody("{url}", "wrong"), status: 401, code: "401001",
		has:    []string{`{"error":{"summary":"Signin Error","detail":"The personal access token you provided is invalid.","code":"401001"}}`},
		hasXML: []string{`<error code="401001"><summary>Signin Error</summary><detail>The personal access token you provided is invalid.</detail></error>`},
	},
	{
		ref: "1.6 name is case-sensitive", as: "none", do: "POST /api/3.24/auth/signin",
		body: strings.Replace(signInBody("{url}", secret), `"pat"`, `"PAT"`, 1), status: 401, code: "401001",
	},
	{ref: "1.6 wrong site is 401001", as: "none", do: "POST /api/3.24/auth/signin", body: signInBody("nowhere", secret), status: 401, code: "401001"},
	{ref: "8.17 on Cloud an empty contentUrl fails with 401001", as: "none", do: "POST /api/3.24/auth/signin", body: signInBody("", secret), status: 401, code: "401001"},
	{
		ref: "8.17 Default site: contentUrl must be empty", cfg: server, as: "none", do: "POST /api/3.24/auth/signin", body: signInBody("", secret), status: 200,
		has: []string{`"contentUrl":""`}, hasXML: []string{`contentUrl=""`},
	},
	{ref: "8.17 not \"Default\"", cfg: server, as: "none", do: "POST /api/3.24/auth/signin", body: signInBody("Default", secret), status: 401, code: "401001"},
	{
		ref: "1.6 revoked is 401001", as: "none", given: func(w *world) { w.site.AddPAT(w.bo, "gone", "s").Revoke() }, do: "POST /api/3.24/auth/signin",
		body: strings.Replace(signInBody("{url}", "s"), `"pat"`, `"gone"`, 1), status: 401, code: "401001",
	},
	{
		ref: "1.6 absolute expiry, 180 days on Cloud", as: "none", given: func(w *world) { w.site.Advance(180 * 24 * time.Hour) },
		do: "POST /api/3.24/auth/signin", body: signInBody("{url}", secret), status: 401, code: "401001",
	},
	{
		ref: "1.6 unused for 15 days", as: "none", given: func(w *world) { w.site.Advance(15 * 24 * time.Hour) },
		do: "POST /api/3.24/auth/signin", body: signInBody("{url}", secret), status: 401, code: "401001",
	},
	{
		ref: "1.6 unused for less than 15 days", as: "none", given: func(w *world) { w.site.Advance(15*24*time.Hour - time.Second) },
		do: "POST /api/3.24/auth/signin", body: signInBody("{url}", secret), status: 200,
	},
	{
		ref: "4.1 Unlicensed cannot sign in", as: "none", given: func(w *world) { w.boss.SetRole(tableautest.RoleUnlicensed) },
		do: "POST /api/3.24/auth/signin", body: signInBody("{url}", secret), status: 401, code: "401001",
	},
	{ref: "1.1 PAT sign-in is 3.6 and later", as: "none", do: "POST /api/3.5/auth/signin", body: signInBody("{url}", secret), status: 400, code: "400000"},
	{ref: "1.2 name/password is refused on Cloud", as: "none", given: func(w *world) {
		w.site.AddUser("pw", tableautest.RoleViewer, tableautest.UserDetails{Password: "p", Domain: "local"})
	}, do: "POST /api/3.24/auth/signin", body: `{"credentials":{"name":"pw","password":"p","site":{"contentUrl":"{url}"}}}`, status: 401, code: "401001"},
	{ref: "1.2 estimatedTimeToExpiration is absent for user/password", cfg: server, as: "none", given: func(w *world) {
		w.site.AddUser("pw", tableautest.RoleViewer, tableautest.UserDetails{Password: "p"})
	}, do: "POST /api/3.24/auth/signin", body: `{"credentials":{"name":"pw","password":"p","site":{"contentUrl":""}}}`, status: 200, lacks: []string{"estimatedTime"}},
	{
		ref: "8.18 version pinned too high: 404001 already at sign-in", as: "none", do: "POST /api/3.25/auth/signin", body: signInBody("{url}", secret), status: 404, code: "404001",
		has: []string{"Version '3.25' is not a valid version of the API."},
	},
	{ref: "9 api_versions 2.3 .. 3.24", do: "GET /api/2.2/sites/{site}/users", status: 404, code: "404001"},
	{ref: "9 api_versions 2.3 .. 3.24", do: "GET /api/2.3/sites/{site}/users", only: "xml", status: 200},
	{ref: "2.2 no token is 401000", as: "none", do: "GET {S}/users", status: 401, code: "401000", has: []string{"No authentication credentials were provided."}},
	{ref: "1.4 idle 120 minutes on Cloud", given: nil, do: "GET {S}/users", status: 200},
	{ref: "1.3 sign-out is 204 and empty", do: "POST /api/3.24/auth/signout", status: 204},
	{
		ref: "1.3 switch site: a new token", do: "POST /api/3.24/auth/switchSite", body: `{"site":{"contentUrl":"lab"}}`, status: 200,
		has: []string{`"token":"`, `"id":"{lab}","contentUrl":"lab"`}, hasXML: []string{`<site id="{lab}" contentUrl="lab"/>`},
	},
	{ref: "1.3 same site is 403070", do: "POST /api/3.24/auth/switchSite", body: `{"site":{"contentUrl":"{url}"}}`, status: 403, code: "403070"},
	{ref: "1.3 other site missing is 401003", do: "POST /api/3.24/auth/switchSite", body: `{"site":{"contentUrl":"nowhere"}}`, status: 401, code: "401003"},
	{ref: "1.3 revoking administrators' PATs is Server only", do: "DELETE /api/3.24/auth/serverAdminAccessTokens", status: 403, code: "403004"},
	{ref: "1.3 revoke all server admins' PATs", cfg: server, do: "DELETE /api/3.24/auth/serverAdminAccessTokens", status: 204},

	// Errors.
	{ref: "2.2 unknown path is 404003", do: "GET /api/3.24/nothing", status: 404, code: "404003", has: []string{"Unknown resource '/3.24/nothing' specified in URI."}},
	{ref: "2.2 wrong verb is 405000", do: "PATCH {S}/users", status: 405, code: "405000", has: []string{"The HTTP method 'PATCH' is not supported for the given resource"}},
	{ref: "8.15 POST turned into GET is 405000", as: "none", do: "GET /api/3.24/auth/signin", status: 405, code: "405000"},
	{ref: "2.2 unknown siteId is 404000", do: "GET /api/3.24/sites/{none}/users", status: 404, code: "404000"},
	{ref: "10 a siteId that is not the session's (switch)", do: "GET /api/3.24/sites/{lab}/users", status: 404, code: "404000"},
	{ref: "10 a siteId that is not the session's (switch)", cfg: tableautest.Config{OtherSiteCode: "403004"}, do: "GET /api/3.24/sites/{lab}/users", status: 403, code: "403004"},
	{ref: "2.2 malformed body is 400000", do: "PUT {S}/users/{ann}", body: `{"user":`, status: 400, code: "400000"},
	{ref: "2.2 missing body is 400000", do: "PUT {S}/users/{ann}", status: 400, code: "400000"},
	{ref: "2.4 remove-user-from-site has 404000 under 403", do: "DELETE /api/3.24/sites/{none}/users/{ann}", status: 403, code: "404000"},
	{ref: "2.4 update-group has 400013 under 403", do: "PUT {S}/groups/{group}", body: `{"group":{"minimumSiteRole":"Boss"}}`, status: 403, code: "400013"},

	// Users on a site.
	{
		ref: "3.1 pagination values are strings; 3.2 the default fields", do: "GET {S}/users?pageSize=2", status: 200,
		has:    []string{`{"pagination":{"pageNumber":"1","pageSize":"2","totalAvailable":"5"},"users":{"user":[{"id":"{boss}","name":"boss@acme.example","siteRole":"SiteAdministratorCreator"`, `"externalAuthUserId":""`},
		hasXML: []string{`<pagination pageNumber="1" pageSize="2" totalAvailable="5"/><users><user id="{boss}" name="boss@acme.example"`}, lacks: []string{"fullName", "email"},
	},
	{ref: "3.1 attributes without a value are omitted", do: "GET {S}/users?filter=name:eq:bo@acme.example", status: 200, lacks: []string{"lastLogin", "null"}},
	{ref: "3.1 times are ISO-8601 UTC with Z", do: "GET {S}/users?filter=name:eq:ann@acme.example", status: 200, has: []string{`"lastLogin":"2024-01-31T12:00:00Z"`}},
	{ref: "3.1 an empty list", do: "GET {S}/users?filter=name:eq:nobody", status: 200, has: []string{`"totalAvailable":"0"},"users":{}}`}, hasXML: []string{`totalAvailable="0"/><users/>`}},
	{ref: "3.1 arrays of one stay arrays", do: "GET {S}/users?filter=name:eq:bo@acme.example", status: 200, has: []string{`"user":[{`}},
	{ref: "9 json_numbers", cfg: tableautest.Config{Numbers: tableautest.NumbersAsNumbers}, only: "json", do: "GET {S}/users?pageSize=1", status: 200, has: []string{`"pageSize":1,`}},
	{ref: "9 json_numbers", cfg: tableautest.Config{Numbers: tableautest.PaginationAsStrings}, only: "json", do: "GET {S}/users?pageSize=1", status: 200, has: []string{`"pageSize":"1",`}},
	{ref: "3.2 pageSize 1000", do: "GET {S}/users?pageSize=1000", status: 200},
	{ref: "3.2 pageSize > 1000 is 403014", do: "GET {S}/users?pageSize=1001", status: 403, code: "403014"},
	{ref: "3.2 pageSize < 1 is 400007", do: "GET {S}/users?pageSize=0", status: 400, code: "400007"},
	{ref: "3.2 pageSize not a number is 400007", do: "GET {S}/users?pageSize=ten", status: 400, code: "400007"},
	{ref: "3.2 pageNumber < 1 is 400006", do: "GET {S}/users?pageNumber=0", status: 400, code: "400006"},
	{ref: "3.2 pageNumber not an integer is 400006", do: "GET {S}/users?pageNumber=1.5", status: 400, code: "400006"},
	{ref: "3.2 past the end is 400006", do: "GET {S}/users?pageSize=5&pageNumber=2", status: 400, code: "400006"},
	{ref: "9 page_past_end", cfg: tableautest.Config{PastLastPage: tableautest.Ignore}, do: "GET {S}/users?pageSize=5&pageNumber=2", status: 200, has: []string{`"users":{}`}},
	{ref: "7.2 totalAvailable can disagree", cfg: tableautest.Config{TotalSkew: 3}, do: "GET {S}/users", status: 200, has: []string{`"totalAvailable":"8"`}},
	{ref: "1.6 revoked when its owner's authentication method changes (Cloud)", do: "PUT {S}/users/{ann}", body: `{"user":{"authSetting":"SAML"}}`, status: 200, has: []string{`"authSetting":"SAML"`}, then: func(t *testing.T, w *world) {
		(&client{t: t, h: w.site, api: "/api/3.24"}).trySignIn("viewer", viewerSecret, w.site.ContentURL()).want(401, "401001")
	}},
	{ref: "3.2 page 1 of an empty result is fine", do: "GET {S}/users?filter=name:eq:nobody&pageNumber=1", status: 200},
	{ref: "3.2 sort by name descending", do: "GET {S}/users?sort=name:desc&pageSize=1", status: 200, has: []string{`"name":"guest"`}, hasXML: []string{`name="guest"`}},
	{ref: "3.2 earlier sorts first", do: "GET {S}/users?sort=siteRole:asc,name:desc&pageSize=1", status: 200, has: []string{`"name":"bo@acme.example"`}},
	{
		ref: "3.2 fields=_all_", do: "GET {S}/users?fields=_all_&filter=name:eq:ann@acme.example", status: 200,
		has:    []string{`"fullName":"Ann Ant"`, `"email":"ann@acme.example"`, `"authSetting":"TableauIDWithMFA"`, `"domain":{"name":"TABID_WITH_MFA"}`, `"locale":""`},
		hasXML: []string{`fullName="Ann Ant"`, `<domain name="TABID_WITH_MFA"/>`},
	},
	{ref: "3.2 an explicit list of fields", do: "GET {S}/users?fields=name,email&pageSize=1", status: 200, has: []string{`"user":[{"name":"boss@acme.example","email":"boss@acme.example"}]`}},
	{ref: "3.2 _default_ may be combined", do: "GET {S}/users?fields=_default_,email&pageSize=1", status: 200, has: []string{`"siteRole"`, `"email"`}},
	{ref: "3.2 lastLogin may be missing (switch)", cfg: tableautest.Config{NoLastLogin: true}, do: "GET {S}/users", status: 200, lacks: []string{"lastLogin"}},
	{ref: "3.2 asked for, it is there", cfg: tableautest.Config{NoLastLogin: true}, do: "GET {S}/users?fields=name,lastLogin", status: 200, has: []string{"lastLogin"}},
	{ref: "3.2 unknown parameters are ignored", do: "GET {S}/users?includeUserCount=true&includeGroups=true", status: 200},
	{ref: "3.2 the list is for administrators: 403004", as: "viewer", do: "GET {S}/users", status: 403, code: "403004"},

	// Filters.
	{ref: "3.3 eq is exact", do: "GET {S}/users?filter=name:eq:ANN@acme.example", status: 200, has: []string{`"totalAvailable":"0"`}},
	{ref: "3.3 cieq ignores case", do: "GET {S}/users?filter=name:cieq:ANN@acme.example", status: 200, has: []string{`"totalAvailable":"1"`}},
	{ref: "3.3 in:[a,b]", do: "GET {S}/users?filter=siteRole:in:[Viewer,Creator]", status: 200, has: []string{`"totalAvailable":"2"`}},
	{ref: "3.3 comma is AND", do: "GET {S}/users?filter=siteRole:eq:Viewer,name:eq:bo@acme.example", status: 200, has: []string{`"totalAvailable":"0"`}},
	{ref: "3.3 lastLogin:gt", do: "GET {S}/users?filter=lastLogin:gt:2024-01-31T00:00:00Z,name:eq:ann@acme.example", status: 200, has: []string{`"totalAvailable":"1"`}},
	{ref: "3.3 lastLogin:lt", do: "GET {S}/users?filter=lastLogin:lt:2024-01-31T00:00:00Z", status: 200, has: []string{`"totalAvailable":"0"`}},
	{ref: "3.3 luid", do: "GET {S}/users?filter=luid:eq:{ann}", status: 200, has: []string{`"totalAvailable":"1"`}},
	{ref: "3.3 friendlyName", do: "GET {S}/users?filter=friendlyName:eq:Ann%20Ant", status: 200, has: []string{`"totalAvailable":"1"`}},
	{ref: "3.3 isLocal", do: "GET {S}/users?filter=isLocal:eq:false", status: 200, has: []string{`"totalAvailable":"5"`}},
	{ref: "3.3 email", do: "GET {S}/users?filter=email:eq:ann@acme.example", status: 200, has: []string{`"totalAvailable":"1"`}},
	{
		ref: "3.3 unknown field is 400065", do: "GET {S}/users?filter=nick:eq:a", status: 400, code: "400065",
		has: []string{"The filter query contains a key which is not recognized for this api version."},
	},
	{ref: "3.3 field names are case-sensitive", do: "GET {S}/users?filter=Name:eq:a", status: 400, code: "400065"},
	{ref: "3.3 unsupported operator is 400065", do: "GET {S}/users?filter=name:gt:a", status: 400, code: "400065"},
	{ref: "3.3 missing value is 400065", do: "GET {S}/users?filter=name:eq:", status: 400, code: "400065", has: []string{"The filter query is missing a value for key 'name'."}},
	{ref: "3.3 wrongly typed value is 400025", do: "GET {S}/users?filter=lastLogin:eq:None", status: 400, code: "400025"},
	{ref: "2.5 filter keys added later are 400065 on an old version", do: "GET /api/3.16/sites/{site}/users?filter=email:eq:ann@acme.example", status: 400, code: "400065"},
	{ref: "3.3 a raw + is read as a space", do: "GET {S}/users?filter=name:eq:a+b@acme.example", status: 200, has: []string{`"totalAvailable":"0"`}},
	{ref: "3.3 + must be sent as %2B", do: "GET {S}/users?filter=name:eq:a%2Bb@acme.example", status: 200, has: []string{`"totalAvailable":"1"`}},
	{ref: "3.3 @ may be %40", do: "GET {S}/users?filter=name:eq:ann%40acme.example", status: 200, has: []string{`"totalAvailable":"1"`}},
	{ref: "3.3 a comma cannot be escaped", do: "GET {S}/users?filter=name:eq:a%2Cb", status: 400, code: "400065"},
	{ref: "3.3 & cannot be escaped", do: "GET {S}/users?filter=name:eq:a%26b", status: 400, code: "400065"},
	{ref: "3.3 : cannot be escaped", do: "GET {S}/users?filter=name:eq:a%3Ab", status: 400, code: "400065"},
	{ref: "3.3 [ cannot be escaped", do: "GET {S}/users?filter=name:eq:%5Ba%5D", status: 400, code: "400065"},
	{ref: "3.3 encoded delimiters are accepted from 3.7", do: "GET {S}/users?filter=name%3Aeq%3Aann@acme.example", status: 200, has: []string{`"totalAvailable":"1"`}},
	{ref: "3.3 before 3.7 they must be raw", do: "GET /api/3.6/sites/{site}/users?filter=name%3Aeq%3Aann@acme.example", status: 400, code: "400065"},

	{ref: "10 whether filter on users is ever ignored (switch)", cfg: tableautest.Config{UserFilter: tableautest.Off}, do: "GET {S}/users?filter=name:eq:bo@acme.example", status: 200, has: []string{`"totalAvailable":"5"`}},
	{ref: "8.14 //api is not established (switch)", do: "GET /{S}/groups", status: 404, has: []string{"<!DOCTYPE html>"}, hasXML: []string{"<!DOCTYPE html>"}},
	{ref: "8.14 //api is not established (switch)", cfg: tableautest.Config{DoubleSlash: tableautest.Ignore}, do: "GET /{S}/groups", status: 200, has: []string{`"groups":{`}},

	// One user.
	{ref: "3.4 one user", do: "GET {S}/users/{ann}", status: 200, has: []string{`"user":{"id":"{ann}"`, `"fullName":"Ann Ant"`, `"domain":{"name":"TABID_WITH_MFA"}`}, hasXML: []string{`<user id="{ann}"`}},
	{ref: "3.4 404002 unknown", do: "GET {S}/users/{none}", status: 404, code: "404002"},
	{ref: "3.4 403133 not allowed", as: "viewer", do: "GET {S}/users/{bo}", status: 403, code: "403133"},
	{ref: "3.4 admin, or self", as: "viewer", do: "GET {S}/users/{ann}", status: 200},

	// Adding.
	{
		ref: "3.5 201 with Location", do: "POST {S}/users", body: `{"user":{"name":"new@acme.example","siteRole":"Viewer"}}`, status: 201,
		has: []string{`"name":"new@acme.example","siteRole":"Viewer","authSetting":"TableauIDWithMFA","externalAuthUserId":""`}, hasXML: []string{`authSetting="TableauIDWithMFA"`},
	},
	{ref: "3.5 ServerDefault otherwise", cfg: server, do: "POST {S}/users", body: `{"user":{"name":"jane","siteRole":"Viewer"}}`, status: 201, has: []string{`"authSetting":"ServerDefault"`}},
	{ref: "3.5 on Cloud the name is the e-mail", do: "POST {S}/users", body: `{"user":{"name":"jane","siteRole":"Viewer"}}`, status: 400, code: "400003"},
	{
		ref: "2.2 exists is 409017 on the wire, without regard to case", do: "POST {S}/users", body: `{"user":{"name":"ANN@acme.example","siteRole":"Creator"}}`, status: 409, code: "409017",
		then: func(t *testing.T, w *world) { wantRole(t, w.ann, "Viewer") },
	},
	{ref: "9 user_exists_code", cfg: tableautest.Config{UserExistsCode: "409000"}, do: "POST {S}/users", body: `{"user":{"name":"ann@acme.example","siteRole":"Viewer"}}`, status: 409, code: "409000"},
	{ref: "3.5 not ServerAdministrator", cfg: server, do: "POST {S}/users", body: `{"user":{"name":"jane","siteRole":"ServerAdministrator"}}`, status: 400, code: "400013"},
	{ref: "2.2 unknown role is 400013", do: "POST {S}/users", body: `{"user":{"name":"n@acme.example","siteRole":"Boss"}}`, status: 400, code: "400013", has: []string{"Invalid site role 'Boss'"}},
	{ref: "4.1 Guest is 409005 on add", do: "POST {S}/users", body: `{"user":{"name":"Guest","siteRole":"Viewer"}}`, status: 409, code: "409005"},
	{
		ref: "2.2 ServerDefault is not for Cloud", do: "POST {S}/users", body: `{"user":{"name":"n@acme.example","siteRole":"Viewer","authSetting":"ServerDefault"}}`, status: 400, code: "400003",
		has: []string{"authentication setting ServerDefault is not supported for you site. Try again using TableauIDWithMFA instead."},
	},
	{ref: "3.5 idpConfigurationId instead of authSetting, not both", do: "POST {S}/users", body: `{"user":{"name":"n@acme.example","siteRole":"Viewer","authSetting":"SAML","idpConfigurationId":"x"}}`, status: 400, code: "400003"},
	{ref: "3.5 idpConfigurationId", do: "POST {S}/users", body: `{"user":{"name":"n@acme.example","siteRole":"Viewer","idpConfigurationId":"x"}}`, status: 201, has: []string{`"idpConfigurationId":"x"`}, lacks: []string{"authSetting"}},
	{ref: "3.5 adding is for administrators", as: "viewer", do: "POST {S}/users", body: `{"user":{"name":"n@acme.example","siteRole":"Viewer"}}`, status: 403, code: "403004"},

	// Updating.
	{
		ref: "3.6 the answer has no id; the effect is immediate", do: "PUT {S}/users/{ann}", body: `{"user":{"siteRole":"Creator"}}`, status: 200,
		has:    []string{`{"user":{"name":"ann@acme.example","fullName":"Ann Ant","email":"ann@acme.example","siteRole":"Creator","authSetting":"TableauIDWithMFA"}}`},
		hasXML: []string{`<user name="ann@acme.example"`}, lacks: []string{"{ann}"}, then: func(t *testing.T, w *world) { wantRole(t, w.ann, "Creator") },
	},
	{ref: "3.6 all attributes are optional", do: "PUT {S}/users/{ann}", body: `{"user":{}}`, status: 200, then: func(t *testing.T, w *world) { wantRole(t, w.ann, "Viewer") }},
	{ref: "3.6 bad role is 400013", do: "PUT {S}/users/{ann}", body: `{"user":{"siteRole":"Boss"}}`, status: 400, code: "400013", then: func(t *testing.T, w *world) { wantRole(t, w.ann, "Viewer") }},
	{ref: "4.1 tolerance of case is a switch, off", do: "PUT {S}/users/{ann}", body: `{"user":{"siteRole":"creator"}}`, status: 400, code: "400013"},
	{ref: "4.1 tolerance of case is a switch, on", cfg: tableautest.Config{RoleCase: tableautest.Ignore}, do: "PUT {S}/users/{ann}", body: `{"user":{"siteRole":"creator"}}`, status: 200, has: []string{`"Creator"`}},
	{ref: "3.6 own licence role is 403009", do: "PUT {S}/users/{boss}", body: `{"user":{"siteRole":"Viewer"}}`, status: 403, code: "403009"},
	{ref: "3.6 Guest is 403009", do: "PUT {S}/users/{guest}", body: `{"user":{"siteRole":"Viewer"}}`, status: 403, code: "403009"},
	{ref: "3.6 unknown user is 404002", do: "PUT {S}/users/{none}", body: `{"user":{"siteRole":"Viewer"}}`, status: 404, code: "404002"},
	{ref: "3.6 updating is for administrators", as: "viewer", do: "PUT {S}/users/{bo}", body: `{"user":{"siteRole":"Viewer"}}`, status: 403, code: "403004"},
	{ref: "3.6 a bad e-mail is 400000", do: "PUT {S}/users/{ann}", body: `{"user":{"email":"no mail"}}`, status: 400, code: "400000"},
	{ref: "3.6 on Cloud fullName cannot be changed", do: "PUT {S}/users/{ann}", body: `{"user":{"fullName":"X"}}`, status: 200, has: []string{`"fullName":"Ann Ant"`}},
	{ref: "3.6 on Cloud fullName cannot be changed (switch)", cfg: tableautest.Config{CloudProfile: tableautest.Refuse}, do: "PUT {S}/users/{ann}", body: `{"user":{"fullName":"X"}}`, status: 400, code: "400003"},
	{ref: "3.6 on Server it can", cfg: server, do: "PUT {S}/users/{ann}", body: `{"user":{"fullName":"X","email":"x@y"}}`, status: 200, has: []string{`"fullName":"X","email":"x@y"`}},
	{ref: "3.6 ServerAdministrator by a server administrator", cfg: server, do: "PUT {S}/users/{ann}", body: `{"user":{"siteRole":"ServerAdministrator"}}`, status: 200},
	{ref: "3.6 lowering a server administrator to Unlicensed is 400", cfg: server, given: func(w *world) { w.bo.SetRole("ServerAdministrator") }, do: "PUT {S}/users/{bo}", body: `{"user":{"siteRole":"Unlicensed"}}`, status: 400, code: "400003"},
	{ref: "4.1 legacy roles on versions before 3.0", do: "GET /api/2.8/sites/{site}/users/{bo}", only: "xml", status: 200, hasXML: []string{`siteRole="Publisher"`}},
	{ref: "2.2 a role too new for the version is 400013", only: "xml", do: "PUT /api/2.8/sites/{site}/users/{ann}", body: `{"user":{"siteRole":"Viewer"}}`, status: 400, code: "400013"},
	{ref: "4.1 Interactor before 3.0", only: "xml", do: "PUT /api/2.8/sites/{site}/users/{ann}", body: `{"user":{"siteRole":"Interactor"}}`, status: 200, hasXML: []string{`"Interactor"`}},
	{ref: "4.1 Interactor from 3.0", do: "PUT {S}/users/{ann}", body: `{"user":{"siteRole":"Interactor"}}`, status: 400, code: "400013"},

	// Licences.
	{ref: "4.3 documented: 409014", given: full, do: "PUT {S}/users/{ann}", body: `{"user":{"siteRole":"Creator"}}`, status: 409, code: "409014", then: func(t *testing.T, w *world) { wantRole(t, w.ann, "Viewer") }},
	{
		ref: "4.3 silent: the user ends up Unlicensed", cfg: tableautest.Config{NoSeat: tableautest.SilentUnlicensed}, given: full, do: "PUT {S}/users/{ann}", body: `{"user":{"siteRole":"Creator"}}`, status: 200,
		has: []string{`"siteRole":"Unlicensed"`}, hasXML: []string{`siteRole="Unlicensed"`},
	},
	{ref: "4.3 silent on add", cfg: tableautest.Config{NoSeat: tableautest.SilentUnlicensed}, given: full, do: "POST {S}/users", body: `{"user":{"name":"n@acme.example","siteRole":"Creator"}}`, status: 201, has: []string{`"siteRole":"Unlicensed"`}},
	{ref: "4.2 SiteAdministratorCreator and Creator share a tier", given: full, do: "PUT {S}/users/{bo}", body: `{"user":{"siteRole":"SiteAdministratorCreator"}}`, status: 200},
	{ref: "4.2 the Explorer tier is another", given: full, do: "PUT {S}/users/{ann}", body: `{"user":{"siteRole":"ExplorerCanPublish"}}`, status: 200},
	{
		ref: "4.1 Unlicensed frees a licence", given: full, do: "PUT {S}/users/{bo}", body: `{"user":{"siteRole":"Unlicensed"}}`, status: 200,
		then: func(t *testing.T, w *world) {
			if got := w.site.SeatsTaken().Creator; got != 1 {
				t.Errorf("%d Creator seats taken, want 1", got)
			}
		},
	},

	// Removing.
	{ref: "3.7 204", do: "DELETE {S}/users/{ann}", status: 204, then: func(t *testing.T, w *world) {
		if w.site.User("ann@acme.example") != nil {
			t.Error("the user is still there")
		}
	}},
	{ref: "3.7 owns content: 409003 and the user stays", do: "DELETE {S}/users/{bo}", status: 409, code: "409003", then: func(t *testing.T, w *world) { wantRole(t, w.bo, "Creator") }},
	{ref: "3.7 mapAssetsTo is server-admin only", do: "DELETE {S}/users/{bo}?mapAssetsTo={ann}", status: 403, code: "403004"},
	{ref: "3.7 mapAssetsTo", cfg: server, do: "DELETE {S}/users/{bo}?mapAssetsTo={ann}", status: 204, then: func(t *testing.T, w *world) {
		if w.book.Owner() != w.ann.ID() {
			t.Error("the workbook has not got the new owner")
		}
	}},
	{ref: "3.7 404002", do: "DELETE {S}/users/{none}", status: 404, code: "404002"},

	// Groups.
	{ref: "3.8 All Users exists on every site", do: "GET {S}/groups", status: 200, has: []string{`"name":"All Users"`, `"name":"Finance"`, `"domain":{"name":"local"}`, `"userCount":"1"`}, hasXML: []string{`<group id="`, `<domain name="local"/>`}},
	{ref: "3.8 All Users cannot be edited", given: func(w *world) { w.ids["all"] = allUsersID(w) }, do: "PUT {S}/groups/{all}", body: `{"group":{"name":"x"}}`, status: 403, code: "403020"},
	{ref: "3.8 create is 201", do: "POST {S}/groups", body: `{"group":{"name":"New","minimumSiteRole":"Viewer"}}`, status: 201, has: []string{`"name":"New"`, `"grantLicenseMode":"onLogin"`}},
	{ref: "2.2 group names are compared case-insensitively: 409009", do: "POST {S}/groups", body: `{"group":{"name":"FINANCE"}}`, status: 409, code: "409009"},
	{ref: "3.8 rename clash", given: func(w *world) { w.site.AddGroup("Other") }, do: "PUT {S}/groups/{group}", body: `{"group":{"name":"other"}}`, status: 409, code: "409009"},
	{ref: "3.8 members", do: "GET {S}/groups/{group}/users", status: 200, has: []string{`"user":[{"id":"{ann}"`, `"siteRole":"Viewer"`}},
	{ref: "3.8 add one: 200 with the user", do: "POST {S}/groups/{group}/users", body: `{"user":{"id":"{bo}"}}`, status: 200, has: []string{`"user":{"id":"{bo}"`}},
	{ref: "3.8 409011 if already in", do: "POST {S}/groups/{group}/users", body: `{"user":{"id":"{ann}"}}`, status: 409, code: "409011"},
	{ref: "3.8 add many (3.21)", do: "POST {S}/groups/{group}/users", body: `{"users":{"user":[{"id":"{bo}"},{"id":"{boss}"}]}}`, status: 200, has: []string{`"users":{"user":[`}},
	{ref: "3.8 add many is 3.21", do: "POST /api/3.20/sites/{site}/groups/{group}/users", body: `{"users":{"user":[{"id":"{bo}"}]}}`, status: 400, code: "400000"},
	{ref: "3.8 remove one is 204", do: "DELETE {S}/groups/{group}/users/{ann}", status: 204},
	{ref: "3.8 remove many is 204", do: "PUT {S}/groups/{group}/users/remove", body: `{"users":{"user":[{"id":"{ann}"}]}}`, status: 204, then: func(t *testing.T, w *world) {
		if w.group.Has(w.ann) {
			t.Error("still a member")
		}
	}},
	{ref: "3.8 remove many is 3.21", do: "PUT /api/3.20/sites/{site}/groups/{group}/users/remove", body: `{"users":{"user":[{"id":"{ann}"}]}}`, status: 404, code: "404003"},
	{ref: "3.8 delete is 204, members stay", do: "DELETE {S}/groups/{group}", status: 204, then: func(t *testing.T, w *world) { wantRole(t, w.ann, "Viewer") }},
	{ref: "2.2 404012", do: "GET {S}/groups/{none}/users", status: 404, code: "404012"},
	{ref: "3.8 groups of a user", as: "viewer", do: "GET {S}/users/{ann}/groups", status: 200, has: []string{`"name":"Finance"`, `"name":"All Users"`}},
	{ref: "3.3 group filter like", do: "GET {S}/groups?filter=name:like:nan", status: 200, has: []string{`"totalAvailable":"1"`}},
	{ref: "3.3 group filter userCount", do: "GET {S}/groups?filter=userCount:gt:1", status: 200, has: []string{`"totalAvailable":"1"`}},
	{ref: "8.14 a trailing slash at the end of a path works", do: "GET {S}/groups/", status: 200},
	{ref: "3.8 group sets are 3.22", do: "POST {S}/groupsets", body: `{"groupSet":{"name":"Set"}}`, status: 201},
	{ref: "3.8 group sets are 3.22", do: "GET /api/3.21/sites/{site}/groupsets", status: 404, code: "404003"},

	// Server info, sessions, sites.
	{ref: "6.1 no auth; value is the text", as: "none", do: "GET /api/2.4/serverinfo", only: "xml", status: 200, hasXML: []string{`<productVersion build="20243.24.0823.1450">2024.3.0</productVersion>`, `<restApiVersion>3.24</restApiVersion>`, `ts-api_2_4.xsd`}},
	{ref: "6.1 JSON of server info", as: "none", do: "GET /api/3.24/serverInfo", only: "json", status: 200, has: []string{`"productVersion":{"value":"2024.3.0","build":"20243.24.0823.1450"}`, `"restApiVersion":"3.24"`}},
	{ref: "1.1 JSON came with 2.5", as: "none", do: "GET /api/2.4/serverinfo", only: "json", status: 200, has: []string{"<tsResponse"}},
	{ref: "6.1 from 2.4", as: "none", do: "GET /api/2.3/serverinfo", status: 404, code: "404003"},
	{ref: "6.2 current session", as: "viewer", do: "GET /api/3.24/sessions/current", status: 200, has: []string{`"session":{"site":{"id":"{site}","name":"acme-analytics","contentUrl":"acme-analytics"}`, `"user":{"id":"{ann}","name":"ann@acme.example","siteRole":"Viewer"`}},
	{ref: "6.2 401 otherwise", as: "none", do: "GET /api/3.24/sessions/current", status: 401, code: "401000"},
	{ref: "6.3 Query Sites on Cloud is 403069", do: "GET /api/3.24/sites", status: 403, code: "403069"},
	{ref: "6.3 a server administrator sees all", cfg: server, do: "GET /api/3.24/sites", status: 200, has: []string{`"totalAvailable":"2"`}},
	{ref: "6.3 others see their own", cfg: server, as: "viewer", do: "GET /api/3.24/sites", status: 200, has: []string{`"totalAvailable":"1"`}},
	{ref: "6.3 site with usage", do: "GET {S}?includeUsage=true", status: 200, has: []string{`"site":{"id":"{site}"`, `"usage":{"numUsers":"5"`, `"numCreators":"2"`, `"state":"Active"`}},
	{ref: "6.3 by name", do: "GET /api/3.24/sites/acme-analytics?key=name", status: 200, has: []string{`"id":"{site}"`}},
	{ref: "6.3 by contentUrl", do: "GET /api/3.24/sites/acme-analytics?key=contentUrl", status: 200, has: []string{`"id":"{site}"`}},
	{ref: "6.3 site-auth-configurations (3.24)", do: "GET {S}/site-auth-configurations", status: 200, has: []string{`"siteAuthConfigurations":{"siteAuthConfiguration":[{"authSetting":"TableauIDWithMFA"`, `"idpConfigurationId"`}},
	{ref: "9 versions: a method before its version", do: "GET /api/3.23/sites/{site}/site-auth-configurations", status: 404, code: "404003"},

	// Projects and documents.
	{ref: "2.3 default project cannot be deleted", given: func(w *world) { w.ids["default"] = defaultProjectID(w) }, do: "DELETE {S}/projects/{default}", status: 403, code: "403003"},
	{ref: "8.7 project names are unique case-insensitively", do: "POST {S}/projects", body: `{"project":{"name":"QUARTER"}}`, status: 409, code: "409006", has: []string{"A project already exists with the name 'QUARTER'"}},
	{ref: "2.3 403045 create forbidden", as: "viewer", do: "POST {S}/projects", body: `{"project":{"name":"Mine"}}`, status: 403, code: "403045"},
	{ref: "2.3 404005 missing", do: "PUT {S}/projects/{none}", body: `{"project":{"name":"x"}}`, status: 404, code: "404005"},
	{ref: "3.1 workbooks", do: "GET {S}/workbooks", status: 200, has: []string{`"workbook":[{"id":"{book}","name":"Pack"`, `"showTabs":"false"`, `"tags":{"tag":[{"label":"old"}]}`, `"owner":{"id":"{bo}"`}},
	{ref: "8.23 download", do: "GET {S}/workbooks/{book}/content", status: 200, has: []string{"file"}},
	{ref: "2.3 404006 workbook", do: "GET {S}/workbooks/{none}", status: 404, code: "404006"},
	{ref: "2.3 404011 view", do: "GET {S}/views/{none}", status: 404, code: "404011"},
	{ref: "2.3 tags", do: "PUT {S}/workbooks/{book}/tags", body: `{"tags":{"tag":[{"label":"new"}]}}`, status: 200, has: []string{`"label":"old"`, `"label":"new"`}},
	{ref: "2.3 404008 tag missing", do: "DELETE {S}/workbooks/{book}/tags/none", status: 404, code: "404008"},
	{ref: "6.4 delete view is 3.27", do: "DELETE {S}/views/{sheet}", status: 405, code: "405000"},
	{ref: "2.2 400008 bad boolean in a query parameter", do: "GET {S}/workbooks/{book}/views?includeUsageStatistics=maybe", status: 400, code: "400008"},
	{ref: "8.28 403096 view permissions while the workbook shows tabs", do: "PUT {S}/views/{tabSheet}/permissions", body: grantBody("Read", "Allow"), status: 403, code: "403096"},
	{ref: "2.3 400009 capability", do: "PUT {S}/workbooks/{book}/permissions", body: grantBody("Fly", "Allow"), status: 400, code: "400009"},
	{ref: "2.3 permissions", do: "PUT {S}/workbooks/{book}/permissions", body: grantBody("Write", "Deny"), status: 200, has: []string{`"capability":[{"name":"Write","mode":"Deny"}]`, `"user":{"id":"{ann}"}`}},
	{ref: "8.27 404013 when the grant is absent", do: "DELETE {S}/workbooks/{book}/permissions/users/{ann}/Read/Allow", status: 404, code: "404013"},
	{ref: "2.2 403004 lacks a capability", as: "viewer", do: "DELETE {S}/workbooks/{book}", status: 403, code: "403004"},
	{ref: "2.3 favourites without a label are 400005", do: "PUT {S}/favorites/{ann}", body: `{"favorite":{"workbook":{"id":"{book}"}}}`, status: 400, code: "400005"},
	{ref: "2.3 404010 favourite missing", do: "DELETE {S}/favorites/{ann}/workbooks/{book}", status: 404, code: "404010"},
	{ref: "2.3 404018 job", do: "GET {S}/jobs/{none}", status: 404, code: "404018"},
	{ref: "2.3 404015 upload session", do: "PUT {S}/fileUploads/1:2-3:0", status: 404, code: "404015"},
	{ref: "7.5 initiate a file upload", do: "POST {S}/fileUploads", status: 201, has: []string{`"fileUpload":{"uploadSessionId":"`, `"fileSize":"0"`}},

	// Not simulated.
	{ref: "a method that is not simulated says so", do: "GET {S}/webhooks", status: 501, code: "501000", has: []string{"does not simulate"}},

	// Versionless.
	{ref: "5.1 search inside hits, numbers are numbers", only: "json", do: "GET /api/-/search?terms=pack", status: 200, has: []string{`{"hits":{"pageIndex":0,"startIndex":0,"total":1,"limit":10,"items":[{"uri":"urn:`, `"type":"workbook"`, `"hitsTotal":7`}},
	{ref: "9 search_wrapper off", cfg: tableautest.Config{SearchWrapper: tableautest.Off}, only: "json", do: "GET /api/-/search?terms=pack", status: 200, has: []string{`{"pageIndex":0`}},
	{ref: "5.1 filter type:in", only: "json", do: "GET /api/-/search?filter=type:in:[workbook,view]&limit=1", status: 200, has: []string{`"total":4`, `"next":"https://`}},
	{ref: "5.1 order_by", only: "json", do: "GET /api/-/search?order_by=hitsTotal:desc&limit=1", status: 200, has: []string{`"title":"Pack"`}},
	{ref: "5.1 suggestions", only: "json", do: "GET /api/-/suggestions?terms=sheet", status: 200, has: []string{`"terms":"sheet"`, `"hits":{`}},
	{ref: "5.1 usage", only: "json", do: "GET /api/-/content/usage-stats/workbooks/{book}", status: 200, has: []string{`"hitsTotal":7`, `"hitsLastTwelveMonthsTotal":7`}},
	{
		ref: "5.1 batch usage is 201, with errors", only: "json", do: "POST /api/-/content/usage-stats", body: `{"content_items":[{"luid":"{book}","type":"workbook"},{"luid":"{none}","type":"workbook"}]}`, status: 201,
		has: []string{`"content":{"luid":"{book}","type":"workbook"},"usage":{"hitsTotal":7`, `"errors":[{"httpErrorCode":404,"message":`},
	},
	{ref: "2.1 versionless errors", only: "json", do: "GET /api/-/content/usage-stats/workbooks/{none}", status: 404, has: []string{`{"httpErrorCode":"404","message":"`}},
	{ref: "5 versionless without a token", only: "json", as: "none", do: "GET /api/-/search", status: 401, has: []string{`{"httpErrorCode":"401","message":"No authentication credentials were provided."}`}},
	{ref: "2.1 versionless errors (switch)", cfg: tableautest.Config{VersionlessErrors: tableautest.RESTErrors}, only: "json", as: "none", do: "GET /api/-/search", status: 401, code: "401000"},
	{ref: "9 collections are off below 3.28", only: "json", do: "GET /api/-/collections", status: 404, has: []string{`"httpErrorCode":"404"`}},
	{
		ref: "5.2 collections from 3.28", cfg: tableautest.Config{MaxVersion: "3.28"}, only: "json", do: "GET /api/-/collections", status: 200,
		has: []string{`"collections":[{"luid":"{coll}","name":"Month End"`, `"ownerAlias":"bo@acme.example"`, `"visibility":"public"`, `"totalItemCount":1`, `"pagination":{"pageNumber":1,"pageSize":100,"totalAvailable":1}`}, lacks: []string{"{bo}"},
	},
	{ref: "5.2 the array key may be items", cfg: tableautest.Config{Collections: tableautest.On, CollectionsKey: "items"}, only: "json", do: "GET /api/-/collections", status: 200, has: []string{`"items":[{`}},
	{ref: "5.2 items", cfg: collectionsOn, only: "json", do: "GET /api/-/collections/{coll}/items", status: 200, has: []string{`{"content":{"luid":"{book}","type":"workbook","name":"Pack"},"collectionLuid":"{coll}","addedDate":"2026-03-04T05:06:07Z"}`}},
	{
		ref: "5.2 batchUpdate takes an array", cfg: collectionsOn, only: "json", do: "POST /api/-/collections/batchUpdate", body: `[{"luid":"{coll}","name":"New","ownerLuid":"{ann}"},{"luid":"{none}","name":"x"}]`, status: 200,
		has: []string{`"name":"New"`, `"errors":[{"errorCode":"404"`}, then: func(t *testing.T, w *world) {
			if w.coll.Owner() != w.ann.ID() {
				t.Error("the collection has not got its new owner")
			}
		},
	},
	{ref: "5.2 create", cfg: collectionsOn, only: "json", do: "POST /api/-/collections", body: `{"name":"Mine"}`, status: 201, has: []string{`"name":"Mine"`}},
	{ref: "5.2 delete is 204", cfg: collectionsOn, only: "json", do: "DELETE /api/-/collections/{coll}", status: 204},
	{ref: "5.2 permissions of collections are versioned", cfg: collectionsOn, do: "GET {S}/collections/{coll}/permissions", status: 200, has: []string{`"permissions":{"collection":{"id":"{coll}"`}},
	{ref: "5.2 item changes", cfg: collectionsOn, only: "json", do: "POST /api/-/collections/{coll}/items/batchDelete", body: `{"items":[{"contentLuid":"{book}","contentType":"workbook"}]}`, status: 200, has: []string{`"errors":[]`}},
}

var (
	server        = tableautest.Config{Product: tableautest.ProductServer}
	collectionsOn = tableautest.Config{Collections: tableautest.On}
)

func signInBody(contentURL, secret string) string {
	return `{"credentials":{"personalAccessTokenName":"pat","personalAccessTokenSecret":"` + secret + `","site":{"contentUrl":"` + contentURL + `"}}}`
}

func grantBody(capability, mode string) string {
	return `{"permissions":{"granteeCapabilities":[{"user":{"id":"{ann}"},"capabilities":{"capability":[{"name":"` + capability + `","mode":"` + mode + `"}]}}]}}`
}

// full gives the site exactly the Creator seats that are taken.
func full(w *world) { w.site.SetSeats(tableautest.Seats{Creator: 2}) }

func wantRole(t *testing.T, u *tableautest.User, role string) {
	t.Helper()
	if got := u.Role(); got != role {
		t.Errorf("the role is %q, want %q", got, role)
	}
}

func allUsersID(w *world) string { return firstID(w, "groups?filter=name:eq:All%20Users") }

func defaultProjectID(w *world) string { return firstID(w, "projects?filter=name:eq:default") }

// firstID reads a list through a session of another PAT.
func firstID(w *world, rest string) string {
	w.site.AddPAT(w.boss, "look", "look-secret")
	c := &client{t: w.t, h: w.site, api: "/api/3.24"}
	c.signIn("look", "look-secret", w.site.ContentURL())
	_, id, _ := strings.Cut(c.get(rest).Body.String(), `"id":"`)
	id, _, _ = strings.Cut(id, `"`)
	return id
}

func TestReference(t *testing.T) {
	t.Parallel()
	for i, r := range rules {
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

func tryRule(t *testing.T, r rule, isXML bool) {
	t.Helper()
	w := newWorld(t, r.cfg)
	c := &client{t: t, h: w.site, api: "/api/3.24"}
	switch r.as {
	case "":
		c.signIn("pat", secret, w.site.ContentURL())
	case "viewer":
		c.signIn("viewer", viewerSecret, w.site.ContentURL())
	}
	if r.given != nil {
		r.given(w)
	}
	body := w.fill(r.body)
	c.xml = isXML
	if isXML && body != "" {
		body = xmlOf(t, body)
	}
	verb, path, _ := strings.Cut(w.fill(r.do), " ")

	got := c.do(verb, path, body)

	got.want(r.status, r.code)
	text := got.Body.String()
	has := r.has
	if isXML {
		has = r.hasXML
	}
	for _, part := range has {
		if part = w.fill(part); !strings.Contains(text, part) {
			t.Errorf("%s is missing in %s", part, text)
		}
	}
	for _, part := range r.lacks {
		if part = w.fill(part); strings.Contains(text, part) {
			t.Errorf("%s must not be in %s", part, text)
		}
	}
	if r.status >= http.StatusOK && r.status < 300 && len(text) > 0 && !strings.Contains(path, "/content") {
		wellFormed(t, text)
	}
	if r.then != nil {
		r.then(t, w)
	}
}

func wellFormed(t *testing.T, text string) {
	t.Helper()
	var err error
	if strings.HasPrefix(text, "<") {
		err = xml.Unmarshal([]byte(text), new(struct{ XMLName xml.Name }))
	} else {
		err = json.Unmarshal([]byte(text), new(any))
	}
	if err != nil {
		t.Errorf("not well formed: %v: %s", err, text)
	}
}

// xmlOf makes the XML of a JSON request: scalars are attributes, objects are
// elements. It leaves what is no JSON as it is.
func xmlOf(t *testing.T, body string) string {
	t.Helper()
	var m map[string]any
	if json.Unmarshal([]byte(body), &m) != nil {
		return "<tsRequest><" + body
	}
	var write func(name string, v any) string
	write = func(name string, v any) string {
		if list, ok := v.([]any); ok {
			var all strings.Builder
			for _, x := range list {
				all.WriteString(write(name, x))
			}
			return all.String()
		}
		attrs, kids := "", ""
		for _, k := range slices.Sorted(maps.Keys(v.(map[string]any))) {
			switch x := v.(map[string]any)[k].(type) {
			case map[string]any, []any:
				kids += write(k, x)
			default:
				var b strings.Builder
				_ = xml.EscapeText(&b, fmt.Append(nil, x))
				attrs += " " + k + `="` + b.String() + `"`
			}
		}
		return "<" + name + attrs + ">" + kids + "</" + name + ">"
	}
	return write("tsRequest", m)
}

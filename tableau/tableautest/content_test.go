package tableautest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/tableau/tableautest"
)

func TestRightsOfTheSignedInUser(t *testing.T) {
	// ref: "1.6 rights: those of its owner"
	t.Parallel()
	w := newWorld(t, collectionsOn)
	viewer := &client{t: t, h: w.site, api: "/api/3.24"}
	viewer.signIn("viewer", viewerSecret, w.site.ContentURL())
	boss := signedIn(t, w.site)
	put := func(rest, body string) {
		boss.do(http.MethodPut, boss.path(rest), w.fill(body)).want(http.StatusOK, "")
	}
	book := "workbooks/" + w.book.ID()
	viewer.get(book).want(http.StatusOK, "")

	put(book+"/permissions", strings.ReplaceAll(grantBody("Read", "Deny"), `"user":{"id":"{ann}"}`, `"group":{"id":"{group}"}`))
	viewer.get(book).want(http.StatusForbidden, "403018")
	if got := viewer.get("workbooks").Body.String(); strings.Contains(got, w.book.ID()) {
		t.Errorf("a denied workbook is listed: %s", got)
	}
	if got := viewer.do(http.MethodGet, "/api/-/search?terms=pack", "").Body.String(); !strings.Contains(got, `"total":0`) {
		t.Errorf("a denied workbook is found: %s", got)
	}

	put(book+"/permissions", grantBody("Read", "Allow")) // the user's own rule counts before the group's
	viewer.get(book).want(http.StatusOK, "")
	viewer.do(http.MethodPut, viewer.path(book), `{"workbook":{"name":"Mine"}}`).want(http.StatusForbidden, "403004")

	boss.do(http.MethodDelete, boss.path(book+"/permissions/users/"+w.ann.ID()+"/Read/Allow"), "").want(http.StatusNoContent, "")
	viewer.get(book).want(http.StatusForbidden, "403018")
	// ref: "4.1 Admin test": a user who becomes administrator may everything at once.
	w.ann.SetRole(tableautest.RoleSiteAdministratorExplorer)
	viewer.get(book).want(http.StatusOK, "")
	viewer.get("users").want(http.StatusOK, "")
}

func TestDefaultPermissionsAreInherited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, tableautest.Config{})
	boss := signedIn(t, w.site)
	defaults := "projects/" + w.proj.ID() + "/default-permissions/workbooks"
	boss.do(http.MethodPut, boss.path(defaults), w.fill(grantBody("Read", "Deny"))).want(http.StatusOK, "")

	fresh := w.site.AddContent("workbook", "Fresh", w.bo, tableautest.ContentDetails{Project: w.proj})

	if got := boss.get("workbooks/"+fresh.ID()+"/permissions").want(http.StatusOK, "").Body.String(); !strings.Contains(got, `"mode":"Deny"`) {
		t.Errorf("permissions: %s", got)
	}
	boss.do(http.MethodPost, boss.path(defaults), w.fill(grantBody("Write", "Allow"))).want(http.StatusOK, "") // 3.23: replaces
	if got := boss.get(defaults).Body.String(); strings.Contains(got, "Deny") {
		t.Errorf("defaults: %s", got)
	}
}

func TestIndexLags(t *testing.T) {
	// ref: "8.20 new objects appear late in search and usage, at once in the versioned lists"
	t.Parallel()
	s, boss := newSite(t, tableautest.Config{IndexLag: 5 * time.Minute})
	c := signedIn(t, s)
	book := s.AddContent("workbook", "Pack", boss)
	search := func(terms string) string {
		return c.do(http.MethodGet, "/api/-/search?terms="+terms, "").want(http.StatusOK, "").Body.String()
	}

	if got := c.get("workbooks").Body.String(); !strings.Contains(got, book.ID()) {
		t.Errorf("not listed at once: %s", got)
	}
	if got := search("pack"); !strings.Contains(got, `"total":0`) {
		t.Errorf("found at once: %s", got)
	}
	s.Advance(6 * time.Minute)
	if got := search("pack"); !strings.Contains(got, `"total":1`) {
		t.Errorf("not found after the lag: %s", got)
	}
	c.do(http.MethodPut, c.path("workbooks/"+book.ID()), `{"workbook":{"name":"Other"}}`).want(http.StatusOK, "")
	if got := search("pack"); !strings.Contains(got, `"total":1`) {
		t.Errorf("the change showed at once: %s", got)
	}
	s.Advance(6 * time.Minute)
	if got := search("other"); !strings.Contains(got, `"total":1`) {
		t.Errorf("the change never showed: %s", got)
	}
}

func TestStaleList(t *testing.T) { // T39
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, _ := newSite(t, tableautest.Config{UserListLag: time.Minute, Now: func() time.Time { return now }})
	ann := s.AddUser("ann@acme.example", tableautest.RoleViewer)
	c := signedIn(t, s)

	ann.SetRole(tableautest.RoleCreator)

	if got := c.get("users?filter=name:eq:ann@acme.example").Body.String(); !strings.Contains(got, `"Viewer"`) {
		t.Errorf("the list is fresh: %s", got)
	}
	if got := c.get("users/" + ann.ID()).Body.String(); !strings.Contains(got, `"Creator"`) {
		t.Errorf("one user is stale: %s", got)
	}
	s.Advance(time.Minute)
	if got := c.get("users?filter=name:eq:ann@acme.example").Body.String(); !strings.Contains(got, `"Creator"`) {
		t.Errorf("the list stays stale: %s", got)
	}
}

func TestFavorites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, tableautest.Config{})
	c := signedIn(t, w.site)
	path := c.path("favorites/" + c.user)
	for _, kind := range []string{"workbook/" + w.book.ID(), "view/" + w.sheet.ID(), "project/" + w.proj.ID(), "collection/" + w.coll.ID()} {
		tag, id, _ := strings.Cut(kind, "/")
		c.do(http.MethodPut, path, `{"favorite":{"label":"l","`+tag+`":{"id":"`+id+`"}}}`).want(http.StatusOK, "")
	}
	c.do(http.MethodPut, path, `{"favorite":{"label":"l","workbook":{"id":"`+w.book.ID()+`"}}}`).want(http.StatusConflict, "409007")

	got := c.do(http.MethodGet, path, "").want(http.StatusOK, "").Body.String()
	if !strings.Contains(got, `"totalAvailable":"4"`) || !strings.Contains(got, `"collection":{"id":"`+w.coll.ID()) {
		t.Errorf("favorites: %s", got)
	}
	c.do(http.MethodDelete, path+"/workbooks/"+w.book.ID(), "").want(http.StatusNoContent, "")
	c.do(http.MethodDelete, path+"/workbooks/"+w.book.ID(), "").want(http.StatusNotFound, "404010")
}

// TestEverySimulatedMethodAnswers calls each method of the catalogue: those
// that are simulated never answer 501, the others always do, and none is taken
// for a missing path.
func TestEverySimulatedMethodAnswers(t *testing.T) {
	t.Parallel()
	site, _ := newSite(t, tableautest.Config{MaxVersion: "3.28", Limits: []tableautest.Limit{}})
	simulated := 0
	for _, r := range tableautest.Routes() {
		c := &client{t: t, h: site, api: "/api/3.24"}
		c.signIn("pat", secret, site.ContentURL())
		path := strings.NewReplacer("{version}", "3.28", "{siteId}", c.site).Replace(r.Path)
		if r.Retired != "" {
			path = strings.Replace(path, "3.28", "3.15", 1)
			if strings.Contains(path, "/api/-/") {
				continue // a versionless path of a server that is too new
			}
		}

		got := c.do(r.Method, path, "")

		if r.Simulated {
			simulated++
		}
		entries := site.Journal()
		if op := entries[len(entries)-1].Operation; op == "" {
			t.Errorf("%s %s leads nowhere: %d %s", r.Method, r.Path, got.Code, got.Body)
		}
		if (got.Code == http.StatusNotImplemented) == r.Simulated && !sharedPath(r.Name) {
			t.Errorf("%s: simulated %v, answered %d %s", r.Name, r.Simulated, got.Code, got.Body)
		}
	}
	t.Logf("%d of %d methods are simulated", simulated, len(tableautest.Routes()))
	if simulated < 200 {
		t.Errorf("only %d methods are simulated", simulated)
	}
}

// sharedPath names methods that share verb and path with a simulated one.
func sharedPath(name string) bool { return name == "add-metric-to-favorites" }

package tableau_test

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/tableau"
	"github.com/margay-access/margay/tableau/tableautest"
)

// collect reads a list to its end.
func collect[T any](t testing.TB, list iter.Seq2[T, error]) []T {
	t.Helper()
	var all []T
	for v, err := range list {
		if err != nil {
			t.Fatalf("after %d items: %v", len(all), err)
		}
		all = append(all, v)
	}
	return all
}

func TestServerInfoAndSession(t *testing.T) {
	// S18 "server info; current session identifies the site", S20 "REST API version 3.24"
	t.Parallel()
	b := newBench(t, tableautest.Config{})

	info, err := b.c.ServerInfo(t.Context())
	if err != nil || info.RESTVersion == "" || info.ProductVersion == "" {
		t.Errorf("server info %+v, %v", info, err)
	}
	s, err := b.c.CurrentSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if s.Site.ContentURL != b.ContentURL() || s.Site.ID != b.ID() || s.User.ID != b.owner.ID() {
		t.Errorf("session %+v", s)
	}
	if got := b.count("server-info", http.StatusOK); got != 1 {
		t.Errorf("%d server-info", got)
	}
}

func TestSiteTellsSeats(t *testing.T) {
	t.Parallel()
	b := newBench(t, tableautest.Config{})
	b.SetSeats(tableautest.Seats{Creator: 5, Explorer: 7, Viewer: 9})
	b.AddUser("ann@acme.example", tableautest.RoleViewer)

	s, err := b.c.Site(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	want := []tableau.Seats{{Tier: "Creator", Capacity: 5, Used: 1}, {Tier: "Explorer", Capacity: 7, Used: 0}, {Tier: "Viewer", Capacity: 9, Used: 1}}
	if diff := cmp.Diff(want, s.Seats); diff != "" {
		t.Errorf("seats (-want +got):\n%s", diff)
	}
}

func TestContent(t *testing.T) {
	t.Parallel()
	b := newBench(t, tableautest.Config{Collections: tableautest.On})
	var books []*tableautest.Content
	for i := range 25 {
		books = append(books, b.AddContent("workbook", fmt.Sprintf("Sales %02d", i), b.owner))
	}
	kept := b.AddContent("collection", "Quarter end", b.owner)
	b.AddContent("project", "Finance", b.owner)

	if got := collect(t, b.c.Collections(t.Context())); len(got) != 1 || got[0].LUID != kept.ID() || got[0].Name != "Quarter end" {
		t.Errorf("collections %+v", got)
	}
	if got := collect(t, b.c.Projects(t.Context(), nil)); len(got) != 2 {
		t.Errorf("projects %+v", got)
	}
	found := collect(t, b.c.Search(t.Context(), tableau.SearchOptions{Terms: "Sales", Types: []string{"workbook"}, Limit: 10}))
	if len(found) != 25 {
		t.Errorf("found %d, want 25", len(found))
	}
	if len(found) > 0 && (found[0].LUID == "" || found[0].Type != "workbook" || found[0].Title == "") {
		t.Errorf("found %+v", found[0])
	}
	some, err := b.c.Suggestions(t.Context(), "Sal", 5)
	if err != nil || len(some) == 0 {
		t.Errorf("suggestions %v, %v", some, err)
	}
	if _, err := b.c.Usage(t.Context(), "workbooks", books[0].ID()); err != nil {
		t.Error(err)
	}
	batch, err := b.c.UsageBatch(t.Context(), []tableau.ContentRef{{LUID: books[0].ID(), Type: "workbook"}, {LUID: books[1].ID(), Type: "workbook"}})
	if err != nil || len(batch) != 2 || batch[0].LUID != books[0].ID() {
		t.Errorf("batch %+v, %v", batch, err)
	}
	// S12: the search and the collections are read outside /api/3.24.
	if !slices.ContainsFunc(b.Journal(), func(e tableautest.Entry) bool { return e.Path == "/api/-/search" }) {
		t.Error("no versionless search in the journal")
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	b := newBench(t, tableautest.Config{})
	g := b.AddGroup("Analysts")
	u := b.AddUser("ann@acme.example", tableautest.RoleViewer)

	for range 2 { // the second time she is in it already
		if err := b.c.AddGroupMember(t.Context(), g.ID(), u.ID()); err != nil {
			t.Fatal(err)
		}
	}
	members := collect(t, b.c.GroupMembers(t.Context(), g.ID()))
	hers := collect(t, b.c.UserGroups(t.Context(), u.ID()))
	named := collect(t, b.c.Groups(t.Context(), tableau.Where("name", tableau.Equal, "Analysts")))
	if err := b.c.RemoveGroupMember(t.Context(), g.ID(), u.ID()); err != nil {
		t.Fatal(err)
	}

	if len(members) != 1 || members[0].Name != "ann@acme.example" {
		t.Errorf("members %+v", members)
	}
	if len(hers) != 2 || len(named) != 1 || named[0].ID != g.ID() {
		t.Errorf("her groups %+v, by name %+v", hers, named)
	}
	if g.Has(u) {
		t.Error("she is still in the group")
	}
}

func TestPaginateAnyList(t *testing.T) {
	t.Parallel()
	for _, numbers := range []tableautest.Mode{tableautest.NumbersAsStrings, tableautest.PaginationAsStrings, tableautest.NumbersAsNumbers} {
		t.Run(string(numbers), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, tableautest.Config{Numbers: numbers})
			for i := range 250 {
				b.AddUser(fmt.Sprintf("u%03d@acme.example", i), tableautest.RoleViewer)
				b.AddContent("workbook", fmt.Sprintf("Book %03d", i), b.owner)
			}
			lists := map[string]struct {
				req  tableau.Request
				want int
			}{
				"users":  {tableau.Request{Method: http.MethodGet, Path: "/sites/{siteId}/users", Query: map[string][]string{"pageSize": {"100"}}}, 251},
				"books":  {tableau.Request{Method: http.MethodGet, Path: "/api/3.24/sites/{siteId}/workbooks"}, 250},
				"groups": {tableau.Request{Method: http.MethodGet, Path: "/sites/{siteId}/groups"}, 1},
				"search": {tableau.Request{Method: http.MethodGet, Path: "/api/-/search", Query: map[string][]string{"terms": {"Book"}, "limit": {"40"}}}, 250},
			}
			for name, tt := range lists {
				ids := map[string]bool{}
				for _, raw := range collect(t, b.c.Paginate(t.Context(), tt.req)) {
					var x struct {
						ID      string
						Content struct{ LUID string }
					}
					if err := json.Unmarshal(raw, &x); err != nil {
						t.Fatal(err)
					}
					ids[x.ID+x.Content.LUID] = true
				}
				if len(ids) != tt.want {
					t.Errorf("%s: %d items, want %d", name, len(ids), tt.want)
				}
			}
		})
	}
}

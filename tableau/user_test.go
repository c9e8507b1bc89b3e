package tableau_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/tableau"
	"github.com/margay-access/margay/tableau/tableautest"
)

func TestUsersPageEdges(t *testing.T) {
	// page_edges: the edges of paging at which open clients fail: 100, 101, 200, 201, …
	t.Parallel()
	for _, n := range []int{0, 1, 99, 100, 101, 200, 201, 1000, 1001, 2500} {
		for _, size := range []int{100, 1000} {
			b := newBench(t, tableautest.Config{})
			for i := range n {
				b.AddUser(fmt.Sprintf("u%04d@acme.example", i), tableautest.RoleViewer)
			}
			got := collect(t, b.c.Users(t.Context(), tableau.UsersOptions{PageSize: size}))
			if len(got) != n+1 {
				t.Errorf("%d users by %d: got %d", n+1, size, len(got))
			}
			if pages := b.count("get-users-on-site", 0); pages != (n+size)/size {
				t.Errorf("%d users by %d: %d pages", n+1, size, pages)
			}
		}
	}
}

func TestUsersHaveAllFields(t *testing.T) {
	t.Parallel()
	b := newBench(t, tableautest.Config{})
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	u := b.AddUser("ann@acme.example", tableautest.RoleExplorer, tableautest.UserDetails{
		FullName: "Ann B", Email: "ann.b@acme.example", Domain: "local", AuthSetting: "SAML", LastLogin: at, Language: "en", Locale: "en_GB",
	})

	got := collect(t, b.c.Users(t.Context(), tableau.UsersOptions{Filter: tableau.Where("siteRole", tableau.Equal, tableau.Explorer)}))

	want := []tableau.User{{
		ID: u.ID(), Name: "ann@acme.example", FullName: "Ann B", Email: "ann.b@acme.example", SiteRole: tableau.Explorer,
		AuthSetting: "SAML", Domain: "local", Language: "en", Locale: "en_GB", LastLogin: at,
	}}
	for i := range got {
		got[i].ExternalAuthUserID, got[i].IdpConfigurationID = "", ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}

func TestT38ListChangesWhilePaging(t *testing.T) {
	// T38: no duplicate, no miss within one retry; shrink handled; page size lowered.
	t.Parallel()
	names := func(n int) []string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf("u%03d@acme.example", i))
		}
		return all
	}
	tests := map[string]struct {
		cfg    tableautest.Config
		change func(b *bench)
		fault  tableautest.Fault
		gone   []string
	}{
		"one before is removed": {change: func(b *bench) { b.User("u000@acme.example").Remove() }, gone: []string{"u000@acme.example"}},
		"one is added before":   {change: func(b *bench) { b.AddUser("aaa@acme.example", tableautest.RoleViewer) }},
		"the last page goes": {change: func(b *bench) {
			for i := 95; i < 110; i++ {
				b.User(fmt.Sprintf("u%03d@acme.example", i)).Remove()
			}
		}, gone: names(110)[95:]},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, tt.cfg)
			for _, n := range names(110) {
				b.AddUser(n, tableautest.RoleViewer)
			}
			done := false
			seen := map[string]int{}
			for u, err := range b.c.Users(t.Context(), tableau.UsersOptions{PageSize: 100}) {
				if err != nil {
					t.Fatal(err)
				}
				seen[u.Name]++
				if len(seen) == 50 && !done {
					done = true
					tt.change(b)
				}
			}
			for _, n := range names(110) {
				if slices.Contains(tt.gone, n) {
					continue
				}
				if seen[n] != 1 {
					t.Errorf("%s came %d times", n, seen[n])
				}
			}
		})
	}
	t.Run("page size refused", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, tableautest.Config{})
		for _, n := range names(110) {
			b.AddUser(n, tableautest.RoleViewer)
		}
		b.Fail(tableautest.Fault{Operation: "get-users-on-site", Query: "pageSize=1000", Code: "403014", Times: -1})
		if got := collect(t, b.c.Users(t.Context(), tableau.UsersOptions{})); len(got) != 111 {
			t.Errorf("%d users, want 111", len(got))
		}
	})
	t.Run("an error is not an end", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, tableautest.Config{}, once)
		for _, n := range names(110) {
			b.AddUser(n, tableautest.RoleViewer)
		}
		b.Fail(tableautest.Fault{Operation: "get-users-on-site", Skip: 1, Status: http.StatusInternalServerError, Code: "500000"})
		var last error
		for _, err := range b.c.Users(t.Context(), tableau.UsersOptions{PageSize: 100}) {
			last = err
		}
		if !errors.Is(last, tableau.ClassUnavailable) {
			t.Errorf("the list ended with %v", last)
		}
	})
}

func TestFindUser(t *testing.T) {
	// decision 14; T32, T33
	t.Parallel()
	odd := []string{
		"a+b@x.example", "a,b@x.example", "a&b@x.example", "a:b@x.example", "[a]@x.example", "%2B@x.example", "o'neil@x.example",
		`"q"@x.example`, "<img>@x.example", strings.Repeat("l", 243) + "@x.example", "\U0001f408@x.example", "\u202egnirts@x.example", " lead@x.example", "st*r@x.example",
		"jos\u00e9@x.example", "jose\u0301@y.example", "a b@x.example", "a%20b@x.example", "a/b@x.example", "a?b=c#d@x.example",
	}
	for _, filter := range []string{"works", "refused"} {
		t.Run("filter "+filter, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, tableautest.Config{})
			ids := map[string]string{}
			for _, n := range odd {
				ids[n] = b.AddUser(n, tableautest.RoleViewer).ID()
			}
			if filter == "refused" {
				b.Fail(tableautest.Fault{Operation: "get-users-on-site", Query: "filter=", Code: "400065", Times: -1})
			}
			for _, n := range odd {
				u, err := b.c.FindUser(t.Context(), n)
				if err != nil || u.ID != ids[n] {
					t.Errorf("%q: got %+v, %v", n, u, err)
				}
			}
			for _, e := range b.Journal() {
				if strings.Contains(e.Query, "+") {
					t.Errorf("a raw + in %s", e.Query)
				}
			}
		})
	}
	tests := map[string]struct {
		login string
		want  string // name of the user found
		class tableau.Class
	}{
		"case":                {"ANN@acme.example", "ann@acme.example", ""},
		"by e-mail":           {"Robert@Acme.example", "bob", ""},
		"name before e-mail":  {"carol@acme.example", "carol@acme.example", ""},
		"same in two domains": {"dan", "", tableau.ClassUserAmbiguous},
		"two e-mails":         {"team@acme.example", "", tableau.ClassUserAmbiguous},
		"absent":              {"zoe@acme.example", "", tableau.ClassUserMissing},
		"prefix":              {"ann@acme.exampl", "", tableau.ClassUserMissing},
		"trailing space":      {"ann@acme.example ", "", tableau.ClassUserMissing},
		"homoglyph":           {"\u0430nn@acme.example", "", tableau.ClassUserMissing},
		"Kelvin sign":         {"\u212aate@acme.example", "", tableau.ClassUserMissing},
		"empty":               {"", "", tableau.ClassBadRequest},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, tableautest.Config{})
			for _, u := range []struct{ name, email, domain string }{
				{"ann@acme.example", "", ""},
				{"bob", "robert@acme.example", ""},
				{"carol@acme.example", "", ""},
				{"other", "carol@acme.example", ""},
				{"dan", "d1@acme.example", "EU"},
				{"dan", "d2@acme.example", "US"},
				{"t1", "team@acme.example", ""},
				{"t2", "Team@acme.example", ""},
				{"kate@acme.example", "", ""},
			} {
				b.AddUser(u.name, tableautest.RoleViewer, tableautest.UserDetails{Email: u.email, Domain: u.domain})
			}

			got, err := b.c.FindUser(t.Context(), tt.login)

			if tableau.ClassOf(err) != tt.class || got.Name != tt.want {
				t.Errorf("got %q, %v; want %q, class %s", got.Name, err, tt.want, tt.class)
			}
			if e, ok := errors.AsType[*tableau.AmbiguousUserError](err); ok && (len(e.Users) != 2 || !strings.Contains(e.Error(), e.Users[1].ID)) {
				t.Errorf("the hits are not named: %v", e)
			}
			if n := b.SignIns(); n > 1 {
				t.Errorf("%d sign-ins for one search", n)
			}
		})
	}
}

func TestUserIsTheOneAskedFor(t *testing.T) {
	t.Parallel()
	b := newBench(t, tableautest.Config{})
	u := b.AddUser("ann@acme.example", tableautest.RoleViewer)
	b.Fail(tableautest.Fault{Operation: "query-user-on-site", Body: `{"user":{"id":"other","name":"eve","siteRole":"Creator"}}`})

	if got, err := b.c.User(t.Context(), u.ID()); !errors.Is(err, tableau.ClassNotTableau) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestFilterEncode(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 1, 0, 0, 0, time.FixedZone("", 3600))
	tests := map[string]struct {
		filter tableau.Filter
		want   string // "" for refused
	}{
		"one":        {tableau.Where("name", tableau.EqualIgnoreCase, "a+b@x"), "name:cieq:a+b@x"},
		"and":        {tableau.Where("siteRole", tableau.In, "Viewer", "Creator").AndTime("lastLogin", tableau.Greater, at), "siteRole:in:[Viewer,Creator],lastLogin:gt:2026-01-31T00:00:00Z"},
		"delimiter":  {tableau.Where("name", tableau.Equal, "a,siteRole:eq:Creator"), ""},
		"bracket":    {tableau.Where("name", tableau.In, "a]"), ""},
		"no value":   {tableau.Where("name", tableau.Equal), ""},
		"two values": {tableau.Where("name", tableau.Equal, "a", "b"), ""},
		"empty":      {tableau.Where("name", tableau.Equal, ""), ""},
		"bad field":  {tableau.Where("name:eq:x,y", tableau.Equal, "a"), ""},
		"bad op":     {tableau.Where("name", "eq:", "a"), ""},
	}
	for name, tt := range tests {
		got, err := tt.filter.Encode()
		if got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, tt.want)
		}
	}
}

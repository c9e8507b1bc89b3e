package tableautest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReleases(t *testing.T) {
	// ref: "6.4 Versions"
	t.Parallel()
	for api, want := range map[string]string{
		"2.3": "10.0", "2.8": "10.5", "3.0": "2018.1", "3.6": "2019.4", "3.7": "2020.1", "3.14": "2021.4", "3.15": "2022.1", "3.16": "2022.2",
		"3.17": "2022.3", "3.19": "2023.1", "3.20": "2023.2", "3.21": "2023.3", "3.22": "2024.1", "3.23": "2024.2", "3.24": "2024.3",
		"3.25": "2025.1", "3.27": "2025.3", "3.28": "2026.1",
	} {
		if got := releaseOf(api); got != want {
			t.Errorf("%s is release %s, want %s", api, got, want)
		}
	}
}

func TestAnswerFormat(t *testing.T) {
	// ref: "1.1 Default is XML: without Accept, XML comes back"
	t.Parallel()
	for accept, want := range map[string]format{
		"": asXML, "*/*": asXML, "application/json": asJSON, "application/xml": asXML, "text/html": asXML,
		"application/json, text/plain, */*": asJSON, "application/xml;q=0.9, application/json": asJSON,
		"application/json;q=0.1, application/xml": asXML, "application/vnd.tableau.search-results.v2+json": asJSON, "!!": asXML,
	} {
		if got := answerFormat(accept); got != want {
			t.Errorf("%q gives %d, want %d", accept, got, want)
		}
	}
}

func TestSeatBorrowing(t *testing.T) { // T29
	t.Parallel()
	st := &siteState{seats: Seats{Creator: 3, Explorer: 1}, taken: map[tier]int{creatorTier: 1, explorerTier: 1}}
	if st.seatFor(noTier, explorerTier, false) {
		t.Error("a full tier gave a seat")
	}
	if !st.seatFor(noTier, explorerTier, true) {
		t.Error("no seat was borrowed")
	}
	st.taken[explorerTier] = 3 // two of them on Creator seats
	if st.seatFor(noTier, explorerTier, true) || !st.seatFor(creatorTier, creatorTier, true) {
		t.Error("more seats were borrowed than there are")
	}
}

// FuzzFilter holds the filter parser to its properties: it never panics, what
// it takes has a known field and operator and a value, and what it keeps is part of
// what there was.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{
		"name:eq:a", "name:in:[a,b]", "lastLogin:gt:2024-01-31T00:00:00Z", "name:eq:", "name", ",", "name:eq:a,siteRole:in:[Viewer,Creator]",
		"isLocal:eq:true", "name:in:[", "name:in:[]", "name:eq:a:b", "name:eq:[a]", "::", "name:cieq:Ä", "luid:eq:x,", "[,]:[,]:[,]",
	} {
		f.Add(s)
	}
	users := []*userRecord{
		{id: "1", name: "a", role: RoleViewer, domain: "local", lastLogin: time.Unix(1, 0)}, {id: "2", name: "Ä", role: RoleCreator},
	}
	f.Fuzz(func(t *testing.T, filter string) {
		c := &call{version: v("3.24"), query: url.Values{"filter": {filter}}, r: httptest.NewRequest(http.MethodGet, "/", nil)}
		q, failed := parseQuery(userFields, c)
		if failed != nil {
			if failed.code != "400065" && failed.code != "400025" {
				t.Fatalf("%q fails with %s", filter, failed.code)
			}
			return
		}
		terms, _ := splitFilter(filter)
		if len(terms) == 0 || len(terms) != len(q.keep) {
			t.Fatalf("%q has %d terms and %d conditions", filter, len(terms), len(q.keep))
		}
		for _, term := range terms {
			i := slices.IndexFunc(userFields, func(f field[*userRecord]) bool { return f.name == term.key })
			if i < 0 || !slices.Contains(strings.Fields(userFields[i].ops), term.op) || len(term.values) == 0 {
				t.Fatalf("%q was taken with %+v", filter, term)
			}
		}
		once := q.apply(users)
		if twice := q.apply(once); !slices.Equal(once, twice) || len(once) > len(users) {
			t.Fatalf("%q keeps %d, then %d", filter, len(once), len(twice))
		}
	})
}

// FuzzDecode holds the decoder of requests to its properties: what it takes can be
// written and read back the same, is not too deep, and hides its secrets.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"user":{"siteRole":"Viewer"}}`, `{"a":[{"b":1},{"b":true}],"c":null}`, `{"a":{"b":{"c":"\u0000"}}}`, `{`, `[]`, `{"a":1,"a":2}`, `{} {}`,
		`<tsRequest><user siteRole="Viewer"/></tsRequest>`, `<?xml version="1.0"?><t:tsRequest xmlns:t="http://tableau.com/api"><t:a b="&lt;">x</t:a></t:tsRequest>`,
		`<tsRequest>`, `<x/>`, `<tsRequest/><tsRequest/>`, strings.Repeat(`{"a":`, 100), strings.Repeat(`<a>`, 100), "\xef\xbb\xbf{}", `{"a":[[["x"]]]}`,
	} {
		f.Add(true, []byte(s))
		f.Add(false, []byte(s))
	}
	f.Fuzz(func(t *testing.T, isJSON bool, body []byte) {
		form := asXML
		if isJSON {
			form = asJSON
		}
		e, err := decode(form, body)
		if err != nil {
			return
		}
		if d := depth(e); d > maxDepth+1 {
			t.Fatalf("depth %d was taken", d)
		}
		first := written(form, e)
		again, err := decode(form, first)
		if err != nil {
			t.Fatalf("%q, written as %q, cannot be read back: %v", body, first, err)
		}
		if second := written(form, again); !bytes.Equal(first, second) {
			t.Fatalf("%q is written as %q, then as %q", body, first, second)
		}
		for _, hidden := range secretKeys {
			if s, ok := scrub(e).get(hidden); ok && s != redacted {
				t.Fatalf("%s shows %q", hidden, s)
			}
		}
	})
}

// written writes a request in a form.
func written(f format, e elem) []byte {
	var b bytes.Buffer
	if f == asJSON {
		e.writeJSON(&b, NumbersAsNumbers)
		return b.Bytes()
	}
	e.name = "tsRequest"
	e.writeXML(&b)
	return b.Bytes()
}

func depth(e elem) int {
	d := 0
	for _, k := range e.kids {
		d = max(d, depth(k))
	}
	return d + 1
}

// TestBothFormsAreRead is the other half of FuzzDecode: one request in either
// form is the same to a handler.
func TestBothFormsAreRead(t *testing.T) {
	t.Parallel()
	a, err := decode(asJSON, []byte(`{"users":{"user":[{"id":"1"},{"id":"2","siteRole":"Viewer"}]},"tags":{"tag":{"label":"<&>"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	b, err := decode(asXML, []byte(`<t:tsRequest xmlns:t="http://tableau.com/api"><t:users><t:user id="1"/> <t:user id="2" siteRole="Viewer"></t:user></t:users><t:tags><t:tag label="&lt;&amp;&gt;"/></t:tags></t:tsRequest>`))
	if err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(string(toXML(v("3.24"), a.kids...)), string(toXML(v("3.24"), b.kids...))); diff != "" {
		t.Errorf("JSON and XML differ:\n%s", diff)
	}
	users, _ := b.child("users")
	if got := users.children("user"); len(got) != 2 || got[1].val("siteRole") != "Viewer" {
		t.Errorf("users: %+v", got)
	}
}

// crowd makes a site with so many users.
func crowd(n int) *Site {
	s := New(Config{Limits: []Limit{}})
	boss := s.AddUser("boss@acme.example", RoleSiteAdministratorCreator)
	s.AddPAT(boss, "pat", "secret")
	for i := range n {
		s.AddUser("user"+strconv.Itoa(i)+"@acme.example", RoleViewer)
	}
	return s
}

func BenchmarkListUsers(b *testing.B) {
	s := crowd(100_000)
	s.in.mu.Lock()
	_, token := s.in.open(s.st, s.st.users[0].id, nil)
	s.in.mu.Unlock()
	for name, rest := range map[string]string{
		"page": "pageSize=1000&pageNumber=%d", "filtered": "filter=name:eq:user%d@acme.example", "sorted": "sort=name:asc&pageSize=1000&pageNumber=%d",
	} {
		b.Run(name, func(b *testing.B) {
			for i := range b.N {
				r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/api/3.24/sites/"+s.ID()+"/users?"+fmt.Sprintf(rest, i%100+1), nil)
				r.Header.Set("X-Tableau-Auth", token)
				r.Header.Set("Accept", "application/json")
				w := httptest.NewRecorder()
				s.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
	}
}

// TestPagesOfACrowd reads every page of many users: none twice, none missing.
func TestPagesOfACrowd(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 98, 99, 100, 199, 200, 999, 1000, 2499} {
		s := crowd(n)
		s.in.mu.Lock()
		_, token := s.in.open(s.st, s.st.users[0].id, nil)
		s.in.mu.Unlock()
		seen := map[string]bool{}
		pages := (n + 1 + 99) / 100
		for page := 1; page <= pages+1; page++ {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/3.24/sites/"+s.ID()+"/users?pageNumber="+strconv.Itoa(page), nil)
			r.Header.Set("X-Tableau-Auth", token)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if page > pages {
				if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "400006") {
					t.Errorf("%d users, page %d: %d", n, page, w.Code)
				}
				continue
			}
			for part := range strings.SplitSeq(w.Body.String(), `<user id="`) {
				if id, _, ok := strings.Cut(part, `" name="`); ok && len(id) == 36 {
					if seen[id] {
						t.Errorf("%s came twice", id)
					}
					seen[id] = true
				}
			}
		}
		if len(seen) != n+1 {
			t.Errorf("%d users seen, want %d", len(seen), n+1)
		}
	}
}

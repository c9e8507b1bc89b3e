package tableau_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/tableau"
	"github.com/margay-access/margay/tableau/tableautest"
)

func TestPathsThatAreRefused(t *testing.T) {
	// SSRF: path tricks, other sites and the calls that would break the
	// session are refused before anything is sent.
	t.Parallel()
	b := newBench(t, tableautest.Config{})
	release := b.c.Hold(t.Context())
	defer release()
	if _, err := b.c.Session(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := len(b.Journal())
	for _, path := range []string{
		"", "users", "..", "/..", "/../", "/a/../b", "/a/./b", "/%2e%2e/x", "/a/..%2fb", "/a/%2E%2E%2Fb", "/;/..;/x", "/a;/..;/b", "/..;x/y", "//evil", "///", "/a//b", "/users/",
		`/\evil`, `\\evil`, "https://evil", "@evil", "/@evil", "/a@evil/b", "%2f%2fevil", "/%2f%2fevil", "/a%2fb", "/a%5cb", "/a%252fb", "/%252e%252e/x", "/a?x=1", "/a#b", "/a%00b", "/a\x00b", "/a\r\nb", "/a%0d%0ab", "/a%zz",
		"/" + strings.Repeat("x", 8<<10), "/a\xffb", "/a%ffb", "/api", "/api/", "/api/-", "/api/3.24", "/api/v2/x", "/api/3.24x/x", "/api/../x",
		"/auth/signin", "/auth/signout", "/auth/switchSite", "/auth/switchsite", "/AUTH/signin", "/api/3.24/auth/signin", "/api/2.4/auth/signin", "/api/-/auth/signin", "/auth/serverinfo", "/auth",
		"/sites/00000000-0000-4000-8000-000000000000/users", "/SITES/other/users", "/api/3.24/sites/other", "/api/exp/sites/other/customviews",
		"/sites/{siteId}/groups/{groupId}", "/sites/%7BgroupId%7D",
	} {
		resp, err := b.c.Do(t.Context(), get(path))
		if !errors.Is(err, tableau.ClassBadRequest) {
			t.Errorf("%.60q: got %v, %v; want a refusal", path, resp, err)
		}
	}
	for _, method := range []string{"TRACE", "CONNECT", "HEAD", "OPTIONS", "get", "", "GET "} {
		if _, err := b.c.Do(t.Context(), tableau.Request{Method: method, Path: "/serverinfo"}); !errors.Is(err, tableau.ClassBadRequest) {
			t.Errorf("method %q: %v", method, err)
		}
	}
	if n := len(b.Journal()) - before; n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestPathsThatAreSent(t *testing.T) {
	t.Parallel()
	b := newBench(t, tableautest.Config{})
	site, me := b.ID(), b.owner.ID()
	for path, want := range map[string]string{
		"/sites/{siteId}/users/{userId}":            "/api/3.24/sites/" + site + "/users/" + me,
		"/sites/{site}/users/{user}":                "/api/3.24/sites/" + site + "/users/" + me,
		"/sites/" + site + "/groups":                "/api/3.24/sites/" + site + "/groups",
		"/api/3.10/sites/{siteId}/groups":           "/api/3.10/sites/" + site + "/groups",
		"/api/-/search":                             "/api/-/search",
		"/api/{version}/serverinfo":                 "/api/3.24/serverinfo",
		"/api/-/pulse/metrics:batchGet":             "/api/-/pulse/metrics:batchGet",
		"/api/-/pulse/metrics%3AbatchGet":           "/api/-/pulse/metrics:batchGet",
		"/sites/{siteId}/workbooks/a b%40c/tags/ü+": "/api/3.24/sites/" + site + "/workbooks/a%20b%40c/tags/%C3%BC+",
	} {
		seq := len(b.Journal())
		if _, err := b.c.Do(t.Context(), get(path)); err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		var got string
		for _, e := range b.JournalSince(seq) {
			if e.Operation != "sign-in" && e.Operation != "sign-out" {
				got = e.Path
			}
		}
		if got != want {
			t.Errorf("%s\ngot  %s\nwant %s", path, got, want)
		}
	}
}

func TestSiteByNameOrContentURL(t *testing.T) {
	t.Parallel()
	b := newBench(t, tableautest.Config{})
	for key, ok := range map[string]bool{b.ContentURL(): true, "other": false} {
		_, err := b.c.Do(t.Context(), tableau.Request{Method: http.MethodGet, Path: "/sites/" + key, Query: url.Values{"key": {"contentUrl"}}})
		if (err == nil) != ok {
			t.Errorf("%s: %v", key, err)
		}
	}
	if _, err := b.c.Do(t.Context(), tableau.Request{Method: http.MethodDelete, Path: "/sites/Other", Query: url.Values{"key": {"name"}}}); !errors.Is(err, tableau.ClassBadRequest) {
		t.Errorf("delete by name: %v", err)
	}
}

func TestHeadersThatAreSent(t *testing.T) {
	// Only Accept, Content-Type and If-Match pass.
	t.Parallel()
	var got http.Header
	c := faked(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		w.Header().Set("Set-Cookie", "a=b")
		w.Header().Set("Etag", `"7"`)
	})
	mine := http.Header{}
	for _, k := range []string{"Host", "X-Tableau-Auth", "Cookie", "Authorization", "Connection", "Transfer-Encoding", "Content-Length", "X-Http-Method-Override", "Accept-Encoding"} {
		mine.Set(k, "evil")
	}
	mine.Set("If-Match", `"6"`)
	mine["accept"] = []string{"text/csv"}

	resp, err := c.Do(t.Context(), tableau.Request{Method: http.MethodPut, Path: "/x", Header: mine, Body: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}

	got.Del("Accept-Encoding")
	want := http.Header{
		"Accept": {"text/csv"}, "Content-Type": {"application/json"}, "If-Match": {`"6"`}, "Content-Length": {"2"},
		"X-Tableau-Auth": {"session-token-canary"}, "User-Agent": {"Go-http-client/1.1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if len(resp.Dropped) != 9 || resp.Header.Get("Etag") != `"7"` || resp.Header.Get("Set-Cookie") != "" {
		t.Errorf("dropped %v, answered %v", resp.Dropped, resp.Header)
	}
	if _, err := c.Do(t.Context(), tableau.Request{Method: http.MethodGet, Path: "/x", Header: http.Header{"Accept": {"a\r\nX: y"}}}); !errors.Is(err, tableau.ClassBadRequest) {
		t.Errorf("CR LF in a header: %v", err)
	}
}

func TestBadHosts(t *testing.T) {
	t.Parallel()
	for _, host := range []string{
		"", " h ", "https://h", "h/", "h/x", "h@evil", "evil#h", "h?x", "h/../x", `h\evil`, "h%00", "h\r\nHost:", "::1", "[::1", "[fe80::1%eth0]", "0x7f.1", "2130706433", "127.1", "127.0.0.01", "①②⑦.0.0.1",
		strings.Repeat("a", 300), strings.Repeat("a", 64) + ".example", "h:0", "h:65536", "h:abc", "h:", ":443", "h..x", ".h", "-h", "h-.x", "ü.example", "h:+80",
	} {
		_, err := tableau.New(tableau.Config{Server: host, TokenName: "n", TokenSecret: tableau.NewSecret("s")})
		if e, ok := errors.AsType[*tableau.ConfigError](err); !ok || e.Field != "Server" {
			t.Errorf("%q: %v", host, err)
		}
	}
	for host, want := range map[string]string{
		"10ax.online.tableau.com": "10ax.online.tableau.com", "H.Example": "h.example", "h:443": "h", "h.": "h", "h:8443": "h:8443",
		"10.0.0.7": "10.0.0.7", "[::1]:8443": "[::1]:8443", "[0:0::1]": "[::1]", "xn--bcher-kva.example": "xn--bcher-kva.example", "tab_leau": "tab_leau",
	} {
		c, err := tableau.New(tableau.Config{Server: host, TokenName: "n", TokenSecret: tableau.NewSecret("s")})
		if err != nil || c.Host() != want {
			t.Errorf("%q: %v, want %s", host, err, want)
		}
	}
}

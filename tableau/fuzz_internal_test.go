package tableau

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"10ax.online.tableau.com", "h:443", "H.", "[::1]:8443", "h@evil", "127.1", "0x7f.1", "a.b:65535", "xn--a", "1.2.3.4:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, err := parseHost(s)
		if err != nil {
			return
		}
		if again, err := parseHost(host); err != nil || again != host {
			t.Errorf("%q → %q → %q, %v", s, host, again, err)
		}
		u, err := url.Parse("https://" + host + "/api/x")
		if err != nil || u.Host != host || u.User != nil || u.Path != "/api/x" || u.RawQuery != "" {
			t.Errorf("%q → %q is more than a host: %v", s, host, u)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"/users", "/api/-/search", "/sites/{siteId}/users/{userId}", "//evil", "/..;/x", "/%2e%2e", "/a%252fb", "/a@b", "/metrics:batchGet", "/ü", "/%25", "/api/{version}/serverinfo", "/a%40b"} {
		f.Add(s, "filter", "name:eq:a+b")
	}
	session := Session{SiteID: "5e1e", SiteContentURL: "acme", UserID: "0a0b"}
	f.Fuzz(func(t *testing.T, path, key, value string) {
		p, err := parsePath(path, "3.24")
		if err != nil {
			return
		}
		query := url.Values{key: {value}}
		u, err := p.resolve(http.MethodPost, "tableau.example:8443", query, session)
		if err != nil {
			return
		}
		again, err := url.Parse(u.String())
		if err != nil {
			t.Fatalf("%q → %q: %v", path, u, err)
		}
		if again.Scheme != "https" || again.Host != "tableau.example:8443" || again.User != nil || again.Fragment != "" {
			t.Errorf("%q leads to %q", path, u)
		}
		if !strings.HasPrefix(again.EscapedPath(), "/api/") || strings.Contains(again.EscapedPath(), "//") {
			t.Errorf("%q leads to the path %q", path, again.EscapedPath())
		}
		for seg := range strings.SplitSeq(again.Path, "/") {
			if seg == "." || seg == ".." {
				t.Errorf("%q climbs: %q", path, again.Path)
			}
		}
		if got := again.Query(); utf8.ValidString(key) && (len(got) != 1 || got.Get(key) != value) {
			t.Errorf("query %q=%q became %q", key, value, u.RawQuery)
		}
		if strings.Contains(u.RawQuery, "+") {
			t.Errorf("a raw + in %q", u.RawQuery)
		}
		lower := strings.ToLower(again.Path)
		if strings.Contains(lower, "/auth/signin") && strings.Count(lower, "/") == 4 && strings.HasPrefix(lower, "/api/3") {
			t.Errorf("%q reaches the sign-in", path)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"2", "0", "-1", "abc", "1000000000000", "Fri, 31 Dec 1999 23:59:59 GMT", "2026-01-01T00:00:00Z", "1500ms", "99999999999999999999", "1767225600", "1767225600000", " 7 "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		if d, ok := retryAfter(s, now); ok && (d < pauseFloor || d > pauseCap) {
			t.Errorf("%q: %s", s, d)
		}
		if d, ok := retryAfterText([]byte(s)); ok && (d < pauseFloor || d > pauseCap) {
			t.Errorf("text %q: %s", s, d)
		}
	})
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"a+b@x", "a,b", "a:b", "[a]", "%2B", "é", "a b", "2026-01-01T00:00:00Z"} {
		f.Add("name", "eq", s, "b")
	}
	f.Fuzz(func(t *testing.T, field, op, a, b string) {
		for _, filter := range []Filter{Where(field, Operator(op), a), Where(field, In, a, b), Where("name", Equal, a).And(field, Operator(op), b)} {
			s, err := filter.Encode()
			if err != nil {
				continue
			}
			// What Tableau makes of it by its delimiters must be what was meant.
			conditions := 0
			depth := 0
			for _, r := range s {
				switch r {
				case '[':
					depth++
				case ']':
					depth--
				case ',':
					if depth == 0 {
						conditions++
					}
				}
			}
			if conditions != len(filter)-1 || depth != 0 {
				t.Errorf("%+v became %q", filter, s)
			}
			if strings.ContainsFunc(s, unicode.IsControl) && strings.ContainsAny(s, "\r\n\x00") {
				t.Errorf("control characters in %q", s)
			}
		}
	})
}

func FuzzSignIn(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"credentials":{"token":"abcdefgh","site":{"id":"s1","contentUrl":"acme"},"user":{"id":"u1"},"estimatedTimeToExpiration":"177:05:38"}}`,
		`{"credentials":{"token":"a","token":"b"}}`, `{"error":{"summary":"x","detail":"y","code":"401001"}}`, `<tsResponse><error code="401001"/></tsResponse>`, `{"credentials":null}`, `{"credentials":[]}`, `[`, `"`, `{"a":{"b":[1,{"c":2}]}}`,
	} {
		f.Add([]byte(s))
	}
	c, err := New(Config{
		Server: "tableau.example", Site: "acme", TokenName: "n", TokenSecret: NewSecret("secret-secret"),
		Now: func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		f.Fatal(err)
	}
	c.http = &http.Client{Transport: noTransport{}}
	f.Fuzz(func(t *testing.T, body []byte) {
		resp := &Response{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, op: opSignIn}
		s, err := c.readSignIn(t.Context(), resp)
		if err == nil && (!goodToken(s.token.value()) || s.SiteID == "" || hasDuplicateKeys(body)) {
			t.Errorf("accepted %q as %+v", body, s)
		}
		if err != nil && (ClassOf(err) == ClassInternal || err.Error() == "") {
			t.Errorf("%q: %v", body, err)
		}
	})
}

// noTransport is for sign-outs that nobody answers.
type noTransport struct{}

func (noTransport) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrServerClosed }

func FuzzUsers(f *testing.F) {
	for _, s := range []string{
		`{"pagination":{"totalAvailable":"1"},"users":{"user":[{"id":"1","name":"a","siteRole":"Viewer","domain":{"name":"local"},"lastLogin":"2026-01-01T00:00:00Z"}]}}`,
		`{"users":{}}`, `{"users":[{"id":1}]}`, `{"users":{"user":{"id":"1"}}}`, `[]`, `{"hits":{"items":[],"next":"x"}}`, `{"items":[{"content":{"luid":"a"}}],"total":1}`, `{"pagination":{"totalAvailable":-1}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		resp := &Response{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, op: "Users"}
		if p, err := looseUsers(resp); err == nil && p.total.known && p.total.n < 0 {
			t.Errorf("total %d of %q", p.total.n, body)
		}
		if p, ok := readPage(body); ok {
			for _, item := range p.items {
				if !json.Valid(item) {
					t.Errorf("item %q of %q", item, body)
				}
				rawID(item)
			}
		}
		if e, ok := parseError("Op", 400, body); ok && e.Class() == "" {
			t.Errorf("%q has no class", body)
		}
		if json.Valid(body) {
			if _, cut := scanJSON(body); cut {
				t.Errorf("whole text %q taken for a cut one", body)
			}
		}
		if got := excerpt(body); utf8.RuneCountInString(got) > 201 || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("excerpt %q", got)
		}
	})
}

func FuzzSameLogin(f *testing.F) {
	f.Add("ANN@x", "ann@X")
	f.Add("\u212aate", "kate")
	f.Fuzz(func(t *testing.T, a, b string) {
		if sameLogin(a, b) != sameLogin(b, a) || !sameLogin(a, a) {
			t.Errorf("%q and %q", a, b)
		}
		if sameLogin(a, b) && !strings.EqualFold(strings.ToLower(a), strings.ToLower(b)) {
			t.Errorf("%q is not %q", a, b)
		}
	})
}

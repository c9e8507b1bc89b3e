package tableau_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/tableau"
	"github.com/margay-access/margay/tableau/tableautest"
)

func TestT13BrokenAnswers(t *testing.T) {
	// T13: unavailable, repeated for reads; never a partial list taken as whole.
	t.Parallel()
	for name, f := range map[string]tableautest.Fault{
		"cut before its length": {Truncate: 120},
		"reset in mid-body":     {Drop: tableautest.DropMidBody},
		"cut JSON":              {Body: `{"pagination":{"totalAvailable":"2"},"users":{"user":[{"id":"1","name":"a`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, tableautest.Config{})
			b.AddUser("ann@acme.example", tableautest.RoleViewer)
			f.Operation = "get-users-on-site"
			b.Fail(f)
			if got := collect(t, b.c.Users(t.Context(), tableau.UsersOptions{})); len(got) != 2 {
				t.Errorf("%d users, want 2", len(got))
			}
			f.Times = -1
			b.Fail(f)
			c := b.client(t, once)
			_, err := c.UsersPage(t.Context(), tableau.UsersOptions{})
			if !errors.Is(err, tableau.ClassUnavailable) {
				t.Errorf("got %v (%s), want unavailable", err, tableau.ClassOf(err))
			}
		})
	}
}

var strangeAnswers = map[string]struct{ body, kind string }{
	"login page":             {"<!DOCTYPE html><html><title>Log in</title></html>", "text/html; charset=utf-8"},
	"plain text":             {"welcome", "text/plain"},
	"JSON that says HTML":    {`{"users":{"user":[]}}`, "text/html"},
	"BOM":                    {"\ufeff" + `{"users":{"user":[]}}`, "application/json"},
	"UTF-16":                 {"\xff\xfe{\x00}\x00", "application/json"},
	"XML instead of JSON":    {`<tsResponse xmlns="http://tableau.com/api"><users/></tsResponse>`, "application/xml"},
	"other JSON":             {`{"hello":"world"}`, "application/json"},
	"not JSON":               {`hello`, "application/json"},
	"JSON with a tail":       {`{"users":{"user":[]}} <html>`, "application/json"},
	"empty":                  {" ", "application/json"},
	"a number":               {"42", "application/json"},
	"a list where none fits": {`{"users":7}`, "application/json"},
}

func TestT14NotTableau(t *testing.T) {
	// T14: not_tableau with the first 200 clean characters.
	t.Parallel()
	for name, a := range strangeAnswers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, tableautest.Config{}, once)
			b.Fail(tableautest.Fault{Operation: "get-users-on-site", Body: a.body, ContentType: a.kind})

			_, err := b.c.UsersPage(t.Context(), tableau.UsersOptions{})

			if !errors.Is(err, tableau.ClassNotTableau) {
				t.Errorf("got %v (%s), want not_tableau", err, tableau.ClassOf(err))
			}
		})
	}
}

func TestT14XMLErrorsAreRead(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"namespace":     `<?xml version="1.0"?><tsResponse xmlns="http://tableau.com/api"><error code="404002"><summary>Resource Not Found</summary><detail>no user</detail></error></tsResponse>`,
		"old namespace": `<tsResponse xmlns="http://tableausoftware.com/api"><error code="404002"><summary>Resource Not Found</summary><detail>no user</detail></error></tsResponse>`,
		"no namespace":  `<tsResponse><error code="404002"><summary>Resource Not Found</summary><detail>no user</detail></error></tsResponse>`,
		"JSON":          `{"error":{"summary":"Resource Not Found","detail":"no user","code":"404002"}}`,
		"JSON number":   `{"error":{"code":404002,"detail":"no user","summary":"Resource Not Found"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, tableautest.Config{})
			b.Fail(tableautest.Fault{Operation: "query-user-on-site", Status: 404, Body: body, ContentType: "application/xml"})

			_, err := b.c.User(t.Context(), b.owner.ID())

			want := &tableau.Error{Op: "User", Status: 404, Code: "404002", Summary: "Resource Not Found", Detail: "no user"}
			got, _ := errors.AsType[*tableau.Error](err)
			if diff := cmp.Diff(want, got); diff != "" || !errors.Is(err, tableau.ClassUserMissing) {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSignInAnswers(t *testing.T) {
	t.Parallel()
	const json, html = "application/json", "text/html"
	long := "<html><body>" + strings.Repeat("Sign in here. ", 50)
	const noToken = "Tableau sign-in succeeded but returned no session token" // S76
	tests := map[string]struct {
		status     int
		body, kind string
		want       string
		class      tableau.Class
	}{
		// T15, S76
		"empty object": {200, `{}`, json, noToken, tableau.ClassNotTableau},
		"no token":     {200, `{"credentials":{"site":{"id":"s"},"user":{"id":"u"}}}`, json, noToken, tableau.ClassNotTableau},
		"empty token":  {200, `{"credentials":{"token":"","site":{"id":"s"}}}`, json, noToken, tableau.ClassNotTableau},
		"CR LF":        {200, `{"credentials":{"token":"abc\r\nX-Evil: 1","site":{"id":"s"}}}`, json, noToken, tableau.ClassNotTableau},
		// S78, decision 9: cut at 200 printable characters
		"login page":   {200, long, html, "Tableau sign-in failed (HTTP 200): " + long[:200] + "…", tableau.ClassNotTableau},
		"short page":   {200, "<html>\r\n\x1b[31mhi</html>", html, "Tableau sign-in failed (HTTP 200): <html> [31mhi</html>", tableau.ClassNotTableau},
		"gateway":      {502, "<html>Bad Gateway</html>", html, "Tableau sign-in failed (HTTP 502): <html>Bad Gateway</html>", tableau.ClassUnavailable},
		"other host":   {404, "404 page not found", "text/plain", "Tableau sign-in failed (HTTP 404): 404 page not found", tableau.ClassNotTableau},
		"JSON as HTML": {200, `{"credentials":{"token":"abc"}}`, html, `Tableau sign-in failed (HTTP 200): {"credentials":{"token":"abc"}}`, tableau.ClassNotTableau},
		// S73, S74
		"status of its own": {
			404, `{"error":{"summary":"Resource Not Found","detail":"Version '3.24' is not a valid version of the API.","code":"404001"}}`, json,
			"Tableau sign-in failed (HTTP 404, Resource Not Found): Version '3.24' is not a valid version of the API.", tableau.ClassUnsupportedVersion,
		},
		"400 for a version": {400, `{"error":{"summary":"Bad Request","detail":"no","code":"400000"}}`, json, "Tableau sign-in failed (HTTP 400, Bad Request): no", tableau.ClassBadRequest},
		"error with 200":    {200, `{"error":{"summary":"Signin Error","detail":"no","code":"401001"}}`, json, "Tableau sign-in failed (HTTP 200, Signin Error): no", tableau.ClassAuthRejected},
		"XML error":         {401, `<tsResponse><error code="401001"><summary>Signin Error</summary><detail>no</detail></error></tsResponse>`, "application/xml", "Tableau sign-in failed (HTTP 401, Signin Error): no", tableau.ClassAuthRejected},
		// T45: verbatim, whoever shows it escapes it
		"escapes": {401, `{"error":{"summary":"Sign\u001b[31min","detail":"a\r\nb \u202e","code":"401001"}}`, json, "Tableau sign-in failed (HTTP 401, Sign\x1b[31min): a\r\nb \u202e", tableau.ClassAuthRejected},
		// T16
		"duplicate keys": {200, `{"credentials":{"token":"a","token":"b"}}`, json, `Tableau sign-in failed (HTTP 200): {"credentials":{"token":"a","token":"b"}}`, tableau.ClassNotTableau},
		"deep":           {200, strings.Repeat("[", 10000), json, "the answer to SignIn is too large: its nesting exceeds 64", tableau.ClassTooLarge},
		"too long":       {200, `{"x":"` + strings.Repeat("x", 70<<10) + `"}`, json, "the answer to SignIn is too large: its body exceeds 65536", tableau.ClassTooLarge},
		// T26: never another site than the one asked for
		"other site": {200, `{"credentials":{"token":"abcdefgh","site":{"id":"s","contentUrl":"Default"},"user":{"id":"u"}}}`, json, `Tableau signed in to the site "Default" instead of "acme-analytics"`, tableau.ClassAuthRejected},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, tableautest.Config{}, once)
			b.Fail(tableautest.Fault{Operation: "sign-in", Status: tt.status, Body: tt.body, ContentType: tt.kind, Times: -1})

			_, err := b.c.Session(t.Context())

			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if got := tableau.ClassOf(err); got != tt.class {
				t.Errorf("class %s, want %s", got, tt.class)
			}
		})
	}
}

func TestT16TolerantLists(t *testing.T) {
	// T16: strings for numbers, unknown fields, missing lists, single objects; depth 64.
	t.Parallel()
	const ann = `{"id":"5e4f","name":"ann","siteRole":"Viewer"}`
	tests := map[string]struct {
		body  string
		users int
		total int
		class tableau.Class
	}{
		"strings":        {`{"pagination":{"pageNumber":"1","pageSize":"100","totalAvailable":"1"},"users":{"user":[` + ann + `]}}`, 1, 1, ""},
		"numbers":        {`{"pagination":{"pageNumber":1,"pageSize":100,"totalAvailable":1},"users":{"user":[` + ann + `]}}`, 1, 1, ""},
		"no list":        {`{"pagination":{"totalAvailable":"0"},"users":{}}`, 0, 0, ""},
		"null":           {`{"pagination":{"totalAvailable":"0"},"users":null}`, 0, 0, ""},
		"single":         {`{"pagination":{"totalAvailable":"1"},"users":{"user":` + ann + `}}`, 1, 1, ""},
		"bare":           {`{"pagination":{"totalAvailable":"1"},"users":[` + ann + `]}`, 1, 1, ""},
		"no pagination":  {`{"users":{"user":[` + ann + `]}}`, 1, -1, ""},
		"odd total":      {`{"pagination":{"totalAvailable":"many"},"users":{"user":[` + ann + `]}}`, 1, -1, ""},
		"unknown fields": {`{"new":{"a":[1]},"users":{"more":true,"user":[{"id":"5e4f","name":"ann","x":{"y":1}}]}}`, 1, -1, ""},
		"number as id":   {`{"users":{"user":[{"id":17,"name":true}]}}`, 1, -1, ""},
		"deep":           {`{"users":` + strings.Repeat(`{"a":`, 80) + "1" + strings.Repeat("}", 81), 0, 0, tableau.ClassTooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, tableautest.Config{})
			b.Fail(tableautest.Fault{Operation: "get-users-on-site", Body: tt.body})

			p, err := b.c.UsersPage(t.Context(), tableau.UsersOptions{})

			if tableau.ClassOf(err) != tt.class {
				t.Fatalf("got %v", err)
			}
			if err == nil && (len(p.Users) != tt.users || p.Total != tt.total) {
				t.Errorf("%d users of %d, want %d of %d", len(p.Users), p.Total, tt.users, tt.total)
			}
		})
	}
}

func TestT17RedirectsAreNeverFollowed(t *testing.T) {
	// T17: never followed, the message names the host, the evil host's log is empty.
	t.Parallel()
	var met atomic.Int32
	evil := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { met.Add(1) }))
	defer evil.Close()
	evilHost := strings.TrimPrefix(evil.URL, "https://")
	for _, status := range []int{301, 302, 303, 307, 308} {
		for target, named := range map[string]string{
			evil.URL + "/api/3.24/auth/signin":     evilHost,
			"http://" + evilHost + "/":             "http://" + evilHost,
			"http://169.254.169.254/latest":        "http://169.254.169.254",
			"/elsewhere":                           "another path of the same host",
			"https://user:pw@other.example/?q=1#f": "other.example",
		} {
			for _, operation := range []string{"sign-in", "get-users-on-site"} {
				b := newBench(t, tableautest.Config{}, once)
				b.Fail(tableautest.Fault{Operation: operation, Redirect: target, Status: status, Times: -1})

				_, err := b.c.UsersPage(t.Context(), tableau.UsersOptions{})

				e, ok := errors.AsType[*tableau.RedirectError](err)
				if !ok || !errors.Is(err, tableau.ClassNotTableau) || !strings.Contains(err.Error(), named) || strings.Contains(err.Error(), "pw@") {
					t.Errorf("%d to %s: got %v (%v), want %s named", status, target, err, e, named)
				}
				if got := b.count(operation, 0); got != 1 {
					t.Errorf("%d × %s, want 1", got, operation)
				}
			}
		}
	}
	if met.Load() != 0 {
		t.Errorf("the evil host was asked %d times", met.Load())
	}
}

// faked answers sign-ins by itself and all else by h.
func faked(t *testing.T, h http.HandlerFunc, options ...func(*tableau.Config)) *tableau.Client {
	t.Helper()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/auth/signin"):
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"credentials":{"token":"session-token-canary","site":{"id":"s1","contentUrl":"acme"},"user":{"id":"u1"}}}`)
		case strings.HasSuffix(r.URL.Path, "/auth/signout"):
			w.WriteHeader(http.StatusNoContent)
		default:
			h(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	cfg := tableau.Config{
		Server: strings.TrimPrefix(srv.URL, "https://"), Site: "acme", TokenName: patName, TokenSecret: tableau.NewSecret(patSecret),
		RootCAs: srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs,
	}
	for _, o := range options {
		o(&cfg)
	}
	c, err := tableau.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func TestT18SizeLimits(t *testing.T) {
	// T18: too_large at the limit; memory growth < 32 MiB.
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 1<<20))
	_ = z.Close()
	// 200 MiB in 200 members: packing as much at once takes long under -race.
	packed := bytes.Repeat(bomb.Bytes(), 200)
	endless := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for {
			if _, err := w.Write(bytes.Repeat([]byte(" "), 1<<16)); err != nil {
				return
			}
		}
	}
	tests := map[string]struct {
		h    http.HandlerFunc
		what string
	}{
		"gzip bomb": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed)
		}, "body"},
		"endless": {endless, "body"},
		"5 GiB": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5368709120")
			endless(w, r)
		}, "body"},
		"header": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Long", strings.Repeat("x", 1<<20)) }, "header"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := faked(t, tt.h)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)

			_, err := c.Do(t.Context(), get("/sites/{siteId}/users"))

			runtime.GC()
			runtime.ReadMemStats(&after)
			e, ok := errors.AsType[*tableau.TooLargeError](err)
			if !ok || e.What != tt.what || !errors.Is(err, tableau.ClassTooLarge) {
				t.Errorf("got %v, want too large", err)
			}
			if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 64<<20 {
				t.Errorf("heap grew by %d MiB", grown>>20)
			}
		})
	}
}

func TestT19UntrustedTLS(t *testing.T) {
	// T19: tls_untrusted with the exact reason.
	t.Parallel()
	day := 24 * time.Hour
	now := time.Now()
	tests := map[string]struct {
		tls    tableautest.TLS
		reason string
	}{
		"expired":       {tableautest.TLS{NotBefore: now.Add(-3 * day), NotAfter: now.Add(-day)}, "the certificate is valid from"},
		"not yet valid": {tableautest.TLS{NotBefore: now.Add(day), NotAfter: now.Add(3 * day)}, "the certificate is valid from"},
		"wrong name":    {tableautest.TLS{Hosts: []string{"other.example"}}, "127.0.0.1"},
		"self-signed":   {tableautest.TLS{SelfSigned: true}, "self-signed"},
		"TLS 1.1":       {tableautest.TLS{MaxVersion: tls.VersionTLS11}, "protocol version"},
		"client cert":   {tableautest.TLS{ClientAuth: tls.RequireAnyClientCert}, "certificate required"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, tableautest.Config{TLS: tt.tls}, once)

			_, err := b.c.Session(t.Context())

			e, ok := errors.AsType[*tableau.TLSError](err)
			if !ok || !errors.Is(err, tableau.ClassTLSUntrusted) || !strings.Contains(e.Reason, tt.reason) {
				t.Errorf("got %v, want a TLSError with %q", err, tt.reason)
			}
			if len(b.Journal()) != 0 {
				t.Error("something was sent")
			}
		})
	}
	t.Run("unknown authority", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, tableautest.Config{}, func(c *tableau.Config) { c.RootCAs = nil })
		if _, err := b.c.Session(t.Context()); !errors.Is(err, tableau.ClassTLSUntrusted) || !strings.Contains(err.Error(), "unknown authority") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no TLS", func(t *testing.T) {
		t.Parallel()
		plain := httptest.NewServer(http.NotFoundHandler())
		defer plain.Close()
		b := newBench(t, tableautest.Config{}, func(c *tableau.Config) { c.Server = strings.TrimPrefix(plain.URL, "http://") })
		if _, err := b.c.Session(t.Context()); !errors.Is(err, tableau.ClassTLSUntrusted) || !strings.Contains(err.Error(), "does not speak TLS") {
			t.Errorf("got %v", err)
		}
	})
}

func TestT20Unreachable(t *testing.T) {
	// S75 "could not reach Tableau at [host]", T20.
	t.Parallel()
	dial := func(err error) func(*tableau.Config) {
		return func(c *tableau.Config) {
			c.Server = "tableau.example"
			c.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, err }
		}
	}
	nxdomain := &net.DNSError{Err: "no such host", Name: "tableau.example", IsNotFound: true}
	for name, cause := range map[string]error{"NXDOMAIN": nxdomain, "refused": syscall.ECONNREFUSED, "timeout": context.DeadlineExceeded} {
		b := newBench(t, tableautest.Config{}, dial(cause))

		_, err := b.c.UsersPage(t.Context(), tableau.UsersOptions{})

		if err == nil || err.Error() != "could not reach Tableau at tableau.example" {
			t.Errorf("%s: got %v", name, err)
		}
		if !errors.Is(err, cause) || !errors.Is(err, tableau.ClassUnavailable) {
			t.Errorf("%s: the cause is lost: %#v", name, err)
		}
	}
}

func TestT20EgressGuard(t *testing.T) {
	// T20: the guard sees the address that is really dialled.
	t.Parallel()
	guard := errors.New("loopback is not allowed")
	var seen atomic.Value
	b := newBench(t, tableautest.Config{}, func(c *tableau.Config) {
		c.Server = strings.Replace(c.Server, "127.0.0.1", "localhost", 1)
		c.Control = func(_, address string, _ syscall.RawConn) error { seen.Store(address); return guard }
	})

	_, err := b.c.Session(t.Context())

	if e, ok := errors.AsType[*tableau.EgressError](err); !ok || !errors.Is(err, guard) || !errors.Is(err, tableau.ClassEgressBlocked) || e.Address != seen.Load() {
		t.Errorf("got %v", err)
	}
	if len(b.Journal()) != 0 {
		t.Error("something was sent")
	}
}

func TestProxyOfTheEnvironmentIsIgnored(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	b := newBench(t, tableautest.Config{})
	if _, err := b.c.Session(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestT24Lifetime(t *testing.T) {
	// T24: shown if sane, ignored otherwise, no failure.
	t.Parallel()
	for sent, want := range map[string]time.Duration{
		`"177:05:38"`:   177*time.Hour + 5*time.Minute + 38*time.Second,
		`"14:00:00"`:    14 * time.Hour,
		`"7:02:12:30"`:  7*24*time.Hour + 2*time.Hour + 12*time.Minute + 30*time.Second,
		`"-1:00:00"`:    0,
		`"soon"`:        0,
		`"00:00:00"`:    0,
		`"99999:00:00"`: 0,
		`""`:            0,
		`3600`:          0,
		`{"a":1}`:       0,
	} {
		b := newBench(t, tableautest.Config{})
		b.Fail(tableautest.Fault{Operation: "sign-in", Body: `{"credentials":{"token":"abcdefgh","site":{"id":"s","contentUrl":"acme-analytics"},"user":{"id":"u"},"estimatedTimeToExpiration":` + sent + `}}`})

		s, err := b.c.Session(t.Context())
		if err != nil {
			t.Errorf("%s: %v", sent, err)
			continue
		}
		got := time.Duration(0)
		if !s.PATExpires.IsZero() {
			got = s.PATExpires.Sub(s.Opened)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", sent, got, want)
		}
	}
}

func TestT25Denied(t *testing.T) {
	// T25, decision 5: 403, or 401 with a code other than 401000–401002.
	t.Parallel()
	for _, f := range []tableautest.Fault{{Code: "403133"}, {Code: "403004"}, {Status: 401, Code: "401003", Summary: "x", Detail: "y"}} {
		b := newBench(t, tableautest.Config{})
		f.Operation = "get-users-on-site"
		b.Fail(f)
		if _, err := b.c.UsersPage(t.Context(), tableau.UsersOptions{}); !errors.Is(err, tableau.ClassDenied) {
			t.Errorf("%s: %v (%s)", f.Code, err, tableau.ClassOf(err))
		}
	}
}

func TestT27OldServer(t *testing.T) {
	// T27, S80 "Older Server release: fails at sign-in"; serverinfo still says which it is.
	t.Parallel()
	b := newBench(t, tableautest.Config{Product: tableautest.ProductServer, MaxVersion: "3.19"})

	_, err := b.c.Session(t.Context())
	info, infoErr := b.c.ServerInfo(t.Context())

	if !errors.Is(err, tableau.ClassUnsupportedVersion) {
		t.Errorf("got %v (%s)", err, tableau.ClassOf(err))
	}
	if infoErr != nil || info.RESTVersion != "3.19" {
		t.Errorf("server info %+v, %v", info, infoErr)
	}
}

func TestAnswersWithErrorsAreResponses(t *testing.T) {
	// S21 "403 from Tableau is passed on"
	t.Parallel()
	b := newBench(t, tableautest.Config{})

	resp, err := b.c.Do(t.Context(), get("/sites/{siteId}/users/00000000-0000-4000-8000-000000000000"))

	if err != nil || resp.Status != http.StatusNotFound || !json.Valid(resp.Body) {
		t.Fatalf("got %v, %v", resp, err)
	}
	if e, ok := errors.AsType[*tableau.Error](resp.Err()); !ok || e.Code != "404002" {
		t.Errorf("error %v", resp.Err())
	}
}

func TestSecretsStayInside(t *testing.T) {
	// S3 "PAT is never sent to data endpoints", G9: nothing shows secret or token.
	t.Parallel()
	token := "session-token-canary"
	var leaked atomic.Bool
	c := faked(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if bytes.Contains(body, []byte(patSecret)) || strings.Contains(fmt.Sprint(r.Header, r.URL), patSecret) {
			leaked.Store(true)
		}
		// A proxy that echoes what it was sent.
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Set-Cookie", "workgroup_session_id="+token)
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprintf(w, "X-Tableau-Auth: %s %s", r.Header.Get("X-Tableau-Auth"), patSecret)
	}, once)
	var trace []tableau.Call
	ctx := tableau.WithTrace(t.Context(), func(c tableau.Call) { trace = append(trace, c) })

	resp, err := c.Do(ctx, get("/sites/{siteId}/users"))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := c.Session(t.Context())
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	asJSON, _ := json.Marshal([]any{resp, s, trace})
	for _, shown := range []string{
		string(asJSON), string(resp.Body),
		fmt.Sprintf("%v %+v %#v %s", resp, resp, resp, resp.Body), fmt.Sprintf("%v %+v %#v", s, s, s),
		fmt.Sprintf("%v %+v %#v", trace, trace, trace), fmt.Sprintf("%+v %#v", c, c), fmt.Sprint(resp.Err()), fmt.Sprintf("%#v", resp.Err()),
	} {
		if strings.Contains(shown, token) || strings.Contains(shown, patSecret) {
			t.Errorf("shown: %s", shown)
		}
	}
	if leaked.Load() {
		t.Error("the PAT's secret was sent to a data endpoint")
	}
}

func TestSecretPrintsNothing(t *testing.T) {
	t.Parallel()
	s := tableau.NewSecret(patSecret)
	asJSON, err := json.Marshal(map[string]any{"s": s, "p": &s})
	if err != nil {
		t.Fatal(err)
	}
	type holder struct{ inner tableau.Secret }
	for _, shown := range []string{
		fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s), fmt.Sprintf("%v %+v %#v", holder{s}, &holder{s}, holder{s}), string(asJSON), s.LogValue().String(),
	} {
		if strings.Contains(shown, "canary") || strings.Contains(shown, fmt.Sprintf("%x", patSecret)) {
			t.Errorf("shown: %s", shown)
		}
	}
	if !s.Equal(tableau.NewSecret(patSecret)) || s.Equal(tableau.NewSecret("other")) || !(tableau.Secret{}).IsZero() {
		t.Error("Equal or IsZero is wrong")
	}
}

func TestGoroutinesEnd(t *testing.T) {
	before := runtime.NumGoroutine()
	b := newBench(t, tableautest.Config{})
	for range 10 {
		if _, err := b.c.UsersPage(t.Context(), tableau.UsersOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Close()
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
		runtime.GC()
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

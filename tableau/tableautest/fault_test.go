package tableautest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/margay-access/margay/tableau/tableautest"
)

// started serves a world over HTTPS and returns a client with a session.
func started(t *testing.T, cfg tableautest.Config) (*tableautest.Server, *client, *tableautest.User) {
	t.Helper()
	site, _ := newSite(t, cfg)
	ann := site.AddUser("ann@acme.example", tableautest.RoleViewer)
	srv, err := tableautest.StartSite(site)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	return srv, signedIn(t, site), ann
}

// request makes a request with the client's token over the wire.
func (c *client) request(ctx context.Context, srv *tableautest.Server, method, path, body string) *http.Request {
	c.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, srv.URL+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("X-Tableau-Auth", c.token)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", "application/json")
	return r
}

func TestFaultsOnDemand(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault  tableautest.Fault
		status int
		code   string
		header map[string]string
		body   string // part of the answer
		role   string // of ann afterwards
	}{
		"T06 429 with Retry-After": {
			fault:  tableautest.Fault{Code: "429000", RetryAfter: "-1"},
			status: 429, code: "429000", header: map[string]string{"Retry-After": "-1"}, role: "Viewer",
		},
		"T07 429 without the header, with a body": {
			fault:  tableautest.Fault{Code: "429000", Detail: "retry after 29 minutes"},
			status: 429, code: "429000", body: "retry after 29 minutes", role: "Viewer",
		},
		"T09 503 with HTML": {
			fault:  tableautest.Fault{HTML: true},
			status: 503, header: map[string]string{"Content-Type": "text/html;charset=utf-8"}, body: "<html>", role: "Viewer",
		},
		"T09 502": {fault: tableautest.Fault{Status: 502}, status: 502, code: "502000", role: "Viewer"},
		"T10 500 after the change was made": {
			fault: tableautest.Fault{Code: "500000", Apply: true}, status: 500, code: "500000", role: "Creator",
		},
		"T14 an HTML login page with 200": {
			fault: tableautest.Fault{HTML: true, Status: 200, Body: "<html>Sign in</html>"}, status: 200, body: "<html>Sign in", role: "Viewer",
		},
		"T14 a byte order mark": {fault: tableautest.Fault{Body: "\xef\xbb\xbf{}"}, status: 200, body: "\xef\xbb\xbf{}", role: "Viewer"},
		"T15 200 {}":            {fault: tableautest.Fault{Body: "{}"}, status: 200, body: "{}", role: "Viewer"},
		"T17 a redirect": {
			fault:  tableautest.Fault{Redirect: "http://169.254.169.254/", Status: 307},
			status: 307, header: map[string]string{"Location": "http://169.254.169.254/"}, role: "Viewer",
		},
		"T21 Date off by two hours": {
			fault:  tableautest.Fault{Header: http.Header{"Date": {"Wed, 04 Mar 2026 07:00:00 GMT"}}},
			status: 200, header: map[string]string{"Date": "Wed, 04 Mar 2026 07:00:00 GMT"}, role: "Creator",
		},
		"T42 200 whose body is an error": {
			fault: tableautest.Fault{Status: 200, Code: "409014", Apply: true}, status: 200, code: "409014", role: "Creator",
		},
		"T45 CRLF and ANSI escapes in the detail": {
			fault:  tableautest.Fault{Code: "400000", Summary: "a\r\nb", Detail: "\x1b[31mred"},
			status: 400, code: "400000", body: `"summary":"a\r\nb","detail":"\u001b[31mred"`, role: "Viewer",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := newSite(t, tableautest.Config{})
			ann := s.AddUser("ann@acme.example", tableautest.RoleViewer)
			c := signedIn(t, s)
			tt.fault.Operation = "update-user"
			h := s.Fail(tt.fault)

			r := c.do(http.MethodPut, c.path("users/"+ann.ID()), `{"user":{"siteRole":"Creator"}}`)

			r.want(tt.status, tt.code)
			for k, v := range tt.header {
				if got := r.Header().Get(k); got != v {
					t.Errorf("%s is %q, want %q", k, got, v)
				}
			}
			if !strings.Contains(r.Body.String(), tt.body) {
				t.Errorf("%q is missing in %q", tt.body, r.Body)
			}
			wantRole(t, ann, tt.role)
			if h.Hits() != 1 {
				t.Errorf("%d hits, want 1", h.Hits())
			}
			// A fault happens once unless it is told otherwise.
			c.do(http.MethodPut, c.path("users/"+ann.ID()), `{"user":{"siteRole":"Creator"}}`).want(http.StatusOK, "")
		})
	}
}

func TestFaultChoosesItsRequests(t *testing.T) {
	t.Parallel()
	s, _ := newSite(t, tableautest.Config{})
	c := signedIn(t, s)
	h := s.Fail(tableautest.Fault{
		Name: "second page", Method: "get", Path: "/api/*/sites/*/users", Query: "pageNumber=1", PAT: "pat", Skip: 1, Times: 2, Code: "500000",
	})

	var got []int
	for range 4 {
		got = append(got, c.get("users?pageNumber=1").Code)
	}
	c.get("groups?pageNumber=1").want(http.StatusOK, "")
	c.get("users").want(http.StatusOK, "")

	if fmt.Sprint(got) != "[200 500 500 200]" || h.Hits() != 2 {
		t.Errorf("got %v with %d hits", got, h.Hits())
	}
	var named int
	for _, e := range s.Journal() {
		if e.Fault == "second page" {
			named++
		}
	}
	if named != 2 {
		t.Errorf("the journal names the fault %d times, want 2", named)
	}
}

func TestSessionStolen(t *testing.T) { // T01, T02
	t.Parallel()
	s, _ := newSite(t, tableautest.Config{})
	ann := s.AddUser("ann@acme.example", tableautest.RoleViewer)
	c := signedIn(t, s)
	s.Fail(tableautest.Fault{Method: "PUT", EndSession: true})

	r := c.do(http.MethodPut, c.path("users/"+ann.ID()), `{"user":{"siteRole":"Creator"}}`)

	r.want(http.StatusUnauthorized, "401002")
	wantRole(t, ann, "Viewer")
	if s.LiveSessions() != 0 || s.Evictions() != 1 {
		t.Errorf("%d live, %d evicted", s.LiveSessions(), s.Evictions())
	}
}

func TestRoleChangedBetween(t *testing.T) { // T11, T34
	t.Parallel()
	s, _ := newSite(t, tableautest.Config{})
	ann := s.AddUser("ann@acme.example", tableautest.RoleViewer)
	c := signedIn(t, s)
	s.Fail(tableautest.Fault{Method: "PUT", After: func() { ann.SetRole("Explorer") }})

	c.do(http.MethodPut, c.path("users/"+ann.ID()), `{"user":{"siteRole":"Creator"}}`).want(http.StatusOK, "")

	wantRole(t, ann, "Explorer")
}

func TestConnectionDropped(t *testing.T) { // T10, T13, T43
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		for drop, applied := range map[tableautest.Drop]bool{
			tableautest.DropBefore: false, tableautest.DropAfter: true, tableautest.DropMidBody: true,
		} {
			t.Run(fmt.Sprintf("%s http2 %v", drop, http2), func(t *testing.T) {
				t.Parallel()
				srv, c, ann := started(t, tableautest.Config{DisableHTTP2: !http2})
				srv.Fail(tableautest.Fault{Method: "PUT", Drop: drop})

				resp, err := srv.Client().Do(c.request(t.Context(), srv, http.MethodPut, c.path("users/"+ann.ID()), `{"user":{"siteRole":"Creator"}}`))
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					_ = resp.Body.Close()
				}

				if err == nil {
					t.Error("the request came through")
				}
				if got := ann.Role() == "Creator"; got != applied {
					t.Errorf("applied is %v, want %v", got, applied)
				}
				last := srv.Journal()[len(srv.Journal())-1]
				if last.PAT != "pat" || last.Body != `{"user":{"siteRole":"Creator"}}` {
					t.Errorf("the journal does not say what was wanted: %+v", last)
				}
				if last.Applied != applied || !last.Done || drop != tableautest.DropMidBody && last.Status != 0 {
					t.Errorf("journal: %+v", last)
				}
			})
		}
	}
}

func TestRefusedConnections(t *testing.T) { // T10: reset at accept
	t.Parallel()
	srv, c, _ := started(t, tableautest.Config{})
	srv.RefuseConnections(true)

	if resp, err := srv.Client().Do(c.request(t.Context(), srv, http.MethodGet, "/api/3.24/serverinfo", "")); err == nil {
		_ = resp.Body.Close()
		t.Error("the connection was taken")
	}

	srv.RefuseConnections(false)
	resp, err := srv.Client().Do(c.request(t.Context(), srv, http.MethodGet, "/api/3.24/serverinfo", ""))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}

func TestTruncatedAndRaw(t *testing.T) { // T13
	t.Parallel()
	for name, fault := range map[string]tableautest.Fault{
		"less body than promised": {Truncate: 10},
		"bad chunking":            {Raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"},
		"no HTTP at all":          {Raw: "hello\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, c, _ := started(t, tableautest.Config{DisableHTTP2: true})
			srv.Fail(fault)

			resp, err := srv.Client().Do(c.request(t.Context(), srv, http.MethodGet, c.path("users"), ""))
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
			}

			if err == nil {
				t.Error("the answer could be read")
			}
		})
	}
}

func TestHangAndEndless(t *testing.T) { // T12, T18
	t.Parallel()
	srv, c, _ := started(t, tableautest.Config{})
	srv.Fail(tableautest.Fault{Name: "hang", Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	changed := srv.Changed()
	go func() { <-changed; cancel() }() // the request has arrived

	resp, err := srv.Client().Do(c.request(ctx, srv, http.MethodGet, c.path("users"), ""))
	if err == nil {
		_ = resp.Body.Close()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want a cancelled request", err)
	}

	srv.Fail(tableautest.Fault{Body: strings.Repeat("x", 1000), Endless: true})
	resp, err = srv.Client().Do(c.request(t.Context(), srv, http.MethodGet, c.path("users"), ""))
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.CopyN(io.Discard, resp.Body, 10<<20)
	_ = resp.Body.Close()
	if err != nil || n != 10<<20 {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

func TestTLS(t *testing.T) { // T19
	t.Parallel()
	srv, c, _ := started(t, tableautest.Config{})
	get := func(cfg *tls.Config) error {
		cfg.MinVersion = tls.VersionTLS10
		hc := &http.Client{Transport: &http.Transport{TLSClientConfig: cfg}, Timeout: 5 * time.Second}
		defer hc.CloseIdleConnections()
		resp, err := hc.Do(c.request(t.Context(), srv, http.MethodGet, "/api/3.24/serverinfo", ""))
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	trusting := func() *tls.Config { return &tls.Config{RootCAs: srv.CertPool()} }

	for _, name := range []string{"127.0.0.1", "::1", "localhost"} {
		cfg := trusting()
		cfg.ServerName = name
		if err := get(cfg); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](get(&tls.Config{})); !ok {
		t.Error("an unknown authority was trusted")
	}
	past := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := map[string]tableautest.TLS{
		"expired":           {NotBefore: past, NotAfter: past.AddDate(1, 0, 0)},
		"not yet valid":     {NotBefore: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2201, 1, 1, 0, 0, 0, 0, time.UTC)},
		"wrong name":        {Hosts: []string{"other.example"}},
		"self-signed":       {SelfSigned: true},
		"client cert asked": {ClientAuth: tls.RequireAnyClientCert},
	}
	for name, bad := range tests {
		if err := srv.SetTLS(bad); err != nil {
			t.Fatal(err)
		}
		if get(trusting()) == nil {
			t.Errorf("%s: the connection was made", name)
		}
	}
	if err := srv.SetTLS(tableautest.TLS{MaxVersion: tls.VersionTLS11}); err != nil {
		t.Fatal(err)
	}
	if err := get(trusting()); err != nil {
		t.Errorf("TLS 1.1: %v", err)
	}
	modern := srv.Client()
	if resp, err := modern.Do(c.request(t.Context(), srv, http.MethodGet, "/", "")); err == nil {
		_ = resp.Body.Close()
		t.Error("a client of TLS 1.2 was served with 1.1")
	}
	if err := srv.SetTLS(tableautest.TLS{Stall: true}); err != nil {
		t.Fatal(err)
	}
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: 100 * time.Millisecond}, Config: trusting()}
	if conn, err := d.DialContext(t.Context(), "tcp", srv.Host); err == nil {
		_ = conn.Close()
		t.Error("the handshake went through")
	}
}

func TestMaintenance(t *testing.T) { // T41
	t.Parallel()
	s, _ := newSite(t, tableautest.Config{})
	c := signedIn(t, s)
	s.SetMaintenance(true)

	if r := c.get("users"); r.Code != http.StatusServiceUnavailable || !strings.Contains(r.Body.String(), "<html>") {
		t.Errorf("got %d %s", r.Code, r.Body)
	}

	s.SetMaintenance(false)
	c.get("users").want(http.StatusOK, "")
}

func TestLatencyWithoutWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := newSite(t, tableautest.Config{Latency: time.Hour})
		c := signedIn(t, s)
		s.Fail(tableautest.Fault{Delay: 30 * time.Minute})
		before := time.Now()

		c.get("users").want(http.StatusOK, "")

		if got := time.Since(before); got != 90*time.Minute {
			t.Errorf("took %v of the bubble's time, want 90m", got)
		}
		// ref: "1.4 Cloud 120 minutes idle": an answer that took longer finds its session gone.
		s.Fail(tableautest.Fault{Delay: time.Hour})
		c.get("users").want(http.StatusUnauthorized, "401002")
	})
}

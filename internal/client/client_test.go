package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
	"github.com/margay-access/margay/internal/fault"
)

const token = "margay_pat_of-the-tests"

// open returns a client of a server with that handler.
func open(t *testing.T, handler http.HandlerFunc) *client.Client {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	c, err := client.New(srv.URL, token)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRequestOnTheWire(t *testing.T) {
	c := open(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got := []string{r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(body)}
		want := []string{"POST", "/api/v1/requests", "Bearer " + token, "application/json", `{"role_id":"rol_1","duration":"PT8H"}`}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		fmt.Fprint(w, `{"id":"req_1","state":"approved","a_field_of_later":1}`)
	})

	r, err := c.FileRequest(t.Context(), wire.NewRequest{RoleID: "rol_1", Duration: wire.For(8 * time.Hour)})

	if err != nil || r.ID != "req_1" || r.State != "approved" {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestQueries(t *testing.T) {
	var got []string
	c := open(t, func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.URL.RequestURI())
		fmt.Fprint(w, `{"items":[]}`)
	})
	calls := []func() error{
		func() error {
			_, err := c.Requests(t.Context(), client.RequestFilter{Decidable: true}, client.Page{})
			return err
		},
		func() error {
			_, err := c.Grants(t.Context(), client.GrantFilter{States: []string{"active", "ending"}, Person: "usr_1"}, client.Page{Limit: 5, Cursor: "grt_9"})
			return err
		},
		func() error { _, err := c.App(t.Context(), "a/../b c"); return err },
	}
	for _, call := range calls {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}

	want := []string{
		"/api/v1/requests?decidable=true", "/api/v1/grants?cursor=grt_9&limit=5&person_id=usr_1&state=active%2Cending", "/api/v1/apps/a%2F..%2Fb%20c",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestProblems(t *testing.T) {
	problem := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
			w.Header().Set("X-Request-Id", "req_x")
			w.WriteHeader(status)
			fmt.Fprint(w, `{"type":"about:blank","status":`+strconv.Itoa(status)+`,"detail":"No.","code":"nope"}`)
		}
	}
	for status, kind := range map[int]fault.Kind{
		400: fault.Invalid, 401: fault.Unauthenticated, 403: fault.Forbidden, 404: fault.NotFound, 409: fault.Conflict, 422: fault.Invalid,
		502: fault.Upstream, 500: fault.Internal, 503: fault.Internal,
	} {
		_, err := open(t, problem(status)).Me(t.Context())

		e, ok := errors.AsType[*client.Error](err)
		if !ok || !errors.Is(err, kind) || e.Kind() != kind || e.Error() != "No." || e.Problem.Code != "nope" || e.Problem.RequestID != "req_x" {
			t.Errorf("%d: %#v", status, err)
		}
	}
}

// What something in between answers is not taken for Margay's word: a proxy's
// 502 does not mean that Tableau cannot be reached, its 404 not that a thing is
// missing.
func TestForeignAnswers(t *testing.T) {
	tests := map[string]http.HandlerFunc{
		"page of a proxy": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprint(w, "<html>Bad gateway</html>")
		},
		"another program":     func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) },
		"no JSON":             func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Sign in</html>") },
		"problem that is not": func(w http.ResponseWriter, _ *http.Request) { problemHeader(w, 404); fmt.Fprint(w, "[]") },
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			chunk := strings.Repeat(" ", 1<<20)
			for range 40 {
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
			}
		},
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := open(t, handler).Me(t.Context())

			e, ok := errors.AsType[*client.Error](err)
			if !ok || e.Kind() != fault.Internal || e.Problem.Code != "not_margay" || !strings.Contains(e.Error(), "not like Margay") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func problemHeader(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
}

// The token goes to the server that was named and to no other.
func TestNoRedirects(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s reached another server, Authorization %q", r.Method, r.URL, r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	c := open(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
	})

	_, err := c.Me(t.Context())

	if err == nil || !strings.Contains(err.Error(), "sends elsewhere") {
		t.Errorf("got %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	c, err := client.New(srv.URL, token)
	if err != nil {
		t.Fatal(err)
	}

	_, err = c.Me(t.Context())

	e, ok := errors.AsType[*client.UnreachableError](err)
	if !ok || !strings.Contains(e.Error(), srv.URL) || !strings.Contains(e.Error(), "refused") || strings.Contains(e.Error(), token) {
		t.Errorf("got %v", err)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := open(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})

	_, err := c.Me(ctx)

	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCertificateIsChecked(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request went through") }))
	srv.Config.ErrorLog = nil
	srv.StartTLS()
	defer srv.Close()
	c, err := client.New(srv.URL, token)
	if err != nil {
		t.Fatal(err)
	}

	_, err = c.Me(t.Context())

	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for address, plain := range map[string]bool{
		"https://margay.example": false, "https://margay.example/behind/": false, "http://localhost:8080": false,
		"http://[::1]:8080": false, "http://margay.example": true, "http://10.0.0.1": true,
	} {
		c, err := client.New(address, token)
		if err != nil || c.Plain() != plain {
			t.Errorf("%q: plain %v, %v, want %v", address, c != nil && c.Plain(), err, plain)
		}
	}
	for _, address := range []string{"", "margay.example", "ftp://margay.example", "http://", "https://user:pw@margay.example", "https://margay.example?x=1", "http://a b"} {
		if _, err := client.New(address, token); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: %v, want it refused", address, err)
		}
	}
}

func TestTokenIsNotShown(t *testing.T) {
	c := open(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) })
	var traced []client.Exchange
	c.Trace = func(e client.Exchange) { traced = append(traced, e) }
	if _, err := c.Me(t.Context()); err != nil {
		t.Fatal(err)
	}

	shown := fmt.Sprintf("%v %+v %#v %s %q %x %v", c, c, c, c, c, c, traced)

	if strings.Contains(shown, token) || strings.Contains(shown, fmt.Sprintf("%x", token)) {
		t.Errorf("the token shows in %s", shown)
	}
	if len(traced) != 1 || traced[0].Status != 200 || traced[0].Path != "/api/v1/me" {
		t.Errorf("traced %+v", traced)
	}
}

package api_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/api"
	"github.com/margay-access/margay/internal/identity"
)

// A fault of ours is a problem 500 that tells nothing of our insides; the log
// tells all, under the same id.
func TestPanic(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	h := api.New(api.Config{Log: slog.New(slog.NewTextHandler(&logged, nil))}) // no services: the first use of one panics
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/apps", nil)
	r.Header.Set("Authorization", "Bearer "+wellFormed(t))
	r.Header.Set("X-Request-Id", "req-of-the-panic")
	w := httptest.NewRecorder()

	h.ServeHTTP(w, r)

	p := answer{w.Code, w.Header(), w.Body.Bytes()}.problem(t)
	if w.Code != http.StatusInternalServerError || p.Detail != "Something went wrong on our side." || p.Code != "internal" || p.RequestID != "req-of-the-panic" || len(p.NextSteps) == 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, inside := range []string{"goroutine", "nil pointer", ".go:", canary} {
		if strings.Contains(w.Body.String(), inside) {
			t.Errorf("the answer shows %q", inside)
		}
	}
	if text := logged.String(); !strings.Contains(text, "nil pointer") || !strings.Contains(text, "req-of-the-panic") || strings.Contains(text, canary) {
		t.Errorf("logged %q", text)
	}
}

// A handler that means to cut the connection does.
func TestAbort(t *testing.T) {
	t.Parallel()
	h := api.New(api.Config{Log: slog.New(slog.DiscardHandler)})
	defer func() {
		if cause, ok := recover().(error); !ok || !errors.Is(cause, http.ErrAbortHandler) {
			t.Errorf("recovered %v", cause)
		}
	}()
	h.ServeHTTP(abort{httptest.NewRecorder()}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/nothing", nil))
}

// abort is a connection that is to be cut at the first byte.
type abort struct{ http.ResponseWriter }

func (abort) Write([]byte) (int, error) { panic(http.ErrAbortHandler) }

// wellFormed returns a token that looks like one of ours and is nobody's.
func wellFormed(t *testing.T) string {
	t.Helper()
	_, value, err := identity.NewToken("tok_1", "usr_1", "", []identity.Scope{identity.ScopeAdmin}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return value
}

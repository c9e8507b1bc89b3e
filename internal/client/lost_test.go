package client_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
)

// A POST whose answer was lost is sent once more, under the same key; a GET and
// a POST that is lost again are not.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var keys []string
	broken := 1
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		if len(keys) <= broken {
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write([]byte(`{"id":"usr_1"}`))
	}))
	t.Cleanup(srv.Close)
	c, err := client.New(srv.URL, "margay_pat_x")
	if err != nil {
		t.Fatal(err)
	}
	// heard returns the keys that came, and has the next answers broken.
	heard := func(next int) []string {
		mu.Lock()
		defer mu.Unlock()
		came := keys
		keys, broken = nil, next
		return came
	}
	p, err := c.AddPerson(t.Context(), wire.NewPerson{Email: "a@b"})
	came := heard(9)
	if err != nil || p.ID != "usr_1" || len(came) != 2 || came[0] == "" || came[0] != came[1] {
		t.Fatalf("%+v, %v, keys %q", p, err, came)
	}
	first := came[0]
	_, err = c.AddPerson(t.Context(), wire.NewPerson{Email: "a@b"})
	if came = heard(9); err == nil || len(slices.Compact(came)) != 1 || slices.Contains(came, first) {
		t.Errorf("lost twice: %v, keys %q", err, came)
	}
	// A fresh connection: the transport itself asks again when an old one breaks.
	if c, err = client.New(srv.URL, "margay_pat_x"); err != nil {
		t.Fatal(err)
	}
	_, err = c.Me(t.Context())
	if came = heard(9); err == nil || len(came) != 1 || came[0] != "" {
		t.Errorf("a GET: %v, keys %q", err, came)
	}
}

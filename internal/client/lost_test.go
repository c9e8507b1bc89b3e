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
	p, err := c.AddPerson(t.Context(), wire.NewPerson{Email: "a@b"})
	if err != nil || p.ID != "usr_1" || len(keys) != 2 || keys[0] == "" || keys[0] != keys[1] {
		t.Errorf("%+v, %v, keys %q", p, err, keys)
	}
	first := keys[0]
	keys, broken = nil, 9
	if _, err := c.AddPerson(t.Context(), wire.NewPerson{Email: "a@b"}); err == nil || len(slices.Compact(keys)) != 1 || slices.Contains(keys, first) {
		t.Errorf("lost twice: %v, keys %q", err, keys)
	}
	// A fresh connection: the transport itself asks again when an old one breaks.
	if c, err = client.New(srv.URL, "margay_pat_x"); err != nil {
		t.Fatal(err)
	}
	keys = nil
	if _, err := c.Me(t.Context()); err == nil || len(keys) != 1 || keys[0] != "" {
		t.Errorf("a GET: %v, keys %q", err, keys)
	}
}

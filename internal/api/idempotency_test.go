package api_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/identity"
)

// keyed makes one POST with a key.
func (n *node) keyed(token, path, key, body string) answer {
	n.t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(n.t.Context()), http.MethodPost, n.url+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, text}
}

// A POST with a key is one act however often it is sent.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	n := start(t)
	people := func() int { return len(get[wire.List[wire.Person]](n, "GET", "/people", nil).Items) }
	before := people()
	body := `{"email":"eve@acme.example","name":"Eve"}`
	first := n.keyed(n.admin, "/people", "k1", body)
	again := n.keyed(n.admin, "/people", "k1", body)
	if first.status != created || again.status != created || string(first.body) != string(again.body) {
		t.Fatalf("%d %s, then %d %s", first.status, first.body, again.status, again.body)
	}
	if first.header.Get("Idempotency-Replayed") != "" || again.header.Get("Idempotency-Replayed") != "true" || again.header.Get("Content-Type") != first.header.Get("Content-Type") {
		t.Errorf("headers %v, then %v", first.header, again.header)
	}
	if got := people(); got != before+1 {
		t.Errorf("%d people, want %d", got, before+1)
	}
	// Another body, another route, another caller.
	if got := n.keyed(n.admin, "/people", "k1", `{"email":"other@acme.example"}`); got.status != 422 || got.problem(t).Code != "idempotency_key_reused" {
		t.Errorf("another body: %d %s", got.status, got.body)
	}
	if got := n.keyed(n.admin, "/policies", "k1", `{"name":"P"}`); got.status != created {
		t.Errorf("another route: %d %s", got.status, got.body)
	}
	other := n.token("ana@acme.example", identity.ScopeAdmin)
	if got := n.keyed(other, "/people", "k1", body); got.status != conflict || got.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("another caller: %d %s", got.status, got.body)
	}
	// What was refused is not kept: it goes better the next time.
	if got := n.keyed(n.admin, "/people", "k2", `{"email":"nobody"}`); got.status != 422 {
		t.Errorf("invalid: %d %s", got.status, got.body)
	}
	if got := n.keyed(n.admin, "/people", "k2", `{"email":"somebody@acme.example"}`); got.status != created {
		t.Errorf("after the invalid one: %d %s", got.status, got.body)
	}
	if got := n.keyed(n.admin, "/people", strings.Repeat("k", 256), body); got.status != 422 || got.problem(t).Code != "bad_idempotency_key" {
		t.Errorf("a long key: %d %s", got.status, got.body)
	}
	if got := n.keyed(n.admin, "/people", "k3", strings.Repeat(" ", 2<<20)); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: %d %s", got.status, got.body)
	}
	if got := n.keyed("margay_pat_x", "/people", "k1", body); got.status != http.StatusUnauthorized {
		t.Errorf("no token: %d", got.status)
	}
}

// Many at once: one is run, the others wait or get its answer.
func TestIdempotencyKeyAtOnce(t *testing.T) {
	t.Parallel()
	n := start(t)
	key := uuid.NewString()
	var mu sync.Mutex
	statuses := map[int]int{}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			got := n.keyed(n.admin, "/policies", key, `{"name":"Once"}`)
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
			if got.status == conflict && got.header.Get("Retry-After") == "" {
				t.Errorf("no Retry-After: %s", got.body)
			}
		})
	}
	wg.Wait()
	if statuses[created] < 1 || statuses[created]+statuses[conflict] != 16 {
		t.Errorf("answers %v", statuses)
	}
	if got := n.keyed(n.admin, "/policies", key, `{"name":"Once"}`); got.status != created || got.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("afterwards: %d %s", got.status, got.body)
	}
}

// A secret that is shown once is in no kept answer.
func TestIdempotencyKeepsNoSecret(t *testing.T) {
	t.Parallel()
	n := start(t).ready()
	body := `{"url":"https://hooks.acme.example/"}`
	first, again := n.keyed(n.admin, "/webhooks", "k", body), n.keyed(n.admin, "/webhooks", "k", body)
	if first.status != created || !strings.Contains(string(first.body), "whsec_") {
		t.Fatalf("first: %d %s", first.status, first.body)
	}
	if again.status != created || strings.Contains(string(again.body), "whsec_") || !strings.Contains(string(again.body), `"id":"whk_`) {
		t.Errorf("again: %d %s", again.status, again.body)
	}
	call := `{"method":"GET","path":"/sessions/current"}`
	if got := n.keyed(n.admin, "/connections/"+n.connection+"/call", "k", call); got.status != ok {
		t.Fatalf("call: %d %s", got.status, got.body)
	}
	if got := n.keyed(n.admin, "/connections/"+n.connection+"/call", "k", call); got.status != conflict || got.problem(t).Code != "answer_not_kept" {
		t.Errorf("call again: %d %s", got.status, got.body)
	}
}

package web_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/web/webtest"
)

// The server's time for Home with a list of 200 requests to decide on, over
// HTTP; the promise is 100 ms at p95 (guides §8).
func BenchmarkHome(b *testing.B) {
	w := webtest.StartNode(b)
	w.Story()
	for i := range 200 {
		email := fmt.Sprintf("person-%d@acme.example", i)
		p := w.Person(email, fmt.Sprintf("Person %d", i))
		_, err := w.Client(webtest.Admin).FileRequest(b.Context(), wire.NewRequest{RoleID: w.Roles["Creator"].ID, PersonID: p.ID, Reason: "Bench"})
		if err != nil {
			b.Fatal(err)
		}
	}
	v := w.VisitorAs(webtest.Approver)
	for b.Loop() {
		if p := v.Get("/"); p.Status != http.StatusOK {
			b.Fatalf("%d", p.Status)
		}
	}
}

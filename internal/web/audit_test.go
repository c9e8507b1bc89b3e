package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/web/webtest"
)

// The list and the export of the audit log hold what the filters say.
func TestAuditFilters(t *testing.T) {
	t.Parallel()
	w := webtest.StartNode(t)
	w.Story()
	ana := w.VisitorAs(webtest.Admin)
	for _, tt := range []struct{ query, has, hasNot string }{
		{"?kind=policy", "policy.saved", "person.added"},
		{"?who=rita@acme.example", "request.created", "policy.saved"},
		{"?q=Quarter-end", "request.created", "policy.saved"},
		{"?until=2001-01-01", "", "policy.saved"},
	} {
		for _, path := range []string{"/audit", "/audit/export"} {
			p := ana.Get(path + tt.query)
			if p.Status != http.StatusOK || !strings.Contains(p.Body, tt.has) || strings.Contains(p.Body, tt.hasNot) {
				t.Errorf("%s%s: %d, wants %q and not %q", path, tt.query, p.Status, tt.has, tt.hasNot)
			}
		}
	}
	if p := w.VisitorAs(webtest.Requester).Get("/audit"); p.Status != http.StatusForbidden {
		t.Errorf("somebody who is no administrator reads the audit log: %d", p.Status)
	}
}

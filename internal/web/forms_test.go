package web_test

import (
	"net/http"
	"testing"

	"github.com/margay-access/margay/internal/web/webtest"
)

// Who opens the address of a form comes to the page that has the form, not to
// nothing.
func TestFormAddressesLeadToTheirPages(t *testing.T) {
	t.Parallel()
	w := webtest.StartNode(t)
	v := w.VisitorAs(webtest.Admin)
	for from, to := range map[string]string{
		"/approvals/req_1/deny": "/approvals/req_1", "/approvals/req_1/approve": "/approvals/req_1", "/requests/req_1/comment": "/requests/req_1",
		"/apps/app_1/roles": "/apps/app_1", "/audit/verify": "/audit", "/profile/sessions/end-others": "/profile", "/profile/sessions/a%2Fb/end": "/profile",
		"/groups/grp_1/members/usr_1/remove": "/groups/grp_1", "/workflows/bundles/tableau/access-management/install": "/workflows",
		"/integrations/tableau/connect/test": "/integrations/tableau/connect",
	} {
		if p := v.Get(from); p.Status != http.StatusSeeOther || p.Header.Get("Location") != to {
			t.Errorf("%s: %d to %q, want %q", from, p.Status, p.Header.Get("Location"), to)
		}
	}
	if p := v.Get("/approvals/req_1/nothing"); p.Status != http.StatusNotFound {
		t.Errorf("what is no form: %d", p.Status)
	}
}

package server_test

import (
	"net/http"
	"testing"

	"github.com/margay-access/margay/internal/api/wire"
)

// A test run reads the site and shows what it would change; the site's own
// journal proves that nothing was sent.
func TestWorkflowTestedWithoutHarm(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		ann := u.site.AddUser("ann@acme.example", "Viewer")
		p := call[wire.Person](u.node, "POST", "/people", wire.NewPerson{Email: "ann@acme.example"})
		var provision string
		for _, w := range call[wire.List[wire.Workflow]](u.node, "GET", "/workflows", nil).Items {
			if w.Type == "access_provisioning" {
				provision = w.ID
			}
		}

		r := call[wire.TestReport](u.node, "POST", "/workflows/"+provision+"/test", wire.TestRun{PersonID: p.ID, RoleID: u.roles["Creator"]})

		if r.State != "done" || len(r.Changes) != 1 || r.Changes[0].Before != "Viewer" || r.Changes[0].After != "Creator" || !r.Changes[0].Held || len(r.Steps) != 2 {
			t.Errorf("%+v", r)
		}
		if ann.Role() != "Viewer" {
			t.Errorf("the role is %s", ann.Role())
		}
		for _, e := range u.site.Journal() {
			if e.Method == http.MethodPut || e.Method == http.MethodDelete || e.Method == http.MethodPost && e.Operation != "sign-in" && e.Operation != "sign-out" {
				t.Errorf("sent: %s %s", e.Method, e.Path)
			}
		}
	})
}

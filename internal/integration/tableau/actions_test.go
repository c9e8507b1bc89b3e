package tableau_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/integration/tableau"
	"github.com/margay-access/margay/tableau/tableautest"
)

// T11, G8: the change was made, its answer lost, and somebody else has changed
// the role before it could be read: theirs stays, and a person is told.
func TestSomebodyElseChangedTheRole(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{}, tableautest.RoleSiteAdministratorCreator)
	ann := s.AddUser("ann@acme.example", tableautest.RoleViewer)
	s.Fail(tableautest.Fault{
		Operation: "update-user", Apply: true, Drop: tableautest.DropAfter,
		After: func() { ann.SetRole(tableautest.RoleExplorer) },
	})
	in := tableau.New()
	set, err := in.Action("tableau.users.setSiteRole")
	if err != nil {
		t.Fatal(err)
	}
	args, err := json.Marshal(map[string]string{"id": ann.ID(), "siteRole": tableautest.RoleCreator})
	if err != nil {
		t.Fatal(err)
	}

	_, err = set.Run(t.Context(), s.open(t), args, integration.GuardFunc(func(context.Context) error { return nil }))

	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code != "drift" || !strings.Contains(f.Message, "somebody else changed it") || f.Hint == "" {
		t.Errorf("%v", err)
	}
	if ann.Role() != tableautest.RoleExplorer {
		t.Errorf("the role is %s: what somebody else has set was overwritten", ann.Role())
	}
}

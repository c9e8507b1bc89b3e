package tableau_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration/tableau"
	"github.com/margay-access/margay/tableau/tableautest"
)

// S8: however many of the known users are not on the list, the calls are bounded,
// and nobody who is on the site is taken for gone.
func TestAccountsOfManyWhoAreGone(t *testing.T) {
	t.Parallel()
	const everybody = 120
	tests := map[string]struct {
		gone   int
		passed bool // the first list passes over one who is there
		one    int  // calls for one user
		lists  int  // pages of users
		code   string
	}{
		"nobody":           {lists: 1},
		"a few":            {gone: 50, one: 50, lists: 1},
		"more":             {gone: 51, lists: 2},
		"more, one passed": {gone: 51, passed: true, lists: 4},
		"nearly all":       {gone: 109, lists: 2, code: "other_site"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, tableautest.Config{}, tableautest.RoleSiteAdministratorCreator)
			var known []string
			var users []*tableautest.User
			for i := range everybody {
				u := s.AddUser(fmt.Sprintf("a%03d@acme.example", i), tableautest.RoleViewer)
				users, known = append(users, u), append(known, u.ID())
			}
			for _, u := range users[:tt.gone] {
				u.Remove()
			}
			if tt.passed {
				leaves := s.AddUser("b0000@acme.example", tableautest.RoleViewer)
				for i := range 1000 {
					known = append(known, s.AddUser(fmt.Sprintf("c%04d@acme.example", i), tableautest.RoleViewer).ID())
				}
				s.Fail(tableautest.Fault{Method: "GET", Path: "/api/*/sites/*/users", Query: "pageNumber=2", Before: func() {
					leaves.Remove()
					s.AddUser("zz@acme.example", tableautest.RoleViewer)
				}})
			}
			client := s.open(t)
			began := len(s.Journal())
			progress := 0

			list, err := tableau.New().Accounts(t.Context(), client, known, func(read, of int) {
				if read < progress || read > of {
					t.Errorf("told %d of %d after %d", read, of, progress)
				}
				progress = read
			})

			if got := fault.Public(err).Code; err != nil && got != tt.code || err == nil && tt.code != "" {
				t.Fatalf("%v, want %q", err, tt.code)
			}
			if tt.code != "" {
				if !strings.Contains(fault.Public(err).Message, "109 of the 120 users") {
					t.Error(err)
				}
				return
			}
			var ids []string
			for _, a := range list {
				ids = append(ids, a.ID)
			}
			slices.Sort(ids)
			for i, id := range known {
				if _, found := slices.BinarySearch(ids, id); found != (i >= tt.gone) {
					t.Errorf("user %d: on the list %v", i, found)
				}
			}
			one, lists := 0, 0
			for _, e := range s.Journal()[began:] {
				switch e.Operation {
				case "query-user-on-site":
					one++
				case "get-users-on-site":
					lists++
				}
			}
			if one != tt.one || lists != tt.lists || progress == 0 {
				t.Errorf("%d calls for one user, %d for the list", one, lists)
			}
		})
	}
}

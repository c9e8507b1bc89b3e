package access

import (
	"context"

	"github.com/margay-access/margay/internal/identity"
)

// Sample returns the facts of a grant of the role to the person as they would be
// now. There is no such grant: a workflow is tested with it.
func (s *Service) Sample(ctx context.Context, person identity.PersonID, role RoleID) (Facts, error) {
	var f Facts
	err := s.store.View(ctx, func(tx Reader) (err error) {
		if f.Role, err = tx.Role(ctx, role); err != nil {
			return err
		}
		if f.App, err = tx.App(ctx, f.Role.App); err != nil {
			return err
		}
		if f.Person, err = tx.Person(ctx, person); err != nil {
			return err
		}
		f.Requester = f.Person
		f.Request = Request{ID: "test", Reason: "A test run."}
		f.Grant = Grant{ID: "test", App: f.App.ID, Connection: f.App.Connection, Role: role, RoleName: f.Role.Name, Person: person}
		f.Remaining, err = tx.Grants(ctx, GrantFilter{Person: person, Connection: f.App.Connection, States: []GrantState{GrantActive}})
		return err
	})
	return f, wrap("read the facts of a test run", err)
}

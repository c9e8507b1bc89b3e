package access

import (
	"context"
	"slices"

	"github.com/margay-access/margay/internal/identity"
)

// Approvers returns who may decide on r now, in the order of its policy: nobody
// once it is decided, and never somebody whom the rules would refuse. It is
// what notices are sent by.
func Approvers(ctx context.Context, tx Reader, r Request) ([]identity.Person, error) {
	if r.State != RequestWaiting {
		return nil, nil
	}
	app, err := tx.App(ctx, r.App)
	if err != nil {
		return nil, err
	}
	var ids []identity.PersonID
	for _, a := range r.Policy.Steps[r.step()].Approvers {
		if a.AppOwner {
			ids = append(ids, app.Owners...)
			continue
		}
		ids = append(ids, a.Person)
	}
	var people []identity.Person
	for i, id := range ids {
		if slices.Contains(ids[:i], id) || r.mayDecide(identity.Actor{Person: id}, app) != nil {
			continue
		}
		p, err := tx.Person(ctx, id)
		if err != nil {
			return nil, err
		}
		if !p.Disabled {
			people = append(people, p)
		}
	}
	return people, nil
}

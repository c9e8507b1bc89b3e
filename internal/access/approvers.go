package access

import (
	"context"
	"slices"

	"github.com/margay-access/margay/internal/identity"
)

// mostTold is how many people are told that a request waits.
const mostTold = 500

// Approvers returns who may decide on r now: nobody once it is decided, and never
// somebody whom the rules would refuse. Notices are sent by it.
func Approvers(ctx context.Context, tx Reader, r Request) ([]identity.Person, error) {
	if r.State != RequestWaiting {
		return nil, nil
	}
	app, err := tx.App(ctx, r.App)
	if err != nil {
		return nil, err
	}
	return decidersOf(ctx, tx, r, app, mostTold)
}

// OwnersOf returns the owners of an app, by themselves or by a group, once each.
func OwnersOf(ctx context.Context, tx Reader, app App) ([]identity.Person, error) {
	ids := slices.Clone(app.Owners)
	for _, id := range app.OwnerGroups {
		g, err := tx.Group(ctx, id)
		if err != nil {
			return nil, err
		}
		ids = append(ids, g.Members...)
	}
	var people []identity.Person
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		p, err := tx.Person(ctx, id)
		if err != nil {
			return nil, err
		}
		people = append(people, p)
	}
	return people, nil
}

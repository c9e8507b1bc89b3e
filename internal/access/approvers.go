package access

import (
	"context"

	"github.com/margay-access/margay/internal/identity"
)

// Approvers returns who may decide on r now, by name: nobody once it is decided,
// and never somebody whom the rules would refuse. It is what notices are sent
// by.
func Approvers(ctx context.Context, tx Reader, r Request) ([]identity.Person, error) {
	app, err := tx.App(ctx, r.App)
	if err != nil {
		return nil, err
	}
	return decidersOf(ctx, tx, r, app, mostDeciders)
}

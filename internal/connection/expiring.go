package connection

import (
	"context"
	"errors"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/identity"
)

// Expiring is recorded when a connection's credentials end soon because nothing
// uses them.
const Expiring audit.Kind = "pat.expiring"

// TellExpiring records which credentials end soon, once for each end.
func (s *Service) TellExpiring(ctx context.Context) error {
	cs, err := s.store.Connections(ctx)
	if err != nil {
		return err
	}
	all, err := s.overviews(ctx, "", cs...)
	if err != nil {
		return err
	}
	var errs []error
	for _, o := range all {
		if o.Credential.Warning == "" || !o.PausedAt.IsZero() {
			continue
		}
		e := s.event(Expiring, identity.System(), o.Connection, s.now())
		e.Data["ends"] = o.Credential.EndsAt.UTC().Format(time.DateOnly)
		errs = append(errs, s.store.TellCredential(ctx, o.ID, o.Credential.EndsAt, e))
	}
	return errors.Join(errs...)
}

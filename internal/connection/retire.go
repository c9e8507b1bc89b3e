package connection

import (
	"context"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
)

// Retired is the event of a connection that was put out of use for good.
const Retired audit.Kind = "connection.retired"

// Retired says whether a connection was put out of use for good: it is paused and
// holds no secret.
func (c Connection) Retired(in integration.Integration) bool {
	for _, f := range in.Fields {
		if f.Secret && c.Hints[f.Key] != "" {
			return false
		}
	}
	return !c.PausedAt.IsZero() && hasSecret(in)
}

func hasSecret(in integration.Integration) bool {
	for _, f := range in.Fields {
		if f.Secret {
			return true
		}
	}
	return false
}

// Use says what depends on a connection.
func (s *Service) Use(ctx context.Context, who identity.Actor, id string) (Use, error) {
	if err := who.NeedAdmin(identity.ScopeAccessRead); err != nil {
		return Use{}, err
	}
	return s.store.ConnectionUse(ctx, id)
}

// Needed says whether a connection is needed still: an app is bound to it, or
// access is there that was given through it. It can neither be deleted nor retired.
func (u Use) Needed() bool { return len(u.Apps) > 0 || u.LiveGrants > 0 }

// Retire puts a connection out of use for good that is not needed any more, and
// removes its sealed secret. It stays where access was given through it, so that
// the record can be read. confirm, when it is given, must be its name.
func (s *Service) Retire(ctx context.Context, who identity.Actor, id, confirm string) (Connection, error) {
	if err := who.NeedAdmin(identity.ScopeConnectionsWrite); err != nil {
		return Connection{}, err
	}
	c, in, err := s.get(ctx, id)
	if err != nil || c.Retired(in) {
		return c, err
	}
	if confirm != "" && strings.TrimSpace(confirm) != c.DisplayName {
		return Connection{}, wrongName(c)
	}
	if err := who.NeedProof(s.now()); err != nil {
		return Connection{}, err
	}
	now := s.now()
	c.Version++
	c.UpdatedAt, c.UpdatedBy = now, authorOf(who)
	c.PausedAt, c.PausedBy = now, authorOf(who)
	c.SecretAt, c.SecretBy = time.Time{}, Author{}
	c.Sealed, c.Hints = map[string]string{}, map[string]string{}
	if err := s.store.RetireConnection(ctx, c, s.event(Retired, who, c, now)); err != nil {
		return Connection{}, err
	}
	s.forget(ctx, id)
	return c, nil
}

func wrongName(c Connection) error {
	return fault.Field("confirm", "That is not the name of this connection: it is %s.", c.DisplayName).WithCode("confirm")
}

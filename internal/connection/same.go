package connection

import (
	"context"
	"fmt"
	"maps"

	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
)

// Same returns the connections of an integration that go where the settings say,
// and of them first those with the same credentials, as far as these are no secret.
// Settings are as they are stored; the connection of the id except is left out. Who
// may change connections may know it too.
func (s *Service) Same(ctx context.Context, who identity.Actor, kind string, settings integration.Settings, except string) (credentials, place []Connection, err error) {
	in, err := s.registry.Get(kind)
	if err != nil {
		return nil, nil, err
	}
	if err := who.NeedAdmin(identity.ScopeConnectionsWrite); err != nil && who.NeedAdmin(identity.ScopeAccessRead) != nil {
		return nil, nil, err
	}
	all, err := s.store.Connections(ctx)
	if err != nil {
		return nil, nil, err
	}
	open, _ := split(in.Fields, settings)
	for _, c := range all {
		switch {
		case c.Integration != kind || c.ID == except || in.TargetOf(open).Host == "" || in.TargetOf(c.Settings) != in.TargetOf(open):
		case maps.Equal(c.Settings, open):
			credentials = append(credentials, c)
		default:
			place = append(place, c)
		}
	}
	return credentials, place, nil
}

// SameWarning says that a connection with the same place and credentials is there
// already; "": none is.
func SameWarning(same []Connection) string {
	switch len(same) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("There is a connection with the same settings already: %s (%s).", same[0].DisplayName, same[0].ID)
	}
	return fmt.Sprintf("There are %d connections with the same settings already, such as %s (%s).", len(same), same[0].DisplayName, same[0].ID)
}

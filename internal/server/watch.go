package server

import (
	"context"
	"time"
)

// watchEvery is how often connections are looked at for what nobody tells of.
const watchEvery = time.Hour

// watch tells of credentials that end soon, until ctx ends.
func (s *Server) watch(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		if err := s.connections.TellExpiring(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Log.ErrorContext(ctx, "credentials that end soon could not be told of; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

package connection

import (
	"context"
	"encoding/json"
	"iter"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
)

// Pages reads a whole list for a person, page by page, on one exchange. Only a
// call that reads can be one.
func (s *Service) Pages(ctx context.Context, who identity.Actor, id string, call integration.Call) (iter.Seq2[json.RawMessage, error], error) {
	if err := who.NeedAdmin(identity.ScopeTableauRead); err != nil {
		return nil, err
	}
	if call.Writes() {
		return nil, fault.Field("method", "Only GET lists: %s cannot be followed page by page.", call.Method)
	}
	return func(yield func(json.RawMessage, error) bool) {
		o, done, err := s.use(ctx, id, fault.Conflict)
		if err != nil {
			yield(nil, err)
			return
		}
		defer done()
		ctx := s.usage.observed(ctx, id)
		defer o.client.Hold(ctx)()
		o.client.Pages(ctx, call)(yield)
	}, nil
}

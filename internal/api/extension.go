package api

import (
	"context"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/api/wire"
)

func extensionOf(e access.Extension) *wire.MovedEnd {
	return &wire.MovedEnd{EndsAt: timeOrNil(e.Ends), WouldEndAt: timeOrNil(e.Then), Duration: wire.Duration(e.Length), Capped: e.Capped}
}

// extended returns how requests are told, with what each would do to the end of
// the access that it asks more time for.
func (s *server) extended(ctx context.Context, rs ...access.Request) (func(access.Request) wire.Request, error) {
	all, err := s.Access.Extensions(ctx, rs)
	return func(r access.Request) wire.Request {
		out := requestOf(r)
		if e, ok := all[r.ID]; ok {
			out.Extension = extensionOf(e)
		}
		return out
	}, err
}

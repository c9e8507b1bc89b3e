package api

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
)

// pages adds the one answer that is a stream: a list of any length, an item a
// line.
func (s *server) pages() {
	register(s, http.MethodPost, "/connections/{id}/pages", "read-pages",
		"Read a whole list of the system's API, page by page: an item a line (application/jsonl)", http.StatusOK, s.readPages)
}

// lastLine ends a stream that did not come to its end.
type lastLine struct {
	Problem *wire.Problem `json:"problem"`
}

func (s *server) readPages(ctx context.Context, who identity.Actor, in *oneWith[wire.Call]) (*huma.StreamResponse, error) {
	query, err := queryOf("query", in.Body.Query)
	if err != nil {
		return nil, err
	}
	items, err := s.Connections.Pages(ctx, who, in.ID, integration.Call{Method: in.Body.Method, Path: in.Body.Path, Query: query})
	if err != nil {
		return nil, err
	}
	// The first item is waited for, so that a list that cannot be read at all is
	// a problem with its status.
	next, stop := iter.Pull2(items)
	item, err, ok := next()
	if err != nil {
		stop()
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer stop()
		hc.SetHeader("Content-Type", "application/jsonl")
		out := json.NewEncoder(hc.BodyWriter())
		for ok {
			if err != nil {
				p := s.problemOf(ctx, err)
				_ = out.Encode(lastLine{Problem: (*wire.Problem)(p)}) // the caller may be gone
				return
			}
			if out.Encode(item) != nil {
				return
			}
			item, err, ok = next()
		}
	}}, nil
}

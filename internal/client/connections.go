package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/margay-access/margay/internal/api/wire"
)

// Integration describes one kind of system, such as tableau.
func (c *Client) Integration(ctx context.Context, kind string) (wire.Integration, error) {
	return do[wire.Integration](ctx, c, http.MethodGet, "/integrations/"+url.PathEscape(kind), nil, nil)
}

// Connections lists the connections.
func (c *Client) Connections(ctx context.Context) (wire.List[wire.Connection], error) {
	return do[wire.List[wire.Connection]](ctx, c, http.MethodGet, "/connections", nil, nil)
}

// Connection returns one connection.
func (c *Client) Connection(ctx context.Context, id string) (wire.Connection, error) {
	return do[wire.Connection](ctx, c, http.MethodGet, "/connections/"+url.PathEscape(id), nil, nil)
}

// CreateConnection connects a site.
func (c *Client) CreateConnection(ctx context.Context, in wire.NewConnection) (wire.Connection, error) {
	return do[wire.Connection](ctx, c, http.MethodPost, "/connections", nil, in)
}

// ChangeConnection changes a connection. A site_content_url that is left out is
// saved as empty, which is the Default site.
func (c *Client) ChangeConnection(ctx context.Context, id string, in wire.ChangedConnection) (wire.Connection, error) {
	return do[wire.Connection](ctx, c, http.MethodPatch, "/connections/"+url.PathEscape(id), nil, in)
}

// DeleteConnection removes a connection that no app is bound to. Its display
// name says which is meant.
func (c *Client) DeleteConnection(ctx context.Context, id, name string) error {
	_, err := do[nothing](ctx, c, http.MethodDelete, "/connections/"+url.PathEscape(id), url.Values{"confirm": {name}}, nil)
	return err
}

// CheckConnection runs the health checks of a connection: those of these keys,
// or all.
func (c *Client) CheckConnection(ctx context.Context, id string, keys ...string) (wire.List[wire.Check], error) {
	return do[wire.List[wire.Check]](ctx, c, http.MethodPost, "/connections/"+url.PathEscape(id)+"/checks", onlyQuery(keys), nil)
}

// Call makes any call of the system behind a connection. Whatever the system
// answers is no error.
func (c *Client) Call(ctx context.Context, id string, in wire.Call) (wire.CallAnswer, error) {
	return do[wire.CallAnswer](ctx, c, http.MethodPost, "/connections/"+url.PathEscape(id)+"/call", nil, in)
}

package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/margay-access/margay/internal/api/wire"
)

// TestConnection runs the health checks with settings that are not stored.
func (c *Client) TestConnection(ctx context.Context, in wire.TestConnection) (wire.List[wire.Check], error) {
	return do[wire.List[wire.Check]](ctx, c, http.MethodPost, "/connections/test", nil, in)
}

// PreviewConnection says what a change would do.
func (c *Client) PreviewConnection(ctx context.Context, id string, in wire.ChangedConnection) (wire.EditPlan, error) {
	return do[wire.EditPlan](ctx, c, http.MethodPost, "/connections/"+url.PathEscape(id)+"/preview", nil, in)
}

// RotateConnection replaces a connection's credentials once the system has
// accepted the new ones.
func (c *Client) RotateConnection(ctx context.Context, id string, in wire.ChangedConnection) (wire.Connection, error) {
	return do[wire.Connection](ctx, c, http.MethodPost, "/connections/"+url.PathEscape(id)+"/rotate", nil, in)
}

// PauseConnection keeps anything from being sent over a connection.
func (c *Client) PauseConnection(ctx context.Context, id string) (wire.Connection, error) {
	return do[wire.Connection](ctx, c, http.MethodPost, "/connections/"+url.PathEscape(id)+"/pause", nil, nil)
}

// RetireConnection puts a connection out of use for good. name is its display
// name, or "".
func (c *Client) RetireConnection(ctx context.Context, id, name string) (wire.Connection, error) {
	return do[wire.Connection](ctx, c, http.MethodPost, "/connections/"+url.PathEscape(id)+"/retire", url.Values{"confirm": {name}}, nil)
}

// ResumeConnection ends a pause.
func (c *Client) ResumeConnection(ctx context.Context, id string) (wire.Connection, error) {
	return do[wire.Connection](ctx, c, http.MethodPost, "/connections/"+url.PathEscape(id)+"/resume", nil, nil)
}

// ConnectionCalls lists what was sent over a connection lately.
func (c *Client) ConnectionCalls(ctx context.Context, id string) (wire.ConnectionCalls, error) {
	return do[wire.ConnectionCalls](ctx, c, http.MethodGet, "/connections/"+url.PathEscape(id)+"/calls", nil, nil)
}

// onlyQuery asks for some of the checks; all for none.
func onlyQuery(keys []string) url.Values {
	if len(keys) == 0 {
		return nil
	}
	return url.Values{"only": {strings.Join(keys, ",")}}
}

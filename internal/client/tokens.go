package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/margay-access/margay/internal/api/wire"
)

// Tokens lists the caller's tokens, or everybody's.
func (c *Client) Tokens(ctx context.Context, all bool) (wire.List[wire.Token], error) {
	q := url.Values{}
	if all {
		q.Set("all", "true")
	}
	return do[wire.List[wire.Token]](ctx, c, http.MethodGet, "/tokens", q, nil)
}

// CreateToken makes a token for the caller and returns its value, this once.
func (c *Client) CreateToken(ctx context.Context, in wire.NewToken) (wire.TokenValue, error) {
	return do[wire.TokenValue](ctx, c, http.MethodPost, "/tokens", nil, in)
}

// RevokeToken ends a token at once.
func (c *Client) RevokeToken(ctx context.Context, id string) (wire.Token, error) {
	return do[wire.Token](ctx, c, http.MethodPost, "/tokens/"+url.PathEscape(id)+"/revoke", nil, nil)
}

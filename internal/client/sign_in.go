package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/margay-access/margay/internal/api/wire"
)

// SignIn says how somebody can sign in to the web UI.
func (c *Client) SignIn(ctx context.Context, person string) (wire.SignIn, error) {
	return do[wire.SignIn](ctx, c, http.MethodGet, "/people/"+url.PathEscape(person)+"/sign-in", nil, nil)
}

// MakeSignInLink makes a link with which somebody sets a password and returns
// its address, this once. The server asks for the caller's own password too.
func (c *Client) MakeSignInLink(ctx context.Context, person string, own wire.OwnPassword) (wire.SignInLinkValue, error) {
	return do[wire.SignInLinkValue](ctx, c, http.MethodPost, "/people/"+url.PathEscape(person)+"/sign-in-link", nil, own)
}

// VoidSignInLink ends somebody's link before it is used.
func (c *Client) VoidSignInLink(ctx context.Context, person string) error {
	_, err := c.send(ctx, http.MethodDelete, "/people/"+url.PathEscape(person)+"/sign-in-link", nil, nil)
	return err
}

// ChangePassword changes the caller's own password for the web UI.
func (c *Client) ChangePassword(ctx context.Context, in wire.NewPassword) error {
	_, err := c.send(ctx, http.MethodPost, "/me/password", nil, in)
	return err
}

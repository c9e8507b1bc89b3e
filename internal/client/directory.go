package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/margay-access/margay/internal/api/wire"
)

// Me returns whose token the client has.
func (c *Client) Me(ctx context.Context) (wire.Person, error) {
	return do[wire.Person](ctx, c, http.MethodGet, "/me", nil, nil)
}

// People lists the people.
func (c *Client) People(ctx context.Context) (wire.List[wire.Person], error) {
	return do[wire.List[wire.Person]](ctx, c, http.MethodGet, "/people", nil, nil)
}

// Person returns one person.
func (c *Client) Person(ctx context.Context, id string) (wire.Person, error) {
	return do[wire.Person](ctx, c, http.MethodGet, "/people/"+url.PathEscape(id), nil, nil)
}

// AddPerson adds somebody to the directory.
func (c *Client) AddPerson(ctx context.Context, in wire.NewPerson) (wire.Person, error) {
	return do[wire.Person](ctx, c, http.MethodPost, "/people", nil, in)
}

// ChangePerson changes somebody.
func (c *Client) ChangePerson(ctx context.Context, id string, in wire.ChangedPerson) (wire.Person, error) {
	return do[wire.Person](ctx, c, http.MethodPatch, "/people/"+url.PathEscape(id), nil, in)
}

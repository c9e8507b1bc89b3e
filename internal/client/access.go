package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/margay-access/margay/internal/api/wire"
)

// Page chooses a part of a list.
type Page struct {
	Limit  int    // 1 to 200; 0: the server's default
	Cursor string // next_cursor of the page before
}

func (p Page) query(pairs ...string) url.Values {
	q := url.Values{}
	if p.Limit > 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	pairs = append(pairs, "cursor", p.Cursor)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

// Apps lists the apps.
func (c *Client) Apps(ctx context.Context) (wire.List[wire.App], error) {
	return do[wire.List[wire.App]](ctx, c, http.MethodGet, "/apps", nil, nil)
}

// App returns one app.
func (c *Client) App(ctx context.Context, id string) (wire.App, error) {
	return do[wire.App](ctx, c, http.MethodGet, "/apps/"+url.PathEscape(id), nil, nil)
}

// CreateApp makes an app.
func (c *Client) CreateApp(ctx context.Context, in wire.NewApp) (wire.App, error) {
	return do[wire.App](ctx, c, http.MethodPost, "/apps", nil, in)
}

// ChangeApp changes an app.
func (c *Client) ChangeApp(ctx context.Context, id string, in wire.ChangedApp) (wire.App, error) {
	return do[wire.App](ctx, c, http.MethodPatch, "/apps/"+url.PathEscape(id), nil, in)
}

// Roles lists the roles of an app.
func (c *Client) Roles(ctx context.Context, app string) (wire.List[wire.Role], error) {
	return do[wire.List[wire.Role]](ctx, c, http.MethodGet, "/apps/"+url.PathEscape(app)+"/roles", nil, nil)
}

// CreateRole makes a role of an app.
func (c *Client) CreateRole(ctx context.Context, app string, in wire.NewRole) (wire.Role, error) {
	return do[wire.Role](ctx, c, http.MethodPost, "/apps/"+url.PathEscape(app)+"/roles", nil, in)
}

// ChangeRole changes a role of an app.
func (c *Client) ChangeRole(ctx context.Context, app, role string, in wire.ChangedRole) (wire.Role, error) {
	return do[wire.Role](ctx, c, http.MethodPatch, "/apps/"+url.PathEscape(app)+"/roles/"+url.PathEscape(role), nil, in)
}

// Policies lists the policies.
func (c *Client) Policies(ctx context.Context) (wire.List[wire.Policy], error) {
	return do[wire.List[wire.Policy]](ctx, c, http.MethodGet, "/policies", nil, nil)
}

// CreatePolicy makes a policy.
func (c *Client) CreatePolicy(ctx context.Context, in wire.NewPolicy) (wire.Policy, error) {
	return do[wire.Policy](ctx, c, http.MethodPost, "/policies", nil, in)
}

// ChangePolicy saves a new version of a policy after the one that was seen: all of
// it, not a part.
func (c *Client) ChangePolicy(ctx context.Context, id string, version int, in wire.NewPolicy) (wire.Policy, error) {
	change := wire.Replacing(in)
	change.Version = version
	return do[wire.Policy](ctx, c, http.MethodPatch, "/policies/"+url.PathEscape(id), nil, change)
}

// RequestFilter chooses requests; the zero value is all that the caller may see.
type RequestFilter struct {
	State     string
	Person    string
	App       string
	Role      string
	Decidable bool // only those that the caller may decide on now
	Stuck     bool // only those that nobody may decide on at present
}

// Requests returns one page of requests, newest first.
func (c *Client) Requests(ctx context.Context, f RequestFilter, p Page) (wire.List[wire.Request], error) {
	q := p.query("state", f.State, "person_id", f.Person, "app_id", f.App, "role_id", f.Role)
	if f.Decidable {
		q.Set("decidable", "true")
	}
	if f.Stuck {
		q.Set("nobody_decides", "true")
	}
	return do[wire.List[wire.Request]](ctx, c, http.MethodGet, "/requests", q, nil)
}

// Request returns one request and what became of its access.
func (c *Client) Request(ctx context.Context, id string) (wire.Request, error) {
	return do[wire.Request](ctx, c, http.MethodGet, "/requests/"+url.PathEscape(id), nil, nil)
}

// FileRequest asks for a role.
func (c *Client) FileRequest(ctx context.Context, in wire.NewRequest) (wire.Request, error) {
	return do[wire.Request](ctx, c, http.MethodPost, "/requests", nil, in)
}

// Approve approves the step of a request that is waiting.
func (c *Client) Approve(ctx context.Context, id string, in wire.Decision) (wire.Request, error) {
	return do[wire.Request](ctx, c, http.MethodPost, "/requests/"+url.PathEscape(id)+"/approve", nil, in)
}

// Deny denies a request.
func (c *Client) Deny(ctx context.Context, id string, in wire.Decision) (wire.Request, error) {
	return do[wire.Request](ctx, c, http.MethodPost, "/requests/"+url.PathEscape(id)+"/deny", nil, in)
}

// Withdraw takes a request back.
func (c *Client) Withdraw(ctx context.Context, id string) (wire.Request, error) {
	return do[wire.Request](ctx, c, http.MethodPost, "/requests/"+url.PathEscape(id)+"/withdraw", nil, nil)
}

// Grant returns one grant.
func (c *Client) Grant(ctx context.Context, id string) (wire.Grant, error) {
	return do[wire.Grant](ctx, c, http.MethodGet, "/grants/"+url.PathEscape(id), nil, nil)
}

// Revoke ends access before its time.
func (c *Client) Revoke(ctx context.Context, id string, in wire.Revocation) (wire.Grant, error) {
	return do[wire.Grant](ctx, c, http.MethodPost, "/grants/"+url.PathEscape(id)+"/revoke", nil, in)
}

// RetryGrant makes a new run for a change that was not carried out.
func (c *Client) RetryGrant(ctx context.Context, id string) (wire.Grant, error) {
	return do[wire.Grant](ctx, c, http.MethodPost, "/grants/"+url.PathEscape(id)+"/retry", nil, nil)
}

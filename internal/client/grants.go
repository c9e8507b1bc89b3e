package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
)

// GrantFilter chooses grants; the zero value is all that the caller may see.
type GrantFilter struct {
	States    []string
	Person    string
	App       string
	RoleName  string
	Text      string    // part of the person's name or e-mail address, or of the role's name
	ExpiresBy time.Time // only those that end by themselves before this time
	At        string    // only those that were there on this day or at this time
}

func (f GrantFilter) query(p Page) url.Values {
	q := p.query("state", strings.Join(f.States, ","), "person_id", f.Person, "app_id", f.App, "role", f.RoleName, "q", f.Text, "at", f.At)
	if !f.ExpiresBy.IsZero() {
		q.Set("expires_before", f.ExpiresBy.UTC().Format(time.RFC3339))
	}
	return q
}

// Grants returns one page of grants, newest first.
func (c *Client) Grants(ctx context.Context, f GrantFilter, p Page) (wire.List[wire.Grant], error) {
	return do[wire.List[wire.Grant]](ctx, c, http.MethodGet, "/grants", f.query(p), nil)
}

func dry() url.Values { return url.Values{"dry_run": {"true"}} }

// PreviewRevoke says what ending a grant would do, and does nothing.
func (c *Client) PreviewRevoke(ctx context.Context, id string) (wire.Grant, error) {
	return do[wire.Grant](ctx, c, http.MethodPost, "/grants/"+url.PathEscape(id)+"/revoke", dry(), nil)
}

// RevokeAll ends all access of a person.
func (c *Client) RevokeAll(ctx context.Context, person string, in wire.Revocation) (wire.List[wire.RevokedGrant], error) {
	return do[wire.List[wire.RevokedGrant]](ctx, c, http.MethodPost, "/people/"+url.PathEscape(person)+"/revoke-all", nil, in)
}

// PreviewRevokeAll says what ending all access of a person would do.
func (c *Client) PreviewRevokeAll(ctx context.Context, person string) (wire.List[wire.RevokedGrant], error) {
	return do[wire.List[wire.RevokedGrant]](ctx, c, http.MethodPost, "/people/"+url.PathEscape(person)+"/revoke-all", dry(), nil)
}

// ExtendGrant asks for more time of a grant.
func (c *Client) ExtendGrant(ctx context.Context, id string, in wire.Extension) (wire.Request, error) {
	return do[wire.Request](ctx, c, http.MethodPost, "/grants/"+url.PathEscape(id)+"/extend", nil, in)
}

// ExtendRequest asks for more time of the access that came of a request.
func (c *Client) ExtendRequest(ctx context.Context, id string, in wire.Extension) (wire.Request, error) {
	return do[wire.Request](ctx, c, http.MethodPost, "/requests/"+url.PathEscape(id)+"/extend", nil, in)
}

// ReduceGrant shortens a grant.
func (c *Client) ReduceGrant(ctx context.Context, id string, in wire.Reduction) (wire.Grant, error) {
	return do[wire.Grant](ctx, c, http.MethodPost, "/grants/"+url.PathEscape(id)+"/reduce", nil, in)
}

// provisioningPath is of an app, or with role of one of its roles.
func provisioningPath(app, role string) string {
	path := "/apps/" + url.PathEscape(app)
	if role != "" {
		path += "/roles/" + url.PathEscape(role)
	}
	return path + "/provisioning"
}

// Provisioning returns how access of an app, or of one of its roles, is carried out.
func (c *Client) Provisioning(ctx context.Context, app, role string) (wire.Provisioning, error) {
	return do[wire.Provisioning](ctx, c, http.MethodGet, provisioningPath(app, role), nil, nil)
}

// SetProvisioning says how access of an app, or of one of its roles, is carried out.
func (c *Client) SetProvisioning(ctx context.Context, app, role string, in wire.ChangedProvisioning) (wire.Provisioning, error) {
	return do[wire.Provisioning](ctx, c, http.MethodPut, provisioningPath(app, role), nil, in)
}

// TaskFilter chooses tasks; the zero value is all that the caller may see.
type TaskFilter struct {
	State string
	App   string
	Grant string
	Mine  bool
}

// Tasks returns one page of tasks, newest first.
func (c *Client) Tasks(ctx context.Context, f TaskFilter, p Page) (wire.List[wire.Task], error) {
	q := p.query("state", f.State, "app_id", f.App, "grant_id", f.Grant)
	if f.Mine {
		q.Set("mine", "true")
	}
	return do[wire.List[wire.Task]](ctx, c, http.MethodGet, "/tasks", q, nil)
}

// FinishTask says what became of a task.
func (c *Client) FinishTask(ctx context.Context, id string, ok bool, in wire.TaskOutcome) (wire.Task, error) {
	act := "fail"
	if ok {
		act = "done"
	}
	return do[wire.Task](ctx, c, http.MethodPost, "/tasks/"+url.PathEscape(id)+"/"+act, nil, in)
}

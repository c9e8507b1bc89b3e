package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/margay-access/margay/internal/api/wire"
)

// Bundles lists the bundles that can be installed.
func (c *Client) Bundles(ctx context.Context) (wire.List[wire.Bundle], error) {
	return do[wire.List[wire.Bundle]](ctx, c, http.MethodGet, "/bundles", nil, nil)
}

// InstallBundle installs a bundle's workflows as editable copies, or returns
// those that are installed.
func (c *Client) InstallBundle(ctx context.Context, integration, slug string) (wire.List[wire.Workflow], error) {
	return do[wire.List[wire.Workflow]](ctx, c, http.MethodPost,
		"/bundles/"+url.PathEscape(integration)+"/"+url.PathEscape(slug)+"/install", nil, nil)
}

// Workflows lists the workflows.
func (c *Client) Workflows(ctx context.Context) (wire.List[wire.Workflow], error) {
	return do[wire.List[wire.Workflow]](ctx, c, http.MethodGet, "/workflows", nil, nil)
}

// RunFilter chooses runs; the zero value is all that the caller may see.
type RunFilter struct {
	State  string
	Grant  string
	Person string
}

// Runs returns one page of runs, newest first.
func (c *Client) Runs(ctx context.Context, f RunFilter, p Page) (wire.List[wire.Run], error) {
	q := p.query("state", f.State, "grant_id", f.Grant, "person_id", f.Person)
	return do[wire.List[wire.Run]](ctx, c, http.MethodGet, "/runs", q, nil)
}

// Run returns one run with its steps.
func (c *Client) Run(ctx context.Context, id string) (wire.Run, error) {
	return do[wire.Run](ctx, c, http.MethodGet, "/runs/"+url.PathEscape(id), nil, nil)
}

// RetryRun makes a new run for what this one did not carry out.
func (c *Client) RetryRun(ctx context.Context, id string) (wire.Run, error) {
	return do[wire.Run](ctx, c, http.MethodPost, "/runs/"+url.PathEscape(id)+"/retry", nil, nil)
}

// VerifyAudit checks that the audit log was not changed.
func (c *Client) VerifyAudit(ctx context.Context) (wire.Verification, error) {
	return do[wire.Verification](ctx, c, http.MethodGet, "/audit/verify", nil, nil)
}

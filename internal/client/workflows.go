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
	State      string
	Kind       string
	Grant      string
	Person     string
	App        string
	Connection string
	Workflow   string
	Trigger    string
	Since      string // RFC 3339
}

// Runs returns one page of runs, newest first.
func (c *Client) Runs(ctx context.Context, f RunFilter, p Page) (wire.List[wire.Run], error) {
	q := p.query("state", f.State, "kind", f.Kind, "grant_id", f.Grant, "person_id", f.Person, "app_id", f.App, "connection_id", f.Connection,
		"workflow_id", f.Workflow, "trigger", f.Trigger, "since", f.Since)
	return do[wire.List[wire.Run]](ctx, c, http.MethodGet, "/runs", q, nil)
}

// Run returns one run with its steps.
func (c *Client) Run(ctx context.Context, id string) (wire.Run, error) {
	return do[wire.Run](ctx, c, http.MethodGet, "/runs/"+url.PathEscape(id), nil, nil)
}

// WatchRun returns the run as soon as it is another one than at the revision, or
// half a minute has passed.
func (c *Client) WatchRun(ctx context.Context, id, revision string) (wire.Run, error) {
	return do[wire.Run](ctx, c, http.MethodGet, "/runs/"+url.PathEscape(id)+"/watch", url.Values{"revision": {revision}}, nil)
}

// CancelRun ends a run between two of its steps.
func (c *Client) CancelRun(ctx context.Context, id string) (wire.Run, error) {
	return do[wire.Run](ctx, c, http.MethodPost, "/runs/"+url.PathEscape(id)+"/cancel", nil, nil)
}

// TestWorkflow runs a workflow with what it would change held back.
func (c *Client) TestWorkflow(ctx context.Context, id string, t wire.TestRun) (wire.TestReport, error) {
	return do[wire.TestReport](ctx, c, http.MethodPost, "/workflows/"+url.PathEscape(id)+"/test", nil, t)
}

// RetryRun makes a new run for what this one did not carry out.
func (c *Client) RetryRun(ctx context.Context, id string) (wire.Run, error) {
	return do[wire.Run](ctx, c, http.MethodPost, "/runs/"+url.PathEscape(id)+"/retry", nil, nil)
}

// StartableWorkflows lists the workflows that the caller may run.
func (c *Client) StartableWorkflows(ctx context.Context) (wire.List[wire.Workflow], error) {
	return do[wire.List[wire.Workflow]](ctx, c, http.MethodGet, "/workflows", url.Values{"may_run": {"true"}}, nil)
}

// VerifyAudit checks that the audit log was not changed.
func (c *Client) VerifyAudit(ctx context.Context) (wire.Verification, error) {
	return do[wire.Verification](ctx, c, http.MethodGet, "/audit/verify", nil, nil)
}

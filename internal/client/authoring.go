package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/margay-access/margay/internal/api/wire"
)

func workflowPath(id, act string) string { return "/workflows/" + url.PathEscape(id) + act }

// InstallBundleFor installs a bundle's workflows and assigns them to an app.
func (c *Client) InstallBundleFor(ctx context.Context, integration, slug string, in wire.InstalledBundle) (wire.List[wire.Workflow], error) {
	return do[wire.List[wire.Workflow]](ctx, c, http.MethodPost,
		"/bundles/"+url.PathEscape(integration)+"/"+url.PathEscape(slug)+"/install", nil, in)
}

// AssignWorkflows chooses the workflows that carry out an app's roles.
func (c *Client) AssignWorkflows(ctx context.Context, app string, in wire.AssignedWorkflows) (wire.App, error) {
	return do[wire.App](ctx, c, http.MethodPost, "/apps/"+url.PathEscape(app)+"/workflows", nil, in)
}

// ArchivedWorkflows lists the workflows that were put away.
func (c *Client) ArchivedWorkflows(ctx context.Context) (wire.List[wire.Workflow], error) {
	return do[wire.List[wire.Workflow]](ctx, c, http.MethodGet, "/workflows", url.Values{"archived": {"true"}}, nil)
}

// Workflow returns one workflow with its draft and published version.
func (c *Client) Workflow(ctx context.Context, id string) (wire.WorkflowDetail, error) {
	return do[wire.WorkflowDetail](ctx, c, http.MethodGet, workflowPath(id, ""), nil, nil)
}

// CreateWorkflow makes a workflow with a draft.
func (c *Client) CreateWorkflow(ctx context.Context, in wire.NewWorkflow) (wire.WorkflowDetail, error) {
	return do[wire.WorkflowDetail](ctx, c, http.MethodPost, "/workflows", nil, in)
}

// ChangeWorkflow changes what surrounds a workflow's text.
func (c *Client) ChangeWorkflow(ctx context.Context, id string, in wire.ChangedWorkflow) (wire.WorkflowDetail, error) {
	return do[wire.WorkflowDetail](ctx, c, http.MethodPatch, workflowPath(id, ""), nil, in)
}

// SaveDraft saves the draft of a workflow.
func (c *Client) SaveDraft(ctx context.Context, id string, in wire.SavedDraft) (wire.WorkflowDetail, error) {
	return do[wire.WorkflowDetail](ctx, c, http.MethodPut, workflowPath(id, "/draft"), nil, in)
}

// DiscardDraft throws the draft of a workflow away.
func (c *Client) DiscardDraft(ctx context.Context, id string, revision int) (wire.WorkflowDetail, error) {
	return do[wire.WorkflowDetail](ctx, c, http.MethodDelete, workflowPath(id, "/draft"), url.Values{"revision": {strconv.Itoa(revision)}}, nil)
}

// PublishWorkflow makes the draft the published version.
func (c *Client) PublishWorkflow(ctx context.Context, id string, in wire.Publication) (wire.WorkflowDetail, error) {
	return do[wire.WorkflowDetail](ctx, c, http.MethodPost, workflowPath(id, "/publish"), nil, in)
}

// WorkflowVersions lists the versions of a workflow, the newest first.
func (c *Client) WorkflowVersions(ctx context.Context, id string) (wire.List[wire.VersionShort], error) {
	return do[wire.List[wire.VersionShort]](ctx, c, http.MethodGet, workflowPath(id, "/versions"), nil, nil)
}

// DiffWorkflow compares two contents of a workflow.
func (c *Client) DiffWorkflow(ctx context.Context, id, from, to string) (wire.WorkflowDiff, error) {
	q := url.Values{}
	if from != "" {
		q.Set("from", from)
	}
	if to != "" {
		q.Set("to", to)
	}
	return do[wire.WorkflowDiff](ctx, c, http.MethodGet, workflowPath(id, "/diff"), q, nil)
}

// RestoreWorkflow makes a draft of an old version.
func (c *Client) RestoreWorkflow(ctx context.Context, id, version string) (wire.WorkflowDetail, error) {
	return do[wire.WorkflowDetail](ctx, c, http.MethodPost, workflowPath(id, "/restore"), nil, wire.Restoration{Version: version})
}

// UpdateWorkflow makes a draft of what the bundle ships now.
func (c *Client) UpdateWorkflow(ctx context.Context, id string) (wire.WorkflowDetail, error) {
	return do[wire.WorkflowDetail](ctx, c, http.MethodPost, workflowPath(id, "/update"), nil, nil)
}

// DuplicateWorkflow makes a workflow of the same text.
func (c *Client) DuplicateWorkflow(ctx context.Context, id, name string) (wire.WorkflowDetail, error) {
	return do[wire.WorkflowDetail](ctx, c, http.MethodPost, workflowPath(id, "/duplicate"), nil, wire.Duplication{Name: name})
}

// ArchiveWorkflow puts a workflow away.
func (c *Client) ArchiveWorkflow(ctx context.Context, id string) (wire.WorkflowDetail, error) {
	return do[wire.WorkflowDetail](ctx, c, http.MethodPost, workflowPath(id, "/archive"), nil, nil)
}

// UnarchiveWorkflow brings a workflow back.
func (c *Client) UnarchiveWorkflow(ctx context.Context, id string) (wire.WorkflowDetail, error) {
	return do[wire.WorkflowDetail](ctx, c, http.MethodPost, workflowPath(id, "/unarchive"), nil, nil)
}

// RunWorkflow runs a manual workflow.
func (c *Client) RunWorkflow(ctx context.Context, id string, in wire.StartedRun) (wire.Run, error) {
	return do[wire.Run](ctx, c, http.MethodPost, workflowPath(id, "/run"), nil, in)
}

// Declarations returns what an editor checks workflows of an integration
// against.
func (c *Client) Declarations(ctx context.Context, integration string) (wire.Declarations, error) {
	return do[wire.Declarations](ctx, c, http.MethodGet, "/integrations/"+url.PathEscape(integration)+"/declarations", nil, nil)
}

// AskAgain asks the workflow of a request's waiting step again.
func (c *Client) AskAgain(ctx context.Context, request string) (wire.Request, error) {
	return do[wire.Request](ctx, c, http.MethodPost, "/requests/"+url.PathEscape(request)+"/retry", nil, nil)
}

package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/margay-access/margay/internal/api/wire"
)

// PrepareBatch says what an act would come to with each of many things.
func (c *Client) PrepareBatch(ctx context.Context, b wire.NewBatch) (wire.Batch, error) {
	return do[wire.Batch](ctx, c, http.MethodPost, "/batches", nil, b)
}

// StartBatch has a batch done as it was prepared.
func (c *Client) StartBatch(ctx context.Context, id, reason string) (wire.Batch, error) {
	return do[wire.Batch](ctx, c, http.MethodPost, batchPath(id, "start"), nil, wire.StartBatch{Reason: reason})
}

// StopBatch begins nothing more of a batch.
func (c *Client) StopBatch(ctx context.Context, id string) (wire.Batch, error) {
	return do[wire.Batch](ctx, c, http.MethodPost, batchPath(id, "stop"), nil, nil)
}

// Batch returns how far a batch is.
func (c *Client) Batch(ctx context.Context, id string) (wire.Batch, error) {
	return do[wire.Batch](ctx, c, http.MethodGet, batchPath(id), nil, nil)
}

// Batches returns one page of batches, the newest first.
func (c *Client) Batches(ctx context.Context, state string, p Page) (wire.List[wire.Batch], error) {
	return do[wire.List[wire.Batch]](ctx, c, http.MethodGet, "/batches", p.query("state", state), nil)
}

// BatchRows returns one page of the things of a batch, in their order.
func (c *Client) BatchRows(ctx context.Context, id, state string, p Page) (wire.List[wire.BatchRow], error) {
	return do[wire.List[wire.BatchRow]](ctx, c, http.MethodGet, batchPath(id, "rows"), p.query("state", state), nil)
}

func batchPath(id string, more ...string) string {
	return strings.Join(append([]string{"/batches", url.PathEscape(id)}, more...), "/")
}

package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
)

func driftPath(app string, more ...string) string {
	parts := []string{"/apps", url.PathEscape(app), "drift"}
	for _, part := range more {
		parts = append(parts, url.PathEscape(part))
	}
	return strings.Join(parts, "/")
}

// Compare has what was granted in an app compared with what the system says.
func (c *Client) Compare(ctx context.Context, app string) (wire.Comparison, error) {
	return do[wire.Comparison](ctx, c, http.MethodPost, driftPath(app), nil, nil)
}

// Comparison returns one comparison of an app, or its latest.
func (c *Client) Comparison(ctx context.Context, app, id string) (wire.Comparison, error) {
	return do[wire.Comparison](ctx, c, http.MethodGet, driftPath(app, id), nil, nil)
}

// Comparisons returns one page of the comparisons of an app, newest first.
func (c *Client) Comparisons(ctx context.Context, app string, p Page) (wire.List[wire.Comparison], error) {
	return do[wire.List[wire.Comparison]](ctx, c, http.MethodGet, driftPath(app), p.query(), nil)
}

// Differences returns one page of what a comparison found, of these kinds.
func (c *Client) Differences(ctx context.Context, app, comparison string, kinds []string, p Page) (wire.List[wire.Difference], error) {
	return do[wire.List[wire.Difference]](ctx, c, http.MethodGet, driftPath(app, comparison, "differences"), p.query("kind", strings.Join(kinds, ",")), nil)
}

// Resolve settles a difference.
func (c *Client) Resolve(ctx context.Context, app, difference string, in wire.Resolution) (wire.Grant, error) {
	return do[wire.Grant](ctx, c, http.MethodPost, driftPath(app, "differences", difference, "resolve"), nil, in)
}

// HistoryFilter chooses rows of the history of an app's roles.
type HistoryFilter struct {
	Person   string
	RoleName string
	From     time.Time
	Until    time.Time
}

func (f HistoryFilter) query(p Page) url.Values {
	q := p.query("person_id", f.Person, "role", f.RoleName)
	if !f.From.IsZero() {
		q.Set("from", f.From.UTC().Format(time.RFC3339))
	}
	if !f.Until.IsZero() {
		q.Set("to", f.Until.UTC().Format(time.RFC3339))
	}
	return q
}

// History returns one page of the history of an app's roles, newest first.
func (c *Client) History(ctx context.Context, app string, f HistoryFilter, p Page) (wire.List[wire.HistoryRow], error) {
	return do[wire.List[wire.HistoryRow]](ctx, c, http.MethodGet, "/apps/"+url.PathEscape(app)+"/history", f.query(p), nil)
}

// HistoryCSV writes the whole history of an app's roles to out as CSV, as it
// comes.
func (c *Client) HistoryCSV(ctx context.Context, app string, f HistoryFilter, out io.Writer) error {
	q := f.query(Page{})
	q.Set("format", "csv")
	body, err := c.open(ctx, http.MethodGet, "/apps/"+url.PathEscape(app)+"/history", q, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(out, body); err != nil {
		return c.unreachable(ctx, err)
	}
	return nil
}

// AcceptChange takes what somebody changed in the system as the end of a grant.
func (c *Client) AcceptChange(ctx context.Context, grant string, in wire.Settlement) (wire.Grant, error) {
	return do[wire.Grant](ctx, c, http.MethodPost, "/grants/"+url.PathEscape(grant)+"/accept", nil, in)
}

// Restore sets a grant up once more that somebody changed in the system.
func (c *Client) Restore(ctx context.Context, grant string, in wire.Settlement) (wire.Grant, error) {
	return do[wire.Grant](ctx, c, http.MethodPost, "/grants/"+url.PathEscape(grant)+"/restore", nil, in)
}

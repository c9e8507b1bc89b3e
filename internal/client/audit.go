package client

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
)

// EventFilter picks events of the audit log; its zero value picks all.
type EventFilter struct {
	Subject string // "grant:grt_…"
	Kinds   []string
	Actor   string
	Since   time.Time
	Until   time.Time
	Text    string
}

// Events returns one page of the audit log, newest first.
func (c *Client) Events(ctx context.Context, f EventFilter, p Page) (wire.List[wire.Event], error) {
	q := p.query("subject", f.Subject, "kind", strings.Join(f.Kinds, ","), "actor", f.Actor, "since", moment(f.Since), "until", moment(f.Until), "q", f.Text)
	return do[wire.List[wire.Event]](ctx, c, http.MethodGet, "/audit", q, nil)
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

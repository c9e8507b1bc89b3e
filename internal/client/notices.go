package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/margay-access/margay/internal/api/wire"
)

func webhook(id string) string { return "/webhooks/" + url.PathEscape(id) }

// Webhooks lists the webhooks.
func (c *Client) Webhooks(ctx context.Context) (wire.List[wire.Webhook], error) {
	return do[wire.List[wire.Webhook]](ctx, c, http.MethodGet, "/webhooks", nil, nil)
}

// Webhook returns one webhook.
func (c *Client) Webhook(ctx context.Context, id string) (wire.Webhook, error) {
	return do[wire.Webhook](ctx, c, http.MethodGet, webhook(id), nil, nil)
}

// AddWebhook adds a webhook and returns its secret, this once.
func (c *Client) AddWebhook(ctx context.Context, in wire.NewWebhook) (wire.WebhookSecret, error) {
	return do[wire.WebhookSecret](ctx, c, http.MethodPost, "/webhooks", nil, in)
}

// ChangeWebhook changes, pauses or enables a webhook.
func (c *Client) ChangeWebhook(ctx context.Context, id string, in wire.ChangedWebhook) (wire.Webhook, error) {
	return do[wire.Webhook](ctx, c, http.MethodPatch, webhook(id), nil, in)
}

// DeleteWebhook deletes a webhook with its deliveries.
func (c *Client) DeleteWebhook(ctx context.Context, id string) error {
	_, err := do[nothing](ctx, c, http.MethodDelete, webhook(id), nil, nil)
	return err
}

// TestWebhook posts a test message and returns what came of it.
func (c *Client) TestWebhook(ctx context.Context, id string) (wire.Delivery, error) {
	return do[wire.Delivery](ctx, c, http.MethodPost, webhook(id)+"/test", nil, nil)
}

// RotateWebhook gives a webhook a new secret and returns it, this once.
func (c *Client) RotateWebhook(ctx context.Context, id string) (wire.WebhookSecret, error) {
	return do[wire.WebhookSecret](ctx, c, http.MethodPost, webhook(id)+"/rotate", nil, nil)
}

// Deliveries lists the deliveries of a webhook in a state, newest first.
func (c *Client) Deliveries(ctx context.Context, id, state string, p Page) (wire.List[wire.Delivery], error) {
	q := p.query()
	if state != "" {
		q.Set("state", state)
	}
	return do[wire.List[wire.Delivery]](ctx, c, http.MethodGet, webhook(id)+"/deliveries", q, nil)
}

// ReplayDelivery makes a delivery be tried again.
func (c *Client) ReplayDelivery(ctx context.Context, id, delivery string) (wire.Delivery, error) {
	return do[wire.Delivery](ctx, c, http.MethodPost, webhook(id)+"/deliveries/"+url.PathEscape(delivery)+"/replay", nil, nil)
}

// Mail says whether mail is sent, and whether the caller gets it.
func (c *Client) Mail(ctx context.Context) (wire.MailStatus, error) {
	return do[wire.MailStatus](ctx, c, http.MethodGet, "/notices/mail", nil, nil)
}

// ChangeMail says whether the caller wants mail.
func (c *Client) ChangeMail(ctx context.Context, mine bool) (wire.MailStatus, error) {
	return do[wire.MailStatus](ctx, c, http.MethodPatch, "/notices/mail", nil, wire.ChangedMail{Mine: mine})
}

// TestMail sends a mail to the caller.
func (c *Client) TestMail(ctx context.Context) (wire.MailSent, error) {
	return do[wire.MailSent](ctx, c, http.MethodPost, "/notices/mail/test", nil, nil)
}

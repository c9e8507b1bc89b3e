package api

import (
	"context"
	"net/http"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/notice"
)

func (s *server) noticeRoutes() {
	register(s, http.MethodGet, "/webhooks", "list-webhooks", "List the webhooks", http.StatusOK, s.listWebhooks)
	register(s, http.MethodPost, "/webhooks", "add-webhook", "Add a webhook; its secret is shown once", http.StatusCreated, s.addWebhook)
	register(s, http.MethodGet, "/webhooks/{id}", "get-webhook", "Show one webhook", http.StatusOK, s.getWebhook)
	register(s, http.MethodPatch, "/webhooks/{id}", "change-webhook", "Change, pause or enable a webhook", http.StatusOK, s.changeWebhook)
	register(s, http.MethodDelete, "/webhooks/{id}", "delete-webhook", "Delete a webhook with its deliveries", http.StatusNoContent, s.deleteWebhook)
	register(s, http.MethodPost, "/webhooks/{id}/test", "test-webhook", "Post a test message now", http.StatusOK, s.testWebhook)
	register(s, http.MethodPost, "/webhooks/{id}/rotate", "rotate-webhook", "Give a webhook a new secret, shown once", http.StatusOK, s.rotateWebhook)
	register(s, http.MethodGet, "/webhooks/{id}/deliveries", "list-deliveries", "List the deliveries of a webhook, newest first", http.StatusOK, s.listDeliveries)
	register(s, http.MethodPost, "/webhooks/{id}/deliveries/{delivery}/replay", "replay-delivery", "Try a delivery again", http.StatusAccepted, s.replayDelivery)
	register(s, http.MethodGet, "/notices/mail", "get-mail", "Say whether mail is sent, and whether you get it", http.StatusOK, s.getMail)
	register(s, http.MethodPatch, "/notices/mail", "change-mail", "Say whether you want mail", http.StatusOK, s.changeMail)
	register(s, http.MethodPost, "/notices/mail/test", "test-mail", "Send a mail to yourself now", http.StatusOK, s.testMail)
}

// when returns a time that may be none.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func webhookOf(w notice.Webhook) wire.Webhook {
	out := wire.Webhook{
		ID: w.ID, Name: w.Name, URL: w.URL, Types: []string{}, Content: string(w.Content), State: string(w.State), Problem: w.Problem,
		FailingAt: when(w.FailingAt), SucceededAt: when(w.SucceededAt), Secrets: []wire.SecretInWait{}, CreatedAt: w.CreatedAt,
	}
	for _, t := range w.Types {
		out.Types = append(out.Types, string(t))
	}
	for _, secret := range w.Secrets {
		out.Secrets = append(out.Secrets, wire.SecretInWait{SetAt: secret.CreatedAt, ExpiresAt: when(secret.ExpiresAt)})
	}
	return out
}

func deliveryOf(d notice.Delivery) wire.Delivery {
	out := wire.Delivery{
		ID: d.ID, MessageID: d.Message, Type: string(d.Type), Subject: d.Subject, State: string(d.State), Attempts: d.Attempts,
		CreatedAt: d.CreatedAt, DoneAt: when(d.DoneAt), Problem: d.Problem, Body: d.Body, Tries: []wire.DeliveryTry{},
	}
	if d.State == notice.Waiting {
		out.NextAt = when(d.NextAt)
	}
	for _, t := range d.Tries {
		out.Tries = append(out.Tries, wire.DeliveryTry{
			At: t.At, DurationMS: float64(t.Took.Microseconds()) / 1000, Status: t.Status, Problem: t.Problem,
			Request: append([]string{}, t.Request...), Response: append([]string{}, t.Response...),
		})
	}
	return out
}

func typesOf(names []string) []notice.Type {
	types := make([]notice.Type, 0, len(names))
	for _, n := range names {
		types = append(types, notice.Type(n))
	}
	return types
}

func (s *server) listWebhooks(ctx context.Context, who identity.Actor, _ *nothing) (*body[wire.List[wire.Webhook]], error) {
	ws, err := s.Notices.Webhooks(ctx, who)
	return listOf(ws, webhookOf), err
}

func (s *server) addWebhook(ctx context.Context, who identity.Actor, in *with[wire.NewWebhook]) (*body[wire.WebhookSecret], error) {
	w, secret, err := s.Notices.AddWebhook(ctx, who, notice.Webhook{
		Name: in.Body.Name, URL: in.Body.URL, Types: typesOf(in.Body.Types), Content: notice.Content(in.Body.Content),
	})
	return answer(wire.WebhookSecret{Webhook: webhookOf(w), Secret: secret}), err
}

func (s *server) getWebhook(ctx context.Context, who identity.Actor, in *one) (*body[wire.Webhook], error) {
	w, err := s.Notices.Webhook(ctx, who, in.ID)
	return answer(webhookOf(w)), err
}

func (s *server) changeWebhook(ctx context.Context, who identity.Actor, in *oneWith[wire.ChangedWebhook]) (*body[wire.Webhook], error) {
	c := notice.WebhookChange{Name: in.Body.Name, URL: in.Body.URL, Paused: in.Body.Paused}
	if in.Body.Types != nil {
		c.Types = new(typesOf(*in.Body.Types))
	}
	if in.Body.Content != nil {
		c.Content = new(notice.Content(*in.Body.Content))
	}
	w, err := s.Notices.ChangeWebhook(ctx, who, in.ID, c)
	return answer(webhookOf(w)), err
}

func (s *server) deleteWebhook(ctx context.Context, who identity.Actor, in *one) (*nothing, error) {
	return &nothing{}, s.Notices.DeleteWebhook(ctx, who, in.ID)
}

func (s *server) testWebhook(ctx context.Context, who identity.Actor, in *one) (*body[wire.Delivery], error) {
	d, err := s.Notices.TestWebhook(ctx, who, in.ID)
	return answer(deliveryOf(d)), err
}

func (s *server) rotateWebhook(ctx context.Context, who identity.Actor, in *one) (*body[wire.WebhookSecret], error) {
	w, secret, err := s.Notices.RotateSecret(ctx, who, in.ID)
	return answer(wire.WebhookSecret{Webhook: webhookOf(w), Secret: secret}), err
}

type deliveryPage struct {
	Page
	ID    string `path:"id"`
	State string `query:"state" enum:"waiting,delivered,failed,cancelled"`
}

func (s *server) listDeliveries(ctx context.Context, who identity.Actor, in *deliveryPage) (*body[wire.List[wire.Delivery]], error) {
	if err := in.check("dlv"); err != nil {
		return nil, err
	}
	ds, err := s.Notices.Deliveries(ctx, who, notice.DeliveryFilter{
		Queue: in.ID, State: notice.DeliveryState(in.State), Before: in.Cursor, Limit: in.Limit + 1,
	})
	return pageOf(ds, in.Limit, func(d notice.Delivery) string { return d.ID }, deliveryOf), err
}

type oneDelivery struct {
	ID       string `path:"id"`
	Delivery string `path:"delivery"`
}

func (s *server) replayDelivery(ctx context.Context, who identity.Actor, in *oneDelivery) (*body[wire.Delivery], error) {
	d, err := s.Notices.Replay(ctx, who, in.ID, in.Delivery)
	return answer(deliveryOf(d)), err
}

func mailStatusOf(st notice.MailStatus) *body[wire.MailStatus] {
	return answer(wire.MailStatus{On: st.On, Mine: !st.Refused})
}

func (s *server) getMail(ctx context.Context, who identity.Actor, _ *nothing) (*body[wire.MailStatus], error) {
	st, err := s.Notices.MailStatus(ctx, who)
	return mailStatusOf(st), err
}

func (s *server) changeMail(ctx context.Context, who identity.Actor, in *with[wire.ChangedMail]) (*body[wire.MailStatus], error) {
	st, err := s.Notices.RefuseMail(ctx, who, !in.Body.Mine)
	return mailStatusOf(st), err
}

func (s *server) testMail(ctx context.Context, who identity.Actor, _ *nothing) (*body[wire.MailSent], error) {
	to, err := s.Notices.TestMail(ctx, who)
	return answer(wire.MailSent{To: to}), err
}

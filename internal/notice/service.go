package notice

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// Sealer keeps the secrets of webhooks at rest.
type Sealer interface {
	Seal(plain []byte, place string) (string, error)
	Open(sealed, place string) ([]byte, error)
}

// Sender sends mail. An error that trying again cannot help is a fault.Invalid.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// Config is what the service needs.
type Config struct {
	Store       Store
	Sealer      Sealer
	Mail        Sender // nil: no mail is sent
	ExternalURL string // where people reach this server; "": no links
	// Control refuses addresses that may not be posted to.
	Control   func(network, address string, c syscall.RawConn) error
	RootCAs   *x509.CertPool // nil: the system's
	UserAgent string
	Now       func() time.Time
	NewID     func(prefix string) string
	Jitter    func() float64 // of [0, 1); nil: by chance
	Finishing time.Duration  // how long an attempt may go on after a stop; 0: some seconds
	Log       *slog.Logger
}

// Service manages webhooks and tells people and programs.
type Service struct {
	cfg    Config
	poster *http.Client

	mu   sync.Mutex
	busy map[string]int // attempts under way, by queue
}

// NewService returns the service.
func NewService(cfg Config) *Service {
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	if cfg.Finishing == 0 {
		cfg.Finishing = finishing
	}
	return &Service{cfg: cfg, poster: newPoster(cfg), busy: map[string]int{}}
}

var system = identity.System()

// need refuses whoever is no administrator, and records that.
func (s *Service) need(ctx context.Context, who identity.Actor, act string) error {
	err := who.NeedAdmin(identity.ScopeAdmin)
	if err == nil {
		return nil
	}
	recorded := s.cfg.Store.ChangeNotices(ctx, func(tx Tx) error {
		return tx.Record(ctx, audit.Event{
			At: s.cfg.Now(), Kind: identity.ActRefused, Actor: who.String(), Subject: "webhook", Data: map[string]string{"act": act, "code": fault.Public(err).Code},
		})
	})
	return errors.Join(err, recorded)
}

// present refuses an administrator who is none any more, in the writers' turn.
func present(ctx context.Context, tx Reader, who identity.Actor) error {
	p, err := tx.Person(ctx, who.Person)
	if err != nil {
		return err
	}
	if p.Disabled || !p.Admin {
		return fault.New(fault.Forbidden, "You are no administrator any more.").WithCode("admin_needed")
	}
	return nil
}

// Webhooks lists the webhooks.
func (s *Service) Webhooks(ctx context.Context, who identity.Actor) (ws []Webhook, err error) {
	if err := s.need(ctx, who, "list"); err != nil {
		return nil, err
	}
	err = s.cfg.Store.ViewNotices(ctx, func(r Reader) error {
		ws, err = r.Webhooks(ctx)
		return err
	})
	return ws, err
}

// Webhook returns one webhook.
func (s *Service) Webhook(ctx context.Context, who identity.Actor, id string) (w Webhook, err error) {
	if err := s.need(ctx, who, "show"); err != nil {
		return w, err
	}
	err = s.cfg.Store.ViewNotices(ctx, func(r Reader) error {
		w, err = r.Webhook(ctx, id)
		return err
	})
	return w, err
}

// AddWebhook makes a webhook and returns it with its secret, which is shown this
// once. It is told of what happens from now on.
func (s *Service) AddWebhook(ctx context.Context, who identity.Actor, w Webhook) (Webhook, string, error) {
	if err := s.need(ctx, who, "add"); err != nil {
		return w, "", err
	}
	w, err := w.check()
	if err != nil {
		return w, "", err
	}
	now := s.cfg.Now()
	w.ID, w.State, w.CreatedAt = s.cfg.NewID("whk"), Enabled, now
	secret, value, err := s.newSecret(w, now)
	if err != nil {
		return w, "", err
	}
	w.Secrets = []Secret{secret}
	err = s.cfg.Store.ChangeNotices(ctx, func(tx Tx) error {
		if err := present(ctx, tx, who); err != nil {
			return err
		}
		all, err := tx.Webhooks(ctx)
		if err != nil {
			return err
		}
		if len(all) >= maxWebhooks {
			return fault.New(fault.Conflict, "There are %d webhooks already: that is the most there can be.", maxWebhooks).WithCode("too_many")
		}
		if w.Since, err = tx.LastEvent(ctx); err != nil {
			return err
		}
		if err := tx.SaveWebhook(ctx, w); err != nil {
			return err
		}
		return tx.Record(ctx, w.event(WebhookAdded, who, now))
	})
	return w, value, err
}

func (s *Service) newSecret(w Webhook, now time.Time) (Secret, string, error) {
	value := newSecret()
	secret := Secret{ID: s.cfg.NewID("sec"), CreatedAt: now}
	sealed, err := s.cfg.Sealer.Seal([]byte(value), w.place(secret))
	secret.Sealed = sealed
	return secret, value, err
}

// WebhookChange is what may be changed of a webhook; nil leaves it as it is.
type WebhookChange struct {
	Name    *string
	URL     *string
	Types   *[]Type
	Content *Content
	Paused  *bool // false enables one that was disabled too
}

// ChangeWebhook changes a webhook. One that is enabled again is told of what
// happens from then on.
func (s *Service) ChangeWebhook(ctx context.Context, who identity.Actor, id string, c WebhookChange) (Webhook, error) {
	if err := s.need(ctx, who, "change"); err != nil {
		return Webhook{}, err
	}
	return s.change(ctx, who, id, func(tx Tx, w Webhook, now time.Time) (Webhook, audit.Kind, error) {
		w, err := c.of(w).check()
		if err != nil || c.Paused == nil {
			return w, WebhookChanged, err
		}
		switch {
		case *c.Paused && w.State == Enabled:
			w.State = Paused
			err = tx.CancelDeliveries(ctx, w.ID, "The webhook was paused.", now)
		case !*c.Paused && w.State != Enabled:
			w.State, w.Problem, w.FailingAt = Enabled, "", time.Time{}
			w.Since, err = tx.LastEvent(ctx)
		}
		return w, WebhookChanged, err
	})
}

func (c WebhookChange) of(w Webhook) Webhook {
	if c.Name != nil {
		w.Name = *c.Name
	}
	if c.URL != nil {
		w.URL = *c.URL
	}
	if c.Types != nil {
		w.Types = *c.Types
	}
	if c.Content != nil {
		w.Content = *c.Content
	}
	return w
}

// change runs one change of a webhook and keeps it with its event.
func (s *Service) change(ctx context.Context, who identity.Actor, id string, rule func(tx Tx, w Webhook, now time.Time) (Webhook, audit.Kind, error)) (Webhook, error) {
	var changed Webhook
	err := s.cfg.Store.ChangeNotices(ctx, func(tx Tx) error {
		if err := present(ctx, tx, who); err != nil {
			return err
		}
		w, err := tx.Webhook(ctx, id)
		if err != nil {
			return err
		}
		now := s.cfg.Now()
		w, kind, err := rule(tx, w, now)
		if err != nil {
			return err
		}
		changed = w
		if err := tx.SaveWebhook(ctx, w); err != nil {
			return err
		}
		return tx.Record(ctx, w.event(kind, who, now, "state", string(w.State)))
	})
	return changed, err
}

// RotateSecret gives a webhook a new secret, which is shown this once. Messages
// are signed with the one before too, for a day.
func (s *Service) RotateSecret(ctx context.Context, who identity.Actor, id string) (Webhook, string, error) {
	if err := s.need(ctx, who, "rotate"); err != nil {
		return Webhook{}, "", err
	}
	value := ""
	w, err := s.change(ctx, who, id, func(_ Tx, w Webhook, now time.Time) (Webhook, audit.Kind, error) {
		secret, fresh, err := s.newSecret(w, now)
		if err != nil {
			return w, WebhookRotated, err
		}
		value = fresh
		kept := []Secret{secret}
		if before := w.Secrets[0]; true {
			before.ExpiresAt = now.Add(rotationTerm)
			kept = append(kept, before)
		}
		w.Secrets = kept // an older one still has no place: who rotates twice wants it gone
		return w, WebhookRotated, nil
	})
	return w, value, err
}

// DeleteWebhook removes a webhook with its deliveries.
func (s *Service) DeleteWebhook(ctx context.Context, who identity.Actor, id string) error {
	if err := s.need(ctx, who, "delete"); err != nil {
		return err
	}
	return s.cfg.Store.ChangeNotices(ctx, func(tx Tx) error {
		if err := present(ctx, tx, who); err != nil {
			return err
		}
		w, err := tx.Webhook(ctx, id)
		if err != nil {
			return err
		}
		if err := tx.DeleteWebhook(ctx, id); err != nil {
			return err
		}
		return tx.Record(ctx, w.event(WebhookDeleted, who, s.cfg.Now()))
	})
}

// Deliveries lists the deliveries of a webhook, newest first.
func (s *Service) Deliveries(ctx context.Context, who identity.Actor, f DeliveryFilter) (ds []Delivery, err error) {
	if err := s.need(ctx, who, "list deliveries"); err != nil {
		return nil, err
	}
	err = s.cfg.Store.ViewNotices(ctx, func(r Reader) error {
		if _, err := r.Webhook(ctx, f.Queue); err != nil {
			return err
		}
		ds, err = r.Deliveries(ctx, f)
		return err
	})
	return ds, err
}

// TestWebhook posts a message of no meaning, at once, and returns what came of
// it. It works for one that is paused or disabled too.
func (s *Service) TestWebhook(ctx context.Context, who identity.Actor, id string) (Delivery, error) {
	if err := s.need(ctx, who, "test"); err != nil {
		return Delivery{}, err
	}
	now := s.cfg.Now()
	d := Delivery{
		ID: s.cfg.NewID("dlv"), Queue: id, Message: s.cfg.NewID("msg"), Type: typeTest, Subject: "webhook:" + id,
		State: Failed, Attempts: 1, CreatedAt: now, NextAt: now,
	}
	d.Once = d.Queue + " " + d.Message
	var w Webhook
	if err := s.cfg.Store.ViewNotices(ctx, func(r Reader) (err error) {
		w, err = r.Webhook(ctx, id)
		return err
	}); err != nil {
		return d, err
	}
	d.Body = message{Type: typeTest, Timestamp: now.UTC().Format(timeFormat), Data: &facts{
		Object: "webhook", ID: id, State: string(w.State), Link: linkTo(s.cfg.ExternalURL, d.Subject),
	}}.text()
	o := s.post(ctx, w, d)
	o.permanent = true // a test is not tried again
	d = d.settle(o, schedule, 0, s.cfg.Now())
	return d, s.cfg.Store.ChangeNotices(ctx, func(tx Tx) error {
		if _, err := tx.Webhook(ctx, id); err != nil {
			return err
		}
		return tx.AddDelivery(ctx, d)
	})
}

// Replay makes a delivery be tried again, from the first attempt on, under the
// same message id.
func (s *Service) Replay(ctx context.Context, who identity.Actor, webhook, id string) (Delivery, error) {
	if err := s.need(ctx, who, "replay"); err != nil {
		return Delivery{}, err
	}
	var d Delivery
	_, err := s.change(ctx, who, webhook, func(tx Tx, w Webhook, now time.Time) (Webhook, audit.Kind, error) {
		var err error
		d, err = tx.Delivery(ctx, id)
		switch {
		case err != nil:
			return w, "", err
		case d.Queue != w.ID:
			return w, "", NoDelivery(id)
		case w.State != Enabled:
			return w, "", fault.New(fault.Conflict, "The webhook is %s: nothing is delivered to it.", w.State).WithCode("webhook_off").WithHint("Enable it first.")
		case d.State == Waiting:
			return w, "", fault.New(fault.Conflict, "This delivery is waiting to be tried already.").WithCode("waiting")
		}
		d.State, d.Attempts, d.NextAt, d.DoneAt, d.Problem = Waiting, 0, now, time.Time{}, ""
		return w, WebhookReplayed, tx.SaveDelivery(ctx, d)
	})
	return d, err
}

// NoWebhook is the fault for a webhook that is not there.
func NoWebhook(id string) error {
	return fault.New(fault.NotFound, "There is no webhook %s.", id).WithCode("webhook_missing")
}

// NoDelivery is the fault for a delivery that is not there.
func NoDelivery(id string) error {
	return fault.New(fault.NotFound, "There is no delivery %s of this webhook.", id).WithCode("delivery_missing")
}

// MailStatus is what is told of mail.
type MailStatus struct {
	On      bool // this server has a mail server set up
	Refused bool // the caller wants none
}

// MailStatus says whether mail is sent, and whether the caller gets it.
func (s *Service) MailStatus(ctx context.Context, who identity.Actor) (st MailStatus, err error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return st, err
	}
	st.On = s.cfg.Mail != nil
	err = s.cfg.Store.ViewNotices(ctx, func(r Reader) error {
		st.Refused, err = r.RefusesMail(ctx, who.Person)
		return err
	})
	return st, err
}

// RefuseMail says whether the caller wants no mail from now on.
func (s *Service) RefuseMail(ctx context.Context, who identity.Actor, refuse bool) (MailStatus, error) {
	if err := who.Need(identity.ScopeRequestsWrite); err != nil {
		return MailStatus{}, err
	}
	return MailStatus{On: s.cfg.Mail != nil, Refused: refuse}, s.cfg.Store.ChangeNotices(ctx, func(tx Tx) error {
		now := map[bool]string{true: "off", false: "on"}[refuse]
		if err := tx.SetRefusesMail(ctx, who.Person, refuse); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Event{At: s.cfg.Now(), Kind: MailChanged, Actor: who.String(), Subject: "person:" + string(who.Person), Data: map[string]string{"mail": now}})
	})
}

// TestMail sends a mail to the caller, at once.
func (s *Service) TestMail(ctx context.Context, who identity.Actor) (to string, err error) {
	if err := s.need(ctx, who, "test mail"); err != nil {
		return "", err
	}
	if s.cfg.Mail == nil {
		return "", fault.New(fault.Conflict, "This server sends no mail: no mail server is set up.").WithCode("mail_off").
			WithHint("Start it with MARGAY_SMTP_HOST and MARGAY_SMTP_FROM.")
	}
	var p identity.Person
	if err := s.cfg.Store.ViewNotices(ctx, func(r Reader) error {
		p, err = r.Person(ctx, who.Person)
		return err
	}); err != nil {
		return "", err
	}
	l := letter{Subject: "Mail from Margay works", Lines: []string{"This is the test that " + p.Name + " asked for."}, Act: "Open Margay", Link: s.cfg.ExternalURL, Why: "you asked for it"}
	m, err := l.to(p, s.cfg.NewID("msg"))
	if err != nil {
		return "", err
	}
	if err := s.cfg.Mail.Send(ctx, m); err != nil {
		f := fault.Public(err)
		return "", fault.New(fault.Unavailable, "%s", f.Message).WithCode(f.Code).WithHint("%s", f.Hint).WithDetail(f.Detail).Because(err)
	}
	return p.Email, nil
}

package notice

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

const (
	planBatch = 100 // events turned into deliveries in one transaction
	endBatch  = 100 // ends told in one transaction
	// stale is how old an event may be that is still mailed of: after a long stop
	// nobody wants mail about last week.
	stale = 3 * 24 * time.Hour
)

// Begin is called once, at the start: from now on mail is sent of what happens,
// if it is set up, and of nothing that happened while it was not.
func (s *Service) Begin(ctx context.Context) error {
	return s.cfg.Store.ChangeNotices(ctx, func(tx Tx) error {
		c, err := tx.Cursor(ctx)
		if err != nil {
			return err
		}
		switch on := s.cfg.Mail != nil; {
		case on == (c.MailSince >= 0):
			return nil
		case !on:
			c.MailSince = -1
		default:
			if c.MailSince, err = tx.LastEvent(ctx); err != nil {
				return err
			}
		}
		return tx.SaveCursor(ctx, c)
	})
}

// Plan turns the recorded events into deliveries, at most a batch of them, and
// returns whether there may be more. Each event is turned once: the cursor moves
// in the transaction that keeps its deliveries.
func (s *Service) Plan(ctx context.Context) (more bool, err error) {
	idle, err := s.nothingToPlan(ctx)
	if err != nil || idle {
		return false, err
	}
	err = s.cfg.Store.ChangeNotices(ctx, func(tx Tx) error {
		more = false
		c, hooks, err := s.receivers(ctx, tx)
		if err != nil {
			return err
		}
		events, err := tx.EventsAfter(ctx, c.Seq, planBatch)
		if err != nil || len(events) == 0 {
			return err
		}
		more = len(events) == planBatch
		p := planner{Service: s, tx: tx, hooks: hooks, mailSince: c.MailSince}
		for _, e := range events {
			if err := p.plan(ctx, e); err != nil {
				return fmt.Errorf("plan notices of event %d: %w", e.Seq, err)
			}
			c.Seq = e.Seq
		}
		return tx.SaveCursor(ctx, c)
	})
	return more, err
}

// nothingToPlan looks without taking the writers' turn.
func (s *Service) nothingToPlan(ctx context.Context) (idle bool, err error) {
	err = s.cfg.Store.ViewNotices(ctx, func(r Reader) error {
		c, hooks, err := s.receivers(ctx, r)
		if err != nil {
			return err
		}
		last, err := r.LastEvent(ctx)
		idle = len(hooks) == 0 && c.MailSince < 0 || c.Seq >= last
		return err
	})
	return idle, err
}

// receivers returns the enabled webhooks, and the cursor moved over what nobody
// is told of.
func (s *Service) receivers(ctx context.Context, r Reader) (Cursor, []Webhook, error) {
	c, err := r.Cursor(ctx)
	if err != nil {
		return c, nil, err
	}
	all, err := r.Webhooks(ctx)
	if err != nil {
		return c, nil, err
	}
	first, told := c.MailSince, c.MailSince >= 0
	var hooks []Webhook
	for _, w := range all {
		if w.State != Enabled {
			continue
		}
		hooks = append(hooks, w)
		if !told || w.Since < first {
			first, told = w.Since, true
		}
	}
	if told {
		c.Seq = max(c.Seq, first)
	}
	return c, hooks, nil
}

// planner makes the deliveries of some events in one transaction.
type planner struct {
	*Service
	tx        Tx
	hooks     []Webhook
	mailSince int64
	people    []identity.Person
}

func (p *planner) plan(ctx context.Context, e audit.Event) error {
	link := linkTo(p.cfg.ExternalURL, e.Subject)
	if err := p.post(ctx, e, link); err != nil {
		return err
	}
	if p.mailSince < 0 || e.Seq <= p.mailSince || p.cfg.Now().Sub(e.At) > stale {
		return nil
	}
	return p.mail(ctx, e, link)
}

// post makes the deliveries to webhooks.
func (p *planner) post(ctx context.Context, e audit.Event, link string) error {
	t, told := topicOf(e)
	if !told {
		return nil
	}
	text := ""
	for _, w := range p.hooks {
		if !w.wants(t.typ, e.Seq) {
			continue
		}
		if text == "" {
			m := t.of(e, link)
			r, g, err := subjectOf(ctx, p.tx, e)
			if err := ignoreGone(err); err != nil {
				return err
			}
			if err == nil {
				m.Data.about(r, g)
			}
			text = m.text()
		}
		if err := p.add(ctx, Delivery{Queue: w.ID, Message: e.ID, Type: t.typ, Subject: e.Subject, Once: w.ID + " " + e.ID, Body: text}); err != nil {
			return err
		}
	}
	return nil
}

// mail makes the deliveries to people.
func (p *planner) mail(ctx context.Context, e audit.Event, link string) error {
	s, err := sceneOf(ctx, p.tx, e, link, p.everybody(ctx))
	if err != nil {
		return ignoreGone(err)
	}
	told := map[identity.PersonID]bool{}
	for _, a := range s.letters() {
		a.Link = link
		for _, to := range a.to {
			if to.Disabled || told[to.ID] {
				continue
			}
			told[to.ID] = true
			if refuses, err := a.refusedBy(ctx, p.tx, to.ID); err != nil {
				return err
			} else if refuses {
				continue
			}
			once := Mail + " " + e.ID + " " + string(to.ID)
			if a.daily {
				once = strings.Join([]string{Mail, string(e.Kind), e.Subject, string(to.ID), e.At.UTC().Format(time.DateOnly)}, " ")
			}
			t, _ := topicOf(e)
			if err := p.add(ctx, Delivery{Queue: Mail, Message: e.ID, Type: t.typ, Subject: e.Subject, Person: to.ID, Once: once, Body: a.encoded()}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *planner) add(ctx context.Context, d Delivery) error {
	now := p.cfg.Now()
	d.ID, d.State, d.NextAt, d.CreatedAt = p.cfg.NewID("dlv"), Waiting, now, now
	return p.tx.AddDelivery(ctx, d)
}

// everybody reads the directory when it is first asked for.
func (p *planner) everybody(ctx context.Context) func() ([]identity.Person, error) {
	return func() (_ []identity.Person, err error) {
		if p.people == nil {
			p.people, err = p.tx.AllPeople(ctx)
		}
		return p.people, err
	}
}

// ignoreGone lets pass that what an event is about is not there any more: one
// such event must not hold up all others.
func ignoreGone(err error) error {
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	return err
}

// TellEnds records that the ends of grants are near, once for each end, so that
// they are told like any event. Without anybody to tell it records nothing.
func (s *Service) TellEnds(ctx context.Context) error {
	some, err := s.endsToTell(ctx)
	if err != nil || !some {
		return err
	}
	return s.cfg.Store.ChangeNotices(ctx, func(tx Tx) error {
		now := s.cfg.Now()
		grants, err := tx.UntoldEnds(ctx, now, now.Add(longestLead), endBatch)
		if err != nil {
			return err
		}
		for _, g := range grants {
			if err := tx.TellEnd(ctx, g.ID, g.EndsAt); err != nil {
				return err
			}
			if err := tx.Record(ctx, audit.Event{
				At: now, Kind: Expiring, Actor: identity.System().String(), Subject: "grant:" + string(g.ID),
				Data: map[string]string{"ends": g.EndsAt.UTC().Format(time.RFC3339), "role": g.RoleName, "person": string(g.Person)},
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) endsToTell(ctx context.Context) (some bool, err error) {
	err = s.cfg.Store.ViewNotices(ctx, func(r Reader) error {
		c, hooks, err := s.receivers(ctx, r)
		if err != nil || len(hooks) == 0 && c.MailSince < 0 {
			return err
		}
		now := s.cfg.Now()
		grants, err := r.UntoldEnds(ctx, now, now.Add(longestLead), 1)
		some = len(grants) > 0
		return err
	})
	return some, err
}

package notice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/margay-access/margay/internal/fault"
)

const (
	tellEvery  = time.Second // how often events and due deliveries are looked for
	endsEvery  = 10          // ends are looked for each so many ticks
	sweepEvery = 600         // old deliveries are removed each so many ticks
	keepFor    = 30 * 24 * time.Hour
	sweepBatch = 1000
	// claimTerm is how long a delivery is this node's: longer than an attempt can
	// take. A node that is killed leaves it to the others after that.
	claimTerm   = 2 * time.Minute
	perQueue    = 4 // attempts at one receiver side by side: a slow one holds up no other
	perTick     = 32
	mailWorkers = 2
)

// mailDelays are the times between attempts to send a mail.
var mailDelays = []time.Duration{
	0, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// Run tells until ctx ends. What is under way then has a few seconds more; what
// is not done by then, the next start does.
func (s *Service) Run(ctx context.Context) {
	ticker := time.NewTicker(tellEvery) //nolint:forbidigo // the clock of the notices
	defer ticker.Stop()
	var under sync.WaitGroup
	defer under.Wait()
	for tick := 0; ; tick++ {
		s.turn(ctx, tick, &under)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// turn is what is done at each tick. An error is logged: nobody waits for
// notices, and the next tick tries again.
func (s *Service) turn(ctx context.Context, tick int, under *sync.WaitGroup) {
	log := func(what string, err error) {
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.ErrorContext(ctx, "notices: trying again", "what", what, "error", err)
		}
	}
	if tick%endsEvery == 0 {
		log("tell of ends", s.TellEnds(ctx))
	}
	for more := true; more; {
		var err error
		more, err = s.Plan(ctx)
		log("plan", err)
	}
	log("deliver", s.Deliver(ctx, under))
	if tick%sweepEvery == sweepEvery-1 {
		log("remove old deliveries", s.sweep(ctx))
	}
}

func (s *Service) sweep(ctx context.Context) error {
	before := s.cfg.Now().Add(-keepFor)
	for {
		n := 0
		err := s.cfg.Store.ChangeNotices(ctx, func(tx Tx) (err error) {
			n, err = tx.DropDeliveries(ctx, before, sweepBatch)
			return err
		})
		if err != nil || n < sweepBatch {
			return err
		}
	}
}

// Deliver begins attempts at the deliveries that are due, each in a goroutine
// of under.
func (s *Service) Deliver(ctx context.Context, under *sync.WaitGroup) error {
	now := s.cfg.Now()
	var due []Delivery
	err := s.cfg.Store.ViewNotices(ctx, func(r Reader) error {
		queues, err := r.DueQueues(ctx, now)
		if err != nil {
			return err
		}
		for _, q := range queues {
			ds, err := r.DueDeliveries(ctx, q, now, perTick)
			if err != nil {
				return err
			}
			due = append(due, ds...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, d := range due {
		leave, free := s.enter(d.Queue)
		if !free {
			continue
		}
		under.Go(func() {
			defer leave()
			attempt, end := s.outlive(ctx)
			defer end()
			if err := s.attempt(attempt, d.ID); err != nil {
				s.cfg.Log.ErrorContext(ctx, "notices: a delivery could not be attempted; trying again", "delivery", d.ID, "error", err)
			}
		})
	}
	return nil
}

// enter takes a place in a queue, if one is free.
func (s *Service) enter(queue string) (leave func(), free bool) {
	places := perQueue
	if queue == Mail {
		places = mailWorkers
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[queue] >= places {
		return nil, false
	}
	s.busy[queue]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.busy[queue]--; s.busy[queue] == 0 {
			delete(s.busy, queue)
		}
	}, true
}

// attempt makes one attempt at a delivery, unless another node does or it is
// not waiting any more.
func (s *Service) attempt(ctx context.Context, id string) error {
	now := s.cfg.Now()
	claimed, err := s.cfg.Store.ClaimDelivery(ctx, id, now, now.Add(claimTerm))
	if err != nil || !claimed {
		return err
	}
	var d Delivery
	if err := s.cfg.Store.ViewNotices(ctx, func(r Reader) (err error) {
		d, err = r.Delivery(ctx, id)
		return err
	}); err != nil {
		return err
	}
	if d.Queue == Mail {
		return s.attemptMail(ctx, d)
	}
	return s.attemptPost(ctx, d)
}

func (s *Service) attemptPost(ctx context.Context, d Delivery) error {
	var w Webhook
	if err := s.cfg.Store.ViewNotices(ctx, func(r Reader) (err error) {
		w, err = r.Webhook(ctx, d.Queue)
		return err
	}); err != nil {
		return err
	}
	o := s.post(ctx, w, d)
	if !o.ok && cutOff(ctx) {
		return s.letGo(ctx, d.ID)
	}
	ctx = context.WithoutCancel(ctx) // what came of it is kept
	if o.failed != nil {
		s.cfg.Log.InfoContext(ctx, "a webhook was not reached", "webhook", w.ID, "delivery", d.ID, "why", o.try.Problem)
	}
	return s.cfg.Store.ChangeNotices(ctx, func(tx Tx) error {
		now := s.cfg.Now()
		kept, err := tx.Delivery(ctx, d.ID)
		if err != nil {
			return ignoreGone(err) // its webhook was deleted meanwhile
		}
		if kept.State == Waiting || o.ok {
			kept = kept.settle(o, schedule, s.cfg.Jitter(), now)
			if o.ok {
				kept.State = Delivered
			}
		}
		if err := tx.SaveDelivery(ctx, kept); err != nil {
			return err
		}
		w, err := tx.Webhook(ctx, d.Queue)
		if err != nil {
			return err
		}
		w, disabled := w.settle(o, now)
		if err := tx.SaveWebhook(ctx, w); err != nil || !disabled {
			return err
		}
		if err := tx.CancelDeliveries(ctx, w.ID, "The webhook was disabled.", now); err != nil {
			return err
		}
		return tx.Record(ctx, w.event(WebhookDisabled, system, now, "problem", w.Problem))
	})
}

func (s *Service) attemptMail(ctx context.Context, d Delivery) error {
	o := outcome{try: Try{At: s.cfg.Now()}}
	cancelled := ""
	err := s.sendSoon(ctx, d)
	if err != nil && cutOff(ctx) {
		return s.letGo(ctx, d.ID)
	}
	ctx = context.WithoutCancel(ctx) // what came of it is kept
	switch {
	case errors.Is(err, errUnwanted):
		cancelled = err.Error()
	case err != nil:
		f := fault.Public(err)
		o.try.Problem, o.permanent, o.failed = f.Message+" "+f.Detail, f.Kind == fault.Invalid, err
		s.cfg.Log.WarnContext(ctx, "a mail was not sent", "delivery", d.ID, "code", f.Code, "why", f.Message)
	default:
		o.ok = true
	}
	o.try.Took = s.cfg.Now().Sub(o.try.At)
	return s.cfg.Store.ChangeNotices(ctx, func(tx Tx) error {
		kept, err := tx.Delivery(ctx, d.ID)
		if err != nil {
			return ignoreGone(err)
		}
		now := s.cfg.Now()
		if cancelled != "" {
			kept.State, kept.Problem, kept.DoneAt = Cancelled, cancelled, now
		} else {
			kept = kept.settle(o, mailDelays, s.cfg.Jitter(), now)
		}
		return tx.SaveDelivery(ctx, kept)
	})
}

// errUnwanted ends a mail that its reader does not get any more.
var errUnwanted = fault.New(fault.Conflict, "The person wants no mail, or is disabled.")

// send sends one mail to the address that its reader has now.
func (s *Service) send(ctx context.Context, d Delivery) error {
	if s.cfg.Mail == nil {
		return fault.New(fault.Unavailable, "This node has no mail server set up.").WithCode("mail_off")
	}
	var l letter
	if err := json.Unmarshal([]byte(d.Body), &l); err != nil {
		return fmt.Errorf("read delivery %s: %w", d.ID, err)
	}
	var m Message
	err := s.cfg.Store.ViewNotices(ctx, func(r Reader) error {
		p, err := r.Person(ctx, d.Person)
		if err != nil {
			return err
		}
		refuses, err := l.refusedBy(ctx, r, p.ID)
		if err != nil {
			return err
		}
		if refuses || p.Disabled {
			return errUnwanted
		}
		m, err = l.to(p, d.Message+"."+string(p.ID))
		return err
	})
	if err != nil {
		return err
	}
	return s.cfg.Mail.Send(ctx, m)
}

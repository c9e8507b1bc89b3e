package notice

import (
	"context"
	"errors"
	"time"
)

// finishing is how long an attempt that is under way may go on after a stop was
// asked for.
const finishing = 4 * time.Second

// errStopping is why an attempt was cut off.
var errStopping = errors.New("the server stops")

// outlive returns a context for an attempt, which a stop cuts off after a while,
// and what ends it.
func (s *Service) outlive(ctx context.Context) (context.Context, func()) {
	attempt, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	forget := context.AfterFunc(ctx, func() {
		time.AfterFunc(s.cfg.Finishing, func() { cancel(errStopping) })
	})
	return attempt, func() {
		forget()
		cancel(nil)
	}
}

// cutOff says whether the attempt of ctx did not end before the stop.
func cutOff(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errStopping) }

// letGo makes a delivery due again whose attempt was cut off: it does not count.
// The receiver may have it all the same; it tells doubles by the message's id.
func (s *Service) letGo(ctx context.Context, id string) error {
	ctx = context.WithoutCancel(ctx)
	return s.cfg.Store.ChangeNotices(ctx, func(tx Tx) error {
		d, err := tx.Delivery(ctx, id)
		if err != nil {
			return ignoreGone(err)
		}
		if d.State == Waiting {
			d.Attempts--
			d.NextAt = s.cfg.Now()
		}
		return tx.SaveDelivery(ctx, d)
	})
}

// sendSoon is send that does not wait for a mail server after the attempt was
// cut off.
func (s *Service) sendSoon(ctx context.Context, d Delivery) error {
	sent := make(chan error, 1)
	go func() { sent <- s.send(ctx, d) }()
	select {
	case err := <-sent:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

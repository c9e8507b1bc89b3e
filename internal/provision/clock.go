package provision

import (
	"context"
	"time"
)

const (
	// clockEvery is how often the clock is looked at. Access ends within 60 s of
	// its time; this leaves room for the run.
	clockEvery = time.Second
	// batch is how many grants are ended in one transaction.
	batch = 100
)

// Expire ends grants when their time is over, until ctx ends. It looks at our
// own database only; a system is called by the runs that it causes.
func (p *Provisioner) Expire(ctx context.Context) {
	ticker := time.NewTicker(clockEvery) //nolint:forbidigo // the one clock that ends access
	defer ticker.Stop()
	for {
		if err := p.expireOnce(ctx); err != nil && ctx.Err() == nil {
			p.Log.ErrorContext(ctx, "grants could not be ended; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (p *Provisioner) expireOnce(ctx context.Context) error {
	for {
		due, err := p.Access.Due(ctx)
		if err != nil || !due {
			return err
		}
		n, err := p.Access.ExpireDue(ctx, batch)
		if err != nil || n == 0 {
			return err
		}
	}
}

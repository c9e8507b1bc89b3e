package connection

import (
	"context"
	"log/slog"
	"time"

	"github.com/margay-access/margay/internal/integration"
)

// Figures of a lease. The holder trusts it for a shorter time than others wait
// for it to lapse, so that a node that was paused stops before another begins.
const (
	LeaseTerm  = 30 * time.Second // unrenewed, it is free after this time
	LeaseTrust = 20 * time.Second // unrenewed, its holder trusts it no longer than this
	LeaseRenew = 10 * time.Second
	LeaseWaits = 3 * time.Second        // how long one who asked is taken to be waiting still
	leaseLook  = 250 * time.Millisecond // how often a waiting node asks, and a holder looks whether somebody waits
)

// LeaseStore keeps the leases that the nodes of one database take turns by.
type LeaseStore interface {
	// TakeLease gives the lease to holder when nobody has it, with a fence that
	// is greater than any before. Otherwise it notes that somebody waits.
	TakeLease(ctx context.Context, name, holder string, ttl time.Duration) (fence int64, taken bool, err error)
	// RenewLease keeps the lease for another ttl. It returns false when it is
	// lost.
	RenewLease(ctx context.Context, name, holder string, fence int64, ttl time.Duration) (held bool, err error)
	// LeaseWanted says whether somebody waits for the lease.
	LeaseWanted(ctx context.Context, name string) (bool, error)
	// DropLease frees the lease, if holder still has it.
	DropLease(ctx context.Context, name, holder string, fence int64) error
	// FreeLeases frees all leases whose holder's name begins so.
	FreeLeases(ctx context.Context, holders string) error
}

// Leases makes the leases of one node. It implements the hook that an
// integration gets as integration.Env.Lease.
type Leases struct {
	Store LeaseStore
	Node  string
	NewID func(prefix string) string
	Log   *slog.Logger
}

// Begin frees what an earlier process of this node held when it was killed: its
// sessions are of no use any more.
func (l Leases) Begin(ctx context.Context) error { return l.Store.FreeLeases(ctx, l.Node+"/") }

// Lease returns the lease of a name, such as that of a PAT. Each one returned is
// a holder of its own.
func (l Leases) Lease(name string) integration.Lease {
	return &lease{leases: l, name: name, holder: l.Node + "/" + l.NewID("lease")}
}

type lease struct {
	leases Leases
	name   string
	holder string
}

// Acquire implements [integration.Lease].
func (l *lease) Acquire(ctx context.Context) (integration.Held, error) {
	tick := time.NewTicker(leaseLook) //nolint:forbidigo // waits for another node
	defer tick.Stop()
	var failing time.Time // since when the database fails
	for {
		asked := time.Now() //nolint:forbidigo // the local trust in a lease is by the local clock
		fence, taken, err := l.leases.Store.TakeLease(ctx, l.name, l.holder, LeaseTerm)
		switch {
		case err == nil:
			failing = time.Time{}
		case failing.IsZero(): // a database that is busy for a moment fails no call
			failing = asked
		case asked.Sub(failing) > LeaseRenew:
			return integration.Held{}, err
		}
		if taken {
			return l.keep(ctx, fence, asked), nil
		}
		select {
		case <-ctx.Done():
			return integration.Held{}, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// keep renews the lease until it is released or lost.
func (l *lease) keep(ctx context.Context, fence int64, since time.Time) integration.Held {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	lost, wanted, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		l.renew(ctx, fence, since, lost, wanted)
	}()
	return integration.Held{Lost: lost, Wanted: wanted, Release: func() {
		cancel()
		<-ended
		drop, cancel := context.WithTimeout(context.WithoutCancel(ctx), LeaseRenew)
		defer cancel()
		if err := l.leases.Store.DropLease(drop, l.name, l.holder, fence); err != nil {
			l.leases.Log.WarnContext(drop, "lease not dropped; it lapses by itself", "lease", l.name, "error", err)
		}
	}}
}

// renew keeps the lease. It closes wanted when somebody waits for it, and lost
// when it is gone or can no longer be trusted.
func (l *lease) renew(ctx context.Context, fence int64, trusted time.Time, lost, wanted chan struct{}) {
	tick := time.NewTicker(leaseLook) //nolint:forbidigo // renews by the local clock
	defer tick.Stop()
	asked, renewed := false, trusted
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if time.Since(renewed) >= LeaseRenew {
			renewed = time.Now() //nolint:forbidigo // as in Acquire
			if l.renewOnce(ctx, fence, &trusted, renewed) {
				close(lost)
				return
			}
		}
		if time.Since(trusted) > LeaseTrust {
			close(lost)
			return
		}
		if !asked && l.wanted(ctx) {
			asked = true
			close(wanted)
		}
	}
}

// renewOnce renews the lease and notes from when on it can be trusted. It
// returns true when the lease is lost.
func (l *lease) renewOnce(ctx context.Context, fence int64, trusted *time.Time, began time.Time) (lost bool) {
	ctx, cancel := context.WithTimeout(ctx, LeaseRenew)
	defer cancel()
	held, err := l.leases.Store.RenewLease(ctx, l.name, l.holder, fence, LeaseTerm)
	if err != nil {
		l.leases.Log.WarnContext(ctx, "lease not renewed", "lease", l.name, "error", err)
		return false
	}
	if held {
		*trusted = began
	}
	return !held
}

func (l *lease) wanted(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, LeaseRenew)
	defer cancel()
	wanted, err := l.leases.Store.LeaseWanted(ctx, l.name)
	if err != nil && ctx.Err() == nil {
		l.leases.Log.WarnContext(ctx, "lease not looked at", "lease", l.name, "error", err)
	}
	return wanted
}

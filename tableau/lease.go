package tableau

import "context"

// Lease is the right to have a session with one PAT. Tableau allows one
// session per PAT, so programs that share a PAT take turns: each Client
// acquires the lease before it signs in and releases it after it signed out.
// A host program implements it, for example over a row in its database.
type Lease interface {
	// Acquire waits until the lease is free or ctx ends. The lost channel is
	// closed when the holder can no longer be sure of the lease; it may be
	// nil. The Client then sends no further call under it, ends those under
	// way with [ErrLeaseLost], and acquires again. The release func is called
	// once, also after a loss.
	Acquire(ctx context.Context) (lost <-chan struct{}, release func(), err error)
}

// MutexLease is a Lease among the Clients of one process.
type MutexLease struct{ held chan struct{} }

// NewMutexLease returns a free lease.
func NewMutexLease() *MutexLease { return &MutexLease{held: make(chan struct{}, 1)} }

// Acquire implements [Lease]. It is never lost.
func (l *MutexLease) Acquire(ctx context.Context) (lost <-chan struct{}, release func(), err error) {
	select {
	case l.held <- struct{}{}:
		return nil, func() { <-l.held }, nil
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
}

package tableau

import (
	"context"
	"slices"
	"sync"
)

// Lease is the right to have a session with one PAT. Tableau allows one
// session per PAT, so programs that share a PAT take turns: each Client
// acquires the lease before it signs in and releases it after it signed out.
// A host program implements it, for example over a row in its database.
type Lease interface {
	// Acquire waits until the lease is free or ctx ends.
	Acquire(ctx context.Context) (Held, error)
}

// Held is a lease that was acquired.
type Held struct {
	// Lost is closed when the holder can no longer be sure of the lease; nil for
	// never. The Client then sends no further call under it, ends those under
	// way with [ErrLeaseLost], and acquires again.
	Lost <-chan struct{}
	// Wanted is closed when somebody else waits for the lease; nil for never.
	// The Client then begins no further call under it, lets those under way
	// return, signs out, releases, and acquires again for calls that follow.
	Wanted <-chan struct{}
	// Release gives the lease back. It is called once, also after a loss.
	Release func()
}

// MutexLease is a Lease among the Clients of one process, who get it in turn.
type MutexLease struct {
	mu      sync.Mutex
	holder  chan struct{}   // the holder's Wanted; nil: free
	asked   bool            // holder is closed
	waiting []chan struct{} // the first to be served first; each is closed when its turn has come
}

// NewMutexLease returns a free lease.
func NewMutexLease() *MutexLease { return &MutexLease{} }

// Acquire implements [Lease]. It is never lost.
func (l *MutexLease) Acquire(ctx context.Context) (Held, error) {
	l.mu.Lock()
	if l.holder == nil {
		defer l.mu.Unlock()
		return l.take(), nil
	}
	turn := make(chan struct{})
	l.waiting = append(l.waiting, turn)
	l.ask()
	l.mu.Unlock()
	select {
	case <-turn:
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.held(), nil
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		if isClosed(turn) { // it came at the same moment
			l.next()
		} else {
			l.waiting = slices.DeleteFunc(l.waiting, func(c chan struct{}) bool { return c == turn })
		}
		return Held{}, context.Cause(ctx)
	}
}

// take makes the caller the holder.
func (l *MutexLease) take() Held {
	l.holder, l.asked = make(chan struct{}), false
	return l.held()
}

func (l *MutexLease) held() Held {
	return Held{Wanted: l.holder, Release: func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.next()
	}}
}

// next hands the lease to the first who waits, or frees it.
func (l *MutexLease) next() {
	l.holder = nil
	if len(l.waiting) == 0 {
		return
	}
	turn := l.waiting[0]
	l.waiting = l.waiting[1:]
	l.take()
	close(turn)
	if len(l.waiting) > 0 {
		l.ask()
	}
}

// ask tells the holder that somebody waits.
func (l *MutexLease) ask() {
	if !l.asked {
		l.asked = true
		close(l.holder)
	}
}

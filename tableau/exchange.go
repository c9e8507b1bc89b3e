package tableau

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxLosses is how many times in lossWindow a busy client signs in again after
// its session was ended by somebody else. Two programs that share a PAT would
// otherwise evict each other for ever.
const (
	maxLosses  = 3
	lossWindow = 5 * time.Minute
)

// Session tells what the current exchange is for. It does not hold the token.
type Session struct {
	SiteID         string
	SiteContentURL string // "" for the Default site
	UserID         string // the PAT's owner
	// PATExpires is Tableau's estimate of when the PAT ends; zero when it gave
	// none that makes sense.
	PATExpires time.Time
	Opened     time.Time

	token Secret
}

// exchange is the one session that all calls of a client share: made when the
// first needs it, ended when the last has returned.
type exchange struct {
	client *Client

	mu     sync.Mutex
	users  int           // calls under way and holds
	cur    *generation   // the session, live or being made; nil for none
	ending chan struct{} // closed when the sign-out before is done; nil for none
	linger *time.Timer
	losses []time.Time
	closed bool

	busy sync.WaitGroup // users and background work, for close
}

// generation is one session from its sign-in on. Calls remember the one they
// used, so that of many that lose it only the first signs in again.
type generation struct {
	ready   chan struct{} // closed when session or err is known
	session Session
	err     error

	// ctx has the values of the caller that caused the sign-in. It ends with
	// the session, and by the loss of the lease.
	ctx context.Context
	end context.CancelCauseFunc
	// wanted ends when nobody waits for the sign-in any more.
	wanted context.Context
	giveUp context.CancelFunc

	lost    <-chan struct{} // closed when the lease is lost; nil for never
	release func()          // of the lease; nil for none

	calls    int           // under way or waiting for the sign-in; guarded by exchange.mu
	yielding bool          // somebody waits for the lease: no further call begins; likewise
	gone     chan struct{} // closed when it is no longer the current one
}

// Hold makes all calls until release share one exchange. Nothing is sent
// before the first call needs it. The release func may be called more than
// once; the end of ctx releases as well.
func (c *Client) Hold(ctx context.Context) (release func()) {
	if c.exchange.enter() != nil {
		return func() {}
	}
	leave := sync.OnceFunc(c.exchange.leave)
	stop := context.AfterFunc(ctx, leave)
	return func() { stop(); leave() }
}

// Session returns what the current exchange is for, and makes one if there is
// none.
func (c *Client) Session(ctx context.Context) (Session, error) {
	if err := c.exchange.enter(); err != nil {
		return Session{}, err
	}
	defer c.exchange.leave()
	if err := c.throttle.wait(ctx, new(attempts)); err != nil {
		return Session{}, err
	}
	g, err := c.exchange.get(ctx)
	if err != nil {
		return Session{}, err
	}
	defer c.exchange.putBack(g)
	s := g.session
	s.token = Secret{}
	return s, nil
}

// enter announces a user of the session.
func (x *exchange) enter() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return ErrClosed
	}
	x.users++
	x.busy.Add(1)
	if x.linger != nil {
		x.linger.Stop()
		x.linger = nil
	}
	return nil
}

// leave ends the session, or its time to linger begins, with its last user.
func (x *exchange) leave() {
	x.mu.Lock()
	defer x.mu.Unlock()
	defer x.busy.Done()
	x.users--
	if x.users > 0 {
		return
	}
	x.losses = nil
	if d := x.client.cfg.Linger; d > 0 && !x.closed && x.cur != nil {
		x.linger = time.AfterFunc(d, x.lingered)
		return
	}
	x.end()
}

func (x *exchange) lingered() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.users == 0 {
		x.end()
	}
}

// end signs the current session out in the background. The next sign-in waits
// for that, so that the one is never mistaken for the other.
func (x *exchange) end() {
	g := x.cur
	if g == nil {
		return
	}
	x.drop()
	g.giveUp()
	before, done := x.ending, make(chan struct{})
	x.ending = done
	x.busy.Go(func() {
		defer close(done)
		if before != nil {
			<-before // a sign-in that was given up did not wait for it
		}
		<-g.ready
		if g.err == nil && !g.leaseLost() {
			x.client.signOut(g.ctx, g.session)
		}
		g.done()
	})
}

// lose forgets a session that Tableau has refused, and counts that once,
// however many calls met it.
func (x *exchange) lose(g *generation) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cur != g {
		return
	}
	x.drop()
	if !g.leaseLost() {
		x.losses = append(x.losses, x.client.cfg.Now())
	}
	x.free(g)
}

// free ends a former session and gives its lease back, which may take a while
// and holds nobody up but the next sign-in. The caller holds the lock.
func (x *exchange) free(g *generation) {
	g.end(nil)
	if g.release == nil {
		return
	}
	before, done := x.ending, make(chan struct{})
	x.ending = done
	x.busy.Go(func() {
		defer close(done)
		if before != nil {
			<-before
		}
		g.release()
	})
}

// drop makes the current session a former one.
func (x *exchange) drop() {
	close(x.cur.gone)
	x.cur = nil
}

// get returns the current session, and makes one if there is none. The caller
// puts it back when its call has returned.
func (x *exchange) get(ctx context.Context) (*generation, error) {
	g, err := x.join(ctx)
	if err != nil {
		return nil, err
	}
	select {
	case <-g.ready:
		err = g.err
	case <-ctx.Done():
		err = x.gaveUp(ctx)
	}
	if err != nil {
		x.putBack(g)
		return nil, err
	}
	return g, nil
}

// join counts the caller among the calls of the current session. While that
// one yields, it waits for the next.
func (x *exchange) join(ctx context.Context) (*generation, error) {
	for {
		x.mu.Lock()
		if g := x.cur; g != nil && g.settled() && (g.err != nil || g.leaseLost()) {
			x.drop()
			x.free(g)
		}
		if x.cur == nil {
			if n := x.recentLosses(); n > maxLosses {
				x.mu.Unlock()
				return nil, x.sessionLost(n, nil)
			}
			x.cur = x.begin(ctx)
		}
		g := x.cur
		if !g.yielding {
			g.calls++
			x.mu.Unlock()
			return g, nil
		}
		x.mu.Unlock()
		select {
		case <-g.gone:
		case <-ctx.Done():
			return nil, x.gaveUp(ctx)
		}
	}
}

// gaveUp is the error of a caller who waited for a session until ctx ended.
func (x *exchange) gaveUp(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return &UnreachableError{Host: x.client.host, Err: context.Cause(ctx)}
	}
	return context.Cause(ctx)
}

func (x *exchange) sessionLost(n int, cause error) error {
	return &SessionLostError{TokenName: x.client.cfg.TokenName, Losses: n, Err: cause}
}

// recentLosses returns how often the session was lost since the client was
// last idle, and no longer ago than lossWindow.
func (x *exchange) recentLosses() int {
	since := x.client.cfg.Now().Add(-lossWindow)
	x.losses = slices.DeleteFunc(x.losses, func(t time.Time) bool { return t.Before(since) })
	return len(x.losses)
}

// begin signs in, in a goroutine of its own: the caller that caused it may
// give up while others wait for it.
func (x *exchange) begin(ctx context.Context) *generation {
	g := &generation{ready: make(chan struct{}), gone: make(chan struct{})}
	g.ctx, g.end = context.WithCancelCause(context.WithoutCancel(ctx))
	g.wanted, g.giveUp = context.WithCancel(g.ctx)
	pending := x.ending
	x.busy.Go(func() {
		g.err = x.open(g, pending)
		if g.err != nil {
			g.done()
		}
		close(g.ready)
		x.mu.Lock()
		defer x.mu.Unlock()
		x.yielded(g) // those who waited may all have given up
	})
	return g
}

func (x *exchange) open(g *generation, pending <-chan struct{}) error {
	if pending != nil {
		select {
		case <-pending: // within SignOutTimeout
		case <-g.wanted.Done():
			return context.Cause(g.wanted)
		}
	}
	if lease := x.client.cfg.Lease; lease != nil {
		held, err := lease.Acquire(g.wanted)
		if err != nil {
			return fmt.Errorf("lease of the PAT: %w", err)
		}
		g.lost, g.release = held.Lost, sync.OnceFunc(held.Release)
		x.busy.Go(func() { x.watch(g, held) })
	}
	s, err := x.client.signIn(g.ctx, g.wanted)
	g.session = s
	return err
}

// watch ends a session whose lease is lost, and yields one whose lease somebody
// waits for.
func (x *exchange) watch(g *generation, held Held) {
	wanted := held.Wanted
	for {
		select {
		case <-held.Lost:
			g.end(ErrLeaseLost)
			return
		case <-wanted:
			wanted = nil
			x.yield(g)
		case <-g.ctx.Done():
			return
		}
	}
}

// yield begins no further call under g, and ends it when those under way have
// returned.
func (x *exchange) yield(g *generation) {
	x.mu.Lock()
	defer x.mu.Unlock()
	g.yielding = true
	x.yielded(g)
}

// yielded ends g if it yields and no call is under way. Calls that follow make
// a session of their own.
func (x *exchange) yielded(g *generation) {
	if g.yielding && g.calls == 0 && x.cur == g && g.settled() {
		x.end()
	}
}

// putBack tells that a call under g has returned.
func (x *exchange) putBack(g *generation) {
	x.mu.Lock()
	defer x.mu.Unlock()
	g.calls--
	x.yielded(g)
}

// done frees what the session held.
func (g *generation) done() {
	g.end(nil)
	if g.release != nil {
		g.release()
	}
}

func (g *generation) settled() bool { return isClosed(g.ready) }

// leaseLost reports whether a settled generation's lease is lost.
func (g *generation) leaseLost() bool { return isClosed(g.lost) }

// isClosed reports whether a channel that is only ever closed is so; nil is
// not.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// close ends the session when its last user has left and waits for that.
func (x *exchange) close(ctx context.Context) error {
	x.mu.Lock()
	x.closed = true
	if x.linger != nil {
		x.linger.Stop()
		x.linger = nil
	}
	if x.users == 0 {
		x.end()
	}
	x.mu.Unlock()
	quiet := make(chan struct{})
	go func() { x.busy.Wait(); close(quiet) }()
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// isLoss reports whether an answer says that the session is gone. Tableau has
// then not performed the call.
func isLoss(r *Response) bool {
	if r == nil || r.Status != http.StatusUnauthorized {
		return false
	}
	code := r.code()
	return code == "401002" || code == "401000" || code == "" && strings.Contains(string(r.Body), "Invalid authentication credentials")
}

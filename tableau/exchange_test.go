package tableau_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/tableau"
	"github.com/margay-access/margay/tableau/tableautest"
)

func TestEachCallAloneIsAnExchange(t *testing.T) {
	// S4 "Each request exchanges the PAT for a short-lived session token"
	// S82 "Every sign-in targets the configured site", S83 "3.24 used also for the sign-in request"
	t.Parallel()
	b := newBench(t, tableautest.Config{})

	for range 3 {
		if _, err := b.c.UsersPage(t.Context(), tableau.UsersOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	b.quiet(t)

	one := []string{"sign-in", "get-users-on-site", "sign-out"}
	want := append(append(append([]string{}, one...), one...), one...)
	if diff := cmp.Diff(want, b.requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	for _, e := range b.Journal() {
		if e.Operation == "sign-in" && e.Path != "/api/3.24/auth/signin" {
			t.Errorf("sign-in at %s", e.Path)
		}
	}
}

func TestHoldSharesOneExchange(t *testing.T) {
	t.Parallel()
	b := newBench(t, tableautest.Config{})

	release := b.c.Hold(t.Context())
	if got := b.SignIns(); got != 0 {
		t.Errorf("%d sign-ins before the first call needs one", got)
	}
	for range 3 {
		if _, err := b.c.Do(t.Context(), get("/sites/{siteId}/groups")); err != nil {
			t.Fatal(err)
		}
	}
	release()
	release()
	b.quiet(t)

	if got := b.SignIns(); got != 1 {
		t.Errorf("%d sign-ins, want 1", got)
	}
	if got := b.count("sign-out", http.StatusNoContent); got != 1 {
		t.Errorf("%d sign-outs, want 1", got)
	}
}

func TestT04ConcurrentCallsShareOneSession(t *testing.T) {
	// T04: 20 runs, a health check and a generic call at once: at most one
	// live session at any instant, all finish, 0 × 401002.
	t.Parallel()
	b := newBench(t, tableautest.Config{Latency: 5 * time.Millisecond})
	for range 20 {
		b.AddUser("u@acme.example", tableautest.RoleViewer)
	}
	var tooMany atomic.Bool
	b.Fail(tableautest.Fault{Operation: "get-users-on-site", Times: -1, After: func() {
		if b.LiveSessions() > 1 {
			tooMany.Store(true)
		}
	}})

	var wg sync.WaitGroup
	for range 22 {
		wg.Go(func() {
			for range 5 {
				if _, err := b.c.UsersPage(t.Context(), tableau.UsersOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.quiet(t)

	if b.lost() != 0 || b.Evictions() != 0 || tooMany.Load() {
		t.Errorf("%d × 401002, %d evictions, several sessions at once: %t", b.lost(), b.Evictions(), tooMany.Load())
	}
	if got := b.SignIns(); got > 22 {
		t.Errorf("%d sign-ins for 110 calls", got)
	}
}

func TestT01SessionLostIsReplacedOnce(t *testing.T) {
	// T01: one re-sign-in, the run completes.
	t.Parallel()
	b := newBench(t, tableautest.Config{})
	b.Fail(tableautest.Fault{Operation: "get-users-on-site", EndSession: true})

	if _, err := b.c.UsersPage(t.Context(), tableau.UsersOptions{}); err != nil {
		t.Fatal(err)
	}
	b.quiet(t)

	want := []string{"sign-in", "get-users-on-site", "sign-in", "get-users-on-site", "sign-out"}
	if diff := cmp.Diff(want, b.requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestT01ManyLosersSignInOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, tableautest.Config{Latency: 20 * time.Millisecond})
	release := b.c.Hold(t.Context())
	defer release()
	if _, err := b.c.Session(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.EndSessions()

	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := b.c.UsersPage(t.Context(), tableau.UsersOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()

	if got := b.SignIns(); got != 2 {
		t.Errorf("%d sign-ins, want 2: the losers must share the second", got)
	}
}

func TestT03SharedPATIsSaid(t *testing.T) {
	// T03: class session_lost, no storm: at most 4 sign-ins.
	t.Parallel()
	b := newBench(t, tableautest.Config{})
	b.Fail(tableautest.Fault{Operation: "get-users-on-site", EndSession: true, Times: -1})

	release := b.c.Hold(t.Context())
	var err error
	for range 10 {
		_, err = b.c.UsersPage(t.Context(), tableau.UsersOptions{})
	}

	lost, ok := errors.AsType[*tableau.SessionLostError](err)
	if !ok || !errors.Is(err, tableau.ClassSessionLost) || lost.TokenName != patName {
		t.Fatalf("got %v, want a SessionLostError", err)
	}
	if got := b.SignIns(); got > 4 {
		t.Errorf("%d sign-ins, want at most 4", got)
	}

	// The next run may try anew.
	release()
	b.quiet(t)
	b.ClearFaults()
	if _, err := b.c.UsersPage(t.Context(), tableau.UsersOptions{}); err != nil {
		t.Errorf("after the run: %v", err)
	}
}

func TestT22RefusedSignInIsNotRepeated(t *testing.T) {
	// S73 "Tableau sign-in failed (HTTP 401, [summary]): [detail]", T22: 1 sign-in only.
	t.Parallel()
	for name, change := range map[string]func(*tableau.Config){
		"secret": func(c *tableau.Config) { c.TokenSecret = tableau.NewSecret("wrong-wrong-wrong") },
		"name":   func(c *tableau.Config) { c.TokenName = "CI" },
		"site":   func(c *tableau.Config) { c.Site = "other" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, tableautest.Config{}, change)

			_, err := b.c.Session(t.Context())

			const want = "Tableau sign-in failed (HTTP 401, Signin Error): The personal access token you provided is invalid."
			if err == nil || err.Error() != want {
				t.Errorf("got %v\nwant %s", err, want)
			}
			if !errors.Is(err, tableau.ClassAuthRejected) {
				t.Errorf("class %s", tableau.ClassOf(err))
			}
			if got := b.count("sign-in", 0); got != 1 {
				t.Errorf("%d sign-ins, want 1", got)
			}
		})
	}
}

func TestCancelledCallerLeavesSignInToOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t, tableautest.Config{})
	gate := make(chan struct{})
	b.Fail(tableautest.Fault{Operation: "sign-in", Before: func() { <-gate }})
	first, cancel := context.WithCancel(t.Context())
	firstDone, secondDone := make(chan error, 1), make(chan error, 1)

	go func() { _, err := b.c.Session(first); firstDone <- err }()
	for len(b.Journal()) == 0 {
		<-b.Changed()
	}
	go func() { _, err := b.c.Session(t.Context()); secondDone <- err }()
	waitUsers(t, b.c, 2)
	cancel()

	if err := <-firstDone; !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled caller got %v", err)
	}
	close(gate)
	if err := <-secondDone; err != nil {
		t.Errorf("the other caller got %v", err)
	}
	if got := b.count("sign-in", 0); got != 1 {
		t.Errorf("%d sign-ins, want 1", got)
	}
}

func TestAllCallersCancelledStillSignsOut(t *testing.T) {
	t.Parallel()
	b := newBench(t, tableautest.Config{})
	gate := make(chan struct{})
	b.Fail(tableautest.Fault{Operation: "sign-in", Before: func() { <-gate }})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := b.c.Session(ctx); done <- err }()
	for len(b.Journal()) == 0 {
		<-b.Changed()
	}

	cancel()
	<-done
	close(gate)
	b.quiet(t)
	if err := b.c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff([]string{"sign-in", "sign-out"}, b.requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestLinger(t *testing.T) {
	t.Parallel()
	b := newBench(t, tableautest.Config{}, func(c *tableau.Config) { c.Linger = time.Minute })

	for range 3 {
		if _, err := b.c.Do(t.Context(), get("/serverinfo")); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.SignIns(); got != 1 {
		t.Errorf("%d sign-ins, want 1", got)
	}
	if err := b.c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	if got := b.LiveSessions(); got != 0 {
		t.Errorf("%d sessions are live after Close", got)
	}
	if _, err := b.c.Do(t.Context(), get("/serverinfo")); !errors.Is(err, tableau.ErrClosed) {
		t.Errorf("after Close: %v, want ErrClosed", err)
	}
}

func TestLeaseTakesTurns(t *testing.T) {
	// Two clients with one PAT would end each other's sessions.
	t.Parallel()
	lease := tableau.NewMutexLease()
	withLease := func(c *tableau.Config) { c.Lease = lease }
	b := newBench(t, tableautest.Config{Latency: time.Millisecond}, withLease)
	other := b.client(t, withLease)

	var wg sync.WaitGroup
	for _, c := range []*tableau.Client{b.c, other, b.c, other} {
		wg.Go(func() {
			for range 10 {
				if _, err := c.UsersPage(t.Context(), tableau.UsersOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.quiet(t)

	if b.Evictions() != 0 || b.lost() != 0 {
		t.Errorf("%d evictions and %d × 401002, want none", b.Evictions(), b.lost())
	}
}

// A client that is never idle must not keep the PAT from another for ever: it
// yields between two calls, also within a Hold.
func TestLeaseYields(t *testing.T) {
	t.Parallel()
	lease := tableau.NewMutexLease()
	withLease := func(c *tableau.Config) { c.Lease = lease }
	b := newBench(t, tableautest.Config{}, withLease)
	other := b.client(t, withLease)
	defer b.c.Hold(t.Context())()
	list := func(c *tableau.Client) {
		t.Helper()
		if _, err := c.UsersPage(t.Context(), tableau.UsersOptions{}); err != nil {
			t.Fatal(err)
		}
	}

	for range 3 {
		list(b.c)
		list(other)
	}

	if b.Evictions() != 0 || b.lost() != 0 {
		t.Errorf("%d evictions and %d × 401002, want none", b.Evictions(), b.lost())
	}
	if n := b.SignIns(); n != 6 {
		t.Errorf("%d sign-ins for six turns", n)
	}
}

// fence is a lease that the test can take away.
type fence struct {
	mu       sync.Mutex
	lost     chan struct{}
	acquired int
	released int
}

func (f *fence) Acquire(context.Context) (tableau.Held, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.acquired++
	f.lost = make(chan struct{})
	return tableau.Held{Lost: f.lost, Release: func() { f.mu.Lock(); f.released++; f.mu.Unlock() }}, nil
}

func (f *fence) lose() { f.mu.Lock(); defer f.mu.Unlock(); close(f.lost) }

func TestLostLeaseFencesWrites(t *testing.T) {
	// T05, O14: no PUT leaves once the lease is gone, and the late answer of
	// one under way is not taken.
	t.Parallel()
	f := &fence{}
	b := newBench(t, tableautest.Config{}, func(c *tableau.Config) { c.Lease = f })
	u := b.AddUser("ann@acme.example", tableautest.RoleViewer)
	b.Fail(tableautest.Fault{Operation: "update-user", Before: f.lose, Hang: true})
	release := b.c.Hold(t.Context())
	defer release()

	_, err := b.c.Do(t.Context(), tableau.Request{
		Method: http.MethodPut, Path: "/sites/{siteId}/users/" + u.ID(), Body: []byte(`{"user":{"siteRole":"Explorer"}}`),
	})
	if !errors.Is(err, tableau.ErrLeaseLost) {
		t.Fatalf("got %v, want ErrLeaseLost", err)
	}
	if _, err := b.c.UsersPage(t.Context(), tableau.UsersOptions{}); err != nil {
		t.Fatalf("the next call: %v", err)
	}
	release()
	if err := b.c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	if f.acquired != 2 || f.released != 2 {
		t.Errorf("acquired %d, released %d times; want 2 and 2", f.acquired, f.released)
	}
}

func TestT40SignOutThatHangsIsLeft(t *testing.T) {
	// T40: 3 s, ignored.
	t.Parallel()
	b := newBench(t, tableautest.Config{})
	b.Fail(tableautest.Fault{Operation: "sign-out", Hang: true})

	if _, err := b.c.Session(t.Context()); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	if err := b.c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	if took := time.Since(started); took < tableau.SignOutTimeout || took > 10*tableau.SignOutTimeout {
		t.Errorf("close took %s", took)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.calls[len(b.calls)-1].Err == nil {
		t.Error("the sign-out that hung is not in the trace")
	}
}

func TestTraceShowsEveryExchange(t *testing.T) {
	t.Parallel()
	b := newBench(t, tableautest.Config{})
	var mu sync.Mutex
	var got []string
	ctx := tableau.WithTrace(t.Context(), func(c tableau.Call) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(c.Kind)+" "+c.Op+" "+c.Method+" "+c.PathTemplate)
	})

	if _, err := b.c.User(ctx, b.owner.ID()); err != nil {
		t.Fatal(err)
	}
	if err := b.c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	want := []string{
		"sign-in SignIn POST /api/3.24/auth/signin",
		"call User GET /api/3.24/sites/{siteId}/users/{id}",
		"sign-out SignOut POST /api/3.24/auth/signout",
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("trace (-want +got):\n%s", diff)
	}
}

func TestPendingSignOutIsWaitedForThroughGivenUpSignIns(t *testing.T) {
	// A sign-in that nobody wanted any more must not let the next one overtake
	// the sign-out before it.
	t.Parallel()
	b := newBench(t, tableautest.Config{})
	gate := make(chan struct{})
	b.Fail(tableautest.Fault{Operation: "sign-out", Before: func() { <-gate }})
	if _, err := b.c.Session(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.c.Session(gone); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	done := make(chan error, 1)
	go func() { _, err := b.c.Session(t.Context()); done <- err }()
	waitUsers(t, b.c, 1)
	if got := b.count("sign-in", 0); got != 1 {
		t.Errorf("%d sign-ins before the sign-out has ended", got)
	}
	close(gate)

	if err := <-done; err != nil {
		t.Error(err)
	}
	b.quiet(t)
	if b.Evictions() != 0 || b.lost() != 0 {
		t.Errorf("%d evictions, %d × 401002", b.Evictions(), b.lost())
	}
}

func TestManyCallersNeedNoManyConnections(t *testing.T) {
	t.Parallel()
	b := newBench(t, tableautest.Config{DisableHTTP2: true, Latency: 5 * time.Millisecond})
	var wg sync.WaitGroup
	for range 200 { // each is given 5 s for its handshake, also on a busy machine
		wg.Go(func() {
			if _, err := b.c.Do(t.Context(), get("/sites/{siteId}/groups")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := b.SignIns(); got != 1 {
		t.Errorf("%d sign-ins, want 1", got)
	}
}

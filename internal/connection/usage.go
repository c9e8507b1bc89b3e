package connection

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
)

// keptCalls is how many calls are remembered of each connection.
const keptCalls = 20

// Usage is how a connection was used. It holds no body, no secret, no session.
type Usage struct {
	UsedAt  time.Time  // the last sign-in that succeeded
	Day     string     // in UTC, as 2026-11-25
	Calls   int        // on that day, sign-ins and sign-outs left out
	Last    []Exchange // the newest first
	History []Sent     // likewise: what people sent themselves
}

// Exchange is one exchange with the system.
type Exchange struct {
	Kind     string        `json:"kind"` // "sign-in", "call", "sign-out"
	Method   string        `json:"method"`
	Path     string        `json:"path"` // with ids replaced
	Status   int           `json:"status"`
	Code     string        `json:"code,omitempty"`
	Err      string        `json:"error,omitempty"`
	At       time.Time     `json:"at"`
	Duration time.Duration `json:"took"`
}

// Sent is a call that a person made.
type Sent struct {
	Method string     `json:"method"`
	Path   string     `json:"path"`
	Query  url.Values `json:"query,omitempty"`
	Body   bool       `json:"body,omitempty"` // there was one; it is not kept
	Status int        `json:"status"`
	Err    string     `json:"error,omitempty"` // code
	At     time.Time  `json:"at"`
	By     Author     `json:"by"`
}

func sentOf(c integration.Call, a integration.Answer, err error, by Author, at time.Time) Sent {
	s := Sent{Method: cut(c.Method), Path: cut(c.Path), Query: withoutSecrets(c.Query), Body: len(c.Body) > 0, Status: a.Status, At: at, By: by}
	if len(c.Query.Encode()) > 2000 {
		s.Query = nil
	}
	if err != nil {
		s.Err = fault.Public(err).Code
	}
	return s
}

// secretParam are the parameters whose values are kept nowhere.
var secretParam = regexp.MustCompile(`(?i)passw|secret|token|credential|api_?key`)

// withoutSecrets is the query without the values of what is called like a secret.
func withoutSecrets(query url.Values) url.Values {
	kept := maps.Clone(query)
	for name := range kept {
		if secretParam.MatchString(name) {
			kept[name] = []string{""}
		}
	}
	return kept
}

// Add returns u with more after it.
func (u Usage) Add(more Usage) Usage {
	if more.UsedAt.After(u.UsedAt) {
		u.UsedAt = more.UsedAt
	}
	switch {
	case more.Day > u.Day:
		u.Day, u.Calls = more.Day, more.Calls
	case more.Day == u.Day:
		u.Calls += more.Calls
	}
	u.Last = newest(u.Last, more.Last, func(e Exchange) time.Time { return e.At })
	u.History = newest(u.History, more.History, func(s Sent) time.Time { return s.At })
	return u
}

// On returns how many calls were made on the day of now.
func (u Usage) On(now time.Time) int {
	if u.Day != dayOf(now) {
		return 0
	}
	return u.Calls
}

func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// newest returns the newest of both lists, the newest first.
func newest[T any](old, more []T, at func(T) time.Time) []T {
	all := slices.Concat(more, old)
	slices.SortStableFunc(all, func(a, b T) int { return at(b).Compare(at(a)) })
	return slices.Clip(all[:min(len(all), keptCalls)])
}

// flushAfter is how long usage is held in memory: a busy connection writes its
// row once in this time, not once a call.
const flushAfter = 5 * time.Second

// usageKeeper gathers how connections are used and writes it now and then. It
// does nothing when nothing is sent.
type usageKeeper struct {
	store Store
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex
	pending map[string]Usage
	timer   *time.Timer
	closed  bool
	writing sync.WaitGroup
}

func newUsageKeeper(store Store, log *slog.Logger, now func() time.Time) *usageKeeper {
	return &usageKeeper{store: store, log: log, now: now, pending: map[string]Usage{}}
}

// observed returns a context under which all exchanges count as use of the
// connection.
func (k *usageKeeper) observed(ctx context.Context, id string) context.Context {
	return integration.WithTrace(ctx, func(t integration.Trace) {
		at := t.Started.UTC()
		if at.IsZero() {
			at = k.now().UTC()
		}
		path := t.Template
		if path == "" {
			path = t.Path
		}
		u := Usage{Day: dayOf(at), Last: []Exchange{{
			Kind: t.Kind, Method: t.Method, Path: cut(path), Status: t.Status, Code: t.Code, Err: cut(t.Err), At: at, Duration: t.Duration,
		}}}
		if t.Kind == "call" {
			u.Calls = 1
		}
		if t.Kind == "sign-in" && t.Status == http.StatusOK && t.Err == "" {
			u.UsedAt = k.now().UTC()
		}
		k.add(id, u)
	})
}

// sent remembers what a person sent.
func (k *usageKeeper) sent(id string, s Sent) { k.add(id, Usage{History: []Sent{s}}) }

func (k *usageKeeper) add(id string, u Usage) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pending[id] = k.pending[id].Add(u)
	if k.timer == nil && !k.closed {
		k.timer = time.AfterFunc(flushAfter, k.flushed)
	}
}

func (k *usageKeeper) flushed() {
	k.mu.Lock()
	k.timer = nil
	if k.closed {
		k.mu.Unlock()
		return
	}
	k.writing.Add(1)
	k.mu.Unlock()
	defer k.writing.Done()
	ctx, cancel := context.WithTimeout(context.Background(), LeaseRenew)
	defer cancel()
	k.flush(ctx)
}

// flush writes what was gathered. What cannot be written is lost, and said: it
// is no record, only a help for people.
func (k *usageKeeper) flush(ctx context.Context) {
	k.mu.Lock()
	pending := k.pending
	k.pending = map[string]Usage{}
	k.mu.Unlock()
	for id, u := range pending {
		if err := k.store.AddUsage(ctx, id, u); err != nil {
			k.log.WarnContext(ctx, "use of a connection not kept", "connection", id, "error", err)
		}
	}
}

// with adds what was not written yet to what is stored.
func (k *usageKeeper) with(stored map[string]Usage) map[string]Usage {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := maps.Clone(stored)
	if all == nil {
		all = map[string]Usage{}
	}
	for id, u := range k.pending {
		all[id] = all[id].Add(u)
	}
	return all
}

// close writes the rest.
func (k *usageKeeper) close(ctx context.Context) {
	k.mu.Lock()
	k.closed = true
	if k.timer != nil {
		k.timer.Stop()
	}
	k.mu.Unlock()
	k.writing.Wait()
	k.flush(ctx)
}

package tableau

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// How calls are repeated.
const (
	readTries    = 4
	writeTries   = 3
	dialTries    = 2 // a server that cannot be reached is not waited for long
	backoffBase  = 500 * time.Millisecond
	backoffCap   = 30 * time.Second
	retryBudget  = 2 * time.Minute // all waiting of one call together
	pauseDefault = time.Minute     // 429 that says no time; doubles
	pauseGrown   = 15 * time.Minute
	pauseCap     = time.Hour
	pauseFloor   = time.Second
)

// retryKind says what may be repeated after which fault.
type retryKind int

const (
	retryRead    retryKind = iota // changes nothing: after every transient fault
	retryWrite                    // only what Tableau has certainly not performed
	retryChecked                  // a write, with a read before each further try
	retrySignIn                   // like a read
)

// attempts counts the tries of one call.
type attempts struct {
	made   int
	waited time.Duration
}

// nextTry decides after a try that ended in resp or err whether to make
// another, and after which wait.
func (c *Client) nextTry(ctx context.Context, a *attempts, kind retryKind, resp *Response, err error) (time.Duration, bool) {
	a.made++
	tries := readTries
	if kind == retryWrite || kind == retryChecked {
		tries = writeTries
	}
	if c.cfg.Tries > 0 {
		tries = min(tries, c.cfg.Tries)
	}
	wait, again := c.transient(a, kind, resp, err, &tries)
	if !again || a.made >= tries || ctx.Err() != nil || a.waited+wait > retryBudget {
		return 0, false
	}
	if deadline, ok := ctx.Deadline(); ok && c.cfg.Now().Add(wait).After(deadline) {
		return 0, false
	}
	a.waited += wait
	return wait, true
}

// transient reports whether a fault may pass by itself, and how long to wait.
func (c *Client) transient(a *attempts, kind retryKind, resp *Response, err error, tries *int) (time.Duration, bool) {
	status, at := 0, time.Time{}
	if resp != nil {
		status, at = resp.Status, resp.RetryAt
	} else if e, ok := errors.AsType[*Error](err); ok {
		status, at = e.Status, e.RetryAt
	} else if e, ok := errors.AsType[*NotTableauError](err); ok {
		status = e.Status
	}
	switch status {
	case http.StatusTooManyRequests:
		// Refused before it was performed, so a write may be repeated too.
		return at.Sub(c.cfg.Now()), !at.IsZero()
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		if kind == retryWrite {
			return 0, false
		}
		return max(jitter(a.made), at.Sub(c.cfg.Now())), true
	}
	if _, ok := errors.AsType[*sessionGoneError](err); ok {
		*tries = min(*tries, 2)
		return 0, true
	}
	if _, ok := errors.AsType[*UnreachableError](err); ok {
		*tries = min(*tries, dialTries)
		return jitter(a.made), true
	}
	if _, ok := errors.AsType[*NoAnswerError](err); ok && kind != retryWrite {
		return jitter(a.made), true
	}
	return 0, false
}

// jitter returns a random wait that may double with each try: full jitter, so
// that many clients hit by one fault do not return together.
func jitter(made int) time.Duration {
	most := min(backoffBase<<min(made-1, 10), backoffCap)
	return rand.N(most) //nolint:gosec // spreads load, guards nothing
}

// throttle holds back the whole client: for as long as Tableau asked to, and
// to the rate that the Config sets.
type throttle struct {
	cfg Config

	mu     sync.Mutex
	until  time.Time
	streak int // 429 in a row that said no time
	tokens float64
	filled time.Time
}

func newThrottle(cfg Config) *throttle {
	return &throttle{cfg: cfg, tokens: float64(max(cfg.Burst, 1)), filled: cfg.Now()}
}

// wait lets a call pass when it may be sent. It fails when that is later than
// the call can wait.
func (t *throttle) wait(ctx context.Context, a *attempts) error {
	for {
		d := t.delay()
		if d <= 0 {
			return nil
		}
		at := t.cfg.Now().Add(d)
		deadline, ok := ctx.Deadline()
		if a.waited+d > retryBudget || ok && at.After(deadline) {
			return &ThrottledError{RetryAt: at}
		}
		a.waited += d
		if err := t.sleep(ctx, d); err != nil {
			return err
		}
	}
}

// delay takes a token when a call may be sent now, or says how long not.
func (t *throttle) delay() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.cfg.Now()
	if now.Before(t.until) {
		return t.until.Sub(now)
	}
	if t.cfg.Rate <= 0 {
		return 0
	}
	t.tokens = min(float64(max(t.cfg.Burst, 1)), t.tokens+now.Sub(t.filled).Seconds()*t.cfg.Rate)
	t.filled = now
	if t.tokens >= 1 {
		t.tokens--
		return 0
	}
	return time.Duration((1-t.tokens)/t.cfg.Rate*float64(time.Second)) + time.Microsecond
}

// sleep waits for d or the end of ctx.
func (*throttle) sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-timer.Done()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// pause notes that Tableau throttles, and returns until when.
func (t *throttle) pause(resp *Response) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.cfg.Now()
	d, ok := retryAfter(resp.Header.Get("Retry-After"), now)
	if !ok {
		d, ok = retryAfterText(resp.Body)
	}
	if ok {
		t.streak = 0
	} else {
		d = min(pauseDefault<<min(t.streak, 5), pauseGrown)
		t.streak++
	}
	if until := now.Add(d); until.After(t.until) {
		t.until = until
	}
	return t.until
}

// answered notes that Tableau does not throttle any more.
func (t *throttle) answered() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.streak = 0
}

// retryAfter reads a Retry-After header: seconds or a date as HTTP has it, and
// milliseconds or a point in Unix time as some gateways send.
func retryAfter(header string, now time.Time) (time.Duration, bool) {
	header = strings.TrimSpace(header)
	if ms, ok := strings.CutSuffix(header, "ms"); ok {
		n, err := strconv.ParseUint(strings.TrimSpace(ms), 10, 40)
		return clampPause(time.Duration(n) * time.Millisecond), err == nil && ms != ""
	}
	if header != "" && allDigits(header) {
		n, err := strconv.ParseInt(header, 10, 64)
		if err != nil {
			return pauseCap, true
		}
		const day = 24 * 60 * 60
		switch sec := now.Unix(); {
		case n > sec-day && n < sec+day:
			return clampPause(time.Unix(n, 0).Sub(now)), true
		case n/1000 > sec-day && n/1000 < sec+day:
			return clampPause(time.UnixMilli(n).Sub(now)), true
		case n > day && n <= day*1000:
			// Nobody asks for more than a day in seconds.
			return clampPause(time.Duration(n) * time.Millisecond), true
		default:
			return clampPause(time.Duration(min(n, day)) * time.Second), true
		}
	}
	for _, parse := range []func(string) (time.Time, error){
		http.ParseTime,
		func(s string) (time.Time, error) { return time.Parse(time.RFC3339, s) },
	} {
		if at, err := parse(header); err == nil {
			return clampPause(at.Sub(now)), true
		}
	}
	return 0, false
}

var retryText = regexp.MustCompile(`(?i)(?:retry|try again)(?: again)? (?:after|in)\s+(\d{1,6})\s*(seconds?|secs?|minutes?|mins?|hours?|s|m|h)\b`)

// retryAfterText reads "retry after 29 minutes" in a body.
func retryAfterText(body []byte) (time.Duration, bool) {
	m := retryText.FindSubmatch(body)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		return 0, false
	}
	unit := time.Second
	switch m[2][0] | 0x20 {
	case 'm':
		unit = time.Minute
	case 'h':
		unit = time.Hour
	}
	return clampPause(time.Duration(n) * unit), true
}

func clampPause(d time.Duration) time.Duration {
	return min(max(d, pauseFloor), pauseCap)
}

package tableau

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Request is one call of the REST API.
type Request struct {
	Method string // GET, POST, PUT, PATCH or DELETE
	// Path is /api/-/… for a versionless resource, /api/3.24/… as it is, or /…
	// short for /api/<version>/…. {siteId} and {userId} become the session's.
	Path  string
	Query url.Values
	// Header may hold Accept (default application/json), Content-Type (default
	// by the body's first character) and If-Match. Others are not sent; see
	// Response.Dropped.
	Header http.Header
	Body   []byte
	// Open gives a body that is too large for memory, instead of Body. It is
	// called for each try. Length is its size in bytes, 0 for unknown.
	Open   func() (io.ReadCloser, error)
	Length int64
	// Into takes the body of a 2xx answer piece by piece; Response.Body is
	// then empty. The call has no limit of size and of time, only
	// [StallTimeout] between two bytes.
	Into io.Writer
	// ReadOnly says that a call that is not a GET changes nothing, so that it
	// may be repeated like one.
	ReadOnly bool
	// Timeout of each try. Default [CallTimeout].
	Timeout time.Duration
	// Op names the call in errors and traces. Default: method and path.
	Op string

	limit  int64  // of the answer; default MaxBody
	tries  int    // 1: never repeated, not even when the session was lost
	noAuth bool   // sent without session
	tmpl   string // PathTemplate of traces
}

// Response is Tableau's answer to a call, whatever its status.
type Response struct {
	Status int
	Header http.Header // the few that concern the caller
	Body   []byte
	// Dropped are the names of request headers that were not sent.
	Dropped []string
	// RetryAt is when Tableau wants to be asked again, for 429 and 503; zero
	// when it did not say.
	RetryAt time.Time

	op      string
	errCode *string
}

var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// Do makes any call. An answer of Tableau's is a Response, also with 4xx or
// 5xx; [Response.Err] makes an error of it. Do fails when there was no answer,
// when the session could not be had, and when something else than Tableau
// answered.
//
// Reads are repeated after transient faults; writes only when Tableau has
// certainly not performed them. A session that something else ended is
// replaced once per call.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	p, err := c.prepare(r)
	if err != nil {
		return nil, err
	}
	if err := c.exchange.enter(); err != nil {
		return nil, err
	}
	defer c.exchange.leave()
	var (
		a    attempts
		lost bool
	)
	for {
		resp, g, err := c.try(ctx, p, &a)
		if isLoss(resp) {
			c.exchange.lose(g)
			if p.tries == 1 {
				return nil, &sessionGoneError{resp.Err()}
			}
			if lost {
				return nil, c.exchange.sessionLost(2, resp.Err())
			}
			lost = true
			continue
		}
		if err != nil && errors.Is(err, ErrLeaseLost) && g != nil && p.kind == retryRead && !lost {
			lost = true
			continue
		}
		if err != nil && g == nil {
			return nil, err // the sign-in has its own tries
		}
		wait, again := c.nextTry(ctx, &a, p.kind, resp, err)
		if !again || p.tries == 1 || p.written != nil && p.written.begun {
			return resp, err
		}
		if err := c.throttle.sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// sessionGoneError tells a caller that does its own repeating that Tableau has
// not performed the call.
type sessionGoneError struct{ error }

func (e *sessionGoneError) Unwrap() error { return e.error }

// try makes one try of a call, under the current session. The generation is
// nil when there was none.
func (c *Client) try(ctx context.Context, p prepared, a *attempts) (*Response, *generation, error) {
	if err := c.throttle.wait(ctx, a); err != nil {
		return nil, nil, err
	}
	// Waiting for a connection must not count as waiting for Tableau.
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	g := &generation{ctx: context.WithoutCancel(ctx)}
	if !p.noAuth {
		var err error
		if g, err = c.exchange.get(ctx); err != nil {
			return nil, nil, err
		}
		defer c.exchange.putBack(g)
	}
	u, err := p.target.resolve(p.Method, c.host, p.Query, g.session)
	if err != nil {
		return nil, nil, err
	}
	under, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if g.lost != nil {
		//nolint:contextcheck // the session's own context: it ends when the lease is lost
		stop := context.AfterFunc(g.ctx, func() { cancel(context.Cause(g.ctx)) })
		defer stop()
		if g.leaseLost() {
			return nil, g, ErrLeaseLost
		}
	}
	if err := guard(ctx, p); err != nil {
		return nil, g, err
	}
	out := p.outgoing
	out.url, out.token = u, g.session.token
	resp, err := c.roundTrip(under, out)
	if err != nil {
		return nil, g, err
	}
	resp.Dropped = p.dropped
	return resp, g, c.judge(resp, p)
}

// judge looks at what an answer is, beside its status.
func (c *Client) judge(resp *Response, p prepared) error {
	switch {
	case resp.Status == http.StatusTooManyRequests:
		resp.RetryAt = c.throttle.pause(resp)
		return nil
	case resp.Status == http.StatusServiceUnavailable:
		if d, ok := retryAfter(resp.Header.Get("Retry-After"), c.cfg.Now()); ok {
			resp.RetryAt = c.cfg.Now().Add(d)
		}
		return nil
	case resp.Status >= http.StatusBadRequest || p.Into != nil || len(resp.Body) == 0:
		return nil
	}
	c.throttle.answered()
	if resp.isJSON() {
		deep, cut := scanJSON(resp.Body)
		switch {
		case deep:
			return &TooLargeError{Op: p.op, What: "nesting", Limit: MaxDepth}
		case cut:
			return &NoAnswerError{Op: p.op, Host: c.host, Err: io.ErrUnexpectedEOF}
		}
	}
	if e, ok := resp.refusal(); ok {
		return e
	}
	if resp.isHTML() && !strings.Contains(p.header.Get("Accept"), "html") {
		return &NotTableauError{Op: p.op, Status: resp.Status, Excerpt: excerpt(resp.Body)}
	}
	return nil
}

// prepared is a call that was checked and can be sent under any session.
type prepared struct {
	Request
	outgoing
	target  target
	kind    retryKind
	dropped []string
	written *watchedWriter // around Into
}

func (c *Client) prepare(r Request) (prepared, error) {
	if !slices.Contains(methods, r.Method) {
		return prepared{}, refuse("the method must be one of GET, POST, PUT, PATCH, DELETE, not %q", r.Method)
	}
	t, err := parsePath(r.Path, c.cfg.Version)
	if err != nil {
		return prepared{}, err
	}
	header, dropped, err := requestHeader(r)
	if err != nil {
		return prepared{}, err
	}
	p := prepared{Request: r, target: t, dropped: dropped, kind: retryWrite}
	if r.Method == http.MethodGet || r.ReadOnly {
		p.kind = retryRead
	}
	template := r.tmpl
	if template == "" {
		template = t.template()
	}
	op := r.Op
	if op == "" {
		op = r.Method + " " + template
	}
	p.outgoing = outgoing{
		op: op, kind: KindCall, method: r.Method, template: template, header: header,
		body: r.Body, open: r.Open, length: r.Length, limit: MaxBody, into: r.Into,
		timeout: CallTimeout, headerTimeout: HeaderTimeout,
	}
	if r.limit > 0 {
		p.outgoing.limit = r.limit
	}
	if r.Into != nil {
		p.written = &watchedWriter{w: r.Into}
		p.into, p.timeout = p.written, 0
	}
	if r.Timeout > 0 {
		p.timeout, p.headerTimeout = r.Timeout, max(HeaderTimeout, r.Timeout)
	}
	return p, nil
}

// allowedHeaders are those that a caller may set. The session, the host and
// the framing of the message are the client's own.
var allowedHeaders = []string{"Accept", "Content-Type", "If-Match"}

func requestHeader(r Request) (header http.Header, dropped []string, err error) {
	header = http.Header{}
	for k, values := range r.Header {
		name := http.CanonicalHeaderKey(k)
		if !slices.Contains(allowedHeaders, name) {
			dropped = append(dropped, k)
			continue
		}
		for _, v := range values {
			if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				return nil, nil, refuse("the header %s holds control characters", name)
			}
		}
		header[name] = values
	}
	slices.Sort(dropped)
	if header.Get("Accept") == "" {
		header.Set("Accept", "application/json")
	}
	if header.Get("Content-Type") == "" && (len(r.Body) > 0 || r.Open != nil) {
		header.Set("Content-Type", bodyType(r.Body))
	}
	return header, dropped, nil
}

func bodyType(body []byte) string {
	switch b := bytes.TrimLeft(body, " \t\r\n"); {
	case len(b) > 0 && (b[0] == '{' || b[0] == '['):
		return "application/json"
	case len(b) > 0 && b[0] == '<':
		return "application/xml"
	default:
		return "application/octet-stream"
	}
}

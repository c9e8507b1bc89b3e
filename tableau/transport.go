package tableau

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	errHeaderTimeout = fmt.Errorf("no answer within %s", HeaderTimeout)
	errCallTimeout   = fmt.Errorf("the answer did not end within %s", CallTimeout)
	errStalled       = fmt.Errorf("the transfer stood still for %s", StallTimeout)
)

// newHTTP returns the only way out of this package: HTTPS to host, verified,
// without redirects and proxies.
func newHTTP(cfg Config, host string, certAsked *atomic.Bool) *http.Client {
	dial := cfg.Dial
	if dial == nil {
		d := &net.Dialer{Timeout: DialTimeout}
		if cfg.Control != nil {
			d.Control = func(network, address string, c syscall.RawConn) error {
				if err := cfg.Control(network, address, c); err != nil {
					return &EgressError{Host: host, Address: address, Err: err}
				}
				return nil
			}
		}
		dial = d.DialContext
	}
	return &http.Client{
		// The session's header is not among those that net/http takes off a
		// redirect to another host, and 307 would send the PAT along.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: nil,
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				return nil, refuse("only HTTPS is spoken")
			},
			DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				return dialTLS(ctx, dial, network, addr, host, &tls.Config{
					RootCAs:    cfg.RootCAs,
					MinVersion: tls.VersionTLS12,
					NextProtos: []string{"h2", "http/1.1"},
					GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
						certAsked.Store(true)
						return &tls.Certificate{}, nil
					},
				})
			},
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: MaxHeader,
			MaxIdleConns:           maxConns,
			MaxIdleConnsPerHost:    maxConns,
			MaxConnsPerHost:        maxConns,
			IdleConnTimeout:        90 * time.Second,
		},
	}
}

// maxConns bounds what one client opens to its server.
const maxConns = 64

func dialTLS(ctx context.Context, dial func(context.Context, string, string) (net.Conn, error), network, addr, host string, cfg *tls.Config) (net.Conn, error) {
	dialing, cancel := context.WithTimeout(ctx, DialTimeout)
	defer cancel()
	raw, err := dial(dialing, network, addr)
	if err != nil {
		if e, ok := errors.AsType[*EgressError](err); ok {
			return nil, e
		}
		return nil, &UnreachableError{Host: host, Err: err}
	}
	name, _, err := net.SplitHostPort(addr)
	if err != nil {
		name = addr
	}
	cfg.ServerName = name
	conn := tls.Client(raw, cfg)
	shaking, cancel := context.WithTimeout(ctx, TLSTimeout)
	defer cancel()
	if err := conn.HandshakeContext(shaking); err != nil {
		_ = raw.Close()
		if ctx.Err() != nil {
			return nil, &UnreachableError{Host: host, Err: context.Cause(ctx)}
		}
		if shaking.Err() != nil {
			return nil, &TLSError{Host: host, Reason: fmt.Sprintf("the handshake did not end within %s", TLSTimeout), Err: err}
		}
		if _, ok := errors.AsType[*net.OpError](err); ok && !isTLSFailure(err) || errors.Is(err, io.EOF) {
			return nil, &UnreachableError{Host: host, Err: err}
		}
		return nil, &TLSError{Host: host, Reason: tlsReason(err), Err: err}
	}
	return conn, nil
}

// isTLSFailure reports whether an error is the peer's or our own TLS alert.
func isTLSFailure(err error) bool {
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "remote error" || op.Op == "local error")
}

// tlsReason says what is wrong with a certificate or handshake.
func tlsReason(err error) string {
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired && e.Cert != nil {
		return fmt.Sprintf("the certificate is valid from %s to %s only", e.Cert.NotBefore.UTC().Format(time.DateOnly), e.Cert.NotAfter.UTC().Format(time.DateOnly))
	}
	if e, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		if e.Cert != nil && bytes.Equal(e.Cert.RawIssuer, e.Cert.RawSubject) {
			return "the certificate is self-signed and not trusted"
		}
		return "the certificate is signed by an unknown authority"
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return e.Error()
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the server does not speak TLS on this port"
	}
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "tls: "), "remote error: ")
}

// outgoing is one HTTP exchange to make.
type outgoing struct {
	op            string
	kind          Kind
	method        string
	url           *url.URL
	template      string
	header        http.Header
	body          []byte
	open          func() (io.ReadCloser, error) // instead of body
	length        int64                         // of open; -1 unknown
	limit         int64                         // of the answer's body
	into          io.Writer                     // takes a 2xx body instead of memory
	timeout       time.Duration                 // of the whole exchange; 0 for none
	headerTimeout time.Duration
	token         Secret
}

// roundTrip makes one HTTP exchange, bounded in time and size, and reports it.
// An answer of any status is a Response, except a redirect.
func (c *Client) roundTrip(ctx context.Context, out outgoing) (*Response, error) {
	started := c.cfg.Now()
	call := Call{
		Op: out.op, Kind: out.kind, Method: out.method, Path: out.url.Path, PathTemplate: out.template,
		Started: started, BytesOut: int64(len(out.body)),
	}
	if out.open != nil {
		call.BytesOut = max(out.length, 0)
	}
	resp, err := c.send(ctx, out, &call)
	call.Duration, call.Err = c.cfg.Now().Sub(started), err
	if resp != nil {
		call.Status = resp.Status
		if resp.Status >= http.StatusBadRequest {
			call.Code = resp.code()
		}
	}
	c.trace(ctx, call)
	return resp, err
}

func (c *Client) send(parent context.Context, out outgoing, call *Call) (*Response, error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	if out.timeout > 0 {
		stop := time.AfterFunc(out.timeout, func() { cancel(errCallTimeout) })
		defer stop.Stop()
	}
	head := time.AfterFunc(out.headerTimeout, func() { cancel(errHeaderTimeout) })
	defer head.Stop()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { sent.Store(true) },
		WroteRequest: func(httptrace.WroteRequestInfo) { head.Reset(out.headerTimeout) },
	})
	req, err := newHTTPRequest(ctx, out)
	if err != nil {
		return nil, err
	}
	if ua := c.cfg.UserAgent; ua != "" {
		req.Header.Set("User-Agent", ua)
	}
	// Once the session's token is in the header, req must not be printed.
	if !out.token.IsZero() {
		req.Header.Set("X-Tableau-Auth", out.token.value())
	}
	answer, err := c.http.Do(req)
	if err != nil {
		return nil, c.transportFault(parent, ctx, out, err, sent.Load())
	}
	head.Stop()
	defer answer.Body.Close()
	call.Status = answer.StatusCode
	if answer.StatusCode >= 300 && answer.StatusCode < 400 && answer.StatusCode != http.StatusNotModified {
		return nil, &RedirectError{Op: out.op, Status: answer.StatusCode, Target: c.redirectTarget(answer)}
	}
	resp := &Response{Status: answer.StatusCode, Header: passOn(answer.Header), op: out.op}
	if out.into != nil && answer.StatusCode < 300 {
		call.BytesIn, err = copyWatched(out.into, answer.Body, cancel)
	} else {
		resp.Body, err = readBody(answer, out)
		call.BytesIn = int64(len(resp.Body))
		resp.Body = c.scrub(resp.Body, out.token)
	}
	if err != nil {
		if _, ok := errors.AsType[classified](err); ok {
			return nil, err
		}
		if e, ok := errors.AsType[*writeError](err); ok {
			return nil, fmt.Errorf("write the answer to %s: %w", out.op, e.err)
		}
		return nil, c.transportFault(parent, ctx, out, err, true)
	}
	return resp, nil
}

func newHTTPRequest(ctx context.Context, out outgoing) (*http.Request, error) {
	var body io.Reader
	if out.open != nil {
		r, err := out.open()
		if err != nil {
			return nil, fmt.Errorf("open the body of %s: %w", out.op, err)
		}
		body = r
	} else if out.body != nil {
		body = bytes.NewReader(out.body)
	}
	req, err := http.NewRequestWithContext(ctx, out.method, "https://"+out.url.Host+"/", body)
	if err != nil {
		return nil, refuse("the call cannot be made: %v", err)
	}
	req.URL = out.url
	req.Header = out.header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	if out.open != nil {
		req.ContentLength = out.length
		if out.length == 0 {
			req.ContentLength = -1
		}
	}
	return req, nil
}

// readBody reads an answer's body up to its limit, counted after
// decompression. Only the start of an error's body is kept.
func readBody(answer *http.Response, out outgoing) ([]byte, error) {
	limit, failed := out.limit, answer.StatusCode >= http.StatusBadRequest
	if failed {
		limit = min(limit, MaxErrorBody)
	}
	var buf bytes.Buffer
	if n := answer.ContentLength; n > 0 && n <= limit {
		buf.Grow(int(n) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(answer.Body, limit+1))
	if failed && (n > limit || err != nil) && buf.Len() > 0 {
		// The status is what counts; its explanation may be cut off.
		return buf.Bytes()[:min(n, limit)], nil
	}
	if n > limit {
		return nil, &TooLargeError{Op: out.op, What: "body", Limit: limit}
	}
	return buf.Bytes(), err
}

type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }

// copyWatched copies as long as bytes keep coming.
func copyWatched(w io.Writer, r io.Reader, cancel context.CancelCauseFunc) (int64, error) {
	watch := time.AfterFunc(StallTimeout, func() { cancel(errStalled) })
	defer watch.Stop()
	var total int64
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		watch.Reset(StallTimeout)
		total += int64(n)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return total, &writeError{werr}
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// transportFault turns a failure without an answer into the package's errors.
func (c *Client) transportFault(parent, ctx context.Context, out outgoing, err error, sent bool) error {
	// A *url.Error prints the query, which may hold names.
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if parent.Err() != nil && errors.Is(context.Cause(parent), context.Canceled) && (!sent || out.method == http.MethodGet || out.kind == KindSignIn) {
		return fmt.Errorf("%s: %w", out.op, context.Cause(parent))
	}
	if ctx.Err() == nil {
		if e, ok := errors.AsType[*EgressError](err); ok {
			return e
		}
		if e, ok := errors.AsType[*TLSError](err); ok {
			return e
		}
		if e, ok := errors.AsType[*UnreachableError](err); ok {
			return e
		}
		if isTLSFailure(err) {
			return &TLSError{Host: c.host, Reason: tlsReason(err), Err: err}
		}
		if text := err.Error(); strings.Contains(text, "headers exceeded") || strings.Contains(text, "header list larger") {
			return &TooLargeError{Op: out.op, What: "header", Limit: MaxHeader}
		}
	}
	if ctx.Err() == nil && out.kind == KindSignIn && c.certAsked.Load() {
		// TLS 1.3 refuses after the handshake, and the refusal may be lost with
		// the connection.
		return &TLSError{Host: c.host, Reason: "the server broke off after it had asked for a client certificate: certificate required", Err: err}
	}
	if !sent || out.kind == KindSignIn {
		return &UnreachableError{Host: c.host, Err: err}
	}
	return &NoAnswerError{Op: out.op, Host: c.host, Err: err}
}

// redirectTarget names the host that a redirect leads to.
func (c *Client) redirectTarget(answer *http.Response) string {
	u, err := url.Parse(answer.Header.Get("Location"))
	if err != nil || u.Host == "" && u.Scheme == "" {
		return ""
	}
	target := clip([]byte(u.Host), 253)
	if u.Scheme == "http" {
		return "http://" + target
	}
	if target == c.host {
		return ""
	}
	return target
}

// passedOn are the headers of an answer that callers get. Cookies are not
// among them: they carry the session.
var passedOn = []string{"Content-Type", "Content-Disposition", "Date", "Etag", "Last-Modified", "Location", "Retry-After"}

func passOn(h http.Header) http.Header {
	out := http.Header{}
	for _, k := range passedOn {
		if v := h.Values(k); len(v) > 0 {
			out[k] = v
		}
	}
	return out
}

// scrub takes the PAT's secret and the session's token out of an answer: a
// proxy on the way may echo what it was sent.
func (c *Client) scrub(body []byte, token Secret) []byte {
	for _, s := range []Secret{token, c.cfg.TokenSecret} {
		v := s.value()
		if len(v) < 8 {
			continue
		}
		// Most tokens escape to themselves; a large page is searched once then.
		forms := []string{v, url.PathEscape(v), url.QueryEscape(v)}
		for _, form := range slices.Compact(forms) {
			if bytes.Contains(body, []byte(form)) {
				body = bytes.ReplaceAll(body, []byte(form), []byte(redacted))
			}
		}
	}
	return body
}

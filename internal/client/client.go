// Package client speaks Margay's REST API: typed methods over the JSON of
// package wire.
//
// It sends a bearer token to one address and to no other, bounds what it reads,
// and turns problem details into errors with a fault.Kind. A POST whose answer
// was lost is sent once more under the same Idempotency-Key; nothing else is
// retried. It holds no rule. The command line talks to it; the server does not.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/margay-access/margay/internal/fault"
)

const (
	// timeout bounds one exchange. It is longer than the server's own bound on
	// writing an answer (3 minutes), so that the server's word comes first.
	timeout = 200 * time.Second
	// maxAnswer bounds what is read: Tableau's 10 MiB as base64, and room.
	maxAnswer = 32 << 20
)

// Client calls the API of one server as the owner of one token. Set its fields
// before the first call.
type Client struct {
	// UserAgent names the program. Default: margay.
	UserAgent string
	// Trace, if set, is told of every exchange. It learns no header and no body.
	Trace func(Exchange)

	base  *url.URL
	token string
	http  *http.Client
}

// Exchange is one call as [Client.Trace] is told of it.
type Exchange struct {
	Method    string
	Path      string // with its query
	Status    int    // 0: no answer came
	RequestID string
	Duration  time.Duration
}

// New returns a client of the server at address, such as
// https://margay.example, who signs in by token. An address that cannot be one
// is a fault.Invalid.
func New(address, token string) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(strings.TrimSpace(address), "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fault.New(fault.Invalid, "%q is not the address of a server.", address).WithCode("bad_url").
			WithHint("Write it with its scheme, such as https://margay.example.")
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fault.New(fault.Invalid, "The address of the server holds more than scheme, host and path.").WithCode("bad_url").
			WithHint("Write it as https://margay.example.")
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   4,
		IdleConnTimeout:       time.Minute,
		ExpectContinueTimeout: time.Second,
	}
	return &Client{
		UserAgent: "margay", base: base, token: strings.TrimSpace(token),
		http: &http.Client{
			Timeout: timeout, Transport: transport,
			// The API never redirects; whoever does would get the token.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// URL returns the address of the server.
func (c *Client) URL() string { return c.base.String() }

// Plain says whether the token crosses a network unencrypted: by http to
// another machine.
func (c *Client) Plain() bool {
	if c.base.Scheme == "https" || c.base.Hostname() == "localhost" {
		return false
	}
	addr, err := netip.ParseAddr(c.base.Hostname())
	return err != nil || !addr.IsLoopback()
}

// String names the client without its token.
func (c *Client) String() string { return "client of " + c.URL() }

// GoString implements fmt.GoStringer without the token.
func (c *Client) GoString() string { return c.String() }

// Format implements fmt.Formatter, so that no verb shows the token.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// nothing is the answer of calls that answer nothing.
type nothing struct{}

// do makes one call and decodes its answer into a T.
func do[T any](ctx context.Context, c *Client, method, path string, query url.Values, in any) (T, error) {
	var out T
	body, err := c.send(ctx, method, path, query, in)
	if err != nil || len(body) == 0 {
		return out, err
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return out, &Error{Problem: foreign(c.base.Host, http.StatusOK, "its JSON is not Margay's"), kind: fault.Internal, cause: err}
	}
	return out, nil
}

// send makes one call and returns the body of its answer.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, in any) ([]byte, error) {
	req, err := c.request(ctx, method, path, query, in)
	if err != nil {
		return nil, err
	}
	started := time.Now() //nolint:forbidigo // only the trace is told of it
	resp, err := c.http.Do(req)
	if err != nil && c.lost(ctx, req, err) {
		c.trace(req, nil, started)
		resp, err = c.http.Do(req)
	}
	if err != nil {
		c.trace(req, nil, started)
		return nil, c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	c.trace(req, resp, started)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if len(body) > maxAnswer {
		return nil, &Error{Problem: foreign(c.base.Host, resp.StatusCode, "its answer is larger than 32 MiB"), kind: fault.Internal}
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, c.problem(resp, body)
	}
	return body, nil
}

// open sends a request whose answer is read as it comes, and which is not sent
// again. The caller closes the body.
func (c *Client) open(ctx context.Context, method, path string, query url.Values, in any) (io.ReadCloser, error) {
	req, err := c.request(ctx, method, path, query, in)
	if err != nil {
		return nil, err
	}
	started := time.Now() //nolint:forbidigo // only the trace is told of it
	resp, err := c.http.Do(req)
	c.trace(req, resp, started)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	return nil, c.problem(resp, body)
}

// lost says whether the answer to a POST was lost on its way, and makes req
// ready to be sent once more: its key makes it one act all the same. A server
// that could not be reached, or took too long, is not asked again.
func (c *Client) lost(ctx context.Context, req *http.Request, err error) bool {
	op, dialled := errors.AsType[*net.OpError](err)
	timeout, slow := errors.AsType[net.Error](err)
	if req.Method != http.MethodPost || ctx.Err() != nil || dialled && op.Op == "dial" || slow && timeout.Timeout() {
		return false
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) {
		return false
	}
	if req.GetBody == nil {
		return true // it has none
	}
	body, err := req.GetBody()
	req.Body = body
	return err == nil
}

func (c *Client) request(ctx context.Context, method, path string, query url.Values, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	target := c.base.String() + "/api/v1" + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPost {
		// However often it is sent, it is one act.
		req.Header.Set("Idempotency-Key", uuid.NewString())
	}
	req.Header.Set("Accept", "application/json, application/problem+json")
	req.Header.Set("User-Agent", c.UserAgent)
	return req, nil
}

func (c *Client) trace(req *http.Request, resp *http.Response, started time.Time) {
	if c.Trace == nil {
		return
	}
	e := Exchange{Method: req.Method, Path: req.URL.RequestURI(), Duration: time.Since(started)}
	if resp != nil {
		e.Status, e.RequestID = resp.StatusCode, resp.Header.Get("X-Request-Id")
	}
	c.Trace(e)
}

// unreachable returns why no answer came, or that the caller gave up.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("call Margay: %w", ctx.Err())
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return &UnreachableError{URL: c.URL(), Err: err}
}

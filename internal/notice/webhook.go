package notice

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// WebhookState says whether a webhook is served.
type WebhookState string

// The states of a webhook.
const (
	Enabled  WebhookState = "enabled"
	Paused   WebhookState = "paused"   // by an administrator
	Disabled WebhookState = "disabled" // by itself: see Problem
)

// Content is the shape of what is posted.
type Content string

// The contents.
const (
	Plain       Content = "standard"    // type, timestamp and data
	CloudEvents Content = "cloudevents" // CloudEvents 1.0 in binary mode: data, the rest in headers
)

// Webhook is an address that is told of events.
type Webhook struct {
	ID          string
	Name        string
	URL         string
	Types       []Type // empty: all
	Content     Content
	Secrets     []Secret // the newest first
	Since       int64    // it is told of later events
	State       WebhookState
	Problem     string // why it is disabled, or why the last attempt failed
	FailingAt   time.Time
	SucceededAt time.Time
	CreatedAt   time.Time
}

// Secret is one that messages are signed with, sealed.
type Secret struct {
	ID        string    `json:"id"`
	Sealed    string    `json:"sealed"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // after a rotation
}

func (w Webhook) place(s Secret) string { return "webhooks/" + w.ID + "/secret/" + s.ID }

const (
	maxWebhooks = 50
	maxURL      = 2000
	// rotationTerm is how long the secret before is signed with too.
	rotationTerm = 24 * time.Hour
	// patience is how long a webhook may fail before it is disabled.
	patience = 3 * 24 * time.Hour
)

// check returns the webhook as it can be kept, or what is wrong with it.
func (w Webhook) check() (Webhook, error) {
	var faults []*fault.Error
	w.Name = strings.TrimSpace(w.Name)
	if !utf8.ValidString(w.Name) || strings.ContainsFunc(w.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) || utf8.RuneCountInString(w.Name) > 100 {
		faults = append(faults, fault.Field("name", "A name has at most 100 characters, all of them visible."))
	}
	if f := checkURL(w.URL); f != nil {
		faults = append(faults, f)
	}
	for _, t := range w.Types {
		if !slices.Contains(Types(), t) {
			faults = append(faults, fault.Field("types", "There is no type %q of event.", t).WithHint("The types are: %s.", typeNames()))
			break
		}
	}
	if w.Content == "" {
		w.Content = Plain
	}
	if w.Content != Plain && w.Content != CloudEvents {
		faults = append(faults, fault.Field("content", "The content is standard or cloudevents."))
	}
	if w.Name == "" {
		w.Name = hostOf(w.URL)
	}
	return w, fault.Join(faults...)
}

// checkURL refuses what may not be posted to. Plain http is for this machine
// alone; which addresses may be called is looked at when they are.
func checkURL(text string) *fault.Error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || len(text) > maxURL || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return fault.Field("url", "This is not the address of a receiver, such as https://hooks.acme.example/margay.")
	case u.User != nil:
		return fault.Field("url", "An address with a user name or password in it would show them: leave them out.")
	case u.Fragment != "":
		return fault.Field("url", "An address has no part behind #.")
	case u.Scheme == "https":
		return nil
	}
	if a, err := netip.ParseAddr(u.Hostname()); u.Scheme == "http" && err == nil && a.IsLoopback() {
		return nil
	}
	return fault.Field("url", "A receiver is reached by https.")
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}

func typeNames() string {
	names := make([]string, 0, len(Types()))
	for _, t := range Types() {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}

// wants says whether the webhook is told of an event.
func (w Webhook) wants(t Type, seq int64) bool {
	return w.State == Enabled && seq > w.Since && (len(w.Types) == 0 || slices.Contains(w.Types, t))
}

func (w Webhook) event(kind audit.Kind, who identity.Actor, now time.Time, data ...string) audit.Event {
	d := map[string]string{"name": w.Name, "host": hostOf(w.URL)} // the path of an address may be as good as a secret
	for i := 0; i+1 < len(data); i += 2 {
		d[data[i]] = data[i+1]
	}
	return audit.Event{At: now, Kind: kind, Actor: who.String(), Subject: "webhook:" + w.ID, Data: d}
}

// schedule is how long after an attempt the next one is made: ten in all, over
// three days (Standard Webhooks, "Deliverability and reliability").
var schedule = []time.Duration{
	0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// maxRetryAfter bounds what a receiver may ask for.
const maxRetryAfter = 24 * time.Hour

// outcome is what came of one attempt.
type outcome struct {
	try       Try
	ok        bool
	permanent bool          // trying again is of no use
	gone      bool          // 410: the receiver wants no more of them
	wait      time.Duration // Retry-After
	failed    error         // for the log
}

// settle returns the delivery after an attempt. delays are the times between
// attempts; jitter, of [0, 1), spreads them.
func (d Delivery) settle(o outcome, delays []time.Duration, jitter float64, now time.Time) Delivery {
	d.Tries = append(slices.Clone(d.Tries), o.try)
	if extra := len(d.Tries) - keptTries; extra > 0 {
		d.Tries = d.Tries[extra:]
	}
	d.Problem = o.try.Problem
	switch {
	case o.ok:
		d.State, d.DoneAt, d.Problem = Delivered, now, ""
	case o.permanent || o.gone || d.Attempts >= len(delays):
		d.State, d.DoneAt = Failed, now
	default:
		delay := delays[d.Attempts]
		delay += time.Duration(jitter * float64(delay) / 5)
		d.NextAt = now.Add(max(delay, min(o.wait, maxRetryAfter)))
	}
	return d
}

// settle returns the webhook after an attempt, and whether it was disabled by it.
func (w Webhook) settle(o outcome, now time.Time) (_ Webhook, disabled bool) {
	if o.ok {
		w.FailingAt, w.Problem, w.SucceededAt = time.Time{}, "", now
		return w, false
	}
	if w.FailingAt.IsZero() {
		w.FailingAt = now
	}
	if w.State == Disabled {
		return w, false // what was under way changes nothing
	}
	w.Problem = o.try.Problem
	switch {
	case o.gone:
		w.Problem = "The receiver answered 410 Gone: it wants no more messages."
	case now.Sub(w.FailingAt) >= patience:
		w.Problem = "Nothing could be delivered for three days. The last attempt: " + o.try.Problem
	default:
		return w, false
	}
	disabled = w.State == Enabled
	w.State = Disabled
	return w, disabled
}

// postTimeout is how long a receiver has to answer.
const postTimeout = 15 * time.Second

// newPoster returns the client that posts: it dials what control lets through,
// follows no redirect and uses no proxy.
func newPoster(cfg Config) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: cfg.Control}
	return &http.Client{
		Timeout:       postTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: tlsConfig(cfg.RootCAs), ForceAttemptHTTP2: true,
			MaxResponseHeaderBytes: 16 << 10, MaxConnsPerHost: 8, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 10 * time.Second,
		},
	}
}

// post makes one attempt at a delivery.
func (s *Service) post(ctx context.Context, w Webhook, d Delivery) outcome {
	now := s.cfg.Now()
	o := outcome{try: Try{At: now}}
	req, err := s.request(ctx, w, d, now)
	if err != nil {
		o.try.Problem, o.failed = "The message could not be made: see the server's log.", err
		return o
	}
	o.try.Request = heads(req.Header)
	resp, err := s.poster.Do(req)
	o.try.Took = s.cfg.Now().Sub(now)
	if err != nil {
		o.try.Problem, o.failed = whyNoAnswer(err), err
		return o
	}
	_ = resp.Body.Close() // what a receiver says beside its status is not read
	o.try.Status, o.try.Response = resp.StatusCode, heads(resp.Header)
	o.wait = retryAfter(resp.Header.Get("Retry-After"), now)
	switch code := resp.StatusCode; {
	case code >= 200 && code <= 299:
		o.ok = true
	case code >= 300 && code <= 399:
		o.try.Problem = "The receiver answered " + strconv.Itoa(code) + ": redirects are not followed. Give the address that it leads to."
	default:
		o.gone = code == http.StatusGone
		o.try.Problem = strings.TrimSpace("The receiver answered "+strconv.Itoa(code)+" "+http.StatusText(code)) + "."
	}
	return o
}

func (s *Service) request(ctx context.Context, w Webhook, d Delivery, now time.Time) (*http.Request, error) {
	var secrets []string
	for _, secret := range w.Secrets {
		if !secret.ExpiresAt.IsZero() && !now.Before(secret.ExpiresAt) {
			continue
		}
		plain, err := s.cfg.Sealer.Open(secret.Sealed, w.place(secret))
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, string(plain))
	}
	header := http.Header{}
	text := d.Body
	if w.Content == CloudEvents {
		var err error
		if text, err = cloudEvent(header, d, s.cfg.ExternalURL); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, strings.NewReader(text))
	if err != nil {
		return nil, errors.New("the kept address of the webhook is none") // err holds it
	}
	req.Header = header
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", s.cfg.UserAgent)
	req.Header.Set("Webhook-Id", d.Message)
	req.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("Webhook-Signature", sign(secrets, d.Message, now, []byte(text)))
	return req, nil
}

// heads returns the header as it is kept: bounded, without signatures and
// cookies.
func heads(h http.Header) []string {
	var lines []string
	for name, values := range h {
		if name == "Webhook-Signature" || name == "Set-Cookie" || len(values) == 0 {
			continue
		}
		lines = append(lines, cut(printable(name+": "+values[0]), 200))
	}
	slices.Sort(lines)
	return lines[:min(len(lines), 20)]
}

// retryAfter reads the header of the name: seconds or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(seconds, 0), int(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// whyNoAnswer says it without the address, which people see beside it.
func whyNoAnswer(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Message
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return "The receiver did not answer within 15 seconds."
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return cut(printable("No answer came: "+err.Error()+"."), 300)
}

// printable replaces what is not visible: receivers choose these texts.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
}

func cut(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

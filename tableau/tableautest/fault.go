package tableautest

import (
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Drop is when a fault drops the connection.
type Drop string

// The moments to drop a connection.
const (
	// DropBefore drops it before Tableau has done anything.
	DropBefore Drop = "before"
	// DropAfter drops it when Tableau has done what was asked, before a byte
	// of the answer.
	DropAfter Drop = "after"
	// DropMidBody drops it after half of the answer's body.
	DropMidBody Drop = "mid-body"
)

// Fault is something that goes wrong, on demand. The first fault that matches
// a request and is not used up is the one that it meets.
//
// With Status, Body, HTML, Redirect or Code it answers in Tableau's place, and
// Tableau does nothing, unless Apply is set. Without them it delays, drops or cuts
// the true answer.
type Fault struct {
	// Name is shown in the journal.
	Name string `json:"name"`

	// Method, Path, Operation, Query and PAT choose the requests; empty
	// matches all. In Path * is one segment and ** any rest:
	// "/api/*/sites/*/users/**". Operation is a name of the catalogue, as in
	// [Routes]. Query is text that the raw query contains.
	Method    string `json:"method"`
	Path      string `json:"path"`
	Operation string `json:"operation"`
	Query     string `json:"query"`
	PAT       string `json:"pat"`

	// Skip lets so many matching requests pass first.
	Skip int `json:"skip"`
	// Times is how many requests meet the fault. 0 means one, a negative
	// number all.
	Times int `json:"times"`

	// Status, Code, Summary and Detail answer with Tableau's error, in the
	// form asked for. A Code alone gives its status and usual text.
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Summary string `json:"summary"`
	Detail  string `json:"detail"`
	// Body answers with these bytes instead, of type ContentType (default
	// JSON), with Status (default 200).
	Body        string `json:"body"`
	ContentType string `json:"content_type"`
	// HTML answers with a page, as a gateway does, with Status (default 503).
	HTML bool `json:"html"`
	// Redirect answers with this Location and Status (default 302).
	Redirect string `json:"redirect"`
	// RetryAfter is the header of that name, sent as it is.
	RetryAfter string `json:"retry_after"`
	// Header is added to the answer, true or not.
	Header http.Header `json:"header"`
	// Apply lets Tableau do what was asked before the fault answers.
	Apply bool `json:"apply"`

	// Delay is waited before anything is done.
	Delay time.Duration `json:"delay"`
	// Hang holds the request until the client gives up: before Tableau does
	// anything, or after it with Apply.
	Hang bool `json:"hang"`
	// Drop drops the connection.
	Drop Drop `json:"drop"`
	// Truncate cuts the body after so many bytes, while the header promises
	// the whole.
	Truncate int `json:"truncate"`
	// Slow sends the body so many bytes a second.
	Slow int `json:"slow"`
	// Endless sends the body again and again until the client gives up.
	Endless bool `json:"endless"`
	// Raw is written to the connection as it is, instead of any answer, which
	// then ends: for what is no HTTP. It needs HTTP/1.1.
	Raw string `json:"raw"`

	// EndSession ends the request's session first, as a sign-in with the same
	// PAT elsewhere does.
	EndSession bool `json:"end_session"`
	// Before runs before Tableau handles the request, After when it has and
	// before it answers: to change the site between a read and a write.
	Before func() `json:"-"`
	After  func() `json:"-"`
}

// FaultHandle watches a fault that was set.
type FaultHandle struct {
	faults *faults
	f      *armed
}

// armed is a fault with its counts.
type armed struct {
	Fault

	seen, hits int
	cancelled  bool
}

func (a *armed) spent() bool {
	return a.cancelled || a.Times >= 0 && a.hits >= max(a.Times, 1)
}

// faults are those set, in order.
type faults struct {
	mu   sync.Mutex
	list []*armed
}

// Fail sets a fault for the installation.
func (s *Site) Fail(f Fault) *FaultHandle {
	fs := &s.in.faults
	fs.mu.Lock()
	defer fs.mu.Unlock()
	a := &armed{Fault: f}
	fs.list = append(fs.list, a)
	return &FaultHandle{faults: fs, f: a}
}

// ClearFaults takes every fault back.
func (s *Site) ClearFaults() {
	fs := &s.in.faults
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = nil
}

// Hits returns how many requests met the fault.
func (h *FaultHandle) Hits() int {
	h.faults.mu.Lock()
	defer h.faults.mu.Unlock()
	return h.f.hits
}

// Cancel takes the fault back.
func (h *FaultHandle) Cancel() {
	h.faults.mu.Lock()
	defer h.faults.mu.Unlock()
	h.f.cancelled = true
}

// take finds the fault that a request meets and counts it.
func (fs *faults) take(c *call) *activeFault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, a := range fs.list {
		if a.spent() || !a.matches(c) || a.PAT != "" && a.PAT != c.entry.PAT {
			continue
		}
		if a.seen++; a.seen <= a.Skip {
			continue
		}
		a.hits++
		c.entry.Fault = or(a.Name, "unnamed")
		return &activeFault{Fault: a.Fault}
	}
	return nil
}

func (f Fault) matches(c *call) bool {
	e := c.entry
	return (f.Method == "" || strings.EqualFold(f.Method, e.Method)) &&
		(f.Operation == "" || f.Operation == e.Operation || c.route != nil && slices.Contains(c.route.also, f.Operation)) &&
		(f.Query == "" || strings.Contains(e.Query, f.Query)) &&
		(f.Path == "" || glob(strings.Split(f.Path, "/"), strings.Split(e.Path, "/")))
}

// glob matches a path segment by segment, without regard to case.
func glob(pattern, path []string) bool {
	for i, p := range pattern {
		if p == "**" {
			return true
		}
		if i >= len(path) || p != "*" && !strings.EqualFold(p, path[i]) {
			return false
		}
	}
	return len(pattern) == len(path)
}

// activeFault is the fault that one request meets. A nil one does nothing.
type activeFault struct{ Fault }

// before delays, ends the session and runs the hook.
func (f *activeFault) before(c *call) {
	if f == nil {
		return
	}
	c.in.wait(c.r, f.Delay)
	if f.EndSession {
		c.in.mu.Lock()
		if _, live := c.in.sessions[digest(c.token)]; live {
			delete(c.in.sessions, digest(c.token))
			c.in.evictions++
		}
		c.in.mu.Unlock()
	}
	if f.Before != nil {
		f.Before()
	}
}

func (f *activeFault) after() {
	if f != nil && f.After != nil {
		f.After()
	}
}

// stops tells whether Tableau never gets to see the request.
func (f *activeFault) stops() bool {
	return f != nil && !f.Apply && (f.Drop == DropBefore || f.Hang || f.Raw != "" || f.replaces())
}

// replaces tells whether the fault answers in Tableau's place.
func (f *activeFault) replaces() bool {
	return f != nil && (f.Status != 0 || f.Code != "" || f.Body != "" || f.HTML || f.Redirect != "")
}

// response is the fault's own answer.
func (f *activeFault) response(c *call) response {
	var resp response
	switch {
	case f.Redirect != "":
		resp = response{status: or(f.Status, http.StatusFound), header: http.Header{"Location": {f.Redirect}}}
	case f.HTML:
		resp = htmlResponse(or(f.Status, http.StatusServiceUnavailable), or(f.Detail, "Service Unavailable"))
		resp.body = []byte(or(f.Body, string(resp.body)))
	case f.Body != "":
		resp = response{
			status: or(f.Status, http.StatusOK), body: []byte(f.Body),
			header: http.Header{"Content-Type": {or(f.ContentType, mediaJSON)}},
		}
	default:
		code := or(f.Code, strconv.Itoa(f.Status)+"000")
		failed := fail(code)
		failed.status = or(f.Status, failed.status)
		failed.summary, failed.detail = or(f.Summary, failed.summary), or(f.Detail, failed.detail)
		resp = c.errorResponse(failed)
	}
	if f.RetryAfter != "" {
		resp.header.Set("Retry-After", f.RetryAfter)
	}
	return resp
}

// finish writes a response down and sends it, as far as the fault lets it.
func (f *activeFault) finish(w http.ResponseWriter, c *call, resp response) {
	if f == nil {
		f = &activeFault{}
	}
	e := c.entry
	e.Took = c.in.now().Sub(e.Time)
	dropped := f.Hang || f.Drop == DropBefore || f.Drop == DropAfter
	if !dropped {
		e.Status, e.Code = resp.status, resp.code
	}
	if f.Hang {
		<-c.r.Context().Done()
	}
	c.in.journal.end(e)
	if dropped {
		drop(w)
	}
	if f.Raw != "" {
		f.raw(w)
		return
	}
	maps.Copy(w.Header(), resp.header)
	w.Header().Set("Date", c.in.now().UTC().Format(http.TimeFormat))
	for k, vals := range f.Header {
		w.Header()[http.CanonicalHeaderKey(k)] = vals
	}
	body := resp.body
	if c.r.Method == http.MethodHead {
		body = nil
	}
	if resp.status != http.StatusNoContent && !f.Endless {
		w.Header().Set("Content-Length", strconv.Itoa(len(resp.body)))
	}
	w.WriteHeader(resp.status)
	switch {
	case f.Drop == DropMidBody:
		f.cut(w, body, len(body)/2)
	case f.Truncate > 0 && f.Truncate < len(body):
		f.cut(w, body, f.Truncate)
	case f.Slow > 0:
		f.drip(w, c.r, body)
	case f.Endless:
		for c.r.Context().Err() == nil {
			if _, err := w.Write(body); err != nil {
				return
			}
		}
	default:
		_, _ = w.Write(body) // the client may be gone
	}
}

// cut sends the beginning of a body and drops the connection.
func (f *activeFault) cut(w http.ResponseWriter, body []byte, n int) {
	_, _ = w.Write(body[:n])
	_ = http.NewResponseController(w).Flush()
	drop(w)
}

// drip sends a body slowly.
func (f *activeFault) drip(w http.ResponseWriter, r *http.Request, body []byte) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for len(body) > 0 {
		n := min(f.Slow, len(body))
		_, _ = w.Write(body[:n])
		_ = http.NewResponseController(w).Flush()
		body = body[n:]
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// drop ends the connection with a reset where it can, and does not return.
func drop(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		if inner, ok := conn.(interface{ NetConn() net.Conn }); ok {
			conn = inner.NetConn() // below TLS, so that no close_notify is sent
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset instead of an orderly end
		}
		_ = conn.Close()
	}
	panic(http.ErrAbortHandler)
}

// raw writes bytes that need not be HTTP, and ends the connection.
func (f *activeFault) raw(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = conn.Write([]byte(f.Raw)) // the client may be gone
	_ = conn.Close()
}

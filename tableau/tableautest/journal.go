package tableautest

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Entry is one request as the simulated Tableau saw it. It never holds a
// session token or the secret of a PAT.
type Entry struct {
	Seq       int           `json:"seq"`  // from 1, in the order of arrival
	Time      time.Time     `json:"time"` // of arrival, by the simulated clock
	Method    string        `json:"method"`
	Path      string        `json:"path"`      // escaped, as it came
	Query     string        `json:"query"`     // raw, as it came
	Operation string        `json:"operation"` // name in the catalogue, "" when the path is none
	Status    int           `json:"status"`    // 0: not answered yet, or the connection was dropped
	Code      string        `json:"code"`      // Tableau's error code
	PAT       string        `json:"pat"`       // name of the PAT of the session, or of the sign-in
	Session   int           `json:"session"`   // serial number of the session, from 1; 0: none that is known
	Site      string        `json:"site"`      // content URL of the session's site
	User      string        `json:"user"`      // id of the signed-in user
	Body      string        `json:"body"`      // of writes, as JSON, with secrets removed
	Applied   bool          `json:"applied"`   // Tableau handled the request with success, whatever was answered
	Fault     string        `json:"fault"`     // name of the fault that it met
	Done      bool          `json:"done"`      // the answer was given, or the connection dropped
	Took      time.Duration `json:"took"`
	Accept    string        `json:"accept"`
	UserAgent string        `json:"user_agent"`
}

// journal holds every request, in the order of arrival.
type journal struct {
	mu      sync.Mutex
	entries []*Entry
	changed chan struct{} // closed and replaced at each change
}

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

// secretKeys are attributes whose value is not written down.
var secretKeys = []string{"personalAccessTokenSecret", "password", "jwt", "token", "secret", "clientSecret"}

const redacted = "[redacted]"

// begin writes a request down as it arrives.
func (j *journal) begin(now time.Time, r *http.Request, m match) *Entry {
	e := Entry{
		Time: now, Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery,
		Accept: r.Header.Get("Accept"), UserAgent: r.UserAgent(),
	}
	if m.route != nil {
		e.Operation = m.route.method.name
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	first := e
	first.Seq = len(j.entries) + 1
	e.Seq = first.Seq
	j.entries = append(j.entries, &first)
	j.tell()
	return &e
}

// end writes down what was answered.
func (j *journal) end(e *Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	done := *e
	done.Done = true
	j.entries[e.Seq-1] = &done
	j.tell()
}

func (j *journal) tell() {
	close(j.changed)
	j.changed = make(chan struct{})
}

// bodyOf writes a request body as JSON without its secrets.
func (e *Entry) bodyOf(body elem) string {
	return string(toJSON(NumbersAsNumbers, scrub(body).kids...))
}

func scrub(e elem) elem {
	e.attrs = slices.Clone(e.attrs)
	for i, a := range e.attrs {
		if slices.ContainsFunc(secretKeys, func(k string) bool { return strings.EqualFold(k, a.key) }) {
			e.attrs[i].val, e.attrs[i].kind = redacted, str
		}
	}
	e.kids = slices.Clone(e.kids)
	for i, k := range e.kids {
		e.kids[i] = scrub(k)
	}
	return e
}

// Journal returns every request so far, in the order of arrival. Those still
// being answered have Done false.
func (s *Site) Journal() []Entry { return s.JournalSince(0) }

// JournalSince returns the requests whose Seq is above seq.
func (s *Site) JournalSince(seq int) []Entry {
	j := s.in.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	from := min(max(seq, 0), len(j.entries))
	out := make([]Entry, 0, len(j.entries)-from)
	for _, e := range j.entries[from:] {
		out = append(out, *e)
	}
	return out
}

// Changed returns a channel that is closed at the next entry or answer, so
// that a test can wait for a request without sleeping.
func (s *Site) Changed() <-chan struct{} {
	j := s.in.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.changed
}

func (j *journal) len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.entries)
}

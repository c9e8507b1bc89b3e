package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
)

// Request is one request for a page, and how to answer it.
type Request struct {
	*http.Request
	Actor   identity.Actor // who is signed in; the zero value on pages for nobody
	Session identity.Session
	ID      string // of the request
	Now     time.Time

	w    http.ResponseWriter
	site *site
	env  ui.Env
}

// handler answers a request, or returns why it cannot.
type handler func(r *Request) error

// may says whether somebody may open a page at all. The services check again
// what they do there.
type may func(who identity.Actor) bool

// anyone is everybody who is signed in.
func anyone(identity.Actor) bool { return true }

// administrators are those who administer Margay.
func administrators(who identity.Actor) bool { return who.Administers() }

// others are all but the administrators.
func others(who identity.Actor) bool { return !who.Administers() }

// get adds a page: get("/connections/{id}", administrators, s.connection).
func (s *site) get(path string, who may, h handler) {
	s.mux.HandleFunc("GET "+exact(path), s.bare(s.signedIn(who, h)))
	s.pages[path] = true
}

// post adds an act. It is done once for one form, however often that is sent,
// and goes on when the browser leaves.
func (s *site) post(path string, who may, h handler) {
	s.mux.HandleFunc("POST "+exact(path), s.bare(s.signedIn(who, s.once(h))))
	s.acts = append(s.acts, path)
}

// formPages leads who opens the address of a form, such as from the browser's
// address bar or after signing in again, to the nearest page above it. It comes
// after all pages.
func (s *site) formPages() {
	for _, act := range s.acts {
		if s.pages[act] {
			continue
		}
		up := 1
		for above := path.Dir(act); above != "/" && !s.pages[above]; above = path.Dir(above) {
			up++
		}
		s.mux.HandleFunc("GET "+exact(act), s.bare(s.signedIn(anyone, func(r *Request) error {
			to := r.URL.EscapedPath() // an id may hold an escaped slash
			for range up {
				to = path.Dir(to)
			}
			r.redirect(to)
			return nil
		})))
	}
}

// exact keeps "/" from meaning everything.
func exact(path string) string {
	if strings.HasSuffix(path, "/") {
		return path + "{$}"
	}
	return path
}

// bare runs a handler that needs nobody to be signed in, and shows its error.
func (s *site) bare(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, hr *http.Request) {
		r := s.request(w, hr)
		defer func() {
			if cause := recover(); cause != nil {
				if cause == http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
					panic(cause)
				}
				r.fail(fmt.Errorf("panic: %v\n%s", cause, debug.Stack()))
			}
		}()
		if err := h(r); err != nil {
			r.fail(err)
		}
	}
}

func (s *site) request(w http.ResponseWriter, hr *http.Request) *Request {
	r := &Request{Request: hr, ID: requestIDOf(hr.Context()), Now: s.Now(), w: w, site: s}
	r.env = ui.Env{Now: r.Now, RequestID: r.ID, Path: hr.URL.Path, Address: hr.URL.RequestURI(), Version: s.Version, Theme: themeOf(hr), KeysOff: keysOff(hr)}
	return r
}

// signedIn runs h for somebody who is signed in and may open the page; others
// sign in first and come back.
func (s *site) signedIn(who may, h handler) handler {
	return func(r *Request) error {
		if err := r.authenticate(); err != nil {
			if fault.KindOf(err) == fault.Unauthenticated {
				return r.toSignIn()
			}
			return err
		}
		r.env.SignedIn, r.env.Name = true, r.Actor.Name
		r.env.Nav = menuFor(r.Actor, r.URL.Path)
		if r.Method == http.MethodGet {
			r.env.Pulse = s.pulse(r)
		}
		if !who(r.Actor) {
			return fault.New(fault.Forbidden, "This page is for administrators of Margay.").WithCode("admin_needed").
				WithHint("Ask an administrator for what you need.")
		}
		return h(r)
	}
}

// pulse is what there is now, so that a page learns of what changes while it is
// read and before it listens; "" when it cannot be told: then it looks again.
func (s *site) pulse(r *Request) string {
	now, err := s.Pulse.Pulse(r.Context())
	if err != nil {
		s.Log.WarnContext(r.Context(), "a page does not know how old it is", "error", err)
	}
	return now
}

func (r *Request) authenticate() (err error) {
	value := r.sessionValue()
	if value == "" {
		return fault.New(fault.Unauthenticated, "You are not signed in.").WithCode("session_needed")
	}
	if r.Header.Get("Margay-Live") != "" { // a page that looks again by itself
		r.Actor, r.Session, err = r.site.Identity.PeekSession(r.Context(), value)
		return err
	}
	r.Actor, r.Session, err = r.site.Identity.AuthenticateSession(r.Context(), value)
	return err
}

// toSignIn sends the browser to sign in, and back here.
func (r *Request) toSignIn() error {
	if r.Header.Get("HX-Request") != "" { // a part of a page: the whole page goes
		r.w.Header().Set("HX-Redirect", "/sign-in?next="+safeNextQuery(r.Header.Get("HX-Current-URL")))
		r.w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	next := "/"
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		next = r.URL.RequestURI()
	}
	target := "/sign-in"
	if next != "/" {
		target += "?next=" + safeNextQuery(next)
	}
	http.Redirect(r.w, r.Request, target, http.StatusSeeOther) //nolint:gosec // safeNext keeps it here
	return nil
}

// Page answers with a whole page. acts may be nil.
func (r *Request) Page(head ui.Head, acts, content templ.Component) error {
	return r.PageAs(http.StatusOK, head, acts, content)
}

// PageAs is [Request.Page] with another status: 422 for a form that cannot be
// taken.
func (r *Request) PageAs(status int, head ui.Head, acts, content templ.Component) error {
	r.env.Notices = append(r.env.Notices, r.takeFlash()...)
	if r.Method != http.MethodGet && r.env.SignedIn {
		r.env.Pulse = r.site.pulse(r) // from after the act: what was typed stays in place
	}
	return r.Render(status, templ.ComponentFunc(func(ctx context.Context, w writer) error {
		return ui.Page(head, acts).Render(templ.WithChildren(ctx, content), w)
	}))
}

// Render answers with a component as it is: a fragment for htmx, or a page of
// its own.
func (r *Request) Render(status int, c templ.Component) error {
	var b bytes.Buffer // nothing is sent of a page that fails half-way
	if err := c.Render(ui.With(r.Context(), r.env), &b); err != nil {
		return fmt.Errorf("render %s: %w", r.Pattern, err)
	}
	r.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	return r.send(status, b.Bytes())
}

// Partial says whether htmx asks for a part of a page.
func (r *Request) Partial() bool { return r.Header.Get("HX-Request") != "" }

// Done ends an act: the browser goes to another page, which shows the text.
func (r *Request) Done(to, format string, args ...any) error {
	return r.DoneAs(ui.Good, to, format, args...)
}

// DoneAs is [Request.Done] with another tone.
func (r *Request) DoneAs(tone ui.Tone, to, format string, args ...any) error {
	if format != "" {
		r.setFlash(ui.Notice{Tone: tone, Text: fmt.Sprintf(format, args...)})
	}
	r.redirect(to)
	return nil
}

func (r *Request) redirect(to string) {
	if r.Partial() {
		r.w.Header().Set("HX-Redirect", to)
		r.w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Redirect(r.w, r.Request, to, http.StatusSeeOther) //nolint:gosec // handlers name paths of ours; safeNext keeps what a browser sent here
}

// Value returns what a form's field holds, without the blanks around it. Of a
// secret take FormValue: its blanks count.
func (r *Request) Value(field string) string { return strings.TrimSpace(r.FormValue(field)) }

// Thing returns a part of the address: r.Thing("id").
func (r *Request) Thing(name string) string { return r.PathValue(name) }

// Confirmed says whether the name that a [ui.Question] asks for was typed.
func (r *Request) Confirmed(name string) bool { return r.Value("confirm") == strings.TrimSpace(name) }

// errFormTwice is a form whose first sending is not done yet.
var errFormTwice = fault.New(fault.Conflict, "This was sent twice, and the first is still under way.").WithCode("form_under_way").
	WithHint("Look at the list in a moment: it is done once.")

const (
	onceWait  = 10 * time.Second
	onceAgain = 50 * time.Millisecond
	actLimit  = 2 * time.Minute
)

// once runs an act once for one form key, and gives the second press the first
// one's answer.
func (s *site) once(h handler) handler {
	return func(r *Request) error {
		// The browser drops the first of two presses: what it began goes on.
		caller := r.Context()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(caller), actLimit)
		r.Request = r.WithContext(ctx)
		defer func() {
			cancel()
			r.Request = r.WithContext(caller) // what the act came to is still to be shown
		}()
		if err := r.parse(); err != nil {
			return err
		}
		key := r.PostFormValue("form_key")
		if key == "" || len(key) > 64 {
			return h(r)
		}
		claimed, answer, err := s.claim(ctx, r.Actor, r.URL.Path+" "+key)
		if err != nil {
			return err
		}
		if !claimed {
			r.redirect(answer)
			return nil
		}
		rec := &redirectSeen{ResponseWriter: r.w}
		r.w = rec
		err = h(r)
		return errors.Join(err, s.Identity.AnswerForm(ctx, r.Actor, r.URL.Path+" "+key, rec.to()))
	}
}

// claim waits for the first of two sendings.
func (s *site) claim(ctx context.Context, who identity.Actor, key string) (claimed bool, answer string, err error) {
	enough := time.After(onceWait) //nolint:forbidigo // a wait in a request, not a rule
	for {
		claimed, answer, err = s.Identity.ClaimForm(ctx, who, key)
		if err != nil || claimed || answer != "" {
			return claimed, answer, err
		}
		select {
		case <-enough:
			return false, "", errFormTwice
		case <-ctx.Done():
			return false, "", ctx.Err()
		case <-time.After(onceAgain): //nolint:forbidigo // as above
		}
	}
}

// redirectSeen learns where an act sent the browser.
type redirectSeen struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements [http.ResponseWriter].
func (w *redirectSeen) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController through.
func (w *redirectSeen) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// to is where the browser was sent; "" when the act was not done.
func (w *redirectSeen) to() string {
	if w.status == http.StatusSeeOther {
		return w.Header().Get("Location")
	}
	return w.Header().Get("HX-Redirect")
}

// parse reads the form of the request.
func (r *Request) parse() error {
	err := r.ParseForm()
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		err = r.ParseMultipartForm(maxBody) //nolint:gosec // secure bounds the body
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fault.New(fault.Invalid, "What was sent is larger than 1 MiB.").WithCode("too_large")
	}
	if err != nil {
		return fault.New(fault.Invalid, "The form cannot be read.").WithCode("bad_form").Because(err)
	}
	return nil
}

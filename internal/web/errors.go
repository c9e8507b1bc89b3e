package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/a-h/templ"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
)

// statusOf returns the HTTP status of a fault.
func statusOf(err error) int {
	if _, ok := errors.AsType[*identity.ThrottledError](err); ok {
		return http.StatusTooManyRequests
	}
	switch fault.KindOf(err) {
	case fault.Invalid:
		if fault.Public(err).Code == "too_large" {
			return http.StatusRequestEntityTooLarge
		}
		return http.StatusUnprocessableEntity
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Upstream:
		return http.StatusBadGateway
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// titles says in a few words what an error page is about.
var titles = map[int]string{
	http.StatusUnauthorized:          "You are not signed in",
	http.StatusForbidden:             "You may not do this",
	http.StatusNotFound:              "There is nothing here",
	http.StatusMethodNotAllowed:      "That is not possible here",
	http.StatusConflict:              "This cannot be done now",
	http.StatusRequestEntityTooLarge: "That is too large",
	http.StatusUnprocessableEntity:   "This cannot be taken as it is",
	http.StatusTooManyRequests:       "Too many tries",
	http.StatusBadGateway:            "The other system refused",
	http.StatusServiceUnavailable:    "The other system cannot be reached",
	http.StatusInternalServerError:   "Something went wrong on our side",
}

// fail shows an error: on a page of its own, or, for htmx, as a box in the place
// of the part. What is a fault of ours is logged whole.
func (r *Request) fail(err error) {
	f := fault.Public(err)
	switch {
	case f.Kind != fault.Internal:
	case r.Context().Err() != nil:
		r.site.Log.InfoContext(r.Context(), "request given up by its caller", "request_id", r.ID)
	default:
		r.site.Log.ErrorContext(r.Context(), "page failed", "request_id", r.ID, "page", r.Pattern, "error", err) // an address may hold a sign-in link
	}
	status := statusOf(err)
	trouble := Trouble(err)
	trouble.RequestID = r.ID
	if t, ok := errors.AsType[*identity.ThrottledError](err); ok {
		r.w.Header().Set("Retry-After", retryAfter(t.Again, r.Now))
	}
	var shown error
	if r.Partial() {
		shown = r.Render(status, ui.ErrorBox(trouble))
	} else {
		shown = r.Render(status, r.errorPage(titles[status], trouble))
	}
	if shown != nil && r.Context().Err() == nil { // else the reader has left
		r.site.Log.ErrorContext(r.Context(), "error page failed", "request_id", r.ID, "error", shown)
		http.Error(r.w, f.Message, status)
	}
}

// errorPage needs no database: what is not known of the person is left out.
func (r *Request) errorPage(title string, trouble ui.Trouble) templ.Component {
	body := errorBody(trouble)
	return templ.ComponentFunc(func(ctx context.Context, w writer) error {
		if r.env.SignedIn {
			return ui.Page(ui.Head{Title: title}, nil).Render(templ.WithChildren(ctx, body), w)
		}
		return ui.Outside(title).Render(templ.WithChildren(ctx, outsideError(title, body)), w)
	})
}

// Trouble is err as an error box shows it.
func Trouble(err error) ui.Trouble {
	f := fault.Public(err)
	return ui.Trouble{Sentence: f.Message, Hint: f.Hint, Detail: f.Detail, Code: f.Code}
}

func (s *site) nothingHere(r *Request) error {
	if r.authenticate() == nil {
		r.env.SignedIn, r.env.Name = true, r.Actor.Name
		r.env.Nav = menuFor(r.Actor, r.URL.Path)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		r.fail(fault.New(fault.NotFound, "%s is not possible at %s.", r.Method, ui.Middle(r.URL.Path, 80)).WithCode("no_route"))
		return nil
	}
	return fault.New(fault.NotFound, "There is no page at %s, or you may not see it.", ui.Middle(r.URL.Path, 80)).WithCode("no_page").
		WithHint("Go back, or begin at Home.")
}

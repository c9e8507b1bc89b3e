package web

import (
	"net/http"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
)

func (s *site) profilePages() {
	s.get("/profile", anyone, s.profile)
	s.post("/profile/look", anyone, s.setLook)
	s.post("/profile/password", anyone, s.setPassword)
	s.post("/profile/sessions/{id}/end", anyone, s.endSession)
	s.post("/profile/sessions/end-others", anyone, s.endOtherSessions)
}

// profile is what somebody sees of themselves.
type profile struct {
	person   identity.Person
	sessions []identity.Session
	current  string
	lettings []audit.Event // what let them, or somebody in their name, in
	errs     ui.Errors
}

func (s *site) profile(r *Request) error { return s.showProfile(r, http.StatusOK, nil) }

func (s *site) showProfile(r *Request, status int, errs ui.Errors) error {
	person, err := s.Identity.Person(r.Context(), r.Actor.Person)
	if err != nil {
		return err
	}
	sessions, err := s.Identity.Sessions(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	lettings, err := s.Identity.LettingIn(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	view := profile{person: person, sessions: sessions, lettings: lettings, current: r.Session.ID, errs: errs}
	return r.PageAs(status, ui.Head{Title: "Your profile"}, nil, profileView(view))
}

func (s *site) setLook(r *Request) error {
	r.setLook(themeCookie, string(ui.Theme(r.Value("theme"))))
	keys := "on"
	if r.Value("keys") != "true" {
		keys = "off"
	}
	r.setLook(keysCookie, keys)
	return r.Done("/profile", "Saved for this browser.")
}

func (s *site) setPassword(r *Request) error {
	password := r.PostFormValue("password")
	if password != r.PostFormValue("again") {
		return s.showProfile(r, http.StatusUnprocessableEntity, ui.Errors{{Field: "again", Text: "The two new passwords differ."}})
	}
	err := s.Identity.ChangePassword(r.Context(), r.Actor, r.PostFormValue("present"), password)
	if errs, ok := ui.ErrorsOf(err); ok {
		return s.showProfile(r, http.StatusUnprocessableEntity, errs)
	}
	if err != nil {
		return err
	}
	return r.Done("/profile", "Your password is changed. Your other sessions have ended.")
}

func (s *site) endSession(r *Request) error {
	id := r.Thing("id")
	if err := s.Identity.EndSession(r.Context(), r.Actor, id); err != nil {
		return err
	}
	if id == r.Session.ID {
		r.setCookie(sessionCookie, "", -1)
		return r.Done("/sign-in", "You are signed out.")
	}
	return r.Done("/profile", "That session has ended.")
}

func (s *site) endOtherSessions(r *Request) error {
	if err := s.Identity.EndOtherSessions(r.Context(), r.Actor); err != nil {
		return err
	}
	return r.Done("/profile", "Your other sessions have ended.")
}

// lettingIn says in a sentence what let somebody in; they are the person.
func lettingIn(e audit.Event, p identity.Person) string {
	by := e.Data["by"]
	if by == "" {
		by = "An administrator"
	}
	switch {
	case e.Kind == identity.SignInLinkMade:
		return ui.Middle(by, longName) + " made a link that signs you in."
	case e.Kind == identity.SignInLinkVoided:
		return ui.Middle(by, longName) + " voided a link that signs you in."
	case e.Data["link"] != "":
		return "Your password was set with a link."
	case e.Actor == string(p.ID):
		return "You changed your password."
	}
	return "The operator of the server set your password."
}

package web

import (
	"net/http"
	"strings"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
)

func (s *site) signInLinkPages() {
	s.get("/people/{id}/sign-in-link", administrators, s.askSignInLink)
	s.post("/people/{id}/sign-in-link", administrators, s.makeSignInLink)
	s.post("/people/{id}/sign-in-link/void", administrators, s.voidSignInLink)
	s.mux.HandleFunc("GET "+identity.LinkPath+"{value}", s.bare(s.openSignInLink))
	s.mux.HandleFunc("GET "+setPasswordPath, s.bare(func(*Request) error {
		return fault.New(fault.NotFound, "This address is not the whole link.").WithCode("link_cut").WithHint("Open the link again that you were given.")
	}))
	s.mux.HandleFunc("POST "+setPasswordPath, s.bare(s.useSignInLink))
}

// setPasswordPath takes the form: the link's value stands in it, not in the
// address.
const setPasswordPath = "/sign-in/link" //nolint:gosec // an address, no password

// letIn is the page on which somebody is given a link.
type letIn struct {
	how    identity.SignIn
	url    string // the new link's address, shown this once
	errs   ui.Errors
	proof  proof
	reason string // why there can be none
}

func (s *site) letIn(r *Request) (letIn, error) {
	how, err := s.Identity.SignInOf(r.Context(), r.Actor, identity.PersonID(r.Thing("id")))
	return letIn{how: how, reason: noLinkFor(how.Person, r.Actor)}, err
}

// noLinkFor says in words why somebody cannot be given a link; "" when they can.
func noLinkFor(p identity.Person, who identity.Actor) string {
	switch {
	case p.Disabled:
		return "They are disabled: enable them first."
	case p.ID == who.Person:
		return "It is you: change your own password on your profile."
	}
	return ""
}

func (s *site) askSignInLink(r *Request) error {
	v, err := s.letIn(r)
	if err != nil {
		return err
	}
	return r.showLetIn(http.StatusOK, v)
}

func (r *Request) showLetIn(status int, v letIn) error {
	v.proof = r.proof(v.errs)
	p := v.how.Person
	head := ui.Head{Title: "Let " + ui.Middle(p.Name, longName) + " sign in", Back: []ui.Link{{Name: "People", Href: "/people"}, {Name: ui.Middle(p.Name, 40), Href: "/people/" + string(p.ID)}}}
	return r.PageAs(status, head, nil, letInView(v))
}

func (s *site) makeSignInLink(r *Request) error {
	v, err := s.letIn(r)
	if err != nil {
		return err
	}
	var value string
	if err = s.prove(r); err == nil {
		v.how.Link, value, err = s.Identity.MakeSignInLink(r.Context(), r.Actor, v.how.Person.ID)
	}
	if errs, ok := ui.ErrorsOf(err); ok {
		v.errs = errs
		return r.showLetIn(http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	v.url = s.base(r.Request) + identity.LinkPath + value
	return r.showLetIn(http.StatusOK, v)
}

// base is how the server is reached: as the operator said, or as this browser
// does.
func (s *site) base(r *http.Request) string {
	switch {
	case s.External != nil:
		return strings.TrimRight(s.External.String(), "/")
	case s.overTLS(r):
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func (s *site) voidSignInLink(r *Request) error {
	id := identity.PersonID(r.Thing("id"))
	if err := s.Identity.VoidSignInLink(r.Context(), r.Actor, id); err != nil {
		return err
	}
	return r.Done("/people/"+string(id), "The sign-in link does not work any more.")
}

// ownPassword is the page that a link opens.
type ownPassword struct {
	person   identity.Person
	link     identity.SignInLink
	value    string
	insecure bool
	errs     ui.Errors
}

// openSignInLink shows the form and changes nothing: programs that read mail open
// the links in it.
func (s *site) openSignInLink(r *Request) error { return s.showOwnPassword(r, r.Thing("value"), nil) }

func (s *site) showOwnPassword(r *Request, value string, errs ui.Errors) error {
	v := ownPassword{value: value, errs: errs, insecure: !s.mayCarryPassword(r.Request)}
	if v.insecure {
		return r.Render(http.StatusForbidden, ownPasswordView(v))
	}
	var err error
	if v.person, v.link, err = s.Identity.OpenSignInLink(r.Context(), value); err != nil {
		return err
	}
	status := http.StatusOK
	if len(errs) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return r.Render(status, ownPasswordView(v))
}

// useSignInLink sets the password and signs its owner in with it.
func (s *site) useSignInLink(r *Request) error {
	if err := r.parse(); err != nil {
		return err
	}
	value, password := r.PostFormValue("link"), r.PostFormValue("password")
	if !s.mayCarryPassword(r.Request) {
		return s.showOwnPassword(r, value, nil)
	}
	address := s.addressOf(r.Request)
	if err := s.addresses.take(address); err != nil {
		return err
	}
	if password != r.PostFormValue("again") {
		return s.showOwnPassword(r, value, ui.Errors{{Field: "again", Text: "The two passwords differ."}})
	}
	from := identity.From{Agent: r.UserAgent(), Address: address}
	p, err := s.Identity.UseSignInLink(r.Context(), value, password, from)
	if errs, ok := ui.ErrorsOf(err); ok && fault.KindOf(err) == fault.Invalid {
		return s.showOwnPassword(r, value, errs)
	}
	if err != nil {
		return err
	}
	_, session, err := s.Identity.SignIn(r.Context(), p.Email, password, from)
	if err != nil {
		return err
	}
	r.setFlash(ui.Notice{Tone: ui.Good, Text: "Your password is set, and you are signed in."})
	return s.begin(r, session, "/")
}

package web

import (
	"net/http"

	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
)

// prove takes the person's own password, where the form holds it, as a new proof
// of who they are: acts that a browser left alone must not do ask for a recent
// one. The services say which.
func (s *site) prove(r *Request) error {
	password := r.PostFormValue(identity.OwnPassword)
	if password == "" || r.Actor.Proven(r.Now) {
		return nil
	}
	who, err := s.Identity.Prove(r.Context(), r.Actor, password, identity.From{Agent: r.UserAgent(), Address: s.addressOf(r.Request)})
	r.Actor = who
	return err
}

// proof says whether a form asks for the person's own password.
type proof struct {
	needed bool
	wrong  string
}

func (r *Request) proof(errs ui.Errors) proof {
	return proof{needed: !r.Actor.Proven(r.Now), wrong: errs.Of(identity.OwnPassword)}
}

// askAgain asks q on a page of its own, and for the person's own password where
// it is that which was missing or wrong.
func (r *Request) askAgain(head ui.Head, q ui.Question, errs ui.Errors) error {
	return r.PageAs(http.StatusUnprocessableEntity, head, nil, askedWithProof(q, r.proof(errs)))
}

package api

import (
	"context"
	"net"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/identity"
)

func (s *server) signInRoutes() {
	register(s, http.MethodGet, "/people/{id}/sign-in", "get-sign-in", "Say how somebody can sign in to the web UI", http.StatusOK, s.signInOf)
	register(s, http.MethodPost, "/people/{id}/sign-in-link", makeSignInLink,
		"Make a link with which somebody sets a password, for which you give your own; its address is shown once, and a link from before ends", http.StatusCreated, s.makeSignInLink)
	register(s, http.MethodDelete, "/people/{id}/sign-in-link", "void-sign-in-link", "End somebody's sign-in link before it is used", http.StatusNoContent, s.voidSignInLink)
	register(s, http.MethodPost, "/me/password", "change-password", "Change your own password for the web UI; your sessions end", http.StatusNoContent, s.changePassword)
}

const makeSignInLink = "make-sign-in-link"

func linkOf(l identity.SignInLink) wire.SignInLink {
	return wire.SignInLink{ID: l.ID, PersonID: string(l.Person), MadeBy: l.MadeBy, CreatedAt: l.CreatedAt, ExpiresAt: l.ExpiresAt}
}

func (s *server) signInOf(ctx context.Context, who identity.Actor, in *one) (*body[wire.SignIn], error) {
	how, err := s.Identity.SignInOf(ctx, who, identity.PersonID(in.ID))
	out := wire.SignIn{PersonID: string(how.Person.ID), PasswordSetAt: when(how.PasswordAt)}
	if how.Link.ID != "" {
		out.Link = new(linkOf(how.Link))
	}
	return answer(out), err
}

// lettingIn is a request for a link that knows how the server was reached.
type lettingIn struct {
	ID   string `path:"id"`
	Body *wire.OwnPassword
	base string
	from identity.From
}

// Resolve implements [huma.Resolver].
func (o *lettingIn) Resolve(ctx huma.Context) []error {
	o.base = "http://" + ctx.Host()
	if ctx.TLS() != nil {
		o.base = "https://" + ctx.Host()
	}
	o.from = identity.From{Agent: ctx.Header("User-Agent"), Address: ctx.RemoteAddr()}
	if host, _, err := net.SplitHostPort(ctx.RemoteAddr()); err == nil {
		o.from.Address = host
	}
	return nil
}

func (s *server) makeSignInLink(ctx context.Context, who identity.Actor, in *lettingIn) (*body[wire.SignInLinkValue], error) {
	id := identity.PersonID(in.ID)
	var l identity.SignInLink
	var value string
	var err error
	if in.Body != nil && in.Body.OwnPassword != "" {
		l, value, err = s.Identity.MakeSignInLinkWith(ctx, who, id, in.Body.OwnPassword, in.from)
	} else {
		l, value, err = s.Identity.MakeSignInLink(ctx, who, id)
	}
	if err != nil {
		return nil, err
	}
	base := in.base
	if s.External != nil {
		base = strings.TrimRight(s.External.String(), "/")
	}
	return answer(wire.SignInLinkValue{Link: linkOf(l), URL: base + identity.LinkPath + value}), nil
}

func (s *server) voidSignInLink(ctx context.Context, who identity.Actor, in *one) (*nothing, error) {
	return &nothing{}, s.Identity.VoidSignInLink(ctx, who, identity.PersonID(in.ID))
}

func (s *server) changePassword(ctx context.Context, who identity.Actor, in *with[wire.NewPassword]) (*nothing, error) {
	return &nothing{}, s.Identity.ChangePassword(ctx, who, in.Body.Present, in.Body.Password)
}

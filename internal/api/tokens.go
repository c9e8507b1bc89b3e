package api

import (
	"context"
	"net/http"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/identity"
)

func (s *server) tokenRoutes() {
	register(s, http.MethodGet, "/tokens", "list-tokens", "List your API tokens, or everybody's", http.StatusOK, s.listTokens)
	register(s, http.MethodPost, "/tokens", "create-token", "Make an API token for yourself; its value is shown once", http.StatusCreated, s.createToken)
	register(s, http.MethodPost, "/tokens/{id}/revoke", "revoke-token", "End a token at once", http.StatusOK, s.revokeToken)
}

func (s *server) tokenOf(who identity.Actor) func(identity.Token) wire.Token {
	return func(t identity.Token) wire.Token {
		out := wire.Token{
			ID: t.ID, PersonID: string(t.Person), Name: t.Name, Scopes: []string{}, CreatedAt: t.CreatedAt, ExpiresAt: when(t.ExpiresAt),
			RevokedAt: when(t.RevokedAt), Valid: t.Valid(s.Now()), Current: who.Via == "token:"+t.ID,
		}
		for _, scope := range t.Scopes {
			out.Scopes = append(out.Scopes, string(scope))
		}
		return out
	}
}

type tokenList struct {
	All bool `query:"all" doc:"Everybody's; for administrators"`
}

func (s *server) listTokens(ctx context.Context, who identity.Actor, in *tokenList) (*body[wire.List[wire.Token]], error) {
	ts, err := s.Identity.Tokens(ctx, who, in.All)
	return listOf(ts, s.tokenOf(who)), err
}

func (s *server) createToken(ctx context.Context, who identity.Actor, in *with[wire.NewToken]) (*body[wire.TokenValue], error) {
	ask := identity.NewTokenAsk{Name: in.Body.Name, Life: time.Duration(in.Body.ExpiresIn)}
	for _, scope := range in.Body.Scopes {
		ask.Scopes = append(ask.Scopes, identity.Scope(scope))
	}
	t, value, err := s.Identity.CreateToken(ctx, who, ask)
	return answer(wire.TokenValue{Token: s.tokenOf(who)(t), Value: value}), err
}

func (s *server) revokeToken(ctx context.Context, who identity.Actor, in *one) (*body[wire.Token], error) {
	t, err := s.Identity.RevokeToken(ctx, who, in.ID)
	return answer(s.tokenOf(who)(t)), err
}

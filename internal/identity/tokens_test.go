package identity_test

import (
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

func TestCreateToken(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		svc := newService(t, db, identity.Person{ID: "ana", Admin: true}, identity.Person{ID: "bo"})
		actor := func(email string, scopes ...identity.Scope) identity.Actor {
			value, err := svc.IssueToken(ctx, email, scopes)
			if err != nil {
				t.Fatal(err)
			}
			who, err := svc.Authenticate(ctx, value)
			if err != nil {
				t.Fatal(err)
			}
			return who
		}
		read, admin := identity.ScopeAccessRead, identity.ScopeAdmin
		ana, bo := actor("ana@acme.example", admin), actor("bo@acme.example", read, identity.ScopeRequestsWrite)
		anaLess, boMore := actor("ana@acme.example", identity.ScopeAuditRead), actor("bo@acme.example", admin)
		tests := map[string]struct {
			who  identity.Actor
			ask  identity.NewTokenAsk
			kind fault.Kind
		}{
			"usual":                     {bo, identity.NewTokenAsk{Name: "n", Scopes: []identity.Scope{read}}, ""},
			"a year":                    {ana, identity.NewTokenAsk{Name: "n", Scopes: []identity.Scope{admin}, Life: 365 * 24 * time.Hour}, ""},
			"more than a year":          {ana, identity.NewTokenAsk{Name: "n", Scopes: []identity.Scope{admin}, Life: 367 * 24 * time.Hour}, fault.Invalid},
			"no time":                   {ana, identity.NewTokenAsk{Name: "n", Scopes: []identity.Scope{admin}, Life: -1}, fault.Invalid},
			"no name":                   {bo, identity.NewTokenAsk{Scopes: []identity.Scope{read}}, fault.Invalid},
			"no scope":                  {bo, identity.NewTokenAsk{Name: "n"}, fault.Invalid},
			"a scope that is none":      {ana, identity.NewTokenAsk{Name: "n", Scopes: []identity.Scope{"root"}}, fault.Invalid},
			"more than its own":         {bo, identity.NewTokenAsk{Name: "n", Scopes: []identity.Scope{identity.ScopeApprovalsWrite}}, fault.Invalid},
			"admin of no administrator": {boMore, identity.NewTokenAsk{Name: "n", Scopes: []identity.Scope{admin}}, fault.Invalid},
			"by a token for less":       {anaLess, identity.NewTokenAsk{Name: "n", Scopes: []identity.Scope{identity.ScopeAuditRead}}, fault.Forbidden},
		}
		for name, tt := range tests {
			token, value, err := svc.CreateToken(ctx, tt.who, tt.ask)
			if fault.KindOf(err) != tt.kind {
				t.Errorf("%s: %v, want %q", name, err, tt.kind)
			}
			if err != nil {
				if value != "" {
					t.Errorf("%s: refused, and yet %q", name, value)
				}
				continue
			}
			got, err := svc.Authenticate(ctx, value)
			if err != nil || got.Person != tt.who.Person || token.ExpiresAt.Sub(token.CreatedAt) > 366*24*time.Hour || token.ExpiresAt.IsZero() {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			events, err := db.Events(ctx, audit.Filter{Limit: 1})
			if err != nil || events[0].Kind != identity.TokenCreated || strings.Contains(events[0].Data["name"]+events[0].Data["token"], value) {
				t.Errorf("%s: %+v, %v", name, events, err)
			}
		}
	})
}

// A token that is made with another does not outlive it, and ends when it is
// revoked: by its owner or an administrator, by nobody else.
func TestRevokeToken(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		svc := newService(t, db, identity.Person{ID: "ana", Admin: true}, identity.Person{ID: "bo"}, identity.Person{ID: "cy"})
		root := identity.Actor{Person: "bo", Scopes: identity.PersonalScopes(), Via: "session:x", ProvenAt: time.Now()}
		read := []identity.Scope{identity.ScopeAccessRead}
		parent, value, err := svc.CreateToken(ctx, root, identity.NewTokenAsk{Name: "parent", Scopes: read, Life: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		bo, err := svc.Authenticate(ctx, value)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := svc.CreateToken(ctx, bo, identity.NewTokenAsk{Name: "child", Scopes: read, Life: 2 * time.Hour}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a child that outlives it: %v", err)
		}
		if child, _, err := svc.CreateToken(ctx, bo, identity.NewTokenAsk{Name: "child", Scopes: read}); err != nil || !child.ExpiresAt.Equal(parent.ExpiresAt) {
			t.Errorf("a child of the usual life: %+v, %v", child, err)
		}
		cy := identity.Actor{Person: "cy", Scopes: identity.PersonalScopes(), Via: "session:y"}
		if _, err := svc.RevokeToken(ctx, cy, parent.ID); fault.KindOf(err) != fault.NotFound {
			t.Errorf("by somebody else: %v", err)
		}
		if _, err := svc.Tokens(ctx, cy, true); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("everybody's, by somebody: %v", err)
		}
		if list, err := svc.Tokens(ctx, cy, false); err != nil || len(list) != 0 {
			t.Errorf("cy has %+v, %v", list, err)
		}
		ana := identity.Actor{Person: "ana", Admin: true, Scopes: []identity.Scope{identity.ScopeAdmin}, Via: "token:t"}
		if list, err := svc.Tokens(ctx, ana, true); err != nil || len(list) != 2 {
			t.Errorf("all tokens: %+v, %v", list, err)
		}
		revoked, err := svc.RevokeToken(ctx, ana, parent.ID)
		if err != nil || revoked.RevokedAt.IsZero() {
			t.Fatal(revoked, err)
		}
		if _, err := svc.Authenticate(ctx, value); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("a revoked token: %v", err)
		}
		if _, err := svc.RevokeToken(ctx, root, parent.ID); fault.KindOf(err) != fault.Conflict {
			t.Errorf("revoked twice: %v", err)
		}
	})
}

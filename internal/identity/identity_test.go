package identity_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

func TestNewPersonRefusesWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		email string
		ok    bool
	}{
		"plain":          {email: "rita@acme.example", ok: true},
		"plus":           {email: "rita+tab@acme.example", ok: true},
		"outer blanks":   {email: "  rita@acme.example ", ok: true},
		"empty":          {email: ""},
		"no domain":      {email: "rita"},
		"with a name":    {email: "Rita <rita@acme.example>"},
		"header line":    {email: "rita@acme.example\r\nBcc: x@y"},
		"much too long":  {email: strings.Repeat("a", 250) + "@acme.example"},
		"two addresses":  {email: "a@x.example, b@x.example"},
		"trailing quote": {email: "a@x.example\""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := identity.NewPerson("usr_1", tt.email, "", false, time.Now())
			if tt.ok != (err == nil) {
				t.Fatalf("error %v", err)
			}
			if err != nil && !errors.Is(err, fault.Invalid) {
				t.Errorf("error %v is not Invalid", err)
			}
			if err == nil && p.Email != strings.TrimSpace(tt.email) {
				t.Errorf("e-mail %q", p.Email)
			}
		})
	}
}

func TestTokenValueIsKeptAsHashOnly(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

	tok, value, err := identity.NewToken("tok_1", "usr_1", "cli", []identity.Scope{identity.ScopeAdmin}, now)
	if err != nil {
		t.Fatal(err)
	}

	if !strings.HasPrefix(value, identity.TokenPrefix) || !identity.WellFormed(value) {
		t.Errorf("value %q is not well formed", value)
	}
	if identity.WellFormed(value[:len(value)-1]+"x") || identity.WellFormed("margay_pat_") || identity.WellFormed("") {
		t.Error("a mistyped token passes its checksum")
	}
	if tok.Hash != identity.HashToken(value) || strings.Contains(tok.Hash, value) {
		t.Errorf("hash %q", tok.Hash)
	}
	if !tok.Valid(now) {
		t.Error("a new token is not valid")
	}
	tok.ExpiresAt = now
	if tok.Valid(now) {
		t.Error("an expired token is valid")
	}
	if _, _, err := identity.NewToken("t", "u", "", []identity.Scope{"root"}, now); !errors.Is(err, fault.Invalid) {
		t.Errorf("unknown scope: %v", err)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	reader := identity.Actor{Person: "usr_1", Scopes: []identity.Scope{identity.ScopeAccessRead}}
	admin := identity.Actor{Person: "usr_2", Admin: true, Scopes: []identity.Scope{identity.ScopeAdmin}}
	notAdmin := identity.Actor{Person: "usr_3", Scopes: []identity.Scope{identity.ScopeAdmin}}

	if err := reader.Need(identity.ScopeRequestsWrite); !errors.Is(err, fault.Forbidden) {
		t.Errorf("reader writes: %v", err)
	}
	if err := admin.NeedAdmin(identity.ScopeConnectionsWrite); err != nil {
		t.Errorf("admin: %v", err)
	}
	if err := notAdmin.NeedAdmin(identity.ScopeConnectionsWrite); !errors.Is(err, fault.Forbidden) {
		t.Errorf("a scope made an administrator: %v", err)
	}
	if !identity.System().Can(identity.ScopeAdmin) {
		t.Error("Margay itself lacks a scope")
	}
}

package identity_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

func newService(t *testing.T, db *store.DB, people ...identity.Person) *identity.Service {
	t.Helper()
	var n atomic.Int64
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for i, p := range people {
		p.Email, p.Name, p.CreatedAt = string(p.ID)+"@acme.example", string(p.ID), now.Add(time.Duration(i)*time.Minute)
		if err := db.SavePerson(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	return identity.NewService(db, func() time.Time { return now }, func(prefix string) string { return fmt.Sprintf("%s_%d", prefix, n.Add(1)) })
}

func TestIssueToken(t *testing.T) {
	t.Parallel()
	ana, bo := identity.Person{ID: "ana", Admin: true}, identity.Person{ID: "bo"}
	gone := identity.Person{ID: "gone", Admin: true, Disabled: true}
	admin := []identity.Scope{identity.ScopeAdmin}
	tests := map[string]struct {
		people []identity.Person
		email  string
		scopes []identity.Scope
		kind   fault.Kind
		owner  string // e-mail address
		admin  bool
		has    []identity.Scope
	}{
		"nobody there":                         {owner: "admin@localhost.localdomain", admin: true, has: admin},
		"nobody there, e-mail":                 {email: "eve@acme.example", owner: "eve@acme.example", admin: true, has: admin},
		"nobody there, scope":                  {scopes: []identity.Scope{identity.ScopeAuditRead}, owner: "admin@localhost.localdomain", admin: true, has: []identity.Scope{identity.ScopeAuditRead}},
		"no e-mail: the first administrator":   {people: []identity.Person{bo, ana, {ID: "zoe", Admin: true}}, owner: "ana@acme.example", admin: true, has: admin},
		"the first is disabled":                {people: []identity.Person{gone, ana}, owner: "ana@acme.example", admin: true, has: admin},
		"only a disabled one":                  {people: []identity.Person{gone}, owner: "admin@localhost.localdomain", admin: true, has: admin},
		"e-mail of an administrator":           {people: []identity.Person{ana}, email: " ANA@acme.example ", owner: "ana@acme.example", admin: true, has: admin},
		"e-mail of another":                    {people: []identity.Person{ana, bo}, email: "bo@acme.example", owner: "bo@acme.example", has: identity.PersonalScopes()},
		"a scope makes nobody administrator":   {people: []identity.Person{ana, bo}, email: "bo@acme.example", scopes: admin, owner: "bo@acme.example", has: admin},
		"unknown e-mail":                       {people: []identity.Person{ana}, email: "eve@acme.example", kind: fault.NotFound},
		"unknown e-mail, lesser scope":         {people: []identity.Person{ana}, email: "eve@acme.example", scopes: []identity.Scope{identity.ScopeAccessRead}, kind: fault.NotFound},
		"unknown e-mail, for an administrator": {people: []identity.Person{ana}, email: "eve@acme.example", scopes: admin, owner: "eve@acme.example", admin: true, has: admin},
		"somebody disabled":                    {people: []identity.Person{ana, gone}, email: "gone@acme.example", kind: fault.Conflict},
		"no such scope":                        {people: []identity.Person{ana}, scopes: []identity.Scope{"root"}, kind: fault.Invalid},
		"no e-mail address":                    {people: []identity.Person{ana}, email: "eve", scopes: admin, kind: fault.Invalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				svc := newService(t, db, tt.people...)

				value, err := svc.IssueToken(t.Context(), tt.email, tt.scopes)

				if fault.KindOf(err) != tt.kind {
					t.Fatalf("error %v, want %q", err, tt.kind)
				}
				if tt.kind != "" {
					return
				}
				who, err := svc.Authenticate(t.Context(), value)
				if err != nil {
					t.Fatal(err)
				}
				p, err := svc.Person(t.Context(), who.Person)
				if err != nil || p.Email != tt.owner || who.Admin != tt.admin || fmt.Sprint(who.Scopes) != fmt.Sprint(tt.has) {
					t.Errorf("%s, %+v, %v", p.Email, who, err)
				}
				events, err := db.Events(t.Context(), audit.Filter{Limit: 1})
				if err != nil || events[0].Kind != identity.TokenCreated || strings.Contains(fmt.Sprintf("%+v", events), value[len(identity.TokenPrefix):]) {
					t.Errorf("event %+v, %v", events, err)
				}
			})
		})
	}
}

// Whoever is disabled is nobody from that moment on; the token of a person who
// is an administrator no more is not one's.
func TestTokenFollowsItsOwner(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		svc := newService(t, db, identity.Person{ID: "ana", Admin: true}, identity.Person{ID: "bo", Admin: true})
		value, err := svc.IssueToken(ctx, "bo@acme.example", nil)
		if err != nil {
			t.Fatal(err)
		}
		change := func(c identity.Change) {
			t.Helper()
			ana := identity.Actor{Person: "ana", Admin: true, Scopes: []identity.Scope{identity.ScopeAdmin}}
			if _, err := db.ChangePerson(ctx, "bo", c.By(ana, time.Now())); err != nil {
				t.Fatal(err)
			}
		}

		change(identity.Change{Admin: new(false)})
		if who, err := svc.Authenticate(ctx, value); err != nil || who.Admin || who.Administers() {
			t.Errorf("%+v, %v", who, err)
		}
		change(identity.Change{Disabled: new(true)})
		if _, err := svc.Authenticate(ctx, value); !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("disabled: %v", err)
		}
		change(identity.Change{Disabled: new(false)})
		if _, err := svc.Authenticate(ctx, value); err != nil {
			t.Errorf("enabled again: %v", err)
		}
		for _, bad := range []string{"", "margay_pat_", value + "x", value[:len(value)-1], strings.ToUpper(value)} {
			if _, err := svc.Authenticate(ctx, bad); !errors.Is(err, fault.Unauthenticated) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		if other, _, err := identity.NewToken("tok_x", "bo", "", nil, time.Now()); err != nil || other.Hash == "" {
			t.Error(err)
		}
		if _, value, _ := identity.NewToken("tok_x", "bo", "", nil, time.Now()); value != "" {
			if _, err := svc.Authenticate(ctx, value); !errors.Is(err, fault.Unauthenticated) {
				t.Errorf("well formed, but never issued: %v", err)
			}
		}
	})
}

func TestChangePerson(t *testing.T) {
	t.Parallel()
	ana := identity.Actor{Person: "ana", Admin: true, Scopes: []identity.Scope{identity.ScopeAdmin}}
	tests := map[string]struct {
		who    identity.Actor // default: Ana
		person identity.PersonID
		change identity.Change
		kind   fault.Kind
	}{
		"name":                            {person: "bo", change: identity.Change{Name: new(" Bo ")}},
		"name blank":                      {person: "bo", change: identity.Change{Name: new(" ")}, kind: fault.Invalid},
		"name of 255 characters":          {person: "bo", change: identity.Change{Name: new(strings.Repeat("é", 255))}},
		"name of 256":                     {person: "bo", change: identity.Change{Name: new(strings.Repeat("e", 256))}, kind: fault.Invalid},
		"name with a NUL":                 {person: "bo", change: identity.Change{Name: new("a\x00")}, kind: fault.Invalid},
		"last administrator":              {person: "ana", change: identity.Change{Admin: new(false)}, kind: fault.Conflict},
		"last one's name":                 {person: "ana", change: identity.Change{Name: new("Ana")}},
		"disabled without what they have": {person: "bo", change: identity.Change{Disabled: new(true)}, kind: fault.Internal},
		"disabled, still disabled":        {person: "gone", change: identity.Change{Admin: new(false)}},
		"nobody":                          {person: "eve", kind: fault.NotFound},
		"not an administrator":            {who: identity.Actor{Person: "bo", Scopes: ana.Scopes}, person: "bo", change: identity.Change{Admin: new(true)}, kind: fault.Forbidden},
		"lesser token":                    {who: identity.Actor{Person: "ana", Admin: true}, person: "bo", kind: fault.Forbidden},
		"administrator till just now":     {who: identity.Actor{Person: "gone", Admin: true, Scopes: ana.Scopes}, person: "bo", kind: fault.Forbidden},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				svc := newService(t, db, identity.Person{ID: "ana", Admin: true}, identity.Person{ID: "bo"}, identity.Person{ID: "gone", Admin: true, Disabled: true})
				who := tt.who
				if who.Person == "" {
					who = ana
				}

				p, err := svc.ChangePerson(t.Context(), who, tt.person, tt.change)

				if fault.KindOf(err) != tt.kind {
					t.Fatalf("error %v, want %q", err, tt.kind)
				}
				if kept, errKept := svc.Person(t.Context(), tt.person); err == nil && (errKept != nil || kept != p) {
					t.Errorf("returned %+v, kept %+v, %v", p, kept, errKept)
				}
			})
		})
	}
}

// Two administrators who take each other's rights away in one moment do not
// leave Margay without any.
func TestLastTwoAdministrators(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		svc := newService(t, db, identity.Person{ID: "ana", Admin: true}, identity.Person{ID: "bo", Admin: true})
		for range 20 {
			var wg sync.WaitGroup
			gate := make(chan struct{})
			for who, other := range map[identity.PersonID]identity.PersonID{"ana": "bo", "bo": "ana"} {
				wg.Go(func() {
					<-gate
					_, err := svc.ChangePerson(t.Context(), identity.Actor{Person: who, Admin: true, Scopes: []identity.Scope{identity.ScopeAdmin}}, other,
						identity.Change{Admin: new(false)})
					if k := fault.KindOf(err); err != nil && k != fault.Forbidden && k != fault.Conflict {
						t.Error(err)
					}
				})
			}
			close(gate)
			wg.Wait()

			people, err := svc.People(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			admins := 0
			for _, p := range people {
				if p.Admin {
					admins++
				}
			}
			if admins != 1 {
				t.Fatalf("%d administrators", admins)
			}
			for _, p := range people { // and again
				p.Admin = true
				if err := db.SavePerson(t.Context(), p); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// The first token can be made twice at once.
func TestFirstTokenTwice(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		svc := newService(t, db)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if _, err := svc.IssueToken(t.Context(), "", nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if people, err := svc.People(t.Context()); err != nil || len(people) != 1 {
			t.Errorf("%d people, %v", len(people), err)
		}
	})
}

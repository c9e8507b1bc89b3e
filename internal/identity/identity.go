// Package identity holds who people are and what each may do.
//
// A Person is somebody in Margay's directory; a Token lets a program act as a
// person, within scopes. Whoever asks for something is an Actor, which every
// rule takes as an argument: nothing reads the caller from a context. The
// package knows no HTTP and no SQL; store keeps its rows and api builds Actors
// from bearer tokens.
package identity

import (
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/margay-access/margay/internal/fault"
)

// PersonID names a person: "usr_…".
type PersonID string

// Person is somebody in Margay's directory. Never to be mixed up with a Tableau
// user, which is always called so.
type Person struct {
	ID        PersonID
	Email     string // what the person is found by in Tableau; compared without regard to case
	Name      string
	Admin     bool     // may manage everything; decides on requests only where a policy says so
	Disabled  bool     // cannot sign in, ask or decide
	Manager   PersonID // who they report to; "": nobody
	CreatedAt time.Time
}

// NewPerson returns a person with a clean e-mail address and name, or a field
// error.
func NewPerson(id PersonID, email, name string, admin bool, now time.Time) (Person, error) {
	email, err := cleanEmail(email)
	if err != nil {
		return Person{}, err
	}
	if name, err = cleanName(name); err != nil {
		return Person{}, err
	}
	if name == "" {
		name = email
	}
	return Person{ID: id, Email: email, Name: name, Admin: admin, CreatedAt: now}, nil
}

// isAdmin says whether the person may act as an administrator now.
func (p Person) isAdmin() bool { return p.Admin && !p.Disabled }

func cleanName(s string) (string, error) { return cleanText("name", s, 255) }

// cleanText returns text that a person wrote without outer blanks.
func cleanText(field, s string, most int) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0): // PostgreSQL keeps neither
		return "", fault.Field(field, "A %s cannot hold that character.", field)
	case utf8.RuneCountInString(s) > most:
		return "", fault.Field(field, "A %s has at most %d characters.", field, most)
	}
	return s, nil
}

func cleanEmail(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", fault.Field("email", "An e-mail address is required.")
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Name != "" || a.Address != s || len(s) > 254 {
		return "", fault.Field("email", "%q is not an e-mail address.", s)
	}
	return s, nil
}

// Scope is something that a token may be used for.
type Scope string

// The scopes. ScopeAdmin holds all others; what its owner may not do, it cannot
// do either.
const (
	ScopeAccessRead       Scope = "access:read"
	ScopeRequestsWrite    Scope = "requests:write"
	ScopeApprovalsWrite   Scope = "approvals:write"
	ScopeConnectionsWrite Scope = "connections:write"
	ScopeTableauRead      Scope = "tableau:read"
	ScopeTableauWrite     Scope = "tableau:write"
	ScopeAuditRead        Scope = "audit:read"
	ScopeAdmin            Scope = "admin"
)

// Scopes lists every scope there is.
func Scopes() []Scope {
	return []Scope{
		ScopeAccessRead, ScopeRequestsWrite, ScopeApprovalsWrite, ScopeConnectionsWrite,
		ScopeTableauRead, ScopeTableauWrite, ScopeAuditRead, ScopeAdmin,
	}
}

// PersonalScopes are what a person who is no administrator needs: see, ask and
// decide.
func PersonalScopes() []Scope {
	return []Scope{ScopeAccessRead, ScopeRequestsWrite, ScopeApprovalsWrite}
}

// Actor is who asks for something to be done.
type Actor struct {
	Person PersonID
	Name   string
	Admin  bool
	Scopes []Scope
	Via    string // how: "token:tok_…", "session:ses_…", "system"
	// ProvenAt is when they last gave their password in this browser; zero for
	// what is no browser.
	ProvenAt time.Time
	// What the directory says of them at the moment; filled in by the rules that
	// need it, inside the transaction that decides, never by the caller.
	Groups  []GroupID
	Reports []PersonID // whom they manage, see [Reports]
}

// System is Margay itself: the clock, the runs.
func System() Actor { return Actor{Name: "Margay", Via: "system"} }

// IsSystem says whether the actor is Margay itself.
func (a Actor) IsSystem() bool { return a.Via == "system" }

// String names the actor in the audit log: "usr_…" or "system".
func (a Actor) String() string {
	if a.IsSystem() {
		return "system"
	}
	return string(a.Person)
}

// Can says whether the actor's token has the scope.
func (a Actor) Can(s Scope) bool {
	return a.IsSystem() || slices.Contains(a.Scopes, s) || slices.Contains(a.Scopes, ScopeAdmin)
}

// Need returns a fault.Forbidden that names the scope when the actor lacks it.
func (a Actor) Need(s Scope) error {
	if a.Can(s) {
		return nil
	}
	return fault.New(fault.Forbidden, "This token may not do that: it lacks the scope %s.", s).
		WithCode("scope_missing").WithHint("Make a token with --scope %s.", s)
}

// Administers says whether the actor acts as an administrator: one who uses a
// token that was made for that. With a lesser token an administrator may do
// what anybody may.
func (a Actor) Administers() bool { return a.IsSystem() || a.Admin && a.Can(ScopeAdmin) }

// NeedAdmin returns a fault.Forbidden unless the actor is an administrator who
// uses a token with the scope.
func (a Actor) NeedAdmin(s Scope) error {
	if !a.Admin && !a.IsSystem() { // before the scope: another token would not help
		return fault.New(fault.Forbidden, "Only an administrator may do that.").WithCode("admin_needed").
			WithHint("Ask an administrator of Margay.")
	}
	return a.Need(s)
}

package access

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// Ids are types of their own, so that two cannot be swapped.
type (
	// AppID names an app: "app_…".
	AppID string
	// RoleID names a role: "rol_…".
	RoleID string
	// PolicyID names a policy: "pol_…".
	PolicyID string
	// RequestID names a request: "req_…".
	RequestID string
	// GrantID names a grant: "grt_…".
	GrantID string
)

// OnRevoke says what becomes of a person whose revoked role is the one they
// have in the other system.
type OnRevoke string

// The ways of OnRevoke.
const (
	// Fall back to the strongest role that another live grant still gives.
	OnRevokeStrongest OnRevoke = "strongest"
	// Take everything away, whatever else is granted.
	OnRevokeUnlicensed OnRevoke = "unlicensed"
)

// Workflows names the two workflows that carry grants out and back.
type Workflows struct {
	Provision   string // workflow id; "" on a role: as the app says
	Deprovision string
}

// App is what people ask access to. It is bound to one connection.
type App struct {
	ID          AppID
	Name        string
	Connection  string   // connection id
	Policy      PolicyID // for roles that name none
	Workflows   Workflows
	OnRevoke    OnRevoke
	Owners      []identity.PersonID
	OwnerGroups []identity.GroupID // their members are owners too
	Profile     ProfileID          // who may ask for roles that name none; "": everybody
	CreatedAt   time.Time
	Saved
}

// Role is what is asked for inside an app. Its name is the role's name in the
// other system, byte for byte.
type Role struct {
	ID          RoleID
	App         AppID
	Name        string // case-sensitive, not trimmed
	Description string
	Policy      PolicyID  // "": the app's
	Profile     ProfileID // "": the app's; Everybody
	Workflows   Workflows
	Closed      bool // true: cannot be asked for
	CreatedAt   time.Time
	Saved
}

// check returns the app with its defaults, or what is wrong with it.
func (a App) check() (App, error) {
	var faults []*fault.Error
	a.Name = clean(&faults, "name", a.Name, maxName)
	if a.OnRevoke == "" {
		a.OnRevoke = OnRevokeStrongest
	}
	if a.Name == "" {
		faults = append(faults, fault.Field("name", "A name is required."))
	}
	if a.Connection == "" {
		faults = append(faults, fault.Field("connection_id", "A connection is required."))
	}
	if a.OnRevoke != OnRevokeStrongest && a.OnRevoke != OnRevokeUnlicensed {
		faults = append(faults, fault.Field("on_revoke", "on_revoke is %q or %q.", OnRevokeStrongest, OnRevokeUnlicensed))
	}
	return a, fault.Join(faults...)
}

// check returns the role as it is kept, or what is wrong with it. Which names
// can be carried out is asked of RoleRules.
func (r Role) check() (Role, error) {
	var faults []*fault.Error
	r.Description = clean(&faults, "description", r.Description, maxReason)
	clean(&faults, "name", r.Name, maxName)
	return r, fault.Join(faults...)
}

const (
	maxName   = 255
	maxReason = 2000
)

// clean returns text that a person wrote without outer blanks, and adds what is
// wrong with it to faults. Lengths count characters, not bytes.
func clean(faults *[]*fault.Error, field, text string, most int) string {
	text = strings.TrimSpace(text)
	switch {
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0): // PostgreSQL keeps neither
		*faults = append(*faults, fault.Field(field, "This text holds a character that cannot be kept."))
	case utf8.RuneCountInString(text) > most:
		*faults = append(*faults, fault.Field(field, "This text has at most %d characters.", most))
	}
	return text
}

// cleanReason is clean for a reason alone.
func cleanReason(text string) (string, error) {
	var faults []*fault.Error
	text = clean(&faults, "reason", text, maxReason)
	return text, fault.Join(faults...)
}

// ownedBy says whether who is an owner of the app, by name or by a group.
func (a App) ownedBy(who identity.Actor) bool {
	return who.Person != "" && (slices.Contains(a.Owners, who.Person) ||
		slices.ContainsFunc(a.OwnerGroups, func(g identity.GroupID) bool { return slices.Contains(who.Groups, g) }))
}

// policyOf returns the policy that rules r in app a.
func policyOf(a App, r Role) (PolicyID, error) {
	switch {
	case r.Policy != "":
		return r.Policy, nil
	case a.Policy != "":
		return a.Policy, nil
	}
	return "", fault.New(fault.Conflict, "No policy says who may have %s in %s.", r.Name, a.Name).
		WithCode("no_policy").WithHint("Give the app or the role a policy.")
}

// WorkflowsOf returns the workflows that carry out role r of app a: the role's
// own where it names one, else the app's.
func WorkflowsOf(a App, r Role) Workflows {
	w := a.Workflows
	if r.Workflows.Provision != "" {
		w.Provision = r.Workflows.Provision
	}
	if r.Workflows.Deprovision != "" {
		w.Deprovision = r.Workflows.Deprovision
	}
	return w
}

package access

import (
	"slices"
	"strings"
	"time"

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
	ID         AppID
	Name       string
	Connection string   // connection id
	Policy     PolicyID // for roles that name none
	Workflows  Workflows
	OnRevoke   OnRevoke
	Owners     []identity.PersonID
	CreatedAt  time.Time
}

// Role is what is asked for inside an app. Its name is the role's name in the
// other system, byte for byte.
type Role struct {
	ID          RoleID
	App         AppID
	Name        string // case-sensitive, not trimmed
	Description string
	Policy      PolicyID // "": the app's
	Workflows   Workflows
	Closed      bool // true: cannot be asked for
	CreatedAt   time.Time
}

// check returns the app with its defaults, or what is wrong with it.
func (a App) check() (App, error) {
	a.Name = strings.TrimSpace(a.Name)
	if a.OnRevoke == "" {
		a.OnRevoke = OnRevokeStrongest
	}
	var faults []*fault.Error
	if a.Name == "" {
		faults = append(faults, fault.Field("name", "A name is required."))
	}
	if len(a.Name) > 255 {
		faults = append(faults, fault.Field("name", "A name has at most 255 characters."))
	}
	if a.Connection == "" {
		faults = append(faults, fault.Field("connection_id", "A connection is required."))
	}
	if a.OnRevoke != OnRevokeStrongest && a.OnRevoke != OnRevokeUnlicensed {
		faults = append(faults, fault.Field("on_revoke", "on_revoke is %q or %q.", OnRevokeStrongest, OnRevokeUnlicensed))
	}
	return a, fault.Join(faults...)
}

// ownedBy says whether person is an owner of the app.
func (a App) ownedBy(person identity.PersonID) bool {
	return person != "" && slices.Contains(a.Owners, person)
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

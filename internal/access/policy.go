package access

import (
	"slices"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// Indefinite is the length of access that does not end by itself.
const Indefinite time.Duration = 0

// Policy says under which rules a role is given.
type Policy struct {
	ID           PolicyID
	Name         string
	Longest      time.Duration // Indefinite: access need not end
	Usual        time.Duration // offered when nobody says how long; Indefinite: Longest
	ReasonNeeded bool
	OnBehalf     OnBehalf      // who may ask for somebody else; administrators always may
	Steps        []Step        // in this order; none: granted at once
	Auto         *Auto         // when nobody needs to decide although there are steps; nil: never
	Waits        time.Duration // how long a request waits before it lapses; 0: DefaultWait
	Version      int           // 1, 2, …; a request keeps the one it was filed under
	CreatedAt    time.Time
	SavedBy      identity.PersonID // who saved this version; "": Margay, or before that was kept
	SavedAt      time.Time
}

// OnBehalf says who may ask for somebody else.
type OnBehalf string

// The ways of OnBehalf. "" is OnBehalfNobody.
const (
	OnBehalfNobody   OnBehalf = "nobody"
	OnBehalfManagers OnBehalf = "managers" // for those who report to them
	OnBehalfOwners   OnBehalf = "owners"   // the owners of the app
	OnBehalfAnybody  OnBehalf = "anybody"
)

// Auto says which requests need nobody's decision. All that it names must hold;
// it names something. A request to extend access is always decided by people.
type Auto struct {
	Longest time.Duration      // at most so long; Indefinite: however long
	Groups  []identity.GroupID // who asks and whom it is for are members of one; none: anybody
	Roles   []RoleID           // one of these; none: any
}

const (
	// DefaultWait is how long a request waits under a policy that says nothing.
	DefaultWait = 30 * 24 * time.Hour
	// longestWait bounds how long a request may wait.
	longestWait = 365 * 24 * time.Hour
	// shortestWait leaves somebody the time to read it.
	shortestWait = time.Minute
)

// Step is one round of approval. Any one of its approvers decides.
type Step struct {
	Approvers []Approver
	// Workflow is the id of a custom approval workflow that is asked instead: it
	// decides, or names the approvers. "": there is none.
	Workflow     string
	SelfApproval bool // a person may decide on access that they gain from
}

// Approver is who may decide in a step: a person, the members of a group, the
// owners of the app, or the manager of who asks or of whom it is for. One of
// these is given.
type Approver struct {
	Person   identity.PersonID
	Group    identity.GroupID `json:",omitempty"`
	AppOwner bool
	Manager  bool `json:",omitempty"`
}

const (
	maxSteps     = 10  // nobody waits for more rounds than this
	maxApprovers = 100 // in one step; a group counts as one
)

// check returns the policy with its defaults, or what is wrong with it.
func (p Policy) check() (Policy, error) {
	var faults []*fault.Error
	p.Name = clean(&faults, "name", p.Name, maxName)
	if p.Name == "" {
		faults = append(faults, fault.Field("name", "A name is required."))
	}
	if tooShort(p.Longest) {
		faults = append(faults, fault.Field("longest", "A length of time is at least %s.", plainLength(shortest)))
	}
	if tooShort(p.Usual) {
		faults = append(faults, fault.Field("usual", "A length of time is at least %s.", plainLength(shortest)))
	}
	if p.Longest != Indefinite && p.Usual > p.Longest {
		faults = append(faults, fault.Field("usual", "The usual length is longer than the longest one."))
	}
	if len(p.Steps) > maxSteps {
		faults = append(faults, fault.Field("steps", "A policy has at most %d steps.", maxSteps))
	}
	for i, s := range p.Steps {
		if s.Workflow != "" && len(s.Approvers) > 0 {
			faults = append(faults, fault.Field("steps", "Step %d has a workflow and approvers: it has one of the two.", i+1))
		}
		if s.Workflow == "" && len(s.Approvers) == 0 {
			faults = append(faults, fault.Field("steps", "Step %d has no approver: nobody could ever decide.", i+1))
		}
		if len(s.Approvers) > maxApprovers {
			faults = append(faults, fault.Field("steps", "Step %d has more than %d approvers: name a group.", i+1, maxApprovers))
		}
	}
	if p.OnBehalf == "" {
		p.OnBehalf = OnBehalfNobody
	}
	if !slices.Contains([]OnBehalf{OnBehalfNobody, OnBehalfManagers, OnBehalfOwners, OnBehalfAnybody}, p.OnBehalf) {
		faults = append(faults, fault.Field("on_behalf", "on_behalf is nobody, managers, owners or anybody."))
	}
	if p.Waits != 0 && (p.Waits < shortestWait || p.Waits > longestWait) {
		faults = append(faults, fault.Field("waits", "A request waits from %s to %s.", plainLength(shortestWait), plainLength(longestWait)))
	}
	faults = append(faults, p.checkAuto()...)
	return p, fault.Join(faults...)
}

// usual returns the length that is meant when nobody says how long.
func (p Policy) usual() time.Duration {
	if p.Usual != Indefinite {
		return p.Usual
	}
	return p.Longest
}

// shortest is the least that access can be given for. What is kept of a length
// are whole milliseconds: less than one would be read back as Indefinite.
const shortest = time.Second

func tooShort(d time.Duration) bool { return d != Indefinite && d < shortest }

// checkLength refuses a length that the policy does not allow.
func (p Policy) checkLength(d time.Duration) error {
	switch {
	case tooShort(d):
		return fault.Field("duration", "A length of time is at least %s.", plainLength(shortest))
	case p.Longest == Indefinite:
		return nil
	case d == Indefinite:
		return fault.Field("duration", "The policy %s gives access for at most %s; say for how long.", p.Name, plainLength(p.Longest))
	case d > p.Longest:
		return fault.Field("duration", "The policy %s gives access for at most %s.", p.Name, plainLength(p.Longest))
	}
	return nil
}

// WaitsFor returns how long a request waits for its approvers.
func (p Policy) WaitsFor() time.Duration {
	if p.Waits == 0 {
		return DefaultWait
	}
	return p.Waits
}

// admits says whether the step lets who decide on r.
func (s Step) admits(who identity.Actor, app App, r Request) bool {
	return slices.ContainsFunc(s.Approvers, func(a Approver) bool { return a.admits(who, app, r) })
}

func (a Approver) admits(who identity.Actor, app App, r Request) bool {
	switch {
	case who.Person == "":
		return false
	case a.Person != "":
		return a.Person == who.Person
	case a.Group != "":
		return slices.Contains(who.Groups, a.Group)
	case a.AppOwner:
		return app.ownedBy(who)
	case a.Manager:
		return slices.Contains(who.Reports, r.Person) || slices.Contains(who.Reports, r.Requester)
	}
	return false
}

// letsAsk says whether who may ask for somebody else under the policy.
func (p Policy) letsAsk(who identity.Actor, person identity.PersonID, app App) bool {
	switch {
	case person == who.Person || who.Administers():
		return true
	case p.OnBehalf == OnBehalfAnybody:
		return true
	case p.OnBehalf == OnBehalfManagers:
		return slices.Contains(who.Reports, person)
	case p.OnBehalf == OnBehalfOwners:
		return app.ownedBy(who)
	}
	return false
}

// mayAsk says why who may not ask for the person, or nil.
func (p Policy) mayAsk(who identity.Actor, person identity.PersonID, app App) error {
	if p.letsAsk(who, person, app) {
		return nil
	}
	return fault.New(fault.Forbidden, "The policy %s does not let you ask for somebody else.", p.Name).WithCode("on_behalf").
		WithHint("%s", p.OnBehalf.sentence())
}

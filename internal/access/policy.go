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
	OnBehalf     bool   // anybody may ask for somebody else; administrators always may
	Steps        []Step // in this order; none: granted at once
	Version      int    // 1, 2, …; a request keeps the one it was filed under
	CreatedAt    time.Time
}

// Step is one round of approval. Any one of its approvers decides.
type Step struct {
	Approvers []Approver
	// Workflow is the id of a custom approval workflow that is asked instead: it
	// decides, or names the approvers. "": there is none.
	Workflow     string
	SelfApproval bool // a person may decide on access that they gain from
}

// Approver is who may decide in a step: a person, or the owners of the app.
type Approver struct {
	Person   identity.PersonID
	AppOwner bool
}

// maxSteps bounds a policy: nobody waits for more rounds than this.
const maxSteps = 10

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
		if len(s.Approvers) == 0 {
			faults = append(faults, fault.Field("steps", "Step %d has no approver: nobody could ever decide.", i+1))
		}
	}
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

// admits says whether the step lets who decide for app.
func (s Step) admits(who identity.Actor, app App) bool {
	return slices.ContainsFunc(s.Approvers, func(a Approver) bool {
		return (a.Person != "" && a.Person == who.Person) || (a.AppOwner && app.ownedBy(who.Person))
	})
}

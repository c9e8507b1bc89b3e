package identity

import (
	"slices"
	"time"

	"github.com/margay-access/margay/internal/fault"
)

// GroupID names a group: "grp_…".
type GroupID string

// Group is some people under one name: it may be asked to approve, own an app,
// or be who may ask.
type Group struct {
	ID          GroupID
	Name        string // compared without regard to case
	Description string
	Members     []PersonID // in the order of their ids
	CreatedAt   time.Time
}

// Directory is everybody and every group, as one transaction sees them.
type Directory struct {
	People []Person // by name
	Groups []Group  // by name
}

// Has says whether the person is a member.
func (g Group) Has(p PersonID) bool {
	_, found := slices.BinarySearch(g.Members, p)
	return found
}

// check returns the group as it is kept, or what is wrong with it.
func (g Group) check() (Group, error) {
	name, err := cleanName(g.Name)
	if err != nil {
		return g, err
	}
	if name == "" {
		return g, fault.Field("name", "A name is required.")
	}
	g.Name = name
	if g.Description, err = cleanText("description", g.Description, maxDescription); err != nil {
		return g, err
	}
	g.Members = slices.Compact(slices.Sorted(slices.Values(g.Members)))
	return g, nil
}

const maxDescription = 2000

// person returns somebody of the directory.
func (d Directory) person(id PersonID) (Person, bool) {
	i := slices.IndexFunc(d.People, func(p Person) bool { return p.ID == id })
	if i < 0 {
		return Person{}, false
	}
	return d.People[i], true
}

// Reports lists whom a person manages, by what answers who names a manager: the
// direct reports, and those of a report who is disabled, so that nobody waits
// for somebody who has left. The person is never their own.
func Reports(manager PersonID, direct func(manager PersonID) []Person) []PersonID {
	seen := map[PersonID]bool{manager: true}
	var all []PersonID
	for todo := []PersonID{manager}; len(todo) > 0; todo = todo[1:] {
		for _, p := range direct(todo[0]) {
			if seen[p.ID] {
				continue
			}
			seen[p.ID] = true
			all = append(all, p.ID)
			if p.Disabled {
				todo = append(todo, p.ID)
			}
		}
	}
	slices.Sort(all)
	return all
}

// checkManager refuses a manager that is not there, or the person themselves.
func (d Directory) checkManager(p Person) error {
	if p.Manager == "" {
		return nil
	}
	if p.Manager == p.ID {
		return fault.Field("manager_id", "Nobody is their own manager.")
	}
	if _, ok := d.person(p.Manager); !ok {
		return fault.New(fault.NotFound, "There is no person %s.", p.Manager).WithCode("person_missing")
	}
	return nil
}

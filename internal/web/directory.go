package web

import (
	"context"
	"slices"
	"strings"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
)

// directory gives names to what a page refers to by id.
type directory struct {
	people map[identity.PersonID]identity.Person
	groups map[identity.GroupID]identity.Group
	apps   map[access.AppID]access.App
	links  bool // people and apps have pages that the reader may open
}

// longName is how much of a name lists show.
const longName = 80

func (s *site) directory(ctx context.Context, who identity.Actor) (directory, error) {
	d := directory{people: map[identity.PersonID]identity.Person{}, groups: map[identity.GroupID]identity.Group{}, apps: map[access.AppID]access.App{}, links: who.Administers()}
	people, err := s.Identity.People(ctx)
	if err != nil {
		return d, err
	}
	for _, p := range people {
		d.people[p.ID] = p
	}
	groups, err := s.Identity.Groups(ctx)
	if err != nil {
		return d, err
	}
	for _, g := range groups {
		d.groups[g.ID] = g
	}
	apps, err := s.Access.Apps(ctx)
	for _, a := range apps {
		d.apps[a.ID] = a
	}
	return d, err
}

// person names somebody; "" is Margay itself.
func (d directory) person(id identity.PersonID) string {
	if id == "" {
		return "Margay"
	}
	if p, ok := d.people[id]; ok {
		return p.Name
	}
	return string(id)
}

// actor names who the audit log says did something.
func (d directory) actor(id string) string {
	if id == "system" {
		return "Margay"
	}
	return d.person(identity.PersonID(id))
}

func (d directory) app(id access.AppID) string {
	if a, ok := d.apps[id]; ok {
		return a.Name
	}
	return string(id)
}

func (d directory) group(id identity.GroupID) string {
	if g, ok := d.groups[id]; ok {
		return g.Name
	}
	return string(id)
}

// short is a name as lists show it.
func short(name string) string { return ui.Middle(name, longName) }

// enabled lists those who can sign in, by name.
func (d directory) enabled() []identity.Person {
	list := make([]identity.Person, 0, len(d.people))
	for _, p := range d.people {
		if !p.Disabled {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b identity.Person) int {
		return strings.Compare(strings.ToLower(a.Name)+string(a.ID), strings.ToLower(b.Name)+string(b.ID))
	})
	return list
}

// groupsByName lists the groups.
func (d directory) groupsByName() []identity.Group {
	list := make([]identity.Group, 0, len(d.groups))
	for _, g := range d.groups {
		list = append(list, g)
	}
	slices.SortFunc(list, func(a, b identity.Group) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return list
}

// appsByName lists the apps.
func (d directory) appsByName() []access.App {
	list := make([]access.App, 0, len(d.apps))
	for _, a := range d.apps {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b access.App) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return list
}

// subject is a request for one person's role in one app, as far as the words
// about its approvers need it.
type subject struct {
	app       access.App
	person    identity.PersonID
	requester identity.PersonID
}

// stepText names who decides a step: "Bo or a member of Owners".
func (d directory) stepText(s access.Step, about subject) string {
	var names []string
	for _, a := range s.Approvers {
		names = append(names, d.approverText(a, about))
	}
	if s.Workflow != "" {
		names = append(names, "a workflow")
	}
	return either(names)
}

func (d directory) approverText(a access.Approver, about subject) string {
	switch {
	case a.Person != "":
		return short(d.person(a.Person))
	case a.Group != "":
		return "a member of " + short(d.group(a.Group))
	case a.AppOwner:
		return d.ownersText(about.app)
	}
	if m := d.people[about.person].Manager; m != "" {
		return short(d.person(m)) + ", the manager of " + short(d.person(about.person))
	}
	if about.person == "" {
		return "the manager of who asks"
	}
	return "the manager of " + short(d.person(about.person))
}

// ownersText names the owners of an app.
func (d directory) ownersText(a access.App) string {
	var names []string
	for _, o := range a.Owners {
		names = append(names, short(d.person(o)))
	}
	for _, g := range a.OwnerGroups {
		names = append(names, "a member of "+short(d.group(g)))
	}
	if a.ID == "" || len(names) == 0 {
		return "an owner of the app"
	}
	return either(names) + ", as owner"
}

func either(names []string) string {
	switch n := len(names); {
	case n == 0:
		return "nobody"
	case n <= 1:
		return names[0]
	case n > 5:
		return strings.Join(names[:4], ", ") + " or one of " + plural(n-4, "other", "others")
	default:
		return strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
}

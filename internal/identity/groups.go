package identity

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
)

// Events of groups.
const (
	GroupAdded   audit.Kind = "group.added"
	GroupChanged audit.Kind = "group.changed"
)

// GroupChange is what may be changed of a group; nil leaves it as it is.
type GroupChange struct {
	Name        *string
	Description *string
	Members     *[]PersonID // all of them
	Add, Remove []PersonID  // some of them, after Members
}

// AddGroup adds a group to the directory.
func (s *Service) AddGroup(ctx context.Context, who Actor, name, description string, members []PersonID) (Group, error) {
	g := Group{ID: GroupID(s.newID("grp")), CreatedAt: s.now()}
	return s.saveGroup(ctx, who, GroupAdded, func(Directory) (Group, error) { return g, nil },
		GroupChange{Name: &name, Description: &description, Members: &members})
}

// ChangeGroup changes a group.
func (s *Service) ChangeGroup(ctx context.Context, who Actor, id GroupID, c GroupChange) (Group, error) {
	return s.saveGroup(ctx, who, GroupChanged, func(all Directory) (Group, error) { return all.group(id) }, c)
}

func (s *Service) saveGroup(ctx context.Context, who Actor, kind audit.Kind, before func(Directory) (Group, error), c GroupChange) (Group, error) {
	var saved Group
	if err := s.needAdmin(ctx, who, "group", "change"); err != nil {
		return saved, err
	}
	err := s.store.ChangeDirectory(ctx, func(all Directory) (Directory, []audit.Event, error) {
		if err := all.administers(who); err != nil {
			return Directory{}, nil, err
		}
		was, err := before(all)
		if err != nil {
			return Directory{}, nil, err
		}
		if saved, err = c.of(was, all); err != nil {
			return Directory{}, nil, err
		}
		return Directory{Groups: []Group{saved}}, []audit.Event{s.groupEvent(kind, who, was, saved)}, nil
	})
	return saved, err
}

// of returns g changed, or why it cannot be.
func (c GroupChange) of(g Group, all Directory) (Group, error) {
	if c.Name != nil {
		g.Name = *c.Name
	}
	if c.Description != nil {
		g.Description = *c.Description
	}
	members := slices.Clone(g.Members)
	if c.Members != nil {
		members = slices.Clone(*c.Members)
	}
	members = slices.DeleteFunc(append(members, c.Add...), func(p PersonID) bool { return slices.Contains(c.Remove, p) })
	g.Members = members
	g, err := g.check()
	if err != nil {
		return g, err
	}
	people := all.ids()
	for _, m := range g.Members {
		if !people[m] {
			return g, fault.New(fault.NotFound, "There is no person %s.", m).WithCode("person_missing")
		}
	}
	return g, nil
}

func (d Directory) ids() map[PersonID]bool {
	ids := make(map[PersonID]bool, len(d.People))
	for _, p := range d.People {
		ids[p.ID] = true
	}
	return ids
}

// group returns a group of the directory.
func (d Directory) group(id GroupID) (Group, error) {
	for _, g := range d.Groups {
		if g.ID == id {
			return g, nil
		}
	}
	return Group{}, fault.New(fault.NotFound, "There is no group %s.", id).WithCode("group_missing")
}

// administers refuses somebody who was an administrator when they asked and is
// none any more.
func (d Directory) administers(who Actor) error {
	if p, ok := d.person(who.Person); who.IsSystem() || ok && p.isAdmin() {
		return nil
	}
	return errAdminNoMore
}

// Group returns one group.
func (s *Service) Group(ctx context.Context, id GroupID) (Group, error) {
	return s.store.Group(ctx, id)
}

// Groups returns all groups by name.
func (s *Service) Groups(ctx context.Context) ([]Group, error) { return s.store.Groups(ctx) }

func (s *Service) groupEvent(kind audit.Kind, who Actor, was, g Group) audit.Event {
	data := map[string]string{"name": g.Name, "members": strconv.Itoa(len(g.Members))}
	list := func(name string, of []PersonID, not Group) {
		var ids []string
		for _, p := range of {
			if !not.Has(p) {
				ids = append(ids, string(p))
			}
		}
		if len(ids) > 0 {
			data[name] = strings.Join(ids, " ")
		}
	}
	list("joined", g.Members, was)
	list("left", was.Members, g)
	return audit.Event{At: s.now(), Kind: kind, Actor: who.String(), Subject: "group:" + string(g.ID), Data: data}
}

package api

import (
	"context"
	"net/http"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/identity"
)

func (s *server) directory() {
	register(s, http.MethodGet, "/me", "whoami", "Show whose token this is", http.StatusOK, s.whoami)
	register(s, http.MethodGet, "/people", "list-people", "List the people", http.StatusOK, s.listPeople)
	register(s, http.MethodPost, "/people", "add-person", "Add somebody to the directory", http.StatusCreated, s.addPerson)
	register(s, http.MethodGet, "/people/{id}", "get-person", "Show one person", http.StatusOK, s.getPerson)
	register(s, http.MethodPatch, "/people/{id}", "change-person", "Change somebody", http.StatusOK, s.changePerson)
	s.groups()
}

func personOf(p identity.Person) wire.Person {
	return wire.Person{ID: string(p.ID), Email: p.Email, Name: p.Name, Admin: p.Admin, Disabled: p.Disabled, ManagerID: string(p.Manager), CreatedAt: p.CreatedAt}
}

func (s *server) whoami(ctx context.Context, who identity.Actor, _ *nothing) (*body[wire.Person], error) {
	p, err := s.Identity.Person(ctx, who.Person)
	return answer(personOf(p)), err
}

func (s *server) listPeople(ctx context.Context, who identity.Actor, _ *nothing) (*body[wire.List[wire.Person]], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	people, err := s.Identity.People(ctx)
	return listOf(people, personOf), err
}

func (s *server) addPerson(ctx context.Context, who identity.Actor, in *with[wire.NewPerson]) (*body[wire.Person], error) {
	p, err := s.Identity.AddReport(ctx, who, in.Body.Email, in.Body.Name, in.Body.Admin, identity.PersonID(in.Body.ManagerID))
	return answer(personOf(p)), err
}

func (s *server) getPerson(ctx context.Context, who identity.Actor, in *one) (*body[wire.Person], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	p, err := s.Identity.Person(ctx, identity.PersonID(in.ID))
	return answer(personOf(p)), err
}

func (s *server) changePerson(ctx context.Context, who identity.Actor, in *oneWith[wire.ChangedPerson]) (*body[wire.Person], error) {
	c := identity.Change{
		Name: in.Body.Name, Admin: in.Body.Admin, Disabled: in.Body.Disabled,
		Manager: (*identity.PersonID)(in.Body.ManagerID),
	}
	id := identity.PersonID(in.ID)
	if c.Disabled != nil && *c.Disabled {
		left, err := s.Access.Disable(ctx, who, id, c, false)
		return answer(personOf(left.Person)), err
	}
	p, err := s.Identity.ChangePerson(ctx, who, id, c)
	return answer(personOf(p)), err
}

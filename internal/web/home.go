package web

import (
	"context"
	"slices"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
)

func (s *site) homePages() {
	s.get("/", anyone, s.home)
}

// homeRows is how many rows a part of Home shows.
const homeRows = 20

// home is what a person sees first.
type home struct {
	waiting     []access.Request // for this person's decision
	grants      []access.Grant   // theirs, live
	requests    []access.Request // theirs, waiting
	apps        map[access.AppID]string
	people      map[identity.PersonID]string
	connections []connection.Connection
	admin       bool
}

func (s *site) home(r *Request) error {
	h, err := s.homeOf(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	return r.Page(ui.Head{Title: "Home"}, nil, homeView(h))
}

func (s *site) homeOf(ctx context.Context, who identity.Actor) (home, error) {
	h := home{admin: who.Administers()}
	var err error
	if h.apps, err = s.appNames(ctx); err != nil {
		return h, err
	}
	if h.people, err = s.personNames(ctx); err != nil {
		return h, err
	}
	if h.waiting, err = s.Access.Requests(ctx, who, access.RequestFilter{State: access.RequestWaiting, Limit: homeRows}, true); err != nil {
		return h, err
	}
	mine, err := s.Access.Requests(ctx, who, access.RequestFilter{Person: who.Person, State: access.RequestWaiting, Limit: homeRows}, false)
	if err != nil {
		return h, err
	}
	h.requests = mine
	grants, err := s.Access.Grants(ctx, who, access.GrantFilter{Person: who.Person, Limit: 200})
	if err != nil {
		return h, err
	}
	h.grants = slices.DeleteFunc(grants, func(g access.Grant) bool { return g.State == access.GrantEnded })
	if h.admin {
		h.connections, err = s.Connections.List(ctx, who)
	}
	return h, err
}

func (s *site) appNames(ctx context.Context) (map[access.AppID]string, error) {
	apps, err := s.Access.Apps(ctx)
	names := make(map[access.AppID]string, len(apps))
	for _, a := range apps {
		names[a.ID] = a.Name
	}
	return names, err
}

func (s *site) personNames(ctx context.Context) (map[identity.PersonID]string, error) {
	people, err := s.Identity.People(ctx)
	names := make(map[identity.PersonID]string, len(people))
	for _, p := range people {
		names[p.ID] = p.Name
	}
	return names, err
}

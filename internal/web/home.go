package web

import (
	"cmp"
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
const homeRows = 10

// home is what a person sees first.
type home struct {
	dir         directory
	box         inbox              // for this person's decision
	grants      []access.Grant     // theirs, live
	requests    []access.Request   // theirs, waiting
	tasks       []access.Task      // that wait for them
	trouble     []access.Grant     // that need a hand
	stuck       []access.Request   // that nobody may decide
	postponed   []access.Postponed // what the clock cannot do
	connections []connection.Overview
	admin       bool
}

// unfinished says whether a site is connected of which nobody can ask for
// anything yet.
func (h home) unfinished() bool { return h.admin && len(h.connections) > 0 && len(h.dir.apps) == 0 }

// quiet says whether there is nothing to do.
func (h home) quiet() bool {
	return !h.unfinished() && len(h.box.requests)+len(h.tasks)+len(h.trouble)+len(h.stuck)+len(h.postponed) == 0 && !slices.ContainsFunc(h.connections, troubled)
}

func troubled(c connection.Overview) bool {
	return c.Condition.State == connection.StateDegraded || c.Condition.State == connection.StateNeedsAttention
}

func (s *site) home(r *Request) error {
	h, err := s.homeOf(r)
	if err != nil {
		return err
	}
	return r.Page(ui.Head{Title: "Home"}, nil, homeView(h))
}

func (s *site) homeOf(r *Request) (home, error) {
	ctx, who := r.Context(), r.Actor
	h := home{admin: who.Administers()}
	var err error
	if h.box, err = s.inbox(r); err != nil {
		return h, err
	}
	h.dir = h.box.dir
	if h.requests, err = s.Access.Requests(ctx, who, access.RequestFilter{Person: who.Person, State: access.RequestWaiting, Limit: homeRows}, false); err != nil {
		return h, err
	}
	if h.grants, err = s.Access.Grants(ctx, who, access.GrantFilter{Person: who.Person, States: standingStates()}); err != nil {
		return h, err
	}
	slices.SortStableFunc(h.grants, soonestFirst)
	if h.tasks, err = s.Access.Tasks(ctx, who, access.TaskFilter{State: access.TaskOpen, Limit: homeRows}, true); err != nil {
		return h, err
	}
	if h.admin || h.dir.ownsSome(who.Person) {
		err = s.homeTrouble(r, &h)
	}
	return h, err
}

// homeTrouble reads what needs the hand of those who own or administer.
func (s *site) homeTrouble(r *Request, h *home) error {
	ctx, who := r.Context(), r.Actor
	f := accessFilter{state: stateHand}.of(r.Now)
	f.Limit = homeRows
	var err error
	if h.trouble, err = s.Access.Grants(ctx, who, f); err != nil {
		return err
	}
	if h.stuck, err = s.Access.Requests(ctx, who, access.RequestFilter{Stuck: true, Limit: homeRows}, false); err != nil || !h.admin {
		return err
	}
	if h.postponed, err = s.Access.Postponed(ctx, who); err != nil {
		return err
	}
	h.connections, err = s.Connections.Overviews(ctx, who)
	slices.SortStableFunc(h.connections, func(a, b connection.Overview) int { return cmp.Compare(homeOrder(a), homeOrder(b)) })
	return err
}

// homeOrder puts the connections that need a hand first.
func homeOrder(c connection.Overview) int {
	switch c.Condition.State {
	case connection.StateNeedsAttention:
		return 0
	case connection.StateDegraded:
		return 1
	case connection.StateHealthy, connection.StatePaused, connection.StateNeverChecked:
	}
	return 2
}

// choreText is what the clock could not do, in words.
func choreText(c access.Chore) string {
	switch c {
	case access.ChoreExpire:
		return "End access whose time is over"
	case access.ChoreBegin:
		return "Begin access whose time has come"
	case access.ChoreLapse:
		return "Close a request that nobody decided"
	}
	return string(c)
}

// ownsSome says whether somebody owns an app.
func (d directory) ownsSome(who identity.PersonID) bool {
	for _, a := range d.apps {
		if d.owns(who, a) {
			return true
		}
	}
	return false
}

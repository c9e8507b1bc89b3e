package web

import (
	"strings"

	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
)

// place is one line of the menu.
type place struct {
	group string // "" is the first, nameless one
	who   may
	link  ui.NavLink
	below []string // more addresses that belong to it
}

// menu is the whole menu, in its order. A page that is done adds its line; a
// place is shown to those who may open it. Phone places stand in the bar at the
// bottom, at most four.
var menu = []place{
	{who: anyone, link: ui.NavLink{Name: "Home", Href: "/", Icon: "house", Key: "h", Phone: true}},
	{who: anyone, link: ui.NavLink{Name: "Catalogue", Href: "/catalogue", Icon: "layers", Key: "c", Phone: true}, below: []string{"/roles"}},
	{who: anyone, link: ui.NavLink{Name: "My access", Href: "/my-access", Icon: "key-round", Key: "m"}},
	{who: anyone, link: ui.NavLink{Name: "Requests", Href: "/requests", Icon: "ticket", Key: "q", Phone: true}},
	{who: anyone, link: ui.NavLink{Name: "Approvals", Href: "/approvals", Icon: "inbox", Key: "a", Phone: true}},
	{who: anyone, link: ui.NavLink{Name: "Tasks", Href: "/tasks", Icon: "list-checks", Key: "t"}},
	{group: "Access", who: anyone, link: ui.NavLink{Name: "Who has access", Href: "/access", Icon: "users", Key: "w"}},
	{group: "Access", who: anyone, link: ui.NavLink{Name: "Runs", Href: "/runs", Icon: "activity", Key: "r"}},
	{group: "Access", who: anyone, link: ui.NavLink{Name: "Batches", Href: "/batches", Icon: "layers"}},
	{group: "Access", who: administrators, link: ui.NavLink{Name: "Drift", Href: "/drift", Icon: "git-compare", Key: "d"}},
	{group: "Access", who: others, link: ui.NavLink{Name: "Workflows", Href: "/workflows", Icon: "workflow"}},
	{group: "Set up", who: administrators, link: ui.NavLink{Name: "Integrations", Href: "/integrations", Icon: "plug", Key: "i"}, below: []string{"/connections"}},
	{group: "Set up", who: administrators, link: ui.NavLink{Name: "Apps", Href: "/apps", Icon: "app-window", Key: "s"}},
	{group: "Set up", who: administrators, link: ui.NavLink{Name: "Workflows", Href: "/workflows", Icon: "workflow", Key: "f"}},
	{group: "Set up", who: administrators, link: ui.NavLink{Name: "Policies", Href: "/policies", Icon: "shield-check", Key: "y"}},
	{group: "Set up", who: administrators, link: ui.NavLink{Name: "Profiles", Href: "/profiles", Icon: "book-open"}},
	{group: "Set up", who: administrators, link: ui.NavLink{Name: "People", Href: "/people", Icon: "user", Key: "e"}},
	{group: "Set up", who: administrators, link: ui.NavLink{Name: "Groups", Href: "/groups", Icon: "users", Key: "u"}},
	{group: "Record", who: administrators, link: ui.NavLink{Name: "Audit log", Href: "/audit", Icon: "scroll-text", Key: "l"}},
}

// menuFor returns the menu as somebody sees it at an address.
func menuFor(who identity.Actor, path string) []ui.NavGroup {
	var groups []ui.NavGroup
	for _, p := range menu {
		if !p.who(who) {
			continue
		}
		if len(groups) == 0 || groups[len(groups)-1].Name != p.group {
			groups = append(groups, ui.NavGroup{Name: p.group})
		}
		link := p.link
		link.Current = p.holds(path)
		last := &groups[len(groups)-1]
		last.Links = append(last.Links, link)
	}
	return groups
}

// holds says whether an address belongs to the place.
func (p place) holds(path string) bool {
	if path == p.link.Href {
		return true
	}
	if p.link.Href != "/" && strings.HasPrefix(path, p.link.Href+"/") {
		return true
	}
	for _, b := range p.below {
		if path == b || strings.HasPrefix(path, b+"/") {
			return true
		}
	}
	return false
}

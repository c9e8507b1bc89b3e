package web

import (
	"net/http"
	"strings"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
)

func (s *site) groupPages() {
	s.get("/groups", administrators, s.groups)
	s.get("/groups/new", administrators, s.newGroup)
	s.post("/groups/new", administrators, s.addGroup)
	s.get("/groups/{id}", administrators, s.groupPage)
	s.post("/groups/{id}", administrators, s.saveGroup)
	s.post("/groups/{id}/members", administrators, s.addMember)
	s.post("/groups/{id}/members/{person}/remove", administrators, s.removeMember)
}

// groupForm is one group with its form.
type groupForm struct {
	dir    directory
	group  identity.Group // zero: a new one
	name   string
	about  string
	member string
	errs   ui.Errors
}

func (s *site) groups(r *Request) error {
	groups, err := s.Identity.Groups(r.Context())
	if err != nil {
		return err
	}
	return r.Page(ui.Head{Title: "Groups", Lead: "Profiles name groups to say who may ask, policies to say who decides."}, groupActs(), groupsView(groups))
}

func (s *site) newGroup(r *Request) error {
	return s.showGroup(r, http.StatusOK, groupForm{})
}

func (s *site) showGroup(r *Request, status int, f groupForm) error {
	var err error
	if f.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return err
	}
	head := ui.Head{Title: "Add group", Back: []ui.Link{{Name: "Groups", Href: "/groups"}}}
	if f.group.ID != "" {
		head.Title = ui.Middle(f.group.Name, longName)
	}
	return r.PageAs(status, head, nil, groupView(f))
}

func (s *site) addGroup(r *Request) error {
	f := groupForm{name: r.Value("name"), about: r.Value("description")}
	g, err := s.Identity.AddGroup(r.Context(), r.Actor, f.name, f.about, nil)
	if err != nil {
		return s.groupRefused(r, f, err)
	}
	return r.Done("/groups/"+string(g.ID), "The group is there. Add its members.")
}

func (s *site) groupRefused(r *Request, f groupForm, err error) error {
	errs, ok := ui.ErrorsOf(err)
	if !ok && fault.KindOf(err) == fault.Conflict {
		errs, ok = ui.Errors{{Field: "name", Text: fault.Public(err).Message}}, true
	}
	if !ok {
		return err
	}
	f.errs = errs
	return s.showGroup(r, http.StatusUnprocessableEntity, f)
}

func (s *site) groupPage(r *Request) error {
	g, err := s.Identity.Group(r.Context(), identity.GroupID(r.Thing("id")))
	if err != nil {
		return err
	}
	return s.showGroup(r, http.StatusOK, groupForm{group: g, name: g.Name, about: g.Description})
}

func (s *site) saveGroup(r *Request) error {
	g, err := s.Identity.Group(r.Context(), identity.GroupID(r.Thing("id")))
	if err != nil {
		return err
	}
	f := groupForm{group: g, name: r.Value("name"), about: r.Value("description")}
	if _, err := s.Identity.ChangeGroup(r.Context(), r.Actor, g.ID, identity.GroupChange{Name: &f.name, Description: &f.about}); err != nil {
		return s.groupRefused(r, f, err)
	}
	return r.Done("/groups/"+string(g.ID), "Saved.")
}

func (s *site) addMember(r *Request) error {
	g, err := s.Identity.Group(r.Context(), identity.GroupID(r.Thing("id")))
	if err != nil {
		return err
	}
	f := groupForm{group: g, name: g.Name, about: g.Description, member: r.Value("member")}
	var add []identity.PersonID
	for _, email := range strings.FieldsFunc(f.member, func(c rune) bool { return strings.ContainsRune(" ,;\n\t", c) }) {
		p, err := s.Identity.PersonByEmail(r.Context(), email)
		if fault.KindOf(err) == fault.NotFound {
			return s.groupRefused(r, f, fault.Field("member", "There is nobody with the e-mail address %s.", ui.Middle(email, longName)))
		}
		if err != nil {
			return err
		}
		add = append(add, p.ID)
	}
	if len(add) == 0 {
		return s.groupRefused(r, f, fault.Field("member", "Name somebody by their e-mail address."))
	}
	if _, err := s.Identity.ChangeGroup(r.Context(), r.Actor, g.ID, identity.GroupChange{Add: add}); err != nil {
		return s.groupRefused(r, f, err)
	}
	return r.Done("/groups/"+string(g.ID), "%s added.", plural(len(add), "member", "members"))
}

func (s *site) removeMember(r *Request) error {
	id := identity.GroupID(r.Thing("id"))
	if _, err := s.Identity.ChangeGroup(r.Context(), r.Actor, id, identity.GroupChange{Remove: []identity.PersonID{identity.PersonID(r.Thing("person"))}}); err != nil {
		return err
	}
	return r.Done("/groups/"+string(id), "Removed.")
}

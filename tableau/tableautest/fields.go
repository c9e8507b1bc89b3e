package tableautest

import (
	"slices"
	"strings"
)

// selection is what the parameter fields asks for: the default set, all, or
// names, of which "owner.email" is one inside a child element.
type selection struct {
	all, defaults bool
	names         map[string]map[string]bool
}

// selection reads the parameter fields. Without it the default set is meant.
func (c *call) selection() selection {
	s := selection{names: map[string]map[string]bool{}}
	asked := c.query.Get("fields")
	if asked == "" {
		asked = "_default_"
	}
	for name := range strings.SplitSeq(asked, ",") {
		switch name = strings.TrimSpace(name); name {
		case "_all_":
			s.all = true
		case "_default_":
			s.defaults = true
		default:
			outer, inner, nested := strings.Cut(name, ".")
			if s.names[outer] == nil {
				s.names[outer] = map[string]bool{}
			}
			if nested {
				s.names[outer][inner] = true
			}
		}
	}
	return s
}

// plain says that the default set and nothing else is meant.
func (s selection) plain() bool { return !s.all && s.defaults && len(s.names) == 0 }

// of picks from full, which shows everything; usual shows the default set.
func (s selection) of(usual, full elem) elem {
	if s.all {
		return full
	}
	out := elem{name: full.name, many: full.many}
	for _, a := range full.attrs {
		_, named := s.names[a.key]
		if _, isUsual := usual.get(a.key); named || s.defaults && isUsual {
			out.attrs = append(out.attrs, a)
		}
	}
	for _, kid := range full.kids {
		inner, named := s.names[kid.name]
		usualKid, isUsual := usual.child(kid.name)
		switch {
		case named && len(inner) == 0:
			out.kids = append(out.kids, kid)
		case named:
			if !s.defaults {
				usualKid = elem{}
			}
			picked := selection{defaults: true, names: map[string]map[string]bool{}}
			for key := range inner {
				picked.names[key] = nil
			}
			out.kids = append(out.kids, picked.of(usualKid, kid))
		case s.defaults && isUsual:
			out.kids = append(out.kids, usualKid)
		}
	}
	return out
}

// replace puts a child in the place of the one of the same name, or behind the
// others.
func (e elem) replace(kid elem) elem {
	kids := make([]elem, 0, len(e.kids)+1)
	found := false
	for _, k := range e.kids {
		if k.name == kid.name {
			k, found = kid, true
		}
		kids = append(kids, k)
	}
	if !found {
		kids = append(kids, kid)
	}
	e.kids = kids
	return e
}

// shown shows a document with the fields that were asked for.
func (c *call) shown(s selection, x *content) elem {
	usual := c.documentElem(x)
	if s.plain() {
		return usual
	}
	return s.of(usual, c.fullDocument(usual, x))
}

// fullDocument adds what is shown of a document beside the default set.
func (c *call) fullDocument(e elem, x *content) elem {
	e.attrs = append([]attr{}, e.attrs...)
	switch x.kind {
	case workbook:
		e = e.num("sheetCount", len(c.viewsOf(x))).yes("hasExtracts", false).with("shareDescription", x.name).
			at("lastPublishedAt", x.updated)
	case view:
		e = e.with("sheetType", "worksheet").num("favoritesTotal", c.site.favorers(x.id))
		if wb := c.site.content.get(workbook, x.workbookID); wb != nil {
			e = e.replace(el("workbook", "id", wb.id, "name", wb.name, "contentUrl", wb.contentURL).spell("showTabs", wb.showTabs).
				num("size", sizeMB(wb)).at("createdAt", wb.created).at("updatedAt", wb.updated))
		}
		e = e.replace(el("usage").num("totalViewCount", x.hits))
	case datasource:
		e = e.num("connectedWorkbooksCount", 0).num("favoritesTotal", c.site.favorers(x.id)).yes("hasAlert", false).
			yes("isPublished", true).with("serverName", "localhost")
	case flow, project, collection:
	}
	if p := c.site.content.get(project, x.projectID); p != nil {
		e = e.replace(el("project", "id", p.id, "name", p.name, "description", p.description))
		if x.kind == workbook || x.kind == view {
			e = e.replace(el("location", "id", p.id, "type", "Project", "name", p.name))
		}
	}
	return e.replace(c.fullOwner(x))
}

// fullOwner shows who owns content with all that is known of them.
func (c *call) fullOwner(x *content) elem {
	u := c.site.user(x.ownerID)
	if u == nil {
		return c.ownerElem(x)
	}
	return el("owner", "id", u.id, "name", u.name, "fullName", u.fullName).opt("email", u.email).
		at("lastLogin", u.lastLogin).with("siteRole", roleName(u.role, c.version))
}

// shownProject shows a project with the fields that were asked for.
func (c *call) shownProject(s selection, p *content) elem {
	usual := c.projectElem(p)
	if s.plain() {
		return usual
	}
	full := usual
	full.attrs = append([]attr{}, full.attrs...)
	full = full.yes("topLevelProject", p.projectID == "").yes("writeable", c.site.may(c.user, p, "Write"))
	count := func(kind contentKind) int {
		n := 0
		for _, x := range c.site.content.of(kind) {
			if x.projectID == p.id {
				n++
			}
		}
		return n
	}
	counts := el("contentsCounts").num("projectCount", count(project)).num("workbookCount", count(workbook)).
		num("viewCount", count(view)).num("datasourceCount", count(datasource))
	if p.ownerID == "" {
		return s.of(usual, full.add(counts))
	}
	// The owner stays the last child: see TestProjectOwnerIsLast.
	full.kids = slices.DeleteFunc(slices.Clone(full.kids), func(e elem) bool { return e.name == "owner" })
	return s.of(usual, full.add(counts, c.fullOwner(p)))
}

// favorers is how many users have content among their favourites.
func (st *siteState) favorers(id string) int {
	n := 0
	for _, favs := range st.favorites {
		for _, f := range favs {
			if f.id == id {
				n++
			}
		}
	}
	return n
}

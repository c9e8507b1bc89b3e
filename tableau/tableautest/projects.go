package tableautest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// contentFields is what content of any kind can be filtered and sorted by.
func (c *call) contentFields() []field[*content] {
	owner := func(x *content) userRecord {
		if u := c.site.user(x.ownerID); u != nil {
			return *u
		}
		return userRecord{}
	}
	return []field[*content]{
		{name: "name", ops: "eq in cieq", sort: true, str: func(x *content) string { return x.name }},
		{name: "luid", ops: "eq in", str: func(x *content) string { return x.id }},
		{name: "contentUrl", ops: "eq in", str: func(x *content) string { return x.contentURL }},
		{name: "viewUrlName", ops: "eq in", str: viewURLName},
		{name: "type", ops: "eq in", sort: true, str: func(x *content) string { return x.fileType }},
		{name: "createdAt", ops: "eq gt gte lt lte", sort: true, time: func(x *content) time.Time { return x.created }},
		{name: "updatedAt", ops: "eq gt gte lt lte", sort: true, time: func(x *content) time.Time { return x.updated }},
		{name: "tags", ops: "eq in", strs: func(x *content) []string { return x.tags }},
		{name: "ownerName", ops: "eq in", sort: true, str: func(x *content) string { return owner(x).fullName }},
		{name: "ownerEmail", ops: "eq", str: func(x *content) string { return owner(x).email }},
		{name: "ownerDomain", ops: "eq in", str: func(x *content) string { return owner(x).domain }},
		{name: "projectName", ops: "eq in", sort: true, str: c.projectName},
		{name: "projectId", ops: "eq in", str: func(x *content) string { return x.projectID }},
		{name: "parentProjectId", ops: "eq in", str: func(x *content) string { return x.projectID }},
		{name: "topLevelProject", ops: "eq", truth: func(x *content) bool { return x.projectID == "" }},
		{name: "workbookName", ops: "eq in", str: c.workbookName},
		{name: "workbookId", ops: "eq in", str: func(x *content) string { return x.workbookID }},
		{name: "isCertified", ops: "eq", truth: func(x *content) bool { return x.certified }},
		{name: "displayTabs", ops: "eq", truth: func(x *content) bool { return x.showTabs }},
		{name: "size", ops: "eq gt gte lt lte", sort: true, num: sizeMB},
		{name: "hitsTotal", ops: "eq gt gte lt lte", sort: true, num: func(x *content) int { return x.hits }},
	}
}

func (c *call) projectName(x *content) string {
	if p := c.site.content.get(project, x.projectID); p != nil {
		return p.name
	}
	return ""
}

func (c *call) workbookName(x *content) string {
	if wb := c.site.content.get(workbook, x.workbookID); wb != nil {
		return wb.name
	}
	return ""
}

func viewURLName(x *content) string { return x.contentURL[strings.LastIndexByte(x.contentURL, '/')+1:] }

// sizeMB is the size of a file in megabytes, rounded up.
func sizeMB(x *content) int { return (len(x.file) + 1<<20 - 1) >> 20 }

// readable returns the content of a kind that the caller may read.
func (c *call) readable(kind contentKind) []*content {
	all := c.site.content.of(kind)
	if isAdmin(c.user.role) {
		return all
	}
	return slices.DeleteFunc(all, func(x *content) bool { return !c.site.may(c.user, x, "Read") })
}

func (c *call) ownerElem(x *content) elem {
	e := el("owner", "id", x.ownerID)
	if u := c.site.user(x.ownerID); u != nil {
		e = e.opt("name", u.name)
	}
	return e
}

func (c *call) projectElem(p *content) elem {
	e := item("project", "id", p.id, "name", p.name).with("description", p.description).
		at("createdAt", p.created).at("updatedAt", p.updated).
		with("contentPermissions", or(p.permissionsMode, "ManagedByOwner")).opt("parentProjectId", p.projectID)
	if p.ownerID != "" {
		e = e.add(el("owner", "id", p.ownerID))
	}
	return e
}

func (c *call) queryProjects() (answer, *failure) {
	projects := c.readable(project)
	switch capability := c.query.Get("capability"); capability {
	case "":
	case "Write":
		projects = slices.DeleteFunc(projects, func(p *content) bool { return !c.site.may(c.user, p, capability) })
	default:
		return answer{}, fail("400008")
	}
	s := c.selection()
	return listing(c, projects, c.contentFields(), "projects", func(p *content) elem { return c.shownProject(s, p) })
}

// readProject reads what a body says about a project into p.
func (c *call) readProject(in elem, p *content) *failure {
	if s, ok := in.get("contentPermissions"); ok {
		if !slices.Contains([]string{"LockedToProject", "LockedToProjectWithoutNested", "ManagedByOwner"}, s) {
			return fail("400008")
		}
		p.permissionsMode = s
	}
	if s, ok := in.get("description"); ok {
		p.description = s
	}
	if s, ok := in.get("parentProjectId"); ok {
		if s != "" && c.site.content.get(project, s) == nil {
			return fail("404005")
		}
		for at := s; at != ""; {
			if at == p.id {
				return fail("403005")
			}
			parent := c.site.content.get(project, at)
			if parent == nil {
				break
			}
			at = parent.projectID
		}
		p.projectID = s
	}
	if o, ok := in.child("owner"); ok && o.val("id") != "" {
		if c.site.user(o.val("id")) == nil {
			return fail("404002")
		}
		p.ownerID = o.val("id")
	}
	if s, ok := in.get("name"); ok {
		p.name = s
	}
	if strings.TrimSpace(p.name) == "" {
		return fail("400000")
	}
	if other := c.site.content.named(project, p.projectID, p.name); other != nil && other.id != p.id {
		return fail("409006", "A project already exists with the name '"+p.name+"'")
	}
	return nil
}

func (c *call) createProject() (answer, *failure) {
	in, found := c.body.child("project")
	if !found {
		return answer{}, fail("400000")
	}
	p := &content{kind: project, ownerID: c.user.id, created: c.in.now(), updated: c.in.now()}
	if f := c.readProject(in, p); f != nil {
		return answer{}, f
	}
	parent := c.site.content.get(project, p.projectID)
	if !isAdmin(c.user.role) && (parent == nil || !canPublish(c.user.role) || !c.site.may(c.user, parent, "ProjectLeader")) {
		return answer{}, fail("403045")
	}
	p.id = c.in.luid()
	c.site.content.put(p)
	a := ok(single(c.projectElem(p)))
	a.status, a.location = http.StatusCreated, c.r.URL.Path+"/"+p.id
	return a, nil
}

func (c *call) updateProject() (answer, *failure) {
	old := c.site.content.get(project, c.param("projectId"))
	in, found := c.body.child("project")
	switch {
	case old == nil:
		return answer{}, fail("404005")
	case !found:
		return answer{}, fail("400000")
	case !c.site.may(c.user, old, "ProjectLeader"):
		return answer{}, fail("403004")
	}
	p := *old
	if f := c.readProject(in, &p); f != nil {
		return answer{}, f
	}
	if old.ownerID == "" && (p.name != old.name || p.projectID != old.projectID) {
		return answer{}, fail("403005")
	}
	p.updated = c.in.now()
	c.site.content.put(&p)
	return ok(single(c.projectElem(&p))), nil
}

func (c *call) deleteProject() (answer, *failure) {
	p := c.site.content.get(project, c.param("projectId"))
	switch {
	case p == nil:
		return answer{}, fail("404005")
	case p == c.site.content.defaultProject():
		return answer{}, fail("403003")
	case !c.site.may(c.user, p, "ProjectLeader"):
		return answer{}, fail("403004")
	}
	c.site.content.remove(p.id)
	return empty(), nil
}

package tableautest

import (
	"net/http"
	"slices"
	"strings"
)

// grant is what a user or a group may do with a piece of content.
type grant struct {
	group        bool
	id           string
	capabilities []capability
}

type capability struct{ name, mode string }

// capabilityNames are those that Tableau knows.
var capabilityNames = []string{
	"AddComment", "ChangeHierarchy", "ChangePermissions", "Connect", "CreateRefreshMetrics", "Delete", "Execute",
	"ExportData", "ExportImage", "ExportXml", "ExtractRefresh", "Filter", "InheritedProjectLeader", "ProjectLeader", "PulseMetricDefine",
	"Read", "RunExplainData", "SaveAs", "ShareView", "ViewComments", "ViewUnderlyingData", "VizqlDataApiAccess",
	"WebAuthoring", "WebAuthoringForFlows", "Write",
}

// kindTags are the elements of the kinds of content, and the segments of their
// paths.
var kindTags = map[contentKind]struct{ tag, segment, missing string }{
	project:    {"project", "projects", "404005"},
	workbook:   {"workbook", "workbooks", "404006"},
	view:       {"view", "views", "404011"},
	datasource: {"datasource", "datasources", "404004"},
	flow:       {"flow", "flows", "404027"},
	collection: {"collection", "collections", "404003"},
}

// inherit gives new content the default permissions of its project; without
// any, everybody may read.
func (s *contentStore) inherit(c *content) {
	if defaults, ok := s.grants[c.projectID+"/"+kindTags[c.kind].segment]; ok && c.projectID != "" {
		s.grants[c.id] = cloneGrants(defaults)
	}
}

func cloneGrants(gs []grant) []grant {
	out := slices.Clone(gs)
	for i := range out {
		out[i].capabilities = slices.Clone(out[i].capabilities)
	}
	return out
}

// may tells whether a user has a capability on content. Administrators and
// owners may everything. A rule for the user counts before those of groups, and a
// denial before an allowance; where there is no rule at all everybody may read
// what is not a collection.
func (st *siteState) may(u *userRecord, c *content, name string) bool {
	if isAdmin(u.role) || c.ownerID == u.id {
		return true
	}
	if c.kind == collection && c.visibility == "public" && name == "Read" {
		return true
	}
	grants, ruled := st.content.grants[c.id]
	if c.kind == view && !ruled {
		if wb := st.content.byID[c.workbookID]; wb != nil {
			return st.may(u, wb, name)
		}
	}
	var user, groups []string
	for _, g := range grants {
		for _, capa := range g.capabilities {
			switch {
			case capa.name != name:
			case !g.group && g.id == u.id:
				user = append(user, capa.mode)
			case g.group && st.inGroup(g.id, u.id):
				groups = append(groups, capa.mode)
			}
		}
	}
	for _, modes := range [][]string{user, groups} {
		if slices.Contains(modes, "Deny") {
			return false
		}
		if len(modes) > 0 {
			return true
		}
	}
	return !ruled && name == "Read" && c.kind != collection
}

func (st *siteState) inGroup(groupID, userID string) bool {
	g := st.group(groupID)
	return g != nil && g.has(userID)
}

// permissionTarget finds the content that a permissions path names, and the key
// of its rules.
func (c *call) permissionTarget() (target *content, key string, f *failure) {
	for kind, k := range kindTags {
		id, named := c.match.params[string(kind)+"Id"]
		if !named || !strings.Contains(c.route.path, "/"+k.segment+"/{") {
			continue
		}
		target = c.site.content.get(kind, id)
		if target == nil {
			return nil, "", fail(k.missing)
		}
		key = target.id
		if _, rest, found := strings.Cut(c.route.path, "/default-permissions/"); found {
			segment, _, _ := strings.Cut(rest, "/")
			key += "/" + segment
		}
		return target, key, nil
	}
	return nil, "", fail("404003")
}

// mayPermit tells whether the caller may read and change permissions.
func (c *call) mayPermit(target *content) *failure {
	if c.site.may(c.user, target, "ChangePermissions") {
		return nil
	}
	if c.r.Method == http.MethodGet && strings.Contains(c.route.path, "/default-permissions/") {
		return fail("403035")
	}
	return fail("403004")
}

func (c *call) permissionsElem(target *content, key string) elem {
	e := el("permissions")
	k := kindTags[target.kind]
	about := el(k.tag, "id", target.id, "name", target.name)
	if target.ownerID != "" {
		about = about.add(el("owner", "id", target.ownerID))
	}
	e = e.add(about)
	for _, g := range c.site.content.grants[key] {
		who := el("user", "id", g.id)
		if g.group {
			who = el("group", "id", g.id)
		}
		var capas []elem
		for _, capa := range g.capabilities {
			capas = append(capas, item("capability", "name", capa.name, "mode", capa.mode))
		}
		e = e.add(elem{name: "granteeCapabilities", many: true}.add(who, list("capabilities", capas)))
	}
	return e
}

func (c *call) queryPermissions() (answer, *failure) {
	target, key, f := c.permissionTarget()
	if f != nil {
		return answer{}, f
	}
	if f := c.mayPermit(target); f != nil {
		return answer{}, f
	}
	return ok(c.permissionsElem(target, key)), nil
}

// changePermissions adds rules (PUT) or replaces all of them (POST, 3.23).
func (c *call) changePermissions() (answer, *failure) {
	target, key, f := c.permissionTarget()
	if f != nil {
		return answer{}, f
	}
	if f := c.mayPermit(target); f != nil {
		return answer{}, f
	}
	in, found := c.body.child("permissions")
	if !found {
		return answer{}, fail("400000")
	}
	if f := c.tabbed(target); f != nil {
		return answer{}, f
	}
	grants, f := c.readGrants(in)
	if f != nil {
		return answer{}, f
	}
	old := cloneGrants(c.site.content.grants[key])
	if c.r.Method == http.MethodPost {
		old = nil
	}
	for _, g := range grants {
		old = merge(old, g)
	}
	c.site.content.grants[key] = old
	return ok(c.permissionsElem(target, key)), nil
}

// tabbed refuses permissions on a view whose workbook shows tabs.
func (c *call) tabbed(target *content) *failure {
	if target.kind != view {
		return nil
	}
	if wb := c.site.content.get(workbook, target.workbookID); wb != nil && wb.showTabs {
		return fail("403096")
	}
	return nil
}

// readGrants reads the rules of a body.
func (c *call) readGrants(in elem) ([]grant, *failure) {
	var out []grant
	for _, g := range in.children("granteeCapabilities") {
		user, isUser := g.child("user")
		group, isGroup := g.child("group")
		var next grant
		switch {
		case isUser == isGroup:
			return nil, fail("400000")
		case isUser:
			if c.site.user(user.val("id")) == nil {
				return nil, fail("404002")
			}
			next.id = user.val("id")
		default:
			if c.site.group(group.val("id")) == nil {
				return nil, fail("404012")
			}
			next.id, next.group = group.val("id"), true
		}
		capas, _ := g.child("capabilities")
		for _, k := range capas.children("capability") {
			capa := capability{k.val("name"), k.val("mode")}
			if !slices.Contains(capabilityNames, capa.name) || capa.mode != "Allow" && capa.mode != "Deny" {
				return nil, fail("400009")
			}
			next.capabilities = append(next.capabilities, capa)
		}
		if len(next.capabilities) == 0 {
			return nil, fail("400000")
		}
		out = append(out, next)
	}
	return out, nil
}

// merge adds a rule; a capability that is there already changes its mode.
func merge(grants []grant, add grant) []grant {
	i := slices.IndexFunc(grants, func(g grant) bool { return g.group == add.group && g.id == add.id })
	if i < 0 {
		return append(grants, add)
	}
	for _, capa := range add.capabilities {
		j := slices.IndexFunc(grants[i].capabilities, func(o capability) bool { return o.name == capa.name })
		if j < 0 {
			grants[i].capabilities = append(grants[i].capabilities, capa)
		} else {
			grants[i].capabilities[j].mode = capa.mode
		}
	}
	return grants
}

// deletePermission takes one capability back; its name and mode are segments of
// the path.
func (c *call) deletePermission() (answer, *failure) {
	target, key, f := c.permissionTarget()
	if f != nil {
		return answer{}, f
	}
	if f := c.mayPermit(target); f != nil {
		return answer{}, f
	}
	name, mode := c.param("capabilityName"), c.param("capabilityMode")
	if !slices.Contains(capabilityNames, name) || mode != "Allow" && mode != "Deny" {
		return answer{}, fail("400009")
	}
	groupID, isGroup := c.match.params["groupId"]
	id := groupID
	switch {
	case isGroup && c.site.group(groupID) == nil:
		return answer{}, fail("404012")
	case !isGroup:
		if id = c.param("userId"); c.site.user(id) == nil {
			return answer{}, fail("404002")
		}
	}
	if f := c.tabbed(target); f != nil {
		return answer{}, f
	}
	grants := cloneGrants(c.site.content.grants[key])
	for i, g := range grants {
		if g.group != isGroup || g.id != id {
			continue
		}
		j := slices.Index(g.capabilities, capability{name, mode})
		if j < 0 {
			break
		}
		grants[i].capabilities = slices.Delete(g.capabilities, j, j+1)
		if len(grants[i].capabilities) == 0 {
			grants = slices.Delete(grants, i, i+1)
		}
		c.site.content.grants[key] = grants
		return empty(), nil
	}
	return answer{}, fail("404013")
}

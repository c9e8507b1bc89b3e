package tableautest

import (
	"net/http"
	"slices"
	"strings"
)

// groupSetRecord is a group set of a site.
type groupSetRecord struct {
	id, name string
	groups   []string // ids
}

// groupFields is what groups can be filtered and sorted by.
func (c *call) groupFields() []field[*groupRecord] {
	return []field[*groupRecord]{
		{name: "name", ops: "eq in cieq like", sort: true, str: func(g *groupRecord) string { return g.name }},
		{name: "domainName", ops: "eq in", sort: true, str: func(g *groupRecord) string { return g.domain }},
		{name: "domainNickname", ops: "eq in", str: func(g *groupRecord) string { return g.domain }},
		{name: "minimumSiteRole", ops: "eq in", sort: true, str: func(g *groupRecord) string { return g.minimumRole }},
		{name: "luid", ops: "eq in", str: func(g *groupRecord) string { return g.id }},
		{name: "isLocal", ops: "eq", truth: func(g *groupRecord) bool { return g.domain == "local" }},
		{name: "isExternalUserEnabled", ops: "eq", truth: func(g *groupRecord) bool { return g.ephemeral }},
		{name: "userCount", ops: "eq gt gte lt lte", sort: true, num: func(g *groupRecord) int { return c.site.memberCount(g) }},
	}
}

func (st *siteState) memberCount(g *groupRecord) int {
	if g.name == allUsers {
		return len(st.users)
	}
	return len(g.members)
}

func (st *siteState) group(id string) *groupRecord {
	for _, g := range st.groups {
		if g.id == id {
			return g
		}
	}
	return nil
}

// groupTaken tells whether a group other than except has the name, compared
// without regard to case within its domain.
func (st *siteState) groupTaken(name, domain, except string) bool {
	return slices.ContainsFunc(st.groups, func(g *groupRecord) bool {
		return g.id != except && strings.EqualFold(g.name, name) && strings.EqualFold(g.domain, domain)
	})
}

func (c *call) groupElem(g *groupRecord) elem {
	e := item("group", "id", g.id, "name", g.name).opt("minimumSiteRole", roleName(g.minimumRole, c.version))
	if g.ephemeral {
		e = e.yes("ephemeralUsersEnabled", true).yes("externalUserEnabled", true)
	}
	e = e.add(el("domain", "name", g.domain))
	if g.grantMode != "" || g.importDomain != "" {
		e = e.add(el("import").opt("domainName", g.importDomain).opt("siteRole", roleName(g.minimumRole, c.version)).
			opt("grantLicenseMode", g.grantMode))
	}
	return e
}

func single(e elem) elem {
	e.many = false
	return e
}

func (c *call) queryGroups() (answer, *failure) {
	return listing(c, c.site.groups, c.groupFields(), "groups", func(g *groupRecord) elem {
		return c.groupElem(g).num("userCount", c.site.memberCount(g))
	})
}

func (c *call) groupsOfUser() (answer, *failure) {
	u := c.site.user(c.param("userId"))
	if u == nil {
		return answer{}, fail("404002")
	}
	var groups []*groupRecord
	for _, g := range c.site.groups {
		if g.has(u.id) {
			groups = append(groups, g)
		}
	}
	return listing(c, groups, c.groupFields(), "groups", func(g *groupRecord) elem {
		return item("group", "id", g.id, "name", g.name).add(el("domain", "name", g.domain))
	})
}

// readGroup reads what a body says about a group into g.
func (c *call) readGroup(in elem, g *groupRecord) *failure {
	readRole := func(e elem, key string) *failure {
		asked, ok := e.get(key)
		if !ok {
			return nil
		}
		role, known := parseRole(asked, c.version, c.in.cfg().RoleCase == Ignore)
		if asked != "" && (!known || role == RoleServerAdministrator) {
			return invalidRole(asked)
		}
		g.minimumRole = role
		switch {
		case role == "":
			g.grantMode = ""
		case g.grantMode == "":
			g.grantMode = "onLogin"
		}
		return nil
	}
	if f := readRole(in, "minimumSiteRole"); f != nil {
		return f
	}
	if s, ok := in.get("ephemeralUsersEnabled"); ok {
		g.ephemeral = isTrue(s)
	}
	// The same switch under the name that clients in Python and Terraform know.
	if s, ok := in.get("externalUserEnabled"); ok {
		g.ephemeral = isTrue(s)
	}
	imp, ok := in.child("import")
	if !ok {
		return nil
	}
	if c.in.cfg().Product == ProductCloud && imp.val("domainName") != "" {
		return fail("400003", "Groups cannot be imported from a directory on Tableau Cloud.")
	}
	if mode := imp.val("grantLicenseMode"); mode != "" {
		if mode != "onLogin" && mode != "onSync" {
			return fail("400003")
		}
		g.grantMode = mode
	}
	if domain := imp.val("domainName"); domain != "" {
		g.domain, g.importDomain = domain, domain
	}
	return readRole(imp, "siteRole")
}

func (c *call) createGroup() (answer, *failure) {
	in, found := c.body.child("group")
	name := in.val("name")
	if !found || strings.TrimSpace(name) == "" {
		return answer{}, fail("400000")
	}
	g := &groupRecord{name: name, domain: "local"}
	if f := c.readGroup(in, g); f != nil {
		return answer{}, f
	}
	if c.site.groupTaken(name, g.domain, "") {
		return answer{}, fail("409009")
	}
	g.id = c.in.luid()
	c.site.groups = append(c.site.groups, g)
	if g.importDomain != "" && isTrue(c.query.Get("asJob")) {
		return c.accepted(c.startJob("GroupImport", "")), nil
	}
	a := ok(single(c.groupElem(g)))
	a.status, a.location = http.StatusCreated, c.r.URL.Path+"/"+g.id
	return a, nil
}

func (c *call) updateGroup() (answer, *failure) {
	g := c.site.group(c.param("groupId"))
	if g == nil {
		return answer{}, fail("404012")
	}
	if g.name == allUsers {
		return answer{}, fail("403020")
	}
	in, found := c.body.child("group")
	if !found {
		return answer{}, fail("400000")
	}
	next := *g
	if f := c.readGroup(in, &next); f != nil {
		return answer{}, f
	}
	if name, ok := in.get("name"); ok {
		if strings.TrimSpace(name) == "" {
			return answer{}, fail("400000")
		}
		if c.site.groupTaken(name, next.domain, g.id) {
			return answer{}, fail("409009")
		}
		next.name = name
	}
	*g = next
	if g.importDomain != "" && isTrue(c.query.Get("asJob")) {
		return c.accepted(c.startJob("GroupSync", "")), nil
	}
	return ok(single(c.groupElem(g))), nil
}

func (c *call) deleteGroup() (answer, *failure) {
	id := c.param("groupId")
	g := c.site.group(id)
	if g == nil {
		return answer{}, fail("404012")
	}
	if g.name == allUsers {
		return answer{}, fail("403020")
	}
	c.site.groups = slices.DeleteFunc(slices.Clone(c.site.groups), func(g *groupRecord) bool { return g.id == id })
	for _, s := range c.site.groupSets {
		s.groups = slices.DeleteFunc(s.groups, func(g string) bool { return g == id })
	}
	return empty(), nil
}

func (c *call) usersInGroup() (answer, *failure) {
	g := c.site.group(c.param("groupId"))
	if g == nil {
		return answer{}, fail("404012")
	}
	users := c.site.users
	if g.name != allUsers {
		users = make([]*userRecord, 0, len(g.members))
		for _, id := range g.members {
			if u := c.site.user(id); u != nil {
				users = append(users, u)
			}
		}
	}
	// One client reads members by their e-mail address, without asking for it.
	want := map[string]bool{"id": true, "name": true, "siteRole": true, "externalAuthUserId": true, "lastLogin": true, "email": true}
	return listing(c, users, userFields, "users", func(u *userRecord) elem { return c.userElem(u, want) })
}

// addToGroup takes one user, or from 3.21 many.
func (c *call) addToGroup() (answer, *failure) {
	g := c.site.group(c.param("groupId"))
	if g == nil {
		return answer{}, fail("404012")
	}
	if many, ok := c.body.child("users"); ok {
		return c.addManyToGroup(g, many)
	}
	in, found := c.body.child("user")
	if !found || in.val("id") == "" {
		return answer{}, fail("400000")
	}
	u := c.site.user(in.val("id"))
	switch {
	case u == nil:
		return answer{}, fail("404002")
	case g.has(u.id):
		return answer{}, fail("409011")
	}
	g.join(u.id)
	return ok(el("user", "id", u.id, "name", u.name, "siteRole", roleName(u.role, c.version))), nil
}

func (c *call) addManyToGroup(g *groupRecord, many elem) (answer, *failure) {
	users, f := c.namedUsers(many)
	if f != nil {
		return answer{}, f
	}
	if g.name == allUsers {
		return answer{}, fail("409011")
	}
	items := make([]elem, 0, len(users))
	for _, u := range users {
		g.join(u.id)
		items = append(items, item("user", "id", u.id, "name", u.name, "siteRole", roleName(u.role, c.version)))
	}
	return ok(list("users", items)), nil
}

// namedUsers reads the users that a bulk body names by id, from 3.21.
func (c *call) namedUsers(many elem) ([]*userRecord, *failure) {
	kids := many.children("user")
	if c.version.before(version{3, 21}) || len(kids) == 0 {
		return nil, fail("400000")
	}
	users := make([]*userRecord, 0, len(kids))
	for _, k := range kids {
		u := c.site.user(k.val("id"))
		if u == nil {
			return nil, fail("404002")
		}
		users = append(users, u)
	}
	return users, nil
}

func (c *call) removeFromGroup() (answer, *failure) {
	g := c.site.group(c.param("groupId"))
	u := c.site.user(c.param("userId"))
	switch {
	case g == nil:
		return answer{}, fail("404012")
	case u == nil:
		return answer{}, fail("404002")
	case g.name == allUsers, !g.has(u.id):
		return answer{}, fail("400032")
	}
	g.remove(u.id)
	return empty(), nil
}

func (c *call) removeManyFromGroup() (answer, *failure) {
	g := c.site.group(c.param("groupId"))
	if g == nil {
		return answer{}, fail("404012")
	}
	many, found := c.body.child("users")
	if !found {
		return answer{}, fail("400000")
	}
	users, f := c.namedUsers(many)
	if f != nil {
		return answer{}, f
	}
	for _, u := range users {
		g.remove(u.id)
	}
	return empty(), nil
}

func (c *call) groupSet() *groupSetRecord {
	for _, s := range c.site.groupSets {
		if s.id == c.param("groupSetId") {
			return s
		}
	}
	return nil
}

// noGroupSet has the code of a missing group: none of its own is known.
func noGroupSet() *failure { return fail("404012", "Group set could not be found.") }

func (c *call) groupSetElem(s *groupSetRecord, local bool) elem {
	e := item("groupSet", "id", s.id, "name", s.name).num("groupCount", len(s.groups))
	if local {
		return e
	}
	for _, id := range s.groups {
		if g := c.site.group(id); g != nil {
			e = e.add(item("group", "id", g.id, "name", g.name))
		}
	}
	return e
}

func (c *call) listGroupSets() (answer, *failure) {
	fields := []field[*groupSetRecord]{
		{name: "name", ops: "eq in cieq like", sort: true, str: func(s *groupSetRecord) string { return s.name }},
		{name: "luid", ops: "eq in", str: func(s *groupSetRecord) string { return s.id }},
	}
	// One client spells the parameter in lower case.
	local := or(c.query.Get("resultLevel"), c.query.Get("resultlevel")) == "local"
	return listing(c, c.site.groupSets, fields, "groupSets", func(s *groupSetRecord) elem { return c.groupSetElem(s, local) })
}

func (c *call) getGroupSet() (answer, *failure) {
	s := c.groupSet()
	if s == nil {
		return answer{}, noGroupSet()
	}
	return ok(single(c.groupSetElem(s, false))), nil
}

func (c *call) createGroupSet() (answer, *failure) {
	in, found := c.body.child("groupSet")
	name := in.val("name")
	if !found || strings.TrimSpace(name) == "" {
		return answer{}, fail("400000")
	}
	if c.groupSetTaken(name, "") {
		return answer{}, fail("409120")
	}
	s := &groupSetRecord{id: c.in.luid(), name: name}
	c.site.groupSets = append(c.site.groupSets, s)
	a := ok(single(c.groupSetElem(s, false)))
	a.status, a.location = http.StatusCreated, c.r.URL.Path+"/"+s.id
	return a, nil
}

func (c *call) groupSetTaken(name, except string) bool {
	return slices.ContainsFunc(c.site.groupSets, func(s *groupSetRecord) bool {
		return s.id != except && strings.EqualFold(s.name, name)
	})
}

func (c *call) updateGroupSet() (answer, *failure) {
	s := c.groupSet()
	if s == nil {
		return answer{}, noGroupSet()
	}
	in, found := c.body.child("groupSet")
	name := in.val("name")
	if !found || strings.TrimSpace(name) == "" {
		return answer{}, fail("400000")
	}
	if c.groupSetTaken(name, s.id) {
		return answer{}, fail("409120")
	}
	s.name = name
	return ok(single(c.groupSetElem(s, false))), nil
}

func (c *call) deleteGroupSet() (answer, *failure) {
	s := c.groupSet()
	if s == nil {
		return answer{}, noGroupSet()
	}
	c.site.groupSets = slices.DeleteFunc(slices.Clone(c.site.groupSets), func(o *groupSetRecord) bool { return o == s })
	return empty(), nil
}

func (c *call) addToGroupSet() (answer, *failure) {
	s, g := c.groupSet(), c.site.group(c.param("groupId"))
	switch {
	case s == nil:
		return answer{}, noGroupSet()
	case g == nil:
		return answer{}, fail("404012")
	}
	if !slices.Contains(s.groups, g.id) {
		s.groups = append(s.groups, g.id)
	}
	return empty(), nil
}

func (c *call) removeFromGroupSet() (answer, *failure) {
	s, g := c.groupSet(), c.site.group(c.param("groupId"))
	switch {
	case s == nil:
		return answer{}, noGroupSet()
	case g == nil:
		return answer{}, fail("404012")
	}
	s.groups = slices.DeleteFunc(s.groups, func(id string) bool { return id == g.id })
	return empty(), nil
}

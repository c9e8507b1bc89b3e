package tableautest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// userFields is what a list of users can be filtered, sorted and shown by.
// friendlyName and the rest are missing from the documents up to 3.16.
var userFields = []field[*userRecord]{
	{name: "name", ops: "eq in cieq", sort: true, str: func(u *userRecord) string { return u.name }},
	{name: "lastLogin", ops: "eq gt gte lt lte", sort: true, time: func(u *userRecord) time.Time { return u.lastLogin }},
	{name: "siteRole", ops: "eq in", sort: true, str: func(u *userRecord) string { return u.role }},
	{name: "friendlyName", ops: "eq in", since: "3.17", str: func(u *userRecord) string { return u.fullName }},
	{name: "luid", ops: "eq in", since: "3.17", str: func(u *userRecord) string { return u.id }},
	{name: "domainName", ops: "eq in", since: "3.17", str: func(u *userRecord) string { return u.domain }},
	{name: "isLocal", ops: "eq", since: "3.17", truth: func(u *userRecord) bool { return u.domain == "local" }},
	{name: "email", ops: "eq in", since: "3.17", str: func(u *userRecord) string { return u.email }},
}

// userKeys are the fields of a listed user; those of the default set first.
var userKeys = []string{
	"id", "name", "siteRole", "lastLogin", "externalAuthUserId",
	"fullName", "email", "authSetting", "idpConfigurationId", "language", "locale", "domain",
}

const defaultUserKeys = 5

// wantedFields reads the parameter fields against the keys of a resource, of
// which the first few are the default set.
func (c *call) wantedFields(keys []string, defaults int) (map[string]bool, *failure) {
	want := map[string]bool{}
	add := func(ks []string) {
		for _, k := range ks {
			want[k] = true
		}
	}
	asked := c.query.Get("fields")
	if asked == "" {
		asked = "_default_"
	}
	for name := range strings.SplitSeq(asked, ",") {
		name, _, _ = strings.Cut(strings.TrimSpace(name), ".")
		switch {
		case name == "_default_":
			add(keys[:defaults])
			if c.in.cfg().NoLastLogin {
				delete(want, "lastLogin")
			}
		case name == "_all_":
			add(keys)
		case slices.Contains(keys, name):
			want[name] = true
		case c.in.cfg().UnknownField == Refuse:
			return nil, fail("400008", "Unknown field '"+name+"'.")
		}
	}
	return want, nil
}

// userElem shows the wanted keys of a user.
func (c *call) userElem(u *userRecord, want map[string]bool) elem {
	e := elem{name: "user", many: true, attrs: make([]attr, 0, len(want))}
	put := func(key, val string, always bool) {
		if want[key] && (val != "" || always) {
			e = e.with(key, val)
		}
	}
	put("id", u.id, true)
	put("name", u.name, true)
	put("siteRole", roleName(u.role, c.version), true)
	put("lastLogin", stamp(u.lastLogin), false)
	put("externalAuthUserId", u.externalAuthID, true)
	put("fullName", u.fullName, true)
	put("email", u.email, false)
	put("authSetting", u.authSetting, false)
	if !c.version.before(version{3, 24}) {
		put("idpConfigurationId", u.idpConfigurationID, false)
	}
	put("language", u.language, false)
	put("locale", u.locale, true)
	if want["domain"] {
		e = e.add(el("domain", "name", u.domain))
	}
	return e
}

// getUsers lists the users of a site. It takes no lock for long: the records
// are copied by pointer, then filtered and rendered outside.
func (c *call) getUsers() (answer, *failure) {
	want, f := c.wantedFields(userKeys, defaultUserKeys)
	if f != nil {
		return answer{}, f
	}
	p, f := c.page()
	if f != nil {
		return answer{}, f
	}
	if c.in.cfg().UserFilter == Off {
		c.query.Del("filter")
	}
	q, f := parseQuery(userFields, c)
	if f != nil {
		return answer{}, f
	}
	var users []*userRecord
	var total int
	c.in.mu.RLock()
	if q.plain() && c.in.cfg().UserListLag <= 0 {
		total = len(c.site.users)
		users = slices.Clone(p.cut(c.site.users))
		c.in.mu.RUnlock()
	} else {
		users = slices.Clone(c.site.users)
		c.in.mu.RUnlock()
		if c.in.cfg().UserListLag > 0 {
			now := c.in.now()
			for i, u := range users {
				users[i] = u.shown(now)
			}
		}
		users = q.apply(users)
		total = len(users)
		users = p.cut(users)
	}
	if f := c.pastEnd(p, total); f != nil {
		return answer{}, f
	}
	items := make([]elem, len(users))
	for i, u := range users {
		items[i] = c.userElem(u, want)
	}
	return ok(c.pagination(p, total), list("users", items)), nil
}

// getUser shows one user, to an administrator or to the user.
func (c *call) getUser() (answer, *failure) {
	u := c.site.user(c.param("userId"))
	switch {
	case !isAdmin(c.user.role) && (u == nil || u.id != c.user.id):
		return answer{}, fail("403133")
	case u == nil:
		return answer{}, fail("404002")
	}
	e := el("user", "id", u.id, "name", u.name, "siteRole", roleName(u.role, c.version)).
		at("lastLogin", u.lastLogin).with("externalAuthUserId", u.externalAuthID).
		opt("fullName", u.fullName).opt("email", u.email).opt("authSetting", u.authSetting)
	if !c.version.before(version{3, 24}) {
		e = e.opt("idpConfigurationId", u.idpConfigurationID)
	}
	return ok(e.opt("language", u.language).opt("locale", u.locale).add(el("domain", "name", u.domain))), nil
}

// addUser puts a new user on the site; it never changes one who is there.
func (c *call) addUser() (answer, *failure) {
	in, found := c.body.child("user")
	name, hasName := in.get("name")
	if !found || !hasName || strings.TrimSpace(name) == "" {
		return answer{}, fail("400000")
	}
	role, f := c.role(in)
	if f != nil {
		return answer{}, f
	}
	switch {
	case in.val("siteRole") == "":
		return answer{}, fail("400000")
	case role == RoleServerAdministrator:
		return answer{}, invalidRole(in.val("siteRole"))
	case strings.EqualFold(name, "guest"):
		return answer{}, fail("409005")
	case c.in.cfg().Product == ProductCloud && !isEmail(name):
		return answer{}, fail("400003")
	}
	u := &userRecord{role: role, created: c.in.now()}
	u.domain, u.name = c.splitDomain(name)
	if f := c.authentication(in, u); f != nil {
		return answer{}, f
	}
	u.authSetting = or(u.authSetting, c.usualAuthSetting(u))
	u.fullName, u.identityPool = u.name, in.val("identityPoolName")
	if email := in.val("email"); email != "" && (c.in.cfg().Product != ProductCloud || !c.version.before(version{3, 26})) {
		if !isEmail(email) {
			return answer{}, fail("400000")
		}
		u.email = email
	} else if isEmail(u.name) {
		u.email = u.name
	}
	for _, other := range c.site.userNamed(u.name) {
		if strings.EqualFold(other.domain, u.domain) {
			return answer{}, fail(c.in.cfg().UserExistsCode)
		}
	}
	if q := c.site.userQuota; q > 0 && len(c.site.users) >= q {
		return answer{}, fail("409004")
	}
	if u.role, f = c.seat(RoleUnlicensed, role); f != nil {
		return answer{}, f
	}
	u.id = c.in.luid()
	c.site.putUser(u)
	a := ok(el("user", "id", u.id, "name", u.name, "siteRole", roleName(u.role, c.version)).
		opt("authSetting", u.authSetting).opt("idpConfigurationId", u.idpConfigurationID).
		with("externalAuthUserId", u.externalAuthID))
	a.status, a.location = http.StatusCreated, c.r.URL.Path+"/"+u.id
	return a, nil
}

// splitDomain reads DOMAIN\jane; on Cloud a name is an e-mail address.
func (c *call) splitDomain(name string) (domain, user string) {
	if c.in.cfg().Product == ProductCloud {
		return "TABID_WITH_MFA", name
	}
	if d, n, ok := strings.Cut(name, `\`); ok {
		return d, n
	}
	return "local", name
}

func (c *call) usualAuthSetting(u *userRecord) string {
	switch {
	case u.idpConfigurationID != "":
		return ""
	case c.in.cfg().Product == ProductCloud:
		return "TableauIDWithMFA"
	default:
		return "ServerDefault"
	}
}

// role reads siteRole; an absent one is the empty string.
func (c *call) role(in elem) (string, *failure) {
	asked, ok := in.get("siteRole")
	if !ok {
		return "", nil
	}
	role, known := parseRole(asked, c.version, c.in.cfg().RoleCase == Ignore)
	if !known {
		return "", invalidRole(asked)
	}
	return role, nil
}

func invalidRole(asked string) *failure { return fail("400013", "Invalid site role '"+asked+"'") }

// authentication reads how a user signs in.
func (c *call) authentication(in elem, u *userRecord) *failure {
	setting, hasSetting := in.get("authSetting")
	idp, hasIDP := in.get("idpConfigurationId")
	if hasIDP {
		if hasSetting || c.version.before(version{3, 24}) {
			return fail("400003")
		}
		u.idpConfigurationID, u.authSetting = idp, ""
		return nil
	}
	if !hasSetting {
		return nil
	}
	allowed, instead := []string{"ServerDefault", "SAML", "OpenID"}, "ServerDefault"
	if c.in.cfg().Product == ProductCloud {
		allowed, instead = []string{"SAML", "OpenID", "TableauIDWithMFA"}, "TableauIDWithMFA"
	}
	if !slices.Contains(allowed, setting) {
		return fail("400003", "The authentication setting "+setting+
			" is not supported for you site. Try again using "+instead+" instead.")
	}
	u.authSetting = setting
	return nil
}

// seat decides which role a user gets who has one role and is to have another,
// where licences may have run out.
func (c *call) seat(have, want string) (string, *failure) {
	if c.site.seatFor(tierOf(have), tierOf(want), c.in.cfg().SeatBorrowing) {
		return want, nil
	}
	if c.in.cfg().NoSeat == SilentUnlicensed {
		return RoleUnlicensed, nil
	}
	return "", fail("409014")
}

// updateUser changes a user. The answer has no id.
func (c *call) updateUser() (answer, *failure) {
	u := c.site.user(c.param("userId"))
	if u == nil {
		return answer{}, fail("404002")
	}
	in, found := c.body.child("user")
	if !found {
		return answer{}, fail("400000")
	}
	next := *u
	role, f := c.role(in)
	if f != nil {
		return answer{}, f
	}
	if role != "" {
		if f := c.mayChangeRole(u, role); f != nil {
			return answer{}, f
		}
	}
	if f := c.authentication(in, &next); f != nil {
		return answer{}, f
	}
	if f := c.updateProfile(in, &next); f != nil {
		return answer{}, f
	}
	if role != "" {
		if next.role, f = c.seat(u.role, role); f != nil {
			return answer{}, f
		}
	}
	c.site.putUser(&next)
	if c.in.cfg().Product == ProductCloud && (next.authSetting != u.authSetting || next.idpConfigurationID != u.idpConfigurationID) {
		c.in.revokeAll(next.account())
	}
	return ok(el("user", "name", next.name).opt("fullName", next.fullName).opt("email", next.email).
		with("siteRole", roleName(next.role, c.version)).opt("authSetting", next.authSetting).
		opt("idpConfigurationId", next.idpConfigurationID)), nil
}

// mayChangeRole refuses what no administrator may do to a role.
func (c *call) mayChangeRole(u *userRecord, role string) *failure {
	changes := role != u.role
	switch {
	case u.role == RoleGuest, changes && u.id == c.user.id:
		return fail("403009")
	case role == RoleServerAdministrator && c.in.cfg().Product == ProductCloud:
		return invalidRole(role)
	case changes && c.user.role != RoleServerAdministrator && (role == RoleServerAdministrator || u.role == RoleServerAdministrator):
		return fail("403004")
	case u.role == RoleServerAdministrator && role == RoleUnlicensed:
		return fail("400003")
	}
	return nil
}

// updateProfile changes name, e-mail and password where the product lets it.
func (c *call) updateProfile(in elem, u *userRecord) *failure {
	cloud := c.in.cfg().Product == ProductCloud
	fullName, hasName := in.get("fullName")
	password, hasPassword := in.get("password")
	email, hasEmail := in.get("email")
	if hasEmail && email != "" && !isEmail(email) {
		return fail("400000")
	}
	lateEmail := cloud && c.version.before(version{3, 26})
	if cloud && (hasName || hasPassword) || lateEmail && hasEmail {
		if c.in.cfg().CloudProfile == Refuse {
			return fail("400003")
		}
	}
	if hasEmail && !lateEmail {
		u.email = email
	}
	if cloud {
		return nil
	}
	if hasName {
		u.fullName = fullName
	}
	if hasPassword {
		c.in.passwords[u.account()] = digest(password)
	}
	if pool, ok := in.get("identityPoolName"); ok {
		u.identityPool = pool
	}
	return nil
}

// removeUser takes a user off the site, unless they own content.
func (c *call) removeUser() (answer, *failure) {
	u := c.site.user(c.param("userId"))
	if u == nil {
		return answer{}, fail("404002")
	}
	if to := c.query.Get("mapAssetsTo"); to != "" {
		if c.user.role != RoleServerAdministrator {
			return answer{}, fail("403004")
		}
		if c.site.user(to) == nil || to == u.id {
			return answer{}, fail("404002")
		}
		c.site.content.reassign(u.id, to)
	}
	if c.site.content.owned(u.id) {
		return answer{}, fail("409003")
	}
	c.in.dropUser(c.site, u.id)
	return empty(), nil
}

func isEmail(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && domain != "" && !strings.ContainsAny(s, " \t\r\n")
}

package tableautest

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// siteSettings are the settings of a site that are kept and shown and change
// nothing else, as they are on a new site. Those without a value are not shown
// until they are set.
var siteSettings = []attr{
	{"disableSubscriptions", "false", truth},
	{"subscribeOthersEnabled", "true", truth},
	{"revisionHistoryEnabled", "true", truth},
	{"revisionLimit", "25", number},
	{"extractEncryptionMode", "disabled", str},
	{"storageQuota", "", number},
	{"allowSubscriptionAttachments", "", truth},
	{"askDataMode", "", str},
	{"authoringEnabled", "", truth},
	{"autoSuspendRefreshEnabled", "", truth},
	{"autoSuspendRefreshInactivityWindow", "", number},
	{"cacheWarmupEnabled", "", truth},
	{"catalogObfuscationEnabled", "", truth},
	{"catalogingEnabled", "", truth},
	{"commentingEnabled", "", truth},
	{"commentingMentionsEnabled", "", truth},
	{"customSubscriptionEmail", "", str},
	{"customSubscriptionEmailEnabled", "", truth},
	{"customSubscriptionFooter", "", str},
	{"customSubscriptionFooterEnabled", "", truth},
	{"dataAccelerationMode", "", str},
	{"dataAlertsEnabled", "", truth},
	{"derivedPermissionsEnabled", "", truth},
	{"editingFlowsEnabled", "", truth},
	{"flowAutoSaveEnabled", "", truth},
	{"flowsEnabled", "", truth},
	{"guestAccessEnabled", "", truth},
	{"metricsContentTypeEnabled", "", truth},
	{"mobileBiometricsEnabled", "", truth},
	{"namedSharingEnabled", "", truth},
	{"notifySiteAdminsOnThrottle", "", truth},
	{"requestAccessEnabled", "", truth},
	{"runNowEnabled", "", truth},
	{"schedulingFlowsEnabled", "", truth},
	{"sheetImageEnabled", "", truth},
	{"timeZone", "", str},
	{"useDefaultTimeZone", "", truth},
	{"userVisibilityMode", "", str},
	{"webExtractionEnabled", "", truth},
}

// readSettings takes the settings of a site that a body names into st.
func readSettings(in elem, st *siteState) *failure {
	next := maps.Clone(st.attrs)
	for _, a := range siteSettings {
		s, given := in.get(a.key)
		if !given {
			continue
		}
		switch a.kind {
		case truth:
			s = strings.ToLower(s)
			if s != "true" && s != "false" {
				return fail("400000")
			}
		case number:
			if _, err := strconv.Atoi(s); err != nil {
				return fail("400000")
			}
		case str, spelled:
		}
		if next == nil {
			next = map[string]attr{}
		}
		a.val = s
		next[a.key] = a
	}
	st.attrs = next
	return nil
}

func (c *call) siteElem(st *siteState, usage bool) elem {
	e := item("site", "id", st.id, "name", st.name, "contentUrl", st.contentURL, "adminMode", st.adminMode, "state", st.state)
	if st.userQuota > 0 {
		e = e.num("userQuota", st.userQuota)
	}
	for _, t := range []struct {
		key string
		n   int
	}{{"tierCreatorCapacity", st.seats.Creator}, {"tierExplorerCapacity", st.seats.Explorer}, {"tierViewerCapacity", st.seats.Viewer}} {
		if t.n != 0 {
			e = e.num(t.key, max(0, t.n))
		}
	}
	for _, a := range siteSettings {
		if set, changed := st.attrs[a.key]; changed {
			a = set
		}
		if a.val != "" {
			e.attrs = append(e.attrs, a)
		}
	}
	if usage {
		size := 0
		for _, x := range st.content.byID {
			size += len(x.file)
		}
		e = e.add(el("usage").num("numUsers", len(st.users)).num("storage", (size+1<<20-1)>>20).
			num("numCreators", st.taken[creatorTier]).num("numExplorers", st.taken[explorerTier]).
			num("numViewers", st.taken[viewerTier]))
	}
	return e
}

// querySites lists sites, on Server: all to a server administrator, to others those
// they are on.
func (c *call) querySites() (answer, *failure) {
	if c.in.cfg().Product == ProductCloud {
		return answer{}, fail("403069")
	}
	sites := c.in.sites
	if c.user.role != RoleServerAdministrator {
		sites = slices.DeleteFunc(slices.Clone(sites), func(st *siteState) bool { return st.userOf(c.user.account()) == nil })
	}
	fields := []field[*siteState]{
		{name: "name", ops: "eq in", sort: true, str: func(st *siteState) string { return st.name }},
		{name: "contentUrl", ops: "eq in", str: func(st *siteState) string { return st.contentURL }},
	}
	return listing(c, sites, fields, "sites", func(st *siteState) elem { return c.siteElem(st, false) })
}

// namedSite finds the site that a path names by id, or with the parameter key
// by name or content URL.
func (c *call) namedSite() (*siteState, *failure) {
	want := c.param("siteId")
	for _, st := range c.in.sites {
		var hit bool
		switch c.query.Get("key") {
		case "":
			hit = st.id == want
		case "name":
			hit = strings.EqualFold(st.name, want)
		case "contentUrl":
			hit = strings.EqualFold(st.contentURL, want)
		default:
			return nil, fail("400008")
		}
		if !hit {
			continue
		}
		if st != c.site && c.user.role != RoleServerAdministrator {
			return nil, fail(c.in.cfg().OtherSiteCode)
		}
		return st, nil
	}
	return nil, fail("404000")
}

func (c *call) querySite() (answer, *failure) {
	st, f := c.namedSite()
	if f != nil {
		return answer{}, f
	}
	return ok(single(c.siteElem(st, isTrue(c.query.Get("includeUsage"))))), nil
}

// readSite reads what a body says about a site into st.
func (c *call) readSite(in elem, st *siteState) *failure {
	name, contentURL := or(in.val("name"), st.name), st.contentURL
	if s, ok := in.get("contentUrl"); ok {
		contentURL = s
	}
	for _, other := range c.in.sites {
		switch {
		case other.id == st.id:
		case strings.EqualFold(other.name, name):
			return fail("409001")
		case strings.EqualFold(other.contentURL, contentURL):
			return fail("409002")
		}
	}
	if s, ok := in.get("adminMode"); ok {
		if s != "ContentAndUsers" && s != "ContentOnly" {
			return fail("400000")
		}
		st.adminMode = s
	}
	if s, ok := in.get("state"); ok {
		if s != "Active" && s != "Suspended" {
			return fail("400000")
		}
		st.state = s
	}
	for key, to := range map[string]*int{
		"userQuota": &st.userQuota, "tierCreatorCapacity": &st.seats.Creator,
		"tierExplorerCapacity": &st.seats.Explorer, "tierViewerCapacity": &st.seats.Viewer,
	} {
		s, given := in.get(key)
		if !given {
			continue
		}
		n, err := strconv.Atoi(s)
		if err != nil {
			return fail("400000")
		}
		if *to = n; n == 0 && key != "userQuota" {
			*to = -1 // a capacity of none, where 0 here means no limit
		}
	}
	if f := readSettings(in, st); f != nil {
		return f
	}
	st.name, st.contentURL = name, contentURL
	return nil
}

func (c *call) createSite() (answer, *failure) {
	if c.in.cfg().Product == ProductCloud {
		return answer{}, fail("403004")
	}
	in, found := c.body.child("site")
	if !found || in.val("name") == "" || in.val("contentUrl") == "" {
		return answer{}, fail("400000")
	}
	if f := c.readSite(in, &siteState{}); f != nil {
		return answer{}, f
	}
	st := c.in.newSite(in.val("name"), in.val("contentUrl"))
	if f := c.readSite(in, st); f != nil {
		return answer{}, f
	}
	// A server administrator is one on every site.
	u := *c.user
	u.id = c.in.luid()
	st.putUser(&u)
	a := ok(single(c.siteElem(st, false)))
	a.status, a.location = http.StatusCreated, c.r.URL.Path+"/"+st.id
	return a, nil
}

func (c *call) updateSite() (answer, *failure) {
	in, found := c.body.child("site")
	if !found {
		return answer{}, fail("400000")
	}
	st, f := c.namedSite()
	if f != nil {
		return answer{}, f
	}
	if f := c.readSite(in, st); f != nil {
		return answer{}, f
	}
	return ok(single(c.siteElem(st, false))), nil
}

func (c *call) deleteSite() (answer, *failure) {
	if c.in.cfg().Product == ProductCloud {
		return answer{}, fail("403004")
	}
	st, f := c.namedSite()
	if f != nil {
		return answer{}, f
	}
	if st.contentURL == "" || len(c.in.sites) == 1 {
		return answer{}, fail("403002")
	}
	c.in.sites = slices.DeleteFunc(slices.Clone(c.in.sites), func(o *siteState) bool { return o == st })
	c.in.endSessions(func(s *session) bool { return s.site == st })
	return empty(), nil
}

// setting answers with a setting of the site, or takes a new one.
func setting(name string, usual elem) func(*call) (answer, *failure) {
	return func(c *call) (answer, *failure) {
		now, given := c.site.settings[name]
		if !given {
			now = usual
		}
		if c.r.Method == http.MethodGet {
			return ok(now), nil
		}
		in, found := c.body.child(name)
		if !found {
			return answer{}, fail("400000")
		}
		next := elem{name: name, kids: in.kids}
		for _, a := range now.attrs {
			if s, changed := in.get(a.key); changed {
				a.val = s
			}
			next.attrs = append(next.attrs, a)
		}
		c.site.settings[name] = next
		return ok(next), nil
	}
}

func (c *call) siteAuthConfigurations() (answer, *failure) {
	if c.in.cfg().Product != ProductCloud {
		return answer{}, fail("403004")
	}
	configs := c.site.authConfigs
	if configs == nil {
		configs = []elem{
			item("siteAuthConfiguration", "authSetting", "TableauIDWithMFA", "idpConfigurationId", c.site.id,
				"idpConfigurationName", "Initial TableauID", "knownProviderAlias", "TableauID").yes("enabled", true),
		}
	}
	return ok(list("siteAuthConfigurations", configs)), nil
}

// recentlyViewed shows what the caller looked at last.
func (c *call) recentlyViewed() (answer, *failure) {
	var recents []elem
	for _, id := range c.site.recent[c.user.id] {
		x := c.site.content.byID[id]
		if x == nil || !c.site.may(c.user, x, "Read") {
			continue
		}
		recents = append(recents, elem{name: "recent", many: true}.add(el(string(x.kind), "id", x.id, "name", x.name)))
	}
	return ok(list("recents", recents)), nil
}

func (c *call) accelerationReport() (answer, *failure) {
	return ok(list("dataAccelerationReport", nil)), nil
}

// domains are the directories of a server: the local one.
func (c *call) domains() (answer, *failure) {
	if c.in.cfg().Product != ProductServer {
		return answer{}, fail("403004")
	}
	return ok(list("domainList", []elem{item("domain", "id", "1", "name", "local", "shortName", "local")})), nil
}

func (c *call) updateDomain() (answer, *failure) {
	if c.in.cfg().Product != ProductServer {
		return answer{}, fail("403004")
	}
	in, found := c.body.child("domain")
	if !found || c.param("domainId") == "" {
		return answer{}, fail("400000")
	}
	if c.param("domainId") != "1" {
		return answer{}, fail("404003", "Domain could not be found.")
	}
	return ok(el("domain", "id", "1", "name", or(in.val("name"), "local"), "shortName", or(in.val("shortName"), "local"))), nil
}

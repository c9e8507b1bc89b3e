package tableautest

import "slices"

// allUsers is the group that every user of a site is in.
const allUsers = "All Users"

// groupRecord is a group of a site.
type groupRecord struct {
	id, name, domain string
	minimumRole      string
	grantMode        string // onLogin, onSync or ""
	importDomain     string // of a group that comes from a directory
	ephemeral        bool
	members          []string        // user ids, in the order they joined
	member           map[string]bool // the same
}

func (g *groupRecord) has(userID string) bool { return g.name == allUsers || g.member[userID] }

func (g *groupRecord) join(userID string) {
	if g.member == nil {
		g.member = map[string]bool{}
	}
	if !g.member[userID] {
		g.member[userID] = true
		g.members = append(g.members, userID)
	}
}

func (g *groupRecord) remove(userID string) {
	if g.member[userID] {
		delete(g.member, userID)
		g.members = slices.DeleteFunc(g.members, func(id string) bool { return id == userID })
	}
}

// Group is a handle on a group of a site.
type Group struct {
	site *Site
	g    *groupRecord
}

// GroupDetails is what [Site.AddGroup] can be told beyond the name.
type GroupDetails struct {
	// MinimumRole is granted to members.
	MinimumRole string
	// GrantMode is "onLogin" or "onSync": when it is granted. Default: onLogin
	// where there is a MinimumRole.
	GrantMode string
	// Domain is that of a directory the group comes from. Default: "local".
	Domain string
}

// AddGroup makes a group.
func (s *Site) AddGroup(name string, details ...GroupDetails) *Group {
	var d GroupDetails
	if len(details) > 0 {
		d = details[0]
	}
	if d.MinimumRole != "" {
		d.GrantMode = or(d.GrantMode, "onLogin")
	}
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	g := &groupRecord{
		id: s.in.luid(), name: name, domain: or(d.Domain, "local"), minimumRole: d.MinimumRole, grantMode: d.GrantMode,
	}
	if g.domain != "local" {
		g.importDomain = g.domain
	}
	s.st.groups = append(s.st.groups, g)
	return &Group{site: s, g: g}
}

// ID returns the group's LUID.
func (g *Group) ID() string { return g.g.id }

// Add puts users into the group.
func (g *Group) Add(users ...*User) {
	g.site.in.mu.Lock()
	defer g.site.in.mu.Unlock()
	for _, u := range users {
		g.g.join(u.id)
	}
}

// Has tells whether a user is in the group.
func (g *Group) Has(u *User) bool {
	g.site.in.mu.RLock()
	defer g.site.in.mu.RUnlock()
	return g.g.has(u.id)
}

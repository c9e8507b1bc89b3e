package tableautest

import (
	"slices"
	"strings"
	"time"
)

// userRecord is a user of a site. It is never changed, only replaced.
type userRecord struct {
	seq                               int         // order of arrival
	before                            *userRecord // what a stale list still shows, until it is fresh
	fresh                             time.Time   // when that is
	id, name, fullName, email, domain string
	role, authSetting, externalAuthID string
	idpConfigurationID, identityPool  string
	language, locale                  string
	lastLogin, created                time.Time
}

// account is the key under which PATs and passwords of a person are kept: the
// same person on every site of the installation.
func (u *userRecord) account() string { return strings.ToLower(u.domain + `\` + u.name) }

// UserDetails is what [Site.AddUser] can be told beyond name and role.
type UserDetails struct {
	FullName    string    // default: the name up to the @
	Email       string    // default: the name, where it is an e-mail address
	Domain      string    // default: "local", on Cloud "TABID_WITH_MFA"
	AuthSetting string    // default: "ServerDefault", on Cloud "TableauIDWithMFA"
	LastLogin   time.Time // default: never
	Language    string    // default: none
	Locale      string    // default: none
	// Password lets the user sign in by name and password, on Server.
	Password string
}

// GoString leaves the password out.
func (d UserDetails) GoString() string { return "tableautest.UserDetails{" + d.FullName + "}" }

// String leaves the password out.
func (d UserDetails) String() string { return d.GoString() }

// User is a handle on a user of a site.
type User struct {
	site *Site
	id   string
}

// AddUser puts a user on the site with that role. It asks nothing: neither
// whether the name is free nor whether there is a seat, so that a test can
// make any site.
func (s *Site) AddUser(name, role string, details ...UserDetails) *User {
	var d UserDetails
	if len(details) > 0 {
		d = details[0]
	}
	cloud := s.in.cfg().Product == ProductCloud
	local, _, isMail := strings.Cut(name, "@")
	if isMail {
		d.Email = or(d.Email, name)
	}
	d.FullName = or(d.FullName, local)
	if cloud {
		d.Domain, d.AuthSetting = or(d.Domain, "TABID_WITH_MFA"), or(d.AuthSetting, "TableauIDWithMFA")
	}
	d.Domain, d.AuthSetting = or(d.Domain, "local"), or(d.AuthSetting, "ServerDefault")

	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	u := &userRecord{
		id: s.in.luid(), name: name, fullName: d.FullName, email: d.Email, domain: d.Domain, role: role,
		authSetting: d.AuthSetting, language: d.Language, locale: d.Locale, lastLogin: d.LastLogin, created: s.in.now(),
	}
	s.st.putUser(u)
	if d.Password != "" {
		s.in.passwords[u.account()] = digest(d.Password)
	}
	return &User{site: s, id: u.id}
}

// putUser adds a user or replaces the one with the same id.
func (st *siteState) putUser(u *userRecord) {
	if old := st.userByID[u.id]; old != nil {
		u.seq = old.seq
		if u.before = nil; st.listLag > 0 {
			now := st.now()
			stale := *old.shown(now)
			stale.before = nil
			u.before, u.fresh = &stale, now.Add(st.listLag)
		}
		st.taken[tierOf(old.role)]--
		st.users[st.place(old)] = u
	} else {
		st.lastSeq++
		u.seq = st.lastSeq
		st.users = append(st.users, u)
	}
	st.userByID[u.id] = u
	st.taken[tierOf(u.role)]++
}

// shown is the record as a list shows it at that time.
func (u *userRecord) shown(at time.Time) *userRecord {
	if u.before != nil && at.Before(u.fresh) {
		return u.before
	}
	return u
}

// place returns where in users a user stands: they are in the order of seq.
func (st *siteState) place(u *userRecord) int {
	i, _ := slices.BinarySearchFunc(st.users, u.seq, func(r *userRecord, seq int) int { return r.seq - seq })
	return i
}

func (st *siteState) user(id string) *userRecord { return st.userByID[id] }

// userNamed finds users by name without regard to case, in any domain.
func (st *siteState) userNamed(name string) []*userRecord {
	var out []*userRecord
	for _, u := range st.users {
		if strings.EqualFold(u.name, name) {
			out = append(out, u)
		}
	}
	return out
}

// userOf finds the user that an account is on this site.
func (st *siteState) userOf(account string) *userRecord {
	domain, name, _ := strings.Cut(account, `\`)
	for _, u := range st.users {
		if strings.EqualFold(u.name, name) && strings.EqualFold(u.domain, domain) {
			return u
		}
	}
	return nil
}

// dropUser removes a user, and what hangs on them, from the site.
func (in *installation) dropUser(st *siteState, id string) {
	u := st.user(id)
	if u == nil {
		return
	}
	st.taken[tierOf(u.role)]--
	i := st.place(u)
	st.users = slices.Delete(st.users, i, i+1)
	delete(st.userByID, id)
	for _, g := range st.groups {
		g.remove(id)
	}
	delete(st.favorites, id)
	delete(st.recent, id)
	for key, s := range in.sessions {
		if s.userID == id {
			delete(in.sessions, key)
		}
	}
	// Removal from the last site removes the person, and so the PATs.
	for _, other := range in.sites {
		if other.userOf(u.account()) != nil {
			return
		}
	}
	delete(in.passwords, u.account())
	in.revokeAll(u.account())
}

// record returns the user as it is now; a removed user is an empty record.
func (u *User) record() userRecord {
	u.site.in.mu.RLock()
	defer u.site.in.mu.RUnlock()
	if r := u.site.st.user(u.id); r != nil {
		return *r
	}
	return userRecord{}
}

// update replaces the user's record; it does nothing for a removed user.
func (u *User) update(change func(*userRecord)) {
	u.site.in.mu.Lock()
	defer u.site.in.mu.Unlock()
	if r := u.site.st.user(u.id); r != nil {
		next := *r
		change(&next)
		u.site.st.putUser(&next)
	}
}

// ID returns the user's LUID on the site.
func (u *User) ID() string { return u.id }

// Site returns the site that the user is on.
func (u *User) Site() *Site { return u.site }

// Name returns the login name, "" for a removed user.
func (u *User) Name() string { return u.record().name }

// Email returns the e-mail address.
func (u *User) Email() string { return u.record().email }

// FullName returns the display name.
func (u *User) FullName() string { return u.record().fullName }

// Role returns the site role now, "" for a removed user.
func (u *User) Role() string { return u.record().role }

// LastLogin returns the last sign-in, zero for never.
func (u *User) LastLogin() time.Time { return u.record().lastLogin }

// SetRole changes the site role from outside, as an administrator at the web
// page would: with no question asked and no journal entry.
func (u *User) SetRole(role string) { u.update(func(r *userRecord) { r.role = role }) }

// Rename changes the login name; the id stays.
func (u *User) Rename(name string) {
	in := u.site.in
	in.mu.Lock()
	defer in.mu.Unlock()
	r := u.site.st.user(u.id)
	if r == nil {
		return
	}
	next := *r
	next.name = name
	for _, p := range in.pats {
		if p.account == r.account() {
			p.account = next.account()
		}
	}
	u.site.st.putUser(&next)
}

// SetEmail changes the e-mail address.
func (u *User) SetEmail(email string) { u.update(func(r *userRecord) { r.email = email }) }

// SetLastLogin changes the time of the last sign-in.
func (u *User) SetLastLogin(t time.Time) { u.update(func(r *userRecord) { r.lastLogin = t }) }

// SignIn has the user sign in at the web page: the last login is now, and a group
// that grants a role on login raises the site role to its minimum.
func (u *User) SignIn() {
	u.site.in.mu.Lock()
	defer u.site.in.mu.Unlock()
	if r := u.site.st.user(u.id); r != nil {
		u.site.in.login(u.site.st, r)
	}
}

// Remove takes the user off the site, whatever they own.
func (u *User) Remove() {
	u.site.in.mu.Lock()
	defer u.site.in.mu.Unlock()
	u.site.in.dropUser(u.site.st, u.id)
}

// String names the user.
func (u *User) String() string { return "simulated Tableau user " + u.id }

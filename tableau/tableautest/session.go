package tableautest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// pat is a personal access token. Only the digest of its secret is kept.
type pat struct {
	id, name, account string
	secret            [32]byte
	created, expires  time.Time
	lastUsed          time.Time
	revoked           bool
}

// PAT is a handle on a personal access token.
type PAT struct {
	in *installation
	p  *pat
}

// PATDetails is what [Site.AddPAT] can be told beyond owner, name and secret.
type PATDetails struct {
	// Expires is when the token ends. Default: Config.PATLifetime from now.
	Expires time.Time
	// LastUsed is when it signed in last. Default: now.
	LastUsed time.Time
}

// AddPAT gives a user a personal access token. It works on every site that the
// user is on, one session at a time.
func (s *Site) AddPAT(owner *User, name, secret string, details ...PATDetails) *PAT {
	var d PATDetails
	if len(details) > 0 {
		d = details[0]
	}
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	now := s.in.now()
	p := &pat{
		id: s.in.luid(), name: name, secret: digest(secret), created: now,
		expires: or(d.Expires, now.Add(s.in.cfg().PATLifetime)), lastUsed: or(d.LastUsed, now),
	}
	if u := owner.site.st.user(owner.id); u != nil {
		p.account = u.account()
	}
	s.in.pats = append(s.in.pats, p)
	return &PAT{in: s.in, p: p}
}

// Name returns the token's name.
func (p *PAT) Name() string { return p.p.name }

// Revoke ends the token and its session.
func (p *PAT) Revoke() {
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	p.p.revoked = true
	p.in.endSessions(func(s *session) bool { return s.pat == p.p })
}

// Expire sets when the token ends.
func (p *PAT) Expire(at time.Time) {
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	p.p.expires = at
}

// SetSecret replaces the secret, as making the token anew would.
func (p *PAT) SetSecret(secret string) {
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	p.p.secret = digest(secret)
}

// EndSession ends the token's live session, as a sign-in elsewhere would.
func (p *PAT) EndSession() {
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	p.in.evictions += p.in.endSessions(func(s *session) bool { return s.pat == p.p })
}

// String names the token and leaves its secret out.
func (p *PAT) String() string { return "simulated Tableau PAT " + p.p.name }

// GoString is String.
func (p *PAT) GoString() string { return p.String() }

// session is a signed-in token.
type session struct {
	serial  int
	id      string
	site    *siteState
	userID  string
	pat     *pat // nil: signed in by name and password
	opened  time.Time
	used    atomic.Int64 // Unix nanoseconds of the last call
	calls   atomic.Int64
	exports atomic.Int64
}

// endSessions removes the sessions that match and returns how many. The caller
// holds the lock.
func (in *installation) endSessions(match func(*session) bool) int {
	n := 0
	for key, s := range in.sessions {
		if match(s) {
			delete(in.sessions, key)
			n++
		}
	}
	return n
}

// alive tells whether a session may still be used at that time.
func (in *installation) alive(s *session, now time.Time) bool {
	idleSince := time.Unix(0, s.used.Load())
	if in.cfg().SessionFixed {
		idleSince = s.opened
	}
	switch {
	case in.cfg().SessionIdle > 0 && now.Sub(idleSince) >= in.cfg().SessionIdle:
		return false
	case in.cfg().SessionLifetime > 0 && now.Sub(s.opened) >= in.cfg().SessionLifetime:
		return false
	case in.cfg().LoseSessionAfterExports > 0 && s.exports.Load() >= int64(in.cfg().LoseSessionAfterExports):
		return false
	}
	return true
}

// authenticate finds the session of a request, or says why there is none. The
// caller holds the lock, for reading at least.
func (in *installation) authenticate(token string) (*session, *failure) {
	if token == "" {
		return nil, fail("401000")
	}
	s := in.sessions[digest(token)]
	if s == nil || !in.alive(s, in.now()) {
		return nil, fail("401002")
	}
	if n := in.cfg().RefuseFreshSession; n > 0 && s.serial%n == 0 && s.calls.Load() == 0 {
		s.calls.Add(1)
		return nil, fail("401002")
	}
	return s, nil
}

// open starts a session and returns its token.
func (in *installation) open(st *siteState, userID string, p *pat) (*session, string) {
	if p != nil && in.cfg().PATConcurrency == EvictPrevious {
		// Signing in again with the same PAT, to whichever site, ends the
		// previous session at once.
		now := in.now()
		in.endSessions(func(s *session) bool {
			if s.pat == p && in.alive(s, now) {
				in.evictions++
			}
			return s.pat == p
		})
	}
	in.signIns++
	s := &session{serial: in.signIns, id: in.luid(), site: st, userID: userID, pat: p, opened: in.now()}
	s.used.Store(s.opened.UnixNano())
	token := secretText(22) + "|" + secretText(32) + "|" + st.id
	in.sessions[digest(token)] = s
	return s, token
}

// revokeAll ends the PATs of a person and their sessions, as Cloud does when
// the way they sign in changes.
func (in *installation) revokeAll(account string) {
	for _, p := range in.pats {
		if p.account == account {
			p.revoked = true
		}
	}
	in.endSessions(func(s *session) bool { return s.pat != nil && s.pat.revoked })
}

// login notes a sign-in of a user, which is when a group's minimum role is
// granted.
func (in *installation) login(st *siteState, u *userRecord) {
	next := *u
	next.lastLogin = in.now()
	for _, g := range st.groups {
		if g.grantMode != "onLogin" || !g.has(u.id) || !stronger(g.minimumRole, next.role) {
			continue
		}
		if st.seatFor(tierOf(next.role), tierOf(g.minimumRole), in.cfg().SeatBorrowing) {
			next.role = g.minimumRole
		}
	}
	st.putUser(&next)
}

func stronger(a, b string) bool { return slices.Index(ladder, a) > slices.Index(ladder, b) }

// SignIns returns how many sessions have been opened, switches of site included.
func (s *Site) SignIns() int {
	s.in.mu.RLock()
	defer s.in.mu.RUnlock()
	return s.in.signIns
}

// LiveSessions returns how many sessions could make a call now.
func (s *Site) LiveSessions() int {
	s.in.mu.RLock()
	defer s.in.mu.RUnlock()
	n, now := 0, s.in.now()
	for _, ses := range s.in.sessions {
		if s.in.alive(ses, now) {
			n++
		}
	}
	return n
}

// Evictions returns how many live sessions were ended by another sign-in with
// their PAT.
func (s *Site) Evictions() int {
	s.in.mu.RLock()
	defer s.in.mu.RUnlock()
	return s.in.evictions
}

// EndSessions ends every session of the installation.
func (s *Site) EndSessions() {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	clear(s.in.sessions)
}

func (c *call) signIn() (answer, *failure) {
	cred, ok := c.body.child("credentials")
	if !ok {
		return answer{}, fail("400000")
	}
	site, _ := cred.child("site")
	st := c.in.siteByURL(site.val("contentUrl"))
	c.entry.PAT = cred.val("personalAccessTokenName")
	p, account, f := c.credentials(cred)
	if f != nil {
		return answer{}, f
	}
	refused := fail("401001")
	if p == nil {
		refused = fail("401001", "Error signing in to Tableau Server")
	}
	if st == nil || st.state != "Active" {
		return answer{}, refused
	}
	u := st.userOf(account)
	if u == nil || u.role == RoleUnlicensed {
		return answer{}, refused
	}
	if as, ok := cred.child("user"); ok {
		if u, f = c.impersonate(st, u, as, p); f != nil {
			return answer{}, f
		}
	}
	c.in.login(st, u)
	return c.newSession(st, u.id, p), nil
}

// credentials finds who signs in; all faults of a PAT look the same.
func (c *call) credentials(cred elem) (*pat, string, *failure) {
	name, hasName := cred.get("personalAccessTokenName")
	secret, hasSecret := cred.get("personalAccessTokenSecret")
	if name == "" && secret == "" {
		// Some clients send all credentials that there are and leave those that
		// they have not got empty.
		hasName, hasSecret = false, false
	}
	switch {
	case hasName && hasSecret && !c.version.before(version{3, 6}):
		if p := c.in.findPAT(name, secret); p != nil {
			p.lastUsed = c.in.now()
			return p, p.account, nil
		}
		return nil, "", fail("401001")
	case hasName || hasSecret: // one of the two, or a version before 3.6
		return nil, "", fail("400000")
	}
	if _, ok := cred.get("jwt"); ok {
		// No connected app is simulated, so no JWT is trusted.
		return nil, "", fail("401001", "Error signing in to Tableau Server")
	}
	user, ok := cred.get("name")
	password, ok2 := cred.get("password")
	if !ok || !ok2 {
		return nil, "", fail("400000")
	}
	// Cloud demands multi-factor sign-in, so a password alone never does.
	domain, local, hasDomain := strings.Cut(user, `\`)
	if !hasDomain {
		domain, local = "local", user
	}
	account := strings.ToLower(domain + `\` + local)
	want, known := c.in.passwords[account]
	if c.in.cfg().Product == ProductCloud || !known || want != digest(password) {
		return nil, "", fail("401001", "Error signing in to Tableau Server")
	}
	return nil, account, nil
}

// findPAT returns the token of that name and secret unless it has expired,
// lapsed or been revoked. The name is case-sensitive.
func (in *installation) findPAT(name, secret string) *pat {
	now, want := in.now(), digest(secret)
	for _, p := range in.pats {
		if p.name != name || p.secret != want || p.revoked || !now.Before(p.expires) {
			continue
		}
		if in.cfg().PATIdle > 0 && now.Sub(p.lastUsed) >= in.cfg().PATIdle {
			continue
		}
		return p
	}
	return nil
}

// impersonate signs a server administrator in as somebody else, on Server.
func (c *call) impersonate(st *siteState, u *userRecord, as elem, p *pat) (*userRecord, *failure) {
	if c.in.cfg().Product != ProductServer || u.role != RoleServerAdministrator || p != nil && c.version.before(version{3, 11}) {
		return nil, fail("403004")
	}
	other := st.user(as.val("id"))
	if other == nil {
		return nil, fail("404002")
	}
	return other, nil
}

func (c *call) newSession(st *siteState, userID string, p *pat) answer {
	s, token := c.in.open(st, userID, p)
	c.entry.Session, c.entry.Site, c.entry.User = s.serial, st.contentURL, userID
	cred := el("credentials", "token", token)
	if p != nil {
		cred = cred.opt("estimatedTimeToExpiration", c.in.timeToExpiration(p.expires.Sub(c.in.now())))
	}
	return ok(cred.add(
		el("site", "id", st.id, "contentUrl", st.contentURL),
		el("user", "id", userID),
	))
}

func (in *installation) timeToExpiration(d time.Duration) string {
	switch in.cfg().TimeToExpiration {
	case Absent:
		return ""
	case DaysHoursMinutes:
		return fmt.Sprintf("%d:%02d:%02d", int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
	}
}

func (c *call) signOut() (answer, *failure) {
	delete(c.in.sessions, digest(c.token))
	return empty(), nil
}

func (c *call) switchSite() (answer, *failure) {
	site, found := c.body.child("site")
	contentURL, named := site.get("contentUrl")
	if !found || !named {
		return answer{}, fail("400000")
	}
	st := c.in.siteByURL(contentURL)
	if st == c.site {
		return answer{}, fail("403070")
	}
	if st == nil || st.state != "Active" {
		return answer{}, fail("401003")
	}
	u := st.userOf(c.user.account())
	if u == nil || u.role == RoleUnlicensed {
		return answer{}, fail("401003")
	}
	delete(c.in.sessions, digest(c.token))
	return c.newSession(st, u.id, c.session.pat), nil
}

func (c *call) revokeAdministratorTokens() (answer, *failure) {
	if c.in.cfg().Product == ProductCloud {
		return answer{}, fail("403004")
	}
	for _, p := range c.in.pats {
		for _, st := range c.in.sites {
			if u := st.userOf(p.account); u != nil && u.role == RoleServerAdministrator {
				p.revoked = true
			}
		}
	}
	c.in.endSessions(func(s *session) bool { return s.pat != nil && s.pat.revoked })
	return empty(), nil
}

func (c *call) currentSession() (answer, *failure) {
	u := c.user
	return ok(el("session").add(
		el("site", "id", c.site.id, "name", c.site.name, "contentUrl", c.site.contentURL),
		el("user", "id", u.id, "name", u.name, "siteRole", roleName(u.role, c.version), "authSetting", u.authSetting).
			at("lastLogin", u.lastLogin).with("externalAuthUserId", u.externalAuthID),
	)), nil
}

func (c *call) deleteSession() (answer, *failure) {
	id := c.param("sessionId")
	if c.in.endSessions(func(s *session) bool { return s.id == id }) == 0 {
		return answer{}, fail("404003", "Session could not be found.")
	}
	return empty(), nil
}

// listPATs shows the tokens of a user, on Cloud.
func (c *call) listPATs() (answer, *failure) {
	if c.in.cfg().Product != ProductCloud {
		return answer{}, fail("404003", fmt.Sprintf("Unknown resource '%s' specified in URI.", c.resource()))
	}
	u := c.site.user(c.param("userId"))
	if u == nil {
		return answer{}, fail("404002")
	}
	var items []elem
	for _, p := range c.in.pats {
		if p.account == u.account() && !p.revoked {
			items = append(items, item("personalAccessToken", "tokenName", p.name, "tokenGuid", p.id).
				at("lastUsedAt", p.lastUsed).at("expiresAt", p.expires))
		}
	}
	return ok(list("personalAccessTokens", items)), nil
}

// serverInfo needs no session.
func (c *call) serverInfo() (answer, *failure) {
	cfg := c.in.cfg()
	product := leaf("productVersion", cfg.ProductVersion).with("build", cfg.Build)
	info := el("serverInfo").add(product)
	if !c.in.newest.before(version{3, 4}) {
		info = info.add(leaf("prepConductorVersion", cfg.Build))
	}
	return answer{status: http.StatusOK, kids: []elem{info.add(leaf("restApiVersion", cfg.MaxVersion))}}, nil
}

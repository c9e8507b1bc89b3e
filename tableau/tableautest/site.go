package tableautest

import (
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Site is one site of a simulated Tableau and a handle on the whole of it. It
// is an [http.Handler] that answers for every site of its installation.
//
// Its methods may be called while requests are being answered.
type Site struct {
	in *installation
	st *siteState
}

// siteState is what a site holds.
type siteState struct {
	id, name, contentURL string
	adminMode, state     string
	userQuota            int // 0: none
	created              time.Time
	listLag              time.Duration
	now                  func() time.Time
	seats                Seats
	users                []*userRecord
	userByID             map[string]*userRecord
	lastSeq              int
	taken                map[tier]int // users per tier
	groups               []*groupRecord
	groupSets            []*groupSetRecord
	content              contentStore
	jobs                 []*jobRecord
	tasks                []taskRecord
	uploads              map[string]*upload
	favorites            map[string][]favorite // by user id
	recent               map[string][]string   // content ids by user id, newest first
	authConfigs          []elem
	settings             map[string]elem
	attrs                map[string]attr // of the site itself, changed from the usual ones
}

// New returns a simulated Tableau with one site, one project ("default") and the
// group All Users, and nobody on it. It panics on an API version that is none;
// [Start] returns an error.
func New(cfg Config) *Site {
	in := newInstallation(cfg)
	return in.addSite(in.cfg().SiteName, in.cfg().SiteContentURL)
}

// AddSite adds another site to the installation that s belongs to. It panics
// when the content URL is taken.
func (s *Site) AddSite(name, contentURL string) *Site { return s.in.addSite(name, contentURL) }

func (in *installation) addSite(name, contentURL string) *Site {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.siteByURL(contentURL) != nil {
		panic(fmt.Sprintf("tableautest: there is a site with the content URL %q already", contentURL))
	}
	return &Site{in: in, st: in.newSite(name, contentURL)}
}

// newSite makes a site with its default project and group. The caller holds
// the lock.
func (in *installation) newSite(name, contentURL string) *siteState {
	st := &siteState{
		id: in.luid(), name: name, contentURL: contentURL, adminMode: "ContentAndUsers", state: "Active",
		created: in.now(), listLag: in.cfg().UserListLag, now: in.now, userByID: map[string]*userRecord{}, taken: map[tier]int{}, uploads: map[string]*upload{},
		favorites: map[string][]favorite{}, recent: map[string][]string{}, settings: map[string]elem{},
	}
	st.groups = []*groupRecord{{id: in.luid(), name: allUsers, domain: "local"}}
	st.content.init()
	st.content.put(&content{
		id: in.luid(), kind: project, name: "default", created: in.now(), updated: in.now(),
		description: "The default project that was automatically created by Tableau.",
	})
	in.sites = append(in.sites, st)
	return st
}

// ID returns the site's LUID.
func (s *Site) ID() string { return s.st.id }

// Name returns the site's display name.
func (s *Site) Name() string {
	s.in.mu.RLock()
	defer s.in.mu.RUnlock()
	return s.st.name
}

// ContentURL returns the piece of the address after /#/site/, "" for the
// Default site.
func (s *Site) ContentURL() string {
	s.in.mu.RLock()
	defer s.in.mu.RUnlock()
	return s.st.contentURL
}

// Rename changes name and content URL of the site; its id stays.
func (s *Site) Rename(name, contentURL string) {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	s.st.name, s.st.contentURL = name, contentURL
}

// Suspend makes the site refuse sign-ins, or with false lets them in again.
func (s *Site) Suspend(suspended bool) {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	s.st.state = "Active"
	if suspended {
		s.st.state = "Suspended"
	}
}

// Sites returns a handle for every site of the installation.
func (s *Site) Sites() []*Site {
	s.in.mu.RLock()
	defer s.in.mu.RUnlock()
	out := make([]*Site, len(s.in.sites))
	for i, st := range s.in.sites {
		out[i] = &Site{in: s.in, st: st}
	}
	return out
}

// Users yields every user of the site, in the order they were added.
func (s *Site) Users() iter.Seq[*User] {
	return func(yield func(*User) bool) {
		s.in.mu.RLock()
		users := slices.Clone(s.st.users)
		s.in.mu.RUnlock()
		for _, u := range users {
			if !yield(&User{site: s, id: u.id}) {
				return
			}
		}
	}
}

// User returns the user of that name (compared without regard to case) or that
// id, or nil.
func (s *Site) User(nameOrID string) *User {
	s.in.mu.RLock()
	defer s.in.mu.RUnlock()
	for _, u := range s.st.users {
		if u.id == nameOrID || strings.EqualFold(u.name, nameOrID) {
			return &User{site: s, id: u.id}
		}
	}
	return nil
}

// UserCount returns how many users the site has.
func (s *Site) UserCount() int {
	s.in.mu.RLock()
	defer s.in.mu.RUnlock()
	return len(s.st.users)
}

// Advance puts the simulated clock forward.
func (s *Site) Advance(d time.Duration) { s.in.offset.Add(int64(d)) }

// SetMaintenance makes every request answer 503 with an HTML page, as a Tableau
// in maintenance does, until it is called with false.
func (s *Site) SetMaintenance(on bool) { s.in.down.Store(on) }

// ServeHTTP answers as Tableau.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.in.ServeHTTP(w, r) }

// String names the site.
func (s *Site) String() string { return "simulated Tableau site " + s.ID() }

// GoString is String: a site is not to be printed whole.
func (s *Site) GoString() string { return s.String() }

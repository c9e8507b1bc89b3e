package tableautest

import (
	"slices"
	"strings"
)

// Site roles of Tableau.
const (
	RoleUnlicensed                = "Unlicensed"
	RoleViewer                    = "Viewer"
	RoleExplorer                  = "Explorer"
	RoleExplorerCanPublish        = "ExplorerCanPublish"
	RoleCreator                   = "Creator"
	RoleSiteAdministratorExplorer = "SiteAdministratorExplorer"
	RoleSiteAdministratorCreator  = "SiteAdministratorCreator"
	RoleServerAdministrator       = "ServerAdministrator"
	RoleGuest                     = "Guest"
)

// ladder is the order of power, weakest first.
var ladder = []string{
	RoleUnlicensed, RoleViewer, RoleExplorer, RoleExplorerCanPublish, RoleCreator,
	RoleSiteAdministratorExplorer, RoleSiteAdministratorCreator, RoleServerAdministrator,
}

// legacyRoles are those that versions before 3.0 take.
var legacyRoles = map[string]string{
	"Interactor": RoleExplorer, "Publisher": RoleExplorerCanPublish,
	"SiteAdministrator": RoleSiteAdministratorExplorer, RoleUnlicensed: RoleUnlicensed,
}

// legacyNames are the answers to a version before 3.0.
var legacyNames = map[string]string{
	RoleExplorer: "Interactor", RoleExplorerCanPublish: "Publisher", RoleCreator: "Publisher",
	RoleSiteAdministratorExplorer: "SiteAdministrator", RoleSiteAdministratorCreator: "SiteAdministrator",
}

// parseRole reads a site role that a request of that version asks for.
func parseRole(s string, api version, fold bool) (string, bool) {
	if api.before(version{3, 0}) {
		if s == RoleServerAdministrator {
			return s, true
		}
		r, ok := legacyRoles[s]
		return r, ok
	}
	for _, r := range ladder {
		if r == s || fold && strings.EqualFold(r, s) {
			return r, true
		}
	}
	return "", false
}

// roleName is how a version shows a site role.
func roleName(role string, api version) string {
	if old, ok := legacyNames[role]; ok && api.before(version{3, 0}) {
		return old
	}
	return role
}

func isAdmin(role string) bool {
	return role == RoleSiteAdministratorCreator || role == RoleSiteAdministratorExplorer || role == RoleServerAdministrator
}

// canPublish tells whether a role may create content.
func canPublish(role string) bool {
	return slices.Index(ladder, role) >= slices.Index(ladder, RoleExplorerCanPublish)
}

// tier is a kind of licence.
type tier uint8

const (
	noTier tier = iota
	viewerTier
	explorerTier
	creatorTier
)

func tierOf(role string) tier {
	switch role {
	case RoleCreator, RoleSiteAdministratorCreator, RoleServerAdministrator:
		return creatorTier
	case RoleExplorer, RoleExplorerCanPublish, RoleSiteAdministratorExplorer:
		return explorerTier
	case RoleViewer:
		return viewerTier
	default:
		return noTier
	}
}

// Seats is how many licences of each tier a site has. 0 means as many as
// wanted, a negative number none at all.
type Seats struct {
	Creator  int `json:"creator"`
	Explorer int `json:"explorer"`
	Viewer   int `json:"viewer"`
}

func (s Seats) of(t tier) int {
	switch t {
	case creatorTier:
		return s.Creator
	case explorerTier:
		return s.Explorer
	case viewerTier:
		return s.Viewer
	default:
		return 0
	}
}

// SetSeats gives the site so many licences. Users who hold one keep it.
func (s *Site) SetSeats(seats Seats) {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	s.st.seats = seats
}

// Seats returns the licences of the site.
func (s *Site) Seats() Seats {
	s.in.mu.RLock()
	defer s.in.mu.RUnlock()
	return s.st.seats
}

// SeatsTaken returns how many users hold a licence of each tier.
func (s *Site) SeatsTaken() Seats {
	s.in.mu.RLock()
	defer s.in.mu.RUnlock()
	t := s.st.taken
	return Seats{Creator: t[creatorTier], Explorer: t[explorerTier], Viewer: t[viewerTier]}
}

// seatFor tells whether a user who holds a seat of the tier from may have one
// of the tier to. With borrow a better seat will do.
func (st *siteState) seatFor(from, to tier, borrow bool) bool {
	if from == to || to == noTier {
		return true
	}
	free := func(t tier) int {
		switch n := st.seats.of(t); {
		case n == 0:
			return 1 << 30
		case n < 0:
			return -st.taken[t]
		default:
			return n - st.taken[t]
		}
	}
	if free(to) > 0 {
		return true
	}
	if !borrow {
		return false
	}
	// A full tier already lives on seats of the better ones: they count together.
	sum := 0
	for t := to; t <= creatorTier; t++ {
		sum += free(t)
	}
	return sum > 0
}

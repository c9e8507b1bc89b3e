package tableautest_test

import (
	"net/http"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/margay-access/margay/tableau/tableautest"
)

// seatOf is the tier of a role, kept apart from the package's own.
var seatOf = map[string]string{
	"Creator": "c", "SiteAdministratorCreator": "c", "Explorer": "e", "ExplorerCanPublish": "e", "SiteAdministratorExplorer": "e", "Viewer": "v",
}

// TestSeatsAreNeverOverdrawn does anything to the users of a site with few
// seats: roles are as a simple model says, and no tier is overdrawn.
func TestSeatsAreNeverOverdrawn(t *testing.T) {
	// ref: "4.2 Licence per role; 4.3 Running out of licences"
	t.Parallel()
	roles := []string{"Creator", "Explorer", "ExplorerCanPublish", "Viewer", "Unlicensed", "SiteAdministratorCreator", "SiteAdministratorExplorer"}
	rapid.Check(t, func(rt *rapid.T) {
		silent := rapid.Bool().Draw(rt, "silent")
		mode := tableautest.SeatConflict
		if silent {
			mode = tableautest.SilentUnlicensed
		}
		s, _ := newSite(t, tableautest.Config{NoSeat: mode, Limits: []tableautest.Limit{}})
		limit := map[string]int{"c": 2, "e": 2, "v": 1}
		s.SetSeats(tableautest.Seats{Creator: 2, Explorer: 2, Viewer: 1})
		c := signedIn(t, s)
		model, taken := map[string]string{}, map[string]int{"c": 1} // by id; the administrator has a seat
		names := []string{"a@x", "b@x", "c@x", "d@x"}
		free := func(have, want string) bool {
			return seatOf[want] == "" || seatOf[have] == seatOf[want] || taken[seatOf[want]] < limit[seatOf[want]]
		}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			name, role := rapid.SampledFrom(names).Draw(rt, "name"), rapid.SampledFrom(roles).Draw(rt, "role")
			u := s.User(name)
			have := model[name]
			var got reply
			switch {
			case u == nil:
				got = c.do(http.MethodPost, c.path("users"), `{"user":{"name":"`+name+`","siteRole":"`+role+`"}}`)
			case rapid.IntRange(0, 5).Draw(rt, "remove") == 0:
				c.do(http.MethodDelete, c.path("users/"+u.ID()), "").want(http.StatusNoContent, "")
				taken[seatOf[have]]--
				delete(model, name)
				continue
			default:
				got = c.do(http.MethodPut, c.path("users/"+u.ID()), `{"user":{"siteRole":"`+role+`"}}`)
			}
			want := role
			if !free(have, role) {
				want = have
				if silent {
					want = "Unlicensed"
				} else {
					got.want(http.StatusConflict, "409014")
				}
			}
			if want != "" {
				taken[seatOf[have]]--
				taken[seatOf[want]]++
				model[name] = want
			}
		}

		for _, name := range names {
			role := ""
			if u := s.User(name); u != nil {
				role = u.Role()
			}
			if role != model[name] {
				rt.Errorf("%s is %q, want %q", name, role, model[name])
			}
		}
		want := tableautest.Seats{Creator: taken["c"], Explorer: taken["e"], Viewer: taken["v"]}
		if got := s.SeatsTaken(); got != want || got.Creator > 2 || got.Explorer > 2 || got.Viewer > 1 {
			rt.Errorf("seats taken %+v, want %+v", got, want)
		}
	})
}

// TestOneSessionPerPAT signs in with one PAT from many sides at once: one
// session is left, whoever won.
func TestOneSessionPerPAT(t *testing.T) { // T04
	t.Parallel()
	s, _ := newSite(t, tableautest.Config{})
	clients := make([]*client, 50)
	var wg sync.WaitGroup
	for i := range clients {
		clients[i] = &client{t: t, h: s, api: "/api/3.24"}
		wg.Go(func() { clients[i].signIn("pat", secret, s.ContentURL()) })
	}
	wg.Wait()

	alive := 0
	for _, c := range clients {
		if c.get("groups").Code == http.StatusOK {
			alive++
		}
	}
	if alive != 1 || s.LiveSessions() != 1 || s.SignIns() != 50 || s.Evictions() != 49 {
		t.Errorf("%d alive, %d live, %d sign-ins, %d evictions", alive, s.LiveSessions(), s.SignIns(), s.Evictions())
	}
}

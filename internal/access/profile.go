package access

import (
	"slices"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// ProfileID names a profile: "prf_…".
type ProfileID string

// Everybody is the profile that, on a role, opens it to everybody although its app has a profile.
const Everybody ProfileID = "everybody"

// Profile says who may ask: the members of groups.
type Profile struct {
	ID        ProfileID
	Name      string
	Groups    []identity.GroupID // any one of them will do
	WhomToAsk string             // told to whoever may not ask; "": the owners of the app
	CreatedAt time.Time
	Saved
}

// maxGroups bounds what one rule names.
const maxGroups = 100

// check returns the profile as it is kept, or what is wrong with it.
func (p Profile) check() (Profile, error) {
	var faults []*fault.Error
	p.Name = clean(&faults, "name", p.Name, maxName)
	if p.Name == "" {
		faults = append(faults, fault.Field("name", "A name is required."))
	}
	p.WhomToAsk = clean(&faults, "whom_to_ask", p.WhomToAsk, maxReason)
	p.Groups = slices.Compact(slices.Sorted(slices.Values(p.Groups)))
	switch {
	case len(p.Groups) == 0:
		faults = append(faults, fault.Field("group_ids", "A profile names at least one group: nobody could ever ask."))
	case len(p.Groups) > maxGroups:
		faults = append(faults, fault.Field("group_ids", "A profile names at most %d groups.", maxGroups))
	}
	return p, fault.Join(faults...)
}

// profileOf returns the profile that says who may ask for r in app a; "" is
// everybody.
func profileOf(a App, r Role) ProfileID {
	switch r.Profile {
	case Everybody:
		return ""
	case "":
		return a.Profile
	}
	return r.Profile
}

// admits says why somebody with these groups may not ask for the role, or nil.
// owners is what to call those who can help.
func (p Profile) admits(groups []identity.GroupID, person identity.Person, role Role, app App, names []string, owners string) error {
	if p.ID == "" || slices.ContainsFunc(p.Groups, func(g identity.GroupID) bool { return slices.Contains(groups, g) }) {
		return nil
	}
	hint := p.WhomToAsk
	if hint == "" {
		hint = "Ask " + owners + "."
	}
	return fault.New(fault.Forbidden, "%s cannot be given %s of %s: it is for members of %s.", person.Name, role.Name, app.Name, strings.Join(names, " or ")).
		WithCode("not_eligible").WithHint("%s", hint)
}

package tableau

import (
	"context"
	"net/http"
	"net/url"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/tableau"
)

// groupOut is a group of Tableau users as workflows see it.
type groupOut struct {
	ID          string  `json:"id"`
	Name        string  `json:"name"`
	Domain      string  `json:"domain"`
	MinimumRole *string `json:"minimumSiteRole"`
	Users       *int    `json:"users"`
}

func groupOf(g tableau.Group) groupOut {
	out := groupOut{ID: g.ID, Name: g.Name, Domain: g.Domain, Users: told(g.Users)}
	if g.MinimumRole != "" {
		out.MinimumRole = &g.MinimumRole
	}
	return out
}

type groupsIn struct {
	Name  string `json:"name"`
	Limit int    `json:"limit"`
}

func listGroups(ctx context.Context, c integration.Client, in groupsIn) ([]groupOut, error) {
	t, err := of(c)
	if err != nil {
		return nil, err
	}
	var filter tableau.Filter
	if tableau.CanFilter(in.Name) {
		filter = tableau.Where("name", tableau.Equal, in.Name)
	}
	return collect(t.Groups(traced(ctx), filter), in.Limit, func(g tableau.Group) bool { return in.Name == "" || g.Name == in.Name }, groupOf)
}

func groupsOfUser(ctx context.Context, c integration.Client, in getIn) ([]groupOut, error) {
	t, err := of(c)
	if err != nil {
		return nil, err
	}
	return collect(t.UserGroups(traced(ctx), in.ID), 0, nil, groupOf)
}

func listMembers(ctx context.Context, c integration.Client, in getIn) ([]*userOut, error) {
	t, err := of(c)
	if err != nil {
		return nil, err
	}
	return collect(t.GroupMembers(traced(ctx), in.ID), 0, nil, userOf)
}

type memberIn struct {
	GroupID string `json:"groupId"`
	UserID  string `json:"userId"`
}

type memberOut struct {
	GroupID string `json:"groupId"`
	UserID  string `json:"userId"`
	Member  bool   `json:"member"`
	Changed bool   `json:"changed"`
	Held    bool   `json:"heldBack,omitempty"`
}

// addMember puts a user into a group, unless they are in it.
func addMember(ctx context.Context, c integration.Client, in memberIn, guard integration.Guard) (memberOut, error) {
	return setMember(ctx, c, in, true, guard)
}

// removeMember takes a user out of a group, if they are in it.
func removeMember(ctx context.Context, c integration.Client, in memberIn, guard integration.Guard) (memberOut, error) {
	return setMember(ctx, c, in, false, guard)
}

// setMember reads before it writes, and again when it is not known what came of
// it.
func setMember(ctx context.Context, c integration.Client, in memberIn, want bool, guard integration.Guard) (memberOut, error) {
	t, err := of(c)
	if err != nil {
		return memberOut{}, err
	}
	if in.GroupID == "" || in.UserID == "" {
		return memberOut{}, fault.New(fault.Invalid, "The group and the user are needed, by id.").WithCode("bad_request")
	}
	m := membership{t: t, memberIn: in}
	is, err := m.read(traced(ctx))
	if err != nil {
		return memberOut{}, err
	}
	out := memberOut{GroupID: in.GroupID, UserID: in.UserID, Member: want}
	if is == want {
		return out, nil
	}
	change := integration.Change{What: "group " + in.GroupID + " of user " + in.UserID, Before: memberText(is), After: memberText(want)}
	change.Method, change.Path = http.MethodPost, "/sites/{siteId}/groups/"+url.PathEscape(in.GroupID)+"/users"
	if !want {
		change.Method, change.Path = http.MethodDelete, change.Path+"/"+url.PathEscape(in.UserID)
	}
	out.Changed, out.Held = true, true
	return write(ctx, guard, change, out, func(ctx context.Context) (memberOut, error) {
		out := out
		out.Held = false
		return out, m.set(ctx, want)
	})
}

func memberText(is bool) string {
	if is {
		return "member"
	}
	return "no member"
}

type membership struct {
	memberIn

	t *tableau.Client
}

func (m membership) read(ctx context.Context) (bool, error) {
	for g, err := range m.t.UserGroups(ctx, m.UserID) {
		if err != nil {
			return false, meaningOfUsers(err)
		}
		if g.ID == m.GroupID {
			return true, nil
		}
	}
	return false, nil
}

func (m membership) set(ctx context.Context, want bool) error {
	change := m.t.AddGroupMember
	if !want {
		change = m.t.RemoveGroupMember
	}
	err := change(ctx, m.GroupID, m.UserID)
	if err == nil || !doubtful(err) && tableau.ClassOf(err) != tableau.ClassUnavailable {
		return meaningOfUsers(err)
	}
	is, failed := m.read(ctx)
	switch {
	case failed != nil:
		return unknown(err, "Tableau was asked to change a group, and whether it did is not known yet.")
	case is == want:
		return nil
	}
	return meaningOfUsers(err)
}

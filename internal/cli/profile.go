package cli

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
)

func newProfile(s *session) *cobra.Command {
	return group("profile", "Who may ask: the members of groups", []string{
		"margay profile add Finance --group Finance", "margay app edit tableau --profile Finance",
	}, newProfileList(s), newProfileShow(s), newProfileAdd(s), newProfileEdit(s))
}

func (s *session) profiles(ctx context.Context) ([]wire.Profile, error) {
	api, err := s.client()
	if err != nil {
		return nil, err
	}
	page, err := api.Profiles(ctx)
	return page.Items, err
}

func (s *session) profile(ctx context.Context, ref string) (wire.Profile, error) {
	all, err := s.profiles(ctx)
	if err != nil {
		return wire.Profile{}, err
	}
	return find("profile", "margay profile list", ref, all, func(p wire.Profile) string { return p.ID }, func(p wire.Profile) []string { return []string{p.Name} })
}

// everybody stands for no profile at all, on a role of an app that has one.
const everybody = "everybody"

func (s *session) profileID(ctx context.Context, ref string) (string, error) {
	if ref == "" || ref == everybody {
		return ref, nil
	}
	p, err := s.profile(ctx, ref)
	return p.ID, err
}

func (s *session) profileView(ctx context.Context) view[wire.Profile] {
	columns := []column[wire.Profile]{
		{name: "Id", keep: true, cell: func(p wire.Profile) cell { return text(p.ID) }},
		{name: "Name", cell: func(p wire.Profile) cell { return text(p.Name) }},
		{name: "Groups", cell: func(p wire.Profile) cell { return text(s.groupNames(ctx, p.GroupIDs)) }},
		{name: "Whom to ask", cell: func(p wire.Profile) cell { return text(p.WhomToAsk) }},
	}
	return view[wire.Profile]{
		none: "There is no profile: everybody may ask. Make one with: margay profile add NAME --group GROUP",
		id:   func(p wire.Profile) string { return p.ID }, columns: columns,
	}
}

func newProfileList(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the profiles",
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := s.profiles(cmd.Context())
			if err != nil {
				return err
			}
			return list(s, wire.List[wire.Profile]{Items: all}, s.profileView(cmd.Context()))
		},
	}
}

func newProfileShow(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "show PROFILE", Short: "Show one profile, by name or id",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := s.profile(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return show(s, p, s.profileView(cmd.Context()))
		},
	}
}

func newProfileAdd(s *session) *cobra.Command {
	var in wire.NewProfile
	var groups []string
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Make a profile",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			in.Name = args[0]
			if in.GroupIDs, err = s.groupIDs(cmd.Context(), cleaned(groups)); err != nil {
				return err
			}
			p, err := api.CreateProfile(cmd.Context(), in)
			if err != nil {
				return err
			}
			return told(s, p, s.profileView(cmd.Context()), "Made", p.Name, "for members of "+s.groupNames(cmd.Context(), p.GroupIDs))
		},
	}
	cmd.Flags().StringSliceVar(&groups, "group", nil, "whose members may ask; may be repeated")
	cmd.Flags().StringVar(&in.WhomToAsk, "whom-to-ask", "", "told to whoever may not ask (default: the owners of the app)")
	return cmd
}

func newProfileEdit(s *session) *cobra.Command {
	var name, whom string
	var groups []string
	cmd := &cobra.Command{
		Use: "edit PROFILE", Short: "Change a profile",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needChange(cmd); err != nil {
				return err
			}
			p, err := s.profile(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			ids, err := s.groupIDs(cmd.Context(), cleaned(groups))
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			p, err = api.ChangeProfile(cmd.Context(), p.ID, wire.ChangedProfile{
				Name: given(cmd, "name", name), GroupIDs: given(cmd, "group", ids), WhomToAsk: given(cmd, "whom-to-ask", whom),
				EditOf: wire.EditOf{Version: p.Version},
			})
			if err != nil {
				return err
			}
			return told(s, p, s.profileView(cmd.Context()), "Changed", p.Name)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "another name")
	cmd.Flags().StringSliceVar(&groups, "group", nil, "whose members may ask: all of them; may be repeated")
	cmd.Flags().StringVar(&whom, "whom-to-ask", "", "told to whoever may not ask; empty: the owners of the app")
	return cmd
}

func newCatalogue(s *session) *cobra.Command {
	c := group("catalogue", "The roles that can be asked for", []string{"margay catalogue list"})
	var person string
	cmd := &cobra.Command{
		Use: "list", Short: "List the roles that can be asked for, and what you have of them",
		RunE: func(cmd *cobra.Command, _ []string) error {
			who, err := s.personID(cmd.Context(), person)
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			page, err := api.Catalogue(cmd.Context(), who)
			if err != nil {
				return err
			}
			return list(s, page, s.offerView(cmd.Context()))
		},
	}
	cmd.Flags().StringVar(&person, "person", "", "for somebody else, by e-mail address")
	c.AddCommand(cmd)
	return c
}

func (s *session) offerView(ctx context.Context) view[wire.Offer] {
	return view[wire.Offer]{
		none: "No role can be asked for.",
		id:   func(o wire.Offer) string { return o.Role.ID },
		columns: []column[wire.Offer]{
			{name: "Role", keep: true, cell: func(o wire.Offer) cell { return text(o.App.Name + "/" + o.Role.Name) }},
			{name: "Description", cell: func(o wire.Offer) cell { return text(o.Role.Description) }},
			{name: "At most", cell: func(o wire.Offer) cell {
				if o.Policy == nil {
					return text("")
				}
				return length(o.Policy.Longest)
			}},
			{name: "Approval", cell: func(o wire.Offer) cell {
				if o.Policy == nil {
					return text("")
				}
				return text(s.steps(ctx, *o.Policy))
			}},
			{name: "You", keep: true, cell: func(o wire.Offer) cell { return text(s.offered(o)) }},
		},
	}
}

// offered says what a role is to somebody.
func (s *session) offered(o wire.Offer) string {
	switch {
	case o.Held != nil && o.Held.EndsAt != nil:
		return "have it until " + s.exact(*o.Held.EndsAt).text
	case o.Held != nil:
		return "have it"
	case o.WaitingID != "":
		return "have asked: " + o.WaitingID
	case o.Refusal != nil:
		return strings.TrimSpace(o.Refusal.Message + " " + o.Refusal.Hint)
	}
	return "may ask"
}

func newPolicyHistory(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "history POLICY", Short: "List the versions of a policy, newest first",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := s.policy(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			page, err := api.PolicyVersions(cmd.Context(), p.ID)
			if err != nil {
				return err
			}
			v := s.policyView(cmd.Context())
			v.columns = append([]column[wire.Policy]{
				{name: "Version", keep: true, cell: func(p wire.Policy) cell { return text(strconv.Itoa(p.Version)) }},
				{name: "Saved", cell: func(p wire.Policy) cell { return s.moment(at(p.SavedAt)) }},
				{name: "By", cell: func(p wire.Policy) cell { return text(s.personName(cmd.Context(), p.SavedByID)) }},
			}, v.columns[1:]...)
			return list(s, page, v)
		},
	}
}

func newPolicyDiff(s *session) *cobra.Command {
	var from, to int
	cmd := &cobra.Command{
		Use: "diff POLICY", Short: "Compare two versions of a policy",
		Example: "margay policy diff standard --from 1 --to 3",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := s.policy(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			d, err := api.PolicyDiff(cmd.Context(), p.ID, from, to)
			if err != nil {
				return err
			}
			if s.format != formatTable {
				return show(s, d, view[wire.PolicyDiff]{id: func(wire.PolicyDiff) string { return p.ID }})
			}
			return list(s, wire.List[wire.PolicyChange]{Items: d.Changes}, changeView("Versions "+strconv.Itoa(d.From)+" and "+strconv.Itoa(d.To)+" say the same."))
		},
	}
	cmd.Flags().IntVar(&from, "from", 0, "a version (default: the one before the other)")
	cmd.Flags().IntVar(&to, "to", 0, "a version (default: the newest)")
	return cmd
}

func changeView(none string) view[wire.PolicyChange] {
	return view[wire.PolicyChange]{
		none: none,
		id:   func(c wire.PolicyChange) string { return c.What },
		columns: []column[wire.PolicyChange]{
			{name: "What", keep: true, cell: func(c wire.PolicyChange) cell { return text(c.What) }},
			{name: "Now", cell: func(c wire.PolicyChange) cell { return text(c.Before) }},
			{name: "Will be", cell: func(c wire.PolicyChange) cell { return text(c.After) }},
		},
	}
}

// impact shows what a change of a policy would do.
func (s *session) impact(p wire.Policy) error {
	if s.format != formatTable {
		return show(s, p, view[wire.Policy]{id: func(p wire.Policy) string { return p.ID }})
	}
	i := p.Impact
	if err := list(s, wire.List[wire.PolicyChange]{Items: i.Changes}, changeView("Nothing would change.")); err != nil {
		return err
	}
	s.tell(markDone, "Nothing was changed", counted(i.Roles, "role follows it", "roles follow it"), counted(i.Waiting, "waiting request keeps its version", "waiting requests keep their version"),
		counted(i.Grants, "live grant stays as agreed", "live grants stay as agreed"), counted(i.People, "person", "people"))
	s.cautions(p)
	return nil
}

// cautions tells what a policy may lead to.
func (s *session) cautions(p wire.Policy) {
	if p.Impact == nil {
		return
	}
	for _, w := range p.Impact.Warnings {
		s.warn("%s", w)
	}
}

func newRequestComment(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "comment REQUEST TEXT", Short: "Write on a request",
		Example: "margay request comment req_01JD7 \"Is Viewer not enough?\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			c, err := api.Comment(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			return told(s, c, view[wire.Comment]{id: func(c wire.Comment) string { return c.ID }}, "Written", args[0])
		},
	}
}

func newApprovalShow(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "show REQUEST", Short: "Show a request with what you need to decide on it",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			v, err := api.Review(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return show(s, v, s.reviewView(cmd.Context()))
		},
	}
}

func (s *session) reviewView(ctx context.Context) view[wire.Review] {
	return view[wire.Review]{
		id: func(v wire.Review) string { return v.Request.ID },
		details: func(v wire.Review) []detail {
			lines := []detail{
				{"Who", text(v.Person.Name + " (" + v.Person.Email + ")")},
				{"What", text(v.App.Name + "/" + v.Role.Name)},
				{"It gives", text(v.Role.Description)},
				{"For", length(v.Request.Duration)},
				{"More time", s.moreTime(v.Request)},
				{"Why", text(v.Request.Reason)},
				{"Asked by", text(v.Requester.Email)},
				{"Asked", s.exact(v.Request.CreatedAt)},
				{"State", stateCell(v.Request.State)},
			}
			if g := v.Request.Grant; g != nil {
				lines = append(lines, detail{"Access", stateCell(g.State)})
				if g.Problem != nil {
					lines = append(lines, detail{"Problem", text(g.Problem.Message)})
				}
			}
			for _, g := range v.Live {
				has := s.appName(ctx, g.AppID) + "/" + g.RoleName
				if g.EndsAt != nil {
					has += " until " + s.exact(*g.EndsAt).text
				}
				lines = append(lines, detail{"Has", text(has)})
			}
			if len(v.Live) == 0 && v.MayDecide {
				lines = append(lines, detail{"Has", text("nothing else")})
			}
			for _, r := range v.Similar {
				lines = append(lines, detail{"Before", text(r.State + ": " + s.personName(ctx, r.PersonID) + ", " + spell(time.Duration(r.Duration)))})
			}
			for _, c := range v.Request.Comments {
				lines = append(lines, detail{"Comment", text(s.personName(ctx, c.ByID) + ": " + c.Text)})
			}
			names := make([]string, len(v.Deciders))
			for i, p := range v.Deciders {
				names[i] = p.Email
			}
			if v.Request.State == "waiting_for_approval" {
				lines = append(lines, detail{"Can decide", text(cmp.Or(strings.Join(names, ", "), "nobody at present: tell an administrator"))})
			}
			if n := v.NextStep; n != nil && v.Request.State == "waiting_for_approval" {
				then := make([]string, len(n.Deciders))
				for i, p := range n.Deciders {
					then[i] = p.Email
				}
				who := cmp.Or(strings.Join(then, ", "), "nobody")
				if n.WorkflowID != "" {
					who = "the workflow " + n.WorkflowID
				}
				lines = append(lines, detail{"Then step " + strconv.Itoa(n.Step), text(who)})
				if n.Warning != "" {
					lines = append(lines, detail{"Warning", text(n.Warning)})
				}
			}
			if v.Refusal != nil {
				lines = append(lines, detail{"You", text(v.Refusal.Message)})
			}
			return lines
		},
	}
}

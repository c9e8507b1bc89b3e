package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
)

// grantChoice are the flags that choose grants.
type grantChoice struct {
	states                    []string
	person, app, role, q, day string
	expiring                  span
	overdue                   bool
}

func (c *grantChoice) flags(f *pflag.FlagSet) {
	f.StringSliceVar(&c.states, "state", nil, "scheduled, setting_up, active, not_set_up, changed_outside, ending, overdue_to_end or ended; several by commas")
	f.StringVar(&c.person, "person", "", "whose, by e-mail address, or me")
	f.StringVar(&c.app, "app", "", "of which app, by name or id")
	f.StringVar(&c.role, "role", "", "of which role, by its name")
	f.StringVar(&c.q, "search", "", "part of the person's name or e-mail address, or of the role's name")
	f.Var(&c.expiring, "expiring", "only those that end by themselves within this time, such as 7d")
	f.BoolVar(&c.overdue, "overdue", false, "only those that ought to have ended and have not")
	f.StringVar(&c.day, "at", "", "only those that were there on this day, such as 2026-03-03, or at this time")
}

// filter returns what the flags choose, and whether they choose anything.
func (c *grantChoice) filter(ctx context.Context, s *session) (client.GrantFilter, bool, error) {
	f := client.GrantFilter{States: cleaned(c.states), RoleName: c.role, Text: c.q, At: c.day}
	if c.overdue {
		f.States = append(f.States, "overdue_to_end")
	}
	if err := knownGrantStates(f.States); err != nil {
		return f, false, err
	}
	if c.expiring.set {
		f.ExpiresBy = s.now().Add(c.expiring.length)
		if len(f.States) == 0 {
			f.States = []string{"active", "changed_outside"}
		}
	}
	var err error
	if f.Person, err = s.personID(ctx, c.person); err != nil {
		return f, false, err
	}
	if c.app != "" {
		a, err := s.app(ctx, c.app)
		if err != nil {
			return f, false, err
		}
		f.App = a.ID
	}
	chosen := len(f.States) > 0 || f.Person != "" || f.App != "" || f.RoleName != "" || f.Text != "" || f.At != "" || c.expiring.set
	return f, chosen, nil
}

// onlyPerson says whether nothing but a person is chosen.
func (c *grantChoice) onlyPerson() bool {
	return c.person != "" && len(c.states) == 0 && c.app == "" && c.role == "" && c.q == "" && c.day == "" && !c.expiring.set && !c.overdue
}

// words say by what grants are chosen: the flags as they were given.
func (c *grantChoice) words(cmd *cobra.Command) string {
	var parts []string
	for _, name := range []string{"state", "person", "app", "role", "search", "expiring", "overdue", "at"} {
		if f := cmd.Flags().Lookup(name); f.Changed {
			parts = append(parts, name+" "+strings.Trim(f.Value.String(), "[]"))
		}
	}
	return strings.Join(parts, ", ")
}

// willBe says what the end of a grant would do: "Creator → Viewer".
func willBe(g wire.Grant) string {
	p := g.Preview
	switch {
	case p == nil:
		return ""
	case p.ByHand != "":
		return "waits for " + p.ByHand
	case p.Now == p.Then:
		return p.Because
	case p.RemainingEndsAt != nil:
		return fmt.Sprintf("%s → %s (%s Until %s.)", p.Now, p.Then, p.Because, stamp(*p.RemainingEndsAt))
	}
	return fmt.Sprintf("%s → %s (%s)", p.Now, p.Then, p.Because)
}

// previewView shows what the end of grants would do.
func (s *session) previewView(ctx context.Context) view[wire.Grant] {
	v := s.grantView(ctx)
	v.columns = []column[wire.Grant]{
		{name: "Id", keep: true, cell: func(g wire.Grant) cell { return text(g.ID) }},
		{name: "Person", cell: func(g wire.Grant) cell { return text(s.personName(ctx, g.PersonID)) }},
		{name: "App", cell: func(g wire.Grant) cell { return text(s.appName(ctx, g.AppID)) }},
		{name: "Role", cell: func(g wire.Grant) cell { return text(g.RoleName) }},
		{name: "In Tableau", cell: func(g wire.Grant) cell { return text(willBe(g)) }},
	}
	v.details = nil
	return v
}

// previewAll shows what ending these grants would do.
func (s *session) previewAll(ctx context.Context, args []string) error {
	api, err := s.client()
	if err != nil {
		return err
	}
	page := wire.List[wire.Grant]{Items: []wire.Grant{}}
	for _, id := range args {
		g, err := api.PreviewRevoke(ctx, id)
		if err != nil {
			return err
		}
		page.Items = append(page.Items, g)
	}
	fmt.Fprintf(s.err, "%d to end, none ended:\n", len(page.Items))
	return list(s, page, s.previewView(ctx))
}

// revokedView shows what became of the access of a person.
func (s *session) revokedView(ctx context.Context) view[wire.RevokedGrant] {
	words := map[string]cell{
		"ending": {text: "Ending", tint: good}, "ended": {text: "Ended", tint: good}, "would_end": {text: "Would end"}, "failed": {text: "Failed", tint: bad},
	}
	return view[wire.RevokedGrant]{
		none: "There is no access to end.",
		id:   func(r wire.RevokedGrant) string { return r.Grant.ID },
		columns: []column[wire.RevokedGrant]{
			{name: "Id", keep: true, cell: func(r wire.RevokedGrant) cell { return text(r.Grant.ID) }},
			{name: "Outcome", cell: func(r wire.RevokedGrant) cell { return words[r.Outcome] }},
			{name: "App", cell: func(r wire.RevokedGrant) cell { return text(s.appName(ctx, r.Grant.AppID)) }},
			{name: "Role", cell: func(r wire.RevokedGrant) cell { return text(r.Grant.RoleName) }},
			{name: "In Tableau", cell: func(r wire.RevokedGrant) cell {
				if r.Error != nil {
					return text(r.Error.Message)
				}
				return text(willBe(r.Grant))
			}},
		},
	}
}

// revokePerson ends all access of a person, after it was shown.
func (s *session) revokePerson(ctx context.Context, person, reason string, dry bool) error {
	id, err := s.personID(ctx, person)
	if err != nil {
		return err
	}
	api, err := s.client()
	if err != nil {
		return err
	}
	rows, err := api.PreviewRevokeAll(ctx, id)
	if err != nil {
		return err
	}
	if dry {
		fmt.Fprintf(s.err, "%d to end, none ended:\n", len(rows.Items))
		return list(s, rows, s.revokedView(ctx))
	}
	for _, r := range rows.Items {
		s.preview(ctx, r.Grant)
	}
	if err := s.confirm(ctx, fmt.Sprintf("End all %d now?", len(rows.Items))); err != nil {
		return err
	}
	if rows, err = api.RevokeAll(ctx, id, wire.Revocation{Reason: reason}); err != nil {
		return err
	}
	failures := 0
	for _, r := range rows.Items {
		if r.Outcome == "failed" {
			failures++
		}
	}
	if err := list(s, rows, s.revokedView(ctx)); err != nil {
		return err
	}
	return part(failures, len(rows.Items), "were not ended")
}

func newAccessExtend(s *session) *cobra.Command {
	return extendCommand(s, "extend GRANT", func(ctx context.Context, api *client.Client, id string, in wire.Extension) (wire.Request, error) {
		return api.ExtendGrant(ctx, id, in)
	})
}

func newRequestExtend(s *session) *cobra.Command {
	return extendCommand(s, "extend REQUEST", func(ctx context.Context, api *client.Client, id string, in wire.Extension) (wire.Request, error) {
		return api.ExtendRequest(ctx, id, in)
	})
}

func extendCommand(s *session, use string, ask func(context.Context, *client.Client, string, wire.Extension) (wire.Request, error)) *cobra.Command {
	var length span
	var reason string
	cmd := &cobra.Command{
		Use: use, Short: "Ask for more time",
		Long: "Ask for more time, under the policy as it is now. Once approved, the end moves by so much,\n" +
			"but not past the policy's longest time from then.",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			r, err := ask(cmd.Context(), api, args[0], wire.Extension{Duration: length.maybe(), Reason: reason})
			if err != nil {
				return err
			}
			return told(s, r, s.requestView(cmd.Context()), "Asked", r.RoleName+" for "+spell(time.Duration(r.Duration))+" more")
		},
	}
	cmd.Flags().Var(&length, "for", "how much more, such as 8h (default: the policy's usual time)")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for who decides")
	return cmd
}

func newAccessReduce(s *session) *cobra.Command {
	var length span
	var reason string
	cmd := &cobra.Command{
		Use: "reduce GRANT", Short: "Shorten access at once",
		Long: "Shorten access at once; nobody needs to agree. --for is the time that is left from now.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !length.set || length.length <= 0 {
				return usage("margay access reduce GRANT --for 2h", "Say with --for how much time is left; to end it now: margay access revoke.")
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			g, err := api.ReduceGrant(cmd.Context(), args[0], wire.Reduction{Duration: wire.Duration(length.length), Reason: reason})
			if err != nil {
				return err
			}
			return told(s, g, s.grantView(cmd.Context()), "Shortened", g.RoleName+" for "+s.personName(cmd.Context(), g.PersonID))
		},
	}
	cmd.Flags().Var(&length, "for", "the time that is left from now, such as 2h")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
	return cmd
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
)

func newAccess(s *session) *cobra.Command {
	return group("access", "Who has what, and ending it", []string{
		"margay access list --state active --app tableau", "margay access revoke GRANT --reason \"Left the team\" --wait",
	}, append(newAccessSettle(s), newAccessList(s), newAccessShow(s), newAccessRevoke(s), newAccessExtend(s), newAccessReduce(s), newAccessRetry(s), newAccessExport(s))...)
}

// grantView shows grants.
func (s *session) grantView(ctx context.Context) view[wire.Grant] {
	return view[wire.Grant]{
		none: "There is no access to see. Ask for it with: margay request new APP/ROLE",
		id:   func(g wire.Grant) string { return g.ID },
		columns: []column[wire.Grant]{
			{name: "Id", keep: true, cell: func(g wire.Grant) cell { return text(g.ID) }},
			{name: "State", keep: true, cell: func(g wire.Grant) cell { return stateCell(g.State) }},
			{name: "Person", cell: func(g wire.Grant) cell { return text(s.personName(ctx, g.PersonID)) }},
			{name: "App", cell: func(g wire.Grant) cell { return text(s.appName(ctx, g.AppID)) }},
			{name: "Role", cell: func(g wire.Grant) cell { return text(g.RoleName) }},
			{name: "Since", cell: func(g wire.Grant) cell { return s.moment(at(g.StartsAt)) }},
			{name: "Ends", cell: func(g wire.Grant) cell { return s.ends(g) }},
		},
		details: func(g wire.Grant) []detail {
			return append([]detail{
				{"Id", text(g.ID)},
				{"Person", text(s.personName(ctx, g.PersonID))},
				{"App", text(s.appName(ctx, g.AppID))},
				{"Role", text(g.RoleName)},
				{"Request", text(g.RequestID)},
			}, s.accessFacts(g)...)
		},
	}
}

// accessFacts returns what is true of the access itself.
func (s *session) accessFacts(g wire.Grant) []detail {
	lines := []detail{
		{"State", stateCell(g.State)},
		{"For", length(g.Duration)},
		{"Since", s.exact(at(g.StartsAt))},
		{"Ends", s.exact(at(g.EndsAt))},
	}
	if g.EndedAt != nil || g.EndReason != "" {
		lines = append(lines, detail{"Ended", s.exact(at(g.EndedAt))}, detail{"Why", text(g.EndReason)}, detail{"Note", text(g.EndNote)})
	}
	for _, more := range []detail{
		{"Begins", s.exact(at(g.BeginsAt))},
		{"Tried again", s.exact(at(g.NextTryAt))},
		{"Overdue since", s.exact(at(g.OverdueSince))},
		{"Waiting for", text(g.WaitingFor)},
		{"Task", text(g.TaskID)},
		{"Changed outside", changedOutside(g)},
	} {
		if more.cell.text != "" {
			lines = append(lines, more)
		}
	}
	lines = append(lines, detail{"Run", text(g.RunID)}, detail{"Attempts", text(strconv.Itoa(g.Attempts))})
	if g.Proof != nil {
		lines = append(lines, detail{"Site role", text(g.Proof.SiteRole)}, detail{"What was done", text(g.Proof.Note)}, detail{"Confirmed", s.exact(g.Proof.At)})
	}
	return append(lines, problemLines(g.Problem)...)
}

// changedOutside tells a change in the system with both values.
func changedOutside(g wire.Grant) cell {
	if g.ChangedOutside == nil {
		return cell{}
	}
	found := g.ChangedOutside.Found
	if found == "" {
		found = "not on the site any more"
	}
	return cell{text: "expected " + g.ChangedOutside.Expected + ", found " + found, tint: bad}
}

// problemLines describes why something did not work.
func problemLines(f *wire.Fault) []detail {
	if f == nil {
		return nil
	}
	lines := []detail{{"Problem", cell{text: f.Message, tint: bad}}}
	for _, more := range []detail{{"Detail", text(f.Detail)}, {"Where", text(f.Where)}, {"Hint", text(f.Hint)}} {
		if more.cell.text != "" {
			lines = append(lines, more)
		}
	}
	return lines
}

// ends is a cell with when access ends.
func (s *session) ends(g wire.Grant) cell {
	switch {
	case g.EndedAt != nil:
		return s.moment(*g.EndedAt)
	case g.EndsAt == nil:
		if g.Duration == 0 {
			return cell{tty: "no end"}
		}
		return cell{}
	case g.EndsAt.After(s.now()):
		return cell{text: stamp(*g.EndsAt), tty: rough(g.EndsAt.Sub(s.now())) + " left"}
	}
	return s.moment(*g.EndsAt)
}

func newAccessList(s *session) *cobra.Command {
	var p paging
	var choice grantChoice
	cmd := &cobra.Command{
		Use: "list", Short: "List the access that you may see, newest first",
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, chosen, err := choice.filter(cmd.Context(), s)
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			page, err := pages(s, p, func(page client.Page) (wire.List[wire.Grant], error) { return api.Grants(cmd.Context(), filter, page) })
			if err != nil {
				return err
			}
			v := s.grantView(cmd.Context())
			if chosen {
				v.none = "No access fits."
			}
			return list(s, page, v)
		},
	}
	choice.flags(cmd.Flags())
	p.flags(cmd.Flags())
	return cmd
}

// knownGrantStates refuses a state that there is not: the API would find
// nothing in it, which reads like nobody having access.
func knownGrantStates(codes []string) error {
	known := []string{"scheduled", "setting_up", "active", "not_set_up", "changed_outside", "ending", "overdue_to_end", "ended"}
	for _, code := range codes {
		if !slices.Contains(known, code) {
			return usage("The states are scheduled, setting_up, active, not_set_up, changed_outside, ending, overdue_to_end and ended.", "%q is no state of access.", code)
		}
	}
	return nil
}

func newAccessShow(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "show GRANT", Short: "Show one grant: its state, its end, what was done",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			g, err := api.Grant(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return show(s, g, s.grantView(cmd.Context()))
		},
	}
}

func newAccessRevoke(s *session) *cobra.Command {
	var reason string
	var choice grantChoice
	var wait waiting
	var dry bool
	cmd := &cobra.Command{
		Use: "revoke [GRANT...]", Short: "End access before its time",
		Long: "End access before its time. It shows what will become of it in Tableau and asks, unless --yes\n" +
			"is given. --dry-run shows that and does nothing. --person alone ends all that somebody holds.\n" +
			"With --app, --role, --state and the like all that match are ended, as one batch that goes on\n" +
			"when this command is interrupted.",
		Example: "margay access revoke GRANT --reason \"Left the team\" --wait\nmargay access revoke --person vera.viewer@acme.example --dry-run\n" +
			"margay access revoke --app tableau --role Creator --dry-run",
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, chosen, err := choice.filter(cmd.Context(), s)
			switch {
			case err != nil:
				return err
			case len(args) == 0 && !chosen:
				return usage("margay access revoke GRANT, or margay access revoke --person ADDRESS", "Say which grants, or whose.")
			case len(args) > 0 && chosen:
				return usage("Leave out "+args[0]+", or leave out the filters.", "Say which grants, or by what they are chosen, not both.")
			case choice.onlyPerson():
				return s.revokePerson(cmd.Context(), choice.person, reason, dry)
			case chosen:
				return s.revokeMatching(cmd.Context(), filter, choice.words(cmd), reason, dry)
			case dry:
				return s.previewAll(cmd.Context(), args)
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			for _, id := range args {
				g, err := api.PreviewRevoke(cmd.Context(), id)
				if err != nil { // one that cannot be ended does not keep the others
					g, err = api.Grant(cmd.Context(), id)
				}
				if err != nil {
					return err
				}
				s.preview(cmd.Context(), g)
			}
			if err := s.confirm(cmd.Context(), "End this access now?"); err != nil {
				return err
			}
			return s.each(cmd.Context(), args, "were not ended", func(ctx context.Context, id string) (wire.Grant, error) {
				g, err := api.Revoke(ctx, id, wire.Revocation{Reason: reason})
				if err != nil {
					return g, err
				}
				s.tell(markDone, "Ending", g.ID, g.RoleName+" for "+s.personName(ctx, g.PersonID), g.RunID)
				if wait.set {
					return s.watchGrant(ctx, g, wait.most)
				}
				return g, nil
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
	choice.flags(cmd.Flags())
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would happen, and do nothing")
	wait.flag(cmd.Flags(), "follow it until Tableau confirms the end")
	return cmd
}

// revokeMatching ends all access that matches, as one batch.
func (s *session) revokeMatching(ctx context.Context, filter client.GrantFilter, words, reason string, dry bool) error {
	api, err := s.client()
	if err != nil {
		return err
	}
	if len(filter.States) == 0 {
		filter.States = []string{"scheduled", "setting_up", "active", "not_set_up", "changed_outside"}
	}
	found, err := pages(s, paging{limit: mostInBatch + 1}, func(page client.Page) (wire.List[wire.Grant], error) { return api.Grants(ctx, filter, page) })
	if err != nil {
		return err
	}
	ids := make([]string, len(found.Items))
	for i, g := range found.Items {
		ids[i] = g.ID
	}
	return s.doMany(ctx, api, withMany{act: "revoke_access", ids: ids, chosen: words, reason: reason, dry: dry})
}

// preview says on standard error what is about to change.
func (s *session) preview(ctx context.Context, g wire.Grant) {
	role := ""
	if g.Proof != nil && g.Proof.SiteRole != "" {
		role = ", site role " + g.Proof.SiteRole
	}
	then := ""
	if g.Preview != nil {
		then = ": " + willBe(g)
	}
	fmt.Fprintln(s.err, visible(fmt.Sprintf("%s: %s of %s, %s%s, %s%s", g.ID, g.RoleName, s.appName(ctx, g.AppID),
		s.personName(ctx, g.PersonID), role, states()[g.State].word, then)))
}

// each does something to several grants. With one, its error is the program's;
// with more, the others are done too.
func (s *session) each(ctx context.Context, ids []string, failedHow string, do func(context.Context, string) (wire.Grant, error)) error {
	done := wire.List[wire.Grant]{Items: []wire.Grant{}}
	var last error
	failures := 0
	for _, id := range ids {
		g, err := do(ctx, id)
		if g.ID != "" {
			done.Items = append(done.Items, g)
		}
		if err == nil {
			continue
		}
		last = err
		if ctx.Err() != nil {
			return err
		}
		if failures++; len(ids) > 1 {
			s.tell(markFailed, "Failed", id, err.Error())
		}
	}
	if _, shown := errors.AsType[*outcomeError](last); last != nil && !shown && len(done.Items) == 0 {
		return last
	}
	if err := s.showGrants(ctx, done, len(ids)); err != nil {
		return err
	}
	if failures == len(ids) {
		return last
	}
	return part(failures, len(ids), failedHow)
}

func (s *session) showGrants(ctx context.Context, page wire.List[wire.Grant], of int) error {
	switch {
	case s.format == formatTable:
		return nil
	case of == 1 && len(page.Items) == 1:
		return show(s, page.Items[0], s.grantView(ctx))
	}
	return list(s, page, s.grantView(ctx))
}

func newAccessRetry(s *session) *cobra.Command {
	var wait waiting
	cmd := &cobra.Command{
		Use: "retry GRANT...", Short: "Try again what was not carried out",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			return s.each(cmd.Context(), args, "were not tried again", func(ctx context.Context, id string) (wire.Grant, error) {
				g, err := api.RetryGrant(ctx, id)
				if err != nil {
					return g, err
				}
				s.tell(markDone, "Trying again", g.ID, g.RunID)
				if wait.set {
					return s.watchGrant(ctx, g, wait.most)
				}
				return g, nil
			})
		},
	}
	wait.flag(cmd.Flags(), "follow it until Tableau confirms the change")
	return cmd
}

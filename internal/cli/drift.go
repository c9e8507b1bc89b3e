package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
)

func newDrift(s *session) *cobra.Command {
	return group("drift", "What was granted here and what Tableau says", []string{
		"margay tableau drift run --wait", "margay tableau drift list", "margay tableau drift resolve restore DIFFERENCE --wait",
	}, newDriftRun(s), newDriftList(s), newDriftResolve(s))
}

// onlyApp returns the app of the name or id, or the only one there is.
func (s *session) onlyApp(ctx context.Context, ref string) (wire.App, error) {
	if ref != "" {
		return s.app(ctx, ref)
	}
	apps, err := s.apps(ctx)
	if err != nil {
		return wire.App{}, err
	}
	if len(apps) != 1 {
		return wire.App{}, usage("Name it: margay app list shows them.", "There are %d apps: say which one.", len(apps))
	}
	return apps[0], nil
}

// comparisonView shows comparisons.
func (s *session) comparisonView(ctx context.Context) view[wire.Comparison] {
	found := func(c wire.Comparison) cell {
		if c.State != "done" {
			return text("")
		}
		return text(foundIn(c.Counts))
	}
	return view[wire.Comparison]{
		none: "It has never been compared. Compare it with: margay tableau drift run",
		id:   func(c wire.Comparison) string { return c.ID },
		columns: []column[wire.Comparison]{
			{name: "Id", keep: true, cell: func(c wire.Comparison) cell { return text(c.ID) }},
			{name: "State", keep: true, cell: comparisonCell},
			{name: "Found", cell: found},
			{name: "Started", cell: func(c wire.Comparison) cell { return s.moment(c.StartedAt) }},
		},
		details: func(c wire.Comparison) []detail {
			return append([]detail{
				{"Id", text(c.ID)},
				{"App", text(s.appName(ctx, c.AppID))},
				{"State", comparisonCell(c)},
				{"Started", s.exact(c.StartedAt)},
				{"By", text(s.personName(ctx, c.StartedByID))},
				{"Users read", text(readSoFar(c))},
				{"Found", found(c)},
			}, problemLines(c.Problem)...)
		},
	}
}

func comparisonCell(c wire.Comparison) cell {
	switch c.State {
	case "running":
		return cell{text: "Comparing", tty: "… Comparing", tint: warned}
	case "done":
		return cell{text: "Compared", tty: "✓ Compared", tint: good}
	case "failed":
		return cell{text: "Failed", tty: "✗ Failed", tint: bad}
	}
	return text(c.State)
}

// readSoFar says how far the list has been read: "1400 of 2000".
func readSoFar(c wire.Comparison) string {
	if c.Of == 0 {
		return strconv.Itoa(c.Read)
	}
	return fmt.Sprintf("%d of %d", c.Read, c.Of)
}

// foundIn says what a comparison found.
func foundIn(n wire.DriftCounts) string {
	var parts []string
	add := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(n.Differ, "with another role")
	add(n.Gone, "of users who are gone")
	add(n.NotFound, "of people who were not found")
	if len(parts) == 0 {
		parts = []string{"no difference"}
	}
	add(n.Same, "as they should be")
	add(n.Busy, "left out, being changed")
	add(n.Unmanaged, "users with a role and no grant")
	return strings.Join(parts, ", ")
}

func newDriftRun(s *session) *cobra.Command {
	var wait waiting
	cmd := &cobra.Command{
		Use: "run [APP]", Short: "Compare what was granted in an app with what Tableau says",
		Long: "Compare what was granted in an app with what Tableau says now: one list of the site's\n" +
			"users is read, whole or not at all. It is made only when it is asked for. A comparison\n" +
			"that is under way already is joined. With --wait the exit code is 0 when nothing\n" +
			"differs, 10 when something does, and 8 when the list could not be read.",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			app, err := s.onlyApp(cmd.Context(), strings.Join(args, " "))
			if err != nil {
				return err
			}
			c, err := api.Compare(cmd.Context(), app.ID)
			if err != nil {
				return err
			}
			if c.Joined {
				fmt.Fprintln(s.err, "One is under way already: this is it.")
			}
			if !wait.set {
				s.later = append(s.later, "See what it finds with: margay tableau drift list "+app.ID)
				return show(s, c, s.comparisonView(cmd.Context()))
			}
			return s.followComparison(cmd.Context(), api, c, wait)
		},
	}
	wait.flag(cmd.Flags(), "follow it to its end")
	return cmd
}

// followComparison tells how far a comparison is until it is over, and what came
// of it.
func (s *session) followComparison(ctx context.Context, api *client.Client, c wire.Comparison, wait waiting) error {
	told := ""
	last, err := follow(ctx, wait.most, func(ctx context.Context) (wire.Comparison, error) { return api.Comparison(ctx, c.AppID, c.ID) },
		func(c wire.Comparison) bool {
			if now := readSoFar(c); c.State == "running" && c.Read > 0 && now != told {
				told = now
				fmt.Fprintln(s.err, "Read "+now+" users.")
			}
			return c.State != "running"
		})
	if err != nil {
		return unfinished(err, "the comparison", "margay tableau drift list "+c.AppID)
	}
	if err := show(s, last, s.comparisonView(ctx)); err != nil {
		return err
	}
	return comparisonOutcome(last)
}

// comparisonOutcome is how the program ends after a comparison.
func comparisonOutcome(c wire.Comparison) error {
	n := c.Counts
	switch {
	case c.State == "failed" && c.Problem != nil:
		return &outcomeError{code: exitTableau, shown: true, message: c.Problem.Message, hint: c.Problem.Hint, detail: c.Problem.Detail}
	case c.State == "done" && n.Differ+n.Gone+n.NotFound > 0:
		return &outcomeError{code: exitPlan, shown: true, message: "Something differs. See it with: margay tableau drift list " + c.AppID}
	}
	return nil
}

// settleable are the kinds that ask for a decision.
var settleable = []string{"role_differs", "user_gone", "user_not_found"}

func (s *session) differenceView(ctx context.Context) view[wire.Difference] {
	person := func(d wire.Difference) string {
		if d.PersonID != "" {
			return s.personName(ctx, d.PersonID)
		}
		return d.UserName
	}
	return view[wire.Difference]{
		none: "Nothing differs.",
		id:   func(d wire.Difference) string { return d.ID },
		columns: []column[wire.Difference]{
			{name: "Id", keep: true, cell: func(d wire.Difference) cell { return text(d.ID) }},
			{name: "Kind", keep: true, cell: differenceCell},
			{name: "Who", cell: func(d wire.Difference) cell { return text(person(d)) }},
			{name: "Granted", cell: func(d wire.Difference) cell { return text(d.Granted) }},
			{name: "There", cell: func(d wire.Difference) cell { return text(d.Found) }},
			{name: "Since", cell: func(d wire.Difference) cell { return s.moment(d.Since) }},
			{name: "Grant", cell: func(d wire.Difference) cell { return text(d.GrantID) }},
		},
	}
}

func differenceCell(d wire.Difference) cell {
	word := map[string]string{"role_differs": "Role differs", "user_gone": "User gone", "user_not_found": "User not found", "unmanaged": "No grant"}[d.Kind]
	switch {
	case d.Settled:
		return cell{text: word + ", settled", tint: dim}
	case d.Kind == "unmanaged":
		return cell{text: word, tint: dim}
	}
	return cell{text: word, tint: bad}
}

func newDriftList(s *session) *cobra.Command {
	var p paging
	var comparison string
	var unmanaged, history bool
	cmd := &cobra.Command{
		Use: "list [APP]", Short: "List what the latest comparison found",
		Long: "List what the latest comparison of an app found that asks for a decision. --unmanaged\n" +
			"lists the Tableau users who have a role that was not given here, --comparisons the\n" +
			"comparisons themselves.",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			api, err := s.client()
			if err != nil {
				return err
			}
			app, err := s.onlyApp(ctx, strings.Join(args, " "))
			if err != nil {
				return err
			}
			if history {
				page, err := pages(s, p, func(page client.Page) (wire.List[wire.Comparison], error) { return api.Comparisons(ctx, app.ID, page) })
				if err != nil {
					return err
				}
				return list(s, page, s.comparisonView(ctx))
			}
			c, err := api.Comparison(ctx, app.ID, comparison)
			if err != nil {
				return err
			}
			switch c.State {
			case "failed":
				return &outcomeError{code: exitTableau, message: c.Problem.Message, hint: c.Problem.Hint, detail: c.Problem.Detail}
			case "running":
				return &outcomeError{
					code: exitConflict, message: "The comparison is under way: " + readSoFar(c) + " users have been read.",
					hint: "Follow it with: margay tableau drift run " + app.ID + " --wait",
				}
			}
			kinds := settleable
			if unmanaged {
				kinds = []string{"unmanaged"}
			}
			page, err := pages(s, p, func(page client.Page) (wire.List[wire.Difference], error) {
				return api.Differences(ctx, app.ID, c.ID, kinds, page)
			})
			if err != nil {
				return err
			}
			fmt.Fprintln(s.err, visible("Compared "+s.moment(c.StartedAt).text+": "+foundIn(c.Counts)+"."))
			return list(s, page, s.differenceView(ctx))
		},
	}
	f := cmd.Flags()
	f.StringVar(&comparison, "comparison", "latest", "which comparison, by id")
	f.BoolVar(&unmanaged, "unmanaged", false, "list the users with a role that was not given here")
	f.BoolVar(&history, "comparisons", false, "list the comparisons, newest first")
	p.flags(f)
	return cmd
}

func newDriftResolve(s *session) *cobra.Command {
	var reason, app string
	var wait waiting
	cmd := &cobra.Command{
		Use: "resolve accept|restore|end DIFFERENCE...", Short: "Settle differences",
		Long: "Settle differences: accept takes what is there as the end of the grant and writes nothing;\n" +
			"restore sets the role again, after reading what is there; end ends the grant by its\n" +
			"ordinary road, which leaves a role alone that is not the grant's.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"accept", "restore", "end"}, args[0]) {
				return usage("margay tableau drift resolve accept|restore|end DIFFERENCE", "%q is no way to settle a difference: say accept, restore or end.", args[0])
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			a, err := s.onlyApp(cmd.Context(), app)
			if err != nil {
				return err
			}
			how, ids := args[0], args[1:]
			if err := s.confirm(cmd.Context(), settleQuestion(how, len(ids))); err != nil {
				return err
			}
			return s.each(cmd.Context(), ids, "were not settled", func(ctx context.Context, id string) (wire.Grant, error) {
				g, err := api.Resolve(ctx, a.ID, id, wire.Resolution{How: how, Reason: reason})
				if err != nil {
					return g, err
				}
				s.tell(markDone, states()[g.State].word, g.ID, g.RoleName+" for "+s.personName(ctx, g.PersonID), g.RunID)
				if wait.set && (g.State == "setting_up" || g.State == "ending") {
					return s.watchGrant(ctx, g, wait.most)
				}
				return g, nil
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
	cmd.Flags().StringVar(&app, "app", "", "of which app, by name or id (default: the only one)")
	wait.flag(cmd.Flags(), "follow it until Tableau confirms the change")
	return cmd
}

func settleQuestion(how string, n int) string {
	what := "this difference"
	if n > 1 {
		what = fmt.Sprintf("these %d differences", n)
	}
	switch how {
	case "accept":
		return "Keep what was changed in Tableau and end the access, for " + what + "?"
	case "restore":
		return "Set the granted role in Tableau again, for " + what + "?"
	}
	return "End the access, for " + what + "?"
}

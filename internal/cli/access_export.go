package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
)

func newAccessExport(s *session) *cobra.Command {
	var app, person, role string
	var from, until instant
	cmd := &cobra.Command{
		Use: "export", Short: "Write who had which role, who agreed, what Tableau answered",
		Long: "Write every grant of an app, newest first: who had which role and when, who asked, who\n" +
			"agreed, why it ended, and what Tableau answered when it was set up and when it ended. It\n" +
			"is JSON, one a line, or one list with -o json, or with -o csv comma-separated values in\n" +
			"which no spreadsheet finds a formula.",
		Example: "margay access export --app tableau -o csv > history.csv\n" +
			"margay access export --role Creator --from 2026-03-03 --to 2026-03-04",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			api, err := s.client()
			if err != nil {
				return err
			}
			a, err := s.onlyApp(ctx, app)
			if err != nil {
				return err
			}
			f := client.HistoryFilter{RoleName: role, From: from.time(s.now()), Until: until.time(s.now())}
			if f.Person, err = s.personID(ctx, person); err != nil {
				return err
			}
			return s.exportHistory(ctx, api, a.ID, f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&app, "app", "", "of which app, by name or id (default: the only one)")
	fl.StringVar(&person, "person", "", "whose, by e-mail address, or me")
	fl.StringVar(&role, "role", "", "of which role, by its name")
	fl.Var(&from, "from", "only access that was there at this time or later (2026-03-01, or 24h for so long ago)")
	fl.Var(&until, "to", "only access that was there before this time")
	return cmd
}

func (s *session) exportHistory(ctx context.Context, api *client.Client, app string, f client.HistoryFilter) error {
	write := func(r wire.HistoryRow) error { return s.encode(r) }
	whole := wire.List[wire.HistoryRow]{Items: []wire.HistoryRow{}}
	switch s.format {
	case formatCSV:
		return api.HistoryCSV(ctx, app, f, s.out)
	case formatTable, formatJSONL:
		s.format = formatJSONL
	case formatJSON, formatYAML:
		write = func(r wire.HistoryRow) error { whole.Items = append(whole.Items, r); return nil }
	case formatID:
		return usage("margay access export -o csv", "An export is written as jsonl, json, yaml or csv.")
	}
	page := client.Page{Limit: largestPage}
	for {
		rows, err := api.History(ctx, app, f, page)
		if err != nil {
			return err
		}
		for _, r := range rows.Items {
			if err := write(r); err != nil {
				return err
			}
		}
		if page.Cursor = rows.NextCursor; page.Cursor == "" {
			break
		}
	}
	if s.format == formatJSONL {
		return nil
	}
	return s.encode(whole)
}

// nobodyThere is what people write for the role of somebody who is not there.
const nobodyThere = "none"

// seenOutside shows what was found in the place of each grant's role, and
// returns it: the decision is on that, and on nothing that comes after. Of several,
// those that could not be read do not keep the others: why is in failed.
func (s *session) seenOutside(ctx context.Context, api *client.Client, ids []string) (seen map[string]*string, failed map[string]error, _ error) {
	seen, failed = map[string]*string{}, map[string]error{}
	for _, id := range ids {
		g, err := api.Grant(ctx, id)
		if err != nil {
			if len(ids) > 1 {
				failed[id] = err
				continue
			}
			return nil, nil, err
		}
		if g.ChangedOutside == nil {
			continue // there is nothing to settle, as its act says
		}
		seen[id] = &g.ChangedOutside.Found
		fmt.Fprintln(s.err, visible(fmt.Sprintf("%s: %s of %s, %s, %s", g.ID, g.RoleName, s.appName(ctx, g.AppID), s.personName(ctx, g.PersonID), changedOutside(g).text)))
	}
	return seen, failed, nil
}

// newAccessSettle returns the commands that decide on what somebody changed in
// Tableau.
func newAccessSettle(s *session) []*cobra.Command {
	settle := func(use, short, question string, do func(context.Context, *client.Client, string, wire.Settlement) (wire.Grant, error)) *cobra.Command {
		var reason, found string
		var wait waiting
		cmd := &cobra.Command{
			Use: use + " GRANT...", Short: short,
			Long: short + ".\nIt shows what was found there and asks, unless --yes is given. When another role was found\n" +
				"since, nothing is done: look at the access again, and decide on that.",
			RunE: func(cmd *cobra.Command, args []string) error {
				api, err := s.client()
				if err != nil {
					return err
				}
				seen, failed, err := s.seenOutside(cmd.Context(), api, args)
				if err != nil {
					return err
				}
				if cmd.Flags().Changed("found") {
					if found == nobodyThere {
						found = ""
					}
					clear(failed) // what they saw, they saw
					for _, id := range args {
						seen[id] = &found
					}
				}
				if err := s.confirm(cmd.Context(), question); err != nil {
					return err
				}
				return s.each(cmd.Context(), args, "were not settled", func(ctx context.Context, id string) (wire.Grant, error) {
					if err := failed[id]; err != nil {
						return wire.Grant{}, err // nothing is decided on what nobody saw
					}
					g, err := do(ctx, api, id, wire.Settlement{Reason: reason, Found: seen[id]})
					if err != nil {
						return g, err
					}
					s.tell(markDone, states()[g.State].word, g.ID, g.RoleName+" for "+s.personName(ctx, g.PersonID), g.RunID)
					if wait.set && g.State == "setting_up" {
						return s.watchGrant(ctx, g, wait.most)
					}
					return g, nil
				})
			},
		}
		cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
		cmd.Flags().StringVar(&found, "found", "", "the role that you saw there, or "+nobodyThere+" (default: the one that is shown before it asks)")
		if use == "restore" {
			wait.flag(cmd.Flags(), "follow it until Tableau confirms the change")
		}
		return cmd
	}
	return []*cobra.Command{
		settle("accept", "Keep what somebody changed in Tableau: the access ends, nothing is written", "Keep what was changed in Tableau and end this access?",
			func(ctx context.Context, api *client.Client, id string, in wire.Settlement) (wire.Grant, error) {
				return api.AcceptChange(ctx, id, in)
			}),
		settle("restore", "Set the role again that somebody changed in Tableau", "Set the granted role in Tableau again?",
			func(ctx context.Context, api *client.Client, id string, in wire.Settlement) (wire.Grant, error) {
				return api.Restore(ctx, id, in)
			}),
	}
}

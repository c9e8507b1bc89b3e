package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
)

func newConnection(s *session) *cobra.Command {
	return group("connection", "Sites that Margay works with", []string{
		"margay connection add --server-url 10ax.online.tableau.com --site-content-url acme --pat-name margay --secret-file pat.txt",
		"margay connection check acme",
	}, newConnectionList(s), newConnectionShow(s), newConnectionAdd(s), newConnectionEdit(s), newConnectionCheck(s), newConnectionRotate(s),
		newConnectionPause(s), newConnectionResume(s), newConnectionCalls(s), newConnectionRetire(s), newConnectionDelete(s))
}

// connectionView shows connections.
func (s *session) connectionView() view[wire.Connection] {
	return view[wire.Connection]{
		none: "There is no connection yet. Connect a site with: margay connection add",
		id:   func(c wire.Connection) string { return c.ID },
		columns: []column[wire.Connection]{
			{name: "Id", keep: true, cell: func(c wire.Connection) cell { return text(c.ID) }},
			{name: "State", cell: func(c wire.Connection) cell { return stateCell(c.State) }},
			{name: "Name", cell: func(c wire.Connection) cell { return text(c.DisplayName) }},
			{name: "Server", cell: func(c wire.Connection) cell { return text(c.Settings["server_url"]) }},
			{name: "Token name", cell: func(c wire.Connection) cell { return text(c.Settings["pat_name"]) }},
			{name: "Changed", cell: func(c wire.Connection) cell { return s.moment(c.UpdatedAt) }},
		},
	}
}

func newConnectionList(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the connections",
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			page, err := api.Connections(cmd.Context())
			if err != nil {
				return err
			}
			return list(s, page, s.connectionView())
		},
	}
}

func newConnectionShow(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "show [CONNECTION]", Short: "Show one connection, by name, site, server or id",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.connection(cmd.Context(), first(args))
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			if c, err = api.Connection(cmd.Context(), c.ID); err != nil { // a list does not hold the checks
				return err
			}
			v := s.connectionView()
			if s.format == formatTable && len(s.fields) == 0 {
				v.details, err = s.connectionDetails(cmd.Context(), c)
				if err != nil {
					return err
				}
			}
			return show(s, c, v)
		},
	}
}

// connectionDetails labels the settings as their form does.
func (s *session) connectionDetails(ctx context.Context, c wire.Connection) (func(wire.Connection) []detail, error) {
	api, err := s.client()
	if err != nil {
		return nil, err
	}
	in, err := api.Integration(ctx, c.Integration)
	if err != nil {
		return nil, err
	}
	return func(c wire.Connection) []detail {
		kind := in.Name
		if c.Beta {
			kind += " (Beta)"
		}
		lines := []detail{{"Id", text(c.ID)}, {"Name", text(c.DisplayName)}, {"State", connectionState(c)}, {"Integration", text(kind)}}
		for _, f := range in.Fields {
			lines = append(lines, detail{f.Label, text(c.Settings[f.Key])})
		}
		lines = append(lines, detail{"Version", text(strconv.Itoa(c.Version))}, detail{"Created", s.exact(c.CreatedAt)},
			detail{"Changed", text(s.exact(c.UpdatedAt).text + by(c.UpdatedBy))})
		return append(lines, s.connectionFacts(c)...)
	}, nil
}

func newConnectionDelete(s *session) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "delete CONNECTION", Short: "Remove a connection that no app is bound to",
		Long: "Remove a connection and its secret. It is refused while apps are bound to it, or when\n" +
			"access was given through it: retire it instead. On a terminal its name is asked for.",
		Example: "margay connection delete acme\nmargay connection delete acme --confirm \"Tableau – acme\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.connection(cmd.Context(), first(args))
			if err != nil {
				return err
			}
			fmt.Fprintf(s.err, "%s  %s  %s\n", c.ID, visible(c.DisplayName), visible(c.Settings["server_url"]))
			if name == "" {
				if err := s.confirmName(cmd.Context(), "Remove this connection and its secret?", c.DisplayName); err != nil {
					return err
				}
				name = c.DisplayName
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			if err := api.DeleteConnection(cmd.Context(), c.ID, name); err != nil {
				return err
			}
			return told(s, c, s.connectionView(), "Removed", c.DisplayName)
		},
	}
	cmd.Flags().StringVar(&name, "confirm", "", "the connection's name, instead of being asked for it")
	return cmd
}

// checkView shows the results of health checks.
func checkView() view[wire.Check] {
	return view[wire.Check]{
		none: "This integration has no checks.",
		id:   func(c wire.Check) string { return c.Name },
		columns: []column[wire.Check]{
			{name: "Status", keep: true, cell: func(c wire.Check) cell {
				if c.Status == "pass" {
					return cell{text: "PASS", tint: good}
				}
				return cell{text: strings.ToUpper(c.Status), tint: bad}
			}},
			{name: "Check", cell: func(c wire.Check) cell { return text(c.Name) }},
			{name: "Message", cell: func(c wire.Check) cell { return text(c.Message) }},
			{name: "Time", keep: true, cell: func(c wire.Check) cell {
				took := strconv.FormatInt(c.DurationMS, 10) + " ms"
				if c.WaitedMS > 0 {
					took += fmt.Sprintf(" after a wait of %d s", (c.WaitedMS+500)/1000)
				}
				return text(took)
			}},
		},
	}
}

func newConnectionCheck(s *session) *cobra.Command {
	var only []string
	cmd := &cobra.Command{
		Use: "check [CONNECTION]", Short: "Run the health checks of a connection",
		Long: "Run the health checks of a connection, all of them or those that --only names: api,\n" +
			"session, content, users. They only read. The exit code is 8 when one fails.",
		Example: "margay connection check acme\nmargay connection check acme --only session,users",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.connection(cmd.Context(), first(args))
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			page, err := api.CheckConnection(cmd.Context(), c.ID, cleaned(only)...)
			if e, ok := errors.AsType[*client.Error](err); ok && e.Problem.Code == "check_missing" {
				return usage(strings.Join(e.Problem.NextSteps, " "), "%s", e.Problem.Detail)
			}
			if err != nil {
				return err
			}
			if err := s.showChecks(page); err != nil {
				return err
			}
			s.mends(c.ID, page.Items)
			return failedChecks(page.Items)
		},
	}
	cmd.Flags().StringSliceVar(&only, "only", nil, "run these checks only")
	return cmd
}

// showChecks writes the table, and below it what is known of each failure.
func (s *session) showChecks(page wire.List[wire.Check]) error {
	v := checkView()
	if s.format == formatCSV || s.format == formatTable && !s.term.shows {
		v.columns = append(v.columns,
			column[wire.Check]{name: "Detail", cell: func(c wire.Check) cell { return text(c.Detail) }},
			column[wire.Check]{name: "Hint", cell: func(c wire.Check) cell { return text(c.Hint) }})
	}
	if s.format == formatTable && s.term.shows {
		s.term.width = 0 // the sentences are whole, whatever the screen
	}
	if err := list(s, page, v); err != nil {
		return err
	}
	for _, c := range page.Items {
		if s.format != formatTable || !s.term.shows {
			break
		}
		if c.Detail != "" {
			fmt.Fprintf(s.out, "detail: %s: %s\n", visible(c.Name), visible(c.Detail))
		}
		if c.Hint != "" {
			fmt.Fprintf(s.out, "hint: %s: %s\n", visible(c.Name), visible(c.Hint))
		}
	}
	return nil
}

// mends names the commands that may mend what failed.
func (s *session) mends(id string, checks []wire.Check) {
	told := map[string]bool{}
	for _, c := range checks {
		for _, m := range c.Mends {
			if !told[m] {
				s.note("margay connection %s %s", m, id)
			}
			told[m] = true
		}
	}
}

func failedChecks(checks []wire.Check) error {
	failed := 0
	for _, c := range checks {
		if c.Status != "pass" {
			failed++
		}
	}
	if failed == 0 {
		return nil
	}
	return &outcomeError{code: exitTableau, shown: true, message: fmt.Sprintf("%d of %d checks failed.", failed, len(checks))}
}

// first returns the first argument, or "" when there is none.
func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

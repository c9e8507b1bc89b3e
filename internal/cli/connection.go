package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/margay-access/margay/internal/api/wire"
)

func newConnection(s *session) *cobra.Command {
	return group("connection", "Sites that Margay works with", []string{
		"margay connection add --server-url 10ax.online.tableau.com --site-content-url acme --pat-name margay --secret-file pat.txt",
		"margay connection check acme",
	}, newConnectionList(s), newConnectionShow(s), newConnectionAdd(s), newConnectionEdit(s), newConnectionCheck(s), newConnectionDelete(s))
}

// connectionView shows connections.
func (s *session) connectionView() view[wire.Connection] {
	return view[wire.Connection]{
		none: "There is no connection yet. Connect a site with: margay connection add",
		id:   func(c wire.Connection) string { return c.ID },
		columns: []column[wire.Connection]{
			{name: "Id", keep: true, cell: func(c wire.Connection) cell { return text(c.ID) }},
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
		lines := []detail{{"Id", text(c.ID)}, {"Name", text(c.DisplayName)}, {"Integration", text(kind)}}
		for _, f := range in.Fields {
			lines = append(lines, detail{f.Label, text(c.Settings[f.Key])})
		}
		return append(lines, detail{"Version", text(strconv.Itoa(c.Version))}, detail{"Created", s.exact(c.CreatedAt)}, detail{"Changed", s.exact(c.UpdatedAt)})
	}, nil
}

// settingsForm is the settings of a connection as flags and questions give them.
type settingsForm struct {
	serverURL, site, patName string
	secretFile               string
}

func (f *settingsForm) flags(flags *pflag.FlagSet) {
	flags.StringVar(&f.serverURL, "server-url", "", "Server URL: the host, without https://")
	flags.StringVar(&f.site, "site-content-url", "", "Site Content URL: what follows /site/; empty: the Default site")
	flags.StringVar(&f.patName, "pat-name", "", "Personal Access Token Name, exactly as in Tableau")
	flags.StringVar(&f.secretFile, "secret-file", "", "read the Personal Access Token Secret from this file; - is standard input")
}

// settings returns what the flags gave.
func (f *settingsForm) settings(s *session, flags *pflag.FlagSet) (map[string]string, error) {
	out := map[string]string{}
	for flag, value := range map[string]string{"server-url": f.serverURL, "site-content-url": f.site, "pat-name": f.patName} {
		if flags.Changed(flag) {
			out[strings.ReplaceAll(flag, "-", "_")] = value
		}
	}
	if f.secretFile == "" {
		return out, nil
	}
	secret, err := s.readInput(f.secretFile)
	if err != nil {
		return nil, err
	}
	out["pat_secret"] = strings.TrimSpace(secret)
	return out, nil
}

func newConnectionAdd(s *session) *cobra.Command {
	var form settingsForm
	cmd := &cobra.Command{
		Use: "add", Short: "Connect a site",
		Long: "Connect a site. What the flags do not give is asked for. The secret is typed without\n" +
			"being shown, or read from a file or standard input; there is no flag for it.",
		Example: "margay connection add\n" +
			"margay connection add --server-url 10ax.online.tableau.com --site-content-url acme --pat-name margay --secret-file - < pat.txt",
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			settings, err := form.settings(s, cmd.Flags())
			if err != nil {
				return err
			}
			in, err := api.Integration(cmd.Context(), "tableau")
			if err != nil {
				return err
			}
			if err := s.askSettings(cmd.Context(), in, settings); err != nil {
				return err
			}
			c, err := api.CreateConnection(cmd.Context(), wire.NewConnection{Integration: in.Kind, Settings: settings})
			if err != nil {
				return err
			}
			if err := told(s, c, s.connectionView(), "Added", c.DisplayName); err != nil {
				return err
			}
			s.note("margay connection check %s", c.ID)
			return nil
		},
	}
	form.flags(cmd.Flags())
	return cmd
}

// askSettings asks for the settings of a new connection that are not given.
func (s *session) askSettings(ctx context.Context, in wire.Integration, settings map[string]string) error {
	if !s.canAsk() {
		return nil // the server says what is missing
	}
	for _, f := range in.Fields {
		if _, ok := settings[f.Key]; ok {
			continue
		}
		question := f.Label
		if !f.Required {
			question += " (may be empty)"
		}
		value, err := s.askField(ctx, f, question)
		if err != nil {
			return err
		}
		settings[f.Key] = value
	}
	return nil
}

func (s *session) askField(ctx context.Context, f wire.Field, question string) (string, error) {
	fmt.Fprintln(s.err, visible(f.Help))
	if f.Secret {
		return s.askSecret(ctx, visible(question)+": ")
	}
	return s.ask(ctx, visible(question)+": ")
}

func newConnectionEdit(s *session) *cobra.Command {
	var form settingsForm
	cmd := &cobra.Command{
		Use: "edit CONNECTION", Short: "Change a connection",
		Long: "Change what the flags give and keep the rest. Without flags each setting is asked\n" +
			"for: an empty answer keeps it, and a single - as Site Content URL is the Default site.",
		Example: "margay connection edit acme --secret-file new-pat.txt --pat-name margay-2\n" +
			"margay connection edit acme --site-content-url \"\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.connection(cmd.Context(), first(args))
			if err != nil {
				return err
			}
			settings, err := form.settings(s, cmd.Flags())
			if err != nil {
				return err
			}
			if len(settings) == 0 {
				if !s.canAsk() {
					return needChange(cmd)
				}
				if err := s.askChanges(cmd.Context(), c, settings); err != nil {
					return err
				}
			}
			// The API saves the site always, and empty as the Default site. Here
			// what was not given stays.
			if _, ok := settings["site_content_url"]; !ok {
				settings["site_content_url"] = c.Settings["site_content_url"]
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			c, err = api.ChangeConnection(cmd.Context(), c.ID, wire.ChangedConnection{Settings: settings})
			if err != nil {
				return err
			}
			return told(s, c, s.connectionView(), "Changed", c.DisplayName)
		},
	}
	form.flags(cmd.Flags())
	return cmd
}

func (s *session) askChanges(ctx context.Context, c wire.Connection, settings map[string]string) error {
	api, err := s.client()
	if err != nil {
		return err
	}
	in, err := api.Integration(ctx, c.Integration)
	if err != nil {
		return err
	}
	for _, f := range in.Fields {
		question := f.Label + " [" + c.Settings[f.Key] + "]"
		if !f.KeepBlank {
			question += " (- for none)"
		}
		value, err := s.askField(ctx, f, question)
		if err != nil {
			return err
		}
		switch {
		case value == "-" && !f.KeepBlank:
			settings[f.Key] = ""
		case value != "":
			settings[f.Key] = value
		}
	}
	return nil
}

func newConnectionDelete(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "delete CONNECTION", Short: "Remove a connection that no app is bound to",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.connection(cmd.Context(), first(args))
			if err != nil {
				return err
			}
			fmt.Fprintf(s.err, "%s  %s  %s\n", c.ID, visible(c.DisplayName), visible(c.Settings["server_url"]))
			if err := s.confirm(cmd.Context(), "Remove this connection and its secret?"); err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			if err := api.DeleteConnection(cmd.Context(), c.ID); err != nil {
				return err
			}
			return told(s, c, s.connectionView(), "Removed", c.DisplayName)
		},
	}
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
			{name: "Time", keep: true, cell: func(c wire.Check) cell { return text(strconv.FormatInt(c.DurationMS, 10) + " ms") }},
		},
	}
}

func newConnectionCheck(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "check [CONNECTION]", Short: "Run the health checks of a connection",
		Long: "Run the health checks of a connection. They only read. The exit code is 8 when one fails.",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.connection(cmd.Context(), first(args))
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			page, err := api.CheckConnection(cmd.Context(), c.ID)
			if err != nil {
				return err
			}
			if err := s.showChecks(page); err != nil {
				return err
			}
			return failedChecks(page.Items)
		},
	}
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

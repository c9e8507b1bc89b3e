package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/margay-access/margay/internal/api/wire"
)

// settingsForm is the settings of a connection as flags and questions give them.
type settingsForm struct {
	serverURL, site, patName string
	secretFile               string
	set                      []string
}

func (f *settingsForm) flags(flags *pflag.FlagSet) {
	flags.StringVar(&f.serverURL, "server-url", "", "Server URL: the host, without https://")
	flags.StringVar(&f.site, "site-content-url", "", "Site Content URL: what follows /site/; empty: the Default site")
	flags.StringArrayVar(&f.set, "set", nil, "a setting of another integration, key=value; may be repeated")
	f.credentials(flags)
}

// credentials adds the flags of what a rotation replaces.
func (f *settingsForm) credentials(flags *pflag.FlagSet) {
	flags.StringVar(&f.patName, "pat-name", "", "Personal Access Token Name, exactly as in Tableau")
	flags.StringVar(&f.secretFile, "secret-file", "", "read the secret from this file; - is standard input")
}

// settings returns what the flags gave. A secret comes from a file or standard
// input only: a command line can be seen by others.
func (f *settingsForm) settings(s *session, in wire.Integration, flags *pflag.FlagSet) (map[string]string, error) {
	out := map[string]string{}
	for flag, value := range map[string]string{"server-url": f.serverURL, "site-content-url": f.site, "pat-name": f.patName} {
		if flags.Changed(flag) {
			out[strings.ReplaceAll(flag, "-", "_")] = value
		}
	}
	for _, pair := range f.set {
		key, value, ok := strings.Cut(pair, "=")
		field := slices.IndexFunc(in.Fields, func(f wire.Field) bool { return f.Key == key })
		switch {
		case !ok || field < 0:
			return nil, usage("Its settings are: "+strings.Join(keysOf(in.Fields), ", "), "%s has no setting %q.", in.Name, key)
		case in.Fields[field].Secret:
			return nil, usage("Use --secret-file FILE, or - for standard input.", "%s is a secret: it is not given on the command line.", in.Fields[field].Label)
		}
		out[key] = value
	}
	if f.secretFile == "" {
		return out, nil
	}
	secret, err := s.readInput(f.secretFile)
	if err != nil {
		return nil, err
	}
	for _, field := range in.Fields {
		if field.Secret {
			out[field.Key] = strings.TrimSpace(secret)
		}
	}
	return out, nil
}

func keysOf(fields []wire.Field) []string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.Key
	}
	return keys
}

func newConnectionAdd(s *session) *cobra.Command {
	var form settingsForm
	var try bool
	cmd := &cobra.Command{
		Use: "add [INTEGRATION]", Short: "Connect a site",
		Long: "Connect a site. What the flags do not give is asked for. The secret is typed without\n" +
			"being shown, or read from a file or standard input; there is no flag for it.\n" +
			"--dry-run runs the checks with the settings and saves nothing.",
		Example: "margay connection add\n" +
			"margay connection add --server-url 10ax.online.tableau.com --site-content-url acme --pat-name margay --secret-file - < pat.txt",
		RunE: func(cmd *cobra.Command, args []string) error {
			kind := first(args)
			if kind == "" {
				kind = "tableau"
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			in, err := api.Integration(cmd.Context(), kind)
			if err != nil {
				return err
			}
			settings, err := form.settings(s, in, cmd.Flags())
			if err != nil {
				return err
			}
			if err := s.askSettings(cmd.Context(), in, settings); err != nil {
				return err
			}
			if try {
				page, err := api.TestConnection(cmd.Context(), wire.TestConnection{Integration: in.Kind, Settings: settings})
				if err != nil {
					return err
				}
				if err := s.showChecks(page); err != nil {
					return err
				}
				return failedChecks(page.Items)
			}
			if err := s.warnOfSame(cmd.Context(), in, settings); err != nil {
				return err
			}
			c, err := api.CreateConnection(cmd.Context(), wire.NewConnection{Integration: in.Kind, Settings: settings})
			if err != nil {
				return err
			}
			for _, w := range c.Warnings {
				s.warn("%s", w)
			}
			if err := told(s, c, s.connectionView(), "Added", c.DisplayName); err != nil {
				return err
			}
			s.note("margay connection check %s", c.ID)
			return nil
		},
	}
	form.flags(cmd.Flags())
	cmd.Flags().BoolVar(&try, "dry-run", false, "run the checks with these settings and save nothing")
	return cmd
}

// warnOfSame says on a terminal, before anything is saved, that a connection with
// these settings is there already, and asks. What was typed may be more than what
// is stored, such as a whole address.
func (s *session) warnOfSame(ctx context.Context, in wire.Integration, settings map[string]string) error {
	if !s.canAsk() {
		return nil // the answer says so
	}
	api, err := s.client()
	if err != nil {
		return err
	}
	all, err := api.Connections(ctx)
	if err != nil {
		return err
	}
	for _, c := range all.Items {
		same := c.Integration == in.Kind
		for _, f := range in.Fields {
			typed, stored := strings.ToLower(strings.TrimSpace(settings[f.Key])), strings.ToLower(c.Settings[f.Key])
			same = same && (f.Secret || typed == stored || stored != "" && strings.Contains(typed, stored))
		}
		if same {
			s.warn("There is a connection with the same settings already: %s (%s).", c.DisplayName, c.ID)
			return s.confirm(ctx, "Add another?")
		}
	}
	return nil
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
	var dry bool
	cmd := &cobra.Command{
		Use: "edit CONNECTION", Short: "Change a connection",
		Long: "Change what the flags give and keep the rest. Without flags each setting is asked\n" +
			"for: an empty answer keeps it, and a single - as Site Content URL is the Default site.\n" +
			"--dry-run says what would change, and how many live grants it meets, and saves nothing.\n" +
			"An edit that takes live grants to another site is asked about: --yes agrees.",
		Example: "margay connection edit acme --secret-file new-pat.txt --pat-name margay-2\n" +
			"margay connection edit acme --site-content-url \"\" --dry-run",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			c, err := s.connection(ctx, first(args))
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			in, err := api.Integration(ctx, c.Integration)
			if err != nil {
				return err
			}
			settings, err := form.settings(s, in, cmd.Flags())
			if err != nil {
				return err
			}
			if len(settings) == 0 {
				if !s.canAsk() {
					return needChange(cmd)
				}
				if err := s.askChanges(ctx, in, c, settings); err != nil {
					return err
				}
			}
			// The API saves some settings always, also as empty: a site that is left
			// out is the Default site. Here what was not given stays.
			for _, f := range in.Fields {
				if _, ok := settings[f.Key]; !ok && !f.KeepBlank {
					settings[f.Key] = c.Settings[f.Key]
				}
			}
			change := wire.ChangedConnection{Settings: settings, Version: c.Version}
			plan, err := api.PreviewConnection(ctx, c.ID, change)
			if err != nil {
				return err
			}
			if dry {
				return s.showPlan(plan)
			}
			if change.Agree, err = s.agree(ctx, plan); err != nil {
				return err
			}
			c, err = api.ChangeConnection(ctx, c.ID, change)
			if err != nil {
				return err
			}
			if len(plan.Changes) == 0 {
				return told(s, c, s.connectionView(), "Nothing was changed", c.DisplayName)
			}
			return told(s, c, s.connectionView(), "Changed", c.DisplayName)
		},
	}
	form.flags(cmd.Flags())
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would change and save nothing")
	return cmd
}

// agree shows what people should know before an edit, and asks whether live
// grants may go elsewhere with it. It says whether that was agreed to.
func (s *session) agree(ctx context.Context, plan wire.EditPlan) (bool, error) {
	for _, w := range plan.Warnings {
		s.warn("%s", w)
	}
	if plan.LiveGrants == 0 || !plan.Moves {
		return false, nil
	}
	return true, s.confirm(ctx, "Save all the same?")
}

// showPlan shows what an edit would do.
func (s *session) showPlan(plan wire.EditPlan) error {
	if s.format != formatTable {
		return show(s, plan, view[wire.EditPlan]{id: func(p wire.EditPlan) string { return p.NameAfter }})
	}
	err := list(s, wire.List[wire.FieldChange]{Items: plan.Changes}, view[wire.FieldChange]{
		none: "Nothing would change.", id: func(c wire.FieldChange) string { return c.Key },
		columns: []column[wire.FieldChange]{
			{name: "Field", keep: true, cell: func(c wire.FieldChange) cell { return text(c.Label) }},
			{name: "Now", cell: func(c wire.FieldChange) cell { return text(c.Before) }},
			{name: "Will be", cell: func(c wire.FieldChange) cell { return text(c.After) }},
		},
	})
	if err != nil {
		return err
	}
	if len(plan.Changes) == 0 && !s.term.shows { // a pipe gets the head of an empty table
		s.note("Nothing would change.")
	}
	if plan.NameBefore != plan.NameAfter {
		s.note("The connection will be called %s.", plan.NameAfter)
	}
	for _, w := range plan.Warnings {
		s.warn("%s", w)
	}
	return nil
}

func (s *session) askChanges(ctx context.Context, in wire.Integration, c wire.Connection, settings map[string]string) error {
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

func newConnectionRotate(s *session) *cobra.Command {
	var form settingsForm
	cmd := &cobra.Command{
		Use: "rotate CONNECTION", Short: "Replace the token of a connection",
		Long: "Replace the token of a connection. Make the new one in Tableau first. It is tried\n" +
			"before the old one is dropped: when Tableau refuses it, nothing is changed. The secret\n" +
			"is asked for without being shown, or read from --secret-file.",
		Example: "margay connection rotate acme --pat-name margay-2026\n" +
			"margay connection rotate acme --secret-file - < pat.txt",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			c, err := s.connection(ctx, first(args))
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			in, err := api.Integration(ctx, c.Integration)
			if err != nil {
				return err
			}
			settings, err := form.settings(s, in, cmd.Flags())
			if err != nil {
				return err
			}
			if err := s.askCredentials(ctx, in, c, settings); err != nil {
				return err
			}
			c, err = api.RotateConnection(ctx, c.ID, wire.ChangedConnection{Settings: settings, Version: c.Version})
			if err != nil {
				return err
			}
			if err := told(s, c, s.connectionView(), "Rotated", c.DisplayName); err != nil {
				return err
			}
			s.note("Delete the old token in %s now: nothing uses it any more.", in.Name)
			return nil
		},
	}
	form.credentials(cmd.Flags())
	return cmd
}

// askCredentials asks for those credentials that the flags did not give; what is
// no secret may stay.
func (s *session) askCredentials(ctx context.Context, in wire.Integration, c wire.Connection, settings map[string]string) error {
	if !s.canAsk() {
		return nil
	}
	for _, f := range in.Fields {
		if _, ok := settings[f.Key]; ok || !f.Credential {
			continue
		}
		question := f.Label
		if !f.Secret {
			question += " [" + c.Settings[f.Key] + "]"
		}
		value, err := s.askField(ctx, f, question)
		if err != nil {
			return err
		}
		if value != "" {
			settings[f.Key] = value
		}
	}
	return nil
}

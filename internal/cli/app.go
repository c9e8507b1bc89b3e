package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/margay-access/margay/internal/api/wire"
)

func newApp(s *session) *cobra.Command {
	return group("app", "What people ask access to", []string{
		"margay app add tableau --connection acme --policy standard --owner ana@acme.example",
	}, newAppList(s), newAppShow(s), newAppAdd(s), newAppEdit(s))
}

// appView shows apps.
func (s *session) appView(ctx context.Context) view[wire.App] {
	return view[wire.App]{
		none: "There is no app yet. Make one with: margay app add NAME",
		id:   func(a wire.App) string { return a.ID },
		columns: []column[wire.App]{
			{name: "Id", keep: true, cell: func(a wire.App) cell { return text(a.ID) }},
			{name: "Name", cell: func(a wire.App) cell { return text(a.Name) }},
			{name: "Connection", cell: func(a wire.App) cell { return text(s.connectionName(ctx, a.ConnectionID)) }},
			{name: "Policy", cell: func(a wire.App) cell { return text(s.policyName(ctx, a.PolicyID)) }},
			{name: "Owners", cell: func(a wire.App) cell { return text(s.personNames(ctx, a.OwnerIDs)) }},
		},
		details: func(a wire.App) []detail {
			return []detail{
				{"Id", text(a.ID)},
				{"Name", text(a.Name)},
				{"Connection", text(s.connectionName(ctx, a.ConnectionID))},
				{"Policy", text(s.policyName(ctx, a.PolicyID))},
				{"Owners", text(s.personNames(ctx, a.OwnerIDs))},
				{"On revoke", text(a.OnRevoke)},
				{"Provisioning workflow", text(a.ProvisionWorkflowID)},
				{"Deprovisioning workflow", text(a.DeprovisionWorkflowID)},
				{"Created", s.exact(a.CreatedAt)},
			}
		},
	}
}

func newAppList(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the apps",
		RunE: func(cmd *cobra.Command, _ []string) error {
			apps, err := s.apps(cmd.Context())
			if err != nil {
				return err
			}
			return list(s, wire.List[wire.App]{Items: apps}, s.appView(cmd.Context()))
		},
	}
}

func newAppShow(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "show APP", Short: "Show one app, by name or id",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := s.app(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return show(s, a, s.appView(cmd.Context()))
		},
	}
}

// appForm is what flags say of an app, by names.
type appForm struct {
	connection, policy     string
	provision, deprovision string
	onRevoke               string
	owners, ownerGroups    []string
	profile                string
}

func (f *appForm) flags(flags *pflag.FlagSet) {
	flags.StringVar(&f.connection, "connection", "", "the site, by name or id (default: the only one)")
	flags.StringVar(&f.policy, "policy", "", "under which rules its roles are given, by name or id")
	flags.StringSliceVar(&f.owners, "owner", nil, "who owns it, by e-mail address; may be repeated")
	flags.StringSliceVar(&f.ownerGroups, "owner-group", nil, "a group whose members own it; may be repeated")
	flags.StringVar(&f.profile, "profile", "", "who may ask, by name or id; empty: everybody")
	flags.StringVar(&f.onRevoke, "on-revoke", "", "what ends access: strongest (the strongest role that other grants give) or unlicensed")
	flags.StringVar(&f.provision, "provision-workflow", "", "the workflow that carries access out (default: the integration's)")
	flags.StringVar(&f.deprovision, "deprovision-workflow", "", "the workflow that takes it back (default: the integration's)")
}

func (f *appForm) known() error {
	if f.onRevoke != "" && f.onRevoke != "strongest" && f.onRevoke != "unlicensed" {
		return usage("Say --on-revoke strongest or --on-revoke unlicensed.", "%q is no way to end access.", f.onRevoke)
	}
	return nil
}

// resolved returns the ids behind the names.
func (f *appForm) resolved(ctx context.Context, s *session) (wire.NewApp, error) {
	out := wire.NewApp{OnRevoke: f.onRevoke}
	err := f.known()
	for _, step := range []struct {
		ref  string
		to   *string
		find func(context.Context, string) (string, error)
	}{
		{f.policy, &out.PolicyID, s.policyID},
		{f.profile, &out.ProfileID, s.profileID},
		{f.provision, &out.ProvisionWorkflowID, s.workflowID},
		{f.deprovision, &out.DeprovisionWorkflowID, s.workflowID},
	} {
		if err == nil && step.ref != "" {
			*step.to, err = step.find(ctx, step.ref)
		}
	}
	if err == nil {
		out.OwnerIDs, err = s.personIDs(ctx, cleaned(f.owners))
	}
	if err == nil {
		out.OwnerGroupIDs, err = s.groupIDs(ctx, cleaned(f.ownerGroups))
	}
	return out, err
}

// cleaned returns the texts that are not empty.
func cleaned(texts []string) []string {
	var out []string
	for _, t := range texts {
		if t = strings.TrimSpace(t); t != "" {
			out = append(out, t)
		}
	}
	return out
}

func (s *session) policyID(ctx context.Context, ref string) (string, error) {
	p, err := s.policy(ctx, ref)
	return p.ID, err
}

func (s *session) workflowID(ctx context.Context, ref string) (string, error) {
	w, err := s.workflow(ctx, ref)
	return w.ID, err
}

func newAppAdd(s *session) *cobra.Command {
	var form appForm
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Make an app",
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := form.resolved(cmd.Context(), s)
			if err != nil {
				return err
			}
			c, err := s.connection(cmd.Context(), form.connection)
			if err != nil {
				return err
			}
			in.Name, in.ConnectionID = args[0], c.ID
			api, err := s.client()
			if err != nil {
				return err
			}
			a, err := api.CreateApp(cmd.Context(), in)
			if err != nil {
				return err
			}
			if err := told(s, a, s.appView(cmd.Context()), "Made", a.Name); err != nil {
				return err
			}
			s.note("margay role add %s --all", quoted(a.Name))
			return nil
		},
	}
	form.flags(cmd.Flags())
	return cmd
}

func newAppEdit(s *session) *cobra.Command {
	var form appForm
	var name string
	cmd := &cobra.Command{
		Use: "edit APP", Short: "Change an app",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needChange(cmd); err != nil {
				return err
			}
			a, err := s.app(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			in, err := form.resolved(cmd.Context(), s)
			if err != nil {
				return err
			}
			change := wire.ChangedApp{
				Name: given(cmd, "name", name), PolicyID: given(cmd, "policy", in.PolicyID), OnRevoke: given(cmd, "on-revoke", in.OnRevoke),
				ProvisionWorkflowID:   given(cmd, "provision-workflow", in.ProvisionWorkflowID),
				DeprovisionWorkflowID: given(cmd, "deprovision-workflow", in.DeprovisionWorkflowID), OwnerIDs: given(cmd, "owner", in.OwnerIDs),
				OwnerGroupIDs: given(cmd, "owner-group", in.OwnerGroupIDs), ProfileID: given(cmd, "profile", in.ProfileID),
				EditOf: wire.EditOf{Version: a.Version},
			}
			if cmd.Flags().Changed("connection") {
				c, err := s.connection(cmd.Context(), form.connection)
				if err != nil {
					return err
				}
				change.ConnectionID = &c.ID
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			a, err = api.ChangeApp(cmd.Context(), a.ID, change)
			if err != nil {
				return err
			}
			return told(s, a, s.appView(cmd.Context()), "Changed", a.Name)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "another name")
	form.flags(cmd.Flags())
	return cmd
}

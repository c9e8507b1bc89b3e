package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
)

func newRole(s *session) *cobra.Command {
	return group("role", "What is asked for inside an app", []string{
		"margay role add tableau --all", "margay role edit tableau/Creator --policy strict",
	}, newRoleList(s), newRoleShow(s), newRoleAdd(s), newRoleEdit(s))
}

// roleView shows roles.
func (s *session) roleView(ctx context.Context) view[wire.Role] {
	policy := func(r wire.Role) cell {
		if r.PolicyID == "" {
			return cell{tty: "the app's"}
		}
		return text(s.policyName(ctx, r.PolicyID))
	}
	return view[wire.Role]{
		none: "There is no role yet. Add those that Tableau has with: margay role add APP --all",
		id:   func(r wire.Role) string { return r.ID },
		columns: []column[wire.Role]{
			{name: "Id", keep: true, cell: func(r wire.Role) cell { return text(r.ID) }},
			{name: "App", cell: func(r wire.Role) cell { return text(s.appName(ctx, r.AppID)) }},
			{name: "Role", cell: func(r wire.Role) cell { return text(r.Name) }},
			{name: "Policy", cell: policy},
			{name: "Requestable", cell: func(r wire.Role) cell { return yesCell(r.Requestable) }},
			{name: "Description", cell: func(r wire.Role) cell { return text(r.Description) }},
		},
		details: func(r wire.Role) []detail {
			return []detail{
				{"Id", text(r.ID)},
				{"App", text(s.appName(ctx, r.AppID))},
				{"Role", text(r.Name)},
				{"Description", text(r.Description)},
				{"Policy", policy(r)},
				{"Requestable", yesCell(r.Requestable)},
				{"Provisioning workflow", text(r.ProvisionWorkflowID)},
				{"Deprovisioning workflow", text(r.DeprovisionWorkflowID)},
				{"Created", s.exact(r.CreatedAt)},
			}
		},
	}
}

func newRoleList(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "list [APP]", Short: "List the roles of an app, or of all",
		RunE: func(cmd *cobra.Command, args []string) error {
			var apps []wire.App
			var err error
			if len(args) == 1 {
				var a wire.App
				a, err = s.app(cmd.Context(), args[0])
				apps = []wire.App{a}
			} else {
				apps, err = s.apps(cmd.Context())
			}
			if err != nil {
				return err
			}
			page := wire.List[wire.Role]{Items: []wire.Role{}}
			for _, a := range apps {
				roles, err := s.rolesOf(cmd.Context(), a.ID)
				if err != nil {
					return err
				}
				page.Items = append(page.Items, roles...)
			}
			return list(s, page, s.roleView(cmd.Context()))
		},
	}
}

func newRoleShow(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "show APP/ROLE", Short: "Show one role",
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := s.role(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return show(s, r, s.roleView(cmd.Context()))
		},
	}
}

// roleForm is what flags say of a role, by names.
type roleForm struct {
	description, policy    string
	provision, deprovision string
}

func (f *roleForm) flags(flags *pflag.FlagSet) {
	flags.StringVar(&f.description, "description", "", "what it is for, as people who ask read it")
	flags.StringVar(&f.policy, "policy", "", "instead of the app's, by name or id")
	flags.StringVar(&f.provision, "provision-workflow", "", "instead of the app's, by name or id")
	flags.StringVar(&f.deprovision, "deprovision-workflow", "", "instead of the app's, by name or id")
}

func (f *roleForm) resolved(ctx context.Context, s *session) (wire.NewRole, error) {
	app, err := (&appForm{policy: f.policy, provision: f.provision, deprovision: f.deprovision}).resolved(ctx, s)
	return wire.NewRole{
		Description: f.description, PolicyID: app.PolicyID,
		ProvisionWorkflowID: app.ProvisionWorkflowID, DeprovisionWorkflowID: app.DeprovisionWorkflowID,
	}, err
}

func newRoleAdd(s *session) *cobra.Command {
	var form roleForm
	var all bool
	cmd := &cobra.Command{
		Use: "add APP [ROLE...]", Short: "Add roles to an app",
		Long: "Add roles to an app. The name of a role is that of the Tableau site role, exactly;\n" +
			"--all adds every one that the app's workflows carry out. Roles that are there stay.",
		Example: "margay role add tableau --all\nmargay role add tableau Viewer Creator --policy strict",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := s.app(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			in, err := form.resolved(cmd.Context(), s)
			if err != nil {
				return err
			}
			names := args[1:]
			if all != (len(names) == 0) {
				return usage("margay role add APP ROLE, or margay role add APP --all", "Say which roles, or --all, and not both.")
			}
			if all {
				if names, err = s.missingRoles(cmd.Context(), a); err != nil {
					return err
				}
			}
			return s.addRoles(cmd.Context(), a, names, in)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every role that the app's workflows carry out")
	form.flags(cmd.Flags())
	return cmd
}

// missingRoles returns the roles that the integration of an app carries out and
// the app does not have.
func (s *session) missingRoles(ctx context.Context, a wire.App) ([]string, error) {
	api, err := s.client()
	if err != nil {
		return nil, err
	}
	c, err := api.Connection(ctx, a.ConnectionID)
	if err != nil {
		return nil, err
	}
	in, err := api.Integration(ctx, c.Integration)
	if err != nil {
		return nil, err
	}
	there, err := s.rolesOf(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(in.Roles), func(name string) bool {
		return slices.ContainsFunc(there, func(r wire.Role) bool { return r.Name == name })
	}), nil
}

// addRoles adds one role after the other, and goes on when one is refused.
func (s *session) addRoles(ctx context.Context, a wire.App, names []string, in wire.NewRole) error {
	api, err := s.client()
	if err != nil {
		return err
	}
	added := wire.List[wire.Role]{Items: []wire.Role{}}
	var failed error
	failures := 0
	for _, name := range names {
		in.Name = name
		r, err := api.CreateRole(ctx, a.ID, in)
		if err != nil {
			if _, ok := errors.AsType[*client.Error](err); !ok || len(names) == 1 {
				return err
			}
			s.tell(markFailed, "Not added", name, err.Error())
			failures, failed = failures+1, err
			continue
		}
		s.tell(markDone, "Added", r.ID, a.Name+"/"+r.Name)
		added.Items = append(added.Items, r)
	}
	if len(names) == 0 {
		s.tell(markDone, "Nothing to add", a.Name+" has every role")
	}
	if failed != nil && len(added.Items) == 0 {
		return failed
	}
	if s.format != formatTable {
		if err := list(s, added, s.roleView(ctx)); err != nil {
			return err
		}
	}
	return part(failures, len(names), "roles were not added")
}

// part ends the program when a part of several failed.
func part(failed, of int, what string) error {
	if failed == 0 {
		return nil
	}
	return &outcomeError{code: exitPart, shown: true, message: fmt.Sprintf("%d of %d %s.", failed, of, what)}
}

func newRoleEdit(s *session) *cobra.Command {
	var form roleForm
	var name string
	var requestable bool
	cmd := &cobra.Command{
		Use: "edit APP/ROLE", Short: "Change a role",
		Example: "margay role edit tableau/Creator --requestable=false",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needChange(cmd); err != nil {
				return err
			}
			r, err := s.role(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			in, err := form.resolved(cmd.Context(), s)
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			r, err = api.ChangeRole(cmd.Context(), r.AppID, r.ID, wire.ChangedRole{
				Name: given(cmd, "name", name), Description: given(cmd, "description", form.description), PolicyID: given(cmd, "policy", in.PolicyID),
				ProvisionWorkflowID:   given(cmd, "provision-workflow", in.ProvisionWorkflowID),
				DeprovisionWorkflowID: given(cmd, "deprovision-workflow", in.DeprovisionWorkflowID), Requestable: given(cmd, "requestable", requestable),
				EditOf: wire.EditOf{Version: r.Version},
			})
			if err != nil {
				return err
			}
			return told(s, r, s.roleView(cmd.Context()), "Changed", s.appName(cmd.Context(), r.AppID)+"/"+r.Name)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "the name of another site role")
	cmd.Flags().BoolVar(&requestable, "requestable", true, "people may ask for it")
	form.flags(cmd.Flags())
	return cmd
}

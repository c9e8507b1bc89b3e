package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/fault"
)

func newWorkflow(s *session) *cobra.Command {
	return group("workflow", "What carries access out and back", []string{"margay workflow install", "margay workflow list"},
		newWorkflowList(s), newWorkflowShow(s), newWorkflowNew(s), newWorkflowInstall(s), newWorkflowAssign(s), newWorkflowSet(s), newWorkflowEdit(s),
		newWorkflowDiff(s), newWorkflowPublish(s), newWorkflowDiscard(s), newWorkflowVersions(s), newWorkflowRestore(s), newWorkflowUpdate(s),
		newWorkflowDuplicate(s), newWorkflowArchive(s), newWorkflowUnarchive(s), newWorkflowPull(s), newWorkflowPush(s), newWorkflowTypes(s), newWorkflowRun(s), newWorkflowTest(s))
}

// workflowView shows workflows.
func (s *session) workflowView() view[wire.Workflow] {
	return view[wire.Workflow]{
		none: "There is no workflow yet. Install those of Tableau with: margay workflow install",
		id:   func(w wire.Workflow) string { return w.ID },
		columns: []column[wire.Workflow]{
			{name: "Id", keep: true, cell: func(w wire.Workflow) cell { return text(w.ID) }},
			{name: "Name", cell: func(w wire.Workflow) cell { return text(w.Name) }},
			{name: "Type", cell: func(w wire.Workflow) cell { return text(strings.ReplaceAll(w.Type, "_", " ")) }},
			{name: "Bundle", cell: func(w wire.Workflow) cell { return text(w.Bundle) }},
			{name: "Published", cell: func(w wire.Workflow) cell { return text(w.Version) }},
			{name: "Tags", cell: func(w wire.Workflow) cell { return text(strings.Join(w.Tags, " ")) }},
			{name: "Note", cell: func(w wire.Workflow) cell {
				switch {
				case w.UpdateAvailable > 0:
					return text("update available")
				case w.Paused:
					return text("paused")
				case w.NextRunAt != nil:
					return text("next " + w.NextRunAt.UTC().Format("2006-01-02 15:04"))
				}
				return cell{}
			}},
			{name: "Created", cell: func(w wire.Workflow) cell { return s.moment(w.CreatedAt) }},
		},
	}
}

func newWorkflowList(s *session) *cobra.Command {
	var mayRun bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the workflows",
		Example: "margay workflow list\nmargay workflow list --may-run",
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			v, all := s.workflowView(), api.Workflows
			if mayRun {
				v.none, all = "There is no workflow that you may run.", api.StartableWorkflows
			}
			page, err := all(cmd.Context())
			if err != nil {
				return err
			}
			return list(s, page, v)
		},
	}
	cmd.Flags().BoolVar(&mayRun, "may-run", false, "those alone that you may run now")
	return cmd
}

func newWorkflowTypes(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "types [INTEGRATION]", Short: "Print margay.d.ts: what workflows may import and call",
		Long:    "Print the declarations that an editor checks workflows against (default: of Tableau). pull writes them beside the files.",
		Example: "margay workflow types > margay.d.ts",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			integration := "tableau"
			if len(args) > 0 {
				integration = args[0]
			}
			d, err := api.Declarations(cmd.Context(), integration)
			if err != nil {
				return err
			}
			if s.format != formatTable {
				return show(s, d, view[wire.Declarations]{})
			}
			_, err = fmt.Fprint(s.out, d.Text)
			return err
		},
	}
}

func newWorkflowInstall(s *session) *cobra.Command {
	var plan bool
	var app string
	var roles []string
	cmd := &cobra.Command{
		Use: "install [BUNDLE]", Short: "Install the workflows that an integration ships, as editable copies",
		Long: "Install the workflows of a bundle (default: the only one) as editable copies. Those that\n" +
			"are installed stay as they are. --plan tells what would be installed: exit code 10 when\n" +
			"there is something, 0 when there is nothing.",
		Example: "margay workflow install tableau/access-management",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			all, err := api.Bundles(cmd.Context())
			if err != nil {
				return err
			}
			b, err := bundle(all.Items, args)
			if err != nil {
				return err
			}
			if plan {
				return s.planBundle(b)
			}
			in, err := s.assignment(cmd.Context(), app, roles)
			if err != nil {
				return err
			}
			page, err := api.InstallBundleFor(cmd.Context(), b.Integration, b.Slug, in)
			if err != nil {
				return err
			}
			for _, w := range page.Items {
				s.tell(markDone, "Installed", w.ID, w.Name)
			}
			if s.format == formatTable {
				return nil
			}
			return list(s, page, s.workflowView())
		},
	}
	cmd.Flags().StringVar(&app, "app", "", "they carry out this app's roles from then on")
	cmd.Flags().StringSliceVar(&roles, "role", nil, "with --app: these roles alone, by name")
	cmd.Flags().BoolVar(&plan, "plan", false, "change nothing, tell what would be installed")
	return cmd
}

// bundle returns the bundle that is named, or the only one.
func bundle(all []wire.Bundle, args []string) (wire.Bundle, error) {
	name := func(b wire.Bundle) string { return b.Integration + "/" + b.Slug }
	names := make([]string, len(all))
	for i, b := range all {
		names[i] = name(b)
		if len(args) == 1 && args[0] == names[i] {
			return b, nil
		}
	}
	if len(args) == 0 && len(all) == 1 {
		return all[0], nil
	}
	if len(args) == 0 {
		return wire.Bundle{}, usage("There are: "+strings.Join(names, ", "), "Say which bundle.")
	}
	return wire.Bundle{}, fault.New(fault.NotFound, "There is no bundle %q.", args[0]).WithCode("not_found").
		WithHint("There are: %s", strings.Join(names, ", "))
}

// planBundle tells which workflows of a bundle are not installed.
func (s *session) planBundle(b wire.Bundle) error {
	page := wire.List[wire.BundleWorkflow]{Items: []wire.BundleWorkflow{}}
	for _, w := range b.Workflows {
		if w.ID == "" {
			page.Items = append(page.Items, w)
		}
	}
	err := list(s, page, view[wire.BundleWorkflow]{
		none: "Nothing to install.",
		id:   func(w wire.BundleWorkflow) string { return w.Slug },
		columns: []column[wire.BundleWorkflow]{
			{name: "Workflow", keep: true, cell: func(w wire.BundleWorkflow) cell { return text(w.Slug) }},
			{name: "Name", cell: func(w wire.BundleWorkflow) cell { return text(w.Name) }},
			{name: "Type", cell: func(w wire.BundleWorkflow) cell { return text(w.Type) }},
		},
	})
	if err != nil || len(page.Items) == 0 {
		return err
	}
	return &outcomeError{code: exitPlan, shown: true, message: fmt.Sprintf("%d workflows would be installed.", len(page.Items)), hint: "margay workflow install"}
}

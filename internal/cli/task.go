package cli

import (
	"cmp"
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
)

func newTask(s *session) *cobra.Command {
	return group("task", "What people carry out by hand", []string{
		"margay task list --mine", "margay task done TASK --note \"set in the console\"", "margay task method tableau/Viewer --manual --by ana@acme.example",
	}, newTaskList(s), newTaskFinish(s, true), newTaskFinish(s, false), newTaskMethod(s))
}

// taskView shows tasks.
func (s *session) taskView(ctx context.Context) view[wire.Task] {
	what := map[string]string{"provision": "give", "deprovision": "take back"}
	return view[wire.Task]{
		none: "There is nothing to do by hand.",
		id:   func(t wire.Task) string { return t.ID },
		columns: []column[wire.Task]{
			{name: "Id", keep: true, cell: func(t wire.Task) cell { return text(t.ID) }},
			{name: "State", keep: true, cell: func(t wire.Task) cell { return stateCell(t.State) }},
			{name: "Do", cell: func(t wire.Task) cell { return text(what[t.Kind]) }},
			{name: "Role", cell: func(t wire.Task) cell { return text(t.RoleName) }},
			{name: "App", cell: func(t wire.Task) cell { return text(s.appName(ctx, t.AppID)) }},
			{name: "Person", cell: func(t wire.Task) cell { return text(s.personName(ctx, t.PersonID)) }},
			{name: "By", cell: func(t wire.Task) cell { return text(s.personNames(ctx, t.PersonIDs)) }},
			{name: "Since", cell: func(t wire.Task) cell { return s.moment(t.CreatedAt) }},
			{name: "Note", cell: func(t wire.Task) cell { return text(t.Note) }},
		},
	}
}

func newTaskList(s *session) *cobra.Command {
	var p paging
	var f client.TaskFilter
	var app string
	cmd := &cobra.Command{
		Use: "list", Short: "List the tasks that you may see, newest first",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if app != "" {
				a, err := s.app(cmd.Context(), app)
				if err != nil {
					return err
				}
				f.App = a.ID
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			page, err := pages(s, p, func(page client.Page) (wire.List[wire.Task], error) { return api.Tasks(cmd.Context(), f, page) })
			if err != nil {
				return err
			}
			return list(s, page, s.taskView(cmd.Context()))
		},
	}
	cmd.Flags().StringVar(&f.State, "state", "open", "open, done, failed, dropped, or \"\" for all")
	cmd.Flags().StringVar(&app, "app", "", "of which app, by name or id")
	cmd.Flags().BoolVar(&f.Mine, "mine", false, "only those that you may do")
	p.flags(cmd.Flags())
	return cmd
}

func newTaskFinish(s *session, ok bool) *cobra.Command {
	var note string
	use, short, word := "done TASK", "Say that a task is done", "Done"
	if !ok {
		use, short, word = "fail TASK", "Say that a task cannot be done", "Failed"
	}
	cmd := &cobra.Command{
		Use: use, Short: short,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			t, err := api.FinishTask(cmd.Context(), args[0], ok, wire.TaskOutcome{Note: note})
			if err != nil {
				return err
			}
			return told(s, t, s.taskView(cmd.Context()), word, t.RoleName+" for "+s.personName(cmd.Context(), t.PersonID))
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "what was done, or why it could not be")
	return cmd
}

func newTaskMethod(s *session) *cobra.Command {
	var manual, workflows, inherit bool
	var by, groups []string
	var version int
	cmd := &cobra.Command{
		Use: "method APP|APP/ROLE", Short: "Show or say how access is carried out",
		RunE: func(cmd *cobra.Command, args []string) error {
			app, role, err := s.appOrRole(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			p, err := api.Provisioning(cmd.Context(), app, role)
			if err != nil {
				return err
			}
			in := wire.ChangedProvisioning{GroupIDs: groups, Version: cmp.Or(version, p.Version)}
			switch {
			case manual:
				in.Method = "manual"
				if in.PersonIDs, err = s.personIDs(cmd.Context(), by); err != nil {
					return err
				}
			case workflows:
				in.Method = "workflows"
			case !inherit:
				return show(s, p, s.methodView(cmd.Context()))
			}
			p, err = api.SetProvisioning(cmd.Context(), app, role, in)
			if err != nil {
				return err
			}
			return show(s, p, s.methodView(cmd.Context()))
		},
	}
	f := cmd.Flags()
	f.BoolVar(&manual, "manual", false, "a person does it and says when it is done")
	f.BoolVar(&workflows, "workflows", false, "the two workflows do it")
	f.BoolVar(&inherit, "as-app", false, "a role: as its app")
	f.StringSliceVar(&by, "by", nil, "who does it by hand, by e-mail address; several by commas")
	f.StringSliceVar(&groups, "group", nil, "ids of groups whose members may do it too")
	f.IntVar(&version, "version", 0, "the version that you saw: nothing is changed when somebody saved another since (default: the one that is stored)")
	cmd.MarkFlagsMutuallyExclusive("manual", "workflows", "as-app")
	return cmd
}

func (s *session) methodView(ctx context.Context) view[wire.Provisioning] {
	return view[wire.Provisioning]{
		id: func(p wire.Provisioning) string { return p.Method },
		columns: []column[wire.Provisioning]{
			{name: "Method", cell: func(p wire.Provisioning) cell { return cell{text: p.Method, tty: methodWord(p.Method)} }},
			{name: "By", cell: func(p wire.Provisioning) cell { return text(s.personNames(ctx, p.PersonIDs)) }},
			{name: "Version", cell: func(p wire.Provisioning) cell { return text(strconv.Itoa(p.Version)) }},
		},
	}
}

func methodWord(method string) string {
	if method == "" {
		return "as the app"
	}
	return method
}

// appOrRole finds an app, or a role written APP/ROLE.
func (s *session) appOrRole(ctx context.Context, ref string) (app, role string, err error) {
	if a, err := s.app(ctx, ref); err == nil {
		return a.ID, "", nil
	}
	r, err := s.role(ctx, ref)
	return r.AppID, r.ID, err
}

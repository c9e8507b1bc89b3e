package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
)

// mostHandled is how many runs are retried or cancelled in one call.
const mostHandled = 200

// handle retries or cancels several runs and tells of each. It fails when nothing
// was done with one of them.
func (s *session) handle(ctx context.Context, ids []string, word string, act func(ctx context.Context, ids []string) (wire.List[wire.HandledRun], error)) error {
	all := wire.List[wire.HandledRun]{Items: []wire.HandledRun{}}
	var broke error
	for len(ids) > 0 {
		n := min(len(ids), mostHandled)
		page, err := act(ctx, ids[:n])
		if err != nil { // what was done before is told all the same
			if len(all.Items) == 0 {
				return err
			}
			broke = err
			break
		}
		all.Items, ids = append(all.Items, page.Items...), ids[n:]
	}
	refused := 0
	for _, h := range all.Items {
		if h.Problem != nil {
			refused++
		}
	}
	err := list(s, all, view[wire.HandledRun]{
		none: "No run fits.",
		id:   func(h wire.HandledRun) string { return h.RunID },
		columns: []column[wire.HandledRun]{
			{name: "Run", keep: true, cell: func(h wire.HandledRun) cell { return text(h.RunID) }},
			{name: "New run", keep: true, cell: func(h wire.HandledRun) cell { return text(h.NewRunID) }},
			{name: "State", cell: func(h wire.HandledRun) cell { return stateCell(h.State) }},
			{name: "Problem", cell: func(h wire.HandledRun) cell {
				if h.Problem == nil {
					return cell{}
				}
				return text(h.Problem.Message)
			}},
		},
	})
	if err != nil {
		return err
	}
	if broke != nil {
		return broke
	}
	return part(refused, len(all.Items), "were not "+word)
}

// matching lists the ids of the runs that a filter picks.
func (s *session) matching(ctx context.Context, api *client.Client, f client.RunFilter) ([]string, error) {
	page, err := pages(s, paging{all: true, limit: mostHandled}, func(page client.Page) (wire.List[wire.Run], error) { return api.Runs(ctx, f, page) })
	ids := make([]string, len(page.Items))
	for i, r := range page.Items {
		ids[i] = r.ID
	}
	return ids, err
}

// manyFlags choose the runs of one act by what they are.
type manyFlags struct {
	state, workflow string
}

func (f *manyFlags) flags(cmd *cobra.Command, states string) {
	cmd.Flags().StringVar(&f.state, "state", "", "all runs in this state instead: "+states)
	cmd.Flags().StringVar(&f.workflow, "workflow", "", "with --state: of this workflow alone, by name or id")
}

// ids are those of the arguments, or of the runs that the flags pick.
func (f *manyFlags) ids(ctx context.Context, s *session, api *client.Client, args []string) ([]string, error) {
	if f.state == "" {
		if len(args) == 0 {
			return nil, usage("", "Name runs, or choose them with --state.")
		}
		return args, nil
	}
	if len(args) > 0 {
		return nil, usage("", "Name runs or choose them with --state, not both.")
	}
	if err := knownRunState(f.state); err != nil {
		return nil, err
	}
	filter := client.RunFilter{State: f.state}
	if f.workflow != "" {
		id, err := s.workflowID(ctx, f.workflow)
		if err != nil {
			return nil, err
		}
		filter.Workflow = id
	}
	return s.matching(ctx, api, filter)
}

// workflowName is how a workflow is called; its id when it cannot be read.
func (s *session) workflowName(ctx context.Context, id string) string {
	api, err := s.client()
	if err != nil {
		return id
	}
	w, err := api.Workflow(ctx, id)
	if err != nil {
		return id
	}
	return w.Name
}

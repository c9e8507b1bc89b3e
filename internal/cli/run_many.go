package cli

import (
	"context"
	"fmt"
	"time"

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

// manyFlags choose the runs of one act by what they are.
type manyFlags struct {
	state, workflow string
	since           time.Duration
	dry             bool
}

func (f *manyFlags) flags(cmd *cobra.Command, states string) {
	cmd.Flags().StringVar(&f.state, "state", "", "all runs in this state instead: "+states+"; it shows them and asks")
	cmd.Flags().StringVar(&f.workflow, "workflow", "", "with --state: of this workflow alone, by name or id")
	cmd.Flags().DurationVar(&f.since, "since", 30*24*time.Hour, "with --state: those queued in the last so long, such as 24h")
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "with --state: show the runs, and do nothing")
}

// act does one thing with the runs of the arguments, or with those that the flags
// pick, once they were shown and somebody has agreed.
func (f *manyFlags) act(ctx context.Context, s *session, api *client.Client, args []string, verb, done string,
	act func(ctx context.Context, ids []string) (wire.List[wire.HandledRun], error),
) error {
	if f.state == "" {
		switch {
		case len(args) == 0:
			return usage("", "Name runs, or choose them with --state.")
		case f.dry:
			return usage("", "--dry-run shows the runs that --state chooses: give it a state.")
		}
		return s.handle(ctx, args, done, act)
	}
	found, err := f.matching(ctx, s, api, args)
	if err != nil {
		return err
	}
	v := s.runView(ctx)
	v.none = "No run fits."
	if f.dry || len(found.Items) == 0 {
		return list(s, found, v)
	}
	ids := make([]string, len(found.Items))
	for i, r := range found.Items {
		ids[i] = r.ID
		fmt.Fprintln(s.err, visible(fmt.Sprintf("%s: %s, %s, queued %s", r.ID, states()[r.State].word, r.Kind, r.QueuedAt.UTC().Format(time.RFC3339))))
	}
	if err := s.confirm(ctx, fmt.Sprintf("%s all %d?", verb, len(ids))); err != nil {
		return err
	}
	return s.handle(ctx, ids, done, act)
}

// matching lists the runs that the flags pick.
func (f *manyFlags) matching(ctx context.Context, s *session, api *client.Client, args []string) (wire.List[wire.Run], error) {
	var none wire.List[wire.Run]
	if len(args) > 0 {
		return none, usage("", "Name runs or choose them with --state, not both.")
	}
	if err := knownRunState(f.state); err != nil {
		return none, err
	}
	filter := client.RunFilter{State: f.state, Since: s.now().Add(-f.since).UTC().Format(time.RFC3339)}
	if f.workflow != "" {
		id, err := s.workflowID(ctx, f.workflow)
		if err != nil {
			return none, err
		}
		filter.Workflow = id
	}
	return pages(s, paging{all: true, limit: mostHandled}, func(page client.Page) (wire.List[wire.Run], error) { return api.Runs(ctx, filter, page) })
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

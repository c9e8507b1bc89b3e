package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
)

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
func (f *manyFlags) act(ctx context.Context, s *session, api *client.Client, args []string, act string) error {
	if f.state == "" {
		switch {
		case len(args) == 0:
			return usage("", "Name runs, or choose them with --state.")
		case f.dry:
			return usage("", "--dry-run shows the runs that --state chooses: give it a state.")
		}
		return s.doMany(ctx, api, withMany{act: act, ids: args})
	}
	found, err := f.matching(ctx, s, api, args)
	if err != nil {
		return err
	}
	ids := make([]string, len(found.Items))
	for i, r := range found.Items {
		ids[i] = r.ID
	}
	chosen := "state " + f.state + ", queued in the last " + f.since.String()
	if f.workflow != "" {
		chosen += ", workflow " + f.workflow
	}
	return s.doMany(ctx, api, withMany{act: act, ids: ids, chosen: chosen, dry: f.dry})
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
	return pages(s, paging{limit: mostInBatch + 1}, func(page client.Page) (wire.List[wire.Run], error) { return api.Runs(ctx, filter, page) })
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

package cli

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
)

func newBatch(s *session) *cobra.Command {
	return group("batch", "What was done with many at once, and what came of each", []string{
		"margay batch list", "margay batch show BATCH --rows", "margay batch start BATCH --reason \"Project over\"",
	}, newBatchList(s), newBatchShow(s), newBatchStart(s), newBatchStop(s))
}

func (s *session) batchView(ctx context.Context) view[wire.Batch] {
	return view[wire.Batch]{
		none: "Nothing has been done with many. Choose some with, for instance: margay access revoke --app APP --role ROLE",
		id:   func(b wire.Batch) string { return b.ID },
		columns: []column[wire.Batch]{
			{name: "Id", keep: true, cell: func(b wire.Batch) cell { return text(b.ID) }},
			{name: "State", keep: true, cell: func(b wire.Batch) cell { return stateCell(b.State) }},
			{name: "What", cell: func(b wire.Batch) cell { return text(b.Label) }},
			{name: "Rows", cell: func(b wire.Batch) cell { return text(batchCounts(b.Counts)) }},
			{name: "By", cell: func(b wire.Batch) cell { return text(s.personName(ctx, b.ByID)) }},
			{name: "Prepared", cell: func(b wire.Batch) cell { return s.moment(b.PreparedAt) }},
		},
		details: func(b wire.Batch) []detail {
			lines := []detail{
				{"Id", text(b.ID)},
				{"State", stateCell(b.State)},
				{"What", text(b.Label)},
				{"Rows", text(batchCounts(b.Counts))},
				{"By", text(s.personName(ctx, b.ByID))},
				{"Prepared", s.exact(b.PreparedAt)},
			}
			for _, more := range []detail{
				{"Chosen", text(b.Chosen)},
				{"Why", text(b.Note)},
				{"Begun", s.exact(at(b.StartedAt))},
				{"Ended", s.exact(at(b.EndedAt))},
			} {
				if more.cell.text != "" {
					lines = append(lines, more)
				}
			}
			return lines
		},
	}
}

// batchCounts says how many rows of a batch are in which state.
func batchCounts(c wire.BatchCounts) string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{c.Ready, "to be done"}, {c.Done, "done"}, {c.Refused, "not done"}, {c.Skipped, "not begun"}, {c.LeftOut, "left out"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ")
}

func (s *session) batchRowView(ctx context.Context) view[wire.BatchRow] {
	return view[wire.BatchRow]{
		none: "No row fits.",
		id:   func(r wire.BatchRow) string { return r.ThingID },
		columns: []column[wire.BatchRow]{
			{name: "Id", keep: true, cell: func(r wire.BatchRow) cell { return text(r.ThingID) }},
			{name: "State", keep: true, cell: func(r wire.BatchRow) cell { return stateCell(r.State) }},
			{name: "Person", cell: func(r wire.BatchRow) cell { return text(s.rowPerson(ctx, r)) }},
			{name: "Name", cell: func(r wire.BatchRow) cell { return text(r.Name) }},
			{name: "Becomes", cell: func(r wire.BatchRow) cell { return text(becomes(r)) }},
			{name: "Run", cell: func(r wire.BatchRow) cell { return text(r.ResultID) }},
			{name: "Problem", cell: func(r wire.BatchRow) cell { return text(rowProblem(r)) }},
		},
	}
}

func (s *session) rowPerson(ctx context.Context, r wire.BatchRow) string {
	if r.PersonID == "" {
		return ""
	}
	return s.personName(ctx, r.PersonID)
}

// becomes says what becomes of a thing: "Creator → Unlicensed".
func becomes(r wire.BatchRow) string {
	if r.Before == r.After {
		return r.Because
	}
	return cmp.Or(r.Before, "not on the site") + " → " + cmp.Or(r.After, "not on the site")
}

func rowProblem(r wire.BatchRow) string {
	if r.Problem == nil {
		return ""
	}
	return r.Problem.Message
}

func newBatchList(s *session) *cobra.Command {
	var p paging
	var state string
	cmd := &cobra.Command{
		Use: "list", Short: "List your batches, and all of them as an administrator, newest first",
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			page, err := pages(s, p, func(page client.Page) (wire.List[wire.Batch], error) { return api.Batches(cmd.Context(), state, page) })
			if err != nil {
				return err
			}
			return list(s, page, s.batchView(cmd.Context()))
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "prepared, running, stopping, done or stopped; several by commas")
	p.flags(cmd.Flags())
	return cmd
}

func newBatchShow(s *session) *cobra.Command {
	var rows bool
	var state string
	cmd := &cobra.Command{
		Use: "show BATCH", Short: "Show how far a batch is, or what came of each of its rows",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			if rows || state != "" {
				page, err := s.batchRows(cmd.Context(), api, args[0], state)
				if err != nil {
					return err
				}
				return list(s, page, s.batchRowView(cmd.Context()))
			}
			b, err := api.Batch(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return show(s, b, s.batchView(cmd.Context()))
		},
	}
	cmd.Flags().BoolVar(&rows, "rows", false, "its rows, with what came of each")
	cmd.Flags().StringVar(&state, "state", "", "rows in this state alone: ready, left_out, done, refused or not_begun; several by commas")
	return cmd
}

// batchRows reads all rows of a batch.
func (s *session) batchRows(ctx context.Context, api *client.Client, id, state string) (wire.List[wire.BatchRow], error) {
	return pages(s, paging{all: true, limit: largestPage}, func(page client.Page) (wire.List[wire.BatchRow], error) { return api.BatchRows(ctx, id, state, page) })
}

func newBatchStart(s *session) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "start BATCH", Short: "Do what was prepared, and tell what came of each",
		Long: "Do what was prepared, on a page or with --dry-run, as it was shown, and tell what came of\n" +
			"each. It goes on when this command is interrupted: margay batch show BATCH tells the rest.",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			return s.startBatch(cmd.Context(), api, args[0], reason)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record of each")
	return cmd
}

func newBatchStop(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "stop BATCH", Short: "Begin nothing more of a batch",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			b, err := api.StopBatch(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return told(s, b, s.batchView(cmd.Context()), "Stopping", batchCounts(b.Counts))
		},
	}
}

// withMany is one act with many things from the command line.
type withMany struct {
	act    string
	ids    []string
	chosen string // by what they were chosen; "": one by one, which asks no more
	reason string
	dry    bool
}

// mostInBatch is how many things are in one batch at most.
const mostInBatch = 1000

// doMany prepares a batch, shows it, asks, has it done and tells what came of each.
// It fails when it was not done with one of them.
func (s *session) doMany(ctx context.Context, api *client.Client, w withMany) error {
	if len(w.ids) == 0 {
		return list(s, wire.List[wire.BatchRow]{Items: []wire.BatchRow{}}, s.batchRowView(ctx))
	}
	if len(w.ids) > mostInBatch {
		return usage("Narrow the filters, and do the rest after it.", "These are more than %d: that is more than is done at a time.", mostInBatch)
	}
	b, err := api.PrepareBatch(ctx, wire.NewBatch{Act: w.act, IDs: w.ids, Chosen: w.chosen})
	if err != nil {
		return err
	}
	if w.dry || b.Counts.Ready == 0 {
		rows, err := s.batchRows(ctx, api, b.ID, "")
		if err != nil {
			return err
		}
		if err := list(s, rows, s.batchRowView(ctx)); err != nil {
			return err
		}
		if w.dry {
			command := "margay batch start " + b.ID
			if w.reason != "" {
				command += " --reason " + strconv.Quote(w.reason)
			}
			s.note("%s", command)
			return nil
		}
		return part(b.Counts.LeftOut, b.Counts.LeftOut, "were left out: nothing can be done with them")
	}
	if w.chosen != "" {
		rows, err := s.batchRows(ctx, api, b.ID, "")
		if err != nil {
			return err
		}
		for _, r := range rows.Items {
			fmt.Fprintln(s.err, visible(strings.Join(filled(r.ThingID, stateCell(r.State).text, s.rowPerson(ctx, r), r.Name, becomes(r), rowProblem(r)), ", ")))
		}
		if err := s.confirm(ctx, fmt.Sprintf("%s: all %d?", b.Label, b.Counts.Ready)); err != nil {
			return err
		}
	}
	return s.startBatch(ctx, api, b.ID, w.reason)
}

// filled are the texts that say something.
func filled(texts ...string) []string {
	var list []string
	for _, t := range texts {
		if t != "" {
			list = append(list, t)
		}
	}
	return list
}

// startBatch starts a batch, follows it to its end and tells of each row.
func (s *session) startBatch(ctx context.Context, api *client.Client, id, reason string) error {
	if _, err := api.StartBatch(ctx, id, reason); err != nil {
		return err
	}
	told := 0
	b, err := follow(ctx, 0, func(ctx context.Context) (wire.Batch, error) { return api.Batch(ctx, id) }, func(b wire.Batch) bool {
		if now := b.Counts.Done + b.Counts.Refused; now >= told+largestPage {
			told = now
			fmt.Fprintf(s.err, "%d of %d.\n", now, now+b.Counts.Ready)
		}
		return b.State == "done" || b.State == "stopped"
	})
	if err != nil {
		return unfinished(err, "the batch", "margay batch show "+id+" --rows")
	}
	rows, err := s.batchRows(ctx, api, id, "")
	if err != nil {
		return err
	}
	if err := list(s, rows, s.batchRowView(ctx)); err != nil {
		return err
	}
	c := b.Counts
	return part(c.Refused+c.Skipped+c.LeftOut, c.Done+c.Refused+c.Skipped+c.LeftOut, "were not done")
}

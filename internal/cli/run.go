package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
)

func newRun(s *session) *cobra.Command {
	return group("run", "What workflows did", []string{"margay run list --state failed", "margay run show RUN"},
		newRunList(s), newRunShow(s), newRunWatch(s), newRunRetry(s), newRunCancel(s))
}

// runView shows runs.
func (s *session) runView(ctx context.Context) view[wire.Run] {
	return view[wire.Run]{
		none: "There is no run to see.",
		id:   func(r wire.Run) string { return r.ID },
		columns: []column[wire.Run]{
			{name: "Id", keep: true, cell: func(r wire.Run) cell { return text(r.ID) }},
			{name: "State", keep: true, cell: func(r wire.Run) cell { return stateCell(r.State) }},
			{name: "Kind", cell: func(r wire.Run) cell { return text(r.Kind) }},
			{name: "Person", cell: func(r wire.Run) cell { return text(s.personName(ctx, r.PersonID)) }},
			{name: "Attempt", cell: func(r wire.Run) cell { return text(strconv.Itoa(r.Attempt)) }},
			{name: "Queued", cell: func(r wire.Run) cell { return s.moment(r.QueuedAt) }},
			{name: "Took", cell: took},
			{name: "Problem", cell: func(r wire.Run) cell {
				if r.Problem == nil {
					return cell{}
				}
				return text(r.Problem.Message)
			}},
		},
		details: func(r wire.Run) []detail {
			return append([]detail{
				{"Id", text(r.ID)},
				{"State", stateCell(r.State)},
				{"", text(r.StateSentence)},
				{"Waits for", text(r.WaitsFor)},
				{"Kind", text(r.Kind)},
				{"Person", text(s.personName(ctx, r.PersonID))},
				{"Grant", text(r.GrantID)},
				{"Connection", text(s.connectionName(ctx, r.ConnectionID))},
				{"Workflow", text(r.WorkflowID)},
				{"Version", text(r.Version)},
				{"Trigger", text(r.Trigger)},
				{"Attempt", text(strconv.Itoa(r.Attempt))},
				{"Queued", s.exact(r.QueuedAt)},
				{"Not before", s.exact(at(r.NotBefore))},
				{"Started", s.exact(at(r.StartedAt))},
				{"Ended", s.exact(at(r.EndedAt))},
				{"Took", took(r)},
				{"Output", text(string(r.Output))},
				{"Retry of", text(r.RetryOf)},
				{"Cancelled by", text(r.CancelledBy)},
				{"A retry", text(r.RetryNote)},
			}, problemLines(r.Problem)...)
		},
	}
}

// took is a cell with how long a run ran.
func took(r wire.Run) cell {
	if r.StartedAt == nil || r.EndedAt == nil {
		return cell{}
	}
	d := r.EndedAt.Sub(*r.StartedAt)
	if d < time.Second {
		return text(strconv.FormatInt(d.Milliseconds(), 10) + " ms")
	}
	return text(d.Round(time.Second / 10).String())
}

func newRunList(s *session) *cobra.Command {
	var p paging
	var filter client.RunFilter
	var since time.Duration
	cmd := &cobra.Command{
		Use: "list", Short: "List the runs that you may see, newest first",
		Example: "margay run list --state failed --since 24h",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := knownRunState(filter.State); err != nil {
				return err
			}
			f := filter
			if since > 0 {
				f.Since = s.now().Add(-since).UTC().Format(time.RFC3339)
			}
			var err error
			if f.Person, err = s.personID(cmd.Context(), filter.Person); err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			page, err := pages(s, p, func(page client.Page) (wire.List[wire.Run], error) { return api.Runs(cmd.Context(), f, page) })
			if err != nil {
				return err
			}
			v := s.runView(cmd.Context())
			if f != (client.RunFilter{}) {
				v.none = "No run fits."
			}
			return list(s, page, v)
		},
	}
	cmd.Flags().StringVar(&filter.State, "state", "", "queued, retrying, running, waiting, outcome_unknown, done, failed, cancelled, crashed or superseded")
	cmd.Flags().StringVar(&filter.Kind, "kind", "", "provision, deprovision, approve, manual or scheduled")
	cmd.Flags().StringVar(&filter.App, "app-id", "", "for access to which app, by id")
	cmd.Flags().StringVar(&filter.Connection, "connection-id", "", "on which connection, by id")
	cmd.Flags().StringVar(&filter.Workflow, "workflow", "", "of which workflow, by id")
	cmd.Flags().StringVar(&filter.Trigger, "trigger", "", "how what caused it begins: schedule, person:")
	cmd.Flags().DurationVar(&since, "since", 0, "queued in the last so long, such as 24h")
	cmd.Flags().StringVar(&filter.Grant, "grant", "", "of which grant, by id")
	cmd.Flags().StringVar(&filter.Person, "person", "", "for whom, by e-mail address, or me")
	p.flags(cmd.Flags())
	return cmd
}

// runStates are the states of a run.
var runStates = []string{"queued", "retrying", "running", "waiting", "outcome_unknown", "done", "failed", "cancelled", "crashed", "superseded"}

// knownRunState refuses a state that there is not, in words.
func knownRunState(code string) error {
	if code == "" || slices.Contains(runStates, code) {
		return nil
	}
	return usage("The states are "+strings.Join(runStates[:len(runStates)-1], ", ")+" and "+runStates[len(runStates)-1]+".", "%q is no state of a run.", code)
}

func newRunShow(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "show RUN", Short: "Show one run with its steps and their calls",
		Example: "margay run show RUN",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			r, err := api.Run(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := show(s, r, s.runView(cmd.Context())); err != nil {
				return err
			}
			if s.format != formatTable || len(s.fields) > 0 {
				return nil
			}
			if _, err := fmt.Fprintln(s.out); err != nil {
				return err
			}
			if err := s.table(stepTable(r.Steps)); err != nil || len(r.Log) == 0 {
				return err
			}
			if _, err := fmt.Fprintln(s.out); err != nil {
				return err
			}
			return s.table(s.logTable(r.Log))
		},
	}
}

// stepTable is the calls of each step, one a row.
func stepTable(steps []wire.Step) table {
	t := table{
		head: []string{"STEP", "STATE", "NAME", "CALL", "METHOD", "PATH", "STATUS", "MS", "OUTCOME"},
		keep: []bool{true, true, true, true, true, false, true, true, false},
	}
	for _, step := range steps {
		first := []cell{text(strconv.Itoa(step.Seq)), stateCell(step.State), text(step.Name)}
		if len(step.Calls) == 0 {
			t.rows = append(t.rows, append(first, cell{}, cell{}, cell{}, cell{}, text(msOf(step)), text(outcomeOf(step))))
		}
		for i, c := range step.Calls {
			outcome := callOutcome(c)
			if i == len(step.Calls)-1 && step.State == "failed" && step.Problem != nil {
				outcome = step.Problem.Message
			}
			row := append([]cell{}, first...)
			t.rows = append(t.rows, append(row, text(c.Kind), text(c.Method), text(c.Path), text(statusText(c.Status)),
				text(strconv.FormatFloat(c.DurationMS, 'f', 0, 64)), text(outcome)))
		}
	}
	return t
}

// logTable is what the workflow wrote to its log, one line a row.
func (s *session) logTable(lines []wire.LogLine) table {
	t := table{head: []string{"SAID", "LEVEL", "STEP", "TEXT"}, keep: []bool{true, true, false, true}}
	for _, l := range lines {
		before := cell{}
		if l.Step > 0 {
			before = text("before " + strconv.Itoa(l.Step))
		}
		t.rows = append(t.rows, []cell{s.exact(l.At), text(l.Level), before, text(l.Text)})
	}
	return t
}

func msOf(step wire.Step) string {
	if step.EndedAt == nil {
		return ""
	}
	return strconv.FormatInt(step.EndedAt.Sub(step.StartedAt).Milliseconds(), 10)
}

// outcomeOf says how a step without calls ended.
func outcomeOf(step wire.Step) string {
	if step.Problem != nil {
		return step.Problem.Message
	}
	var message string
	if json.Unmarshal(step.Output, &message) == nil {
		return message
	}
	return ""
}

func callOutcome(c wire.StepCall) string {
	switch {
	case c.Error != "":
		return c.Error
	case c.Code != "":
		return c.Code
	}
	return "ok"
}

func newRunWatch(s *session) *cobra.Command {
	var most time.Duration
	cmd := &cobra.Command{
		Use: "watch RUN", Short: "Follow a run to its end",
		Example: "margay run watch RUN --timeout 5m",
		RunE:    func(cmd *cobra.Command, args []string) error { return s.watchRun(cmd.Context(), args[0], most) },
	}
	cmd.Flags().DurationVar(&most, "timeout", 0, "at most so long, such as 5m; 0: to the end")
	return cmd
}

func newRunRetry(s *session) *cobra.Command {
	var wait waiting
	var many manyFlags
	cmd := &cobra.Command{
		Use: "retry [RUN...]", Short: "Make a new run for what one did not carry out",
		Long: "Make a new run for what a run did not carry out: of the same access, the same question, or the same workflow with the same inputs.\n" +
			"A run is retried once; when the new one fails too, that one is retried.\n" +
			"With several runs, or --state, each is retried by its own rule, and one that is refused does not keep the others.",
		Example: "margay run retry RUN --wait\nmargay run retry --state failed --workflow \"Weekly seats\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			if len(args) != 1 || many.state != "" || many.dry {
				return many.act(cmd.Context(), s, api, args, "retry_run")
			}
			before, err := api.Run(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			r, err := api.RetryRun(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if before.RetryNote != "" {
				s.tell(markWaiting, before.RetryNote)
			}
			if !wait.set {
				return told(s, r, s.runView(cmd.Context()), "Trying again", r.Kind)
			}
			s.tell(markDone, "Trying again", r.ID, r.Kind)
			return s.watchRun(cmd.Context(), r.ID, wait.most)
		},
	}
	wait.flag(cmd.Flags(), "follow it to its end")
	many.flags(cmd, "failed, outcome_unknown, crashed or cancelled")
	return cmd
}

func newRunCancel(s *session) *cobra.Command {
	var many manyFlags
	cmd := &cobra.Command{
		Use: "cancel [RUN...]", Short: "End a run between two of its steps",
		Example: "margay run cancel RUN\nmargay run cancel --state waiting --workflow \"Weekly seats\"",
		Long: "End a run between two of its steps. What was made before stays made, and a change that is on its way is waited for. Access that was to be\n" +
			"given is then not set up, access that was to be taken back is overdue; both can be tried again. When it stays open whether the change was\n" +
			"made, that is read and the access is set up again by itself in a minute: revoke it when it shall not be. With several runs, or --state,\n" +
			"each is cancelled, and one that is refused does not keep the others.",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			if len(args) != 1 || many.state != "" || many.dry {
				return many.act(cmd.Context(), s, api, args, "cancel_run")
			}
			r, err := api.CancelRun(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return told(s, r, s.runView(cmd.Context()), states()[r.State].word, r.Kind)
		},
	}
	many.flags(cmd, "queued, retrying, running or waiting")
	return cmd
}

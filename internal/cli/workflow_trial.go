package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
)

func newWorkflowTest(s *session) *cobra.Command {
	var in wire.TestRun
	var person, role, connection, argument string
	cmd := &cobra.Command{
		Use: "test WORKFLOW", Example: "margay workflow test \"Provision User to Tableau\" --person me --role tableau/Creator", Short: "Run a draft or a version with what it would change held back",
		Long: "Run the draft of a workflow, or a version, for a chosen person. What it reads is read from the system; what it would change is\nshown and not sent.",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := s.workflowID(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if in.RoleID, err = s.roleID(cmd.Context(), role); err != nil {
				return err
			}
			if connection != "" {
				c, err := s.connection(cmd.Context(), connection)
				if err != nil {
					return err
				}
				in.ConnectionID = c.ID
			}
			if in.PersonID, err = s.personID(cmd.Context(), person); err != nil {
				return err
			}
			if argument != "" {
				in.Argument = json.RawMessage(argument)
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			r, err := api.TestWorkflow(cmd.Context(), id, in)
			if err != nil {
				return err
			}
			return s.tested(r)
		},
	}
	cmd.Flags().StringVar(&person, "person", "", "for whom, by e-mail address, or me")
	cmd.Flags().StringVar(&role, "role", "", "which role they would have: APP/ROLE, or its id")
	cmd.Flags().StringVar(&role, "role-id", "", "the same")
	cmd.Flags().StringVar(&connection, "connection", "", "on which connection, by name or id; else the workflow's or the role's")
	cmd.Flags().StringVar(&connection, "connection-id", "", "the same")
	cmd.Flags().StringVar(&in.Version, "version", "", "hash of a version; else the draft, else the published one")
	cmd.Flags().StringVar(&argument, "argument", "", "what it is told, as JSON, instead of what comes of person and role")
	return cmd
}

// roleID returns which role is meant; "" is none.
func (s *session) roleID(ctx context.Context, ref string) (string, error) {
	if ref == "" {
		return "", nil
	}
	r, err := s.role(ctx, ref)
	return r.ID, err
}

// tested tells what came of a test run.
func (s *session) tested(r wire.TestReport) error {
	if s.format != formatTable {
		if err := show(s, r, view[wire.TestReport]{}); err != nil {
			return err
		}
	} else {
		for _, line := range r.Log {
			s.tell(markWaiting, line)
		}
		for _, c := range r.Changes {
			s.tell(markDone, "Would change "+c.What, fmt.Sprintf("%s → %s", orNothing(c.Before), orNothing(c.After)), c.Method+" "+c.Path)
		}
		if len(r.Changes) == 0 {
			s.tell(markDone, "Would change nothing")
		}
		if len(r.Output) > 0 {
			s.tell(markDone, "Returned", string(r.Output))
		}
		if err := s.table(stepTable(r.Steps)); err != nil {
			return err
		}
	}
	if r.Problem == nil {
		return nil
	}
	detail := r.Problem.Detail
	if r.Problem.Where != "" {
		detail = strings.TrimSpace(detail + " at " + r.Problem.Where)
	}
	return &outcomeError{code: exitFailed, shown: true, message: r.Problem.Message, detail: detail, hint: r.Problem.Hint}
}

func orNothing(text string) string {
	if text == "" {
		return "–"
	}
	return text
}

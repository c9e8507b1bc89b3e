package provision

import (
	"context"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/workflow"
)

// gone is a system whose workflows are not there any more, or of another type.
type gone struct {
	Workflows
	as workflow.Type
}

func (g gone) Workflow(_ context.Context, id string) (workflow.Workflow, error) {
	if g.as == "" {
		return workflow.Workflow{}, fault.New(fault.NotFound, "There is nothing called %s.", id)
	}
	return workflow.Workflow{ID: id, Name: "Ours", Type: g.as}, nil
}

// A request keeps its policy: to try again, or to edit the policy, helps the
// requests to come and not this one.
func TestWorkflowThatDecidesIsGone(t *testing.T) {
	t.Parallel()
	q := access.Question{Asked: access.Asked{Workflow: "wfl_a"}, Request: access.Request{ID: "req_1", Policy: access.Policy{ID: "pol_1", Name: "Seats"}}}
	for as, message := range map[workflow.Type]string{
		"":              "The workflow that decides by the policy Seats is not there any more: wfl_a.",
		workflow.Manual: "The workflow Ours, which decides by the policy Seats, is of the type manual and not custom_approval.",
	} {
		p := Provisioner{Workflows: gone{as: as}}
		_, err := p.published(t.Context(), deciding(q))
		f := fault.Public(err)
		if f.Message != message || strings.Contains(f.Hint, "Then try again") || !strings.Contains(f.Hint, "withdraw this request and ask anew") ||
			!strings.Contains(f.Hint, "margay policy edit pol_1 --approver workflow:NAME") {
			t.Errorf("%s (%s)", f.Message, f.Hint)
		}
	}
}

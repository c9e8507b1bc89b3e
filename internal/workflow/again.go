package workflow

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// Retryable says why nothing of the run is to be retried, or nil.
func (r Run) Retryable() error {
	if r.RetryNote() != "" {
		return nil
	}
	return fault.New(fault.Conflict, "There is nothing to retry: the run is %s.", strings.ToLower(r.State.Text().Word)).WithCode("not_retryable")
}

// MayStartAgain says why who may not retry a run that a person or the clock had
// started, or nil: what StartAgain would say.
func (s *Service) MayStartAgain(ctx context.Context, who identity.Actor, old Run) error {
	w, err := s.store.Workflow(ctx, old.Workflow)
	if err != nil {
		return err
	}
	if err := s.MayStart(ctx, who, w); err != nil {
		return err
	}
	return startedOnce(ctx, s.store, old)
}

// StartAgain runs the workflow of a run again, as it is published now and with
// the inputs that the run had. A run is retried once: what it did not do shall
// not be done twice.
func (s *Service) StartAgain(ctx context.Context, who identity.Actor, id string) (Run, error) {
	old, err := s.store.Run(ctx, id) // whole: what is shown of its inputs may lack some
	if err != nil {
		return Run{}, err
	}
	return s.start(ctx, who, old.Workflow, inputsOf(old), &old)
}

// retries finds the run that was made in the place of another; false: none was.
type retries interface {
	RetryOf(ctx context.Context, run string) (Run, bool, error)
}

// startedOnce refuses to retry a run that is not to be retried, or was already.
// Of a retry that failed too it names the last: that one can be retried.
func startedOnce(ctx context.Context, all retries, old Run) error {
	if err := old.Retryable(); err != nil {
		return err
	}
	last, found, err := all.RetryOf(ctx, old.ID)
	if err != nil || !found {
		return err
	}
	for found {
		var next Run
		if next, found, err = all.RetryOf(ctx, last.ID); err != nil {
			return err
		}
		if found {
			last = next
		}
	}
	f := fault.New(fault.Conflict, "This run was retried already. The run %s is the last in its place: %s.", last.ID, strings.ToLower(last.State.Text().Word)).
		WithCode("already_retried")
	switch {
	case last.Retryable() == nil:
		return f.WithHint("Retry that one: margay run retry %s", last.ID)
	case !last.State.Ended():
		return f.WithHint("Watch it: margay run watch %s", last.ID)
	}
	return f.WithHint("Look at it: margay run show %s", last.ID)
}

// inputsOf are the inputs that a person gave to a manual run.
func inputsOf(r Run) json.RawMessage {
	var o occasion
	if json.Unmarshal([]byte(r.Input), &o) != nil {
		return nil
	}
	return o.Inputs
}

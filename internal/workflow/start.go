package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// The kinds of run that are for no grant and no request.
const (
	KindManual    = "manual"
	KindScheduled = "scheduled"
)

// Started is recorded when somebody or the clock runs a workflow, Skipped when
// the clock leaves it because the run before has not begun yet.
const (
	Started audit.Kind = "workflow.started"
	Skipped audit.Kind = "workflow.skipped"
)

// occasion is the input of a run as it is kept.
type occasion struct {
	Inputs       json.RawMessage `json:"inputs,omitempty"`
	ScheduledFor time.Time       `json:"scheduledFor,omitzero"`
}

// MayStart says why who may not run the workflow now, or nil.
func (s *Service) MayStart(ctx context.Context, who identity.Actor, w Workflow) error {
	switch {
	case w.Type != Manual && (w.Type != Scheduled || !who.Administers()):
		return fault.New(fault.Conflict, "The workflow %s is not one that people run: it is of the type %s.", w.Name, w.Type).WithCode("not_manual")
	case w.Archived():
		return archived(w)
	case w.Published == "":
		return fault.New(fault.Conflict, "The workflow %s is not published.", w.Name).WithCode("not_published")
	case who.Administers() || w.Starters.Anybody:
		return nil
	}
	if len(w.Starters.Groups) > 0 && s.around.Groups != nil {
		groups, err := s.around.Groups(ctx, who.Person)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(groups, func(g string) bool { return slices.Contains(w.Starters.Groups, g) }) {
			return nil
		}
	}
	return fault.New(fault.Forbidden, "You may not run the workflow %s.", w.Name).WithCode("not_starter").
		WithHint("Ask an administrator to run it, or to let you.")
}

// Startable lists the workflows that who may run now, by name.
func (s *Service) Startable(ctx context.Context, who identity.Actor) ([]Workflow, error) {
	all, err := s.store.Workflows(ctx)
	if err != nil {
		return nil, err
	}
	var may []Workflow
	for _, w := range all {
		switch err := s.MayStart(ctx, who, w); {
		case err == nil:
			may = append(may, w)
		case fault.KindOf(err) == fault.Internal:
			return nil, err
		}
	}
	return may, nil
}

// Start runs a manual workflow with inputs, a JSON object. An administrator may
// run a scheduled one too, beside its schedule.
func (s *Service) Start(ctx context.Context, who identity.Actor, id string, inputs json.RawMessage) (Run, error) {
	return s.start(ctx, who, id, inputs, nil)
}

// start runs a workflow; old: in the place of that run.
func (s *Service) start(ctx context.Context, who identity.Actor, id string, inputs json.RawMessage, old *Run) (Run, error) {
	if err := s.refused(ctx, who, id, "start", who.Need(identity.ScopeRequestsWrite)); err != nil {
		return Run{}, err
	}
	var started Run
	err := s.store.ChangeWorkflows(ctx, func(tx Tx) error {
		w, err := tx.Workflow(ctx, id)
		if err != nil {
			return err
		}
		if err := s.MayStart(ctx, who, w); err != nil {
			return err
		}
		retryOf := ""
		if old != nil {
			if err := startedOnce(ctx, tx, *old); err != nil {
				return err
			}
			retryOf = old.ID
		}
		v, err := tx.Version(ctx, w.ID, w.Published)
		if err != nil {
			return err
		}
		o := occasion{}
		if w.Type == Scheduled {
			if len(inputs) > 0 && string(inputs) != "{}" && string(inputs) != "null" {
				return fault.Field("inputs", "A scheduled workflow has no inputs.")
			}
			o.ScheduledFor = s.now().UTC()
		} else if o.Inputs, err = v.CheckInputs(inputs); err != nil {
			return err
		}
		started, err = s.begin(ctx, tx, who, w, v, o, Run{Trigger: triggerPerson + string(who.Person), RetryOf: retryOf})
		return err
	})
	return started, s.refused(ctx, who, id, "start", wrap("start workflow", err))
}

// What starts runs that carry out no decision on access.
const (
	triggerPerson   = "person:"
	triggerSchedule = "schedule"
)

// Triggers are what starts runs that carry out no decision on access, as it begins.
func Triggers() []string { return []string{triggerPerson, triggerSchedule} }

// begin keeps the run of a version with its event and its job; because says what
// it comes from.
func (s *Service) begin(ctx context.Context, tx Tx, who identity.Actor, w Workflow, v Version, o occasion, because Run) (Run, error) {
	input, err := json.Marshal(o)
	if err != nil {
		return Run{}, err
	}
	r := Run{
		ID: s.newID("run"), Kind: string(w.Type), Workflow: w.ID, Version: v.Hash, Connection: w.Connection, Person: string(who.Person),
		Trigger: because.Trigger, RetryOf: because.RetryOf, Input: string(input), Attempt: 1, State: RunQueued, QueuedAt: s.now(),
	}
	if err := tx.AddRun(ctx, r); err != nil {
		return r, err
	}
	return r, tx.Record(ctx, w.event(Started, who, s.now(), "run", r.ID, "version", v.Hash, "trigger", r.Trigger))
}

// StartDue runs the workflows whose time has come, each once however many times
// were missed, and returns how many it ran. It may be asked by many nodes at
// once: who comes second finds that the time has moved on.
func (s *Service) StartDue(ctx context.Context) (int, error) {
	ids, err := s.store.Scheduled(ctx, s.now())
	n := 0
	errs := []error{err}
	for _, id := range ids {
		started := false
		err := s.store.ChangeWorkflows(ctx, func(tx Tx) (err error) {
			started, err = s.startDue(ctx, tx, id)
			return err
		})
		if started && err == nil {
			n++
		}
		errs = append(errs, err)
	}
	return n, errors.Join(errs...)
}

func (s *Service) startDue(ctx context.Context, tx Tx, id string) (bool, error) {
	w, err := tx.Workflow(ctx, id)
	now := s.now()
	if err != nil || w.NextAt.IsZero() || now.Before(w.NextAt) {
		return false, err
	}
	v, err := tx.Version(ctx, w.ID, w.Published)
	if err != nil {
		return false, err
	}
	meant := w.NextAt
	w.NextAt = v.Schedule.Next(now)
	if err := tx.SaveWorkflow(ctx, w); err != nil {
		return false, err
	}
	queued, err := tx.Queued(ctx, w.ID)
	if err != nil {
		return false, err
	}
	if queued { // that one will see all that this one would
		return false, tx.Record(ctx, w.event(Skipped, identity.System(), now, "scheduled_for", meant.UTC().Format(time.RFC3339)))
	}
	_, err = s.begin(ctx, tx, identity.System(), w, v, occasion{ScheduledFor: meant.UTC()}, Run{Trigger: triggerSchedule})
	return err == nil, err
}

// clockEvery is how often the clock is looked at.
const clockEvery = time.Second

// Clock runs scheduled workflows until ctx ends.
func (s *Service) Clock(ctx context.Context) {
	ticker := time.NewTicker(clockEvery) //nolint:forbidigo // the one clock of the schedules
	defer ticker.Stop()
	for {
		if _, err := s.StartDue(ctx); err != nil && ctx.Err() == nil {
			s.log().ErrorContext(ctx, "scheduled workflows could not be run; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

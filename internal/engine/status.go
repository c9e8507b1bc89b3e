package engine

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"

	"github.com/margay-access/margay/internal/fault"
)

// State is where a job stands.
type State string

// The states of a job.
const (
	Delayed   State = "delayed"   // waits for its time
	Waiting   State = "waiting"   // waits for its turn
	Parked    State = "parked"    // waits for a program that knows its kind
	Running   State = "running"   // is being done, or was when its node was last heard of
	Done      State = "done"      // has an output
	Failed    State = "failed"    // has an error
	Cancelled State = "cancelled" // was cancelled, and nothing of it runs any more
)

// Ended reports whether nothing more happens to a job in this state.
func (s State) Ended() bool { return s == Done || s == Failed || s == Cancelled }

// states lists what DBOS calls each state.
var states = map[State][]dbos.WorkflowStatusType{
	Delayed:   {dbos.WorkflowStatusDelayed},
	Waiting:   {dbos.WorkflowStatusEnqueued},
	Parked:    {}, // they are told apart by their queue
	Running:   {dbos.WorkflowStatusPending},
	Done:      {dbos.WorkflowStatusSuccess},
	Failed:    {dbos.WorkflowStatusError, dbos.WorkflowStatusMaxRecoveryAttemptsExceeded},
	Cancelled: {dbos.WorkflowStatusCancelled},
}

// Status is what is known of a job.
type Status struct {
	ID         string
	Kind       string
	Key        string
	State      State
	Attempts   int    // how often it was taken up
	Node       string // that has it, or had it last
	EnqueuedAt time.Time
	NotBefore  time.Time // zero when it was not held back
	StartedAt  time.Time // of the last attempt
	EndedAt    time.Time
	Input      json.RawMessage
	Output     json.RawMessage
	Err        *StepError // of a failed or cancelled job
	Cancelling bool       // cancelled, but its handler has not returned yet
}

// Filter says which jobs to list. Empty fields do not restrict.
type Filter struct {
	IDs           []string
	Kinds         []string
	States        []State
	EnqueuedAfter time.Time
	Newest        bool // newest first, else oldest first
	Limit         int  // 0: all
	Offset        int
}

// Job returns the job, or a [fault.NotFound].
func (e *Engine) Job(ctx context.Context, id string) (Status, error) {
	rows, err := e.rows(ctx, dbos.WithFilterWorkflowIDs(id), dbos.WithFilterLoadInput(true), dbos.WithFilterLoadOutput(true))
	if err != nil {
		return Status{}, err
	}
	if len(rows) == 0 {
		return Status{}, fault.New(fault.NotFound, "There is no job %s.", id)
	}
	return statusOf(rows[0]), nil
}

// List returns the jobs that f picks, with input and output.
func (e *Engine) List(ctx context.Context, f Filter) ([]Status, error) {
	opts := []dbos.ListWorkflowsOption{dbos.WithFilterLoadInput(true), dbos.WithFilterLoadOutput(true)}
	if len(f.IDs) > 0 {
		opts = append(opts, dbos.WithFilterWorkflowIDs(f.IDs...))
	}
	if len(f.Kinds) > 0 {
		opts = append(opts, dbos.WithFilterName(f.Kinds...))
	}
	if len(f.States) > 0 {
		opts = append(opts, stateFilter(f.States)...)
	}
	if !f.EnqueuedAfter.IsZero() {
		opts = append(opts, dbos.WithFilterCreatedAfter(f.EnqueuedAfter))
	}
	if f.Newest {
		opts = append(opts, dbos.WithFilterSortDesc())
	}
	if f.Limit > 0 {
		opts = append(opts, dbos.WithFilterLimit(f.Limit))
	}
	if f.Offset > 0 {
		opts = append(opts, dbos.WithFilterOffset(f.Offset))
	}
	rows, err := e.rows(ctx, opts...)
	if err != nil {
		return nil, err
	}
	out := make([]Status, 0, len(rows))
	for _, row := range rows {
		out = append(out, statusOf(row))
	}
	return out, nil
}

// stateFilter picks the jobs in some states. The parked are those of their queue:
// asked for beside others they come with those that wait.
func stateFilter(in []State) []dbos.ListWorkflowsOption {
	if slices.Equal(in, []State{Parked}) {
		return []dbos.ListWorkflowsOption{dbos.WithFilterQueueName(parkedQueue), dbos.WithFilterStatus(states[Waiting]...)}
	}
	var names []dbos.WorkflowStatusType
	for _, s := range in {
		if s == Parked {
			s = Waiting
		}
		names = append(names, states[s]...)
	}
	return []dbos.ListWorkflowsOption{dbos.WithFilterStatus(names...)}
}

func statusOf(row dbos.WorkflowStatus) Status {
	s := Status{
		ID: row.ID, Kind: row.Name, Attempts: attemptsOf(row), Node: row.ExecutorID,
		EnqueuedAt: row.CreatedAt, NotBefore: row.DelayUntil, StartedAt: row.StartedAt, EndedAt: row.CompletedAt,
	}
	for state, names := range states {
		for _, name := range names {
			if row.Status == name {
				s.State = state
			}
		}
	}
	if s.State == Waiting && row.QueueName == parkedQueue {
		s.State = Parked
	}
	s.Cancelling = s.State == Running && row.Attributes[attrCancel] == true
	if text, ok := row.Input.(json.RawMessage); ok {
		var ord order
		if json.Unmarshal(text, &ord) == nil {
			s.Key, s.Input = ord.Key, ord.Input
		}
	}
	text, _ := row.Output.(json.RawMessage)
	output, err := decodeOutcome(text)
	switch {
	case s.State == Done:
		s.Output = output
	case s.State == Cancelled:
		s.Err = &StepError{Code: CodeCancelled, Message: "The job was cancelled."}
	case s.State == Failed && err != nil:
		s.Err = asStepError(err)
	case s.State == Failed:
		s.Err = &StepError{Code: CodeCrashed, Message: "The job failed without saying why."}
	}
	return s
}

// Wait waits until the job has ended and returns it. A job that is not there
// (yet) is a [fault.NotFound].
func (e *Engine) Wait(ctx context.Context, id string) (Status, error) {
	for {
		s, err := e.Job(ctx, id)
		if err != nil || s.State.Ended() {
			return s, err
		}
		if err := pause(ctx, e.cfg.Poll); err != nil {
			return s, err
		}
	}
}

// Cancel ends a job. One that has not started never does; of one that runs the
// context ends, on whichever node, and the job is cancelled (and its key free)
// when its handler returns. A handler that succeeds nevertheless has succeeded.
// Cancelling a job that has ended changes nothing; one that is not there is a
// [fault.NotFound].
func (e *Engine) Cancel(ctx context.Context, id string) error {
	s, err := e.Job(ctx, id)
	if err != nil || s.State.Ended() {
		return err
	}
	// First the mark, then a look at the state: an execution that starts after
	// the look sees the mark, one that started before it is found running.
	client := e.client(ctx)
	if err := dbos.SetWorkflowAttributes(client, id, map[string]any{attrCancel: true}, dbos.WithMergeAttributes()); err != nil {
		return err
	}
	if s, err = e.Job(ctx, id); err != nil {
		return err
	}
	if s.State == Delayed || s.State == Waiting || s.State == Parked {
		if err := dbos.CancelWorkflow(client, id); err != nil {
			return err
		}
	}
	for _, r := range e.runs.of(id) {
		r.end(ErrCancelled)
	}
	return nil
}

// cancelLook is how often a node looks for cancels that another node took.
const cancelLook = time.Second

func (e *Engine) watchCancels(ctx context.Context) {
	for pause(ctx, cancelLook) == nil {
		if len(e.runs.list(func(r *Run) bool { return r.ctx.Err() == nil })) == 0 {
			continue
		}
		rows, err := e.rows(ctx, dbos.WithFilterAttributes(map[string]any{attrCancel: true}),
			dbos.WithFilterStatus(dbos.WorkflowStatusPending), dbos.WithFilterExecutorIDs(e.cfg.Node),
			dbos.WithFilterLoadInput(false), dbos.WithFilterLoadOutput(false))
		if err != nil {
			continue
		}
		for _, row := range rows {
			for _, r := range e.runs.of(row.ID) {
				r.end(ErrCancelled)
			}
		}
	}
}

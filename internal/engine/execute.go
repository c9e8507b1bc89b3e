package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
)

// retryAfter is how long to wait before the database is asked again.
const retryAfter = time.Second

// runs is what this process executes.
type runs struct {
	mu    sync.Mutex
	all   map[*Run]struct{}
	left  []string      // jobs that were claimed in the moment of the stop
	empty chan struct{} // closed when all becomes empty; nil while nobody waits
}

func (s *runs) leave(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = append(s.left, id)
}

func (s *runs) isLeft(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.left, id)
}

func (s *runs) add(r *Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = make(map[*Run]struct{})
	}
	s.all[r] = struct{}{}
}

func (s *runs) remove(r *Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, r)
	if len(s.all) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// drained waits until nothing runs, or ctx ends.
func (s *runs) drained(ctx context.Context) {
	s.mu.Lock()
	if len(s.all) == 0 {
		s.mu.Unlock()
		return
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.mu.Unlock()
	select {
	case <-empty:
	case <-ctx.Done():
	}
}

// list returns the runs for which keep holds.
func (s *runs) list(keep func(*Run) bool) []*Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*Run
	for r := range s.all {
		if keep(r) {
			out = append(out, r)
		}
	}
	return out
}

func (s *runs) of(id string) []*Run {
	return s.list(func(r *Run) bool { return r.id == id })
}

// run executes a job that DBOS has claimed for this node. What it returns is
// recorded as the job's outcome only while the claim holds.
func (e *Engine) run(ctx dbos.Context, kind string, fn Handler, input json.RawMessage) (json.RawMessage, error) {
	id, err := ctx.GetWorkflowID()
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	select {
	case <-e.draining:
		// Claimed in the moment of the stop: left as it is.
		e.runs.leave(id)
		<-ctx.Done()
		return nil, mark(ErrStopped)
	default:
	}
	var ord order
	if err := json.Unmarshal(input, &ord); err != nil {
		return e.failed(&StepError{Code: CodeFailed, Message: "The input of the job cannot be read.", Detail: err.Error()})
	}
	r := &Run{engine: e, id: id, kind: kind, key: ord.Key, input: ord.Input, dbos: ctx, fenced: make(chan struct{})}
	r.ctx, r.end = context.WithCancelCause(ctx)
	defer r.end(nil)
	for _, older := range e.runs.of(id) {
		// A job can be claimed twice by one node only if it was handed on between.
		older.end(ErrLost)
		older.closeFence()
	}
	e.runs.add(r)
	defer e.runs.remove(r)

	ready, err := e.ready(r)
	if !ready {
		return e.failed(err)
	}
	value, err := r.call(fn)
	r.steps.Wait()
	if r.ctx.Err() == nil && errors.Is(err, ErrLost) {
		// The handler has seen that another execution goes on with the job.
		r.end(fmt.Errorf("%w: %w", errBadRecord, err))
	}
	return e.conclude(r, value, err)
}

// ready looks, before the handler runs, at what the claim does not say: how
// often the job was taken up, whether it was cancelled, and whether its key is
// free. When the job is not to run it returns the error to record, if any.
func (e *Engine) ready(r *Run) (bool, error) {
	for {
		e.node.waitTrusted(r.ctx)
		claim, err := e.claim(r)
		switch {
		case r.ctx.Err() != nil:
			_, err := e.conclude(r, nil, r.cause())
			return false, err
		case err != nil:
			e.log.WarnContext(r.ctx, "a job was not started yet", "job", r.id, "error", err)
			pause(r.ctx, retryAfter) //nolint:errcheck,gosec // the loop looks at the context
			continue
		case !claim.ours:
			return false, r.uncounted(ErrLost)
		case claim.keyTaken:
			e.giveBack(r, 0)
			return false, r.uncounted(ErrLost)
		case claim.cancelled:
			r.end(ErrCancelled)
			_, err := e.conclude(r, nil, ErrCancelled)
			return false, err
		case claim.attempt-claim.returned > maxAttempts:
			return false, &StepError{
				Code: CodeCrashed, Message: "The job was given up: the process ended each time it was run.",
				Detail: fmt.Sprintf("%d attempts", claim.attempt-1),
			}
		}
		r.attempt = claim.attempt
		r.started.Store(true)
		return true, nil
	}
}

// claim is the row of a job that DBOS has claimed.
type claim struct {
	ours      bool
	keyTaken  bool
	cancelled bool
	attempt   int
	returned  int // attempts that ended with the job being given back
}

func (e *Engine) claim(r *Run) (claim, error) {
	// Two nodes may claim two jobs of one key in the same instant, when a job
	// held back becomes due between their looks at the queue. Each sees the
	// other's claim here, or has it behind itself: the later one gives way.
	pick := []dbos.ListWorkflowsOption{dbos.WithFilterWorkflowIDs(r.id)}
	if e.db.postgres && r.key != "" {
		pick = []dbos.ListWorkflowsOption{
			dbos.WithFilterAttributes(map[string]any{attrKey: "key:" + r.key}), dbos.WithFilterStatus(dbos.WorkflowStatusPending),
		}
	}
	rows, err := e.rows(r.ctx, append(pick, dbos.WithFilterLoadInput(false), dbos.WithFilterLoadOutput(false))...)
	if err != nil {
		return claim{}, err
	}
	var c claim
	for _, row := range rows {
		if row.ID != r.id {
			c.keyTaken = true
			continue
		}
		c.ours = row.Status == dbos.WorkflowStatusPending && row.ExecutorID == e.cfg.Node
		c.cancelled = row.Attributes[attrCancel] == true
		c.attempt = attemptsOf(row)
		c.returned = number(row, attrReturned)
	}
	return c, nil
}

// attemptsOf counts those that DBOS forgets when a job is handed on.
func attemptsOf(row dbos.WorkflowStatus) int { return row.Attempts + number(row, attrBefore) }

func number(row dbos.WorkflowStatus, attr string) int {
	n, _ := row.Attributes[attr].(float64)
	return int(n)
}

// rows lists jobs as DBOS knows them.
func (e *Engine) rows(ctx context.Context, opts ...dbos.ListWorkflowsOption) ([]dbos.WorkflowStatus, error) {
	return dbos.ListWorkflows(e.client(ctx), opts...)
}

// call runs the handler. The process survives its panic.
func (r *Run) call(fn Handler) (value json.RawMessage, err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		stack := debug.Stack()
		if c, ok := p.(*crash); ok {
			p, stack = c.value, c.stack
		}
		r.engine.log.ErrorContext(r.ctx, "a job crashed", "job", r.id, "kind", r.kind, "panic", fmt.Sprint(p), "stack", string(stack))
		value, err = nil, &StepError{Code: CodeCrashed, Message: "The job crashed.", Detail: fmt.Sprintf("%T", p)}
	}()
	return fn(r.ctx, r)
}

// conclude turns the end of an execution into what DBOS is told.
func (e *Engine) conclude(r *Run, value json.RawMessage, err error) (json.RawMessage, error) {
	if r.ctx.Err() == nil || r.dbos.Err() == nil && err == nil && errors.Is(context.Cause(r.ctx), ErrCancelled) {
		// A job that was done before it noticed that it was cancelled is done.
		if err != nil {
			return e.failed(err)
		}
		text := encodeOutcome(value, nil)
		_, err = decodeOutcome(text)
		return text, mark(err)
	}
	cause := r.cause()
	switch {
	case r.dbos.Err() != nil:
		// The engine stops: DBOS leaves the job as it is.
	case errors.Is(cause, ErrCancelled):
		// The handler has returned: only now is the key free.
		if err := dbos.CancelWorkflow(e.client(r.dbos), r.id); err != nil && r.dbos.Err() == nil {
			e.log.WarnContext(r.dbos, "a job was not marked as cancelled yet", "job", r.id, "error", err)
			e.giveBack(r, retryAfter)
		}
	case errors.Is(cause, errBadRecord):
		e.giveBack(r, retryAfter)
	default:
		r.settle()
	}
	return nil, mark(r.uncounted(cause))
}

// uncounted is why an execution does not count. One that the stop has overtaken
// could perhaps not say so to the database.
func (r *Run) uncounted(cause error) error {
	if r.dbos.Err() != nil {
		return ErrStopped
	}
	return cause
}

func (e *Engine) failed(err error) (json.RawMessage, error) {
	return encodeOutcome(nil, err), mark(err)
}

// errStopping is the error that DBOS gets for a job that the stop has ended. DBOS
// learns in a goroutine of its own that it is shut down; a job that returns before
// that is left as it is only with an error that says it was cancelled.
var errStopping = fmt.Errorf("%w: %w", ErrStopped, context.Canceled)

// mark is the error that DBOS gets for a job that failed. The error itself is in
// the outcome; this one tells DBOS that it is one, in a type that it can store.
func mark(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrStopped) {
		return errStopping
	}
	e := asStepError(err)
	return &dbos.PortableWorkflowError{Name: e.Code, Message: e.Message}
}

// giveBack puts a job of this execution back into the queue, after which the
// database takes nothing more of it.
func (e *Engine) giveBack(r *Run, wait time.Duration) {
	for {
		if pause(r.dbos, wait) != nil {
			return
		}
		rows, err := e.rows(r.dbos, dbos.WithFilterWorkflowIDs(r.id), dbos.WithFilterLoadInput(false), dbos.WithFilterLoadOutput(false))
		if err == nil {
			rows = slices.DeleteFunc(rows, func(row dbos.WorkflowStatus) bool { return row.ExecutorID != e.cfg.Node })
			err = e.release(r.dbos, rows, alive)
		}
		if err == nil {
			r.closeFence()
			return
		}
		e.log.WarnContext(r.dbos, "a job was not given back yet", "job", r.id, "error", err)
		wait = retryAfter
	}
}

// alive and gone say of a release whether the process that had the jobs lives.
// One that has gone may have died of them.
const (
	alive = true
	gone  = false
)

// release puts jobs that were claimed back into the queue. Executions of them
// that still go on are fenced off.
func (e *Engine) release(ctx context.Context, rows []dbos.WorkflowStatus, lives bool) error {
	return e.releaseTo(ctx, queueName, rows, lives)
}

// releaseTo is release into another queue.
func (e *Engine) releaseTo(ctx context.Context, queue string, rows []dbos.WorkflowStatus, lives bool) error {
	var ids []string
	client := e.client(ctx)
	for _, row := range rows {
		if row.Status != dbos.WorkflowStatusPending {
			continue
		}
		// DBOS counts from 0 again when it resumes a job.
		attrs := map[string]any{attrBefore: attemptsOf(row)}
		if lives {
			attrs[attrReturned] = number(row, attrReturned) + 1
		}
		if err := dbos.SetWorkflowAttributes(client, row.ID, attrs, dbos.WithMergeAttributes()); err != nil {
			return fmt.Errorf("release job %s: %w", row.ID, err)
		}
		ids = append(ids, row.ID)
	}
	if len(ids) == 0 {
		return nil
	}
	if _, err := dbos.ResumeWorkflows[json.RawMessage](client, ids, dbos.WithResumeQueue(queue)); err != nil {
		return fmt.Errorf("release %d jobs: %w", len(ids), err)
	}
	return nil
}

// sweep looks, once a lease, for jobs that this node has claimed and does not
// run: those whose outcome the database did not take.
func (e *Engine) sweep(ctx context.Context) {
	known := e.kinds()
	suspects := make(map[string]bool)
	for pause(ctx, e.cfg.Lease) == nil {
		if err := e.unpark(ctx, known); err != nil && ctx.Err() == nil {
			e.log.WarnContext(ctx, "parked jobs were not taken up; trying again", "error", err)
		}
		rows, err := e.mine(ctx)
		if err != nil {
			continue
		}
		next := make(map[string]bool)
		var stranded []dbos.WorkflowStatus
		for _, row := range rows {
			if !slices.Contains(known, row.Name) || len(e.runs.of(row.ID)) > 0 {
				continue
			}
			if next[row.ID] = true; suspects[row.ID] {
				stranded = append(stranded, row)
			}
		}
		suspects = next
		if len(stranded) == 0 {
			continue
		}
		e.log.WarnContext(ctx, "jobs whose outcome was not recorded are taken up again", "jobs", len(stranded))
		if err := e.release(ctx, stranded, alive); err != nil && ctx.Err() == nil {
			e.log.WarnContext(ctx, "jobs were not released", "error", err)
		}
	}
}

// mine lists the jobs that are claimed by this node.
func (e *Engine) mine(ctx context.Context) ([]dbos.WorkflowStatus, error) {
	return e.rows(ctx, dbos.WithFilterStatus(dbos.WorkflowStatusPending), dbos.WithFilterExecutorIDs(e.cfg.Node),
		dbos.WithFilterLoadInput(false), dbos.WithFilterLoadOutput(false))
}

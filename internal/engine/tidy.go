package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
)

const (
	// tidyEvery is how often jobs are looked for that have ended long ago.
	tidyEvery = 10 * time.Minute
	// tidyBatch is how many of them are removed in one transaction, so that
	// nobody waits long for it.
	tidyBatch = 200
	// parkEvery is how often jobs are looked for that this node has claimed and
	// has no handler for: until then they keep their key.
	parkEvery = time.Second
	// parkedQueue holds them. Nobody listens to it.
	parkedQueue = "parked"
)

// Tidy removes the jobs that ended longer ago than Config.Keep, with all that was
// recorded of them, and returns how many they were.
func (e *Engine) Tidy(ctx context.Context) (int, error) {
	before := e.cfg.Now().Add(-e.cfg.Keep)
	n := 0
	for {
		rows, err := e.rows(ctx, dbos.WithFilterCompletedBefore(before), dbos.WithFilterLimit(tidyBatch),
			dbos.WithFilterStatus(slices.Concat(states[Done], states[Failed], states[Cancelled])...),
			dbos.WithFilterLoadInput(false), dbos.WithFilterLoadOutput(false))
		if err != nil || len(rows) == 0 {
			return n, err
		}
		ids := make([]string, len(rows))
		for i, row := range rows {
			ids[i] = row.ID
		}
		if err := dbos.DeleteWorkflows(e.client(ctx), ids); err != nil {
			return n, fmt.Errorf("remove %d old jobs: %w", len(ids), err)
		}
		n += len(ids)
	}
}

func (e *Engine) tidy(ctx context.Context) {
	for pause(ctx, tidyEvery) == nil {
		n, err := e.Tidy(ctx)
		if err != nil && ctx.Err() == nil {
			e.log.WarnContext(ctx, "old jobs were not removed; trying again", "error", err)
		}
		if n > 0 {
			e.log.DebugContext(ctx, "old jobs were removed", "jobs", n)
		}
	}
}

// kinds returns the kinds of job that have a handler.
func (e *Engine) kinds() []string {
	var known []string
	for _, entry := range e.dbos.ListRegisteredWorkflows(e.dbos) {
		known = append(known, entry.Name)
	}
	return known
}

// park puts aside the jobs that this node has claimed and cannot do: they would
// hold their key, and a worker, for ever. A program that knows their kind takes
// them up again.
func (e *Engine) park(ctx context.Context) {
	known := e.kinds()
	for pause(ctx, parkEvery) == nil {
		if err := e.parkOnce(ctx, known); err != nil && ctx.Err() == nil {
			e.log.WarnContext(ctx, "jobs that cannot be done here were not put aside; trying again", "error", err)
		}
	}
}

func (e *Engine) parkOnce(ctx context.Context, known []string) error {
	rows, err := e.mine(ctx)
	if err != nil {
		return err
	}
	rows = slices.DeleteFunc(rows, func(row dbos.WorkflowStatus) bool { return slices.Contains(known, row.Name) })
	if len(rows) == 0 {
		return nil
	}
	if err := e.releaseTo(ctx, parkedQueue, rows, alive); err != nil {
		return err
	}
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
		e.log.ErrorContext(ctx, "a job is parked: this program does not know its kind. It is done by a program that does; was this one an older version?",
			"job", row.ID, "kind", row.Name, "key", keyOf(row))
	}
	return e.cancelMarked(ctx, ids)
}

// cancelMarked cancels the parked jobs that somebody cancelled while they were
// claimed: who cancels marks a job and then looks at its state.
func (e *Engine) cancelMarked(ctx context.Context, ids []string) error {
	rows, err := e.rows(ctx, dbos.WithFilterWorkflowIDs(ids...), dbos.WithFilterLoadInput(false), dbos.WithFilterLoadOutput(false))
	for _, row := range rows {
		if row.Attributes[attrCancel] == true {
			err = errors.Join(err, dbos.CancelWorkflow(e.client(ctx), row.ID))
		}
	}
	return err
}

func keyOf(row dbos.WorkflowStatus) string {
	key, _ := row.Attributes[attrKey].(string)
	return key
}

// unpark takes up the parked jobs whose kind this program knows.
func (e *Engine) unpark(ctx context.Context, known []string) error {
	rows, err := e.rows(ctx, dbos.WithFilterQueueName(parkedQueue), dbos.WithFilterStatus(dbos.WorkflowStatusEnqueued),
		dbos.WithFilterName(known...), dbos.WithFilterLoadInput(false), dbos.WithFilterLoadOutput(false))
	if err != nil || len(rows) == 0 || len(known) == 0 {
		return err
	}
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	if _, err := dbos.ResumeWorkflows[json.RawMessage](e.client(ctx), ids, dbos.WithResumeQueue(queueName)); err != nil {
		return fmt.Errorf("take up %d parked jobs: %w", len(ids), err)
	}
	e.log.InfoContext(ctx, "parked jobs are taken up", "jobs", len(ids))
	return nil
}

package engine

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"

	"github.com/margay-access/margay/internal/fault"
)

// Job is work to be done.
type Job struct {
	ID    string          // chosen by the caller; the same ID twice is one job
	Kind  string          // which handler does it
	Key   string          // jobs of one key run one at a time, in the order they were enqueued; "" stands for none
	Input json.RawMessage // JSON in UTF-8, or nil
	// Delay or NotBefore holds the job back; at most one of them is set. A job
	// that becomes due takes the place in its key that it had when it was
	// enqueued. Due jobs are looked for each second.
	Delay     time.Duration
	NotBefore time.Time
}

// order is the text of the input that DBOS stores.
type order struct {
	Key   string          `json:"key,omitempty"`
	Input json.RawMessage `json:"input,omitempty"`
}

// Enqueue records job in tx, a transaction on the engine's database: the job
// exists if and only if tx commits. A job of the same ID and kind that exists
// already is left as it is. When it returns an error, roll tx back.
//
// On PostgreSQL a transaction that enqueues holds the key until it ends, so that
// the order of the jobs is that of the commits; a transaction that enqueues jobs
// of several keys should do so in the order of the keys, or it may be told of a
// deadlock (40P01) and have to be run again.
func (e *Engine) Enqueue(ctx context.Context, tx *sql.Tx, job Job) error {
	if err := job.check(); err != nil {
		return err
	}
	partition, seq, err := place(ctx, tx, job)
	if err != nil {
		return fmt.Errorf("enqueue job %s: %w", job.ID, err)
	}
	input, err := json.Marshal(order{Key: job.Key, Input: job.Input})
	if err != nil {
		return fmt.Errorf("enqueue job %s: %w", job.ID, err)
	}
	delay := job.Delay
	if !job.NotBefore.IsZero() {
		delay = job.NotBefore.Sub(e.cfg.Now())
	}
	opts := []dbos.EnqueueOption{
		dbos.WithEnqueueTransaction(tx),
		dbos.WithEnqueueWorkflowID(job.ID),
		dbos.WithEnqueueQueuePartitionKey(partition),
		dbos.WithEnqueuePriority(seq),
		dbos.WithEnqueueConfigName(job.Kind),
		dbos.WithEnqueueAttributes(map[string]any{attrKey: partition}),
	}
	if delay > 0 {
		opts = append(opts, dbos.WithEnqueueDelay(delay))
	}
	_, err = dbos.Enqueue[json.RawMessage](e.client(ctx), queueName, job.Kind, json.RawMessage(input), opts...)
	if errors.Is(err, dbos.ErrUnexpectedWorkflow) {
		return fault.New(fault.Conflict, "There is a job %s of another kind.", job.ID).Because(err)
	}
	if err != nil {
		return fmt.Errorf("enqueue job %s: %w", job.ID, err)
	}
	return nil
}

func (j Job) check() error {
	switch {
	case j.ID == "":
		return errors.New("enqueue: a job needs an ID")
	case j.Kind == "":
		return fmt.Errorf("enqueue job %s: a job needs a kind", j.ID)
	case j.Delay != 0 && !j.NotBefore.IsZero():
		return fmt.Errorf("enqueue job %s: both Delay and NotBefore are set", j.ID)
	}
	if err := checkJSON(j.Input); err != nil {
		return fmt.Errorf("enqueue job %s: input: %w", j.ID, err)
	}
	return nil
}

// place returns the partition of the queue that job goes to and its number
// there. DBOS takes the jobs of a partition by number and then by the
// millisecond in which their transaction began, which on PostgreSQL is one and
// the same for all of a transaction; so jobs of a key are numbered. The row of
// the key stays locked until tx ends: the numbers follow the commits.
func place(ctx context.Context, tx *sql.Tx, job Job) (partition string, seq uint, err error) {
	if job.Key == "" {
		return "job:" + job.ID, 0, nil
	}
	err = tx.QueryRowContext(ctx, `INSERT INTO engine_key (key, seq) VALUES ($1, 1)
		ON CONFLICT (key) DO UPDATE SET seq = engine_key.seq + 1 RETURNING seq`, job.Key).Scan(&seq)
	return "key:" + job.Key, seq, err
}

package batch

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/margay-access/margay/internal/engine"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// jobKind is the kind of the engine's job that does a batch.
const jobKind = "batch"

// input is the input of the job. Fields are added, never changed.
type input struct {
	Batch ID `json:"batch"`
}

// Enqueue records the engine's job for b in tx, the transaction that starts it.
// The batches of one person are done one after the other.
func Enqueue(ctx context.Context, e *engine.Engine, tx *sql.Tx, b Batch) error {
	in, err := json.Marshal(input{Batch: b.ID})
	if err != nil {
		return err
	}
	return e.Enqueue(ctx, tx, engine.Job{ID: string(b.ID), Kind: jobKind, Key: "batch/" + string(b.By), Input: in})
}

// Handle makes e hand the jobs of batches to s.
func (s *Service) Handle(e *engine.Engine) {
	s.jobs = e
	e.Handle(jobKind, s.carryOut)
}

// work is one execution of a batch.
type work struct {
	*Service
	job  *engine.Run
	act  Act
	doer Doer
	id   ID
	note string
	// unsure is how many of the first rows may have been done by an execution that
	// broke off: as many as it had under way.
	unsure int
}

// errOver is why an execution stops: there is nothing more to be done.
var errOver = fault.New(fault.Conflict, "The batch is not running.").WithCode("batch_over")

// carryOut does a batch: its rows in their order, each kept as it is done. After
// a crash it goes on behind what was kept; of what was under way then it is asked
// first whether it was done.
func (s *Service) carryOut(ctx context.Context, job *engine.Run) (json.RawMessage, error) {
	var in input
	if err := json.Unmarshal(job.Input(), &in); err != nil {
		return nil, err
	}
	w := work{Service: s, job: job, id: in.Batch}
	err := w.insist(ctx, "begin", func() error { return w.begin(ctx) })
	if err == nil {
		err = w.rows(ctx)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err() // the job is taken up again
	}
	if err != nil && !errors.Is(err, errOver) {
		return nil, err
	}
	return nil, w.insist(ctx, "end", func() error { return s.end(ctx, in.Batch) })
}

func (w *work) insist(ctx context.Context, part string, fn func() error) error {
	return engine.Insist(ctx, w.log, string(w.id), part, fn)
}

// begin reads what is to be done, and notes that it is begun.
func (w *work) begin(ctx context.Context) error {
	return w.store.ChangeBatches(ctx, func(tx Tx) error {
		b, err := tx.Batch(ctx, w.id)
		if err != nil {
			return err
		}
		if b.State != Running {
			return errOver
		}
		if w.act, err = ActOf(b.Act); err != nil {
			return err
		}
		w.doer, w.note = w.doers[b.Act], b.Note
		if b.Begun > 0 {
			w.unsure = w.act.AtOnce
		}
		b.Begun++
		return tx.SaveBatch(ctx, b)
	})
}

// pageRows is how many rows are read at a time.
const pageRows = 100

// rows does the rows that are ready, in their order.
func (w *work) rows(ctx context.Context) error {
	free := make(chan struct{}, w.act.AtOnce)
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := make(chan error, w.act.AtOnce)
	for after := 0; ; {
		var page []Row
		err := w.insist(ctx, "rows", func() error {
			return w.store.ViewBatches(ctx, func(tx Reader) (err error) {
				page, err = tx.BatchRows(ctx, RowFilter{Batch: w.id, States: []RowState{RowReady}, After: after, Limit: pageRows})
				return err
			})
		})
		if err != nil || len(page) == 0 {
			return err
		}
		for _, r := range page {
			select {
			case free <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case err := <-stop:
				return err
			default:
			}
			if err := w.job.Alive(); err != nil {
				return err
			}
			unsure := w.unsure > 0
			w.unsure--
			wg.Go(func() {
				defer func() { <-free }()
				if err := w.one(ctx, r, unsure); err != nil {
					stop <- err
				}
			})
			after = r.N
		}
	}
}

// one does one row and keeps what came of it. An error ends the batch or this
// execution of it.
func (w *work) one(ctx context.Context, r Row, unsure bool) error {
	who, err := w.wanted(ctx)
	if err != nil {
		return err
	}
	result, err := w.do(ctx, who, r, unsure)
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	}
	r.State, r.Result, r.At = RowDone, result, w.now()
	if err != nil {
		r.State, r.Problem = RowRefused, problemOf(err)
	}
	if fault.KindOf(err) == fault.Internal {
		w.log.ErrorContext(ctx, "a row of a batch could not be done", "batch", string(w.id), "thing", r.Thing, "error", err)
	}
	return w.insist(ctx, "keep", func() error { return w.keep(ctx, r) })
}

// do does what is to be done with r, and returns the id of what was made. One of
// which the answer may be lost is read first, and one that failed on our side
// after it.
func (w *work) do(ctx context.Context, who identity.Actor, r Row, unsure bool) (string, error) {
	if unsure {
		if result, done, err := w.doer.Did(ctx, who, r.Thing, r.Seen); err == nil && done {
			return result, nil
		}
	}
	result, err := w.doer.Do(ctx, who, r.Thing, r.Seen, w.note)
	if fault.KindOf(err) != fault.Internal || ctx.Err() != nil {
		return result, err
	}
	if result, done, failed := w.doer.Did(ctx, who, r.Thing, r.Seen); failed == nil && done {
		return result, nil
	}
	return "", err
}

// wanted returns who does the next row, with the rights that they have now, or
// says why nothing more is to be begun.
func (w *work) wanted(ctx context.Context) (who identity.Actor, err error) {
	err = w.insist(ctx, "wanted", func() error {
		return w.store.ViewBatches(ctx, func(tx Reader) error {
			b, err := tx.Batch(ctx, w.id)
			if err != nil {
				return err
			}
			p, err := tx.Person(ctx, b.By)
			if err != nil {
				return err
			}
			if b.State != Running || p.Disabled {
				return errOver
			}
			// Who signs out has left the page; a token that is revoked is to do nothing more.
			if id, ok := strings.CutPrefix(b.Via, "token:"); ok {
				t, err := tx.Token(ctx, id)
				if err != nil && !errors.Is(err, fault.NotFound) {
					return err
				}
				if err != nil || !t.RevokedAt.IsZero() || !t.ExpiresAt.IsZero() && !w.now().Before(t.ExpiresAt) {
					return errOver
				}
			}
			who = identity.Actor{Person: p.ID, Name: p.Name, Admin: b.Admin && p.Admin, Scopes: b.Scopes, Via: "batch:" + string(b.ID)}
			return nil
		})
	})
	return who, err
}

// keep keeps what came of a row.
func (s *Service) keep(ctx context.Context, r Row) error {
	return s.store.ChangeBatches(ctx, func(tx Tx) error {
		b, err := tx.Batch(ctx, r.Batch)
		if err != nil {
			return err
		}
		if b.State.Ended() {
			return errOver
		}
		b.Counts.add(RowReady, -1)
		b.Counts.add(r.State, 1)
		if err := tx.SaveBatchRow(ctx, r); err != nil {
			return err
		}
		return tx.SaveBatch(ctx, b)
	})
}

// end ends a batch, once: what is left of it was not begun.
func (s *Service) end(ctx context.Context, id ID) error {
	return s.store.ChangeBatches(ctx, func(tx Tx) error {
		b, err := tx.Batch(ctx, id)
		if err != nil || b.State.Ended() {
			return err
		}
		b.EndedAt = s.now()
		left, err := tx.SkipBatchRows(ctx, id, b.EndedAt)
		if err != nil {
			return err
		}
		b.Counts.add(RowReady, -left)
		b.Counts.add(RowSkipped, left)
		b.State = Done
		if left > 0 {
			b.State = Stopped
			if b.StoppedBy == "" {
				b.StoppedBy = identity.System().String()
			}
		}
		if err := tx.SaveBatch(ctx, b); err != nil {
			return err
		}
		n := strconv.Itoa
		return tx.Record(ctx, b.event(EventEnded, identity.System(), b.EndedAt, "done", n(b.Counts.Done), "refused", n(b.Counts.Refused), "not_begun", n(b.Counts.Skipped)))
	})
}

// mendEvery is how often batches are looked for that ended without a word.
const mendEvery = time.Minute

// Mend ends batches that nobody does any more, until ctx ends: their job was
// given up after it had killed its process too often, or was cancelled.
func (s *Service) Mend(ctx context.Context) {
	ticker := time.NewTicker(mendEvery) //nolint:forbidigo // nothing depends on how long it is
	defer ticker.Stop()
	for {
		if err := s.MendOnce(ctx); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "batches that ended without a word could not be looked for; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// MendOnce ends them now.
func (s *Service) MendOnce(ctx context.Context) error {
	var underway []Batch
	err := s.store.ViewBatches(ctx, func(tx Reader) (err error) {
		underway, err = tx.Batches(ctx, Filter{States: []State{Running, Stopping}})
		return err
	})
	if err != nil {
		return err
	}
	for _, b := range underway {
		job, err := s.jobs.Job(ctx, string(b.ID))
		if err != nil && !errors.Is(err, fault.NotFound) {
			return err
		}
		if err == nil && !job.State.Ended() {
			continue
		}
		s.log.WarnContext(ctx, "a batch ended without a word", "batch", string(b.ID))
		if err := s.end(ctx, b.ID); err != nil {
			return err
		}
	}
	return nil
}

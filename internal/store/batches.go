package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/batch"
	"github.com/margay-access/margay/internal/identity"
)

var (
	_ batch.Store  = (*DB)(nil)
	_ batch.Tx     = (*tx)(nil)
	_ batch.Reader = reader{}
)

// ViewBatches implements [batch.Store].
func (db *DB) ViewBatches(ctx context.Context, fn func(tx batch.Reader) error) error {
	return db.view(ctx, func(r reader) error { return fn(r) })
}

// ChangeBatches implements [batch.Store].
func (db *DB) ChangeBatches(ctx context.Context, fn func(tx batch.Tx) error) error {
	return db.change(ctx, func(tx *tx) error { return fn(tx) })
}

type batchRow struct {
	bun.BaseModel `bun:"table:batches"`
	ID            string `bun:",pk"`
	Act           string
	PersonID      string
	Scopes        string
	Admin         bool
	Via           string
	Chosen        string
	Note          string
	State         string
	Counts        string
	Begun         int
	PreparedMs    int64
	StartedMs     int64
	EndedMs       int64
	StoppedBy     string
}

func batchFrom(r batchRow) (batch.Batch, error) {
	b := batch.Batch{
		ID: batch.ID(r.ID), Act: r.Act, By: identity.PersonID(r.PersonID), Admin: r.Admin, Via: r.Via, Chosen: r.Chosen, Note: r.Note, State: batch.State(r.State), Begun: r.Begun,
		PreparedAt: at(r.PreparedMs), StartedAt: at(r.StartedMs), EndedAt: at(r.EndedMs), StoppedBy: r.StoppedBy,
	}
	var err error
	if b.Scopes, err = parse[[]identity.Scope]("scopes", r.Scopes); err != nil {
		return b, err
	}
	b.Counts, err = parse[batch.Counts]("counts", r.Counts)
	return b, err
}

// Batch implements [batch.Reader].
func (r reader) Batch(ctx context.Context, id batch.ID) (batch.Batch, error) {
	var row batchRow
	if err := r.q.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return batch.Batch{}, missing(err, "batch", string(id))
	}
	return batchFrom(row)
}

// Batches implements [batch.Reader].
func (r reader) Batches(ctx context.Context, f batch.Filter) ([]batch.Batch, error) {
	if !keepable(append(texts(f.States), string(f.By), string(f.Before))...) {
		return nil, nil
	}
	var rows []batchRow
	q := r.q.NewSelect().Model(&rows).Order("id DESC")
	if f.By != "" {
		q.Where("person_id = ?", f.By)
	}
	if len(f.States) > 0 {
		q.Where("state IN ?", bun.Tuple(f.States))
	}
	if f.Before != "" {
		q.Where("id < ?", f.Before)
	}
	if f.Limit > 0 {
		q.Limit(int64(f.Limit))
	}
	if err := q.Scan(ctx); err != nil {
		return nil, wrap("list batches", err)
	}
	return each(rows, batchFrom)
}

// SaveBatch implements [batch.Tx].
func (t *tx) SaveBatch(ctx context.Context, b batch.Batch) error {
	row := batchRow{
		ID: string(b.ID), Act: b.Act, PersonID: string(b.By), Scopes: text(b.Scopes), Admin: b.Admin, Via: b.Via, Chosen: b.Chosen, Note: b.Note, State: string(b.State),
		Counts: text(b.Counts), Begun: b.Begun, PreparedMs: ms(b.PreparedAt), StartedMs: ms(b.StartedAt), EndedMs: ms(b.EndedAt), StoppedBy: b.StoppedBy,
	}
	_, err := t.sql.NewInsert().Model(&row).On("CONFLICT (id) DO UPDATE").Exec(ctx)
	return wrap("save batch", err)
}

// EnqueueBatch implements [batch.Tx].
func (t *tx) EnqueueBatch(ctx context.Context, b batch.Batch) error {
	return wrap("enqueue batch", t.db.enqueueBatch(ctx, t.sql.Tx, b))
}

// DropBatches implements [batch.Tx].
func (t *tx) DropBatches(ctx context.Context, preparedBefore, endedBefore time.Time) error {
	old := t.sql.NewSelect().Model((*batchRow)(nil)).Column("id").Where("state = ? AND prepared_ms < ? OR ended_ms > 0 AND ended_ms < ?",
		batch.Prepared, ms(preparedBefore), ms(endedBefore))
	if _, err := t.sql.NewDelete().Model((*batchRowRow)(nil)).Where("batch_id IN (?)", old).Exec(ctx); err != nil {
		return wrap("remove old batches", err)
	}
	_, err := t.sql.NewDelete().Model((*batchRow)(nil)).Where("id IN (?)", old).Exec(ctx)
	return wrap("remove old batches", err)
}

type batchRowRow struct {
	bun.BaseModel `bun:"table:batch_rows"`
	BatchID       string `bun:",pk"`
	N             int    `bun:",pk"`
	ThingID       string
	Seen          string
	State         string
	Result        string
	Problem       string
	AtMs          int64
}

func batchRowTo(r batch.Row) batchRowRow {
	return batchRowRow{
		BatchID: string(r.Batch), N: r.N, ThingID: r.Thing, Seen: text(r.Seen), State: string(r.State), Result: r.Result, Problem: text(r.Problem), AtMs: ms(r.At),
	}
}

func batchRowFrom(r batchRowRow) (batch.Row, error) {
	row := batch.Row{Batch: batch.ID(r.BatchID), N: r.N, Thing: r.ThingID, State: batch.RowState(r.State), Result: r.Result, At: at(r.AtMs)}
	var err error
	if row.Seen, err = parse[batch.Seen]("seen", r.Seen); err != nil {
		return row, err
	}
	row.Problem, err = parse[batch.Problem]("problem", r.Problem)
	return row, err
}

// BatchRows implements [batch.Reader].
func (r reader) BatchRows(ctx context.Context, f batch.RowFilter) ([]batch.Row, error) {
	if !keepable(append(texts(f.States), string(f.Batch))...) {
		return nil, nil
	}
	var rows []batchRowRow
	q := r.q.NewSelect().Model(&rows).Where("batch_id = ? AND n > ?", f.Batch, f.After).Order("n")
	if len(f.States) > 0 {
		q.Where("state IN ?", bun.Tuple(f.States))
	}
	if f.Limit > 0 {
		q.Limit(int64(f.Limit))
	}
	if err := q.Scan(ctx); err != nil {
		return nil, wrap("list rows of a batch", err)
	}
	return each(rows, batchRowFrom)
}

// AddBatchRows implements [batch.Tx].
func (t *tx) AddBatchRows(ctx context.Context, rows []batch.Row) error {
	if len(rows) == 0 {
		return nil
	}
	kept := make([]batchRowRow, len(rows))
	for i, r := range rows {
		kept[i] = batchRowTo(r)
	}
	_, err := t.sql.NewInsert().Model(&kept).Exec(ctx)
	return wrap("keep rows of a batch", err)
}

// SaveBatchRow implements [batch.Tx].
func (t *tx) SaveBatchRow(ctx context.Context, r batch.Row) error {
	_, err := t.sql.NewUpdate().Model(new(batchRowTo(r))).WherePK().Exec(ctx)
	return wrap("keep row of a batch", err)
}

// SkipBatchRows implements [batch.Tx].
func (t *tx) SkipBatchRows(ctx context.Context, id batch.ID, when time.Time) (int, error) {
	res, err := t.sql.NewUpdate().Model((*batchRowRow)(nil)).Set("state = ?, at_ms = ?", batch.RowSkipped, ms(when)).
		Where("batch_id = ? AND state = ?", id, batch.RowReady).Exec(ctx)
	if err != nil {
		return 0, wrap("leave rows of a batch", err)
	}
	n, err := res.RowsAffected()
	return int(n), wrap("leave rows of a batch", err)
}

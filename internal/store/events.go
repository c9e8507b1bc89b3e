package store

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/audit"
)

type eventRow struct {
	bun.BaseModel `bun:"table:events"`
	Seq           int64 `bun:",pk"`
	ID            string
	AtMs          int64
	Kind          string
	Actor         string
	Subject       string
	Data          string
	Prev          string
	Hash          string
}

func eventFrom(r eventRow) (audit.Event, error) {
	data, err := parse[map[string]string]("data", r.Data)
	return audit.Event{
		Seq: r.Seq, ID: r.ID, At: at(r.AtMs), Kind: audit.Kind(r.Kind), Actor: r.Actor, Subject: r.Subject, Data: data, Prev: r.Prev, Hash: r.Hash,
	}, err
}

// Record implements [access.Tx]: it appends events to the chain. The writers'
// turn that tx holds keeps the chain from forking.
func (t *tx) Record(ctx context.Context, events ...audit.Event) error {
	if len(events) == 0 {
		return nil
	}
	events, err := withIDs(events)
	if err != nil {
		return err
	}
	if t.db.auditKey == nil {
		return t.recordPending(ctx, events)
	}
	pending, err := t.takePending(ctx)
	if err != nil {
		return err
	}
	return t.append(ctx, append(pending, events...))
}

// append seals events at the end of the chain.
func (t *tx) append(ctx context.Context, events []audit.Event) error {
	head, mark, err := t.head(ctx)
	if err != nil {
		return err
	}
	// What was broken stays so: a chain whose end was moved is written on, but
	// never marked as whole again.
	whole := head.Marked(t.db.auditKey, mark)
	rows := make([]eventRow, len(events))
	for i, e := range events {
		e = audit.Seal(t.db.auditKey, e, head.Seq+1, head.Hash)
		head = audit.Head{Seq: e.Seq, Hash: e.Hash}
		rows[i] = eventRow{
			Seq: e.Seq, ID: e.ID, AtMs: ms(e.At), Kind: string(e.Kind), Actor: e.Actor, Subject: e.Subject,
			Data: text(e.Data), Prev: e.Prev, Hash: e.Hash,
		}
	}
	for some := range slices.Chunk(rows, rowsAtOnce) {
		if _, err := t.sql.NewInsert().Model(&some).Exec(ctx); err != nil {
			return wrap("append to the audit log", err)
		}
	}
	if mark = ""; whole {
		mark = head.Mark(t.db.auditKey)
	}
	_, err = t.sql.NewRaw("UPDATE events_head SET seq = ?, hash = ?, mark = ? WHERE one = 1", head.Seq, head.Hash, mark).Exec(ctx)
	return wrap("move the end of the audit log", err)
}

func withIDs(events []audit.Event) ([]audit.Event, error) {
	named := slices.Clone(events)
	for i := range named {
		if named[i].ID != "" {
			continue
		}
		id, err := uuid.NewV7()
		if err != nil {
			return nil, wrap("make an event's id", err)
		}
		named[i].ID = "evt_" + strings.ReplaceAll(id.String(), "-", "")
	}
	return named, nil
}

type pendingRow struct {
	bun.BaseModel `bun:"table:events_pending"`
	ID            string `bun:",pk"`
	AtMs          int64
	Kind          string
	Actor         string
	Subject       string
	Data          string
}

// recordPending keeps events for the next program that has the chain's key: a
// token can be made beside the server by somebody who has the database but not
// the data folder.
func (t *tx) recordPending(ctx context.Context, events []audit.Event) error {
	rows := make([]pendingRow, len(events))
	for i, e := range events {
		rows[i] = pendingRow{ID: e.ID, AtMs: ms(e.At), Kind: string(e.Kind), Actor: e.Actor, Subject: e.Subject, Data: text(e.Data)}
	}
	_, err := t.sql.NewInsert().Model(&rows).Exec(ctx)
	return wrap("keep events", err)
}

// takePending returns the events that were kept without the chain's key.
func (t *tx) takePending(ctx context.Context) ([]audit.Event, error) {
	var rows []pendingRow
	if err := t.sql.NewSelect().Model(&rows).Order("id").Scan(ctx); err != nil || len(rows) == 0 {
		return nil, wrap("read kept events", err)
	}
	if _, err := t.sql.NewDelete().Model(&rows).WherePK().Exec(ctx); err != nil {
		return nil, wrap("take kept events", err)
	}
	return each(rows, func(r pendingRow) (audit.Event, error) {
		data, err := parse[map[string]string]("data", r.Data)
		return audit.Event{ID: r.ID, At: at(r.AtMs), Kind: audit.Kind(r.Kind), Actor: r.Actor, Subject: r.Subject, Data: data}, err
	})
}

// head returns the end of the chain as it is written down, and its mark.
func (r reader) head(ctx context.Context) (head audit.Head, mark string, err error) {
	err = r.q.NewRaw("SELECT seq, hash, mark FROM events_head WHERE one = 1").Scan(ctx, &head.Seq, &head.Hash, &mark)
	return head, mark, wrap("read the end of the audit log", err)
}

// RecordEvents implements [connection.Store].
func (db *DB) RecordEvents(ctx context.Context, events ...audit.Event) error {
	return db.change(ctx, func(tx *tx) error { return tx.Record(ctx, events...) })
}

// Events returns the events that f picks, newest first.
func (db *DB) Events(ctx context.Context, f audit.Filter) ([]audit.Event, error) {
	if !keepable(append(slices.Concat(f.Kinds, f.Subjects), f.ID, f.Subject, f.Actor, f.Text)...) {
		return nil, nil
	}
	var rows []eventRow
	q := db.read.NewSelect().Model(&rows).Order("seq DESC")
	if f.ID != "" {
		q.Where("id = ?", f.ID)
	}
	if f.Subject != "" {
		q.Where("subject = ?", f.Subject)
	}
	if len(f.Subjects) > 0 {
		q.Where("subject IN ?", bun.Tuple(f.Subjects))
	}
	if f.Actor != "" {
		q.Where("actor = ?", f.Actor)
	}
	if len(f.Kinds) > 0 {
		q.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
			for _, k := range f.Kinds {
				if strings.HasSuffix(k, ".") {
					q.WhereOr("kind LIKE ? ESCAPE '!'", like(k)+"%")
				} else {
					q.WhereOr("kind = ?", k)
				}
			}
			return q
		})
	}
	if !f.Since.IsZero() {
		q.Where("at_ms >= ?", ms(f.Since))
	}
	if !f.Until.IsZero() {
		q.Where("at_ms < ?", ms(f.Until))
	}
	if f.Text != "" {
		text := "%" + like(strings.ToLower(f.Text)) + "%"
		q.Where("(LOWER(kind) LIKE ? ESCAPE '!' OR LOWER(actor) LIKE ? ESCAPE '!' OR LOWER(subject) LIKE ? ESCAPE '!' OR LOWER(data) LIKE ? ESCAPE '!')", text, text, text, text)
	}
	if f.Before > 0 {
		q.Where("seq < ?", f.Before)
	}
	if f.Limit > 0 {
		q.Limit(int64(f.Limit))
	}
	if err := q.Scan(ctx); err != nil {
		return nil, wrap("list events", err)
	}
	return each(rows, eventFrom)
}

// like returns text so that LIKE … ESCAPE '!' takes it as it is.
func like(text string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(text)
}

// SignedHead returns the end of the audit log, signed, as it stands at a time.
// A chain whose end was moved by a stranger is not signed.
func (db *DB) SignedHead(ctx context.Context, at time.Time) (audit.SignedHead, error) {
	head, mark, err := reader{db.read}.head(ctx)
	if err != nil {
		return audit.SignedHead{}, err
	}
	if !head.Marked(db.auditKey, mark) {
		return audit.SignedHead{}, &audit.BrokenError{Seq: head.Seq, Reason: "its end was moved"}
	}
	return head.Sign(db.auditKey, at), nil
}

// CheckHead returns an [audit.BrokenError] when the database does not hold the
// events up to a head that was signed before: it was rolled back, or is another.
func (db *DB) CheckHead(ctx context.Context, h audit.SignedHead) error {
	if !h.Holds(db.auditKey) {
		return &audit.BrokenError{Seq: h.Seq, Reason: "the head that is kept outside the database was not signed with this database's key"}
	}
	if h.Seq == 0 {
		return nil
	}
	var hashes []string
	if err := db.read.NewRaw("SELECT hash FROM events WHERE seq = ?", h.Seq).Scan(ctx, &hashes); err != nil {
		return wrap("read event", err)
	}
	when := h.At.UTC().Format(time.RFC3339)
	if len(hashes) == 0 {
		return &audit.BrokenError{Seq: h.Seq, Reason: "it was there at " + when + " and is gone: the database was rolled back"}
	}
	if hashes[0] != h.Hash {
		return &audit.BrokenError{Seq: h.Seq, Reason: "it was another at " + when + ": the database was rolled back and went on"}
	}
	return nil
}

// verifyPage is how many events are read at a time.
const verifyPage = 1000

// VerifyEvents walks the whole audit chain on one snapshot and returns its head,
// or an [audit.BrokenError].
func (db *DB) VerifyEvents(ctx context.Context) (audit.Head, error) {
	var head audit.Head
	err := db.view(ctx, func(r reader) error {
		want, mark, err := r.head(ctx)
		if err != nil {
			return err
		}
		if head, err = audit.Verify(db.auditKey, r.allEvents(ctx), want); err != nil {
			return err
		}
		if !want.Marked(db.auditKey, mark) {
			return &audit.BrokenError{Seq: want.Seq, Reason: "it was not the last one: events behind it were cut off"}
		}
		return nil
	})
	return head, err
}

func (r reader) allEvents(ctx context.Context) iter.Seq2[audit.Event, error] {
	return func(yield func(audit.Event, error) bool) {
		last := int64(0)
		for {
			var rows []eventRow
			err := r.q.NewSelect().Model(&rows).Where("seq > ?", last).Order("seq").Limit(int64(verifyPage)).Scan(ctx)
			if err != nil {
				yield(audit.Event{}, wrap("read events", err))
				return
			}
			for _, row := range rows {
				if e, err := eventFrom(row); !yield(e, err) || err != nil {
					return
				}
				last = row.Seq
			}
			if len(rows) < verifyPage {
				return
			}
		}
	}
}

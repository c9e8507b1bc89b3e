package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/notice"
)

var (
	_ notice.Store = (*DB)(nil)
	_ notice.Tx    = (*tx)(nil)
)

// ChangeNotices implements [notice.Store].
func (db *DB) ChangeNotices(ctx context.Context, fn func(tx notice.Tx) error) error {
	return db.change(ctx, func(tx *tx) error { return fn(tx) })
}

// ViewNotices implements [notice.Store].
func (db *DB) ViewNotices(ctx context.Context, fn func(r notice.Reader) error) error {
	return db.view(ctx, func(r reader) error { return fn(r) })
}

// AllPeople implements [notice.Reader].
func (r reader) AllPeople(ctx context.Context) ([]identity.Person, error) { return r.people(ctx) }

// EventsAfter implements [notice.Reader].
func (r reader) EventsAfter(ctx context.Context, seq int64, limit int) ([]audit.Event, error) {
	var rows []eventRow
	if err := r.q.NewSelect().Model(&rows).Where("seq > ?", seq).Order("seq").Limit(int64(limit)).Scan(ctx); err != nil {
		return nil, wrap("read events", err)
	}
	return each(rows, eventFrom)
}

// LastEvent implements [notice.Reader].
func (r reader) LastEvent(ctx context.Context) (int64, error) {
	head, _, err := r.head(ctx)
	return head.Seq, err
}

// Cursor implements [notice.Reader].
func (r reader) Cursor(ctx context.Context) (c notice.Cursor, err error) {
	err = r.q.NewRaw("SELECT seq, mail_since FROM notices_cursor WHERE one = 1").Scan(ctx, &c.Seq, &c.MailSince)
	return c, wrap("read the cursor of the notices", err)
}

// SaveCursor implements [notice.Tx].
func (t *tx) SaveCursor(ctx context.Context, c notice.Cursor) error {
	_, err := t.sql.NewRaw("UPDATE notices_cursor SET seq = ?, mail_since = ? WHERE one = 1", c.Seq, c.MailSince).Exec(ctx)
	return wrap("move the cursor of the notices", err)
}

type webhookRow struct {
	bun.BaseModel `bun:"table:webhooks"`
	ID            string `bun:",pk"`
	Name          string
	URL           string
	Types         string
	Content       string
	Secrets       string
	SinceSeq      int64
	State         string
	Problem       string
	FailingMs     int64
	SucceededMs   int64
	CreatedMs     int64
}

func webhookFrom(r webhookRow) (notice.Webhook, error) {
	types, err := parse[[]notice.Type]("types", r.Types)
	if err != nil {
		return notice.Webhook{}, err
	}
	secrets, err := parse[[]notice.Secret]("secrets", r.Secrets)
	return notice.Webhook{
		ID: r.ID, Name: r.Name, URL: r.URL, Types: types, Content: notice.Content(r.Content), Secrets: secrets, Since: r.SinceSeq,
		State: notice.WebhookState(r.State), Problem: r.Problem, FailingAt: at(r.FailingMs), SucceededAt: at(r.SucceededMs), CreatedAt: at(r.CreatedMs),
	}, err
}

// Webhooks implements [notice.Reader].
func (r reader) Webhooks(ctx context.Context) ([]notice.Webhook, error) {
	var rows []webhookRow
	if err := r.q.NewSelect().Model(&rows).Order("id").Scan(ctx); err != nil {
		return nil, wrap("list webhooks", err)
	}
	return each(rows, webhookFrom)
}

// Webhook implements [notice.Reader].
func (r reader) Webhook(ctx context.Context, id string) (notice.Webhook, error) {
	var row webhookRow
	if err := r.q.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return notice.Webhook{}, missing(err, "webhook", id)
	}
	return webhookFrom(row)
}

// SaveWebhook implements [notice.Tx].
func (t *tx) SaveWebhook(ctx context.Context, w notice.Webhook) error {
	row := webhookRow{
		ID: w.ID, Name: w.Name, URL: w.URL, Types: text(w.Types), Content: string(w.Content), Secrets: text(w.Secrets), SinceSeq: w.Since,
		State: string(w.State), Problem: w.Problem, FailingMs: ms(w.FailingAt), SucceededMs: ms(w.SucceededAt), CreatedMs: ms(w.CreatedAt),
	}
	_, err := t.sql.NewInsert().Model(&row).On("CONFLICT (id) DO UPDATE").Exec(ctx)
	return wrap("save webhook", err)
}

// DeleteWebhook implements [notice.Tx].
func (t *tx) DeleteWebhook(ctx context.Context, id string) error {
	if _, err := t.sql.NewRaw("DELETE FROM deliveries WHERE queue = ?", id).Exec(ctx); err != nil {
		return wrap("delete deliveries", err)
	}
	_, err := t.sql.NewRaw("DELETE FROM webhooks WHERE id = ?", id).Exec(ctx)
	return wrap("delete webhook", err)
}

type deliveryRow struct {
	bun.BaseModel `bun:"table:deliveries"`
	ID            string `bun:",pk"`
	Queue         string
	MessageID     string
	Type          string
	Subject       string
	PersonID      string
	Once          string
	Body          string
	State         string
	Attempts      int
	NextMs        int64
	ClaimedMs     int64
	CreatedMs     int64
	DoneMs        int64
	Problem       string
	Tries         string
}

func deliveryFrom(r deliveryRow) (notice.Delivery, error) {
	tries, err := parse[[]notice.Try]("tries", r.Tries)
	return notice.Delivery{
		ID: r.ID, Queue: r.Queue, Message: r.MessageID, Type: notice.Type(r.Type), Subject: r.Subject, Person: identity.PersonID(r.PersonID),
		Once: r.Once, Body: r.Body, State: notice.DeliveryState(r.State), Attempts: r.Attempts, NextAt: at(r.NextMs), CreatedAt: at(r.CreatedMs),
		DoneAt: at(r.DoneMs), Problem: r.Problem, Tries: tries,
	}, err
}

func deliveryTo(d notice.Delivery) *deliveryRow {
	return &deliveryRow{
		ID: d.ID, Queue: d.Queue, MessageID: d.Message, Type: string(d.Type), Subject: d.Subject, PersonID: string(d.Person), Once: d.Once,
		Body: d.Body, State: string(d.State), Attempts: d.Attempts, NextMs: ms(d.NextAt), CreatedMs: ms(d.CreatedAt), DoneMs: ms(d.DoneAt),
		Problem: d.Problem, Tries: text(d.Tries),
	}
}

// Delivery implements [notice.Reader].
func (r reader) Delivery(ctx context.Context, id string) (notice.Delivery, error) {
	var row deliveryRow
	if err := r.q.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return notice.Delivery{}, missing(err, "delivery", id)
	}
	return deliveryFrom(row)
}

// Deliveries implements [notice.Reader].
func (r reader) Deliveries(ctx context.Context, f notice.DeliveryFilter) ([]notice.Delivery, error) {
	var rows []deliveryRow
	q := r.q.NewSelect().Model(&rows).Where("queue = ?", f.Queue).Order("id DESC")
	if f.State != "" {
		q.Where("state = ?", f.State)
	}
	if f.Before != "" {
		q.Where("id < ?", f.Before)
	}
	if f.Limit > 0 {
		q.Limit(int64(f.Limit))
	}
	if err := q.Scan(ctx); err != nil {
		return nil, wrap("list deliveries", err)
	}
	return each(rows, deliveryFrom)
}

// DueQueues implements [notice.Reader].
func (r reader) DueQueues(ctx context.Context, now time.Time) ([]string, error) {
	var queues []string
	err := r.q.NewRaw("SELECT DISTINCT queue FROM deliveries WHERE state = ? AND next_ms <= ? AND claimed_ms <= ?", notice.Waiting, ms(now), ms(now)).Scan(ctx, &queues)
	return queues, wrap("look for due deliveries", err)
}

// DueDeliveries implements [notice.Reader].
func (r reader) DueDeliveries(ctx context.Context, queue string, now time.Time, limit int) ([]notice.Delivery, error) {
	var rows []deliveryRow
	err := r.q.NewSelect().Model(&rows).Where("state = ? AND queue = ? AND next_ms <= ? AND claimed_ms <= ?", notice.Waiting, queue, ms(now), ms(now)).
		Order("next_ms", "id").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, wrap("read due deliveries", err)
	}
	return each(rows, deliveryFrom)
}

// ClaimDelivery implements [notice.Store].
func (db *DB) ClaimDelivery(ctx context.Context, id string, now, until time.Time) (bool, error) {
	res, err := db.write.ExecContext(ctx, `UPDATE deliveries SET claimed_ms = ?, attempts = attempts + 1
		WHERE id = ? AND state = ? AND next_ms <= ? AND claimed_ms <= ?`, ms(until), id, notice.Waiting, ms(now), ms(now))
	if err != nil {
		return false, wrap("claim delivery", err)
	}
	n, err := res.RowsAffected()
	return n == 1, wrap("claim delivery", err)
}

// AddDelivery implements [notice.Tx].
func (t *tx) AddDelivery(ctx context.Context, d notice.Delivery) error {
	_, err := t.sql.NewInsert().Model(deliveryTo(d)).On("CONFLICT (once) DO NOTHING").Exec(ctx)
	return wrap("keep delivery", err)
}

// SaveDelivery implements [notice.Tx].
func (t *tx) SaveDelivery(ctx context.Context, d notice.Delivery) error {
	_, err := t.sql.NewUpdate().Model(deliveryTo(d)).WherePK().Exec(ctx)
	return wrap("save delivery", err)
}

// CancelDeliveries implements [notice.Tx].
func (t *tx) CancelDeliveries(ctx context.Context, queue, problem string, now time.Time) error {
	_, err := t.sql.NewRaw("UPDATE deliveries SET state = ?, problem = ?, done_ms = ?, claimed_ms = 0 WHERE queue = ? AND state = ?",
		notice.Cancelled, problem, ms(now), queue, notice.Waiting).Exec(ctx)
	return wrap("cancel deliveries", err)
}

// DropDeliveries implements [notice.Tx].
func (t *tx) DropDeliveries(ctx context.Context, before time.Time, limit int) (int, error) {
	res, err := t.sql.NewRaw(`DELETE FROM deliveries WHERE id IN
		(SELECT id FROM deliveries WHERE state IN (?, ?, ?) AND done_ms < ? ORDER BY done_ms LIMIT ?)`,
		notice.Delivered, notice.Failed, notice.Cancelled, ms(before), limit).Exec(ctx)
	if err != nil {
		return 0, wrap("remove old deliveries", err)
	}
	n, err := res.RowsAffected()
	return int(n), wrap("remove old deliveries", err)
}

// UntoldEnds implements [notice.Reader]. A grant's end is told a fifth of its
// time before it, as [notice.Service.TellEnds] says.
func (r reader) UntoldEnds(ctx context.Context, now, until time.Time, limit int) ([]access.Grant, error) {
	var rows []grantRow
	err := r.q.NewSelect().Model(&rows).
		Where("state = ? AND ends_ms > ? AND ends_ms <= ?", access.GrantActive, ms(now), ms(until)).
		Where("(ends_ms - starts_ms) / 5 >= ? AND ends_ms - (ends_ms - starts_ms) / 5 <= ?", time.Minute.Milliseconds(), ms(now)).
		Where("NOT EXISTS (SELECT 1 FROM ends_told AS t WHERE t.grant_id = grant_row.id AND t.ends_ms = grant_row.ends_ms)").
		Order("ends_ms", "id").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, wrap("look for ends to tell", err)
	}
	return each(rows, grantFrom)
}

// TellEnd implements [notice.Tx].
func (t *tx) TellEnd(ctx context.Context, g access.GrantID, ends time.Time) error {
	_, err := t.sql.NewRaw("INSERT INTO ends_told (grant_id, ends_ms) VALUES (?, ?) ON CONFLICT (grant_id, ends_ms) DO NOTHING", g, ms(ends)).Exec(ctx)
	return wrap("note a told end", err)
}

// RefusesMail implements [notice.Reader].
func (r reader) RefusesMail(ctx context.Context, p identity.PersonID) (bool, error) {
	n := 0
	err := r.q.NewRaw("SELECT COUNT(*) FROM mail_refused WHERE person_id = ?", p).Scan(ctx, &n)
	return n > 0, wrap("read who wants no mail", err)
}

// SetRefusesMail implements [notice.Tx].
func (t *tx) SetRefusesMail(ctx context.Context, p identity.PersonID, refuses bool) error {
	text := "DELETE FROM mail_refused WHERE person_id = ?"
	if refuses {
		text = "INSERT INTO mail_refused (person_id) VALUES (?) ON CONFLICT (person_id) DO NOTHING"
	}
	_, err := t.sql.NewRaw(text, p).Exec(ctx)
	return wrap("keep who wants no mail", err)
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/identity"
)

type passwordRow struct {
	bun.BaseModel `bun:"table:passwords"`
	PersonID      string `bun:",pk"`
	Hash          string
	ChangedMs     int64
}

type sessionRow struct {
	bun.BaseModel `bun:"table:sessions"`
	ID            string `bun:",pk"`
	PersonID      string
	Hash          string
	Agent         string
	Address       string
	CreatedMs     int64
	SeenMs        int64
	ProvenMs      int64
}

func sessionFrom(r sessionRow) (identity.Session, error) {
	return identity.Session{
		ID: r.ID, Person: identity.PersonID(r.PersonID), Hash: r.Hash, Agent: r.Agent, Address: r.Address, CreatedAt: at(r.CreatedMs), SeenAt: at(r.SeenMs),
		ProvenAt: at(max(r.CreatedMs, r.ProvenMs)),
	}, nil
}

type failureRow struct {
	bun.BaseModel `bun:"table:sign_in_failures"`
	Account       string `bun:",pk"`
	Failures      int64
	FailedMs      int64
}

type formRow struct {
	bun.BaseModel `bun:"table:sent_forms"`
	Key           string `bun:",pk"`
	AtMs          int64
	Answer        string
}

// Password implements [identity.SignInStore].
func (db *DB) Password(ctx context.Context, id identity.PersonID) (string, error) {
	var row passwordRow
	err := db.read.NewSelect().Model(&row).Where("person_id = ?", id).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return row.Hash, wrap("read password", err)
}

// SetPassword implements [identity.SignInStore].
func (db *DB) SetPassword(ctx context.Context, id identity.PersonID, hash, account, keep string, now time.Time, events ...audit.Event) error {
	return db.change(ctx, func(tx *tx) error { return tx.setPassword(ctx, id, hash, account, keep, now, events) })
}

func (t *tx) setPassword(ctx context.Context, id identity.PersonID, hash, account, keep string, now time.Time, events []audit.Event) error {
	row := passwordRow{PersonID: string(id), Hash: hash, ChangedMs: ms(now)}
	if _, err := t.sql.NewInsert().Model(&row).On("CONFLICT (person_id) DO UPDATE").Exec(ctx); err != nil {
		return wrap("save password", err)
	}
	if _, err := t.sql.NewDelete().Model((*sessionRow)(nil)).Where("person_id = ? AND id <> ?", id, keep).Exec(ctx); err != nil {
		return wrap("end sessions", err)
	}
	if err := t.removeSignInLink(ctx, id); err != nil {
		return err
	}
	if err := t.forgetFailures(ctx, account); err != nil {
		return err
	}
	return t.Record(ctx, events...)
}

func (t *tx) forgetFailures(ctx context.Context, account string) error {
	_, err := t.sql.NewDelete().Model((*failureRow)(nil)).Where("account = ?", account).Exec(ctx)
	return wrap("forget failed sign-ins", err)
}

// AddSession implements [identity.SignInStore].
func (db *DB) AddSession(ctx context.Context, s identity.Session, account string, old time.Time, events ...audit.Event) error {
	row := sessionRow{
		ID: s.ID, PersonID: string(s.Person), Hash: s.Hash, Agent: s.Agent, Address: s.Address, CreatedMs: ms(s.CreatedAt), SeenMs: ms(s.SeenAt),
		ProvenMs: ms(s.ProvenAt),
	}
	return db.change(ctx, func(tx *tx) error {
		if _, err := tx.sql.NewDelete().Model((*sessionRow)(nil)).Where("created_ms < ?", ms(old)).Exec(ctx); err != nil {
			return wrap("remove old sessions", err)
		}
		if _, err := tx.sql.NewInsert().Model(&row).Exec(ctx); err != nil {
			return wrap("save session", err)
		}
		if err := tx.forgetFailures(ctx, account); err != nil {
			return err
		}
		return tx.Record(ctx, events...)
	})
}

// SessionByHash implements [identity.SignInStore].
func (db *DB) SessionByHash(ctx context.Context, hash string) (identity.Session, identity.Person, error) {
	var row sessionRow
	if err := db.read.NewSelect().Model(&row).Where("hash = ?", hash).Scan(ctx); err != nil {
		return identity.Session{}, identity.Person{}, missing(err, "session", "of that value")
	}
	session, err := sessionFrom(row)
	if err != nil {
		return session, identity.Person{}, err
	}
	p, err := db.Person(ctx, session.Person)
	return session, p, err
}

// SessionSeen implements [identity.SignInStore].
func (db *DB) SessionSeen(ctx context.Context, id string, seen time.Time) error {
	return db.change(ctx, func(tx *tx) error {
		_, err := tx.sql.NewUpdate().Model((*sessionRow)(nil)).Set("seen_ms = ?", ms(seen)).Where("id = ?", id).Exec(ctx)
		return wrap("note a session's use", err)
	})
}

// ProveSession implements [identity.SignInStore].
func (db *DB) ProveSession(ctx context.Context, id, account string, proven time.Time, events ...audit.Event) error {
	return db.change(ctx, func(tx *tx) error {
		if _, err := tx.sql.NewUpdate().Model((*sessionRow)(nil)).Set("proven_ms = ?", ms(proven)).Where("id = ?", id).Exec(ctx); err != nil {
			return wrap("note a session's proof", err)
		}
		if err := tx.forgetFailures(ctx, account); err != nil {
			return err
		}
		return tx.Record(ctx, events...)
	})
}

// Sessions implements [identity.SignInStore].
func (db *DB) Sessions(ctx context.Context, id identity.PersonID) ([]identity.Session, error) {
	return reader{db.read}.sessions(ctx, id)
}

func (r reader) sessions(ctx context.Context, id identity.PersonID) ([]identity.Session, error) {
	var rows []sessionRow
	if err := r.q.NewSelect().Model(&rows).Where("person_id = ?", id).Order("id DESC").Scan(ctx); err != nil {
		return nil, wrap("list sessions", err)
	}
	return each(rows, sessionFrom)
}

// EndSessions implements [identity.SignInStore].
func (db *DB) EndSessions(ctx context.Context, id identity.PersonID, drop func(identity.Session) bool, event func(identity.Session) audit.Event) error {
	return db.change(ctx, func(tx *tx) error {
		all, err := tx.sessions(ctx, id)
		if err != nil {
			return err
		}
		for _, s := range all {
			if !drop(s) {
				continue
			}
			if _, err := tx.sql.NewDelete().Model((*sessionRow)(nil)).Where("id = ?", s.ID).Exec(ctx); err != nil {
				return wrap("end session", err)
			}
			if err := tx.Record(ctx, event(s)); err != nil {
				return err
			}
		}
		return nil
	})
}

// endSessionsOf removes all sessions of a person who may not sign in any more,
// and the link with which they could.
func (t *tx) endSessionsOf(ctx context.Context, id identity.PersonID) error {
	if _, err := t.sql.NewDelete().Model((*sessionRow)(nil)).Where("person_id = ?", id).Exec(ctx); err != nil {
		return wrap("end sessions", err)
	}
	return t.removeSignInLink(ctx, id)
}

// Failures implements [identity.SignInStore].
func (db *DB) Failures(ctx context.Context, account string) (n int, last time.Time, err error) {
	var row failureRow
	err = db.read.NewSelect().Model(&row).Where("account = ?", account).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, time.Time{}, nil
	}
	return int(row.Failures), at(row.FailedMs), wrap("read failed sign-ins", err)
}

// closedAt is as many failures as close an account: those are not forgotten.
const closedAt = 100

// AddFailure implements [identity.SignInStore].
func (db *DB) AddFailure(ctx context.Context, account string, failed, old time.Time, events ...audit.Event) error {
	return db.change(ctx, func(tx *tx) error {
		_, err := tx.sql.NewDelete().Model((*failureRow)(nil)).Where("failed_ms < ? AND failures < ?", ms(old), closedAt).Exec(ctx)
		if err != nil {
			return wrap("forget failed sign-ins", err)
		}
		row := failureRow{Account: account, Failures: 1, FailedMs: ms(failed)}
		_, err = tx.sql.NewInsert().Model(&row).On("CONFLICT (account) DO UPDATE").
			Set("failures = failure_row.failures + 1").Set("failed_ms = EXCLUDED.failed_ms").Exec(ctx)
		if err != nil {
			return wrap("count a failed sign-in", err)
		}
		return tx.Record(ctx, events...)
	})
}

// ClaimForm implements [identity.SignInStore].
func (db *DB) ClaimForm(ctx context.Context, key string, now, old time.Time) (claimed bool, answer string, err error) {
	err = db.change(ctx, func(tx *tx) error {
		claimed, answer = false, ""
		if _, err := tx.sql.NewDelete().Model((*formRow)(nil)).Where("at_ms < ?", ms(old)).Exec(ctx); err != nil {
			return wrap("forget forms", err)
		}
		var row formRow
		err := tx.sql.NewSelect().Model(&row).Where("key = ?", key).Scan(ctx)
		if err == nil {
			answer = row.Answer
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return wrap("read form", err)
		}
		claimed = true
		_, err = tx.sql.NewInsert().Model(&formRow{Key: key, AtMs: ms(now)}).Exec(ctx)
		return wrap("note a form", err)
	})
	return claimed, answer, err
}

// AnswerForm implements [identity.SignInStore].
func (db *DB) AnswerForm(ctx context.Context, key, answer string) error {
	return db.change(ctx, func(tx *tx) error {
		if answer == "" {
			_, err := tx.sql.NewDelete().Model((*formRow)(nil)).Where("key = ?", key).Exec(ctx)
			return wrap("let a form be sent again", err)
		}
		_, err := tx.sql.NewUpdate().Model((*formRow)(nil)).Set("answer = ?", answer).Where("key = ?", key).Exec(ctx)
		return wrap("keep a form's answer", err)
	})
}

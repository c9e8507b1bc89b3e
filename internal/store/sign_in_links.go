package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

type signInLinkRow struct {
	bun.BaseModel `bun:"table:sign_in_links"`
	PersonID      string `bun:",pk"`
	ID            string
	Hash          string
	MadeBy        string
	CreatedMs     int64
	ExpiresMs     int64
}

func signInLinkFrom(r signInLinkRow) identity.SignInLink {
	return identity.SignInLink{
		ID: r.ID, Person: identity.PersonID(r.PersonID), Hash: r.Hash, MadeBy: r.MadeBy, CreatedAt: at(r.CreatedMs), ExpiresAt: at(r.ExpiresMs),
	}
}

// PasswordSetAt implements [identity.LinkStore].
func (db *DB) PasswordSetAt(ctx context.Context, id identity.PersonID) (time.Time, error) {
	var row passwordRow
	err := db.read.NewSelect().Model(&row).Where("person_id = ?", id).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return at(row.ChangedMs), wrap("read password", err)
}

// SignInLink implements [identity.LinkStore].
func (db *DB) SignInLink(ctx context.Context, id identity.PersonID) (identity.SignInLink, error) {
	return reader{db.read}.signInLink(ctx, id)
}

func (r reader) signInLink(ctx context.Context, id identity.PersonID) (identity.SignInLink, error) {
	var row signInLinkRow
	err := r.q.NewSelect().Model(&row).Where("person_id = ?", id).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return identity.SignInLink{}, nil
	}
	return signInLinkFrom(row), wrap("read sign-in link", err)
}

// SignInLinkByHash implements [identity.LinkStore].
func (db *DB) SignInLinkByHash(ctx context.Context, hash string) (identity.SignInLink, identity.Person, error) {
	return reader{db.read}.signInLinkByHash(ctx, hash)
}

func (r reader) signInLinkByHash(ctx context.Context, hash string) (identity.SignInLink, identity.Person, error) {
	var row signInLinkRow
	if err := r.q.NewSelect().Model(&row).Where("hash = ?", hash).Scan(ctx); err != nil {
		return identity.SignInLink{}, identity.Person{}, missing(err, "sign-in link", "of that value")
	}
	l := signInLinkFrom(row)
	p, err := r.Person(ctx, l.Person)
	return l, p, err
}

// ChangeSignInLink implements [identity.LinkStore].
func (db *DB) ChangeSignInLink(ctx context.Context, id identity.PersonID, change identity.LinkChange) error {
	return db.change(ctx, func(tx *tx) error {
		p, err := tx.Person(ctx, id)
		if err != nil {
			return err
		}
		l, err := tx.signInLink(ctx, id)
		if err != nil {
			return err
		}
		l, events, err := change(p, l)
		if err != nil {
			return err
		}
		if err := tx.removeSignInLink(ctx, id); err != nil {
			return err
		}
		if l.ID != "" {
			row := signInLinkRow{PersonID: string(id), ID: l.ID, Hash: l.Hash, MadeBy: l.MadeBy, CreatedMs: ms(l.CreatedAt), ExpiresMs: ms(l.ExpiresAt)}
			if _, err := tx.sql.NewInsert().Model(&row).Exec(ctx); err != nil {
				return wrap("save sign-in link", err)
			}
		}
		return tx.Record(ctx, events...)
	})
}

func (t *tx) removeSignInLink(ctx context.Context, id identity.PersonID) error {
	_, err := t.sql.NewDelete().Model((*signInLinkRow)(nil)).Where("person_id = ?", id).Exec(ctx)
	return wrap("remove sign-in link", err)
}

// UseSignInLink implements [identity.LinkStore].
func (db *DB) UseSignInLink(ctx context.Context, hash string, use identity.LinkUse, password, account string, now time.Time) error {
	return db.change(ctx, func(tx *tx) error {
		l, p, err := tx.signInLinkByHash(ctx, hash)
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return err
		}
		events, err := use(p, l)
		if err != nil {
			return err
		}
		return tx.setPassword(ctx, p.ID, password, account, "", now, events)
	})
}

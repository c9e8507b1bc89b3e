package store

import (
	"context"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/identity"
)

func tokenFrom(r tokenRow) (identity.Token, error) {
	scopes, err := parse[[]identity.Scope]("scopes", r.Scopes)
	return identity.Token{
		ID: r.ID, Person: identity.PersonID(r.PersonID), Name: r.Name, Scopes: scopes, Hash: r.Hash,
		CreatedAt: at(r.CreatedMs), ExpiresAt: at(r.ExpiresMs), RevokedAt: at(r.RevokedMs),
	}, err
}

// Tokens implements [identity.TokenStore].
func (db *DB) Tokens(ctx context.Context, owner identity.PersonID) ([]identity.Token, error) {
	var rows []tokenRow
	q := db.read.NewSelect().Model(&rows).Order("id DESC")
	if owner != "" {
		q.Where("person_id = ?", owner)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, wrap("list tokens", err)
	}
	return each(rows, tokenFrom)
}

// TokenByID implements [identity.TokenStore].
func (db *DB) TokenByID(ctx context.Context, id string) (identity.Token, error) {
	return reader{db.read}.Token(ctx, id)
}

// Token implements [batch.Reader].
func (r reader) Token(ctx context.Context, id string) (identity.Token, error) {
	var row tokenRow
	if err := r.q.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return identity.Token{}, missing(err, "token", id)
	}
	return tokenFrom(row)
}

// RevokeToken implements [identity.TokenStore].
func (db *DB) RevokeToken(ctx context.Context, id string, when time.Time, events ...audit.Event) (first bool, err error) {
	err = db.change(ctx, func(tx *tx) error {
		res, err := tx.sql.NewRaw("UPDATE tokens SET revoked_ms = ? WHERE id = ? AND revoked_ms = 0", ms(when), id).Exec(ctx)
		if err != nil {
			return wrap("revoke token", err)
		}
		n, err := res.RowsAffected()
		if first = n == 1; err != nil || !first {
			return wrap("revoke token", err)
		}
		return tx.Record(ctx, events...)
	})
	return first, err
}

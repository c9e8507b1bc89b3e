package store

import (
	"context"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/identity"
)

type personRow struct {
	bun.BaseModel `bun:"table:people"`
	ID            string `bun:",pk"`
	Email         string
	EmailKey      string
	Name          string
	Admin         bool
	Disabled      bool
	ManagerID     string
	CreatedMs     int64
}

func personFrom(r personRow) (identity.Person, error) {
	return identity.Person{
		ID: identity.PersonID(r.ID), Email: r.Email, Name: r.Name, Admin: r.Admin, Disabled: r.Disabled,
		Manager: identity.PersonID(r.ManagerID), CreatedAt: at(r.CreatedMs),
	}, nil
}

type tokenRow struct {
	bun.BaseModel `bun:"table:tokens"`
	ID            string `bun:",pk"`
	PersonID      string
	Name          string
	Scopes        string
	Hash          string
	CreatedMs     int64
	ExpiresMs     int64
	RevokedMs     int64
}

// Person implements [access.Reader].
func (r reader) Person(ctx context.Context, id identity.PersonID) (identity.Person, error) {
	var row personRow
	if err := r.q.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return identity.Person{}, missing(err, "person", string(id))
	}
	return personFrom(row)
}

// Administrators implements [access.Reader].
func (r reader) Administrators(ctx context.Context) (ids []identity.PersonID, err error) {
	err = r.q.NewSelect().Model((*personRow)(nil)).Column("id").Where("admin AND NOT disabled").Order("id").Scan(ctx, &ids)
	return ids, wrap("list administrators", err)
}

// Person implements [identity.Store].
func (db *DB) Person(ctx context.Context, id identity.PersonID) (identity.Person, error) {
	return reader{db.read}.Person(ctx, id)
}

// PersonByEmail implements [identity.Store].
func (db *DB) PersonByEmail(ctx context.Context, email string) (identity.Person, error) {
	var row personRow
	if err := db.read.NewSelect().Model(&row).Where("email_key = ?", strings.ToLower(email)).Scan(ctx); err != nil {
		return identity.Person{}, missing(err, "person", email)
	}
	return personFrom(row)
}

// People implements [identity.Store].
func (db *DB) People(ctx context.Context) ([]identity.Person, error) {
	return reader{db.read}.people(ctx)
}

func (r reader) people(ctx context.Context) ([]identity.Person, error) {
	var rows []personRow
	if err := r.q.NewSelect().Model(&rows).Order("name", "id").Scan(ctx); err != nil {
		return nil, wrap("list people", err)
	}
	return each(rows, personFrom)
}

// SavePerson implements [identity.Store].
func (db *DB) SavePerson(ctx context.Context, p identity.Person, events ...audit.Event) error {
	return db.change(ctx, func(tx *tx) error { return tx.savePerson(ctx, p, events) })
}

func (t *tx) savePerson(ctx context.Context, p identity.Person, events []audit.Event) error {
	row := personRow{
		ID: string(p.ID), Email: p.Email, EmailKey: strings.ToLower(p.Email), Name: p.Name,
		Admin: p.Admin, Disabled: p.Disabled, ManagerID: string(p.Manager), CreatedMs: ms(p.CreatedAt),
	}
	if _, err := t.sql.NewInsert().Model(&row).On("CONFLICT (id) DO UPDATE").Exec(ctx); err != nil {
		return taken(err, "save person", "There is somebody with the e-mail address %s already.", p.Email)
	}
	if p.Disabled {
		if err := t.endSessionsOf(ctx, p.ID); err != nil {
			return err
		}
	}
	if p.Disabled || !p.Admin {
		// Who may make no links any more has none that are open: with one they could
		// still become somebody else.
		maker := identity.Actor{Person: p.ID}.String()
		if _, err := t.sql.NewDelete().Model((*signInLinkRow)(nil)).Where("made_by = ?", maker).Exec(ctx); err != nil {
			return wrap("remove sign-in links", err)
		}
	}
	return t.Record(ctx, events...)
}

// ChangePerson implements [identity.Store].
func (db *DB) ChangePerson(ctx context.Context, id identity.PersonID, change identity.ChangeFunc) (changed identity.Person, err error) {
	err = db.change(ctx, func(tx *tx) (err error) {
		changed, err = tx.ChangePerson(ctx, id, change)
		return err
	})
	return changed, err
}

// ChangePerson implements [access.Tx].
func (t *tx) ChangePerson(ctx context.Context, id identity.PersonID, change identity.ChangeFunc) (identity.Person, error) {
	p, err := t.Person(ctx, id)
	if err != nil {
		return p, err
	}
	all, err := t.people(ctx)
	if err != nil {
		return p, err
	}
	p, events, err := change(p, all)
	if err != nil {
		return p, err
	}
	return p, t.savePerson(ctx, p, events)
}

// AddToken implements [identity.Store].
func (db *DB) AddToken(ctx context.Context, t identity.Token, events ...audit.Event) error {
	row := tokenRow{
		ID: t.ID, PersonID: string(t.Person), Name: t.Name, Scopes: text(t.Scopes), Hash: t.Hash,
		CreatedMs: ms(t.CreatedAt), ExpiresMs: ms(t.ExpiresAt), RevokedMs: ms(t.RevokedAt),
	}
	return db.change(ctx, func(tx *tx) error {
		if _, err := tx.sql.NewInsert().Model(&row).Exec(ctx); err != nil {
			return wrap("save token", err)
		}
		return tx.Record(ctx, events...)
	})
}

// TokenByHash implements [identity.Store].
func (db *DB) TokenByHash(ctx context.Context, hash string) (identity.Token, error) {
	var row tokenRow
	if err := db.read.NewSelect().Model(&row).Where("hash = ?", hash).Scan(ctx); err != nil {
		return identity.Token{}, missing(err, "token", "of that value")
	}
	return tokenFrom(row)
}

type sealedKeyRow struct {
	bun.BaseModel `bun:"table:sealed_keys"`
	Name          string `bun:",pk"`
	Wrapped       string
}

// SealedKey implements [seal.Store].
func (db *DB) SealedKey(ctx context.Context, name string) ([]byte, error) {
	var rows []sealedKeyRow
	if err := db.read.NewSelect().Model(&rows).Where("name = ?", name).Scan(ctx); err != nil || len(rows) == 0 {
		return nil, wrap("read sealed key", err)
	}
	return parse[[]byte]("sealed key", rows[0].Wrapped)
}

// AddSealedKey implements [seal.Store].
func (db *DB) AddSealedKey(ctx context.Context, name string, wrapped []byte) ([]byte, error) {
	err := db.change(ctx, func(tx *tx) error {
		_, err := tx.sql.NewInsert().Model(&sealedKeyRow{Name: name, Wrapped: text(wrapped)}).On("CONFLICT (name) DO NOTHING").Exec(ctx)
		return wrap("keep sealed key", err)
	})
	if err != nil {
		return nil, err
	}
	return db.SealedKey(ctx, name)
}

// now is the store's clock, for marks that no rule looks at.
func (db *DB) nowMs() int64 {
	if db.now == nil {
		return time.Now().UnixMilli() //nolint:forbidigo // no clock was given
	}
	return ms(db.now())
}

package store

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/access"
)

type postponedRow struct {
	bun.BaseModel `bun:"table:postponed"`
	Subject       string `bun:",pk"`
	Chore         string
	Problem       string
	Tries         int
	SinceMs       int64
	NextMs        int64
}

// notPostponed leaves out what the clock tries again later.
const notPostponed = "NOT EXISTS (SELECT 1 FROM postponed WHERE subject = ? || ?TableAlias.id AND next_ms > ?)"

// Postponed implements [access.Reader].
func (r reader) Postponed(ctx context.Context) ([]access.Postponed, error) {
	var rows []postponedRow
	if err := r.q.NewSelect().Model(&rows).Order("since_ms", "subject").Scan(ctx); err != nil {
		return nil, wrap("read what is postponed", err)
	}
	list := make([]access.Postponed, len(rows))
	for i, p := range rows {
		list[i] = access.Postponed{Subject: p.Subject, Chore: access.Chore(p.Chore), Problem: p.Problem, Tries: p.Tries, Since: at(p.SinceMs), NextAt: at(p.NextMs)}
	}
	return list, nil
}

// SavePostponed implements [access.Tx].
func (t *tx) SavePostponed(ctx context.Context, p access.Postponed) error {
	row := postponedRow{Subject: p.Subject, Chore: string(p.Chore), Problem: p.Problem, Tries: p.Tries, SinceMs: ms(p.Since), NextMs: ms(p.NextAt)}
	_, err := t.sql.NewInsert().Model(&row).
		On("CONFLICT (subject) DO UPDATE").Set("chore = EXCLUDED.chore").Set("problem = EXCLUDED.problem").Set("tries = EXCLUDED.tries").
		Set("since_ms = EXCLUDED.since_ms").Set("next_ms = EXCLUDED.next_ms").Exec(ctx)
	return wrap("postpone", err)
}

// DropPostponed implements [access.Tx].
func (t *tx) DropPostponed(ctx context.Context, subject string) error {
	_, err := t.sql.NewDelete().Model((*postponedRow)(nil)).Where("subject = ?", subject).Exec(ctx)
	return wrap("forget what was postponed", err)
}

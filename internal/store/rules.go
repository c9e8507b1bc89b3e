package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/identity"
)

type profileRow struct {
	bun.BaseModel `bun:"table:profiles"`
	ID            string `bun:",pk"`
	Name          string
	Groups        string
	WhomToAsk     string
	CreatedMs     int64
	savedColumns
}

func profileFrom(r profileRow) (access.Profile, error) {
	groups, err := parse[[]identity.GroupID]("groups", r.Groups)
	return access.Profile{ID: access.ProfileID(r.ID), Name: r.Name, Groups: groups, WhomToAsk: r.WhomToAsk, CreatedAt: at(r.CreatedMs), Saved: r.saved()}, err
}

// Profile implements [access.Reader].
func (r reader) Profile(ctx context.Context, id access.ProfileID) (access.Profile, error) {
	var row profileRow
	if err := r.q.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return access.Profile{}, missing(err, "profile", string(id))
	}
	return profileFrom(row)
}

// Profiles implements [access.Reader].
func (r reader) Profiles(ctx context.Context) ([]access.Profile, error) {
	var rows []profileRow
	if err := r.q.NewSelect().Model(&rows).Order("name").Scan(ctx); err != nil {
		return nil, wrap("list profiles", err)
	}
	return each(rows, profileFrom)
}

// SaveProfile implements [access.Tx].
func (t *tx) SaveProfile(ctx context.Context, p access.Profile) error {
	row := profileRow{ID: string(p.ID), Name: p.Name, Groups: text(p.Groups), WhomToAsk: p.WhomToAsk, CreatedMs: ms(p.CreatedAt), savedColumns: columnsOf(p.Saved)}
	_, err := t.sql.NewInsert().Model(&row).On("CONFLICT (id) DO UPDATE").Exec(ctx)
	return taken(err, "save profile", "There is a profile %s already.", p.Name)
}

// policyVersionRow is a policy as it was.
type policyVersionRow struct {
	bun.BaseModel `bun:"table:policy_versions"`
	ID            string `bun:",pk"`
	Version       int    `bun:",pk"`
	policyColumns
}

// PolicyVersions implements [access.Reader].
func (r reader) PolicyVersions(ctx context.Context, id access.PolicyID) ([]access.Policy, error) {
	if !keepable(string(id)) {
		return nil, nil
	}
	var rows []policyVersionRow
	if err := r.q.NewSelect().Model(&rows).Where("id = ?", id).Order("version DESC").Scan(ctx); err != nil {
		return nil, wrap("list versions of a policy", err)
	}
	return each(rows, func(r policyVersionRow) (access.Policy, error) {
		return policyFromColumns(r.ID, r.Version, r.policyColumns)
	})
}

// AllRoles implements [access.Reader].
func (r reader) AllRoles(ctx context.Context) ([]access.Role, error) {
	var rows []roleRow
	if err := r.q.NewSelect().Model(&rows).Order("id").Scan(ctx); err != nil {
		return nil, wrap("list roles", err)
	}
	return each(rows, roleFrom)
}

type commentRow struct {
	bun.BaseModel `bun:"table:request_comments"`
	ID            string `bun:",pk"`
	RequestID     string
	ByID          string
	Text          string
	AtMs          int64
}

// Comments implements [access.Reader].
func (r reader) Comments(ctx context.Context, id access.RequestID) ([]access.Comment, error) {
	var rows []commentRow
	if err := r.q.NewSelect().Model(&rows).Where("request_id = ?", id).Order("id").Scan(ctx); err != nil {
		return nil, wrap("list comments", err)
	}
	return each(rows, func(r commentRow) (access.Comment, error) {
		return access.Comment{ID: r.ID, Request: access.RequestID(r.RequestID), By: identity.PersonID(r.ByID), Text: r.Text, At: at(r.AtMs)}, nil
	})
}

// AddComment implements [access.Tx].
func (t *tx) AddComment(ctx context.Context, c access.Comment) error {
	row := commentRow{ID: c.ID, RequestID: string(c.Request), ByID: string(c.By), Text: c.Text, AtMs: ms(c.At)}
	_, err := t.sql.NewInsert().Model(&row).Exec(ctx)
	return wrap("save comment", err)
}

type keyRow struct {
	bun.BaseModel `bun:"table:request_keys"`
	KeyText       string `bun:",pk"`
	RequestID     string `bun:",pk"`
	Step          int    `bun:",pk"`
}

// keepKeys keeps who may see and decide r. They never change: they name groups
// and owners, not those who are in them.
func (t *tx) keepKeys(ctx context.Context, r access.Request) error {
	var rows []keyRow
	for _, k := range r.Keys() {
		rows = append(rows, keyRow{KeyText: k.Of, RequestID: string(r.ID), Step: k.Step})
	}
	_, err := t.sql.NewInsert().Model(&rows).On("CONFLICT DO NOTHING").Exec(ctx)
	return wrap("save who may see a request", err)
}

// addKeys gives the requests of an older version their keys.
func (db *DB) addKeys(ctx context.Context) error {
	for done := false; !done; {
		err := db.change(ctx, func(tx *tx) error {
			var rows []requestRow
			if err := tx.sql.NewSelect().Model(&rows).Where("step = -1").Order("id").Limit(rowsAtOnce).Scan(ctx); err != nil {
				return wrap("list requests", err)
			}
			done = len(rows) < rowsAtOnce
			old, err := each(rows, requestFrom)
			for _, r := range old {
				if err := tx.SaveRequest(ctx, r); err != nil {
					return err
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// CountRequests implements [access.Reader].
func (r reader) CountRequests(ctx context.Context, f access.RequestFilter) (int, error) {
	n, err := r.requests(f).Count(ctx)
	return int(n), wrap("count requests", err)
}

// Touched implements [access.Reader].
func (r reader) Touched(ctx context.Context, roles []access.RoleID) (access.Touched, error) {
	var t access.Touched
	if len(roles) == 0 {
		return t, nil
	}
	var people []identity.PersonID
	q := r.q.NewSelect().Model((*requestRow)(nil)).Column("person_id").
		Where("state = ?", access.RequestWaiting).Where("role_id IN ?", bun.Tuple(roles))
	if err := q.Scan(ctx, &people); err != nil {
		return t, wrap("count requests", err)
	}
	t.Waiting = len(people)
	var holders []identity.PersonID
	if err := r.q.NewSelect().Model((*grantRow)(nil)).Column("person_id").
		Where("state <> ?", access.GrantEnded).Where("state <> ?", access.GrantNotSetUp).Where("role_id IN ?", bun.Tuple(roles)).Scan(ctx, &holders); err != nil {
		return t, wrap("count grants", err)
	}
	t.Grants = len(holders)
	seen := map[identity.PersonID]bool{}
	for _, p := range append(people, holders...) {
		seen[p] = true
	}
	t.People = len(seen)
	return t, nil
}

// lapsed picks the requests whose time to be decided is over.
func lapsed(q *bun.SelectQuery, by time.Time) {
	if !by.IsZero() {
		q.Where("lapses_ms > 0 AND lapses_ms <= ?", ms(by)).Where(notPostponed, "request:", ms(by))
	}
}

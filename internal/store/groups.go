package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/identity"
)

type groupRow struct {
	bun.BaseModel `bun:"table:groups"`
	ID            string `bun:",pk"`
	Name          string
	NameKey       string
	Description   string
	CreatedMs     int64
}

type memberRow struct {
	bun.BaseModel `bun:"table:group_members"`
	GroupID       string `bun:",pk"`
	PersonID      string `bun:",pk"`
}

func groupOf(r groupRow, members []identity.PersonID) identity.Group {
	return identity.Group{ID: identity.GroupID(r.ID), Name: r.Name, Description: r.Description, Members: members, CreatedAt: at(r.CreatedMs)}
}

// members returns the members of groups, of all when none is named.
func (r reader) members(ctx context.Context, groups ...identity.GroupID) (map[string][]identity.PersonID, error) {
	var rows []memberRow
	q := r.q.NewSelect().Model(&rows)
	if len(groups) > 0 {
		q.Where("group_id IN ?", bun.Tuple(groups))
	}
	if err := q.Scan(ctx); err != nil {
		return nil, wrap("list members", err)
	}
	members := map[string][]identity.PersonID{}
	for _, m := range rows {
		members[m.GroupID] = append(members[m.GroupID], identity.PersonID(m.PersonID))
	}
	for _, list := range members {
		slices.Sort(list) // a database may sort by the rules of a language
	}
	return members, nil
}

// Group implements [access.Reader].
func (r reader) Group(ctx context.Context, id identity.GroupID) (identity.Group, error) {
	var row groupRow
	if err := r.q.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return identity.Group{}, missing(err, "group", string(id))
	}
	members, err := r.members(ctx, id)
	return groupOf(row, members[row.ID]), err
}

// Groups implements [access.Reader].
func (r reader) Groups(ctx context.Context) ([]identity.Group, error) {
	var rows []groupRow
	if err := r.q.NewSelect().Model(&rows).Order("name", "id").Scan(ctx); err != nil {
		return nil, wrap("list groups", err)
	}
	members, err := r.members(ctx)
	groups := make([]identity.Group, 0, len(rows))
	for _, row := range rows {
		groups = append(groups, groupOf(row, members[row.ID]))
	}
	return groups, err
}

// Standing implements [access.Reader].
func (r reader) Standing(ctx context.Context, person identity.PersonID) (groups []identity.GroupID, reports []identity.PersonID, err error) {
	if person == "" || !keepable(string(person)) {
		return nil, nil, nil
	}
	if err := r.q.NewSelect().Model((*memberRow)(nil)).Column("group_id").Where("person_id = ?", person).Order("group_id").Scan(ctx, &groups); err != nil {
		return nil, nil, wrap("list groups of a person", err)
	}
	reports = identity.Reports(person, func(manager identity.PersonID) []identity.Person {
		var rows []personRow
		if err != nil {
			return nil
		}
		if err = r.q.NewSelect().Model(&rows).Where("manager_id = ?", manager).Scan(ctx); err != nil {
			return nil
		}
		var people []identity.Person
		people, err = each(rows, personFrom)
		return people
	})
	return groups, reports, wrap("list who reports to a person", err)
}

// Directory implements [identity.Store].
func (db *DB) Directory(ctx context.Context) (identity.Directory, error) {
	var d identity.Directory
	err := db.view(ctx, func(r reader) (err error) {
		d, err = r.directory(ctx)
		return err
	})
	return d, err
}

func (r reader) directory(ctx context.Context) (d identity.Directory, err error) {
	if d.People, err = r.people(ctx); err != nil {
		return d, err
	}
	d.Groups, err = r.Groups(ctx)
	return d, err
}

// ChangeDirectory implements [identity.Store].
func (db *DB) ChangeDirectory(ctx context.Context, change func(identity.Directory) (identity.Directory, []audit.Event, error)) error {
	return db.change(ctx, func(tx *tx) error {
		all, err := tx.directory(ctx)
		if err != nil {
			return err
		}
		changed, events, err := change(all)
		if err != nil {
			return err
		}
		for _, p := range changed.People {
			if err := tx.savePerson(ctx, p, nil); err != nil {
				return err
			}
		}
		for _, g := range changed.Groups {
			if err := tx.saveGroup(ctx, g); err != nil {
				return err
			}
		}
		return tx.Record(ctx, events...)
	})
}

// rowsAtOnce keeps one statement within what the databases take.
const rowsAtOnce = 1000

func (t *tx) saveGroup(ctx context.Context, g identity.Group) error {
	row := groupRow{ID: string(g.ID), Name: g.Name, NameKey: strings.ToLower(g.Name), Description: g.Description, CreatedMs: ms(g.CreatedAt)}
	if _, err := t.sql.NewInsert().Model(&row).On("CONFLICT (id) DO UPDATE").Exec(ctx); err != nil {
		return taken(err, "save group", "There is a group %s already.", g.Name)
	}
	if _, err := t.sql.NewDelete().Model((*memberRow)(nil)).Where("group_id = ?", g.ID).Exec(ctx); err != nil {
		return wrap("save group", err)
	}
	for chunk := range slices.Chunk(g.Members, rowsAtOnce) {
		rows := make([]memberRow, len(chunk))
		for i, p := range chunk {
			rows[i] = memberRow{GroupID: string(g.ID), PersonID: string(p)}
		}
		if _, err := t.sql.NewInsert().Model(&rows).Exec(ctx); err != nil {
			return wrap("save members", err)
		}
	}
	return nil
}

// Group implements [identity.Store].
func (db *DB) Group(ctx context.Context, id identity.GroupID) (identity.Group, error) {
	return reader{db.read}.Group(ctx, id)
}

// Groups implements [identity.Store].
func (db *DB) Groups(ctx context.Context) ([]identity.Group, error) {
	return reader{db.read}.Groups(ctx)
}

// CountTokens implements [identity.Store].
func (db *DB) CountTokens(ctx context.Context, person identity.PersonID, at time.Time) (int, error) {
	n, err := db.read.NewSelect().Model((*tokenRow)(nil)).Where("person_id = ?", person).Where("revoked_ms = 0").
		Where("(expires_ms = 0 OR expires_ms > ?)", ms(at)).Count(ctx)
	return int(n), wrap("count tokens", err)
}

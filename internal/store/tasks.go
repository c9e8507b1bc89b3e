package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/identity"
)

type provisioningRow struct {
	bun.BaseModel `bun:"table:provisioning"`
	Subject       string `bun:",pk"`
	Method        string
	People        string
	Groups        string
}

// Provisioning implements [access.Reader].
func (r reader) Provisioning(ctx context.Context, subject string) (access.Provisioning, error) {
	var row provisioningRow
	err := r.q.NewSelect().Model(&row).Where("subject = ?", subject).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return access.Provisioning{}, nil
	}
	if err != nil {
		return access.Provisioning{}, wrap("read provisioning of "+subject, err)
	}
	p := access.Provisioning{Method: access.Method(row.Method)}
	if p.People, err = parse[[]identity.PersonID]("people", row.People); err != nil {
		return p, err
	}
	p.Groups, err = parse[[]identity.GroupID]("groups", row.Groups)
	return p, err
}

// SaveProvisioning implements [access.Tx].
func (t *tx) SaveProvisioning(ctx context.Context, subject string, p access.Provisioning) error {
	row := provisioningRow{Subject: subject, Method: string(p.Method), People: text(p.People), Groups: text(p.Groups)}
	_, err := t.sql.NewInsert().Model(&row).On("CONFLICT (subject) DO UPDATE").Exec(ctx)
	return wrap("save provisioning", err)
}

type taskRow struct {
	bun.BaseModel `bun:"table:tasks"`
	ID            string `bun:",pk"`
	Kind          string
	GrantID       string
	AppID         string
	ConnectionID  string
	RoleName      string
	PersonID      string
	People        string
	Groups        string
	State         string
	Note          string
	DoneBy        string
	CreatedMs     int64
	EndedMs       int64
}

func taskFrom(r taskRow) (access.Task, error) {
	t := access.Task{
		ID: access.TaskID(r.ID), Kind: access.JobKind(r.Kind), Grant: access.GrantID(r.GrantID), App: access.AppID(r.AppID), Connection: r.ConnectionID,
		RoleName: r.RoleName, Person: identity.PersonID(r.PersonID), State: access.TaskState(r.State), Note: r.Note, By: identity.PersonID(r.DoneBy),
		CreatedAt: at(r.CreatedMs), EndedAt: at(r.EndedMs),
	}
	var err error
	if t.People, err = parse[[]identity.PersonID]("people", r.People); err != nil {
		return t, err
	}
	t.Groups, err = parse[[]identity.GroupID]("groups", r.Groups)
	return t, err
}

// Task implements [access.Reader].
func (r reader) Task(ctx context.Context, id access.TaskID) (access.Task, error) {
	var row taskRow
	if err := r.q.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return access.Task{}, missing(err, "task", string(id))
	}
	return taskFrom(row)
}

// Tasks implements [access.Reader].
func (r reader) Tasks(ctx context.Context, f access.TaskFilter) ([]access.Task, error) {
	if !keepable(string(f.State), string(f.App), string(f.Grant), string(f.Before)) {
		return nil, nil
	}
	var rows []taskRow
	q := r.q.NewSelect().Model(&rows).Order("id DESC")
	for column, value := range map[string]string{"state": string(f.State), "app_id": string(f.App), "grant_id": string(f.Grant)} {
		if value != "" {
			q.Where("? = ?", bun.Ident(column), value)
		}
	}
	if f.Before != "" {
		q.Where("id < ?", f.Before)
	}
	if f.Limit > 0 {
		q.Limit(int64(f.Limit))
	}
	if err := q.Scan(ctx); err != nil {
		return nil, wrap("list tasks", err)
	}
	return each(rows, taskFrom)
}

// SaveTask implements [access.Tx].
func (t *tx) SaveTask(ctx context.Context, v access.Task) error {
	row := taskRow{
		ID: string(v.ID), Kind: string(v.Kind), GrantID: string(v.Grant), AppID: string(v.App), ConnectionID: v.Connection, RoleName: v.RoleName,
		PersonID: string(v.Person), People: text(v.People), Groups: text(v.Groups), State: string(v.State), Note: v.Note, DoneBy: string(v.By),
		CreatedMs: ms(v.CreatedAt), EndedMs: ms(v.EndedAt),
	}
	_, err := t.sql.NewInsert().Model(&row).On("CONFLICT (id) DO UPDATE").Exec(ctx)
	return wrap("save task", err)
}

// DropTasks implements [access.Tx].
func (t *tx) DropTasks(ctx context.Context, grant access.GrantID, but access.TaskID, when time.Time) error {
	_, err := t.sql.NewUpdate().Model((*taskRow)(nil)).Set("state = ?", access.TaskDropped).Set("ended_ms = ?", ms(when)).
		Where("grant_id = ? AND state = ? AND id <> ?", grant, access.TaskOpen, but).Exec(ctx)
	return wrap("drop tasks", err)
}

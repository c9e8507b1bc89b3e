package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/workflow"
)

// definitions reads workflows with a handle or inside a transaction.
type definitions struct{ q bun.IDB }

// definitionTx implements [workflow.Tx].
type definitionTx struct {
	definitions
	tx *tx
}

var _ workflow.Tx = definitionTx{}

type workflowRow struct {
	bun.BaseModel  `bun:"table:workflows"`
	ID             string `bun:",pk"`
	Name           string
	Type           string
	Integration    string
	ConnectionID   string
	Description    string
	Tags           string
	Starters       string
	Paused         bool
	OriginBundle   string
	OriginWorkflow string
	OriginVersion  int
	OriginHash     string
	Published      string
	Revision       int
	NextMs         int64
	ArchivedMs     int64
	CreatedMs      int64
}

func workflowFrom(r workflowRow) (workflow.Workflow, error) {
	w := workflow.Workflow{
		ID: r.ID, Name: r.Name, Type: workflow.Type(r.Type), Integration: r.Integration, Connection: r.ConnectionID, Description: r.Description,
		Paused: r.Paused, Published: r.Published, Revision: r.Revision, NextAt: at(r.NextMs), ArchivedAt: at(r.ArchivedMs), CreatedAt: at(r.CreatedMs),
		Origin: workflow.Origin{Bundle: r.OriginBundle, Workflow: r.OriginWorkflow, Version: r.OriginVersion, Hash: r.OriginHash},
	}
	var err error
	if w.Tags, err = parse[[]string]("tags", r.Tags); err != nil {
		return w, err
	}
	w.Starters, err = parse[workflow.Starters]("starters", r.Starters)
	return w, err
}

func rowOfWorkflow(w workflow.Workflow) workflowRow {
	return workflowRow{
		ID: w.ID, Name: w.Name, Type: string(w.Type), Integration: w.Integration, ConnectionID: w.Connection, Description: w.Description,
		Tags: text(w.Tags), Starters: text(w.Starters), Paused: w.Paused, OriginBundle: w.Origin.Bundle, OriginWorkflow: w.Origin.Workflow,
		OriginVersion: w.Origin.Version, OriginHash: w.Origin.Hash, Published: w.Published, Revision: w.Revision, NextMs: ms(w.NextAt),
		ArchivedMs: ms(w.ArchivedAt), CreatedMs: ms(w.CreatedAt),
	}
}

type versionRow struct {
	bun.BaseModel `bun:"table:workflow_versions"`
	WorkflowID    string `bun:",pk"`
	Hash          string `bun:",pk"`
	Number        int
	File          string
	Source        string
	Modules       string
	Inputs        string
	Cron          string
	Zone          string
	Note          string
	AuthorID      string
	CreatedMs     int64
}

func versionFrom(r versionRow) (workflow.Version, error) {
	modules, err := parse[map[string]string]("modules", r.Modules)
	return workflow.Version{
		Hash: r.Hash, Workflow: r.WorkflowID, Number: r.Number, File: r.File, Source: r.Source, Modules: modules, Inputs: raw(r.Inputs),
		Schedule: workflow.Schedule{Cron: r.Cron, Zone: r.Zone}, Note: r.Note, Author: identity.PersonID(r.AuthorID), CreatedAt: at(r.CreatedMs),
	}, err
}

// raw returns kept JSON; nil for none.
func raw(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

type draftRow struct {
	bun.BaseModel `bun:"table:workflow_drafts"`
	WorkflowID    string `bun:",pk"`
	File          string
	Source        string
	Inputs        string
	Cron          string
	Zone          string
	BundleVersion int
	AuthorID      string
	ChangedMs     int64
}

// Workflow implements [workflow.Tx].
func (d definitions) Workflow(ctx context.Context, id string) (workflow.Workflow, error) {
	var row workflowRow
	if err := d.q.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return workflow.Workflow{}, missing(err, "workflow", id)
	}
	return workflowFrom(row)
}

// Workflows implements [workflow.Tx].
func (d definitions) Workflows(ctx context.Context) ([]workflow.Workflow, error) {
	var rows []workflowRow
	if err := d.q.NewSelect().Model(&rows).Order("name", "id").Scan(ctx); err != nil {
		return nil, wrap("list workflows", err)
	}
	return each(rows, workflowFrom)
}

// Version implements [workflow.Tx].
func (d definitions) Version(ctx context.Context, id, hash string) (workflow.Version, error) {
	var row versionRow
	if err := d.q.NewSelect().Model(&row).Where("workflow_id = ? AND hash = ?", id, hash).Scan(ctx); err != nil {
		return workflow.Version{}, missing(err, "workflow version", hash)
	}
	return versionFrom(row)
}

// Versions implements [workflow.Tx].
func (d definitions) Versions(ctx context.Context, id string) ([]workflow.Version, error) {
	var rows []versionRow
	if err := d.q.NewSelect().Model(&rows).Where("workflow_id = ?", id).Order("number DESC").Scan(ctx); err != nil {
		return nil, wrap("list workflow versions", err)
	}
	return each(rows, versionFrom)
}

// Draft implements [workflow.Tx].
func (d definitions) Draft(ctx context.Context, id string) (*workflow.Draft, error) {
	var rows []draftRow
	if err := d.q.NewSelect().Model(&rows).Where("workflow_id = ?", id).Scan(ctx); err != nil || len(rows) == 0 {
		return nil, wrap("read draft", err)
	}
	r := rows[0]
	return &workflow.Draft{
		Content: workflow.Content{File: r.File, Source: r.Source, Inputs: raw(r.Inputs), Schedule: workflow.Schedule{Cron: r.Cron, Zone: r.Zone}},
		Bundle:  r.BundleVersion, Author: identity.PersonID(r.AuthorID), At: at(r.ChangedMs),
	}, nil
}

// Workflow implements [workflow.Store].
func (db *DB) Workflow(ctx context.Context, id string) (workflow.Workflow, error) {
	return definitions{db.read}.Workflow(ctx, id)
}

// Workflows implements [workflow.Store].
func (db *DB) Workflows(ctx context.Context) ([]workflow.Workflow, error) {
	return definitions{db.read}.Workflows(ctx)
}

// Version implements [workflow.Store].
func (db *DB) Version(ctx context.Context, id, hash string) (workflow.Version, error) {
	return definitions{db.read}.Version(ctx, id, hash)
}

// Versions implements [workflow.Store].
func (db *DB) Versions(ctx context.Context, id string) ([]workflow.Version, error) {
	return definitions{db.read}.Versions(ctx, id)
}

// Draft implements [workflow.Store].
func (db *DB) Draft(ctx context.Context, id string) (*workflow.Draft, error) {
	return definitions{db.read}.Draft(ctx, id)
}

// Uses implements [workflow.Store].
func (db *DB) Uses(ctx context.Context, id string) ([]workflow.Use, error) {
	return definitions{db.read}.Uses(ctx, id)
}

// Scheduled implements [workflow.Store].
func (db *DB) Scheduled(ctx context.Context, now time.Time) ([]string, error) {
	var ids []string
	err := db.read.NewSelect().Model((*workflowRow)(nil)).Column("id").Where("next_ms > 0 AND next_ms <= ?", ms(now)).Order("next_ms", "id").Scan(ctx, &ids)
	return ids, wrap("look for scheduled workflows", err)
}

// ChangeWorkflows implements [workflow.Store].
func (db *DB) ChangeWorkflows(ctx context.Context, fn func(tx workflow.Tx) error) error {
	return db.change(ctx, func(tx *tx) error { return fn(definitionTx{definitions{tx.sql}, tx}) })
}

// AddWorkflows implements [workflow.Store].
func (db *DB) AddWorkflows(ctx context.Context, ws []workflow.Workflow, vs []workflow.Version, events ...audit.Event) error {
	return db.change(ctx, func(tx *tx) error {
		for _, w := range ws {
			if _, err := tx.sql.NewInsert().Model(new(rowOfWorkflow(w))).Exec(ctx); err != nil {
				return taken(err, "save workflow", "The workflow %s of %s is installed already.", w.Name, w.Origin.Bundle)
			}
		}
		for _, v := range vs {
			if err := (definitionTx{tx: tx}).AddVersion(ctx, v); err != nil {
				return err
			}
		}
		return tx.Record(ctx, events...)
	})
}

// SaveWorkflow implements [workflow.Tx].
func (t definitionTx) SaveWorkflow(ctx context.Context, w workflow.Workflow) error {
	_, err := t.tx.sql.NewInsert().Model(new(rowOfWorkflow(w))).On("CONFLICT (id) DO UPDATE").Exec(ctx)
	return taken(err, "save workflow", "The workflow %s of %s is installed already.", w.Name, w.Origin.Bundle)
}

// SaveDraft implements [workflow.Tx].
func (t definitionTx) SaveDraft(ctx context.Context, id string, d *workflow.Draft) error {
	if d == nil {
		_, err := t.tx.sql.NewDelete().Model((*draftRow)(nil)).Where("workflow_id = ?", id).Exec(ctx)
		return wrap("remove draft", err)
	}
	row := draftRow{
		WorkflowID: id, File: d.File, Source: d.Source, Inputs: string(d.Inputs), Cron: d.Schedule.Cron, Zone: d.Schedule.Zone,
		BundleVersion: d.Bundle, AuthorID: string(d.Author), ChangedMs: ms(d.At),
	}
	_, err := t.tx.sql.NewInsert().Model(&row).On("CONFLICT (workflow_id) DO UPDATE").Exec(ctx)
	return wrap("save draft", err)
}

// AddVersion implements [workflow.Tx].
func (t definitionTx) AddVersion(ctx context.Context, v workflow.Version) error {
	row := versionRow{
		WorkflowID: v.Workflow, Hash: v.Hash, Number: v.Number, File: v.File, Source: v.Source, Modules: text(v.Modules), Inputs: string(v.Inputs),
		Cron: v.Schedule.Cron, Zone: v.Schedule.Zone, Note: v.Note, AuthorID: string(v.Author), CreatedMs: ms(v.CreatedAt),
	}
	_, err := t.tx.sql.NewInsert().Model(&row).Exec(ctx)
	return wrap("save workflow version", err)
}

// Uses implements [workflow.Tx]. A policy names its workflows in its steps, and
// ids are long enough to be looked for as text.
func (d definitions) Uses(ctx context.Context, id string) ([]workflow.Use, error) {
	var uses []workflow.Use
	err := d.q.NewRaw(`SELECT 'app' AS kind, id, name FROM apps WHERE provision_workflow_id = ? OR deprovision_workflow_id = ?
		UNION ALL SELECT 'role', roles.id, apps.name || '/' || roles.name FROM roles JOIN apps ON apps.id = roles.app_id
			WHERE roles.provision_workflow_id = ? OR roles.deprovision_workflow_id = ?
		UNION ALL SELECT 'policy', id, name FROM policies WHERE steps LIKE ?
		ORDER BY 1, 3, 2`, id, id, id, id, "%"+text(id)+"%").Scan(ctx, &uses)
	return uses, wrap("look for what names a workflow", err)
}

// Queued implements [workflow.Tx].
func (t definitionTx) Queued(ctx context.Context, id string) (bool, error) {
	ok, err := t.tx.sql.NewSelect().Model((*runRow)(nil)).Where("workflow_id = ? AND started_ms = 0 AND state IN ?", id,
		bun.Tuple([]workflow.RunState{workflow.RunQueued, workflow.RunWaiting})).Exists(ctx)
	return ok, wrap("look for queued runs", err)
}

// RetryOf implements [workflow.Tx].
func (d definitions) RetryOf(ctx context.Context, run string) (workflow.Run, bool, error) {
	var rows []runRow
	err := d.q.NewSelect().Model(&rows).Where("retry_of = ? AND retry_of <> ''", run).Order("id DESC").Limit(1).Scan(ctx)
	if err != nil || len(rows) == 0 {
		return workflow.Run{}, false, wrap("look for a retry", err)
	}
	r, err := runFrom(rows[0])
	return r, true, err
}

// RetryOf implements [workflow.Store].
func (db *DB) RetryOf(ctx context.Context, run string) (workflow.Run, bool, error) {
	return definitions{db.read}.RetryOf(ctx, run)
}

// AddRun implements [workflow.Tx]: the run's row and the engine's job are kept
// with the change that causes them.
func (t definitionTx) AddRun(ctx context.Context, r workflow.Run) error {
	row := runRow{
		ID: r.ID, Kind: r.Kind, WorkflowID: r.Workflow, Version: r.Version, ConnectionID: r.Connection, PersonID: r.Person, TriggerText: r.Trigger,
		Input: r.Input, Attempt: r.Attempt, State: string(workflow.RunQueued), Problem: text(workflow.Problem{}), QueuedMs: ms(r.QueuedAt),
		RetryOf: r.RetryOf,
	}
	if _, err := t.tx.sql.NewInsert().Model(&row).Exec(ctx); err != nil {
		return wrap("keep run", err)
	}
	return wrap("enqueue run", t.tx.db.enqueueRun(ctx, t.tx.sql.Tx, r))
}

// Record implements [workflow.Tx].
func (t definitionTx) Record(ctx context.Context, events ...audit.Event) error {
	return t.tx.Record(ctx, events...)
}

package store

import (
	"context"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/workflow"
)

// reader reads with a handle or inside a transaction. It implements
// [access.Reader].
type reader struct{ q bun.IDB }

// tx is one write transaction. It implements [access.Tx].
type tx struct {
	reader
	db  *DB
	sql bun.Tx
}

var (
	_ access.Store  = (*DB)(nil)
	_ access.Tx     = (*tx)(nil)
	_ access.Reader = reader{}
)

// Change implements [access.Store].
func (db *DB) Change(ctx context.Context, fn func(tx access.Tx) error) error {
	return db.change(ctx, func(tx *tx) error { return fn(tx) })
}

// View implements [access.Store].
func (db *DB) View(ctx context.Context, fn func(tx access.Reader) error) error {
	return db.view(ctx, func(r reader) error { return fn(r) })
}

// savedColumns are which version of something a row is.
type savedColumns struct {
	Version int
	SavedBy string
	SavedMs int64
}

func columnsOf(s access.Saved) savedColumns {
	return savedColumns{Version: s.Version, SavedBy: string(s.SavedBy), SavedMs: ms(s.SavedAt)}
}

func (c savedColumns) saved() access.Saved {
	return access.Saved{Version: c.Version, SavedBy: identity.PersonID(c.SavedBy), SavedAt: at(c.SavedMs)}
}

type appRow struct {
	bun.BaseModel         `bun:"table:apps"`
	ID                    string `bun:",pk"`
	Name                  string
	ConnectionID          string
	PolicyID              string
	ProvisionWorkflowID   string
	DeprovisionWorkflowID string
	OnRevoke              string
	Owners                string
	OwnerGroups           string
	ProfileID             string
	CreatedMs             int64
	savedColumns
}

func appFrom(r appRow) (access.App, error) {
	owners, err := parse[[]identity.PersonID]("owners", r.Owners)
	if err != nil {
		return access.App{}, err
	}
	groups, err := parse[[]identity.GroupID]("owner groups", r.OwnerGroups)
	return access.App{
		ID: access.AppID(r.ID), Name: r.Name, Connection: r.ConnectionID, Policy: access.PolicyID(r.PolicyID),
		Workflows: access.Workflows{Provision: r.ProvisionWorkflowID, Deprovision: r.DeprovisionWorkflowID},
		OnRevoke:  access.OnRevoke(r.OnRevoke), Owners: owners, OwnerGroups: groups, Profile: access.ProfileID(r.ProfileID),
		CreatedAt: at(r.CreatedMs), Saved: r.saved(),
	}, err
}

// App implements [access.Reader].
func (r reader) App(ctx context.Context, id access.AppID) (access.App, error) {
	var row appRow
	if err := r.q.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return access.App{}, missing(err, "app", string(id))
	}
	return appFrom(row)
}

// Apps implements [access.Reader].
func (r reader) Apps(ctx context.Context) ([]access.App, error) {
	var rows []appRow
	if err := r.q.NewSelect().Model(&rows).Order("name").Scan(ctx); err != nil {
		return nil, wrap("list apps", err)
	}
	return each(rows, appFrom)
}

// SaveApp implements [access.Tx].
func (t *tx) SaveApp(ctx context.Context, a access.App) error {
	row := appRow{
		ID: string(a.ID), Name: a.Name, ConnectionID: a.Connection, PolicyID: string(a.Policy),
		ProvisionWorkflowID: a.Workflows.Provision, DeprovisionWorkflowID: a.Workflows.Deprovision,
		OnRevoke: string(a.OnRevoke), Owners: text(a.Owners), OwnerGroups: text(a.OwnerGroups), ProfileID: string(a.Profile), CreatedMs: ms(a.CreatedAt),
		savedColumns: columnsOf(a.Saved),
	}
	_, err := t.sql.NewInsert().Model(&row).On("CONFLICT (id) DO UPDATE").Exec(ctx)
	return taken(err, "save app", "There is an app %s already.", a.Name)
}

type roleRow struct {
	bun.BaseModel         `bun:"table:roles"`
	ID                    string `bun:",pk"`
	AppID                 string
	Name                  string
	Description           string
	PolicyID              string
	ProfileID             string
	ProvisionWorkflowID   string
	DeprovisionWorkflowID string
	Closed                bool
	CreatedMs             int64
	savedColumns
}

func roleFrom(r roleRow) (access.Role, error) {
	return access.Role{
		ID: access.RoleID(r.ID), App: access.AppID(r.AppID), Name: r.Name, Description: r.Description, Policy: access.PolicyID(r.PolicyID),
		Profile:   access.ProfileID(r.ProfileID),
		Workflows: access.Workflows{Provision: r.ProvisionWorkflowID, Deprovision: r.DeprovisionWorkflowID},
		Closed:    r.Closed, CreatedAt: at(r.CreatedMs), Saved: r.saved(),
	}, nil
}

// Role implements [access.Reader].
func (r reader) Role(ctx context.Context, id access.RoleID) (access.Role, error) {
	var row roleRow
	if err := r.q.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return access.Role{}, missing(err, "role", string(id))
	}
	return roleFrom(row)
}

// Roles implements [access.Reader].
func (r reader) Roles(ctx context.Context, app access.AppID) ([]access.Role, error) {
	var rows []roleRow
	if err := r.q.NewSelect().Model(&rows).Where("app_id = ?", app).Order("id").Scan(ctx); err != nil {
		return nil, wrap("list roles", err)
	}
	return each(rows, roleFrom)
}

// SaveRole implements [access.Tx].
func (t *tx) SaveRole(ctx context.Context, r access.Role) error {
	row := roleRow{
		ID: string(r.ID), AppID: string(r.App), Name: r.Name, Description: r.Description, PolicyID: string(r.Policy), ProfileID: string(r.Profile),
		ProvisionWorkflowID: r.Workflows.Provision, DeprovisionWorkflowID: r.Workflows.Deprovision, Closed: r.Closed, CreatedMs: ms(r.CreatedAt),
		savedColumns: columnsOf(r.Saved),
	}
	_, err := t.sql.NewInsert().Model(&row).On("CONFLICT (id) DO UPDATE").Exec(ctx)
	return taken(err, "save role", "The app has a role %s already.", r.Name)
}

// policyColumns are what a policy and each version of one keep alike.
type policyColumns struct {
	Name         string
	LongestMs    int64
	UsualMs      int64
	ReasonNeeded bool
	OnBehalfBy   string
	Steps        string
	Auto         string
	WaitsMs      int64
	CreatedMs    int64
	SavedBy      string
	SavedMs      int64
}

type policyRow struct {
	bun.BaseModel `bun:"table:policies"`
	ID            string `bun:",pk"`
	Version       int
	policyColumns
}

func policyFrom(r policyRow) (access.Policy, error) {
	return policyFromColumns(r.ID, r.Version, r.policyColumns)
}

func policyFromColumns(id string, version int, r policyColumns) (access.Policy, error) {
	p := access.Policy{
		ID: access.PolicyID(id), Name: r.Name, Longest: length(r.LongestMs), Usual: length(r.UsualMs), ReasonNeeded: r.ReasonNeeded,
		OnBehalf: access.OnBehalf(r.OnBehalfBy), Waits: length(r.WaitsMs), Version: version, CreatedAt: at(r.CreatedMs),
		SavedBy: identity.PersonID(r.SavedBy), SavedAt: at(r.SavedMs),
	}
	var err error
	if p.Steps, err = parse[[]access.Step]("steps", r.Steps); err != nil {
		return p, err
	}
	p.Auto, err = parse[*access.Auto]("auto", r.Auto)
	return p, err
}

func length(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

// Policy implements [access.Reader].
func (r reader) Policy(ctx context.Context, id access.PolicyID) (access.Policy, error) {
	var row policyRow
	if err := r.q.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return access.Policy{}, missing(err, "policy", string(id))
	}
	return policyFrom(row)
}

// Policies implements [access.Reader].
func (r reader) Policies(ctx context.Context) ([]access.Policy, error) {
	var rows []policyRow
	if err := r.q.NewSelect().Model(&rows).Order("name").Scan(ctx); err != nil {
		return nil, wrap("list policies", err)
	}
	return each(rows, policyFrom)
}

// SavePolicy implements [access.Tx].
func (t *tx) SavePolicy(ctx context.Context, p access.Policy) error {
	columns := policyColumns{
		Name: p.Name, LongestMs: p.Longest.Milliseconds(), UsualMs: p.Usual.Milliseconds(), ReasonNeeded: p.ReasonNeeded,
		OnBehalfBy: string(p.OnBehalf), Steps: text(p.Steps), Auto: text(p.Auto), WaitsMs: p.Waits.Milliseconds(), CreatedMs: ms(p.CreatedAt),
		SavedBy: string(p.SavedBy), SavedMs: ms(p.SavedAt),
	}
	row := policyRow{ID: string(p.ID), Version: p.Version, policyColumns: columns}
	if _, err := t.sql.NewInsert().Model(&row).On("CONFLICT (id) DO UPDATE").Exec(ctx); err != nil {
		return taken(err, "save policy", "There is a policy %s already.", p.Name)
	}
	version := policyVersionRow{ID: string(p.ID), Version: p.Version, policyColumns: columns}
	_, err := t.sql.NewInsert().Model(&version).On("CONFLICT (id, version) DO NOTHING").Exec(ctx)
	return wrap("keep the version of a policy", err)
}

type requestRow struct {
	bun.BaseModel `bun:"table:requests"`
	ID            string `bun:",pk"`
	AppID         string
	RoleID        string
	RoleName      string
	PersonID      string
	RequesterID   string
	LengthMs      int64
	Reason        string
	State         string
	Policy        string
	Approvals     string
	Asked         string
	ExtendsID     string
	StartsMs      int64
	LapsesMs      int64
	Step          int
	GrantID       string
	CreatedMs     int64
	DecidedMs     int64
}

func requestFrom(r requestRow) (access.Request, error) {
	req := access.Request{
		ID: access.RequestID(r.ID), App: access.AppID(r.AppID), Role: access.RoleID(r.RoleID), RoleName: r.RoleName,
		Person: identity.PersonID(r.PersonID), Requester: identity.PersonID(r.RequesterID), Length: length(r.LengthMs), Reason: r.Reason,
		State: access.RequestState(r.State), Grant: access.GrantID(r.GrantID), CreatedAt: at(r.CreatedMs), DecidedAt: at(r.DecidedMs),
		Extends: access.GrantID(r.ExtendsID), StartsAt: at(r.StartsMs), LapsesAt: at(r.LapsesMs),
	}
	var err error
	if req.Policy, err = parse[access.Policy]("policy", r.Policy); err != nil {
		return req, err
	}
	if req.Approvals, err = parse[[]access.Approval]("approvals", r.Approvals); err != nil {
		return req, err
	}
	req.Asked, err = parse[[]access.Asked]("asked", r.Asked)
	return req, err
}

// Request implements [access.Reader].
func (r reader) Request(ctx context.Context, id access.RequestID) (access.Request, error) {
	var row requestRow
	if err := r.q.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return access.Request{}, missing(err, "request", string(id))
	}
	return requestFrom(row)
}

// Requests implements [access.Reader].
func (r reader) Requests(ctx context.Context, f access.RequestFilter) ([]access.Request, error) {
	if !keepable(string(f.State), string(f.Person), string(f.Before)) {
		return nil, nil
	}
	var rows []requestRow
	if err := r.requests(f).Model(&rows).Scan(ctx); err != nil {
		return nil, wrap("list requests", err)
	}
	return each(rows, requestFrom)
}

// requests is the query that f says.
func (r reader) requests(f access.RequestFilter) *bun.SelectQuery {
	q := r.q.NewSelect().Model((*requestRow)(nil)).Order("id DESC")
	if f.State != "" {
		q.Where("state = ?", f.State)
	}
	if f.Person != "" {
		q.Where("(person_id = ? OR requester_id = ?)", f.Person, f.Person)
	}
	if f.For != "" {
		q.Where("person_id = ?", f.For)
	}
	if f.App != "" {
		q.Where("app_id = ?", f.App)
	}
	if f.Role != "" {
		q.Where("role_id = ?", f.Role)
	}
	if f.Before != "" {
		q.Where("id < ?", f.Before)
	}
	if f.Asked {
		q.Where("asked NOT IN ('[]', 'null')")
	}
	if f.Keys != nil {
		opened := func() *bun.SelectQuery {
			return r.q.NewSelect().Model((*keyRow)(nil)).Where("key_text IN ?", bun.Tuple(f.Keys))
		}
		q.Where("id IN (?)", opened().Column("request_id"))
		if f.Decidable {
			q.Where("state = ?", access.RequestWaiting).
				Where("EXISTS (?)", opened().ColumnExpr("1").Where("key_row.request_id = request_row.id").Where("key_row.step = request_row.step"))
		}
	}
	lapsed(q, f.LapsedBy)
	if f.Limit > 0 {
		q.Limit(int64(f.Limit))
	}
	return q
}

// SaveRequest implements [access.Tx].
func (t *tx) SaveRequest(ctx context.Context, r access.Request) error {
	row := requestRow{
		ExtendsID: string(r.Extends), StartsMs: ms(r.StartsAt), LapsesMs: ms(r.LapsesAt), Step: r.WaitingStep(),
		ID: string(r.ID), AppID: string(r.App), RoleID: string(r.Role), RoleName: r.RoleName, PersonID: string(r.Person),
		RequesterID: string(r.Requester), LengthMs: r.Length.Milliseconds(), Reason: r.Reason, State: string(r.State),
		Policy: text(r.Policy), Approvals: text(r.Approvals), Asked: text(r.Asked), GrantID: string(r.Grant), CreatedMs: ms(r.CreatedAt),
		DecidedMs: ms(r.DecidedAt),
	}
	if _, err := t.sql.NewInsert().Model(&row).On("CONFLICT (id) DO UPDATE").Exec(ctx); err != nil {
		return wrap("save request", err)
	}
	return t.keepKeys(ctx, r)
}

type grantRow struct {
	bun.BaseModel `bun:"table:grants"`
	ID            string `bun:",pk"`
	RequestID     string
	AppID         string
	ConnectionID  string
	RoleID        string
	RoleName      string
	PersonID      string
	LengthMs      int64
	State         string
	RunID         string
	Attempts      int
	CreatedMs     int64
	StartsMs      int64
	EndsMs        int64
	EndedMs       int64
	EndReason     string
	EndedBy       string
	EndNote       string
	Problem       string
	Proof         string
	TaskID        string
	WaitsFor      string
	BeginsMs      int64
	ChangeMs      int64
	NextTryMs     int64
	NextRunID     string
	SetUp         string
	Outside       string
}

func grantFrom(r grantRow) (access.Grant, error) {
	g := access.Grant{
		ID: access.GrantID(r.ID), Request: access.RequestID(r.RequestID), App: access.AppID(r.AppID), Connection: r.ConnectionID,
		Role: access.RoleID(r.RoleID), RoleName: r.RoleName, Person: identity.PersonID(r.PersonID), Length: length(r.LengthMs),
		State: access.GrantState(r.State), Run: r.RunID, Attempts: r.Attempts, CreatedAt: at(r.CreatedMs), StartsAt: at(r.StartsMs),
		EndsAt: at(r.EndsMs), EndedAt: at(r.EndedMs), EndReason: r.EndReason, EndedBy: identity.PersonID(r.EndedBy), EndNote: r.EndNote,
		Task: access.TaskID(r.TaskID), WaitsFor: r.WaitsFor, BeginsAt: at(r.BeginsMs), ChangeAt: at(r.ChangeMs), NextTry: at(r.NextTryMs), Next: r.NextRunID,
	}
	var err error
	if g.Problem, err = parse[access.Problem]("problem", r.Problem); err != nil {
		return g, err
	}
	if g.Proof, err = parse[access.Proof]("proof", r.Proof); err != nil {
		return g, err
	}
	if g.SetUp, err = parse[access.Proof]("set-up", r.SetUp); err != nil {
		return g, err
	}
	g.Outside, err = parse[access.Outside]("change outside", r.Outside)
	return g, err
}

// Grant implements [access.Reader].
func (r reader) Grant(ctx context.Context, id access.GrantID) (access.Grant, error) {
	var row grantRow
	if err := r.q.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return access.Grant{}, missing(err, "grant", string(id))
	}
	return grantFrom(row)
}

// SaveGrant implements [access.Tx].
func (t *tx) SaveGrant(ctx context.Context, g access.Grant) error {
	return t.SaveGrants(ctx, []access.Grant{g})
}

// SaveGrants implements [access.Tx].
func (t *tx) SaveGrants(ctx context.Context, gs []access.Grant) error {
	for some := range slices.Chunk(gs, rowsAtOnce) {
		rows := make([]grantRow, len(some))
		for i, g := range some {
			rows[i] = rowOfGrant(g)
		}
		if _, err := t.sql.NewInsert().Model(&rows).On("CONFLICT (id) DO UPDATE").Exec(ctx); err != nil {
			return wrap("save grants", err)
		}
	}
	return nil
}

func rowOfGrant(g access.Grant) grantRow {
	return grantRow{
		ID: string(g.ID), RequestID: string(g.Request), AppID: string(g.App), ConnectionID: g.Connection, RoleID: string(g.Role),
		RoleName: g.RoleName, PersonID: string(g.Person), LengthMs: g.Length.Milliseconds(), State: string(g.State), RunID: g.Run,
		Attempts: g.Attempts, CreatedMs: ms(g.CreatedAt), StartsMs: ms(g.StartsAt), EndsMs: ms(g.EndsAt), EndedMs: ms(g.EndedAt),
		EndReason: g.EndReason, EndedBy: string(g.EndedBy), EndNote: g.EndNote, Problem: text(g.Problem), Proof: text(g.Proof),
		TaskID: string(g.Task), WaitsFor: g.WaitsFor, BeginsMs: ms(g.BeginsAt), ChangeMs: ms(g.ChangeAt), NextTryMs: ms(g.NextTry), NextRunID: g.Next, SetUp: text(g.SetUp), Outside: text(g.Outside),
	}
}

// Enqueue implements [access.Tx]: the run's row and the engine's job are kept
// with the change that causes them.
func (t *tx) Enqueue(ctx context.Context, job access.Job) error {
	now := t.db.nowMs()
	row := runRow{
		ID: job.Run, Kind: string(job.Kind), GrantID: string(job.Grant), RequestID: string(job.Request), PersonID: string(job.Person), TriggerText: job.Trigger,
		Attempt: job.Attempt, State: string(workflow.RunQueued), Problem: text(workflow.Problem{}), QueuedMs: now,
	}
	if job.Delay > 0 {
		if job.Attempt > 1 {
			row.State = string(workflow.RunRetrying)
		}
		row.NotBeforeMs = now + job.Delay.Milliseconds()
	}
	if _, err := t.sql.NewInsert().Model(&row).Exec(ctx); err != nil {
		return wrap("keep run", err)
	}
	return wrap("enqueue run", t.db.enqueue(ctx, t.sql.Tx, job))
}

// Settle implements [access.Tx].
func (t *tx) Settle(ctx context.Context, run string) (bool, error) {
	res, err := t.sql.NewRaw("UPDATE runs SET settled_ms = ? WHERE id = ? AND settled_ms = 0", t.db.nowMs(), run).Exec(ctx)
	if err != nil {
		return false, wrap("settle run", err)
	}
	n, err := res.RowsAffected()
	return n == 1, wrap("settle run", err)
}

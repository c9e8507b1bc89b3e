package access_test

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// rows is all that memory keeps. A change works on a copy, which takes the place
// of what was when the change is kept.
type rows struct {
	people       map[identity.PersonID]identity.Person
	apps         map[access.AppID]access.App
	roles        map[access.RoleID]access.Role
	policies     map[access.PolicyID]access.Policy
	requests     map[access.RequestID]access.Request
	grants       map[access.GrantID]access.Grant
	provisioning map[string]access.Provisioning
	tasks        map[access.TaskID]access.Task
	settled      map[string]bool
	events       []audit.Event
	comparisons  map[access.ComparisonID]access.Comparison
	differences  map[access.DifferenceID]access.Difference
}

func (r *rows) clone() *rows {
	return &rows{
		maps.Clone(r.people), maps.Clone(r.apps), maps.Clone(r.roles), maps.Clone(r.policies), maps.Clone(r.requests), maps.Clone(r.grants),
		maps.Clone(r.provisioning), maps.Clone(r.tasks), maps.Clone(r.settled), slices.Clip(r.events),
		maps.Clone(r.comparisons), maps.Clone(r.differences),
	}
}

// memory is a store for tests that do very much: what it keeps is gone with it.
// It knows what the life of a grant asks for, and panics at the rest; that it
// says the same as the databases is what TestModelOnDatabases shows.
type memory struct {
	access.Tx // nil: what is not below is not asked for
	*rows
	enqueue func(context.Context, *sql.Tx, access.Job) error
}

var (
	_ access.Store = (*memory)(nil)
	_ access.Tx    = (*memory)(nil)
)

func newMemory(enqueue func(context.Context, *sql.Tx, access.Job) error) *memory {
	return &memory{enqueue: enqueue, rows: &rows{
		people: map[identity.PersonID]identity.Person{}, apps: map[access.AppID]access.App{}, roles: map[access.RoleID]access.Role{},
		policies: map[access.PolicyID]access.Policy{}, requests: map[access.RequestID]access.Request{}, grants: map[access.GrantID]access.Grant{},
		provisioning: map[string]access.Provisioning{}, tasks: map[access.TaskID]access.Task{}, settled: map[string]bool{},
		comparisons: map[access.ComparisonID]access.Comparison{}, differences: map[access.DifferenceID]access.Difference{},
	}}
}

func (m *memory) Change(_ context.Context, fn func(access.Tx) error) error {
	tx := &memory{rows: m.clone(), enqueue: m.enqueue}
	if err := fn(tx); err != nil {
		return err
	}
	m.rows = tx.rows
	return nil
}

func (m *memory) View(_ context.Context, fn func(access.Reader) error) error { return fn(m) }

func find[K comparable, V any](of map[K]V, id K, none error) (V, error) {
	v, ok := of[id]
	if !ok {
		return v, none
	}
	return v, nil
}

// newest lists the values by their keys, the greatest first, and at most limit.
func newest[K ~string, V any](of map[K]V, limit int, keep func(K, V) bool) []V {
	var list []V
	for _, k := range slices.Backward(slices.Sorted(maps.Keys(of))) {
		if keep(k, of[k]) {
			list = append(list, of[k])
		}
	}
	if limit > 0 {
		list = list[:min(limit, len(list))]
	}
	return list
}

func (m *memory) Person(_ context.Context, id identity.PersonID) (identity.Person, error) {
	return find(m.people, id, errEngine)
}

func (m *memory) App(_ context.Context, id access.AppID) (access.App, error) {
	return find(m.apps, id, fault.New(fault.NotFound, "There is no such app."))
}

func (m *memory) Apps(context.Context) ([]access.App, error) {
	return newest(m.apps, 0, func(access.AppID, access.App) bool { return true }), nil
}

func (m *memory) Role(_ context.Context, id access.RoleID) (access.Role, error) {
	return find(m.roles, id, errEngine)
}

func (m *memory) Roles(_ context.Context, app access.AppID) ([]access.Role, error) {
	return newest(m.roles, 0, func(_ access.RoleID, r access.Role) bool { return r.App == app }), nil
}

func (m *memory) AllRoles(context.Context) ([]access.Role, error) {
	return newest(m.roles, 0, func(access.RoleID, access.Role) bool { return true }), nil
}

func (m *memory) Policy(_ context.Context, id access.PolicyID) (access.Policy, error) {
	return find(m.policies, id, errEngine)
}

func (m *memory) Standing(context.Context, identity.PersonID) ([]identity.GroupID, []identity.PersonID, error) {
	return nil, nil, nil
}

func (m *memory) Request(_ context.Context, id access.RequestID) (access.Request, error) {
	return find(m.requests, id, access.NoRequest(id))
}

func (m *memory) Requests(_ context.Context, f access.RequestFilter) ([]access.Request, error) {
	if f.Asked || f.App != "" || f.Before != "" || f.Decidable {
		panic("memory: it knows no such filter of requests")
	}
	return newest(m.requests, f.Limit, func(_ access.RequestID, r access.Request) bool {
		return (f.State == "" || r.State == f.State) && (f.Role == "" || r.Role == f.Role) && (f.For == "" || r.Person == f.For) &&
			(f.Person == "" || r.Person == f.Person || r.Requester == f.Person) && (f.LapsedBy.IsZero() || !r.LapsesAt.After(f.LapsedBy))
	}), nil
}

func (m *memory) Grant(_ context.Context, id access.GrantID) (access.Grant, error) {
	return find(m.grants, id, access.NoGrant(id))
}

func (m *memory) Grants(_ context.Context, f access.GrantFilter) ([]access.Grant, error) {
	if f.RoleName != "" || f.Text != "" || !f.EndsBefore.IsZero() || !f.HeldUntil.IsZero() || f.Underway || len(f.NotOn) > 0 || f.Before != "" {
		panic("memory: it knows no such filter of grants")
	}
	list := newest(m.grants, 0, func(_ access.GrantID, g access.Grant) bool {
		return (len(f.States) == 0 || slices.Contains(f.States, g.State)) && (f.Person == "" || g.Person == f.Person) && (f.App == "" || g.App == f.App) &&
			(f.Role == "" || g.Role == f.Role) && (f.Connection == "" || g.Connection == f.Connection) && (f.Request == "" || g.Request == f.Request) &&
			(f.EndedFrom.IsZero() || !g.EndedAt.Before(f.EndedFrom)) && (f.DueBy.IsZero() || holds(g) && !g.EndsAt.IsZero() && !g.EndsAt.After(f.DueBy)) &&
			(f.BeginBy.IsZero() || g.State == access.GrantScheduled && !g.BeginsAt.After(f.BeginBy))
	})
	by := func(at func(access.Grant) time.Time) {
		slices.SortFunc(list, func(a, b access.Grant) int {
			if c := at(a).Compare(at(b)); c != 0 {
				return c
			}
			return strings.Compare(string(a.ID), string(b.ID))
		})
	}
	switch {
	case !f.DueBy.IsZero():
		by(func(g access.Grant) time.Time { return g.EndsAt })
	case !f.BeginBy.IsZero():
		by(func(g access.Grant) time.Time { return g.BeginsAt })
	}
	if f.Limit > 0 {
		list = list[:min(f.Limit, len(list))]
	}
	return list, nil
}

func (m *memory) Postponed(context.Context) ([]access.Postponed, error) { return nil, nil }

func (m *memory) Ending(context.Context, time.Time) (map[string]int, error) {
	panic("memory: it counts no ends")
}

func holds(g access.Grant) bool {
	switch g.State {
	case access.GrantActive, access.GrantChanged, access.GrantSettingUp, access.GrantNotSetUp:
		return !g.StartsAt.IsZero()
	case access.GrantScheduled, access.GrantEnding, access.GrantOverdue, access.GrantEnded:
	}
	return false
}

func (m *memory) Provisioning(_ context.Context, subject string) (access.Provisioning, error) {
	return m.provisioning[subject], nil
}

func (m *memory) Task(_ context.Context, id access.TaskID) (access.Task, error) {
	return find(m.tasks, id, errEngine)
}

func (m *memory) Tasks(_ context.Context, f access.TaskFilter) ([]access.Task, error) {
	return newest(m.tasks, f.Limit, func(id access.TaskID, t access.Task) bool {
		return (f.State == "" || t.State == f.State) && (f.App == "" || t.App == f.App) && (f.Grant == "" || t.Grant == f.Grant) && (f.Before == "" || id < f.Before)
	}), nil
}

func (m *memory) ChangePerson(_ context.Context, id identity.PersonID, change identity.ChangeFunc) (identity.Person, error) {
	p, events, err := change(m.people[id], slices.Collect(maps.Values(m.people)))
	if err == nil {
		m.people[id] = p
		m.events = append(m.events, events...)
	}
	return p, err
}

func (m *memory) SaveApp(_ context.Context, a access.App) error { m.apps[a.ID] = a; return nil }

func (m *memory) SaveRole(_ context.Context, r access.Role) error { m.roles[r.ID] = r; return nil }

func (m *memory) SavePolicy(_ context.Context, p access.Policy) error {
	m.policies[p.ID] = p
	return nil
}

func (m *memory) SaveRequest(_ context.Context, r access.Request) error {
	m.requests[r.ID] = r
	return nil
}

func (m *memory) SaveGrant(_ context.Context, g access.Grant) error { m.grants[g.ID] = g; return nil }

func (m *memory) SaveGrants(ctx context.Context, gs []access.Grant) error {
	for _, g := range gs {
		if err := m.SaveGrant(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) SaveProvisioning(_ context.Context, subject string, p access.Provisioning) error {
	m.provisioning[subject] = p
	return nil
}

func (m *memory) SaveTask(_ context.Context, t access.Task) error { m.tasks[t.ID] = t; return nil }

func (m *memory) DropTasks(_ context.Context, grant access.GrantID, but access.TaskID, at time.Time) error {
	for id, t := range m.tasks {
		if t.Grant == grant && t.State == access.TaskOpen && id != but {
			t.State, t.EndedAt = access.TaskDropped, at
			m.tasks[id] = t
		}
	}
	return nil
}

func (m *memory) Record(_ context.Context, events ...audit.Event) error {
	m.events = append(m.events, events...)
	return nil
}

func (m *memory) Enqueue(ctx context.Context, job access.Job) error { return m.enqueue(ctx, nil, job) }

func (m *memory) Settle(_ context.Context, run string) (bool, error) {
	first := !m.settled[run]
	m.settled[run] = true
	return first, nil
}

func (m *memory) Comparison(_ context.Context, id access.ComparisonID) (access.Comparison, error) {
	return find(m.comparisons, id, errEngine)
}

func (m *memory) Comparisons(_ context.Context, f access.ComparisonFilter) ([]access.Comparison, error) {
	return newest(m.comparisons, f.Limit, func(id access.ComparisonID, c access.Comparison) bool {
		return (f.App == "" || c.App == f.App) && (f.State == "" || c.State == f.State) && (f.Before == "" || id < f.Before)
	}), nil
}

func (m *memory) Difference(_ context.Context, id access.DifferenceID) (access.Difference, error) {
	return find(m.differences, id, errEngine)
}

func (m *memory) Differences(_ context.Context, f access.DifferenceFilter) ([]access.Difference, error) {
	if f.After != "" || f.Limit > 0 {
		panic("memory: it knows no such filter of differences")
	}
	list := newest(m.differences, 0, func(_ access.DifferenceID, d access.Difference) bool {
		return d.Comparison == f.Comparison && (len(f.Kinds) == 0 || slices.Contains(f.Kinds, d.Kind))
	})
	slices.Reverse(list)
	return list, nil
}

func (m *memory) Addresses(_ context.Context, people []identity.PersonID) (map[identity.PersonID]string, error) {
	of := map[identity.PersonID]string{}
	for _, id := range people {
		of[id] = m.people[id].Email
	}
	return of, nil
}

func (m *memory) SaveComparison(_ context.Context, c access.Comparison) error {
	m.comparisons[c.ID] = c
	return nil
}

func (m *memory) AddDifferences(_ context.Context, ds []access.Difference) error {
	for _, d := range ds {
		m.differences[d.ID] = d
	}
	return nil
}

func (m *memory) DropComparisons(_ context.Context, app access.AppID, keep int) error {
	old := newest(m.comparisons, 0, func(_ access.ComparisonID, c access.Comparison) bool {
		return c.App == app && c.State != access.ComparisonRunning
	})
	for _, c := range old[min(keep, len(old)):] {
		delete(m.comparisons, c.ID)
		maps.DeleteFunc(m.differences, func(_ access.DifferenceID, d access.Difference) bool { return d.Comparison == c.ID })
	}
	return nil
}

func (m *memory) DropUnmanaged(_ context.Context, app access.AppID, but access.ComparisonID) error {
	maps.DeleteFunc(m.differences, func(_ access.DifferenceID, d access.Difference) bool {
		return d.App == app && d.Kind == access.DifferenceUnmanaged && d.Comparison != but
	})
	return nil
}

func (m *memory) EnqueueComparison(context.Context, access.Comparison) error { return nil }

package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// Store keeps workflows and runs.
type Store interface {
	Workflow(ctx context.Context, id string) (Workflow, error)
	Workflows(ctx context.Context) ([]Workflow, error)
	// AddWorkflows keeps new workflows, each with its first version, and the
	// events, in one transaction. A workflow whose Origin is kept already is a
	// fault.Conflict.
	AddWorkflows(ctx context.Context, ws []Workflow, vs []Version, events ...audit.Event) error
	// Version returns the version of the hash of a workflow.
	Version(ctx context.Context, workflow, hash string) (Version, error)
	// Versions returns the versions of a workflow, the newest first.
	Versions(ctx context.Context, workflow string) ([]Version, error)
	// Draft returns the draft of a workflow, or nil.
	Draft(ctx context.Context, workflow string) (*Draft, error)
	// Uses lists what names a workflow.
	Uses(ctx context.Context, workflow string) ([]Use, error)
	// Scheduled returns the ids of workflows that were to run by now.
	Scheduled(ctx context.Context, now time.Time) ([]string, error)
	// ChangeWorkflows runs fn in one write transaction. Writers run one at a
	// time; fn may run more than once.
	ChangeWorkflows(ctx context.Context, fn func(tx Tx) error) error

	Run(ctx context.Context, id string) (Run, error)
	// Runs returns runs without their logs, the newest first.
	Runs(ctx context.Context, f RunFilter) ([]Listed, error)
	// CountRuns counts the runs in each state of the filter, in its order, each up
	// to most.
	CountRuns(ctx context.Context, f RunFilter, most int) ([]int, error)
	// Tallies counts the runs of each workflow in each state.
	Tallies(ctx context.Context, f RunFilter) ([]Tally, error)
	Steps(ctx context.Context, run string) ([]Step, error)
	// RunsUnderway returns runs of the kinds that have not ended, by id, those after
	// one of them.
	RunsUnderway(ctx context.Context, kinds []string, after string, limit int) ([]Run, error)
	// SaveRun keeps what a run has become, and the events with it. Of a run that has
	// ended neither is kept.
	SaveRun(ctx context.Context, r Run, events ...audit.Event) error
	// BeginRun gives the run to a new execution and returns what is recorded of
	// it; what b brings counts the first time. A run that is over is a
	// fault.Conflict.
	BeginRun(ctx context.Context, b Beginning) (Journal, error)
	// Plan returns the plan with which the run began, nil before that.
	Plan(ctx context.Context, run string) (json.RawMessage, error)
	// RetryOf returns the newest run that was made in the place of another; false:
	// none was.
	RetryOf(ctx context.Context, run string) (Run, bool, error)
	// LinkRetry notes of which run another is a retry.
	LinkRetry(ctx context.Context, run, of string) error
	// SaveStep keeps a step, over the one of the same number as long as that has
	// not ended. It is ErrLost when the run belongs to another execution.
	SaveStep(ctx context.Context, epoch int64, s Step) error
}

// Tx reads and writes workflows in one transaction.
type Tx interface {
	Workflow(ctx context.Context, id string) (Workflow, error)
	Workflows(ctx context.Context) ([]Workflow, error)
	Version(ctx context.Context, workflow, hash string) (Version, error)
	Versions(ctx context.Context, workflow string) ([]Version, error)
	Draft(ctx context.Context, workflow string) (*Draft, error)
	SaveWorkflow(ctx context.Context, w Workflow) error
	// SaveDraft keeps the draft of a workflow; nil removes it.
	SaveDraft(ctx context.Context, workflow string, d *Draft) error
	// AddVersion keeps a version.
	AddVersion(ctx context.Context, v Version) error
	// Uses lists what names the workflow.
	Uses(ctx context.Context, workflow string) ([]Use, error)
	// Queued says whether a run of the workflow waits to begin.
	Queued(ctx context.Context, workflow string) (bool, error)
	// RetryOf returns the newest run that was made in the place of another; false:
	// none was.
	RetryOf(ctx context.Context, run string) (Run, bool, error)
	// AddRun keeps the row of a run and the job that carries it out.
	AddRun(ctx context.Context, r Run) error
	// Record appends events to the audit chain.
	Record(ctx context.Context, events ...audit.Event) error
}

// RunFilter picks runs; its zero value picks all. Newest first.
type RunFilter struct {
	ID         string
	IDs        []string // none: all
	Seen       *Seen    // nil: all
	State      RunState
	States     []RunState // those in one of them, in their order; none: all
	Kind       string
	Grant      string
	Person     string
	App        string
	Connection string
	Workflow   string
	RetryOf    string // the run in whose place they were made
	Trigger    string // how it begins: "schedule", "person:"
	Since      time.Time
	Limit      int // 0: no limit
	Before     string
	Whole      bool // with what they were told and what they returned, which may be long
}

// Systems reaches the systems behind connections.
type Systems interface {
	// Modules returns the TypeScript modules that workflows of the integration
	// may import, by import path.
	Modules(integration string) (map[string]string, error)
	// Hold makes the calls of a run share one exchange until release.
	Hold(ctx context.Context, connection string) (release func(), err error)
	// Act does one action. guard is asked around each write; trace is told each
	// exchange.
	Act(ctx context.Context, connection, action string, args []byte, guard Guard, trace func(Call)) ([]byte, error)
}

// Service keeps workflows and shows their runs.
type Service struct {
	store   Store
	systems Systems
	now     func() time.Time
	newID   func(prefix string) string
	around  Surroundings
}

// NewService returns the service.
func NewService(store Store, systems Systems, now func() time.Time, newID func(prefix string) string) *Service {
	return &Service{store: store, systems: systems, now: now, newID: newID}
}

// Installed is recorded when a bundle's workflows were copied.
const Installed audit.Kind = "bundle.installed"

// Modules returns every module that a workflow of the integration may import:
// ours and the integration's.
func modules(systems Systems, integration string) (map[string]string, error) {
	theirs, err := systems.Modules(integration)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(theirs)
	all["margay"] = coreModule
	return all, nil
}

// Install copies a bundle's workflows as published, editable copies and returns
// them. A bundle that is installed is left as it is.
func (s *Service) Install(ctx context.Context, who identity.Actor, b Bundle) ([]Workflow, error) {
	if err := s.admin(ctx, who, "", "install"); err != nil {
		return nil, err
	}
	kept, err := s.installed(ctx, b)
	if err != nil {
		return nil, err
	}
	for i, w := range kept {
		if w.Archived() {
			if kept[i], err = s.Unarchive(ctx, who, w.ID); err != nil {
				return nil, err
			}
		}
	}
	if len(kept) == len(b.Workflows) {
		return kept, nil
	}
	mods, err := modules(s.systems, b.Integration)
	if err != nil {
		return nil, err
	}
	now := s.now()
	var ws []Workflow
	var vs []Version
	for _, bw := range b.Workflows {
		// A later version of the bundle may bring a workflow that was not there.
		if slices.ContainsFunc(kept, func(w Workflow) bool { return w.Origin.Workflow == bw.Slug }) {
			continue
		}
		name, err := s.freeName(ctx, bw.Name)
		if err != nil {
			return nil, err
		}
		w := Workflow{ID: s.newID("wfl"), Name: name, Type: bw.Type, Integration: b.Integration, Origin: b.Origin(bw), CreatedAt: now}
		if w, err = w.clean(); err != nil {
			return nil, err
		}
		v, err := w.version(Content{File: bw.File, Source: bw.Source}, mods, 1, now)
		if err != nil {
			return nil, fmt.Errorf("install %s: %w", bw.Name, err)
		}
		w.Published, w.Origin.Hash = v.Hash, v.Hash
		ws, vs = append(ws, w), append(vs, v)
	}
	err = s.store.AddWorkflows(ctx, ws, vs, audit.Event{
		At: now, Kind: Installed, Actor: who.String(), Subject: "bundle:" + b.Integration + "/" + b.Slug,
		Data: map[string]string{"name": b.Name, "version": strconv.Itoa(b.Version)},
	})
	if err != nil && fault.KindOf(err) != fault.Conflict { // Conflict: somebody else was first
		return nil, err
	}
	return s.installed(ctx, b)
}

// installed returns the copies of the bundle's workflows that are kept.
func (s *Service) installed(ctx context.Context, b Bundle) ([]Workflow, error) {
	all, err := s.store.Workflows(ctx)
	if err != nil {
		return nil, err
	}
	var ws []Workflow
	for _, bw := range b.Workflows {
		for _, w := range all {
			if o := b.Origin(bw); w.Origin.Bundle == o.Bundle && w.Origin.Workflow == o.Workflow {
				ws = append(ws, w)
				break
			}
		}
	}
	return ws, nil
}

// Workflow returns one workflow.
func (s *Service) Workflow(ctx context.Context, id string) (Workflow, error) {
	return s.store.Workflow(ctx, id)
}

// Workflows returns all workflows.
func (s *Service) Workflows(ctx context.Context) ([]Workflow, error) { return s.store.Workflows(ctx) }

// Published returns the published version of a workflow.
func (s *Service) Published(ctx context.Context, id string) (Version, error) {
	w, err := s.store.Workflow(ctx, id)
	if err != nil {
		return Version{}, err
	}
	if w.Published == "" {
		return Version{}, fault.New(fault.Conflict, "The workflow %s is not published.", w.Name).WithCode("not_published")
	}
	return s.store.Version(ctx, w.ID, w.Published)
}

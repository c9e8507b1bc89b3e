// Package workflow holds workflows and their runs: TypeScript, versioned,
// installed from bundles, carried out one recorded step after another.
//
// A Workflow has versions, one of which is published, and perhaps a draft that
// becomes the next. A Run carries out one
// version: package script runs its TypeScript in a sandbox, and each call that
// it makes to a system is a step, which engine records before the next begins.
// After a crash a run goes on from its last recorded step. The package does not
// know what a run is for (provision does) nor which systems there are (it
// reaches them through Systems).
package workflow

import (
	"encoding/json"
	"time"

	"github.com/margay-access/margay/internal/identity"
)

// Type says when a workflow runs and what it is told.
type Type string

// The types of workflow.
const (
	Manual               Type = "manual"                // a person runs it, with inputs
	Scheduled            Type = "scheduled"             // the clock runs it
	AccessProvisioning   Type = "access_provisioning"   // a grant begins
	AccessDeprovisioning Type = "access_deprovisioning" // a grant ends
	CustomApproval       Type = "custom_approval"       // a request reached a step that asks it
)

// Types lists the types.
func Types() []Type {
	return []Type{Manual, Scheduled, AccessProvisioning, AccessDeprovisioning, CustomApproval}
}

// Workflow is TypeScript that people can read, change and publish.
type Workflow struct {
	ID          string // "wfl_…"
	Name        string
	Type        Type
	Integration string // kind of the system whose functions it may call
	// Connection is whose system a manual or scheduled one calls. The others are
	// told by the app.
	Connection  string
	Description string
	Tags        []string  // sorted
	Starters    Starters  // who may run a manual one
	Paused      bool      // a scheduled one does not run by itself for now
	Origin      Origin    // where it was installed from; zero: written here
	Published   string    // hash of the published version; "": none
	Revision    int       // grows with each change of the draft: who saves one says which they saw
	NextAt      time.Time // when the clock runs it next; zero: not
	ArchivedAt  time.Time // zero: in use
	CreatedAt   time.Time
}

// Archived says whether the workflow was put away.
func (w Workflow) Archived() bool { return !w.ArchivedAt.IsZero() }

// Origin says which bundled workflow a workflow is a copy of.
type Origin struct {
	Bundle   string // "tableau/access-management"
	Workflow string // "provision"
	Version  int
	// Hash is of the version that is as it was shipped; "": the copy was edited
	// before it took Version.
	Hash string
}

// Version is one text of a workflow. It never changes: its hash names it.
type Version struct {
	Hash     string // content hash of the text and the modules that it imports
	Workflow string
	Number   int // 1, 2, …
	File     string
	Source   string
	// Modules are the modules that it imports, as they were: a change of ours
	// does not change what a version does.
	Modules   map[string]string
	Inputs    json.RawMessage // JSON schema of what a manual one is told; nil: nothing
	Schedule  Schedule        // of a scheduled one
	Note      string          // what its author says of it
	Author    identity.PersonID
	CreatedAt time.Time // when it was published
}

// RunState says where a run stands.
type RunState string

// The states of a run.
const (
	RunQueued     RunState = "queued"
	RunRunning    RunState = "running"
	RunWaiting    RunState = "waiting" // for what WaitsFor says; nothing of it is in memory
	RunDone       RunState = "done"
	RunFailed     RunState = "failed"
	RunSuperseded RunState = "superseded" // a later decision has overtaken it
)

// Run is one execution of a workflow version.
type Run struct {
	ID         string // "run_…"
	Kind       string // "provision", "deprovision", "approve", "manual", "scheduled"
	Workflow   string
	Version    string // hash
	Connection string
	Grant      string // what it is for
	Request    string // what it decides on
	Person     string // whom it is for, or who started it
	Trigger    string // what caused it
	Input      string // JSON that a person gave, or when the clock meant it to run
	Attempt    int    // 1 for the first
	State      RunState
	Output     string // JSON that the script returned
	Problem    Problem
	// WaitsFor says what a run that waits waits for, for people.
	WaitsFor    string
	JobID       string    // of the engine, when it is not the one of the run's own id
	RetryOf     string    // the run that this one is a retry of
	CancelledBy string    // who ended it
	Log         []LogLine // what it wrote to its log after the last step
	QueuedAt    time.Time
	NotBefore   time.Time // zero: at once
	StartedAt   time.Time
	EndedAt     time.Time
}

// Problem is why a run or a step failed, for people.
type Problem struct {
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Hint    string `json:"hint,omitempty"`
	Detail  string `json:"detail,omitempty"`
	Where   string `json:"where,omitempty"` // "provision.ts:12:9"
}

// StepState says where a step stands.
type StepState string

// The states of a step.
const (
	StepRunning StepState = "running" // begun, outcome not recorded: it may have happened
	StepDone    StepState = "done"
	StepFailed  StepState = "failed"
)

// Step is one call that a run's script made.
type Step struct {
	Run       string
	Seq       int // 1, 2, …
	Name      string
	State     StepState
	Attempt   int    // how often it was begun: more than once after a crash
	Input     string // JSON
	Output    string // JSON
	Problem   Problem
	Calls     []Call
	Change    *Change   // what it set out to change; nil: it only read
	Log       []LogLine // what was written to the log before it
	Hidden    bool      // who sees it may not see what it was asked and answered
	StartedAt time.Time
	EndedAt   time.Time
}

// Call is one exchange with a system that a step made.
type Call struct {
	Kind     string        `json:"kind"` // "sign-in", "call", "sign-out"
	Method   string        `json:"method"`
	Path     string        `json:"path"`
	Status   int           `json:"status"` // 0: no answer came
	Code     string        `json:"code,omitempty"`
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"duration_ns"`
	Err      string        `json:"error,omitempty"`
}

// Bundle is a set of workflows to install, as an integration ships it.
type Bundle struct {
	Integration string
	Slug        string
	Name        string
	Version     int
	Workflows   []BundledWorkflow
}

// BundledWorkflow is one workflow of a bundle.
type BundledWorkflow struct {
	Slug, Name string
	Type       Type
	File       string
	Source     string
}

// Origin returns where the copy of a bundled workflow says it is from.
func (b Bundle) Origin(w BundledWorkflow) Origin {
	return Origin{Bundle: b.Integration + "/" + b.Slug, Workflow: w.Slug, Version: b.Version}
}

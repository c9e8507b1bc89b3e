package wire

import (
	"encoding/json"
	"time"
)

// Workflow is a workflow without its text.
type Workflow struct {
	ID              string     `json:"id"`
	Name            string     `json:"name"`
	Type            string     `json:"type" enum:"manual,scheduled,access_provisioning,access_deprovisioning,custom_approval"`
	Integration     string     `json:"integration"`
	ConnectionID    string     `json:"connection_id,omitempty" doc:"Whose system a manual or scheduled one calls"`
	Description     string     `json:"description,omitempty"`
	Tags            []string   `json:"tags"`
	Starters        Starters   `json:"starters" doc:"Who may run a manual one, besides administrators"`
	Paused          bool       `json:"paused,omitempty" doc:"A scheduled one does not run by itself for now"`
	NextRunAt       *time.Time `json:"next_run_at,omitempty" doc:"When the clock runs it next"`
	Bundle          string     `json:"bundle,omitempty" doc:"It is a copy of one of this bundle's"`
	BundleWorkflow  string     `json:"bundle_workflow,omitempty"`
	BundleVersion   int        `json:"bundle_version,omitempty"`
	Edited          bool       `json:"edited,omitempty" doc:"The copy is not as it was shipped"`
	UpdateAvailable int        `json:"update_available,omitempty" doc:"The newer version of the bundle; 0: none"`
	Version         string     `json:"published_version" doc:"Content hash; empty: not published"`
	Revision        int        `json:"revision" doc:"Grows with each change of the draft; who saves one says which they saw"`
	ArchivedAt      *time.Time `json:"archived_at,omitempty"`
	CreatedAt       time.Time  `json:"created_at"`
}

// Starters says who may run a manual workflow, besides administrators.
type Starters struct {
	Anybody  bool     `json:"anybody,omitempty"`
	GroupIDs []string `json:"group_ids,omitempty" maxItems:"100"`
}

// Schedule says when a scheduled workflow runs.
type Schedule struct {
	Cron string `json:"cron" example:"0 7 * * MON" doc:"Minute, hour, day of the month, month, day of the week; or @daily and the like"`
	Zone string `json:"zone,omitempty" example:"Europe/Berlin" doc:"IANA time zone; UTC when it is left out"`
}

// WorkflowContent is what an author writes.
type WorkflowContent struct {
	File     string          `json:"file,omitempty" doc:"index.ts when it is left out"`
	Source   string          `json:"source" doc:"TypeScript"`
	Inputs   json.RawMessage `json:"inputs,omitempty" doc:"JSON schema of what a manual workflow is told"`
	Schedule *Schedule       `json:"schedule,omitempty" doc:"Of a scheduled workflow"`
}

// WorkflowDraft is the content that becomes the next version.
type WorkflowDraft struct {
	WorkflowContent
	BundleVersion int              `json:"bundle_version,omitempty" doc:"Of the bundle that the text was taken from"`
	AuthorID      string           `json:"author_id"`
	SavedAt       time.Time        `json:"saved_at"`
	Problems      []CompileProblem `json:"problems" doc:"What keeps it from being published"`
}

// CompileProblem is what the compiler has to say at one place.
type CompileProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line" doc:"From 1; 0: it has no place"`
	Column  int    `json:"column" doc:"From 1, in characters"`
	Length  int    `json:"length,omitempty"`
	Message string `json:"message"`
}

// WorkflowVersion is a version, which never changes.
type WorkflowVersion struct {
	Number    int       `json:"number"`
	Hash      string    `json:"hash"`
	Published bool      `json:"published" doc:"It is the one that new runs take"`
	Note      string    `json:"note,omitempty"`
	AuthorID  string    `json:"author_id,omitempty" doc:"Who published it; empty: it came with a bundle"`
	CreatedAt time.Time `json:"created_at"`
	WorkflowContent
}

// VersionShort is a version without its text.
type VersionShort struct {
	Number    int       `json:"number"`
	Hash      string    `json:"hash"`
	Published bool      `json:"published"`
	Note      string    `json:"note,omitempty"`
	AuthorID  string    `json:"author_id,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	Schedule  *Schedule `json:"schedule,omitempty"`
}

// WorkflowUse is something that names a workflow.
type WorkflowUse struct {
	Kind string `json:"kind" enum:"app,role,policy"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// WorkflowDetail is a workflow with its texts, which administrators see.
type WorkflowDetail struct {
	Workflow
	MayRun    bool             `json:"may_run" doc:"You may run it now"`
	Inputs    json.RawMessage  `json:"inputs,omitempty" doc:"JSON schema of what it is told, when you may run it"`
	Published *WorkflowVersion `json:"published,omitempty"`
	Draft     *WorkflowDraft   `json:"draft,omitempty"`
	Uses      []WorkflowUse    `json:"uses,omitempty"`
}

// NewWorkflow asks for a workflow. Without a text its draft is an example.
type NewWorkflow struct {
	Name         string          `json:"name"`
	Type         string          `json:"type" enum:"manual,scheduled,access_provisioning,access_deprovisioning,custom_approval"`
	Integration  string          `json:"integration" example:"tableau"`
	ConnectionID string          `json:"connection_id,omitempty"`
	Description  string          `json:"description,omitempty"`
	Tags         []string        `json:"tags,omitempty"`
	Starters     Starters        `json:"starters,omitzero"`
	File         string          `json:"file,omitempty"`
	Source       string          `json:"source,omitempty"`
	Inputs       json.RawMessage `json:"inputs,omitempty"`
	Schedule     *Schedule       `json:"schedule,omitempty"`
}

// ChangedWorkflow changes what surrounds a workflow's text.
type ChangedWorkflow struct {
	Name         *string   `json:"name,omitempty"`
	Description  *string   `json:"description,omitempty"`
	Tags         *[]string `json:"tags,omitempty"`
	ConnectionID *string   `json:"connection_id,omitempty"`
	Starters     *Starters `json:"starters,omitempty"`
	Paused       *bool     `json:"paused,omitempty"`
}

// SavedDraft saves a draft.
type SavedDraft struct {
	Revision int `json:"revision" doc:"The workflow's that you saw; another one is a conflict"`
	WorkflowContent
}

// Publication publishes the draft.
type Publication struct {
	Revision int    `json:"revision" doc:"The workflow's that you saw; another one is a conflict"`
	Note     string `json:"note,omitempty" doc:"What is new"`
}

// Restoration makes a draft of an old version.
type Restoration struct {
	Version string `json:"version" example:"3" doc:"Number, or the beginning of the hash"`
}

// Duplication makes a workflow of the same text.
type Duplication struct {
	Name string `json:"name,omitempty" doc:"Copy of … when it is left out"`
}

// CheckedContent asks what the compiler has to say.
type CheckedContent struct {
	Integration string `json:"integration" example:"tableau"`
	File        string `json:"file,omitempty"`
	Source      string `json:"source"`
}

// WorkflowDiff is how one content of a workflow became another.
type WorkflowDiff struct {
	From    string         `json:"from" example:"version 2"`
	To      string         `json:"to" example:"draft"`
	Same    bool           `json:"same"`
	Files   []WorkflowFile `json:"files"`
	Modules []string       `json:"modules" doc:"Modules that workflows import and that differ"`
}

// WorkflowFile is how one text became another.
type WorkflowFile struct {
	File    string    `json:"file"`
	Unified string    `json:"unified" doc:"As diff -u writes it; empty: the same"`
	Rows    []DiffRow `json:"rows" doc:"Side by side"`
}

// DiffRow is one row of two texts side by side. A number of 0 is no line.
type DiffRow struct {
	Change      string `json:"change" enum:"same,added,removed,changed"`
	LeftNumber  int    `json:"left_number,omitempty"`
	Left        string `json:"left,omitempty"`
	RightNumber int    `json:"right_number,omitempty"`
	Right       string `json:"right,omitempty"`
}

// StartedRun runs a workflow.
type StartedRun struct {
	Inputs json.RawMessage `json:"inputs,omitempty" doc:"An object, as the workflow's inputs declare"`
}

// InstalledBundle says to whom the installed workflows are assigned.
type InstalledBundle struct {
	AppID   string   `json:"app_id,omitempty" doc:"They carry out this app's roles from then on"`
	RoleIDs []string `json:"role_ids,omitempty" doc:"Of these roles of the app alone"`
}

// AssignedWorkflows says which workflows carry out an app's roles.
type AssignedWorkflows struct {
	ProvisionWorkflowID   string   `json:"provision_workflow_id,omitempty" doc:"Left out: as it is"`
	DeprovisionWorkflowID string   `json:"deprovision_workflow_id,omitempty" doc:"Left out: as it is"`
	RoleIDs               []string `json:"role_ids,omitempty" doc:"For these roles alone; left out: for the app and all its roles"`
}

// Asked is what the workflow of a step was asked, and what came of it.
type Asked struct {
	Step        int        `json:"step" doc:"1 is the first"`
	WorkflowID  string     `json:"workflow_id"`
	RunID       string     `json:"run_id"`
	Attempt     int        `json:"attempt"`
	AskedAt     time.Time  `json:"asked_at"`
	AnsweredAt  *time.Time `json:"answered_at" doc:"null: not yet"`
	ApproverIDs []string   `json:"approver_ids,omitempty" doc:"Whom it named; they decide then"`
	Reason      string     `json:"reason,omitempty"`
	Problem     *Fault     `json:"problem,omitempty" doc:"Why nothing was decided; it can be asked again"`
}

// Declarations is what an editor checks workflows against.
type Declarations struct {
	File string `json:"file" example:"margay.d.ts"`
	Text string `json:"text" doc:"TypeScript declarations of the modules that workflows may import"`
}

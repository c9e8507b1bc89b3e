// Package wire holds the JSON that the REST API takes and gives. The API's
// server and its client both speak it; neither's insides show in it.
package wire

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// List is one page of things.
type List[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Give it as cursor to read on; absent on the last page"`
}

// Integration describes one kind of system.
type Integration struct {
	Kind    string        `json:"kind" example:"tableau"`
	Name    string        `json:"name"`
	Summary string        `json:"summary"`
	Beta    bool          `json:"beta"`
	BetaMsg string        `json:"beta_note,omitempty"`
	Title   string        `json:"form_title"`
	Fields  []Field       `json:"fields"`
	Checks  []CheckName   `json:"checks"`
	Roles   []string      `json:"roles" doc:"Names of the roles that its bundles carry out, the weakest first"`
	Bundles []BundleShort `json:"bundles"`
	Guide   Guide         `json:"guide"`
	Idle    *Idle         `json:"idle,omitempty" doc:"Absent: credentials that are not used do not end by that"`
}

// Field is one input of the form that makes a connection.
type Field struct {
	Key        string `json:"key"`
	Label      string `json:"label"`
	Help       string `json:"help"`
	Required   bool   `json:"required"`
	Secret     bool   `json:"secret"`
	Credential bool   `json:"credential" doc:"It is replaced when the credentials are rotated"`
	KeepBlank  bool   `json:"keep_blank" doc:"Left blank on an edit, the stored value stays; otherwise blank is saved"`
	Missing    string `json:"missing,omitempty" doc:"What is said when it is required and blank"`
	Blank      string `json:"blank_note" doc:"What leaving it blank on an edit does, in words"`
	Example    string `json:"example,omitempty"`
}

// CheckName names a health check.
type CheckName struct {
	Key       string          `json:"key" example:"session"`
	Name      string          `json:"name"`
	Help      string          `json:"help"`
	NotProven string          `json:"not_proven" doc:"What a pass does not confirm"`
	Sentences []CheckSentence `json:"sentences" doc:"All that it may say"`
}

// BundleShort names a bundle.
type BundleShort struct {
	Slug    string `json:"slug"`
	Name    string `json:"name"`
	Version int    `json:"version"`
}

// Bundle is a bundle with its workflows.
type Bundle struct {
	Integration string           `json:"integration"`
	Slug        string           `json:"slug"`
	Name        string           `json:"name"`
	Version     int              `json:"version"`
	Workflows   []BundleWorkflow `json:"workflows"`
}

// BundleWorkflow is one workflow of a bundle; ID is set once it is installed.
type BundleWorkflow struct {
	Slug string `json:"slug"`
	Name string `json:"name"`
	Type string `json:"type"`
	ID   string `json:"id,omitempty"`

	UpdateAvailable bool `json:"update_available,omitempty" doc:"The copy is of an older version of the bundle"`
}

// Connection is one configured site. Secrets are masked.
type Connection struct {
	ID          string            `json:"id"`
	Integration string            `json:"integration"`
	DisplayName string            `json:"display_name"`
	Beta        bool              `json:"beta"`
	Settings    map[string]string `json:"settings" doc:"Secrets are shown as bullets and their last four characters"`
	Version     int               `json:"version"`
	CreatedAt   time.Time         `json:"created_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
	Warnings    []string          `json:"warnings,omitempty" doc:"In the answer to what made it: what people should know, such as another connection with the same settings"`
	ConnectionKnown
}

// NewConnection asks for a connection.
type NewConnection struct {
	Integration string            `json:"integration" default:"tableau"`
	Settings    map[string]string `json:"settings"`
}

// ChangedConnection changes one: fields left out or blank keep what is stored
// where the integration says so; others are saved as blank.
type ChangedConnection struct {
	Settings map[string]string `json:"settings"`
	Version  int               `json:"version,omitempty" minimum:"0" doc:"Of the connection as the editor saw it: when it was saved meanwhile, nothing is changed and the answer is 409. If-Match with the ETag does the same"`
	Agree    bool              `json:"agree,omitempty" doc:"Move live grants elsewhere with it. Without it an edit that does so is refused with 409 and the code moves_grants"`
}

// Format implements fmt.Formatter without the values of the settings: one of
// them is a secret.
func (c NewConnection) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "{%s %s}", c.Integration, keys(c.Settings))
}

// Format implements fmt.Formatter without the values of the settings: one of
// them is a secret.
func (c ChangedConnection) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "{%s}", keys(c.Settings))
}

func keys(settings map[string]string) []string { return slices.Sorted(maps.Keys(settings)) }

// Check is the result of one health check.
type Check struct {
	Key        string    `json:"key" example:"session"`
	Name       string    `json:"name"`
	Status     string    `json:"status" enum:"pass,fail"`
	Message    string    `json:"message"`
	Detail     string    `json:"detail"`
	Hint       string    `json:"hint,omitempty"`
	At         time.Time `json:"at"`
	DurationMS int64     `json:"duration_ms" doc:"Without waited_ms"`
	WaitedMS   int64     `json:"waited_ms,omitempty" doc:"How long it waited until the system took calls again; from a second on"`
	NotProven  string    `json:"not_proven" doc:"What a pass does not confirm"`
	Facts      []Fact    `json:"facts,omitempty"`
	Mends      []string  `json:"mends,omitempty" doc:"Acts on the connection that may mend the failure, the likeliest first: rotate, edit"`
}

// Call is any call of a system's API: by method and path, or by the name of a
// method of its catalogue.
type Call struct {
	Method     string          `json:"method,omitempty" example:"GET"`
	Path       string          `json:"path,omitempty" example:"/sites/{siteId}/users"`
	Name       string          `json:"name,omitempty" example:"get-users-on-site" doc:"Instead of method and path"`
	Parameters map[string]any  `json:"parameters,omitempty" doc:"Of the named method: those of its path and of its query"`
	Query      map[string]any  `json:"query,omitempty"`
	Body       json.RawMessage `json:"body,omitempty" doc:"JSON; a JSON text is sent as it stands, for XML"`
}

// CallAnswer is what the system said, whatever its status.
type CallAnswer struct {
	Status     int               `json:"status"`
	Headers    map[string]string `json:"headers"`
	Body       json.RawMessage   `json:"body,omitempty" doc:"JSON as it came, other text as a JSON text"`
	BodyBase64 string            `json:"body_base64,omitempty" doc:"Instead of body when it is no text"`
}

// Person is somebody in the directory.
type Person struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	Name      string    `json:"name"`
	Admin     bool      `json:"admin"`
	Disabled  bool      `json:"disabled"`
	ManagerID string    `json:"manager_id,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// NewPerson adds somebody.
type NewPerson struct {
	Email     string `json:"email"`
	Name      string `json:"name,omitempty"`
	Admin     bool   `json:"admin,omitempty"`
	ManagerID string `json:"manager_id,omitempty"`
}

// ChangedPerson changes somebody; what is left out stays.
type ChangedPerson struct {
	Name      *string `json:"name,omitempty"`
	Admin     *bool   `json:"admin,omitempty"`
	Disabled  *bool   `json:"disabled,omitempty"`
	ManagerID *string `json:"manager_id,omitempty" doc:"Empty: nobody"`
}

// App is what people ask access to.
type App struct {
	ID                    string    `json:"id"`
	Name                  string    `json:"name"`
	ConnectionID          string    `json:"connection_id"`
	PolicyID              string    `json:"policy_id"`
	ProvisionWorkflowID   string    `json:"provision_workflow_id"`
	DeprovisionWorkflowID string    `json:"deprovision_workflow_id"`
	OnRevoke              string    `json:"on_revoke" enum:"strongest,unlicensed"`
	OwnerIDs              []string  `json:"owner_ids"`
	OwnerGroupIDs         []string  `json:"owner_group_ids" doc:"Their members are owners too"`
	ProfileID             string    `json:"profile_id" doc:"Who may ask; empty: everybody"`
	CreatedAt             time.Time `json:"created_at"`
	Edited
}

// NewApp asks for an app. Without workflows it gets those of the bundle that
// the connection's integration ships.
type NewApp struct {
	Name                  string   `json:"name"`
	ConnectionID          string   `json:"connection_id"`
	PolicyID              string   `json:"policy_id,omitempty"`
	ProvisionWorkflowID   string   `json:"provision_workflow_id,omitempty"`
	DeprovisionWorkflowID string   `json:"deprovision_workflow_id,omitempty"`
	OnRevoke              string   `json:"on_revoke,omitempty" enum:"strongest,unlicensed"`
	OwnerIDs              []string `json:"owner_ids,omitempty"`
	OwnerGroupIDs         []string `json:"owner_group_ids,omitempty"`
	ProfileID             string   `json:"profile_id,omitempty"`
}

// ChangedApp changes an app; what is left out stays.
type ChangedApp struct {
	Name                  *string   `json:"name,omitempty"`
	ConnectionID          *string   `json:"connection_id,omitempty"`
	PolicyID              *string   `json:"policy_id,omitempty"`
	ProvisionWorkflowID   *string   `json:"provision_workflow_id,omitempty"`
	DeprovisionWorkflowID *string   `json:"deprovision_workflow_id,omitempty"`
	OnRevoke              *string   `json:"on_revoke,omitempty"`
	OwnerIDs              *[]string `json:"owner_ids,omitempty"`
	OwnerGroupIDs         *[]string `json:"owner_group_ids,omitempty"`
	ProfileID             *string   `json:"profile_id,omitempty" doc:"Empty: everybody may ask"`
	EditOf
}

// Role is what is asked for inside an app.
type Role struct {
	ID                    string    `json:"id"`
	AppID                 string    `json:"app_id"`
	Name                  string    `json:"name"`
	Description           string    `json:"description"`
	PolicyID              string    `json:"policy_id"`
	ProfileID             string    `json:"profile_id" doc:"Instead of the app's; everybody: although the app has one"`
	ProvisionWorkflowID   string    `json:"provision_workflow_id"`
	DeprovisionWorkflowID string    `json:"deprovision_workflow_id"`
	Requestable           bool      `json:"requestable"`
	CreatedAt             time.Time `json:"created_at"`
	Edited
}

// NewRole asks for a role.
type NewRole struct {
	Name                  string `json:"name" doc:"The name of the site role, exact and case-sensitive"`
	Description           string `json:"description,omitempty"`
	PolicyID              string `json:"policy_id,omitempty" doc:"Instead of the app's"`
	ProfileID             string `json:"profile_id,omitempty" doc:"Instead of the app's; everybody: although the app has one"`
	ProvisionWorkflowID   string `json:"provision_workflow_id,omitempty"`
	DeprovisionWorkflowID string `json:"deprovision_workflow_id,omitempty"`
}

// ChangedRole changes a role; what is left out stays.
type ChangedRole struct {
	Name                  *string `json:"name,omitempty"`
	Description           *string `json:"description,omitempty"`
	PolicyID              *string `json:"policy_id,omitempty"`
	ProfileID             *string `json:"profile_id,omitempty"`
	ProvisionWorkflowID   *string `json:"provision_workflow_id,omitempty"`
	DeprovisionWorkflowID *string `json:"deprovision_workflow_id,omitempty"`
	Requestable           *bool   `json:"requestable,omitempty"`
	EditOf
}

// Policy says under which rules a role is given.
type Policy struct {
	ID           string       `json:"id"`
	Name         string       `json:"name"`
	Longest      Duration     `json:"longest" doc:"null: access need not end"`
	Usual        Duration     `json:"usual" doc:"null: the longest"`
	ReasonNeeded bool         `json:"reason_needed"`
	OnBehalf     OnBehalf     `json:"on_behalf"`
	Steps        []PolicyStep `json:"steps"`
	Auto         *Auto        `json:"auto" doc:"Which requests need nobody's decision; null: none"`
	AutoSentence string       `json:"auto_sentence,omitempty" doc:"The same in words, when one policy is asked for"`
	Waits        Duration     `json:"waits" doc:"How long a request waits before it lapses"`
	Version      int          `json:"version"`
	CreatedAt    time.Time    `json:"created_at"`
	SavedByID    string       `json:"saved_by_id,omitempty" doc:"Who saved this version"`
	SavedAt      *time.Time   `json:"saved_at,omitempty"`
	Impact       *Impact      `json:"impact,omitempty" doc:"When it is saved, or with dry_run would be: what differs and whom it touches"`
}

// PolicyStep is one round of approval; any one of its approvers decides.
type PolicyStep struct {
	ApproverIDs  []string `json:"approver_ids,omitempty" doc:"Ids of people"`
	GroupIDs     []string `json:"group_ids,omitempty" doc:"Ids of groups: any member may decide"`
	AppOwners    bool     `json:"app_owners,omitempty" doc:"The owners of the app may decide too"`
	Manager      bool     `json:"manager,omitempty" doc:"The manager of who asks, or of whom it is for, may decide too"`
	WorkflowID   string   `json:"workflow_id,omitempty" doc:"A custom approval workflow that decides, or names the approvers"`
	SelfApproval bool     `json:"self_approval,omitempty" doc:"People may decide on their own requests"`
}

// NewPolicy asks for a policy.
type NewPolicy struct {
	Name         string       `json:"name"`
	Longest      Duration     `json:"longest,omitempty" doc:"The longest time that access lasts; null: it need not end"`
	Usual        Duration     `json:"usual,omitempty" doc:"Offered when nobody says how long; null: the longest"`
	ReasonNeeded bool         `json:"reason_needed,omitempty"`
	OnBehalf     OnBehalf     `json:"on_behalf,omitempty"`
	Steps        []PolicyStep `json:"steps,omitempty" doc:"In this order; none: granted at once"`
	Auto         *Auto        `json:"auto,omitempty" doc:"Which requests need nobody's decision"`
	Waits        Duration     `json:"waits,omitempty" doc:"How long a request waits before it lapses; null: 30 days"`
}

// ChangedPolicy changes a policy; what is left out stays.
type ChangedPolicy struct {
	Name         *string       `json:"name,omitempty"`
	Longest      MaybeForever  `json:"longest,omitzero" required:"false" doc:"null: access need not end; left out: as it is"`
	Usual        MaybeForever  `json:"usual,omitzero" required:"false" doc:"null: the longest; left out: as it is"`
	ReasonNeeded *bool         `json:"reason_needed,omitempty"`
	OnBehalf     *OnBehalf     `json:"on_behalf,omitempty"`
	Steps        *[]PolicyStep `json:"steps,omitempty" doc:"All of them, in this order; []: granted at once; left out: as they are"`
	Auto         *Auto         `json:"auto,omitempty" doc:"{}: none; left out: as it is"`
	Waits        MaybeForever  `json:"waits,omitzero" required:"false" doc:"null: 30 days; left out: as it is"`
	EditOf
}

// Replacing returns the change that makes a policy as p says, in every part.
func Replacing(p NewPolicy) ChangedPolicy {
	if p.Steps == nil {
		p.Steps = []PolicyStep{}
	}
	if p.Auto == nil {
		p.Auto = &Auto{}
	}
	if p.OnBehalf == "" {
		p.OnBehalf = "nobody"
	}
	return ChangedPolicy{
		Name: &p.Name, Longest: For(time.Duration(p.Longest)), Usual: For(time.Duration(p.Usual)), ReasonNeeded: &p.ReasonNeeded, OnBehalf: &p.OnBehalf,
		Steps: &p.Steps, Auto: p.Auto, Waits: For(time.Duration(p.Waits)),
	}
}

// Request is a person asking for a role for a time.
type Request struct {
	ID          string     `json:"id"`
	AppID       string     `json:"app_id"`
	RoleID      string     `json:"role_id"`
	RoleName    string     `json:"role_name"`
	PersonID    string     `json:"person_id"`
	RequesterID string     `json:"requester_id"`
	Duration    Duration   `json:"duration" doc:"null: access that does not end by itself"`
	Reason      string     `json:"reason"`
	State       string     `json:"state" enum:"waiting_for_approval,approved,denied,withdrawn,lapsed"`
	StateText   State      `json:"state_text" doc:"What the state means, and what may be done next"`
	Policy      Policy     `json:"policy" doc:"As it was when the request was filed"`
	Approvals   []Approval `json:"approvals"`
	Asked       []Asked    `json:"asked,omitempty" doc:"What workflows of its steps were asked"`
	ExtendsID   string     `json:"extends_grant_id,omitempty" doc:"The access that it asks more time for"`
	Extension   *MovedEnd  `json:"extension,omitempty" doc:"What its approval would do to the end of that access; while it waits"`
	StartsAt    *time.Time `json:"starts_at" doc:"When the access is to start; null: as soon as it is approved"`
	LapsesAt    *time.Time `json:"lapses_at" doc:"When it lapses, should nobody decide"`
	DeciderIDs  []string   `json:"decider_ids,omitempty" doc:"Who could decide the step that waits, when one request is asked for"`
	Comments    []Comment  `json:"comments,omitempty" doc:"When one request is asked for"`
	GrantID     string     `json:"grant_id,omitempty"`
	Grant       *Grant     `json:"grant,omitempty" doc:"What became of the access"`
	CreatedAt   time.Time  `json:"created_at"`
	DecidedAt   *time.Time `json:"decided_at"`
}

// Approval is one decision in one step.
type Approval struct {
	Step int    `json:"step" doc:"1 is the first"`
	ByID string `json:"by_id"`

	WorkflowID string `json:"workflow_id,omitempty" doc:"That decided, instead of a person"`

	Approved bool      `json:"approved"`
	Reason   string    `json:"reason"`
	At       time.Time `json:"at"`
}

// NewRequest asks for a role.
type NewRequest struct {
	RoleID   string       `json:"role_id"`
	PersonID string       `json:"person_id,omitempty" doc:"Whom it is for; left out: who asks"`
	Duration MaybeForever `json:"duration,omitzero" required:"false" doc:"ISO 8601, such as PT8H or P30D; null: without an end; left out: the policy's usual time"`
	Reason   string       `json:"reason,omitempty"`
	StartsAt *time.Time   `json:"starts_at,omitempty" doc:"When the access is to start, at most 90 days ahead; left out: as soon as it is approved"`
}

// Decision approves or denies.
type Decision struct {
	Duration MaybeForever `json:"duration,omitzero" required:"false" doc:"Approve for less than what was asked for"`
	Reason   string       `json:"reason,omitempty"`
}

// Grant is access that was agreed.
type Grant struct {
	ID           string     `json:"id"`
	RequestID    string     `json:"request_id"`
	AppID        string     `json:"app_id"`
	ConnectionID string     `json:"connection_id"`
	RoleID       string     `json:"role_id"`
	RoleName     string     `json:"role_name"`
	PersonID     string     `json:"person_id"`
	Duration     Duration   `json:"duration"`
	State        string     `json:"state" enum:"scheduled,setting_up,active,not_set_up,changed_outside,ending,overdue_to_end,ended"`
	RunID        string     `json:"run_id" doc:"The run of its present change"`
	Attempts     int        `json:"attempts"`
	CreatedAt    time.Time  `json:"created_at"`
	StartsAt     *time.Time `json:"starts_at" doc:"When the access was confirmed"`
	EndsAt       *time.Time `json:"ends_at"`
	EndedAt      *time.Time `json:"ended_at"`
	EndReason    string     `json:"end_reason,omitempty" enum:",revoked,expired,changed_outside,merged"`
	EndNote      string     `json:"end_note,omitempty"`
	Problem      *Fault     `json:"problem,omitempty" doc:"Why it could not be carried out"`
	Proof        *Proof     `json:"proof,omitempty" doc:"What the system reported last"`
	GrantLife
}

// Proof is what the system reported when a run was done.
type Proof struct {
	SiteRole string    `json:"site_role"`
	Note     string    `json:"note"`
	At       time.Time `json:"at"`
}

// Revocation ends a grant.
type Revocation struct {
	Reason string `json:"reason,omitempty"`
}

// Fault is why something did not work, for people.
type Fault struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Detail  string `json:"detail,omitempty"`
	Where   string `json:"where,omitempty" doc:"Place in the workflow's text"`
}

// Run is one execution of a workflow version.
type Run struct {
	RunFacts

	ID           string          `json:"id"`
	Kind         string          `json:"kind" enum:"provision,deprovision,approve,manual,scheduled"`
	WorkflowID   string          `json:"workflow_id"`
	Version      string          `json:"workflow_version"`
	ConnectionID string          `json:"connection_id"`
	GrantID      string          `json:"grant_id"`
	RequestID    string          `json:"request_id,omitempty" doc:"That it decides on"`
	PersonID     string          `json:"person_id"`
	Trigger      string          `json:"trigger"`
	Input        json.RawMessage `json:"input,omitempty" doc:"What its starter gave, or when the clock meant it to run"`
	Attempt      int             `json:"attempt"`
	State        string          `json:"state" enum:"queued,retrying,running,waiting,outcome_unknown,done,failed,cancelled,crashed,superseded"`
	Output       json.RawMessage `json:"output,omitempty"`
	Problem      *Fault          `json:"problem,omitempty"`
	QueuedAt     time.Time       `json:"queued_at"`
	NotBefore    *time.Time      `json:"not_before"`
	StartedAt    *time.Time      `json:"started_at"`
	EndedAt      *time.Time      `json:"ended_at"`
	Steps        []Step          `json:"steps,omitempty" doc:"When one run is asked for"`
}

// Step is one call that a run's workflow made.
type Step struct {
	StepFacts

	Seq       int             `json:"seq"`
	Name      string          `json:"name"`
	State     string          `json:"state" enum:"running,done,failed"`
	Attempt   int             `json:"attempt"`
	Input     json.RawMessage `json:"input,omitempty"`
	Output    json.RawMessage `json:"output,omitempty"`
	Problem   *Fault          `json:"problem,omitempty"`
	Calls     []StepCall      `json:"calls"`
	StartedAt time.Time       `json:"started_at"`
	EndedAt   *time.Time      `json:"ended_at"`
}

// StepCall is one exchange with the system.
type StepCall struct {
	Kind       string    `json:"kind" enum:"sign-in,call,sign-out"`
	Method     string    `json:"method"`
	Path       string    `json:"path"`
	Status     int       `json:"status" doc:"0: no answer came"`
	Code       string    `json:"code,omitempty"`
	StartedAt  time.Time `json:"started_at"`
	DurationMS float64   `json:"duration_ms"`
	Error      string    `json:"error,omitempty"`
}

// Event is one row of the audit log.
type Event struct {
	Seq     int64             `json:"seq"`
	ID      string            `json:"id"`
	At      time.Time         `json:"at"`
	Kind    string            `json:"kind"`
	Actor   string            `json:"actor"`
	Subject string            `json:"subject"`
	Data    map[string]string `json:"data"`
	Hash    string            `json:"hash"`
}

// Verification says whether the audit log holds.
type Verification struct {
	OK     bool   `json:"ok"`
	Events int64  `json:"events" doc:"How many hold, from the first"`
	Hash   string `json:"hash" doc:"Of the last one that holds"`
	Reason string `json:"reason,omitempty"`
}

// Problem is an error of the API (RFC 9457).
type Problem struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail"`
	Code      string         `json:"code,omitempty"`
	RequestID string         `json:"request_id,omitempty"`
	NextSteps []string       `json:"next_steps,omitempty"`
	Upstream  string         `json:"upstream,omitempty" doc:"The other system's own words"`
	Errors    []ProblemField `json:"errors,omitempty"`
}

// ProblemField is what is wrong with one field.
type ProblemField struct {
	Pointer string `json:"pointer" doc:"Where in the body: settings.server_url"`
	Code    string `json:"code,omitempty"`
	Detail  string `json:"detail"`
	File    string `json:"file,omitempty" doc:"Of a text that does not compile"`
	Line    int    `json:"line,omitempty" doc:"From 1"`
	Column  int    `json:"column,omitempty" doc:"From 1, in characters"`
	Message string `json:"message,omitempty" doc:"What is wrong at that place"`
}

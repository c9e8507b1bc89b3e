package wire

import "time"

// Comparison is one look at what was granted in an app and what the system
// behind it says.
type Comparison struct {
	ID           string      `json:"id"`
	AppID        string      `json:"app_id"`
	ConnectionID string      `json:"connection_id"`
	State        string      `json:"state" enum:"running,done,failed"`
	Sentence     string      `json:"sentence" doc:"What its state means, for people"`
	Next         []Act       `json:"next"`
	StartedByID  string      `json:"started_by_id"`
	StartedAt    time.Time   `json:"started_at"`
	EndedAt      *time.Time  `json:"ended_at"`
	Read         int         `json:"read" doc:"How many users of the system have been read"`
	Of           int         `json:"of" doc:"Of how many; 0: not known yet"`
	Counts       DriftCounts `json:"counts" doc:"What was found; all 0 before it is done"`
	Problem      *Fault      `json:"problem,omitempty" doc:"Why it failed: then nothing was compared"`
	Joined       bool        `json:"joined,omitempty" doc:"It was under way already when it was asked for"`
}

// DriftCounts says what a comparison found.
type DriftCounts struct {
	Accounts  int `json:"users" doc:"Users of the system"`
	Same      int `json:"same" doc:"Grants that are as they should be"`
	Differ    int `json:"role_differs" doc:"Grants in whose place another role is"`
	Gone      int `json:"user_gone" doc:"Grants of users who are not there any more"`
	NotFound  int `json:"user_not_found" doc:"Grants whose person no user there fits"`
	Unmanaged int `json:"unmanaged" doc:"Users there with a role that was not given here"`
	Busy      int `json:"busy" doc:"Grants left out, because a run changed the person meanwhile"`
}

// Difference is one thing in which what was granted and the system do not agree.
type Difference struct {
	ID           string    `json:"id"`
	ComparisonID string    `json:"comparison_id"`
	AppID        string    `json:"app_id"`
	Kind         string    `json:"kind" enum:"role_differs,user_gone,user_not_found,unmanaged"`
	Sentence     string    `json:"sentence" doc:"What the kind means, for people"`
	GrantID      string    `json:"grant_id,omitempty"`
	GrantState   string    `json:"grant_state,omitempty" doc:"What has become of the grant since"`
	PersonID     string    `json:"person_id,omitempty"`
	UserID       string    `json:"user_id,omitempty" doc:"The system's id of the user"`
	UserName     string    `json:"user_name,omitempty"`
	Granted      string    `json:"granted,omitempty" doc:"The role that the grant gives"`
	Found        string    `json:"found" doc:"The role that is there; empty: nobody is"`
	Since        time.Time `json:"since" doc:"Since when it is known"`
	Settled      bool      `json:"settled" doc:"A person or a later read has settled it"`
	Next         []Act     `json:"next" doc:"What may be done about it"`
}

// Resolution settles a difference.
type Resolution struct {
	How    string `json:"how" enum:"accept,restore,end" doc:"accept: the grant ends and what is there stays; restore: the role is set again; end: the grant ends by its ordinary road"`
	Reason string `json:"reason,omitempty"`
}

// Settlement is a decision on what somebody changed of a grant.
type Settlement struct {
	Reason string  `json:"reason,omitempty"`
	Found  *string `json:"found,omitempty" doc:"The role that you saw there, empty for nobody: when another was found since, nothing is done. Left out: whatever is known"`
}

// HistoryRow is one grant as an auditor reads it.
type HistoryRow struct {
	GrantID   string            `json:"grant_id"`
	RequestID string            `json:"request_id"`
	App       string            `json:"app"`
	Role      string            `json:"role"`
	Person    string            `json:"person"`
	PersonID  string            `json:"person_id"`
	Email     string            `json:"email"`
	State     string            `json:"state"`
	AskedAt   time.Time         `json:"asked_at"`
	AskedBy   string            `json:"asked_by"`
	Reason    string            `json:"reason"`
	Policy    string            `json:"policy"`
	Approvals []HistoryApproval `json:"approvals" doc:"Who agreed, in the order of the steps; none: the policy needs nobody"`
	Started   *time.Time        `json:"started_at" doc:"When the access was confirmed"`
	Ends      *time.Time        `json:"ends_at"`
	Ended     *time.Time        `json:"ended_at"`
	EndReason string            `json:"end_reason" doc:"revoked, expired, changed_outside …"`
	EndedBy   string            `json:"ended_by"`
	EndNote   string            `json:"end_note"`
	SetUp     *HistoryAnswer    `json:"set_up" doc:"What the system answered when the access was set up"`
	End       *HistoryAnswer    `json:"end" doc:"What it answered when the access ended"`
	Outside   *ChangedOutside   `json:"changed_outside,omitempty"`
}

// HistoryApproval is who agreed in one step.
type HistoryApproval struct {
	Step   int       `json:"step" doc:"From 1"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
}

// HistoryAnswer is what the system answered.
type HistoryAnswer struct {
	Method   string     `json:"method" doc:"Of the call that changed it, or that read that nothing needed to be; empty: it was done by hand"`
	Path     string     `json:"path"`
	Status   int        `json:"status"`
	SiteRole string     `json:"site_role" doc:"The role that was read back; empty: nobody was there, or nothing was read"`
	UserID   string     `json:"user_id"`
	Note     string     `json:"note"`
	At       *time.Time `json:"at"`
}

package wire

import "time"

// GrantLife is what is told of a grant besides the facts of what was agreed.
type GrantLife struct {
	Sentence       string          `json:"sentence" doc:"What its state means, for people"`
	Next           []Act           `json:"next" doc:"What may be done about it"`
	BeginsAt       *time.Time      `json:"begins_at,omitempty" doc:"When it is to begin"`
	NextTryAt      *time.Time      `json:"next_try_at,omitempty" doc:"When what failed is tried again by itself"`
	NextRunID      string          `json:"next_run_id,omitempty" doc:"The run that will try it"`
	OverdueSince   *time.Time      `json:"overdue_since,omitempty" doc:"Since when the access ought to be gone"`
	ChangedOutside *ChangedOutside `json:"changed_outside,omitempty" doc:"What somebody changed in the system"`
	SetUp          *Proof          `json:"set_up,omitempty" doc:"What the system reported when the access began"`
	FailedRunID    string          `json:"failed_run_id,omitempty" doc:"The run that had the problem"`
	TaskID         string          `json:"task_id,omitempty" doc:"The task of a person who carries it out by hand"`
	WaitingFor     string          `json:"waiting_for,omitempty" doc:"Who that is, for people"`
	Preview        *Preview        `json:"preview,omitempty" doc:"With dry_run: what its end would do; nothing was done"`
}

// Preview is what the end of a grant would do in the system.
type Preview struct {
	Now              string     `json:"now" doc:"The role that was reported there last; empty: none was"`
	ReadAt           *time.Time `json:"read_at,omitempty" doc:"When that was"`
	Then             string     `json:"then" doc:"The role after it"`
	Because          string     `json:"because"`
	RemainingGrantID string     `json:"remaining_grant_id,omitempty" doc:"The grant that keeps the person's role"`
	RemainingEndsAt  *time.Time `json:"remaining_ends_at,omitempty" doc:"When that one ends"`
	ByHand           string     `json:"by_hand,omitempty"`
}

// Extension asks for more time.
type Extension struct {
	Duration MaybeForever `json:"duration,omitzero" required:"false" doc:"How much more, such as PT8H; left out: the policy's usual time"`
	Reason   string       `json:"reason,omitempty"`
}

// Reduction shortens a grant.
type Reduction struct {
	Duration Duration `json:"duration" doc:"The time that is left from now, such as PT2H; of one that has not begun, all its time"`
	Reason   string   `json:"reason,omitempty"`
}

// RevokedGrant is what became of one grant of somebody whose access all ends.
type RevokedGrant struct {
	Grant   Grant  `json:"grant"`
	Outcome string `json:"outcome" enum:"ending,ended,would_end,failed"`
	Error   *Fault `json:"error,omitempty"`
}

// Task is something that a person does by hand.
type Task struct {
	ID        string     `json:"id"`
	Kind      string     `json:"kind" enum:"provision,deprovision" doc:"Whether the role is to be given or taken back"`
	GrantID   string     `json:"grant_id"`
	AppID     string     `json:"app_id"`
	RoleName  string     `json:"role_name"`
	PersonID  string     `json:"person_id" doc:"Whose access it is"`
	PersonIDs []string   `json:"people_ids" doc:"Who may do it"`
	GroupIDs  []string   `json:"group_ids"`
	State     string     `json:"state" enum:"open,done,failed,dropped"`
	Sentence  string     `json:"sentence"`
	Next      []Act      `json:"next"`
	Note      string     `json:"note,omitempty"`
	ByID      string     `json:"by_id,omitempty" doc:"Who said what became of it"`
	CreatedAt time.Time  `json:"created_at"`
	EndedAt   *time.Time `json:"ended_at"`
}

// TaskOutcome says what became of a task.
type TaskOutcome struct {
	Note string `json:"note,omitempty" doc:"What was done, or why it could not be: needed when it failed"`
}

// ChangedOutside is a role that was found in place of the one that was granted.
type ChangedOutside struct {
	Expected string    `json:"expected"`
	Found    string    `json:"found" doc:"Empty: the person is not on the site any more"`
	At       time.Time `json:"at"`
}

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
}

// ChangedOutside is a role that was found in place of the one that was granted.
type ChangedOutside struct {
	Expected string    `json:"expected"`
	Found    string    `json:"found" doc:"Empty: the person is not on the site any more"`
	At       time.Time `json:"at"`
}

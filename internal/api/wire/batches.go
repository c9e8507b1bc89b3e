package wire

import "time"

// Batch is one act on many things.
type Batch struct {
	ID          string      `json:"id"`
	Act         string      `json:"act" enum:"revoke_access,accept_change,restore_access,approve_request,deny_request,retry_run,cancel_run"`
	Label       string      `json:"label" doc:"What the act is called"`
	Effect      string      `json:"effect" doc:"What it comes to, for people"`
	ByID        string      `json:"by_id" doc:"Who prepared it; nobody else may start it"`
	Chosen      string      `json:"chosen,omitempty" doc:"By what its things were chosen, when all that match were"`
	Note        string      `json:"note,omitempty" doc:"The reason that is recorded with each"`
	State       string      `json:"state" enum:"prepared,running,stopping,done,stopped"`
	Sentence    string      `json:"sentence" doc:"What its state means, for people"`
	Counts      BatchCounts `json:"counts"`
	PreparedAt  time.Time   `json:"prepared_at"`
	StartedAt   *time.Time  `json:"started_at"`
	EndedAt     *time.Time  `json:"ended_at"`
	StoppedByID string      `json:"stopped_by_id,omitempty" doc:"Who stopped it; system: it ended by itself before all was done"`
}

// BatchCounts says how many rows are in which state.
type BatchCounts struct {
	Ready   int `json:"ready" doc:"To be done"`
	LeftOut int `json:"left_out" doc:"Of which nothing could be done when it was prepared"`
	Done    int `json:"done"`
	Refused int `json:"refused" doc:"That could not be done when their turn came"`
	Skipped int `json:"not_begun" doc:"Whose turn did not come, because it was stopped"`
}

// BatchRow is one thing of a batch: what was foreseen, and what came of it.
type BatchRow struct {
	N        int        `json:"n" doc:"Its place in the order, from 1"`
	ThingID  string     `json:"thing_id" doc:"The id of a grant, a request or a run"`
	PersonID string     `json:"person_id,omitempty"`
	AppID    string     `json:"app_id,omitempty"`
	Name     string     `json:"name" doc:"Of the role, or of the run's workflow"`
	Before   string     `json:"before,omitempty" doc:"The role that is there"`
	After    string     `json:"after,omitempty" doc:"The role that is there after it"`
	Because  string     `json:"because,omitempty" doc:"Why that, for people"`
	State    string     `json:"state" enum:"ready,left_out,done,refused,not_begun"`
	Sentence string     `json:"sentence" doc:"What its state means, for people"`
	ResultID string     `json:"result_id,omitempty" doc:"The run that was made"`
	Problem  *Fault     `json:"problem,omitempty" doc:"Why it was not done"`
	At       *time.Time `json:"at" doc:"When it was done, or not"`
}

// NewBatch asks what an act would come to with many things.
type NewBatch struct {
	Act    string   `json:"act" enum:"revoke_access,accept_change,restore_access,approve_request,deny_request,retry_run,cancel_run"`
	IDs    []string `json:"ids" minItems:"1" maxItems:"1000" doc:"Of grants, requests or runs, as the act wants"`
	Chosen string   `json:"chosen,omitempty" maxLength:"500" doc:"By what they were chosen, for the record"`
}

// StartBatch has a batch done.
type StartBatch struct {
	Reason string `json:"reason,omitempty" doc:"Recorded with each; needed to deny requests"`
}

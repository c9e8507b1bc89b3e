package wire

// ManyRuns names the runs of one act.
type ManyRuns struct {
	RunIDs []string `json:"run_ids" minItems:"1" maxItems:"200"`
}

// HandledRun is what came of one run of several.
type HandledRun struct {
	RunID    string `json:"run_id"`
	NewRunID string `json:"new_run_id,omitempty" doc:"Of a retry: the run that was made"`
	State    string `json:"state,omitempty" doc:"Of the new run, or of the run that was cancelled"`
	Problem  *Fault `json:"problem,omitempty" doc:"Why nothing was done with this one"`
}

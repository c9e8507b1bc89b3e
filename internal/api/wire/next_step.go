package wire

// NextStep is the step that follows when the one that waits is approved.
type NextStep struct {
	Step       int      `json:"step" doc:"1 is the first"`
	WorkflowID string   `json:"workflow_id,omitempty" doc:"The workflow that is asked then, in place of people"`
	Deciders   []Person `json:"deciders" doc:"Who could decide it then, when you approve now: each step wants another person"`
	Warning    string   `json:"warning,omitempty" doc:"That nobody could then, and what helps"`
}

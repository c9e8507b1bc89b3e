package wire

import (
	"encoding/json"
	"time"
)

// RunFacts is what a run says of itself beside its data.
type RunFacts struct {
	StateWord     string    `json:"state_word" doc:"The state, for people"`
	StateSentence string    `json:"state_sentence"`
	Next          []Act     `json:"next" doc:"What may be done with it; who may is asked of the service"`
	WaitsFor      string    `json:"waits_for,omitempty"`
	RetryOf       string    `json:"retry_of,omitempty" doc:"The run that this one is a retry of"`
	RetryNote     string    `json:"retry_note,omitempty" doc:"What a retry will do first"`
	CancelledBy   string    `json:"cancelled_by,omitempty"`
	Log           []LogLine `json:"log,omitempty" doc:"When one run is asked for: what its workflow wrote to its log"`
	Revision      string    `json:"revision,omitempty" doc:"Another one when something has changed; for GET /runs/{id}/watch"`
}

// LogLine is one line that a workflow wrote to its log.
type LogLine struct {
	At    time.Time `json:"at"`
	Level string    `json:"level" enum:"debug,info,warn,error"`
	Text  string    `json:"text"`
	Step  int       `json:"step,omitempty" doc:"It was written before this step; absent: after the last"`
}

// StepFacts is what a step says of itself beside its data.
type StepFacts struct {
	Hidden     bool    `json:"hidden,omitempty" doc:"What it was asked and answered is for administrators and owners of the app"`
	Change     *Change `json:"change,omitempty" doc:"What it set out to change; absent: it only read"`
	ExchangeMS float64 `json:"exchange_ms" doc:"Signing in"`
	CallMS     float64 `json:"call_ms"`
	ReadBackMS float64 `json:"read_back_ms" doc:"Reading after the last change"`
	WaitedMS   float64 `json:"waited_ms" doc:"For a turn, a throttle or our own database"`
}

// Change is what a step sets out to change.
type Change struct {
	What   string `json:"what"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	Body   string `json:"body,omitempty"`
	Held   bool   `json:"held_back,omitempty" doc:"Nothing was sent"`
}

// TestRun is what a workflow is tested with.
type TestRun struct {
	PersonID     string          `json:"person_id,omitempty" doc:"For whom; of the types access provisioning and deprovisioning"`
	RoleID       string          `json:"role_id,omitempty" doc:"Of which app it is the role; of the same types"`
	ConnectionID string          `json:"connection_id,omitempty" doc:"Instead of the workflow's own"`
	Version      string          `json:"version,omitempty" doc:"Hash of a version; absent: the draft, else the published one"`
	Argument     json.RawMessage `json:"argument,omitempty" doc:"What the workflow is told, instead of what comes of person and role"`
}

// TestReport is what came of a test run. Nothing was sent that changes
// something.
type TestReport struct {
	State   string          `json:"state" enum:"done,failed"`
	Output  json.RawMessage `json:"output,omitempty"`
	Problem *Fault          `json:"problem,omitempty"`
	Changes []Change        `json:"changes" doc:"What it would change"`
	Steps   []Step          `json:"steps"`
	Log     []string        `json:"log"`
}

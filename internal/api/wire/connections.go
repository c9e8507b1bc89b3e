package wire

import (
	"fmt"
	"time"
)

// CheckSentence is one of the results that a check may have, word for word.
type CheckSentence struct {
	Pass    bool   `json:"pass"`
	Text    string `json:"text" doc:"A part in brackets stands for a value"`
	Meaning string `json:"meaning"`
}

// Guide tells a person where the credentials of a connection come from.
type Guide struct {
	Title string      `json:"title"`
	Intro string      `json:"intro"`
	Steps []GuideStep `json:"steps"`
	Notes []GuideStep `json:"notes"`
	Links []Link      `json:"links"`

	Support Support `json:"support" doc:"Where people find help with the integration"`
}

// Support is a sentence that ends with a link.
type Support struct {
	Text string `json:"text"`
	Link Link   `json:"link"`
}

// GuideStep is one thing to do, or to know.
type GuideStep struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

// Link leads to a page of somebody else's.
type Link struct {
	Label string `json:"label"`
	URL   string `json:"url"`
}

// Idle says that the system ends credentials that are not used.
type Idle struct {
	EndsAfter Duration `json:"ends_after"`
	WarnAfter Duration `json:"warn_after"`
	Text      string   `json:"text"`
}

// Author is who did something.
type Author struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// ConnectionKnown is what is known of a connection beside its settings.
type ConnectionKnown struct {
	State      string     `json:"state" enum:"healthy,degraded,needs_attention,paused,never_checked"`
	StateWord  string     `json:"state_word" example:"Degraded (1 check fails)"`
	StateNote  string     `json:"state_note"`
	NextSteps  []string   `json:"next_steps"`
	Target     Target     `json:"target"`
	UpdatedBy  Author     `json:"updated_by"`
	PausedAt   *time.Time `json:"paused_at"`
	PausedBy   *Author    `json:"paused_by,omitempty"`
	Credential Credential `json:"credential"`
	CallsToday int        `json:"calls_today"`
	CheckedAt  *time.Time `json:"checked_at" doc:"When a check was run last since the connection was changed"`
	Checks     []Check    `json:"checks,omitempty" doc:"The last result of each, when one connection is asked for; those from before its last change are left out"`
	Facts      []Fact     `json:"facts,omitempty" doc:"What the checks found out, when one connection is asked for"`
	Traffic    *Traffic   `json:"traffic,omitempty" doc:"What it is doing at the moment, when one connection is asked for"`
}

// Traffic is what a connection is doing at the moment.
type Traffic struct {
	HeldBy      string     `json:"held_by,omitempty" doc:"The node that has the session with the system; left out: none has one"`
	Wanted      bool       `json:"wanted" doc:"Another node waits for the session"`
	OpenedAt    *time.Time `json:"opened_at,omitempty" doc:"Since when, if it is the node that answers"`
	Calls       int        `json:"calls" doc:"That are under way, on the node that answers"`
	PausedUntil *time.Time `json:"paused_until,omitempty" doc:"The system asked to be left alone until then"`
}

// Target is where the calls of a connection go.
type Target struct {
	Host  string `json:"host" example:"10ax.online.tableau.com"`
	Place string `json:"place" example:"site acme-analytics"`
}

// Credential is what is known of a connection's credentials.
type Credential struct {
	SetAt    *time.Time `json:"set_at" doc:"When the secret was set"`
	SetBy    Author     `json:"set_by"`
	UsedAt   *time.Time `json:"used_at" doc:"The last sign-in that succeeded"`
	IdleDays int        `json:"idle_days" doc:"Whole days without use"`
	EndsAt   *time.Time `json:"ends_at" doc:"When it ends if it stays unused; null: it does not end by that"`
	Warning  string     `json:"warning,omitempty"`
}

// Fact is something that a check found out.
type Fact struct {
	Key   string `json:"key" example:"site"`
	Label string `json:"label"`
	Value string `json:"value"`
}

// TestConnection asks to run the checks with settings that are not stored: of a
// new connection, or of one as it would be after an edit.
type TestConnection struct {
	Integration  string            `json:"integration,omitempty" doc:"Of a new connection; left out: tableau"`
	ConnectionID string            `json:"connection_id,omitempty" doc:"The connection that would be edited: what is blank keeps what it has, as in an edit"`
	Settings     map[string]string `json:"settings"`
}

// Format implements fmt.Formatter without the values of the settings: one of
// them is a secret.
func (c TestConnection) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "{%s %s %s}", c.Integration, c.ConnectionID, keys(c.Settings))
}

// EditPlan is what an edit will do.
type EditPlan struct {
	Changes    []FieldChange `json:"changes"`
	NameBefore string        `json:"display_name_before"`
	NameAfter  string        `json:"display_name_after"`
	Target     Target        `json:"target" doc:"Where calls will go"`
	Moves      bool          `json:"moves" doc:"Calls will go elsewhere than now"`
	LiveGrants int           `json:"live_grants" doc:"How many grants through this connection are live"`
	Apps       []string      `json:"apps" doc:"Names of the apps that are bound to it"`
	Warnings   []string      `json:"warnings"`
	Version    int           `json:"version" doc:"Of the connection that was looked at: give it with the edit"`
}

// FieldChange is one field that an edit changes; secrets are masked.
type FieldChange struct {
	Key    string `json:"key"`
	Label  string `json:"label"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// ConnectionCalls is what was sent over a connection lately, without bodies.
type ConnectionCalls struct {
	Items   []Exchange `json:"items" doc:"The newest first, 20 at most"`
	History []SentCall `json:"history" doc:"What people sent themselves, the newest first, 20 at most"`
}

// Exchange is one exchange with the system.
type Exchange struct {
	Kind       string    `json:"kind" enum:"sign-in,call,sign-out"`
	Method     string    `json:"method"`
	Path       string    `json:"path" doc:"With ids replaced"`
	Status     int       `json:"status" doc:"0: no answer came"`
	Code       string    `json:"code,omitempty" doc:"The system's own"`
	Error      string    `json:"error,omitempty"`
	At         time.Time `json:"at"`
	DurationMS float64   `json:"duration_ms"`
}

// SentCall is a call that a person sent.
type SentCall struct {
	Method  string              `json:"method"`
	Path    string              `json:"path"`
	Query   map[string][]string `json:"query,omitempty"`
	Body    bool                `json:"body" doc:"There was one; it is not kept"`
	Status  int                 `json:"status" doc:"0: it was not answered"`
	Error   string              `json:"error,omitempty" doc:"Code of the problem"`
	At      time.Time           `json:"at"`
	By      Author              `json:"by"`
	Command string              `json:"command" doc:"The call as a command, without its body"`
}

// Method is one method of a system's API.
type Method struct {
	Name     string   `json:"name" example:"get-users-on-site"`
	Category string   `json:"category"`
	Verb     string   `json:"verb"`
	Path     string   `json:"path"`
	Params   []string `json:"params" doc:"Of the path; they are needed"`
	Query    []string `json:"query"`
	Since    string   `json:"since,omitempty"`
	Needs    string   `json:"needs,omitempty" doc:"Absent: not known"`
	Writes   bool     `json:"writes"`
}

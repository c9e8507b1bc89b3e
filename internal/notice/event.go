package notice

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
)

// Type says what a webhook is told of: "grant.activated".
type Type string

// Types that this package makes itself.
const (
	typeTest     Type = "webhook.test"
	typeExpiring Type = "grant.expiring"
)

// Types lists what a webhook can be told of.
func Types() []Type {
	return []Type{
		"request.created", "request.approved", "request.denied", "request.withdrawn", "request.lapsed",
		"grant.scheduled", "grant.provisioning", "grant.activated", "grant.failed", "grant.extended", "grant.reduced", typeExpiring, "grant.ending",
		"grant.ended", "grant.overdue", "grant.drifted",
		"run.failed", "run.unknown",
		"connection.degraded", "connection.recovered", "connection.needs_attention", "pat.expiring", "webhook.disabled",
	}
}

// Events that this package records.
const (
	Expiring        audit.Kind = "grant.expiring" // its end is near and is being told
	WebhookAdded    audit.Kind = "webhook.added"
	WebhookChanged  audit.Kind = "webhook.changed"
	WebhookDeleted  audit.Kind = "webhook.deleted"
	WebhookRotated  audit.Kind = "webhook.rotated"
	WebhookReplayed audit.Kind = "webhook.replayed"
	WebhookDisabled audit.Kind = "webhook.disabled" // by itself, after failing
	MailChanged     audit.Kind = "person.mail_changed"
)

// topic is what an event means to a receiver.
type topic struct {
	typ   Type
	state string // of the object, right after the event
}

// topics lists the events whose name or state differs from what is told. Every
// other event is told only when its kind is one of Types.
var topics = map[audit.Kind]topic{
	access.RequestFiled:        {"request.created", string(access.RequestWaiting)},
	access.RequestWasApproved:  {"request.approved", string(access.RequestApproved)},
	access.RequestWasDenied:    {"request.denied", string(access.RequestDenied)},
	access.RequestWasWithdrawn: {"request.withdrawn", string(access.RequestWithdrawn)},
	access.RequestHasLapsed:    {"request.lapsed", "lapsed"},
	access.GrantIsScheduled:    {"grant.scheduled", "scheduled"},
	access.GrantProvisioning:   {"grant.provisioning", string(access.GrantSettingUp)},
	access.GrantActivated:      {"grant.activated", string(access.GrantActive)},
	access.GrantFailed:         {"grant.failed", string(access.GrantNotSetUp)},
	access.GrantUnknown:        {"run.unknown", string(access.GrantSettingUp)},
	access.GrantRevoked:        {"grant.ending", string(access.GrantEnding)},
	access.GrantExpired:        {"grant.ending", string(access.GrantEnding)},
	access.GrantHasEnded:       {"grant.ended", string(access.GrantEnded)},
	access.GrantIsOverdue:      {"grant.overdue", string(access.GrantOverdue)},
	access.GrantMerged:         {"grant.ended", string(access.GrantEnded)}, // another goes on for it
	access.GrantAccepted:       {"grant.ended", string(access.GrantEnded)},
	access.GrantFound:          {"grant.activated", string(access.GrantActive)},
	runFailed:                  {"run.failed", "failed"},
	runUnknown:                 {"run.unknown", "outcome_unknown"},
	connectionDegraded:         {"connection.degraded", "degraded"},
	connectionShut:             {"connection.needs_attention", "needs_attention"},
	patExpiring:                {"pat.expiring", ""},
	Expiring:                   {typeExpiring, string(access.GrantActive)},
	WebhookDisabled:            {"webhook.disabled", string(Disabled)},
}

// Kinds of events that other packages record, of what this one knows nothing
// but the name.
const (
	runFailed          audit.Kind = "run.failed"
	runUnknown         audit.Kind = "run.unknown"
	connectionDegraded audit.Kind = "connection.degraded"
	connectionShut     audit.Kind = "connection.needs_attention"
	connectionHealthy  audit.Kind = "connection.healthy"
	patExpiring        audit.Kind = "pat.expiring"
)

// topicOf returns what an event is told as, if it is told.
func topicOf(e audit.Event) (topic, bool) {
	if e.Kind == connectionHealthy { // it recovered, unless it was never checked before
		return topic{"connection.recovered", "healthy"}, e.Data["before"] == "degraded" || e.Data["before"] == "needs_attention"
	}
	if t, ok := topics[e.Kind]; ok {
		return t, true
	}
	return topic{typ: Type(e.Kind)}, slices.Contains(Types(), Type(e.Kind))
}

// message is what is posted to a webhook.
type message struct {
	Type      Type   `json:"type"`
	Timestamp string `json:"timestamp"`
	Data      *facts `json:"data"`
}

// facts are the ids and the state that a message holds. Whoever wants more asks
// the API, with rights of their own.
type facts struct {
	Object string `json:"object"`
	ID     string `json:"id"`
	State  string `json:"state,omitempty"`
	// Sequence is the number of the event in the audit log: of two messages about
	// one object, the greater happened later.
	Sequence  int64  `json:"sequence"`
	RequestID string `json:"request_id,omitempty"`
	GrantID   string `json:"grant_id,omitempty"`
	RunID     string `json:"run_id,omitempty"`
	AppID     string `json:"app_id,omitempty"`
	RoleID    string `json:"role_id,omitempty"`
	Role      string `json:"role,omitempty"`
	PersonID  string `json:"person_id,omitempty"`
	Link      string `json:"link,omitempty"`
}

// times as the API writes them.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// of returns the message about an event, without what only its rows say.
func (t topic) of(e audit.Event, link string) message {
	object, id, _ := strings.Cut(e.Subject, ":")
	return message{Type: t.typ, Timestamp: e.At.UTC().Format(timeFormat), Data: &facts{
		Object: object, ID: id, State: t.state, Sequence: e.Seq, RunID: e.Data["run"], Link: link,
	}}
}

// about adds the ids of a request or a grant.
func (f *facts) about(r *access.Request, g *access.Grant) {
	switch {
	case g != nil:
		f.RequestID, f.AppID, f.RoleID, f.Role, f.PersonID = string(g.Request), string(g.App), string(g.Role), g.RoleName, string(g.Person)
	case r != nil:
		f.GrantID, f.AppID, f.RoleID, f.Role, f.PersonID = string(r.Grant), string(r.App), string(r.Role), r.RoleName, string(r.Person)
	}
}

func (m message) text() string {
	b, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("notice: texts and numbers do not marshal: %v", err)) // cannot happen
	}
	return string(b)
}

// linkTo returns where a person reads on, or "" when the address of this
// server is not known. A page that is opened shows; it decides nothing.
func linkTo(external, subject string) string {
	object, id, ok := strings.Cut(subject, ":")
	if object == "person" && external != "" { // what is told of people is told to themselves
		return strings.TrimRight(external, "/") + "/profile"
	}
	page := map[string]string{"request": "/requests/", "grant": "/access/", "run": "/runs/", "connection": "/connections/", "webhook": "/webhooks/", "app": "/drift/"}[object]
	if external == "" || !ok || page == "" {
		return ""
	}
	return strings.TrimRight(external, "/") + page + id
}

// longestLead is how long before its end a grant is told of: a fifth of its time,
// but no more than this. A grant of less than five minutes is not told of.
const longestLead = 24 * time.Hour

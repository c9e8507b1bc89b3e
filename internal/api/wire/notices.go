package wire

import "time"

// Webhook is an address that is told of events.
type Webhook struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	URL         string         `json:"url"`
	Types       []string       `json:"types" doc:"What it is told of; empty: everything"`
	Content     string         `json:"content" enum:"standard,cloudevents"`
	State       string         `json:"state" enum:"enabled,paused,disabled"`
	Problem     string         `json:"problem,omitempty" doc:"Why the last attempt failed, or why it is disabled"`
	FailingAt   *time.Time     `json:"failing_since,omitempty"`
	SucceededAt *time.Time     `json:"last_success_at,omitempty"`
	Secrets     []SecretInWait `json:"secrets" doc:"What messages are signed with, the newest first"`
	CreatedAt   time.Time      `json:"created_at"`
}

// SecretInWait says of a secret when it was made, and when it ends.
type SecretInWait struct {
	SetAt     time.Time  `json:"set_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// NewWebhook is a webhook to be made.
type NewWebhook struct {
	Name    string   `json:"name,omitempty" doc:"Default: the host"`
	URL     string   `json:"url"`
	Types   []string `json:"types,omitempty" doc:"What it is told of; empty: everything"`
	Content string   `json:"content,omitempty" enum:"standard,cloudevents"`
}

// WebhookSecret is a webhook and its secret, which is shown this once.
type WebhookSecret struct {
	Webhook Webhook `json:"webhook"`
	Secret  string  `json:"secret,omitempty" doc:"whsec_…; shown this once"`
}

// ChangedWebhook is what is to change of a webhook; what is left out stays.
type ChangedWebhook struct {
	Name    *string   `json:"name,omitempty"`
	URL     *string   `json:"url,omitempty"`
	Types   *[]string `json:"types,omitempty"`
	Content *string   `json:"content,omitempty"`
	Paused  *bool     `json:"paused,omitempty" doc:"false enables one that was disabled too"`
}

// Delivery is one message to one webhook.
type Delivery struct {
	ID        string        `json:"id"`
	MessageID string        `json:"message_id" doc:"webhook-id: what doubles are told by"`
	Type      string        `json:"type"`
	Subject   string        `json:"subject"`
	State     string        `json:"state" enum:"waiting,delivered,failed,cancelled"`
	Attempts  int           `json:"attempts"`
	NextAt    *time.Time    `json:"next_at,omitempty"`
	CreatedAt time.Time     `json:"created_at"`
	DoneAt    *time.Time    `json:"done_at,omitempty"`
	Problem   string        `json:"problem,omitempty"`
	Body      string        `json:"body" doc:"What is posted"`
	Tries     []DeliveryTry `json:"tries"`
}

// DeliveryTry is one attempt at a delivery.
type DeliveryTry struct {
	At         time.Time `json:"at"`
	DurationMS float64   `json:"duration_ms"`
	Status     int       `json:"status" doc:"0: no answer came"`
	Problem    string    `json:"problem,omitempty"`
	Request    []string  `json:"request" doc:"Its headers, without the signature"`
	Response   []string  `json:"response"`
}

// MailStatus says whether mail is sent, and whether you get it.
type MailStatus struct {
	On   bool `json:"on" doc:"The server has a mail server"`
	Mine bool `json:"mine" doc:"You get mail when the server sends it"`
}

// ChangedMail is whether you want mail.
type ChangedMail struct {
	Mine bool `json:"mine"`
}

// MailSent says where a mail went.
type MailSent struct {
	To string `json:"to"`
}

// Package notice tells people by mail, and programs by webhooks, of what
// happened: an approval that waits, a decision, a failure, an end that is near.
//
// It decides nothing and is in nobody's way: whoever decides on a request
// records an event, in the transaction of the decision, and that is all. This
// package reads the recorded events behind a cursor and makes deliveries of
// them, so nothing is lost when the process is killed, and nothing is told that
// did not happen. A delivery is tried until the receiver has it, at least once;
// its message id is the same each time. What is sent holds ids, states and a
// link, and opening the link decides nothing. Without mail and webhooks it does
// nothing at all. store keeps its rows; server starts it.
package notice

import (
	"context"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/identity"
)

// Mail is the queue of deliveries that go out by mail; all others are named
// after their webhook.
const Mail = "mail"

// DeliveryState says where a delivery stands.
type DeliveryState string

// The states of a delivery.
const (
	Waiting   DeliveryState = "waiting"
	Delivered DeliveryState = "delivered"
	Failed    DeliveryState = "failed"    // given up
	Cancelled DeliveryState = "cancelled" // its webhook was disabled or its reader wants no mail
)

// Delivery is one message to one receiver.
type Delivery struct {
	ID      string
	Queue   string // the webhook's id, or Mail
	Message string // the id that the receiver tells doubles by: that of the event
	Type    Type
	Subject string            // what it is about: "grant:grt_…"
	Person  identity.PersonID // to whom mail goes
	Once    string            // no two deliveries have the same
	Body    string            // JSON: what is posted, or a letter

	State     DeliveryState
	Attempts  int
	NextAt    time.Time
	CreatedAt time.Time
	DoneAt    time.Time
	Problem   string // why the last attempt failed
	Tries     []Try  // the last ones, the newest last
}

// Try is one attempt at a delivery. Bodies are not kept.
type Try struct {
	At       time.Time     `json:"at"`
	Took     time.Duration `json:"took"`
	Status   int           `json:"status,omitempty"` // 0: no answer came
	Problem  string        `json:"problem,omitempty"`
	Request  []string      `json:"request,omitempty"`
	Response []string      `json:"response,omitempty"`
}

// keptTries bounds the attempts that are kept of a delivery.
const keptTries = 12

// Cursor says which events have been turned into deliveries.
type Cursor struct {
	Seq       int64
	MailSince int64 // mail is sent of later events; -1: mail is not set up
}

// Store keeps webhooks and deliveries.
type Store interface {
	// ChangeNotices runs fn in one write transaction, in the writers' turn. fn may
	// run more than once.
	ChangeNotices(ctx context.Context, fn func(tx Tx) error) error
	// ViewNotices runs fn on one snapshot.
	ViewNotices(ctx context.Context, fn func(r Reader) error) error
	// ClaimDelivery gives a waiting delivery to the caller until a time, unless
	// somebody else has it, and counts the attempt.
	ClaimDelivery(ctx context.Context, id string, now, until time.Time) (claimed bool, err error)
}

// Reader reads.
type Reader interface {
	access.Reader
	AllPeople(ctx context.Context) ([]identity.Person, error)
	// EventsAfter returns the events behind seq, oldest first.
	EventsAfter(ctx context.Context, seq int64, limit int) ([]audit.Event, error)
	// LastEvent returns the number of the last event.
	LastEvent(ctx context.Context) (int64, error)
	Cursor(ctx context.Context) (Cursor, error)
	Webhooks(ctx context.Context) ([]Webhook, error)
	Webhook(ctx context.Context, id string) (Webhook, error)
	Delivery(ctx context.Context, id string) (Delivery, error)
	Deliveries(ctx context.Context, f DeliveryFilter) ([]Delivery, error)
	// DueQueues returns the queues that hold a delivery to be tried now.
	DueQueues(ctx context.Context, now time.Time) ([]string, error)
	// DueDeliveries returns those of a queue to be tried now, the first due first.
	DueDeliveries(ctx context.Context, queue string, now time.Time, limit int) ([]Delivery, error)
	// UntoldEnds returns active grants that end after now and by the time until,
	// and whose end has not been told.
	UntoldEnds(ctx context.Context, now, until time.Time, limit int) ([]access.Grant, error)
	RefusesMail(ctx context.Context, p identity.PersonID) (bool, error)
}

// Tx reads and writes in one transaction.
type Tx interface {
	Reader
	Record(ctx context.Context, events ...audit.Event) error
	SaveCursor(ctx context.Context, c Cursor) error
	SaveWebhook(ctx context.Context, w Webhook) error
	DeleteWebhook(ctx context.Context, id string) error // with its deliveries
	// AddDelivery keeps d unless there is one of the same Once already.
	AddDelivery(ctx context.Context, d Delivery) error
	SaveDelivery(ctx context.Context, d Delivery) error // and lets go of the claim
	// CancelDeliveries ends the waiting deliveries of a queue.
	CancelDeliveries(ctx context.Context, queue, problem string, now time.Time) error
	// DropDeliveries removes those that were done before a time, at most limit.
	DropDeliveries(ctx context.Context, before time.Time, limit int) (int, error)
	// TellEnd notes that the end of a grant is told.
	TellEnd(ctx context.Context, g access.GrantID, ends time.Time) error
	SetRefusesMail(ctx context.Context, p identity.PersonID, refuses bool) error
}

// DeliveryFilter picks deliveries of one queue, newest first.
type DeliveryFilter struct {
	Queue  string
	State  DeliveryState // "": all
	Before string        // only those older than this one
	Limit  int
}

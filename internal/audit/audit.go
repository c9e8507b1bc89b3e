// Package audit holds what happened and who did it: an append-only chain.
//
// Every change writes its events in the transaction of the change; an event
// without its change, or a change without its event, cannot exist. Each event
// carries a keyed hash over itself and the event before it, so a row that was
// altered, removed, added or moved is found by Verify. The package knows no
// SQL: store appends the rows and reads them back in order.
package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"
)

// Kind says what happened: "grant.activated".
type Kind string

// Event is one thing that happened. Data holds only fields that were chosen to
// be kept: never a whole request, never a secret.
type Event struct {
	Seq     int64 // 1, 2, 3, … without a gap
	ID      string
	At      time.Time
	Kind    Kind
	Actor   string // who: a person's id, or "system"
	Subject string // to what: "request:req_…"
	Data    map[string]string
	Prev    string // hash of the event before it; "" for the first
	Hash    string
}

// format is the version of the text that is hashed. A verifier accepts no other.
const format = "margay-audit-1"

// Seal returns e with its place in the chain: behind an event with number seq-1
// and hash prev.
func Seal(key []byte, e Event, seq int64, prev string) Event {
	// Times are kept in milliseconds, on every database.
	e.Seq, e.Prev, e.At = seq, prev, e.At.UTC().Truncate(time.Millisecond)
	e.Hash = hash(key, e)
	return e
}

// hash returns the keyed hash of all that e says. Each part is written as JSON,
// so no part can be moved across the border to its neighbour.
func hash(key []byte, e Event) string {
	parts := []any{format, e.Seq, e.ID, e.At.UnixMilli(), e.Kind, e.Actor, e.Subject, e.Prev}
	for _, k := range slices.Sorted(maps.Keys(e.Data)) {
		parts = append(parts, k, e.Data[k])
	}
	text, err := json.Marshal(parts)
	if err != nil {
		panic(fmt.Sprintf("audit: strings and numbers do not marshal: %v", err)) // cannot happen
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(text)
	return hex.EncodeToString(mac.Sum(nil))
}

// Head is the last event of a chain: its number and hash.
type Head struct {
	Seq  int64
	Hash string
}

// Mark returns the keyed mark of a head, which is kept beside it: who cuts
// events off at the end cannot make the mark of the head that is left.
func (h Head) Mark(key []byte) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s-head %d %s", format, h.Seq, h.Hash)
	return hex.EncodeToString(mac.Sum(nil))
}

// Marked says whether mark is the head's. A chain without events has none.
func (h Head) Marked(key []byte, mark string) bool {
	if h == (Head{}) {
		return mark == ""
	}
	return hmac.Equal([]byte(mark), []byte(h.Mark(key)))
}

// BrokenError says where a chain does not hold.
type BrokenError struct {
	Seq    int64 // the first event that does not fit
	Reason string
}

// Error implements error.
func (e *BrokenError) Error() string {
	return fmt.Sprintf("The audit log does not hold at event %d: %s.", e.Seq, e.Reason)
}

// Verify walks the events from the first to the last and returns the head, or a
// *BrokenError for the first event that does not fit. want is the head that was
// written beside the last event: without it, events cut off at the end would
// leave no trace.
func Verify(key []byte, events iter.Seq2[Event, error], want Head) (Head, error) {
	var head Head
	for e, err := range events {
		if err != nil {
			return head, err
		}
		switch {
		case e.Seq != head.Seq+1:
			return head, &BrokenError{Seq: head.Seq + 1, Reason: fmt.Sprintf("event %d follows event %d", e.Seq, head.Seq)}
		case e.Prev != head.Hash:
			return head, &BrokenError{Seq: e.Seq, Reason: "it does not follow the event before it"}
		case !hmac.Equal([]byte(e.Hash), []byte(hash(key, e))):
			return head, &BrokenError{Seq: e.Seq, Reason: "it was changed after it was written"}
		}
		head = Head{Seq: e.Seq, Hash: e.Hash}
	}
	if head != want {
		return head, &BrokenError{Seq: head.Seq + 1, Reason: fmt.Sprintf("%d events were written, %d are there", want.Seq, head.Seq)}
	}
	return head, nil
}

// Filter picks events; its zero value picks all. Newest first.
type Filter struct {
	ID      string // of one event
	Subject string
	// Subjects are those of which one is the subject; none: any.
	Subjects []string
	Kinds    []string // exact, or all that begin so when it ends with a dot: "grant."
	Actor    string
	Since    time.Time // not before
	Until    time.Time // before
	Text     string    // stands somewhere in the kind, actor, subject or data, without regard to case
	Before   int64     // only those with a smaller number; 0: all
	Limit    int       // 0: no limit
}

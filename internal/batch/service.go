package batch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/engine"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// Foreseen is what an act would come to with one thing.
type Foreseen struct {
	Thing  string
	Seen   Seen
	Refuse error // why it cannot be done; nil: it can
}

// Doer does one act with one thing at a time, by the rules for one.
type Doer interface {
	// Foresee says of each thing what the act by who would come to, in the order in
	// which they are to be done. A thing that who may not see is an error.
	Foresee(ctx context.Context, who identity.Actor, things []string) ([]Foreseen, error)
	// Do does it as it was foreseen, or says why not, and returns the id of what was
	// made, if anything was.
	Do(ctx context.Context, who identity.Actor, thing string, seen Seen, note string) (result string, err error)
	// Did says whether a thing stands as the act leaves it: it is asked when it may
	// have been done and the answer was lost.
	Did(ctx context.Context, who identity.Actor, thing string, seen Seen) (result string, done bool, err error)
}

// Filter picks batches, the newest first.
type Filter struct {
	By     identity.PersonID // ""; all
	States []State           // none: all
	Limit  int               // 0: no limit
	Before ID
}

// RowFilter picks rows of a batch, in their order.
type RowFilter struct {
	Batch  ID
	States []RowState // none: all
	After  int        // behind the row of this number
	Limit  int        // 0: no limit
}

// Reader reads batches.
type Reader interface {
	Batch(ctx context.Context, id ID) (Batch, error)
	Batches(ctx context.Context, f Filter) ([]Batch, error)
	BatchRows(ctx context.Context, f RowFilter) ([]Row, error)
	Person(ctx context.Context, id identity.PersonID) (identity.Person, error)
	Token(ctx context.Context, id string) (identity.Token, error)
}

// Tx changes batches.
type Tx interface {
	Reader
	SaveBatch(ctx context.Context, b Batch) error
	AddBatchRows(ctx context.Context, rows []Row) error
	SaveBatchRow(ctx context.Context, r Row) error
	// SkipBatchRows leaves the rows that are ready not begun, and returns how many.
	SkipBatchRows(ctx context.Context, id ID, at time.Time) (int, error)
	// DropBatches removes those that were prepared before the one time and never
	// started, and those that ended before the other.
	DropBatches(ctx context.Context, preparedBefore, endedBefore time.Time) error
	// EnqueueBatch records the job that does the batch.
	EnqueueBatch(ctx context.Context, b Batch) error
	Record(ctx context.Context, events ...audit.Event) error
}

// Store keeps batches.
type Store interface {
	ViewBatches(ctx context.Context, fn func(tx Reader) error) error
	ChangeBatches(ctx context.Context, fn func(tx Tx) error) error
}

const (
	// keepPrepared is how long a batch waits to be started.
	keepPrepared = 24 * time.Hour
	// keepEnded is how long it is told what came of one. The events of what it did
	// stay.
	keepEnded = 90 * 24 * time.Hour

	maxNote = 2000 // characters
)

// Service prepares, starts and does batches.
type Service struct {
	store Store
	doers map[string]Doer // by the code of the act
	now   func() time.Time
	newID func(prefix string) string
	log   *slog.Logger
	jobs  *engine.Engine // set by Handle
}

// NewService returns the service. doers has one for the code of each act.
func NewService(store Store, doers map[string]Doer, now func() time.Time, newID func(prefix string) string, log *slog.Logger) *Service {
	return &Service{store: store, doers: doers, now: now, newID: newID, log: log}
}

// Prepare keeps what the act would come to with each of the things, and does
// nothing. chosen says by what they were chosen, when all that match were.
func (s *Service) Prepare(ctx context.Context, who identity.Actor, code string, things []string, chosen string) (Batch, error) {
	act, err := ActOf(code)
	if err != nil {
		return Batch{}, err
	}
	if err := who.Need(act.Scope); err != nil {
		return Batch{}, s.refused(ctx, who, "batch", code, err)
	}
	things = once(things)
	switch {
	case len(things) == 0:
		return Batch{}, fault.New(fault.Invalid, "No row is chosen.").WithCode("nothing_chosen").WithHint("Mark the %s first.", act.Many)
	case len(things) > Most:
		return Batch{}, TooMany(act)
	}
	foreseen, err := s.doers[code].Foresee(ctx, who, things)
	if err != nil {
		return Batch{}, fmt.Errorf("prepare batch: %w", err)
	}
	now := s.now()
	b := Batch{
		ID: ID(s.newID("bat")), Act: code, By: who.Person, Scopes: who.Scopes, Admin: who.Admin, Chosen: chosen, State: Prepared, PreparedAt: now,
	}
	rows := make([]Row, len(foreseen))
	for i, f := range foreseen {
		rows[i] = Row{Batch: b.ID, N: i + 1, Thing: f.Thing, Seen: f.Seen, State: RowReady}
		if f.Refuse != nil {
			rows[i].State, rows[i].Problem, rows[i].At = RowLeftOut, problemOf(f.Refuse), now
		}
		b.Counts.add(rows[i].State, 1)
	}
	err = s.store.ChangeBatches(ctx, func(tx Tx) error {
		if err := tx.DropBatches(ctx, now.Add(-keepPrepared), now.Add(-keepEnded)); err != nil {
			return err
		}
		if err := tx.SaveBatch(ctx, b); err != nil {
			return err
		}
		return tx.AddBatchRows(ctx, rows)
	})
	if err != nil {
		return Batch{}, fmt.Errorf("prepare batch: %w", err)
	}
	return b, nil
}

// TooMany says that more match than one batch does.
func TooMany(act Act) error {
	return fault.New(fault.Invalid, "More than %d %s match: that is more than is done at a time.", Most, act.Many).WithCode("too_many_rows").
		WithHint("Narrow the filters, and do the rest after it.")
}

// once returns the things without those that stand there twice, in their order.
func once(things []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(things), func(t string) bool {
		was := seen[t]
		seen[t] = true
		return was
	})
}

// visible says whether who may see a batch: whose it is, and administrators.
func (b Batch) visible(who identity.Actor) bool { return who.Admin || b.By == who.Person }

func missing(id ID) error {
	return fault.New(fault.NotFound, "There is no batch %s, or you may not see it.", id).WithCode("batch_not_found").
		WithHint("One that was not started is kept for a day, one that ended for 90 days.")
}

// Batch returns a batch that who may see.
func (s *Service) Batch(ctx context.Context, who identity.Actor, id ID) (b Batch, err error) {
	err = s.store.ViewBatches(ctx, func(tx Reader) error {
		b, err = seenBy(ctx, tx, who, id)
		return err
	})
	return b, wrap("read batch", err)
}

func seenBy(ctx context.Context, tx Reader, who identity.Actor, id ID) (Batch, error) {
	b, err := tx.Batch(ctx, id)
	if errors.Is(err, fault.NotFound) || err == nil && !b.visible(who) {
		return Batch{}, missing(id)
	}
	return b, err
}

// Batches returns the batches that who may see, the newest first.
func (s *Service) Batches(ctx context.Context, who identity.Actor, f Filter) (list []Batch, err error) {
	if !who.Admin {
		f.By = who.Person
	}
	err = s.store.ViewBatches(ctx, func(tx Reader) error {
		list, err = tx.Batches(ctx, f)
		return err
	})
	return list, wrap("list batches", err)
}

// Rows returns rows of a batch that who may see.
func (s *Service) Rows(ctx context.Context, who identity.Actor, f RowFilter) (rows []Row, err error) {
	err = s.store.ViewBatches(ctx, func(tx Reader) error {
		if _, err := seenBy(ctx, tx, who, f.Batch); err != nil {
			return err
		}
		rows, err = tx.BatchRows(ctx, f)
		return err
	})
	return rows, wrap("list rows of a batch", err)
}

// Start has a batch done as it was prepared, by whoever prepared it.
func (s *Service) Start(ctx context.Context, who identity.Actor, id ID, note string) (b Batch, err error) {
	subject := "batch:" + string(id)
	if err := acts(who); err != nil {
		return Batch{}, s.refused(ctx, who, subject, "start", err)
	}
	err = s.store.ChangeBatches(ctx, func(tx Tx) error {
		if b, err = seenBy(ctx, tx, who, id); err != nil {
			return err
		}
		if b, err = b.start(who, note, s.now()); err != nil {
			return err
		}
		if err := tx.SaveBatch(ctx, b); err != nil {
			return err
		}
		if err := tx.Record(ctx, b.event(EventStarted, who, b.StartedAt, "things", strconv.Itoa(b.Counts.Ready), "chosen", b.Chosen, "note", b.Note)); err != nil {
			return err
		}
		return tx.EnqueueBatch(ctx, b)
	})
	return b, s.refused(ctx, who, subject, "start", wrap("start batch", err))
}

// acts refuses who may do none of the acts, before it is told what there is.
func acts(who identity.Actor) error {
	if who.Can(identity.ScopeApprovalsWrite) {
		return nil
	}
	return who.Need(identity.ScopeRequestsWrite)
}

// start is the batch under way.
func (b Batch) start(who identity.Actor, note string, now time.Time) (Batch, error) {
	act, err := ActOf(b.Act)
	if err != nil {
		return b, err
	}
	if err := who.Need(act.Scope); err != nil {
		return b, err
	}
	note = strings.TrimSpace(note)
	switch {
	case b.By != who.Person:
		return b, fault.New(fault.Forbidden, "Only whoever prepared this may start it: it was looked at with their rights.").WithCode("not_yours").
			WithHint("Prepare the same yourself.")
	case b.State != Prepared:
		return b, fault.New(fault.Conflict, "This was started already: it is %s.", strings.ToLower(b.State.Text().Word)).WithCode("batch_started").
			WithHint("Look at it: margay batch show %s", b.ID)
	case now.Sub(b.PreparedAt) > keepPrepared:
		return b, fault.New(fault.Conflict, "This was prepared more than a day ago.").WithCode("batch_stale").WithHint("Prepare it again, and look at it as it is now.")
	case b.Counts.Ready == 0:
		return b, fault.New(fault.Conflict, "Nothing can be done with any of these.").WithCode("nothing_to_do").WithHint("Each row says why.")
	case act.NoteNeed && note == "":
		return b, fault.Field("note", "Say why: they are told.")
	case utf8.RuneCountInString(note) > maxNote:
		return b, fault.Field("note", "A reason has at most %d characters.", maxNote)
	}
	b.State, b.StartedAt = Running, now
	if !act.Note {
		note = ""
	}
	b.Note, b.Via = note, who.Via
	b.Scopes, b.Admin = who.Scopes, who.Admin // what they may now, not what they could when they looked
	return b, nil
}

// Stop ends a batch: what is under way is finished, nothing more is begun.
func (s *Service) Stop(ctx context.Context, who identity.Actor, id ID) (b Batch, err error) {
	subject := "batch:" + string(id)
	if err := acts(who); err != nil {
		return Batch{}, s.refused(ctx, who, subject, "stop", err)
	}
	err = s.store.ChangeBatches(ctx, func(tx Tx) error {
		if b, err = seenBy(ctx, tx, who, id); err != nil {
			return err
		}
		if b.By != who.Person && !who.Administers() {
			return fault.New(fault.Forbidden, "Only whoever started this or an administrator may stop it.").WithCode("not_yours")
		}
		if b.State != Running {
			return fault.New(fault.Conflict, "This is not running: it is %s.", strings.ToLower(b.State.Text().Word)).WithCode("batch_not_running")
		}
		b.State, b.StoppedBy = Stopping, who.String()
		if err := tx.SaveBatch(ctx, b); err != nil {
			return err
		}
		return tx.Record(ctx, b.event(EventStopped, who, s.now()))
	})
	return b, s.refused(ctx, who, subject, "stop", wrap("stop batch", err))
}

func (b Batch) event(kind audit.Kind, who identity.Actor, at time.Time, data ...string) audit.Event {
	e := audit.Event{At: at, Kind: kind, Actor: who.String(), Subject: "batch:" + string(b.ID), Data: map[string]string{"act": b.Act}}
	for i := 0; i+1 < len(data); i += 2 {
		if data[i+1] != "" {
			e.Data[data[i]] = data[i+1]
		}
	}
	return e
}

// refused records an attempt that was forbidden, and returns its error.
func (s *Service) refused(ctx context.Context, who identity.Actor, subject, act string, err error) error {
	if !errors.Is(err, fault.Forbidden) {
		return err
	}
	return errors.Join(err, s.store.ChangeBatches(ctx, func(tx Tx) error {
		return tx.Record(ctx, audit.Event{
			At: s.now(), Kind: identity.ActRefused, Actor: who.String(), Subject: subject, Data: map[string]string{"act": act, "code": fault.Public(err).Code},
		})
	}))
}

func wrap(act string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", act, err)
}

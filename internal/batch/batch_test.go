package batch_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/batch"
	"github.com/margay-access/margay/internal/engine"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

var (
	ana  = identity.Actor{Person: "usr_ana", Admin: true, Scopes: []identity.Scope{identity.ScopeAdmin}}
	rita = identity.Actor{Person: "usr_rita", Scopes: []identity.Scope{identity.ScopeAccessRead, identity.ScopeRequestsWrite}}
)

// hand does what the test says with each thing, and counts how often.
type hand struct {
	mu    sync.Mutex
	times map[string]int
	by    []identity.Actor
	asked int
	note  string // that is to come
	act   func(ctx context.Context, thing string) (string, error)
}

// Foresee says that nothing can be done with what is called bad.
func (h *hand) Foresee(_ context.Context, _ identity.Actor, things []string) ([]batch.Foreseen, error) {
	list := make([]batch.Foreseen, len(things))
	for i, thing := range things {
		list[i] = batch.Foreseen{Thing: thing, Seen: batch.Seen{Name: "Viewer", Before: "Creator", After: "Viewer", Mark: "m" + thing}}
		switch {
		case thing == "hidden":
			return nil, fault.New(fault.NotFound, "There is no such thing.")
		case strings.HasPrefix(thing, "bad"):
			list[i].Refuse = fault.New(fault.Conflict, "It is bad.").WithCode("bad").WithHint("Leave it.")
		}
	}
	return list, nil
}

func (h *hand) Do(ctx context.Context, who identity.Actor, thing string, seen batch.Seen, note string) (string, error) {
	if seen.Mark != "m"+thing || note != h.note {
		return "", fmt.Errorf("%s is done as %+v, %q", thing, seen, note)
	}
	h.mu.Lock()
	h.times[thing]++
	h.by = append(h.by, who)
	h.mu.Unlock()
	return h.act(ctx, thing)
}

func (h *hand) Did(_ context.Context, _ identity.Actor, thing string, _ batch.Seen) (string, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	return "run_of_" + thing, h.times[thing] > 0, nil
}

func (h *hand) count(thing string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.times[thing]
}

type rig struct {
	*batch.Service

	t      *testing.T
	db     *store.DB
	engine *engine.Engine
	hand   *hand
	ahead  atomic.Int64
	lost   bool // the job of a batch is not kept
}

func newRig(t *testing.T, cfg store.Config) *rig {
	t.Helper()
	r := &rig{t: t, hand: &hand{times: map[string]int{}, note: "over", act: func(context.Context, string) (string, error) { return "", nil }}}
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) }
	r.db = storetest.Open(t, cfg)
	r.db.Use(storetest.AuditKey, func(context.Context, *sql.Tx, access.Job) error { return nil })
	r.db.UseBatches(func(ctx context.Context, tx *sql.Tx, b batch.Batch) error {
		if r.lost {
			return nil
		}
		return batch.Enqueue(ctx, r.engine, tx, b)
	})
	for _, p := range []identity.Person{{ID: "usr_ana", Email: "ana@acme.example", Name: "Ana", Admin: true}, {ID: "usr_rita", Email: "rita@acme.example", Name: "Rita"}} {
		r.must(r.db.SavePerson(t.Context(), p))
	}
	doers := map[string]batch.Doer{}
	for _, act := range batch.Acts() {
		doers[act.Code] = r.hand
	}
	var ids atomic.Int64
	r.Service = batch.NewService(r.db, doers, cfg.Now, func(prefix string) string { return fmt.Sprintf("%s_%09d", prefix, ids.Add(1)) }, slog.New(slog.DiscardHandler))
	r.open()
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *rig) open() {
	r.t.Helper()
	var err error
	r.engine, err = engine.Open(r.t.Context(), engine.Config{SQLite: r.db.Path(), Postgres: r.db.PoolConfig(), Node: "node-1", Poll: 5 * time.Millisecond})
	r.must(err)
	r.Handle(r.engine)
	r.must(r.engine.Start(r.t.Context()))
}

// stop ends what is under way.
func (r *rig) stop() {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	r.must(r.engine.Stop(now))
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// prepared prepares to do it with the things.
func (r *rig) prepared(who identity.Actor, act batch.Act, things ...string) batch.Batch {
	r.t.Helper()
	b, err := r.Prepare(r.t.Context(), who, act.Code, things, "")
	r.must(err)
	return b
}

func (r *rig) started(who identity.Actor, act batch.Act, things ...string) batch.Batch {
	r.t.Helper()
	b, err := r.Start(r.t.Context(), who, r.prepared(who, act, things...).ID, " over ")
	r.must(err)
	return b
}

// over waits until the batch has ended.
func (r *rig) over(id batch.ID) (batch.Batch, map[string]batch.Row) {
	r.t.Helper()
	late := time.After(time.Minute)
	for {
		b, err := r.Batch(r.t.Context(), ana, id)
		r.must(err)
		if b.State.Ended() {
			rows, err := r.Rows(r.t.Context(), ana, batch.RowFilter{Batch: id})
			r.must(err)
			of := map[string]batch.Row{}
			for _, row := range rows {
				of[row.Thing] = row
			}
			return b, of
		}
		select {
		case <-late:
			r.t.Fatalf("it goes on: %+v", b)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func code(err error) string {
	if err == nil {
		return ""
	}
	return fault.Public(err).Code
}

func numbered(n int) []string {
	things := make([]string, n)
	for i := range things {
		things[i] = fmt.Sprintf("t%03d", i)
	}
	return things
}

// What is prepared does nothing. Started, each row is done as it was shown and
// says what came of it; what could not be done is left out and says why.
func TestBatchTellsOfEach(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		r := newRig(t, cfg)
		r.hand.act = func(_ context.Context, thing string) (string, error) {
			switch thing {
			case "refused":
				return "", fault.New(fault.Conflict, "Somebody was faster.").WithCode("changed_again").WithHint("Look again.")
			case "broken":
				return "", errors.New("the database went away after the commit")
			}
			return "run_1", nil
		}
		b := r.prepared(rita, batch.RevokeAccess, "a", "bad", "refused", "a", "broken")
		if b.State != batch.Prepared || b.Counts != (batch.Counts{Ready: 3, LeftOut: 1}) || r.hand.count("a") != 0 {
			t.Fatalf("prepared: %+v", b)
		}
		b, err := r.Start(t.Context(), rita, b.ID, " over ")
		if err != nil || b.State != batch.Running || b.Note != "over" {
			t.Fatalf("started: %+v, %v", b, err)
		}
		if _, err := r.Start(t.Context(), rita, b.ID, "over"); code(err) != "batch_started" {
			t.Errorf("started twice: %v", err)
		}
		b, rows := r.over(b.ID)
		if b.State != batch.Done || b.Counts != (batch.Counts{Done: 2, Refused: 1, LeftOut: 1}) || b.StoppedBy != "" || b.EndedAt.IsZero() {
			t.Errorf("ended: %+v", b)
		}
		for thing, want := range map[string]batch.Row{
			"a":       {N: 1, State: batch.RowDone, Result: "run_1"},
			"bad":     {N: 2, State: batch.RowLeftOut, Problem: batch.Problem{Code: "bad", Message: "It is bad.", Hint: "Leave it."}},
			"refused": {N: 3, State: batch.RowRefused, Problem: batch.Problem{Code: "changed_again", Message: "Somebody was faster.", Hint: "Look again."}},
			"broken":  {N: 4, State: batch.RowDone, Result: "run_of_broken"}, // a lost answer is no failure: it was read back
		} {
			got := rows[thing]
			if got.N != want.N || got.State != want.State || got.Result != want.Result || got.Problem != want.Problem || got.At.IsZero() || got.Seen.Before != "Creator" {
				t.Errorf("%s: %+v", thing, got)
			}
		}
		if r.hand.count("a") != 1 || r.hand.count("bad") != 0 || r.hand.count("broken") != 1 {
			t.Errorf("done: %v", r.hand.times)
		}
		events, err := r.db.Events(t.Context(), audit.Filter{Subjects: []string{"batch:" + string(b.ID)}})
		r.must(err)
		if len(events) != 2 || events[1].Kind != batch.EventStarted || events[1].Actor != "usr_rita" || events[1].Data["things"] != "3" || events[0].Kind != batch.EventEnded ||
			events[0].Data["done"] != "2" || events[0].Data["refused"] != "1" {
			t.Errorf("recorded: %+v", events)
		}
	})
}

// A batch outlives the node that does it: what was under way when the node went is
// asked about before it is done, and nothing is done twice.
func TestBatchIsDurable(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		for _, act := range []batch.Act{batch.RevokeAccess, batch.CancelRun} { // one at a time, and several
			if cfg.Postgres != "" && act.AtOnce == 1 {
				continue // there is one database of that kind
			}
			r := newRig(t, cfg)
			if !act.Note {
				r.hand.note = ""
			}
			reached := make(chan struct{}, 1)
			var gone atomic.Bool
			r.hand.act = func(ctx context.Context, thing string) (string, error) {
				if thing >= "t110" && !gone.Load() {
					select {
					case reached <- struct{}{}:
					default:
					}
					<-ctx.Done() // it was done, and the answer is lost with the node
					return "", ctx.Err()
				}
				return "", nil
			}
			b := r.started(ana, act, numbered(130)...)
			<-reached
			r.stop()
			gone.Store(true)
			r.open()
			b, rows := r.over(b.ID)
			if b.State != batch.Done || b.Counts != (batch.Counts{Done: 130}) {
				t.Errorf("%s: %+v", act.Code, b)
			}
			for thing, row := range rows {
				if r.hand.count(thing) != 1 || row.State != batch.RowDone {
					t.Errorf("%s: %s was done %d times: %+v", act.Code, thing, r.hand.count(thing), row)
				}
			}
			if r.hand.asked == 0 || r.hand.asked > act.AtOnce {
				t.Errorf("%s: %d were asked about", act.Code, r.hand.asked)
			}
			cfg.SQLite += ".second"
		}
	})
}

// A batch that is stopped begins nothing more; so does that of somebody who is
// disabled meanwhile, and what lost its job is ended.
func TestBatchStops(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		r := newRig(t, cfg)
		var meanwhile func()
		r.hand.act = func(context.Context, string) (string, error) {
			if act := meanwhile; act != nil {
				meanwhile = nil
				act()
			}
			return "", nil
		}
		var id batch.ID
		meanwhile = func() {
			if _, err := r.Stop(context.Background(), rita, id); code(err) != "not_yours" && code(err) != "batch_not_found" {
				t.Errorf("stopped by who may not see it: %v", err)
			}
			if b, err := r.Stop(context.Background(), ana, id); err != nil || b.State != batch.Stopping {
				t.Errorf("%+v, %v", b, err)
			}
		}
		b := r.prepared(ana, batch.RevokeAccess, numbered(5)...)
		id = b.ID
		_, err := r.Start(t.Context(), ana, id, "over")
		r.must(err)
		b, rows := r.over(id)
		if b.State != batch.Stopped || b.Counts != (batch.Counts{Done: 1, Skipped: 4}) || b.StoppedBy != "usr_ana" || rows["t004"].State != batch.RowSkipped {
			t.Errorf("stopped: %+v", b)
		}
		if _, err := r.Stop(t.Context(), ana, id); code(err) != "batch_not_running" {
			t.Errorf("stopped again: %v", err)
		}

		with := ana
		with.Via = "token:tok_1"
		r.must(r.db.AddToken(t.Context(), identity.Token{ID: "tok_1", Person: "usr_ana", Hash: "h", CreatedAt: time.Now()}))
		meanwhile = func() {
			if _, err := r.db.RevokeToken(context.Background(), "tok_1", time.Now()); err != nil {
				t.Error(err)
			}
		}
		b = r.started(with, batch.RevokeAccess, numbered(3)...)
		b, _ = r.over(b.ID)
		if b.State != batch.Stopped || b.Counts != (batch.Counts{Done: 1, Skipped: 2}) || b.StoppedBy != "system" {
			t.Errorf("the token was revoked meanwhile: %+v", b)
		}

		meanwhile = func() {
			p, err := r.db.Person(context.Background(), "usr_rita")
			r.must(err)
			p.Disabled = true
			r.must(r.db.SavePerson(context.Background(), p))
		}
		b = r.started(rita, batch.RevokeAccess, numbered(3)...)
		b, _ = r.over(b.ID)
		if b.State != batch.Stopped || b.Counts != (batch.Counts{Done: 1, Skipped: 2}) || b.StoppedBy != "system" {
			t.Errorf("disabled meanwhile: %+v", b)
		}

		meanwhile = func() {
			p, err := r.db.Person(context.Background(), "usr_ana")
			r.must(err)
			p.Admin = false
			r.must(r.db.SavePerson(context.Background(), p))
		}
		b = r.started(ana, batch.RevokeAccess, numbered(2)...)
		r.over(b.ID)
		if n := len(r.hand.by); !r.hand.by[n-2].Admin || r.hand.by[n-1].Admin {
			t.Errorf("no administrator any more: %+v", r.hand.by[n-2:])
		}

		r.lost = true
		b = r.started(ana, batch.RevokeAccess, numbered(2)...)
		r.must(r.MendOnce(t.Context()))
		b, _ = r.over(b.ID)
		if b.State != batch.Stopped || b.Counts != (batch.Counts{Skipped: 2}) || b.StoppedBy != "system" {
			t.Errorf("without a job: %+v", b)
		}
	})
}

// Who may prepare, see and start what, and how much.
func TestBatchRefuses(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		r := newRig(t, cfg)
		ctx := t.Context()
		reader := identity.Actor{Person: "usr_rita", Scopes: []identity.Scope{identity.ScopeAccessRead}}
		for name, c := range map[string]struct {
			who    identity.Actor
			act    string
			things []string
			want   string
		}{
			"nothing":      {ana, "revoke_access", nil, "nothing_chosen"},
			"too many":     {ana, "revoke_access", numbered(batch.Most + 1), "too_many_rows"},
			"no act":       {ana, "paint", numbered(1), "field_invalid"},
			"no scope":     {reader, "revoke_access", numbered(1), "scope_missing"},
			"may not give": {rita, "approve_request", numbered(1), "scope_missing"},
			"hidden":       {ana, "revoke_access", []string{"hidden"}, ""},
		} {
			b, err := r.Prepare(ctx, c.who, c.act, c.things, "")
			if err == nil || code(err) != c.want {
				t.Errorf("%s: %+v, %v", name, b, err)
			}
		}
		if b, err := r.Prepare(ctx, ana, "revoke_access", numbered(batch.Most), "state Active"); err != nil || b.Counts.Ready != batch.Most || b.Chosen != "state Active" {
			t.Errorf("as many as fit: %+v, %v", b, err)
		}

		mine := r.prepared(rita, batch.RevokeAccess, "a")
		for name, c := range map[string]struct {
			who  identity.Actor
			id   batch.ID
			note string
			want string
		}{
			"an administrator starts another's": {ana, mine.ID, "", "not_yours"},
			"another's that is hidden":          {rita, r.prepared(ana, batch.RevokeAccess, "a").ID, "", "batch_not_found"},
			"nothing to do":                     {ana, r.prepared(ana, batch.RevokeAccess, "bad").ID, "", "nothing_to_do"},
			"no reason":                         {ana, r.prepared(ana, batch.DenyRequest, "a").ID, " ", "field_invalid"},
			"a long reason":                     {rita, mine.ID, strings.Repeat("é", 2001), "field_invalid"},
			"without the scope":                 {reader, mine.ID, "", "scope_missing"},
			"none":                              {ana, "bat_none", "", "batch_not_found"},
		} {
			if b, err := r.Start(ctx, c.who, c.id, c.note); code(err) != c.want {
				t.Errorf("%s: %+v, %v", name, b, err)
			}
		}
		if _, err := r.Rows(ctx, rita, batch.RowFilter{Batch: "bat_none"}); code(err) != "batch_not_found" {
			t.Errorf("rows of none: %v", err)
		}
		list, err := r.Batches(ctx, rita, batch.Filter{})
		if err != nil || !slices.EqualFunc(list, []batch.ID{mine.ID}, func(b batch.Batch, id batch.ID) bool { return b.ID == id }) {
			t.Errorf("Rita sees %+v, %v", list, err)
		}
		if all, err := r.Batches(ctx, ana, batch.Filter{Limit: 2}); err != nil || len(all) != 2 || all[0].ID < all[1].ID {
			t.Errorf("Ana sees %+v, %v", all, err)
		}

		r.ahead.Store(int64(25 * time.Hour))
		if _, err := r.Start(ctx, rita, mine.ID, ""); code(err) != "batch_stale" {
			t.Errorf("a day later: %v", err)
		}
		r.prepared(rita, batch.RevokeAccess, "a") // what is prepared later tidies
		if _, err := r.Batch(ctx, rita, mine.ID); code(err) != "batch_not_found" {
			t.Errorf("it is kept: %v", err)
		}
	})
}

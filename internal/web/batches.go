package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/margay-access/margay/internal/batch"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/web/ui"
)

func (s *site) batchPages() {
	s.get("/batches", anyone, s.batchList)
	s.get("/batches/{id}", anyone, s.batchPage)
	s.post("/batches/{id}/start", anyone, s.startBatch)
	s.post("/batches/{id}/stop", anyone, s.stopBatch)
}

// many is the form below a list that does an act with many of its rows: with those
// that are marked, or with all that match its filters.
type many struct {
	address string // with the filters of the list
	acts    []manyAct
	more    bool // the list goes on behind this page
}

// manyAct is an act that the form offers.
type manyAct struct {
	act batch.Act
	all int // with how many that match; more than batch.Most: with too many
}

// offers says whether there is anything to be done.
func (m many) offers() bool { return len(m.acts) > 0 }

// The fields of the form, beside the act.
const (
	manyThing = "thing"
	manyAll   = "all"
)

// manyActOf reads which act of these the form asks for.
func (r *Request) manyActOf(acts ...batch.Act) (batch.Act, error) {
	code := r.Value("act")
	i := slices.IndexFunc(acts, func(a batch.Act) bool { return a.Code == code })
	if i < 0 {
		return batch.Act{}, fault.New(fault.Invalid, "This cannot be done with many.").WithCode("unknown_act").WithHint("Go back and choose one of the acts there.")
	}
	return acts[i], nil
}

// prepare makes a batch of the marked rows, or of all that match, and leads to its
// page. all reads the ids of those, at most one more than a batch has; words are
// the filters, for people.
func (s *site) prepare(r *Request, act batch.Act, words string, all func() ([]string, error)) error {
	if err := r.parse(); err != nil {
		return err
	}
	things := r.PostForm[manyThing]
	if r.Value(manyAll) == "" {
		words = ""
	} else {
		var err error
		if things, err = all(); err != nil {
			return err
		}
		if len(things) > batch.Most {
			return batch.TooMany(act)
		}
	}
	b, err := s.Batches.Prepare(r.Context(), r.Actor, act.Code, things, words)
	if err != nil {
		return err
	}
	r.redirect(batchAddress(b.ID))
	return nil
}

func batchAddress(id batch.ID) string { return "/batches/" + url.PathEscape(string(id)) }

// filterWords says a filter for people: "state Active, app Tableau"; pairs are a
// name and what it is.
func filterWords(pairs ...string) string {
	var parts []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			parts = append(parts, pairs[i]+" "+ui.Middle(pairs[i+1], longName))
		}
	}
	if len(parts) == 0 {
		return "all"
	}
	return strings.Join(parts, ", ")
}

// batchRows is the list of batches.
type batchRows struct {
	dir  directory
	rows []batch.Batch
	next string
	self bool // who looks sees their own alone
}

func (s *site) batchList(r *Request) error {
	l := batchRows{self: !r.Actor.Admin}
	var err error
	if l.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return err
	}
	if l.rows, err = s.Batches.Batches(r.Context(), r.Actor, batch.Filter{Limit: pageRows + 1, Before: batch.ID(r.Value("before"))}); err != nil {
		return err
	}
	if len(l.rows) > pageRows {
		l.rows = l.rows[:pageRows]
		l.next = withQuery(r.URL, "before", string(l.rows[pageRows-1].ID))
	}
	return r.Page(ui.Head{Title: "Batches", Lead: "One act on many rows, done as one job, with what came of each."}, nil, batchesView(l))
}

// batchSheet is a batch with a page of its rows.
type batchSheet struct {
	batch.Batch
	act    batch.Act
	dir    directory
	rows   []batch.Row
	next   string
	mine   bool
	states []batch.RowState // that the page is narrowed to; none: all
	note   string
	errs   ui.Errors
}

func (s *site) batchPage(r *Request) error { return s.showBatch(r, http.StatusOK, nil) }

func (s *site) showBatch(r *Request, status int, errs ui.Errors) error {
	v := batchSheet{errs: errs, note: r.Value("note")}
	var err error
	if v.Batch, err = s.Batches.Batch(r.Context(), r.Actor, batch.ID(r.Thing("id"))); err != nil {
		return err
	}
	if v.act, err = batch.ActOf(v.Act); err != nil {
		return err
	}
	v.mine = v.By == r.Actor.Person
	if v.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return err
	}
	f := batch.RowFilter{Batch: v.ID, Limit: pageRows + 1}
	if state := batch.RowState(r.URL.Query().Get("state")); state.Text().Sentence != "" {
		v.states = []batch.RowState{state}
		f.States = v.states
	}
	f.After, _ = strconv.Atoi(r.URL.Query().Get("before")) // what is no number is the first page
	if v.rows, err = s.Batches.Rows(r.Context(), r.Actor, f); err != nil {
		return err
	}
	if len(v.rows) > pageRows {
		v.rows = v.rows[:pageRows]
		v.next = withQuery(r.URL, "before", strconv.Itoa(v.rows[pageRows-1].N))
	}
	head := ui.Head{Title: v.title(), Back: []ui.Link{v.back()}}
	return r.PageAs(status, head, nil, batchView(v))
}

// title says what the batch does with how many: "End 12 accesses".
func (v batchSheet) title() string {
	n := v.Counts.Of()
	if v.State == batch.Prepared && n == 0 {
		n = v.Counts.Total()
	}
	verb, _, _ := strings.Cut(v.act.Label, " ")
	if v.act.Code == batch.AcceptChange.Code {
		return "Keep what was changed of " + plural(n, v.act.One, v.act.Many)
	}
	return verb + " " + plural(n, v.act.One, v.act.Many)
}

// back is the list that the things of the batch stand in.
func (v batchSheet) back() ui.Link {
	switch v.act.Code {
	case batch.RetryRun.Code, batch.CancelRun.Code:
		return ui.Link{Name: "Runs", Href: "/runs"}
	case batch.ApproveRequest.Code, batch.DenyRequest.Code:
		return ui.Link{Name: "Approvals", Href: "/approvals"}
	case batch.AcceptChange.Code, batch.RestoreAccess.Code:
		return ui.Link{Name: "Drift", Href: "/drift"}
	}
	return ui.Link{Name: "Who has access", Href: "/access"}
}

// thingHref is the page of a thing.
func thingHref(id string) string {
	kind, _, _ := strings.Cut(id, "_")
	of := map[string]string{"grt": "/access/", "run": "/runs/", "req": "/requests/"}[kind]
	return of + url.PathEscape(id)
}

// thingTitle is whom a row is about, or what.
func (v batchSheet) thingTitle(r batch.Row) string {
	if r.Seen.Person != "" {
		return v.dir.person(r.Seen.Person)
	}
	return r.Seen.Name
}

// narrowed is the address of the page with the rows of one state; of the state
// that is shown already it is all of them.
func (v batchSheet) narrowed(s batch.RowState) string {
	if slices.Contains(v.states, s) {
		return batchAddress(v.ID)
	}
	return batchAddress(v.ID) + "?state=" + string(s)
}

// counts are how many rows are in which state, without those in which none is.
func (v batchSheet) counts() []rowCount {
	c := v.Counts
	all := []rowCount{
		{batch.RowReady, c.Ready}, {batch.RowDone, c.Done}, {batch.RowRefused, c.Refused}, {batch.RowSkipped, c.Skipped}, {batch.RowLeftOut, c.LeftOut},
	}
	return slices.DeleteFunc(all, func(c rowCount) bool { return c.n == 0 })
}

type rowCount struct {
	state batch.RowState
	n     int
}

func (s *site) startBatch(r *Request) error {
	b, err := s.Batches.Start(r.Context(), r.Actor, batch.ID(r.Thing("id")), r.Value("note"))
	if errs, ok := ui.ErrorsOf(err); ok {
		return s.showBatch(r, http.StatusUnprocessableEntity, errs)
	}
	if err != nil {
		return err
	}
	return r.Done(batchAddress(b.ID), "It has begun. This page follows it, and you may leave it.")
}

func (s *site) stopBatch(r *Request) error {
	b, err := s.Batches.Stop(r.Context(), r.Actor, batch.ID(r.Thing("id")))
	if err != nil {
		return err
	}
	return r.Done(batchAddress(b.ID), "It is being stopped. What is under way is finished.")
}

func batchState(s batch.State) ui.State {
	looks := map[batch.State]look{
		batch.Prepared: {"circle-dashed", ui.Quiet}, batch.Running: {"loader-circle", ui.Wait}, batch.Stopping: {"loader-circle", ui.Wait},
		batch.Done: {"check", ui.Good}, batch.Stopped: {"ban", ui.Warn},
	}
	l := looks[s]
	return ui.State{Word: s.Text().Word, Icon: l.icon, Tone: l.tone}
}

func rowState(s batch.RowState) ui.State {
	looks := map[batch.RowState]look{
		batch.RowReady: {"circle-dashed", ui.Quiet}, batch.RowLeftOut: {"ban", ui.Quiet}, batch.RowDone: {"check", ui.Good},
		batch.RowRefused: {"circle-x", ui.Bad}, batch.RowSkipped: {"ban", ui.Warn},
	}
	l := looks[s]
	return ui.State{Word: s.Text().Word, Icon: l.icon, Tone: l.tone}
}

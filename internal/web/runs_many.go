package web

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"

	"github.com/margay-access/margay/internal/export"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
	"github.com/margay-access/margay/internal/workflow"
)

func (s *site) manyRunPages() {
	s.get("/runs/export", anyone, s.exportRuns)
	s.get("/runs/many", anyone, s.askManyRuns)
	s.post("/runs/many", anyone, s.doManyRuns)
}

// runRecord is one run as it is exported.
type runRecord struct {
	Run        string `json:"run"`
	State      string `json:"state"`
	Kind       string `json:"kind"`
	Workflow   string `json:"workflow"`
	Version    string `json:"workflow_version"`
	Person     string `json:"person"`
	Email      string `json:"email"`
	Role       string `json:"role"`
	Grant      string `json:"grant"`
	Request    string `json:"request"`
	CausedBy   string `json:"caused_by"`
	Attempt    int    `json:"attempt"`
	Queued     string `json:"queued"`
	NextTry    string `json:"next_try"`
	Started    string `json:"started"`
	Ended      string `json:"ended"`
	Problem    string `json:"problem"`
	Code       string `json:"code"`
	Place      string `json:"place"`
	RetryOf    string `json:"retry_of"`
	CancelledB string `json:"cancelled_by"`
}

var runColumns = []string{
	"run", "state", "kind", "workflow", "workflow_version", "person", "email", "role", "grant", "request", "caused_by", "attempt", "queued", "next_try", "started",
	"ended", "problem", "code", "place", "retry_of", "cancelled_by",
}

func (o runRecord) cells() []string {
	return []string{
		o.Run, o.State, o.Kind, o.Workflow, o.Version, o.Person, o.Email, o.Role, o.Grant, o.Request, o.CausedBy, strconv.Itoa(o.Attempt), o.Queued, o.NextTry,
		o.Started, o.Ended, o.Problem, o.Code, o.Place, o.RetryOf, o.CancelledB,
	}
}

func recordOf(l runRows, r workflow.Listed) runRecord {
	o := runRecord{
		Run: r.ID, State: r.State.Text().Word, Kind: kindText(r.Kind), Workflow: l.names[r.Workflow], Version: r.Version, Role: r.Role, Grant: r.Grant, Request: r.Request,
		CausedBy: l.dir.triggerText(r.Trigger), Attempt: r.Attempt, Queued: stamp(r.QueuedAt), NextTry: stamp(r.NotBefore), Started: stamp(r.StartedAt), Ended: stamp(r.EndedAt),
		Problem: r.Problem.Message, Code: r.Problem.Code, Place: r.Problem.Where, RetryOf: r.RetryOf,
	}
	if r.Person != "" {
		o.Person, o.Email = l.dir.person(identity.PersonID(r.Person)), l.dir.people[identity.PersonID(r.Person)].Email
	}
	if r.CancelledBy != "" {
		o.CancelledB = l.dir.actor(r.CancelledBy)
	}
	return o
}

// exportRuns answers with exactly the filtered runs.
func (s *site) exportRuns(r *Request) error {
	l, f, err := s.runRows(r)
	if err != nil {
		return err
	}
	if !l.unknown {
		f.Limit, f.Before = mostExported+1, ""
		if l.rows, err = s.Workflows.List(r.Context(), r.Actor, f); err != nil {
			return err
		}
	}
	if len(l.rows) > mostExported {
		return fault.New(fault.Invalid, "More than %d rows match: narrow the filters, or export from the command line.", mostExported).WithCode("too_many_rows").
			WithHint("Such as: margay run list --all -o csv")
	}
	rows := make([]runRecord, len(l.rows))
	for i, row := range l.rows {
		rows[i] = recordOf(l, row)
	}
	name := "margay-runs-" + r.Now.UTC().Format("2006-01-02")
	if r.Value("format") == "json" {
		b, err := json.MarshalIndent(map[string]any{"items": rows}, "", "  ")
		if err != nil {
			return err
		}
		return r.Download(name+".json", "application/json", b)
	}
	var b bytes.Buffer
	w := export.NewCSV(&b)
	errs := w.Write(runColumns...)
	for _, o := range rows {
		if errs == nil {
			errs = w.Write(o.cells()...)
		}
	}
	if errs == nil {
		errs = w.Flush()
	}
	if errs != nil {
		return errs
	}
	return r.Download(name+".csv", "text/csv", b.Bytes())
}

// manyRuns is what is to be done with the marked runs, or what came of it.
type manyRuns struct {
	act     workflow.Act
	ids     []string
	dir     directory
	names   map[string]string
	runs    []workflow.Listed
	refused []refusedRun
	next    map[string]string // the new run of a retry, by the run
	done    bool
}

// refusedRun is one with which nothing is done, and why.
type refusedRun struct {
	run workflow.Listed
	why string
}

// mostMarked is how many runs are handled in one act.
const mostMarked = 200

func (v manyRuns) title() string {
	word := "Retry "
	if v.act == workflow.ActCancel {
		word = "Cancel "
	}
	return word + plural(len(v.runs), "run", "runs")
}

func (s *site) askManyRuns(r *Request) error {
	read := s.markedRuns
	if r.Value("done") != "" {
		read = s.handledRuns
	}
	v, err := read(r)
	if err != nil {
		return err
	}
	return r.Page(ui.Head{Title: v.title(), Back: []ui.Link{{Name: "Runs", Href: "/runs"}}}, nil, manyRunsView(v))
}

// manyRuns reads what is to be done with which runs.
func (s *site) manyRuns(r *Request) (manyRuns, error) {
	v := manyRuns{act: workflow.ActRetry, names: map[string]string{}, next: map[string]string{}}
	if err := r.parse(); err != nil {
		return v, err
	}
	if r.Value("act") == workflow.ActCancel.Code {
		v.act = workflow.ActCancel
	}
	if v.ids = slices.Compact(slices.Sorted(slices.Values(r.Form["run"]))); len(v.ids) == 0 {
		return v, fault.New(fault.Invalid, "No row is chosen.").WithCode("nothing_chosen").WithHint("Go back and mark the runs.")
	}
	if len(v.ids) > mostMarked {
		return v, fault.New(fault.Invalid, "At most %d runs are handled at a time.", mostMarked).WithCode("too_many_rows")
	}
	var err error
	if v.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return v, err
	}
	all, err := s.Workflows.Workflows(r.Context())
	for _, w := range all {
		v.names[w.ID] = w.Name
	}
	return v, err
}

// markedRuns reads the marked runs, and sorts out those with which nothing can be
// done.
func (s *site) markedRuns(r *Request) (manyRuns, error) {
	v, err := s.manyRuns(r)
	if err != nil {
		return v, err
	}
	runs, err := s.chosenRuns(r, v.ids)
	if err != nil {
		return v, err
	}
	for _, run := range runs {
		err := s.mayHandle(r, v.act, run.Run)
		switch {
		case fault.KindOf(err) == fault.Internal:
			return v, err
		case err != nil:
			v.refused = append(v.refused, refusedRun{run, fault.Public(err).Message})
		default:
			v.runs = append(v.runs, run)
		}
	}
	return v, nil
}

// chosenRuns reads the runs of these ids.
func (s *site) chosenRuns(r *Request, ids []string) ([]workflow.Listed, error) {
	runs, err := s.Workflows.List(r.Context(), r.Actor, workflow.RunFilter{IDs: ids})
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(runs, func(run workflow.Listed) bool { return run.ID == id }) {
			return nil, workflow.NoRun(id)
		}
	}
	return runs, nil
}

// handledRuns reads what came of runs that were retried or cancelled: from how they
// stand, so that the page may be loaded again.
func (s *site) handledRuns(r *Request) (manyRuns, error) {
	v, err := s.manyRuns(r)
	if err != nil {
		return v, err
	}
	v.done = true
	runs, err := s.chosenRuns(r, v.ids)
	if err != nil {
		return v, err
	}
	for _, run := range runs {
		handled := run.State.Ended()
		if v.act == workflow.ActRetry {
			next, err := s.Workflows.Runs(r.Context(), r.Actor, workflow.RunFilter{RetryOf: run.ID, Limit: 1})
			if err != nil {
				return v, err
			}
			if handled = len(next) > 0; handled {
				v.next[run.ID] = next[0].ID
			}
		}
		if handled {
			v.runs = append(v.runs, run)
			continue
		}
		why := s.mayHandle(r, v.act, run.Run)
		if fault.KindOf(why) == fault.Internal {
			return v, why
		}
		v.refused = append(v.refused, refusedRun{run, refusal(why)})
	}
	return v, nil
}

// refusal is why nothing was done with a run; nil: what kept it is over.
func refusal(why error) string {
	if why == nil {
		return "It was not done in time. Try it again."
	}
	return fault.Public(why).Message
}

// mayHandle says why the act cannot be done with the run by who looks, or nil.
func (s *site) mayHandle(r *Request, act workflow.Act, run workflow.Run) error {
	if act == workflow.ActRetry {
		return s.Runs.MayRetry(r.Context(), r.Actor, run)
	}
	return s.Runs.MayCancel(r.Context(), r.Actor, run)
}

// doManyRuns does it, and answers with another page: one that is loaded again does
// nothing.
func (s *site) doManyRuns(r *Request) error {
	v, err := s.manyRuns(r)
	if err != nil {
		return err
	}
	act := s.Runs.RetryMany
	if v.act == workflow.ActCancel {
		act = s.Runs.CancelMany
	}
	if _, err := act(r.Context(), r.Actor, v.ids); err != nil {
		return err
	}
	r.redirect("/runs/many?" + url.Values{"act": {v.act.Code}, "run": v.ids, "done": {"1"}}.Encode())
	return nil
}

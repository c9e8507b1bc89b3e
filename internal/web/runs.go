package web

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/batch"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
	"github.com/margay-access/margay/internal/workflow"
)

// Runs does what needs more than the rows of runs.
type Runs interface {
	Cancel(ctx context.Context, who identity.Actor, id string) (workflow.Run, error)
	Retry(ctx context.Context, who identity.Actor, id string) (workflow.Run, error)
	MayRetry(ctx context.Context, who identity.Actor, run workflow.Run) error
	MayCancel(ctx context.Context, who identity.Actor, run workflow.Run) error
	Try(ctx context.Context, who identity.Actor, t workflow.Trial) (workflow.TrialReport, error)
}

func (s *site) runPages() {
	s.get("/runs/export", anyone, s.exportRuns)
	s.post("/runs/many", anyone, s.manyRuns)
	s.get("/runs", anyone, s.runList)
	s.get("/runs/{id}", anyone, s.run)
	s.get("/runs/{id}/retry", anyone, s.askRetryRun)
	s.post("/runs/{id}/retry", anyone, s.retryRun)
	s.get("/runs/{id}/cancel", anyone, s.askCancelRun)
	s.post("/runs/{id}/cancel", anyone, s.cancelRun)
}

var runLooks = map[workflow.RunState]look{
	workflow.RunQueued:     {"clock", ui.Wait},
	workflow.RunRetrying:   {"rotate-cw", ui.Warn},
	workflow.RunRunning:    {"loader-circle", ui.Wait},
	workflow.RunWaiting:    {"hourglass", ui.Wait},
	workflow.RunUnknown:    {"circle-help", ui.Alarm},
	workflow.RunDone:       {"check", ui.Good},
	workflow.RunFailed:     {"x", ui.Bad},
	workflow.RunCancelled:  {"ban", ui.Quiet},
	workflow.RunCrashed:    {"triangle-alert", ui.Alarm},
	workflow.RunSuperseded: {"circle-slash", ui.Quiet},
}

// runState is how a run stands, as people see it.
func runState(s workflow.RunState) ui.State {
	l, ok := runLooks[s]
	if !ok {
		return unknownState(s.Text().Word)
	}
	return ui.State{Word: s.Text().Word, Icon: l.icon, Tone: l.tone}
}

// runKinds are the kinds of run in words.
var runKinds = []ui.Option{
	{Value: "provision", Label: "Give access"},
	{Value: "deprovision", Label: "Take access back"},
	{Value: "approve", Label: "Decide a request"},
	{Value: workflow.KindManual, Label: "Run by a person"},
	{Value: workflow.KindScheduled, Label: "Run by the clock"},
}

func kindText(kind string) string {
	for _, k := range runKinds {
		if k.Value == kind {
			return k.Label
		}
	}
	return kind
}

// triggers are the causes that a list can be narrowed to, as they begin.
var triggers = []ui.Option{
	{Value: "request:", Label: "A request"},
	{Value: "expiry", Label: "The end of access"},
	{Value: "revoked", Label: "Access ended early"},
	{Value: "scheduled", Label: "The begin of access"},
	{Value: "restore", Label: "A change outside, undone"},
	{Value: "retry", Label: "A retry"},
	{Value: "person:", Label: "A person"},
	{Value: "schedule", Label: "The schedule"},
}

// triggerText says in words what caused a run.
func (d directory) triggerText(trigger string) string {
	kind, id, _ := strings.Cut(trigger, ":")
	switch kind {
	case "request":
		return "A request"
	case "person":
		return "Run by " + d.person(identity.PersonID(id))
	case "schedule":
		return "The schedule"
	case "expiry":
		return "Its time was over"
	case "revoked":
		return "Ended early"
	case "scheduled":
		return "Its time had come"
	case "restore":
		return "What was changed outside is undone"
	case "retry":
		return "Tried again"
	}
	return strings.ReplaceAll(trigger, "_", " ")
}

// runFilter is what the address of the list asks for.
type runFilter struct {
	state, kind, person, trigger, workflow, app, connection, grant, since string
}

func (f runFilter) narrowed() bool { return f != runFilter{} }

// runRows is the list of runs.
type runRows struct {
	dir       directory
	filter    runFilter
	rows      []workflow.Listed
	counts    []workflow.Count
	workflows []workflow.Workflow
	names     map[string]string // of workflows
	next      string
	address   *url.URL
	admin     bool
	owned     []access.AppID // apps of who looks
	many      many
	unknown   bool // nobody is called as was searched for
}

// sinces are how far back a list can look.
var sinces = []ui.Option{{Value: "24h", Label: "In the last day"}, {Value: "168h", Label: "In the last 7 days"}, {Value: "720h", Label: "In the last 30 days"}}

// runRows reads what the address of the list asks for: the list without its rows,
// and the filter that picks them.
func (s *site) runRows(r *Request) (runRows, workflow.RunFilter, error) {
	q := r.URL.Query()
	l := runRows{address: r.URL, admin: r.Actor.Administers(), names: map[string]string{}, filter: runFilter{
		state: q.Get("state"), kind: q.Get("kind"), person: strings.TrimSpace(q.Get("person")), trigger: q.Get("trigger"), workflow: q.Get("workflow"),
		app: q.Get("app"), connection: q.Get("connection"), grant: q.Get("grant"), since: q.Get("since"),
	}}
	f := workflow.RunFilter{
		State: workflow.RunState(l.filter.state), Kind: l.filter.kind, Trigger: l.filter.trigger, Workflow: l.filter.workflow, App: l.filter.app,
		Connection: l.filter.connection, Grant: l.filter.grant, Limit: pageRows + 1, Before: r.Value("before"),
	}
	if ago, err := time.ParseDuration(l.filter.since); err == nil && ago > 0 {
		f.Since = r.Now.Add(-ago)
	} else {
		l.filter.since = ""
	}
	var err error
	if l.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return l, f, err
	}
	if l.workflows, err = s.Workflows.Workflows(r.Context()); err != nil {
		return l, f, err
	}
	if !l.admin {
		if l.owned, err = s.Access.OwnedApps(r.Context(), r.Actor); err != nil {
			return l, f, err
		}
	}
	for _, w := range l.workflows {
		l.names[w.ID] = w.Name
	}
	if l.filter.person != "" {
		f.Person = l.dir.find(l.filter.person)
		l.unknown = f.Person == ""
	}
	return l, f, nil
}

func (s *site) runList(r *Request) error {
	l, f, err := s.runRows(r)
	if err != nil {
		return err
	}
	if !l.unknown {
		if err := s.readRuns(r, &l, f); err != nil {
			return err
		}
	}
	return r.Page(ui.Head{Title: "Runs", Lead: "Each execution of a workflow, with every step that it made."}, nil, runsView(l))
}

func (s *site) readRuns(r *Request, l *runRows, f workflow.RunFilter) error {
	var err error
	if l.rows, err = s.Workflows.List(r.Context(), r.Actor, f); err != nil {
		return err
	}
	if len(l.rows) > pageRows {
		l.rows = l.rows[:pageRows]
		l.next = withQuery(r.URL, "before", l.rows[pageRows-1].ID)
	}
	if err := s.readManyRuns(r, l, f); err != nil {
		return err
	}
	f.State, f.Before, f.Limit = "", "", 0 // the numbers are of the list as it is filtered otherwise
	counts, err := s.Workflows.Counts(r.Context(), r.Actor, f, mostCounted)
	if err != nil {
		return err
	}
	for _, t := range workflow.RunStates() {
		i := slices.IndexFunc(counts, func(c workflow.Count) bool { return string(c.State) == t.Code })
		switch {
		case i >= 0:
			l.counts = append(l.counts, counts[i])
		case t.Code == l.filter.state:
			l.counts = append(l.counts, workflow.Count{State: workflow.RunState(t.Code)})
		}
	}
	return nil
}

// mostCounted is how far the runs in a state are counted: the page is read again
// whenever something happens.
const mostCounted = 999

// countText is how many runs are in a state.
func countText(c workflow.Count) string {
	if c.More {
		return "1,000+"
	}
	return strconv.Itoa(c.Runs)
}

// readManyRuns reads what may be done with many of the listed runs.
func (s *site) readManyRuns(r *Request, l *runRows, f workflow.RunFilter) error {
	q := r.URL.Query()
	q.Del("before")
	l.many = many{address: "/runs/many?" + q.Encode(), more: l.next != "" || f.Before != "", acts: []manyAct{{act: batch.RetryRun}}}
	if l.cancels() {
		l.many.acts = append(l.many.acts, manyAct{act: batch.CancelRun})
	}
	for i := range l.many.acts {
		if !l.many.more {
			break
		}
		counts, err := s.Workflows.Counts(r.Context(), r.Actor, handleable(l.many.acts[i].act, f), batch.Most+1)
		if err != nil {
			return err
		}
		for _, c := range counts {
			l.many.acts[i].all += c.Runs
		}
	}
	return nil
}

// handleable picks those of the filtered runs with which the act is possible, at
// most one more than a batch has.
func handleable(act batch.Act, f workflow.RunFilter) workflow.RunFilter {
	f.Limit, f.Before, f.States = batch.Most+1, "", workflow.StatesFor(workflow.ActRetry)
	if act.Code == batch.CancelRun.Code {
		f.States = workflow.StatesFor(workflow.ActCancel)
	}
	return f
}

// manyRuns prepares a retry or a cancel of the marked runs, or of all that match.
func (s *site) manyRuns(r *Request) error {
	act, err := r.manyActOf(batch.RetryRun, batch.CancelRun)
	if err != nil {
		return err
	}
	l, f, err := s.runRows(r)
	if err != nil {
		return err
	}
	return s.prepare(r, act, l.words(), func() ([]string, error) {
		if l.unknown {
			return nil, nil
		}
		runs, err := s.Workflows.List(r.Context(), r.Actor, handleable(act, f))
		ids := make([]string, len(runs))
		for i, run := range runs {
			ids[i] = run.ID
		}
		return ids, err
	})
}

// words say the filter for people.
func (l runRows) words() string {
	f := l.filter
	state, app, kind := "", "", ""
	if f.state != "" {
		state = workflow.RunState(f.state).Text().Word
	}
	if f.app != "" {
		app = l.dir.app(access.AppID(f.app))
	}
	if f.kind != "" {
		kind = kindText(f.kind)
	}
	return filterWords("state", state, "kind", kind, "person", f.person, "caused by", f.trigger, "workflow", l.names[f.workflow], "app", app, "connection", f.connection,
		"access", f.grant, "queued within", f.since)
}

// hiddenFault says whether something is not there for who asks: the page then
// shows its id alone.
func hiddenFault(err error) bool {
	k := fault.KindOf(err)
	return k == fault.NotFound || k == fault.Forbidden
}

// find returns the id of the person of an id, an e-mail address or a name; "":
// nobody.
func (d directory) find(text string) string {
	for id, p := range d.people {
		if string(id) == text || strings.EqualFold(p.Email, text) {
			return string(id)
		}
	}
	found := ""
	for id, p := range d.people {
		if strings.Contains(strings.ToLower(p.Name+" "+p.Email), strings.ToLower(text)) {
			if found != "" && found < string(id) {
				continue // the same one each time
			}
			found = string(id)
		}
	}
	return found
}

func (l runRows) stateOptions() []ui.Option {
	options := []ui.Option{{Label: "All"}}
	for _, t := range workflow.RunStates() {
		options = append(options, ui.Option{Value: t.Code, Label: t.Word})
	}
	return options
}

func (l runRows) workflowOptions() []ui.Option {
	options := []ui.Option{{Label: "All"}}
	for _, w := range l.workflows {
		options = append(options, ui.Option{Value: w.ID, Label: ui.Middle(w.Name, longName)})
	}
	return options
}

func withAll(options []ui.Option) []ui.Option { return append([]ui.Option{{Label: "All"}}, options...) }

// command is the list as a command.
func (l runRows) command() string {
	c := []string{"margay run list"}
	for _, a := range [][2]string{
		{"state", l.filter.state},
		{"kind", l.filter.kind},
		{"person", l.filter.person},
		{"workflow", l.filter.workflow},
		{"trigger", l.filter.trigger},
		{"app-id", l.filter.app},
		{"connection-id", l.filter.connection},
		{"grant", l.filter.grant},
		{"since", l.filter.since},
	} {
		if a[1] != "" {
			c = append(c, "--"+a[0], shellWord(a[1]))
		}
	}
	return strings.Join(c, " ")
}

// cancels says whether who looks may cancel runs at all.
func (l runRows) cancels() bool { return l.admin || len(l.owned) > 0 }

// marks says whether a row can be marked: something may be done with it.
func (l runRows) marks(r workflow.Listed) bool {
	return r.RetryNote() != "" || !r.State.Ended() && (l.admin || slices.Contains(l.owned, access.AppID(r.App)))
}

// exportHref is the address of the export of the filtered runs.
func (l runRows) exportHref(format string) string {
	u := url.URL{Path: "/runs/export"}
	q := l.address.Query()
	q.Del("before")
	q.Set("format", format)
	u.RawQuery = q.Encode()
	return u.String()
}

// inState is the address of the list with the runs of one state; of the state
// that is shown already it is the whole list.
func (l runRows) inState(s workflow.RunState) string {
	u := *l.address
	q := u.Query()
	q.Del("before")
	u.RawQuery = q.Encode()
	if l.filter.state == string(s) {
		s = ""
	}
	return withQuery(&u, "state", string(s))
}

// runSheet is one run with all that its page shows.
type runSheet struct {
	workflow.Run
	steps    []workflow.Step
	dir      directory
	workflow workflow.Workflow
	version  workflow.Version // zero: who looks may not see it, or it is not known yet
	role     string
	app      access.AppID
	request  string
	admin    bool
	now      time.Time
	retry    error // why it cannot be retried; nil: it can
	cancel   error // why it cannot be cancelled; nil: it can
}

func (s *site) run(r *Request) error {
	v, err := s.runSheet(r)
	if err != nil {
		return err
	}
	return r.Page(v.head(), runActs(v), runView(v))
}

func (v runSheet) head() ui.Head {
	h := ui.Head{Title: kindText(v.Kind), Back: []ui.Link{{Name: "Runs", Href: "/runs"}}}
	switch {
	case v.role != "":
		h.Lead = v.role + " in " + short(v.dir.app(v.app)) + " for " + short(v.dir.person(identity.PersonID(v.Person)))
	case v.workflow.Name != "" && v.Grant == "" && v.Request == "":
		h.Title, h.Lead = v.workflow.Name, kindText(v.Kind)
	}
	return h
}

func (s *site) runSheet(r *Request) (runSheet, error) {
	v := runSheet{admin: r.Actor.Administers(), now: r.Now}
	var err error
	if v.Run, v.steps, err = s.Workflows.Run(r.Context(), r.Actor, r.Thing("id")); err != nil {
		return v, err
	}
	if v.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return v, err
	}
	if v.Workflow != "" {
		if v.workflow, err = s.Workflows.Workflow(r.Context(), v.Workflow); err != nil && !hiddenFault(err) {
			return v, err
		}
	}
	if v.admin && v.Workflow != "" && v.Version != "" {
		if v.version, err = s.Workflows.Version(r.Context(), r.Actor, v.Workflow, v.Version); err != nil && !hiddenFault(err) {
			return v, err
		}
	}
	v.request = v.Request
	if v.Grant != "" {
		g, err := s.Access.Grant(r.Context(), r.Actor, access.GrantID(v.Grant))
		if err != nil && !hiddenFault(err) {
			return v, err
		}
		v.role, v.app, v.request = g.RoleName, g.App, string(g.Request)
	}
	v.retry, v.cancel = s.Runs.MayRetry(r.Context(), r.Actor, v.Run), s.Runs.MayCancel(r.Context(), r.Actor, v.Run)
	return v, nil
}

func (v runSheet) retryQuestion() ui.Question {
	return ui.Question{
		ID: "retry", Title: "Retry this run?", Effect: v.RetryNote(), Action: "/runs/" + v.ID + "/retry", Button: "Retry", Busy: "Retrying…", Back: "/runs/" + v.ID,
		Command: "margay run retry " + v.ID,
	}
}

func (v runSheet) cancelQuestion() ui.Question {
	effect := "It ends between two of its steps. What was made before stays made, and the run can be retried."
	switch v.Kind {
	case "provision":
		effect += " The access is not set up then."
	case "deprovision":
		effect += " The access is overdue to end then."
	}
	return ui.Question{
		ID: "cancel", Title: "Cancel this run?", Effect: effect, Action: "/runs/" + v.ID + "/cancel", Button: "Cancel run", Busy: "Cancelling…", Back: "/runs/" + v.ID,
		Command: "margay run cancel " + v.ID,
	}
}

func (s *site) askRetryRun(r *Request) error {
	v, err := s.runSheet(r)
	if err != nil {
		return err
	}
	if v.retry != nil {
		return v.retry
	}
	q := v.retryQuestion()
	return r.Page(ui.Head{Title: q.Title, Back: []ui.Link{{Name: "Runs", Href: "/runs"}, {Name: v.head().Title, Href: q.Back}}}, nil, ui.AskPage(q))
}

func (s *site) retryRun(r *Request) error {
	run, err := s.Runs.Retry(r.Context(), r.Actor, r.Thing("id"))
	if err != nil {
		return err
	}
	if _, _, err := s.Workflows.Run(r.Context(), r.Actor, run.ID); hiddenFault(err) {
		return r.Done("/runs", "A new run is made, which somebody else may see.")
	}
	return r.Done("/runs/"+run.ID, "This is the new run. What is so already is read first.")
}

func (s *site) askCancelRun(r *Request) error {
	v, err := s.runSheet(r)
	if err != nil {
		return err
	}
	if v.cancel != nil {
		return v.cancel
	}
	q := v.cancelQuestion()
	return r.Page(ui.Head{Title: q.Title, Back: []ui.Link{{Name: "Runs", Href: "/runs"}, {Name: v.head().Title, Href: q.Back}}}, nil, ui.AskPage(q))
}

func (s *site) cancelRun(r *Request) error {
	run, err := s.Runs.Cancel(r.Context(), r.Actor, r.Thing("id"))
	if err != nil {
		return err
	}
	switch run.State { //nolint:exhaustive // the others were over before
	case workflow.RunCancelled:
		return r.Done("/runs/"+run.ID, "The run is cancelled.")
	case workflow.RunUnknown:
		return r.DoneAs(ui.Warn, "/runs/"+run.ID, "The run is cancelled. Whether its last change was made is not known: a retry reads it first.")
	}
	return r.DoneAs(ui.Warn, "/runs/"+run.ID, "The run was over before it could be cancelled.")
}

// codeLine is one line of a text with its number.
type codeLine struct {
	number int
	text   string
	here   bool
}

// aroundLine is how many lines are shown before and after the one that failed.
const aroundLine = 3

// excerpt returns the lines around the place where the run failed.
func (v runSheet) excerpt() []codeLine {
	line := v.failedLine()
	if line == 0 || v.version.Source == "" {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(v.version.Source, "\n"), "\n")
	var out []codeLine
	for n := max(1, line-aroundLine); n <= min(len(lines), line+aroundLine); n++ {
		out = append(out, codeLine{n, lines[n-1], n == line})
	}
	return out
}

// failedLine is the line of the workflow's own text where the run failed; 0: it
// failed elsewhere.
func (v runSheet) failedLine() int {
	parts := strings.Split(v.Problem.Where, ":")
	if len(parts) < 2 || v.version.File == "" || parts[0] != v.version.File {
		return 0
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil || n < 1 {
		return 0
	}
	return n
}

// maxShown bounds what a page shows of an input or output.
const maxShown = 20 << 10

// shownJSON is JSON for people, not more than a page can carry.
func shownJSON(text string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(text), "", "  ") == nil {
		text = b.String()
	}
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "\n… " + strconv.Itoa((len(text)-maxShown)>>10+1) + " kB more: margay run show -o json"
	}
	return text
}

// noteOf is what a run says of itself in its output.
func (v runSheet) noteOf() string {
	var out struct {
		Note   string `json:"note"`
		Reason string `json:"reason"`
	}
	if json.Unmarshal([]byte(v.Output), &out) != nil {
		return ""
	}
	if out.Note == "" {
		return out.Reason
	}
	return out.Note
}

// queued is how long the run waited for its turn.
func (v runSheet) queuedFor() string {
	from := v.QueuedAt
	if v.NotBefore.After(from) {
		from = v.NotBefore
	}
	if v.StartedAt.Before(from) {
		return ""
	}
	return took(from, v.StartedAt)
}

// end is where the run's time line ends.
func (v runSheet) end() time.Time {
	if !v.EndedAt.IsZero() {
		return v.EndedAt
	}
	return v.now
}

// bar is a length of a drawing that is 1000 wide.
type bar struct {
	x, width int
	class    string
}

const (
	drawingWidth = 1000
	leastBar     = 4
)

// bars are the parts of a step on the time line of the run.
func (v runSheet) bars(st workflow.Step) []bar {
	whole := v.end().Sub(v.StartedAt)
	if v.StartedAt.IsZero() || whole <= 0 {
		return nil
	}
	place := func(d time.Duration) int { return min(drawingWidth, max(0, int(int64(d)*drawingWidth/int64(whole)))) }
	ended := st.EndedAt
	if ended.IsZero() {
		ended = v.now
	}
	from := place(st.StartedAt.Sub(v.StartedAt))
	width := max(leastBar, place(ended.Sub(v.StartedAt))-from)
	from = min(from, drawingWidth-width)
	list := []bar{{from, width, "bar-waited"}}
	lastWrite := -1
	for i, c := range st.Calls {
		if c.Kind == "call" && c.Method != http.MethodGet && c.Method != http.MethodHead {
			lastWrite = i
		}
	}
	for i, c := range st.Calls {
		class := "bar-call"
		switch {
		case c.Kind != "call":
			class = "bar-exchange"
		case lastWrite >= 0 && i > lastWrite:
			class = "bar-read-back"
		}
		x := place(c.Started.Sub(v.StartedAt))
		w := max(leastBar, place(c.Duration))
		list = append(list, bar{min(x, drawingWidth-w), w, class})
	}
	return list
}

// timingText says how long the parts of a step took.
func timingText(st workflow.Step) string {
	t := st.Timing()
	var parts []string
	for _, p := range []struct {
		name string
		d    time.Duration
	}{{"sign-in", t.Exchange}, {"calls", t.Call}, {"read-back", t.ReadBack}, {"waited", t.Waited}} {
		if p.d >= time.Millisecond {
			parts = append(parts, p.name+" "+durationText(p.d))
		}
	}
	return strings.Join(parts, " · ")
}

func durationText(d time.Duration) string {
	start := time.Unix(1, 0)
	return took(start, start.Add(d))
}

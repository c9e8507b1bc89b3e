package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/web/ui"
	"github.com/margay-access/margay/internal/workflow"
)

func (s *site) workflowEditPages() {
	s.get("/workflows/new", administrators, s.newWorkflow)
	s.post("/workflows/new", administrators, s.createWorkflow)
	s.get("/workflows/{id}/edit", administrators, s.editWorkflow)
	s.get("/workflows/{id}/types", administrators, s.workflowTypes)
	s.ask("/workflows/{id}/edit", administrators, s.checkDraft)
	s.post("/workflows/{id}/draft", administrators, s.saveDraft)
	s.get("/workflows/{id}/discard", administrators, s.askDiscard)
	s.post("/workflows/{id}/discard", administrators, s.discardDraft)
	s.get("/workflows/{id}/publish", administrators, s.publishForm)
	s.post("/workflows/{id}/publish", administrators, s.publishWorkflow)
}

// newForm is a workflow that is not there yet.
type newForm struct {
	name, of, integration, connection, description, tags string
	integrations, connections                            []ui.Option
	errs                                                 ui.Errors
}

func (s *site) newForm(r *Request) (newForm, error) {
	f := newForm{
		name: r.Value("name"), of: r.Value("type"), integration: r.Value("integration"), connection: r.Value("connection_id"), description: r.Value("description"),
		tags: r.Value("tags"),
	}
	for _, in := range s.Registry.All() {
		f.integrations = append(f.integrations, ui.Option{Value: in.Kind, Label: in.Name})
	}
	options, err := s.connectionOptions(r, "")
	f.connections = append([]ui.Option{{Label: "None yet"}}, options...)
	if f.of == "" {
		f.of = string(workflow.Manual)
	}
	return f, err
}

func (f newForm) typeOptions() []ui.Option {
	var options []ui.Option
	for _, t := range workflow.Types() {
		options = append(options, ui.Option{Value: string(t), Label: typeTexts[t].word + ": " + typeTexts[t].help})
	}
	return options
}

func (s *site) newWorkflow(r *Request) error {
	f, err := s.newForm(r)
	if err != nil {
		return err
	}
	if f.connection == "" && len(f.connections) == 2 { // the only one, beside none
		f.connection = f.connections[1].Value
	}
	return s.showNew(r, http.StatusOK, f)
}

func (s *site) showNew(r *Request, status int, f newForm) error {
	head := ui.Head{Title: "New workflow", Lead: "It begins as a draft with an example that does no harm.", Back: []ui.Link{{Name: "Workflows", Href: "/workflows"}}}
	return r.PageAs(status, head, nil, newWorkflowView(f))
}

func (s *site) createWorkflow(r *Request) error {
	f, err := s.newForm(r)
	if err != nil {
		return err
	}
	w := workflow.Workflow{
		Name: f.name, Type: workflow.Type(f.of), Integration: f.integration, Connection: f.connection, Description: f.description, Tags: tagsOf(f.tags),
	}
	if !ranByItself(w.Type) {
		w.Connection = "" // the app tells the others theirs
	}
	w, err = s.Workflows.Create(r.Context(), r.Actor, w, workflow.Content{})
	if errs, ok := flowErrors(err, "name"); ok {
		f.errs = errs
		return s.showNew(r, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	return r.Done("/workflows/"+w.ID+"/edit", "The workflow is there, as a draft.")
}

// draftForm is a draft in the editor.
type draftForm struct {
	workflowSheet
	content  workflow.Content
	inputs   string // the schema as it was typed
	revision int
	problems []workflow.Fault
	checked  bool
	errs     ui.Errors
	theirs   *workflow.Draft // what somebody else saved meanwhile
	theirRev int
	line     int // to begin at
}

// mark is a problem as the editor's script reads it.
type mark struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Length  int    `json:"length,omitempty"`
	Message string `json:"message"`
}

// marks are the problems of the text itself, for the editor.
func (f draftForm) marks() string {
	list := []mark{}
	for _, p := range f.problems {
		if p.Line > 0 && (p.File == "" || p.File == f.content.File) {
			list = append(list, mark{p.Line, p.Column, p.Length, p.Text})
		}
	}
	text, err := json.Marshal(list)
	if err != nil {
		return "[]"
	}
	return string(text)
}

// failing are the lines of the text that the compiler has something to say of.
func (f draftForm) failing() []codeLine {
	lines := strings.Split(f.content.Source, "\n")
	var out []codeLine
	for _, p := range f.problems {
		if p.Line < 1 || p.Line > len(lines) || p.File != f.content.File {
			continue
		}
		for n := max(1, p.Line-1); n <= min(len(lines), p.Line+1); n++ {
			at := slices.IndexFunc(out, func(l codeLine) bool { return l.number == n })
			if at < 0 {
				out = append(out, codeLine{n, lines[n-1], n == p.Line})
			} else if n == p.Line {
				out[at].here = true
			}
		}
	}
	slices.SortFunc(out, func(a, b codeLine) int { return a.number - b.number })
	return out
}

func (s *site) draftForm(r *Request) (draftForm, error) {
	v, err := s.workflowSheet(r)
	f := draftForm{workflowSheet: v, revision: v.Revision}
	if err != nil {
		return f, err
	}
	f.content = v.published.Content()
	if v.draft != nil {
		f.content = v.draft.Content
	}
	f.inputs = shownJSON(string(f.content.Inputs))
	f.line, _ = strconv.Atoi(r.URL.Query().Get("line")) // 0: at the top
	return f, nil
}

// read takes what was typed.
func (f *draftForm) read(r *Request) {
	f.content = workflow.Content{File: r.Value("file"), Source: strings.ReplaceAll(r.PostFormValue("source"), "\r\n", "\n")}
	if f.content.File == "" {
		f.content.File = "index.ts"
	}
	if f.inputs = r.Value("inputs"); f.inputs != "" {
		f.content.Inputs = json.RawMessage(f.inputs)
	}
	if cron := r.Value("cron"); cron != "" {
		f.content.Schedule = workflow.Schedule{Cron: cron, Zone: r.Value("zone")}
	}
	if n, err := strconv.Atoi(r.Value("revision")); err == nil {
		f.revision = n
	}
}

func (s *site) showDraft(r *Request, status int, f draftForm) error {
	var err error
	if f.problems, err = s.Workflows.Check(r.Context(), r.Actor, f.Integration, f.content); err != nil {
		return err
	}
	f.checked = true
	title := "Edit the draft"
	if f.draft == nil {
		title = "Write a new draft"
	}
	return r.PageAs(status, ui.Head{Title: title, Back: f.below()}, nil, draftView(f))
}

func (s *site) editWorkflow(r *Request) error {
	f, err := s.draftForm(r)
	if err != nil {
		return err
	}
	return s.showDraft(r, http.StatusOK, f)
}

// checkDraft shows what the compiler has to say, and keeps nothing. htmx asks for
// that alone, a form without script for the page.
func (s *site) checkDraft(r *Request) error {
	f, err := s.draftForm(r)
	if err != nil {
		return err
	}
	f.read(r)
	if !r.Partial() {
		return s.showDraft(r, http.StatusOK, f)
	}
	if f.problems, err = s.Workflows.Check(r.Context(), r.Actor, f.Integration, f.content); err != nil {
		return err
	}
	f.checked = true
	return r.Render(http.StatusOK, problemsView(f))
}

func (s *site) saveDraft(r *Request) error {
	f, err := s.draftForm(r)
	if err != nil {
		return err
	}
	kept := f.draft
	f.read(r)
	_, err = s.Workflows.SaveDraft(r.Context(), r.Actor, f.ID, f.revision, f.content)
	switch {
	case err == nil:
	case fault.Public(err).Code == "changed_meanwhile":
		// Nothing of either is lost: what was typed stays in the editor, what was
		// saved meanwhile is shown beside it, and the next save is on top of it.
		f.theirs, f.theirRev = kept, f.Revision
		if kept == nil {
			f.theirs = &workflow.Draft{Content: f.published.Content(), Author: f.published.Author, At: f.published.CreatedAt}
		}
		f.revision = f.Revision
		return s.showDraft(r, http.StatusConflict, f)
	default:
		errs, ok := ui.ErrorsOf(err)
		if !ok {
			return err
		}
		f.errs = renamed(errs, map[string]string{"schedule": "cron", "schedule.cron": "cron", "schedule.zone": "zone"})
		for i, e := range f.errs {
			if strings.HasPrefix(e.Field, "inputs") {
				f.errs[i].Field = "inputs"
			}
		}
		return s.showDraft(r, http.StatusUnprocessableEntity, f)
	}
	if r.Value("then") == "publish" {
		return r.Done("/workflows/"+f.ID+"/publish", "")
	}
	if r.Value("then") == "test" {
		return r.Done("/workflows/"+f.ID+"/test", "")
	}
	return r.Done("/workflows/"+f.ID+"/edit", "The draft is saved.")
}

func (f draftForm) discardQuestion() ui.Question {
	return ui.Question{
		ID: "discard", Title: "Throw the draft away?", Effect: "What is in the draft is lost. The published version stays as it is.", Action: "/workflows/" + f.ID + "/discard",
		Button: "Throw away", Busy: "Throwing away…", Back: "/workflows/" + f.ID + "/edit",
	}
}

func (s *site) askDiscard(r *Request) error {
	f, err := s.draftForm(r)
	if err != nil {
		return err
	}
	q := f.discardQuestion()
	return r.Page(ui.Head{Title: q.Title, Back: f.below()}, nil, discardView(f, q))
}

func (s *site) discardDraft(r *Request) error {
	revision, err := strconv.Atoi(r.Value("revision"))
	if err != nil {
		return fault.Field("revision", "The form names no revision. Load the page again.")
	}
	w, err := s.Workflows.Discard(r.Context(), r.Actor, r.Thing("id"), revision)
	if err != nil {
		return err
	}
	return r.Done("/workflows/"+w.ID, "The draft is thrown away.")
}

// publication is a draft before it is published.
type publication struct {
	draftForm
	diff workflow.Diff
	note string
}

func (s *site) publishForm(r *Request) error { return s.showPublish(r, http.StatusOK, "", nil) }

func (s *site) showPublish(r *Request, status int, note string, errs ui.Errors) error {
	f, err := s.draftForm(r)
	if err != nil {
		return err
	}
	if f.draft == nil {
		return fault.New(fault.Conflict, "There is nothing to publish: the workflow %s has no draft.", f.Name).WithCode("no_draft").WithHint("Edit it first.")
	}
	p := publication{draftForm: f, note: note}
	p.errs = errs
	if p.problems, err = s.Workflows.Check(r.Context(), r.Actor, f.Integration, f.content); err != nil {
		return err
	}
	p.checked = true
	if p.diff, err = s.Workflows.Diff(r.Context(), r.Actor, f.ID, "", workflow.RefDraft); err != nil {
		return err
	}
	head := ui.Head{Title: "Publish " + f.Name, Lead: "Runs that are under way go on with the version that they began with.", Back: f.below()}
	return r.PageAs(status, head, nil, publishView(p))
}

func (s *site) publishWorkflow(r *Request) error {
	revision, err := strconv.Atoi(r.Value("revision"))
	if err != nil {
		return fault.Field("revision", "The form names no revision. Load the page again.")
	}
	w, err := s.Workflows.Publish(r.Context(), r.Actor, r.Thing("id"), revision, r.Value("note"))
	if errs, ok := ui.ErrorsOf(err); ok {
		return s.showPublish(r, http.StatusUnprocessableEntity, r.Value("note"), errs)
	}
	if fault.Public(err).Code == "changed_meanwhile" {
		return s.showPublish(r, http.StatusConflict, r.Value("note"), ui.Errors{{Text: "The draft was changed meanwhile. This is what would be published now: look at it again."}})
	}
	if err != nil {
		return err
	}
	v, err := s.Workflows.Published(r.Context(), w.ID)
	if err != nil {
		return err
	}
	return r.Done("/workflows/"+w.ID, "Version %d is published.", v.Number)
}

// nextTimes are when a schedule comes next.
func nextTimes(c workflow.Content, now time.Time) []time.Time {
	if c.Schedule == (workflow.Schedule{}) {
		return nil
	}
	var out []time.Time
	for range 3 {
		if now = c.Schedule.Next(now); now.IsZero() {
			break
		}
		out = append(out, now)
	}
	return out
}

// workflowTypes shows what the workflow may import and call.
func (s *site) workflowTypes(r *Request) error {
	v, err := s.workflowSheet(r)
	if err != nil {
		return err
	}
	in, err := s.Registry.Get(v.Integration)
	if err != nil {
		return err
	}
	head := ui.Head{Title: "What it may import and call", Lead: "margay.d.ts: the same declarations that margay workflow pull writes beside the files.", Back: v.below()}
	return r.Page(head, nil, typesView(in.Declarations))
}

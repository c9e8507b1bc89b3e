package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/web/ui"
	"github.com/margay-access/margay/internal/workflow"
)

func (s *site) connectionPages() {
	s.get("/integrations", administrators, s.integrations)
	s.get("/integrations/{kind}/connect", administrators, s.connectForm)
	s.post("/integrations/{kind}/connect", administrators, s.connect)
	s.ask("/integrations/{kind}/connect/look", administrators, s.lookAtAddress)
	s.ask("/integrations/{kind}/connect/test", administrators, s.testConnect)
	s.get("/connections/{id}", administrators, s.connection)
	s.ask("/connections/{id}/checks", administrators, s.runChecks)
	s.get("/connections/{id}/edit", administrators, s.editForm)
	s.post("/connections/{id}/edit", administrators, s.edit)
	s.ask("/connections/{id}/edit/plan", administrators, s.planEdit)
	s.ask("/connections/{id}/edit/test", administrators, s.testEdit)
	s.get("/connections/{id}/rotate", administrators, s.rotateForm)
	s.post("/connections/{id}/rotate", administrators, s.rotate)
	s.get("/connections/{id}/delete", administrators, s.deleteForm)
	s.post("/connections/{id}/delete", administrators, s.deleteConnection)
	s.get("/connections/{id}/retire", administrators, s.retireForm)
	s.post("/connections/{id}/retire", administrators, s.retireConnection)
	s.post("/connections/{id}/pause", administrators, s.pauseConnection)
	s.post("/connections/{id}/resume", administrators, s.resumeConnection)
}

// ask adds a POST that changes nothing of ours and may be sent again: a test, a
// look at what would happen.
func (s *site) ask(path string, who may, h handler) {
	s.mux.HandleFunc("POST "+path, s.bare(s.signedIn(who, func(r *Request) error {
		if err := r.parse(); err != nil {
			return err
		}
		return h(r)
	})))
	s.acts = append(s.acts, path)
}

func connectionState(c connection.Condition) ui.State {
	st := map[connection.State]ui.State{
		connection.StateHealthy:        {Icon: "circle-check", Tone: ui.Good},
		connection.StateDegraded:       {Icon: "triangle-alert", Tone: ui.Warn},
		connection.StateNeedsAttention: {Icon: "circle-x", Tone: ui.Bad},
		connection.StatePaused:         {Icon: "pause", Tone: ui.Quiet},
		connection.StateNeverChecked:   {Icon: "circle-dashed", Tone: ui.Quiet},
	}[c.State]
	if st.Icon == "" {
		st = unknownState(string(c.State))
	}
	st.Word = c.Word
	return st
}

func (s *site) integrations(r *Request) error {
	all, err := s.Connections.Overviews(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	view := listed(all, strings.TrimSpace(r.URL.Query().Get("q")))
	return r.Page(ui.Head{Title: "Integrations", Lead: "The systems that Margay gives access to, and the sites that are connected."}, nil, integrationsView(s.Registry.All(), view))
}

// connectionRows bounds how many connections the list shows at once.
const connectionRows = 100

// connectionList is the list of connections as it is shown.
type connectionList struct {
	search string
	all    int // there are
	found  int // hold the words
	rows   []connection.Overview
}

// listed returns the connections that hold all words: those that need somebody
// first, then by name.
func listed(all []connection.Overview, search string) connectionList {
	l := connectionList{search: search, all: len(all)}
	words := strings.Fields(strings.ToLower(search))
	var found []*connection.Overview
	for i := range all {
		if o := &all[i]; len(words) == 0 || holds(o, words) {
			found = append(found, o)
		}
	}
	l.found = len(found)
	slices.SortStableFunc(found, func(a, b *connection.Overview) int { return urgency(a) - urgency(b) })
	for _, o := range found[:min(connectionRows, l.found)] {
		l.rows = append(l.rows, *o)
	}
	return l
}

// holds says whether a connection is found by all words.
func holds(o *connection.Overview, words []string) bool {
	text := strings.ToLower(o.DisplayName + "\n" + o.Target.Host + "\n" + o.Settings["pat_name"] + "\n" + o.Condition.Word)
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

func urgency(o *connection.Overview) int {
	switch {
	case o.Condition.State == connection.StateNeedsAttention:
		return 0
	case o.Condition.State == connection.StateDegraded, o.Credential.Warning != "":
		return 1
	}
	return 2
}

// lastChecked is when a check was run last.
func lastChecked(o connection.Overview) time.Time {
	var last time.Time
	for _, c := range o.Checks {
		if c.At.After(last) {
			last = c.At
		}
	}
	return last
}

// form is the form of a connection as it stands.
type form struct {
	in     integration.Integration
	values integration.Settings // what was typed; of secrets nothing
	errs   ui.Errors
	lost   bool // a secret was typed and is not given back
	taken  integration.Target
}

// settingsOf reads the settings of a form. Absent is blank.
func settingsOf(r *Request, in integration.Integration) integration.Settings {
	out := integration.Settings{}
	for _, f := range in.Fields {
		out[f.Key] = r.PostFormValue(f.Key)
	}
	return out
}

// formErrors returns what is wrong with the fields of a form.
func formErrors(err error) (ui.Errors, bool) {
	errs, ok := ui.ErrorsOf(err)
	for i := range errs {
		errs[i].Field = strings.TrimPrefix(errs[i].Field, "settings.")
	}
	return errs, ok
}

// typed is a form with what was typed; secrets are not given back.
func typed(in integration.Integration, values integration.Settings, errs ui.Errors) form {
	f := form{in: in, values: integration.Settings{}, errs: errs}
	for _, field := range in.Fields {
		switch {
		case !field.Secret:
			f.values[field.Key] = values[field.Key]
		case values[field.Key] != "":
			f.lost = true
		}
	}
	if clean, err := in.Clean(f.values); err == nil {
		f.taken = in.TargetOf(clean)
	}
	if f.lost && len(errs) > 0 {
		f.errs = alsoSecrets(in, values, errs)
	}
	return f
}

// typeAgain is said at a secret that was typed and is not given back.
const typeAgain = "Type the secret again: it is never sent back to the browser."

// alsoSecrets adds to what is wrong that secrets must be typed again.
func alsoSecrets(in integration.Integration, values integration.Settings, errs ui.Errors) ui.Errors {
	errs = slices.Clone(errs)
	for _, field := range in.Fields {
		if field.Secret && values[field.Key] != "" && errs.Of(field.Key) == "" {
			errs = append(errs, ui.FieldError{Field: field.Key, Text: typeAgain})
		}
	}
	return errs
}

func (s *site) connectForm(r *Request) error {
	in, err := s.Registry.Get(r.Thing("kind"))
	if err != nil {
		return err
	}
	return s.showConnect(r, http.StatusOK, form{in: in, values: integration.Settings{}})
}

func (s *site) showConnect(r *Request, status int, f form) error {
	head := ui.Head{Title: f.in.Title, Lead: f.in.Beta, Beta: f.in.Beta, Back: []ui.Link{{Name: "Integrations", Href: "/integrations"}}}
	return r.PageAs(status, head, nil, connectView(f))
}

func (s *site) connect(r *Request) error {
	in, err := s.Registry.Get(r.Thing("kind"))
	if err != nil {
		return err
	}
	settings := settingsOf(r, in)
	c, err := s.Connections.Create(r.Context(), r.Actor, in.Kind, settings)
	if errs, ok := formErrors(err); ok {
		return s.showConnect(r, http.StatusUnprocessableEntity, typed(in, settings, errs))
	}
	if err != nil {
		return err
	}
	same, _, err := s.Connections.Same(r.Context(), r.Actor, in.Kind, c.Settings, c.ID)
	if err != nil { // it is made all the same
		s.Log.WarnContext(r.Context(), "a new connection was not compared with the others", "connection", c.ID, "error", err)
	}
	warning := connection.SameWarning(same)
	if warning != "" {
		warning = " " + warning
	}
	return r.Done("/connections/"+c.ID, "%s is connected. Run its checks to see that it works.%s%s", c.DisplayName, blanksRemoved(in, settings), warning)
}

// blanksRemoved says which fields came with blanks around what was typed.
func blanksRemoved(in integration.Integration, typed integration.Settings) string {
	var labels []string
	for _, f := range in.Fields {
		if v := strings.TrimSpace(typed[f.Key]); v != "" && v != typed[f.Key] {
			labels = append(labels, f.Label)
		}
	}
	if len(labels) == 0 {
		return ""
	}
	return " Blanks around it were removed: " + strings.Join(labels, ", ") + "."
}

// lookAtAddress says where calls would go with what was typed so far.
func (s *site) lookAtAddress(r *Request) error {
	in, err := s.Registry.Get(r.Thing("kind"))
	if err != nil {
		return err
	}
	settings := settingsOf(r, in)
	clean, err := in.Clean(settings)
	if errs, ok := formErrors(err); ok {
		return r.Render(http.StatusOK, addressView(integration.Target{}, "", errs[0].Text, nil))
	}
	if err != nil {
		return err
	}
	taken := ""
	for _, f := range in.Fields {
		if !f.Secret && strings.TrimSpace(settings[f.Key]) == "" && clean[f.Key] != "" {
			taken = f.Label + " is taken from the address that was pasted: " + clean[f.Key]
		}
	}
	same, place, err := s.Connections.Same(r.Context(), r.Actor, in.Kind, clean, "")
	if err != nil {
		return err
	}
	return r.Render(http.StatusOK, addressView(in.TargetOf(clean), taken, "", append(same, place...)))
}

// tested shows how checks with settings that are not stored went.
func tested(r *Request, reports []connection.CheckReport, err error) error {
	if errs, ok := formErrors(err); ok {
		p := r.proof(errs)
		if p.wrong == "" {
			return r.Render(http.StatusOK, testView(nil, errs))
		}
		return r.Render(http.StatusOK, templ.Join(testView(nil, errs), proofAsked(p)))
	}
	if err != nil {
		f := fault.Public(err)
		return r.Render(http.StatusOK, testView(nil, ui.Errors{{Text: f.Message}, {Text: f.Hint}}))
	}
	return r.Render(http.StatusOK, testView(reports, nil))
}

func (s *site) testConnect(r *Request) error {
	in, err := s.Registry.Get(r.Thing("kind"))
	if err != nil {
		return err
	}
	reports, err := s.Connections.Try(r.Context(), r.Actor, in.Kind, settingsOf(r, in))
	return tested(r, reports, err)
}

func (s *site) overview(r *Request) (connection.Overview, error) {
	return s.Connections.Overview(r.Context(), r.Actor, r.Thing("id"))
}

func back(o connection.Overview) []ui.Link {
	return []ui.Link{{Name: "Integrations", Href: "/integrations"}, {Name: o.DisplayName, Href: "/connections/" + o.ID}}
}

func (s *site) connection(r *Request) error {
	o, err := s.overview(r)
	if err != nil {
		return err
	}
	head := ui.Head{Title: o.DisplayName, Lead: o.Target.String(), Beta: o.Integration.Beta, Back: []ui.Link{{Name: "Integrations", Href: "/integrations"}}}
	waiting, err := s.waitingRuns(r, o.ID)
	if err != nil {
		return err
	}
	use, err := s.Connections.Use(r.Context(), r.Actor, o.ID)
	if err != nil {
		return err
	}
	return r.Page(head, connectionActs(o), connectionView(o, waiting, use))
}

// waitingShown bounds how many of the runs that wait for a connection are shown.
const waitingShown = 5

// waitingRuns returns the runs that wait for a connection, those that were
// refused first.
func (s *site) waitingRuns(r *Request, id string) ([]workflow.Listed, error) {
	return s.Workflows.List(r.Context(), r.Actor, workflow.RunFilter{
		Connection: id, States: []workflow.RunState{workflow.RunRetrying, workflow.RunWaiting, workflow.RunQueued}, Limit: waitingShown + 1,
	})
}

// runChecks runs one check or all. With script the page follows them by its live
// part; without, it comes back when they are done.
func (s *site) runChecks(r *Request) error {
	o, err := s.overview(r)
	if err != nil {
		return err
	}
	only := r.Value("only")
	var keys []string
	if only != "" {
		if _, err := o.Integration.Check(only); err != nil {
			return err
		}
		keys = []string{only}
	}
	if !r.Partial() {
		if _, err := s.Connections.Check(r.Context(), r.Actor, o.ID, keys...); err != nil {
			return err
		}
		return r.Done("/connections/"+o.ID+"#checks", "")
	}
	run, err := s.Connections.BeginChecks(r.Context(), r.Actor, o.ID, keys...)
	if err != nil && fault.KindOf(err) != fault.Forbidden {
		s.Log.WarnContext(r.Context(), "checks did not begin", "connection", o.ID, "error", err) // the page tells of it
	} else if err != nil {
		return err
	}
	if run != nil {
		ctx := context.WithoutCancel(r.Context())
		go func() {
			if _, err := run(ctx); err != nil {
				s.Log.WarnContext(ctx, "checks did not end well", "connection", o.ID, "error", err)
			}
		}()
	}
	r.w.Header().Set("HX-Trigger", "margay:look")
	r.w.WriteHeader(http.StatusNoContent)
	return nil
}

// edits is the form of an edit as it stands.
type edits struct {
	form
	o     connection.Overview
	plan  *connection.Plan
	proof proof
	clash *fault.Error // somebody saved it meanwhile
}

// siteChoice is the field that says in words whether there is a site: blank is
// never an accident.
const siteChoice = "site_choice"

// seenTarget is the field with the target that the form has told of: nobody moves
// a connection without having seen where to.
const seenTarget = "seen_target"

// editOf reads the form of an edit. For a field whose blank is saved, the choice
// beside it decides.
func editOf(r *Request, in integration.Integration) (connection.Edit, ui.Errors) {
	e := connection.Edit{Settings: settingsOf(r, in)}
	e.Version, _ = strconv.Atoi(r.Value("version")) // 0 when it is not there: whatever is stored
	e.Agreed = r.Value("agree") == "true"
	var errs ui.Errors
	for _, f := range in.Fields {
		if f.KeepBlank {
			continue
		}
		switch r.Value(siteChoice) {
		case "default":
			e.Settings[f.Key] = ""
		case "named":
			if strings.TrimSpace(e.Settings[f.Key]) != "" {
				continue
			}
			if clean, err := in.Clean(e.Settings); err == nil { // of an address that was pasted
				e.Settings[f.Key] = clean[f.Key]
			}
			if e.Settings[f.Key] == "" {
				errs = append(errs, ui.FieldError{Field: f.Key, Text: "Type the " + f.Label + ", or choose the Default site."})
			}
		}
	}
	return e, errs
}

func (s *site) editForm(r *Request) error {
	o, err := s.overview(r)
	if err != nil {
		return err
	}
	return s.showEdit(r, http.StatusOK, edits{form: form{in: o.Integration, values: o.Settings, taken: o.Target}, o: o})
}

func (s *site) showEdit(r *Request, status int, e edits) error {
	e.proof = r.proof(e.errs)
	return r.PageAs(status, ui.Head{Title: "Edit connection", Beta: e.in.Beta, Back: back(e.o)}, nil, editView(e))
}

func (s *site) edit(r *Request) error {
	o, err := s.overview(r)
	if err != nil {
		return err
	}
	e, errs := editOf(r, o.Integration)
	view := edits{form: typed(o.Integration, e.Settings, errs), o: o}
	if len(errs) > 0 {
		return s.showEdit(r, http.StatusUnprocessableEntity, view)
	}
	var plan connection.Plan
	if err = s.prove(r); err == nil {
		plan, err = s.Connections.Preview(r.Context(), r.Actor, o.ID, e)
	}
	if err == nil && plan.Moves && (r.Value(seenTarget) != plan.Target.String() || plan.Use.LiveGrants > 0 && !e.Agreed) {
		view.plan = &plan
		return s.showEdit(r, http.StatusUnprocessableEntity, view)
	}
	var c connection.Connection
	if err == nil {
		c, err = s.Connections.Update(r.Context(), r.Actor, o.ID, e)
	}
	if errs, ok := formErrors(err); ok {
		view.errs = alsoSecrets(o.Integration, e.Settings, errs)
		return s.showEdit(r, http.StatusUnprocessableEntity, view)
	}
	if f := fault.Public(err); err != nil && f.Code == "conflict" {
		view.clash = f
		return s.showEdit(r, http.StatusConflict, view)
	}
	if err != nil {
		return err
	}
	if len(plan.Changes) == 0 {
		return r.Done("/connections/"+c.ID, "Nothing was changed.")
	}
	return r.Done("/connections/"+c.ID, "Saved. Run the checks to see that it works.%s", blanksRemoved(o.Integration, e.Settings))
}

func (s *site) planEdit(r *Request) error {
	o, err := s.overview(r)
	if err != nil {
		return err
	}
	e, errs := editOf(r, o.Integration)
	if len(errs) > 0 {
		return r.Render(http.StatusOK, testView(nil, errs))
	}
	plan, err := s.Connections.Preview(r.Context(), r.Actor, o.ID, e)
	if err != nil {
		return tested(r, nil, err)
	}
	return r.Render(http.StatusOK, planView(plan))
}

func (s *site) testEdit(r *Request) error {
	o, err := s.overview(r)
	if err != nil {
		return err
	}
	e, errs := editOf(r, o.Integration)
	if len(errs) > 0 {
		return r.Render(http.StatusOK, testView(nil, errs))
	}
	var reports []connection.CheckReport
	if err = s.prove(r); err == nil {
		reports, err = s.Connections.TryEdit(r.Context(), r.Actor, o.ID, e)
	}
	return tested(r, reports, err)
}

func (s *site) rotateForm(r *Request) error {
	o, err := s.overview(r)
	if err != nil {
		return err
	}
	return s.showRotate(r, http.StatusOK, edits{form: form{in: o.Integration, values: o.Settings}, o: o}, nil)
}

func (s *site) showRotate(r *Request, status int, e edits, trouble *fault.Error) error {
	e.proof = r.proof(e.errs)
	head := ui.Head{Title: "Rotate the token", Lead: "The new token is tried before the old one is dropped: when " + e.in.Name + " refuses it, nothing changes.", Back: back(e.o)}
	return r.PageAs(status, head, nil, rotateView(e, trouble, r.ID))
}

func (s *site) rotate(r *Request) error {
	o, err := s.overview(r)
	if err != nil {
		return err
	}
	e := connection.Edit{Settings: integration.Settings{}}
	e.Version, _ = strconv.Atoi(r.Value("version"))
	for _, f := range o.Integration.Fields {
		if f.Credential {
			e.Settings[f.Key] = r.PostFormValue(f.Key)
		}
	}
	var c connection.Connection
	if err = s.prove(r); err == nil {
		c, err = s.Connections.Rotate(r.Context(), r.Actor, o.ID, e)
	}
	view := edits{form: typed(o.Integration, e.Settings, nil), o: o}
	if errs, ok := formErrors(err); ok {
		view.errs = alsoSecrets(o.Integration, e.Settings, errs)
		return s.showRotate(r, http.StatusUnprocessableEntity, view, nil)
	}
	if f := fault.Public(err); err != nil && f.Kind != fault.Internal && f.Kind != fault.Forbidden {
		status := http.StatusBadGateway
		if f.Kind == fault.Conflict {
			status = http.StatusConflict
		}
		return s.showRotate(r, status, view, f)
	}
	if err != nil {
		return err
	}
	return r.Done("/connections/"+c.ID, "The new token is in use. Now revoke the old one in %s: nothing uses it any more.", o.Integration.Name)
}

func deletion(o connection.Overview, wrong string) ui.Question {
	return ui.Question{
		ID: "delete", Title: "Delete this connection?", Name: o.DisplayName, Action: "/connections/" + o.ID + "/delete", Button: "Delete connection", Busy: "Deleting…",
		Effect: "The connection and its sealed secret are removed. The token stays in " + o.Integration.Name + ": revoke it there.", Back: "/connections/" + o.ID, Error: wrong,
		Command: "margay connection delete " + o.ID,
	}
}

// retirement asks before a connection is put out of use for good.
func retirement(o connection.Overview, wrong string) ui.Question {
	return ui.Question{
		ID: "retire", Title: "Retire this connection?", Name: o.DisplayName, Action: "/connections/" + o.ID + "/retire", Button: "Retire connection", Busy: "Retiring…",
		Effect: "Its sealed secret is removed and nothing is sent over it any more. What was given through it can still be read. The token stays in " + o.Integration.Name + ": revoke it there.",
		Back:   "/connections/" + o.ID, Error: wrong, Command: "margay connection retire " + o.ID,
	}
}

// ending is how a connection is put an end to: deleted or retired.
type ending struct {
	head  string
	ask   func(o connection.Overview, wrong string) ui.Question
	end   func(r *Request, o connection.Overview) error
	after func(o connection.Overview) (page, said string)
}

func (s *site) deletion() ending {
	return ending{
		"Delete connection", deletion,
		func(r *Request, o connection.Overview) error {
			return s.Connections.Delete(r.Context(), r.Actor, o.ID, o.DisplayName)
		},
		func(o connection.Overview) (string, string) { return "/integrations", o.DisplayName + " is deleted." },
	}
}

func (s *site) retirement() ending {
	return ending{
		"Retire connection", retirement,
		func(r *Request, o connection.Overview) error {
			_, err := s.Connections.Retire(r.Context(), r.Actor, o.ID, o.DisplayName)
			return err
		},
		func(o connection.Overview) (string, string) {
			return "/connections/" + o.ID, "Retired: its secret is removed, and nothing is sent over it."
		},
	}
}

func (s *site) deleteForm(r *Request) error       { return s.endForm(r, s.deletion()) }
func (s *site) deleteConnection(r *Request) error { return s.end(r, s.deletion()) }
func (s *site) retireForm(r *Request) error       { return s.endForm(r, s.retirement()) }
func (s *site) retireConnection(r *Request) error { return s.end(r, s.retirement()) }

// endForm asks, or says what stands in the way.
func (s *site) endForm(r *Request, e ending) error {
	o, err := s.overview(r)
	if err != nil {
		return err
	}
	head := ui.Head{Title: e.head, Back: back(o)}
	use, err := s.Connections.Use(r.Context(), r.Actor, o.ID)
	if err != nil {
		return err
	}
	if use.Needed() || e.head == "Delete connection" && use.Grants > 0 {
		return r.Page(head, nil, neededPage(o, use))
	}
	return r.Page(head, nil, ui.AskPage(e.ask(o, "")))
}

func (s *site) end(r *Request, e ending) error {
	o, err := s.overview(r)
	if err != nil {
		return err
	}
	head := ui.Head{Title: e.head, Back: back(o)}
	if !r.Confirmed(o.DisplayName) {
		return r.PageAs(http.StatusUnprocessableEntity, head, nil, ui.AskPage(e.ask(o, "That is not the name of this connection.")))
	}
	if err = s.prove(r); err == nil {
		err = e.end(r, o)
	}
	if errs, ok := formErrors(err); ok {
		return r.askAgain(head, e.ask(o, errs.Of("confirm")), errs)
	}
	if fault.Public(err).Code == "in_use" { // since the page was read
		use, lost := s.Connections.Use(r.Context(), r.Actor, o.ID)
		if lost != nil {
			return lost
		}
		return r.PageAs(http.StatusConflict, head, nil, neededPage(o, use))
	}
	if err != nil {
		return err
	}
	page, said := e.after(o)
	return r.Done(page, "%s", said)
}

func (s *site) pauseConnection(r *Request) error {
	c, err := s.Connections.Pause(r.Context(), r.Actor, r.Thing("id"))
	if err != nil {
		return err
	}
	return r.Done("/connections/"+c.ID, "Paused: nothing is sent over it until it is resumed.")
}

func (s *site) resumeConnection(r *Request) error {
	c, err := s.Connections.Resume(r.Context(), r.Actor, r.Thing("id"))
	if err != nil {
		return err
	}
	return r.Done("/connections/"+c.ID, "Resumed.")
}

// inputOf is a field of a connection's form.
func inputOf(f integration.Field, form form, note string) ui.Field {
	out := ui.Field{Name: f.Key, Label: f.Label, Help: f.Help, Value: form.values[f.Key], Optional: !f.Required, Error: form.errs.Of(f.Key)}
	if note != "" {
		out.Help, out.Optional = note, true
	}
	if f.Secret && form.lost && out.Error == "" {
		out.Error = typeAgain
	}
	out.Attrs = templ.Attributes{"spellcheck": "false", "autocapitalize": "none"}
	if f.Example != "" {
		out.Attrs["placeholder"] = f.Example
	}
	return out
}

// since is when and by whom a secret was set.
func since(o connection.Overview) string {
	if o.Credential.SetAt.IsZero() {
		return ""
	}
	return "set " + o.Credential.SetAt.UTC().Format("2 Jan 2006") + " by " + o.Credential.SetBy.String()
}

func checkState(c connection.CheckReport) ui.State {
	if c.Pass {
		return ui.State{Word: "Pass", Icon: "circle-check", Tone: ui.Good}
	}
	return ui.State{Word: "Fail", Icon: "circle-x", Tone: ui.Bad}
}

// checksSaid says in one line how the checks of a connection stand: what is read
// out when that changes.
func checksSaid(o connection.Overview) string {
	if n := o.Running(); n > 0 {
		return fmt.Sprintf("%d of %d checks %s. You can leave this page: they go on.", n, len(o.Integration.Checks), map[bool]string{true: "is running", false: "are running"}[n == 1])
	}
	return o.Condition.Sentence
}

// checkTook says how long a check took.
func checkTook(r connection.CheckReport) string {
	text := fmt.Sprintf("%d ms", r.Duration.Milliseconds())
	if r.Waited > 0 {
		text += fmt.Sprintf(", after a wait of %d s", int(r.Waited.Round(time.Second).Seconds()))
	}
	return text
}

// report returns the last result of a check.
func report(o connection.Overview, key string) (connection.CheckReport, bool) {
	for _, c := range o.Checks {
		if c.Key == key {
			return c, true
		}
	}
	return connection.CheckReport{}, false
}

// failing says whether a check failed when it was run last.
func failing(o connection.Overview) bool {
	return slices.ContainsFunc(o.Checks, func(c connection.CheckReport) bool { return !c.Pass })
}

// asText is a check's result to copy: no secret is in it.
func asText(o connection.Overview, c connection.CheckReport) string {
	lines := []string{c.Name, map[bool]string{true: "Pass", false: "Fail"}[c.Pass] + ": " + c.Message}
	for _, l := range []string{c.Detail, c.Hint} {
		if l != "" {
			lines = append(lines, l)
		}
	}
	return strings.Join(append(lines, o.Target.String(), o.ID, c.At.UTC().Format(time.RFC3339)), "\n")
}

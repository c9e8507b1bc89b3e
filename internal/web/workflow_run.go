package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/web/ui"
	"github.com/margay-access/margay/internal/workflow"
)

// inputForm is the form that a workflow's JSON schema of inputs draws, with what
// was typed.
type inputForm struct {
	fields []workflow.Input
	typed  url.Values // nil: the defaults
	errs   ui.Errors
}

// inputName is the name of an input's field in a form, as faults name it.
func inputName(in workflow.Input) string { return "inputs." + in.Name }

// value is what a field shows.
func (f inputForm) value(in workflow.Input) string {
	if f.typed != nil {
		return f.typed.Get(inputName(in))
	}
	return defaultText(in.Default)
}

// defaultText is a default as it is typed.
func defaultText(text json.RawMessage) string {
	var list []string
	if json.Unmarshal(text, &list) == nil {
		return strings.Join(list, "\n")
	}
	var s string
	if json.Unmarshal(text, &s) == nil {
		return s
	}
	return string(text)
}

// field is an input as a field of a form.
func (f inputForm) field(in workflow.Input) ui.Field {
	name := inputName(in)
	out := ui.Field{Name: name, Label: in.Label(), Help: in.Description, Optional: !in.Required, Value: f.value(in), Error: f.errs.Of(name), Attrs: templ.Attributes{}}
	switch {
	case in.Type == "number" || in.Type == "integer":
		out.Type, out.Attrs["step"] = "number", "any"
		if in.Type == "integer" {
			out.Attrs["step"] = "1"
		}
		if in.Minimum != nil {
			out.Attrs["min"] = strconv.FormatFloat(*in.Minimum, 'f', -1, 64)
		}
		if in.Maximum != nil {
			out.Attrs["max"] = strconv.FormatFloat(*in.Maximum, 'f', -1, 64)
		}
	case in.Type == "array" && out.Help == "":
		out.Help = "One a line."
	case in.Format == "email" || in.Format == "date":
		out.Type = in.Format
	}
	return out
}

func (f inputForm) options(in workflow.Input) []ui.Option {
	var options []ui.Option
	if !in.Required {
		options = append(options, ui.Option{Label: "–"})
	}
	for _, e := range in.Enum {
		options = append(options, ui.Option{Value: e, Label: e})
	}
	return options
}

// read turns what was typed into the inputs of a run. What is not of its type
// stays a text, and the service says so.
func (f inputForm) read() (json.RawMessage, error) {
	inputs := map[string]any{}
	for _, in := range f.fields {
		text := strings.ReplaceAll(f.typed.Get(inputName(in)), "\r\n", "\n")
		switch in.Type {
		case "boolean":
			inputs[in.Name] = text == "true"
		case "array":
			list := []string{}
			for line := range strings.SplitSeq(text, "\n") {
				if line = strings.TrimSpace(line); line != "" {
					list = append(list, line)
				}
			}
			if len(list) > 0 || in.Required {
				inputs[in.Name] = list
			}
		case "number", "integer":
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			inputs[in.Name] = text
			if json.Valid([]byte(text)) {
				inputs[in.Name] = json.RawMessage(text)
			}
		default:
			if text != "" || in.Required {
				inputs[in.Name] = text
			}
		}
	}
	return json.Marshal(inputs)
}

func (s *site) runForm(r *Request) error {
	v, err := s.workflowSheet(r)
	if err != nil {
		return err
	}
	if v.mayRun != nil {
		return v.mayRun
	}
	return s.showRunForm(r, http.StatusOK, v, inputForm{})
}

func (s *site) showRunForm(r *Request, status int, v workflowSheet, f inputForm) error {
	f.fields = v.published.InputFields()
	head := ui.Head{Title: "Run " + v.Name, Lead: v.Description}
	if v.admin {
		head.Back = v.below()
	}
	return r.PageAs(status, head, nil, runFormView(v, f))
}

func (s *site) runWorkflow(r *Request) error {
	v, err := s.workflowSheet(r)
	if err != nil {
		return err
	}
	f := inputForm{fields: v.published.InputFields(), typed: r.PostForm}
	inputs, err := f.read()
	if err != nil {
		return err
	}
	run, err := s.Workflows.Start(r.Context(), r.Actor, v.ID, inputs)
	if errs, ok := ui.ErrorsOf(err); ok {
		f.errs = errs
		return s.showRunForm(r, http.StatusUnprocessableEntity, v, f)
	}
	if err != nil {
		return err
	}
	return r.Done("/runs/"+run.ID, "It runs. This page follows it.")
}

// trialForm is a test run: with whom it is made, and what came of it.
type trialForm struct {
	workflowSheet
	person, role, connection, argument string
	inputs                             inputForm
	roles                              []ui.Option
	choices                            []ui.Option // connections
	report                             *workflow.TrialReport
	trouble                            *fault.Error
	errs                               ui.Errors
}

// forGrant says whether the test is made with a person and a role.
func (f trialForm) forGrant() bool {
	return f.Type == workflow.AccessProvisioning || f.Type == workflow.AccessDeprovisioning
}

// what is tested, in words.
func (f trialForm) what() string {
	if f.draft != nil {
		return "the draft"
	}
	return "the published version"
}

// content is what is tested.
func (f trialForm) content() workflow.Content {
	if f.draft != nil {
		return f.draft.Content
	}
	return f.published.Content()
}

func (s *site) trialForm(r *Request) (trialForm, error) {
	v, err := s.workflowSheet(r)
	if err != nil {
		return trialForm{}, err
	}
	f := trialForm{workflowSheet: v, connection: v.Connection}
	f.inputs.fields = f.content().InputFields()
	if f.choices, err = s.connectionOptions(r, v.Integration); err != nil {
		return f, err
	}
	if f.Type == workflow.CustomApproval {
		f.argument = f.askedExample(r)
	}
	if !f.forGrant() {
		return f, nil
	}
	list, err := s.Connections.List(r.Context(), r.Actor)
	if err != nil {
		return f, err
	}
	for _, a := range v.dir.appsByName() {
		if !slices.ContainsFunc(list, func(c connection.Connection) bool { return c.ID == a.Connection && c.Integration == v.Integration }) {
			continue
		}
		roles, err := s.Access.Roles(r.Context(), a.ID)
		if err != nil {
			return f, err
		}
		for _, role := range roles {
			f.roles = append(f.roles, ui.Option{Value: string(role.ID), Label: short(role.Name) + " in " + short(a.Name)})
		}
	}
	return f, nil
}

func (s *site) testForm(r *Request) error {
	f, err := s.trialForm(r)
	if err != nil {
		return err
	}
	return s.showTrial(r, http.StatusOK, f)
}

func (s *site) showTrial(r *Request, status int, f trialForm) error {
	head := ui.Head{Title: "Test run", Lead: "Runs " + f.what() + ": reads are made, every change is held back and shown.", Back: f.below()}
	return r.PageAs(status, head, nil, trialView(f))
}

func (s *site) testWorkflow(r *Request) error {
	f, err := s.trialForm(r)
	if err != nil {
		return err
	}
	f.person, f.role, f.argument = r.Value("person"), r.Value("role"), r.Value("argument")
	if c := r.Value("connection_id"); c != "" {
		f.connection = c
	}
	f.inputs.typed = r.PostForm
	t := workflow.Trial{Workflow: f.ID, Connection: f.connection}
	switch {
	case f.forGrant():
		if t.Person = f.dir.find(f.person); f.person != "" && t.Person == "" {
			f.errs = ui.Errors{{Field: "person", Text: "Nobody is called so. Write a part of the name or the e-mail address."}}
			return s.showTrial(r, http.StatusUnprocessableEntity, f)
		}
		t.Role, t.Connection = f.role, "" // that of the role's app
	case f.Type == workflow.CustomApproval:
		t.Argument = json.RawMessage(f.argument)
		if !json.Valid(t.Argument) {
			f.errs = ui.Errors{{Field: "argument", Text: "This is not JSON."}}
			return s.showTrial(r, http.StatusUnprocessableEntity, f)
		}
	default:
		if t.Argument, err = f.told(r); err != nil {
			errs, ok := ui.ErrorsOf(err)
			if !ok {
				return err
			}
			f.inputs.errs = errs
			return s.showTrial(r, http.StatusUnprocessableEntity, f)
		}
	}
	report, err := s.Runs.Try(r.Context(), r.Actor, t)
	if errs, ok := ui.ErrorsOf(err); ok {
		f.errs = renamed(errs, map[string]string{"person_id": "person", "role_id": "role"})
		return s.showTrial(r, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		if public := fault.Public(err); public.Kind != fault.Internal && public.Kind != fault.Forbidden {
			f.trouble = public // the page says so and keeps what was asked for
			return s.showTrial(r, http.StatusOK, f)
		}
		return err
	}
	f.report = &report
	return s.showTrial(r, http.StatusOK, f)
}

// renamed gives errors the names that a form's fields have.
func renamed(errs ui.Errors, names map[string]string) ui.Errors {
	for i, e := range errs {
		if name, ok := names[e.Field]; ok {
			errs[i].Field = name
		}
	}
	return errs
}

// told is what a manual or scheduled workflow is told in a test run.
func (f trialForm) told(r *Request) (json.RawMessage, error) {
	argument := map[string]any{
		"run":      map[string]any{"id": "test", "kind": string(f.Type), "attempt": 1},
		"workflow": map[string]any{"id": f.ID, "name": f.Name, "version": f.published.Number},
	}
	if f.Type == workflow.Scheduled {
		argument["scheduledFor"] = r.Now.UTC()
		return json.Marshal(argument)
	}
	given, err := f.inputs.read()
	if err != nil {
		return nil, err
	}
	inputs, err := workflow.Version{Inputs: f.content().Inputs}.CheckInputs(given)
	if err != nil {
		return nil, err
	}
	me := f.dir.people[r.Actor.Person]
	argument["person"] = map[string]any{"id": string(me.ID), "email": me.Email, "name": me.Name}
	argument["inputs"] = inputs
	return json.Marshal(argument)
}

// askedExample is a request as a custom approval is told of it, to begin a test
// with.
func (f trialForm) askedExample(r *Request) string {
	role, app := "Creator", "Tableau"
	if apps := f.dir.appsByName(); len(apps) > 0 {
		app = apps[0].Name
	}
	me := f.dir.people[r.Actor.Person]
	person := map[string]any{"id": string(me.ID), "email": me.Email, "name": me.Name}
	text, err := json.Marshal(map[string]any{
		"run": map[string]any{"id": "test", "kind": "approve", "attempt": 1}, "person": person, "requester": person,
		"app": map[string]any{"id": "test", "name": app}, "role": map[string]any{"id": "test", "name": role},
		"request": map[string]any{"id": "test", "reason": "A test run.", "seconds": 28800, "createdAt": r.Now.UTC(), "step": 1, "approvals": []any{}},
	})
	if err != nil {
		return "{}"
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return "{}"
	}
	return out.String()
}

// names are the addresses that are offered while one types.
func (f trialForm) names() []string {
	var out []string
	for _, p := range f.dir.enabled() {
		out = append(out, p.Email)
		if len(out) == 200 {
			break
		}
	}
	return out
}

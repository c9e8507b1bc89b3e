package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/web/ui"
)

func (s *site) consolePages() {
	s.get("/connections/{id}/console", administrators, s.consoleForm)
	s.post("/connections/{id}/console", administrators, s.sendCall)
}

// console is the API console as it stands.
type console struct {
	o       connection.Overview
	use     integration.Method // of the catalogue, with a field per parameter; zero: any call
	params  url.Values         // what was typed into them
	method  string
	path    string
	query   string // name=value lines
	body    string
	found   []integration.Method // by the words of search
	search  string
	errs    ui.Errors
	confirm bool // a change is asked about
	command string
	status  int
	answer  string
	headers []string
	trouble *fault.Error
	write   bool
}

var consoleMethods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// maxFound bounds how many methods of the catalogue are shown.
const maxFound = 12

func (s *site) consoleForm(r *Request) error {
	o, err := s.overview(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	c := console{o: o, method: q.Get("method"), path: q.Get("path"), query: q.Get("query"), search: strings.TrimSpace(q.Get("q")), write: mayWrite(r.Actor)}
	if name := q.Get("name"); name != "" {
		if c.use, err = methodNamed(o, name); err != nil {
			return err
		}
	}
	if !slices.Contains(consoleMethods, c.method) {
		c.method = http.MethodGet
	}
	if c.search != "" {
		c.found = o.Integration.Methods(c.search)
	}
	return s.showConsole(r, http.StatusOK, c)
}

func (s *site) showConsole(r *Request, status int, c console) error {
	head := ui.Head{Title: "API console", Lead: "Any call of the system’s API, with what the account behind the token may do.", Back: back(c.o)}
	return r.PageAs(status, head, nil, consoleView(c))
}

// sendCall sends what was typed. The host and the site are the connection's.
func (s *site) sendCall(r *Request) error {
	o, err := s.overview(r)
	if err != nil {
		return err
	}
	c := console{
		o: o, method: r.Value("method"), path: r.Value("path"), query: strings.TrimSpace(r.PostFormValue("query")), body: strings.TrimSpace(r.PostFormValue("body")), write: mayWrite(r.Actor),
	}
	if name := r.Value("name"); name != "" {
		if c.use, err = methodNamed(o, name); err != nil {
			return err
		}
		c.params = paramsOf(r, c.use)
	}
	call, errs := c.typed()
	if len(errs) > 0 {
		c.errs = errs
		return s.showConsole(r, http.StatusUnprocessableEntity, c)
	}
	c.command = s.Connections.Command(o.Connection, call)
	if call.Writes() && r.Value("confirmed") != "true" {
		c.confirm = true
		return s.showConsole(r, http.StatusUnprocessableEntity, c)
	}
	a, err := s.Connections.Call(r.Context(), r.Actor, o.ID, call)
	if f := fault.Public(err); err != nil && f.Kind != fault.Internal && f.Kind != fault.Forbidden {
		if f.Kind == fault.Invalid && c.use.Name == "" && (f.Field == "" || f.Field == "path") {
			c.errs = ui.Errors{{Field: "path", Text: f.Message}}
			return s.showConsole(r, http.StatusUnprocessableEntity, c)
		}
		c.trouble = f
		status := http.StatusBadGateway
		if f.Kind == fault.Invalid {
			status = http.StatusUnprocessableEntity
		}
		return s.showConsole(r, status, c)
	}
	if err != nil {
		return err
	}
	c.status, c.answer = a.Status, pretty(a.Body)
	for name := range a.Header {
		c.headers = append(c.headers, name+": "+a.Header.Get(name))
	}
	slices.Sort(c.headers)
	if again, err := s.overview(r); err == nil {
		c.o = again // with this call in its history
	}
	return s.showConsole(r, http.StatusOK, c)
}

// verb is the HTTP method of the call.
func (c console) verb() string {
	if c.use.Name != "" {
		return c.use.Verb
	}
	return c.method
}

// methodNamed returns a method of the catalogue.
func methodNamed(o connection.Overview, name string) (integration.Method, error) {
	for _, m := range o.Integration.Methods("") {
		if m.Name == name {
			return m, nil
		}
	}
	return integration.Method{}, fault.New(fault.NotFound, "%s has no method %q.", o.Integration.Name, name).WithCode("method_missing")
}

// param names the field of a parameter: none is called like a field of ours.
func param(name string) string { return "param-" + name }

// fieldsOf returns the parameters that have a field of their own; those with a name
// that is open, such as vf_{field}, are typed as name=value.
func fieldsOf(m integration.Method) (needed, optional []string, open bool) {
	for _, name := range m.Query {
		if strings.Contains(name, "{") {
			open = true
			continue
		}
		optional = append(optional, name)
	}
	return m.Params, optional, open
}

func paramsOf(r *Request, m integration.Method) url.Values {
	out := url.Values{}
	needed, optional, _ := fieldsOf(m)
	for _, name := range slices.Concat(needed, optional) {
		if value := r.Value(param(name)); value != "" {
			out.Set(name, value)
		}
	}
	return out
}

// typed reads what was typed: a call of any path, or the parameters of a method.
func (c console) typed() (integration.Call, ui.Errors) {
	if c.use.Name == "" {
		return c.call()
	}
	free := c
	free.path = "-" // of the method
	call, errs := free.call()
	for _, name := range c.use.Params {
		if c.params.Get(name) == "" {
			errs = append(errs, ui.FieldError{Field: param(name), Text: "It is needed: it is a part of the path."})
		}
	}
	if len(errs) > 0 {
		return call, errs
	}
	params := maps.Clone(c.params)
	maps.Copy(params, call.Query)
	bound, err := c.o.Integration.Bind(c.use.Name, params)
	if err != nil {
		return call, ui.Errors{{Text: fault.Public(err).Message}}
	}
	bound.Body = call.Body
	return bound, nil
}

// call reads a call of any path.
func (c console) call() (integration.Call, ui.Errors) {
	call := integration.Call{Method: c.method, Path: c.path, Query: url.Values{}, Body: []byte(c.body)}
	var errs ui.Errors
	if c.path == "" {
		errs = append(errs, ui.FieldError{Field: "path", Text: "Type a path, such as /sites/{siteId}/users."})
	}
	for line := range strings.Lines(c.query) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || name == "" {
			errs = append(errs, ui.FieldError{Field: "query", Text: "Write one parameter a line, as name=value."})
			break
		}
		call.Query.Add(name, value)
	}
	if strings.HasPrefix(c.body, "{") && !json.Valid(call.Body) {
		errs = append(errs, ui.FieldError{Field: "body", Text: "The body is not JSON."})
	}
	return call, errs
}

// pretty shows a body: JSON indented, other text as it is.
func pretty(body []byte) string {
	var b bytes.Buffer
	switch {
	case len(body) == 0:
		return ""
	case !utf8.Valid(body):
		return fmt.Sprintf("%d bytes that are no text; margay tableau call writes them to a file.", len(body))
	case json.Indent(&b, body, "", "  ") == nil:
		return b.String()
	}
	return string(body)
}

// again leads to the console with a call of the history filled in.
func again(o connection.Overview, c connection.Sent) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(c.Query)) {
		for _, v := range c.Query[name] {
			lines = append(lines, name+"="+v)
		}
	}
	q := url.Values{"method": {c.Method}, "path": {c.Path}, "query": {strings.Join(lines, "\n")}}
	return "/connections/" + o.ID + "/console?" + q.Encode()
}

// useMethod leads to the console with the fields of a method of the catalogue.
func useMethod(o connection.Overview, m integration.Method, search string) string {
	q := url.Values{"name": {m.Name}}
	if search != "" {
		q.Set("q", search)
	}
	return "/connections/" + o.ID + "/console?" + q.Encode()
}

// Package integrationtest is the suite that every integration passes.
//
// It holds an integration to what the rest of Margay takes for granted: a form
// that can be drawn, settings that come out the same however often they are
// cleaned, secrets that no sentence shows, checks that only read, actions that
// say what is wrong with their arguments, bundles that can be installed. It
// knows no system; the integration's own test gives it one to talk to.
package integrationtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
)

// Run holds in to the contract. The settings are those of a system that can be
// reached with env and whose checks all pass; env.Control is taken over.
func Run(t *testing.T, in integration.Integration, settings integration.Settings, env integration.Env) {
	t.Helper()
	s := suite{in: in, settings: settings, env: env}
	t.Run("names", s.names)
	t.Run("fields", s.fields)
	t.Run("description", s.description)
	t.Run("clean", s.clean)
	t.Run("secrets", s.secrets)
	t.Run("open sends nothing", s.open)
	t.Run("checks", s.checks)
	t.Run("checks without a way", s.blocked)
	t.Run("actions", s.actions)
	t.Run("call", s.call)
	t.Run("close", s.close)
	t.Run("bundles", s.bundles)
}

type suite struct {
	in       integration.Integration
	settings integration.Settings
	env      integration.Env
}

var (
	wordForm = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)
	fileForm = regexp.MustCompile(`^[a-z][a-z0-9-]*\.ts$`)
)

func (s suite) names(t *testing.T) {
	if !wordForm.MatchString(s.in.Kind) {
		t.Errorf("kind %q", s.in.Kind)
	}
	for what, text := range map[string]string{"name": s.in.Name, "summary": s.in.Summary, "title": s.in.Title} {
		if strings.TrimSpace(text) == "" {
			t.Errorf("it has no %s", what)
		}
	}
	unique(t, "role", s.in.Roles)
}

func unique(t *testing.T, what string, names []string) {
	t.Helper()
	seen := map[string]bool{}
	for _, n := range names {
		if n == "" || seen[n] {
			t.Errorf("%s %q is blank or stands there twice", what, n)
		}
		seen[n] = true
	}
}

func (s suite) fields(t *testing.T) {
	var keys, labels []string
	for _, f := range s.in.Fields {
		keys, labels = append(keys, f.Key), append(labels, f.Label)
		if !wordForm.MatchString(f.Key) || f.Help == "" {
			t.Errorf("field %q: its key is no word, or it has no help", f.Key)
		}
		if f.Required != (f.Missing != "") {
			t.Errorf("field %q: required %v, and when it is blank people read %q", f.Key, f.Required, f.Missing)
		}
		if f.Secret && !f.KeepBlank {
			t.Errorf("field %q: a secret is not shown, so one left blank on an edit must stay", f.Key)
		}
	}
	unique(t, "key", keys)
	unique(t, "label", labels)
	missing := s.in.Required(integration.Settings{})
	for _, f := range missing {
		if !strings.HasPrefix(f.Field, "settings.") || f.Kind != fault.Invalid {
			t.Errorf("missing: %+v", f)
		}
	}
	if n := len(slices.DeleteFunc(slices.Clone(s.in.Fields), func(f integration.Field) bool { return !f.Required })); n != len(missing) {
		t.Errorf("%d required fields, %d sentences", n, len(missing))
	}
}

// description is what forms, API, command line and documents are drawn from.
func (s suite) description(t *testing.T) {
	for _, f := range s.in.Fields {
		if f.Blank == "" {
			t.Errorf("field %q: nobody says what leaving it blank on an edit does", f.Key)
		}
	}
	var keys []string
	for _, c := range s.in.Checks {
		keys = append(keys, c.Key)
		if !wordForm.MatchString(c.Key) || c.NotProven == "" {
			t.Errorf("check %q: its key is no word, or nobody says what a pass does not prove", c.Key)
		}
		var texts []string
		ways := map[bool]int{}
		for _, say := range c.Sentences {
			texts = append(texts, say.Text)
			ways[say.Pass]++
			if say.Meaning == "" {
				t.Errorf("check %q: nobody says what %q means", c.Key, say.Text)
			}
		}
		unique(t, "sentence of "+c.Key, texts)
		if ways[true] == 0 || ways[false] == 0 {
			t.Errorf("check %q has %d sentences for a pass and %d for a failure", c.Key, ways[true], ways[false])
		}
		for _, which := range []string{c.Key, c.Name} {
			if got, err := s.in.Check(which); err != nil || got.Key != c.Key {
				t.Errorf("check %q is not found by %q: %v", c.Key, which, err)
			}
		}
	}
	unique(t, "key of a check", keys)
	for _, step := range s.in.Guide.Steps {
		if step.Title == "" || step.Text == "" {
			t.Errorf("a step of the guide is blank: %+v", step)
		}
	}
	for _, l := range s.in.Guide.Links {
		if l.Label == "" || !strings.HasPrefix(l.URL, "https://") {
			t.Errorf("link %+v", l)
		}
	}
	if i := s.in.Idle; (i.Ends > 0) != (i.Text != "") || i.Warn > i.Ends {
		t.Errorf("idle %+v", i)
	}
	for _, m := range s.in.Methods("") {
		if m.Name == "" || m.Verb == "" || !strings.HasPrefix(m.Path, "/") {
			t.Errorf("method %+v", m)
		}
	}
	if _, err := s.in.Bind("no-such-method", nil); err == nil || fault.Public(err).Hint == "" && s.in.Catalogue.Bind != nil {
		t.Errorf("a method that there is not: %v", err)
	}
}

func (s suite) clean(t *testing.T) {
	before := maps.Clone(s.settings)
	once, err := s.in.Clean(s.settings)
	if err != nil {
		t.Fatalf("good settings: %v", err)
	}
	if !maps.Equal(before, s.settings) {
		t.Error("Clean changed what it was given")
	}
	twice, err := s.in.Clean(once)
	if err != nil || !maps.Equal(once, twice) {
		t.Errorf("cleaned twice they are others (%v)", err)
	}
	if n := len(s.in.Required(once)); n != 0 {
		t.Errorf("%d fields are missing after Clean", n)
	}
	for _, nothing := range []integration.Settings{nil, {}} {
		if _, err := s.in.Clean(nothing); err != nil {
			t.Errorf("blank settings are for Required to refuse: %v", err)
		}
	}
	for _, f := range s.in.Fields {
		for what, bad := range map[string]string{"a line break": "a\r\nb", "a NUL": "a\x00b", "100 kB": strings.Repeat("a", 100_000)} {
			spoilt := maps.Clone(s.settings)
			spoilt[f.Key] = bad
			_, err := s.in.Clean(spoilt)
			at := fault.Public(err).Fields()
			if !errors.Is(err, fault.Invalid) || len(at) != 1 || at[0].Field != "settings."+f.Key {
				t.Errorf("%s in %s: %v", what, f.Key, err)
			}
		}
	}
}

// secrets are never in a name, a sentence or a print.
func (s suite) secrets(t *testing.T) {
	var all []string
	for _, f := range s.in.Fields {
		if f.Secret {
			all = append(all, s.settings[f.Key])
		}
	}
	texts := map[string]string{
		"display name": s.in.DisplayName(s.settings), "settings, printed": fmt.Sprintf("%v %+v %#v %s %q", s.settings, s.settings, s.settings, s.settings, s.settings),
	}
	if texts["display name"] == "" {
		t.Error("a connection has no name")
	}
	for _, f := range s.in.Fields {
		spoilt := maps.Clone(s.settings)
		spoilt[f.Key] += "\x00"
		_, err := s.in.Clean(spoilt)
		texts["refusal of "+f.Key] = fmt.Sprintf("%v %+v", err, err)
	}
	client, err := s.in.Open(s.settings, s.env)
	if err != nil {
		t.Fatal(err)
	}
	defer s.end(t, client)
	texts["client, printed"] = fmt.Sprintf("%v %+v %#v", client, client, client)
	for where, text := range texts {
		for _, secret := range all {
			if secret != "" && strings.Contains(text, secret) {
				t.Errorf("a secret stands in the %s", where)
			}
		}
	}
}

func (s suite) end(t *testing.T, c integration.Client) {
	t.Helper()
	if err := c.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("close: %v", err)
	}
}

func (s suite) open(t *testing.T) {
	var dials atomic.Int64
	env := s.env
	env.Control = func(string, string, syscall.RawConn) error { dials.Add(1); return nil }
	client, err := s.in.Open(s.settings, env)
	if err != nil {
		t.Fatal(err)
	}
	release := client.Hold(t.Context())
	release()
	release() // more than once does no harm
	s.end(t, client)
	if n := dials.Load(); n != 0 {
		t.Errorf("%d connections for nothing", n)
	}
}

// traced collects the exchanges of calls with the system.
type traced struct {
	mu   sync.Mutex
	list []integration.Trace
}

func (r *traced) in(ctx context.Context) context.Context {
	return integration.WithTrace(ctx, func(t integration.Trace) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.list = append(r.list, t)
	})
}

func (r *traced) all() []integration.Trace {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

func (s suite) checks(t *testing.T) {
	client, err := s.in.Open(s.settings, s.env)
	if err != nil {
		t.Fatal(err)
	}
	defer s.end(t, client)
	var names []string
	for _, c := range s.in.Checks {
		names = append(names, c.Name)
		var seen traced
		r := c.Run(seen.in(t.Context()), client, s.settings)
		if !r.Pass || r.Message == "" || c.Help == "" {
			t.Errorf("%s: %+v, help %q", c.Name, r, c.Help)
		}
		calls := 0
		for _, e := range seen.all() {
			if e.Kind != "call" {
				continue
			}
			calls++
			if e.Method != http.MethodGet && e.Method != http.MethodHead {
				t.Errorf("%s sends %s %s: a check only reads", c.Name, e.Method, e.Path)
			}
		}
		if calls == 0 {
			t.Errorf("%s tells its observer of no call", c.Name)
		}
	}
	unique(t, "check", names)
}

// blocked runs the checks on a machine that may dial nothing.
func (s suite) blocked(t *testing.T) {
	env := s.env
	guard := fault.New(fault.Upstream, "Not from here: ask for GUARD_SETTING.").WithCode("egress_blocked").WithHint("GUARD_SETTING says what may be dialled.")
	env.Control = func(string, string, syscall.RawConn) error { return guard }
	client, err := s.in.Open(s.settings, env)
	if err != nil {
		t.Fatal(err)
	}
	defer s.end(t, client)
	for _, c := range s.in.Checks {
		r := c.Run(t.Context(), client, s.settings)
		if r.Pass || r.Message == "" || r.Hint == "" {
			t.Errorf("%s: %+v", c.Name, r)
		}
		if !strings.Contains(r.Detail, "GUARD_SETTING") {
			t.Errorf("%s does not pass the guard's sentence on: %q", c.Name, r.Detail)
		}
		for _, f := range s.in.Fields {
			if secret := s.settings[f.Key]; f.Secret && strings.Contains(r.Message+r.Detail+r.Hint, secret) {
				t.Errorf("%s shows a secret", c.Name)
			}
		}
	}
	_, err = client.Call(t.Context(), integration.Call{Method: http.MethodGet, Path: "/anything"})
	if f := fault.Public(err); f.Kind != fault.Upstream || f.Code != guard.Code || f.Hint != guard.Hint {
		t.Errorf("a call that may not be dialled: %s, %s, %q", f.Kind, f.Code, f.Hint)
	}
}

func (s suite) actions(t *testing.T) {
	client, err := s.in.Open(s.settings, s.env)
	if err != nil {
		t.Fatal(err)
	}
	defer s.end(t, client)
	var names []string
	for _, a := range s.in.Actions {
		names = append(names, a.Name)
		if !strings.HasPrefix(a.Name, s.in.Kind+".") {
			t.Errorf("action %q does not begin with %q", a.Name, s.in.Kind+".")
		}
		var seen traced
		guard := noWrite{t, a.Name}
		for _, args := range []string{"", "{", "[]", "7", `"text"`} {
			_, err := a.Run(seen.in(t.Context()), client, json.RawMessage(args), guard)
			f := fault.Public(err)
			if f.Kind != fault.Invalid || f.Code != "bad_request" || !strings.Contains(f.Message, a.Name) || strings.Contains(f.Message, "Go ") {
				t.Errorf("%s(%s): %s, %s, %q", a.Name, args, f.Kind, f.Code, f.Message)
			}
		}
		if n := len(seen.all()); n != 0 {
			t.Errorf("%s sent %d calls for arguments that it does not take", a.Name, n)
		}
	}
	unique(t, "action", names)
	if _, err := s.in.Action("no.such"); !errors.Is(err, fault.NotFound) {
		t.Errorf("an action that there is not: %v", err)
	}
}

// noWrite is the guard of an action that must not get so far.
type noWrite struct {
	t    *testing.T
	name string
}

// Intend implements [integration.Guard].
func (g noWrite) Intend(context.Context, integration.Change) error {
	g.t.Errorf("%s: intends to write with arguments that it does not take", g.name)
	return nil
}

// Ask implements [integration.Guard].
func (g noWrite) Ask(context.Context) error {
	g.t.Errorf("%s: asked to write with arguments that it does not take", g.name)
	return nil
}

func (s suite) call(t *testing.T) {
	client, err := s.in.Open(s.settings, s.env)
	if err != nil {
		t.Fatal(err)
	}
	defer s.end(t, client)
	a, err := client.Call(t.Context(), integration.Call{Method: http.MethodGet, Path: "/no/such/thing"})
	if err != nil || a.Status < 400 || a.Header == nil {
		t.Errorf("a refusal of the system's is an answer: %d, %v", a.Status, err)
	}
	for _, c := range []integration.Call{
		{},
		{Method: "TRACE", Path: "/x"},
		{Method: "get", Path: "/x"},
		{Method: "GET\r\nX: y", Path: "/x"},
		{Method: http.MethodGet, Path: "x"},
		{Method: http.MethodGet, Path: "//evil.example/x"},
		{Method: http.MethodGet, Path: "https://evil.example/x"},
		{Method: http.MethodGet, Path: "/../x"},
		{Method: http.MethodGet, Path: "/x?y=z"},
	} {
		var seen traced
		_, err := client.Call(seen.in(t.Context()), c)
		if f := fault.Public(err); f.Kind != fault.Invalid || f.Hint == "" {
			t.Errorf("%q %q: %s, %q, %q", c.Method, c.Path, f.Kind, f.Message, f.Hint)
		}
		if n := len(seen.all()); n != 0 {
			t.Errorf("%q %q: %d calls were sent", c.Method, c.Path, n)
		}
	}
}

func (s suite) close(t *testing.T) {
	client, err := s.in.Open(s.settings, s.env)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Call(t.Context(), integration.Call{Method: http.MethodGet, Path: "/no/such/thing"}); err != nil {
		t.Error(err)
	}
	s.end(t, client)
	s.end(t, client) // more than once does no harm
	if _, err := client.Call(t.Context(), integration.Call{Method: http.MethodGet, Path: "/no/such/thing"}); err == nil {
		t.Error("a closed client calls")
	} else if fault.Public(err).Hint == "" {
		t.Errorf("nobody says what to do about %q", err)
	}
}

func (s suite) bundles(t *testing.T) {
	var slugs []string
	for _, b := range s.in.Bundles {
		slugs = append(slugs, b.Slug)
		if !wordForm.MatchString(b.Slug) || b.Name == "" || b.Version < 1 || len(b.Workflows) == 0 {
			t.Errorf("bundle %q: name %q, version %d, %d workflows", b.Slug, b.Name, b.Version, len(b.Workflows))
		}
		var names, files []string
		for _, w := range b.Workflows {
			names, files = append(names, w.Slug), append(files, w.File)
			if !wordForm.MatchString(w.Slug) || w.Name == "" || w.Type == "" || !fileForm.MatchString(w.File) || !strings.Contains(w.Source, "export default") {
				t.Errorf("workflow %q of %s: name %q, type %q, file %q", w.Slug, b.Slug, w.Name, w.Type, w.File)
			}
		}
		unique(t, "workflow", names)
		unique(t, "file", files)
		if got, err := s.in.Bundle(b.Slug); err != nil || got.Name != b.Name {
			t.Errorf("bundle %s is not found: %v", b.Slug, err)
		}
	}
	unique(t, "bundle", slugs)
	for path, text := range s.in.Modules {
		if path != "margay/"+s.in.Kind || strings.TrimSpace(text) == "" {
			t.Errorf("module %q is not margay/%s, or has no text", path, s.in.Kind)
		}
	}
}

// Package integration is the wall between Margay and the systems it talks to.
//
// An Integration describes one kind of system as data: the fields of its form,
// its health checks, the actions that workflows may call, its bundles of
// workflows. Forms, API, command line and documentation are drawn from that
// description; connection opens it with stored settings. The package names no
// system; each lives in a folder of its own, and all lists them.
package integration

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/margay-access/margay/internal/fault"
)

// Settings are the values of an integration's fields, by key. They may hold
// secrets, so printing and logging show the keys alone.
type Settings map[string]string

// Format implements fmt.Formatter: for every verb, the keys.
func (s Settings) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.keys()) }

// LogValue implements slog.LogValuer with the keys.
func (s Settings) LogValue() slog.Value { return slog.StringValue(s.keys()) }

func (s Settings) keys() string {
	return "settings[" + strings.Join(slices.Sorted(maps.Keys(s)), " ") + "]"
}

// Field is one input of the form that makes a connection.
type Field struct {
	Key      string
	Label    string
	Help     string
	Required bool
	Missing  string // the sentence when a required field is blank
	Secret   bool   // sealed at rest, masked, never given back
	// Credential: it belongs to what is replaced when credentials are rotated.
	Credential bool
	// KeepBlank: left blank on an edit, the stored value stays. Otherwise blank
	// is a value of its own and is always saved.
	KeepBlank bool
	// Blank says in words what leaving the field blank on an edit does.
	Blank   string
	Example string // shown in the empty input
}

// Integration is the code for one kind of system, described as data.
type Integration struct {
	Kind    string // "tableau"
	Name    string // "Tableau"
	Summary string
	Beta    string // what "beta" means here; "": not beta
	Title   string // of the form
	Fields  []Field
	// Clean returns the settings as they are stored, or field errors. It gets
	// what a person typed; it does not look at whether required fields are there.
	Clean func(Settings) (Settings, error)
	// DisplayName names a connection for people.
	DisplayName func(Settings) string
	// Target says where the calls of a connection go. nil: nobody is told.
	Target func(Settings) Target
	Guide  Guide
	Idle   Idle
	// Try finds out whether the credentials are accepted, and does nothing else.
	// nil: the first check is run.
	Try func(ctx context.Context, c Client) error
	// Catalogue lists what can be called; Command writes a call for people to
	// copy. Both may be left out.
	Catalogue Catalogue
	Command   func(connection string, c Call) string
	// Roles lists the names of the roles that the system knows and that its
	// bundles carry out, the weakest first.
	Roles []string
	// NoRole is the role of somebody who may do nothing there.
	NoRole string
	// Accounts reads everybody who is there, whole or not at all, and says on the
	// way how many have been read and of how many; -1 is not known. Of the users
	// whose ids are known, each is there when they are, though a list that changed
	// while it was read had passed them over. nil: what was granted cannot be
	// compared with the system.
	Accounts func(ctx context.Context, c Client, known []string, told func(read, of int)) ([]Account, error)
	// LeaseName names what a client takes the lease of, when it takes one. nil:
	// it takes none.
	LeaseName func(Settings) string
	// RoleFacts names, by role, the fact of the checks that says how many more may
	// be given it. A role that is not there has none.
	RoleFacts map[string]string
	// Open returns a client for one connection. It sends nothing yet.
	Open    func(Settings, Env) (Client, error)
	Checks  []Check
	Actions []Action
	Bundles []Bundle
	// Modules are the TypeScript modules that its workflows may import, by
	// import path.
	Modules map[string]string
	// Declarations says in TypeScript what the modules do, for editors:
	// margay.d.ts.
	Declarations string
}

// Env is what an integration gets from the machine it runs on.
type Env struct {
	RootCAs   *x509.CertPool // nil: the system's
	Control   func(network, address string, c syscall.RawConn) error
	Linger    time.Duration // keep a session this long after its last call
	UserAgent string
	Log       *slog.Logger
	// Lease returns the right to have a session, by the name of what allows only
	// one. nil: nobody else has one.
	Lease func(name string) Lease
}

// Lease is the right to have a session with a credential that allows one
// session at a time, among all that share it.
type Lease interface {
	// Acquire waits until the lease is free or ctx ends.
	Acquire(ctx context.Context) (Held, error)
}

// Held is a lease that was acquired.
type Held struct {
	Lost    <-chan struct{} // closed when the holder can no longer be sure of it
	Wanted  <-chan struct{} // closed when somebody waits for it
	Release func()          // called once, also after a loss
}

// Client talks to one connection's system. Safe for concurrent use.
type Client interface {
	// Hold makes the calls until release share one session with the system. It
	// sends nothing itself.
	Hold(ctx context.Context) (release func())
	// Call sends any call that the system's API has.
	Call(ctx context.Context, c Call) (Answer, error)
	// Pages sends a call that lists, and the calls for the pages after it, and
	// gives the items of all one by one, as they came. An error ends the list.
	Pages(ctx context.Context, c Call) iter.Seq2[json.RawMessage, error]
	// Close waits for what is sent in the background.
	Close(ctx context.Context) error
}

// Busy is a Client that tells what it is doing at the moment.
type Busy interface{ Traffic() Traffic }

// Traffic is what a client is doing at the moment.
type Traffic struct {
	Opened      time.Time // since when it has a session; zero: it has none
	Calls       int       // under way, or waiting for the session
	PausedUntil time.Time // the system asked to be left alone until then; zero: it did not
}

// Call is one call of a system's API.
type Call struct {
	Method string
	Path   string
	Query  url.Values
	Header http.Header
	Body   []byte
}

// Writes says whether the call may change something.
func (c Call) Writes() bool { return c.Method != http.MethodGet && c.Method != http.MethodHead }

// Removes says whether the call takes something away for good, so that people
// are asked once more.
func (c Call) Removes() bool { return c.Method == http.MethodDelete }

// Answer is what the system said. One with a status of 4xx or 5xx is an answer
// too, not an error.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Check is one health check of a connection. It must only read.
type Check struct {
	Key  string // one word: "session"
	Name string
	Help string // what a pass confirms
	// NotProven says what a pass does not confirm.
	NotProven string
	Sentences []Sentence // all that it may say
	Run       func(ctx context.Context, c Client, s Settings) CheckResult
}

// CheckResult is what a check found.
type CheckResult struct {
	Pass    bool
	Message string // the sentence for people
	Detail  string // the system's own words
	Hint    string // what to do next
	Facts   []Fact // found on the way
	// Mends are the acts on the connection that may mend a failure, the likeliest
	// first.
	Mends []Mend
}

// Mend is an act on a connection that may mend what a check found.
type Mend string

// The acts that may mend a connection.
const (
	MendRotate Mend = "rotate" // give it other credentials
	MendEdit   Mend = "edit"   // change its address or its place there
)

// Account is somebody who is in the system, whatever they may do there.
type Account struct {
	ID    string
	Name  string // with which they sign in
	Email string
	Role  string
	Own   bool // the account whose credentials the connection has
}

// Action is something that workflows can do with the system, by a typed
// function of its own.
type Action struct {
	Name string // as scripts call it: "tableau.users.setSiteRole"
	// Reads: it never changes anything. Others may, and ask their Guard.
	Reads bool
	// Run does it. guard must be told of each write before anything of it is
	// sent, and asked before each sending: when it returns an error, nothing may
	// be sent and Run returns that error; ErrHeld it answers as if it was done.
	Run func(ctx context.Context, c Client, args json.RawMessage, guard Guard) (json.RawMessage, error)
}

// Change is what an action sets out to change.
type Change struct {
	What   string // "the site role of rita@example.com"
	Before string // "" when it was not read or is not there yet
	After  string // "" when it will not be there any more
	Method string
	Path   string
	Body   string // what would be sent, when it is worth showing
}

// ErrHeld is what a Guard that holds writes back says to each.
var ErrHeld = errors.New("the change was held back")

// Guard is asked around what an action writes.
type Guard interface {
	// Intend is told what will be changed, before anything is sent.
	Intend(ctx context.Context, c Change) error
	// Ask is asked right before each sending, also before one that is repeated.
	Ask(ctx context.Context) error
}

// GuardFunc is a Guard that is told of everything and asked by a function.
type GuardFunc func(ctx context.Context) error

// Intend implements [Guard].
func (GuardFunc) Intend(context.Context, Change) error { return nil }

// Ask implements [Guard].
func (f GuardFunc) Ask(ctx context.Context) error { return f(ctx) }

// Read makes an action that only reads from a typed function.
func Read[In, Out any](name string, run func(ctx context.Context, c Client, in In) (Out, error)) Action {
	a := Act(name, func(ctx context.Context, c Client, in In, _ Guard) (Out, error) { return run(ctx, c, in) })
	a.Reads = true
	return a
}

// Act makes an action from a typed function: its arguments are decoded into In,
// and what it returns is encoded.
func Act[In, Out any](name string, run func(ctx context.Context, c Client, in In, guard Guard) (Out, error)) Action {
	return Action{Name: name, Run: func(ctx context.Context, c Client, args json.RawMessage, guard Guard) (json.RawMessage, error) {
		var in In
		if err := json.Unmarshal(args, &in); err != nil {
			return nil, fault.New(fault.Invalid, "%s was called with arguments that it does not take: %s.", name, wrong(err)).WithCode("bad_request").
				WithHint("Look at the types of its module.")
		}
		out, err := run(ctx, c, in, guard)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	}}
}

// wrong says what is wrong with arguments in the words of who wrote them.
func wrong(err error) string {
	e, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case !ok:
		return "they are not JSON"
	case e.Field == "":
		return "it takes one object, not a " + e.Value
	}
	return e.Field + " cannot be a " + e.Value
}

// Bundle is a set of workflows that an integration ships and that are installed
// as editable copies.
type Bundle struct {
	Slug      string // "access-management"
	Name      string // "Access Management"
	Version   int
	Workflows []BundledWorkflow
}

// BundledWorkflow is one workflow of a bundle.
type BundledWorkflow struct {
	Slug   string // "provision"
	Name   string // "Provision User to Tableau"
	Type   string // as workflow.Type
	File   string // "provision.ts"
	Source string // TypeScript
}

// Trace is one exchange with a system, for the steps of a run: never a secret,
// never a session.
type Trace struct {
	Kind     string // "sign-in", "call", "sign-out"
	Method   string
	Path     string
	Template string // Path with ids replaced; "" when not known
	Status   int
	Code     string // the system's error code
	Started  time.Time
	Duration time.Duration
	Err      string
}

type traceKey struct{}

// WithTrace returns a context under which each exchange is told to fn. fn may
// be called from several goroutines. The observer of an outer WithTrace is told
// too.
func WithTrace(ctx context.Context, fn func(Trace)) context.Context {
	if outer, ok := ctx.Value(traceKey{}).(func(Trace)); ok {
		inner := fn
		fn = func(t Trace) { inner(t); outer(t) }
	}
	return context.WithValue(ctx, traceKey{}, fn)
}

// Traced tells the context's observer of t; integrations call it. When it started
// is told in UTC and in whole milliseconds, as every time is kept.
func Traced(ctx context.Context, t Trace) {
	if fn, ok := ctx.Value(traceKey{}).(func(Trace)); ok {
		t.Started = t.Started.UTC().Truncate(time.Millisecond)
		fn(t)
	}
}

// Registry is the list of integrations that a program knows.
type Registry struct{ list []Integration }

// NewRegistry returns a registry of the integrations.
func NewRegistry(list ...Integration) *Registry { return &Registry{list: list} }

// All returns the integrations in their order.
func (r *Registry) All() []Integration { return slices.Clone(r.list) }

// Get returns the integration of the kind, or a fault.NotFound.
func (r *Registry) Get(kind string) (Integration, error) {
	for _, i := range r.list {
		if i.Kind == kind {
			return i, nil
		}
	}
	return Integration{}, fault.New(fault.NotFound, "There is no integration %q.", kind).WithCode("integration_missing")
}

// Bundle returns the integration's bundle of the slug, or a fault.NotFound.
func (i Integration) Bundle(slug string) (Bundle, error) {
	for _, b := range i.Bundles {
		if b.Slug == slug {
			return b, nil
		}
	}
	return Bundle{}, fault.New(fault.NotFound, "%s has no bundle %q.", i.Name, slug).WithCode("bundle_missing")
}

// Action returns the action of the name, or a fault.NotFound.
func (i Integration) Action(name string) (Action, error) {
	for _, a := range i.Actions {
		if a.Name == name {
			return a, nil
		}
	}
	return Action{}, fault.New(fault.NotFound, "%s has no action %q.", i.Name, name).WithCode("action_missing")
}

// Required returns the sentences for required fields that are blank.
func (i Integration) Required(s Settings) []*fault.Error {
	var faults []*fault.Error
	for _, f := range i.Fields {
		if f.Required && s[f.Key] == "" {
			faults = append(faults, fault.Field("settings."+f.Key, "%s", f.Missing).WithCode("required"))
		}
	}
	return faults
}

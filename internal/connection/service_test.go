package connection_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/integration/tableau"
	"github.com/margay-access/margay/internal/seal"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

const secret = "Y29ubmVjdGlvbnM=:8c1d7e6f5a4b3c2d1e0f7b60"

// system is the other end of an integration that behaves like Tableau's, made of
// the same form: its clients count, and fail once they are closed.
type system struct {
	mu     sync.Mutex
	opened []*client
	call   func(c integration.Call) (integration.Answer, error) // nil: 200
	act    func()                                               // in the middle of an action
	try    func(integration.Settings) error                     // of new credentials; nil: they are accepted
}

type client struct {
	system   *system
	settings integration.Settings
	closed   chan struct{}
}

func (c *client) Hold(context.Context) func() { return func() {} }

func (c *client) Close(context.Context) error {
	c.system.mu.Lock()
	defer c.system.mu.Unlock()
	select {
	case <-c.closed:
		return errors.New("closed twice")
	default:
		close(c.closed)
		return nil
	}
}

func (c *client) Call(_ context.Context, call integration.Call) (integration.Answer, error) {
	select {
	case <-c.closed:
		return integration.Answer{}, errors.New("the client is closed")
	default:
	}
	if c.system.call != nil {
		return c.system.call(call)
	}
	return integration.Answer{Status: http.StatusOK}, nil
}

// Pages gives two items and fails like Call in between.
func (c *client) Pages(ctx context.Context, call integration.Call) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for _, item := range []string{"1", "2"} {
			_, err := c.Call(ctx, call)
			if !yield(json.RawMessage(item), err) || err != nil {
				return
			}
		}
	}
}

func (s *system) clients() []*client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*client(nil), s.opened...)
}

func (s *system) integration() integration.Integration {
	in := tableau.New()
	in.Open = func(settings integration.Settings, _ integration.Env) (integration.Client, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		c := &client{system: s, settings: settings, closed: make(chan struct{})}
		s.opened = append(s.opened, c)
		return c, nil
	}
	in.Try = func(_ context.Context, c integration.Client) error {
		if s.try == nil {
			return nil
		}
		return s.try(c.(*client).settings) //nolint:forcetypeassert // it is ours
	}
	call := func(ctx context.Context, c integration.Client) error {
		_, err := c.Call(ctx, integration.Call{Method: http.MethodGet, Path: "/x"})
		return err
	}
	in.Actions = []integration.Action{integration.Act("tableau.twice", func(ctx context.Context, c integration.Client, _ struct{}, _ integration.Guard) (string, error) {
		if err := call(ctx, c); err != nil {
			return "", err
		}
		if s.act != nil {
			s.act()
		}
		return "done", call(ctx, c)
	})}
	in.Checks = []integration.Check{{Key: "one", Name: "One", Run: func(ctx context.Context, c integration.Client, set integration.Settings) integration.CheckResult {
		if s.act != nil {
			s.act()
		}
		return integration.CheckResult{Pass: call(ctx, c) == nil, Message: set["site_content_url"]}
	}}}
	return in
}

var ana = identity.Actor{Person: "usr_ana", Admin: true, Scopes: []identity.Scope{identity.ScopeAdmin}, Via: "token:tok_1"}

type fixture struct {
	*connection.Service
	db     *store.DB
	system *system
	sealer *seal.Sealer
	later  atomic.Int64
}

// skip lets time pass.
func (f *fixture) skip(d time.Duration) { f.later.Add(int64(d)) }

func each(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB) { test(t, newFixture(t, db)) })
}

func newFixture(t *testing.T, db *store.DB) *fixture {
	t.Helper()
	sealer, err := seal.Open(t.Context(), "file://"+t.TempDir()+"/key", db)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{db: db, system: &system{}, sealer: sealer}
	f.Service = connection.NewService(connection.Config{
		Store: db, Registry: integration.NewRegistry(f.system.integration()), Sealer: sealer, Now: func() time.Time { return time.Now().Add(time.Duration(f.later.Load())) },
		NewID: func(prefix string) string { return prefix + "_" + strings.ReplaceAll(uuid.NewString(), "-", "") },
	})
	return f
}

func good() integration.Settings {
	return integration.Settings{"server_url": "https://10AX.online.tableau.com/", "site_content_url": "acme-analytics", "pat_name": "margay", "pat_secret": secret}
}

func (f *fixture) create(t *testing.T) connection.Connection {
	t.Helper()
	c, err := f.Create(t.Context(), ana, "tableau", good())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// used returns the settings that a client is opened with now.
func (f *fixture) used(t *testing.T, id string) map[string]string {
	t.Helper()
	if _, err := f.Call(t.Context(), ana, id, integration.Call{Method: http.MethodGet, Path: "/x"}); err != nil {
		t.Fatal(err)
	}
	all := f.system.clients()
	return all[len(all)-1].settings
}

func (f *fixture) kinds(t *testing.T, id string) []string {
	t.Helper()
	events, err := f.db.Events(t.Context(), audit.Filter{Subject: "connection:" + id})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, string(e.Kind))
	}
	return kinds
}

// S28, S35, S39: everything that is missing or wrong is said at once.
func TestCreateSaysAllThatIsMissing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		tests := map[string]struct {
			settings integration.Settings
			want     map[string]string
		}{
			"all blank": {integration.Settings{}, map[string]string{
				"settings.server_url": "Server URL is required", "settings.pat_name": "Personal Access Token name is required", "settings.pat_secret": "Personal Access Token secret is required",
			}},
			"blanks": {integration.Settings{"server_url": " ", "pat_name": "\t", "pat_secret": "\n"}, map[string]string{
				"settings.server_url": "Server URL is required", "settings.pat_name": "Personal Access Token name is required", "settings.pat_secret": "Personal Access Token secret is required",
			}},
			"a scheme alone": {integration.Settings{"server_url": "https://", "pat_name": "a", "pat_secret": "b"}, map[string]string{"settings.server_url": "Server URL is required"}},
			"one wrong, one missing": {integration.Settings{"server_url": "user@h", "pat_name": "a"}, map[string]string{
				"settings.server_url": "Server URL must be a host alone: leave out what stands before the @.", "settings.pat_secret": "Personal Access Token secret is required",
			}},
			"the mask": {integration.Settings{"server_url": "h.example", "pat_name": "a", "pat_secret": " ••••••••7b60"}, map[string]string{
				"settings.pat_secret": "That is the masked secret, not a secret. Give the new one.",
			}},
			"no such field": {integration.Settings{"password": secret}, map[string]string{"settings.password": `Tableau has no setting "password".`}},
		}
		for name, tt := range tests {
			_, err := f.Create(t.Context(), ana, "tableau", tt.settings)
			got := map[string]string{}
			for _, e := range fault.Public(err).Fields() {
				got[e.Field] = e.Message
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("%s: %s", name, d)
			}
			if strings.Contains(fmt.Sprintf("%v %+v", err, err), secret) {
				t.Errorf("%s: the refusal repeats a secret", name)
			}
		}
		if list, err := f.List(t.Context(), ana); err != nil || len(list) != 0 {
			t.Errorf("%d connections were stored, %v", len(list), err)
		}
		if _, err := f.Create(t.Context(), ana, "okta", good()); !errors.Is(err, fault.NotFound) {
			t.Errorf("an unknown integration: %v", err)
		}
	})
}

// S2, S40, S43, S94: stored without a call, shown without the secret.
func TestCreate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		created := f.create(t)

		c, err := f.Get(t.Context(), ana, created.ID)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"server_url": "10ax.online.tableau.com", "site_content_url": "acme-analytics", "pat_name": "margay", "pat_secret": "••••••••7b60"}
		if d := cmp.Diff(want, map[string]string(c.Masked())); d != "" {
			t.Error(d)
		}
		if c.DisplayName != "Tableau – acme-analytics" || c.Version != 1 || len(f.system.clients()) != 0 {
			t.Errorf("%q, version %d, %d clients", c.DisplayName, c.Version, len(f.system.clients()))
		}
		shown, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		for what, text := range map[string]string{"JSON": string(shown), "print": fmt.Sprintf("%v %+v %#v", c, c, c), "service": fmt.Sprintf("%+v", f.Service)} {
			if strings.Contains(text, secret) || strings.Contains(text, secret[20:]) {
				t.Errorf("the secret stands in the %s", what)
			}
		}
	})
}

// S41–S46, S91–S93.
func TestUpdate(t *testing.T) {
	t.Parallel()
	const fresh = "bmV3LXNlY3JldA==:1a2b3c4d5e6f70819a2b9999"
	tests := map[string]struct {
		change integration.Settings
		want   map[string]string // what differs from what was stored
		name   string
	}{
		"nothing: the site is saved as empty": {integration.Settings{}, map[string]string{"site_content_url": ""}, "Tableau – Default site (10ax.online.tableau.com)"},       // S46, S93
		"blank keeps":                         {integration.Settings{"server_url": " ", "pat_name": "", "pat_secret": "", "site_content_url": "acme-analytics"}, nil, ""},    // S41, S42, S44
		"another site":                        {integration.Settings{"site_content_url": "other"}, map[string]string{"site_content_url": "other"}, "Tableau – other"},        // S92
		"secret only":                         {integration.Settings{"site_content_url": "acme-analytics", "pat_secret": fresh}, map[string]string{"pat_secret": fresh}, ""}, // S91
		"secret and name": {
			integration.Settings{"site_content_url": "acme-analytics", "pat_secret": fresh, "pat_name": "margay 2"}, map[string]string{"pat_secret": fresh, "pat_name": "margay 2"}, "",
		},
		"another server": {integration.Settings{"site_content_url": "acme-analytics", "server_url": "https://H.example/"}, map[string]string{"server_url": "h.example"}, ""},
		"a pasted address": {
			integration.Settings{"server_url": "https://h.example/#/site/pasted/home"}, map[string]string{"server_url": "h.example", "site_content_url": "pasted"}, "Tableau – pasted",
		},
		"a scheme alone is blank": {integration.Settings{"site_content_url": "acme-analytics", "server_url": "https://"}, nil, ""},
	}
	each(t, func(t *testing.T, f *fixture) {
		for name, tt := range tests {
			c := f.create(t)
			want := map[string]string{"server_url": "10ax.online.tableau.com", "site_content_url": "acme-analytics", "pat_name": "margay", "pat_secret": secret}
			maps.Copy(want, tt.want)
			if tt.name == "" {
				tt.name = "Tableau – acme-analytics"
			}

			got, err := f.Update(t.Context(), ana, c.ID, connection.Edit{Settings: tt.change})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if d := cmp.Diff(want, f.used(t, c.ID)); d != "" { // the next call uses it
				t.Errorf("%s: %s", name, d)
			}
			version := 2
			if tt.want == nil {
				version = 1 // nothing is changed
			}
			if got.DisplayName != tt.name || got.Version != version {
				t.Errorf("%s: name %q, want %q; version %d", name, got.DisplayName, tt.name, got.Version)
			}
		}
	})
}

// S44: the mask is never stored, whole or in part.
func TestUpdateRefusesTheMask(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.create(t)
		for _, mask := range []string{c.Masked()["pat_secret"], "••••", " ••••••••7b60", "•", "new••••7b60"} {
			_, err := f.Update(t.Context(), ana, c.ID, connection.Edit{Settings: integration.Settings{"pat_secret": mask}})
			if e := fault.Public(err); e.Code != "masked" || e.Field != "settings.pat_secret" {
				t.Errorf("%q: %v", mask, err)
			}
		}
		if got := f.used(t, c.ID)["pat_secret"]; got != secret {
			t.Error("another secret is stored")
		}
	})
}

// A secret that cannot be opened any more can be replaced.
func TestUpdateReplacesALostSecret(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.create(t)
		c.Version++
		c.Sealed = map[string]string{"pat_secret": "not what it was"}
		if err := f.db.SaveConnection(t.Context(), c); err != nil {
			t.Fatal(err)
		}

		if _, err := f.Update(t.Context(), ana, c.ID, connection.Edit{Settings: integration.Settings{}}); err == nil {
			t.Error("a secret that cannot be opened was kept")
		}
		if _, err := f.Update(t.Context(), ana, c.ID, connection.Edit{Settings: integration.Settings{"pat_secret": secret}}); err != nil {
			t.Errorf("a new secret: %v", err)
		}
		if got := f.used(t, c.ID)["pat_secret"]; got != secret {
			t.Error("the new secret is not used")
		}
	})
}

// A secret that was moved to another row is refused.
func TestSecretsAreBoundToTheirConnection(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		one, two := f.create(t), f.create(t)
		two.Version++
		two.Sealed = one.Sealed
		if err := f.db.SaveConnection(t.Context(), two); err != nil {
			t.Fatal(err)
		}

		_, err := f.Call(t.Context(), ana, two.ID, integration.Call{Method: http.MethodGet, Path: "/x"})

		if err == nil || strings.Contains(fmt.Sprintf("%+v", err), secret) {
			t.Errorf("error %v", err)
		}
	})
}

// One client a connection, also for many callers; an edit opens a new one and
// closes the old.
func TestOneClient(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.create(t)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { f.used(t, c.ID) })
		}
		wg.Wait()
		if n := len(live(f.system.clients())); n != 1 {
			t.Errorf("%d clients for 20 callers", n)
		}
		if _, err := f.Update(t.Context(), ana, c.ID, connection.Edit{Settings: integration.Settings{"site_content_url": "other"}}); err != nil {
			t.Fatal(err)
		}
		for _, old := range f.system.clients() {
			<-old.closed
		}
		f.used(t, c.ID)
		if n := len(live(f.system.clients())); n != 1 {
			t.Errorf("%d clients after an edit", n)
		}
		if err := f.Close(t.Context()); err != nil || len(live(f.system.clients())) != 0 {
			t.Errorf("after the end: %d clients, %v", len(live(f.system.clients())), err)
		}
	})
}

func live(all []*client) []*client {
	var out []*client
	for _, c := range all {
		select {
		case <-c.closed:
		default:
			out = append(out, c)
		}
	}
	return out
}

// An edit, or the end, of a connection does not break what is under way on it:
// the action ends with the settings that it began with.
func TestEditWhileUnderWay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		change := map[string]func(id string) error{
			"edit": func(id string) error {
				_, err := f.Update(t.Context(), ana, id, connection.Edit{Settings: integration.Settings{"site_content_url": "other"}})
				return err
			},
			"edit elsewhere": func(id string) error { // another node: found out by the next call
				c, err := f.Get(t.Context(), ana, id)
				if err != nil {
					return err
				}
				c.Version++
				if err := f.db.SaveConnection(t.Context(), c); err != nil {
					return err
				}
				_, err = f.Call(t.Context(), ana, id, integration.Call{Method: http.MethodGet, Path: "/x"})
				return err
			},
			"delete": func(id string) error { return f.Delete(t.Context(), ana, id, "") },
		}
		for name, change := range change {
			c := f.create(t)
			f.system.act = func() {
				f.system.act = nil
				if err := change(c.ID); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			before := len(f.system.clients())

			out, err := f.Act(t.Context(), c.ID, "tableau.twice", json.RawMessage("{}"), nil)

			if err != nil || string(out) != `"done"` {
				t.Errorf("%s: the action ended with %s, %v", name, out, err)
			}
			<-f.system.clients()[before].closed // with its last user
		}

		listed := f.create(t)
		pages, err := f.Pages(t.Context(), ana, listed.ID, integration.Call{Method: http.MethodGet, Path: "/x"})
		if err != nil {
			t.Fatal(err)
		}
		for item, err := range pages {
			if err != nil {
				t.Errorf("item %s: %v", item, err)
			}
			if string(item) == "1" {
				if err := change["edit"](listed.ID); err != nil {
					t.Error(err)
				}
			}
		}

		c := f.create(t)
		f.system.act = func() {
			f.system.act = nil
			if err := change["edit"](c.ID); err != nil {
				t.Error(err)
			}
		}
		reports, err := f.Check(t.Context(), ana, c.ID)
		if err != nil || !reports[0].Pass || reports[0].Message != "acme-analytics" {
			t.Errorf("the checks ended with %+v, %v", reports, err)
		}
	})
}

// Two edits at once: one is refused.
func TestUpdateOfWhatChangedMeanwhile(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.create(t)
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = f.Update(t.Context(), ana, c.ID, connection.Edit{Settings: integration.Settings{"site_content_url": fmt.Sprintf("site-%d", i)}})
			})
		}
		wg.Wait()
		done := 0
		for _, err := range errs {
			if err == nil {
				done++
			} else if !errors.Is(err, fault.Conflict) {
				t.Errorf("error %v", err)
			}
		}
		got, err := f.Get(t.Context(), ana, c.ID)
		if err != nil || done == 0 || got.Version != 1+done {
			t.Errorf("%d edits, version %d, %v", done, got.Version, err)
		}
	})
}

// A write is recorded before it is sent, and its outcome after; a read is not.
func TestCallsAreRecordedBeforeTheyAreSent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.create(t)
		var atSend []string
		f.system.call = func(call integration.Call) (integration.Answer, error) {
			atSend = f.kinds(t, c.ID)
			if call.Method == http.MethodDelete {
				return integration.Answer{}, fault.New(fault.Unavailable, "could not reach Tableau at h").WithCode("unavailable")
			}
			return integration.Answer{Status: http.StatusConflict}, nil
		}
		send := func(method, path string) error {
			_, err := f.Call(t.Context(), ana, c.ID, integration.Call{Method: method, Path: path, Body: []byte(secret)})
			return err
		}

		if err := send(http.MethodGet, "/x"); err != nil || len(f.kinds(t, c.ID)) != 1 {
			t.Errorf("a read: %v, %v", f.kinds(t, c.ID), err)
		}
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, "TRACE"} {
			if err := send(method, "/x"); err != nil || atSend[0] != "connection.calling" || f.kinds(t, c.ID)[0] != "connection.called" {
				t.Errorf("%s: when sent %v, after it %v, %v", method, atSend, f.kinds(t, c.ID), err)
			}
		}
		if err := send(http.MethodDelete, "/sites/{siteId}/users/1"); !errors.Is(err, fault.Unavailable) {
			t.Errorf("a lost answer: %v", err)
		}
		if err := send(http.MethodPost, "/"+strings.Repeat("é", 100_000)); err != nil {
			t.Error(err)
		}
		events, err := f.db.Events(t.Context(), audit.Filter{Subject: "connection:" + c.ID})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if text := fmt.Sprint(e.Data); strings.Contains(text, secret) || len(text) > 2500 || e.Actor != "usr_ana" {
				t.Errorf("event %s by %s of %d bytes", e.Kind, e.Actor, len(text))
			}
		}
		if e := events[2]; e.Data["error"] != "unavailable" || e.Data["method"] != "DELETE" || e.Data["path"] != "/sites/{siteId}/users/1" {
			t.Errorf("outcome %v", e.Data)
		}
		if e := events[4]; e.Data["status"] != "409" {
			t.Errorf("outcome %v", e.Data)
		}
	})
}

// A call whose intent cannot be recorded is not sent.
func TestUnrecordedIsNotSent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.create(t)
		sent := 0
		f.system.call = func(integration.Call) (integration.Answer, error) {
			sent++
			return integration.Answer{Status: 200}, nil
		}
		blind := connection.NewService(connection.Config{Store: noRecord{f.db}, Registry: integration.NewRegistry(f.system.integration()), Sealer: f.sealer, Now: time.Now})

		_, err := blind.Call(t.Context(), ana, c.ID, integration.Call{Method: http.MethodPost, Path: "/x"})

		if err == nil || sent != 0 {
			t.Errorf("sent %d times, %v", sent, err)
		}
	})
}

// noRecord is a store whose audit log is full.
type noRecord struct{ *store.DB }

func (noRecord) RecordEvents(context.Context, ...audit.Event) error { return errors.New("disk full") }

// Reliability §6.4: who may do what with connections.
func TestWhoMay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.create(t)
		call := func(method string) func(identity.Actor) error {
			return func(who identity.Actor) error {
				_, err := f.Call(t.Context(), who, c.ID, integration.Call{Method: method, Path: "/x"})
				return err
			}
		}
		acts := map[string]struct {
			scope identity.Scope
			do    func(identity.Actor) error
		}{
			"list":   {identity.ScopeAccessRead, func(who identity.Actor) error { _, err := f.List(t.Context(), who); return err }},
			"get":    {identity.ScopeAccessRead, func(who identity.Actor) error { _, err := f.Get(t.Context(), who, c.ID); return err }},
			"create": {identity.ScopeConnectionsWrite, func(who identity.Actor) error { _, err := f.Create(t.Context(), who, "tableau", good()); return err }},
			"update": {identity.ScopeConnectionsWrite, func(who identity.Actor) error {
				_, err := f.Update(t.Context(), who, c.ID, connection.Edit{Settings: good()})
				return err
			}},
			"check": {identity.ScopeTableauRead, func(who identity.Actor) error { _, err := f.Check(t.Context(), who, c.ID); return err }},
			"read":  {identity.ScopeTableauRead, call(http.MethodGet)},
			"pages": {identity.ScopeTableauRead, func(who identity.Actor) error {
				_, err := f.Pages(t.Context(), who, c.ID, integration.Call{Method: http.MethodGet, Path: "/x"})
				return err
			}},
			"write":  {identity.ScopeTableauWrite, call(http.MethodPost)},
			"odd":    {identity.ScopeTableauWrite, call("get")},
			"delete": {identity.ScopeConnectionsWrite, func(who identity.Actor) error { return f.Delete(t.Context(), who, f.create(t).ID, "") }},
		}
		for name, act := range acts {
			for _, scope := range identity.Scopes() {
				for _, admin := range []bool{false, true} {
					who := identity.Actor{Person: "usr_x", Admin: admin, Scopes: []identity.Scope{scope}}
					may := admin && (scope == act.scope || scope == identity.ScopeAdmin)
					if err := act.do(who); may != (err == nil) || !may && !errors.Is(err, fault.Forbidden) {
						t.Errorf("%s by a token of %s, administrator %v: %v", name, scope, admin, err)
					}
				}
			}
		}
	})
}

package integrationtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/integration/all"
	"github.com/margay-access/margay/internal/integration/integrationtest"
	"github.com/margay-access/margay/internal/seal"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/internal/workflow"
)

// lamp is a whole integration, with a lamp that is on or off. Another one is a
// folder like this file and a line in package all.
func lamp() integration.Integration {
	return integration.Integration{
		Kind: "lamp", Name: "Lamp", Summary: "A lamp that is on or off.", Title: "Configure Lamp",
		Fields: []integration.Field{
			{Key: "address", Label: "Address", Help: "host:port of the lamp.", Required: true, Missing: "Address is required", KeepBlank: true, Blank: "Left blank, the address stays."},
			{Key: "key", Label: "Key", Help: "The lamp's key.", Required: true, Missing: "Key is required", Secret: true, KeepBlank: true, Blank: "Left blank, the key stays."},
		},
		Clean: func(s integration.Settings) (integration.Settings, error) {
			out := integration.Settings{}
			var faults []*fault.Error
			for key, form := range map[string]*regexp.Regexp{"address": regexp.MustCompile(`^[a-z0-9.:-]{0,99}$`), "key": regexp.MustCompile(`^[!-~]{0,99}$`)} {
				if out[key] = strings.TrimSpace(s[key]); !form.MatchString(out[key]) {
					faults = append(faults, fault.Field("settings."+key, "This is no %s.", key))
				}
			}
			return out, fault.Join(faults...)
		},
		DisplayName: func(s integration.Settings) string { return "Lamp – " + s["address"] },
		Roles:       []string{"Lit"},
		Open: func(s integration.Settings, env integration.Env) (integration.Client, error) {
			dial := &net.Dialer{Control: env.Control}
			return &lampClient{address: s["address"], http: &http.Client{Transport: &http.Transport{DialContext: dial.DialContext}}}, nil
		},
		Checks: []integration.Check{{
			Key: "look", Name: "Look at the lamp", Help: "Confirms that the lamp answers.", NotProven: "That it gives light.",
			Sentences: []integration.Sentence{{Pass: true, Text: "The lamp is there.", Meaning: "It answers."}, {Text: "The lamp is not there.", Meaning: "Look at its plug."}},
			Run: func(ctx context.Context, c integration.Client, _ integration.Settings) integration.CheckResult {
				if _, err := c.Call(ctx, integration.Call{Method: http.MethodGet, Path: "/state"}); err != nil {
					f := fault.Public(err)
					return integration.CheckResult{Message: "The lamp is not there.", Detail: f.Message, Hint: f.Hint}
				}
				return integration.CheckResult{Pass: true, Message: "The lamp is there."}
			},
		}},
		Actions: []integration.Action{integration.Act("lamp.set", func(ctx context.Context, c integration.Client, in struct {
			On bool `json:"on"`
		}, guard integration.Guard,
		) (bool, error) {
			if err := guard.Ask(ctx); err != nil {
				return false, err
			}
			text, err := json.Marshal(in.On)
			if err != nil {
				return false, err
			}
			_, err = c.Call(ctx, integration.Call{Method: http.MethodPut, Path: "/state", Body: text})
			return in.On, err
		})},
		Bundles: []integration.Bundle{{Slug: "light", Name: "Light", Version: 1, Workflows: []integration.BundledWorkflow{{
			Slug: "on", Name: "Light up", Type: "access_provisioning", File: "on.ts",
			Source: "import { lamp } from \"margay/lamp\";\nexport default async () => ({ role: \"Lit\", changed: await lamp.set(true) });\n",
		}}}},
		Modules: map[string]string{"margay/lamp": "import { call } from \"margay:host\";\nexport const lamp = { set: (on: boolean): Promise<boolean> => call(\"lamp.set\", { on }) };\n"},
	}
}

type lampClient struct {
	address string
	http    *http.Client
	closed  atomic.Bool
}

func (c *lampClient) Hold(context.Context) func() { return func() {} }
func (c *lampClient) Close(context.Context) error {
	c.closed.Store(true)
	c.http.CloseIdleConnections()
	return nil
}
func (c *lampClient) String() string { return "lamp at " + c.address }
func (c *lampClient) refuse(format string, args ...any) error {
	return fault.New(fault.Invalid, format, args...).WithCode("bad_request").WithHint("The lamp has GET and PUT /state.")
}

func (c *lampClient) Pages(context.Context, integration.Call) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) { yield(nil, c.refuse("A lamp lists nothing.")) }
}

func (c *lampClient) Call(ctx context.Context, call integration.Call) (integration.Answer, error) {
	switch {
	case c.closed.Load():
		return integration.Answer{}, fault.New(fault.Unavailable, "The lamp was closed.").WithHint("Try again.")
	case !slices.Contains([]string{http.MethodGet, http.MethodPut}, call.Method), !strings.HasPrefix(call.Path, "/"), path.Clean(call.Path) != call.Path, strings.Contains(call.Path, "?"):
		return integration.Answer{}, c.refuse("The lamp does not know this call.")
	}
	started := time.Now()
	req, err := http.NewRequestWithContext(ctx, call.Method, "http://"+c.address+call.Path, bytes.NewReader(call.Body))
	if err != nil {
		return integration.Answer{}, c.refuse("The lamp cannot be called so.")
	}
	resp, err := c.http.Do(req)
	if guard, ok := errors.AsType[*fault.Error](err); ok {
		return integration.Answer{}, guard
	}
	if err != nil {
		return integration.Answer{}, fault.New(fault.Unavailable, "The lamp does not answer.").WithHint("Look at its plug.").Because(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	integration.Traced(ctx, integration.Trace{Kind: "call", Method: call.Method, Path: call.Path, Status: resp.StatusCode, Started: started, Duration: time.Since(started)})
	return integration.Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, err
}

// startLamp starts a lamp and returns its settings.
func startLamp(t *testing.T) (on *atomic.Bool, settings integration.Settings) {
	t.Helper()
	on = &atomic.Bool{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(on.Load()) })
	mux.HandleFunc("PUT /state", func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		on.Store(err == nil && string(body) == "true")
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return on, integration.Settings{"address": srv.Listener.Addr().String(), "key": "the-key-of-the-lamp"}
}

func TestLampConforms(t *testing.T) {
	t.Parallel()
	_, settings := startLamp(t)
	integrationtest.Run(t, lamp(), settings, integration.Env{})
}

func newID(prefix string) string { return prefix + "_" + strings.ReplaceAll(uuid.NewString(), "-", "") }

// Nothing but the list of integrations needs to know of another one: connections,
// checks, calls, actions and bundles follow from its description.
func TestLampNeedsNothingElse(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Config{SQLite: t.TempDir() + "/margay.db", Now: time.Now})
	sealer, err := seal.Open(t.Context(), "file://"+t.TempDir()+"/key", db)
	if err != nil {
		t.Fatal(err)
	}
	on, settings := startLamp(t)
	registry := integration.NewRegistry(append(all.Integrations().All(), lamp())...) // the one line
	connections := connection.NewService(connection.Config{Store: db, Registry: registry, Sealer: sealer, Now: time.Now, NewID: newID})
	ana := identity.Actor{Person: "usr_1", Admin: true, Scopes: []identity.Scope{identity.ScopeAdmin}}

	c, err := connections.Create(t.Context(), ana, "lamp", settings)
	if err != nil {
		t.Fatal(err)
	}
	reports, err := connections.Check(t.Context(), ana, c.ID)
	if err != nil || len(reports) != 1 || !reports[0].Pass {
		t.Errorf("checks %+v, %v", reports, err)
	}
	if _, err := connections.Act(t.Context(), c.ID, "lamp.set", json.RawMessage(`{"on":true}`), integration.GuardFunc(func(context.Context) error { return nil })); err != nil || !on.Load() {
		t.Errorf("the lamp is on: %v, %v", on.Load(), err)
	}
	if a, err := connections.Call(t.Context(), ana, c.ID, integration.Call{Method: http.MethodGet, Path: "/state"}); err != nil || strings.TrimSpace(string(a.Body)) != "true" {
		t.Errorf("a call: %s, %v", a.Body, err)
	}
	if c.DisplayName != "Lamp – "+settings["address"] || c.Masked()["key"] != "••••••••lamp" {
		t.Errorf("%q, %q", c.DisplayName, c.Masked()["key"])
	}
}

// Every bundle of every integration that Margay ships compiles and is installed.
func TestBundlesInstall(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Config{SQLite: t.TempDir() + "/margay.db", Now: time.Now})
	list := append(all.Integrations().All(), lamp())
	flows := workflow.NewService(db, systems{integration.NewRegistry(list...)}, time.Now, newID)
	ana := identity.Actor{Person: "usr_1", Admin: true, Scopes: []identity.Scope{identity.ScopeAdmin}}
	for _, in := range list {
		for _, b := range in.Bundles {
			bundle := workflow.Bundle{Integration: in.Kind, Slug: b.Slug, Name: b.Name, Version: b.Version}
			for _, w := range b.Workflows {
				bundle.Workflows = append(bundle.Workflows, workflow.BundledWorkflow{Slug: w.Slug, Name: w.Name, Type: workflow.Type(w.Type), File: w.File, Source: w.Source})
			}
			ws, err := flows.Install(t.Context(), ana, bundle)
			if err != nil || len(ws) != len(b.Workflows) {
				t.Errorf("%s/%s: %d workflows, %v", in.Kind, b.Slug, len(ws), err)
			}
		}
	}
}

// systems gives workflows the modules of the integrations; none is run here.
type systems struct{ registry *integration.Registry }

func (s systems) Modules(kind string) (map[string]string, error) {
	in, err := s.registry.Get(kind)
	return in.Modules, err
}

func (systems) Hold(context.Context, string) (func(), error) { return nil, errors.New("no run here") }

func (systems) Act(context.Context, string, string, []byte, workflow.Guard, func(workflow.Call)) ([]byte, error) {
	return nil, errors.New("no run here")
}

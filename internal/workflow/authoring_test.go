package workflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/internal/workflow"
)

// desk is a service with a clock of its own, on a database.
type desk struct {
	t   *testing.T
	db  *store.DB
	svc *workflow.Service
	now atomic.Int64
	ids atomic.Int64
}

func newDesk(t *testing.T, db *store.DB, bundles ...workflow.Bundle) *desk {
	t.Helper()
	d := &desk{t: t, db: db}
	d.now.Store(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).UnixMilli())
	d.svc = d.service(bundles...)
	return d
}

// service is another node's, on the same database and clock.
func (d *desk) service(bundles ...workflow.Bundle) *workflow.Service {
	svc := workflow.NewService(d.db, &fakeSystems{}, d.clock, func(prefix string) string { return fmt.Sprintf("%s_%012d", prefix, d.ids.Add(1)) })
	svc.Use(workflow.Surroundings{
		Bundles: bundles,
		Integration: func(_ context.Context, id string) (string, error) {
			kind, ok := map[string]string{"con_1": "sys", "con_2": "other"}[id]
			if !ok {
				return "", fault.New(fault.NotFound, "no")
			}
			return kind, nil
		},
		Group: func(_ context.Context, id string) error {
			if id != "grp_1" {
				return fault.New(fault.NotFound, "no")
			}
			return nil
		},
		Groups: func(_ context.Context, p identity.PersonID) ([]string, error) {
			return map[identity.PersonID][]string{"usr_in": {"grp_1"}}[p], nil
		},
	})
	return svc
}

func (d *desk) clock() time.Time { return time.UnixMilli(d.now.Load()).UTC() }

func (d *desk) pass(by time.Duration) { d.now.Add(by.Milliseconds()) }

func ana() identity.Actor {
	return identity.Actor{Person: "usr_ana", Name: "Ana", Admin: true, Scopes: []identity.Scope{identity.ScopeAdmin}}
}

func person(id identity.PersonID) identity.Actor {
	return identity.Actor{Person: id, Scopes: identity.PersonalScopes()}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (d *desk) create(w workflow.Workflow, c workflow.Content) workflow.Workflow {
	d.t.Helper()
	if w.Integration == "" {
		w.Integration = "sys"
	}
	return must[workflow.Workflow](d.t)(d.svc.Create(d.t.Context(), ana(), w, c))
}

func (d *desk) save(w workflow.Workflow, text string) workflow.Workflow {
	d.t.Helper()
	return must[workflow.Workflow](d.t)(d.svc.SaveDraft(d.t.Context(), ana(), w.ID, w.Revision, workflow.Content{Source: text}))
}

func (d *desk) publish(w workflow.Workflow, note string) workflow.Workflow {
	d.t.Helper()
	return must[workflow.Workflow](d.t)(d.svc.Publish(d.t.Context(), ana(), w.ID, w.Revision, note))
}

func (d *desk) last() audit.Event {
	d.t.Helper()
	return must[[]audit.Event](d.t)(d.db.Events(d.t.Context(), audit.Filter{Limit: 1}))[0]
}

func (d *desk) runs(w workflow.Workflow) []workflow.Run {
	d.t.Helper()
	var of []workflow.Run
	for _, r := range must[[]workflow.Listed](d.t)(d.db.Runs(d.t.Context(), workflow.RunFilter{Whole: true})) {
		if r.Workflow == w.ID {
			of = append(of, r.Run)
		}
	}
	return of
}

func text(note string) string {
	return "export default async function run() {\n  return { note: \"" + note + "\" };\n}\n"
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if err == nil || fault.Public(err).Code != code {
		t.Errorf("%v, want the code %s", err, code)
	}
}

// From a draft to versions and back: a version is immutable, named by its hash,
// with its author, note and time; each act is in the audit log with what was
// before and after.
func TestDraftAndVersions(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		w := d.create(workflow.Workflow{Name: " Idle viewers ", Type: workflow.AccessProvisioning, Tags: []string{"Seats", "seats"}}, workflow.Content{})
		if w.Name != "Idle viewers" || w.Published != "" || w.Revision != 1 || len(w.Tags) != 1 || d.last().Kind != workflow.Created {
			t.Errorf("%+v, %+v", w, d.last())
		}
		_, err := d.svc.Published(t.Context(), w.ID)
		wantCode(t, err, "not_published")

		w = d.save(w, text("one"))
		w = d.publish(w, "the first")
		first := w.Published
		w = d.save(w, text("two"))
		if e := d.last(); e.Kind != workflow.DraftSaved || e.Data["before"] == "" || e.Data["after"] == "" || e.Actor != "usr_ana" {
			t.Errorf("%+v", e)
		}
		d.pass(time.Hour)
		w = d.publish(w, "")
		if e := d.last(); e.Kind != workflow.VersionPublish || e.Data["before"] != first || e.Data["after"] != w.Published || e.Data["version"] != "2" {
			t.Errorf("%+v", e)
		}

		versions := must[[]workflow.Version](t)(d.svc.Versions(t.Context(), ana(), w.ID))
		if len(versions) != 2 || versions[0].Hash != w.Published || versions[1].Hash != first || versions[1].Note != "the first" ||
			versions[1].Author != "usr_ana" || versions[1].Source != text("one") || !versions[0].CreatedAt.Equal(d.clock()) {
			t.Errorf("%+v", versions)
		}
		if v := must[workflow.Version](t)(d.svc.Version(t.Context(), ana(), w.ID, first[:8])); v.Number != 1 {
			t.Errorf("%+v", v)
		}

		// Restored, the old text is a draft; published, it is the version that it was.
		w = must[workflow.Workflow](t)(d.svc.Restore(t.Context(), ana(), w.ID, "1"))
		if w.Published == first {
			t.Error("a restored version is published")
		}
		_, err = d.svc.Restore(t.Context(), ana(), w.ID, "2")
		wantCode(t, err, "has_draft")
		w = d.publish(w, "back")
		if w.Published != first || len(must[[]workflow.Version](t)(d.svc.Versions(t.Context(), ana(), w.ID))) != 2 {
			t.Errorf("%+v", w)
		}
		_, err = d.svc.Publish(t.Context(), ana(), w.ID, w.Revision, "")
		wantCode(t, err, "no_draft")
		_, err = d.svc.Version(t.Context(), ana(), w.ID, "3")
		if !errors.Is(err, fault.NotFound) {
			t.Error(err)
		}
	})
}

// Two who edit at once: the second is told, and nobody's work is lost. The same
// text saved twice is no conflict.
func TestDraftConflict(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		w := d.create(workflow.Workflow{Name: "W", Type: workflow.CustomApproval}, workflow.Content{})
		var wg sync.WaitGroup
		var saved atomic.Int64
		for i := range 6 {
			wg.Go(func() {
				_, err := d.svc.SaveDraft(t.Context(), ana(), w.ID, w.Revision, workflow.Content{Source: text(strconv.Itoa(i))})
				if err == nil {
					saved.Add(1)
				} else if fault.Public(err).Code != "changed_meanwhile" {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		draft := must[*workflow.Draft](t)(d.svc.Draft(t.Context(), ana(), w.ID))
		if saved.Load() != 1 {
			t.Errorf("%d of 6 were saved", saved.Load())
		}

		if _, err := d.svc.SaveDraft(t.Context(), ana(), w.ID, w.Revision, draft.Content); err != nil {
			t.Errorf("what is there already: %v", err)
		}
		for name, act := range map[string]func() error{
			"publish": func() error { _, err := d.svc.Publish(t.Context(), ana(), w.ID, w.Revision, ""); return err },
			"discard": func() error { _, err := d.svc.Discard(t.Context(), ana(), w.ID, w.Revision); return err },
		} {
			if err := act(); fault.Public(err).Code != "changed_meanwhile" {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// A draft need not compile; to publish it must, and each fault has its place.
func TestPublishRefuses(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Config{SQLite: t.TempDir() + "/margay.db", Now: time.Now})
	d := newDesk(t, db)
	w := d.create(workflow.Workflow{Name: "W", Type: workflow.AccessProvisioning}, workflow.Content{})
	w = d.save(w, "export default async function run() {\n  const a = ;\n}\n")

	_, err := d.svc.Publish(t.Context(), ana(), w.ID, w.Revision, "")

	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code != "does_not_compile" || len(f.Fields()) != 1 {
		t.Fatalf("%v", err)
	}
	if p := f.Fields()[0].Place; p.File != "index.ts" || p.Line != 2 || p.Column != 13 || p.Text == "" {
		t.Errorf("%+v", p)
	}
	if _, err := d.svc.Published(t.Context(), w.ID); err == nil {
		t.Error("it is published")
	}

	scheduled := d.create(workflow.Workflow{Name: "S", Type: workflow.Scheduled}, workflow.Content{})
	_, err = d.svc.Publish(t.Context(), ana(), scheduled.ID, scheduled.Revision, "")
	if f := fault.Public(err); f.Field != "schedule" {
		t.Errorf("without a schedule: %v", err)
	}
	scheduled = must[workflow.Workflow](t)(d.svc.SaveDraft(t.Context(), ana(), scheduled.ID, scheduled.Revision,
		workflow.Content{Source: text("s"), Schedule: workflow.Schedule{Cron: "@daily"}}))
	_, err = d.svc.Publish(t.Context(), ana(), scheduled.ID, scheduled.Revision, "")
	if f := fault.Public(err); f.Field != "connection_id" {
		t.Errorf("without a connection: %v", err)
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Config{SQLite: t.TempDir() + "/margay.db", Now: time.Now})
	d := newDesk(t, db)
	d.create(workflow.Workflow{Name: "Taken", Type: workflow.Manual}, workflow.Content{})
	tests := map[string]struct {
		w     workflow.Workflow
		c     workflow.Content
		field string
	}{
		"no name":                  {w: workflow.Workflow{Type: workflow.Manual}, field: "name"},
		"two lines":                {w: workflow.Workflow{Name: "a\nb", Type: workflow.Manual}, field: "name"},
		"no type":                  {w: workflow.Workflow{Name: "A"}, field: "type"},
		"other system":             {w: workflow.Workflow{Name: "A", Type: workflow.Manual, Connection: "con_2"}, field: "connection_id"},
		"no connection":            {w: workflow.Workflow{Name: "A", Type: workflow.Manual, Connection: "con_3"}, field: "connection_id"},
		"connection of access":     {w: workflow.Workflow{Name: "A", Type: workflow.AccessProvisioning, Connection: "con_1"}, field: "connection_id"},
		"starters of a schedule":   {w: workflow.Workflow{Name: "A", Type: workflow.Scheduled, Starters: workflow.Starters{Anybody: true}}, field: "starters"},
		"no such group":            {w: workflow.Workflow{Name: "A", Type: workflow.Manual, Starters: workflow.Starters{Groups: []string{"grp_9"}}}, field: "starters"},
		"two words in a tag":       {w: workflow.Workflow{Name: "A", Type: workflow.Manual, Tags: []string{"a b"}}, field: "tags"},
		"inputs of a schedule":     {w: workflow.Workflow{Name: "A", Type: workflow.Scheduled}, c: workflow.Content{Inputs: json.RawMessage(`{"type":"object"}`)}, field: "inputs"},
		"schedule of a manual one": {w: workflow.Workflow{Name: "A", Type: workflow.Manual}, c: workflow.Content{Schedule: workflow.Schedule{Cron: "@daily"}}, field: "schedule"},
		"bad schedule":             {w: workflow.Workflow{Name: "A", Type: workflow.Scheduled}, c: workflow.Content{Schedule: workflow.Schedule{Cron: "0 25 * * *"}}, field: "schedule.cron"},
		"no such day":              {w: workflow.Workflow{Name: "A", Type: workflow.Scheduled}, c: workflow.Content{Schedule: workflow.Schedule{Cron: "0 0 30 2 *"}}, field: "schedule.cron"},
		"no such zone":             {w: workflow.Workflow{Name: "A", Type: workflow.Scheduled}, c: workflow.Content{Schedule: workflow.Schedule{Cron: "@daily", Zone: "Mars/Olympus"}}, field: "schedule.zone"},
		"unknown rule of an input": {w: workflow.Workflow{Name: "A", Type: workflow.Manual}, c: workflow.Content{Inputs: json.RawMessage(`{"type":"object","properties":{"a":{"type":"string","const":"x"}}}`)}, field: "inputs.properties.a"},
		"default that does not do": {w: workflow.Workflow{Name: "A", Type: workflow.Manual}, c: workflow.Content{Inputs: json.RawMessage(`{"type":"object","properties":{"a":{"type":"integer","default":"x"}}}`)}, field: "inputs.properties.a"},
		"folder in the file":       {w: workflow.Workflow{Name: "A", Type: workflow.Manual}, c: workflow.Content{File: "a/b.ts"}, field: "file"},
		"a NUL in the text":        {w: workflow.Workflow{Name: "A", Type: workflow.Manual}, c: workflow.Content{Source: "a\x00"}, field: "source"},
		"much too long":            {w: workflow.Workflow{Name: "A", Type: workflow.Manual}, c: workflow.Content{Source: strings.Repeat("a", 70<<10)}, field: "source"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.w.Integration = "sys"
			_, err := d.svc.Create(t.Context(), ana(), tt.w, tt.c)
			if f := fault.Public(err); err == nil || f.Kind != fault.Invalid || f.Fields()[0].Field != tt.field {
				t.Errorf("%+v, want the field %s", err, tt.field)
			}
		})
	}
	_, err := d.svc.Create(t.Context(), ana(), workflow.Workflow{Name: "taken", Type: workflow.Manual, Integration: "sys"}, workflow.Content{})
	wantCode(t, err, "exists")
	_, err = d.svc.Create(t.Context(), person("usr_x"), workflow.Workflow{Name: "B", Type: workflow.Manual, Integration: "sys"}, workflow.Content{})
	if !errors.Is(err, fault.Forbidden) || d.last().Kind != identity.ActRefused {
		t.Errorf("%v, %+v", err, d.last())
	}
}

// What is used is not put away; what is archived is neither edited nor run, and
// comes back.
func TestArchive(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		w := d.create(workflow.Workflow{Name: "W", Type: workflow.Manual, Connection: "con_1", Starters: workflow.Starters{Anybody: true}}, workflow.Content{})
		w = d.publish(w, "")

		w = must[workflow.Workflow](t)(d.svc.Archive(t.Context(), ana(), w.ID))

		_, err := d.svc.SaveDraft(t.Context(), ana(), w.ID, w.Revision, workflow.Content{Source: text("x")})
		wantCode(t, err, "archived")
		_, err = d.svc.Start(t.Context(), person("usr_x"), w.ID, nil)
		wantCode(t, err, "archived")
		d.create(workflow.Workflow{Name: "w", Type: workflow.Manual}, workflow.Content{}) // its name is free
		_, err = d.svc.Unarchive(t.Context(), ana(), w.ID)
		wantCode(t, err, "exists")
	})
}

// A copy: same text, another life.
func TestDuplicate(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Config{SQLite: t.TempDir() + "/margay.db", Now: time.Now})
	d := newDesk(t, db)
	w := d.publish(d.save(d.create(workflow.Workflow{Name: "W", Type: workflow.AccessProvisioning, Tags: []string{"a"}}, workflow.Content{}), text("one")), "")

	one := must[workflow.Workflow](t)(d.svc.Duplicate(t.Context(), ana(), w.ID, ""))
	two := must[workflow.Workflow](t)(d.svc.Duplicate(t.Context(), ana(), w.ID, ""))

	if one.Name != "Copy of W" || two.Name != "Copy of W (2)" || one.Published != "" || one.ID == w.ID || one.Tags[0] != "a" {
		t.Errorf("%+v, %+v", one, two)
	}
	if draft := must[*workflow.Draft](t)(d.svc.Draft(t.Context(), ana(), one.ID)); draft.Source != text("one") {
		t.Errorf("%+v", draft)
	}
}

// Who runs a manual workflow: administrators, and whom it lets.
func TestMayStart(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Config{SQLite: t.TempDir() + "/margay.db", Now: time.Now})
	d := newDesk(t, db)
	for name, tt := range map[string]struct {
		starters workflow.Starters
		may      map[identity.PersonID]bool
	}{
		"administrators": {workflow.Starters{}, map[identity.PersonID]bool{"usr_ana": true, "usr_in": false, "usr_out": false}},
		"a group":        {workflow.Starters{Groups: []string{"grp_1"}}, map[identity.PersonID]bool{"usr_ana": true, "usr_in": true, "usr_out": false}},
		"anybody":        {workflow.Starters{Anybody: true}, map[identity.PersonID]bool{"usr_ana": true, "usr_in": true, "usr_out": true}},
	} {
		w := d.publish(d.create(workflow.Workflow{Name: name, Type: workflow.Manual, Connection: "con_1", Starters: tt.starters}, workflow.Content{}), "")
		for who, may := range tt.may {
			actor := person(who)
			if who == "usr_ana" {
				actor = ana()
			}
			before := len(d.runs(w))
			r, err := d.svc.Start(t.Context(), actor, w.ID, json.RawMessage(`{"name":"x"}`))
			if (err == nil) != may || err != nil && fault.Public(err).Code != "not_starter" {
				t.Errorf("%s by %s: %v", name, who, err)
			}
			if may && (r.Kind != workflow.KindManual || r.Version != w.Published || r.Person != string(who) || d.last().Kind != workflow.Started) {
				t.Errorf("%+v, %+v", r, d.last())
			}
			if !may && (len(d.runs(w)) != before || d.last().Kind != identity.ActRefused) {
				t.Errorf("%s by %s left %+v", name, who, d.last())
			}
		}
		_, err := d.svc.Start(t.Context(), ana(), w.ID, json.RawMessage(`{"name":7}`))
		if f := fault.Public(err); f.Field != "inputs.name" {
			t.Errorf("%v", err)
		}
	}
	access := d.publish(d.save(d.create(workflow.Workflow{Name: "A", Type: workflow.AccessProvisioning}, workflow.Content{}), text("a")), "")
	_, err := d.svc.Start(t.Context(), ana(), access.ID, nil)
	wantCode(t, err, "not_manual")
}

// A schedule: off until it is published, one run a tick among all nodes, a time
// that was missed once, and nothing while it is paused.
func TestScheduled(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db) // Monday 2 March 2026, 9:00 UTC
		nodes := []*workflow.Service{d.svc, d.service(), d.service()}
		tick := func() {
			t.Helper()
			var wg sync.WaitGroup
			for _, node := range nodes {
				wg.Go(func() {
					if _, err := node.StartDue(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		done := func(w workflow.Workflow) {
			t.Helper()
			for _, r := range d.runs(w) {
				r.State, r.EndedAt = workflow.RunDone, d.clock()
				if err := db.SaveRun(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
		}
		want := func(w workflow.Workflow, n int) {
			t.Helper()
			if got := len(d.runs(w)); got != n {
				t.Fatalf("%d runs, want %d", got, n)
			}
		}
		w := d.create(workflow.Workflow{Name: "Seats", Type: workflow.Scheduled, Connection: "con_1"},
			workflow.Content{Schedule: workflow.Schedule{Cron: "0 * * * *", Zone: "UTC"}})
		d.pass(3 * time.Hour)
		tick()
		want(w, 0) // a draft does not run

		w = d.publish(w, "")
		if w.NextAt != d.clock().Add(time.Hour) {
			t.Errorf("next at %s", w.NextAt)
		}
		tick()
		want(w, 0)
		d.pass(time.Hour)
		tick()
		tick()
		want(w, 1)
		r := d.runs(w)[0]
		if r.Trigger != "schedule" || r.Version != w.Published || r.Connection != "con_1" || !strings.Contains(r.Input, "2026-03-02T13:00:00Z") {
			t.Errorf("%+v", r)
		}
		if e := d.last(); e.Kind != workflow.Started || e.Actor != "system" || e.Data["run"] != r.ID {
			t.Errorf("%+v", e)
		}

		// One that has not begun yet stands for those behind it.
		d.pass(time.Hour)
		tick()
		want(w, 1)
		if d.last().Kind != workflow.Skipped {
			t.Errorf("%+v", d.last())
		}

		// Five hours without a node.
		done(w)
		d.pass(5*time.Hour + 7*time.Minute)
		tick()
		want(w, 2)
		done(w)
		d.pass(50 * time.Minute)
		tick()
		want(w, 2)
		d.pass(10 * time.Minute)
		tick()
		want(w, 3)
		done(w)

		w = must[workflow.Workflow](t)(d.svc.Configure(t.Context(), ana(), w.ID, workflow.Settings{Paused: new(true)}))
		d.pass(2 * time.Hour)
		tick()
		want(w, 3)
		w = must[workflow.Workflow](t)(d.svc.Configure(t.Context(), ana(), w.ID, workflow.Settings{Paused: new(false)}))
		tick()
		want(w, 3) // what passed while it was paused was not missed
		d.pass(time.Hour)
		tick()
		want(w, 4)

		// A new version takes its schedule along.
		done(w)
		w = must[workflow.Workflow](t)(d.svc.SaveDraft(t.Context(), ana(), w.ID, w.Revision,
			workflow.Content{Source: text("daily"), Schedule: workflow.Schedule{Cron: "@daily"}}))
		w = d.publish(w, "")
		d.pass(30 * time.Minute)
		tick()
		want(w, 4)
		if got := w.NextAt.Format(time.RFC3339); got != "2026-03-03T00:00:00Z" {
			t.Errorf("next at %s", got)
		}
		must[workflow.Workflow](t)(d.svc.Archive(t.Context(), ana(), w.ID))
		d.pass(48 * time.Hour)
		tick()
		want(w, 4)
	})
}

// S13–S15, S100: a newer bundle is offered with its diff, makes a draft, and never overwrites
// an edited copy.
func TestBundleUpdate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		old := newDesk(t, db, bundle(1, "p", "d"))
		ws, err := old.svc.Install(t.Context(), ana(), bundle(1, "p", "d"))
		if err != nil {
			t.Fatal(err)
		}
		if ws[0].Edited() || old.svc.Available(ws[0]) != 0 {
			t.Errorf("%+v", ws[0])
		}
		_, err = old.svc.TakeUpdate(t.Context(), ana(), ws[0].ID)
		wantCode(t, err, "up_to_date")

		newer := bundle(2, "p", "d")
		newer.Workflows[0].Source = strings.Replace(source, `"done"`, `"new"`, 1)
		d := newDesk(t, db, newer)
		d.ids.Store(1000)
		edited := d.publish(d.save(ws[0], strings.Replace(source, "sys.do(2)", "sys.do(3)", 1)), "ours")
		if !edited.Edited() || d.svc.Available(edited) != 2 {
			t.Errorf("%+v", edited)
		}

		shown := must[workflow.Diff](t)(d.svc.Diff(t.Context(), ana(), edited.ID, "installed", "shipped"))
		if !strings.Contains(shown.Files[0].Unified, `+  return { note: "new"`) || strings.Contains(shown.Files[0].Unified, "do(3)") {
			t.Errorf("%s", shown.Files[0].Unified)
		}
		w := must[workflow.Workflow](t)(d.svc.TakeUpdate(t.Context(), ana(), edited.ID))
		if v := must[workflow.Version](t)(d.svc.Published(t.Context(), w.ID)); w.Published != edited.Published || !strings.Contains(v.Source, "do(3)") {
			t.Errorf("the edited copy became %s", v.Source)
		}
		if w.Origin.Version != 1 {
			t.Error("it is of the new version before that was published")
		}
		_, err = d.svc.TakeUpdate(t.Context(), ana(), edited.ID)
		wantCode(t, err, "has_draft")

		w = d.publish(w, "")
		if w.Origin.Version != 2 || w.Edited() || d.svc.Available(w) != 0 {
			t.Errorf("%+v", w)
		}
		if other := must[workflow.Workflow](t)(d.svc.Workflow(t.Context(), ws[1].ID)); other.Published != ws[1].Published {
			t.Error("the other copy changed too")
		}
	})
}

package workflow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/workflow/script"
)

// Events of workflows.
const (
	Created         audit.Kind = "workflow.created"
	DraftSaved      audit.Kind = "workflow.draft_saved"
	DraftDiscarded  audit.Kind = "workflow.draft_discarded"
	VersionRestored audit.Kind = "workflow.restored"
	VersionPublish  audit.Kind = "workflow.published"
	UpdateTaken     audit.Kind = "workflow.update_taken"
	Changed         audit.Kind = "workflow.changed"
	Archived        audit.Kind = "workflow.archived"
	Unarchived      audit.Kind = "workflow.unarchived"
)

// Fault is one thing that the compiler has to say, with its place.
type Fault = script.Fault

// Surroundings is what the service asks of packages that it does not know. What
// is nil is not asked.
type Surroundings struct {
	Bundles []Bundle // those that the integrations ship
	// Integration returns the kind of the system behind a connection.
	Integration func(ctx context.Context, connection string) (string, error)
	// Group refuses a group of people that is not there.
	Group func(ctx context.Context, id string) error
	// Groups lists the ids of the groups that a person is a member of.
	Groups func(ctx context.Context, person identity.PersonID) ([]string, error)
	// Apps lists the ids of the apps that somebody owns.
	Apps func(ctx context.Context, who identity.Actor) ([]string, error)
	// Person finds a person.
	Person func(ctx context.Context, id identity.PersonID) (identity.Person, error)
	Log    *slog.Logger
}

func (s *Service) log() *slog.Logger {
	if s.around.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.around.Log
}

// Use tells the service its surroundings. It is called once, before anything
// else.
func (s *Service) Use(around Surroundings) { s.around = around }

// admin refuses whoever is no administrator, and records that.
func (s *Service) admin(ctx context.Context, who identity.Actor, id, act string) error {
	return s.refused(ctx, who, id, act, who.NeedAdmin(identity.ScopeAdmin))
}

var nameable = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// refused records an attempt that was forbidden and returns its error.
func (s *Service) refused(ctx context.Context, who identity.Actor, id, act string, err error) error {
	if !errors.Is(err, fault.Forbidden) {
		return err
	}
	subject := "workflow"
	if nameable.MatchString(id) {
		subject += ":" + id
	}
	recorded := s.store.ChangeWorkflows(ctx, func(tx Tx) error {
		return tx.Record(ctx, audit.Event{
			At: s.now(), Kind: identity.ActRefused, Actor: who.String(), Subject: subject, Data: map[string]string{"act": act, "code": fault.Public(err).Code},
		})
	})
	return errors.Join(err, recorded)
}

// event builds an event of w with data given as key, value, …; empty values are
// left out.
func (w Workflow) event(kind audit.Kind, who identity.Actor, now time.Time, data ...string) audit.Event {
	e := audit.Event{At: now, Kind: kind, Actor: who.String(), Subject: "workflow:" + w.ID, Data: map[string]string{"name": w.Name}}
	for i := 0; i+1 < len(data); i += 2 {
		if data[i+1] != "" {
			e.Data[data[i]] = data[i+1]
		}
	}
	return e
}

// change runs one change of a workflow that is in use.
func (s *Service) change(ctx context.Context, id string, fn func(tx Tx, w Workflow) (Workflow, audit.Event, error)) (Workflow, error) {
	var changed Workflow
	err := s.store.ChangeWorkflows(ctx, func(tx Tx) error {
		w, err := tx.Workflow(ctx, id)
		if err != nil {
			return err
		}
		if w.Archived() {
			return archived(w)
		}
		w, event, err := fn(tx, w)
		if err != nil {
			return err
		}
		changed = w
		if event.Kind == "" { // nothing changed
			return nil
		}
		if err := tx.SaveWorkflow(ctx, w); err != nil {
			return err
		}
		return tx.Record(ctx, event)
	})
	return changed, err
}

func archived(w Workflow) error {
	return fault.New(fault.Conflict, "The workflow %s is archived.", w.Name).WithCode("archived").WithHint("Bring it back first.")
}

// check refuses what clean cannot know: a connection of another system, a group
// that is not there, a name that is taken.
func (s *Service) check(ctx context.Context, tx Tx, w Workflow) error {
	var faults []*fault.Error
	if w.Connection != "" && s.around.Integration != nil {
		kind, err := s.around.Integration(ctx, w.Connection)
		switch {
		case errors.Is(err, fault.NotFound):
			faults = append(faults, fault.Field("connection_id", "There is no connection %s.", w.Connection))
		case err != nil:
			return err
		case kind != w.Integration:
			faults = append(faults, fault.Field("connection_id", "The connection is to another system than the workflow is for (%s).", w.Integration))
		}
	}
	for _, g := range w.Starters.Groups {
		if s.around.Group == nil {
			break
		}
		if err := s.around.Group(ctx, g); errors.Is(err, fault.NotFound) {
			faults = append(faults, fault.Field("starters", "There is no group %s.", g))
		} else if err != nil {
			return err
		}
	}
	if err := fault.Join(faults...); err != nil {
		return err
	}
	all, err := tx.Workflows(ctx)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.ID != w.ID && !other.Archived() && strings.EqualFold(other.Name, w.Name) {
			return fault.New(fault.Conflict, "There is a workflow %s already.", other.Name).WithCode("exists").WithHint("Choose another name.")
		}
	}
	return nil
}

// Create makes a workflow with a draft. Without a text the draft is an example
// of its type.
func (s *Service) Create(ctx context.Context, who identity.Actor, w Workflow, c Content) (Workflow, error) {
	if err := s.admin(ctx, who, "", "create"); err != nil {
		return Workflow{}, err
	}
	w, err := w.clean()
	if err != nil {
		return Workflow{}, err
	}
	if _, err := s.systems.Modules(w.Integration); err != nil {
		return Workflow{}, fault.Field("integration", "There is no integration %q.", w.Integration)
	}
	if c.Source == "" {
		c = example(w.Type, c)
	}
	if c, err = c.clean(w.Type); err != nil {
		return Workflow{}, err
	}
	now := s.now()
	w.ID, w.CreatedAt, w.Revision, w.Published, w.Origin = s.newID("wfl"), now, 1, "", Origin{}
	err = s.store.ChangeWorkflows(ctx, func(tx Tx) error {
		if err := s.check(ctx, tx, w); err != nil {
			return err
		}
		if err := tx.SaveWorkflow(ctx, w); err != nil {
			return err
		}
		if err := tx.SaveDraft(ctx, w.ID, &Draft{Content: c, Author: who.Person, At: now}); err != nil {
			return err
		}
		return tx.Record(ctx, w.event(Created, who, now, "type", string(w.Type), "connection", w.Connection, "after", sumOf(c, nil)))
	})
	return w, wrap("create workflow", err)
}

// Settings are the changes of what surrounds a workflow's text; nil keeps.
type Settings struct {
	Name        *string
	Description *string
	Tags        *[]string
	Connection  *string
	Starters    *Starters
	Paused      *bool
}

// Configure changes what surrounds a workflow's text. It holds at once, and not
// for runs that are under way.
func (s *Service) Configure(ctx context.Context, who identity.Actor, id string, c Settings) (Workflow, error) {
	if err := s.admin(ctx, who, id, "change"); err != nil {
		return Workflow{}, err
	}
	w, err := s.change(ctx, id, func(tx Tx, w Workflow) (Workflow, audit.Event, error) {
		before := w
		set(&w.Name, c.Name)
		set(&w.Description, c.Description)
		set(&w.Tags, c.Tags)
		set(&w.Connection, c.Connection)
		set(&w.Starters, c.Starters)
		set(&w.Paused, c.Paused)
		w, err := w.clean()
		if err != nil {
			return w, audit.Event{}, err
		}
		if w.Connection == "" && w.runsByItself() && w.Published != "" {
			return w, audit.Event{}, errNoConnection
		}
		if err := s.check(ctx, tx, w); err != nil {
			return w, audit.Event{}, err
		}
		if w.Paused != before.Paused {
			if w, err = s.scheduled(ctx, tx, w); err != nil {
				return w, audit.Event{}, err
			}
		}
		return w, w.event(Changed, who, s.now(), changes(before, w)...), nil
	})
	return w, wrap("change workflow", err)
}

var errNoConnection = fault.Field("connection_id", "Choose the connection whose system it calls.")

func set[T any](to, value *T) {
	if value != nil {
		*to = *value
	}
}

// changes lists what differs between two states, for the audit log.
func changes(before, after Workflow) []string {
	var data []string
	for _, c := range []struct{ name, before, after string }{
		{"renamed", before.Name, after.Name},
		{"description", before.Description, after.Description},
		{"tags", strings.Join(before.Tags, ","), strings.Join(after.Tags, ",")},
		{"connection", before.Connection, after.Connection},
		{"starters", before.Starters.String(), after.Starters.String()},
		{"paused", strconv.FormatBool(before.Paused), strconv.FormatBool(after.Paused)},
	} {
		if c.before != c.after {
			data = append(data, c.name, c.before+" → "+c.after)
		}
	}
	return data
}

// String names who may start a workflow.
func (s Starters) String() string {
	switch {
	case s.Anybody:
		return "anybody"
	case len(s.Groups) > 0:
		return strings.Join(s.Groups, ",")
	}
	return "administrators"
}

// scheduled returns w with the time at which the clock runs it next.
func (s *Service) scheduled(ctx context.Context, tx Tx, w Workflow) (Workflow, error) {
	w.NextAt = time.Time{}
	if w.Type != Scheduled || w.Paused || w.Archived() || w.Published == "" {
		return w, nil
	}
	v, err := tx.Version(ctx, w.ID, w.Published)
	w.NextAt = v.Schedule.Next(s.now())
	return w, err
}

// errMoved says that somebody else was faster.
func errMoved(w Workflow) error {
	return fault.New(fault.Conflict, "The workflow %s was changed meanwhile: its revision is %d now.", w.Name, w.Revision).WithCode("changed_meanwhile").
		WithHint("Look at what changed, and save again on top of it.")
}

// SaveDraft keeps what becomes the next version. revision is the one that the
// author saw. A draft need not compile; what the compiler has to say is told by
// Check.
func (s *Service) SaveDraft(ctx context.Context, who identity.Actor, id string, revision int, c Content) (Workflow, error) {
	if err := s.admin(ctx, who, id, "save_draft"); err != nil {
		return Workflow{}, err
	}
	w, err := s.change(ctx, id, func(tx Tx, w Workflow) (Workflow, audit.Event, error) {
		c, err := c.clean(w.Type)
		if err != nil {
			return w, audit.Event{}, err
		}
		d, before, err := s.present(ctx, tx, w)
		if err != nil {
			return w, audit.Event{}, err
		}
		after := sumOf(c, nil)
		if after == before && (d == nil || c.File == d.File) {
			return w, audit.Event{}, nil // it is there already, whoever wrote it
		}
		if w.Revision != revision {
			return w, audit.Event{}, errMoved(w)
		}
		next := Draft{Content: c, Author: who.Person, At: s.now()}
		if d != nil {
			next.Bundle = d.Bundle
		}
		w.Revision++
		return w, w.event(DraftSaved, who, s.now(), "before", before, "after", after), tx.SaveDraft(ctx, w.ID, &next)
	})
	return w, wrap("save draft", err)
}

// present returns the draft of w, if there is one, and the sum of what its
// author sees now: of the draft, else of the published version.
func (s *Service) present(ctx context.Context, tx Tx, w Workflow) (*Draft, string, error) {
	d, err := tx.Draft(ctx, w.ID)
	if err != nil {
		return nil, "", err
	}
	if d != nil {
		return d, sumOf(d.Content, nil), nil
	}
	if w.Published == "" {
		return nil, "", nil
	}
	v, err := tx.Version(ctx, w.ID, w.Published)
	return nil, sumOf(v.Content(), nil), err
}

// Discard throws the draft away.
func (s *Service) Discard(ctx context.Context, who identity.Actor, id string, revision int) (Workflow, error) {
	if err := s.admin(ctx, who, id, "discard_draft"); err != nil {
		return Workflow{}, err
	}
	w, err := s.change(ctx, id, func(tx Tx, w Workflow) (Workflow, audit.Event, error) {
		d, before, err := s.present(ctx, tx, w)
		switch {
		case err != nil:
			return w, audit.Event{}, err
		case d == nil:
			return w, audit.Event{}, fault.New(fault.Conflict, "The workflow %s has no draft.", w.Name).WithCode("no_draft")
		case w.Revision != revision:
			return w, audit.Event{}, errMoved(w)
		case w.Published == "":
			return w, audit.Event{}, fault.New(fault.Conflict, "The draft is all there is of the workflow %s.", w.Name).WithCode("only_draft").
				WithHint("Archive the workflow instead.")
		}
		w.Revision++
		return w, w.event(DraftDiscarded, who, s.now(), "before", before, "after", w.Published), tx.SaveDraft(ctx, w.ID, nil)
	})
	return w, wrap("discard draft", err)
}

// Check returns what the compiler has to say of a content, and what is missing
// besides. It keeps nothing.
func (s *Service) Check(ctx context.Context, who identity.Actor, integration string, c Content) ([]Fault, error) {
	if err := who.NeedAdmin(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	mods, err := modules(s.systems, integration)
	if err != nil {
		return nil, err
	}
	if c.File == "" {
		c.File = "index.ts"
	}
	return c.faults(mods), ctx.Err()
}

// Publish makes the draft the published version. Runs that are under way go on
// with the version that they began with. A content that was published before
// becomes the published one again.
func (s *Service) Publish(ctx context.Context, who identity.Actor, id string, revision int, note string) (Workflow, error) {
	if err := s.admin(ctx, who, id, "publish"); err != nil {
		return Workflow{}, err
	}
	var faults []*fault.Error
	note = cleanText(&faults, "note", note, maxNote)
	if err := fault.Join(faults...); err != nil {
		return Workflow{}, err
	}
	before, err := s.store.Workflow(ctx, id)
	if err != nil {
		return Workflow{}, err
	}
	d, err := s.store.Draft(ctx, id)
	if err != nil {
		return Workflow{}, err
	}
	if d == nil {
		return Workflow{}, nothingToPublish(before)
	}
	// The compiler takes its time: not while all writers wait.
	mods, err := modules(s.systems, before.Integration)
	if err != nil {
		return Workflow{}, err
	}
	v, err := before.version(d.Content, mods, 0, s.now())
	if err != nil {
		return Workflow{}, err
	}
	v.Note, v.Author = note, who.Person
	w, err := s.change(ctx, id, func(tx Tx, w Workflow) (Workflow, audit.Event, error) {
		now, err := tx.Draft(ctx, id)
		switch {
		case err != nil:
			return w, audit.Event{}, err
		case w.Revision != revision:
			return w, audit.Event{}, errMoved(w)
		case now == nil:
			return w, audit.Event{}, nothingToPublish(w)
		case w.Revision != before.Revision || sumOf(now.Content, nil) != sumOf(d.Content, nil): // since it was compiled
			return w, audit.Event{}, errMoved(w)
		case w.Connection == "" && w.runsByItself():
			return w, audit.Event{}, errNoConnection
		}
		return s.publish(ctx, tx, who, w, v, *now)
	})
	return w, wrap("publish workflow", err)
}

func nothingToPublish(w Workflow) error {
	return fault.New(fault.Conflict, "There is nothing to publish: the workflow %s has no draft.", w.Name).WithCode("no_draft")
}

func (s *Service) publish(ctx context.Context, tx Tx, who identity.Actor, w Workflow, v Version, d Draft) (Workflow, audit.Event, error) {
	versions, err := tx.Versions(ctx, w.ID)
	if err != nil {
		return w, audit.Event{}, err
	}
	v.Number = 1
	if len(versions) > 0 {
		v.Number = versions[0].Number + 1
	}
	known := slices.IndexFunc(versions, func(o Version) bool { return o.Hash == v.Hash })
	if known >= 0 {
		v.Number = versions[known].Number
	} else if err := tx.AddVersion(ctx, v); err != nil {
		return w, audit.Event{}, err
	}
	if err := tx.SaveDraft(ctx, w.ID, nil); err != nil {
		return w, audit.Event{}, err
	}
	before := w.Published
	w.Published = v.Hash
	w.Revision++
	if d.Bundle > 0 {
		w.Origin.Version, w.Origin.Hash = d.Bundle, ""
		if shipped, _, ok := s.shipped(w); ok && shipped.Source == v.Source {
			w.Origin.Hash = v.Hash
		}
	}
	if w, err = s.scheduled(ctx, tx, w); err != nil {
		return w, audit.Event{}, err
	}
	return w, w.event(VersionPublish, who, s.now(), "before", before, "after", v.Hash, "version", strconv.Itoa(v.Number), "note", v.Note,
		"schedule", v.Schedule.String()), nil
}

// Restore makes a draft of an old version.
func (s *Service) Restore(ctx context.Context, who identity.Actor, id, version string) (Workflow, error) {
	if err := s.admin(ctx, who, id, "restore"); err != nil {
		return Workflow{}, err
	}
	w, err := s.change(ctx, id, func(tx Tx, w Workflow) (Workflow, audit.Event, error) {
		versions, err := tx.Versions(ctx, id)
		if err != nil {
			return w, audit.Event{}, err
		}
		v, err := pickVersion(w, versions, version)
		if err != nil {
			return w, audit.Event{}, err
		}
		return s.draftOf(ctx, tx, who, w, Draft{Content: v.Content()}, VersionRestored, "version", strconv.Itoa(v.Number))
	})
	return w, wrap("restore workflow", err)
}

// draftOf makes d the draft of w, which must have none: nobody's work is
// overwritten.
func (s *Service) draftOf(ctx context.Context, tx Tx, who identity.Actor, w Workflow, d Draft, kind audit.Kind, data ...string) (Workflow, audit.Event, error) {
	kept, before, err := s.present(ctx, tx, w)
	if err != nil {
		return w, audit.Event{}, err
	}
	if kept != nil {
		return w, audit.Event{}, fault.New(fault.Conflict, "The workflow %s has a draft, which this would overwrite.", w.Name).WithCode("has_draft").
			WithHint("Publish the draft or discard it first.")
	}
	d.Author, d.At = who.Person, s.now()
	w.Revision++
	data = append(data, "before", before, "after", sumOf(d.Content, nil))
	return w, w.event(kind, who, s.now(), data...), tx.SaveDraft(ctx, w.ID, &d)
}

// Duplicate makes a workflow of the same text, which is nobody's copy and not
// published.
func (s *Service) Duplicate(ctx context.Context, who identity.Actor, id, name string) (Workflow, error) {
	if err := s.admin(ctx, who, id, "duplicate"); err != nil {
		return Workflow{}, err
	}
	w, err := s.store.Workflow(ctx, id)
	if err != nil {
		return Workflow{}, err
	}
	from, err := s.sideOf(ctx, w, "")
	if err != nil {
		return Workflow{}, err
	}
	if strings.TrimSpace(name) == "" {
		if name, err = s.freeName(ctx, "Copy of "+w.Name); err != nil {
			return Workflow{}, err
		}
	}
	return s.Create(ctx, who, Workflow{
		Name: name, Type: w.Type, Integration: w.Integration, Connection: w.Connection, Description: w.Description, Tags: w.Tags, Starters: w.Starters,
	}, from.content)
}

// freeName returns name, or name with a number behind it when it is taken.
func (s *Service) freeName(ctx context.Context, name string) (string, error) {
	all, err := s.store.Workflows(ctx)
	if err != nil {
		return "", err
	}
	free := name
	for n := 2; slices.ContainsFunc(all, func(w Workflow) bool { return !w.Archived() && strings.EqualFold(w.Name, free) }); n++ {
		free = fmt.Sprintf("%s (%d)", name, n)
	}
	return free, nil
}

// Archive puts a workflow away: nobody can choose or run it, and its history
// stays. One that is used is not put away.
func (s *Service) Archive(ctx context.Context, who identity.Actor, id string) (Workflow, error) {
	if err := s.admin(ctx, who, id, "archive"); err != nil {
		return Workflow{}, err
	}
	w, err := s.change(ctx, id, func(tx Tx, w Workflow) (Workflow, audit.Event, error) {
		uses, err := tx.Uses(ctx, id)
		if err != nil {
			return w, audit.Event{}, err
		}
		if len(uses) > 0 {
			names := make([]string, len(uses))
			for i, u := range uses {
				names[i] = "the " + u.Kind + " " + u.Name
			}
			return w, audit.Event{}, fault.New(fault.Conflict, "The workflow %s is used by %s.", w.Name, strings.Join(names, ", ")).WithCode("in_use").
				WithHint("Choose another workflow there first.")
		}
		w.ArchivedAt, w.NextAt = s.now(), time.Time{}
		return w, w.event(Archived, who, s.now()), nil
	})
	return w, wrap("archive workflow", err)
}

// Unarchive brings an archived workflow back.
func (s *Service) Unarchive(ctx context.Context, who identity.Actor, id string) (Workflow, error) {
	if err := s.admin(ctx, who, id, "unarchive"); err != nil {
		return Workflow{}, err
	}
	var back Workflow
	err := s.store.ChangeWorkflows(ctx, func(tx Tx) error {
		w, err := tx.Workflow(ctx, id)
		if err != nil {
			return err
		}
		if !w.Archived() {
			return fault.New(fault.Conflict, "The workflow %s is not archived.", w.Name).WithCode("not_archived")
		}
		if err := s.check(ctx, tx, w); err != nil {
			return err
		}
		w.ArchivedAt = time.Time{}
		if back, err = s.scheduled(ctx, tx, w); err != nil {
			return err
		}
		if err := tx.SaveWorkflow(ctx, back); err != nil {
			return err
		}
		return tx.Record(ctx, w.event(Unarchived, who, s.now()))
	})
	return back, wrap("bring workflow back", err)
}

func wrap(act string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", act, err)
}

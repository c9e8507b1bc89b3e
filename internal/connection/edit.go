package connection

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
)

// Edit is a change of a connection's settings. A field that is blank or absent
// keeps what is stored where the integration says so; else blank is stored.
type Edit struct {
	Settings integration.Settings
	// Version is that of the connection as the editor saw it; 0: whatever is
	// stored. When it was saved meanwhile the edit is a fault.Conflict.
	Version int
	// Agreed: who edits knows that live grants will end, or be set up, elsewhere.
	// Without it such an edit is a fault.Conflict.
	Agreed bool
}

// Use is what depends on a connection.
type Use struct {
	Apps       []string // their names
	AppIDs     []string // likewise
	LiveGrants int      // access that is there, or may be
	Grants     int      // all that was ever given through it
}

// Change is one field that an edit changes. Of a secret no value is shown.
type Change struct {
	Key, Label    string
	Before, After string
	Secret        bool
}

// Plan is what an edit will do.
type Plan struct {
	Before, After Connection // After as it would be stored, without sealed secrets
	Changes       []Change
	Target        integration.Target // where calls will go
	Moves         bool               // it is elsewhere than now
	Use           Use
	Warnings      []string
}

// Update changes the settings of a connection.
func (s *Service) Update(ctx context.Context, who identity.Actor, id string, e Edit) (Connection, error) {
	c, in, err := s.toEdit(ctx, who, id, e)
	if err != nil {
		return Connection{}, err
	}
	clean, err := s.edited(c, in, e.Settings)
	if err = also(err, who.NeedProof(s.now())); err != nil {
		return Connection{}, err
	}
	if open, _ := split(in.Fields, clean); maps.Equal(open, c.Settings) && !givesSecret(in, e.Settings) {
		return c, nil // what its checks found still holds
	}
	if err := s.agreed(ctx, c, in, clean, e); err != nil {
		return Connection{}, err
	}
	return s.save(ctx, who, c, in, clean, e, "")
}

// agreed refuses an edit that takes live grants elsewhere, unless whoever edits
// knows it.
func (s *Service) agreed(ctx context.Context, c Connection, in integration.Integration, clean integration.Settings, e Edit) error {
	from, to := in.TargetOf(c.Settings), in.TargetOf(clean)
	if e.Agreed || from == to {
		return nil
	}
	use, err := s.store.ConnectionUse(ctx, c.ID)
	if err != nil || use.LiveGrants == 0 {
		return err
	}
	return fault.New(fault.Conflict, "%s", meets(use.LiveGrants, from, to)).WithCode("moves_grants").
		WithHint("Nothing was changed. To move the connection all the same, agree to it: agree in the API, --yes on the command line.")
}

// meets says what becomes of live grants when their connection goes elsewhere.
func meets(live int, from, to integration.Target) string {
	return fmt.Sprintf("%s through this connection: from now on %s on %s. What is set up on %s stays there.",
		count(live, "grant is live", "grants are live"), map[bool]string{true: "it is set up and ended", false: "they are set up and ended"}[live == 1], to, from)
}

// toEdit returns a connection that the actor may edit, as it is stored now.
func (s *Service) toEdit(ctx context.Context, who identity.Actor, id string, e Edit) (Connection, integration.Integration, error) {
	if err := who.NeedAdmin(identity.ScopeConnectionsWrite); err != nil {
		return Connection{}, integration.Integration{}, err
	}
	c, in, err := s.get(ctx, id)
	if err != nil {
		return Connection{}, integration.Integration{}, err
	}
	if e.Version != 0 && e.Version != c.Version {
		return Connection{}, integration.Integration{}, s.meanwhile(c, in, e)
	}
	return c, in, checkKnown(in, e.Settings)
}

// anew is err where a secret is needed: a mask cannot be left out.
func anew(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Kind != fault.Invalid || len(f.Fields()) == 0 {
		return err
	}
	var all []*fault.Error
	for _, field := range f.Fields() {
		if field.Code == "masked" {
			field = fault.Field(field.Field, "That is the masked secret, not a secret. Give the new one.").WithCode("masked")
		}
		all = append(all, field)
	}
	return fault.Join(all...)
}

// also adds what is wrong besides: people are told of everything at once.
func also(err, besides error) error {
	f, isFault := errors.AsType[*fault.Error](err)
	g, another := errors.AsType[*fault.Error](besides)
	switch {
	case besides == nil:
		return err
	case err == nil:
		return besides
	case isFault && another && f.Kind == fault.Invalid && len(f.Fields()) > 0:
		return fault.Join(append(f.Fields(), g)...)
	}
	return err
}

// edited returns the settings of c after an edit, secrets included.
func (s *Service) edited(c Connection, in integration.Integration, settings integration.Settings) (integration.Settings, error) {
	kept, err := s.kept(c, in, settings)
	if err != nil {
		return nil, err
	}
	return cleanEdit(in, settings, kept)
}

// cleanEdit returns the settings after an edit. A field whose blank is saved,
// given as blank, is not filled from what was pasted into another: it was chosen.
func cleanEdit(in integration.Integration, settings, kept integration.Settings) (integration.Settings, error) {
	clean, err := cleaned(in, settings, kept)
	if err != nil {
		return nil, err
	}
	var faults []*fault.Error
	for _, f := range in.Fields {
		typed, given := settings[f.Key]
		if pasted := clean[f.Key]; given && !f.KeepBlank && pasted != "" && strings.TrimSpace(typed) == "" {
			faults = append(faults, fault.Field("settings."+f.Key,
				"The address that was pasted says %s, and this is empty, which is saved as it is: which of them is it?", pasted))
		}
	}
	return clean, fault.Join(faults...)
}

// save stores c with other settings and drops its open client.
func (s *Service) save(ctx context.Context, who identity.Actor, c Connection, in integration.Integration, clean integration.Settings, e Edit, kind string) (Connection, error) {
	now, was := s.now(), c
	c.Version++
	c, err := s.fill(c, in, clean, who, now)
	if err != nil {
		return Connection{}, err
	}
	if givesSecret(in, e.Settings) {
		c.SecretAt, c.SecretBy = now, authorOf(who)
	} else {
		c.SecretAt, c.SecretBy = was.SecretAt, was.SecretBy
	}
	event := s.event(Changed, who, c, now)
	if kind != "" {
		event.Kind = Rotated
	}
	if changed := strings.Join(changedKeys(in, was, c, e.Settings), " "); changed != "" {
		event.Data["changed"] = changed
	}
	err = s.store.SaveConnection(ctx, c, event)
	if errors.Is(err, fault.Conflict) {
		if now, _, got := s.get(ctx, c.ID); got == nil && now.Version != was.Version {
			return Connection{}, s.meanwhile(now, in, e)
		}
	}
	if err != nil {
		return Connection{}, err
	}
	s.forget(ctx, c.ID)
	return c, nil
}

// givesSecret says whether settings hold a new secret.
func givesSecret(in integration.Integration, settings integration.Settings) bool {
	for _, f := range in.Fields {
		if f.Secret && strings.TrimSpace(settings[f.Key]) != "" {
			return true
		}
	}
	return false
}

func changedKeys(in integration.Integration, was, now Connection, given integration.Settings) []string {
	var keys []string
	for _, ch := range changes(in, was, now, given) {
		keys = append(keys, ch.Key)
	}
	return keys
}

// changes lists what differs between two states of a connection. A secret has
// changed when a new one was given.
func changes(in integration.Integration, was, now Connection, given integration.Settings) []Change {
	var out []Change
	for _, f := range in.Fields {
		ch := Change{Key: f.Key, Label: f.Label, Before: was.Settings[f.Key], After: now.Settings[f.Key], Secret: f.Secret}
		if f.Secret {
			if strings.TrimSpace(given[f.Key]) == "" {
				continue
			}
			ch.Before, ch.After = was.Hints[f.Key], mask(strings.TrimSpace(given[f.Key]))
		} else if ch.Before == ch.After {
			continue
		}
		out = append(out, ch)
	}
	return out
}

// meanwhile is the conflict of an edit of something that somebody else saved:
// who and when, and for each field that differs what is stored and what was
// typed. Nothing is lost by it.
func (s *Service) meanwhile(c Connection, in integration.Integration, e Edit) error {
	f := fault.New(fault.Conflict, "%s saved this connection at %s, after you opened it.", c.UpdatedBy, c.UpdatedAt.UTC().Format("2006-01-02 15:04:05 MST")).
		WithCode("conflict").WithHint("Nothing was saved. Look at what is stored now, then save again.")
	for _, field := range in.Fields {
		value, given := e.Settings[field.Key]
		value = strings.TrimSpace(value)
		switch {
		case field.Secret && value != "":
			f.More = append(f.More, fault.Field("settings."+field.Key, "%s: %s is stored now; you typed a new one.", field.Label, c.Hints[field.Key]).WithCode("conflict"))
		case field.Secret, value == c.Settings[field.Key], value == "" && field.KeepBlank, !given && field.KeepBlank:
		default:
			f.More = append(f.More, fault.Field("settings."+field.Key, "%s: %s is stored now; you have %s.", field.Label, shown(c.Settings[field.Key]), shown(value)).WithCode("conflict"))
		}
	}
	return f
}

// shown writes a value in a sentence.
func shown(value string) string {
	if value == "" {
		return "nothing"
	}
	return "“" + cut(value) + "”"
}

// Preview says what an edit will do, and does nothing.
func (s *Service) Preview(ctx context.Context, who identity.Actor, id string, e Edit) (Plan, error) {
	c, in, err := s.toEdit(ctx, who, id, e)
	if err != nil {
		return Plan{}, err
	}
	kept := integration.Settings{} // no secret is opened to look at an edit
	for _, f := range in.Fields {
		if f.KeepBlank {
			kept[f.Key] = c.Settings[f.Key]
		}
		if f.Secret && c.Hints[f.Key] != "" {
			kept[f.Key] = bullets
		}
	}
	clean, err := cleanEdit(in, e.Settings, kept)
	if err != nil {
		return Plan{}, err
	}
	open, _ := split(in.Fields, clean)
	after := c
	after.Version++
	after.Settings, after.DisplayName, after.Sealed = open, in.DisplayName(open), nil
	p := Plan{Before: c, After: after, Changes: changes(in, c, after, e.Settings)}
	p.Target = in.TargetOf(open)
	p.Moves = p.Target != in.TargetOf(c.Settings)
	if p.Use, err = s.store.ConnectionUse(ctx, id); err != nil {
		return Plan{}, err
	}
	p.Warnings = s.warnings(in, p, e)
	if len(p.Changes) > 0 {
		same, _, err := s.Same(ctx, who, c.Integration, open, id)
		if err != nil {
			return Plan{}, err
		}
		if w := SameWarning(same); w != "" {
			p.Warnings = append(p.Warnings, w)
		}
	}
	return p, nil
}

// warnings says what people should know before they save.
func (s *Service) warnings(in integration.Integration, p Plan, e Edit) []string {
	var out []string
	from, to := in.TargetOf(p.Before.Settings), in.TargetOf(p.After.Settings)
	if p.Moves {
		out = append(out, fmt.Sprintf("Calls go to %s, and no longer to %s.", to, from))
		if n := p.Use.LiveGrants; n > 0 {
			out = append(out, meets(n, from, to))
		}
		if len(p.Use.Apps) > 0 {
			out = append(out, fmt.Sprintf("%s to it: %s.", count(len(p.Use.Apps), "app is bound", "apps are bound"), strings.Join(p.Use.Apps, ", ")))
		}
	}
	if from.Host != to.Host && !givesSecret(in, e.Settings) {
		out = append(out, fmt.Sprintf("The stored secret will be sent to %s.", to.Host))
	}
	return out
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Rotate replaces a connection's credentials. The new ones are tried before the
// old ones are dropped: when the system refuses them, nothing is changed.
func (s *Service) Rotate(ctx context.Context, who identity.Actor, id string, e Edit) (Connection, error) {
	c, in, err := s.toEdit(ctx, who, id, e)
	if err != nil {
		return Connection{}, anew(err)
	}
	all := integration.Settings{}
	var faults []*fault.Error
	for _, f := range in.Fields {
		value, given := e.Settings[f.Key]
		switch {
		case given && !f.Credential:
			faults = append(faults, fault.Field("settings."+f.Key, "%s is no part of the credentials: change it by an edit.", f.Label))
		case f.Credential:
			all[f.Key] = value
		default:
			all[f.Key] = c.Settings[f.Key]
		}
		if f.Secret && strings.TrimSpace(value) == "" {
			faults = append(faults, fault.Field("settings."+f.Key, "%s", f.Missing).WithCode("required"))
		}
	}
	if err := also(fault.Join(faults...), who.NeedProof(s.now())); err != nil {
		return Connection{}, err
	}
	clean, err := s.edited(c, in, all)
	if err != nil {
		return Connection{}, err
	}
	if err := s.accepted(ctx, in, clean); err != nil {
		return Connection{}, err
	}
	return s.save(ctx, who, c, in, clean, Edit{Settings: all, Version: e.Version}, "rotated")
}

// tryTime bounds how long new credentials are tried.
const tryTime = time.Minute

// accepted says whether the system takes credentials that are not stored yet.
func (s *Service) accepted(ctx context.Context, in integration.Integration, settings integration.Settings) error {
	client, err := in.Open(settings, s.env)
	if err != nil {
		return err
	}
	// The new session is ended before the next one is begun: a system may allow
	// only one.
	defer s.close(context.WithoutCancel(ctx), "not stored", client)
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	if in.Try == nil {
		for _, check := range in.Checks[:min(1, len(in.Checks))] {
			if r := check.Run(ctx, client, settings); !r.Pass {
				return unchanged(fault.New(fault.Upstream, "%s", r.Message).WithCode("refused").WithDetail(r.Detail).WithHint("%s", r.Hint))
			}
		}
		return nil
	}
	err = in.Try(ctx, client)
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return unchanged(f)
	}
	return err
}

// unchanged is f with the word that nothing was changed.
func unchanged(f *fault.Error) error {
	out := *f
	out.Hint = strings.TrimSpace("Nothing was changed: the old credentials stay in use. " + f.Hint)
	return &out
}

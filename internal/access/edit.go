package access

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// Saved says which version of an app, a role or a profile something is, and who
// made it. An edit is of the version that its editor saw: when somebody else
// saved another one meanwhile, it is refused, so that nobody undoes what they
// never saw.
type Saved struct {
	Version int // 1, 2, …; given with an edit, that of what its editor saw; 0: whatever is stored
	SavedBy identity.PersonID
	SavedAt time.Time
}

// next is the version that follows the one that is stored.
func (s Saved) next(who identity.Actor, now time.Time) Saved {
	return Saved{Version: s.Version + 1, SavedBy: who.Person, SavedAt: now}
}

// edits says whether an edit of the version is one of what is stored.
func (s Saved) edits(version int) bool { return version == 0 || version == s.Version }

// codeMeanwhile is the code of an edit of something that was saved meanwhile.
const codeMeanwhile = "conflict"

// merged makes an edit of the version that is stored by rule, anew when somebody
// saved another one between its reads and the writers' turn: rules are asked that
// must not be asked inside of a transaction, so the edit is no single one.
func merged[T any](version int, edit func() (T, error)) (T, error) {
	for {
		v, err := edit()
		if f, ok := errors.AsType[*fault.Error](err); version != 0 || !ok || f.Code != codeMeanwhile {
			return v, err
		}
	}
}

// ChangeApp changes of an app what change does, and leaves the rest as it is at
// that moment. A version other than 0 is the one that the change is of.
func (s *Service) ChangeApp(ctx context.Context, who identity.Actor, id AppID, version int, change func(*App)) (App, error) {
	return merged(version, func() (App, error) {
		a, err := s.App(ctx, id)
		if err != nil {
			return a, err
		}
		change(&a)
		a.Version = cmp.Or(version, a.Version)
		return s.SaveApp(ctx, who, a)
	})
}

// ChangeRole changes of a role of the app what change does, as ChangeApp does.
func (s *Service) ChangeRole(ctx context.Context, who identity.Actor, app AppID, id RoleID, version int, change func(*Role)) (Role, error) {
	return merged(version, func() (Role, error) {
		r, err := s.Role(ctx, id)
		if err != nil {
			return r, err
		}
		if r.App != app {
			return Role{}, fault.New(fault.NotFound, "The app %s has no role %s.", app, id).WithCode("role_missing")
		}
		change(&r)
		r.Version = cmp.Or(version, r.Version)
		return s.SaveRole(ctx, who, r)
	})
}

// ChangeProfile changes of a profile what change does, as ChangeApp does.
func (s *Service) ChangeProfile(ctx context.Context, who identity.Actor, id ProfileID, version int, change func(*Profile)) (Profile, error) {
	return merged(version, func() (Profile, error) {
		p, err := s.Profile(ctx, id)
		if err != nil {
			return p, err
		}
		change(&p)
		p.Version = cmp.Or(version, p.Version)
		return s.SaveProfile(ctx, who, p)
	})
}

// ChangePolicy changes of a policy what change does, as ChangeApp does, and says
// what it changed and whom that touches. With dry it only says so.
func (s *Service) ChangePolicy(ctx context.Context, who identity.Actor, id PolicyID, version int, dry bool, change func(*Policy)) (p Policy, i Impact, err error) {
	p, err = merged(version, func() (Policy, error) {
		p, err := s.Policy(ctx, id)
		if err != nil {
			return p, err
		}
		change(&p)
		p.Version = cmp.Or(version, p.Version)
		if i, err = s.PreviewPolicy(ctx, who, p); err != nil {
			return p, err
		}
		if dry {
			p.Version++
			return p, nil
		}
		return s.SavePolicy(ctx, who, p)
	})
	return p, i, err
}

// said is one thing that an edit decides, as a sentence says it.
type said struct{ field, label, text string }

// differ says of each thing that an edit would change what is stored and what
// the editor has.
func differ(stored, given []said) []*fault.Error {
	var list []*fault.Error
	for i, now := range stored {
		if now.text != given[i].text {
			list = append(list, fault.Field(now.field, "%s: %s is stored now; you have %s.", now.label, quoted(now.text), quoted(given[i].text)).WithCode(codeMeanwhile))
		}
	}
	return list
}

// quoted writes a value in a sentence.
func quoted(text string) string {
	const most = 200
	switch {
	case text == "":
		return "nothing"
	case utf8.RuneCountInString(text) > most:
		text = string([]rune(text)[:most]) + "…"
	}
	return "“" + text + "”"
}

// checked returns how access is carried out as it is kept, if that is edited, and
// adds what is wrong with it to what is wrong besides: people are told of
// everything at once.
func checked(how *Provisioning, ofRole bool, besides error) (*Provisioning, error) {
	if how == nil {
		return nil, besides
	}
	kept, err := how.check(ofRole)
	f, ok := errors.AsType[*fault.Error](besides)
	g, another := errors.AsType[*fault.Error](err)
	if !ok || !another {
		return &kept, cmp.Or(besides, err)
	}
	return nil, fault.Join(slices.Concat(f.Fields(), g.Fields())...)
}

// meanwhile refuses an edit of something that was saved after its editor opened
// it: by whom and when, and how it differs. Nothing is lost by it.
func meanwhile(ctx context.Context, tx Reader, who identity.Actor, what string, now Saved, differs []*fault.Error) error {
	by := "You"
	if now.SavedBy != who.Person {
		by = naming{ctx, tx}.person(now.SavedBy)
	}
	f := fault.New(fault.Conflict, "%s saved this %s at %s, after you opened it.", cmp.Or(by, "Margay"), what, now.SavedAt.UTC().Format("2006-01-02 15:04:05 MST")).
		WithCode(codeMeanwhile).WithHint("Nothing was saved. Look at what is stored now, then save again.")
	f.More = differs
	return f
}

// naming names things for sentences; what is not there goes by its id.
type naming struct {
	ctx context.Context
	tx  Reader
}

func (n naming) person(id identity.PersonID) string {
	p, _ := n.tx.Person(n.ctx, id)
	return cmp.Or(p.Name, string(id))
}

func (n naming) policy(id PolicyID) string {
	p, _ := n.tx.Policy(n.ctx, id)
	return cmp.Or(p.Name, string(id))
}

func (n naming) profile(id ProfileID) string {
	p, _ := n.tx.Profile(n.ctx, id)
	return cmp.Or(p.Name, string(id))
}

func (n naming) people(ids []identity.PersonID) string { return listed(ids, n.person) }

func (n naming) groups(ids []identity.GroupID) string {
	return listed(ids, func(id identity.GroupID) string {
		g, _ := n.tx.Group(n.ctx, id)
		return cmp.Or(g.Name, string(id))
	})
}

// listed names several, in an order that does not hang on how they were given.
func listed[T any](ids []T, name func(T) string) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = name(id)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func (n naming) app(a App) []said {
	return []said{
		{"name", "Name", a.Name},
		{"connection_id", "Connection", a.Connection},
		{"policy_id", "Policy", n.policy(a.Policy)},
		{"profile_id", "Who may ask", cmp.Or(n.profile(a.Profile), string(Everybody))},
		{"owner_ids", "Owners", n.people(a.Owners)},
		{"owner_group_ids", "Owners too: members of", n.groups(a.OwnerGroups)},
		{"provision_workflow_id", "Workflow that sets access up", a.Workflows.Provision},
		{"deprovision_workflow_id", "Workflow that takes it back", a.Workflows.Deprovision},
		{"on_revoke", "When access ends, and other access is live", a.OnRevoke.sentence()},
	}
}

func (n naming) role(r Role) []said {
	return []said{
		{"name", "Name", r.Name},
		{"description", "What it gives", r.Description},
		{"requestable", "It can be asked for", map[bool]string{false: "yes", true: "no"}[r.Closed]},
		{"policy_id", "Policy", n.policy(r.Policy)},
		{"profile_id", "Who may ask", n.profile(r.Profile)},
		{"provision_workflow_id", "Workflow that sets access up", r.Workflows.Provision},
		{"deprovision_workflow_id", "Workflow that takes it back", r.Workflows.Deprovision},
	}
}

func (n naming) profileSaid(p Profile) []said {
	return []said{
		{"name", "Name", p.Name},
		{"group_ids", "Who may ask: members of", n.groups(p.Groups)},
		{"whom_to_ask", "What others are told", p.WhomToAsk},
	}
}

func (n naming) provisioning(p Provisioning) []said {
	method := map[Method]string{MethodManual: "by hand", MethodWorkflows: "by workflows", MethodInherit: "as the app"}[p.Method]
	return []said{
		{"method", "How it is carried out", method},
		{"people", "By", n.people(p.People)},
		{"groups", "By members of", n.groups(p.Groups)},
	}
}

// sentence says what becomes of other access, as a form does.
func (o OnRevoke) sentence() string {
	if o == OnRevokeUnlicensed {
		return "Take everything away"
	}
	return "Keep the strongest that is left"
}

// appMeanwhile refuses an edit of another version of an app than the one that is
// stored.
func appMeanwhile(ctx context.Context, tx Reader, who identity.Actor, now, given App, how *Provisioning) error {
	n := naming{ctx, tx}
	differs := differ(n.app(now), n.app(given))
	besides, err := n.carriedOut(now.ID, "", how)
	if err != nil {
		return err
	}
	return meanwhile(ctx, tx, who, "app", now.Saved, append(differs, besides...))
}

// roleMeanwhile is appMeanwhile for a role.
func roleMeanwhile(ctx context.Context, tx Reader, who identity.Actor, now, given Role, how *Provisioning) error {
	n := naming{ctx, tx}
	differs := differ(n.role(now), n.role(given))
	besides, err := n.carriedOut(now.App, now.ID, how)
	if err != nil {
		return err
	}
	return meanwhile(ctx, tx, who, "role", now.Saved, append(differs, besides...))
}

// carriedOut says how the way that access is carried out differs; nil: it is not
// edited.
func (n naming) carriedOut(app AppID, role RoleID, how *Provisioning) ([]*fault.Error, error) {
	if how == nil {
		return nil, nil
	}
	now, err := provisioning(n.ctx, n.tx, app, role)
	return differ(n.provisioning(now), n.provisioning(*how)), err
}

// policyFields are the fields that the facts of a policy are of.
var policyFields = map[string]string{
	"Name": "name", "Longest": "longest", "Usual": "usual", "Reason": "reason_needed", "On behalf": "on_behalf", "Waits": "waits", "By itself": "auto",
}

// policyMeanwhile refuses an edit of another version of a policy than the one
// that is stored, with what was changed since.
func policyMeanwhile(ctx context.Context, tx Reader, who identity.Actor, now Policy, saw int) error {
	all, err := tx.PolicyVersions(ctx, now.ID)
	if err != nil {
		return err
	}
	before, err := version(all, now.ID, saw)
	if err != nil {
		return err
	}
	changes, err := changesOf(ctx, tx, before, now)
	if err != nil {
		return err
	}
	differs := make([]*fault.Error, len(changes))
	for i, c := range changes {
		differs[i] = fault.Field(cmp.Or(policyFields[c.What], "steps"), "%s: it was %s; %s is stored now.", c.What, quoted(c.Before), quoted(c.After)).WithCode(codeMeanwhile)
	}
	return meanwhile(ctx, tx, who, "policy", Saved{now.Version, now.SavedBy, now.SavedAt}, differs)
}

package access

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// ProfileSaved is the event of a profile that was made or changed.
const ProfileSaved audit.Kind = "profile.saved"

// Impact says what an edit of a policy would change and whom it touches.
type Impact struct {
	Changes  []PolicyChange
	Warnings []string
	Apps     int // whose roles follow it
	Roles    int
	Touched  // of those roles; requests that wait keep the version that they were filed under
}

// PolicyChange is one thing in which two versions of a policy differ.
type PolicyChange struct {
	What   string // "Longest"
	Before string
	After  string
}

// SavePolicy creates a policy, or a new version of one after the version that p
// says; 0 is whatever is stored. Requests that are under
// way keep the version they were filed under. A step that nobody could ever
// decide is refused.
func (s *Service) SavePolicy(ctx context.Context, who identity.Actor, p Policy) (Policy, error) {
	if err := s.needAdmin(ctx, who, "policy:"+string(p.ID), "save"); err != nil {
		return Policy{}, err
	}
	p, err := p.check()
	if err != nil {
		return Policy{}, err
	}
	for i, step := range p.Steps {
		if step.Workflow == "" {
			continue
		}
		if err := s.rules.CheckApproval(ctx, step.Workflow); err != nil {
			return Policy{}, stepFault(i, err)
		}
	}
	fresh := p.ID == ""
	now := s.now()
	if fresh {
		p.ID, p.CreatedAt = PolicyID(s.newID("pol")), now
	}
	p.SavedBy, p.SavedAt = who.Person, now
	saw := p.Version
	err = s.store.Change(ctx, func(tx Tx) error {
		p.Version = 1
		if !fresh {
			before, err := tx.Policy(ctx, p.ID)
			if err != nil {
				return err
			}
			if saw != 0 && saw != before.Version {
				return policyMeanwhile(ctx, tx, who, before, saw)
			}
			p.Version, p.CreatedAt = before.Version+1, before.CreatedAt
		}
		if _, err := p.decidable(ctx, tx); err != nil {
			return err
		}
		if err := tx.SavePolicy(ctx, p); err != nil {
			return err
		}
		return tx.Record(ctx, event(PolicySaved, who, "policy:"+string(p.ID), now, "name", p.Name,
			"version", strconv.Itoa(p.Version), "longest", lengthText(p.Longest), "steps", strconv.Itoa(len(p.Steps))))
	})
	return p, wrap("save policy", err)
}

// stepFault says which step an error about a workflow is of.
func stepFault(i int, err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Kind == fault.Internal {
		return err
	}
	return fault.Field("steps", "Step %d: %s", i+1, f.Message).WithCode(f.Code).Because(err)
}

// decidable refuses approvers that are not there and a step that nobody could
// ever decide; it returns warnings about steps that hang on what the policy does
// not say.
func (p Policy) decidable(ctx context.Context, tx Reader) ([]string, error) {
	var warnings []string
	for i, step := range p.Steps {
		why, err := step.nobody(ctx, tx)
		if err != nil {
			return nil, err
		}
		if why != "" {
			return nil, fault.Field("steps", "Nobody could ever decide step %d: %s", i+1, why)
		}
		warnings = append(warnings, step.warnings(i+1)...)
	}
	if p.Auto == nil {
		return warnings, nil
	}
	for _, id := range p.Auto.Roles {
		if _, err := tx.Role(ctx, id); err != nil {
			return nil, err
		}
	}
	return warnings, known(ctx, tx, p.Auto.Groups, "")
}

// nobody says why nobody could ever decide the step, or "". Owners and managers
// are not looked at: they differ from app to app and from person to person.
func (s Step) nobody(ctx context.Context, tx Reader) (string, error) {
	var gone []string
	open := s.Workflow != ""
	for _, a := range s.Approvers {
		switch {
		case a.AppOwner, a.Manager:
			open = true
		case a.Group != "":
			g, err := tx.Group(ctx, a.Group)
			if err != nil {
				return "", err
			}
			some, err := anyEnabled(ctx, tx, g.Members)
			if err != nil {
				return "", err
			}
			if open = open || some; !some {
				gone = append(gone, "the group "+g.Name+" has no member who can sign in")
			}
		default:
			p, err := tx.Person(ctx, a.Person)
			if err != nil {
				return "", err
			}
			if open = open || !p.Disabled; p.Disabled {
				gone = append(gone, p.Name+" is disabled")
			}
		}
	}
	if open {
		return "", nil
	}
	return strings.Join(gone, ", and ") + ".", nil
}

func anyEnabled(ctx context.Context, tx Reader, people []identity.PersonID) (bool, error) {
	for _, id := range people {
		p, err := tx.Person(ctx, id)
		if err != nil || !p.Disabled {
			return err == nil, err
		}
	}
	return false, nil
}

// warnings says when the step may find nobody.
func (s Step) warnings(n int) []string {
	var list []string
	only := func(is func(Approver) bool) bool {
		return !slices.ContainsFunc(s.Approvers, func(a Approver) bool { return !is(a) })
	}
	number := strconv.Itoa(n)
	switch {
	case s.Workflow != "":
		list = append(list, "Step "+number+" is decided by a workflow: when it fails, the request waits until somebody tries again.")
	case only(func(a Approver) bool { return a.AppOwner }):
		list = append(list, "Step "+number+" is decided by the owners of the app alone: of an app that has none, nobody can decide.")
	case only(func(a Approver) bool { return a.Manager }):
		list = append(list, "Step "+number+" is decided by managers alone: for somebody who has none, nobody can decide.")
	case only(func(a Approver) bool { return a.Person != "" }) && len(s.Approvers) == 1 && !s.SelfApproval:
		list = append(list, "Step "+number+" is decided by one person alone: on what they ask for themselves, nobody can decide.")
	}
	if s.SelfApproval {
		list = append(list, "In step "+number+" people may decide on what they ask for themselves.")
	}
	return list
}

// PreviewPolicy says what saving p would change and whom it touches, and changes
// nothing. What could not be saved is refused in the same words.
func (s *Service) PreviewPolicy(ctx context.Context, who identity.Actor, p Policy) (Impact, error) {
	var i Impact
	if err := s.needAdmin(ctx, who, "policy:"+string(p.ID), "preview"); err != nil {
		return i, err
	}
	p, err := p.check()
	if err != nil {
		return i, err
	}
	err = s.store.View(ctx, func(tx Reader) error {
		before := Policy{OnBehalf: OnBehalfNobody}
		if p.ID != "" {
			var err error
			if before, err = tx.Policy(ctx, p.ID); err != nil {
				return err
			}
			if p.Version != 0 && p.Version != before.Version {
				return policyMeanwhile(ctx, tx, who, before, p.Version)
			}
		}
		if i.Warnings, err = p.decidable(ctx, tx); err != nil {
			return err
		}
		if i.Changes, err = changesOf(ctx, tx, before, p); err != nil || p.ID == "" {
			return err
		}
		return i.count(ctx, tx, p.ID)
	})
	return i, wrap("preview policy", err)
}

// count counts what follows the policy.
func (i *Impact) count(ctx context.Context, tx Reader, policy PolicyID) error {
	apps, err := appsByID(ctx, tx)
	if err != nil {
		return err
	}
	roles, err := tx.AllRoles(ctx)
	if err != nil {
		return err
	}
	var ids []RoleID
	touched := map[AppID]bool{}
	for _, r := range roles {
		if id, err := policyOf(apps[r.App], r); err == nil && id == policy {
			ids = append(ids, r.ID)
			touched[r.App] = true
		}
	}
	i.Roles, i.Apps = len(ids), len(touched)
	i.Touched, err = tx.Touched(ctx, ids)
	return err
}

// PolicyVersions returns all versions of a policy, the newest first.
func (s *Service) PolicyVersions(ctx context.Context, id PolicyID) (ps []Policy, err error) {
	err = s.store.View(ctx, func(tx Reader) error {
		if _, err := tx.Policy(ctx, id); err != nil {
			return err
		}
		ps, err = tx.PolicyVersions(ctx, id)
		return err
	})
	return ps, wrap("list versions of a policy", err)
}

// PolicyDiff returns in what two versions of a policy differ.
func (s *Service) PolicyDiff(ctx context.Context, id PolicyID, from, to int) (changes []PolicyChange, err error) {
	err = s.store.View(ctx, func(tx Reader) error {
		all, err := tx.PolicyVersions(ctx, id)
		if err != nil {
			return err
		}
		a, errA := version(all, id, from)
		b, errB := version(all, id, to)
		if err := cmp.Or(errA, errB); err != nil {
			return err
		}
		changes, err = changesOf(ctx, tx, a, b)
		return err
	})
	return changes, wrap("compare versions of a policy", err)
}

func version(all []Policy, id PolicyID, n int) (Policy, error) {
	for _, p := range all {
		if p.Version == n {
			return p, nil
		}
	}
	return Policy{}, fault.New(fault.NotFound, "The policy %s has no version %d.", id, n).WithCode("version_missing")
}

// fact is one line of what a policy says.
type fact struct{ what, text string }

// changesOf lists the facts in which two policies differ, those of b in order.
func changesOf(ctx context.Context, tx Reader, a, b Policy) ([]PolicyChange, error) {
	before, err := a.facts(ctx, tx)
	if err != nil {
		return nil, err
	}
	after, err := b.facts(ctx, tx)
	if err != nil {
		return nil, err
	}
	text := func(facts []fact, what string) string {
		for _, f := range facts {
			if f.what == what {
				return f.text
			}
		}
		return ""
	}
	changes := []PolicyChange{}
	seen := map[string]bool{}
	for _, f := range append(slices.Clone(after), before...) {
		if seen[f.what] {
			continue
		}
		seen[f.what] = true
		if c := (PolicyChange{f.what, text(before, f.what), text(after, f.what)}); c.Before != c.After {
			changes = append(changes, c)
		}
	}
	return changes, nil
}

// facts says in words what a policy says. A policy that is not there yet says
// nothing.
func (p Policy) facts(ctx context.Context, tx Reader) ([]fact, error) {
	if p.Name == "" {
		return nil, nil
	}
	yes := map[bool]string{true: "needed", false: "not needed"}
	list := []fact{
		{"Name", p.Name},
		{"Longest", endText(p.Longest)},
		{"Usual", endText(p.usual())},
		{"Reason", yes[p.ReasonNeeded]},
		{"On behalf", p.OnBehalf.sentence()},
		{"Waits", "A request that nobody decides lapses after " + plainLength(p.WaitsFor()) + "."},
	}
	for i, s := range p.Steps {
		text, err := s.sentence(ctx, tx)
		if err != nil {
			return nil, err
		}
		list = append(list, fact{"Step " + strconv.Itoa(i+1), text})
	}
	if len(p.Steps) == 0 {
		return append(list, fact{"Approval", "None: everything is granted at once."}), nil
	}
	sentence, err := p.autoSentence(ctx, tx)
	return append(list, fact{"By itself", sentence}), err
}

func (p Policy) autoSentence(ctx context.Context, tx Reader) (string, error) {
	groups, err := tx.Groups(ctx)
	if err != nil {
		return "", err
	}
	roles, err := tx.AllRoles(ctx)
	if err != nil {
		return "", err
	}
	return p.Auto.Sentence(Names{
		Group: func(id identity.GroupID) string {
			if i := slices.IndexFunc(groups, func(g identity.Group) bool { return g.ID == id }); i >= 0 {
				return groups[i].Name
			}
			return string(id)
		},
		Role: func(id RoleID) string {
			if i := slices.IndexFunc(roles, func(r Role) bool { return r.ID == id }); i >= 0 {
				return roles[i].Name
			}
			return string(id)
		},
	}), nil
}

// AutoSentence says in words which requests under a policy need nobody's
// decision.
func (s *Service) AutoSentence(ctx context.Context, p Policy) (text string, err error) {
	err = s.store.View(ctx, func(tx Reader) error { text, err = p.autoSentence(ctx, tx); return err })
	return text, wrap("explain policy", err)
}

func (s Step) sentence(ctx context.Context, tx Reader) (string, error) {
	var who []string
	for _, a := range s.Approvers {
		switch {
		case a.Person != "":
			p, err := tx.Person(ctx, a.Person)
			if err != nil {
				return "", err
			}
			who = append(who, p.Name)
		case a.Group != "":
			g, err := tx.Group(ctx, a.Group)
			if err != nil {
				return "", err
			}
			who = append(who, "a member of "+g.Name)
		case a.AppOwner:
			who = append(who, "an owner of the app")
		case a.Manager:
			who = append(who, "the requester's manager")
		}
	}
	if s.Workflow != "" {
		who = append(who, "the workflow "+s.Workflow)
	}
	slices.Sort(who) // any one of them decides: to name them in another order changes nothing
	text := strings.Join(who, " or ")
	if s.SelfApproval {
		text += ", also on their own requests"
	}
	return text, nil
}

func endText(d time.Duration) string {
	if d == Indefinite {
		return "without an end"
	}
	return plainLength(d)
}

// SaveProfile creates a profile, or changes the version of one that p says.
func (s *Service) SaveProfile(ctx context.Context, who identity.Actor, p Profile) (Profile, error) {
	if err := s.needAdmin(ctx, who, "profile:"+string(p.ID), "save"); err != nil {
		return Profile{}, err
	}
	p, err := p.check()
	if err != nil {
		return Profile{}, err
	}
	saw, fresh, now := p.Version, p.ID == "", s.now()
	if fresh {
		p.ID, p.CreatedAt = ProfileID(s.newID("prf")), now
	}
	err = s.store.Change(ctx, func(tx Tx) error {
		var before Profile
		if !fresh {
			var err error
			if before, err = tx.Profile(ctx, p.ID); err != nil {
				return err
			}
			if n := (naming{ctx, tx}); !before.edits(saw) {
				return meanwhile(ctx, tx, who, "profile", before.Saved, differ(n.profileSaid(before), n.profileSaid(p)))
			}
			p.CreatedAt = before.CreatedAt
		}
		p.Saved = before.next(who, now)
		if err := known(ctx, tx, p.Groups, ""); err != nil {
			return err
		}
		if err := tx.SaveProfile(ctx, p); err != nil {
			return err
		}
		groups := make([]string, len(p.Groups))
		for i, g := range p.Groups {
			groups[i] = string(g)
		}
		return tx.Record(ctx, event(ProfileSaved, who, "profile:"+string(p.ID), now, "name", p.Name, "groups", strings.Join(groups, " ")))
	})
	return p, wrap("save profile", err)
}

// Profile returns one profile.
func (s *Service) Profile(ctx context.Context, id ProfileID) (p Profile, err error) {
	err = s.store.View(ctx, func(tx Reader) error { p, err = tx.Profile(ctx, id); return err })
	return p, wrap("read profile", err)
}

// Profiles returns all profiles by name.
func (s *Service) Profiles(ctx context.Context) (ps []Profile, err error) {
	err = s.store.View(ctx, func(tx Reader) error { ps, err = tx.Profiles(ctx); return err })
	return ps, wrap("list profiles", err)
}

// OfferRoles makes the roles that the system behind an app knows and the app has
// not yet, all or none, and returns all roles of the app.
func (s *Service) OfferRoles(ctx context.Context, who identity.Actor, id AppID) ([]Role, error) {
	if err := s.needAdmin(ctx, who, "app:"+string(id), "offer roles"); err != nil {
		return nil, err
	}
	app, err := s.App(ctx, id)
	if err != nil {
		return nil, err
	}
	names, err := s.rules.Offered(ctx, app)
	if err != nil {
		return nil, err
	}
	if _, err := policyOf(app, Role{Name: "its roles"}); err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := s.rules.CheckRole(ctx, app, Role{App: id, Name: name}); err != nil {
			return nil, err
		}
	}
	var roles []Role
	err = s.store.Change(ctx, func(tx Tx) error {
		if roles, err = tx.Roles(ctx, id); err != nil {
			return err
		}
		for _, name := range names {
			if slices.ContainsFunc(roles, func(r Role) bool { return r.Name == name }) {
				continue
			}
			now := s.now()
			r := Role{ID: RoleID(s.newID("rol")), App: id, Name: name, CreatedAt: now, Saved: Saved{}.next(who, now)}
			if err := tx.SaveRole(ctx, r); err != nil {
				return err
			}
			if err := tx.Record(ctx, event(RoleSaved, who, "role:"+string(r.ID), now, "name", r.Name, "app", string(id))); err != nil {
				return err
			}
			roles = append(roles, r)
		}
		return nil
	})
	return roles, wrap("offer roles", err)
}

package access

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

const (
	// farthestStart is how far ahead access may be asked for.
	farthestStart = 90 * 24 * time.Hour
	// startSlack is how old a start may be and still mean "now": forms are filled
	// in by people.
	startSlack = 5 * time.Minute
)

// startOf returns when access that is asked for now is to start: zero is as soon
// as it is approved.
func startOf(at, now time.Time) (time.Time, error) {
	switch {
	case at.IsZero() || !at.After(now) && now.Sub(at) <= startSlack:
		return time.Time{}, nil
	case at.Before(now):
		return at, fault.Field("starts_at", "The start is in the past.")
	case at.After(now.Add(farthestStart)):
		return at, fault.Field("starts_at", "Access can be asked for at most %s ahead.", plainLength(farthestStart))
	}
	return at.UTC().Truncate(time.Millisecond), nil
}

// sentence says who may ask for others.
func (o OnBehalf) sentence() string {
	switch o {
	case OnBehalfManagers:
		return "Managers may ask for those who report to them."
	case OnBehalfOwners:
		return "The owners of the app may ask for others."
	case OnBehalfAnybody:
		return "Anybody may ask for others."
	case OnBehalfNobody:
	}
	return "Everybody asks for themselves."
}

// checkAuto returns what is wrong with the rule that approves by itself.
func (p Policy) checkAuto() []*fault.Error {
	a := p.Auto
	switch {
	case a == nil:
		return nil
	case len(p.Steps) == 0:
		return []*fault.Error{fault.Field("auto", "Without a step everything is approved at once: there is nothing to approve by itself.")}
	case a.Longest == Indefinite && len(a.Groups) == 0 && len(a.Roles) == 0:
		return []*fault.Error{fault.Field("auto", "A rule that approves by itself names a length, groups or roles. To approve everything, name no step.")}
	case tooShort(a.Longest):
		return []*fault.Error{fault.Field("auto.longest", "A length of time is at least %s.", plainLength(shortest))}
	case len(a.Groups) > maxGroups || len(a.Roles) > maxGroups:
		return []*fault.Error{fault.Field("auto", "A rule names at most %d groups and roles.", maxGroups)}
	}
	return nil
}

// fits says whether r needs nobody's decision. asker and person are the groups
// of who asks and of whom it is for.
func (a *Auto) fits(r Request, asker, person []identity.GroupID) bool {
	in := func(groups []identity.GroupID) bool {
		return len(a.Groups) == 0 || slices.ContainsFunc(a.Groups, func(g identity.GroupID) bool { return slices.Contains(groups, g) })
	}
	return a != nil && r.Extends == "" && (a.Longest == Indefinite || r.Length != Indefinite && r.Length <= a.Longest) &&
		(len(a.Roles) == 0 || slices.Contains(a.Roles, r.Role)) && in(asker) && in(person)
}

// Names gives names to what rules name by id.
type Names struct {
	Group func(identity.GroupID) string
	Role  func(RoleID) string
}

// Sentence says in words which requests need nobody's decision.
func (a *Auto) Sentence(names Names) string {
	if a == nil {
		return "Every request is decided by people."
	}
	var parts []string
	if len(a.Roles) > 0 {
		parts = append(parts, "for "+either(a.Roles, names.Role))
	}
	if a.Longest != Indefinite {
		parts = append(parts, "for at most "+plainLength(a.Longest))
	}
	if len(a.Groups) > 0 {
		parts = append(parts, "by and for members of "+either(a.Groups, names.Group))
	}
	return "A request " + strings.Join(parts, ", ") + " is approved by itself; one to extend access never is."
}

func either[T any](list []T, name func(T) string) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = name(v)
	}
	slices.Sort(texts) // the order in which a rule names them says nothing
	return strings.Join(texts, " or ")
}

// Key is one reason why somebody may see a request or decide a step of it. Keys
// are kept beside a request, so that its readers are found without reading all
// requests; what a key opens is asked of the directory when it is used.
type Key struct {
	Step int    // -1: to see it alone
	Of   string // "person:usr_…", "group:grp_…", "owner:app_…", "manager:usr_…"
}

// SeeOnly is the step of a key that decides nothing.
const SeeOnly = -1

// Keys lists who may see r and who may decide on it, as [Key]s.
func (r Request) Keys() []Key {
	keys := []Key{{SeeOnly, personKey(r.Person)}, {SeeOnly, personKey(r.Requester)}, {SeeOnly, ownerKey(r.App)}}
	for i, s := range r.Policy.Steps {
		for _, a := range s.Approvers {
			switch {
			case a.Person != "":
				keys = append(keys, Key{i, personKey(a.Person)})
			case a.Group != "":
				keys = append(keys, Key{i, groupKey(a.Group)})
			case a.AppOwner:
				keys = append(keys, Key{i, ownerKey(r.App)})
			case a.Manager:
				keys = append(keys, Key{i, managerKey(r.Person)}, Key{i, managerKey(r.Requester)})
			}
		}
	}
	slices.SortFunc(keys, func(a, b Key) int {
		if a.Step != b.Step {
			return a.Step - b.Step
		}
		return strings.Compare(a.Of, b.Of)
	})
	return slices.Compact(keys)
}

// WaitingStep is the number of the step that waits for a decision; the number of
// steps when none does.
func (r Request) WaitingStep() int {
	if r.State != RequestWaiting {
		return len(r.Policy.Steps)
	}
	return r.step()
}

func personKey(p identity.PersonID) string  { return "person:" + string(p) }
func groupKey(g identity.GroupID) string    { return "group:" + string(g) }
func ownerKey(a AppID) string               { return "owner:" + string(a) }
func managerKey(p identity.PersonID) string { return "manager:" + string(p) }

// keysOf lists the keys that who holds.
func keysOf(who identity.Actor, apps []App) []string {
	keys := []string{personKey(who.Person)}
	for _, g := range who.Groups {
		keys = append(keys, groupKey(g))
	}
	for _, p := range who.Reports {
		keys = append(keys, managerKey(p))
	}
	for _, a := range apps {
		if a.ownedBy(who) {
			keys = append(keys, ownerKey(a.ID))
		}
	}
	return keys
}

// lapse returns r lapsed, if its time to be decided is over.
func (r Request) lapse(now time.Time) (Request, []audit.Event, bool) {
	if r.State != RequestWaiting || r.LapsesAt.IsZero() || now.Before(r.LapsesAt) {
		return r, nil, false
	}
	r.State, r.DecidedAt = RequestLapsed, now
	return r, []audit.Event{r.event(RequestHasLapsed, identity.System(), now, "step", strconv.Itoa(r.step()+1), "waited", lengthText(now.Sub(r.CreatedAt)))}, true
}

// Comment is what somebody wrote on a request. It is never changed.
type Comment struct {
	ID      string // "com_…"
	Request RequestID
	By      identity.PersonID
	Text    string
	At      time.Time
}

package access

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/identity"
)

// mostTold is how many people are told that a request waits.
const mostTold = 500

// Approvers returns who may decide on r now: nobody once it is decided, and never
// somebody whom the rules would refuse. Notices are sent by it.
func Approvers(ctx context.Context, tx Reader, r Request) ([]identity.Person, error) {
	if r.State != RequestWaiting {
		return nil, nil
	}
	app, err := tx.App(ctx, r.App)
	if err != nil {
		return nil, err
	}
	return decidersOf(ctx, tx, r, app, mostTold)
}

// OwnersOf returns the owners of an app, by themselves or by a group, once each.
func OwnersOf(ctx context.Context, tx Reader, app App) ([]identity.Person, error) {
	ids := slices.Clone(app.Owners)
	for _, id := range app.OwnerGroups {
		g, err := tx.Group(ctx, id)
		if err != nil {
			return nil, err
		}
		ids = append(ids, g.Members...)
	}
	var people []identity.Person
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		p, err := tx.Person(ctx, id)
		if err != nil {
			return nil, err
		}
		people = append(people, p)
	}
	return people, nil
}

// Next is the step that follows when the one that waits is approved.
type Next struct {
	Step     int               // 1 is the first
	Workflow string            // the id of the workflow that is asked then; "": people decide
	Deciders []identity.Person // who could decide it then, when the one who looks approves now
	Warning  string            // that nobody could then, and what helps; "": somebody could
}

// nextOf returns what follows when who approves the waiting step of r, which
// deciders could decide; nil when it is the last one, or none waits.
func nextOf(ctx context.Context, tx Reader, r Request, app App, who identity.Actor, deciders []identity.Person) (*Next, error) {
	if r.State != RequestWaiting || r.step()+1 >= len(r.Policy.Steps) {
		return nil, nil //nolint:nilnil // nothing follows
	}
	n := Next{Step: r.step() + 2, Workflow: r.Policy.Steps[r.step()+1].Workflow}
	if n.Workflow != "" {
		return &n, nil
	}
	// Who could decide it when none of them decides the step that waits.
	then := r
	then.Approvals = append(slices.Clone(r.Approvals), Approval{Step: r.step(), Approved: true})
	all, err := decidersOf(ctx, tx, then, app, mostDeciders)
	if err != nil {
		return nil, err
	}
	n.Deciders = all
	isWho := func(p identity.Person) bool { return p.ID == who.Person }
	if refusal := r.mayDecide(who, app); refusal != nil {
		return &n, nil //nolint:nilerr // who only looks on locks nothing
	}
	n.Deciders = slices.DeleteFunc(slices.Clone(all), isWho)
	others := slices.DeleteFunc(slices.Clone(deciders), isWho)
	switch {
	case len(n.Deciders) > 0:
	case len(all) == 0:
		n.Warning = fmt.Sprintf("Nobody can decide step %d at present. %s", n.Step, hintNobody)
	case len(others) == 0:
		n.Warning = fmt.Sprintf("After your approval nobody could decide step %d: you are the only one who could decide either, and each step wants another person. %s", n.Step, hintNobody)
	default:
		n.Warning = fmt.Sprintf("After your approval nobody could decide step %d: you are the only one who could, and each step wants another person. Leave this step to %s.", n.Step, anyOf(others))
	}
	return &n, nil
}

// anyOf names people of whom one does something: a few of them.
func anyOf(people []identity.Person) string {
	const few = 3
	var names []string
	for _, p := range people[:min(few, len(people))] {
		names = append(names, p.Name)
	}
	if more := len(people) - few; more > 0 {
		names = append(names, "another one of those who can")
	}
	return strings.Join(names, " or ")
}

// hintNobody is what helps a request that nobody can decide.
const hintNobody = "An administrator can name another owner of the app, or add somebody to the group that decides; a change of the policy is for later requests."

// undecidable returns the event of a request whose waiting step nobody could
// decide at present; a workflow that is asked decides by itself.
func undecidable(ctx context.Context, tx Reader, r Request, app App, now time.Time) ([]audit.Event, error) {
	if r.State != RequestWaiting || r.Policy.Steps[r.step()].Workflow != "" {
		return nil, nil
	}
	deciders, err := decidersOf(ctx, tx, r, app, 1)
	if err != nil || len(deciders) > 0 {
		return nil, err
	}
	return []audit.Event{r.event(RequestUndecidable, identity.System(), now, "step", strconv.Itoa(r.step()+1), "policy", string(r.Policy.ID))}, nil
}

// stuck says whether nobody could decide the waiting step of r at present: no
// person may, and no workflow is being asked.
func stuck(ctx context.Context, tx Reader, r Request, app App) (bool, error) {
	if r.State != RequestWaiting {
		return false, nil
	}
	if a := r.asked(); a != nil && a.Answered.IsZero() {
		return false, nil
	}
	deciders, err := decidersOf(ctx, tx, r, app, 1)
	return err == nil && len(deciders) == 0, err
}

// remembering reads each person and each group once: who asks of many requests
// asks of the same few people.
type remembering struct {
	Reader
	people   map[identity.PersonID]identity.Person
	groups   map[identity.GroupID]identity.Group
	standing map[identity.PersonID]standingOf
}

type standingOf struct {
	groups  []identity.GroupID
	reports []identity.PersonID
}

func remember(tx Reader) remembering {
	return remembering{tx, map[identity.PersonID]identity.Person{}, map[identity.GroupID]identity.Group{}, map[identity.PersonID]standingOf{}}
}

// once returns what known has of id, and reads it when it has nothing.
func once[K comparable, V any](known map[K]V, id K, read func() (V, error)) (V, error) {
	if v, ok := known[id]; ok {
		return v, nil
	}
	v, err := read()
	if err == nil {
		known[id] = v
	}
	return v, err
}

// Person implements [Reader].
func (m remembering) Person(ctx context.Context, id identity.PersonID) (identity.Person, error) {
	return once(m.people, id, func() (identity.Person, error) { return m.Reader.Person(ctx, id) })
}

// Group implements [Reader].
func (m remembering) Group(ctx context.Context, id identity.GroupID) (identity.Group, error) {
	return once(m.groups, id, func() (identity.Group, error) { return m.Reader.Group(ctx, id) })
}

// Standing implements [Reader].
func (m remembering) Standing(ctx context.Context, id identity.PersonID) ([]identity.GroupID, []identity.PersonID, error) {
	s, err := once(m.standing, id, func() (s standingOf, err error) {
		s.groups, s.reports, err = m.Reader.Standing(ctx, id)
		return s, err
	})
	return s.groups, s.reports, err
}

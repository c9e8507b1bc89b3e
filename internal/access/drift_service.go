package access

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// mayCompare says why who may not look at what differs between an app and the
// system behind it, or nil.
func mayCompare(who identity.Actor, app App) error {
	if !who.Administers() && !app.ownedBy(who) {
		return fault.New(fault.Forbidden, "Only an owner of %s or an administrator may see what was changed outside.", app.Name).WithCode("not_yours")
	}
	return nil
}

// StartComparison has what was granted in an app compared with what the system
// behind it says. joined: one was under way already, and it is that one.
func (s *Service) StartComparison(ctx context.Context, who identity.Actor, id AppID) (c Comparison, joined bool, err error) {
	subject := "app:" + string(id)
	if err := s.need(ctx, who, identity.ScopeRequestsWrite, subject, "compare"); err != nil {
		return Comparison{}, false, err
	}
	err = s.store.Change(ctx, func(tx Tx) error {
		who, err := present(ctx, tx, who)
		if err != nil {
			return err
		}
		app, err := tx.App(ctx, id)
		if err != nil {
			return err
		}
		if err := mayCompare(who, app); err != nil {
			return err
		}
		running, err := tx.Comparisons(ctx, ComparisonFilter{App: id, State: ComparisonRunning, Limit: 1})
		if err != nil {
			return err
		}
		if joined = len(running) > 0; joined {
			c = running[0]
			return nil
		}
		c = Comparison{
			ID: ComparisonID(s.newID("cmp")), App: id, Connection: app.Connection, State: ComparisonRunning, By: who.Person, StartedAt: s.now(),
		}
		if err := tx.SaveComparison(ctx, c); err != nil {
			return err
		}
		if err := tx.Record(ctx, event(DriftStarted, who, subject, c.StartedAt, "comparison", string(c.ID), "connection", c.Connection)); err != nil {
			return err
		}
		return tx.EnqueueComparison(ctx, c)
	})
	return c, joined, s.refused(ctx, who, subject, "compare", wrap("start comparison", err))
}

// seesDrift says why who may not see the comparisons of an app, or nil.
func seesDrift(ctx context.Context, tx Reader, who identity.Actor, id AppID) error {
	app, err := tx.App(ctx, id)
	if err != nil || who.Admin { // an administrator also with a token that may only read
		return err
	}
	if who, err = standing(ctx, tx, who); err != nil {
		return err
	}
	return mayCompare(who, app)
}

// Comparisons returns the comparisons of an app, newest first.
func (s *Service) Comparisons(ctx context.Context, who identity.Actor, app AppID, limit int, before ComparisonID) (list []Comparison, err error) {
	err = s.store.View(ctx, func(tx Reader) error {
		if err := seesDrift(ctx, tx, who, app); err != nil {
			return err
		}
		list, err = tx.Comparisons(ctx, ComparisonFilter{App: app, Limit: limit, Before: before})
		return err
	})
	return list, s.refused(ctx, who, "app:"+string(app), "see_drift", wrap("list comparisons", err))
}

// LatestComparisons returns the newest comparison of each app of which who sees
// them.
func (s *Service) LatestComparisons(ctx context.Context, who identity.Actor) (latest map[AppID]Comparison, err error) {
	err = s.store.View(ctx, func(tx Reader) error {
		seen, err := seenBy(ctx, tx, who)
		if err != nil {
			return err
		}
		list, err := tx.Comparisons(ctx, ComparisonFilter{Newest: true})
		latest = map[AppID]Comparison{}
		for _, c := range list {
			if seen.whole(c.App) {
				latest[c.App] = c
			}
		}
		return err
	})
	return latest, wrap("list comparisons", err)
}

// Comparison returns one comparison of an app.
func (s *Service) Comparison(ctx context.Context, who identity.Actor, app AppID, id ComparisonID) (c Comparison, err error) {
	err = s.store.View(ctx, func(tx Reader) error {
		if err := seesDrift(ctx, tx, who, app); err != nil {
			return err
		}
		c, err = tx.Comparison(ctx, id)
		if err == nil && c.App != app {
			return missing("comparison", string(id))
		}
		return err
	})
	return c, s.refused(ctx, who, "app:"+string(app), "see_drift", wrap("read comparison", err))
}

// LastCompared returns the newest comparison of an app that came to an end well;
// nil: there is none.
func (s *Service) LastCompared(ctx context.Context, who identity.Actor, app AppID) (c *Comparison, err error) {
	err = s.store.View(ctx, func(tx Reader) error {
		if err := seesDrift(ctx, tx, who, app); err != nil {
			return err
		}
		done, err := tx.Comparisons(ctx, ComparisonFilter{App: app, State: ComparisonDone, Limit: 1})
		if len(done) > 0 {
			c = &done[0]
		}
		return err
	})
	return c, wrap("read comparison", err)
}

// ShownDifference is a difference with what has become of its grant since.
type ShownDifference struct {
	Difference
	State   GrantState // "": there is no grant
	Settled bool       // a person or a later read has settled it
}

// shown returns differences with what has become of their grants.
func shown(ctx context.Context, tx Reader, found []Difference) ([]ShownDifference, error) {
	var ids []GrantID
	for _, d := range found {
		if d.Grant != "" {
			ids = append(ids, d.Grant)
		}
	}
	states := map[GrantID]GrantState{}
	if len(ids) > 0 {
		grants, err := tx.Grants(ctx, GrantFilter{IDs: ids})
		if err != nil {
			return nil, err
		}
		for _, g := range grants {
			states[g.ID] = g.State
		}
	}
	list := make([]ShownDifference, len(found))
	for i, d := range found {
		list[i] = d.with(states[d.Grant])
	}
	return list, nil
}

// with is d with the state of its grant; "": it has none.
func (d Difference) with(state GrantState) ShownDifference {
	out := ShownDifference{Difference: d, State: state}
	if d.Grant == "" {
		return out
	}
	switch d.Kind {
	case DifferenceNotFound:
		out.Settled = state != GrantActive && state != GrantChanged
	case DifferenceRole, DifferenceGone, DifferenceUnmanaged:
		out.Settled = state != GrantChanged
	}
	return out
}

// Differences returns what a comparison found, those that ask for a decision
// first. Who has a role without a grant is nobody of an owner's app: such are
// shown to administrators alone, and counted for all.
func (s *Service) Differences(ctx context.Context, who identity.Actor, app AppID, f DifferenceFilter) (list []ShownDifference, err error) {
	if _, err := s.Comparison(ctx, who, app, f.Comparison); err != nil {
		return nil, err
	}
	if f.Kinds = kindsFor(who, f.Kinds); len(f.Kinds) == 0 {
		return nil, nil
	}
	err = s.store.View(ctx, func(tx Reader) error {
		ds, err := tx.Differences(ctx, f)
		if err != nil {
			return err
		}
		list, err = shown(ctx, tx, ds)
		return err
	})
	return list, wrap("list differences", err)
}

// kindsFor returns those of the kinds that who may see; nil is all.
func kindsFor(who identity.Actor, kinds []DifferenceKind) []DifferenceKind {
	if kinds == nil {
		for _, k := range DifferenceKinds() {
			kinds = append(kinds, DifferenceKind(k.Code))
		}
	}
	return slices.DeleteFunc(slices.Clone(kinds), func(k DifferenceKind) bool { return k == DifferenceUnmanaged && !who.Admin })
}

// Difference returns one difference of an app.
func (s *Service) Difference(ctx context.Context, who identity.Actor, app AppID, id DifferenceID) (d ShownDifference, err error) {
	err = s.store.View(ctx, func(tx Reader) error {
		if err := seesDrift(ctx, tx, who, app); err != nil {
			return err
		}
		one, err := tx.Difference(ctx, id)
		if err != nil {
			return err
		}
		if one.App != app || len(kindsFor(who, []DifferenceKind{one.Kind})) == 0 {
			return missing("difference", string(id))
		}
		list, err := shown(ctx, tx, []Difference{one})
		if err == nil {
			d = list[0]
		}
		return err
	})
	return d, s.refused(ctx, who, "app:"+string(app), "see_drift", wrap("read difference", err))
}

// Resolve settles a difference: ActAccept ends the grant as what is there,
// ActRestore sets it up once more, ActRevoke ends it by its ordinary road.
func (s *Service) Resolve(ctx context.Context, who identity.Actor, app AppID, id DifferenceID, how Act, note string) (Grant, error) {
	if err := s.need(ctx, who, identity.ScopeRequestsWrite, "app:"+string(app), "resolve"); err != nil {
		return Grant{}, err
	}
	d, err := s.Difference(ctx, who, app, id)
	if err != nil {
		return Grant{}, err
	}
	if d.Grant == "" {
		return Grant{}, fault.New(fault.Conflict, "Nothing was granted here: there is no grant to settle.").WithCode("no_grant").
			WithHint("Ask for the role for this person, or take it back in the other system.")
	}
	switch {
	case how == ActRevoke:
		return s.Revoke(ctx, who, d.Grant, note)
	case how != ActAccept && how != ActRestore:
		return Grant{}, fault.Field("how", "A difference is settled by accept, restore or end.")
	case d.Kind == DifferenceNotFound:
		return Grant{}, fault.New(fault.Conflict, "Nobody there fits the person, so nothing was found that could be kept or restored.").WithCode("not_found_there").
			WithHint("End the access, or compare again once the person is there.")
	case how == ActAccept:
		return s.AcceptChange(ctx, who, d.Grant, note, &d.Found)
	}
	return s.Restore(ctx, who, d.Grant, note, &d.Found)
}

// maySettle says why who may not decide on a change that somebody made in the
// other system, or nil.
func maySettle(who identity.Actor, app App) error {
	if !who.Administers() && !app.ownedBy(who) {
		return fault.New(fault.Forbidden, "An owner of %s or an administrator can do this.", app.Name).WithCode("not_yours")
	}
	return nil
}

// AcceptChange takes what somebody changed in the other system as the end of a
// grant. Nothing is written there. seen is the role that who decides on, "" being
// nobody there; when another is known meanwhile, they are asked anew. nil is
// whatever is known.
func (s *Service) AcceptChange(ctx context.Context, who identity.Actor, id GrantID, note string, seen *string) (Grant, error) {
	scale, err := s.scaleOf(ctx, id)
	if err != nil {
		return Grant{}, wrap("accept grant", err)
	}
	return s.change(ctx, who, id, "accept", func(ctx context.Context, tx Tx, who identity.Actor, g Grant, app App) (Grant, []audit.Event, *Job, error) {
		if err := maySettle(who, app); err != nil {
			return g, nil, nil, err
		}
		if err := g.stillFound(seen); err != nil {
			return g, nil, nil, err
		}
		if err := unsettled(ctx, tx, g, scale); err != nil {
			return g, nil, nil, err
		}
		g, events, err := g.accept(who, note, s.now())
		if err == nil {
			err = endedByHand(ctx, tx, who, g, s.now())
		}
		return g, events, nil, err
	})
}

// unsettled says why what was found in the place of g cannot be kept now, or nil:
// a run that ends stronger access of the person may put there what g gives.
func unsettled(ctx context.Context, tx Reader, g Grant, scale Scale) error {
	ending, err := tx.Grants(ctx, GrantFilter{Person: g.Person, Connection: g.Connection, States: []GrantState{GrantEnding, GrantOverdue}})
	if err != nil || g.State != GrantChanged {
		return err
	}
	for _, other := range ending {
		if len(remaining(other, []Grant{g}, scale)) > 0 {
			return fault.New(fault.Conflict, "%s of this person is being ended, and what is there may change by that.", other.RoleName).WithCode("being_changed").
				WithHint("Wait until %s has ended, or end this access too.", other.ID)
		}
	}
	return nil
}

// Restore has a grant set up once more that somebody changed in the other
// system. What is there is read first; when it has changed again since, it is
// left alone and told. seen is as for [Service.AcceptChange].
func (s *Service) Restore(ctx context.Context, who identity.Actor, id GrantID, note string, seen *string) (Grant, error) {
	return s.change(ctx, who, id, "restore", func(ctx context.Context, tx Tx, who identity.Actor, g Grant, app App) (Grant, []audit.Event, *Job, error) {
		if err := maySettle(who, app); err != nil {
			return g, nil, nil, err
		}
		if err := g.stillFound(seen); err != nil {
			return g, nil, nil, err
		}
		note, err := cleanReason(note)
		if err != nil {
			return g, nil, nil, err
		}
		g, events, err := g.restore(who, note, s.newID("run"), s.now())
		if err == nil {
			err = enabled(ctx, tx, g.Person)
		}
		return g, events, new(g.job(JobProvision, triggerRestore, 0)), err
	})
}

// BeginComparison notes that the list is about to be read, and returns the
// comparison; one that is over already is a conflict.
func (s *Service) BeginComparison(ctx context.Context, id ComparisonID) (c Comparison, err error) {
	err = s.onComparison(ctx, id, func(tx Tx, kept Comparison) error {
		kept.ListedAt, kept.Read, kept.Of = s.now(), 0, 0
		c = kept
		return tx.SaveComparison(ctx, kept)
	})
	return c, wrap("begin comparison", err)
}

// KnownUsers returns the users of the system behind a connection for whom access
// was set up that should be there: of these it matters that they are gone.
func (s *Service) KnownUsers(ctx context.Context, connection string) (ids []string, err error) {
	err = s.store.View(ctx, func(tx Reader) error {
		grants, err := tx.Grants(ctx, GrantFilter{Connection: connection, States: []GrantState{GrantActive, GrantChanged}})
		for _, g := range grants {
			if g.Proof.User != "" {
				ids = append(ids, g.Proof.User)
			}
		}
		return err
	})
	slices.Sort(ids)
	return slices.Compact(ids), wrap("list known users", err)
}

// ComparisonRead notes how far the list of a comparison has been read that was
// begun as c.
func (s *Service) ComparisonRead(ctx context.Context, c Comparison, read, of int) error {
	return wrap("note progress", s.onBegun(ctx, c, func(tx Tx, c Comparison) error {
		c.Read, c.Of = read, max(of, 0)
		return tx.SaveComparison(ctx, c)
	}))
}

// onComparison changes a comparison that is under way.
func (s *Service) onComparison(ctx context.Context, id ComparisonID, change func(tx Tx, c Comparison) error) error {
	return s.store.Change(ctx, func(tx Tx) error {
		c, err := tx.Comparison(ctx, id)
		if err != nil {
			return err
		}
		if c.State != ComparisonRunning {
			return fault.New(fault.Conflict, "The comparison %s is over already.", id).WithCode("comparison_over")
		}
		return change(tx, c)
	})
}

// onBegun changes a comparison that is under way as it was begun. One whose list
// another node began to read anew is over for who read the list before: that
// says nothing of what happened since.
func (s *Service) onBegun(ctx context.Context, begun Comparison, change func(tx Tx, c Comparison) error) error {
	return s.onComparison(ctx, begun.ID, func(tx Tx, c Comparison) error {
		if c.ListedAt.UnixMilli() != begun.ListedAt.UnixMilli() {
			return fault.New(fault.Conflict, "The list of the comparison %s is being read anew.", c.ID).WithCode("comparison_over")
		}
		return change(tx, c)
	})
}

// FailComparison ends a comparison, begun as c, whose list could not be read
// whole.
func (s *Service) FailComparison(ctx context.Context, c Comparison, p Problem) error {
	return wrap("end comparison", s.onBegun(ctx, c, func(tx Tx, c Comparison) error {
		c.State, c.EndedAt, c.Problem = ComparisonFailed, s.now(), p
		if err := tx.SaveComparison(ctx, c); err != nil {
			return err
		}
		return tx.Record(ctx, event(DriftFailed, identity.System(), "app:"+string(c.App), c.EndedAt, "comparison", string(c.ID), "code", p.Code, "message", p.Message))
	}))
}

// Compare takes the whole list of a system's users into a comparison, begun as c,
// and into the grants of its app, all at once.
func (s *Service) Compare(ctx context.Context, c Comparison, accounts []Account) (Comparison, error) {
	scale, err := s.rules.Scale(ctx, c.Connection)
	if err != nil {
		return c, wrap("compare", err)
	}
	err = s.onBegun(ctx, c, func(tx Tx, kept Comparison) error {
		work, err := s.comparison(ctx, tx, kept)
		if err != nil {
			return err
		}
		work.accounts, work.scale = accounts, scale
		found := work.compare()
		kept.State, kept.EndedAt, kept.Counts, kept.Read, kept.Of = ComparisonDone, work.now, found.counts, len(accounts), len(accounts)
		c = kept
		return s.keepCompared(ctx, tx, kept, found)
	})
	return c, wrap("compare", err)
}

// comparison reads what the list is compared with.
func (s *Service) comparison(ctx context.Context, tx Reader, c Comparison) (comparison, error) {
	work := comparison{Comparison: c, now: s.now(), since: map[string]time.Time{}}
	var err error
	if work.grants, err = tx.Grants(ctx, GrantFilter{Connection: c.Connection, States: counted}); err != nil {
		return work, err
	}
	ended, err := tx.Grants(ctx, GrantFilter{Connection: c.Connection, States: []GrantState{GrantEnded}, EndedFrom: c.ListedAt})
	if err != nil {
		return work, err
	}
	work.grants = append(work.grants, ended...)
	if work.emails, err = tx.Addresses(ctx, peopleOf(work.grants)); err != nil {
		return work, err
	}
	before, err := tx.Comparisons(ctx, ComparisonFilter{App: c.App, State: ComparisonDone, Limit: 1})
	if err != nil || len(before) == 0 {
		return work, err
	}
	known, err := tx.Differences(ctx, DifferenceFilter{Comparison: before[0].ID})
	for _, d := range known {
		work.since[d.key()] = d.Since
	}
	return work, err
}

// peopleOf returns who holds the grants, each once.
func peopleOf(grants []Grant) []identity.PersonID {
	people := make([]identity.PersonID, len(grants))
	for i, g := range grants {
		people[i] = g.Person
	}
	slices.Sort(people)
	return slices.Compact(people)
}

// keptComparisons is how many comparisons of an app are kept, with what they
// found. What became of a grant is told by its own history without end.
const keptComparisons = 50

// keepCompared keeps what a comparison found.
func (s *Service) keepCompared(ctx context.Context, tx Tx, c Comparison, found compared) error {
	for i := range found.rows {
		d := &found.rows[i]
		d.ID, d.Comparison, d.App = DifferenceID(s.newID("dif")), c.ID, c.App
	}
	if err := tx.SaveComparison(ctx, c); err != nil {
		return err
	}
	if err := tx.AddDifferences(ctx, found.rows); err != nil {
		return err
	}
	if err := tx.DropUnmanaged(ctx, c.App, c.ID); err != nil {
		return err
	}
	if err := tx.DropComparisons(ctx, c.App, keptComparisons); err != nil {
		return err
	}
	if err := tx.SaveGrants(ctx, found.changed); err != nil {
		return err
	}
	n := strconv.Itoa
	changed := ""
	if found.told > 0 {
		changed = n(found.told)
	}
	return tx.Record(ctx, append(found.events, event(DriftCompared, identity.System(), "app:"+string(c.App), c.EndedAt, "comparison", string(c.ID),
		"users", n(c.Counts.Accounts), "same", n(c.Counts.Same), "differ", n(c.Counts.Differ), "gone", n(c.Counts.Gone), "not_found", n(c.Counts.NotFound),
		"unmanaged", n(c.Counts.Unmanaged), "busy", n(c.Counts.Busy),
		"changed", changed, "by", string(c.By)))...)
}

// RunningComparisons returns the comparisons that are under way.
func (s *Service) RunningComparisons(ctx context.Context) (list []Comparison, err error) {
	err = s.store.View(ctx, func(tx Reader) error {
		list, err = tx.Comparisons(ctx, ComparisonFilter{State: ComparisonRunning})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for comparisons: %w", err)
	}
	return list, nil
}

package access

import (
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// extendable says whether an approved request for the same role moves the end
// of g instead of making a second grant beside it.
func (g Grant) extendable() bool {
	switch g.State {
	case GrantSettingUp, GrantActive, GrantNotSetUp, GrantChanged:
		return true
	case GrantScheduled, GrantEnding, GrantOverdue, GrantEnded:
	}
	return false
}

// overlaps says whether access asked for from the time at on would begin while
// g gives it already, or a part of it, or is tried to.
func (g Grant) overlaps(at time.Time) bool {
	live := g.holds() || g.State == GrantSettingUp || g.State == GrantNotSetUp && g.Next != ""
	return live && (g.EndsAt.IsZero() || !at.After(g.EndsAt))
}

// extend returns g with its end moved by the approved request r: by as much as
// was asked for when r asks for more of g, else to where r alone would have
// ended. Never past the policy's longest from now, and never to an earlier time.
func (g Grant) extend(r Request, now time.Time) (Grant, []audit.Event) {
	before := g
	longest := r.Policy.Longest
	switch {
	case g.Length == Indefinite:
	case r.Length == Indefinite && longest == Indefinite:
		g.Length, g.EndsAt = Indefinite, time.Time{}
	case g.StartsAt.IsZero():
		length := max(g.Length, r.Length)
		if r.Extends == g.ID {
			length = g.Length + r.Length
		}
		g.Length = max(before.Length, atMost(length, longest))
	default:
		begin := now
		if r.StartsAt.After(now) {
			begin = r.StartsAt
		}
		ends := begin.Add(r.Length)
		if r.Extends == g.ID {
			ends = g.EndsAt.Add(r.Length)
		}
		if last := now.Add(longest); longest != Indefinite && ends.After(last) {
			ends = last
		}
		if ends.After(g.EndsAt) {
			g.EndsAt, g.Length = ends, ends.Sub(g.StartsAt)
		}
	}
	return g, []audit.Event{g.event(GrantExtended, identity.System(), now, "request", string(r.ID), "from", timeText(before.EndsAt),
		"ends", timeText(g.EndsAt), "length", lengthText(g.Length))}
}

// mergeInto returns g, which has not begun, ended: another grant that gives its
// role goes on for its time.
func (g Grant) mergeInto(live GrantID, now time.Time) (Grant, []audit.Event) {
	g.State, g.EndedAt, g.EndReason, g.EndNote = GrantEnded, now, ReasonMerged, "It goes on as "+string(live)+", which gives the role already."
	return g, []audit.Event{g.event(GrantMerged, identity.System(), now, "into", string(live), "role", g.RoleName, "person", string(g.Person))}
}

func atMost(length, longest time.Duration) time.Duration {
	if longest == Indefinite {
		return length
	}
	return min(length, longest)
}

// reduce returns g with less time: ending after left, counted from now, or with
// that length when it has not begun.
func (g Grant) reduce(who identity.Actor, app App, left time.Duration, note string, now time.Time) (Grant, []audit.Event, error) {
	note, err := cleanReason(note)
	if forbidden := g.mayEnd(who, app); forbidden != nil {
		return g, nil, forbidden
	}
	if err != nil {
		return g, nil, err
	}
	if err := g.endedAlready(); err != nil {
		return g, nil, err
	}
	if left == Indefinite || tooShort(left) {
		return g, nil, fault.Field("duration", "A length of time is at least %s; to end it at once, revoke it.", plainLength(shortest))
	}
	before := g
	if g.StartsAt.IsZero() {
		if g.Length != Indefinite && left >= g.Length {
			return g, nil, fault.Field("duration", "It was agreed for %s; say less. For more, ask for an extension.", plainLength(g.Length))
		}
		g.Length = left
	} else {
		ends := now.Add(left)
		if !g.EndsAt.IsZero() && !ends.Before(g.EndsAt) {
			return g, nil, fault.Field("duration", "It ends on %s already; say less. For more, ask for an extension.", Moment(g.EndsAt))
		}
		g.EndsAt, g.Length = ends, ends.Sub(g.StartsAt)
	}
	return g, []audit.Event{g.event(GrantReduced, who, now, "from", timeText(before.EndsAt), "ends", timeText(g.EndsAt),
		"length", lengthText(g.Length), "note", note)}, nil
}

// leftAlone returns the ended g with what somebody else had set in its place,
// and events with that told.
func (g Grant) leftAlone(found string, now time.Time, events []audit.Event) (Grant, []audit.Event) {
	g.Outside = Outside{Expected: g.RoleName, Found: found, At: now}
	return g, append(events, g.event(GrantDrifted, identity.System(), now, "run", g.Run, "expected", g.RoleName, "found", foundText(found)))
}

// foundText is a role that was found, or that nobody was.
func foundText(role string) string {
	if role == "" {
		return "not on the site"
	}
	return role
}

// restore returns g being set up once more, because somebody changed it in the
// other system and who wants it back. Its end stays where it was.
func (g Grant) restore(who identity.Actor, note, run string, now time.Time) (Grant, []audit.Event, error) {
	if g.State != GrantChanged {
		return g, nil, errNotChanged
	}
	g.State, g.Run, g.Attempts, g.ChangeAt, g.Problem, g.NextTry = GrantSettingUp, run, 1, now, Problem{}, time.Time{}
	return g, []audit.Event{g.event(GrantRestored, who, now, "run", run, "expected", g.Outside.Expected, "found", foundText(g.Outside.Found), "note", note)}, nil
}

var errNotChanged = fault.New(fault.Conflict, "Nothing was changed outside: there is nothing to settle.").WithCode("not_changed")

// stillFound says why a decision on a change is not one on what is known of it
// now, or nil: who decided saw the role seen there, and another was found since.
// nil is a decision on whatever is known.
func (g Grant) stillFound(seen *string) error {
	if seen == nil || g.State != GrantChanged || g.Outside.Found == *seen {
		return nil
	}
	return fault.New(fault.Conflict, "Somebody changed it again: %s was found since, where you saw %s.", foundText(g.Outside.Found), foundText(*seen)).
		WithCode("changed_again").WithHint("Look at the access as it is now, and decide on that.")
}

package connection

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/integration"
)

// State says whether a connection can be relied on, as far as its checks tell.
type State string

// The states of a connection.
const (
	StateHealthy        State = "healthy"
	StateDegraded       State = "degraded"        // some checks fail
	StateNeedsAttention State = "needs_attention" // the way in is shut: no check passes
	StatePaused         State = "paused"
	StateNeverChecked   State = "never_checked" // not all checks were run since its last change
)

// States lists the states.
func States() []State {
	return []State{StateHealthy, StateDegraded, StateNeedsAttention, StatePaused, StateNeverChecked}
}

// Condition is a state with its words for people.
type Condition struct {
	State    State
	Word     string // of the chip
	Sentence string
	Next     []string // what may be done
}

// Health returns the condition of a connection whose checks ended so. What was
// found before its last change counts no more.
func Health(c Connection, in integration.Integration, last []CheckReport) Condition {
	var pass, fail int
	var failed []string
	way := wayIn(c, in, last)
	for _, check := range in.Checks {
		for _, r := range last {
			switch {
			case r.Key != check.Key || r.Version != c.Version:
			case r.Pass:
				pass++
			default:
				fail++
				failed = append(failed, check.Name)
			}
		}
	}
	all := len(in.Checks)
	switch {
	case c.Retired(in):
		return Condition{
			StatePaused, "Retired", fmt.Sprintf("%s retired it: its secret is removed, and nothing is sent over it.", c.PausedBy),
			[]string{"To use it again, rotate its credentials and resume it."},
		}
	case !c.PausedAt.IsZero():
		return Condition{
			StatePaused, "Paused", fmt.Sprintf("%s paused it: nothing is sent over it, and runs wait.", c.PausedBy),
			[]string{"Resume it."},
		}
	case !way:
		return Condition{
			StateNeedsAttention, "Needs attention", "No check passes: " + in.Name + " does not answer as it should with these settings.",
			[]string{"Look at the details of the first check.", "Edit the connection or rotate its credentials, then run the checks again."},
		}
	case fail > 0:
		return Condition{
			StateDegraded, fmt.Sprintf("Degraded (%s)", count(fail, "check fails", "checks fail")),
			fmt.Sprintf("What needs the failing checks does not work: %s.", strings.Join(failed, ", ")),
			[]string{"Look at the hint of each failing check, then run it again."},
		}
	case pass < all && pass > 0:
		return Condition{
			StateNeverChecked, "Never checked", fmt.Sprintf("%d of its %d checks were run%s.", pass, all, map[bool]string{false: " since it was changed"}[c.Version == 1]),
			[]string{"Run the checks."},
		}
	case pass < all && c.Version == 1:
		return Condition{StateNeverChecked, "Never checked", "Its checks were not run yet.", []string{"Run the checks."}}
	case pass < all:
		return Condition{StateNeverChecked, "Never checked", "Its checks were not run since it was changed.", []string{"Run the checks."}}
	}
	return Condition{StateHealthy, "Healthy", "All checks passed.", nil}
}

// wayIn says whether a connection may still be of use: its first check did not
// fail, or another passed no earlier than that.
func wayIn(c Connection, in integration.Integration, last []CheckReport) bool {
	var first CheckReport
	for _, r := range last {
		if len(in.Checks) > 0 && r.Key == in.Checks[0].Key && r.Version == c.Version {
			first = r
		}
	}
	if first.Key == "" || first.Pass {
		return true
	}
	return slices.ContainsFunc(last, func(r CheckReport) bool {
		return r.Pass && r.Version == c.Version && !r.At.Add(r.Duration).Before(first.At)
	})
}

// Credential is what is known of a connection's credentials beside themselves.
type Credential struct {
	SetAt    time.Time // zero: not known
	SetBy    Author
	UsedAt   time.Time // the last sign-in that succeeded; zero: none was seen
	IdleDays int       // whole days without use
	EndsAt   time.Time // when they end if they stay unused; zero: they do not
	Warning  string    // "": none
}

// CredentialOf tells of a connection's credentials at a time.
func CredentialOf(c Connection, in integration.Integration, u Usage, now time.Time) Credential {
	out := Credential{SetAt: c.SecretAt, SetBy: c.SecretBy, UsedAt: u.UsedAt}
	since := c.CreatedAt
	for _, t := range []time.Time{c.SecretAt, u.UsedAt} {
		if t.After(since) {
			since = t
		}
	}
	const day = 24 * time.Hour
	idle := max(now.Sub(since), 0)
	out.IdleDays = int(idle / day)
	if in.Idle.Ends == 0 {
		return out
	}
	out.EndsAt = since.Add(in.Idle.Ends)
	days := func(d time.Duration) string { return count(int(d/day), "day", "days") }
	switch {
	case idle >= in.Idle.Ends: // S88
		out.Warning = fmt.Sprintf("The token was not used for %s and may have expired: run the checks. %s", days(idle), in.Idle.Text)
	case idle >= in.Idle.Warn:
		out.Warning = fmt.Sprintf("The token was not used for %s, and unused it ends after %s: run the checks, which uses it. %s", days(idle), days(in.Idle.Ends), in.Idle.Text)
	}
	return out
}

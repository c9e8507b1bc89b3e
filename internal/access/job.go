package access

import (
	"time"

	"github.com/margay-access/margay/internal/identity"
)

// JobKind says what a job does to the other system.
type JobKind string

// The kinds of job.
const (
	JobProvision   JobKind = "provision"
	JobDeprovision JobKind = "deprovision"
)

// Job is the work that a change of a grant causes. It is recorded in the
// transaction of the change.
type Job struct {
	Run   string // id of the run that will do it
	Kind  JobKind
	Grant GrantID
	// Request is what a job of the kind JobApprove asks a workflow about.
	Request RequestID
	App     AppID
	// Connection is the site: two apps may be bound to one, and a person has one
	// role there.
	Connection string
	Person     identity.PersonID
	Trigger    string        // what caused it, one of [Triggers]; of a request with its id behind it
	Attempt    int           // 1 for the first
	Delay      time.Duration // not before this time has passed
}

// Key groups jobs that must not run side by side: those of one person on one
// site, and those that ask about one request.
func (j Job) Key() string {
	if j.Kind == JobApprove {
		return "request/" + string(j.Request)
	}
	return j.Connection + "/" + string(j.Person)
}

// What causes jobs.
const (
	triggerRequest   = "request:"
	triggerScheduled = "scheduled"
	triggerExpiry    = "expiry"
	triggerRevoked   = ReasonRevoked
	triggerRetry     = "retry"
	triggerRestore   = "restore"
)

// Triggers are what causes jobs, as it begins.
func Triggers() []string {
	return []string{triggerRequest, triggerScheduled, triggerExpiry, triggerRevoked, triggerRetry, triggerRestore}
}

func (g Grant) job(kind JobKind, trigger string, delay time.Duration) Job {
	return Job{Run: g.Run, Kind: kind, Grant: g.ID, App: g.App, Connection: g.Connection, Person: g.Person, Trigger: trigger, Attempt: g.Attempts, Delay: delay}
}

// retryDelay is how long to wait before attempt n+1 at ending a grant: 1, 5, 15
// and 60 minutes, then each hour without end. Access that outlives its grant is
// never given up on.
func retryDelay(n int) time.Duration {
	steps := []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute}
	if n >= 1 && n <= len(steps) {
		return steps[n-1]
	}
	return time.Hour
}

// firstDay is how long a grant is tried to be set up by itself.
const firstDay = 24 * time.Hour

// pausedCode is the code of a problem that an administrator made, and ends.
const pausedCode = "paused"

// healDelay is how long to wait before attempt n+1 at setting a grant up, when
// its problem may pass by itself; false when it may not, or when a day of tries
// is over. 1, 5, 15 and 60 minutes, then each 4 hours for a day. A token that the
// other system refuses is somebody's to replace: looked at after 5, 15 and 60
// minutes and then each hour, until it is. A connection that somebody paused is
// looked at at least each 15 minutes, until it is resumed.
func healDelay(code string, n int, since time.Duration) (time.Duration, bool) {
	switch code {
	case "auth_rejected", "denied":
		return retryDelay(n + 1), true
	case pausedCode:
		return min(retryDelay(n), 15*time.Minute), true
	case "unavailable", "throttled", "session_lost", "not_tableau", "tls_untrusted", "no_seat", "user_missing", "crashed":
	default:
		return 0, false
	}
	delay := retryDelay(n)
	if n > 4 {
		delay = 4 * time.Hour
	}
	return delay, since+delay <= firstDay
}

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
	App   AppID
	// Connection is the site: two apps may be bound to one, and a person has one
	// role there.
	Connection string
	Person     identity.PersonID
	Trigger    string        // what caused it: "request:req_…", "expiry", "revoked", "retry"
	Attempt    int           // 1 for the first
	Delay      time.Duration // not before this time has passed
}

// Key groups jobs that must not run side by side: those of one person on one
// site.
func (j Job) Key() string { return j.Connection + "/" + string(j.Person) }

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

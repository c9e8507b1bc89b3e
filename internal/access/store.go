package access

import (
	"context"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// Store keeps what this package decides.
type Store interface {
	// Change runs fn in one write transaction. All of it is kept, or nothing
	// when fn returns an error. Writers run one at a time, so what fn reads is
	// still true when it is kept; fn may run more than once.
	Change(ctx context.Context, fn func(tx Tx) error) error
	// View runs fn with reads only.
	View(ctx context.Context, fn func(tx Reader) error) error
}

// Reader reads. What is not there is a fault.NotFound that names it.
type Reader interface {
	Person(ctx context.Context, id identity.PersonID) (identity.Person, error)
	// Administrators returns who administers and is not disabled.
	Administrators(ctx context.Context) ([]identity.PersonID, error)
	App(ctx context.Context, id AppID) (App, error)
	Apps(ctx context.Context) ([]App, error)
	Role(ctx context.Context, id RoleID) (Role, error)
	Roles(ctx context.Context, app AppID) ([]Role, error)
	Policy(ctx context.Context, id PolicyID) (Policy, error)
	Policies(ctx context.Context) ([]Policy, error)
	// PolicyVersions returns all versions of a policy, the newest first.
	PolicyVersions(ctx context.Context, id PolicyID) ([]Policy, error)
	Profile(ctx context.Context, id ProfileID) (Profile, error)
	Profiles(ctx context.Context) ([]Profile, error)
	// AllRoles returns the roles of all apps.
	AllRoles(ctx context.Context) ([]Role, error)
	Group(ctx context.Context, id identity.GroupID) (identity.Group, error)
	Groups(ctx context.Context) ([]identity.Group, error)
	// Standing returns the groups of a person and whom they manage, see
	// [identity.Reports].
	Standing(ctx context.Context, person identity.PersonID) ([]identity.GroupID, []identity.PersonID, error)
	Comments(ctx context.Context, id RequestID) ([]Comment, error)
	CountRequests(ctx context.Context, f RequestFilter) (int, error)
	// Touched counts what these roles have under way.
	Touched(ctx context.Context, roles []RoleID) (Touched, error)
	Request(ctx context.Context, id RequestID) (Request, error)
	Requests(ctx context.Context, f RequestFilter) ([]Request, error)
	Grant(ctx context.Context, id GrantID) (Grant, error)
	Grants(ctx context.Context, f GrantFilter) ([]Grant, error)
	// Ending counts the grants on each connection that a run is ending since its
	// end was ordered after a time.
	Ending(ctx context.Context, since time.Time) (map[string]int, error)
	// Postponed returns what the clock could not do, the longest first.
	Postponed(ctx context.Context) ([]Postponed, error)
	// CountGrants counts the grants that the filter picks, at most its limit.
	CountGrants(ctx context.Context, f GrantFilter) (int, error)
	// Provisioning returns how a subject's access is carried out, as it was saved
	// of "app:…" or "role:…"; of one that says nothing, the zero value.
	Provisioning(ctx context.Context, subject string) (Provisioning, error)
	Task(ctx context.Context, id TaskID) (Task, error)
	Tasks(ctx context.Context, f TaskFilter) ([]Task, error)
	// Answers returns what the other system answered when these grants were set up
	// and ended by runs: by the run of whose end their proofs tell.
	Answers(ctx context.Context, grants []Grant) (map[GrantID]Answers, error)
	// RequestsOf returns the requests of which these grants came.
	RequestsOf(ctx context.Context, grants []GrantID) (map[RequestID]Request, error)
	Comparison(ctx context.Context, id ComparisonID) (Comparison, error)
	// Comparisons returns the comparisons that f picks, newest first.
	Comparisons(ctx context.Context, f ComparisonFilter) ([]Comparison, error)
	Difference(ctx context.Context, id DifferenceID) (Difference, error)
	// Differences returns those that f picks, in their order.
	Differences(ctx context.Context, f DifferenceFilter) ([]Difference, error)
	// Addresses returns the e-mail addresses of these people.
	Addresses(ctx context.Context, people []identity.PersonID) (map[identity.PersonID]string, error)
}

// Tx reads and writes in one transaction.
type Tx interface {
	Reader
	// ChangePerson runs change on the person and on everybody, and keeps its
	// result.
	ChangePerson(ctx context.Context, id identity.PersonID, change identity.ChangeFunc) (identity.Person, error)
	SaveApp(ctx context.Context, a App) error
	SaveRole(ctx context.Context, r Role) error
	SavePolicy(ctx context.Context, p Policy) error // and keeps the version, for ever
	SaveProfile(ctx context.Context, p Profile) error
	AddComment(ctx context.Context, c Comment) error
	SaveRequest(ctx context.Context, r Request) error
	SaveGrant(ctx context.Context, g Grant) error
	// SaveGrants saves many in few statements.
	SaveGrants(ctx context.Context, gs []Grant) error
	SaveProvisioning(ctx context.Context, subject string, p Provisioning) error
	SaveTask(ctx context.Context, t Task) error
	// DropTasks notes that the open tasks of a grant, but for one, are overtaken.
	DropTasks(ctx context.Context, grant GrantID, but TaskID, at time.Time) error
	SaveComparison(ctx context.Context, c Comparison) error
	// AddDifferences keeps what a comparison found.
	AddDifferences(ctx context.Context, ds []Difference) error
	// DropUnmanaged forgets the users without a grant that earlier comparisons of
	// the app found: they are as many as the other system has users.
	DropUnmanaged(ctx context.Context, app AppID, but ComparisonID) error
	// DropComparisons forgets the comparisons of the app but the newest keep, with
	// what they found.
	DropComparisons(ctx context.Context, app AppID, keep int) error
	// EnqueueComparison records the job that makes the comparison.
	EnqueueComparison(ctx context.Context, c Comparison) error
	SavePostponed(ctx context.Context, p Postponed) error
	DropPostponed(ctx context.Context, subject string) error
	// Record appends events to the audit chain.
	Record(ctx context.Context, events ...audit.Event) error
	// Enqueue records the job: it exists if and only if the transaction is kept.
	Enqueue(ctx context.Context, job Job) error
	// Settle notes that the outcome of a run has been taken in. It returns false
	// when that was so already.
	Settle(ctx context.Context, run string) (first bool, err error)
}

// RequestFilter picks requests; its zero value picks all. Newest first.
type RequestFilter struct {
	Asked     bool // only those of which a workflow was asked something
	State     RequestState
	Person    identity.PersonID // whom it is for, or who asked
	For       identity.PersonID // whom it is for
	App       AppID
	Role      RoleID
	LapsedBy  time.Time // only those whose time to be decided is over then, and that are not postponed beyond it
	Limit     int       // 0: no limit
	Before    RequestID // only those older than this one
	Keys      []string  // only those that one of these keys opens, see [Key]; nil: all
	Decidable bool      // with Keys: only those whose waiting step one of them decides
	// Stuck: only those that wait and that nobody may decide at present. It is asked
	// of the directory and not of the database, for those who care for the app.
	Stuck bool
}

// Touched counts what a rule touches.
type Touched struct {
	Waiting int // requests
	Grants  int // that give access, or are about to, or are ending
	People  int // whom those are for
}

// GrantFilter picks grants; its zero value picks all. Newest first, except with
// DueBy and BeginBy.
type GrantFilter struct {
	IDs        []GrantID // only these; none: all
	States     []GrantState
	Person     identity.PersonID
	App        AppID
	Role       RoleID
	RoleName   string
	Connection string
	Request    RequestID
	Text       string    // in the person's name or e-mail address, or the role's name; without regard to case
	EndsBefore time.Time // only those that end by themselves before this time
	HeldFrom   time.Time // with HeldUntil: only those that were there at some moment from the one to the other
	HeldUntil  time.Time
	EndedFrom  time.Time // only those that ended at this time or later, begun or not
	Seen       *Seen     // only those that somebody may see; nil: all
	DueBy      time.Time // only those that hold, whose end is not after this time and is not postponed beyond it, the first to end first
	BeginBy    time.Time // only scheduled ones that are to begin by this time and are not postponed beyond it, the first to begin first
	Underway   bool      // only those that wait for a run
	NotOn      []string  // only those that are on none of these connections
	Limit      int       // 0: no limit
	Before     GrantID   // only those older than this one
}

// ComparisonFilter picks comparisons; its zero value picks all. Newest first.
type ComparisonFilter struct {
	App    AppID
	State  ComparisonState
	Newest bool // of each app the newest alone
	Limit  int  // 0: no limit
	Before ComparisonID
}

// DifferenceFilter picks differences of a comparison: those that ask for a
// decision first, in the order of their ids.
type DifferenceFilter struct {
	Comparison ComparisonID
	Kinds      []DifferenceKind // nil: all
	Limit      int              // 0: no limit
	After      DifferenceID     // only those behind this one
}

// Seen is what somebody may see: what is their own, and all of some apps.
type Seen struct {
	Person identity.PersonID
	Apps   []AppID
}

// NoRequest is the fault for a request that is not there, or not to be seen.
func NoRequest(id RequestID) error { return missing("request", string(id)) }

// NoGrant is the fault for a grant that is not there, or not to be seen.
func NoGrant(id GrantID) error { return missing("grant", string(id)) }

func missing(what, id string) *fault.Error {
	return fault.New(fault.NotFound, "There is no %s %s.", what, id).WithCode(what + "_missing")
}

// hidden is the fault for an act on something that who acts may not see: they
// are told that it is not there, as when they look at it, and the audit log is
// told that it was refused.
func hidden(what, id string) error {
	return missing(what, id).Because(fault.New(fault.Forbidden, "The %s %s is not theirs to see.", what, id).WithCode("hidden"))
}

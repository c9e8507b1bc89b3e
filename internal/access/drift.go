package access

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/identity"
)

// ComparisonID names a comparison: "cmp_…".
type ComparisonID string

// ComparisonState says how far a comparison is.
type ComparisonState string

// The states of a comparison.
const (
	ComparisonRunning ComparisonState = "running"
	ComparisonDone    ComparisonState = "done"
	ComparisonFailed  ComparisonState = "failed"
)

// The acts on comparisons.
var (
	ActCompare = Act{"compare", "Compare again"}
	ActFollow  = Act{"follow", "Follow progress"}
	ActSettle  = Act{"settle", "Settle differences"}
)

// ComparisonStates is the table of the states of a comparison.
func ComparisonStates() []StateText {
	return []StateText{
		{string(ComparisonRunning), "Comparing", "The users of the other system are being read. Nothing is shown of them before all are there.", []Act{ActFollow}},
		{string(ComparisonDone), "Compared", "What was granted was compared with the whole list of the other system.", []Act{ActSettle, ActCompare}},
		{string(ComparisonFailed), "Failed", "The list could not be read whole, so nothing was compared. The problem says why.", []Act{ActCompare}},
	}
}

// Text returns what is told of the state.
func (s ComparisonState) Text() StateText { return textOf(ComparisonStates(), string(s)) }

// Comparison is one look at what the grants of an app say and what the system
// behind it says, made when somebody asks for it and never by itself.
type Comparison struct {
	ID         ComparisonID
	App        AppID
	Connection string
	State      ComparisonState
	By         identity.PersonID
	StartedAt  time.Time
	ListedAt   time.Time // when the list was begun to be read; zero: not yet
	EndedAt    time.Time
	Read       int // users of the other system read so far
	Of         int // of how many; 0: not known yet
	Counts     DriftCounts
	Problem    Problem // why it failed
}

// DriftCounts says what a comparison found.
type DriftCounts struct {
	Accounts  int `json:"accounts"`  // users of the other system
	Same      int `json:"same"`      // grants that are as they should be
	Differ    int `json:"differ"`    // grants in whose place another role is
	Gone      int `json:"gone"`      // grants of users who are not there any more
	NotFound  int `json:"not_found"` // grants whose person no user there fits
	Unmanaged int `json:"unmanaged"` // users there with a role and no grant
	Busy      int `json:"busy"`      // grants left out: a run changed the person meanwhile
}

// Differences is how many ask for a decision.
func (c DriftCounts) Differences() int { return c.Differ + c.Gone + c.NotFound }

// DifferenceID names a difference: "dif_…".
type DifferenceID string

// DifferenceKind says what a comparison found.
type DifferenceKind string

// The kinds of difference.
const (
	DifferenceRole      DifferenceKind = "role_differs"
	DifferenceGone      DifferenceKind = "user_gone"
	DifferenceNotFound  DifferenceKind = "user_not_found"
	DifferenceUnmanaged DifferenceKind = "unmanaged" // no alarm: access that nobody asked for here
)

// DifferenceKinds is the table of the kinds of difference, those that ask for a
// decision first.
func DifferenceKinds() []StateText {
	settle := []Act{ActAccept, ActRestore, ActRevoke}
	return []StateText{
		{string(DifferenceRole), "Role differs", "Another role is there than the one that was granted.", settle},
		{string(DifferenceGone), "User gone", "The user for whom the access was set up is not there any more.", settle},
		{string(DifferenceNotFound), "User not found", "Nobody there fits the person, or several do, so nothing can be said of this access.", []Act{ActRevoke}},
		{string(DifferenceUnmanaged), "No grant", "Somebody there has a role that was not given here. It is left alone.", []Act{ActCompare}},
	}
}

// Text returns what is told of the kind.
func (k DifferenceKind) Text() StateText { return textOf(DifferenceKinds(), string(k)) }

// Difference is one thing in which the grants and the other system do not agree.
type Difference struct {
	ID         DifferenceID
	Comparison ComparisonID
	App        AppID
	Kind       DifferenceKind
	Grant      GrantID           // "": nobody was granted anything
	Person     identity.PersonID // likewise
	User       string            // the other system's id of the user; "": nobody was found
	UserName   string
	Granted    string // the role that the grant gives
	Found      string // the role that is there; "": nobody is
	Since      time.Time
}

// Account is a user of the other system as a list of them all has it.
type Account struct {
	ID    string
	Name  string // with which they sign in
	Email string
	Role  string
	// Own is the account that Margay itself uses there: it needs no grant.
	Own bool
}

// Events of comparisons.
const (
	DriftStarted  audit.Kind = "drift.started"
	DriftCompared audit.Kind = "drift.compared"
	DriftFailed   audit.Kind = "drift.failed"
)

// drift returns g changed outside: in the place of its role, found was read. ""
// is nobody there. The same change is told once.
func (g Grant) drift(found, run string, now time.Time) (Grant, []audit.Event) {
	if g.State != GrantActive && g.State != GrantChanged || g.State == GrantChanged && g.Outside.Found == found {
		return g, nil
	}
	g.State, g.Outside = GrantChanged, Outside{Expected: g.RoleName, Found: found, At: now}
	return g, []audit.Event{g.event(GrantDrifted, identity.System(), now, "run", run, "expected", g.RoleName, "found", foundText(found))}
}

// found returns g active again: what it gives was read where a change had been.
func (g Grant) found(now time.Time) (Grant, []audit.Event) {
	if g.State != GrantChanged {
		return g, nil
	}
	g.State, g.Outside = GrantActive, Outside{}
	return g, []audit.Event{g.event(GrantFound, identity.System(), now, "role", g.RoleName)}
}

// accept returns g ended, because somebody changed it in the other system and
// who takes that as its end. Nothing is written there.
func (g Grant) accept(who identity.Actor, note string, now time.Time) (Grant, []audit.Event, error) {
	note, err := cleanReason(note)
	if err != nil {
		return g, nil, err
	}
	if g.State != GrantChanged {
		return g, nil, errNotChanged
	}
	was := g.Outside
	g = g.end(ReasonChanged, "", now)
	g.State, g.Attempts, g.EndedAt, g.EndedBy, g.EndNote = GrantEnded, 0, now, who.Person, note
	g.Proof = Proof{Role: was.Found, User: g.Proof.User, Note: "Nothing was written: what was found is kept.", At: was.At}
	return g, []audit.Event{g.event(GrantAccepted, who, now, "expected", was.Expected, "found", foundText(was.Found), "note", note)}, nil
}

// changedAgain says whether a run that was to restore g found something else
// than what the person had seen who ordered it, and left that alone. What others
// of the person's grants give is no such thing, unless g gives more.
func (g Grant) changedAgain(o Outcome, others []Grant, scale Scale) bool {
	if g.Outside.At.IsZero() || o.Before == nil || o.Proof.Role != *o.Before {
		return false
	}
	if scale.less(o.Proof.Role, g.RoleName) {
		return true
	}
	given := func(other Grant) bool {
		return (other.State == GrantActive || other.moves()) && other.RoleName == o.Proof.Role
	}
	return o.Proof.Role != g.Outside.Found && o.Proof.Role != g.RoleName && !slices.ContainsFunc(others, given)
}

// driftAgain returns g changed outside once more: since it was decided that it shall
// be restored, somebody changed it again.
func (g Grant) driftAgain(found string, now time.Time) (Grant, []audit.Event) {
	before := g.Outside.Found
	g.State, g.Outside, g.NextTry = GrantChanged, Outside{Expected: g.RoleName, Found: found, At: now}, time.Time{}
	return g, []audit.Event{g.event(GrantDrifted, identity.System(), now, "run", g.Run, "expected", g.RoleName, "found", foundText(found),
		"decided_on", foundText(before))}
}

// less says whether found holds less than the role. Of a role that is on no scale
// nobody knows.
func (s Scale) less(found, role string) bool {
	own, rank := s.Rank(role), s.Rank(found)
	return own >= 0 && (found == "" || found == s.None || rank >= 0 && rank < own)
}

const roleTooWeak = "role_too_weak"

// tooLittle is the problem of a run that was to set up g and ended with less.
func (g Grant) tooLittle(found string) Problem {
	return Problem{
		Code: roleTooWeak, Message: "The workflow ended with " + foundText(found) + ", which holds less than " + g.RoleName + ".",
		Hint: "Look at what the workflow did, mend it, and retry.",
	}
}

// broken says which grants of one person on one site are not as they should be
// when found is the role there. A person has one role, that of the strongest
// grant; it holds what the weaker ones give.
func broken(grants []Grant, found string, scale Scale) func(Grant) bool {
	strongest := -1
	for _, g := range grants {
		strongest = max(strongest, scale.Rank(g.RoleName))
	}
	rank := scale.Rank(found)
	nothing := found == "" || found == scale.None
	return func(g Grant) bool {
		own := scale.Rank(g.RoleName)
		switch {
		case g.RoleName == found:
			return false
		case own == strongest, nothing:
			return true
		}
		return rank >= 0 && own > rank
	}
}

// moves says whether a run is changing what g gives, or failed at it: its role
// may be there, and that is nobody else's change.
func (g Grant) moves() bool {
	return g.wants(JobProvision) || g.wants(JobDeprovision) || g.State == GrantNotSetUp
}

// restoring says whether g is to be set up once more in place of what somebody
// had changed, or was and may be tried again.
func (g Grant) restoring() bool {
	return !g.Outside.At.IsZero() && (g.State == GrantSettingUp || g.State == GrantNotSetUp)
}

// remaining returns those of a person's other grants on the site that still give
// their role when g ends. One that somebody changed, but that is weaker than g,
// was agreed and has not ended: where the role of g is there, it is whole.
func remaining(g Grant, others []Grant, scale Scale) []Grant {
	return slices.DeleteFunc(slices.Clone(others), func(other Grant) bool {
		return other.ID == g.ID || other.State == GrantChanged && !scale.less(other.RoleName, g.RoleName)
	})
}

// overwritten returns g, which is to be restored, with what a run of the grant by
// put there, or found there as its own: that is no change of a stranger's.
func (g Grant) overwritten(by Grant, o Outcome) (Grant, bool) {
	ours := *o.Before != o.Proof.Role || by.State == GrantActive && by.RoleName == o.Proof.Role
	if !g.restoring() || !ours || g.Outside.Found == o.Proof.Role {
		return g, false
	}
	g.Outside.Found = o.Proof.Role
	return g, true
}

// othersAfter returns those of a person's other grants on the site that are
// changed outside, or are no more, after a run of g read what is there, and those
// to be restored in whose place the run put something else.
func othersAfter(g Grant, others []Grant, o Outcome, scale Scale, now time.Time) (changed []Grant, events []audit.Event) {
	others = sameUser(g, others, o)
	if len(others) == 0 {
		return nil, nil
	}
	for _, other := range others {
		if next, ours := other.overwritten(g, o); ours {
			changed = append(changed, next)
		}
	}
	ours := slices.ContainsFunc(others, func(other Grant) bool { return other.moves() && other.RoleName == o.Proof.Role })
	others = slices.DeleteFunc(slices.Clone(others), func(other Grant) bool { return other.State != GrantActive && other.State != GrantChanged })
	before, after := others, others
	if o.Kind == JobDeprovision {
		before = append(slices.Clone(others), g)
	} else if g.State == GrantActive {
		after = append(slices.Clone(others), g)
	}
	wasBroken, isBroken := broken(before, *o.Before, scale), broken(after, o.Proof.Role, scale)
	wrote := *o.Before != o.Proof.Role
	for _, other := range others {
		if scale.Rank(other.RoleName) < 0 {
			continue
		}
		next, told := other, []audit.Event(nil)
		switch {
		case !isBroken(other):
			next, told = other.found(now)
		case ours && !scale.less(o.Proof.Role, other.RoleName):
		case !wrote || wasBroken(other) || other.State == GrantChanged: // else it is what the run itself did
			next, told = other.drift(o.Proof.Role, o.Run, now)
		}
		if len(told) > 0 {
			changed, events = append(changed, next), append(events, told...)
		}
	}
	return changed, events
}

// sameUser returns those of others that are for the user whom the run of g
// looked at. Of nobody who was found, nothing is known of anybody.
func sameUser(g Grant, others []Grant, o Outcome) []Grant {
	user := cmp.Or(o.Proof.User, g.Proof.User)
	if user == "" {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(others), func(other Grant) bool { return other.Proof.User != "" && other.Proof.User != user })
}

// comparison is what a comparison works on.
type comparison struct {
	Comparison
	grants   []Grant                      // all on the connection that count, of all apps
	emails   map[identity.PersonID]string // of their people
	accounts []Account
	scale    Scale
	since    map[string]time.Time // since when the comparison before it knew of a difference, by its key
	now      time.Time
}

// key names what a difference is about, over comparisons.
func (d Difference) key() string {
	return strings.Join([]string{string(d.Kind), string(d.Grant), d.User, d.Found}, "/")
}

// known returns d with the time since when it is known.
func (c comparison) known(d Difference) Difference {
	if d.Since = c.since[d.key()]; d.Since.IsZero() {
		d.Since = c.now
	}
	return d
}

// counted are the states of the grants that a comparison looks at: those that
// say what should be there, and those that are being changed.
var counted = []GrantState{GrantActive, GrantChanged, GrantSettingUp, GrantNotSetUp, GrantEnding, GrantOverdue}

// clocksDiffer is more than the clocks of two nodes do.
const clocksDiffer = time.Second

// busy says whether a run has changed what g gives since the list was begun to
// be read, or is about to: the list may tell of before or after it.
func (c comparison) busy(g Grant) bool {
	switch g.State {
	case GrantSettingUp, GrantEnding, GrantOverdue:
		return true
	case GrantNotSetUp:
		// It is tried again by itself. Before its time that changes nothing.
		if g.Next != "" && !g.NextTry.After(c.now.Add(clocksDiffer)) {
			return true
		}
	case GrantScheduled, GrantActive, GrantChanged, GrantEnded:
	}
	return slices.ContainsFunc([]time.Time{g.Proof.At, g.Outside.At, g.EndedAt}, func(at time.Time) bool { return !at.Before(c.ListedAt) })
}

// compared is what a comparison found.
type compared struct {
	counts  DriftCounts
	rows    []Difference
	changed []Grant // to be kept
	events  []audit.Event
	told    int // grants that were found changed, or changed anew
}

// compare says in what the grants of the app and the list of the other system do
// not agree, and which grants are changed outside now or are no more.
func (c comparison) compare() compared {
	out := compared{counts: DriftCounts{Accounts: len(c.accounts)}}
	index := indexAccounts(c.accounts)
	held := map[string]bool{} // users who have a grant
	byPerson := map[identity.PersonID][]Grant{}
	var order []identity.PersonID
	for _, g := range c.grants {
		if byPerson[g.Person] == nil {
			order = append(order, g.Person)
		}
		byPerson[g.Person] = append(byPerson[g.Person], g)
	}
	for _, person := range order {
		c.comparePerson(byPerson[person], index, held, &out)
	}
	for _, a := range c.accounts {
		if held[a.ID] || a.Own || a.Role == "" || a.Role == c.scale.None {
			continue
		}
		out.counts.Unmanaged++
		out.rows = append(out.rows, c.known(Difference{Kind: DifferenceUnmanaged, User: a.ID, UserName: a.Name, Found: a.Role}))
	}
	return out
}

// comparePerson compares the grants of one person with the list.
func (c comparison) comparePerson(grants []Grant, index accountIndex, held map[string]bool, out *compared) {
	account, sight := index.of(grants, c.emails[grants[0].Person])
	var stand []Grant
	busy, partly := false, false // partly: something is there of what could not be set up
	for _, g := range grants {
		busy, partly = busy || c.busy(g), partly || g.State == GrantNotSetUp && g.holds()
		// Whether that is there nobody knows, so it is nobody's change.
		busy = busy || g.State == GrantNotSetUp && g.Problem.Unsure && account != nil && account.Role == g.RoleName
		if (g.State == GrantActive || g.State == GrantChanged) && c.scale.Rank(g.RoleName) >= 0 {
			stand = append(stand, g)
		}
	}
	if account != nil && (busy || partly || len(stand) > 0) {
		held[account.ID] = true
	}
	found := ""
	if account != nil {
		found = account.Role
	}
	isBroken := broken(stand, found, c.scale)
	for _, g := range stand {
		if g.App != c.App {
			continue // its own comparison tells
		}
		d := Difference{Grant: g.ID, Person: g.Person, Granted: g.RoleName, Found: found, User: g.Proof.User}
		if account != nil {
			d.User, d.UserName = account.ID, account.Name
		}
		switch {
		case busy:
			out.counts.Busy++
			continue
		case sight == sightNone:
			out.counts.NotFound++
			d.Kind = DifferenceNotFound
			out.rows = append(out.rows, c.known(d))
			continue
		}
		after, events := g.found(c.now)
		if isBroken(g) {
			after, events = g.drift(found, "", c.now)
			for i := range events {
				events[i].Data["comparison"] = string(c.ID) // whoever is told, is told of all of it at once
				out.told++
			}
			d.Kind, d.Since = DifferenceRole, after.Outside.At
			if account == nil {
				d.Kind = DifferenceGone
				out.counts.Gone++
			} else {
				out.counts.Differ++
			}
			out.rows = append(out.rows, d)
		} else {
			out.counts.Same++
		}
		if len(events) > 0 {
			out.changed, out.events = append(out.changed, after), append(out.events, events...)
		}
	}
}

// sight says how a person was looked for among the users of the other system.
type sight string

const (
	sightByID  sight = "by id"  // as the user for whom the access was set up: there, or gone
	sightFound sight = "found"  // by name or address
	sightNone  sight = "nobody" // nobody fits, or several do
)

// accountIndex finds users by id, name and address.
type accountIndex struct {
	byID            map[string]*Account
	byName, byEmail map[string][]*Account
}

func indexAccounts(list []Account) accountIndex {
	x := accountIndex{byID: make(map[string]*Account, len(list)), byName: make(map[string][]*Account, len(list)), byEmail: make(map[string][]*Account, len(list))}
	for i := range list {
		a := &list[i]
		x.byID[a.ID] = a
		x.byName[fold(a.Name)] = append(x.byName[fold(a.Name)], a)
		if a.Email != "" {
			x.byEmail[fold(a.Email)] = append(x.byEmail[fold(a.Email)], a)
		}
	}
	return x
}

// of finds the user of a person: the one for whom access was set up, else as
// the workflows find them, by name and then by address.
func (x accountIndex) of(grants []Grant, email string) (*Account, sight) {
	for _, g := range grants {
		if g.Proof.User != "" {
			return x.byID[g.Proof.User], sightByID
		}
	}
	fit := x.byName[fold(email)]
	if len(fit) == 0 {
		fit = x.byEmail[fold(email)]
	}
	if len(fit) != 1 {
		return nil, sightNone
	}
	return fit[0], sightFound
}

// fold makes logins that differ in case alone equal. A letter of another script
// never becomes an ASCII one.
func fold(login string) string {
	return strings.Map(func(r rune) rune {
		if l := unicode.ToLower(r); r < unicode.MaxASCII || l > unicode.MaxASCII {
			return l
		}
		return r
	}, login)
}

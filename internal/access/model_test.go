package access_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// §5.3: whatever people, the clock, strangers at the other system and the runs
// do, in whichever order, and wherever the node stops, the rules keep their
// promises. Rapid prints the sequence that breaks one, and the seed of it.
//
// The store is in memory and the race detector has little to find: the model
// does one thing at a time. So all sequences run in every test run.
func TestModel(t *testing.T) {
	t.Parallel()
	acts, sequences, seen := 0, 0, map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		n := &node{}
		m := newMemory(n.enqueue)
		for _, p := range []identity.PersonID{ana, bo, cy, olga, rita, sam} {
			m.people[p] = identity.Person{ID: p, Email: string(p) + "@acme.example", Name: string(p), Admin: p == ana}
		}
		n.Store = m
		l := newLife(rt, n, rita, sam)
		l.live(rt)
		acts += l.acts
		sequences++
		for what := range l.seen {
			seen[what]++
		}
	})
	if t.Failed() || !flagsAsPromised() {
		return
	}
	if sequences < modelSequences || acts < modelSequences*modelSteps {
		t.Errorf("%d acts in %d sequences, %d in %d are promised", acts, sequences, modelSequences*modelSteps, modelSequences)
	}
	// A model that does not come far proves little. Each of these is in one sequence
	// of fifteen or more, so that none is missed by chance.
	for _, what := range []string{
		"active", "not_set_up", "overdue_to_end", "ended", "extended", "merged", "reduced", "revoked", "begun", "expired", "denied", "retried", "by hand", "superseded",
		"stopped before", "stopped after", "begun again", "answer lost", "left alone", "fell back", "nobody there",
		"changed_outside", "compared", "list failed", "found again", "restored", "changed again", "accepted", "resolved", "not resolved",
	} {
		if seen[what] == 0 {
			t.Errorf("%s: never seen in %d acts", what, acts)
		}
	}
}

// The databases say what memory says: a few sequences on each.
func TestModelOnDatabases(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		left := 3
		rapid.Check(t, func(rt *rapid.T) {
			if left--; left < 0 {
				return
			}
			n := &node{Store: db, first: int(w.next.Load())}
			db.Use(storetest.AuditKey, n.enqueue)
			db.UseComparisons(func(context.Context, *sql.Tx, access.Comparison) error { return nil })
			// What is left of the sequence before is that of others.
			people := [2]identity.PersonID{identity.PersonID(fmt.Sprint("usr_rita", left)), identity.PersonID(fmt.Sprint("usr_sam", left))}
			for _, p := range people {
				w.must(db.SavePerson(t.Context(), identity.Person{ID: p, Email: string(p) + "@acme.example", Name: string(p), CreatedAt: w.clock()}))
			}
			l := newLife(rt, n, people[0], people[1])
			l.live(rt)
			w.next.Store(int64(l.nextID))
		})
		w.verify()
	})
}

// node is a store whose process may stop at any change: what was not kept is
// gone, and nobody hears of what was.
type node struct {
	access.Store
	first   int // number of the first id
	mode    crash
	kept    bool // the last change was
	stopped bool
	pending []access.Job
	queue   []*work // kept, in the order of the changes
}

type crash int

const (
	alive crash = iota
	stopsBefore
	stopsAfter
)

var errStopped = errors.New("the node has stopped")

func (n *node) enqueue(_ context.Context, _ *sql.Tx, job access.Job) error {
	n.pending = append(n.pending, job)
	return nil
}

func (n *node) Change(ctx context.Context, fn func(access.Tx) error) error {
	mode := n.mode
	n.mode = alive // it stops once
	err := n.Store.Change(ctx, func(tx access.Tx) error {
		n.pending = nil
		if err := fn(tx); err != nil {
			return err
		}
		if mode == stopsBefore {
			n.stopped = true
			return errStopped
		}
		return nil
	})
	n.kept = err == nil
	if err != nil {
		return err
	}
	for _, j := range n.pending {
		n.queue = append(n.queue, &work{job: j})
	}
	if mode == stopsAfter {
		n.stopped = true
		return errStopped
	}
	return nil
}

// work is a job that is being carried out, as far as that is recorded.
type work struct {
	job     access.Job
	since   time.Time // when it may begin
	timed   bool
	phase   phase
	plan    access.Facts
	before  string // the role that was read before the write
	outcome access.Outcome
	puts    int
	settles bool // what is there since is what it was to set
	sight   sight
	strange int // changes by strangers that were there when it wrote
}

// sight is what was read of somebody on the site: by a run, or in a list.
type sight struct {
	before  string // the role that was there, "" for nobody
	role    string // the one that is there since, when a run wrote
	strange bool   // a stranger had changed it
	puts    int    // our own writes to the person until then
}

type phase int

const (
	planning phase = iota
	reading
	writing
	reporting
	over
)

// expected is what the model believes of a grant.
type expected struct {
	person   identity.PersonID
	role     int // index of roles
	length   time.Duration
	state    access.GrantState
	run      string
	next     string // the run that tries again by itself what is not set up
	begins   time.Time
	starts   time.Time
	ends     time.Time
	revoked  bool
	byHand   bool
	overtook bool           // merged into another
	outside  access.Outside // what it was last told as changed to
	unsure   bool           // a run may have set it up, and nobody has read since
}

// roleOf is a role of the model: where it is given, and whether by hand.
type modelRole struct {
	id         access.RoleID
	name       string
	connection string
	rank       int
	steps      int
	byHand     bool
}

const (
	longest = 4 * time.Hour // what the policies of the model give at most
	site    = "con_1"
	nothing = "Unlicensed"
)

// life is the rules anew, as plainly as can be, beside those that are tested.
type life struct {
	t        *rapid.T
	n        *node
	rita     identity.PersonID // the two who ask
	sam      identity.PersonID
	svc      *access.Service
	now      time.Time
	nextID   int
	acts     int
	roles    []modelRole
	requests map[access.RequestID]access.RequestState
	grants   map[access.GrantID]*expected

	there   map[identity.PersonID]string    // the site: who has which role; absent: is not there
	strange map[identity.PersonID]bool      // a stranger changed it, and no run of ours has since
	untold  map[identity.PersonID]bool      // likewise, and no run of ours has reported so
	blurred map[identity.PersonID]bool      // a run of ours could not say what it had read before it wrote
	wrote   map[identity.PersonID]int       // how often our runs did
	changes map[identity.PersonID]int       // how often strangers did
	last    map[access.GrantID]access.Grant // as they were last told of
	seen    map[string]int                  // how often what happened
	app     access.AppID                    // of the site
	list    *listed                         // the list that a comparison reads now
	found   []access.ShownDifference        // what the last comparison found
	puts    int
	lost    int // answers to writes that never came
	moved   int // changes of what somebody should have
}

func newLife(t *rapid.T, n *node, rita, sam identity.PersonID) *life {
	l := &life{
		t: t, n: n, nextID: n.first, requests: map[access.RequestID]access.RequestState{}, grants: map[access.GrantID]*expected{},
		now:  time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
		rita: rita, sam: sam, there: map[identity.PersonID]string{rita: nothing, sam: nothing}, strange: map[identity.PersonID]bool{}, untold: map[identity.PersonID]bool{},
		last: map[access.GrantID]access.Grant{}, wrote: map[identity.PersonID]int{}, blurred: map[identity.PersonID]bool{}, changes: map[identity.PersonID]int{}, seen: map[string]int{},
	}
	l.svc = access.NewService(n, anyRole{}, func() time.Time { return l.now }, func(prefix string) string {
		l.nextID++
		return fmt.Sprintf("%s_%012d", prefix, l.nextID)
	})
	ctx := t.Context()
	for _, a := range []struct {
		connection string
		roles      []modelRole
	}{
		{site, []modelRole{{name: "Viewer", rank: 0}, {name: "Explorer", rank: 1, steps: 1}, {name: "Creator", rank: 2, steps: 2}}},
		{"con_2", []modelRole{{name: "Viewer", rank: 0, byHand: true}}},
	} {
		app, err := l.svc.SaveApp(ctx, as(ana), access.App{Name: fmt.Sprint(a.connection, n.first), Connection: a.connection, Owners: []identity.PersonID{olga}})
		l.must(err)
		for _, r := range a.roles {
			p, err := l.svc.SavePolicy(ctx, as(ana), access.Policy{
				Name: fmt.Sprintf("%s %s %d", a.connection, r.name, n.first), Longest: longest, OnBehalf: access.OnBehalfAnybody,
				Steps: []access.Step{by(bo), by(cy)}[:r.steps],
			})
			l.must(err)
			role, err := l.svc.SaveRole(ctx, as(ana), access.Role{App: app.ID, Name: r.name, Policy: p.ID})
			l.must(err)
			if r.byHand {
				_, err := l.svc.SaveProvisioning(ctx, as(ana), app.ID, role.ID, access.Provisioning{Method: access.MethodManual, People: []identity.PersonID{bo}})
				l.must(err)
			}
			r.id, r.connection = role.ID, a.connection
			l.roles = append(l.roles, r)
		}
		if a.connection == site {
			l.app = app.ID
		}
	}
	return l
}

func (l *life) must(err error) {
	if err != nil {
		l.t.Fatal(err)
	}
}

// live leads a sequence, then lets all be well and time pass.
func (l *life) live(t *rapid.T) {
	acts := map[string]func(*rapid.T){
		"file": l.file, "approve": l.approve, "deny": l.deny, "withdraw": l.withdraw, "revoke": l.revoke, "revokeAll": l.revokeAll, "extend": l.extend, "reduce": l.reduce,
		"retry": l.retry, "clock": l.clock, "task": l.task, "stranger": l.stranger, "again": l.again,
		"compare": l.compare, "compared": l.compare, "restore": l.restore, "accept": l.accept, "resolve": l.resolve,
		// Most of what happens is runs going on: rapid likes what sorts first.
		"a run": l.run, "a run again": l.run, "a run once more": l.run, "an approval": l.approve, "ask": l.file, "run": l.run,
	}
	for name, act := range acts {
		acts[name] = func(t *rapid.T) {
			act(t)
			l.acts++
		}
	}
	l.begins(t)
	acts[""] = func(*rapid.T) { l.check() }
	t.Repeat(acts)
	l.quiet()
}

// begins leads to where chance alone seldom comes.
func (l *life) begins(t *rapid.T) {
	begin := rapid.SampledFrom([]string{"nothing", "two roles", "changed", "restored", "midway"}).Draw(t, "begins with")
	if begin != "nothing" {
		l.twoRoles()
	}
	often := func(what string) bool { return rapid.IntRange(0, 3).Draw(t, what) > 0 }
	switch begin {
	case "changed": // and perhaps undone
		l.sets(l.rita, rapid.SampledFrom([]string{"Viewer", "Explorer", nothing, ""}).Draw(t, "role"))
		l.begun()
		l.takes(t)
		if often("undone") {
			l.sets(l.rita, "Creator")
		}
	case "restored": // and perhaps changed again
		l.sets(l.rita, "Viewer")
		l.begun()
		l.takes(t)
		for id := range l.differing() {
			_, err := l.svc.Restore(l.t.Context(), as(olga), id, "", nil)
			l.must(err)
			l.restored(id)
		}
		if often("changed again") {
			l.sets(l.rita, "Explorer")
		}
	case "midway": // of a run, and perhaps overtaken
		r, err := l.svc.File(l.t.Context(), as(l.sam), access.Ask{Role: l.roles[0].id, Length: new(longest)})
		l.must(err)
		l.granted(r.ID)
		for _, w := range l.heads() {
			l.plan(t, w, well)
			l.read(w, well)
		}
		if often("overtaken") {
			_, err := l.svc.Revoke(l.t.Context(), as(l.sam), r.Grant, "")
			l.must(err)
			l.ends(r.Grant)
		}
	}
}

// twoRoles has somebody hold two roles of one site.
func (l *life) twoRoles() {
	for _, role := range []modelRole{l.roles[0], l.roles[2]} {
		r, err := l.svc.File(l.t.Context(), as(l.rita), access.Ask{Role: role.id, Length: new(longest)})
		l.must(err)
		l.requests[r.ID] = access.RequestWaiting
		for _, who := range []identity.PersonID{bo, cy}[:role.steps] {
			_, err := l.svc.Approve(l.t.Context(), as(who), r.ID, nil, "")
			l.must(err)
		}
		l.granted(r.ID)
		l.settle()
	}
}

// try does an act that the node may stop in, and says whether it was kept.
func (l *life) try(t *rapid.T, act func() error) (kept bool, err error) {
	l.n.mode = rapid.SampledFrom([]crash{alive, alive, alive, alive, alive, alive, stopsBefore, stopsAfter}).Draw(t, "stops")
	l.n.kept, l.n.stopped = false, false
	err = act()
	l.n.mode = alive
	if errors.Is(err, errStopped) {
		l.seen[map[bool]string{true: "stopped after", false: "stopped before"}[l.n.kept]]++
		return l.n.kept, nil // G1: acknowledged or not, what was kept stays
	}
	return err == nil, err
}

func draw[K cmp.Ordered, V any](t *rapid.T, what string, from map[K]V) K {
	if len(from) == 0 {
		t.Skip("there is none yet")
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(from))).Draw(t, what)
}

func (l *life) request(id access.RequestID) access.Request {
	r, err := l.svc.Request(l.t.Context(), as(ana), id)
	l.must(err)
	return r
}

func (l *life) grant(id access.GrantID) access.Grant {
	g, err := l.svc.Grant(l.t.Context(), as(ana), id)
	l.must(err)
	return g
}

func (l *life) file(t *rapid.T) {
	role := l.roles[rapid.SampledFrom([]int{2, 0, 2, 0, 1, 3}).Draw(t, "role")]
	who := rapid.SampledFrom([]identity.PersonID{l.rita, l.rita, l.rita, l.sam}).Draw(t, "person")
	length := time.Duration(rapid.IntRange(1, 4).Draw(t, "hours")) * time.Hour
	ask := access.Ask{Role: role.id, Length: &length}
	if in := rapid.SampledFrom([]int{0, 0, 0, 1, 3, 6}).Draw(t, "starts in hours"); in > 0 {
		ask.Starts = l.now.Add(time.Duration(in) * time.Hour)
	}
	l.fileFor(t, who, func() (access.Request, error) { return l.svc.File(t.Context(), as(who), ask) }, role, who, ask.Starts)
}

// extend asks for more time of a grant by its id.
func (l *life) extend(t *rapid.T) {
	id := draw(t, "grant", l.grants)
	g := l.grants[id]
	length := time.Duration(rapid.IntRange(1, 4).Draw(t, "hours")) * time.Hour
	if g.state != access.GrantActive && g.state != access.GrantSettingUp {
		_, err := l.svc.Extend(t.Context(), as(g.person), id, &length, "")
		if code := map[bool]string{true: "changed_outside", false: "not_extendable"}[g.state == access.GrantChanged]; fault.Public(err).Code != code {
			t.Fatalf("extended while %s: %v", g.state, err)
		}
		return
	}
	l.fileFor(t, g.person, func() (access.Request, error) { return l.svc.Extend(t.Context(), as(g.person), id, &length, "") }, l.roles[g.role], g.person, time.Time{})
}

// changedOf says whether somebody's grant of a role is changed outside that would
// go on for longer by access from the time at on.
func (l *life) changedOf(person identity.PersonID, role modelRole, at time.Time) bool {
	for _, g := range l.differing() {
		if g.person == person && l.roles[g.role].id == role.id && !at.After(g.ends) {
			return true
		}
	}
	return false
}

func (l *life) fileFor(t *rapid.T, who identity.PersonID, file func() (access.Request, error), role modelRole, person identity.PersonID, starts time.Time) {
	waiting, err := l.svc.Requests(t.Context(), as(ana), access.RequestFilter{State: access.RequestWaiting, For: person, Role: role.id}, false)
	l.must(err)
	var r access.Request
	changed := l.changedOf(person, role, starts)
	kept, err := l.try(t, func() (err error) { r, err = file(); return err })
	if changed {
		if fault.Public(err).Code != "changed_outside" {
			t.Fatalf("%s asks for more of what was changed outside: %v", who, err)
		}
		return
	}
	if len(waiting) > 0 {
		if fault.Public(err).Code != "already_waiting" {
			t.Fatalf("%s asked for twice: %v", who, err)
		}
		return
	}
	l.must(err)
	if !kept {
		return
	}
	l.requests[r.ID] = access.RequestWaiting
	if role.steps == 0 {
		l.granted(r.ID)
	}
}

// held returns the grant that gives a role, or is about to, if there is one.
func (l *life) held(person identity.PersonID, role int, begins time.Time) *expected {
	for _, g := range l.grants {
		if g.person != person || g.role != role {
			continue
		}
		switch {
		case g.state == access.GrantSettingUp && (g.starts.IsZero() || !begins.After(g.ends)), (g.state == access.GrantActive || g.state == access.GrantChanged) && !begins.After(g.ends),
			g.state == access.GrantNotSetUp && (g.next != "" || !g.starts.IsZero()) && !begins.After(l.now) && (g.starts.IsZero() || !begins.After(g.ends)):
			return g
		}
	}
	return nil
}

// granted takes in that a request is approved.
func (l *life) granted(id access.RequestID) {
	r := l.request(id)
	g := l.grant(r.Grant)
	l.requests[id] = access.RequestApproved
	role := slices.IndexFunc(l.roles, func(m modelRole) bool { return m.id == r.Role })
	begins := l.now
	if r.StartsAt.After(l.now) {
		begins = r.StartsAt
	}
	live := l.held(r.Person, role, begins)
	if named := l.grants[r.Extends]; named != nil && (named.state == access.GrantSettingUp || named.state == access.GrantActive || named.state == access.GrantChanged || named.state == access.GrantNotSetUp) {
		live = named
	}
	if live != nil {
		if l.grants[g.ID] != live {
			l.t.Fatalf("the request %s made %s, beside what gives the role already", id, g.ID)
		}
		l.extended(live, r, g)
		return
	}
	if l.grants[g.ID] != nil {
		l.t.Fatalf("the request %s moved the end of %s, which gives nothing any more", id, g.ID)
	}
	e := &expected{person: r.Person, role: role, length: r.Length, state: access.GrantScheduled, begins: r.StartsAt, byHand: l.roles[role].byHand}
	l.grants[g.ID] = e
	l.moved++
	if !r.StartsAt.After(l.now) {
		e.state, e.run = access.GrantSettingUp, g.Run
	}
}

// extended moves the end: by what was asked for, or to where it alone would have
// ended; not past the longest from now, and never back. What had failed is tried
// at once.
func (l *life) extended(g *expected, r access.Request, got access.Grant) {
	l.seen["extended"]++
	if g.state == access.GrantNotSetUp {
		g.state, g.run, g.next = access.GrantSettingUp, got.Run, ""
		l.moved++
	}
	if g.starts.IsZero() {
		more := r.Length
		if l.grants[r.Extends] == g {
			more += g.length
		}
		g.length = max(g.length, min(max(g.length, more), longest))
		return
	}
	from := l.now
	if r.StartsAt.After(l.now) {
		from = r.StartsAt
	}
	ends := from.Add(r.Length)
	if l.grants[r.Extends] == g {
		ends = g.ends.Add(r.Length)
	}
	if last := l.now.Add(longest); ends.After(last) {
		ends = last
	}
	if ends.After(g.ends) {
		g.ends, g.length = ends, ends.Sub(g.starts)
	}
}

func (l *life) approve(t *rapid.T) {
	id, who := draw(t, "request", l.requests), rapid.SampledFrom([]identity.PersonID{bo, bo, cy, cy, ana, l.rita}).Draw(t, "who")
	before := l.request(id)
	step, steps := len(before.Approvals), len(before.Policy.Steps)
	may := l.requests[id] == access.RequestWaiting && (step == 0 && who == bo || step == 1 && who == cy)
	kept, err := l.try(t, func() error { _, err := l.svc.Approve(t.Context(), as(who), id, nil, ""); return err })
	if may == (err != nil) { // G10
		t.Fatalf("%s approves step %d of %d, %s: %v", who, step+1, steps, l.requests[id], err)
	}
	if may && kept && step+1 == steps {
		l.granted(id)
	}
}

func (l *life) deny(t *rapid.T) {
	id := draw(t, "request", l.requests)
	kept, err := l.try(t, func() error { _, err := l.svc.Deny(t.Context(), as(bo), id, "no"); return err })
	first := len(l.request(id).Approvals) <= 1 // his step, decided now or not
	if l.requests[id] != access.RequestWaiting && err == nil {
		t.Fatalf("%s was %s already", id, l.requests[id])
	}
	if err == nil && kept && first {
		l.requests[id] = access.RequestDenied
		l.seen["denied"]++
	}
}

func (l *life) withdraw(t *rapid.T) {
	id := draw(t, "request", l.requests)
	kept, err := l.try(t, func() error { _, err := l.svc.Withdraw(t.Context(), as(ana), id); return err })
	if (err == nil) != (l.requests[id] == access.RequestWaiting) {
		t.Fatalf("withdraw of one that is %s: %v", l.requests[id], err)
	}
	if kept {
		l.requests[id] = access.RequestWithdrawn
	}
}

func (e *expected) endable() bool {
	return e.state == access.GrantScheduled || e.state == access.GrantSettingUp || e.state == access.GrantActive || e.state == access.GrantNotSetUp || e.state == access.GrantChanged
}

// due says whether its time runs and is over.
func (e *expected) due(now time.Time) bool {
	return e.endable() && !e.starts.IsZero() && !e.ends.After(now)
}

func (l *life) revoke(t *rapid.T) {
	id := draw(t, "grant", l.grants)
	g := l.grants[id]
	kept, err := l.try(t, func() error { _, err := l.svc.Revoke(t.Context(), as(g.person), id, ""); return err })
	if g.endable() != (err == nil) {
		t.Fatalf("revoke of one that is %s: %v", g.state, err)
	}
	if kept {
		l.ends(id)
	}
}

// ends takes in that a grant is ended before its time.
func (l *life) ends(id access.GrantID) {
	g := l.grants[id]
	l.moved++
	l.seen["revoked"]++
	l.withdrawn(id)
	if g.revoked, g.next = true, ""; g.state == access.GrantScheduled {
		g.state, g.run = access.GrantEnded, ""
		return
	}
	g.state, g.run = access.GrantEnding, l.grant(id).Run
}

// revokeAll ends all that somebody has, or nothing of it.
func (l *life) revokeAll(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "seldom") > 0 {
		t.Skip("seldom")
	}
	who := rapid.SampledFrom([]identity.PersonID{l.rita, l.sam}).Draw(t, "person")
	kept, err := l.try(t, func() error { _, err := l.svc.RevokeAll(t.Context(), as(ana), who, "", false); return err })
	l.must(err)
	for _, id := range slices.Sorted(maps.Keys(l.grants)) {
		if g := l.grants[id]; kept && g.person == who && g.endable() {
			l.ends(id)
		}
	}
}

func (l *life) reduce(t *rapid.T) {
	id := draw(t, "grant", l.grants)
	left := time.Duration(rapid.IntRange(1, 8).Draw(t, "half hours")) * 30 * time.Minute
	g := l.grants[id]
	less := g.starts.IsZero() && left < g.length || !g.starts.IsZero() && l.now.Add(left).Before(g.ends)
	kept, err := l.try(t, func() error { _, err := l.svc.Reduce(t.Context(), as(g.person), id, left, ""); return err })
	if (g.endable() && less) != (err == nil) {
		t.Fatalf("%v left of one that is %s for %v and ends %v: %v", left, g.state, g.length, g.ends, err)
	}
	if !kept {
		return
	}
	l.seen["reduced"]++
	if g.starts.IsZero() {
		g.length = left
		return
	}
	g.ends = l.now.Add(left)
	g.length = g.ends.Sub(g.starts)
}

func (l *life) retry(t *rapid.T) {
	id := draw(t, "grant", l.grants)
	g := l.grants[id]
	kept, err := l.try(t, func() error { _, err := l.svc.Retry(t.Context(), as(olga), id); return err })
	if other := l.held(g.person, g.role, l.now); g.state == access.GrantNotSetUp && other != nil && other != g {
		if fault.Public(err).Code != "held_already" {
			t.Fatalf("set up beside another: %v", err)
		}
		return
	}
	if may := g.state == access.GrantNotSetUp || g.state == access.GrantOverdue; may != (err == nil) {
		t.Fatalf("retry of one that is %s: %v", g.state, err)
	}
	if !kept {
		return
	}
	l.seen["retried"]++
	if g.run, g.next = l.grant(id).Run, ""; g.state == access.GrantNotSetUp {
		g.state = access.GrantSettingUp
		l.moved++
	}
}

// task says what became of something that is done by hand.
func (l *life) task(t *rapid.T) {
	open, err := l.svc.Tasks(t.Context(), as(bo), access.TaskFilter{State: access.TaskOpen}, true)
	l.must(err)
	open = slices.DeleteFunc(open, func(x access.Task) bool { return l.grants[x.Grant] == nil })
	if len(open) == 0 {
		t.Skip("there is none")
	}
	task := open[rapid.IntRange(0, len(open)-1).Draw(t, "task")]
	l.finish(t, task, rapid.Bool().Draw(t, "done"))
}

func (l *life) finish(t *rapid.T, task access.Task, ok bool) {
	if _, err := l.svc.FinishTask(t.Context(), as(l.sam), task.ID, ok, "no"); !errors.Is(err, fault.Forbidden) {
		t.Fatalf("somebody else's task: %v", err)
	}
	kept, err := l.try(t, func() error { _, err := l.svc.FinishTask(t.Context(), as(bo), task.ID, ok, "note"); return err })
	l.must(err)
	if !kept {
		return
	}
	if _, err := l.svc.FinishTask(t.Context(), as(bo), task.ID, ok, "note"); fault.Public(err).Code != "task_over" {
		t.Fatalf("finished twice: %v", err)
	}
	l.seen["by hand"]++
	var p *access.Problem
	if !ok {
		p = &access.Problem{Code: "not_done_by_hand"}
	}
	l.reported(task.Grant, task.Kind, p, nil)
}

// stranger changes somebody's role at the site by hand, or removes them.
func (l *life) stranger(t *rapid.T) {
	who := rapid.SampledFrom([]identity.PersonID{l.rita, l.sam}).Draw(t, "person")
	role := rapid.SampledFrom([]string{"", nothing, "Viewer", "Explorer", "Creator", "as it was", "as it was"}).Draw(t, "role")
	if role == "as it was" {
		role = l.roles[l.grants[l.changed(t)].role].name
	}
	l.sets(who, role)
}

// sets is a stranger's change; "" removes the person.
func (l *life) sets(who identity.PersonID, role string) {
	l.strange[who], l.untold[who] = true, true
	l.changes[who]++
	if role == "" {
		delete(l.there, who)
		return
	}
	l.there[who] = role
}

// heads returns the job of each key that is carried out or would be next: those
// of one person on one site run one at a time, in the order of the decisions.
func (l *life) heads() []*work {
	head := map[string]*work{}
	var keys []string
	for _, w := range l.n.queue {
		if !w.timed {
			w.timed, w.since = true, l.now.Add(w.job.Delay)
		}
		key := w.job.Key()
		if w.phase == over || w.phase == planning && w.since.After(l.now) {
			continue
		}
		if h := head[key]; h == nil {
			head[key] = w
			keys = append(keys, key)
		} else if h.phase == planning && w.phase != planning {
			head[key] = w
		}
	}
	list := make([]*work, 0, len(keys))
	for _, k := range keys {
		list = append(list, head[k])
	}
	return list
}

// how the other system, or the node, takes part in a step of a run.
type how int

const (
	well        how = iota
	cutBefore       // the node stops before the step does anything
	cutAfter        // the node stops when it was done, before that is recorded
	unavailable     // the other system is not there
	refuses         // it says no
	unanswered      // it does what was asked, and its answer is lost
)

var hows = []how{well, well, well, well, well, well, well, well, well, well, well, cutBefore, cutAfter, unavailable, refuses, unanswered}

// run takes one run some steps further.
func (l *life) run(t *rapid.T) {
	heads := l.heads()
	if len(heads) == 0 {
		t.Skip("nothing runs")
	}
	w := heads[rapid.IntRange(0, len(heads)-1).Draw(t, "run")]
	for range rapid.IntRange(1, 4).Draw(t, "steps") {
		if w.phase == over {
			return
		}
		l.step(t, w, rapid.SampledFrom(hows).Draw(t, "how"))
	}
}

func (l *life) step(t *rapid.T, w *work, h how) {
	if h == cutBefore {
		return
	}
	switch w.phase {
	case planning:
		l.plan(t, w, h)
	case reading:
		l.read(w, h)
	case writing:
		l.write(t, w, h)
	case reporting:
		l.report(t, w)
	case over:
	}
}

func (w *work) ended(code string) {
	w.outcome = access.Outcome{Run: w.job.Run, Kind: w.job.Kind, Grant: w.job.Grant, Problem: &access.Problem{Code: code, Message: "It failed."}}
	w.phase = reporting
}

// did ends the run with the role that was there before, and the one that is
// there now; "" is nobody.
func (l *life) did(w *work, before, role, note string) {
	who := w.job.Person
	w.outcome = access.Outcome{
		Run: w.job.Run, Kind: w.job.Kind, Grant: w.job.Grant, Before: &before, Found: before == role && role != nothing, Proof: access.Proof{Role: role, Note: note, At: l.now},
	}
	if role != "" {
		w.outcome.Proof.User = luid(who)
	}
	w.strange, w.sight = l.changes[who], sight{before, role, l.untold[who], l.wrote[who]}
	w.phase = reporting
}

func luid(who identity.PersonID) string { return "luid-" + string(who) }

func (l *life) plan(t *rapid.T, w *work, h how) {
	facts, err := l.svc.Facts(t.Context(), w.job.Run, w.job.Kind, w.job.Grant)
	if h == cutAfter {
		return
	}
	if err != nil {
		w.ended(fault.Public(err).Code)
		return
	}
	l.checkFacts(t, w, facts)
	w.plan, w.phase = facts, reading
}

// strongest is the strongest role that facts tell remains, "" for none.
func strongest(f access.Facts) (role string, rank int) {
	rank = -1
	for _, g := range f.Remaining {
		if r := rankOf(g.RoleName); r > rank {
			role, rank = g.RoleName, r
		}
	}
	return role, rank
}

func rankOf(role string) int { return slices.Index([]string{"Viewer", "Explorer", "Creator"}, role) }

// wanted is the role that a run sets, as the workflows of the bundle choose it.
func (w *work) wanted() string {
	if w.job.Kind == access.JobProvision {
		return w.plan.Grant.RoleName
	}
	if remains, _ := strongest(w.plan); remains != "" {
		return remains
	}
	return nothing
}

// leaves says whether a run leaves the role that it read as it is, likewise.
func (w *work) leaves(role string) bool {
	own := w.plan.Grant.RoleName
	if w.job.Kind == access.JobDeprovision {
		return role != own
	}
	stronger, rank := strongest(w.plan)
	if rank <= rankOf(own) {
		stronger = ""
	}
	if seen := w.plan.Grant.Outside; !seen.At.IsZero() && !slices.Contains([]string{seen.Found, own, stronger}, role) {
		return true
	}
	return stronger != "" && (role == stronger || rankOf(role) >= rankOf(own))
}

// read finds the person on the site.
func (l *life) read(w *work, h how) {
	role, there := l.there[w.job.Person]
	switch {
	case h == cutAfter:
	case h == unavailable || h == unanswered:
		w.ended("unavailable")
	case h == refuses:
		w.ended("denied_here")
	case !there && w.job.Kind == access.JobProvision:
		w.ended("user_missing")
	case !there:
		l.seen["nobody there"]++
		l.did(w, "", "", "nobody there")
	case w.leaves(role):
		l.seen["left alone"]++
		l.did(w, role, role, "left alone")
	default:
		w.before, w.phase = role, writing
	}
}

// write reads once more, asks whether it is still wanted, writes, reads back.
func (l *life) write(t *rapid.T, w *work, h how) {
	role, there := l.there[w.job.Person]
	want := w.wanted()
	switch {
	case w.puts > 0 && (h == unavailable || h == refuses || !there): // it was cut off when it had written
		w.ended(access.ProblemUnknown)
		return
	case h == unavailable:
		w.ended("unavailable")
		return
	case h == refuses:
		w.ended("denied_here")
		return
	case !there:
		w.ended("user_missing")
		return
	case role == want: // G2: not written when it is right
		l.settled(w)
		l.did(w, role, role, "right already")
		return
	case role != w.before && w.leaves(role): // somebody set it since it was read
		l.seen["left alone"]++
		l.did(w, role, role, "left alone")
		return
	case role != w.before: // likewise, and it is decided anew
		w.before = role
		return
	}
	if err := l.svc.StillWanted(t.Context(), w.job.Run, w.job.Kind, w.job.Grant); err != nil {
		l.seen["superseded"]++
		w.ended(fault.Public(err).Code)
		return
	}
	l.checkWrite(t, w)
	l.there[w.job.Person] = want
	l.settled(w)
	l.puts++
	l.wrote[w.job.Person]++
	w.puts++
	if w.job.Kind == access.JobDeprovision && want != nothing {
		l.seen["fell back"]++
	}
	switch h {
	case well, cutBefore, unavailable, refuses:
		l.did(w, role, want, "set")
	case cutAfter: // begun again, it reads first
		l.seen["begun again"]++
		l.blurred[w.job.Person] = true
		l.lost++
	case unanswered:
		l.seen["answer lost"]++
		l.blurred[w.job.Person] = true
		l.lost++
		w.ended(access.ProblemUnknown)
	}
}

// settled: what strangers did to the person before is overwritten, or agrees.
func (l *life) settled(w *work) {
	l.strange[w.job.Person] = false
	w.strange, w.settles = l.changes[w.job.Person], true
}

// checkWrite: G3 and G5. What is written was agreed, its job is kept, and no
// later decision has taken it back.
func (l *life) checkWrite(t *rapid.T, w *work) {
	g := l.grants[w.job.Grant]
	r := l.request(l.grant(w.job.Grant).Request)
	if r.State != access.RequestApproved {
		t.Fatalf("a write for %s, whose request is %s", w.job.Grant, r.State)
	}
	if w.job.Kind == access.JobProvision && (g.revoked || g.state != access.GrantSettingUp && g.state != access.GrantNotSetUp) {
		t.Fatalf("a write gives back %s, which is %s", w.job.Grant, g.state)
	}
	if w.puts > 0 && w.strange == l.changes[w.job.Person] && l.there[w.job.Person] == w.before {
		t.Fatalf("%s writes again what nobody has changed", w.job.Run)
	}
}

// report takes in what came of a run. It may be told again after a stop.
func (l *life) report(t *rapid.T, w *work) {
	kept, err := l.try(t, func() error { _, err := l.svc.Report(t.Context(), w.outcome); return err })
	l.must(err)
	if kept {
		l.taken(w)
	}
}

// taken: what came of a run is kept.
func (l *life) taken(w *work) {
	w.phase = over
	g, who := l.grants[w.job.Grant], w.job.Person
	if (g.run != w.job.Run || g.next != "") && g.next != w.job.Run {
		return // it is awaited no more
	}
	if w.outcome.Problem != nil {
		l.reported(w.job.Grant, w.job.Kind, w.outcome.Problem, nil)
		return
	}
	if w.settles && w.strange == l.changes[who] {
		l.untold[who] = false
	}
	l.reported(w.job.Grant, w.job.Kind, nil, &w.sight)
	l.noticed(who, w.sight)
	if w.outcome.Proof.User == "" && w.plan.Grant.Proof.User == "" {
		return // nobody was found, and nobody known is gone
	}
	for id, other := range l.grants { // at every read
		if other.person == who && other.state == access.GrantActive && l.onSite(other) && rankOf(w.sight.role) < l.roles[other.role].rank {
			l.t.Fatalf("%s gives %s, %q was read by %s, and nobody is told", id, l.roles[other.role].name, w.sight.role, w.job.Run)
		}
	}
}

func (l *life) onSite(g *expected) bool { return l.roles[g.role].connection == site }

// noticed takes in what was told of the grants of somebody after their role was
// read. No grant is told as changed that nobody changed, and what is told was read.
func (l *life) noticed(who identity.PersonID, seen sight) {
	for id, g := range l.grants {
		if g.person != who {
			continue
		}
		got := l.grant(id)
		was := g.state
		switch {
		case g.state == access.GrantActive && got.State == access.GrantChanged:
			l.seen["changed_outside"]++
			g.state = got.State
		case g.state == access.GrantChanged && got.State == access.GrantActive:
			l.seen["found again"]++
			g.state, g.outside = got.State, access.Outside{}
		}
		if got.Outside == g.outside {
			continue
		}
		g.outside = got.Outside
		switch {
		case g.outside.Expected != l.roles[g.role].name || g.outside.Found != seen.role:
			l.t.Fatalf("%s is told as changed: %+v, read was %+v", id, g.outside, seen)
		case was == access.GrantChanged:
			l.seen["told anew"]++
		case g.restoring():
			l.seen["overwritten"]++
		case !seen.strange:
			l.t.Fatalf("%s is told as changed to %q, and nobody changed it", id, g.outside.Found)
		case seen.puts != l.wrote[who]:
			l.t.Fatalf("%s is told as changed to %q, and a run of ours wrote since that was read", id, g.outside.Found)
		}
	}
}

// restoring says whether it is to be set up once more in place of a change, or
// was.
func (e *expected) restoring() bool {
	return !e.outside.At.IsZero() && (e.state == access.GrantSettingUp || e.state == access.GrantNotSetUp)
}

// listed is what a comparison read of the site.
type listed struct {
	access.Comparison
	accounts []access.Account
	sights   map[identity.PersonID]sight
}

// compare has a list read, or what was read before taken in: what happened
// meanwhile it does not tell.
func (l *life) compare(t *rapid.T) {
	if l.list == nil || rapid.IntRange(0, 5).Draw(t, "read anew") == 0 {
		before := l.list
		l.begun()
		if before == nil && rapid.Bool().Draw(t, "takes its time") {
			return
		}
		if before == nil {
			before = &listed{Comparison: access.Comparison{ID: l.list.ID}}
		}
		if _, err := l.svc.Compare(t.Context(), before.Comparison, before.accounts); fault.Public(err).Code != "comparison_over" {
			t.Fatalf("an earlier list was taken: %v", err)
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "list moved") == 0 { // nothing of it is kept
		l.must(l.svc.FailComparison(t.Context(), l.list.Comparison, access.Problem{Code: "list_moved", Message: "It failed."}))
		l.seen["list failed"]++
		l.list = nil
		return
	}
	l.takes(t)
}

// begun begins a list and reads it, as the site is now.
func (l *life) begun() {
	l.now = l.now.Add(2 * time.Second)
	c, _, err := l.svc.StartComparison(l.t.Context(), as(ana), l.app)
	l.must(err)
	c, err = l.svc.BeginComparison(l.t.Context(), c.ID)
	l.must(err)
	l.list = &listed{Comparison: c, sights: map[identity.PersonID]sight{}}
	for _, who := range []identity.PersonID{l.rita, l.sam} {
		role, there := l.there[who]
		if l.list.sights[who] = (sight{role, role, l.untold[who], l.wrote[who]}); there {
			l.list.accounts = append(l.list.accounts, access.Account{ID: luid(who), Name: string(who) + "@acme.example", Role: role})
		}
	}
	l.now = l.now.Add(2 * time.Second)
}

// takes has the list taken in that was read.
func (l *life) takes(t *rapid.T) {
	busy := map[identity.PersonID]bool{}
	for who, seen := range l.list.sights {
		busy[who] = l.busy(who, seen.role)
	}
	kept, err := l.try(t, func() error {
		_, err := l.svc.Compare(t.Context(), l.list.Comparison, l.list.accounts)
		return err
	})
	l.must(err)
	if !kept {
		return
	}
	l.seen["compared"]++
	for _, who := range []identity.PersonID{l.rita, l.sam} {
		l.noticed(who, l.list.sights[who])
		if !busy[who] {
			l.compared(who, l.list.sights[who].role)
		}
	}
	l.found = nil
	if len(l.differing()) > 0 {
		var err error
		l.found, err = l.svc.Differences(t.Context(), as(olga), l.app, access.DifferenceFilter{Comparison: l.list.ID})
		l.must(err)
	}
	l.list = nil
}

// differing are the grants that are changed outside.
func (l *life) differing() map[access.GrantID]*expected {
	all := map[access.GrantID]*expected{}
	for id, g := range l.grants {
		if g.state == access.GrantChanged {
			all[id] = g
		}
	}
	return all
}

// resolve settles a difference that the last comparison found, as it was seen
// there: what was changed again since is not decided on.
func (l *life) resolve(t *rapid.T) {
	if len(l.found) == 0 {
		t.Skip("there is none")
	}
	d := l.found[rapid.IntRange(0, len(l.found)-1).Draw(t, "difference")]
	how := rapid.SampledFrom([]access.Act{access.ActAccept, access.ActRestore, access.ActRevoke}).Draw(t, "how")
	kept, err := l.try(t, func() error { _, err := l.svc.Resolve(t.Context(), as(olga), l.app, d.ID, how, ""); return err })
	g, want := l.grants[d.Grant], ""
	switch {
	case d.Grant == "":
		want = "no_grant"
	case how == access.ActRevoke && !g.endable():
		want = map[bool]string{true: "ended", false: "ending"}[g.state == access.GrantEnded]
	case how == access.ActRevoke:
	case d.Kind == access.DifferenceNotFound:
		want = "not_found_there"
	case g.state != access.GrantChanged:
		want = "not_changed"
	case g.outside.Found != d.Found:
		want = "changed_again"
	case how == access.ActAccept && l.ending(d.Grant):
		want = "being_changed"
	}
	if want != "" || err != nil {
		if fault.Public(err).Code != want {
			t.Fatalf("%s of the difference %+v, %+v is known of it: %v, want %q", how.Code, d.Difference, g, err, want)
		}
		l.seen["not resolved"]++
		return
	}
	if !kept {
		return
	}
	l.seen["resolved"]++
	switch how {
	case access.ActAccept:
		l.accepted(d.Grant)
	case access.ActRestore:
		l.restored(d.Grant)
	default:
		l.ends(d.Grant)
	}
}

// busy says whether a run of somebody may have set the role since the list was
// begun that is read now.
func (l *life) busy(who identity.PersonID, role string) bool {
	for id, g := range l.grants {
		if g.person != who || !l.onSite(g) {
			continue
		}
		got := l.grant(id)
		due := g.state != access.GrantNotSetUp || g.next != "" && !got.NextTry.After(l.now.Add(time.Second)) || g.unsure && l.roles[g.role].name == role
		if g.moves() && due {
			return true
		}
		for _, at := range []time.Time{got.Proof.At, got.Outside.At, got.EndedAt} {
			if !at.Before(l.list.ListedAt) {
				return true
			}
		}
	}
	return false
}

// compared: whoever has another role than was granted is told of.
func (l *life) compared(who identity.PersonID, role string) {
	strongest := -1
	for _, g := range l.grants {
		if g.person == who && l.onSite(g) && (g.state == access.GrantActive || g.state == access.GrantChanged) {
			strongest = max(strongest, l.roles[g.role].rank)
		}
	}
	for id, g := range l.grants {
		own := l.roles[g.role]
		if g.person == who && l.onSite(g) && g.state == access.GrantActive && own.name != role && (own.rank == strongest || own.rank > rankOf(role)) {
			l.t.Fatalf("%s gives %s, %q was listed, and nobody is told", id, own.name, role)
		}
	}
}

// moves says whether a run changes what it gives, or has failed at that.
func (e *expected) moves() bool {
	return e.state == access.GrantSettingUp || e.state == access.GrantNotSetUp || e.state == access.GrantEnding || e.state == access.GrantOverdue
}

// restore has a grant set up once more that was changed outside.
func (l *life) restore(t *rapid.T) {
	id := l.changed(t)
	kept, err := l.try(t, func() error { _, err := l.svc.Restore(t.Context(), as(olga), id, "", nil); return err })
	l.must(err)
	if kept {
		l.restored(id)
	}
}

func (l *life) restored(id access.GrantID) {
	g := l.grants[id]
	l.seen["restored"]++
	l.moved++
	g.state, g.run, g.next = access.GrantSettingUp, l.grant(id).Run, ""
}

// accept takes a change outside as the end of a grant.
func (l *life) accept(t *rapid.T) {
	id := l.changed(t)
	kept, err := l.try(t, func() error { _, err := l.svc.AcceptChange(t.Context(), as(olga), id, "", nil); return err })
	if l.ending(id) {
		if fault.Public(err).Code != "being_changed" {
			t.Fatalf("%s is accepted as changed while another is being ended: %v", id, err)
		}
		return
	}
	l.must(err)
	if kept {
		l.accepted(id)
	}
}

// ending says whether stronger access of somebody who has a grant is being ended.
func (l *life) ending(id access.GrantID) bool {
	for _, g := range l.grants {
		if g.person == l.grants[id].person && l.onSite(g) && (g.state == access.GrantEnding || g.state == access.GrantOverdue) &&
			l.roles[g.role].rank > l.roles[l.grants[id].role].rank {
			return true
		}
	}
	return false
}

func (l *life) accepted(id access.GrantID) {
	g := l.grants[id]
	l.seen["accepted"]++
	g.state, g.run, g.next = access.GrantEnded, "", ""
	l.withdrawn(id)
}

// withdrawn: what waits for more of a grant goes with it.
func (l *life) withdrawn(id access.GrantID) {
	for req, state := range l.requests {
		if state == access.RequestWaiting && l.request(req).Extends == id {
			l.requests[req] = access.RequestWithdrawn
			l.seen["withdrawn with its access"]++
		}
	}
}

// changed picks a grant that was changed outside.
func (l *life) changed(t *rapid.T) access.GrantID {
	return draw(t, "grant", l.differing())
}

// mends lists the problems that pass by themselves.
var mends = []string{"unavailable", "user_missing"}

// reported is what the rules make of a run, or of a task, that was awaited.
func (l *life) reported(id access.GrantID, kind access.JobKind, p *access.Problem, read *sight) {
	g, got := l.grants[id], l.grant(id)
	l.seen[string(got.State)]++
	switch {
	case kind == access.JobProvision && p == nil:
		if g.next != "" {
			g.run, g.next = g.next, ""
		}
		if read != nil && l.changedAgain(g, *read) {
			l.seen["changed again"]++
			if !read.strange && !l.blurred[g.person] {
				l.t.Fatalf("%s is told as changed again to %q, and nobody changed it", id, read.role)
			}
			g.state, g.outside = access.GrantChanged, access.Outside{Expected: l.roles[g.role].name, Found: read.role, At: l.now}
			return
		}
		g.outside = access.Outside{}
		g.unsure = false
		if g.state = access.GrantActive; g.starts.IsZero() { // duration_from_approval: its time begins now
			g.starts, g.ends = l.now, l.now.Add(g.length)
		}
	case kind == access.JobProvision && p.Code == access.ProblemUnknown:
		if got.Run == g.run || got.Run == "" {
			l.t.Fatalf("nobody finds out what became of %s", id)
		}
		g.state, g.run, g.next, g.unsure = access.GrantSettingUp, got.Run, "", true
	case kind == access.JobProvision:
		if g.unsure = g.unsure && p.Code != "user_missing"; g.unsure && g.starts.IsZero() { // what may be there must end too
			g.starts, g.ends = l.now, l.now.Add(g.length)
		}
		if g.next != "" {
			g.run = g.next
		}
		g.state, g.next = access.GrantNotSetUp, got.Next
		again := slices.Contains(mends, p.Code)
		if got.Next == "" && g.unsure || (again || g.unsure) != (got.Next != "") && (!again || l.now.Sub(got.ChangeAt) < 19*time.Hour) {
			l.t.Fatalf("%s failed with %s: tried again by %q", id, p.Code, got.Next)
		}
	case p == nil:
		g.state = access.GrantEnded
	default:
		if got.Run == g.run {
			l.t.Fatalf("nobody tries to end %s again", id)
		}
		g.state, g.run = access.GrantOverdue, got.Run
	}
}

// changedAgain says whether what was to be restored was left alone: neither what
// was seen by who decided, nor what any grant gives, was there.
func (l *life) changedAgain(g *expected, read sight) bool {
	role := l.roles[g.role]
	switch {
	case !g.restoring() || read.before != read.role || read.role == role.name:
		return false
	case rankOf(read.role) < role.rank:
		return true
	}
	for _, other := range l.grants {
		if other != g && other.person == g.person && (other.state == access.GrantActive || other.moves()) && l.onSite(other) && l.roles[other.role].name == read.role {
			return false
		}
	}
	return read.role != g.outside.Found
}

// again reports any run there ever was once more, as a node that was paused may.
func (l *life) again(t *rapid.T) {
	if len(l.n.queue) == 0 {
		t.Skip("there is none")
	}
	w := l.n.queue[rapid.IntRange(0, len(l.n.queue)-1).Draw(t, "run")]
	g := l.grants[w.job.Grant]
	if g.run == w.job.Run && w.phase != over || g.next == w.job.Run {
		t.Skip("it is the present one")
	}
	before := l.grant(w.job.Grant)
	o := access.Outcome{Run: w.job.Run, Kind: w.job.Kind, Grant: w.job.Grant, Proof: access.Proof{Role: "late", Note: "late", At: l.now}}
	got, err := l.svc.Report(t.Context(), o)
	if err != nil || got != before {
		t.Fatalf("a run that is not wanted took %s to %s: %v", before.State, got.State, err)
	}
	w.phase = over
}

func (l *life) clock(t *rapid.T) {
	l.now = l.now.Add(time.Duration(rapid.IntRange(1, 180).Draw(t, "minutes")) * time.Minute)
	l.tick(t)
}

// tick is what the clock does: it ends what is over, then begins what is due.
func (l *life) tick(t *rapid.T) {
	var due []access.GrantID
	for _, id := range slices.Sorted(maps.Keys(l.grants)) {
		if g := l.grants[id]; g.due(l.now) {
			due = append(due, id)
		}
	}
	n := 0
	_, err := l.try(t, func() (err error) { n, err = l.svc.ExpireDue(t.Context(), 1000); return err })
	l.must(err)
	if l.n.stopped { // the next tick does the rest
		_, err := l.svc.ExpireDue(t.Context(), 1000)
		l.must(err)
	} else if n != len(due) {
		t.Fatalf("%d ended, %d were due", n, len(due))
	}
	for _, id := range due {
		g := l.grants[id]
		g.state, g.run, g.next = access.GrantEnding, l.grant(id).Run, ""
		l.moved++
		l.seen["expired"]++
	}
	l.begin(t)
}

func (l *life) begin(t *rapid.T) {
	var due []access.GrantID
	for _, id := range slices.Sorted(maps.Keys(l.grants)) {
		if g := l.grants[id]; g.state == access.GrantScheduled && !g.begins.After(l.now) {
			due = append(due, id)
		}
	}
	slices.SortStableFunc(due, func(a, b access.GrantID) int { return l.grants[a].begins.Compare(l.grants[b].begins) })
	n, err := l.svc.BeginDue(t.Context(), 1000)
	if err != nil || n != len(due) {
		t.Fatalf("%d began, %d were due, %v", n, len(due), err)
	}
	for _, id := range due {
		g := l.grants[id]
		l.moved++
		live := l.held(g.person, g.role, l.now)
		if live == nil {
			g.state, g.run = access.GrantSettingUp, l.grant(id).Run
			l.seen["begun"]++
			continue
		}
		l.seen["merged"]++
		g.state, g.overtook = access.GrantEnded, true
		into := slices.IndexFunc(slices.Sorted(maps.Keys(l.grants)), func(o access.GrantID) bool { return l.grants[o] == live })
		other := slices.Sorted(maps.Keys(l.grants))[into]
		l.extended(live, access.Request{Length: g.length}, l.grant(other))
	}
}

// check holds after every act.
func (l *life) check() {
	for id, want := range l.requests {
		if got := l.request(id); got.State != want || (got.Grant != "") != (want == access.RequestApproved) {
			l.t.Fatalf("request %s is %s with the grant %q, want %s", id, got.State, got.Grant, want)
		}
	}
	live := map[string]access.GrantID{}
	for id, want := range l.grants {
		g := l.grant(id)
		l.tell(g)
		if g.State != want.state || !want.byHand && (g.Run != want.run || g.Next != want.next) || g.Length != want.length || !g.StartsAt.Equal(want.starts) || !g.EndsAt.Equal(want.ends) {
			l.t.Fatalf("grant %s is %s by %s, then %q, for %v from %v to %v; want %+v", id, g.State, g.Run, g.Next, g.Length, g.StartsAt, g.EndsAt, *want)
		}
		if g.State == access.GrantActive && g.Proof.At.IsZero() { // async_failure_seen
			l.t.Fatalf("%s is active without a proof", id)
		}
		if role := l.roles[want.role]; g.State == access.GrantActive && l.onSite(want) && rankOf(l.there[want.person]) < role.rank && !l.untold[want.person] {
			l.t.Fatalf("%s is active with %s, and %s is %q there, which nobody changed", id, role.name, want.person, l.there[want.person])
		}
		if g.Outside != want.outside {
			l.t.Fatalf("%s is told as changed: %+v, want %+v", id, g.Outside, want.outside)
		}
		if (g.EndReason == access.ReasonMerged) != want.overtook {
			l.t.Fatalf("%s ended as %s", id, g.EndReason)
		}
		if want.state == access.GrantSettingUp || want.state == access.GrantActive || want.state == access.GrantNotSetUp && want.next != "" {
			key := fmt.Sprint(want.person, want.role)
			if other, ok := live[key]; ok {
				l.t.Fatalf("%s and %s both give %s to %s", id, other, l.roles[want.role].name, want.person)
			}
			live[key] = id
		}
		l.checkWanted(id, want, g)
	}
	l.truth()
}

// tell says how a grant has changed, to whoever reads why a sequence failed.
func (l *life) tell(g access.Grant) {
	if l.last[g.ID] == g {
		return
	}
	l.last[g.ID] = g
	l.t.Logf("%s %s of %s is %s by %s, then %q, %q is there; changed: %+v", l.now.Format(time.TimeOnly), g.ID+" "+access.GrantID(g.RoleName), g.Person, g.State, g.Run, g.Next, l.there[g.Person], g.Outside)
}

// checkWanted: a grant that waits for something waits for exactly one thing, and
// that is kept.
func (l *life) checkWanted(id access.GrantID, want *expected, g access.Grant) {
	underway := want.state == access.GrantSettingUp || want.state == access.GrantEnding || want.state == access.GrantOverdue
	if want.byHand {
		open, err := l.svc.Tasks(l.t.Context(), as(ana), access.TaskFilter{State: access.TaskOpen, Grant: id}, false)
		l.must(err)
		if len(open) != map[bool]int{true: 1}[underway] || underway && (open[0].ID != g.Task || (open[0].Kind == access.JobProvision) != (want.state == access.GrantSettingUp)) {
			l.t.Fatalf("%d tasks are open of a grant that is %s: %+v", len(open), want.state, open)
		}
		return
	}
	wanted := 0
	for _, w := range l.n.queue {
		if w.job.Grant != id {
			continue
		}
		err := l.svc.StillWanted(l.t.Context(), w.job.Run, w.job.Kind, id)
		if err == nil {
			wanted++
			if w.phase == over {
				l.t.Fatalf("%s waits for %s, which is over", id, w.job.Run)
			}
		} else if !errors.Is(err, fault.Conflict) {
			l.t.Fatal(err)
		}
	}
	if n := map[bool]int{true: 1}[underway || want.next != ""]; wanted != n {
		l.t.Fatalf("%d runs are wanted of a grant that is %s", wanted, want.state)
	}
}

// checkFacts: what is told to a run of the person's other grants is true.
func (l *life) checkFacts(t *rapid.T, w *work, facts access.Facts) {
	want := -1
	remains := func(other *expected) bool {
		weaker := l.roles[other.role].rank < rankOf(facts.Grant.RoleName)
		return other.state == access.GrantActive || w.job.Kind == access.JobDeprovision && other.state == access.GrantChanged && weaker
	}
	for id, other := range l.grants {
		if id != w.job.Grant && other.person == w.job.Person && remains(other) && l.roles[other.role].connection == site {
			want = max(want, l.roles[other.role].rank)
		}
	}
	if _, told := strongest(facts); told != want {
		t.Fatalf("the strongest that remains of %s has the rank %d, told was %d", w.job.Person, want, told)
	}
}

// settle carries out all that may be carried out now, and all goes well.
func (l *life) settle() {
	for range 10_000 {
		heads := l.heads()
		if len(heads) == 0 {
			return
		}
		w := heads[0]
		switch w.phase {
		case planning:
			l.plan(l.t, w, well)
		case reading:
			l.read(w, well)
		case writing:
			l.write(l.t, w, well)
		case reporting:
			_, err := l.svc.Report(l.t.Context(), w.outcome)
			l.must(err)
			l.taken(w)
		case over:
		}
	}
	l.t.Fatal("the runs do not come to rest")
}

func (l *life) finishTasks() {
	open, err := l.svc.Tasks(l.t.Context(), as(bo), access.TaskFilter{State: access.TaskOpen}, true)
	l.must(err)
	for _, task := range open {
		if l.grants[task.Grant] == nil {
			continue // of an earlier sequence
		}
		_, err := l.svc.FinishTask(l.t.Context(), as(bo), task.ID, true, "")
		l.must(err)
		l.reported(task.Grant, task.Kind, nil, nil)
	}
}

// truth: what the site says is what the strongest active grant gives, unless a
// stranger changed it or something of the person is shown as not carried out.
func (l *life) truth() {
	for _, who := range []identity.PersonID{l.rita, l.sam} {
		want, rank, shown := nothing, -1, l.strange[who]
		for _, g := range l.grants {
			if g.person != who || l.roles[g.role].connection != site {
				continue
			}
			switch g.state {
			case access.GrantActive:
				if r := l.roles[g.role]; r.rank > rank {
					want, rank = r.name, r.rank
				}
			case access.GrantSettingUp, access.GrantNotSetUp, access.GrantEnding, access.GrantOverdue, access.GrantChanged:
				shown = true
			case access.GrantScheduled, access.GrantEnded:
			}
		}
		if role := l.there[who]; !shown && role != want {
			l.t.Fatalf("%s is %q on the site, the grants give %q", who, role, want)
		}
	}
}

// quiet lets every run succeed, and time pass: all that was granted has ended,
// and nothing of it is left on the site.
func (l *life) quiet() {
	l.settle()
	l.finishTasks()
	if l.list != nil {
		l.must(l.svc.FailComparison(l.t.Context(), l.list.Comparison, access.Problem{Code: "list_moved", Message: "It failed."}))
	}
	l.check()
	l.truth()
	for range 60 {
		l.now = l.now.Add(time.Hour)
		_, err := l.svc.ExpireDue(l.t.Context(), 1000)
		l.must(err)
		for id, g := range l.grants {
			if got := l.grant(id); g.due(l.now) && got.State == access.GrantEnding {
				g.state, g.run, g.next = access.GrantEnding, got.Run, ""
				l.moved++
			}
		}
		l.begin(l.t)
		l.settle()
		l.finishTasks()
		if l.rests() {
			break
		}
	}
	l.check()
	l.truth()
	for id, g := range l.grants {
		if g.state != access.GrantEnded && g.state != access.GrantNotSetUp {
			l.t.Fatalf("after all was over, %s is %s", id, g.state)
		}
	}
	if l.puts > 2*l.moved+l.lost+l.changes[l.rita]+l.changes[l.sam] {
		l.t.Fatalf("%d writes for %d changes and %d lost answers", l.puts, l.moved, l.lost)
	}
	l.audited()
}

func (l *life) rests() bool {
	for _, g := range l.grants {
		if g.state != access.GrantEnded && (g.state != access.GrantNotSetUp || g.next != "") {
			return false
		}
	}
	return true
}

// audited: no job without the event that caused it, and no grant without one
// that says it was agreed.
func (l *life) audited() {
	m, ok := l.n.Store.(*memory)
	if !ok {
		return // the chain of the databases is verified
	}
	told := map[string]bool{}
	for _, e := range m.events {
		told[e.Subject+" "+string(e.Kind)] = true
	}
	for id := range l.grants {
		r := l.grant(id).Request
		if !told["request:"+string(r)+" "+string(access.RequestWasApproved)] {
			l.t.Fatalf("nobody is known to have agreed to %s", id)
		}
		if l.grant(id).State == access.GrantEnded && !told["grant:"+string(id)+" "+string(access.GrantHasEnded)] &&
			!told["grant:"+string(id)+" "+string(access.GrantMerged)] && !told["grant:"+string(id)+" "+string(access.GrantAccepted)] && !told["grant:"+string(id)+" "+string(access.GrantRevoked)] {
			l.t.Fatalf("the end of %s is not recorded", id)
		}
	}
}

package access_test

import (
	"cmp"
	"errors"
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

// modelGrant is what the model believes of a grant.
type modelGrant struct {
	person identity.PersonID
	length time.Duration
	rank   int
	state  access.GrantState
	ends   time.Time
	proved bool
	run    string
}

// model is the rules anew, as plainly as can be.
type model struct {
	w        *world
	roles    []access.RoleID // by rank
	requests map[access.RequestID]access.RequestState
	grants   map[access.GrantID]*modelGrant
	drawn    any // the request or grant of the last act
}

// §5.3: whatever people, the clock and the runs do, and in whichever order, the
// rules keep their promises. Rapid prints the sequence that breaks one.
func TestModel(t *testing.T) {
	t.Parallel()
	// One database for all sequences: each has people and an app of its own.
	db := storetest.Open(t, store.Config{SQLite: t.TempDir() + "/margay.db", Now: time.Now})
	w := newWorld(t, db)
	var roles []access.RoleID
	for i := range 3 {
		steps := [][]access.Step{nil, {by(bo)}, {by(bo, cy), by(cy)}}[i]
		roles = append(roles, w.role(access.Policy{Longest: longest, OnBehalf: access.OnBehalfAnybody, Steps: steps}))
	}
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		if n++; n > sequences {
			return
		}
		w.jobs = map[string]access.Job{}
		m := &model{w: w, roles: roles, requests: map[access.RequestID]access.RequestState{}, grants: map[access.GrantID]*modelGrant{}}
		rt.Repeat(map[string]func(*rapid.T){
			"file": m.file, "approve": m.approve, "deny": m.deny, "withdraw": m.withdraw, "revoke": m.revoke,
			"retry": m.retry, "reportOK": m.reportOK, "reportFailure": m.reportFailure, "late": m.late, "clock": m.clock, "": m.check,
		})
		m.quiet(rt)
	})
	w.verify()
}

func (m *model) file(t *rapid.T) {
	rank := rapid.IntRange(0, len(m.roles)-1).Draw(t, "rank")
	who := rapid.SampledFrom([]identity.PersonID{rita, sam}).Draw(t, "person")
	length := time.Duration(rapid.IntRange(1, 4).Draw(t, "hours")) * time.Hour
	waiting, err := m.w.svc.Requests(t.Context(), as(ana), access.RequestFilter{State: access.RequestWaiting, For: who, Role: m.roles[rank]}, false)
	m.w.must(err)
	r, err := m.w.svc.File(t.Context(), as(who), access.Ask{Role: m.roles[rank], Length: &length})
	if len(waiting) > 0 {
		if fault.Public(err).Code != "already_waiting" {
			t.Fatalf("asked for twice: %v", err)
		}
		return
	}
	m.w.must(err)
	m.requests[r.ID] = access.RequestWaiting
	if rank == 0 {
		m.granted(r)
	}
}

func (m *model) granted(r access.Request) {
	g := m.w.grant(r.Grant)
	m.requests[r.ID] = access.RequestApproved
	m.drawn = g.ID
	if live := m.grants[g.ID]; live != nil { // no second of what is live: its end moves
		live.extend(r, m.w.clock())
		return
	}
	m.grants[g.ID] = &modelGrant{person: r.Person, length: r.Length, rank: slices.Index(m.roles, r.Role), state: access.GrantSettingUp, run: g.Run}
}

const longest = 4 * time.Hour // what the policies of the model give at most

// extend moves the end: by what was asked for, or to where it alone would have
// ended; not past the longest from now, and never back.
func (g *modelGrant) extend(r access.Request, now time.Time) {
	if g.ends.IsZero() {
		more := r.Length
		if r.Extends != "" {
			more += g.length
		}
		g.length = max(g.length, min(more, longest))
		return
	}
	ends := now.Add(r.Length)
	if r.Extends != "" {
		ends = g.ends.Add(r.Length)
	}
	if last := now.Add(longest); ends.After(last) {
		ends = last
	}
	if ends.After(g.ends) {
		g.ends = ends
	}
}

// aRequest draws one of the sequence's requests.
func (m *model) aRequest(t *rapid.T) access.RequestID {
	id := draw(t, "request", m.requests)
	m.drawn = id
	return id
}

func (m *model) aGrant(t *rapid.T) access.GrantID {
	id := draw(t, "grant", m.grants)
	m.drawn = id
	return id
}

func draw[K cmp.Ordered, V any](t *rapid.T, what string, from map[K]V) K {
	if len(from) == 0 {
		t.Skip("there is none yet")
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(from))).Draw(t, what)
}

func (m *model) approve(t *rapid.T) {
	id, who := m.aRequest(t), rapid.SampledFrom([]identity.PersonID{bo, cy, ana, rita}).Draw(t, "who")
	before := m.w.request(id)
	r, err := m.w.svc.Approve(t.Context(), as(who), id, nil, "")
	steps := len(before.Policy.Steps)
	may := m.requests[id] == access.RequestWaiting && (len(before.Approvals) == 0 && who == bo || // decides the first step of both
		len(before.Approvals) == 0 && who == cy && steps == 2 || // the second policy names Cy there too
		len(before.Approvals) == 1 && who == cy && before.Approvals[0].By != cy)
	if may != (err == nil) {
		t.Fatalf("%s approves step %d of %d, %s: %v", who, len(before.Approvals)+1, steps, m.requests[id], err)
	}
	if err == nil && r.State == access.RequestApproved {
		m.granted(r)
	}
}

func (m *model) deny(t *rapid.T) {
	id := m.aRequest(t)
	_, err := m.w.svc.Deny(t.Context(), as(bo), id, "no")
	if err == nil {
		m.decided(t, id, access.RequestDenied)
	}
}

func (m *model) withdraw(t *rapid.T) {
	id := m.aRequest(t)
	_, err := m.w.svc.Withdraw(t.Context(), as(ana), id)
	if (err == nil) != (m.requests[id] == access.RequestWaiting) {
		t.Fatalf("withdraw of one that is %s: %v", m.requests[id], err)
	}
	if err == nil {
		m.decided(t, id, access.RequestWithdrawn)
	}
}

func (m *model) decided(t *rapid.T, id access.RequestID, state access.RequestState) {
	if m.requests[id] != access.RequestWaiting {
		t.Fatalf("%s was %s already", id, m.requests[id])
	}
	m.requests[id] = state
}

func (m *model) revoke(t *rapid.T) {
	id := m.aGrant(t)
	g := m.grants[id]
	got, err := m.w.svc.Revoke(t.Context(), as(g.person), id, "")
	may := g.state == access.GrantSettingUp || g.state == access.GrantActive || g.state == access.GrantNotSetUp
	if may != (err == nil) {
		t.Fatalf("revoke of one that is %s: %v", g.state, err)
	}
	if err == nil {
		g.state, g.run = access.GrantEnding, got.Run
	}
}

func (m *model) retry(t *rapid.T) {
	id := m.aGrant(t)
	g := m.grants[id]
	got, err := m.w.svc.Retry(t.Context(), as(olga), id)
	may := g.state == access.GrantNotSetUp || g.state == access.GrantOverdue
	if may != (err == nil) {
		t.Fatalf("retry of one that is %s: %v", g.state, err)
	}
	if err == nil {
		g.run = got.Run
		if g.state == access.GrantNotSetUp {
			g.state = access.GrantSettingUp
		}
	}
}

func (m *model) reportOK(t *rapid.T) { m.report(t, m.aGrant(t), nil) }

func (m *model) reportFailure(t *rapid.T) {
	m.report(t, m.aGrant(t), &access.Problem{Code: "x", Message: "It failed."})
}

func (m *model) report(t *rapid.T, id access.GrantID, p *access.Problem) {
	g := m.grants[id]
	before := m.w.grant(id)
	got := m.w.report(before, p)
	switch {
	case g.state == access.GrantSettingUp && p == nil:
		g.state, g.proved, g.ends = access.GrantActive, true, m.w.clock().Add(g.length)
	case g.state == access.GrantSettingUp:
		g.state = access.GrantNotSetUp
	case (g.state == access.GrantEnding || g.state == access.GrantOverdue) && p == nil:
		g.state = access.GrantEnded
	case g.state == access.GrantEnding || g.state == access.GrantOverdue:
		if got.Run == before.Run {
			t.Fatalf("nobody tries to end %s again", id)
		}
		g.state, g.run = access.GrantOverdue, got.Run
	}
}

// late reports any run there ever was once more, as a node that was paused may.
func (m *model) late(t *rapid.T) {
	run := draw(t, "run", m.w.jobs)
	job := m.w.jobs[run]
	if g := m.w.grant(job.Grant); g.Run == run {
		t.Skip("it is the present one")
	}
	before := m.w.grant(job.Grant)
	o := access.Outcome{Run: run, Kind: job.Kind, Grant: job.Grant, Proof: access.Proof{Role: "late", Note: "late", At: m.w.clock()}}
	got, err := m.w.svc.Report(t.Context(), o)
	if err != nil || got != before {
		t.Fatalf("a run that is not wanted took %s to %s: %v", before.State, got.State, err)
	}
}

func (m *model) clock(t *rapid.T) {
	m.w.pass(time.Duration(rapid.IntRange(1, 180).Draw(t, "minutes")) * time.Minute)
	m.tick(t)
	m.checkAll(t)
}

func (m *model) tick(t *rapid.T) {
	want := 0
	for _, g := range m.grants {
		if g.state == access.GrantActive && !g.ends.After(m.w.clock()) {
			want++
		}
	}
	// Grants of earlier sequences have ended: quiet sees to it.
	if n, err := m.w.svc.ExpireDue(t.Context(), 1000); n != want || err != nil {
		t.Fatalf("%d ended, %v; %d were due", n, err, want)
	}
	for id, g := range m.grants {
		if g.state == access.GrantActive && !g.ends.After(m.w.clock()) {
			g.state, g.run = access.GrantEnding, m.w.grant(id).Run
		}
	}
}

// check holds, after every act, for what it was done to.
func (m *model) check(t *rapid.T) {
	switch id := m.drawn.(type) {
	case access.RequestID:
		m.checkRequest(t, id)
	case access.GrantID:
		m.checkGrant(t, id)
	}
}

// checkAll looks, now and then, at what nothing was done to.
func (m *model) checkAll(t *rapid.T) {
	for id := range m.requests {
		m.checkRequest(t, id)
	}
	for id := range m.grants {
		m.checkGrant(t, id)
	}
}

func (m *model) checkRequest(t *rapid.T, id access.RequestID) {
	want := m.requests[id]
	if got := m.w.request(id); got.State != want || (got.Grant != "") != (want == access.RequestApproved) {
		t.Fatalf("request %s is %s with the grant %q, want %s", id, got.State, got.Grant, want)
	}
}

func (m *model) checkGrant(t *rapid.T, id access.GrantID) {
	want, g := m.grants[id], m.w.grant(id)
	if g.State != want.state || g.Run != want.run {
		t.Fatalf("grant %s is %s by %s, want %s by %s", id, g.State, g.Run, want.state, want.run)
	}
	if g.State == access.GrantActive && (!want.proved || g.Proof.At.IsZero() || g.EndsAt != want.ends) {
		t.Fatalf("grant %s is active, proof %+v, ends %v, want %v", id, g.Proof, g.EndsAt, want.ends)
	}
	m.checkRuns(t, g)
}

// checkRuns: at most one of all runs of a grant is wanted, and what is told to
// it of the other grants is true.
func (m *model) checkRuns(t *rapid.T, g access.Grant) {
	wanted := 0
	for run, job := range m.w.jobs {
		if job.Grant != g.ID {
			continue
		}
		err := m.w.svc.StillWanted(t.Context(), run, job.Kind, g.ID)
		if err == nil {
			wanted++
			m.checkFacts(t, g, job)
		} else if !errors.Is(err, fault.Conflict) {
			t.Fatal(err)
		}
	}
	underway := g.State == access.GrantSettingUp || g.State == access.GrantEnding || g.State == access.GrantOverdue
	if want := map[bool]int{true: 1}[underway]; wanted != want {
		t.Fatalf("%d runs are wanted of a grant that is %s", wanted, g.State)
	}
}

func (m *model) checkFacts(t *rapid.T, g access.Grant, job access.Job) {
	facts, err := m.w.svc.Facts(t.Context(), job.Run, job.Kind, g.ID)
	if err != nil {
		t.Fatal(err)
	}
	strongest, told := -1, -1
	for id, other := range m.grants {
		if id != g.ID && other.person == g.Person && other.state == access.GrantActive {
			strongest = max(strongest, other.rank)
		}
	}
	for _, r := range facts.Remaining {
		told = max(told, slices.Index(m.roles, r.Role))
	}
	if told != strongest {
		t.Fatalf("the strongest that remains of %s has the rank %d, told was %d", g.Person, strongest, told)
	}
}

// quiet lets time pass and every run succeed: all that was granted has ended.
func (m *model) quiet(t *rapid.T) {
	settle := func() {
		for _, id := range slices.Sorted(maps.Keys(m.grants)) {
			if s := m.grants[id].state; s != access.GrantActive && s != access.GrantNotSetUp && s != access.GrantEnded {
				m.report(t, id, nil)
			}
		}
	}
	settle()
	m.w.pass(5 * time.Hour)
	m.tick(t)
	settle()
	for id, g := range m.grants {
		if g.state != access.GrantEnded && g.state != access.GrantNotSetUp {
			t.Fatalf("after all was over, %s is %s", id, g.state)
		}
	}
	m.checkAll(t)
}

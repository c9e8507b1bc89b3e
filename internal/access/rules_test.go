package access_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// group makes a group of these people.
func (w *world) group(name string, members ...identity.PersonID) identity.GroupID {
	w.t.Helper()
	g, err := w.ids.AddGroup(w.t.Context(), as(ana), name, "", members)
	w.must(err)
	return g.ID
}

func (w *world) members(g identity.GroupID, c identity.GroupChange) {
	w.t.Helper()
	_, err := w.ids.ChangeGroup(w.t.Context(), as(ana), g, c)
	w.must(err)
}

// manages makes boss the manager of people.
func (w *world) manages(boss identity.PersonID, people ...identity.PersonID) {
	w.t.Helper()
	for _, p := range people {
		_, err := w.ids.ChangePerson(w.t.Context(), as(ana), p, identity.Change{Manager: &boss})
		w.must(err)
	}
}

func (w *world) disable(p identity.PersonID) {
	w.t.Helper()
	_, err := w.db.ChangePerson(w.t.Context(), p, identity.Change{Disabled: new(true)}.By(as(ana), w.clock()))
	w.must(err)
}

func code(err error) string {
	if err == nil {
		return ""
	}
	return fault.Public(err).Code
}

// Who decides a step of a group, of owners and of managers. G10, §6.4: nobody
// decides on what they gain from, by whichever door they come.
func TestWhoDecides(t *testing.T) {
	t.Parallel()
	byGroup := func(g identity.GroupID) access.Step { return access.Step{Approvers: []access.Approver{{Group: g}}} }
	owners := access.Step{Approvers: []access.Approver{{AppOwner: true}}}
	manager := access.Step{Approvers: []access.Approver{{Manager: true}}}
	own := func(s access.Step) access.Step { s.SelfApproval = true; return s }
	tests := map[string]struct {
		step   func(w *world) access.Step
		asker  identity.PersonID
		person identity.PersonID // "": the asker
		want   map[identity.PersonID]string
	}{
		"a group": {
			step:  func(w *world) access.Step { return byGroup(w.group("Approvers", bo, cy)) },
			asker: rita, want: map[identity.PersonID]string{bo: "", cy: "", olga: "not_approver", ana: "not_approver", rita: "self_approval"},
		},
		"oneself, by a group": {
			step:  func(w *world) access.Step { return byGroup(w.group("Approvers", rita, cy)) },
			asker: rita, want: map[identity.PersonID]string{rita: "self_approval", cy: ""},
		},
		"oneself, by a group, where the policy lets": {
			step:  func(w *world) access.Step { return own(byGroup(w.group("Approvers", rita))) },
			asker: rita, want: map[identity.PersonID]string{rita: "", cy: "request_missing"},
		},
		"whom it is for, when another asked": {
			step:  func(w *world) access.Step { return byGroup(w.group("Approvers", sam, rita, cy)) },
			asker: rita, person: sam, want: map[identity.PersonID]string{sam: "self_approval", rita: "self_approval", cy: ""},
		},
		"an owner by a group": {
			step: func(w *world) access.Step {
				w.app.OwnerGroups = []identity.GroupID{w.group("Owners", cy, rita)}
				_, err := w.svc.SaveApp(w.t.Context(), as(ana), w.app)
				w.must(err)
				return owners
			},
			asker: rita, want: map[identity.PersonID]string{olga: "", cy: "", bo: "request_missing", rita: "self_approval"},
		},
		"the manager": {
			step:  func(w *world) access.Step { w.manages(bo, rita); w.manages(cy, bo); return manager },
			asker: rita, want: map[identity.PersonID]string{bo: "", cy: "request_missing", rita: "self_approval"},
		},
		"the manager who asked for a report": { // the manager's own manager decides
			step:  func(w *world) access.Step { w.manages(bo, rita); w.manages(cy, bo); return manager },
			asker: bo, person: rita, want: map[identity.PersonID]string{bo: "self_approval", rita: "self_approval", cy: "", olga: "not_approver"},
		},
		"a report who asked for the manager": {
			step:  func(w *world) access.Step { w.manages(bo, rita); w.manages(cy, bo); return manager },
			asker: rita, person: bo, want: map[identity.PersonID]string{bo: "self_approval", cy: "", rita: "self_approval"},
		},
		"the manager of one who has left": {
			step:  func(w *world) access.Step { w.manages(bo, rita); w.manages(cy, bo); w.disable(bo); return manager },
			asker: rita, want: map[identity.PersonID]string{cy: "", olga: "not_approver"},
		},
		"two who manage each other": {
			step:  func(w *world) access.Step { w.manages(bo, rita); w.manages(rita, bo); return manager },
			asker: rita, want: map[identity.PersonID]string{bo: "", rita: "self_approval"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				w := newWorld(t, db)
				step := tt.step(w)
				for who, want := range tt.want {
					role := w.role(access.Policy{Longest: time.Hour, OnBehalf: access.OnBehalfAnybody, Steps: []access.Step{step}})
					r := w.file(tt.asker, access.Ask{Role: role, Person: tt.person})
					deciders, err := w.svc.Deciders(t.Context(), as(ana), r.ID)
					w.must(err)
					named := slices.ContainsFunc(deciders, func(p identity.Person) bool { return p.ID == who })
					listed, err := w.svc.Requests(t.Context(), as(who), access.RequestFilter{}, true)
					w.must(err)
					inbox := slices.ContainsFunc(listed, func(l access.Request) bool { return l.ID == r.ID })

					_, err = w.svc.Approve(t.Context(), as(who), r.ID, nil, "")

					if code(err) != want || named != (want == "") || inbox != (want == "") {
						t.Errorf("%s decides: %v, want %q; named %v, in their inbox %v", who, err, want, named, inbox)
					}
					if want != "" && w.last().Kind != identity.ActRefused {
						t.Errorf("%s: a refusal is recorded as %s", who, w.last().Kind)
					}
				}
			})
		})
	}
}

// What the directory says counts at the moment of the decision: an approver who
// was removed after the page was made does not decide, one who was added does.
// The policy is the one that it was filed under.
func TestDecidesByTheDirectoryOfNow(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		g := w.group("Approvers", bo)
		p := access.Policy{Longest: time.Hour, Steps: []access.Step{{Approvers: []access.Approver{{Group: g}}}}}
		role := w.role(p)
		r := w.file(rita, access.Ask{Role: role})

		w.members(g, identity.GroupChange{Add: []identity.PersonID{cy}, Remove: []identity.PersonID{bo}})
		if _, err := w.svc.Approve(t.Context(), as(bo), r.ID, nil, ""); code(err) != "request_missing" {
			t.Errorf("one who was removed decides: %v", err)
		}
		// An administrator makes themselves the approver while their request waits:
		// it keeps its version.
		mine := w.file(ana, access.Ask{Role: role})
		edited := mine.Policy
		edited.Steps = []access.Step{{Approvers: []access.Approver{{Person: ana}}, SelfApproval: true}}
		_, err := w.svc.SavePolicy(t.Context(), as(ana), edited)
		w.must(err)
		if _, err := w.svc.Approve(t.Context(), as(ana), mine.ID, nil, ""); code(err) != "self_approval" {
			t.Errorf("who edits the policy decides on their own: %v", err)
		}
		if got := w.request(mine.ID).Policy; got.Version != 1 || got.Steps[0].SelfApproval {
			t.Errorf("it is under version %d, %+v", got.Version, got.Steps)
		}
		if _, err := w.svc.Approve(t.Context(), as(cy), r.ID, nil, ""); err != nil {
			t.Errorf("one who was added: %v", err)
		}
	})
}

// Two steps want two people, even where one is in both.
func TestTwoStepsTwoPeople(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		g := w.group("Approvers", bo, cy)
		step := access.Step{Approvers: []access.Approver{{Group: g}}}
		r := w.file(rita, access.Ask{Role: w.role(access.Policy{Longest: time.Hour, Steps: []access.Step{step, step}})})
		_, err := w.svc.Approve(t.Context(), as(bo), r.ID, nil, "")
		w.must(err)
		if _, err := w.svc.Approve(t.Context(), as(bo), r.ID, nil, ""); code(err) != "decided_before" {
			t.Errorf("one person decides both steps: %v", err)
		}
		if all, err := w.svc.Requests(t.Context(), as(bo), access.RequestFilter{}, true); err != nil || len(all) != 0 {
			t.Errorf("what one has decided waits for them: %d, %v", len(all), err)
		}
		got, err := w.svc.Approve(t.Context(), as(cy), r.ID, nil, "")
		if err != nil || got.State != access.RequestApproved {
			t.Errorf("%s, %v", got.State, err)
		}
	})
}

func TestOnBehalf(t *testing.T) {
	t.Parallel()
	tests := map[access.OnBehalf]map[identity.PersonID]string{
		access.OnBehalfNobody:   {bo: "on_behalf", olga: "on_behalf", cy: "on_behalf", ana: ""},
		access.OnBehalfManagers: {bo: "", olga: "on_behalf", cy: "on_behalf", ana: ""},
		access.OnBehalfOwners:   {bo: "on_behalf", olga: "", cy: "on_behalf", ana: ""},
		access.OnBehalfAnybody:  {bo: "", olga: "", cy: "", ana: ""},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.manages(bo, rita)
		for way, want := range tests {
			for who, refusal := range want {
				role := w.role(access.Policy{Longest: time.Hour, OnBehalf: way, Steps: []access.Step{by(sam)}})
				_, err := w.svc.File(t.Context(), as(who), access.Ask{Role: role, Person: rita})
				if code(err) != refusal {
					t.Errorf("%s: %s asks for Rita: %v, want %q", way, who, err, refusal)
				}
			}
		}
		if _, err := w.svc.SavePolicy(t.Context(), as(ana), access.Policy{Name: "x", OnBehalf: "friends"}); !errors.Is(err, fault.Invalid) {
			t.Errorf("a way that is none: %v", err)
		}
	})
}

// A profile says who may ask; a role may have another than its app, or none.
func TestProfiles(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		profile := func(name, whom string, groups ...identity.GroupID) access.ProfileID {
			p, err := w.svc.SaveProfile(ctx, as(ana), access.Profile{Name: name, Groups: groups, WhomToAsk: whom})
			w.must(err)
			return p.ID
		}
		finance := w.group("Finance", rita)
		app := w.app
		app.Profile = profile("Finance", "", finance)
		_, err := w.svc.SaveApp(ctx, as(ana), app)
		w.must(err)
		role := w.role(access.Policy{Longest: time.Hour, OnBehalf: access.OnBehalfAnybody, Steps: []access.Step{by(bo)}})
		change := func(id access.RoleID, p access.ProfileID) access.RoleID {
			r, err := w.svc.Role(ctx, id)
			w.must(err)
			r.Profile = p
			_, err = w.svc.SaveRole(ctx, as(ana), r)
			w.must(err)
			return id
		}
		open := change(w.role(access.Policy{Longest: time.Hour, Steps: []access.Step{by(bo)}}), access.Everybody)
		other := change(w.role(access.Policy{Longest: time.Hour, Steps: []access.Step{by(bo)}}),
			profile("Sales", "Ask Tom in Sales.", w.group("Sales", cy)))

		for _, tt := range []struct {
			who, person identity.PersonID
			role        access.RoleID
			code, says  string
		}{
			{who: rita, role: role},
			{who: sam, role: role, code: "not_eligible", says: "members of Finance|Ask usr_olga, who own Tableau."},
			{who: rita, person: sam, role: role, code: "not_eligible"}, // nor by asking for them
			{who: sam, role: open},
			{who: rita, role: other, code: "not_eligible", says: "members of Sales|Ask Tom in Sales."},
			{who: cy, role: other},
			{who: ana, person: sam, role: role, code: "not_eligible"},
		} {
			_, err := w.svc.File(ctx, as(tt.who), access.Ask{Role: tt.role, Person: tt.person})
			if code(err) != tt.code {
				t.Errorf("%s for %q: %v, want %q", tt.who, tt.person, err, tt.code)
				continue
			}
			for part := range strings.SplitSeq(tt.says, "|") {
				if f := fault.Public(err); part != "" && !strings.Contains(f.Message+" "+f.Hint, part) {
					t.Errorf("%s is told %q %q, not %q", tt.who, f.Message, f.Hint, part)
				}
			}
		}

		// The catalogue says the same before anybody asks, and what one has.
		offers, err := w.svc.Catalogue(ctx, as(sam), "")
		w.must(err)
		may := map[access.RoleID]string{}
		for _, o := range offers {
			may[o.Role.ID] = ""
			if o.Refusal != nil {
				may[o.Role.ID] = o.Refusal.Code
			}
			if (o.Waiting != "") != (o.Role.ID == open) || o.Held != nil {
				t.Errorf("Sam has of %s: %v, %v", o.Role.Name, o.Waiting, o.Held)
			}
		}
		if may[role] != "not_eligible" || may[open] != "" || may[other] != "not_eligible" {
			t.Errorf("the catalogue of Sam: %v", may)
		}
		if _, err := w.svc.SaveProfile(ctx, as(ana), access.Profile{Name: "nobody"}); !errors.Is(err, fault.Invalid) {
			t.Errorf("a profile without groups: %v", err)
		}
		if _, err := w.svc.SaveProfile(ctx, as(olga), access.Profile{Name: "mine", Groups: []identity.GroupID{finance}}); !errors.Is(err, fault.Forbidden) {
			t.Errorf("somebody who is no administrator: %v", err)
		}
	})
}

// A request that nobody decides lapses at its time, once, as an event.
func TestLapse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		quick := w.role(access.Policy{Longest: time.Hour, Waits: time.Hour, Steps: []access.Step{by(bo)}})
		usual := w.role(access.Policy{Longest: time.Hour, Steps: []access.Step{by(bo)}})
		r, later := w.file(rita, access.Ask{Role: quick}), w.file(rita, access.Ask{Role: usual})
		decided := w.file(sam, access.Ask{Role: quick})
		_, err := w.svc.Deny(ctx, as(bo), decided.ID, "no")
		w.must(err)

		lapse := func(want int) {
			t.Helper()
			if n, err := w.svc.LapseDue(ctx, 100); n != want || err != nil {
				t.Errorf("%d lapse, want %d: %v", n, want, err)
			}
		}
		w.pass(time.Hour - time.Millisecond)
		lapse(0)
		w.pass(time.Millisecond)
		lapse(1)
		lapse(0)
		got := w.request(r.ID)
		kinds := w.kinds("request:" + string(r.ID))
		if got.State != access.RequestLapsed || got.DecidedAt != w.clock() || got.Grant != "" || kinds[len(kinds)-1] != access.RequestHasLapsed {
			t.Errorf("%+v, events %v", got, kinds)
		}
		if _, err := w.svc.Approve(ctx, as(bo), r.ID, nil, ""); code(err) != "decided" {
			t.Errorf("approved after it lapsed: %v", err)
		}
		if w.request(later.ID).State != access.RequestWaiting || w.request(later.ID).LapsesAt.Sub(later.CreatedAt) != access.DefaultWait {
			t.Error("another lapsed with it, or at another time")
		}
		w.file(rita, access.Ask{Role: quick}) // one may ask again
		w.verify()
	})
}

// What waits already is not asked for twice; what is held is asked for longer.
func TestAskedTwice(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		role := w.role(access.Policy{Longest: 8 * time.Hour, OnBehalf: access.OnBehalfAnybody, Steps: []access.Step{by(bo)}})
		first := w.file(rita, access.Ask{Role: role})
		_, err := w.svc.File(ctx, as(sam), access.Ask{Role: role, Person: rita})
		if code(err) != "already_waiting" || !strings.Contains(err.Error(), string(first.ID)) {
			t.Errorf("asked for twice: %v", err)
		}
		w.file(sam, access.Ask{Role: role}) // for somebody else it is another thing

		approved, err := w.svc.Approve(ctx, as(bo), first.ID, nil, "")
		w.must(err)
		g := w.done(w.grant(approved.Grant))
		again := w.file(rita, access.Ask{Role: role, Starts: w.clock().Add(time.Hour)})
		if again.Extends != g.ID || !again.StartsAt.IsZero() {
			t.Errorf("asked for again while held: extends %q, starts %v", again.Extends, again.StartsAt)
		}
		_, err = w.svc.Withdraw(ctx, as(rita), again.ID)
		w.must(err)
		after := w.file(rita, access.Ask{Role: role, Starts: g.EndsAt.Add(time.Hour)})
		if after.Extends != "" || after.StartsAt != g.EndsAt.Add(time.Hour) {
			t.Errorf("asked for after its end: extends %q, starts %v", after.Extends, after.StartsAt)
		}
		kept := w.request(after.ID)
		if kept.StartsAt != after.StartsAt || kept.LapsesAt != after.LapsesAt {
			t.Errorf("kept %+v", kept)
		}
	})
}

func TestStartsAt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for name, tt := range map[string]struct {
			in   time.Duration
			code string
			kept time.Duration
		}{
			"now": {}, "a moment ago": {in: -time.Minute}, "an hour ago": {in: -time.Hour, code: "field_invalid"},
			"in an hour": {in: time.Hour, kept: time.Hour}, "in 90 days": {in: 90 * 24 * time.Hour, kept: 90 * 24 * time.Hour},
			"in 91 days": {in: 91 * 24 * time.Hour, code: "field_invalid"},
		} {
			role := w.role(access.Policy{Longest: time.Hour, Steps: []access.Step{by(bo)}})
			r, err := w.svc.File(t.Context(), as(rita), access.Ask{Role: role, Starts: w.clock().Add(tt.in)})
			if code(err) != tt.code || err == nil && tt.kept == 0 != r.StartsAt.IsZero() || tt.kept != 0 && r.StartsAt != w.clock().Add(tt.kept) {
				t.Errorf("%s: %v, %v", name, r.StartsAt, err)
			}
		}
	})
}

// A rule approves by itself what fits all it names, says so in a sentence, and
// never lengthens access.
func TestAutoApprove(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		g := w.group("Analysts", rita, bo)
		for name, tt := range map[string]struct {
			auto          access.Auto
			asker, person identity.PersonID
			length        time.Duration
			want          bool
		}{
			"short enough":            {auto: access.Auto{Longest: 8 * time.Hour}, asker: sam, length: 8 * time.Hour, want: true},
			"too long":                {auto: access.Auto{Longest: 8 * time.Hour}, asker: sam, length: 8*time.Hour + time.Second},
			"a member":                {auto: access.Auto{Groups: []identity.GroupID{g}}, asker: rita, length: 24 * time.Hour, want: true},
			"not a member":            {auto: access.Auto{Groups: []identity.GroupID{g}}, asker: sam, length: time.Hour},
			"a member for a stranger": {auto: access.Auto{Groups: []identity.GroupID{g}}, asker: rita, person: sam, length: time.Hour},
			"a stranger for a member": {auto: access.Auto{Groups: []identity.GroupID{g}}, asker: sam, person: rita, length: time.Hour},
			"two members":             {auto: access.Auto{Groups: []identity.GroupID{g}}, asker: bo, person: rita, length: time.Hour, want: true},
			"both must hold":          {auto: access.Auto{Longest: time.Hour, Groups: []identity.GroupID{g}}, asker: rita, length: 2 * time.Hour},
			"another role":            {auto: access.Auto{Roles: []access.RoleID{w.role(access.Policy{})}}, asker: rita, length: time.Hour},
		} {
			role := w.role(access.Policy{Longest: 30 * 24 * time.Hour, OnBehalf: access.OnBehalfAnybody, Steps: []access.Step{by(cy)}, Auto: &tt.auto})
			r := w.file(tt.asker, access.Ask{Role: role, Person: tt.person, Length: &tt.length})
			if (r.State == access.RequestApproved) != tt.want || (r.Grant != "") != tt.want {
				t.Errorf("%s: %s", name, r.State)
			}
			if !tt.want {
				continue
			}
			w.done(w.grant(r.Grant))
			if more := w.file(tt.asker, access.Ask{Role: role, Person: tt.person, Length: &tt.length}); more.State != access.RequestWaiting || more.Extends == "" {
				t.Errorf("%s: more time is %s, extends %q", name, more.State, more.Extends)
			}
		}
		p := access.Policy{Steps: []access.Step{by(cy)}, Auto: &access.Auto{Longest: 8 * time.Hour, Groups: []identity.GroupID{g}}}
		text, err := w.svc.AutoSentence(ctx, p)
		if want := "A request for at most 8 h, by and for members of Analysts is approved by itself; one to extend access never is."; err != nil || text != want {
			t.Errorf("%q, %v", text, err)
		}
		for name, bad := range map[string]access.Policy{
			"names nothing": {Name: "x", Steps: []access.Step{by(cy)}, Auto: &access.Auto{}},
			"no step":       {Name: "x", Auto: &access.Auto{Longest: time.Hour}},
		} {
			if _, err := w.svc.SavePolicy(ctx, as(ana), bad); !errors.Is(err, fault.Invalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// A policy that nobody could ever decide is refused; one that may find nobody is
// saved with a warning, and a request that finds nobody says so.
func TestNobodyCouldDecide(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		empty, gone := w.group("Empty"), w.group("Gone", dan)
		for name, tt := range map[string]struct {
			step access.Step
			says string
		}{
			"an empty group":      {step: access.Step{Approvers: []access.Approver{{Group: empty}}}, says: "the group Empty has no member"},
			"who cannot sign in":  {step: access.Step{Approvers: []access.Approver{{Group: gone}, {Person: dan}}}, says: "usr_dan is disabled"},
			"no approver at all":  {step: access.Step{}, says: "no approver"},
			"nobody of that name": {step: by("usr_none"), says: "There is no person usr_none"},
		} {
			_, err := w.svc.SavePolicy(ctx, as(ana), access.Policy{Name: name, Steps: []access.Step{by(bo), tt.step}})
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s: %v", name, err)
			}
			_, err = w.svc.PreviewPolicy(ctx, as(ana), access.Policy{Name: name, Steps: []access.Step{tt.step}})
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s, looked at: %v", name, err)
			}
		}
		one := access.Policy{Name: "one", Longest: time.Hour, Steps: []access.Step{by(rita)}}
		i, err := w.svc.PreviewPolicy(ctx, as(ana), one)
		if err != nil || len(i.Warnings) != 1 || !strings.Contains(i.Warnings[0], "one person alone") {
			t.Errorf("%+v, %v", i, err)
		}
		r := w.file(rita, access.Ask{Role: w.role(one)})
		kinds := w.kinds("request:" + string(r.ID))
		deciders, err := w.svc.Deciders(ctx, as(rita), r.ID)
		if err != nil || len(deciders) != 0 || !slices.Equal(kinds, []audit.Kind{access.RequestFiled, access.RequestUndecidable}) {
			t.Errorf("%d could decide, events %v, %v", len(deciders), kinds, err)
		}
	})
}

// What an edit touches is said before it is made, and each version stays.
func TestPolicyPreviewAndVersions(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		role := w.role(access.Policy{Longest: time.Hour, Steps: []access.Step{by(bo)}})
		r, err := w.svc.Role(ctx, role)
		w.must(err)
		w.file(rita, access.Ask{Role: role})
		approved, err := w.svc.Approve(ctx, as(bo), w.file(sam, access.Ask{Role: role}).ID, nil, "")
		w.must(err)
		w.done(w.grant(approved.Grant))
		p, err := w.svc.Policy(ctx, r.Policy)
		w.must(err)
		p.Longest, p.Steps, p.ReasonNeeded = 8*time.Hour, []access.Step{by(bo, cy), {Approvers: []access.Approver{{Manager: true}}}}, true

		i, err := w.svc.PreviewPolicy(ctx, as(ana), p)
		w.must(err)
		if i.Roles != 1 || i.Apps != 1 || i.Waiting != 1 || i.Grants != 1 || i.People != 2 {
			t.Errorf("touches %+v", i)
		}
		if kept, err := w.svc.Policy(ctx, p.ID); err != nil || kept.Version != 1 {
			t.Errorf("looking made version %d, %v", kept.Version, err)
		}
		want := []access.PolicyChange{
			{"Longest", "1 h", "8 h"},
			{"Usual", "1 h", "8 h"},
			{"Reason", "not needed", "needed"},
			{"Step 1", "usr_bo", "usr_bo or usr_cy"},
			{"Step 2", "", "the requester's manager"},
		}
		if !slices.Equal(i.Changes, want) {
			t.Errorf("changes %q", i.Changes)
		}
		p, err = w.svc.SavePolicy(ctx, as(ana), p)
		w.must(err)
		versions, err := w.svc.PolicyVersions(ctx, p.ID)
		if err != nil || len(versions) != 2 || versions[0].Version != 2 || versions[0].SavedBy != ana || versions[1].Longest != time.Hour {
			t.Errorf("%+v, %v", versions, err)
		}
		diff, err := w.svc.PolicyDiff(ctx, p.ID, 1, 2)
		if err != nil || !slices.Equal(diff, want) {
			t.Errorf("diff %q, %v", diff, err)
		}
		p.Steps[0] = by(cy, bo)
		if i, err := w.svc.PreviewPolicy(ctx, as(ana), p); err != nil || len(i.Changes) != 0 {
			t.Errorf("the same people in another order: %q, %v", i.Changes, err)
		}
		p.Steps[1] = access.Step{Workflow: "wfl_1"}
		if i, err := w.svc.PreviewPolicy(ctx, as(ana), p); err != nil || !slices.Equal(i.Changes, []access.PolicyChange{{"Step 2", "the requester's manager", "the workflow wfl_1"}}) {
			t.Errorf("a workflow in a manager's place: %q, %v", i.Changes, err)
		}
		if _, err := w.svc.PolicyDiff(ctx, p.ID, 1, 3); !errors.Is(err, fault.NotFound) {
			t.Errorf("a version that is not there: %v", err)
		}
		if _, err := w.svc.PreviewPolicy(ctx, as(olga), p); !errors.Is(err, fault.Forbidden) {
			t.Errorf("somebody who is no administrator looks: %v", err)
		}
	})
}

// Whoever may see a request may write on it; what is written stays.
func TestComments(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		r := w.file(rita, access.Ask{Role: w.role(access.Policy{Longest: time.Hour, Steps: []access.Step{by(bo)}})})
		for who, want := range map[identity.PersonID]fault.Kind{rita: "", bo: "", olga: "", ana: "", cy: fault.NotFound, dan: fault.Forbidden} {
			if _, err := w.svc.Comment(ctx, as(who), r.ID, " Why 8 h? "); fault.KindOf(err) != want {
				t.Errorf("%s: %v", who, err)
			}
		}
		got, err := w.svc.Comments(ctx, as(bo), r.ID)
		if err != nil || len(got) != 4 || got[0].Text != "Why 8 h?" {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := w.svc.Comments(ctx, as(cy), r.ID); !errors.Is(err, fault.NotFound) {
			t.Errorf("a stranger reads: %v", err)
		}
		if _, err := w.svc.Comment(ctx, with(bo, identity.ScopeAccessRead), r.ID, "x"); !errors.Is(err, fault.Forbidden) {
			t.Errorf("with a token that may only read: %v", err)
		}
		if _, err := w.svc.Comment(ctx, as(bo), r.ID, "  "); !errors.Is(err, fault.Invalid) {
			t.Errorf("nothing: %v", err)
		}
	})
}

// An approver sees what the person has and what was decided before; who gains
// does not see others.
func TestReview(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		role := w.role(access.Policy{Longest: time.Hour, OnBehalf: access.OnBehalfAnybody, Steps: []access.Step{by(bo, cy)}})
		held := w.inState(sam, w.role(access.Policy{Longest: time.Hour}), access.GrantActive)
		past := w.file(olga, access.Ask{Role: role})
		_, err := w.svc.Deny(ctx, as(cy), past.ID, "no")
		w.must(err)
		r := w.file(rita, access.Ask{Role: role, Person: sam})

		for who, want := range map[identity.PersonID]struct {
			live, similar int
			may           bool
		}{
			bo: {1, 1, true}, ana: {1, 1, false}, olga: {1, 1, false}, rita: {}, sam: {},
		} {
			v, err := w.svc.Review(ctx, as(who), r.ID)
			if err != nil || len(v.Live) != want.live || len(v.Similar) != want.similar || (v.Refusal == nil) != want.may || len(v.Deciders) != 2 {
				t.Errorf("%s: %d live, %d similar, %v, %v", who, len(v.Live), len(v.Similar), v.Refusal, err)
			}
			if want.live > 0 && v.Live[0].ID != held.ID {
				t.Errorf("%s sees %s", who, v.Live[0].ID)
			}
		}
		if _, err := w.svc.Review(ctx, as(dan), r.ID); !errors.Is(err, fault.NotFound) {
			t.Errorf("a stranger: %v", err)
		}
	})
}

// The roles that the system knows are offered by one act, those that are there
// stay.
func TestOfferRoles(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		if _, err := w.svc.OfferRoles(t.Context(), as(ana), w.app.ID); code(err) != "no_policy" {
			t.Errorf("of an app without a policy: %v", err)
		}
		p, err := w.svc.SavePolicy(t.Context(), as(ana), access.Policy{Name: "p"})
		w.must(err)
		app := w.app
		app.Policy = p.ID
		_, err = w.svc.SaveApp(t.Context(), as(ana), app)
		w.must(err)
		own, err := w.svc.SaveRole(t.Context(), as(ana), access.Role{App: app.ID, Name: "Viewer", Description: "mine"})
		w.must(err)
		for range 2 {
			roles, err := w.svc.OfferRoles(t.Context(), as(ana), app.ID)
			if err != nil || len(roles) != 3 || roles[0] != own {
				t.Errorf("%+v, %v", roles, err)
			}
		}
		if _, err := w.svc.OfferRoles(t.Context(), as(olga), app.ID); !errors.Is(err, fault.Forbidden) {
			t.Errorf("by an owner: %v", err)
		}
	})
}

package access_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// wantFault checks that err is of the kind and the code; no kind: no error.
func wantFault(t *testing.T, err error, kind fault.Kind, code string) {
	t.Helper()
	switch {
	case kind == "" && err != nil:
		t.Fatalf("error %v, want none", err)
	case kind != "" && !errors.Is(err, kind):
		t.Fatalf("error %v, want one of the kind %q", err, kind)
	case kind != "" && fault.Public(err).Code != code:
		t.Fatalf("code %q of %v, want %q", fault.Public(err).Code, err, code)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	eightHours := access.Policy{Longest: 8 * time.Hour, Usual: 2 * time.Hour, Steps: []access.Step{by(bo)}}
	free := access.Policy{Steps: []access.Step{by(bo)}}
	change := func(p access.Policy, by func(*access.Policy)) access.Policy { by(&p); return p }
	withReason := change(eightHours, func(p *access.Policy) { p.ReasonNeeded = true })
	onBehalf := change(eightHours, func(p *access.Policy) { p.OnBehalf = access.OnBehalfAnybody })
	tests := map[string]struct {
		policy access.Policy
		who    identity.Actor // default: Rita
		ask    access.Ask
		closed bool
		kind   fault.Kind
		code   string
		length time.Duration
	}{
		"usual length":                {policy: eightHours, length: 2 * time.Hour},
		"no usual length: longest":    {policy: change(eightHours, func(p *access.Policy) { p.Usual = 0 }), length: 8 * time.Hour},
		"longest":                     {policy: eightHours, ask: access.Ask{Length: new(8 * time.Hour)}, length: 8 * time.Hour},
		"longer than longest":         {policy: eightHours, ask: access.Ask{Length: new(8*time.Hour + 1)}, kind: fault.Invalid, code: "field_invalid"},
		"without an end, not allowed": {policy: eightHours, ask: access.Ask{Length: new(access.Indefinite)}, kind: fault.Invalid, code: "field_invalid"},
		"without an end":              {policy: free, ask: access.Ask{Length: new(access.Indefinite)}},
		"no longest, any length":      {policy: free, ask: access.Ask{Length: new(90 * 365 * 24 * time.Hour)}, length: 90 * 365 * 24 * time.Hour},
		"negative":                    {policy: free, ask: access.Ask{Length: new(-time.Hour)}, kind: fault.Invalid, code: "field_invalid"},
		// What is kept are whole milliseconds: this once became access without an end.
		"less than a millisecond": {policy: eightHours, ask: access.Ask{Length: new(500 * time.Microsecond)}, kind: fault.Invalid, code: "field_invalid"},
		"a second":                {policy: eightHours, ask: access.Ask{Length: new(time.Second)}, length: time.Second},

		"reason missing":     {policy: withReason, kind: fault.Invalid, code: "field_invalid"},
		"reason blank":       {policy: withReason, ask: access.Ask{Reason: " \n\t"}, kind: fault.Invalid, code: "field_invalid"},
		"reason given":       {policy: withReason, ask: access.Ask{Reason: " Q4 "}, length: 2 * time.Hour},
		"reason of 2000 é":   {policy: withReason, ask: access.Ask{Reason: strings.Repeat("é", 2000)}, length: 2 * time.Hour},
		"reason of 2001":     {policy: withReason, ask: access.Ask{Reason: strings.Repeat("e", 2001)}, kind: fault.Invalid, code: "field_invalid"},
		"reason with a NUL":  {policy: withReason, ask: access.Ask{Reason: "a\x00b"}, kind: fault.Invalid, code: "field_invalid"},
		"reason not in UTF8": {policy: withReason, ask: access.Ask{Reason: "a\xffb"}, kind: fault.Invalid, code: "field_invalid"},

		"for another, not allowed":       {policy: eightHours, ask: access.Ask{Person: sam}, kind: fault.Forbidden, code: "on_behalf"},
		"for another":                    {policy: onBehalf, ask: access.Ask{Person: sam}, length: 2 * time.Hour},
		"for another, by administrator":  {policy: eightHours, who: as(ana), ask: access.Ask{Person: sam}, length: 2 * time.Hour},
		"administrator's lesser token":   {policy: eightHours, who: with(ana, identity.ScopeRequestsWrite), ask: access.Ask{Person: sam}, kind: fault.Forbidden, code: "on_behalf"},
		"for nobody":                     {policy: onBehalf, ask: access.Ask{Person: "usr_x"}, kind: fault.NotFound, code: "person_missing"},
		"for somebody disabled":          {policy: onBehalf, ask: access.Ask{Person: dan}, kind: fault.Conflict, code: "person_disabled"},
		"by somebody disabled meanwhile": {policy: eightHours, who: as(dan), kind: fault.Forbidden, code: "disabled"},
		"no scope":                       {policy: eightHours, who: with(rita, identity.ScopeAccessRead), kind: fault.Forbidden, code: "scope_missing"},

		"closed role": {policy: eightHours, closed: true, kind: fault.Conflict, code: "role_closed"},
		"no role":     {policy: eightHours, ask: access.Ask{Role: "rol_x"}, kind: fault.NotFound, code: "role_missing"},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				role := w.role(tt.policy)
				if tt.closed {
					r, err := w.svc.Role(t.Context(), role)
					w.must(err)
					r.Closed = true
					_, err = w.svc.SaveRole(t.Context(), as(ana), r)
					w.must(err)
				}
				who, ask := tt.who, tt.ask
				if who.Person == "" {
					who = as(rita)
				}
				if ask.Role == "" {
					ask.Role = role
				}

				r, err := w.svc.File(t.Context(), who, ask)

				wantFault(t, err, tt.kind, tt.code)
				if tt.kind == fault.Forbidden {
					if e := w.last(); e.Kind != identity.ActRefused || e.Actor != string(who.Person) || e.Data["code"] != tt.code {
						t.Errorf("a refused act left %+v", e) // G11
					}
				}
				if err != nil {
					return
				}
				if r.Length != tt.length || r.State != access.RequestWaiting || r.Requester != who.Person || r.Reason != strings.TrimSpace(ask.Reason) {
					t.Errorf("filed %+v", r)
				}
				if got := w.request(r.ID); got.Length != tt.length {
					t.Errorf("kept with the length %v, want %v", got.Length, tt.length)
				}
			})
		}
		w.verify()
	})
}

// A policy without a step grants at once, in the same transaction.
func TestFileWithoutSteps(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)

		r := w.file(rita, access.Ask{Role: w.role(access.Policy{Longest: time.Hour})})

		g := w.grant(r.Grant)
		runs := w.runs(g.ID)
		if r.State != access.RequestApproved || g.State != access.GrantSettingUp || len(runs) != 1 || runs[0].ID != g.Run {
			t.Errorf("request %s, grant %s, %d runs", r.State, g.State, len(runs))
		}
		if job := w.job(g.Run); job.Kind != access.JobProvision || job.Grant != g.ID || job.Key() != w.app.Connection+"/"+string(rita) {
			t.Errorf("job %+v", job)
		}
	})
}

func TestPolicyCheck(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		policy access.Policy
		ok     bool
	}{
		"plain":              {access.Policy{Name: "a", Longest: time.Hour, Usual: time.Hour}, true},
		"no name":            {access.Policy{Name: " "}, false},
		"255 characters":     {access.Policy{Name: strings.Repeat("é", 255)}, true},
		"256 characters":     {access.Policy{Name: strings.Repeat("e", 256)}, false},
		"usual over longest": {access.Policy{Name: "b", Longest: time.Hour, Usual: 2 * time.Hour}, false},
		"negative":           {access.Policy{Name: "b", Longest: -time.Hour}, false},
		"longest of 1 µs":    {access.Policy{Name: "b", Longest: time.Microsecond}, false},
		"usual of 1 µs":      {access.Policy{Name: "b", Usual: time.Microsecond}, false},
		"step of nobody":     {access.Policy{Name: "b", Steps: []access.Step{{}}}, false},
		"approver unknown":   {access.Policy{Name: "b", Steps: []access.Step{by("usr_x")}}, false},
		"ten steps":          {access.Policy{Name: "c", Steps: []access.Step{by(bo), by(bo), by(bo), by(bo), by(bo), by(bo), by(bo), by(bo), by(bo), by(bo)}}, true},
		"eleven steps":       {access.Policy{Name: "d", Steps: make([]access.Step, 11)}, false},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				_, err := w.svc.SavePolicy(t.Context(), as(ana), tt.policy)

				if tt.ok != (err == nil) || fault.KindOf(err) == fault.Internal {
					t.Errorf("error %v", err)
				}
			})
		}
		for name, who := range map[string]identity.Actor{"no administrator": as(rita), "lesser token": with(ana, identity.ScopeAccessRead)} {
			t.Run(name, func(t *testing.T) {
				_, err := w.svc.SavePolicy(t.Context(), who, access.Policy{Name: "mine"})

				if !errors.Is(err, fault.Forbidden) || w.last().Kind != identity.ActRefused {
					t.Errorf("error %v, event %s", err, w.last().Kind)
				}
			})
		}
	})
}

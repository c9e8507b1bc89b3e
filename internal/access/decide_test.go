package access_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// G10: who may decide what.
func TestDecide(t *testing.T) {
	t.Parallel()
	selfOK := by(rita)
	selfOK.SelfApproval = true
	owners := access.Step{Approvers: []access.Approver{{AppOwner: true}}}
	approve := func(p identity.PersonID) func(*world, access.RequestID) error {
		return func(w *world, id access.RequestID) error {
			_, err := w.svc.Approve(w.t.Context(), as(p), id, nil, "")
			return err
		}
	}
	shorten := func(d time.Duration) func(*world, access.RequestID) error {
		return func(w *world, id access.RequestID) error {
			_, err := w.svc.Approve(w.t.Context(), as(bo), id, &d, "")
			return err
		}
	}
	deny := func(p identity.PersonID, reason string) func(*world, access.RequestID) error {
		return func(w *world, id access.RequestID) error {
			_, err := w.svc.Deny(w.t.Context(), as(p), id, reason)
			return err
		}
	}
	withdraw := func(who identity.Actor) func(*world, access.RequestID) error {
		return func(w *world, id access.RequestID) error {
			_, err := w.svc.Withdraw(w.t.Context(), who, id)
			return err
		}
	}
	disable := func(p identity.PersonID) func(*world, access.RequestID) error {
		return func(w *world, _ access.RequestID) error {
			ctx := context.WithoutCancel(w.t.Context()) // also in a cleanup
			w.t.Cleanup(func() {
				_, err := w.ids.ChangePerson(ctx, as(ana), p, identity.Change{Disabled: new(false)})
				w.must(err)
			})
			w.disable(p)
			return nil
		}
	}
	type act = func(*world, access.RequestID) error
	tests := map[string]struct {
		steps  []access.Step // default: Bo's
		person identity.PersonID
		before []act
		act    act
		kind   fault.Kind
		code   string
		state  access.RequestState
		length time.Duration // default: 8 h
	}{
		"approve":                        {act: approve(bo), state: access.RequestApproved},
		"a stranger does not decide":     {act: approve(cy), kind: fault.NotFound, code: "request_missing", state: access.RequestWaiting},
		"administrators do not decide":   {act: approve(ana), kind: fault.Forbidden, code: "not_approver", state: access.RequestWaiting},
		"owner decides":                  {steps: []access.Step{owners}, act: approve(olga), state: access.RequestApproved},
		"owner does not where not named": {act: approve(olga), kind: fault.Forbidden, code: "not_approver", state: access.RequestWaiting},
		"own request":                    {steps: []access.Step{by(rita, bo)}, act: approve(rita), kind: fault.Forbidden, code: "self_approval", state: access.RequestWaiting},
		"own request, allowed":           {steps: []access.Step{selfOK}, act: approve(rita), state: access.RequestApproved},
		"filed by another for me":        {steps: []access.Step{by(bo)}, person: bo, act: approve(bo), kind: fault.Forbidden, code: "self_approval", state: access.RequestWaiting},
		"filed by me for another":        {steps: []access.Step{by(rita)}, person: sam, act: approve(rita), kind: fault.Forbidden, code: "self_approval", state: access.RequestWaiting},
		"denying one's own":              {steps: []access.Step{by(rita)}, act: deny(rita, "no"), kind: fault.Forbidden, code: "self_approval", state: access.RequestWaiting},

		"first of two":               {steps: []access.Step{by(bo), by(cy)}, act: approve(bo), state: access.RequestWaiting},
		"second of two":              {steps: []access.Step{by(bo), by(cy)}, before: []act{approve(bo)}, act: approve(cy), state: access.RequestApproved},
		"second before first":        {steps: []access.Step{by(bo), by(cy)}, act: approve(cy), kind: fault.Forbidden, code: "not_approver", state: access.RequestWaiting},
		"same person twice":          {steps: []access.Step{by(bo), by(bo, cy)}, before: []act{approve(bo)}, act: approve(bo), kind: fault.Forbidden, code: "decided_before", state: access.RequestWaiting},
		"same person denies second":  {steps: []access.Step{by(bo), by(bo, cy)}, before: []act{approve(bo)}, act: deny(bo, "no"), kind: fault.Forbidden, code: "decided_before", state: access.RequestWaiting},
		"second denies":              {steps: []access.Step{by(bo), by(cy)}, before: []act{approve(bo)}, act: deny(cy, "no"), state: access.RequestDenied},
		"owner and approver in one":  {steps: []access.Step{by(olga), owners}, before: []act{approve(olga)}, act: approve(olga), kind: fault.Forbidden, code: "decided_before", state: access.RequestWaiting},
		"withdrawn between the two":  {steps: []access.Step{by(bo), by(cy)}, before: []act{approve(bo), withdraw(as(rita))}, act: approve(cy), kind: fault.Conflict, code: "decided", state: access.RequestWithdrawn},
		"shorten":                    {act: shorten(time.Hour), state: access.RequestApproved, length: time.Hour},
		"as long":                    {act: shorten(8 * time.Hour), state: access.RequestApproved},
		"lengthen":                   {act: shorten(8*time.Hour + time.Millisecond), kind: fault.Invalid, code: "field_invalid", state: access.RequestWaiting},
		"shorten to no end":          {act: shorten(access.Indefinite), kind: fault.Invalid, code: "field_invalid", state: access.RequestWaiting},
		"shorten to below a second":  {act: shorten(time.Microsecond), kind: fault.Invalid, code: "field_invalid", state: access.RequestWaiting},
		"shorten to less than none":  {act: shorten(-time.Hour), kind: fault.Invalid, code: "field_invalid", state: access.RequestWaiting},
		"deny":                       {act: deny(bo, "no need"), state: access.RequestDenied},
		"deny without a reason":      {act: deny(bo, "  "), kind: fault.Invalid, code: "field_invalid", state: access.RequestWaiting},
		"deny at too great a length": {act: deny(bo, strings.Repeat("n", 2001)), kind: fault.Invalid, code: "field_invalid", state: access.RequestWaiting},
		"approved already":           {before: []act{approve(bo)}, act: approve(bo), kind: fault.Conflict, code: "decided", state: access.RequestApproved},
		"denied already":             {before: []act{deny(bo, "no")}, act: approve(bo), kind: fault.Conflict, code: "decided", state: access.RequestDenied},
		"deny what is approved":      {before: []act{approve(bo)}, act: deny(bo, "no"), kind: fault.Conflict, code: "decided", state: access.RequestApproved},
		// That there is a request is not for strangers, and their try is recorded.
		"stranger at a decided one": {before: []act{approve(bo)}, act: approve(sam), kind: fault.NotFound, code: "request_missing", state: access.RequestApproved},

		"withdraw":                   {act: withdraw(as(rita)), state: access.RequestWithdrawn},
		"withdraw by whom it is for": {person: sam, act: withdraw(as(sam)), state: access.RequestWithdrawn},
		"withdraw by administrator":  {act: withdraw(as(ana)), state: access.RequestWithdrawn},
		"withdraw with lesser token": {act: withdraw(with(ana, identity.ScopeRequestsWrite)), kind: fault.Forbidden, code: "not_yours", state: access.RequestWaiting},
		// A token that was checked before its owner ceased to be an administrator.
		"administrator till just now":  {act: withdraw(identity.Actor{Person: sam, Admin: true, Scopes: []identity.Scope{identity.ScopeAdmin}}), kind: fault.NotFound, code: "request_missing", state: access.RequestWaiting},
		"withdraw by a stranger":       {act: withdraw(as(sam)), kind: fault.NotFound, code: "request_missing", state: access.RequestWaiting},
		"withdraw by an approver":      {act: withdraw(as(bo)), kind: fault.Forbidden, code: "not_yours", state: access.RequestWaiting},
		"withdraw what is approved":    {before: []act{approve(bo)}, act: withdraw(as(rita)), kind: fault.Conflict, code: "decided", state: access.RequestApproved},
		"withdraw, stranger, approved": {before: []act{approve(bo)}, act: withdraw(as(sam)), kind: fault.NotFound, code: "request_missing", state: access.RequestApproved},

		"approver disabled meanwhile":  {before: []act{disable(bo)}, act: approve(bo), kind: fault.Forbidden, code: "disabled", state: access.RequestWaiting},
		"requester disabled meanwhile": {before: []act{disable(rita)}, act: approve(bo), kind: fault.Conflict, code: "person_disabled", state: access.RequestWaiting},
		"deny for somebody disabled":   {before: []act{disable(rita)}, act: deny(bo, "left"), state: access.RequestDenied},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				w.t = t
				steps := tt.steps
				if steps == nil {
					steps = []access.Step{by(bo)}
				}
				req := w.file(rita, access.Ask{Role: w.role(access.Policy{Longest: 8 * time.Hour, OnBehalf: access.OnBehalfAnybody, Steps: steps}), Person: tt.person})
				for _, do := range tt.before {
					w.must(do(w, req.ID))
				}
				before := w.last().Seq

				err := tt.act(w, req.ID)

				wantFault(t, err, tt.kind, tt.code)
				got := w.request(req.ID)
				if want := max(tt.length, 0); got.State != tt.state || want > 0 && got.Length != want {
					t.Errorf("%s for %v, want %s for %v", got.State, got.Length, tt.state, want)
				}
				if (got.Grant != "") != (got.State == access.RequestApproved) {
					t.Errorf("%s with the grant %q", got.State, got.Grant)
				}
				if got.Grant != "" && w.grant(got.Grant).Length != got.Length {
					t.Errorf("granted for %v, approved for %v", w.grant(got.Grant).Length, got.Length)
				}
				switch e := w.last(); {
				case tt.kind == fault.Forbidden, tt.kind == fault.NotFound:
					if e.Kind != identity.ActRefused || e.Subject != "request:"+string(req.ID) || e.Data["code"] != tt.code {
						t.Errorf("a refused act left %+v", e) // G11
					}
				case tt.kind != "" && e.Seq != before:
					t.Errorf("what was not done left %+v", e)
				case tt.kind == "" && e.Seq == before:
					t.Error("what was done left no event")
				}
			})
		}
		w.t = t
		w.verify()
	})
}

// The policy is frozen when a request is filed: who edits it meanwhile changes
// nothing for the request, neither approvers nor lengths.
func TestPolicyEditedWhileARequestWaits(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: 8 * time.Hour, Steps: []access.Step{by(bo)}})
		req := w.file(rita, access.Ask{Role: role})
		p := req.Policy
		p.Steps, p.Longest, p.Usual = []access.Step{by(cy)}, time.Hour, time.Hour
		p, err := w.svc.SavePolicy(t.Context(), as(ana), p)
		w.must(err)

		_, byNew := w.svc.Approve(t.Context(), as(cy), req.ID, nil, "")
		r, err := w.svc.Approve(t.Context(), as(bo), req.ID, nil, "")

		if !errors.Is(byNew, fault.Forbidden) || err != nil || r.Length != 8*time.Hour || p.Version != 2 || r.Policy.Version != 1 {
			t.Errorf("by the new approver: %v; by the old one: %v, for %v; version %d", byNew, err, r.Length, p.Version)
		}
		if again := w.file(rita, access.Ask{Role: role}); again.Length != time.Hour || again.Policy.Version != 2 {
			t.Errorf("a new request is for %v under version %d", again.Length, again.Policy.Version)
		}
	})
}

// O13: of those who decide in the same moment one wins, and one run comes of it.
func TestOneWinner(t *testing.T) {
	t.Parallel()
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour, Steps: []access.Step{by(bo, cy)}})
		for range rounds {
			req := w.file(rita, access.Ask{Role: role})
			acts := []func() error{
				func() error { _, err := w.svc.Approve(t.Context(), as(bo), req.ID, nil, ""); return err },
				func() error { _, err := w.svc.Approve(t.Context(), as(cy), req.ID, nil, ""); return err },
				func() error { _, err := w.svc.Deny(t.Context(), as(cy), req.ID, "no"); return err },
				func() error { _, err := w.svc.Withdraw(t.Context(), as(rita), req.ID); return err },
			}
			errs := together(acts...)

			winners := 0
			for _, err := range errs {
				if err == nil {
					winners++
				} else if !errors.Is(err, access.ErrDecided) {
					t.Errorf("a loser was told %v", err)
				}
			}
			got := w.request(req.ID)
			if winners != 1 || got.State == access.RequestWaiting {
				t.Fatalf("%d winners, the request is %s", winners, got.State)
			}
			if kinds := w.kinds("request:" + string(req.ID)); len(kinds) != 2 {
				t.Fatalf("events %v", kinds)
			}
			if got.Grant != "" && len(w.runs(got.Grant)) != 1 {
				t.Fatalf("%d runs", len(w.runs(got.Grant)))
			}
		}
		w.verify()
	})
}

// together does the acts in one moment and returns their errors.
func together(acts ...func() error) []error {
	var wg sync.WaitGroup
	gate := make(chan struct{})
	errs := make([]error, len(acts))
	for i, act := range acts {
		wg.Go(func() { <-gate; errs[i] = act() })
	}
	close(gate)
	wg.Wait()
	return errs
}

// §3 of the design: a job exists if and only if its event does.
func TestNothingIsKeptWhenTheEngineRefuses(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour, Steps: []access.Step{by(bo)}})
		atOnce := w.role(access.Policy{Longest: time.Hour})
		req := w.file(rita, access.Ask{Role: role})
		active, notSetUp := w.inState(rita, atOnce, access.GrantActive), w.inState(rita, atOnce, access.GrantNotSetUp)
		ending := w.inState(rita, atOnce, access.GrantEnding)
		another := w.twin(atOnce)
		before, requests := w.last(), len(w.all())
		w.refuse = func(access.Job) error { return errEngine }

		acts := map[string]func() error{
			"approve": func() error { _, err := w.svc.Approve(t.Context(), as(bo), req.ID, nil, ""); return err },
			"file":    func() error { _, err := w.svc.File(t.Context(), as(rita), access.Ask{Role: another}); return err },
			"revoke":  func() error { _, err := w.svc.Revoke(t.Context(), as(rita), active.ID, ""); return err },
			"retry":   func() error { _, err := w.svc.Retry(t.Context(), as(ana), notSetUp.ID); return err },
			"expire": func() error {
				w.pass(2 * time.Hour)
				n, err := w.svc.ExpireDue(t.Context(), 10)
				if n != 0 {
					t.Errorf("%d ended", n)
				}
				return err
			},
			"report a failed end": func() error {
				_, err := w.svc.Report(t.Context(), access.Outcome{Run: ending.Run, Kind: access.JobDeprovision, Grant: ending.ID, Problem: &access.Problem{Code: "x"}})
				return err
			},
		}
		for name, act := range acts {
			if err := act(); !errors.Is(err, errEngine) {
				t.Errorf("%s: %v", name, err)
			}
		}

		if w.last().Seq != before.Seq || len(w.all()) != requests || w.request(req.ID).State != access.RequestWaiting {
			t.Errorf("something was kept: event %s, %d requests", w.last().Kind, len(w.all()))
		}
		for _, g := range []access.Grant{active, notSetUp, ending} {
			if got := w.grant(g.ID); got.State != g.State || got.Run != g.Run || len(w.runs(g.ID)) != len(slices.Compact(runIDs(w, g.ID))) {
				t.Errorf("%s became %s", g.State, got.State)
			}
		}
		w.refuse = nil
		w.done(ending) // the refused report left the run unsettled: it counts when it comes again
		if got := w.grant(ending.ID); got.State != access.GrantEnded {
			t.Errorf("after the engine came back: %s", got.State)
		}
	})
}

func runIDs(w *world, g access.GrantID) []string {
	var ids []string
	for _, r := range w.runs(g) {
		ids = append(ids, r.ID)
	}
	return ids
}

func (w *world) all() []access.Request {
	w.t.Helper()
	rs, err := w.svc.Requests(w.t.Context(), as(ana), access.RequestFilter{}, false)
	w.must(err)
	return rs
}

// Each run in the engine has its row, each row its event, and none has two.
func TestRunEventAndJobAreOne(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(access.Policy{Longest: time.Hour})
		for _, state := range grantStates() {
			w.inState(rita, role, state)
		}

		events, err := db.Events(t.Context(), audit.Filter{})
		w.must(err)
		told := map[string]int{}
		starts := []audit.Kind{access.GrantProvisioning, access.GrantRevoked, access.GrantExpired, access.GrantRetried}
		for _, e := range events {
			if slices.Contains(starts, e.Kind) {
				told[e.Data["run"]]++
			}
			if e.Kind == access.GrantIsOverdue {
				told[w.grant(access.GrantID(strings.TrimPrefix(e.Subject, "grant:"))).Run]++ // it announces the next one
			}
		}
		for run, job := range w.jobs {
			row, err := db.Run(t.Context(), run)
			if err != nil || row.Kind != string(job.Kind) || told[run] != 1 {
				t.Errorf("job %+v: row %+v (%v), told of %d times", job, row, err, told[run])
			}
		}
		if len(told) != len(w.jobs) {
			t.Errorf("%d runs told of, %d jobs", len(told), len(w.jobs))
		}
	})
}

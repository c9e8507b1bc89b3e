package access_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// Each step wants another person: who decides is told before they do whether
// anybody is left for the next one, and what helps when nobody is. What nobody can
// decide is listed for those who care for the app, and recorded when it comes to
// that.
func TestNextStep(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		for name, tt := range map[string]struct {
			first, second access.Step
			who           identity.PersonID
			then          []identity.PersonID
			warning       string // begins and ends so
			end           string
			locks         bool
		}{
			"somebody is left":        {by(bo), by(cy, bo), bo, []identity.PersonID{cy}, "", "", false},
			"to who looks on":         {by(bo), by(bo, cy), sam, []identity.PersonID{bo, cy}, "", "", false},
			"others could decide now": {by(bo, cy, olga), by(bo), bo, nil, "After your approval nobody could decide step 2: you are the only one who could, and each step wants another person. Leave this step to ", "usr_cy or usr_olga.", true},
			"the other one decides":   {by(bo, cy), by(bo), cy, []identity.PersonID{bo}, "", "", false},
			"one person for both":     {by(bo), by(bo), bo, nil, "After your approval nobody could decide step 2: you are the only one who could decide either", "is for later requests.", true},
			"nobody for the next":     {by(bo), by(rita), bo, nil, "Nobody can decide step 2 at present. ", "is for later requests.", true},
		} {
			r := w.file(rita, access.Ask{Role: w.role(access.Policy{Longest: time.Hour, Steps: []access.Step{tt.first, tt.second}})})
			who := as(tt.who)
			if tt.who == sam {
				who = as(ana) // an administrator sees it and does not decide
			}
			v, err := w.svc.Review(ctx, who, r.ID)
			if err != nil || v.Next == nil || v.Next.Step != 2 {
				t.Fatalf("%s: %+v, %v", name, v.Next, err)
			}
			var then []identity.PersonID
			for _, p := range v.Next.Deciders {
				then = append(then, p.ID)
			}
			if got := v.Next.Warning; !slices.Equal(then, tt.then) || (got == "") != (tt.warning == "") || !strings.HasPrefix(got, tt.warning) || !strings.HasSuffix(got, tt.end) {
				t.Errorf("%s: then %v, warned %q", name, then, got)
			}
			if tt.who == sam {
				continue
			}
			_, err = w.svc.Approve(ctx, who, r.ID, nil, "")
			w.must(err)
			recorded := slices.Contains(w.kinds("request:"+string(r.ID)), access.RequestUndecidable)
			stuck, err := w.svc.Requests(ctx, as(ana), access.RequestFilter{Stuck: true}, false)
			listed := slices.ContainsFunc(stuck, func(s access.Request) bool { return s.ID == r.ID })
			if err != nil || recorded != tt.locks || listed != tt.locks {
				t.Errorf("%s: recorded %v, listed %v, %v", name, recorded, listed, err)
			}
			v, err = w.svc.Review(ctx, who, r.ID)
			if err != nil || v.Next != nil {
				t.Errorf("%s: after the last step comes %+v, %v", name, v.Next, err)
			}
		}
		for who, want := range map[identity.PersonID]int{ana: 3, olga: 3, bo: 0, rita: 0} {
			if got, err := w.svc.Requests(ctx, as(who), access.RequestFilter{Stuck: true}, false); err != nil || len(got) != want {
				t.Errorf("%s is told of %d, %v", who, len(got), err)
			}
		}
	})
}

// A request that a workflow is deciding is not one that nobody decides; one whose
// workflow failed is.
func TestWorkflowThatFailedDecidesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		r := w.file(rita, access.Ask{Role: w.role(access.Policy{Longest: time.Hour, Steps: []access.Step{{Workflow: "wfl_a"}}})})
		stuck := func() int {
			t.Helper()
			got, err := w.svc.Requests(t.Context(), as(ana), access.RequestFilter{Stuck: true}, false)
			w.must(err)
			return len(got)
		}
		if n := stuck(); n != 0 {
			t.Errorf("%d while it is asked", n)
		}
		_, err := w.svc.ReportAnswer(t.Context(), access.Answer{Run: r.Asked[0].Run, Request: r.ID, Problem: &access.Problem{Code: "threw", Message: "It threw."}})
		w.must(err)
		if n := stuck(); n != 1 {
			t.Errorf("%d when it failed", n)
		}
	})
}

package access_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// told are the sentences of an edit that is refused.
func told(err error) []string {
	f := fault.Public(err)
	list := []string{f.Message}
	for _, m := range f.Fields() {
		list = append(list, m.Message)
	}
	return list
}

// Two administrators edit one thing at once: the second is told what the first
// saved, and undoes nothing of it. What names no version changes only what it
// gives.
func TestEditedMeanwhile(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		other := as(bo)
		other.Admin = true
		g, err := w.ids.AddGroup(ctx, as(ana), "Finance", "", []identity.PersonID{rita})
		w.must(err)
		role, err := w.svc.Role(ctx, w.role(access.Policy{Longest: time.Hour, Steps: []access.Step{by(bo)}}))
		w.must(err)
		policy, err := w.svc.Policy(ctx, role.Policy)
		w.must(err)
		profile, err := w.svc.SaveProfile(ctx, as(ana), access.Profile{Name: "F", Groups: []identity.GroupID{g.ID}})
		w.must(err)
		w.pass(time.Minute)

		for name, tt := range map[string]struct {
			first  func() error // somebody else saves something
			second func() error // who opened it before saves something else
			merged func() error // who names no version saves the same
			want   []string
			kept   func() bool // both are there
		}{
			"app": {
				first: func() error {
					_, err := w.svc.ChangeApp(ctx, other, w.app.ID, 1, func(a *access.App) { a.Owners = nil })
					return err
				},
				second: func() error {
					a := w.app
					a.Name = "BI"
					_, err := w.svc.SaveApp(ctx, as(ana), a)
					return err
				},
				merged: func() error {
					_, err := w.svc.ChangeApp(ctx, as(ana), w.app.ID, 0, func(a *access.App) { a.Name = "BI" })
					return err
				},
				want: []string{
					"usr_bo saved this app at 2026-03-02 09:01:00 UTC, after you opened it.",
					"Name: “Tableau” is stored now; you have “BI”.", "Owners: nothing is stored now; you have “usr_olga”.",
				},
				kept: func() bool {
					a, err := w.svc.App(ctx, w.app.ID)
					return err == nil && a.Name == "BI" && len(a.Owners) == 0 && a.Version == 3 && a.SavedBy == ana && a.CreatedAt.Equal(w.app.CreatedAt)
				},
			},
			"role": {
				first: func() error {
					_, err := w.svc.ChangeRole(ctx, other, w.app.ID, role.ID, 0, func(r *access.Role) { r.Closed = true })
					return err
				},
				second: func() error {
					r := role
					r.Description = "Builds dashboards"
					_, err := w.svc.SaveRole(ctx, as(ana), r)
					return err
				},
				merged: func() error {
					_, err := w.svc.ChangeRole(ctx, as(ana), w.app.ID, role.ID, 2, func(r *access.Role) { r.Description = "Builds dashboards" })
					return err
				},
				want: []string{
					"usr_bo saved this role at 2026-03-02 09:01:00 UTC, after you opened it.",
					"What it gives: nothing is stored now; you have “Builds dashboards”.", "It can be asked for: “no” is stored now; you have “yes”.",
				},
				kept: func() bool {
					r, err := w.svc.Role(ctx, role.ID)
					return err == nil && r.Closed && r.Description != "" && r.Version == 3
				},
			},
			"policy": {
				first: func() error {
					_, _, err := w.svc.ChangePolicy(ctx, other, policy.ID, 1, false, func(p *access.Policy) { p.Steps = []access.Step{by(bo, cy)} })
					return err
				},
				second: func() error {
					p := policy
					p.Longest = 2 * time.Hour
					_, previewed := w.svc.PreviewPolicy(ctx, as(ana), p)
					_, err := w.svc.SavePolicy(ctx, as(ana), p)
					if fault.Public(previewed).Message != fault.Public(err).Message {
						t.Errorf("a preview says %v", previewed)
					}
					return err
				},
				merged: func() error {
					longer := func(p *access.Policy) { p.Longest = 2 * time.Hour }
					dry, _, err := w.svc.ChangePolicy(ctx, as(ana), policy.ID, 0, true, longer)
					w.must(err)
					_, i, err := w.svc.ChangePolicy(ctx, as(ana), policy.ID, 0, false, longer)
					if dry.Version != 3 || len(i.Changes) != 2 || i.Changes[0] != (access.PolicyChange{What: "Longest", Before: "1 h", After: "2 h"}) {
						t.Errorf("it would be version %d, and changes %+v", dry.Version, i.Changes)
					}
					return err
				},
				want: []string{
					"usr_bo saved this policy at 2026-03-02 09:01:00 UTC, after you opened it.", "Step 1: it was “usr_bo”; “usr_bo or usr_cy” is stored now.",
				},
				kept: func() bool {
					p, err := w.svc.Policy(ctx, policy.ID)
					return err == nil && p.Longest == 2*time.Hour && len(p.Steps[0].Approvers) == 2 && p.Version == 3
				},
			},
			"profile": {
				first: func() error {
					_, err := w.svc.ChangeProfile(ctx, as(ana), profile.ID, 1, func(p *access.Profile) { p.WhomToAsk = "Ask Bo." })
					return err
				},
				second: func() error {
					_, err := w.svc.ChangeProfile(ctx, as(ana), profile.ID, 1, func(p *access.Profile) { p.Name = "Finance" })
					return err
				},
				merged: func() error {
					_, err := w.svc.ChangeProfile(ctx, as(ana), profile.ID, 0, func(p *access.Profile) { p.Name = "Finance" })
					return err
				},
				want: []string{"You saved this profile at 2026-03-02 09:01:00 UTC, after you opened it.", "Name: “F” is stored now; you have “Finance”."},
				kept: func() bool {
					p, err := w.svc.Profile(ctx, profile.ID)
					return err == nil && p.Name == "Finance" && p.WhomToAsk == "Ask Bo." && p.Version == 3
				},
			},
		} {
			w.must(tt.first())
			err := tt.second()
			if f := fault.Public(err); !errors.Is(err, fault.Conflict) || f.Code != "conflict" || f.Hint == "" || !slices.Equal(told(err), tt.want) {
				t.Errorf("%s: %v %q", name, f.Code, told(err))
			}
			if err := tt.merged(); err != nil || !tt.kept() {
				t.Errorf("%s: merged: %v, both kept: %v", name, err, tt.kept())
			}
		}
	})
}

// Many edit at once and name no version: nothing of what anybody gives is lost.
func TestEditsAreMerged(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		everybody := []identity.PersonID{bo, cy, rita, sam}
		var wg sync.WaitGroup
		for _, id := range everybody {
			wg.Go(func() {
				if _, err := w.svc.ChangeApp(t.Context(), as(ana), w.app.ID, 0, func(a *access.App) { a.Owners = append(slices.Clone(a.Owners), id) }); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			if _, err := w.svc.AssignWorkflows(t.Context(), as(ana), w.app.ID, nil, access.Workflows{Deprovision: "wfl_p"}); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()

		a, err := w.svc.App(t.Context(), w.app.ID)
		w.must(err)
		if len(a.Owners) != 5 || a.Version != 6 {
			t.Errorf("version %d, owned by %v", a.Version, a.Owners)
		}
	})
}

// What a form edits of an app and of how it is carried out is kept whole or not
// at all, and an edit of the one is seen by who edits the other.
func TestEditOfHowItIsCarriedOut(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		role, err := w.svc.Role(ctx, w.role(access.Policy{Longest: time.Hour}))
		w.must(err)
		byHand := func(people ...identity.PersonID) access.Provisioning {
			return access.Provisioning{Method: access.MethodManual, People: people}
		}
		renamed := w.app
		renamed.Name = "BI"
		described := role
		described.Description = "Builds dashboards"
		saveApp := func(p access.Provisioning) error {
			_, err := w.svc.SaveAppWith(ctx, as(ana), renamed, p)
			return err
		}
		saveRole := func(p access.Provisioning) error {
			_, err := w.svc.SaveRoleWith(ctx, as(ana), described, p)
			return err
		}
		if err := errors.Join(saveApp(byHand("usr_nobody")), saveRole(byHand("usr_nobody"))); !errors.Is(err, fault.NotFound) {
			t.Fatalf("by somebody who is not there: %v", err)
		}
		renamed.Connection = ""
		if got := told(saveApp(byHand())); len(got) != 3 {
			t.Errorf("all that is wrong at once: %q", got)
		}
		renamed.Connection = w.app.Connection
		a, err := w.svc.App(ctx, w.app.ID)
		r, wrong := w.svc.Role(ctx, role.ID)
		if err := errors.Join(err, wrong); err != nil || a.Name != "Tableau" || r.Description != "" {
			t.Fatalf("a part was kept: %+v, %+v, %v", a, r, err)
		}

		w.must(saveApp(byHand(bo)))
		w.must(saveRole(byHand(cy)))
		renamed.Version, described.Version = 2, 2
		set := func(role access.RoleID, p access.Provisioning) {
			t.Helper()
			for range 2 { // the second changes nothing
				_, err := w.svc.SaveProvisioning(ctx, as(ana), w.app.ID, role, p)
				w.must(err)
			}
		}
		saw := func(version int, p access.Provisioning) access.Provisioning {
			p.Version = version
			return p
		}
		set("", saw(2, access.Provisioning{Method: access.MethodWorkflows}))
		set(role.ID, saw(2, byHand(sam)))
		for what, err := range map[string]error{
			"How it is carried out: “by workflows” is stored now; you have “by hand”.": saveApp(byHand(bo)),
			"By: “usr_sam” is stored now; you have “usr_cy”.":                          saveRole(byHand(cy)),
		} {
			if got := told(err); !errors.Is(err, fault.Conflict) || !slices.Contains(got, what) {
				t.Errorf("%q", got)
			}
		}
		for role, what := range map[access.RoleID]string{
			"":      "How it is carried out: “by workflows” is stored now; you have “by hand”.",
			role.ID: "By: “usr_sam” is stored now; you have “usr_rita”.",
		} {
			_, err := w.svc.SaveProvisioning(ctx, as(ana), w.app.ID, role, saw(2, byHand(rita)))
			if got := told(err); !errors.Is(err, fault.Conflict) || !strings.HasPrefix(got[0], "You saved this ") || !slices.Contains(got, what) {
				t.Errorf("two who say at once how it is carried out: %q", got)
			}
		}
		renamed.Version, described.Version = 3, 3
		w.must(errors.Join(saveApp(byHand(bo)), saveRole(access.Provisioning{})))
		ofApp, err := w.svc.Provisioning(ctx, w.app.ID, "")
		ofRole, wrong := w.svc.Provisioning(ctx, w.app.ID, role.ID)
		if err := errors.Join(err, wrong); err != nil || len(ofApp.People) != 1 || ofRole.Method != access.MethodInherit || ofApp.Version != 4 || ofRole.Version != 4 || ofRole.SavedBy != ana {
			t.Errorf("%+v, %+v, %v", ofApp, ofRole, err)
		}
		_, err = w.svc.SaveAppWith(ctx, with(ana, identity.ScopeAccessRead), renamed, byHand())
		if !errors.Is(err, fault.Forbidden) {
			t.Errorf("without the scope: %v", err)
		}
	})
}

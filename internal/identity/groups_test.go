package identity_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// admin is Ana, who may manage everything.
func admin() identity.Actor {
	return identity.Actor{Person: "ana", Admin: true, Scopes: []identity.Scope{identity.ScopeAdmin}}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		svc := newService(t, db, identity.Person{ID: "ana", Admin: true}, identity.Person{ID: "bo"}, identity.Person{ID: "cy"})
		g, err := svc.AddGroup(ctx, admin(), " Finance ", "", []identity.PersonID{"cy", "bo", "cy"})
		if err != nil || g.Name != "Finance" || !slices.Equal(g.Members, []identity.PersonID{"bo", "cy"}) || !g.Has("bo") || g.Has("ana") {
			t.Fatalf("%+v, %v", g, err)
		}
		for name, kind := range map[string]fault.Kind{"finance": fault.Conflict, " ": fault.Invalid, "a\x00": fault.Invalid, strings.Repeat("é", 256): fault.Invalid} {
			if _, err := svc.AddGroup(ctx, admin(), name, "", nil); fault.KindOf(err) != kind {
				t.Errorf("%q: %v", name, err)
			}
		}
		if _, err := svc.AddGroup(ctx, admin(), "x", "", []identity.PersonID{"eve"}); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a member who is nobody: %v", err)
		}
		if _, err := svc.AddGroup(ctx, identity.Actor{Person: "bo", Scopes: []identity.Scope{identity.ScopeAdmin}}, "x", "", nil); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("somebody who is no administrator: %v", err)
		}
		if _, err := svc.ChangeGroup(ctx, admin(), g.ID, identity.GroupChange{Add: []identity.PersonID{"ana"}, Remove: []identity.PersonID{"bo"}}); err != nil {
			t.Fatal(err)
		}
		kept, err := svc.Group(ctx, g.ID)
		if err != nil || !slices.Equal(kept.Members, []identity.PersonID{"ana", "cy"}) {
			t.Errorf("%+v, %v", kept, err)
		}
		events, err := db.Events(ctx, audit.Filter{Limit: 1})
		if err != nil || events[0].Kind != identity.GroupChanged || events[0].Data["joined"] != "ana" || events[0].Data["left"] != "bo" {
			t.Errorf("%+v, %v", events, err)
		}
	})
}

func TestManager(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		svc := newService(t, db, identity.Person{ID: "ana", Admin: true}, identity.Person{ID: "bo"})
		for manager, kind := range map[identity.PersonID]fault.Kind{"ana": "", "": "", "bo": fault.Invalid, "eve": fault.NotFound} {
			p, err := svc.ChangePerson(t.Context(), admin(), "bo", identity.Change{Manager: &manager})
			if fault.KindOf(err) != kind || err == nil && p.Manager != manager {
				t.Errorf("%q: %q, %v", manager, p.Manager, err)
			}
		}
	})
}

// Reports go through those who have left, and end where people manage each other.
func TestReports(t *testing.T) {
	t.Parallel()
	people := []identity.Person{
		{ID: "a", Manager: "z"}, {ID: "gone", Manager: "a", Disabled: true}, {ID: "b", Manager: "gone"}, {ID: "c", Manager: "b"}, {ID: "z", Manager: "a", Disabled: true},
	}
	got := identity.Reports("a", func(m identity.PersonID) []identity.Person {
		return slices.DeleteFunc(slices.Clone(people), func(p identity.Person) bool { return p.Manager != m })
	})
	if want := []identity.PersonID{"b", "gone", "z"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestImportPeople(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		file    string
		want    string // added, changed, unchanged
		wrong   []string
		changes string
	}{
		{name: "added, with a manager below them", file: "email,name,manager\neve@acme.example,Eve,max@acme.example\nmax@acme.example,Max,\n", want: "2 0 0"},
		{name: "columns in any order, semicolons", file: "\ufeffName;E-mail\n", wrong: []string{`Line 1: there is no column "E-mail"`}},
		{name: "semicolons", file: "Name;Email\r\nIda;ida@acme.example\r\n", want: "1 0 0"},
		{name: "changed", file: "email,name,manager\nBO@acme.example,Bo B.,ana@acme.example", want: "0 1 0", changes: "name: bo → Bo B. manager: ana@acme.example"},
		{name: "nothing new", file: "email,name\nbo@acme.example,\nana@acme.example,ana\n\n", want: "0 0 2"},
		{name: "groups", file: "email,groups\nbo@acme.example,Finance; new group\n", want: "0 1 0", changes: "joins Finance joins new group"},
		{
			name: "each bad line is named", file: "email,name,manager\neve,Eve,\nok@acme.example,,\nbo@acme.example,,nobody@acme.example\nok@acme.example,,\n,x,\nana@acme.example,,ana@acme.example\n",
			wrong: []string{"Line 6: email is empty."},
		},
		{
			name: "each bad row is named", file: "email,name,manager\neve,Eve,\nok@acme.example,,\nbo@acme.example,,nobody@acme.example\nok@acme.example,,\nana@acme.example,,ana@acme.example\n",
			wrong: []string{"Line 2: ", "Line 4: ", "Line 5: ", "Line 6: "},
		},
		{name: "too many cells", file: "email\neve@acme.example,Eve\n", wrong: []string{"Line 2: there are more cells"}},
		{name: "a quote not closed", file: "email,name\neve@acme.example,\"Eve\n", wrong: []string{"Line 2 cannot be read"}},
		{name: "no such column", file: "email,boss\n", wrong: []string{`Line 1: there is no column "boss"`}},
		{name: "twice", file: "email,email\n", wrong: []string{"Line 1: the column email is there twice."}},
		{name: "without e-mail", file: "name\n", wrong: []string{"Line 1: the column email is missing."}},
		{name: "empty", file: "", wrong: []string{"no first line"}},
		{name: "not UTF-8", file: "email\n\xff@acme.example", wrong: []string{"UTF-8"}},
		{name: "a name too long", file: "email,name\nbo@acme.example," + strings.Repeat("x", 256), wrong: []string{"Line 2: A name has at most 255"}},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		svc := newService(t, db, identity.Person{ID: "ana", Admin: true}, identity.Person{ID: "bo"})
		if _, err := svc.AddGroup(t.Context(), admin(), "finance", "", nil); err != nil {
			t.Fatal(err)
		}
		for _, tt := range tests { // in this order: each goes on from the one before
			t.Run(tt.name, func(t *testing.T) {
				ctx := t.Context()
				before, err := db.Directory(ctx)
				if err != nil {
					t.Fatal(err)
				}
				would, dryErr := svc.ImportPeople(ctx, admin(), tt.file, true)
				unchanged(t, db, before)
				done, err := svc.ImportPeople(ctx, admin(), tt.file, false)
				if len(tt.wrong) > 0 {
					if !errors.Is(err, fault.Invalid) || !errors.Is(dryErr, fault.Invalid) {
						t.Fatalf("%v, dry %v", err, dryErr)
					}
					fields := fault.Public(err).Fields()
					for i, want := range tt.wrong {
						if len(fields) != len(tt.wrong) || !strings.Contains(fields[i].Message, want) {
							t.Errorf("%v, want %q", fields, tt.wrong)
						}
					}
					unchanged(t, db, before)
					return
				}
				if err != nil || dryErr != nil {
					t.Fatalf("%v, dry %v", err, dryErr)
				}
				var changes []string
				for _, l := range done.Lines {
					changes = append(changes, l.Changes...)
				}
				if got := fmt.Sprint(done.Added, done.Changed, done.Unchanged); got != tt.want || fmt.Sprint(would.Added, would.Changed, would.Unchanged) != tt.want ||
					tt.changes != "" && !strings.EqualFold(strings.Join(changes, " "), tt.changes) {
					t.Errorf("%s %q, want %s %q; dry %+v", got, changes, tt.want, tt.changes, would)
				}
				again, err := svc.ImportPeople(ctx, admin(), tt.file, false)
				if err != nil || again.Added+again.Changed != 0 {
					t.Errorf("the same file again: %+v, %v", again, err)
				}
			})
		}
	})
}

func unchanged(t *testing.T, db *store.DB, before identity.Directory) {
	t.Helper()
	after, err := db.Directory(t.Context())
	if err != nil || fmt.Sprintf("%+v", after) != fmt.Sprintf("%+v", before) {
		t.Errorf("the directory changed: %+v, %v", after, err)
	}
}

func TestImportGroups(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		svc := newService(t, db, identity.Person{ID: "ana", Admin: true}, identity.Person{ID: "bo"}, identity.Person{ID: "cy"})
		g, err := svc.AddGroup(ctx, admin(), "Finance", "", []identity.PersonID{"bo"})
		if err != nil {
			t.Fatal(err)
		}
		file := "group,member,description\nfinance,cy@acme.example,Money\nSales,ana@acme.example,\nSales,bo@acme.example,\nEmpty,,nobody yet\n"
		members := func(want ...identity.PersonID) {
			t.Helper()
			kept, err := svc.Group(ctx, g.ID)
			if err != nil || !slices.Equal(kept.Members, want) || kept.Description != "Money" {
				t.Errorf("%+v, %v", kept, err)
			}
		}

		done, err := svc.ImportGroups(ctx, admin(), file, false, false)
		if err != nil || done.Added != 2 || done.Changed != 1 {
			t.Errorf("%+v, %v", done, err)
		}
		members("bo", "cy")
		done, err = svc.ImportGroups(ctx, admin(), file, true, false)
		if err != nil || done.Changed != 1 || done.Unchanged != 2 || !slices.Equal(done.Lines[0].Changes, []string{"bo@acme.example leaves"}) {
			t.Errorf("%+v, %v", done, err)
		}
		members("cy")
		if _, err := svc.ImportGroups(ctx, admin(), "group,member\nSales,eve@acme.example\n", false, false); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "Line 2: there is nobody") {
			t.Errorf("a member who is nobody: %v", err)
		}
		if all, err := svc.Groups(ctx); err != nil || len(all) != 3 {
			t.Errorf("%d groups, %v", len(all), err)
		}
		if _, err := db.VerifyEvents(ctx); err != nil {
			t.Error(err)
		}
	})
}

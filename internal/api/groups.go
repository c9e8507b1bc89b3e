package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/identity"
)

func (s *server) groups() {
	register(s, http.MethodPost, "/people/import", "import-people", "Add and change people by a CSV file", http.StatusOK, s.importPeople)
	register(s, http.MethodPost, "/people/{id}/disable", "disable-person", "Disable somebody, and say what becomes of what they have", http.StatusOK, s.disablePerson)
	register(s, http.MethodGet, "/groups", "list-groups", "List the groups of people", http.StatusOK, s.listGroups)
	register(s, http.MethodPost, "/groups", "add-group", "Make a group", http.StatusCreated, s.addGroup)
	register(s, http.MethodPost, "/groups/import", "import-groups", "Add groups and members by a CSV file", http.StatusOK, s.importGroups)
	register(s, http.MethodGet, "/groups/{id}", "get-group", "Show one group", http.StatusOK, s.getGroup)
	register(s, http.MethodPatch, "/groups/{id}", "change-group", "Change a group", http.StatusOK, s.changeGroup)
}

func groupOf(g identity.Group) wire.Group {
	return wire.Group{ID: string(g.ID), Name: g.Name, Description: g.Description, MemberIDs: texts(g.Members), CreatedAt: g.CreatedAt}
}

func (s *server) listGroups(ctx context.Context, who identity.Actor, _ *nothing) (*body[wire.List[wire.Group]], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	groups, err := s.Identity.Groups(ctx)
	return listOf(groups, groupOf), err
}

func (s *server) addGroup(ctx context.Context, who identity.Actor, in *with[wire.NewGroup]) (*body[wire.Group], error) {
	g, err := s.Identity.AddGroup(ctx, who, in.Body.Name, in.Body.Description, ids[identity.PersonID](in.Body.MemberIDs))
	return answer(groupOf(g)), err
}

func (s *server) getGroup(ctx context.Context, who identity.Actor, in *one) (*body[wire.Group], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	g, err := s.Identity.Group(ctx, identity.GroupID(in.ID))
	return answer(groupOf(g)), err
}

func (s *server) changeGroup(ctx context.Context, who identity.Actor, in *oneWith[wire.ChangedGroup]) (*body[wire.Group], error) {
	c := identity.GroupChange{
		Name: in.Body.Name, Description: in.Body.Description,
		Add: ids[identity.PersonID](in.Body.AddIDs), Remove: ids[identity.PersonID](in.Body.RemoveIDs),
	}
	if in.Body.MemberIDs != nil {
		c.Members = new(ids[identity.PersonID](*in.Body.MemberIDs))
	}
	g, err := s.Identity.ChangeGroup(ctx, who, identity.GroupID(in.ID), c)
	return answer(groupOf(g)), err
}

type importing struct {
	DryRun
	Body wire.Import
}

func (s *server) importPeople(ctx context.Context, who identity.Actor, in *importing) (*body[wire.Imported], error) {
	done, err := s.Identity.ImportPeople(ctx, who, in.Body.CSV, in.Dry)
	return answer(importedOf(done, in.Dry)), err
}

func (s *server) importGroups(ctx context.Context, who identity.Actor, in *importing) (*body[wire.Imported], error) {
	done, err := s.Identity.ImportGroups(ctx, who, in.Body.CSV, in.Body.Replace, in.Dry)
	return answer(importedOf(done, in.Dry)), err
}

func importedOf(done identity.Imported, dry bool) wire.Imported {
	out := wire.Imported{DryRun: dry, Added: done.Added, Changed: done.Changed, Unchanged: done.Unchanged, Lines: []wire.ImportedLine{}}
	for _, l := range done.Lines {
		line := wire.ImportedLine{Line: l.Line, What: l.What, Act: "change", Changes: append([]string{}, l.Changes...)}
		if l.Added {
			line.Act = "add"
		}
		out.Lines = append(out.Lines, line)
	}
	return out
}

type disabling struct {
	DryRun
	ID   string `path:"id"`
	Body *wire.Disabling
}

// disablePerson disables somebody, takes back what waits for them and, when that
// is asked for, ends their access: all in one change.
func (s *server) disablePerson(ctx context.Context, who identity.Actor, in *disabling) (*body[wire.Disabled], error) {
	id, end := identity.PersonID(in.ID), in.Body != nil && in.Body.EndAccess
	tokens, err := s.Identity.CountTokens(ctx, id)
	if err != nil {
		return nil, err
	}
	left, err := s.disable(ctx, who, id, end, in.Dry)
	if err != nil {
		return nil, err
	}
	out := wire.Disabled{
		DryRun: in.Dry, Person: personOf(left.Person), Tokens: tokens, RequestIDs: texts(left.Withdrawn), EndedIDs: grantIDs(left.Ended), RemainingIDs: grantIDs(left.Grants),
	}
	out.Sentence = disabledSentence(out)
	return answer(out), nil
}

func (s *server) disable(ctx context.Context, who identity.Actor, id identity.PersonID, end, dry bool) (access.Leaving, error) {
	if !dry {
		return s.Access.Disable(ctx, who, id, identity.Change{}, end)
	}
	p, err := s.Identity.CheckChange(ctx, who, id, identity.Change{Disabled: new(true)})
	if err != nil {
		return access.Leaving{}, err
	}
	left, err := s.Access.Holds(ctx, who, id, end)
	left.Person = p
	return left, err
}

func grantIDs(grants []access.Grant) []string {
	list := make([]string, len(grants))
	for i, g := range grants {
		list[i] = string(g.ID)
	}
	return list
}

// disabledSentence says what disabling somebody does.
func disabledSentence(d wire.Disabled) string {
	form := "%s cannot sign in, ask or decide any more; %s, %s, %s."
	if d.DryRun {
		form = "%s could not sign in, ask or decide any more; it would be: %s, %s, %s."
	}
	access := count(len(d.EndedIDs), "grant") + " ended"
	if n := len(d.RemainingIDs); n > 0 {
		access = count(n, "grant") + " kept until the end of its time"
	}
	if len(d.RemainingIDs) > 0 && len(d.EndedIDs) > 0 {
		access += ", " + count(len(d.EndedIDs), "scheduled grant") + " withdrawn"
	}
	return fmt.Sprintf(form, d.Person.Name, count(d.Tokens, "token")+" without effect", count(len(d.RequestIDs), "waiting request")+" withdrawn", access)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

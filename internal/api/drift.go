package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

func (s *server) driftRoutes() {
	register(s, http.MethodPost, "/apps/{id}/drift", "compare-app", "Compare what was granted in an app with what the system says", http.StatusAccepted, s.compareApp)
	register(s, http.MethodGet, "/apps/{id}/drift", "list-comparisons", "List the comparisons of an app, newest first", http.StatusOK, s.listComparisons)
	register(s, http.MethodGet, "/apps/{id}/drift/{comparison}", "get-comparison", "Show one comparison, or the latest", http.StatusOK, s.getComparison)
	register(s, http.MethodGet, "/apps/{id}/drift/{comparison}/differences", "list-differences", "List what a comparison found, what asks for a decision first", http.StatusOK, s.listDifferences)
	register(s, http.MethodPost, "/apps/{id}/drift/differences/{difference}/resolve", "resolve-difference", "Settle a difference", http.StatusAccepted, s.resolveDifference)
	register(s, http.MethodPost, "/grants/{id}/accept", "accept-change", "Take what somebody changed in the system as the end of a grant", http.StatusOK, s.acceptChange)
	register(s, http.MethodPost, "/grants/{id}/restore", "restore-grant", "Set up once more what somebody changed in the system", http.StatusAccepted, s.restoreGrant)
}

func comparisonOf(c access.Comparison) wire.Comparison {
	text := c.State.Text()
	out := wire.Comparison{
		ID: string(c.ID), AppID: string(c.App), ConnectionID: c.Connection, State: string(c.State), Sentence: text.Sentence, Next: actsOf(text.Next),
		StartedByID: string(c.By), StartedAt: c.StartedAt, EndedAt: timeOrNil(c.EndedAt), Read: c.Read, Of: c.Of, Counts: wire.DriftCounts(c.Counts),
	}
	if c.Problem.Message != "" {
		out.Problem = &wire.Fault{Code: c.Problem.Code, Message: c.Problem.Message, Hint: c.Problem.Hint, Detail: c.Problem.Detail}
	}
	return out
}

func actsOf(acts []access.Act) []wire.Act {
	out := make([]wire.Act, len(acts))
	for i, a := range acts {
		out[i] = wire.Act(a)
	}
	return out
}

// endDifference is what ending is called as a way to settle a difference.
const endDifference = "end"

func differenceOf(d access.ShownDifference) wire.Difference {
	text := d.Kind.Text()
	out := wire.Difference{
		ID: string(d.ID), ComparisonID: string(d.Comparison), AppID: string(d.App), Kind: string(d.Kind), Sentence: text.Sentence, GrantID: string(d.Grant),
		GrantState: string(d.State), PersonID: string(d.Person), UserID: d.User, UserName: d.UserName, Granted: d.Granted, Found: d.Found, Since: d.Since,
		Settled: d.Settled, Next: []wire.Act{},
	}
	if d.Settled || d.Grant == "" {
		return out
	}
	for _, a := range text.Next {
		if a == access.ActRevoke {
			a.Code = endDifference
		}
		out.Next = append(out.Next, wire.Act(a))
	}
	return out
}

func (s *server) compareApp(ctx context.Context, who identity.Actor, in *one) (*body[wire.Comparison], error) {
	c, joined, err := s.Access.StartComparison(ctx, who, access.AppID(in.ID))
	out := comparisonOf(c)
	out.Joined = joined
	return answer(out), err
}

type comparisonPage struct {
	Page
	ID string `path:"id"`
}

func (s *server) listComparisons(ctx context.Context, who identity.Actor, in *comparisonPage) (*body[wire.List[wire.Comparison]], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	if err := in.check("cmp"); err != nil {
		return nil, err
	}
	list, err := s.Access.Comparisons(ctx, who, access.AppID(in.ID), in.Limit+1, access.ComparisonID(in.Cursor))
	return pageOf(list, in.Limit, func(c access.Comparison) string { return string(c.ID) }, comparisonOf), err
}

type oneComparison struct {
	ID         string `path:"id"`
	Comparison string `path:"comparison" doc:"An id, or latest"`
}

// comparison returns the comparison of the id, or the latest.
func (s *server) comparison(ctx context.Context, who identity.Actor, app, id string) (access.Comparison, error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return access.Comparison{}, err
	}
	if id != "latest" {
		return s.Access.Comparison(ctx, who, access.AppID(app), access.ComparisonID(id))
	}
	list, err := s.Access.Comparisons(ctx, who, access.AppID(app), 1, "")
	if err == nil && len(list) == 0 {
		return access.Comparison{}, fault.New(fault.NotFound, "This app has never been compared.").WithCode("never_compared").
			WithHint("Compare it: margay tableau drift run APP")
	}
	if err != nil {
		return access.Comparison{}, err
	}
	return list[0], nil
}

func (s *server) getComparison(ctx context.Context, who identity.Actor, in *oneComparison) (*body[wire.Comparison], error) {
	c, err := s.comparison(ctx, who, in.ID, in.Comparison)
	return answer(comparisonOf(c)), err
}

type differencePage struct {
	Page
	ID         string `path:"id"`
	Comparison string `path:"comparison" doc:"An id, or latest"`
	Kind       string `query:"kind" doc:"One or more kinds, separated by commas"`
}

func (s *server) listDifferences(ctx context.Context, who identity.Actor, in *differencePage) (*body[wire.List[wire.Difference]], error) {
	if err := in.check("dif"); err != nil {
		return nil, err
	}
	c, err := s.comparison(ctx, who, in.ID, in.Comparison)
	if err != nil {
		return nil, err
	}
	f := access.DifferenceFilter{Comparison: c.ID, Limit: in.Limit + 1, After: access.DifferenceID(in.Cursor)}
	if in.Kind != "" {
		f.Kinds = ids[access.DifferenceKind](strings.Split(in.Kind, ","))
	}
	for _, kind := range f.Kinds {
		if !slices.ContainsFunc(access.DifferenceKinds(), func(t access.StateText) bool { return t.Code == string(kind) }) {
			return nil, fault.Field("kind", "A difference is role_differs, user_gone, user_not_found or unmanaged.")
		}
	}
	list, err := s.Access.Differences(ctx, who, access.AppID(in.ID), f)
	return pageOf(list, in.Limit, func(d access.ShownDifference) string { return string(d.ID) }, differenceOf), err
}

type resolution struct {
	ID         string `path:"id"`
	Difference string `path:"difference"`
	Body       wire.Resolution
}

func (s *server) resolveDifference(ctx context.Context, who identity.Actor, in *resolution) (*body[wire.Grant], error) {
	how := access.Act{}
	switch in.Body.How {
	case access.ActAccept.Code:
		how = access.ActAccept
	case access.ActRestore.Code:
		how = access.ActRestore
	case endDifference:
		how = access.ActRevoke
	}
	g, err := s.Access.Resolve(ctx, who, access.AppID(in.ID), access.DifferenceID(in.Difference), how, strings.TrimSpace(in.Body.Reason))
	return answer(grantOf(g)), err
}

// settlement is a decision on a change, whose body may be left out.
type settlement struct {
	ID   string `path:"id"`
	Body *wire.Settlement
}

// decision returns why it is settled, and what the one who settles it saw.
func (in *settlement) decision() (note string, seen *string) {
	if in.Body == nil {
		return "", nil
	}
	return strings.TrimSpace(in.Body.Reason), in.Body.Found
}

func (s *server) acceptChange(ctx context.Context, who identity.Actor, in *settlement) (*body[wire.Grant], error) {
	note, seen := in.decision()
	g, err := s.Access.AcceptChange(ctx, who, access.GrantID(in.ID), note, seen)
	return answer(grantOf(g)), err
}

func (s *server) restoreGrant(ctx context.Context, who identity.Actor, in *settlement) (*body[wire.Grant], error) {
	note, seen := in.decision()
	g, err := s.Access.Restore(ctx, who, access.GrantID(in.ID), note, seen)
	return answer(grantOf(g)), err
}

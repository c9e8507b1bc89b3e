package api

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/export"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

// historyRoutes adds the one answer that is JSON or CSV.
func (s *server) historyRoutes() {
	registry := s.api.OpenAPI().Components.Schemas
	registerAs(s, func(op *huma.Operation) {
		op.Responses = map[string]*huma.Response{"200": {
			Description: "One page as JSON, or all rows as CSV",
			Content: map[string]*huma.MediaType{
				"application/json": {Schema: registry.Schema(reflect.TypeFor[wire.List[wire.HistoryRow]](), true, "RoleHistory")},
				"text/csv":         {Schema: &huma.Schema{Type: huma.TypeString}},
			},
		}}
	}, http.MethodGet, "/apps/{id}/history", "app-history", "Who had which role of an app, who agreed and what the system answered", http.StatusOK, s.appHistory)
}

type historyPage struct {
	Page
	ID     string    `path:"id"`
	Person string    `query:"person_id"`
	Role   string    `query:"role" doc:"A role by its name"`
	From   time.Time `query:"from" doc:"Only access that was there at this time or later"`
	Until  time.Time `query:"to" doc:"Only access that was there before this time"`
	Format string    `query:"format" enum:",json,csv" doc:"csv: all rows at once, as with Accept: text/csv"`
	Accept string    `header:"Accept"`
}

func (p *historyPage) csv() bool {
	return p.Format == "csv" || p.Format == "" && strings.HasPrefix(strings.TrimSpace(p.Accept), "text/csv")
}

func (s *server) appHistory(ctx context.Context, who identity.Actor, in *historyPage) (*huma.StreamResponse, error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	if err := in.check("grt"); err != nil {
		return nil, err
	}
	if !in.From.IsZero() && !in.Until.IsZero() && !in.From.Before(in.Until) {
		return nil, fault.Field("to", "The end of the time lies before its begin.")
	}
	f := access.HistoryFilter{
		App: access.AppID(in.ID), Person: identity.PersonID(in.Person), RoleName: in.Role, From: in.From, Until: in.Until, Limit: in.Limit + 1, Before: access.GrantID(in.Cursor),
	}
	rows, err := s.Access.History(ctx, who, f)
	if err != nil {
		return nil, err
	}
	names, err := s.names(ctx)
	if err != nil {
		return nil, err
	}
	if in.csv() {
		return s.historyCSV(ctx, who, f, names)
	}
	page := pageOf(rows, in.Limit, func(h access.History) string { return string(h.Grant.ID) }, func(h access.History) wire.HistoryRow { return historyOf(h, names) })
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", "application/json")
		_ = json.NewEncoder(hc.BodyWriter()).Encode(page.Body) // the caller may be gone
	}}, nil
}

// names returns how people and apps are called.
func (s *server) names(ctx context.Context) (access.HistoryNames, error) {
	all, err := s.Identity.People(ctx)
	if err != nil {
		return access.HistoryNames{}, err
	}
	people := make(map[identity.PersonID]identity.Person, len(all))
	for _, p := range all {
		people[p.ID] = p
	}
	list, err := s.Access.Apps(ctx)
	apps := make(map[access.AppID]string, len(list))
	for _, a := range list {
		apps[a.ID] = a.Name
	}
	return access.HistoryNames{
		Person: func(id identity.PersonID) identity.Person {
			if p, ok := people[id]; ok {
				return p
			}
			return identity.Person{ID: id, Name: string(id)}
		},
		App: func(id access.AppID) string { return apps[id] },
	}, err
}

// historyAtOnce is how many rows are read at a time.
const historyAtOnce = 500

// historyCSV writes all rows, however many. A read that fails in the middle cuts
// the answer off, so that nobody takes a part of it for the whole.
func (s *server) historyCSV(ctx context.Context, who identity.Actor, f access.HistoryFilter, names access.HistoryNames) (*huma.StreamResponse, error) {
	f.Limit = historyAtOnce
	rows, err := s.Access.History(ctx, who, f)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", "text/csv; charset=utf-8")
		hc.SetHeader("Content-Disposition", `attachment; filename="margay-history.csv"`)
		out := export.NewCSV(hc.BodyWriter())
		err := out.Write(access.HistoryColumns()...)
		for err == nil {
			for _, h := range rows {
				if err = out.Write(h.Texts(names)...); err != nil {
					break
				}
			}
			if err != nil || len(rows) < f.Limit {
				break
			}
			f.Before = rows[len(rows)-1].Grant.ID
			rows, err = s.Access.History(ctx, who, f)
		}
		if err == nil {
			err = out.Flush()
		}
		if err != nil {
			s.Log.WarnContext(ctx, "an export was cut off", "error", err)
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

func historyOf(h access.History, names access.HistoryNames) wire.HistoryRow {
	g, q := h.Grant, h.Request
	person := names.Person(g.Person)
	row := wire.HistoryRow{
		GrantID: string(g.ID), RequestID: string(g.Request), App: names.App(g.App), Role: g.RoleName, Person: person.Name, PersonID: string(g.Person), Email: person.Email,
		State: string(g.State), AskedAt: q.CreatedAt, Reason: q.Reason, Policy: q.Policy.Name, Approvals: []wire.HistoryApproval{},
		Started: timeOrNil(g.StartsAt), Ends: timeOrNil(g.EndsAt), Ended: timeOrNil(g.EndedAt), EndReason: g.EndReason, EndNote: g.EndNote,
		SetUp: historyAnswer(h.Answers.SetUp, g.SetUp), End: historyAnswer(h.Answers.End, h.EndProof()),
	}
	if q.Requester != "" {
		row.AskedBy = names.Person(q.Requester).Name
	}
	if g.EndedBy != "" {
		row.EndedBy = names.Person(g.EndedBy).Name
	}
	for _, a := range h.Agreed() {
		by := a.Workflow
		if a.By != "" {
			by = names.Person(a.By).Name
		}
		row.Approvals = append(row.Approvals, wire.HistoryApproval{Step: a.Step + 1, By: by, At: a.At, Reason: a.Reason})
	}
	if !g.Outside.At.IsZero() {
		row.Outside = &wire.ChangedOutside{Expected: g.Outside.Expected, Found: g.Outside.Found, At: g.Outside.At}
	}
	return row
}

func historyAnswer(a access.Answered, p access.Proof) *wire.HistoryAnswer {
	if p.At.IsZero() && a == (access.Answered{}) {
		return nil
	}
	return &wire.HistoryAnswer{Method: a.Method, Path: a.Path, Status: a.Status, SiteRole: p.Role, UserID: p.User, Note: p.Note, At: timeOrNil(p.At)}
}

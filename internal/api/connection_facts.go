package api

import (
	"context"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
)

// tagged answers with a connection and what is known of it.
func (s *server) tagged(ctx context.Context) func(c connection.Connection, err error) (*versioned[wire.Connection], error) {
	return func(c connection.Connection, err error) (*versioned[wire.Connection], error) {
		if err != nil {
			return nil, err
		}
		o, err := s.Connections.Known(ctx, c)
		if err != nil {
			return nil, err
		}
		return answerVersion(knownConnection(o), c.Version), nil
	}
}

// knownConnection shows a connection with all that is known of it.
func knownConnection(o connection.Overview) wire.Connection {
	out := connectionOf(o)
	out.Checks = make([]wire.Check, 0, len(o.Checks))
	for _, r := range o.Checks {
		out.Checks = append(out.Checks, checkOf(r))
	}
	out.Facts = factsOf(o.Facts)
	out.Traffic = &wire.Traffic{
		HeldBy: o.Traffic.Holder, Wanted: o.Traffic.Wanted, OpenedAt: moment(o.Traffic.Opened), Calls: o.Traffic.Calls, PausedUntil: moment(o.Traffic.PausedUntil),
	}
	return out
}

// connectionOf shows a connection as a list does.
func connectionOf(o connection.Overview) wire.Connection {
	out := wire.Connection{
		ID: o.ID, Integration: o.Connection.Integration, DisplayName: o.DisplayName, Beta: o.Integration.Beta != "",
		Settings: o.Masked(), Version: o.Version, CreatedAt: o.CreatedAt, UpdatedAt: o.UpdatedAt,
		ConnectionKnown: wire.ConnectionKnown{
			State: string(o.Condition.State), StateWord: o.Condition.Word, StateNote: o.Condition.Sentence, NextSteps: append([]string{}, o.Condition.Next...),
			Target: targetOf(o.Target), UpdatedBy: wire.Author(o.UpdatedBy), PausedAt: moment(o.PausedAt), CallsToday: o.CallsToday,
			Credential: wire.Credential{
				SetAt: moment(o.Credential.SetAt), SetBy: wire.Author(o.Credential.SetBy), UsedAt: moment(o.Credential.UsedAt),
				IdleDays: o.Credential.IdleDays, EndsAt: moment(o.Credential.EndsAt), Warning: o.Credential.Warning,
			},
		},
	}
	if !o.PausedAt.IsZero() {
		out.PausedBy = new(wire.Author(o.PausedBy))
	}
	for _, r := range o.Checks {
		if out.CheckedAt == nil || r.At.After(*out.CheckedAt) {
			out.CheckedAt = moment(r.At)
		}
	}
	return out
}

// moment returns a time as it is shown; nil: there is none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func targetOf(t integration.Target) wire.Target { return wire.Target{Host: t.Host, Place: t.Place} }

func factsOf(facts []integration.Fact) []wire.Fact {
	out := make([]wire.Fact, len(facts))
	for i, f := range facts {
		out[i] = wire.Fact(f)
	}
	return out
}

func checkOf(r connection.CheckReport) wire.Check {
	status := "fail"
	if r.Pass {
		status = "pass"
	}
	return wire.Check{
		Key: r.Key, Name: r.Name, Status: status, Message: r.Message, Detail: r.Detail, Hint: r.Hint, At: r.At, DurationMS: r.Duration.Milliseconds(),
		WaitedMS: r.Waited.Milliseconds(), NotProven: r.NotProven, Facts: factsOf(r.Facts), Mends: mendsOf(r.Mends),
	}
}

func mendsOf(mends []integration.Mend) []string {
	out := make([]string, len(mends))
	for i, m := range mends {
		out[i] = string(m)
	}
	return out
}

func (s *server) listConnections(ctx context.Context, who identity.Actor, _ *nothing) (*body[wire.List[wire.Connection]], error) {
	all, err := s.Connections.Overviews(ctx, who)
	return listOf(all, connectionOf), err
}

func (s *server) getConnection(ctx context.Context, who identity.Actor, in *one) (*versioned[wire.Connection], error) {
	return s.tagged(ctx)(s.Connections.Get(ctx, who, in.ID))
}

// editConnection is a change of the settings of one connection.
type editConnection struct {
	Matching
	ID   string `path:"id"`
	Body wire.ChangedConnection
}

func (in *editConnection) edit() (connection.Edit, error) {
	version, err := in.of(in.Body.Version)
	return connection.Edit{Settings: in.Body.Settings, Version: version, Agreed: in.Body.Agree}, err
}

func (s *server) updateConnection(ctx context.Context, who identity.Actor, in *editConnection) (*versioned[wire.Connection], error) {
	e, err := in.edit()
	if err != nil {
		return nil, err
	}
	return s.tagged(ctx)(s.Connections.Update(ctx, who, in.ID, e))
}

func (s *server) rotateConnection(ctx context.Context, who identity.Actor, in *editConnection) (*versioned[wire.Connection], error) {
	e, err := in.edit()
	if err != nil {
		return nil, err
	}
	return s.tagged(ctx)(s.Connections.Rotate(ctx, who, in.ID, e))
}

func (s *server) previewConnection(ctx context.Context, who identity.Actor, in *editConnection) (*body[wire.EditPlan], error) {
	e, err := in.edit()
	if err != nil {
		return nil, err
	}
	p, err := s.Connections.Preview(ctx, who, in.ID, e)
	if err != nil {
		return nil, err
	}
	out := wire.EditPlan{
		Changes: []wire.FieldChange{}, NameBefore: p.Before.DisplayName, NameAfter: p.After.DisplayName, Target: targetOf(p.Target), Moves: p.Moves,
		LiveGrants: p.Use.LiveGrants, Apps: append([]string{}, p.Use.Apps...), Warnings: append([]string{}, p.Warnings...), Version: p.Before.Version,
	}
	for _, c := range p.Changes {
		out.Changes = append(out.Changes, wire.FieldChange{Key: c.Key, Label: c.Label, Before: c.Before, After: c.After})
	}
	return answer(out), nil
}

// deleteConnection is the removal of one connection.
type deleteConnection struct {
	ID      string `path:"id"`
	Confirm string `query:"confirm" doc:"The display name of the connection. Given, it must fit: for programs that ask a person first"`
}

func (s *server) deleteConnection(ctx context.Context, who identity.Actor, in *deleteConnection) (*nothing, error) {
	return nil, s.Connections.Delete(ctx, who, in.ID, in.Confirm)
}

func (s *server) retireConnection(ctx context.Context, who identity.Actor, in *deleteConnection) (*versioned[wire.Connection], error) {
	return s.tagged(ctx)(s.Connections.Retire(ctx, who, in.ID, in.Confirm))
}

func (s *server) pauseConnection(ctx context.Context, who identity.Actor, in *one) (*versioned[wire.Connection], error) {
	return s.tagged(ctx)(s.Connections.Pause(ctx, who, in.ID))
}

func (s *server) resumeConnection(ctx context.Context, who identity.Actor, in *one) (*versioned[wire.Connection], error) {
	return s.tagged(ctx)(s.Connections.Resume(ctx, who, in.ID))
}

// checkConnection is a run of the checks of one connection.
type checkConnection struct {
	ID   string   `path:"id"`
	Only []string `query:"only" doc:"Keys of checks, such as session,users; left out: all"`
	Body *wire.ChosenChecks
}

func (s *server) checkConnection(ctx context.Context, who identity.Actor, in *checkConnection) (*body[wire.List[wire.Check]], error) {
	only := in.Only
	if in.Body != nil {
		only = append(only, in.Body.Only...)
	}
	reports, err := s.Connections.Check(ctx, who, in.ID, only...)
	return listOf(reports, checkOf), err
}

func (s *server) testConnection(ctx context.Context, who identity.Actor, in *with[wire.TestConnection]) (*body[wire.List[wire.Check]], error) {
	if in.Body.ConnectionID != "" {
		reports, err := s.Connections.TryEdit(ctx, who, in.Body.ConnectionID, connection.Edit{Settings: in.Body.Settings})
		return listOf(reports, checkOf), err
	}
	kind := in.Body.Integration
	if kind == "" {
		kind = s.Registry.All()[0].Kind
	}
	reports, err := s.Connections.Try(ctx, who, kind, in.Body.Settings)
	return listOf(reports, checkOf), err
}

func (s *server) listCalls(ctx context.Context, who identity.Actor, in *one) (*body[wire.ConnectionCalls], error) {
	o, err := s.Connections.Overview(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	out := wire.ConnectionCalls{Items: []wire.Exchange{}, History: []wire.SentCall{}}
	for _, e := range o.Usage.Last {
		out.Items = append(out.Items, wire.Exchange{
			Kind: e.Kind, Method: e.Method, Path: e.Path, Status: e.Status, Code: e.Code, Error: e.Err, At: e.At,
			DurationMS: float64(e.Duration.Microseconds()) / 1000,
		})
	}
	for _, c := range o.Usage.History {
		out.History = append(out.History, wire.SentCall{
			Method: c.Method, Path: c.Path, Query: c.Query, Body: c.Body, Status: c.Status, Error: c.Err, At: c.At, By: wire.Author(c.By),
			Command: o.Integration.CommandOf(o.ID, integration.Call{Method: c.Method, Path: c.Path, Query: c.Query}),
		})
	}
	return answer(out), nil
}

// searchMethods asks for the methods of a system's API.
type searchMethods struct {
	ID    string `path:"id"`
	Words string `query:"q" doc:"Words that the method must hold"`
}

func (s *server) listMethods(_ context.Context, _ identity.Actor, in *searchMethods) (*body[wire.List[wire.Method]], error) {
	i, err := s.Registry.Get(in.ID)
	if err != nil {
		return nil, err
	}
	return listOf(i.Methods(in.Words), func(m integration.Method) wire.Method {
		return wire.Method{
			Name: m.Name, Category: m.Category, Verb: m.Verb, Path: m.Path, Params: append([]string{}, m.Params...), Query: append([]string{}, m.Query...),
			Since: m.Since, Needs: m.Needs, Writes: m.Writes,
		}
	}), nil
}

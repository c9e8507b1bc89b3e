package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"unicode/utf8"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
)

func (s *server) connections() {
	register(s, http.MethodGet, "/integrations", "list-integrations", "List the integrations", http.StatusOK, s.listIntegrations)
	register(s, http.MethodGet, "/integrations/{id}", "get-integration", "Show one integration", http.StatusOK, s.getIntegration)
	register(s, http.MethodGet, "/integrations/{id}/methods", "list-methods", "List the methods of the system's API, or those that hold all words", http.StatusOK, s.listMethods)
	register(s, http.MethodGet, "/connections", "list-connections", "List the connections", http.StatusOK, s.listConnections)
	register(s, http.MethodPost, "/connections", "create-connection", "Connect a site", http.StatusCreated, s.createConnection)
	register(s, http.MethodPost, "/connections/test", "test-connection", "Run the health checks with settings that are not stored", http.StatusOK, s.testConnection)
	register(s, http.MethodGet, "/connections/{id}", "get-connection", "Show one connection, with the last results of its checks", http.StatusOK, s.getConnection)
	register(s, http.MethodPatch, "/connections/{id}", "update-connection", "Change a connection", http.StatusOK, s.updateConnection)
	register(s, http.MethodDelete, "/connections/{id}", "delete-connection", "Remove a connection that no app is bound to", http.StatusNoContent, s.deleteConnection)
	register(s, http.MethodPost, "/connections/{id}/preview", "preview-connection", "Say what a change will do, and do nothing", http.StatusOK, s.previewConnection)
	register(s, http.MethodPost, "/connections/{id}/rotate", "rotate-connection", "Replace the credentials, once the system has accepted the new ones", http.StatusOK, s.rotateConnection)
	register(s, http.MethodPost, "/connections/{id}/pause", "pause-connection", "Send nothing over a connection until it is resumed", http.StatusOK, s.pauseConnection)
	register(s, http.MethodPost, "/connections/{id}/resume", "resume-connection", "End a pause", http.StatusOK, s.resumeConnection)
	register(s, http.MethodPost, "/connections/{id}/retire", "retire-connection", "Put a connection out of use for good and remove its secret", http.StatusOK, s.retireConnection)
	register(s, http.MethodPost, "/connections/{id}/checks", "check-connection", "Run the health checks, or some of them", http.StatusOK, s.checkConnection)
	register(s, http.MethodGet, "/connections/{id}/calls", "list-calls", "List what was sent lately", http.StatusOK, s.listCalls)
	register(s, http.MethodPost, "/connections/{id}/call", "call", "Make any call of the system's API", http.StatusOK, s.call)
}

func (s *server) listIntegrations(context.Context, identity.Actor, *nothing) (*body[wire.List[wire.Integration]], error) {
	list := wire.List[wire.Integration]{Items: []wire.Integration{}}
	for _, in := range s.Registry.All() {
		list.Items = append(list.Items, integrationOf(in))
	}
	return answer(list), nil
}

func (s *server) getIntegration(_ context.Context, _ identity.Actor, in *one) (*body[wire.Integration], error) {
	i, err := s.Registry.Get(in.ID)
	if err != nil {
		return nil, err
	}
	return answer(integrationOf(i)), nil
}

func integrationOf(in integration.Integration) wire.Integration {
	out := wire.Integration{
		Kind: in.Kind, Name: in.Name, Summary: in.Summary, Beta: in.Beta != "", BetaMsg: in.Beta, Title: in.Title,
		Fields: []wire.Field{}, Checks: []wire.CheckName{}, Roles: append([]string{}, in.Roles...), Bundles: []wire.BundleShort{},
	}
	for _, f := range in.Fields {
		out.Fields = append(out.Fields, wire.Field{Key: f.Key, Label: f.Label, Help: f.Help, Required: f.Required, Secret: f.Secret, Credential: f.Credential, KeepBlank: f.KeepBlank, Missing: f.Missing, Blank: f.Blank, Example: f.Example})
	}
	for _, c := range in.Checks {
		check := wire.CheckName{Key: c.Key, Name: c.Name, Help: c.Help, NotProven: c.NotProven, Sentences: []wire.CheckSentence{}}
		for _, say := range c.Sentences {
			check.Sentences = append(check.Sentences, wire.CheckSentence{Pass: say.Pass, Text: say.Text, Meaning: say.Meaning})
		}
		out.Checks = append(out.Checks, check)
	}
	out.Guide = guideOf(in.Guide)
	if in.Idle.Ends > 0 {
		out.Idle = &wire.Idle{EndsAfter: wire.Duration(in.Idle.Ends), WarnAfter: wire.Duration(in.Idle.Warn), Text: in.Idle.Text}
	}
	for _, b := range in.Bundles {
		out.Bundles = append(out.Bundles, wire.BundleShort{Slug: b.Slug, Name: b.Name, Version: b.Version})
	}
	return out
}

func guideOf(g integration.Guide) wire.Guide {
	out := wire.Guide{Title: g.Title, Intro: g.Intro, Steps: []wire.GuideStep{}, Notes: []wire.GuideStep{}, Links: []wire.Link{}}
	for _, step := range g.Steps {
		out.Steps = append(out.Steps, wire.GuideStep{Title: step.Title, Text: step.Text})
	}
	for _, n := range g.Notes {
		out.Notes = append(out.Notes, wire.GuideStep{Title: n.Title, Text: n.Text})
	}
	for _, l := range g.Links {
		out.Links = append(out.Links, wire.Link(l))
	}
	out.Support = wire.Support{Text: g.Support.Text, Link: wire.Link(g.Support.Link)}
	return out
}

func (s *server) createConnection(ctx context.Context, who identity.Actor, in *with[wire.NewConnection]) (*versioned[wire.Connection], error) {
	c, err := s.Connections.Create(ctx, who, in.Body.Integration, in.Body.Settings)
	out, err := s.tagged(ctx)(c, err)
	if err != nil {
		return nil, err
	}
	same, _, err := s.Connections.Same(ctx, who, c.Integration, c.Settings, c.ID)
	if err != nil { // it is made all the same
		s.Log.WarnContext(ctx, "a new connection was not compared with the others", "connection", c.ID, "error", err)
	}
	if w := connection.SameWarning(same); w != "" {
		out.Body.Warnings = []string{w}
	}
	return out, nil
}

func (s *server) call(ctx context.Context, who identity.Actor, in *oneWith[wire.Call]) (*body[wire.CallAnswer], error) {
	call, err := s.callOf(ctx, in.ID, in.Body)
	if err != nil {
		return nil, err
	}
	got, err := s.Connections.Call(ctx, who, in.ID, call)
	if err != nil {
		return nil, err
	}
	return answer(callAnswer(got)), nil
}

// callOf reads a call by its method and path, or by its name.
func (s *server) callOf(ctx context.Context, id string, in wire.Call) (integration.Call, error) {
	query, err := queryOf("query", in.Query)
	if err != nil {
		return integration.Call{}, err
	}
	call := integration.Call{Method: in.Method, Path: in.Path, Query: query}
	if in.Name != "" {
		if in.Method != "" || in.Path != "" {
			return call, fault.Field("name", "Give either name, or method and path.")
		}
		params, err := queryOf("parameters", in.Parameters)
		if err != nil {
			return call, err
		}
		if call, err = s.Connections.Bind(ctx, id, in.Name, params); err != nil {
			return call, err
		}
		maps.Copy(call.Query, query)
	}
	call.Body, err = bodyOf(in.Body)
	return call, err
}

// queryOf reads the query of a call: each value a text, a number or a truth
// value, or a list of them.
func queryOf(field string, in map[string]any) (url.Values, error) {
	query := url.Values{}
	for key, value := range in {
		values, ok := value.([]any)
		if !ok {
			values = []any{value}
		}
		for _, v := range values {
			text, ok := queryText(v)
			if !ok {
				return nil, fault.Field(field+"."+key, "A query parameter is a text, a number or a truth value, or a list of them.")
			}
			query.Add(key, text)
		}
	}
	return query, nil
}

// queryText writes a value as a query parameter; numbers without an exponent,
// which Tableau does not read.
func queryText(v any) (text string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// bodyOf returns what is sent: JSON as it stands, a JSON text as the text.
func bodyOf(raw json.RawMessage) ([]byte, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	if raw[0] != '"' {
		return raw, nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, fault.Field("body", "The body is not JSON.")
	}
	return []byte(text), nil
}

func callAnswer(a integration.Answer) wire.CallAnswer {
	out := wire.CallAnswer{Status: a.Status, Headers: map[string]string{}}
	for k := range maps.Keys(a.Header) {
		out.Headers[k] = a.Header.Get(k)
	}
	switch {
	case len(a.Body) == 0:
	case json.Valid(a.Body) && utf8.Valid(a.Body):
		out.Body = a.Body
	case utf8.Valid(a.Body):
		if text, err := json.Marshal(string(a.Body)); err == nil {
			out.Body = text
		}
	default:
		out.BodyBase64 = base64.StdEncoding.EncodeToString(a.Body)
	}
	return out
}

// listOf returns things as a list without further pages.
func listOf[T, W any](things []T, of func(T) W) *body[wire.List[W]] {
	list := wire.List[W]{Items: make([]W, 0, len(things))}
	for _, t := range things {
		list.Items = append(list.Items, of(t))
	}
	return answer(list)
}

// pageOf returns one more thing than fits as a page that goes on.
func pageOf[T, W any](things []T, limit int, id func(T) string, of func(T) W) *body[wire.List[W]] {
	next := ""
	if len(things) > limit {
		things = things[:limit]
		next = id(things[limit-1])
	}
	list := listOf(things, of)
	list.Body.NextCursor = next
	return list
}

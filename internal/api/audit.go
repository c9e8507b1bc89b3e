package api

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

type eventPage struct {
	Page
	Subject string    `query:"subject" doc:"What it happened to: grant:grt_…"`
	Kind    string    `query:"kind" doc:"What happened: grant.activated, or several by commas; grant. for all that begin so"`
	Actor   string    `query:"actor" doc:"Who did it: a person's id, or system"`
	Since   time.Time `query:"since" doc:"Not before this time"`
	Until   time.Time `query:"until" doc:"Before this time"`
	Q       string    `query:"q" maxLength:"200" doc:"Stands somewhere in it"`
}

// filter returns what the page asks for.
func (p eventPage) filter() (audit.Filter, error) {
	f := audit.Filter{Subject: p.Subject, Actor: p.Actor, Since: p.Since, Until: p.Until, Text: p.Q, Limit: p.Limit + 1}
	if p.Kind != "" {
		f.Kinds = strings.Split(p.Kind, ",")
	}
	if len(f.Kinds) > 20 || slices.Contains(f.Kinds, "") || slices.Contains(f.Kinds, ".") {
		return f, fault.Field("kind", "Name one to twenty kinds, by commas.")
	}
	if p.Cursor != "" {
		before, err := strconv.ParseInt(p.Cursor, 10, 64)
		if err != nil || before < 1 {
			return f, badCursor()
		}
		f.Before = before
	}
	return f, nil
}

func (s *server) listEvents(ctx context.Context, who identity.Actor, in *eventPage) (*body[wire.List[wire.Event]], error) {
	if err := who.NeedAdmin(identity.ScopeAuditRead); err != nil {
		return nil, err
	}
	f, err := in.filter()
	if err != nil {
		return nil, err
	}
	es, err := s.Audit.Events(ctx, f)
	return pageOf(es, in.Limit, func(e audit.Event) string { return strconv.FormatInt(e.Seq, 10) }, func(e audit.Event) wire.Event {
		return wire.Event{Seq: e.Seq, ID: e.ID, At: e.At, Kind: string(e.Kind), Actor: e.Actor, Subject: e.Subject, Data: e.Data, Hash: e.Hash}
	}), err
}

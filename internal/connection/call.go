package connection

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
)

// Call sends any call for a person. A call that may change something is
// recorded before it is sent.
func (s *Service) Call(ctx context.Context, who identity.Actor, id string, call integration.Call) (integration.Answer, error) {
	scope := identity.ScopeTableauRead
	if call.Writes() {
		scope = identity.ScopeTableauWrite
	}
	if err := who.NeedAdmin(scope); err != nil {
		return integration.Answer{}, err
	}
	o, done, err := s.use(ctx, id, fault.Conflict)
	if err != nil {
		return integration.Answer{}, err
	}
	defer done()
	answer, err := s.send(s.usage.observed(ctx, id), who, o, call)
	if k := fault.KindOf(err); k != fault.Invalid && k != fault.Forbidden { // those were never sent
		s.usage.sent(id, sentOf(call, answer, err, authorOf(who), s.now()))
	}
	return answer, err
}

func (s *Service) send(ctx context.Context, who identity.Actor, o *opened, call integration.Call) (integration.Answer, error) {
	if !call.Writes() {
		return o.client.Call(ctx, call)
	}
	event := func(kind audit.Kind) audit.Event {
		e := s.event(kind, who, o.connection, s.now())
		e.Data["method"], e.Data["path"] = cut(call.Method), cut(call.Path)
		return e
	}
	if err := s.store.RecordEvents(ctx, event(Calling)); err != nil {
		return integration.Answer{}, fmt.Errorf("record the call before it is sent: %w", err)
	}
	answer, err := o.client.Call(ctx, call)
	outcome := event(Called)
	if err != nil {
		outcome.Data["error"] = fault.Public(err).Code
	} else {
		outcome.Data["status"] = strconv.Itoa(answer.Status)
	}
	if lost := s.store.RecordEvents(context.WithoutCancel(ctx), outcome); lost != nil {
		// The intent is recorded. What the system did is told all the same: who
		// does not learn it does it again.
		s.env.Log.ErrorContext(ctx, "outcome of a call not recorded", "connection", o.connection.ID, "error", lost)
	}
	return answer, err
}

// Bind returns a method of the catalogue of the connection's system as a call.
func (s *Service) Bind(ctx context.Context, id, name string, params url.Values) (integration.Call, error) {
	_, in, err := s.get(ctx, id)
	if err != nil {
		return integration.Call{}, err
	}
	return in.Bind(name, params)
}

// Command returns how a call over the connection is written on the command
// line.
func (s *Service) Command(c Connection, call integration.Call) string {
	in, err := s.registry.Get(c.Integration)
	if err != nil {
		return ""
	}
	return in.CommandOf(c.ID, call)
}

// cut bounds what the audit log keeps of a text that a caller chose.
func cut(text string) string {
	const most = 1000
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

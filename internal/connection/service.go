package connection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/seal"
)

// Store keeps connections.
type Store interface {
	// Connection returns one connection, or a fault.NotFound.
	Connection(ctx context.Context, id string) (Connection, error)
	// Connections returns all connections by display name.
	Connections(ctx context.Context) ([]Connection, error)
	// SaveConnection keeps c and its events in one transaction. The stored
	// version must be c.Version-1 (0: there is none yet), else a fault.Conflict.
	SaveConnection(ctx context.Context, c Connection, events ...audit.Event) error
	// DeleteConnection removes a connection that no app is bound to.
	DeleteConnection(ctx context.Context, id string, events ...audit.Event) error
	// RecordEvents appends events that change nothing else.
	RecordEvents(ctx context.Context, events ...audit.Event) error
}

// Service is the way to the connected systems.
type Service struct {
	store    Store
	registry *integration.Registry
	sealer   *seal.Sealer
	env      integration.Env
	now      func() time.Time
	newID    func(prefix string) string

	mu     sync.Mutex
	opened map[string]*opened
}

// opened is the one client of a connection in one version.
type opened struct {
	connection  Connection
	integration integration.Integration
	client      integration.Client
	users       int  // actions, calls and rounds of checks under way
	retired     bool // the connection has changed: the last user closes the client
}

// Config is what the service needs.
type Config struct {
	Store    Store
	Registry *integration.Registry
	Sealer   *seal.Sealer
	Env      integration.Env // its Control is the egress guard
	Now      func() time.Time
	NewID    func(prefix string) string
}

// NewService returns the service.
func NewService(c Config) *Service {
	if c.Env.Log == nil {
		c.Env.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{
		store: c.Store, registry: c.Registry, sealer: c.Sealer, env: c.Env, now: c.Now, newID: c.NewID,
		opened: map[string]*opened{},
	}
}

// Events of connections.
const (
	Created audit.Kind = "connection.created"
	Changed audit.Kind = "connection.changed"
	Deleted audit.Kind = "connection.deleted"
	Calling audit.Kind = "connection.calling" // a write of a person's is about to be sent
	Called  audit.Kind = "connection.called"  // and what the system answered
)

// Create stores a new connection. The system need not be reachable.
func (s *Service) Create(ctx context.Context, who identity.Actor, kind string, settings integration.Settings) (Connection, error) {
	if err := who.NeedAdmin(identity.ScopeConnectionsWrite); err != nil {
		return Connection{}, err
	}
	in, err := s.registry.Get(kind)
	if err != nil {
		return Connection{}, err
	}
	if err := checkKnown(in, settings); err != nil {
		return Connection{}, err
	}
	clean, err := cleaned(in, settings, integration.Settings{})
	if err != nil {
		return Connection{}, err
	}
	now := s.now()
	c := Connection{ID: s.newID("con"), Integration: kind, Version: 1, CreatedAt: now}
	if c, err = s.fill(c, in, clean, now); err != nil {
		return Connection{}, err
	}
	err = s.store.SaveConnection(ctx, c, s.event(Created, who, c, now))
	return c, err
}

// Update changes a connection: a field left blank keeps what is stored where
// the integration says so, else blank is what is stored. Absent is blank.
func (s *Service) Update(ctx context.Context, who identity.Actor, id string, settings integration.Settings) (Connection, error) {
	if err := who.NeedAdmin(identity.ScopeConnectionsWrite); err != nil {
		return Connection{}, err
	}
	c, in, err := s.get(ctx, id)
	if err != nil {
		return Connection{}, err
	}
	if err := checkKnown(in, settings); err != nil {
		return Connection{}, err
	}
	kept, err := s.kept(c, in, settings)
	if err != nil {
		return Connection{}, err
	}
	clean, err := cleaned(in, settings, kept)
	if err != nil {
		return Connection{}, err
	}
	now := s.now()
	c.Version++
	if c, err = s.fill(c, in, clean, now); err != nil {
		return Connection{}, err
	}
	if err := s.store.SaveConnection(ctx, c, s.event(Changed, who, c, now)); err != nil {
		return Connection{}, err
	}
	s.forget(ctx, id)
	return c, nil
}

// cleaned returns the settings as they are stored, blank ones filled from kept,
// or everything that is wrong with them at once.
func cleaned(in integration.Integration, settings, kept integration.Settings) (integration.Settings, error) {
	clean, err := in.Clean(settings)
	var faults []*fault.Error
	if err != nil {
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || len(f.Fields()) == 0 {
			return nil, err
		}
		faults = f.Fields()
	}
	wrong := map[string]bool{}
	for _, f := range faults {
		wrong[f.Field] = true
	}
	all := maps.Clone(kept)
	for key, value := range clean {
		if value != "" || all[key] == "" {
			all[key] = value
		}
	}
	for _, f := range in.Required(all) {
		if !wrong[f.Field] { // what cannot be used is not missing
			faults = append(faults, f)
		}
	}
	return all, fault.Join(faults...)
}

// kept returns what is stored of the fields that settings leave blank and that
// keep their value then. A secret that is given anew is not opened: it can be
// replaced even when its key is lost.
func (s *Service) kept(c Connection, in integration.Integration, settings integration.Settings) (integration.Settings, error) {
	kept := integration.Settings{}
	clean, _ := in.Clean(settings) // cleaned says what is wrong; here only what is blank counts
	for _, f := range in.Fields {
		if !f.KeepBlank || clean[f.Key] != "" {
			continue
		}
		if !f.Secret {
			kept[f.Key] = c.Settings[f.Key]
			continue
		}
		value, err := s.secret(c, f.Key)
		if err != nil {
			return nil, err
		}
		kept[f.Key] = value
	}
	return kept, nil
}

// Delete removes a connection that no app is bound to.
func (s *Service) Delete(ctx context.Context, who identity.Actor, id string) error {
	if err := who.NeedAdmin(identity.ScopeConnectionsWrite); err != nil {
		return err
	}
	c, _, err := s.get(ctx, id)
	if err != nil {
		return err
	}
	if err := s.store.DeleteConnection(ctx, id, s.event(Deleted, who, c, s.now())); err != nil {
		return err
	}
	s.forget(ctx, id)
	return nil
}

// fill returns c with the settings, its secrets sealed.
func (s *Service) fill(c Connection, in integration.Integration, settings integration.Settings, now time.Time) (Connection, error) {
	open, secret := split(in.Fields, settings)
	c.Settings, c.DisplayName, c.UpdatedAt = open, in.DisplayName(settings), now
	c.Sealed, c.Hints = map[string]string{}, map[string]string{}
	for key, value := range secret {
		sealed, err := s.sealer.Seal([]byte(value), place(c.ID, key))
		if err != nil {
			return Connection{}, err
		}
		c.Sealed[key], c.Hints[key] = sealed, mask(value)
	}
	return c, nil
}

func (s *Service) secrets(c Connection) (integration.Settings, error) {
	all := integration.Settings{}
	for key := range c.Sealed {
		value, err := s.secret(c, key)
		if err != nil {
			return nil, err
		}
		all[key] = value
	}
	return all, nil
}

func (s *Service) secret(c Connection, key string) (string, error) {
	sealed, ok := c.Sealed[key]
	if !ok {
		return "", nil
	}
	plain, err := s.sealer.Open(sealed, place(c.ID, key))
	return string(plain), err
}

func (s *Service) get(ctx context.Context, id string) (Connection, integration.Integration, error) {
	c, err := s.store.Connection(ctx, id)
	if err != nil {
		return Connection{}, integration.Integration{}, err
	}
	in, err := s.registry.Get(c.Integration)
	return c, in, err
}

// Get returns one connection.
func (s *Service) Get(ctx context.Context, who identity.Actor, id string) (Connection, error) {
	if err := who.NeedAdmin(identity.ScopeAccessRead); err != nil {
		return Connection{}, err
	}
	return s.store.Connection(ctx, id)
}

// List returns all connections.
func (s *Service) List(ctx context.Context, who identity.Actor) ([]Connection, error) {
	if err := who.NeedAdmin(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	return s.store.Connections(ctx)
}

// Integration returns what is known of the system behind a connection.
func (s *Service) Integration(ctx context.Context, id string) (integration.Integration, error) {
	_, in, err := s.get(ctx, id)
	return in, err
}

// use returns the one client of a connection as it is stored now, for one piece
// of work. The client stays open until done, also when the connection is changed
// meanwhile: the work ends with the settings that it began with.
func (s *Service) use(ctx context.Context, id string) (o *opened, done func(), err error) {
	c, in, err := s.get(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if o = s.take(c); o == nil {
		settings, err := s.secrets(c)
		if err != nil {
			return nil, nil, err
		}
		maps.Copy(settings, c.Settings)
		if o, err = s.open(ctx, c, in, settings); err != nil {
			return nil, nil, err
		}
	}
	return o, sync.OnceFunc(func() { s.leave(ctx, o) }), nil
}

// take counts the caller as a user of the open client, if that is of c's version
// or a later one.
func (s *Service) take(c Connection) *opened {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.opened[c.ID]
	if o == nil || o.connection.Version < c.Version {
		return nil
	}
	o.users++
	return o
}

func (s *Service) open(ctx context.Context, c Connection, in integration.Integration, settings integration.Settings) (*opened, error) {
	if o := s.take(c); o != nil { // somebody else was first
		return o, nil
	}
	client, err := in.Open(settings, s.env)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.opened[c.ID]
	if old != nil && old.connection.Version >= c.Version {
		old.users++
		go s.close(context.WithoutCancel(ctx), c.ID, client)
		return old, nil
	}
	o := &opened{connection: c, integration: in, client: client, users: 1}
	s.opened[c.ID] = o
	s.retire(ctx, old)
	return o, nil
}

// leave closes a client that is out of date with its last user.
func (s *Service) leave(ctx context.Context, o *opened) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.users--
	if o.retired && o.users == 0 {
		go s.close(context.WithoutCancel(ctx), o.connection.ID, o.client)
	}
}

// retire takes a client out of use. The caller holds the lock.
func (s *Service) retire(ctx context.Context, o *opened) {
	if o == nil || o.retired {
		return
	}
	o.retired = true
	if o.users == 0 {
		go s.close(context.WithoutCancel(ctx), o.connection.ID, o.client)
	}
}

// forget drops the client of a connection that changed; what is under way ends
// on it.
func (s *Service) forget(ctx context.Context, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.opened[id]
	delete(s.opened, id)
	s.retire(ctx, o)
}

func (s *Service) close(ctx context.Context, id string, c integration.Client) {
	if err := c.Close(ctx); err != nil {
		s.env.Log.WarnContext(ctx, "connection closed badly", "connection", id, "error", err)
	}
}

// Hold makes the calls of a run share one exchange until release. The next call
// after a change of the connection begins one of its own.
func (s *Service) Hold(ctx context.Context, id string) (release func(), err error) {
	o, done, err := s.use(ctx, id)
	if err != nil {
		return nil, err
	}
	defer done()
	return o.client.Hold(ctx), nil
}

// Act does one action of the connection's integration. guard is asked before
// each write.
func (s *Service) Act(ctx context.Context, id, action string, args json.RawMessage, guard func(context.Context) error) (json.RawMessage, error) {
	o, done, err := s.use(ctx, id)
	if err != nil {
		return nil, err
	}
	defer done()
	a, err := o.integration.Action(action)
	if err != nil {
		return nil, err
	}
	return a.Run(ctx, o.client, args, guard)
}

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
	o, done, err := s.use(ctx, id)
	if err != nil {
		return integration.Answer{}, err
	}
	defer done()
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
		s.env.Log.ErrorContext(ctx, "outcome of a call not recorded", "connection", id, "error", lost)
	}
	return answer, err
}

// cut bounds what the audit log keeps of a text that a caller chose.
func cut(text string) string {
	const most = 1000
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// CheckReport is the result of one check.
type CheckReport struct {
	Name     string
	Help     string
	Pass     bool
	Message  string
	Detail   string
	Hint     string
	At       time.Time
	Duration time.Duration
}

// Check runs the connection's health checks side by side on one exchange and
// returns their results in their order.
func (s *Service) Check(ctx context.Context, who identity.Actor, id string) ([]CheckReport, error) {
	if err := who.NeedAdmin(identity.ScopeTableauRead); err != nil {
		return nil, err
	}
	o, done, err := s.use(ctx, id)
	if err != nil {
		return nil, err
	}
	defer done()
	defer o.client.Hold(ctx)()
	reports := make([]CheckReport, len(o.integration.Checks))
	var wg sync.WaitGroup
	for i, check := range o.integration.Checks {
		wg.Go(func() {
			at := s.now()
			r := check.Run(ctx, o.client, o.connection.Settings)
			reports[i] = CheckReport{
				Name: check.Name, Help: check.Help, Pass: r.Pass, Message: r.Message, Detail: r.Detail, Hint: r.Hint,
				At: at, Duration: s.now().Sub(at),
			}
		})
	}
	wg.Wait()
	return reports, nil
}

// Close ends the open clients and waits for what they send in the background.
func (s *Service) Close(ctx context.Context) error {
	s.mu.Lock()
	all := s.opened
	s.opened = map[string]*opened{}
	s.mu.Unlock()
	var errs []error
	for _, o := range all {
		errs = append(errs, o.client.Close(ctx))
	}
	return errors.Join(errs...)
}

func (s *Service) event(kind audit.Kind, who identity.Actor, c Connection, now time.Time) audit.Event {
	return audit.Event{
		At: now, Kind: kind, Actor: who.String(), Subject: "connection:" + c.ID,
		Data: map[string]string{"name": c.DisplayName, "version": strconv.Itoa(c.Version)},
	}
}

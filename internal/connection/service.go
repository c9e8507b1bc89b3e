package connection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
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
	opened map[string]opened
}

// opened is the one client of a connection in one version.
type opened struct {
	version int
	client  integration.Client
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
		opened: map[string]opened{},
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
	clean, err := in.Clean(settings)
	if err != nil {
		return Connection{}, err
	}
	if err := fault.Join(in.Required(clean)...); err != nil {
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
	clean, err := in.Clean(settings)
	if err != nil {
		return Connection{}, err
	}
	stored, err := s.secrets(c)
	if err != nil {
		return Connection{}, err
	}
	maps.Copy(stored, c.Settings)
	for _, f := range in.Fields {
		if f.KeepBlank && clean[f.Key] == "" {
			clean[f.Key] = stored[f.Key]
		}
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
	for key, sealed := range c.Sealed {
		plain, err := s.sealer.Open(sealed, place(c.ID, key))
		if err != nil {
			return nil, err
		}
		all[key] = string(plain)
	}
	return all, nil
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

// client returns the one client of a connection as it is stored now.
func (s *Service) client(ctx context.Context, id string) (integration.Client, Connection, integration.Integration, error) {
	c, in, err := s.get(ctx, id)
	if err != nil {
		return nil, c, in, err
	}
	s.mu.Lock()
	o, ok := s.opened[id]
	s.mu.Unlock()
	if ok && o.version == c.Version {
		return o.client, c, in, nil
	}
	settings, err := s.secrets(c)
	if err != nil {
		return nil, c, in, err
	}
	maps.Copy(settings, c.Settings)

	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := s.opened[id]; ok && o.version >= c.Version {
		return o.client, c, in, nil
	}
	client, err := in.Open(settings, s.env)
	if err != nil {
		return nil, c, in, err
	}
	if old, ok := s.opened[id]; ok {
		go s.close(context.WithoutCancel(ctx), id, old.client)
	}
	s.opened[id] = opened{version: c.Version, client: client}
	return client, c, in, nil
}

// forget drops the client of a connection that changed; calls in flight finish
// on it.
func (s *Service) forget(ctx context.Context, id string) {
	s.mu.Lock()
	o, ok := s.opened[id]
	delete(s.opened, id)
	s.mu.Unlock()
	if ok {
		go s.close(context.WithoutCancel(ctx), id, o.client)
	}
}

func (s *Service) close(ctx context.Context, id string, c integration.Client) {
	if err := c.Close(ctx); err != nil {
		s.env.Log.WarnContext(ctx, "connection closed badly", "connection", id, "error", err)
	}
}

// Hold makes the calls of a run share one exchange until release.
func (s *Service) Hold(ctx context.Context, id string) (release func(), err error) {
	client, _, _, err := s.client(ctx, id)
	if err != nil {
		return nil, err
	}
	return client.Hold(ctx), nil
}

// Act does one action of the connection's integration. guard is asked before
// each write.
func (s *Service) Act(ctx context.Context, id, action string, args json.RawMessage, guard func(context.Context) error) (json.RawMessage, error) {
	client, _, in, err := s.client(ctx, id)
	if err != nil {
		return nil, err
	}
	a, err := in.Action(action)
	if err != nil {
		return nil, err
	}
	return a.Run(ctx, client, args, guard)
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
	client, c, _, err := s.client(ctx, id)
	if err != nil {
		return integration.Answer{}, err
	}
	if !call.Writes() {
		return client.Call(ctx, call)
	}
	intent := s.event(Calling, who, c, s.now())
	intent.Data["method"], intent.Data["path"] = call.Method, call.Path
	if err := s.store.RecordEvents(ctx, intent); err != nil {
		return integration.Answer{}, fmt.Errorf("record the call before it is sent: %w", err)
	}
	answer, err := client.Call(ctx, call)
	outcome := s.event(Called, who, c, s.now())
	outcome.Data["method"], outcome.Data["path"] = call.Method, call.Path
	if err != nil {
		outcome.Data["error"] = fault.Public(err).Code
	} else {
		outcome.Data["status"] = strconv.Itoa(answer.Status)
	}
	return answer, errors.Join(err, s.store.RecordEvents(context.WithoutCancel(ctx), outcome))
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
	client, c, in, err := s.client(ctx, id)
	if err != nil {
		return nil, err
	}
	defer client.Hold(ctx)()
	reports := make([]CheckReport, len(in.Checks))
	var wg sync.WaitGroup
	for i, check := range in.Checks {
		wg.Go(func() {
			at := s.now()
			r := check.Run(ctx, client, c.Settings)
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
	s.opened = map[string]opened{}
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

package connection

import (
	"context"
	"encoding/json"
	"errors"
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
	// Connections returns all connections by display name, without their secrets.
	Connections(ctx context.Context) ([]Connection, error)
	// SaveConnection keeps c and its events in one transaction. The stored
	// version must be c.Version-1 (0: there is none yet), else a fault.Conflict.
	SaveConnection(ctx context.Context, c Connection, events ...audit.Event) error
	// DeleteConnection removes a connection that no app is bound to and through
	// which no access was given; else a fault.Conflict that says which.
	DeleteConnection(ctx context.Context, id string, events ...audit.Event) error
	// RetireConnection keeps c, which holds no secret any more and is paused, unless
	// an app is bound to it or access through it is live: a fault.Conflict. The
	// stored version must be c.Version-1.
	RetireConnection(ctx context.Context, c Connection, events ...audit.Event) error
	// PauseConnection notes since when and by whom a connection is paused; zero: it
	// is not. One that was saved, or retired, since c was read is a fault.Conflict.
	PauseConnection(ctx context.Context, c Connection, events ...audit.Event) error
	// ConnectionUse says what depends on a connection.
	ConnectionUse(ctx context.Context, id string) (Use, error)
	// KeepChecks keeps the results as the last of their checks. Those of a
	// connection that is gone are left out.
	KeepChecks(ctx context.Context, id string, reports []CheckReport) error
	// LastChecks returns the last results by connection: of one, or of all for "",
	// then without what they said.
	LastChecks(ctx context.Context, id string) (map[string][]CheckReport, error)
	// BeginChecks notes that checks run, in the place of what is noted of them.
	BeginChecks(ctx context.Context, id string, runs []CheckRun) error
	// WaitChecks notes until when nothing is sent for the checks that began then.
	WaitChecks(ctx context.Context, id string, began, until time.Time) error
	// EndChecks notes why the checks that began then and have no result have none;
	// "": nothing is noted of them any more.
	EndChecks(ctx context.Context, id string, began time.Time, trouble, hint string) error
	// CheckRuns returns what is noted of the checks of a connection. One that was
	// kept since is not among them.
	CheckRuns(ctx context.Context, id string) ([]CheckRun, error)
	// AddUsage adds to how a connection was used. One that is gone is left out.
	AddUsage(ctx context.Context, id string, more Usage) error
	// Usages returns how connections were used: one, or all for "".
	Usages(ctx context.Context, id string) (map[string]Usage, error)
	// TellCredential notes that an end of credentials is told, with its event,
	// unless it was told before.
	TellCredential(ctx context.Context, id string, ends time.Time, e audit.Event) error
	// LeaseHolder says who has the lease of the name, and whether somebody waits
	// for it. "": nobody has it.
	LeaseHolder(ctx context.Context, name string) (holder string, wanted bool, err error)
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

	usage *usageKeeper

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
		usage: newUsageKeeper(c.Store, c.Env.Log, c.Now), opened: map[string]*opened{},
	}
}

// Events of connections.
const (
	Created audit.Kind = "connection.created"
	Changed audit.Kind = "connection.changed"
	Deleted audit.Kind = "connection.deleted"
	Rotated audit.Kind = "connection.rotated"
	Paused  audit.Kind = "connection.paused"
	Resumed audit.Kind = "connection.resumed"
	Calling audit.Kind = "connection.calling" // a write of a person's is about to be sent
	Called  audit.Kind = "connection.called"  // and what the system answered
)

// Create stores a new connection. The system need not be reachable.
func (s *Service) Create(ctx context.Context, who identity.Actor, kind string, settings integration.Settings) (Connection, error) {
	in, clean, err := s.fresh(who, kind, settings)
	if err != nil {
		return Connection{}, err
	}
	now := s.now()
	c := Connection{ID: s.newID("con"), Integration: kind, Version: 1, CreatedAt: now}
	if c, err = s.fill(c, in, clean, who, now); err != nil {
		return Connection{}, err
	}
	err = s.store.SaveConnection(ctx, c, s.event(Created, who, c, now))
	return c, err
}

// fresh returns the settings of a connection that does not exist yet, as they
// would be stored, or everything that is wrong with them.
func (s *Service) fresh(who identity.Actor, kind string, settings integration.Settings) (in integration.Integration, clean integration.Settings, err error) {
	if err := who.NeedAdmin(identity.ScopeConnectionsWrite); err != nil {
		return in, nil, err
	}
	if in, err = s.registry.Get(kind); err != nil {
		return in, nil, err
	}
	if err := checkKnown(in, settings); err != nil {
		return in, nil, anew(err)
	}
	clean, err = cleaned(in, settings, integration.Settings{})
	return in, clean, err
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

// Delete removes a connection that no app is bound to and through which no
// access was given. confirm, when it is given, must be the connection's name.
func (s *Service) Delete(ctx context.Context, who identity.Actor, id, confirm string) error {
	if err := who.NeedAdmin(identity.ScopeConnectionsWrite); err != nil {
		return err
	}
	c, _, err := s.get(ctx, id)
	if err != nil {
		return err
	}
	if confirm != "" && strings.TrimSpace(confirm) != c.DisplayName {
		return wrongName(c)
	}
	if err := who.NeedProof(s.now()); err != nil {
		return err
	}
	if err := s.store.DeleteConnection(ctx, id, s.event(Deleted, who, c, s.now())); err != nil {
		return err
	}
	s.forget(ctx, id)
	return nil
}

// Pause keeps anything from being sent over a connection until it is resumed.
// What is under way ends. Runs wait.
func (s *Service) Pause(ctx context.Context, who identity.Actor, id string) (Connection, error) {
	return s.pause(ctx, who, id, true)
}

// Resume ends a pause.
func (s *Service) Resume(ctx context.Context, who identity.Actor, id string) (Connection, error) {
	return s.pause(ctx, who, id, false)
}

func (s *Service) pause(ctx context.Context, who identity.Actor, id string, paused bool) (Connection, error) {
	if err := who.NeedAdmin(identity.ScopeConnectionsWrite); err != nil {
		return Connection{}, err
	}
	c, in, err := s.get(ctx, id)
	if err != nil || paused == !c.PausedAt.IsZero() {
		return c, err
	}
	if c.Retired(in) {
		return Connection{}, fault.New(fault.Conflict, "The connection %s is retired: no secret is stored.", c.DisplayName).WithCode("retired").
			WithHint("Give it new credentials first: margay connection rotate %s", c.ID)
	}
	kind, now := Resumed, s.now()
	c.PausedAt, c.PausedBy = time.Time{}, Author{}
	if paused {
		kind, c.PausedAt, c.PausedBy = Paused, now, authorOf(who)
	}
	err = s.store.PauseConnection(ctx, c, s.event(kind, who, c, now))
	return c, err
}

// fill returns c with the settings, its secrets sealed.
func (s *Service) fill(c Connection, in integration.Integration, settings integration.Settings, who identity.Actor, now time.Time) (Connection, error) {
	open, secret := split(in.Fields, settings)
	c.Settings, c.DisplayName, c.UpdatedAt, c.UpdatedBy = open, in.DisplayName(settings), now, authorOf(who)
	if c.Version == 1 {
		c.SecretAt, c.SecretBy = now, c.UpdatedBy
	}
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
//
// A paused connection is a conflict for a person; a run waits until it is
// resumed.
func (s *Service) use(ctx context.Context, id string, paused fault.Kind) (o *opened, done func(), err error) {
	c, in, err := s.get(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if c.Retired(in) {
		return nil, nil, fault.New(paused, "The connection %s is retired: nothing is sent over it.", c.DisplayName).WithCode("paused").
			WithHint("%s retired it and its secret is removed. To use it again, rotate its credentials and resume it.", c.PausedBy)
	}
	if !c.PausedAt.IsZero() {
		return nil, nil, fault.New(paused, "The connection %s is paused: nothing is sent over it.", c.DisplayName).WithCode("paused").
			WithHint("%s paused it. An administrator resumes it with: margay connection resume %s", c.PausedBy, c.ID)
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
	o, done, err := s.use(ctx, id, fault.Unavailable)
	if err != nil {
		return nil, err
	}
	defer done()
	return o.client.Hold(ctx), nil
}

// Act does one action of the connection's integration. guard is asked around
// each write.
func (s *Service) Act(ctx context.Context, id, action string, args json.RawMessage, guard integration.Guard) (json.RawMessage, error) {
	o, done, err := s.use(ctx, id, fault.Unavailable)
	if err != nil {
		return nil, err
	}
	defer done()
	a, err := o.integration.Action(action)
	if err != nil {
		return nil, err
	}
	return a.Run(s.usage.observed(ctx, id), o.client, args, guard)
}

// Accounts reads everybody who is in the system behind a connection, whole or
// not at all, on one exchange. Whoever of the known users is not among them is
// not there.
func (s *Service) Accounts(ctx context.Context, id string, known []string, told func(read, of int)) ([]integration.Account, error) {
	o, done, err := s.use(ctx, id, fault.Conflict)
	if err != nil {
		return nil, err
	}
	defer done()
	if o.integration.Accounts == nil {
		return nil, fault.New(fault.Conflict, "%s cannot say who is there: nothing can be compared.", o.integration.Name).WithCode("not_comparable")
	}
	ctx = s.usage.observed(ctx, id)
	defer o.client.Hold(ctx)()
	return o.integration.Accounts(ctx, o.client, known, told)
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
	s.usage.close(ctx)
	return errors.Join(errs...)
}

func (s *Service) event(kind audit.Kind, who identity.Actor, c Connection, now time.Time) audit.Event {
	return audit.Event{
		At: now, Kind: kind, Actor: who.String(), Subject: "connection:" + c.ID,
		Data: map[string]string{"name": c.DisplayName, "version": strconv.Itoa(c.Version)},
	}
}

// Package server puts Margay together: it opens the database, the key, the
// engine and the services, and serves the API and the web UI.
//
// It is the composition root: the only package that knows all others, and the
// one place that asks the real clock. It holds no rule.
package server

import (
	"context"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/api"
	"github.com/margay-access/margay/internal/batch"
	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/engine"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/integration/all"
	"github.com/margay-access/margay/internal/notice"
	"github.com/margay-access/margay/internal/provision"
	"github.com/margay-access/margay/internal/seal"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/web"
	"github.com/margay-access/margay/internal/workflow"
)

// Config is everything an operator can set.
type Config struct {
	Listen    string // default 127.0.0.1:8080
	Data      string // folder of the key, the socket and, without Database, the database
	Database  string // PostgreSQL DSN; "": SQLite in Data
	KeyURL    string // wraps the keys of secrets; default file://DATA/margay.key
	TLSCert   string // PEM files; both or none
	TLSKey    string
	CAFile    string         // PEM, added to the system's authorities for calls to Tableau
	RootCAs   *x509.CertPool // instead of the system's and CAFile, for tests and the demo
	AllowCIDR string         // private ranges that Tableau may live in
	Linger    time.Duration  // keep a session with Tableau this long after its last call
	Notices   Notices
	AuditHead string // file that the end of the audit log is written to; "": none
	Proxies   string // ranges of the proxies whose X-Forwarded-For is believed
	Version   string
	Log       *slog.Logger
	Now       func() time.Time // default: the database's time; a test's is the one of all nodes
}

func (c *Config) fill() error {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:8080"
	}
	if c.Data == "" {
		return errors.New("start: a data folder is required")
	}
	abs, err := filepath.Abs(c.Data)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	c.Data = abs
	if c.KeyURL == "" {
		c.KeyURL = "file://" + filepath.Join(c.Data, "margay.key")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("start: --tls-cert and --tls-key go together")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return os.MkdirAll(c.Data, 0o700)
}

// Server is one node of Margay.
type Server struct {
	cfg         Config
	db          *store.DB
	engine      *engine.Engine
	connections *connection.Service
	identity    *identity.Service
	provisioner *provision.Provisioner
	flows       *workflow.Service
	batches     *batch.Service
	notices     *notice.Service
	head        headFile
	handler     http.Handler
	told        bool          // the time is told by the configuration
	stopping    chan struct{} // closed when it stops serving: streams end
}

// Open opens the database and puts the services together. It takes no work and
// serves nothing yet: Run does.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	told := cfg.Now != nil
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	// `margay admin` has the database for a moment.
	db, err := patiently(ctx, patience, func() (*store.DB, error) { return openStore(ctx, cfg) })
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, db: db, told: told, stopping: make(chan struct{})}
	if err := s.assemble(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func openStore(ctx context.Context, cfg Config) (*store.DB, error) {
	c := store.Config{Postgres: cfg.Database, Now: cfg.Now}
	if cfg.Database == "" {
		c.SQLite = databaseFile(cfg)
	}
	return store.Open(ctx, c)
}

// How long another process that has the database is waited for.
const (
	// patience of a server: `margay admin` needs the database for a moment.
	patience = 5 * time.Second
	// adminPatience is for a server that starts, which has the database before it
	// answers: the longest is one that changes a large database to a new version.
	adminPatience = 30 * time.Second
	lookAgain     = 50 * time.Millisecond
)

// patiently calls open until the database is free, ctx ends, or wait is over.
func patiently[T any](ctx context.Context, wait time.Duration, open func() (T, error)) (T, error) {
	enough := time.After(wait)
	for {
		value, err := open()
		if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code != "database_in_use" {
			return value, err
		}
		select {
		case <-ctx.Done():
			return value, err
		case <-enough:
			return value, err
		case <-time.After(lookAgain):
		}
	}
}

func (s *Server) assemble(ctx context.Context) error {
	cfg, db := s.cfg, s.db
	sealer, err := seal.Open(ctx, cfg.KeyURL, db)
	if err != nil {
		return err
	}
	auditKey, err := sealer.AuditKey(ctx)
	if err != nil {
		return err
	}
	env, err := cfg.environment()
	if err != nil {
		return err
	}
	node, err := nodeID(cfg.Data)
	if err != nil {
		return err
	}
	leases := connection.Leases{Store: db, Node: node, NewID: newID, Log: cfg.Log}
	if err := leases.Begin(ctx); err != nil {
		return err
	}
	env.Lease = leases.Lease
	s.engine, err = engine.Open(ctx, engine.Config{SQLite: db.Path(), Postgres: db.PoolConfig(), Node: node, Log: cfg.Log, Now: cfg.Now})
	if err != nil {
		return err
	}
	// All that has a time in the rules goes by one clock on all nodes.
	common := &clock{skew: db.Skew, local: cfg.Now, log: cfg.Log}
	if s.told {
		common.skew = func(context.Context) (_, _ time.Duration, _ error) { return 0, 0, nil }
	}
	if err := common.set(ctx); err != nil {
		return errors.Join(err, s.engine.Stop(ctx))
	}
	cfg.Now = common.Now
	db.Use(auditKey, func(ctx context.Context, tx *sql.Tx, job access.Job) error {
		return provision.Enqueue(ctx, s.engine, tx, job)
	})
	db.UseRuns(func(ctx context.Context, tx *sql.Tx, run workflow.Run) error {
		return provision.EnqueueRun(ctx, s.engine, tx, run)
	})

	db.UseComparisons(func(ctx context.Context, tx *sql.Tx, c access.Comparison) error {
		return provision.EnqueueComparison(ctx, s.engine, tx, c)
	})

	db.UseBatches(func(ctx context.Context, tx *sql.Tx, b batch.Batch) error {
		return batch.Enqueue(ctx, s.engine, tx, b)
	})

	registry := all.Integrations()
	s.identity = identity.NewService(db, cfg.Now, newID)
	s.connections = connection.NewService(connection.Config{Store: db, Registry: registry, Sealer: sealer, Env: env, Now: cfg.Now, NewID: newID})
	sys := systems{connections: s.connections, registry: registry}
	flows := workflow.NewService(db, sys, cfg.Now, newID)
	install := installer(registry, flows)
	rules := provision.Roles{Workflows: flows, Systems: sys, Installed: func(ctx context.Context, who identity.Actor, id string) (access.Workflows, error) {
		return installedPair(ctx, who, s.connections, install, id)
	}}
	granting := access.NewService(db, rules, cfg.Now, newID)
	flows.Use(surroundings(db, granting, s.connections, registry, cfg.Log))
	runner := workflow.NewRunner(db, sys, cfg.Now, cfg.Log)
	s.provisioner = &provision.Provisioner{
		Trials: provision.Trials{Workflow: flows.Workflow, Try: trial(flows, runner), Sample: granting.Sample},
		Access: granting, Runs: db, Executor: runner, Record: db.RecordEvents, Systems: sys, Workflows: flows, People: db,
		Drift: granting, Accounts: sys.accounts,
		Now: cfg.Now, SetClock: common.set, Log: cfg.Log,
	}
	s.flows = flows
	s.batches = batch.NewService(db, doers(granting, flows, s.provisioner), cfg.Now, newID, cfg.Log)
	s.head = headFile{DB: db, path: cfg.AuditHead, now: cfg.Now, log: cfg.Log}
	if s.notices, err = cfg.notices(db, sealer); err != nil {
		return errors.Join(err, s.engine.Stop(ctx))
	}
	s.provisioner.Handle(s.engine) //nolint:contextcheck // the engine gives each job a context of its own
	s.batches.Handle(s.engine)     //nolint:contextcheck // as above
	external, err := cfg.external()
	if err != nil {
		return errors.Join(err, s.engine.Stop(ctx))
	}
	proxies, err := cfg.proxies()
	if err != nil {
		return errors.Join(err, s.engine.Stop(ctx))
	}
	pages := web.New(web.Config{ //nolint:contextcheck // each page has the context of its request
		Identity: s.identity, Access: granting, Connections: s.connections, Workflows: flows, Runs: s.provisioner, Batches: s.batches, Registry: registry, Audit: db, Pulse: db, Install: install,
		External: external, TrustedProxies: proxies, Stopping: s.stopping, Version: cfg.Version, Log: cfg.Log, Now: cfg.Now,
	})
	s.handler = s.routes(api.New(api.Config{
		Identity: s.identity, Access: granting, Connections: s.connections, Workflows: flows, Runs: s.provisioner, Batches: s.batches, Registry: registry, Audit: s.head, Install: install,
		Notices: s.notices, Calls: db, External: external, Now: cfg.Now, Version: cfg.Version, Log: cfg.Log,
	}), pages)
	return nil
}

// external returns how browsers reach the server, or nil when nobody said.
func (c Config) external() (*url.URL, error) {
	if c.Notices.ExternalURL == "" {
		return nil, nil //nolint:nilnil // no address is not an error
	}
	u, err := url.Parse(c.Notices.ExternalURL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return nil, fault.New(fault.Invalid, "%q is not an address such as https://margay.acme.example.", c.Notices.ExternalURL).WithCode("bad_external_url").
			WithHint("Set it with --external-url or MARGAY_EXTERNAL_URL.")
	}
	return u, nil
}

// proxies returns the ranges of proxies that are trusted.
func (c Config) proxies() ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, text := range strings.FieldsFunc(c.Proxies, func(r rune) bool { return r == ',' || r == ' ' }) {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return nil, fault.New(fault.Invalid, "%q is not a range such as 10.0.0.0/8.", text).WithCode("bad_range").
					WithHint("Set it with --trusted-proxies or MARGAY_TRUSTED_PROXIES.")
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		list = append(list, p)
	}
	return list, nil
}

// environment is what integrations get from this machine.
func (c Config) environment() (integration.Env, error) {
	egress, err := connection.NewEgress(c.AllowCIDR)
	if err != nil {
		return integration.Env{}, err
	}
	env := integration.Env{RootCAs: c.RootCAs, Control: egress.Control, Linger: c.Linger, UserAgent: "Margay/" + c.Version, Log: c.Log}
	if c.CAFile == "" || c.RootCAs != nil {
		return env, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return env, fmt.Errorf("read the certificate authorities of MARGAY_TABLEAU_CA_FILE: %w", err)
	}
	if env.RootCAs, err = x509.SystemCertPool(); err != nil {
		env.RootCAs = x509.NewCertPool()
	}
	if !env.RootCAs.AppendCertsFromPEM(pem) {
		return env, fmt.Errorf("MARGAY_TABLEAU_CA_FILE: %s holds no certificate in PEM", c.CAFile)
	}
	return env, nil
}

func (s *Server) routes(apiHandler, pages http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", pages)
	mux.Handle("/api/", apiHandler)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n")) // the caller may be gone
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := s.db.Ping(r.Context()); err != nil {
			s.cfg.Log.ErrorContext(r.Context(), "not ready", "error", err)
			http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n")) // the caller may be gone
	})
	return mux
}

// ListenFault says why the address cannot be served on; another error stays as it
// is.
func ListenFault(address string, err error) error {
	_, malformed := errors.AsType[*net.AddrError](err)
	_, unknown := errors.AsType[*net.DNSError](err)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fault.New(fault.Conflict, "Another program serves on %s already.", address).WithCode("address_in_use").
			WithHint("Choose another address with --listen, or stop that program.").Because(err)
	case malformed || unknown || errors.Is(err, syscall.EADDRNOTAVAIL):
		return fault.New(fault.Invalid, "%q is no address that this machine can serve on.", address).WithCode("address").
			WithHint("Write it as --listen HOST:PORT: 127.0.0.1:8080 for this machine alone, :8080 for all.").Because(err)
	}
	return err
}

// databaseFile is where SQLite keeps the rows.
func databaseFile(cfg Config) string { return filepath.Join(cfg.Data, "margay.db") }

// drain is how long a stop waits for what is under way.
const drain = 30 * time.Second

// Run serves until ctx ends, then lets what is under way finish. ready, if
// given, is told the address once requests are served.
func (s *Server) Run(ctx context.Context, ready func(url string)) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		return errors.Join(ListenFault(s.cfg.Listen, fmt.Errorf("serve on %s: %w", s.cfg.Listen, err)), s.Close(ctx))
	}
	if err := s.engine.Start(ctx); err != nil {
		return errors.Join(err, listener.Close(), s.Close(ctx))
	}
	if err := s.notices.Begin(ctx); err != nil {
		return errors.Join(err, listener.Close(), s.Close(ctx))
	}
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	var background sync.WaitGroup
	background.Go(func() { s.provisioner.Expire(work) })
	background.Go(func() { s.flows.Clock(work) })
	background.Go(func() { s.batches.Mend(work) })
	background.Go(func() { s.watch(work) })
	var telling sync.WaitGroup
	telling.Go(func() { s.notices.Run(work) })
	telling.Go(func() { s.head.keep(work) })
	socket, err := s.serveAdmin(work, &background)
	if err != nil {
		s.cfg.Log.WarnContext(ctx, "margay admin does not work beside this server", "error", err)
	}
	serving := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 3 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelWarn),
	}
	serving.RegisterOnShutdown(func() { close(s.stopping) })
	failed := make(chan error, 1)
	scheme := "http"
	if s.cfg.TLSCert != "" {
		scheme = "https"
	}
	background.Go(func() {
		serve := func() error { return serving.Serve(listener) }
		if scheme == "https" {
			serve = func() error { return serving.ServeTLS(listener, s.cfg.TLSCert, s.cfg.TLSKey) }
		}
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	})
	if ready != nil {
		ready(scheme + "://" + listener.Addr().String())
	}
	var served error
	select {
	case <-ctx.Done():
	case served = <-failed:
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	errs := []error{served, stopServing(last, serving), socket.close()}
	stopWork()
	telling.Wait() // what was sent is noted before the database closes
	errs = append(errs, s.Close(last))
	background.Wait()
	return errors.Join(errs...)
}

// Close ends a server that Run did not end: it lets runs finish until ctx ends,
// and closes the database.
func (s *Server) Close(ctx context.Context) error {
	return errors.Join(s.engine.Stop(ctx), s.connections.Close(ctx), s.db.Close())
}

// IssueToken makes an API token, as `margay admin token` does.
func (s *Server) IssueToken(ctx context.Context, email string, scopes []identity.Scope) (string, error) {
	return s.identity.IssueToken(ctx, email, scopes)
}

// SetPassword sets somebody's password, as `margay admin password` does.
func (s *Server) SetPassword(ctx context.Context, email, password string) error {
	_, err := s.identity.SetPassword(ctx, email, password)
	return err
}

// newID returns a new sortable id behind a prefix.
func newID(prefix string) string {
	return prefix + "_" + strings.ReplaceAll(uuid.Must(uuid.NewV7()).String(), "-", "")
}

// nodeID returns the id of the node that this data folder belongs to, made once.
func nodeID(data string) (string, error) {
	path := filepath.Join(data, "node-id")
	text, err := os.ReadFile(path) //nolint:gosec // in the operator's data folder
	if err == nil && strings.TrimSpace(string(text)) != "" {
		return strings.TrimSpace(string(text)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the node's id: %w", err)
	}
	id := newID("node")
	if err := os.WriteFile(path, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the node's id: %w", err)
	}
	return id, nil
}

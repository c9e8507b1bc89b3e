package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/batch"
	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/web/assets"
	"github.com/margay-access/margay/internal/workflow"
)

// Config is what pages are made from.
type Config struct {
	Identity    *identity.Service
	Access      *access.Service
	Connections *connection.Service
	Workflows   *workflow.Service
	Runs        Runs
	Batches     *batch.Service
	Registry    *integration.Registry
	Audit       Audit
	Pulse       Pulse
	// Install copies a bundle's workflows.
	Install func(ctx context.Context, who identity.Actor, integration, slug string) ([]workflow.Workflow, error)

	External       *url.URL        // how browsers reach the server; nil: as they say
	TrustedProxies []netip.Prefix  // whose X-Forwarded-For is believed
	Stopping       <-chan struct{} // closed when the server stops: streams end
	Version        string
	Log            *slog.Logger
	Now            func() time.Time
}

// Audit reads the audit log.
type Audit interface {
	Events(ctx context.Context, f audit.Filter) ([]audit.Event, error)
	VerifyEvents(ctx context.Context) (audit.Head, error)
}

// Pulse says whether something changed.
type Pulse interface {
	// Pulse returns a text that is another one when something was changed.
	Pulse(ctx context.Context) (string, error)
}

// maxBody bounds the body of a request.
const maxBody = 1 << 20

// site holds the handlers.
type site struct {
	Config
	mux       *http.ServeMux
	addresses *addressThrottle
	hub       *hub
	pages     map[string]bool // the addresses of pages
	acts      []string        // and those that forms are sent to
}

// New returns the handler of the web UI: everything that is not below /api/.
func New(cfg Config) http.Handler {
	s := &site{Config: cfg, mux: http.NewServeMux(), addresses: newAddressThrottle(cfg.Now), hub: newHub(cfg.Pulse, cfg.Stopping, cfg.Log), pages: map[string]bool{}}
	s.mux.Handle("GET "+assets.Prefix, assets.Handler())
	s.mux.HandleFunc("GET /favicon.svg", favicon)
	s.signInPages()
	s.eventStream()
	s.homePages()
	s.searchPages()
	s.cataloguePages()
	s.requestPages()
	s.approvalPages()
	s.accessPages()
	s.driftPages()
	s.batchPages()
	s.peoplePages()
	s.signInLinkPages()
	s.groupPages()
	s.policyPages()
	s.appPages()
	s.taskPages()
	s.auditPages()
	s.profilePages()
	s.connectionPages()
	s.browsePages()
	s.consolePages()
	s.runPages()
	s.workflowPages()
	s.formPages()
	s.mux.HandleFunc("/", s.bare(s.nothingHere))
	return s.secure(s.mux)
}

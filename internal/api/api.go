// Package api is the REST API: /api/v1, JSON, bearer tokens, problem details.
//
// It turns requests into calls of the services and their answers into the JSON
// of package wire, and holds no rule: whatever it lets through, the services
// check. The OpenAPI description is made from the same types and served at
// /api/openapi.json.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/uuid"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/batch"
	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/idempotency"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/notice"
	"github.com/margay-access/margay/internal/workflow"
)

// Config is what the API serves.
type Config struct {
	Identity    *identity.Service
	Access      *access.Service
	Connections *connection.Service
	Workflows   *workflow.Service
	Runs        Runs
	Batches     *batch.Service
	Registry    *integration.Registry
	Notices     *notice.Service
	Audit       Audit
	Calls       idempotency.Store // keeps calls with an Idempotency-Key
	Now         func() time.Time
	// Install copies a bundle's workflows.
	Install  func(ctx context.Context, who identity.Actor, integration, slug string) ([]workflow.Workflow, error)
	External *url.URL // how people reach the server; nil: as they say
	Version  string
	Log      *slog.Logger
}

// Audit reads the audit log.
type Audit interface {
	Events(ctx context.Context, f audit.Filter) ([]audit.Event, error)
	VerifyEvents(ctx context.Context) (audit.Head, error)
}

// server holds the handlers.
type server struct {
	Config
	api huma.API
}

// maxBody bounds the body of a request.
const maxBody = 1 << 20

// New returns the handler of everything below /api/.
func New(cfg Config) http.Handler {
	problems()
	mux := http.NewServeMux()
	hc := huma.DefaultConfig("Margay", cfg.Version)
	hc.Info.Description = "Access management whose first integration is Tableau. Errors are problem details (RFC 9457)."
	hc.OpenAPIPath = "/api/openapi"
	hc.DocsPath, hc.SchemasPath = "", "/api/schemas" // no page that loads scripts from elsewhere
	hc.CreateHooks = nil                             // no $schema in each answer
	hc.RejectUnknownQueryParameters = true           // a mistyped filter must not show everything
	hc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "An API token: margay_pat_…"},
	}
	hc.Security = []map[string][]string{{"token": {}}}
	s := &server{Config: cfg, api: humago.New(mux, hc)}
	s.api.UseMiddleware(s.authenticate, s.once)
	s.connections()
	s.pages()
	s.directory()
	s.accessRoutes()
	s.grantRoutes()
	s.driftRoutes()
	s.historyRoutes()
	s.rules()
	s.workflows()
	s.authoring()
	s.runs()
	s.batchRoutes()
	s.auditRoutes()
	s.noticeRoutes()
	s.tokenRoutes()
	s.signInRoutes()
	return s.requestID(s.noSuchRoute(mux))
}

type (
	actorKey     struct{}
	requestIDKey struct{}
)

// requestID gives each request an id: the caller's when it is a sane one.
func (s *server) requestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if !saneID(id) {
			id = "req_" + strings.ReplaceAll(uuid.Must(uuid.NewV7()).String(), "-", "")
		}
		w.Header().Set("X-Request-Id", id)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
		defer s.recovered(r.Context(), w) //nolint:contextcheck // it is the request's
		next.ServeHTTP(w, r)
	})
}

// recovered answers a panic of a handler with a problem.
func (s *server) recovered(ctx context.Context, w http.ResponseWriter) {
	if cause := recover(); cause != nil {
		if cause == http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
			panic(cause)
		}
		s.problemOf(ctx, fmt.Errorf("panic: %v\n%s", cause, debug.Stack())).write(ctx, w)
	}
}

func saneID(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

// noSuchRoute answers what mux does not know with a problem, not with text.
func (s *server) noSuchRoute(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r) // not handler: the mux fills in what the path holds
			return
		}
		rec := &statusOnly{header: http.Header{}}
		handler.ServeHTTP(rec, r)
		if rec.status != http.StatusMethodNotAllowed {
			rec.status = http.StatusNotFound
		}
		p := &problem{Status: rec.status, Title: http.StatusText(rec.status), Code: "no_route"}
		p.Detail = "There is nothing at " + r.URL.Path + "."
		if rec.status == http.StatusMethodNotAllowed {
			p.Detail = r.Method + " is not possible at " + r.URL.Path + "."
			w.Header().Set("Allow", rec.header.Get("Allow"))
		}
		p.NextSteps = []string{"The API is described at /api/openapi.json."}
		p.write(r.Context(), w)
	})
}

// statusOnly learns what the mux would have answered.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }

// authenticate finds out who is asking.
func (s *server) authenticate(ctx huma.Context, next func(huma.Context)) {
	scheme, value, ok := strings.Cut(ctx.Header("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		ctx.SetHeader("WWW-Authenticate", `Bearer realm="margay"`)
		s.refuse(ctx, fault.New(fault.Unauthenticated, "This needs an API token.").WithCode("token_needed").
			WithHint("Send the header Authorization: Bearer margay_pat_…; make a token with: margay admin token"))
		return
	}
	who, err := s.Identity.Authenticate(ctx.Context(), strings.TrimSpace(value))
	if err != nil {
		ctx.SetHeader("WWW-Authenticate", `Bearer realm="margay", error="invalid_token"`)
		s.refuse(ctx, err)
		return
	}
	next(huma.WithValue(ctx, actorKey{}, who))
}

func (s *server) refuse(ctx huma.Context, err error) {
	p := s.problemOf(ctx.Context(), err)
	ctx.SetHeader("Content-Type", "application/problem+json")
	ctx.SetStatus(p.Status)
	p.encode(ctx.BodyWriter())
}

// register adds one operation whose handler is told who asks. Errors become
// problems here and nowhere else.
func register[I, O any](s *server, method, route, id, summary string, status int, handler func(ctx context.Context, who identity.Actor, in *I) (*O, error)) {
	registerAs(s, func(*huma.Operation) {}, method, route, id, summary, status, handler)
}

// registerAs is register of an operation of which more is to be said.
func registerAs[I, O any](s *server, more func(*huma.Operation), method, route, id, summary string, status int, handler func(ctx context.Context, who identity.Actor, in *I) (*O, error)) {
	op := huma.Operation{
		OperationID: id, Method: method, Path: "/api/v1" + route, Summary: summary, DefaultStatus: status, MaxBodyBytes: maxBody,
		Errors: []int{
			http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge,
			http.StatusUnprocessableEntity, http.StatusInternalServerError, http.StatusBadGateway,
		},
	}
	more(&op)
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		who, ok := ctx.Value(actorKey{}).(identity.Actor)
		if !ok {
			return nil, s.problemOf(ctx, errors.New("a handler ran without an actor"))
		}
		out, err := handler(ctx, who, in)
		if err != nil {
			return nil, s.problemOf(ctx, err)
		}
		return out, nil
	})
}

// body is an answer with a JSON body.
type body[T any] struct{ Body T }

func answer[T any](v T) *body[T] { return &body[T]{Body: v} }

// one is a request for one thing by its id.
type one struct {
	ID string `path:"id"`
}

// with is a request with a body.
type with[T any] struct{ Body T }

// oneWith is a request with a body for one thing.
type oneWith[T any] struct {
	ID   string `path:"id"`
	Body T
}

// Page is a request for one page of a list. It is exported for huma, which
// reads the fields of no other embedded struct.
type Page struct {
	Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"200"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before"`
}

var cursorForm = regexp.MustCompile(`^[a-z]{3}_[0-9a-f]{32}$`)

// check refuses a cursor that no page of these things gave.
func (p Page) check(prefix string) error {
	if p.Cursor == "" || cursorForm.MatchString(p.Cursor) && strings.HasPrefix(p.Cursor, prefix+"_") {
		return nil
	}
	return badCursor()
}

func badCursor() error {
	return fault.Field("cursor", "This cursor is not one of ours: give the next_cursor of the page before.")
}

type nothing struct{}

var problemsOnce sync.Once

// problems makes huma's own errors ours. Its hooks are the process's, so they
// are set once.
func problems() {
	problemsOnce.Do(func() {
		huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
			return ourError(ctx.Context(), status, msg, errs)
		}
		huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
			return ourError(context.Background(), status, msg, errs)
		}
	})
}

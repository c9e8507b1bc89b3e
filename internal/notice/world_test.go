package notice_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/notice"
	"github.com/margay-access/margay/internal/seal"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/internal/workflow"
)

// The people of these tests.
const (
	ana  identity.PersonID = "usr_ana"  // an administrator
	bo   identity.PersonID = "usr_bo"   // an approver
	olga identity.PersonID = "usr_olga" // an owner of the app
	rita identity.PersonID = "usr_rita" // asks
	dan  identity.PersonID = "usr_dan"  // an approver who is disabled
)

func as(p identity.PersonID) identity.Actor {
	return identity.Actor{Person: p, Name: string(p), Admin: p == ana, Scopes: []identity.Scope{identity.ScopeAdmin}, Via: "token:tok_" + string(p)}
}

// world is access, notices and a receiver on one database, with a clock of its
// own.
type world struct {
	t       *testing.T
	db      *store.DB
	access  *access.Service
	notices *notice.Service
	cfg     notice.Config
	mail    *outbox
	hook    *receiver
	app     access.App
	next    atomic.Int64
	now     atomic.Int64
}

type anyRole struct{}

func (anyRole) Complete(_ context.Context, _ identity.Actor, a access.App) (access.App, error) {
	a.Workflows = access.Workflows{Provision: "wfl_p", Deprovision: "wfl_d"}
	return a, nil
}

func (anyRole) CheckRole(context.Context, access.App, access.Role) error { return nil }

func (anyRole) Offered(context.Context, access.App) ([]string, error) { return nil, nil }

func (anyRole) CheckApproval(context.Context, string) error { return nil }

func (anyRole) Scale(context.Context, string) (access.Scale, error) { return access.Scale{}, nil }

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	w := &world{t: t, db: db, mail: &outbox{}, hook: newReceiver(t)}
	w.now.Store(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).UnixMilli())
	db.Use(storetest.AuditKey, func(context.Context, *sql.Tx, access.Job) error { return nil })
	newID := func(prefix string) string { return fmt.Sprintf("%s_%032x", prefix, w.next.Add(1)) }
	w.access = access.NewService(db, anyRole{}, w.clock, newID)
	for _, p := range []identity.PersonID{ana, bo, olga, rita, dan} {
		w.must(db.SavePerson(t.Context(), identity.Person{
			ID: p, Email: string(p) + "@acme.example", Name: strings.TrimPrefix(string(p), "usr_"), Admin: p == ana, Disabled: p == dan, CreatedAt: w.clock(),
		}))
	}
	w.must(db.SaveConnection(t.Context(), connection.Connection{ID: "con_1", Integration: "tableau", DisplayName: "con_1", Version: 1}))
	w.must(db.AddWorkflows(t.Context(), []workflow.Workflow{{ID: "wfl_p", Name: "p"}, {ID: "wfl_d", Name: "d"}}, nil))
	var err error
	w.app, err = w.access.SaveApp(t.Context(), as(ana), access.App{Name: "Tableau", Connection: "con_1", Owners: []identity.PersonID{olga}})
	w.must(err)
	sealer, err := seal.Open(t.Context(), "file://"+t.TempDir()+"/key", db)
	w.must(err)
	w.cfg = notice.Config{
		Store: db, Sealer: sealer, Mail: w.mail, ExternalURL: "https://margay.acme.example", RootCAs: w.hook.roots, UserAgent: "Margay/test",
		Now: w.clock, NewID: newID, Jitter: func() float64 { return 0 }, Log: slog.New(slog.DiscardHandler),
	}
	w.notices = notice.NewService(w.cfg)
	w.must(w.notices.Begin(t.Context()))
	return w
}

func (w *world) clock() time.Time { return time.UnixMilli(w.now.Load()).UTC() }

func (w *world) pass(d time.Duration) { w.now.Add(d.Milliseconds()) }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// role makes a role that these people decide on; without them it is given at
// once.
func (w *world) role(approvers ...identity.PersonID) access.RoleID {
	w.t.Helper()
	p := access.Policy{Name: strconv.FormatInt(w.next.Add(1), 10), Longest: 30 * 24 * time.Hour, Usual: 8 * time.Hour}
	if len(approvers) > 0 {
		p.Steps = []access.Step{{}}
		for _, a := range approvers {
			p.Steps[0].Approvers = append(p.Steps[0].Approvers, access.Approver{Person: a})
		}
	}
	p, err := w.access.SavePolicy(w.t.Context(), as(ana), p)
	w.must(err)
	r, err := w.access.SaveRole(w.t.Context(), as(ana), access.Role{App: w.app.ID, Name: fmt.Sprintf("Role%d", w.next.Add(1)), Policy: p.ID})
	w.must(err)
	return r.ID
}

func (w *world) file(role access.RoleID, length time.Duration) access.Request {
	w.t.Helper()
	r, err := w.access.File(w.t.Context(), as(rita), access.Ask{Role: role, Length: &length, Reason: "a reason that stays here"})
	w.must(err)
	return r
}

// report reports the present run of a grant.
func (w *world) report(id access.GrantID, kind access.JobKind, problem *access.Problem) access.Grant {
	w.t.Helper()
	g, err := w.access.Grant(w.t.Context(), as(ana), id)
	w.must(err)
	g, err = w.access.Report(w.t.Context(), access.Outcome{Run: g.Run, Kind: kind, Grant: id, Problem: problem})
	w.must(err)
	return g
}

// turn does what a tick does, and waits for the attempts that it began.
func (w *world) turn() {
	w.t.Helper()
	ctx := w.t.Context()
	w.must(w.notices.TellEnds(ctx))
	for more := true; more; {
		var err error
		more, err = w.notices.Plan(ctx)
		w.must(err)
	}
	w.deliver()
}

// deliver makes attempts until nothing is due.
func (w *world) deliver() {
	w.t.Helper()
	for {
		var under sync.WaitGroup
		w.must(w.notices.Deliver(w.t.Context(), &under))
		under.Wait()
		due := []string(nil)
		w.must(w.db.ViewNotices(w.t.Context(), func(r notice.Reader) (err error) {
			due, err = r.DueQueues(w.t.Context(), w.clock())
			return err
		}))
		if len(due) == 0 {
			return
		}
	}
}

func (w *world) webhook(types ...notice.Type) (notice.Webhook, string) {
	w.t.Helper()
	hook, secret, err := w.notices.AddWebhook(w.t.Context(), as(ana), notice.Webhook{URL: w.hook.URL + "/hook?k=path-secret", Types: types})
	w.must(err)
	return hook, secret
}

func (w *world) deliveries(id string) []notice.Delivery {
	w.t.Helper()
	ds, err := w.notices.Deliveries(w.t.Context(), as(ana), notice.DeliveryFilter{Queue: id})
	w.must(err)
	slices.Reverse(ds)
	return ds
}

func (w *world) kept(id string) notice.Webhook {
	w.t.Helper()
	hook, err := w.notices.Webhook(w.t.Context(), as(ana), id)
	w.must(err)
	return hook
}

// outbox keeps what is mailed. With refuse it fails.
type outbox struct {
	mu     sync.Mutex
	sent   []notice.Message
	refuse error
}

func (o *outbox) Send(_ context.Context, m notice.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refuse != nil {
		return o.refuse
	}
	o.sent = append(o.sent, m)
	return nil
}

// take returns what was mailed since, as "to: subject", sorted.
func (o *outbox) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var lines []string
	for _, m := range o.sent {
		name, _, _ := strings.Cut(m.To, "@")
		lines = append(lines, strings.TrimPrefix(name, "usr_")+": "+m.Subject)
	}
	o.sent = nil
	slices.Sort(lines)
	return lines
}

// letters returns what was mailed since.
func (o *outbox) letters() []notice.Message {
	o.mu.Lock()
	defer o.mu.Unlock()
	sent := o.sent
	o.sent = nil
	return sent
}

// receiver is an https server that keeps what is posted to it.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []posted
	answer func(w http.ResponseWriter, r *http.Request)
	roots  *certs
}

type posted struct {
	header http.Header
	body   string
	path   string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.got = append(r.got, posted{req.Header, string(body), req.URL.Path})
		answer := r.answer
		r.mu.Unlock()
		if answer != nil {
			answer(w, req)
		}
	}))
	t.Cleanup(r.Close)
	r.roots = rootsOf(r.Server)
	return r
}

func (r *receiver) answers(f func(w http.ResponseWriter, r *http.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// status makes the receiver answer so.
func (r *receiver) status(code int, header ...string) {
	r.answers(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	})
}

func (r *receiver) take() []posted {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

var errDown = fault.New(fault.Unavailable, "The mail server does not answer.").Because(errors.New("down"))

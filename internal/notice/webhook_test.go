package notice_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/notice"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// verify checks a message as a receiver does, by the words of Standard Webhooks
// and with no code of ours.
func verify(t *testing.T, p posted, secret string) {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", p.header.Get("webhook-id"), p.header.Get("webhook-timestamp"), p.body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if !slices.Contains(strings.Fields(p.header.Get("webhook-signature")), want) {
		t.Errorf("signature %q, want %s", p.header.Get("webhook-signature"), want)
	}
}

func typeOf(t *testing.T, p posted) string {
	t.Helper()
	var m struct{ Type string }
	if err := json.Unmarshal([]byte(p.body), &m); err != nil {
		t.Fatal(err)
	}
	return m.Type
}

// A request and its grant as a receiver sees them: each event once, signed,
// ids and states only.
func TestWebhookIsTold(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		role := w.role(bo)
		w.file(w.role(bo), time.Hour) // before there is a webhook
		hook, secret := w.webhook()
		req := w.file(role, 8*time.Hour)
		approved, err := w.access.Approve(t.Context(), as(bo), req.ID, nil, "")
		w.must(err)
		w.report(approved.Grant, access.JobProvision, nil)
		w.turn()
		w.turn() // nothing is told twice

		got := w.hook.take()
		slices.SortFunc(got, func(a, b posted) int { return sequence(t, a) - sequence(t, b) })
		var types []string
		for i, p := range got {
			types = append(types, typeOf(t, p))
			verify(t, p, secret)
			if i > 0 && sequence(t, got[i-1]) >= sequence(t, p) {
				t.Errorf("sequence %d follows %d", sequence(t, p), sequence(t, got[i-1]))
			}
			if len(p.body) > 20_000 || strings.Contains(p.body, "a reason") || p.header.Get("Content-Type") != "application/json" {
				t.Errorf("body %s of type %s", p.body, p.header.Get("Content-Type"))
			}
		}
		if want := []string{"request.created", "request.approved", "grant.provisioning", "grant.activated"}; !slices.Equal(types, want) {
			t.Fatalf("told %v, want %v", types, want)
		}
		var last struct {
			Timestamp time.Time
			Data      map[string]any
		}
		w.must(json.Unmarshal([]byte(got[3].body), &last))
		g, err := w.access.Grant(t.Context(), as(ana), approved.Grant)
		w.must(err)
		delete(last.Data, "run_id")
		want := map[string]any{
			"object": "grant", "id": string(g.ID), "state": "active", "sequence": float64(sequence(t, got[3])), "request_id": string(req.ID), "app_id": string(w.app.ID),
			"role_id": string(role), "role": g.RoleName, "person_id": string(rita), "link": "https://margay.acme.example/access/" + string(g.ID),
		}
		if diff := cmp.Diff(want, last.Data); diff != "" {
			t.Error(diff)
		}
		for _, d := range w.deliveries(hook.ID) {
			if d.State != notice.Delivered || d.Attempts != 1 || len(d.Tries) != 1 || d.Tries[0].Status != 200 || strings.Contains(fmt.Sprint(d), "v1,") {
				t.Errorf("delivery %+v", d)
			}
		}
		if kept := w.kept(hook.ID); !kept.SucceededAt.Equal(w.clock()) || !kept.FailingAt.IsZero() {
			t.Errorf("webhook %+v", kept)
		}
	})
}

func sequence(t *testing.T, p posted) int {
	t.Helper()
	var m struct{ Data struct{ Sequence int } }
	if err := json.Unmarshal([]byte(p.body), &m); err != nil {
		t.Fatal(err)
	}
	return m.Data.Sequence
}

// O24: ten attempts at the times of Standard Webhooks, each under one id.
func TestWebhookSchedule(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		hook, _ := w.webhook("request.created")
		w.hook.status(http.StatusServiceUnavailable)
		w.file(w.role(bo), time.Hour)
		w.turn()
		begun := w.clock()
		var waits []time.Duration
		ids := map[string]bool{}
		for range 12 {
			for _, p := range w.hook.take() {
				ids[p.header.Get("webhook-id")] = true
			}
			d := w.deliveries(hook.ID)[0]
			if d.State != notice.Waiting {
				break
			}
			waits = append(waits, d.NextAt.Sub(w.clock()))
			w.pass(d.NextAt.Sub(w.clock()) - time.Millisecond)
			w.deliver()
			if early := w.hook.take(); len(early) > 0 {
				t.Fatal("tried before its time")
			}
			w.pass(time.Millisecond)
			w.deliver()
		}
		h := time.Hour
		if diff := cmp.Diff([]time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * h, 5 * h, 10 * h, 14 * h, 20 * h, 24 * h}, waits); diff != "" {
			t.Error(diff)
		}
		d, kept := w.deliveries(hook.ID)[0], w.kept(hook.ID)
		if d.State != notice.Failed || d.Attempts != 10 || len(ids) != 1 || len(d.Tries) != 10 {
			t.Errorf("after all attempts: %s, %d, ids %v", d.State, d.Attempts, ids)
		}
		// It had failed for three days by then.
		if kept.State != notice.Disabled || w.clock().Sub(begun) < 3*24*h || !strings.Contains(kept.Problem, "three days") {
			t.Errorf("webhook %s after %s: %s", kept.State, w.clock().Sub(begun), kept.Problem)
		}
		if mails := w.mail.take(); !slices.Contains(mails, "ana: A webhook was disabled") {
			w.turn()
			if mails = append(mails, w.mail.take()...); !slices.Contains(mails, "ana: A webhook was disabled") {
				t.Errorf("nobody was told: %q", mails)
			}
		}
	})
}

// O24: what receivers may answer.
func TestWebhookAnswers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status  int
		header  []string
		state   notice.DeliveryState
		hook    notice.WebhookState
		wait    time.Duration
		problem string
	}{
		"204":                    {status: 204, state: notice.Delivered, hook: notice.Enabled},
		"301":                    {status: 301, header: []string{"Location", "https://elsewhere.example/"}, state: notice.Waiting, hook: notice.Enabled, wait: 5 * time.Second, problem: "redirects are not followed"},
		"410":                    {status: 410, state: notice.Failed, hook: notice.Disabled, problem: "410"},
		"429 with Retry-After":   {status: 429, header: []string{"Retry-After", "3600"}, state: notice.Waiting, hook: notice.Enabled, wait: time.Hour, problem: "429"},
		"503 with a date":        {status: 503, header: []string{"Retry-After", "Mon, 02 Mar 2026 09:30:00 GMT"}, state: notice.Waiting, hook: notice.Enabled, wait: 30 * time.Minute, problem: "503"},
		"503 with a week":        {status: 503, header: []string{"Retry-After", "604800"}, state: notice.Waiting, hook: notice.Enabled, wait: 24 * time.Hour, problem: "503"},
		"503 with nonsense":      {status: 503, header: []string{"Retry-After", "-9"}, state: notice.Waiting, hook: notice.Enabled, wait: 5 * time.Second, problem: "503"},
		"400, and hostile words": {status: 400, header: []string{"X-Evil", "\u2028" + strings.Repeat("x", 9000)}, state: notice.Waiting, hook: notice.Enabled, wait: 5 * time.Second, problem: "400"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				w := newWorld(t, db)
				hook, _ := w.webhook("request.created")
				w.hook.status(tt.status, tt.header...)
				w.file(w.role(bo), time.Hour)
				w.turn()
				d, kept := w.deliveries(hook.ID)[0], w.kept(hook.ID)
				if d.State != tt.state || kept.State != tt.hook || !strings.Contains(d.Problem, tt.problem) {
					t.Errorf("delivery %s (%s), webhook %s", d.State, d.Problem, kept.State)
				}
				if d.State == notice.Waiting && d.NextAt.Sub(w.clock()) != tt.wait {
					t.Errorf("next after %s, want %s", d.NextAt.Sub(w.clock()), tt.wait)
				}
				if len(w.hook.take()) != 1 {
					t.Error("it was not asked exactly once")
				}
				for _, line := range append(d.Tries[0].Request, d.Tries[0].Response...) {
					if len([]rune(line)) > 200 || strings.ContainsRune(line, 0x2028) {
						t.Errorf("kept %q", line)
					}
				}
			})
		})
	}
}

// The secret is shown once, kept sealed, in no log and no event, and its rotation
// leaves a day to change over.
func TestWebhookSecret(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		var logs bytes.Buffer
		w.cfg.Log = slog.New(slog.NewTextHandler(&logs, nil))
		w.notices = notice.NewService(w.cfg)
		hook, first := w.webhook("request.created")
		rotated, second, err := w.notices.RotateSecret(t.Context(), as(ana), hook.ID)
		w.must(err)
		if first == second || !strings.HasPrefix(second, "whsec_") {
			t.Fatalf("secrets %q, %q", first, second)
		}
		role := w.role(bo)
		w.file(role, time.Hour)
		w.turn()
		got := w.hook.take()
		verify(t, got[0], first)
		verify(t, got[0], second)
		w.pass(24 * time.Hour)
		w.file(w.role(bo), time.Hour)
		w.turn()
		got = w.hook.take()
		verify(t, got[0], second)
		if n := len(strings.Fields(got[0].header.Get("webhook-signature"))); n != 1 {
			t.Errorf("%d signatures after a day", n)
		}
		events, err := db.Events(t.Context(), audit.Filter{})
		w.must(err)
		all := fmt.Sprintf("%+v %+v %s", events, w.kept(hook.ID), logs.String())
		for _, s := range []string{first, second} {
			if strings.Contains(all, s) || strings.Contains(all, strings.TrimPrefix(s, "whsec_")) {
				t.Error("a secret is kept or logged in clear")
			}
		}
		if strings.Contains(fmt.Sprintf("%+v", events), "path-secret") {
			t.Error("the audit log holds the path of the address")
		}
		// Sealed for its own row.
		if _, err := w.cfg.Sealer.Open(rotated.Secrets[0].Sealed, "webhooks/whk_other/secret/"+rotated.Secrets[0].ID); err == nil {
			t.Error("a secret opens for another webhook")
		}
	})
}

func TestWebhookAddress(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for url, ok := range map[string]bool{
			"https://hooks.acme.example/x?y=z": true, "http://127.0.0.1:9000/x": true, "http://[::1]/": true,
			"http://hooks.acme.example/": false, "http://127.0.0.1.nip.example/": false, "https://user:pw@hooks.acme.example/": false, "https://h/#f": false,
			"ftp://h/": false, "https://": false, "": false, "//h": false, "https://h/\nX: y": false, "https://h/" + strings.Repeat("x", 2000): false, "file:///etc/passwd": false,
		} {
			_, _, err := w.notices.AddWebhook(t.Context(), as(ana), notice.Webhook{URL: url})
			if (err == nil) != ok || err != nil && fault.KindOf(err) != fault.Invalid {
				t.Errorf("%q: %v", url, err)
			}
		}
		if _, _, err := w.notices.AddWebhook(t.Context(), as(ana), notice.Webhook{URL: "https://h/", Types: []notice.Type{"grant.*"}}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a type that is none: %v", err)
		}
	})
}

// G12: webhooks go where the guard lets them, whatever their name leads to.
func TestWebhookEgress(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		egress, err := connection.NewEgressOf("MARGAY_WEBHOOK_ALLOW_CIDR", "the receiver", "")
		w.must(err)
		w.cfg.Control = egress.Control
		w.notices = notice.NewService(w.cfg)
		hook, _ := w.webhook()
		d, err := w.notices.TestWebhook(t.Context(), as(ana), hook.ID)
		if err != nil || d.State != notice.Failed || !strings.Contains(d.Problem, "MARGAY_WEBHOOK_ALLOW_CIDR") || len(w.hook.take()) != 0 {
			t.Errorf("%s: %s, %v", d.State, d.Problem, err)
		}
	})
}

// A test and a replay by hand.
func TestWebhookByHand(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		w := newWorld(t, db)
		hook, secret := w.webhook("request.created")
		d, err := w.notices.TestWebhook(ctx, as(ana), hook.ID)
		got := w.hook.take()
		if err != nil || d.State != notice.Delivered || len(got) != 1 || typeOf(t, got[0]) != "webhook.test" {
			t.Fatalf("test: %+v, %v", d, err)
		}
		verify(t, got[0], secret)
		w.file(w.role(bo), time.Hour)
		w.turn()
		first := w.hook.take()[0]
		id := w.deliveries(hook.ID)[1].ID
		_, err = w.notices.Replay(ctx, as(ana), hook.ID, id)
		w.must(err)
		if _, err := w.notices.Replay(ctx, as(ana), hook.ID, id); fault.KindOf(err) != fault.Conflict {
			t.Errorf("replayed while it waits: %v", err)
		}
		w.turn()
		again := w.hook.take()
		if len(again) != 1 || again[0].body != first.body || again[0].header.Get("webhook-id") != first.header.Get("webhook-id") {
			t.Errorf("replayed %+v", again)
		}
		other, _ := w.webhook()
		if _, err := w.notices.Replay(ctx, as(ana), other.ID, id); fault.KindOf(err) != fault.NotFound {
			t.Errorf("replayed as another's: %v", err)
		}
		// Paused: nothing waits, nothing is told of what happens meanwhile.
		_, err = w.notices.ChangeWebhook(ctx, as(ana), hook.ID, notice.WebhookChange{Paused: new(true)})
		w.must(err)
		w.must(w.notices.DeleteWebhook(ctx, as(ana), other.ID))
		w.file(w.role(bo), time.Hour)
		w.turn()
		_, err = w.notices.ChangeWebhook(ctx, as(ana), hook.ID, notice.WebhookChange{Paused: new(false)})
		w.must(err)
		w.turn()
		if got := w.hook.take(); len(got) != 0 {
			t.Errorf("told of what happened while paused: %+v", got)
		}
		w.must(w.notices.DeleteWebhook(ctx, as(ana), hook.ID))
		if _, err := w.notices.Deliveries(ctx, as(ana), notice.DeliveryFilter{Queue: hook.ID}); fault.KindOf(err) != fault.NotFound {
			t.Errorf("after its deletion: %v", err)
		}
	})
}

// Only an administrator has to do with webhooks, and the attempt is recorded.
func TestWebhookRights(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		w := newWorld(t, db)
		hook, _ := w.webhook()
		lesser := as(ana)
		lesser.Scopes = []identity.Scope{identity.ScopeAuditRead}
		for _, who := range []identity.Actor{as(rita), lesser} {
			acts := map[string]func() error{
				"list": func() error { _, err := w.notices.Webhooks(ctx, who); return err },
				"show": func() error { _, err := w.notices.Webhook(ctx, who, hook.ID); return err },
				"add": func() error {
					_, _, err := w.notices.AddWebhook(ctx, who, notice.Webhook{URL: "https://h/"})
					return err
				},
				"change": func() error { _, err := w.notices.ChangeWebhook(ctx, who, hook.ID, notice.WebhookChange{}); return err },
				"rotate": func() error { _, _, err := w.notices.RotateSecret(ctx, who, hook.ID); return err },
				"delete": func() error { return w.notices.DeleteWebhook(ctx, who, hook.ID) },
				"test":   func() error { _, err := w.notices.TestWebhook(ctx, who, hook.ID); return err },
				"replay": func() error { _, err := w.notices.Replay(ctx, who, hook.ID, "dlv_1"); return err },
				"mail":   func() error { _, err := w.notices.TestMail(ctx, who); return err },
				"deliveries": func() error {
					_, err := w.notices.Deliveries(ctx, who, notice.DeliveryFilter{Queue: hook.ID})
					return err
				},
			}
			for name, act := range acts {
				if err := act(); !errors.Is(err, fault.Forbidden) {
					t.Errorf("%s by %s: %v", name, who.Person, err)
				}
				events, err := db.Events(ctx, audit.Filter{Limit: 1})
				if err != nil || events[0].Kind != identity.ActRefused || events[0].Actor != string(who.Person) {
					t.Errorf("%s: recorded %+v, %v", name, events, err)
				}
			}
		}
	})
}

// A process that is killed after the receiver got it and before that was noted
// sends it again, under the same id; two nodes do not send it twice.
func TestWebhookAtLeastOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		w := newWorld(t, db)
		hook, _ := w.webhook("request.created")
		w.file(w.role(bo), time.Hour)
		_, err := w.notices.Plan(ctx)
		w.must(err)
		id := w.deliveries(hook.ID)[0].ID
		claimed, err := db.ClaimDelivery(ctx, id, w.clock(), w.clock().Add(2*time.Minute))
		if err != nil || !claimed {
			t.Fatal(claimed, err)
		}
		if again, err := db.ClaimDelivery(ctx, id, w.clock(), w.clock().Add(2*time.Minute)); err != nil || again {
			t.Fatalf("claimed twice, %v", err)
		}
		w.turn()
		if n := len(w.hook.take()); n != 0 {
			t.Fatalf("%d were sent while another node has it", n)
		}
		w.pass(2 * time.Minute) // the node was killed
		nodes := []*notice.Service{notice.NewService(w.cfg), notice.NewService(w.cfg), notice.NewService(w.cfg)}
		var under sync.WaitGroup
		for _, n := range nodes {
			w.must(n.Deliver(ctx, &under))
		}
		under.Wait()
		if n := len(w.hook.take()); n != 1 {
			t.Errorf("three nodes sent it %d times", n)
		}
		if d := w.deliveries(hook.ID)[0]; d.State != notice.Delivered || d.Attempts != 2 {
			t.Errorf("%s after %d attempts", d.State, d.Attempts)
		}
	})
}

// Nodes that plan at once make each delivery once.
func TestPlanOnManyNodes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		hook, _ := w.webhook("request.created")
		for range 30 {
			w.file(w.role(bo), time.Hour)
		}
		var under sync.WaitGroup
		for range 4 {
			node := notice.NewService(w.cfg)
			under.Go(func() {
				for more := true; more; {
					var err error
					if more, err = node.Plan(t.Context()); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		under.Wait()
		if n := len(w.deliveries(hook.ID)); n != 30 {
			t.Errorf("%d deliveries of 30 events", n)
		}
	})
}

// CloudEvents 1.0, binary mode.
func TestWebhookCloudEvents(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		_, secret, err := w.notices.AddWebhook(t.Context(), as(ana), notice.Webhook{URL: w.hook.URL, Content: notice.CloudEvents, Types: []notice.Type{"request.created"}})
		w.must(err)
		req := w.file(w.role(bo), time.Hour)
		w.turn()
		got := w.hook.take()[0]
		verify(t, got, secret)
		for name, want := range map[string]string{
			"ce-specversion": "1.0", "ce-id": got.header.Get("webhook-id"), "ce-source": "https://margay.acme.example", "ce-type": "dev.margay.request.created",
			"ce-subject": "request:" + string(req.ID), "ce-time": "2026-03-02T09:00:00.000Z",
		} {
			if got.header.Get(name) != want {
				t.Errorf("%s: %q, want %q", name, got.header.Get(name), want)
			}
		}
		var data struct{ ID string }
		if err := json.Unmarshal([]byte(got.body), &data); err != nil || data.ID != string(req.ID) {
			t.Errorf("body %s", got.body)
		}
		if sent, err := strconv.ParseInt(got.header.Get("webhook-timestamp"), 10, 64); err != nil || sent != w.clock().Unix() {
			t.Errorf("timestamp %d, %v", sent, err)
		}
	})
}

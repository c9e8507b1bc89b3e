package notice_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/notice"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// What other packages record of connections and runs is told to webhooks by its
// promised name, and to administrators where they must do something.
func TestTroubleOfConnectionsAndRunsIsTold(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.webhook()
		n := 0
		for _, e := range []struct {
			kind    audit.Kind
			subject string
			before  string
			told    string
			mailed  string
		}{
			{"connection.healthy", "connection:con_1", "never_checked", "", ""},
			{"connection.degraded", "connection:con_1", "healthy", "connection.degraded", "ana: The connection Acme is degraded"},
			{"connection.needs_attention", "connection:con_1", "degraded", "connection.needs_attention", "ana: The connection Acme needs attention"},
			{"connection.healthy", "connection:con_1", "needs_attention", "connection.recovered", ""},
			{"pat.expiring", "connection:con_1", "", "pat.expiring", "ana: The token of the connection Acme ends soon"},
			{"run.failed", "run:run_1", "", "run.failed", ""},
			{"run.unknown", "run:run_1", "", "run.unknown", ""},
			{access.GrantAccepted, "grant:grt_1", "", "grant.ended", ""},
			{access.GrantFound, "grant:grt_1", "", "grant.activated", ""},
			{access.ClockFailed, "grant:grt_1", "", "", "ana: Access whose time is over cannot be ended"}, // whose record cannot be read
		} {
			n++
			w.must(db.RecordEvents(context.WithoutCancel(t.Context()), audit.Event{
				ID: fmt.Sprintf("evt_%d", n), At: w.clock(), Kind: e.kind, Actor: "system", Subject: e.subject,
				Data: map[string]string{"name": "Acme", "before": e.before, "ends": "2026-03-09", "chore": "expire grant"},
			}))
			w.turn()
			var told, want, mail []string
			for _, p := range w.hook.take() {
				told = append(told, typeOf(t, p))
			}
			if e.told != "" {
				want = []string{e.told}
			}
			if e.mailed != "" {
				mail = []string{e.mailed}
			}
			if got := w.mail.take(); !slices.Equal(told, want) || !slices.Equal(got, mail) {
				t.Errorf("%s after %q: told %v, mailed %q", e.kind, e.before, told, got)
			}
		}
	})
}

// What a comparison found is mailed once, with how much it is, however many
// grants it touches; webhooks are told of each.
func TestComparisonIsOneLetter(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.webhook("grant.drifted")
		grants := []access.GrantID{w.file(w.role(), time.Hour).Grant, w.file(w.role(), time.Hour).Grant}
		w.turn()
		w.mail.take()
		n := 0
		record := func(kind audit.Kind, subject string, data map[string]string) {
			n++
			w.must(db.RecordEvents(context.WithoutCancel(t.Context()), audit.Event{ID: fmt.Sprintf("evt_%d", n), At: w.clock(), Kind: kind, Actor: "system", Subject: subject, Data: data}))
		}
		for _, tt := range []struct {
			changed string
			mailed  []string
		}{
			{"2", []string{"ana: 2 accesses in Tableau were changed outside Margay"}},
			{"1", []string{"ana: 1 access in Tableau was changed outside Margay"}},
			{"", nil},
		} {
			want := 0
			for _, id := range grants {
				if tt.changed != "" {
					want++
					record(access.GrantDrifted, "grant:"+string(id), map[string]string{"comparison": "cmp_1", "expected": "Creator", "found": "Viewer"})
				}
			}
			record(access.DriftCompared, "app:"+string(w.app.ID), map[string]string{"comparison": "cmp_1", "changed": tt.changed, "by": string(olga)})
			w.turn()
			if got := w.mail.take(); !slices.Equal(got, tt.mailed) {
				t.Errorf("%q changed: mailed %q", tt.changed, got)
			}
			if told := w.hook.take(); len(told) != want {
				t.Errorf("%q changed: told %d times", tt.changed, len(told))
			}
		}
		// What a run finds is told of that access.
		record(access.GrantDrifted, "grant:"+string(grants[0]), map[string]string{"run": "run_1"})
		w.turn()
		if got := w.mail.take(); len(got) != 2 {
			t.Errorf("found by a run: %q", got)
		}
	})
}

// Somebody learns that a link was made that signs them in, that it was used, and
// that their password was set, even who wants no mail; without mail it is made
// and used all the same.
func TestSignInIsTold(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		_, err := w.notices.RefuseMail(t.Context(), as(rita), true)
		w.must(err)
		next := 0
		people := identity.NewService(db, w.clock, func(prefix string) string { next++; return fmt.Sprintf("%s_%d", prefix, next) })
		admin := as(ana)
		admin.Via, admin.ProvenAt, admin.Name = "session:ses_1", w.clock(), "Ana Keller"
		const own, other = "a password of my own", "another password of mine"
		_, value, err := people.MakeSignInLink(t.Context(), admin, rita)
		w.must(err)
		w.turn()
		told := w.mail.letters()
		if len(told) != 1 || told[0].To != "usr_rita@acme.example" || told[0].Subject != "Ana Keller made a link that signs you in to Margay" {
			t.Fatalf("a link was made: %+v", told)
		}
		for _, want := range []string{"until 3 March 2026 at 09:00 UTC.", "If you did not expect it", "https://margay.acme.example/profile", "cannot be switched off"} {
			if !strings.Contains(told[0].Text, want) {
				t.Errorf("the letter lacks %q:\n%s", want, told[0].Text)
			}
		}
		if strings.Contains(told[0].Text+told[0].HTML, value) || strings.Contains(told[0].Text, "notice mail off") {
			t.Errorf("the letter says too much:\n%s", told[0].Text)
		}
		_, err = people.UseSignInLink(t.Context(), value, own, identity.From{Address: "192.0.2.7"})
		w.must(err)
		w.turn()
		if told = w.mail.letters(); len(told) != 1 || told[0].Subject != "A link was used to sign you in to Margay" || !strings.Contains(told[0].Text, "from 192.0.2.7") {
			t.Errorf("it was used: %+v", told)
		}
		w.must(people.ChangePassword(t.Context(), as(rita), own, other))
		w.turn()
		_, err = people.SetPassword(t.Context(), "usr_rita@acme.example", own)
		w.must(err)
		w.turn()
		want := []string{"rita: Your password for Margay was changed", "rita: Your password for Margay was set by its operator"}
		if got := w.mail.take(); !slices.Equal(got, want) {
			t.Errorf("passwords: mailed %q", got)
		}
		w.cfg.Mail = nil
		off := notice.NewService(w.cfg)
		w.must(off.Begin(t.Context()))
		if _, _, err = people.MakeSignInLink(t.Context(), admin, rita); err != nil {
			t.Errorf("without mail: %v", err)
		}
	})
}

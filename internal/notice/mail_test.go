package notice_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/notice"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// Who is mailed of what, along the road and at its sad ends.
func TestMailReachesTheRightPeople(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		w := newWorld(t, db)
		role := w.role(bo, dan, rita) // Dan is disabled; Rita asks
		r, err := w.access.Role(ctx, role)
		w.must(err)
		what := r.Name + " in Tableau"
		expect := func(when string, want ...string) {
			t.Helper()
			w.turn()
			if diff := cmp.Diff(want, w.mail.take()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
		req := w.file(role, 10*24*time.Hour)
		expect("filed", "bo: rita asks for "+what)
		expect("nothing new")
		req, err = w.access.Approve(ctx, as(bo), req.ID, nil, "")
		w.must(err)
		expect("approved", "rita: "+what+": the request was approved")
		w.report(req.Grant, access.JobProvision, nil)
		expect("active", "rita: "+what+" is active")
		w.pass(9*24*time.Hour - time.Second)
		expect("a day and a second before its end")
		w.pass(time.Second)
		expect("a day before its end", "rita: "+what+" ends soon")
		w.pass(time.Hour)
		expect("told once")
		w.pass(23 * time.Hour)
		if n, err := w.access.ExpireDue(ctx, 10); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		w.report(req.Grant, access.JobDeprovision, &access.Problem{Code: "x", Message: "m"})
		overdue := what + " of rita is overdue to end"
		expect("overdue", "ana: "+overdue, "olga: "+overdue)
		w.report(req.Grant, access.JobDeprovision, &access.Problem{Code: "x", Message: "m"})
		expect("overdue again on that day")
		w.pass(24 * time.Hour)
		w.report(req.Grant, access.JobDeprovision, &access.Problem{Code: "x", Message: "m"})
		expect("overdue on the next day", "ana: "+overdue, "olga: "+overdue)
		w.report(req.Grant, access.JobDeprovision, nil)
		expect("ended", "rita: "+what+" has ended")

		req = w.file(role, time.Hour)
		_, err = w.access.Deny(ctx, as(bo), req.ID, "no")
		w.must(err)
		expect("asked and denied before the mail went out", "rita: "+what+": the request was denied")

		req = w.file(role, time.Hour)
		req, err = w.access.Approve(ctx, as(bo), req.ID, nil, "")
		w.must(err)
		w.report(req.Grant, access.JobProvision, &access.Problem{Code: "x", Message: "m"})
		failed := what + " could not be set up"
		expect("failed", "ana: "+failed, "olga: "+failed, "rita: "+failed, "rita: "+what+": the request was approved")
		if all, err := db.Events(ctx, audit.Filter{Kinds: []string{"grant.expiring"}}); err != nil || len(all) != 1 {
			t.Errorf("%d ends were told, %v", len(all), err)
		}
	})
}

// O25: a mail server that is down holds nothing up, and the mail goes out when
// it is back: not twice, and not to who has refused it meanwhile.
func TestMailServerDown(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		w := newWorld(t, db)
		w.mail.refuse = errDown
		req := w.file(w.role(bo), time.Hour)
		w.turn()
		if _, err := w.access.Approve(ctx, as(bo), req.ID, nil, ""); err != nil {
			t.Fatalf("the decision waits for mail: %v", err)
		}
		w.turn()
		w.mail.refuse = nil
		w.turn()
		if got := w.mail.take(); len(got) != 0 {
			t.Fatalf("tried again at once: %q", got)
		}
		_, err := w.notices.RefuseMail(ctx, as(rita), true)
		w.must(err)
		w.pass(time.Minute)
		w.turn()
		if got := w.mail.take(); len(got) != 1 || !strings.HasPrefix(got[0], "bo: rita asks") {
			t.Errorf("after it is back: %q", got)
		}
		if st, err := w.notices.MailStatus(ctx, as(rita)); err != nil || !st.Refused || !st.On {
			t.Errorf("%+v, %v", st, err)
		}
		// A refusal for good is not tried again.
		w.mail.refuse = fault.New(fault.Invalid, "No such mailbox.")
		w.file(w.role(bo), time.Hour)
		w.turn()
		w.mail.refuse = nil
		w.pass(48 * time.Hour)
		w.turn()
		if got := w.mail.take(); len(got) != 0 {
			t.Errorf("refused for good, and yet %q", got)
		}
	})
}

// Off until configured: what happened before is never mailed, and without mail
// and webhooks nothing is written at all.
func TestOffUntilConfigured(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		off := w.cfg
		off.Mail = nil
		w.notices = notice.NewService(off)
		w.must(w.notices.Begin(t.Context()))
		req := w.file(w.role(), time.Hour)
		w.report(req.Grant, access.JobProvision, nil)
		w.pass(50 * time.Minute)
		before, err := db.Events(t.Context(), audit.Filter{})
		w.must(err)
		w.turn()
		after, err := db.Events(t.Context(), audit.Filter{})
		w.must(err)
		if len(before) != len(after) {
			t.Errorf("%d events, then %d", len(before), len(after))
		}
		w.notices = notice.NewService(w.cfg)
		w.must(w.notices.Begin(t.Context()))
		w.turn()
		for _, line := range w.mail.take() {
			if !strings.HasSuffix(line, "ends soon") { // that happens now
				t.Errorf("mailed of the past: %s", line)
			}
		}
	})
}

// No text of a person's gets into a header or a page as anything but text.
func TestMailIsOnlyText(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		evil := "Rita\r\nBcc: all@acme.example\n\n<script>alert(1)</script>\u2028" + strings.Repeat("x", 200)
		w.must(db.SavePerson(t.Context(), identity.Person{ID: rita, Email: "rita@acme.example", Name: evil, CreatedAt: w.clock()}))
		w.file(w.role(bo), time.Hour)
		w.turn()
		if len(w.mail.sent) != 1 {
			t.Fatalf("%d mails", len(w.mail.sent))
		}
		m := w.mail.sent[0]
		if strings.ContainsAny(m.Subject, "\r\n\u2028") || len([]rune(m.Subject)) > 180 {
			t.Errorf("subject %q", m.Subject)
		}
		if strings.Contains(m.HTML, "<script>") || !strings.Contains(m.HTML, "&lt;script&gt;") {
			t.Errorf("page %s", m.HTML)
		}
		if strings.Contains(m.Text, "\nBcc:") || strings.Contains(m.Text+m.HTML, "a reason that stays here") {
			t.Errorf("text %s", m.Text)
		}
		// W11: the link shows the request; it carries nothing that decides.
		links := strings.Count(m.Text, "https://")
		if !strings.Contains(m.Text, "\nhttps://margay.acme.example/requests/req_") || links != 1 || strings.Contains(m.Text, "?") || strings.Contains(strings.ToLower(m.Text), "approve") {
			t.Errorf("links in %s", m.Text)
		}
		if !slices.ContainsFunc(strings.Split(m.ID, "."), func(p string) bool { return strings.HasPrefix(p, "evt_") }) {
			t.Errorf("message id %q", m.ID)
		}
	})
}

func TestTestMail(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		to, err := w.notices.TestMail(t.Context(), as(ana))
		if err != nil || to != "usr_ana@acme.example" || fmt.Sprint(w.mail.take()) != "[ana: Mail from Margay works]" {
			t.Errorf("%q, %v", to, err)
		}
		w.mail.refuse = errDown
		if _, err := w.notices.TestMail(t.Context(), as(ana)); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("down: %v", err)
		}
		off := w.cfg
		off.Mail = nil
		if _, err := notice.NewService(off).TestMail(t.Context(), as(ana)); fault.Public(err).Code != "mail_off" {
			t.Errorf("off: %v", err)
		}
	})
}

// Approvers by group and as owners are told like those who are named, and
// nobody twice.
func TestMailToGroupsAndOwners(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		w := newWorld(t, db)
		ids := identity.NewService(db, w.clock, w.cfg.NewID)
		g, err := ids.AddGroup(ctx, as(ana), "Approvers", "", []identity.PersonID{bo, dan, rita})
		w.must(err)
		p, err := w.access.SavePolicy(ctx, as(ana), access.Policy{Name: "Groups", Longest: time.Hour, Steps: []access.Step{{Approvers: []access.Approver{
			{Group: g.ID}, {Person: bo}, {AppOwner: true},
		}}}})
		w.must(err)
		r, err := w.access.SaveRole(ctx, as(ana), access.Role{App: w.app.ID, Name: "Viewer", Policy: p.ID})
		w.must(err)
		w.file(r.ID, time.Hour)
		w.turn()
		if got := fmt.Sprint(w.mail.take()); got != "[bo: rita asks for Viewer in Tableau olga: rita asks for Viewer in Tableau]" {
			t.Errorf("told: %s", got)
		}
	})
}

package identity_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/audit"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
)

// desk is a service whose clock the test moves.
type desk struct {
	*identity.Service
	db  *store.DB
	now time.Time
}

func newDesk(db *store.DB) *desk {
	d := &desk{db: db, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	var n atomic.Int64
	d.Service = identity.NewService(db, func() time.Time { return d.now }, func(prefix string) string { return fmt.Sprintf("%s_%032x", prefix, n.Add(1)) })
	return d
}

const (
	rita     = "Rita@acme.example"
	password = "correct horse battery"
	wrong    = "wrong horse battery"
)

// Reliability §4.9: idle 60 min, 12 h in any case; what is kept opens nothing.
func TestSessionLasts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(db)
		if _, err := d.SetPassword(t.Context(), rita, password); err != nil {
			t.Fatal(err)
		}
		s, value, err := d.SignIn(t.Context(), " rita@ACME.example ", password, identity.From{Agent: "Firefox\x00", Address: "127.0.0.1"})
		if err != nil {
			t.Fatal(err)
		}
		if s.Hash == value || strings.Contains(s.Hash, value) || len(value) < 43 {
			t.Errorf("value %q, kept %q", value, s.Hash)
		}
		began := d.now
		for d.now.Sub(began) < identity.SessionLongest-identity.SessionIdle {
			d.now = d.now.Add(identity.SessionIdle - time.Second)
			who, _, err := d.AuthenticateSession(t.Context(), value)
			if err != nil {
				t.Fatalf("after %s: %v", d.now.Sub(began), err)
			}
			if !who.Administers() || who.Via != "session:"+s.ID {
				t.Errorf("actor %+v", who)
			}
		}
		d.now = began.Add(identity.SessionLongest - time.Second)
		if _, _, err := d.AuthenticateSession(t.Context(), value); err != nil {
			t.Errorf("just before twelve hours: %v", err)
		}
		d.now = began.Add(identity.SessionLongest)
		if _, _, err := d.AuthenticateSession(t.Context(), value); !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("after twelve hours: %v", err)
		}
		_, value, err = d.SignIn(t.Context(), rita, password, identity.From{})
		if err != nil {
			t.Fatal(err)
		}
		d.now = d.now.Add(identity.SessionIdle / 2)
		if _, _, err := d.PeekSession(t.Context(), value); err != nil { // a stream's look is no use
			t.Error(err)
		}
		d.now = d.now.Add(identity.SessionIdle / 2)
		if _, _, err := d.PeekSession(t.Context(), value); !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("an hour without a page: %v", err)
		}
		for _, bad := range []string{"", "x", s.Hash} {
			if _, _, err := d.AuthenticateSession(t.Context(), bad); !errors.Is(err, fault.Unauthenticated) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		events, err := db.Events(t.Context(), audit.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if text := fmt.Sprint(e); strings.Contains(text, value) || strings.Contains(text, password) || strings.Contains(text, "argon2") {
				t.Errorf("a secret is in the event %s", text)
			}
		}
	})
}

// Reliability §4.10: five tries are free, then the wait doubles up to five
// minutes; a hundred close the account until an administrator opens it.
func TestThrottle(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(db)
		if _, err := d.SetPassword(t.Context(), rita, password); err != nil {
			t.Fatal(err)
		}
		try := func(pw string) error {
			_, _, err := d.SignIn(t.Context(), rita, pw, identity.From{})
			return err
		}
		sum := sha256.Sum256([]byte(strings.ToLower(rita)))
		fail := func(n int) { // without the cost of a hash each
			for range n {
				if err := db.AddFailure(t.Context(), hex.EncodeToString(sum[:]), d.now, d.now.Add(-time.Hour)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := try(wrong); fault.Public(err).Code != "sign_in_failed" {
			t.Fatal(err)
		}
		fail(3)
		if err := try(wrong); fault.Public(err).Code != "sign_in_failed" {
			t.Fatalf("the fifth: %v", err)
		}
		for _, seconds := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
			free := d.now.Add(time.Duration(seconds) * time.Second)
			d.now = free.Add(-time.Millisecond)
			err := try(password)
			throttled, ok := errors.AsType[*identity.ThrottledError](err)
			if !ok || fault.Public(err).Code != "sign_in_throttled" || !throttled.Again.Equal(free) {
				t.Fatalf("the wait of %d s: %v", seconds, err)
			}
			fail(1)
		}
		d.now = d.now.Add(5 * time.Minute)
		if err := try(password); err != nil { // her own password still opens
			t.Fatal(err)
		}
		if err := try(wrong); fault.Public(err).Code != "sign_in_failed" {
			t.Errorf("the failures were not forgotten: %v", err)
		}
		fail(99)
		d.now = d.now.Add(48 * time.Hour)
		if err := try(password); fault.Public(err).Code != "sign_in_closed" {
			t.Errorf("after a hundred: %v", err)
		}
		if _, err := d.SetPassword(t.Context(), rita, password); err != nil {
			t.Fatal(err)
		}
		if err := try(password); err != nil {
			t.Errorf("after an administrator opened it: %v", err)
		}
	})
}

// What makes a password, and whose it may not be.
func TestPasswords(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(db)
		for pw, ok := range map[string]bool{
			"short":                    false,
			strings.Repeat("ab", 8):    true,
			strings.Repeat("a", 40):    false,
			strings.Repeat("ä ", 8):    true,
			strings.Repeat("ab", 501):  false,
			"rita@acme.example":        false,
			"bad utf-8 \xff\xfe......": false,
			"":                         false,
		} {
			_, err := d.SetPassword(t.Context(), rita, pw)
			if ok != (err == nil) {
				t.Errorf("%.20q: %v", pw, err)
			}
			if err != nil && (!errors.Is(err, fault.Invalid) || pw != "" && strings.Contains(err.Error(), pw)) {
				t.Errorf("%.20q: %v", pw, err)
			}
		}
		if _, err := d.SetPassword(t.Context(), "nobody@acme.example", password); !errors.Is(err, fault.NotFound) {
			t.Errorf("a stranger's password: %v", err)
		}
	})
}

// A form's key is claimed once, by the session that has it.
func TestForms(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(db)
		mine, theirs := identity.Actor{Via: "session:1"}, identity.Actor{Via: "session:2"}
		claim := func(who identity.Actor, want bool, answer string) {
			t.Helper()
			got, to, err := d.ClaimForm(t.Context(), who, "k")
			if err != nil || got != want || to != answer {
				t.Errorf("claimed %v, answer %q, %v", got, to, err)
			}
		}
		answer := func(to string) {
			t.Helper()
			if err := d.AnswerForm(t.Context(), mine, "k", to); err != nil {
				t.Fatal(err)
			}
		}
		claim(mine, true, "")
		claim(mine, false, "")
		claim(theirs, true, "")
		answer("") // it was refused
		claim(mine, true, "")
		answer("/there")
		claim(mine, false, "/there")
		d.now = d.now.Add(49 * time.Hour)
		claim(mine, true, "")
	})
}

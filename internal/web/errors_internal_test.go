package web

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
)

// Screen 31: each kind of fault has its status and a title of its own.
func TestStatusOf(t *testing.T) {
	t.Parallel()
	tests := map[int]error{
		http.StatusUnprocessableEntity:   fault.Field("name", "A name is required."),
		http.StatusRequestEntityTooLarge: fault.New(fault.Invalid, "Too large.").WithCode("too_large"),
		http.StatusUnauthorized:          fault.New(fault.Unauthenticated, "Sign in."),
		http.StatusForbidden:             fault.New(fault.Forbidden, "No."),
		http.StatusNotFound:              fault.New(fault.NotFound, "Nothing."),
		http.StatusConflict:              fault.New(fault.Conflict, "Not now."),
		http.StatusTooManyRequests:       &identity.ThrottledError{Err: fault.New(fault.Forbidden, "Wait.")},
		http.StatusBadGateway:            fault.New(fault.Upstream, "Tableau refused."),
		http.StatusServiceUnavailable:    fault.New(fault.Unavailable, "Tableau is away."),
		http.StatusInternalServerError:   errors.New("dial tcp 10.0.0.1: secret insides"),
	}
	for want, err := range tests {
		if got := statusOf(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
		if titles[want] == "" {
			t.Errorf("%d has no title", want)
		}
	}
	if text := Trouble(errors.New("dial tcp 10.0.0.1: secret insides")); text.Sentence != "Something went wrong on our side." || text.Detail != "" {
		t.Errorf("our insides are shown: %+v", text)
	}
}

// The menu shows to each what they may open, with icons that there are, keys
// that differ and at most four places on a phone.
func TestMenu(t *testing.T) {
	t.Parallel()
	keys, phone := map[string]string{"p": "the profile"}, 0
	for _, p := range menu {
		if !ui.HasIcon(p.link.Icon) {
			t.Errorf("%s has no icon %q", p.link.Name, p.link.Icon)
		}
		if p.link.Key != "" && keys[p.link.Key] != "" {
			t.Errorf("%s and %s have the key %s", p.link.Name, keys[p.link.Key], p.link.Key)
		}
		keys[p.link.Key] = p.link.Name
		if p.link.Phone {
			phone++
		}
	}
	if phone > 4 {
		t.Errorf("%d places on a phone", phone)
	}
	member := menuFor(identity.Actor{Person: "usr_1", Scopes: identity.PersonalScopes()}, "/")
	if len(member) == 0 || member[0].Links[0].Name != "Home" || !member[0].Links[0].Current {
		t.Errorf("menu %+v", member)
	}
}

// Design §4 of the guide: every state has a word, an icon and a tone of its own.
func TestStatesHaveWords(t *testing.T) {
	t.Parallel()
	var all []ui.State
	for _, s := range []access.RequestState{access.RequestWaiting, access.RequestApproved, access.RequestDenied, access.RequestWithdrawn} {
		all = append(all, requestState(s))
	}
	for _, s := range []access.GrantState{access.GrantSettingUp, access.GrantActive, access.GrantNotSetUp, access.GrantEnding, access.GrantOverdue, access.GrantEnded} {
		all = append(all, grantState(s))
	}
	words := map[string]bool{}
	for _, s := range all {
		if words[s.Word] || s.Icon == "circle-help" || !ui.HasIcon(s.Icon) || s.Tone == "" {
			t.Errorf("state %+v", s)
		}
		words[s.Word] = true
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for wait, want := range map[time.Duration]string{-time.Second: "1", 0: "1", time.Millisecond: "1", 1500 * time.Millisecond: "2", time.Minute: "60"} {
		if got := retryAfter(now.Add(wait), now); got != want {
			t.Errorf("%s: %s, want %s", wait, got, want)
		}
	}
}

func FuzzSafeNext(f *testing.F) {
	for _, s := range []string{"/profile", "//evil", "/\\evil", "https://evil", "/a?b=//c", "/%2f%2fevil", "/.//evil", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, next string) {
		got := safeNext(next)
		if got == "" || got[0] != '/' || len(got) > 1 && (got[1] == '/' || got[1] == '\\') {
			t.Errorf("%q leads to %q", next, got)
		}
	})
}

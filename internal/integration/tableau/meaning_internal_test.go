package tableau

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/tableau"
)

// classes lists every class of failure that the client has.
var classes = []tableau.Class{
	tableau.ClassAuthRejected, tableau.ClassSessionLost, tableau.ClassThrottled, tableau.ClassUnavailable, tableau.ClassNotTableau, tableau.ClassTLSUntrusted,
	tableau.ClassDenied, tableau.ClassNoSeat, tableau.ClassUserMissing, tableau.ClassUserAmbiguous, tableau.ClassDrift, tableau.ClassUnsupportedVersion,
	tableau.ClassBadRequest, tableau.ClassEgressBlocked, tableau.ClassTooLarge, tableau.ClassCanceled, tableau.ClassInternal,
}

func TestEveryClassHasAHint(t *testing.T) {
	t.Parallel()
	for _, c := range classes {
		if hints[c] == "" {
			t.Errorf("nobody says what to do about %s", c)
		}
	}
	if len(hints) != len(classes) {
		t.Errorf("%d hints for %d classes: a class is missing in one of the lists", len(hints), len(classes))
	}
}

func TestMeaning(t *testing.T) {
	t.Parallel()
	refused := func(op string, status int, code string) error {
		return fmt.Errorf("wrapped: %w", &tableau.Error{Op: op, Status: status, Code: code, Summary: "Sum", Detail: "It is so"})
	}
	tests := map[string]struct {
		err      error
		kind     fault.Kind
		code     string
		sentence string
		detail   string
	}{
		"wrong PAT":         {refused("SignIn", 401, "401001"), fault.Upstream, "auth_rejected", "Tableau sign-in failed (HTTP 401, Sum): It is so", "401001 Sum: It is so"},                   // S73
		"sign-in 400":       {refused("SignIn", 400, "400003"), fault.Upstream, "bad_request", "Tableau sign-in failed (HTTP 400, Sum): It is so", "400003 Sum: It is so"},                     // S74
		"sign-in 404":       {refused("SignIn", 404, "404001"), fault.Upstream, "unsupported_version", "Tableau sign-in failed (HTTP 404, Sum): It is so", ""},                                 // S74, S84
		"unreachable":       {&tableau.UnreachableError{Host: "h.example", Err: errors.New("10.0.0.7 refused")}, fault.Unavailable, "unavailable", "could not reach Tableau at h.example", ""}, // S75
		"no token":          {tableau.ErrNoSessionToken, fault.Upstream, "not_tableau", "Tableau sign-in succeeded but returned no session token", ""},                                         // S76
		"wrong host":        {&tableau.NotTableauError{Op: "SignIn", Status: 200, Excerpt: "<html>…"}, fault.Upstream, "not_tableau", "Tableau sign-in failed (HTTP 200): <html>…", ""},        // S78
		"session lost":      {&tableau.SessionLostError{TokenName: "margay", Losses: 4}, fault.Unavailable, "session_lost", "another program uses the personal access token", ""},
		"throttled":         {&tableau.ThrottledError{}, fault.Unavailable, "throttled", "Tableau asked to wait until", ""},
		"429":               {refused("Users", 429, "429000"), fault.Unavailable, "throttled", "Tableau refused Users", ""},
		"500":               {refused("Users", 500, "500000"), fault.Unavailable, "unavailable", "Tableau refused Users", ""},
		"no whole answer":   {&tableau.NoAnswerError{Op: "SetSiteRole", Host: "h", Err: errors.New("EOF")}, fault.Unavailable, "unavailable", "no whole answer from Tableau at h", ""},
		"deadline":          {context.DeadlineExceeded, fault.Unavailable, "unavailable", "context deadline exceeded", ""},
		"no TLS":            {&tableau.TLSError{Host: "h", Reason: "expired"}, fault.Upstream, "tls_untrusted", "no trusted TLS connection to Tableau at h: expired", ""},
		"redirect":          {&tableau.RedirectError{Op: "SignIn", Status: 302, Target: "sso.example"}, fault.Upstream, "not_tableau", "Tableau sign-in failed (HTTP 302)", ""},
		"denied":            {refused("Users", 403, "403004"), fault.Upstream, "denied", "Tableau refused Users (HTTP 403, 403004, Sum): It is so", "403004 Sum"},
		"no seat":           {refused("SetSiteRole", 409, "409014"), fault.Upstream, "no_seat", "Tableau refused SetSiteRole", ""}, // S114
		"user missing":      {refused("User", 404, "404002"), fault.Upstream, "user_missing", "Tableau refused User", ""},
		"bad call":          {refused("Users", 400, "400006"), fault.Upstream, "bad_request", "Tableau refused Users", ""},
		"never sent":        {&tableau.RequestError{Reason: "the path must start with /"}, fault.Invalid, "bad_request", "This call is not sent: the path must start with /.", ""},
		"too large":         {&tableau.TooLargeError{Op: "GET /x", What: "body", Limit: 10}, fault.Upstream, "too_large", "the answer to GET /x is too large", ""},
		"other site":        {&tableau.SiteMismatchError{Asked: "a", Got: "b"}, fault.Upstream, "auth_rejected", `Tableau signed in to the site "b" instead of "a"`, ""},
		"closed":            {tableau.ErrClosed, fault.Unavailable, "unavailable", "The connection was closed meanwhile.", ""},
		"the guard's word":  {&tableau.EgressError{Host: "h", Address: "10.0.0.7:443", Err: fault.New(fault.Upstream, "Not there.").WithCode("egress_blocked").WithHint("Ask.")}, fault.Upstream, "egress_blocked", "Not there.", ""},
		"an unnamed guard":  {&tableau.EgressError{Host: "h", Address: "10.0.0.7:443", Err: errors.New("no")}, fault.Upstream, "egress_blocked", "the address 10.0.0.7:443 of h may not be dialled", ""},
		"one of ours":       {fault.New(fault.Conflict, "Not wanted any more.").WithCode("stale").WithHint("Look."), fault.Conflict, "stale", "Not wanted any more.", ""},
		"a fault of ours":   {errors.New("table leases is gone"), fault.Internal, "internal", "Something went wrong on our side.", ""},
		"an unknown wonder": {tableau.ClassInternal, fault.Internal, "internal", "Something went wrong on our side.", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fault.Public(meaning(tt.err))
			if f.Kind != tt.kind || f.Code != tt.code || !strings.HasPrefix(f.Message, tt.sentence) {
				t.Errorf("%s, %s, %q; want %s, %s, %q", f.Kind, f.Code, f.Message, tt.kind, tt.code, tt.sentence)
			}
			if f.Hint == "" {
				t.Error("nobody says what to do next")
			}
			if !strings.HasPrefix(f.Detail, tt.detail) {
				t.Errorf("detail %q, want %q", f.Detail, tt.detail)
			}
			if !errors.Is(f, tt.err) && !errors.Is(tt.err, f) {
				t.Error("the cause is lost to the log")
			}
		})
	}
	if err := meaning(context.Canceled); !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Internal {
		t.Errorf("who gave up reads %v", err)
	}
	if meaning(nil) != nil {
		t.Error("no error means something")
	}
}

// What people are told to do fits what was refused, and the act that may mend it
// is offered. S22, S72: a refusal that is not about users says nothing of
// administrators.
func TestNextSteps(t *testing.T) {
	t.Parallel()
	refused := func(op string, status int, code string) error {
		return &tableau.Error{Op: op, Status: status, Code: code}
	}
	for name, tt := range map[string]struct {
		err   error
		hint  string
		mends string
	}{
		"users 403":       {refused("Users", 403, "403004"), "User management needs a Personal Access Token of a site or server administrator.", "rotate"},
		"collections 403": {refused("Collections", 403, "403004"), deniedHint, "rotate"},
		"session 403":     {refused("CurrentSession", 403, ""), deniedHint, "rotate"},
		"server info 403": {refused("ServerInfo", 403, ""), deniedHint, "rotate"},
		"a call 403":      {refused("GET /x", 403, ""), deniedHint, "rotate"},
		"500":             {refused("Users", 500, ""), troubleHint, ""},
		"a gateway’s 502": {&tableau.NotTableauError{Op: "SignIn", Status: 502}, "Is the Server URL right? A sign-in page, a proxy or another program answered instead of Tableau’s REST API.", ""},
		"502 on a call":   {&tableau.NotTableauError{Op: "Users", Status: 502}, troubleHint, ""},
		"unreachable":     {&tableau.UnreachableError{Host: "h"}, "Check the Server URL and the network, then try again.", "edit"},
		"token refused":   {refused("SignIn", 401, "401001"), hints[tableau.ClassAuthRejected], "rotate edit"},
		"another pod":     {refused("SignIn", 405, "405000"), signInHints["405000"], "edit"},
		"other program":   {&tableau.SessionLostError{}, hints[tableau.ClassSessionLost], "rotate"},
		"login page":      {&tableau.NotTableauError{Op: "Users", Status: 200}, hints[tableau.ClassNotTableau], "edit"},
	} {
		if got := fault.Public(meaning(tt.err)).Hint; got != tt.hint {
			t.Errorf("%s: %s", name, got)
		}
		if got := strings.Trim(fmt.Sprint(mendsOf(tt.err)), "[]"); got != tt.mends {
			t.Errorf("%s: mended by %q", name, got)
		}
	}
}

// S66, S68, decision 5: what is a refusal for lack of permission.
func TestDenied(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"403":            {&tableau.Error{Status: 403}, true},
		"401003":         {&tableau.Error{Status: 401, Code: "401003"}, true},
		"401000":         {&tableau.Error{Status: 401, Code: "401000"}, false},
		"401001":         {&tableau.Error{Status: 401, Code: "401001"}, false},
		"401002":         {&tableau.Error{Status: 401, Code: "401002"}, false},
		"401, no code":   {&tableau.Error{Status: 401}, false},
		"500":            {&tableau.Error{Status: 500}, false},
		"not Tableau's":  {errors.New("403"), false},
		"no error":       {nil, false},
		"a wrapped one":  {fmt.Errorf("list: %w", &tableau.Error{Status: 403}), true},
		"a lost session": {&tableau.SessionLostError{Err: &tableau.Error{Status: 401, Code: "401002"}}, false},
	} {
		if got := denied(tt.err); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestDecodeBody(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{`{"a":1}`: `{"a":1}`, "": `""`, "a,b\n1,2\n": `"a,b\n1,2\n"`, "<x/>": "\"\\u003cx/\\u003e\"", "7": "7"} {
		got := decodeBody([]byte(in))
		if string(got) != want || !json.Valid(got) {
			t.Errorf("decodeBody(%q) = %s, want %s", in, got, want)
		}
	}
	if got := decodeBody([]byte{0xff, 0xfe, 0}); !json.Valid(got) {
		t.Errorf("binary: %s", got)
	}
}

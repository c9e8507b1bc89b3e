package tableau

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// opSignIn is the operation's name in errors and traces of sign-in; its
// failures have a form of their own.
const opSignIn = "SignIn"

// ConfigError says which field of a [Config] cannot be used, and why.
type ConfigError struct{ Field, Reason string }

func (e *ConfigError) Error() string { return "tableau: " + e.Field + " " + e.Reason }

// Class returns [ClassBadRequest].
func (e *ConfigError) Class() Class { return ClassBadRequest }

// Is reports whether target is the error's class.
func (e *ConfigError) Is(target error) bool { return target == e.Class() }

// RequestError says why a call was refused before anything was sent.
type RequestError struct{ Reason string }

func (e *RequestError) Error() string { return "tableau: " + e.Reason }

// Class returns [ClassBadRequest].
func (e *RequestError) Class() Class { return ClassBadRequest }

// Is reports whether target is the error's class.
func (e *RequestError) Is(target error) bool { return target == e.Class() }

func refuse(format string, args ...any) error {
	return &RequestError{Reason: fmt.Sprintf(format, args...)}
}

// Error is Tableau's refusal of a call, in Tableau's own words. Summary and
// Detail are verbatim, whatever they hold: escape them where they are shown.
type Error struct {
	Op      string // SignIn, SetSiteRole, …
	Status  int    // HTTP status; 200 when the refusal came with one
	Code    string // six digits, "" when Tableau gave none
	Summary string
	Detail  string
	// Raw is the start of an answer that is not in Tableau's form, printable
	// characters only.
	Raw string
	// RetryAt is when Tableau wants to be asked again; zero when it did not say.
	RetryAt time.Time
}

func (e *Error) Error() string {
	if e.Op == opSignIn {
		return fmt.Sprintf("Tableau sign-in failed (HTTP %d, %s): %s", e.Status, e.Summary, e.Detail)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Tableau refused %s (HTTP %d", e.Op, e.Status)
	if e.Code != "" {
		b.WriteString(", " + e.Code)
	}
	if e.Summary != "" {
		b.WriteString(", " + e.Summary)
	}
	b.WriteString(")")
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	return b.String()
}

// Class tells what the refusal means: by Tableau's code first, which it keeps
// to more strictly than to HTTP statuses, then by status.
func (e *Error) Class() Class {
	if c, ok := classByCode[e.Code]; ok && (e.Op != opSignIn || c != ClassSessionLost) {
		return c
	}
	switch {
	case strings.Contains(e.Detail, "not a valid version of the API"):
		return ClassUnsupportedVersion
	case isSeatText(e.Summary + " " + e.Detail):
		return ClassNoSeat
	case e.Op == opSignIn && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden):
		return ClassAuthRejected
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden:
		return ClassDenied
	case e.Status == http.StatusTooManyRequests:
		return ClassThrottled
	case e.Status == http.StatusRequestTimeout, e.Status >= 500:
		return ClassUnavailable
	default:
		return ClassBadRequest
	}
}

// Is reports whether target is the error's class.
func (e *Error) Is(target error) bool { return target == e.Class() }

// classByCode holds the codes whose meaning differs from their status's.
var classByCode = map[string]Class{
	"401000": ClassSessionLost,
	"401001": ClassAuthRejected,
	"401002": ClassSessionLost,
	"403014": ClassBadRequest, // page size above 1000
	"404001": ClassUnsupportedVersion,
	"404002": ClassUserMissing,
	"409014": ClassNoSeat,
	"429000": ClassThrottled,
}

// isSeatText knows the texts that Tableau uses for "no licence seat" where it
// gives no code for it.
func isSeatText(s string) bool {
	s = strings.ToLower(s)
	for _, t := range []string{"insufficient licenses", "insufficient capacity", "licensing conflict", "exceeds limit for"} {
		if strings.Contains(s, t) {
			return true
		}
	}
	return false
}

// UnreachableError means that no connection to Tableau came about: nothing of
// the call was sent, or the sign-in got no answer.
type UnreachableError struct {
	Host string // without scheme
	Err  error
}

func (e *UnreachableError) Error() string { return "could not reach Tableau at " + e.Host }
func (e *UnreachableError) Unwrap() error { return e.Err }

// Class returns [ClassUnavailable].
func (e *UnreachableError) Class() Class { return ClassUnavailable }

// Is reports whether target is the error's class.
func (e *UnreachableError) Is(target error) bool { return target == e.Class() }

// NoAnswerError means that the call was sent, or may have been, and no whole
// answer came back. Whether Tableau performed it is unknown: read before you
// write again.
type NoAnswerError struct {
	Op   string
	Host string
	Err  error
}

func (e *NoAnswerError) Error() string {
	return fmt.Sprintf("no whole answer from Tableau at %s to %s: %v", e.Host, e.Op, e.Err)
}
func (e *NoAnswerError) Unwrap() error { return e.Err }

// Class returns [ClassUnavailable].
func (e *NoAnswerError) Class() Class { return ClassUnavailable }

// Is reports whether target is the error's class.
func (e *NoAnswerError) Is(target error) bool { return target == e.Class() }

// ErrNoSessionToken means that Tableau accepted a sign-in and gave no token
// that can be used.
var ErrNoSessionToken error = noSessionTokenError{}

type noSessionTokenError struct{}

func (noSessionTokenError) Error() string {
	return "Tableau sign-in succeeded but returned no session token"
}
func (noSessionTokenError) Class() Class         { return ClassNotTableau }
func (noSessionTokenError) Is(target error) bool { return target == ClassNotTableau }

// ErrClosed is returned by calls on a Client after Close.
var ErrClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string        { return "tableau: the client is closed" }
func (closedError) Class() Class         { return ClassCanceled }
func (closedError) Is(target error) bool { return target == ClassCanceled }

// ErrLeaseLost is the cause of calls that ended because the [Lease] on the PAT
// was lost while they were under way.
var ErrLeaseLost error = leaseLostError{}

type leaseLostError struct{}

func (leaseLostError) Error() string        { return "the lease on the PAT was lost" }
func (leaseLostError) Class() Class         { return ClassSessionLost }
func (leaseLostError) Is(target error) bool { return target == ClassSessionLost }

// SessionLostError means that the session was ended again and again while it
// was used: something else signs in with this PAT.
type SessionLostError struct {
	TokenName string // the PAT's name
	Losses    int    // how often the session was lost
	Err       error  // Tableau's last refusal
}

func (e *SessionLostError) Error() string {
	return fmt.Sprintf("another program uses the personal access token %q: Tableau ended our session %d times (a PAT carries one session at a time, so give each program its own)", e.TokenName, e.Losses)
}
func (e *SessionLostError) Unwrap() error { return e.Err }

// Class returns [ClassSessionLost].
func (e *SessionLostError) Class() Class { return ClassSessionLost }

// Is reports whether target is the error's class.
func (e *SessionLostError) Is(target error) bool { return target == e.Class() }

// SiteMismatchError means that the sign-in ended on another site than the one
// that was asked for. No call was made there.
type SiteMismatchError struct{ Asked, Got string }

func (e *SiteMismatchError) Error() string {
	return fmt.Sprintf("Tableau signed in to the site %q instead of %q", e.Got, e.Asked)
}

// Class returns [ClassAuthRejected].
func (e *SiteMismatchError) Class() Class { return ClassAuthRejected }

// Is reports whether target is the error's class.
func (e *SiteMismatchError) Is(target error) bool { return target == e.Class() }

// NotTableauError means that the answer is not one of Tableau's REST API: a
// login page, a gateway's page, another program.
type NotTableauError struct {
	Op      string
	Status  int
	Excerpt string // the first 200 printable characters, "…" when there are more
}

func (e *NotTableauError) Error() string {
	if e.Op == opSignIn {
		return fmt.Sprintf("Tableau sign-in failed (HTTP %d): %s", e.Status, e.Excerpt)
	}
	return fmt.Sprintf("the answer to %s is not Tableau's (HTTP %d): %s", e.Op, e.Status, e.Excerpt)
}

// Class returns [ClassNotTableau], or [ClassUnavailable] and [ClassThrottled]
// for the statuses that say so.
func (e *NotTableauError) Class() Class {
	switch {
	case e.Status == http.StatusTooManyRequests:
		return ClassThrottled
	case e.Status >= 500:
		return ClassUnavailable
	default:
		return ClassNotTableau
	}
}

// Is reports whether target is the error's class.
func (e *NotTableauError) Is(target error) bool { return target == e.Class() }

// RedirectError means that Tableau's address answered with a redirect. It is
// never followed: the session token would go along.
type RedirectError struct {
	Op     string
	Status int
	Target string // host that the redirect names, "" for the same host
}

func (e *RedirectError) Error() string {
	target := e.Target
	if target == "" {
		target = "another path of the same host"
	}
	if e.Op == opSignIn {
		return fmt.Sprintf("Tableau sign-in failed (HTTP %d): redirected to %s, which is never followed", e.Status, target)
	}
	return fmt.Sprintf("%s was redirected to %s (HTTP %d), which is never followed", e.Op, target, e.Status)
}

// Class returns [ClassNotTableau].
func (e *RedirectError) Class() Class { return ClassNotTableau }

// Is reports whether target is the error's class.
func (e *RedirectError) Is(target error) bool { return target == e.Class() }

// TooLargeError means that an answer exceeds a limit and was not read further.
type TooLargeError struct {
	Op    string
	What  string // body, nesting, header
	Limit int64  // bytes, or levels for nesting
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the answer to %s is too large: its %s exceeds %d", e.Op, e.What, e.Limit)
}

// Class returns [ClassTooLarge].
func (e *TooLargeError) Class() Class { return ClassTooLarge }

// Is reports whether target is the error's class.
func (e *TooLargeError) Is(target error) bool { return target == e.Class() }

// TLSError means that no trusted TLS connection came about. Nothing of the
// call was sent.
type TLSError struct {
	Host   string
	Reason string // the exact reason, for a person
	Err    error
}

func (e *TLSError) Error() string {
	return fmt.Sprintf("no trusted TLS connection to Tableau at %s: %s", e.Host, e.Reason)
}
func (e *TLSError) Unwrap() error { return e.Err }

// Class returns [ClassTLSUntrusted].
func (e *TLSError) Class() Class { return ClassTLSUntrusted }

// Is reports whether target is the error's class.
func (e *TLSError) Is(target error) bool { return target == e.Class() }

// EgressError means that [Config.Control] refused the address that the host's
// name led to. Nothing was sent. A [Config.Dial] may return it too.
type EgressError struct {
	Host    string
	Address string // ip:port
	Err     error
}

func (e *EgressError) Error() string {
	return fmt.Sprintf("the address %s of %s may not be dialled: %v", e.Address, e.Host, e.Err)
}
func (e *EgressError) Unwrap() error { return e.Err }

// Class returns [ClassEgressBlocked].
func (e *EgressError) Class() Class { return ClassEgressBlocked }

// Is reports whether target is the error's class.
func (e *EgressError) Is(target error) bool { return target == e.Class() }

// ThrottledError means that a call was not sent, because Tableau has asked the
// whole client to wait for longer than the call can.
type ThrottledError struct{ RetryAt time.Time }

func (e *ThrottledError) Error() string {
	return "Tableau asked to wait until " + e.RetryAt.UTC().Format(time.RFC3339)
}

// Class returns [ClassThrottled].
func (e *ThrottledError) Class() Class { return ClassThrottled }

// Is reports whether target is the error's class.
func (e *ThrottledError) Is(target error) bool { return target == e.Class() }

// excerpt returns the first 200 printable characters of a body, for an error
// that a person reads.
func excerpt(body []byte) string { return clip(body, 200) }

func clip(body []byte, limit int) string {
	var b strings.Builder
	count, space := 0, false
	for len(body) > 0 {
		r, n := utf8.DecodeRune(body)
		body = body[n:]
		if unicode.IsSpace(r) {
			space = count > 0
			continue
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			continue
		}
		if space && count < limit {
			b.WriteByte(' ')
			count++
		}
		space = false
		if count >= limit {
			return strings.TrimRight(b.String(), " ") + "…"
		}
		b.WriteRune(r)
		count++
	}
	return b.String()
}

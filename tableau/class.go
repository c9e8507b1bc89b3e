package tableau

import (
	"context"
	"errors"
)

// Class says what kind of failure an error is, so that a program can decide
// without reading texts. A Class is itself an error, for
// errors.Is(err, tableau.ClassThrottled).
type Class string //nolint:errname // an error by its class is errors.Is(err, tableau.ClassX)

// The classes of failure.
//
//nolint:errname // they read better as what they are
const (
	ClassAuthRejected       Class = "auth_rejected"       // the PAT or the site was refused at sign-in
	ClassSessionLost        Class = "session_lost"        // another program signs in with this PAT
	ClassThrottled          Class = "throttled"           // too many calls; see RetryAt
	ClassUnavailable        Class = "unavailable"         // no answer, or a server error
	ClassNotTableau         Class = "not_tableau"         // something answered, but not Tableau's REST API
	ClassTLSUntrusted       Class = "tls_untrusted"       // no trusted TLS connection
	ClassDenied             Class = "denied"              // the account lacks the permission
	ClassNoSeat             Class = "no_seat"             // no licence seat is free
	ClassUserMissing        Class = "user_missing"        // the user is not on the site
	ClassUserAmbiguous      Class = "user_ambiguous"      // several users fit
	ClassDrift              Class = "drift"               // somebody else changed it meanwhile
	ClassUnsupportedVersion Class = "unsupported_version" // the server does not know this API version
	ClassBadRequest         Class = "bad_request"         // the call was wrong
	ClassEgressBlocked      Class = "egress_blocked"      // the program's own guard refused the address
	ClassTooLarge           Class = "too_large"           // the answer exceeds a limit
	ClassCanceled           Class = "canceled"            // the caller gave up
	ClassInternal           Class = "internal"            // none of these
)

// Error returns the class's name.
func (c Class) Error() string { return string(c) }

// classified is what the errors of this package have in common.
type classified interface {
	error
	Class() Class
}

// ClassOf returns the class of err: the one of the first error in its chain
// that has one, "" for nil.
func ClassOf(err error) Class {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[classified](err); ok {
		return e.Class()
	}
	if c, ok := errors.AsType[Class](err); ok {
		return c
	}
	if errors.Is(err, context.Canceled) {
		return ClassCanceled
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return ClassUnavailable
	}
	return ClassInternal
}

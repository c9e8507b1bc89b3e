package tableau

import (
	"errors"
	"net/http"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/tableau"
)

// meaning gives an error of the client's a sentence for people, a code, and
// what to do next. The client's own sentences stay as they are. What is no
// failure of the call is returned as it is: the caller gave up, or a fault of
// ours.
func meaning(err error) error {
	if err == nil {
		return nil
	}
	ours, isOurs := errors.AsType[*fault.Error](err)
	class := tableau.ClassOf(err)
	switch {
	case class == tableau.ClassEgressBlocked && isOurs: // the guard's own word, which knows the setting
		return fault.New(fault.Upstream, "%s", ours.Message).WithCode(string(class)).WithHint("%s", ours.Hint).Because(err)
	case isOurs:
		return err
	case errors.Is(err, tableau.ErrClosed):
		return fault.New(fault.Unavailable, "The connection was closed meanwhile.").WithCode(string(tableau.ClassUnavailable)).
			WithHint("Try again.").Because(err)
	case class == tableau.ClassCanceled, class == tableau.ClassInternal:
		return err
	}
	f := fault.New(kindOf(err, class), "%s", sentence(err)).WithCode(string(class)).WithHint("%s", hintOf(err, class)).Because(err)
	if e, ok := errors.AsType[*tableau.Error](err); ok && e.Code != "" {
		f = f.WithDetail(e.Code + " " + e.Summary + ": " + e.Detail)
	}
	return f
}

// hintOf says what to do next. Some refusals of a sign-in say more than their
// class does.
func hintOf(err error, class tableau.Class) string {
	if errors.Is(err, tableau.ErrNoSessionToken) { // S77
		return "Try again; when it stays, verify the token in Tableau."
	}
	if e, ok := errors.AsType[*tableau.Error](err); ok && e.Op == "SignIn" {
		if hint := signInHints[e.Code]; hint != "" {
			return hint
		}
	}
	if e, ok := errors.AsType[*tableau.NotTableauError](err); ok && e.Op == "SignIn" { // S78
		return "Is the Server URL right? A sign-in page, a proxy or another program answered instead of Tableau’s REST API."
	}
	if e, ok := errors.AsType[*tableau.Error](err); ok {
		switch {
		case class == tableau.ClassDenied && !ofUsers[e.Op]:
			return deniedHint
		case class == tableau.ClassUnavailable:
			return troubleHint
		}
	}
	if e, ok := errors.AsType[*tableau.NotTableauError](err); ok && class == tableau.ClassUnavailable && e.Status >= http.StatusInternalServerError {
		return troubleHint
	}
	return hints[class]
}

// ofUsers are the operations for which an account must be an administrator's.
var ofUsers = map[string]bool{"Users": true, "User": true, "SetSiteRole": true, "GroupMembers": true, "AddGroupMember": true, "RemoveGroupMember": true}

const (
	deniedHint  = "The token’s account may not do this: give it the right in Tableau, or rotate to a token of an account that has it."
	troubleHint = "Tableau has trouble of its own: the settings are not the cause. Try again in a few minutes."
)

// mendsOf says which acts on the connection may mend a failure.
func mendsOf(err error) []integration.Mend {
	if errors.Is(err, tableau.ErrNoSessionToken) { // S77
		return []integration.Mend{integration.MendRotate}
	}
	if e, ok := errors.AsType[*tableau.Error](err); ok {
		switch {
		case e.Op == "SignIn" && signInHints[e.Code] != "":
			return []integration.Mend{integration.MendEdit}
		case e.Status >= http.StatusInternalServerError, e.Status == http.StatusRequestTimeout:
			return nil
		}
	}
	if e, ok := errors.AsType[*tableau.NotTableauError](err); ok && e.Status >= http.StatusInternalServerError {
		return nil
	}
	switch tableau.ClassOf(err) { //nolint:exhaustive // nothing on the connection mends the others
	case tableau.ClassAuthRejected:
		return []integration.Mend{integration.MendRotate, integration.MendEdit}
	case tableau.ClassSessionLost, tableau.ClassDenied:
		return []integration.Mend{integration.MendRotate}
	case tableau.ClassUnavailable, tableau.ClassNotTableau, tableau.ClassTLSUntrusted, tableau.ClassEgressBlocked:
		return []integration.Mend{integration.MendEdit}
	}
	return nil
}

// signInHints say what to do next, by the code with which Tableau refuses a
// sign-in.
var signInHints = map[string]string{
	"404002": "The token’s account is not a user of that site: add it in Tableau, or correct the Site Content URL.",
	"405000": "Use the host of the pod that the site is on, such as 10ax.online.tableau.com, as the browser shows it after signing in.",
}

// sentence returns the client's sentence for err, without what wraps it.
func sentence(err error) string {
	if e, ok := errors.AsType[*tableau.RequestError](err); ok {
		return "This call is not sent: " + e.Reason + "."
	}
	// Every error of the client's tells its class.
	if e, ok := errors.AsType[interface {
		error
		Class() tableau.Class
	}](err); ok {
		return e.Error()
	}
	return err.Error()
}

// kindOf returns the kind of an error of the client's. A call that Tableau finds
// bad is Tableau's refusal; only one that the client would not send is the
// caller's to mend.
func kindOf(err error, c tableau.Class) fault.Kind {
	switch c { //nolint:exhaustive // the rest is the other system's word
	case tableau.ClassThrottled, tableau.ClassUnavailable, tableau.ClassSessionLost:
		return fault.Unavailable
	case tableau.ClassBadRequest:
		if _, ok := errors.AsType[*tableau.Error](err); !ok {
			return fault.Invalid
		}
	}
	return fault.Upstream
}

// hints say what to do next, by class.
var hints = map[tableau.Class]string{
	tableau.ClassAuthRejected:       rejected + " Check the name and the site; else create a new token.",
	tableau.ClassSessionLost:        "Another program signs in with this Personal Access Token and ends our session: use a token made only for Margay.",
	tableau.ClassThrottled:          "Tableau asked us to slow down; try again later.",
	tableau.ClassUnavailable:        "Check the Server URL and the network, then try again.",
	tableau.ClassNotTableau:         "Is this the right host? A proxy or a login page may be in between.",
	tableau.ClassTLSUntrusted:       "Is this the right host and port? A private certificate authority is added with MARGAY_TABLEAU_CA_FILE; the check is never skipped.",
	tableau.ClassDenied:             "User management needs a Personal Access Token of a site or server administrator.",
	tableau.ClassNoSeat:             "Free a seat of this licence in Tableau or buy one, then retry.",
	tableau.ClassUserAmbiguous:      "Give the person an e-mail address that fits exactly one Tableau user.",
	tableau.ClassDrift:              "Somebody changed this role in Tableau meanwhile: look at it there, then retry.",
	tableau.ClassUnsupportedVersion: "REST API 3.24 is needed: Tableau Cloud, or Tableau Server 2025.1 or later.",
	tableau.ClassTooLarge:           "Narrow the query.",
	tableau.ClassUserMissing:        "Ask them to sign in to the site once (for example via SSO), then retry.",
	tableau.ClassBadRequest:         "Look at what was sent: Tableau REST API 3.24 describes each call.",
	tableau.ClassEgressBlocked:      "The operator says in MARGAY_TABLEAU_ALLOW_CIDR which private networks may be called.",
	tableau.ClassCanceled:           "Try again.",
	tableau.ClassInternal:           "Try again; when it stays, give the administrator the request id.",
}

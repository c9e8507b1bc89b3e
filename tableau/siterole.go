package tableau

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// readBackTries and readBackWait bound how long a role that Tableau did not
// state is looked for: 5 reads in 15 s.
const (
	readBackTries = 5
	readBackWait  = time.Second
)

// RoleNotSetError means that a user's site role could not be confirmed as the
// one that was asked for.
type RoleNotSetError struct {
	UserID string
	Asked  string
	Got    string // what Tableau says the role is; "" when that is unknown
	Err    error  // what went wrong on the way, or nil
}

func (e *RoleNotSetError) Error() string {
	if e.Got == "" {
		return fmt.Sprintf("site role %s of user %s is not confirmed: %v", e.Asked, e.UserID, e.Err)
	}
	s := fmt.Sprintf("site role of user %s is %s, not %s as asked for", e.UserID, e.Got, e.Asked)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}
func (e *RoleNotSetError) Unwrap() error { return e.Err }

// Class tells by what went wrong on the way; without that, a user who ended up
// Unlicensed found no seat: Tableau may say so in no other way.
func (e *RoleNotSetError) Class() Class {
	switch {
	case e.Err != nil:
		return ClassOf(e.Err)
	case strings.EqualFold(e.Got, Unlicensed):
		return ClassNoSeat
	default:
		return ClassDrift
	}
}

// Is reports whether target is the error's class.
func (e *RoleNotSetError) Is(target error) bool { return target == e.Class() }

// RoleDriftError means that a user had another role than the one that the
// change was to start from. Nothing was written after that was seen.
type RoleDriftError struct{ UserID, From, To, Got string }

func (e *RoleDriftError) Error() string {
	return fmt.Sprintf("site role of user %s is %s, neither %s as before nor %s: somebody else changed it", e.UserID, e.Got, e.From, e.To)
}

// Class returns [ClassDrift].
func (e *RoleDriftError) Class() Class { return ClassDrift }

// Is reports whether target is the error's class.
func (e *RoleDriftError) Is(target error) bool { return target == e.Class() }

// SetSiteRole gives a user a site role, and returns the user when Tableau
// confirms that role. On any doubt (no answer, a server error, another role in
// the answer) the user is read again, and the role is written again only if
// that shows that it is needed. A refusal is an [*Error], a role that is not
// the one asked for a [*RoleNotSetError].
//
//tableau:operation PUT sites/{site}/users/{user}
func (c *Client) SetSiteRole(ctx context.Context, userID, role string) (User, error) {
	return c.changeRole(ctx, roleChange{userID: userID, to: role})
}

// ChangeSiteRole is SetSiteRole for a caller that has read the user's role
// just before: when a doubt shows a role that is neither from nor to, somebody
// else has changed it, and that is left alone with a [*RoleDriftError].
//
//tableau:operation PUT sites/{site}/users/{user}
func (c *Client) ChangeSiteRole(ctx context.Context, userID, from, to string) (User, error) {
	if from == "" {
		return User{}, refuse("the role to change from is missing")
	}
	return c.changeRole(ctx, roleChange{userID: userID, from: from, to: to})
}

type roleChange struct{ userID, from, to string }

func (c *Client) changeRole(ctx context.Context, ch roleChange) (User, error) {
	path, err := sitePath("users", ch.userID)
	if err != nil {
		return User{}, err
	}
	if ch.to == "" {
		return User{}, refuse("the role to set is missing")
	}
	body, err := json.Marshal(map[string]map[string]string{"user": {"siteRole": ch.to}})
	if err != nil {
		return User{}, fmt.Errorf("write the site role: %w", err)
	}
	release := c.Hold(ctx)
	defer release()
	put := Request{
		Method: http.MethodPut, Path: path, Body: body, Op: "SetSiteRole",
		tries: 1, tmpl: "/api/" + c.cfg.Version + "/sites/{siteId}/users/{id}",
	}
	for a := new(attempts); ; {
		u, err := userCall(ctx, c, put)
		verdict := judgeRole(u, err, ch.to)
		switch verdict {
		case roleSet:
			u.ID = ch.userID
			return u, nil
		case roleRefused:
			return User{}, err
		case roleOther:
			return c.settleRole(ctx, ch, err, 1)
		case roleUnclear:
			return c.settleRole(ctx, ch, err, readBackTries)
		case roleUnsent, roleUnknown:
		}
		u, done, err := c.rereadRole(ctx, ch, a, verdict, err)
		if done || err != nil {
			return u, err
		}
	}
}

// rereadRole looks at the user after a try that set nothing for certain. It
// returns done when the role is set after all, an error when it must not or
// need not be tried again, and neither when it is to be written again.
func (c *Client) rereadRole(ctx context.Context, ch roleChange, a *attempts, verdict roleVerdict, cause error) (u User, done bool, err error) {
	if ctx.Err() != nil {
		return User{}, false, cause
	}
	wait, again := c.nextTry(ctx, a, retryChecked, nil, cause)
	if verdict == roleUnsent {
		if gone, ok := errors.AsType[*sessionGoneError](cause); ok && !again {
			return User{}, false, c.exchange.sessionLost(a.made, gone.error)
		}
		if !again {
			return User{}, false, cause
		}
	}
	if again {
		if err := c.throttle.sleep(ctx, wait); err != nil {
			return User{}, false, &RoleNotSetError{UserID: ch.userID, Asked: ch.to, Err: errors.Join(cause, err)}
		}
	}
	u, err = c.User(ctx, ch.userID)
	switch {
	case err != nil:
		return User{}, false, &RoleNotSetError{UserID: ch.userID, Asked: ch.to, Err: errors.Join(cause, err)}
	case strings.EqualFold(u.SiteRole, ch.to):
		return u, true, nil
	case ch.from != "" && !strings.EqualFold(u.SiteRole, ch.from):
		return User{}, false, &RoleDriftError{UserID: ch.userID, From: ch.from, To: ch.to, Got: u.SiteRole}
	case !again:
		return User{}, false, &RoleNotSetError{UserID: ch.userID, Asked: ch.to, Got: u.SiteRole, Err: cause}
	}
	return u, false, nil
}

// settleRole reads the user until Tableau states the role, after an answer
// that accepted the change without stating it.
func (c *Client) settleRole(ctx context.Context, ch roleChange, cause error, tries int) (User, error) {
	wait := readBackWait
	for try := 1; ; try++ {
		u, err := c.User(ctx, ch.userID)
		if err != nil {
			return User{}, &RoleNotSetError{UserID: ch.userID, Asked: ch.to, Err: errors.Join(cause, err)}
		}
		if strings.EqualFold(u.SiteRole, ch.to) {
			return u, nil
		}
		if try >= tries || c.throttle.sleep(ctx, wait) != nil {
			return User{}, &RoleNotSetError{UserID: ch.userID, Asked: ch.to, Got: u.SiteRole, Err: cause}
		}
		wait *= 2
	}
}

// roleVerdict is what the answer to a change of role proves.
type roleVerdict int

const (
	roleSet     roleVerdict = iota // confirmed
	roleRefused                    // certainly not performed, and will not be
	roleUnsent                     // certainly not performed, may be repeated
	roleOther                      // performed, and the answer states another role
	roleUnclear                    // accepted, and the answer states no role
	roleUnknown                    // no answer, or a server error
)

func judgeRole(u User, err error, want string) roleVerdict {
	if err == nil {
		switch {
		case strings.EqualFold(u.SiteRole, want):
			return roleSet
		case u.SiteRole == "":
			return roleUnclear
		default:
			return roleOther
		}
	}
	if _, ok := errors.AsType[*sessionGoneError](err); ok {
		return roleUnsent
	}
	if _, ok := errors.AsType[*UnreachableError](err); ok {
		return roleUnsent
	}
	if _, ok := errors.AsType[*NoAnswerError](err); ok {
		return roleUnknown
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Op != opSignIn {
		switch {
		case e.Status < http.StatusBadRequest:
			return roleUnclear
		case e.Status == http.StatusTooManyRequests:
			return roleUnsent
		case e.Status == http.StatusRequestTimeout || e.Status >= http.StatusInternalServerError:
			return roleUnknown
		}
		return roleRefused
	}
	if e, ok := errors.AsType[*NotTableauError](err); ok && e.Op != opSignIn {
		return roleUnclear
	}
	if _, ok := errors.AsType[*TooLargeError](err); ok {
		return roleUnclear
	}
	return roleRefused
}

package tableau

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/tableau"
)

type guardFunc = func(context.Context) error

// actions are what the module "margay/tableau" calls.
func actions() []integration.Action {
	return []integration.Action{
		integration.Act("tableau.request", request),
		integration.Act("tableau.users.find", findUser),
		integration.Act("tableau.users.get", getUser),
		integration.Act("tableau.users.setSiteRole", setSiteRole),
	}
}

type requestIn struct {
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Query  map[string]any  `json:"query"`
	Body   json.RawMessage `json:"body"`
}

type requestOut struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

// request makes any call.
func request(ctx context.Context, c integration.Client, in requestIn, guard guardFunc) (requestOut, error) {
	call := integration.Call{Method: in.Method, Path: in.Path, Query: url.Values{}}
	if call.Method == "" {
		call.Method = http.MethodGet
	}
	for k, v := range in.Query {
		text, err := queryText(v)
		if err != nil {
			return requestOut{}, fault.New(fault.Invalid, "The query parameter %s must be a text, a number or a truth value.", k).WithCode("bad_request")
		}
		call.Query.Set(k, text)
	}
	if len(in.Body) > 0 && string(in.Body) != "null" {
		call.Body = in.Body
	}
	if call.Writes() {
		if err := guard(ctx); err != nil {
			return requestOut{}, err
		}
	}
	answer, err := c.Call(ctx, call)
	if err != nil {
		return requestOut{}, err
	}
	out := requestOut{Status: answer.Status, Headers: map[string]string{}, Body: decodeBody(answer.Body)}
	for k := range answer.Header {
		out.Headers[k] = answer.Header.Get(k)
	}
	return out, nil
}

func queryText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", fmt.Errorf("a %T is no query parameter", v)
}

// userOut is a Tableau user as workflows see it.
type userOut struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	FullName  string     `json:"fullName"`
	Email     string     `json:"email"`
	SiteRole  string     `json:"siteRole"`
	LastLogin *time.Time `json:"lastLogin"`
}

func userOf(u tableau.User) *userOut {
	out := &userOut{ID: u.ID, Name: u.Name, FullName: u.FullName, Email: u.Email, SiteRole: u.SiteRole}
	if !u.LastLogin.IsZero() {
		out.LastLogin = new(u.LastLogin)
	}
	return out
}

type findIn struct {
	NameOrEmail string `json:"nameOrEmail"`
}

// findUser finds the one user of a name, else of an e-mail address; nil when
// there is none.
func findUser(ctx context.Context, c integration.Client, in findIn, _ guardFunc) (*userOut, error) {
	t, err := of(c)
	if err != nil {
		return nil, err
	}
	if in.NameOrEmail == "" {
		return nil, fault.New(fault.Invalid, "A Tableau user cannot be found without a name.").WithCode("bad_request")
	}
	u, err := t.FindUser(traced(ctx), in.NameOrEmail)
	if tableau.ClassOf(err) == tableau.ClassUserMissing {
		return nil, nil
	}
	if err != nil {
		return nil, meaningOfUsers(err)
	}
	return userOf(u), nil
}

type getIn struct {
	ID string `json:"id"`
}

// getUser reads one user by LUID; nil when there is none.
func getUser(ctx context.Context, c integration.Client, in getIn, _ guardFunc) (*userOut, error) {
	t, err := of(c)
	if err != nil {
		return nil, err
	}
	u, err := t.User(traced(ctx), in.ID)
	if tableau.ClassOf(err) == tableau.ClassUserMissing {
		return nil, nil
	}
	if err != nil {
		return nil, meaningOfUsers(err)
	}
	return userOf(u), nil
}

type roleIn struct {
	ID       string `json:"id"`
	SiteRole string `json:"siteRole"`
}

type roleOut struct {
	ID       string `json:"id"`
	Before   string `json:"before"`
	SiteRole string `json:"siteRole"`
	Changed  bool   `json:"changed"`
}

// untouchable are the site roles of accounts that no workflow changes.
var untouchable = []string{"ServerAdministrator", "SiteAdministratorCreator", "Guest", "SupportUser"}

// setSiteRole sets a user's site role and returns what Tableau reports
// afterwards. It reads before it writes, so that a step that is begun again
// after a crash does not repeat what was done.
func setSiteRole(ctx context.Context, c integration.Client, in roleIn, guard guardFunc) (roleOut, error) {
	t, err := of(c)
	if err != nil {
		return roleOut{}, err
	}
	if in.SiteRole != "Unlicensed" && !slices.Contains(SiteRoles(), in.SiteRole) {
		return roleOut{}, fault.New(fault.Invalid, "%q is not a site role that a workflow may set.", in.SiteRole).WithCode("role_name")
	}
	ctx = traced(ctx)
	session, err := t.Session(ctx)
	if err != nil {
		return roleOut{}, meaningOfUsers(err)
	}
	if session.UserID == in.ID {
		return roleOut{}, fault.New(fault.Upstream, "This is the account that owns the Personal Access Token: its site role is never changed.").WithCode("own_account").
			WithHint("Use a service account of its own for the token.")
	}
	before, err := t.User(ctx, in.ID)
	if err != nil {
		return roleOut{}, meaningOfUsers(err)
	}
	if slices.Contains(untouchable, before.SiteRole) {
		return roleOut{}, fault.New(fault.Upstream, "%s is %s on the site: such an account is never changed.", before.Name, before.SiteRole).
			WithCode("protected_account").WithHint("Change it in Tableau by hand.")
	}
	if before.SiteRole == in.SiteRole {
		return roleOut{ID: in.ID, Before: before.SiteRole, SiteRole: before.SiteRole}, nil
	}
	if err := guard(ctx); err != nil {
		return roleOut{}, err
	}
	after, err := t.ChangeSiteRole(ctx, in.ID, before.SiteRole, in.SiteRole)
	if unset, ok := errors.AsType[*tableau.RoleNotSetError](err); ok && unset.Got == "" {
		return roleOut{}, fault.New(fault.Unavailable, "Tableau was asked to make %s %s, and whether it did is not known yet.", before.Name, in.SiteRole).
			WithCode("outcome_unknown").WithDetail(sentence(unset.Err)).WithHint("It is read again by itself; a retry reads it now.").Because(err)
	}
	if err != nil {
		return roleOut{}, meaningOfUsers(err)
	}
	return roleOut{ID: in.ID, Before: before.SiteRole, SiteRole: after.SiteRole, Changed: true}, nil
}

// meaningOfUsers is meaning for calls of user management: a refusal for lack of
// permission has a sentence of its own there.
func meaningOfUsers(err error) error {
	if denied(err) {
		e, _ := errors.AsType[*tableau.Error](err)
		if e.Op != "SignIn" {
			return fault.New(fault.Upstream, "%s", usersDenied).WithCode(string(tableau.ClassDenied)).WithDetail(e.Error()).
				WithHint("%s", hints[tableau.ClassDenied]).Because(err)
		}
	}
	return meaning(err)
}

package tableau

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/tableau"
)

// actions are what the module "margay/tableau" calls.
func actions() []integration.Action {
	return []integration.Action{
		integration.Act("tableau.request", request),
		integration.Read("tableau.users.list", listUsers),
		integration.Read("tableau.users.find", findUser),
		integration.Read("tableau.users.get", getUser),
		integration.Read("tableau.users.groups", groupsOfUser),
		integration.Act("tableau.users.setSiteRole", setSiteRole),
		integration.Read("tableau.groups.list", listGroups),
		integration.Read("tableau.groups.members", listMembers),
		integration.Act("tableau.groups.add", addMember),
		integration.Act("tableau.groups.remove", removeMember),
		integration.Read("tableau.site.get", getSite),
		integration.Read("tableau.projects.list", listProjects),
		integration.Read("tableau.content.list", listContent),
		integration.Act("tableau.content.setOwner", setOwner),
		integration.Read("tableau.content.usage", usageOf),
		integration.Read("tableau.search", search),
		integration.Read("tableau.collections.list", listCollections),
		integration.Read("tableau.collections.items", listItems),
		integration.Read("tableau.jobs.get", getJob),
	}
}

// write does a change under its guard: told of it before anything is sent, and
// asked before each sending. held is what a workflow is told of a change that
// was held back: what it would have become.
func write[Out any](ctx context.Context, guard integration.Guard, c integration.Change, held Out, do func(ctx context.Context) (Out, error)) (Out, error) {
	var none Out
	switch err := guard.Intend(ctx, c); {
	case errors.Is(err, integration.ErrHeld):
		return held, nil
	case err != nil:
		return none, err
	}
	var refused error
	out, err := do(tableau.WithGuard(traced(ctx), func(ctx context.Context) error {
		refused = guard.Ask(ctx)
		return refused
	}))
	if refused != nil {
		return none, refused
	}
	return out, err
}

// mostItems is how many entries a workflow is given of one list. What it is
// given counts against its data; a longer list is for several calls.
const mostItems = 10000

// collect reads a list to its end, as a workflow sees its entries. keep may be
// nil.
func collect[T, Out any](seq iter.Seq2[T, error], limit int, keep func(T) bool, convert func(T) Out) ([]Out, error) {
	most := mostItems
	if limit > 0 && limit < most {
		most = limit
	}
	list := []Out{}
	for item, err := range seq {
		if err != nil {
			return nil, meaningOfUsers(err)
		}
		if keep != nil && !keep(item) {
			continue
		}
		if len(list) == most {
			if limit > 0 {
				return list, nil
			}
			return nil, fault.New(fault.Invalid, "The list has more than %d entries.", mostItems).WithCode("too_large").
				WithHint("Narrow it down, or give a limit.")
		}
		list = append(list, convert(item))
	}
	return list, nil
}

type requestIn struct {
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Name   string          `json:"name"` // of the catalogue, in place of method and path
	Params map[string]any  `json:"params"`
	Query  map[string]any  `json:"query"`
	Body   json.RawMessage `json:"body"`
}

type requestOut struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
	Held    bool              `json:"heldBack,omitempty"`
}

// call returns the call that is asked for.
func (in requestIn) call() (tableau.Request, error) {
	query, err := values(in.Query)
	if err != nil {
		return tableau.Request{}, err
	}
	if in.Name == "" {
		return tableau.Request{Method: cmp.Or(in.Method, http.MethodGet), Path: in.Path, Query: query}, nil
	}
	m, ok := tableau.MethodNamed(in.Name)
	if !ok {
		return tableau.Request{}, fault.New(fault.Invalid, "The Tableau REST API has no method %q.", in.Name).WithCode("bad_request").
			WithHint("margay tableau methods lists them.")
	}
	params, err := values(in.Params)
	if err != nil {
		return tableau.Request{}, err
	}
	maps.Copy(params, query)
	r, err := m.Bind(params)
	return r, meaning(err)
}

// request makes any call.
func request(ctx context.Context, c integration.Client, in requestIn, guard integration.Guard) (requestOut, error) {
	t, err := of(c)
	if err != nil {
		return requestOut{}, err
	}
	call, err := in.call()
	if err != nil {
		return requestOut{}, err
	}
	if len(in.Body) > 0 && string(in.Body) != "null" {
		call.Body = in.Body
	}
	do := func(ctx context.Context) (requestOut, error) {
		answer, err := t.Do(ctx, call)
		if err != nil {
			return requestOut{}, meaning(err)
		}
		out := requestOut{Status: answer.Status, Headers: map[string]string{}, Body: decodeBody(answer.Body)}
		for k := range answer.Header {
			out.Headers[k] = answer.Header.Get(k)
		}
		return out, nil
	}
	if call.ReadOnly || call.Method == http.MethodGet {
		return do(traced(ctx))
	}
	// What Tableau says to a change is most often what was sent.
	held := requestOut{Status: http.StatusOK, Headers: map[string]string{}, Body: call.Body, Held: true}
	switch call.Method {
	case http.MethodPost:
		held.Status = http.StatusCreated
	case http.MethodDelete:
		held.Status, held.Body = http.StatusNoContent, nil
	}
	if held.Body == nil {
		held.Body = json.RawMessage("null")
	}
	return write(ctx, guard, integration.Change{What: call.Method + " " + call.Path, Method: call.Method, Path: call.Path, Body: string(call.Body)}, held, do)
}

func values(from map[string]any) (url.Values, error) {
	all := url.Values{}
	for k, v := range from {
		text, err := queryText(v)
		if err != nil {
			return nil, fault.New(fault.Invalid, "The parameter %s must be a text, a number or a truth value.", k).WithCode("bad_request")
		}
		all.Set(k, text)
	}
	return all, nil
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
func findUser(ctx context.Context, c integration.Client, in findIn) (*userOut, error) {
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
func getUser(ctx context.Context, c integration.Client, in getIn) (*userOut, error) {
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
	ID       string  `json:"id"`
	SiteRole string  `json:"siteRole"`
	From     *string `json:"from"` // only this role is replaced; nil: whatever is there
}

type roleOut struct {
	ID       string `json:"id"`
	Before   string `json:"before"`
	SiteRole string `json:"siteRole"`
	Changed  bool   `json:"changed"`
	Held     bool   `json:"heldBack,omitempty"`
}

// untouchable are the site roles of accounts that no workflow changes.
var untouchable = []string{"ServerAdministrator", "SiteAdministratorCreator", "Guest", "SupportUser"}

// setSiteRole sets a user's site role and returns what Tableau reports
// afterwards. It reads before it writes, so that a step that is begun again
// after a crash does not repeat what was done, and so that what somebody else
// has set since the workflow decided is not overwritten. Between that read and
// the write milliseconds remain: Tableau has no write that asks for what it
// replaces.
func setSiteRole(ctx context.Context, c integration.Client, in roleIn, guard integration.Guard) (roleOut, error) {
	t, err := of(c)
	if err != nil {
		return roleOut{}, err
	}
	if in.SiteRole != "Unlicensed" && !slices.Contains(SiteRoles(), in.SiteRole) {
		return roleOut{}, fault.New(fault.Invalid, "%q is not a site role that a workflow may set.", in.SiteRole).WithCode("role_name")
	}
	read := traced(ctx)
	session, err := t.Session(read)
	if err != nil {
		return roleOut{}, meaningOfUsers(err)
	}
	if session.UserID == in.ID {
		return roleOut{}, fault.New(fault.Upstream, "This is the account that owns the Personal Access Token: its site role is never changed.").WithCode("own_account").
			WithHint("Use a service account of its own for the token.")
	}
	before, err := t.User(read, in.ID)
	if err != nil {
		return roleOut{}, meaningOfUsers(err)
	}
	if slices.Contains(untouchable, before.SiteRole) {
		return roleOut{}, fault.New(fault.Upstream, "%s is %s on the site: such an account is never changed.", before.Name, before.SiteRole).
			WithCode("protected_account").WithHint("Change it in Tableau by hand.")
	}
	if before.SiteRole == in.SiteRole || in.From != nil && before.SiteRole != *in.From {
		return roleOut{ID: in.ID, Before: before.SiteRole, SiteRole: before.SiteRole}, nil
	}
	change := integration.Change{
		What: "site role of " + before.Name, Before: before.SiteRole, After: in.SiteRole, Method: http.MethodPut, Path: "/sites/{siteId}/users/" + in.ID,
	}
	held := roleOut{ID: in.ID, Before: before.SiteRole, SiteRole: in.SiteRole, Changed: true, Held: true}
	return write(ctx, guard, change, held, func(ctx context.Context) (roleOut, error) {
		after, err := t.ChangeSiteRole(ctx, in.ID, before.SiteRole, in.SiteRole)
		if unset, ok := errors.AsType[*tableau.RoleNotSetError](err); ok && unset.Got == "" {
			return roleOut{}, unknown(err, "Tableau was asked to make %s %s, and whether it did is not known yet.", before.Name, in.SiteRole).WithDetail(sentence(unset.Err))
		}
		if err != nil {
			return roleOut{}, meaningOfUsers(err)
		}
		return roleOut{ID: in.ID, Before: before.SiteRole, SiteRole: after.SiteRole, Changed: true}, nil
	})
}

// unknown says that nobody can tell yet what became of a change.
func unknown(err error, format string, args ...any) *fault.Error {
	return fault.New(fault.Unavailable, format, args...).WithCode("outcome_unknown").
		WithHint("It is read again by itself; a retry reads it now.").Because(err)
}

type usersIn struct {
	SiteRole        string    `json:"siteRole"`
	LastLoginBefore time.Time `json:"lastLoginBefore"`
	Limit           int       `json:"limit"`
}

// listUsers reads the users that fit. Tableau's filter by the last login leaves
// out who has never signed in, so that is compared here.
func listUsers(ctx context.Context, c integration.Client, in usersIn) ([]*userOut, error) {
	t, err := of(c)
	if err != nil {
		return nil, err
	}
	var filter tableau.Filter
	if in.SiteRole != "" {
		filter = tableau.Where("siteRole", tableau.Equal, in.SiteRole)
	}
	keep := func(u tableau.User) bool {
		return (in.SiteRole == "" || u.SiteRole == in.SiteRole) && (in.LastLoginBefore.IsZero() || u.LastLogin.Before(in.LastLoginBefore))
	}
	return collect(t.Users(traced(ctx), tableau.UsersOptions{Filter: filter}), in.Limit, keep, userOf)
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

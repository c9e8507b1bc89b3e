package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

func (s *server) accessRoutes() {
	register(s, http.MethodGet, "/apps", "list-apps", "List the apps", http.StatusOK, s.listApps)
	register(s, http.MethodPost, "/apps", "create-app", "Make an app", http.StatusCreated, s.createApp)
	register(s, http.MethodGet, "/apps/{id}", "get-app", "Show one app", http.StatusOK, s.getApp)
	register(s, http.MethodPatch, "/apps/{id}", "change-app", "Change an app", http.StatusOK, s.changeApp)
	register(s, http.MethodGet, "/apps/{id}/roles", "list-roles", "List the roles of an app", http.StatusOK, s.listRoles)
	register(s, http.MethodPost, "/apps/{id}/roles", "create-role", "Make a role of an app", http.StatusCreated, s.createRole)
	register(s, http.MethodGet, "/apps/{id}/roles/{role}", "get-role", "Show one role of an app", http.StatusOK, s.getRole)
	register(s, http.MethodPatch, "/apps/{id}/roles/{role}", "change-role", "Change a role", http.StatusOK, s.changeRole)

	register(s, http.MethodGet, "/requests", "list-requests", "List the requests that you may see, newest first", http.StatusOK, s.listRequests)
	register(s, http.MethodPost, "/requests", "file-request", "Ask for a role", http.StatusCreated, s.fileRequest)
	register(s, http.MethodGet, "/requests/{id}", "get-request", "Show one request and what became of its access", http.StatusOK, s.getRequest)
	register(s, http.MethodPost, "/requests/{id}/approve", "approve-request", "Approve the step that is waiting", http.StatusOK, s.approveRequest)
	register(s, http.MethodPost, "/requests/{id}/deny", "deny-request", "Deny a request", http.StatusOK, s.denyRequest)
	register(s, http.MethodPost, "/requests/{id}/withdraw", "withdraw-request", "Take a request back", http.StatusOK, s.withdrawRequest)
}

func appOf(a access.App) wire.App {
	return wire.App{
		ID: string(a.ID), Name: a.Name, ConnectionID: a.Connection, PolicyID: string(a.Policy), ProvisionWorkflowID: a.Workflows.Provision,
		DeprovisionWorkflowID: a.Workflows.Deprovision, OnRevoke: string(a.OnRevoke), OwnerIDs: texts(a.Owners),
		OwnerGroupIDs: texts(a.OwnerGroups), ProfileID: string(a.Profile), CreatedAt: a.CreatedAt,
		Edited: editedOf(a.Saved),
	}
}

func (s *server) listApps(ctx context.Context, who identity.Actor, _ *nothing) (*body[wire.List[wire.App]], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	apps, err := s.Access.Apps(ctx)
	return listOf(apps, appOf), err
}

func (s *server) createApp(ctx context.Context, who identity.Actor, in *with[wire.NewApp]) (*versioned[wire.App], error) {
	b := in.Body
	a, err := s.Access.SaveApp(ctx, who, access.App{
		Name: b.Name, Connection: b.ConnectionID, Policy: access.PolicyID(b.PolicyID), OnRevoke: access.OnRevoke(b.OnRevoke),
		Workflows: access.Workflows{Provision: b.ProvisionWorkflowID, Deprovision: b.DeprovisionWorkflowID}, Owners: ids[identity.PersonID](b.OwnerIDs),
		OwnerGroups: ids[identity.GroupID](b.OwnerGroupIDs), Profile: access.ProfileID(b.ProfileID),
	})
	return answerVersion(appOf(a), a.Version), err
}

func (s *server) getApp(ctx context.Context, who identity.Actor, in *one) (*versioned[wire.App], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	a, err := s.Access.App(ctx, access.AppID(in.ID))
	return answerVersion(appOf(a), a.Version), err
}

func (s *server) changeApp(ctx context.Context, who identity.Actor, in *appChange) (*versioned[wire.App], error) {
	b := in.Body
	version, err := in.of(b.Version)
	if err != nil {
		return nil, err
	}
	a, err := s.Access.ChangeApp(ctx, who, access.AppID(in.ID), version, func(a *access.App) {
		set(&a.Name, b.Name)
		set(&a.Connection, b.ConnectionID)
		set(&a.Policy, (*access.PolicyID)(b.PolicyID))
		set(&a.Workflows.Provision, b.ProvisionWorkflowID)
		set(&a.Workflows.Deprovision, b.DeprovisionWorkflowID)
		set(&a.OnRevoke, (*access.OnRevoke)(b.OnRevoke))
		if b.OwnerIDs != nil {
			a.Owners = ids[identity.PersonID](*b.OwnerIDs)
		}
		if b.OwnerGroupIDs != nil {
			a.OwnerGroups = ids[identity.GroupID](*b.OwnerGroupIDs)
		}
		set(&a.Profile, (*access.ProfileID)(b.ProfileID))
	})
	return answerVersion(appOf(a), a.Version), err
}

func roleOf(r access.Role) wire.Role {
	return wire.Role{
		ID: string(r.ID), AppID: string(r.App), Name: r.Name, Description: r.Description, PolicyID: string(r.Policy), ProfileID: string(r.Profile), Requestable: !r.Closed,
		ProvisionWorkflowID: r.Workflows.Provision, DeprovisionWorkflowID: r.Workflows.Deprovision, CreatedAt: r.CreatedAt,
		Edited: editedOf(r.Saved),
	}
}

func (s *server) listRoles(ctx context.Context, who identity.Actor, in *one) (*body[wire.List[wire.Role]], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	roles, err := s.Access.Roles(ctx, access.AppID(in.ID))
	return listOf(roles, roleOf), err
}

func (s *server) createRole(ctx context.Context, who identity.Actor, in *oneWith[wire.NewRole]) (*versioned[wire.Role], error) {
	b := in.Body
	r, err := s.Access.SaveRole(ctx, who, access.Role{
		App: access.AppID(in.ID), Name: b.Name, Description: b.Description, Policy: access.PolicyID(b.PolicyID),
		Profile:   access.ProfileID(b.ProfileID),
		Workflows: access.Workflows{Provision: b.ProvisionWorkflowID, Deprovision: b.DeprovisionWorkflowID},
	})
	return answerVersion(roleOf(r), r.Version), err
}

type oneRole struct {
	ID   string `path:"id"`
	Role string `path:"role"`
}

// roleOfApp returns a role, if it is one of the app.
func (s *server) roleOfApp(ctx context.Context, app, role string) (access.Role, error) {
	r, err := s.Access.Role(ctx, access.RoleID(role))
	if err != nil {
		return r, err
	}
	if string(r.App) != app {
		return r, fault.New(fault.NotFound, "The app %s has no role %s.", app, role).WithCode("role_missing")
	}
	return r, nil
}

func (s *server) getRole(ctx context.Context, who identity.Actor, in *oneRole) (*versioned[wire.Role], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	r, err := s.roleOfApp(ctx, in.ID, in.Role)
	return answerVersion(roleOf(r), r.Version), err
}

func (s *server) changeRole(ctx context.Context, who identity.Actor, in *roleChange) (*versioned[wire.Role], error) {
	b := in.Body
	version, err := in.of(b.Version)
	if err != nil {
		return nil, err
	}
	r, err := s.Access.ChangeRole(ctx, who, access.AppID(in.ID), access.RoleID(in.Role), version, func(r *access.Role) {
		set(&r.Name, b.Name)
		set(&r.Description, b.Description)
		set(&r.Policy, (*access.PolicyID)(b.PolicyID))
		set(&r.Profile, (*access.ProfileID)(b.ProfileID))
		set(&r.Workflows.Provision, b.ProvisionWorkflowID)
		set(&r.Workflows.Deprovision, b.DeprovisionWorkflowID)
		if b.Requestable != nil {
			r.Closed = !*b.Requestable
		}
	})
	return answerVersion(roleOf(r), r.Version), err
}

func requestOf(r access.Request) wire.Request {
	out := wire.Request{
		ID: string(r.ID), AppID: string(r.App), RoleID: string(r.Role), RoleName: r.RoleName, PersonID: string(r.Person),
		RequesterID: string(r.Requester), Duration: wire.Duration(r.Length), Reason: r.Reason, State: string(r.State), StateText: stateOf(r.State.Text()), Policy: policyOf(r.Policy),
		ExtendsID: string(r.Extends), StartsAt: timeOrNil(r.StartsAt), LapsesAt: timeOrNil(r.LapsesAt), Approvals: []wire.Approval{}, GrantID: string(r.Grant), CreatedAt: r.CreatedAt, DecidedAt: timeOrNil(r.DecidedAt),
	}
	for _, a := range r.Approvals {
		out.Approvals = append(out.Approvals, wire.Approval{Step: a.Step + 1, ByID: string(a.By), WorkflowID: a.Workflow, Approved: a.Approved, Reason: a.Reason, At: a.At})
	}
	for _, a := range r.Asked {
		out.Asked = append(out.Asked, askedOf(a))
	}
	return out
}

type requestPage struct {
	Page
	State     string `query:"state" enum:",waiting_for_approval,approved,denied,withdrawn,lapsed"`
	Person    string `query:"person_id" doc:"Whom it is for, or who asked"`
	App       string `query:"app_id"`
	Role      string `query:"role_id"`
	Decidable bool   `query:"decidable" doc:"Only those that you may decide on now"`
	Stuck     bool   `query:"nobody_decides" doc:"Only those that wait and that nobody may decide on at present, of the apps that you own or administer"`
}

func (s *server) listRequests(ctx context.Context, who identity.Actor, in *requestPage) (*body[wire.List[wire.Request]], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	if err := in.check("req"); err != nil {
		return nil, err
	}
	f := access.RequestFilter{
		State: access.RequestState(in.State), Person: identity.PersonID(in.Person), App: access.AppID(in.App), Role: access.RoleID(in.Role),
		Limit: in.Limit + 1, Before: access.RequestID(in.Cursor), Stuck: in.Stuck,
	}
	if in.Decidable {
		f.State = access.RequestWaiting
	}
	rs, err := s.Access.Requests(ctx, who, f, in.Decidable)
	if err != nil {
		return nil, err
	}
	told, err := s.extended(ctx, rs...)
	return pageOf(rs, in.Limit, func(r access.Request) string { return string(r.ID) }, told), err
}

func (s *server) fileRequest(ctx context.Context, who identity.Actor, in *with[wire.NewRequest]) (*body[wire.Request], error) {
	r, err := s.Access.File(ctx, who, access.Ask{
		Role: access.RoleID(in.Body.RoleID), Person: identity.PersonID(in.Body.PersonID), Length: in.Body.Duration.Given(), Reason: in.Body.Reason,
		Starts: timeFrom(in.Body.StartsAt),
	})
	if err != nil {
		return nil, err
	}
	return s.withGrant(ctx, who, r)
}

// withGrant returns r with what became of its access.
func (s *server) withGrant(ctx context.Context, who identity.Actor, r access.Request) (*body[wire.Request], error) {
	told, err := s.extended(ctx, r)
	if err != nil {
		return nil, err
	}
	out := told(r)
	if r.Grant == "" {
		return answer(out), nil
	}
	g, err := s.Access.Grant(ctx, who, r.Grant)
	if fault.KindOf(err) == fault.NotFound { // an approver sees the request, not the grant
		return answer(out), nil
	}
	if err != nil {
		return nil, err
	}
	out.Grant = new(grantOf(g))
	return answer(out), nil
}

func (s *server) getRequest(ctx context.Context, who identity.Actor, in *one) (*body[wire.Request], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	r, err := s.Access.Request(ctx, who, access.RequestID(in.ID))
	if err != nil {
		return nil, err
	}
	out, err := s.withGrant(ctx, who, r)
	if err != nil {
		return nil, err
	}
	return out, s.withTalk(ctx, who, r, &out.Body)
}

// decided is a decision, whose body may be left out.
type decided struct {
	ID   string `path:"id"`
	Body *wire.Decision
}

func (d *decided) decision() wire.Decision {
	if d.Body == nil {
		return wire.Decision{}
	}
	return *d.Body
}

func (s *server) approveRequest(ctx context.Context, who identity.Actor, in *decided) (*body[wire.Request], error) {
	r, err := s.Access.Approve(ctx, who, access.RequestID(in.ID), in.decision().Duration.Given(), strings.TrimSpace(in.decision().Reason))
	if err != nil {
		return nil, err
	}
	return s.withGrant(ctx, who, r)
}

func (s *server) denyRequest(ctx context.Context, who identity.Actor, in *decided) (*body[wire.Request], error) {
	r, err := s.Access.Deny(ctx, who, access.RequestID(in.ID), in.decision().Reason)
	return answer(requestOf(r)), err
}

func (s *server) withdrawRequest(ctx context.Context, who identity.Actor, in *one) (*body[wire.Request], error) {
	r, err := s.Access.Withdraw(ctx, who, access.RequestID(in.ID))
	return answer(requestOf(r)), err
}

func grantOf(g access.Grant) wire.Grant {
	out := wire.Grant{
		ID: string(g.ID), RequestID: string(g.Request), AppID: string(g.App), ConnectionID: g.Connection, RoleID: string(g.Role), RoleName: g.RoleName,
		PersonID: string(g.Person), Duration: wire.Duration(g.Length), State: string(g.State), RunID: g.Run, Attempts: g.Attempts, CreatedAt: g.CreatedAt,
		StartsAt: timeOrNil(g.StartsAt), EndsAt: timeOrNil(g.EndsAt), EndedAt: timeOrNil(g.EndedAt), EndReason: g.EndReason, EndNote: g.EndNote,
	}
	if g.Problem.Message != "" {
		out.Problem = &wire.Fault{Code: g.Problem.Code, Message: g.Problem.Message, Hint: g.Problem.Hint, Detail: g.Problem.Detail}
	}
	if !g.Proof.At.IsZero() {
		out.Proof = &wire.Proof{SiteRole: g.Proof.Role, Note: g.Proof.Note, At: g.Proof.At}
	}
	out.GrantLife = lifeOf(g)
	return out
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// set takes what was given, if anything was.
func set[T any](to, given *T) {
	if given != nil {
		*to = *given
	}
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

func ids[T ~string](list []string) []T {
	out := make([]T, len(list))
	for i, v := range list {
		out[i] = T(v)
	}
	return out
}

package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

func (s *server) grantRoutes() {
	register(s, http.MethodGet, "/grants", "list-grants", "List the grants that you may see, newest first", http.StatusOK, s.listGrants)
	register(s, http.MethodGet, "/grants/{id}", "get-grant", "Show one grant", http.StatusOK, s.getGrant)
	register(s, http.MethodPost, "/grants/{id}/revoke", "revoke-grant", "End access before its time", http.StatusAccepted, s.revokeGrant)
	register(s, http.MethodPost, "/grants/{id}/retry", "retry-grant", "Make a new run for a change that was not carried out", http.StatusAccepted, s.retryGrant)
	register(s, http.MethodPost, "/grants/{id}/extend", "extend-grant", "Ask for more time", http.StatusCreated, s.extendGrant)
	register(s, http.MethodPost, "/requests/{id}/extend", "extend-request", "Ask for more time of the access that came of a request", http.StatusCreated, s.extendRequest)
	register(s, http.MethodPost, "/grants/{id}/reduce", "reduce-grant", "Shorten access at once", http.StatusOK, s.reduceGrant)
	register(s, http.MethodPost, "/people/{id}/revoke-all", "revoke-all", "End all access of a person, the strongest first", http.StatusAccepted, s.revokeAll)
	register(s, http.MethodGet, "/apps/{id}/provisioning", "get-app-provisioning", "Show how the access of an app is carried out", http.StatusOK, s.getProvisioning)
	register(s, http.MethodPut, "/apps/{id}/provisioning", "set-app-provisioning", "Say how the access of an app is carried out", http.StatusOK, s.setProvisioning)
	register(s, http.MethodGet, "/apps/{id}/roles/{role}/provisioning", "get-role-provisioning", "Show how a role is carried out", http.StatusOK, s.getRoleProvisioning)
	register(s, http.MethodPut, "/apps/{id}/roles/{role}/provisioning", "set-role-provisioning", "Say how a role is carried out", http.StatusOK, s.setRoleProvisioning)
	register(s, http.MethodGet, "/tasks", "list-tasks", "List the tasks that you may see, newest first", http.StatusOK, s.listTasks)
	register(s, http.MethodGet, "/tasks/{id}", "get-task", "Show one task", http.StatusOK, s.getTask)
	register(s, http.MethodPost, "/tasks/{id}/done", "finish-task", "Say that a task is done", http.StatusOK, s.finishTask)
	register(s, http.MethodPost, "/tasks/{id}/fail", "fail-task", "Say that a task cannot be done", http.StatusOK, s.failTask)
}

func lifeOf(g access.Grant) wire.GrantLife {
	text := g.State.Text()
	out := wire.GrantLife{
		Sentence: text.Sentence, Next: []wire.Act{}, BeginsAt: timeOrNil(g.BeginsAt), NextTryAt: timeOrNil(g.NextTry),
		NextRunID: g.Next, FailedRunID: g.Problem.Run, TaskID: string(g.Task), WaitingFor: g.WaitsFor,
	}
	for _, a := range text.Next {
		out.Next = append(out.Next, wire.Act(a))
	}
	if g.State == access.GrantOverdue {
		out.OverdueSince = timeOrNil(g.ChangeAt)
	}
	if !g.Outside.At.IsZero() {
		out.ChangedOutside = &wire.ChangedOutside{Expected: g.Outside.Expected, Found: g.Outside.Found, At: g.Outside.At}
	}
	if !g.SetUp.At.IsZero() {
		out.SetUp = &wire.Proof{SiteRole: g.SetUp.Role, Note: g.SetUp.Note, At: g.SetUp.At}
	}
	return out
}

type grantPage struct {
	Page
	State      string    `query:"state" doc:"One or more states, separated by commas"`
	Person     string    `query:"person_id"`
	App        string    `query:"app_id"`
	Role       string    `query:"role_id"`
	RoleName   string    `query:"role" doc:"A role by its name"`
	Connection string    `query:"connection_id"`
	Request    string    `query:"request_id"`
	Text       string    `query:"q" doc:"Part of the person's name or e-mail address, or of the role's name"`
	ExpiresBy  time.Time `query:"expires_before" doc:"Only those that end by themselves before this time"`
	At         string    `query:"at" doc:"Only those that were there at this time, or at some time of this day: 2026-03-03"`
}

func (s *server) listGrants(ctx context.Context, who identity.Actor, in *grantPage) (*body[wire.List[wire.Grant]], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	if err := in.check("grt"); err != nil {
		return nil, err
	}
	f := access.GrantFilter{
		Person: identity.PersonID(in.Person), App: access.AppID(in.App), Role: access.RoleID(in.Role), RoleName: in.RoleName, Connection: in.Connection,
		Request: access.RequestID(in.Request), Text: strings.TrimSpace(in.Text), EndsBefore: in.ExpiresBy, Limit: in.Limit + 1, Before: access.GrantID(in.Cursor),
	}
	var err error
	if f.HeldFrom, f.HeldUntil, err = heldDuring(in.At); err != nil {
		return nil, err
	}
	if f.States, err = grantStates(in.State); err != nil {
		return nil, err
	}
	gs, err := s.Access.Grants(ctx, who, f)
	return pageOf(gs, in.Limit, func(g access.Grant) string { return string(g.ID) }, grantOf), err
}

func grantStates(text string) ([]access.GrantState, error) {
	if text == "" {
		return nil, nil
	}
	states := ids[access.GrantState](strings.Split(text, ","))
	for _, state := range states {
		if !slices.ContainsFunc(access.GrantStates(), func(t access.StateText) bool { return t.Code == string(state) }) {
			return nil, fault.Field("state", "A grant is scheduled, setting_up, active, not_set_up, changed_outside, ending, overdue_to_end or ended.")
		}
	}
	return states, nil
}

// heldDuring reads a day or a time as what lies from its begin to its end.
func heldDuring(text string) (from, until time.Time, err error) {
	if text == "" {
		return from, until, nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day, day.AddDate(0, 0, 1), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return from, until, fault.Field("at", "A time is written 2026-03-03, or 2026-03-03T14:00:00Z.")
	}
	return at, at.Add(time.Millisecond), nil
}

func (s *server) getGrant(ctx context.Context, who identity.Actor, in *one) (*body[wire.Grant], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	g, err := s.Access.Grant(ctx, who, access.GrantID(in.ID))
	return answer(grantOf(g)), err
}

type revocation struct {
	ID   string `path:"id"`
	Dry  bool   `query:"dry_run" doc:"Say what would happen, and do nothing"`
	Body *wire.Revocation
}

func (r *revocation) note() string {
	if r.Body == nil {
		return ""
	}
	return strings.TrimSpace(r.Body.Reason)
}

func previewOf(p access.Preview) wire.Grant {
	out := grantOf(p.Grant)
	out.Preview = &wire.Preview{Now: p.Now, ReadAt: timeOrNil(p.ReadAt), Then: p.Then, Because: p.Because, ByHand: p.ByHand}
	if p.Remaining != nil {
		out.Preview.RemainingGrantID, out.Preview.RemainingEndsAt = string(p.Remaining.ID), timeOrNil(p.Remaining.EndsAt)
	}
	return out
}

func (s *server) revokeGrant(ctx context.Context, who identity.Actor, in *revocation) (*body[wire.Grant], error) {
	if in.Dry {
		if err := who.Need(identity.ScopeRequestsWrite); err != nil {
			return nil, err
		}
		p, err := s.Access.Preview(ctx, who, access.GrantID(in.ID))
		if err != nil {
			return nil, err
		}
		return answer(previewOf(p)), nil
	}
	g, err := s.Access.Revoke(ctx, who, access.GrantID(in.ID), in.note())
	return answer(grantOf(g)), err
}

func (s *server) revokeAll(ctx context.Context, who identity.Actor, in *revocation) (*body[wire.List[wire.RevokedGrant]], error) {
	rows, err := s.Access.RevokeAll(ctx, who, identity.PersonID(in.ID), in.note(), in.Dry)
	return listOf(rows, func(r access.Revoked) wire.RevokedGrant {
		out := wire.RevokedGrant{Grant: previewOf(r.Preview), Outcome: "ending"}
		switch {
		case r.Err != nil:
			f := fault.Public(r.Err)
			out.Outcome, out.Error = "failed", &wire.Fault{Code: f.Code, Message: f.Message, Hint: f.Hint}
		case in.Dry:
			out.Outcome = "would_end"
		case r.Preview.Grant.State == access.GrantEnded:
			out.Outcome = "ended"
		}
		return out
	}), err
}

func (s *server) retryGrant(ctx context.Context, who identity.Actor, in *one) (*body[wire.Grant], error) {
	g, err := s.Access.Retry(ctx, who, access.GrantID(in.ID))
	return answer(grantOf(g)), err
}

func (s *server) extendGrant(ctx context.Context, who identity.Actor, in *oneWith[wire.Extension]) (*body[wire.Request], error) {
	r, err := s.Access.Extend(ctx, who, access.GrantID(in.ID), in.Body.Duration.Given(), in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return s.withGrant(ctx, who, r)
}

func (s *server) extendRequest(ctx context.Context, who identity.Actor, in *oneWith[wire.Extension]) (*body[wire.Request], error) {
	r, err := s.Access.ExtendRequest(ctx, who, access.RequestID(in.ID), in.Body.Duration.Given(), in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return s.withGrant(ctx, who, r)
}

func (s *server) reduceGrant(ctx context.Context, who identity.Actor, in *oneWith[wire.Reduction]) (*body[wire.Grant], error) {
	g, err := s.Access.Reduce(ctx, who, access.GrantID(in.ID), time.Duration(in.Body.Duration), in.Body.Reason)
	return answer(grantOf(g)), err
}

func provisioningOf(p access.Provisioning) wire.Provisioning {
	return wire.Provisioning{Method: string(p.Method), PersonIDs: texts(p.People), GroupIDs: texts(p.Groups), Edited: editedOf(p.Saved)}
}

// saved returns how access is carried out as the edit has it, of the version that
// its editor saw.
func (in provisioningChange) saved() (access.Provisioning, error) {
	b := in.Body
	version, err := in.of(b.Version)
	return access.Provisioning{
		Method: access.Method(b.Method), People: ids[identity.PersonID](b.PersonIDs), Groups: ids[identity.GroupID](b.GroupIDs),
		Saved: access.Saved{Version: version},
	}, err
}

func (s *server) getProvisioning(ctx context.Context, who identity.Actor, in *one) (*versioned[wire.Provisioning], error) {
	return s.getRoleProvisioning(ctx, who, &oneRole{ID: in.ID})
}

func (s *server) getRoleProvisioning(ctx context.Context, who identity.Actor, in *oneRole) (*versioned[wire.Provisioning], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	p, err := s.Access.Provisioning(ctx, access.AppID(in.ID), access.RoleID(in.Role))
	return answerVersion(provisioningOf(p), p.Version), err
}

func (s *server) setProvisioning(ctx context.Context, who identity.Actor, in *provisioningChange) (*versioned[wire.Provisioning], error) {
	return s.saveProvisioning(ctx, who, in.ID, "", *in)
}

func (s *server) setRoleProvisioning(ctx context.Context, who identity.Actor, in *roleProvisioningChange) (*versioned[wire.Provisioning], error) {
	return s.saveProvisioning(ctx, who, in.ID, in.Role, provisioningChange{Matching: in.Matching, Body: in.Body})
}

func (s *server) saveProvisioning(ctx context.Context, who identity.Actor, app, role string, in provisioningChange) (*versioned[wire.Provisioning], error) {
	p, err := in.saved()
	if err != nil {
		return nil, err
	}
	p, err = s.Access.SaveProvisioning(ctx, who, access.AppID(app), access.RoleID(role), p)
	return answerVersion(provisioningOf(p), p.Version), err
}

func taskOf(t access.Task) wire.Task {
	text := t.State.Text()
	out := wire.Task{
		ID: string(t.ID), Kind: string(t.Kind), GrantID: string(t.Grant), AppID: string(t.App), RoleName: t.RoleName, PersonID: string(t.Person),
		PersonIDs: texts(t.People), GroupIDs: texts(t.Groups), State: string(t.State), Sentence: text.Sentence, Next: []wire.Act{}, Note: t.Note,
		ByID: string(t.By), CreatedAt: t.CreatedAt, EndedAt: timeOrNil(t.EndedAt),
	}
	for _, a := range text.Next {
		out.Next = append(out.Next, wire.Act(a))
	}
	return out
}

type taskPage struct {
	Page
	State string `query:"state" enum:",open,done,failed,dropped"`
	App   string `query:"app_id"`
	Grant string `query:"grant_id"`
	Mine  bool   `query:"mine" doc:"Only those that you may do"`
}

func (s *server) listTasks(ctx context.Context, who identity.Actor, in *taskPage) (*body[wire.List[wire.Task]], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	if err := in.check("tsk"); err != nil {
		return nil, err
	}
	ts, err := s.Access.Tasks(ctx, who, access.TaskFilter{
		State: access.TaskState(in.State), App: access.AppID(in.App), Grant: access.GrantID(in.Grant), Limit: in.Limit + 1, Before: access.TaskID(in.Cursor),
	}, in.Mine)
	return pageOf(ts, in.Limit, func(t access.Task) string { return string(t.ID) }, taskOf), err
}

func (s *server) getTask(ctx context.Context, who identity.Actor, in *one) (*body[wire.Task], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	t, err := s.Access.Task(ctx, who, access.TaskID(in.ID))
	return answer(taskOf(t)), err
}

func (s *server) finishTask(ctx context.Context, who identity.Actor, in *oneWith[wire.TaskOutcome]) (*body[wire.Task], error) {
	t, err := s.Access.FinishTask(ctx, who, access.TaskID(in.ID), true, in.Body.Note)
	return answer(taskOf(t)), err
}

func (s *server) failTask(ctx context.Context, who identity.Actor, in *oneWith[wire.TaskOutcome]) (*body[wire.Task], error) {
	t, err := s.Access.FinishTask(ctx, who, access.TaskID(in.ID), false, in.Body.Note)
	return answer(taskOf(t)), err
}

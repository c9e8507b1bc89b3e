package api

import (
	"context"
	"net/http"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
)

func (s *server) rules() {
	register(s, http.MethodGet, "/policies", "list-policies", "List the policies", http.StatusOK, s.listPolicies)
	register(s, http.MethodPost, "/policies", "create-policy", "Make a policy", http.StatusCreated, s.createPolicy)
	register(s, http.MethodGet, "/policies/{id}", "get-policy", "Show one policy", http.StatusOK, s.getPolicy)
	register(s, http.MethodPatch, "/policies/{id}", "change-policy", "Save a new version of a policy", http.StatusOK, s.changePolicy)
	register(s, http.MethodGet, "/policies/{id}/versions", "list-policy-versions", "List the versions of a policy, newest first", http.StatusOK, s.listPolicyVersions)
	register(s, http.MethodGet, "/policies/{id}/diff", "diff-policy", "Compare two versions of a policy", http.StatusOK, s.diffPolicy)

	register(s, http.MethodGet, "/profiles", "list-profiles", "List the profiles: who may ask", http.StatusOK, s.listProfiles)
	register(s, http.MethodPost, "/profiles", "create-profile", "Make a profile", http.StatusCreated, s.createProfile)
	register(s, http.MethodGet, "/profiles/{id}", "get-profile", "Show one profile", http.StatusOK, s.getProfile)
	register(s, http.MethodPatch, "/profiles/{id}", "change-profile", "Change a profile", http.StatusOK, s.changeProfile)

	register(s, http.MethodPost, "/apps/{id}/roles/offer", "offer-roles", "Make all roles that the app's workflows carry out and it has not yet", http.StatusOK, s.offerRoles)
	register(s, http.MethodGet, "/catalogue", "catalogue", "List the roles that can be asked for, and what you have of them", http.StatusOK, s.catalogue)
	register(s, http.MethodGet, "/requests/{id}/review", "review-request", "Show a request with what its approvers need to know", http.StatusOK, s.reviewRequest)
	register(s, http.MethodGet, "/requests/{id}/comments", "list-comments", "List what was written on a request", http.StatusOK, s.listComments)
	register(s, http.MethodPost, "/requests/{id}/comments", "comment-request", "Write on a request", http.StatusCreated, s.comment)
}

func stateOf(t access.StateText) wire.State {
	out := wire.State{Code: t.Code, Word: t.Word, Sentence: t.Sentence, Next: []wire.Act{}}
	for _, a := range t.Next {
		out.Next = append(out.Next, wire.Act{Code: a.Code, Label: a.Label})
	}
	return out
}

func timeFrom(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// withTalk adds who could decide a request and what was written on it.
func (s *server) withTalk(ctx context.Context, who identity.Actor, r access.Request, out *wire.Request) error {
	deciders, err := s.Access.Deciders(ctx, who, r.ID)
	if err != nil {
		return err
	}
	for _, p := range deciders {
		out.DeciderIDs = append(out.DeciderIDs, string(p.ID))
	}
	comments, err := s.Access.Comments(ctx, who, r.ID)
	for _, c := range comments {
		out.Comments = append(out.Comments, commentOf(c))
	}
	return err
}

func commentOf(c access.Comment) wire.Comment {
	return wire.Comment{ID: c.ID, ByID: string(c.By), Text: c.Text, At: c.At}
}

func policyOf(p access.Policy) wire.Policy {
	out := wire.Policy{
		ID: string(p.ID), Name: p.Name, Longest: wire.Duration(p.Longest), Usual: wire.Duration(p.Usual), ReasonNeeded: p.ReasonNeeded,
		OnBehalf: wire.OnBehalf(p.OnBehalf), Steps: []wire.PolicyStep{}, Auto: autoOf(p.Auto), Waits: wire.Duration(p.WaitsFor()),
		Version: p.Version, CreatedAt: p.CreatedAt, SavedByID: string(p.SavedBy), SavedAt: timeOrNil(p.SavedAt),
	}
	for _, step := range p.Steps {
		w := wire.PolicyStep{WorkflowID: step.Workflow, SelfApproval: step.SelfApproval}
		for _, a := range step.Approvers {
			switch {
			case a.AppOwner:
				w.AppOwners = true
			case a.Manager:
				w.Manager = true
			case a.Group != "":
				w.GroupIDs = append(w.GroupIDs, string(a.Group))
			default:
				w.ApproverIDs = append(w.ApproverIDs, string(a.Person))
			}
		}
		out.Steps = append(out.Steps, w)
	}
	return out
}

func policyFrom(b wire.NewPolicy) access.Policy {
	p := access.Policy{
		Name: b.Name, Longest: time.Duration(b.Longest), Usual: time.Duration(b.Usual), ReasonNeeded: b.ReasonNeeded,
		OnBehalf: access.OnBehalf(b.OnBehalf), Auto: autoFrom(b.Auto), Waits: time.Duration(b.Waits),
	}
	p.Steps = stepsFrom(b.Steps)
	return p
}

func stepsFrom(list []wire.PolicyStep) []access.Step {
	var steps []access.Step
	for _, w := range list {
		step := access.Step{Workflow: w.WorkflowID, SelfApproval: w.SelfApproval}
		for _, id := range w.ApproverIDs {
			step.Approvers = append(step.Approvers, access.Approver{Person: identity.PersonID(id)})
		}
		for _, id := range w.GroupIDs {
			step.Approvers = append(step.Approvers, access.Approver{Group: identity.GroupID(id)})
		}
		if w.AppOwners {
			step.Approvers = append(step.Approvers, access.Approver{AppOwner: true})
		}
		if w.Manager {
			step.Approvers = append(step.Approvers, access.Approver{Manager: true})
		}
		steps = append(steps, step)
	}
	return steps
}

func (s *server) listPolicies(ctx context.Context, who identity.Actor, _ *nothing) (*body[wire.List[wire.Policy]], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	ps, err := s.Access.Policies(ctx)
	return listOf(ps, policyOf), err
}

func (s *server) createPolicy(ctx context.Context, who identity.Actor, in *newPolicy) (*versioned[wire.Policy], error) {
	p := policyFrom(in.Body)
	i, err := s.Access.PreviewPolicy(ctx, who, p)
	if err != nil {
		return nil, err
	}
	if in.Dry {
		p.Version = 1
	} else if p, err = s.Access.SavePolicy(ctx, who, p); err != nil {
		return nil, err
	}
	return answerVersion(withImpact(p, i), p.Version), nil
}

func (s *server) getPolicy(ctx context.Context, who identity.Actor, in *one) (*versioned[wire.Policy], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	p, err := s.Access.Policy(ctx, access.PolicyID(in.ID))
	if err != nil {
		return nil, err
	}
	out := policyOf(p)
	out.AutoSentence, err = s.Access.AutoSentence(ctx, p)
	return answerVersion(out, p.Version), err
}

// DryRun is a request that may only be to look. It is exported for huma, which
// reads the fields of no other embedded struct.
type DryRun struct {
	Dry bool `query:"dry_run" doc:"Say what it would do, and change nothing"`
}

type newPolicy struct {
	DryRun
	Body wire.NewPolicy
}

// changePolicy changes what is given. What is left out stays: a policy must not
// lose its approvers because somebody changed its name.
func (s *server) changePolicy(ctx context.Context, who identity.Actor, in *policyChange) (*versioned[wire.Policy], error) {
	b := in.Body
	version, err := in.of(b.Version)
	if err != nil {
		return nil, err
	}
	p, i, err := s.Access.ChangePolicy(ctx, who, access.PolicyID(in.ID), version, in.Dry, func(p *access.Policy) {
		set(&p.Name, b.Name)
		set(&p.Longest, b.Longest.Given())
		set(&p.Usual, b.Usual.Given())
		set(&p.ReasonNeeded, b.ReasonNeeded)
		set(&p.OnBehalf, (*access.OnBehalf)(b.OnBehalf))
		set(&p.Waits, b.Waits.Given())
		if b.Auto != nil {
			p.Auto = autoFrom(b.Auto)
		}
		if b.Steps != nil {
			p.Steps = stepsFrom(*b.Steps)
		}
	})
	return answerVersion(withImpact(p, i), p.Version), err
}

// withImpact shows a policy with what an edit of it touches.
func withImpact(p access.Policy, i access.Impact) wire.Policy {
	out := policyOf(p)
	out.Impact = &wire.Impact{
		Changes: changesOf(i.Changes), Warnings: append([]string{}, i.Warnings...), Apps: i.Apps, Roles: i.Roles,
		Waiting: i.Waiting, Grants: i.Grants, People: i.People,
	}
	return out
}

func changesOf(list []access.PolicyChange) []wire.PolicyChange {
	out := []wire.PolicyChange{}
	for _, c := range list {
		out = append(out, wire.PolicyChange{What: c.What, Before: c.Before, After: c.After})
	}
	return out
}

func (s *server) listPolicyVersions(ctx context.Context, who identity.Actor, in *one) (*body[wire.List[wire.Policy]], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	ps, err := s.Access.PolicyVersions(ctx, access.PolicyID(in.ID))
	return listOf(ps, policyOf), err
}

type policyDiff struct {
	ID   string `path:"id"`
	From int    `query:"from" minimum:"0" doc:"A version; left out: the one before to"`
	To   int    `query:"to" minimum:"0" doc:"A version; left out: the newest"`
}

func (s *server) diffPolicy(ctx context.Context, who identity.Actor, in *policyDiff) (*body[wire.PolicyDiff], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	p, err := s.Access.Policy(ctx, access.PolicyID(in.ID))
	if err != nil {
		return nil, err
	}
	from, to := in.From, in.To
	if to == 0 {
		to = p.Version
	}
	if from == 0 {
		from = max(to-1, 1)
	}
	changes, err := s.Access.PolicyDiff(ctx, p.ID, from, to)
	return answer(wire.PolicyDiff{From: from, To: to, Changes: changesOf(changes)}), err
}

func autoOf(a *access.Auto) *wire.Auto {
	if a == nil {
		return nil
	}
	return &wire.Auto{Longest: wire.Duration(a.Longest), GroupIDs: texts(a.Groups), RoleIDs: texts(a.Roles)}
}

// autoFrom reads a rule; one that names nothing is none.
func autoFrom(b *wire.Auto) *access.Auto {
	if b == nil || b.Longest == 0 && len(b.GroupIDs) == 0 && len(b.RoleIDs) == 0 {
		return nil
	}
	return &access.Auto{Longest: time.Duration(b.Longest), Groups: ids[identity.GroupID](b.GroupIDs), Roles: ids[access.RoleID](b.RoleIDs)}
}

func profileOf(p access.Profile) wire.Profile {
	return wire.Profile{ID: string(p.ID), Name: p.Name, GroupIDs: texts(p.Groups), WhomToAsk: p.WhomToAsk, CreatedAt: p.CreatedAt, Edited: editedOf(p.Saved)}
}

func (s *server) listProfiles(ctx context.Context, who identity.Actor, _ *nothing) (*body[wire.List[wire.Profile]], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	ps, err := s.Access.Profiles(ctx)
	return listOf(ps, profileOf), err
}

func (s *server) createProfile(ctx context.Context, who identity.Actor, in *with[wire.NewProfile]) (*versioned[wire.Profile], error) {
	p, err := s.Access.SaveProfile(ctx, who, access.Profile{
		Name: in.Body.Name, Groups: ids[identity.GroupID](in.Body.GroupIDs), WhomToAsk: in.Body.WhomToAsk,
	})
	return answerVersion(profileOf(p), p.Version), err
}

func (s *server) getProfile(ctx context.Context, who identity.Actor, in *one) (*versioned[wire.Profile], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	p, err := s.Access.Profile(ctx, access.ProfileID(in.ID))
	return answerVersion(profileOf(p), p.Version), err
}

func (s *server) changeProfile(ctx context.Context, who identity.Actor, in *profileChange) (*versioned[wire.Profile], error) {
	b := in.Body
	version, err := in.of(b.Version)
	if err != nil {
		return nil, err
	}
	p, err := s.Access.ChangeProfile(ctx, who, access.ProfileID(in.ID), version, func(p *access.Profile) {
		set(&p.Name, b.Name)
		set(&p.WhomToAsk, b.WhomToAsk)
		if b.GroupIDs != nil {
			p.Groups = ids[identity.GroupID](*b.GroupIDs)
		}
	})
	return answerVersion(profileOf(p), p.Version), err
}

type catalogueOf struct {
	Person string `query:"person_id" doc:"For whom; left out: for you"`
}

func (s *server) catalogue(ctx context.Context, who identity.Actor, in *catalogueOf) (*body[wire.List[wire.Offer]], error) {
	offers, err := s.Access.Catalogue(ctx, who, identity.PersonID(in.Person))
	return listOf(offers, offerOf), err
}

func offerOf(o access.Offer) wire.Offer {
	out := wire.Offer{App: appOf(o.App), Role: roleOf(o.Role), MayAsk: o.Refusal == nil, Refusal: refusalOf(o.Refusal), WaitingID: string(o.Waiting)}
	if o.Policy.ID != "" {
		out.Policy = new(policyOf(o.Policy))
	}
	if o.Held != nil {
		out.Held = new(grantOf(*o.Held))
	}
	return out
}

func refusalOf(e *fault.Error) *wire.Fault {
	if e == nil {
		return nil
	}
	return &wire.Fault{Code: e.Code, Message: e.Message, Hint: e.Hint}
}

func (s *server) reviewRequest(ctx context.Context, who identity.Actor, in *one) (*body[wire.Review], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	v, err := s.Access.Review(ctx, who, access.RequestID(in.ID))
	if err != nil {
		return nil, err
	}
	out := wire.Review{
		Request: requestOf(v.Request), App: appOf(v.App), Role: roleOf(v.Role), Person: personOf(v.Person), Requester: personOf(v.Asker),
		Deciders: listOf(v.Deciders, personOf).Body.Items, MayDecide: v.Refusal == nil, Refusal: refusalOf(v.Refusal),
		Live: listOf(v.Live, grantOf).Body.Items, Similar: listOf(v.Similar, requestOf).Body.Items,
	}
	if v.Extends != nil {
		out.Request.Extension = extensionOf(*v.Extends)
	}
	if v.Grant != nil {
		out.Request.Grant = new(grantOf(*v.Grant))
	}
	if n := v.Next; n != nil {
		out.NextStep = &wire.NextStep{Step: n.Step, WorkflowID: n.Workflow, Deciders: listOf(n.Deciders, personOf).Body.Items, Warning: n.Warning}
	}
	for _, c := range v.Comments {
		out.Request.Comments = append(out.Request.Comments, commentOf(c))
	}
	return answer(out), nil
}

func (s *server) listComments(ctx context.Context, who identity.Actor, in *one) (*body[wire.List[wire.Comment]], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	cs, err := s.Access.Comments(ctx, who, access.RequestID(in.ID))
	return listOf(cs, commentOf), err
}

func (s *server) comment(ctx context.Context, who identity.Actor, in *oneWith[wire.NewComment]) (*body[wire.Comment], error) {
	c, err := s.Access.Comment(ctx, who, access.RequestID(in.ID), in.Body.Text)
	return answer(commentOf(c)), err
}

func (s *server) offerRoles(ctx context.Context, who identity.Actor, in *one) (*body[wire.List[wire.Role]], error) {
	roles, err := s.Access.OfferRoles(ctx, who, access.AppID(in.ID))
	return listOf(roles, roleOf), err
}

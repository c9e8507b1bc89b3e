package api

import (
	"context"
	"net/http"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/identity"
)

func (s *server) rules() {
	register(s, http.MethodGet, "/policies", "list-policies", "List the policies", http.StatusOK, s.listPolicies)
	register(s, http.MethodPost, "/policies", "create-policy", "Make a policy", http.StatusCreated, s.createPolicy)
	register(s, http.MethodGet, "/policies/{id}", "get-policy", "Show one policy", http.StatusOK, s.getPolicy)
	register(s, http.MethodPatch, "/policies/{id}", "change-policy", "Save a new version of a policy", http.StatusOK, s.changePolicy)
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
		w := wire.PolicyStep{SelfApproval: step.SelfApproval}
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
		step := access.Step{SelfApproval: w.SelfApproval}
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

func (s *server) createPolicy(ctx context.Context, who identity.Actor, in *with[wire.NewPolicy]) (*body[wire.Policy], error) {
	p, err := s.Access.SavePolicy(ctx, who, policyFrom(in.Body))
	return answer(policyOf(p)), err
}

func (s *server) getPolicy(ctx context.Context, who identity.Actor, in *one) (*body[wire.Policy], error) {
	if err := who.Need(identity.ScopeAccessRead); err != nil {
		return nil, err
	}
	p, err := s.Access.Policy(ctx, access.PolicyID(in.ID))
	return answer(policyOf(p)), err
}

// changePolicy changes what is given. What is left out stays: a policy must not
// lose its approvers because somebody changed its name.
func (s *server) changePolicy(ctx context.Context, who identity.Actor, in *oneWith[wire.ChangedPolicy]) (*body[wire.Policy], error) {
	p, err := s.Access.Policy(ctx, access.PolicyID(in.ID))
	if err != nil {
		return nil, err
	}
	b := in.Body
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
	p, err = s.Access.SavePolicy(ctx, who, p)
	return answer(policyOf(p)), err
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

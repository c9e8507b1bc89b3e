package provision

import (
	"cmp"
	"slices"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/workflow"
)

// argument is what a workflow is told: AccessContext of the module "margay".
type argument struct {
	Run       runArg      `json:"run"`
	Person    personArg   `json:"person"`
	Requester personArg   `json:"requester"`
	App       appArg      `json:"app"`
	Role      roleArg     `json:"role"`
	Grant     ownGrantArg `json:"grant"`
	Remaining []grantArg  `json:"remaining"`
	Request   requestArg  `json:"request"`
	Reason    *string     `json:"reason"`
}

type runArg struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Attempt int    `json:"attempt"`
}

type personArg struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Name  string `json:"name"`
}

type appArg struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	OnRevoke string `json:"onRevoke"`
}

type roleArg struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Rank int    `json:"rank"`
}

type grantArg struct {
	ID       string     `json:"id"`
	Role     roleArg    `json:"role"`
	StartsAt *time.Time `json:"startsAt"`
	EndsAt   *time.Time `json:"endsAt"`
}

type ownGrantArg struct {
	grantArg
	ExternalUserID *string     `json:"externalUserId"`
	ChangedOutside *outsideArg `json:"changedOutside"`
}

type outsideArg struct {
	Expected string  `json:"expected"`
	Found    *string `json:"found"`
}

func outsideOf(o access.Outside) *outsideArg {
	if o.At.IsZero() {
		return nil
	}
	return &outsideArg{Expected: o.Expected, Found: textOrNil(o.Found)}
}

type requestArg struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// argumentOf tells the facts of a grant. The names of roles are those that were
// granted, so a later rename does not break a revocation. order lists the
// system's roles, the weakest first.
func argumentOf(t task, run workflow.Run, f access.Facts, order []string) argument {
	a := argument{
		Run:       runArg{ID: run.ID, Kind: string(t.Kind), Attempt: run.Attempt},
		Person:    personOf(f.Person),
		Requester: personOf(f.Requester),
		App:       appArg{ID: string(f.App.ID), Name: f.App.Name, OnRevoke: string(f.App.OnRevoke)},
		Grant:     ownGrantArg{grantArg: grantOf(f.Grant, order), ExternalUserID: textOrNil(f.Grant.Proof.User), ChangedOutside: outsideOf(f.Grant.Outside)},
		Request:   requestArg{ID: string(f.Request.ID), Reason: f.Request.Reason},
		Reason:    textOrNil(f.Grant.EndReason),
		Remaining: []grantArg{},
	}
	a.Role = a.Grant.Role
	for _, g := range f.Remaining {
		a.Remaining = append(a.Remaining, grantOf(g, order))
	}
	slices.SortStableFunc(a.Remaining, func(x, y grantArg) int { return cmp.Compare(y.Role.Rank, x.Role.Rank) })
	return a
}

func personOf(p identity.Person) personArg {
	return personArg{ID: string(p.ID), Email: p.Email, Name: p.Name}
}

func grantOf(g access.Grant, order []string) grantArg {
	return grantArg{
		ID:       string(g.ID),
		Role:     roleArg{ID: string(g.Role), Name: g.RoleName, Rank: slices.Index(order, g.RoleName)},
		StartsAt: timeOrNil(g.StartsAt), EndsAt: timeOrNil(g.EndsAt),
	}
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC())
}

func textOrNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

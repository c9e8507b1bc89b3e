package provision_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/provision"
	"github.com/margay-access/margay/internal/workflow"
)

// shelf holds workflows by id.
type shelf map[string]workflow.Workflow

func (s shelf) Workflow(_ context.Context, id string) (workflow.Workflow, error) {
	w, ok := s[id]
	if !ok {
		return w, fault.New(fault.NotFound, "There is no workflow %s.", id)
	}
	return w, nil
}

type fiveRoles struct{}

func (fiveRoles) NoRole(context.Context, string) (string, error) { return "Unlicensed", nil }

func (fiveRoles) RoleNames(context.Context, string) ([]string, error) {
	return []string{"Viewer", "Explorer", "ExplorerCanPublish", "Creator", "SiteAdministratorExplorer"}, nil
}

func roles() provision.Roles {
	bundled := workflow.Origin{Bundle: "tableau/access-management"}
	return provision.Roles{
		Workflows: shelf{
			"p":  {ID: "p", Name: "Provision", Type: workflow.AccessProvisioning, Published: "h", Origin: bundled},
			"d":  {ID: "d", Name: "Deprovision", Type: workflow.AccessDeprovisioning, Published: "h", Origin: bundled},
			"op": {ID: "op", Name: "Ours", Type: workflow.AccessProvisioning, Published: "h"},
			"od": {ID: "od", Name: "Ours back", Type: workflow.AccessDeprovisioning, Published: "h"},
			"m":  {ID: "m", Name: "Manual", Type: "manual", Published: "h"},
		},
		Systems: fiveRoles{},
		Installed: func(_ context.Context, _ identity.Actor, connection string) (access.Workflows, error) {
			if connection != "con_1" {
				return access.Workflows{}, fault.New(fault.NotFound, "No connection.")
			}
			return access.Workflows{Provision: "p", Deprovision: "d"}, nil
		},
	}
}

// S99: only workflows of the fitting type.
func TestComplete(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		connection string
		given      access.Workflows
		want       access.Workflows
		kind       fault.Kind
		field      string
	}{
		"none: the bundle's":       {connection: "con_1", want: access.Workflows{Provision: "p", Deprovision: "d"}},
		"none, no such connection": {connection: "con_x", kind: fault.NotFound},
		"fitting":                  {given: access.Workflows{Provision: "op", Deprovision: "od"}, want: access.Workflows{Provision: "op", Deprovision: "od"}},
		"the wrong way round":      {given: access.Workflows{Provision: "d", Deprovision: "p"}, kind: fault.Invalid, field: "provision_workflow_id"},
		"one twice":                {given: access.Workflows{Provision: "p", Deprovision: "p"}, kind: fault.Invalid, field: "deprovision_workflow_id"},
		"manual":                   {given: access.Workflows{Provision: "m", Deprovision: "d"}, kind: fault.Invalid, field: "provision_workflow_id"},
		"only one":                 {given: access.Workflows{Provision: "p"}, kind: fault.Invalid, field: "deprovision_workflow_id"},
		"not there":                {given: access.Workflows{Provision: "x", Deprovision: "d"}, kind: fault.NotFound},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := roles().Complete(t.Context(), ana, access.App{Connection: tt.connection, Workflows: tt.given})

			if fault.KindOf(err) != tt.kind || tt.kind == "" && got.Workflows != tt.want {
				t.Fatalf("%+v, %v", got.Workflows, err)
			}
			if f, ok := errors.AsType[*fault.Error](err); ok && f.Field != tt.field {
				t.Errorf("field %q, want %q", f.Field, tt.field)
			}
		})
	}
}

// S98: exactly the five names, where the bundle carries the role out.
func TestCheckRole(t *testing.T) {
	t.Parallel()
	bundled := access.App{Name: "Tableau", Workflows: access.Workflows{Provision: "p", Deprovision: "d"}}
	own := access.App{Name: "Tableau", Workflows: access.Workflows{Provision: "op", Deprovision: "od"}}
	tests := map[string]struct {
		app  access.App
		role access.Role
		kind fault.Kind
	}{
		"Viewer":                      {app: bundled, role: access.Role{Name: "Viewer"}},
		"Explorer":                    {app: bundled, role: access.Role{Name: "Explorer"}},
		"ExplorerCanPublish":          {app: bundled, role: access.Role{Name: "ExplorerCanPublish"}},
		"Creator":                     {app: bundled, role: access.Role{Name: "Creator"}},
		"SiteAdministratorExplorer":   {app: bundled, role: access.Role{Name: "SiteAdministratorExplorer"}},
		"SiteAdministratorCreator":    {app: bundled, role: access.Role{Name: "SiteAdministratorCreator"}, kind: fault.Invalid},
		"lower case":                  {app: bundled, role: access.Role{Name: "viewer"}, kind: fault.Invalid},
		"outer blank":                 {app: bundled, role: access.Role{Name: "Viewer "}, kind: fault.Invalid},
		"Unlicensed":                  {app: bundled, role: access.Role{Name: "Unlicensed"}, kind: fault.Invalid},
		"no name":                     {app: bundled, kind: fault.Invalid},
		"any name with own workflows": {app: own, role: access.Role{Name: "Quarter end"}},
		"no name with own workflows":  {app: own, kind: fault.Invalid},
		"own on the role, one of two": {app: bundled, role: access.Role{Name: "Quarter end", Workflows: access.Workflows{Provision: "op"}}, kind: fault.Invalid},
		"own on the role, both":       {app: bundled, role: access.Role{Name: "Quarter end", Workflows: access.Workflows{Provision: "op", Deprovision: "od"}}},
		"bundle's on the role":        {app: own, role: access.Role{Name: "Quarter end", Workflows: access.Workflows{Deprovision: "d"}}, kind: fault.Invalid},
		"wrong type on the role":      {app: bundled, role: access.Role{Name: "Viewer", Workflows: access.Workflows{Provision: "d"}}, kind: fault.Invalid},
		"not there":                   {app: bundled, role: access.Role{Name: "Viewer", Workflows: access.Workflows{Provision: "x"}}, kind: fault.NotFound},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := roles().CheckRole(t.Context(), tt.app, tt.role)

			if fault.KindOf(err) != tt.kind {
				t.Fatalf("%v, want %q", err, tt.kind)
			}
			if fault.Public(err).Code == "role_name" && !strings.Contains(err.Error(), "Viewer, Explorer, ExplorerCanPublish, Creator or SiteAdministratorExplorer") {
				t.Errorf("it does not say which: %v", err)
			}
		})
	}
}

package server

import (
	"context"
	"errors"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/workflow"
)

// systems lets workflows reach the connected systems. It stands between two
// packages that do not know each other.
type systems struct {
	connections *connection.Service
	registry    *integration.Registry
}

var _ workflow.Systems = systems{}

// Modules implements [workflow.Systems].
func (s systems) Modules(kind string) (map[string]string, error) {
	in, err := s.registry.Get(kind)
	return in.Modules, err
}

// Hold implements [workflow.Systems].
func (s systems) Hold(ctx context.Context, id string) (func(), error) {
	return s.connections.Hold(ctx, id)
}

// Act implements [workflow.Systems].
func (s systems) Act(ctx context.Context, id, action string, args []byte, guard workflow.Guard, trace func(workflow.Call)) ([]byte, error) {
	ctx = integration.WithTrace(ctx, func(t integration.Trace) {
		trace(workflow.Call{
			Kind: t.Kind, Method: t.Method, Path: t.Path, Status: t.Status, Code: t.Code, Started: t.Started, Duration: t.Duration, Err: t.Err,
		})
	})
	return s.connections.Act(ctx, id, action, args, systemGuard{guard})
}

// systemGuard is a workflow's guard as an integration asks it.
type systemGuard struct{ workflow.Guard }

// Intend implements [integration.Guard].
func (g systemGuard) Intend(ctx context.Context, c integration.Change) error {
	err := g.Guard.Intend(ctx, workflow.Change{What: c.What, Before: c.Before, After: c.After, Method: c.Method, Path: c.Path, Body: c.Body})
	if errors.Is(err, workflow.ErrHeld) {
		return integration.ErrHeld
	}
	return err
}

// RoleNames implements [provision.Systems].
func (s systems) RoleNames(ctx context.Context, id string) ([]string, error) {
	in, err := s.connections.Integration(ctx, id)
	return in.Roles, err
}

// NoRole implements [provision.Systems].
func (s systems) NoRole(ctx context.Context, id string) (string, error) {
	in, err := s.connections.Integration(ctx, id)
	return in.NoRole, err
}

// accounts reads everybody who is in the system behind a connection.
func (s systems) accounts(ctx context.Context, id string, known []string, told func(read, of int)) ([]access.Account, error) {
	list, err := s.connections.Accounts(ctx, id, known, told)
	if err != nil {
		return nil, err
	}
	out := make([]access.Account, len(list))
	for i, a := range list {
		out[i] = access.Account(a)
	}
	return out, nil
}

// installFunc copies a bundle's workflows.
type installFunc = func(ctx context.Context, who identity.Actor, kind, slug string) ([]workflow.Workflow, error)

func installer(registry *integration.Registry, flows *workflow.Service) installFunc {
	return func(ctx context.Context, who identity.Actor, kind, slug string) ([]workflow.Workflow, error) {
		in, err := registry.Get(kind)
		if err != nil {
			return nil, err
		}
		b, err := in.Bundle(slug)
		if err != nil {
			return nil, err
		}
		return flows.Install(ctx, who, bundleOf(kind, b))
	}
}

// installedPair returns the workflow pair of the first bundle that the
// integration behind a connection ships.
func installedPair(ctx context.Context, who identity.Actor, connections *connection.Service, install installFunc, id string) (access.Workflows, error) {
	in, err := connections.Integration(ctx, id)
	if err != nil {
		return access.Workflows{}, err
	}
	var pair access.Workflows
	for _, b := range in.Bundles {
		ws, err := install(ctx, who, in.Kind, b.Slug)
		if err != nil {
			return pair, err
		}
		for _, w := range ws {
			switch w.Type {
			case workflow.AccessProvisioning:
				pair.Provision = w.ID
			case workflow.AccessDeprovisioning:
				pair.Deprovision = w.ID
			case workflow.Manual, workflow.Scheduled, workflow.CustomApproval:
			}
		}
		if pair.Provision != "" && pair.Deprovision != "" {
			return pair, nil
		}
	}
	return pair, fault.New(fault.Conflict, "%s ships no workflows that carry access out and back.", in.Name).WithCode("no_bundle").
		WithHint("Choose two workflows for the app.")
}

// trial runs a draft or a version with every change held back.
func trial(flows *workflow.Service, runner *workflow.Runner) func(context.Context, workflow.Workflow, workflow.Trial) (workflow.TrialReport, error) {
	return func(ctx context.Context, w workflow.Workflow, t workflow.Trial) (workflow.TrialReport, error) {
		text, err := flows.TrialText(ctx, w, t.Version)
		if err != nil {
			return workflow.TrialReport{}, err
		}
		return runner.Try(ctx, text, t.Connection, t.Argument)
	}
}

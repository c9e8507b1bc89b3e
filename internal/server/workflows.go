package server

import (
	"context"
	"log/slog"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/workflow"
)

// surroundings tells workflows what they ask of packages that they do not know.
func surroundings(db *store.DB, granting *access.Service, connections *connection.Service, registry *integration.Registry, log *slog.Logger) workflow.Surroundings {
	around := workflow.Surroundings{
		Integration: func(ctx context.Context, id string) (string, error) {
			in, err := connections.Integration(ctx, id)
			return in.Kind, err
		},
		Group: func(ctx context.Context, id string) error {
			_, err := db.Group(ctx, identity.GroupID(id))
			return err
		},
		Groups: func(ctx context.Context, id identity.PersonID) (groups []string, err error) {
			err = db.View(ctx, func(tx access.Reader) error {
				of, _, err := tx.Standing(ctx, id)
				for _, g := range of {
					groups = append(groups, string(g))
				}
				return err
			})
			return groups, err
		},
		Apps: func(ctx context.Context, who identity.Actor) ([]string, error) {
			owned, err := granting.OwnedApps(ctx, who)
			ids := make([]string, len(owned))
			for i, id := range owned {
				ids[i] = string(id)
			}
			return ids, err
		},
		Person: db.Person,
		Log:    log,
	}
	for _, in := range registry.All() {
		for _, b := range in.Bundles {
			around.Bundles = append(around.Bundles, bundleOf(in.Kind, b))
		}
	}
	return around
}

// bundleOf returns an integration's bundle as workflows know it.
func bundleOf(kind string, b integration.Bundle) workflow.Bundle {
	bundle := workflow.Bundle{Integration: kind, Slug: b.Slug, Name: b.Name, Version: b.Version}
	for _, w := range b.Workflows {
		bundle.Workflows = append(bundle.Workflows, workflow.BundledWorkflow{Slug: w.Slug, Name: w.Name, Type: workflow.Type(w.Type), File: w.File, Source: w.Source})
	}
	return bundle
}

// TypesUnchecked says how far a server checks the text of a workflow: the command
// line says it in the same words as pages.
const TypesUnchecked = workflow.TypesUnchecked

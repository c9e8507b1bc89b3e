// Package all is the one list of the integrations that Margay ships.
package all

import (
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/integration/tableau"
)

// Integrations returns the registry. A new integration is a line here.
func Integrations() *integration.Registry {
	return integration.NewRegistry(tableau.New())
}

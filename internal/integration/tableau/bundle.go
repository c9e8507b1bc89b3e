package tableau

import (
	_ "embed" // the bundle's TypeScript

	"github.com/margay-access/margay/internal/integration"
)

var (
	//go:embed bundle/provision.ts
	provisionSource string
	//go:embed bundle/deprovision.ts
	deprovisionSource string
	//go:embed bundle/tableau.ts
	moduleSource string
	//go:embed margay.d.ts
	declarations string
)

// BundleSlug names the bundle in addresses.
const BundleSlug = "access-management"

// bundles returns the bundle "Access Management". A change of its workflows is
// a new version.
func bundles() []integration.Bundle {
	return []integration.Bundle{{
		Slug: BundleSlug, Name: "Access Management", Version: 3,
		Workflows: []integration.BundledWorkflow{
			{Slug: "provision", Name: "Provision User to Tableau", Type: "access_provisioning", File: "provision.ts", Source: provisionSource},
			{Slug: "deprovision", Name: "Deprovision User from Tableau", Type: "access_deprovisioning", File: "deprovision.ts", Source: deprovisionSource},
		},
	}}
}

package tableau_test

import (
	"testing"

	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/integration/integrationtest"
	"github.com/margay-access/margay/internal/integration/tableau"
	"github.com/margay-access/margay/tableau/tableautest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{}, tableautest.RoleSiteAdministratorCreator)
	integrationtest.Run(t, tableau.New(), s.settings, integration.Env{RootCAs: s.CertPool()})
}

package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/server"
)

// A network that is not listed is refused by the call and by each check, with a
// sentence that names the setting; nothing is sent.
func TestEgressNamesTheSetting(t *testing.T) {
	t.Parallel()
	n := start(t, func(c *server.Config) { c.AllowCIDR = "" })
	_, port, _ := strings.Cut(n.site.Host, ":")
	for _, host := range []string{n.site.Host, "localhost:" + port} {
		c := get[wire.Connection](n, "POST", "/connections", wire.NewConnection{Integration: "tableau", Settings: map[string]string{
			"server_url": host, "pat_name": "margay", "pat_secret": patSecret,
		}})

		a := n.do(n.admin, "POST", "/connections/"+c.ID+"/call", wire.Call{Method: "GET", Path: "/sessions/current"})
		if p := a.problem(t); a.status != http.StatusBadGateway || p.Code != "egress_blocked" || !strings.Contains(p.Detail, "MARGAY_TABLEAU_ALLOW_CIDR") || len(p.NextSteps) == 0 {
			t.Errorf("%s: %d %s", host, a.status, a.body)
		}
		for _, check := range get[wire.List[wire.Check]](n, "POST", "/connections/"+c.ID+"/checks", nil).Items {
			if check.Status != "fail" || !strings.Contains(check.Detail, "MARGAY_TABLEAU_ALLOW_CIDR") || check.Hint == "" {
				t.Errorf("%s: %+v", host, check)
			}
		}
	}
	if got := len(n.site.Journal()); got != 0 {
		t.Errorf("%d calls were sent", got)
	}
}

package web

import (
	"fmt"
	"testing"

	"github.com/margay-access/margay/internal/connection"
)

// Those that need somebody come first; the rest is found by its words.
func TestListed(t *testing.T) {
	t.Parallel()
	all := make([]connection.Overview, 300)
	for i := range all {
		all[i].DisplayName = fmt.Sprintf("Tableau – site-%d", i)
		all[i].Condition = connection.Condition{State: connection.StateHealthy, Word: "Healthy"}
	}
	all[250].Condition = connection.Condition{State: connection.StateNeedsAttention, Word: "Needs attention"}
	all[251].Credential.Warning = "unused"
	l := listed(all, "")
	if l.all != 300 || l.found != 300 || len(l.rows) != connectionRows || l.rows[0].DisplayName != "Tableau – site-250" || l.rows[1].DisplayName != "Tableau – site-251" {
		t.Errorf("%d, %d, %d, first %q", l.all, l.found, len(l.rows), l.rows[0].DisplayName)
	}
	if l := listed(all, "SITE-299 healthy"); l.found != 1 || l.rows[0].DisplayName != "Tableau – site-299" {
		t.Errorf("%+v", l)
	}
	if l := listed(all, "nothing"); l.found != 0 || l.all != 300 {
		t.Errorf("%+v", l)
	}
}

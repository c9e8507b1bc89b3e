package server_test

import (
	"testing"

	"github.com/margay-access/margay/internal/api/wire"
)

// G8: a weaker grant neither takes away what a stronger one gives nor puts that
// back in place of what somebody else set.
func TestWeakerGrantAndAChangeOutside(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, u *setup) {
		rita := u.site.AddUser("rita@acme.example", "Unlicensed")
		creator := u.request(u.rita.ID, "Creator", true).GrantID
		u.grantIn(creator, "active")

		rita.SetRole("ExplorerCanPublish") // an administrator of the site
		puts := u.site.puts()
		weak := u.grantIn(u.request(u.rita.ID, "Explorer", true).GrantID, "active")
		strong := u.grantIn(creator, "changed_outside")

		const left = "No change: the site role is ExplorerCanPublish, which holds Explorer. Another grant gives Creator: somebody changed that in Tableau, and it is left alone."
		if rita.Role() != "ExplorerCanPublish" || u.site.puts() != puts || weak.Proof.Note != left {
			t.Errorf("Rita is %s after %d writes: %s", rita.Role(), u.site.puts()-puts, weak.Proof.Note)
		}
		if o := strong.ChangedOutside; o == nil || o.Expected != "Creator" || o.Found != "ExplorerCanPublish" {
			t.Errorf("the stronger grant tells %+v", o)
		}

		rita.SetRole("Unlicensed")
		third := u.grantIn(u.request(u.rita.ID, "Viewer", true).GrantID, "active")
		if rita.Role() != "Viewer" || third.Proof.Note != "Unlicensed → Viewer. Another grant gives Explorer: somebody changed that in Tableau, and it is left alone." {
			t.Errorf("Rita is %s: %s", rita.Role(), third.Proof.Note)
		}
		if g := call[wire.Grant](u.node, "GET", "/grants/"+weak.ID, nil); g.State != "changed_outside" || g.ChangedOutside.Found != "Viewer" {
			t.Errorf("Explorer is %s, %+v", g.State, g.ChangedOutside)
		}
	})
}

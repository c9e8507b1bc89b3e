package ui_test

import (
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/web/ui"
)

// Names of roles break between their words and nowhere else; who copies one gets
// it as it is.
func TestRole(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Viewer":                    `<bdi class="role">Viewer</bdi>`,
		"ExplorerCanPublish":        `<bdi class="role">Explorer<wbr>Can<wbr>Publish</bdi>`,
		"SiteAdministratorExplorer": `<bdi class="role">Site<wbr>Administrator<wbr>Explorer</bdi>`,
		"BI Team <lead>":            `<bdi class="role">BI Team &lt;lead&gt;</bdi>`,
		"":                          `<bdi class="role"></bdi>`,
		strings.Repeat("x", 20):     `<bdi>` + strings.Repeat("x", 20) + `</bdi>`,
	} {
		var b strings.Builder
		if err := ui.Role(name).Render(t.Context(), &b); err != nil || b.String() != want {
			t.Errorf("%s is %s, %v; want %s", name, b.String(), err, want)
		}
	}
}

package tableau_test

import (
	"os"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/integration/tableau"
)

// The page for people says what the form and the checks say.
func TestDocumentFollowsTheDescription(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/connections.md")
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(strings.Fields(string(text)), " ")
	in := tableau.New()
	var want []string
	for _, f := range in.Fields {
		want = append(want, "| "+f.Label+" |", f.Missing)
	}
	for _, c := range in.Checks {
		want = append(want, "**"+c.Name+"** (`"+c.Key+"`)")
		for _, s := range c.Sentences {
			want = append(want, "| "+s.Text+" |")
		}
	}
	for _, s := range in.Guide.Steps {
		want = append(want, "**"+s.Title)
	}
	for _, l := range in.Guide.Links {
		want = append(want, l.URL)
	}
	for _, words := range want {
		if !strings.Contains(said, words) {
			t.Errorf("docs/connections.md does not say %q", words)
		}
	}
}

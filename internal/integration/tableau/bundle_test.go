package tableau_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/internal/integration/tableau"
)

func TestBundle(t *testing.T) {
	t.Parallel()
	in := tableau.New()
	b, err := in.Bundle("access-management")
	if err != nil || len(in.Bundles) != 1 || b.Name != "Access Management" { // S13
		t.Fatalf("%+v, %v", b.Name, err)
	}
	var got [][2]string
	for _, w := range b.Workflows {
		got = append(got, [2]string{w.Name, w.Type})
		if strings.Contains(w.Source, "input") { // S101: they take no inputs
			t.Errorf("%s reads an input", w.Name)
		}
	}
	want := [][2]string{
		{"Provision User to Tableau", "access_provisioning"},       // S14
		{"Deprovision User from Tableau", "access_deprovisioning"}, // S15
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// S98: the five names, and one order of strength in Go and in TypeScript.
func TestSiteRoles(t *testing.T) {
	t.Parallel()
	want := []string{"Viewer", "Explorer", "ExplorerCanPublish", "Creator", "SiteAdministratorExplorer"}
	if got := tableau.SiteRoles(); !slices.Equal(got, want) {
		t.Errorf("SiteRoles() = %v", got)
	}

	list := regexp.MustCompile(`(?s)export const siteRoles = \[(.*?)\] as const;`).FindStringSubmatch(tableau.New().Modules["margay/tableau"])
	if list == nil {
		t.Fatal("margay/tableau has no siteRoles")
	}
	var inScript []string
	for _, m := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(list[1], -1) {
		inScript = append(inScript, m[1])
	}
	if !slices.Equal(inScript, want) {
		t.Errorf("siteRoles of margay/tableau: %v", inScript)
	}
}

// Each action of the module is one that the integration has, and the other way
// round.
func TestModuleCallsTheActions(t *testing.T) {
	t.Parallel()
	in := tableau.New()
	var called, have []string
	for _, m := range regexp.MustCompile(`\bcall\("([^"]+)"`).FindAllStringSubmatch(in.Modules["margay/tableau"], -1) {
		called = append(called, m[1])
	}
	for _, a := range in.Actions {
		have = append(have, a.Name)
	}
	slices.Sort(called)
	slices.Sort(have)
	if d := cmp.Diff(have, called); d != "" {
		t.Error(d)
	}
}

// S103, decision 15.
func TestSentenceForTheFirstSignIn(t *testing.T) {
	t.Parallel()
	const want = "`${email} has not signed in to Tableau yet. Ask them to sign in to the site once (for example via SSO), then retry.`"
	if !strings.Contains(tableau.New().Modules["margay/tableau"], want) {
		t.Error("the sentence was changed")
	}
}

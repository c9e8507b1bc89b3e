package tableau_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/tableau"
	"github.com/margay-access/margay/tableau/tableautest"
)

func TestCatalogueIsTheSimulatorsToo(t *testing.T) {
	// S116 "Anything in the REST API reachable"
	t.Parallel()
	ours := map[string]string{}
	for _, m := range tableau.Methods() {
		ours[m.Name] = m.Verb + " " + m.Path
	}
	theirs := map[string]string{}
	for _, r := range tableautest.Routes() {
		theirs[r.Name] = r.Method + " " + r.Path
	}

	if len(ours) != 499 {
		t.Errorf("%d methods, want 499", len(ours))
	}
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Errorf("catalogue (-simulator +client):\n%s", diff)
	}
}

func TestEveryMethodBinds(t *testing.T) {
	t.Parallel()
	for _, m := range tableau.Methods() {
		params := url.Values{}
		for _, p := range m.Params() {
			params.Set(p, "1f2f3e4e-5d6d-7c8c-9b0b-1a2a3f4f5e6e")
		}
		r, err := m.Bind(params)
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		r.Path = strings.ReplaceAll(r.Path, "{version}", "3.24")
		if strings.Contains(strings.ReplaceAll(r.Path, "{siteId}", ""), "{") {
			t.Errorf("%s leaves %s", m.Name, r.Path)
		}
	}
}

func TestBindChecksParameters(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		method string
		params url.Values
		path   string // "" for refused
		want   string // part of the refusal
	}{
		"whole":            {"query-user-on-site", url.Values{"userId": {"u1"}}, "/api/{version}/sites/{siteId}/users/u1", ""},
		"own user":         {"query-user-on-site", url.Values{"userId": {"{userId}"}}, "/api/{version}/sites/{siteId}/users/{userId}", ""},
		"escaped":          {"query-user-on-site", url.Values{"userId": {"a b"}}, "/api/{version}/sites/{siteId}/users/a%20b", ""},
		"missing":          {"query-user-on-site", nil, "", "needs the parameter userId"},
		"unknown":          {"query-user-on-site", url.Values{"userId": {"u1"}, "nope": {"1"}}, "", "has no parameter nope"},
		"leads away":       {"query-user-on-site", url.Values{"userId": {"../groups"}}, "", "is not a value"},
		"other's template": {"query-user-on-site", url.Values{"userId": {"{siteId}"}}, "", "is not a value"},
		"view filter":      {"query-view-data", url.Values{"viewId": {"v1"}, "vf_Region": {"East"}}, "/api/{version}/sites/{siteId}/views/v1/data", ""},
		"bare view filter": {"query-view-data", url.Values{"viewId": {"v1"}, "vf_": {"East"}}, "", "has no parameter vf_"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, ok := tableau.MethodNamed(tt.method)
			if !ok {
				t.Fatalf("no method %s", tt.method)
			}

			r, err := m.Bind(tt.params)

			if tt.path == "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("got %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil || r.Path != tt.path {
				t.Errorf("got %q, %v; want %q", r.Path, err, tt.path)
			}
		})
	}
}

func TestSearchMethods(t *testing.T) {
	t.Parallel()
	got := tableau.SearchMethods("users site")
	if len(got) == 0 || !strings.Contains(got[0].Name, "users") {
		t.Fatalf("got %v", got)
	}
	if !slices.ContainsFunc(got, func(m tableau.Method) bool { return m.Name == "get-users-on-site" }) {
		t.Error("get-users-on-site is not found")
	}
	if got := tableau.SearchMethods("no such thing"); len(got) != 0 {
		t.Errorf("found %v", got)
	}
}

func TestCallByName(t *testing.T) {
	// S12 "Includes versionless features", S18 "each call available"
	t.Parallel()
	b := newBench(t, tableautest.Config{Collections: tableautest.On})
	for _, name := range []string{"get-users-on-site", "list-collections", "get-content-search-results", "server-info", "get-current-server-session"} {
		m, ok := tableau.MethodNamed(name)
		if !ok {
			t.Fatalf("no method %s", name)
		}
		r, err := m.Bind(nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := b.c.Do(t.Context(), r)
		if err != nil || resp.Status != 200 {
			t.Errorf("%s: %v %v", name, resp, err)
		}
	}
}

var templateName = regexp.MustCompile(`\{[A-Za-z]+\}`)

func TestSimulatorServesEveryOperation(t *testing.T) {
	t.Parallel()
	served := map[string]bool{}
	for _, r := range tableautest.Routes() {
		path := strings.TrimPrefix(strings.TrimPrefix(r.Path, "/api/"), "{version}/")
		served[r.Method+" "+templateName.ReplaceAllString(path, "{}")] = r.Simulated
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Doc == nil {
				continue
			}
			for _, c := range fn.Doc.List {
				op, ok := strings.CutPrefix(c.Text, "//tableau:operation ")
				if !ok {
					continue
				}
				found++
				if !served[templateName.ReplaceAllString(op, "{}")] {
					t.Errorf("%s: the simulator does not serve %s", fn.Name.Name, op)
				}
			}
		}
	}
	if found < 25 {
		t.Errorf("only %d operations are marked", found)
	}
}

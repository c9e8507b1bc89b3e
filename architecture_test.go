package margay_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/margay-access/margay"

// walls says which packages of ours each package may import. What is absent is
// forbidden; a new line is a decision.
var walls = map[string]string{
	"cmd/margay":                   "internal/cli",
	"tableau":                      "",
	"tableau/tableautest":          "",
	"internal/fault":               "",
	"internal/audit":               "",
	"internal/seal":                "",
	"internal/identity":            "internal/fault internal/audit",
	"internal/access":              "internal/fault internal/identity internal/audit",
	"internal/sqlitefile":          "",
	"internal/engine":              "internal/fault internal/sqlitefile",
	"internal/workflow/script":     "internal/fault",
	"internal/workflow":            "internal/fault internal/identity internal/audit internal/engine internal/workflow/script",
	"internal/provision":           "internal/fault internal/identity internal/audit internal/access internal/engine internal/workflow",
	"internal/integration":         "internal/fault",
	"internal/integration/tableau": "internal/fault internal/integration tableau",
	"internal/integration/all":     "internal/integration internal/integration/tableau",
	"internal/connection":          "internal/fault internal/identity internal/audit internal/integration internal/seal",
	"internal/batch":               "internal/fault internal/identity internal/audit internal/engine",
	"internal/notice":              "internal/fault internal/identity internal/audit internal/access",
	"internal/export":              "",
	"internal/idempotency":         "internal/fault",
	"internal/store":               "internal/sqlitefile internal/fault internal/identity internal/audit internal/access internal/workflow internal/provision internal/connection internal/integration internal/notice internal/idempotency internal/batch",
	"internal/api/wire":            "",
	"internal/api":                 "internal/fault internal/identity internal/audit internal/access internal/connection internal/integration internal/workflow internal/notice internal/idempotency internal/export internal/batch internal/api/wire",
	"internal/client":              "internal/fault internal/api/wire",
	"internal/cli":                 "internal/fault internal/identity internal/client internal/server internal/export internal/notice internal/api/wire tableau tableau/tableautest",
	"internal/web/assets":          "",
	"internal/web/ui":              "internal/fault internal/web/assets",
	"internal/web":                 "internal/fault internal/identity internal/audit internal/access internal/connection internal/integration internal/workflow internal/export internal/batch internal/web/ui internal/web/assets",
	"internal/server":              "*",

	// Packages for tests may reach what they test.
	"internal/store/storetest":             "internal/store internal/access internal/workflow",
	"internal/integration/integrationtest": "internal/integration internal/fault",
	"internal/web/webtest":                 "internal/server internal/client internal/api/wire internal/identity tableau/tableautest",
}

// owners says who alone may import a library: a second owner is a second way to
// do one thing.
var owners = map[string]string{
	"github.com/evanw/esbuild":                 "internal/workflow/script",
	"modernc.org/quickjs":                      "internal/workflow/script",
	"modernc.org/libquickjs":                   "internal/workflow/script",
	"github.com/dbos-inc/dbos-transact-golang": "internal/engine",
	"modernc.org/sqlite":                       "internal/sqlitefile internal/store internal/engine",
	"github.com/jackc/pgx/v5":                  "internal/store internal/engine internal/store/storetest",
	"github.com/uptrace/bun":                   "internal/store",
	"github.com/pressly/goose/v3":              "internal/store",
	"github.com/tink-crypto/tink-go/v2":        "internal/seal",
	"gocloud.dev":                              "internal/seal",
	"github.com/danielgtaylor/huma/v2":         "internal/api internal/api/wire",
	"github.com/a-h/templ":                     "internal/web internal/web/ui",
	"golang.org/x/crypto":                      "internal/identity",
	"github.com/chromedp/chromedp":             "internal/web/webtest",
	"github.com/spf13/cobra":                   "internal/cli",
	"github.com/wneessen/go-mail":              "internal/notice",
	"github.com/knadh/koanf":                   "internal/cli",
	"database/sql":                             "internal/sqlitefile internal/store internal/engine internal/provision internal/batch internal/server internal/store/storetest",
}

// pure lists packages that hold rules: they reach no network, file or database.
var pure = map[string][]string{
	"internal/access":   {"net/http", "os", "database/sql"},
	"internal/audit":    {"net/http", "os", "database/sql"},
	"internal/identity": {"net/http", "os", "database/sql"},
	"internal/workflow": {"net/http", "os", "database/sql"},
}

// source is what one package's files say.
type source struct {
	imports  map[string]string // import path → file, tests left out
	comments int               // files with a package comment
}

// The files are read here and not by a command, so that the test cache knows
// that they changed.
func readSources(t *testing.T) map[string]*source {
	t.Helper()
	packages := map[string]*source{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != "." || d.Name() == "testdata" || d.Name() == "node_modules" || name == "tools") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		dir := path.Dir(filepath.ToSlash(name))
		p := packages[dir]
		if p == nil {
			p = &source{imports: map[string]string{}}
			packages[dir] = p
		}
		if file.Doc != nil && !strings.HasSuffix(name, "_templ.go") { // generated: its comment is for linters
			p.comments++
		}
		for _, i := range file.Imports {
			p.imports[strings.Trim(i.Path.Value, `"`)] = name
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

func TestWalls(t *testing.T) {
	packages := readSources(t)
	for dir, p := range packages {
		allowed, ok := walls[dir]
		if !ok {
			t.Errorf("package %s has no line in the table of walls", dir)
			continue
		}
		if p.comments != 1 {
			t.Errorf("package %s has %d package comments, want 1", dir, p.comments)
		}
		for imported, file := range p.imports {
			ours, internal := strings.CutPrefix(imported, module+"/")
			if internal && allowed != "*" && !slices.Contains(strings.Fields(allowed), ours) {
				t.Errorf("%s imports %s, which its wall forbids", file, ours)
			}
			for library, owner := range owners {
				if (imported == library || strings.HasPrefix(imported, library+"/")) && !slices.Contains(strings.Fields(owner), dir) {
					t.Errorf("%s imports %s, which belongs to %s", file, imported, owner)
				}
			}
			if slices.Contains(pure[dir], imported) {
				t.Errorf("%s imports %s: rules stay pure", file, imported)
			}
		}
	}
	for dir := range walls {
		if packages[dir] == nil {
			t.Errorf("the table of walls has a line for %s, which is no package", dir)
		}
	}
	for dir := range packages {
		for _, banned := range []string{"util", "utils", "common", "helpers", "models", "types", "shared", "base", "core", "lib", "misc"} {
			if path.Base(dir) == banned {
				t.Errorf("package %s has a name that says nothing", dir)
			}
		}
	}
}

// Each direct dependency has its line of reason in ARCHITECTURE.md.
func TestDependenciesHaveReasons(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	direct := map[string]bool{}
	for line := range strings.Lines(string(mod)) {
		fields := strings.Fields(line)
		if len(fields) == 2 && strings.Contains(fields[0], ".") && strings.HasPrefix(fields[1], "v") {
			direct[fields[0]] = true
		}
	}
	if len(direct) < 10 {
		t.Fatalf("only %d direct dependencies were found in go.mod", len(direct))
	}
	for _, name := range slices.Sorted(maps.Keys(direct)) {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("ARCHITECTURE.md gives no reason for %s", name)
		}
	}
}

// The SQLite driver and the JavaScript engine share one C library, translated to
// Go: both must want the same version of it.
func TestOneLibc(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"modernc.org/libc v1.79.0", "modernc.org/sqlite v1.61.1", "modernc.org/quickjs v0.27.0"} {
		if !strings.Contains(string(mod), want) {
			t.Errorf("go.mod lacks %s: sqlite and quickjs must be moved together, to versions that want one libc", want)
		}
	}
}

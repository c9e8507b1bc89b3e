package script_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/workflow/script"
)

func TestCompileSaysWhereAndWhat(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want script.Fault // Text is a part of what is said
	}{
		"syntax":             {"export default async function () {\n  const ä = (1;\n}", script.Fault{File: "provision.ts", Line: 2, Column: 15, Length: 1, Text: `Expected ")"`}},
		"unfinished":         {"export default async function () {", script.Fault{File: "provision.ts", Line: 1, Column: 35, Text: "ends in the middle"}},
		"no default export":  {"export const x = 1", script.Fault{File: "provision.ts", Text: "no default export"}},
		"empty":              {"", script.Fault{File: "provision.ts", Text: "no default export"}},
		"regular expression": {"export default () => {\n\n  return /(/;\n}", script.Fault{File: "provision.ts", Line: 3, Column: 10, Text: "expecting ')'"}},
		"unknown import":     {"import fs from \"fs\";\nexport default () => fs", script.Fault{File: "provision.ts", Line: 1, Column: 16, Length: 4, Text: `A workflow cannot import "fs". It may import "margay" and "margay/tableau".`}},
		"a path":             {"import x from \"./x\";\nexport default () => x", script.Fault{File: "provision.ts", Line: 1, Column: 15, Length: 5, Text: `cannot import "./x"`}},
		"the host":           {"import { call } from \"margay:host\";\nexport default () => call", script.Fault{File: "provision.ts", Line: 1, Column: 22, Length: 13, Text: `cannot import "margay:host"`}},
		"itself":             {"import x from \"margay:main\";\nexport default () => x", script.Fault{File: "provision.ts", Line: 1, Column: 15, Length: 13, Text: `cannot import "margay:main"`}},
		"the entry":          {"import x from \"margay:entry\";\nexport default () => x", script.Fault{File: "provision.ts", Line: 1, Column: 15, Length: 14, Text: `cannot import "margay:entry"`}},
		"require":            {"export default () => require(\"fs\")", script.Fault{File: "provision.ts", Line: 1, Column: 30, Length: 4, Text: "at the top of its file only"}},
		"dynamic import":     {"export default () => import(\"margay\")", script.Fault{File: "provision.ts", Line: 1, Column: 29, Length: 8, Text: "at the top of its file only"}},
		"data URL":           {"import x from \"data:text/javascript,export default 1\";\nexport default () => x", script.Fault{File: "provision.ts", Line: 1, Column: 15, Length: 39, Text: "cannot import"}},
		"missing name":       {"import { nope } from \"margay\";\nexport default () => nope", script.Fault{File: "provision.ts", Line: 1, Column: 10, Length: 4, Text: "nope"}},
		"top-level await":    {"await 1;\nexport default () => 1", script.Fault{File: "provision.ts", Line: 1, Column: 1, Length: 5, Text: "Top-level await"}},
		"source map":         {"export default () => 1\n//# sourceMappingURL=file:///etc/passwd", script.Fault{File: "provision.ts", Line: 2, Column: 5, Text: "cannot name a source map"}},
		"too long":           {"export default () => 1 //" + strings.Repeat("x", script.MaxText), script.Fault{File: "provision.ts", Text: "longer than 64 KiB"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, err := script.Compile(source(tt.text))

			e, ok := errors.AsType[*script.CompileError](err)
			if !ok {
				t.Fatalf("error %v, want a CompileError", err)
			}
			got := e.Faults[0]
			if !strings.Contains(got.Text, tt.want.Text) {
				t.Errorf("said %q, want %q in it", got.Text, tt.want.Text)
			}
			got.Text = tt.want.Text
			want(t, got, tt.want)
			if !strings.HasPrefix(e.Error(), "provision.ts:") {
				t.Errorf("error %q does not begin with the file", e)
			}
		})
	}
}

func TestAFaultInAModuleNamesTheModule(t *testing.T) {
	t.Parallel()

	_, err := script.Compile(script.Source{
		Name:    "a.ts",
		Text:    `import { x } from "margay"; export default () => x`,
		Modules: map[string]string{"margay": "export const x = ;"},
	})

	e, ok := errors.AsType[*script.CompileError](err)
	if !ok {
		t.Fatalf("error %v, want a CompileError", err)
	}
	want(t, e.Faults, []script.Fault{{File: "margay", Line: 1, Column: 18, Length: 1, Text: `Unexpected ";"`}})
}

func TestTheHashNamesTheContent(t *testing.T) {
	t.Parallel()
	base := script.Source{Name: "a.ts", Text: "export default () => 1", Modules: map[string]string{"m": "1", "n": "2"}}
	p, err := script.Compile(base)
	if err != nil {
		t.Fatal(err)
	}
	want(t, p.Hash(), base.Hash())
	if len(p.Hash()) != 64 {
		t.Errorf("hash %q is not SHA-256 in hexadecimal", p.Hash())
	}

	renamed := base
	renamed.Name = "b.ts"
	want(t, renamed.Hash(), base.Hash())

	for name, other := range map[string]script.Source{
		"text":    {Text: base.Text + " ", Modules: base.Modules},
		"module":  {Text: base.Text, Modules: map[string]string{"m": "1", "n": "3"}},
		"path":    {Text: base.Text, Modules: map[string]string{"m": "1", "o": "2"}},
		"fewer":   {Text: base.Text, Modules: map[string]string{"m": "1"}},
		"shifted": {Text: base.Text, Modules: map[string]string{"m": "1n", "": "2"}},
	} {
		if other.Hash() == base.Hash() {
			t.Errorf("%s: another content has the same hash", name)
		}
	}
}

// Nothing of the disk gets into a program: not by a source map (goja #94), not
// by an import, not by a tsconfig.json that lies about.
func TestCompileReadsNoFile(t *testing.T) {
	dir := t.TempDir()
	const canary = "canary-7f3a"
	file := filepath.Join(dir, "secret.ts")
	for _, f := range []string{file, file + ".map", filepath.Join(dir, "tsconfig.json")} {
		if err := os.WriteFile(f, []byte(`export default "`+canary+`"`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)

	// The tsconfig.json there is no JSON: were it read, this would fail.
	compile(t, "export default () => 1")

	for _, text := range []string{
		`import x from "` + file + `"; export default () => x`,
		`import x from "./secret"; export default () => x`,
		`import x from "file://` + file + `"; export default () => x`,
		`import x from "` + file + `" with { type: "text" }; export default () => x`,
		"export default () => 1\n//# sourceMappingURL=file://" + file,
		"export default () => 1\n//# sourceMappingURL=secret.ts.map",
		`export default (x: string) => import("./" + x + ".ts")`,
		"export default (x: string) => import(`" + dir + "/${x}.ts`)",
		`export default () => new URL("./secret.ts", import.meta.url)`,
		`/// <reference path="./secret.ts" />` + "\nexport default () => secret",
		`export default () => require("./secret.ts")`,
		`export * from "./secret"; export { default } from "./secret"`,
	} {
		p, err := script.Compile(source(text))
		if err != nil {
			if strings.Contains(err.Error(), canary) {
				t.Errorf("%s: the error quotes the file: %v", text, err)
			}
			continue
		}
		got, err := p.Run(t.Context(), script.Input{})
		if strings.Contains(string(got), canary) || err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the run has the file", text)
		}
	}
}

// Each of these takes the bundler minutes or gigabytes when it is let near it.
func TestCompileIsBounded(t *testing.T) {
	const n = script.MaxText
	fill := func(opening, middle, closing string) string {
		times := (n - len(middle) - 40) / (len(opening) + len(closing))
		return strings.Repeat(opening, times) + middle + strings.Repeat(closing, times)
	}
	doublingBy := func(sum string) string {
		members := []string{"A = 'xxxxxxxxxxxxxxxx'"}
		for i := range 40 {
			members = append(members, "A"+strings.Repeat("_", i+1)+" = "+strings.ReplaceAll(sum, "A", "A"+strings.Repeat("_", i)))
		}
		return "enum E { " + strings.Join(members, ", ")
	}
	doubling, templates := doublingBy("A + A"), doublingBy("`${A}${A}`")
	attacks := map[string]string{
		"blocks":                   fill("{", "", "}") + "export default 1",
		"arrows":                   "export default " + fill("a=>", "1", ""),
		"arrows with defaults":     "export default " + fill("(x=", "1", ")=>1"),
		"brackets":                 "export default " + fill("[", "", "]"),
		"open brackets":            fill("[", "", ""),
		"parentheses":              "export default " + fill("(", "1", ")"),
		"not":                      "export default " + fill("!", "1", ""),
		"powers":                   "export default " + fill("2**", "1", ""),
		"assignments":              "export default " + fill("a=", "1", ""),
		"type arguments":           "export default " + fill("a<", "1", ""),
		"commas":                   "export default 1;a" + fill(",a", "", ""),
		"namespace":                "namespace a" + fill(".a", "", "") + "{export let x=1}export default 1",
		"namespace with comments":  "namespace a" + fill("/**/.a", "", "") + "{export let x=1}export default 1",
		"using":                    fill("{using a=b;", "", "}") + "export default 1",
		"ifs":                      fill("if(a)", "", "") + ";export default 1",
		"whiles":                   fill("while(a)", "", "") + ";export default 1",
		"do":                       fill("do ", ";", "while(a)") + ";export default 1",
		"switches":                 fill("switch(a){case a:", "", "}") + ";export default 1",
		"labels":                   fill("a:", "", "") + ";export default 1",
		"templates":                "export default " + fill("`${", "1", "}`"),
		"members":                  "export default a" + fill(".a", "", ""),
		"calls":                    "export default a" + fill("()", "", ""),
		"duplicates":               fill("let a;", "", "") + "export default 1",
		"generic arrows":           "export default " + fill("async<T>(x=", "1", ")"),
		"doubling enum":            doubling + " } export default () => E.A",
		"doubling enum, templates": templates + " } export default () => E.A",
		"enum hidden by a regexp":  strings.Replace(doubling, "A =", `Z = /x'/, A =`, 1) + ", Y = '' } export default () => E.A",
		"enum hidden by a comment": strings.Replace(doubling, "A =", "Z, //\r A =", 1) + " } export default () => E.A",
		"enum with odd spaces":     strings.Replace(doubling, "enum E", "enum\u00a0/**/\ufeffE\u2028", 1) + " } export default () => E.A",
		"enum of one long string":  "enum E { A = '" + strings.Repeat("x", 30000) + "' } export default () => [" + strings.Repeat("E.A,", 7000) + "]",
		"groups":                   "export default /" + fill("(", "", ")") + "/",
	}
	for name, text := range attacks {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()

			_, err := script.Compile(source(text))

			if took := time.Since(begin); took > slow*30*time.Second { // near 1 s on an idle machine; without bounds, minutes and more
				t.Errorf("took %v", took)
			}
			if e, ok := errors.AsType[*script.CompileError](err); err != nil && (!ok || len(e.Faults) == 0) {
				t.Errorf("error %v, want a CompileError or none", err)
			}
		})
	}
}

func TestPlainEnumsAreFine(t *testing.T) {
	t.Parallel()
	p := compile(t, `
// enum of roles (the names are Tableau's + ours)
enum Role { Viewer = "Viewer", "Site Admin" = 'it\'s }', /* } + */ Creator = `+"`Creator`"+` } // "}"
const enum Bit { A = 1 << 0, B = 1 << 1, AB = A | B, N = -1 }
export default () => [Role.Creator, Role["Site Admin"], Bit.AB, Bit.N]`)

	got, err := p.Run(t.Context(), script.Input{})
	if err != nil {
		t.Fatal(err)
	}
	wantJSON(t, string(got), `["Creator", "it's }", 3, -1]`)
}

func FuzzCompile(f *testing.F) {
	for _, text := range []string{
		"export default async function (x: number) { return x }",
		"import { tableau } from \"margay/tableau\"; export default () => tableau.users.get(\"1\")",
		"enum E { A = 1, B = 'x' } export default () => E.A",
		"export default () => /(?<a>.)\\k<a>/u.exec(`${1}`)",
		"@a class A { #b = 1; static { } accessor c }\nexport default A",
		"//# sourceMappingURL=data:application/json,{}",
		"namespace a.b { export const c = <T,>(x: T) => x }\nexport default 1 satisfies number as any",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		begin := time.Now()
		p, err := script.Compile(source(text))
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("took %v", took)
		}
		if err == nil {
			if p.Hash() != source(text).Hash() {
				t.Error("the hash is not that of the source")
			}
			return
		}
		e, ok := errors.AsType[*script.CompileError](err)
		if !ok || len(e.Faults) == 0 {
			t.Fatalf("error %v, want a CompileError", err)
		}
		lines := strings.Count(text, "\n") + strings.Count(text, "\r") + strings.Count(text, "\u2028") + strings.Count(text, "\u2029") + 1
		for _, fault := range e.Faults {
			if fault.Text == "" || fault.File == "" || fault.File == "provision.ts" && fault.Line > lines {
				t.Errorf("fault %+v of a text of %d lines", fault, lines)
			}
		}
	})
}

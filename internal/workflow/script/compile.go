package script

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/go-sourcemap/sourcemap"
)

const (
	// hostModule is what our modules import to reach the host.
	hostModule = "margay:host"
	// space is the namespace that keeps every path away from esbuild's own
	// look-up on disk, which is for the namespace "file" only.
	space = "margay"
	// entry imports the workflow, so that a workflow without a default export
	// is an error of the compiler.
	entry = "margay:entry"
	main  = "margay:main"
)

// Compile turns the TypeScript of one workflow into a Program. What is wrong
// with the source comes back as a *CompileError.
//
// It reads nothing but src.
func Compile(src Source) (*Program, error) {
	if faults := check(src); len(faults) > 0 {
		return nil, &CompileError{Faults: faults}
	}
	hash := src.Hash()
	// The bundle is given the host under a name that no source can contain: it
	// is made of the hash of them all.
	bridge := "__margay_" + hash[:32]
	out := api.Build(api.BuildOptions{
		Stdin:          &api.StdinOptions{Contents: `export { default } from "` + main + `"`, Sourcefile: entry, Loader: api.LoaderJS},
		Bundle:         true,
		Write:          false,
		Outfile:        "program.js",
		Format:         api.FormatIIFE,
		GlobalName:     "program",
		Target:         api.ES2023,
		Platform:       api.PlatformNeutral,
		Charset:        api.CharsetUTF8,
		Sourcemap:      api.SourceMapExternal,
		SourcesContent: api.SourcesContentExclude,
		LegalComments:  api.LegalCommentsNone,
		LogLevel:       api.LogLevelSilent,
		// Given here, esbuild looks for no tsconfig.json.
		TsconfigRaw: `{"compilerOptions":{"target":"ES2023","useDefineForClassFields":true,"verbatimModuleSyntax":false}}`,
		Plugins:     []api.Plugin{{Name: "margay", Setup: func(b api.PluginBuild) { resolve(b, src, bridge) }}},
	})
	if len(out.Errors) > 0 {
		return nil, &CompileError{Faults: faultsOf(out.Errors, src)}
	}
	p := &Program{hash: hash, text: src.Text, warnings: faultsOf(out.Warnings, src)}
	var bundle string
	for _, f := range out.OutputFiles {
		if !strings.HasSuffix(f.Path, ".map") {
			bundle = string(f.Contents)
			continue
		}
		places, err := sourcemap.Parse("", f.Contents)
		if err != nil {
			return nil, fmt.Errorf("read the source map of %s: %w", src.Name, err)
		}
		p.places = placer{places: places, name: src.Name}
	}
	if err := p.translate(bundle, bridge); err != nil {
		return nil, err
	}
	return p, nil
}

// resolve answers every import with a text of src, or refuses it.
func resolve(b api.PluginBuild, src Source, bridge string) {
	b.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
		path := args.Path
		_, known := src.Modules[path]
		switch {
		case args.Kind == api.ResolveJSDynamicImport || args.Kind == api.ResolveJSRequireCall || args.Kind == api.ResolveJSRequireResolve:
			return refused("A workflow imports at the top of its file only, as in: import { tableau } from %q.", example(src))
		case path == main && args.Importer == entry, path == hostModule && args.Namespace == space && args.Importer != main, known && args.Importer != entry:
			return api.OnResolveResult{Path: path, Namespace: space}, nil
		default:
			return refused("A workflow cannot import %q. It may import %s.", path, importable(src))
		}
	})
	b.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: space}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		var text string
		switch args.Path {
		case main:
			// With this it is a module in the bundler's eyes, also when it
			// exports nothing: then the missing default export is an error.
			text = src.Text + "\nexport {}"
		case hostModule:
			text = "export const { call, log } = " + bridge
		default:
			text = src.Modules[args.Path]
		}
		return api.OnLoadResult{Contents: &text, Loader: api.LoaderTS}, nil
	})
}

func refused(format string, args ...any) (api.OnResolveResult, error) {
	return api.OnResolveResult{Errors: []api.Message{{Text: fmt.Sprintf(format, args...)}}}, nil
}

// importable lists the modules of src for a sentence.
func importable(src Source) string {
	paths := slices.Sorted(maps.Keys(src.Modules))
	if len(paths) == 0 {
		return "nothing"
	}
	for i, p := range paths {
		paths[i] = fmt.Sprintf("%q", p)
	}
	if len(paths) == 1 {
		return paths[0]
	}
	return strings.Join(paths[:len(paths)-1], ", ") + " and " + paths[len(paths)-1]
}

// example returns a module to show in a sentence.
func example(src Source) string {
	paths := slices.Sorted(maps.Keys(src.Modules))
	if len(paths) == 0 {
		return "margay"
	}
	return paths[len(paths)-1]
}

// faultsOf translates esbuild's messages.
func faultsOf(messages []api.Message, src Source) []Fault {
	faults := make([]Fault, 0, len(messages))
	for _, m := range messages {
		f := Fault{File: src.Name, Text: m.Text}
		at := m.Location
		switch {
		case at != nil && at.File == entry:
			// The one import of the entry is the default export of the workflow.
			f.Text = "The workflow has no default export: write export default async function (input) { … }."
		case at != nil:
			if at.File == space+":"+main && at.Line > 1+strings.Count(src.Text, "\n") {
				// It stumbled over the line that OnLoad adds.
				end := faultAt(src.Name, src.Text, len(src.Text), "The file ends in the middle of something.")
				faults = append(faults, end)
				continue
			}
			f.File = fileOf(at.File, src.Name)
			f.Line, f.Column, f.Length = at.Line, 1+characters(at.LineText, at.Column), at.Length
			if at.Column <= len(at.LineText) {
				f.Length = characters(at.LineText[at.Column:], at.Length)
			}
		}
		faults = append(faults, f)
	}
	return faults
}

// fileOf translates a path of esbuild's to the name that people know.
func fileOf(path, name string) string {
	path = strings.TrimPrefix(path, space+":")
	if path == main {
		return name
	}
	return path
}

// characters returns how many characters the first n bytes of line are.
func characters(line string, n int) int {
	return utf8.RuneCountInString(line[:min(max(n, 0), len(line))])
}

package script

import (
	_ "embed" // the prelude
	"errors"
	"fmt"
	"strings"
	"sync"

	"modernc.org/quickjs"
)

// prelude is the JavaScript that runs before each program.
//
//go:embed prelude.js
var prelude string

// Program is a compiled workflow. It is immutable: it may be run many times, by
// many goroutines at once.
type Program struct {
	hash     string
	warnings []Fault
	bytecode []byte
	places   placer
	text     string // the workflow's own, to name in errors what it wrote
}

// Hash returns the [Source.Hash] of what the program was compiled from.
func (p *Program) Hash() string { return p.hash }

// Warnings returns what the compiler finds doubtful, for an editor to mark. It
// may be empty.
func (p *Program) Warnings() []Fault { return p.warnings }

// translate makes the bytecode of the bundle. The engine finds faults that the
// bundler does not look for, such as those inside a regular expression.
func (p *Program) translate(bundle, bridge string) error {
	// The engine gives every text the same name, so the lines of the bundle
	// begin after those of the prelude: a place tells which of them it is in.
	head := strings.Repeat("\n", strings.Count(prelude, "\n")) + "(function (" + bridge + ") {\"use strict\";\n"
	p.places.skip = strings.Count(head, "\n")
	var err error
	p.bytecode, err = bytecode(head + bundle + "\nreturn program;\n})")
	if e, ok := errors.AsType[*quickjs.Error](err); ok {
		f := Fault{File: p.places.name, Text: e.Message}
		if at, ok := p.places.find(e.LineNumber, e.ColumnNumber); ok {
			f.File, f.Line, f.Column = at.File, at.Line, at.Column
		}
		return &CompileError{Faults: []Fault{f}}
	}
	return err
}

// preludeCode is the bytecode of the prelude, made when it is first needed.
var preludeCode = sync.OnceValues(func() ([]byte, error) { return bytecode(prelude) })

// bytecode compiles JavaScript.
func bytecode(text string) (code []byte, err error) {
	vm, err := quickjs.NewVM()
	if err != nil {
		return nil, fmt.Errorf("start the JavaScript engine: %w", err)
	}
	defer func() { err = errors.Join(err, vm.Close()) }()
	vm.SetMemoryLimit(DefaultMemory)
	return vm.Compile(text, quickjs.EvalGlobal)
}

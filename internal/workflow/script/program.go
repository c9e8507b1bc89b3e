package script

import (
	_ "embed" // the prelude
	"errors"
	"fmt"
	"strings"

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
}

// Hash returns the [Source.Hash] of what the program was compiled from.
func (p *Program) Hash() string { return p.hash }

// Warnings returns what the compiler finds doubtful, for an editor to mark. It
// may be empty.
func (p *Program) Warnings() []Fault { return p.warnings }

// translate makes the bytecode of prelude and bundle. The engine finds faults
// that the bundler does not look for, such as those inside a regular expression.
func (p *Program) translate(bundle, bridge string) error {
	head := strings.TrimSpace(prelude) + "(function (" + bridge + ") {\"use strict\";\n"
	p.places.skip = strings.Count(head, "\n")
	vm, err := quickjs.NewVM()
	if err != nil {
		return fmt.Errorf("start the JavaScript engine: %w", err)
	}
	defer vm.Close()
	vm.SetMemoryLimit(DefaultMemory)
	p.bytecode, err = vm.Compile(head+bundle+"\nreturn program;\n})", quickjs.EvalGlobal)
	if e, ok := errors.AsType[*quickjs.Error](err); ok {
		f := Fault{File: p.places.name, Text: e.Message}
		if at, ok := p.places.find(e.LineNumber, e.ColumnNumber); ok {
			f.File, f.Line, f.Column = at.File, at.Line, at.Column
		}
		return &CompileError{Faults: []Fault{f}}
	}
	return err
}

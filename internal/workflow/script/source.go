package script

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"slices"
)

// Source is the text of one workflow and of everything that it may import.
type Source struct {
	// Name is the file name that errors show, e.g. "provision.ts".
	Name string
	// Text is TypeScript. Its default export is a function of one argument.
	Text string
	// Modules holds the TypeScript of the modules that the workflow may import,
	// by import path, e.g. "margay/tableau". They are ours: unlike Text they
	// may import "margay:host". Nothing else can be imported.
	Modules map[string]string
}

// Hash returns what names the content of s: SHA-256 of the text and the
// modules, in hexadecimal. The name of the file is not part of it.
func (s Source) Hash() string {
	h := sha256.New()
	writePart(h, s.Text)
	for _, path := range slices.Sorted(maps.Keys(s.Modules)) {
		writePart(h, path)
		writePart(h, s.Modules[path])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// writePart adds text with its length before it, so that no two lists of parts
// make the same bytes.
func writePart(h hash.Hash, text string) {
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text)))) // a hash never fails to write
	h.Write([]byte(text))
}

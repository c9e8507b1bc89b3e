package access_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/access"
)

// Each state of a request has its word, its sentence and its next acts. One that
// the code has and the table has not fails this.
func TestEveryRequestStateHasItsWords(t *testing.T) {
	t.Parallel()
	saysAll(t, "request.go", "RequestState", access.RequestStates())
	if got := access.RequestState("new").Text(); got.Code != "new" || got.Word != "new" {
		t.Errorf("a state that nobody knows is told as %+v", got)
	}
}

// saysAll fails unless table has exactly the constants of the type in the file,
// each with all its words.
func saysAll(t *testing.T, file, typ string, table []access.StateText) {
	t.Helper()
	var have []string
	for _, s := range table {
		have = append(have, s.Code)
		if s.Word == "" || !strings.HasSuffix(s.Sentence, ".") || len(s.Next) == 0 {
			t.Errorf("%s lacks words: %+v", s.Code, s)
		}
		for _, a := range s.Next {
			if a.Code == "" || !strings.Contains(a.Label, " ") {
				t.Errorf("%s: an act is a verb and a noun, not %+v", s.Code, a)
			}
		}
	}
	want := constants(t, file, typ)
	slices.Sort(have)
	if !slices.Equal(have, want) {
		t.Errorf("the code has the states %q, the table %q", want, have)
	}
}

// constants lists the values of the constants of a type in a file of this
// package, sorted.
func constants(t *testing.T, file, typ string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == typ {
			for _, v := range spec.Values {
				if lit, ok := v.(*ast.BasicLit); ok {
					text, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					values = append(values, text)
				}
			}
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("no constant of %s in %s", typ, file)
	}
	slices.Sort(values)
	return values
}

package workflow

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestUnified(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ from, to, want string }{
		"same":    {"a\nb\n", "a\nb\n", ""},
		"nothing": {"", "", ""},
		"new":     {"", "a\n", "--- f\n+++ f\n@@ -0,0 +1,1 @@\n+a\n"},
		"emptied": {"a\n", "", "--- f\n+++ f\n@@ -1,1 +0,0 @@\n-a\n"},
		"changed": {"a\nb\nc\n", "a\nX\nY\nc\n", "--- f\n+++ f\n@@ -1,3 +1,4 @@\n a\n-b\n+X\n+Y\n c\n"},
		"two places": {
			"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n", "X\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\nY\n",
			"--- f\n+++ f\n@@ -1,4 +1,4 @@\n-1\n+X\n 2\n 3\n 4\n@@ -9,4 +9,4 @@\n 9\n 10\n 11\n-12\n+Y\n",
		},
		"moved": {"a\nb\nc\n", "b\nc\na\n", "--- f\n+++ f\n@@ -1,3 +1,3 @@\n-a\n b\n c\n+a\n"},
	}
	for name, tt := range tests {
		if got := diffFile("f", tt.from, tt.to).Unified; got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, tt.want)
		}
	}
}

// Whatever two texts are, the left of the rows is the one and the right the
// other, line by line, and lines called the same are.
func TestRowsHoldBothTexts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "", "{", "}"}), 0, 40)
		a, b := lines.Draw(t, "from"), lines.Draw(t, "to")
		var left, right []string
		same := 0
		for _, r := range rowsOf(a, b) {
			if r.LeftNumber > 0 {
				if left = append(left, r.Left); r.LeftNumber != len(left) {
					t.Fatalf("line %d is numbered %d", len(left), r.LeftNumber)
				}
			}
			if r.RightNumber > 0 {
				if right = append(right, r.Right); r.RightNumber != len(right) {
					t.Fatalf("line %d is numbered %d", len(right), r.RightNumber)
				}
			}
			if r.Change == LineSame {
				if same++; r.Left != r.Right {
					t.Fatalf("%q is not the same as %q", r.Left, r.Right)
				}
			}
		}
		if !slices.Equal(left, a) || !slices.Equal(right, b) {
			t.Fatalf("%q and %q became %q and %q", a, b, left, right)
		}
		if want := longest(a, b); same != want {
			t.Fatalf("%d lines in common, there are %d", same, want)
		}
	})
}

// longest is the length of the longest common subsequence, the plain way.
func longest(a, b []string) int {
	row := make([]int, len(b)+1)
	for _, x := range a {
		before := 0
		for j, y := range b {
			here := row[j+1]
			if x == y {
				row[j+1] = before + 1
			} else {
				row[j+1] = max(row[j+1], row[j])
			}
			before = here
		}
	}
	return row[len(b)]
}

// Two texts that are nothing alike are told apart without end or memory.
func TestDiffIsBounded(t *testing.T) {
	t.Parallel()
	a, b := strings.Repeat("a\n", 32<<10), strings.Repeat("b\n", 32<<10)
	if d := diffFile("f", a, b); len(d.Rows) != 32<<10 || d.Rows[0].Change != LineReplaced {
		t.Errorf("%d rows", len(d.Rows))
	}
}

package export_test

import (
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/export"
)

func TestCell(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"": "", "Rita": "Rita", "a=b": "a=b", "-5": "-5", "+1.5": "+1.5", "-": "'-",
		`=HYPERLINK("http://x")`: `'=HYPERLINK("http://x")`, "+cmd|' /C calc'!A0": "'+cmd|' /C calc'!A0", "-2+3": "'-2+3", "@SUM(A1)": "'@SUM(A1)",
		"\t=1": "'\t=1", "\r=1": "'\r=1", "\n=1": "'\n=1", "＝1+1": "'＝1+1", "＠x": "'＠x", "'=1": "'=1",
	}
	for in, want := range tests {
		if got := export.Cell(in); got != want {
			t.Errorf("Cell(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCSV(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	c := export.NewCSV(&b)
	if err := c.Write("=1", `a "quoted", cell`, "two\nlines"); err != nil {
		t.Fatal(err)
	}
	if err := c.Flush(); err != nil || b.String() != "'=1,\"a \"\"quoted\"\", cell\",\"two\nlines\"\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

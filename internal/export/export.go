// Package export writes tables for spreadsheets: CSV in which no cell is run.
//
// A spreadsheet takes a text that begins with =, +, - or @ for a formula, and
// what people write (a reason, a name) ends up in exports that others open. The
// package knows nothing of what it writes.
package export

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
)

// Cell returns text as a spreadsheet shows it and does not run it: what could
// begin a formula gets an apostrophe before it (OWASP, "CSV Injection").
// Numbers stay numbers.
func Cell(text string) string {
	if text == "" || !strings.ContainsAny(text[:1], "=+-@\t\r\n") && !strings.HasPrefix(text, "\uff1d") && !strings.HasPrefix(text, "\uff0b") &&
		!strings.HasPrefix(text, "\uff0d") && !strings.HasPrefix(text, "\uff20") {
		return text
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return text
	}
	return "'" + text
}

// CSV writes rows of cells.
type CSV struct{ w *csv.Writer }

// NewCSV returns a writer of CSV to w.
func NewCSV(w io.Writer) *CSV { return &CSV{csv.NewWriter(w)} }

// Write writes one row.
func (c *CSV) Write(cells ...string) error {
	row := make([]string, len(cells))
	for i, text := range cells {
		row[i] = Cell(text)
	}
	return c.w.Write(row)
}

// Flush writes what is not written yet.
func (c *CSV) Flush() error {
	c.w.Flush()
	return c.w.Error()
}

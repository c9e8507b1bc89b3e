package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/export"
)

// format is how data is written to standard output.
type format string

const (
	formatTable format = "table"
	formatJSON  format = "json"
	formatJSONL format = "jsonl"
	formatYAML  format = "yaml"
	formatCSV   format = "csv"
	formatID    format = "id"
)

func parseFormat(text string) (format, error) {
	all := []format{formatTable, formatJSON, formatJSONL, formatYAML, formatCSV, formatID}
	if !slices.Contains(all, format(text)) {
		return formatTable, usage("The formats are table, json, jsonl, yaml, csv and id.", "%q is no format.", text)
	}
	return format(text), nil
}

// formatIn returns the format that is asked for somewhere in args: wrong usage is
// told in it too.
func formatIn(args []string) format {
	text := ""
	for i, arg := range args {
		switch name, value, joined := strings.Cut(arg, "="); {
		case (name == "-o" || name == "--output") && joined:
			text = value
		case (arg == "-o" || arg == "--output") && i+1 < len(args):
			text = args[i+1]
		case strings.HasPrefix(arg, "-o"):
			text = arg[len("-o"):]
		}
	}
	if f, err := parseFormat(text); err == nil {
		return f
	}
	return formatTable
}

// view says how things of one kind are shown to people.
type view[T any] struct {
	none    string // said instead of an empty table
	id      func(T) string
	columns []column[T]
	details func(T) []detail // of one thing; nil: the columns
}

// column is one column of a table.
type column[T any] struct {
	name string
	cell func(T) cell
	keep bool // is not cut to fit the screen: ids, which people copy
}

// cell is one piece of text of a table.
type cell struct {
	text string // as it goes to a pipe or a file
	tty  string // on a screen, where that differs
	tint tint
}

func text(s string) cell { return cell{text: s} }

// detail is one line of the description of one thing.
type detail struct {
	name string
	cell cell
}

// show writes one thing in the format that was asked for.
func show[T any](s *session, item T, v view[T]) error {
	switch s.format {
	case formatID:
		_, err := fmt.Fprintln(s.out, visible(v.id(item)))
		return err
	case formatCSV:
		return list(s, wire.List[T]{Items: []T{item}}, v)
	case formatJSON, formatJSONL, formatYAML:
		object, err := picked(s.fields, item)
		if err != nil {
			return err
		}
		return s.encode(object)
	case formatTable:
	}
	if len(s.fields) > 0 {
		return list(s, wire.List[T]{Items: []T{item}}, v)
	}
	return s.describe(v.describe(item))
}

func (v view[T]) describe(item T) []detail {
	if v.details != nil {
		return v.details(item)
	}
	lines := make([]detail, 0, len(v.columns))
	for _, c := range v.columns {
		lines = append(lines, detail{c.name, c.cell(item)})
	}
	return lines
}

// list writes things in the format that was asked for.
func list[T any](s *session, page wire.List[T], v view[T]) error {
	switch s.format {
	case formatID:
		for _, item := range page.Items {
			if _, err := fmt.Fprintln(s.out, visible(v.id(item))); err != nil {
				return err
			}
		}
		return nil
	case formatJSON, formatJSONL, formatYAML:
		return encodeList(s, page)
	case formatTable, formatCSV:
	}
	if len(s.fields) > 0 {
		return listFields(s, page.Items)
	}
	if len(page.Items) == 0 && s.format == formatTable && s.term.shows {
		fmt.Fprintln(s.err, v.none)
		return nil
	}
	t := table{}
	for _, c := range v.columns {
		t.head = append(t.head, strings.ToUpper(c.name))
		t.keep = append(t.keep, c.keep)
	}
	for _, item := range page.Items {
		row := make([]cell, 0, len(v.columns))
		for _, c := range v.columns {
			row = append(row, c.cell(item))
		}
		t.rows = append(t.rows, row)
	}
	return s.table(t)
}

func encodeList[T any](s *session, page wire.List[T]) error {
	items := make([]any, 0, len(page.Items))
	for _, item := range page.Items {
		object, err := picked(s.fields, item)
		if err != nil {
			return err
		}
		items = append(items, object)
	}
	if s.format == formatJSONL {
		for _, item := range items {
			if err := s.encode(item); err != nil {
				return err
			}
		}
		return nil
	}
	return s.encode(wire.List[any]{Items: items, NextCursor: page.NextCursor})
}

// listFields writes a table of chosen fields of the JSON.
func listFields[T any](s *session, items []T) error {
	t := table{head: s.fields, keep: make([]bool, len(s.fields))}
	if err := knownFields[T](s.fields); err != nil {
		return err
	}
	for _, item := range items {
		row := make([]cell, 0, len(s.fields))
		for _, f := range s.fields {
			value, err := fieldText(item, f)
			if err != nil {
				return err
			}
			row = append(row, text(value))
		}
		t.rows = append(t.rows, row)
	}
	return s.table(t)
}

// showProblem writes a problem in the shape that programs asked for.
func (s *session) showProblem(p wire.Problem) {
	switch s.format {
	case formatJSON, formatJSONL, formatYAML:
		if err := s.encode(p); err != nil {
			s.warn("%v", err)
		}
	case formatTable, formatCSV, formatID:
	}
}

// encode writes v as JSON or YAML.
func (s *session) encode(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if s.format == formatJSON {
		e.SetIndent("", "  ")
	}
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	if s.format != formatYAML {
		_, err := s.out.Write(harmless(b.Bytes()))
		return err
	}
	node, err := yamlOf(json.NewDecoder(&b))
	if err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	y := yaml.NewEncoder(s.out)
	y.SetIndent(2)
	return errors.Join(y.Encode(node), y.Close())
}

// harmless escapes what JSON allows to stand and terminals act upon.
func harmless(doc []byte) []byte {
	risky := func(r rune) bool { return r != '\n' && unsafe(r) }
	if !bytes.ContainsFunc(doc, risky) {
		return doc
	}
	var b bytes.Buffer
	for _, r := range string(doc) {
		if risky(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.Bytes()
}

// yamlOf turns JSON into YAML, with its fields in their order.
func yamlOf(d *json.Decoder) (*yaml.Node, error) {
	d.UseNumber()
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	opening, ok := token.(json.Delim)
	if !ok {
		return yamlScalar(token), nil
	}
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	if opening == '{' {
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
	}
	for d.More() {
		child, err := yamlOf(d)
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, child)
	}
	if len(n.Content) == 0 {
		n.Style = yaml.FlowStyle
	}
	_, err = d.Token() // its end
	return n, err
}

func yamlScalar(token json.Token) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode}
	switch v := token.(type) {
	case string:
		n.Tag, n.Value = "!!str", v
		if strings.ContainsFunc(v, unsafe) {
			n.Style = yaml.DoubleQuotedStyle
		}
	case json.Number:
		n.Tag, n.Value = "!!int", v.String()
		if strings.ContainsAny(v.String(), ".eE") {
			n.Tag = "!!float"
		}
	case bool:
		n.Tag, n.Value = "!!bool", strconv.FormatBool(v)
	default:
		n.Tag, n.Value = "!!null", "null"
	}
	return n
}

// csv writes a table as comma-separated values that no spreadsheet runs.
func (t table) csv(w io.Writer) error {
	out := export.NewCSV(w)
	if err := out.Write(t.head...); err != nil {
		return err
	}
	for _, row := range t.rows {
		texts := make([]string, len(row))
		for i, c := range row {
			texts[i] = visible(c.text)
		}
		if err := out.Write(texts...); err != nil {
			return err
		}
	}
	return out.Flush()
}

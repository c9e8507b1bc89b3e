package tableau

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Operator compares a field with a value in a filter.
type Operator string

// The operators of Tableau's filters. Which field takes which is Tableau's to
// say: 400065 for one it does not know.
const (
	Equal           Operator = "eq"
	EqualIgnoreCase Operator = "cieq" // Tableau's own idea of case, compare again
	In              Operator = "in"
	Greater         Operator = "gt"
	GreaterOrEqual  Operator = "gte"
	Less            Operator = "lt"
	LessOrEqual     Operator = "lte"
	Like            Operator = "like"
	Has             Operator = "has"
)

// Condition is one comparison of a filter.
type Condition struct {
	Field  string
	Op     Operator
	Values []string // one, or any number for In
}

// Filter is a list of conditions that all must hold. The empty Filter lets
// everything through.
type Filter []Condition

// Where returns a filter of one condition. Add others with [Filter.And].
func Where(field string, op Operator, values ...string) Filter {
	return Filter{{Field: field, Op: op, Values: values}}
}

// And returns f with one more condition.
func (f Filter) And(field string, op Operator, values ...string) Filter {
	return append(slices.Clip(f), Condition{Field: field, Op: op, Values: values})
}

// AndTime returns f with a condition on a time.
func (f Filter) AndTime(field string, op Operator, t time.Time) Filter {
	return f.And(field, op, t.UTC().Format("2006-01-02T15:04:05Z"))
}

// CanFilter reports whether a value may stand in a filter. Tableau cannot be
// told apart a delimiter from the same character in a value: , & : [ ] (and *,
// which may be a wildcard). Such values are found by reading the list.
func CanFilter(value string) bool {
	return value != "" && !strings.ContainsAny(value, ",&:[]*") && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// Encode returns the filter as Tableau reads it, before URL encoding. It
// refuses what would mean something else there.
func (f Filter) Encode() (string, error) {
	parts := make([]string, 0, len(f))
	for _, c := range f {
		part, err := c.encode()
		if err != nil {
			return "", err
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ","), nil
}

func (c Condition) encode() (string, error) {
	if !isWord(c.Field) || !isWord(string(c.Op)) {
		return "", refuse("%q %q is not a field and an operator of a filter", c.Field, string(c.Op))
	}
	if len(c.Values) == 0 || c.Op != In && len(c.Values) > 1 {
		return "", refuse("the filter on %s has %d values", c.Field, len(c.Values))
	}
	isTime := c.Op != In && isTimeValue(c.Values[0])
	for _, v := range c.Values {
		if !CanFilter(v) && !isTime {
			return "", refuse("the value %q cannot stand in a filter: Tableau takes , & : [ ] as delimiters", v)
		}
	}
	value := strings.Join(c.Values, ",")
	if c.Op == In {
		value = "[" + value + "]"
	}
	return fmt.Sprintf("%s:%s:%s", c.Field, c.Op, value), nil
}

// isTimeValue knows the one kind of value whose colons Tableau accepts.
func isTimeValue(v string) bool {
	_, err := time.Parse("2006-01-02T15:04:05Z", v)
	return err == nil
}

func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '.'
	})
}

// Sort is one field to sort a list by.
type Sort struct {
	Field string
	Desc  bool
}

// encodeSort returns a sort parameter; the first field counts most.
func encodeSort(sort []Sort) (string, error) {
	parts := make([]string, 0, len(sort))
	for _, s := range sort {
		if !isWord(s.Field) {
			return "", refuse("%q is not a field to sort by", s.Field)
		}
		way := ":asc"
		if s.Desc {
			way = ":desc"
		}
		parts = append(parts, s.Field+way)
	}
	return strings.Join(parts, ","), nil
}

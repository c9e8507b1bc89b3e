package tableautest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// field is something a list can be filtered or sorted by. Exactly one of the
// functions is set.
type field[T any] struct {
	name  string
	ops   string // blank-separated: eq in cieq like has gt gte lt lte
	sort  bool
	since string // the version that brought it; "" for ever
	str   func(T) string
	strs  func(T) []string
	num   func(T) int
	time  func(T) time.Time
	truth func(T) bool
}

// query is a parsed filter and sort.
type query[T any] struct {
	keep  []func(T) bool
	order []func(a, b T) int
}

// plain says that the query changes nothing.
func (q query[T]) plain() bool { return len(q.keep) == 0 && len(q.order) == 0 }

// apply returns what the query keeps, in its order. It does not change all.
func (q query[T]) apply(all []T) []T {
	if q.plain() {
		return all
	}
	out := make([]T, 0, min(len(all), maxPageSize))
next:
	for _, t := range all {
		for _, keep := range q.keep {
			if !keep(t) {
				continue next
			}
		}
		out = append(out, t)
	}
	slices.SortStableFunc(out, func(a, b T) int {
		for _, order := range q.order {
			if n := order(a, b); n != 0 {
				return n
			}
		}
		return 0
	})
	return out
}

// parseQuery reads the parameters filter and sort of a call.
func parseQuery[T any](fields []field[T], c *call) (query[T], *failure) {
	var q query[T]
	known := func(name string) (field[T], bool) {
		i := slices.IndexFunc(fields, func(f field[T]) bool { return f.name == name })
		if i < 0 || fields[i].since != "" && c.version.before(v(fields[i].since)) {
			return field[T]{}, false
		}
		return fields[i], true
	}
	// A client that has nothing to filter by sends the parameter empty.
	if c.query.Get("filter") != "" {
		if c.version.before(version{3, 7}) && encodedDelimiter(c.r.URL.RawQuery) {
			return q, unknownKey()
		}
		terms, f := splitFilter(c.query.Get("filter"))
		if f != nil {
			return q, f
		}
		for _, t := range terms {
			f, ok := known(t.key)
			if !ok || !slices.Contains(strings.Fields(f.ops), t.op) {
				return q, unknownKey()
			}
			keep, bad := f.test(t)
			if bad != nil {
				return q, bad
			}
			q.keep = append(q.keep, keep)
		}
	}
	if s := c.query.Get("sort"); s != "" {
		for part := range strings.SplitSeq(s, ",") {
			name, dir, _ := strings.Cut(part, ":")
			f, ok := known(name)
			if !ok || !f.sort || dir != "asc" && dir != "desc" {
				return q, fail("400008", "Invalid sort '"+part+"'.")
			}
			q.order = append(q.order, f.compare(dir == "desc"))
		}
	}
	return q, nil
}

func unknownKey() *failure { return fail("400065") }

// encodedDelimiter tells whether the filter's own delimiters are
// percent-encoded, which is understood from 3.7.
func encodedDelimiter(rawQuery string) bool {
	for part := range strings.SplitSeq(rawQuery, "&") {
		value, isFilter := strings.CutPrefix(part, "filter=")
		if lower := strings.ToLower(value); isFilter && (strings.Contains(lower, "%3a") || strings.Contains(lower, "%2c")) {
			return true
		}
	}
	return false
}

// term is one field:operator:value of a filter.
type term struct {
	key, op string
	values  []string // one, or those of in:[a,b]
}

// splitFilter reads "field:op:value,field:op:[a,b]". A comma ends a term
// wherever it stands outside brackets: no delimiter can be escaped.
func splitFilter(s string) ([]term, *failure) {
	var out []term
	for len(s) > 0 || len(out) == 0 {
		end, depth := len(s), 0
	scan:
		for i, r := range s {
			switch {
			case r == '[':
				depth++
			case r == ']':
				depth--
			case r == ',' && depth <= 0:
				end = i
				break scan
			}
		}
		part := s[:end]
		t, f := parseTerm(part)
		if f != nil {
			return nil, f
		}
		out = append(out, t)
		if end == len(s) {
			return out, nil
		}
		s = s[end+1:]
		if s == "" {
			return nil, unknownKey() // a comma at the end
		}
	}
	return out, nil
}

func parseTerm(s string) (term, *failure) {
	key, rest, ok := strings.Cut(s, ":")
	if !ok || key == "" {
		return term{}, unknownKey()
	}
	op, value, _ := strings.Cut(rest, ":")
	if value == "" {
		return term{}, fail("400065", "The filter query is missing a value for key '"+key+"'.")
	}
	t := term{key: key, op: op, values: []string{value}}
	if op == "in" {
		inner, open := strings.CutPrefix(value, "[")
		inner, closed := strings.CutSuffix(inner, "]")
		if !open || !closed || inner == "" {
			return term{}, fail("400065", "The filter query is missing a value for key '"+key+"'.")
		}
		t.values = strings.Split(inner, ",")
	}
	return t, nil
}

// delimited tells whether a value of text holds what cannot be escaped.
func delimited(values []string) bool {
	return slices.ContainsFunc(values, func(s string) bool { return strings.ContainsAny(s, "&:[]") })
}

func wrongType() *failure { return fail("400025") }

// test makes the condition of a term.
func (f field[T]) test(t term) (func(T) bool, *failure) {
	switch {
	case f.num != nil:
		want, err := strconv.Atoi(t.values[0])
		if err != nil {
			return nil, wrongType()
		}
		return func(x T) bool { return holds(t.op, cmp.Compare(f.num(x), want)) }, nil
	case f.time != nil:
		want, err := time.Parse(time.RFC3339, t.values[0])
		if err != nil {
			return nil, wrongType()
		}
		return func(x T) bool {
			got := f.time(x)
			return !got.IsZero() && holds(t.op, got.Truncate(time.Second).Compare(want))
		}, nil
	case f.truth != nil:
		want, err := strconv.ParseBool(t.values[0])
		if err != nil {
			return nil, wrongType()
		}
		return func(x T) bool { return f.truth(x) == want }, nil
	case delimited(t.values):
		return nil, unknownKey()
	case f.strs != nil:
		return func(x T) bool {
			return slices.ContainsFunc(f.strs(x), func(s string) bool { return matchText(t, s) })
		}, nil
	case t.op == "eq":
		want := t.values[0]
		return func(x T) bool { return f.str(x) == want }, nil
	default:
		return func(x T) bool { return matchText(t, f.str(x)) }, nil
	}
}

func holds(op string, n int) bool {
	switch op {
	case "gt":
		return n > 0
	case "gte":
		return n >= 0
	case "lt":
		return n < 0
	case "lte":
		return n <= 0
	default:
		return n == 0
	}
}

// matchText compares text: eq and in exactly, cieq without regard to case,
// like and has anywhere inside.
func matchText(t term, s string) bool {
	switch t.op {
	case "cieq":
		return strings.EqualFold(s, t.values[0])
	case "like", "has":
		return strings.Contains(strings.ToLower(s), strings.ToLower(strings.Trim(t.values[0], "*")))
	default:
		return slices.Contains(t.values, s)
	}
}

// compare orders by the field.
func (f field[T]) compare(desc bool) func(a, b T) int {
	asc := func(a, b T) int {
		switch {
		case f.num != nil:
			return cmp.Compare(f.num(a), f.num(b))
		case f.time != nil:
			return f.time(a).Compare(f.time(b))
		default:
			return cmp.Compare(f.str(a), f.str(b))
		}
	}
	if desc {
		return func(a, b T) int { return asc(b, a) }
	}
	return asc
}

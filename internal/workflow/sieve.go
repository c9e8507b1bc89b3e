package workflow

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// sieve finds what is to be blanked in a text. Where the text holds JSON, or the
// beginning of some, it is read as that; where it is broken, by its quotes.
type sieve struct {
	text   string
	blanks []span
	whole  []span // objects and arrays that are JSON from end to end
}

// span is a part of a text, and what takes its place.
type span struct {
	from, to int
	with     string
}

// result is the text with the blanks in it. One within another is of no account.
func (s *sieve) result() string {
	slices.SortFunc(s.blanks, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) })
	var out strings.Builder
	kept := 0
	for i := 0; i < len(s.blanks); {
		b := s.blanks[i]
		for i++; i < len(s.blanks) && s.blanks[i].from < b.to; i++ {
			if next := s.blanks[i]; next.to > b.to || next.from == b.from && next.to == b.to && next.with != b.with {
				b.to, b.with = next.to, redactedJSON
			}
		}
		out.WriteString(s.text[kept:b.from])
		out.WriteString(b.with)
		kept = b.to
	}
	out.WriteString(s.text[kept:])
	return out.String()
}

// deepest bounds how deep objects and arrays lie in one another, as
// encoding/json does.
const deepest = 10_000

// objects reads each object and array that the text holds. Where one is broken,
// what stands behind is looked at anew.
func (s *sieve) objects() {
	for at := 0; at < len(s.text); {
		from := strings.IndexAny(s.text[at:], "{[")
		if from < 0 {
			return
		}
		r := reading{sieve: s, at: at + from}
		if r.run() {
			s.whole = append(s.whole, span{from: at + from, to: r.at})
		}
		at = max(r.at, s.inString(at+from, r.at))
	}
}

// inString cleans JSON from an opening bracket on that is written in a string, if a
// quote with backslashes is what made it none here. It returns where it ends.
func (s *sieve) inString(from, broken int) int {
	rest := s.text[broken:]
	rest = rest[spaceAt(rest):]
	n := len(rest) - len(strings.TrimLeft(rest, `\`))
	if own(n) == 0 || n == len(rest) || rest[n] != '"' {
		return broken
	}
	to := len(s.text)
	if end := stringAt(s.text[from:], own(n)/2); end >= 0 {
		to = from + end
		to = from + len(strings.TrimRight(s.text[from:to], `\"`))
	}
	s.clean(from, to, unquoted(`"`+s.text[from:to]+`"`), "")
	return to
}

// clean cleans a part of the text that says something in codes. Its own quotes
// stand around it.
func (s *sieve) clean(from, to int, says, quote string) {
	clean := cleaned(says)
	if clean == says {
		return
	}
	var again strings.Builder
	e := json.NewEncoder(&again)
	e.SetEscapeHTML(false)
	if e.Encode(clean) != nil {
		s.blanks = append(s.blanks, span{from, to, quote + redacted + quote})
		return
	}
	inner := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(again.String()), `"`), `"`)
	s.blanks = append(s.blanks, span{from, to, quote + inner + quote})
}

// reading reads one object or array.
type reading struct {
	*sieve

	at   int // what is looked at
	open []nest
}

// nest is an object or array that is open.
type nest struct {
	from   int
	closes byte
	wants  wanted
	name   string // of the field that is read

	values   []span // of a pair
	labelled bool   // it says what the value of the pair is called
	secret   bool   // and that is a secret
}

type wanted int

const (
	wantsValue wanted = iota
	wantsName
	wantsComma
)

// run reads from an opening bracket to the one that closes it; false: it does not
// come, and what is known of what is open is what was read.
func (r *reading) run() bool {
	for ok := true; ok && r.at < len(r.text); {
		if ok = r.step(); ok && len(r.open) == 0 {
			return true
		}
	}
	r.at = min(r.at, len(r.text))
	for len(r.open) > 0 {
		r.close(r.at, false)
	}
	return false
}

// step reads one token; false: the text is no JSON any more.
func (r *reading) step() bool {
	c := r.text[r.at]
	if len(r.open) == 0 {
		return r.begin(c)
	}
	top := &r.open[len(r.open)-1]
	named := top.closes == '}' && top.wants == wantsValue
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		r.at++
		return true
	case c == top.closes && !named:
		r.at++
		r.close(r.at, true)
		return true
	case top.wants == wantsComma:
		if c != ',' {
			return false
		}
		if r.at++; top.closes == '}' {
			top.wants = wantsName
		} else {
			top.wants = wantsValue
		}
		return true
	case top.wants == wantsName:
		return c == '"' && r.readName(top)
	case c == '{' || c == '[':
		return r.begin(c)
	case c == '"':
		from := r.at
		whole := r.skipString()
		r.took(from, r.at, whole)
		return whole
	}
	return r.plain()
}

// begin opens an object or array.
func (r *reading) begin(bracket byte) bool {
	if len(r.open) == deepest {
		return false
	}
	n := nest{from: r.at, closes: ']', wants: wantsValue}
	if bracket == '{' {
		n.closes, n.wants = '}', wantsName
	}
	r.open = append(r.open, n)
	r.at++
	return true
}

// close ends the innermost that is open. A pair that does not say what its value
// is called may be one whose name was cut off.
func (r *reading) close(end int, whole bool) {
	n := r.open[len(r.open)-1]
	r.open = r.open[:len(r.open)-1]
	if n.secret || !whole && !n.labelled {
		for _, v := range n.values {
			r.blank(v.from, v.to, 0)
		}
	}
	if len(r.open) > 0 {
		r.took(n.from, end, whole)
	}
}

// readName reads the name of a field up to its colon.
func (r *reading) readName(top *nest) bool {
	from := r.at
	if !r.skipString() {
		return false
	}
	top.name = unquoted(r.text[from:r.at])
	r.at += spaceAt(r.text[r.at:])
	if r.at == len(r.text) || r.text[r.at] != ':' {
		return false
	}
	r.at++
	top.wants = wantsValue
	return true
}

// plain reads a value that is no string, object or array.
func (r *reading) plain() bool {
	from := r.at
	r.at += wordAt(r.text[from:])
	if r.at == from {
		return false
	}
	r.took(from, r.at, true)
	return true
}

// took takes in a value of the innermost that is open; it may be cut off.
func (r *reading) took(from, to int, whole bool) {
	top := &r.open[len(r.open)-1]
	top.wants = wantsComma
	r.within(from, to, whole)
	if top.closes != '}' {
		return
	}
	if secretName(top.name) {
		r.blank(from, to, 0)
	}
	if isOne(top.name, pairValues) {
		top.values = append(top.values, span{from: from, to: to})
	}
	if isOne(top.name, pairNames) && r.text[from] == '"' {
		top.secret = top.secret || secretName(unquoted(r.text[from:to]))
		top.labelled = top.labelled || whole
	}
}

// within cleans the JSON that is written in a string.
func (r *reading) within(from, to int, whole bool) {
	switch {
	case r.text[from] != '"' || !strings.Contains(r.text[from:to], `\`):
	case whole:
		r.clean(from, to, unquoted(r.text[from:to]), `"`)
	default: // it is cut off
		r.clean(from+1, to, unquoted(r.text[from:to]), "")
	}
}

// skipString moves behind the string that begins here; false: it is cut off.
func (r *reading) skipString() bool {
	for r.at++; r.at < len(r.text); r.at++ {
		switch r.text[r.at] {
		case '\\':
			r.at++
		case '"':
			r.at++
			return true
		}
	}
	r.at = len(r.text)
	return false
}

// unquoted is what a string of JSON says, as far as it goes when it is cut off.
func unquoted(written string) string {
	inner := strings.TrimPrefix(written, `"`)
	if len(written) > 1 && strings.HasSuffix(inner, `"`) && (len(inner)-1-len(strings.TrimRight(inner[:len(inner)-1], `\`)))%2 == 0 {
		inner = inner[:len(inner)-1]
	}
	if !strings.Contains(inner, `\`) {
		return inner
	}
	// A code that is cut off has up to five characters.
	for cut := 0; cut <= min(5, len(inner)); cut++ {
		var s string
		if json.Unmarshal([]byte(`"`+inner[:len(inner)-cut]+`"`), &s) == nil {
			return s
		}
	}
	return inner
}

// blank takes out a value that is something: no empty string, and no true, false
// or null. The quotes of what is written within strings have backslashes.
func (s *sieve) blank(from, to, backslashes int) {
	value := s.text[from:to]
	quote := strings.Repeat(`\`, backslashes) + `"`
	if value == quote+quote || value == quote || !strings.ContainsRune(`\"{[-0123456789`, rune(value[0])) {
		return
	}
	s.blanks = append(s.blanks, span{from, to, quote + redacted + quote})
}

// quoteMark is a quote and how many backslashes make it one: none for a string, one
// within a string, three within one of those.
type quoteMark struct {
	at, backslashes int
}

// quotes are those of the text.
func (s *sieve) quotes() []quoteMark {
	var all []quoteMark
	before := 0
	for i := range len(s.text) {
		switch s.text[i] {
		case '\\':
			before++
			continue
		case '"':
			all = append(all, quoteMark{i, own(before)})
		}
		before = 0
	}
	return all
}

// own is how many of the backslashes before a quote are its own: the rest are
// written before it.
func own(backslashes int) int {
	n := 0
	for backslashes&(n+1) != 0 {
		n = n<<1 | 1
	}
	return n
}

// field is a name of JSON with a value, wherever it stands.
type field struct {
	name        string
	from        int // its value
	backslashes int
}

// members finds the fields that no whole object or array holds, by their quotes,
// within strings too. What belongs together is not known here: one pair that
// names a secret blanks all.
func (s *sieve) members() {
	fields := s.fields()
	pairs := slices.ContainsFunc(fields, func(f field) bool {
		if !isOne(f.name, pairNames) {
			return false
		}
		if f.from >= len(s.text) || strings.ContainsRune("{[", rune(s.text[f.from])) { // looked at once, not to the end for each name
			return false
		}
		n := s.lengthAt(f)
		return n > 0 && secretName(plainName(s.text[f.from:f.from+n], f.backslashes))
	})
	done := 0
	for _, f := range fields {
		secret := secretName(f.name) || pairs && isOne(f.name, pairValues)
		if f.from < done || !secret {
			continue
		}
		if n := s.lengthAt(f); n > 0 {
			done = f.from + n
			s.blank(f.from, done, f.backslashes)
		}
	}
}

func (s *sieve) fields() []field {
	var found []field
	quotes, whole := s.quotes(), s.whole
	for i, q := range quotes {
		for len(whole) > 0 && whole[0].to <= q.at {
			whole = whole[1:]
		}
		if len(whole) > 0 && whole[0].from <= q.at {
			continue
		}
		end := i + 1
		for end < len(quotes) && quotes[end].backslashes > q.backslashes {
			end++
		}
		if end == len(quotes) {
			continue
		}
		last := quotes[end]
		after := last.at + 1 + spaceAt(s.text[last.at+1:])
		name := s.text[q.at+1 : last.at-last.backslashes]
		if after == len(s.text) || s.text[after] != ':' || strings.Contains(name, "\n") {
			continue
		}
		after++
		found = append(found, field{plainName(name, last.backslashes), after + spaceAt(s.text[after:]), last.backslashes})
	}
	return found
}

// plainName is a name without the quotes and codes around it.
func plainName(written string, backslashes int) string {
	quote := strings.Repeat(`\`, backslashes) + `"`
	name := strings.TrimSuffix(strings.TrimPrefix(written, quote), quote)
	for ; strings.Contains(name, `\`); backslashes /= 2 {
		less := unquoted(`"` + name + `"`)
		if less == name || backslashes == 0 {
			return less
		}
		name = less
	}
	return name
}

// lengthAt is the length of a field's value, to the end of the text or of the
// string that holds it when it is cut off; 0: there is none.
func (s *sieve) lengthAt(f field) int {
	text := s.text[f.from:]
	if n := wordAt(text); n > 0 {
		return n
	}
	n := len(text) - len(strings.TrimLeft(text, `\`))
	switch rest := text[n:]; {
	case strings.HasPrefix(rest, `"`):
		if end := stringAt(rest[1:], own(n)); end >= 0 {
			return n + 1 + end
		}
	case n > 0 || rest == "" || deeper(rest[0]) != 1:
		return 0
	default:
		if end := nestedAt(rest, f.backslashes); end >= 0 {
			return end
		}
	}
	return len(text)
}

// stringAt is the length of the rest of a string whose quotes have so many
// backslashes; -1: it does not end.
func stringAt(text string, backslashes int) int {
	before := 0
	for i := range len(text) {
		switch text[i] {
		case '\\':
			before++
			continue
		case '"':
			switch n := own(before); {
			case n < backslashes:
				return i - n // what holds it ends
			case n == backslashes:
				return i + 1
			}
		}
		before = 0
	}
	return -1
}

// nestedAt is the length of the object or array at the beginning of a text; -1:
// it does not end.
func nestedAt(text string, backslashes int) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\\', '"':
			n := len(text[i:]) - len(strings.TrimLeft(text[i:], `\`))
			if i += n; i == len(text) || text[i] != '"' {
				i--
				continue
			}
			if n = own(n); n < backslashes {
				return i - n
			}
			end := stringAt(text[i+1:], n)
			if end < 0 {
				return -1
			}
			i += end
		default:
			if depth += deeper(c); depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

func deeper(c byte) int {
	switch c {
	case '{', '[':
		return 1
	case '}', ']':
		return -1
	}
	return 0
}

// spaceAt is how many characters of space a text begins with, also as they are
// written within strings.
func spaceAt(text string) int {
	i := 0
	for i < len(text) {
		switch text[i] {
		case ' ', '\t', '\n', '\r':
			i++
			continue
		case '\\':
			n := len(text[i:]) - len(strings.TrimLeft(text[i:], `\`))
			if i+n < len(text) && strings.IndexByte("ntr", text[i+n]) >= 0 {
				i += n + 1
				continue
			}
		}
		return i
	}
	return i
}

// wordAt is how many characters of a number, or of true, false and null, a text
// begins with.
func wordAt(text string) int {
	for i := range len(text) {
		c := text[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '+' || c == '.' || c == '_' {
			continue
		}
		return i
	}
	return len(text)
}

package workflow

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// What is called like a secret is kept and shown by nobody. Ours never get so far
// as a run; a call of any kind may send, or be answered, one that is the other
// system's.

const (
	redacted     = "[redacted]"
	redactedJSON = `"[redacted]"`
)

// maybeSecret is what each secret name holds: most texts hold none of it.
var maybeSecret = regexp.MustCompile(`(?i)secret|passw|passphrase|token|credential|private.?key|api.?key|auth|pat|pwd|jwt|bearer|cookie`)

// What makes a name that of a secret: a part of it, one of its words, its last
// word; and the last words of names that only speak of one.
var (
	secretParts = []string{"secret", "passw", "passphrase", "token", "credential", "privatekey", "apikey", "authorization"}
	secretWords = []string{"pat", "pwd", "jwt", "bearer", "cookie", "cookies"}
	secretEnds  = []string{"auth"}
	speaksOf    = []string{"name", "names", "id", "ids", "luid", "at", "on", "count", "type", "kind", "expires", "expiry", "expiration", "expired", "secretary", "secretaries"}
)

// secretName says whether a field of the name holds a secret.
func secretName(name string) bool {
	if !maybeSecret.MatchString(name) {
		return false
	}
	words := wordsOf(name)
	if len(words) == 0 || slices.Contains(speaksOf, words[len(words)-1]) {
		return false
	}
	whole := strings.Join(words, "")
	return slices.ContainsFunc(secretParts, func(part string) bool { return strings.Contains(whole, part) }) ||
		slices.ContainsFunc(words, func(word string) bool { return slices.Contains(secretWords, word) }) ||
		slices.Contains(secretEnds, words[len(words)-1])
}

// wordsOf are the words of a name such as apiKey, api_key or X-Api-Key, in small
// letters.
func wordsOf(name string) []string {
	var words []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			words, word = append(words, string(word)), nil
		}
	}
	small := false
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end()
			small = false
			continue
		case unicode.IsUpper(r) && small:
			end()
		}
		small = !unicode.IsUpper(r)
		word = append(word, unicode.ToLower(r))
	}
	end()
	return words
}

// withoutSecrets returns JSON whose fields with the name of a secret hold none.
// JSON without such a field stays as it is written.
func withoutSecrets(text string) string {
	if !maybeSecret.MatchString(text) {
		return text
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return redactedJSON
	}
	v, changed := redact(v, false)
	if !changed {
		return text
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return redactedJSON
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// redact blanks the texts in v that are secrets, and says whether there are any.
func redact(v any, secret bool) (_ any, changed bool) {
	switch v := v.(type) {
	case map[string]any:
		pair := labelled(v)
		for name, value := range v {
			now, blank := redact(value, secret || secretName(name) || pair && isOne(name, pairValues))
			v[name], changed = now, changed || blank
		}
	case []any:
		for i, value := range v {
			now, blank := redact(value, secret)
			v[i], changed = now, changed || blank
		}
	case string:
		if secret && v != "" {
			return redacted, true
		}
	}
	return v, changed
}

// How a field is written as two: {"name": "Authorization", "value": "…"}.
var (
	pairNames  = []string{"name", "key"}
	pairValues = []string{"value", "values"}
)

func isOne(name string, of []string) bool {
	return slices.ContainsFunc(of, func(one string) bool { return strings.EqualFold(one, name) })
}

// labelled says whether an object is such a pair, of the name of a secret.
func labelled(object map[string]any) bool {
	for name, value := range object {
		if label, _ := value.(string); isOne(name, pairNames) && secretName(label) {
			return true
		}
	}
	return false
}

// member is the name of a field of JSON within a text, up to its value.
var member = regexp.MustCompile(`"((?:[^"\\\n]|\\.)*)"\s*:\s*`)

// cleaned returns a text of people's in which the fields of JSON that are called
// like a secret hold none: what a script logs, and the words with which a call or
// a script failed. All else stays as it is, also JSON that is cut off.
func cleaned(text string) string {
	if !maybeSecret.MatchString(text) {
		return text
	}
	var out strings.Builder
	kept := 0
	members := member.FindAllStringSubmatchIndex(text, -1)
	paired := pairsIn(text, members)
	for _, m := range members {
		if m[0] < kept || !paired[m[0]] && !secretName(text[m[2]:m[3]]) {
			continue
		}
		if end := m[1] + valueLength(text[m[1]:]); end > m[1] {
			out.WriteString(text[kept:m[1]])
			out.WriteString(redactedJSON)
			kept = end
		}
	}
	out.WriteString(text[kept:])
	return out.String()
}

// mostBetween bounds how far apart the two fields of a pair are looked for: the
// fields between them, and the length of each.
const (
	mostBetween       = 8
	mostBetweenLength = 16 << 10
)

// comma stands between two fields of one object; plain is a value that is no
// text, object or array.
var (
	comma = regexp.MustCompile(`^\s*,\s*`)
	plain = regexp.MustCompile(`^[\w.+-]+`)
)

// pairsIn returns where in a text the members begin that hold the value of a pair
// whose name is that of a secret.
func pairsIn(text string, members [][]int) map[int]bool {
	at := make(map[int][]int, len(members))
	for _, m := range members {
		at[m[0]] = m
	}
	named := func(m []int, of []string) bool { return isOne(text[m[2]:m[3]], of) }
	found := map[int]bool{}
	for _, m := range members {
		label, value := named(m, pairNames), named(m, pairValues)
		if !label && !value || label && !labels(text[m[1]:]) {
			continue
		}
		other := m
		for range mostBetween {
			if other = next(text, other, at); other == nil {
				break
			}
			switch {
			case label && named(other, pairValues):
				found[other[0]] = true
			case value && named(other, pairNames) && labels(text[other[1]:]):
				found[m[0]] = true
			}
		}
	}
	return found
}

// labels says whether a text begins with the name of a secret, in quotes.
func labels(text string) bool {
	n := valueLength(text[:min(len(text), mostBetweenLength)])
	return n > 2 && text[0] == '"' && secretName(strings.Trim(text[:n], `"`))
}

// next returns the member that stands behind m in the same object, by where they
// begin; nil: there is none.
func next(text string, m []int, at map[int][]int) []int {
	rest := text[m[1]:min(len(text), m[1]+mostBetweenLength)]
	n := valueLength(rest)
	switch {
	case n == len(rest):
		return nil
	case n == 0 && strings.HasPrefix(rest, `""`):
		n = 2
	case n == 0:
		n = len(plain.FindString(rest))
	}
	return at[m[1]+n+len(comma.FindString(rest[n:]))]
}

// valueLength is the length of the string, object or array at the beginning of a
// text, to its end when it is cut off; 0: there stands something else, or nothing
// is in it.
func valueLength(text string) int {
	if text == "" || !strings.ContainsRune(`"{[`, rune(text[0])) || strings.HasPrefix(text, `""`) {
		return 0
	}
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
		if depth == 0 && !quoted {
			return i + 1
		}
	}
	return len(text)
}

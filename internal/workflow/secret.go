package workflow

import (
	"encoding/json"
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

// hints are what each name of a secret holds, or what hides one: most texts hold
// none of them. A name may be written in codes, and that of a value be cut off.
var hints = []string{"secret", "passw", "passphrase", "token", "credential", "private", "api", "auth", "pat", "pwd", "jwt", "bearer", "cookie", `\u00`, `"value`}

// maybeSecret says whether a text may hold the name of a secret.
func maybeSecret(text string) bool {
	for i := range len(text) {
		switch text[i] | 0x20 { // small
		case 's', 'p', 't', 'c', 'a', 'j', 'b', '\\' | 0x20, '"':
			if slices.ContainsFunc(hints, func(hint string) bool {
				return len(text)-i >= len(hint) && strings.EqualFold(text[i:i+len(hint)], hint)
			}) {
				return true
			}
		}
	}
	return false
}

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
	if !maybeSecret(name) {
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
// All else stays as it is written.
func withoutSecrets(text string) string {
	switch {
	case !maybeSecret(text):
		return text
	case !json.Valid([]byte(text)):
		return redactedJSON
	}
	return cleaned(text)
}

// How a field is written as two: {"name": "Authorization", "value": "…"}.
var (
	pairNames  = []string{"name", "key"}
	pairValues = []string{"value", "values"}
)

func isOne(name string, of []string) bool {
	return slices.ContainsFunc(of, func(one string) bool { return strings.EqualFold(one, name) })
}

// cleaned returns a text of people's in which the fields of JSON that are called
// like a secret hold none: what a script logs, and the words with which a call or
// a script failed. All else stays as it is. A text may be cut off, be broken and
// hold other words; where it does not say what a value is called, as a pair whose
// name was cut off, the value goes too. It takes time in proportion to the text.
func cleaned(text string) string {
	if !maybeSecret(text) {
		return text
	}
	s := sieve{text: text}
	s.objects()
	s.members()
	return s.result()
}

package tableautest

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"strconv"
	"strings"
	"time"
)

// elem is one element of Tableau's XML and, at once, one object of its JSON:
// attributes become keys, child elements become objects or arrays. Answers are
// described as elem once and rendered to either form; requests are read from
// either form into elem.
type elem struct {
	name  string
	text  string
	attrs []attr
	kids  []elem
	// many says that JSON shows the element inside an array, alone or not.
	many bool
	// leaf says that the element is text: a JSON string when it has no
	// attribute, else an object with the text under "value".
	leaf bool
}

type attr struct {
	key, val string
	kind     kind
}

type kind uint8

const (
	str     kind = iota
	number       // a JSON number where numbers are not sent as strings
	truth        // true or false
	spelled      // true or false that real JSON shows as a string
)

// el starts an element with attributes given as key, value, key, value.
func el(name string, pairs ...string) elem {
	e := elem{name: name}
	for i := 0; i+1 < len(pairs); i += 2 {
		e.attrs = append(e.attrs, attr{key: pairs[i], val: pairs[i+1]})
	}
	return e
}

// item is an element that JSON shows in an array.
func item(name string, pairs ...string) elem {
	e := el(name, pairs...)
	e.many = true
	return e
}

// list is a container of repeated elements; empty it is <users/> or
// "users":{}.
func list(name string, kids []elem) elem { return elem{name: name, kids: kids} }

// leaf is an element with text.
func leaf(name, text string) elem { return elem{name: name, text: text, leaf: true} }

// with adds an attribute.
func (e elem) with(key, val string) elem {
	e.attrs = append(e.attrs, attr{key: key, val: val})
	return e
}

// opt adds an attribute unless it has no value: Tableau leaves those out.
func (e elem) opt(key, val string) elem {
	if val == "" {
		return e
	}
	return e.with(key, val)
}

// num adds a number.
func (e elem) num(key string, n int) elem {
	e.attrs = append(e.attrs, attr{key: key, val: strconv.Itoa(n), kind: number})
	return e
}

// yes adds a boolean.
func (e elem) yes(key string, b bool) elem {
	e.attrs = append(e.attrs, attr{key: key, val: strconv.FormatBool(b), kind: truth})
	return e
}

// spell adds one of the booleans that are strings even where others are not.
func (e elem) spell(key string, b bool) elem {
	e.attrs = append(e.attrs, attr{key: key, val: strconv.FormatBool(b), kind: spelled})
	return e
}

// quoted tells whether JSON shows an attribute as a string.
func (a attr) quoted(numbers Mode, pagination bool) bool {
	switch numbers {
	case NumbersAsNumbers:
		return a.kind == str
	case PaginationAsStrings:
		return a.kind == str || pagination
	case NumbersMixed:
		return a.kind != truth
	default: // NumbersAsStrings
		return true
	}
}

// at adds a time, unless it is zero.
func (e elem) at(key string, t time.Time) elem { return e.opt(key, stamp(t)) }

// add appends child elements.
func (e elem) add(kids ...elem) elem {
	e.kids = append(e.kids, kids...)
	return e
}

// stamp writes a time as Tableau does: UTC, with Z, to the second. The zero
// time is the empty string.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// child returns the first child of that name, or an empty element. ok tells
// which.
func (e elem) child(name string) (elem, bool) {
	for _, k := range e.kids {
		if k.name == name {
			return k, true
		}
	}
	return elem{}, false
}

// children returns all children of that name.
func (e elem) children(name string) []elem {
	var out []elem
	for _, k := range e.kids {
		if k.name == name {
			out = append(out, k)
		}
	}
	return out
}

// get returns an attribute and whether it was there.
func (e elem) get(key string) (string, bool) {
	for _, a := range e.attrs {
		if a.key == key {
			return a.val, true
		}
	}
	return "", false
}

// val returns an attribute or the empty string.
func (e elem) val(key string) string {
	s, _ := e.get(key)
	return s
}

const (
	namespace = "http://tableau.com/api"
	xmlHead   = `<?xml version='1.0' encoding='UTF-8'?>`
)

// toXML renders elements inside <tsResponse>, with the schema of the version.
func toXML(api version, kids ...elem) []byte {
	var b bytes.Buffer
	b.WriteString(xmlHead + `<tsResponse xmlns="` + namespace + `" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="` +
		namespace + ` https://help.tableau.com/samples/en-us/rest_api/ts-api_` + strings.ReplaceAll(api.String(), ".", "_") + `.xsd">`)
	for _, k := range kids {
		k.writeXML(&b)
	}
	b.WriteString(`</tsResponse>`)
	return b.Bytes()
}

func (e elem) writeXML(b *bytes.Buffer) {
	b.WriteByte('<')
	b.WriteString(e.name)
	for _, a := range e.attrs {
		b.WriteByte(' ')
		b.WriteString(a.key)
		b.WriteString(`="`)
		_ = xml.EscapeText(b, []byte(a.val)) // a bytes.Buffer does not fail
		b.WriteByte('"')
	}
	if len(e.kids) == 0 && e.text == "" {
		b.WriteString("/>")
		return
	}
	b.WriteByte('>')
	_ = xml.EscapeText(b, []byte(e.text))
	for _, k := range e.kids {
		k.writeXML(b)
	}
	b.WriteString("</" + e.name + ">")
}

// toJSON renders elements as one object.
func toJSON(numbers Mode, kids ...elem) []byte {
	var b bytes.Buffer
	elem{kids: kids}.writeJSON(&b, numbers)
	return b.Bytes()
}

func (e elem) writeJSON(b *bytes.Buffer, numbers Mode) {
	if e.leaf && len(e.attrs) == 0 {
		writeString(b, e.text)
		return
	}
	sep := byte('{')
	key := func(name string) {
		b.WriteByte(sep)
		sep = ','
		writeString(b, name)
		b.WriteByte(':')
	}
	if e.leaf {
		key("value")
		writeString(b, e.text)
	}
	for _, a := range e.attrs {
		key(a.key)
		if a.quoted(numbers, e.name == "pagination") {
			writeString(b, a.val)
		} else {
			b.WriteString(a.val)
		}
	}
	for i := 0; i < len(e.kids); {
		k, end := e.kids[i], i+1
		key(k.name)
		if !k.many {
			k.writeJSON(b, numbers)
			i = end
			continue
		}
		for end < len(e.kids) && e.kids[end].name == k.name {
			end++
		}
		b.WriteByte('[')
		for j := i; j < end; j++ {
			if j > i {
				b.WriteByte(',')
			}
			e.kids[j].writeJSON(b, numbers)
		}
		b.WriteByte(']')
		i = end
	}
	if sep == '{' {
		b.WriteByte('{')
	}
	b.WriteByte('}')
}

// plainText tells whether a string is the same in JSON: most are, and a page
// of users has thousands.
func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// writeString writes a JSON string without escaping < > &, as Tableau does not.
func writeString(b *bytes.Buffer, s string) {
	if plainText(s) {
		b.WriteByte('"')
		b.WriteString(s)
		b.WriteByte('"')
		return
	}
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // strings always encode
	b.Truncate(b.Len() - 1)
}

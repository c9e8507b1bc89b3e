package tableautest

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"mime"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDepth is how deep a request body may nest.
const maxDepth = 64

var errBody = errors.New("malformed body")

// format is one of the two forms of a body.
type format uint8

const (
	asXML format = iota
	asJSON
)

// requestFormat decides how a request body is to be read. A body without a
// type is XML, which is what the Python client sends, and so is one of the type
// that curl -d and PowerShell give, as in Tableau's own examples.
func requestFormat(contentType string) (format, bool) {
	if strings.TrimSpace(contentType) == "" {
		return asXML, true
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		media, _, _ = strings.Cut(strings.ToLower(contentType), ";")
		media = strings.TrimSpace(media)
	}
	switch {
	case media == "application/xml", media == "text/xml", media == "application/x-www-form-urlencoded":
		return asXML, true
	case media == "application/json", strings.HasPrefix(media, "application/vnd.tableau.") && strings.HasSuffix(media, "+json"):
		return asJSON, true
	default:
		return asXML, false
	}
}

// decode reads a body into an element without a name whose children are those
// of <tsRequest> or of the JSON object.
func decode(f format, body []byte) (elem, error) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if f == asJSON {
		return decodeJSON(body)
	}
	return decodeXML(body)
}

func decodeXML(body []byte) (elem, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	var stack []elem
	var done *elem
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return elem{}, errBody
		}
		switch t := t.(type) {
		case xml.StartElement:
			if done != nil || len(stack) >= maxDepth || !named(t.Name.Local) {
				return elem{}, errBody
			}
			e := elem{name: t.Name.Local}
			for _, a := range t.Attr {
				if !named(a.Name.Local) {
					return elem{}, errBody
				}
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
					e.attrs = append(e.attrs, attr{key: a.Name.Local, val: a.Value})
				}
			}
			stack = append(stack, e)
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].text += string(t)
			}
		case xml.EndElement:
			e := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if strings.TrimSpace(e.text) == "" {
				e.text = ""
			}
			e.leaf = e.text != ""
			if len(stack) == 0 {
				done = &e
				continue
			}
			stack[len(stack)-1].kids = append(stack[len(stack)-1].kids, e)
		default: // comments, directives and processing instructions mean nothing
		}
	}
	if done == nil || done.name != "tsRequest" {
		return elem{}, errBody
	}
	return elem{kids: done.kids, attrs: done.attrs}, nil
}

// named tells whether a name without its prefix is one in XML too, which
// encoding/xml does not look at.
func named(local string) bool {
	r, _ := utf8.DecodeRuneInString(local)
	return r == '_' || unicode.IsLetter(r)
}

func decodeJSON(body []byte) (elem, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	t, err := d.Token()
	if err != nil || t != json.Delim('{') {
		return elem{}, errBody
	}
	e, err := decodeObject(d, "", 1)
	if err != nil {
		return elem{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return elem{}, errBody
	}
	return e, nil
}

// decodeObject reads the rest of an object whose brace has been read.
func decodeObject(d *json.Decoder, name string, depth int) (elem, error) {
	e := elem{name: name}
	for d.More() {
		t, err := d.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return elem{}, errBody
		}
		if err := decodeValue(d, &e, key, false, depth); err != nil {
			return elem{}, err
		}
	}
	if _, err := d.Token(); err != nil {
		return elem{}, errBody
	}
	return e, nil
}

// decodeValue reads one value into e under key: a scalar becomes an attribute,
// or, in an array, a child with text; an object becomes a child.
func decodeValue(d *json.Decoder, e *elem, key string, inArray bool, depth int) error {
	t, err := d.Token()
	if err != nil || depth > maxDepth {
		return errBody
	}
	put := func(val string, k kind) {
		if inArray {
			e.kids = append(e.kids, elem{name: key, text: val, leaf: true, many: true})
			return
		}
		// The last of two equal keys counts, as in most readers of JSON.
		e.attrs = slices.DeleteFunc(e.attrs, func(a attr) bool { return a.key == key })
		e.attrs = append(e.attrs, attr{key: key, val: val, kind: k})
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			for d.More() {
				if err := decodeValue(d, e, key, true, depth+1); err != nil {
					return err
				}
			}
			_, err := d.Token()
			return wrapBody(err)
		}
		kid, err := decodeObject(d, key, depth+1)
		if err != nil {
			return err
		}
		kid.many = inArray
		e.kids = append(e.kids, kid)
	case string:
		put(t, str)
	case json.Number:
		put(t.String(), number)
	case bool:
		if t {
			put("true", truth)
		} else {
			put("false", truth)
		}
	default: // null is absent
	}
	return nil
}

func wrapBody(err error) error {
	if err != nil {
		return errBody
	}
	return nil
}

// isTrue reads a boolean of a request; clients in Python send True.
func isTrue(s string) bool { return strings.EqualFold(s, "true") }

// answerFormat reads the Accept header: XML, unless JSON is wanted more.
func answerFormat(accept string) format {
	best, f := 0.0, asXML
	for part := range strings.SplitSeq(accept, ",") {
		media, params, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err != nil {
			continue
		}
		q := quality(params["q"])
		switch {
		case q <= best:
		case media == "application/json", strings.HasSuffix(media, "+json"):
			best, f = q, asJSON
		case media == "application/xml", media == "text/xml", strings.HasSuffix(media, "+xml"):
			best, f = q, asXML
		default: // wildcards and the rest leave the choice to us: XML
		}
	}
	return f
}

// quality reads the q of an Accept header; without one it is 1.
func quality(s string) float64 {
	if s == "" {
		return 1
	}
	q, err := strconv.ParseFloat(s, 64)
	if err != nil || q < 0 || q > 1 {
		return 0
	}
	return q
}

package tableau

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"mime"
	"net/http"
	"strings"
)

// Err returns the refusal that an answer with 4xx or 5xx is, as an [*Error],
// or nil.
func (r *Response) Err() error {
	if e, ok := r.refusal(); ok {
		return e
	}
	if r.Status < http.StatusBadRequest {
		return nil
	}
	return &Error{Op: r.op, Status: r.Status, Raw: clip(r.Body, MaxRawError), RetryAt: r.RetryAt}
}

// refusal returns Tableau's own refusal in an answer. Some come with 200.
func (r *Response) refusal() (*Error, bool) {
	if r.Status < http.StatusBadRequest && !looksLikeError(r.Body) {
		return nil, false
	}
	e, ok := parseError(r.op, r.Status, r.Body)
	if ok {
		e.RetryAt = r.RetryAt
	}
	return e, ok
}

// code returns Tableau's error code, "" for none.
func (r *Response) code() string {
	if r.errCode == nil {
		e, ok := r.refusal()
		if !ok {
			e = &Error{}
		}
		r.errCode = &e.Code
	}
	return *r.errCode
}

func (r *Response) isJSON() bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}

func (r *Response) isHTML() bool {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	return kind == "text/html" || kind == "application/xhtml+xml"
}

// looksLikeError reports whether a 2xx body may be an error element, without
// reading all of a large one.
func looksLikeError(body []byte) bool {
	head := body[:min(len(body), 2<<10)]
	first := bytes.TrimLeft(head, " \t\r\n")
	if len(first) == 0 {
		return false
	}
	if first[0] == '<' {
		return bytes.Contains(head, []byte("<error"))
	}
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(first[1:], " \t\r\n"), []byte(`"error"`))
	return first[0] == '{' && ok && bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n:"), []byte("{"))
}

// parseError reads an error body in any of the forms that Tableau's services
// use, in JSON or XML of any namespace.
func parseError(op string, status int, body []byte) (e *Error, ok bool) {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	if len(trimmed) == 0 {
		return nil, false
	}
	if trimmed[0] == '<' {
		return parseXMLError(op, status, trimmed)
	}
	if deep, _ := scanJSON(trimmed); deep {
		return nil, false
	}
	var j struct {
		Error        json.RawMessage `json:"error"`
		HTTPCode     text            `json:"httpErrorCode"` // versionless services
		Message      text            `json:"message"`
		Code         text            `json:"code"`           // Pulse
		ErrorCode    text            `json:"errorCode"`      // VizQL Data Service
		TabErrorCode text            `json:"tab-error-code"` // the same
	}
	if !readable(json.Unmarshal, trimmed, &j) {
		return e, false
	}
	if inner, ok := parseErrorElement(j.Error); ok {
		return &Error{Op: op, Status: status, Code: string(inner.Code), Summary: string(inner.Summary), Detail: string(inner.Detail)}, true
	}
	if status < http.StatusBadRequest || j.Message == "" {
		return nil, false
	}
	e = &Error{Op: op, Status: status, Summary: http.StatusText(status), Detail: string(j.Message)}
	for _, code := range []text{j.Code, j.TabErrorCode, j.ErrorCode, j.HTTPCode} {
		if len(code) == 6 {
			e.Code = string(code)
			break
		}
	}
	return e, true
}

// readable reports whether a body can be read as v; that it cannot is an
// answer here, and no error.
func readable(unmarshal func([]byte, any) error, body []byte, v any) bool {
	return unmarshal(body, v) == nil
}

// errorElement is the usual form of a refusal.
type errorElement struct {
	Summary text `json:"summary"`
	Detail  text `json:"detail"`
	Code    text `json:"code"`
}

func parseErrorElement(raw json.RawMessage) (errorElement, bool) {
	var e errorElement
	if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &e) != nil {
		return errorElement{}, false
	}
	return e, e != errorElement{}
}

func parseXMLError(op string, status int, body []byte) (e *Error, ok bool) {
	var x struct {
		Error *struct {
			Code    string `xml:"code,attr"`
			Summary string `xml:"summary"`
			Detail  string `xml:"detail"`
		} `xml:"error"`
	}
	if !readable(xml.Unmarshal, body, &x) || x.Error == nil || x.Error.Code == "" && x.Error.Summary == "" && x.Error.Detail == "" {
		return e, false
	}
	return &Error{Op: op, Status: status, Code: x.Error.Code, Summary: x.Error.Summary, Detail: x.Error.Detail}, true
}

// text is a JSON value that should be a string and may be a number or boolean.
type text string

// UnmarshalJSON takes any scalar; null is "".
func (t *text) UnmarshalJSON(b []byte) error {
	switch {
	case len(b) > 0 && b[0] == '"':
		return json.Unmarshal(b, (*string)(t))
	case string(b) == "null" || len(b) > 0 && (b[0] == '{' || b[0] == '['):
		*t = ""
	default:
		*t = text(b)
	}
	return nil
}

// scanJSON looks at the nesting of a JSON text: whether it is deeper than
// MaxDepth, and whether the text ends before it is closed.
func scanJSON(b []byte) (deep, cut bool) {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			end := stringEnd(b[i+1:])
			if end < 0 {
				return false, true
			}
			i += end
		case '{', '[':
			if depth++; depth > MaxDepth {
				return true, false
			}
		case '}', ']':
			depth--
		}
	}
	return false, depth > 0
}

// stringEnd returns the length of a JSON string's rest, closing quote
// included, or -1.
func stringEnd(b []byte) int {
	at := 0
	for {
		i := bytes.IndexByte(b[at:], '"')
		if i < 0 {
			return -1
		}
		at += i + 1
		slashes := 0
		for j := at - 2; j >= 0 && b[j] == '\\'; j-- {
			slashes++
		}
		if slashes%2 == 0 {
			return at
		}
	}
}

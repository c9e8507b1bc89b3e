package tableau

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// call makes a call and reads its answer as a T.
func call[T any](ctx context.Context, c *Client, r Request) (T, error) {
	resp, err := c.Do(ctx, r)
	if err != nil {
		return *new(T), err
	}
	return answer[T](resp)
}

// answer reads an answer as a T. Only JSON that says so counts: a page of
// something else must not pass for an empty answer.
func answer[T any](r *Response) (T, error) {
	var v T
	if err := r.Err(); err != nil {
		return v, err
	}
	if err := r.mustBeJSON(); err != nil {
		return v, err
	}
	err := json.Unmarshal(r.Body, &v)
	if _, wrongType := errors.AsType[*json.UnmarshalTypeError](err); wrongType {
		v = *new(T)
		err = json.Unmarshal(loosen(r.Body), &v)
	}
	if err != nil {
		return *new(T), r.notTableau()
	}
	return v, nil
}

func (r *Response) mustBeJSON() error {
	if !r.isJSON() && r.Header.Get("Content-Type") != "" || len(r.Body) == 0 {
		return r.notTableau()
	}
	return nil
}

func (r *Response) notTableau() error {
	return &NotTableauError{Op: r.op, Status: r.Status, Excerpt: excerpt(r.Body)}
}

// loosen rewrites a JSON text that is not typed as expected: numbers and
// booleans become strings, which is what Tableau's conversion from XML makes
// of most of them.
func loosen(body []byte) []byte {
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil || dec.Decode(new(any)) != io.EOF {
		return body
	}
	out, err := json.Marshal(stringify(v))
	if err != nil {
		return body
	}
	return out
}

func stringify(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = stringify(e)
		}
		return v
	case []any:
		for i, e := range v {
			v[i] = stringify(e)
		}
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	default:
		return v
	}
}

// count is a number that Tableau may send as a string. Known tells it from an
// absent or unreadable one.
type count struct {
	n     int
	known bool
}

// UnmarshalJSON takes numbers and strings, and ignores all else.
func (c *count) UnmarshalJSON(b []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(b), `"`))
	*c = count{n: n, known: err == nil && n >= 0}
	return nil
}

// parseTime reads a time of Tableau's; what it cannot read is the zero time.
func parseTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05.999Z0700", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

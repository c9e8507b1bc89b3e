package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// fieldNames returns the names of the fields of T's JSON.
func fieldNames[T any]() []string {
	var names []string
	for f := range reflect.TypeFor[T]().Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// knownFields refuses fields that T's JSON does not have. Below the first dot
// anything may follow.
func knownFields[T any](fields []string) error {
	names := fieldNames[T]()
	for _, f := range fields {
		first, _, _ := strings.Cut(f, ".")
		if !slices.Contains(names, first) {
			return usage("There are: "+strings.Join(names, ", "), "There is no field %q.", f)
		}
	}
	return nil
}

// ordered is a JSON object that keeps its fields in their order.
type ordered []member

type member struct {
	name  string
	value json.RawMessage
}

// MarshalJSON implements json.Marshaler.
func (o ordered) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// picked returns item with the chosen fields only, or item when none was
// chosen.
func picked[T any](fields []string, item T) (any, error) {
	if len(fields) == 0 {
		return item, nil
	}
	if err := knownFields[T](fields); err != nil {
		return nil, err
	}
	var o ordered
	for _, f := range fields {
		value, err := field(item, f)
		if err != nil {
			return nil, err
		}
		o = append(o, member{f, value})
	}
	return o, nil
}

// field returns the value of a field of item's JSON, null where there is none.
func field(item any, path string) (json.RawMessage, error) {
	value, err := json.Marshal(item)
	if err != nil {
		return nil, fmt.Errorf("read the field %s: %w", path, err)
	}
	for name := range strings.SplitSeq(path, ".") {
		var object map[string]json.RawMessage
		if json.Unmarshal(value, &object) != nil || object[name] == nil {
			return json.RawMessage("null"), nil
		}
		value = object[name]
	}
	return value, nil
}

// fieldText returns the value of a field as one piece of text.
func fieldText(item any, path string) (string, error) {
	value, err := field(item, path)
	if err != nil {
		return "", err
	}
	var plainText *string
	if json.Unmarshal(value, &plainText) == nil {
		if plainText == nil {
			return "", nil
		}
		return *plainText, nil
	}
	return string(value), nil
}

package workflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/margay-access/margay/internal/fault"
)

// Input is one field of the form that starts a manual workflow.
type Input struct {
	Name        string
	Type        string // "string", "number", "integer", "boolean", "array" (of strings)
	Title       string
	Description string
	Format      string // of a string: "", "email", "date", "multiline"
	Required    bool
	Default     json.RawMessage
	Enum        []string // the only values of a string, or of the items of an array
	Pattern     string
	MinLength   *int
	MaxLength   *int
	Minimum     *float64
	Maximum     *float64
	MinItems    *int
	MaxItems    *int

	pattern *regexp.Regexp
}

const (
	maxInputs      = 50
	maxInputSchema = 32 << 10
	maxInputText   = 10000 // characters in one text
	maxInputItems  = 1000
)

// property is one property of the schema as it is written.
type property struct {
	Type        string          `json:"type"`
	Title       string          `json:"title,omitempty"`
	Description string          `json:"description,omitempty"`
	Format      string          `json:"format,omitempty"`
	Default     json.RawMessage `json:"default,omitempty"`
	Enum        []string        `json:"enum,omitempty"`
	Pattern     string          `json:"pattern,omitempty"`
	MinLength   *int            `json:"minLength,omitempty"`
	MaxLength   *int            `json:"maxLength,omitempty"`
	Minimum     *float64        `json:"minimum,omitempty"`
	Maximum     *float64        `json:"maximum,omitempty"`
	MinItems    *int            `json:"minItems,omitempty"`
	MaxItems    *int            `json:"maxItems,omitempty"`
	Items       *items          `json:"items,omitempty"`
}

type items struct {
	Type string   `json:"type"`
	Enum []string `json:"enum,omitempty"`
}

var inputName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// InputFields returns the fields that the version's schema declares, in the order in
// which they are written.
func (v Version) InputFields() []Input { return v.Content().InputFields() }

// InputFields returns the fields that the content's schema declares; none when
// it cannot be read.
func (c Content) InputFields() []Input {
	fields, err := readInputs(c.Inputs)
	if err != nil {
		return nil
	}
	return fields
}

// cleanInputs returns the schema without blanks, or what is wrong with it. What
// this program does not understand is refused: a rule that nobody checks is
// worse than none.
func cleanInputs(schema json.RawMessage) (json.RawMessage, error) {
	if _, err := readInputs(schema); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Compact(&out, schema); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func readInputs(schema json.RawMessage) ([]Input, error) {
	if len(schema) == 0 {
		return nil, nil
	}
	if len(schema) > maxInputSchema {
		return nil, fault.Field("inputs", "The inputs have at most %d kB.", maxInputSchema>>10)
	}
	var whole struct {
		Schema      string          `json:"$schema"`
		Type        string          `json:"type"`
		Title       string          `json:"title"`
		Description string          `json:"description"`
		Properties  json.RawMessage `json:"properties"`
		Required    []string        `json:"required"`
		Additional  *bool           `json:"additionalProperties"`
	}
	if err := strictly(schema, &whole); err != nil {
		return nil, fault.Field("inputs", "The inputs are a JSON schema of an object: %v.", err)
	}
	if whole.Type != "object" || whole.Additional != nil && *whole.Additional {
		return nil, fault.Field("inputs", `The inputs are a JSON schema of "type": "object", with the properties that it lists and no others.`)
	}
	names, texts, err := ordered(whole.Properties)
	if err != nil {
		return nil, fault.Field("inputs.properties", "%v.", err)
	}
	if len(names) > maxInputs {
		return nil, fault.Field("inputs.properties", "A workflow has at most %d inputs.", maxInputs)
	}
	var faults []*fault.Error
	fields := make([]Input, 0, len(names))
	for i, name := range names {
		f, err := readInput(name, texts[i])
		if err != nil {
			faults = append(faults, fault.Field("inputs.properties."+name, "The input %s: %v.", name, err))
			continue
		}
		f.Required = slices.Contains(whole.Required, name)
		fields = append(fields, f)
	}
	for _, name := range whole.Required {
		if !slices.Contains(names, name) {
			faults = append(faults, fault.Field("inputs.required", "%q is required and is no input.", name))
		}
	}
	return fields, fault.Join(faults...)
}

// strictly decodes text and refuses what it has no place for.
func strictly(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return plainJSON(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something behind its end")
	}
	return nil
}

// plainJSON says what is wrong with JSON in words of its author's.
func plainJSON(err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s cannot be a %s", e.Field, e.Value)
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fmt.Errorf("%s is not understood here", field)
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New("it is not JSON")
	}
	return err
}

// ordered returns the members of a JSON object in the order in which they are
// written.
func ordered(object json.RawMessage) (names []string, texts []json.RawMessage, err error) {
	if len(object) == 0 {
		return nil, nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(object))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, nil, errors.New("the properties are an object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		var text json.RawMessage
		if err := d.Decode(&text); err != nil {
			return nil, nil, err
		}
		key, _ := name.(string) // of a member it is one
		if slices.Contains(names, key) {
			return nil, nil, fmt.Errorf("%q is there twice", key)
		}
		names, texts = append(names, key), append(texts, text)
	}
	return names, texts, nil
}

func readInput(name string, text json.RawMessage) (Input, error) {
	if !inputName.MatchString(name) {
		return Input{}, errors.New("its name has letters, digits and _ only, and begins with no digit")
	}
	var p property
	if err := strictly(text, &p); err != nil {
		return Input{}, err
	}
	f := Input{
		Name: name, Type: p.Type, Title: p.Title, Description: p.Description, Format: p.Format, Default: p.Default, Enum: p.Enum, Pattern: p.Pattern,
		MinLength: p.MinLength, MaxLength: p.MaxLength, Minimum: p.Minimum, Maximum: p.Maximum, MinItems: p.MinItems, MaxItems: p.MaxItems,
	}
	if p.Type == "array" {
		if p.Items == nil || p.Items.Type != "string" || len(p.Enum) > 0 {
			return f, errors.New(`an array has "items" of "type": "string", and its "enum" stands there`)
		}
		f.Enum = p.Items.Enum
	} else if p.Items != nil {
		return f, errors.New(`"items" is for an array`)
	}
	if err := f.check(); err != nil {
		return f, err
	}
	if len(f.Default) > 0 {
		if err := f.accepts(f.Default); err != nil {
			return f, fmt.Errorf("its default does not fit: %w", err)
		}
	}
	return f, nil
}

// check refuses a field that declares what it cannot keep.
func (f *Input) check() error {
	text, number, list := f.Type == "string", f.Type == "number" || f.Type == "integer", f.Type == "array"
	switch {
	case !text && !number && !list && f.Type != "boolean":
		return errors.New(`its type is "string", "number", "integer", "boolean" or "array"`)
	case f.Format != "" && (!text || !slices.Contains([]string{"email", "date", "multiline"}, f.Format)):
		return errors.New(`the format of a string is "email", "date" or "multiline"`)
	case (f.Pattern != "" || f.MinLength != nil || f.MaxLength != nil) && !text:
		return errors.New(`"pattern", "minLength" and "maxLength" are for strings`)
	case (f.Minimum != nil || f.Maximum != nil) && !number:
		return errors.New(`"minimum" and "maximum" are for numbers`)
	case (f.MinItems != nil || f.MaxItems != nil) && !list:
		return errors.New(`"minItems" and "maxItems" are for arrays`)
	case len(f.Enum) > 0 && !text && !list:
		return errors.New(`"enum" is for strings`)
	}
	if f.Pattern != "" {
		re, err := regexp.Compile(f.Pattern)
		if err != nil {
			return errors.New("its pattern cannot be read")
		}
		f.pattern = re
	}
	return nil
}

// CheckInputs returns the inputs as a run is told them, with defaults for those
// that are missing, or what is wrong with them.
func (v Version) CheckInputs(given json.RawMessage) (json.RawMessage, error) {
	fields, err := readInputs(v.Inputs)
	if err != nil {
		return nil, err
	}
	if len(given) == 0 || string(given) == "null" {
		given = json.RawMessage("{}")
	}
	names, texts, err := ordered(given)
	if err != nil || !json.Valid(given) {
		return nil, fault.Field("inputs", "The inputs are a JSON object that names each once.")
	}
	var faults []*fault.Error
	values := map[string]json.RawMessage{}
	for i, name := range names {
		if !slices.ContainsFunc(fields, func(f Input) bool { return f.Name == name }) {
			faults = append(faults, fault.Field("inputs."+name, "There is no input %q.", name))
		}
		if string(texts[i]) != "null" {
			values[name] = texts[i]
		}
	}
	for _, f := range fields {
		value, ok := values[f.Name]
		switch {
		case ok:
			if err := f.accepts(value); err != nil {
				faults = append(faults, fault.Field("inputs."+f.Name, "%s: %v.", f.Label(), err))
			}
		case len(f.Default) > 0:
			values[f.Name] = f.Default
		case f.Required:
			faults = append(faults, fault.Field("inputs."+f.Name, "%s is required.", f.Label()).WithCode("required"))
		}
	}
	if err := fault.Join(faults...); err != nil {
		return nil, err
	}
	return json.Marshal(values)
}

// Label is what a form calls the field.
func (f Input) Label() string {
	if f.Title != "" {
		return f.Title
	}
	return f.Name
}

// accepts says why a value is not one of the field's, or nil.
func (f Input) accepts(value json.RawMessage) error {
	var v any
	if err := json.Unmarshal(value, &v); err != nil {
		return errors.New("it is not JSON")
	}
	switch v := v.(type) {
	case string:
		if f.Type == "string" {
			return f.acceptsText(v)
		}
	case bool:
		if f.Type == "boolean" {
			return nil
		}
	case float64:
		if f.Type == "number" || f.Type == "integer" {
			return f.acceptsNumber(v)
		}
	case []any:
		if f.Type == "array" {
			return f.acceptsList(v)
		}
	}
	return fmt.Errorf("a %s is wanted", map[string]string{
		"string": "text", "number": "number", "integer": "whole number", "boolean": "yes or no", "array": "list of texts",
	}[f.Type])
}

func (f Input) acceptsText(v string) error {
	length := utf8.RuneCountInString(v)
	switch {
	case strings.ContainsRune(v, 0):
		return errors.New("it holds a character that cannot be kept")
	case f.Required && strings.TrimSpace(v) == "":
		return errors.New("it is required")
	case length > maxInputText || f.MaxLength != nil && length > *f.MaxLength:
		return errors.New("the text is too long")
	case f.MinLength != nil && length < *f.MinLength:
		return errors.New("the text is too short")
	case len(f.Enum) > 0 && !slices.Contains(f.Enum, v):
		return fmt.Errorf("it is one of %s", strings.Join(f.Enum, ", "))
	case f.pattern != nil && !f.pattern.MatchString(v):
		return fmt.Errorf("it does not match %s", f.Pattern)
	case v == "":
		return nil
	}
	switch f.Format {
	case "email":
		if a, err := mail.ParseAddress(v); err != nil || a.Address != v {
			return errors.New("it is no e-mail address")
		}
	case "date":
		if _, err := time.Parse(time.DateOnly, v); err != nil {
			return errors.New("a date is written as in 2026-03-31")
		}
	}
	return nil
}

func (f Input) acceptsNumber(v float64) error {
	switch {
	case f.Type == "integer" && v != math.Trunc(v):
		return errors.New("a whole number is wanted")
	case f.Minimum != nil && v < *f.Minimum:
		return fmt.Errorf("it is at least %v", *f.Minimum)
	case f.Maximum != nil && v > *f.Maximum:
		return fmt.Errorf("it is at most %v", *f.Maximum)
	}
	return nil
}

func (f Input) acceptsList(list []any) error {
	switch {
	case len(list) > maxInputItems || f.MaxItems != nil && len(list) > *f.MaxItems:
		return errors.New("the list is too long")
	case f.MinItems != nil && len(list) < *f.MinItems || f.Required && len(list) == 0:
		return errors.New("the list is too short")
	}
	for _, item := range list {
		text, ok := item.(string)
		switch {
		case !ok:
			return errors.New("a list of texts is wanted")
		case len(f.Enum) > 0 && !slices.Contains(f.Enum, text):
			return fmt.Errorf("%q is not one of %s", text, strings.Join(f.Enum, ", "))
		case utf8.RuneCountInString(text) > maxInputText || strings.ContainsRune(text, 0):
			return errors.New("a text of it cannot be kept")
		}
	}
	return nil
}

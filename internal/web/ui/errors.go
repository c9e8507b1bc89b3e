package ui

import "github.com/margay-access/margay/internal/fault"

// FieldError is what is wrong with one field of a form, or with all of it.
type FieldError struct{ Field, Text string }

// Errors are what is wrong with a form.
type Errors []FieldError

// ErrorsOf returns what err says of fields; ok is false when it is no such
// fault, and belongs on a page of errors.
func ErrorsOf(err error) (errs Errors, ok bool) {
	if fault.KindOf(err) != fault.Invalid {
		return nil, false
	}
	f := fault.Public(err)
	for _, field := range f.Fields() {
		errs = append(errs, FieldError{Field: field.Field, Text: field.Message})
	}
	if len(errs) == 0 {
		errs = Errors{{Text: f.Message}}
	}
	return errs, true
}

// Of returns what is wrong with the field: "" is nothing.
func (e Errors) Of(field string) string {
	for _, x := range e {
		if x.Field == field {
			return x.Text
		}
	}
	return ""
}

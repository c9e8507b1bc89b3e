package workflow_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/workflow"
)

const inputSchema = `{"type":"object","properties":{
  "site":   {"type":"string","title":"Site","enum":["acme","beta"],"default":"acme"},
  "days":   {"type":"integer","title":"Days without a sign-in","minimum":1,"maximum":365,"default":90},
  "owner":  {"type":"string","format":"email"},
  "until":  {"type":"string","format":"date"},
  "code":   {"type":"string","pattern":"^[A-Z]{3}$","minLength":3,"maxLength":3},
  "really": {"type":"boolean"},
  "roles":  {"type":"array","items":{"type":"string","enum":["Viewer","Creator"]},"maxItems":2},
  "ratio":  {"type":"number"}
},"required":["really"],"additionalProperties":false}`

func TestInputs(t *testing.T) {
	t.Parallel()
	v := workflow.Version{Inputs: json.RawMessage(inputSchema)}
	tests := map[string]struct {
		given, want string
		fields      []string // at fault
	}{
		"defaults":         {given: `{"really":true}`, want: `{"days":90,"really":true,"site":"acme"}`},
		"all":              {given: `{"really":false,"site":"beta","days":7,"owner":"a@x.example","until":"2026-03-31","code":"ABC","roles":["Viewer"],"ratio":0.5}`, want: `{"code":"ABC","days":7,"owner":"a@x.example","ratio":0.5,"really":false,"roles":["Viewer"],"site":"beta","until":"2026-03-31"}`},
		"null is absent":   {given: `{"really":true,"owner":null}`, want: `{"days":90,"really":true,"site":"acme"}`},
		"nothing":          {given: ``, fields: []string{"inputs.really"}},
		"no object":        {given: `[1]`, fields: []string{"inputs"}},
		"unknown":          {given: `{"really":true,"rally":1}`, fields: []string{"inputs.rally"}},
		"wrong types":      {given: `{"really":"yes","days":"7","site":1,"roles":"Viewer"}`, fields: []string{"inputs.site", "inputs.days", "inputs.really", "inputs.roles"}},
		"out of bounds":    {given: `{"really":true,"days":0}`, fields: []string{"inputs.days"}},
		"no whole number":  {given: `{"really":true,"days":1.5}`, fields: []string{"inputs.days"}},
		"not in the list":  {given: `{"really":true,"site":"gamma","roles":["Owner"]}`, fields: []string{"inputs.site", "inputs.roles"}},
		"too many":         {given: `{"really":true,"roles":["Viewer","Viewer","Viewer"]}`, fields: []string{"inputs.roles"}},
		"no e-mail":        {given: `{"really":true,"owner":"Rita <a@x.example>"}`, fields: []string{"inputs.owner"}},
		"no date":          {given: `{"really":true,"until":"31.3.2026"}`, fields: []string{"inputs.until"}},
		"no match":         {given: `{"really":true,"code":"abc"}`, fields: []string{"inputs.code"}},
		"given twice":      {given: `{"really":true,"really":false}`, fields: []string{"inputs"}},
		"a NUL in a text":  {given: `{"really":true,"owner":"\u0000"}`, fields: []string{"inputs.owner"}},
		"not even JSON":    {given: `{`, fields: []string{"inputs"}},
		"JSON and behind":  {given: `{"really":true} {}`, fields: []string{"inputs"}},
		"blank is not set": {given: `{"really":true,"site":""}`, fields: []string{"inputs.site"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := v.CheckInputs(json.RawMessage(tt.given))

			if len(tt.fields) == 0 {
				if err != nil || string(got) != tt.want {
					t.Errorf("%s, %v, want %s", got, err, tt.want)
				}
				return
			}
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || f.Kind != fault.Invalid {
				t.Fatalf("%s, %v", got, err)
			}
			fields := f.Fields()
			for i, want := range tt.fields {
				if i >= len(fields) || fields[i].Field != want {
					t.Fatalf("%+v, want %v", fields, tt.fields)
				}
			}
		})
	}
	// The form is drawn in the order in which they are written.
	var names []string
	for _, f := range v.InputFields() {
		names = append(names, f.Name)
	}
	if got, _ := json.Marshal(names); string(got) != `["site","days","owner","until","code","really","roles","ratio"]` { //nolint:errchkjson // a list of texts
		t.Errorf("%s", got)
	}
}

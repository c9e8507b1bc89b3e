package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/margay-access/margay/internal/fault"
)

// Codes of errors that the engine itself gives a job.
const (
	CodeFailed           = "failed"           // an error without a code of its own
	CodeCrashed          = "crashed"          // the handler panicked, or the process ended too often while the job ran
	CodeCancelled        = "cancelled"        // somebody cancelled the job
	CodeBadOutput        = "bad_output"       // the output is not JSON in UTF-8
	CodeNondeterministic = "nondeterministic" // a replay asked for other steps than were recorded
)

// StepError is an error as it is recorded: the same when it is first returned
// and in each replay. An error of another type becomes one when it is recorded;
// its code is then that of a [fault.Error], else [CodeFailed].
type StepError struct {
	Code    string          `json:"code"`
	Message string          `json:"message"`
	Detail  string          `json:"detail,omitempty"`
	Kind    fault.Kind      `json:"kind,omitempty"` // lets errors.Is(err, fault.Upstream) hold in a replay too
	Data    json.RawMessage `json:"data,omitempty"`
}

// Error implements error with the message.
func (e *StepError) Error() string { return e.Message }

// Is reports whether target is the kind of e.
func (e *StepError) Is(target error) bool {
	kind, ok := target.(fault.Kind)
	return ok && e.Kind != "" && e.Kind == kind
}

// asStepError gives err the form in which it is recorded.
func asStepError(err error) *StepError {
	if e, ok := errors.AsType[*StepError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*fault.Error](err); ok {
		code := e.Code
		if code == "" {
			code = CodeFailed
		}
		return &StepError{Code: code, Message: e.Message, Detail: e.Detail, Kind: e.Kind}
	}
	return &StepError{Code: CodeFailed, Message: err.Error()}
}

// outcome is what is recorded of a step and of a job: a value or an error.
type outcome struct {
	Value json.RawMessage `json:"value,omitempty"`
	Error *StepError      `json:"error,omitempty"`
}

// encodeOutcome never fails: what cannot be recorded is recorded as such, for
// an outcome that is lost would be asked for again.
func encodeOutcome(value json.RawMessage, err error) json.RawMessage {
	o := outcome{Value: value}
	if err == nil {
		err = checkJSON(value)
	}
	if err != nil {
		o = outcome{Error: asStepError(err)}
	}
	if text, err := json.Marshal(o); err == nil {
		return text
	}
	o = outcome{Error: &StepError{Code: CodeBadOutput, Message: "The data of the error is not JSON.", Detail: o.Error.Message}}
	text, _ := json.Marshal(o) //nolint:errchkjson // strings only
	return text
}

func decodeOutcome(text json.RawMessage) (json.RawMessage, error) {
	var o outcome
	if len(text) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, fmt.Errorf("decode recorded outcome: %w", err)
	}
	if o.Error != nil {
		return nil, o.Error
	}
	return o.Value, nil
}

// checkJSON says whether a value can be stored as text by both databases. No
// value at all is fine.
func checkJSON(value json.RawMessage) error {
	if len(value) > 0 && (!json.Valid(value) || !utf8.Valid(value)) {
		return &StepError{Code: CodeBadOutput, Message: "The value is not JSON in UTF-8."}
	}
	return nil
}

// verbatim is the serializer given to DBOS: what is stored is the JSON itself,
// so a person can read it in the database.
type verbatim struct{}

// Name implements dbos.Serializer. It is stored with each row: never change it.
func (verbatim) Name() string { return "margay_json" }

// Encode implements dbos.Serializer.
func (verbatim) Encode(data any) (*string, error) {
	raw, ok := data.(json.RawMessage)
	if !ok {
		text, err := json.Marshal(data)
		if err != nil {
			return nil, fmt.Errorf("encode %T: %w", data, err)
		}
		raw = text
	}
	if len(raw) == 0 {
		raw = json.RawMessage("null")
	}
	return new(string(raw)), nil
}

// Decode implements dbos.Serializer.
func (verbatim) Decode(data *string) (any, error) {
	if data == nil {
		return json.RawMessage(nil), nil
	}
	return json.RawMessage(*data), nil
}

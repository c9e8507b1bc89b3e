package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/margay-access/margay/internal/fault"
)

func TestKindSurvivesWrapping(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err  error
		want fault.Kind
	}{
		"a fault":         {err: fault.New(fault.NotFound, "No request %s.", "req_1"), want: fault.NotFound},
		"a wrapped fault": {err: fmt.Errorf("approve: %w", fault.New(fault.Conflict, "Decided.")), want: fault.Conflict},
		"two fields":      {err: fault.Join(fault.Field("a", "A is missing"), fault.Field("b", "B is missing")), want: fault.Invalid},
		"any other error": {err: errors.New("disk full at /var/lib/margay"), want: fault.Internal},
		"no error":        {err: nil, want: ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := fault.KindOf(tt.err); got != tt.want {
				t.Errorf("kind %q, want %q", got, tt.want)
			}
			if tt.want != "" && tt.want != fault.Internal && !errors.Is(tt.err, tt.want) {
				t.Errorf("errors.Is(err, %q) is false", tt.want)
			}
		})
	}
}

func TestPublicTellsNothingOfOurInsides(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial tcp 10.0.0.7: table grants")

	got := fault.Public(cause)

	if got.Message != "Something went wrong on our side." || got.Detail != "" {
		t.Errorf("shown to people: %q, %q", got.Message, got.Detail)
	}
	if !errors.Is(got, cause) {
		t.Error("the cause is lost to the log")
	}
}

func TestFieldsListsEachField(t *testing.T) {
	t.Parallel()
	err := fault.Join(fault.Field("server_url", "Server URL is required"), fault.Field("pat_name", "x"))

	e := fault.Public(err)

	if n := len(e.Fields()); n != 2 {
		t.Fatalf("%d fields, want 2", n)
	}
	if fault.Join() != nil {
		t.Error("no field errors are an error")
	}
}

package script_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func want[T any](t testing.TB, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func wantJSON(t testing.TB, got, wanted string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%q is not JSON: %v", got, err)
	}
	if err := json.Unmarshal([]byte(wanted), &w); err != nil {
		t.Fatalf("%q is not JSON: %v", wanted, err)
	}
	want(t, g, w)
}

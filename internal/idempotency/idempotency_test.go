package idempotency_test

import (
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/idempotency"
)

func TestAgain(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	call := idempotency.Call{Body: "b", At: at}
	tests := map[string]struct {
		kept idempotency.Call
		code string
	}{
		"done":                     {idempotency.Call{Body: "b", State: idempotency.Done, At: at}, ""},
		"another body":             {idempotency.Call{Body: "c", State: idempotency.Done, At: at}, idempotency.CodeReused},
		"another body, running":    {idempotency.Call{Body: "c", State: idempotency.Running, At: at}, idempotency.CodeReused},
		"running":                  {idempotency.Call{Body: "b", State: idempotency.Running, At: at.Add(time.Second - idempotency.Term)}, idempotency.CodeRunning},
		"died with its process":    {idempotency.Call{Body: "b", State: idempotency.Running, At: at.Add(-idempotency.Term)}, idempotency.CodeUnknown},
		"its answer was not kept":  {idempotency.Call{Body: "b", State: idempotency.Done, Forgotten: true, At: at}, idempotency.CodeNotKept},
		"by a clock that is ahead": {idempotency.Call{Body: "b", State: idempotency.Running, At: at.Add(time.Hour)}, idempotency.CodeRunning},
	}
	for name, tt := range tests {
		err := idempotency.Again(tt.kept, call)
		if code := fault.Public(err).Code; (err == nil) != (tt.code == "") || err != nil && code != tt.code {
			t.Errorf("%s: %v (%s), want %q", name, err, code, tt.code)
		}
	}
}

func TestCheckKey(t *testing.T) {
	t.Parallel()
	for key, ok := range map[string]bool{"a": true, strings.Repeat("k", 255): true, strings.Repeat("k", 256): false, "a\nb": false, "é": false, "a b": true} {
		if err := idempotency.CheckKey(key); (err == nil) != ok {
			t.Errorf("%q: %v", key, err)
		}
	}
}

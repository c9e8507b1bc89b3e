package audit_test

import (
	"errors"
	"iter"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/audit"
)

var key = []byte("0123456789abcdef0123456789abcdef")

func chain(n int) ([]audit.Event, audit.Head) {
	var events []audit.Event
	var head audit.Head
	for i := range n {
		e := audit.Seal(key, audit.Event{
			ID: "evt_" + strconv.Itoa(i), At: time.Unix(int64(i), 5_000_123), Kind: "grant.activated",
			Actor: "usr_ana", Subject: "grant:grt_" + strconv.Itoa(i), Data: map[string]string{"role": "Creator", "to": "x"},
		}, head.Seq+1, head.Hash)
		events = append(events, e)
		head = audit.Head{Seq: e.Seq, Hash: e.Hash}
	}
	return events, head
}

func seq(events []audit.Event) iter.Seq2[audit.Event, error] {
	return func(yield func(audit.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func TestVerifyHolds(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 50} {
		events, head := chain(n)
		if got, err := audit.Verify(key, seq(events), head); err != nil || got != head {
			t.Errorf("chain of %d: %v, %v", n, got, err)
		}
	}
}

func TestVerifyFindsEachChange(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(e []audit.Event) []audit.Event
		at     int64
	}{
		"time":       {func(e []audit.Event) []audit.Event { e[3].At = e[3].At.Add(time.Millisecond); return e }, 4},
		"kind":       {func(e []audit.Event) []audit.Event { e[3].Kind = "grant.ended"; return e }, 4},
		"actor":      {func(e []audit.Event) []audit.Event { e[3].Actor = "usr_bo"; return e }, 4},
		"subject":    {func(e []audit.Event) []audit.Event { e[3].Subject += "x"; return e }, 4},
		"id":         {func(e []audit.Event) []audit.Event { e[3].ID = "evt_x"; return e }, 4},
		"data":       {func(e []audit.Event) []audit.Event { e[3].Data["role"] = "Viewer"; return e }, 4},
		"data added": {func(e []audit.Event) []audit.Event { e[3].Data["x"] = ""; return e }, 4},
		"data moved": {func(e []audit.Event) []audit.Event {
			e[3].Data = map[string]string{"role": "Creatorto", "": "x"}
			return e
		}, 4},
		"hash":          {func(e []audit.Event) []audit.Event { e[3].Hash = e[2].Hash; return e }, 4},
		"first removed": {func(e []audit.Event) []audit.Event { return e[1:] }, 1},
		"one removed":   {func(e []audit.Event) []audit.Event { return slices.Delete(e, 3, 4) }, 4},
		"tail cut off":  {func(e []audit.Event) []audit.Event { return e[:8] }, 9},
		"all removed":   {func([]audit.Event) []audit.Event { return nil }, 1},
		"two swapped":   {func(e []audit.Event) []audit.Event { e[3], e[4] = e[4], e[3]; return e }, 4},
		"forged": {func(e []audit.Event) []audit.Event {
			return append(e, audit.Seal([]byte("another key"), audit.Event{ID: "evt_f"}, 11, e[9].Hash))
		}, 11},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, head := chain(10)

			_, err := audit.Verify(key, seq(tt.change(events)), head)

			broken, ok := errors.AsType[*audit.BrokenError](err)
			if !ok || broken.Seq != tt.at {
				t.Fatalf("got %v, want a break at %d", err, tt.at)
			}
		})
	}
}

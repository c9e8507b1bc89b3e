package web

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pulses is what a hub asks.
type pulses struct {
	mu   sync.Mutex
	now  string
	fail error
}

func (p *pulses) set(now string, fail error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now, p.fail = now, fail
}

// Pulse implements [Pulse].
func (p *pulses) Pulse(context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now, p.fail
}

// A page is told of each change since it was read, whatever the order in which it
// is read, the change is made, and the page begins to listen.
func TestNoChangeIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pulses{now: "1"}
		stopping := make(chan struct{})
		h := newHub(p, stopping, slog.New(slog.DiscardHandler))
		told := func(c <-chan struct{}, want bool, when string) {
			t.Helper()
			time.Sleep(3 * lookEvery)
			select {
			case <-c:
				if !want {
					t.Errorf("%s: it is told", when)
				}
			default:
				if want {
					t.Errorf("%s: nothing is told", when)
				}
			}
		}
		first, stopFirst := h.listen("1")
		told(first, false, "nothing changed")
		p.set("2", nil)
		told(first, true, "a change")
		told(first, false, "told already")

		late, stopLate := h.listen("1") // its page was read before the change
		told(late, true, "a change before it listens, while others do")
		told(first, false, "another page that is late")
		fresh, stopFresh := h.listen("2")
		told(fresh, false, "its page was read after the change")
		stopFirst()
		stopLate()
		stopFresh()
		synctest.Wait()

		alone, stopAlone := h.listen("1")
		told(alone, true, "a change before the first one listens")
		unknown, stopUnknown := h.listen("")
		told(unknown, true, "nobody knows how old its page is")
		p.set("", errors.New("the database is away"))
		told(alone, false, "nobody knows")
		p.set("3", nil)
		told(alone, true, "a change while nobody could look")
		told(unknown, true, "likewise")
		p.set("4", nil)
		time.Sleep(3 * lookEvery)
		p.set("5", nil) // the first of two was not taken yet: one look shows both
		told(alone, true, "two changes")
		told(alone, false, "two changes, looked at once")
		stopAlone()
		stopUnknown()
		close(stopping)
	})
}

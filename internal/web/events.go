package web

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/margay-access/margay/internal/fault"
)

// hub tells pages that something changed since they were read. While nobody
// listens it asks nothing.
type hub struct {
	pulse    Pulse
	stopping <-chan struct{}
	log      *slog.Logger

	mu        sync.Mutex
	listeners map[chan struct{}]string // what each has seen, by the pulse
	looking   bool
}

// lookEvery is how soon a page learns of a change.
const lookEvery = 500 * time.Millisecond

func newHub(pulse Pulse, stopping <-chan struct{}, log *slog.Logger) *hub {
	return &hub{pulse: pulse, stopping: stopping, log: log, listeners: map[chan struct{}]string{}}
}

// listen returns a channel that gets a value after changes, and how to stop. seen
// is the pulse from before the listener read what it shows: what changed between
// that and now is told too. "" is told at once.
func (h *hub) listen(seen string) (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listeners[c] = seen
	if !h.looking {
		h.looking = true
		go h.look()
	}
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.listeners, c)
	}
}

// look asks for changes until nobody listens.
func (h *hub) look() {
	tick := time.NewTicker(lookEvery) //nolint:forbidigo // paces a look, decides nothing
	defer tick.Stop()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 10*lookEvery)
		now, err := h.pulse.Pulse(ctx)
		cancel()
		if err != nil {
			h.log.Warn("looking for changes", "error", err)
		}
		if !h.tell(now, err == nil) {
			return
		}
		select {
		case <-tick.C:
		case <-h.stopping:
			h.mu.Lock()
			h.looking = false
			h.mu.Unlock()
			return
		}
	}
}

// tell wakes the listeners that have seen something else than there is now, when
// that is known, and says whether anybody listens.
func (h *hub) tell(now string, known bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.listeners) == 0 {
		h.looking = false
		return false
	}
	for c, seen := range h.listeners {
		if !known || seen == now {
			continue
		}
		h.listeners[c] = now
		select {
		case c <- struct{}{}:
		default: // it was told and has not looked yet
		}
	}
	return true
}

// beat keeps a silent stream open through proxies, and is how soon it learns
// that its session ended.
const beat = 15 * time.Second

func (s *site) eventStream() {
	s.mux.HandleFunc("GET /events", s.bare(s.events))
}

// events is the stream that live pages listen to: "ready", "change" when
// something changed since the page was read, "over" when the session ended. It does not count as use of
// the session: nobody stays signed in by an open page.
func (s *site) events(r *Request) error {
	value := r.sessionValue()
	if _, _, err := s.Identity.PeekSession(r.Context(), value); err != nil {
		return err
	}
	out := http.NewResponseController(r.w)
	if err := out.SetWriteDeadline(time.Time{}); err != nil {
		return err
	}
	h := r.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	changed, stop := s.hub.listen(r.URL.Query().Get("since"))
	defer stop()
	say := func(text string) bool {
		_, err := r.w.Write([]byte(text))
		return err == nil && out.Flush() == nil
	}
	if !say("retry: 5000\nevent: ready\ndata: 1\n\n") {
		return nil
	}
	pulse := time.NewTicker(beat) //nolint:forbidigo // keeps a stream open
	defer pulse.Stop()
	for {
		text := ": still here\n\n"
		select {
		case <-r.Context().Done():
			return nil
		case <-s.Stopping:
			return nil
		case <-changed:
			text = "event: change\ndata: 1\n\n"
		case <-pulse.C:
		}
		if _, _, err := s.Identity.PeekSession(r.Context(), value); fault.KindOf(err) == fault.Unauthenticated {
			say("event: over\ndata: 1\n\n")
			return nil
		}
		if !say(text) {
			return nil
		}
	}
}

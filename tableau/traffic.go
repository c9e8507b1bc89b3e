package tableau

import "time"

// Traffic is what a Client is doing at the moment.
type Traffic struct {
	Opened      time.Time // since when it has a session; zero: it has none
	Calls       int       // under way, or waiting for the session
	PausedUntil time.Time // Tableau asked to be left alone until then; zero: it did not
}

// Traffic tells what the client is doing. It sends nothing.
func (c *Client) Traffic() Traffic {
	var t Traffic
	c.throttle.mu.Lock()
	if until := c.throttle.until; c.cfg.Now().Before(until) {
		t.PausedUntil = until
	}
	c.throttle.mu.Unlock()
	x := c.exchange
	x.mu.Lock()
	defer x.mu.Unlock()
	if g := x.cur; g != nil {
		t.Calls = g.calls
		if g.settled() && g.err == nil {
			t.Opened = g.session.Opened
		}
	}
	return t
}

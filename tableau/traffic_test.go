package tableau_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/margay-access/margay/tableau"
	"github.com/margay-access/margay/tableau/tableautest"
)

// A client tells what it is doing, and sends nothing for that.
func TestTraffic(t *testing.T) {
	var site *tableautest.Site
	inBubble(t, simulated(&site, tableautest.Config{}), func(t *testing.T, c *tableau.Client) {
		if got := c.Traffic(); got != (tableau.Traffic{}) || len(site.Journal()) != 0 {
			t.Errorf("before anything: %+v", got)
		}
		release := c.Hold(t.Context())
		if _, err := c.UsersPage(t.Context(), tableau.UsersOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := c.Traffic(); !got.Opened.Equal(time.Now()) || got.Calls != 0 {
			t.Errorf("between two calls: %+v", got)
		}
		during := make(chan tableau.Traffic, 1)
		site.Fail(tableautest.Fault{Operation: "get-users-on-site", Before: func() { during <- c.Traffic() }})
		if _, err := c.UsersPage(t.Context(), tableau.UsersOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := <-during; got.Calls != 1 {
			t.Errorf("in the middle of a call: %+v", got)
		}
		site.Fail(tableautest.Fault{Operation: "get-users-on-site", Status: http.StatusTooManyRequests, RetryAfter: "1800"})
		if _, err := c.UsersPage(t.Context(), tableau.UsersOptions{}); err == nil {
			t.Error("half an hour was sat out")
		}
		if got := c.Traffic(); !got.PausedUntil.Equal(time.Now().Add(30 * time.Minute)) {
			t.Errorf("slowed down: %+v", got)
		}
		release()
		if got := c.Traffic(); !got.Opened.IsZero() {
			t.Errorf("after the last: %+v", got)
		}
		time.Sleep(31 * time.Minute)
		if got := c.Traffic(); got != (tableau.Traffic{}) {
			t.Errorf("half an hour later: %+v", got)
		}
	})
}

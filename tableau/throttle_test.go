package tableau_test

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/margay-access/margay/tableau"
	"github.com/margay-access/margay/tableau/tableautest"
)

func TestT06RetryAfter(t *testing.T) {
	// T06: waits 2 s / until date / 1 s / 60 s / 60 s / 1 h cap.
	for header, want := range map[string]time.Duration{
		"2":      2 * time.Second,
		"date":   90 * time.Second,
		"0":      time.Second,
		"-1":     time.Minute,
		"abc":    time.Minute,
		"1500ms": 1500 * time.Millisecond,
		"epoch":  45 * time.Second,
	} {
		t.Run(header, func(t *testing.T) {
			var site *tableautest.Site
			inBubble(t, simulated(&site, tableautest.Config{}), func(t *testing.T, c *tableau.Client) {
				sent := header
				switch header {
				case "date":
					sent = time.Now().Add(want).UTC().Format(http.TimeFormat)
				case "epoch":
					sent = time.Now().Add(want).Format("") + unix(time.Now().Add(want))
				}
				site.Fail(tableautest.Fault{Operation: "get-users-on-site", Status: http.StatusTooManyRequests, RetryAfter: sent})
				started := time.Now()

				if _, err := c.UsersPage(t.Context(), tableau.UsersOptions{}); err != nil {
					t.Fatal(err)
				}

				// A date has whole seconds.
				if took := time.Since(started); took < want-time.Second || took > want+time.Second {
					t.Errorf("took %s, want %s", took, want)
				}
			})
		})
	}
}

func unix(t time.Time) string {
	var digits []byte
	for n := t.Unix(); n > 0; n /= 10 {
		digits = append([]byte{byte('0' + n%10)}, digits...)
	}
	return string(digits)
}

func TestT06PauseIsTheWholeClients(t *testing.T) {
	var site *tableautest.Site
	inBubble(t, simulated(&site, tableautest.Config{}), func(t *testing.T, c *tableau.Client) {
		site.Fail(tableautest.Fault{Operation: "get-users-on-site", Status: http.StatusTooManyRequests, RetryAfter: "30"})
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = c.UsersPage(t.Context(), tableau.UsersOptions{}) })
		time.Sleep(time.Second)
		started := time.Now()

		if _, err := c.Do(t.Context(), get("/sites/{siteId}/groups")); err != nil {
			t.Fatal(err)
		}

		if took := time.Since(started); took < 28*time.Second {
			t.Errorf("another call waited %s only", took)
		}
		wg.Wait()
	})
}

func TestT06LongPauseIsNotSatOut(t *testing.T) {
	// T06: 10^12 is capped at 1 h. T07: the session is released meanwhile.
	var site *tableautest.Site
	inBubble(t, simulated(&site, tableautest.Config{}), func(t *testing.T, c *tableau.Client) {
		site.Fail(tableautest.Fault{Operation: "get-users-on-site", Status: http.StatusTooManyRequests, RetryAfter: "1000000000000"})
		started := time.Now()

		_, err := c.UsersPage(t.Context(), tableau.UsersOptions{})

		refused, ok := errors.AsType[*tableau.Error](err)
		if !ok || !errors.Is(err, tableau.ClassThrottled) || refused.RetryAt.Sub(started) < time.Hour-time.Second || refused.RetryAt.Sub(started) > time.Hour+time.Second {
			t.Fatalf("got %#v, want a throttled error with RetryAt in an hour", err)
		}
		synctest.Wait()
		if site.LiveSessions() != 0 {
			t.Error("the session is kept")
		}
		before := len(site.Journal())
		_, err = c.UsersPage(t.Context(), tableau.UsersOptions{})
		held, ok := errors.AsType[*tableau.ThrottledError](err)
		if !ok || !held.RetryAt.Equal(refused.RetryAt) || len(site.Journal()) != before {
			t.Errorf("got %v, want a ThrottledError without a request", err)
		}
		time.Sleep(time.Until(refused.RetryAt))
		if _, err := c.UsersPage(t.Context(), tableau.UsersOptions{}); err != nil {
			t.Errorf("after the pause: %v", err)
		}
	})
}

func TestT07WaitIsReadFromTheBody(t *testing.T) {
	// T07: "retry after 29 minutes" resumes at 29 min.
	var site *tableautest.Site
	inBubble(t, simulated(&site, tableautest.Config{}), func(t *testing.T, c *tableau.Client) {
		site.Fail(tableautest.Fault{
			Operation: "get-users-on-site", Status: http.StatusTooManyRequests, Code: "429000",
			Summary: "Too Many Requests", Detail: "Too many requests for this site. Please retry after 29 minutes.",
		})
		started := time.Now()

		resp, err := c.Do(t.Context(), get("/sites/{siteId}/users"))

		if err != nil || resp.Status != http.StatusTooManyRequests {
			t.Fatalf("got %v, %v", resp, err)
		}
		if d := resp.RetryAt.Sub(started).Round(time.Minute); d != 29*time.Minute {
			t.Errorf("RetryAt in %s, want 29m", d)
		}
	})
}

func TestT06WithoutATimeThePauseGrows(t *testing.T) {
	var site *tableautest.Site
	inBubble(t, simulated(&site, tableautest.Config{}), func(t *testing.T, c *tableau.Client) {
		site.Fail(tableautest.Fault{Operation: "get-users-on-site", Status: http.StatusTooManyRequests, HTML: true, Times: -1})
		for _, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute} {
			started := time.Now()
			resp, err := c.Do(t.Context(), tableau.Request{Method: http.MethodGet, Path: "/sites/{siteId}/users"})
			if err != nil {
				t.Fatal(err)
			}
			if d := resp.RetryAt.Sub(started).Round(time.Second); d != want {
				t.Errorf("pause of %s, want %s", d, want)
			}
			time.Sleep(time.Until(resp.RetryAt))
		}
	}, once)
}

func TestOwnRate(t *testing.T) {
	var site *tableautest.Site
	inBubble(t, simulated(&site, tableautest.Config{}), func(t *testing.T, c *tableau.Client) {
		release := c.Hold(t.Context())
		defer release()
		started := time.Now()
		for range 30 {
			if _, err := c.Do(t.Context(), get("/sites/{siteId}/groups")); err != nil {
				t.Fatal(err)
			}
		}
		// 10 at once, then 20 at 5 a second.
		if took := time.Since(started).Round(100 * time.Millisecond); took != 4*time.Second {
			t.Errorf("30 calls took %s, want 4s", took)
		}
	}, func(c *tableau.Config) { c.Rate, c.Burst = 5, 10 })
}

func TestT12SlowAnswersAreAborted(t *testing.T) {
	// T12: aborted at 30 s, headers at 20 s.
	for name, tt := range map[string]struct {
		fault tableautest.Fault
		want  time.Duration
	}{
		"a byte a second": {tableautest.Fault{Operation: "get-users-on-site", Slow: 1, Times: -1}, tableau.CallTimeout},
		"never a header":  {tableautest.Fault{Operation: "get-users-on-site", Hang: true, Times: -1}, tableau.HeaderTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			var site *tableautest.Site
			inBubble(t, simulated(&site, tableautest.Config{}), func(t *testing.T, c *tableau.Client) {
				site.Fail(tt.fault)
				started := time.Now()

				_, err := c.UsersPage(t.Context(), tableau.UsersOptions{})

				if took := time.Since(started); took < tt.want || took > tt.want+time.Second {
					t.Errorf("took %s, want %s", took, tt.want)
				}
				if _, ok := errors.AsType[*tableau.NoAnswerError](err); !ok || !errors.Is(err, tableau.ClassUnavailable) {
					t.Errorf("got %v, want a NoAnswerError", err)
				}
			}, once)
		})
	}
}

func TestT09BriefServerErrorsAreInvisible(t *testing.T) {
	// T09: once or twice invisible, five times an error, the page not shown raw.
	for _, status := range []int{500, 502, 503, 504} {
		for _, times := range []int{1, 2, 5} {
			var site *tableautest.Site
			inBubble(t, simulated(&site, tableautest.Config{}), func(t *testing.T, c *tableau.Client) {
				site.Fail(tableautest.Fault{Operation: "get-users-on-site", Status: status, HTML: true, Times: times})
				_, err := c.UsersPage(t.Context(), tableau.UsersOptions{})
				if times < 5 && err != nil {
					t.Errorf("%d × %d: %v", times, status, err)
				}
				if times == 5 && !errors.Is(err, tableau.ClassUnavailable) {
					t.Errorf("%d × %d: %v, want class unavailable", times, status, err)
				}
				if times == 5 && err != nil && len(err.Error()) > 200 {
					t.Errorf("the page is in the error: %v", err)
				}
			})
		}
	}
}

func TestT39StaleReadBack(t *testing.T) {
	// T39: up to 5 reads in 15 s, by LUID.
	var site *tableautest.Site
	inBubble(t, simulated(&site, tableautest.Config{}), func(t *testing.T, c *tableau.Client) {
		u := site.AddUser("ann@acme.example", tableautest.RoleViewer)
		site.Fail(tableautest.Fault{Operation: "update-user", Body: "{}", Apply: true})
		stale := `{"user":{"id":"` + u.ID() + `","name":"ann@acme.example","siteRole":"Viewer"}}`
		site.Fail(tableautest.Fault{Operation: "query-user-on-site", Body: stale, Times: 3})
		started := time.Now()

		got, err := c.SetSiteRole(t.Context(), u.ID(), tableau.Creator)

		if err != nil || got.SiteRole != tableau.Creator {
			t.Fatalf("got %+v, %v", got, err)
		}
		if took := time.Since(started); took > 15*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

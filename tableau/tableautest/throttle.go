package tableautest

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Limit throttles methods: more than Count calls of Operations on one site
// within Per are 429.
type Limit struct {
	Operations []string      `json:"operations"` // names of the catalogue; none means every call
	Count      int           `json:"count"`
	Per        time.Duration `json:"per"`
	// HTML answers with a page instead of Tableau's error.
	HTML bool `json:"html"`
	// RetryAfter sends the header of that name, in seconds.
	RetryAfter bool `json:"retry_after"`
}

// CloudLimits returns the limits that Tableau documents for a site of Tableau
// Cloud.
func CloudLimits() []Limit {
	publish := []string{
		"publish-workbook", "publish-data-source", "publish-flow",
		"update-workbook", "update-data-source", "update-flow",
	}
	refresh := []string{"update-workbook-now", "update-data-source-now", "run-extract-refresh-task"}
	return []Limit{
		{Operations: []string{"get-users-on-site"}, Count: 3000, Per: time.Minute},
		{Operations: []string{"remove-user-from-site"}, Count: 1600, Per: time.Minute},
		{Operations: publish, Count: 600, Per: time.Hour},
		{Operations: publish, Count: 14400, Per: 24 * time.Hour},
		{Operations: refresh, Count: 60, Per: time.Hour},
		{Operations: []string{"query-job", "cancel-job"}, Count: 20000, Per: 24 * time.Hour},
	}
}

// throttle counts calls by limit and site.
type throttle struct {
	mu     sync.Mutex
	limits []Limit
	calls  map[throttleKey][]time.Time
}

type throttleKey struct {
	limit int
	site  string
}

// SetLimits replaces the limits and forgets the calls that were counted.
func (s *Site) SetLimits(limits ...Limit) {
	t := &s.in.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limits, t.calls = slices.Clone(limits), nil
}

// allow counts a call, or refuses it.
func (t *throttle) allow(c *call) *failure {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := c.in.now()
	site := ""
	if c.site != nil {
		site = c.site.id
	}
	for i, l := range t.limits {
		if len(l.Operations) > 0 && !slices.Contains(l.Operations, c.route.method.name) {
			continue
		}
		if t.calls == nil {
			t.calls = map[throttleKey][]time.Time{}
		}
		key := throttleKey{i, site}
		recent := t.calls[key]
		old, _ := slices.BinarySearchFunc(recent, now.Add(-l.Per), func(at, limit time.Time) int {
			if at.After(limit) {
				return 1
			}
			return -1
		})
		recent = recent[old:]
		if len(recent) >= l.Count {
			t.calls[key] = recent
			f := fail("429000")
			f.html = l.HTML
			if l.RetryAfter && len(recent) > 0 {
				wait := max(1, int(recent[0].Add(l.Per).Sub(now).Seconds()+0.999))
				f.header = http.Header{"Retry-After": {strconv.Itoa(wait)}}
			}
			return f
		}
		t.calls[key] = append(recent, now)
	}
	return nil
}

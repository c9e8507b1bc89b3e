package tableautest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Switch is a way to behave that can be changed while the site runs: a field of
// [Config], under its name in the control API. What is missing among the
// switches is said at the start (product, versions, TLS) or has a control of
// its own (seats, limits, maintenance, faults).
type Switch struct {
	Name   string   `json:"name"`
	Value  string   `json:"value"`
	Began  string   `json:"began"`            // the value at the start
	Values []string `json:"values,omitempty"` // all that there are, where they are words
	About  string   `json:"about"`
}

// toggle reads and sets one field.
type toggle struct {
	name, about string
	values      []string
	get         func(*Config) string
	set         func(*Config, string) error
}

// words is a switch between words.
func words[T ~string](name, about string, field func(*Config) *T, values ...T) toggle {
	t := toggle{name: name, about: about}
	for _, v := range values {
		t.values = append(t.values, string(v))
	}
	t.get = func(c *Config) string { return string(*field(c)) }
	t.set = func(c *Config, s string) error {
		if !slices.Contains(t.values, s) {
			return fmt.Errorf("%s is one of %s, not %q", name, strings.Join(t.values, ", "), s)
		}
		*field(c) = T(s)
		return nil
	}
	return t
}

func truthSwitch(name, about string, field func(*Config) *bool) toggle {
	return toggle{
		name: name, about: about, values: []string{"false", "true"},
		get: func(c *Config) string { return strconv.FormatBool(*field(c)) },
		set: func(c *Config, s string) error {
			b, err := strconv.ParseBool(s)
			if err != nil {
				return fmt.Errorf("%s is true or false, not %q", name, s)
			}
			*field(c) = b
			return nil
		},
	}
}

func countSwitch(name, about string, field func(*Config) *int) toggle {
	return toggle{
		name: name, about: about,
		get: func(c *Config) string { return strconv.Itoa(*field(c)) },
		set: func(c *Config, s string) error {
			n, err := strconv.Atoi(s)
			if err != nil {
				return fmt.Errorf("%s is a number, not %q", name, s)
			}
			*field(c) = n
			return nil
		},
	}
}

func timeSwitch(name, about string, field func(*Config) *time.Duration) toggle {
	return toggle{
		name: name, about: about,
		get: func(c *Config) string { return field(c).String() },
		set: func(c *Config, s string) error {
			d, err := time.ParseDuration(s)
			if err != nil {
				return fmt.Errorf("%s is a duration such as 90s, not %q", name, s)
			}
			*field(c) = d
			return nil
		},
	}
}

// toggles are the switches, those first that the most tests want.
var toggles = []toggle{
	words("pat_concurrency", "what a second sign-in does to the session of the same PAT", func(c *Config) *Mode { return &c.PATConcurrency }, EvictPrevious, AllowConcurrent),
	words("no_license", "what happens when a tier is full", func(c *Config) *Mode { return &c.NoSeat }, SeatConflict, SilentUnlicensed),
	truthSwitch("seat_borrowing", "whether a full tier takes a free seat of a better one", func(c *Config) *bool { return &c.SeatBorrowing }),
	words("user_exists_code", "the code of adding somebody who is there", func(c *Config) *string { return &c.UserExistsCode }, "409017", "409000"),
	words("json_numbers", "how versioned JSON shows numbers and booleans", func(c *Config) *Mode { return &c.Numbers }, NumbersMixed, NumbersAsStrings, PaginationAsStrings, NumbersAsNumbers),
	truthSwitch("no_last_login", "whether the default fields of a user lack lastLogin", func(c *Config) *bool { return &c.NoLastLogin }),
	words("page_past_end", "a page after the last: 400006, or empty", func(c *Config) *Mode { return &c.PastLastPage }, Refuse, Ignore),
	words("user_filter", "whether the list of users is filtered", func(c *Config) *Mode { return &c.UserFilter }, On, Off),
	words("double_slash", "whether //api/ is the API", func(c *Config) *Mode { return &c.DoubleSlash }, Refuse, Ignore),
	countSwitch("total_skew", "added to totalAvailable", func(c *Config) *int { return &c.TotalSkew }),
	words("search_wrapper", "whether search results are inside \"hits\"", func(c *Config) *Mode { return &c.SearchWrapper }, On, Off),
	countSwitch("search_first_page", "the number of the first page of a search", func(c *Config) *int { return &c.SearchFirstPage }),
	words("collections", "whether there are collections", func(c *Config) *Mode { return &c.Collections }, ByVersion, On, Off),
	words("collections_key", "the array of a list of collections", func(c *Config) *string { return &c.CollectionsKey }, "collections", "items"),
	words("versionless_errors", "the shape of errors under /api/-/", func(c *Config) *Mode { return &c.VersionlessErrors }, HTTPErrors, RESTErrors),
	words("other_site_code", "the code of a path with the id of another site", func(c *Config) *string { return &c.OtherSiteCode }, "404000", "403004"),
	words("role_case", "site roles that differ in case", func(c *Config) *Mode { return &c.RoleCase }, Refuse, Ignore),
	words("unknown_field", "an unknown name in the parameter fields", func(c *Config) *Mode { return &c.UnknownField }, Ignore, Refuse),
	words("cloud_profile", "changing on Cloud what Cloud does not change", func(c *Config) *Mode { return &c.CloudProfile }, Ignore, Refuse),
	words("time_to_expiration", "the form of estimatedTimeToExpiration", func(c *Config) *Mode { return &c.TimeToExpiration }, HoursMinutesSeconds, DaysHoursMinutes, Absent),
	countSwitch("refuse_fresh_session", "the first call of every so-many-th session is 401002; 0: none", func(c *Config) *int { return &c.RefuseFreshSession }),
	countSwitch("lose_session_after_exports", "a session ends after so many exports of views; 0: never", func(c *Config) *int { return &c.LoseSessionAfterExports }),
	timeSwitch("session_idle", "a session ends when unused for so long; negative: never", func(c *Config) *time.Duration { return &c.SessionIdle }),
	truthSwitch("session_fixed", "whether calls do not prolong a session", func(c *Config) *bool { return &c.SessionFixed }),
	timeSwitch("session_lifetime", "a session ends after so long; 0: never", func(c *Config) *time.Duration { return &c.SessionLifetime }),
	timeSwitch("pat_idle", "a PAT lapses when it did not sign in for so long; negative: never", func(c *Config) *time.Duration { return &c.PATIdle }),
	timeSwitch("user_list_lag", "a list of users shows a change so much later", func(c *Config) *time.Duration { return &c.UserListLag }),
	timeSwitch("index_lag", "search and usage see a change so much later", func(c *Config) *time.Duration { return &c.IndexLag }),
	timeSwitch("job_time", "an asynchronous job takes so long", func(c *Config) *time.Duration { return &c.JobTime }),
	timeSwitch("delay", "every answer comes so much later", func(c *Config) *time.Duration { return &c.Latency }),
}

// Switches returns every switch as it is.
func (s *Site) Switches() []Switch {
	s.in.mu.RLock()
	defer s.in.mu.RUnlock()
	now, began := s.in.cfg(), s.in.began
	out := make([]Switch, len(toggles))
	for i, t := range toggles {
		out[i] = Switch{Name: t.name, Value: t.get(now), Began: t.get(&began), Values: t.values, About: t.about}
	}
	return out
}

// SetSwitch changes how the whole installation behaves from the next request
// on. Durations are text such as "90s". It returns an error for a name or a
// value that there is not.
func (s *Site) SetSwitch(name, value string) error {
	return s.setSwitches(map[string]string{name: value})
}

// setSwitches changes all of them or none.
func (s *Site) setSwitches(values map[string]string) error {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	next := *s.in.cfg()
	if err := setToggles(&next, values); err != nil {
		return err
	}
	s.in.behave(next)
	return nil
}

func setToggles(c *Config, values map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		i := slices.IndexFunc(toggles, func(t toggle) bool { return t.name == name })
		if i < 0 {
			return fmt.Errorf("there is no switch %q", name)
		}
		if err := toggles[i].set(c, values[name]); err != nil {
			return err
		}
	}
	return nil
}

// CheckSwitches says what is wrong with names and values of switches, as they are
// given to [Options].
func CheckSwitches(values map[string]string) error { return setToggles(new(Config), values) }

// ResetSwitches puts every switch back as the site began.
func (s *Site) ResetSwitches() {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	s.in.behave(s.in.began)
}

// behave replaces the configuration. The caller holds the lock.
func (in *installation) behave(cfg Config) {
	in.config.Store(&cfg)
	for _, st := range in.sites {
		st.listLag = cfg.UserListLag
	}
}

// controlSwitches takes text, numbers and booleans alike.
func controlSwitches(s *Site, r *http.Request) (int, any, error) {
	raw, err := readControl[map[string]json.RawMessage](r)
	if err != nil {
		return 0, nil, err
	}
	values := map[string]string{}
	for name, v := range raw {
		var text string
		if err := json.Unmarshal(v, &text); err != nil {
			text = string(v)
		}
		values[name] = text
	}
	if len(values) == 0 {
		return 0, nil, errors.New("no switch is named")
	}
	if err := s.setSwitches(values); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, s.Switches(), nil
}

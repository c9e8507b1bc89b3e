package connection_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/integration/tableau"
)

var bo = identity.Actor{Person: "usr_bo", Name: "Bo", Admin: true, Scopes: []identity.Scope{identity.ScopeAdmin}}

// Two people edit at once: the later one learns who saved and when, sees both
// values of each field, and nothing is lost.
func TestEditOfWhatChangedMeanwhile(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.create(t)
		if _, err := f.Update(t.Context(), bo, c.ID, connection.Edit{Version: 1, Settings: integration.Settings{"site_content_url": "bos-site"}}); err != nil {
			t.Fatal(err)
		}

		mine := integration.Settings{"site_content_url": "my-site", "pat_name": "", "server_url": "h.example", "pat_secret": "my-new-secret-of-length"}
		for what, act := range map[string]func() error{
			"update": func() error {
				_, err := f.Update(t.Context(), ana, c.ID, connection.Edit{Version: 1, Settings: mine})
				return err
			},
			"preview": func() error {
				_, err := f.Preview(t.Context(), ana, c.ID, connection.Edit{Version: 1, Settings: mine})
				return err
			},
			"try": func() error {
				_, err := f.TryEdit(t.Context(), ana, c.ID, connection.Edit{Version: 1, Settings: mine})
				return err
			},
		} {
			e := fault.Public(act())
			if e.Kind != fault.Conflict || e.Code != "conflict" || !strings.HasPrefix(e.Message, "Bo saved this connection at 20") {
				t.Errorf("%s: %s, %s", what, e.Kind, e.Message)
			}
			got := map[string]string{}
			for _, field := range e.Fields() {
				got[field.Field] = field.Message
			}
			want := map[string]string{
				"settings.server_url":       "Server URL: “10ax.online.tableau.com” is stored now; you have “h.example”.",
				"settings.site_content_url": "Site Content URL: “bos-site” is stored now; you have “my-site”.",
				"settings.pat_secret":       "Personal Access Token Secret: ••••••••7b60 is stored now; you typed a new one.",
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s: %s", what, d)
			}
			if strings.Contains(e.Message+e.Hint, "my-new-secret") {
				t.Errorf("%s repeats the secret", what)
			}
		}
		now, err := f.Get(t.Context(), ana, c.ID)
		if err != nil || now.Settings["site_content_url"] != "bos-site" || now.Version != 2 || now.UpdatedBy.Name != "Bo" {
			t.Errorf("%+v, %v", now.Settings, err)
		}
	})
}

// A preview says what an edit will do and does nothing: S46, S92.
func TestPreview(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.create(t)
		tests := map[string]struct {
			change   integration.Settings
			keys     string
			moves    bool
			name     string
			warnings []string
		}{
			"nothing": {integration.Settings{"site_content_url": "acme-analytics"}, "", false, "Tableau – acme-analytics", nil},
			"the Default site": {
				integration.Settings{},
				"site_content_url", true, "Tableau – Default site (10ax.online.tableau.com)",
				[]string{"Calls go to https://10ax.online.tableau.com · Default site, and no longer to https://10ax.online.tableau.com · site acme-analytics."},
			},
			"another server": {
				integration.Settings{"site_content_url": "acme-analytics", "server_url": "h.example"},
				"server_url", true, "Tableau – acme-analytics",
				[]string{
					"Calls go to https://h.example · site acme-analytics, and no longer to https://10ax.online.tableau.com · site acme-analytics.",
					"The stored secret will be sent to h.example.",
				},
			},
			"a new token": {integration.Settings{"site_content_url": "acme-analytics", "pat_name": "next", "pat_secret": "another-secret-of-length-9999"}, "pat_name pat_secret", false, "Tableau – acme-analytics", nil},
		}
		for name, tt := range tests {
			p, err := f.Preview(t.Context(), ana, c.ID, connection.Edit{Settings: tt.change})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			var keys []string
			for _, ch := range p.Changes {
				keys = append(keys, ch.Key)
				if ch.Secret && (ch.Before != "••••••••7b60" || ch.After != "••••••••9999") {
					t.Errorf("%s: secret %q to %q", name, ch.Before, ch.After)
				}
			}
			if got := strings.Join(keys, " "); got != tt.keys || p.Moves != tt.moves || p.After.DisplayName != tt.name {
				t.Errorf("%s: changes %q, moves %v, name %q", name, got, p.Moves, p.After.DisplayName)
			}
			if d := cmp.Diff(tt.warnings, p.Warnings); d != "" {
				t.Errorf("%s: %s", name, d)
			}
		}
		if now, err := f.Get(t.Context(), ana, c.ID); err != nil || now.Version != 1 || len(f.system.clients()) != 0 {
			t.Errorf("version %d, %d clients, %v", now.Version, len(f.system.clients()), err)
		}
	})
}

// An edit that changes nothing is none: what the checks found stays, no version
// and no event is made, and no secret is needed for it. S41, S42, S44.
func TestEditOfNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.create(t)
		if _, err := f.Check(t.Context(), ana, c.ID); err != nil {
			t.Fatal(err)
		}
		events := len(f.kinds(t, c.ID))
		for _, same := range []integration.Settings{
			{"site_content_url": "acme-analytics"},
			{"site_content_url": " acme-analytics ", "pat_name": "margay", "server_url": "https://10ax.online.tableau.com/", "pat_secret": ""},
		} {
			got, err := f.Update(t.Context(), bo, c.ID, connection.Edit{Settings: same})
			if err != nil || got.Version != 1 || got.UpdatedBy.Name == "Bo" {
				t.Errorf("version %d by %s, %v", got.Version, got.UpdatedBy, err)
			}
		}
		o, err := f.Overview(t.Context(), ana, c.ID)
		if err != nil || len(o.Checks) == 0 || len(f.kinds(t, c.ID)) != events {
			t.Errorf("%d checks, %v, %v", len(o.Checks), f.kinds(t, c.ID), err)
		}
	})
}

// S46: an empty Site Content URL is the Default site, whatever address was
// pasted beside it: the two are not mixed, and nothing is saved.
func TestDefaultSiteAndPastedAddress(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.create(t)
		e := connection.Edit{Settings: integration.Settings{"server_url": "https://10ax.online.tableau.com/#/site/acme-analytics/home", "site_content_url": ""}}
		const want = "The address that was pasted says acme-analytics, and this is empty, which is saved as it is: which of them is it?"
		for what, act := range map[string]func() error{
			"update":  func() error { _, err := f.Update(t.Context(), ana, c.ID, e); return err },
			"preview": func() error { _, err := f.Preview(t.Context(), ana, c.ID, e); return err },
			"try":     func() error { _, err := f.TryEdit(t.Context(), ana, c.ID, e); return err },
		} {
			if got := fault.Public(act()); got.Field != "settings.site_content_url" || got.Message != want {
				t.Errorf("%s: %s: %s", what, got.Field, got.Message)
			}
		}
		e.Settings["server_url"] = "https://10ax.online.tableau.com/#/home"
		if got, err := f.Update(t.Context(), ana, c.ID, e); err != nil || got.Settings["site_content_url"] != "" {
			t.Errorf("%v, %v", got.Settings, err)
		}
	})
}

// S91: new credentials are tried before the old ones are dropped.
func TestRotate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.create(t)
		const fresh = "cm90YXRlZA==:9f8e7d6c5b4a39281706abcd"
		refuse := true
		f.system.try = func(s integration.Settings) error {
			if refuse {
				return fault.New(fault.Upstream, "Tableau sign-in failed (HTTP 401, Signin Error): no").WithHint("Look at the name.")
			}
			if s["pat_secret"] != fresh || s["pat_name"] != "next" || s["site_content_url"] != "acme-analytics" {
				t.Error("others were tried than those that are stored")
			}
			return nil
		}
		rotation := connection.Edit{Settings: integration.Settings{"pat_name": "next", "pat_secret": fresh}}

		_, err := f.Rotate(t.Context(), ana, c.ID, rotation)
		if e := fault.Public(err); e.Message != "Tableau sign-in failed (HTTP 401, Signin Error): no" || e.Hint != "Nothing was changed: the old credentials stay in use. Look at the name." {
			t.Errorf("%q, %q", e.Message, e.Hint)
		}
		if got := f.used(t, c.ID); got["pat_secret"] != secret || got["pat_name"] != "margay" {
			t.Error("a refused rotation changed something")
		}
		for name, tt := range map[string]struct {
			settings integration.Settings
			field    string
		}{
			"no secret":  {integration.Settings{"pat_name": "next"}, "settings.pat_secret"},
			"the mask":   {integration.Settings{"pat_secret": "••••••••7b60"}, "settings.pat_secret"},
			"a site too": {integration.Settings{"pat_secret": fresh, "site_content_url": "x"}, "settings.site_content_url"},
		} {
			if _, err := f.Rotate(t.Context(), ana, c.ID, connection.Edit{Settings: tt.settings}); fault.Public(err).Field != tt.field {
				t.Errorf("%s: %v", name, err)
			}
		}

		if _, err := f.Rotate(t.Context(), ana, c.ID, connection.Edit{Settings: integration.Settings{"pat_secret": "********1111"}}); fault.Public(err).Message != "That is the masked secret, not a secret. Give the new one." {
			t.Errorf("a mask of stars: %v", err)
		}

		refuse = false
		before := c.SecretAt
		got, err := f.Rotate(t.Context(), bo, c.ID, rotation)
		if err != nil || got.Version != 2 || got.SecretBy.Name != "Bo" || got.SecretAt.Before(before) {
			t.Errorf("version %d, set by %v, %v", got.Version, got.SecretBy, err)
		}
		if used := f.used(t, c.ID); used["pat_secret"] != fresh || used["site_content_url"] != "acme-analytics" {
			t.Error("the new secret is not used")
		}
		if kinds := f.kinds(t, c.ID); kinds[0] != "connection.rotated" {
			t.Errorf("%v", kinds)
		}
		if _, err := f.Rotate(t.Context(), ana, c.ID, connection.Edit{Version: 1, Settings: rotation.Settings}); !errors.Is(err, fault.Conflict) {
			t.Errorf("a rotation of what changed meanwhile: %v", err)
		}
	})
}

// A pause is a conflict for people and a wait for runs, and ends nothing.
func TestPause(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.create(t)
		for range 2 {
			if _, err := f.Pause(t.Context(), bo, c.ID); err != nil {
				t.Fatal(err)
			}
		}
		for what, tt := range map[string]struct {
			kind fault.Kind
			do   func() error
		}{
			"call": {fault.Conflict, func() error {
				_, err := f.Call(t.Context(), ana, c.ID, integration.Call{Method: http.MethodGet, Path: "/x"})
				return err
			}},
			"check": {fault.Conflict, func() error { _, err := f.Check(t.Context(), ana, c.ID); return err }},
			"act":   {fault.Unavailable, func() error { _, err := f.Act(t.Context(), c.ID, "tableau.twice", []byte("{}"), nil); return err }},
			"hold":  {fault.Unavailable, func() error { _, err := f.Hold(t.Context(), c.ID); return err }},
		} {
			if e := fault.Public(tt.do()); e.Kind != tt.kind || e.Code != "paused" || !strings.HasPrefix(e.Hint, "Bo paused it.") {
				t.Errorf("%s: %s, %s, %q", what, e.Kind, e.Code, e.Hint)
			}
		}
		if o, err := f.Overview(t.Context(), ana, c.ID); err != nil || o.Condition.State != connection.StatePaused || o.Version != 1 {
			t.Errorf("%v, %v", o.Condition, err)
		}
		if _, err := f.Update(t.Context(), ana, c.ID, connection.Edit{Settings: integration.Settings{"site_content_url": "other"}}); err != nil {
			t.Error(err)
		}
		if o, err := f.Overview(t.Context(), ana, c.ID); err != nil || o.Condition.State != connection.StatePaused {
			t.Errorf("an edit ended the pause: %v, %v", o.Condition, err)
		}
		if _, err := f.Resume(t.Context(), ana, c.ID); err != nil {
			t.Fatal(err)
		}
		f.used(t, c.ID)
		if kinds := f.kinds(t, c.ID); kinds[0] != "connection.resumed" || kinds[2] != "connection.paused" {
			t.Errorf("%v", kinds)
		}
	})
}

// The last results are kept; an edit makes them say nothing any more.
func TestChecksAreKept(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.create(t)
		state := func() connection.Condition {
			t.Helper()
			o, err := f.Overview(t.Context(), ana, c.ID)
			if err != nil {
				t.Fatal(err)
			}
			return o.Condition
		}
		if s := state(); s.State != connection.StateNeverChecked || len(s.Next) == 0 {
			t.Errorf("%+v", s)
		}
		if reports, err := f.Check(t.Context(), ana, c.ID); err != nil || len(reports) != 1 {
			t.Errorf("found %v, %v", reports, err)
		}
		if s := state(); s.State != connection.StateHealthy {
			t.Errorf("%+v", s)
		}
		f.system.call = func(integration.Call) (integration.Answer, error) { return integration.Answer{}, errors.New("down") }
		if _, err := f.Check(t.Context(), ana, c.ID, "one"); err != nil || state().State != connection.StateNeedsAttention {
			t.Errorf("%+v, %v", state(), err)
		}
		if kinds := f.kinds(t, c.ID); kinds[0] != "connection.needs_attention" || kinds[1] != "connection.healthy" {
			t.Errorf("%v", kinds)
		}
		if _, err := f.Check(t.Context(), ana, c.ID, "two"); !errors.Is(err, fault.NotFound) {
			t.Errorf("a check that there is not: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		f.system.act = cancel
		f.system.call = nil
		if _, err := f.Check(ctx, ana, c.ID); err != nil || state().State != connection.StateNeedsAttention {
			t.Errorf("a run that was given up is kept: %+v, %v", state(), err)
		}
		f.system.act = nil
		if _, err := f.Update(t.Context(), ana, c.ID, connection.Edit{Settings: integration.Settings{"site_content_url": "other"}}); err != nil {
			t.Fatal(err)
		}
		if s := state(); s.State != connection.StateNeverChecked {
			t.Errorf("after an edit: %+v", s)
		}
	})
}

// Before it is saved a connection can be tried, and nothing of that is kept.
func TestTry(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		reports, err := f.Try(t.Context(), ana, "tableau", good())
		if err != nil || len(reports) != 1 || !reports[0].Pass || reports[0].Message != "acme-analytics" {
			t.Errorf("%+v, %v", reports, err)
		}
		<-f.system.clients()[0].closed
		if all, err := f.List(t.Context(), ana); err != nil || len(all) != 0 {
			t.Errorf("%d connections, %v", len(all), err)
		}
		c := f.create(t)
		if reports, err := f.TryEdit(t.Context(), ana, c.ID, connection.Edit{Settings: integration.Settings{"site_content_url": "other"}}); err != nil || reports[0].Message != "other" {
			t.Errorf("%+v, %v", reports, err)
		}
		all := f.system.clients()
		if all[len(all)-1].settings["pat_secret"] != secret {
			t.Error("the stored secret was not tried")
		}
		if o, err := f.Overview(t.Context(), ana, c.ID); err != nil || len(o.Checks) != 0 || o.Version != 1 {
			t.Errorf("%+v, %v", o.Checks, err)
		}
	})
}

// What people sent and how the connection was used is kept without bodies, the
// newest 20, also over a restart.
func TestUsageIsKept(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.create(t)
		for range 25 {
			call := integration.Call{Method: http.MethodPost, Path: "/x", Query: url.Values{"a": {"b"}}, Body: []byte(secret)}
			if _, err := f.Call(t.Context(), ana, c.ID, call); err != nil {
				t.Fatal(err)
			}
		}
		before, err := f.Overview(t.Context(), ana, c.ID)
		if err != nil || len(before.Usage.History) != 20 {
			t.Errorf("%d, %v", len(before.Usage.History), err)
		}
		if err := f.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		all, err := f.db.Usages(t.Context(), c.ID)
		if err != nil || len(all[c.ID].History) != 20 {
			t.Errorf("%d, %v", len(all[c.ID].History), err)
		}
		sent := all[c.ID].History[0]
		if sent.Path != "/x" || !sent.Body || sent.Status != http.StatusOK || sent.By.ID != "usr_ana" || sent.Query.Get("a") != "b" {
			t.Errorf("%+v", sent)
		}
		if err := f.db.AddUsage(t.Context(), "con_none", all[c.ID]); err != nil {
			t.Errorf("use of a connection that is gone: %v", err)
		}
	})
}

// Usage of several nodes comes together.
func TestUsageAdds(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	at := func(m int) connection.Exchange {
		return connection.Exchange{Kind: "call", At: day.Add(time.Duration(m) * time.Minute)}
	}
	u := connection.Usage{UsedAt: day, Day: "2026-11-25", Calls: 3, Last: []connection.Exchange{at(5), at(1)}}
	u = u.Add(connection.Usage{UsedAt: day.Add(-time.Hour), Day: "2026-11-25", Calls: 2, Last: []connection.Exchange{at(3)}})
	if u.Calls != 5 || !u.UsedAt.Equal(day) || len(u.Last) != 3 || u.Last[1].At != at(3).At || u.On(day) != 5 || u.On(day.AddDate(0, 0, 1)) != 0 {
		t.Errorf("%+v", u)
	}
	if next := u.Add(connection.Usage{Day: "2026-11-26", Calls: 1}); next.Calls != 1 || next.Day != "2026-11-26" {
		t.Errorf("a new day: %+v", next)
	}
	if late := u.Add(connection.Usage{Day: "2026-11-24", Calls: 9}); late.Calls != 5 {
		t.Errorf("what comes late: %+v", late)
	}
}

// Each state by what the checks found. The first check is the way in: what others
// found before it failed says nothing.
func TestHealth(t *testing.T) {
	t.Parallel()
	in, checked := tableau.New(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	report := func(version int, pass ...bool) []connection.CheckReport {
		var out []connection.CheckReport
		for i, p := range pass {
			out = append(out, connection.CheckReport{Key: in.Checks[i].Key, Pass: p, Version: version, At: checked, Duration: time.Millisecond})
		}
		return out
	}
	earlier := func(reports []connection.CheckReport, which ...int) []connection.CheckReport {
		for _, i := range which {
			reports[i].At = reports[i].At.Add(-time.Minute)
		}
		return reports
	}
	for name, tt := range map[string]struct {
		last  []connection.CheckReport
		state connection.State
		word  string
	}{
		"none":                {nil, connection.StateNeverChecked, "Never checked"},
		"all pass":            {report(3, true, true, true, true), connection.StateHealthy, "Healthy"},
		"users fail":          {report(3, true, true, true, false), connection.StateDegraded, "Degraded (1 check fails)"}, // S72
		"two fail":            {report(3, true, false, true, false), connection.StateDegraded, "Degraded (2 checks fail)"},
		"the first alone":     {report(3, false, true, true, true), connection.StateDegraded, "Degraded (1 check fails)"},
		"the first fails now": {earlier(report(3, false, true, true, true), 1, 2, 3), connection.StateNeedsAttention, "Needs attention"},
		"one passes now":      {earlier(report(3, false, true, true, true), 1, 2), connection.StateDegraded, "Degraded (1 check fails)"},
		"only the first ran":  {report(3, false), connection.StateNeedsAttention, "Needs attention"},
		"all fail":            {report(3, false, false, false, false), connection.StateNeedsAttention, "Needs attention"},
		"some are old":        {append(report(3, true), report(2, false, false)[1]), connection.StateNeverChecked, "Never checked"},
		"all are old":         {report(2, false, false, false, false), connection.StateNeverChecked, "Never checked"},
		"some, and one fails": {report(3, true, false), connection.StateDegraded, "Degraded (1 check fails)"},
	} {
		got := connection.Health(connection.Connection{Version: 3}, in, tt.last)
		if got.State != tt.state || got.Word != tt.word || got.Sentence == "" || (got.State != connection.StateHealthy) != (len(got.Next) > 0) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := connection.Health(connection.Connection{PausedAt: time.Now()}, in, nil); got.State != connection.StatePaused {
		t.Errorf("paused: %+v", got)
	}
}

// S88, S90, T23: a token that nobody uses is spoken of before it ends.
func TestCredentialOf(t *testing.T) {
	t.Parallel()
	in := tableau.New()
	made := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	for name, tt := range map[string]struct {
		used    time.Time
		now     time.Time
		idle    int
		warning string
	}{
		"new":             {time.Time{}, made.Add(time.Hour), 0, ""},
		"9 days":          {time.Time{}, made.Add(10*day - time.Minute), 9, ""},
		"10 days":         {time.Time{}, made.Add(10 * day), 10, "The token was not used for 10 days, and unused it ends after 15 days"},
		"14.9 days":       {time.Time{}, made.Add(15*day - time.Minute), 14, "The token was not used for 14 days, and unused it ends after 15 days"},
		"15 days":         {time.Time{}, made.Add(15 * day), 15, "The token was not used for 15 days and may have expired"},
		"used on the 9th": {made.Add(9 * day), made.Add(15 * day), 6, ""},
		"clock went back": {made.Add(9 * day), made, 0, ""},
		"used, then idle": {made.Add(2 * day), made.Add(13 * day), 11, "The token was not used for 11 days"},
		"secret is newer": {made.Add(-3 * day), made.Add(9 * day), 9, ""},
	} {
		got := connection.CredentialOf(connection.Connection{CreatedAt: made.Add(-30 * day), SecretAt: made}, in, connection.Usage{UsedAt: tt.used}, tt.now)
		if got.IdleDays != tt.idle || !strings.HasPrefix(got.Warning, tt.warning) || (tt.warning == "") != (got.Warning == "") {
			t.Errorf("%s: %d days, %q", name, got.IdleDays, got.Warning)
		}
	}
	if got := connection.CredentialOf(connection.Connection{CreatedAt: made}, integration.Integration{}, connection.Usage{}, made.Add(100*day)); got.Warning != "" || !got.EndsAt.IsZero() {
		t.Errorf("credentials that do not end so: %+v", got)
	}
}

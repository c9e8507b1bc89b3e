package connection_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
)

// A retired connection holds no secret and sends nothing; a new token and a
// resumption bring it back.
func TestRetire(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *fixture) {
		c := f.create(t)
		f.used(t, c.ID)
		if _, err := f.Retire(t.Context(), ana, c.ID, "acme"); fault.Public(err).Code != "confirm" {
			t.Errorf("by a wrong name: %v", err)
		}
		for range 2 { // the second does nothing
			if _, err := f.Retire(t.Context(), bo, c.ID, c.DisplayName); err != nil {
				t.Fatal(err)
			}
		}
		stored, err := f.db.Connection(t.Context(), c.ID)
		if err != nil || len(stored.Sealed) != 0 || len(stored.Hints) != 0 || stored.Version != 2 || !stored.SecretAt.IsZero() {
			t.Errorf("%v %v, version %d, %v", stored.Sealed, stored.Hints, stored.Version, err)
		}
		o, err := f.Overview(t.Context(), ana, c.ID)
		if err != nil || o.Condition.Word != "Retired" || o.Condition.State != connection.StatePaused || o.Condition.Sentence != "Bo retired it: its secret is removed, and nothing is sent over it." {
			t.Errorf("%+v, %v", o.Condition, err)
		}
		if kinds := f.kinds(t, c.ID); kinds[0] != "connection.retired" || kinds[1] == "connection.retired" {
			t.Errorf("%v", kinds)
		}
		if _, err := f.Call(t.Context(), ana, c.ID, integration.Call{Method: http.MethodGet, Path: "/x"}); !errors.Is(err, fault.Conflict) {
			t.Errorf("a call: %v", err)
		}
		if _, err := f.Resume(t.Context(), ana, c.ID); fault.Public(err).Code != "retired" {
			t.Errorf("resumed without a secret: %v", err)
		}
		edit := connection.Edit{Settings: integration.Settings{"site_content_url": "other"}}
		for what, act := range map[string]func() error{
			"preview": func() error { _, err := f.Preview(t.Context(), ana, c.ID, edit); return err },
			"update":  func() error { _, err := f.Update(t.Context(), ana, c.ID, edit); return err },
		} {
			if f := fault.Public(act()); f.Field != "settings.pat_secret" || f.Message != "Personal Access Token secret is required" {
				t.Errorf("%s: %s %s", what, f.Field, f.Message)
			}
		}
		if _, err := f.Rotate(t.Context(), ana, c.ID, connection.Edit{Settings: integration.Settings{"pat_secret": secret}}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Resume(t.Context(), ana, c.ID); err != nil {
			t.Fatal(err)
		}
		if used := f.used(t, c.ID); used["pat_secret"] != secret {
			t.Error("the new secret is not used")
		}
	})
}

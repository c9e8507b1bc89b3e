package web

import (
	"slices"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
	"github.com/margay-access/margay/internal/workflow"
)

// Whatever causes a run is told in words, and a list can be narrowed to it.
func TestTriggersHaveWords(t *testing.T) {
	t.Parallel()
	d := directory{people: map[identity.PersonID]identity.Person{"usr_1": {ID: "usr_1", Name: "Ana Ruiz"}}}
	for _, trigger := range slices.Concat(access.Triggers(), workflow.Triggers()) {
		whole := trigger
		if strings.HasSuffix(trigger, ":") {
			whole += "usr_1"
		}
		if text := d.triggerText(whole); text == whole || strings.ToUpper(text[:1]) != text[:1] {
			t.Errorf("%s is told as %q", whole, text)
		}
		if !slices.ContainsFunc(triggers, func(o ui.Option) bool { return o.Value == trigger }) {
			t.Errorf("no list can be narrowed to %s", trigger)
		}
	}
}

// Many runs in a state are not counted to the end.
func TestCountText(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]workflow.Count{"0": {}, "999": {Runs: 999}, "1,000+": {Runs: 999, More: true}} {
		if got := countText(c); got != want {
			t.Errorf("%+v is %q, want %q", c, got, want)
		}
	}
}

// The questions about a run say the command that does the same.
func TestRunQuestionsSayTheirCommand(t *testing.T) {
	t.Parallel()
	v := runSheet{Run: workflow.Run{ID: "run_1"}}
	for want, got := range map[string]string{"margay run retry run_1": v.retryQuestion().Command, "margay run cancel run_1": v.cancelQuestion().Command} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

package provision_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/internal/workflow"
)

// What steps were asked and answered is for administrators and the owners of the
// run's app; whom the run is for sees the steps; nobody else sees the run. What is
// called like a secret is shown to nobody.
func TestWhoSeesARun(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		r := newRig(t, cfg)
		db := r.db
		svc := workflow.NewService(db, nil, time.Now, nil)
		owner := identity.Actor{Person: "usr_owner"}
		r.does(func(ctx context.Context, t workflow.Task) (string, error) {
			return "", errors.Join(db.SaveStep(ctx, t.Journal.Epoch, workflow.Step{
				Run: t.Run, Seq: 1, Name: "tableau.request", State: workflow.StepDone, Attempt: 1, StartedAt: time.Now(), EndedAt: time.Now(),
				Input:   `{"path":"/sites/x/datasources/y","body":{"connection":{"userName":"svc","password":"hunter2"}}}`,
				Output:  `{"connectedApplicationSecret":{"id":"s1","value":"hunter2"},"users":[{"name":"bo@acme.example"}]}`,
				Calls:   []workflow.Call{{Kind: "call", Method: "GET", Path: "/users?filter=name:eq:bo@acme.example", Err: "Get /users?filter=name:eq:bo@acme.example: EOF"}},
				Change:  &workflow.Change{What: "the site role of rita", Before: "Viewer", After: "Creator", Body: `{"token":"hunter2"}`},
				Log:     []workflow.LogLine{{Text: "bo@acme.example is idle"}},
				Problem: workflow.Problem{Message: "Tableau said no.", Detail: "bo@acme.example is not idle"},
			}), fault.New(fault.Upstream, "not a function").WithCode("script_mistake").WithDetail("at tableau.users.findd for bo@acme.example"))
		})
		grant := r.ask()
		r.does(func(context.Context, workflow.Task) (string, error) {
			return `{"note":"made","apiKey":"hunter2"}`, nil
		})
		given, err := r.Start(t.Context(), ana, "wfl_hand", []byte(`{"n":7,"password":"hunter2"}`))
		r.must(err)
		r.over(given.ID, given.ID)
		for _, who := range []identity.Actor{ana, {Person: "usr_ana"}} { // its administrator, and who started it
			run, _, err := svc.Run(t.Context(), who, given.ID)
			listed, listErr := svc.Runs(t.Context(), who, workflow.RunFilter{ID: given.ID})
			if err != nil || listErr != nil || len(listed) != 1 {
				t.Fatal(err, listErr, listed)
			}
			for _, got := range []workflow.Run{run, listed[0]} {
				if strings.Contains(got.Input+got.Output, "hunter2") || !strings.Contains(got.Input, `"n":7`) || !strings.Contains(got.Output, "made") {
					t.Errorf("what a run was told and returned: %s, %s", got.Input, got.Output)
				}
			}
		}
		app := grant.App
		svc.Use(workflow.Surroundings{Apps: func(_ context.Context, who identity.Actor) ([]string, error) {
			if who.Person == owner.Person {
				return []string{string(app)}, nil
			}
			return nil, nil
		}})
		for name, c := range map[string]struct {
			who   identity.Actor
			whole bool
		}{
			"an administrator":    {identity.Actor{Person: "usr_ana", Admin: true}, true},
			"an owner of the app": {owner, true},
			"whom it is for":      {identity.Actor{Person: "usr_rita"}, false},
		} {
			run, steps, err := svc.Run(t.Context(), c.who, grant.Run)
			if err != nil || len(steps) != 1 {
				t.Fatalf("%s: %v", name, err)
			}
			listed, err := svc.Runs(t.Context(), c.who, workflow.RunFilter{Grant: string(grant.ID)})
			if err != nil || len(listed) != 1 {
				t.Fatalf("%s lists %d runs, %v", name, len(listed), err)
			}
			for _, p := range []workflow.Problem{run.Problem, listed[0].Problem} {
				told := workflow.Problem{Code: "script_mistake", Message: workflow.Mistaken}
				if c.whole {
					told.Message, told.Detail = "not a function", "at tableau.users.findd for bo@acme.example"
				}
				if p != told {
					t.Errorf("%s is told why it failed: %+v", name, p)
				}
			}
			if steps[0].Problem.Message != "Tableau said no." {
				t.Errorf("%s is told of the step: %+v", name, steps[0].Problem)
			}
			text := fmt.Sprintf("%+v %+v %+v %+v", steps[0], steps[0].Change, run, listed[0])
			if strings.Contains(text, "hunter2") {
				t.Errorf("%s sees a secret: %s", name, text)
			}
			if got := strings.Contains(text, "bo@acme.example"); got != c.whole || steps[0].Hidden == c.whole {
				t.Errorf("%s sees other people: %v, %s", name, got, text)
			}
			if steps[0].Change.After != "Creator" || steps[0].Calls[0].Method != http.MethodGet {
				t.Errorf("%s does not see what was changed: %s", name, text)
			}
		}
		somebody := identity.Actor{Person: "usr_bo"}
		if _, _, err := svc.Run(t.Context(), somebody, grant.Run); fault.KindOf(err) != fault.NotFound {
			t.Errorf("somebody else: %v", err)
		}
		if rs, err := svc.Runs(t.Context(), somebody, workflow.RunFilter{}); err != nil || len(rs) != 0 {
			t.Errorf("somebody else lists %d runs, %v", len(rs), err)
		}
	})
}

package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/store"
	"github.com/margay-access/margay/internal/store/storetest"
	"github.com/margay-access/margay/tableau/tableautest"
)

const tenSteps = `import { log, type ManualContext } from "margay";
import { tableau } from "margay/tableau";
export default async function run(ctx: ManualContext<{ people: string[] }>) {
  const done: string[] = [];
  for (const email of ctx.inputs.people) {
    const user = await tableau.users.find(email);
    if (user === null) throw new Error(email + " is not there");
    log.info("next is " + email);
    const after = await tableau.users.setSiteRole(user.id, "Creator");
    done.push(after.siteRole);
  }
  return { done };
}`

// G2, O01: a workflow of ten steps whose process is killed (SIGKILL) three times, on
// both sides of a change and at a look-up, is carried out once: each role is set,
// no change is sent that is there already, and what was recorded is not asked for
// again.
func TestKillInTenSteps(t *testing.T) {
	t.Parallel()
	storetest.EachConfig(t, func(t *testing.T, cfg store.Config) {
		s := newSite(t, tableautest.Config{})
		data := t.TempDir()
		p := startProcess(t, s, cfg, data)
		u := setUpKilled(p, s)
		var users []*tableautest.User
		var emails []string
		for i := range 5 {
			email := fmt.Sprintf("user%d@acme.example", i)
			emails, users = append(emails, email), append(users, s.AddUser(email, "Viewer"))
		}
		w := call[wire.WorkflowDetail](p.node, "POST", "/workflows", wire.NewWorkflow{
			Name: "Ten steps", Type: "manual", Integration: "tableau", ConnectionID: u.connection.ID, Source: tenSteps,
			Inputs: json.RawMessage(`{"type":"object","properties":{"people":{"type":"array","items":{"type":"string"}}},"required":["people"]}`),
		})
		w = call[wire.WorkflowDetail](p.node, "POST", "/workflows/"+w.ID+"/publish", wire.Publication{Revision: w.Revision})
		id := ""
		for i, at := range []tableautest.Fault{
			{Method: http.MethodPut, Path: "/api/*/sites/*/users/" + users[1].ID(), Hang: true},
			{Method: http.MethodPut, Path: "/api/*/sites/*/users/" + users[2].ID(), Hang: true, Apply: true},
			{Method: http.MethodGet, Path: "/api/*/sites/*/users/" + users[4].ID(), Hang: true},
		} {
			p, _ = killAt(t, p, s, cfg, data, &at, func(p *process) string {
				if i == 0 {
					inputs, err := json.Marshal(map[string]any{"people": emails})
					if err != nil {
						t.Fatal(err)
					}
					id = call[wire.Run](p.node, "POST", "/workflows/"+w.ID+"/run", wire.StartedRun{Inputs: inputs}).ID
				}
				return id
			})
		}

		var run wire.Run
		for late := time.Now().Add(time.Minute); run.EndedAt == nil; {
			if run = call[wire.Run](p.node, "GET", "/runs/"+id+"/watch?revision="+run.Revision, nil); time.Now().After(late) {
				t.Fatalf("the run does not end: %+v\n%s", run, p.logs)
			}
		}

		if run.State != "done" || len(run.Steps) != 10 || len(run.Log) != 5 {
			t.Fatalf("the run is %s with %d steps and %d lines, %+v", run.State, len(run.Steps), len(run.Log), run.Problem)
		}
		again := 0
		for _, step := range run.Steps {
			again += step.Attempt - 1
		}
		if again < 2 || again > 3 { // a step that had only read may not have been kept
			t.Errorf("%d steps were begun again, want those of the two changes", again)
		}
		for _, user := range users {
			if user.Role() != "Creator" {
				t.Errorf("%s is %s", user.Name(), user.Role())
			}
		}
		if n := s.puts(); n != len(users) {
			t.Errorf("%d changes were made, want %d", n, len(users))
		}
		searchData(t, data, cfg, p.logs)
	})
}

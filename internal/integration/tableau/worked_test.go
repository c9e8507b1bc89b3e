package tableau_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/integration/tableau"
	"github.com/margay-access/margay/internal/workflow/script"
	"github.com/margay-access/margay/tableau/tableautest"
)

const root = "../../.."

// The workflows that are shipped and documented pass tsc --strict against
// margay.d.ts, which says what the modules do.
func TestTypeScript(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(filepath.Join(root, "tools/ts/node_modules/typescript")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("the TypeScript compiler is missing: scripts/setup installs it")
		}
		t.Skip("the TypeScript compiler is missing: scripts/setup installs it")
	}
	out, err := exec.CommandContext(t.Context(), "node", filepath.Join(root, "tools/ts/check.mjs")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "7 workflows pass") {
		t.Errorf("%v\n%s", err, out)
	}
}

// watch is a guard that lets everything pass, or holds everything back, and
// keeps what it was told.
type watch struct {
	hold    bool
	changes []integration.Change
	asked   int
}

func (w *watch) Intend(_ context.Context, c integration.Change) error {
	w.changes = append(w.changes, c)
	if w.hold {
		return integration.ErrHeld
	}
	return nil
}

func (w *watch) Ask(context.Context) error { w.asked++; return nil }

// runFile runs a documented workflow on the site.
func runFile(t *testing.T, s *site, file string, argument any, w *watch) (map[string]any, error) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/workflows", file))
	if err != nil {
		t.Fatal(err)
	}
	core, err := os.ReadFile(filepath.Join(root, "internal/workflow/sdk/margay.ts"))
	if err != nil {
		t.Fatal(err)
	}
	in := tableau.New()
	program, err := script.Compile(script.Source{Name: file, Text: string(text), Modules: map[string]string{
		"margay": string(core), "margay/tableau": in.Modules["margay/tableau"],
	}})
	if err != nil {
		t.Fatal(err)
	}
	told, err := json.Marshal(argument)
	if err != nil {
		t.Fatal(err)
	}
	client := s.open(t)
	out, err := program.Run(t.Context(), script.Input{
		Argument: told, Clock: time.Now(),
		Host: func(ctx context.Context, c script.Call) script.Answer {
			var args []json.RawMessage
			a, err := in.Action(c.Name)
			if err = errors.Join(err, json.Unmarshal(c.Args, &args)); err != nil {
				t.Fatal(err)
			}
			value, err := a.Run(ctx, client, args[0], w)
			if err != nil {
				f := fault.Public(err)
				return script.Answer{Err: &script.HostError{Code: f.Code, Message: f.Message, Detail: f.Detail, Hint: f.Hint}}
			}
			return script.Answer{Value: value, At: time.Now()}
		},
	})
	var result map[string]any
	if err == nil {
		err = json.Unmarshal(out, &result)
	}
	return result, err
}

type dict = map[string]any

func TestUnlicenseIdleViewers(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{}, tableautest.RoleSiteAdministratorCreator)
	idle, kept := s.AddUser("idle@acme.example", "Viewer"), s.AddUser("kept@acme.example", "Viewer")
	creator := s.AddUser("creator@acme.example", "Creator")
	inputs := dict{"idleDays": 90, "apply": false, "keep": "Kept@acme.example, other@acme.example"}

	first, err := runFile(t, s, "unlicense-idle-viewers.ts", dict{"inputs": inputs}, &watch{})
	if err != nil || len(first["report"].([]any)) != 1 || idle.Role() != "Viewer" {
		t.Fatalf("the review: %v, %v, %s", first, err, idle.Role())
	}
	inputs["apply"] = true
	second, err := runFile(t, s, "unlicense-idle-viewers.ts", dict{"inputs": inputs}, &watch{})

	if err != nil || idle.Role() != "Unlicensed" || kept.Role() != "Viewer" || creator.Role() != "Creator" {
		t.Errorf("%v, %v: %s, %s, %s", second, err, idle.Role(), kept.Role(), creator.Role())
	}
}

func TestMoveLeaversContent(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{}, tableautest.RoleSiteAdministratorCreator)
	leaver, successor := s.AddUser("leaver@acme.example", "Creator"), s.AddUser("successor@acme.example", "Creator")
	book, other := s.AddContent("workbook", "Sales", leaver), s.AddContent("workbook", "Costs", successor)
	source := s.AddContent("datasource", "Orders", leaver)
	w := &watch{hold: true}
	inputs := dict{"inputs": dict{"leaver": "leaver@acme.example", "successor": "successor@acme.example"}}

	if out, err := runFile(t, s, "move-leavers-content.ts", inputs, w); err != nil || len(w.changes) != 2 || w.asked != 0 || book.Owner() != leaver.ID() {
		t.Fatalf("held back: %v, %v, %+v", out, err, w)
	}
	out, err := runFile(t, s, "move-leavers-content.ts", inputs, &watch{})

	if err != nil || len(out["moved"].([]any)) != 2 {
		t.Fatalf("%v, %v", out, err)
	}
	for name, c := range map[string]*tableautest.Content{"book": book, "other": other, "source": source} {
		if c.Owner() != successor.ID() {
			t.Errorf("%s is of %s", name, c.Owner())
		}
	}
}

func TestWeeklySeatReport(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{}, tableautest.RoleSiteAdministratorCreator)
	s.AddUser("idle@acme.example", "Viewer")

	out, err := runFile(t, s, "weekly-seat-report.ts", dict{"scheduledFor": "2026-11-23T07:00:00Z"}, &watch{})

	if err != nil || out["note"] == "" || len(out["rows"].([]any)) != 3 || !strings.Contains(text(out), "idle@acme.example") {
		t.Errorf("%v, %v", out, err)
	}
}

func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func TestAddToGroupOnGrant(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{}, tableautest.RoleSiteAdministratorCreator)
	rita := s.AddUser("rita@acme.example", "Viewer")
	grant := dict{"id": "grt_1", "externalUserId": nil, "role": dict{"name": "Creator", "rank": 3}, "changedOutside": nil}
	ctx := dict{"person": dict{"email": "rita@acme.example"}, "app": dict{"name": "Quarter"}, "role": grant["role"], "grant": grant, "remaining": []any{}}

	if _, err := runFile(t, s, "add-to-group-on-grant.ts", ctx, &watch{}); err == nil || !strings.Contains(err.Error(), "There is no group Quarter") {
		t.Fatalf("without the group: %v", err)
	}
	s.AddGroup("Quarter")
	w := &watch{}
	out, err := runFile(t, s, "add-to-group-on-grant.ts", ctx, w)

	if err != nil || rita.Role() != "Creator" || out["changed"] != true || !strings.Contains(out["note"].(string), "added to the group Quarter") {
		t.Fatalf("%v, %v, %s", out, err, rita.Role())
	}
	if len(w.changes) != 2 || w.asked != 2 || w.changes[0].Before != "Viewer" || w.changes[0].After != "Creator" {
		t.Errorf("%+v", w)
	}
	rita.SetRole("SiteAdministratorExplorer") // somebody gave more
	if out, err := runFile(t, s, "add-to-group-on-grant.ts", ctx, &watch{}); err != nil || rita.Role() != "SiteAdministratorExplorer" || out["before"] != "SiteAdministratorExplorer" {
		t.Errorf("more than Creator: %v, %v, %s", out, err, rita.Role())
	}
	grant["changedOutside"] = dict{"expected": "Creator", "found": "Viewer"} // to be restored, and changed again since
	rita.SetRole("Explorer")
	if out, err := runFile(t, s, "add-to-group-on-grant.ts", ctx, &watch{}); err != nil || rita.Role() != "Explorer" || out["changed"] != false {
		t.Errorf("changed again: %v, %v, %s", out, err, rita.Role())
	}
	grant["changedOutside"] = nil
	rita.SetRole("Creator")
	again := &watch{}
	if out, err := runFile(t, s, "add-to-group-on-grant.ts", ctx, again); err != nil || out["changed"] != false || len(again.changes) != 0 {
		t.Errorf("again: %v, %v, %+v", out, err, again)
	}
}

// S14, S15, G8, T34: what somebody sets between the read by which a workflow
// decides and its write is not overwritten, and is told.
func TestWhatIsSetMeanwhileStays(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		file      string
		outside   any // what is to be restored
		meanwhile string
		want      string // the role that is left
		note      string
	}{
		"an end": {"deprovision.ts", nil, "ExplorerCanPublish", "ExplorerCanPublish", "No change: the current site role is ExplorerCanPublish, not Creator."},
		"restored on Viewer, then Explorer": {
			"provision.ts",
			dict{"expected": "Creator", "found": "Viewer"},
			"Explorer", "Explorer",
			"No change: it changed again since it was to be restored. The site role was Viewer then and is Explorer now.",
		},
		"given": {"provision.ts", nil, "Explorer", "Creator", "Explorer → Creator."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, tableautest.Config{}, tableautest.RoleSiteAdministratorCreator)
			rita := s.AddUser("rita@acme.example", map[bool]string{true: "Creator", false: "Viewer"}[tt.file == "deprovision.ts"])
			s.Fail(tableautest.Fault{Method: http.MethodGet, Path: "/api/3.24/sites/*/users/" + rita.ID(), Times: 1, After: func() { rita.SetRole(tt.meanwhile) }})
			grant := dict{"id": "grt_1", "externalUserId": rita.ID(), "role": dict{"name": "Creator", "rank": 3}, "changedOutside": tt.outside}
			ctx := dict{"person": dict{"email": "rita@acme.example"}, "app": dict{"name": "Quarter"}, "role": grant["role"], "grant": grant, "remaining": []any{}}

			out, err := runFile(t, s, "../../internal/integration/tableau/bundle/"+tt.file, ctx, &watch{})

			if err != nil || rita.Role() != tt.want || out["role"] != tt.want || out["note"] != tt.note {
				t.Errorf("%v, %v, %s", out, err, rita.Role())
			}
			if wrote := out["changed"] == true; wrote != (tt.want == "Creator") || out["before"] != tt.meanwhile {
				t.Errorf("%v", out)
			}
		})
	}
}

func TestApproveBySeatsLeft(t *testing.T) {
	t.Parallel()
	s := newSite(t, tableautest.Config{}, tableautest.RoleSiteAdministratorCreator)
	s.SetSeats(tableautest.Seats{Creator: 10, Explorer: 10, Viewer: 10})
	ask := func(role string, seconds any) dict {
		return dict{"role": dict{"name": role}, "request": dict{"seconds": seconds}}
	}
	for name, tt := range map[string]struct {
		ctx  dict
		want string
	}{
		"a creator":      {ask("Creator", 3600), `"approvers":["bo@acme.example"]`},
		"for too long":   {ask("Viewer", 1<<30), `"approvers":["bo@acme.example"]`},
		"without end":    {ask("Viewer", nil), `"approvers":["bo@acme.example"]`},
		"seats are left": {ask("Viewer", 3600), `"decision":"approve"`},
	} {
		out, err := runFile(t, s, "approve-by-seats-left.ts", tt.ctx, &watch{})
		if err != nil || !strings.Contains(text(out), tt.want) {
			t.Errorf("%s: %v, %v", name, out, err)
		}
	}
}

// G5 to the letter: a change that the client repeats is asked for again, and
// not sent when it is no longer wanted.
func TestGuardedBeforeEachSending(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]tableautest.Fault{
		"503":          {Operation: "update-user", Status: 503, Times: 1},
		"session lost": {Operation: "update-user", Status: 401, Code: "401002", Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, tableautest.Config{}, tableautest.RoleSiteAdministratorCreator)
			ann := s.AddUser("ann@acme.example", "Viewer")
			s.Fail(f)
			set, err := tableau.New().Action("tableau.users.setSiteRole")
			if err != nil {
				t.Fatal(err)
			}
			asked := 0
			revoked := fault.New(fault.Conflict, "A later decision has overtaken this run.").WithCode("superseded")

			_, err = set.Run(t.Context(), s.open(t), json.RawMessage(`{"id":"`+ann.ID()+`","siteRole":"Creator"}`), integration.GuardFunc(func(context.Context) error {
				if asked++; asked == 1 {
					return nil
				}
				return revoked
			}))

			if fault.Public(err).Code != "superseded" || asked != 2 || ann.Role() != "Viewer" {
				t.Errorf("%v; asked %d times, the role is %s", err, asked, ann.Role())
			}
		})
	}
}

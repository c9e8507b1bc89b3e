package script_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/workflow/script"
)

// modules are a stand-in for ours.
var modules = map[string]string{
	"margay": `import { log as write } from "margay:host";
export const log = { info: (text: string): void => write("info", text), warn: (text: string): void => write("warn", text) };`,
	"margay/tableau": `import { call } from "margay:host";
export interface User { id: string; siteRole: string }
export const tableau = {
  users: {
    get: (id: string): Promise<User> => call("tableau.users.get", id),
    setSiteRole: async (id: string, role: string): Promise<User> => {
      return await call("tableau.users.setSiteRole", id, role);
    },
  },
};`,
}

func source(text string) script.Source {
	return script.Source{Name: "provision.ts", Text: text, Modules: modules}
}

func compile(t testing.TB, text string) *script.Program {
	t.Helper()
	p, err := script.Compile(source(text))
	if err != nil {
		t.Fatalf("compile: %v", err)
	}
	return p
}

var epoch = time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)

func TestRunReturnsWhatTheWorkflowReturns(t *testing.T) {
	t.Parallel()
	p := compile(t, `
import { tableau, type User } from "margay/tableau";
interface Input { user: string }
export default async function (input: Input): Promise<{ role: string; at: string }> {
  const before: User = await tableau.users.get(input.user);
  const after = await tableau.users.setSiteRole(before.id, "Creator");
  console.log("set", after);
  return { role: after.siteRole, at: new Date().toISOString() };
}`)
	var calls, lines []string

	got, err := p.Run(t.Context(), script.Input{
		Argument: json.RawMessage(`{"user":"ann"}`),
		Clock:    epoch,
		Host: func(_ context.Context, c script.Call) script.Answer {
			calls = append(calls, c.Name+string(c.Args))
			return script.Answer{Value: json.RawMessage(`{"id":"7","siteRole":"Creator"}`), At: epoch.Add(time.Duration(c.Seq) * time.Minute)}
		},
		Log: func(level, text string) { lines = append(lines, level+": "+text) },
	})
	if err != nil {
		t.Fatalf("run: %v", err)
	}

	wantJSON(t, string(got), `{"role":"Creator","at":"2026-03-03T10:02:00.000Z"}`)
	want(t, calls, []string{`tableau.users.get["ann"]`, `tableau.users.setSiteRole["7","Creator"]`})
	want(t, lines, []string{`info: set {"id":"7","siteRole":"Creator"}`})
}

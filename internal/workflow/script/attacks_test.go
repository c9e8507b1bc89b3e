package script_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/workflow/script"
)

// G13, P02 to P07: what else a script may try, beside taking time and memory (P01
// and P03 are in TestHostileScriptsAreStopped). Each attack comes to nothing, and
// the server pays for none more than 2 s and 200 MiB, as for those.
func TestAttacksComeToNothing(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret.js.map")
	if err := os.WriteFile(secret, []byte(`{"version":3,"sources":["canary-7d1e"],"mappings":""}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MARGAY_CANARY", "canary-7d1e")
	attacks := map[string]string{ // what must come back is "nothing", or an error without the canary
		"P02 getter that takes the caller":     `const o: any = {}; Object.defineProperty(o, "x", { get: function f() { return (f as any).caller } }); return String(o.x ?? "nothing").slice(0, 7) === "nothing" ? "nothing" : "caller"`,
		"P02 tagged template for a function":   "try { return typeof (globalThis as any).Function`return process`() } catch { return 'nothing' }",
		"P02 template that hides a name":       "try { return typeof (globalThis as any)[`pro${'cess'}`].env } catch { return 'nothing' }",
		"P02 prototype pollution, here":        `(Object.prototype as any).isAdmin = true; JSON.parse('{"__proto__":{"x":1}}'); return ({} as any).x === undefined ? "nothing" : "polluted"`,
		"P02 prototype of the host's answer":   `const a: any = await tableau.users.get("1"); a.__proto__.siteRole = "Creator"; const b: any = await tableau.users.get("1"); return Object.hasOwn(b, "siteRole") ? "changed" : "nothing"`,
		"P02 host object by its constructor":   `const f: any = tableau.users.get; try { return f.constructor.constructor("return this")() ? "global" : "nothing" } catch { return "nothing" }`,
		"P02 source map of an error":           `const e: any = new Error("x"); e.stack = "at f (` + secret + `:1:1)"; throw e`,
		"P02 source map by a comment":          `//# sourceMappingURL=` + secret + "\n" + `throw new Error("x")`,
		"P02 module by a path":                 `try { await import("` + secret + `" as any); return "read" } catch { return "nothing" }`,
		"P02 module of the engine":             `for (const m of ["std", "qjs:std", "os", "qjs:os", "bjson"]) { try { await import(m as any); return m } catch {} } return "nothing"`,
		"P03 forged number of a call":          `const c = (globalThis as any).__margay_call; return c === undefined ? "nothing" : "reached"`,
		"P03 an answer made by the script":     `try { (globalThis as any).__margay_end(true, "\"forged\"") } catch {} return "nothing"`,
		"P03 a call by another name":           `try { await (tableau.users as any)["__proto__"].constructor.get("1") } catch {} return "nothing"`,
		"P04 the environment in an error":      `throw new Error(Object.getOwnPropertyNames(globalThis).map(n => { try { return String((globalThis as any)[n]) } catch { return "" } }).join())`,
		"P04 the stack in an error":            `const e = new Error("x"); throw new Error(String(e.stack))`,
		"P04 time as a channel":                `const a = Date.now(); for (let i = 0; i < 1e5; i++); return Date.now() === a ? "nothing" : "a clock"`,
		"P04 the collector as a channel":       `return typeof (globalThis as any).WeakRef === "undefined" && typeof (globalThis as any).FinalizationRegistry === "undefined" ? "nothing" : "collector"`,
		"P05 its own text":                     `return /canary-7d1e/.test(String(run)) ? "text" : "nothing"; function run() {}`,
		"P06 fork, exec, kill, descriptors":    `return ["os", "std", "process", "Deno", "Bun", "Worker", "print", "open", "exec", "fork", "kill", "require"].filter(n => n in globalThis).join() || "nothing"`,
		"P06 threads and shared memory":        `return ["SharedArrayBuffer", "Atomics", "Worker", "WebAssembly"].filter(n => n in globalThis).join() || "nothing"`,
		"P06 timers":                           `return ["setTimeout", "setInterval", "setImmediate", "queueMicrotask"].filter(n => n in globalThis).join() || "nothing"`,
		"P07 order of keys and of an iterator": `const k = () => { const o: any = {}; for (const c of ["b", "a", "2", "1"]) o[c] = 1; return Object.keys(o).join() + [...new Map([["z", 1], ["y", 2]]).keys()] }; return k() === k() && k() === "1,2,b,az,y" ? "nothing" : k()`,
		"P07 text of a place in memory":        `return /0x[0-9a-f]{6}/.test(String(() => 1) + String(Symbol("x")) + String(new (class X {})())) ? "address" : "nothing"`,
		"P07 the local time zone":              `return new Date(0).getTimezoneOffset() === 0 && new Date(0).getHours() === 0 ? "nothing" : "zone"`,
		"P07 the language of the server":       `return (12345.6).toLocaleString() + new Date(0).toLocaleDateString() ? "nothing" : ""`,
	}
	host := func(context.Context, script.Call) script.Answer {
		return script.Answer{Value: json.RawMessage(`{"id":"1"}`)}
	}
	for name, body := range attacks {
		t.Run(name, func(t *testing.T) {
			p, err := script.Compile(source(`import { tableau } from "margay/tableau";
export default async function (): Promise<any> { ` + body + `
}`))
			if err != nil { // it is refused before it runs
				if strings.Contains(err.Error(), "canary-7d1e") {
					t.Errorf("the compiler tells what it must not: %v", err)
				}
				return
			}
			runtime.GC()
			before := resident(t)
			var got [2]json.RawMessage
			var took time.Duration
			most := peak(t, func() {
				begin := time.Now()
				for i := range got { // P07: twice the same
					got[i], err = p.Run(t.Context(), script.Input{Host: host, Clock: epoch, Seed: 7, Limits: script.Limits{CPU: 100 * time.Millisecond}})
				}
				took = time.Since(begin)
			})
			if took > 2*time.Second*slow {
				t.Errorf("took %v", took)
			}
			if grown := most - before; grown > 200<<20 {
				t.Errorf("the process grew by %d MiB", grown>>20)
			}
			if string(got[0]) != string(got[1]) {
				t.Errorf("first %s, then %s", got[0], got[1])
			}
			if err == nil && string(got[0]) != `"nothing"` {
				t.Errorf("it came to %s", got[0])
			}
			if e, ok := errors.AsType[*script.RunError](err); err != nil && !ok {
				t.Errorf("an error of ours: %v", err)
			} else if ok && strings.Contains(fmt.Sprintf("%+v", *e), "canary-7d1e") {
				t.Errorf("the error tells what it must not: %+v", e)
			}
		})
	}
}

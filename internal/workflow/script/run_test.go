package script_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/margay-access/margay/internal/workflow/script"
)

// run compiles the body of a workflow and runs it.
func run(t testing.TB, body string, in script.Input) (json.RawMessage, error) {
	t.Helper()
	return compile(t, `import { tableau } from "margay/tableau"; import { log } from "margay";
export default async function (input: any): Promise<any> {
`+body+`
}`).Run(t.Context(), in)
}

func runError(t testing.TB, err error) *script.RunError {
	t.Helper()
	e, ok := errors.AsType[*script.RunError](err)
	if !ok {
		t.Fatalf("error %v, want a RunError", err)
	}
	return e
}

// echo answers each call with its arguments.
func echo(_ context.Context, c script.Call) script.Answer { return script.Answer{Value: c.Args} }

// refuse answers each call with err.
func refuse(err script.HostError) func(context.Context, script.Call) script.Answer {
	return func(context.Context, script.Call) script.Answer { return script.Answer{Err: &err} }
}

func TestWhatComesBack(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ body, want string }{
		"nothing":          {``, `null`},
		"null":             {`return null`, `null`},
		"undefined inside": {`return { a: undefined, b: [undefined] }`, `{"b":[null]}`},
		"a date":           {`return new Date(0)`, `"1970-01-01T00:00:00.000Z"`},
		"a promise":        {`return Promise.resolve(7)`, `7`},
		"text":             {`return "Größe \u{1F600} \u0000"`, `"Größe 😀 \u0000"`},
		"half a character": {`return "\ud83d"`, `"\ud83d"`},
		"the argument":     {`return input`, `{"name":"Ännie","list":[1,2.5,null]}`},
		"a call":           {`return tableau.users.get("x")`, `["x"]`},
		"undefined asked":  {`return tableau.users.get(undefined as any)`, `[null]`},
		"class fields":     {`class A { x = 1; #y = 2; static z = 3; get y() { return this.#y } } return [new A().x, new A().y, A.z]`, `[1,2,3]`},
		"ES2023":           {`return [[3, 1].toSorted(), [1, 2].at(-1), [1, 2].findLast(x => x < 2), Object.hasOwn({ a: 1 }, "a"), "a-b".replaceAll("-", "+")]`, `[[1,3],2,1,true,"a+b"]`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got, err := run(t, tt.body, script.Input{Argument: json.RawMessage(`{"name":"Ännie","list":[1,2.5,null]}`), Host: echo})
			if err != nil {
				t.Fatal(err)
			}

			wantJSON(t, string(got), tt.want)
		})
	}
}

// The language works as it does elsewhere, also where the prelude stands in for
// the engine.
func TestTheLanguageIsWhole(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		`[3, 1, 2, undefined, 10].sort()`:                                                            `[1,10,2,3,null]`,
		`[3, 1, 2].sort((a, b) => b - a)`:                                                            `[3,2,1]`,
		`["b", "a"].toSorted()`:                                                                      `["a","b"]`,
		`[1, [2, [3, [4]]]].flat()`:                                                                  `[1,2,[3,[4]]]`,
		`[1, [2, [3, [4]]]].flat(Infinity)`:                                                          `[1,2,3,4]`,
		`[1, 2].flatMap(x => [x, [x]])`:                                                              `[1,[1],2,[2]]`,
		`[1].concat(2, [3, [4]])`:                                                                    `[1,2,3,[4]]`,
		`[1, 2, 3].indexOf(2) + [1, 2, 3].lastIndexOf(3)`:                                            `3`,
		`["x".repeat(2000), "y"].indexOf("x".repeat(2000))`:                                          `0`,
		`["x".repeat(2000), "y", "x".repeat(2000)].lastIndexOf("x".repeat(2000))`:                    `2`,
		`["x".repeat(2000)].includes("x".repeat(2000), 1)`:                                           `false`,
		`[NaN].includes(NaN)`:                                                                        `true`,
		`[1, 2, 3].map(function (this: any, x) { return x * this.k }, { k: 2 })`:                     `[2,4,6]`,
		`[1, 2, 3].reduce((a, b) => a + b)`:                                                          `6`,
		`[1, 2, 3].reduceRight((a, b) => a + "-" + b, "")`:                                           `"-3-2-1"`,
		`(() => { const a = [1, 2, 3, 4]; a.splice(1, 2, 9); return a })()`:                          `[1,9,4]`,
		`(function () { return Array.prototype.slice.call(arguments, 1) } as any)(1, 2)`:             `[2]`,
		`Array.prototype.map.call("abc", (c: string) => c + c)`:                                      `["aa","bb","cc"]`,
		`Array.from("aé😀")`:                                                                          `["a","é","😀"]`,
		`Array.from({ length: 3 }, (_, i) => i * i)`:                                                 `[0,1,4]`,
		`Array.from(new Set([1, 1, 2]))`:                                                             `[1,2]`,
		`[...new Map([["a", 1], ["b", 2]]).entries()]`:                                               `[["a",1],["b",2]]`,
		`[new Map() instanceof Map, new Set([1]).has(1), new WeakMap([[{}, 1]]) instanceof WeakMap]`: `[true,true,true]`,
		`class S extends Set { twice() { return this.size * 2 } } ; new S([1, 2]).twice()`:           ``,
		`Object.entries(Object.groupBy([1, 2, 3], x => x % 2 ? "odd" : "even"))`:                     `[["odd",[1,3]],["even",[2]]]`,
		`[..."a1b2".matchAll(/[a-z](\d)/g)].map(m => m[1])`:                                          `["1","2"]`,
		`"a,b".split(",").concat("a1b".split(/\d/))`:                                                 `["a","b","a","b"]`,
		`"aXbX".replace("X", m => m.toLowerCase()) + "aXbX".replaceAll("X", "$&$&")`:                 `"axbXaXXbXX"`,
		`"abcabc".lastIndexOf("c", 4) + "abc".indexOf("c")`:                                          `4`,
		`"undefined".indexOf(undefined as any)`:                                                      `0`,
		`JSON.stringify({ b: 1, a: [1] }, ["a"], 1)`:                                                 `"{\n \"a\": [\n  1\n ]\n}"`,
		`JSON.stringify({ a: 1 }, (k, v) => k ? v + 1 : v)`:                                          `"{\"a\":2}"`,
		`[10n ** 20n + ""]`:                                                                          `["100000000000000000000"]`,
		`[typeof structuredClone, typeof URL]`:                                                       `["undefined","undefined"]`,
		`[[].map.name, [].map.length, [].concat.name]`:                                               `["map",1,"concat"]`,
		`(() => { try { null!.x } catch (e: any) { return e instanceof TypeError } })()`:             `true`,
		`[1, 2, 3].at(-1)! + [5].find(x => x > 1)!`:                                                  `8`,
		`new Uint8Array([3, 1, 2]).sort().join()`:                                                    `"1,2,3"`,
		`new Float64Array([1.5, 2]).map(x => x * 2).reduce((a, b) => a + b)`:                         `7`,
		`(() => { let n = 0; new Map([[1, 2]]).forEach((v, k) => n += v + k); return n })()`:         `3`,
	}
	for expression, wanted := range tests {
		if wanted == "" {
			continue
		}
		got, err := run(t, "return "+expression, script.Input{})
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if t.Run("", func(t *testing.T) { wantJSON(t, string(got), wanted) }); t.Failed() {
			t.Fatalf("that was %s", expression)
		}
	}
}

// P07: time and chance.
func TestTimeAndChanceAreTheRuns(t *testing.T) {
	t.Setenv("TZ", "America/New_York")
	tests := map[string]string{
		`Date.now()`:                                                   `1772532000000`,
		`new Date()`:                                                   `"2026-03-03T10:00:00.000Z"`,
		`Date()`:                                                       `"Tue Mar 03 2026 10:00:00 GMT+0000 (UTC)"`,
		`"" + new Date()`:                                              `"Tue Mar 03 2026 10:00:00 GMT+0000 (UTC)"`,
		`new Date().toLocaleString()`:                                  `"03/03/2026, 10:00:00 AM"`,
		`new Date(NaN).toString()`:                                     `"Invalid Date"`,
		`new Date(2026, 6, 4, 1)`:                                      `"2026-07-04T01:00:00.000Z"`,
		`new Date("2026-07-04T01:00")`:                                 `"2026-07-04T01:00:00.000Z"`,
		`new Date("2026-07-04T01:00:00.5")`:                            `"2026-07-04T01:00:00.500Z"`,
		`new Date("2026-07-04")`:                                       `"2026-07-04T00:00:00.000Z"`,
		`new Date("2026-07-04T01:00+02:00")`:                           `"2026-07-03T23:00:00.000Z"`,
		`new Date("2026-07-04T01:00:00Z")`:                             `"2026-07-04T01:00:00.000Z"`,
		`new Date("July 4, 2026 01:00")`:                               `"2026-07-04T01:00:00.000Z"`,
		`new Date("July 4, 2026")`:                                     `"2026-07-04T00:00:00.000Z"`,
		`new Date("Sat, 04 Jul 2026 01:00:00 GMT")`:                    `"2026-07-04T01:00:00.000Z"`,
		`new Date("Sat, 04 Jul 2026 01:00:00 +0200")`:                  `"2026-07-03T23:00:00.000Z"`,
		`new Date("" + new Date())`:                                    `"2026-03-03T10:00:00.000Z"`,
		`Date.parse("nonsense")`:                                       `null`,
		`new Date(new Date(5))`:                                        `"1970-01-01T00:00:00.005Z"`,
		`new Date("2026-07-04T01:00").getHours()`:                      `1`,
		`new Date().getTimezoneOffset()`:                               `0`,
		`(() => { const d = new Date(0); d.setHours(5); return d })()`: `"1970-01-01T05:00:00.000Z"`,
		`new Date() instanceof Date`:                                   `true`,
		`new (class D extends Date { y() { return this.getFullYear() } })().y()`: `2026`,
		`(new Date() as any).constructor.now() - (new Date() as any)`:            `0`,
		`performance.now()`: `0`,
		`(async () => { const a = performance.now(); await tableau.users.get("1"); return performance.now() - a })()`: `60000`,
	}
	in := script.Input{Clock: epoch, Seed: 7, Host: func(context.Context, script.Call) script.Answer {
		return script.Answer{At: epoch.Add(time.Minute)}
	}}
	for expression, wanted := range tests {
		got, err := run(t, "return "+expression, in)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if string(got) != wanted {
			t.Errorf("%s is %s, want %s", expression, got, wanted)
		}
	}

	chance := `return Array.from({ length: 100 }, () => Math.random())`
	first, _ := run(t, chance, in)
	second, _ := run(t, chance, in)
	want(t, string(second), string(first))
	in.Seed = 8
	third, _ := run(t, chance, in)
	if string(third) == string(first) {
		t.Error("another seed gives the same chance")
	}
	var numbers []float64
	if err := json.Unmarshal(first, &numbers); err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, n := range numbers {
		if n < 0 || n >= 1 {
			t.Errorf("Math.random gave %v", n)
		}
		sum += n
	}
	if sum < 35 || sum > 65 {
		t.Errorf("100 numbers add up to %v, far from 50", sum)
	}
}

func TestTheClockNeverGoesBack(t *testing.T) {
	t.Parallel()

	got, err := run(t, `const seen = [Date.now()];
for (let i = 0; i < 3; i++) { await tableau.users.get("1"); seen.push(Date.now()) }
return seen.map(x => x - seen[0])`, script.Input{Clock: epoch, Host: func(_ context.Context, c script.Call) script.Answer {
		return script.Answer{At: []time.Time{epoch.Add(time.Second), epoch.Add(-time.Hour), {}}[c.Seq-1]}
	}})
	if err != nil {
		t.Fatal(err)
	}

	wantJSON(t, string(got), `[0,1000,1000,1000]`)
}

// P02: nothing to reach.
func TestNothingIsReachable(t *testing.T) {
	t.Parallel()

	got, err := run(t, `
const names = ["eval", "Proxy", "WeakRef", "FinalizationRegistry", "SharedArrayBuffer", "Atomics", "Iterator",
  "std", "os", "bjson", "print", "scriptArgs", "process", "require", "module", "fetch", "setTimeout", "setInterval", "queueMicrotask",
  "__margay_call", "__margay_log", "__margay_end", "__margay_stop", "navigator", "Worker", "XMLHttpRequest", "Deno", "Bun", "WebAssembly"];
return names.filter(name => name in globalThis)`, script.Input{})
	if err != nil {
		t.Fatal(err)
	}
	wantJSON(t, string(got), `[]`)

	for _, attempt := range []string{
		`this.constructor.constructor("return 1")()`,
		`(() => {}).constructor("return 1")()`,
		`(async () => {}).constructor("return 1")()`,
		`(function* () {} as any).constructor("return 1")().next()`,
		`(async function* () {} as any).constructor("return 1")().next()`,
		`new Function("return 1")()`,
		`Function.call(null, "return 1")()`,
		`Reflect.construct(Function, ["return 1"])()`,
		`Reflect.construct(Object, ["return 1"], Function)()`,
		`(class extends Function {} as any)("return 1")()`,
		`new (class extends Function { constructor() { super("return 1") } } as any)()()`,
		`Object.getPrototypeOf(async () => {}).constructor("return 1")()`,
		`tableau.users.get.constructor("return 1")()`,
		`(console.log as any).constructor("return 1")()`,
		`(0, eval)("1")`,
		`(globalThis as any)["ev" + "al"]("1")`,
		"(globalThis as any).Function`return 1`()",
		`await import("/etc/" + input)`,
		`[].map.constructor("return 1")()`,
		`JSON.stringify.constructor("return 1")()`,
		`(Error as any).prepareStackTrace = (_: any, s: any) => s; return (new Error().stack as any)[0].getFunction()`,
		`(Error as any).prepareStackTrace = (_: any, s: any) => s; return (new Error().stack as any)[0].getThis()`,
		`return (function f(): any { return (f as any).caller.caller })()`,
		`return arguments.callee`,
	} {
		got, err := run(t, "return "+strings.TrimPrefix(attempt, "return "), script.Input{})
		if err == nil && string(got) != "null" && string(got) != "{}" {
			t.Errorf("%s gave %s", attempt, got)
		}
	}

	// Every function that can be reached, by whatever way, makes no code.
	got, err = run(t, `
const seen = new Set<any>(), todo: any[] = [globalThis, tableau, log, async function* () {}, function* () {}, async () => {}, /x/, new Map().entries(), [][Symbol.iterator]()];
const made: string[] = [];
while (todo.length) {
  const value = todo.pop();
  if (value === null || (typeof value !== "object" && typeof value !== "function") || seen.has(value)) continue;
  seen.add(value);
  todo.push(Object.getPrototypeOf(value));
  for (const key of Reflect.ownKeys(value)) {
    const p = Object.getOwnPropertyDescriptor(value, key)!;
    todo.push(p.value, p.get, p.set);
  }
  if (typeof value === "function") {
    for (const how of [() => value("globalThis.made = 1"), () => new value("globalThis.made = 1"), () => value("globalThis.made = 1")()]) {
      try { how() } catch {}
      if ("made" in globalThis) { made.push(value.name); delete (globalThis as any).made }
    }
  }
}
return { made, enough: seen.size > 500 }`, script.Input{Host: echo, Limits: script.Limits{Output: 1 << 24, CPU: 2 * time.Minute}}) // much for the race detector on a busy machine
	if err != nil {
		t.Fatal(err)
	}
	wantJSON(t, string(got), `{"made":[],"enough":true}`)
}

func TestErrorsSayWhereInTheTypeScript(t *testing.T) {
	t.Parallel()
	at := func(line, column int, function string) script.Frame {
		return script.Frame{File: "provision.ts", Line: line, Column: column, Function: function}
	}
	tests := map[string]struct {
		text string
		want script.RunError
	}{
		"throw": {`interface Wide {
  a: string;
}
function inner(x: Wide): never {
  throw new RangeError("no " + x.a);
}
export default function outer() {
  inner({ a: "b" });
}`, script.RunError{Kind: script.Thrown, Name: "RangeError", Message: "no b", Frames: []script.Frame{at(5, 13, "inner"), at(8, 3, "outer")}}},
		"throw after an await": {`type T = number;
export default async function main() {
  await null;
  const x: T = 1;
  throw new Error("late");
}`, script.RunError{Kind: script.Thrown, Name: "Error", Message: "late", Frames: []script.Frame{at(5, 13, "main")}}},
		"at the top": {`const x: any = null;

x.y.z();
export default () => 1`, script.RunError{Kind: script.Thrown, Name: "TypeError", Message: "cannot read property 'y' of null", Frames: []script.Frame{at(3, 1, "")}}},
		"a call that failed": {`import { tableau } from "margay/tableau";
export default async function main() {
  const a = 1;
  await tableau.users.get("7");
}`, script.RunError{
			Kind: script.Host, Call: 1, Code: "user_missing", Message: "No user “7” %s \x00", Detail: "404002", Hint: "Look again.",
			Frames: []script.Frame{{File: "margay/tableau", Line: 5, Column: 41, Function: "get"}, at(4, 23, "main")},
		}},
		"an error with a code": {
			`export default () => { throw Object.assign(new Error("m"), { code: "c", hint: "h", detail: "d" }) }`,
			script.RunError{Kind: script.Thrown, Name: "Error", Message: "m", Code: "c", Hint: "h", Detail: "d", Frames: []script.Frame{at(1, 48, "")}},
		},
		"no error at all": {`export default () => { throw "just text" }`, script.RunError{Kind: script.Thrown, Message: "just text"}},
		"no such function": {`const users: any = {};
export default function main() {
  return String(users.findd("x"));
}`, script.RunError{Kind: script.Thrown, Name: "TypeError", Message: "users.findd is not a function", Frames: []script.Frame{at(3, 23, "main")}}},
		"not a function":   {`export default 7`, script.RunError{Kind: script.Thrown, Name: "TypeError", Message: "The default export of the workflow is not a function."}},
		"unreadable":       {`export default () => { throw { get message() { throw 1 } } }`, script.RunError{Kind: script.Thrown, Message: "The workflow threw something that cannot be read."}},
		"never resolved":   {`export default () => new Promise(() => {})`, script.RunError{Kind: script.Thrown, Message: "The workflow stopped without finishing: it waits for something that never comes."}},
		"result not JSON":  {`export default () => 1n`, script.RunError{Kind: script.Thrown, Name: "TypeError", Message: "Do not know how to serialize a BigInt"}},
		"the wait is over": {`export default async () => { await { then() {} } }`, script.RunError{Kind: script.Thrown, Message: "The workflow stopped without finishing: it waits for something that never comes."}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, err := compile(t, tt.text).Run(t.Context(), script.Input{Host: refuse(script.HostError{
				Code: "user_missing", Message: "No user “7” %s \x00", Detail: "404002", Hint: "Look again.",
			})})

			got := runError(t, err)
			wanted := tt.want
			if got.Message != wanted.Message || got.Error() != wanted.Message {
				t.Errorf("message %q, want %q", got.Message, wanted.Message)
			}
			want(t, got.Frames, wanted.Frames)
			want(t, []any{got.Kind, got.Name, got.Code, got.Hint, got.Detail, got.Call}, []any{wanted.Kind, wanted.Name, wanted.Code, wanted.Hint, wanted.Detail, wanted.Call})
		})
	}
}

func TestAFailedCallCanBeCaught(t *testing.T) {
	t.Parallel()

	got, err := run(t, `try { await tableau.users.get("1") } catch (e: any) {
  return { message: e.message, code: e.code, detail: e.detail, hint: e.hint, error: e instanceof Error, text: String(e) }
}`, script.Input{Host: refuse(script.HostError{Code: "denied", Message: "No.", Detail: "403004"})})
	if err != nil {
		t.Fatal(err)
	}

	wantJSON(t, string(got), `{"message":"No.","code":"denied","detail":"403004","hint":"","error":true,"text":"Error: No."}`)
}

func TestTheWordsOfAFailedCallAreKept(t *testing.T) {
	t.Parallel()
	sentence := "Tableau sign-in failed (HTTP 401, Signin Error): \xff\xfe \u2028 “quoted” \ud7ff 'x'"

	_, err := run(t, `await Promise.all([tableau.users.get("1"), tableau.users.get("2")])`, script.Input{Host: refuse(script.HostError{Code: "auth_rejected", Message: sentence})})

	e := runError(t, err)
	want(t, []any{e.Kind, e.Message, e.Code, e.Call}, []any{script.Host, sentence, "auth_rejected", 1})

	// What a workflow says instead is said instead.
	_, err = run(t, `try { await tableau.users.get("1") } catch (e: any) { e.message = "While looking: " + e.message; throw e }`,
		script.Input{Host: refuse(script.HostError{Code: "c", Message: "no"})})

	e = runError(t, err)
	want(t, []any{e.Kind, e.Message, e.Code}, []any{script.Host, "While looking: no", "c"})
}

// Calls that were issued together run one after another, in order.
func TestCallsRunInTheOrderTheyWereIssued(t *testing.T) {
	t.Parallel()
	var got []string
	host := func(_ context.Context, c script.Call) script.Answer {
		got = append(got, fmt.Sprint(c.Seq, string(c.Args)))
		return script.Answer{Value: c.Args}
	}

	_, err := run(t, `
const chain = async (name: string) => { for (let i = 0; i < 3; i++) await tableau.users.get(name + i) };
await Promise.all([chain("a"), chain("b"), tableau.users.get("c")])`, script.Input{Host: host})
	if err != nil {
		t.Fatal(err)
	}

	want(t, got, []string{`1["a0"]`, `2["b0"]`, `3["c"]`, `4["a1"]`, `5["b1"]`, `6["a2"]`, `7["b2"]`})
}

func TestCallsNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	var made []int
	host := func(failing int) func(context.Context, script.Call) script.Answer {
		made = nil
		return func(_ context.Context, c script.Call) script.Answer {
			made = append(made, c.Seq)
			if c.Seq == failing {
				return script.Answer{Err: &script.HostError{Code: "c", Message: "call failed"}}
			}
			return script.Answer{}
		}
	}
	const forgotten = `tableau.users.get("1"); tableau.users.get("2"); return "done"`

	got, err := run(t, forgotten, script.Input{Host: host(0)})
	want(t, []any{string(got), err, len(made)}, []any{`"done"`, nil, 2})

	// It must not look as if it had worked.
	_, err = run(t, forgotten, script.Input{Host: host(2)})
	want(t, runError(t, err).Message, "call failed")

	// A workflow that threw has ended: what was not begun is not begun.
	_, err = run(t, `tableau.users.get("1"); throw new Error("stop")`, script.Input{Host: host(0)})
	want(t, runError(t, err).Message, "stop")
	want(t, len(made), 0)

	// What follows from an answer after the end may call too.
	got, err = run(t, `(async () => { await tableau.users.get("1"); await tableau.users.get("2") })(); return 1`, script.Input{Host: host(0)})
	want(t, []any{string(got), err, len(made)}, []any{`1`, nil, 2})
}

func TestLimitsAreNamed(t *testing.T) {
	t.Parallel()
	tests := map[script.Limit]struct {
		body   string
		limits script.Limits
		want   string
	}{
		script.LimitMemory: {`const a = []; for (;;) a.push(new Uint8Array(1000))`, script.Limits{Memory: 2 << 20}, "The workflow needed more than 2 MiB of memory."},
		script.LimitStack:  {`const f = () => f() + 1; f()`, script.Limits{Stack: 300}, "The functions of the workflow call each other more than 300 deep."},
		script.LimitCPU:    {`for (;;) {}`, script.Limits{CPU: 20 * time.Millisecond}, "The workflow computed for more than 20ms without making a call."},
		script.LimitCalls:  {`for (;;) try { await tableau.users.get("") } catch {}`, script.Limits{Calls: 3}, "The workflow made more than 3 calls."},
		script.LimitData:   {`for (;;) try { await tableau.users.get("xxxxxxxxxx") } catch {}`, script.Limits{Data: 1000}, "The calls of the workflow sent and received more than 1000 bytes."},
		script.LimitOutput: {`for (;;) try { log.info("xxxxxxxxxxx") } catch {}`, script.Limits{Output: 1 << 10}, "The log and the result of the workflow are longer than 1 KiB."},
	}
	for limit, tt := range tests {
		t.Run(string(limit), func(t *testing.T) {
			t.Parallel()

			_, err := run(t, tt.body, script.Input{Host: echo, Limits: tt.limits})

			e := runError(t, err)
			want(t, []any{e.Kind, e.Limit, e.Message}, []any{script.Limited, limit, tt.want})
		})
	}
}

func TestTheDefaultsAreThePromisedFigures(t *testing.T) {
	t.Parallel()
	want(t, script.Limits{
		Memory: script.DefaultMemory, Stack: script.DefaultStack, CPU: script.DefaultCPU, Calls: script.DefaultCalls, Data: script.DefaultData, Output: script.DefaultOutput,
	}, script.Limits{Memory: 64 << 20, Stack: 2000, CPU: 5 * time.Second, Calls: 200, Data: 10 << 20, Output: 1 << 20})
	calls := 0

	_, err := run(t, `for (;;) await tableau.users.get("1")`, script.Input{Host: func(context.Context, script.Call) script.Answer {
		calls++
		return script.Answer{}
	}})

	want(t, runError(t, err).Limit, script.LimitCalls)
	want(t, calls, 200)
}

// The time between two calls is bounded, not the time of them all, and not the
// time that a call takes.
func TestTimeBeginsAnewWithEachAnswer(t *testing.T) {
	t.Parallel()

	_, err := run(t, `for (let i = 0; i < 4; i++) { await tableau.users.get("1"); for (let j = 0; j < 1e4; j++); }`, script.Input{
		Limits: script.Limits{CPU: 400 * time.Millisecond * slow},
		Host: func(ctx context.Context, _ script.Call) script.Answer {
			wait, stop := context.WithTimeout(ctx, 150*time.Millisecond*slow)
			defer stop()
			<-wait.Done()
			return script.Answer{}
		},
	})
	if err != nil {
		t.Error(err)
	}
}

// One of the two ways in which the engine is told to stop, see hurry: without
// it this takes minutes, and the run ends without its machine.
func TestASlowBuiltinIsStopped(t *testing.T) {
	before := machines()
	begin := time.Now()

	_, err := run(t, `const a = new Uint8Array(5e7); for (;;) a.indexOf(1)`, script.Input{Limits: script.Limits{CPU: 100 * time.Millisecond}})

	want(t, runError(t, err).Limit, script.LimitCPU)
	if took := time.Since(begin); took > 2*time.Second*slow {
		t.Errorf("took %v", took)
	}
	late := time.After(30 * time.Second) // the goroutine of the machine is told, and ends a moment after the run
	for after := machines(); after > before; after = machines() {
		select {
		case <-late:
			t.Fatalf("%d machines before, %d after", before, after)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// machines counts the virtual machines that are at work: each has a goroutine.
func machines() int {
	stacks := make([]byte, 1<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "script.(*run).serve(")
}

func TestTheEndOfTheContextStopsABusyMachine(t *testing.T) {
	t.Parallel()
	cause := errors.New("the operator said so")
	p := compile(t, `import { tableau } from "margay/tableau";
export default async () => { await tableau.users.get("1"); for (;;) try { for (;;) {} } catch {} }`)
	ctx, cancel := context.WithCancelCause(t.Context())
	var at time.Time

	_, err := p.Run(ctx, script.Input{Host: func(context.Context, script.Call) script.Answer {
		time.AfterFunc(50*time.Millisecond, func() { at = time.Now(); cancel(cause) })
		return script.Answer{}
	}})

	took := time.Since(at)
	e := runError(t, err)
	want(t, e.Kind, script.Cancelled)
	if !errors.Is(err, cause) {
		t.Errorf("error %v does not say why", err)
	}
	if took > 500*time.Millisecond*slow {
		t.Errorf("stopped after %v", took)
	}

	_, err = p.Run(ctx, script.Input{})
	want(t, runError(t, err).Kind, script.Cancelled)
}

func TestTheEndOfTheContextInACallEndsTheRun(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0

	_, err := compile(t, `import { tableau } from "margay/tableau";
export default async () => { for (;;) try { await tableau.users.get("1") } catch {} }`).Run(ctx, script.Input{Host: func(context.Context, script.Call) script.Answer {
		calls++
		cancel()
		return script.Answer{Err: &script.HostError{Message: "stopped"}}
	}})

	want(t, runError(t, err).Kind, script.Cancelled)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v is not context.Canceled", err)
	}
	want(t, calls, 1)
}

func TestFaultsOfTheCaller(t *testing.T) {
	t.Parallel()

	_, err := run(t, `return 1`, script.Input{Argument: json.RawMessage(`{`)})
	if err == nil || !strings.Contains(err.Error(), "not JSON") {
		t.Errorf("error %v", err)
	}

	_, err = run(t, `return tableau.users.get("1")`, script.Input{Host: func(context.Context, script.Call) script.Answer {
		return script.Answer{Value: json.RawMessage(`{`)}
	}})
	if err == nil || !strings.Contains(err.Error(), "not JSON") {
		t.Errorf("error %v", err)
	}

	_, err = run(t, `return tableau.users.get("1")`, script.Input{})
	want(t, runError(t, err).Code, "no_host")
}

// A panic of the host goes through to the caller, and the machine is freed.
func TestAPanicOfTheHostIsTheCallers(t *testing.T) {
	t.Parallel()
	defer func() { want(t, recover(), any("host")) }()

	_, _ = run(t, `return tableau.users.get("1")`, script.Input{Host: func(context.Context, script.Call) script.Answer { panic("host") }})

	t.Error("no panic")
}

func TestTheLog(t *testing.T) {
	t.Parallel()
	var got []string

	_, err := run(t, `
console.log("a", 1, null, undefined, { x: [1] }, new Date(0), true, 2n, Symbol("s"), () => 1);
console.info("i"); console.warn("w"); console.error(new TypeError("e").message); console.debug("d");
log.info("from us"); log.warn("Ü");
const cycle: any = {}; cycle.cycle = cycle; console.log(cycle)`, script.Input{Log: func(level, text string) { got = append(got, level+" "+text) }})
	if err != nil {
		t.Fatal(err)
	}

	want(t, got, []string{
		`info a 1 null undefined {"x":[1]} "1970-01-01T00:00:00.000Z" true 2 Symbol(s) () => 1`,
		"info i", "warn w", "error e", "debug d", "info from us", "warn Ü", "info [object Object]",
	})
}

// A program of random shape makes the same calls whenever it is given the same
// answers, and a run that is repeated from any call on, with the answers that
// were recorded, goes on as the first one did.
func TestAReplayRepeatsTheCalls(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, err := script.Compile(source(randomProgram(t)))
		if err != nil {
			t.Fatal(err)
		}
		in := script.Input{Clock: epoch, Seed: rapid.Uint64().Draw(t, "seed")}
		var calls []string
		var answers []script.Answer
		fails := rapid.SliceOfN(rapid.IntRange(0, 9), 50, 50).Draw(t, "fails")
		in.Host = func(_ context.Context, c script.Call) script.Answer {
			calls = append(calls, fmt.Sprint(c.Seq, c.Name, string(c.Args)))
			a := script.Answer{Value: json.RawMessage(strconv.Itoa(len(calls))), At: epoch.Add(time.Duration(len(calls)) * 7 * time.Second)}
			if fails[len(calls)%len(fails)] == 0 {
				a.Err = &script.HostError{Code: "c", Message: fmt.Sprint("failed ", len(calls))}
			}
			answers = append(answers, a)
			return a
		}
		result, runErr := p.Run(context.Background(), in)

		for crash := range len(answers) + 1 {
			// The process ends before the answer to this call is recorded.
			ctx, kill := context.WithCancel(context.Background())
			in.Host = func(_ context.Context, c script.Call) script.Answer {
				if c.Seq > crash {
					kill()
					return script.Answer{}
				}
				return answers[c.Seq-1]
			}
			if _, err := p.Run(ctx, in); crash < len(answers) && !errors.Is(err, context.Canceled) {
				t.Fatalf("crash at %d: %v", crash, err)
			}
			kill()
			// The next one replays what was recorded and goes on.
			seen := 0
			in.Host = func(_ context.Context, c script.Call) script.Answer {
				if got := fmt.Sprint(c.Seq, c.Name, string(c.Args)); c.Seq > len(calls) || got != calls[c.Seq-1] {
					t.Fatalf("after a crash at %d: call %s, want call %d of %v", crash, got, c.Seq, calls)
				}
				seen++
				return answers[c.Seq-1]
			}
			again, err := p.Run(context.Background(), in)
			if seen != len(calls) || string(again) != string(result) || fmt.Sprint(err) != fmt.Sprint(runErr) {
				t.Fatalf("after a crash at %d: %s, %v, %d calls; want %s, %v, %d calls", crash, again, err, seen, result, runErr, len(calls))
			}
		}
	})
}

// randomProgram writes a small program of calls, loops, branches on answers, on
// chance and on time, and things that run at once.
func randomProgram(t *rapid.T) string {
	n := 0
	var block func(depth int) string
	statement := func(depth int) string {
		n++
		most := 9
		if depth == 0 {
			most = 4
		}
		switch rapid.IntRange(0, most).Draw(t, "kind") {
		case 0, 1:
			return fmt.Sprintf("x += await tableau.users.get(%q + x) as any;", fmt.Sprint("c", n))
		case 2:
			return "x += Math.floor(Math.random() * 10);"
		case 3:
			return "x += new Date().getSeconds();"
		case 4:
			return fmt.Sprintf("x += [...new Map([[x, 1], [%d, 2]]).keys()].length + Object.keys({ b: 1, a: 2, [x]: 3 }).indexOf('a');", n)
		case 5:
			return "if (x % 2) {" + block(depth-1) + "} else {" + block(depth-1) + "}"
		case 6:
			return "for (let i = 0; i < 2; i++) {" + block(depth-1) + "}"
		case 7:
			return "try {" + block(depth-1) + "} catch (e) { x += (e as Error).message.length }"
		case 8:
			return "await Promise.allSettled([(async () => {" + block(depth-1) + "})(), (async () => {" + block(depth-1) + "})()]);"
		default:
			return "await Promise.race([(async () => {" + block(depth-1) + "})(), (async () => {" + block(depth-1) + "})()]);"
		}
	}
	block = func(depth int) string {
		var out strings.Builder
		for range rapid.IntRange(1, 3).Draw(t, "length") {
			out.WriteString(statement(depth) + "\n")
		}
		return out.String()
	}
	return "import { tableau } from \"margay/tableau\";\nexport default async function () {\nlet x = 0;\n" + block(2) + "return x\n}"
}

func TestAProgramRunsManyTimesAtOnce(t *testing.T) {
	t.Parallel()
	p := compile(t, workflow)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 5 {
				got, err := p.Run(t.Context(), script.Input{Argument: json.RawMessage(strconv.Itoa(i*100 + j)), Host: workflowHost})
				if err != nil || !strings.Contains(string(got), fmt.Sprintf(`"n":%d`, i*100+j)) {
					t.Errorf("run %d.%d: %s, %v", i, j, got, err)
				}
			}
		})
	}
	wg.Wait()
}

// The 36,000 runs of the measurement, scaled down: in all ways a run can end.
func TestRunsLeaveNothingBehind(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 12
	}
	programs := []*script.Program{
		compile(t, workflow),
		compile(t, `export default () => { throw new Error("x") }`),
		compile(t, `export default () => { const a = []; for (;;) a.push({ a }) }`),
		compile(t, `export default () => { const f = (): any => f() + 1; f() }`),
		compile(t, `export default () => new Promise(() => {})`),
		compile(t, `import { tableau } from "margay/tableau"; export default () => { for (;;) tableau.users.get("1") }`),
		compile(t, `export default () => { const a: any = {}; a.a = a; (globalThis as any).a = a; return 1 }`),
	}
	round := func() {
		for _, p := range programs {
			_, _ = p.Run(t.Context(), script.Input{Host: workflowHost, Limits: script.Limits{Memory: 1 << 20, Stack: 200}})
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, _ = programs[0].Run(ctx, script.Input{Host: func(context.Context, script.Call) script.Answer { cancel(); return script.Answer{} }})
	}
	for range rounds / 4 {
		round()
	}
	runtime.GC()
	before, goroutines := resident(t), runtime.NumGoroutine()

	for range rounds {
		round()
	}

	runtime.GC()
	if grown := resident(t) - before; grown > 16<<20*slow {
		t.Errorf("the process grew by %d KiB in %d runs", grown>>10, rounds*(len(programs)+1))
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines before, %d after", goroutines, n)
	}
}

// P04: what was never given cannot be shown.
func TestTheEnvironmentIsNotVisible(t *testing.T) {
	t.Setenv("MARGAY_CANARY", "canary-51c9")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = w, w

	got, runErr := run(t, `console.log(JSON.stringify(Object.getOwnPropertyNames(globalThis)));
return Object.getOwnPropertyNames(globalThis).map(n => n + String((globalThis as any)[n])).join()`, script.Input{})

	os.Stdout, os.Stderr = stdout, stderr
	w.Close()
	printed, err := io.ReadAll(r)
	if err != nil || runErr != nil {
		t.Fatal(err, runErr)
	}
	if strings.Contains(string(got), "canary-51c9") {
		t.Error("the script sees the environment")
	}
	if len(printed) > 0 {
		t.Errorf("the script printed %q", printed)
	}
}

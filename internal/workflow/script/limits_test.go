package script_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/margay-access/margay/internal/workflow/script"
)

// resident returns the memory of this process in bytes, or 0 where that cannot
// be known.
func resident(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, err := strconv.Atoi(strings.Fields(string(data))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// peak returns the most memory that the process has while work runs.
func peak(t *testing.T, work func()) int {
	t.Helper()
	most := make(chan int)
	done := make(chan struct{})
	go func() {
		top := 0
		for tick := time.NewTicker(2 * time.Millisecond); ; {
			top = max(top, resident(t))
			select {
			case <-tick.C:
			case <-done:
				tick.Stop()
				most <- top
				return
			}
		}
	}()
	work()
	close(done)
	return <-most
}

// P01, P03: what a script may do to the server's time and memory.
func TestHostileScriptsAreStopped(t *testing.T) {
	const cpu = 100 * time.Millisecond
	// Which limit ends it may depend on the speed of the machine: time may
	// always be first.
	memory, computing, stack := []script.Limit{script.LimitMemory}, []script.Limit{script.LimitCPU}, []script.Limit{script.LimitStack}
	any3 := []script.Limit{script.LimitMemory, script.LimitStack}
	attacks := map[string]struct {
		body string
		want []script.Limit // nil: it may also end by an exception or by itself
	}{
		"endless loop":               {`for (;;) {}`, computing},
		"loop that catches":          {`for (;;) { try { for (;;) {} } catch {} finally { continue } }`, computing},
		"loop in finally":            {`try { for (;;) {} } finally { for (;;) {} }`, computing},
		"microtasks":                 {`const f = () => Promise.resolve().then(f); await f()`, memory},
		"microtasks by await":        {`for (;;) await null`, computing},
		"microtasks that catch":      {`for (;;) { try { await new Promise((_, no) => no(1)) } catch {} }`, computing},
		"floating microtasks":        {`const f = async () => { for (;;) await null }; f(); f()`, computing},
		"generator":                  {`function* g() { for (;;) yield 1 } for (const x of g()) {}`, computing},
		"async generator":            {`async function* g() { for (;;) yield 1 } for await (const x of g()) {}`, computing},
		"back-reference":             {`/^(a|a?)+\1+$/.test("a".repeat(50) + "b"); for (;;) /(a*)*\1b/.test("a".repeat(40))`, any3},
		"look-ahead":                 {`for (;;) /(?=(a+)+$)b|(?=(a|aa)+$)c/.test("a".repeat(40) + "!")`, any3},
		"look-behind":                {`for (;;) /(?<=^(a+)+)!/.test("a".repeat(40) + "b!")`, any3},
		"array by length":            {`return Array.from({ length: 2 ** 28 }).length`, memory},
		"array growth":               {`const a = []; for (;;) a.push({ a })`, memory},
		"array growth that catches":  {`const a = []; for (;;) { try { a.push(new Array(1000).fill(0)) } catch {} }`, memory},
		"fill":                       {`return new Array(2 ** 31).fill(0).length`, nil},
		"string doubling":            {`let s = "x"; for (;;) s += s`, nil},
		"string doubling, flat":      {`let s = "x"; for (;;) { s += s; s.charCodeAt(s.length - 1) }`, nil},
		"big repeat":                 {`return ["x".repeat(2 ** 29), "y".repeat(2 ** 29)].length`, nil},
		"pad":                        {`return "x".padEnd(2 ** 29, "ab").length`, nil},
		"typed array":                {`return new Uint8Array(2 ** 30).length`, memory},
		"typed arrays":               {`const a = []; for (;;) a.push(new Uint8Array(1 << 20))`, memory},
		"resizable buffer":           {`return new ArrayBuffer(8, { maxByteLength: 2 ** 32 }).resize(2 ** 31)`, nil},
		"deep recursion":             {`const f = () => f() + 1; f()`, stack},
		"recursion that catches":     {`const f = () => { try { f() } catch { f() } }; f()`, computing},
		"recursion by getter":        {`const o = { get x() { return this.x } }; o.x`, stack},
		"recursion by proxy":         {`let p: any = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x`, nil},
		"recursion by bind":          {`let f: any = () => 1; for (let i = 0; i < 1e5; i++) f = f.bind(null); f()`, any3},
		"recursion by toString":      {`const a: any = []; a[0] = { toString: () => "" + a[0] }; "" + a[0]`, stack},
		"recursion by sort":          {`const f = () => [1, 2].sort(f); f()`, stack},
		"recursion by replace":       {`const f = () => "a".replace(/a/, f); f()`, stack},
		"recursion by toJSON":        {`const o = { toJSON: () => JSON.stringify(o) }; JSON.stringify(o)`, stack},
		"deep JSON text":             {`JSON.parse("[".repeat(5e6))`, nil},
		"deep JSON text, closed":     {`JSON.parse("[".repeat(2e5) + "]".repeat(2e5))`, nil},
		"deep JSON value":            {`let a: any = []; for (let i = 0; i < 2e5; i++) a = [a]; JSON.stringify(a)`, nil},
		"deep JSON result":           {`let a: any = []; for (let i = 0; i < 2e5; i++) a = [a]; return a`, nil},
		"deep array to text":         {`let a: any = []; for (let i = 0; i < 2e5; i++) a = [a]; return "" + a`, nil},
		"deep flat":                  {`let a: any = []; for (let i = 0; i < 2e5; i++) a = [a]; return a.flat(Infinity).length`, nil},
		"deep free":                  {`let a: any = null; for (let i = 0; i < 5e5; i++) a = { a }; a = null; return 1`, nil},
		"deep free of closures":      {`let f: any = null; for (let i = 0; i < 2e5; i++) { const g = f; f = () => g } f = null; return 1`, nil},
		"deep cycle":                 {`let a: any = {}; const z = a; for (let i = 0; i < 3e5; i++) a = { a }; z.a = a; a = null; return 1`, nil},
		"deep rope":                  {`let s = "ab"; for (let i = 0; i < 3e5; i++) s = "x" + s + "y"; return s.length + s.charCodeAt(7)`, nil},
		"deep rope, left":            {`let s = "ab".repeat(5000); for (let i = 0; i < 1e5; i++) s = s + "y".repeat(5); return s === s + "" ? s.indexOf("q") : 0`, nil},
		"deep prototype chain":       {`let o: any = {}; for (let i = 0; i < 3e5; i++) o = Object.create(o); for (;;) o.x`, memory},
		"deep promise chain":         {`let p: any = Promise.resolve(); for (let i = 0; i < 2e5; i++) p = p.then(() => 1); await p; return 1`, nil},
		"promise of promises":        {`let p: any = 1; for (let i = 0; i < 1e5; i++) { const q = p; p = new Promise(ok => ok(q)) } await p; return 1`, nil},
		"deep error causes":          {`let e: any = null; for (let i = 0; i < 2e5; i++) e = new Error("x", { cause: e }); throw e`, nil},
		"deep generator delegation":  {`function* g(n: number): any { yield* g(n + 1) } for (const x of g(0)) {}`, stack},
		"deep spread":                {`const f = (...a: any[]): any => f(...a, ...a, 1); f(1)`, nil},
		"apply with many arguments":  {`return Math.max.apply(null, new Array(1e7))`, nil},
		"deep regexp":                {`new RegExp("(".repeat(1e6) + ")".repeat(1e6))`, nil},
		"deep regexp, look-ahead":    {`new RegExp("(?:".repeat(3e5) + "a" + ")*".repeat(3e5))`, nil},
		"wide regexp":                {`new RegExp("(?:a{1000}){1000}".repeat(1000)).test("a".repeat(1e6))`, nil},
		"regexp class":               {`new RegExp("[" + "\\u{1F600}-\\u{1F64F}\\p{L}".repeat(1e5) + "]", "u").test("a")`, nil},
		"JSON bomb":                  {`let a: any = ["x".repeat(1000)]; for (let i = 0; i < 30; i++) a = [a, a]; return JSON.stringify(a).length`, memory},
		"JSON bomb of numbers":       {`let a: any = [1]; for (let i = 0; i < 40; i++) a = [a, a]; return JSON.stringify(a).length`, memory},
		"JSON bomb of nothing":       {`let a: any = []; for (let i = 0; i < 40; i++) a = [a, a]; return JSON.stringify(a, () => undefined)`, nil},
		"JSON bomb of undefined":     {`let a: any = {}; for (let i = 0; i < 40; i++) a = { x: a, y: a }; return JSON.stringify(a, ["z"])`, nil},
		"JSON bomb as result":        {`let a: any = ["x"]; for (let i = 0; i < 40; i++) a = [a, a]; return a`, memory},
		"JSON bomb as argument":      {`let a: any = ["x"]; for (let i = 0; i < 40; i++) a = [a, a]; await tableau.users.get(a)`, memory},
		"JSON bomb in the log":       {`let a: any = ["x"]; for (let i = 0; i < 40; i++) a = [a, a]; console.log(a)`, memory},
		"text bomb":                  {`let a: any = ["x"]; for (let i = 0; i < 40; i++) a = [a, a]; return ("" + a).length`, memory},
		"flat bomb":                  {`let a: any = ["x"]; for (let i = 0; i < 40; i++) a = [a, a]; return a.flat(Infinity).length`, memory},
		"flat bomb of nothing":       {`let a: any = []; for (let i = 0; i < 40; i++) a = [a, a]; return a.flat(Infinity).length`, nil},
		"big sort":                   {`const a = Array.from({ length: 3e6 }, (_, i) => -i); a.sort(); return 1`, memory},
		"hostile compare":            {`const a = Array.from({ length: 1e5 }, (_, i) => i); a.sort(() => { for (;;) {} })`, computing},
		"sparse sort":                {`const a: any = []; a[2 ** 32 - 2] = 1; a.sort(); a.reverse(); return 1`, nil},
		"sparse copy":                {`const a: any = { length: 2 ** 53 - 1 }; Array.prototype.lastIndexOf.call(a, 1); return 1`, nil},
		"sparse index":               {`const a: any = { length: 2 ** 53 - 1 }; Array.prototype.indexOf.call(a, 1); return 1`, nil},
		"sparse includes":            {`const a: any = { length: 2 ** 53 - 1 }; Array.prototype.includes.call(a, 1); return 1`, nil},
		"sparse join":                {`const a: any = { length: 2 ** 53 - 1 }; return Array.prototype.join.call(a, "")`, nil},
		"sparse reverse":             {`const a: any = { length: 2 ** 53 - 1 }; Array.prototype.reverse.call(a); return 1`, nil},
		"sparse fill":                {`const a: any = { length: 2 ** 53 - 1 }; Array.prototype.fill.call(a, 1); return 1`, nil},
		"sparse splice":              {`const a: any = { length: 2 ** 53 - 1 }; Array.prototype.splice.call(a, 0, 1); return 1`, nil},
		"sparse unshift":             {`const a: any = { length: 2 ** 53 - 9 }; Array.prototype.unshift.call(a, 1); return 1`, nil},
		"sparse copyWithin":          {`const a: any = { length: 2 ** 53 - 1 }; Array.prototype.copyWithin.call(a, 1, 0); return 1`, nil},
		"holes":                      {`const a: any = []; a.length = 2 ** 32 - 1; return a.indexOf(1) + a.findLastIndex((x: any) => x)`, nil},
		"holes, joined":              {`const a: any = []; a.length = 2 ** 32 - 1; return a.join("").length`, nil},
		"typed sort":                 {`const a = new Float64Array(7e6); for (let i = 0; i < a.length; i++) a[i] = -i; a.sort(); return 1`, nil},
		"strings compared":           {`const a = "a".repeat(7e6) + "b", b = "a".repeat(7e6) + "c"; a.charCodeAt(9); b.charCodeAt(9); for (;;) a === b`, computing},
		"sort of long texts":         {`const a = "a".repeat(7e6) + "b", b = "a".repeat(7e6) + "c", l: any = []; for (let i = 0; i < 1e4; i++) l.push(a, b); l.sort(); return 1`, computing},
		"long text in list":          {`const a = "a".repeat(7e6) + "b", b = "a".repeat(7e6) + "c", l: any = []; for (let i = 0; i < 1e4; i++) l.push(a); return l.includes(b)`, computing},
		"slow callback":              {`const a = "a".repeat(7e6); return new Array(10000).fill(1).every(a.isWellFormed.bind(a))`, nil},
		"slow typed callback":        {`const a = "\u1234".repeat(7e6); return new Uint8Array(10000).every(a.isWellFormed.bind(a) as any)`, computing},
		"regexp split":               {`return "a".repeat(2e7).split(/b/).length`, nil},
		"well-formed":                {`const a = "\u1234".repeat(1e7); for (;;) a.isWellFormed()`, computing},
		"set from nothing":           {`const a: any = []; const i = a.values(); a.length = 2 ** 32 - 1; return new Set(i).size`, computing},
		"map from nothing":           {`const a: any = []; a.length = 2 ** 32 - 1; return new Map(a).size`, nil},
		"replacer list":              {`const a: any = []; a.length = 2 ** 32 - 1; return JSON.stringify({}, a)`, nil},
		"native callback":            {`const a: any = []; a.length = 5e6; for (;;) a.every(Boolean)`, computing},
		"concat of nothing":          {`const a: any = []; a.length = 5e6; for (;;) a.concat(a, a)`, any3},
		"length that grows":          {`const a: any = []; return a.indexOf(1, { valueOf() { a.length = 2 ** 32 - 1; return 0 } })`, nil},
		"species":                    {`class A extends Array { static get [Symbol.species]() { return function () { return {} } as any } } const a: any = new A(); a.length = 5e6; for (;;) a.slice()`, any3},
		"typed search":               {`const a = new Uint8Array(5e7); for (;;) a.indexOf(1)`, computing},
		"string search":              {`const s = "a".repeat(2e7); for (;;) s.indexOf("b" + "a".repeat(1000))`, nil},
		"slow string search":         {`const s = "a".repeat(2e7); for (;;) s.indexOf("a".repeat(1e6) + "b")`, nil},
		"slow last index":            {`const s = "a".repeat(2e7); for (;;) s.lastIndexOf("b" + "a".repeat(1e6))`, nil},
		"split":                      {`return "a".repeat(2e7).split("").length`, memory},
		"replace all":                {`let s = "a".repeat(1e4); for (;;) s = s.replaceAll("a", "aa")`, any3},
		"replace with itself":        {"let s = 'a'.repeat(1e5); return s.replace(/a/g, \"$`$'\").length", memory},
		"big integer":                {`let x = 3n; for (;;) x = x * x`, nil},
		"big power":                  {`return (7n ** (2n ** 20n)).toString().length`, nil},
		"big shift":                  {`return (1n << (2n ** 40n)).toString().length`, nil},
		"big digits":                 {`return BigInt("7".repeat(3e6)).toString().length`, nil},
		"big division":               {`let x = 7n ** 100000n; for (;;) (x * x + 1n) / (x + 1n)`, nil},
		"normalize":                  {`for (;;) "\u1E9B\u0323".repeat(1e6).normalize("NFKD")`, nil},
		"upper case":                 {`for (;;) "ß".repeat(5e6).toUpperCase()`, nil},
		"escape":                     {`return encodeURIComponent("\u{1F600}".repeat(8e6)).length`, nil},
		"date text":                  {`return Date.parse("1".repeat(1e7))`, nil},
		"number text":                {`return Number("1".repeat(3e7)) + parseFloat("0." + "1".repeat(3e7))`, nil},
		"map growth":                 {`const m = new Map(); for (let i = 0; ; i++) m.set(i, i)`, memory},
		"map that grows as it walks": {`const m = new Map([[0, 0]]); m.forEach((_, k) => m.set(k + 1, 0))`, memory},
		"weak map chain":             {`const m = new WeakMap(); let k = {}; for (;;) { const n = {}; m.set(k, n); m.set(n, k); k = n }`, memory},
		"symbols":                    {`for (let i = 0; ; i++) Symbol.for("s" + i)`, memory},
		"properties":                 {`const o: any = {}; for (let i = 0; ; i++) o["p" + i] = i`, memory},
		"shapes":                     {`const a: any[] = []; for (let i = 0; ; i++) a.push({ ["p" + i]: 1 })`, memory},
		"classes":                    {`const a: any[] = []; for (;;) a.push(class { #x = 1; static y = 2 })`, memory},
		"proxy that never ends":      {`return JSON.stringify(new Proxy([], { get: (_, k) => k === "length" ? 2 ** 53 : undefined }))`, nil},
		"proxy keys":                 {`return Object.keys(new Proxy({}, { ownKeys: () => Array.from({ length: 1e7 }, (_, i) => "k" + i) })).length`, nil},
		"iterator that never ends":   {`return [...{ [Symbol.iterator]: () => ({ next: () => ({ value: 1, done: false }) }) } as any].length`, memory},
		"iterator helpers":           {`return Iterator.from({ next: () => ({ done: false, value: 1 }) } as any).drop(Infinity).toArray()`, nil},
		"promise.all without end":    {`await Promise.all({ [Symbol.iterator]: () => ({ next: () => ({ value: 1, done: false }) }) } as any)`, memory},
		"thenable chain":             {`const t: any = { then: (ok: any) => ok(t) }; await t`, computing},
		"a getter in an error":       {`throw { get message() { for (;;) {} } }`, computing},
		"an error as long as memory": {`throw new Error("x".repeat(3e7))`, nil},
		"stack trace hook":           {`(Error as any).prepareStackTrace = () => { for (;;) {} }; null!.x`, nil},
		"then on every object":       {`(Object.prototype as any).then = () => { for (;;) {} }; return {}`, computing},
		"toJSON on every object":     {`(Object.prototype as any).toJSON = () => { for (;;) {} }; return {}`, computing},
		"accessor for the answer":    {`Object.defineProperty(Object.prototype, "resolve", { get() { for (;;) {} } }); await tableau.users.get("1"); return 1`, nil},
		"memory kept at the end":     {`(globalThis as any).keep = []; for (;;) (globalThis as any).keep.push(new Uint8Array(1000))`, memory},
		"many calls at once":         {`await Promise.all(Array.from({ length: 10000 }, () => tableau.users.get("1")))`, []script.Limit{script.LimitCalls}},
		"many calls that catch":      {`for (;;) { try { await tableau.users.get("1") } catch {} }`, []script.Limit{script.LimitCalls}},
		"many calls, not awaited":    {`for (;;) { try { tableau.users.get("1") } catch {} }`, []script.Limit{script.LimitCalls}},
		"big call":                   {`await tableau.users.get("x".repeat(3e7))`, []script.Limit{script.LimitData}},
		"big calls":                  {`for (;;) { try { await tableau.users.get("x".repeat(1e6)) } catch {} }`, []script.Limit{script.LimitData}},
		"big wide call":              {`await tableau.users.get("\u{1F600}".repeat(4e6))`, []script.Limit{script.LimitData, script.LimitMemory}},
		"big answers":                {`for (;;) { try { await tableau.users.get("big") } catch {} }`, []script.Limit{script.LimitData}},
		"big log":                    {`console.log("x".repeat(3e7))`, []script.Limit{script.LimitOutput}},
		"long log":                   {`for (;;) { try { console.log("") } catch {} }`, []script.Limit{script.LimitOutput}},
		"big result":                 {`return "x".repeat(2e6)`, []script.Limit{script.LimitOutput}},
		"log and result":             {`console.log("x".repeat(6e5)); return "x".repeat(6e5)`, []script.Limit{script.LimitOutput}},
		"wide result":                {`return "\u{1F600}".repeat(3e5)`, []script.Limit{script.LimitOutput}},
	}
	big := json.RawMessage(`"` + strings.Repeat("y", 1<<20) + `"`)
	host := func(_ context.Context, c script.Call) script.Answer {
		if strings.Contains(string(c.Args), `"big"`) {
			return script.Answer{Value: big}
		}
		return script.Answer{Value: json.RawMessage(`{}`)}
	}
	for name, tt := range attacks {
		t.Run(name, func(t *testing.T) {
			p := compile(t, `import { tableau } from "margay/tableau";
export default async function (): Promise<any> { `+tt.body+` }`)
			runtime.GC()
			before := resident(t)
			var err error
			var took time.Duration

			most := peak(t, func() {
				begin := time.Now()
				_, err = p.Run(t.Context(), script.Input{Host: host, Limits: script.Limits{CPU: cpu}})
				took = time.Since(begin)
			})

			// "Killed by the limit at most 1 s over": with room for a slow machine.
			if over := took - cpu; over > 2*time.Second*slow {
				t.Errorf("took %v", took)
			}
			if grown := most - before; grown > 200<<20 {
				t.Errorf("the process grew by %d MiB", grown>>20)
			}
			e, isRunError := errors.AsType[*script.RunError](err)
			if err != nil && !isRunError {
				t.Fatalf("error %v, want a RunError", err)
			}
			if testing.Verbose() {
				t.Logf("%v, +%d MiB, %v", took.Round(time.Millisecond), (most-before)>>20, err)
			}
			if tt.want == nil {
				return
			}
			if e == nil {
				t.Fatalf("no error, want one of the limits %v", tt.want)
			}
			if e.Kind == script.Limited && e.Message != "" && slices.Contains(append(tt.want, script.LimitCPU), e.Limit) {
				return
			}
			t.Errorf("%s %q (%s), want one of the limits %v", e.Kind, e.Limit, e.Message, tt.want)
		})
	}
}

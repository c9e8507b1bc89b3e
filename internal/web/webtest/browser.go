package webtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// shared is the browser of this test binary. It ends with the process: Chromium
// stops when the pipe to it closes.
var shared = sync.OnceValues(func() (context.Context, error) {
	path, err := findChromium()
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.DisableGPU, chromedp.Flag("lang", "en-GB"))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, _ := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocator)
	return ctx, chromedp.Do(ctx)
})

func findChromium() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("there is no Chromium: scripts/setup installs it")
}

// chromium returns the browser, or skips the test where there is none.
func chromium(t testing.TB) context.Context {
	t.Helper()
	ctx, err := shared()
	if err == nil {
		return ctx
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("in CI the tests in a browser must run: %v", err)
	}
	t.Skip(err)
	return nil
}

// Browser is one person's browser, apart from all others.
type Browser struct {
	t     testing.TB
	url   string // where paths begin
	ctx   context.Context
	width int

	mu     sync.Mutex
	errors []string // what the pages complained of
}

// Browser opens a browser in which nobody is signed in.
func (w *World) Browser() *Browser {
	w.T.Helper()
	return Alone(w.T, w.URL)
}

// Alone opens a browser on a server of the test's own. The test is skipped where
// there is no Chromium.
func Alone(t testing.TB, url string) *Browser {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chromium(t), chromedp.WithNewBrowserContext())
	b := &Browser{t: t, url: url, ctx: ctx}
	messages := chromedp.Console(ctx)
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		b.hear(messages)
	}()
	t.Cleanup(func() {
		if t.Failed() {
			b.Shot("failed-" + strings.ReplaceAll(t.Name(), "/", "-"))
		}
		cancel()
		<-heard
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, e := range b.errors {
			t.Errorf("the page complained: %s", e)
		}
	})
	b.Size(1280)
	return b
}

// SignIn opens a browser in which the person has signed in.
func (w *World) SignIn(email string) *Browser {
	w.T.Helper()
	w.SetPassword(email)
	b := w.Browser()
	b.Open("/sign-in")
	b.Fill("E-mail address", email)
	b.Fill("Password", Password)
	b.Click("Sign in")
	b.At("/")
	return b
}

// SetPassword gives the person the password of all, once.
func (w *World) SetPassword(email string) {
	w.T.Helper()
	if w.signed[email] {
		return
	}
	w.must(w.Server.SetPassword(w.T.Context(), email, Password))
	w.signed[email] = true
}

// hear keeps what the pages complain of, until the browser closes. A refused form
// is an answer, not a fault, though the browser's network log calls it one.
func (b *Browser) hear(messages iter.Seq2[chromedp.ConsoleMessage, error]) {
	for m, err := range messages {
		if err != nil {
			return
		}
		bad := m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleWarning || m.IsException()
		if bad && m.Source != "network" {
			b.mu.Lock()
			b.errors = append(b.errors, m.Source+" "+m.Text+" ("+m.URL+")")
			b.mu.Unlock()
		}
	}
}

// Size sets the width of the window, and a height that goes with it.
func (b *Browser) Size(width int) {
	b.t.Helper()
	b.width = width
	b.do(chromedp.EmulateViewport(int64(width), int64(heightOf(width))))
}

func heightOf(width int) int {
	if width < 600 {
		return 740
	}
	return 800
}

// NoScript opens what follows without script; the test itself still looks.
func (b *Browser) NoScript() {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		b.t.Fatal(err)
	}
}

// Theme makes the machine prefer "light" or "dark".
func (b *Browser) Theme(theme string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *Browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%v\nthe page:\n%s", err, b.text())
	}
}

// Open goes to an address of the node. What a page before it was still loading
// may come between: then it goes there again.
func (b *Browser) Open(path string) {
	b.t.Helper()
	b.wait("the page at "+path, func() (bool, error) {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		defer cancel()
		err := chromedp.Do(ctx, chromedp.Navigate(b.url+path))
		if err != nil && !strings.Contains(err.Error(), "net::ERR_ABORTED") {
			b.t.Fatalf("%v\nthe page:\n%s", err, b.text())
		}
		return err == nil, err
	})
}

// Reload loads the page again.
func (b *Browser) Reload() {
	b.t.Helper()
	b.do(chromedp.Reload())
}

// Eval runs JavaScript in the page and returns its value. A page that is going
// away has none.
func Eval[T any](b *Browser, script string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](script))
}

// call calls one of the functions of finder with arguments.
func call[T any](b *Browser, function string, args ...any) (T, error) {
	texts := make([]string, len(args))
	for i, a := range args {
		text, err := json.Marshal(a)
		if err != nil {
			b.t.Fatal(err)
		}
		texts[i] = string(text)
	}
	return Eval[T](b, "(() => {"+finder+"; return "+function+"("+strings.Join(texts, ",")+")})()")
}

// finder finds things as people do: by the words that they see or hear.
const finder = `
const squeeze = (s) => (s || "").replace(/\s+/g, " ").trim();
const shown = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: false });
const top = () => document.querySelector("dialog[open]") || document;
const nameOf = (e) => squeeze(e.getAttribute("aria-label") || e.innerText || e.value);
const text = () => squeeze(top() === document ? document.body?.innerText : top().innerText);
const press = (name) => {
  const all = [...top().querySelectorAll("button, a[href], summary, input[type=submit], [role=button], label")].filter(shown);
  const e = all.find((e) => nameOf(e) === name) || all.find((e) => nameOf(e).startsWith(name));
  if (!e) return null;
  e.scrollIntoView({ block: "center", inline: "center" });
  const r = [...e.getClientRects()].find((r) => r.width > 0 && r.height > 0) || e.getBoundingClientRect();
  const x = r.x + r.width / 2, y = r.y + r.height / 2;
  const hit = document.elementFromPoint(x, y);
  if (!hit || !(e.contains(hit) || hit.contains(e))) return null;
  return [x, y];
};
const field = (label) => {
  const named = (e) => squeeze(e.getAttribute("aria-label")) || [...(e.labels || [])].map((l) => squeeze(l.textContent)).join(" ");
  const all = [...top().querySelectorAll("input:not([type=hidden]), textarea, select")].filter((e) => shown(e) || e.type === "radio");
  return all.find((e) => named(e) === label) || all.find((e) => named(e).startsWith(label)) || null;
};
const focusField = (label) => {
  const e = field(label);
  if (!e) return false;
  e.focus();
  e.select?.();
  return document.activeElement === e;
};
const choose = (label, option) => {
  const e = field(label);
  if (!e) return false;
  const o = [...e.options].find((o) => squeeze(o.textContent) === option || o.value === option);
  if (!o) return false;
  e.value = o.value;
  e.dispatchEvent(new Event("input", { bubbles: true }));
  e.dispatchEvent(new Event("change", { bubbles: true }));
  return true;
};
const valueOf = (label) => field(label)?.value ?? null;
`

// text is what the page shows, for messages.
func (b *Browser) text() string {
	s, err := call[string](b, "text")
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return s
}

// Text is what the page shows, blanks squeezed.
func (b *Browser) Text() string { b.t.Helper(); return b.text() }

// HTML is the page as it stands.
func (b *Browser) HTML() string {
	b.t.Helper()
	s, err := Eval[string](b, "document.documentElement.outerHTML")
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// wait waits until done says so; an error is a page that is going away.
func (b *Browser) wait(what string, done func() (bool, error)) {
	b.t.Helper()
	var last error
	defer func() {
		if b.t.Failed() && last != nil {
			b.t.Log(last)
		}
	}()
	enough := after(patience)
	for {
		ok, err := done()
		last = err
		if ok {
			return
		}
		if enough() {
			b.t.Fatalf("waited %s in vain for %s; at %s the page shows:\n%s", patience, what, b.Path(), b.text())
		}
		pause()
	}
}

// See waits until the page shows the text.
func (b *Browser) See(text string) {
	b.t.Helper()
	b.wait(fmt.Sprintf("%q", text), func() (bool, error) {
		s, err := call[string](b, "text")
		return strings.Contains(s, squeeze(text)), err
	})
}

// Gone waits until the page does not show the text any more.
func (b *Browser) Gone(text string) {
	b.t.Helper()
	b.wait(fmt.Sprintf("the end of %q", text), func() (bool, error) {
		s, err := call[string](b, "text")
		return err == nil && !strings.Contains(s, squeeze(text)), err
	})
}

// Click presses a button or follows a link by its name, or what the name begins
// with. In an open dialog only its own count.
func (b *Browser) Click(name string) {
	b.t.Helper()
	var at []float64
	b.wait("something to press called "+name, func() (bool, error) {
		var err error
		at, err = call[[]float64](b, "press", name)
		return len(at) == 2, err
	})
	b.do(chromedp.MouseClickXY(at[0], at[1]))
}

// Fill types a value into the field with the label, in place of what is there.
func (b *Browser) Fill(label, value string) {
	b.t.Helper()
	b.wait("a field called "+label, func() (bool, error) { return call[bool](b, "focusField", label) })
	if value == "" {
		b.Press("\b")
		return
	}
	b.do(chromedp.KeyEvent(value))
}

// Choose picks an option of a list, by its words or its value.
func (b *Browser) Choose(label, option string) {
	b.t.Helper()
	b.wait(fmt.Sprintf("the option %s of %s", option, label), func() (bool, error) { return call[bool](b, "choose", label, option) })
}

// Value is what the field with the label holds.
func (b *Browser) Value(label string) string {
	b.t.Helper()
	s, err := call[string](b, "valueOf", label)
	if err != nil {
		b.t.Fatalf("the field %s: %v", label, err)
	}
	return s
}

// Press types keys wherever the focus is.
func (b *Browser) Press(keys string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(keys))
}

// Path is where the browser is: path and query.
func (b *Browser) Path() string {
	s, err := Eval[string](b, "location.pathname + location.search")
	if err != nil {
		return "?"
	}
	return s
}

// At waits until the browser is at the path, and the page is there.
func (b *Browser) At(path string) {
	b.t.Helper()
	b.wait("being at "+path, func() (bool, error) {
		return Eval[bool](b, fmt.Sprintf("location.pathname + location.search === %q && document.readyState === 'complete'", path))
	})
}

// Until waits until the JavaScript expression is true.
func (b *Browser) Until(script string) {
	b.t.Helper()
	b.wait(script, func() (bool, error) { return Eval[bool](b, "!!("+script+")") })
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// root is the folder of the repository.
var root = sync.OnceValues(func() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("the test does not run in the repository")
		}
		dir = up
	}
})

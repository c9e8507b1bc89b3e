package webtest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/chromedp"
)

func after(d time.Duration) func() bool {
	end := time.Now().Add(d)
	return func() bool { return time.Now().After(end) }
}

func pause() { <-time.After(lookAgain) }

// axe is the script that looks for faults of accessibility. It is a dependency
// of the tests alone.
var axe = sync.OnceValues(func() (string, error) {
	dir, err := root()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(dir, "internal/web/assets/node_modules/axe-core/axe.min.js"))
	if err != nil {
		return "", fmt.Errorf("axe is not there: run make assets: %w", err)
	}
	return string(text), nil
})

// widths are those that a page must look right at; faults are looked for at the
// first and the last.
var widths = []int{360, 768, 1280}

// Audit looks at the page at each width in light and dark: axe finds nothing
// serious, nothing is wider than the window, and a picture is written if a person may
// look at it. name is the page's: "connections-empty".
func (b *Browser) Audit(name string) {
	b.t.Helper()
	before := b.width
	for _, theme := range []string{"light", "dark"} {
		b.Theme(theme)
		for _, width := range widths {
			b.Size(width)
			where := fmt.Sprintf("%s-%d-%s", name, width, theme)
			b.settle()
			b.overflow(where)
			b.punctuation(where)
			if width != 768 {
				b.axe(where)
			}
			if looked() {
				b.Shot(where)
			}
		}
	}
	b.Theme("light")
	b.Size(before)
}

// looked says whether a person may look at the pictures of audits: in CI only
// where MARGAY_SCREENSHOTS asks for them, since they take longer than the rest.
func looked() bool { return os.Getenv("CI") == "" || os.Getenv("MARGAY_SCREENSHOTS") != "" }

// settle waits for two frames: what a size or theme changed is drawn.
func (b *Browser) settle() {
	b.t.Helper()
	ctx := b.ctx
	_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](
		"new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))", chromedp.EvalAwaitPromise,
	))
	if err != nil {
		b.t.Fatal(err)
	}
}

// overflow fails when the page can be scrolled sideways.
func (b *Browser) overflow(where string) {
	b.t.Helper()
	const script = `(() => {
		const wide = document.documentElement.clientWidth;
		if (document.scrollingElement.scrollWidth <= wide) return "";
		const inside = (e) => { for (let p = e.parentElement; p; p = p.parentElement) if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(p).overflowX)) return true; return false; };
		const out = [...document.body.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > wide + 1 && !inside(e));
		return "wider than the window: " + out.slice(0, 5).map((e) => e.tagName.toLowerCase() + "." + e.className + " " + Math.round(e.getBoundingClientRect().right)).join("; ");
	})()`
	s, err := Eval[string](b, script)
	if err != nil || s != "" {
		b.t.Errorf("%s: %s %v", where, s, err)
	}
}

// punctuation fails where a sentence has a gap before its full stop or comma:
// templates make one where an element or a condition ends a line.
func (b *Browser) punctuation(where string) {
	b.t.Helper()
	const script = `(() => {
		const main = document.querySelector("main");
		const code = [...main.querySelectorAll("pre, code")].map((e) => e.innerText).join("\n");
		return [...main.innerText.matchAll(/[^\n]{0,30}\w [.,;:](?= |$)/gm)].map((m) => m[0].trim()).filter((m) => !code.includes(m)).join("; ");
	})()`
	s, err := Eval[string](b, script)
	if err != nil || s != "" {
		b.t.Errorf("%s: a gap before punctuation: %s %v", where, s, err)
	}
}

// violation is a fault that axe found.
type violation struct {
	ID     string `json:"id"`
	Impact string `json:"impact"`
	Help   string `json:"help"`
	Nodes  []struct {
		HTML           string `json:"html"`
		FailureSummary string `json:"failureSummary"`
	} `json:"nodes"`
}

func (b *Browser) axe(where string) {
	b.t.Helper()
	script, err := axe()
	if err != nil {
		b.t.Fatal(err)
	}
	if loaded, err := Eval[bool](b, "!!globalThis.axe"); err != nil || !loaded {
		if _, err := Eval[bool](b, script+";true"); err != nil {
			b.t.Fatal(err)
		}
	}
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`axe.run(document, {
		resultTypes: ["violations"],
		runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] },
	}).then((r) => JSON.stringify(r.violations))`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	var found []violation
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range found {
		if v.Impact != "serious" && v.Impact != "critical" {
			continue
		}
		var places []string
		for _, n := range v.Nodes[:min(3, len(v.Nodes))] {
			places = append(places, n.HTML+"\n    "+strings.ReplaceAll(n.FailureSummary, "\n", "\n    "))
		}
		b.t.Errorf("%s: %s (%s, %s)\n    %s", where, v.Help, v.ID, v.Impact, strings.Join(places, "\n    "))
	}
}

// Shot writes a picture of the whole page to the folder of MARGAY_SCREENSHOTS,
// or to screenshots in the repository, which git ignores.
func (b *Browser) Shot(name string) {
	b.t.Helper()
	dir := os.Getenv("MARGAY_SCREENSHOTS")
	if dir == "" {
		top, err := root()
		if err != nil {
			b.t.Fatal(err)
		}
		dir = filepath.Join(top, "screenshots")
	}
	// Bars at the bottom of the window belong at the bottom of the picture.
	if tall, err := Eval[int](b, "Math.min(document.documentElement.scrollHeight, 6000)"); err == nil && b.width > 0 {
		_ = chromedp.Do(b.ctx, chromedp.EmulateViewport(int64(b.width), int64(max(tall, heightOf(b.width)))))
		defer func() { _ = chromedp.Do(b.ctx, chromedp.EmulateViewport(int64(b.width), int64(heightOf(b.width)))) }()
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Logf("no picture %s: %v", name, err)
		return
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

package web_test

import (
	"testing"

	"github.com/margay-access/margay/internal/web/webtest"
)

// byHand holds the page's own patience: its clock stands still until the test
// moves it, due[300](), due[3000]() and due[10000]().
const byHand = `(() => {
	globalThis.due = {};
	const wait = setTimeout, forget = clearTimeout;
	globalThis.setTimeout = (f, ms, ...rest) => ([300, 3000, 10000].includes(ms) ? ((due[ms] = f), "due-" + ms) : wait(f, ms, ...rest));
	globalThis.clearTimeout = (id) => (String(id).startsWith("due-") ? delete due[id.slice(4)] : forget(id));
	return true;
})()`

// What is slow says so: grey lines after 300 ms, words after three seconds, after
// ten that nobody needs to stay. It is said beside what is busy, where it is
// heard, and the focus is back where it was.
func TestWaiting(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	w.Connect()
	b := w.SignIn(webtest.Admin)
	const (
		beside = `const n = document.querySelector(".waiting"); return n.role === "status" && !n.closest("[aria-busy]") && `
		words  = `n.innerText.trim() === `
	)
	says := func(after, rest string) {
		t.Helper()
		b.Until(`(() => { due[` + after + `]?.(); delete due[` + after + `]; ` + beside + rest + `; })()`)
	}

	// A page that is on its way, and does not come.
	b.Open("/connections/" + w.Connection.ID)
	b.Until(byHand)
	b.Until(`(addEventListener("click", (event) => event.preventDefault(), { once: true }), true)`)
	b.Click("Tableau users")
	b.Until(`due[300] && due[3000] && due[10000] && !document.querySelector("[aria-busy]")`)
	says("300", words+`"" && n.dataset.shown === "" && document.activeElement === n && document.querySelector("#checks").closest("[aria-busy=true]") && !document.querySelector("#checks").checkVisibility()`)
	says("3000", words+`"Reading from the other system…"`)
	says("10000", words+`"Still working. The other system is slow. You can leave this page: nothing is changed."`)
	b.Audit("waiting")
	b.Press("\x1b")
	b.Until(`document.activeElement.matches("a[data-slow]") && document.activeElement.innerText === "Tableau users" && !document.querySelector(".waiting, [aria-busy]") && document.querySelector("#checks").checkVisibility()`)

	// A part of a page that is asked for by a button beside it.
	b.Open("/connections/" + w.Connection.ID + "/edit")
	b.Until(byHand)
	b.Until(`(() => { const ask = fetch; globalThis.fetch = async (...all) => { if (String(all[0]?.url ?? all[0]).includes("/edit/test")) await new Promise((go) => (globalThis.letGo = go)); return ask(...all); }; return true; })()`)
	b.Click("Test before saving")
	b.Until(`globalThis.letGo && document.activeElement.textContent.includes("Test before saving")`)
	says("300", words+`"" && n.dataset.shown === "" && n.nextElementSibling.matches("#tested[aria-busy=true]")`)
	says("3000", words+`"Reading from the other system…"`)
	says("10000", words+`"Still working. The other system is slow. What it says comes here: stay on this page."`)
	b.Until(`(letGo(), true)`)
	b.Until(`document.querySelector("#tested").textContent.trim() && document.activeElement.textContent.includes("Test before saving") && !document.querySelector(".waiting, [aria-busy]")`)
	b.Until(`Object.keys(due).length === 0`)
}

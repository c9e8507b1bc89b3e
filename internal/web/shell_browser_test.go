package web_test

import (
	"testing"

	"github.com/margay-access/margay/internal/web/webtest"
)

// A person signs in, sees their home in both themes at each width, changes how it
// looks, and signs out.
func TestShell(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	w.Story()
	w.SetPassword(webtest.Requester)
	b := w.Browser()
	b.Open("/profile?x=1") // U24: deep links survive signing in
	b.At("/sign-in?next=%2Fprofile%3Fx%3D1")
	b.Audit("sign-in")
	b.Fill("E-mail address", webtest.Requester)
	b.Fill("Password", "not her password")
	b.Click("Sign in")
	b.See("The e-mail address or the password is not right.")
	b.Audit("sign-in-refused")
	b.Fill("Password", webtest.Password)
	b.Click("Sign in")
	b.At("/profile?x=1")
	b.Audit("profile")
	b.Open("/")
	b.See("Your access")
	b.See("Active")
	b.See("Waiting for approval")
	b.Audit("home-requester")
	b.Open("/nowhere")
	b.See("There is no page at /nowhere")
	b.Audit("error-404")
	b.Open("/profile")
	b.Click("Dark")
	b.Click("Save look")
	b.See("Saved for this browser.")
	b.Until(`document.documentElement.classList.contains("dark")`)
	// U8: an act that takes long says so, and that nobody needs to stay for it. Its
	// timers are let go at once; nothing is sent.
	b.Until(`(() => {
		const real = setTimeout;
		globalThis.setTimeout = (f, ms) => real(f, ms >= 3000 ? ms / 1000 : ms);
		const form = document.querySelector("form[action='/profile/look']");
		return !form.dispatchEvent(new SubmitEvent("submit", { bubbles: true, submitter: form.querySelector("button[type=submit]") })) || true;
	})()`)
	b.See("Still working. You can leave this page: it goes on.")
	b.Open("/profile")
	b.Click("Sign out")
	b.See("You are signed out.")
	b.Open("/")
	b.At("/sign-in")
}

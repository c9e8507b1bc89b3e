package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/web/webtest"
	"github.com/margay-access/margay/tableau/tableautest"
)

// The sentences of the checks, at the surface where people see them.
const (
	apiPass     = "Successfully connected to Tableau API"                                                                                                                                    // S57
	contentPass = "Successfully accessed Tableau content"                                                                                                                                    // S60
	apiFail     = "Unable to connect to Tableau API. Please verify your credentials are valid and the server URL is correct."                                                                // S63
	siteFail    = "Failed to access the configured Tableau site. Please verify your site content URL and that the PAT has access to it."                                                     // S64
	contentFail = "Failed to access Tableau content. Please verify your token has read permissions."                                                                                         // S65
	usersDenied = "The configured PAT does not have permission to manage site users. Recreate the PAT under a site or server administrator account if user-management workflows are needed." // S66
	usersFail   = "Failed to list Tableau site users while checking user-management scope."                                                                                                  // S67
	usersNoSite = "Could not look up the current Tableau site before checking user-management scope. Verify the Session & Site check passes first."                                          // S70
)

// clicks counts what a person presses, a field's focus included.
type clicks struct {
	*webtest.Browser
	n int
}

func (c *clicks) Click(name string)        { c.n++; c.Browser.Click(name) }
func (c *clicks) Fill(label, value string) { c.n++; c.Browser.Fill(label, value) }

// A person with a token connects the site and sees four results in at most 12
// clicks.
func TestConnect(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	b := &clicks{Browser: w.SignIn(webtest.Admin)}
	b.Open("/")
	b.Click("Integrations")
	b.See("No site is connected yet")
	b.Until(`document.querySelector(".beta").textContent.trim().startsWith("Beta")`) // S7
	b.Audit("integrations-empty")
	b.Click("Connect Tableau")
	b.See("Configure Tableau") // S24
	for _, text := range []string{
		"Server URL", "Site Content URL", "Personal Access Token Name", "Personal Access Token Secret", // S25, S29, S33, S37
		"Your Tableau server URL (without https://). For Tableau Cloud, this is typically something like 10ax.online.tableau.com. For Tableau Server, use your server’s hostname.", // S31
		"The content URL of the site to connect to. For the Default site, leave this empty. You can find this in the site URL after /site/.",                                       // S32
		"The name of your Tableau Personal Access Token. Create one in Tableau under My Account Settings > Personal Access Tokens.",                                                // S34
		"The secret value of your Tableau Personal Access Token. This is shown only once when the token is created.",                                                               // S38
		"Sign in to Tableau as the integration user", "Open your account settings", "Create the token", "Copy the secret immediately", "Identify your Server URL", "Identify your Site Content URL", // S23
		"If you lose it, revoke the token and create a new one", // S119
		"off by default on some Server deployments",             // S87
		"Tableau Cloud always supports 3.24", "2025.1",          // S84, S85
		"over HTTPS (port 443)",                                                                     // S86
		"not used for 15 consecutive days", "1 to 365 days", "a paused connection can let it lapse", // S88–S90
		"out of scope",                                    // S108
		"Use a dedicated service account",                 // S113
		"a site or server administrator created",          // S17
		"Behavior and available capabilities may evolve.", // S117
	} {
		b.See(text)
	}
	b.Until(`document.querySelector("a[href='https://help.tableau.com/current/server/en-us/security_personal_access_tokens.htm']") && document.querySelector("a[href='https://help.tableau.com/current/api/rest_api/en-us/REST/rest_api_concepts_versions.htm']")`) // S120
	b.Until(`document.querySelector("#pat_secret").type === "password"`)                                                                                                                                                                                            // S37
	b.Audit("connect")

	// S28, S35, S39: what is missing is said at its field.
	before := b.n
	b.Click("Submit")
	b.See("Server URL is required")
	b.See("Personal Access Token name is required")
	b.See("Personal Access Token secret is required")
	b.Audit("connect-errors")
	b.Fill("Personal Access Token Secret", webtest.PATSecret)
	b.Click("Submit")
	b.See("Type the secret again: it is never sent back to the browser.")
	b.n = before // a slip is no part of the way

	// Decision 7: a whole address, pasted. What the page sends by itself holds no
	// secret, whatever was typed when.
	b.Until(`(globalThis.sent = [], globalThis.reallyFetch = fetch, globalThis.fetch = (at, o) => { sent.push(at + " " + new URLSearchParams(o?.body).toString()); return reallyFetch(at, o); }, true)`)
	b.Fill("Personal Access Token Secret", webtest.PATSecret)
	b.Fill("Server URL", "https://"+w.Site.Host+"/#/site/"+w.Site.ContentURL()+"/home")
	b.See("Calls will go to https://" + w.Site.Host + " · site " + w.Site.ContentURL())
	b.See("Site Content URL is taken from the address that was pasted: " + w.Site.ContentURL())
	b.Fill("Personal Access Token Name", "margay")
	b.Fill("Personal Access Token Secret", webtest.PATSecret)
	b.Until(`sent.some((s) => s.includes("server_url=")) && !sent.some((s) => s.includes("pat_") || s.includes("canary"))`)
	b.n-- // the secret was typed twice
	// U3: what was just typed can be looked at, and is hidden again when it is sent.
	b.Browser.Click("Show Personal Access Token Secret")
	b.Until(`document.querySelector("#pat_secret").type === "text" && document.querySelector("[data-show]").ariaPressed === "true"`)
	b.Browser.Click("Show Personal Access Token Secret")
	b.Until(`document.querySelector("#pat_secret").type === "password" && document.querySelector("[data-show]").ariaPressed === "false"`)
	b.Browser.Click("Show Personal Access Token Secret")
	b.Until(`(document.addEventListener("submit", () => (sessionStorage.sentAs = document.querySelector("#pat_secret").type)), true)`)
	b.Click("Submit") // S40
	b.See("Run its checks to see that it works.")
	b.See("Never checked")
	b.Until(`sessionStorage.sentAs === "password"`)
	b.Audit("connection-new")
	b.Click("Run all checks") // S53
	for _, text := range []string{
		"Validate Tableau API Connection", "Check Tableau Session & Site", "Check Tableau Content Access", "Check Tableau User Management Scope", // S47–S50
		apiPass, `Successfully accessed Tableau site "` + w.Site.ContentURL() + `"`, contentPass, "PAT can list site users (", "Healthy", // S57–S61
	} {
		b.See(text)
	}
	if b.n > 12 {
		t.Errorf("%d clicks", b.n)
	}
	b.Reload()
	b.See("Healthy") // it is kept
	b.See("Signed in as")
	b.Audit("connection-healthy")
	if html := b.HTML(); strings.Contains(html, webtest.PATSecret) || !strings.Contains(html, "••••••••4711") { // S43, S95
		t.Error("the page holds the secret, or not its mask")
	}
	if strings.Contains(w.Log(), webtest.PATSecret) { // S6
		t.Error("the log holds the secret")
	}
	b.Open("/integrations")
	b.See("Tableau – " + w.Site.ContentURL())
	b.Audit("integrations")
}

// Each check fails alone, with its sentence; the others stay as they are.
func TestCheckOutcomes(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	w.Connect()
	b := w.SignIn(webtest.Admin)
	b.Open("/connections/" + w.Connection.ID)
	site := `Successfully accessed Tableau site "` + w.Site.ContentURL() + `"`
	fail := func(method, path string, status int, code string) tableautest.Fault {
		return tableautest.Fault{Method: method, Path: path, Status: status, Code: code, Summary: "Refused", Detail: "<i>in Tableau's words</i>", Times: -1}
	}
	for _, tt := range []struct {
		name  string
		fault tableautest.Fault
		see   []string
	}{
		{"users denied", fail(http.MethodGet, "/api/3.24/sites/*/users", 403, "403004"), []string{apiPass, site, contentPass, usersDenied, "Degraded (1 check fails)", "Rotate token"}},  // S54, S66, S72
		{"users fail", fail(http.MethodGet, "/api/3.24/sites/*/users", 400, "400006"), []string{apiPass, site, contentPass, usersFail}},                                                  // S67
		{"content", fail(http.MethodGet, "/api/-/collections", 403, "403004"), []string{apiPass, site, contentFail, "PAT can list site users ("}},                                        // S65
		{"session", fail(http.MethodGet, "/api/3.24/sessions/current", 404, "404000"), []string{apiPass, siteFail, contentPass, usersNoSite, "Fix Check Tableau Session & Site first."}}, // S55, S64, S70, S71
		{"info", fail(http.MethodGet, "/api/3.24/serverinfo", 403, "403004"), []string{apiFail, site, contentPass, "Degraded (1 check fails)"}},                                          // S63
		{
			"sign-in",
			tableautest.Fault{Operation: "sign-in", Status: 401, Code: "401001", Summary: "Signin Error", Detail: "The token is invalid.", Times: -1},
			[]string{apiFail, siteFail, contentFail, usersNoSite, "the token’s name does not match Tableau exactly"},
		}, // S79
	} {
		w.Site.ClearFaults()
		w.Site.Fail(tt.fault)
		b.Click("Run all checks")
		b.Gone("still running")
		for _, text := range tt.see {
			b.See(text)
		}
		if tt.name == "users denied" || tt.name == "sign-in" {
			b.Audit("connection-" + strings.ReplaceAll(tt.name, " ", "-"))
		}
	}
	b.See("Tableau sign-in failed (HTTP 401, Signin Error): The token is invalid.") // S73, in Tableau's own words
	b.Until(`![...document.querySelectorAll("#checks i")].length`)
	w.Site.ClearFaults()
	b.Click("Run Validate Tableau API Connection")
	b.Gone("still running")
	b.See(apiPass)
	b.See(siteFail) // only one was run

	// U19: the page follows what is checked elsewhere; what is open stays open, and
	// the focus where it is.
	b.Until(`(document.querySelector("#details-api").open = true, document.querySelector("#run-all").focus(), true)`)
	if _, err := w.Client(webtest.Admin).CheckConnection(t.Context(), w.Connection.ID); err != nil {
		t.Fatal(err)
	}
	b.See("Healthy")
	b.Until(`document.querySelector("#details-api").open && document.activeElement.id === "run-all"`)

	// A wait is said in the row, and told apart from what the check took. Only one
	// short line is read out.
	b.Until(`(globalThis.said = "", new MutationObserver(() => (said += document.querySelector("#checks").textContent + " STATUS " + document.querySelector("[role=status][data-live-count]").textContent)).observe(document.querySelector("main"), { subtree: true, childList: true }), true)`)
	w.Site.Fail(tableautest.Fault{Method: http.MethodGet, Path: "/api/-/collections", Status: 429, Code: "429000", RetryAfter: "5", Times: 1})
	b.Click("Run all checks")
	b.See("after a wait of ")
	b.See("Healthy")
	b.Until(`said.includes("Waiting: Tableau asked to send nothing until") && said.includes("You can leave this page: they go on.") && /STATUS \d of 4 checks (is|are) running/.test(said) && !document.querySelector("#checks .body[aria-live]")`)
	b.Until(`document.querySelector("#details-api").open && document.activeElement.id === "run-all"`)
}

// S41–S46, S91–S95: an edit shows what is stored, what will change, and who
// saved meanwhile.
func TestEdit(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	w.Story()
	b := w.SignIn(webtest.Admin)
	edit := "/connections/" + w.Connection.ID + "/edit"
	b.Open(edit)
	if got := b.Value("Personal Access Token Name"); got != "margay" { // S45
		t.Errorf("the name is shown as %q", got)
	}
	b.See("••••••••4711")
	b.See("Left blank, the stored server stays.")                                   // S41
	b.See("Left blank, the stored name stays.")                                     // S42
	b.See("Always saved: left empty, the connection switches to the Default site.") // S93
	b.Audit("connection-edit")
	b.Click("The Default site")
	b.Click("What will change")
	b.See("1 grant is live")
	b.See("Default site")
	b.Audit("connection-edit-plan")
	b.Click("Save")
	b.See("I know what happens to the live grants")
	b.Audit("connection-edit-agree")

	// S46: the Default site and a site's address do not go together; a named site's
	// field is there for a named site, and what was told of other values is gone.
	b.Open(edit)
	b.Fill("Server URL", "https://"+w.Site.Host+"/#/site/other/home")
	b.Click("The Default site")
	b.Until(`!document.querySelector("#site_content_url").checkVisibility()`)
	b.Click("Save")
	b.See("The address that was pasted says other, and this is empty, which is saved as it is: which of them is it?")
	b.Until(`document.querySelector("#site_content_url").checkVisibility()`)
	b.Fill("Server URL", w.Site.Host)
	b.Click("What will change")
	b.See("1 grant is live")
	b.Click("A named site")
	b.Gone("1 grant is live")

	// Somebody saves meanwhile.
	change := map[string]string{"site_content_url": w.Site.ContentURL(), "pat_name": "anas-token"}
	b.Open(edit)
	b.Fill("Personal Access Token Name", "typed-by-me")
	if _, err := w.Client(webtest.Admin).ChangeConnection(t.Context(), w.Connection.ID, wire.ChangedConnection{Settings: change}); err != nil {
		t.Fatal(err)
	}
	b.Click("Save")
	b.See("saved this connection at")
	b.See("“anas-token” is stored now; you have “typed-by-me”.")
	if got := b.Value("Personal Access Token Name"); got != "typed-by-me" {
		t.Errorf("what was typed is lost: %q", got)
	}
	b.Audit("connection-conflict")
	b.Fill("Personal Access Token Name", "anas-token")
	b.Click("Save")
	b.See("Nothing was changed.")

	// Bad input keeps what was typed.
	b.Open(edit)
	b.Fill("Server URL", "ana@h.example")
	b.Click("Save")
	b.See("Server URL must be a host alone: leave out what stands before the @.")
	if got := b.Value("Server URL"); got != "ana@h.example" {
		t.Errorf("what was typed is lost: %q", got)
	}

	// S91: rotation, refused and taken.
	b.Open("/connections/" + w.Connection.ID + "/rotate")
	b.Audit("connection-rotate")
	b.Fill("Personal Access Token Secret", "another-secret-that-is-wrong-0001")
	b.Click("Try and switch")
	b.See("Tableau sign-in failed (HTTP 401, ")
	b.See("Nothing was changed: the old credentials stay in use.")
	w.Site.AddPAT(w.Site.User("svc-margay@acme.example"), "next", "bmV4dA==:rotated-in-the-browser-0002")
	b.Fill("Personal Access Token Name", "next")
	b.Fill("Personal Access Token Secret", "bmV4dA==:rotated-in-the-browser-0002")
	b.Click("Try and switch")
	b.See("The new token is in use. Now revoke the old one in Tableau")
	b.See("••••••••0002")
	b.Click("Run all checks")
	b.See("Healthy")

	// U12: what is needed can be neither deleted nor retired, and it is said before
	// anybody types its name.
	b.Reload() // nothing moves under the hand
	b.See("It can be neither deleted nor retired while it is needed:")
	b.See("1 grant through it is live.")
	b.See("is bound to it.")
	b.Until(`!document.querySelector("[data-dialog]") && document.querySelector("main a[href^='/apps/']") && document.querySelector("main a[href='/access']")`)
	b.Open("/connections/" + w.Connection.ID + "/delete")
	b.See("It can be neither deleted nor retired while it is needed:")
	b.Until(`!document.querySelector("main form")`)
	b.Audit("connection-delete")
}

// S11, S18: the console and what a site holds.
func TestConsoleAndBrowse(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	w.Story()
	b := w.SignIn(webtest.Admin)
	base := "/connections/" + w.Connection.ID
	b.Open(base + "/console")
	b.See("fixed by the connection")
	b.Fill("Path", "/sites/{siteId}/users")
	b.Click("Send")
	b.See("200")
	b.See("rita@acme.example")
	b.See("Lately sent by people")
	b.Audit("console")
	b.Fill("Path", "/auth/signout")
	b.Click("Send")
	b.See("This call is not sent")
	b.Choose("Method", "DELETE")
	b.Fill("Path", "/sites/{siteId}/users/{userId}")
	b.Click("Send")
	b.See("This removes something")
	b.Audit("console-delete")
	b.Click("Send this DELETE")
	b.Click("Send")
	b.See("it would change the account that owns the connection’s own token")
	b.Open(base + "/console?q=users+site")
	b.Click("get-users-on-site")
	b.See("Any other call")
	b.Fill("filter", "name:eq:rita@acme.example")
	b.Audit("console-method")
	b.Click("Send")
	b.See("200")
	b.See("rita@acme.example")

	b.Open(base + "/users")
	b.See("rita@acme.example")
	b.Audit("users")
	b.Choose("Site role", "Viewer")
	b.Gone("svc-margay@acme.example")
	b.Click("rita@acme.example")
	b.See("Set the site role by hand")
	b.Audit("user")
	b.Choose("Site role", "Creator")
	b.Click("Show what will change")
	b.See("No change was made yet.")
	b.See("This user has access from here.")
	b.Audit("user-role-plan")
	b.Click("Set site role")
	b.See("The site role of rita@acme.example is Creator: read back from Tableau.")
	if got := w.Site.User("rita@acme.example").Role(); got != "Creator" {
		t.Errorf("in Tableau the role is %s", got)
	}
	b.Open(base + "/users?q=nobody-has-this-name")
	b.See("Nothing matches your filters")
	tableautest.Populate(w.Site.Site, 5300)
	v := w.VisitorAs(webtest.Admin)
	for path, says := range map[string]string{
		"/users": "1 to 200.", "/users?from=200": "201 to 400.", "/users?q=no-such": "None of those that were looked at matches",
		"/users?q=user05299%40acme.example": "1 shown.", "/users?role=Viewer": "vera.viewer@acme.example",
	} {
		if body := v.Get(base + path).Body; !strings.Contains(body, says) {
			t.Errorf("%s does not say %q", path, says)
		}
	}
	if p := v.Post(base+"/users/"+w.Site.User("rita@acme.example").ID()+"/plan", url.Values{"role": {"Bogus"}}); p.Status != http.StatusUnprocessableEntity {
		t.Errorf("a role that there is not: %d", p.Status)
	}
	for _, page := range []string{"collections", "search?q=sales", "server-info", "session", "usage"} {
		b.Open(base + "/" + page)
		name, _, _ := strings.Cut(page, "?")
		b.Audit("browse-" + name)
	}
}

// Connecting, checking, editing, the console and what a site holds work as plain
// HTML.
func TestConnectionsWithoutScript(t *testing.T) {
	t.Parallel()
	w := webtest.Start(t)
	w.SetPassword(webtest.Admin)
	b := w.Browser()
	b.NoScript()
	b.Open("/integrations/tableau/connect")
	b.Fill("E-mail address", webtest.Admin)
	b.Fill("Password", webtest.Password)
	b.Click("Sign in")
	b.See("Configure Tableau")
	b.Fill("Server URL", "https://"+w.Site.Host+"/#/site/"+w.Site.ContentURL()+"/home")
	b.Fill("Personal Access Token Secret", webtest.PATSecret)
	b.Click("Submit")
	b.See("Personal Access Token name is required")
	b.See("Type the secret again: it is never sent back to the browser.")
	b.See("Calls will go to https://" + w.Site.Host + " · site " + w.Site.ContentURL())
	b.Fill("Personal Access Token Name", "margay")
	b.Fill("Personal Access Token Secret", webtest.PATSecret)
	b.Click("Submit")
	b.See("Never checked")
	b.Click("Run Check Tableau User Management Scope")
	b.See("PAT can list site users (")
	b.Click("Run all checks")
	b.See("Healthy")
	page := strings.TrimSuffix(b.Path(), "#checks")

	b.Click("Edit")
	b.Fill("Personal Access Token Name", "typed-by-me")
	b.Fill("New Personal Access Token Secret", "••••••••4711")
	b.Click("Save")
	b.See("That is the masked secret, not a secret.")
	if got := b.Value("Personal Access Token Name"); got != "typed-by-me" {
		t.Errorf("what was typed is lost: %q", got)
	}
	b.Fill("Personal Access Token Name", "margay")
	b.Click("Save")
	b.See("Nothing was changed.")

	b.Click("API console")
	b.Fill("Words of a method", "get-users-on-site")
	b.Click("Find")
	b.Click("get-users-on-site")
	b.Fill("filter", "name:eq:"+webtest.Requester)
	b.Click("Send")
	b.See("Answer")
	b.See(webtest.Requester)
	b.Open(page + "/users")
	b.Fill("Search", "rita")
	b.Click("Apply")
	b.See(webtest.Requester)
	b.Gone("svc-margay@acme.example")
	b.Open(page)
	b.Click("Retire")
	b.See("Its sealed secret is removed and nothing is sent over it any more.")
	b.Fill("Type Tableau – "+w.Site.ContentURL(), "Tableau – "+w.Site.ContentURL())
	b.Click("Retire connection")
	b.See("Retired")
	b.Click("Delete")
	b.See("The connection and its sealed secret are removed.")
	b.Fill("Type Tableau – "+w.Site.ContentURL(), "Tableau – "+w.Site.ContentURL())
	b.Click("Delete connection")
	b.See("Tableau – " + w.Site.ContentURL() + " is deleted.")
}

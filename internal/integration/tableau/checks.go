package tableau

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/tableau"
)

// Names and sentences of the four checks, shown byte for byte.
const (
	checkAPI     = "Validate Tableau API Connection"
	checkSession = "Check Tableau Session & Site"
	checkContent = "Check Tableau Content Access"
	checkUsers   = "Check Tableau User Management Scope"

	apiPass     = "Successfully connected to Tableau API"
	apiFail     = "Unable to connect to Tableau API. Please verify your credentials are valid and the server URL is correct."
	sitePass    = `Successfully accessed Tableau site "%s"`
	defaultPass = "Successfully accessed the default Tableau site"
	siteFail    = "Failed to access the configured Tableau site. Please verify your site content URL and that the PAT has access to it."
	contentPass = "Successfully accessed Tableau content"
	contentFail = "Failed to access Tableau content. Please verify your token has read permissions."
	usersPass   = "PAT can list site users (%d total)." //nolint:gosec // a sentence
	usersSome   = "PAT can list site users."
	usersDenied = "The configured PAT does not have permission to manage site users. Recreate the PAT under a site or server administrator account if user-management workflows are needed."
	usersFail   = "Failed to list Tableau site users while checking user-management scope."
	usersNoSite = "Could not look up the current Tableau site before checking user-management scope. Verify the Session & Site check passes first."
)

// checks returns the four health checks in their order. They only read.
func checks() []integration.Check {
	return []integration.Check{
		{
			Key: "api", Name: checkAPI, Help: "Confirms your credentials are valid and the Tableau API is reachable.",
			NotProven: "That the account may read or change anything.",
			Sentences: []integration.Sentence{
				{Pass: true, Text: apiPass, Meaning: "The server answers, speaks REST API 3.24 and accepts the token."},
				{Text: apiFail, Meaning: "The details say which: the server cannot be reached, something else than Tableau answers, or Tableau refuses the sign-in. " + rejected},
			},
			Run: check(runAPI),
		},
		{
			Key: "session", Name: checkSession, Help: "Confirms the PAT can sign in and the configured site is accessible.",
			NotProven: "That this is the site that people mean: look at its name.",
			Sentences: []integration.Sentence{
				{Pass: true, Text: fmt.Sprintf(sitePass, "[site content URL]"), Meaning: "The session is on the site of the connection."},
				{Pass: true, Text: defaultPass, Meaning: "The connection names no site, and the session is on the Default site."},
				{Text: siteFail, Meaning: "The content URL is what stands between /site/ and the next slash in Tableau’s address; the account must be a user of that site."},
			},
			Run: check(runSession),
		},
		{
			Key: "content", Name: checkContent, Help: "Confirms the token can read Tableau content (collections).",
			NotProven: "That the account sees every project, workbook and data source.",
			Sentences: []integration.Sentence{
				{Pass: true, Text: contentPass, Meaning: "Content calls work."},
				{Text: contentFail, Meaning: "The account may not read collections, or the site has them switched off."},
			},
			Run: check(runContent),
		},
		{
			Key: "users", Name: checkUsers, Help: "Confirms the PAT can list site users, which user-management and provisioning workflows require.",
			NotProven: "That a site role can be changed, and that a licence seat is free: a check only reads.",
			Sentences: []integration.Sentence{
				{Pass: true, Text: "PAT can list site users ([number] total).", Meaning: "User management and the Access Management workflows can work."},
				{Pass: true, Text: usersSome, Meaning: "The same, and Tableau did not say how many users there are."},
				{Text: usersDenied, Meaning: "An account that is no administrator created the token. Content workflows still work; user management and the Access Management workflows do not."},
				{Text: usersFail, Meaning: "Tableau did not refuse for lack of permission: the details say what it answered. Try again."},
				{Text: usersNoSite, Meaning: fixSession + " Permissions are looked at after that."},
			},
			Run: check(runUsers),
		},
	}
}

const (
	fixSession = "Fix " + checkSession + " first."
	// rejected lists what Tableau does not tell apart when it refuses a sign-in,
	// the likeliest first.
	rejected = "Tableau gives one answer for five causes: the token’s name does not match Tableau exactly (the most common one), the secret is wrong, the Site Content URL is wrong or the account " +
		"cannot access that site, the token has expired (15 days without use, or its end), or it was revoked."
)

func check(run func(ctx context.Context, t *tableau.Client, s integration.Settings) integration.CheckResult) func(context.Context, integration.Client, integration.Settings) integration.CheckResult {
	return func(ctx context.Context, c integration.Client, s integration.Settings) integration.CheckResult {
		t, err := of(c)
		if err != nil {
			return failed(apiFail, err)
		}
		return run(traced(ctx), t, s)
	}
}

// result is a check's result while facts are added to it.
type result struct{ integration.CheckResult }

// with adds what Tableau said, if it said so.
func (r result) with(key, label, value string) result {
	if value != "" {
		r.Facts = append(r.Facts, integration.Fact{Key: key, Label: label, Value: value})
	}
	return r
}

func passed(format string, args ...any) result {
	return result{integration.CheckResult{Pass: true, Message: fmt.Sprintf(format, args...)}}
}

// failed returns a check's fixed sentence with the cause's own words below it.
func failed(message string, err error) integration.CheckResult {
	f := fault.Public(meaning(err))
	return integration.CheckResult{Message: message, Detail: f.Message, Hint: f.Hint, Mends: mendsOf(err)}
}

// notThere says what to do when Tableau does not know what a check asked for: its
// sign-in was accepted, so that the call is right and the thing is missing.
func notThere(r integration.CheckResult, err error, hint string, mends ...integration.Mend) integration.CheckResult {
	if e, ok := errors.AsType[*tableau.Error](err); ok && e.Op != "SignIn" && (errors.Is(err, tableau.ClassBadRequest) || e.Status == http.StatusNotFound) {
		r.Hint, r.Mends = hint, mends
	}
	return r
}

func runAPI(ctx context.Context, t *tableau.Client, _ integration.Settings) integration.CheckResult {
	session, err := t.Session(ctx)
	if err != nil {
		return older(ctx, t, failed(apiFail, err), err)
	}
	info, err := t.ServerInfo(ctx)
	if err != nil {
		return notThere(failed(apiFail, err), err, "The sign-in was accepted and the server says nothing of itself: is it Tableau Cloud, or Tableau Server 2025.1 or later?", integration.MendEdit)
	}
	r := passed(apiPass).with("product", "Tableau release", info.ProductVersion).with("rest_version", "Newest REST API version", info.RESTVersion)
	if !session.PATExpires.IsZero() {
		r = r.with("expires", "Token ends (Tableau’s estimate)", session.PATExpires.UTC().Format(time.RFC3339))
	}
	return r.CheckResult
}

// older says how old a server is that refuses the version of the sign-in. S80,
// S85.
func older(ctx context.Context, t *tableau.Client, r integration.CheckResult, err error) integration.CheckResult {
	if !errors.Is(err, tableau.ClassUnsupportedVersion) {
		return r
	}
	if info, err := t.ServerInfo(ctx); err == nil && info.RESTVersion != "" {
		r.Hint = fmt.Sprintf("This server speaks REST API up to %s; 3.24 is needed: Tableau Server 2025.1 or later.", info.RESTVersion)
	}
	return r
}

func runSession(ctx context.Context, t *tableau.Client, s integration.Settings) integration.CheckResult {
	info, err := t.CurrentSession(ctx)
	if err != nil {
		return notThere(failed(siteFail, err), err, "The sign-in was accepted, but Tableau knows no such session: correct the Site Content URL, and look whether the token’s account is a user of that site.", integration.MendEdit)
	}
	r := passed(defaultPass)
	if s[keySite] != "" {
		r = passed(sitePass, s[keySite])
	}
	r = r.with("site", "Site", info.Site.Name).with("site_id", "Site id", info.Site.ID)
	r = r.with("user", "Signed in as", info.User.Name).with("user_role", "Site role of that account", info.User.SiteRole)
	return r.CheckResult
}

func runContent(ctx context.Context, t *tableau.Client, _ integration.Settings) integration.CheckResult {
	if _, err := t.CollectionsPage(ctx, 1); err != nil {
		return notThere(failed(contentFail, err), err, "The site may have collections switched off, or its release has none: other content calls can work all the same.")
	}
	return passed(contentPass).CheckResult
}

func runUsers(ctx context.Context, t *tableau.Client, _ integration.Settings) integration.CheckResult {
	if _, err := t.CurrentSession(ctx); err != nil {
		r := failed(usersNoSite, err)
		r.Hint, r.Mends = fixSession, nil // S71
		return r
	}
	page, err := t.UsersPage(ctx, tableau.UsersOptions{PageSize: 1})
	switch {
	case denied(err):
		return failed(usersDenied, err)
	case err != nil:
		return notThere(failed(usersFail, err), err, "Tableau did not refuse for lack of permission: the details say what it answered. Try again.")
	case page.Total >= 0:
		return withSeats(ctx, t, passed(usersPass, page.Total).with("users", "Users of the site", strconv.Itoa(page.Total))).CheckResult
	}
	return withSeats(ctx, t, passed(usersSome)).CheckResult
}

// withSeats adds the licences of the site, when Tableau tells them to this
// account: the check does not hang on it.
func withSeats(ctx context.Context, t *tableau.Client, r result) result {
	site, err := t.Site(ctx)
	if err != nil {
		return r
	}
	for _, seats := range site.Seats {
		switch {
		case seats.Used < 0:
		case seats.Capacity < 0:
			r = r.with(seatsKey(seats.Tier), seats.Tier+" seats", fmt.Sprintf("%d used", seats.Used))
		default:
			r = r.with(seatsKey(seats.Tier), seats.Tier+" seats", fmt.Sprintf("%d of %d used", seats.Used, seats.Capacity))
		}
	}
	return r
}

func seatsKey(tier string) string { return "seats_" + strings.ToLower(tier) }

// roleFacts says in which tier a site role takes a seat (Tableau help, "Set
// Users' Site Roles").
func roleFacts() map[string]string {
	return map[string]string{
		"Viewer": seatsKey("Viewer"), "Explorer": seatsKey("Explorer"), "ExplorerCanPublish": seatsKey("Explorer"),
		"SiteAdministratorExplorer": seatsKey("Explorer"), "Creator": seatsKey("Creator"),
	}
}

// denied says whether Tableau rejected a call for lack of permission: HTTP 403,
// or 401 with a code that is not about the session.
func denied(err error) bool {
	e, ok := errors.AsType[*tableau.Error](err)
	if !ok {
		return false
	}
	switch e.Status {
	case http.StatusForbidden:
		return true
	case http.StatusUnauthorized:
		return e.Code != "" && e.Code != "401000" && e.Code != "401001" && e.Code != "401002"
	}
	return false
}

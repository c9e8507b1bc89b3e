package tableau

import (
	"context"
	"errors"
	"fmt"
	"net/http"

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
		{Name: checkAPI, Help: "Confirms your credentials are valid and the Tableau API is reachable.", Run: check(runAPI)},
		{Name: checkSession, Help: "Confirms the PAT can sign in and the configured site is accessible.", Run: check(runSession)},
		{Name: checkContent, Help: "Confirms the token can read Tableau content (collections).", Run: check(runContent)},
		{Name: checkUsers, Help: "Confirms the PAT can list site users, which user-management and provisioning workflows require.", Run: check(runUsers)},
	}
}

func check(run func(ctx context.Context, t *tableau.Client, s integration.Settings) integration.CheckResult) func(context.Context, integration.Client, integration.Settings) integration.CheckResult {
	return func(ctx context.Context, c integration.Client, s integration.Settings) integration.CheckResult {
		t, err := of(c)
		if err != nil {
			return failed(apiFail, err)
		}
		return run(traced(ctx), t, s)
	}
}

func passed(format string, args ...any) integration.CheckResult {
	return integration.CheckResult{Pass: true, Message: fmt.Sprintf(format, args...)}
}

// failed returns a check's fixed sentence with the cause's own words below it.
func failed(message string, err error) integration.CheckResult {
	f := fault.Public(meaning(err))
	return integration.CheckResult{Message: message, Detail: f.Message, Hint: f.Hint}
}

func runAPI(ctx context.Context, t *tableau.Client, _ integration.Settings) integration.CheckResult {
	if _, err := t.Session(ctx); err != nil {
		return failed(apiFail, err)
	}
	if _, err := t.ServerInfo(ctx); err != nil {
		return failed(apiFail, err)
	}
	return passed(apiPass)
}

func runSession(ctx context.Context, t *tableau.Client, s integration.Settings) integration.CheckResult {
	if _, err := t.CurrentSession(ctx); err != nil {
		return failed(siteFail, err)
	}
	if s[keySite] == "" {
		return passed(defaultPass)
	}
	return passed(sitePass, s[keySite])
}

func runContent(ctx context.Context, t *tableau.Client, _ integration.Settings) integration.CheckResult {
	if _, err := t.CollectionsPage(ctx, 1); err != nil {
		return failed(contentFail, err)
	}
	return passed(contentPass)
}

func runUsers(ctx context.Context, t *tableau.Client, _ integration.Settings) integration.CheckResult {
	if _, err := t.CurrentSession(ctx); err != nil {
		r := failed(usersNoSite, err)
		r.Hint = "Fix " + checkSession + " first."
		return r
	}
	page, err := t.UsersPage(ctx, tableau.UsersOptions{PageSize: 1})
	switch {
	case denied(err):
		return failed(usersDenied, err)
	case err != nil:
		return failed(usersFail, err)
	case page.Total >= 0:
		return passed(usersPass, page.Total)
	}
	return passed(usersSome)
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

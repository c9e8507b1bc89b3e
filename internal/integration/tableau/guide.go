package tableau

import (
	"time"

	"github.com/margay-access/margay/internal/integration"
)

// Where Tableau documents what this integration builds on. S120.
const (
	linkTokens   = "https://help.tableau.com/current/server/en-us/security_personal_access_tokens.htm" //nolint:gosec // an address
	linkVersions = "https://help.tableau.com/current/api/rest_api/en-us/REST/rest_api_concepts_versions.htm"
)

// guide tells how a Personal Access Token is made. S23, S119.
func guide() integration.Guide {
	return integration.Guide{
		Title: "Get your credentials",
		Intro: "You need a Tableau Personal Access Token (PAT). It inherits the permissions of the account that creates it: Margay can do exactly what that account can do on the connected site. " +
			"Use a dedicated service account with the site role that your workflows need.", // S21, S113
		Steps: []integration.Step{
			{
				Title: "Sign in to Tableau as the integration user",
				Text:  "Sign in to Tableau Cloud or Tableau Server as the account whose permissions Margay should inherit, on the specific site that you want to connect.",
			},
			{Title: "Open your account settings", Text: "Click your profile icon in the top-right corner and select My Account Settings."},
			{
				Title: "Create the token",
				Text: "Scroll to the Personal Access Tokens section. Enter a descriptive token name (for example, margay-integration) – you will need this exact name in the form – " +
					"and click Create Token.",
			},
			{Title: "Copy the secret immediately", Text: "Copy the Secret right away: Tableau shows it only once. If you lose it, revoke the token and create a new one."},
			{
				Title: "Identify your Server URL",
				Text: "Use the bare host from your Tableau address bar, without https:// or a trailing slash. Tableau Cloud pods look like 10ax.online.tableau.com or prod-uk-a.online.tableau.com; " +
					"for Tableau Server, use your server’s hostname.",
			},
			{
				Title: "Identify your Site Content URL",
				Text: "This is the slug between /site/ and the next slash in your browser URL. For example, in https://10ax.online.tableau.com/#/site/acme-analytics/explore " +
					"the Site Content URL is acme-analytics. If you use the Default site, leave this blank.",
			},
		},
		Notes: []integration.Note{
			{ // S17, S22, S109
				Title: "An administrator’s token for user management",
				Text: "User management and the Access Management workflows need a PAT that a site or server administrator created. " +
					"A token of somebody else still works for content.",
			},
			{ // S87
				Title: "Tableau Server only",
				Text:  "Personal Access Tokens are off by default on some Server deployments. A site or server administrator must enable them in site settings before you can create one.",
			},
			{ // S84, S85
				Title: "Versions",
				Text: "Margay calls Tableau with REST API version 3.24, the sign-in included, and Tableau rejects calls of a version newer than it supports. Tableau Cloud always supports 3.24; " +
					"the first Tableau Server release that does is 2025.1. On an older release the connection fails at sign-in.",
			},
			{ // S86
				Title: "Network",
				Text:  "Margay must reach the server over HTTPS (port 443). The certificate is always checked; an operator adds a private certificate authority with MARGAY_TABLEAU_CA_FILE.",
			},
			{Title: "Expiry", Text: idleText + " " + expiryText}, // S88–S90
			{ // decision 1
				Title: "One token, one program",
				Text:  "Tableau allows one session per token: make a token that only Margay uses.",
			},
			{ // S108
				Title: "Groups and single sign-on",
				Text:  "Access by SSO or groups of an identity provider is out of scope of the workflows: it is a grant of its own.",
			},
		},
		Links: []integration.Link{
			{Label: "Tableau’s documentation of Personal Access Tokens", URL: linkTokens},
			{Label: "Tableau’s table of REST API versions", URL: linkVersions},
		},
		Support: integration.Support{ // S115
			Text: "Need help? For assistance with your Tableau integration, open an issue at",
			Link: integration.Link{Label: "github.com/margay-access/margay/issues", URL: "https://github.com/margay-access/margay/issues"},
		},
	}
}

const (
	idleText   = "A Tableau Cloud token expires when it is not used for 15 consecutive days: use keeps it alive, and a paused connection can let it lapse."
	expiryText = "Site administrators can set an overall expiry of 1 to 365 days; the default is 180 days on sites activated June 2023 or later."
)

// idle is when Tableau Cloud ends a token that nobody uses. S88, S90.
func idle() integration.Idle {
	const day = 24 * time.Hour
	return integration.Idle{Ends: 15 * day, Warn: 10 * day, Text: idleText}
}

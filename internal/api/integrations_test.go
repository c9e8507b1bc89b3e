package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/internal/api/wire"
)

// Forms, prompts and documents are drawn from what the API says of an
// integration, so all of it is there, byte for byte.
func TestIntegrationAsData(t *testing.T) {
	t.Parallel()
	n := start(t)
	in := get[wire.Integration](n, "GET", "/integrations/tableau", nil)

	if !in.Beta || in.Title != "Configure Tableau" || in.BetaMsg != "The Tableau integration is marked Beta. Behavior and available capabilities may evolve." { // S7, S24, S117
		t.Errorf("%v, %q, %q", in.Beta, in.Title, in.BetaMsg)
	}
	type field struct {
		label, help, missing        string
		required, secret, keepBlank bool
	}
	want := map[string]field{
		"server_url": { // S25–S28, S31, S41
			"Server URL", "Your Tableau server URL (without https://). For Tableau Cloud, this is typically something like 10ax.online.tableau.com. For Tableau Server, use your server’s hostname.",
			"Server URL is required", true, false, true,
		},
		"site_content_url": { // S29, S32, S46
			"Site Content URL", "The content URL of the site to connect to. For the Default site, leave this empty. You can find this in the site URL after /site/.",
			"", false, false, false,
		},
		"pat_name": { // S33–S35, S42
			"Personal Access Token Name", "The name of your Tableau Personal Access Token. Create one in Tableau under My Account Settings > Personal Access Tokens.",
			"Personal Access Token name is required", true, false, true,
		},
		"pat_secret": { // S37–S39, S44
			"Personal Access Token Secret", "The secret value of your Tableau Personal Access Token. This is shown only once when the token is created.",
			"Personal Access Token secret is required", true, true, true,
		},
	}
	got := map[string]field{}
	for _, f := range in.Fields {
		got[f.Key] = field{f.Label, f.Help, f.Missing, f.Required, f.Secret, f.KeepBlank}
		if f.Blank == "" {
			t.Errorf("%s: nobody says what blank does", f.Key)
		}
		if f.Key == "site_content_url" && !strings.Contains(f.Blank, "left empty, the connection switches to the Default site") { // S93
			t.Errorf("%q", f.Blank)
		}
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(field{})); d != "" {
		t.Error(d)
	}

	var steps []string
	for _, s := range in.Guide.Steps {
		steps = append(steps, s.Title)
	}
	if d := cmp.Diff([]string{ // S23
		"Sign in to Tableau as the integration user", "Open your account settings", "Create the token", "Copy the secret immediately", "Identify your Server URL", "Identify your Site Content URL",
	}, steps); d != "" {
		t.Error(d)
	}
	texts := []string{in.Guide.Intro}
	for _, s := range append(in.Guide.Steps, in.Guide.Notes...) {
		texts = append(texts, s.Title, s.Text)
	}
	said := strings.Join(texts, "\n")
	for promise, words := range map[string]string{
		"S17": "need a PAT that a site or server administrator created", "S21": "inherits the permissions of the account that creates it", "S22": "still works for content",
		"S84": "Tableau Cloud always supports 3.24", "S85": "the first Tableau Server release that does is 2025.1", "S86": "over HTTPS (port 443)",
		"S87": "off by default on some Server deployments", "S88": "not used for 15 consecutive days", "S89": "an overall expiry of 1 to 365 days; the default is 180 days",
		"S90": "a paused connection can let it lapse", "S108": "out of scope", "S113": "a dedicated service account", "S119": "If you lose it, revoke the token and create a new one",
	} {
		if !strings.Contains(said, words) {
			t.Errorf("%s: the guide does not say %q", promise, words)
		}
	}
	if len(in.Guide.Links) != 2 || in.Guide.Links[0].URL != "https://help.tableau.com/current/server/en-us/security_personal_access_tokens.htm" || // S120
		in.Guide.Links[1].URL != "https://help.tableau.com/current/api/rest_api/en-us/REST/rest_api_concepts_versions.htm" {
		t.Errorf("links %+v", in.Guide.Links)
	}
	const day = 24 * time.Hour
	if in.Idle == nil || in.Idle.EndsAfter != wire.Duration(15*day) || in.Idle.WarnAfter != wire.Duration(10*day) { // S88
		t.Errorf("idle %+v", in.Idle)
	}

	type check struct {
		name      string
		sentences []string
	}
	var checks []check
	for _, c := range in.Checks {
		var sentences []string
		for _, s := range c.Sentences {
			sentences = append(sentences, s.Text)
		}
		checks = append(checks, check{c.Name, sentences})
		if c.NotProven == "" || c.Help == "" {
			t.Errorf("%s: %q, %q", c.Name, c.Help, c.NotProven)
		}
	}
	if d := cmp.Diff([]check{ // S47–S52, S57–S70
		{"Validate Tableau API Connection", []string{
			"Successfully connected to Tableau API",
			"Unable to connect to Tableau API. Please verify your credentials are valid and the server URL is correct.",
		}},
		{"Check Tableau Session & Site", []string{
			`Successfully accessed Tableau site "[site content URL]"`, "Successfully accessed the default Tableau site",
			"Failed to access the configured Tableau site. Please verify your site content URL and that the PAT has access to it.",
		}},
		{"Check Tableau Content Access", []string{
			"Successfully accessed Tableau content", "Failed to access Tableau content. Please verify your token has read permissions.",
		}},
		{"Check Tableau User Management Scope", []string{
			"PAT can list site users ([number] total).", "PAT can list site users.",
			"The configured PAT does not have permission to manage site users. Recreate the PAT under a site or server administrator account if user-management workflows are needed.",
			"Failed to list Tableau site users while checking user-management scope.",
			"Could not look up the current Tableau site before checking user-management scope. Verify the Session & Site check passes first.",
		}},
	}, checks, cmp.AllowUnexported(check{})); d != "" {
		t.Error(d)
	}
	if len(in.Bundles) != 1 || in.Bundles[0].Name != "Access Management" { // S13
		t.Errorf("bundles %+v", in.Bundles)
	}
}

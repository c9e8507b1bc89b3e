package margay_test

import (
	"os"
	"strings"
	"testing"
)

// What people must know and no screen can say is in the documents.
func TestDocumentsSay(t *testing.T) {
	t.Parallel()
	said := map[string][]struct{ promise, words string }{
		"docs/operating.md": {
			{"S17", "make the token as a site or server administrator"},
			{"S77", "try again; then check the token in Tableau"},
			{"S79", "Most often the token's name does not match exactly"},
			{"S84", "REST API 3.24"},
			{"S85", "from 2025.1"},
			{"S86", "Margay always speaks HTTPS"},
			{"S87", "On some Tableau Servers an administrator must first allow tokens"},
			{"S88", "after 15 consecutive days without use"},
			{"S89", "an expiry of 1 to 365 days (180 by default on sites activated June 2023 or later)"},
			{"S90", "use keeps it alive, and a pause can let it lapse"},
			{"S119", "Tableau shows it only once"},
			{"S113", "a service account of its own"},
			{"S120", "https://help.tableau.com/current/server/en-us/security_personal_access_tokens.htm"},
			{"S120", "https://help.tableau.com/current/api/rest_api/en-us/REST/rest_api_concepts_versions.htm"},
		},
		"docs/using.md": {
			{"S96", "There is no mapping"},
			{"S108", "SSO or groups of an identity provider is a separate matter"},
		},
		"README.md": {
			{"S117", "behaviour and available capabilities may evolve"},
		},
	}
	for file, promises := range said {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// Lines are wrapped where it looks well.
		words := strings.Join(strings.Fields(string(text)), " ")
		for _, p := range promises {
			if !strings.Contains(words, p.words) {
				t.Errorf("%s: %s does not say %q", p.promise, file, p.words)
			}
		}
	}
}

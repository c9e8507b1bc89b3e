package tableau_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/integration/tableau"
)

// typed returns settings as a person types them.
func typed(server, site string) integration.Settings {
	return integration.Settings{"server_url": server, "site_content_url": site, "pat_name": "margay", "pat_secret": "a-secret-of-23-letters:"}
}

// plain lets cmp and %q show what Settings hide.
func plain(s integration.Settings) map[string]string { return map[string]string(s) }

func TestForm(t *testing.T) {
	t.Parallel()
	in := tableau.New()

	if in.Title != "Configure Tableau" { // S24
		t.Errorf("title %q", in.Title)
	}
	if !strings.HasPrefix(in.Beta, "The Tableau integration is marked Beta.") { // S7, S117
		t.Errorf("beta %q", in.Beta)
	}
	type field struct {
		Key, Label, Help, Missing   string
		Required, Secret, KeepBlank bool
	}
	var got []field
	for _, f := range in.Fields {
		got = append(got, field{f.Key, f.Label, f.Help, f.Missing, f.Required, f.Secret, f.KeepBlank})
	}
	want := []field{
		{
			"server_url",
			"Server URL", // S25
			"Your Tableau server URL (without https://). For Tableau Cloud, this is typically something like 10ax.online.tableau.com. For Tableau Server, use your server’s hostname.", // S31
			"Server URL is required", // S28
			true, false, true,        // S41
		},
		{
			"site_content_url",
			"Site Content URL", // S29
			"The content URL of the site to connect to. For the Default site, leave this empty. You can find this in the site URL after /site/.", // S32
			"", false, false, false, // S46, S93
		},
		{
			"pat_name",
			"Personal Access Token Name", // S33
			"The name of your Tableau Personal Access Token. Create one in Tableau under My Account Settings > Personal Access Tokens.", // S34
			"Personal Access Token name is required", // S35
			true, false, true,                        // S42
		},
		{
			"pat_secret",
			"Personal Access Token Secret", // S37
			"The secret value of your Tableau Personal Access Token. This is shown only once when the token is created.", // S38
			"Personal Access Token secret is required", // S39
			true, true, true, // S44
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// S26, S27, S30, decision 7.
func TestCleanKeepsAHost(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ server, site, wantHost, wantSite string }{
		"cloud":                 {server: "10ax.online.tableau.com", wantHost: "10ax.online.tableau.com"},
		"server":                {server: "tableau.acme.example", wantHost: "tableau.acme.example"},
		"https":                 {server: "https://h.example/", wantHost: "h.example"},
		"http":                  {server: "http://h.example", wantHost: "h.example"},
		"upper-case scheme":     {server: "HTTPS://h.example", wantHost: "h.example"},
		"several slashes":       {server: "https://h.example///", wantHost: "h.example"},
		"blanks around":         {server: "  h.example\t\n", wantHost: "h.example"},
		"upper-case host":       {server: "H.Example", wantHost: "h.example"},
		"root dot":              {server: "h.example.", wantHost: "h.example"},
		"port":                  {server: "https://h.example:8443/", wantHost: "h.example:8443"},
		"usual port":            {server: "h.example:443", wantHost: "h.example"},
		"root dot, port":        {server: "h.example.:8443", wantHost: "h.example:8443"},
		"one label":             {server: "tableau", wantHost: "tableau"},
		"other script":          {server: "https://bücher.example/", wantHost: "xn--bcher-kva.example"},
		"its ASCII form":        {server: "XN--bcher-kva.example", wantHost: "xn--bcher-kva.example"},
		"IPv4":                  {server: "https://10.1.2.3:8443", wantHost: "10.1.2.3:8443"},
		"Cloud page":            {server: "https://10ax.online.tableau.com/#/site/acme/home", wantHost: "10ax.online.tableau.com", wantSite: "acme"},
		"Cloud page, end":       {server: "https://10ax.online.tableau.com/#/site/acme", wantHost: "10ax.online.tableau.com", wantSite: "acme"},
		"Cloud page with query": {server: "https://10ax.online.tableau.com/#/site/acme/views/Sales/Q4?:iid=1", wantHost: "10ax.online.tableau.com", wantSite: "acme"},
		"Server page":           {server: "https://tableau.acme.example:8443/#/site/finance/projects/12", wantHost: "tableau.acme.example:8443", wantSite: "finance"},
		"Server view":           {server: "http://tableau.acme.example/t/finance/views/Sales/Q4", wantHost: "tableau.acme.example", wantSite: "finance"},
		"encoded site":          {server: "https://h.example/#/site/caf%C3%A9/home", wantHost: "h.example", wantSite: "café"},
		"Default page":          {server: "https://tableau.acme.example/#/home", wantHost: "tableau.acme.example"},
		"Default start":         {server: "https://tableau.acme.example/#/", wantHost: "tableau.acme.example"},
		"Default bare hash":     {server: "https://tableau.acme.example/#", wantHost: "tableau.acme.example"},
		"Default sign-in page":  {server: "https://tableau.acme.example/#/signin?redirect=%2Fhome", wantHost: "tableau.acme.example"},
		"Default view":          {server: "https://tableau.acme.example/views/Sales/Q4", wantHost: "tableau.acme.example"},
		"the same site twice":   {server: "https://h.example/#/site/acme/home", site: "acme", wantHost: "h.example", wantSite: "acme"},
		"site with blanks":      {server: "h.example", site: " acme-analytics ", wantHost: "h.example", wantSite: "acme-analytics"},
		"scheme alone is blank": {server: "https://", wantHost: ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tableau.New().Clean(typed(tt.server, tt.site))
			if err != nil {
				t.Fatalf("Clean(%q): %v", tt.server, err)
			}
			if got["server_url"] != tt.wantHost || got["site_content_url"] != tt.wantSite {
				t.Errorf("Clean(%q) = host %q, site %q; want %q, %q", tt.server, got["server_url"], got["site_content_url"], tt.wantHost, tt.wantSite)
			}
			again, err := tableau.New().Clean(got)
			if err != nil || !maps.Equal(plain(got), plain(again)) {
				t.Errorf("cleaned twice: %v, %v", plain(again), err)
			}
		})
	}
}

// Decision 7: what is more than a host is refused, and not repeated.
func TestCleanRefuses(t *testing.T) {
	t.Parallel()
	servers := []string{
		"h@evil.example", "user:pass@h.example", "https://user@h.example/", "evil.example#h", "h.example?x=1", "h.example/../x", "h.example/x",
		`h.example\evil`, `h.example/\evil`, "h.example%00", "h.example\r\nHost: evil", "h.exa\x00mple", "[::1]", "https://[::1]:443/", "[fe80::1%25eth0]",
		"0x7f.1", "0x7f000001", "2130706433", "127.1", "0177.0.0.1", "①②⑦.0.0.1", "１２７.０.０.１", "127。0。0。1", "h..example", "h.example..", ".example", "-h.example",
		"h.example:", "h.example:0", "h.example:65536", "h.example:+443", "h.example:443:443", "h.example:0443", "h example", "https:// h.example",
		"https://https://h.example", "ftp://h.example", "javascript:alert(1)", strings.Repeat("a", 300) + ".example", strings.Repeat("a", 2000),
		"h.example/#/site/acme/home\x00", "\u202eh.example", "h.ex\u200bample@x", "//h.example", "h.example//evil.example",
	}
	for _, server := range servers {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			in := tableau.New()
			clean, err := in.Clean(typed(server, ""))
			f := fault.Public(err)
			if server == "//h.example" && err == nil { // blank, so it is missing
				f, err = in.Required(clean)[0], in.Required(clean)[0]
			}
			if err == nil || f.Kind != fault.Invalid {
				t.Fatalf("Clean(%q) = %q, %v", server, clean["server_url"], err)
			}
			fields := f.Fields()
			if len(fields) != 1 || fields[0].Field != "settings.server_url" {
				t.Errorf("the error is at %+v", fields)
			}
			if strings.Contains(f.Message, "evil") || strings.Contains(f.Message, "pass") {
				t.Errorf("%q repeats what was typed", f.Message)
			}
		})
	}
}

func TestCleanRefusesSites(t *testing.T) {
	t.Parallel()
	for _, site := range []string{"/site/acme", "acme/home", "a b", "acme?x", "#acme", "acme\nx", `a\b`, "a%2fb", strings.Repeat("a", 256), "https://h/#/site/acme"} {
		_, err := tableau.New().Clean(typed("h.example", site))
		fields := fault.Public(err).Fields()
		if len(fields) != 1 || fields[0].Field != "settings.site_content_url" {
			t.Errorf("site %q: %v", site, err)
		}
	}
}

// S36: the name must match Tableau exactly.
// A pasted page of one site beside the name of another: people are asked.
func TestCleanAsksWhichSite(t *testing.T) {
	t.Parallel()
	_, err := tableau.New().Clean(integration.Settings{"server_url": "https://h.example/#/site/acme/home", "site_content_url": "other"})
	e := fault.Public(err)
	if e.Field != "settings.site_content_url" || e.Message != "The address that was pasted into Server URL is of the site acme, and this says other: which of them is it?" {
		t.Errorf("%s: %s", e.Field, e.Message)
	}
}

func TestCleanLeavesNameAndSecret(t *testing.T) {
	t.Parallel()
	s := typed("h.example", "")
	s["pat_name"], s["pat_secret"] = "My  Token (Ünïcode) ", " AbC/+==:dEf "

	got, err := tableau.New().Clean(s)

	if err != nil || got["pat_name"] != "My  Token (Ünïcode)" || got["pat_secret"] != "AbC/+==:dEf" {
		t.Errorf("%q, %q, %v", got["pat_name"], got["pat_secret"], err)
	}
}

// Decision 11, S92.
func TestDisplayName(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]integration.Settings{
		"Tableau – acme-analytics":                         typed("10ax.online.tableau.com", "acme-analytics"),
		"Tableau – Default site (10ax.online.tableau.com)": typed("10ax.online.tableau.com", ""),
	} {
		if got := tableau.New().DisplayName(s); got != want {
			t.Errorf("display name %q, want %q", got, want)
		}
	}
}

func FuzzCleanServer(f *testing.F) {
	for _, s := range []string{
		"https://10ax.online.tableau.com/#/site/acme/home", "H:443", "h.", "①②⑦.0.0.1", "a@b", "bücher.example:8443", "http://http", "h/#/site/%2f/x", "https:443", "xn--a",
		"h..", "例え。テスト。", "HTTP://", "[::1]", "h/t/a/views", "ﬃ.example", "ß.example",
	} {
		f.Add(s)
	}
	clean := tableau.New().Clean
	f.Fuzz(func(t *testing.T, server string) {
		once, err := clean(typed(server, ""))
		if err != nil {
			if !slices.ContainsFunc(fault.Public(err).Fields(), func(e *fault.Error) bool { return strings.HasPrefix(e.Field, "settings.") }) {
				t.Errorf("%q: an error without a field: %v", server, err)
			}
			return
		}
		host := once["server_url"]
		if strings.ContainsAny(host, `/\@?#%[] `) || strings.ContainsFunc(host, unicode.IsControl) || strings.ToLower(host) != host || strings.Contains(host, "://") {
			t.Errorf("%q is stored as %q", server, host)
		}
		twice, err := clean(once)
		if err != nil || !maps.Equal(plain(once), plain(twice)) {
			t.Errorf("%q: once %q, twice %q, %v", server, plain(once), plain(twice), err)
		}
	})
}

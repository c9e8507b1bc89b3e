package tableau

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/tableau"
)

// Keys of the settings.
const (
	keyServer    = "server_url"
	keySite      = "site_content_url"
	keyPATName   = "pat_name"
	keyPATSecret = "pat_secret"
)

// fields describes the form. Its texts are shown byte for byte.
func fields() []integration.Field {
	return []integration.Field{
		{
			Key: keyServer, Label: "Server URL", Required: true, KeepBlank: true, Missing: "Server URL is required",
			Example: "10ax.online.tableau.com", Blank: "Left blank, the stored server stays.",
			Help: "Your Tableau server URL (without https://). For Tableau Cloud, this is typically something like 10ax.online.tableau.com. For Tableau Server, use your server’s hostname.",
		},
		{
			Key: keySite, Label: "Site Content URL",
			Example: "acme-analytics", Blank: "Always saved: left empty, the connection switches to the Default site. It does not mean “keep the current site”.",
			Help: "The content URL of the site to connect to. For the Default site, leave this empty. You can find this in the site URL after /site/.",
		},
		{
			Key: keyPATName, Label: "Personal Access Token Name", Credential: true, Required: true, KeepBlank: true, Missing: "Personal Access Token name is required",
			Example: "margay-integration", Blank: "Left blank, the stored name stays.",
			Help: "The name of your Tableau Personal Access Token. Create one in Tableau under My Account Settings > Personal Access Tokens.",
		},
		{
			Key: keyPATSecret, Label: "Personal Access Token Secret", Credential: true, Required: true, Secret: true, KeepBlank: true,
			Missing: "Personal Access Token secret is required", Blank: "Left untouched, the stored secret stays.",
			Help: "The secret value of your Tableau Personal Access Token. This is shown only once when the token is created.",
		},
	}
}

// maxSetting bounds what a person can type into a field.
const maxSetting = 1000

// clean returns the settings as they are stored, or field errors.
func clean(in integration.Settings) (integration.Settings, error) {
	out := integration.Settings{}
	var faults []*fault.Error
	for _, f := range fields() {
		value := strings.TrimSpace(in[f.Key])
		if utf8.RuneCountInString(value) > maxSetting {
			faults = append(faults, settingFault(f.Key, "%s has at most %d characters.", f.Label, maxSetting))
			continue
		}
		if strings.ContainsFunc(value, unicode.IsControl) {
			faults = append(faults, settingFault(f.Key, "%s holds a control character, such as a line break.", f.Label))
			continue
		}
		out[f.Key] = value
	}
	if out[keyServer] != "" {
		host, site, err := parseServer(out[keyServer])
		if err != nil {
			faults = append(faults, err)
		}
		out[keyServer] = host // "" of an address without a host, such as https://: that is blank
		switch {
		case out[keySite] == "":
			out[keySite] = site
		case site != "" && site != out[keySite] && siteForm.MatchString(site) && siteForm.MatchString(out[keySite]):
			faults = append(faults, settingFault(keySite,
				"The address that was pasted into Server URL is of the site %s, and this says %s: which of them is it?", site, out[keySite]))
		}
	}
	if site := out[keySite]; site != "" && !siteForm.MatchString(site) {
		faults = append(faults, settingFault(keySite,
			"This is not a site's content URL: it is the part of the site's address between /site/ and the next slash."))
	}
	return out, fault.Join(faults...)
}

// siteForm is what a content URL may look like. Tableau allows letters, digits,
// hyphens and underscores; other scripts' letters were seen on old sites.
var siteForm = regexp.MustCompile(`^[\p{L}\p{N}_.-]{1,255}$`)

// pastedSite finds the content URL in the rest of an address copied from a
// browser: "#/site/acme/home", or the older "t/acme/views/…".
var pastedSite = regexp.MustCompile(`^/*(?:#/site|t)/([^/?#]+)(?:[/?#].*)?$`)

// pastedPage is such a rest on the Default site: "#/home".
var pastedPage = regexp.MustCompile(`^/*#(?:/[^?]*(?:\?.*)?)?$|^/*views/.*$`)

// parseServer returns the host (with its port unless that is 443) of what a
// person typed or pasted, and the content URL of a pasted address. Nothing of
// what was typed is repeated in the sentence: it may be a secret in the wrong
// field.
func parseServer(text string) (host, site string, bad *fault.Error) {
	rest := strings.TrimSpace(text)
	for _, scheme := range []string{"https://", "http://"} {
		if len(rest) >= len(scheme) && strings.EqualFold(rest[:len(scheme)], scheme) {
			rest = rest[len(scheme):]
			break
		}
	}
	host, tail := rest, ""
	if i := strings.IndexAny(rest, `/\?#`); i >= 0 {
		host, tail = rest[:i], rest[i:]
	}
	switch {
	case strings.Contains(host, "@"):
		return "", "", settingFault(keyServer, "Server URL must be a host alone: leave out what stands before the @.")
	case strings.Trim(tail, "/") == "":
	case strings.Contains(tail, `\`):
		return "", "", settingFault(keyServer, aloneSentence)
	case pastedSite.MatchString(tail):
		site = pastedSite.FindStringSubmatch(tail)[1]
		if plain, err := url.PathUnescape(site); err == nil {
			site = plain
		}
	case pastedPage.MatchString(tail):
	default:
		return "", "", settingFault(keyServer, aloneSentence)
	}
	if host == "" {
		return "", "", nil
	}
	host, err := hostOf(host)
	if err != nil {
		return "", "", settingFault(keyServer, "%v", err)
	}
	return host, site, nil
}

const aloneSentence = "Server URL must be a host alone, such as 10ax.online.tableau.com: leave out what stands behind it."

// hostOf returns the one way to write a host, or a sentence.
func hostOf(text string) (string, error) {
	if strings.HasPrefix(text, "[") {
		return "", fault.New(fault.Invalid, "Server URL must be the server's name, not an IPv6 address.")
	}
	name, port, hasPort := strings.Cut(text, ":")
	if strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII }) {
		ascii, err := idna.Lookup.ToASCII(name)
		// Look-alike digits become an address that nobody can see in what was typed.
		if err != nil || strings.Trim(ascii, "0123456789.") == "" {
			return "", fault.New(fault.Invalid, "Server URL is not a host name.")
		}
		name = ascii
	}
	if hasPort {
		name += ":" + port
	}
	// The client knows what may follow https://; it is asked rather than copied.
	t, err := tableau.New(tableau.Config{Server: name, TokenName: "x", TokenSecret: tableau.NewSecret("x")})
	if e, ok := errors.AsType[*tableau.ConfigError](err); ok {
		return "", fault.New(fault.Invalid, "Server URL %s.", e.Reason)
	}
	if err != nil {
		return "", err
	}
	return t.Host(), nil
}

func settingFault(key, format string, args ...any) *fault.Error {
	return fault.Field("settings."+key, format, args...)
}

// fieldFault turns the client's refusal of its configuration into a field error.
func fieldFault(err error) error {
	if e, ok := errors.AsType[*tableau.ConfigError](err); ok {
		return fault.New(fault.Invalid, "Tableau cannot be opened with these settings: %s %s.", e.Field, e.Reason).Because(err)
	}
	return err
}

// target says where calls go.
func target(s integration.Settings) integration.Target {
	place := "Default site"
	if site := s[keySite]; site != "" {
		place = "site " + site
	}
	return integration.Target{Host: s[keyServer], Place: place}
}

// displayName names a connection: by its site, or by its host for the Default
// site.
func displayName(s integration.Settings) string {
	if site := s[keySite]; site != "" {
		return "Tableau – " + site
	}
	return "Tableau – Default site (" + s[keyServer] + ")"
}

package tableau

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxPath bounds a call's path, in bytes.
const maxPath = 4 << 10

// target is a parsed path of the REST API: its segments, decoded, from "api"
// on. It is valid for any host because the host is no part of it.
type target struct{ segments []string }

// parsePath reads the path of a call. /api/… is taken as it is, /… is short
// for /api/<version>/…. Whatever could mean another place than it seems to is
// refused, before anything is sent.
func parsePath(path, version string) (target, error) {
	switch {
	case path == "" || path[0] != '/':
		return target{}, refuse("the path must start with /")
	case len(path) > maxPath:
		return target{}, refuse("the path is longer than %d bytes", maxPath)
	case strings.ContainsAny(path, `?#@\`):
		return target{}, refuse(`the path must not hold ? # @ or \ (query parameters are given apart)`)
	}
	var segments []string
	for raw := range strings.SplitSeq(path[1:], "/") {
		s, err := url.PathUnescape(raw)
		if err != nil || !goodSegment(s) {
			return target{}, refuse("the path has a part that is not allowed: %q", raw)
		}
		segments = append(segments, s)
	}
	if segments[0] != "api" {
		segments = append([]string{"api", version}, segments...)
	}
	if len(segments) < 3 {
		return target{}, refuse("the path names no resource")
	}
	if segments[1] == "{version}" {
		segments[1] = version
	}
	if s := segments[1]; s != "-" && s != "v1" && s != "exp" && s != "metadata" && !versionForm.MatchString(s) {
		return target{}, refuse("the path must start with /api/-/, /api/%s/ or leave /api out", version)
	}
	return target{segments: segments}, target{segments: segments}.refuseAuth()
}

// goodSegment reports whether a decoded segment stays one segment for every
// server, also for one that decodes twice or cuts at a semicolon.
func goodSegment(s string) bool {
	for range 3 {
		head, _, _ := strings.Cut(s, ";")
		if head == "" || head == "." || head == ".." || !utf8.ValidString(s) ||
			strings.ContainsAny(s, `/\`) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
			return false
		}
		again, err := url.PathUnescape(s)
		if err != nil || again == s {
			return true
		}
		s = again
	}
	return false
}

// refuseAuth refuses the calls that would break the shared session.
func (t target) refuseAuth() error {
	if !strings.EqualFold(t.segments[2], "auth") {
		return nil
	}
	if len(t.segments) == 4 && (t.segments[3] == "serverAdminAccessTokens" || t.segments[3] == "revokeAllServerAdminTokens") {
		return nil
	}
	return refuse("sign-in, sign-out and switch-site are the client's own work")
}

var placeholder = regexp.MustCompile(`^\{[A-Za-z]+\}$`)

// resolve fills {siteId} and {userId} with the session's, refuses other sites,
// and returns the address on host.
func (t target) resolve(method, host string, query url.Values, s Session) (*url.URL, error) {
	segments := slices.Clone(t.segments)
	for i, seg := range segments {
		switch seg {
		case "{siteId}", "{site}":
			segments[i] = s.SiteID
		case "{userId}", "{user}":
			segments[i] = s.UserID
		default:
			if placeholder.MatchString(seg) {
				return nil, refuse("%s in the path is not filled in", seg)
			}
		}
		if segments[i] == "" {
			return nil, refuse("%s in the path is not known", seg)
		}
	}
	if len(segments) > 3 && strings.EqualFold(segments[2], "sites") && segments[1] != "-" {
		if err := checkSite(method, segments[3], len(segments) == 4, query, s); err != nil {
			return nil, err
		}
	}
	u := &url.URL{Scheme: "https", Host: host, Path: "/" + strings.Join(segments, "/"), RawQuery: encodeQuery(query)}
	for i, seg := range segments {
		segments[i] = escapeSegment(seg)
	}
	u.RawPath = "/" + strings.Join(segments, "/")
	// What a parser makes of the whole must be what was meant.
	if again, err := url.Parse(u.String()); err != nil || again.Scheme != "https" || again.Host != host || again.User != nil ||
		again.Path != u.Path || !strings.HasPrefix(again.EscapedPath(), "/api/") {
		return nil, refuse("the path cannot be sent")
	}
	return u, nil
}

// checkSite refuses every site but the session's. A site may be read by name
// or content URL, as Tableau offers; whether it may be seen is Tableau's to say.
func checkSite(method, site string, last bool, query url.Values, s Session) error {
	if site == s.SiteID {
		return nil
	}
	if last {
		switch query.Get("key") {
		case "contentUrl":
			if strings.EqualFold(site, s.SiteContentURL) {
				return nil
			}
		case "name":
			if method == http.MethodGet {
				return nil
			}
		}
	}
	return refuse("the path names the site %q, and the session is for %q; write {siteId}", site, s.SiteID)
}

// escapeSegment encodes all that could be read as a delimiter; a colon is left
// because Tableau's custom verbs have one.
func escapeSegment(s string) string {
	return strings.NewReplacer("@", "%40", "%3A", ":").Replace(url.PathEscape(s))
}

// encodeQuery encodes a query in a stable order. A space becomes %20 and a
// plus sign %2B: Tableau reads a raw + as a space.
func encodeQuery(q url.Values) string {
	return strings.ReplaceAll(q.Encode(), "+", "%20")
}

var idForm = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-|[0-9].*[0-9].*[0-9]|^.{40,}$|[^\x21-\x7e]`)

// template returns the path with ids replaced, fit for a metric's label.
func (t target) template() string {
	segments := slices.Clone(t.segments)
	for i, seg := range segments[2:] {
		switch {
		case placeholder.MatchString(seg):
		case i > 0 && strings.EqualFold(segments[i+1], "sites"):
			segments[i+2] = "{siteId}"
		case idForm.MatchString(seg):
			segments[i+2] = "{id}"
		}
	}
	return "/" + strings.Join(segments, "/")
}

package tableau

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// signIn exchanges the PAT for a session on the configured site. It repeats
// what a transient fault hit, as long as somebody wants it; a refusal never.
//
//tableau:operation POST auth/signin
func (c *Client) signIn(ctx, wanted context.Context) (Session, error) {
	var a attempts
	for {
		resp, err := c.signInOnce(ctx)
		if err == nil {
			return c.readSignIn(ctx, resp)
		}
		wait, again := c.nextTry(wanted, &a, retrySignIn, nil, err)
		if !again || c.throttle.sleep(wanted, wait) != nil {
			return Session{}, err
		}
	}
}

func (c *Client) signInOnce(ctx context.Context) (*Response, error) {
	type site struct {
		ContentURL string `json:"contentUrl"`
	}
	type credentials struct {
		Name   string `json:"personalAccessTokenName"`
		Secret string `json:"personalAccessTokenSecret"`
		Site   site   `json:"site"`
	}
	//nolint:gosec // the one place where the secret is meant to be written
	body, err := json.Marshal(map[string]credentials{"credentials": {
		Name: c.cfg.TokenName, Secret: c.cfg.TokenSecret.value(), Site: site{c.cfg.Site},
	}})
	if err != nil {
		return nil, errors.New("tableau: the sign-in cannot be written")
	}
	resp, err := c.roundTrip(ctx, outgoing{
		op: opSignIn, kind: KindSignIn, method: http.MethodPost, url: c.authURL("signin"), template: c.authURL("signin").Path,
		header: http.Header{
			"Content-Type": {"application/json"}, "Accept": {"application/json"},
			// Nothing to inflate: the answer is small, and read before anything is trusted.
			"Accept-Encoding": {"identity"},
		},
		body: body, limit: MaxSignInBody, timeout: CallTimeout, headerTimeout: HeaderTimeout,
	})
	if err != nil {
		return nil, err
	}
	if resp.Status >= http.StatusBadRequest {
		e, ok := parseError(opSignIn, resp.Status, resp.Body)
		if !ok {
			return nil, &NotTableauError{Op: opSignIn, Status: resp.Status, Excerpt: excerpt(resp.Body)}
		}
		if resp.Status == http.StatusTooManyRequests {
			e.RetryAt = c.throttle.pause(resp)
		}
		return nil, e
	}
	return resp, nil
}

func (c *Client) authURL(what string) *url.URL {
	return &url.URL{Scheme: "https", Host: c.host, Path: "/api/" + c.cfg.Version + "/auth/" + what}
}

// readSignIn reads an accepted sign-in strictly: what it gives is sent with
// every call.
func (c *Client) readSignIn(ctx context.Context, resp *Response) (Session, error) {
	notTableau := &NotTableauError{Op: opSignIn, Status: resp.Status, Excerpt: excerpt(resp.Body)}
	if !resp.isJSON() {
		if e, ok := parseError(opSignIn, resp.Status, resp.Body); ok {
			return Session{}, e
		}
		return Session{}, notTableau
	}
	if deep, _ := scanJSON(resp.Body); deep {
		return Session{}, &TooLargeError{Op: opSignIn, What: "nesting", Limit: MaxDepth}
	}
	if hasDuplicateKeys(resp.Body) {
		return Session{}, notTableau
	}
	var top map[string]json.RawMessage
	if json.Unmarshal(resp.Body, &top) != nil || top == nil {
		return Session{}, notTableau
	}
	if _, ok := top["credentials"]; !ok && len(top) > 0 {
		if e, ok := parseError(opSignIn, resp.Status, resp.Body); ok {
			return Session{}, e
		}
		return Session{}, notTableau
	}
	var answer struct {
		Token string `json:"token"`
		Site  struct {
			ID         string  `json:"id"`
			ContentURL *string `json:"contentUrl"`
		} `json:"site"`
		User struct {
			ID string `json:"id"`
		} `json:"user"`
		Expires text `json:"estimatedTimeToExpiration"`
	}
	if raw := top["credentials"]; raw != nil && json.Unmarshal(raw, &answer) != nil {
		return Session{}, ErrNoSessionToken
	}
	if !goodToken(answer.Token) {
		return Session{}, ErrNoSessionToken
	}
	now := c.cfg.Now()
	s := Session{
		SiteID: answer.Site.ID, SiteContentURL: c.cfg.Site, UserID: answer.User.ID,
		Opened: now, token: NewSecret(answer.Token),
	}
	if d, ok := parseLifetime(string(answer.Expires)); ok {
		s.PATExpires = now.Add(d)
	}
	if got := answer.Site.ContentURL; got != nil && !strings.EqualFold(*got, c.cfg.Site) {
		c.signOut(ctx, s)
		return Session{}, &SiteMismatchError{Asked: c.cfg.Site, Got: *got}
	}
	if !goodSegment(s.SiteID) || s.UserID != "" && !goodSegment(s.UserID) {
		c.signOut(ctx, s)
		return Session{}, &NotTableauError{Op: opSignIn, Status: resp.Status, Excerpt: "the answer names no site"}
	}
	return s, nil
}

// goodToken reports whether a token may stand in a header.
func goodToken(token string) bool {
	return token != "" && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}

// signOut ends a session, best effort: its answer changes nothing.
//
//tableau:operation POST auth/signout
func (c *Client) signOut(ctx context.Context, s Session) {
	u := c.authURL("signout")
	_, _ = c.roundTrip(context.WithoutCancel(ctx), outgoing{
		op: "SignOut", kind: KindSignOut, method: http.MethodPost, url: u, template: u.Path,
		header: http.Header{"Accept": {"application/json"}}, body: []byte{}, limit: MaxErrorBody,
		timeout: SignOutTimeout, headerTimeout: SignOutTimeout, token: s.token,
	})
}

// parseLifetime reads estimatedTimeToExpiration: H:MM:SS in the documentation,
// with days in front in the field. What makes no sense is ignored.
func parseLifetime(s string) (time.Duration, bool) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 && len(parts) != 4 {
		return 0, false
	}
	units := []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second}[4-len(parts):]
	var d time.Duration
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || i > 0 && n >= 60 {
			return 0, false
		}
		d += time.Duration(n) * units[i]
	}
	return d, d > 0 && d <= 366*24*time.Hour
}

// hasDuplicateKeys reports whether an object of a JSON text names a key twice,
// which parsers read differently, or whether the text is not JSON.
func hasDuplicateKeys(body []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(body))
	_, err := dec.Token()
	if err != nil {
		return true
	}
	return objectRepeats(dec, body[:dec.InputOffset()])
}

// objectRepeats reads what begins with the delimiter at the end of opened.
func objectRepeats(dec *json.Decoder, opened []byte) bool {
	keys := map[string]bool{}
	object := bytes.HasSuffix(opened, []byte("{"))
	if !object && !bytes.HasSuffix(opened, []byte("[")) {
		return false
	}
	for dec.More() {
		if object {
			key, err := dec.Token()
			name := fmt.Sprint(key)
			if err != nil || keys[name] {
				return true
			}
			keys[name] = true
		}
		value, err := dec.Token()
		if err != nil {
			return true
		}
		if d, ok := value.(json.Delim); ok && objectRepeats(dec, []byte(d.String())) {
			return true
		}
	}
	_, err := dec.Token()
	return err != nil
}

package web

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/web/ui"
)

type writer = io.Writer

// What is kept in a browser: the session's value, what the next page says, and
// how pages look there.
const (
	sessionCookie = "margay_session"
	flashCookie   = "margay_flash"
	themeCookie   = "margay_theme"
	keysCookie    = "margay_keys"
)

// cookieName puts a prefix before the name that binds the cookie to this host
// and to TLS, where there is TLS.
func (s *site) cookieName(r *http.Request, name string) string {
	if s.overTLS(r) {
		return "__Host-" + name
	}
	return name
}

func (r *Request) setCookie(name, value string, life time.Duration) {
	age := int(life / time.Second)
	if life < 0 {
		age = -1
	}
	http.SetCookie(r.w, &http.Cookie{ //nolint:gosec // Secure over TLS; on this machine there is none
		Name: r.site.cookieName(r.Request, name), Value: value, Path: "/", MaxAge: age, Secure: r.site.overTLS(r.Request),
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func (r *Request) cookie(name string) string {
	c, err := r.Cookie(r.site.cookieName(r.Request, name))
	if err != nil {
		return ""
	}
	return c.Value
}

func (r *Request) sessionValue() string { return r.cookie(sessionCookie) }

// setFlash keeps what the next page says.
func (r *Request) setFlash(n ui.Notice) {
	text, err := json.Marshal(n)
	if err != nil {
		return // a notice is two texts
	}
	r.setCookie(flashCookie, base64.RawURLEncoding.EncodeToString(text), time.Minute)
}

// takeFlash returns what this page is to say, once.
func (r *Request) takeFlash() []ui.Notice {
	value := r.cookie(flashCookie)
	if value == "" || r.Header.Get("Margay-Live") != "" {
		return nil
	}
	r.setCookie(flashCookie, "", -1)
	text, err := base64.RawURLEncoding.DecodeString(value)
	var n ui.Notice
	if err != nil || json.Unmarshal(text, &n) != nil || n.Text == "" {
		return nil
	}
	return []ui.Notice{n}
}

// How pages look is no secret and is read before anybody signs in: these cookies
// have one name.
func themeOf(r *http.Request) ui.Theme {
	if c, err := r.Cookie(themeCookie); err == nil {
		switch t := ui.Theme(c.Value); t {
		case ui.Light, ui.Dark:
			return t
		case ui.System:
		}
	}
	return ui.System
}

func keysOff(r *http.Request) bool {
	c, err := r.Cookie(keysCookie)
	return err == nil && c.Value == "off"
}

// aYear is how long a browser remembers how pages look.
const aYear = 365 * 24 * time.Hour

func (r *Request) setLook(name, value string) {
	http.SetCookie(r.w, &http.Cookie{ //nolint:gosec // as setCookie
		Name: name, Value: value, Path: "/", MaxAge: int(aYear / time.Second), Secure: r.site.overTLS(r.Request), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// safeNext returns where to go after signing in: a path of ours, never another
// site.
func safeNext(next string) string {
	if len(next) > 2000 || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t\x00") {
		return "/"
	}
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || strings.HasPrefix(u.Path, "//") {
		return "/"
	}
	if u.Path == "/sign-in" || u.Path == "/sign-out" || u.Path == "/events" {
		return "/"
	}
	return u.RequestURI()
}

// safeNextQuery is safeNext as a value of a query. An address of ours may come
// with its host, as htmx sends it.
func safeNextQuery(next string) string {
	if u, err := url.Parse(next); err == nil && u.IsAbs() {
		next = u.RequestURI()
	}
	return url.QueryEscape(safeNext(next))
}

func retryAfter(again, now time.Time) string {
	return strconv.Itoa(max(1, int((again.Sub(now)+time.Second-1)/time.Second)))
}

func favicon(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "public, max-age=86400")
	_, _ = io.WriteString(w, ui.Favicon) // the browser may be gone
}

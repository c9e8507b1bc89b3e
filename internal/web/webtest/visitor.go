package webtest

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// Visitor asks for pages without a browser: a client that keeps cookies, runs no
// script and follows no redirect by itself.
type Visitor struct {
	w      *World
	client *http.Client
	// Header is sent along with each request.
	Header http.Header
}

// Visitor returns somebody who is not signed in.
func (w *World) Visitor() *Visitor {
	w.T.Helper()
	jar, err := cookiejar.New(nil)
	w.must(err)
	return &Visitor{w: w, Header: http.Header{}, client: &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// VisitorAs returns the person, signed in.
func (w *World) VisitorAs(email string) *Visitor {
	w.T.Helper()
	w.SetPassword(email)
	v := w.Visitor()
	if p := v.Post("/sign-in", url.Values{"email": {email}, "password": {Password}}); p.Status != http.StatusSeeOther {
		w.T.Fatalf("%s cannot sign in: %d %s", email, p.Status, p.Body)
	}
	return v
}

// Page is an answer.
type Page struct {
	Status int
	Header http.Header
	Body   string
}

// Get asks for a page.
func (v *Visitor) Get(path string) Page {
	v.w.T.Helper()
	return v.send(http.MethodGet, path, nil)
}

// Post sends a form.
func (v *Visitor) Post(path string, form url.Values) Page {
	v.w.T.Helper()
	return v.send(http.MethodPost, path, form)
}

func (v *Visitor) send(method, path string, form url.Values) Page {
	v.w.T.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(v.w.T.Context(), method, v.w.URL+path, body)
	v.w.must(err)
	req.Header = v.Header.Clone()
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := v.client.Do(req)
	v.w.must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	v.w.must(err)
	return Page{Status: resp.StatusCode, Header: resp.Header, Body: string(text)}
}

// Cookies are those that the visitor holds.
func (v *Visitor) Cookies() []*http.Cookie {
	u, err := url.Parse(v.w.URL)
	v.w.must(err)
	return v.client.Jar.Cookies(u)
}

var formKey = regexp.MustCompile(`name="form_key" value="([0-9a-f]+)"`)

// FormKey is the key of the first form of a page that acts once.
func (p Page) FormKey() string {
	if m := formKey.FindStringSubmatch(p.Body); m != nil {
		return m[1]
	}
	return ""
}

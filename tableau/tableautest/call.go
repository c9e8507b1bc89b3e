package tableautest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxBody is Tableau's limit of a single request.
const maxBody = 64 << 20

// call is one request on its way through the simulator.
type call struct {
	in      *installation
	r       *http.Request
	entry   *Entry
	match   match
	route   *route
	version version
	query   url.Values
	raw     []byte   // the body as it came
	body    elem     // the body as a Tableau request
	bad     *failure // why it is none
	form    format   // of the answer
	token   string
	session *session
	site    *siteState
	user    *userRecord
}

func (c *call) param(name string) string { return c.match.params[name] }
func (c *call) resource() string         { return c.match.resource }

// answer is what a handler returns: Tableau elements, plain JSON, or bytes.
type answer struct {
	status   int
	kids     []elem
	location string
	json     any
	media    string // content type of json or raw
	raw      []byte
	header   http.Header
}

// ok answers 200 with elements.
func ok(kids ...elem) answer { return answer{status: http.StatusOK, kids: kids} }

// empty answers 204.
func empty() answer { return answer{status: http.StatusNoContent} }

// plain answers with the JSON of a versionless method.
func plain(status int, v any) answer { return answer{status: status, json: v} }

// response is an answer in bytes.
type response struct {
	status int
	header http.Header
	body   []byte
	code   string // the Tableau code of an error
}

// ServeHTTP answers as Tableau.
func (in *installation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if in.cfg().Control && (r.URL.Path == "/_sim" || strings.HasPrefix(r.URL.Path, "/_sim/")) {
		(&Site{in: in, st: in.firstSite()}).Control().ServeHTTP(w, r)
		return
	}
	c := &call{in: in, r: r, form: answerFormat(r.Header.Get("Accept")), token: r.Header.Get("X-Tableau-Auth")}
	if bearer, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); found && c.token == "" {
		c.token = bearer // no JWT is trusted here, so it will be unknown
	}
	c.match = in.lookup(r)
	c.route, c.version = c.match.route, c.match.version
	if c.version.before(version{2, 5}) {
		c.form = asXML // JSON came with 2.5
	}
	c.entry = in.journal.begin(in.now(), r, c.match)

	c.identify()
	f := in.faults.take(c)
	resp, applied := c.respond(f)
	c.entry.Applied = applied
	f.finish(w, c, resp)
}

// identify writes down whose session a request brings, before a fault can keep
// Tableau from looking.
func (c *call) identify() {
	if c.token == "" || c.route == nil || c.route.need == open {
		return
	}
	c.in.mu.RLock()
	defer c.in.mu.RUnlock()
	if s := c.in.sessions[digest(c.token)]; s != nil {
		c.entry.session(s)
	}
}

// session notes whose session it is.
func (e *Entry) session(s *session) {
	e.Session, e.Site, e.User = s.serial, s.site.contentURL, s.userID
	if s.pat != nil {
		e.PAT = s.pat.name
	}
}

func (in *installation) firstSite() *siteState {
	in.mu.RLock()
	defer in.mu.RUnlock()
	return in.sites[0]
}

// respond makes the response, through the fault if there is one. applied tells
// whether Tableau handled the request.
func (c *call) respond(f *activeFault) (resp response, applied bool) {
	tooLarge := c.read()
	if c.route != nil {
		c.bad = c.decode()
	}
	c.in.wait(c.r, c.in.cfg().Latency)
	f.before(c)
	if f.stops() {
		if f.replaces() {
			resp = f.response(c)
		}
		return resp, false
	}
	switch {
	case c.in.down.Load():
		resp = htmlResponse(http.StatusServiceUnavailable, "Tableau Server is down for maintenance")
	case tooLarge:
		resp = c.refuse(fail("413000"))
	case !c.match.api:
		resp = portal(c.r)
	case c.route == nil:
		resp = c.refuse(c.match.failure(c.r))
	default:
		a, failed := c.handle()
		applied = failed == nil
		if failed != nil {
			resp = c.refuse(failed)
		} else {
			resp = c.render(a)
		}
	}
	f.after()
	if f.replaces() {
		return f.response(c), applied
	}
	return resp, applied
}

// read takes the body in. It reports whether it was too large.
func (c *call) read() bool {
	raw, err := io.ReadAll(io.LimitReader(c.r.Body, maxBody+(1<<20)+1))
	if err != nil {
		raw = nil
	}
	c.raw = raw
	return len(raw) > maxBody+(1<<20)
}

// wait lets the time pass that an answer takes, unless the client gives up.
func (in *installation) wait(r *http.Request, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	}
}

// handle judges the request in Tableau's order and calls the method.
func (c *call) handle() (answer, *failure) {
	q, err := url.ParseQuery(c.r.URL.RawQuery)
	c.query = q
	r := c.route
	if r.locking == itself {
		c.in.mu.RLock()
		f := c.admit()
		c.in.mu.RUnlock()
		switch {
		case f != nil:
			return answer{}, f
		case err != nil:
			return answer{}, fail("400008", "The query string is malformed.")
		}
		return r.handle(c)
	}
	if r.verb == http.MethodGet && r.locking != writing {
		c.in.mu.RLock()
		defer c.in.mu.RUnlock()
	} else {
		c.in.mu.Lock()
		defer c.in.mu.Unlock()
	}
	if f := c.admit(); f != nil {
		return answer{}, f
	}
	switch {
	case err != nil:
		return answer{}, fail("400008", "The query string is malformed.")
	case r.handle == nil:
		return answer{}, fail("501000", "The simulated Tableau does not simulate "+r.method.name+".")
	case c.bad != nil:
		return answer{}, c.bad
	}
	return r.handle(c)
}

// decode reads the body as a Tableau request, where the method takes one.
func (c *call) decode() *failure {
	if len(bytes.TrimSpace(c.raw)) == 0 || c.route.anyBody || c.r.Method == http.MethodGet {
		return nil
	}
	contentType := c.r.Header.Get("Content-Type")
	f, known := requestFormat(contentType)
	if !known {
		return fail("406000", "Content type '"+contentType+"' not supported")
	}
	body, err := decode(f, c.raw)
	if err != nil {
		return fail("400000")
	}
	c.body = body
	c.entry.Body = c.entry.bodyOf(body)
	return nil
}

// admit checks session, site scope, rights and rate. The caller holds the
// lock.
func (c *call) admit() *failure {
	if c.route.need == open {
		return c.in.throttle.allow(c)
	}
	s, f := c.in.authenticate(c.token)
	if f != nil {
		return f
	}
	c.session, c.site, c.user = s, s.site, s.site.user(s.userID)
	if c.user == nil {
		return fail("401002")
	}
	s.used.Store(c.in.now().UnixNano())
	s.calls.Add(1)
	c.entry.session(s)
	if f := c.scope(); f != nil {
		return f
	}
	if f := c.in.throttle.allow(c); f != nil {
		return f
	}
	switch c.route.need {
	case admin:
		if !isAdmin(c.user.role) {
			return fail("403004")
		}
	case serverAdmin:
		if c.user.role != RoleServerAdministrator {
			return fail("403004")
		}
	case adminOrSelf:
		if !isAdmin(c.user.role) && c.param("userId") != c.user.id {
			return fail("403004")
		}
	case signedIn, open:
	}
	return nil
}

// scope holds a path to the session's site.
func (c *call) scope() *failure {
	id := c.param("siteId")
	if id == "" || id == c.site.id || c.route.category == "sites" && c.query.Get("key") != "" {
		return nil
	}
	if c.in.siteByID(id) != nil {
		// A server administrator manages every site by its id.
		if c.route.need == serverAdmin && c.user.role == RoleServerAdministrator {
			return nil
		}
		return fail(c.in.cfg().OtherSiteCode)
	}
	return fail("404000")
}

// refuse renders an error in the form that was asked for.
func (c *call) refuse(f *failure) response {
	if c.route != nil {
		if status, odd := oddStatus[[2]string{c.route.method.name, f.code}]; odd {
			f.status = status
		}
	}
	resp := c.errorResponse(f)
	maps.Copy(resp.header, f.header)
	return resp
}

func (c *call) errorResponse(f *failure) response {
	if f.html {
		return htmlResponse(f.status, f.detail)
	}
	resp := response{status: f.status, header: http.Header{}, code: f.code}
	var b bytes.Buffer
	switch {
	case c.match.versionless && c.in.cfg().VersionlessErrors == HTTPErrors:
		resp.header.Set("Content-Type", mediaJSON)
		b.WriteString(`{"httpErrorCode":"` + f.code[:3] + `","message":`)
		writeString(&b, f.detail)
		b.WriteByte('}')
	case c.match.versionless || c.form == asJSON:
		resp.header.Set("Content-Type", mediaJSON)
		// The order of the keys is the one seen on the wire.
		b.WriteString(`{"error":{"summary":`)
		writeString(&b, f.summary)
		b.WriteString(`,"detail":`)
		writeString(&b, f.detail)
		b.WriteString(`,"code":"` + f.code + `"}}`)
	default:
		resp.header.Set("Content-Type", mediaXML)
		b.Write(toXML(c.version, el("error", "code", f.code).add(leaf("summary", f.summary), leaf("detail", f.detail))))
	}
	resp.body = b.Bytes()
	return resp
}

const (
	mediaXML  = "application/xml;charset=utf-8"
	mediaJSON = "application/json;charset=utf-8"
	mediaHTML = "text/html;charset=utf-8"
)

// render turns an answer into bytes.
func (c *call) render(a answer) response {
	resp := response{status: a.status, header: http.Header{}}
	maps.Copy(resp.header, a.header)
	if a.location != "" {
		resp.header.Set("Location", a.location)
	}
	switch {
	case a.raw != nil:
		resp.header.Set("Content-Type", or(a.media, "application/octet-stream"))
		resp.body = a.raw
	case a.status == http.StatusNoContent:
	case a.json != nil:
		resp.header.Set("Content-Type", or(c.askedMedia(), or(a.media, mediaJSON)))
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(a.json); err != nil {
			return c.errorResponse(fail("500000", errors.Unwrap(err).Error()))
		}
		resp.body = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	case c.form == asJSON || c.match.versionless:
		resp.header.Set("Content-Type", mediaJSON)
		resp.body = toJSON(c.in.cfg().Numbers, a.kids...)
	default:
		resp.header.Set("Content-Type", mediaXML)
		resp.body = toXML(c.version, a.kids...)
	}
	return resp
}

// askedMedia is the media type of Tableau's own that a request asks for.
func (c *call) askedMedia() string {
	for part := range strings.SplitSeq(c.r.Header.Get("Accept"), ",") {
		media, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.HasPrefix(media, "application/vnd.tableau.") && strings.HasSuffix(media, "+json") {
			return media
		}
	}
	return ""
}

// htmlResponse is a page of whatever stands before the REST layer.
func htmlResponse(status int, text string) response {
	return response{
		status: status, header: http.Header{"Content-Type": {mediaHTML}},
		body: []byte("<!DOCTYPE html>\n<html><head><title>" + text + "</title></head><body><h1>" + text + "</h1></body></html>\n"),
	}
}

// portal answers what is not the REST API: the web pages of Tableau.
func portal(r *http.Request) response {
	if r.URL.Path == "/" || r.URL.Path == "/index.html" {
		return htmlResponse(http.StatusOK, "Sign in to Tableau")
	}
	return htmlResponse(http.StatusNotFound, "Page not found")
}

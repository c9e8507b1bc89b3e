package tableautest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// access is who may call a method.
type access uint8

const (
	signedIn    access = iota // any live session
	open                      // no session needed
	admin                     // a site or server administrator
	serverAdmin               // a server administrator
	adminOrSelf               // an administrator, or the user named in the path
)

// locking is how a handler reaches the state.
type locking uint8

const (
	byVerb  locking = iota // GET reads, everything else writes
	itself                 // the handler locks for itself
	writing                // a GET that changes something
)

// simulated is one line of the table of simulated methods: its name in the
// catalogue, which knows verb, path and versions, who may call it, and what
// answers.
type simulated struct {
	name    string
	need    access
	handle  func(*call) (answer, *failure)
	locking locking
	// anyBody says that the body is not a Tableau request: multipart, or the
	// JSON of a versionless method.
	anyBody bool
}

// route is a method of the catalogue, simulated or not.
type route struct {
	method
	simulated

	since, until version // until is zero unless the method was retired
	also         []string
}

// Route describes a method of the Tableau REST API.
type Route struct {
	Name      string `json:"name"`      // as in the catalogue, for example "update-user"
	Category  string `json:"category"`  // the part of Tableau's reference
	Method    string `json:"method"`    // the HTTP method
	Path      string `json:"path"`      // with {version}, {siteId} and so on
	Since     string `json:"since"`     // the API version that brought it, "" when not known
	Retired   string `json:"retired"`   // the API version that took it away, "" for none
	Simulated bool   `json:"simulated"` // false: it answers 501
}

// Routes returns every method of the Tableau REST API that is known, simulated
// or not, in the order of the catalogue.
func Routes() []Route {
	names := map[string]bool{}
	for _, s := range simulatedMethods() {
		names[s.name] = true
	}
	out := make([]Route, 0, len(catalogue()))
	for _, m := range catalogue() {
		out = append(out, Route{
			Name: m.name, Category: m.category, Method: m.verb, Path: m.path,
			Since: m.since, Retired: m.retired, Simulated: names[m.name],
		})
	}
	return out
}

// node is a place in the tree of paths.
type node struct {
	literal map[string]*node // by lower-cased segment
	param   *node
	name    string // of the parameter
	routes  map[string]*route
}

// tree holds every path of the catalogue.
var tree = sync.OnceValue(func() *node {
	byName := map[string]simulated{}
	for _, s := range simulatedMethods() {
		byName[s.name] = s
	}
	root := &node{}
	for _, m := range catalogue() {
		r := &route{method: m, simulated: byName[m.name]}
		if m.since != "" {
			r.since = v(m.since)
		}
		if m.retired != "" {
			r.until = v(m.retired)
		}
		delete(byName, m.name)
		root.insert(r)
	}
	if len(byName) > 0 {
		panic(fmt.Sprintf("tableautest: methods that the catalogue does not know: %v", byName))
	}
	return root
})

func (n *node) insert(r *route) {
	for seg := range strings.SplitSeq(strings.Trim(r.path, "/"), "/") {
		if strings.HasPrefix(seg, "{") {
			if n.param == nil {
				n.param = &node{name: strings.Trim(seg, "{}")}
			}
			n = n.param
			continue
		}
		if n.literal == nil {
			n.literal = map[string]*node{}
		}
		key := strings.ToLower(seg)
		if n.literal[key] == nil {
			n.literal[key] = &node{}
		}
		n = n.literal[key]
	}
	if n.routes == nil {
		n.routes = map[string]*route{}
	}
	// Several methods of the catalogue are one path told apart by the body.
	// The first that is simulated answers, from the earliest version of any.
	old := n.routes[r.verb]
	if old == nil {
		n.routes[r.verb] = r
		return
	}
	kept, other := old, r
	if old.handle == nil && r.handle != nil {
		kept, other = r, old
	}
	kept.also = append(append(kept.also, other.method.name), other.also...)
	if other.since.before(kept.since) {
		kept.since = other.since
	}
	n.routes[r.verb] = kept
}

// find walks the tree; values are those of the parameters on the way.
func (n *node) find(segs, values []string) (*node, []string) {
	if len(segs) == 0 {
		if n.routes == nil {
			return nil, nil
		}
		return n, values
	}
	// The case of a path is tolerated.
	if next := n.literal[strings.ToLower(segs[0])]; next != nil {
		if hit, vals := next.find(segs[1:], values); hit != nil {
			return hit, vals
		}
	}
	if n.param != nil && segs[0] != "" {
		return n.param.find(segs[1:], append(slices.Clip(values), segs[0]))
	}
	return nil, nil
}

// match is where a request leads.
type match struct {
	route       *route
	params      map[string]string
	version     version
	badVersion  string // the version segment, when it is not answered
	versionless bool
	api         bool     // the path is one of the REST API
	verbs       []string // of the path, when the verb is wrong
	resource    string   // the path after /api, for messages
}

// lookup finds the method of a request, without judging it.
func (in *installation) lookup(r *http.Request) match {
	path := r.URL.EscapedPath()
	if rest, double := strings.CutPrefix(path, "//"); double && in.cfg().DoubleSlash == Ignore {
		path = "/" + rest
	}
	m := match{params: map[string]string{}, version: in.newest}
	rest, isAPI := strings.CutPrefix(path, "/api/")
	if !isAPI {
		return m
	}
	m.api, m.resource = true, "/"+rest
	segs := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	for i, s := range segs {
		if u, err := url.PathUnescape(s); err == nil {
			segs[i] = u
		}
	}
	switch first := segs[0]; first {
	case "-":
		m.versionless = true
	case "exp", "metadata", "v1":
	default:
		asked, good := parseVersion(first)
		if !good || asked.before(in.oldest) || in.newest.before(asked) {
			m.badVersion = first
			return m
		}
		m.version = asked
	}
	hit, values := tree().find(append([]string{"api"}, segs...), nil)
	if hit == nil {
		return m
	}
	r0, found := hit.routes[r.Method]
	if !found || !in.offers(r0, m.version) {
		for verb, other := range hit.routes {
			if in.offers(other, m.version) {
				m.verbs = append(m.verbs, verb)
			}
		}
		slices.Sort(m.verbs)
		return m
	}
	m.route = r0
	i := 0
	for seg := range strings.SplitSeq(r0.path, "/") {
		if strings.HasPrefix(seg, "{") {
			m.params[strings.Trim(seg, "{}")] = values[i]
			i++
		}
	}
	return m
}

// offers tells whether a version has a method.
func (in *installation) offers(r *route, asked version) bool {
	if r.category == "collections" || strings.Contains(r.path, "/collections/{collectionId}/permissions") {
		if mode := in.cfg().Collections; mode == On || mode == Off {
			return mode == On
		}
	}
	if asked.before(r.since) {
		return false
	}
	return r.until == version{} || asked.before(r.until)
}

// failure says what is wrong with a request that leads nowhere.
func (m match) failure(r *http.Request) *failure {
	switch {
	case m.badVersion != "":
		return fail("404001", fmt.Sprintf("Version '%s' is not a valid version of the API.", m.badVersion))
	case len(m.verbs) > 0:
		f := fail("405000", fmt.Sprintf("The HTTP method '%s' is not supported for the given resource", r.Method))
		f.header = http.Header{"Allow": {strings.Join(m.verbs, ", ")}}
		return f
	default:
		return fail("404003", fmt.Sprintf("Unknown resource '%s' specified in URI.", m.resource))
	}
}

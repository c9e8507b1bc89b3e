package tableau

import (
	"bytes"
	_ "embed" // the catalogue is a file
	"encoding/csv"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

//go:embed methods.csv
var methodsCSV []byte

// Method is one method of the Tableau REST API, as its reference lists it.
type Method struct {
	Name     string   `json:"name"`     // get-users-on-site
	Category string   `json:"category"` // users-and-groups
	Verb     string   `json:"verb"`     // GET
	Path     string   `json:"path"`     // /api/{version}/sites/{siteId}/users
	Query    []string `json:"query,omitempty"`
	Since    string   `json:"since,omitempty"` // REST API version that brought it, "" when not known
	Answer   string   `json:"answer"`          // json, binary or empty
	// Needs names the scope or the kind of administrator; "" when not known,
	// which is not "anyone".
	Needs string `json:"needs,omitempty"`
}

// catalogue is read from the file once.
var catalogue = sync.OnceValue(func() []Method {
	rows, err := csv.NewReader(bytes.NewReader(methodsCSV)).ReadAll()
	if err != nil {
		panic("tableau: the embedded catalogue is damaged: " + err.Error())
	}
	list := make([]Method, 0, len(rows)-1)
	for _, r := range rows[1:] {
		list = append(list, Method{
			Name: r[0], Category: r[1], Verb: r[2], Path: r[3], Query: strings.Fields(r[4]), Since: r[5], Answer: r[6], Needs: r[7],
		})
	}
	slices.SortStableFunc(list, func(a, b Method) int { return strings.Compare(a.Name, b.Name) })
	return list
})

// Methods returns the catalogue of the REST API, sorted by name. Any of them
// can be called; see [Method.Bind].
func Methods() []Method { return slices.Clone(catalogue()) }

// MethodNamed returns the method of that name.
func MethodNamed(name string) (Method, bool) {
	i, ok := slices.BinarySearchFunc(catalogue(), name, func(m Method, name string) int { return strings.Compare(m.Name, name) })
	if !ok {
		return Method{}, false
	}
	return catalogue()[i], true
}

// SearchMethods returns the methods whose name, category, verb or path hold
// all words; those with most of them in the name first.
func SearchMethods(words string) []Method {
	type hit struct {
		Method
		inName int
	}
	var hits []hit
	wanted := strings.Fields(strings.ToLower(words))
	for _, m := range catalogue() {
		h := hit{Method: m}
		all := strings.ToLower(strings.Join([]string{m.Name, m.Category, m.Verb, m.Path}, " "))
		fits := true
		for _, w := range wanted {
			fits = fits && strings.Contains(all, w)
			if strings.Contains(m.Name, w) {
				h.inName++
			}
		}
		if fits {
			hits = append(hits, h)
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return b.inName - a.inName })
	methods := make([]Method, len(hits))
	for i, h := range hits {
		methods[i] = h.Method
	}
	return methods
}

// Params returns the names of the path's parameters that a caller gives; the
// version and the site are the client's.
func (m Method) Params() []string {
	var names []string
	for seg := range strings.SplitSeq(m.Path, "/") {
		name, ok := strings.CutPrefix(seg, "{")
		if name, ok2 := strings.CutSuffix(name, "}"); ok && ok2 && name != "version" && name != "siteId" {
			names = append(names, name)
		}
	}
	return names
}

// Bind returns the method as a call with its parameters filled in. A missing
// parameter of the path is refused, and so is one that the method does not
// have; a query parameter may be left out. A value of {userId} means the PAT's
// own user. The body, where there is one, is the caller's to add.
func (m Method) Bind(params url.Values) (Request, error) {
	r := Request{Method: m.Verb, Op: m.Name, Query: url.Values{}}
	left := map[string]bool{}
	for name := range params {
		left[name] = true
	}
	var segments []string
	for seg := range strings.SplitSeq(m.Path, "/") {
		if placeholder.MatchString(seg) && seg != "{version}" && seg != "{siteId}" {
			name := strings.Trim(seg, "{}")
			value := params.Get(name)
			if value == "" {
				return Request{}, refuse("%s needs the parameter %s (it has: %s)", m.Name, name, strings.Join(m.all(), ", "))
			}
			if !goodSegment(value) || placeholder.MatchString(value) && (name != "userId" || value != seg) {
				return Request{}, refuse("%q is not a value for %s", value, name)
			}
			delete(left, name)
			if seg = value; !placeholder.MatchString(seg) {
				seg = escapeSegment(seg)
			}
		}
		segments = append(segments, seg)
	}
	for name := range left {
		if !m.takesQuery(name) {
			return Request{}, refuse("%s has no parameter %s (it has: %s)", m.Name, name, strings.Join(m.all(), ", "))
		}
		r.Query[name] = params[name]
	}
	r.Path = strings.Join(segments, "/")
	r.ReadOnly = m.ReadOnly()
	r.tmpl = m.Path
	if m.Answer == "binary" {
		r.Header = http.Header{"Accept": {"*/*"}}
	}
	return r, nil
}

// ReadOnly reports whether the method changes nothing: GET, and the queries
// that are sent by POST.
func (m Method) ReadOnly() bool {
	if m.Verb != http.MethodPost {
		return m.Verb == http.MethodGet
	}
	return m.Category == "vizql-data-service" || slices.ContainsFunc(
		[]string{"get-", "query-", "read-", "list-", "metadata-graphql", "pulse-generate-"},
		func(prefix string) bool { return strings.HasPrefix(m.Name, prefix) })
}

func (m Method) all() []string { return append(m.Params(), m.Query...) }

func (m Method) takesQuery(name string) bool {
	for _, q := range m.Query {
		// vf_{field} stands for a filter on any field of a view.
		prefix, _, open := strings.Cut(q, "{")
		if q == name || open && strings.HasPrefix(name, prefix) && len(name) > len(prefix) {
			return true
		}
	}
	return false
}

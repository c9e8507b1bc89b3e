package web

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/integration"
	"github.com/margay-access/margay/internal/web/ui"
)

// browse is a page that shows what a site holds, read at the moment it is
// opened.
type browse struct {
	key, name string
	path      string
	query     url.Values
	whole     bool // one answer, not a list
	columns   []browseColumn
}

// browseColumn is one column: a heading, and where the value is in an item.
type browseColumn struct{ name, path string }

// browsed lists the pages.
var browsed = []browse{
	{
		key: "users", name: "Tableau users", path: "/sites/{siteId}/users", query: url.Values{"fields": {"_all_"}, "sort": {"name:asc"}},
		columns: []browseColumn{{"Name", "name"}, {"Full name", "fullName"}, {"Site role", "siteRole"}, {"Last sign-in", "lastLogin"}, {"Id", "id"}},
	},
	{
		key: "collections", name: "Collections", path: "/api/-/collections",
		columns: []browseColumn{{"Name", "name"}, {"Description", "description"}, {"Visibility", "visibility"}, {"Items", "totalItemCount"}, {"Id", "luid"}},
	},
	{
		key: "search", name: "Content", path: "/api/-/search",
		columns: []browseColumn{{"Title", "content.title"}, {"Kind", "content.type"}, {"Owner", "content.ownerName"}, {"Views", "content.hitsTotal"}, {"Id", "content.luid"}},
	},
	{key: "usage", name: "Usage", whole: true},
	{key: "server-info", name: "Server", path: "/serverinfo", whole: true},
	{key: "session", name: "Session", path: "/sessions/current", whole: true},
}

// maxBrowsed bounds the rows of a page, maxLooked how many items are read for
// them.
const (
	maxBrowsed = 200
	maxLooked  = 5000
)

func (s *site) browsePages() {
	for _, b := range browsed {
		s.get("/connections/{id}/"+b.key, administrators, func(r *Request) error { return s.browse(r, b) })
	}
	s.get("/connections/{id}/users/{user}", administrators, s.tableauUser)
	s.ask("/connections/{id}/users/{user}/plan", administrators, s.planRole)
	s.post("/connections/{id}/users/{user}/role", administrators, s.setRole)
}

// shelf is what a page shows of a site.
type shelf struct {
	browse
	o      connection.Overview
	search string
	role   string // of users
	kind   string // of usage
	luid   string
	items  []json.RawMessage
	from   int    // how many that fit stand on the pages before
	next   string // the page behind this one; "": there is none
	looked int    // at how many of the list was looked
	cut    bool   // the list goes on behind those
	text   string
	answer int
	err    *fault.Error
	given  map[string][]access.Grant // of users, by their id: what they hold by grants
}

func (s *site) browse(r *Request, b browse) error {
	o, err := s.overview(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	from, err := strconv.Atoi(q.Get("from"))
	if err != nil || from < 0 || from > maxLooked {
		from = 0
	}
	view := shelf{browse: b, o: o, from: from, search: strings.TrimSpace(q.Get("q")), role: q.Get("role"), kind: q.Get("kind"), luid: strings.TrimSpace(q.Get("luid"))}
	err = nil
	switch {
	case b.key == "usage" && (view.kind == "" || view.luid == ""):
	case b.whole:
		err = s.readWhole(r, &view)
	default:
		err = s.readItems(r, &view)
	}
	if err == nil && b.key == "users" {
		view.given, err = s.givenOn(r, o.ID)
	}
	if f := fault.Public(err); err != nil && f.Kind != fault.Internal && f.Kind != fault.Forbidden {
		view.err, err = f, nil // the page says so and keeps what was asked for
	}
	if err != nil {
		return err
	}
	head := ui.Head{Title: b.name, Lead: "Read now from " + o.Target.String(), Back: back(o)}
	return r.Page(head, nil, shelfView(view))
}

// givenOn returns the grants that people hold on a connection, by the id of the
// user for whom they were set up.
func (s *site) givenOn(r *Request, connection string) (map[string][]access.Grant, error) {
	grants, err := s.Access.Grants(r.Context(), r.Actor, access.GrantFilter{Connection: connection, States: []access.GrantState{access.GrantActive, access.GrantChanged}})
	given := make(map[string][]access.Grant, len(grants))
	for _, g := range grants {
		given[g.Proof.User] = append(given[g.Proof.User], g)
	}
	return given, err
}

// readWhole reads one answer.
func (s *site) readWhole(r *Request, v *shelf) error {
	call := integration.Call{Method: http.MethodGet, Path: v.path}
	if v.key == "usage" {
		call.Path = "/api/-/content/usage-stats/" + url.PathEscape(v.kind) + "/" + url.PathEscape(v.luid)
	}
	a, err := s.Connections.Call(r.Context(), r.Actor, v.o.ID, call)
	if err != nil {
		return err
	}
	v.answer, v.text = a.Status, pretty(a.Body)
	return nil
}

// readItems reads a list to its end or to its bound, and keeps what fits the
// filters.
func (s *site) readItems(r *Request, v *shelf) error {
	query := url.Values{}
	maps.Copy(query, v.query)
	if v.key == "users" && v.role != "" {
		query.Set("filter", "siteRole:eq:"+v.role)
	}
	if v.key == "search" {
		query.Set("terms", v.search)
	}
	items, err := s.Connections.Pages(r.Context(), r.Actor, v.o.ID, integration.Call{Method: http.MethodGet, Path: v.path, Query: query})
	if err != nil {
		return err
	}
	fit := 0
	for item, err := range items {
		if err != nil {
			return err
		}
		if v.looked == maxLooked {
			v.cut = true
			break
		}
		v.looked++
		if v.key != "search" && v.search != "" && !v.holds(item) {
			continue
		}
		if fit++; fit <= v.from {
			continue
		}
		if len(v.items) == maxBrowsed {
			v.next = withQuery(r.URL, "from", strconv.Itoa(v.from+maxBrowsed))
			break
		}
		v.items = append(v.items, item)
	}
	if v.key == "users" && v.cut && v.search != "" {
		return s.readNamed(r, v)
	}
	return nil
}

// readNamed asks for the user of a whole name: they may stand behind what of the
// list was looked at.
func (s *site) readNamed(r *Request, v *shelf) error {
	if strings.ContainsAny(v.search, ",: ") { // those divide the parts of a filter
		return nil
	}
	query := url.Values{}
	maps.Copy(query, v.query)
	query.Set("filter", "name:eq:"+v.search)
	items, err := s.Connections.Pages(r.Context(), r.Actor, v.o.ID, integration.Call{Method: http.MethodGet, Path: v.path, Query: query})
	if err != nil {
		return err
	}
	for item, err := range items {
		if err != nil {
			return err
		}
		known := slices.ContainsFunc(v.items, func(i json.RawMessage) bool { return valueAt(i, "id") == valueAt(item, "id") })
		if !known && (v.role == "" || valueAt(item, "siteRole") == v.role) {
			v.items = append([]json.RawMessage{item}, v.items...)
		}
	}
	return nil
}

// command reads the same with the command line; "": nothing is asked for yet.
func (v *shelf) command() string {
	command := "margay tableau " + v.key
	switch {
	case v.key == "usage" && v.luid == "":
		return ""
	case v.key == "usage":
		command += " " + shellWord(v.kind) + " " + shellWord(v.luid)
	case v.key == "search" && v.search != "":
		command += " " + shellWord(v.search)
	case v.search != "":
		command += " --search " + shellWord(v.search)
	}
	if v.role != "" {
		command += " --role " + shellWord(v.role)
	}
	return command + " --connection " + v.o.ID
}

// holds says whether what an item shows holds the words that are searched for.
func (v *shelf) holds(item json.RawMessage) bool {
	var all strings.Builder
	for _, c := range v.columns {
		all.WriteString(strings.ToLower(valueAt(item, c.path)) + "\n")
	}
	for word := range strings.FieldsSeq(strings.ToLower(v.search)) {
		if !strings.Contains(all.String(), word) {
			return false
		}
	}
	return true
}

// valueAt returns a value of an item as text; "" when there is none.
func valueAt(item json.RawMessage, path string) string {
	var at any
	if json.Unmarshal(item, &at) != nil {
		return ""
	}
	for name := range strings.SplitSeq(path, ".") {
		m, ok := at.(map[string]any)
		if !ok {
			return ""
		}
		at = m[name]
	}
	switch v := at.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	text, err := json.Marshal(at)
	if err != nil {
		return ""
	}
	return string(text)
}

// siteUser is a Tableau user on a page, and the role that may be set.
type siteUser struct {
	o                             connection.Overview
	id, name, fullName, now, want string
	lastLogin                     string
	given                         map[string][]access.Grant // by the id of the user
	errs                          ui.Errors
}

// roles are those that may be set: what the integration's workflows may set.
func (u siteUser) roles() []ui.Option {
	options := []ui.Option{{Value: "Unlicensed", Label: "Unlicensed"}}
	for _, role := range u.o.Integration.Roles {
		options = append(options, ui.Option{Value: role, Label: role})
	}
	return options
}

// offers says whether the role may be set.
func (u siteUser) offers(role string) bool {
	return slices.ContainsFunc(u.roles(), func(o ui.Option) bool { return o.Value == role })
}

func userPath(id string) string { return "/sites/{siteId}/users/" + url.PathEscape(id) }

// readUser reads one user anew.
func (s *site) readUser(r *Request) (siteUser, error) {
	o, err := s.overview(r)
	if err != nil {
		return siteUser{}, err
	}
	u := siteUser{o: o, id: r.Thing("user")}
	a, err := s.Connections.Call(r.Context(), r.Actor, o.ID, integration.Call{Method: http.MethodGet, Path: userPath(u.id)})
	if err != nil {
		return u, err
	}
	if a.Status != http.StatusOK {
		return u, refused(o, a)
	}
	at := func(name string) string { return valueAt(a.Body, "user."+name) }
	u.name, u.fullName, u.now, u.lastLogin = at("name"), at("fullName"), at("siteRole"), at("lastLogin")
	return u, nil
}

// refused is an answer of the system's that says no, in its own words.
func refused(o connection.Overview, a integration.Answer) error {
	f := fault.New(fault.Upstream, "%s answered %d: %s", o.Integration.Name, a.Status, ui.Middle(strings.TrimSpace(valueAt(a.Body, "error.summary")+" "+valueAt(a.Body, "error.detail")), 300))
	if a.Status == http.StatusNotFound {
		f.Kind = fault.NotFound
	}
	return f.WithCode("tableau_refused").WithHint("Nothing was changed.")
}

func (s *site) tableauUser(r *Request) error {
	u, err := s.readUser(r)
	if err != nil {
		return err
	}
	u.want = u.now
	return s.showUser(r, http.StatusOK, u)
}

func (s *site) showUser(r *Request, status int, u siteUser) error {
	head := ui.Head{Title: u.name, Lead: "A Tableau user of " + u.o.Target.String(), Back: append(back(u.o), ui.Link{Name: "Tableau users", Href: "/connections/" + u.o.ID + "/users"})}
	return r.PageAs(status, head, nil, userView(u))
}

// planRole shows what setting a role would do: the first of two steps.
func (s *site) planRole(r *Request) error {
	u, err := s.readUser(r)
	if err != nil {
		return err
	}
	u.want = r.Value("role")
	if !u.offers(u.want) {
		u.errs = ui.Errors{{Field: "role", Text: "Choose one of the roles."}}
		return s.showUser(r, http.StatusUnprocessableEntity, u)
	}
	if u.given, err = s.givenOn(r, u.o.ID); err != nil {
		return err
	}
	head := ui.Head{Title: "Set the site role of " + u.name, Back: append(back(u.o), ui.Link{Name: u.name, Href: "/connections/" + u.o.ID + "/users/" + u.id})}
	if u.want == u.now {
		u.errs = ui.Errors{{Field: "role", Text: u.name + " has this role already."}}
		return s.showUser(r, http.StatusUnprocessableEntity, u)
	}
	return r.Page(head, nil, rolePlanView(u))
}

// setRole sets a role after it was shown what that does, and reads it back.
func (s *site) setRole(r *Request) error {
	u, err := s.readUser(r)
	if err != nil {
		return err
	}
	u.want = r.Value("role")
	if !u.offers(u.want) {
		u.errs = ui.Errors{{Field: "role", Text: "Choose one of the roles."}}
		return s.showUser(r, http.StatusUnprocessableEntity, u)
	}
	if u.now != r.Value("now") {
		return fault.New(fault.Conflict, "The site role of %s is %s now, not %s as you saw it.", u.name, u.now, r.Value("now")).WithCode("drift").
			WithHint("Nothing was changed. Look at it again.")
	}
	body, err := json.Marshal(map[string]any{"user": map[string]string{"siteRole": u.want}})
	if err != nil {
		return err
	}
	a, err := s.Connections.Call(r.Context(), r.Actor, u.o.ID, integration.Call{Method: http.MethodPut, Path: userPath(u.id), Body: body})
	if err != nil {
		return err
	}
	if a.Status >= http.StatusBadRequest {
		return refused(u.o, a)
	}
	after, err := s.readUser(r)
	if err != nil {
		return err
	}
	if after.now != u.want {
		return r.DoneAs(ui.Warn, "/connections/"+u.o.ID+"/users/"+u.id, "%s reports the role %s, not %s.", u.o.Integration.Name, after.now, u.want)
	}
	return r.Done("/connections/"+u.o.ID+"/users/"+u.id, "The site role of %s is %s: read back from %s.", u.name, after.now, u.o.Integration.Name)
}

// mayWrite says whether somebody may send calls that change something.
func mayWrite(who identity.Actor) bool { return who.NeedAdmin(identity.ScopeTableauWrite) == nil }

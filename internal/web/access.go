package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/batch"
	"github.com/margay-access/margay/internal/export"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
)

func (s *site) accessPages() {
	s.get("/my-access", anyone, s.myAccess)
	s.get("/access", anyone, s.accessList)
	s.get("/access/export", anyone, s.exportAccess)
	s.post("/access/many", anyone, s.manyAccess)
	s.get("/access/{id}", anyone, s.grantPage)
	s.get("/access/{id}/{act}", anyone, s.askGrantAct)
	s.post("/access/{id}/{act}", anyone, s.grantAct)
}

// holding is one grant with what its holder may do with it.
type holding struct {
	access.Grant
	acts []access.Possible
}

// myAccess is what somebody has.
type holdings struct {
	dir  directory
	live []holding
	past []access.Grant
}

// pastRows is how much of the past is shown.
const pastRows = 25

func (s *site) myAccess(r *Request) error {
	var h holdings
	var err error
	if h.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return err
	}
	live, err := s.Access.Grants(r.Context(), r.Actor, access.GrantFilter{Person: r.Actor.Person, States: standingStates()})
	if err != nil {
		return err
	}
	slices.SortStableFunc(live, soonestFirst)
	for _, g := range live {
		acts, err := s.Access.GrantActs(r.Context(), r.Actor, g.ID)
		if err != nil {
			return err
		}
		h.live = append(h.live, holding{g, acts})
	}
	h.past, err = s.Access.Grants(r.Context(), r.Actor, access.GrantFilter{Person: r.Actor.Person, States: []access.GrantState{access.GrantEnded}, Limit: pastRows})
	if err != nil {
		return err
	}
	return r.Page(ui.Head{Title: "My access", Lead: "What you have now, what ends first on top, and what you had."}, nil, holdingsView(h))
}

// soonestFirst puts what ends first on top; what does not end by itself is last.
func soonestFirst(a, b access.Grant) int {
	switch {
	case a.EndsAt.Equal(b.EndsAt):
		return strings.Compare(string(b.ID), string(a.ID))
	case a.EndsAt.IsZero():
		return 1
	case b.EndsAt.IsZero():
		return -1
	}
	return a.EndsAt.Compare(b.EndsAt)
}

// standingStates are all states but the last.
func standingStates() []access.GrantState {
	var list []access.GrantState
	for _, t := range access.GrantStates() {
		if s := access.GrantState(t.Code); s != access.GrantEnded {
			list = append(list, s)
		}
	}
	return list
}

// accessFilter is what the list of access is filtered by, as its address says.
type accessFilter struct {
	text, app, role, state, ends, held string
}

func accessFilterOf(r *Request) accessFilter {
	return accessFilter{text: r.Value("q"), app: r.Value("app"), role: r.Value("role"), state: r.Value("state"), ends: r.Value("ends"), held: r.Value("on")}
}

// The groups of states that the list offers beside each single one.
const (
	stateStanding = "standing"
	stateAny      = "any"
	stateHand     = "needs_a_hand"
)

// states are those that the filter names.
func (f accessFilter) states() []access.GrantState {
	switch f.state {
	case stateAny:
		return nil
	case stateHand:
		return []access.GrantState{access.GrantNotSetUp, access.GrantOverdue, access.GrantChanged}
	case "", stateStanding:
		if f.held != "" {
			return nil
		}
		return standingStates()
	}
	return []access.GrantState{access.GrantState(f.state)}
}

// of returns the filter for the service.
func (f accessFilter) of(now time.Time) access.GrantFilter {
	g := access.GrantFilter{Text: f.text, App: access.AppID(f.app), RoleName: f.role, States: f.states()}
	if d, err := time.ParseDuration(f.ends); err == nil {
		g.EndsBefore = now.Add(d)
	}
	if on, err := time.Parse("2006-01-02", f.held); err == nil {
		g.HeldFrom, g.HeldUntil = on, on.Add(day)
	}
	return g
}

// accessRows is the list of who has access.
type accessRows struct {
	dir    directory
	filter accessFilter
	grants []access.Grant
	roles  []string
	next   string
	query  string // of the page, for the export
	many   many
	drift  bool // who looks may see what was changed outside
}

func (s *site) accessList(r *Request) error {
	list := accessRows{filter: accessFilterOf(r)}
	var err error
	if list.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return err
	}
	f := list.filter.of(r.Now)
	f.Limit, f.Before = pageRows+1, access.GrantID(r.Value("before"))
	if list.grants, err = s.Access.Grants(r.Context(), r.Actor, f); err != nil {
		return err
	}
	if list.roles, err = s.roleNames(r.Context()); err != nil {
		return err
	}
	if len(list.grants) > pageRows {
		list.grants = list.grants[:pageRows]
		list.next = withQuery(r.URL, "before", string(list.grants[pageRows-1].ID))
	}
	q := r.URL.Query()
	q.Del("before")
	list.query = q.Encode()
	list.many = many{address: "/access/many?" + list.query, more: list.next != "" || f.Before != ""}
	ends := manyAct{act: batch.RevokeAccess}
	if list.many.more {
		if ends.all, err = s.Access.CountGrants(r.Context(), r.Actor, list.filter.endable(r.Now)); err != nil {
			return err
		}
	}
	list.many.acts = []manyAct{ends}
	apps, err := s.comparable(r.Context(), r.Actor, list.dir)
	if err != nil {
		return err
	}
	list.drift = len(apps) > 0
	return r.Page(ui.Head{Title: "Who has access", Lead: "What was given here. Access given directly in the other system is listed under drift."}, nil, accessView(list))
}

// endable picks those of the filtered grants that can be ended, at most one more
// than a batch has.
func (f accessFilter) endable(now time.Time) access.GrantFilter {
	g := f.of(now)
	can := access.GrantStatesFor(access.ActRevoke)
	if g.States != nil {
		can = slices.DeleteFunc(can, func(s access.GrantState) bool { return !slices.Contains(g.States, s) })
	}
	g.States, g.Limit = can, batch.Most+1
	if len(can) == 0 {
		g.States = []access.GrantState{"none"}
	}
	return g
}

// words say the filter for people.
func (f accessFilter) words(dir directory) string {
	state, app := f.state, ""
	if t := access.GrantState(f.state).Text(); t.Sentence != "" {
		state = t.Word
	}
	if f.app != "" {
		app = dir.app(access.AppID(f.app))
	}
	return filterWords("person or role", f.text, "state", state, "app", app, "role", f.role, "ends within", f.ends, "held on", f.held)
}

// manyAccess prepares the end of the marked rows, or of all that match.
func (s *site) manyAccess(r *Request) error {
	act, err := r.manyActOf(batch.RevokeAccess)
	if err != nil {
		return err
	}
	dir, err := s.directory(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	f := accessFilterOf(r)
	return s.prepare(r, act, f.words(dir), func() ([]string, error) {
		grants, err := s.Access.Grants(r.Context(), r.Actor, f.endable(r.Now))
		ids := make([]string, len(grants))
		for i, g := range grants {
			ids[i] = string(g.ID)
		}
		return ids, err
	})
}

// roleNames are the names of roles that there are, in order.
func (s *site) roleNames(ctx context.Context) ([]string, error) {
	roles, err := s.Access.AllRoles(ctx)
	names := make([]string, len(roles))
	for i, o := range roles {
		names[i] = o.Name
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// mostExported bounds an export; who needs more takes the command.
const mostExported = 20_000

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func (s *site) exportAccess(r *Request) error {
	dir, err := s.directory(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	f := accessFilterOf(r).of(r.Now)
	f.Limit, f.Person = mostExported+1, identity.PersonID(r.Value("person"))
	rows, err := s.Access.HistoryOf(r.Context(), r.Actor, f)
	if err != nil {
		return err
	}
	if len(rows) > mostExported {
		return fault.New(fault.Invalid, "More than %d rows match: narrow the filters, or export from the command line.", mostExported).WithCode("too_many_rows").
			WithHint("Such as: margay access export --app APP -o csv")
	}
	names := access.HistoryNames{
		Person: func(id identity.PersonID) identity.Person {
			if p, ok := dir.people[id]; ok {
				return p
			}
			return identity.Person{ID: id, Name: dir.person(id)}
		},
		App: dir.app,
	}
	return r.download("margay-access-"+r.Now.UTC().Format("2006-01-02"), r.Value("format"), rows, names)
}

// download answers with the rows as CSV or JSON, each with the same columns.
func (r *Request) download(name, format string, rows []access.History, names access.HistoryNames) error {
	if format == "json" {
		items := make([]map[string]string, len(rows))
		for i, h := range rows {
			items[i] = map[string]string{}
			for _, c := range h.Cells(names) {
				items[i][c.Name] = c.Text
			}
		}
		b, err := json.MarshalIndent(map[string]any{"items": items}, "", "  ")
		if err != nil {
			return err
		}
		return r.Download(name+".json", "application/json", b)
	}
	var b bytes.Buffer
	out := export.NewCSV(&b)
	err := out.Write(access.HistoryColumns()...)
	for _, h := range rows {
		if err != nil {
			break
		}
		err = out.Write(h.Texts(names)...)
	}
	if err := errors.Join(err, out.Flush()); err != nil {
		return err
	}
	return r.Download(name+".csv", "text/csv", b.Bytes())
}

// grantPage leads to the page of the request that the access came of: mails and
// messages name the access.
func (s *site) grantPage(r *Request) error {
	g, err := s.Access.Grant(r.Context(), r.Actor, access.GrantID(r.Thing("id")))
	if err != nil {
		return err
	}
	r.redirect("/requests/" + url.PathEscape(string(g.Request)))
	return nil
}

// grantActSheet is a page that asks before an act on access.
type grantActSheet struct {
	dir     directory
	grant   access.Grant
	act     access.Act
	policy  access.Policy   // for more time
	preview *access.Preview // of an end
	length  string
	custom  string
	note    string
	from    string // the page that it goes back to: "drift", else the request's
	errs    ui.Errors
}

// back is where who gives the act up goes.
func (v grantActSheet) back() ui.Link {
	if v.from == "drift" {
		return ui.Link{Name: "Drift", Href: driftAddress(v.grant.App)}
	}
	return ui.Link{Name: "Request", Href: "/requests/" + string(v.grant.Request)}
}

// grantActs are the acts that have a page of their own, and what they do there.
var grantActs = map[string]struct {
	act  access.Act
	done string // what the next page says
}{
	access.ActExtend.Code: {access.ActExtend, "Asked for more time."},
	access.ActReduce.Code: {access.ActReduce, "The access ends earlier now."},
	access.ActRevoke.Code: {access.ActRevoke, "The access is being ended. This page follows it."},
	access.ActRetry.Code:  {access.ActRetry, "It is tried again."},

	access.ActAccept.Code:  {access.ActAccept, "The access has ended. What is there stays."},
	access.ActRestore.Code: {access.ActRestore, "The access is being restored. What is there is read first."},
}

func (s *site) askGrantAct(r *Request) error { return s.showGrantAct(r, http.StatusOK, nil) }

func (s *site) showGrantAct(r *Request, status int, errs ui.Errors) error {
	known, ok := grantActs[r.Thing("act")]
	if !ok {
		return s.nothingHere(r)
	}
	v := grantActSheet{act: known.act, errs: errs, length: r.Value("length"), custom: r.Value("length_custom"), note: r.Value("note"), from: r.Value("from")}
	var err error
	if v.grant, err = s.Access.Grant(r.Context(), r.Actor, access.GrantID(r.Thing("id"))); err != nil {
		return err
	}
	acts, err := s.Access.GrantActs(r.Context(), r.Actor, v.grant.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(acts, func(p access.Possible) bool { return p.Act == v.act })
	switch {
	case i < 0:
		return fault.New(fault.Conflict, "This is not possible now: the access is %s.", strings.ToLower(v.grant.State.Text().Word)).WithCode("not_now").
			WithHint("%s", v.grant.State.Text().Sentence)
	case acts[i].Refusal != nil:
		return acts[i].Refusal
	}
	if v.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return err
	}
	if err := s.fillGrantAct(r, &v); err != nil {
		return err
	}
	head := ui.Head{
		Title: v.act.Label, Lead: ui.Middle(v.grant.RoleName, longName) + " in " + short(v.dir.app(v.grant.App)) + " for " + short(v.dir.person(v.grant.Person)),
		Back: []ui.Link{v.back()},
	}
	return r.PageAs(status, head, nil, grantActView(v))
}

func (s *site) fillGrantAct(r *Request, v *grantActSheet) error {
	switch v.act {
	case access.ActExtend:
		offer, err := s.offerOf(r.Context(), r.Actor, v.grant.Person, v.grant.Role)
		if err != nil {
			return err
		}
		v.policy = offer.Policy
		if v.length == "" {
			v.length = lengthValue(cmpLength(v.policy.Usual, v.policy.Longest))
		}
	case access.ActRevoke:
		p, err := s.Access.Preview(r.Context(), r.Actor, v.grant.ID)
		if err != nil {
			return err
		}
		v.preview = &p
	}
	return nil
}

func cmpLength(usual, longest time.Duration) time.Duration {
	if usual == access.Indefinite {
		return longest
	}
	return usual
}

// shorter offers what may be left of the access.
func (v grantActSheet) shorter(now time.Time) []lengthOption {
	left := v.grant.Length
	if !v.grant.StartsAt.IsZero() && !v.grant.EndsAt.IsZero() {
		left = v.grant.EndsAt.Sub(now)
	}
	var list []lengthOption
	for _, l := range commonLengths {
		if (left == access.Indefinite || l < left) && len(list) < mostChips {
			list = append(list, lengthOption{length: l})
		}
	}
	return list
}

func (s *site) grantAct(r *Request) error {
	known, ok := grantActs[r.Thing("act")]
	if !ok {
		return s.nothingHere(r)
	}
	g, err := s.doGrantAct(r, known.act)
	if errs, ok := ui.ErrorsOf(err); ok {
		return s.showGrantAct(r, http.StatusUnprocessableEntity, askFields(errs))
	}
	if err != nil {
		return err
	}
	to := "/requests/" + string(g.Request)
	if r.Value("from") == "drift" {
		to = driftAddress(g.App)
	}
	return r.Done(to, "%s", known.done)
}

// doGrantAct does the act, and returns the grant with the request whose page
// shows it.
func (s *site) doGrantAct(r *Request, act access.Act) (access.Grant, error) {
	ctx, id := r.Context(), access.GrantID(r.Thing("id"))
	var g access.Grant
	length, err := r.lengthOf()
	if err != nil && (act == access.ActExtend || act == access.ActReduce) {
		return g, err
	}
	switch act {
	case access.ActExtend:
		q, err := s.Access.Extend(ctx, r.Actor, id, length, r.Value("note"))
		return access.Grant{Request: q.ID, App: q.App}, err
	case access.ActReduce:
		if length == nil {
			return g, fault.Field("length", "Choose how long it stays from now.")
		}
		g, err = s.Access.Reduce(ctx, r.Actor, id, *length, r.Value("note"))
	case access.ActRevoke:
		g, err = s.Access.RevokeForeseen(ctx, r.Actor, id, r.Value("note"), r.PostForm.Get(foreseen))
	case access.ActRetry:
		g, err = s.Access.Retry(ctx, r.Actor, id)
	case access.ActAccept:
		g, err = s.Access.AcceptChange(ctx, r.Actor, id, r.Value("note"), seenThere(r))
	case access.ActRestore:
		g, err = s.Access.Restore(ctx, r.Actor, id, r.Value("note"), seenThere(r))
	}
	return g, err
}

// foundThere names the field with the role that the page showed as found.
const foundThere = "found"

// foreseen names the field with the mark of what the page of an end said becomes
// of the role.
const foreseen = "foreseen"

// seenThere is the role that the page showed as found in the other system when it
// asked; nil: the form does not say.
func seenThere(r *Request) *string {
	if !r.PostForm.Has(foundThere) {
		return nil
	}
	return new(r.PostForm.Get(foundThere))
}

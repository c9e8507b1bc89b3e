package web

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
)

func (s *site) peoplePages() {
	s.get("/people", administrators, s.people)
	s.get("/people/new", administrators, s.newPerson)
	s.post("/people/new", administrators, s.addPerson)
	s.get("/people/import", administrators, s.importForm)
	s.post("/people/import", administrators, s.importPeople)
	s.get("/people/{id}", administrators, s.personPage)
	s.get("/people/{id}/edit", administrators, s.editPerson)
	s.post("/people/{id}/edit", administrators, s.savePerson)
	s.get("/people/{id}/disable", administrators, s.askDisable)
	s.post("/people/{id}/disable", administrators, s.disable)
	s.post("/people/{id}/enable", administrators, s.enable)
	s.get("/people/{id}/revoke-all", administrators, s.askRevokeAll)
	s.post("/people/{id}/revoke-all", administrators, s.revokeAll)
}

// peopleList is the directory with its filters.
type peopleList struct {
	dir    directory
	people []identity.Person
	groups map[identity.PersonID][]string
	text   string
	kind   string
	all    int
	next   string
}

func (s *site) people(r *Request) error {
	list := peopleList{text: r.Value("q"), kind: r.Value("kind"), groups: map[identity.PersonID][]string{}}
	people, err := s.Identity.People(r.Context())
	if err != nil {
		return err
	}
	if list.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return err
	}
	for _, g := range list.dir.groupsByName() {
		for _, m := range g.Members {
			list.groups[m] = append(list.groups[m], g.Name)
		}
	}
	list.all = len(people)
	words := strings.Fields(strings.ToLower(list.text))
	after := identity.PersonID(r.Value("before")) // those behind it in the order of names
	for _, p := range people {
		if after != "" {
			if p.ID == after {
				after = ""
			}
			continue
		}
		if !holdsAll(strings.ToLower(p.Name+" "+p.Email+" "+strings.Join(list.groups[p.ID], " ")), words) || !list.takes(p) {
			continue
		}
		if len(list.people) == pageRows {
			list.next = withQuery(r.URL, "before", string(list.people[pageRows-1].ID))
			break
		}
		list.people = append(list.people, p)
	}
	return r.Page(ui.Head{Title: "People", Lead: "Who can sign in, ask and decide."}, peopleActs(), peopleView(list))
}

// The kinds of people that the list can be narrowed to.
const (
	kindAdmins   = "admins"
	kindDisabled = "disabled"
	kindAlone    = "without_manager"
)

func (l peopleList) takes(p identity.Person) bool {
	switch l.kind {
	case kindAdmins:
		return p.Admin
	case kindDisabled:
		return p.Disabled
	case kindAlone:
		return p.Manager == "" && !p.Disabled
	}
	return true
}

// personForm is the form of a person.
type personForm struct {
	person  identity.Person // zero: a new one
	email   string
	name    string
	manager string // an e-mail address
	admin   bool
	dir     directory
	errs    ui.Errors
	proof   proof
}

func (s *site) newPerson(r *Request) error {
	return s.showPersonForm(r, http.StatusOK, personForm{})
}

func (s *site) showPersonForm(r *Request, status int, f personForm) error {
	var err error
	f.proof = r.proof(f.errs)
	f.proof.needed = f.proof.wrong != "" // only who administers needs it
	if f.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return err
	}
	head := ui.Head{Title: "Add person", Back: []ui.Link{{Name: "People", Href: "/people"}}}
	if f.person.ID != "" {
		head = ui.Head{Title: "Edit " + ui.Middle(f.person.Name, longName), Back: []ui.Link{{Name: "People", Href: "/people"}, {Name: ui.Middle(f.person.Name, 40), Href: "/people/" + string(f.person.ID)}}}
	}
	return r.PageAs(status, head, nil, personFormView(f))
}

func (r *Request) personForm(p identity.Person) personForm {
	return personForm{person: p, email: r.Value("email"), name: r.Value("name"), manager: r.Value("manager"), admin: r.Value("admin") == "true"}
}

// managerOf finds who the form names as the manager.
func (s *site) managerOf(r *Request) (identity.PersonID, error) {
	email := r.Value("manager")
	if email == "" {
		return "", nil
	}
	m, err := s.Identity.PersonByEmail(r.Context(), email)
	if fault.KindOf(err) == fault.NotFound {
		return "", fault.Field("manager", "There is nobody with this e-mail address.")
	}
	return m.ID, err
}

func (s *site) addPerson(r *Request) error {
	f := r.personForm(identity.Person{})
	manager, err := s.managerOf(r)
	if err == nil {
		err = s.prove(r)
	}
	if err == nil {
		var p identity.Person
		if p, err = s.Identity.AddReport(r.Context(), r.Actor, f.email, f.name, f.admin, manager); err == nil {
			return r.Done("/people/"+string(p.ID), "%s is in the directory. Let them sign in, if they shall use these pages.", p.Name)
		}
	}
	return s.personRefused(r, f, err)
}

// personRefused shows the form again with what is wrong.
func (s *site) personRefused(r *Request, f personForm, err error) error {
	errs, ok := ui.ErrorsOf(err)
	if !ok && fault.KindOf(err) == fault.Conflict {
		errs, ok = ui.Errors{{Text: fault.Public(err).Message + " " + fault.Public(err).Hint}}, true
	}
	if ok {
		f.errs = errs
		return s.showPersonForm(r, http.StatusUnprocessableEntity, f)
	}
	return err
}

func (s *site) editPerson(r *Request) error {
	p, err := s.Identity.Person(r.Context(), identity.PersonID(r.Thing("id")))
	if err != nil {
		return err
	}
	f := personForm{person: p, email: p.Email, name: p.Name, admin: p.Admin}
	if p.Manager != "" {
		m, err := s.Identity.Person(r.Context(), p.Manager)
		if err != nil {
			return err
		}
		f.manager = m.Email
	}
	return s.showPersonForm(r, http.StatusOK, f)
}

func (s *site) savePerson(r *Request) error {
	p, err := s.Identity.Person(r.Context(), identity.PersonID(r.Thing("id")))
	if err != nil {
		return err
	}
	f := r.personForm(p)
	f.email = p.Email
	manager, err := s.managerOf(r)
	if err == nil {
		err = s.prove(r)
	}
	if err == nil {
		if _, err = s.Identity.ChangePerson(r.Context(), r.Actor, p.ID, identity.Change{Name: &f.name, Admin: &f.admin, Manager: &manager}); err == nil {
			return r.Done("/people/"+string(p.ID), "Saved.")
		}
	}
	return s.personRefused(r, f, err)
}

// personSheet is somebody with all that is known of them here.
type personSheet struct {
	dir      directory
	person   identity.Person
	groups   []identity.Group
	reports  []identity.Person
	live     []access.Grant
	past     []access.Grant
	requests []access.Request
	users    []thereUser
	how      identity.SignIn
	noLink   string // why they cannot be given a sign-in link; "" when they can
}

// thereUser is what a connected system said of somebody, when access was set up.
type thereUser struct {
	app   access.AppID
	proof access.Proof
}

func (s *site) personPage(r *Request) error {
	ctx, id := r.Context(), identity.PersonID(r.Thing("id"))
	var v personSheet
	var err error
	if v.person, err = s.Identity.Person(ctx, id); err != nil {
		return err
	}
	if v.how, err = s.Identity.SignInOf(ctx, r.Actor, id); err != nil {
		return err
	}
	v.noLink = noLinkFor(v.person, r.Actor)
	if v.dir, err = s.directory(ctx, r.Actor); err != nil {
		return err
	}
	for _, g := range v.dir.groupsByName() {
		if slices.Contains(g.Members, id) {
			v.groups = append(v.groups, g)
		}
	}
	for _, p := range v.dir.enabled() {
		if p.Manager == id {
			v.reports = append(v.reports, p)
		}
	}
	if v.live, err = s.Access.Grants(ctx, r.Actor, access.GrantFilter{Person: id, States: standingStates()}); err != nil {
		return err
	}
	slices.SortStableFunc(v.live, soonestFirst)
	if v.past, err = s.Access.Grants(ctx, r.Actor, access.GrantFilter{Person: id, States: []access.GrantState{access.GrantEnded}, Limit: pastRows}); err != nil {
		return err
	}
	if v.requests, err = s.Access.Requests(ctx, r.Actor, access.RequestFilter{Person: id, Limit: pastRows}, false); err != nil {
		return err
	}
	seen := map[access.AppID]bool{}
	for _, g := range append(slices.Clone(v.live), v.past...) {
		if g.Proof.User != "" && !seen[g.App] {
			seen[g.App] = true
			v.users = append(v.users, thereUser{g.App, g.Proof})
		}
	}
	return r.Page(ui.Head{Title: ui.Middle(v.person.Name, longName), Back: []ui.Link{{Name: "People", Href: "/people"}}}, personActs(v), personView(v))
}

func (s *site) askDisable(r *Request) error {
	head, q, err := s.disabling(r)
	if err != nil {
		return err
	}
	return r.Page(head, nil, ui.AskPage(q))
}

// disabling asks whether somebody shall be disabled.
func (s *site) disabling(r *Request) (head ui.Head, q ui.Question, err error) {
	p, err := s.Identity.Person(r.Context(), identity.PersonID(r.Thing("id")))
	if err != nil {
		return head, q, err
	}
	live, err := s.Access.Grants(r.Context(), r.Actor, access.GrantFilter{Person: p.ID, States: standingStates()})
	if err != nil {
		return head, q, err
	}
	standing := len(live)
	live = slices.DeleteFunc(live, func(g access.Grant) bool { return g.State == access.GrantScheduled })
	waiting, err := s.Access.Requests(r.Context(), r.Actor, access.RequestFilter{State: access.RequestWaiting, For: p.ID}, false)
	if err != nil {
		return head, q, err
	}
	effect := "They cannot sign in, ask or decide any more, and their sessions and API tokens stop working. "
	switch len(waiting) {
	case 0:
	default:
		effect += plural(len(waiting), "request that waits for them is", "requests that wait for them are") + " withdrawn. "
	}
	if n := standing - len(live); n > 0 {
		effect += plural(n, "access that was to begin later is", "accesses that were to begin later are") + " withdrawn. "
	}
	if len(live) > 0 {
		effect += "They keep " + plural(len(live), "access", "accesses") + " until it ends or is ended: end all of it on their page."
	} else {
		effect += "They hold no access."
	}
	q = ui.Question{
		ID: "disable", Effect: effect, Action: "/people/" + string(p.ID) + "/disable", Button: "Disable " + ui.Middle(p.Name, 40), Busy: "Disabling…", Back: "/people/" + string(p.ID),
		Command: "margay person disable " + shellWord(p.Email),
	}
	return ui.Head{Title: "Disable " + ui.Middle(p.Name, longName) + "?", Back: []ui.Link{{Name: ui.Middle(p.Name, 40), Href: q.Back}}}, q, nil
}

func (s *site) disable(r *Request) error {
	id := identity.PersonID(r.Thing("id"))
	var left access.Leaving
	err := s.prove(r)
	if err == nil {
		left, err = s.Access.Disable(r.Context(), r.Actor, id, identity.Change{}, false)
	}
	if errs, ok := formErrors(err); ok && errs.Of(identity.OwnPassword) != "" {
		head, q, err := s.disabling(r)
		if err != nil {
			return err
		}
		return r.askAgain(head, q, errs)
	}
	if err != nil {
		return err
	}
	text := left.Person.Name + " is disabled."
	if len(left.Withdrawn) > 0 {
		text += " " + plural(len(left.Withdrawn), "request was", "requests were") + " withdrawn."
	}
	if len(left.Ended) > 0 {
		text += " " + plural(len(left.Ended), "access that was to begin later was", "accesses that were to begin later were") + " withdrawn."
	}
	if len(left.Grants) > 0 {
		text += " They still hold " + plural(len(left.Grants), "access", "accesses") + "."
	}
	return r.Done("/people/"+string(id), "%s", text)
}

func (s *site) enable(r *Request) error {
	id := identity.PersonID(r.Thing("id"))
	p, err := s.Identity.ChangePerson(r.Context(), r.Actor, id, identity.Change{Disabled: new(false)})
	if err != nil {
		return err
	}
	return r.Done("/people/"+string(id), "%s can sign in again.", p.Name)
}

// leaver is somebody whose access all ends.
type leaver struct {
	dir    directory
	person identity.Person
	rows   []access.Revoked
	note   string
	err    string
	done   bool
}

func (s *site) askRevokeAll(r *Request) error { return s.showRevokeAll(r, http.StatusOK, "") }

func (s *site) showRevokeAll(r *Request, status int, wrong string) error {
	v := leaver{note: r.Value("note"), err: wrong}
	var err error
	if v.person, err = s.Identity.Person(r.Context(), identity.PersonID(r.Thing("id"))); err != nil {
		return err
	}
	if v.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return err
	}
	if v.rows, err = s.Access.RevokeAll(r.Context(), r.Actor, v.person.ID, "", true); err != nil {
		return err
	}
	return r.PageAs(status, leaverHead(v), nil, leaverView(v))
}

func leaverHead(v leaver) ui.Head {
	return ui.Head{Title: "End all access of " + ui.Middle(v.person.Name, longName), Back: []ui.Link{{Name: "People", Href: "/people"}, {Name: ui.Middle(v.person.Name, 40), Href: "/people/" + string(v.person.ID)}}}
}

func (s *site) revokeAll(r *Request) error {
	v := leaver{note: r.Value("note"), done: true}
	var err error
	if v.person, err = s.Identity.Person(r.Context(), identity.PersonID(r.Thing("id"))); err != nil {
		return err
	}
	if !r.Confirmed(v.person.Name) {
		return s.showRevokeAll(r, http.StatusUnprocessableEntity, "This is not the name. Type it as it stands above.")
	}
	if v.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return err
	}
	if v.rows, err = s.Access.RevokeAll(r.Context(), r.Actor, v.person.ID, v.note, false); err != nil {
		return err
	}
	return r.Page(leaverHead(v), nil, leaverView(v))
}

// importSheet is an import and what it would do, or did.
type importSheet struct {
	csv     string
	kind    string // "people" or "groups"
	replace bool
	preview *identity.Imported
	errs    ui.Errors
}

func (s *site) importForm(r *Request) error {
	return s.showImport(r, http.StatusOK, importSheet{kind: cmp.Or(r.Value("kind"), "people")})
}

func (s *site) showImport(r *Request, status int, v importSheet) error {
	return r.PageAs(status, ui.Head{Title: "Import " + v.kind, Back: []ui.Link{{Name: "People", Href: "/people"}}}, nil, importView(v))
}

func (s *site) importPeople(r *Request) error {
	v := importSheet{csv: r.FormValue("csv"), kind: cmp.Or(r.Value("kind"), "people"), replace: r.Value("replace") == "true"}
	if file, _, err := r.FormFile("file"); err == nil {
		defer file.Close()
		text, err := readAll(file)
		if err != nil {
			return err
		}
		if strings.TrimSpace(text) != "" {
			v.csv = text
		}
	}
	dry := r.Value("act") != "import"
	var done identity.Imported
	var err error
	if v.kind == "groups" {
		done, err = s.Identity.ImportGroups(r.Context(), r.Actor, v.csv, v.replace, dry)
	} else {
		done, err = s.Identity.ImportPeople(r.Context(), r.Actor, v.csv, dry)
	}
	if errs, ok := ui.ErrorsOf(err); ok {
		v.errs = errs
		return s.showImport(r, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	if dry {
		v.preview = &done
		return s.showImport(r, http.StatusOK, v)
	}
	return r.Done("/"+v.kind, "Imported: %d added, %d changed, %d as they were.", done.Added, done.Changed, done.Unchanged)
}

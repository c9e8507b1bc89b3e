package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/connection"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
	"github.com/margay-access/margay/internal/workflow"
)

func (s *site) appPages() {
	s.get("/apps", administrators, s.apps)
	s.get("/apps/new", administrators, s.newApp)
	s.post("/apps/new", administrators, s.addApp)
	s.get("/apps/{id}", administrators, s.appPage)
	s.get("/apps/{id}/edit", administrators, s.editApp)
	s.post("/apps/{id}/edit", administrators, s.saveApp)
	s.post("/apps/{id}/roles", administrators, s.addRoles)
	s.get("/roles/{id}/edit", administrators, s.editRole)
	s.post("/roles/{id}/edit", administrators, s.saveRole)
}

// appRow is an app in the list.
type appRow struct {
	access.App
	connection string
	roles      int
}

func (s *site) apps(r *Request) error {
	dir, err := s.directory(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	connections, err := s.Connections.List(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	var rows []appRow
	for _, a := range dir.appsByName() {
		roles, err := s.Access.Roles(r.Context(), a.ID)
		if err != nil {
			return err
		}
		rows = append(rows, appRow{a, connectionName(connections, a.Connection), len(roles)})
	}
	return r.Page(ui.Head{Title: "Apps", Lead: "What people ask access to. An app is bound to one connection and has roles."}, ui.ButtonLink("", "plus", "Add app", "/apps/new"), appsView(dir, rows, len(connections)))
}

func connectionName(all []connection.Connection, id string) string {
	for _, c := range all {
		if c.ID == id {
			return c.DisplayName
		}
	}
	return id
}

// appForm is an app as the form holds it.
type appForm struct {
	dir         directory
	app         access.App
	owners      string // e-mail addresses
	everyRole   bool   // make all roles that the system knows
	method      access.Provisioning
	doers       string // e-mail addresses
	connections []connection.Connection
	policies    []access.Policy
	profiles    []access.Profile
	workflows   []workflow.Workflow
	names       []string // of the roles that everyRole makes
	errs        ui.Errors
	clash       *fault.Error // somebody saved it meanwhile
}

func (s *site) newApp(r *Request) error {
	f := appForm{app: access.App{OnRevoke: access.OnRevokeStrongest, Connection: r.Value("connection")}, everyRole: true}
	policies, err := s.Access.Policies(r.Context())
	if err != nil {
		return err
	}
	if len(policies) == 1 { // most have one: without it nothing can be asked for
		f.app.Policy = policies[0].ID
	}
	return s.showApp(r, http.StatusOK, f)
}

// fillApp reads what the form offers.
func (s *site) fillApp(ctx context.Context, who identity.Actor, f *appForm) error {
	var err error
	if f.dir, err = s.directory(ctx, who); err != nil {
		return err
	}
	if f.connections, err = s.Connections.List(ctx, who); err != nil {
		return err
	}
	if f.policies, err = s.Access.Policies(ctx); err != nil {
		return err
	}
	if f.profiles, err = s.Access.Profiles(ctx); err != nil {
		return err
	}
	all, err := s.Workflows.Workflows(ctx)
	for _, w := range all {
		if w.Published != "" && !w.Archived() {
			f.workflows = append(f.workflows, w)
		}
	}
	if len(f.connections) > 0 && f.names == nil {
		f.names = s.knownRoles(f.connections, cmp.Or(f.app.Connection, f.connections[0].ID))
	}
	return err
}

// knownRoles are the roles that the system behind a connection knows, the
// weakest first.
func (s *site) knownRoles(all []connection.Connection, id string) []string {
	for _, c := range all {
		if c.ID != id {
			continue
		}
		if in, err := s.Registry.Get(c.Integration); err == nil {
			return in.Roles
		}
	}
	return nil
}

func (s *site) showApp(r *Request, status int, f appForm) error {
	if err := s.fillApp(r.Context(), r.Actor, &f); err != nil {
		return err
	}
	head := ui.Head{Title: "Add app", Back: []ui.Link{{Name: "Apps", Href: "/apps"}}}
	if f.app.ID != "" {
		head = ui.Head{Title: "Edit " + ui.Middle(f.app.Name, longName), Back: []ui.Link{{Name: "Apps", Href: "/apps"}, {Name: ui.Middle(f.app.Name, 40), Href: "/apps/" + string(f.app.ID)}}}
	}
	return r.PageAs(status, head, nil, appFormView(f))
}

// appForm reads what was sent over what the app is.
func (s *site) appForm(r *Request, app access.App) (appForm, error) {
	app.Name, app.Policy, app.Profile = r.Value("name"), access.PolicyID(r.Value("policy")), access.ProfileID(r.Value("profile"))
	app.OnRevoke = access.OnRevoke(r.Value("on_revoke"))
	app.Workflows = access.Workflows{Provision: r.Value("provision"), Deprovision: r.Value("deprovision")}
	app.Version = r.version(app.Version)
	if app.ID == "" {
		app.Connection = r.Value("connection")
	}
	f := appForm{app: app, owners: r.Value("owners"), everyRole: r.Value("every_role") == "true", doers: r.Value("doers")}
	f.method = access.Provisioning{Method: access.Method(cmp.Or(r.Value("method"), string(access.MethodWorkflows)))}
	f.app.OwnerGroups, f.method.Groups = nil, nil
	for _, g := range r.Form["owner_group"] {
		f.app.OwnerGroups = append(f.app.OwnerGroups, identity.GroupID(g))
	}
	for _, g := range r.Form["doer_group"] {
		f.method.Groups = append(f.method.Groups, identity.GroupID(g))
	}
	var faults []*fault.Error
	var err error
	if f.app.Owners, err = s.peopleIn(r.Context(), f.owners, "owners", &faults); err != nil {
		return f, err
	}
	if f.method.People, err = s.peopleIn(r.Context(), f.doers, "doers", &faults); err != nil {
		return f, err
	}
	return f, fault.Join(faults...)
}

// peopleIn finds the people whose e-mail addresses stand in a text.
func (s *site) peopleIn(ctx context.Context, text, field string, faults *[]*fault.Error) ([]identity.PersonID, error) {
	var ids []identity.PersonID
	for _, email := range emailsIn(text) {
		p, err := s.Identity.PersonByEmail(ctx, email)
		switch {
		case fault.KindOf(err) == fault.NotFound:
			*faults = append(*faults, fault.Field(field, "There is nobody with the e-mail address %s.", ui.Middle(email, longName)))
		case err != nil:
			return nil, err
		default:
			ids = append(ids, p.ID)
		}
	}
	return ids, nil
}

func (s *site) addApp(r *Request) error {
	f, err := s.appForm(r, access.App{})
	if err != nil {
		return s.appRefused(r, f, err)
	}
	if err := s.installFor(r, f); err != nil {
		return s.appRefused(r, f, err)
	}
	app, err := s.Access.SaveAppWith(r.Context(), r.Actor, f.app, f.method)
	if err != nil {
		return s.appRefused(r, f, err)
	}
	if !f.everyRole {
		return r.Done("/apps/"+string(app.ID), "The app is there. Add its roles.")
	}
	connections, err := s.Connections.List(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	return s.makeRoles(r, app, s.knownRoles(connections, app.Connection))
}

// installFor installs the workflows that the app's system ships, where the form
// names none and they are not there yet.
func (s *site) installFor(r *Request, f appForm) error {
	if f.app.Workflows != (access.Workflows{}) || f.method.Method == access.MethodManual {
		return nil
	}
	in, err := s.Connections.Integration(r.Context(), f.app.Connection)
	if err != nil || len(in.Bundles) == 0 {
		return nil //nolint:nilerr // SaveApp says what is wrong with the connection
	}
	_, err = s.Install(r.Context(), r.Actor, in.Kind, in.Bundles[0].Slug)
	return err
}

func (s *site) appRefused(r *Request, f appForm, err error) error {
	errs, ok := ui.ErrorsOf(err)
	if !ok && slices.Contains([]fault.Kind{fault.Conflict, fault.NotFound}, fault.KindOf(err)) {
		errs, ok = ui.Errors{{Text: fault.Public(err).Message + " " + fault.Public(err).Hint}}, true
	}
	if !ok {
		return err
	}
	names := map[string]string{"connection_id": "connection", "people": "doers"}
	for i, e := range errs {
		if n := names[e.Field]; n != "" {
			errs[i].Field = n
		}
	}
	f.errs = errs
	return s.showApp(r, http.StatusUnprocessableEntity, f)
}

func (s *site) editApp(r *Request) error {
	app, err := s.Access.App(r.Context(), access.AppID(r.Thing("id")))
	if err != nil {
		return err
	}
	dir, err := s.directory(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	f := appForm{app: app, owners: dir.emails(app.Owners)}
	if f.method, err = s.Access.Provisioning(r.Context(), app.ID, ""); err != nil {
		return err
	}
	f.doers = dir.emails(f.method.People)
	return s.showApp(r, http.StatusOK, f)
}

func (d directory) emails(ids []identity.PersonID) string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = d.people[id].Email
	}
	return strings.Join(list, ", ")
}

func (s *site) saveApp(r *Request) error {
	app, err := s.Access.App(r.Context(), access.AppID(r.Thing("id")))
	if err != nil {
		return err
	}
	f, err := s.appForm(r, app)
	if err != nil {
		return s.appRefused(r, f, err)
	}
	_, err = s.Access.SaveAppWith(r.Context(), r.Actor, f.app, f.method)
	if f.clash = clashOf(err); f.clash != nil {
		f.app.Version = app.Version // what is stored has been told
		return s.showApp(r, http.StatusConflict, f)
	}
	if err != nil {
		return s.appRefused(r, f, err)
	}
	return r.Done("/apps/"+string(app.ID), "Saved.")
}

// appSheet is one app with its roles.
type appSheet struct {
	dir        directory
	app        access.App
	connection string
	roles      []access.Role
	policies   map[access.PolicyID]access.Policy
	profiles   map[access.ProfileID]access.Profile
	workflows  map[string]string
	method     access.Provisioning
	missing    []string // roles that the system knows and the app has not
	errs       ui.Errors
}

func (s *site) appPage(r *Request) error { return s.showAppPage(r, http.StatusOK, nil) }

func (s *site) showAppPage(r *Request, status int, errs ui.Errors) error {
	v, err := s.appSheet(r.Context(), r.Actor, access.AppID(r.Thing("id")))
	if err != nil {
		return err
	}
	v.errs = errs
	return r.PageAs(status, ui.Head{Title: ui.Middle(v.app.Name, longName), Back: []ui.Link{{Name: "Apps", Href: "/apps"}}},
		ui.ButtonLink("outline", "pencil", "Edit app", "/apps/"+string(v.app.ID)+"/edit"), appView(v))
}

func (s *site) appSheet(ctx context.Context, who identity.Actor, id access.AppID) (appSheet, error) {
	v := appSheet{policies: map[access.PolicyID]access.Policy{}, profiles: map[access.ProfileID]access.Profile{}, workflows: map[string]string{}}
	var err error
	if v.app, err = s.Access.App(ctx, id); err != nil {
		return v, err
	}
	if v.dir, err = s.directory(ctx, who); err != nil {
		return v, err
	}
	if v.roles, err = s.Access.Roles(ctx, id); err != nil {
		return v, err
	}
	connections, err := s.Connections.List(ctx, who)
	if err != nil {
		return v, err
	}
	v.connection = connectionName(connections, v.app.Connection)
	for _, name := range s.knownRoles(connections, v.app.Connection) {
		if !slices.ContainsFunc(v.roles, func(o access.Role) bool { return o.Name == name }) {
			v.missing = append(v.missing, name)
		}
	}
	policies, err := s.Access.Policies(ctx)
	if err != nil {
		return v, err
	}
	for _, p := range policies {
		v.policies[p.ID] = p
	}
	profiles, err := s.Access.Profiles(ctx)
	if err != nil {
		return v, err
	}
	for _, p := range profiles {
		v.profiles[p.ID] = p
	}
	workflows, err := s.Workflows.Workflows(ctx)
	if err != nil {
		return v, err
	}
	for _, w := range workflows {
		v.workflows[w.ID] = w.Name
	}
	v.method, err = s.Access.Provisioning(ctx, id, "")
	return v, err
}

// who says who may ask for a role.
func (v appSheet) who(o access.Role) string {
	id := o.Profile
	switch {
	case id == access.Everybody, id == "" && v.app.Profile == "":
		return "everybody"
	case id == "":
		id = v.app.Profile
	}
	return v.profiles[id].Name
}

// policyOf is the policy that rules a role.
func (v appSheet) policyOf(o access.Role) access.Policy {
	if o.Policy != "" {
		return v.policies[o.Policy]
	}
	return v.policies[v.app.Policy]
}

func (s *site) addRoles(r *Request) error {
	app, err := s.Access.App(r.Context(), access.AppID(r.Thing("id")))
	if err != nil {
		return err
	}
	names := r.Form["name"]
	if free := r.FormValue("free"); free != "" { // not trimmed: the rules say what is wrong with it
		names = append(names, free)
	}
	if len(names) == 0 {
		return s.showAppPage(r, http.StatusUnprocessableEntity, ui.Errors{{Field: "roles", Text: "Mark the roles to add."}})
	}
	return s.makeRoles(r, app, names)
}

// makeRoles adds roles to an app; those that are there already are left alone.
func (s *site) makeRoles(r *Request, app access.App, names []string) error {
	present, err := s.Access.Roles(r.Context(), app.ID)
	if err != nil {
		return err
	}
	n := 0
	for _, name := range names {
		if slices.ContainsFunc(present, func(o access.Role) bool { return o.Name == name }) {
			continue
		}
		_, err := s.Access.SaveRole(r.Context(), r.Actor, access.Role{App: app.ID, Name: name})
		if errs, ok := ui.ErrorsOf(err); ok && r.Thing("id") != "" {
			return s.showAppPage(r, http.StatusUnprocessableEntity, ui.Errors{{Field: "roles", Text: errs[0].Text}})
		}
		if fault.KindOf(err) == fault.Conflict { // such as: no policy
			return r.DoneAs(ui.Warn, "/apps/"+string(app.ID), "The app is there, without its roles. %s %s", fault.Public(err).Message, fault.Public(err).Hint)
		}
		if err != nil {
			return err
		}
		n++
	}
	return r.Done("/apps/"+string(app.ID), "%s added.", plural(n, "role", "roles"))
}

// roleForm is a role as the form holds it.
type roleForm struct {
	dir       directory
	app       access.App
	role      access.Role
	policies  []access.Policy
	profiles  []access.Profile
	workflows []workflow.Workflow
	method    access.Provisioning
	doers     string
	errs      ui.Errors
	clash     *fault.Error // somebody saved it meanwhile
}

func (s *site) editRole(r *Request) error {
	role, err := s.Access.Role(r.Context(), access.RoleID(r.Thing("id")))
	if err != nil {
		return err
	}
	f := roleForm{role: role}
	if f.method, err = s.Access.Provisioning(r.Context(), role.App, role.ID); err != nil {
		return err
	}
	dir, err := s.directory(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	f.doers = dir.emails(f.method.People)
	return s.showRole(r, http.StatusOK, f)
}

func (s *site) showRole(r *Request, status int, f roleForm) error {
	var a appForm
	if err := s.fillApp(r.Context(), r.Actor, &a); err != nil {
		return err
	}
	f.dir, f.policies, f.profiles, f.workflows = a.dir, a.policies, a.profiles, a.workflows
	f.app = f.dir.apps[f.role.App]
	return r.PageAs(status, ui.Head{
		Title: "Edit " + ui.Middle(f.role.Name, longName),
		Back:  []ui.Link{{Name: "Apps", Href: "/apps"}, {Name: ui.Middle(f.app.Name, 40), Href: "/apps/" + string(f.role.App)}},
	}, nil, roleFormView(f))
}

func (s *site) saveRole(r *Request) error {
	role, err := s.Access.Role(r.Context(), access.RoleID(r.Thing("id")))
	if err != nil {
		return err
	}
	role.Description, role.Policy, role.Profile = r.Value("description"), access.PolicyID(r.Value("policy")), access.ProfileID(r.Value("profile"))
	role.Workflows = access.Workflows{Provision: r.Value("provision"), Deprovision: r.Value("deprovision")}
	role.Closed = r.Value("open") != "true"
	stored := role.Version
	role.Version = r.version(stored)
	f := roleForm{role: role, doers: r.Value("doers"), method: access.Provisioning{Method: access.Method(r.Value("method"))}}
	for _, g := range r.Form["doer_group"] {
		f.method.Groups = append(f.method.Groups, identity.GroupID(g))
	}
	var faults []*fault.Error
	if f.method.People, err = s.peopleIn(r.Context(), f.doers, "doers", &faults); err != nil {
		return err
	}
	if err = fault.Join(faults...); err == nil {
		_, err = s.Access.SaveRoleWith(r.Context(), r.Actor, role, f.method)
	}
	if f.clash = clashOf(err); f.clash != nil {
		f.role.Version = stored // what is stored has been told
		return s.showRole(r, http.StatusConflict, f)
	}
	if errs, ok := ui.ErrorsOf(err); ok {
		for i, e := range errs {
			if e.Field == "people" {
				errs[i].Field = "doers"
			}
		}
		f.errs = errs
		return s.showRole(r, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	return r.Done("/apps/"+string(role.App), "%s is saved.", ui.Middle(role.Name, longName))
}

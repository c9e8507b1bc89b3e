package cli

import (
	"context"
	"strings"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/fault"
)

// directory is what names stand for, read once for each run of the program.
type directory struct {
	people      []wire.Person
	groups      []wire.Group
	apps        []wire.App
	roles       map[string][]wire.Role // by app
	connections []wire.Connection
	policies    []wire.Policy
	workflows   []wire.Workflow
}

// find returns the item that ref names: by its id, or by one of its names
// without regard to case.
func find[T any](what, listing, ref string, items []T, id func(T) string, names func(T) []string) (T, error) {
	var found []T
	for _, item := range items {
		if id(item) == ref {
			return item, nil
		}
		for _, name := range names(item) {
			if strings.EqualFold(name, strings.TrimSpace(ref)) && name != "" {
				found = append(found, item)
				break
			}
		}
	}
	switch len(found) {
	case 0:
		var none T
		return none, fault.New(fault.NotFound, "There is no %s %q.", what, ref).WithCode("not_found").WithHint("List them with: %s", listing)
	case 1:
		return found[0], nil
	}
	ids := make([]string, len(found))
	for i, item := range found {
		ids[i] = id(item)
	}
	return found[0], fault.New(fault.Invalid, "%q names more than one %s.", ref, what).WithCode("ambiguous").
		WithHint("Give the id instead, one of: %s", strings.Join(ids, ", "))
}

func (s *session) people(ctx context.Context) ([]wire.Person, error) {
	if s.known.people != nil {
		return s.known.people, nil
	}
	api, err := s.client()
	if err != nil {
		return nil, err
	}
	page, err := api.People(ctx)
	s.known.people = page.Items
	return page.Items, err
}

// person returns who is meant by an id, an e-mail address, a name, or "me".
func (s *session) person(ctx context.Context, ref string) (wire.Person, error) {
	if ref == "me" {
		api, err := s.client()
		if err != nil {
			return wire.Person{}, err
		}
		return api.Me(ctx)
	}
	people, err := s.people(ctx)
	if err != nil {
		return wire.Person{}, err
	}
	return find("person", "margay person list", ref, people,
		func(p wire.Person) string { return p.ID }, func(p wire.Person) []string { return []string{p.Email, p.Name} })
}

// personID is person for flags: "" stays "".
func (s *session) personID(ctx context.Context, ref string) (string, error) {
	if ref == "" {
		return "", nil
	}
	p, err := s.person(ctx, ref)
	return p.ID, err
}

// personIDs returns who are meant by several.
func (s *session) personIDs(ctx context.Context, refs []string) ([]string, error) {
	ids := make([]string, 0, len(refs))
	for _, ref := range refs {
		p, err := s.person(ctx, ref)
		if err != nil {
			return nil, err
		}
		ids = append(ids, p.ID)
	}
	return ids, nil
}

func (s *session) apps(ctx context.Context) ([]wire.App, error) {
	if s.known.apps != nil {
		return s.known.apps, nil
	}
	api, err := s.client()
	if err != nil {
		return nil, err
	}
	page, err := api.Apps(ctx)
	s.known.apps = page.Items
	return page.Items, err
}

func (s *session) app(ctx context.Context, ref string) (wire.App, error) {
	apps, err := s.apps(ctx)
	if err != nil {
		return wire.App{}, err
	}
	return find("app", "margay app list", ref, apps,
		func(a wire.App) string { return a.ID }, func(a wire.App) []string { return []string{a.Name} })
}

func (s *session) rolesOf(ctx context.Context, app string) ([]wire.Role, error) {
	if roles, ok := s.known.roles[app]; ok {
		return roles, nil
	}
	api, err := s.client()
	if err != nil {
		return nil, err
	}
	page, err := api.Roles(ctx, app)
	if err != nil {
		return nil, err
	}
	if s.known.roles == nil {
		s.known.roles = map[string][]wire.Role{}
	}
	s.known.roles[app] = page.Items
	return page.Items, nil
}

// role returns the role that is meant by APP/ROLE or by its id.
func (s *session) role(ctx context.Context, ref string) (wire.Role, error) {
	// The name of an app may hold a slash; that of a site role does not.
	if i := strings.LastIndex(ref, "/"); i >= 0 {
		app, err := s.app(ctx, ref[:i])
		if err != nil {
			return wire.Role{}, err
		}
		roles, err := s.rolesOf(ctx, app.ID)
		if err != nil {
			return wire.Role{}, err
		}
		return find("role", "margay role list "+quoted(app.Name), ref[i+1:], roles,
			func(r wire.Role) string { return r.ID }, func(r wire.Role) []string { return []string{r.Name} })
	}
	apps, err := s.apps(ctx)
	if err != nil {
		return wire.Role{}, err
	}
	for _, app := range apps {
		roles, err := s.rolesOf(ctx, app.ID)
		if err != nil {
			return wire.Role{}, err
		}
		for _, r := range roles {
			if r.ID == ref {
				return r, nil
			}
		}
	}
	return wire.Role{}, fault.New(fault.NotFound, "There is no role %q.", ref).WithCode("not_found").
		WithHint("Write it as APP/ROLE; list them with: margay role list")
}

// quoted returns name as one word of a shell.
func quoted(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool {
		return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@._-", r)
	}) {
		return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
	}
	return name
}

func (s *session) connections(ctx context.Context) ([]wire.Connection, error) {
	if s.known.connections != nil {
		return s.known.connections, nil
	}
	api, err := s.client()
	if err != nil {
		return nil, err
	}
	page, err := api.Connections(ctx)
	s.known.connections = page.Items
	return page.Items, err
}

// connection returns the connection that is meant by an id, its display name,
// its site or its server. Without a reference it is the only one there is.
func (s *session) connection(ctx context.Context, ref string) (wire.Connection, error) {
	all, err := s.connections(ctx)
	if err != nil {
		return wire.Connection{}, err
	}
	if ref != "" {
		return find("connection", "margay connection list", ref, all, func(c wire.Connection) string { return c.ID },
			func(c wire.Connection) []string {
				return []string{c.DisplayName, c.Settings["site_content_url"], c.Settings["server_url"]}
			})
	}
	switch len(all) {
	case 0:
		return wire.Connection{}, fault.New(fault.NotFound, "There is no connection yet.").WithCode("not_found").
			WithHint("Connect a site with: margay connection add")
	case 1:
		return all[0], nil
	}
	return wire.Connection{}, usage("Name one; list them with: margay connection list", "There are %d connections.", len(all))
}

func (s *session) policies(ctx context.Context) ([]wire.Policy, error) {
	if s.known.policies != nil {
		return s.known.policies, nil
	}
	api, err := s.client()
	if err != nil {
		return nil, err
	}
	page, err := api.Policies(ctx)
	s.known.policies = page.Items
	return page.Items, err
}

func (s *session) policy(ctx context.Context, ref string) (wire.Policy, error) {
	all, err := s.policies(ctx)
	if err != nil {
		return wire.Policy{}, err
	}
	return find("policy", "margay policy list", ref, all,
		func(p wire.Policy) string { return p.ID }, func(p wire.Policy) []string { return []string{p.Name} })
}

func (s *session) workflow(ctx context.Context, ref string) (wire.Workflow, error) {
	if s.known.workflows == nil {
		api, err := s.client()
		if err != nil {
			return wire.Workflow{}, err
		}
		page, err := api.Workflows(ctx)
		if err != nil {
			return wire.Workflow{}, err
		}
		s.known.workflows = page.Items
	}
	return find("workflow", "margay workflow list", ref, s.known.workflows,
		func(w wire.Workflow) string { return w.ID }, func(w wire.Workflow) []string { return []string{w.Name} })
}

// The names of things in tables. Whoever may not read a list, or no longer finds
// a thing on it, sees the id.

func (s *session) personName(ctx context.Context, id string) string {
	people, err := s.people(ctx)
	if err != nil {
		return id
	}
	for _, p := range people {
		if p.ID == id {
			return p.Email
		}
	}
	return id
}

func (s *session) personNames(ctx context.Context, ids []string) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = s.personName(ctx, id)
	}
	return strings.Join(names, ", ")
}

func (s *session) appName(ctx context.Context, id string) string {
	apps, err := s.apps(ctx)
	if err != nil {
		return id
	}
	for _, a := range apps {
		if a.ID == id {
			return a.Name
		}
	}
	return id
}

func (s *session) connectionName(ctx context.Context, id string) string {
	all, err := s.connections(ctx)
	if err != nil {
		return id
	}
	for _, c := range all {
		if c.ID == id {
			return c.DisplayName
		}
	}
	return id
}

func (s *session) policyName(ctx context.Context, id string) string {
	all, err := s.policies(ctx)
	if err != nil {
		return id
	}
	for _, p := range all {
		if p.ID == id {
			return p.Name
		}
	}
	return id
}

package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/margay-access/margay/internal/access"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/web/ui"
)

func (s *site) policyPages() {
	s.get("/policies", administrators, s.policies)
	s.get("/policies/new", administrators, s.newPolicy)
	s.post("/policies/new", administrators, s.savePolicy)
	s.get("/policies/{id}", administrators, s.policyPage)
	s.post("/policies/{id}", administrators, s.savePolicy)
	s.get("/policies/{id}/versions", administrators, s.policyVersions)
	s.get("/profiles", administrators, s.profiles)
	s.get("/profiles/new", administrators, s.newProfile)
	s.post("/profiles/new", administrators, s.saveProfile)
	s.get("/profiles/{id}", administrators, s.profilePage)
	s.post("/profiles/{id}", administrators, s.saveProfile)
}

func (s *site) policies(r *Request) error {
	policies, err := s.Access.Policies(r.Context())
	if err != nil {
		return err
	}
	dir, err := s.directory(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	lead := "Under which rules a role is given: who decides, for how long, with what reason."
	return r.Page(ui.Head{Title: "Policies", Lead: lead}, ui.ButtonLink("", "plus", "Add policy", "/policies/new"), policiesView(dir, policies))
}

// stepForm is one step as the form holds it.
type stepForm struct {
	owners, manager bool
	people          string // e-mail addresses
	groups          []identity.GroupID
	workflow        string
	self            bool
}

// policyForm is a policy as the form holds it.
type policyForm struct {
	dir         directory
	id          access.PolicyID
	version     int
	name        string
	longest     string // "" is without an end
	usual       string
	reason      bool
	onBehalf    string
	waits       string
	steps       []stepForm
	auto        bool
	autoLongest string
	autoGroups  []identity.GroupID
	autoRoles   []access.RoleID
	roles       []namedRole
	workflows   []ui.Option // that may decide
	sentence    string      // of the rule that approves by itself
	impact      *access.Impact
	errs        ui.Errors
	clash       *fault.Error // somebody saved it meanwhile
}

// namedRole is a role with its app.
type namedRole struct {
	id   access.RoleID
	name string
}

// freshSteps is how many steps the form shows beyond those that are there.
const mostSteps = 10

func (s *site) newPolicy(r *Request) error {
	return s.showPolicy(r, http.StatusOK, policyForm{reason: true, usual: "8 h", longest: "30 d", onBehalf: string(access.OnBehalfNobody), steps: []stepForm{{owners: true}}})
}

func (s *site) policyPage(r *Request) error {
	p, err := s.Access.Policy(r.Context(), access.PolicyID(r.Thing("id")))
	if err != nil {
		return err
	}
	dir, err := s.directory(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	return s.showPolicy(r, http.StatusOK, formOf(dir, p))
}

// formOf fills the form with a policy.
func formOf(d directory, p access.Policy) policyForm {
	f := policyForm{id: p.ID, version: p.Version, name: p.Name, reason: p.ReasonNeeded, onBehalf: cmp.Or(string(p.OnBehalf), string(access.OnBehalfNobody))}
	f.longest, f.usual = formLength(p.Longest), formLength(p.Usual)
	if p.Waits != 0 {
		f.waits = formLength(p.Waits)
	}
	for _, st := range p.Steps {
		step := stepForm{self: st.SelfApproval, workflow: st.Workflow}
		var emails []string
		for _, a := range st.Approvers {
			switch {
			case a.AppOwner:
				step.owners = true
			case a.Manager:
				step.manager = true
			case a.Group != "":
				step.groups = append(step.groups, a.Group)
			default:
				emails = append(emails, d.people[a.Person].Email)
			}
		}
		step.people = strings.Join(emails, ", ")
		f.steps = append(f.steps, step)
	}
	if a := p.Auto; a != nil {
		f.auto, f.autoLongest, f.autoGroups, f.autoRoles = true, formLength(a.Longest), a.Groups, a.Roles
	}
	return f
}

func formLength(d time.Duration) string {
	if d == access.Indefinite {
		return ""
	}
	return ui.Length(d)
}

func (s *site) showPolicy(r *Request, status int, f policyForm) error {
	var err error
	if f.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return err
	}
	for _, a := range f.dir.appsByName() {
		roles, err := s.Access.Roles(r.Context(), a.ID)
		if err != nil {
			return err
		}
		for _, o := range roles {
			f.roles = append(f.roles, namedRole{o.ID, o.Name + " in " + a.Name})
		}
	}
	if f.workflows, err = s.deciderWorkflows(r.Context()); err != nil {
		return err
	}
	if len(f.steps) < mostSteps {
		f.steps = append(f.steps, stepForm{})
	}
	head := ui.Head{Title: "Add policy", Back: []ui.Link{{Name: "Policies", Href: "/policies"}}}
	if f.id != "" {
		head.Title, head.Lead = ui.Middle(f.name, longName), fmt.Sprintf("Version %d. Saving makes a new version; what was asked for keeps the one that it was asked under.", max(f.version, 1))
	}
	return r.PageAs(status, head, nil, policyView(f))
}

// deciderWorkflows are the workflows that a step may ask.
func (s *site) deciderWorkflows(ctx context.Context) ([]ui.Option, error) {
	all, err := s.Workflows.Workflows(ctx)
	list := []ui.Option{{Value: "", Label: "None: people decide"}}
	for _, w := range all {
		if string(w.Type) == "custom_approval" && w.Published != "" && !w.Archived() {
			list = append(list, ui.Option{Value: w.ID, Label: short(w.Name)})
		}
	}
	return list, err
}

// policyForm reads what was sent.
func (r *Request) policyForm() policyForm {
	f := policyForm{
		id: access.PolicyID(r.Thing("id")), name: r.Value("name"), longest: r.Value("longest"), usual: r.Value("usual"), reason: r.Value("reason") == "true",
		onBehalf: r.Value("on_behalf"), waits: r.Value("waits"), auto: r.Value("auto") == "true", autoLongest: r.Value("auto_longest"),
	}
	f.version = r.version(0)
	for _, g := range r.Form["auto_group"] {
		f.autoGroups = append(f.autoGroups, identity.GroupID(g))
	}
	for _, o := range r.Form["auto_role"] {
		f.autoRoles = append(f.autoRoles, access.RoleID(o))
	}
	for i := range mostSteps {
		n := strconv.Itoa(i + 1)
		st := stepForm{
			owners: r.Value("step"+n+"_owners") == "true", manager: r.Value("step"+n+"_manager") == "true", self: r.Value("step"+n+"_self") == "true",
			people: r.Value("step" + n + "_people"), workflow: r.Value("step" + n + "_workflow"),
		}
		for _, g := range r.Form["step"+n+"_group"] {
			st.groups = append(st.groups, identity.GroupID(g))
		}
		if !st.blank() {
			f.steps = append(f.steps, st)
		}
	}
	return f
}

// blank says whether nobody is named: such a step is left out.
func (st stepForm) blank() bool {
	return !st.owners && !st.manager && st.people == "" && len(st.groups) == 0 && st.workflow == ""
}

// policy turns the form into a policy, or says what cannot be read.
func (s *site) policy(ctx context.Context, f policyForm) (access.Policy, error) {
	p := access.Policy{ID: f.id, Version: f.version, Name: f.name, ReasonNeeded: f.reason, OnBehalf: access.OnBehalf(f.onBehalf)}
	var faults []*fault.Error
	read := func(field, text string) time.Duration {
		if text == "" {
			return access.Indefinite
		}
		d, err := parseLength(field, text)
		if err != nil {
			faults = append(faults, fault.Public(err))
			return access.Indefinite
		}
		return *d
	}
	p.Longest, p.Usual, p.Waits = read("longest", f.longest), read("usual", f.usual), read("waits", f.waits)
	for i, st := range f.steps {
		step, wrong, err := s.step(ctx, st, "step"+strconv.Itoa(i+1)+"_people")
		if err != nil {
			return p, err
		}
		faults = append(faults, wrong...)
		p.Steps = append(p.Steps, step)
	}
	if f.auto {
		p.Auto = &access.Auto{Longest: read("auto_longest", f.autoLongest), Groups: f.autoGroups, Roles: f.autoRoles}
	}
	return p, fault.Join(faults...)
}

func (s *site) step(ctx context.Context, st stepForm, field string) (access.Step, []*fault.Error, error) {
	step := access.Step{SelfApproval: st.self, Workflow: st.workflow}
	var faults []*fault.Error
	if st.owners {
		step.Approvers = append(step.Approvers, access.Approver{AppOwner: true})
	}
	if st.manager {
		step.Approvers = append(step.Approvers, access.Approver{Manager: true})
	}
	for _, g := range st.groups {
		step.Approvers = append(step.Approvers, access.Approver{Group: g})
	}
	for _, email := range emailsIn(st.people) {
		p, err := s.Identity.PersonByEmail(ctx, email)
		switch {
		case fault.KindOf(err) == fault.NotFound:
			faults = append(faults, fault.Field(field, "There is nobody with the e-mail address %s.", ui.Middle(email, longName)))
		case err != nil:
			return step, nil, err
		default:
			step.Approvers = append(step.Approvers, access.Approver{Person: p.ID})
		}
	}
	return step, faults, nil
}

func emailsIn(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(" ,;\n\t\r", c) })
}

// savePolicy shows what the edit would do, or does it.
func (s *site) savePolicy(r *Request) error {
	f := r.policyForm()
	stored, err := s.policyVersion(r, f.id)
	if err != nil {
		return err
	}
	p, err := s.policy(r.Context(), f)
	if err == nil && r.Value("act") == "save" {
		var saved access.Policy
		if saved, err = s.Access.SavePolicy(r.Context(), r.Actor, p); err == nil {
			return r.Done("/policies/"+string(saved.ID), "Saved as version %d.", saved.Version)
		}
	}
	if err == nil {
		var impact access.Impact
		if impact, err = s.Access.PreviewPolicy(r.Context(), r.Actor, p); err == nil {
			f.impact = &impact
			if f.sentence, err = s.Access.AutoSentence(r.Context(), p); err != nil {
				return err
			}
			return s.showPolicy(r, http.StatusOK, f)
		}
	}
	if f.clash = clashOf(err); f.clash != nil {
		f.version = stored // what is stored has been told
		return s.showPolicy(r, http.StatusConflict, f)
	}
	errs, ok := ui.ErrorsOf(err)
	if !ok && fault.KindOf(err) == fault.Conflict {
		errs, ok = ui.Errors{{Field: "name", Text: fault.Public(err).Message}}, true
	}
	if !ok {
		return err
	}
	f.errs = errs
	return s.showPolicy(r, http.StatusUnprocessableEntity, f)
}

// policyVersion is the version of a policy that is stored; 0: there is none yet.
func (s *site) policyVersion(r *Request, id access.PolicyID) (int, error) {
	if id == "" {
		return 0, nil
	}
	p, err := s.Access.Policy(r.Context(), id)
	return p.Version, err
}

// policyHistory is the versions of a policy and what changed between two.
type policyHistory struct {
	dir      directory
	versions []access.Policy
	from, to int
	changes  []access.PolicyChange
}

func (s *site) policyVersions(r *Request) error {
	id := access.PolicyID(r.Thing("id"))
	var v policyHistory
	var err error
	if v.versions, err = s.Access.PolicyVersions(r.Context(), id); err != nil {
		return err
	}
	if v.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return err
	}
	newest := v.versions[0]
	v.to = numberOr(r.Value("to"), newest.Version)
	v.from = numberOr(r.Value("from"), max(v.to-1, 1))
	if v.changes, err = s.Access.PolicyDiff(r.Context(), id, v.from, v.to); err != nil {
		return err
	}
	head := ui.Head{Title: "Versions of " + ui.Middle(newest.Name, longName), Back: []ui.Link{{Name: "Policies", Href: "/policies"}, {Name: ui.Middle(newest.Name, 40), Href: "/policies/" + string(id)}}}
	return r.Page(head, nil, policyHistoryView(v))
}

func numberOr(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return otherwise
}

// profileForm is a profile as the form holds it.
type profileForm struct {
	dir     directory
	profile access.Profile
	errs    ui.Errors
	clash   *fault.Error // somebody saved it meanwhile
}

func (s *site) profiles(r *Request) error {
	profiles, err := s.Access.Profiles(r.Context())
	if err != nil {
		return err
	}
	dir, err := s.directory(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	return r.Page(ui.Head{Title: "Profiles", Lead: "Who may ask: the members of groups. An app or a role without a profile is for everybody."},
		ui.ButtonLink("", "plus", "Add profile", "/profiles/new"), profilesView(dir, profiles))
}

func (s *site) newProfile(r *Request) error { return s.showProfileOf(r, http.StatusOK, profileForm{}) }

func (s *site) profilePage(r *Request) error {
	p, err := s.Access.Profile(r.Context(), access.ProfileID(r.Thing("id")))
	if err != nil {
		return err
	}
	return s.showProfileOf(r, http.StatusOK, profileForm{profile: p})
}

func (s *site) showProfileOf(r *Request, status int, f profileForm) error {
	var err error
	if f.dir, err = s.directory(r.Context(), r.Actor); err != nil {
		return err
	}
	head := ui.Head{Title: "Add profile", Back: []ui.Link{{Name: "Profiles", Href: "/profiles"}}}
	if f.profile.ID != "" {
		head.Title = ui.Middle(f.profile.Name, longName)
	}
	return r.PageAs(status, head, nil, profileFormView(f))
}

func (s *site) saveProfile(r *Request) error {
	f := profileForm{profile: access.Profile{ID: access.ProfileID(r.Thing("id")), Name: r.Value("name"), WhomToAsk: r.Value("whom_to_ask")}}
	stored := 0
	if f.profile.ID != "" {
		now, err := s.Access.Profile(r.Context(), f.profile.ID)
		if err != nil {
			return err
		}
		stored = now.Version
	}
	f.profile.Version = r.version(stored)
	for _, g := range r.Form["group"] {
		f.profile.Groups = append(f.profile.Groups, identity.GroupID(g))
	}
	p, err := s.Access.SaveProfile(r.Context(), r.Actor, f.profile)
	if err == nil {
		return r.Done("/profiles", "The profile %s is saved.", ui.Middle(p.Name, longName))
	}
	if f.clash = clashOf(err); f.clash != nil {
		f.profile.Version = stored // what is stored has been told
		return s.showProfileOf(r, http.StatusConflict, f)
	}
	errs, ok := ui.ErrorsOf(err)
	if !ok && fault.KindOf(err) == fault.Conflict {
		errs, ok = ui.Errors{{Field: "name", Text: fault.Public(err).Message}}, true
	}
	if !ok {
		return err
	}
	f.errs = errs
	return s.showProfileOf(r, http.StatusUnprocessableEntity, f)
}

func (d directory) groupNames(ids []identity.GroupID) string {
	names := make([]string, len(ids))
	for i, g := range ids {
		names[i] = short(d.group(g))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

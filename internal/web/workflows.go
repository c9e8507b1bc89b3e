package web

import (
	"context"
	"fmt"
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
	"github.com/margay-access/margay/internal/web/ui"
	"github.com/margay-access/margay/internal/workflow"
)

func (s *site) workflowPages() {
	s.get("/workflows", anyone, s.workflowList)
	s.post("/workflows/bundles/{integration}/{slug}/install", administrators, s.installBundle)
	s.get("/workflows/{id}", anyone, s.workflowPage)
	s.get("/workflows/{id}/versions/{version}", administrators, s.workflowVersion)
	s.get("/workflows/{id}/diff", administrators, s.workflowDiff)
	s.post("/workflows/{id}/restore", administrators, s.restoreVersion)
	s.post("/workflows/{id}/update", administrators, s.takeUpdate)
	s.post("/workflows/{id}/duplicate", administrators, s.duplicateWorkflow)
	s.get("/workflows/{id}/archive", administrators, s.askArchive)
	s.post("/workflows/{id}/archive", administrators, s.archiveWorkflow)
	s.post("/workflows/{id}/unarchive", administrators, s.unarchiveWorkflow)
	s.get("/workflows/{id}/settings", administrators, s.workflowSettings)
	s.post("/workflows/{id}/settings", administrators, s.saveSettings)
	s.get("/workflows/{id}/run", anyone, s.runForm)
	s.post("/workflows/{id}/run", anyone, s.runWorkflow)
	s.get("/workflows/{id}/test", administrators, s.testForm)
	s.ask("/workflows/{id}/test", administrators, s.testWorkflow)
	s.workflowEditPages()
}

// typeTexts are the types of workflow in words.
var typeTexts = map[workflow.Type]struct{ word, help string }{
	workflow.Manual:               {"Manual", "A person runs it, with the inputs that it declares."},
	workflow.Scheduled:            {"Scheduled", "The clock runs it."},
	workflow.AccessProvisioning:   {"Access provisioning", "It gives access when a request was approved."},
	workflow.AccessDeprovisioning: {"Access deprovisioning", "It takes access back when that ends."},
	workflow.CustomApproval:       {"Custom approval", "It decides on a request, or names who does."},
}

func typeText(t workflow.Type) string {
	if text, ok := typeTexts[t]; ok {
		return text.word
	}
	return string(t)
}

// workflowRow is one workflow of the list.
type workflowRow struct {
	workflow.Workflow
	version int // number of the published one; 0: none
	draft   bool
	uses    []workflow.Use
	update  int // version of the bundle that it can be updated to
	done    int // runs that ended well, of those that ended
	ended   int
}

// rate is how many of the runs that ended ended well.
func (w workflowRow) rate() string {
	if w.ended == 0 {
		return "–"
	}
	return fmt.Sprintf("%d of %d", w.done, w.ended)
}

// bundleCard is a bundle that an integration ships, and what is installed of it.
type bundleCard struct {
	integration, name, slug, title string
	version                        int
	items                          []bundleItem
	apps                           []access.App // that it can be assigned to
}

// bundleItem is one workflow of a bundle.
type bundleItem struct {
	name      string
	of        workflow.Type
	installed *workflowRow
}

// whole says whether all of the bundle is installed.
func (c bundleCard) whole() bool {
	return !slices.ContainsFunc(c.items, func(i bundleItem) bool { return i.installed == nil || i.installed.Archived() })
}

// flowFilter is what the address of the list asks for.
type flowFilter struct {
	of, tag, text string
	archived      bool
}

// workflowRows is the list of workflows.
type workflowRows struct {
	filter  flowFilter
	rows    []workflowRow
	tags    []string
	bundles []bundleCard
	any     bool // there are workflows at all
}

// startable lists the workflows that somebody who is no administrator may run.
func (s *site) startable(r *Request) error {
	may, err := s.Workflows.Startable(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	head := ui.Head{Title: "Workflows", Lead: "Chores that you may run. Each asks for what it needs to know, and its run shows what it did."}
	return r.Page(head, nil, startableView(may))
}

func (s *site) workflowList(r *Request) error {
	if !r.Actor.Administers() {
		return s.startable(r)
	}
	q := r.URL.Query()
	l := workflowRows{filter: flowFilter{of: q.Get("type"), tag: q.Get("tag"), text: strings.TrimSpace(q.Get("q")), archived: q.Get("archived") == "true"}}
	all, err := s.workflowRows(r.Context(), r.Actor, r)
	if err != nil {
		return err
	}
	tags := map[string]bool{}
	for _, w := range all {
		for _, t := range w.Tags {
			tags[t] = true
		}
		if l.filter.keeps(w.Workflow) {
			l.rows = append(l.rows, w)
		}
	}
	l.any, l.tags = len(all) > 0, slices.Sorted(maps.Keys(tags))
	if l.bundles, err = s.bundleCards(r.Context(), r.Actor, all); err != nil {
		return err
	}
	head := ui.Head{Title: "Workflows", Lead: "TypeScript that gives access, takes it back, decides and does chores: versioned, and run with no credential in sight."}
	return r.Page(head, ui.ButtonLink("", "plus", "New workflow", "/workflows/new"), workflowsView(l))
}

func (f flowFilter) keeps(w workflow.Workflow) bool {
	return (f.of == "" || string(w.Type) == f.of) && (f.tag == "" || slices.Contains(w.Tags, f.tag)) && w.Archived() == f.archived &&
		strings.Contains(strings.ToLower(w.Name+" "+w.Description), strings.ToLower(f.text))
}

// countedFor is how far back the runs of a workflow are counted.
const countedFor = 30 * day

func (s *site) workflowRows(ctx context.Context, who identity.Actor, r *Request) ([]workflowRow, error) {
	all, err := s.Workflows.Workflows(ctx)
	if err != nil {
		return nil, err
	}
	tallies, err := s.Workflows.Tallies(ctx, who, workflow.RunFilter{
		Since: r.Now.Add(-countedFor), States: []workflow.RunState{workflow.RunDone, workflow.RunFailed, workflow.RunUnknown, workflow.RunCrashed},
	})
	if err != nil {
		return nil, err
	}
	rows := make([]workflowRow, 0, len(all))
	for _, w := range all {
		row := workflowRow{Workflow: w, update: s.Workflows.Available(w)}
		for _, t := range tallies {
			if t.Workflow != w.ID {
				continue
			}
			if row.ended += t.Runs; t.State == workflow.RunDone {
				row.done += t.Runs
			}
		}
		if w.Published != "" {
			v, err := s.Workflows.Published(ctx, w.ID)
			if err != nil {
				return nil, err
			}
			row.version = v.Number
		}
		d, err := s.Workflows.Draft(ctx, who, w.ID)
		if err != nil {
			return nil, err
		}
		row.draft = d != nil
		if row.uses, err = s.Workflows.Uses(ctx, who, w.ID); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b workflowRow) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return rows, nil
}

func (s *site) bundleCards(ctx context.Context, who identity.Actor, rows []workflowRow) ([]bundleCard, error) {
	apps, err := s.Access.Apps(ctx)
	if err != nil {
		return nil, err
	}
	connections, err := s.Connections.List(ctx, who)
	if err != nil {
		return nil, err
	}
	var cards []bundleCard
	for _, in := range s.Registry.All() {
		for _, b := range in.Bundles {
			card := bundleCard{integration: in.Kind, name: in.Name, slug: b.Slug, title: b.Name, version: b.Version}
			for _, bw := range b.Workflows {
				item := bundleItem{name: bw.Name, of: workflow.Type(bw.Type)}
				at := slices.IndexFunc(rows, func(w workflowRow) bool {
					return w.Origin.Bundle == in.Kind+"/"+b.Slug && w.Origin.Workflow == bw.Slug
				})
				if at >= 0 {
					item.installed = &rows[at]
				}
				card.items = append(card.items, item)
			}
			for _, a := range apps { // only apps of the system that the workflows are for
				if slices.ContainsFunc(connections, func(c connection.Connection) bool { return c.ID == a.Connection && c.Integration == in.Kind }) {
					card.apps = append(card.apps, a)
				}
			}
			cards = append(cards, card)
		}
	}
	return cards, nil
}

// appOptions lists the apps that a bundle can be assigned to.
func (c bundleCard) appOptions() []ui.Option {
	var options []ui.Option
	for _, a := range c.apps {
		options = append(options, ui.Option{Value: string(a.ID), Label: short(a.Name)})
	}
	return append(options, ui.Option{Label: "No app for now"})
}

func (s *site) installBundle(r *Request) error {
	app := access.AppID(r.Value("app"))
	if app != "" { // before anything is installed
		if _, err := s.Access.App(r.Context(), app); err != nil {
			return err
		}
	}
	ws, err := s.Install(r.Context(), r.Actor, r.Thing("integration"), r.Thing("slug"))
	if err != nil {
		return err
	}
	if app == "" {
		return r.Done("/workflows", "Both workflows are installed and published. Choose them on an app to use them.")
	}
	var pair access.Workflows
	for _, w := range ws {
		switch w.Type {
		case workflow.AccessProvisioning:
			pair.Provision = w.ID
		case workflow.AccessDeprovisioning:
			pair.Deprovision = w.ID
		case workflow.Manual, workflow.Scheduled, workflow.CustomApproval:
		}
	}
	a, err := s.Access.AssignWorkflows(r.Context(), r.Actor, app, nil, pair)
	if err != nil {
		return err
	}
	return r.Done("/workflows", "The workflows are installed, published and assigned to %s.", a.Name)
}

// workflowSheet is one workflow with all that its page shows.
type workflowSheet struct {
	workflow.Workflow
	dir         directory
	draft       *workflow.Draft
	published   workflow.Version
	versions    []workflow.Version
	uses        []workflow.Use
	update      int
	connections map[string]string // names by id
	mayRun      error             // why who looks may not run it; nil: they may
	admin       bool
	archive     ui.Question
}

func (s *site) workflowSheet(r *Request) (workflowSheet, error) {
	v := workflowSheet{admin: r.Actor.Administers(), connections: map[string]string{}}
	ctx := r.Context()
	var err error
	if v.Workflow, err = s.Workflows.Workflow(ctx, r.Thing("id")); err != nil {
		return v, err
	}
	if v.dir, err = s.directory(ctx, r.Actor); err != nil {
		return v, err
	}
	v.mayRun = s.Workflows.MayStart(ctx, r.Actor, v.Workflow)
	if v.Published != "" && (v.admin || v.mayRun == nil) {
		if v.published, err = s.Workflows.Published(ctx, v.ID); err != nil {
			return v, err
		}
	}
	if !v.admin {
		if v.mayRun != nil {
			return v, v.mayRun
		}
		return v, nil
	}
	if v.draft, err = s.Workflows.Draft(ctx, r.Actor, v.ID); err != nil {
		return v, err
	}
	if v.versions, err = s.Workflows.Versions(ctx, r.Actor, v.ID); err != nil {
		return v, err
	}
	if v.uses, err = s.Workflows.Uses(ctx, r.Actor, v.ID); err != nil {
		return v, err
	}
	v.update = s.Workflows.Available(v.Workflow)
	list, err := s.Connections.List(ctx, r.Actor)
	for _, c := range list {
		v.connections[c.ID] = c.DisplayName
	}
	v.archive = ui.Question{
		ID: "archive", Title: "Archive " + ui.Middle(v.Name, longName) + "?", Action: "/workflows/" + v.ID + "/archive", Back: "/workflows/" + v.ID,
		Effect: "Nobody can choose or run it any more. Its versions and runs stay, and it can be brought back.", Button: "Archive workflow", Busy: "Archiving…",
		Command: "margay workflow archive " + v.ID,
	}
	return v, err
}

func (v workflowSheet) back() []ui.Link { return []ui.Link{{Name: "Workflows", Href: "/workflows"}} }

func (v workflowSheet) below() []ui.Link {
	return append(v.back(), ui.Link{Name: ui.Middle(v.Name, longName), Href: "/workflows/" + v.ID})
}

func (s *site) workflowPage(r *Request) error {
	v, err := s.workflowSheet(r)
	if err != nil {
		return err
	}
	if !v.admin {
		return s.showRunForm(r, http.StatusOK, v, inputForm{})
	}
	return r.Page(ui.Head{Title: v.Name, Lead: v.Description, Back: v.back()}, workflowActs(v), workflowView(v))
}

// versionSheet is one version of a workflow.
type versionSheet struct {
	workflowSheet
	version workflow.Version
}

func (s *site) workflowVersion(r *Request) error {
	v, err := s.workflowSheet(r)
	if err != nil {
		return err
	}
	version, err := s.Workflows.Version(r.Context(), r.Actor, v.ID, r.Thing("version"))
	if err != nil {
		return err
	}
	head := ui.Head{Title: "Version " + strconv.Itoa(version.Number), Lead: version.Note, Back: v.below()}
	return r.Page(head, nil, versionView(versionSheet{v, version}))
}

// diffSheet is how one content of a workflow became another.
type diffSheet struct {
	workflowSheet
	workflow.Diff
	from, to string
}

func (s *site) workflowDiff(r *Request) error {
	v, err := s.workflowSheet(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	d := diffSheet{workflowSheet: v, from: q.Get("from"), to: q.Get("to")}
	if d.Diff, err = s.Workflows.Diff(r.Context(), r.Actor, v.ID, d.from, d.to); err != nil {
		return err
	}
	return r.Page(ui.Head{Title: "What changed", Lead: "From " + d.From + " to " + d.To, Back: v.below()}, nil, diffView(d))
}

// refs are the contents that can be compared.
func (v workflowSheet) refs() []ui.Option {
	var options []ui.Option
	if v.draft != nil {
		options = append(options, ui.Option{Value: workflow.RefDraft, Label: "The draft"})
	}
	for _, ver := range v.versions {
		label := "Version " + strconv.Itoa(ver.Number)
		if ver.Hash == v.Published {
			label += " (published)"
		}
		options = append(options, ui.Option{Value: strconv.Itoa(ver.Number), Label: label})
	}
	if v.Origin.Bundle != "" {
		options = append(options, ui.Option{Value: workflow.RefShipped, Label: "As the bundle ships it now"})
	}
	return options
}

// folded leaves out of rows what is the same on both sides and far from any
// change.
func folded(rows []workflow.Row) [][]workflow.Row {
	const near = 3
	var parts [][]workflow.Row
	last := -1
	for i, row := range rows {
		if !slices.ContainsFunc(rows[max(0, i-near):min(len(rows), i+near+1)], func(r workflow.Row) bool { return r.Change != workflow.LineSame }) {
			continue
		}
		if last < 0 || last != i-1 {
			parts = append(parts, nil)
		}
		last = i
		parts[len(parts)-1] = append(parts[len(parts)-1], row)
	}
	return parts
}

// diffLine is one line of a diff as a page shows it.
type diffLine struct {
	change workflow.LineChange
	left   int
	right  int
	text   string
}

// linesOf puts the removed lines of a change before the added ones.
func linesOf(rows []workflow.Row) []diffLine {
	var out, added []diffLine
	flush := func() { out, added = append(out, added...), nil }
	for _, r := range rows {
		switch r.Change {
		case workflow.LineSame:
			flush()
			out = append(out, diffLine{r.Change, r.LeftNumber, r.RightNumber, r.Left})
		case workflow.LineRemoved:
			out = append(out, diffLine{workflow.LineRemoved, r.LeftNumber, 0, r.Left})
		case workflow.LineAdded:
			added = append(added, diffLine{workflow.LineAdded, 0, r.RightNumber, r.Right})
		case workflow.LineReplaced:
			out = append(out, diffLine{workflow.LineRemoved, r.LeftNumber, 0, r.Left})
			added = append(added, diffLine{workflow.LineAdded, 0, r.RightNumber, r.Right})
		}
	}
	flush()
	return out
}

func (s *site) restoreVersion(r *Request) error {
	w, err := s.Workflows.Restore(r.Context(), r.Actor, r.Thing("id"), r.Value("version"))
	if err != nil {
		return err
	}
	return r.Done("/workflows/"+w.ID+"/edit", "The draft is as version %s was. Publish it to make it the one that runs.", r.Value("version"))
}

func (s *site) takeUpdate(r *Request) error {
	w, err := s.Workflows.TakeUpdate(r.Context(), r.Actor, r.Thing("id"))
	if err != nil {
		return err
	}
	return r.Done("/workflows/"+w.ID+"/publish", "The draft is as the bundle ships it now. Look at what changes, and publish it.")
}

func (s *site) duplicateWorkflow(r *Request) error {
	w, err := s.Workflows.Duplicate(r.Context(), r.Actor, r.Thing("id"), r.Value("name"))
	if err != nil {
		return err
	}
	return r.Done("/workflows/"+w.ID, "This is the copy. It is a draft: nothing uses it yet.")
}

func (s *site) askArchive(r *Request) error {
	v, err := s.workflowSheet(r)
	if err != nil {
		return err
	}
	return r.Page(ui.Head{Title: v.archive.Title, Back: v.below()}, nil, ui.AskPage(v.archive))
}

func (s *site) archiveWorkflow(r *Request) error {
	w, err := s.Workflows.Archive(r.Context(), r.Actor, r.Thing("id"))
	if err != nil {
		return err
	}
	return r.Done("/workflows", "%s is archived.", w.Name)
}

func (s *site) unarchiveWorkflow(r *Request) error {
	w, err := s.Workflows.Unarchive(r.Context(), r.Actor, r.Thing("id"))
	if err != nil {
		return err
	}
	return r.Done("/workflows/"+w.ID, "%s is back.", w.Name)
}

// settingsForm is what surrounds a workflow's text, to be changed.
type settingsForm struct {
	workflowSheet
	name, description, tags, connection, starters string
	groups                                        []string
	paused                                        bool
	errs                                          ui.Errors
}

func (s *site) workflowSettings(r *Request) error {
	v, err := s.workflowSheet(r)
	if err != nil {
		return err
	}
	f := settingsForm{
		workflowSheet: v, name: v.Name, description: v.Description, tags: strings.Join(v.Tags, ", "), connection: v.Connection, starters: "administrators",
		groups: v.Starters.Groups, paused: v.Paused,
	}
	switch {
	case v.Starters.Anybody:
		f.starters = "anybody"
	case len(v.Starters.Groups) > 0:
		f.starters = "groups"
	}
	return s.showSettings(r, http.StatusOK, f)
}

func (s *site) showSettings(r *Request, status int, f settingsForm) error {
	return r.PageAs(status, ui.Head{Title: "Settings", Lead: "They hold at once, and not for runs that are under way.", Back: f.below()}, nil, settingsView(f))
}

func (s *site) saveSettings(r *Request) error {
	v, err := s.workflowSheet(r)
	if err != nil {
		return err
	}
	f := settingsForm{
		workflowSheet: v, name: r.Value("name"), description: r.Value("description"), tags: r.Value("tags"), connection: r.Value("connection_id"),
		starters: r.Value("starters"), groups: r.Form["group"], paused: r.Value("paused") == "true",
	}
	tags := tagsOf(f.tags)
	c := workflow.Settings{Name: &f.name, Description: &f.description, Tags: &tags}
	if v.byItself() {
		c.Connection = &f.connection
	}
	switch v.Type {
	case workflow.Manual:
		c.Starters = &workflow.Starters{Anybody: f.starters == "anybody"}
		if f.starters == "groups" {
			c.Starters.Groups = f.groups
		}
	case workflow.Scheduled:
		c.Paused = &f.paused
	case workflow.AccessProvisioning, workflow.AccessDeprovisioning, workflow.CustomApproval:
	}
	if _, err = s.Workflows.Configure(r.Context(), r.Actor, v.ID, c); err != nil {
		if errs, ok := flowErrors(err, "name"); ok {
			f.errs = errs
			return s.showSettings(r, http.StatusUnprocessableEntity, f)
		}
		return err
	}
	return r.Done("/workflows/"+v.ID, "The settings are saved.")
}

// byItself says whether the workflow runs on its own, not for a request or a
// grant.
func (v workflowSheet) byItself() bool { return ranByItself(v.Type) }

func ranByItself(t workflow.Type) bool { return t == workflow.Manual || t == workflow.Scheduled }

func tagsOf(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(" ,;\t\n", c) })
}

// flowErrors is [ui.ErrorsOf], with a name that is taken as one of the field.
func flowErrors(err error, name string) (ui.Errors, bool) {
	if f := fault.Public(err); f.Code == "exists" {
		return ui.Errors{{Field: name, Text: f.Message}}, true
	}
	return ui.ErrorsOf(err)
}

func (s *site) connectionOptions(r *Request, kind string) ([]ui.Option, error) {
	list, err := s.Connections.List(r.Context(), r.Actor)
	var options []ui.Option
	for _, c := range list {
		if kind == "" || c.Integration == kind {
			options = append(options, ui.Option{Value: c.ID, Label: ui.Middle(c.DisplayName, longName)})
		}
	}
	return options, err
}

func useHref(u workflow.Use) string {
	switch u.Kind {
	case "app":
		return "/apps/" + url.PathEscape(u.ID)
	case "policy":
		return "/policies/" + url.PathEscape(u.ID)
	}
	return ""
}

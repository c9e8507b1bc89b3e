package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/server"
)

// workflowDetail finds the workflow that ref means and reads it whole.
func (s *session) workflowDetail(ctx context.Context, ref string) (*client.Client, wire.WorkflowDetail, error) {
	w, err := s.workflow(ctx, ref)
	if err != nil {
		return nil, wire.WorkflowDetail{}, err
	}
	api, err := s.client()
	if err != nil {
		return nil, wire.WorkflowDetail{}, err
	}
	d, err := api.Workflow(ctx, w.ID)
	return api, d, err
}

// assignment is to whom installed workflows are assigned.
func (s *session) assignment(ctx context.Context, app string, roles []string) (wire.InstalledBundle, error) {
	if app == "" {
		if len(roles) > 0 {
			return wire.InstalledBundle{}, usage("Name the app too: --app APP", "--role goes with --app.")
		}
		return wire.InstalledBundle{}, nil
	}
	a, err := s.app(ctx, app)
	if err != nil {
		return wire.InstalledBundle{}, err
	}
	ids, err := s.roleIDsOf(ctx, a, roles)
	return wire.InstalledBundle{AppID: a.ID, RoleIDs: ids}, err
}

func (s *session) roleIDsOf(ctx context.Context, a wire.App, names []string) ([]string, error) {
	var ids []string
	for _, name := range names {
		r, err := s.role(ctx, a.Name+"/"+name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, r.ID)
	}
	return ids, nil
}

func (s *session) detailView() view[wire.WorkflowDetail] {
	return view[wire.WorkflowDetail]{
		id: func(w wire.WorkflowDetail) string { return w.ID },
		details: func(w wire.WorkflowDetail) []detail {
			d := []detail{
				{"Id", text(w.ID)},
				{"Name", text(w.Name)},
				{"Type", text(strings.ReplaceAll(w.Type, "_", " "))},
				{"Description", text(w.Description)},
				{"Tags", text(strings.Join(w.Tags, " "))},
				{"Connection", text(w.ConnectionID)},
				{"Published", text(w.Version)},
				{"Revision", text(strconv.Itoa(w.Revision))},
			}
			if w.Bundle != "" {
				d = append(d, detail{"Bundle", text(fmt.Sprintf("%s, version %d", w.Bundle, w.BundleVersion))})
			}
			if w.UpdateAvailable > 0 {
				d = append(d, detail{"Update", text(fmt.Sprintf("version %d of the bundle is available", w.UpdateAvailable))})
			}
			if w.Published != nil && w.Published.Schedule != nil {
				d = append(d, detail{"Schedule", text(w.Published.Schedule.Cron + " in " + w.Published.Schedule.Zone)})
			}
			if w.NextRunAt != nil {
				d = append(d, detail{"Next run", s.exact(*w.NextRunAt)})
			}
			for _, u := range w.Uses {
				d = append(d, detail{"Used by", text(u.Kind + " " + u.Name)})
			}
			if w.Draft != nil {
				d = append(d, detail{"Draft", s.exact(w.Draft.SavedAt)})
				for _, p := range w.Draft.Problems {
					d = append(d, detail{"Draft problem", text(fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message))})
				}
			}
			return d
		},
	}
}

func newWorkflowShow(s *session) *cobra.Command {
	var source bool
	var version string
	cmd := &cobra.Command{
		Use: "show WORKFLOW", Short: "Show one workflow; --source prints its text",
		Example: "margay workflow show \"Weekly seats\" --source",
		RunE: func(cmd *cobra.Command, args []string) error {
			_, w, err := s.workflowDetail(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if !source {
				return show(s, w, s.detailView())
			}
			var shown string
			switch {
			case version == "" && w.Draft != nil:
				shown = w.Draft.Source
			case w.Published != nil:
				shown = w.Published.Source
			}
			_, err = fmt.Fprint(s.out, shown)
			return err
		},
	}
	cmd.Flags().BoolVar(&source, "source", false, "print the text: of the draft, or of what is published")
	cmd.Flags().StringVar(&version, "version", "", "with --source: published, not the draft")
	return cmd
}

// contentForm is what makes a content from files.
type contentForm struct {
	file, inputs, cron, zone string
}

func (f *contentForm) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "file", "", "the TypeScript: a file, or - for standard input")
	cmd.Flags().StringVar(&f.inputs, "input-schema", "", "JSON schema of the inputs: a file")
	cmd.Flags().StringVar(&f.cron, "cron", "", `when it runs: "0 7 * * MON"`)
	cmd.Flags().StringVar(&f.zone, "zone", "", "time zone of --cron: Europe/Berlin")
}

// over returns the content with what the form gives.
func (f *contentForm) over(s *session, c wire.WorkflowContent) (wire.WorkflowContent, error) {
	if f.file != "" {
		source, err := s.readInput(f.file)
		if err != nil {
			return c, err
		}
		c.Source = source
	}
	if f.inputs != "" {
		schema, err := s.readInput(f.inputs)
		if err != nil {
			return c, err
		}
		if !json.Valid([]byte(schema)) {
			return c, usage("", "%s is not JSON.", f.inputs)
		}
		c.Inputs = json.RawMessage(schema)
	}
	if f.cron != "" {
		c.Schedule = &wire.Schedule{Cron: f.cron, Zone: f.zone}
	}
	return c, nil
}

func newWorkflowNew(s *session) *cobra.Command {
	var in wire.NewWorkflow
	var form contentForm
	var connection string
	cmd := &cobra.Command{
		Use: "new NAME", Short: "Make a workflow with a draft",
		Example: `margay workflow new "Weekly seats" --type scheduled --connection acme --cron "0 7 * * MON" --file seats.ts`,
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Name = args[0]
			c, err := form.over(s, wire.WorkflowContent{})
			if err != nil {
				return err
			}
			in.Source, in.Inputs, in.Schedule = c.Source, c.Inputs, c.Schedule
			if connection != "" {
				found, err := s.connection(cmd.Context(), connection)
				if err != nil {
					return err
				}
				in.ConnectionID = found.ID
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			w, err := api.CreateWorkflow(cmd.Context(), in)
			return s.changed("Made", w, err)
		},
	}
	form.flags(cmd)
	cmd.Flags().StringVar(&in.Type, "type", "manual", "manual, scheduled, access_provisioning, access_deprovisioning or custom_approval")
	cmd.Flags().StringVar(&in.Integration, "integration", "tableau", "whose functions it may call")
	cmd.Flags().StringVar(&connection, "connection", "", "whose system a manual or scheduled one calls")
	cmd.Flags().StringVar(&in.Description, "description", "", "what it does")
	cmd.Flags().StringSliceVar(&in.Tags, "tag", nil, "a word to find it by")
	cmd.Flags().BoolVar(&in.Starters.Anybody, "anybody", false, "everybody may run it")
	return cmd
}

// changed tells what an act made of a workflow.
func (s *session) changed(what string, w wire.WorkflowDetail, err error) error {
	if err != nil {
		return err
	}
	s.known.workflows = nil
	if s.format != formatTable {
		return show(s, w, s.detailView())
	}
	s.tell(markDone, what, w.ID, w.Name)
	if w.Draft != nil {
		for _, p := range w.Draft.Problems {
			s.warn("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
		}
	}
	return nil
}

// syntaxFine says how far the text of a workflow was checked.
const syntaxFine = "The syntax is fine. " + server.TypesUnchecked

// saved tells what an act made of the text of a workflow, and how far it was
// checked.
func (s *session) saved(what string, w wire.WorkflowDetail, err error) error {
	if err := s.changed(what, w, err); err != nil {
		return err
	}
	if s.format == formatTable && (w.Draft == nil || len(w.Draft.Problems) == 0) {
		fmt.Fprintln(s.err, syntaxFine)
	}
	return nil
}

// published says which version there is now.
func published(w wire.WorkflowDetail) string {
	if w.Published == nil {
		return "Published"
	}
	return fmt.Sprintf("Published version %d", w.Published.Number)
}

func newWorkflowAssign(s *session) *cobra.Command {
	var provision, deprovision string
	var roles []string
	cmd := &cobra.Command{
		Use: "assign APP", Short: "Choose the workflows that carry out an app's roles",
		Example: "margay workflow assign tableau --provision \"Provision User to Tableau\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := s.app(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			in := wire.AssignedWorkflows{}
			for _, w := range []struct {
				ref string
				id  *string
			}{{provision, &in.ProvisionWorkflowID}, {deprovision, &in.DeprovisionWorkflowID}} {
				if w.ref == "" {
					continue
				}
				if *w.id, err = s.workflowID(cmd.Context(), w.ref); err != nil {
					return err
				}
			}
			if in.RoleIDs, err = s.roleIDsOf(cmd.Context(), a, roles); err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			if _, err := api.AssignWorkflows(cmd.Context(), a.ID, in); err != nil {
				return err
			}
			s.tell(markDone, "Assigned", a.ID, a.Name)
			return nil
		},
	}
	cmd.Flags().StringVar(&provision, "provision", "", "the workflow that gives access")
	cmd.Flags().StringVar(&deprovision, "deprovision", "", "the workflow that takes it back")
	cmd.Flags().StringSliceVar(&roles, "role", nil, "for these roles alone, by name")
	return cmd
}

func newWorkflowSet(s *session) *cobra.Command {
	var name, description, connection string
	var tags, groups []string
	var anybody, paused bool
	cmd := &cobra.Command{
		Use: "set WORKFLOW", Short: "Rename, describe, tag, connect or pause a workflow",
		Example: "margay workflow set \"Weekly seats\" --paused",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needChange(cmd); err != nil {
				return err
			}
			api, w, err := s.workflowDetail(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			in := wire.ChangedWorkflow{
				Name: given(cmd, "name", name), Description: given(cmd, "description", description), Tags: given(cmd, "tag", tags), Paused: given(cmd, "paused", paused),
			}
			if cmd.Flags().Changed("anybody") {
				in.Starters = &wire.Starters{Anybody: anybody, GroupIDs: w.Starters.GroupIDs}
			}
			if cmd.Flags().Changed("starter-group") {
				ids, err := s.groupIDs(cmd.Context(), groups)
				if err != nil {
					return err
				}
				may := w.Starters.Anybody
				if in.Starters != nil {
					may = in.Starters.Anybody
				}
				in.Starters = &wire.Starters{Anybody: may, GroupIDs: ids}
			}
			if cmd.Flags().Changed("connection") {
				found, err := s.connection(cmd.Context(), connection)
				if err != nil {
					return err
				}
				in.ConnectionID = &found.ID
			}
			w, err = api.ChangeWorkflow(cmd.Context(), w.ID, in)
			return s.changed("Changed", w, err)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "another name")
	cmd.Flags().StringVar(&description, "description", "", "what it does")
	cmd.Flags().StringSliceVar(&tags, "tag", nil, "all its tags")
	cmd.Flags().StringVar(&connection, "connection", "", "whose system it calls")
	cmd.Flags().BoolVar(&anybody, "anybody", false, "everybody may run it, a manual one")
	cmd.Flags().StringSliceVar(&groups, "starter-group", nil, "all groups whose members may run it, a manual one")
	cmd.Flags().BoolVar(&paused, "paused", false, "it does not run by itself for now")
	return cmd
}

// seenContent is what an author sees: the draft, or what is published.
func seenContent(w wire.WorkflowDetail) wire.WorkflowContent {
	switch {
	case w.Draft != nil:
		return w.Draft.WorkflowContent
	case w.Published != nil:
		return w.Published.WorkflowContent
	}
	return wire.WorkflowContent{}
}

func newWorkflowEdit(s *session) *cobra.Command {
	var form contentForm
	cmd := &cobra.Command{
		Use: "edit WORKFLOW", Short: "Save a draft: from $EDITOR, or from --file",
		Example: "margay workflow edit \"Weekly seats\" --file seats.ts",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, w, err := s.workflowDetail(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			before := seenContent(w)
			c, err := form.over(s, before)
			if err != nil {
				return err
			}
			if form == (contentForm{}) {
				if c.Source, err = s.inEditor(cmd.Context(), c); err != nil {
					return err
				}
			}
			w, err = api.SaveDraft(cmd.Context(), w.ID, wire.SavedDraft{Revision: w.Revision, WorkflowContent: c})
			return s.saved("Draft saved", w, err)
		},
	}
	form.flags(cmd)
	return cmd
}

// inEditor lets the user edit the text in $EDITOR.
func (s *session) inEditor(ctx context.Context, c wire.WorkflowContent) (string, error) {
	editor := strings.Fields(os.Getenv("EDITOR"))
	if len(editor) == 0 {
		return "", usage("Set EDITOR, or give a file: --file", "There is no editor: EDITOR is not set.")
	}
	dir, err := os.MkdirTemp("", "margay-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "index.ts")
	if err := os.WriteFile(path, []byte(c.Source), 0o600); err != nil {
		return "", err
	}
	run := exec.CommandContext(ctx, editor[0], append(editor[1:], path)...) //nolint:gosec // the user's own editor
	run.Stdin, run.Stdout, run.Stderr = s.in, s.err, s.err
	if err := run.Run(); err != nil {
		return "", fault.New(fault.Invalid, "The editor ended badly: %v.", err).WithCode("editor").WithHint("Nothing was saved.")
	}
	text, err := os.ReadFile(path) //nolint:gosec // made above
	return string(text), err
}

func newWorkflowDiff(s *session) *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use: "diff WORKFLOW", Short: "Compare two contents of a workflow",
		Long: "Compare two contents of a workflow: draft, published, installed (as the bundle shipped it),\n" +
			"shipped (as the bundle ships it now), or a version by its number.",
		Example: "margay workflow diff \"Provision User to Tableau\" --to shipped",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, w, err := s.workflowDetail(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			d, err := api.DiffWorkflow(cmd.Context(), w.ID, from, to)
			if err != nil {
				return err
			}
			if s.format != formatTable {
				return s.encode(d)
			}
			return s.printDiff(d)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "default: published")
	cmd.Flags().StringVar(&to, "to", "", "default: the draft, else published")
	return cmd
}

// printDiff writes a diff as diff -u does.
func (s *session) printDiff(d wire.WorkflowDiff) error {
	for _, f := range d.Files {
		for line := range strings.Lines(f.Unified) {
			if _, err := fmt.Fprintln(s.out, visible(strings.TrimSuffix(line, "\n"))); err != nil {
				return err
			}
		}
	}
	for _, m := range d.Modules {
		if _, err := fmt.Fprintln(s.out, "The module "+visible(m)+" differs."); err != nil {
			return err
		}
	}
	return nil
}

func newWorkflowPublish(s *session) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use: "publish WORKFLOW", Short: "Make the draft the published version",
		Example: "margay workflow publish \"Weekly seats\" --note \"counts Explorers too\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, w, err := s.workflowDetail(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			w, err = api.PublishWorkflow(cmd.Context(), w.ID, wire.Publication{Revision: w.Revision, Note: note})
			return s.changed(published(w), w, err)
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "what is new")
	return cmd
}

// workflowAct is a command that does one act to a workflow.
func workflowAct(s *session, use, short, done string, act func(ctx context.Context, api *client.Client, w wire.WorkflowDetail) (wire.WorkflowDetail, error)) *cobra.Command {
	return &cobra.Command{
		Use: use + " WORKFLOW", Short: short,
		Example: "margay workflow " + use + " \"Weekly seats\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, w, err := s.workflowDetail(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			w, err = act(cmd.Context(), api, w)
			return s.changed(done, w, err)
		},
	}
}

func newWorkflowDiscard(s *session) *cobra.Command {
	return workflowAct(s, "discard", "Throw the draft away", "Draft discarded", func(ctx context.Context, api *client.Client, w wire.WorkflowDetail) (wire.WorkflowDetail, error) {
		return api.DiscardDraft(ctx, w.ID, w.Revision)
	})
}

func newWorkflowUpdate(s *session) *cobra.Command {
	return workflowAct(s, "update", "Make a draft of what the bundle ships now", "Draft made", func(ctx context.Context, api *client.Client, w wire.WorkflowDetail) (wire.WorkflowDetail, error) {
		return api.UpdateWorkflow(ctx, w.ID)
	})
}

func newWorkflowArchive(s *session) *cobra.Command {
	return workflowAct(s, "archive", "Put a workflow away that nothing uses", "Archived", func(ctx context.Context, api *client.Client, w wire.WorkflowDetail) (wire.WorkflowDetail, error) {
		return api.ArchiveWorkflow(ctx, w.ID)
	})
}

func newWorkflowUnarchive(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "unarchive WORKFLOW", Short: "Bring an archived workflow back",
		Example: "margay workflow unarchive \"Weekly seats\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			page, err := api.ArchivedWorkflows(cmd.Context())
			if err != nil {
				return err
			}
			w, err := find("workflow", "margay workflow list", args[0], page.Items,
				func(w wire.Workflow) string { return w.ID }, func(w wire.Workflow) []string { return []string{w.Name} })
			if err != nil {
				return err
			}
			back, err := api.UnarchiveWorkflow(cmd.Context(), w.ID)
			return s.changed("Brought back", back, err)
		},
	}
}

func newWorkflowRestore(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "restore WORKFLOW VERSION", Short: "Make a draft of an old version",
		Example: "margay workflow restore \"Weekly seats\" 1",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, w, err := s.workflowDetail(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			w, err = api.RestoreWorkflow(cmd.Context(), w.ID, args[1])
			return s.changed("Draft made", w, err)
		},
	}
}

func newWorkflowDuplicate(s *session) *cobra.Command {
	var name string
	cmd := workflowAct(s, "duplicate", "Make a workflow of the same text", "Made", func(ctx context.Context, api *client.Client, w wire.WorkflowDetail) (wire.WorkflowDetail, error) {
		return api.DuplicateWorkflow(ctx, w.ID, name)
	})
	cmd.Flags().StringVar(&name, "name", "", "its name; Copy of … by default")
	return cmd
}

func newWorkflowVersions(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "versions WORKFLOW", Short: "List the versions of a workflow, newest first",
		Example: "margay workflow versions \"Weekly seats\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, w, err := s.workflowDetail(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			page, err := api.WorkflowVersions(cmd.Context(), w.ID)
			if err != nil {
				return err
			}
			return list(s, page, view[wire.VersionShort]{
				none: "It has never been published.",
				id:   func(v wire.VersionShort) string { return v.Hash },
				columns: []column[wire.VersionShort]{
					{name: "Version", keep: true, cell: func(v wire.VersionShort) cell { return text(strconv.Itoa(v.Number)) }},
					{name: "Published", cell: func(v wire.VersionShort) cell {
						if v.Published {
							return text("published")
						}
						return cell{}
					}},
					{name: "Hash", cell: func(v wire.VersionShort) cell { return text(v.Hash[:min(12, len(v.Hash))]) }},
					{name: "By", cell: func(v wire.VersionShort) cell { return text(s.personName(cmd.Context(), v.AuthorID)) }},
					{name: "At", cell: func(v wire.VersionShort) cell { return s.moment(v.CreatedAt) }},
					{name: "Note", cell: func(v wire.VersionShort) cell { return text(v.Note) }},
				},
			})
		},
	}
}

func newWorkflowRun(s *session) *cobra.Command {
	var single []string
	var all string
	var wait waiting
	cmd := &cobra.Command{
		Use: "run WORKFLOW", Short: "Run a manual workflow",
		Example: "margay workflow run \"Unlicense idle viewers\" --input days=90 --wait",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, w, err := s.workflowDetail(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			inputs, err := s.inputs(w.Inputs, single, all)
			if err != nil {
				return err
			}
			r, err := api.RunWorkflow(cmd.Context(), w.ID, wire.StartedRun{Inputs: inputs})
			if err != nil {
				return err
			}
			if !wait.set {
				if s.format != formatTable {
					return show(s, r, s.runView(cmd.Context()))
				}
				s.tell(markDone, "Queued", r.ID, w.Name)
				return nil
			}
			return s.watchRun(cmd.Context(), r.ID, wait.most)
		},
	}
	cmd.Flags().StringArrayVar(&single, "input", nil, "one input: key=value")
	cmd.Flags().StringVar(&all, "inputs", "", "all inputs: a JSON object, or @file")
	wait.flag(cmd.Flags(), "follow it to its end")
	return cmd
}

// inputs returns the inputs as JSON: each value in the type that the schema
// says.
func (s *session) inputs(schema json.RawMessage, single []string, all string) (json.RawMessage, error) {
	values := map[string]json.RawMessage{}
	if all != "" {
		if file, ok := strings.CutPrefix(all, "@"); ok {
			text, err := s.readInput(file)
			if err != nil {
				return nil, err
			}
			all = text
		}
		if err := json.Unmarshal([]byte(all), &values); err != nil {
			return nil, usage("As in --inputs '{\"days\":90}'", "The inputs are a JSON object.")
		}
	}
	var declared struct {
		Properties map[string]struct {
			Type string `json:"type"`
		} `json:"properties"`
	}
	if len(schema) > 0 {
		if err := json.Unmarshal(schema, &declared); err != nil {
			return nil, err
		}
	}
	for _, pair := range single {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, usage("As in --input days=90", "%q is not key=value.", pair)
		}
		kind := declared.Properties[key].Type
		if slices.Contains([]string{"number", "integer", "boolean", "array"}, kind) && json.Valid([]byte(value)) {
			values[key] = json.RawMessage(value)
			continue
		}
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		values[key] = text
	}
	return json.Marshal(values)
}

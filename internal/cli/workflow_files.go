package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/margay-access/margay/internal/api/wire"
	"github.com/margay-access/margay/internal/client"
	"github.com/margay-access/margay/internal/fault"
)

// workflowFile is workflow.yaml: what is kept of a workflow beside its text.
type workflowFile struct {
	ID          string        `yaml:"id,omitempty"`
	Name        string        `yaml:"name"`
	Type        string        `yaml:"type"`
	Integration string        `yaml:"integration"`
	Connection  string        `yaml:"connection,omitempty"`
	Description string        `yaml:"description,omitempty"`
	Tags        []string      `yaml:"tags,omitempty"`
	Schedule    *scheduleFile `yaml:"schedule,omitempty"`
	Inputs      string        `yaml:"inputs,omitempty"` // JSON, in the order in which it was written
	Revision    int           `yaml:"revision,omitempty"`
}

type scheduleFile struct {
	Cron string `yaml:"cron"`
	Zone string `yaml:"zone,omitempty"`
}

const (
	workflowText = "index.ts"
	workflowYAML = "workflow.yaml"
	tsconfig     = `{
  "compilerOptions": {
    "strict": true, "noEmit": true, "target": "ES2023", "module": "ESNext", "moduleResolution": "Bundler", "lib": ["ES2023"], "types": []
  },
  "include": ["*.d.ts", "*/index.ts"]
}
`
	yamlHead = "# Written by margay workflow pull. revision says which state of the server this is based on.\n"
)

var notInSlug = regexp.MustCompile(`[^a-z0-9]+`)

// slugOf is the folder of a workflow.
func slugOf(w wire.Workflow) string {
	slug := strings.Trim(notInSlug.ReplaceAllString(strings.ToLower(w.Name), "-"), "-")
	if slug == "" {
		return w.ID
	}
	return slug[:min(60, len(slug))]
}

func newWorkflowPull(s *session) *cobra.Command {
	var dir string
	var force bool
	cmd := &cobra.Command{
		Use: "pull [WORKFLOW...]", Short: "Write workflows as files: a folder each",
		Example: "margay workflow pull \"Weekly seats\"",
		Long: "Write workflows (default: all) as files, a folder each: index.ts and workflow.yaml. Beside them are\n" +
			"margay.d.ts and tsconfig.json, so that an editor checks the text. Files that were changed here since\n" +
			"the last pull are not overwritten without --force.",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			var ids []string
			for _, ref := range args {
				id, err := s.workflowID(cmd.Context(), ref)
				if err != nil {
					return err
				}
				ids = append(ids, id)
			}
			if len(args) == 0 {
				page, err := api.Workflows(cmd.Context())
				if err != nil {
					return err
				}
				for _, w := range page.Items {
					ids = append(ids, w.ID)
				}
			}
			return s.pull(cmd.Context(), api, dir, ids, force)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "workflows", "the folder")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite what was changed here")
	return cmd
}

func (s *session) pull(ctx context.Context, api *client.Client, dir string, ids []string, force bool) error {
	folders, err := foldersIn(dir)
	if err != nil {
		return err
	}
	declared := map[string]bool{}
	for _, id := range ids {
		w, err := api.Workflow(ctx, id)
		if err != nil {
			return err
		}
		folder := filepath.Join(dir, slugOf(w.Workflow))
		if known, ok := folders[id]; ok {
			folder = known
		} else if _, err := os.Stat(folder); err == nil {
			folder += "-" + id[max(0, len(id)-6):]
		}
		if err := s.pullOne(folder, w, force); err != nil {
			return err
		}
		if declared[w.Integration] {
			continue
		}
		declared[w.Integration] = true
		d, err := api.Declarations(ctx, w.Integration)
		if err != nil {
			return err
		}
		if err := errors.Join(write(filepath.Join(dir, filepath.Base(d.File)), d.Text), write(filepath.Join(dir, "tsconfig.json"), tsconfig)); err != nil {
			return err
		}
	}
	return nil
}

// foldersIn returns the folders of the workflows that dir holds, by id.
func foldersIn(dir string) (map[string]string, error) {
	folders := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Invalid, "%v.", err).WithCode("file")
	}
	for _, e := range entries {
		f, _, err := readWorkflow(filepath.Join(dir, e.Name()))
		if err == nil && f.ID != "" {
			folders[f.ID] = filepath.Join(dir, e.Name())
		}
	}
	return folders, nil
}

func (s *session) pullOne(folder string, w wire.WorkflowDetail, force bool) error {
	file, source := fileOf(w), seenContent(w).Source
	kept, text, err := readWorkflow(folder)
	if err == nil && !force && kept.Revision == w.Revision && (text != source || !sameFile(kept, file)) {
		s.warn("%s was changed here: not overwritten. Push it, or pull with --force.", folder)
		return nil
	}
	if err == nil && !force && kept.Revision != w.Revision && text != source {
		return fault.New(fault.Conflict, "%s is at revision %d and the server at %d: both may hold changes.", folder, kept.Revision, w.Revision).
			WithCode("changed_meanwhile").WithHint("Keep your text elsewhere, pull with --force, and put it in again.")
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // to be put under version control
		return err
	}
	if err := errors.Join(write(filepath.Join(folder, workflowText), source), writeYAML(folder, file)); err != nil {
		return err
	}
	s.tell(markDone, "Pulled", w.ID, folder)
	return nil
}

func sameFile(a, b workflowFile) bool {
	x, errX := yaml.Marshal(a)
	y, errY := yaml.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func fileOf(w wire.WorkflowDetail) workflowFile {
	c := seenContent(w)
	f := workflowFile{
		ID: w.ID, Name: w.Name, Type: w.Type, Integration: w.Integration, Connection: w.ConnectionID, Description: w.Description, Tags: w.Tags, Revision: w.Revision,
	}
	if c.Schedule != nil {
		f.Schedule = &scheduleFile{Cron: c.Schedule.Cron, Zone: c.Schedule.Zone}
	}
	if len(c.Inputs) > 0 {
		var pretty bytes.Buffer
		if json.Indent(&pretty, c.Inputs, "", "  ") == nil {
			f.Inputs = pretty.String() + "\n"
		}
	}
	return f
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // to be put under version control
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644) //nolint:gosec // likewise
}

func writeYAML(folder string, f workflowFile) error {
	text, err := yaml.Marshal(f)
	if err != nil {
		return err
	}
	return write(filepath.Join(folder, workflowYAML), yamlHead+string(text))
}

// readWorkflow reads one folder.
func readWorkflow(folder string) (workflowFile, string, error) {
	var f workflowFile
	text, err := os.ReadFile(filepath.Join(folder, workflowYAML)) //nolint:gosec // the user names the folder
	if err != nil {
		return f, "", err
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		return f, "", fault.New(fault.Invalid, "%s cannot be read: %v.", filepath.Join(folder, workflowYAML), err).WithCode("file")
	}
	source, err := os.ReadFile(filepath.Join(folder, workflowText)) //nolint:gosec // likewise
	return f, string(source), err
}

func (f workflowFile) content(source string) wire.WorkflowContent {
	c := wire.WorkflowContent{Source: source}
	if f.Schedule != nil {
		c.Schedule = &wire.Schedule{Cron: f.Schedule.Cron, Zone: f.Schedule.Zone}
	}
	if strings.TrimSpace(f.Inputs) != "" {
		c.Inputs = json.RawMessage(f.Inputs)
	}
	return c
}

func newWorkflowPush(s *session) *cobra.Command {
	var dir, note string
	var publish bool
	cmd := &cobra.Command{
		Use: "push [FOLDER...]", Short: "Make drafts of files, and publish them with --publish",
		Example: "margay workflow push workflows/weekly-seats --publish",
		Long: "Make drafts of workflows that are kept as files (default: all of --dir), show how they differ from\n" +
			"what is published, and publish them with --publish. A workflow that was changed on the server since\n" +
			"it was pulled is refused: pull it first. A folder without an id is a new workflow.",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				entries, err := os.ReadDir(dir)
				if err != nil {
					return fault.New(fault.Invalid, "%v.", err).WithCode("file")
				}
				for _, e := range entries {
					if _, err := os.Stat(filepath.Join(dir, e.Name(), workflowYAML)); err == nil {
						args = append(args, filepath.Join(dir, e.Name()))
					}
				}
			}
			for _, folder := range args {
				if err := s.push(cmd.Context(), api, folder, publish, note); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "workflows", "the folder")
	cmd.Flags().BoolVar(&publish, "publish", false, "publish what was pushed")
	cmd.Flags().StringVar(&note, "note", "", "with --publish: what is new")
	return cmd
}

func (s *session) push(ctx context.Context, api *client.Client, folder string, publish bool, note string) error {
	f, source, err := readWorkflow(folder)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fault.New(fault.NotFound, "%s holds no workflow: it has no %s or no %s.", folder, workflowYAML, workflowText).WithCode("file")
		}
		return err
	}
	if f.Inputs != "" && !json.Valid([]byte(f.Inputs)) {
		return usage("", "The inputs of %s are not JSON.", filepath.Join(folder, workflowYAML))
	}
	w, err := s.pushed(ctx, api, f, folder, source)
	if err != nil {
		return err
	}
	what := "Pushed"
	if w.Draft != nil {
		d, err := api.DiffWorkflow(ctx, w.ID, "", "draft")
		if err != nil {
			return err
		}
		if s.format == formatTable {
			if err := s.printDiff(d); err != nil {
				return err
			}
		}
		if publish {
			if w, err = api.PublishWorkflow(ctx, w.ID, wire.Publication{Revision: w.Revision, Note: note}); err != nil {
				return errors.Join(err, writeYAML(folder, revised(f, w)))
			}
			what = published(w)
		}
	}
	if err := writeYAML(folder, revised(f, w)); err != nil {
		return err
	}
	return s.saved(what, w, nil)
}

// revised is the file as it stands after what the server has now.
func revised(f workflowFile, w wire.WorkflowDetail) workflowFile {
	if w.ID != "" {
		f.ID, f.Revision = w.ID, w.Revision
	}
	return f
}

// pushed makes the server's draft that of the files.
func (s *session) pushed(ctx context.Context, api *client.Client, f workflowFile, folder, source string) (wire.WorkflowDetail, error) {
	c := f.content(source)
	if f.ID == "" {
		return api.CreateWorkflow(ctx, wire.NewWorkflow{
			Name: f.Name, Type: f.Type, Integration: f.Integration, ConnectionID: f.Connection, Description: f.Description, Tags: f.Tags,
			Source: c.Source, Inputs: c.Inputs, Schedule: c.Schedule,
		})
	}
	w, err := api.Workflow(ctx, f.ID)
	if err != nil {
		return w, err
	}
	if w.Revision != f.Revision {
		return w, fault.New(fault.Conflict, "%s is based on revision %d, and the server is at %d: somebody changed it meanwhile.", folder, f.Revision, w.Revision).
			WithCode("changed_meanwhile").WithHint("Look at it with: margay workflow diff %s; then pull it with --force and put your change in again.", w.ID)
	}
	if w.Name != f.Name || w.Description != f.Description || !slices.Equal(w.Tags, f.Tags) && len(w.Tags)+len(f.Tags) > 0 || w.ConnectionID != f.Connection {
		tags := append([]string{}, f.Tags...)
		if w, err = api.ChangeWorkflow(ctx, w.ID, wire.ChangedWorkflow{Name: &f.Name, Description: &f.Description, Tags: &tags, ConnectionID: &f.Connection}); err != nil {
			return w, err
		}
	}
	saved, err := api.SaveDraft(ctx, w.ID, wire.SavedDraft{Revision: w.Revision, WorkflowContent: c})
	if err != nil {
		return w, fmt.Errorf("push %s: %w", folder, err)
	}
	return saved, nil
}

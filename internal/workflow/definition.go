package workflow

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/margay-access/margay/internal/fault"
	"github.com/margay-access/margay/internal/identity"
	"github.com/margay-access/margay/internal/workflow/script"
)

// Content is what an author writes.
type Content struct {
	File     string
	Source   string          // TypeScript
	Inputs   json.RawMessage // JSON schema; for a manual one alone
	Schedule Schedule        // for a scheduled one alone
}

// Draft is the content that becomes the next version.
type Draft struct {
	Content
	// Bundle is the version of the bundle that the text was taken from; 0: none.
	Bundle int
	Author identity.PersonID
	At     time.Time
}

// Starters says who may run a manual workflow, besides administrators.
type Starters struct {
	Anybody bool     `json:"anybody,omitempty"`
	Groups  []string `json:"groups,omitempty"` // ids of groups of people
}

// Use is something that names a workflow.
type Use struct {
	Kind string // "app", "role", "policy"
	ID   string
	Name string
}

// Content returns what the version's author wrote.
func (v Version) Content() Content {
	return Content{File: v.File, Source: v.Source, Inputs: v.Inputs, Schedule: v.Schedule}
}

// Sum returns the content hash that names the version.
func (v Version) Sum() string { return sumOf(v.Content(), v.Modules) }

// sumOf is the hash of the text and its modules, and of what else the version
// declares when it declares anything: workflows that do not keep the hash they
// always had.
func sumOf(c Content, modules map[string]string) string {
	text := script.Source{Name: c.File, Text: c.Source, Modules: modules}.Hash()
	if len(c.Inputs) == 0 && c.Schedule == (Schedule{}) {
		return text
	}
	declared, err := json.Marshal([]any{text, string(c.Inputs), c.Schedule.Cron, c.Schedule.Zone})
	if err != nil {
		panic("workflow: a list of texts does not marshal: " + err.Error())
	}
	sum := sha256.Sum256(declared)
	return hex.EncodeToString(sum[:])
}

const (
	maxName        = 255
	maxDescription = 2000
	maxNote        = 2000
	maxTags        = 20
	maxTag         = 40
)

// clean returns the workflow as it is kept, or what is wrong with it.
func (w Workflow) clean() (Workflow, error) {
	var faults []*fault.Error
	w.Name = cleanText(&faults, "name", w.Name, maxName)
	w.Description = cleanText(&faults, "description", w.Description, maxDescription)
	if w.Name == "" {
		faults = append(faults, fault.Field("name", "A name is required."))
	}
	if strings.ContainsFunc(w.Name, func(r rune) bool { return r < ' ' }) {
		faults = append(faults, fault.Field("name", "A name is one line."))
	}
	if !slices.Contains(Types(), w.Type) {
		faults = append(faults, fault.Field("type", "There is no type of workflow %q.", w.Type))
	}
	if !w.runsByItself() && w.Connection != "" {
		faults = append(faults, fault.Field("connection_id", "Only a manual or a scheduled workflow has a connection of its own: the app tells the others theirs."))
	}
	if w.Type != Manual && (w.Starters.Anybody || len(w.Starters.Groups) > 0) {
		faults = append(faults, fault.Field("starters", "Only a manual workflow is run by people."))
	}
	if w.Type != Scheduled && w.Paused {
		faults = append(faults, fault.Field("paused", "Only a scheduled workflow can be paused."))
	}
	w.Tags = cleanTags(&faults, w.Tags)
	w.Starters.Groups = slices.Compact(slices.Sorted(slices.Values(w.Starters.Groups)))
	return w, fault.Join(faults...)
}

// runsByItself says whether the workflow is run on its own, not for a request or
// a grant.
func (w Workflow) runsByItself() bool { return w.Type == Manual || w.Type == Scheduled }

func cleanTags(faults *[]*fault.Error, tags []string) []string {
	var kept []string
	for _, t := range tags {
		t = strings.ToLower(cleanText(faults, "tags", t, maxTag))
		if strings.ContainsAny(t, ", \t\n") {
			*faults = append(*faults, fault.Field("tags", "A tag is one word: %q is not.", t))
		}
		if t != "" {
			kept = append(kept, t)
		}
	}
	slices.Sort(kept)
	kept = slices.Compact(kept)
	if len(kept) > maxTags {
		*faults = append(*faults, fault.Field("tags", "A workflow has at most %d tags.", maxTags))
	}
	return kept
}

// cleanText returns text without outer blanks, and adds what is wrong with it to
// faults. Lengths count characters.
func cleanText(faults *[]*fault.Error, field, text string, most int) string {
	text = strings.TrimSpace(text)
	switch {
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0): // PostgreSQL keeps neither
		*faults = append(*faults, fault.Field(field, "This text holds a character that cannot be kept."))
	case utf8.RuneCountInString(text) > most:
		*faults = append(*faults, fault.Field(field, "This text has at most %d characters.", most))
	}
	return text
}

// clean returns the content as it is kept, or why it cannot be kept at all. A
// draft need not compile.
func (c Content) clean(of Type) (Content, error) {
	var faults []*fault.Error
	if c.File == "" {
		c.File = "index.ts"
	}
	if len(c.File) > maxName || strings.ContainsAny(c.File, "/\\:\x00\n") || !strings.HasSuffix(c.File, ".ts") {
		faults = append(faults, fault.Field("file", "A file is named as in index.ts, without a folder."))
	}
	c.Source = strings.ReplaceAll(c.Source, "\r\n", "\n")
	switch {
	case !utf8.ValidString(c.Source) || strings.ContainsRune(c.Source, 0):
		faults = append(faults, fault.Field("source", "This text holds a character that cannot be kept."))
	case len(c.Source) > script.MaxText:
		faults = append(faults, fault.Field("source", "A workflow has at most %d kB.", script.MaxText>>10))
	}
	if string(bytes.TrimSpace(c.Inputs)) == "null" {
		c.Inputs = nil
	}
	if len(c.Inputs) > 0 {
		if of != Manual {
			faults = append(faults, fault.Field("inputs", "Only a manual workflow has inputs."))
		} else if text, err := cleanInputs(c.Inputs); err != nil {
			faults = append(faults, fieldsOf(err, "inputs")...)
		} else {
			c.Inputs = text
		}
	}
	switch {
	case c.Schedule == (Schedule{}):
	case of != Scheduled:
		faults = append(faults, fault.Field("schedule", "Only a scheduled workflow has a schedule."))
	default:
		var err error
		if c.Schedule, err = c.Schedule.clean(); err != nil {
			faults = append(faults, fieldsOf(err, "schedule")...)
		}
	}
	return c, fault.Join(faults...)
}

// fieldsOf returns the field errors of err, or err as one of field.
func fieldsOf(err error, field string) []*fault.Error {
	if f, ok := errors.AsType[*fault.Error](err); ok && len(f.Fields()) > 0 {
		return f.Fields()
	}
	return []*fault.Error{fault.Field(field, "%v", err)}
}

// version compiles the content and returns it as version number of w, or what
// keeps it from being published.
func (w Workflow) version(c Content, modules map[string]string, number int, now time.Time) (Version, error) {
	if faults := c.faults(modules); len(faults) > 0 {
		return Version{}, doesNotCompile(faults)
	}
	if w.Type == Scheduled && c.Schedule == (Schedule{}) {
		return Version{}, fault.Field("schedule", "Say when it runs.").WithHint("A cron expression and a time zone: 0 7 * * MON in Europe/Berlin is each Monday at 7.")
	}
	v := Version{Workflow: w.ID, Number: number, File: c.File, Source: c.Source, Modules: modules, Inputs: c.Inputs, Schedule: c.Schedule, CreatedAt: now}
	v.Hash = v.Sum()
	return v, nil
}

// faults returns what the compiler has to say.
func (c Content) faults(modules map[string]string) []script.Fault {
	_, err := script.Compile(script.Source{Name: c.File, Text: c.Source, Modules: modules})
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*script.CompileError](err); ok {
		return e.Faults
	}
	return []script.Fault{{File: c.File, Text: err.Error()}}
}

// doesNotCompile returns the faults as field errors, each with its place.
func doesNotCompile(faults []script.Fault) error {
	fields := make([]*fault.Error, len(faults))
	for i, f := range faults {
		fields[i] = fault.Field("source", "%s", f.String()).WithCode("does_not_compile").At(f.File, f.Line, f.Column, f.Text)
	}
	err := fault.Join(fields...)
	if e, ok := errors.AsType[*fault.Error](err); ok {
		e.Code = "does_not_compile"
	}
	return err
}

// TypesUnchecked says how far the server checks the text of a workflow.
const TypesUnchecked = "Types are not checked here: margay workflow pull and tsc do."
